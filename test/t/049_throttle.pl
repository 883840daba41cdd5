# The throttle: what it does to rate limits of each priority, and the automatic
# one, which follows the usage buffer.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $node = new_node('throttle', conf => <<'CONF');
apikey.usage_buffer_size = 64kB
apikey.usage_wait = 0
apikey.housekeeper_interval = 20ms
CONF
my $key = setup_key($node);

sub setting
{
	my ($name, $value) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET apikey.$name = $value");
	$node->reload;
	ok(poll($node, "SHOW apikey.$name", $value), "$name is $value");
	return;
}

sub throttle
{
	return $node->safe_psql('postgres', 'SELECT throttle FROM apikey.stat_usage');
}

# --- by hand: a limit of one per second, ten at once ----------------------------

my %key;
foreach my $priority (0, 50, 100)
{
	$key{$priority} = $node->safe_psql('postgres', <<"SQL");
SELECT apikey.create_policy('acme', 'p$priority', priority => $priority,
	rate_limits => ARRAY[('second', 1, '1 s', 10, 'key')]::apikey.rate_limit[]) \\gset
SELECT key FROM apikey.create_key('acme', 'prod', name => 'p$priority', policy => 'p$priority');
SQL
}

# try($priority, at, units, ...): the codes, remaining and retry_after in
# seconds of requests at so many seconds of a clock of ours
my $now = 1935835200;

sub try
{
	my ($priority, @steps) = @_;
	my $sql = '';

	while (my ($at, $units) = splice @steps, 0, 2)
	{
		$sql .= "SET apikey.test_now = '" . ($now + $at) . "';\n"
		  . "SELECT code || ' ' || remaining || coalesce(' ' || extract(epoch FROM retry_after)::numeric(10, 1), '') FROM apikey.verify('$key{$priority}', units => $units, record => false);\n";
	}
	return join ', ', split /\n/, $node->safe_psql('postgres', $sql);
}

is(throttle(), 0, 'no throttle');
is(try(0, 0, 10, 5, 6, 5, 5, 5, 1), 'VALID 0, RATE_LIMITED 5 1.0, VALID 0, RATE_LIMITED 0 1.0', 'a limit at full speed');

# the bucket of priority 0 is empty; what is owed takes the new time
setting('throttle', '0.5');
is(throttle(), 0.5, 'the throttle in force');
is(try(0, 10, 3, 10, 2, 10, 1, 12, 1), 'VALID 2, VALID 0, RATE_LIMITED 0 2.0, VALID 0', 'half speed for the lowest priority');
is(try(50, 0, 10, 5, 5, 5, 1), 'VALID 0, VALID 0, RATE_LIMITED 0 1.0', 'a higher one is untouched up to there');
is(try(100, 0, 10, 5, 5, 5, 1), 'VALID 0, VALID 0, RATE_LIMITED 0 1.0', 'and the highest');
$now += 1000;
is(try(0, 0, 10, 0, 1, 20, 10), 'VALID 0, RATE_LIMITED 0 2.0, VALID 0', 'the burst stays as it is');

setting('throttle', '0.75');
$now += 1000;
is(try(50, 0, 10, 9, 5, 10, 5, 10, 1), 'VALID 0, RATE_LIMITED 4 1.0, VALID 0, RATE_LIMITED 0 2.0', 'half speed for a higher one');
is(try(100, 0, 10, 5, 5, 5, 1), 'VALID 0, VALID 0, RATE_LIMITED 0 1.0', 'full speed for the highest');

setting('throttle', '1');
$now += 1000;
is(try(100, 0, 10, 5, 5, 5, 1), 'VALID 0, VALID 0, RATE_LIMITED 0 1.0', 'the highest is never slowed down');
$now += 100000;
is(try(0, 0, 10, 999, 1, 1000, 1, 1000, 1), 'VALID 0, RATE_LIMITED 0 1.0, VALID 0, RATE_LIMITED 0 1000.0', 'the lowest never stands still');
setting('throttle', '0');
$now += 100000;
is(try(0, 0, 10, 5, 5, 5, 1), 'VALID 0, VALID 0, RATE_LIMITED 0 1.0', 'and all is as it was');

# --- by itself -------------------------------------------------------------------

sub fill
{
	my $pid = signal_worker($node, 'writer', 'STOP');

	like($node->safe_psql('postgres', verify_sql($key, 2000)), qr/^VALID 2000$/, 'the buffer fills');
	return $pid;
}

sub drain
{
	my ($pid) = @_;

	kill('CONT', $pid) == 1 or die "no writer $pid";
	is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'the buffer is empty again');
	return;
}

my $writer = fill();
my $runs = $node->safe_psql('postgres', q{SELECT runs FROM apikey.stat_worker WHERE task = 'revocations'});
ok(poll($node, "SELECT runs > $runs + 3 FROM apikey.stat_worker WHERE task = 'revocations'"), 'the housekeeper has looked');
is(throttle(), 0, 'no automatic throttle where none is wanted');
setting('throttle_auto', 'on');
ok(poll($node, 'SELECT throttle FROM apikey.stat_usage', 1), 'a full buffer is a full throttle');
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION apikey CASCADE');
$node->safe_psql('other', q{SELECT (apikey.verify('x')).code});
ok(poll($node, q{SELECT runs > 3 FROM apikey.stat_worker WHERE task = 'revocations'}, 't', 'other'), 'a database with an empty buffer');
is($node->safe_psql('other', 'SELECT throttle FROM apikey.stat_usage'), 0, 'has none');
drain($writer);
ok(poll($node, 'SELECT throttle FROM apikey.stat_usage', 0), 'it goes when the buffer is empty');
my $log = slurp_file($node->logfile);
is(() = $log =~ /rate limits of low priority are slowed down: the usage buffer fills/g, 1, 'the log tells of its begin, once');
is(() = $log =~ /rate limits of low priority are no longer slowed down/g, 1, 'and of its end');

# it keeps to the larger of the two, and ends at once when it is switched off
setting('throttle', '0.25');
is(throttle(), 0.25, 'with an empty buffer that of the setting counts');
$writer = fill();
ok(poll($node, 'SELECT throttle FROM apikey.stat_usage', 1), 'with a full one the automatic one');
setting('throttle_auto', 'off');
is(throttle(), 0.25, 'switched off it counts no longer');
setting('throttle_auto', 'on');
ok(poll($node, 'SELECT throttle FROM apikey.stat_usage', 1), 'and on again');

# without a housekeeper nobody would take it back: it goes with it
my $launcher = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikey launcher'});
kill('STOP', $launcher) == 1 or die 'no launcher';
ok(process_gone(signal_worker($node, 'housekeeper', 'TERM')), 'the housekeeper is gone');
is(throttle(), 0.25, 'and its throttle with it');
kill('CONT', $launcher) == 1 or die 'no launcher';
ok(poll($node, 'SELECT throttle FROM apikey.stat_usage', 1), 'the next one looks anew');
drain($writer);
$node->stop;

done_testing();
