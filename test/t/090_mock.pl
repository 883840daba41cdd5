# Mock data in a whole server: the same in every database, in order with all
# indexes, bounded in memory, cancelled without a trace, beside the writer.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $now  = 1935835200;    # 2031-05-06 12:00 UTC
my $node = new_node('mock', extension => 0, conf => <<"CONF");
apikey.test_now = '$now'
apikey.partition_premake = 0
autovacuum = off
CONF

sub ask
{
	my ($db, $sql) = @_;
	return $node->safe_psql($db, $sql);
}

my $range = "to_timestamp($now) - interval '3 days', to_timestamp($now)";
my $all   = "'{stolen_key,many_ips,enumeration,error_burst,rate_spike,slow_exfiltration,dormant_key,off_hours,after_revocation}'";

# --- the same for a seed ---------------------------------------------------------

# ids differ between the databases
foreach my $db ('one', 'two')
{
	ask('postgres', "CREATE DATABASE $db");
	ask($db, 'CREATE EXTENSION apikey CASCADE; CREATE EXTENSION amcheck');
}
ask('two', q{
	SELECT apikey.create_tenant('mocking'), apikey.create_environment('mocking', 'prod');
	SELECT count(*) FROM apikey.create_keys(25, 'mocking', 'prod', name => 'k');
	SELECT count(*) FROM apikey.mock_tenants(3, 7)});
my %digest;
foreach my $db ('one', 'two')
{
	my $tenants = ask($db, 'SELECT string_agg(tenant, chr(32) ORDER BY tenant_id) FROM apikey.mock_tenants(20)');

	# only the tenants of this seed get the keys
	ask($db, q{UPDATE apikey.tenant SET settings = settings - 'mock' WHERE settings #>> '{mock,seed}' = '7'});
	my $keys = ask($db, q{SELECT md5(string_agg((m.tenant, m.environment, k.name, k.owner, k.tags, k.cidrs, k.expires_at, k.created_at)::text, '' ORDER BY m.key_id))
		FROM apikey.mock_keys(300) m, LATERAL (SELECT * FROM apikey.api_key k WHERE k.key_id = m.key_id) k});
	my $truth = ask($db, "SELECT string_agg((label, first_at, last_at, rows, detail -> 'codes')::text, ' ') FROM apikey.mock_usage(60000, $range, 3, $all)");
	$digest{$db} = [ $tenants, $keys, $truth, ask($db, q{
		SELECT md5(string_agg((u.at, k.name, u.code, u.endpoint, u.status, u.latency_us, u.bytes_out, u.ip, u.user_agent, u.request_id)::text, ''
			ORDER BY u.at, u.request_id, u.endpoint, u.ip)) FROM apikey.usage u LEFT JOIN apikey.api_key k ON k.key_id = u.key_id}) ];
}
is($digest{two}[0], $digest{one}[0], 'the same tenants in two databases');
is($digest{two}[1], $digest{one}[1], 'the same keys');
is($digest{two}[2], $digest{one}[2], 'the same attacks');
is($digest{two}[3], $digest{one}[3], 'the same usage');
is(ask('one', 'SELECT count(*) FROM apikey.usage'), 60000, 'as many rows as asked for');
is(ask('two', q{SELECT count(*) FROM apikey.usage u JOIN apikey.tenant t ON t.tenant_id = u.tenant_id AND t.name = 'mocking'}), 0,
	'no usage of other tenants');

# --- every leaf is whole -----------------------------------------------------------

is(ask('one', q{SELECT count(*) FROM apikey._usage_leaves() l WHERE EXISTS (
		SELECT FROM apikey.usage u WHERE u.tableoid = l.leaf AND (u.at < l.starts_at OR u.at >= l.ends_at))}), 0, 'rows lie in their leaves');
cmp_ok(ask('one', q{SELECT count(bt_index_check(i.indexrelid, true)) FROM apikey._usage_leaves() l JOIN pg_index i ON i.indrelid = l.leaf
		JOIN pg_class c ON c.oid = i.indexrelid AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree')}), '>=', 8, 'every row is in the btree indexes');
is(ask('one', q{SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off;
		SELECT count(*) FROM apikey.usage WHERE at > '2000-01-01'}), 60000, 'BRIN finds every row');

# --- errors leave nothing ------------------------------------------------------------

# an error in the middle, then a call in the same session: rows and activity
# are those of that call
is(ask('one', qq{
	CREATE TEMP TABLE was AS SELECT sum(calls) AS calls FROM apikey.key_activity;
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
	DO \$\$
	DECLARE last regclass := (SELECT leaf FROM apikey._usage_leaves() WHERE starts_at < to_timestamp($now) AND ends_at >= to_timestamp($now));
	BEGIN
		EXECUTE format('CREATE TRIGGER fail BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION fail()', last);
		BEGIN
			PERFORM apikey.mock_usage(30000, $range, 4);
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
		EXECUTE format('DROP TRIGGER fail ON %s', last);
	END \$\$;
	SELECT count(*) FROM apikey.usage;
	SELECT rows FROM apikey.mock_usage(5000, $range, 5);
	SELECT (SELECT sum(calls) FROM apikey.key_activity) - (SELECT calls FROM was) = (SELECT count(*) FROM apikey.usage WHERE code = 'VALID') - (SELECT calls FROM was)}),
	"60000\n5000\nt", 'a call that failed leaves neither rows nor activity');

# a call that is cancelled
my $call = "SELECT count(*) FROM apikey.mock_usage(200000000, $range, 6)";
my ($in, $out, $err) = ('', '', '');
my $session = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('one') ], '<', \$in, '>', \$out, '2>', \$err,
	IPC::Run::timeout(300));
$in .= "$call;\nSELECT 'still here';\n";
$session->pump_nb;
ok(poll($node, qq{SELECT count(*) > 0 FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND l.mode = 'RowExclusiveLock' AND l.relation = 'apikey.usage'::regclass
	WHERE a.query LIKE '%200000000%' AND a.pid <> pg_backend_pid()}, 't', 'one'), 'a large call is at work');
ask('one', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%200000000%' AND pid <> pg_backend_pid()});
$session->pump until $out =~ /still here/ || !$session->pumpable;
like($err, qr/canceling statement due to user request/, 'it can be cancelled');
like($out, qr/still here/, 'its session lives on');
$in .= "\\q\n";
$session->finish;
is(ask('one', 'SELECT count(*) FROM apikey.usage'), 65000, 'and nothing of it is left');

# --- memory ------------------------------------------------------------------------------

SKIP:
{
	skip 'no /proc', 1 unless -r "/proc/$$/status";

	# anonymous memory of the session after few rows and after ten times as many
	my $rss = q{SELECT substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'VmHWM:\s+(\d+)')::int};
	my ($few, $many) = split /\n/, ask('one', qq{
		SELECT count(*) FROM apikey.mock_usage(50000, $range, 8) \\g /dev/null
		$rss;
		SELECT count(*) FROM apikey.mock_usage(500000, $range, 9) \\g /dev/null
		$rss;});

	# buffers of the server that it has touched count, too
	cmp_ok($many - $few, '<', 160 * 1024, 'memory does not grow with the rows');
}

# --- beside the writer ------------------------------------------------------------------------

my $key = ask('one', q{SELECT key FROM apikey.mock_keys(1, 11)});
my $before = ask('one', 'SELECT count(*) FROM apikey.usage');
($in, $out, $err) = ('', '', '');
$session = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('one') ], '<', \$in, '>', \$out, '2>', \$err,
	IPC::Run::timeout(300));
$in .= "BEGIN;\nSELECT rows FROM apikey.mock_usage(20000, $range, 10);\n";
$session->pump until $out =~ /20000/ || !$session->pumpable;
ask('one', qq{SELECT count(apikey.is_allowed('$key')) FROM generate_series(1, 500)});
ok(poll($node, 'SELECT count(*) FROM apikey.usage', $before + 500, 'one'), 'the writer does not wait for a mock transaction, and nobody sees its rows');
$in .= "COMMIT;\n\\q\n";
$session->finish;
is(ask('one', 'SELECT count(*) FROM apikey.usage'), $before + 20500, 'before it commits');
is(ask('one', q{SELECT apikey.flush_usage('180 s')}), 't', 'then the activity of its keys can be stored, too');

$node->stop;
done_testing();
