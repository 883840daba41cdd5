# A session that keeps compiled keys drops them whoever changes them and
# however: COPY, TRUNCATE, replication roles, other database roles, prepared
# transactions, the apply worker of a subscription, the WAL of a primary.  Every
# test warms the cache first: warm() verifies until the answer came from there.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $tools = <<'SQL';
CREATE OR REPLACE FUNCTION code(n int, ip inet DEFAULT '192.0.2.1') RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT v.code FROM app_key k, apikey.verify(k.key, ARRAY['reports:read'], ip) v WHERE k.n = $1 $$;
CREATE OR REPLACE FUNCTION warm(n int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
	before bigint;
BEGIN
	FOR i IN 1 .. 100 LOOP
		before := (SELECT hits FROM apikey.stat_cache);
		answer := code(n);
		IF (SELECT hits FROM apikey.stat_cache) > before THEN
			RETURN answer || ', kept';
		END IF;
	END LOOP;
	RETURN answer || ', not kept';
END $$;
SQL

my $objects = <<'SQL';
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');
SELECT apikey.create_policy('acme', 'rules');
SELECT apikey.create_role('acme', 'reporter', ARRAY['reports:read']);
CREATE TABLE app_key (n int PRIMARY KEY, key_id bigint, secret_id bigint, key text);
INSERT INTO app_key SELECT row_number() OVER (), key_id, secret_id, key
  FROM apikey.create_keys(12, tenant => 'acme', environment => 'production', policy => 'rules', roles => ARRAY['reporter']);
SQL

my $node = new_node('main', init => [ allows_streaming => 'logical' ],
	conf => "max_prepared_transactions = 10\nautovacuum = off");
$node->safe_psql('postgres', $objects . $tools);
my $session = $node->background_psql('postgres');

# changed(what, n, code, sql): the key is warm before and has that code after
sub changed
{
	my ($what, $n, $code, $sql) = @_;

	is($session->query_safe("SELECT warm($n)"), 'VALID, kept', "$what: kept before");
	$node->safe_psql('postgres', $sql);
	is($session->query_safe("SELECT code($n)"), $code, "$what: $code after");
	return;
}

changed('UPDATE by hand', 1, 'SUSPENDED',
	"UPDATE apikey.api_key SET status = 'suspended' WHERE key_id = (SELECT key_id FROM app_key WHERE n = 1)");
changed('replication role', 2, 'SUSPENDED', <<'SQL');
SET session_replication_role = replica;
UPDATE apikey.api_key SET status = 'suspended' WHERE key_id = (SELECT key_id FROM app_key WHERE n = 2);
SQL
changed('MERGE', 3, 'SUSPENDED', <<'SQL');
MERGE INTO apikey.api_key k USING app_key a ON a.n = 3 AND k.key_id = a.key_id
WHEN MATCHED THEN UPDATE SET status = 'suspended';
SQL
changed('COPY', 4, 'IP_DENIED', <<'SQL');
COPY apikey.ip_block (network, created_by) FROM stdin;
192.0.2.1/32	x
\.
SQL
$node->safe_psql('postgres', 'DELETE FROM apikey.ip_block');
changed('INSERT ... ON CONFLICT', 4, 'SUSPENDED', <<'SQL');
INSERT INTO apikey.api_key OVERRIDING SYSTEM VALUE
  SELECT k.* FROM apikey.api_key k JOIN app_key a USING (key_id) WHERE a.n = 4
  ON CONFLICT (key_id) DO UPDATE SET status = 'suspended';
SQL
changed('a cascade', 5, 'NOT_FOUND',
	"DELETE FROM apikey.api_key WHERE key_id = (SELECT key_id FROM app_key WHERE n = 5)");

$node->safe_psql('postgres', "CREATE ROLE operator LOGIN; SELECT apikey.grant_access('operator', 'operator', 'acme'); GRANT SELECT ON app_key TO operator");
is($session->query_safe('SELECT warm(6)'), 'VALID, kept', 'another database role: kept before');
$node->safe_psql('postgres', 'SELECT apikey.revoke_key(key_id) FROM app_key WHERE n = 6', extra_params => [ '-U', 'operator' ]);
is($session->query_safe('SELECT code(6)'), 'REVOKED', 'another database role: REVOKED after');

changed('PREPARE TRANSACTION', 7, 'VALID', <<'SQL');
BEGIN;
SELECT apikey.revoke_key(key_id) FROM app_key WHERE n = 7;
PREPARE TRANSACTION 'revocation';
SQL
changed('COMMIT PREPARED', 7, 'REVOKED', "COMMIT PREPARED 'revocation'");

# prepared by the session itself: until COMMIT PREPARED nothing has changed
is($session->query_safe('SELECT warm(8)'), 'VALID, kept', 'prepared here: kept before');
$session->query_safe(<<'SQL');
BEGIN;
SELECT count(*) FROM app_key a, apikey.revoke_key(a.key_id) WHERE n = 8;
PREPARE TRANSACTION 'own';
SQL
is($session->query_safe('SELECT warm(8)'), 'VALID, kept', 'prepared here: kept until it is committed');
$node->safe_psql('postgres', "COMMIT PREPARED 'own'");
is($session->query_safe('SELECT code(8)'), 'REVOKED', 'prepared here: REVOKED when another session commits it');

# without its trigger a table tells nothing, so nothing is kept
is($session->query_safe('SELECT warm(9)'), 'VALID, kept', 'triggers: kept before');
$node->safe_psql('postgres', 'ALTER TABLE apikey.api_key DISABLE TRIGGER flush_row');
is($session->query_safe('SELECT warm(9)'), 'VALID, not kept', 'triggers: not kept while one is disabled');
$node->safe_psql('postgres', "UPDATE apikey.api_key SET status = 'suspended' WHERE key_id = (SELECT key_id FROM app_key WHERE n = 9)");
is($session->query_safe('SELECT code(9)'), 'SUSPENDED', 'triggers: a change without a message counts');
$node->safe_psql('postgres', 'ALTER TABLE apikey.api_key ENABLE TRIGGER flush_row');
is($session->query_safe('SELECT warm(10)'), 'VALID, not kept', 'triggers: ENABLE is not ENABLE ALWAYS');
$node->safe_psql('postgres', 'ALTER TABLE apikey.api_key ENABLE ALWAYS TRIGGER flush_row');
is($session->query_safe('SELECT warm(10)'), 'VALID, kept', 'triggers: kept again');
$node->safe_psql('postgres', 'DROP TRIGGER flush_truncate ON apikey.member');
is($session->query_safe('SELECT warm(10)'), 'VALID, not kept', 'triggers: not kept when one is missing');
$node->safe_psql('postgres', <<'SQL');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.member FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.member ENABLE ALWAYS TRIGGER flush_truncate;
CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER zz_other BEFORE UPDATE ON apikey.api_key FOR EACH ROW EXECUTE FUNCTION other();
SQL
is($session->query_safe('SELECT warm(10)'), 'VALID, not kept', 'triggers: not kept where another one may change the row behind ours');
$node->safe_psql('postgres', 'DROP TRIGGER zz_other ON apikey.api_key');
changed('TRUNCATE', 10, 'INSUFFICIENT_SCOPE', 'TRUNCATE apikey.key_role');

# a million messages, or so many that a session falls behind and loses some
$node->safe_psql('postgres', "UPDATE apikey.role SET scopes = ARRAY['reports:read']; INSERT INTO apikey.key_role (key_id, role_id, tenant_id) SELECT k.key_id, r.role_id, k.tenant_id FROM apikey.api_key k, apikey.role r");
changed('lost messages', 11, 'SUSPENDED', <<'SQL');
UPDATE apikey.api_key SET status = 'suspended' WHERE key_id = (SELECT key_id FROM app_key WHERE n = 11);
DO $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		CREATE TEMP TABLE filler (a int);
		DROP TABLE filler;
		COMMIT;
	END LOOP;
END $$;
SQL

# memory
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE many AS SELECT row_number() OVER () AS n, key FROM apikey.create_keys(3000, tenant => 'acme', environment => 'production', metadata => '{"plan": "gold"}');
SQL
my $all = 'SELECT count(*) FROM many m, apikey.verify(m.key) v WHERE v.valid';
my $stat = $node->background_psql('postgres');
is($stat->query_safe($all), '3000', 'three thousand keys verify');
is($stat->query_safe("$all; SELECT misses = 3000, hits >= 3000, evictions, entries, bytes <= 16384 * 1024 FROM apikey.stat_cache"),
	"3000\nt|t|0|3000|t", 'and are kept');
$stat->query_safe('SET apikey.cache_size = 256');
is($stat->query_safe("$all; SELECT evictions > 5000, entries > 50, entries < 1000, bytes <= 256 * 1024 FROM apikey.stat_cache"),
	"3000\nt|t|t|t", 'with less memory, fewer: the bound holds and old ones give way');
is($stat->query_safe(<<'SQL'), "100\n50", 'what is in use stays');
SELECT count(*) FROM generate_series(1, 100) g, many m, apikey.verify(m.key) v WHERE m.n = 1 AND v.valid;
DO $$ BEGIN PERFORM set_config('test.hits', (SELECT hits::text FROM apikey.stat_cache), false); END $$;
DO $$
BEGIN
	FOR i IN 1 .. 50 LOOP
		PERFORM apikey.verify(key) FROM many WHERE n BETWEEN 100 + i * 20 AND 119 + i * 20;
		PERFORM apikey.verify(key) FROM many WHERE n = 1;
	END LOOP;
END $$;
SELECT hits - current_setting('test.hits')::bigint FROM apikey.stat_cache;
SQL
$stat->query_safe('SET apikey.cache_size = 0');
is($stat->query_safe("$all; $all; SELECT entries, bytes FROM apikey.stat_cache"), "3000\n3000\n0|0", 'with none, nothing is kept');
$stat->query_safe('RESET apikey.cache_size');
is($stat->query_safe('SELECT warm(12)'), 'VALID, kept', 'and with some again it is');

# a large key is answered, whether or not it fits
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE large AS SELECT key_id, key FROM apikey.create_key('acme', 'production');
UPDATE apikey.api_key SET metadata = jsonb_build_object('x', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 20000) i))
  WHERE key_id = (SELECT key_id FROM large);
SQL
$stat->query_safe('SET apikey.cache_size = 1024');
is($stat->query_safe('SELECT sum(length(v.metadata::text)) > 1200000 FROM generate_series(1, 3), large, apikey.verify(key) v; SELECT bytes <= 1024 * 1024 FROM apikey.stat_cache'),
	"t\nt", 'a key larger than its share is read each time');
$stat->quit;

# verify() puts the row of a valid key together by hand, verify_many() does not
is($node->safe_psql('postgres', <<'SQL'), "1200\n0", 'verify and verify_many give the same rows');
CREATE TABLE shapes AS SELECT k.key FROM generate_series(0, 299) i, apikey.create_key('acme', 'production',
  owner => CASE WHEN i % 3 > 0 THEN repeat('o', i / 2 + 1) END,
  name => CASE WHEN i % 5 > 0 THEN repeat('n', i % 200 + 1) END,
  scopes => (SELECT array_agg('scope:' || j) FROM generate_series(1, i % 40) j),
  metadata => CASE WHEN i % 7 > 0 THEN jsonb_build_object('m', repeat('x', i)) END,
  expires_at => CASE WHEN i % 2 = 0 THEN now() + make_interval(days => i + 1) WHEN i % 11 = 0 THEN 'infinity' END) k;
CREATE TABLE twice AS SELECT a, b FROM generate_series(1, 4), shapes, LATERAL (SELECT apikey.verify(key) a) x, apikey.verify_many(ARRAY[key]) b;
SELECT count(*) FROM twice WHERE (a).valid;
SELECT count(*) FROM twice WHERE NOT a *= b OR a::text <> b::text;
SQL
$node->safe_psql('postgres', 'DROP TABLE shapes, twice');

# dropped and made again in one session
is($session->query_safe('SELECT warm(12)'), 'VALID, kept', 'another extension: kept before');
$session->query_safe('SET client_min_messages = warning; DROP EXTENSION apikey CASCADE');
$session->query_safe("CREATE EXTENSION apikey; SELECT apikey.create_tenant('acme'), apikey.create_environment('acme', 'production')");
is($session->query_safe("SELECT code FROM app_key, apikey.verify(key) WHERE n = 12"), 'NOT_FOUND', 'another extension: keys of the old one are gone');
is($session->query_safe("SELECT v.code FROM apikey.create_key('acme', 'production') k, apikey.verify(k.key) v"), 'VALID', 'another extension: its own keys verify');
$session->quit;

# the apply worker of a subscription
$node->safe_psql('postgres', 'DROP TABLE app_key, many, large; DROP EXTENSION apikey CASCADE; DROP ROLE operator');
$node->safe_psql('postgres', 'CREATE EXTENSION apikey;' . $objects);
$node->safe_psql('postgres', <<'SQL');
CREATE PUBLICATION p FOR TABLE app_key, apikey.tenant, apikey.environment, apikey.policy, apikey.policy_version, apikey.role,
  apikey.api_key, apikey.key_secret, apikey.key_role, apikey.keyring, apikey.ip_block;
SQL
my $subscriber = new_node('subscriber', conf => 'autovacuum = off');
$subscriber->safe_psql('postgres', 'CREATE TABLE app_key (n int PRIMARY KEY, key_id bigint, secret_id bigint, key text);' . $tools);
my $source = $node->connstr . ' dbname=postgres';
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$source' PUBLICATION p");
$subscriber->wait_for_subscription_sync($node, 's');
$session = $subscriber->background_psql('postgres');

sub applied
{
	my ($what, $n, $code, $sql) = @_;

	is($session->query_safe("SELECT warm($n)"), 'VALID, kept', "applied $what: kept before");
	$node->safe_psql('postgres', $sql);
	$node->wait_for_catchup('s');
	is($session->query_safe("SELECT code($n)"), $code, "applied $what: $code after");
	return;
}

applied('revocation', 1, 'REVOKED', 'SELECT apikey.revoke_key(key_id) FROM app_key WHERE n = 1');
applied('DELETE', 2, 'NOT_FOUND', 'DELETE FROM apikey.key_secret WHERE secret_id = (SELECT secret_id FROM app_key WHERE n = 2)');
applied('version of a policy', 3, 'IP_DENIED', "SELECT apikey.set_policy('acme', 'rules', denied_cidrs => ARRAY['192.0.2.0/24'::cidr], force => true)");
$node->safe_psql('postgres', "SELECT apikey.set_policy('acme', 'rules', clear => ARRAY['denied_cidrs'])");
$node->wait_for_catchup('s');
applied('TRUNCATE', 3, 'INSUFFICIENT_SCOPE', 'TRUNCATE apikey.key_role');
$session->quit;
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION s');
$subscriber->stop;

# a standby that replays the WAL of its primary
$node->safe_psql('postgres', 'INSERT INTO apikey.key_role (key_id, role_id, tenant_id) SELECT k.key_id, r.role_id, k.tenant_id FROM apikey.api_key k, apikey.role r');
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN;
SELECT apikey.grant_access('app', 'verifier', 'acme');
GRANT SELECT ON app_key TO app;
SQL
$node->safe_psql('postgres', $tools);
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$session = $standby->background_psql('postgres');
my $app = $standby->background_psql('postgres', extra_params => [ '-U', 'app' ]);

sub replayed
{
	my ($what, $n, $code, $sql) = @_;

	is($session->query_safe("SELECT warm($n)"), 'VALID, kept', "replayed $what: kept before");
	is($app->query_safe("SELECT code($n)"), 'VALID', "replayed $what: valid for a plain role");
	$node->safe_psql('postgres', $sql);
	$node->wait_for_catchup($standby);
	is($session->query_safe("SELECT code($n)"), $code, "replayed $what: $code after");
	is($app->query_safe("SELECT code($n)"), $code, "replayed $what: and for a plain role");
	return;
}

$app->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
replayed('revocation', 4, 'REVOKED', 'SELECT apikey.revoke_key(key_id) FROM app_key WHERE n = 4');
$app->query_safe('COMMIT');
replayed('block', 5, 'IP_DENIED', "INSERT INTO apikey.ip_block (network, created_by) VALUES ('192.0.2.0/24', 'x')");
$node->safe_psql('postgres', 'TRUNCATE apikey.ip_block');
$node->wait_for_catchup($standby);
is($app->query_safe('SELECT code(5)'), 'VALID', 'replayed TRUNCATE: the block is gone');
$node->safe_psql('postgres', "SELECT apikey.revoke_access('app', 'verifier', 'acme'); SELECT apikey.create_tenant('other'), apikey.grant_access('app', 'verifier', 'other')");
$node->wait_for_catchup($standby);
is($app->query_safe('SELECT code(5)'), 'NOT_FOUND', 'replayed end of access: NOT_FOUND for the role');
is($session->query_safe('SELECT code(5)'), 'VALID', 'replayed end of access: of others nothing is lost');
$app->quit;
$session->quit;

done_testing();
