-- Rollups: each row counts once, whatever it comes by; recount, retention.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET apikey.test_now = '3077442000';	-- 2067-07-09 13:00 UTC
-- the housekeeper's clock is another one, and it shall leave the counting to us
SELECT format('ALTER DATABASE %I SET apikey.rollup_interval = %L', current_database(), '1d') \gexec
SELECT apikey._ensure_partition_for('2067-07-08 00:00+00', '2067-07-09 23:00+00') >= 0 AS made;

CREATE FUNCTION pg_temp.store(at timestamptz, n integer, key bigint DEFAULT 1, code text DEFAULT 'VALID', status integer DEFAULT 200)
	RETURNS void LANGUAGE sql AS $$
	INSERT INTO apikey.usage (at, tenant_id, key_id, environment_id, code, endpoint, status, latency_us, bytes_in, bytes_out, units, ip)
	SELECT at + i * interval '1 millisecond', 660000 + key, key, 1, code, '/t66/' || i, status, i * 1000, 10, 20, 2, '10.66.0.0'::inet + i
	FROM generate_series(1, n) i
$$;

-- What differs between the rollups and the rows of the test's tenants.
CREATE FUNCTION pg_temp.differences() RETURNS TABLE (width text, at timestamptz, key_id bigint, code text, rolled text, stored text)
	LANGUAGE sql AS $$
	WITH stored AS (
		SELECT w.width, date_trunc(w.width, u.at, 'UTC') AS at, u.tenant_id, u.key_id, u.environment_id, u.code,
			   count(*) AS calls, count(*) FILTER (WHERE u.code NOT IN ('VALID', 'LOGGED')) AS denials,
			   count(*) FILTER (WHERE u.status >= 500) AS errors, sum(u.units) AS units, coalesce(sum(u.bytes_in), 0) AS bytes_in,
			   coalesce(sum(u.bytes_out), 0) AS bytes_out, count(u.latency_us) AS latency_calls, coalesce(sum(u.latency_us), 0) AS latency_us,
			   apikey._latency_sketch(u.latency_us) AS latency, apikey._ip_sketch(u.ip) AS ips
		FROM apikey.usage u, (VALUES ('hour'), ('day')) w (width)
		WHERE u.tenant_id > 660000 AND u.tenant_id < 670000 GROUP BY 1, 2, 3, 4, 5, 6),
	rolled AS (
		SELECT 'hour' AS width, h.hour AS at, h.tenant_id, h.key_id, h.environment_id, h.code, h.calls, h.denials, h.errors, h.units,
			   h.bytes_in, h.bytes_out, h.latency_calls, h.latency_us, h.latency, h.ips FROM apikey.usage_hourly h
		UNION ALL
		SELECT 'day', d.day::timestamp AT TIME ZONE 'UTC', d.tenant_id, d.key_id, d.environment_id, d.code, d.calls, d.denials, d.errors,
			   d.units, d.bytes_in, d.bytes_out, d.latency_calls, d.latency_us, d.latency, d.ips FROM apikey.usage_daily d),
	merged AS (
		SELECT r.width, r.at, r.tenant_id, r.key_id, r.environment_id, r.code, sum(r.calls)::bigint AS calls,
			   sum(r.denials)::bigint AS denials, sum(r.errors)::bigint AS errors, sum(r.units) AS units, sum(r.bytes_in) AS bytes_in,
			   sum(r.bytes_out) AS bytes_out, sum(r.latency_calls)::bigint AS latency_calls, sum(r.latency_us) AS latency_us,
			   apikey.latency_merge(r.latency) AS latency, apikey.ip_merge(r.ips) AS ips
		FROM rolled r WHERE r.tenant_id > 660000 AND r.tenant_id < 670000 GROUP BY 1, 2, 3, 4, 5, 6)
	SELECT coalesce(s.width, m.width), coalesce(s.at, m.at), coalesce(s.key_id, m.key_id), coalesce(s.code, m.code),
		   left(m::text, 100), left(s::text, 100)
	FROM stored s FULL JOIN merged m
		ON (m.width, m.at, m.tenant_id, m.key_id, m.environment_id, m.code)
			= (s.width, s.at, s.tenant_id, s.key_id, s.environment_id, s.code)
	WHERE s::text IS DISTINCT FROM m::text
$$;

-- --- counted once ------------------------------------------------------------

-- a partition that was never counted is due at once
SELECT pg_temp.store('2067-07-09 10:00', 1), pg_temp.store('2067-07-08 23:00', 1);
SELECT apikey.refresh_rollups() >= 0 AS refreshed;
SELECT pg_temp.store('2067-07-09 10:59:59.990', 100), pg_temp.store('2067-07-09 10:10', 7, 2, 'EXPIRED'), pg_temp.store('2067-07-08 23:59:59.999', 3, 2, 'LOGGED', 503);
SELECT * FROM pg_temp.differences() WHERE rolled IS NOT NULL ORDER BY 1, 2, 3, 4;
SELECT apikey.refresh_rollups();
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();
SELECT hour, key_id, code, calls, denials, errors, units, bytes_in, bytes_out, latency_calls, latency_us, apikey.ip_count(ips) AS ips
FROM apikey.usage_hourly WHERE tenant_id BETWEEN 660001 AND 669999 ORDER BY 1, 2, 3;
SELECT day, key_id, code, calls, denials, errors, units, latency_calls, apikey.ip_count(ips) AS ips
FROM apikey.usage_daily WHERE tenant_id BETWEEN 660001 AND 669999 ORDER BY 1, 2, 3;

-- late rows, into an hour and a day that were counted
SELECT pg_temp.store('2067-07-08 23:30', 5), pg_temp.store('2067-07-09 10:59', 5);
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();

-- COPY, and rows of rows; straight into a partition, too
COPY apikey.usage (at, tenant_id, key_id, environment_id, code, units) FROM stdin;
2067-07-09 11:00:00+00	660003	3	1	VALID	1
2067-07-09 11:00:01+00	660003	3	1	VALID	9223372036854775807
2067-07-09 11:00:02+00	660003	3	1	VALID	9223372036854775807
\.
INSERT INTO apikey.usage SELECT * FROM apikey.usage WHERE tenant_id BETWEEN 660001 AND 660003;
SELECT apikey._usage_leaves() IS NOT NULL AS leaves LIMIT 1;
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();

-- no key, no tenant, no endpoint, nothing but time and code
INSERT INTO apikey.usage (at, code) SELECT '2067-07-09 09:00+00', 'NOT_FOUND' FROM generate_series(1, 4);
INSERT INTO apikey.usage (at, code, endpoint, latency_us, ip) VALUES ('2067-07-09 09:00+00', 'NOT_FOUND', '/etc/passwd', -5, '::1');
SELECT apikey.refresh_rollups();
SELECT calls, denials, endpoint_class, units, latency_calls, apikey.ip_count(ips) FROM apikey.usage_hourly WHERE hour = '2067-07-09 09:00+00' AND tenant_id IS NULL;

-- --- transactions ------------------------------------------------------------

-- what rolls back does not count; what a savepoint kept does
BEGIN;
SELECT pg_temp.store('2067-07-09 12:00', 1);
SAVEPOINT a;
SELECT pg_temp.store('2067-07-09 12:00', 10);
ROLLBACK TO a;
SAVEPOINT b;
SELECT pg_temp.store('2067-07-09 12:00', 100);
RELEASE b;
-- its own rows do not count before it has committed: it may yet roll back
SELECT apikey.refresh_rollups();
SELECT pg_temp.store('2067-07-09 12:00', 1000);
SELECT apikey.refresh_rollups();
COMMIT;
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();
BEGIN;
SELECT pg_temp.store('2067-07-09 12:00', 10000);
ROLLBACK;
SELECT apikey.refresh_rollups();

-- a refresh that rolls back has counted nothing
SELECT pg_temp.store('2067-07-09 12:01', 9);
BEGIN;
SELECT apikey.refresh_rollups();
ROLLBACK;
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();

-- more subtransactions than a snapshot tells
BEGIN;
DO $$
BEGIN
	FOR i IN 1 .. 100 LOOP
		BEGIN
			PERFORM pg_temp.store('2067-07-09 12:02', 1, i);
			IF i % 10 = 0 THEN
				RAISE EXCEPTION 'undone';
			END IF;
		EXCEPTION WHEN raise_exception THEN NULL;
		END;
	END LOOP;
END
$$;
SELECT apikey.refresh_rollups();
SELECT pg_temp.store('2067-07-09 12:02', 1, 2);
COMMIT;
SELECT apikey.refresh_rollups();
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();

-- an old snapshot: what it does not see is counted later
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 1 AS snapshot;
SELECT pg_temp.store('2067-07-09 12:03', 11);
SELECT apikey.refresh_rollups();
COMMIT;
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();

-- prepared transactions count when they are committed
BEGIN;
SELECT pg_temp.store('2067-07-09 12:04', 13);
SAVEPOINT a;
SELECT pg_temp.store('2067-07-09 12:04', 17);
PREPARE TRANSACTION 't66';
SELECT apikey.refresh_rollups();
SELECT pg_temp.store('2067-07-09 12:05', 3);
SELECT apikey.refresh_rollups();
COMMIT PREPARED 't66';
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();

-- --- storage -----------------------------------------------------------------

-- frozen rows, rewritten tables, indexes that are gone or new
SELECT pg_temp.store('2067-07-09 12:06', 50);
VACUUM (FREEZE) apikey.usage;
SELECT apikey.refresh_rollups();
SELECT pg_temp.store('2067-07-09 12:06', 2);
VACUUM (FULL) apikey.usage;
SELECT apikey.refresh_rollups();
SELECT apikey.refresh_rollups();
SELECT leaf::text AS leaf FROM apikey._usage_leaves() WHERE starts_at <= '2067-07-09 12:00+00' AND ends_at > '2067-07-09 12:00+00' \gset
SELECT indexrelid::regclass AS index FROM pg_index WHERE indrelid = :'leaf'::regclass AND indnatts = 2 AND indkey[0] = indkey[1] \gset
SELECT brin_summarize_new_values(:'index'::regclass) >= 0 AS summarized;
SELECT apikey.refresh_rollups();
-- the class finds what was changed since, and leaves out what was not
SET enable_seqscan = off;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SELECT count(*) > 0 AS found FROM ONLY :leaf WHERE at OPERATOR(apikey.@~) 3::bigint;
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL AS xid;
SELECT apikey._next_xid() AS clock \gset
SELECT count(*) FROM ONLY :leaf WHERE at OPERATOR(apikey.@~) :clock::bigint;
SELECT pg_temp.store('2067-07-09 12:07', 1);
SELECT count(*) > 0 AS found FROM ONLY :leaf WHERE at OPERATOR(apikey.@~) :clock::bigint;
COMMIT;
RESET enable_seqscan;
RESET enable_indexscan;
RESET enable_indexonlyscan;
SELECT apikey.refresh_rollups();
DROP INDEX :index;
SELECT pg_temp.store('2067-07-09 12:08', 4);
SELECT apikey.refresh_rollups();
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();
SELECT format('CREATE INDEX ON %s USING brin (at, at apikey.change_ops) WITH (pages_per_range = 32)', :'leaf') \gexec
SELECT pg_temp.store('2067-07-09 12:08', 4);
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences();

-- who keeps others from counting
BEGIN;
LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
SELECT split_part(apikey._holds_up_rollups('infinity'), ',', 1) = format('process %s', pg_backend_pid()) AS named,
	apikey._holds_up_rollups(transaction_timestamp());
ROLLBACK;

-- --- the sets ----------------------------------------------------------------

SELECT x, apikey._newly_seen(x::text::xid, NULL, '{12,13,15,16,20}') AS in_set, apikey._newly_seen(x::text::xid, '{12,13,15,16,20}', NULL) AS not_in_set,
	apikey._newly_seen(x::text::xid, '{12,13,14}', '{15,16,20}') AS new
FROM unnest('{3,9,10,11,12,13,14,15,16,19,20,21}'::int[]) x;
SELECT apikey._newly_seen(NULL, NULL, NULL);
SELECT apikey._newly_seen('3', '{3,4}', NULL);
SELECT apikey._newly_seen('3', '{4,4,5}', NULL);
SELECT apikey._newly_seen('3', '{}', NULL);
SELECT apikey._newly_seen('3', '{{4}}', NULL);
SELECT apikey._newly_seen('3', '{3,NULL,4}', NULL);
-- what is in a set never leaves it
SELECT bool_and(NOT apikey._newly_seen(x::text::xid, s.seen, NULL)) AS kept
FROM generate_series(3, 30) x, apikey._seen('{12,13,15,16,30}', NULL) s;

-- --- what is counted ---------------------------------------------------------

-- removed rows stay counted
SELECT leaf::text AS older FROM apikey._usage_leaves() WHERE starts_at <= '2067-07-08 23:30+00' AND ends_at > '2067-07-08 23:30+00' \gset
SELECT apikey._counted(:'older'::regclass) AS counted;
SELECT pg_temp.store('2067-07-08 22:00', 6);
SELECT apikey._counted(:'older'::regclass) AS counted;
SELECT apikey._count_leaf(:'older'::regclass);
SELECT apikey._counted(:'older'::regclass) AS counted;
DELETE FROM apikey.usage WHERE at < '2067-07-08 23:00+00' AND tenant_id BETWEEN 660001 AND 669999;
SELECT apikey.refresh_rollups();
SELECT at, key_id, stored IS NULL AS removed FROM pg_temp.differences() ORDER BY 1, 2, 3;

-- --- recount -----------------------------------------------------------------

-- not where rows are missing
SELECT sum(calls) AS before FROM apikey.usage_hourly WHERE tenant_id BETWEEN 660001 AND 669999 \gset
SET client_min_messages = notice;
SELECT apikey.recount_rollups('2067-07-08 22:00+00', '2067-07-09 00:00+00');
SET client_min_messages = warning;
SELECT sum(calls) = :before AS same FROM apikey.usage_hourly WHERE tenant_id BETWEEN 660001 AND 669999;
-- what was spoilt is right again
UPDATE apikey.usage_hourly SET calls = 0 WHERE hour = '2067-07-09 12:00+00' AND tenant_id BETWEEN 660001 AND 669999;
DELETE FROM apikey.usage_hourly WHERE hour = '2067-07-09 10:00+00' AND tenant_id BETWEEN 660001 AND 669999;
INSERT INTO apikey.usage_hourly SELECT hour, 669998, key_id, environment_id, endpoint_class, code, calls, denials, errors, units, bytes_in,
	bytes_out, latency_calls, latency_us, latency, ips FROM apikey.usage_hourly WHERE tenant_id = 660001 AND hour = '2067-07-09 11:00+00';
DELETE FROM apikey.usage_daily WHERE day = '2067-07-09' AND tenant_id BETWEEN 660001 AND 669999;
SELECT count(*) > 0 AS spoilt FROM pg_temp.differences() WHERE at > '2067-07-09';
SELECT apikey.recount_rollups('2067-07-09 09:30+00', '2067-07-09 12:00:00.000001+00') = (SELECT count(*) FROM apikey.usage WHERE at >= '2067-07-09 09:00+00' AND at < '2067-07-09 13:00+00') AS recounted;
SELECT * FROM pg_temp.differences() WHERE at > '2067-07-09';
SELECT action, object, after - 'rows' AS after FROM apikey.audit_log WHERE action = 'usage.recount' ORDER BY seq DESC LIMIT 1;
-- twice is the same
SELECT apikey.recount_rollups('2067-07-09 00:00+00', '2067-07-10 00:00+00') > 0 AS recounted;
SELECT * FROM pg_temp.differences() WHERE at > '2067-07-09';

-- in runs that wait in files, as where there are more sums than fit into memory:
-- keys and hours are in each of them, sums of one key go on in the next
BEGIN;
ALTER FUNCTION apikey._count_rows SET work_mem = '64kB';
INSERT INTO apikey.usage (at, tenant_id, key_id, environment_id, code, endpoint, latency_us, bytes_in, units, ip)
SELECT timestamptz '2067-07-09 00:00' + i % 13 * interval '1 hour', 660007, i % 7, i % 3, CASE WHEN i % 5 = 0 THEN 'EXPIRED' ELSE 'VALID' END,
	'/t66/runs/' || chr(97 + i % 17), nullif(i % 11, 0) * i, CASE i % 4 WHEN 0 THEN NULL WHEN 1 THEN 9223372036854775807 ELSE -9223372036854775807 END, 9223372036854775807 - i, '10.67.0.0'::inet + i % 3000
FROM generate_series(1, 20000) i;
DELETE FROM apikey.usage_hourly;
DELETE FROM apikey.usage_daily;
-- the set of all: also what this transaction has stored
SELECT apikey._count_rows(:'leaf', NULL, NULL, NULL, NULL, true, true) = (SELECT count(*) FROM ONLY :leaf) AS counted;
SELECT * FROM pg_temp.differences() WHERE at > '2067-07-09';
ROLLBACK;

-- in parts, as where there are too many endpoints
BEGIN;
SELECT count(*) > 2 AS many FROM (SELECT DISTINCT tenant_id, apikey._endpoint_shape(endpoint) FROM ONLY :leaf) s;
DELETE FROM apikey.usage_hourly;
DELETE FROM apikey.usage_daily;
SELECT apikey._count_rows(:'leaf', NULL, s.seen, NULL, NULL, true, true, 2) = s.rows AS counted FROM apikey.rollup_state s WHERE s.leaf = :'leaf';
SELECT * FROM pg_temp.differences() WHERE at > '2067-07-09';
ROLLBACK;

SELECT apikey.recount_rollups('2067-07-09', '2067-07-09');
SELECT apikey.recount_rollups('2067-07-10', '2067-07-09');
SELECT apikey.recount_rollups('-infinity', '2067-07-09');
SELECT apikey.recount_rollups('2067-07-09', 'infinity');
SELECT apikey.recount_rollups(NULL, '2067-07-09');
SELECT apikey.recount_rollups('2067-07-09', NULL);
SELECT apikey.recount_rollups('4713-01-01 BC', '0001-01-01');
SELECT apikey.recount_rollups('200000-01-01', '290000-01-01');
SELECT apikey.recount_rollups('294276-12-31 23:30+00', '294276-12-31 23:59:59+00');

-- what was changed, or deleted and stored again, counts twice; by force it does not
BEGIN;
UPDATE apikey.usage SET units = units + 1 WHERE at >= '2067-07-09 12:00+00' AND at < '2067-07-09 13:00+00' AND tenant_id BETWEEN 660001 AND 669999;
DELETE FROM apikey.usage WHERE at >= '2067-07-09 10:00+00' AND at < '2067-07-09 11:00+00' AND tenant_id BETWEEN 660001 AND 669999;
COMMIT;
SELECT pg_temp.store('2067-07-09 10:00', 3);
SELECT apikey.refresh_rollups() > 0 AS counted;
SET client_min_messages = notice;
SELECT apikey.recount_rollups('2067-07-09 10:00+00', '2067-07-09 13:00+00');
SET client_min_messages = warning;
SELECT count(*) > 0 AS twice FROM pg_temp.differences() WHERE at > '2067-07-09';
SELECT apikey.recount_rollups('2067-07-09 10:00+00', '2067-07-09 13:00+00', force => true) = (SELECT count(*) FROM apikey.usage WHERE at >= '2067-07-09 10:00+00' AND at < '2067-07-09 13:00+00') AS recounted;
SELECT * FROM pg_temp.differences() WHERE at > '2067-07-09';
-- from now on it goes without
SELECT apikey.recount_rollups('2067-07-09 10:00+00', '2067-07-09 13:00+00') > 0 AS recounted;
SELECT * FROM pg_temp.differences() WHERE at > '2067-07-09';
SELECT apikey.refresh_rollups();
SELECT after - 'rows' AS after FROM apikey.audit_log WHERE action = 'usage.recount' ORDER BY seq DESC LIMIT 2;

-- --- a restore ---------------------------------------------------------------

-- rollup_state as a dump brings it: of another cluster
SELECT pg_temp.store('2067-07-09 12:30', 5);
UPDATE apikey.rollup_state SET system_identifier = 1, seen = '{4}';
SELECT leaf FROM apikey.rollup_state WHERE leaf = :'leaf';
SELECT apikey.refresh_rollups() AS uncounted;
SELECT apikey.refresh_rollups();
SELECT * FROM pg_temp.differences() WHERE at > '2067-07-09';
SELECT at, key_id, stored IS NULL AS removed FROM pg_temp.differences() WHERE at < '2067-07-09' ORDER BY 1, 2, 3;
-- a partition that was made again is another one
SELECT rows > 0 AS rows FROM apikey.stat_rollup WHERE leaf = :'leaf';

-- --- retention ---------------------------------------------------------------

SET apikey.rollup_hourly_retention = '2h';
SET apikey.rollup_daily_retention = '1d';
SELECT apikey._rollup_start('hour'), apikey._rollup_start('day');
INSERT INTO apikey.usage_daily SELECT day - 2, tenant_id, key_id, environment_id, endpoint_class, code, calls, denials, errors, units, bytes_in,
	bytes_out, latency_calls, latency_us, latency, ips FROM apikey.usage_daily WHERE day = '2067-07-09' AND tenant_id = 660001;
BEGIN;
SELECT apikey._task_rollup_retention() > 0 AS hours;
SELECT apikey._task_rollup_retention() > 0 AS days;
SELECT apikey._task_rollup_retention();
SELECT min(hour), max(hour) FROM apikey.usage_hourly WHERE tenant_id BETWEEN 660001 AND 669999;
SELECT min(day), max(day) FROM apikey.usage_daily WHERE tenant_id BETWEEN 660001 AND 669999;
-- late rows do not begin them again; their day counts
SELECT calls FROM apikey.usage_daily WHERE tenant_id = 660001 AND day = '2067-07-09' AND code = 'VALID' \gset
COMMIT;
SELECT pg_temp.store('2067-07-09 08:00', 5), pg_temp.store('2067-07-09 11:00', 5);
SELECT apikey.refresh_rollups();
SELECT hour, calls FROM apikey.usage_hourly WHERE tenant_id = 660001 AND hour < '2067-07-09 12:00+00' ORDER BY 1;
SELECT calls - :calls AS more FROM apikey.usage_daily WHERE tenant_id = 660001 AND day = '2067-07-09' AND code = 'VALID';
-- a recount of a day whose hours are gone goes by its rows
SELECT apikey.recount_rollups('2067-07-09', '2067-07-10') > 0 AS recounted;
SELECT * FROM pg_temp.differences() WHERE width = 'day' AND at >= '2067-07-09';
SET apikey.rollup_hourly_retention = 0;
SET apikey.rollup_daily_retention = 0;
SELECT apikey._rollup_start('hour'), apikey._rollup_start('day'), apikey._task_rollup_retention();
RESET apikey.rollup_hourly_retention;
RESET apikey.rollup_daily_retention;
SET apikey.rollup_hourly_retention = '3599s';
SET apikey.rollup_daily_retention = '86399s';
-- since 18 the bounds are shown with their unit
\set VERBOSITY sqlstate
SET apikey.rollup_interval = 0;
\set VERBOSITY terse

-- --- rights ------------------------------------------------------------------

CREATE ROLE regress_t66_analyst;
CREATE ROLE regress_t66_one;
CREATE ROLE regress_t66_nobody;
SELECT apikey.create_tenant('t66') > 0 AS made;
SELECT apikey.grant_access('regress_t66_analyst', 'analyst'), apikey.grant_access('regress_t66_one', 'admin', 't66');
SET ROLE regress_t66_nobody;
SELECT apikey.refresh_rollups();
SELECT * FROM apikey.stat_rollup;
SET ROLE regress_t66_one;
SELECT apikey.refresh_rollups();
SELECT apikey.recount_rollups('2067-07-09', '2067-07-10');
SELECT * FROM apikey.stat_rollup;
SELECT count(*) FROM apikey.usage_hourly WHERE hour >= '2067-07-08';
SET ROLE regress_t66_analyst;
SELECT apikey.refresh_rollups();
SELECT apikey.recount_rollups('2067-07-09', '2067-07-10');
SELECT * FROM apikey.stat_rollup;
SELECT count(*) > 0 AS seen FROM apikey.usage_hourly;
RESET ROLE;
SELECT apikey.revoke_access('regress_t66_analyst', 'analyst'), apikey.revoke_access('regress_t66_one', 'admin', 't66');
DROP ROLE regress_t66_analyst, regress_t66_one, regress_t66_nobody;

-- a code of any length is counted
SELECT pg_temp.store('2067-07-09 14:30', 1, 9, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i));
SELECT apikey.refresh_rollups() > 0 AS counted;
SELECT leaf, error FROM apikey.rollup_state WHERE error IS NOT NULL;
SELECT octet_length(code), calls, denials FROM apikey.usage_hourly WHERE tenant_id = 660009 ORDER BY 1;
SELECT octet_length(code), calls, denials FROM apikey.usage_daily WHERE tenant_id = 660009 ORDER BY 1;

-- whether all is counted is asked by the index, not of all rows
SELECT pg_stat_get_xact_numscans(:'leaf'::regclass) AS scans \gset
SELECT apikey._counted(:'leaf'::regclass);
SELECT pg_stat_get_xact_numscans(:'leaf'::regclass) - :scans AS scans;

DELETE FROM apikey.usage WHERE at >= '2067-07-08' AND at < '2067-07-10';
DELETE FROM apikey.usage_hourly WHERE hour >= '2067-07-08' AND hour < '2067-07-10';
DELETE FROM apikey.usage_daily WHERE day >= '2067-07-08' AND day < '2067-07-10';
SELECT format('ALTER DATABASE %I RESET apikey.rollup_interval', current_database()) \gexec
