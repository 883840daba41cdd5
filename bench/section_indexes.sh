# section_indexes.sh: kinds of indexes that a partition of usage could have, on
# INDEXED rows: how long the question takes that an index is for, how large it
# is, and what it costs the writer.  The writer's share is the CPU time of its
# process for each row, as a rate it would have with a core for itself; the
# partition has the usual indexes, and the one that is tried.

cp "$work/data/postgresql.conf" "$work/postgresql.conf.kept"
cat >>"$work/data/postgresql.conf" <<-CONF
	apikey.usage_buffer_size = 262144
	apikey.usage_flush_interval = 60000
	apikey.max_databases = 2
	autovacuum = off
CONF
cluster_stop "$work"
cluster_start "$work"
sql -c 'CREATE DATABASE indexes' >/dev/null
sql -d indexes >/dev/null <<-SQL
	SET client_min_messages = warning;
	CREATE EXTENSION apikey CASCADE;
	SELECT apikey.create_tenant('bench');
	SELECT apikey.create_environment('bench', 'production', tag => 'live');
	CREATE TABLE known AS SELECT row_number() OVER () - 1 AS n, key FROM apikey.create_keys(1000, 'bench', 'production', name => 'k', owner => 'bench');
	ALTER TABLE known ADD PRIMARY KEY (n);
	SELECT apikey.ensure_partitions();
	INSERT INTO apikey.usage (at, tenant_id, key_id, secret_id, environment_id, code, scope, method, endpoint, status, latency_us, bytes_in, bytes_out, ip, region, user_agent, request_id)
	SELECT date_trunc('day', now(), 'UTC') + i * (now() - date_trunc('day', now(), 'UTC')) / $INDEXED, k % 300 + 1, k + 1, k + 1, k % 3 + 1,
		CASE WHEN i % 40 = 0 THEN 'EXPIRED' ELSE 'VALID' END, 'orders:read', 'GET', '/v1/orders/' || i % 1000, 200, 1000 + i % 9000, 300, 2000,
		('10.' || k % 250 || '.' || k / 250 % 250 || '.' || i % 4)::inet, 'eu-central', 'python-requests/2.31', gen_random_uuid()
	FROM (SELECT i, floor(10000 * power(random(), 3))::integer AS k FROM generate_series(1, $INDEXED) i OFFSET 0) g
	ORDER BY i / 1000, k % 300, k;
	VACUUM ANALYZE;
SQL
indexes_leaf=$(sql -d indexes -c "SELECT leaf FROM apikey._usage_leaves() WHERE starts_at <= now() AND now() < ends_at")

# indexes_writer: CPU time of the writer for a row, in us
indexes_writer()
{
	local pid begun n
	sql -d indexes >/dev/null <<-SQL
		SELECT apikey.flush_usage();
		SELECT count(apikey.is_allowed(key, NULL, ('10.' || i * 7 % 250 || '.' || (random() * 200)::integer || '.' || i % 4)::inet, 'GET',
			'/v1/orders/' || i % 1000, request_id => gen_random_uuid()::text))
		FROM generate_series(1, $ROWS) i JOIN known ON n = i * 7919::bigint % 1000;
	SQL
	IFS='|' read -r pid n < <(sql -d indexes -c "SELECT pid, waiting FROM apikey.stat_worker, apikey.stat_usage WHERE task = 'usage'")
	begun=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	sql -d indexes -c 'SELECT apikey.flush_usage()' >/dev/null
	awk -v begun="$begun" -v n="$n" -v tick="$(getconf CLK_TCK)" '{ printf "%.2f", ($14 + $15 - begun) / tick * 1e6 / n }' "/proc/$pid/stat"
}

# indexes_ask QUESTION: the best of three times, in ms
indexes_ask()
{
	local i
	for i in 1 2 3; do
		sql -d indexes -c "SET max_parallel_workers_per_gather = 0" -c "EXPLAIN ANALYZE $1" | sed -n 's/^Execution Time: \([0-9.]*\) ms/\1/p'
	done | sort -n | head -n 1
}

# indexes_try TITLE QUESTION INDEX: a line of the table
indexes_try()
{
	local size=- time writer
	if [ -n "$3" ]; then
		sql -d indexes -c "CREATE INDEX tried ON $indexes_leaf USING $3"
		size=$(sql -d indexes -c "SELECT pg_size_pretty(pg_relation_size('apikey.tried'))")
	fi
	time=$(indexes_ask "$2")
	writer=$(indexes_writer)
	[ -z "$3" ] || sql -d indexes -c "DROP INDEX apikey.tried"
	echo "| $1 | $time ms | $size | $writer us |" | tee -a "$work/indexes.table"
}

sql -d indexes -c "DROP INDEX ${indexes_leaf}_ip_idx, ${indexes_leaf}_request_id_idx"
IFS='|' read -r indexes_ip indexes_request < <(sql -d indexes -c "SELECT ip, request_id FROM $indexes_leaf OFFSET $((INDEXED / 3)) LIMIT 1")
indexes_ip="SELECT count(*) FROM apikey.usage WHERE ip = '$indexes_ip' AND at >= date_trunc('day', now(), 'UTC') AND at < now()"
indexes_request="SELECT count(*) FROM apikey.usage WHERE request_id = '$indexes_request' AND at >= date_trunc('day', now(), 'UTC') AND at < now()"
say "| index on $INDEXED rows | question | size | writer, a row |"
say "|---|---|---|---|"
indexes_try "address: none" "$indexes_ip" ""
indexes_try "address: Bloom, 32 pages (chosen)" "$indexes_ip" "brin (ip inet_bloom_ops (n_distinct_per_range = 1400, false_positive_rate = 0.001)) WITH (pages_per_range = 32)"
indexes_try "address: Bloom, 128 pages, defaults" "$indexes_ip" "brin (ip inet_bloom_ops)"
indexes_try "address: minmax-multi, 32 pages" "$indexes_ip" "brin (ip inet_minmax_multi_ops) WITH (pages_per_range = 32)"
indexes_try "address: b-tree" "$indexes_ip" "btree (ip)"
indexes_try "request: none" "$indexes_request" ""
indexes_try "request: Bloom, 32 pages (chosen)" "$indexes_request" "brin (request_id text_bloom_ops (n_distinct_per_range = 1400, false_positive_rate = 0.001)) WITH (pages_per_range = 32)"
indexes_try "request: hash" "$indexes_request" "hash (request_id)"
indexes_try "request: b-tree" "$indexes_request" "btree (request_id)"
sql -c 'DROP DATABASE indexes WITH (FORCE)'
cluster_stop "$work"
cp "$work/postgresql.conf.kept" "$work/data/postgresql.conf"
cluster_start "$work"
