# Sessions that take rights away and give them back at random, in all ways there
# are, against sessions that verify all the time with warm caches.  Everybody
# notes times of one monotonic clock: verifiers before they ask and after the
# answer, writers before they send a change and after its COMMIT has returned.
# An oracle then finds
#	- no acceptance that started after the COMMIT of a restriction returned and
#	  ended before its lifting was sent;
#	- no denial that started after the last lifting returned and ended before
#	  the next restriction was sent;
#	- no limit that let one unit more through than it has.
# The work is a number of changes, not a time.
use strict;
use warnings;
use IPC::Open2;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(clock_gettime usleep CLOCK_MONOTONIC);
use ApikeyTest;

my $writers   = 3;       # each has a tenant
my $keys      = 4;       # of each tenant, each with a policy
my $changes   = 200;      # of each writer
my $verifiers = 4;
my $least     = 1000;     # decisions of each verifier
my $most      = 5000;
my $seed      = 20240607;

my $node = new_node('main', conf => "max_prepared_transactions = 10\nautovacuum = off");
my $dir = PostgreSQL::Test::Utils::tempdir();

sub now { return clock_gettime(CLOCK_MONOTONIC); }

# --- sessions: a psql at the end of two pipes

sub session
{
	my ($first) = @_;
	my %s;

	$s{pid} = open2($s{out}, $s{in}, 'sh', '-c', 'exec "$@" 2>&1', 'sh', 'psql', '-XqAt', '-d', $node->connstr('postgres'));
	$s{in}->autoflush(1);
	ask(\%s, $first) if defined $first;
	return \%s;
}

# ask($session, $sql): the lines of the answer
sub ask
{
	my ($s, $sql) = @_;
	my @lines;

	print { $s->{in} } "$sql;\n\\echo =\n";
	while (1)
	{
		my $line = readline($s->{out});
		die "psql is gone: @lines" unless defined $line;
		chomp $line;
		last if $line eq '=';
		push @lines, $line;
	}
	return @lines;
}

# --- what there is

my @key;    # name, tenant, policy, id, text
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE oracle_verifier;
CREATE ROLE oracle_inner;
CREATE ROLE oracle_outer;
GRANT oracle_inner TO oracle_verifier;
GRANT oracle_outer TO oracle_inner;
SELECT apikey.create_tenant('limits');
SELECT apikey.create_environment('limits', 'prod');
SELECT apikey.grant_access('oracle_verifier', 'verifier', 'limits');
SQL
for my $w (0 .. $writers - 1)
{
	my $text = $node->safe_psql('postgres', <<"SQL");
SELECT apikey.create_tenant('t$w') > 0;
SELECT apikey.create_environment('t$w', 'prod') > 0;
SELECT apikey.create_role('t$w', 'reporter', ARRAY['reports:read']) > 0;
SELECT apikey.grant_access('oracle_outer', 'verifier', 't$w') IS NULL;
SELECT apikey.create_policy('t$w', 'p' || i) > 0 FROM generate_series(1, $keys) i;
SELECT 'key', i, k.key_id, k.key FROM generate_series(1, $keys) i, apikey.create_key('t$w', 'prod', policy => 'p' || i,
	scopes => ARRAY['orders:*'], roles => ARRAY['reporter']) k;
SQL
	push @key, { tenant => "t$w", policy => "p$1", id => $2, text => $3 }
	  while $text =~ /^key\|(\d+)\|(\d+)\|(\S+)$/mg;
}
is(scalar(@key), $writers * $keys, 'keys');

my ($rate_units, $quota_units, $credit) = (150, 200, 7);
my ($rate_key, $quota_key) = map { { id => $_->[0], text => $_->[1] } } map { [ split /\|/ ] } split /\n/,
  $node->safe_psql('postgres', <<"SQL");
SELECT key_id, key FROM apikey.create_key('limits', 'prod', scopes => ARRAY['*'], rate_limits => ARRAY[('r', $rate_units, '1 day', NULL, NULL)::apikey.rate_limit]);
SELECT key_id, key FROM apikey.create_key('limits', 'prod', scopes => ARRAY['*'], quotas => ARRAY[('q', $quota_units, 'total', NULL, NULL)::apikey.quota]);
SQL

# Ways to take a right away and to give it back.  Those of one place exclude
# each other.  Of a key: K its id, T its tenant, P its policy.
my %of_key = (
	status => [
		[ 'SELECT apikey.suspend_key(K)', 'SELECT apikey.resume_key(K)' ],
		[ 'SELECT apikey.revoke_key(K)', 'SELECT apikey.restore_key(K)' ],
		[ "UPDATE apikey.api_key SET status = 'suspended' WHERE key_id = K", "UPDATE apikey.api_key SET status = 'active' WHERE key_id = K" ],
	],
	scopes => [
		[ "SELECT apikey.update_key(K, scopes => ARRAY['users:*'])", "SELECT apikey.update_key(K, scopes => ARRAY['orders:*'])" ],
		[ "UPDATE apikey.api_key SET scopes = '{}' WHERE key_id = K", "UPDATE apikey.api_key SET scopes = '{orders:read}' WHERE key_id = K" ],
	],
	roles => [
		[ "SELECT apikey.update_key(K, clear => ARRAY['roles'])", "SELECT apikey.update_key(K, roles => ARRAY['reporter'])" ],
	],
	networks => [
		[ "SELECT apikey.update_key(K, cidrs => ARRAY['10.0.0.0/8'::cidr])", "SELECT apikey.update_key(K, clear => ARRAY['cidrs'])" ],
	],
	policy => [
		[ "SELECT apikey.set_policy('T', 'P', denied_endpoints => ARRAY['* /v1/**'], force => true)", "SELECT apikey.set_policy('T', 'P', clear => ARRAY['denied_endpoints'])" ],
		[ "SELECT apikey.set_policy('T', 'P', denied_cidrs => ARRAY['192.0.2.0/24'::cidr], force => true)", "SELECT apikey.set_policy('T', 'P', clear => ARRAY['denied_cidrs'])" ],
		[ "SELECT apikey.set_policy('T', 'P', max_scopes => ARRAY['orders:*'], force => true)", "SELECT apikey.set_policy('T', 'P', clear => ARRAY['max_scopes'])" ],
	],
	secret => [
		[ "UPDATE apikey.key_secret SET revoked_at = '2020-01-01 UTC' WHERE key_id = K", 'UPDATE apikey.key_secret SET revoked_at = NULL WHERE key_id = K' ],
	]);
my %of_tenant = (
	tenant => [
		[ "SELECT apikey.suspend_tenant('T')", "SELECT apikey.resume_tenant('T')" ],
		[ "UPDATE apikey.tenant SET status = 'suspended' WHERE name = 'T'", "UPDATE apikey.tenant SET status = 'active' WHERE name = 'T'" ],
	],
	role => [
		[ "SELECT apikey.update_role('T', 'reporter', ARRAY['users:read'])", "SELECT apikey.update_role('T', 'reporter', ARRAY['reports:read'])" ],
	],
	block => [
		[ "SELECT apikey.block_ip('192.0.2.1', tenant => 'T')", "SELECT apikey.unblock_ip(ip_block_id) FROM apikey.ip_block b JOIN apikey.tenant t USING (tenant_id) WHERE t.name = 'T'" ],
	],
	# for the plain role only
	access => [
		[ "SELECT apikey.revoke_access('oracle_outer', 'verifier', 'T')", "SELECT apikey.grant_access('oracle_outer', 'verifier', 'T')" ],
	]);
my %of_all = (
	block => [
		[ "SELECT apikey.block_ip('192.0.2.0/28')", 'SELECT apikey.unblock_ip(ip_block_id) FROM apikey.ip_block WHERE tenant_id IS NULL' ],
	],
	access => [
		[ 'REVOKE oracle_inner FROM oracle_verifier', 'GRANT oracle_inner TO oracle_verifier' ],
		[ 'REVOKE oracle_outer FROM oracle_inner', 'GRANT oracle_outer TO oracle_inner' ],
	]);

# A change within a transaction, and whether it takes effect.
my @forms = (
	[ 1, 'CHANGE' ], [ 1, 'CHANGE' ],
	[ 1, 'BEGIN; CHANGE; COMMIT' ],
	[ 1, 'BEGIN; SAVEPOINT a; CHANGE; RELEASE a; COMMIT' ],
	[ 1, "BEGIN; CHANGE; PREPARE TRANSACTION 'NAME'; COMMIT PREPARED 'NAME'" ],
	[ 0, 'BEGIN; CHANGE; ROLLBACK' ],
	[ 0, 'BEGIN; SAVEPOINT a; CHANGE; ROLLBACK TO a; COMMIT' ],
	[ 0, "BEGIN; CHANGE; PREPARE TRANSACTION 'NAME'; ROLLBACK PREPARED 'NAME'" ]);

# --- a writer, of its places

sub writer
{
	my ($name, $places, $count, $last) = @_;
	my $session = session('SET client_min_messages = error');
	open my $log, '>', "$dir/w_$name" or die $!;

	for my $n (1 .. $count)
	{
		# of ten changes seven take a restriction away, if there is one
		my @choice = rand() < 0.7 ? grep { $_->{on} } @$places : ();
		@choice = @$places unless @choice;
		my $place = $choice[ int rand @choice ];
		my $way = $place->{on} // $place->{ways}[ int rand @{ $place->{ways} } ];
		my ($effect, $form) = @{ $forms[ int rand @forms ] };
		my $sql = $way->[ $place->{on} ? 1 : 0 ];
		$sql =~ s/\b([KTP])\b/$place->{$1}/g;

		(my $text = $form) =~ s/CHANGE/$sql/;
		$text =~ s/NAME/$name/g;

		my $before = now();
		my @lines  = ask($session, $text);
		my $after  = now();
		my @errors = grep { /ERROR|FATAL|WARNING/ } @lines;
		print $log "error $text: @errors\n" if @errors;
		next unless $effect;
		printf $log "%s %d %.9f %.9f %s\n", $place->{on} ? 'off' : 'on', $place->{number}, $before, $after, $sql;
		$place->{on} = $place->{on} ? undef : $way;
	}

	# what comes last waits for the others, so that all change until the end
	open my $over, '>', "$dir/over_$name" or die $!;
	close $over;
	for (1 .. 18000)
	{
		last if 1 + $writers == (() = glob "$dir/over_*");
		usleep(10_000);
	}
	$last->($session, $log);
	close $log or die $!;
	open my $done, '>', "$dir/done_$name" or die $!;
	return;
}

# --- a verifier

sub verifier
{
	my ($v) = @_;
	my $plain = $v >= 2;
	my $session = session($plain ? 'SET ROLE oracle_verifier' : undef);
	my $block = (1, 40, 1, 25)[$v];    # decisions in a transaction
	my $begin = ('', 'BEGIN ISOLATION LEVEL REPEATABLE READ', '', 'BEGIN')[$v];
	my $want = "ARRAY['orders:read', 'reports:read'], '192.0.2.1', 'GET', '/v1/orders'";
	my @names = map { "w$_" } 0 .. $writers - 1;
	my ($n, $end) = (0, $most);
	open my $log, '>', "$dir/v_$v" or die $!;

	ask($session, "PREPARE v(text) AS SELECT v.code FROM apikey.verify(\$1, $want) v") if $v == 3;
	my $decide = sub {
		my ($number, $key) = @_;
		my $sql = $v == 3 ? "EXECUTE v('$key->{text}')" : "SELECT v.code FROM apikey.verify('$key->{text}', $want) v";
		my $start = now();
		my @lines = ask($session, $sql);
		printf $log "%s %.9f %.9f %s\n", $number, $start, now(), "@lines";
	};
	while ($n < $end)
	{
		ask($session, $begin) if $begin ne '' && $n % $block == 0;
		my $pick = int rand(@key + 2);
		if    ($pick < @key)  { $decide->($pick,   $key[$pick]) }
		elsif ($pick == @key) { $decide->('rate',  $rate_key) }
		else                  { $decide->('quota', $quota_key) }
		$n++;
		ask($session, 'COMMIT') if $begin ne '' && $n % $block == 0;

		# until the writers have finished, to the end of the transaction
		$end = $n + (-$n % $block)
		  if $end == $most && $n % 25 == 0 && $n >= $least && !grep { !-e "$dir/done_$_" } @names, 'all';
	}
	for (1 .. 18000)
	{
		last if $writers + 1 == (() = glob "$dir/done_*");
		usleep(10_000);
	}
	print $log "hits ", ask($session, 'RESET ROLE; SELECT hits FROM apikey.stat_cache'), "\n";

	# all keys are revoked for good by now
	ask($session, 'SET ROLE oracle_verifier') if $plain;
	$decide->($_, $key[$_]) for 0 .. $#key;
	close $log or die $!;
	return;
}

# --- run all of them at once

my (@places, %places_of);
sub place
{
	my ($writer, $ways, $concerns, $plain, %names) = @_;
	my $place = { number => scalar(@places), ways => $ways, keys => $concerns, plain => $plain, %names };

	push @places, $place;
	push @{ $places_of{$writer} }, $place;
	return;
}
for my $w (0 .. $writers - 1)
{
	my @mine = grep { $key[$_]{tenant} eq "t$w" } 0 .. $#key;

	for my $i (@mine)
	{
		place("w$w", $of_key{$_}, [$i], 0, K => $key[$i]{id}, T => "t$w", P => $key[$i]{policy}) for sort keys %of_key;
	}
	place("w$w", $of_tenant{$_}, \@mine, $_ eq 'access', T => "t$w") for sort keys %of_tenant;
}
place('all', $of_all{block}, [ 0 .. $#key ], 0);
place('all', [$_], [ 0 .. $#key ], 1) for @{ $of_all{access} };
my $for_good = @places;    # the number of the last revocation

my @children;
sub start
{
	my ($code, $number) = @_;
	my $pid = fork() // die "fork: $!";

	if ($pid == 0)
	{
		srand($seed + $number);
		my $ok = eval { $code->(); 1 };
		print STDERR $@ unless $ok;

		# no destructors here: they would stop the server
		close STDERR;
		require POSIX;
		POSIX::_exit($ok ? 0 : 1);
	}
	push @children, $pid;
	return;
}

my $started = now();
for my $w (0 .. $writers - 1)
{
	my $mine = join(',', map { $_->{id} } grep { $_->{tenant} eq "t$w" } @key);

	start(sub {
		writer("w$w", $places_of{"w$w"}, $changes, sub {
			my ($session, $log) = @_;
			my $before = now();
			my @lines = ask($session, "SELECT count(apikey.revoke_key(key_id)) FROM apikey.api_key WHERE key_id IN ($mine) AND status <> 'revoked'");
			printf $log "on %d %.9f %.9f revoke all of t$w: %s\n", $for_good + $w, $before, now(), "@lines";
		});
	}, $w);
}
my $credits = 5;
start(sub {
	writer('all', $places_of{all}, $changes, sub {
		my ($session, $log) = @_;
		for my $i (1 .. $credits)
		{
			my @errors = grep { /ERROR/ } ask($session, "SELECT apikey.add_credits($quota_key->{id}, $credit)");
			print $log "error @errors\n" if @errors;
		}
	});
}, 50);
for my $v (0 .. $verifiers - 1)
{
	start(sub { verifier($v) }, 100 + $v);
}
my $bad = 0;
for my $pid (@children)
{
	waitpid $pid, 0;
	$bad++ if $? != 0;
}
my $elapsed = now() - $started;
is($bad, 0, 'all sessions came to their end');

# --- what they noted

my (@windows, @decisions, @errors, %accepted, %answered);
my ($hits, $revocations) = (0, 0);
for my $file (glob "$dir/w_*")
{
	my %open;

	for my $line (split /\n/, slurp_file($file))
	{
		if ($line =~ /^(on|off) (\d+) (\S+) (\S+) (.*)/)
		{
			my ($what, $number, $before, $after, $sql) = ($1, $2, $3, $4, $5);
			if ($what eq 'on')
			{
				my $place = $places[$number];
				my $w = $number - $for_good;
				$open{$number} = { sql => $sql, on_sent => $before, on => $after, off_sent => 9e99, off => 9e99,
					keys  => $place ? $place->{keys} : [ grep { $key[$_]{tenant} eq "t$w" } 0 .. $#key ],
					plain => $place ? $place->{plain} : 0 };
				push @windows, $open{$number};
				$revocations++ unless $place;
			}
			else
			{
				@{ $open{$number} }{qw(off_sent off)} = ($before, $after);
			}
		}
		else { push @errors, $line; }
	}
}
for my $v (0 .. $verifiers - 1)
{
	for my $line (split /\n/, slurp_file("$dir/v_$v"))
	{
		if ($line =~ /^(\d+) (\S+) (\S+) ([A-Z_]+)$/)
		{
			push @decisions, { key => $1, start => $2, end => $3, code => $4, plain => $v >= 2 };
		}
		elsif ($line =~ /^(rate|quota) \S+ \S+ ([A-Z_]+)$/)
		{
			$accepted{$1}++ if $2 eq 'VALID';
			$answered{$1}{$2}++;
		}
		elsif ($line =~ /^hits (\d+)$/) { $hits += $1; }
		else                            { push @errors, $line; }
	}
}
is(join("\n", @errors), '', 'no errors');
is($revocations, $writers, 'all keys are revoked in the end');

# --- the oracle

sub judge
{
	my (@list) = @_;
	my %found = (restricted => 0, free => 0, unclear => 0, accepted => [], denied => []);
	my (@of_key, @live);

	# in the order of time: what is over is not looked at again
	for my $window (sort { $a->{on_sent} <=> $b->{on_sent} } @windows)
	{
		push @{ $of_key[$_] }, $window for @{ $window->{keys} };
	}
	for my $d (sort { $a->{start} <=> $b->{start} } @list)
	{
		my $coming = $of_key[ $d->{key} ] // [];
		my $live = $live[ $d->{key} ] //= [];
		my ($certain, $possible);

		@$live = grep { $d->{start} < $_->{off} } @$live;
		push @$live, shift @$coming while @$coming && $coming->[0]{on_sent} < $d->{end};
		for my $window (@$live)
		{
			next if $window->{plain} && !$d->{plain};
			$certain = $window if $window->{on} < $d->{start} && $d->{end} < $window->{off_sent};
			$possible = $window if $window->{on_sent} < $d->{end} && $d->{start} < $window->{off};
		}
		if ($certain)
		{
			$found{restricted}++;
			push @{ $found{accepted} }, "key $d->{key} at $d->{start} .. $d->{end} after $certain->{on}: $certain->{sql}"
			  if $d->{code} eq 'VALID';
		}
		elsif (!$possible)
		{
			$found{free}++;
			push @{ $found{denied} }, "key $d->{key} at $d->{start} .. $d->{end}: $d->{code}"
			  if $d->{code} ne 'VALID';
		}
		else { $found{unclear}++; }
	}
	return \%found;
}

my $found = judge(@decisions);
my %kinds;
$kinds{ $_->{sql} =~ /(\w+ (?:apikey\.)?\w+)/ ? $1 : '?' }++ for @windows;
note(join ', ', map { "$_: $kinds{$_}" } sort keys %kinds);
note(sprintf '%d restrictions, %d decisions in %.1f s: %d under a restriction, %d under none, %d while one came or went; %d from the cache',
	scalar(@windows), scalar(@decisions), $elapsed, @$found{qw(restricted free unclear)}, $hits);
is(scalar(@{ $found->{accepted} }), 0, 'nothing is accepted after the COMMIT of a restriction')
  or diag(join "\n", @{ $found->{accepted} }[ 0 .. ($#{ $found->{accepted} } < 9 ? $#{ $found->{accepted} } : 9) ]);
is(scalar(@{ $found->{denied} }), 0, 'nothing is denied after the COMMIT of the last lifting')
  or diag(join "\n", @{ $found->{denied} }[ 0 .. ($#{ $found->{denied} } < 9 ? $#{ $found->{denied} } : 9) ]);
cmp_ok(scalar(@decisions), '>=', $verifiers * $least * 0.7, 'decisions');
cmp_ok($found->{restricted}, '>=', 300, 'of these under a restriction');
cmp_ok($found->{free}, '>=', 50, 'of these under none');
cmp_ok($hits, '>=', @decisions / 10, 'caches were warm');

# it can fail: one acceptance too many and one denial too many are found
my ($restricted) = grep { my $d = $_; judge($d)->{restricted} } @decisions;
my ($free)       = grep { my $d = $_; judge($d)->{free} } @decisions;
is(scalar(@{ judge({ %$restricted, code => 'VALID' })->{accepted} }), 1, 'the oracle sees a wrong acceptance');
is(scalar(@{ judge({ %$free, code => 'REVOKED' })->{denied} }), 1, 'the oracle sees a wrong denial');

# --- limits

$accepted{$_} //= 0 for qw(rate quota);
for my $limit (qw(rate quota))
{
	note("$limit: ", join ', ', map { "$_ $answered{$limit}{$_}" } sort keys %{ $answered{$limit} });
}
cmp_ok($accepted{rate}, '<=', $rate_units + int($elapsed / (86400 / $rate_units)) + 1, 'the rate limit holds');
cmp_ok($accepted{quota}, '<=', $quota_units + $credits * $credit, 'the quota holds');

# what is left can be had, and no more
my $rest = $quota_units + $credits * $credit - $accepted{quota};
is($node->safe_psql('postgres', <<"SQL"), "QUOTA_EXCEEDED $rest", 'every unit can be spent, once');
DO \$\$
DECLARE
	c text;
	n int := 0;
BEGIN
	FOR i IN 1 .. 100000 LOOP
		c := (apikey.verify('$quota_key->{text}')).code;
		IF c = 'VALID' THEN n := n + 1; END IF;
		EXIT WHEN c = 'QUOTA_EXCEEDED';
	END LOOP;
	CREATE TABLE rest AS SELECT c || ' ' || n AS t;
END \$\$;
SELECT t FROM rest;
SQL
$node->stop;
done_testing();
