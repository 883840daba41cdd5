# Quotas and long rate limits over crashes, restarts and a failover: never more
# than the quota, at most one block less for each crash; a clean restart loses
# nothing.
#
# The oracle is outside of the server: each client is a psql that writes down
# every answer it got.  An answer that a crash took away was charged, not given.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;
use Time::HiRes qw(time usleep);

my $clients = 4;
my $block   = 400;
my $dir     = PostgreSQL::Test::Utils::tempdir;
my $seed    = $ENV{APIKEY_SEED} // int(rand(1_000_000));
srand($seed);
note("seed $seed");

sub make_key
{
	my ($node, $name, $limits) = @_;

	$node->safe_psql('postgres',
		"INSERT INTO app_key SELECT '$name', key_id, key FROM apikey.create_key('acme', 'production', name => '$name', $limits)");
	return $node->safe_psql('postgres', "SELECT key FROM app_key WHERE name = '$name'");
}

sub set_up
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');
CREATE TABLE app_key (name text, key_id bigint, key text);
SQL
	return;
}

# counted(): accepted answers in all files of the clients so far
sub counted
{
	my $sum = 0;

	for my $file (glob "$dir/out.*")
	{
		my $answers = slurp_file($file);
		$sum += () = $answers =~ /^VALID$/mg;
	}
	return $sum;
}

# start_load($node, $key): clients that verify one by one until the server dies
my $runs = 0;

sub start_load
{
	my ($node, $key) = @_;
	my $script = "$dir/script.sql";
	my @started;

	open my $fh, '>', $script or die "$script: $!";
	print $fh "SET apikey.limit_wait = '60s';\n";
	print $fh "SELECT (apikey.verify('$key')).code;\n" x 100_000;
	close $fh;
	for (1 .. $clients)
	{
		$runs++;
		push @started, IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $script ],
			'>', "$dir/out.$runs", '2>', "$dir/err.$runs");
	}
	return @started;
}

# let_run($n): waits until so many more were accepted
sub let_run
{
	my ($n) = @_;
	my $until = counted() + $n;
	my $end   = time() + 180;

	while (counted() < $until)
	{
		die "no progress: " . counted() . " of $until" if time() > $end;
		usleep(5_000);
	}
	return;
}

sub end_load
{
	for (@_)
	{
		eval { $_->finish };
	}
	return;
}

# exhaust($node, $key): what is left of a quota, by taking it
sub exhaust
{
	my ($node, $key, $most) = @_;

	my ($valid, $other) = split /\|/, $node->safe_psql('postgres', <<"SQL");
SET apikey.limit_wait = '60s';
SELECT count(*) FILTER (WHERE code = 'VALID'), count(*) FILTER (WHERE code NOT IN ('VALID', 'QUOTA_EXCEEDED'))
FROM (SELECT (apikey.verify('$key')).code FROM generate_series(1, $most)) v
SQL
	is($other, 0, 'no other answer');
	return $valid;
}

# --- crashes under load
my $node = new_node('crash', conf => <<"CONF");
restart_after_crash = on
synchronous_commit = off
wal_writer_delay = 10s
apikey.quota_block = $block
apikey.limit_wait = 60s
CONF
set_up($node);
my $quota = 60_000;
my $key = make_key($node, 'total', "quotas => ARRAY[('total', $quota, 'total', NULL, NULL)]::apikey.quota[]");
my @ways = ('immediate', 'writer', 'client backend', 'checkpointer', 'writer', 'immediate');
for my $way (@ways)
{
	my @load = start_load($node, $key);

	let_run(200 + int(rand(3000)));
	if ($way eq 'immediate')
	{
		$node->stop('immediate');
		end_load(@load);
		$node->start;
	}
	else
	{
		my $victim = $node->safe_psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE backend_type IN ('$way', 'apikey $way') AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1");
		kill(9, $victim) == 1 or die "could not kill $way $victim";
		end_load(@load);
		ok(poll($node, 'SELECT 1', '1'), "kill -9 of $way: the server serves again");
	}
	my ($reserved, $used) = split /\|/, $node->safe_psql('postgres', 'SELECT reserved, used FROM apikey.quota_state');
	cmp_ok(counted(), '<=', $reserved, "$way: what was accepted is on disk as reserved");
	cmp_ok($used, '<=', $reserved, "$way: used");
}
my $before = counted();
cmp_ok($before, '<', $quota, 'the crashes came before the quota was used up');
my $after = exhaust($node, $key, $quota - $before + 10);
cmp_ok($before + $after, '<=', $quota, 'never more than the quota');
cmp_ok($before + $after, '>=', $quota - @ways * ($block + $clients), 'at most one block and the answers on their way for each crash');
note("accepted $before + $after of $quota");

# --- a clean restart loses nothing
my $clean = make_key($node, 'clean', "quotas => ARRAY[('total', 5000, 'total', NULL, NULL)]::apikey.quota[]");
my $taken = 0;
for my $mode ('fast', 'smart', 'fast')
{
	$taken += $node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE code = 'VALID') FROM (SELECT (apikey.verify('$clean')).code FROM generate_series(1, 321)) v");
	signal_worker($node, 'writer', 'TERM') if $mode eq 'smart';	# another writer has reserved it
	ok(workers_run($node), "$mode: workers");
	$node->stop($mode);
	$node->start;
	is($node->safe_psql('postgres', "SELECT reserved, used FROM apikey.quota_state s JOIN app_key k USING (key_id) WHERE k.name = 'clean'"),
		"$taken|$taken", "$mode stop: exactly what was used is reserved");
}
is($taken, 3 * 321, 'all were accepted');
is(exhaust($node, $clean, 5000), 5000 - $taken, 'and the rest is there');

# a stop under load: what the clients got is what the table says
my $busy = make_key($node, 'busy', "quotas => ARRAY[('total', 1000000, 'total', NULL, NULL)]::apikey.quota[]");
unlink glob "$dir/out.*";
my @load = start_load($node, $busy);
let_run(1000);
$node->stop('fast');
end_load(@load);
$node->start;
my $said = $node->safe_psql('postgres', "SELECT reserved FROM apikey.quota_state s JOIN app_key k USING (key_id) WHERE k.name = 'busy'");
cmp_ok($said, '>=', counted(), 'stop under load: nothing accepted is missing');
cmp_ok($said, '<=', counted() + $clients, 'stop under load: nothing is lost but answers on their way');

# --- rate limits that take long to fill up again
my $slow = make_key($node, 'slow', "rate_limits => ARRAY[('slow', 100, '1000 days', NULL, NULL)]::apikey.rate_limit[]");
my $left = "SELECT (apikey.verify('$slow', units => %d)).remaining";
is($node->safe_psql('postgres', sprintf($left, 40)), 60, 'forty of a hundred');
$node->restart;
is($node->safe_psql('postgres', sprintf($left, 1)), 59, 'a clean restart keeps the debt exactly');
my $known = 59;
for my $way ('immediate', 'writer')
{
	if ($way eq 'immediate')
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		signal_worker($node, 'writer', 'KILL');
		ok(poll($node, 'SELECT 1', '1'), 'the server serves again');
	}
	my $now = $node->safe_psql('postgres', sprintf($left, 1));
	cmp_ok($now, '<=', $known - 1, "$way: never fuller");
	cmp_ok($now, '>=', $known - 1 - 26, "$way: a quarter less at most");
	$known = $now;
}
$node->safe_psql('postgres', sprintf($left, $known));
for my $way ('fast', 'immediate', 'fast')
{
	is($node->safe_psql('postgres', "SELECT (apikey.verify('$slow')).code"), 'RATE_LIMITED', 'nothing is left');
	$node->stop($way);
	$node->start;
}
is($node->safe_psql('postgres', "SELECT (apikey.verify('$slow')).code"), 'RATE_LIMITED', 'still nothing');
$node->safe_psql('postgres', "SELECT apikey.reset_limits(key_id) FROM app_key WHERE name = 'slow'");
is($node->safe_psql('postgres', sprintf($left, 30)), 70, 'reset');
$node->restart;
is($node->safe_psql('postgres', sprintf($left, 1)), 69, 'the reset is kept over a restart');
# a reset of what is not in memory
$node->safe_psql('postgres', sprintf($left, 69));
$node->restart;
$node->safe_psql('postgres', "SELECT apikey.reset_limits(key_id) FROM app_key WHERE name = 'slow'");
is($node->safe_psql('postgres', sprintf($left, 1)), 99, 'reset before it is loaded');
$node->stop;

# --- a synchronous standby
my $primary = new_node('primary', init => [ allows_streaming => 1 ], conf => <<"CONF");
apikey.quota_block = $block
apikey.limit_wait = 60s
CONF
set_up($primary);
$quota = 40_000;
$key = make_key($primary, 'total', "quotas => ARRAY[('total', $quota, 'total', NULL, NULL)]::apikey.quota[]");
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->append_conf('postgresql.conf', "synchronous_standby_names = 'standby'");
$primary->reload;
ok(poll($primary, "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'standby'", 'sync'), 'the standby is synchronous');
unlink glob "$dir/out.*";

# a hot standby
my $code = "SELECT (apikey.verify('$key')).code";
is($standby->safe_psql('postgres', $code), 'UNAVAILABLE', 'standby_quota = deny');
$standby->append_conf('postgresql.conf', 'apikey.standby_quota = unmetered');
$standby->reload;
ok(poll($standby, $code, 'VALID'), 'standby_quota = unmetered');
$standby->append_conf('postgresql.conf', 'apikey.standby_quota = deny');
$standby->reload;
ok(poll($standby, $code, 'UNAVAILABLE'), 'and back');

# the standby is away: nothing is given out that it does not have
is($primary->safe_psql('postgres', $code), 'VALID', 'a unit with the standby');
my $lone = make_key($primary, 'lone', "quotas => ARRAY[('total', 10, 'total', NULL, NULL)]::apikey.quota[]");
$standby->stop;
is($primary->safe_psql('postgres', "SET apikey.limit_wait = '2s'; SELECT (apikey.verify('$lone')).code"), 'UNAVAILABLE', 'no units without the standby');
is($primary->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'usage is written all the same');
my $writer = signal_worker($primary, 'writer', 'TERM');
ok(process_gone($writer), 'a writer that waits for the standby can be ended');
$standby->start;
ok(poll($primary, "SELECT (apikey.verify('$lone')).code", 'VALID'), 'served when it is back');
cmp_ok(1 + exhaust($primary, $lone, 20), '<=', 10, 'not one too many');

# failover under load
@load = start_load($primary, $key);
let_run(3000);
$primary->stop('immediate');
end_load(@load);
$standby->promote;
ok(workers_run($standby), 'the workers start after the promotion');
$before = 1 + counted();
my ($reserved) = $standby->safe_psql('postgres', "SELECT reserved FROM apikey.quota_state s JOIN app_key k USING (key_id) WHERE k.name = 'total'");
cmp_ok($before, '<=', $reserved, 'the standby knows all that was given out');
$after = exhaust($standby, $key, $quota);
cmp_ok($before + $after, '<=', $quota, 'never more than the quota over the failover');
cmp_ok($before + $after, '>=', $quota - $block - $clients - $block, 'and hardly less');
note("accepted $before + $after of $quota");
$standby->stop;

done_testing();
