# Who a transaction acts for, behind PgBouncer in transaction pooling: many
# clients of many tenants share few connections, and run into errors,
# savepoints, cancels, kept plans and parallel plans.  Each look is told who it
# must find; a wrong one is another tenant's row.
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use ApikeyTest;

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'there is no pgbouncer' unless $pgbouncer;

my $tenants      = 24;
my $clients      = 8;
my $transactions = 500;    # of each client
my $pool         = 3;      # connections to the server

my $node = new_node('main', conf => <<'CONF');
max_prepared_transactions = 50
max_worker_processes = 40
max_parallel_workers = 20
CONF
$node->safe_psql('postgres', <<"SQL");
CREATE ROLE app LOGIN;
-- plans are kept, and workers are used, whoever comes
ALTER ROLE app SET plan_cache_mode = force_generic_plan;
ALTER ROLE app SET parallel_setup_cost = 0;
ALTER ROLE app SET parallel_tuple_cost = 0;
ALTER ROLE app SET min_parallel_table_scan_size = 0;
SELECT apikey.grant_access('app', 'verifier');
SELECT apikey.grant_access('app', 'auditor');
CREATE TABLE keys AS
	SELECT n, 't' || n AS tenant, apikey.create_tenant('t' || n) AS tenant_id FROM generate_series(1, $tenants) n;
ALTER TABLE keys ADD key text, ADD key_id bigint, ADD gone text;
SELECT count(apikey.create_environment(tenant, 'p')) FROM keys;
UPDATE keys SET (key, key_id) = (SELECT key, key_id FROM apikey.create_key(tenant, 'p', scopes => ARRAY['s:' || n]));
UPDATE keys SET gone = (SELECT key FROM apikey.create_key(tenant, 'p', name => 'gone'));
SELECT count(apikey.revoke_key(key_id)) FROM apikey.api_key WHERE name = 'gone';
CREATE TABLE rows AS SELECT 't' || (1 + n % $tenants) AS tenant, n FROM generate_series(1, $tenants * 100) n;
CREATE INDEX ON rows (tenant);
ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON rows USING (tenant = (SELECT apikey.current_tenant()));
-- for parallel plans: no index, the functions are called in the workers
CREATE TABLE wide AS SELECT tenant, n, repeat('x', 500) AS filler FROM rows;
ALTER TABLE wide ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON wide USING (tenant = apikey.current_tenant() AND apikey.has_scope('s:' || substr(tenant, 2)));
GRANT SELECT ON keys, rows, wide TO app;
GRANT INSERT, UPDATE ON rows TO app;
-- all that tells who the transaction is, as one text
CREATE FUNCTION who() RETURNS text LANGUAGE plpgsql STABLE AS \$\$
BEGIN
	RETURN concat_ws('/', coalesce(apikey.current_tenant(), '-'), coalesce(apikey.current_key_id()::text, '-'),
		coalesce(apikey.current_scopes()::text, '-'), (SELECT string_agg(DISTINCT r.tenant, '+') || ' ' || count(*) FROM rows r));
END
\$\$;
VACUUM ANALYZE rows, wide;
SQL
my %key = map { my @f = split /\|/; ($f[0] => { tenant => $f[1], key => $f[2], key_id => $f[3], gone => $f[4] }) }
  split /\n/, $node->safe_psql('postgres', 'SELECT n, tenant, key, key_id, gone FROM keys');

# --- PgBouncer -----------------------------------------------------------------

my $dir  = PostgreSQL::Test::Utils::tempdir_short;
my $port = PostgreSQL::Test::Cluster::get_free_port();
append_to_file("$dir/users", "\"app\" \"\"\n");
append_to_file("$dir/ini", <<"INI");
[databases]
postgres = host=${\$node->host} port=${\$node->port} dbname=postgres
[pgbouncer]
unix_socket_dir = $dir
listen_port = $port
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = $pool
max_client_conn = 200
logfile = $dir/log
INI
my $bouncer = IPC::Run::start([ $pgbouncer, '-q', "$dir/ini" ], '<', \undef, '>', "$dir/out", '2>&1');

# a psql that runs a script, on its own: from a file and into files, so that
# nobody has to feed it
my $number = 0;

sub client
{
	my ($script) = @_;
	my $file = "$dir/" . ++$number;

	append_to_file("$file.sql", $script);
	return {
		file => $file,
		run  => IPC::Run::start(
			[ 'psql', '-X', '-q', '-A', '-t', '-h', $dir, '-p', $port, '-U', 'app', '-d', 'postgres', '-f', "$file.sql" ],
			'<', \undef, '>', "$file.out", '2>', "$file.err")
	};
}

sub finished
{
	my ($client) = @_;

	IPC::Run::finish($client->{run});
	$client->{out} = slurp_file("$client->{file}.out");
	$client->{err} = slurp_file("$client->{file}.err");
	$client->{err} =~ s/^psql:\S+: //mg;
	return $client;
}

my $up = 0;
foreach (1 .. 1800)
{
	my $try = finished(client("SELECT 'up'"));
	last if $up = $try->{out} eq "up\n";
	usleep(100_000);
}
ok($up, 'PgBouncer answers') or diag(slurp_file("$dir/log"));

# --- what a client does ----------------------------------------------------------

my $looks = 0;

# a line of the output: what must be found, and what is
sub look
{
	my ($n) = @_;
	my $expected = '-/-/-';

	$expected = "t$n/$key{$n}{key_id}/{s:$n}/t$n 100" if $n;
	$looks++;
	return "SELECT 'look', pg_backend_pid(), '$expected', who();\n";
}

sub authenticate { return "SELECT 'code', code FROM apikey.authenticate('$key{$_[0]}{key}', record => false);\n" }

my %errors;
my $gid   = 0;
my @kinds = (
	# the usual one, and nobody after it
	sub { my ($a) = @_; 'BEGIN;' . authenticate($a) . look($a) . 'COMMIT;' . look(0) },
	sub { my ($a) = @_; 'BEGIN;' . authenticate($a) . look($a) . 'ROLLBACK;' . look(0) },
	# nobody at all: what the one before left would show
	sub { look(0) },
	sub { 'BEGIN;' . look(0) . 'COMMIT;' },
	# in autocommit it is over at once
	sub { my ($a) = @_; authenticate($a) . look(0) },
	# one after the other
	sub { my ($a, $b) = @_; 'BEGIN;' . authenticate($a) . look($a) . authenticate($b) . look($b) . 'COMMIT;' },
	# a key that is gone leaves nobody
	sub {
		my ($a, $b) = @_;
		'BEGIN;' . authenticate($a) . "SELECT 'code', code FROM apikey.authenticate('$key{$b}{gone}', record => false);\n" . look(0) . 'COMMIT;';
	},
	# errors
	sub { my ($a) = @_; $errors{'division by zero'}++; 'BEGIN;' . authenticate($a) . look($a) . "SELECT 1 / 0;\nROLLBACK;\n" . look(0) },
	sub { my ($a) = @_; $errors{'division by zero'}++; 'BEGIN;' . authenticate($a) . "SELECT 1 / 0;\nCOMMIT;\n" . look(0) },
	sub {
		my ($a, $b) = @_;
		$errors{'violates row-level security'}++;
		'BEGIN;' . authenticate($a) . "SAVEPOINT s;\nINSERT INTO rows VALUES ('t$b', 0);\nROLLBACK TO s;\n" . look($a) . 'COMMIT;';
	},
	# savepoints
	sub {
		my ($a, $b) = @_;
		'BEGIN;' . authenticate($a) . "SAVEPOINT s;\n" . authenticate($b) . look($b) . "ROLLBACK TO s;\n" . look($a) . 'COMMIT;' . look(0);
	},
	sub { my ($a, $b) = @_; "BEGIN;\nSAVEPOINT s;\n" . authenticate($a) . "RELEASE s;\n" . look($a) . 'COMMIT;' . look(0) },
	# canceled in the middle
	sub {
		my ($a) = @_;
		$errors{'canceling statement'}++;
		'BEGIN;' . authenticate($a) . look($a) . "SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(180);\nROLLBACK;\n" . look(0);
	},
	sub {
		my ($a) = @_;
		$errors{'canceling statement'}++;
		'BEGIN;' . authenticate($a) . "SET LOCAL statement_timeout = '1ms';\nSELECT pg_sleep(180);\nROLLBACK;\n" . look(0);
	},
	# parallel workers
	sub {
		my ($a) = @_;
		$looks++;
		"BEGIN;\n" . authenticate($a) . "SET LOCAL parallel_leader_participation = off;\n"
		  . "SELECT 'look', pg_backend_pid(), 't$a 100', min(tenant) || CASE WHEN min(tenant) <> max(tenant) THEN '+' ELSE '' END || ' ' || count(*) FROM wide;\nCOMMIT;\n";
	},
	# a statement prepared by whoever was there first, kept by the connection
	sub {
		my ($a) = @_;
		$looks++;
		"BEGIN;\n" . authenticate($a)
		  . "DO 'BEGIN IF NOT EXISTS (SELECT FROM pg_prepared_statements WHERE name = ''mine'') THEN EXECUTE ''PREPARE mine AS SELECT ''''look'''', pg_backend_pid(), \$1::text, string_agg(DISTINCT tenant, ''''+'''') FROM rows''; END IF; END';\n"
		  . "EXECUTE mine('t$a');\nCOMMIT;\n";
	},
	# cleared by hand
	sub { my ($a, $b) = @_; 'BEGIN;' . authenticate($a) . "RESET ALL;\n" . look(0) . authenticate($b) . look($b) . 'COMMIT;' . look(0) },
	sub { my ($a, $b) = @_; 'BEGIN;' . authenticate($a) . "SET apikey.context = '';\n" . look(0) . authenticate($b) . look($b) . 'COMMIT;' . look(0) },
	# in two phases
	sub {
		my ($a) = @_;
		my $id = 'g' . ++$gid;
		'BEGIN;' . authenticate($a) . look($a) . "SELECT FROM rows LIMIT 1 FOR SHARE;\nPREPARE TRANSACTION '$id';\n" . look(0) . "ROLLBACK PREPARED '$id';\n" . look(0);
	},
	# narrowed
	sub {
		my ($a, $b) = @_;
		$looks += 3;
		my $narrow = "SELECT 'look', pg_backend_pid(), '%s', concat_ws('/', coalesce(apikey.current_tenant(), '-'), (SELECT count(*) FROM apikey.tenant), apikey.sees_all('any'));\n";
		"BEGIN;\nSELECT apikey.set_tenant('t$a') \\g /dev/null\n" . sprintf($narrow, "t$a/1/f") . "SELECT apikey.set_tenant('t$b') \\g /dev/null\n" . sprintf($narrow, "t$b/1/f") . "COMMIT;\n"
		  . sprintf($narrow, "-/$tenants/t");
	});

# the same ones in each run
my $state = 4;
sub drawn { $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 65536) % $_[0] }

my @clients;
foreach my $c (1 .. $clients)
{
	my $script = '';
	foreach my $t (1 .. $transactions)
	{
		my $a = 1 + drawn($tenants);
		my $b = 1 + ($a + drawn($tenants - 1)) % $tenants;

		$script .= $kinds[ drawn(scalar @kinds) ]->($a, $b) . "\n";
	}
	push @clients, client($script);
}
finished($_) foreach @clients;

my ($seen, $wrong, $codes) = (0, 0, 0);
my %served;
my $errors = join '', map { $_->{err} } @clients;
foreach my $line (map { split /\n/, $_->{out} } @clients)
{
	my @f = split /\|/, $line, -1;

	if (($f[0] // '') eq 'look')
	{
		$seen++;
		$served{ $f[1] }{$1} = 1 if $f[3] =~ /^t(\d+)/;
		next if $f[2] eq $f[3];
		diag("must find $f[2], found $f[3]") if $wrong++ < 10;
	}
	$codes++ if ($f[0] // '') eq 'code' && $f[1] eq 'VALID';
}
is($wrong, 0, "no look of $looks found anybody else");
is($seen, $looks, 'and none failed');
cmp_ok($looks, '>', $clients * $transactions, 'there were thousands');
cmp_ok($codes, '>', $clients * $transactions / 2, 'most of them authenticated');
foreach my $error (sort keys %errors)
{
	is(scalar(() = $errors =~ /\Q$error\E/g), $errors{$error}, "$errors{$error} times: $error");
}
my $count = () = $errors =~ /^(?:ERROR|FATAL):/mg;
my $meant = 0;
$meant += $_ foreach values %errors;
is($count, $meant, 'and no other error') or diag(substr $errors, 0, 2000);
cmp_ok(scalar(keys %served), '<=', $pool, "at most $pool connections served all of $clients clients");
ok((grep { keys %{ $served{$_} } == $tenants } keys %served), 'and one of them every tenant');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), 0, 'nothing is left prepared');

# were there workers at all?
my $explain = finished(client("BEGIN;\n" . authenticate(1) . "EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT count(*) FROM wide;\nCOMMIT;\n"));
like($explain->{out}, qr/Workers Launched: [1-9]/, 'parallel workers judge rows of their own');

# --- clients that go away, or are canceled through PgBouncer -----------------------

my $after = 0;
foreach my $n (1 .. $tenants)
{
	# no COMMIT: psql ends inside the transaction
	finished(client('BEGIN;' . authenticate($n) . look($n)));
	my $next = finished(client("BEGIN;\n" . look(0) . "COMMIT;\n"));
	$after++ if $next->{out} =~ m{\|-/-/-\|-/-/-$}m;
}
is($after, $tenants, 'nobody, after a client left in the middle of a transaction');

my ($canceled, $nobody) = (0, 0);
foreach my $n (1 .. 10)
{
	my $client = client('BEGIN;' . authenticate($n) . "SELECT pg_sleep(180);\nROLLBACK;\n" . look(0));

	poll($node, "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND wait_event = 'PgSleep'", 1);
	$client->{run}->signal('INT');
	finished($client);
	$canceled++ if $client->{err} =~ /canceling statement due to user request/;
	my $next = finished(client(look(0)));
	$nobody++ if $next->{out} =~ m{\|-/-/-\|-/-/-$}m;
}
is($canceled, 10, 'canceled through PgBouncer');
is($nobody, 10, 'nobody, after a cancel');

$bouncer->signal('INT');
IPC::Run::finish($bouncer);
$node->stop;
done_testing();
