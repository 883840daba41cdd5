# what a hostile tenant, or a hostile role without any access, may try: test/attack
. test/lib/level.sh
need_build
say "$(cat test/attack/*.sql | grep -c '^--- ') statements to try, each by up to seven roles"
run_prove test/attack
