# pure C, no server: test/unit
. test/lib/level.sh
run_check 580 test/unit BUILD="$stage/unit"
