# A second factor on a server that restarts, is dumped and restored elsewhere,
# logs what it can, and has its data key wrapped: codes are made here, from
# the secret as an authenticator gets it.
use strict;
use warnings;
use Digest::SHA qw(hmac_sha1);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('factor', extension => 0, conf => "max_prepared_transactions = 5\nlog_statement = none\n");

# pgcrypto where a look-alike of its hmac() is found first
$node->safe_psql('postgres', <<'SQL');
CREATE SCHEMA odd;
CREATE EXTENSION pgcrypto SCHEMA odd;
CREATE EXTENSION apikey;
CREATE FUNCTION public.hmac(bytea, bytea, text) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(repeat('00', 20), 'hex') $$;
CREATE ROLE alice LOGIN;
CREATE ROLE bob LOGIN;
CREATE TABLE code (code text);
GRANT SELECT ON code TO PUBLIC;
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production', is_production => true);
SELECT apikey.grant_access('alice', 'admin');
SELECT apikey.grant_access('bob', 'admin');
SQL

sub unbase32
{
	my $bits = join('', map { sprintf('%05b', index('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $_)) } split(//, shift));
	return pack('B*', $bits);
}

# the code of a secret at an instant
sub code_at
{
	my ($secret, $at) = @_;
	my $hash = hmac_sha1(pack('Q>', int($at / 30)), unbase32($secret));
	my $number = unpack('N', substr($hash, ord(substr($hash, -1)) & 15, 4)) & 0x7fffffff;
	return sprintf('%06d', $number % 1000000);
}
is(code_at('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ', 1111111109), '081804', 'a vector of RFC 6238');

# run statements as a role at an instant of the test clock; a session of its
# own, which only a superuser can give another clock, and other settings
my $settings = '';
sub as
{
	my ($server, $role, $at, $sql, $db) = @_;
	my ($rc, $out, $err) = $server->psql($db // 'postgres', "$settings SET apikey.test_now = '$at'; SET ROLE $role; $sql",
		extra_params => [ '-v', 'VERBOSITY=verbose', '-q' ]);
	return $rc == 0 ? $out : ($err =~ /ERROR:  (\w{5})/ ? $1 : "no SQLSTATE: $err");
}

# log all that a session can make the server log
$node->append_conf('postgresql.conf', "log_min_duration_statement = 0\n");
$node->reload;
my $noisy = 'SET debug_print_plan = on; SET debug_print_parse = on; SET debug_print_rewritten = on; SET log_min_messages = debug1;';
my $now = 2240000000;
my $secret = as($node, 'alice', $now, 'SELECT secret FROM apikey.enroll_totp()');
like($secret, qr/^[A-Z2-7]{32}$/, 'a secret of 160 bits');
$settings = $noisy;
my $bob = as($node, 'bob', $now, 'SELECT secret FROM apikey.enroll_totp()');
$settings = '';
like($bob, qr/^[A-Z2-7]{32}$/, 'another one, in a session that logs its plans');
is(as($node, 'alice', $now, "SELECT apikey.confirm_totp('" . code_at($secret, $now) . "')"), 't', 'confirmed');
is(as($node, 'bob', $now, "SELECT apikey.confirm_totp('" . code_at($bob, $now) . "')"), 't', 'so is the other one');
$node->append_conf('postgresql.conf', "log_min_duration_statement = -1\n");
$node->reload;
ok(poll($node, "SELECT setting = '-1' FROM pg_settings WHERE name = 'log_min_duration_statement'"), 'back to a quiet log');

# of codes: those that were not accepted are in no log line
$now += 300;
my $wrong = code_at($secret, $now + 60);
is(as($node, 'alice', $now, "SELECT apikey.step_up('$wrong')"), '28000', 'a code of two steps ahead');
my $used = code_at($secret, $now);
$node->safe_psql('postgres', "INSERT INTO code VALUES ('$used')");
$settings = $noisy;
is(as($node, 'alice', $now, 'SELECT apikey.step_up(code) FROM code'), 't', 'a right one, taken from a table');
$settings = '';
is(as($node, 'alice', $now, "SELECT apikey.step_up('$used')"), '28000', 'used before');
my $log = slurp_file($node->logfile);
ok($log !~ /$secret|$bob/, 'no secret in the server log');
for my $s ($secret, $bob)
{
	my $bytes = unbase32($s);
	my $hex = unpack('H*', $bytes);
	my $list = join(' ', unpack('c*', $bytes));
	ok($log !~ /$hex|\Q$list\E/, 'nor its bytes');
}
my $as_list = join(' ', unpack('c*', $used));
ok($log !~ /step_up\('$wrong'\)|step_up\('$used'\)/, 'a statement with a code that was not accepted is not logged');
ok($log !~ /\Q$as_list\E/, 'nor is a code as a constant of a plan');
ok($log =~ /second factor was not accepted/, 'but the fact is');

# what cannot be had by any setting
my $oid = $node->safe_psql('postgres', "SELECT 'alice'::regrole::oid");
for my $how ("ALTER DATABASE postgres SET apikey.stepped_up = '$oid'", "ALTER ROLE alice SET apikey.stepped_up = '$oid'",
	"ALTER SYSTEM SET apikey.stepped_up = '$oid'", "SET apikey.stepped_up = '$oid'")
{
	isnt($node->psql('postgres', $how), 0, $how =~ s/ = .*//r . ' is refused');
}
{
	local $ENV{PGOPTIONS} = "-c apikey.stepped_up=$oid";
	my ($rc, $out, $err) = $node->psql('postgres', "SELECT current_setting('apikey.stepped_up')", extra_params => [ '-U', 'alice' ]);
	isnt($out, $oid, 'nor does a connection option set it');
}

# not beyond the transaction, be it prepared
$now += 300;
is(as($node, 'alice', $now, "BEGIN; SELECT apikey.step_up('" . code_at($secret, $now) . "'); PREPARE TRANSACTION 'p'; SELECT apikey.remove_totp();"),
	'AK005', 'a prepared transaction leaves no mark to the session');
is(as($node, 'alice', $now, "COMMIT PREPARED 'p'; SELECT apikey.remove_totp();"), 'AK005', 'nor does its commit');

# a restart: what was accepted and committed stays used
my $before = $now;
$node->restart;
is(as($node, 'alice', $before, "SELECT apikey.step_up('" . code_at($secret, $before) . "')"), '28000', 'a code is not good again after a restart');
is(as($node, 'alice', $before, "SELECT apikey.step_up('" . code_at($secret, $before + 30) . "')"), 't', 'the next one is');
# what was accepted and rolled back is not known any more: no code that could
# have been given before the start is accepted
my $start = $node->safe_psql('postgres', 'SELECT floor(extract(epoch FROM pg_postmaster_start_time()))');
my $real = $node->safe_psql('postgres', 'CREATE ROLE carol LOGIN; SELECT apikey.grant_access(\'carol\', \'admin\', \'acme\') AS a \gset
	SET ROLE carol; SELECT secret FROM apikey.enroll_totp()');
for my $at ($start - 30, $start, $start + 30)
{
	my ($rc, $out, $err) = $node->psql('postgres', "SELECT apikey.confirm_totp('" . code_at($real, $at) . "')", extra_params => [ '-U', 'carol' ]);
	like($err, qr/second factor was not accepted/, 'a code of the time of the start');
}

# apikey.step_up
sub step_up_mode
{
	my ($mode) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET apikey.step_up = '$mode'");
	$node->reload;
	ok(poll($node, "SELECT setting = '$mode' FROM pg_settings WHERE name = 'apikey.step_up'"), "apikey.step_up is $mode");
}
my $finding = "SELECT severity FROM apikey.check_setup() WHERE item = 'step-up'";
is($node->safe_psql('postgres', $finding), '', 'nothing to report');
is(as($node, 'alice', $now, 'SELECT apikey.rewrap_keyring()'), 'AK005', 'who has enrolled must step up');
is($node->safe_psql('postgres', 'SELECT apikey.rewrap_keyring()'), '1', 'who has not need not');
step_up_mode('required');
is(sqlstate_of($node, 'SELECT apikey.rewrap_keyring()'), 'AK005', 'required: everybody must');
step_up_mode('off');
is(as($node, 'alice', $now, 'SELECT apikey.rewrap_keyring()'), '1', 'off: nobody must');
is(as($node, 'alice', $now, 'SELECT apikey.remove_totp()'), 'AK005', 'but a second factor still guards itself');
is($node->safe_psql('postgres', $finding), 'warning', 'check_setup() tells of it');
step_up_mode('enrolled');

# a wrapped data key: a rewrap leaves second factors as they are
my $master = "$dir/master";
append_to_file($master, '0123456789abcdef' x 4);
chmod(0600, $master);
my $material = "SELECT md5(string_agg(material::text, ',' ORDER BY role_name)) FROM apikey.member_totp";
my $was = $node->safe_psql('postgres', $material);
$node->safe_psql('postgres', "ALTER SYSTEM SET apikey.master_key_file = '$master'");
$node->reload;
ok(poll($node, "SELECT setting <> '' FROM pg_settings WHERE name = 'apikey.master_key_file'"), 'a master key');
$now += 300;
is(as($node, 'alice', $now, "BEGIN; SELECT apikey.step_up('" . code_at($secret, $now) . "') AS a \\gset\nSELECT apikey.rewrap_keyring(); COMMIT"),
	'1', 'stepped up, the keyring is wrapped');
is($node->safe_psql('postgres', 'SELECT wrapped FROM apikey.keyring'), 't', 'it is');
is($node->safe_psql('postgres', $material), $was, 'second factors stay as they are');
$now += 300;
is(as($node, 'alice', $now, "SELECT apikey.step_up('" . code_at($secret, $now) . "')"), 't', 'and work');

# a ciphertext is good for its role only
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE kept AS SELECT role_oid, material FROM apikey.member_totp;
UPDATE apikey.member_totp m SET material = o.material FROM apikey.member_totp o WHERE m.role_name = 'bob' AND o.role_name = 'alice';
SQL
is(as($node, 'bob', $now, "SELECT apikey.step_up('" . code_at($secret, $now + 30) . "')"), 'XX001', "another role's secret does not open");
$node->safe_psql('postgres', 'UPDATE apikey.member_totp m SET material = k.material FROM kept k WHERE k.role_oid = m.role_oid');

# dumped and restored elsewhere, where roles have other OIDs: by name, as with
# access
my $dump = "$dir/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
unlike(slurp_file($dump), qr/\Q$secret\E|@{[ unpack('H*', unbase32($secret)) ]}/, 'no secret in the dump');
my $other = new_node('other', extension => 0);
$other->safe_psql('postgres', 'CREATE ROLE someone; CREATE ROLE another; CREATE ROLE dave LOGIN; CREATE ROLE carol LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE alice LOGIN');
isnt($other->safe_psql('postgres', "SELECT 'alice'::regrole::oid"), $oid, 'another OID');
$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $other->connstr('postgres') ], 'restore');
$now += 300;
is(as($other, 'alice', $now, "SELECT apikey.step_up('" . code_at($secret, $now) . "')"), 'AK010', 'without the master key: an error of its own');
$other->safe_psql('postgres', "ALTER SYSTEM SET apikey.master_key_file = '$master'");
$other->reload;
ok(poll($other, "SELECT setting <> '' FROM pg_settings WHERE name = 'apikey.master_key_file'"), 'the master key');
is(as($other, 'alice', $now, 'SELECT apikey.rewrap_keyring()'), 'AK005', 'alice must step up there, too');
is(as($other, 'alice', $now, "SELECT apikey.step_up('" . code_at($bob, $now) . "')"), '28000', "not with bob's factor");
is(as($other, 'alice', $now, "SELECT apikey.step_up('" . code_at($secret, $now) . "')"), 't', 'but with her own');
is(as($other, 'alice', $now, "SELECT apikey.step_up('" . code_at($secret, $now) . "')"), '28000', 'once');
is(as($other, 'alice', $now, 'SELECT apikey.enroll_totp()'), '55000', 'no second one beside it');
$now += 300;
is(as($other, 'alice', $now, "BEGIN; SELECT apikey.step_up('" . code_at($secret, $now) . "') AS a \\gset\nSELECT apikey.remove_totp(); COMMIT"),
	't', 'removed');
is(as($other, 'alice', $now, 'SELECT secret IS NOT NULL FROM apikey.enroll_totp()'), 't', 'and enrolled anew');
# lost: an admin of all tenants removes it; the last one's a superuser deletes
is(as($other, 'alice', $now, "SELECT apikey.remove_totp('bob')"), 't', 'one that is lost');
is(as($other, 'bob', $now, 'SELECT apikey.rewrap_keyring()'), '1', 'bob is as if he had never enrolled');

$other->stop;
$node->stop;
done_testing();
