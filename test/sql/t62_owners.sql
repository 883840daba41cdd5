-- Owners: a tenant's limit on their keys, transfer, the end of an owner; many
-- keys revoked at once; a child that leaves its parent.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SELECT apikey.create_tenant('t62', max_keys_per_owner => 3) > 0 AND apikey.create_tenant('sub', parent => 't62') > 0 AS tenants;
SELECT apikey.create_policy('t62', 'two each', max_keys_per_owner => 2) > 0 AND apikey.create_policy('t62', 'narrow', allowed_cidrs => '{10.0.0.0/8}', grace => '1 day') > 0 AS policies;
SELECT apikey.create_environment('t62', 'prod', is_production => true) > 0 AND apikey.create_environment('t62', 'test') > 0
   AND apikey.create_environment('t62/sub', 'prod') > 0 AS environments;
SELECT apikey.create_role('t62', 'reader', '{a:read}') > 0 AS role;
CREATE FUNCTION pg_temp.key(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT key_id FROM apikey.api_key WHERE api_key.name = $1 $$;
CREATE VIEW pg_temp.living AS SELECT owner, string_agg(name, ' ' ORDER BY name) AS keys FROM apikey.api_key
	WHERE status <> 'revoked' AND name LIKE 't62%' GROUP BY owner ORDER BY owner;
-- what was written about it since the last time
CREATE TABLE pg_temp.seen AS SELECT coalesce(max(seq), 0) AS seq, (SELECT coalesce(max(event_id), 0) FROM apikey.event) AS event_id FROM apikey.audit_log;
CREATE FUNCTION pg_temp.written(OUT kind text, OUT what text, OUT object text, OUT content text) RETURNS SETOF record LANGUAGE plpgsql AS $$
DECLARE
	last record;
BEGIN
	SELECT * INTO last FROM pg_temp.seen;
	UPDATE pg_temp.seen SET seq = (SELECT max(a.seq) FROM apikey.audit_log a), event_id = (SELECT max(e.event_id) FROM apikey.event e);
	RETURN QUERY
	SELECT 'audit', a.action, regexp_replace(a.object, '[0-9]+$', 'N'),
		concat_ws(' -> ', a.before::text, regexp_replace(a.after::text, '("revoked_at": )"[^"]*"', '\1"T"'))
	FROM apikey.audit_log a WHERE a.seq > last.seq ORDER BY a.seq;
	RETURN QUERY
	SELECT 'event', e.type, (SELECT k.name FROM apikey.api_key k WHERE k.key_id = e.key_id), regexp_replace(e.payload::text, '("[a-z_]*revoked_at": )"[^"]*"', '\1"T"')
	FROM apikey.event e WHERE e.event_id > last.event_id ORDER BY e.event_id;
END $$;

-- the error of a statement, without ids
CREATE FUNCTION pg_temp.refused(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, '')), '[kK]ey [0-9]+', 'key N', 'g');
END $$;

-- the tenant's limit: of its own keys, whatever their policy; keys without an owner are those of one
SELECT count(*) FROM apikey.create_keys(2, 't62', 'prod', name => 't62', owner => 'ann');
SELECT apikey.create_keys(2, 't62', 'prod', name => 't62-x', owner => 'ann');
SELECT (apikey.create_key('t62', 'test', name => 't62-3', owner => 'ann', policy => 'two each')).key_id > 0 AS third;
SELECT apikey.create_key('t62', 'test', owner => 'ann', policy => 'narrow');
SELECT count(*) FROM apikey.create_keys(4, 't62/sub', 'prod', name => 't62-sub', owner => 'ann');
SELECT apikey.create_keys(4, 't62', 'prod');
SELECT (apikey.create_key('t62', 'prod', name => 't62-bob', owner => 'bob')).key_id > 0 AS bobs;
SELECT apikey.update_key(pg_temp.key('t62-bob'), owner => 'ann');
-- what a full owner keeps may change; a lower limit ends nothing
SELECT max_keys_per_owner FROM apikey.update_tenant('t62', max_keys_per_owner => 1);
SELECT policy FROM apikey.update_key(pg_temp.key('t62-1'), policy => 'two each');
SELECT apikey.update_key(pg_temp.key('t62-2'), policy => 'two each');
SELECT status FROM apikey.revoke_key(pg_temp.key('t62-1'));
SELECT apikey.restore_key(pg_temp.key('t62-1'));
SELECT max_keys_per_owner FROM apikey.update_tenant('t62', max_keys_per_owner => 3);
SELECT status FROM apikey.restore_key(pg_temp.key('t62-1'));

-- --- transfer ---------------------------------------------------------------
SELECT apikey.transfer_owner('t62', 'bob', 'ann');		-- no room in the tenant
SELECT max_keys_per_owner IS NULL AS no_limit FROM apikey.update_tenant('t62', clear => '{max_keys_per_owner}');
SELECT count(*) FROM apikey.create_keys(2, 't62', 'prod', name => 't62-cid', owner => 'cid', policy => 'two each');
SELECT apikey.transfer_owner('t62', 'ann', 'cid');		-- no room under the policy
SELECT * FROM pg_temp.living;
SELECT count(*) FILTER (WHERE what LIKE 'owner%') AS transfers FROM pg_temp.written();
SELECT status FROM apikey.revoke_key(pg_temp.key('t62-2'), 'left behind');
SELECT what FROM pg_temp.written();
SELECT apikey.transfer_owner('t62', 'ann', 'dan', 'ann is on leave');
SELECT * FROM pg_temp.written();
SELECT * FROM pg_temp.living;
-- what was revoked stays with who had it; a sub-tenant is another tenant
SELECT owner, status FROM apikey.list_keys('t62', search => 't62-2');
SELECT apikey.transfer_owner('t62', 'ann', 'dan'), apikey.transfer_owner('t62', 'nobody', 'dan');
SELECT * FROM pg_temp.written();
SELECT apikey.transfer_owner('t62', 'dan', 'dan');
SELECT apikey.transfer_owner('t62', NULL, 'dan');
SELECT apikey.transfer_owner('t62', 'dan', NULL);
SELECT apikey.transfer_owner('t62', '', 'dan');
SELECT apikey.transfer_owner('t62', 'dan', '');
SELECT apikey.transfer_owner('t62', 'dan', repeat('x', 501));
SELECT apikey.transfer_owner('none', 'dan', 'ann');
SELECT apikey.transfer_owner(NULL, 'dan', 'ann');
-- the text of a key is no owner, and is not shown
CREATE TABLE pg_temp.secret AS SELECT key FROM apikey.create_key('t62', 'test', name => 't62-told', owner => 'eve');
SELECT apikey.transfer_owner('t62', 'dan', key) FROM pg_temp.secret;
SELECT apikey.transfer_owner('t62', key, 'dan') FROM pg_temp.secret;
SELECT apikey.delete_owner('t62', 'eve ' || key) FROM pg_temp.secret;
SELECT apikey.delete_owner('t62', 'eve', reason => key) FROM pg_temp.secret;
SELECT apikey.revoke_keys('t62', tag => key) FROM pg_temp.secret;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT apikey.transfer_owner('t62', 'dan', 'ann');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT apikey.delete_owner('t62', 'dan');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT apikey.revoke_keys('t62', owner => 'dan', dry_run => true);
SELECT apikey.revoke_keys('t62', owner => 'dan');
ROLLBACK;

-- --- the end of an owner ----------------------------------------------------
SELECT apikey.delete_owner('t62', 'dan', transfer_to => 'dan');
SELECT apikey.delete_owner('t62', NULL);
SELECT apikey.delete_owner('t62', '');
SELECT apikey.delete_owner('t62', 'dan', transfer_to => '');
SELECT apikey.delete_owner('t62', 'nobody');
-- handed over
SELECT count(*) > 0 AS before FROM pg_temp.written();
SELECT apikey.delete_owner('t62', 'dan', transfer_to => 'fay', reason => 'left');
SELECT * FROM pg_temp.written();
SELECT * FROM pg_temp.living;
-- revoked, with descendants whoever owns them, suspended and scheduled ones too, through a revoked one
SELECT (apikey.create_key('t62', 'prod', name => 't62-fay-child', owner => 'gus', parent_key_id => pg_temp.key('t62-1'))).key_id > 0 AS child;
SELECT (apikey.create_key('t62', 'prod', name => 't62-fay-grand', owner => 'hal', parent_key_id => pg_temp.key('t62-fay-child'))).key_id > 0 AS grand;
SELECT status FROM apikey.revoke_key(pg_temp.key('t62-fay-child'), cascade => false);
SELECT status FROM apikey.suspend_key(pg_temp.key('t62-3'));
SELECT revoke_at FROM apikey.revoke_key(pg_temp.key('t62-1'), at => '2099-01-01 UTC', cascade => false);
SELECT kind, what, object, regexp_replace(content, ': [0-9]+', ': N') AS content FROM pg_temp.written() WHERE what = 'key.orphan';
SELECT apikey.delete_owner('t62', 'fay', reason => 'left');
SELECT * FROM pg_temp.written();
SELECT * FROM pg_temp.living;
SELECT name, status, revoke_reason, revoked_at = max(revoked_at) OVER () AS at_once, revoke_at FROM apikey.api_key WHERE revoke_reason = 'left' ORDER BY key_id;
SELECT apikey.delete_owner('t62', 'fay');
-- undone key by key, each with what it took along, as it was
SELECT status FROM apikey.restore_key(pg_temp.key('t62-3'));
SELECT status FROM apikey.restore_key(pg_temp.key('t62-1'));
SELECT name, status FROM apikey.api_key WHERE name ~ '^t62-(1|2|3|fay.*)$' ORDER BY key_id;

-- --- many keys --------------------------------------------------------------
SELECT apikey.revoke_keys('t62');
SELECT apikey.revoke_keys('t62', reason => 'no condition');
SELECT apikey.revoke_keys('t62', owner => 'bob', everything => true);
SELECT apikey.revoke_keys('t62', owner => 'bob', dry_run => NULL);
SELECT apikey.revoke_keys('t62', everything => NULL);
SELECT apikey.revoke_keys('t62', owner => '');
SELECT apikey.revoke_keys('t62', tag => '');
SELECT apikey.revoke_keys('t62', environment => 'none');
SELECT apikey.revoke_keys('t62', policy => 'none');
SELECT apikey.revoke_keys('t62', created_before => 'infinity');
SELECT apikey.revoke_keys('t62', parent_key_id => 9223372036854775807);
SELECT pg_temp.refused($$ SELECT apikey.revoke_keys('t62/sub', parent_key_id => pg_temp.key('t62-1')) $$);
SELECT apikey.revoke_keys('none', everything => true);
SELECT apikey.revoke_keys('t62', owner => 'nobody'), apikey.revoke_keys('t62', created_before => '2000-01-01');
SELECT (apikey.create_key('t62', 'test', name => 't62-tag', tags => '{ci,old}')).key_id > 0 AS tagged;
-- counted, and nothing done
SELECT count(*) > 0 AS before FROM pg_temp.written();
SELECT apikey.revoke_keys('t62', tag => 'ci', dry_run => true) AS tag, apikey.revoke_keys('t62', environment => 'prod', dry_run => true) AS env,
	apikey.revoke_keys('t62', policy => 'two each', dry_run => true) AS policy, apikey.revoke_keys('t62', parent_key_id => pg_temp.key('t62-1'), dry_run => true) AS children,
	apikey.revoke_keys('t62', environment => 'prod', owner => 'bob', dry_run => true) AS both, apikey.revoke_keys('t62', created_before => 'tomorrow', dry_run => true) AS before,
	apikey.revoke_keys('t62', everything => true, dry_run => true) AS everything;
SELECT * FROM pg_temp.written();
SELECT apikey.revoke_keys('t62', tag => 'ci', environment => 'test', reason => 'leaked') AS tag,
	apikey.revoke_keys('t62', parent_key_id => pg_temp.key('t62-1')) AS children;
SELECT * FROM pg_temp.written();
SELECT * FROM pg_temp.living;
-- in force at once, for the transaction and after it
BEGIN;
SELECT code FROM pg_temp.secret, apikey.verify(key);
SELECT apikey.revoke_keys('t62', everything => true, reason => 'all');
SELECT code FROM pg_temp.secret, apikey.verify(key);
ROLLBACK;
SELECT code FROM pg_temp.secret, apikey.verify(key);
SELECT apikey.revoke_keys('t62', everything => true, reason => 'all'), apikey.revoke_keys('t62', everything => true);
SELECT code FROM pg_temp.secret, apikey.verify(key);
SELECT * FROM pg_temp.living;
SELECT status FROM apikey.restore_key(pg_temp.key('t62-told'));
SELECT code FROM pg_temp.secret, apikey.verify(key);

-- --- leaving a parent -------------------------------------------------------
CREATE FUNCTION pg_temp.family(parent bigint, child text, scopes text[] DEFAULT '{a:read}', cidrs cidr[] DEFAULT '{}', endpoints text[] DEFAULT '{}',
	policy text DEFAULT NULL, rate_limits apikey.rate_limit[] DEFAULT '{}', expires_at timestamptz DEFAULT '2098-01-01 UTC') RETURNS bigint LANGUAGE sql
AS $$ SELECT (apikey.create_key('t62', 'test', name => child, parent_key_id => parent, scopes => scopes, cidrs => cidrs, endpoints => endpoints,
	policy => policy, rate_limits => rate_limits, expires_at => expires_at)).key_id $$;
SELECT (apikey.create_key('t62', 'test', name => 't62-root', owner => 'ian', scopes => '{a:*,b:read}', cidrs => '{10.0.0.0/8}', endpoints => '{/a/**,/b}',
	rate_limits => ARRAY[('burst', 5, '1 hour', 5, NULL)]::apikey.rate_limit[], expires_at => '2098-01-01 UTC')).key_id > 0 AS root;
SELECT pg_temp.family(pg_temp.key('t62-root'), 't62-mid', '{a:*}', endpoints => '{/a/**}', expires_at => '2097-01-01 UTC') > 0 AS mid;
SELECT pg_temp.family(pg_temp.key('t62-mid'), 't62-leaf', '{a:read}', cidrs => '{10.1.0.0/16}', expires_at => '2096-01-01 UTC') > 0 AS leaf;
SELECT count(*) > 0 AS before FROM pg_temp.written();
-- nothing of those above is lost, however far
SELECT parent_key_id, scopes, cidrs, endpoints, rate_limits, expires_at AT TIME ZONE 'UTC' AS expires_at FROM apikey.orphan_key(pg_temp.key('t62-leaf'), 'on its own');
SELECT kind, what, object, regexp_replace(content, '("parent_key_id"|"left"): [0-9]+', '\1: N', 'g') AS content FROM pg_temp.written();
SELECT parent_key_id, cidrs, endpoints, expires_at AT TIME ZONE 'UTC' AS expires_at FROM apikey.orphan_key(pg_temp.key('t62-mid'));
-- a second time, nothing
SELECT parent_key_id FROM apikey.orphan_key(pg_temp.key('t62-leaf'));
SELECT what FROM pg_temp.written();
SELECT status FROM apikey.revoke_key(pg_temp.key('t62-root'));
SELECT name, status FROM apikey.api_key WHERE name IN ('t62-mid', 't62-leaf') ORDER BY name;
SELECT status FROM apikey.restore_key(pg_temp.key('t62-root'));
-- what a key cannot hold by itself
SELECT pg_temp.family(pg_temp.key('t62-root'), 't62-c1') > 0 AS child;
SELECT scopes FROM apikey.update_key(pg_temp.key('t62-root'), scopes => '{b:read}');
SELECT pg_temp.refused($$ SELECT apikey.orphan_key(pg_temp.key('t62-c1')) $$);
SELECT scopes FROM apikey.update_key(pg_temp.key('t62-root'), scopes => '{a:*,b:read}', roles => '{reader}');
SELECT cidrs FROM apikey.update_key(pg_temp.key('t62-c1'), cidrs => '{10.1.0.0/16}', endpoints => '{/b}');
SELECT cidrs FROM apikey.update_key(pg_temp.key('t62-root'), cidrs => '{10.2.0.0/16}');
SELECT pg_temp.refused($$ SELECT apikey.orphan_key(pg_temp.key('t62-c1')) $$);
SELECT cidrs FROM apikey.update_key(pg_temp.key('t62-root'), clear => '{cidrs}', endpoints => '{/a/**}');
SELECT pg_temp.refused($$ SELECT apikey.orphan_key(pg_temp.key('t62-c1')) $$);
SELECT endpoints FROM apikey.update_key(pg_temp.key('t62-root'), clear => '{endpoints}', policy => 'narrow');
SELECT pg_temp.refused($$ SELECT apikey.orphan_key(pg_temp.key('t62-c1')) $$);
SELECT policy FROM apikey.update_key(pg_temp.key('t62-c1'), policy => 'narrow', rate_limits => ARRAY[('burst', 50, '1 hour', 50, NULL)]::apikey.rate_limit[]);
SELECT pg_temp.refused($$ SELECT apikey.orphan_key(pg_temp.key('t62-c1')) $$);
SELECT cardinality(rate_limits) FROM apikey.update_key(pg_temp.key('t62-c1'), rate_limits => ARRAY[('own', 50, '1 hour', 50, NULL)]::apikey.rate_limit[]);
SELECT status FROM apikey.suspend_key(pg_temp.key('t62-root'));
SELECT pg_temp.refused($$ SELECT apikey.orphan_key(pg_temp.key('t62-c1')) $$);
SELECT status FROM apikey.resume_key(pg_temp.key('t62-root'));
SELECT parent_key_id, policy, cidrs, endpoints, rate_limits FROM apikey.orphan_key(pg_temp.key('t62-c1'));
-- the parent may be revoked; its end counts without the grace of the child's policy
SELECT pg_temp.family(pg_temp.key('t62-root'), 't62-c2', policy => 'narrow') > 0 AS child;
SELECT policy FROM apikey.update_key(pg_temp.key('t62-root'), clear => '{policy}');
SELECT status FROM apikey.revoke_key(pg_temp.key('t62-root'), cascade => false);
SELECT parent_key_id, expires_at AT TIME ZONE 'UTC' AS expires_at FROM apikey.orphan_key(pg_temp.key('t62-c2'));
SELECT apikey.orphan_key(9223372036854775807);
SELECT apikey.orphan_key(NULL);

-- --- what a child is counted for --------------------------------------------
SELECT max_keys_per_owner FROM apikey.update_tenant('t62', max_keys_per_owner => 2);
SELECT (apikey.create_key('t62', 'test', name => 't62-joe', owner => 'joe',
	rate_limits => ARRAY[('of joe', 2, '1 hour', 2, 'owner')]::apikey.rate_limit[])).key_id > 0 AS parent;
CREATE TABLE pg_temp.child AS
	SELECT 1 AS n, key FROM apikey.create_key('t62', 'test', name => 't62-joes', owner => 'joe', parent_key_id => pg_temp.key('t62-joe'))
	UNION ALL
	SELECT 2, key FROM apikey.create_key('t62', 'test', name => 't62-kays', owner => 'kay', parent_key_id => pg_temp.key('t62-joe'),
		rate_limits => ARRAY[('of all', 3, '1 hour', 3, 'tenant')]::apikey.rate_limit[]);
-- as a key of its owner
SELECT pg_temp.refused($$ SELECT apikey.create_key('t62', 'test', owner => 'joe', parent_key_id => pg_temp.key('t62-joe')) $$);
-- by the limits of its parent's owner, which it uses up for him, and by its own of the tenant
SELECT v.code, v.limit_name FROM generate_series(1, 3) i CROSS JOIN LATERAL (
	SELECT v.* FROM pg_temp.child c CROSS JOIN LATERAL apikey.verify(c.key, units => CASE WHEN i > 0 THEN 1 END) v WHERE n = 2) v;
SELECT v.code, v.limit_name FROM pg_temp.child c CROSS JOIN LATERAL apikey.verify(c.key) v WHERE n = 1;
-- a new owner of the parent has room again, within the tenant
SELECT apikey.transfer_owner('t62', 'joe', 'lea');
SELECT v.code, v.remaining, v.limit_name FROM pg_temp.child c CROSS JOIN LATERAL apikey.verify(c.key) v ORDER BY n;

-- --- who may ----------------------------------------------------------------
CREATE ROLE regress_t62_operator;
CREATE ROLE regress_t62_auditor;
CREATE ROLE regress_t62_stranger;
SELECT apikey.grant_access('regress_t62_operator', 'operator', 't62'), apikey.grant_access('regress_t62_auditor', 'auditor', 't62'),
	apikey.grant_access('regress_t62_stranger', 'admin', 't62/sub');
SELECT set_config('t62.key', pg_temp.key('t62-mid')::text, false) <> '' AS key;
SET ROLE regress_t62_operator;
SELECT apikey.transfer_owner('t62', 'eve', 'kim') AS moved, apikey.delete_owner('t62', 'kim') AS ended;
DO $$ BEGIN PERFORM apikey.orphan_key(current_setting('t62.key')::bigint); EXCEPTION WHEN OTHERS THEN RAISE WARNING '% %', SQLSTATE, regexp_replace(SQLERRM, '[0-9]+', 'N'); END $$;
SET ROLE regress_t62_auditor;
SELECT apikey.delete_owner('t62', 'eve');
SET ROLE regress_t62_stranger;
SELECT apikey.delete_owner('t62', 'eve');
SELECT apikey.transfer_owner('t62', 'eve', 'mia');
SELECT apikey.revoke_keys('t62', everything => true);
DO $$ BEGIN PERFORM apikey.orphan_key(current_setting('t62.key')::bigint); EXCEPTION WHEN OTHERS THEN RAISE WARNING '% %', SQLSTATE, regexp_replace(SQLERRM, '[0-9]+', 'N'); END $$;
DO $$ BEGIN PERFORM apikey.revoke_keys('t62/sub', parent_key_id => current_setting('t62.key')::bigint); EXCEPTION WHEN OTHERS THEN RAISE WARNING '% %', SQLSTATE, regexp_replace(SQLERRM, '[0-9]+', 'N'); END $$;
RESET ROLE;
SELECT apikey.revoke_access('regress_t62_operator', 'operator', 't62'), apikey.revoke_access('regress_t62_auditor', 'auditor', 't62'),
	apikey.revoke_access('regress_t62_stranger', 'admin', 't62/sub');
DROP ROLE regress_t62_operator, regress_t62_auditor, regress_t62_stranger;

-- --- many keys, with ordinary statistics ------------------------------------
-- The work grows with the number of keys, not with its square.  A join with the
-- ids may compare each of them with each key, which nothing counts: there is
-- none, or not as a nested loop.  Rows of keys that are read are counted.
SELECT proname FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace AND prosrc ~ 'unnest\((ids|key_ids|more|below)\)\s+\w'
	AND proname IN ('_any_production', '_revoke_ids', '_transfer_ids', '_note_keys', '_lock_descendants', '_revoke_key', '_restore_key') ORDER BY 1;
SELECT proconfig @> '{enable_nestloop=off}' AS no_loop FROM pg_proc WHERE oid = 'apikey._matching_keys'::regproc;
SELECT apikey.create_tenant('big', 't62', max_keys_per_owner => 6000) > 0 AS tenant, apikey.create_environment('t62/big', 'prod', is_production => true) > 0 AS environment;
SELECT count(*) FROM apikey.create_keys(2000, 't62/big', 'prod', owner => 'ann');
SELECT (apikey.create_key('t62/big', 'prod', name => 't62-many', owner => 'dan')).key_id > 0 AS parent;
SELECT count(*) FROM apikey.create_keys(2000, 't62/big', 'prod', owner => 'eve', parent_key_id => pg_temp.key('t62-many'));
ANALYZE apikey.api_key;
-- a scan of the table now and then is a matter of the moment; once for each key would be millions of rows
CREATE FUNCTION pg_temp.reads() RETURNS bigint LANGUAGE sql AS $$ SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_all_tables WHERE relid = 'apikey.api_key'::regclass $$;
BEGIN;
SELECT apikey.transfer_owner('t62/big', 'ann', 'bob'), apikey.delete_owner('t62/big', 'bob', transfer_to => 'cid'), apikey.delete_owner('t62/big', 'cid');
SELECT pg_temp.reads() < 500 * 2000 AS few;
ROLLBACK;
BEGIN;
-- the owner of the children is counted once for all of them
SELECT status FROM apikey.revoke_key(pg_temp.key('t62-many'));
SELECT status FROM apikey.restore_key(pg_temp.key('t62-many'));
SELECT pg_temp.reads() < 500 * 2000 AS few;
ROLLBACK;
BEGIN;
SELECT apikey.delete_owner('t62/big', 'dan'), apikey.revoke_keys('t62/big', everything => true);
SELECT pg_temp.reads() < 500 * 2000 AS few;
COMMIT;
