-- policy_preview(): what it says is what happens.  Traffic is sent, the change
-- is previewed, then made, and the same traffic is sent again four weeks later
-- under the injected clock: each request that the preview counted changed, and
-- no other.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET apikey.limit_wait = '60s';
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
CREATE FUNCTION pg_temp.rate(name text, requests bigint, per interval, burst bigint DEFAULT NULL, shared text DEFAULT NULL) RETURNS apikey.rate_limit[] LANGUAGE sql AS $$ SELECT ARRAY[ROW(name, requests, per, burst, shared)::apikey.rate_limit] $$;
CREATE FUNCTION pg_temp.quota(name text, units bigint, period text, timezone text DEFAULT NULL, shared text DEFAULT NULL) RETURNS apikey.quota[] LANGUAGE sql AS $$ SELECT ARRAY[ROW(name, units, period, timezone, shared)::apikey.quota] $$;
-- 2040-03-05 is a Monday
SELECT pg_temp.clock('2040-03-05 00:00+00') \gset
SELECT apikey.create_tenant('t56') > 0 AS tenant, apikey.create_tenant('sub', 't56') > 0 AS tenant;
SELECT apikey.create_environment('t56', 'e') > 0 AS environment, apikey.create_environment('t56/sub', 'e') > 0 AS environment;

CREATE TEMP TABLE k (n text PRIMARY KEY, key_id bigint, key text);
CREATE TEMP TABLE request (i int PRIMARY KEY, at timestamptz, n text, scopes text[], ip inet, method text, endpoint text, units bigint);
CREATE TEMP TABLE answer (run int, i int, code text, PRIMARY KEY (run, i));
-- sends all requests, by so many weeks later
CREATE FUNCTION pg_temp.send(run int, later interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT q.*, k.key FROM request q JOIN k USING (n) ORDER BY q.at, q.i LOOP
		PERFORM pg_temp.clock(r.at + later);
		INSERT INTO answer SELECT run, r.i, v.code
			FROM apikey.verify(r.key, r.scopes, r.ip, r.method, r.endpoint, units => r.units) v;
	END LOOP;
	IF NOT apikey.flush_usage('60 s') THEN
		RAISE 'the writer does not write';
	END IF;
END $$;
-- What a run of the traffic under a change would have shown against the run
-- before it.
CREATE FUNCTION pg_temp.difference(run int) RETURNS TABLE (n text, newly_denied bigint, newly_allowed bigint, by_code jsonb, allowed_by_code jsonb) LANGUAGE sql AS $$
	WITH changed AS (
		SELECT q.n, a.code AS was, b.code AS now FROM request q
			JOIN answer a ON a.i = q.i AND a.run = difference.run - 1
			JOIN answer b ON b.i = q.i AND b.run = difference.run
		WHERE (a.code = 'VALID') <> (b.code = 'VALID')
	)
	SELECT c.n, count(*) FILTER (WHERE c.was = 'VALID'), count(*) FILTER (WHERE c.was <> 'VALID'),
		   coalesce((SELECT jsonb_object_agg(x.now, x.count) FROM (
				SELECT d.now, count(*) FROM changed d WHERE d.n = c.n AND d.was = 'VALID' GROUP BY 1) x), '{}'),
		   coalesce((SELECT jsonb_object_agg(x.was, x.count) FROM (
				SELECT d.was, count(*) FROM changed d WHERE d.n = c.n AND d.was <> 'VALID' GROUP BY 1) x), '{}')
	FROM changed c GROUP BY c.n
$$;
-- Previews a change, makes it, sends the traffic again.  Returns what was
-- said, and whether that is what happened.
CREATE SEQUENCE pg_temp.runs;
CREATE FUNCTION pg_temp.prove(policy text, arguments text) RETURNS TABLE (n text, requests bigint, newly_denied bigint, newly_allowed bigint, by_code jsonb, allowed_by_code jsonb, came_true boolean) LANGUAGE plpgsql AS $$
DECLARE
	run int := nextval('pg_temp.runs');
	start timestamptz := (SELECT min(q.at) FROM request q);
	finish timestamptz := (SELECT max(q.at) FROM request q) + interval '1 us';
	back interval := (run - 1) * interval '4 weeks';
BEGIN
	EXECUTE format('CREATE TEMP TABLE said AS SELECT k.n, p.* FROM apikey.policy_preview(%L, %s, since => %L, until => %L) p JOIN k USING (key_id)',
				   policy, arguments, start + back, finish + back);
	EXECUTE format('SELECT apikey.set_policy(''t56'', %L, %s, force => true)', policy, arguments);
	PERFORM pg_temp.send(run, run * interval '4 weeks');
	RETURN QUERY
		SELECT coalesce(s.n, d.n), s.requests, s.newly_denied, s.newly_allowed, s.by_code, s.allowed_by_code,
			   (s.newly_denied, s.newly_allowed, s.by_code, s.allowed_by_code)
			   IS NOT DISTINCT FROM (d.newly_denied, d.newly_allowed, d.by_code, d.allowed_by_code)
		FROM said s FULL JOIN pg_temp.difference(run) d ON d.n = s.n ORDER BY 1;
	DROP TABLE said;
END $$;

-- --- keys of a policy, of another, of none, and children -----------------------
SELECT apikey.create_policy('t56', 't56p') > 0 AS policy, apikey.create_policy('t56', 'other') > 0 AS policy;
INSERT INTO k SELECT 'a', key_id, key FROM apikey.create_key('t56', 'e', policy => 't56p', owner => 'ann', name => 'first', scopes => '{orders:*}');
INSERT INTO k SELECT 'b', key_id, key FROM apikey.create_key('t56', 'e', policy => 't56p', owner => 'bob', scopes => '{orders:*,items:read}');
INSERT INTO k SELECT 'sub', key_id, key FROM apikey.create_key('t56/sub', 'e', policy => 't56p', owner => 'ann', scopes => '{orders:*}');
INSERT INTO k SELECT 'child', key_id, key FROM apikey.create_key('t56', 'e', policy => 'other', owner => 'cid', scopes => '{orders:read}', parent_key_id => (SELECT key_id FROM k WHERE n = 'a'));
INSERT INTO k SELECT 'other', key_id, key FROM apikey.create_key('t56', 'e', policy => 'other', scopes => '{orders:*}');
INSERT INTO k SELECT 'none', key_id, key FROM apikey.create_key('t56', 'e', scopes => '{orders:*}');
INSERT INTO k SELECT 'extra', key_id, key FROM apikey.create_key('t56', 'e', policy => 't56p', scopes => '{orders:*}');
INSERT INTO k SELECT 'gone', key_id, key FROM apikey.create_key('t56', 'e', policy => 't56p', scopes => '{orders:*}');
-- three days of them, every seven minutes or so
INSERT INTO request SELECT i, '2040-03-05 00:10+00'::timestamptz + i * interval '7 min 3.000007 s',
	(ARRAY['a', 'b', 'sub', 'child', 'other', 'none', 'extra', 'gone', 'a', 'a'])[1 + i % 10],
	CASE i % 7 WHEN 0 THEN NULL WHEN 1 THEN '{items:read}' WHEN 2 THEN '{orders:read,orders:read}' WHEN 3 THEN '{items:read|orders:read}' ELSE '{orders:read}' END::text[],
	CASE WHEN i % 11 = 0 THEN NULL ELSE '198.51.100.0'::inet + i % 13 * 20 END,
	CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN 'POST' ELSE 'GET' END,
	CASE i % 17 WHEN 0 THEN NULL ELSE '/v' || 1 + i % 3 || '/orders/' || i END, 1 + i % 3
FROM generate_series(1, 600) i;
-- no traffic, no difference
SELECT count(*) FROM apikey.policy_preview('t56p', denied_cidrs => '{0.0.0.0/0}');
SELECT pg_temp.send(0, '0') \gset
SELECT code, count(*) FROM answer GROUP BY 1 ORDER BY 1;
SELECT status FROM apikey.revoke_key((SELECT key_id FROM k WHERE n = 'gone'));
DELETE FROM request WHERE n = 'gone';

-- a change of nothing, and changes of what no request depends on
SELECT count(*) FROM apikey.policy_preview('t56p', since => '2040-03-01', until => '2040-04-01');
SELECT count(*) FROM apikey.policy_preview('t56p', since => '2040-03-01', until => '2040-04-01', max_ttl => '1 day', overlap => '1 s', priority => 7, max_keys_per_owner => 1, idle_timeout => '1 s');

-- each rule by itself, and back
SELECT * FROM pg_temp.prove('t56p', $$allowed_cidrs => '{198.51.100.0/25}'$$);
SELECT * FROM pg_temp.prove('t56p', $$clear => '{allowed_cidrs}', denied_cidrs => '{198.51.100.200/32,198.51.100.220/30}'$$);
SELECT * FROM pg_temp.prove('t56p', $$clear => '{denied_cidrs}', access_hours => '{mon-tue 06:00-22:30 Europe/Berlin,wed 22:00-24:00}'$$);
SELECT * FROM pg_temp.prove('t56p', $$clear => '{access_hours}', allowed_endpoints => '{GET /v1/**,/v2/orders/*}'$$);
SELECT * FROM pg_temp.prove('t56p', $$clear => '{allowed_endpoints}', denied_endpoints => '{POST /**}'$$);
SELECT * FROM pg_temp.prove('t56p', $$clear => '{denied_endpoints}', required_scopes => '{items:read}'$$);
SELECT * FROM pg_temp.prove('t56p', $$clear => '{required_scopes}', max_scopes => '{items:*,orders:read}'$$);
-- many at once
SELECT * FROM pg_temp.prove('t56p', $$clear => '{max_scopes}', denied_cidrs => '{198.51.100.0/27}', denied_endpoints => '{GET /v3/**}', access_hours => '{04:00-20:00}'$$);
SELECT * FROM pg_temp.prove('t56p', $$clear => '{denied_cidrs,denied_endpoints,access_hours}'$$);

-- --- limits: simulated from full buckets ---------------------------------------
SELECT * FROM pg_temp.prove('t56p', $$rate_limits => pg_temp.rate('r', 1, '1 h', 3)$$);
-- stricter and wider, together with a check: what it denies charges nothing
SELECT * FROM pg_temp.prove('t56p', $$rate_limits => pg_temp.rate('r', 2, '1 h', 5), denied_endpoints => '{POST /**}'$$);
-- quotas by day and by a calendar that has summer time
SELECT * FROM pg_temp.prove('t56p', $$clear => '{rate_limits,denied_endpoints}', quotas => pg_temp.quota('q', 30, 'day', 'America/New_York')$$);
SELECT * FROM pg_temp.prove('t56p', $$rate_limits => pg_temp.rate('r', 1, '30 min', 4), quotas => pg_temp.quota('q', 40, 'week')$$);
-- shared by owner, tenant and policy
SELECT * FROM pg_temp.prove('t56p', $$clear => '{rate_limits}', quotas => pg_temp.quota('o', 60, 'day', shared => 'owner')$$);
SELECT * FROM pg_temp.prove('t56p', $$rate_limits => pg_temp.rate('t', 1, '10 min', 5, 'tenant'), quotas => pg_temp.quota('o', 60, 'day', shared => 'policy')$$);
-- a key's limit of that name, and one of the tenant, stand beside; what others
-- take from it is not replayed
DELETE FROM request WHERE n IN ('other', 'none');
SELECT apikey.set_policy('t56', 't56p', clear => '{rate_limits,quotas}', force => true) > 0 AS version;
SELECT name FROM apikey.update_key((SELECT key_id FROM k WHERE n = 'a'), rate_limits => pg_temp.rate('r', 1, '15 min', 9));
SELECT tenant FROM apikey.update_tenant('t56', quotas => pg_temp.quota('all', 200, 'day'));
SELECT pg_temp.send(nextval('pg_temp.runs')::int, currval('pg_temp.runs') * interval '4 weeks') \gset
SELECT * FROM pg_temp.prove('t56p', $$rate_limits => pg_temp.rate('r', 1, '1 h', 3)$$);
SELECT * FROM pg_temp.prove('t56p', $$clear => '{rate_limits}'$$);
-- the same with hardly any memory, so that what is put aside goes to a file
CREATE FUNCTION pg_temp.digest() RETURNS text LANGUAGE sql AS $$ SELECT md5(string_agg(p::text, ',')) FROM apikey.policy_preview('t56p', since => '2040-03-01', until => '2042-03-01', rate_limits => pg_temp.rate('r', 1, '1 h', 3)) p $$;
SELECT pg_temp.digest() AS large \gset
SET work_mem = '64kB';
SELECT pg_temp.digest() = :'large' AS same;
RESET work_mem;
-- and by another plan
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT pg_temp.digest() = :'large' AS same;
RESET enable_indexscan;
RESET enable_bitmapscan;

-- --- grace ---------------------------------------------------------------------
SELECT pg_temp.clock('2042-01-01 00:00+00') \gset
INSERT INTO k SELECT 'late', key_id, key FROM apikey.create_key('t56', 'e', policy => 't56p', expires_at => '2042-01-02');
CREATE FUNCTION pg_temp.ask_at(at timestamptz, n text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.clock(at);
	RETURN (SELECT code FROM apikey.verify((SELECT key FROM k WHERE k.n = ask_at.n), ip => '192.0.2.1', request_id => 'id'));
END $$;
SELECT at, pg_temp.ask_at(at, 'late') FROM generate_series('2042-01-01 20:00+00', '2042-01-03 18:00+00', interval '10 h') at;
SELECT apikey.flush_usage('60 s');
SELECT n, newly_denied, newly_allowed, by_code, allowed_by_code FROM apikey.policy_preview('t56p', grace => '1 day') JOIN k USING (key_id);
SELECT jsonb_pretty(examples) FROM apikey.policy_preview('t56p', grace => '1 day');

-- --- force ---------------------------------------------------------------------
SELECT pg_temp.clock('2042-03-03 12:00+00') \gset
INSERT INTO k SELECT 'force', key_id, key FROM apikey.create_key('t56', 'e', policy => 't56p');
SELECT pg_temp.ask_at('2042-03-03 12:00+00', 'force') FROM generate_series(1, 3);
SELECT apikey.flush_usage('60 s');
-- the code and the message of an error
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail := PG_EXCEPTION_DETAIL, hint := PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT pg_temp.try($$SELECT apikey.set_policy('t56', 't56p', denied_cidrs => '{192.0.2.0/24}')$$);
SELECT pg_temp.try($$SELECT apikey.set_policy('t56', 't56p', denied_cidrs => '{192.0.2.0/24}', effective_at => '2043-01-01')$$);
SELECT pg_temp.try($$SELECT apikey.set_policy('t56', 't56p', rate_limits => pg_temp.rate('r', 1, '1 h', 2))$$);
SELECT apikey.set_policy('t56', 't56p', rate_limits => pg_temp.rate('r', 1, '1 h', 3)) > 0 AS wide_enough;
SELECT apikey.set_policy('t56', 't56p', denied_cidrs => '{192.0.3.0/24}') > 0 AS denies_nobody;
SELECT apikey.set_policy('t56', 't56p', max_ttl => '30 years') > 0 AS nothing_of_requests;
SELECT apikey.set_policy('t56', 't56p', denied_cidrs => '{192.0.2.0/24}', force => true) AS forced \gset
SELECT apikey.set_policy('t56', 't56p', clear => '{denied_cidrs}') > 0 AS allows_more;
SELECT pg_temp.try(format($$SELECT apikey.rollback_policy('t56p', %s)$$, :forced));
-- it does not count to the end
SELECT apikey.set_policy('t56', 't56p', clear => '{rate_limits}') > 0 AS allows_more;
SELECT tenant FROM apikey.update_tenant('t56', clear => '{quotas}');
INSERT INTO apikey.usage (at, tenant_id, key_id, code, ip)
SELECT apikey._now() - i * interval '10 s', k.tenant_id, k.key_id, 'VALID', '192.0.2.1' FROM generate_series(1, 1500) i, apikey.api_key k WHERE k.key_id = (SELECT key_id FROM k WHERE n = 'force');
SELECT pg_temp.try($$SELECT apikey.set_policy('t56', 't56p', denied_cidrs => '{192.0.2.0/24}')$$);
-- eight days later nobody remembers
SELECT pg_temp.clock('2042-03-11 12:00+00') \gset
SELECT apikey.set_policy('t56', 't56p', denied_cidrs => '{192.0.2.0/24}') > 0 AS later;

-- --- bad input -----------------------------------------------------------------
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview(NULL)$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('nosuch')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', since => '-infinity')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', until => 'infinity')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', since => '2042-02-01', until => '2042-01-01')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', since => '2042-02-01', until => '2042-02-01')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', since => '2043-01-01')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', grace => '1 day', clear => '{grace}')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', clear => '{nosuch}')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', allowed_endpoints => '{nosuch}')$$);
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p', tenant => 'nosuch')$$);
SELECT apikey.create_policy('t56/sub', 't56p') > 0 AS policy;
SELECT pg_temp.try($$SELECT * FROM apikey.policy_preview('t56p')$$);
SELECT count(*) FROM apikey.policy_preview('t56p', tenant => 't56', allowed_cidrs => '{192.0.2.0/24}');

-- --- who may -------------------------------------------------------------------
CREATE ROLE regress_t56_auditor;
CREATE ROLE regress_t56_analyst;
CREATE ROLE regress_t56_stranger;
SELECT count(*) FROM (VALUES (apikey.grant_access('regress_t56_auditor', 'auditor', 't56')),
	(apikey.grant_access('regress_t56_analyst', 'analyst', 't56')), (apikey.grant_access('regress_t56_stranger', 'admin', 't56/sub'))) v;
CREATE FUNCTION pg_temp.as_role(who text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE format('SET ROLE %I', who);
	SELECT count(*) || ' rows' INTO answer FROM apikey.policy_preview('t56p', tenant => 't56', since => '2040-03-01', until => '2040-04-01', denied_cidrs => '{0.0.0.0/0}');
	RESET ROLE;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT who, pg_temp.as_role(who) FROM unnest('{regress_t56_auditor,regress_t56_analyst,regress_t56_stranger}'::text[]) who;
SET ROLE regress_t56_stranger;
SELECT count(*) FROM apikey.policy_preview('t56p', denied_cidrs => '{0.0.0.0/0}');
SELECT count(*) FROM apikey._preview(1, NULL, now(), now(), 0);
RESET ROLE;
DROP OWNED BY regress_t56_auditor, regress_t56_analyst, regress_t56_stranger;
DROP ROLE regress_t56_auditor, regress_t56_analyst, regress_t56_stranger;
