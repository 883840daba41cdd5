-- report_html(): rights, ranges, and the facts it shows.  How the page looks is
-- for the browser (test/t/089_report_browser.pl).  All of it is far ahead, where
-- no retention of the workers, whose clock is the real one, takes anything away.
\set VERBOSITY terse
SET client_min_messages = warning;
SET apikey.test_now = '2142757800';  -- 2037-11-25 10:30 UTC
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE ROLE regress_r_analyst;
CREATE ROLE regress_r_eu;
CREATE ROLE regress_r_verifier;
CREATE ROLE regress_r_all;
SELECT apikey.create_tenant('t76') > 0 AND apikey.create_tenant('eu', 't76') > 0 AND apikey.create_tenant('t76b') > 0 AS tenants;
SELECT count(apikey.create_environment(t, 'production')) FROM unnest('{t76,t76/eu,t76b}'::text[]) t;
SELECT apikey.grant_access('regress_r_analyst', 'analyst', 't76');
SELECT apikey.grant_access('regress_r_eu', 'analyst', 't76/eu');
SELECT apikey.grant_access('regress_r_verifier', 'verifier', 't76');

-- text of others is shown, whatever it is made of
SELECT apikey._html(x, 20) FROM unnest(ARRAY[
	'plain', '<script>', '"a" & ''b''', E'\x01\x1f\x7f\t\r\n', E'\u0085\u00ad\u00e9', E'\u202Eabc\u202C\u2066\u200F\u061C',
	E'\u05E9\u05DC', E'\U0001F600', E'\u200B\u200D\uFEFF\u2028', E'\uFFFE\U000E0041', repeat('x', 20), repeat('y', 21), '', NULL]) x;
SELECT apikey._html_name('a<b'), apikey._html_name('') = '' AS none;
-- and numbers in few characters
SELECT n, apikey._show_number(n), apikey._show_short(n), apikey._show_bytes(n), apikey._show_latency(n)
FROM unnest('{0,7,999,1000,1049,99949,999949,999950,1234567,99999999999}'::numeric[]) n;
-- a latency with as few digits as are within the histogram's 1 part in 32
SELECT string_agg(apikey._show_latency(us), ', ' ORDER BY us) FROM unnest('{0,0.5,17,31,2949119.5,249855.5,13600,1050000,31500,999600,125000000}'::numeric[]) us;
SELECT string_agg(us::text, ' ') AS wrong FROM generate_series(1, 99999, 7) us
WHERE abs(replace(split_part(apikey._show_latency(us), ' ', 1), ',', '')::numeric * CASE split_part(apikey._show_latency(us), ' ', 2) WHEN 'ms' THEN 1000 WHEN 's' THEN 1000000 ELSE 1 END - us) * 32 > us;
-- lines of a logarithmic axis: around all, at 1, 2 and 5
SELECT a, b, apikey._axis_powers(a, b) FROM (VALUES (4000, 3000000), (2949119.5, 2949119.5), (2000, 2000), (0, 0), (1000, 10000), (3, 7)) v (a, b);
SELECT apikey._show_share(0, 10), apikey._show_share(1, 3), apikey._show_share(1, 100000), apikey._show_share(99999, 100000), apikey._show_share(5, 5), apikey._show_share(0, 0);
-- lines of an axis: three to five, at round numbers
SELECT n, apikey._axis_step(n, true) FROM unnest('{0,1,3,4,5,9,10,11,99,100,101,2500,10001,123456789}'::numeric[]) n;
-- what a key did, from rows in any order: of each hour the more frequent kind, in the range and the one before
CREATE FUNCTION tally(VARIADIC used timestamptz[]) RETURNS float8[] LANGUAGE sql AS $$
	SELECT apikey._report_tally(h, 'VALID', 50, 0, 50, 0, '2037-11-11', '2037-11-18', 3600, 86400 ORDER BY h DESC)
	FROM (SELECT unnest(used) UNION ALL SELECT generate_series('2037-11-18'::timestamptz, '2037-11-24 23:00', '1 hour')) u (h) $$;
-- hours that are far from those of a habit, round the clock: 9 to 11 on work days, 23 at weekends; no habit within two days, nor in more than 12 hours
SELECT t[19] AS before, t[17] AS off, to_timestamp(t[18]) AS at FROM tally('2037-11-11 09:00', '2037-11-12 10:00', '2037-11-14 23:00') t
UNION ALL SELECT t[19], t[17], to_timestamp(t[18]) FROM tally('2037-11-11 09:00', '2037-11-12 10:00', '2037-11-12 23:00') t
UNION ALL SELECT t[19], t[17], to_timestamp(t[18]) FROM tally('2037-11-11 23:00', '2037-11-12 00:00', '2037-11-13 01:00') t
UNION ALL SELECT t[19], t[17], to_timestamp(t[18]) FROM tally(VARIADIC ARRAY(SELECT generate_series('2037-11-11'::timestamptz, '2037-11-13 12:00', '5 hours'))) t;
SELECT apikey._report_tally(at::timestamptz, code, calls, errors, units, bytes, '2037-11-11', '2037-11-18', 3600, 10800) AS tally
FROM (VALUES ('2037-11-18 05:00', 'LOGGED', 9, 2, 90, 7), ('2037-11-18 05:59', 'VALID', 20, 0, 20, 0), ('2037-11-18 02:00', 'VALID', 30, 0, 30, 0), ('2037-11-18 02:00', 'LOGGED', 25, 1, 100, 5),
	('2037-11-18 02:30', 'VALID', 1, 0, 1, 0), ('2037-11-18 03:00', 'RATE_LIMITED', 4, 0, 4, 0), ('2037-11-18 03:00', 'REVOKED', 5, 0, 5, 0), ('2037-11-18 00:00', 'EXPIRED', 6, 0, 6, 0), ('2037-11-18 00:00', 'SUPERSEDED', 2, 0, 2, 0),
	('2037-11-17 23:59', 'LOGGED', 21, 3, 9223372036854775808, 9223372036854775808), ('2037-11-11 00:00', 'VALID', 4, 0, 8, 0), ('2037-11-11 00:00', 'IP_DENIED', 11, 0, 1, 0)) v (at, code, calls, errors, units, bytes);
SELECT apikey._report_tally('2037-11-10 23:00', 'VALID', 1, 0, 1, 0, '2037-11-11', '2037-11-18', 3600, 86400);
SELECT apikey._report_tally('2037-11-11', 'VALID', NULL, 0, 1, 0, '2037-11-11', '2037-11-18', 3600, 86400);
SELECT apikey._sum(l) FROM (VALUES ('{1,2}'::float8[]), (NULL), ('{}'), ('{10,20,30}')) v (l);
SELECT apikey._sum(l) FROM (VALUES ('{1,NULL}'::float8[])) v (l);
-- the rule itself
SELECT apikey._accepted(3, 5), apikey._accepted(5, NULL), apikey._accepted(NULL, 1e30), apikey._accepted(NULL, NULL);

-- ranges: whole hours, or days where it is long or hours are gone
SELECT r.s, r.u, x.* FROM (VALUES
	(NULL::timestamptz, NULL::timestamptz), ('2037-11-24 10:10', '2037-11-24 10:20'), ('2037-11-23 10:00', '2037-11-25 10:00'),
	('2037-11-10', '2037-11-25'), ('2037-11-09 01:00', '2037-11-25 02:00'), ('2037-03-01 05:00', '2037-03-03 05:00'),
	('2036-11-25', '2037-11-25'), (NULL, '2037-10-01'), ('2037-11-25', '2037-12-25')) r (s, u), apikey._report_span(r.s, r.u, apikey._now()) x;
SELECT length(apikey.report_html('t76', '2037-11-25', '2037-11-25'));
SELECT length(apikey.report_html('t76', '2037-11-25', '2037-11-24'));
SELECT length(apikey.report_html('t76', '-infinity'));
SELECT length(apikey.report_html('t76', NULL, 'infinity'));
SELECT length(apikey.report_html('t76', 'infinity', 'infinity'));
SELECT length(apikey.report_html('t76', '2036-11-01', '2037-11-25'));
SELECT length(apikey.report_html('t76', '1969-12-31', '1970-01-05'));
SELECT length(apikey.report_html('t76', NULL, '294276-12-31'));
SELECT length(apikey.report_html('t76', '4713-01-01 BC', '2037-11-25'));
SELECT length(apikey.report_html('t76', NULL, '1970-01-01'));
SELECT length(apikey.report_html('nobody'));
SELECT length(apikey.report_html(''));

-- a tenant without anything has a page, too
SELECT apikey.report_html('t76') ~ 'Nothing needs attention.*There were no requests' AS empty;

-- traffic, as rollups have it
CREATE TABLE k (n int, key_id bigint, tenant_id bigint);
INSERT INTO k SELECT n, (SELECT key_id FROM apikey.create_key(CASE n WHEN 7 THEN 't76/eu' WHEN 8 THEN 't76b' ELSE 't76' END, 'production', name => 'key ' || n,
	expires_at => CASE n WHEN 1 THEN '2037-11-28 12:00' WHEN 2 THEN '2038-02-21 23:00' WHEN 3 THEN '2038-02-22 01:00' ELSE 'infinity' END::timestamptz)) FROM generate_series(1, 8) n;
UPDATE k SET tenant_id = a.tenant_id FROM apikey.api_key a WHERE a.key_id = k.key_id;
CREATE FUNCTION roll(key int, hours tstzrange, every interval, code text, calls int, endpoint text DEFAULT '/x', ips int DEFAULT 1, bytes numeric DEFAULT 0) RETURNS void LANGUAGE sql AS $$
	INSERT INTO apikey.usage_hourly AS u SELECT h, tenant_id, key_id, NULL, endpoint, roll.code, calls,
		CASE WHEN roll.code IN ('VALID', 'LOGGED') THEN 0 ELSE calls END, 0, calls, 0, bytes, 0, 0,
		CASE roll.code WHEN 'LOGGED' THEN (SELECT apikey._latency_sketch(1000 * i) FROM generate_series(1, calls) i) END,
		(SELECT apikey._ip_sketch('192.0.2.0'::inet + i) FROM generate_series(1, ips) i)
	FROM k, generate_series(lower(hours), upper(hours) - interval '1 us', every) h WHERE n = key;
$$;
-- days, as they are counted together with hours
CREATE FUNCTION roll_days() RETURNS void LANGUAGE sql AS $$
	DELETE FROM apikey.usage_daily u USING k WHERE u.key_id = k.key_id AND u.day > '2037-10-31';
	INSERT INTO apikey.usage_daily SELECT hour::date, tenant_id, key_id, environment_id, endpoint_class, code, sum(calls), sum(denials), sum(errors), sum(units), 0, sum(bytes_out), 0, 0,
		apikey.latency_merge(latency), apikey.ip_merge(ips) FROM apikey.usage_hourly WHERE tenant_id IN (SELECT tenant_id FROM k) GROUP BY 1, 2, 3, 4, 5, 6;
$$;
-- each hour of two weeks; a sister of the tenant, too
SELECT roll(n, '[2037-11-11 11:00, 2037-11-25 11:00)', '1 hour', 'VALID', 10) FROM unnest('{1,2,7,8}'::int[]) n;
SELECT roll(1, '[2037-11-18 11:00, 2037-11-25 11:00)', '1 hour', 'LOGGED', 10);
-- 2: many addresses, and data; 3: work days from 9 to 17, then a night; 4: a burst among some denials
SELECT roll(2, '[2037-11-20 12:00, 2037-11-20 13:00)', '1 hour', 'LOGGED', 100, '/export', 200, 200000000), roll(2, '[2037-11-12 12:00, 2037-11-12 13:00)', '1 hour', 'LOGGED', 100, '/export', 2, 1000);
SELECT roll(3, tstzrange(d + interval '9 hours', d + interval '17 hours'), '1 hour', 'VALID', 20) FROM generate_series('2037-11-12'::timestamptz, '2037-11-24', '1 day') d WHERE extract(isodow FROM d) < 6;
SELECT roll(3, '[2037-11-24 02:00, 2037-11-24 04:00)', '1 hour', 'VALID', 15, '/night');
SELECT roll(4, '[2037-11-19, 2037-11-25)', '8 hours', 'RATE_LIMITED', 2), roll(4, '[2037-11-22 14:00, 2037-11-22 15:00)', '1 hour', 'ENDPOINT_DENIED', 150, '/**');
-- 5: revoked, but still tried; 6: a key without recorded verifications, that was not seen for long; 7 below: an old secret, an expired key
SELECT roll(5, '[2037-11-20, 2037-11-20 01:00)', '1 hour', 'REVOKED', 3, NULL), roll(6, '[2037-11-21, 2037-11-22)', '1 hour', 'LOGGED', 4);
INSERT INTO apikey.usage_daily SELECT '2037-10-01', tenant_id, key_id, NULL, NULL, 'LOGGED', 1, 0, 0, 1, 0, 0, 0, 0, NULL, NULL FROM k WHERE n = 6;
SELECT roll(7, '[2037-11-20, 2037-11-20 01:00)', '1 hour', 'SUPERSEDED', 5, NULL), roll(7, '[2037-11-20, 2037-11-20 01:00)', '1 hour', 'EXPIRED', 6, NULL);
SELECT status FROM k, apikey.revoke_key(key_id, 'gone') WHERE n = 5;
SELECT roll_days();
-- found once, looked at many times
CREATE TABLE facts (f jsonb);
CREATE FUNCTION find() RETURNS void LANGUAGE sql AS $$
	DELETE FROM facts;
	INSERT INTO facts SELECT apikey._report_facts(t.tenant_id, NULL, NULL) FROM apikey.tenant t WHERE t.name = 't76';
$$;
SELECT find();
SELECT jsonb_pretty(f -> 'totals' #- '{p50}' #- '{p95}') AS totals, jsonb_pretty(f -> 'before' #- '{p50}' #- '{p95}') AS before FROM facts;
SELECT sum((b ->> 'accepted')::numeric) AS accepted, sum((b ->> 'denied')::numeric) AS denied, count(*), min(b ->> 'since'), max(b ->> 'until'),
	round(max((b ->> 'p95')::numeric) / 1000) AS p95
FROM facts, jsonb_array_elements(f -> 'traffic') b;
SELECT r ->> 'code' AS code, r ->> 'calls' AS calls, r ->> 'keys' AS keys FROM facts, jsonb_array_elements(f -> 'reasons') r;
SELECT e ->> 'endpoint' AS endpoint, e ->> 'accepted' AS accepted, e ->> 'denied' AS denied FROM facts, jsonb_array_elements(f #> '{endpoints,list}') e;
SELECT t ->> 'name' AS name, t ->> 'tenant' AS tenant, t ->> 'accepted' AS accepted, t ->> 'denied' AS denied, t ->> 'ips' AS ips FROM facts, jsonb_array_elements(f -> 'talkers') t;
SELECT s ->> 'name' AS name, s ->> 'severity' AS severity, s ->> 'status' AS status, apikey._report_finding(x)
FROM facts, jsonb_array_elements(f -> 'suspicious') WITH ORDINALITY s (s, o), jsonb_array_elements(s -> 'findings') x ORDER BY o;
SELECT f ->> 'suspects' AS suspects, f -> 'severities' AS severities, f ->> 'limited_keys' AS limited FROM facts;
-- thirteen weeks from Monday: to the end of 21 February
SELECT d ->> 'day' AS day, d ->> 'what' AS what, d ->> 'keys' AS keys FROM facts, jsonb_array_elements(f #> '{calendar,days}') d;
SELECT f #>> '{calendar,week}' AS week, f #>> '{calendar,endless}' AS endless, f #>> '{calendar,keys}' AS keys FROM facts;
SELECT a ->> 'from' AS days, a ->> 'keys' AS keys FROM facts, jsonb_array_elements(f #> '{calendar,ages}') a;

-- after revocation: how many attempts, and from where
DO $$
BEGIN
	FOR attempts IN 1 .. 8 LOOP
		PERFORM apikey.create_key('t76', 'production', name => 'gone ' || attempts);
	END LOOP;
END $$;
INSERT INTO k SELECT 10 + right(name, 1)::int, key_id, tenant_id FROM apikey.api_key WHERE name LIKE 'gone _' AND tenant_id = (SELECT tenant_id FROM k WHERE n = 1);
SET apikey.test_now = '2142288000';  -- 2037-11-20
SELECT count(r.status) FROM k, apikey.revoke_key(key_id, 'gone') r WHERE n > 10;
SET apikey.test_now = '2142757800';
-- in use before: 11 to 14 from two addresses; 15 two months before; 16 never; 17 from somewhere; 18 from many
SELECT roll(n, '[2037-11-05, 2037-11-05 01:00)', '1 hour', 'VALID', 10, ips => CASE n WHEN 18 THEN 300 ELSE 2 END) FROM unnest('{11,12,13,14,18}'::int[]) n;
SELECT roll(17, '[2037-11-05, 2037-11-05 01:00)', '1 hour', 'VALID', 10, ips => 0);
SELECT roll(n, '[2037-11-21, 2037-11-21 01:00)', '1 hour', 'REVOKED', calls, NULL, ips)
FROM (VALUES (11, 9, 2), (12, 10, 2), (13, 1, 4), (14, 100, 1), (15, 1, 1), (16, 9, 1), (17, 9, 1), (18, 1, 301)) x (n, calls, ips);
INSERT INTO apikey.usage_daily SELECT '2037-09-20', tenant_id, key_id, NULL, NULL, 'VALID', 1, 0, 0, 1, 0, 0, 0, 0, NULL, apikey._ip_sketch('192.0.2.1') FROM k WHERE n = 15 GROUP BY 2, 3;
SELECT roll_days();
SELECT find();
SELECT s ->> 'name' AS name, x ->> 'severity' AS severity, apikey._report_finding(x)
FROM facts, jsonb_array_elements(f -> 'suspicious') s, jsonb_array_elements(s -> 'findings') x WHERE x ->> 'kind' = 'revoked' ORDER BY 1;

-- who logs without recording verifications loses nothing by one that is recorded: the more frequent kind of rows of each hour
SELECT apikey.create_tenant('t76c') > 0 AND apikey.create_environment('t76c', 'production') > 0 AS tenant;
INSERT INTO k SELECT 20 + n, (SELECT key_id FROM apikey.create_key('t76c', 'production', name => 'both ' || n)), NULL FROM generate_series(1, 2) n;
UPDATE k SET tenant_id = a.tenant_id FROM apikey.api_key a WHERE a.key_id = k.key_id AND k.n > 20;
SELECT roll(21, '[2037-11-20, 2037-11-20 10:00)', '1 hour', 'LOGGED', 100), roll(21, '[2037-11-20, 2037-11-20 09:00)', '1 hour', 'EXPIRED', 10);
CREATE FUNCTION requests(since timestamptz, until timestamptz, OUT kind text, OUT accepted numeric, OUT denied numeric, OUT units numeric, OUT bars numeric, OUT busiest numeric, OUT endpoints numeric)
	LANGUAGE sql AS $$
	SELECT CASE WHEN (f ->> 'hourly')::boolean THEN 'hours' ELSE 'days' END, (f #>> '{totals,accepted}')::numeric, (f #>> '{totals,denied}')::numeric, (f #>> '{totals,units}')::numeric,
		(SELECT sum((b ->> 'accepted')::numeric) FROM jsonb_array_elements(f -> 'traffic') b), (SELECT sum((t ->> 'accepted')::numeric) FROM jsonb_array_elements(f -> 'talkers') t),
		(SELECT sum((e ->> 'accepted')::numeric) FROM jsonb_array_elements(f #> '{endpoints,list}') e)
	FROM apikey.tenant t, apikey._report_facts(t.tenant_id, requests.since, requests.until) f WHERE t.name = 't76c' $$;
CREATE FUNCTION requests() RETURNS TABLE (kind text, accepted numeric, denied numeric, units numeric, bars numeric, busiest numeric, endpoints numeric) LANGUAGE sql AS $$
	SELECT roll_days();
	SELECT * FROM requests(NULL, NULL) UNION ALL SELECT * FROM requests('2037-11-01', '2037-11-25') $$;
SELECT * FROM requests();
SELECT roll(21, '[2037-11-20 05:00, 2037-11-20 06:00)', '1 hour', 'VALID', 1);
SELECT * FROM requests();
-- each hour for itself; of long ranges, each day
SELECT roll(21, '[2037-11-20 08:00, 2037-11-20 09:00)', '1 hour', 'VALID', 150), roll(21, '[2037-11-20 12:00, 2037-11-20 13:00)', '1 hour', 'VALID', 7),
	roll(22, '[2037-11-20 05:00, 2037-11-20 06:00)', '1 hour', 'VALID', 30), roll(22, '[2037-11-20 05:00, 2037-11-20 06:00)', '1 hour', 'LOGGED', 20, '/y');
SELECT * FROM requests();
-- and in the period before
SELECT f #>> '{before,accepted}' AS accepted, f #>> '{before,units}' AS units FROM apikey.tenant t, apikey._report_facts(t.tenant_id, '2037-11-21', '2037-11-23') f WHERE t.name = 't76c';

-- hours at the ends of a range, or within one day: as all hours together
SELECT r.s, r.u, (SELECT count(*) FROM (
	(SELECT x.key_id, x.code, sum(x.calls), sum(x.denials), sum(x.bytes_out), apikey.latency_merge(x.latency), apikey.ip_merge(x.ips) FROM apikey._report_rows(t.ids, r.s, r.u, false) x GROUP BY 1, 2)
	EXCEPT (SELECT x.key_id, x.code, sum(x.calls), sum(x.denials), sum(x.bytes_out), apikey.latency_merge(x.latency), apikey.ip_merge(x.ips) FROM apikey._report_rows(t.ids, r.s, r.u, true) x GROUP BY 1, 2)) d) AS other,
	(SELECT sum(x.calls) FROM apikey._report_rows(t.ids, r.s, r.u, false) x) AS days, (SELECT sum(x.calls) FROM apikey._report_rows(t.ids, r.s, r.u, true) x) AS hours
FROM (VALUES ('2037-11-12'::timestamptz, '2037-11-25'::timestamptz), ('2037-11-18 11:00', '2037-11-25 11:00'), ('2037-11-20 09:00', '2037-11-20 13:00'),
	('2037-11-20 23:00', '2037-11-21 01:00'), ('2037-11-20', '2037-11-20 05:00'), ('2037-11-20 05:00', '2037-11-21'), ('2037-11-19 23:00', '2037-11-21')) r (s, u),
	(SELECT array_agg(DISTINCT tenant_id) AS ids FROM k) t;

-- days, where hours are gone: the same sums
SELECT f ->> 'hourly' AS hourly, f ->> 'step' AS step, jsonb_array_length(f -> 'traffic') AS bars, f #>> '{totals,accepted}' AS accepted, f #>> '{totals,denied}' AS denied
FROM apikey.tenant t, apikey._report_facts(t.tenant_id, '2037-11-01', '2037-11-25 10:00') f WHERE t.name = 't76';

-- attacks of mock data are told, the worst first; what comes once comes later
CREATE FUNCTION pg_temp.hours() RETURNS void LANGUAGE sql AS $$
	INSERT INTO apikey.usage_hourly SELECT date_trunc('hour', at), tenant_id, key_id, NULL, NULL, code, count(*), count(*) FILTER (WHERE code NOT IN ('VALID', 'LOGGED')),
		count(*) FILTER (WHERE status >= 500), count(*), 0, coalesce(sum(bytes_out), 0), 0, 0, NULL, apikey._ip_sketch(ip)
	FROM apikey.usage WHERE at >= '2037-10-01' AND at < '2037-10-15' AND tenant_id IS NOT NULL GROUP BY 1, 2, 3, 6;
	INSERT INTO apikey.usage_daily SELECT hour::date, tenant_id, key_id, NULL, NULL, code, sum(calls), sum(denials), sum(errors), sum(units), 0, sum(bytes_out), 0, 0, NULL, apikey.ip_merge(ips)
	FROM apikey.usage_hourly WHERE hour >= '2037-10-01' AND hour < '2037-10-15' GROUP BY 1, 2, 3, 6 $$;
BEGIN;
SET LOCAL apikey.test_now = '2139177600';  -- 2037-10-15
SELECT count(*) FROM apikey.mock_tenants(4);
SELECT count(*) FROM apikey.mock_keys(150);
SELECT count(*) FROM apikey.mock_usage(100000, '2037-10-01', '2037-10-08', 1);
CREATE TEMP TABLE truth AS SELECT * FROM apikey.mock_usage(100000, '2037-10-08', '2037-10-15', 2, '{stolen_key,many_ips,error_burst,rate_spike}');
SELECT pg_temp.hours();
CREATE TEMP TABLE suspects AS SELECT t.name, s.k, s.place, (f ->> 'suspects')::int AS suspects, jsonb_array_length(f -> 'suspicious') AS listed
FROM apikey.tenant t, apikey._report_facts(t.tenant_id, '2037-10-08', '2037-10-15') f, jsonb_array_elements(f -> 'suspicious') WITH ORDINALITY s (k, place) WHERE t.parent_id IS NULL AND t.name LIKE 'mock-%';
SELECT t.label, min(s.place) <= 10 AS found, max((s.k ->> 'severity')::int) >= 2 AS bad, (array_agg(DISTINCT x ->> 'kind')) && CASE t.label WHEN 'error_burst' THEN '{errors}'::text[] WHEN 'rate_spike' THEN '{burst,strange}' ELSE '{strange,addresses}' END AS kind
FROM truth t LEFT JOIN suspects s ON (s.k ->> 'key_id')::bigint = t.key_id LEFT JOIN jsonb_array_elements(s.k -> 'findings') x ON true WHERE t.key_id IS NOT NULL GROUP BY t.label ORDER BY t.label;
-- and hardly anything else is said to be one
SELECT count(*) <= 3 AS few FROM suspects s, jsonb_array_elements(s.k -> 'findings') x WHERE x ->> 'kind' IN ('strange', 'errors') AND NOT EXISTS (SELECT 1 FROM truth t WHERE t.key_id = (s.k ->> 'key_id')::bigint);
SELECT bool_and(suspects = listed) AS all_listed FROM suspects;
ROLLBACK;
-- what does not fit into the table is folded away
SELECT n, h ~ '<details>' AS folded, coalesce(substring(h FROM '<summary>(.*)</summary>'), '') AS summary, (SELECT count(*) FROM regexp_matches(h, 'Used after its end', 'g')) AS shown, coalesce(substring(h FROM 'The first [^<]*'), '') AS first
FROM (SELECT n, apikey._report_suspicious_section(jsonb_build_object('tenant', 't76', 'hourly', true, 'suspects', n, 'suspicious',
	(SELECT jsonb_agg(jsonb_build_object('key_id', i, 'status', 'deleted', 'severity', 1, 'findings', '[{"kind": "expired", "n": 1}]'::jsonb)) FROM generate_series(1, least(n, 200)) i))) AS h
	FROM unnest('{20,21,201}'::int[]) n) x;
-- a share changes by points
SELECT p, w, pb, wb, apikey._report_share_card('x', p, w, pb, wb, 'down') FROM (VALUES (70, 10000, 69, 10000), (70, 10000, 70, 10001), (30, 100, 10, 100), (1, 100, 2, 100), (1, 100, 0, 0), (0, 0, 1, 9)) v (p, w, pb, wb);
-- keys that were presented, and those of them that were accepted
SELECT substring(apikey.report_html('t76') FROM '[0-9.]* % of all requests came[^<]*');

-- quotas: full, nearly full, half full, and one of the past
INSERT INTO apikey.quota_state (quota_id, window_start, window_end, tenant_id, key_id, shared, holder, name, units, credits, reserved, used, updated_at)
SELECT md5(q.name)::uuid, q.s::timestamptz, q.e::timestamptz, k.tenant_id, k.key_id, q.shared, q.holder, q.name, q.units, q.credits, q.used, q.used, apikey._now()
FROM (VALUES ('full', '2037-11-01', '2037-12-01', 'key', '', 100, 0, 100), ('near', '2037-11-25', '2037-11-26', 'tree', '', 100, 0, 80),
	('half', '-infinity', 'infinity', 'owner', 'ann', 100, 100, 100), ('low', '2037-11-01', '2037-12-01', 'tenant', '', 100, 0, 49), ('none', '2037-11-01', '2037-12-01', 'tenant', '', 0, 0, 0),
	('past', '2037-10-01', '2037-11-01', 'key', '', 100, 0, 100)) q (name, s, e, shared, holder, units, credits, used), k WHERE k.n = 1;
SELECT find();
SELECT q ->> 'name' AS name, q ->> 'holder' AS holder, q ->> 'share' AS share, q ->> 'ends' AS ends, q ->> 'empty' AS empty FROM facts, jsonb_array_elements(f #> '{limits,list}') q;
SELECT f #>> '{limits,running}' AS running, f #>> '{limits,near}' AS near FROM facts;

-- an old secret beside a new one: of the latest requests, as usage tells
SELECT count(apikey._ensure_partition_for(d, d)) FROM generate_series('2037-11-24'::timestamptz, '2037-11-25', '1 day') d;
SET apikey.test_now = '2142655200';  -- 2037-11-24 06:00
SELECT status FROM k, apikey.rotate_key(k.key_id, overlap => '3 days') r JOIN apikey.api_key a USING (key_id) WHERE n = 1;
SET apikey.test_now = '2142757800';
INSERT INTO apikey.usage (at, tenant_id, key_id, secret_id, code) SELECT '2037-11-24 12:00'::timestamptz + i * interval '1 s', k.tenant_id, k.key_id,
	(SELECT CASE WHEN i % 4 = 0 THEN min(secret_id) ELSE max(secret_id) END FROM apikey.key_secret s WHERE s.key_id = k.key_id), 'VALID' FROM k, generate_series(1, 100) i WHERE n = 1;
SELECT find();
SELECT apikey._report_finding(x) FROM facts, jsonb_array_elements(f -> 'suspicious') s, jsonb_array_elements(s -> 'findings') x WHERE x ->> 'kind' = 'old secret';

-- who may ask, and of what; what is below comes along, what is beside does not
SET ROLE regress_r_analyst;
SELECT p ~ 'with 1 tenant below it' AS below, p ~ 'key 7' AS seen, p ~ 'key 8' AS beside FROM apikey.report_html('t76') p;
SELECT length(apikey.report_html('t76b'));
SET ROLE regress_r_eu;
SELECT p ~ 'key 7' AS own, p ~ 'key 1' AS above FROM apikey.report_html('t76/eu') p;
SELECT length(apikey.report_html('t76'));
SET ROLE regress_r_verifier;
SELECT length(apikey.report_html('t76'));
-- the whole database, for whoever sees all of it; others learn as much as of a tenant that does not exist
SELECT length(apikey.report_html(NULL));
SET ROLE regress_r_analyst;
SELECT length(apikey.report_html(NULL));
RESET ROLE;
INSERT INTO apikey.usage_hourly SELECT '2037-11-22 03:00', NULL, NULL, NULL, '/x', 'NOT_FOUND', 150, 150, 0, 150, 0, 0, 0, 0, NULL, apikey._ip_sketch('198.51.100.0'::inet + i) FROM generate_series(1, 3) i;
INSERT INTO apikey.usage_daily SELECT '2037-11-22', NULL, NULL, NULL, '/x', 'NOT_FOUND', 150, 150, 0, 150, 0, 0, 0, 0, NULL, apikey._ip_sketch('198.51.100.0'::inet + i) FROM generate_series(1, 3) i;
SELECT apikey.grant_access('regress_r_all', 'analyst');
SET ROLE regress_r_all;
SELECT substring(p FROM '<h1>.*</h1>') AS title, substring(p FROM '150 attempts without a known key, none[^<]*') AS attention, substring(p FROM '150 attempts without a known key, from[^<]*') AS unknown,
	p ~ '<code>NOT_FOUND</code>' AS reason, p ~ 'key 7' AND p ~ 'key 8' AS keys, (SELECT string_agg(m[1], ' ' ORDER BY n) FROM regexp_matches(split_part(split_part(p, 'id="tenants"', 2), '</section>', 1), '<th scope="row"><bdi>([^<]*)', 'g') WITH ORDINALITY x (m, n) WHERE m[1] LIKE 't76%') AS tenants
FROM apikey.report_html(NULL) p;
-- nothing of it is in the report of a tenant
SELECT p ~ 'id="unknown"|NOT_FOUND' AS unknown, p ~ 'id="tenants"' AS tenants FROM apikey.report_html('t76') p;
RESET ROLE;
SELECT jsonb_agg(b - 'tenant_id') AS tenants FROM apikey._report_facts(NULL, NULL, NULL) f, jsonb_array_elements(f -> 'busiest') b WHERE b ->> 'tenant' LIKE 't76_%';
SET ROLE regress_r_verifier;
SET ROLE regress_r_analyst;
SELECT apikey._report_facts(1, NULL, NULL);
RESET ROLE;
-- a page whose deletions leave only ids
SELECT apikey._report_key(-1);
DROP TABLE facts;
DROP FUNCTION find;
DELETE FROM apikey.usage_hourly u USING k WHERE u.key_id = k.key_id;
DELETE FROM apikey.usage_daily u USING k WHERE u.key_id = k.key_id;
DELETE FROM apikey.usage_hourly WHERE tenant_id IS NULL AND hour = '2037-11-22 03:00';
DELETE FROM apikey.usage_daily WHERE tenant_id IS NULL AND day = '2037-11-22';
DELETE FROM apikey.quota_state u USING k WHERE u.key_id = k.key_id;
DO $$
DECLARE
	leaf regclass;
BEGIN
	FOR leaf IN SELECT l.leaf FROM apikey._usage_leaves() l WHERE l.starts_at >= '2037-11-01' LOOP
		EXECUTE format('DROP TABLE %s', leaf);
	END LOOP;
END $$;
DROP TABLE k;
DROP FUNCTION tally;
DROP FUNCTION roll;
DROP FUNCTION roll_days;
DROP FUNCTION requests();
DROP FUNCTION requests(timestamptz, timestamptz);
SELECT apikey.revoke_access(r, a, t) FROM (VALUES ('regress_r_analyst', 'analyst', 't76'), ('regress_r_eu', 'analyst', 't76/eu'), ('regress_r_verifier', 'verifier', 't76'), ('regress_r_all', 'analyst', NULL)) x (r, a, t);
DROP ROLE regress_r_analyst, regress_r_eu, regress_r_verifier, regress_r_all;
