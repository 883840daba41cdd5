-- Histograms of latencies and sets of addresses: what they say, that merging in
-- any order gives the same bytes, and what is no such value.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE regress_t68;

-- rows of a shape that latencies have, and addresses that come again
CREATE TEMP TABLE row68 AS
SELECT i, i % 7 AS part, (exp((i * 7919 % 10007) / 10007.0 * 14))::bigint AS latency, '10.0.0.0'::inet + (i * 31 % 200) AS ip
FROM generate_series(1, 20000) i;

-- at most 1/32 off
SELECT f, abs(apikey.latency_percentile(h, f) / c - 1) <= 1 / 32.0 AS within
FROM (SELECT apikey._latency_sketch(latency) AS h FROM row68) s,
	LATERAL (SELECT f, percentile_cont(f) WITHIN GROUP (ORDER BY latency) AS c
			 FROM row68, unnest('{0,0.01,0.5,0.9,0.95,0.99,0.999,1}'::float8[]) f GROUP BY f) p
ORDER BY f;
-- small ones are exact, negative ones are 0
SELECT array_agg(apikey.latency_percentile(h, f) ORDER BY f)
FROM (SELECT apikey._latency_sketch(v) AS h FROM unnest('{-5,0,10,20,31}'::bigint[]) v) s, unnest('{0,0.25,0.5,0.6,0.75,1}'::float8[]) f;
SELECT apikey.latency_percentile(apikey._latency_sketch(v), 0.5) AS largest, apikey._latency_sketch(v) AS bytes FROM (VALUES (9223372036854775807)) x (v);

-- in another order, in parts, by parallel workers, as a window: the same bytes
SELECT apikey._latency_sketch(latency ORDER BY i DESC) = (SELECT apikey._latency_sketch(latency) FROM row68) AS latencies,
	apikey._ip_sketch(ip ORDER BY i DESC) = (SELECT apikey._ip_sketch(ip) FROM row68) AS ips FROM row68;
CREATE TEMP TABLE part68 AS SELECT part, apikey._latency_sketch(latency) AS latency, apikey._ip_sketch(ip) AS ips FROM row68 GROUP BY part;
SELECT apikey.latency_merge(latency) = (SELECT apikey._latency_sketch(latency) FROM row68) AS latencies,
	apikey.ip_merge(ips) = (SELECT apikey._ip_sketch(ip) FROM row68) AS ips FROM part68;
SELECT apikey._latency_add(a.latency, b.latency) = (SELECT apikey._latency_sketch(latency) FROM row68 WHERE part IN (1, 2)) AS latencies,
	apikey._ip_add(a.ips, b.ips) = (SELECT apikey._ip_sketch(ip) FROM row68 WHERE part IN (1, 2)) AS ips
FROM part68 a, part68 b WHERE a.part = 1 AND b.part = 2;
CREATE TABLE public.regress_row68 WITH (parallel_workers = 2) AS SELECT * FROM row68;
CREATE TABLE public.regress_part68 WITH (parallel_workers = 2) AS SELECT * FROM part68;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT apikey._latency_sketch(latency), apikey._ip_sketch(ip) FROM public.regress_row68;
SELECT apikey._latency_sketch(latency) = (SELECT apikey._latency_sketch(latency) FROM row68) AS latencies,
	apikey._ip_sketch(ip) = (SELECT apikey._ip_sketch(ip) FROM row68) AS ips FROM public.regress_row68;
SELECT apikey.latency_merge(latency) = (SELECT apikey._latency_sketch(latency) FROM row68) AS latencies,
	apikey.ip_merge(ips) = (SELECT apikey._ip_sketch(ip) FROM row68) AS ips FROM public.regress_part68;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size;
DROP TABLE public.regress_row68, public.regress_part68;
SELECT i, apikey.ip_count(apikey._ip_sketch(ip) OVER w) AS ips, apikey.latency_percentile(apikey._latency_sketch(i) OVER w, 0.5) AS median
FROM (VALUES (1, '10.0.0.1'::inet), (2, '10.0.0.1'), (3, '10.0.0.2')) v (i, ip) WINDOW w AS (ORDER BY i);

-- nothing is NULL, and nothing more than nothing is it
SELECT apikey._latency_sketch(v::bigint) AS l, apikey._ip_sketch(v::inet) AS i, apikey.latency_merge(v::bytea) AS lm, apikey.ip_merge(v::bytea) AS im
FROM (VALUES (NULL), (NULL)) x (v);
SELECT apikey._latency_sketch(v) AS l FROM unnest('{1}'::bigint[]) v WHERE v > 1;
SELECT apikey._latency_add(NULL, NULL) IS NULL AND apikey._ip_add(NULL, NULL) IS NULL AS nothing,
	apikey._latency_add(NULL, latency) = latency AND apikey._latency_add(latency, NULL) = latency AS l,
	apikey._ip_add(NULL, ips) = ips AND apikey._ip_add(ips, NULL) = ips AND apikey._ip_add(ips, ips) = ips AS i
FROM part68 WHERE part = 0;
SELECT apikey._latency_sketch(v) AS with_nulls FROM unnest('{NULL,1,NULL,1}'::bigint[]) v;
SELECT apikey.latency_percentile('\x01', 0.5) AS empty, apikey.ip_count('\x01') AS none, apikey.latency_percentile(NULL, 0.5) AS l, apikey.ip_count(NULL) AS i;

-- addresses, not networks; an IPv4 address in IPv6 is that address
SELECT apikey.ip_count(apikey._ip_sketch(v)) FROM unnest('{10.0.0.1,10.0.0.1/24,10.0.0.1/32,::ffff:10.0.0.1,::10.0.0.1,10.0.0.2,2001:db8::1,2001:db8::1/64}'::inet[]) v;
-- exact up to 256, then with a standard error of 2.3 percent: here at most four times that
SELECT n, apikey.ip_count(s) AS count, length(s) AS bytes
FROM unnest('{1,255,256}'::int[]) n, LATERAL (SELECT apikey._ip_sketch('2001:db8::'::inet + i) AS s FROM generate_series(1, n) i) x ORDER BY n;
SELECT n, abs(apikey.ip_count(s) / n::float8 - 1) < 0.092 AS close, apikey.ip_count(s) > 256 AS more, length(s) AS bytes
FROM unnest('{257,400,1000,5000,20000,100000}'::int[]) n,
	LATERAL (SELECT apikey._ip_sketch('198.18.0.0'::inet + i) AS s FROM generate_series(1, n) i) x ORDER BY n;
-- twenty sets, mean of the errors: below what is said
SELECT sqrt(avg((apikey.ip_count(s) / 3000.0 - 1) ^ 2)) < 0.035 AS as_said
FROM generate_series(1, 20) t, LATERAL (SELECT apikey._ip_sketch('10.0.0.0'::inet + (t * 3000 + i)) AS s FROM generate_series(1, 3000) i) x;
-- and no more than there are addresses of 32 bits, whatever the registers say
SELECT apikey.ip_count('\x02'::bytea || decode(repeat('b5ad6b5ad6', 256), 'hex')) AS most, apikey.ip_count('\x02'::bytea || decode(repeat('00', 1280), 'hex')) AS least;

-- the values that are stored must not change: of these the bytes are known
SELECT apikey._latency_sketch(v) AS latency FROM unnest('{0,15,16,31,32,1000,1000,1000000}'::bigint[]) v;
SELECT apikey._ip_sketch(v) AS ips FROM unnest('{192.0.2.1,2001:db8::1,10.0.0.1}'::inet[]) v;

-- what is no such value
SELECT apikey.latency_percentile('', 0.5);
SELECT apikey.latency_percentile('\x02', 0.5);
SELECT apikey.latency_percentile('\x010000', 0.5);
SELECT apikey.latency_percentile('\x01c00701', 0.5);
SELECT apikey.latency_merge(v) FROM (VALUES ('\x010001'::bytea), ('\x0100')) x (v);
SELECT apikey._latency_add('\x010001', '\xff');
SELECT apikey.ip_count('');
SELECT apikey.ip_count('\x03');
SELECT apikey.ip_count('\x0100');
SELECT apikey.ip_merge(v) FROM (VALUES ('\x0100000001'::bytea), ('\x0200')) x (v);
SELECT apikey._ip_add('\x01', '\x010000000200000001');
\set VERBOSITY default
SELECT apikey.latency_percentile('\x00', 0.5);
SELECT apikey.ip_count('\x00');
SELECT apikey.latency_percentile('\x01', 1.1);
\set VERBOSITY terse
SELECT apikey.latency_percentile('\x01', -0.01);
SELECT apikey.latency_percentile('\x01', 'NaN');
SELECT apikey.latency_percentile('\x01', 'Infinity');
\set VERBOSITY sqlstate
SELECT apikey.latency_percentile('\x00', 0.5);
SELECT apikey.latency_percentile('\x01', 2);
\set VERBOSITY terse
-- none of these ends the session
SELECT count(*) FROM generate_series(0, 300) i, LATERAL (SELECT apikey.latency_percentile('\x01'::bytea || decode(repeat('0001', i), 'hex'), 1)) x (p);

-- steps of aggregates are nobody's
SELECT proname FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace AND proname ~ '^_(latency|ip)_' AND has_function_privilege('regress_t68', oid, 'EXECUTE');
-- and a member of any level may use the public ones
SELECT apikey.create_tenant('t68') > 0 AS tenant;
SELECT apikey.grant_access('regress_t68', 'verifier', 't68');
SET ROLE regress_t68;
SELECT apikey.latency_percentile(apikey.latency_merge('\x012d01'::bytea), 0.5), apikey.ip_count(apikey.ip_merge('\x0100000001'::bytea));
SELECT apikey._latency_sketch(1);
RESET ROLE;
SELECT apikey.revoke_access('regress_t68', 'verifier', 't68');
DROP ROLE regress_t68;
