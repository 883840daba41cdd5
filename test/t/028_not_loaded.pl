# Without shared memory: not preloaded, and in a binary upgrade.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $node = new_node('bare', preload => 0);

for my $sql ('SELECT * FROM apikey.stat_usage', 'SELECT * FROM apikey.stat_worker', 'SELECT * FROM apikey.stat_limits', 'SELECT apikey.flush_usage()')
{
	my ($state, $err) = sqlstate_of($node, $sql);
	is($state, '55000', "$sql: object_not_in_prerequisite_state");
	like($err, qr/must be loaded via "shared_preload_libraries".*HINT:/s, 'with a hint');
}
is($node->safe_psql('postgres', "LOAD 'apikey'; SELECT 1"), 1, 'LOAD works');
$node->safe_psql('postgres', 'CREATE DATABASE other; DROP DATABASE other; DROP EXTENSION apikey; CREATE EXTENSION apikey');
pass('DDL on databases and the extension works');
$node->stop;

# a binary upgrade starts the new server with -b: nothing may run in it
$node = new_node('upgrade');
my $key = setup_key($node);
ok(workers_run($node), 'workers run');
$node->stop;
command_ok([ 'pg_ctl', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-b', '-w', '-t', '180', 'start' ],
	'the server starts in binary-upgrade mode');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'apikey%'"), 0, 'no worker in it');
is($node->safe_psql('postgres', "SELECT code FROM apikey.verify('$key')"), 'VALID', 'verification works');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'apikey%'"), 0, 'and starts none');
command_ok([ 'pg_ctl', '-D', $node->data_dir, '-m', 'fast', '-w', '-t', '180', 'stop' ], 'it stops');
$node->start;
ok(workers_run($node), 'started normally the workers run');
$node->stop;
done_testing();
