# A batch goes straight into an ordinary leaf and through COPY's machinery into
# any other: the rows and the indexes are the same.  The log tells which way a
# batch went.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $noon = 1935835200;
my $node = new_node('store', conf => <<"CONF");
apikey.usage_flush_interval = 60s
apikey.usage_buffer_size = 32MB
apikey.housekeeper_interval = 50ms
apikey.test_now = '$noon'
autovacuum = off
log_min_messages = debug1
CONF
my $key = setup_key($node);
my $other = $node->safe_psql('postgres', "SELECT key FROM apikey.create_key('acme', 'prod', name => 'two')");
$node->safe_psql('postgres', 'CREATE EXTENSION amcheck; SELECT apikey.ensure_partitions()');
my $leaf = $node->safe_psql('postgres', <<"SQL");
SELECT c.oid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE inhparent = 'apikey.usage'::regclass
	AND c.relname = 'usage_' || to_char(to_timestamp($noon), 'YYYYMMDD')
SQL
isnt($leaf, '', 'there is a leaf for the day');

# two keys in turns, all columns, texts of every size; $name tells them apart.
# One statement, so that they are one batch.
sub batch
{
	my ($name, $settings) = @_;
	$node->safe_psql('postgres', ($settings // '') . qq{
		SELECT count(*) FROM generate_series(1, 40) i, LATERAL (SELECT apikey.verify(
			CASE i % 4 WHEN 0 THEN '$key' WHEN 1 THEN '$other' WHEN 2 THEN 'nonsense' || i ELSE '$key' END,
			scopes => CASE WHEN i % 3 = 0 THEN '{x:y,z}'::text[] END,
			ip => CASE i % 3 WHEN 0 THEN '10.1.2.3' WHEN 1 THEN '2001:db8::7/64' END::inet,
			method => CASE WHEN i % 2 = 0 THEN 'GET' END, endpoint => '/' || repeat(chr(228), i * 40),
			user_agent => repeat('u', 100 + i), region => CASE WHEN i % 5 = 0 THEN '' ELSE 'eu' END,
			tags => CASE WHEN i % 2 = 0 THEN jsonb_build_object('a', i, 'b', repeat('t', i * 90)) END, units => i,
			request_id => '$name/' || i)) v});
	is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', "$name: flushed");
	check_indexes($name);
	return;
}

# every row is in every btree; BRIN finds all that is there
sub check_indexes
{
	my ($name) = @_;
	is($node->safe_psql('postgres', "SELECT count(bt_index_check(indexrelid, true)) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
		WHERE indrelid = '$leaf'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'btree') AND indisvalid") > 1,
		1, "$name: every row is in the btree indexes");
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off;
		SELECT count(*) FROM $leaf WHERE at > '-infinity'"),
		$node->safe_psql('postgres', "SELECT count(*) FROM $leaf"), "$name: BRIN finds every row");
	return;
}

# the way that the last batch went
my $log_read = 0;

sub way
{
	my $log = slurp_file($node->logfile, $log_read);
	$log_read += length($log);
	return $log =~ /usage events go through COPY/ ? 'copied' : 'straight';
}

# what of one batch is not in the other
sub difference
{
	my ($one, $two) = @_;
	my $columns = "at, tenant_id, key_id, secret_id, environment_id, code, scope, method, endpoint, status, latency_us, bytes_in,
		bytes_out, units, ip, region, user_agent, tags, split_part(request_id, '/', 2)";
	return $node->safe_psql('postgres', join(' UNION ALL ', map {
		"(SELECT $columns FROM apikey.usage WHERE request_id LIKE '$_->[0]/%' EXCEPT ALL
			SELECT $columns FROM apikey.usage WHERE request_id LIKE '$_->[1]/%')" } [$one, $two], [$two, $one]));
}

batch('straight');
is(way(), 'straight', 'an ordinary leaf is written to straight');
is($node->safe_psql('postgres', "SELECT count(*) FROM apikey.usage WHERE octet_length(endpoint) > 1500 AND tags->>'b' LIKE 'ttt%'") > 0, 1,
	'long values are there');

$node->safe_psql('postgres', "ALTER TABLE $leaf ADD CONSTRAINT positive CHECK (units > 0)");
batch('copied');
is(way(), 'copied', 'one with a constraint is not');
is(difference('straight', 'copied'), '', 'both ways store the same');
$node->safe_psql('postgres', "ALTER TABLE $leaf DROP CONSTRAINT positive");

# --- what makes a leaf an unusual one, and what does not
my @cases = (
	[ 'plain index', "CREATE INDEX extra ON $leaf (request_id DESC, key_id) INCLUDE (units)", 'DROP INDEX apikey.extra', 'straight' ],
	[ 'hash index', "CREATE INDEX extra ON $leaf USING hash (request_id)", 'DROP INDEX apikey.extra', 'straight' ],
	[ 'brin index', "CREATE INDEX extra ON $leaf USING brin (key_id, at)", 'DROP INDEX apikey.extra', 'straight' ],
	[ 'bloom brin', "CREATE INDEX extra ON $leaf USING brin (at timestamptz_bloom_ops)", 'DROP INDEX apikey.extra', 'straight' ],
	[ 'unique index', "CREATE UNIQUE INDEX extra ON $leaf (request_id)", 'DROP INDEX apikey.extra', 'copied' ],
	[ 'partial index', "CREATE INDEX extra ON $leaf (request_id) WHERE code = 'VALID'", 'DROP INDEX apikey.extra', 'copied' ],
	[ 'expression', "CREATE INDEX extra ON $leaf (lower(region))", 'DROP INDEX apikey.extra', 'copied' ],
	[ 'trigger', "CREATE TRIGGER extra BEFORE INSERT ON $leaf FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()",
		"DROP TRIGGER extra ON $leaf", 'copied' ],
	[ 'not null', "ALTER TABLE $leaf ALTER request_id SET NOT NULL", "ALTER TABLE $leaf ALTER request_id DROP NOT NULL", 'copied' ],
);
$node->safe_psql('postgres', "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'");
for my $case (@cases)
{
	my ($name, $make, $drop, $way) = @$case;
	$make =~ s/suppress_redundant_updates_trigger/keep/;
	$node->safe_psql('postgres', $make);
	batch($name);
	is(way(), $way, "$name: $way");
	is(difference('straight', $name), '', "$name: the same rows");
	$node->safe_psql('postgres', $drop);
}

# --- a batch across two days
$node->safe_psql('postgres', "SET apikey.test_now = '" . ($noon + $_ * 86400) . "'; SELECT apikey.verify('$key', request_id => 'day $_')") for 0 .. 1;
is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'two days: flushed');
is(way(), 'copied', 'two days: copied');
is($node->safe_psql('postgres', "SELECT count(DISTINCT tableoid) FROM apikey.usage WHERE request_id LIKE 'day %'"), 2, 'two days: a row in each leaf');

# --- page ranges that BRIN has summarized are kept up to date, at both ends
$node->safe_psql('postgres', "SELECT brin_summarize_new_values(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
	WHERE indrelid = '$leaf'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'brin')");
$node->safe_psql('postgres', "SET apikey.test_now = '" . ($noon + $_) . "'; SELECT apikey.verify('$key', request_id => 'end $_')") for -60, 60;
is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'ranges: flushed');
is(way(), 'straight', 'ranges: straight');
for my $end (-60, 60)
{
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off;
		SELECT count(*) FROM $leaf WHERE at = to_timestamp($noon + $end)"), 1, "ranges: the row at $end s is found");

	# the index of requests is the only one that can find this
	is($node->safe_psql('postgres', "SET enable_seqscan = off; SELECT count(*) FROM $leaf WHERE request_id = 'end $end'"), 1,
		"ranges: the request at $end s is found");
}
like($node->safe_psql('postgres', "SET enable_seqscan = off; EXPLAIN SELECT count(*) FROM $leaf WHERE request_id = 'end 60'"),
	qr/_request_id_idx/, 'ranges: by the index of requests');
is(stat_usage($node)->{dropped}, 0, 'nothing is dropped');
log_lacks($node, qr/PANIC|TRAP/, 'no panic');
$node->stop;
done_testing();
