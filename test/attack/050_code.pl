# Code of one role that another runs: for whom do the functions act, and what
# does a session see that changes its role.  The rule is PostgreSQL's: whose
# rights an SQL statement has at that moment, he is the caller.
use strict;
use warnings;
use PostgreSQL::Test::BackgroundPsql;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node    = attack_node();
my $own     = names_of('own');
my $foreign = names_of('foreign');

sub as
{
	my ($role, $sql) = @_;
	my ($out) = try_as($node, $role, [$sql]);
	return $out;
}

# status($key): of a key, straight from the table
sub status
{
	return $node->safe_psql('postgres', "SELECT status FROM apikey.api_key WHERE key_id = $_[0]");
}

sub last_actor
{
	return $node->safe_psql('postgres', 'SELECT actor, session, action FROM apikey.audit_log ORDER BY at DESC, seq DESC LIMIT 1');
}

# --- code of an attacker, run by a superuser ------------------------------------
# What it tries is in a table, so that what is made harmlessly turns hostile later.
$node->safe_psql('postgres', 'CREATE TABLE public.victim (key_id bigint); INSERT INTO public.victim VALUES (NULL); GRANT ALL ON public.victim TO PUBLIC');
like(as('regress_atk_admin', <<'SQL'), qr/\A\s*\z/, 'the attacker sets his traps');
CREATE FUNCTION public.strike() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	victim bigint := (SELECT key_id FROM public.victim);
	answer text := 'nothing';
BEGIN
	IF victim IS NOT NULL THEN
		BEGIN
			SELECT status INTO answer FROM apikey.suspend_key(victim);
		EXCEPTION WHEN OTHERS THEN
			answer := SQLSTATE || ' ' || SQLERRM;
		END;
		RAISE NOTICE 'as %: % %', current_user, answer,
			(SELECT count(*) FROM apikey.api_key WHERE key_id = victim);
	END IF;
	RETURN answer;
END $$;
CREATE FUNCTION public.strike_definer() RETURNS text SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN RETURN public.strike(); END';
CREATE FUNCTION public.strike_immutable(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM public.strike(); RETURN a; END';
CREATE TABLE public.bait (a int);
INSERT INTO public.bait SELECT generate_series(1, 3);
CREATE INDEX bait_index ON public.bait (public.strike_immutable(a));
CREATE INDEX bait_partial ON public.bait (a) WHERE public.strike_immutable(a) > 0;
CREATE MATERIALIZED VIEW public.bait_matview AS SELECT public.strike() AS answer;
CREATE TABLE public.bait_trigger (a int);
CREATE FUNCTION public.bait_fire() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN PERFORM public.strike(); RETURN NEW; END';
CREATE TRIGGER fire BEFORE INSERT ON public.bait_trigger FOR EACH ROW EXECUTE FUNCTION public.bait_fire();
GRANT INSERT ON public.bait_trigger TO PUBLIC;
CREATE VIEW public.bait_view AS SELECT * FROM apikey.api_key;
GRANT SELECT ON public.bait_view TO PUBLIC;
SQL

# for him, whoever runs it: no key of B
my %runs_as_owner = (
	'a definer function'         => 'SELECT public.strike_definer();',
	'ANALYZE of an index'        => 'ANALYZE public.bait;',
	'REINDEX'                    => 'REINDEX TABLE public.bait;',
	'VACUUM FULL'                => 'VACUUM (FULL, ANALYZE) public.bait;',
	'CLUSTER'                    => 'CLUSTER public.bait USING bait_index;',
	'a materialized view'        => 'REFRESH MATERIALIZED VIEW public.bait_matview;',
	'a definer trigger'          => 'INSERT INTO public.bait_trigger VALUES (1);');
foreach my $what (sort keys %runs_as_owner)
{
	foreach my $role ('postgres', 'regress_atk_rival')
	{
		# the owner of B may not run maintenance on the other's tables
		next if $role ne 'postgres' && $runs_as_owner{$what} !~ /^(?:SELECT|INSERT)/;
		$node->safe_psql('postgres', "UPDATE public.victim SET key_id = $foreign->{key}");
		my $out = as($role, $runs_as_owner{$what});
		like($out, qr/as regress_atk_admin: 42704 key $foreign->{key} does not exist 0/, "$what, run by $role: acts for its owner");
		unlike($out, qr/as (?!regress_atk_admin)/, "$what, run by $role: for nobody else");
		is(status($foreign->{key}), 'active', "$what, run by $role: B's key is as it was");
		$node->safe_psql('postgres', 'UPDATE public.victim SET key_id = NULL');
	}
}

# on his own keys it works, and the audit log tells both names
$node->safe_psql('postgres', "UPDATE public.victim SET key_id = $own->{key}");
like(as('postgres', 'SELECT public.strike_definer();'), qr/as regress_atk_admin: suspended 1/, 'a definer function works for its owner');
is(last_actor(), 'regress_atk_admin|postgres|key.suspend', 'the audit log has who acted and whose session it was');
as('regress_atk_admin', "SELECT status FROM apikey.resume_key($own->{key});");
is(last_actor(), 'regress_atk_admin|regress_atk_admin|key.resume', '... and the same of a plain call');

# functions, triggers and views that are not definer's run for who calls them
$node->safe_psql('postgres', "UPDATE public.victim SET key_id = $foreign->{key}");
like(as('regress_atk_auditor', 'SELECT public.strike();'), qr/as regress_atk_auditor: 42501 permission denied for function suspend_key 0/,
	'a plain function: for its caller, an auditor');
like(as('regress_atk_rival', 'BEGIN; SELECT public.strike(); ROLLBACK;'), qr/as regress_atk_rival: suspended 1/, 'a plain function: for its caller, the owner of B');
is(as('regress_atk_rival', "SELECT count(*) FROM public.bait_view WHERE key_id = $foreign->{key};"), "1\n", 'a view: rows of who selects');
is(as('regress_atk_admin', "SELECT count(*) FROM public.bait_view WHERE key_id = $foreign->{key};"), "0\n", '... and its owner sees his own');
like(as('regress_atk_none', 'SELECT public.strike();'), qr/42501: permission denied/, 'a plain function: for its caller, who has no access');
$node->safe_psql('postgres', 'UPDATE public.victim SET key_id = NULL');

# --- a definer function of B's owner for the public -----------------------------
like(as('regress_atk_rival', <<'SQL'), qr/\A\s*\z/, 'B offers a function');
CREATE FUNCTION public.offered(id bigint) RETURNS text SECURITY DEFINER SET search_path = pg_catalog, pg_temp LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT status FROM apikey.suspend_key(id));
END $$;
CREATE FUNCTION public.offered_cursor() RETURNS refcursor SECURITY DEFINER SET search_path = pg_catalog, pg_temp LANGUAGE plpgsql AS $$
DECLARE
	c refcursor := 'c';
BEGIN
	OPEN c FOR SELECT name FROM apikey.api_key;
	RETURN c;
END $$;
SQL
like(as('regress_atk_none', "BEGIN; SELECT public.offered($foreign->{key}); ROLLBACK;"), qr/^suspended$/m, 'it acts for B');
like(as('regress_atk_admin', "SELECT public.offered($own->{key});"), qr/42704: key $own->{key} does not exist/, '... and for nobody else');
# who called last is forgotten when a call has failed
my $out = as('regress_atk_operator', <<"SQL");
BEGIN;
DO \$\$ BEGIN PERFORM public.offered(0); EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'failed'; END \$\$;
SELECT status FROM apikey.suspend_key($own->{key});
ROLLBACK;
DO \$\$ BEGIN PERFORM public.offered(0); EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'failed'; END \$\$;
SELECT status FROM apikey.suspend_key($own->{key});
SELECT status FROM apikey.suspend_key($foreign->{key});
SELECT status FROM apikey.resume_key($own->{key});
SQL
like($out, qr/42704: key $foreign->{key} does not exist/, 'after a failed call of B\'s function the caller is himself');
is(last_actor(), 'regress_atk_operator|regress_atk_operator|key.resume', '... in the audit log, too');
is(leaks(as('regress_atk_admin', 'BEGIN; SELECT public.offered_cursor(); FETCH ALL c; COMMIT;'), 'admin'), 0, 'a cursor that B opened shows nothing of B to others');

# --- a session that changes its role -----------------------------------------------
# It may enter the schema, but belongs to nobody who sees a key.
$node->safe_psql('postgres', q{SELECT apikey.grant_access('regress_atk_two', 'analyst', 'top/acme/eu')});
my @queries = (
	'SELECT name FROM apikey.api_key',
	'WITH x AS (SELECT * FROM apikey.api_key) SELECT name FROM x',
	'WITH x AS MATERIALIZED (SELECT * FROM apikey.api_key) SELECT name FROM x',
	'SELECT (SELECT string_agg(name, $$ $$) FROM apikey.api_key)',
	'SELECT name FROM (SELECT * FROM apikey.api_key OFFSET 0) s',
	'SELECT k.name FROM apikey.tenant t, LATERAL (SELECT * FROM apikey.api_key a WHERE a.tenant_id = t.tenant_id) k',
	'SELECT name FROM apikey.key',
	'SELECT user_agent FROM apikey.usage',
	"SELECT user_agent FROM $own->{leaf}",
	'SELECT name FROM public.bait_view',
	'SELECT k FROM public.inlined() k');
$node->safe_psql('postgres', q{CREATE FUNCTION public.inlined() RETURNS SETOF text STABLE LANGUAGE sql AS 'SELECT name FROM apikey.api_key'});
foreach my $mode ('auto', 'force_generic_plan', 'force_custom_plan')
{
	my $script = "SET plan_cache_mode = $mode;\n";
	my $n      = 0;
	$script .= 'PREPARE q' . $n++ . " AS $_;\n" foreach @queries;
	my @steps = ('regress_atk_auditor', 'regress_atk_rival', 'none', 'regress_atk_auditor', 'regress_atk_rival');
	foreach my $step (@steps)
	{
		$script .= "SET ROLE $step;\n\\echo == $step\n" . join('', map { "\\echo -- $_\nEXECUTE q$_;\n" } 0 .. $#queries);
	}
	# the statements are made in the clothes of one who may see nothing
	my @parts = split /^== /m, as('regress_atk_two', $script);
	shift @parts;
	is(scalar @parts, scalar @steps, "$mode: every role has tried");
	foreach my $part (@parts)
	{
		my ($role, $text) = split /\n/, $part, 2;

		if ($role eq 'regress_atk_auditor')
		{
			is(scalar(leaks($text, 'auditor')), 0, "$mode: as auditor of A: nothing of B");
			my @answers = split /^-- \d+\n/m, $text;
			shift @answers;
			is(scalar(grep { !/own|plain/ } @answers), 0, "$mode: as auditor of A: what is A's");
		}
		elsif ($role eq 'regress_atk_rival')
		{
			my @answers = split /^-- \d+\n/m, $text;
			shift @answers;
			is(scalar(grep { !/CANARYB/ } @answers), 0, "$mode: as owner of B: what is B's");
			unlike($text, qr/\bown\b|plain|CANARYP/, "$mode: as owner of B: nothing of A or its relatives");
		}
		else
		{
			unlike($text, qr/\bown\b|plain|CANARY/i, "$mode: as nobody: nothing");
		}
	}
}
# the rights are those of the role of the moment, not of the session
like(as('regress_atk_two', "SELECT code FROM apikey.verify('$foreign->{keytext}');"), qr/42501/, 'a role that could become somebody is nobody until it does');
like(as('regress_atk_two', "SET ROLE regress_atk_rival; SELECT code FROM apikey.verify('$foreign->{keytext}', ip => '203.0.113.66', method => 'GET', endpoint => '/CANARYB/a', scopes => '{canaryb:own}');"),
	qr/^[A-Z_]+$/m, '... and then has its rights');
$out = as('regress_atk_two', "SET ROLE regress_atk_rival; PREPARE p AS SELECT status FROM apikey.suspend_key($foreign->{key}); BEGIN; EXECUTE p; ROLLBACK; SET ROLE regress_atk_auditor; EXECUTE p; RESET ROLE; EXECUTE p;");
is(scalar(() = $out =~ /^suspended$/mg), 1, 'a prepared call acts for the role that executes it');
is(status($foreign->{key}), 'active', '... and B\'s key is as it was');

# --- roles that are renamed, dropped, made again --------------------------------------
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE regress_atk_first LOGIN;
SELECT apikey.grant_access('regress_atk_first', 'auditor', 'top/acme');
ALTER ROLE regress_atk_first RENAME TO regress_atk_second;
CREATE ROLE regress_atk_first LOGIN;
SQL
like(as('regress_atk_first', 'SELECT count(*) FROM apikey.api_key;'), qr/42501/, 'a new role under the name of a renamed one has no access');
is(as('regress_atk_second', 'SELECT count(*) > 0 FROM apikey.api_key;'), "t\n", 'the renamed one keeps it');
$node->safe_psql('postgres', <<'SQL');
DROP OWNED BY regress_atk_second;
DROP ROLE regress_atk_second;
CREATE ROLE regress_atk_second LOGIN;
SELECT apikey.grant_access('regress_atk_second', 'analyst', 'top/acme'), apikey.grant_access('regress_atk_first', 'analyst', 'top/acme');
SQL
foreach my $role ('regress_atk_first', 'regress_atk_second')
{
	like(as($role, 'SELECT count(*) FROM apikey.api_key;'), qr/42501/, "$role: what the dropped one had is not inherited");
	is(as($role, q{SELECT 1001 = ANY (apikey.my_tenants('audit')), 1001 = ANY (apikey.my_tenants('usage'));}), "f|t\n", "$role: only what was granted anew");
}

# --- at the door -------------------------------------------------------------------------
{
	local $ENV{PGOPTIONS} = '-c apikey.test_now=0';
	my ($rc, $stdout, $stderr) = $node->psql('postgres', 'SELECT 1', extra_params => [ '-U', 'regress_atk_admin' ]);
	like($stderr, qr/permission denied to set parameter "apikey.test_now"/, 'the test clock is refused at connection');
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	($rc, $stdout, $stderr) = $node->psql('postgres', 'SELECT 1', extra_params => [ '-U', 'regress_atk_admin' ]);
	like($stderr, qr/permission denied/, 'so is being a replica');
}

# --- holding others up --------------------------------------------------------------------
# Locks that members and strangers may take, all of them held, keep nobody from
# revoking, granting, recording or making partitions.
my @holders;
sub hold
{
	my ($role, $sql) = @_;
	my $psql = $node->background_psql('postgres', extra_params => [ '-U', $role ], on_error_stop => 1);
	$psql->query_safe($sql);
	push @holders, $psql;
	return;
}
hold('regress_atk_none', 'SELECT pg_advisory_lock(1634757497, hashtext(s)) FROM unnest($${grants,partitions,keyring}$$::text[]) s');
hold('regress_atk_analyst', 'BEGIN; LOCK TABLE apikey.usage IN ACCESS SHARE MODE; SELECT count(*) FROM apikey.usage');
hold('regress_atk_auditor', join ' ', 'BEGIN;', map { "SELECT count(*) FROM apikey.$_;" } qw(member tenant api_key policy policy_version role environment ip_block event audit_log key_request));
hold('regress_atk_operator', "BEGIN; SELECT status FROM apikey.suspend_key($own->{key})");
$node->safe_psql('postgres', <<"SQL");
SET lock_timeout = '60s';
SELECT apikey.revoke_access('regress_atk_verifier', 'verifier', 'top/acme'), apikey.grant_access('regress_atk_verifier', 'verifier', 'top/acme');
BEGIN; SET LOCAL apikey.test_now = '1990000000'; SELECT apikey.ensure_partitions(); COMMIT;
SELECT FROM apikey.revoke_key($own->{gone}), apikey.create_key('top/acme', 'ownenv'), apikey.set_policy('top/acme', 'ownpol', grace => '1 hour'), apikey.suspend_tenant('top'), apikey.resume_tenant('top');
SQL
is($node->safe_psql('postgres', q{SELECT count(*) > 0 FROM pg_class WHERE relname LIKE 'usage_2033%'}), 't', 'partitions are made while members hold what locks they may');
is(as('regress_atk_verifier', "SELECT code FROM apikey.verify('$own->{keytext}');"), "VALID\n", 'verification goes on');
is($node->safe_psql('postgres', q{SELECT apikey.flush_usage('180 s')}), 't', 'recording goes on');
is($node->safe_psql('postgres', q{BEGIN; SELECT FROM apikey.grant_access('regress_atk_none', 'analyst', 'top/acme'), apikey.ensure_partitions(), apikey.create_key('top/acme', 'ownenv', owner => 'x');
	SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid(); ROLLBACK}), '0', 'no advisory lock is used, which anybody could hold');
$_->quit foreach @holders;

server_is_fine($node);
$node->stop;

done_testing();
