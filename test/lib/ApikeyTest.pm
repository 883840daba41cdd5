
# ApikeyTest.pm: what the TAP files share.
#
#	use ApikeyTest;
#	my $node = new_node('main');
#	ok(poll($node, 'SELECT count(*) FROM apikey.usage', 3), 'three rows');

package ApikeyTest;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(new_node poll sqlstate_of);

# new_node($name, %opts): a running server with the extension.
#
#	preload   => 0		do not preload the library (default 1)
#	extension => 0		do not create the extension in "postgres" (default 1)
#	conf      => text	more configuration
#	init      => [...]	arguments of init(), such as allows_streaming => 1
#	start     => 0		leave it stopped (implies extension => 0)
sub new_node
{
	my ($name, %opts) = @_;
	my $preload = $opts{preload} // 1;
	my $node    = PostgreSQL::Test::Cluster->new($name);

	$node->init(@{ $opts{init} // [] });
	$node->append_conf('postgresql.conf', <<"CONF");
max_worker_processes = 32
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %b %q%u\@%d '
CONF
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'apikey'")
	  if $preload;
	$node->append_conf('postgresql.conf', $opts{conf}) if defined $opts{conf};
	return $node if exists $opts{start} && !$opts{start};

	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION apikey CASCADE')
	  if $opts{extension} // 1;
	return $node;
}

# poll($node, $sql, $expected, $dbname): asks until the answer is $expected
# (default "t"), for at most 180 s.  Errors are tried again: the server may
# be starting, the object may be on its way.
sub poll
{
	my ($node, $sql, $expected, $dbname) = @_;
	my $end = time() + ($ENV{PG_TEST_TIMEOUT_DEFAULT} || 180);
	my ($rc, $out, $err);

	$expected = 't' unless defined $expected;
	do
	{
		# psql may give up before it has read anything
		($rc, $out, $err) = eval { $node->psql($dbname // 'postgres', $sql) };
		($rc, $err) = (-1, $@) if $@;
		return 1 if $rc == 0 && $out eq $expected;
		usleep(100_000);
	} while (time() < $end);
	diag("gave up waiting for \"$expected\" from: $sql\n"
		  . "last answer: \"" . ($out // '') . "\" " . ($err // ''));
	return 0;
}

# sqlstate_of($node, $sql, $dbname): the SQLSTATE of the error that $sql raises
# and, in list context, all that psql wrote to stderr; "00000" for none
sub sqlstate_of
{
	my ($node, $sql, $dbname) = @_;
	my ($rc, $out, $err) = $node->psql($dbname // 'postgres',
		"\\set VERBOSITY verbose\n$sql", on_error_stop => 1);
	my ($state) = ($err // '') =~ /(?:ERROR|FATAL):  ([0-9A-Z]{5}):/;

	$state = $rc == 0 ? '00000' : 'none' unless defined $state;
	return wantarray ? ($state, $err) : $state;
}

1;
