
# ExampleData.pm: a server with something for every query of examples/.
#
#	use ExampleData;
#	my $node = example_node('metrics');
#	my ($names, $types, $rows) = answer($node, 'analyst', 'SELECT ...');
#	my $foreign = foreign($node);
#
# Roles: analyst (the tenants shop and hostile, and one of mock data), metrics
# (auditor of all), nobody (no access).  In "shop" a key made 20 requests,
# verified and logged, and 25 that were denied, three times; another was
# verified without a record.  "hostile" has names that somebody chose to break
# what shows them.

package ExampleData;

use strict;
use warnings;
use utf8;
use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

our @EXPORT = qw(example_node answer foreign slurp @hostile);

# names of environments, keys, owners and, without control characters, quotas
our @hostile = (
	q{it's "production" \\ {x="1"} \\n},
	"two\nlines\tand a tab\r",
	q{$__timeFilter(x) $__interval ${tenant} $tenant $a(b) [[tenant]] {{APIKEY_METRICS_URL}}},
	"\x{202e}\x{627}\x{644}\x{639}\x{631}\x{628}\x{64a}\x{629} \x{1f511}\x{10fffd}",
	q{</td><script>alert(1)</script>&amp;});

sub slurp
{
	my ($path) = @_;

	open my $fh, '<:raw', $path or die "could not open $path: $!";
	local $/;
	return scalar <$fh>;
}

sub example_node
{
	my ($name) = @_;
	my $node = new_node($name, conf => "apikey.guard_attempts = 0\n");

	# sums of a day begin at midnight
	ok(poll($node, q{SELECT (now() AT TIME ZONE 'UTC')::time < '23:57'}), 'it is the same day for a while');
	my $array = 'ARRAY[' . join(', ', map { my $t = $_; utf8::encode($t); $t =~ s/'/''/g; "'$t'" } @hostile) . ']::text[]';
	$node->safe_psql('postgres', <<"SQL");
CREATE ROLE analyst LOGIN;
CREATE ROLE metrics LOGIN;
CREATE ROLE nobody LOGIN;
SELECT count(*) FROM apikey.mock_tenants(4, 88);
SELECT count(*) FROM apikey.mock_keys(60, 88);
SELECT count(*) FROM apikey.mock_usage(20000, now() - interval '26 hours', now(), 88, '{error_burst,enumeration}');
SELECT apikey.create_tenant('shop');
SELECT apikey.create_tenant('hostile');
SELECT apikey.create_tenant('foreign-tenant');
SELECT apikey.create_policy(t, 'small', quotas => ARRAY[('month', 1000, 'month', 'UTC', 'key')]::apikey.quota[]) FROM unnest('{shop,foreign-tenant}'::text[]) t;
SELECT apikey.create_environment(t, 'production', is_production => true, default_policy => 'small') FROM unnest('{shop,foreign-tenant}'::text[]) t;
SELECT apikey.create_policy('hostile', 'p' || n, quotas => ARRAY[(left(regexp_replace(name, '[[:cntrl:]]', ' ', 'g'), 30), CASE WHEN n = 1 THEN 4611686018427387903 ELSE 10 * n END, 'month', 'UTC', 'key')]::apikey.quota[])
	FROM unnest($array) WITH ORDINALITY h (name, n);
SELECT apikey.create_environment('hostile', name, tag => 'h' || n, is_production => n = 1, default_policy => 'p' || n)
	FROM unnest($array) WITH ORDINALITY h (name, n);
SELECT set_config('apikey.test_now', extract(epoch FROM now() - interval '40 days')::text, false);
SELECT key_id FROM unnest('{shop,foreign-tenant}'::text[]) t, LATERAL apikey.create_key(t, 'production', name => 'forgotten ' || t, owner => 'ann ' || t);
RESET apikey.test_now;
CREATE TABLE traffic AS
	SELECT t AS tenant, k.key_id, k.key, n FROM unnest('{shop,foreign-tenant}'::text[]) t, generate_series(1, 3) n,
		LATERAL apikey.create_key(t, 'production', name => 'web' || n || ' of ' || t, owner => 'bob of ' || t, expires_at => now() + n * interval '3 days', endpoints => '{"/v1/**"}') k;
SELECT count(apikey.rotate_key(key_id, overlap => '1 day')) FROM traffic WHERE n = 1;
CREATE TABLE quiet AS SELECT k.key_id, k.key FROM apikey.create_key('shop', 'production', name => 'quiet', owner => 'sue', expires_at => now() + interval '1 year', endpoints => '{"/v1/**"}') k;
CREATE TABLE strange AS
	SELECT k.key_id, k.key, n, name FROM unnest($array) WITH ORDINALITY h (name, n),
		LATERAL apikey.create_key('hostile', name, name => name, owner => name, tags => ARRAY['project:' || left(name, 60)]) k;
SELECT k.key_id FROM apikey.create_key('shop', 'production', name => 'gone', owner => 'sue') k, LATERAL apikey.revoke_key(k.key_id, 'lost');
-- all within one minute, and hour
SELECT set_config('apikey.test_now', extract(epoch FROM clock_timestamp())::text, false);
SELECT count(*) FROM traffic, generate_series(1, 20) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/v1/orders/' || i, ip => '192.0.2.1', user_agent => 'examples') v WHERE valid;
SELECT count(*) FROM traffic, generate_series(1, 25) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/admin/' || i, ip => '192.0.2.2') v WHERE code = 'ENDPOINT_DENIED';
SELECT count(apikey.log_usage(key_id, status => CASE WHEN i > 15 THEN 503 ELSE 200 END, latency => i * interval '3 ms', bytes_in => 10, bytes_out => 1000, method => 'GET', endpoint => '/v1/orders/' || i)) FROM traffic, generate_series(1, 20) i;
SELECT count(*) FROM quiet, generate_series(1, 50) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/v1/orders/' || i, record => false) v WHERE valid;
SELECT count(apikey.log_usage(key_id, status => 200, method => 'GET', endpoint => '/v1/orders/' || i)) FROM quiet, generate_series(1, 1000) i;
SELECT count(*) FROM quiet, generate_series(1, 25) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/admin/' || i, ip => '192.0.2.2', record => false) v WHERE code = 'ENDPOINT_DENIED';
SELECT count(*) FROM strange, generate_series(1, (n + 1)::int) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/' || name, ip => '192.0.2.3', user_agent => name, request_id => i::text) v WHERE valid;
SELECT count(apikey.log_usage(key_id, status => 503, latency => n * interval '10 ms', method => 'GET', endpoint => '/' || name)) FROM strange;
RESET apikey.test_now;
SELECT apikey.grant_access('analyst', 'analyst', t.name) FROM (SELECT unnest('{shop,hostile}'::text[]) AS name UNION ALL (SELECT name FROM apikey.tenant WHERE parent_id IS NULL AND name ~ 'mock' ORDER BY name LIMIT 1)) t;
SELECT apikey.grant_access('metrics', 'auditor');
SQL
	is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'all of it is stored');
	$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
	ok(poll($node, 'SELECT count(*) >= 9 FROM apikey.quota_state WHERE used > 0'), 'quotas are used');
	like(foreign($node), qr/\|mock/, 'there are tenants that the analyst does not see');
	return $node;
}

# a pattern of the tenants that the analyst does not see
sub foreign
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{SELECT 'foreign-tenant|' || string_agg(name, '|') FROM apikey.tenant
		WHERE parent_id IS NULL AND name ~ 'mock' AND tenant_id NOT IN (SELECT tenant_id FROM apikey.member WHERE tenant_id IS NOT NULL)});
}

# answer($node, $role, $query): (names of columns, types, rows) or dies.  Rows
# are lists of bytes, undef for NULL.
sub answer
{
	my ($node, $role, $query) = @_;
	my ($out, $err) = ('', '');

	$query =~ s/[;\s]+$//;
	my $input = "\\set ON_ERROR_STOP 1\n$query \\gdesc\n\\echo ----\n\\pset fieldsep_zero on\n\\pset recordsep '\\036'\n$query;\n";
	my $ok = run_log(
		[ 'psql', '-X', '-q', '-A', '-t', '-F', "\t", '-P', "null=\002", '-d', $node->connstr('postgres') . " user=$role client_encoding=UTF8", '-f', '-' ],
		'<', \$input, '>', \$out, '2>', \$err);
	die "$err\nin: $query\n" unless $ok;
	my ($described, $rows) = split /^----\n/m, $out, 2;
	$rows =~ s/\n\z//;
	my @columns = map { [ split /\t/ ] } split /\n/, $described;
	my @rows = map { [ map { $_ eq "\002" ? undef : $_ } split /\0/, $_, -1 ] } split /\036/, $rows;
	return ([ map { $_->[0] } @columns ], [ map { $_->[1] } @columns ], \@rows);
}

1;
