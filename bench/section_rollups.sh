# section_rollups.sh: what it costs to count rows of usage.  ROLLED rows of mock
# traffic at once: of many keys, so that there are few rows to a sum, and of a
# few; then ten thousand new ones beside them, which must cost what they cost
# beside nothing.

rollups_until=2026-07-01T00:00:00Z

# rollup_db NAME TENANTS KEYS ROWS DAYS: a database with mock usage, in which
# nobody counts but us
rollup_db()
{
	sql -c "CREATE DATABASE $1" -c "ALTER DATABASE $1 SET apikey.rollup_interval = '1d'" \
		-c "ALTER DATABASE $1 SET apikey.usage_retention = 0" -c "ALTER DATABASE $1 SET apikey.rollup_hourly_retention = 0" \
		-c "ALTER DATABASE $1 SET apikey.rollup_daily_retention = 0" -c "ALTER DATABASE $1 SET client_min_messages = warning"
	sql -d "$1" >/dev/null <<-SQL
		CREATE EXTENSION apikey CASCADE;
		SELECT count(*) FROM apikey.mock_tenants($2);
		SELECT count(*) FROM apikey.mock_keys($3);
		SELECT count(*) FROM apikey.mock_usage($4, '$rollups_until'::timestamptz - interval '$5 days', '$rollups_until', 1);
		SELECT apikey.refresh_rollups();
	SQL
}

say "  making twice $ROLLED rows of usage"
rollup_db rolled_many 20 2000 "$ROLLED" 7
rollup_db rolled_few 2 10 "$ROLLED" 1
rollup_db unrolled 20 2000 10000 7

# all of them, from nothing: rows per second on the clock, which other work on the
# machine slows down, and per second of processor time of the session that counts
cpu_time="SELECT split_part(pg_read_file('/proc/self/schedstat', 0, 100), ' ', 1)::numeric / 1e9 AS"
measure_rollup_all()
{
	sql -d "$1" >"$work/rollup_all" <<-SQL
		TRUNCATE apikey.usage_hourly, apikey.usage_daily;
		UPDATE apikey.rollup_state SET seen = NULL, scan_from = NULL, rows = 0, counted_at = clock_timestamp();
		CHECKPOINT;
		$cpu_time cpu_began \gset
		SELECT clock_timestamp() AS began \gset
		SELECT apikey.refresh_rollups() AS counted \gset
		SELECT round(:counted / extract(epoch FROM clock_timestamp() - :'began'::timestamptz));
		$cpu_time cpu_ended \gset
		SELECT round(:counted / (:cpu_ended - :cpu_began));
	SQL
	head -n 1 "$work/rollup_all"
}
measure_rollup_many() { measure_rollup_all rolled_many; }
measure_rollup_many_cpu() { tail -n 1 "$work/rollup_all"; }
measure_rollup_few() { measure_rollup_all rolled_few; }
measure_rollup_few_cpu() { tail -n 1 "$work/rollup_all"; }

# ten thousand more of the last hour: milliseconds
measure_rollup_new()
{
	sql -d "$1" <<-SQL
		SELECT count(*) FROM apikey.mock_usage(10000, '$rollups_until'::timestamptz - interval '1 hour', '$rollups_until', $RANDOM) \g /dev/null
		SELECT clock_timestamp() AS began \gset
		SELECT apikey.refresh_rollups() AS counted \gset
		SELECT round(extract(epoch FROM clock_timestamp() - :'began'::timestamptz) * 1000, 1);
	SQL
}
measure_rollup_beside() { measure_rollup_new rolled_many; }
measure_rollup_alone() { measure_rollup_new unrolled; }

# nothing new: what a look costs
measure_rollup_idle()
{
	sql -d rolled_many <<-SQL
		SELECT apikey.refresh_rollups() \g /dev/null
		SELECT clock_timestamp() AS began \gset
		SELECT apikey.refresh_rollups() AS counted \gset
		SELECT round(extract(epoch FROM clock_timestamp() - :'began'::timestamptz) * 1000, 1);
	SQL
}

# rollup_rows DATABASE: how many rows a sum is of
rollup_rows()
{
	sql -d "$1" -c 'SELECT round(sum(calls) / count(*), 1) FROM apikey.usage_hourly'
}

rounds rollup_many rollup_many_cpu rollup_few rollup_few_cpu
row "refresh_rollups(), $ROLLED rows at once, $(rollup_rows rolled_many) to a sum" rollup_many \
	"$(rollup_rows rolled_few) to a sum" rollup_few ""
row "the same, rows per second of processor time" rollup_many_cpu "$(rollup_rows rolled_few) to a sum" rollup_few_cpu ""
rounds rollup_beside rollup_alone rollup_idle
row "the same, 10000 new rows beside $ROLLED counted ones" rollup_beside "beside 10000" rollup_alone "" ms
plain_row "the same, nothing new" rollup_idle "" ms
sql -c "DROP DATABASE rolled_many" -c "DROP DATABASE rolled_few" -c "DROP DATABASE unrolled" >/dev/null
