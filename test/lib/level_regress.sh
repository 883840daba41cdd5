# SQL against a server: test/sql, expected/
. test/lib/level.sh
need_build
cluster_shared
run_regress 1700 ISOLATION=
