# The library preloaded and not preloaded.
#
# Not preloaded, everything that creates objects must still work, because
# pg_upgrade and pg_restore load the library into servers that know nothing
# of it; only functions that need shared memory refuse, with a remedy.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $node = new_node('preloaded');

is($node->safe_psql('postgres',
		"SELECT extversion FROM pg_extension WHERE extname = 'apikey'"),
	'0.1.0', 'the extension is created after preload');
is($node->safe_psql('postgres', "SELECT code FROM apikey.verify('no key')"),
	'MALFORMED', 'verify answers without any tenant, key or partition');
is($node->safe_psql('postgres', "SELECT apikey.is_allowed(NULL)"),
	'f', 'is_allowed answers no for NULL');
$node->restart;
is($node->safe_psql('postgres', "SELECT code FROM apikey.verify('')"),
	'MALFORMED', 'verify answers after a restart');
$node->stop;

my $bare = new_node('bare', preload => 0);

is($bare->safe_psql('postgres',
		"SELECT count(*) FROM pg_extension WHERE extname = 'apikey'"),
	'1', 'the extension is created without preload');
my ($state, $err) = sqlstate_of($bare, "SELECT * FROM apikey.verify('no key')");
is($state, '55000', 'verify without preload: object_not_in_prerequisite_state');
like($err, qr/HINT:.*shared_preload_libraries/, 'the hint names the setting');
is($bare->safe_psql('postgres',
		"DROP EXTENSION apikey; SELECT count(*) FROM pg_extension WHERE extname = 'apikey'"),
	'0', 'the extension is dropped without preload');
$bare->stop;

done_testing();
