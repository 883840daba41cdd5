# section_identity.sh: what it costs to tell the database who a transaction
# acts for, and a table of a million rows that a policy guards, next to the
# same table with the condition in the query.

identity_rows=1000000
sql -v n="$identity_rows" >/dev/null <<-'SQL'
	SET client_min_messages = warning;
	CREATE ROLE bench_app LOGIN;
	SELECT apikey.grant_access('bench_app', 'verifier', 'bench');
	-- one row in a thousand is of the tenant of the keys
	CREATE TABLE bench.orders AS
		SELECT n, CASE WHEN n % 1000 = 0 THEN 'bench' ELSE 't' || n % 1000 END AS tenant, n % 97 AS amount
		FROM generate_series(1, :n) n;
	CREATE INDEX ON bench.orders (tenant);
	CREATE TABLE bench.plain_orders AS TABLE bench.orders;
	CREATE INDEX ON bench.plain_orders (tenant);
	ALTER TABLE bench.orders ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON bench.orders USING (tenant = (SELECT apikey.current_tenant()));
	GRANT USAGE ON SCHEMA bench TO bench_app;
	GRANT SELECT ON bench.hot, bench.orders, bench.plain_orders TO bench_app;
	VACUUM ANALYZE bench.orders, bench.plain_orders;
SQL

script in_verify key "BEGIN;
SELECT * FROM apikey.verify(KEY, $request);
COMMIT;"
script in_authenticate key "BEGIN;
SELECT * FROM apikey.authenticate(KEY, $request);
COMMIT;"
script by_policy key "BEGIN;
SELECT * FROM apikey.authenticate(KEY, $request);
SELECT sum(amount) FROM bench.orders;
COMMIT;"
script by_condition key "BEGIN;
SELECT * FROM apikey.verify(KEY, $request);
SELECT sum(amount) FROM bench.plain_orders WHERE tenant = 'bench';
COMMIT;"

scan_all='-c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off -c max_parallel_workers_per_gather=0'
measure_in_verify() { PGUSER=bench_app pgbench_tps in_verify; }
measure_in_authenticate() { PGUSER=bench_app pgbench_tps in_authenticate; }
measure_by_policy() { PGUSER=bench_app pgbench_tps by_policy; }
measure_by_condition() { PGUSER=bench_app pgbench_tps by_condition; }
measure_scan_by_policy() { PGUSER=bench_app PGOPTIONS=$scan_all pgbench_tps by_policy; }
measure_scan_by_condition() { PGUSER=bench_app PGOPTIONS=$scan_all pgbench_tps by_condition; }

rounds in_verify in_authenticate by_policy by_condition scan_by_policy scan_by_condition

row "\`BEGIN; authenticate(...); COMMIT\`" in_authenticate "the same with \`verify(...)\`" in_verify ">= 0.8"
row "1000 of $identity_rows rows through a policy and its index" by_policy "\`WHERE tenant = 'bench'\` after \`verify(...)\`" by_condition ">= 0.8"
row "the same without the index" scan_by_policy "\`WHERE tenant = 'bench'\`" scan_by_condition ">= 0.8"
check_answers postgres
