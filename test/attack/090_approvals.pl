# Four eyes and second factors: ways to approve one's own key, to get a secret
# without an approval, and to do what takes a second factor without one.
use strict;
use warnings;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node = attack_node();
my $own  = names_of('own');

sub as
{
	my ($role, $sql) = @_;
	my ($out) = try_as($node, $role, [$sql]);
	return $out;
}

sub super { return $node->safe_psql('postgres', $_[0]) }

# --- a request, and everybody who must not approve it ------------------------------
super(<<'SQL');
CREATE ROLE regress_atk_asker LOGIN;
CREATE ROLE regress_atk_group NOLOGIN;
CREATE ROLE regress_atk_friend LOGIN;
CREATE ROLE regress_atk_judge LOGIN;
GRANT regress_atk_group TO regress_atk_asker, regress_atk_friend;
SELECT apikey.grant_access(r, 'admin', 'top/acme') FROM unnest('{regress_atk_asker,regress_atk_group,regress_atk_judge}'::text[]) r;
SELECT apikey.create_environment('top/acme', 'locked', requires_approval => true), apikey.create_environment('top/acme', 'open'),
	apikey.create_policy('top/acme', 'strict'), apikey.set_policy('top/acme', 'strict', requires_approval => true), apikey.create_policy('top/acme', 'loose');
SQL

my $request = q{SELECT key_id FROM apikey.request_key('top/acme', 'locked', scopes => '{a}', reason => 'x')};

sub request_as
{
	my ($role, $before) = @_;
	my ($id) = as($role, ($before // '') . " $request;") =~ /^(\d+)$/m;
	return $id;
}

# waits($id, $name): the key is still pending and nothing was made of it
sub waits
{
	my ($id, $name) = @_;
	is(super("SELECT status, (SELECT count(*) FROM apikey.key_secret s WHERE s.key_id = k.key_id), (SELECT decision FROM apikey.key_request r WHERE r.key_id = k.key_id), scopes FROM apikey.api_key k WHERE key_id = $id"),
		'pending|0||{a}', $name);
	return;
}

my $mine  = request_as('regress_atk_asker');
my $group = request_as('regress_atk_asker', 'SET ROLE regress_atk_group;');
my $theirs = request_as('regress_atk_operator');
foreach my $try (
	[ 'the own request', 'regress_atk_asker', $mine, 'SELECT apikey.approve_key(%d);' ],
	[ 'the own request, as a role of one\'s own', 'regress_atk_asker', $mine, 'SET ROLE regress_atk_group; SELECT apikey.approve_key(%d);' ],
	[ 'a request as a role of one\'s own, as oneself', 'regress_atk_asker', $group, 'SELECT apikey.approve_key(%d);' ],
	[ 'a request as a role of one\'s own, as that role', 'regress_atk_asker', $group, 'SET ROLE regress_atk_group; SELECT apikey.approve_key(%d);' ],
	[ 'a request as a common role, by another member as that role', 'regress_atk_friend', $group, 'SET ROLE regress_atk_group; SELECT apikey.approve_key(%d);' ],
	[ 'in a definer function of one\'s own', 'regress_atk_asker', $mine,
		'CREATE FUNCTION pg_temp.f() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS $$ SELECT (apikey.approve_key(%d)).key_id $$; SELECT pg_temp.f();' ],
	[ 'in a definer function of a role of one\'s own', 'regress_atk_asker', $mine,
		'SET ROLE regress_atk_group; CREATE FUNCTION public.approve_1() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS $$ SELECT (apikey.approve_key(%d)).key_id $$; RESET ROLE; SELECT public.approve_1();' ],
	[ 'in a definer trigger of a role of one\'s own', 'regress_atk_asker', $mine,
		'SET ROLE regress_atk_group; CREATE TABLE public.approve_2 (a int); GRANT ALL ON public.approve_2 TO PUBLIC; CREATE FUNCTION public.approve_3() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN PERFORM apikey.approve_key(%d); RETURN NEW; END $$; CREATE TRIGGER t BEFORE INSERT ON public.approve_2 FOR EACH ROW EXECUTE FUNCTION public.approve_3(); RESET ROLE; INSERT INTO public.approve_2 VALUES (1);' ],
	[ 'as another role from the start', 'regress_atk_asker', $mine, 'SET SESSION AUTHORIZATION regress_atk_judge; SELECT apikey.approve_key(%d);' ],
	[ 'as another role one does not belong to', 'regress_atk_asker', $mine, 'SET ROLE regress_atk_judge; SELECT apikey.approve_key(%d);' ],
	[ 'with access for a role of one\'s own', 'regress_atk_asker', $mine, q{SELECT apikey.grant_access('regress_atk_group', 'admin', 'top/acme'); SET ROLE regress_atk_group; SELECT apikey.approve_key(%d);} ],
	[ 'after the request was written anew', 'regress_atk_asker', $mine, q{UPDATE apikey.key_request SET requested_by = 'x', requested_by_oid = 0 WHERE key_id = %d;} ],
	[ 'in a savepoint, the error caught', 'regress_atk_asker', $mine, 'DO $$ BEGIN PERFORM apikey.approve_key(%d); EXCEPTION WHEN OTHERS THEN RAISE NOTICE $q$ERROR:  %%: caught$q$, SQLSTATE; RAISE; END $$;' ],
	[ 'an operator, of his own request', 'regress_atk_operator', $theirs, 'SELECT apikey.approve_key(%d);' ],
	[ 'an operator, of another\'s request', 'regress_atk_operator', $mine, 'SELECT apikey.approve_key(%d);' ],
	[ 'an auditor', 'regress_atk_auditor', $mine, 'SELECT apikey.approve_key(%d);' ])
{
	my ($name, $role, $id, $sql) = @$try;
	my $out = as($role, sprintf($sql, $id));

	is(state_of($out), '42501', "approved: $name: refused") or diag($out);
	waits($id, "approved: $name: the key still waits");
}
# a definer function that the asker made, called by somebody else: it is the asker who approves
as('regress_atk_asker', "CREATE FUNCTION public.approve_4() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT (apikey.approve_key($mine)).key_id';");
is(state_of(as('regress_atk_judge', 'SELECT public.approve_4();')), '42501', 'approved: in a definer function of the asker, called by another: refused');
# one of the judge's, called by the asker: it is still the asker's session
as('regress_atk_judge', "CREATE FUNCTION public.approve_5(id bigint) RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT (apikey.approve_key(id)).key_id';");
is(state_of(as('regress_atk_asker', "SELECT public.approve_5($mine);")), '42501', 'approved: in a definer function of another, called by the asker: refused');
waits($mine, 'the key still waits');

# --- ways around the approval -------------------------------------------------------
foreach my $try (
	[ 'a key made', q{SELECT apikey.create_key('top/acme', 'locked')}, 'AK004' ],
	[ 'keys made', q{SELECT apikey.create_keys(2, 'top/acme', 'locked')}, 'AK004' ],
	[ 'a key made, its policy wants it', q{SELECT apikey.create_key('top/acme', 'open', policy => 'strict')}, 'AK004' ],
	[ 'a child made', qq{SELECT apikey.create_key('top/acme', 'locked', parent_key_id => $mine)}, 'AK004' ],
	[ 'a new secret', "SELECT apikey.rotate_key($mine)", '55000' ],
	[ 'suspended and resumed', "SELECT apikey.suspend_key($mine); SELECT apikey.resume_key($mine)", '55000' ],
	[ 'revoked and restored', "SELECT status FROM apikey.revoke_key($mine); SELECT status FROM apikey.restore_key($mine)", '42501|ok' ],
	[ 'renewed', "SELECT apikey.renew_key($mine, '2099-01-01')", '42501|55000' ],
	[ 'taken', "SELECT apikey.claim_key($mine)", '55000' ],
	[ 'more scopes', "SELECT apikey.update_key($mine, scopes => '{*}')", '42501|55000' ],
	[ 'another policy', "SELECT apikey.update_key($mine, policy => 'loose')", '42501|55000' ],
	[ 'more networks', "SELECT apikey.update_key($mine, clear => '{cidrs}', cidrs => NULL, endpoints => '{GET /**}')", '42501|55000' ],
	[ 'more units', qq{SELECT apikey.update_key($mine, quotas => '{"(q,1000000,day,,)"}')}, '42501|55000' ],
	[ 'credits', "SELECT apikey.add_credits($mine, 5, 'q', 'x', 'y')", '42501|55000|42704|22023' ],
	[ 'deleted and asked for again', "SELECT apikey.delete_key($mine)", '55000' ],
	[ 'the same request again', q{SELECT status FROM apikey.request_key('top/acme', 'locked', idempotency_key => 'i'); SELECT key FROM apikey.create_key('top/acme', 'open', idempotency_key => 'i')}, '42710|AK004|ok' ])
{
	my ($name, $sql, $states) = @$try;
	my $out = as('regress_atk_asker', "BEGIN; $sql; SELECT 'now', status, (SELECT count(*) FROM apikey.key_request r WHERE r.key_id = k.key_id AND decision IS NULL) FROM apikey.api_key k WHERE key_id = $mine; ROLLBACK;");

	like(state_of($out), qr/^(?:$states)$/, "around it: $name: refused") or diag($out);
	unlike($out, qr/^now\|(?!pending\|1)/m, "around it: $name: the key is not good") or diag($out);
	unlike($out, qr/\bacme_[a-z0-9]+_[0-9A-Za-z]{20,}/, "around it: $name: no text of a key") or diag($out);
}
# a child in another environment is no way around: it is good when its parent is
my ($child) = as('regress_atk_asker', qq{SELECT key FROM apikey.create_key('top/acme', 'open', parent_key_id => $mine, scopes => '{a}');}) =~ /^(\w+)$/m;
is(as('regress_atk_asker', "SELECT code FROM apikey.verify('$child');"), "PENDING\n", 'a child of a key that waits waits with it');
waits($mine, 'after all of these the key still waits');

# an approved key: who asked for it does not make more of it
like(as('regress_atk_judge', "SELECT key IS NOT NULL FROM apikey.approve_key($mine);"), qr/^t$/m, 'another one approves');
foreach my $sql (
	"update_key($mine, scopes => '{a,b}')", "update_key($mine, policy => 'loose')", "update_key($mine, cidrs => '{0.0.0.0/0}')",
	"update_key($mine, endpoints => '{* /**}')", "update_key($mine, roles => '{ownrole}')", qq{update_key($mine, rate_limits => '{"(m,1000,00:00:01,,)"}')})
{
	foreach my $role ('regress_atk_asker', 'regress_atk_operator')
	{
		is(state_of(as($role, "SELECT apikey.$sql;")), '42501', "$role, more for an approved key: $sql: refused");
	}
}
my $strict = super("SET SESSION AUTHORIZATION regress_atk_asker; SELECT key_id FROM apikey.request_key('top/acme', 'open', policy => 'strict', scopes => '{a}')");
as('regress_atk_judge', "SELECT FROM apikey.approve_key($strict);");
is(state_of(as('regress_atk_asker', "SELECT apikey.update_key($strict, policy => 'loose');")), '42501', 'out of a policy that wants approvals: refused');
is(state_of(as('regress_atk_asker', "SELECT apikey.update_key($strict, clear => '{policy}');")), '42501', '... by clearing it: refused');
foreach my $sql ("renew_key($mine, '2099-01-01')", "orphan_key($mine)")
{
	unlike(as('regress_atk_asker', "BEGIN; SELECT expires_at FROM apikey.$sql; ROLLBACK;"), qr/2099/, "for an approved key: $sql: no more");
}
is(state_of(as('regress_atk_asker', "BEGIN; SELECT FROM apikey.revoke_key($mine); SELECT status FROM apikey.restore_key($mine); ROLLBACK;")), '42501', 'an approved key, revoked and restored by who asked: refused');
# the role of a key is part of what was approved
super(q{SELECT apikey.create_role('top/acme', 'narrow', '{a:read}'), apikey.create_role('top/acme', 'free', '{a:read}')});
my ($with_role) = as('regress_atk_asker', q{SELECT key_id FROM apikey.request_key('top/acme', 'locked', roles => '{narrow}');}) =~ /^(\d+)$/m;
is(state_of(as('regress_atk_asker', q{SELECT apikey.update_role('top/acme', 'narrow', '{a:*}');})), '42501', 'the role of a key that waits, widened by who asked: refused');
as('regress_atk_judge', "SELECT FROM apikey.approve_key($with_role);");
is(state_of(as('regress_atk_asker', q{SELECT apikey.update_role('top/acme', 'narrow', '{a:read,b}');})), '42501', 'the role of an approved key, widened by who asked: refused');
is(state_of(as('regress_atk_asker', q{SELECT apikey.update_role('top/acme', 'narrow', '{}');})), 'ok', '... narrowed: not refused');
is(state_of(as('regress_atk_asker', q{SELECT apikey.update_role('top/acme', 'free', '{a:*}');})), 'ok', 'a role that no such key has: not refused');
is(state_of(as('regress_atk_judge', q{SELECT apikey.update_role('top/acme', 'narrow', '{a:read,b}');})), 'ok', 'the role of an approved key, widened by another: not refused');
is(super("SELECT scopes, name FROM apikey.api_key WHERE key_id IN ($mine, $strict) ORDER BY key_id"), "{a}|\n{a}|", 'the keys are as approved');

# --- roles that are renamed, dropped, made again -------------------------------------
my $old = request_as('regress_atk_asker');
super('ALTER ROLE regress_atk_asker RENAME TO regress_atk_renamed; CREATE ROLE regress_atk_asker LOGIN; SELECT apikey.grant_access($$regress_atk_asker$$, $$admin$$, $$top/acme$$)');
is(state_of(as('regress_atk_renamed', "SELECT apikey.approve_key($old);")), '42501', 'renamed: who asked does not approve');
is(state_of(as('regress_atk_asker', "SELECT apikey.approve_key($old);")), '42501', 'renamed: nor does a new role of the old name');
super('DROP OWNED BY regress_atk_asker CASCADE; DROP ROLE regress_atk_asker; CREATE ROLE regress_atk_asker LOGIN; GRANT regress_atk_group TO regress_atk_asker; SELECT apikey.grant_access($$regress_atk_asker$$, $$admin$$, $$top/acme$$)');
is(state_of(as('regress_atk_asker', "SELECT apikey.approve_key($old);")), '42501', 'dropped and made again: nor does that one');
waits($old, 'the key still waits');
is(state_of(as('regress_atk_judge', "SELECT apikey.approve_key($old);")), 'ok', 'another one does');

# --- second factors ----------------------------------------------------------------------
# The clock of the tests, for every session from now on.
my $now = time;
sub later
{
	$now += 3600;
	super("ALTER DATABASE postgres SET apikey.test_now = '$now'");
	return;
}

sub code_of
{
	my ($secret, $drift) = @_;
	my %digit = map { substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', $_, 1) => $_ } 0 .. 31;
	my $bits  = join '', map { sprintf '%05b', $digit{$_} } split //, $secret;
	my $hex   = unpack 'H*', pack 'B*', $bits;

	return super(sprintf q{SELECT apikey._totp_code('\x%s', %d, 6)}, $hex, int($now / 30) + ($drift // 0));
}

later();
super('GRANT regress_atk_group TO regress_atk_judge; CREATE TABLE public.totp_table (a int); GRANT ALL ON public.totp_table TO PUBLIC');
my ($secret) = as('regress_atk_judge', 'SELECT secret FROM apikey.enroll_totp();') =~ /^([A-Z2-7]{32})$/m;
ok($secret, 'a secret is shown');
my ($other) = as('regress_atk_operator', 'SELECT secret FROM apikey.enroll_totp();') =~ /^([A-Z2-7]{32})$/m;
my ($open)  = as('regress_atk_analyst', 'SELECT secret FROM apikey.enroll_totp();') =~ /^([A-Z2-7]{32})$/m;
like(as('regress_atk_judge', sprintf q{SELECT apikey.confirm_totp('%s');}, code_of($secret)), qr/^t$/m, 'and confirmed');
like(as('regress_atk_operator', sprintf q{SELECT apikey.confirm_totp('%s');}, code_of($other)), qr/^t$/m, 'another one, too');

# every refusal reads the same
later();
my $good = code_of($secret);
my $bad  = $good eq '123456' ? '654321' : '123456';
my %answer;
foreach my $try (
	[ 'a wrong code', 'regress_atk_judge', "'$bad'" ], [ 'a code that is too long', 'regress_atk_judge', "'${good}0'" ],
	[ 'NULL', 'regress_atk_judge', 'NULL' ], [ 'letters', 'regress_atk_judge', "'abcdef'" ],
	[ 'of another role', 'regress_atk_operator', "'$good'" ], [ 'not enrolled', 'regress_atk_auditor', "'$good'" ],
	[ 'not confirmed', 'regress_atk_analyst', "'" . code_of($open) . "'" ],
	[ 'of an hour ago', 'regress_atk_judge', "'" . code_of($secret, -120) . "'" ], [ 'of two steps ahead', 'regress_atk_judge', "'" . code_of($secret, 2) . "'" ],
	[ 'right, after too many', 'regress_atk_judge', "'$good'" ])
{
	my ($name, $role, $code) = @$try;
	my $out = as($role, "SELECT apikey.step_up($code);");

	is(state_of($out), '28000', "a code: $name: refused") or diag($out);
	$out =~ s/^CONTEXT.*?(?=^[A-Z]+:|\z)//msg;
	$answer{$out}++;
	unlike($out, qr/\Q$good\E|$secret/, "a code: $name: shows neither code nor secret");
}
is(scalar keys %answer, 1, 'every refusal reads the same') or diag(join "\n--\n", keys %answer);

# what a step-up is good for: this role, this transaction
later();
sub removed
{
	my ($role, $sql, $name) = @_;
	my $out = as($role, $sql);

	like($out, qr/ERROR:  (?:AK005|28000|42501|25P02|55000|3B001|22023|42P17)/, "a second factor, $name: refused") or diag($out);
	is(super("SELECT count(*) FROM apikey.member_totp WHERE confirmed_at IS NOT NULL"), '2', "a second factor, $name: it is still there");
	return;
}
sub stepped { later(); return "SELECT apikey.step_up('" . code_of($secret) . "');" }
removed('regress_atk_judge', 'SELECT apikey.remove_totp();', 'without');
removed('regress_atk_judge', stepped() . ' SELECT apikey.remove_totp();', 'of another transaction');
removed('regress_atk_judge', 'BEGIN; ' . stepped() . ' COMMIT AND CHAIN; SELECT apikey.remove_totp(); COMMIT;', 'of the transaction before');
removed('regress_atk_judge', 'BEGIN; SAVEPOINT s; ' . stepped() . ' ROLLBACK TO s; SELECT apikey.remove_totp(); COMMIT;', 'rolled back to a savepoint');
removed('regress_atk_judge', "BEGIN; INSERT INTO public.totp_table VALUES (1); " . stepped() . " PREPARE TRANSACTION 'regress_totp'; SELECT apikey.remove_totp();", 'of a prepared transaction');
super(q{DO $$ BEGIN IF EXISTS (SELECT FROM pg_prepared_xacts) THEN RAISE EXCEPTION 'left'; END IF; END $$}) if !super('SELECT count(*) FROM pg_prepared_xacts');
super("ROLLBACK PREPARED 'regress_totp'") if super('SELECT count(*) FROM pg_prepared_xacts');
my $once = stepped();
like(as('regress_atk_judge', $once), qr/^t$/m, 'a code is good once');
removed('regress_atk_judge', "BEGIN; $once SELECT apikey.remove_totp(); COMMIT;", 'with a code that was used');
later();
$once = stepped();
as('regress_atk_judge', "BEGIN; $once ROLLBACK;");
removed('regress_atk_judge', "BEGIN; $once SELECT apikey.remove_totp(); COMMIT;", 'with a code whose use was rolled back');
removed('regress_atk_judge', 'BEGIN; ' . stepped() . ' SELECT apikey.remove_totp(\'regress_atk_operator\'); COMMIT;', 'of another role, by whom it does not belong to');
removed('regress_atk_operator', 'BEGIN; ' . stepped() . ' SELECT apikey.remove_totp(); COMMIT;', 'with a code of another');
as('regress_atk_judge', "CREATE FUNCTION public.give_step() RETURNS boolean SECURITY DEFINER LANGUAGE plpgsql AS 'DECLARE r boolean; BEGIN SELECT apikey.step_up(current_setting(''x.code'')) INTO r; RETURN r; END';");
later();
$good = code_of($secret);
removed('regress_atk_operator', "BEGIN; SET x.code = '$good'; SELECT public.give_step(); SELECT apikey.remove_totp(); COMMIT;", 'given for another role in its definer function');

# what takes approvals off production keys takes a second factor, wherever it is written
super(q{SELECT apikey.create_environment('top/acme', 'prod', is_production => true, requires_approval => true), apikey.create_environment('top/acme', 'prod2', is_production => true)});
my ($live) = as('regress_atk_asker', q{SELECT key_id FROM apikey.request_key('top/acme', 'prod2', policy => 'strict');}) =~ /^(\d+)$/m;
foreach my $sql (q{apikey.update_environment('top/acme', 'prod', requires_approval => false)}, q{apikey.update_environment('top/acme', 'prod', is_production => false)},
	q{apikey.set_policy('top/acme', 'strict', requires_approval => false)}, q{apikey.set_policy('top/acme', 'strict', clear => '{requires_approval}')},
	q{apikey.rollback_policy('strict', 1, 'top/acme')}, q{apikey.revoke_keys('top/acme', 'prod2')})
{
	my $out = as('regress_atk_judge', "SELECT $sql;");
	is(state_of($out), 'AK005', "a second factor: $sql: refused without") or diag($out);
	like(as('regress_atk_judge', 'BEGIN; ' . stepped() . " SELECT $sql; ROLLBACK;"), qr/^t\n\d+$/m, "a second factor: $sql: with one it works");
}

# a role without a factor is no way around one's own
my $as_group = q{SET ROLE regress_atk_group; SELECT apikey.revoke_keys('top/acme', 'prod2');};
is(state_of(as('regress_atk_judge', $as_group)), 'AK005', 'a second factor: as another role that has none: refused without');
like(as('regress_atk_judge', 'BEGIN; ' . stepped() . " $as_group ROLLBACK;"), qr/^t\n\d+$/m, 'a second factor: as another role that has none: with one\'s own it works');
as('regress_atk_friend', q{SET ROLE regress_atk_group; CREATE FUNCTION public.revoke_all() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS $$ SELECT apikey.revoke_keys('top/acme', 'prod2') $$;});
is(state_of(as('regress_atk_judge', 'SELECT public.revoke_all();')), 'AK005', 'a second factor: in a definer function of a role that has none: refused without');
like(as('regress_atk_friend', "BEGIN; $as_group ROLLBACK;"), qr/^\d+$/m, 'a second factor: who has none gives none');

# forged: as the identity of context.sql
my $oid = super(q{SELECT 'regress_atk_judge'::regrole::oid});
foreach my $value ($oid, "role=$oid", "oid=$oid", 'on', 't', '1', "regress_atk_judge", '0', ' ')
{
	foreach my $sql ("SET apikey.stepped_up = '$value';", "SET LOCAL apikey.stepped_up = '$value';", "SELECT set_config('apikey.stepped_up', '$value', true);",
		"SELECT set_config('apikey.stepped_up', '$value', false);", "ALTER ROLE CURRENT_USER SET apikey.stepped_up = '$value';",
		"CREATE FUNCTION pg_temp.f() RETURNS boolean LANGUAGE sql SET apikey.stepped_up = '$value' AS 'SELECT apikey.remove_totp()'; SELECT pg_temp.f();",
		"DO \$\$ BEGIN PERFORM set_config('apikey.stepped_up', '$value', true); EXCEPTION WHEN OTHERS THEN NULL; END \$\$;")
	{
		removed('regress_atk_judge', "\\set ON_ERROR_ROLLBACK on\nBEGIN; $sql SELECT apikey.remove_totp(); COMMIT;\n\\set ON_ERROR_ROLLBACK off\n", "forged: $sql");
	}
}
removed('regress_atk_judge', 'BEGIN; ' . stepped() . " CREATE FUNCTION public.kept_step() RETURNS boolean LANGUAGE sql SET apikey.stepped_up FROM CURRENT AS 'SELECT apikey.remove_totp()'; COMMIT; SELECT public.kept_step(); SELECT apikey.remove_totp();", 'kept in a function');
removed('regress_atk_judge', 'BEGIN; ' . stepped() . ' ALTER ROLE CURRENT_USER SET apikey.stepped_up FROM CURRENT; COMMIT; SELECT apikey.remove_totp();', 'kept in the settings of the role');
is(super(q{SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%stepped_up=_%'}), '0', 'no setting keeps one');
like(as('regress_atk_judge', 'BEGIN; ' . stepped() . ' SELECT apikey.remove_totp(); COMMIT;'), qr/^t\nt$/m, 'and with a code it goes');

server_is_fine($node);
$node->stop;

done_testing();
