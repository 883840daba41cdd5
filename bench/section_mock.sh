# section_mock.sh: mock_usage() against COPY of the same rows into the same
# partitioned table, in a database of its own.  Both begin with empty
# partitions and end with their rows on disk.

say "  making 5000 mock keys in a database of their own, and $MOCK rows in turns"
sql -c "CREATE DATABASE mock" >/dev/null
sql -d mock -c "CREATE EXTENSION apikey CASCADE" -c "SELECT count(*) FROM apikey.mock_tenants(100)" \
	-c "SELECT count(*) FROM apikey.mock_keys(5000)" -c "VACUUM ANALYZE" >/dev/null 2>&1
mock_until=$(sql -d mock -c "SELECT date_trunc('hour', now())")
mock_call="apikey.mock_usage($MOCK, '$mock_until'::timestamptz - interval '7 days', '$mock_until', 1)"
sql -d mock >/dev/null <<-SQL
	SELECT count(*) FROM $mock_call;
	COPY (SELECT * FROM apikey.usage ORDER BY at) TO '$work/mock.copy' (FORMAT binary);
SQL

# measure_mock_rows STATEMENT: rows per second
measure_mock_rows()
{
	sql -d mock <<-SQL
		TRUNCATE apikey.usage;
		CHECKPOINT;
		SELECT clock_timestamp() AS began \gset
		$1 \g /dev/null
		SELECT round($MOCK / extract(epoch FROM clock_timestamp() - :'began'::timestamptz));
	SQL
}
measure_mock() { measure_mock_rows "SELECT * FROM $mock_call"; }
measure_mock_copy() { measure_mock_rows "COPY apikey.usage FROM '$work/mock.copy' (FORMAT binary)"; }

rounds mock mock_copy
row "mock_usage(), $MOCK rows" mock "COPY (binary) of them into the same table" mock_copy ">= 0.8"
rm -f "$work/mock.copy"
sql -c "DROP DATABASE mock" >/dev/null
