# Dump and restore into a new cluster: every key still verifies, usage
# partitions have their rows, names that try to break out of a dump arrive as
# they are.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $old = new_node('old');
my $hostile = qq{x'; \\! touch pwned\n\\.\n"q" \$\$ \x{e2}\x{80}\x{ae} -- %s};

$old->safe_psql('postgres', <<'SQL');
CREATE TABLE app_key (key_id bigint PRIMARY KEY, key text NOT NULL);
SELECT apikey.create_tenant('acme');
SELECT apikey.create_tenant('eu', parent => 'acme');
SELECT apikey.create_environment('acme/eu', 'production', is_production => true);
SELECT apikey.create_policy('acme', 'standard', denied_endpoints => '{/admin/**}', grace => '1 hour');
SELECT apikey.create_role('acme/eu', 'reader', '{orders:read}');
INSERT INTO app_key SELECT key_id, key
  FROM apikey.create_keys(500, tenant => 'acme/eu', environment => 'production',
       name => 'bulk', owner => 'team', policy => 'standard', roles => '{reader}');
SQL
$old->safe_psql('postgres', <<"SQL");
INSERT INTO app_key SELECT key_id, key
  FROM apikey.create_key('acme/eu', 'production', name => \$h\$$hostile\$h\$,
       owner => \$h\$$hostile\$h\$, metadata => '{"a": [1, null]}');
SQL
$old->safe_psql('postgres',
	"SELECT count(*) FROM app_key, apikey.verify(app_key.key, scopes => '{orders:read}', method => 'GET', endpoint => '/x')");
$old->safe_psql('postgres', 'SELECT apikey.flush_usage()');
is($old->safe_psql('postgres', "SELECT count(*) FROM apikey.usage"), '501', 'usage is recorded before the dump');

# what must be the same on both sides
my $facts = <<'SQL';
SELECT 'keys', count(*), md5(string_agg(format('%s|%s|%s|%s', key_id, name, owner, metadata), ',' ORDER BY key_id)) FROM apikey.api_key
UNION ALL SELECT 'secrets', count(*), md5(string_agg(encode(digest, 'hex'), ',' ORDER BY secret_id)) FROM apikey.key_secret
UNION ALL SELECT 'usage', count(*), md5(string_agg(format('%s|%s|%s', key_id, code, at AT TIME ZONE 'UTC'), ',' ORDER BY key_id, at)) FROM apikey.usage
UNION ALL SELECT 'activity', count(*), sum(calls)::text FROM apikey.key_activity
UNION ALL SELECT 'audit', count(*), max(seq)::text FROM apikey.audit_log
UNION ALL SELECT 'event', count(*), max(event_id)::text FROM apikey.event
UNION ALL SELECT 'policy', count(*), max(version)::text FROM apikey.policy_version
UNION ALL SELECT 'tenant', count(*), string_agg(name, ',' ORDER BY tenant_id) FROM apikey.tenant
UNION ALL SELECT 'roles', count(*), NULL FROM apikey.key_role
SQL
my $verdicts = "SELECT code, count(*) FROM app_key, apikey.verify(app_key.key, scopes => '{orders:read}', method => 'GET', endpoint => '/x', record => false) GROUP BY code ORDER BY code";
my $codes = $old->safe_psql('postgres', $verdicts);
is($codes, "INSUFFICIENT_SCOPE|1\nVALID|500", 'verdicts before the dump');
# a denial is recorded whatever the caller says
$old->safe_psql('postgres', 'SELECT apikey.flush_usage()');
my $expected = $old->safe_psql('postgres', $facts);
like($expected, qr/^usage\|502\|/m, 'one denial more is on record');

my $dir = PostgreSQL::Test::Utils::tempdir;
$old->command_ok([ 'pg_dump', '-f', "$dir/plain.sql", '-d', $old->connstr('postgres') ], 'plain dump');
$old->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/custom.dump", '-d', $old->connstr('postgres') ], 'custom dump');
my $dump = slurp_file("$dir/plain.sql");
my $some_key = $old->safe_psql('postgres', 'SELECT min(key) FROM app_key');
$old->safe_psql('postgres', 'DROP TABLE app_key');
$old->command_ok([ 'pg_dump', '-f', "$dir/without.sql", '-d', $old->connstr('postgres') ], 'dump without the application\'s copy of the keys');
ok(index($dump, $some_key) >= 0 && index(slurp_file("$dir/without.sql"), $some_key) < 0,
	'the extension itself dumps no key text');
$old->stop;

my $new = new_node('new', extension => 0);
for my $form ('plain', 'custom')
{
	$new->safe_psql('postgres', "CREATE DATABASE $form");
	my @restore = $form eq 'plain'
	  ? ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain.sql", '-d', $new->connstr($form))
	  : ('pg_restore', '--exit-on-error', '-d', $new->connstr($form), "$dir/custom.dump");

	$new->command_ok(\@restore, "restore the $form dump");
	is($new->safe_psql($form, $facts), $expected, "$form: all rows arrived");
	is($new->safe_psql($form, $verdicts), $codes, "$form: every key verifies as before");
	is($new->safe_psql($form, 'SELECT name FROM apikey.api_key WHERE name NOT LIKE \'bulk%\''),
		$hostile, "$form: the hostile name arrived as it was");

	# and life goes on: new ids, new usage beside the old
	$new->safe_psql($form, <<'SQL');
INSERT INTO app_key SELECT key_id, key FROM apikey.create_key('acme/eu', 'production', name => 'after');
SELECT count(*) FROM app_key, apikey.verify(app_key.key);
SELECT apikey.flush_usage();
SQL
	is($new->safe_psql($form, 'SELECT count(*) FROM apikey.usage'), 502 + 1 + 502,
		"$form: new usage joins the restored partitions");
	is($new->safe_psql($form, "SELECT count(*) FROM apikey.audit_log WHERE action = 'key.create' AND object LIKE '%' || (SELECT max(key_id) FROM app_key)::text"),
		'1', "$form: new management calls are audited");
}
ok(!-e 'pwned', 'no command hidden in a name ran');
$new->stop;

done_testing();
