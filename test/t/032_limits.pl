# More databases than slots, more workers than the server allows, tasks that
# fail: verification goes on and the numbers tell.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $node = new_node('limits', extension => 0, conf => <<'CONF');
apikey.max_databases = 1
apikey.housekeeper_interval = 20ms
CONF

for my $name ('one', 'two')
{
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION apikey CASCADE');
}

# --- databases
my $one = setup_key($node, 'one');
ok(workers_run($node, 'one'), 'workers of the first database');
my $two = setup_key($node, 'two');
is($node->safe_psql('two', verify_sql($two, 5)), 'VALID 5', 'a database without a slot verifies');
is(stat_usage($node, 'two')->{dropped}, 5, 'its events are counted as dropped');
is($node->safe_psql('two', "SELECT apikey.flush_usage('180 s')"), 'f', 'and cannot be flushed');
is(worker_pid($node, 'writer', 'two'), '', 'it has no workers');
like(slurp_file($node->logfile), qr/no room for the database.*HINT:.*apikey\.max_databases/s, 'the log names the parameter');
$node->safe_psql('postgres', 'DROP DATABASE one');
is($node->safe_psql('two', verify_sql($two, 3)), 'VALID 3', 'verified after the other database has gone');
ok(workers_run($node, 'two'), 'its slot was taken over');
is($node->safe_psql('two', "SELECT apikey.flush_usage('180 s')"), 't', 'the writer writes');
is($node->safe_psql('two', 'SELECT count(*) FROM apikey.usage'), 3, 'what came since');

# a slot is free again when the extension is dropped and nobody is connected
$node->safe_psql('two', 'DROP EXTENSION apikey');
ok(workers_gone($node, 'two'), 'workers gone');
ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'two'", 0), 'nobody is connected');
$node->safe_psql('postgres', 'CREATE DATABASE three');
$node->safe_psql('three', 'CREATE EXTENSION apikey CASCADE');
setup_key($node, 'three');
# an autovacuum worker counts as connected: ask until the slot can be had
ok(poll($node, "SELECT apikey.flush_usage('1 s')", 't', 'three'), 'the slot can be had');
ok(workers_run($node, 'three'), 'another database takes the slot');

# --- a task that fails does not stop the others
ok(poll($node, "SELECT runs > 0 AND error IS NULL FROM apikey.stat_worker WHERE task = 'partitions'", 't', 'three'), 'partitions are there');
$node->safe_psql('three', <<'SQL');
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no tables today'; END $$;
CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION refuse();
SQL
$node->append_conf('postgresql.conf', 'apikey.partition_premake = 9');
$node->reload;
ok(poll($node, "SELECT error = 'no tables today' AND failures > 0 FROM apikey.stat_worker WHERE task = 'partitions'", 't', 'three'),
	'the task shows its error');
my $runs = "SELECT runs FROM apikey.stat_worker WHERE task = 'revocations'";
my $before = $node->safe_psql('three', $runs);
ok(poll($node, "SELECT runs > $before + 5 FROM apikey.stat_worker WHERE task = 'revocations'", 't', 'three'), 'the other tasks run on');
is($node->safe_psql('three', "SELECT code FROM apikey.verify('x'); SELECT apikey.flush_usage('180 s')"), "MALFORMED\nt", 'usage is written');
$node->safe_psql('three', 'DROP EVENT TRIGGER refuse');
ok(poll($node, "SELECT error IS NULL AND failures > 0 FROM apikey.stat_worker WHERE task = 'partitions'", 't', 'three'),
	'the task recovers, the failures stay counted');
is($node->safe_psql('three', "SELECT string_agg(task, ',' ORDER BY task COLLATE \"C\") FROM apikey.stat_worker"),
	'activity,budgets,expiry,idle,limits,partitions,retention,revocations,rollup retention,rollups,usage', 'all tasks are listed');

# --- settings of the database that would hinder a worker
$node->safe_psql('postgres', q{
	ALTER DATABASE three SET default_transaction_read_only = on;
	ALTER DATABASE three SET default_transaction_isolation = 'serializable';
	ALTER DATABASE three SET statement_timeout = 1;
	ALTER DATABASE three SET search_path = nowhere;
	ALTER DATABASE three SET timezone = 'Asia/Kolkata'});
my $writer = signal_worker($node, 'writer', 'TERM', 'three');
ok(process_gone($writer), 'the writer ends');
ok(workers_run($node, 'three'), 'and starts with the hostile settings');
is($node->safe_psql('three', "SET statement_timeout = 0; SELECT apikey.is_allowed('x'); SELECT apikey.flush_usage('180 s')"), "f\nt", 'it writes all the same');
is($node->safe_psql('three', 'SET statement_timeout = 0; SELECT count(*) FROM apikey.usage'), 2, 'the row is there');
$node->stop;

# --- no background worker to be had
$node->append_conf('postgresql.conf', "max_worker_processes = 2");
$node->start;
ok($node->wait_for_log(qr/could not start apikey (?:writer|housekeeper|probe) .*no background worker slot is free/), 'the log tells that there is no worker');
like(slurp_file($node->logfile), qr/HINT:.*max_worker_processes/, 'and which parameter to raise');
is($node->safe_psql('three', "SET statement_timeout = 0; SELECT code FROM apikey.verify('x')"), 'MALFORMED', 'verification goes on');
log_lacks($node, qr/PANIC|TRAP/, 'no panic');
$node->stop;
done_testing();
