# the design of what runs at the same time, every order of steps tried by spin:
# test/model.  A model names what must hold, and what must break it.
. test/lib/level.sh

memory_mb=1800

# explore MODEL DEFINE... builds and runs the checker in an empty directory.
# Status 0: it holds, 1: it does not, 2: no answer.
explore()
{
	local model=$1 out=$stage/model/out
	shift
	rm -rf "$stage/model"
	mkdir "$stage/model"
	cd "$stage/model"
	if ! spin -a "$@" "$model" >"$out" 2>&1 ||
		! gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=$memory_mb -o pan pan.c >>"$out" 2>&1 ||
		! bounded 300 ./pan -n -m200000 >>"$out" 2>&1; then
		return 2
	fi
	cd "$top"
	# an assertion or an end state ends the search, and both counts tell
	if grep -q 'errors: 1$' "$out" && grep -qE '^pan:1: (assertion violated|invalid end state)' "$out"; then
		return 1
	fi
	grep -q 'errors: 0$' "$out" || return 2
	! grep -qE 'Search not completed|max search depth too small' "$out" || return 2
}

# check MODEL hold|fail DEFINE...
check()
{
	local model=$1 wanted=$2 rc=0 name=${1##*/} begin=$SECONDS
	shift 2
	name="${name%.pml}: must $wanted: $*"
	( explore "$top/$model" "$@" ) || rc=$?
	if [ "$rc" -eq 0 ] && [ "$wanted" = hold ]; then
		say "ok - $name ($(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$stage/model/out") states, $((SECONDS - begin)) s)"
		count 1 0 0
	elif [ "$rc" -eq 1 ] && [ "$wanted" = fail ]; then
		count 1 0 0
	else
		say "not ok - $name (status $rc)"
		tail -n 40 "$stage/model/out"
		count 0 1 0
	fi
}

for model in test/model/*.pml; do
	lines=$(sed -nE 's/^ \* must (hold|fail):((\s+-D\S+)+).*/\1\2/p' "$model")
	if [ "$(grep -c ^hold <<<"$lines")" -eq 0 ] || [ "$(grep -c ^fail <<<"$lines")" -eq 0 ]; then
		say "not ok - $model does not say what must hold and what must fail"
		count 0 1 0
		continue
	fi
	while IFS= read -r line; do
		# shellcheck disable=SC2086
		check "$model" $line
	done <<<"$lines"
done
[ "$count_f" -eq 0 ]
