# interleaved sessions: test/specs, expected/
. test/lib/level.sh
need_build
cluster_shared
run_regress 1100 REGRESS=
