# section_rollups.sh: what it costs to count rows of usage.  ROLLED rows of mock
# traffic at once; then ten thousand new ones beside them, which must cost what
# they cost beside nothing.

rollups_until=2026-07-01T00:00:00Z
for db in rolled unrolled; do
	sql -c "CREATE DATABASE $db" -c "ALTER DATABASE $db SET apikey.rollup_interval = '1d'" \
		-c "ALTER DATABASE $db SET apikey.usage_retention = 0" -c "ALTER DATABASE $db SET apikey.rollup_hourly_retention = 0" \
		-c "ALTER DATABASE $db SET apikey.rollup_daily_retention = 0" >/dev/null
	sql -d $db -c "CREATE EXTENSION apikey CASCADE" -c "SELECT count(*) FROM apikey.mock_tenants(100)" \
		-c "SELECT count(*) FROM apikey.mock_keys(5000)" >/dev/null 2>&1
done
say "  making $ROLLED rows of usage"
sql -d rolled -c "SELECT count(*) FROM apikey.mock_usage($ROLLED, '$rollups_until'::timestamptz - interval '7 days', '$rollups_until', 1)" >/dev/null
sql -d unrolled -c "SELECT count(*) FROM apikey.mock_usage(10000, '$rollups_until'::timestamptz - interval '7 days', '$rollups_until', 1)" >/dev/null

# all of them, from nothing: rows per second
measure_rollup_all()
{
	sql -d rolled <<-SQL
		TRUNCATE apikey.usage_hourly, apikey.usage_daily, apikey.rollup_state;
		CHECKPOINT;
		SELECT clock_timestamp() AS began \gset
		SELECT apikey.refresh_rollups() AS counted \gset
		SELECT round(:counted / extract(epoch FROM clock_timestamp() - :'began'::timestamptz));
	SQL
}

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
measure_rollup_beside() { measure_rollup_new rolled; }
measure_rollup_alone() { measure_rollup_new unrolled; }

# nothing new: what a look costs
measure_rollup_idle()
{
	sql -d rolled <<-SQL
		SELECT clock_timestamp() AS began \gset
		SELECT apikey.refresh_rollups() AS counted \gset
		SELECT round(extract(epoch FROM clock_timestamp() - :'began'::timestamptz) * 1000, 1);
	SQL
}

rounds rollup_all
rounds rollup_beside rollup_alone rollup_idle
plain_row "refresh_rollups(), $ROLLED rows at once" rollup_all "" "/s"
row "the same, 10000 new rows beside $ROLLED counted ones" rollup_beside "beside 10000" rollup_alone "" ms
plain_row "the same, nothing new" rollup_idle "" ms
sql -c "DROP DATABASE rolled" -c "DROP DATABASE unrolled" >/dev/null
