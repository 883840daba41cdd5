# Quotas under many clients, under locks of the caller, and with transactions
# that are rolled back or prepared: exactly what the quota says, and every wait
# has an end.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $node = new_node('quota', conf => <<'CONF');
max_prepared_transactions = 10
apikey.limit_wait = 60s
apikey.usage_flush_interval = 50ms
CONF
$node->safe_psql('postgres', <<'SQL');
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');
CREATE TABLE app_key (name text, key_id bigint, key text);
SQL

# make_key($name, $quotas): returns its text
sub make_key
{
	my ($name, $quotas) = @_;

	$node->safe_psql('postgres', <<"SQL");
INSERT INTO app_key SELECT '$name', key_id, key FROM apikey.create_key('acme', 'production', name => '$name', owner => 'ann',
	quotas => ARRAY[$quotas]::apikey.quota[])
SQL
	return $node->safe_psql('postgres', "SELECT key FROM app_key WHERE name = '$name'");
}

# hammer($clients, $sql): runs the statement in so many sessions at once and
# returns what each answered
sub hammer
{
	my ($clients, $sql) = @_;
	my (@out, @runs);

	for my $i (0 .. $clients - 1)
	{
		$out[$i] = '';
		my ($in, $err) = (ref $sql ? $sql->($i) : $sql, '');
		push @runs, IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
			'<', \$in, '>', \$out[$i], '2>', \$err);
	}
	$_->finish or die "a client failed" for @runs;
	chomp @out;
	return @out;
}

sub codes
{
	my ($name) = @_;

	return $node->safe_psql('postgres', "SELECT v.code FROM app_key k, apikey.verify(k.key) v WHERE k.name = '$name'");
}

# --- exactly the quota, whatever the size of the blocks
for my $case ([ 'even', 5000, 1, 400 ], [ 'odd', 997, 3, 50 ], [ 'tiny', 7, 1, 20 ])
{
	my ($name, $quota, $units, $calls) = @$case;
	my $key = make_key($name, "('total', $quota, 'total', NULL, NULL)");
	my @valid = hammer(16,
		"SELECT count(*) FILTER (WHERE code = 'VALID') || ' ' || count(*) FILTER (WHERE code NOT IN ('VALID', 'QUOTA_EXCEEDED'))"
		  . " FROM (SELECT (apikey.verify('$key', units => $units)).code FROM generate_series(1, $calls)) v");
	my $sum = 0;
	my $other = 0;
	for (@valid)
	{
		my ($n, $o) = split / /;
		$sum += $n;
		$other += $o;
	}
	is($other, 0, "$name: no other answer");
	is($sum, int($quota / $units), "$name: 16 clients got the quota and not one unit more");
	is($node->safe_psql('postgres', "SELECT (apikey.verify('$key', units => 1)).code"),
		$quota % $units ? 'VALID' : 'QUOTA_EXCEEDED', "$name: what is left");
	is($node->safe_psql('postgres', "SELECT reserved FROM apikey.quota_state WHERE name = 'total' AND key_id = (SELECT key_id FROM app_key WHERE name = '$name')"),
		$quota, "$name: all of it is reserved on disk");
}
$node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')");
is($node->safe_psql('postgres', "SELECT count(*) FROM apikey.usage u JOIN app_key k USING (key_id) WHERE k.name = 'even' AND u.code = 'VALID'"),
	5000, 'the recorded attempts agree');

# two keys of one owner share a quota, each has one of its own
make_key('a', "('own', 300, 'total', NULL, NULL), ('team', 400, 'total', NULL, 'owner')");
make_key('b', "('own', 300, 'total', NULL, NULL), ('team', 400, 'total', NULL, 'owner')");
my %sum = (a => 0, b => 0);
my @answers = hammer(16, sub {
	my $name = $_[0] % 2 ? 'a' : 'b';
	return "SELECT '$name', count(*) FILTER (WHERE v.code = 'VALID') FROM generate_series(1, 100) g, app_key k, LATERAL (SELECT (apikey.verify(k.key, request_id => g::text)).code) v WHERE k.name = '$name'";
});
for (@answers)
{
	my ($name, $n) = split /\|/;
	$sum{$name} += $n;
}
is($sum{a} + $sum{b}, 400, 'together they got what they share');
cmp_ok($sum{$_}, '<=', 300, "$_ got no more than its own") for 'a', 'b';
is($node->safe_psql('postgres', "SELECT v.remaining FROM app_key k, apikey.verify(k.key, units => 0) v WHERE k.name = 'a'"), 0, 'nothing is left');
# who was denied by the shared one kept its own
$node->safe_psql('postgres', "SELECT apikey.add_credits(key_id, 1000, 'team') FROM app_key WHERE name = 'a'");
for my $name ('a', 'b')
{
	is($node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE v.code = 'VALID') FROM generate_series(1, 400) g, app_key k, LATERAL (SELECT (apikey.verify(k.key, request_id => g::text)).code) v WHERE k.name = '$name'"),
		300 - $sum{$name}, "$name: a denied request took nothing of its own quota");
}

# --- credits
make_key('credit', "('total', 5, 'total', NULL, NULL)");
my $ask = "SELECT string_agg(v.code, ' ') FROM generate_series(1, %d) g, app_key k, LATERAL (SELECT (apikey.verify(k.key, request_id => g::text)).code) v WHERE k.name = 'credit'";
is($node->safe_psql('postgres', sprintf $ask, 6), 'VALID VALID VALID VALID VALID QUOTA_EXCEEDED', 'used up');
my $other = $node->background_psql('postgres');
$other->query_safe('BEGIN');
$other->query_safe("SELECT apikey.add_credits(key_id, 2) FROM app_key WHERE name = 'credit'");
is(codes('credit'), 'QUOTA_EXCEEDED', 'not before the commit');
is($other->query_safe(sprintf $ask, 1), 'QUOTA_EXCEEDED', 'not for the session itself either');
$other->query_safe('ROLLBACK');
is(codes('credit'), 'QUOTA_EXCEEDED', 'nor after a rollback');
$other->query_safe('BEGIN');
$other->query_safe("SELECT apikey.add_credits(key_id, 2) FROM app_key WHERE name = 'credit'");
$other->query_safe('COMMIT');
is($node->safe_psql('postgres', sprintf $ask, 3), 'VALID VALID QUOTA_EXCEEDED', 'from the commit on, exactly');
# in doubt: the writer finds it when it is committed
$other->query_safe('BEGIN');
$other->query_safe("SELECT apikey.add_credits(key_id, 3) FROM app_key WHERE name = 'credit'");
$other->query_safe("PREPARE TRANSACTION 'credits'");
is(codes('credit'), 'QUOTA_EXCEEDED', 'not while the transaction is prepared');
$node->safe_psql('postgres', "COMMIT PREPARED 'credits'");
my $one = sprintf $ask, 1;
ok(poll($node, $one, 'VALID'), 'found after COMMIT PREPARED');
is($node->safe_psql('postgres', sprintf $ask, 3), 'VALID VALID QUOTA_EXCEEDED', 'exactly once');
$other->query_safe('BEGIN');
$other->query_safe("SELECT apikey.add_credits(key_id, 3) FROM app_key WHERE name = 'credit'");
$other->query_safe("PREPARE TRANSACTION 'credits'");
$node->restart;
is(codes('credit'), 'QUOTA_EXCEEDED', 'still in doubt after a restart');
$node->safe_psql('postgres', "COMMIT PREPARED 'credits'");
ok(poll($node, $one, 'VALID'), 'found after the restart');
is($node->safe_psql('postgres', sprintf $ask, 3), 'VALID VALID QUOTA_EXCEEDED', 'exactly once again');
$node->safe_psql('postgres', "BEGIN; SELECT apikey.add_credits(key_id, 9) FROM app_key WHERE name = 'credit'; PREPARE TRANSACTION 'credits'; ROLLBACK PREPARED 'credits'");
is(codes('credit'), 'QUOTA_EXCEEDED', 'a prepared transaction that is rolled back adds nothing');
is($node->safe_psql('postgres', "SELECT units, credits, reserved FROM apikey.quota_state WHERE key_id = (SELECT key_id FROM app_key WHERE name = 'credit')"),
	'5|8|13', 'the sums');
eval { $other->quit };

# --- who locks everything gets an answer all the same
make_key('lock', "('total', 100000, 'total', NULL, NULL)");
my $lock_all = <<'SQL';
BEGIN;
DO $$ DECLARE t regclass; BEGIN
	FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'apikey'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1 LOOP
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', t);
	END LOOP;
END $$;
SQL
my $log = -s $node->logfile;
my ($rc, $out, $err) = $node->psql('postgres', <<"SQL", on_error_stop => 1);
SET apikey.limit_wait = '1s';
$lock_all
SELECT v.code, v.http_status FROM app_key k, apikey.verify(k.key) v WHERE k.name = 'lock';
SELECT v.code, v.http_status FROM app_key k, apikey.verify(k.key) v WHERE k.name = 'lock';
COMMIT;
SQL
is($rc, 0, 'no error for who has locked all tables') or diag($err);
is($out, "UNAVAILABLE|503\nUNAVAILABLE|503", 'nothing could be reserved');
unlike(substr(slurp_file($node->logfile), $log), qr/deadlock/, 'no deadlock');
is(codes('lock'), 'VALID', 'and nothing is broken afterwards');
# units that are there can be used under the locks
$node->safe_psql('postgres', "SELECT apikey.add_credits(key_id, 1) FROM app_key WHERE name = 'lock'");
is(codes('lock'), 'VALID', 'a block is there');
($rc, $out, $err) = $node->psql('postgres', <<"SQL", on_error_stop => 1);
$lock_all
SELECT v.code FROM app_key k, apikey.verify(k.key) v WHERE k.name = 'lock';
SELECT apikey.add_credits(key_id, 5) IS NULL FROM app_key WHERE name = 'lock';
COMMIT;
SQL
is("$rc $out", "0 VALID\nf", 'what is reserved already is used, and credits are added');
ok(poll($node, "SELECT credits FROM apikey.quota_state WHERE key_id = (SELECT key_id FROM app_key WHERE name = 'lock')", 6), 'the credits arrive');

# the other way round: somebody holds the rows, others wait with an end
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT count(*) FROM (SELECT FROM apikey.quota_state FOR UPDATE) s');
make_key('wait', "('total', 10, 'total', NULL, NULL)");
is($node->safe_psql('postgres', "SELECT v.code FROM app_key k, apikey.verify(k.key) v WHERE k.name = 'wait'"), 'VALID', 'row locks of others do not matter to a new quota');
$node->safe_psql('postgres', "SELECT apikey.reset_limits(key_id) FROM app_key WHERE name = 'lock'");
is($node->safe_psql('postgres', "SET apikey.limit_wait = '1s'; SELECT v.code FROM app_key k, apikey.verify(k.key) v WHERE k.name = 'lock'"),
	'UNAVAILABLE', 'a locked row: UNAVAILABLE');
ok(poll($node, "SELECT error LIKE '%lock timeout%' FROM apikey.stat_worker WHERE task = 'limits'"), 'stat_worker tells why');
$holder->query_safe('ROLLBACK');
$holder->quit;
ok(poll($node, "SELECT v.code FROM app_key k, apikey.verify(k.key) v WHERE k.name = 'lock'", 'VALID'), 'served again');
ok(poll($node, "SELECT error IS NULL FROM apikey.stat_worker WHERE task = 'limits'"), 'the task recovers');

# --- a row that cannot be stored stops its own quota only
$node->safe_psql('postgres', "ALTER TABLE apikey.quota_state ADD CONSTRAINT no CHECK (name <> 'bad')");
make_key('bad', "('bad', 10, 'total', NULL, NULL)");
make_key('good', "('good', 1000, 'total', NULL, NULL)");
@answers = hammer(8, sub {
	my $name = $_[0] % 2 ? 'bad' : 'good';
	return "SET apikey.limit_wait = '" . ($name eq 'bad' ? 1 : 60) . "s'; SELECT '$name', string_agg(DISTINCT v.code, ' ') FROM generate_series(1, 4) g, app_key k, LATERAL (SELECT (apikey.verify(k.key, request_id => g::text)).code) v WHERE k.name = '$name'";
});
is(join(',', sort @answers), join(',', ('bad|UNAVAILABLE') x 4, ('good|VALID') x 4), 'one that cannot be stored does not stop the others');
$node->safe_psql('postgres', 'ALTER TABLE apikey.quota_state DROP CONSTRAINT no');
ok(poll($node, "SELECT v.code FROM app_key k, apikey.verify(k.key) v WHERE k.name = 'bad'", 'VALID'), 'and is served when it can be');

# --- cancel while waiting, and a writer that ends
make_key('cancel', "('total', 10, 'total', NULL, NULL)");
$holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE apikey.quota_state IN ACCESS EXCLUSIVE MODE');
is(sqlstate_of($node, "SET statement_timeout = '1s'; SELECT v.code FROM app_key k, apikey.verify(k.key) v WHERE k.name = 'cancel'"),
	'57014', 'the wait can be cancelled');
my $writer = signal_worker($node, 'writer', 'TERM');
$holder->query_safe('ROLLBACK');
$holder->quit;
ok(process_gone($writer), 'the writer has ended');
is(codes('cancel'), 'VALID', 'the next one serves what was left');
is($node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE v.code = 'VALID') FROM generate_series(1, 20) g, app_key k, LATERAL (SELECT (apikey.verify(k.key, request_id => g::text)).code) v WHERE k.name = 'cancel'"),
	9, 'exactly');

# --- what is used is shown, and what lies idle is given back
make_key('idle', "('total', 100000, 'total', NULL, NULL)");
my $state = "SELECT used, reserved > used FROM apikey.quota_state WHERE key_id = (SELECT key_id FROM app_key WHERE name = 'idle')";
my $spend = "SELECT count(*) FILTER (WHERE v.code = 'VALID') FROM generate_series(1, %d) g, app_key k, LATERAL (SELECT (apikey.verify(k.key, request_id => g::text)).code) v WHERE k.name = 'idle'";
is($node->safe_psql('postgres', sprintf $spend, 77), 77, 'used some');
ok(poll($node, $state, '77|t'), 'quota_state shows what is used');
# by another writer, which has to find out whose bucket it is
signal_worker($node, 'writer', 'TERM');
ok(poll($node, $state, '77|f'), 'after a minute without use the rest of the block is back');
is($node->safe_psql('postgres', sprintf $spend, 100_000), 100_000 - 77, 'and can be used, exactly');

$node->stop;
done_testing();
