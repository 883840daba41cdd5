-- Prices and cost: which price a request has, cost that adds up to what an
-- independent recount of apikey.usage gives, rounding, history that does not
-- change, bad input.  In one transaction, so that no worker counts its rows.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
BEGIN;
SET LOCAL apikey.test_now = '1929349200';	-- 2031-02-20 10:20:00 UTC
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';

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
	RETURN regexp_replace(concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, '')), '([pP]rice|[kK]ey) [0-9]+', '\1 N', 'g');
END $$;

CREATE TEMP TABLE tenants AS SELECT t.name, apikey.create_tenant(t.name, parent => t.parent) AS tenant_id
	FROM (VALUES (1, 't70', NULL), (2, 'eu', 't70'), (3, 'de', 't70/eu'), (4, 't70b', NULL)) t (n, name, parent) ORDER BY n;
SELECT count(apikey.create_environment(t, 'prod')) AS environments FROM unnest('{t70,t70/eu,t70/eu/de,t70b}'::text[]) t;
CREATE TEMP TABLE keys AS
	SELECT n, (apikey.create_key(t, 'prod', owner => o, tags => p)).key_id
	FROM (VALUES (0, 't70', 'ann', '{project:web,x}'::text[]), (1, 't70', 'bob', '{}'), (2, 't70/eu', 'ann', '{project:web}'), (3, 't70/eu/de', 'cid', '{project:app,project:zoo}'),
		(4, 't70/eu/de', NULL, '{}'), (5, 't70b', 'dan', '{}'), (6, 't70', 'ann', '{project:web}')) k (n, t, o, p);

-- What other files asked for later than this clock has prices of all tenants,
-- too: without it, and nobody counts it meanwhile.
LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
DELETE FROM apikey.usage_hourly;
DELETE FROM apikey.usage_daily;
-- Classes stand for endpoints here.  Every 17 minutes a row, from four days
-- before the first price on; a prime number of alternatives for each column.
SELECT apikey._ensure_partition_for('2031-02-25 00:00+00', '2031-04-02 00:00+00') > 0 AS partitions;
INSERT INTO apikey.usage (at, tenant_id, key_id, environment_id, code, endpoint, latency_us, bytes_in, bytes_out, units)
SELECT '2031-02-25 00:03:21+00'::timestamptz + i * interval '17 min', k.tenant_id, k.key_id, k.environment_id,
	(ARRAY['VALID', 'VALID', 'LOGGED', 'EXPIRED', 'VALID'])[1 + i % 5],
	(ARRAY['/orders/*', '/orders/*/items', '/files/**', '/orders', NULL, '/files/a.b', '/orders/**', '/status', '/orders/new', '/filesXaXb', '/files/*'])[1 + i % 11],
	i, nullif(i * 7919 % 100003, 5), i * 104729 % 1000003, i % 13
FROM generate_series(0, 2999) i JOIN keys ON n = i % 7 JOIN apikey.api_key k USING (key_id);
-- Prices that begin and end within days and at midnight, in two currencies.
SELECT count(apikey.set_price(t, e, c, u, g, cur, f, x, logged => l)) AS prices FROM (VALUES
	(NULL, NULL, 0.001, NULL, NULL, 'EUR', '2031-03-01 00:00+00'::timestamptz, NULL::timestamptz, false),
	(NULL, '/files/**', 0.0001, NULL, 0.09, 'EUR', '2031-03-01 00:00+00', '2031-03-15 00:00+00', false),
	(NULL, '/files/**', 0.0001, NULL, 0.08, 'EUR', '2031-03-15 00:00+00', NULL, false),
	(NULL, '/files/a.b', NULL, NULL, 1, 'EUR', '2031-03-02 05:00+00', NULL, false),
	(NULL, '/orders/**', 0.0033333, NULL, NULL, 'EUR', '2031-03-03 12:00+00', NULL, false),
	(NULL, '/orders/*', 0.0044444, NULL, NULL, 'EUR', '2031-03-03 13:00+00', '2031-03-21 07:00+00', false),
	(NULL, '/orders/new', 0.7, NULL, NULL, 'EUR', '2031-03-05 00:00+00', NULL, false),
	('t70/eu', NULL, NULL, 0.25, NULL, 'USD', '2031-03-10 14:00+00', '2031-03-20 07:00+00', false),
	('t70/eu/de', '/orders/*/items', 0.123456789012, 0.000000000001, 7, 'EUR', '2031-03-09 23:00+00', NULL, false),
	('t70b', NULL, 1, 1, 1, 'CHF', '2031-03-01 00:00+00', NULL, true),
	('t70b', '/status', 0, NULL, NULL, 'CHF', '2031-03-04 00:00+00', NULL, false)) p (t, e, c, u, g, cur, f, x, l);
-- prices come first: what is counted before as a tail may be of any of them
INSERT INTO apikey.usage_hourly
SELECT date_trunc('hour', at), tenant_id, key_id, environment_id, endpoint, code, count(*), count(*) FILTER (WHERE code = 'EXPIRED'), 0,
	sum(units), coalesce(sum(bytes_in), 0), coalesce(sum(bytes_out), 0), count(latency_us), sum(latency_us)
FROM apikey.usage WHERE tenant_id IN (SELECT tenant_id FROM tenants) GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO apikey.usage_daily
SELECT hour::date, tenant_id, key_id, environment_id, endpoint_class, code, sum(calls), sum(denials), 0,
	sum(units), sum(bytes_in), sum(bytes_out), sum(latency_calls), sum(latency_us)
FROM apikey.usage_hourly WHERE tenant_id IN (SELECT tenant_id FROM tenants) GROUP BY 1, 2, 3, 4, 5, 6;
SELECT (apikey.revoke_key(key_id)).status FROM keys WHERE n = 6;
SELECT (apikey.delete_key(key_id)).status FROM keys WHERE n = 6;

-- The recount: each row of usage by itself, the rules written down again.
CREATE FUNCTION pg_temp.matches(class text, endpoint text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	c text[] := string_to_array(class, '/');
	e text[] := string_to_array(endpoint, '/');
BEGIN
	IF endpoint IS NULL OR class IS NULL THEN
		RETURN endpoint IS NULL;
	END IF;
	FOR i IN 1 .. cardinality(e) LOOP
		IF e[i] = '**' THEN
			RETURN cardinality(c) >= i;
		ELSIF c[i] IS NULL OR (e[i] = '*' AND c[i] = '**') OR (e[i] <> '*' AND e[i] <> c[i]) THEN
			RETURN false;
		END IF;
	END LOOP;
	RETURN cardinality(c) = cardinality(e);
END $$;
CREATE FUNCTION pg_temp.price_of(holder bigint, class text, at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	LOOP
		-- the rules here differ from each other in how long they are without stars
		SELECT p.price_id INTO id FROM apikey.price p
			WHERE p.tenant_id IS NOT DISTINCT FROM holder AND p.valid_from <= at AND (p.valid_until IS NULL OR at < p.valid_until)
				AND pg_temp.matches(class, p.endpoint)
			ORDER BY coalesce(array_length(string_to_array(replace(p.endpoint, '**', ''), '/'), 1), 0) DESC,
				length(replace(p.endpoint, '*', '')) DESC, length(p.endpoint) LIMIT 1;
		IF FOUND OR holder IS NULL THEN
			RETURN id;
		END IF;
		SELECT t.parent_id INTO holder FROM apikey.tenant t WHERE t.tenant_id = holder;
	END LOOP;
END $$;
CREATE FUNCTION pg_temp.recount(since timestamptz, until timestamptz)
	RETURNS TABLE (tenant text, owner text, project text, currency text, calls bigint, units numeric, bytes numeric, cost numeric, deleted boolean,
		logged_calls bigint, logged_units numeric) LANGUAGE sql AS $$
	SELECT apikey.tenant_path(u.tenant_id), k.owner, substr((SELECT t FROM unnest(k.tags) t WHERE t LIKE 'project:%' ORDER BY 1 LIMIT 1), 9), p.currency,
		count(*) FILTER (WHERE m.metered), coalesce(sum(u.units) FILTER (WHERE m.metered), 0), sum(coalesce(bytes_in, 0) + coalesce(bytes_out, 0)),
		sum(CASE WHEN m.metered THEN p.per_call + p.per_unit * u.units ELSE 0 * p.per_call END + (coalesce(bytes_in, 0) + coalesce(bytes_out, 0)) * p.per_gb / 10::numeric(40, 20) ^ 9),
		k.key_id IS NULL, count(*) FILTER (WHERE u.code = 'LOGGED'), coalesce(sum(u.units) FILTER (WHERE u.code = 'LOGGED'), 0)
	FROM apikey.usage u
		LEFT JOIN apikey.api_key k USING (key_id)
		LEFT JOIN apikey.price p ON p.price_id = pg_temp.price_of(u.tenant_id, u.endpoint, u.at)
		CROSS JOIN LATERAL (SELECT u.code = CASE WHEN p.logged THEN 'LOGGED' ELSE 'VALID' END AS metered) m
	WHERE u.at >= since AND u.at < until AND u.code IN ('VALID', 'LOGGED') AND u.tenant_id IN (SELECT tenant_id FROM tenants)
	GROUP BY 1, 2, 3, 4, 9
$$;
CREATE FUNCTION pg_temp.same(period text, since timestamptz, until timestamptz) RETURNS TABLE (rows bigint, more bigint, less bigint) LANGUAGE plpgsql AS $$
BEGIN
	CREATE TEMP TABLE a ON COMMIT DROP AS SELECT * FROM apikey.cost_report(period) r WHERE r.tenant LIKE 't70%';
	CREATE TEMP TABLE b ON COMMIT DROP AS SELECT * FROM pg_temp.recount(since, until);
	RETURN QUERY SELECT (SELECT count(*) FROM b), (SELECT count(*) FROM (SELECT * FROM a EXCEPT ALL SELECT * FROM b) d), (SELECT count(*) FROM (SELECT * FROM b EXCEPT ALL SELECT * FROM a) d);
	DROP TABLE a, b;
END $$;

SET LOCAL apikey.test_now = '1932854430';	-- 2031-04-02 00:00:30 UTC
SELECT * FROM apikey.cost_report('last month') WHERE tenant LIKE 't70%';
SELECT * FROM pg_temp.same('last month', '2031-03-01', '2031-04-01');
SELECT * FROM pg_temp.same('2031', '2031-01-01', '2032-01-01');
SELECT d, s.* FROM unnest('{2031-02-28,2031-03-02,2031-03-03,2031-03-09,2031-03-10,2031-03-15,2031-03-20,2031-03-21}'::date[]) d,
	pg_temp.same(d::text, d, d + 1) s;
SELECT * FROM pg_temp.same('2031-03-03/2031-03-21', '2031-03-03', '2031-03-22');
SELECT * FROM pg_temp.same('2031-W11', '2031-03-10', '2031-03-17');
SELECT * FROM pg_temp.same('2031-Q1', '2031-01-01', '2031-04-01');
-- nothing is lost: the calls of all rows are those of usage
SELECT sum(r.calls) = (SELECT count(*) FROM apikey.usage u WHERE u.code = CASE WHEN u.tenant_id = (SELECT tenant_id FROM tenants WHERE name = 't70b') AND u.at >= '2031-03-01'
		AND NOT (u.endpoint IS NOT DISTINCT FROM '/status' AND u.at >= '2031-03-04') THEN 'LOGGED' ELSE 'VALID' END
	AND u.tenant_id IN (SELECT tenant_id FROM tenants)) AS all_calls
FROM apikey.cost_report('2031') r WHERE r.tenant LIKE 't70%';

-- rounded rows add up to the rounded whole, and none is off by more than one
WITH exact AS (SELECT * FROM apikey.cost_report('2031-Q1')), rounded AS (SELECT d, r.* FROM generate_series(0, 6) d, apikey.cost_report('2031-Q1', NULL, d) r)
SELECT r.d, r.currency, sum(r.cost) = round(sum(e.cost), r.d) AS adds_up, max(abs(r.cost - e.cost)) < 10::numeric ^ -r.d AS near,
	count(*) FILTER (WHERE r.cost <> round(e.cost, r.d)) AS moved
FROM rounded r JOIN exact e ON (e.tenant, e.owner, e.project, e.currency, e.deleted) IS NOT DISTINCT FROM (r.tenant, r.owner, r.project, r.currency, r.deleted)
WHERE r.currency IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2;

-- hours that are gone: what depends on them has no price, the rest stays
CREATE TEMP TABLE before AS SELECT * FROM apikey.cost_report('2031-03-10');
DELETE FROM apikey.usage_hourly WHERE hour::date = '2031-03-10' AND hour >= '2031-03-10 20:00' AND tenant_id IN (SELECT tenant_id FROM tenants);
SELECT tenant, owner, currency, calls, units, cost FROM apikey.cost_report('2031-03-10') EXCEPT SELECT tenant, owner, currency, calls, units, cost FROM before ORDER BY 1, 2, 3;
SELECT (SELECT sum(calls) FROM before) = (SELECT sum(calls) FROM apikey.cost_report('2031-03-10')) AS calls, (SELECT sum(bytes) FROM before) = (SELECT sum(bytes) FROM apikey.cost_report('2031-03-10')) AS bytes;

-- --- the clock goes back: what is counted is not of the future ------------------
SAVEPOINT back;
SET LOCAL apikey.test_now = '1929349200';	-- 2031-02-20 10:20:00 UTC
SELECT pg_temp.refused(format('SELECT apikey.end_price(%s)', price_id)) FROM apikey.price WHERE tenant_id IS NULL AND endpoint IS NULL;
SELECT pg_temp.refused($$SELECT apikey.set_price('t70', per_call => 1, currency => 'EUR')$$);
SELECT pg_temp.refused($$SELECT apikey.set_price('t70', per_call => 1, currency => 'EUR', valid_from => '2031-03-31 00:00+00')$$);
SELECT apikey.set_price('t70', per_call => 1, currency => 'EUR', valid_from => '2031-04-10 00:00+00') > 0 AS nothing_counted;
ROLLBACK TO back;

-- --- a tenant that is moved ----------------------------------------------------
-- what it has used costs what it did, to the end of the hour; then it has other prices
SAVEPOINT moved;
CREATE TEMP TABLE was AS SELECT * FROM apikey.cost_report('2031-Q1') WHERE tenant LIKE 't70%';
SELECT (apikey.move_tenant('t70/eu', 't70b')).tenant;
SELECT regexp_replace(tenant, '^t70', 't70b') AS tenant, owner, project, currency, calls, units, bytes, cost FROM was WHERE tenant LIKE 't70/eu%'
EXCEPT SELECT tenant, owner, project, currency, calls, units, bytes, cost FROM apikey.cost_report('2031-Q1');
SELECT tenant, owner, currency, calls, cost FROM was WHERE tenant NOT LIKE 't70/eu%' EXCEPT SELECT tenant, owner, currency, calls, cost FROM apikey.cost_report('2031-Q1');
-- back and forth within the hour is no move, and there is no way to price the past by it
SELECT (apikey.move_tenant('t70b/eu', 't70')).tenant, (apikey.move_tenant('t70/eu', 't70b')).tenant, (SELECT count(*) FROM apikey.tenant_past JOIN tenants USING (tenant_id)) AS past;
SELECT pg_temp.refused($$SELECT apikey.set_price('t70', '/orders', 9, currency => 'EUR', valid_from => '2031-03-31 00:00+00', valid_until => '2031-04-01 00:00+00')$$);
-- an hour on each side, from the prices that are known there
INSERT INTO apikey.usage_hourly SELECT h, k.tenant_id, k.key_id, k.environment_id, '/status', v.code, v.calls, 0, 0, 2 * v.calls, 0, 0, 0, 0
FROM unnest('{2031-04-02 00:00+00,2031-04-02 01:00+00}'::timestamptz[]) h, (VALUES ('VALID', 3), ('LOGGED', 5)) v (code, calls), keys JOIN apikey.api_key k USING (key_id) WHERE keys.n = 3;
INSERT INTO apikey.usage_daily SELECT date '2031-04-02', tenant_id, key_id, environment_id, endpoint_class, code, sum(calls), 0, 0, sum(units), 0, 0, 0, 0
FROM apikey.usage_hourly WHERE hour >= '2031-04-02' AND tenant_id IN (SELECT tenant_id FROM tenants) GROUP BY 1, 2, 3, 4, 5, 6;
SELECT tenant, owner, currency, calls, units, cost FROM apikey.cost_report('2031-04-02', 't70b');
-- and home again, some time later
SET LOCAL apikey.test_now = '1932984000';	-- 2031-04-03 12:00:00 UTC
SELECT (apikey.move_tenant('t70b/eu', 't70')).tenant;
SELECT tenant, owner, currency, calls, units, cost FROM apikey.cost_report('2031-04-02', 't70/eu');
SELECT p.name AS parent, a.since, a.until FROM apikey.tenant_past a JOIN tenants USING (tenant_id) JOIN apikey.tenant p ON p.tenant_id = a.parent_id ORDER BY until;
ROLLBACK TO moved;

-- --- who sees what ------------------------------------------------------------
CREATE ROLE regress_t70;
SELECT apikey.grant_access('regress_t70', 'analyst', 't70/eu');
SET LOCAL ROLE regress_t70;
SELECT DISTINCT tenant FROM apikey.cost_report('2031-03') ORDER BY 1;
SELECT tenant, owner, cost FROM apikey.cost_report('2031-03', 't70/eu/de', 2);
SELECT endpoint, currency, tenant_id IS NULL AS all_tenants FROM apikey.price ORDER BY price_id;
SELECT pg_temp.refused($$SELECT apikey.cost_report(tenant => 't70')$$), pg_temp.refused($$SELECT apikey.cost_report(tenant => 'nobody')$$);
SELECT pg_temp.refused($$SELECT apikey.set_price('t70/eu', per_call => 0, currency => 'EUR')$$);
RESET ROLE;

-- --- history does not change --------------------------------------------------
-- where something was priced: refused, whatever would win
SELECT pg_temp.refused($$SELECT apikey.set_price('t70', per_call => 1, currency => 'EUR', valid_from => '2031-03-31 00:00+00')$$);
SELECT pg_temp.refused($$SELECT apikey.set_price(endpoint => '/status', per_call => 1, currency => 'EUR', valid_from => '2031-03-31 00:00+00', valid_until => '2031-04-01 00:00+00')$$);
-- what would win nowhere, or where nothing was counted: allowed
SELECT apikey.set_price('t70', '/never/seen', 1, currency => 'EUR', valid_from => '2031-03-31 00:00+00') > 0 AS allowed;
SELECT apikey.set_price('t70b', '/**', 1, currency => 'EUR', valid_from => '2031-02-01 00:00+00', valid_until => '2031-02-28 23:00+00') > 0 AS allowed;
SELECT owner, currency, cost FROM apikey.cost_report('2031-02', 't70b') ORDER BY 1, 2;

-- --- ending -------------------------------------------------------------------
CREATE TEMP VIEW ids AS SELECT price_id, row_number() OVER (ORDER BY price_id) AS n FROM apikey.price;
CREATE FUNCTION pg_temp.ended(price integer, at text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.refused(format('SELECT apikey.end_price(%s, %L)', price_id, at)) FROM ids WHERE n = price $$;
SELECT n, pg_temp.ended(n, at) FROM (VALUES (1, '2031-03-31 00:00+00'), (4, '2031-04-02 00:30+00'), (4, '2031-03-01 00:00+00'), (8, '2031-03-21 00:00+00'), (4, 'infinity')) e (n, at);
-- by default at the next midnight; where it ends, another may begin
SELECT pg_temp.ended(1);
SELECT pg_temp.refused($$SELECT apikey.set_price(per_call => 0.002, currency => 'USD', valid_from => '2031-04-02 00:00+00')$$);
SELECT apikey.set_price(per_call => 0.002, currency => 'USD', note => 'dearer') > 0 AS next;
-- ended before it began: never in force, and the time is free again
SELECT pg_temp.ended(max(n)::integer, '2031-04-03 00:00+00') FROM ids;
SELECT apikey.set_price(per_call => 0.003, currency => 'USD', valid_from => '2031-04-03 00:00+00', valid_until => '2031-05-01 00:00+00') > 0 AS again;
-- ended twice, and again at the same time
SELECT pg_temp.ended(max(n)::integer, '2031-04-05 00:00+00') FROM ids;
SELECT pg_temp.ended(max(n)::integer, '2031-04-05 00:00+00') FROM ids;
SELECT pg_temp.ended(max(n)::integer, '2031-04-06 00:00+00') FROM ids;
SELECT per_call, currency, valid_from, valid_until, note FROM apikey.price WHERE tenant_id IS NULL AND endpoint IS NULL ORDER BY price_id;
SELECT action, regexp_replace(object, '[0-9]+', 'N') AS object, before, after FROM apikey.audit_log WHERE action LIKE 'price.%' ORDER BY seq DESC LIMIT 4;
SELECT type, tenant_id IS NULL AS all_tenants, payload - 'price_id' AS payload FROM apikey.event WHERE type LIKE 'price.%' ORDER BY event_id DESC LIMIT 2;

-- --- bad input ----------------------------------------------------------------
SELECT pg_temp.refused('SELECT apikey.set_price(' || a || ')') FROM unnest(ARRAY[
	$$currency => 'EUR'$$, $$per_call => 1$$, $$per_call => 1, currency => 'eur'$$, $$per_call => 1, currency => 'EURO'$$, $$per_call => -1, currency => 'EUR'$$, $$per_unit => 'NaN', currency => 'EUR'$$,
	$$per_gb => 'Infinity', currency => 'EUR'$$, $$per_gb => 1e12, currency => 'EUR'$$, $$per_call => 0.0000000000001, currency => 'EUR'$$, $$'nobody', per_call => 1, currency => 'EUR'$$,
	$$endpoint => 'orders', per_call => 1, currency => 'EUR'$$, $$endpoint => 'GET /orders', per_call => 1, currency => 'EUR'$$, $$endpoint => '/o**', per_call => 1, currency => 'EUR'$$,
	$$endpoint => '/**/a', per_call => 1, currency => 'EUR'$$, $$endpoint => '', per_call => 1, currency => 'EUR'$$, $$per_call => 1, currency => 'EUR', valid_from => '2031-05-01 00:30+00'$$,
	$$per_call => 1, currency => 'EUR', valid_from => 'infinity'$$, $$per_call => 1, currency => 'EUR', valid_from => '2031-06-02 00:00+00', valid_until => '2031-06-01 00:00+00'$$,
	$$per_call => 1, currency => 'EUR', valid_until => '2031-04-01 00:00+00'$$, $$per_call => 1, currency => 'EUR', note => ''$$]) a;
SELECT pg_temp.refused('SELECT apikey.end_price(' || a || ')') FROM unnest(ARRAY['NULL', '-1', 'NULL, ''2031-05-01 00:00+00''']) a;
SELECT pg_temp.refused('SELECT apikey.cost_report(' || a || ')') FROM unnest(ARRAY[$$NULL$$, $$'hour'$$, $$''$$, $$'2031-13'$$, $$'2031-02-29'$$, $$'0000'$$, $$'2031-W53'$$, $$'2031-Q5'$$,
	$$'2031-03-02/2031-03-01'$$, $$'2031-03-02/infinity'$$, $$'2031', NULL, -1$$, $$'2031', NULL, 13$$, $$'2031', ''$$]) a;
SELECT p, d.* FROM unnest('{day,last day,week,last week,month,last month,quarter,last quarter,year,last year,2031,2031-11,2032-02-29,2031-Q4,2026-W53,2031-11-01/2031-11-15}'::text[]) p, apikey._period(p, '2031-01-01 00:00+00') d;

-- which endpoints match which class, the most specific first
SELECT class, array_agg(endpoint ORDER BY apikey._endpoint_rank(endpoint) DESC) AS endpoints
FROM unnest('{/orders,/orders/,/orders/*,/orders/**,/files/*.pdf,/files/a.pdf,/files/apdf,/a/b,/a/b/c}'::text[]) class,
	unnest('{/orders,/orders/*,/orders/**,/files/*.pdf,/files/*,/files/a*,/*/**,/**,/a/*/c,/*/b/c,/a/b/*}'::text[]) endpoint
WHERE apikey._price_matches(endpoint, class) GROUP BY class ORDER BY class COLLATE "C";
ROLLBACK;
