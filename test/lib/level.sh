# level.sh: the head of every level_*.sh, which test/run starts in the staged
# tree.  A level prints what it does, counts, and ends; its exit status is
# non-zero if it could not do its work.
set -euo pipefail
top=$PWD
. test/lib/common.sh
. test/lib/cluster.sh
trap 'bounded_stop; exit 143' TERM INT HUP

# the level's name, part of the names of its files
level=${0##*/level_}
level=${level%.sh}

# count PASSED FAILED SKIPPED adds to the level's counts
count_p=0 count_f=0 count_s=0
count()
{
	count_p=$((count_p + $1)) count_f=$((count_f + $2)) count_s=$((count_s + $3))
	echo "$count_p $count_f $count_s" >"$stage/count/$level"
}

need_build()
{
	build_installed && return 0
	count 0 1 0
	exit 1
}

# count_regress OUTPUT counts the result lines of pg_regress; both forms,
# "test x ... ok" and, since 16, "ok 1 - x"
count_regress()
{
	local ok not
	ok=$(grep -cE '^(test|    ) .* \.\.\. ok|^ok [0-9]+ ' "$1" || true)
	not=$(grep -cE '^(test|    ) .* \.\.\. FAILED|^not ok [0-9]+ ' "$1" || true)
	count "$ok" "$not" 0
}

# run_regress SECONDS MAKE-ARGUMENT... runs make installcheck and counts
run_regress()
{
	local seconds=$1 rc=0
	shift
	rm -f regression.diffs
	bounded "$seconds" make PG_CONFIG="$PG_CONFIG" installcheck "$@" >"$stage/$level.regress" 2>&1 || rc=$?
	grep -E '^(test|    ) .* \.\.\. |^(not )?ok [0-9]+ ' "$stage/$level.regress" || tail -n 30 "$stage/$level.regress"
	count_regress "$stage/$level.regress"
	if [ "$rc" -ne 0 ]; then
		if [ -s regression.diffs ]; then
			say "--- regression.diffs"
			head -n 400 regression.diffs
		else
			tail -n 30 "$stage/$level.regress"
		fi
		cluster_log "$PGHOST"
	fi
	return "$rc"
}

# run_prove DIR runs the TAP files of DIR and counts their assertions
run_prove()
{
	local rc=0 pgxs p f s
	pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
	export TESTDIR=$stage/tap TESTDATADIR=$stage/tap/data TESTLOGDIR=$stage/tap/log
	export PG_REGRESS=$pgxs/src/test/regress/pg_regress top_builddir=$stage/src
	export PERL5LIB=$pgxs/src/test/perl:$stage/src/test/lib PGPORT=65432
	export PG_TEST_TIMEOUT_DEFAULT=180
	mkdir -p "$TESTDIR" "$TESTDATADIR" "$TESTLOGDIR"
	perl test/lib/prove.pl "$stage/prove.count" "$1"/*.pl || rc=$?
	read -r p f s <"$stage/prove.count"
	count "$p" "$f" "$s"
	if [ "$f" -ne 0 ]; then
		tap_logs
	fi
	return "$rc"
}

# tap_logs shows what the TAP files that did not pass have left
tap_logs()
{
	local file name
	while IFS= read -r file; do
		name=${file##*/regress_log_}
		say "--- log of $name"
		grep -nE '^(\[[^]]*\])? ?not ok ' "$file" | head -n 20 || true
		tail -n 30 "$file"
		for file in "$TESTDIR/tmp_check/log/$name"*.log; do
			[ -f "$file" ] || continue
			say "--- ${file##*/}"
			tail -n 30 "$file"
		done
	done < <(cat "$stage/prove.count.failed" 2>/dev/null)
}

# run_check SECONDS DIR MAKE-ARGUMENT... runs "make check" of DIR, whose last
# line is "N passed, N failed[, N skipped]", and counts
run_check()
{
	local seconds=$1 dir=$2 rc=0 line
	shift 2
	bounded "$seconds" make -C "$dir" --no-print-directory check "$@" >"$stage/$level.check" 2>&1 || rc=$?
	if [ "$rc" -eq 0 ]; then
		grep -E '^[^ ]*:? ?[0-9]+ passed, ' "$stage/$level.check" | sed '$d' || true
	else
		tail -n 200 "$stage/$level.check"
	fi
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$stage/$level.check" | tail -n 1)
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)? ]]; then
		count "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[4]:-0}"
	else
		say "make check of $dir ended with status $rc and no totals"
		count 0 1 0
	fi
	return "$rc"
}
