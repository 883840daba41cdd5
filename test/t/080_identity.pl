# Who a transaction acts for: on a standby, in read-only transactions, through
# a crash, and what a connection or a setting of old brings along.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $primary = new_node('primary', init => [ allows_streaming => 1 ], conf => 'max_prepared_transactions = 5');
$primary->safe_psql('postgres', <<'SQL');
CREATE ROLE app LOGIN;
SELECT apikey.grant_access('app', 'verifier');
SELECT apikey.grant_access('app', 'auditor');
SELECT apikey.create_tenant('acme');
SELECT apikey.create_tenant('globex');
SELECT apikey.create_environment('acme', 'p'), apikey.create_environment('globex', 'p');
CREATE TABLE k AS SELECT t AS tenant, key, key_id FROM unnest('{acme,globex}'::text[]) t, LATERAL apikey.create_key(t, 'p', scopes => '{a:b}');
CREATE TABLE own AS SELECT tenant, n FROM k, generate_series(1, 5000) n;
ALTER TABLE own ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON own USING (tenant = (SELECT apikey.current_tenant()));
GRANT SELECT ON k, own TO app;
CREATE FUNCTION who() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' ', coalesce(apikey.current_tenant(), '-'), coalesce((SELECT k.tenant FROM k WHERE k.key_id = apikey.current_key_id()), '-'),
		coalesce(apikey.current_scopes()::text, '-'), (SELECT string_agg(DISTINCT o.tenant, '+') FROM own o)) $$;
SQL
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

sub as_app { my ($node, $sql) = @_; return $node->safe_psql('postgres', $sql, extra_params => [ '-U', 'app' ]) }

sub enter
{
	my ($tenant) = @_;

	return "SELECT v.code FROM k, LATERAL apikey.authenticate(k.key) v WHERE k.tenant = '$tenant';\n";
}

# --- the same on both servers ---------------------------------------------------

foreach my $node ($primary, $standby)
{
	my $name = $node->name;

	is(as_app($node, 'BEGIN;' . enter('acme') . 'SELECT who(); COMMIT; SELECT who();'), "VALID\nacme acme {a:b} acme\n- - -",
		"$name: to the end of the transaction");
	is(as_app($node, 'BEGIN;' . enter('acme') . 'SELECT who(); ROLLBACK; SELECT who();'), "VALID\nacme acme {a:b} acme\n- - -",
		"$name: to its rollback");
	is(as_app($node, 'BEGIN READ ONLY;' . enter('globex') . 'SELECT who(); COMMIT; SELECT who();'), "VALID\nglobex globex {a:b} globex\n- - -",
		"$name: in a read-only transaction");
	is(as_app($node, enter('acme') . 'SELECT who();'), "VALID\n- - -", "$name: for one statement outside of a transaction");
	is(as_app($node, 'BEGIN READ ONLY; SAVEPOINT s;' . enter('globex') . 'ROLLBACK TO s; SELECT who();' . enter('acme') . 'SELECT who(); COMMIT;'),
		"VALID\n- - -\nVALID\nacme acme {a:b} acme", "$name: savepoints");
	is( as_app($node,
			"BEGIN READ ONLY; SELECT apikey.set_tenant('acme'); SELECT who(), (SELECT string_agg(name, ',') FROM apikey.tenant);"
			  . enter('globex') . "COMMIT; SELECT count(*) FROM apikey.tenant;"),
		"\nacme - - acme|acme\nNOT_FOUND\n2", "$name: narrowed");
	is( as_app($node,
			'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off; BEGIN READ ONLY;'
			  . enter('globex') . 'SELECT min(tenant), max(tenant), count(*) FROM own WHERE apikey.current_tenant() = tenant AND apikey.has_scope(\'a:b\'); COMMIT'),
		"VALID\nglobex|globex|5000", "$name: in parallel workers");
	is(sqlstate_of($node, "SET apikey.context = 'tenant=1:acme key=1 scopes=*'"), '42501', "$name: not by SET");
	is(sqlstate_of($node, "SELECT apikey.set_tenant('nobody')"), '42704', "$name: no such tenant");
	is(sqlstate_of($node, 'SELECT apikey.set_tenant(NULL)'), '22023', "$name: no tenant");
}

# what was committed while a transaction of the standby is open: the next
# authenticate knows it, the identity that is there stays
my $old = $standby->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($old->query_safe(enter('acme')), 'VALID', 'authenticated in a transaction that stays open');
$primary->safe_psql('postgres', "SELECT apikey.suspend_key(key_id, 'test') FROM k WHERE tenant = 'acme'");
$primary->wait_for_catchup($standby);
is($old->query_safe('SELECT who()'), 'acme acme {a:b} acme', 'it goes on as who it is');
is($old->query_safe(enter('acme')), 'SUSPENDED', 'but cannot authenticate again');
is($old->query_safe('SELECT who()'), '- - -', 'and is nobody then');
$old->query_safe('COMMIT');
$old->quit;
$primary->safe_psql('postgres', "SELECT apikey.resume_key(key_id) FROM k WHERE tenant = 'acme'");

# --- nothing comes from outside -------------------------------------------------

my $forged = 'tenant=1:acme key=1 scopes=*';
foreach my $options ("-c apikey.context=" . ($forged =~ s/ /\\ /gr), "--apikey.context=" . ($forged =~ s/ /\\ /gr))
{
	local $ENV{PGOPTIONS} = $options;
	my ($rc, $out, $err) = $primary->psql('postgres', 'SELECT who()', extra_params => [ '-U', 'app' ]);

	isnt("$rc $out", '0 acme acme {*} acme', 'options of a connection set nobody');
	like($err, qr/can only be emptied|cannot be changed/, 'but are refused');
}
{
	local $ENV{PGOPTIONS} = '-c apikey.context=';
	is(as_app($primary, 'SELECT who(); BEGIN;' . enter('acme') . 'SELECT who(); COMMIT; SELECT who()'), "- - -\nVALID\nacme acme {a:b} acme\n- - -",
		'an empty one changes nothing');
}

# a setting that an administrator of old wrote past all checks: refused at
# connection, and by parallel workers, which read settings too
$primary->safe_psql('postgres', "INSERT INTO pg_db_role_setting VALUES (0, 'app'::regrole, ARRAY['apikey.context=$forged'])");
my $parallel_mode = $primary->pg_version >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
my ($rc, $out, $err) = $primary->psql('postgres', <<"SQL", extra_params => [ '-U', 'app' ]);
SELECT who();
SET $parallel_mode = on;
SELECT apikey.current_tenant() IS NULL AND apikey.current_key_id() IS NULL AND NOT apikey.has_scope('a');
SQL
is($out, "- - -\nt", 'a stored setting sets nobody, nor in a worker');
like($err, qr/WARNING:.*can only be emptied/, 'and is complained of');
$primary->safe_psql('postgres', "DELETE FROM pg_db_role_setting WHERE setrole = 'app'::regrole");

$primary->append_conf('postgresql.conf', "apikey.context = '$forged'");
$primary->restart;
is(as_app($primary, 'SELECT who()'), '- - -', 'nor does the configuration file');
$primary->adjust_conf('postgresql.conf', 'apikey.context', undef);
$primary->reload;

# --- two phases, and a crash between them -----------------------------------------

is(as_app($primary, 'BEGIN;' . enter('acme') . "SELECT who(), pg_current_xact_id() IS NOT NULL; PREPARE TRANSACTION 'two'; SELECT who();"),
	"VALID\nacme acme {a:b} acme|t\n- - -", 'nobody after PREPARE TRANSACTION');
$primary->stop('immediate');
$primary->start;
is(as_app($primary, "COMMIT PREPARED 'two'; SELECT who()"), '- - -', 'nor after the second phase in another life');

$standby->stop;
$primary->stop;
done_testing();
