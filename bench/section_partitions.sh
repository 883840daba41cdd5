# section_partitions.sh: the longest wait of a verification at full load, while
# partitions of usage are made, detached and dropped all the time, against the
# longest one while nothing of that happens.
#
# Why it is not longer.  verify() locks nothing of usage: it waits only when the
# ring is full, that is when the writer was held up for longer than the ring
# takes events.  ATTACH does not hold the writer up; taking a leaf away does,
# from the moment its lock is asked for until the end of that transaction.  So
# the lock is tried for without queueing (_lock_usage), and what is done under
# it is a change of the catalog; files are removed after it is released.

script stall key "SELECT * FROM apikey.verify(KEY, $request);"

# partitions_churn FILE: makes two leaves with rows, detaches one and drops the
# other, until FILE is gone; prints how many were made
partitions_churn()
{
	local day=0
	while [ -e "$1" ]; do
		sql >/dev/null 2>>"$work/churn.err" <<-SQL || true
			SELECT apikey._ensure_partition_for(timestamptz '2001-01-01 00:00+00' + i * interval '1 day', timestamptz '2001-01-01 00:00+00' + i * interval '1 day')
			FROM generate_series($day, $day + 1) i;
			INSERT INTO apikey.usage (at, code) SELECT timestamptz '2001-01-01 00:00+00' + i % 2 * interval '1 day' + $day * interval '1 day', 'VALID'
			FROM generate_series(1, 10000) i;
			SET apikey.partition_archive = on;
			SELECT apikey._drop_partitions(1);
			SET apikey.partition_archive = off;
			SELECT apikey._drop_partitions(1);
			DO \$\$
			BEGIN
				EXECUTE (SELECT 'DROP TABLE ' || string_agg('apikey.' || leaf, ', ') FROM apikey.usage_archive);
				DELETE FROM apikey.usage_archive;
			END
			\$\$;
		SQL
		day=$((day + 2))
	done
	echo "$day" >>"$work/churn.count"
}

# stall_longest: the longest latency of one turn, in ms
stall_longest()
{
	rm -f "$work"/stall_log*
	(cd "$work" && "$bin/pgbench" -n -M prepared -c "$CLIENTS" -j "$THREADS" -T "$turn_seconds" "${values[@]}" \
		-l --log-prefix=stall_log -f "$work/stall/1.sql" >"$work/pgbench.out" 2>"$work/pgbench.err") ||
		{ cat "$work/pgbench.err" >&2; return 1; }
	cat "$work"/stall_log* | awk '$3 > most { most = $3 } END { printf "%.1f\n", most / 1000 }'
	rm -f "$work"/stall_log*
}

measure_calm() { stall_longest; }

measure_churn()
{
	local churn longest
	touch "$work/churning"
	partitions_churn "$work/churning" &
	churn=$!
	longest=$(stall_longest) || { rm -f "$work/churning"; return 1; }
	rm -f "$work/churning"
	wait "$churn"
	echo "$longest"
}

: >"$work/churn.count"
rounds calm churn
row "Longest wait of a verification while partitions are made, detached and dropped" churn \
	"while nothing of that happens" calm "<= 50 ms" ms
say "  $(awk '{ n += $1 } END { print n }' "$work/churn.count") partitions were made and taken away meanwhile, $(wc -l <"$work/churn.err") lines of errors"
sql -c "SELECT apikey.flush_usage()" >/dev/null
[ "$(sql -c "SELECT dropped FROM apikey.stat_usage")" -eq 0 ] || die "usage events were dropped"
