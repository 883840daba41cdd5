# The life of usage partitions in a server that works: settings of a database
# reach workers that run already, leaves go by class and age while rows are
# written, their space comes back, nothing goes uncounted, and what cannot be
# had now is had later.
use strict;
use warnings;
use ApikeyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "apikey.housekeeper_interval = 10ms\nmax_prepared_transactions = 5\napikey.usage_flush_interval = 20ms\nautovacuum = off\n");
my $sql  = sub { return $node->safe_psql('postgres', $_[0]) };

$sql->("SELECT apikey.create_tenant('acme'), apikey.create_tenant('brief'), apikey.create_tenant('long')");
my %id = map { split /\|/ } split /\n/, $sql->('SELECT name, tenant_id FROM apikey.tenant');

# --- settings of a database, without a restart of its workers
$sql->('SELECT apikey.ensure_partitions()');
my $pids = $sql->("SELECT string_agg(DISTINCT pid::text, ',') FROM apikey.stat_worker");
$sql->("ALTER DATABASE postgres SET apikey.partition_premake = 6");
ok(poll($node, "SELECT count(*) >= 7 FROM apikey._usage_leaves()"), 'the housekeeper sees what ALTER DATABASE has set');
$sql->("ALTER DATABASE postgres SET apikey.partition_width = 'month'");
$sql->("SELECT apikey._ensure_partition_for('2044-02-10', '2044-02-10')");
is($sql->("SELECT count(*) FROM apikey._usage_leaves() WHERE leaf::text = 'apikey.usage_204402'"), '1', 'another width');
$sql->('ALTER DATABASE postgres RESET apikey.partition_width');

# --- space comes back when most rows of a leaf go.  Old leaves of a day, half a
# year ago; the class "brief" keeps 10 days, the default is 90, "long" has 400.
$sql->("SELECT apikey.set_usage_class('brief', '10 days'), apikey.set_usage_class('long', '400 days'), apikey.assign_usage_class('long', 'long')");
my $rows = 20_000;
my $fill = sub {
	my ($age, $tenant, $n) = @_;
	$sql->("SELECT apikey._ensure_partition_for(now() - interval '$age days', now() - interval '$age days')");
	$sql->("INSERT INTO apikey.usage (at, tenant_id, code, endpoint, request_id) SELECT now() - interval '$age days', $tenant, 'VALID', '/v1/orders/' || i % 7, md5(i::text) FROM generate_series(1, $n) i");
};
$fill->(20, $id{acme}, $rows / 10);
$fill->(20, $id{brief}, $rows);
$fill->(20, 'NULL', 10);
my $leaf = $sql->("SELECT DISTINCT tableoid::regclass FROM apikey.usage WHERE tenant_id = $id{brief}");
my $size = $sql->("SELECT pg_relation_size('$leaf')");

# somebody who still sees the rows holds their space, and nothing else
my $reader = $node->background_psql('postgres', on_error_stop => 1);
$reader->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
my $seen = $reader->query_safe("SELECT count(*) FROM apikey.tenant");
$sql->("SELECT apikey.assign_usage_class('brief', 'brief')");
ok(poll($node, "SELECT count(*) FROM apikey.usage WHERE tenant_id = $id{brief}", '0'), 'rows of a class go');
is($sql->("SELECT count(*) FROM apikey.usage WHERE at < now() - interval '19 days'"), $rows / 10 + 10, 'the others stay');
is($sql->("SELECT sum(calls) FROM apikey.usage_hourly WHERE tenant_id = $id{brief}"), $rows, 'they were counted before');
is($reader->query_safe("SELECT count(*) FROM apikey.usage WHERE tenant_id = $id{brief}"), $rows, 'an older snapshot has them still');
$reader->query_safe('COMMIT');
$reader->quit;
ok(poll($node, "SELECT pg_relation_size('$leaf') < $size / 4"), 'the space comes back when nobody sees them any more');
is($sql->("SELECT count(*) FROM apikey.usage WHERE at < now() - interval '19 days'"), $rows / 10 + 10, 'the others are there after the rewriting');
is($sql->("SELECT count(*) FROM apikey.usage WHERE request_id = md5('1') AND at < now() - interval '19 days'"), '2', 'and are found by index');
$sql->('SELECT apikey.refresh_rollups()');
is($sql->("SELECT sum(calls) FROM apikey.usage_hourly"), $rows + $rows / 10 + 10, 'rewriting makes nobody count a row twice');

# --- late rows of the class go as well, a leaf of it alone at once
$fill->(20, $id{brief}, 100);
ok(poll($node, "SELECT count(*) FROM apikey.usage WHERE tenant_id = $id{brief}", '0'), 'late rows go, too');
is($sql->("SELECT sum(calls) FROM apikey.usage_hourly WHERE tenant_id = $id{brief}"), $rows + 100, 'and were counted');
$fill->(100, $id{acme}, 100);
ok(poll($node, "SELECT count(*) FROM apikey._usage_leaves() WHERE ends_at < now() - interval '90 days'", '0'), 'a leaf that nobody with a longer class is in, goes whole');
$fill->(100, $id{long}, 100);
$fill->(100, $id{acme}, 300);
ok(poll($node, "SELECT count(*) FROM apikey.usage WHERE at < now() - interval '90 days'", '100'), 'of another one what is over');
is($sql->("SELECT sum(calls) FROM apikey.usage_daily WHERE tenant_id = $id{acme}"), $rows / 10 + 400, 'counted all the same');

# --- a leaf that cannot be counted stays and holds up no other, whether leaves
# go whole or rows of a class
$sql->(<<'SQL');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not to be counted'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON apikey.usage_daily FOR EACH ROW WHEN (NEW.tenant_id = -5) EXECUTE FUNCTION refuse();
SQL
$fill->(110, -5, 10);
$fill->(105, $id{acme}, 10);
$fill->(18, -5, 10);
$fill->(18, $id{brief}, 10);
$fill->(15, $id{brief}, 10);
ok(poll($node, "SELECT count(*) FROM apikey.usage WHERE tenant_id = $id{acme} AND at < now() - interval '90 days'", '0'), 'a leaf goes beside an older one that cannot be counted');
ok(poll($node, "SELECT count(*) FROM apikey.usage WHERE tenant_id = $id{brief}", '10'), 'and rows of a class');
like($sql->("SELECT DISTINCT error FROM apikey.stat_rollup WHERE error IS NOT NULL"), qr/not to be counted/, 'why is told');
$fill->(1, $id{acme}, 10);
is($sql->("SELECT apikey.refresh_rollups() IS NOT NULL"), 't', 'refresh_rollups() counts the others');
is($sql->("SELECT sum(calls) FROM apikey.usage_daily WHERE tenant_id = $id{acme}"), $rows / 10 + 420, 'all of them');
is($sql->("SELECT count(*) FROM apikey.usage WHERE tenant_id = -5"), '20', 'what is not counted stays');
$sql->('DROP TRIGGER refuse ON apikey.usage_daily; SELECT apikey.refresh_rollups()');
ok(poll($node, "SELECT count(*) FROM apikey.usage WHERE tenant_id = $id{brief} OR at < now() - interval '105 days'", '0'), 'and goes when it can be');
is($sql->("SELECT sum(calls) FROM apikey.usage_daily WHERE tenant_id = -5"), '20', 'counted');

# --- a row on its way, in a prepared transaction: the leaf waits for it
$sql->('ALTER DATABASE postgres SET apikey.partition_archive = on');
$sql->("SELECT apikey._ensure_partition_for(now() - interval '500 days', now() - interval '500 days')");
$sql->("BEGIN; INSERT INTO apikey.usage (at, tenant_id, code) VALUES (now() - interval '500 days', $id{acme}, 'VALID'); PREPARE TRANSACTION 'late'");
my $failures = $sql->("SELECT failures FROM apikey.stat_worker WHERE task = 'retention'");
ok(poll($node, "SELECT failures > $failures FROM apikey.stat_worker WHERE task = 'retention'"), 'retention gives way to who writes into the leaf');
$sql->("COMMIT PREPARED 'late'");
ok(poll($node, "SELECT count(*) FROM apikey.usage_archive WHERE attached_until IS NULL AND ends_at < now() - interval '490 days'", '1'), 'and detaches it later');
my $old = $sql->("SELECT leaf FROM apikey.usage_archive WHERE ends_at < now() - interval '490 days'");
$sql->("SELECT apikey.attach_partition('$old')");
is($sql->("SELECT count(*) FROM apikey.usage WHERE at < now() - interval '499 days'"), '1', 'it is brought back');
$sql->('SELECT apikey.refresh_rollups()');
is($sql->("SELECT sum(calls) FROM apikey.usage_daily WHERE day < (now() - interval '499 days')::date"), '1', 'and not counted again');

# --- a leaf that is missing, dropped by hand: no error to a caller, no row lost
$sql->("SELECT apikey.create_environment('acme', 'production', tag => 'live')");
my $key = $sql->("SELECT key FROM apikey.create_key('acme', 'production', name => 'k', owner => 'o')");
my $count = sub { return $sql->("SELECT apikey.flush_usage() \\g /dev/null\nSELECT count(*) FROM apikey.usage WHERE key_id IS NOT NULL") };
for my $i (1 .. 3)
{
	$sql->("DO \$\$ BEGIN EXECUTE (SELECT string_agg('DROP TABLE ' || leaf, '; ') FROM apikey._usage_leaves() WHERE ends_at > now()); END \$\$") if $i == 2;
	is($sql->("SELECT valid FROM apikey.verify('$key')"), 't', "verify answers, $i");
	is($count->(), $i == 1 ? 1 : $i - 1, "and is recorded, $i");
}

# --- a day whose partition is refused for good: its event is given up, those
# behind it get through
$sql->(<<'SQL');
CREATE FUNCTION refuse_table() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c WHERE c.object_identity LIKE 'apikey.usage\_2045%') THEN
		RAISE 'no table of this year';
	END IF;
END $$;
CREATE EVENT TRIGGER refuse_table ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse_table();
SQL
$sql->("SET apikey.test_now = '2380000000'; SELECT count(*) FROM apikey.verify('$key')");
$sql->("SELECT count(*) FROM apikey.verify('$key')");
ok(poll($node, "SELECT count(*) FROM apikey.usage WHERE key_id IS NOT NULL", '3'), 'an event whose partition is refused blocks no other');
is($sql->('SELECT dropped FROM apikey.stat_usage'), '1', 'it is dropped and counted');
like(slurp_file($node->logfile), qr/usage events of a day are dropped.*\n.*no table of this year/, 'and the log says why');
$sql->('DROP EVENT TRIGGER refuse_table');

# --- the clock goes back behind all leaves, and forth
$node->append_conf('postgresql.conf', "apikey.test_now = '1900000000'");
$node->restart;
is($sql->("SELECT code FROM apikey.verify('$key')") ne '', '1', 'the clock stands in 2030: verify answers');
$sql->('SELECT apikey.flush_usage()');
$node->append_conf('postgresql.conf', "apikey.test_now = '1893456000'");
$node->restart;
$sql->("SELECT code FROM apikey.verify('$key')");
$sql->('SELECT apikey.flush_usage()');
is($sql->("SELECT count(*) FROM apikey.usage WHERE at >= '2030-01-01' AND at < '2031-01-01'"), '2', 'and records, also when the clock has gone back');
is($sql->('SELECT dropped FROM apikey.stat_usage'), '0', 'nothing is dropped');

done_testing();
