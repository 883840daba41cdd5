Questions whose answer must be the same for what belongs to others (<name>) and
for what is not there at all.  "same": letter by letter, up to what was typed;
"lines": as many lines.
A fourth word tells of whom, if not of B, of A's sister and of the parent.  Run in a transaction that is rolled back.

--- foreign parts for an own key: environment | same
SELECT key IS NOT NULL FROM apikey.create_key('<own_tenant>', '<env>');
--- foreign parts for an own key: policy | same | all | foreign,sister
SELECT key IS NOT NULL FROM apikey.create_key('<own_tenant>', '<own_env>', policy => '<policy>');
--- foreign parts for an own key: role | same
SELECT key IS NOT NULL FROM apikey.create_key('<own_tenant>', '<own_env>', roles => '{<role>}');
--- foreign parts for an own key: parent | same
SELECT key IS NOT NULL FROM apikey.create_key('<own_tenant>', '<own_env>', parent_key_id => <key>);
--- foreign parts for own keys: parent | same
SELECT count(*) FROM apikey.create_keys(2, '<own_tenant>', '<own_env>', parent_key_id => <gone>);
--- an own key gets a foreign policy | same | all | foreign,sister
SELECT name FROM apikey.update_key(<own_key>, policy => '<policy>');
--- an own key gets a foreign role | same
SELECT name FROM apikey.update_key(<own_key>, roles => '{<role>}');
--- an own environment gets a foreign policy | same | all | foreign,sister
SELECT apikey.create_environment('<own_tenant>', 'new', default_policy => '<policy>') > 0;
--- a foreign policy under the own tenant | same
SELECT apikey.set_policy('<own_tenant>', '<policy>', grace => '1 hour') > 0;
--- a foreign role under the own tenant | same
SELECT apikey.update_role('<own_tenant>', '<role>', '{a}') > 0;
--- own keys of a foreign environment | same
SELECT count(*) FROM apikey.list_keys('<own_tenant>', environment => '<env>');
--- a name that others have taken: tenant | same
SELECT apikey.create_tenant('<tenant>') > 0;
--- a name that others have taken: tenant, under the own one | same | all | foreign
SELECT apikey.create_tenant('<tenant>', '<own_tenant>') > 0;
--- a name that others have taken: environment | same
SELECT apikey.create_environment('<own_tenant>', '<env>') > 0;
--- a name that others have taken: policy | same
SELECT apikey.create_policy('<own_tenant>', '<policy>') > 0;
--- a name that others have taken: role | same
SELECT apikey.create_role('<own_tenant>', '<role>', '{a}') > 0;
--- a tenant below a foreign one | same
SELECT apikey.create_tenant('new', '<child>') > 0;
--- a tenant below a foreign one, wrong name | same
SELECT apikey.create_tenant('NEW!', '<child>') > 0;
--- wrong arguments for a foreign tenant: environment | same
SELECT apikey.create_environment('<tenant>', '', tag => 'WRONG', requires_approval => true) > 0;
--- wrong arguments for a foreign tenant: policy | same
SELECT apikey.create_policy('<tenant>', '', max_ttl => '-1 day', rate_limits => ARRAY[('a', 1, '1 s', 1, 'key')::apikey.rate_limit]) > 0;
--- wrong arguments for a foreign tenant: set_policy | same
SELECT apikey.set_policy('<tenant>', '<policy>', grace => '1 hour', clear => '{grace}', effective_at => '2000-01-01') > 0;
--- wrong arguments for a foreign tenant: role | same
SELECT apikey.create_role('<tenant>', '', '{"not a scope"}') > 0;
--- wrong arguments for a foreign tenant: key | same
SELECT key IS NULL FROM apikey.create_key('<tenant>', '<env>', scopes => '{"not a scope"}', expires_at => '2000-01-01', ttl => '-1 s', bytes => 1);
--- wrong arguments for foreign keys | same
SELECT count(*) FROM apikey.create_keys(-1, '<tenant>', '<env>');
--- wrong arguments for a foreign key: update_key | same
SELECT name FROM apikey.update_key(<key>, name => '', scopes => '{"not a scope"}', clear => '{name,nonsense}');
--- wrong arguments for a foreign key: suspend_key | same
SELECT status FROM apikey.suspend_key(<key>, repeat('x', 5000));
--- wrong arguments for a foreign key: renew_key | same
SELECT status FROM apikey.renew_key(<key>, NULL), apikey.renew_key(<key>, '2000-01-01');
--- wrong arguments for a foreign key: rotate_key | same
SELECT key IS NULL FROM apikey.rotate_key(<key>, '-1 s', seal_to => 'x', bytes => 1);
--- wrong arguments for a foreign key: revoke_key | same
SELECT status FROM apikey.revoke_key(<key>, '', '2000-01-01', NULL);
--- wrong arguments for a foreign key: restore_key | same
SELECT status FROM apikey.restore_key(<gone>, '');
--- wrong arguments for a foreign secret | same
SELECT status FROM apikey.revoke_secret(<secret>, '');
--- wrong arguments for a foreign tenant: block_ip | same
SELECT apikey.block_ip(NULL, '<tenant>', '', '2000-01-01');
--- wrong arguments for a foreign tenant: suspend_tenant | same
SELECT status FROM apikey.suspend_tenant('<tenant>', '');
--- wrong arguments for a foreign tenant: grant_access | same
SELECT apikey.grant_access('no such role', 'no such level', '<tenant>');
--- wrong arguments for a foreign tenant: list_keys | same
SELECT count(*) FROM apikey.list_keys('<tenant>', status => 'nonsense', page_size => -1);
--- a foreign key that is in the wrong state: delete_key | same
SELECT status FROM apikey.delete_key(<key>);
--- a foreign key that is in the wrong state: restore_key | same
SELECT status FROM apikey.restore_key(<key>);
--- a foreign key that is in the wrong state: suspend_key | same
SELECT status FROM apikey.suspend_key(<gone>);
--- a foreign key that is in the wrong state: rotate_key | same
SELECT key IS NULL FROM apikey.rotate_key(<gone>);
--- paths: above | same
SELECT status FROM apikey.suspend_tenant('<tenant>/');
--- paths: below | same
SELECT status FROM apikey.suspend_tenant('/<tenant>');
--- paths: deeper | same
SELECT count(*) FROM apikey.list_keys('<child>/x');
--- paths: the own tenant under a foreign one | same
SELECT count(*) FROM apikey.list_keys('<tenant>/<own_tenant>');
--- paths: a foreign tenant under the own one | same | all | foreign
SELECT count(*) FROM apikey.list_keys('<own_tenant>/<tenant>');
--- idempotency keys of others | same
SELECT key IS NOT NULL FROM apikey.create_key('<own_tenant>', '<own_env>', idempotency_key => 'C' || 'ANARYB key idem');
--- idempotency keys of others, guessed for their tenant | same
SELECT key IS NOT NULL FROM apikey.create_key('<tenant>', '<env>', idempotency_key => 'order 7');

--- policies: history, without a tenant | same | all | foreign,sister
SELECT count(*) FROM apikey.policy_history('<policy>');
--- policies: history, of the own tenant | same
SELECT count(*) FROM apikey.policy_history('<policy>', '<own_tenant>');
--- policies: history of the own one, for a foreign tenant | same
SELECT count(*) FROM apikey.policy_history('<own_policy>', '<tenant>');
--- policies: history, of a name that only one tenant has | same
SELECT count(*) FROM apikey.policy_history('C' || 'ANARYB policy'), count(*) FROM apikey.policy_history('<policy>', '<child>');
--- policies: difference, without a tenant | same | all | foreign,sister
SELECT count(*) FROM apikey.policy_diff('<policy>', 1, 2);
--- policies: difference, versions that are not | same
SELECT count(*) FROM apikey.policy_diff('<policy>', 98, 99, '<tenant>');
--- policies: difference, no versions | same
SELECT count(*) FROM apikey.policy_diff('<policy>', NULL, NULL, '<tenant>');
--- policies: check, without a tenant | same | all | foreign,sister
SELECT count(*) FROM apikey.policy_check('<policy>');
--- policies: check, a version that is not | same
SELECT count(*) FROM apikey.policy_check('<policy>', 99, '<tenant>');
--- policies: preview, without a tenant | same | all | foreign,sister
SELECT count(*) FROM apikey.policy_preview('<policy>', denied_cidrs => '{0.0.0.0/0}');
--- policies: preview, of no time | same
SELECT count(*) FROM apikey.policy_preview('<policy>', since => '2020-01-02', until => '2020-01-01', tenant => '<tenant>');
--- policies: preview, of all time | same
SELECT count(*) FROM apikey.policy_preview('<policy>', since => '-infinity', until => 'infinity', tenant => '<tenant>');
--- policies: preview, wrong rules | same
SELECT count(*) FROM apikey.policy_preview('<policy>', allowed_endpoints => '{nonsense}', access_hours => '{25:00}', tenant => '<tenant>');
--- policies: preview, under the own tenant | same
SELECT count(*) FROM apikey.policy_preview('<policy>', denied_cidrs => '{0.0.0.0/0}', tenant => '<own_tenant>');
--- policies: back to a version, without a tenant | same | all | foreign,sister
SELECT apikey.rollback_policy('<policy>', 1, force => true);
--- policies: back to a version that is not | same
SELECT apikey.rollback_policy('<policy>', 99, '<tenant>');
--- policies: back to a version, in the past | same
SELECT apikey.rollback_policy('<policy>', 1, '<tenant>', effective_at => '2000-01-01');
--- policies: a version taken away | same
SELECT apikey.cancel_policy_version('<policy>', 2, '<tenant>');
--- policies: a version taken away, without a tenant | same | all | foreign,sister
SELECT apikey.cancel_policy_version('<policy>', 2, note => 'x');
--- policies: a change that would deny traffic | same
SELECT apikey.set_policy('<tenant>', '<policy>', denied_cidrs => '{0.0.0.0/0}');
--- environments: a foreign one changed | same
SELECT apikey.update_environment('<tenant>', '<env>', tag => 'Wrong Tag');
--- environments: a foreign one, under the own tenant | same
SELECT apikey.update_environment('<own_tenant>', '<env>', is_production => true);
--- environments: the own one, with a foreign policy | same | all | foreign,sister
SELECT apikey.update_environment('<own_tenant>', '<own_env>', default_policy => '<policy>');
--- tenants: a foreign one changed, wrong arguments | same
SELECT apikey.update_tenant('<tenant>', prefix => 'Wrong Prefix', max_keys => -1, clear => '{nonsense}');
--- tenants: a foreign one limited | same
SELECT apikey.update_tenant('<tenant>', max_keys => 0);
--- tenants: the own child moved under a foreign one | same
SELECT apikey.move_tenant('<own_child>', '<tenant>');
--- tenants: the own child moved under a child of a foreign one | same
SELECT apikey.move_tenant('<own_child>', '<child>');
--- tenants: a foreign one moved under the own one | same
SELECT apikey.move_tenant('<tenant>', '<own_tenant>');
--- tenants: a foreign one moved under itself | same
SELECT apikey.move_tenant('<tenant>', '<child>');
--- tenants: a foreign child made a root | same
SELECT apikey.move_tenant('<child>', NULL);
--- tenants: moved, in another isolation level | same
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT apikey.move_tenant('<child>', '<own_tenant>');
--- approvals: a key in a foreign environment | same
SELECT status FROM apikey.request_key('<own_tenant>', '<env>');
--- approvals: a child of a foreign key | same
SELECT status FROM apikey.request_key('<own_tenant>', '<own_env>', parent_key_id => <key>);
--- approvals: a child of a foreign key that waits | same
SELECT status FROM apikey.request_key('<own_tenant>', '<own_env>', parent_key_id => <asked>);
--- approvals: with a foreign policy and role | same | all | foreign,sister
SELECT status FROM apikey.request_key('<own_tenant>', '<own_env>', policy => '<policy>', roles => '{<role>}');
--- approvals: wrong arguments for a foreign tenant | same
SELECT status FROM apikey.request_key('<tenant>', '<env>', scopes => '{not a scope}', bytes => 1);
--- approvals: a foreign key that waits for none | same
SELECT key IS NULL FROM apikey.approve_key(<key>);
--- approvals: a foreign key that is revoked | same
SELECT status FROM apikey.reject_key(<gone>);
--- approvals: a foreign key that waits, rejected without a reason | same
SELECT status FROM apikey.reject_key(<asked>, '');
--- approvals: a foreign key that waits, claimed | same
SELECT key IS NULL FROM apikey.claim_key(<asked>);
--- approvals: a foreign key that waits, rotated | same
SELECT key IS NULL FROM apikey.rotate_key(<asked>);
--- approvals: a foreign key that waits, suspended | same
SELECT status FROM apikey.suspend_key(<asked>);
--- approvals: a foreign key that waits, restored | same
SELECT status FROM apikey.restore_key(<asked>);
--- approvals: a foreign key that waits, changed | same
SELECT status FROM apikey.update_key(<asked>, scopes => '{a}');
--- approvals: who asked for foreign keys | same
SELECT count(*) FROM apikey.key_request WHERE key_id = <asked> OR tenant_id = <tid>;
--- identity: a foreign tenant, below the own one | same | all | foreign
SELECT apikey.set_tenant('<own_tenant>/<tenant>');
--- identity: a foreign tenant, below a foreign one | same
SELECT apikey.set_tenant('<tenant>/<tenant>');
--- identity: a foreign key, then who it is | same
SELECT code FROM apikey.authenticate('<keytext>', tenant => '<tenant>'); SELECT apikey.current_tenant(), apikey.current_key_id(), apikey.current_scopes(), current_setting('apikey.context');
--- identity: narrowed, then a foreign key | same
SELECT apikey.set_tenant('<own_child>'); SELECT code FROM apikey.verify('<keytext>'); SELECT count(*) FROM apikey.list_keys('<tenant>');
--- identity: narrowed, then the path of a foreign tenant | same
SELECT apikey.set_tenant('<own_child>'); SELECT apikey.tenant_path(<tid>), apikey.log_usage(<key>), apikey.unblock_ip(<block>);

--- owners: keys of a foreign tenant counted | same
SELECT apikey.revoke_keys('<tenant>', everything => true, dry_run => true);
--- owners: keys of a foreign tenant, no condition | same
SELECT apikey.revoke_keys('<tenant>');
--- owners: keys of a foreign tenant, wrong arguments | same
SELECT apikey.revoke_keys('<tenant>', owner => '', created_before => 'infinity', everything => NULL);
--- owners: keys below a foreign key | same
SELECT apikey.revoke_keys('<own_tenant>', parent_key_id => <key>, dry_run => true);
--- owners: keys of a foreign environment | same
SELECT apikey.revoke_keys('<own_tenant>', environment => '<env>', dry_run => true);
--- owners: keys of a foreign policy | same | all | foreign,sister
SELECT apikey.revoke_keys('<own_tenant>', policy => '<policy>', dry_run => true);
--- owners: keys of an owner that others have | same
SELECT apikey.revoke_keys('<own_tenant>', owner => 'C' || 'ANARYB owner', dry_run => true), apikey.revoke_keys('<own_tenant>', tag => 'C' || 'ANARYB tag');
--- owners: a foreign one handed over | same
SELECT apikey.transfer_owner('<tenant>', 'C' || 'ANARYB owner', 'x');
--- owners: one that others have, handed over | same
SELECT apikey.transfer_owner('<own_tenant>', 'C' || 'ANARYB owner', 'x');
--- owners: to one that others have | same
SELECT apikey.transfer_owner('<own_tenant>', 'x', 'C' || 'ANARYB owner');
--- owners: a foreign one deleted | same
SELECT apikey.delete_owner('<tenant>', 'C' || 'ANARYB owner');
--- owners: one that others have, deleted | same
SELECT apikey.delete_owner('<own_tenant>', 'C' || 'ANARYB owner', transfer_to => 'x');
--- owners: a foreign key leaves its parent | same
SELECT apikey.orphan_key(<key>), apikey.orphan_key(<gone>);
--- owners: a foreign key leaves its parent, no reason | same
SELECT apikey.orphan_key(<key>, '');

--- verify: a foreign key, with everything given | same
SELECT * FROM apikey.verify('<keytext>', '{a}', '203.0.113.5', 'GET', '/x', '<env>', '<tenant>', 1, 'agent', 'region', 'request', '{"a": 1}', true);
--- verify: a foreign key, its own tenant | same
SELECT * FROM apikey.verify('<keytext>', tenant => '<tenant>');
--- verify: a foreign key, the own tenant | same
SELECT * FROM apikey.verify('<keytext>', tenant => '<own_tenant>');
--- verify: a foreign key, a revoked one | same
SELECT * FROM apikey.verify('<gonetext>');
--- verify: a foreign key, unrecorded | same
SELECT * FROM apikey.verify('<keytext>', record => false);
--- verify: the own key, a foreign tenant | same
SELECT * FROM apikey.verify('<own_keytext>', tenant => '<tenant>');
--- verify: the own key, a foreign tenant below | same
SELECT * FROM apikey.verify('<own_keytext>', tenant => '<child>');
--- verify: the own key, a foreign environment | same
SELECT code, detail FROM apikey.verify('<own_keytext>', environment => '<env>');
--- verify: wrong arguments | same
SELECT * FROM apikey.verify('<keytext>', units => -1);
--- verify: too many scopes | same
SELECT * FROM apikey.verify('<keytext>', array_fill('a'::text, ARRAY[65]));
--- verify: one letter off | same
SELECT code FROM apikey.verify(overlay('<keytext>' placing '~' from 20 for 1));
--- is_allowed: a foreign key | same
SELECT apikey.is_allowed('<keytext>', tenant => '<tenant>', environment => '<env>');
--- verify_many: foreign and own | same
SELECT * FROM apikey.verify_many(ARRAY['<keytext>', '<gonetext>', NULL, '']);
--- log_usage: a foreign key | same
SELECT apikey.log_usage(<key>), apikey.log_usage(<gone>);
--- log_usage: wrong arguments | same
SELECT apikey.log_usage(<key>, status => 5000);
--- log_usage: wrong arguments, tags | same
SELECT apikey.log_usage(<key>, units => -1);
--- the path of a foreign tenant | same
SELECT apikey.tenant_path(<tid>), apikey.tenant_path(<tid>) IS NULL;
--- my tenants: a foreign one among them | same
SELECT <tid> = ANY (apikey.my_tenants('any')), <tid> = ANY (apikey.my_tenants('verify'));
--- my tenants: of no such class | same
SELECT apikey.my_tenants('<tenant>');
--- a foreign row in a table | same
SELECT count(*) FROM apikey.tenant WHERE tenant_id = <tid> OR name = '<tenant>';
--- a foreign row in the view | same
SELECT count(*) FROM apikey.key WHERE key_id = <key> OR environment = '<env>' OR policy = '<policy>';
--- a foreign row in the audit log | same
SELECT count(*) FROM apikey.audit_log WHERE object = 'key:<key>';
--- a foreign row in usage | same
SELECT count(*) FROM apikey.usage WHERE key_id = <key> OR tenant_id = <tid>;
--- a foreign row as a condition that fails | same
SELECT 1 / (SELECT count(*) FROM apikey.api_key WHERE key_id = <key>);

--- what an error leaves behind: every part of it | same
DO $$
DECLARE
	a text; b text; c text; d text; e text; f text; g text; h text; i text;
BEGIN
	PERFORM apikey.suspend_tenant('<tenant>');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS a = RETURNED_SQLSTATE, b = COLUMN_NAME, c = CONSTRAINT_NAME, d = PG_DATATYPE_NAME, e = MESSAGE_TEXT,
		f = TABLE_NAME, g = SCHEMA_NAME, h = PG_EXCEPTION_DETAIL, i = PG_EXCEPTION_CONTEXT;
	RAISE NOTICE '% % % % % % % % %', a, b, c, d, e, f, g, h, i;
END $$;
--- what an error leaves behind: a key | same
DO $$
DECLARE
	a text; b text; c text;
BEGIN
	PERFORM apikey.revoke_key(<key>);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS a = MESSAGE_TEXT, b = PG_EXCEPTION_DETAIL, c = PG_EXCEPTION_CONTEXT;
	RAISE NOTICE '% % %', a, b, c;
END $$;
--- extra checks of PL/pgSQL | same
SET plpgsql.extra_errors = 'all'; SET plpgsql.extra_warnings = 'all'; SET plpgsql.print_strict_params = on; SELECT count(*) FROM apikey.list_keys('<child>');
--- extra checks of PL/pgSQL, a key | same
SET plpgsql.extra_errors = 'all'; SET plpgsql.print_strict_params = on; SELECT status FROM apikey.revoke_key(<key>);
--- locks that remain: a block | same
SELECT apikey.unblock_ip(<block>); SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation <> 'pg_locks'::regclass ORDER BY 1, 2;
--- locks that remain: the path of a tenant | same
SELECT apikey.tenant_path(<tid>); SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation <> 'pg_locks'::regclass ORDER BY 1, 2;
--- locks that remain: usage of a key | same
SELECT apikey.log_usage(<key>); SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation <> 'pg_locks'::regclass ORDER BY 1, 2;
--- locks that remain: verification | same
SELECT apikey.is_allowed('<keytext>'); SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation <> 'pg_locks'::regclass ORDER BY 1, 2;
--- locks that remain: after an error | same
SAVEPOINT s; SELECT status FROM apikey.suspend_key(<key>); ROLLBACK TO s; SELECT relation::regclass, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation <> 'pg_locks'::regclass ORDER BY 1, 2;
--- whether something was written | same
SAVEPOINT s; SELECT status FROM apikey.revoke_key(<key>); ROLLBACK TO s; SELECT pg_current_xact_id_if_assigned() IS NULL;
--- whether something was written: a block | same
SELECT apikey.unblock_ip(<block>); SELECT pg_current_xact_id_if_assigned() IS NULL;
--- in a read-only transaction: a key | same
SET TRANSACTION READ ONLY; SELECT status FROM apikey.revoke_key(<key>);
--- in a read-only transaction: a tenant | same
SET TRANSACTION READ ONLY; SELECT status FROM apikey.suspend_tenant('<tenant>');
--- in a read-only transaction: a block | same
SET TRANSACTION READ ONLY; SELECT apikey.unblock_ip(<block>);
--- plans that are printed: a tenant | lines | all | foreign
SET client_min_messages = log; SET debug_print_plan = on; SELECT status FROM apikey.suspend_tenant('<child>');
--- plans that are printed: a key | lines | all | foreign
SET client_min_messages = log; SET debug_print_parse = on; SET debug_print_rewritten = on; SET debug_print_plan = on; SELECT status FROM apikey.revoke_key(<key>);
--- plans that are printed: a verification | lines | all | foreign
SET client_min_messages = log; SET debug_print_plan = on; SELECT code FROM apikey.verify('<keytext>');
--- messages for developers: a tenant | lines | all | foreign
SET client_min_messages = debug5; SELECT count(*) FROM apikey.list_keys('<child>');
--- messages for developers: a key | lines | all | foreign
SET client_min_messages = debug5; SELECT status FROM apikey.rotate_key(<key>);
--- messages for developers: a secret | lines | all | foreign
SET client_min_messages = debug5; SELECT status FROM apikey.revoke_secret(<secret>);
--- messages for developers: a verification | lines | all | foreign
SET client_min_messages = debug5; SELECT code FROM apikey.verify('<keytext>');
--- messages for developers: a block | lines | all | foreign
SET client_min_messages = debug5; SET trace_sort = on; SELECT apikey.unblock_ip(<block>);
--- plans that are printed: the path of a tenant | lines | all | foreign
SET client_min_messages = log; SET debug_print_plan = on; SELECT apikey.tenant_path(<tid>);
--- parallel mode: a verification | same
SET force_parallel_mode = on; SET parallel_setup_cost = 0; SELECT code FROM apikey.verify('<keytext>');
--- inside a function that is marked parallel safe | same
SET force_parallel_mode = on; CREATE FUNCTION pg_temp.f() RETURNS text PARALLEL SAFE LANGUAGE sql AS $$ SELECT code FROM apikey.verify('<keytext>') $$; SELECT pg_temp.f();
--- a report of a time that is no time | same
SELECT apikey.report_html('<tenant>', 'infinity', '-infinity');
--- the cost of a period that is none | same
SELECT * FROM apikey.cost_report('nonsense', '<tenant>', 99);
--- a budget that cannot be | same
SELECT apikey.set_budget('<tenant>', '', -1, 'nonsense', 'nowhere', 7, NULL);
--- a budget of others to be dropped | same
SELECT apikey.drop_budget('<tenant>', 'CANARYB budget');
--- the next number of a budget | same | admin,above
SELECT apikey.set_budget('<child>', 'x', 1) > 0;
