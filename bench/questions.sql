-- Questions about usage, for bench/section_questions.sh: what is asked, as
-- whom, and bench.ask() that times one and keeps its plan.
--
-- until is the end of the rows; what is looked for is drawn from the middle of
-- the last day: a key in the middle of the field, not the busiest one.
CREATE SCHEMA bench;
CREATE ROLE bench_analyst;
CREATE ROLE bench_auditor;
GRANT USAGE ON SCHEMA bench TO bench_analyst, bench_auditor;
CREATE TABLE bench.question (n integer PRIMARY KEY, title text NOT NULL, role name NOT NULL, query text NOT NULL);
CREATE TABLE bench.probe (key_id bigint, tenant_id bigint);
CREATE TABLE bench.answer (size bigint, n integer, ms double precision, cold double precision, rows bigint, plan text);

-- about(until): writes the questions anew
CREATE PROCEDURE bench.about(until timestamptz) LANGUAGE plpgsql AS $$
DECLARE
	probe record;
	day timestamptz := date_trunc('day', until - interval '1 hour', 'UTC');
BEGIN
	-- the key with the median number of rows in the last hour
	SELECT p.key_id, p.tenant_id INTO probe FROM bench.probe p;
	IF NOT FOUND THEN
		SELECT u.key_id, u.tenant_id INTO STRICT probe
		FROM apikey.usage u WHERE u.at >= until - interval '1 hour' AND u.at < until AND u.key_id IS NOT NULL
		GROUP BY u.key_id, u.tenant_id ORDER BY count(*), u.key_id
		OFFSET (SELECT count(DISTINCT key_id) / 2 FROM apikey.usage WHERE at >= until - interval '1 hour' AND at < until) LIMIT 1;
		INSERT INTO bench.probe VALUES (probe.key_id, probe.tenant_id);
	END IF;
	PERFORM apikey.grant_access('bench_analyst', 'analyst', (SELECT l.tenant FROM apikey.key_label l WHERE l.key_id = probe.key_id));
	PERFORM apikey.grant_access('bench_auditor', 'auditor');
	TRUNCATE bench.question;
	INSERT INTO bench.question VALUES
	(1, 'a key''s last hour, by code', 'bench_analyst', format(
		'SELECT code, count(*), max(at) FROM apikey.usage WHERE key_id = %s AND at >= %L AND at < %L GROUP BY code',
		probe.key_id, until - interval '1 hour', until)),
	(2, 'a key''s last 100 requests', 'bench_analyst', format(
		'SELECT at, code, method, endpoint, status, latency_us FROM apikey.usage WHERE key_id = %s AND at < %L ORDER BY at DESC LIMIT 100',
		probe.key_id, until)),
	(3, 'a tenant''s last hour, denials by code', 'bench_analyst', format(
		'SELECT code, count(*) FROM apikey.usage WHERE tenant_id = %s AND at >= %L AND at < %L AND code <> ALL (''{VALID,LOGGED}'') GROUP BY code',
		probe.tenant_id, until - interval '1 hour', until)),
	(4, 'a tenant''s days of a month, from rollups', 'bench_analyst', format(
		'SELECT sum(calls), sum(denials), sum(units), apikey.latency_percentile(apikey.latency_merge(latency), 0.95), apikey.ip_count(apikey.ip_merge(ips))
		 FROM apikey.usage_daily WHERE tenant_id = %s AND day > %L::date - 31 AND day <= %L::date',
		probe.tenant_id, day, day)),
	(5, 'a tenant''s last day per hour, from rollups', 'bench_analyst', format(
		'SELECT hour, sum(calls), sum(denials) FROM apikey.usage_hourly WHERE tenant_id = %s AND hour >= %L AND hour < %L GROUP BY hour ORDER BY hour',
		probe.tenant_id, until - interval '1 day', until)),
	(6, 'the ten busiest keys of a day, from rollups', 'bench_auditor', format(
		'SELECT d.key_id, l.name, l.owner, sum(d.calls) FROM apikey.usage_daily d LEFT JOIN apikey.key_label l ON l.key_id = d.key_id
		 WHERE d.day = %L::date GROUP BY d.key_id, l.name, l.owner ORDER BY sum(d.calls) DESC LIMIT 10', day)),
	(7, 'an address over a day', 'bench_auditor', format(
		'SELECT tenant_id, key_id, code, count(*) FROM apikey.usage WHERE ip = %L AND at >= %L AND at < %L GROUP BY tenant_id, key_id, code',
		(SELECT u.ip FROM apikey.usage u WHERE u.key_id = probe.key_id AND u.at < until AND u.ip IS NOT NULL ORDER BY u.at DESC LIMIT 1), day, until)),
	(8, 'a request_id, within a day', 'bench_auditor', format(
		'SELECT * FROM apikey.usage WHERE request_id = %L AND at >= %L AND at < %L',
		(SELECT u.request_id FROM apikey.usage u WHERE u.key_id = probe.key_id AND u.at < until AND u.request_id IS NOT NULL ORDER BY u.at DESC LIMIT 1), day, until)),
	(9, 'a request_id, whenever it was', 'bench_auditor', format(
		'SELECT * FROM apikey.usage WHERE request_id = %L',
		(SELECT u.request_id FROM apikey.usage u WHERE u.key_id = probe.key_id AND u.at < until AND u.request_id IS NOT NULL ORDER BY u.at DESC LIMIT 1))),
	(10, 'cost_report() of the last 10 days', 'bench_analyst', format(
		'SELECT currency, sum(calls), sum(cost) FROM apikey.cost_report(%L) GROUP BY currency', (day - interval '9 days')::date || '/' || (day + interval '1 day')::date)),
	(11, 'report_html() of the last 7 days', 'bench_analyst', format(
		'SELECT length(apikey.report_html(%L, %L, %L))', (SELECT l.tenant FROM apikey.key_label l WHERE l.key_id = probe.key_id),
		until - interval '7 days', until));
END
$$;

-- ask(size, n): the first run, and the median of five more
CREATE PROCEDURE bench.ask(size bigint, n integer) LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
	q bench.question;
	started timestamptz;
	times double precision[] := '{}';
	found_rows bigint;
	line text;
	plan text := '';
BEGIN
	SELECT * INTO STRICT q FROM bench.question b WHERE b.n = ask.n;
	EXECUTE format('SET LOCAL ROLE %I', q.role);
	FOR i IN 0 .. 5 LOOP
		started := clock_timestamp();
		EXECUTE q.query;
		GET DIAGNOSTICS found_rows = ROW_COUNT;
		times := times || extract(epoch FROM clock_timestamp() - started)::double precision * 1000;
	END LOOP;
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || q.query LOOP
		plan := plan || line || E'\n';
	END LOOP;
	RESET ROLE;
	INSERT INTO bench.answer SELECT ask.size, ask.n, percentile_cont(0.5) WITHIN GROUP (ORDER BY t), times[1], found_rows, plan
	FROM unnest(times[2:]) t;
END
$$;
