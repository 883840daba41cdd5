# section_writer.sh: ring to table against COPY of the same rows into the same
# partitioned table.  The server is started anew with a ring that takes them
# all and a writer that waits for flush_usage().

cluster_stop "$work"
cp "$work/data/postgresql.conf" "$work/postgresql.conf.kept"
cat >>"$work/data/postgresql.conf" <<-CONF
	apikey.max_databases = 1
	apikey.usage_buffer_size = $((ROWS / 2 < 1048576 ? (ROWS > 8192 ? ROWS / 2 : 4096) : 1048576))
	apikey.usage_flush_interval = 60000
CONF
cluster_start "$work"

# writer_fill: ROWS events in the ring, by two sessions
writer_fill()
{
	local half=$((ROWS / 2)) one
	sql -c "SELECT apikey.flush_usage()" >/dev/null
	writer_sql="SELECT count(apikey.is_allowed(h.key, '{orders:read}', '198.51.100.9', 'GET', '/v1/orders/' || i % 1000))
		FROM generate_series(1, $half) i JOIN bench.hot h ON h.n = (i * 7919) % $HOT + 1"
	sql -c "$writer_sql" >/dev/null &
	one=$!
	sql -c "$writer_sql" >/dev/null
	wait "$one"
}

# both end with their rows on disk
measure_writer()
{
	writer_fill
	sql <<-SQL
		SELECT waiting AS n, clock_timestamp() AS began FROM apikey.stat_usage \gset
		SELECT apikey.flush_usage() \g /dev/null
		SELECT round(:n / extract(epoch FROM clock_timestamp() - :'began'::timestamptz));
	SQL
}

measure_copy()
{
	sql <<-SQL
		COPY (SELECT * FROM apikey.usage ORDER BY at DESC LIMIT $ROWS) TO '$work/usage.copy' (FORMAT binary);
		SELECT clock_timestamp() AS began \gset
		COPY apikey.usage FROM '$work/usage.copy' (FORMAT binary);
		SELECT round($ROWS / extract(epoch FROM clock_timestamp() - :'began'::timestamptz));
	SQL
	rm -f "$work/usage.copy"
}

rounds writer copy
row "Writer, ring to table, rows" writer "COPY (binary) into the same table" copy ">= 0.8"
check_answers postgres
cluster_stop "$work"
cp "$work/postgresql.conf.kept" "$work/data/postgresql.conf"
cluster_start "$work"
