# DDL on databases is never in the way of the workers, nor they in its.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $node = new_node('ddl', extension => 0, conf => 'apikey.housekeeper_interval = 50ms');

# make_database($name): with workers that run; returns its key
sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION apikey CASCADE');
	my $key = setup_key($node, $name);
	ok(workers_run($node, $name), "workers run in $name");
	return $key;
}

# succeeds at once, and leaves no worker behind
sub ddl_ok
{
	my ($sql, $name) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', $sql);
	is($rc, 0, $name) or diag($err);
}

# --- DROP DATABASE, plain
make_database('one');
make_database('two');
ddl_ok('DROP DATABASE one', 'DROP DATABASE with workers running');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = 'one'"), 0, 'nobody is left in it');
ok(workers_run($node, 'two'), 'the workers of the other database stay');

# --- right after a start, while the probes look around
for my $round (1 .. 3)
{
	make_database("start$round");
	$node->restart;
	ddl_ok("DROP DATABASE start$round", "DROP DATABASE right after a restart ($round)");
}

# --- WITH (FORCE), and a worker that is busy
make_database('busy');
my $session = $node->background_psql('busy', on_error_stop => 0);
$session->query_safe('BEGIN; LOCK TABLE apikey.usage, apikey.api_key, apikey.key_activity IN ACCESS EXCLUSIVE MODE;');
$node->safe_psql('busy', "SELECT apikey.verify('x')");
ok(poll($node, "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'busy' AND backend_type LIKE 'apikey %' AND wait_event_type = 'Lock'"),
	'a worker waits for a lock');

# another database can be dropped meanwhile: the workers accept the barrier
$node->safe_psql('postgres', 'CREATE DATABASE other');
ddl_ok('DROP DATABASE other', 'DROP DATABASE of another database while workers wait for a lock');
is($node->safe_psql('busy', "SELECT code FROM apikey.verify('x')"), 'MALFORMED', 'verification goes on there');

my ($rc, $out, $err) = $node->psql('postgres', 'DROP DATABASE busy');
isnt($rc, 0, 'DROP DATABASE fails while a client is connected');
like($err, qr/being accessed by other users/, 'with the server\'s own message');
like($err, qr/There is 1 other session/, 'and counts the client only, not the workers');
ok(workers_run($node, 'busy'), 'the workers are back after the failure');
ddl_ok('DROP DATABASE busy WITH (FORCE)', 'DROP DATABASE WITH (FORCE)');
eval { $session->quit };

# --- rename, tablespace, template
my $key = make_database('here');
ddl_ok('ALTER DATABASE here RENAME TO there', 'ALTER DATABASE RENAME');
ok(workers_run($node, 'there'), 'the workers come back after the rename');
my $space = $node->basedir . '/space';
mkdir $space or die;
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$space'");
ddl_ok('ALTER DATABASE there SET TABLESPACE space', 'ALTER DATABASE SET TABLESPACE');
ok(workers_run($node, 'there'), 'the workers come back after the move');
is($node->safe_psql('there', verify_sql($key, 3)), 'VALID 3', 'verified');
ddl_ok('CREATE DATABASE copy TEMPLATE there', 'CREATE DATABASE from a template with workers');
ok(workers_run($node, 'there'), 'the workers come back after the copy');
is($node->safe_psql('there', "SELECT apikey.flush_usage('180 s')"), 't', 'and write');
is($node->safe_psql('there', 'SELECT count(*) FROM apikey.usage'), 3, 'what was pushed before');
is(worker_pid($node, 'writer', 'copy'), '', 'no worker in the copy before it is used');
is($node->safe_psql('copy', verify_sql($key, 2)), 'VALID 2', 'the key verifies in the copy');
ok(workers_run($node, 'copy'), 'which starts its workers');
is($node->safe_psql('copy', "SELECT apikey.flush_usage('180 s')"), 't', 'that write');

# --- who may not run the command does not send the workers away
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN');
my $pid = worker_pid($node, 'writer', 'there');
for my $sql ('DROP DATABASE there', 'ALTER DATABASE there RENAME TO mine', 'CREATE DATABASE mine TEMPLATE there')
{
	($rc, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', 'mallory' ]);
	isnt($rc, 0, "$sql is refused");
}
is(worker_pid($node, 'writer', 'there'), $pid, 'the writer stayed');

# --- a database that is closed or a template is left alone
$node->safe_psql('postgres', 'ALTER DATABASE copy ALLOW_CONNECTIONS false');
my $writer = signal_worker($node, 'writer', 'TERM', 'copy');
ok(process_gone($writer), 'the writer of the closed database ends');
my $other = signal_worker($node, 'writer', 'TERM', 'there');
ok(process_gone($other), 'the writer of another database ends too');
ok(workers_run($node, 'there'), 'that one is started again');
is(worker_pid($node, 'writer', 'copy'), '', 'the one of the closed database is not');
log_lacks($node, qr/not currently accepting connections/, 'nobody tried in vain');
$node->safe_psql('postgres', 'ALTER DATABASE copy ALLOW_CONNECTIONS true');
ddl_ok('DROP DATABASE copy', 'the closed database can be dropped');

# --- a session that is terminated in the middle leaves no hold behind
$session = $node->background_psql('there', on_error_stop => 0);
$session->query_safe('SELECT 1;');
my $dropper = $node->background_psql('postgres', on_error_stop => 0);
$dropper->query_until(qr/dropping/, "\\echo dropping\nDROP DATABASE there;\n");
ok(workers_gone($node, 'there'), 'DROP DATABASE has sent the workers away and waits for the client');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DROP DATABASE there%' AND pid <> pg_backend_pid()");
eval { $dropper->quit };
ok(workers_run($node, 'there'), 'terminated: the workers come back');
$session->quit;
ddl_ok('DROP DATABASE there', 'and it can be dropped later');

log_lacks($node, qr/still waiting for backend/, 'no worker ever held up a barrier');
log_lacks($node, qr/FATAL:  database .* does not exist/, 'no worker was started in a dropped database');
log_lacks($node, qr/PANIC|TRAP/, 'no panic');
$node->stop;
done_testing();
