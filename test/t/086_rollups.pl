# Rollups in whole servers: the housekeeper counts by itself, beside the writer
# at full speed and sessions that refresh; a partition that cannot be counted
# does not hold up the others; dump and restore; a clock that is turned back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use Time::HiRes qw(time usleep);

my $node = new_node('main', conf => <<"CONF");
max_prepared_transactions = 10
apikey.housekeeper_interval = 10ms
apikey.rollup_interval = 1s
apikey.usage_flush_interval = 10ms
CONF
my $key = $node->safe_psql('postgres', <<'SQL');
SELECT apikey.create_tenant('acme') > 0 \g /dev/null
SELECT apikey.create_environment('acme', 'production') > 0 \g /dev/null
SELECT key FROM apikey.create_key('acme', 'production');
SQL

# what differs between the hours and the rows, the days and the hours
my $differences = <<'SQL';
WITH stored AS (
	SELECT date_trunc('hour', at, 'UTC') AS hour, tenant_id, key_id, environment_id, code, count(*) AS calls, sum(units) AS units,
		count(latency_us) AS latency_calls, apikey._latency_sketch(latency_us) AS latency, apikey._ip_sketch(ip) AS ips
	FROM apikey.usage GROUP BY 1, 2, 3, 4, 5),
rolled AS (
	SELECT hour, tenant_id, key_id, environment_id, code, sum(calls)::bigint AS calls, sum(units) AS units,
		sum(latency_calls)::bigint AS latency_calls, apikey.latency_merge(latency) AS latency, apikey.ip_merge(ips) AS ips
	FROM apikey.usage_hourly GROUP BY 1, 2, 3, 4, 5),
by_hour AS (
	SELECT (hour AT TIME ZONE 'UTC')::date AS day, tenant_id, key_id, environment_id, code, endpoint_class, sum(calls)::bigint AS calls,
		apikey.latency_merge(latency) AS latency, apikey.ip_merge(ips) AS ips FROM apikey.usage_hourly GROUP BY 1, 2, 3, 4, 5, 6),
by_day AS (SELECT day, tenant_id, key_id, environment_id, code, endpoint_class, calls, latency, ips FROM apikey.usage_daily)
SELECT (SELECT count(*) FROM ((TABLE stored EXCEPT TABLE rolled) UNION ALL (TABLE rolled EXCEPT TABLE stored)) a)
	+ (SELECT count(*) FROM ((TABLE by_hour EXCEPT TABLE by_day) UNION ALL (TABLE by_day EXCEPT TABLE by_hour)) a)
SQL

# --- the writer at full speed, two that refresh, late rows
# who inserts by hand needs the partition to be there
$node->safe_psql('postgres', q{SELECT apikey._ensure_partition_for(now() - interval '1 hour', now() + interval '1 hour')});
my @load;
my %script = (
	verify  => "SELECT count(apikey.verify('$key', endpoint => '/orders/' || i, ip => '10.0.0.0'::inet + i, units => i)) FROM generate_series(1, 500) i;\n" x 40,
	logger  => "SELECT count(apikey.log_usage(k.key_id, status => 500, latency => i * interval '1 us', endpoint => '/orders/' || i)) FROM apikey.api_key k, generate_series(1, 200) i;\n" x 20,
	refresh => "SELECT apikey.refresh_rollups();\n" x 40,
	again   => "BEGIN; SELECT apikey.refresh_rollups(); ROLLBACK; SELECT apikey.refresh_rollups();\n" x 20,
	late    => "INSERT INTO apikey.usage (at, tenant_id, key_id, code, endpoint, ip) SELECT now() - i * interval '1 s', 1, i % 5, 'VALID', '/late', '10.0.0.1' FROM generate_series(1, 1000) i;\n" x 20);
for my $name (sort keys %script)
{
	push @load, IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ], '<', \$script{$name}, '>', \my $out, '2>', \my $err);
}
is(scalar(grep { !$_->finish } @load), 0, 'nobody had an error');
$node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')");
$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
is($node->safe_psql('postgres', $differences), 0, 'writer at full speed, late rows and refreshes: the sums are those of the rows');
cmp_ok($node->safe_psql('postgres', 'SELECT sum(calls) FROM apikey.usage_hourly'), '>=', 40_000, 'and there were many');

# --- by itself
$node->safe_psql('postgres', "INSERT INTO apikey.usage (at, tenant_id, key_id, code) SELECT now(), 1, 7, 'VALID' FROM generate_series(1, 77)");
ok(poll($node, $differences, 0), 'the housekeeper counts by itself');

# a transaction with more subtransactions than could be noted one by one, some of them rolled back; others commit meanwhile
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE noise (i integer);
BEGIN;
INSERT INTO apikey.usage (at, tenant_id, key_id, code) SELECT now(), 1, 9, 'VALID' FROM generate_series(1, 3);
DO $$
BEGIN
	FOR i IN 1 .. 330000 LOOP
		BEGIN
			INSERT INTO noise VALUES (i);
			IF i % 10 = 0 THEN RAISE EXCEPTION 'undone'; END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
	BEGIN
		INSERT INTO apikey.usage (at, tenant_id, key_id, code) SELECT now(), 1, 9, 'VALID' FROM generate_series(1, 5);
	EXCEPTION WHEN raise_exception THEN NULL;
	END;
END $$;
PREPARE TRANSACTION 'noise';
SQL
$node->safe_psql('postgres', "INSERT INTO apikey.usage (at, tenant_id, key_id, code) SELECT now(), 1, 7, 'VALID' FROM generate_series(1, 7)");
$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
is($node->safe_psql('postgres', $differences), 0, 'subtransactions, however many, hold up nobody else');
cmp_ok($node->safe_psql('postgres', 'SELECT max(cardinality(seen)) FROM apikey.rollup_state'), '<', 1000, 'and take no room');
$node->safe_psql('postgres', "COMMIT PREPARED 'noise'");
$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
is($node->safe_psql('postgres', $differences), 0, 'rows of that transaction count at its end');
is($node->safe_psql('postgres', 'SELECT sum(calls) FROM apikey.usage_hourly WHERE key_id = 9'), 8, 'each once');

# a transaction that does not end after a refresh
$node->safe_psql('postgres', "BEGIN; SELECT apikey.refresh_rollups(); PREPARE TRANSACTION 'refresh'");
ok(poll($node, q{SELECT error LIKE '%prepared transaction ''refresh'', begun at %' FROM apikey.stat_worker WHERE task = 'rollups'}, 't'),
	'who holds up the counting is named');
like(slurp_file($node->logfile), qr/apikey housekeeper.*prepared transaction 'refresh', begun at /, 'in the log, too');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'refresh'");
ok(poll($node, q{SELECT error IS NULL FROM apikey.stat_worker WHERE task = 'rollups'}, 't'), 'until it is over');

# whatever the owner of the database has set: classes are learnt through an error that is caught
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET exit_on_error = on');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'apikey housekeeper'");
$node->safe_psql('postgres', "INSERT INTO apikey.usage (at, tenant_id, key_id, code, endpoint) SELECT now(), 1, 7, 'VALID', '/new/to/all' FROM generate_series(1, 7)");
ok(poll($node, $differences, 0), 'and does so where errors would end a session');
unlike(slurp_file($node->logfile), qr/apikey housekeeper.*FATAL:  (?!terminating)/, 'which it does not');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET exit_on_error');

# --- a partition that cannot be counted
$node->safe_psql('postgres', <<'SQL');
SELECT apikey._ensure_partition_for('2031-01-01 00:00+00', '2031-01-03 00:00+00');
INSERT INTO apikey.usage (at, code) VALUES ('2031-01-01 12:00+00', 'NOT_FOUND'), ('2031-01-02 12:00+00', 'NOT_FOUND'), ('2031-01-03 12:00+00', 'NOT_FOUND');
SQL
ok(poll($node, $differences, 0), 'partitions of the future are counted');
# a prepared transaction holds the lock
$node->safe_psql('postgres', "BEGIN; LOCK TABLE apikey.usage_20310102 IN ACCESS EXCLUSIVE MODE; PREPARE TRANSACTION 'lock'");
$node->safe_psql('postgres', "INSERT INTO apikey.usage_20310103 (at, code) VALUES ('2031-01-03 13:00+00', 'NOT_FOUND')");
ok(poll($node, "SELECT count(*) FROM apikey.usage_hourly WHERE hour = '2031-01-03 13:00+00'", 1), 'a partition that is locked does not hold up the others');
ok(poll($node, "SELECT count(*) FROM apikey.rollup_state WHERE leaf = 'apikey.usage_20310102' AND error IS NOT NULL", 1), 'rollup_state tells of it');
$node->safe_psql('postgres', "COMMIT PREPARED 'lock'");
ok(poll($node, "SELECT count(*) FROM apikey.stat_rollup WHERE error IS NOT NULL", 0), 'until it is over');

# --- a dump in the middle, restored into another database
$node->safe_psql('postgres', "ALTER DATABASE postgres SET apikey.rollup_interval = '1d'");
$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
$node->safe_psql('postgres', "INSERT INTO apikey.usage (at, tenant_id, key_id, code) SELECT now() - interval '2 hours', 1, 8, 'VALID' FROM generate_series(1, 88)");
# of an hour long ago rows were removed, as retention by class does
$node->safe_psql('postgres', "DELETE FROM apikey.usage WHERE at = '2031-01-01 12:00+00'");
my $before = $node->safe_psql('postgres', 'SELECT sum(calls) FROM apikey.usage_hourly');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'restore');
is($node->safe_psql('restored', 'SELECT sum(calls) FROM apikey.usage_hourly'), $before, 'the sums came along');
$node->safe_psql('restored', 'SELECT apikey.refresh_rollups()');
is($node->safe_psql('restored', 'SELECT sum(calls) FROM apikey.usage_hourly'), $before + 88, 'what was not counted is, the rest not again');
is($node->safe_psql('restored', "SELECT sum(calls) FROM apikey.usage_hourly WHERE hour = '2031-01-01 12:00+00'"), 1, 'what was removed stays counted');
is($node->safe_psql('restored', 'SELECT apikey.refresh_rollups()'), 0, 'once');
$node->safe_psql('restored', "INSERT INTO apikey.usage (at, tenant_id, key_id, code) SELECT now(), 1, 8, 'VALID' FROM generate_series(1, 9)");
is($node->safe_psql('restored', 'SELECT apikey.refresh_rollups() > 0'), 't', 'and goes on');
is($node->safe_psql('restored', 'SELECT sum(calls) FROM apikey.usage_hourly'), $before + 97, 'with each row once');

# --- one in which nothing is easy to compare
my $by_tenant = "SELECT (SELECT string_agg(format('%s/%s=%s', extract(day FROM h.hour), h.tenant_id, h.calls), ' ' ORDER BY h.hour::date, h.tenant_id)
		FROM (SELECT date_trunc('day', hour) AS hour, tenant_id, sum(calls) AS calls FROM apikey.usage_hourly WHERE tenant_id IN (71, 72) GROUP BY 1, 2) h),
	(SELECT string_agg(format('%s/%s=%s', extract(day FROM d.day), d.tenant_id, d.calls), ' ' ORDER BY d.day, d.tenant_id)
		FROM (SELECT day, tenant_id, sum(calls) AS calls FROM apikey.usage_daily WHERE tenant_id IN (71, 72) GROUP BY 1, 2) d)";
$node->safe_psql('postgres', <<'SQL');
SELECT apikey._ensure_partition_for('2031-01-05 00:00+00', '2031-01-07 12:00+00');
CREATE FUNCTION store(hour timestamptz, tenant bigint, n integer) RETURNS void LANGUAGE sql AS
	$$INSERT INTO apikey.usage (at, tenant_id, key_id, code) SELECT hour, tenant, i, 'VALID' FROM generate_series(1, n) i$$;
SELECT store('2031-01-05 10:00+00', 71, 3), store('2031-01-05 10:00+00', 72, 2);
SELECT store('2031-01-06 03:00+00', 71, 5), store('2031-01-06 03:00+00', 72, 4), store('2031-01-07 05:00+00', 71, 6);
SELECT apikey.refresh_rollups();
-- the rows of one tenant are removed, and as many come of the other
DELETE FROM apikey.usage WHERE at = '2031-01-05 10:00+00' AND tenant_id = 71;
SELECT store('2031-01-05 10:00+00', 72, 3);
-- the sums of these hours were over their retention; some rows of one tenant are removed
DELETE FROM apikey.usage_hourly WHERE hour = '2031-01-06 03:00+00';
DELETE FROM apikey.usage WHERE at = '2031-01-06 03:00+00' AND tenant_id = 71 AND key_id <= 2;
SELECT store('2031-01-06 04:00+00', 72, 1);
ALTER TABLE apikey.usage_20310107 RENAME TO renamed;
SQL
is($node->safe_psql('postgres', $by_tenant), '5/71=3 5/72=2 7/71=6|5/71=3 5/72=2 6/71=5 6/72=4 7/71=6', 'before the dump');
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE again');
$node->safe_psql('postgres', 'ALTER DATABASE again SET quote_all_identifiers = on');
$node->safe_psql('postgres', "ALTER DATABASE again SET apikey.rollup_interval = '1d'");
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('again'), '-f', $dump ], 'restore');
$node->safe_psql('again', 'SELECT apikey._task_rollup_retention()');
$node->safe_psql('again', 'SELECT apikey.refresh_rollups()');
is($node->safe_psql('again', $by_tenant), '5/71=3 5/72=5 6/72=5 7/71=6|5/71=3 5/72=5 6/71=5 6/72=5 7/71=6',
	'no sum is lost, none is doubled, what was not counted is');
is($node->safe_psql('again', 'SELECT apikey.refresh_rollups()'), 0, 'once');
$node->safe_psql('again', 'SELECT apikey._task_rollup_retention() FROM generate_series(1, 3)');
is($node->safe_psql('again', "SELECT count(*) FROM apikey.rollup_state s WHERE s.home <> 'apikey.usage'::regclass"), 0, 'what was known elsewhere is forgotten');
is($node->safe_psql('again', $by_tenant), '5/71=3 5/72=5 6/72=5 7/71=6|5/71=3 5/72=5 6/71=5 6/72=5 7/71=6', 'and it stays so');

# a copy of the files is no restore
$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
$before = $node->safe_psql('postgres', 'SELECT sum(calls) FROM apikey.usage_hourly');
ok(poll($node, "CREATE DATABASE copied TEMPLATE postgres", '', 'template1'), 'a database from a template');
is($node->safe_psql('copied', 'SELECT apikey.refresh_rollups()'), 0, 'nothing is new in it');
is($node->safe_psql('copied', 'SELECT sum(calls) FROM apikey.usage_hourly'), $before, 'the sums stay');

$node->stop;
done_testing();
