# Rollups over crashes: the housekeeper, a session that counts, any backend or
# the postmaster is killed at a random moment, while rows come, late ones, in
# savepoints and prepared transactions.  What is counted is in step each time,
# and after one more refresh the sums equal those of the rows.
#
# APIKEY_SEED repeats the choices, APIKEY_CRASHES gives their number.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use Time::HiRes qw(time usleep);

my $crashes = $ENV{APIKEY_CRASHES} // 50;
my $seed    = $ENV{APIKEY_SEED}    // int(rand(1_000_000));
my $dir     = PostgreSQL::Test::Utils::tempdir;
srand($seed);
note("seed $seed");

my $node = new_node('rollups', conf => <<"CONF");
restart_after_crash = on
synchronous_commit = off
wal_writer_delay = 10s
max_prepared_transactions = 20
apikey.housekeeper_interval = 10ms
apikey.rollup_interval = 1s
CONF
$node->safe_psql('postgres', "SELECT apikey.create_tenant('acme')");
$node->safe_psql('postgres', "SELECT apikey._ensure_partition_for(now() - interval '2 days', now())");

# rows($n): an INSERT of rows of the last two days
sub rows
{
	my ($n) = @_;

	return <<"SQL";
INSERT INTO apikey.usage (at, tenant_id, key_id, environment_id, code, endpoint, status, latency_us, bytes_in, bytes_out, units, ip)
SELECT now() - random() ^ 3 * interval '47 hours', 1 + i % 3, 1 + i % 17, 1, (ARRAY['VALID', 'LOGGED', 'EXPIRED'])[1 + i % 3],
	'/orders/' || i, CASE WHEN i % 7 = 0 THEN 503 ELSE 200 END, (random() * 1e6)::bigint, i, 2 * i, 1, '10.0.0.0'::inet + (random() * 1e4)::int
FROM generate_series(1, (random() * $n)::int) i;
SQL
}

# $part: something done again and again, in a session of its own
my %load = (
	writer => "DO \$\$ BEGIN LOOP\n" . rows(40) . <<'SQL' . rows(20) . <<'SQL2',
	IF random() < 0.1 THEN
		FOR i IN 1 .. 80 LOOP
			BEGIN
				INSERT INTO apikey.usage (at, tenant_id, key_id, code) VALUES (now(), 1, i, 'VALID');
				IF random() < 0.2 THEN RAISE EXCEPTION 'undone'; END IF;
			EXCEPTION WHEN raise_exception THEN NULL;
			END;
		END LOOP;
	END IF;
	BEGIN
SQL
		IF random() < 0.3 THEN RAISE EXCEPTION 'undone'; END IF;
	EXCEPTION WHEN raise_exception THEN NULL;
	END;
	IF random() < 0.8 THEN COMMIT; ELSE ROLLBACK; END IF;
	PERFORM pg_sleep(random() * 0.01);
END LOOP; END $$;
SQL2
	counter => 'DO $$ BEGIN LOOP PERFORM apikey.refresh_rollups(); COMMIT; END LOOP; END $$;');

my $runs = 0;

sub start_load
{
	my @started;

	$runs++;
	my %script = (%load, prepared => join '', map {
			"BEGIN;\n" . rows(30) . "SAVEPOINT a;\n" . rows(10) . "PREPARE TRANSACTION 'p_${runs}_$_';\n"
			  . ($_ > 1 ? sprintf("%s PREPARED 'p_${runs}_%d';\n", rand() < 0.8 ? 'COMMIT' : 'ROLLBACK', $_ - 1) : '')
	} 1 .. 2000);
	for my $name (sort(keys %script), 'writer')
	{
		my $file = "$dir/$name.sql";

		open my $fh, '>', $file or die "$file: $!";
		print $fh "SET application_name = 'load $name';\n$script{$name}";
		close $fh;
		push @started, IPC::Run::start([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $file ],
			'>', "$dir/out", '2>', "$dir/err.$name");
	}
	ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'load %'", 4), "round $runs: all at work");
	return @started;
}

# the sums of rows and of rollups, line by line; what differs
my $compare = <<'SQL';
WITH stored AS (
	SELECT date_trunc('hour', u.at, 'UTC') AS at, u.tenant_id, u.key_id, u.environment_id, u.code, count(*) AS calls,
		count(*) FILTER (WHERE u.code NOT IN ('VALID', 'LOGGED')) AS denials, count(*) FILTER (WHERE u.status >= 500) AS errors,
		sum(u.units) AS units, coalesce(sum(u.bytes_in), 0) AS bytes_in, coalesce(sum(u.bytes_out), 0) AS bytes_out,
		count(u.latency_us) AS latency_calls, coalesce(sum(u.latency_us), 0) AS latency_us,
		apikey._latency_sketch(u.latency_us) AS latency, apikey._ip_sketch(u.ip) AS ips
	FROM apikey.usage u GROUP BY 1, 2, 3, 4, 5),
rolled AS (
	SELECT h.hour AS at, h.tenant_id, h.key_id, h.environment_id, h.code, sum(h.calls)::bigint AS calls,
		sum(h.denials)::bigint AS denials, sum(h.errors)::bigint AS errors, sum(h.units) AS units, sum(h.bytes_in) AS bytes_in,
		sum(h.bytes_out) AS bytes_out, sum(h.latency_calls)::bigint AS latency_calls, sum(h.latency_us) AS latency_us,
		apikey.latency_merge(h.latency) AS latency, apikey.ip_merge(h.ips) AS ips
	FROM apikey.usage_hourly h GROUP BY 1, 2, 3, 4, 5),
by_hour AS (
	SELECT h.hour::date AS day, h.tenant_id, h.key_id, h.environment_id, h.endpoint_class, h.code, sum(h.calls)::bigint AS calls, sum(h.units) AS units,
		apikey.latency_merge(h.latency) AS latency, apikey.ip_merge(h.ips) AS ips
	FROM apikey.usage_hourly h GROUP BY 1, 2, 3, 4, 5, 6),
by_day AS (
	SELECT d.day, d.tenant_id, d.key_id, d.environment_id, d.endpoint_class, d.code, d.calls, d.units, d.latency, d.ips FROM apikey.usage_daily d)
SELECT (SELECT count(*) FROM ((TABLE stored EXCEPT TABLE rolled) UNION ALL (TABLE rolled EXCEPT TABLE stored)) x) AS hours,
	(SELECT count(*) FROM ((TABLE by_hour EXCEPT TABLE by_day) UNION ALL (TABLE by_day EXCEPT TABLE by_hour)) x) AS days
SQL

my $in_step = <<'SQL';
SELECT (SELECT sum(rows) FROM apikey.rollup_state) = (SELECT sum(calls) FROM apikey.usage_hourly)
	AND (SELECT sum(rows) FROM apikey.rollup_state) = (SELECT sum(calls) FROM apikey.usage_daily)
SQL

# finish_prepared: transactions that a crash has left behind
sub finish_prepared
{
	for my $gid (split /\n/, $node->safe_psql('postgres', 'SELECT gid FROM pg_prepared_xacts'))
	{
		$node->safe_psql('postgres', (rand() < 0.5 ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid'");
	}
	return;
}

# Ids that left nothing in the WAL are given out again after a crash: what was
# kept of the time must not be ahead of the rows that come then.  Where the
# housekeeper has taken an id meanwhile they are not: again.
my %again;
$node->safe_psql('postgres', "ALTER DATABASE postgres SET apikey.rollup_interval = '1d'");
for my $scan (('seqscan', 'bitmapscan') x 10)
{
	next if $again{$scan};
	my $psql = "psql -Xq -d '" . $node->connstr('postgres') . "'";
	my $file = "$dir/ids.sql";

	open my $fh, '>', $file or die "$file: $!";
	print $fh <<'SQL';
SET application_name = 'ids';
CREATE TEMP TABLE scratch (i integer);
BEGIN;
SELECT 1;
DO $$ BEGIN
	FOR i IN 1 .. 60 LOOP
		BEGIN INSERT INTO scratch VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END;
	END LOOP;
END $$;
SELECT pg_sleep(600);
SQL
	close $fh;
	$node->safe_psql('postgres', rows(200));
	$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
	$node->safe_psql('postgres', <<"SQL");
CREATE TEMP TABLE scratch (i integer);
CHECKPOINT;
BEGIN;
SELECT pg_current_xact_id();
\\! $psql -f '$file' >/dev/null 2>&1 &
DO \$\$ BEGIN
	FOR i IN 1 .. 18000 LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'ids' AND wait_event = 'PgSleep');
		PERFORM pg_sleep(0.01);
	END LOOP;
END \$\$;
SELECT apikey.refresh_rollups();
COMMIT;
SQL
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE application_name = 'ids'");
	my $next = $node->safe_psql('postgres', 'SELECT apikey._next_xid()');

	kill 9, $pid;
	poll($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", 0);
	$again{$scan} = $node->safe_psql('postgres', 'SELECT apikey._next_xid()') < $next;
	for my $many (100, 1)
	{
		$node->safe_psql('postgres', "INSERT INTO apikey.usage (at, tenant_id, key_id, code, units) SELECT now() - interval '1 day', 1, 1, 'VALID', 1 FROM generate_series(1, $many)");
		$node->safe_psql('postgres', "SET enable_$scan = off; SELECT apikey.refresh_rollups()");
		is($node->safe_psql('postgres', $compare), '0|0', "$scan off: rows of such are counted");
	}
}
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET apikey.rollup_interval');
ok($again{$_}, "$_ off: ids are given out again") for sort keys %again;

my @victims = ('housekeeper', 'counter', 'counter', 'writer', 'postmaster');
my %killed;
for my $round (1 .. $crashes)
{
	my @load   = start_load();
	my $victim = $victims[ int(rand(@victims)) ];
	my $wait   = int(rand(300_000));
	my $pid;
	my @pids;

	if ($victim eq 'postmaster')
	{
		@pids = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');

		# all of them, as without power: who is busy would not notice
		usleep($wait);
		$node->kill9;
		kill 9, @pids;
	}
	else
	{
		my $which = $victim eq 'housekeeper' ? "backend_type = 'apikey housekeeper'" : "application_name = 'load $victim'";

		poll($node, "SELECT count(*) > 0 FROM pg_stat_activity WHERE $which");
		$pid = $node->safe_psql('postgres', "SELECT min(pid) FROM pg_stat_activity WHERE $which");
		usleep($wait);
		kill(9, $pid) == 1 or diag("$victim $pid was gone already");
	}
	for (@load)
	{
		eval { $_->finish };
	}
	if ($victim eq 'postmaster')
	{
		my $end = time() + 180;

		while (grep { kill 0, $_ } @pids)
		{
			die 'processes that do not end' if time() > $end;
			usleep(10_000);
		}
		$node->start;
	}
	$killed{$victim}++;
	ok(poll($node, 'SELECT 1', 1), "round $round: the server serves again");
	is($node->safe_psql('postgres', $in_step), 't', "round $round: $victim killed after $wait us: what is counted is in step");
	finish_prepared();
	$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
	is($node->safe_psql('postgres', $compare), '0|0', "round $round: the sums equal those of the rows");
}
note(join ', ', map { "$_ killed $killed{$_} times" } sort keys %killed);
my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage');
cmp_ok($rows, '>', 100 * $crashes, "there were rows to count: $rows");

# a recount gives the same, byte by byte, but for classes learnt meanwhile
$node->safe_psql('postgres', "SELECT apikey.recount_rollups(now() - interval '3 days', now() + interval '1 hour')");
is($node->safe_psql('postgres', $compare), '0|0', 'after a recount, too');

# and the comparison sees a row that is missing
$node->safe_psql('postgres', 'UPDATE apikey.usage_hourly SET calls = calls + 1 WHERE ctid = (SELECT min(ctid) FROM apikey.usage_hourly)');
is($node->safe_psql('postgres', $compare), '2|2', 'the comparison sees one call too many');

$node->stop;
done_testing();
