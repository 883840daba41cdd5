-- Prices that change within every day, over tables that are analysed and not
-- small: the report takes a second or two where parts of it are hashed, and
-- minutes where the planner thinks it can go through one for each row of
-- another.  The bound is far from both.
-- In one transaction, so that no worker counts its rows.
SET client_min_messages = warning;
BEGIN;
SET LOCAL apikey.test_now = '1929349200';	-- 2031-02-20 10:20:00 UTC
SET LOCAL timezone = 'UTC';
SELECT apikey.create_tenant('t71') > 0 AS tenant, apikey.create_environment('t71', 'prod') > 0 AS environment;
CREATE TEMP TABLE keys AS SELECT n, (apikey.create_key('t71', 'prod', owner => 'o' || n % 3)).key_id FROM generate_series(0, 19) n;

-- from 07:00 on the price is the day's, three classes have one of their own; none for the first hours and the last days
SELECT count(apikey.set_price('t71', CASE WHEN c > 0 THEN '/c' || c || '/*' END, per_call => d + c * 0.01, currency => 'EUR',
	valid_from => at, valid_until => at + interval '1 day')) AS prices
FROM generate_series(1, 28) d, generate_series(0, 3) c, LATERAL (SELECT '2031-04-30 07:00+00'::timestamptz + d * interval '1 day') s (at);

-- May: 20 keys at 15 classes, every third hour
INSERT INTO apikey.usage_hourly
SELECT '2031-05-01 00:00+00'::timestamptz + h * interval '1 hour', k.tenant_id, k.key_id, k.environment_id, '/c' || c || '/*',
	'VALID', 1 + (h + c) % 3, 0, 0, c, 10, 100, 0, 0
FROM generate_series(0, 31 * 24 - 1) h, generate_series(1, 15) c, keys JOIN apikey.api_key k USING (key_id)
WHERE (h + n) % 3 = 0;
INSERT INTO apikey.usage_daily
SELECT hour::date, tenant_id, key_id, environment_id, endpoint_class, code, sum(calls), 0, 0, sum(units), sum(bytes_in), sum(bytes_out), 0, 0
FROM apikey.usage_hourly JOIN keys USING (key_id) GROUP BY 1, 2, 3, 4, 5, 6;
ANALYZE apikey.usage_hourly, apikey.usage_daily, apikey.price;
SELECT reltuples >= 74400 AS known_as_large FROM pg_class WHERE oid = 'apikey.usage_hourly'::regclass;

SET LOCAL statement_timeout = '100s';
CREATE TEMP TABLE report AS SELECT * FROM apikey.cost_report('2031-05', 't71');
RESET statement_timeout;
SELECT owner, currency, calls, units, bytes, cost FROM report ORDER BY 1, 2;
-- hour by hour
SELECT count(*) AS differ FROM (
	SELECT owner, currency, calls, units, bytes, cost FROM report
	EXCEPT
	SELECT 'o' || n % 3, CASE WHEN d BETWEEN 1 AND 28 THEN 'EUR' END, sum(calls), sum(units), sum(bytes_in + bytes_out),
		trim_scale(sum(CASE WHEN d BETWEEN 1 AND 28 THEN calls * (d + CASE WHEN endpoint_class ~ '^/c[123]/' THEN substr(endpoint_class, 3, 1)::numeric / 100 ELSE 0 END) END))
	FROM (SELECT h.*, n, floor(extract(epoch FROM hour - '2031-04-30 07:00+00') / 86400) AS d FROM apikey.usage_hourly h JOIN keys USING (key_id)) h
	GROUP BY 1, 2) d;
ROLLBACK;
-- what ANALYZE says of sizes is not rolled back
ANALYZE apikey.usage_hourly, apikey.usage_daily, apikey.price;
