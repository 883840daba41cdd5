# The master key: outside of the database, wraps the data key.  A dump alone
# is worthless, a wrong or missing master key is one clear error and never
# NOT_FOUND.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_key
{
	my ($name, $text, $mode) = @_;
	my $path = "$dir/$name";

	open(my $fh, '>', $path) or die "could not write $path: $!";
	print $fh $text;
	close($fh);
	chmod($mode // 0600, $path) or die;
	return $path;
}

my $first = write_key('first', ('0123456789abcdef' x 4) . "\n");
my $second = write_key('second', 'fedcba9876543210' x 4);
my $readable = write_key('readable', 'fedcba9876543210' x 4, 0644);
my $short = write_key('short', "0123456789\n");

my $node = new_node('master');

# set_master(name => value, ...): configuration as an administrator changes it
sub set_master
{
	my ($server, %settings) = @_;
	for my $name (qw(master_key_file master_key_command previous_master_key_file previous_master_key_command))
	{
		my $value = $settings{$name} // '';
		$server->safe_psql('postgres', "ALTER SYSTEM SET apikey.$name = '$value'");
	}
	$server->reload;
	for my $name (keys %settings)
	{
		ok(poll($server, "SELECT setting = '$settings{$name}' FROM pg_settings WHERE name = 'apikey.$name'"),
			"the server took over apikey.$name");
	}
	ok(poll($server, "SELECT count(*) FROM pg_settings WHERE name LIKE 'apikey.%master_key%' AND setting <> ''",
			scalar(keys %settings)), 'and no other one');
}

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE app_key (key text);
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');
INSERT INTO app_key SELECT key FROM apikey.create_keys(20, tenant => 'acme', environment => 'production');
SQL
my $valid = "SELECT count(*) FROM app_key, apikey.verify(app_key.key, record => false) v WHERE v.code = 'VALID'";
is($node->safe_psql('postgres', $valid), '20', 'keys verify under a data key in the clear');
is($node->safe_psql('postgres', 'SELECT wrapped FROM apikey.keyring'), 'f', 'no master key: not wrapped');
my $digests = $node->safe_psql('postgres', 'SELECT md5(string_agg(digest::text, \',\' ORDER BY secret_id)) FROM apikey.key_secret');
my $plain = $node->safe_psql('postgres', "SELECT encode(material, 'hex') FROM apikey.keyring");

# wrap
set_master($node, master_key_file => $first);
is($node->safe_psql('postgres', 'SELECT apikey.rewrap_keyring()'), '1', 'one data key is wrapped');
is($node->safe_psql('postgres', 'SELECT wrapped FROM apikey.keyring'), 't', 'it is stored wrapped');
is($node->safe_psql('postgres', $valid), '20', 'keys verify with the master key');
is($node->safe_psql('postgres', "SELECT position(decode('$plain', 'hex') in material) FROM apikey.keyring"), '0',
	'the data key is not to be seen in its wrapped form');

# a session that held the data key before notices a rewrap by another
my $session = $node->background_psql('postgres');
is($session->query_safe($valid), '20', 'an open session verifies');

# rotate the master key: the old one is given as the previous one
set_master($node, master_key_command => "cat $second", previous_master_key_file => $first);
is($node->safe_psql('postgres', $valid), '20', 'keys verify in new sessions before the rewrap, by the previous master key');
is($node->safe_psql('postgres', 'SELECT apikey.rewrap_keyring()'), '1', 'the data key is wrapped anew');
set_master($node, master_key_command => "cat $second");
is($session->query_safe($valid), '20', 'the open session follows');
$session->quit;
is($node->safe_psql('postgres', $valid), '20', 'keys verify under the second master key, read from a command');
is($node->safe_psql('postgres', 'SELECT md5(string_agg(digest::text, \',\' ORDER BY secret_id)) FROM apikey.key_secret'),
	$digests, 'rotating the master key hashes nothing anew');

# wrong, missing, unreadable, malformed
my %cases = (
	'wrong'     => [ { master_key_file => $first }, 'AK011' ],
	'none'      => [ {}, 'AK010' ],
	'no file'   => [ { master_key_file => "$dir/nowhere" }, 'AK010' ],
	'readable'  => [ { master_key_file => $readable }, 'AK010' ],
	'malformed' => [ { master_key_file => $short }, 'AK010' ],
	'a directory' => [ { master_key_file => $dir }, 'AK010' ],
	'failing command' => [ { master_key_command => 'exit 3' }, 'AK010' ],
	'chatty command' => [ { master_key_command => "cat $second; echo more" }, 'AK010' ]);
for my $name (sort keys %cases)
{
	set_master($node, %{ $cases{$name}->[0] });
	my ($state, $err) = sqlstate_of($node, $valid);
	is($state, $cases{$name}->[1], "$name: verify fails with its own SQLSTATE");
	unlike($err, qr/fedcba98|01234567/, "$name: the error tells nothing of a key");
	is(sqlstate_of($node, "SELECT * FROM apikey.create_key('acme', 'production')"),
		$cases{$name}->[1], "$name: so does create_key");
	is($node->safe_psql('postgres', "SELECT count(*) FROM apikey.api_key"), '20', "$name: nothing half-written");
}
unlike(slurp_file($node->logfile), qr/(fedcba9876543210){4}|(0123456789abcdef){4}/, 'no master key in the log');

# a dump verifies only with the master key
set_master($node, master_key_file => $second);
my $dump = "$dir/dump.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
$node->stop;
my $other = new_node('other', extension => 0);
$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $other->connstr('postgres') ],
	'restore without the master key');
is(sqlstate_of($other, $valid), 'AK010', 'nothing verifies without the master key');
set_master($other, master_key_file => $second);
is($other->safe_psql('postgres', $valid), '20', 'everything verifies with it');

# and back to a data key in the clear
is($other->safe_psql('postgres', 'SELECT apikey.rewrap_keyring(plain => true)'), '1', 'unwrapped on request');
set_master($other);
is($other->safe_psql('postgres', $valid), '20', 'keys verify without a master key again');
$other->stop;

done_testing();
