-- ---------------------------------------------------------------------------
-- What a report is made of.
--
-- _report_facts() asks everything and answers one jsonb; 75_report_html makes
-- the page of it and reads no table.  Figures of traffic come from the rollups:
-- whole days from those of days, which are the sums of those of hours, what is
-- left at the ends of the range from hours.  What needs hours, traffic over time,
-- bursts and hours of the day, reads them all for up to 16 days; beyond, and where
-- hours are gone, days have to do.  All times are UTC, as the rollups are.
--
-- What a request is, _accepted() says (72_usage_views): of the two kinds of rows of
-- a key in a piece of time the more frequent one.  A piece is an hour, as in the
-- view usage_requests, or a day where the report reads no hours.
--
-- The functions run with the rights of the owner, so each is handed the tenants
-- to look at: those of _tenant_tree(), which the caller has access to, or NULL for
-- the whole database.
-- ---------------------------------------------------------------------------

-- Rows of the rollups: of hours, or of days with hours at the ends.  Planned as
-- part of the query that calls it.
CREATE FUNCTION apikey._report_rows(tenants pg_catalog.int8[], since pg_catalog.timestamptz, until pg_catalog.timestamptz, hourly pg_catalog.bool)
	RETURNS TABLE (
		at pg_catalog.timestamptz,
		day pg_catalog.date,
		tenant_id pg_catalog.int8,
		key_id pg_catalog.int8,
		endpoint_class pg_catalog.text,
		code pg_catalog.text,
		calls pg_catalog.int8,
		denials pg_catalog.int8,
		errors pg_catalog.int8,
		units pg_catalog."numeric",
		bytes_out pg_catalog."numeric",
		latency pg_catalog.bytea,
		ips pg_catalog.bytea
	)
	LANGUAGE sql STABLE PARALLEL SAFE ROWS 10000
BEGIN ATOMIC
	SELECT h.hour, (pg_catalog.timezone('UTC', h.hour))::pg_catalog.date, h.tenant_id, h.key_id, h.endpoint_class, h.code, h.calls, h.denials, h.errors, h.units, h.bytes_out, h.latency, h.ips
	FROM apikey.usage_hourly h
	WHERE _report_rows.hourly
		AND (_report_rows.tenants IS NULL OR h.tenant_id OPERATOR(pg_catalog.=) ANY (_report_rows.tenants))
		AND h.hour OPERATOR(pg_catalog.>=) _report_rows.since
		AND h.hour OPERATOR(pg_catalog.<) _report_rows.until
	UNION ALL
	SELECT pg_catalog.timezone('UTC', d.day::pg_catalog.timestamp), d.day, d.tenant_id, d.key_id, d.endpoint_class, d.code,
		d.calls, d.denials, d.errors, d.units, d.bytes_out, d.latency, d.ips
	FROM apikey.usage_daily d
	WHERE NOT _report_rows.hourly
		AND (_report_rows.tenants IS NULL OR d.tenant_id OPERATOR(pg_catalog.=) ANY (_report_rows.tenants))
		AND d.day OPERATOR(pg_catalog.>=) (pg_catalog.date_trunc('day', pg_catalog.timezone('UTC', _report_rows.since) OPERATOR(pg_catalog.+) '23:59:59.999999'::pg_catalog."interval"))::pg_catalog.date
		AND d.day OPERATOR(pg_catalog.<) (pg_catalog.timezone('UTC', _report_rows.until))::pg_catalog.date
	UNION ALL
	-- before the first midnight
	SELECT h.hour, (pg_catalog.timezone('UTC', h.hour))::pg_catalog.date, h.tenant_id, h.key_id, h.endpoint_class, h.code, h.calls, h.denials, h.errors, h.units, h.bytes_out, h.latency, h.ips
	FROM apikey.usage_hourly h
	WHERE NOT _report_rows.hourly
		AND (_report_rows.tenants IS NULL OR h.tenant_id OPERATOR(pg_catalog.=) ANY (_report_rows.tenants))
		AND h.hour OPERATOR(pg_catalog.>=) _report_rows.since
		AND h.hour OPERATOR(pg_catalog.<) LEAST(_report_rows.until, pg_catalog.timezone('UTC', pg_catalog.date_trunc('day', pg_catalog.timezone('UTC', _report_rows.since) OPERATOR(pg_catalog.+) '23:59:59.999999'::pg_catalog."interval")))
	UNION ALL
	-- from the last one on, if it is not before the first
	SELECT h.hour, (pg_catalog.timezone('UTC', h.hour))::pg_catalog.date, h.tenant_id, h.key_id, h.endpoint_class, h.code, h.calls, h.denials, h.errors, h.units, h.bytes_out, h.latency, h.ips
	FROM apikey.usage_hourly h
	WHERE NOT _report_rows.hourly
		AND (_report_rows.tenants IS NULL OR h.tenant_id OPERATOR(pg_catalog.=) ANY (_report_rows.tenants))
		AND h.hour OPERATOR(pg_catalog.>=) GREATEST(pg_catalog.timezone('UTC', pg_catalog.date_trunc('day', pg_catalog.timezone('UTC', _report_rows.until))), pg_catalog.timezone('UTC', pg_catalog.date_trunc('day', pg_catalog.timezone('UTC', _report_rows.since) OPERATOR(pg_catalog.+) '23:59:59.999999'::pg_catalog."interval")))
		AND h.hour OPERATOR(pg_catalog.<) _report_rows.until;
END;

-- The range in whole hours or days, and how long a bar of a chart is.
CREATE FUNCTION apikey._report_span(INOUT since timestamptz, INOUT until timestamptz, now timestamptz,
	OUT hourly boolean, OUT step interval)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	kept interval := apikey._setting('rollup_hourly_retention', '90d')::interval;
	length interval;
BEGIN
	until := coalesce(until, now);
	IF NOT isfinite(until) OR until > now + interval '366 days' OR until < '1970-01-02'
		OR NOT coalesce(isfinite(since), true) OR since < '1970-01-01' OR since >= until
		OR until - since > interval '366 days' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'invalid range of time for a report',
			DETAIL = 'since comes before until, at most 366 days; both are finite, not before 1970 nor more than 366 days ahead.';
	END IF;
	until := date_trunc('hour', until + interval '1 hour' - interval '1 us');
	since := date_trunc('hour', coalesce(since, until - interval '7 days'));
	length := until - since;
	-- the range before it is compared with is of the same kind
	hourly := length <= interval '16 days' AND (kept = interval '0' OR since - length >= date_trunc('hour', now - kept));
	IF NOT hourly THEN
		until := date_trunc('day', until + interval '1 day' - interval '1 us');
		since := date_trunc('day', since);
		length := until - since;
	END IF;
	step := CASE
		WHEN hourly AND length <= interval '2 days' THEN interval '1 hour'
		WHEN hourly AND length <= interval '8 days' THEN interval '3 hours'
		WHEN hourly THEN interval '6 hours'
		WHEN length <= interval '92 days' THEN interval '1 day'
		ELSE interval '7 days' END;
END
$$;

-- The latency of a range.
CREATE FUNCTION apikey._report_latency(tenants bigint[], since timestamptz, until timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT jsonb_build_object('p50', apikey.latency_percentile(l.latency, 0.5), 'p95', apikey.latency_percentile(l.latency, 0.95))
		FROM (SELECT apikey.latency_merge(r.latency) AS latency
			  FROM apikey._report_rows(tenants, since, until, false) r WHERE r.latency IS NOT NULL) l);
END
$$;

-- A bar for each step, those without traffic too, and the latency of all.
-- twice: what to take off the bars, no more of them than there are steps.  Sums of
-- float8 are exact up to 10^15 and take half the time of others.
CREATE FUNCTION apikey._report_traffic(tenants bigint[], twice float8[], since timestamptz, until timestamptz, hourly boolean, step interval) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
	RETURN (
		WITH bar AS MATERIALIZED (
			SELECT date_bin(step, r.at, _report_traffic.since) AS since,
				   sum((r.calls - r.denials)::float8)::numeric AS accepted,
				   sum(r.denials::float8)::numeric AS denied,
				   sum(r.errors::float8)::numeric AS errors,
				   apikey.latency_merge(r.latency) AS latency
			FROM apikey._report_rows(tenants, _report_traffic.since, _report_traffic.until, hourly) r
			GROUP BY 1
		), whole AS (
			SELECT apikey.latency_merge(b.latency) AS latency FROM bar b
		)
		SELECT jsonb_build_object(
			'answers', (SELECT jsonb_build_object('p50', apikey.latency_percentile(w.latency, 0.5), 'p95', apikey.latency_percentile(w.latency, 0.95)) FROM whole w),
			'bars', jsonb_agg(jsonb_build_object(
				'since', s.at,
				'until', least(s.at + step, _report_traffic.until),
				'accepted', coalesce(b.accepted, 0) - coalesce(twice[s.n]::numeric, 0),
				'denied', coalesce(b.denied, 0),
				'errors', coalesce(b.errors, 0),
				'p50', apikey.latency_percentile(b.latency, 0.5),
				'p95', apikey.latency_percentile(b.latency, 0.95),
				'p99', apikey.latency_percentile(b.latency, 0.99)) ORDER BY s.at))
		FROM generate_series(_report_traffic.since, _report_traffic.until - interval '1 us', step) WITH ORDINALITY s (at, n)
			LEFT JOIN bar b ON b.since = s.at);
END
$$;

CREATE FUNCTION apikey._report_reasons(tenants bigint[], since timestamptz, until timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT coalesce(jsonb_agg(jsonb_build_object('code', c.code, 'calls', c.calls, 'keys', c.keys)
			ORDER BY c.calls DESC, c.code), '[]')
		FROM (SELECT r.code, sum(r.denials) AS calls, count(DISTINCT r.key_id) AS keys
			  FROM apikey._report_rows(tenants, since, until, false) r
			  WHERE r.denials > 0 GROUP BY r.code) c);
END
$$;

-- The same of an endpoint: within a key, a day (at the ends an hour) and the endpoint.
CREATE FUNCTION apikey._report_endpoints(tenants bigint[], keys bigint[], since timestamptz, until timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		WITH twice AS (
			SELECT t.endpoint_class, sum(t.valid + t.logged - apikey._accepted(t.valid, t.logged)) AS calls
			FROM (SELECT r.endpoint_class, (sum(r.calls::float8) FILTER (WHERE r.code = 'VALID'))::numeric AS valid, (sum(r.calls::float8) FILTER (WHERE r.code = 'LOGGED'))::numeric AS logged
				  FROM apikey._report_rows(tenants, since, until, false) r
				  WHERE cardinality(keys) > 0 AND r.endpoint_class IS NOT NULL AND r.code IN ('VALID', 'LOGGED') AND r.key_id IN (SELECT unnest(keys))
				  GROUP BY r.endpoint_class, r.key_id, r.at) t
			WHERE t.valid IS NOT NULL AND t.logged IS NOT NULL GROUP BY t.endpoint_class
		), e AS (
			SELECT r.endpoint_class, sum((r.calls - r.denials)::float8)::numeric AS accepted,
				   sum(r.denials::float8)::numeric AS denied, sum(r.errors::float8)::numeric AS errors,
				   apikey.latency_merge(r.latency) AS latency
			FROM apikey._report_rows(tenants, since, until, false) r
			WHERE r.endpoint_class IS NOT NULL GROUP BY r.endpoint_class
		), p AS (
			SELECT e.*, e.accepted - coalesce(t.calls, 0) AS requests,
				   row_number() OVER (ORDER BY e.accepted - coalesce(t.calls, 0) + e.denied DESC, e.endpoint_class) AS place
			FROM e LEFT JOIN twice t ON t.endpoint_class = e.endpoint_class
		)
		SELECT jsonb_build_object(
			'classes', count(*),
			'list', coalesce(jsonb_agg(jsonb_build_object(
				'endpoint', p.endpoint_class, 'accepted', p.requests, 'denied', p.denied, 'errors', p.errors,
				'p50', apikey.latency_percentile(p.latency, 0.5), 'p95', apikey.latency_percentile(p.latency, 0.95)) ORDER BY p.place) FILTER (WHERE p.place <= 10), '[]'))
		FROM p);
END
$$;

-- Quotas whose window is running, the fullest first, and until when the rest
-- lasts if it goes on as it did since the window began.
CREATE FUNCTION apikey._report_limits(tenants bigint[], now timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
	RETURN (
		WITH q AS (
			SELECT s.*, s.units + s.credits AS total,
				   CASE WHEN s.units + s.credits > 0 THEN s.used::float8 / (s.units + s.credits) ELSE 1 END AS share
			FROM apikey.quota_state s
			WHERE (tenants IS NULL OR s.tenant_id = ANY (tenants)) AND s.window_start <= now AND s.window_end > now
		), top AS (
			SELECT q.*, row_number() OVER (ORDER BY q.share DESC, q.quota_id) AS place FROM q
		)
		SELECT jsonb_build_object(
			'running', count(*),
			'near', count(*) FILTER (WHERE t.share >= 0.8),
			'list', coalesce(jsonb_agg(jsonb_build_object(
				'name', t.name, 'shared', t.shared,
				'holder', CASE t.shared
					WHEN 'key' THEN coalesce((SELECT k.name FROM apikey.api_key k WHERE k.key_id = t.key_id), '')
					WHEN 'policy' THEN (SELECT p.name FROM apikey.policy p WHERE p.policy_id::text = t.holder)
					WHEN 'owner' THEN t.holder
					ELSE apikey._path(t.tenant_id) END,
				'key_id', CASE WHEN t.shared = 'key' THEN t.key_id END,
				'used', t.used, 'total', t.total, 'share', t.share,
				'ends', CASE WHEN isfinite(t.window_end) THEN t.window_end END,
				'empty', CASE WHEN t.used > 0 AND t.used < t.total AND isfinite(t.window_start) AND t.window_start < now
						AND (extract(epoch FROM now - t.window_start)::float8 * (t.total - t.used) / t.used) < extract(epoch FROM t.window_end - now)
					THEN now + make_interval(secs => extract(epoch FROM now - t.window_start)::float8 * (t.total - t.used) / t.used) END)
				ORDER BY t.place) FILTER (WHERE t.place <= 10 AND t.share >= 0.5), '[]'))
		FROM top t);
END
$$;

-- What ends in the thirteen weeks that begin with this one, and how old
-- secrets are.  Of a key that is not revoked.
CREATE FUNCTION apikey._report_calendar(tenants bigint[], now timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	monday constant date := date_trunc('week', now)::date;
BEGIN
	RETURN (
		WITH k AS MATERIALIZED (
			SELECT t.key_id, t.name, t.owner, t.expires_at, t.revoke_at, t.next_rotation_at, t.created_at
			FROM apikey.api_key t WHERE (tenants IS NULL OR t.tenant_id = ANY (tenants)) AND t.status <> 'revoked'
		), s AS MATERIALIZED (
			SELECT k.key_id, max(t.created_at) AS made_at, min(t.expires_at) FILTER (WHERE t.expires_at > now) AS overlap_ends
			FROM k JOIN apikey.key_secret t ON t.key_id = k.key_id AND t.revoked_at IS NULL
			GROUP BY k.key_id
		), d AS (
			SELECT k.key_id, k.name, k.owner, e.what, e.at, row_number() OVER (ORDER BY e.at, k.key_id, e.what) AS place
			FROM k LEFT JOIN s ON s.key_id = k.key_id
				CROSS JOIN LATERAL (VALUES ('expires', k.expires_at), ('revoked', k.revoke_at),
					('rotates', k.next_rotation_at), ('old secret ends', s.overlap_ends)) e (what, at)
			WHERE e.at > now AND e.at < monday + 91
		)
		SELECT jsonb_build_object(
			'monday', monday,
			'days', (SELECT coalesce(jsonb_agg(jsonb_build_object('day', x.day, 'what', x.what, 'keys', x.keys) ORDER BY x.day, x.what), '[]')
					 FROM (SELECT d.at::date AS day, d.what, count(*) AS keys FROM d GROUP BY 1, 2) x),
			'list', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', d.at, 'what', d.what, 'key_id', d.key_id, 'name', d.name, 'owner', d.owner)
						ORDER BY d.place), '[]') FROM d WHERE d.place <= 12),
			'week', (SELECT count(DISTINCT d.key_id) FROM d WHERE d.at < now + interval '7 days' AND d.what IN ('expires', 'revoked')),
			'dates', (SELECT count(*) FROM d),
			'endless', (SELECT count(*) FROM k WHERE k.expires_at IS NULL),
			'keys', (SELECT count(*) FROM k),
			'ages', (SELECT jsonb_agg(jsonb_build_object('from', a.lower, 'to', a.upper, 'keys', coalesce(x.keys, 0)) ORDER BY a.lower)
					 FROM (VALUES (0, 30, 5), (30, 90, 4), (90, 180, 3), (180, 365, 2), (365, NULL, 1)) a (lower, upper, age)
						LEFT JOIN (SELECT 1 + width_bucket(s.made_at - interval '1 us', ARRAY[now - interval '365 days', now - interval '180 days', now - interval '90 days', now - interval '30 days']) AS age, count(*) AS keys
							FROM s WHERE s.made_at <= now GROUP BY 1) x ON x.age = a.age)));
END
$$;

-- --- all of it -------------------------------------------------------------

-- tenant_id: NULL for the whole database.
CREATE FUNCTION apikey._report_facts(tenant_id bigint, since timestamptz, until timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
	-- the plans are run once: compiling them would take longer, and generic ones
	-- would not know which rollup they read
	SET jit = off
	SET plan_cache_mode = force_custom_plan
	-- no more than one processor for a page
	SET max_parallel_workers_per_gather = 0
	-- a group for each of ten thousand keys
	SET work_mem = '64MB'
AS $$
DECLARE
	now constant timestamptz := apikey._now();
	tenants constant bigint[] := CASE WHEN tenant_id IS NOT NULL THEN ARRAY(SELECT t.tenant_id FROM apikey._tenant_tree(_report_facts.tenant_id) t) END;
	s constant record := apikey._report_span(since, until, now);
	about constant record := apikey._report_about_keys(tenants, s.since, s.until, s.hourly, s.step, now);
	keys constant jsonb := about.facts;
	traffic constant jsonb := apikey._report_traffic(tenants, about.twice, s.since, s.until, s.hourly, s.step);
BEGIN
	RETURN keys || jsonb_build_object(
		'tenant', apikey._path(tenant_id),
		'tenants', coalesce(cardinality(tenants), (SELECT count(*) FROM apikey.tenant)),
		'now', now, 'since', s.since, 'until', s.until, 'hourly', s.hourly, 'step', extract(epoch FROM s.step),
		'totals', (keys -> 'totals') || (traffic -> 'answers'),
		'before', (keys -> 'before') || apikey._report_latency(tenants, s.since - (s.until - s.since), s.since),
		'traffic', traffic -> 'bars',
		'reasons', apikey._report_reasons(tenants, s.since, s.until),
		'endpoints', apikey._report_endpoints(tenants, about.mixed, s.since, s.until),
		'limits', apikey._report_limits(tenants, now),
		'calendar', apikey._report_calendar(tenants, now));
END
$$;

COMMENT ON FUNCTION apikey._report_rows(pg_catalog.int8[], pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.bool) IS
	'rows of usage_hourly, or of usage_daily with hours at the ends, of some tenants in a range';
COMMENT ON FUNCTION apikey._report_span(timestamptz, timestamptz, timestamptz) IS
	'the range of a report in whole hours or days, and the length of its bars; raises for a bad one';
COMMENT ON FUNCTION apikey._report_latency(bigint[], timestamptz, timestamptz) IS 'latency of a range';
COMMENT ON FUNCTION apikey._report_traffic(bigint[], float8[], timestamptz, timestamptz, boolean, interval) IS
	'traffic and latency of each step of a range';
COMMENT ON FUNCTION apikey._report_reasons(bigint[], timestamptz, timestamptz) IS 'denials by code';
COMMENT ON FUNCTION apikey._report_endpoints(bigint[], bigint[], timestamptz, timestamptz) IS 'the busiest classes of endpoints';
COMMENT ON FUNCTION apikey._report_limits(bigint[], timestamptz) IS 'quotas that are at least half used';
COMMENT ON FUNCTION apikey._report_calendar(bigint[], timestamptz) IS
	'what ends in the next thirteen weeks, and the age of secrets';
COMMENT ON FUNCTION apikey._report_facts(bigint, timestamptz, timestamptz) IS 'everything a report shows';
