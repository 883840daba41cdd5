-- The tree of tenants: limits of a tenant and of those above it, what may be
-- told of them, changing and moving tenants.  The clock is injected.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET intervalstyle = 'postgres';
SET apikey.limit_wait = '60s';
SET apikey.test_now = '2208988800';	-- 2040-01-01 00:00:00+00
CREATE TEMP TABLE k (n text PRIMARY KEY, key_id bigint, key text);
GRANT SELECT ON k TO PUBLIC;
CREATE FUNCTION pg_temp.ask(n text, units bigint DEFAULT 1) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v apikey.verdict := apikey.verify((SELECT key FROM k WHERE k.n = ask.n), units => units);
BEGIN
	RETURN concat_ws(' ', v.code, v.remaining, v.limit_name, 'after ' || v.retry_after, nullif(v.warnings, '{}'), '(' || v.detail || ')');
END $$;
CREATE FUNCTION pg_temp.rate(name text, requests bigint, per interval, burst bigint DEFAULT NULL, shared text DEFAULT NULL) RETURNS apikey.rate_limit[] LANGUAGE sql AS $$ SELECT ARRAY[ROW(name, requests, per, burst, shared)::apikey.rate_limit] $$;
CREATE FUNCTION pg_temp.quota(name text, units bigint, period text, timezone text DEFAULT NULL, shared text DEFAULT NULL) RETURNS apikey.quota[] LANGUAGE sql AS $$ SELECT ARRAY[ROW(name, units, period, timezone, shared)::apikey.quota] $$;
-- the outcome of a statement: its value, or the error
CREATE FUNCTION pg_temp.try(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	msg text;
	det text;
	hin text;
BEGIN
	EXECUTE call INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS msg = MESSAGE_TEXT, det = PG_EXCEPTION_DETAIL, hin = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(' | ', SQLSTATE, msg, nullif(det, ''), nullif(hin, '')), 'key \d+', 'key N');
END $$;
CREATE FUNCTION pg_temp.key(n text, tenant text, policy text DEFAULT NULL, rate_limits apikey.rate_limit[] DEFAULT NULL, quotas apikey.quota[] DEFAULT NULL, owner text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO k SELECT key.n, c.key_id, c.key FROM apikey.create_key(key.tenant, 'prod', policy => key.policy, rate_limits => key.rate_limits, quotas => key.quotas, owner => key.owner) c $$;

-- t52 > left > leaf, t52 > right
SELECT apikey.create_tenant('t52') > 0 AS tenant, apikey.create_tenant('left', 't52') > 0 AS tenant, apikey.create_tenant('right', 't52') > 0 AS tenant, apikey.create_tenant('leaf', 't52/left') > 0 AS tenant;
SELECT count(apikey.create_environment(t, 'prod')) AS environments FROM unnest('{t52,t52/left,t52/right,t52/left/leaf}'::text[]) t;
SELECT pg_temp.key('top', 't52'), pg_temp.key('left', 't52/left'), pg_temp.key('left2', 't52/left'), pg_temp.key('right', 't52/right'), pg_temp.key('leaf', 't52/left/leaf') \gset

-- --- one bucket for the tenant and all below -------------------------------
SELECT tenant, rate_limits, quotas FROM apikey.update_tenant('t52/left', rate_limits => pg_temp.rate('r', 4, '4 hours'));
-- of the own tenant: shown.  Of one above: counted, not shown
SELECT pg_temp.ask('left'), pg_temp.ask('leaf'), pg_temp.ask('left2'), pg_temp.ask('right'), pg_temp.ask('top');
SELECT pg_temp.ask('leaf', 0), pg_temp.ask('left', 0);
SELECT pg_temp.ask('leaf', 2), pg_temp.ask('left', 2), pg_temp.ask('leaf'), pg_temp.ask('left'), pg_temp.ask('leaf');
-- more than it ever has
SELECT pg_temp.ask('leaf', 5), pg_temp.ask('left', 5);
-- a limit that is raised keeps its history
SELECT (apikey.update_tenant('t52/left', rate_limits => pg_temp.rate('r', 8, '8 hours'))).rate_limits;
SELECT pg_temp.ask('left', 0), pg_temp.ask('leaf', 4), pg_temp.ask('left2');
-- another name starts afresh; cleared is gone
SELECT (apikey.update_tenant('t52/left', rate_limits => pg_temp.rate('r2', 1, '1 hour', NULL, 'tenant'))).rate_limits;
SELECT pg_temp.ask('leaf'), pg_temp.ask('left');
SELECT (apikey.update_tenant('t52/left', clear => '{rate_limits}')).rate_limits;
SELECT pg_temp.ask('leaf'), pg_temp.ask('left');

-- --- quotas: the same, on disk ---------------------------------------------
SELECT quotas FROM apikey.update_tenant('t52', quotas => pg_temp.quota('q', 10, 'day', 'UTC'));
SELECT pg_temp.ask('leaf', 8), pg_temp.ask('right'), pg_temp.ask('top'), pg_temp.ask('right'), pg_temp.ask('top'), pg_temp.ask('leaf');
SELECT pg_temp.ask('leaf', 11), pg_temp.ask('top', 11);
SELECT t.name AS of_tenant, q.shared, q.holder = t.tenant_id::text AS its_id, q.name, q.units, q.credits, q.reserved FROM apikey.quota_state q JOIN apikey.tenant t USING (tenant_id) WHERE t.name = 't52';
SET apikey.test_now = '2209075200';
SELECT pg_temp.ask('leaf', 9), pg_temp.ask('top'), pg_temp.ask('leaf');
SELECT cardinality(quotas) AS quotas FROM apikey.update_tenant('t52', quotas => pg_temp.quota('q', 3, 'total'));
SELECT pg_temp.ask('leaf', 3), pg_temp.ask('leaf'), pg_temp.ask('top');
SELECT cardinality(quotas) AS quotas FROM apikey.update_tenant('t52', quotas => '{}');

-- --- with the key's own limits: all or nothing ------------------------------
SELECT rate_limits FROM apikey.update_tenant('t52/left', rate_limits => pg_temp.rate('r3', 3, '3 hours'));
SELECT apikey.create_policy('t52', 't52_p', rate_limits => pg_temp.rate('r3', 100, '1 hour') || pg_temp.rate('p', 50, '50 hours')) > 0 AS policy;
-- no limit of a key or policy takes the place of a tenant's of the same name
SELECT pg_temp.key('own', 't52/left/leaf', rate_limits => pg_temp.rate('r3', 5, '5 hours')), pg_temp.key('pol', 't52/left', policy => 't52_p') \gset
SELECT pg_temp.ask('own'), pg_temp.ask('own'), pg_temp.ask('own'), pg_temp.ask('own');
SELECT pg_temp.ask('own', 0), pg_temp.ask('pol', 0), pg_temp.ask('pol');
-- what the tenant above denied took nothing of the key's own, and the other way round
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52/left', rate_limits => pg_temp.rate('r4', 10, '10 hours'));
SELECT pg_temp.ask('own', 0), pg_temp.ask('own', 4), pg_temp.ask('left', 0), pg_temp.ask('own', 2), pg_temp.ask('own', 0), pg_temp.ask('left', 0);
-- both deny: its own speaks
SELECT pg_temp.ask('left', 8), pg_temp.ask('own', 2), pg_temp.ask('own');
-- a limit of a parent key, of an owner, of all levels of tenants: each once
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52/left', rate_limits => pg_temp.rate('a', 100, '100 hours'));
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52', rate_limits => pg_temp.rate('a', 200, '200 hours'));
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52/left/leaf', rate_limits => pg_temp.rate('a', 20, '20 hours'));
INSERT INTO k SELECT 'parent', key_id, key FROM apikey.create_key('t52/left/leaf', 'prod', owner => 'ann', rate_limits => pg_temp.rate('a', 10, '10 hours') || pg_temp.rate('o', 8, '8 hours', NULL, 'owner'));
INSERT INTO k SELECT 'child', c.key_id, c.key FROM k, apikey.create_key('t52/left/leaf', 'prod', owner => 'ann', parent_key_id => k.key_id, rate_limits => pg_temp.rate('a', 3, '3 hours') || pg_temp.rate('o', 8, '8 hours', NULL, 'owner')) c WHERE k.n = 'parent';
SELECT pg_temp.ask('child', 2), pg_temp.ask('parent', 0), pg_temp.ask('leaf', 0), pg_temp.ask('left', 0), pg_temp.ask('top', 0), pg_temp.ask('right', 0);
SELECT pg_temp.ask('parent', 6), pg_temp.ask('child'), pg_temp.ask('leaf', 0);

-- --- add_credits and reset_limits do not reach them --------------------------
SELECT cardinality(quotas) AS quotas FROM apikey.update_tenant('t52/left/leaf', quotas => pg_temp.quota('tq', 100, 'total'));
SELECT pg_temp.try('SELECT apikey.add_credits(' || key_id || ', 5)'), pg_temp.try('SELECT apikey.add_credits(' || key_id || ', 5, ''tq'')') FROM k WHERE n = 'leaf';
SELECT pg_temp.try('SELECT status FROM apikey.reset_limits(' || key_id || ')') FROM k WHERE n IN ('leaf', 'child') ORDER BY n;
SELECT pg_temp.ask('leaf', 0), pg_temp.ask('child', 0);
SELECT count(*) AS ledger FROM apikey.limit_ledger l JOIN k USING (key_id) WHERE l.shared = 'tree' OR l.name = 'tq';

-- --- what denies above is no meter --------------------------------------------
SELECT apikey.create_tenant('meter', 't52') > 0 AS tenant, apikey.create_environment('t52/meter', 'prod') > 0 AS environment;
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52', rate_limits => pg_temp.rate('m', 10, '7 hours'));
SELECT pg_temp.key('m', 't52/meter'), pg_temp.key('mine', 't52/meter', rate_limits => pg_temp.rate('mine', 2, '2 minutes')), pg_temp.key('long', 't52/meter', quotas => pg_temp.quota('long', 4, 'total')) \gset
SELECT pg_temp.ask('right', 3);
-- the same answer for any units that are denied, more than it ever has too
SELECT pg_temp.ask('m', units) AS denied, count(*) FROM unnest('{8,9,10,11,12,1000000}'::bigint[]) units GROUP BY 1;
SELECT pg_temp.ask('right', 2);
SELECT pg_temp.ask('m', units) AS denied, count(*) FROM unnest('{6,9,10,11,12,1000000}'::bigint[]) units GROUP BY 1;
SELECT pg_temp.ask('mine', 2), pg_temp.ask('long'), pg_temp.ask('right', 2);
-- its own limit denies too: named, shorter or longer, as if it were alone
SELECT pg_temp.ask('mine'), pg_temp.ask('mine', 3), pg_temp.ask('long'), pg_temp.ask('long', 4);
-- 42 minutes, 41 and 19: in steps
SELECT pg_temp.ask('m', units) AS denied, count(*) FROM unnest('{1,9,10,11,12,1000000}'::bigint[]) units GROUP BY 1;
SET apikey.test_now = '2209075260';
SELECT pg_temp.ask('m'), pg_temp.ask('top');
SET apikey.test_now = '2209076580';
SELECT pg_temp.ask('m'), pg_temp.ask('top');
SELECT pg_temp.ask('mine'), pg_temp.ask('mine', 3), pg_temp.ask('long'), pg_temp.ask('long', 4);
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52', clear => '{rate_limits}');
SELECT pg_temp.ask('mine', 3), pg_temp.ask('long', 4);
SELECT cardinality(quotas) AS quotas FROM apikey.update_tenant('t52', quotas => pg_temp.quota('mq', 1, 'day', 'UTC'));
SELECT pg_temp.ask('right'), pg_temp.ask('mine'), pg_temp.ask('mine', 2), pg_temp.ask('mine', 3), pg_temp.ask('m', 2);
SELECT cardinality(quotas) AS quotas FROM apikey.update_tenant('t52', quotas => '{}');
SELECT status, count(*) FROM k, apikey.revoke_key(k.key_id) WHERE n IN ('m', 'mine', 'long') GROUP BY 1;
SET apikey.test_now = '2209075200';

-- --- suspension is inherited; a moved tenant inherits anew -------------------
SELECT status FROM apikey.suspend_tenant('t52/left', 'late');
SELECT pg_temp.ask('leaf', 0), pg_temp.ask('left', 0), left(pg_temp.ask('right', 0), 5) AS right;
SELECT tenant, status FROM apikey.move_tenant('t52/left/leaf', 't52/right');
SELECT left(pg_temp.ask('leaf', 0), 5) AS leaf, (apikey.verify(k.key)).tenant FROM k WHERE n = 'leaf';
SELECT tenant FROM apikey.move_tenant('t52/right/leaf', 't52/left');
SELECT pg_temp.ask('leaf', 0);
SELECT status FROM apikey.resume_tenant('t52/left');

-- --- moving ----------------------------------------------------------------------
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52/left', rate_limits => pg_temp.rate('m', 10, '10 hours'));
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52/right', rate_limits => pg_temp.rate('m', 2, '2 hours'));
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52', clear => '{rate_limits,quotas}');
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52/left/leaf', rate_limits => pg_temp.rate('mine', 10, '10 hours'), clear => '{quotas}');
SELECT pg_temp.ask('leaf', 3), pg_temp.ask('left', 0), pg_temp.ask('right', 0);
SELECT tenant FROM apikey.move_tenant('t52/left/leaf', 't52/right');
-- its own went along with what is used; the others' did not
SELECT pg_temp.ask('leaf', 3), pg_temp.ask('leaf', 2), pg_temp.ask('leaf'), pg_temp.ask('left', 0), pg_temp.ask('right', 0);
SELECT tenant FROM apikey.move_tenant('t52/right/leaf', 't52/left');
SELECT pg_temp.ask('leaf', 0), pg_temp.ask('left', 0);
-- where it is: nothing happens.  A root, and back
SELECT tenant FROM apikey.move_tenant('t52/left/leaf', 't52/left');
SELECT apikey.create_tenant('t52free', 't52', max_keys => 7) > 0 AS tenant, apikey.create_tenant('below', 't52/t52free') > 0 AS tenant;
SELECT tenant, max_keys FROM apikey.move_tenant('t52/t52free', NULL);
SELECT tenant FROM apikey.move_tenant('t52free', 't52');
SELECT a.action, t.name AS seen_by, a.before, a.after FROM apikey.audit_log a JOIN apikey.tenant t USING (tenant_id)
	WHERE a.action = 'tenant.move' AND apikey.tenant_path(t.tenant_id) LIKE 't52%' ORDER BY a.seq DESC LIMIT 5;
SELECT e.type, apikey.tenant_path(e.tenant_id) AS seen_by, e.payload FROM apikey.event e
	WHERE e.type = 'tenant.move' ORDER BY e.event_id DESC LIMIT 2;
SELECT e.payload, a.before, a.after FROM apikey.event e JOIN apikey.audit_log a ON a.action = e.type AND a.tenant_id = e.tenant_id
	WHERE e.type = 'tenant.update' AND apikey.tenant_path(e.tenant_id) = 't52/left/leaf' ORDER BY e.event_id DESC, a.seq DESC LIMIT 1;

-- cycles, names, depth
SELECT pg_temp.try(c) FROM unnest(ARRAY[
	$$SELECT apikey.move_tenant('t52', 't52')$$,
	$$SELECT apikey.move_tenant('t52', 't52/left')$$,
	$$SELECT apikey.move_tenant('t52', 't52/left/leaf')$$,
	$$SELECT apikey.move_tenant('t52/left', 't52/left/leaf')$$,
	$$SELECT (apikey.move_tenant('t52', NULL)).tenant$$]) c;
SELECT apikey.create_tenant('leaf', 't52/right') > 0 AS tenant;
SELECT pg_temp.try($$SELECT apikey.move_tenant('t52/left/leaf', 't52/right')$$);
DO $$
DECLARE
	path text := 't52/right';
BEGIN
	FOR i IN 3 .. 15 LOOP
		PERFORM apikey.create_tenant('d' || i, path);
		path := path || '/d' || i;
	END LOOP;
END $$;
SELECT path AS deep FROM (SELECT string_agg('d' || i, '/' ORDER BY i) FROM generate_series(3, 15) i) p (path) \gset
SELECT pg_temp.try(format($$SELECT apikey.move_tenant('t52/left', 't52/right/%s')$$, :'deep'));
SELECT tenant = 't52/right/' || :'deep' || '/leaf' AS at_16 FROM apikey.move_tenant('t52/left/leaf', 't52/right/' || :'deep');
SELECT pg_temp.try(format($$SELECT apikey.create_tenant('more', 't52/right/%s/leaf')$$, :'deep'));
SELECT left(pg_temp.ask('leaf', 0), 5) AS leaf;
SELECT tenant FROM apikey.move_tenant('t52/right/' || :'deep' || '/leaf', 't52/left');

-- room for keys of all new ancestors; who counts them already does not ask again
SELECT max_keys FROM apikey.update_tenant('t52', max_keys => 1);
SELECT max_keys FROM apikey.update_tenant('t52/left/leaf', max_keys => 1);
SELECT max_keys FROM apikey.update_tenant('t52/right', max_keys => 5);
SELECT pg_temp.try($$SELECT key_id FROM apikey.create_key('t52/right', 'prod')$$);
SELECT tenant FROM apikey.move_tenant('t52/left/leaf', 't52/right/d3');
SELECT tenant FROM apikey.move_tenant('t52/right/d3/leaf', 't52/left');
SELECT max_keys FROM apikey.update_tenant('t52/right', max_keys => 4);
SELECT pg_temp.try($$SELECT apikey.move_tenant('t52/left/leaf', 't52/right/d3')$$);
SELECT status FROM k, apikey.revoke_key(k.key_id) WHERE n = 'own';
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/left/leaf', 't52/right/d3')).tenant$$);
SELECT tenant FROM apikey.move_tenant('t52/right/d3/leaf', 't52/left');
SELECT count(apikey.update_tenant(t, clear => '{max_keys}')) AS unlimited FROM unnest('{t52,t52/right,t52/left/leaf}'::text[]) t;

-- policies stay in reach: of keys, revoked ones too, and defaults of environments
SELECT apikey.create_policy('t52/left', 't52_lp') > 0 AS policy, apikey.create_policy('t52/left/leaf', 't52_own') > 0 AS policy;
SELECT pg_temp.key('t52_lp', 't52/left/leaf', policy => 't52_lp'), pg_temp.key('ownp', 't52/left/leaf', policy => 't52_own'), pg_temp.key('tp', 't52/left/leaf', policy => 't52_p') \gset
SELECT status FROM k, apikey.revoke_key(k.key_id) WHERE n = 't52_lp';
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/left/leaf', 't52/right/d3')).tenant$$);
SELECT pg_temp.key('t52_lp2', 't52/left/leaf', policy => 't52_lp') \gset
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/left/leaf', 't52/right/d3')).tenant$$);
SELECT policy FROM k, apikey.update_key(k.key_id, policy => 't52_own') WHERE n = 't52_lp2';
SELECT status FROM k, apikey.delete_key(k.key_id) WHERE n = 't52_lp';
SELECT apikey.create_environment('t52/left/leaf', 'lpenv', default_policy => 't52_lp') > 0 AS environment;
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/left/leaf', 't52/right/d3')).tenant$$);
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/left', 't52/right/d3')).tenant$$);
SELECT tenant FROM apikey.move_tenant('t52/right/d3/left', 't52');
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/left', NULL)).tenant$$);

-- --- limits on one path: at most 16 --------------------------------------------------
CREATE FUNCTION pg_temp.rates(n integer, prefix text DEFAULT 'r') RETURNS apikey.rate_limit[] LANGUAGE sql AS $$ SELECT array_agg(ROW(prefix || i, 1000, '1 hour', NULL, NULL)::apikey.rate_limit) FROM generate_series(1, n) i $$;
SELECT cardinality((apikey.update_tenant('t52', rate_limits => pg_temp.rates(8))).rate_limits);
SELECT cardinality((apikey.update_tenant('t52/right/d3', rate_limits => pg_temp.rates(6), quotas => pg_temp.quota('q', 1, 'day'))).rate_limits);
SELECT pg_temp.try($$SELECT cardinality((apikey.update_tenant('t52/right', rate_limits => pg_temp.rates(1))).rate_limits)$$);
SELECT pg_temp.try($$SELECT apikey.update_tenant('t52/right', rate_limits => pg_temp.rates(2))$$);
SELECT pg_temp.try($$SELECT apikey.update_tenant('t52/right/d3/d4', rate_limits => pg_temp.rates(1))$$);
SELECT pg_temp.try($$SELECT apikey.create_tenant('x', 't52/right/d3', rate_limits => pg_temp.rates(1))$$);
SELECT pg_temp.try($$SELECT apikey.move_tenant('t52/left', 't52/right/d3')$$);
SELECT cardinality((apikey.update_tenant('t52', clear => '{rate_limits}')).rate_limits);
SELECT cardinality((apikey.update_tenant('t52/right/d3', clear => '{rate_limits,quotas}')).rate_limits);

-- --- create_tenant with limits -------------------------------------------------------
SELECT apikey.create_tenant('made', 't52', rate_limits => pg_temp.rate('r', 2, '2 hours'), quotas => pg_temp.quota('q', 5, 'total'), max_keys_per_owner => 3, idempotency_key => 'i') > 0 AS tenant;
SET intervalstyle = 'iso_8601';
SELECT apikey.create_tenant('made', 't52', rate_limits => pg_temp.rate('r', 2, '2 hours'), quotas => pg_temp.quota('q', 5, 'total'), max_keys_per_owner => 3, idempotency_key => 'i') = tenant_id AS the_same FROM apikey.tenant WHERE name = 'made';
SET intervalstyle = 'postgres';
SELECT pg_temp.try($$SELECT apikey.create_tenant('made', 't52', rate_limits => pg_temp.rate('r', 3, '2 hours'), quotas => pg_temp.quota('q', 5, 'total'), max_keys_per_owner => 3, idempotency_key => 'i')$$);
SELECT rate_limits, quotas, max_keys_per_owner FROM apikey.update_tenant('t52/made');

-- --- bad input ---------------------------------------------------------------------------
SELECT pg_temp.try(c) FROM unnest(ARRAY[
	$$SELECT apikey.create_tenant('x', 't52', rate_limits => pg_temp.rate('r', 1, '1 s', NULL, 'key'))$$,
	$$SELECT apikey.create_tenant('x', 't52', quotas => pg_temp.quota('q', 1, 'day', NULL, 'tree'))$$,
	$$SELECT apikey.create_tenant('x', 't52', max_keys_per_owner => -1)$$,
	$$SELECT apikey.create_tenant('x', 't52', rate_limits => pg_temp.rates(9))$$,
	$$SELECT apikey.update_tenant(NULL)$$,
	$$SELECT apikey.update_tenant('t52/none')$$,
	$$SELECT apikey.update_tenant('t52', prefix => 'A')$$,
	$$SELECT apikey.update_tenant('t52', max_keys => -1)$$,
	$$SELECT apikey.update_tenant('t52', max_keys_per_owner => -1)$$,
	$$SELECT apikey.update_tenant('t52', settings => '[]')$$,
	$$SELECT apikey.update_tenant('t52', settings => 'null')$$,
	$$SELECT apikey.update_tenant('t52', quotas => pg_temp.quota('q', 1, 'day', NULL, 'owner'))$$,
	$$SELECT apikey.update_tenant('t52', quotas => pg_temp.quota('q', 0, 'day'))$$,
	$$SELECT apikey.update_tenant('t52', quotas => pg_temp.quota('q', 1, 'day') || pg_temp.quota('q', 1, 'hour'))$$,
	$$SELECT apikey.update_tenant('t52/made', rate_limits => pg_temp.rates(8))$$,
	$$SELECT apikey.update_tenant('t52/made', rate_limits => pg_temp.rate('q', 1, '1 s'))$$,
	$$SELECT apikey.update_tenant('t52', clear => '{name}')$$,
	$$SELECT apikey.update_tenant('t52', clear => '{max_keys}', max_keys => 1)$$,
	$$SELECT apikey.update_tenant('t52', rate_limits => '{NULL}')$$,
	$$SELECT apikey.move_tenant(NULL, 't52')$$,
	$$SELECT apikey.move_tenant('t52/none', 't52')$$,
	$$SELECT apikey.move_tenant('t52/left', 't52/none')$$,
	$$SELECT apikey.move_tenant('t52/left', '')$$]) c;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT pg_temp.try($$SELECT apikey.move_tenant('t52/left', 't52/right')$$);
ROLLBACK;
-- what changes nothing writes nothing; a NULL in settings is a value
SELECT count(*) AS audited FROM apikey.audit_log WHERE action = 'tenant.update' \gset was_
SELECT prefix FROM apikey.update_tenant('t52/made', prefix => 'ak', max_keys_per_owner => 3, clear => '{settings}');
SELECT count(*) - :was_audited AS more FROM apikey.audit_log WHERE action = 'tenant.update';
SELECT settings FROM apikey.update_tenant('t52/made', settings => '{"a": null}');
SELECT settings FROM apikey.update_tenant('t52/made', settings => '{}');
SELECT count(*) - :was_audited AS more FROM apikey.audit_log WHERE action = 'tenant.update';
-- what was stored around the functions: shared by the tree all the same
UPDATE apikey.tenant SET rate_limits = pg_temp.rate('forged', 2, '2 hours', NULL, 'key') WHERE name = 'made';
SELECT apikey.create_environment('t52/made', 'prod') > 0 AS environment;
SELECT pg_temp.key('m1', 't52/made'), pg_temp.key('m2', 't52/made') \gset
SELECT pg_temp.ask('m1'), pg_temp.ask('m2'), pg_temp.ask('m1');

-- --- who may ---------------------------------------------------------------------------------
CREATE ROLE regress_t52_top;
CREATE ROLE regress_t52_left;
CREATE ROLE regress_t52_right;
CREATE ROLE regress_t52_viewer;
SELECT apikey.grant_access('regress_t52_top', 'admin', 't52'), apikey.grant_access('regress_t52_left', 'admin', 't52/left'), apikey.grant_access('regress_t52_right', 'admin', 't52/right'), apikey.grant_access('regress_t52_viewer', 'operator', 't52/left');
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pg_temp TO PUBLIC;
CREATE TEMP TABLE calls (i integer, call text);
INSERT INTO calls SELECT * FROM unnest(ARRAY[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], ARRAY[
	$$SELECT (apikey.update_tenant('t52/left', prefix => 'pp')).prefix$$,
	$$SELECT (apikey.update_tenant('t52/left', max_keys => 100)).max_keys$$,
	$$SELECT (apikey.update_tenant('t52/left', clear => '{quotas}')).max_keys$$,
	$$SELECT (apikey.update_tenant('t52/left/leaf', max_keys => 100)).max_keys$$,
	$$SELECT (apikey.update_tenant('t52', prefix => 'pp')).prefix$$,
	$$SELECT (apikey.update_tenant('t52/right', prefix => 'pp')).prefix$$,
	$$SELECT (apikey.update_tenant('t52/nothing', prefix => 'pp')).prefix$$,
	$$SELECT (apikey.move_tenant('t52/left', 't52/right')).tenant$$,
	$$SELECT (apikey.move_tenant('t52/left/leaf', 't52/right')).tenant$$,
	$$SELECT (apikey.move_tenant('t52/left/leaf', 't52')).tenant$$,
	$$SELECT (apikey.move_tenant('t52/left/leaf', NULL)).tenant$$,
	$$SELECT (apikey.move_tenant('t52/left/leaf', 't52/left')).tenant$$]);
GRANT SELECT ON calls TO PUBLIC;
SET ROLE regress_t52_viewer;
SELECT i, pg_temp.try(call) AS operator FROM calls ORDER BY i;
SET ROLE regress_t52_left;
SELECT i, pg_temp.try(call) AS admin_of_left FROM calls ORDER BY i;
SET ROLE regress_t52_right;
SELECT i, pg_temp.try(call) AS admin_of_right FROM calls ORDER BY i;
RESET ROLE;
-- a limit from above: the admin below sees no row of it, and what denies tells no figure
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52', rate_limits => pg_temp.rate('secret', 5, '5 hours'));
SELECT left(pg_temp.ask('right', 4), 5) AS sibling;
SET ROLE regress_t52_left;
SELECT pg_temp.ask('left', 2), pg_temp.ask('left', 0), pg_temp.ask('leaf', 0);
SELECT name, shared FROM apikey.limit_state WHERE name = 'secret';
SELECT name FROM apikey.tenant ORDER BY tenant_id LIMIT 1;
SET ROLE regress_t52_top;
SELECT name, shared FROM apikey.limit_state WHERE name = 'secret';
SELECT i, pg_temp.try(call) AS admin_of_top FROM calls WHERE i NOT IN (8, 9, 12) ORDER BY i;
RESET ROLE;

-- nobody moves out of a suspension that he could not lift
SELECT cardinality(rate_limits) AS limits FROM apikey.update_tenant('t52', clear => '{rate_limits}');
SELECT apikey.create_tenant('loose', 't52/left') > 0 AS tenant, apikey.grant_access('regress_t52_left', 'admin', 't52/right');
SELECT status FROM apikey.suspend_tenant('t52/left');
SET ROLE regress_t52_left;
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/left/loose', 't52/right')).tenant$$);
SET ROLE regress_t52_top;
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/left/loose', 't52/right')).tenant$$);
SELECT status FROM apikey.resume_tenant('t52/left');
SET ROLE regress_t52_left;
SELECT pg_temp.try($$SELECT (apikey.move_tenant('t52/right/loose', 't52/left')).tenant$$);
RESET ROLE;
SELECT apikey.revoke_access('regress_t52_left', 'admin', 't52/right');

-- --- clean up -------------------------------------------------------------------------------------
SELECT apikey.revoke_access(r, 'admin', t) FROM (VALUES ('regress_t52_top', 't52'), ('regress_t52_left', 't52/left'), ('regress_t52_right', 't52/right')) v (r, t);
SELECT apikey.revoke_access('regress_t52_viewer', 'operator', 't52/left');
DROP ROLE regress_t52_top, regress_t52_left, regress_t52_right, regress_t52_viewer;
