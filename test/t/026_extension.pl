# CREATE and DROP EXTENSION against workers that run.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $node = new_node('extension', conf => <<'CONF');
apikey.housekeeper_interval = 50ms
apikey.usage_buffer_size = 64kB
apikey.usage_wait = 60s
CONF

sub flushed
{
	my ($name) = @_;
	is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', "$name: flush_usage");
}

# worker_starts(): how often any worker was started so far
sub worker_starts
{
	my $log = slurp_file($node->logfile);
	my $n = () = $log =~ /starting background worker process "apikey (?:writer|housekeeper)/g;
	return $n;
}
$node->append_conf('postgresql.conf', 'log_min_messages = debug1');
$node->restart;

# --- nothing runs before the first use
is(worker_starts(), 0, 'no worker after CREATE EXTENSION, nor after a restart without a data key');
my $key = setup_key($node);
ok(workers_run($node), 'the first management call starts them');
$node->restart;
ok(workers_run($node), 'after a restart they start by themselves where a data key is');

# --- DROP and CREATE in one session
$node->safe_psql('postgres', verify_sql($key, 5));
$node->safe_psql('postgres', 'DROP EXTENSION apikey');
ok(workers_gone($node), 'DROP EXTENSION: the workers leave');
my $starts = worker_starts();
$node->safe_psql('postgres', 'CREATE EXTENSION apikey');
is(worker_pid($node, 'writer'), '', 'CREATE EXTENSION starts none');
my $session = $node->background_psql('postgres');
$session->query_safe("SELECT code FROM apikey.verify('x');");
ok(workers_run($node), 'a verification does');
flushed('created again');
is($node->safe_psql('postgres', 'SELECT count(*), min(code) FROM apikey.usage'), '1|MALFORMED',
	'events of the dropped extension are not in the new table');

for my $round (1 .. 3)
{
	$session->query_safe('DROP EXTENSION apikey;');
	$session->query_safe('CREATE EXTENSION apikey;');
	is($session->query_safe("SELECT code FROM apikey.verify('x');"), 'MALFORMED', "round $round: verified in the same session");
	is($session->query_safe("SELECT apikey.flush_usage('180 s');"), 't', "round $round: and written");
	is($session->query_safe('SELECT count(*) FROM apikey.usage;'), 1, "round $round: once");
}

# --- the same in one transaction
$session->query_safe("BEGIN; DROP EXTENSION apikey; CREATE EXTENSION apikey;");
is($session->query_safe("SELECT code FROM apikey.verify('x');"), 'MALFORMED', 'verified in the transaction that creates');
is($session->query_safe("SELECT apikey.flush_usage('60 s');"), 'f', 'flush_usage does not wait for what cannot be');
$session->query_safe('COMMIT;');
is($session->query_safe("SELECT apikey.flush_usage('180 s');"), 't', 'written after the commit');
is($session->query_safe('SELECT count(*) FROM apikey.usage;'), 1, 'the event of the transaction is there');

# --- usage_sync does not wait for itself
$session->query_safe("BEGIN; DROP EXTENSION apikey; CREATE EXTENSION apikey; SET LOCAL apikey.usage_sync = on;");
is($session->query_safe("SELECT code FROM apikey.verify('x');"), 'MALFORMED', 'usage_sync in the transaction that creates');
$session->query_safe('ROLLBACK;');
flushed('rolled back');
is($session->query_safe('SELECT count(*) FROM apikey.usage;'), 2, 'after the rollback the event goes to the extension that is');

# --- a drop that a savepoint took back changes nothing
my $writer = worker_pid($node, 'writer');
$session->query_safe('BEGIN; SAVEPOINT s; DROP EXTENSION apikey; ROLLBACK TO s; COMMIT;');
$session->query_safe("SELECT code FROM apikey.verify('y');");
flushed('savepoint');
is(worker_pid($node, 'writer'), $writer, 'the writer stayed');
is($session->query_safe('SELECT count(*) FROM apikey.usage;'), 3, 'and goes on');

# --- a creation that was rolled back: the events are given up, no loop
$session->query_safe('DROP EXTENSION apikey;');
ok(workers_gone($node), 'gone');
my $before = $session->query_safe('BEGIN; CREATE EXTENSION apikey;');
$session->query_safe("SELECT code FROM apikey.verify('x'); SELECT code FROM apikey.verify('x');");
is(worker_pid($node, 'writer'), '', 'no worker while the creation is not committed');
$session->query_safe('ROLLBACK;');
$session->query_safe('CREATE EXTENSION apikey;');
ok(poll($node, 'SELECT waiting FROM apikey._stat_usage()', 0), 'events of an extension that never was are given up');
ok(workers_gone($node), 'and nobody stays');
$session->query_safe("SELECT code FROM apikey.verify('x');");
flushed('after the rollback');
is($session->query_safe('SELECT count(*) FROM apikey.usage;'), 1, 'the new extension starts empty');

# --- DROP while the writer is busy: a load that drops and creates meanwhile
$session->query_safe('DROP EXTENSION apikey; CREATE EXTENSION apikey;');
$session->query_safe("SELECT count(apikey.verify('x')) FROM generate_series(1, 1000);") for 1 .. 2;
$session->query_safe("SELECT count(apikey.verify('x')) FROM generate_series(1, 300); DROP EXTENSION apikey;");
ok(workers_gone($node), 'DROP EXTENSION in the middle of writing');
$session->query_safe('CREATE EXTENSION apikey;');

# --- PREPARE TRANSACTION of a drop is seen when it is committed
$session->quit;
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 2');
$node->restart;
$node->safe_psql('postgres', "SELECT apikey.verify('x')");
ok(workers_run($node), 'workers run');
$node->safe_psql('postgres', "BEGIN; DROP EXTENSION apikey; PREPARE TRANSACTION 'drop'");
$node->safe_psql('postgres', "COMMIT PREPARED 'drop'");
ok(workers_gone($node), 'the workers leave after COMMIT PREPARED');

# --- a foreign schema of our name is none of our business
$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA IF NOT EXISTS apikey;
CREATE TABLE apikey.usage (at timestamptz);
CREATE TABLE apikey.keyring (keyring_id int);
INSERT INTO apikey.keyring VALUES (1);
SQL
$starts = worker_starts();
$node->restart;
ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikey launcher'", 1), 'the launcher is there');
ok($node->wait_for_log(qr/background worker "apikey probe.*" \(PID \d+\) exited with exit code 0/), 'the database was looked at');
is(worker_pid($node, 'writer'), '', 'no worker for a schema that only has the name');
is($node->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage'), 0, 'the foreign table is untouched');

log_lacks($node, qr/PANIC|TRAP|deadlock detected/, 'no panic, no deadlock');
$node->stop;
done_testing();
