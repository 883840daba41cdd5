# what a hostile tenant, or a hostile role without any access, may try: test/attack
. test/lib/level.sh
need_build
run_prove test/attack
