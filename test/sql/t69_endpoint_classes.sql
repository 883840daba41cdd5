-- Classes of endpoints: shapes, what is learnt and from whom, where it ends, and
-- what becomes of what is counted already.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_t69_all;
CREATE ROLE regress_t69_a;
CREATE ROLE regress_t69_none;
SELECT apikey.create_tenant('t69') AS t69, apikey.create_tenant('other69') AS other69 \gset
SELECT apikey.create_tenant('child', parent => 't69') AS child69 \gset
SELECT apikey.grant_access('regress_t69_a', 'analyst', 't69') AND apikey.grant_access('regress_t69_none', 'verifier', 't69')
	AND apikey.grant_access('regress_t69_all', 'analyst') AS granted;

-- one tenant's shapes and what they come to
CREATE FUNCTION pg_temp.classify(tenant bigint, accepted boolean, VARIADIC shapes text[]) RETURNS text[] LANGUAGE sql AS $$
	SELECT apikey._classify(array_fill(tenant, ARRAY[cardinality(shapes)]), shapes, array_fill(accepted, ARRAY[cardinality(shapes)])) $$;
CREATE FUNCTION pg_temp.shapes(format text, first integer, last integer) RETURNS text[] LANGUAGE sql AS $$
	SELECT array_agg(format(format, translate(i::text, '0123456789', 'abcdefghij'))) FROM generate_series(first, last) i $$;

-- shapes: by the text alone
SELECT apikey._endpoint_shape(e) FROM unnest(ARRAY['/orders/123?x=1', 'https://api.example.com/v1/users/550e8400-e29b-41d4-a716-446655440000',
	'/files/7.json', '/a/b/c/d/e/f/g/h/i', U&'/\0645\0631\062D\0628\0627/\+01F600/9', '', '/caf%C3%A9', '/<script>']) WITH ORDINALITY u (e, n) ORDER BY n;
SELECT apikey._endpoint_shape(NULL) IS NULL AS nothing, max(length(apikey._endpoint_shape(repeat('/' || repeat('y', n), 100)))) AS longest FROM generate_series(1, 70) n;

-- accepted requests teach, denied ones do not; no tenant or endpoint, no class
SELECT apikey._classify(ARRAY[:t69, :t69, :t69, NULL, :t69, :other69], '{/orders/*,/orders,/admin,/orders,NULL,/orders}', '{t,t,f,t,t,f}');
SELECT tenant_id = :t69 AS t69, class, collapsed_at IS NULL AS seen FROM apikey.endpoint_class WHERE tenant_id IN (:t69, :other69) ORDER BY class COLLATE "C";
SELECT pg_temp.classify(:t69, false, '/orders', '/orders/*', '/orders/new', '/.env');
SELECT apikey._classify('{}', '{}', '{}') AS none, apikey._classify(ARRAY[:t69], '{/health}', '{NULL}') AS unknown;
-- the order of what comes at once does not matter
SELECT apikey._classify(ARRAY[:t69, :t69, :t69], '{/late,/late,/late}', '{f,t,f}');

-- a scanner fills nothing
SELECT count(DISTINCT c), min(c) FROM unnest(pg_temp.classify(:t69, false, VARIADIC pg_temp.shapes('/wp-%s', 1, 5000))) c;
SELECT count(*) FROM apikey.endpoint_class WHERE tenant_id = :t69;

-- a hundred names below a prefix stay names
SELECT count(DISTINCT c) FROM unnest(pg_temp.classify(:t69, true, VARIADIC pg_temp.shapes('/users/%s', 1, 100))) c;
SELECT pg_temp.classify(:t69, true, '/users/bc', '/users/*', '/users/bc/posts');
-- what is counted by then, of a key and another, in hours and days
INSERT INTO apikey.usage_hourly
SELECT h, :t69, k, 1, c, 'VALID', 2, 0, 1, 3, 10, 20, 2, 300, apikey._latency_sketch(l), apikey._ip_sketch('10.0.0.0'::inet + l::int)
FROM unnest('{2026-11-03 10:00+00,2026-11-03 11:00+00}'::timestamptz[]) h, generate_series(1, 2) k,
	unnest(pg_temp.shapes('/users/%s', 1, 50) || '{/users/*,/users/bc/posts,/orders,/**}'::text[]) c, LATERAL (VALUES (100), (k * 100)) v (l)
GROUP BY h, k, c;
INSERT INTO apikey.usage_hourly SELECT hour, :other69, key_id, 1, endpoint_class, code, calls, denials, errors, units, bytes_in, bytes_out, latency_calls, latency_us, latency, ips
FROM apikey.usage_hourly WHERE tenant_id = :t69 AND endpoint_class = '/users/b';
INSERT INTO apikey.usage_hourly SELECT hour, tenant_id, key_id, 1, NULL, code, calls, denials, errors, units, bytes_in, bytes_out, latency_calls, latency_us, NULL, NULL
FROM apikey.usage_hourly WHERE tenant_id = :t69 AND endpoint_class = '/users/b';
INSERT INTO apikey.usage_daily
SELECT date '2026-11-03', tenant_id, key_id, environment_id, endpoint_class, code, sum(calls), sum(denials), sum(errors), sum(units), sum(bytes_in), sum(bytes_out),
	sum(latency_calls), sum(latency_us), apikey.latency_merge(latency), apikey.ip_merge(ips)
FROM apikey.usage_hourly WHERE tenant_id IN (:t69, :other69) GROUP BY 1, 2, 3, 4, 5, 6;
CREATE VIEW pg_temp.counted AS
SELECT 'hour' AS per, tenant_id, hour::text AS at, key_id, sum(calls) AS calls, sum(denials) AS denials, sum(errors) AS errors, sum(units) AS units, sum(bytes_in) AS bytes_in,
	sum(bytes_out) AS bytes_out, sum(latency_calls) AS latency_calls, sum(latency_us) AS latency_us, apikey.latency_merge(latency) AS latency, apikey.ip_merge(ips) AS ips
FROM apikey.usage_hourly WHERE tenant_id IN (:t69, :other69) GROUP BY 1, 2, 3, 4
UNION ALL SELECT 'day', tenant_id, day::text, key_id, sum(calls), sum(denials), sum(errors), sum(units), sum(bytes_in), sum(bytes_out), sum(latency_calls), sum(latency_us),
	apikey.latency_merge(latency), apikey.ip_merge(ips)
FROM apikey.usage_daily WHERE tenant_id IN (:t69, :other69) GROUP BY 1, 2, 3, 4;
CREATE TEMP TABLE counted69 AS SELECT * FROM pg_temp.counted;
-- one more, and all of them are one; whatever else it asks for in the same call
SELECT apikey._classify(array_fill(:t69::bigint, '{6}'), '{/users/bc,/users/zoe,/users/*,/users/eve,/users/bc/posts,/orders}', '{t,t,t,f,t,t}');
SELECT class, collapsed_at IS NOT NULL AS collapsed, first_seen_at < collapsed_at AS seen_before FROM apikey.endpoint_class WHERE tenant_id = :t69 ORDER BY class COLLATE "C";
SELECT hour AT TIME ZONE 'UTC' AS hour, key_id, endpoint_class, calls, errors, units, latency_calls, latency_us, apikey.latency_percentile(latency, 1) AS p100, apikey.ip_count(ips) AS ips
FROM apikey.usage_hourly WHERE tenant_id = :t69 ORDER BY 1, 2, endpoint_class COLLATE "C";
SELECT day, key_id, endpoint_class, calls, ips = apikey._ip_sketch(i) AS ips FROM apikey.usage_daily, LATERAL (SELECT '10.0.0.100'::inet UNION SELECT '10.0.0.0'::inet + 100 * key_id) x (i)
WHERE tenant_id = :t69 AND endpoint_class LIKE '/users%' GROUP BY day, key_id, endpoint_class, calls, ips ORDER BY 1, 2, endpoint_class COLLATE "C";
-- not a call, a byte or an address more or less, and nobody else's
SELECT count(*) AS before, (SELECT count(*) FROM (TABLE counted69 EXCEPT TABLE pg_temp.counted) x) AS lost,
	(SELECT count(*) FROM (TABLE pg_temp.counted EXCEPT TABLE counted69) x) AS found FROM counted69;
SELECT endpoint_class, count(*) FROM apikey.usage_hourly WHERE tenant_id = :other69 GROUP BY 1;
-- from then on
SELECT pg_temp.classify(:t69, true, '/users/new', '/users/new/posts', '/users/new/likes');
SELECT pg_temp.classify(:t69, false, '/users/admin', '/users/admin/passwd');

-- below what is collapsed it goes on, one level at a time
SELECT count(DISTINCT c), min(c) FROM unnest(pg_temp.classify(:child69, true, VARIADIC pg_temp.shapes('/a/%s', 1, 101) || pg_temp.shapes('/a/%1$s/x%1$s', 1, 101))) c;
-- and above: what was collapsed below stays so
SELECT DISTINCT c FROM unnest(pg_temp.classify(:other69, true, VARIADIC pg_temp.shapes('/shop/items/%s', 1, 101))) c;
SELECT DISTINCT c FROM unnest(pg_temp.classify(:other69, true, VARIADIC pg_temp.shapes('/shop/%s', 1, 101))) c;
SELECT class, collapsed_at IS NOT NULL AS collapsed FROM apikey.endpoint_class WHERE tenant_id IN (:other69, :child69) ORDER BY tenant_id, class COLLATE "C";
SELECT pg_temp.classify(:other69, true, '/shop/toys/doll', '/shop/items/x');
-- all of it, even
SELECT c, count(*) FROM unnest(pg_temp.classify(:other69, true, VARIADIC pg_temp.shapes('/%s', 1, 101) || '{/}'::text[])) c GROUP BY c ORDER BY c COLLATE "C";
SELECT class FROM apikey.endpoint_class WHERE tenant_id = :other69 ORDER BY class COLLATE "C";

-- a thousand classes, then what is known of them; in one transaction, for the
-- housekeeper makes room in full lists
BEGIN;
DELETE FROM apikey.endpoint_class WHERE tenant_id = :child69;
SELECT count(DISTINCT c), count(*) FILTER (WHERE c LIKE '%/**') AS beyond, min(c) FILTER (WHERE c LIKE '%/**') AS as
FROM generate_series(1, 20) r, LATERAL unnest(pg_temp.classify(:child69, true, VARIADIC pg_temp.shapes('/r' || r % 10 || 's' || r / 10 || '/%s', 1, 90))) c;
SELECT count(*) FROM apikey.endpoint_class WHERE tenant_id = :child69;
SELECT pg_temp.classify(:child69, true, '/r1s0/b', '/r1s0/b/more', '/r1s0/zzz', '/r1s0/zzz/more', '/elsewhere', '/r1s0');
SELECT pg_temp.classify(:child69, false, '/r1s0/zzz', '/elsewhere');
-- what a full tenant asks for still collapses a prefix, which makes room
SELECT min(c), max(c) FROM unnest(pg_temp.classify(:child69, true, VARIADIC pg_temp.shapes('/r1s0/x%s', 1, 20))) c;
SELECT count(*) FROM apikey.endpoint_class WHERE tenant_id = :child69;
SELECT pg_temp.classify(:child69, true, '/elsewhere');
-- a list that is not full keeps all; of a full one goes what nothing is counted of
INSERT INTO apikey.usage_hourly SELECT '2026-11-03 10:00+00', :child69, 1, 1, c, 'VALID', 1, 0, 0, 1, 0, 0, 0, 0, NULL, NULL FROM unnest('{/r2s0/b,NULL}'::text[]) c;
INSERT INTO apikey.usage_daily SELECT '2026-11-03', :child69, 1, 1, c, 'VALID', 1, 0, 0, 1, 0, 0, 0, 0, NULL, NULL FROM unnest('{/r2s0/c,NULL}'::text[]) c;
SELECT apikey._forget_endpoint_classes() AS not_full;
SELECT count(*) FROM unnest(pg_temp.classify(:child69, true, VARIADIC pg_temp.shapes('/more/%s', 1, 88))) c;
SELECT apikey._forget_endpoint_classes() AS forgotten, (SELECT count(*) FROM apikey.endpoint_class WHERE tenant_id = :t69) AS others;
SELECT class, collapsed_at IS NOT NULL AS collapsed FROM apikey.endpoint_class WHERE tenant_id = :child69 ORDER BY class COLLATE "C";

-- stars of collapsed prefixes take places, too; where there is none, what is new
-- is a tail
DELETE FROM apikey.endpoint_class WHERE tenant_id = :child69;
SELECT count(DISTINCT c) FROM generate_series(1, 11) r, LATERAL unnest(pg_temp.classify(:child69, true, VARIADIC pg_temp.shapes('/f/' || chr(96 + r) || '/%s', 1, 90))) c;
SELECT c, count(*) FROM generate_series(1, 12) r, LATERAL unnest(pg_temp.classify(:child69, true, VARIADIC pg_temp.shapes('/many/' || chr(96 + r) || '/%s', 1, 101))) c
GROUP BY c ORDER BY c COLLATE "C";
SELECT c, count(*) FROM (SELECT array_agg('/x' || chr(96 + r) || s) AS all_at_once FROM generate_series(1, 20) r, unnest(pg_temp.shapes('/%s', 1, 101)) s) x,
	LATERAL unnest(pg_temp.classify(:child69, true, VARIADIC all_at_once)) c GROUP BY c;
SELECT count(*), count(collapsed_at) AS collapsed FROM apikey.endpoint_class WHERE tenant_id = :child69;
-- one that makes room is collapsed, also when one above it cannot be
SELECT c, count(*) FROM unnest(pg_temp.classify(:child69, true, VARIADIC pg_temp.shapes('/f/a/x%s', 1, 20) || pg_temp.shapes('/new/%s', 1, 101))) c
GROUP BY c ORDER BY c COLLATE "C";
SELECT count(*), count(collapsed_at) AS collapsed FROM apikey.endpoint_class WHERE tenant_id = :child69;
-- they are forgotten, but for those with something counted as their star
SELECT count(DISTINCT c) FROM unnest(pg_temp.classify(:child69, true, VARIADIC pg_temp.shapes('/f/more/%s', 1, 95))) c;
SELECT count(*) FROM apikey.endpoint_class WHERE tenant_id = :child69;
INSERT INTO apikey.usage_hourly SELECT '2026-11-03 12:00+00', :child69, 1, 1, c, 'VALID', 1, 0, 0, 1, 0, 0, 0, 0, NULL, NULL FROM unnest('{/many/a/*/more,/many/b/*,/many/c/x/y,/many/d,/many/e/**}'::text[]) c;
SELECT apikey._forget_endpoint_classes() AS forgotten;
SELECT class, collapsed_at IS NOT NULL AS collapsed FROM apikey.endpoint_class WHERE tenant_id = :child69 ORDER BY class COLLATE "C";
COMMIT;

-- who sees it: analysts, of their tenants
CREATE FUNCTION pg_temp.hidden(tenant bigint, condition text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	line text;
	rows bigint := 0;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT FROM apikey.endpoint_class WHERE tenant_id = %s AND %s', tenant, condition) LOOP
		rows := rows + coalesce(substring(line FROM 'Rows Removed by Filter: (\d+)')::bigint, 0);
	END LOOP;
	RETURN rows;
END $$;
SET ROLE regress_t69_a;
SELECT count(*) > 0 AS own, count(*) FILTER (WHERE tenant_id NOT IN (:t69, :child69)) AS others FROM apikey.endpoint_class;
INSERT INTO apikey.endpoint_class VALUES (:t69, '/x', now());
UPDATE apikey.endpoint_class SET class = '/x';
DELETE FROM apikey.endpoint_class;
SELECT apikey._classify(ARRAY[:t69], '{/x}', '{t}');
-- how many rows row security takes away does not tell what they are
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SELECT c AS condition, pg_temp.hidden(:other69, c)
FROM unnest(ARRAY['true', 'class = ''/*''', 'class = ''/x''', 'class >= ''/'' AND class < ''0''', 'class >= ''x''']) c;
RESET enable_seqscan;
RESET enable_bitmapscan;
BEGIN; LOCK TABLE apikey.endpoint_class IN ROW EXCLUSIVE MODE; ROLLBACK;
SET ROLE regress_t69_all;
SELECT count(DISTINCT tenant_id) >= 3 AS all_tenants FROM apikey.endpoint_class;
SET ROLE regress_t69_none;
SELECT count(*) FROM apikey.endpoint_class;
RESET ROLE;

DELETE FROM apikey.endpoint_class WHERE tenant_id IN (:t69, :other69, :child69);
DELETE FROM apikey.usage_hourly WHERE tenant_id IN (:t69, :other69, :child69);
DELETE FROM apikey.usage_daily WHERE tenant_id IN (:t69, :other69, :child69);
SELECT apikey.revoke_access('regress_t69_a', 'analyst', 't69') AND apikey.revoke_access('regress_t69_none', 'verifier', 't69')
	AND apikey.revoke_access('regress_t69_all', 'analyst') AS revoked;
DROP ROLE regress_t69_all, regress_t69_a, regress_t69_none;
