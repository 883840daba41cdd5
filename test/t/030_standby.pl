# A hot standby verifies, drops and counts the events, and has workers after
# its promotion.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyWorkers;

my $primary = new_node('primary', init => [ allows_streaming => 1 ]);
my $key = setup_key($primary);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

is($standby->safe_psql('postgres', verify_sql($key, 10)), 'VALID 10', 'the standby verifies');
is($standby->safe_psql('postgres', verify_sql('nonsense', 10)), 'MALFORMED 10', 'and denies');
my $stat = stat_usage($standby);
is($stat->{dropped}, 20, 'every event is counted as dropped');
is($stat->{waiting}, 0, 'none waits');
is($stat->{written}, 0, 'none is written');
like(slurp_file($standby->logfile), qr/usage events are dropped: there is no usage writer on a standby/, 'the log tells');
is($standby->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'there is nothing to flush');
is($standby->safe_psql('postgres', "SET apikey.usage_sync = on; SELECT code FROM apikey.verify('$key')"), 'VALID', 'usage_sync does not wait there');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'apikey%'"), 0, 'no worker runs');
log_lacks($standby, qr/apikey (writer|housekeeper|launcher|probe)/, 'and none was started');

$primary->stop;
$standby->promote;
ok(workers_run($standby), 'promoted: the workers start');
is($standby->safe_psql('postgres', verify_sql($key, 7)), 'VALID 7', 'verified');
is($standby->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'flushed');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM apikey.usage'), 7, 'and recorded');
is($standby->safe_psql('postgres', 'SELECT dropped FROM apikey.stat_usage'), 21, 'the count of lost events stays');
$standby->stop;
done_testing();
