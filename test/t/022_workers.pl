# Workers come back after every way of ending them, and what was pushed
# survives each of them.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

# events stay in the ring until somebody asks, so that each way of ending the
# writer meets some
my $node = new_node('workers', conf => <<'CONF');
restart_after_crash = on
apikey.usage_flush_interval = 60s
apikey.activity_flush_interval = 60min
apikey.housekeeper_interval = 50ms
CONF
my $key = setup_key($node);
my $issued = 0;

sub push_events
{
	my ($n) = @_;
	is($node->safe_psql('postgres', verify_sql($key, $n)), "VALID $n", "verified $n times");
	$issued += $n;
}

sub all_written
{
	my ($name) = @_;
	is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', "$name: flush_usage");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage'), $issued, "$name: every event once");
	is($node->safe_psql('postgres', 'SELECT calls FROM apikey.key_activity'), $issued, "$name: the activity agrees");
}

ok(workers_run($node), 'writer and housekeeper run');
is($node->safe_psql('postgres', "SELECT string_agg(application_name, ',' ORDER BY application_name) FROM pg_stat_activity WHERE datname = 'postgres' AND application_name LIKE 'apikey%'"),
	'apikey housekeeper,apikey writer', 'application names');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikey launcher' AND datname IS NULL"),
	1, 'one launcher, without a database');

# --- every signal, to every worker
for my $kind ('writer', 'housekeeper')
{
	for my $signal ('INT', 'TERM')
	{
		push_events(3);
		my $pid = signal_worker($node, $kind, $signal);

		if ($signal eq 'TERM')
		{
			ok(process_gone($pid), "$kind ends at SIGTERM");
			ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikey $kind' AND pid <> $pid", 1),
				"another $kind is started");
		}
		else
		{
			ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikey $kind' AND pid = $pid", 1),
				"$kind survives a cancel");
		}
		all_written("$kind, SIG$signal");
	}
}

# --- pg_terminate_backend of everything, launcher included
push_events(3);
my $old = $node->safe_psql('postgres', "SELECT string_agg(pid::text, ',') FROM pg_stat_activity WHERE backend_type LIKE 'apikey %'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'apikey %'");
ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'apikey %' AND pid <> ALL ('{$old}')", 3),
	'launcher, writer and housekeeper are back');
all_written('everything terminated');

# --- launcher alone: it takes over the workers that run
$old = $node->safe_psql('postgres', "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity WHERE backend_type IN ('apikey writer', 'apikey housekeeper')");
my $launcher = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikey launcher'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikey launcher' AND pid <> $launcher", 1), 'the launcher is back');
my $writer = signal_worker($node, 'writer', 'TERM');
ok(process_gone($writer), 'the writer of the old launcher ends');
ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikey writer' AND pid <> $writer", 1),
	'the new launcher starts another');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('apikey writer', 'apikey housekeeper')"),
	2, 'and no worker twice');

# --- fast and smart shutdown write what is in the ring
for my $mode ('fast', 'smart')
{
	push_events(5);
	is(stat_usage($node)->{waiting}, 5, 'events wait in the ring');
	$node->stop($mode);
	$node->start;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage'), $issued, "$mode shutdown: every event is on disk");
	is($node->safe_psql('postgres', 'SELECT calls FROM apikey.key_activity'), $issued, "$mode shutdown: the activity too");
	ok(workers_run($node), 'the workers start by themselves');
}

my $pid;

# --- fast shutdown under load: what a client was answered is on disk
my $script = $node->basedir . '/verify.sql';
append_to_file($script, "SELECT apikey.is_allowed('$key', request_id => 'load');\n");
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '4', '-j', '1', '-T', '600', '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ],
	'<', \undef, '>', \my $out, '2>', \my $err);
ok(poll($node, "SELECT (written + waiting > 1000)::text FROM apikey.stat_usage", 'true'), 'clients are busy');
$node->stop('fast');
$load->finish;
my ($answered) = $out =~ /number of transactions actually processed: (\d+)/;
$node->start;
my $rows = $node->safe_psql('postgres', "SELECT count(*) FROM apikey.usage WHERE request_id = 'load'");
ok(defined $answered && $answered > 0 && $rows >= $answered && $rows <= $answered + 4,
	"fast shutdown under load: rows for all that was answered")
  or diag('answered ' . ($answered // '?') . ", rows $rows\n$out\n$err");

# --- a client that is still in a call when the workers get their signal: one
# expression of many calls, with no place to be interrupted in between
my $calls = 20000;
my $seen = stat_usage($node);
$seen = $seen->{written} + $seen->{waiting};
my $client = $node->background_psql('postgres', on_error_stop => 0);
$pid = $client->query_safe('SELECT pg_backend_pid();');
$client->query_until(qr/started/, "\\echo started\nSELECT cardinality(ARRAY["
	  . join(',', ("apikey.is_allowed('$key', request_id => 'late')") x $calls) . "]);\n");
ok(poll($node, "SELECT written + waiting > $seen FROM apikey.stat_usage"), 'the client is in its call');
kill('STOP', $pid) == 1 or die;
my $housekeeper = worker_pid($node, 'housekeeper');
my $done_before = $node->safe_psql('postgres', "SELECT state FROM pg_stat_activity WHERE pid = $pid");
command_ok([ 'pg_ctl', '-D', $node->data_dir, '-m', 'fast', '-W', 'stop' ], 'fast shutdown begins');
ok(process_gone($housekeeper), 'the workers have got the signal');
kill('CONT', $pid) == 1 or die;
$node->{_pid} and ok(process_gone($node->{_pid}), 'the server stops');
eval { $client->quit };
$node->_update_pid(0);
$node->start;
is($node->safe_psql('postgres', "SELECT count(*) FROM apikey.usage WHERE request_id = 'late'"), $calls,
	'all events of the client are on disk')
  or diag("state when stopped: $done_before");

# --- kill -9 of a backend: the server restarts, the writer too, what was
# flushed before is there, and not more than was issued
$issued = $node->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage');
push_events(10);
is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'flushed before the crash');
my $flushed = $issued;
push_events(10);
my $victim = $node->background_psql('postgres', on_error_stop => 0);
$pid = $victim->query_safe('SELECT pg_backend_pid();');
kill('KILL', $pid) == 1 or die;
eval { $victim->quit };
ok(poll($node, 'SELECT 1', 1), 'the server is back');
ok(workers_run($node), 'the workers are back without a verification');
$rows = $node->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage');
ok($rows >= $flushed && $rows <= $issued, 'at most the unflushed events are lost')
  or diag("rows $rows, flushed $flushed, issued $issued");
$issued = $rows;
push_events(4);
is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'the writer writes again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage'), $issued, 'what comes after the crash is written');

# --- kill -9 of the writer is a crash like any other
$writer = signal_worker($node, 'writer', 'KILL');
ok(process_gone($writer), 'the writer is gone');
ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'apikey writer' AND pid <> $writer", 1), 'and started again');

log_lacks($node, qr/PANIC|TRAP/, 'no panic');
$node->stop;
done_testing();
