-- Budgets: what is used of a window equals what apikey.usage adds up to,
-- warnings once, a forecast, hard budgets as quotas, bad input.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET apikey.limit_wait = '60s';
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false)
$$;
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
	RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;

-- --- what is counted: in one transaction, so that no worker sees its rows -----
BEGIN;
SELECT pg_temp.clock('2031-03-08 10:20:00+00');
CREATE TEMP TABLE tenants AS SELECT t.name, apikey.create_tenant(t.name, parent => t.parent) AS tenant_id
	FROM (VALUES (1, 't72', NULL), (2, 'eu', 't72'), (3, 'de', 't72/eu')) t (n, name, parent) ORDER BY n;
SELECT apikey._ensure_partition_for('2031-02-20 00:00+00', '2031-04-10 00:00+00') > 0 AS partitions;
INSERT INTO apikey.usage (at, tenant_id, key_id, code, units)
SELECT '2031-02-20 00:00:01+00'::timestamptz + i * interval '13 min', t.tenant_id, -i % 3, CASE WHEN i % 5 = 0 THEN 'EXPIRED' WHEN i % 7 = 0 THEN 'LOGGED' ELSE 'VALID' END, i % 11
FROM generate_series(0, 5000) i JOIN (SELECT tenant_id, row_number() OVER (ORDER BY tenant_id) - 1 AS n FROM tenants) t ON t.n = i % 3;
INSERT INTO apikey.usage_hourly
SELECT date_trunc('hour', at), tenant_id, key_id, NULL, NULL, code, count(*), count(*) FILTER (WHERE code = 'EXPIRED'), 0, sum(units), 0, 0, 0, 0
FROM apikey.usage WHERE tenant_id IN (SELECT tenant_id FROM tenants) GROUP BY 1, 2, 3, 6;
INSERT INTO apikey.usage_daily
SELECT at::date, tenant_id, key_id, NULL, NULL, code, count(*), count(*) FILTER (WHERE code = 'EXPIRED'), 0, sum(units), 0, 0, 0, 0
FROM apikey.usage WHERE tenant_id IN (SELECT tenant_id FROM tenants) GROUP BY 1, 2, 3, 6;
SELECT count(apikey.set_budget(t, p || ' ' || z, 100000, p, z)) AS budgets
FROM unnest('{t72/eu,t72/eu/de}'::text[]) t, unnest('{hour,day,week,month}'::text[]) p, unnest('{UTC,Asia/Kolkata,America/St_Johns}'::text[]) z;
CREATE FUNCTION pg_temp.at(instant timestamptz) RETURNS SETOF apikey.budget_status LANGUAGE sql AS $$ SELECT pg_temp.clock(instant); SELECT * FROM apikey.budget_status WHERE tenant LIKE 't72%' $$;
SELECT i AS instant, count(*) AS budgets, count(*) FILTER (WHERE s.used = coalesce(r.units, 0)) AS counted, count(*) FILTER (WHERE s.used > 0) AS more_than_0,
	count(DISTINCT (s.window_start, s.window_end)) AS windows
FROM unnest('{2031-03-01 00:00:00+00,2031-02-28 18:29:59+00,2031-02-28 18:30:00+00,2031-03-08 10:20:00+00,2031-03-09 05:31:00+00,2031-03-31 23:59:59.999999+00}'::timestamptz[]) i
	CROSS JOIN LATERAL pg_temp.at(i) s
	CROSS JOIN LATERAL (SELECT sum(u.units) AS units FROM apikey.usage u JOIN tenants USING (tenant_id)
		WHERE u.at >= s.window_start AND u.at < s.window_end AND u.code = 'VALID' AND (s.tenant = 't72/eu' AND name IN ('eu', 'de') OR name = 'de')) r
GROUP BY i ORDER BY i;

-- hours that are not kept any more: from the rows
SAVEPOINT gone;
SET LOCAL apikey.rollup_hourly_retention = '1d';
DELETE FROM apikey.usage_hourly WHERE hour < '2031-03-07 10:00:00+00' AND tenant_id IN (SELECT tenant_id FROM tenants);
SELECT count(*) AS budgets, count(*) FILTER (WHERE s.used = r.units) AS same
FROM pg_temp.at('2031-03-08 10:20:00+00') s
	CROSS JOIN LATERAL (SELECT sum(u.units) AS units FROM apikey.usage u JOIN tenants USING (tenant_id)
		WHERE u.at >= s.window_start AND u.at < s.window_end AND u.code = 'VALID' AND (s.tenant = 't72/eu' AND name IN ('eu', 'de') OR name = 'de')) r;
DELETE FROM apikey.usage_hourly WHERE hour < '2031-03-08 07:00:00+00' AND tenant_id IN (SELECT tenant_id FROM tenants);
SET LOCAL apikey.rollup_hourly_retention = '3h';
SELECT count(*) AS budgets, count(*) FILTER (WHERE s.used = r.units) AS same
FROM pg_temp.at('2031-03-08 10:20:00+00') s
	CROSS JOIN LATERAL (SELECT sum(u.units) AS units FROM apikey.usage u JOIN tenants USING (tenant_id)
		WHERE u.at >= s.window_start AND u.at < s.window_end AND u.code = 'VALID' AND (s.tenant = 't72/eu' AND name IN ('eu', 'de') OR name = 'de')) r;
ROLLBACK TO gone;

-- the forecast is a straight line, and there is none in the first hundredth of a window
SELECT apikey.set_budget('t72/eu', 'm', 2000) > 0 AS budget;
SELECT i, s.used, s.share, s.forecast, s.exhausted_at FROM unnest('{2031-03-01 07:26:00+00,2031-03-01 07:27:00+00,2031-03-08 10:20:00+00}'::timestamptz[]) i, pg_temp.at(i) s WHERE s.name = 'm';
UPDATE apikey.usage_daily SET units = 0 WHERE day >= '2031-03-08' AND tenant_id IN (SELECT tenant_id FROM tenants);
SELECT i, s.used, s.share, s.forecast, s.exhausted_at FROM unnest('{2031-03-08 00:00:00+00,2031-03-16 12:00:00+00,2031-04-01 00:00:00+00}'::timestamptz[]) i, pg_temp.at(i) s WHERE s.name = 'm';

-- --- warnings -----------------------------------------------------------------
SELECT count(apikey.drop_budget(tenant, name)) AS dropped FROM apikey.budget_status WHERE tenant LIKE 't72%' AND name <> 'm';
CREATE VIEW pg_temp.warnings AS SELECT type, payload - 'tenant' - 'name' AS payload FROM apikey.event WHERE type IN ('budget.soft', 'budget.hard') ORDER BY event_id;
CREATE FUNCTION pg_temp.task() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	n bigint;
	total bigint := 0;
BEGIN
	LOOP
		n := apikey._task_budgets();
		total := total + n;
		EXIT WHEN n = 0;
	END LOOP;
	RETURN total;
END $$;
SELECT pg_temp.clock('2031-03-09 00:00:00+00');
SELECT used FROM apikey.budget_status WHERE name = 'm';
SELECT apikey.set_budget('t72/eu', 'm', 50000, soft => 0.9) > 0 AS high, pg_temp.task(), (SELECT count(*) FROM pg_temp.warnings) AS events;
SELECT apikey.set_budget('t72/eu', 'm', used::bigint + 1) > 0 AS nearly, pg_temp.task(), pg_temp.task() AS again FROM apikey.budget_status WHERE name = 'm';
SELECT * FROM pg_temp.warnings;
UPDATE apikey.usage_daily SET units = units + 1 WHERE (tenant_id, day, key_id, code) IN (SELECT tenant_id, day, key_id, code FROM apikey.usage_daily JOIN tenants USING (tenant_id) WHERE name = 'de' AND code = 'VALID' AND day = '2031-03-04' LIMIT 1);
SELECT pg_temp.clock('2031-03-10 01:00:00+00');
SELECT pg_temp.task(), pg_temp.task() AS again;
SELECT share, exhausted_at FROM apikey.budget_status WHERE name = 'm';
-- a window later, and back again, as when the clock is set: each once
SELECT pg_temp.clock('2031-04-10 00:00:00+00');
SELECT pg_temp.task();
SELECT pg_temp.clock('2031-03-10 02:00:00+00');
SELECT pg_temp.task();
SELECT * FROM pg_temp.warnings;
-- raised: told of again when the new one is reached
SELECT apikey.set_budget('t72/eu', 'm', units * 10) > 0 AS raised, pg_temp.task(), apikey.set_budget('t72/eu', 'm', units + 1) > 0 AS lowered, pg_temp.task() FROM apikey.budget WHERE name = 'm';
SELECT type, payload ->> 'units' AS units FROM pg_temp.warnings;
SELECT action, before, after FROM apikey.audit_log WHERE action LIKE 'budget.%' AND tenant_id = (SELECT tenant_id FROM tenants WHERE name = 'eu') ORDER BY seq DESC LIMIT 2;
-- the same again is no change
SELECT apikey.set_budget('t72/eu', 'm', units) = budget_id AS same, soft_window IS NOT NULL AS still_told FROM apikey.budget WHERE name = 'm';

-- --- who sees and does what ---------------------------------------------------
SELECT apikey.set_budget('t72', 'all', 1000) > 0 AS above, apikey.set_budget('t72/eu/de', 'd', 1000, 'day', 'Asia/Tokyo', NULL) > 0 AS below;
CREATE ROLE regress_t72;
SELECT apikey.grant_access('regress_t72', 'analyst', 't72/eu');
SET LOCAL ROLE regress_t72;
SELECT tenant, name, used > 0 AS used FROM apikey.budget_status;
SELECT count(*) FROM apikey.budget;
SELECT pg_temp.refused($$SELECT apikey.set_budget('t72/eu', 'x', 1)$$);
RESET ROLE;
SELECT apikey.grant_access('regress_t72', 'admin', 't72/eu');
SET LOCAL ROLE regress_t72;
SELECT pg_temp.refused($$SELECT apikey.set_budget('t72/eu', 'm', 1000000)$$);
SELECT pg_temp.refused($$SELECT apikey.drop_budget('t72/eu', 'm')$$);
SELECT pg_temp.refused($$SELECT apikey.set_budget('t72', 'all', 1000000)$$), pg_temp.refused($$SELECT apikey.drop_budget('nobody', 'all')$$);
SELECT apikey.set_budget('t72/eu/de', 'own', 5, hard => true) > 0 AS below;
RESET ROLE;
SELECT quotas FROM apikey.tenant WHERE tenant_id = (SELECT tenant_id FROM tenants WHERE name = 'de');

-- --- bad input: refused whole ---------------------------------------------------
SELECT apikey.update_tenant('t72', rate_limits => ARRAY[('fast', 10, '1 s', NULL, NULL)]::apikey.rate_limit[], quotas => ARRAY[('q', 10, 'day', NULL, NULL)]::apikey.quota[]) IS NULL AS never;
SELECT pg_temp.refused('SELECT apikey.set_budget(' || a || ')') FROM unnest(ARRAY[
	$$'t72', NULL, 1$$, $$'t72', '', 1$$, $$'t72', 'x', NULL$$, $$'t72', 'x', 0$$, $$'t72', 'x', -1$$, $$'t72', 'x', 4611686018427387904$$, $$'t72', 'x', 1, 'year'$$, $$'t72', 'x', 1, NULL$$,
	$$'t72', 'x', 1, 'day', 'Mars/Olympus'$$, $$'t72', 'x', 1, 'day', ''$$, $$'t72', 'x', 1, soft => 0$$, $$'t72', 'x', 1, soft => 1.01$$, $$'t72', 'x', 1, soft => 'NaN'$$, $$'t72', 'x', 1, soft => 0.0000001$$,
	$$'t72', 'x', 1, 'total'$$, $$'t72', 'q', 1, hard => true$$, $$'t72', 'fast', 1, hard => true$$, $$NULL, 'x', 1$$, $$'t72', repeat('x', 64), 1$$]) a;
SELECT pg_temp.refused($$SELECT apikey.drop_budget('t72', 'never')$$), pg_temp.refused($$SELECT apikey.drop_budget('t72', NULL)$$);
-- a soft one may be called like a quota; when it turns hard there is no room for both
SELECT apikey.set_budget('t72', 'q', 5) > 0 AS soft, pg_temp.refused($$SELECT apikey.set_budget('t72', 'q', 5, hard => true)$$);
SELECT pg_temp.refused($$SELECT apikey.set_budget('t72', 'b' || i, 5) FROM generate_series(1, 20) i$$);
-- the quota of a hard budget changes with it alone
SELECT apikey.set_budget('t72', 'h', 7, 'total', hard => true) > 0 AS hard;
SELECT pg_temp.refused($$SELECT apikey.update_tenant('t72', quotas => '{}')$$);
SELECT pg_temp.refused($$SELECT apikey.update_tenant('t72', clear => '{quotas}')$$);
SELECT pg_temp.refused($$SELECT apikey.update_tenant('t72', quotas => ARRAY[('h', 8, 'total', NULL, NULL)]::apikey.quota[])$$);
SELECT quotas FROM apikey.update_tenant('t72', quotas => ARRAY[('r', 9, 'day', NULL, NULL), ('h', 7, 'total', NULL, NULL)]::apikey.quota[]);
SELECT apikey.set_budget('t72', 'h', 8, 'total', 'Europe/Berlin', hard => true) > 0 AS changed;
SELECT quotas FROM apikey.tenant WHERE name = 't72';
SELECT window_start, window_end, used, share, forecast, exhausted_at FROM apikey.budget_status WHERE tenant = 't72' AND name = 'h';
SELECT apikey.set_budget('t72', 'h', 8, 'month') > 0 AS soft;
SELECT quotas FROM apikey.tenant WHERE name = 't72';
-- a time zone that came with a dump of another server
UPDATE apikey.budget SET timezone = 'Mars/Olympus' WHERE name = 'h';
SELECT name, timezone, window_start, used, share FROM apikey.budget_status WHERE tenant = 't72' AND name IN ('h', 'all');
SELECT pg_temp.task() >= 0 AS task;
ROLLBACK;

-- --- hard: the quota denies, whoever of the tree asks ---------------------------
RESET apikey.test_now;
SELECT apikey.create_tenant('t72h') > 0 AND apikey.create_tenant('sub', parent => 't72h') > 0 AS tenants;
SELECT apikey.create_environment('t72h/sub', 'prod') > 0 AS environment;
SELECT key FROM apikey.create_key('t72h/sub', 'prod') \gset
SELECT apikey.set_budget('t72h', 'credit', 10, 'total', soft => 0.5, hard => true) > 0 AS budget;
SELECT code, count(*) FROM generate_series(1, 12) i, apikey.verify(:'key', request_id => i::text) GROUP BY 1 ORDER BY 1 DESC;
-- the writer shows what is used some seconds later, then the task tells
DO $$
BEGIN
	FOR i IN 1 .. 1800 LOOP
		PERFORM apikey._task_budgets();
		EXIT WHEN EXISTS (SELECT FROM apikey.event WHERE type = 'budget.hard' AND payload ->> 'tenant' = 't72h');
		COMMIT;
		PERFORM pg_sleep(0.1);
	END LOOP;
END $$;
SELECT used, share, forecast, exhausted_at BETWEEN now() - interval '1 hour' AND now() AS exhausted FROM apikey.budget_status WHERE tenant = 't72h';
SELECT type, payload - 'used' AS payload FROM apikey.event WHERE type IN ('budget.soft', 'budget.hard') AND payload ->> 'tenant' = 't72h' ORDER BY type;
SELECT apikey.set_budget('t72h', 'credit', 11, 'total', hard => true) > 0 AS raised;
SELECT code, count(*) FROM generate_series(1, 2) i, apikey.verify(:'key', request_id => i::text) GROUP BY 1 ORDER BY 1 DESC;
SELECT apikey.drop_budget('t72h', 'credit') > 0 AS dropped;
SELECT code FROM apikey.verify(:'key');
SELECT apikey.drop_budget('t72h', 'credit');
