# Usage rows: written without the caller's transaction, late rather than never,
# and every event that is not written is counted.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $node = new_node('usage', conf => <<'CONF');
apikey.usage_buffer_size = 64kB
apikey.usage_wait = 0
apikey.housekeeper_interval = 50ms
apikey.test_now = '1935835200'
CONF
my $key = setup_key($node);
my $before;

sub flushed
{
	my ($name) = @_;
	is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', "$name: flush_usage");
}

sub usage_rows
{
	my ($where) = @_;
	return $node->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage WHERE ' . ($where // 'true'));
}

# --- written, by themselves and on request
is($node->safe_psql('postgres', verify_sql($key, 3)), 'VALID 3', 'verified');
ok(poll($node, 'SELECT count(*) FROM apikey.usage', 3), 'the rows appear without being asked for');
is($node->safe_psql('postgres', "SELECT apikey.flush_usage(NULL) IS NULL"), 't', 'flush_usage(NULL) is NULL');
is(scalar sqlstate_of($node, "SELECT apikey.flush_usage('-1 s')"), '22023', 'a negative timeout is refused');

# --- the caller's rollback does not take them back
$node->safe_psql('postgres', "BEGIN; " . verify_sql($key, 2) . "; ROLLBACK");
flushed('rollback');
is(usage_rows(), 5, 'rows of a transaction that rolled back stay');

# --- all columns arrive
$node->safe_psql('postgres', qq{SELECT (apikey.verify('$key', scopes => '{x:y,z}', ip => '2001:db8::7', method => 'GET',
	endpoint => '/v1/o?q=1', user_agent => 'curl/8', region => 'eu', request_id => 'all', tags => '{"a": [1, "\\u00e4"]}',
	units => 7)).code});
flushed('columns');
is($node->safe_psql('postgres', q{SELECT tenant_id IS NOT NULL, key_id IS NOT NULL, secret_id IS NOT NULL, environment_id IS NOT NULL,
	code, scope, method, endpoint, status, latency_us, bytes_in, bytes_out, units, ip, region, user_agent, tags
	FROM apikey.usage WHERE request_id = 'all'}),
	't|t|t|t|INSUFFICIENT_SCOPE|x:y z|GET|/v1/o|||||7|2001:db8::7|eu|curl/8|{"a": [1, "ä"]}',
	'every column is stored');

# --- activity of the key
is($node->safe_psql('postgres', 'SELECT calls, denials, last_ip FROM apikey.key_activity'), '5|1|',
	'key_activity has the sums; a denial is no use');

# --- statistics reach autovacuum
ok(poll($node, "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname ~ '^usage_[0-9]'", 6),
	'the statistics collector knows the rows');

# --- texts over the limits are cut
$before = stat_usage($node);
$node->safe_psql('postgres', qq{SELECT (apikey.verify('$key', method => repeat('M', 100), endpoint => '/' || repeat('ä', 4000),
	user_agent => repeat('u', 100000), request_id => 'cut' || repeat('r', 5000), region => repeat('€', 1000))).code});
flushed('long texts');
is($node->safe_psql('postgres', q{SELECT octet_length(method), octet_length(endpoint), octet_length(user_agent), octet_length(request_id),
	octet_length(region) FROM apikey.usage WHERE request_id LIKE 'cut%'}),
	'32|2047|1024|256|126', 'long texts are cut at a character');
is(stat_usage($node)->{dropped}, $before->{dropped}, 'and the row is not lost');
$node->safe_psql('postgres', "DELETE FROM apikey.usage WHERE request_id LIKE 'cut%'");

# --- a partition that somebody dropped is made again
my $leaf = $node->safe_psql('postgres', "SELECT tableoid::regclass FROM apikey.usage LIMIT 1");
$node->safe_psql('postgres', "DROP TABLE $leaf");
$node->safe_psql('postgres', verify_sql($key, 4));
flushed('dropped partition');
is(usage_rows(), 4, 'rows go into the partition made anew');

# --- the table is locked: verification goes on, the rows come later
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE apikey.usage IN ACCESS EXCLUSIVE MODE;');
is($node->safe_psql('postgres', verify_sql($key, 5)), 'VALID 5', 'verified while the usage table is locked');
ok(poll($node, "SELECT error ~ 'lock timeout' FROM apikey.stat_worker WHERE task = 'usage'"), 'stat_worker tells why');
is($node->safe_psql('postgres', "SELECT apikey.flush_usage('1 ms')"), 'f', 'flush_usage gives up in time');
is(stat_usage($node)->{waiting}, 5, 'the events wait');
cmp_ok(stat_usage($node)->{lag_us}, '>', 0, 'and the lag shows');
$locker->query_safe('COMMIT;');
$locker->quit;
flushed('unlocked');
is(usage_rows(), 9, 'the rows have arrived');
is($node->safe_psql('postgres', "SELECT error IS NULL AND failures > 0 FROM apikey.stat_worker WHERE task = 'usage'"), 't',
	'the error is over, the failures are counted');

# --- ring full: issued = written + dropped
$before = stat_usage($node);
my $writer = signal_worker($node, 'writer', 'STOP');
is($node->safe_psql('postgres', verify_sql($key, 2000)), 'VALID 2000', 'verified with a full ring');
my $full = stat_usage($node);
cmp_ok($full->{waiting}, '>', 0, 'some wait');
cmp_ok($full->{dropped}, '>', $before->{dropped}, 'some are dropped');
is($full->{waiting} + $full->{dropped} - $before->{dropped}, 2000, 'waiting and dropped are all of them');
kill('CONT', $writer) == 1 or die;
flushed('full ring');
my $after = stat_usage($node);
is($after->{written} - $before->{written} + $after->{dropped} - $before->{dropped}, 2000, 'written and dropped are all of them');
is($after->{waiting}, 0, 'nothing waits');
is(usage_rows(), 9 + $after->{written} - $before->{written}, 'written means a row each');
like(slurp_file($node->logfile), qr/usage events are dropped: the usage buffer is full/, 'the log tells');

# --- a full ring with a writer that is alive only makes wait
$before = stat_usage($node);
is($node->safe_psql('postgres', "SET apikey.usage_wait = '60 s'; " . verify_sql($key, 5000)), 'VALID 5000', 'verified more than the ring holds');
flushed('waiting for room');
$after = stat_usage($node);
is($after->{dropped}, $before->{dropped}, 'nothing dropped');
is($after->{written} - $before->{written}, 5000, 'all written');

# --- a cancelled wait is counted
$writer = signal_worker($node, 'writer', 'STOP');
$before = stat_usage($node);
is(scalar sqlstate_of($node, "SET apikey.usage_wait = '60 s'; SET statement_timeout = '500 ms'; " . verify_sql($key, 5000)),
	'57014', 'a wait for room can be cancelled');
$after = stat_usage($node);
is($after->{dropped} - $before->{dropped}, 1, 'and the event it was about is counted as dropped');
kill('CONT', $writer) == 1 or die;
flushed('cancelled wait');

# --- unknown keys above the rate
$node->append_conf('postgresql.conf', 'apikey.usage_unknown_rate = 0');
$node->reload;
ok(poll($node, 'SHOW apikey.usage_unknown_rate', 0), 'reloaded');
$before = stat_usage($node);
$node->safe_psql('postgres', verify_sql('nonsense', 20));
$node->safe_psql('postgres', verify_sql($key, 2));
$after = stat_usage($node);
is($after->{suppressed} - $before->{suppressed}, 20, 'unknown keys above the rate are suppressed and counted');
is($after->{dropped}, $before->{dropped}, 'and not dropped');
flushed('suppressed');
is(stat_usage($node)->{written} - $before->{written}, 2, 'known keys are recorded');
$node->append_conf('postgresql.conf', 'apikey.usage_unknown_rate = 1000000');
$node->reload;
ok(poll($node, 'SHOW apikey.usage_unknown_rate', 1000000), 'reloaded');

# --- usage_sync: on disk when verify returns, whatever the transaction does
$node->safe_psql('postgres', "SET apikey.usage_sync = on; SET apikey.usage_wait = '18 s'; "
	  . "BEGIN; SELECT apikey.verify('$key', request_id => 'sync'); ROLLBACK");
is(usage_rows("request_id = 'sync'"), 1, 'usage_sync: the row is there when the call has returned');

# --- one event that cannot be stored does not stop the others
$leaf = $node->safe_psql('postgres', "SELECT tableoid::regclass FROM apikey.usage LIMIT 1");
$node->safe_psql('postgres', "ALTER TABLE $leaf ADD CONSTRAINT no_13 CHECK (request_id <> '13') NOT VALID");
$before = stat_usage($node);
my $rows = usage_rows();
$node->safe_psql('postgres', verify_sql($key, 20));
flushed('constraint');
$after = stat_usage($node);
is(usage_rows() - $rows, 19, 'all rows but the one are stored');
is($after->{dropped} - $before->{dropped}, 1, 'the one is counted');
is($after->{written} - $before->{written}, 19, 'and the others');
$node->safe_psql('postgres', "ALTER TABLE $leaf DROP CONSTRAINT no_13");

# --- an error at the commit keeps the events, and a hanging trigger can be
# cancelled there
$node->safe_psql('postgres', <<SQL);
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'not now' USING ERRCODE = '55P03'; END \$\$;
CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END \$\$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON $leaf DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail();
SQL
$before = stat_usage($node);
$node->safe_psql('postgres', verify_sql($key, 3));
ok(poll($node, "SELECT error = 'not now' FROM apikey.stat_worker WHERE task = 'usage'"), 'a commit that fails is told');
is(stat_usage($node)->{waiting}, 3, 'and the events wait');
$node->safe_psql('postgres', "DROP TRIGGER late ON $leaf");
flushed('failed commit');
is(stat_usage($node)->{written} - $before->{written}, 3, 'then they are written');
$node->safe_psql('postgres', "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON $leaf DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang()");
$node->safe_psql('postgres', verify_sql($key, 1));
ok(poll($node, "SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'apikey writer'", 'PgSleep'), 'the writer hangs in a trigger');
signal_worker($node, 'writer', 'INT');
ok(poll($node, "SELECT error ~ 'canceling statement' FROM apikey.stat_worker WHERE task = 'usage'"), 'and can be cancelled');
poll($node, "SELECT pg_cancel_backend(pid) IS NULL FROM (SELECT 1) one LEFT JOIN pg_stat_activity ON backend_type = 'apikey writer' AND wait_event = 'PgSleep'");
$node->safe_psql('postgres', "SET lock_timeout = '100 s'; DROP TRIGGER late ON $leaf");
flushed('cancelled commit');
is(stat_usage($node)->{written} - $before->{written}, 4, 'the event is written in the end');

# --- a key in the path is masked, and told once
$node->safe_psql('postgres', "SELECT apikey.verify('$key', endpoint => '/x/$key') FROM generate_series(1, 5)");
flushed('leak');
is(usage_rows("endpoint LIKE '%$key%'"), 0, 'the key is not in any row');
is(usage_rows("endpoint LIKE '/x/%*%'"), 5, 'but masked');
is($node->safe_psql('postgres', "SELECT count(*), min(payload->>'endpoint') NOT LIKE '%$key%' FROM apikey.event WHERE type = 'leak.suspected'"), '1|t',
	'one event tells of the leak');

log_lacks($node, qr/PANIC|TRAP|\Q$key\E.*CONTEXT/, 'no panic');
$node->stop;
done_testing();
