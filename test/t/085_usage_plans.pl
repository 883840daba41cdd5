# The ten commonest questions to usage, asked by whoever sees all tenants and by
# an analyst of one: each reads the partitions of its time and no other, and
# finds its rows through the index meant for it.  Each index is dropped once,
# and the question that needs it is seen to miss it.
use strict;
use warnings;
use JSON::PP;
use ApikeyTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('main', conf => "apikey.housekeeper_interval = 1h\nautovacuum = off\njit = off\nmax_parallel_workers_per_gather = 0\n");

# four days of 100,000 rows in the order of the writer, 200 tenants, 2000 keys
$node->safe_psql('postgres', <<'SQL');
SELECT apikey.create_tenant('acme'), apikey.create_tenant('other');
CREATE ROLE analyst LOGIN;
SELECT apikey.grant_access('analyst', 'analyst', 'acme');
SELECT apikey._ensure_partition_for('2031-03-01', '2031-03-04 12:00');
INSERT INTO apikey.usage (at, tenant_id, key_id, code, endpoint, status, latency_us, ip, request_id)
SELECT timestamptz '2031-03-01 00:00+00' + i * interval '0.864 s', k % 200 + 1, k, CASE WHEN i % 50 = 0 THEN 'EXPIRED' ELSE 'VALID' END,
	'/v1/orders/' || i % 100, 200, i % 1000, ('10.' || k % 200 || '.' || k / 200 || '.' || i % 5)::inet, md5(i::text)
FROM (SELECT i, i::bigint * 7919 % 2000 AS k FROM generate_series(0, 399999) i) g
ORDER BY i / 500, k % 200, k;
SELECT apikey.refresh_rollups();
VACUUM ANALYZE;
SQL
my ($ip, $request, $key) = split /\|/, $node->safe_psql('postgres',
	"SELECT ip, request_id, key_id FROM apikey.usage WHERE tenant_id = 1 AND at >= '2031-03-02 05:00+00' LIMIT 1");

# question, statement, leaves it may read, an index that it uses, a relation that is scanned
my $hour = "at >= '2031-03-02 05:00+00' AND at < '2031-03-02 06:00+00'";
my $day  = "at >= '2031-03-02' AND at < '2031-03-03'";
my @questions = (
	[ 'a key, the last hour', "SELECT * FROM apikey.usage WHERE key_id = $key AND $hour ORDER BY at DESC", 1, 'key_id_at' ],
	[ 'a key, its last calls', "SELECT * FROM apikey.usage WHERE key_id = $key AND $day ORDER BY at DESC LIMIT 20", 1, 'key_id_at' ],
	[ 'a key, denials of a day', "SELECT code, count(*) FROM apikey.usage WHERE key_id = $key AND $day AND code <> 'VALID' GROUP BY code", 1, 'key_id_at' ],
	[ 'a tenant, the last hour', "SELECT key_id, count(*) FROM apikey.usage WHERE tenant_id = 1 AND $hour GROUP BY key_id", 1, 'tenant_id_at' ],
	[ 'a tenant, its last calls', "SELECT * FROM apikey.usage WHERE tenant_id = 1 AND $day ORDER BY at DESC LIMIT 50", 1, 'tenant_id_at' ],
	[ 'some minutes of all', "SELECT code, count(*) FROM apikey.usage WHERE at >= '2031-03-02 05:00+00' AND at < '2031-03-02 05:10+00' GROUP BY code", 1, 'at_at1' ],
	[ 'an address over a day', "SELECT at, key_id, code FROM apikey.usage WHERE ip = '$ip' AND $day", 1, 'ip' ],
	[ 'a request', "SELECT * FROM apikey.usage WHERE request_id = '$request' AND at >= '2031-03-02' AND at < '2031-03-04'", 2, 'request_id' ],
	[ 'a month of a tenant', "SELECT sum(units) FROM apikey.usage_daily WHERE tenant_id = 1 AND day >= '2031-03-01' AND day < '2031-04-01'", 0, 'usage_daily_tenant' ],
	[ 'hours of a key', "SELECT hour, sum(calls) FROM apikey.usage_hourly WHERE key_id = $key AND hour >= '2031-03-02' AND hour < '2031-03-03' GROUP BY hour", 0, 'usage_hourly_key' ]);

# the leaves and indexes of a plan
sub plan_of
{
	my ($sql, $role) = @_;
	my %seen = (leaf => {}, index => {});
	my @nodes = decode_json($node->safe_psql('postgres', "SET ROLE $role; EXPLAIN (FORMAT JSON) $sql"))->[0]{Plan};

	while (my $n = shift @nodes)
	{
		$seen{leaf}{ $n->{'Relation Name'} } = 1 if ($n->{'Relation Name'} // '') =~ /^usage_2/;
		$seen{index}{ $n->{'Index Name'} } = 1 if defined $n->{'Index Name'};
		push @nodes, @{ $n->{Plans} // [] };
	}
	return \%seen;
}

sub uses
{
	my ($plan, $index) = @_;
	return grep { /^(usage_\d+_)?${index}(_idx)?$/ } keys %{ $plan->{index} };
}

for my $role (qw(postgres analyst))
{
	for my $q (@questions)
	{
		my ($name, $sql, $leaves, $index) = @$q;
		my $plan = plan_of($sql, $role);

		is(scalar keys %{ $plan->{leaf} }, $leaves, "$role: $name: leaves that are read");
		# an analyst's rows are few: the tenant's index may be the better one
		ok(uses($plan, $index) || ($role eq 'analyst' && uses($plan, 'tenant_id_at')), "$role: $name: index on $index")
		  or diag($node->safe_psql('postgres', "SET ROLE $role; EXPLAIN $sql"));
	}
}

# answers, with and without row level security
is($node->safe_psql('postgres', $questions[6][1] =~ s/SELECT at, key_id, code/SELECT count(*) > 0/r), 't', 'the address is found');
is($node->safe_psql('postgres', $questions[7][1] =~ s/SELECT \*/SELECT count(*)/r), '1', 'the request is found');
is($node->safe_psql('postgres', 'SET ROLE analyst; ' . $questions[7][1] =~ s/SELECT \*/SELECT count(*)/r), '1', 'by the analyst, too');

# pruning and indexes when the bounds are parameters of a generic plan
for my $q (@questions[ 0, 3, 6, 7 ])
{
	my ($name, $sql, undef, $index) = @$q;
	my @bounds = $sql =~ /('2031[^']*')/g;
	my $n      = 0;
	(my $prepared = $sql) =~ s/'2031[^']*'/'$' . ++$n/ge;
	my $text = $node->safe_psql('postgres', "SET plan_cache_mode = force_generic_plan; PREPARE q (timestamptz, timestamptz) AS $prepared; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE q ($bounds[0], $bounds[1])");

	like($text, qr/Subplans Removed: [1-9]/, "$name, prepared: other leaves are left out");
	unlike($text, qr/usage_2031030[14] .*loops/, "$name, prepared: they are not read");
}

# what is counted of rows of others tells no text of theirs, though comparing texts is done before they are left out
for my $table (qw(usage_hourly usage_daily))
{
	my %removed;

	for my $class ("endpoint_class >= '/v' AND endpoint_class < '/w'", "endpoint_class >= '/w' AND endpoint_class < '/x'",
		"endpoint_class = '/v1/orders/*'", "endpoint_class = '/v1/orders'")
	{
		my $plan = $node->safe_psql('postgres',
			"SET ROLE analyst; SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT FROM apikey.$table WHERE tenant_id = 2 AND $class");
		like($plan, qr/ using ${table}_tenant /, "$table, $class: by the index");
		$removed{ join ' ', $plan =~ /Rows Removed by \w+(?: \w+)?: (\d+)/g } = 1;
	}
	is(scalar keys %removed, 1, "$table: others' rows of any class are left out alike");
}

# break it: without its index each question is another one
for my $q (@questions)
{
	my ($name, $sql, $leaves, $index) = @$q;
	my @names = sort { $a cmp $b } map { /^(usage_\d+_)?${index}(_idx)?$/ ? $_ : () }
	  split /\n/, $node->safe_psql('postgres', "SELECT relname FROM pg_class WHERE relnamespace = 'apikey'::regnamespace AND relkind = 'i'");
	my $drop = join ' ', map { "DROP INDEX apikey.$_;" } @names;
	my $text = $node->safe_psql('postgres', "BEGIN; $drop EXPLAIN (FORMAT TEXT) $sql; ROLLBACK");

	unlike($text, qr/ on (usage_\d+_)?${index}(_idx)?\b/, "$name: without the index on $index");
}

done_testing();
