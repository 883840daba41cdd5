# pure C, no server: test/unit
. test/lib/level.sh
run_unit test/unit
