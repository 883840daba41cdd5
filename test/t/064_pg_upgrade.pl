# pg_upgrade: the library loads into a server that only migrates catalogs, no
# worker starts there, and afterwards every key verifies and usage is there.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $old = new_node('before');
$old->safe_psql('postgres', <<'SQL');
CREATE TABLE app_key (key text);
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');
INSERT INTO app_key SELECT key FROM apikey.create_keys(50, tenant => 'acme', environment => 'production');
SELECT count(*) FROM app_key, apikey.verify(app_key.key);
SELECT apikey.flush_usage();
SQL
my $facts = "SELECT (SELECT count(*) FROM apikey.usage), (SELECT count(*) FROM apikey.api_key), (SELECT count(*) FROM apikey.audit_log), (SELECT sum(calls) FROM apikey.key_activity)";
my $expected = $old->safe_psql('postgres', $facts);
like($expected, qr/^50\|50\|/, 'fifty keys and their usage before the upgrade');
$old->stop;

my $new = new_node('after', start => 0);
my $bindir = $old->config_data('--bindir');
my $dir = PostgreSQL::Test::Utils::tempdir;
chdir($dir) or die;
command_ok([ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $bindir, '-B', $bindir, '-s', $new->host, '-p', $old->port, '-P', $new->port ],
	'pg_upgrade runs');
$new->start;
is($new->safe_psql('postgres', $facts), $expected, 'all rows are there');
is($new->safe_psql('postgres', "SELECT count(*) FROM app_key, apikey.verify(app_key.key) v WHERE v.code = 'VALID'"),
	'50', 'every key verifies');
is($new->safe_psql('postgres', 'SELECT apikey.flush_usage()'), 't', 'usage is recorded again');
is($new->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage'), '100', 'beside the old rows');
is($new->safe_psql('postgres', "SELECT count(*) FROM apikey.create_key('acme', 'production')"), '1', 'keys are created again');
$new->stop;

done_testing();
