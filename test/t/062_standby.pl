# A hot standby verifies, and denies what has been revoked once that is
# replayed, also inside a transaction that began before.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $primary = new_node('primary', init => [ allows_streaming => 1 ]);
$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE app_key (n int, key_id bigint, key text);
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');
INSERT INTO app_key SELECT row_number() OVER (), key_id, key
  FROM apikey.create_keys(3, tenant => 'acme', environment => 'production');
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

my $code = "SELECT v.code FROM app_key k, apikey.verify(k.key) v WHERE k.n =";
is($standby->safe_psql('postgres', "$code 1"), 'VALID', 'the standby verifies');
is($standby->safe_psql('postgres', "SELECT code FROM apikey.verify('nonsense')"), 'MALFORMED', 'and refuses nonsense');

my $old = $standby->background_psql('postgres');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($old->query_safe("$code 1"), 'VALID', 'valid in a transaction that stays open');

$primary->safe_psql('postgres', "SELECT apikey.revoke_key(key_id) FROM app_key WHERE n = 1");
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "$code 1"), 'REVOKED', 'denied after the revocation has been replayed');
is($old->query_safe("$code 1"), 'REVOKED', 'also in the transaction that began before it');
is($old->query_safe("$code 2"), 'VALID', 'the other key is not touched');
$old->query_safe('COMMIT');
$old->quit;

is(sqlstate_of($standby, "SELECT apikey.revoke_key((SELECT key_id FROM app_key WHERE n = 2))"), '25006',
	'managing keys on a standby is a read-only error');

# everything a standby could be asked to do in parallel mode or read only
is($standby->safe_psql('postgres', "BEGIN READ ONLY; $code 2; COMMIT"), 'VALID', 'verifies in a read-only transaction');

$standby->promote;
is($standby->safe_psql('postgres', "$code 1"), 'REVOKED', 'still revoked after promotion');
is($standby->safe_psql('postgres', "SELECT status FROM apikey.revoke_key((SELECT key_id FROM app_key WHERE n = 2))"),
	'revoked', 'a promoted standby manages keys');
is($standby->safe_psql('postgres', "$code 2"), 'REVOKED', 'and denies at once');
is($standby->safe_psql('postgres', "$code 3"), 'VALID', 'the third key is valid');

$standby->stop;
$primary->stop;

done_testing();
