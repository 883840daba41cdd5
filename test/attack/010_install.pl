# CREATE EXTENSION by a superuser in a database that a hostile plain role owns
# and has prepared: it either refuses, and leaves nothing, or installs cleanly
# and runs nothing of what the other has laid out.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node = new_node('install', extension => 0);
my $script = slurp_file((glob $node->config_data('--sharedir') . '/extension/apikey--*.sql')[0]);
my %words = map { $_ => 1 } $script =~ /\b([a-z_][a-z0-9_]{2,})\b/g;
my $words = '{' . join(',', sort keys %words) . '}';

$node->safe_psql('postgres', 'CREATE ROLE regress_atk_owner LOGIN');

# database($name): a new one, owned by the attacker
sub database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name OWNER regress_atk_owner");
	return $name;
}

sub attack
{
	my ($db, $sql) = @_;
	return $node->safe_psql($db, $sql, extra_params => [ '-U', 'regress_atk_owner' ]);
}

# refused($db, $pattern, $name): the extension cannot be created, and nothing is left of it
sub refused
{
	my ($db, $pattern, $name) = @_;
	my ($rc, $out, $err) = $node->psql($db, 'SET client_min_messages = warning; CREATE EXTENSION apikey CASCADE');

	ok($rc != 0 && $err =~ $pattern, "$name: refused") or diag($err);
	is($node->safe_psql($db, q{
			SELECT count(*) FROM pg_extension WHERE extname = 'apikey'
			UNION ALL SELECT count(*) FROM pg_proc WHERE probin LIKE '%apikey%'
			UNION ALL SELECT count(*) FROM pg_class WHERE relname = 'key_secret'}),
		"0\n0\n0", "$name: nothing is left");
	return;
}

# --- the schema is there already -----------------------------------------------
my $db = database('own_schema');
attack($db, 'CREATE SCHEMA apikey');
refused($db, qr/schema "apikey" belongs to another role/, 'a schema of the attacker');
attack($db, 'DROP SCHEMA apikey');
$node->safe_psql($db, 'CREATE EXTENSION apikey CASCADE');
is($node->safe_psql($db, q{SELECT code FROM apikey.verify('x')}), 'MALFORMED', 'installed once the schema is gone');

# a function, type or table of ours is there already, or one beside it that a
# call with other types would prefer
my %planted = (
	'a function of ours'         => 'CREATE FUNCTION apikey._shown(value text) RETURNS text LANGUAGE sql AS $$ SELECT value $$',
	'a function beside ours'     => 'CREATE FUNCTION apikey._may(varchar, int) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$',
	'a variadic beside ours'     => 'CREATE FUNCTION apikey._path(VARIADIC bigint[]) RETURNS text LANGUAGE sql AS $$ SELECT NULL::text $$',
	'a table of ours'            => 'CREATE TABLE apikey.tenant (tenant_id bigint, name text)',
	'a view of ours'             => 'CREATE VIEW apikey.api_key AS SELECT 1 AS key_id',
	'a type of ours'             => 'CREATE TYPE apikey.verdict AS (valid boolean)',
	'a type that hides a table'  => 'CREATE DOMAIN apikey.key_secret AS text',
	'an operator in the schema'  => 'CREATE FUNCTION public.eq(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$; CREATE OPERATOR apikey.= (PROCEDURE = public.eq, LEFTARG = text, RIGHTARG = text)',
	'a sequence of ours'         => 'CREATE SEQUENCE apikey.tenant_tenant_id_seq',
	'an aggregate in the schema' => 'CREATE AGGREGATE apikey.x (int) (SFUNC = int4pl, STYPE = int)',
	'a collation in the schema'  => 'CREATE COLLATION apikey.x FROM "C"');
$db = database('planted');
foreach my $what (sort keys %planted)
{
	# the superuser's schema, in which everybody may create for a moment
	$node->safe_psql($db, 'CREATE SCHEMA apikey; GRANT USAGE, CREATE ON SCHEMA apikey TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC');
	attack($db, $planted{$what});
	my ($rc, $out, $err) = $node->psql($db, 'SET client_min_messages = warning; CREATE EXTENSION apikey CASCADE');
	ok($rc != 0 && $err =~ /ERROR/, "$what: refused") or diag($err);
	is($node->safe_psql($db, q{SELECT count(*) FROM pg_extension WHERE extname = 'apikey'}), '0', "$what: not installed");
	$node->safe_psql($db, 'SET client_min_messages = error; DROP SCHEMA apikey CASCADE; DROP FUNCTION IF EXISTS public.eq(text, text)');
}

# an empty schema of the superuser that everybody may use and create in
$node->safe_psql($db, 'CREATE SCHEMA apikey; GRANT ALL ON SCHEMA apikey TO PUBLIC, regress_atk_owner; CREATE EXTENSION apikey CASCADE');
is($node->safe_psql($db, q{SELECT has_schema_privilege('regress_atk_owner', 'apikey', 'CREATE') OR has_schema_privilege('regress_atk_owner', 'apikey', 'USAGE')}),
	'f', 'rights on the schema from before are taken back');

# --- everything but the schema is hostile ---------------------------------------
$db = database('surroundings');
attack($db, attack_file('hostile.sql'));
cmp_ok(attack($db, "SELECT evil.arm('$words')"), '>', 300, 'look-alikes of the server\'s functions and operators');
# the extension that ours needs is there already, among the look-alikes
attack($db, 'SET client_min_messages = warning; CREATE EXTENSION pgcrypto SCHEMA evil');
attack($db, "ALTER DATABASE $db SET search_path = evil, pg_catalog, public");
is($node->safe_psql($db, q{SELECT 'a' || 'b' IS NULL}), 't', 'a superuser in this database calls them');
$node->safe_psql($db, 'DELETE FROM evil.log');
$node->safe_psql($db, <<'SQL');
CREATE TEMP TABLE pg_namespace (oid oid, nspname name, nspowner oid, nspacl aclitem[]);
CREATE TEMP TABLE pg_proc (oid oid);
CREATE TEMP TABLE tenant (tenant_id int);
CREATE EXTENSION apikey;
SQL
is($node->safe_psql($db, 'SELECT what, who FROM evil.log'), '', 'none of them is called while the extension is created');

# ... nor by what the workers run, nor by views and policies
$node->safe_psql($db, $_) foreach
	q{SELECT FROM apikey.create_tenant('t')}, q{SELECT FROM apikey.create_environment('t', 'e')},
	q{SELECT FROM apikey.create_key('t', 'e', expires_at => '2099-01-01', scopes => '{a}', cidrs => '{10.0.0.0/8}', endpoints => '{GET /**}')},
	q{SELECT FROM apikey.create_policy('t', 'p', idle_timeout => '1 day')},
	q{SELECT FROM apikey.grant_access('regress_atk_owner', 'admin', 't')};
my $key = $node->safe_psql($db, q{SELECT key FROM apikey.create_key('t', 'e', quotas => '{"(month,100,month,,)"}', rate_limits => '{"(hour,100,01:00,,)"}')});
is($node->safe_psql($db, "SELECT apikey.is_allowed('$key', ip => '192.0.2.1', endpoint => '/x')"), 't', 'verification in this database');
is($node->safe_psql($db, q{SELECT apikey.flush_usage('180 s')}), 't', 'the writer works in this database');
ok(poll($node, q{SET search_path = pg_catalog; SELECT bool_and(runs > 0) FROM apikey.stat_worker}, 't', $db), 'every task of the workers has run');
is($node->safe_psql($db, q{SELECT worker, task, error FROM apikey.stat_worker WHERE error IS NOT NULL}), '', 'no task has failed');
attack($db, 'SELECT FROM apikey.key; SELECT FROM apikey.usage; SELECT FROM apikey.tenant; SELECT FROM apikey.event');
is($node->safe_psql($db, 'SELECT what, who FROM evil.log'), '', 'none of them is called by functions, views, policies, workers');

# --- hostile default privileges ----------------------------------------------------
$db = database('defaults');
$node->safe_psql($db, <<'SQL');
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC, regress_atk_owner;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO PUBLIC, regress_atk_owner;
ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO PUBLIC, regress_atk_owner;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TYPES TO PUBLIC, regress_atk_owner;
ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO PUBLIC, regress_atk_owner;
CREATE EXTENSION apikey CASCADE;
SELECT apikey.create_tenant('t'), apikey.ensure_partitions();
SQL
is($node->safe_psql($db, <<'SQL'), '', 'nobody has a right after hostile default privileges, on leaves of usage neither');
SELECT o, a.grantee::regrole, a.privilege_type FROM (
	SELECT 'schema', relowner, acl FROM (SELECT nspowner, nspacl FROM pg_namespace WHERE nspname = 'apikey') n (relowner, acl)
	UNION ALL SELECT oid::regclass::text, relowner, relacl FROM pg_class WHERE relnamespace = 'apikey'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
	UNION ALL SELECT oid::regprocedure::text, proowner, proacl FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace
	UNION ALL SELECT oid::regtype::text, typowner, typacl FROM pg_type WHERE typnamespace = 'apikey'::regnamespace AND typelem = 0 AND typtype IN ('c', 'd', 'e')
		AND typrelid IN (SELECT oid FROM pg_class WHERE relkind = 'c')
) x (o, owner, acl), aclexplode(acl) a WHERE a.grantee <> x.owner
SQL

# --- other ways in ------------------------------------------------------------------
$db = database('others');
attack($db, 'CREATE SCHEMA evil');
$node->safe_psql($db, 'CREATE EXTENSION pgcrypto');
my ($rc, $out, $err) = $node->psql($db, 'CREATE EXTENSION apikey SCHEMA evil');
like($err, qr/must be installed in schema "apikey"/, 'not to be installed in another schema');
($rc, $out, $err) = $node->psql($db, 'CREATE EXTENSION apikey', extra_params => [ '-U', 'regress_atk_owner' ]);
like($err, qr/permission denied to create extension "apikey"/, 'not to be installed by the owner of the database');
server_is_fine($node);
$node->stop;

done_testing();
