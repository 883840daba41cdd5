# The guard against guessing with many clients at once, many addresses, two
# databases, and over a restart.  The clock stands still, so that all of it
# happens in one minute.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $node = new_node('guard', conf => <<'CONF');
apikey.guard_attempts = 20
apikey.guard_entries = 64
apikey.usage_unknown_rate = 2147483647
apikey.test_now = '1935835210'
CONF
my $key = setup_key($node);

# codes($sql, $text, $ip, $n): how often $text from $ip got which code
sub codes_sql
{
	my ($text, $ip, $n) = @_;

	return "SELECT code || ' ' || count(*) FROM generate_series(1, $n) g, "
	  . "LATERAL (SELECT (apikey.verify('$text', ip => '$ip', request_id => g::text)).code OFFSET 0) v GROUP BY code";
}

sub codes
{
	my ($text, $ip, $n, $dbname) = @_;

	return join ', ', sort split /\n/, $node->safe_psql($dbname // 'postgres', codes_sql($text, $ip, $n));
}

# at_once(@sql): a session for each at the same time; what all of them printed,
# as lines "word number" added up
sub at_once
{
	my @out = map { '' } @_;
	my @err = map { '' } @_;
	my @runs;
	my %sum;

	foreach my $i (0 .. $#_)
	{
		# as an argument: what goes through a pipe waits for finish()
		push @runs, IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $_[$i] ],
			'<', \undef, '>', \$out[$i], '2>', \$err[$i], IPC::Run::timeout(600));
	}
	foreach my $i (0 .. $#runs)
	{
		$runs[$i]->finish;
		is($runs[$i]->result(0), 0, 'session ' . ($i + 1)) or diag($err[$i]);
		$sum{$1} += $2 while $out[$i] =~ /^(\w+) (\d+)$/mg;
	}
	return \%sum;
}

sub guard_row
{
	my ($ip, $dbname) = @_;

	return $node->safe_psql($dbname // 'postgres', "SELECT attempts, blocked FROM apikey.stat_guard WHERE ip = '$ip'");
}

# --- many clients, one address ------------------------------------------------

my $before = stat_usage($node);
my $sum = at_once((codes_sql('nonsense', '192.0.2.1', 500)) x 6, (codes_sql($key, '192.0.2.1', 500)) x 2);
is_deeply($sum, { MALFORMED => 20, BLOCKED => 2980, VALID => 1000 }, 'exactly so many attempts keep their code, no key is blocked');
is(guard_row('192.0.2.1'), '3000|2980', 'all are counted');
is($node->safe_psql('postgres', 'SELECT apikey.flush_usage()'), 't', 'events are written');
is($node->safe_psql('postgres', q{SELECT string_agg(code || ' ' || n, ', ' ORDER BY code)
	FROM (SELECT code, count(*) AS n FROM apikey.usage WHERE ip = '192.0.2.1' GROUP BY code) u}),
	'BLOCKED 1, MALFORMED 20, VALID 1000', 'one blocked attempt of the minute is recorded');
my $after = stat_usage($node);
is($after->{suppressed} - $before->{suppressed}, 2979, 'the others are counted');
is($after->{written} - $before->{written}, 1021, 'everything is one or the other');
is(codes($key, '192.0.2.1', 1), 'VALID 1', 'a key works from the blocked address');
# often enough for two of them to meet in the table
at_once(("SELECT 'denied ' || count(*) FROM generate_series(1, 30000) g WHERE NOT apikey.is_allowed('nonsense', ip => '192.0.2.3', request_id => g::text)") x 4);
is(guard_row('192.0.2.3'), '120000|119980', 'no attempt is lost');

# --- more addresses than the table has room for --------------------------------

# each once or twice: no code but its own
my $flood = q{SELECT code || ' ' || count(*) FROM generate_series(1, 2500) g,
	LATERAL (SELECT (apikey.verify('nonsense', ip => %s, request_id => 'flood')).code) v GROUP BY code};
$sum = at_once(map { sprintf $flood, $_ } q{'10.1.0.0'::inet + g}, q{'10.2.0.0'::inet + g},
	q{('2001:db8:' || to_hex(g) || '::1')::inet}, q{'10.2.0.0'::inet + g * 2});
is_deeply($sum, { MALFORMED => 10000 }, 'nobody is blocked for the attempts of others');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM apikey.stat_guard'), '<=', 64, 'the table is as large as before');
is(guard_row('192.0.2.1'), '3000|2980', 'who tried most is still there');
is(codes('nonsense', '192.0.2.1', 1), 'BLOCKED 1', 'and still blocked');
is(codes('nonsense', '192.0.2.2', 25), 'BLOCKED 5, MALFORMED 20', 'a full table has room for the next one');
# 64 addresses with many attempts push each other out, which only sets them free
$sum = at_once(map { "SELECT code || ' ' || count(*) FROM generate_series(1, 40) g, generate_series(1, 16) a, "
		. "LATERAL (SELECT (apikey.verify('nonsense', ip => '198.51.100.0'::inet + $_ + a, request_id => g::text)).code) v GROUP BY code" }
		(0, 16, 32, 48));
is($sum->{MALFORMED} + ($sum->{BLOCKED} // 0), 64 * 40, 'addresses with many attempts');
cmp_ok($sum->{MALFORMED}, '>=', 64 * 20, 'none is blocked before its time');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM apikey.stat_guard'), '<=', 64, 'and the table is as large as before');
is(codes($key, '198.51.100.1', 1), 'VALID 1', 'the server is fine');

# --- the setting ----------------------------------------------------------------

sub set_attempts
{
	my ($n) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET apikey.guard_attempts = $n");
	$node->reload;
	ok(poll($node, 'SHOW apikey.guard_attempts', $n), "guard_attempts is $n");
	return;
}

is(codes('nonsense', '203.0.113.1', 10), 'MALFORMED 10', 'below the limit');
set_attempts(5);
is(codes('nonsense', '203.0.113.1', 1), 'BLOCKED 1', 'a lower one counts at once');
set_attempts(0);
is(codes('nonsense', '203.0.113.1', 100), 'MALFORMED 100', 'none blocks nobody');
is(guard_row('203.0.113.1'), '11|1', 'and counts nothing');
set_attempts(20);
is(codes('nonsense', '203.0.113.1', 11), 'BLOCKED 2, MALFORMED 9', 'a higher one, too');

# --- another database -------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION apikey CASCADE');
is(codes('nonsense', '192.0.2.1', 21, 'other'), 'BLOCKED 1, MALFORMED 20', 'another database counts for itself');
is(guard_row('192.0.2.1', 'other'), '21|1', 'and shows its own');
is($node->safe_psql('other', 'SELECT count(*) FROM apikey.stat_guard'), 1, 'and no other');
is(guard_row('192.0.2.1'), '3001|2981', 'the first one is as it was');

# --- restart ----------------------------------------------------------------------

$node->restart;
is($node->safe_psql('postgres', 'SELECT count(*) FROM apikey.stat_guard'), 0, 'after a restart nobody is known');
is(codes('nonsense', '203.0.113.1', 21), 'BLOCKED 1, MALFORMED 20', 'and counting starts again');
# on the clock of the server
$node->append_conf('postgresql.conf', "apikey.test_now = ''");
$node->reload;
ok(poll($node, 'SHOW apikey.test_now', ''), 'the clock runs');
like(codes('nonsense', '203.0.113.9', 400), qr/^BLOCKED \d+, MALFORMED \d+$/, 'it blocks on the clock of the server');
is($node->safe_psql('postgres', q{SELECT window_start = date_trunc('minute', window_start) AND coalesce(blocked_until, window_start + interval '1 minute') = window_start + interval '1 minute'
	AND window_start BETWEEN now() - interval '1 hour' AND now() FROM apikey.stat_guard WHERE ip = '203.0.113.9'}), 't', 'in minutes of the clock');
log_lacks($node, qr/PANIC|stuck spinlock|terminated by signal/, 'the log is clean');
$node->stop;

done_testing();
