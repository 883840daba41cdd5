-- Keys that another role has to approve.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
SELECT pg_temp.clock('2040-01-01 12:00:00+00') \gset
CREATE ROLE regress_t58_op; CREATE ROLE regress_t58_op2; CREATE ROLE regress_t58_adm; CREATE ROLE regress_t58_adm2; CREATE ROLE regress_t58_none; CREATE ROLE regress_t58_other;
SELECT apikey.create_tenant('t58') > 0 AS tenant, apikey.create_tenant('t58x') > 0 AS other;
SELECT apikey.grant_access('regress_t58_op', 'operator', 't58'), apikey.grant_access('regress_t58_op2', 'operator', 't58'),
	   apikey.grant_access('regress_t58_adm', 'admin', 't58'), apikey.grant_access('regress_t58_adm2', 'admin', 't58'), apikey.grant_access('regress_t58_other', 'admin', 't58x');
SELECT apikey.create_environment('t58', 'production', is_production => true, requires_approval => true) > 0 AS four_eyes,
	   apikey.create_environment('t58', 'free') > 0 AS free;
SELECT apikey.create_policy('t58', 'strict', requires_approval => true) > 0 AS strict,
	   apikey.create_policy('t58', 'short', default_ttl => '10 days', max_ttl => '30 days', max_keys_per_owner => 2) > 0 AS short;
SELECT e.name, requires_approval FROM apikey.environment e JOIN apikey.tenant t USING (tenant_id) WHERE t.name = 't58' ORDER BY 1;

CREATE TEMP TABLE texts (n text, key_id bigint, secret_id bigint, key text, sealed bytea, hint text, expires_at timestamptz);
GRANT ALL ON texts TO public;
CREATE FUNCTION pg_temp.id(n text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT key_id FROM texts WHERE texts.n = id.n LIMIT 1 $$;
-- what a call says, with n instead of the id
CREATE FUNCTION pg_temp.try(n text, call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text; detail text;
BEGIN
	EXECUTE format('SELECT concat_ws('' '', status, expires_at, revoke_reason) FROM apikey.%s', replace(call, '$', pg_temp.id(n)::text)) INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, replace(SQLERRM, pg_temp.id(n)::text, n), '(' || nullif(detail, '') || ')');
END $$;
CREATE FUNCTION pg_temp.ask(n text, VARIADIC args text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE k apikey.key_info;
BEGIN
	EXECUTE format('SELECT r.* FROM apikey.request_key(''t58'', name => %L%s) r', n, (SELECT string_agg(', ' || a, '') FROM unnest(args) a WHERE a <> '')) INTO k;
	INSERT INTO texts (n, key_id) VALUES (n, k.key_id);
	RETURN concat_ws(' ', k.status, cardinality(k.hints) || ' secrets', k.expires_at);
EXCEPTION WHEN OTHERS THEN RETURN concat_ws(' ', SQLSTATE, SQLERRM);
END $$;
CREATE FUNCTION pg_temp.take(n text, what text DEFAULT 'approve_key') RETURNS text LANGUAGE plpgsql AS $$
DECLARE t texts; detail text;
BEGIN
	EXECUTE format('SELECT %L::text, k.* FROM apikey.%I(%L) k', n, what, pg_temp.id(n)) INTO t;
	INSERT INTO texts SELECT t.*;
	RETURN concat_ws(' ', CASE WHEN t.key IS NULL THEN 'no text' ELSE 'text' END, octet_length(t.sealed), t.expires_at);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, replace(SQLERRM, pg_temp.id(n)::text, n), '(' || nullif(detail, '') || ')');
END $$;
CREATE FUNCTION pg_temp.code(n text) RETURNS text LANGUAGE sql AS $$ SELECT (SELECT v.code FROM apikey.verify(t.key, record => false) v) FROM texts t WHERE t.n = code.n AND t.key IS NOT NULL $$;

-- where an approval is needed no key is made without one
SET ROLE regress_t58_op;
\set VERBOSITY default
SELECT key_id FROM apikey.create_key('t58', 'production');
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY terse
SELECT key_id FROM apikey.create_key('t58', 'free', policy => 'strict');
SELECT * FROM apikey.create_keys(3, 't58', 'production');
SELECT key IS NOT NULL AS free FROM apikey.create_key('t58', 'free', 'made');

-- a request: pending, no secret, on record; then four eyes
SELECT pg_temp.ask('k', 'environment => ''production''', 'ttl => ''1 day''', 'scopes => ''{a}''', 'reason => ''new client''');
SELECT requested_by, session = session_user AS session, requested_at, reason, bytes, seal_to, ttl, expires_at, decision FROM apikey.key_request WHERE key_id = pg_temp.id('k');
SELECT pg_temp.take('k');
SELECT pg_temp.try('k', 'reject_key($)');
SET ROLE regress_t58_other;
SELECT pg_temp.take('k'), pg_temp.try('k', 'reject_key($)'), pg_temp.take('k', 'claim_key');
SELECT count(*) FROM apikey.key_request;
RESET ROLE;
-- hours later: the time counts from the approval
SELECT pg_temp.clock('2040-01-01 18:00:00+00') \gset
SET ROLE regress_t58_adm;
SELECT pg_temp.take('k');
SELECT pg_temp.take('k'), pg_temp.try('k', 'reject_key($)');
RESET ROLE;
SELECT pg_temp.code('k');
SELECT decision, decided_by, decided_at, decision_reason FROM apikey.key_request WHERE key_id = pg_temp.id('k');
SELECT count(*) AS secrets, bool_and(sealed IS NULL) FROM apikey.key_secret WHERE key_id = pg_temp.id('k');

-- an admin does not approve what it asked for: not as another role, not under another name
SET ROLE regress_t58_adm;
SELECT pg_temp.ask('own', 'environment => ''production''');
SELECT pg_temp.take('own');
RESET ROLE;
ALTER ROLE regress_t58_adm RENAME TO regress_t58_renamed;
SET ROLE regress_t58_renamed;
SELECT pg_temp.take('own');
RESET ROLE;
ALTER ROLE regress_t58_renamed RENAME TO regress_t58_adm;
GRANT regress_t58_adm2 TO regress_t58_adm;
SET SESSION AUTHORIZATION regress_t58_adm;
SELECT pg_temp.ask('own2', 'environment => ''production''');
CREATE FUNCTION pg_temp.definer(id bigint) RETURNS apikey.new_key LANGUAGE sql SECURITY DEFINER AS $$ SELECT apikey.approve_key(id) $$;
SET ROLE regress_t58_adm2;
CREATE FUNCTION pg_temp.definer2(id bigint) RETURNS apikey.new_key LANGUAGE sql SECURITY DEFINER AS $$ SELECT apikey.approve_key(id) $$;
CREATE FUNCTION pg_temp.by_trigger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM apikey.approve_key(new.id); RETURN new; END $$;
CREATE TEMP TABLE bait (id bigint);
CREATE TRIGGER bait BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION pg_temp.by_trigger();
GRANT INSERT ON bait TO regress_t58_adm;
SELECT pg_temp.take('own2'), pg_temp.try('own2', 'renew_key($, ''2041-01-01'')'), pg_temp.try('own2', 'update_key($, scopes => ''{x}'')');
SET ROLE regress_t58_adm;
DO $$ BEGIN PERFORM pg_temp.definer(pg_temp.id('own2')); EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING 'refused'; END $$;
DO $$ BEGIN PERFORM pg_temp.definer2(pg_temp.id('own2')); EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING 'refused'; END $$;
DO $$ BEGIN INSERT INTO bait VALUES (pg_temp.id('own2')); EXCEPTION WHEN insufficient_privilege THEN RAISE WARNING 'refused'; END $$;
RESET SESSION AUTHORIZATION;
-- nor after the login role was renamed
ALTER ROLE regress_t58_adm RENAME TO regress_t58_renamed;
SET SESSION AUTHORIZATION regress_t58_renamed;
SET ROLE regress_t58_adm2;
SELECT pg_temp.take('own2');
RESET SESSION AUTHORIZATION;
ALTER ROLE regress_t58_renamed RENAME TO regress_t58_adm;
-- nor as the login role when another one had asked
SET SESSION AUTHORIZATION regress_t58_adm;
SET ROLE regress_t58_adm2;
SELECT pg_temp.ask('own4', 'environment => ''production''');
RESET SESSION AUTHORIZATION;
SET ROLE regress_t58_adm;
SELECT pg_temp.take('own4');
RESET ROLE;
ALTER ROLE regress_t58_adm RENAME TO regress_t58_renamed;
SET SESSION AUTHORIZATION regress_t58_renamed;
SELECT pg_temp.take('own4');
RESET SESSION AUTHORIZATION;
ALTER ROLE regress_t58_renamed RENAME TO regress_t58_adm;
REVOKE regress_t58_adm2 FROM regress_t58_adm;
DROP TABLE bait;
DROP FUNCTION pg_temp.definer, pg_temp.definer2, pg_temp.by_trigger;
SET SESSION AUTHORIZATION regress_t58_adm2;
SELECT pg_temp.take('own2');
RESET SESSION AUTHORIZATION;

-- rejected: revoked, for good
SET ROLE regress_t58_adm2;
SELECT pg_temp.try('own', 'reject_key($, ''not needed'')');
SELECT pg_temp.try('own', 'reject_key($)'), pg_temp.take('own'), pg_temp.try('own', 'restore_key($)');
RESET ROLE;
SELECT decision, decided_by, decision_reason FROM apikey.key_request WHERE key_id = pg_temp.id('own');
SELECT action, actor, before, after FROM apikey.audit_log WHERE object = 'key:' || pg_temp.id('own') AND action <> 'key.request' ORDER BY seq;
SELECT type, payload - 'hint' AS payload, payload ->> 'hint' ~ '^ak_live_' AS hint FROM apikey.event WHERE key_id = pg_temp.id('k') ORDER BY event_id;
-- one may withdraw one's own
SET ROLE regress_t58_adm;
SELECT pg_temp.ask('own3', 'environment => ''production''');
SELECT pg_temp.try('own3', 'reject_key($, ''a mistake'')');

-- no way around: what leads back from another state leads back to pending
SET ROLE regress_t58_op;
SELECT pg_temp.ask('p', 'environment => ''production''');
SELECT pg_temp.try('p', 'suspend_key($)'), pg_temp.try('p', 'resume_key($)'), pg_temp.try('p', 'renew_key($, ''2041-01-01'')');
SELECT pg_temp.take('p', 'rotate_key');
SELECT pg_temp.try('p', 'revoke_key($, ''on hold'')'), pg_temp.try('p', 'restore_key($)');
SET ROLE regress_t58_adm;
SELECT pg_temp.take('p');
SELECT pg_temp.try('p', 'restore_key($)');
SELECT pg_temp.take('p'), pg_temp.take('p', 'claim_key');
SELECT pg_temp.try('p', 'suspend_key($)'), pg_temp.try('p', 'revoke_key($)'), pg_temp.try('p', 'restore_key($)'), pg_temp.try('p', 'resume_key($)');

-- a change of anything but name and description takes an admin who did not ask
SET ROLE regress_t58_op;
SELECT pg_temp.try('k', 'update_key($, scopes => ''{a,b}'')'), pg_temp.try('k', 'update_key($, cidrs => ''{10.0.0.0/8}'')'), pg_temp.try('k', 'update_key($, policy => ''short'')'),
	   pg_temp.try('k', 'update_key($, rate_limits => ''{"(m,10,1s,,)"}'')'), pg_temp.try('k', 'renew_key($, ''2041-01-01'')');
SELECT field, pg_temp.try('k', format('update_key($, %s)', field)) FROM unnest(ARRAY['owner => ''ann''', 'metadata => ''{"plan": "gold"}''', 'tags => ''{x}''', 'not_before => ''2040-01-01''']) field;
SELECT pg_temp.try('k', 'update_key($, name => ''client'', description => ''the client'')'), pg_temp.try('k', 'revoke_key($)'), pg_temp.try('k', 'restore_key($)');
SET ROLE regress_t58_adm;
SELECT pg_temp.try('k', 'restore_key($)'), pg_temp.try('k', 'update_key($, scopes => ''{a,b}'')'), pg_temp.try('k', 'renew_key($, ''2040-02-01'')');
SELECT pg_temp.ask('adm', 'environment => ''production''');
SET ROLE regress_t58_adm2;
SELECT pg_temp.take('adm');
SET ROLE regress_t58_adm;
SELECT pg_temp.try('adm', 'update_key($, scopes => ''{a}'')'), pg_temp.try('adm', 'update_key($, owner => ''ann'')'), pg_temp.try('adm', 'renew_key($, ''2041-01-01'')'), pg_temp.try('adm', 'revoke_key($)'), pg_temp.try('adm', 'restore_key($)');
SET ROLE regress_t58_adm2;
SELECT pg_temp.try('adm', 'restore_key($)'), pg_temp.try('adm', 'update_key($, scopes => ''{a}'')');
SELECT owner, metadata, tags FROM apikey.update_key(pg_temp.id('adm'), owner => 'ann', metadata => '{"plan": "gold"}', tags => '{x}');
SELECT pg_temp.try('adm', 'update_key($, clear => ''{metadata,tags}'')');
-- nor does it change its owner with many others
RESET ROLE;
CREATE FUNCTION pg_temp.hand_over(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text; detail text;
BEGIN
	EXECUTE 'SELECT apikey.' || call INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, regexp_replace(SQLERRM, '[0-9]+', 'N'), '(' || nullif(detail, '') || ')');
END $$;
SET ROLE regress_t58_op;
SELECT pg_temp.hand_over('transfer_owner(''t58'', ''ann'', ''eve'')'), pg_temp.hand_over('delete_owner(''t58'', ''ann'', transfer_to => ''eve'')');
SET ROLE regress_t58_adm;
SELECT pg_temp.hand_over('transfer_owner(''t58'', ''ann'', ''eve'')');
SET ROLE regress_t58_adm2;
SELECT pg_temp.hand_over('transfer_owner(''t58'', ''ann'', ''eve'')');
SET ROLE regress_t58_op;
SELECT (apikey.create_key('t58', 'free', owner => 'fay')).key_id > 0 AS free, pg_temp.hand_over('transfer_owner(''t58'', ''fay'', ''eve'')');
-- into and out of a policy that asks for it
SET ROLE regress_t58_op;
INSERT INTO texts SELECT 'f', * FROM apikey.create_key('t58', 'free');
SET ROLE regress_t58_adm;
SELECT pg_temp.take('f'), pg_temp.try('f', 'reject_key($)');
SET ROLE regress_t58_op;
SELECT pg_temp.try('f', 'update_key($, scopes => ''{a}'')'), pg_temp.try('f', 'update_key($, policy => ''strict'')');
RESET ROLE;
SELECT pg_temp.try('f', 'update_key($, policy => ''strict'')');
SET ROLE regress_t58_op;
SELECT pg_temp.try('f', 'update_key($, clear => ''{policy}'')'), pg_temp.try('f', 'update_key($, scopes => ''{b}'')');

-- sealed: the approver cannot read it, the requester takes it once
SELECT pg_temp.ask('s', 'environment => ''production''', 'seal_to => ''\x2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74''', 'bytes => 16');
SELECT pg_temp.take('s', 'claim_key');
SET ROLE regress_t58_adm;
SELECT pg_temp.take('s');
SET ROLE regress_t58_op2;
SELECT pg_temp.take('s', 'claim_key');
SET ROLE regress_t58_op;
SELECT pg_temp.take('s', 'claim_key');
SELECT pg_temp.take('s', 'claim_key'), pg_temp.take('k', 'claim_key');
SELECT count(*) AS rows, count(DISTINCT sealed) AS texts FROM texts WHERE n = 's' AND sealed IS NOT NULL;
RESET ROLE;
SELECT count(*) FROM apikey.key_secret WHERE key_id = pg_temp.id('s') AND sealed IS NOT NULL;
SELECT action, actor FROM apikey.audit_log WHERE object = 'key:' || pg_temp.id('s') ORDER BY seq;
-- an admin may take it for a requester who left
SET ROLE regress_t58_op;
SELECT pg_temp.ask('s2', 'environment => ''production''', 'seal_to => ''\x2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74''');
SET ROLE regress_t58_adm;
SELECT pg_temp.take('s2'), pg_temp.take('s2', 'claim_key'), pg_temp.take('s2', 'claim_key');

-- judged when asked for and again when approved
SET ROLE regress_t58_op;
SELECT pg_temp.ask('x', 'environment => ''production''', 'policy => ''short''', 'ttl => ''31 days''');
SELECT pg_temp.ask('x', 'environment => ''production''', 'scopes => ''{a b}''');
SELECT pg_temp.ask('x', 'environment => ''production''', 'bytes => 8');
SELECT pg_temp.ask('x', 'environment => ''nowhere''');
SELECT pg_temp.ask('x', 'environment => ''production''', 'reason => repeat(''x'', 1001)');
SELECT pg_temp.ask('t1', 'environment => ''production''', 'policy => ''short''', 'owner => ''o''');
SELECT pg_temp.ask('t2', 'environment => ''production''', 'policy => ''short''', 'owner => ''o''', 'expires_at => ''2040-01-20''');
SELECT pg_temp.ask('t3', 'environment => ''production''', 'policy => ''short''', 'owner => ''o''');
RESET ROLE;
SELECT apikey.set_policy('t58', 'short', max_ttl => '5 days', default_ttl => '5 days') AS version;
SELECT pg_temp.clock('2040-01-02 12:00:00+00') \gset
SET ROLE regress_t58_adm;
SELECT pg_temp.take('t1'), pg_temp.take('t2');
RESET ROLE;
SELECT apikey.set_policy('t58', 'short', max_keys_per_owner => 1) AS version;
SELECT pg_temp.clock('2040-01-21 12:00:00+00') \gset
SET ROLE regress_t58_adm;
SELECT pg_temp.take('t2');
SET ROLE regress_t58_op;
-- a parent that is revoked approves no child
SELECT pg_temp.ask('par', 'environment => ''production''', 'scopes => ''{a}''');
SELECT pg_temp.ask('c1', 'environment => ''production''', 'parent_key_id => ' || pg_temp.id('par'), 'scopes => ''{a}''');
SELECT pg_temp.ask('c2', 'environment => ''production''', 'parent_key_id => ' || pg_temp.id('par'));
SET ROLE regress_t58_adm;
SELECT pg_temp.take('par');
SELECT pg_temp.try('par', 'update_key($, clear => ''{scopes}'')');
SELECT replace(pg_temp.take('c1'), pg_temp.id('par')::text, 'par');
SELECT pg_temp.try('par', 'revoke_key($, cascade => false)');
SELECT replace(pg_temp.take('c2'), pg_temp.id('par')::text, 'par');
-- a rejected parent takes its children along
SET ROLE regress_t58_op;
SELECT pg_temp.ask('r', 'environment => ''production''');
SELECT pg_temp.ask('rc', 'environment => ''production''', 'parent_key_id => ' || pg_temp.id('r'));
SET ROLE regress_t58_adm;
SELECT pg_temp.try('r', 'reject_key($, ''no'')'), replace(pg_temp.take('rc'), pg_temp.id('r')::text, 'r');

-- a pending key counts; the same request again is the same key
RESET ROLE;
SELECT apikey.create_tenant('small', 't58', max_keys => 1) > 0 AS small;
SELECT apikey.create_environment('t58/small', 'e', requires_approval => true) > 0 AS e;
SET ROLE regress_t58_op;
SELECT status FROM apikey.request_key('t58/small', 'e', idempotency_key => 'i', reason => 'one') \gset first_
SELECT apikey.request_key('t58/small', 'e');
SELECT k.status = :'first_status' AS status, k.key_id = r.key_id AS same, r.reason FROM apikey.request_key('t58/small', 'e', idempotency_key => 'i', reason => 'two') k, apikey.key_request r WHERE r.reason = 'one';
SELECT status FROM apikey.request_key('t58/small', 'e', idempotency_key => 'i', name => 'another');
SELECT hint FROM apikey.create_key('t58/small', 'e', idempotency_key => 'i');
SELECT count(*) FROM apikey.list_keys('t58/small', status => 'pending');
SET ROLE regress_t58_none;
SELECT apikey.request_key('t58', 'production');
SET ROLE regress_t58_other;
SELECT apikey.request_key('t58', 'production');
SELECT apikey.approve_key(NULL);
SELECT apikey.approve_key(0);
SELECT apikey.claim_key(-1);
RESET ROLE;
-- revoked without a decision: not open, and open again when that is undone
CREATE FUNCTION pg_temp.open(n text) RETURNS boolean LANGUAGE sql AS $$
	SELECT EXISTS (SELECT FROM apikey.key_request r JOIN apikey.api_key k USING (key_id) WHERE k.status = 'pending' AND k.key_id = pg_temp.id(n)) $$;
SET ROLE regress_t58_op;
SELECT pg_temp.ask('late', 'environment => ''production''');
RESET ROLE;
SELECT pg_temp.open('late');
SELECT pg_temp.try('late', 'revoke_key($)');
SELECT pg_temp.open('late'), (SELECT decision IS NULL FROM apikey.key_request WHERE key_id = pg_temp.id('late')) AS undecided;
SELECT pg_temp.try('late', 'restore_key($)');
SELECT pg_temp.open('late'), pg_temp.open('k'), pg_temp.open('own');
-- keys of a request end with it; a deleted key takes its request along
SELECT count(*) > 0 AS before FROM apikey.key_request WHERE key_id = pg_temp.id('own');
SELECT status FROM apikey.delete_key(pg_temp.id('own'));
SELECT count(*) FROM apikey.key_request WHERE key_id = pg_temp.id('own');

SELECT bool_and(apikey.revoke_access(role_name, access, apikey.tenant_path(tenant_id))) FROM apikey.member WHERE role_name ~ '^regress_t58';
DROP TABLE texts;
DROP ROLE regress_t58_op; DROP ROLE regress_t58_op2; DROP ROLE regress_t58_adm; DROP ROLE regress_t58_adm2; DROP ROLE regress_t58_none; DROP ROLE regress_t58_other;
