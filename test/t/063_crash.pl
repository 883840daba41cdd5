# kill -9 under load: a revocation whose commit returned is never forgotten,
# with synchronous_commit off too, and the server serves again.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $rounds = 3;
my $node = new_node('crash', conf => <<'CONF');
restart_after_crash = on
synchronous_commit = off
wal_writer_delay = 10s
CONF
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE app_key (n int, key_id bigint, key text);
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');
INSERT INTO app_key SELECT row_number() OVER (), key_id, key
  FROM apikey.create_keys(60, tenant => 'acme', environment => 'production');
CHECKPOINT;
SQL

my $revoked = 0;
for my $round (1 .. $rounds)
{
	# load: a session that verifies all keys again and again until it dies
	my $load = $node->background_psql('postgres', on_error_stop => 0);
	$load->query_until(qr/started/, <<'SQL');
\echo started
SELECT count(*) FROM generate_series(1, 1000000) g, app_key k, apikey.verify(k.key) v;
SQL
	ok(poll($node, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1000000)%' AND pid <> pg_backend_pid() AND state = 'active'", '1'),
		"round $round: verifications are running");

	# revoke, ten commits that returned
	for (1 .. 10)
	{
		$revoked++;
		$node->safe_psql('postgres', "SELECT apikey.revoke_key(key_id) FROM app_key WHERE n = $revoked");
	}
	my $victim = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1000000)%' AND pid <> pg_backend_pid()");
	kill(9, $victim) == 1 or die "could not kill $victim";
	eval { $load->quit };

	ok(poll($node, 'SELECT 1', '1'), "round $round: the server serves again");
	is($node->safe_psql('postgres',
			"SELECT count(*) FROM app_key k, apikey.verify(k.key) v WHERE k.n <= $revoked AND v.code = 'REVOKED'"),
		$revoked, "round $round: every committed revocation holds");
	is($node->safe_psql('postgres',
			"SELECT count(*) FROM app_key k, apikey.verify(k.key) v WHERE k.n > $revoked AND v.code = 'VALID'"),
		60 - $revoked, "round $round: no other key is lost");
	is($node->safe_psql('postgres', 'SELECT apikey.flush_usage()'), 't', "round $round: the writer works again");
}

# What a DBA takes away by hand holds too, and the same for a policy.
$node->safe_psql('postgres', <<'SQL');
SELECT apikey.create_policy('acme', 'open');
UPDATE apikey.api_key SET policy_id = (SELECT policy_id FROM apikey.policy) WHERE key_id = (SELECT key_id FROM app_key WHERE n = 60);
SQL
is($node->safe_psql('postgres', "SELECT count(*) FROM app_key k, apikey.verify(k.key) v WHERE k.n > 40 AND v.code = 'VALID'"),
	'20', 'twenty keys are valid');
$node->safe_psql('postgres', 'CHECKPOINT');
$node->safe_psql('postgres', "UPDATE apikey.api_key SET status = 'revoked', revoked_at = now() WHERE key_id = (SELECT key_id FROM app_key WHERE n = 41)");
$node->safe_psql('postgres', "DELETE FROM apikey.key_secret WHERE key_id = (SELECT key_id FROM app_key WHERE n = 42)");
$node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE apikey.key_secret SET revoked_at = now() WHERE key_id = (SELECT key_id FROM app_key WHERE n = 43)");
$node->safe_psql('postgres', "INSERT INTO apikey.policy_version (policy_id, version, tenant_id, effective_at, author, allowed_cidrs) SELECT policy_id, 2, tenant_id, now(), 'by hand', '{192.0.2.0/24}' FROM apikey.policy");
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', "SELECT string_agg(v.code, ' ' ORDER BY k.n) FROM app_key k, apikey.verify(k.key) v WHERE k.n IN (41, 42, 43, 44, 60)"),
	'REVOKED NOT_FOUND REVOKED VALID IP_DENIED', 'changes by hand survive an immediate stop, with synchronous_commit = off');
$node->stop;

done_testing();
