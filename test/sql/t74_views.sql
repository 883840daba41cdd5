-- The views of traffic and of keys: what they show, and that an analyst sees
-- his tenants only, whatever he puts into his statement.
-- All in one transaction that is rolled back; nothing is verified in it, the
-- rows of usage and of its rollups are made by hand.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
CREATE ROLE regress_t74_analyst; CREATE ROLE regress_t74_all; CREATE ROLE regress_t74_sub; CREATE ROLE regress_t74_verifier;
CREATE ROLE regress_t74_op; CREATE ROLE regress_t74_adm; CREATE ROLE regress_t74_none;
BEGIN;
CREATE FUNCTION public.t74_clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, true) $$;
SELECT t74_clock('2030-11-01 12:00:00+00') \gset
SELECT apikey.create_tenant('t74a') > 0 AND apikey.create_tenant('sub', parent => 't74a') > 0 AND apikey.create_tenant('t74b') > 0 AS tenants;
SELECT apikey.create_policy('t74a', 'office', allowed_cidrs => '{10.0.0.0/8}', grace => '10 days') > 0 AS policy;
SELECT bool_and(apikey.create_environment(t, 'production', is_production => true) > 0) AND bool_and(apikey.create_environment(t, 'dev') > 0) AS environments
  FROM unnest('{t74a,t74a/sub,t74b}'::text[]) t;
SELECT bool_and(apikey.grant_access(r, l, t)) AS granted FROM (VALUES ('regress_t74_analyst', 'analyst', 't74a'), ('regress_t74_all', 'analyst', NULL), ('regress_t74_sub', 'auditor', 't74a/sub'),
	('regress_t74_verifier', 'verifier', 't74a'), ('regress_t74_op', 'operator', 't74a'), ('regress_t74_adm', 'admin', 't74a')) v (r, l, t);

-- keys, made at different times
CREATE TABLE public.t74_key AS SELECT 'old'::text AS n, key_id, secret_id FROM apikey.create_key('t74a', 'dev', name => 'old');
CREATE FUNCTION public.t74_id(n text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT key_id FROM public.t74_key WHERE t74_key.n = t74_id.n $$;
INSERT INTO t74_key SELECT 'turned', key_id, secret_id FROM apikey.create_key('t74a', 'production', name => 'turned', owner => 'ann', tags => '{project:shop,eu}');
INSERT INTO t74_key SELECT 'turned, too', key_id, secret_id FROM apikey.create_key('t74a', 'production', name => 'turned, too', owner => 'ann');
INSERT INTO t74_key SELECT 'grace', key_id, secret_id FROM apikey.create_key('t74a', 'production', name => 'grace', owner => 'ann', policy => 'office', expires_at => '2031-03-10');
INSERT INTO t74_key SELECT 'expired', key_id, secret_id FROM apikey.create_key('t74a', 'production', name => 'expired', owner => 'ann', expires_at => '2031-03-10');
SELECT t74_clock('2031-03-01 12:00:00+00') \gset
INSERT INTO t74_key SELECT 'web', key_id, secret_id FROM apikey.create_key('t74a', 'production', name => 'web', owner => 'ann', tags => '{eu,project:shop}', expires_at => '2031-03-20 12:00:00+00', cidrs => '{10.1.0.0/16}');
INSERT INTO t74_key SELECT 'web child', key_id, secret_id FROM apikey.create_key('t74a', 'production', name => 'web child', owner => 'bob', parent_key_id => t74_id('web'));
INSERT INTO t74_key SELECT 'later', key_id, secret_id FROM apikey.create_key('t74a', 'dev', name => 'later', owner => 'bob', not_before => '2031-04-01', expires_at => '2031-04-10');
INSERT INTO t74_key SELECT 'stopped', key_id, secret_id FROM apikey.create_key('t74a', 'dev', name => 'stopped', owner => 'bob');
INSERT INTO t74_key SELECT 'planned', key_id, secret_id FROM apikey.create_key('t74a', 'dev', name => 'planned', owner => 'bob', expires_at => '2040-01-01');
INSERT INTO t74_key SELECT 'dead', key_id, secret_id FROM apikey.create_key('t74a', 'dev', name => 'dead', owner => 'bob');
INSERT INTO t74_key SELECT 'below', key_id, secret_id FROM apikey.create_key('t74a/sub', 'production', name => 'below', owner => 'sue');
INSERT INTO t74_key SELECT 'foreign', key_id, secret_id FROM apikey.create_key('t74b', 'production', name => 'foreign', owner => 'foreign', tags => '{project:foreign}', expires_at => '2031-03-21');
INSERT INTO t74_key SELECT 'foreign old', key_id, secret_id FROM apikey.create_key('t74b', 'production', name => 'foreign old', owner => 'foreign');
INSERT INTO t74_key SELECT 'quiet', key_id, secret_id FROM apikey.create_key('t74a/sub', 'dev', name => 'quiet', owner => 'sue');
INSERT INTO t74_key SELECT 'gone', key_id, secret_id FROM apikey.create_key('t74a', 'production', name => 'gone', owner => 'bob');
-- with a second pair of eyes
SET LOCAL ROLE regress_t74_op;
SELECT key_id AS asked FROM apikey.request_key('t74a', 'production', name => 'asked', owner => 'bob', policy => 'office', ttl => '2 years') \gset
SET LOCAL ROLE regress_t74_adm;
SELECT key_id = :asked AS approved FROM apikey.approve_key(:asked);
RESET ROLE;
INSERT INTO t74_key SELECT 'asked', :asked, s.secret_id FROM apikey.key_secret s WHERE s.key_id = :asked;
SELECT (apikey.suspend_key(t74_id('stopped'))).status AS stopped, (apikey.revoke_key(t74_id('dead'))).status AS dead;
SELECT count(apikey.rotate_key(t74_id(n), overlap => '30 days')) AS rotated FROM unnest('{turned,foreign old}'::text[]) n;
SELECT count(apikey.rotate_key(t74_id('turned, too'), overlap => '1 day')) AS rotated;
SELECT t74_clock('2031-03-15 12:30:00+00') \gset
SELECT (apikey.revoke_key(t74_id('planned'), at => '2031-03-17')).revoke_at;

-- traffic: from 14 March on, and what writes the rollups in one statement
SELECT apikey._ensure_partition_for('2031-03-14', '2031-03-16') >= 0 AS leaves;
INSERT INTO apikey.usage (at, tenant_id, key_id, secret_id, environment_id, code, method, endpoint, status, latency_us, bytes_in, bytes_out, units, ip, user_agent, request_id)
SELECT v.at::timestamptz + s * interval '1 second', k.tenant_id, k.key_id, t.secret_id, k.environment_id, v.code, 'GET', v.endpoint, v.status, v.us * s, 10, 100, 2, v.ip::inet, v.agent, v.n || s
FROM (VALUES
	('web', '2031-03-15 12:00', 'VALID', '/orders/1', NULL, NULL, '10.1.0.1', 'shop/1', 40),
	('web', '2031-03-15 12:00', 'LOGGED', '/orders/1', 200, 1000, '10.1.0.1', 'shop/1', 30),
	('web', '2031-03-15 12:01', 'LOGGED', '/reports', 503, 500000, '10.1.0.2', 'shop/1', 10),
	('web', '2031-03-15 11:35', 'IP_DENIED', '/orders/2', NULL, NULL, '192.0.2.1', 'curl', 20),
	('web', '2031-03-15 11:00', 'VALID', '/orders/3', NULL, NULL, '10.1.0.1', 'shop/1', 5),
	('web', '2031-03-14 11:00', 'VALID', '/orders/4', NULL, NULL, '10.1.0.1', 'shop/1', 7),
	('web child', '2031-03-15 12:10', 'VALID', '/orders/5', NULL, NULL, '10.1.0.3', 'shop/1', 10),
	('later', '2031-03-15 12:20', 'NOT_YET_VALID', NULL, NULL, NULL, NULL, NULL, 30),
	('turned', '2031-03-15 09:00', 'VALID', '/orders/6', NULL, NULL, '10.1.0.4', 'cron', 3),
	('turned', '2031-03-15 10:00', 'LOGGED', '/orders/6', 200, 7, '10.1.0.4', 'other', 9),
	('turned, too', '2031-03-15 09:30', 'SUPERSEDED', '/orders/6', NULL, NULL, '10.1.0.5', 'cron', 4),
	-- verifies with record => false and logs afterwards; only denials are recorded then
	('quiet', '2031-03-15 10:00', 'LOGGED', '/orders/9', 200, 10, '10.2.0.9', 'sub/1', 1000),
	('quiet', '2031-03-15 10:00', 'IP_DENIED', '/orders/9', NULL, NULL, '10.2.0.9', 'sub/1', 25),
	-- and in another hour records, too, but logs part only
	('quiet', '2031-03-15 11:00', 'VALID', '/orders/9', NULL, NULL, '10.2.0.9', 'sub/1', 60),
	('quiet', '2031-03-15 11:00', 'LOGGED', '/reports', 200, 10, '10.2.0.9', 'sub/1', 50),
	('gone', '2031-03-15 08:00', 'VALID', '/orders/7', NULL, NULL, '10.1.0.6', 'shop/1', 2),
	('below', '2031-03-15 12:15', 'VALID', '/orders/8', NULL, NULL, '10.2.0.1', 'sub/1', 3),
	('below', '2031-03-15 12:16', 'LOGGED', '/orders/8', 200, 4000, '10.2.0.1', 'sub/1', 3),
	('foreign', '2031-03-15 12:00', 'VALID', '/foreign', NULL, NULL, '203.0.113.74', 'foreign', 100),
	('foreign', '2031-03-15 12:00', 'IP_DENIED', '/foreign', NULL, NULL, '203.0.113.74', 'foreign', 50),
	('foreign', '2031-03-15 12:00', 'LOGGED', '/foreign', 503, 900000, '203.0.113.74', 'foreign', 50),
	('foreign old', '2031-03-15 12:00', 'VALID', '/foreign', NULL, NULL, '203.0.113.74', 'foreign', 5)
) v (n, at, code, endpoint, status, us, ip, agent, times)
	JOIN t74_key t USING (n) JOIN apikey.api_key k USING (key_id), generate_series(1, v.times) s;
-- nobody's key
INSERT INTO apikey.usage (at, code, ip) VALUES ('2031-03-15 12:00:00+00', 'MALFORMED', '203.0.113.99');
INSERT INTO apikey.usage_hourly (hour, tenant_id, key_id, environment_id, endpoint_class, code, calls, denials, errors, units, bytes_in, bytes_out, latency_calls, latency_us, latency, ips)
SELECT date_trunc('hour', at), tenant_id, key_id, environment_id, regexp_replace(endpoint, '\d+', '*'), code, count(*), count(*) FILTER (WHERE code NOT IN ('VALID', 'LOGGED')), count(*) FILTER (WHERE status >= 500),
	sum(units), coalesce(sum(bytes_in), 0), coalesce(sum(bytes_out), 0), count(latency_us), coalesce(sum(latency_us), 0), apikey._latency_sketch(latency_us), apikey._ip_sketch(ip)
FROM apikey.usage WHERE at >= '2031-03-14' AND at < '2031-03-16' GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO apikey.key_activity (key_id, tenant_id, first_used_at, last_used_at, calls)
SELECT key_id, tenant_id, min(at), max(at), count(*) FROM apikey.usage WHERE at >= '2031-03-14' AND at < '2031-03-16' AND code IN ('VALID', 'LOGGED') GROUP BY 1, 2;
SELECT (apikey.revoke_key(t74_id('gone'))).status AS gone;
SELECT (apikey.delete_key(t74_id('gone'))).name AS gone;

SET LOCAL ROLE regress_t74_analyst;
-- --- traffic
SELECT tenant, environment, name, owner, code, accepted, count(*), min(at), max(at), round(avg(latency_ms), 3) AS ms FROM apikey.usage_recent GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 5;
SELECT at, name, code, endpoint, ip, user_agent, request_id FROM apikey.usage_recent LIMIT 2;
SELECT bool_and(at <= before) AS newest_first FROM (SELECT at, lag(at) OVER () AS before FROM apikey.usage_recent) u;
SELECT hour, tenant, environment, name, owner, endpoint_class, code, calls, ips FROM apikey.denials ORDER BY hour, name;
SELECT tenant, rank, name, owner, project, environment, requests, verifications, share, denials, logged, errors, units, bytes, p50_ms IS NOT NULL AS timed, p50_ms <= p95_ms AS p, ips FROM apikey.top_keys;
SELECT sum(share) BETWEEN 0.9998 AND 1.0002 AS whole FROM apikey.top_keys WHERE tenant = 't74a';
SELECT tenant, environment, endpoint_class, timed, p50_ms BETWEEN mean_ms * 0.8 AND mean_ms * 1.2 AS p50, p50_ms <= p95_ms AND p95_ms <= p99_ms AS p, mean_ms, logged, errors, error_rate FROM apikey.slow_endpoints;
SELECT hour, tenant, environment, requests, verifications, denials, denial_rate, logged, errors, error_rate FROM apikey.error_rates WHERE hour >= '2031-03-15 08:00+00';
-- the same from the rows
SELECT count(*) AS differ FROM (
	SELECT hour, tenant_id, environment_id, verifications, denials, logged, errors FROM apikey.error_rates
	EXCEPT
	SELECT date_trunc('hour', at), tenant_id, environment_id, count(*) FILTER (WHERE code <> 'LOGGED'), count(*) FILTER (WHERE code <> ALL ('{VALID,LOGGED}')), count(*) FILTER (WHERE code = 'LOGGED'), count(*) FILTER (WHERE status >= 500)
	FROM apikey.usage GROUP BY 1, 2, 3) d;
-- requests: within a key and hour verifications and what was logged are the same ones
SELECT count(*) AS differ FROM (
	SELECT hour, key_id, requests, accepted, denials, verifications, logged, coalesce(apikey.ip_count(ips), 0) FROM apikey.usage_requests
	EXCEPT
	SELECT hour, key_id, CASE WHEN v > l THEN v ELSE l END + d, CASE WHEN v > l THEN v ELSE l END, d, v + d, l, ips FROM (
		SELECT date_trunc('hour', at) AS hour, key_id, count(*) FILTER (WHERE code = 'VALID') AS v, count(*) FILTER (WHERE code = 'LOGGED') AS l, count(*) FILTER (WHERE code NOT IN ('VALID', 'LOGGED')) AS d, count(DISTINCT ip) AS ips
		FROM apikey.usage GROUP BY 1, 2) u) d;
SELECT (SELECT sum(requests) FROM apikey.usage_requests) = (SELECT sum(requests) FROM apikey.error_rates) AS same,
	(SELECT sum(requests) FROM apikey.usage_requests WHERE key_id IS NOT NULL AND hour > '2031-03-14 12:30+00') = (SELECT sum(requests) FROM apikey.top_keys) AS same_of_keys;
-- units likewise: those of the verifications or those that were logged, never both, and none of denials
SELECT count(*) AS differ FROM (
	SELECT hour, key_id, units FROM apikey.usage_requests
	EXCEPT
	SELECT date_trunc('hour', at), key_id, greatest(coalesce(sum(units) FILTER (WHERE code = 'VALID'), 0), coalesce(sum(units) FILTER (WHERE code = 'LOGGED'), 0))
	FROM apikey.usage GROUP BY 1, 2) d;
SELECT requests, verifications, denials, denial_rate, logged, health, problems FROM apikey.key_health WHERE name = 'quiet';
-- key_health adds up the rows of a key itself: by the same rule
SELECT count(*) AS keys, count(*) FILTER (WHERE (h.requests, h.verifications, h.denials, h.logged, h.errors) IS DISTINCT FROM (r.requests, r.verifications, r.denials, r.logged, r.errors)) AS differ
FROM apikey.key_health h CROSS JOIN LATERAL (
	SELECT coalesce(sum(requests), 0) AS requests, coalesce(sum(verifications), 0) AS verifications, coalesce(sum(denials), 0) AS denials, coalesce(sum(logged), 0) AS logged, coalesce(sum(errors), 0) AS errors
	FROM apikey.usage_requests u WHERE u.key_id = h.key_id AND u.hour > '2031-03-14 12:30+00') r;
SELECT apikey._key_tally(h::timestamptz, 1, e, code, calls, 0, 0) AS hours_and_environments FROM (VALUES
	('2031-01-02 05:00Z', 1, 'VALID', 5), ('2031-01-02 03:00Z', 1, 'LOGGED', 7), ('2031-01-02 05:00Z', 1, 'LOGGED', 3), ('2031-01-02 05:00Z', NULL, 'LOGGED', 2), ('2031-01-02 03:00Z', 1, 'VALID', 1), ('2031-01-02 05:00Z', 1, 'VALID', 1)) v (h, e, code, calls);
SELECT apikey._key_tally(now(), 1, 1, 'VALID', 1, 0, 0) FILTER (WHERE false) AS no_row;
SAVEPOINT s; SELECT apikey._key_tally(now(), 1, 1, NULL, 1, 0, 0); ROLLBACK TO s;
-- --- keys
SELECT tenant, environment, name, owner, project, state, health, problems, secrets, requests, verifications, denials, denial_rate, logged, errors, error_rate FROM apikey.key_health ORDER BY tenant, name;
SELECT ends_at, ends_in, what, tenant, environment, name, owner, project, secret_id IS NOT NULL AS secret, last_used_at FROM apikey.expiring_keys;
SELECT unused_since, unused_for, never_used, tenant, environment, name, owner, status FROM apikey.unused_keys;
SELECT tenant, environment, name, owner, project, superseded_at, expires_at, verifications, denials, last_used_at, ips, ip, user_agent FROM apikey.old_secret_users;
SELECT tenant, environment, is_production, rule, keys, violations, share, verdict FROM apikey.compliance_report;
SELECT DISTINCT rule, requirement FROM apikey.compliance_report ORDER BY 1;
-- joined to a table of the business
RESET ROLE;
CREATE TABLE public.t74_customer (tenant text, customer text);
GRANT SELECT ON public.t74_customer TO regress_t74_analyst;
INSERT INTO t74_customer VALUES ('t74a', 'Acme Inc.'), ('t74a/sub', 'Acme Europe'), ('t74b', 'Somebody else');
SET LOCAL ROLE regress_t74_analyst;
SELECT c.customer, sum(t.requests) AS requests FROM t74_customer c LEFT JOIN apikey.top_keys t USING (tenant) GROUP BY 1 ORDER BY 1;

-- --- who sees what
RESET ROLE;
CREATE FUNCTION public.t74_views() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT relname::text FROM pg_class WHERE relnamespace = 'apikey'::regnamespace AND relkind = 'v'
		AND relname IN ('usage_recent', 'usage_requests', 'denials', 'top_keys', 'slow_endpoints', 'error_rates', 'key_health', 'expiring_keys', 'unused_keys', 'old_secret_users', 'compliance_report',
			'key_label', 'environment_label', 'secret_label', 'key_control') ORDER BY relname COLLATE "C" $$;
CREATE TABLE public.t74_tenant AS SELECT tenant_id, concat_ws('/', (SELECT name FROM apikey.tenant p WHERE p.tenant_id = t.parent_id), name) AS path FROM apikey.tenant t WHERE name ~ '^(t74|sub$)';
CREATE TABLE public.t74_seen (view text, tenant_id bigint, content text);
-- a function that tells whatever it is shown, and is so cheap that the planner would try it first
CREATE FUNCTION public.t74_leak(view text, tenant_id bigint, content text) RETURNS boolean LANGUAGE plpgsql VOLATILE COST 0.0000001 AS $$
BEGIN
	INSERT INTO public.t74_seen VALUES (view, tenant_id, content);
	RETURN true;
END $$;
CREATE FUNCTION public.t74_look(member text) RETURNS TABLE (view text, tenants text) LANGUAGE plpgsql AS $$
BEGIN
	FOR view IN SELECT v FROM public.t74_views() v LOOP
		BEGIN
			EXECUTE format('SET LOCAL ROLE %I', member);
			EXECUTE format('SELECT string_agg(DISTINCT coalesce(t.path, CASE WHEN v.tenant_id IS NULL THEN ''(none)'' ELSE ''(other)'' END), '' '') FROM apikey.%I v LEFT JOIN public.t74_tenant t USING (tenant_id)', view) INTO tenants;
		EXCEPTION WHEN insufficient_privilege THEN
			tenants := 'not permitted';
		END;
		RESET ROLE;
		RETURN NEXT;
	END LOOP;
END $$;
CREATE FUNCTION public.t74_pry(member text) RETURNS TABLE (view text, rows bigint, foreign_rows bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR view IN SELECT v FROM public.t74_views() v LOOP
		TRUNCATE public.t74_seen;
		EXECUTE format('SET LOCAL ROLE %I', member);
		EXECUTE format('SELECT count(*) FROM apikey.%I v WHERE public.t74_leak(%L, v.tenant_id, v::text)', view, view);
		-- of one column, it could be run on the rows of a table before anything else
		EXECUTE format('SELECT count(*) FROM apikey.%I v WHERE public.t74_leak(%L, v.tenant_id, NULL)', view, view);
		RESET ROLE;
		SELECT count(*), count(*) FILTER (WHERE s.tenant_id IS NULL OR s.tenant_id NOT IN (SELECT t.tenant_id FROM public.t74_tenant t WHERE t.path ~ '^t74a') OR s.content ~ 'foreign|203\.0\.113')
			INTO rows, foreign_rows FROM public.t74_seen s;
		RETURN NEXT;
	END LOOP;
END $$;
GRANT SELECT ON t74_tenant TO PUBLIC;
GRANT INSERT ON t74_seen TO PUBLIC;
SELECT * FROM t74_look('regress_t74_analyst');
SELECT * FROM t74_look('regress_t74_sub');
SELECT view, tenants ~ 't74a.* t74b' AS both FROM t74_look('regress_t74_all');
SELECT DISTINCT tenants FROM t74_look('regress_t74_verifier') UNION ALL SELECT DISTINCT tenants FROM t74_look('regress_t74_none');
SELECT view, rows > 0 AS rows, foreign_rows FROM t74_pry('regress_t74_analyst');
-- the member of a tenant is not one of the other, though he names it
SET LOCAL ROLE regress_t74_analyst;
SELECT count(*) FROM apikey.top_keys WHERE tenant_id = (SELECT tenant_id FROM t74_tenant WHERE path = 't74b');
SELECT count(*) FROM apikey.key_label l FULL JOIN apikey.secret_label s USING (key_id) WHERE l.owner = 'foreign' OR s.tenant_id = (SELECT tenant_id FROM t74_tenant WHERE path = 't74b');
SELECT apikey._label_path(tenant_id) AS path FROM t74_tenant t WHERE t.path ~ '^t74' ORDER BY 1;
SELECT apikey._label_path(-1) AS unknown, apikey._label_path(NULL) AS none;
-- it remembers paths, but none for another role, and none that is not right any more; PL/pgSQL keeps the expression
RESET ROLE;
CREATE FUNCTION public.t74_path(id bigint) RETURNS text LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN apikey._label_path(id); END $$;
GRANT EXECUTE ON FUNCTION public.t74_path TO PUBLIC;
DO $$
DECLARE
	sub constant bigint := (SELECT tenant_id FROM public.t74_tenant WHERE path = 't74a/sub');
	b constant bigint := (SELECT tenant_id FROM public.t74_tenant WHERE path = 't74b');
	told text[];
BEGIN
	SET LOCAL client_min_messages = notice;
	FOR i IN 1..3 LOOP
		told := array[public.t74_path(sub), public.t74_path(b)];
		SET LOCAL ROLE regress_t74_analyst;
		told := told || public.t74_path(sub) || public.t74_path(b);
		RESET ROLE;
		RAISE NOTICE '%', told;
		UPDATE apikey.tenant SET name = 't74a' || i WHERE name ~ '^t74a';
	END LOOP;
	UPDATE apikey.tenant SET name = 't74a' WHERE name ~ '^t74a';
	SET LOCAL client_min_messages = warning;
END $$;
SET LOCAL ROLE regress_t74_analyst;
-- no column holds what opens a key or says what it may
SELECT table_name, column_name FROM information_schema.columns
 WHERE table_schema = 'apikey' AND table_name IN (SELECT v FROM t74_views() v) AND column_name ~ 'digest|hint|sealed|scopes|cidrs|endpoints|metadata' ORDER BY 1, 2;

-- --- how they are read
RESET ROLE;
CREATE FUNCTION public.t74_plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL enable_seqscan = off;
	SET LOCAL ROLE regress_t74_analyst;
	RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query;
	RESET ROLE;
	SET LOCAL enable_seqscan = on;
END $$;
-- the last hour touches no leaf before the day's
SELECT count(*) > 0 AS some, count(*) FILTER (WHERE leaf < '20310315') AS earlier
FROM t74_plan('SELECT * FROM apikey.usage_recent') p, LATERAL substring(p FROM 'on usage_(\d{8})') leaf WHERE leaf IS NOT NULL;
-- names are looked up by index, for the rows that are shown
SELECT bool_or(p ~ 'api_key_pkey') AS api_key_pkey, bool_or(p ~ 'Seq Scan on api_key') AS all_keys FROM t74_plan('SELECT * FROM apikey.usage_recent') p;
SELECT bool_or(p ~ 'api_key_pkey') AS api_key_pkey, bool_or(p ~ 'Seq Scan on api_key') AS all_keys FROM t74_plan('SELECT * FROM apikey.top_keys') p;
SELECT bool_or(p ~ 'Index Cond: \(\(?key_id = ') AS by_key FROM t74_plan('SELECT * FROM apikey.key_health WHERE key_id = 1') p;
SELECT bool_or(p ~ 'Index Cond: .*key_id = .*hour >') AS by_key_and_hour FROM t74_plan($$SELECT requests FROM apikey.usage_requests WHERE key_id = 1 AND hour > '2031-03-15 00:00+00'$$) p;
-- a condition on the hour is one of the rollup
SELECT bool_or(p ~ 'Index Cond:.*hour >') AS by_hour FROM t74_plan($$SELECT * FROM apikey.error_rates WHERE hour > '2031-03-15 00:00+00'$$) p;

-- --- nothing there
SELECT t74_clock('2035-01-01 00:00:00+00') \gset
SET LOCAL ROLE regress_t74_analyst;
SELECT (SELECT count(*) FROM apikey.usage_recent) AS recent, (SELECT count(*) FROM apikey.top_keys) AS top, (SELECT count(*) FROM apikey.slow_endpoints) AS slow, (SELECT count(*) FROM apikey.old_secret_users) AS old;
SELECT DISTINCT health, requests, verifications, denial_rate FROM apikey.key_health ORDER BY 1;
ROLLBACK;
DROP ROLE regress_t74_analyst, regress_t74_all, regress_t74_sub, regress_t74_verifier, regress_t74_op, regress_t74_adm, regress_t74_none;
