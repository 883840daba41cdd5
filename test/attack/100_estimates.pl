# What EXPLAIN estimates.  The planner knows samples of whole tables; a role
# that does not see every row of a table must not be told what is in them: its
# plans are the same whether a text is there or not, and whether the table was
# analyzed or not.  Our own functions, and who sees all, keep good estimates.
use strict;
use warnings;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node    = attack_node();
my $own     = names_of('own');
my $foreign = names_of('foreign');
my $unknown = names_of('unknown');

# Many rows of B with few values, some of A; all that ANALYZE can note.  The
# workers and autovacuum have nothing to do meanwhile.
$node->safe_psql('postgres', 'ALTER SYSTEM SET autovacuum = off');
$node->reload;
$node->safe_psql('postgres', <<"SQL");
SET session_replication_role = replica;
INSERT INTO apikey.api_key (key_id, tenant_id, environment_id, owner, name, scopes, tags, metadata, expires_at, created_by)
	OVERRIDING SYSTEM VALUE
	SELECT x.low + i, x.tenant, k.environment_id, x.mark || CASE WHEN i % 5 = 0 THEN 'ceo\@sales' ELSE 'owner ' || i % 9 END, x.mark || i,
		ARRAY[lower(x.mark) || i % 7], ARRAY['t' || i % 3], '{"a": 1}', CASE WHEN i % 4 = 0 THEN '2040-01-01'::timestamptz + i * interval '1 h' END, 'regress'
	FROM (VALUES ($foreign->{tid}, $foreign->{key}, 8000000000, 'CANARYB', 5000), ($own->{tid}, $own->{key}, 6000000000, 'own', 50)) x (tenant, key, low, mark, n)
		JOIN apikey.api_key k ON k.key_id = x.key, generate_series(1, x.n) i;
INSERT INTO apikey.usage (at, tenant_id, key_id, code, method, endpoint, status, units, ip, user_agent)
	SELECT s.at + i * interval '1 ms', x.tenant, x.key, CASE WHEN i % 9 = 0 THEN 'EXPIRED' ELSE 'VALID' END, 'GET', x.path || i % 4, 200 + i % 3, i % 10, x.ip, 'agent'
	FROM (VALUES ($foreign->{tid}, $foreign->{key}, '/v1/CANARYB', inet '203.0.113.66', 20000), ($own->{tid}, $own->{key}, '/own/', '192.0.2.5', 1000)) x (tenant, key, path, ip, n),
		(SELECT min(at) AS at FROM apikey.usage) s, generate_series(1, x.n) i;
CREATE STATISTICS public.regress_two (ndistinct, dependencies, mcv) ON owner, status FROM apikey.api_key;
CREATE STATISTICS public.regress_expression ON lower(name) FROM apikey.api_key;
CREATE INDEX regress_expression ON apikey.api_key (lower(owner));
CREATE FUNCTION public.plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS 'BEGIN RETURN QUERY EXECUTE ''EXPLAIN '' || query; END';
CREATE FUNCTION public.plan_of_owner(query text) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN RETURN QUERY EXECUTE ''EXPLAIN '' || query; END';
CREATE FUNCTION public.run_as_owner(query text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE query; END';
CREATE VIEW public.keys_of_all AS SELECT * FROM apikey.api_key WHERE tenant_id = $own->{tid};
GRANT SELECT ON public.keys_of_all TO PUBLIC;
SELECT apikey.grant_access('regress_atk_two', 'analyst');
-- and nothing left to count
SELECT apikey.refresh_rollups();
SQL
# everything that plans depend on is as it will be
$node->safe_psql('postgres', 'VACUUM ANALYZE');

my $leaf = $node->safe_psql('postgres', 'SELECT tableoid::regclass FROM apikey.usage LIMIT 1');
my @all  = (@levels, 'all', 'two');

# --- what is there and what is not ----------------------------------------------
# one line each: a query, what is there, what is not
my @pairs = (
	[ q{SELECT * FROM apikey.api_key WHERE owner < '%s'}, 'CANARYBceo@t', 'AANARYB' ],
	[ q{SELECT * FROM apikey.api_key WHERE owner = '%s'}, 'CANARYBceo@sales', 'nobody' ],
	[ q{SELECT * FROM apikey.api_key WHERE owner = '%s'}, 'ownceo@sales', 'nobody' ],
	[ q{SELECT * FROM apikey.api_key WHERE owner LIKE '%s%%'}, 'CANARYB', 'xANARYB' ],
	[ q{SELECT * FROM apikey.api_key WHERE starts_with(owner, '%s')}, 'CANARYB', 'xANARYB' ],
	[ q{SELECT * FROM apikey.api_key WHERE lower(owner) = '%s'}, 'canarybceo@sales', 'nobody' ],
	[ q{SELECT * FROM apikey.api_key WHERE lower(name) = '%s'}, 'canaryb17', 'nobody' ],
	[ q{SELECT * FROM apikey.api_key WHERE owner = '%s' AND status = 'active'}, 'CANARYBceo@sales', 'nobody' ],
	[ q{SELECT * FROM apikey.api_key WHERE tenant_id = %s}, $foreign->{tid}, $unknown->{tid} ],
	[ q{SELECT * FROM apikey.api_key WHERE scopes @> '{%s}'}, 'canaryb1', 'nothing' ],
	[ q{SELECT * FROM apikey.api_key WHERE expires_at > '%s'}, '2040-01-01', '2140-01-01' ],
	[ q{SELECT * FROM apikey.key WHERE owner = '%s'}, 'CANARYBceo@sales', 'nobody' ],
	[ q{SELECT * FROM apikey.key_label WHERE owner < '%s'}, 'CANARYBceo@t', 'AANARYB' ],
	[ q{SELECT * FROM apikey.key_label WHERE owner = '%s'}, 'CANARYBceo@sales', 'nobody' ],
	[ q{SELECT * FROM apikey.key_label WHERE key_id = %s}, $foreign->{key}, $unknown->{key} ],
	[ q{SELECT * FROM apikey.secret_label WHERE key_id = %s}, $foreign->{key}, $unknown->{key} ],
	[ q{SELECT * FROM apikey.key_control WHERE tenant_id = %s}, $foreign->{tid}, $unknown->{tid} ],
	[ q{SELECT * FROM apikey.key_health WHERE owner = '%s'}, 'CANARYBceo@sales', 'nobody' ],
	[ q{SELECT * FROM apikey.environment_label WHERE environment < '%s'}, 'CANARYBz', 'AANARYB' ],
	[ q{SELECT * FROM apikey.usage_hourly WHERE endpoint_class = '%s'}, '/v1/CANARYB1', '/v1/x' ],
	[ q{SELECT * FROM apikey.usage_hourly WHERE tenant_id = %s}, $foreign->{tid}, $unknown->{tid} ],
	[ q{SELECT * FROM apikey.usage_daily WHERE key_id = %s}, $foreign->{key}, $unknown->{key} ],
	[ q{SELECT * FROM apikey.usage_daily WHERE endpoint_class >= '%s'}, '/v1/CANARYB', '/zzz' ],
	[ q{SELECT * FROM apikey.usage_requests WHERE tenant_id = %s}, $foreign->{tid}, $unknown->{tid} ],
	[ q{SELECT * FROM apikey.endpoint_class WHERE class = '%s'}, '/v1/CANARYB1', '/v1/x' ],
	[ q{SELECT * FROM apikey.price WHERE tenant_id = %s}, $foreign->{tid}, $unknown->{tid} ],
	[ q{SELECT * FROM apikey.price WHERE note = '%s'}, 'CANARYB price', 'nothing' ],
	[ q{SELECT * FROM apikey.budget WHERE name = '%s'}, 'CANARYB budget', 'nothing' ],
	[ q{SELECT * FROM public.keys_of_all WHERE owner < '%s'}, 'CANARYBceo@t', 'AANARYB' ],
	[ q{SELECT * FROM apikey.usage WHERE tenant_id = %s}, $foreign->{tid}, $unknown->{tid} ],
	[ q{SELECT * FROM apikey.usage WHERE endpoint = '%s'}, '/v1/CANARYB1', '/v1/x' ],
	[ qq{SELECT * FROM $leaf WHERE endpoint = '%s'}, '/v1/CANARYB1', '/v1/x' ],
	[ q{SELECT * FROM apikey.usage WHERE ip <<= '%s'}, '203.0.113.0/24', '10.1.1.0/24' ],
	[ q{SELECT * FROM apikey.usage WHERE key_id = ANY ('{%s}')}, $foreign->{key}, $unknown->{key} ]);

# what a plan tells of each query, each with the value that is there or is not
sub plans
{
	my ($role, $which) = @_;
	my @plans = try_as($node, "regress_atk_$role", [ map { 'EXPLAIN (VERBOSE) ' . sprintf($_->[0], $_->[$which]) . ';' } @pairs ]);

	for my $i (0 .. $#pairs)
	{
		# the typed value comes back in many forms
		$plans[$i] =~ s/'[^']*'(::\w+(\[\])?)?/X/g;
		$plans[$i] =~ s/\b\Q$pairs[$i][$which]\E\b/X/g;
	}
	return @plans;
}
foreach my $role (@levels)
{
	my @there = plans($role, 1);
	my @not   = plans($role, 2);

	is($there[$_], $not[$_], "$role: $pairs[$_][0]") foreach 0 .. $#pairs;
}
my @seen = grep { (plans('all', 1))[$_] ne (plans('all', 2))[$_] } 0, 1;
is("@seen", '0 1', 'who sees all is told, so this test can tell');

# plans of others that the session prints
my @printed = map { join ' ', /:plan_rows \S+|:plan_width \S+/g } try_as($node, 'regress_atk_auditor',
	[ map { "SET client_min_messages = log; SET debug_print_plan = on; SELECT public.run_as_owner('SELECT * FROM apikey.api_key WHERE owner = ''$_''');" } 'CANARYBceo@sales', 'nobody' ]);
like($printed[0], qr/plan_rows .*plan_rows/, 'debug_print_plan prints what a definer function does');
is($printed[0], $printed[1], '... and tells nothing of what is there');

# --- analyzed or not ----------------------------------------------------------------
my @queries = (
	(map { sprintf $_->[0], $_->[1] } @pairs),
	'SELECT owner, count(*) FROM apikey.api_key GROUP BY owner',
	'SELECT owner, status, count(*) FROM apikey.api_key GROUP BY 1, 2',
	'SELECT lower(owner), lower(name), count(*) FROM apikey.api_key GROUP BY 1, 2',
	'SELECT DISTINCT user_agent FROM apikey.usage',
	'SELECT endpoint, user_agent FROM apikey.usage ORDER BY 1',
	'SELECT * FROM apikey.usage WHERE ip IS NULL AND region IS NULL',
	"SELECT endpoint FROM $leaf WHERE region IS NOT NULL",
	'SELECT * FROM apikey.api_key k JOIN apikey.usage u USING (key_id) WHERE u.endpoint > k.owner',
	'SELECT * FROM apikey.event e, apikey.audit_log a WHERE a.object = e.type',
	'SELECT * FROM apikey.member m JOIN apikey.tenant t USING (tenant_id) WHERE m.role_name < t.name',
	'SELECT * FROM (SELECT owner FROM apikey.api_key OFFSET 0) x WHERE owner < $$CANARYBceo@t$$',
	'WITH x AS MATERIALIZED (SELECT owner FROM apikey.api_key) SELECT owner, count(*) FROM x GROUP BY 1',
	'SELECT endpoint FROM apikey.usage UNION ALL SELECT owner FROM apikey.api_key');
my @made = map { "EXPLAIN (VERBOSE) $_;" } @queries;
# a narrowing is of the transaction
push @made, "BEGIN; SELECT apikey.set_tenant('top/acme'); EXPLAIN (VERBOSE) $queries[0]; COMMIT;";
my %before;
$before{$_} = [ try_as($node, "regress_atk_$_", \@made) ] foreach @all;
my $of_owner = "SELECT * FROM public.plan_of_owner(\$q\$$queries[1]\$q\$);";
my ($kept) = try_as($node, 'regress_atk_auditor', [$of_owner]);
$node->safe_psql('postgres', q{DELETE FROM pg_statistic WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'apikey'::regnamespace);
	DELETE FROM pg_statistic_ext_data});
my ($lost) = try_as($node, 'regress_atk_auditor', [$of_owner]);
isnt($kept, $lost, 'what runs as the owner of the extension has statistics, whoever calls it');

my %differ;
foreach my $role (@all)
{
	my @after = try_as($node, "regress_atk_$role", \@made);

	$differ{$role} = [ grep { $before{$role}[$_] ne $after[$_] } 0 .. $#made ];
}
foreach my $role (@levels)
{
	is(join("\n", map { $made[$_] } @{ $differ{$role} }), '', "$role: no plan depends on what was analyzed");
}
my $last = $#made;
ok((grep { $_ == 1 } @{ $differ{all} }), 'those of who sees all do');
is(join(' ', grep { $_ == $last } @{ $differ{all} }), '', '... unless he narrowed himself');
my @usage = map { $made[$_] } @{ $differ{two} };
ok((grep { /usage WHERE endpoint/ } @usage), 'an analyst of all tenants is told of usage');
# key_health reads usage_hourly, and the classes of endpoints are those of usage
is(join("\n", grep { !/usage|key_health|endpoint_class/ } @usage), '', '... and of nothing else');

# --- a leaf somewhere else ----------------------------------------------------------
$node->safe_psql('postgres', "CREATE SCHEMA archive; GRANT USAGE ON SCHEMA archive TO PUBLIC; ALTER TABLE $leaf SET SCHEMA archive; VACUUM ANALYZE apikey.usage");
(my $moved = $leaf) =~ s/^\w+\./archive./;
foreach my $table ('apikey.usage', $moved)
{
	my ($there, $not) = map { s/'[^']*'/X/g; $_ } try_as($node, 'regress_atk_analyst',
		[ map { "EXPLAIN SELECT endpoint FROM $table WHERE endpoint = '$_';" } '/v1/CANARYB1', '/v1/x' ]);

	is($there, $not, "a leaf in another schema, by $table");
	like($there, qr/Seq Scan|Index/, '... which may be read');
}
$node->safe_psql('postgres', "ALTER TABLE $moved SET SCHEMA apikey");

# --- the usual queries of an analyst find their index all the same ---------------------
foreach my $column ('tenant_id', 'key_id')
{
	my $value = $column eq 'key_id' ? $own->{key} : $own->{tid};
	my ($plan) = try_as($node, 'regress_atk_analyst', ["EXPLAIN SELECT * FROM apikey.usage WHERE $column = $value AND at >= '2026-01-01' AND at < '2126-01-01';"]);

	like($plan, qr/Index Scan (?:using|on) \w*_${column}_at_idx/, "an analyst's usage by $column and time: by index");
}

# --- the rest of the server --------------------------------------------------------------
# a database without the extension, and a schema of that name that is not ours
$node->safe_psql('postgres', 'CREATE DATABASE without');
$node->safe_psql('without', q{CREATE SCHEMA apikey; CREATE TABLE apikey.usage AS SELECT i % 2 AS a FROM generate_series(1, 1000) i; ANALYZE;
	GRANT USAGE ON SCHEMA apikey TO PUBLIC; GRANT SELECT ON apikey.usage TO PUBLIC});
my ($plan) = try_as($node, 'regress_atk_none', ['EXPLAIN SELECT * FROM apikey.usage WHERE a = 1;'], dbname => 'without');
like($plan, qr/rows=500 /, 'another schema of the name, in a database without the extension');
$node->safe_psql('postgres', q{CREATE TABLE public.other AS SELECT i % 2 AS a FROM generate_series(1, 1000) i; ANALYZE public.other; GRANT SELECT ON public.other TO PUBLIC});
($plan) = try_as($node, 'regress_atk_none', ['EXPLAIN SELECT * FROM public.other WHERE a = 1;']);
like($plan, qr/rows=500 /, 'tables of others keep their statistics');

server_is_fine($node);
$node->stop;

done_testing();
