# parsers under libFuzzer, a short run each: test/fuzz
. test/lib/level.sh
run_check 880 test/fuzz BUILD="$stage/fuzz"
