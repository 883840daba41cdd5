# The tree of tenants with many clients at once: tenants are moved at random
# while keys are made, revoked and deleted in them and limits are set, and what
# must hold holds in the end; one bucket of a tenant gives exactly what it has to
# keys of many tenants below, also across a crash.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $node = new_node('tree', conf => "apikey.limit_wait = 60s\napikey.quota_block = 16");
my $dir  = PostgreSQL::Test::Utils::tempdir;

# clients($n, $times, $weight => $script, ...): pgbench
sub clients
{
	my ($n, $times, @scripts) = @_;
	my @files;

	while (my ($weight, $script) = splice @scripts, 0, 2)
	{
		my $file = "$dir/" . @files . '.sql';

		open my $fh, '>', $file or die "$file: $!";
		print $fh $script;
		close $fh;
		push @files, '-f', "$file\@$weight";
	}
	$node->command_ok([ 'pgbench', '-n', '-c', $n, '-j', 2, '-t', $times, @files, '-h', $node->host, '-p', $node->port, 'postgres' ],
		"$n clients");
}

# --- moves

my $tenants = 12;
$node->safe_psql('postgres', <<"SQL");
CREATE TABLE outcome (what text, state text, message text);
SELECT apikey.create_tenant('root');
SELECT apikey.create_tenant('t' || i, 'root', max_keys => CASE i % 3 WHEN 0 THEN 20 WHEN 1 THEN 60 END) FROM generate_series(1, $tenants) i;
CREATE TABLE ids AS SELECT tenant_id AS id, name FROM apikey.tenant WHERE name ~ '^t';
SELECT apikey.create_environment('root/' || name, 'e'), apikey.create_policy('root/' || name, 'p' || name) FROM ids;
CREATE FUNCTION path(i integer) RETURNS text LANGUAGE sql AS \$\$ SELECT CASE WHEN i = 0 THEN 'root' ELSE (SELECT apikey.tenant_path(id) FROM ids WHERE name = 't' || i) END \$\$;
CREATE FUNCTION attempt(what text, statement text) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
	EXECUTE statement;
	INSERT INTO outcome VALUES (what, '00000');
EXCEPTION WHEN OTHERS THEN
	INSERT INTO outcome VALUES (what, SQLSTATE, SQLERRM);
END \$\$;
SQL
my $any = '\set t random(1, ' . $tenants . ")\n\\set u random(0, $tenants)\n\\set n random(1, 4)\n";
clients(8, 250,
	3 => $any . q{SELECT attempt('move', format('SELECT apikey.move_tenant(%L, %L)', path(:t), path(:u)));},
	4 => $any . q{SELECT attempt('keys', format('SELECT apikey.create_keys(%s, %L, %L)', :n, path(:t), 'e'));},
	2 => $any . q{SELECT attempt('key', format('SELECT apikey.create_key(%L, %L, policy => %L)', path(:t), 'e', 'pt' || greatest(:u, 1)));},
	3 => $any . q{SELECT attempt('delete', format('SELECT apikey.revoke_key(%1$s), apikey.delete_key(%1$s)', coalesce((SELECT key_id FROM apikey.api_key WHERE status <> 'revoked' ORDER BY md5(key_id::text || :t) LIMIT 1), 0)));},
	1 => $any . q{SELECT attempt('limits', format('SELECT apikey.update_tenant(%L, rate_limits => (SELECT array_agg((i, 10, ''1 s'', NULL, NULL)::apikey.rate_limit) FROM generate_series(1, %s) i))', path(:t), :n + 3));});
note($node->safe_psql('postgres', 'SELECT what, state, count(*), min(message) FROM outcome GROUP BY 1, 2 ORDER BY 1, 2'));
is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT what, ' ' ORDER BY what) FROM outcome WHERE state = '00000'}),
	'delete key keys limits move', 'each could do something');

# below itself, a path or key that is gone meanwhile, no room, the policy; and
# the policy that a creator found before the move
is($node->safe_psql('postgres', q{SELECT what, state, message FROM outcome WHERE state NOT IN ('00000', '22023', '42704', '54000', '55000', 'AK001')
	AND NOT (state = '40001' AND message = 'the tenant was moved away from the policy at the same time')}), '', 'no deadlock, no error that tells nothing');
my $chain = <<'SQL';
WITH RECURSIVE up AS (
	SELECT tenant_id AS start, tenant_id, parent_id, 1 AS depth, cardinality(rate_limits) AS limits FROM apikey.tenant
	UNION ALL
	SELECT u.start, t.tenant_id, t.parent_id, u.depth + 1, u.limits + cardinality(t.rate_limits)
	FROM up u JOIN apikey.tenant t ON t.tenant_id = u.parent_id WHERE u.depth < 50)
SQL
is($node->safe_psql('postgres', "$chain SELECT count(DISTINCT start) = (SELECT count(*) FROM apikey.tenant), max(depth) <= 16, max(limits) <= 16 FROM up WHERE parent_id IS NULL"),
	't|t|t', 'every tenant is below a root, not too deep, with few enough limits');
is($node->safe_psql('postgres', "$chain SELECT t.name, t.max_keys, count(*) FROM up u JOIN apikey.tenant t USING (tenant_id) JOIN apikey.api_key k ON k.tenant_id = u.start AND k.status <> 'revoked' GROUP BY t.tenant_id HAVING count(*) > t.max_keys"),
	'', 'max_keys holds');
is($node->safe_psql('postgres', "$chain SELECT count(*) FROM apikey.api_key k JOIN apikey.policy p USING (policy_id) WHERE NOT EXISTS (SELECT FROM up u WHERE u.start = k.tenant_id AND u.tenant_id = p.tenant_id)"),
	'0', 'no policy is out of reach');

# --- one bucket of a tenant

my ($rate, $quota) = (300, 500);
$node->safe_psql('postgres', <<"SQL");
SELECT apikey.create_tenant('shared', quotas => ARRAY[('q', $quota, 'total', NULL, NULL)::apikey.quota]);
SELECT apikey.create_tenant('s1', 'shared', rate_limits => ARRAY[('r', $rate, '365 days', NULL, NULL)::apikey.rate_limit]);
SELECT apikey.create_tenant('s2', 'shared/s1'), apikey.create_tenant('s3', 'shared');
SELECT apikey.create_environment(t, 'e') FROM unnest(ARRAY['shared', 'shared/s1', 'shared/s1/s2', 'shared/s3']) t;
CREATE TABLE k AS
	SELECT row_number() OVER () AS i, t, key FROM generate_series(1, 5) g, unnest(ARRAY['shared', 'shared/s1', 'shared/s1/s2', 'shared/s3']) t, LATERAL apikey.create_key(t, 'e');
CREATE TABLE answers (t text, code text);
SQL
my $ask = "\\set i random(1, 20)\nINSERT INTO answers SELECT t, (apikey.verify(key)).code FROM k WHERE i = :i;\n";
my $narrow = "\\set i random(1, 20)\nINSERT INTO answers SELECT t, (apikey.verify(key)).code FROM k WHERE i = :i AND t ~ '/s1';\n";
my $passed = "SELECT count(*) FROM answers WHERE code = 'VALID'";
clients(8, 150, 1 => $narrow);
is($node->safe_psql('postgres', "SELECT string_agg(DISTINCT code, ' ' ORDER BY code) FROM answers"), 'RATE_LIMITED VALID', 'codes');
is($node->safe_psql('postgres', $passed), $rate, 'what a tenant has, its keys and those below get together, not one more');
is($node->safe_psql('postgres', "SELECT count(DISTINCT t) FROM answers WHERE code = 'VALID'"), '2', 'both tenants');

# half of the rest, then a crash: at most a block is lost
clients(4, 40, 1 => "\\set i random(1, 20)\nINSERT INTO answers SELECT t, (apikey.verify(key)).code FROM k WHERE i = :i AND t !~ '/s1';\n");
my $before = $node->safe_psql('postgres', $passed);
$node->stop('immediate');
$node->start;
clients(8, 150, 1 => $ask);
my $after = $node->safe_psql('postgres', $passed);
cmp_ok($before, '>', $rate, 'some before the crash');
cmp_ok($after, '<=', $quota, 'never more than the quota of the tenant above');
cmp_ok($after, '>=', $quota - 16, 'at most a block is lost');
is($node->safe_psql('postgres', q{SELECT q.shared, t.name, q.units, q.reserved FROM apikey.quota_state q JOIN apikey.tenant t USING (tenant_id)}),
	"tree|shared|$quota|$quota", 'the row is of the tenant that has the limit');
is($node->safe_psql('postgres', q{SELECT DISTINCT (v).limit_name, (v).remaining, (v).detail FROM (SELECT apikey.verify(key) AS v FROM k WHERE t = 'shared/s3') a}),
	'||a quota of a tenant above is used up', 'which tells nothing of the others');

$node->stop;
done_testing();
