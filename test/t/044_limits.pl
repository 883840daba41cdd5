# Rate limits and quotas: what they let through is counted by an oracle.  The
# test clock stands still unless a test moves it, so every number is exact.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

# what a request looks like from outside
my $tools = <<'SQL';
CREATE TABLE app_key (name text PRIMARY KEY, key_id bigint, key text);
CREATE TABLE took (key text, units bigint, code text);
CREATE FUNCTION new_key(n text, o text, p text, r apikey.rate_limit[] DEFAULT NULL, q apikey.quota[] DEFAULT NULL) RETURNS void
LANGUAGE sql AS $$ INSERT INTO app_key SELECT n, key_id, key FROM apikey.create_key('acme', 'production', name => n, owner => o, policy => p, rate_limits => r, quotas => q) $$;
CREATE FUNCTION hit(n text, times int DEFAULT 1, u bigint DEFAULT 1) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	k text := (SELECT key FROM app_key WHERE name = n);
	v apikey.verdict;
	answer text;
BEGIN
	FOR i IN 1 .. times LOOP
		SELECT * INTO v FROM apikey.verify(k, units => u);
		answer := concat_ws(', ', answer, concat_ws(' ', v.code, v.remaining, v.limit_name, v.retry_after));
	END LOOP;
	RETURN answer;
END $$;
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');
SQL

my $t0 = 1800000000;    # 2027-01-15 08:00:00 UTC
my $node = new_node('limits', conf => 'apikey.limit_wait = 60s');
$node->safe_psql('postgres', $tools);

# at($seconds, $sql): the answer at $seconds after t0
sub at
{
	my ($seconds, $sql, $server) = @_;

	return ($server // $node)->safe_psql('postgres', sprintf("SET apikey.test_now = '%.6f'; ", $t0 + $seconds) . $sql);
}

sub hit
{
	my ($seconds, $name, $times, $units) = @_;

	return at($seconds, sprintf("SELECT hit('%s', %d, %s)", $name, $times // 1, $units // 1));
}

# --- one limit, and what two make of each other
at(0, <<'SQL');
SELECT new_key('u14', NULL, NULL, ARRAY[('one', 1, '1 minute', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('u26', NULL, NULL, ARRAY[('a', 2, '1 minute', NULL, NULL), ('b', 1, '1 minute', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('u34', NULL, NULL, ARRAY[('five', 5, '1 minute', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('u34b', NULL, NULL, ARRAY[('ten', 10, '1 minute', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('u35', NULL, NULL, ARRAY[('fast', 3, '1 minute', NULL, NULL), ('slow', 10, '1 minute', NULL, NULL)]::apikey.rate_limit[]);
SQL
is(hit(0, 'u14', 2), 'VALID 0 one, RATE_LIMITED 0 one 00:01:00', 'U14, U31: a limit of one');
is(hit(59.999999, 'u14'), 'RATE_LIMITED 0 one 00:00:00.000001', 'not a microsecond too early');
is(hit(60, 'u14', 2), 'VALID 0 one, RATE_LIMITED 0 one 00:01:00', 'and on time');
is(hit(0, 'u26', 2), 'VALID 0 b, RATE_LIMITED 0 b 00:01:00', 'U26: one of two limits is exhausted');
is(hit(0, 'u34'), 'VALID 4 five', 'U34: 4 of 5 remain');
is(hit(0, 'u34', 5), 'VALID 3 five, VALID 2 five, VALID 1 five, VALID 0 five, RATE_LIMITED 0 five 00:00:12', 'exceeded: 0');
is(hit(0, 'u34b', 1, 3), 'VALID 7 ten', 'a cost of 3 of 10 leaves 7');
is(hit(0, 'u34b', 1, 8), 'RATE_LIMITED 7 ten 00:00:06', 'a cost that does not fit takes nothing');
is(hit(0, 'u34b', 1, 11), 'RATE_LIMITED 7 ten', 'and one that never fits has no time to come back');
is(hit(0, 'u34b', 1, '(2::numeric ^ 62)::bigint'), 'RATE_LIMITED 7 ten', 'however much it costs');
is(hit(0, 'u34b', 2, 0), 'VALID 7 ten, VALID 7 ten', 'a look costs nothing');
is(hit(0, 'u34b', 1, 7), 'VALID 0 ten', 'all of the rest');
is(hit(0, 'u34b', 1, 0), 'VALID 0 ten', 'nothing left, and a look is valid');
is(hit(0, 'u35', 4), 'VALID 2 fast, VALID 1 fast, VALID 0 fast, RATE_LIMITED 0 fast 00:00:20', 'U35: fast denies');
is(at(0, "UPDATE apikey.api_key SET rate_limits = rate_limits[2:2] WHERE name = 'u35'; SELECT hit('u35', 1, 0)"), 'VALID 7 slow', 'slow was not charged for the denial');

# --- the key and its policy
at(0, <<'SQL');
SELECT apikey.create_policy('acme', 'p1', rate_limits => ARRAY[('x', 1, '1 minute', NULL, 'owner')]::apikey.rate_limit[]);
SELECT apikey.create_policy('acme', 'p10', rate_limits => ARRAY[('x', 10, '1 minute', NULL, 'owner')]::apikey.rate_limit[]);
SELECT apikey.create_policy('acme', 'p2', rate_limits => ARRAY[('a', 3, '1 minute', NULL, 'owner'), ('b', 3, '1 minute', NULL, 'owner')]::apikey.rate_limit[]);
SELECT new_key('u27', 'ann', 'p1', ARRAY[('x', 4, '1 minute', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('u28', 'bob', 'p10', ARRAY[('x', 1, '1 minute', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('u29', 'cid', 'p1', ARRAY[('y', 5, '1 minute', NULL, NULL), ('z', 5, '1 minute', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('u30a', 'dan', 'p10');
SELECT new_key('u30b', 'dan', 'p10');
SELECT new_key('u30c', 'eve', 'p10');
SELECT new_key('u36', 'fay', 'p2');
SELECT new_key('u36a', 'fay', NULL, ARRAY[('a', 3, '1 minute', NULL, 'owner')]::apikey.rate_limit[]);
SQL
is(hit(0, 'u27', 3), 'VALID 3 x, VALID 2 x, VALID 1 x', 'U27: the key wins with more');
is(hit(0, 'u28', 2), 'VALID 0 x, RATE_LIMITED 0 x 00:01:00', 'U28: and with less');
is(hit(0, 'u29', 2), 'VALID 0 x, RATE_LIMITED 0 x 00:01:00', 'U29: the one of the policy exhausts');
is(hit(0, 'u30a', 1, 4), 'VALID 6 x', 'U30: two keys of one owner');
is(hit(0, 'u30b', 1, 5), 'VALID 1 x', 'have one bucket');
is(hit(0, 'u30a', 2), 'VALID 0 x, RATE_LIMITED 0 x 00:00:06', 'that either of them empties');
is(hit(0, 'u30b'), 'RATE_LIMITED 0 x 00:00:06', 'for both');
is(hit(0, 'u30c'), 'VALID 9 x', 'another owner has his own');
is(hit(0, 'u36a'), 'VALID 2 a', 'U36: a limit of the same holder and name is the same bucket');
is(hit(0, 'u36', 2), 'VALID 1 a, VALID 0 a', 'charged with the other one of the policy');
is(hit(0, 'u36'), 'RATE_LIMITED 0 a 00:00:20', 'and emptied');
is(at(0, "UPDATE apikey.policy_version SET rate_limits = rate_limits[2:2] FROM apikey.policy p WHERE p.policy_id = policy_version.policy_id AND p.name = 'p2'; SELECT hit('u36', 1, 0)"), 'VALID 1 b', 'other names count for themselves');

# --- minutes and months
at(0, <<'SQL');
SELECT new_key('u32', 'gus', NULL, ARRAY[('minute', 12, '1 minute', NULL, NULL)]::apikey.rate_limit[], ARRAY[('month', 200, 'month', NULL, 'owner')]::apikey.quota[]);
SELECT new_key('u32m', 'gus', NULL, NULL, ARRAY[('month', 200, 'month', NULL, 'owner')]::apikey.quota[]);
SELECT new_key('back', NULL, NULL, NULL, ARRAY[('day', 3, 'day', NULL, NULL)]::apikey.quota[]);
SELECT new_key('u33', NULL, NULL, ARRAY[('minute', 5, '1 minute', NULL, NULL)]::apikey.rate_limit[], ARRAY[('month', 50, 'month', NULL, NULL)]::apikey.quota[]);
SQL
like(hit(0, 'u32', 13), qr/^(VALID \d+ minute, ){12}RATE_LIMITED 0 minute 00:00:05$/, 'U32: the 13th call of a minute');
is(hit(0, 'u32m', 1, 0), 'VALID 188 month', 'the month has paid for twelve');
my ($valid, $minute, $month) = (0, 0, 0);
for my $cycle (0 .. 12)
{
	my $answer = hit(120 * $cycle, 'u33', 6);

	$valid += () = $answer =~ /VALID/g;
	$minute += () = $answer =~ /RATE_LIMITED 0 minute/g;
	$month += () = $answer =~ /QUOTA_EXCEEDED 0 month/g;
}
is($valid, 50, 'U33: exactly the 50 of the month');
cmp_ok($minute, '>=', 1, 'with denials of the minute on the way');
is($month, 1 + 3 * 6, 'then the month denies: its wait is the longer one');
is(at(120 * 13, "SELECT v.retry_after = '2027-02-01 00:00Z'::timestamptz - to_timestamp($t0 + 120 * 13) FROM app_key a, apikey.verify(a.key) v WHERE a.name = 'u33'"),
	't', 'until it is over');
is(hit(86400 * 17, 'u33'), 'VALID 4 minute', 'February is another month');

# --- the clock goes where it likes: nothing is granted twice
is(hit(0, 'u14', 1), 'RATE_LIMITED 0 one 00:02:00', 'an hour ago was before the last request');
is(hit(60, 'u14', 1), 'RATE_LIMITED 0 one 00:01:00', 'the same time again');
is(hit(3600, 'u14', 2), 'VALID 0 one, RATE_LIMITED 0 one 00:01:00', 'forward');
is(hit(120, 'u14', 1), 'RATE_LIMITED 0 one 00:59:00', 'back');
is(hit(3660, 'u14', 2), 'VALID 0 one, RATE_LIMITED 0 one 00:01:00', 'and forward: one more minute, one more request');
is(hit(-86400 * 365, 'u14', 1), 'RATE_LIMITED 0 one 8761:02:00', 'a year back');
is(hit(0, 'back', 4), 'VALID 2 day, VALID 1 day, VALID 0 day, QUOTA_EXCEEDED 0 day 16:00:00', 'the quota of a day');
is(hit(86400, 'back'), 'VALID 2 day', 'of the next day');
is(hit(0, 'back'), 'QUOTA_EXCEEDED 0 day 16:00:00', 'back in the first day it is still used up');
like(hit(86400, 'back', 3), qr/^(VALID 1 day, )?(VALID 0 day, )?(QUOTA_EXCEEDED 0 day 16:00:00(, |$))+$/, 'the next day goes on, without what lay ready of it');
like(at(86400 * 17, "SELECT hit('u32m', 1, 0), hit('u32m', 1, 1), hit('u32m', 1, 0)"), qr/^VALID\|VALID 199 month\|VALID 199 month$/, 'what is not known of a window is not told');

# --- a limit that changes
at(0, "SELECT new_key('change', NULL, NULL, ARRAY[('l', 10, '10 s', NULL, NULL)]::apikey.rate_limit[])");
my $set = sub { "SELECT FROM apikey.update_key((SELECT key_id FROM app_key WHERE name = 'change'), rate_limits => ARRAY[('l', $_[0])]::apikey.rate_limit[]); " };
is(hit(0, 'change', 1, 6), 'VALID 4 l', 'six of ten');
is(at(0, $set->("10, '1000 s', NULL, NULL") . "SELECT hit('change', 1, 5)"), 'RATE_LIMITED 4 l 00:01:40', 'slower: six of ten are still used');
is(hit(99.999, 'change', 1, 5), 'RATE_LIMITED 4 l 00:00:00.001', 'and come back slower');
is(hit(100, 'change', 1, 5), 'VALID 0 l', 'to the microsecond');
is(at(100, $set->("20, '20 s', NULL, NULL") . "SELECT hit('change', 1, 10), hit('change', 1, 1)"), 'VALID 0 l|RATE_LIMITED 0 l 00:00:01', 'more: ten are used, ten are new');

# --- details and texts
my $detail = sub { at($_[0], "SELECT v.detail FROM app_key a, apikey.verify(a.key, units => $_[2]) v WHERE a.name = '$_[1]'") };
is($detail->(0, 'u26', 1), 'the rate limit "b" has 0 units left, the request costs 1 unit', 'detail of a rate limit');
is($detail->(0, 'u34b', 11), 'the request costs 11 units, the rate limit "ten" never has more than 10 units', 'of one that is too small');
is($detail->(0, 'back', 1), 'the quota "day" has 0 units left, the request costs 1 unit', 'of a quota');
at(0, "SELECT new_key('text', NULL, NULL, ARRAY[('a\"b', 1, '1 minute', NULL, NULL)]::apikey.rate_limit[]); SELECT hit('text')");
is($detail->(0, 'text', 1), 'the rate limit has 0 units left, the request costs 1 unit', 'a name that would break the sentence is left out');

# --- many clients at once
sub clients
{
	my ($name, $clients, $rounds, $units, @keys) = @_;
	my $script = $node->basedir . "/$name.sql";
	my $max = @keys - 1;
	my $case = join ' ', map { "WHEN $_ THEN '$keys[$_]'" } 0 .. $max;

	append_to_file($script, <<"SQL");
\\set k random(0, $max)
\\set u random(1, $units)
INSERT INTO took SELECT a.name, :u, v.code FROM app_key a, apikey.verify(a.key, units => :u, record => false) v WHERE a.name = CASE :k $case END
SQL
	local $ENV{PGOPTIONS} = "-c apikey.test_now=$t0";
	$node->command_ok([ 'pgbench', '-n', '-c', $clients, '-j', 2, '-t', $rounds, '-f', $script, '-h', $node->host, '-p', $node->port, 'postgres' ], "$name: $clients clients");
}

at(0, <<'SQL');
SELECT apikey.create_policy('acme', 'pool', rate_limits => ARRAY[('pool', 900, '1 hour', NULL, 'owner')]::apikey.rate_limit[]);
SELECT new_key('busy', NULL, NULL, ARRAY[('busy', 1000, '1 hour', 777, NULL), ('wide', 100000, '1 s', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('pool1', 'ida', 'pool');
SELECT new_key('pool2', 'ida', 'pool', ARRAY[('own', 500, '1 s', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('quota', NULL, NULL, ARRAY[('wide', 100000, '1 s', NULL, NULL)]::apikey.rate_limit[], ARRAY[('day', 1234, 'day', NULL, NULL)]::apikey.quota[]);
SQL
my $accepted = "SELECT sum(units) FILTER (WHERE code = 'VALID') FROM took WHERE key LIKE";
clients('busy', 12, 100, 1, 'busy');
is(at(0, "SELECT code, count(*) FROM took WHERE key = 'busy' GROUP BY 1 ORDER BY 1"), "RATE_LIMITED|423\nVALID|777", 'exactly the burst, not one more');
is(at(0, "UPDATE apikey.api_key SET rate_limits = rate_limits[2:2] WHERE name = 'busy'; SELECT hit('busy', 1, 0)"), 'VALID ' . (100000 - 777) . ' wide', 'the other limit counted the same');
clients('pool', 12, 100, 3, 'pool1', 'pool2');
my $sum = at(0, "$accepted 'pool_'");
cmp_ok($sum, '<=', 900, "$sum of the 900 that two keys share");
cmp_ok($sum, '>=', 898, 'and all but what did not fit');
is(hit(0, 'pool1', 1, 0), 'VALID ' . (900 - $sum) . ' pool', 'what remains is what was not accepted');
my $own = at(0, "$accepted 'pool2'");
is(at(0, "SELECT v.remaining FROM app_key a, apikey.verify(a.key, units => 0) v WHERE a.name = 'pool2'"), (500 - $own < 900 - $sum ? 500 - $own : 900 - $sum), 'the own limit of the second key has paid its part');
clients('quota', 12, 200, 1, 'quota');
is(at(0, "SELECT code, count(*) FROM took WHERE key = 'quota' GROUP BY 1 ORDER BY 1"), "QUOTA_EXCEEDED|1166\nVALID|1234", 'exactly the quota');
is(at(0, "UPDATE apikey.api_key SET quotas = '{}' WHERE name = 'quota'; SELECT hit('quota', 1, 0)"), 'VALID ' . (100000 - 1234) . ' wide', 'and its rate limit counted the same');

# --- a session whose extension nobody else can see yet
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
my $answer = $node->safe_psql('fresh', "SET apikey.test_now = '$t0'; BEGIN; CREATE EXTENSION apikey CASCADE; $tools"
	  . "SELECT new_key('q', NULL, NULL, ARRAY[('r', 5, '1 s', NULL, NULL)]::apikey.rate_limit[], ARRAY[('day', 5, 'day', NULL, NULL)]::apikey.quota[]);"
	  . "SELECT v.code || ': ' || v.detail FROM app_key a, apikey.verify(a.key) v; COMMIT; SELECT hit('q')");
like($answer, qr/^UNAVAILABLE: the quota "day" needs the extension, which is being created, to be committed\n/m, 'no quota before the extension is committed');
like($answer, qr/^VALID 4 r$/m, 'nothing was charged for it, and then it works');

# --- stat_limits
is($node->safe_psql('postgres', 'SELECT buckets, used > 20, evictions, "full", denied > 1000, reservations > 10, unavailable FROM apikey.stat_limits'),
	'65536|t|0|0|t|t|1', 'counters');

# --- a restart keeps what takes longer than a minute
at(0, <<'SQL');
SELECT new_key('keep', NULL, NULL, ARRAY[('keep', 4, '1 hour', NULL, NULL), ('short', 100, '1 s', NULL, NULL)]::apikey.rate_limit[], ARRAY[('total', 50, 'total', NULL, NULL)]::apikey.quota[]);
SELECT new_key('crash', NULL, NULL, ARRAY[('crash', 8, '1 hour', NULL, NULL)]::apikey.rate_limit[]);
SQL
is(hit(0, 'keep', 1, 3), 'VALID 1 keep', 'three of four');
$node->restart;
is(hit(0, 'keep', 3), 'VALID 0 keep, RATE_LIMITED 0 keep 00:15:00, RATE_LIMITED 0 keep 00:15:00', 'the fourth after a restart, and not one more');
$node->restart;
is(hit(899, 'keep'), 'RATE_LIMITED 0 keep 00:00:01', 'to the second');
is(hit(900, 'keep'), 'VALID 0 keep', 'after a restart');
is(hit(0, 'crash', 1, 3), 'VALID 5 crash', 'three of eight');
$node->stop('immediate');
$node->start;
my $left = at(0, "SELECT hit('crash', 1, 1)");
like($left, qr/^VALID [234] crash$/, 'a crash gives nothing back, and takes a quarter at most');
$answer = hit(0, 'crash', 8);
cmp_ok((() = $answer =~ /VALID/g), '<=', 4, 'in all never more than eight');
is(hit(3600 * 2, 'crash', 9), join(', ', map({ "VALID $_ crash" } reverse 0 .. 7), 'RATE_LIMITED 0 crash 00:07:30'), 'and full again in its time');
$node->stop;

# --- a tiny table
my $tiny = new_node('tiny', conf => "apikey.limit_buckets = 64\napikey.limit_wait = 60s");
$tiny->safe_psql('postgres', $tools);
my $all = sub {
	my ($seconds, $from, $to) = @_;

	return at($seconds, "SELECT v.code, count(*) FROM app_key a, apikey.verify(a.key) v WHERE a.name::int BETWEEN $from AND $to GROUP BY 1 ORDER BY 1", $tiny);
};
at(0, "SELECT count(new_key(i::text, NULL, NULL, ARRAY[('l', 1, '30 s', NULL, NULL)]::apikey.rate_limit[])) FROM generate_series(1, 200) i", $tiny);
is($all->(0, 1, 64), 'VALID|64', '64 buckets for 64 keys');
is($all->(0, 1, 64), 'RATE_LIMITED|64', 'all are busy');
is($all->(0, 65, 200), 'UNAVAILABLE|136', 'no bucket for another key');
is(at(0, "SELECT v.detail FROM app_key a, apikey.verify(a.key) v WHERE a.name = '65'", $tiny), 'the table of rate limits and quotas is full', 'the detail says why');
is($all->(29, 1, 64), 'RATE_LIMITED|64', 'nobody was let through for it');
is($tiny->safe_psql('postgres', 'SELECT buckets, used, evictions, "full", unavailable FROM apikey.stat_limits'), '64|64|0|137|137', 'it is counted');
is($tiny->safe_psql('postgres', "SELECT item, hint FROM apikey.check_setup() WHERE item = 'limit buckets'"), 'limit buckets|Raise apikey.limit_buckets.', 'check_setup() warns');
my $log = slurp_file($tiny->logfile);
is(scalar(() = $log =~ /LOG:  the table of rate limits and quotas is full/g), 1, 'the log says it once');
is($all->(30, 65, 128), 'VALID|64', 'idle ones are given away');
is($all->(30, 65, 128), 'RATE_LIMITED|64', 'and count for their new key');
is($all->(30, 1, 1), 'UNAVAILABLE|1', 'full again');
is($all->(0, 65, 128), 'RATE_LIMITED|64', 'the clock back');
is($all->(60, 1, 200), "UNAVAILABLE|136\nVALID|64", 'a round of all keys');
is($all->(59, 129, 200), 'UNAVAILABLE|72', 'back: not one bucket to be had');
is($all->(90, 1, 64), 'VALID|64', 'an hour later the first keys again, as if nothing had been');
is($all->(90, 1, 64), 'RATE_LIMITED|64', 'once');
at(200, "SELECT new_key('1000', NULL, NULL, NULL, ARRAY[('q', 1000, 'day', NULL, NULL)]::apikey.quota[])", $tiny);
is(at(200, "SELECT hit('1000', 2)", $tiny), 'VALID 999 q, VALID 998 q', 'a quota');
is($all->(200, 1, 100), "UNAVAILABLE|37\nVALID|63", 'keeps its bucket while units are reserved');
is(at(200, "SELECT hit('1000')", $tiny), 'VALID 997 q', 'and knows what is left');

# two limits of one key are not pushed out by each other
at(300, "SELECT new_key('2000', NULL, NULL, (SELECT array_agg(('l' || i, 5, '30 s', NULL, NULL)::apikey.rate_limit) FROM generate_series(1, 8) i))", $tiny);
is(at(300, "SELECT hit('2000', 2)", $tiny), 'VALID 4 l1, VALID 3 l1', 'eight limits of one key in eight idle buckets');
is($all->(300, 1, 53), 'VALID|53', 'all but two are busy');
at(300, "SELECT new_key('3000', NULL, NULL, (SELECT array_agg(('l' || i, 5, '30 s', NULL, NULL)::apikey.rate_limit) FROM generate_series(1, 3) i))", $tiny);
is(at(300, "SELECT hit('3000')", $tiny), 'UNAVAILABLE', 'three limits and two idle buckets');
is($all->(300, 54, 55), 'VALID|2', 'which are left for others');

# nobody answers for what a database that is dropped has reserved
$tiny->safe_psql('postgres', 'CREATE DATABASE gone');
$tiny->safe_psql('gone', "CREATE EXTENSION apikey CASCADE; SET apikey.test_now = '" . ($t0 + 1000) . "'; $tools"
	  . "SELECT new_key('q', NULL, NULL, NULL, ARRAY[('total', 1000, 'total', NULL, NULL)]::apikey.quota[])");
is($tiny->safe_psql('gone', "SET apikey.test_now = '" . ($t0 + 1000) . "'; SELECT hit('q')"), 'VALID 999 total', 'a lifetime quota in another database');
is($all->(1000, 1, 64), "UNAVAILABLE|2\nVALID|62", 'it keeps its bucket, and so does the one of this database');
$tiny->safe_psql('postgres', 'DROP DATABASE gone');
is($all->(2000, 1, 64), "UNAVAILABLE|1\nVALID|63", 'until its database is dropped');
$tiny->stop;

# --- the largest table there can be: it starts, or says what it lacks
my $huge = new_node('huge', start => 0, conf => 'apikey.limit_buckets = 67108864');
my ($out, $err);
IPC::Run::run([ 'bash', '-c', 'ulimit -v 4000000; exec pg_ctl -w -t 180 -D "$1" -l "$2" start', 'bash', $huge->data_dir, $huge->logfile ], '>', \$out, '2>', \$err);
like(slurp_file($huge->logfile), qr/FATAL:  could not (map|create) (anonymous )?shared memory.*HINT:/s, 'a server without the memory for it says so');
ok(!-f $huge->data_dir . '/postmaster.pid', 'and does not run');

# --- a standby has rate limits of its own, and no quotas unless it is told to
my $primary = new_node('primary', init => [ allows_streaming => 1 ], conf => 'apikey.limit_wait = 60s');
$primary->safe_psql('postgres', $tools);
at(0, <<'SQL', $primary);
SELECT new_key('rate', NULL, NULL, ARRAY[('hour', 2, '1 hour', NULL, NULL)]::apikey.rate_limit[]);
SELECT new_key('quota', NULL, NULL, ARRAY[('hour', 2, '1 hour', NULL, NULL)]::apikey.rate_limit[], ARRAY[('day', 5, 'day', NULL, NULL)]::apikey.quota[]);
SELECT hit('rate', 2);
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
is(at(0, "SELECT hit('rate', 3)", $standby), 'VALID 1 hour, VALID 0 hour, RATE_LIMITED 0 hour 00:30:00', 'the standby counts for itself');
is(at(0, "SELECT v.code, v.limit_name, v.detail FROM app_key a, apikey.verify(a.key) v WHERE a.name = 'quota'", $standby), 'UNAVAILABLE|day|the quota "day" cannot be charged on a standby', 'no quota there');
is(at(0, "SELECT hit('quota', 1, 0)", $standby), 'VALID 2 hour', 'a look is possible, and nothing was charged');
$standby->append_conf('postgresql.conf', "apikey.standby_quota = 'unmetered'");
$standby->reload;
ok(poll($standby, "SET apikey.test_now = '$t0'; SELECT hit('quota', 1, 0), current_setting('apikey.standby_quota')", 'VALID 2 hour|unmetered'), 'unmetered');
is(at(0, "SELECT hit('quota', 3)", $standby), 'VALID 1 hour, VALID 0 hour, RATE_LIMITED 0 hour 00:30:00', 'rate limits count, the quota does not');
$standby->promote;
ok(poll($standby, 'SELECT pg_is_in_recovery()', 'f'), 'promoted');
is(at(0, "SELECT hit('rate')", $standby), 'RATE_LIMITED 0 hour 00:30:00', 'what the primary has let through is used up');
$standby->stop;
$primary->stop;

done_testing();
