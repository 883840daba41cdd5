# ApikeyWorkers.pm: what the TAP files about usage and workers share.

package ApikeyWorkers;

use strict;
use warnings;
use Exporter 'import';
use ApikeyTest;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(setup_key worker_pid workers_run workers_gone verify_sql
  stat_usage signal_worker process_gone log_lacks);

# setup_key($node, $dbname): tenant acme, environment prod, one key; its text
sub setup_key
{
	my ($node, $dbname) = @_;

	return $node->safe_psql($dbname // 'postgres', <<'SQL');
SELECT key FROM apikey.create_tenant('acme') t,
	LATERAL (SELECT apikey.create_environment('acme', 'prod', tag => 'live') WHERE t IS NOT NULL) e,
	LATERAL (SELECT key FROM apikey.create_key('acme', 'prod', name => 'one') WHERE e IS NOT NULL) k
SQL
}

# verify_sql($key, $n): a statement that verifies the key n times, and its
# codes with their counts as the answer
sub verify_sql
{
	my ($key, $n) = @_;

	return "SELECT string_agg(code || ' ' || n, ',' ORDER BY code) FROM (SELECT code, count(*) n "
	  . "FROM generate_series(1, $n) g, LATERAL (SELECT (apikey.verify('$key', request_id => g::text)).code) v GROUP BY 1) c";
}

# worker_pid($node, 'writer', $dbname): the pid, '' when there is none
sub worker_pid
{
	my ($node, $kind, $dbname) = @_;

	$dbname //= 'postgres';
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'apikey $kind' AND datname = '$dbname'");
}

# workers_run($node, $dbname): waits until writer and housekeeper are there
sub workers_run
{
	my ($node, $dbname, $count) = @_;

	$dbname //= 'postgres';
	return poll($node,
		"SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('apikey writer', 'apikey housekeeper') AND datname = '$dbname'",
		$count // 2);
}

sub workers_gone
{
	my ($node, $dbname) = @_;

	return workers_run($node, $dbname, 0);
}

# signal_worker($node, 'writer', 'TERM'): returns the pid it had
sub signal_worker
{
	my ($node, $kind, $signal, $dbname) = @_;
	my $pid = worker_pid($node, $kind, $dbname);

	die "no $kind" if $pid eq '';
	kill($signal, $pid) == 1 or die "could not send $signal to $kind $pid";
	return $pid;
}

# process_gone($pid): waits until it has ended
sub process_gone
{
	my ($pid) = @_;

	for (1 .. 1800)
	{
		return 1 unless kill(0, $pid);
		usleep(100_000);
	}
	return 0;
}

# stat_usage($node): the counters as a hash
sub stat_usage
{
	my ($node, $dbname) = @_;
	my @columns = qw(written waiting dropped suppressed bytes lag_us buffer_size);
	my %row;

	@row{@columns} = split /\|/, $node->safe_psql($dbname // 'postgres',
		"SELECT written, waiting, dropped, suppressed, bytes, (extract(epoch FROM lag) * 1e6)::bigint, buffer_size FROM apikey.stat_usage");
	return \%row;
}

# log_lacks($node, qr/.../, $name): the whole log of the server has no such line
sub log_lacks
{
	my ($node, $pattern, $name) = @_;

	unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), $pattern, $name);
}

1;
