# whole servers, started, crashed, dumped, replicated: test/t
. test/lib/level.sh
need_build
run_prove test/t
