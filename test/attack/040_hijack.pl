# A hostile search_path: look-alikes of the server's functions, operators and
# types before the real ones, and temporary tables under the names of ours,
# while somebody with more rights calls what the extension offers.  None of the
# look-alikes may ever be called.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node  = attack_node();
my $words = $node->safe_psql('postgres', <<'SQL');
SELECT array_agg(DISTINCT w[1]) FROM pg_proc, regexp_matches(prosrc, '[a-z_][a-z0-9_]{2,}', 'g') w WHERE pronamespace = 'apikey'::regnamespace AND prolang <> 13
SQL
my @attacker = (extra_params => [ '-U', 'regress_atk_none' ]);

$node->safe_psql('postgres', attack_file('hostile.sql'), @attacker);
cmp_ok($node->safe_psql('postgres', "SELECT evil.arm('$words')", @attacker), '>', 300, 'look-alikes are there');

my $hostile = join ' ', 'SET search_path = pg_temp, evil, pg_catalog, public;',
  map { "CREATE TEMP TABLE $_ (key_id bigint, tenant_id bigint, name text, status text);" }
  qw(tenant environment policy policy_version role api_key key_role key_secret key_activity ip_block member event audit_log usage keyring task_state pg_roles pg_class pg_proc pg_inherits);

# the trap works: an ordinary function falls into it, whoever calls it
$node->safe_psql('postgres', q{CREATE FUNCTION public.careless(a text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN a = ''x''; END'});
my ($out) = try_as($node, 'postgres', ["SELECT FROM public.careless('y');"], before => $hostile);
like($out, qr/EVIL: =\(text,text\)/, 'a function without a pinned search_path falls into the trap');

# every public function, with nothing of the caller's around the call; an
# aggregate has no place in FROM
foreach my $role ('postgres', 'regress_atk_admin')
{
	my @calls = read_attacks('calls.sql');
	my @sql   = map { fill($_->{sql}, 'own') =~ /(apikey\.(\w+)\(.*\))[^()]*;/s ? 'BEGIN; SELECT ' . ($2 =~ /_merge$/ ? '' : 'FROM ') . "$1; ROLLBACK;" : die "no call in $_->{sql}" } @calls;
	my @out = try_as($node, $role, \@sql, before => $hostile);

	for my $i (0 .. $#calls)
	{
		my ($state) = $calls[$i]{expect} =~ /^call (\w+)$/;

		ok($out[$i] !~ /EVIL/ && ($role ne 'postgres' || state_of($out[$i]) eq ($state // 'ok')), "$role: $calls[$i]{label}") or diag($out[$i]);
	}
}

# what is not called by name: tables with their checks, views, policies, tasks
my %others = (
	'policies and views' => 'SELECT FROM apikey.key; SELECT FROM apikey.usage; SELECT FROM apikey.tenant; SELECT FROM apikey.audit_log; SELECT FROM apikey.stat_usage; SELECT FROM apikey.stat_worker; SELECT FROM apikey.stat_cache; SELECT FROM apikey.stat_guard; SELECT FROM apikey.stat_limits;',
	'checks of tables'   => q{INSERT INTO apikey.tenant (name) VALUES ('t'); INSERT INTO apikey.role (tenant_id, name, scopes) VALUES (1001, 'r', '{a}');
		INSERT INTO apikey.policy (tenant_id, name) VALUES (1001, 'q'); UPDATE apikey.policy_version SET grace = '1 hour'; UPDATE apikey.api_key SET scopes = '{a}'; DELETE FROM apikey.key_activity;},
	'tasks'              => 'SELECT FROM apikey._task_revocations(); SELECT FROM apikey._task_expiry(); SELECT FROM apikey._task_idle(); SELECT FROM apikey._task_partitions(); SELECT FROM apikey._task_retention();',
	'activity'           => q{SELECT FROM apikey._flush_activity('{5000001}', '{1001}', '{2020-01-01}', '{2020-01-01}', '{127.0.0.1}', '{1}', '{0}', '{0}');},
	'partitions'         => q{SELECT FROM apikey._ensure_partition_for('2031-01-01', '2031-01-02');});
foreach my $what (sort keys %others)
{
	my ($out) = try_as($node, 'postgres', ["BEGIN;\n$others{$what}\nROLLBACK;"], before => $hostile);
	ok($out !~ /EVIL/ && state_of($out) eq 'ok', $what) or diag($out);
}

# other settings that anybody may choose for himself
my @calls = grep { $_->{label} !~ /^(?:flush_usage|check_setup)/ } read_attacks('calls.sql');
my %committed = map { $_ => 1 } qw(move_tenant revoke_keys transfer_owner delete_owner);	# want it
my @sql = map { 'BEGIN' . ($_->{label} =~ /^(\w+)/ && $committed{$1} ? ' ISOLATION LEVEL READ COMMITTED' : '') . ";\n" . fill($_->{sql}, 'own') . 'ROLLBACK;' } @calls;
my @plain = try_as($node, 'regress_atk_admin', \@sql);
foreach my $set ('array_nulls = off', 'transform_null_equals = on', 'DateStyle = "German"', 'IntervalStyle = sql_standard', 'bytea_output = escape',
	'TimeZone = "Pacific/Chatham"', 'extra_float_digits = -15', 'xmloption = document', 'default_transaction_isolation = serializable',
	'standard_conforming_strings = off', 'client_encoding = LATIN1', 'plpgsql.extra_errors = "all"', 'plpgsql.print_strict_params = on',
	'force_parallel_mode = on', 'plan_cache_mode = force_generic_plan', 'enable_indexscan = off', 'row_security = off', 'work_mem = 64')
{
	my @out = try_as($node, 'regress_atk_admin', \@sql, before => "SET $set;");
	my @differ = grep { $plain[$_] ne $out[$_] } 0 .. $#calls;

	is(join(', ', map { $calls[$_]{label} } @differ), '', "the same answers with $set")
	  or diag("$plain[$differ[0]]---\n$out[$differ[0]]");
}
server_is_fine($node);
$node->stop;

done_testing();
