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
-- Requests are verifications.  What log_usage() adds (code LOGGED) is the answer
-- to one of them and counts for latency, errors and bytes only; but a key that
-- has no accepted verification on record was verified with record => false, and
-- what was logged of it are its requests.
--
-- The functions run with the rights of the owner, so each is handed the tenants
-- to look at: those of _tenant_tree(), which the caller has access to.
-- ---------------------------------------------------------------------------

-- Rows of the rollups: of hours, or of days with hours at the ends.  Planned as
-- part of the query that calls it.
CREATE FUNCTION apikey._report_rows(tenants pg_catalog.int8[], since pg_catalog.timestamptz, until pg_catalog.timestamptz, hourly pg_catalog.bool)
	RETURNS TABLE (
		at pg_catalog.timestamptz,
		day pg_catalog.date,
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
	SELECT h.hour, (pg_catalog.timezone('UTC', h.hour))::pg_catalog.date, h.key_id, h.endpoint_class, h.code, h.calls, h.denials, h.errors, h.units, h.bytes_out, h.latency, h.ips
	FROM apikey.usage_hourly h
	WHERE _report_rows.hourly
		AND h.tenant_id OPERATOR(pg_catalog.=) ANY (_report_rows.tenants)
		AND h.hour OPERATOR(pg_catalog.>=) _report_rows.since
		AND h.hour OPERATOR(pg_catalog.<) _report_rows.until
	UNION ALL
	SELECT pg_catalog.timezone('UTC', d.day::pg_catalog.timestamp), d.day, d.key_id, d.endpoint_class, d.code,
		d.calls, d.denials, d.errors, d.units, d.bytes_out, d.latency, d.ips
	FROM apikey.usage_daily d
	WHERE NOT _report_rows.hourly
		AND d.tenant_id OPERATOR(pg_catalog.=) ANY (_report_rows.tenants)
		AND d.day OPERATOR(pg_catalog.>=) (pg_catalog.date_trunc('day', pg_catalog.timezone('UTC', _report_rows.since) OPERATOR(pg_catalog.+) '23:59:59.999999'::pg_catalog."interval"))::pg_catalog.date
		AND d.day OPERATOR(pg_catalog.<) (pg_catalog.timezone('UTC', _report_rows.until))::pg_catalog.date
	UNION ALL
	-- before the first midnight
	SELECT h.hour, (pg_catalog.timezone('UTC', h.hour))::pg_catalog.date, h.key_id, h.endpoint_class, h.code, h.calls, h.denials, h.errors, h.units, h.bytes_out, h.latency, h.ips
	FROM apikey.usage_hourly h
	WHERE NOT _report_rows.hourly
		AND h.tenant_id OPERATOR(pg_catalog.=) ANY (_report_rows.tenants)
		AND h.hour OPERATOR(pg_catalog.>=) _report_rows.since
		AND h.hour OPERATOR(pg_catalog.<) LEAST(_report_rows.until, pg_catalog.timezone('UTC', pg_catalog.date_trunc('day', pg_catalog.timezone('UTC', _report_rows.since) OPERATOR(pg_catalog.+) '23:59:59.999999'::pg_catalog."interval")))
	UNION ALL
	-- from the last one on, if it is not before the first
	SELECT h.hour, (pg_catalog.timezone('UTC', h.hour))::pg_catalog.date, h.key_id, h.endpoint_class, h.code, h.calls, h.denials, h.errors, h.units, h.bytes_out, h.latency, h.ips
	FROM apikey.usage_hourly h
	WHERE NOT _report_rows.hourly
		AND h.tenant_id OPERATOR(pg_catalog.=) ANY (_report_rows.tenants)
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

-- The server errors and the latency of a range.
CREATE FUNCTION apikey._report_latency(tenants bigint[], since timestamptz, until timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT jsonb_build_object('errors', coalesce(l.errors, 0),
			'p50', apikey.latency_percentile(l.latency, 0.5), 'p95', apikey.latency_percentile(l.latency, 0.95))
		FROM (SELECT sum(r.errors) AS errors, apikey.latency_merge(r.latency) AS latency
			  FROM apikey._report_rows(tenants, since, until, false) r WHERE r.latency IS NOT NULL OR r.errors > 0) l);
END
$$;

-- A bar for each step, those without traffic too, and the latency of all.
-- logging: the keys whose requests are what was logged.
CREATE FUNCTION apikey._report_traffic(tenants bigint[], logging bigint[], since timestamptz, until timestamptz, hourly boolean, step interval) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
	RETURN (
		WITH bar AS MATERIALIZED (
			SELECT date_bin(step, r.at, _report_traffic.since) AS since,
				   sum(r.calls) FILTER (WHERE r.code = 'VALID' OR r.code = 'LOGGED' AND r.key_id = ANY (logging)) AS accepted,
				   sum(r.denials) AS denied,
				   sum(r.errors) AS errors,
				   apikey.latency_merge(r.latency) AS latency
			FROM apikey._report_rows(tenants, _report_traffic.since, _report_traffic.until, hourly) r
			GROUP BY 1
		), whole AS (
			SELECT coalesce(sum(b.errors), 0) AS errors, apikey.latency_merge(b.latency) AS latency FROM bar b
		)
		SELECT jsonb_build_object(
			'answers', (SELECT jsonb_build_object('errors', w.errors, 'p50', apikey.latency_percentile(w.latency, 0.5), 'p95', apikey.latency_percentile(w.latency, 0.95)) FROM whole w),
			'bars', jsonb_agg(jsonb_build_object(
				'since', s.at,
				'until', least(s.at + step, _report_traffic.until),
				'accepted', coalesce(b.accepted, 0),
				'denied', coalesce(b.denied, 0),
				'errors', coalesce(b.errors, 0),
				'p50', apikey.latency_percentile(b.latency, 0.5),
				'p95', apikey.latency_percentile(b.latency, 0.95),
				'p99', apikey.latency_percentile(b.latency, 0.99)) ORDER BY s.at))
		FROM generate_series(_report_traffic.since, _report_traffic.until - interval '1 us', step) s (at)
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

CREATE FUNCTION apikey._report_endpoints(tenants bigint[], logging bigint[], since timestamptz, until timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT jsonb_build_object(
			'classes', count(*),
			'list', coalesce(jsonb_agg(jsonb_build_object(
				'endpoint', e.endpoint_class, 'accepted', e.accepted, 'denied', e.denied, 'errors', e.errors, 'logged', e.logged,
				'p50', apikey.latency_percentile(e.latency, 0.5), 'p95', apikey.latency_percentile(e.latency, 0.95),
				'bytes', e.bytes) ORDER BY e.place) FILTER (WHERE e.place <= 10), '[]'))
		FROM (SELECT r.endpoint_class,
					 coalesce(sum(r.calls) FILTER (WHERE r.code = 'VALID' OR r.code = 'LOGGED' AND r.key_id = ANY (logging)), 0) AS accepted,
					 sum(r.denials) AS denied, sum(r.errors) AS errors,
					 coalesce(sum(r.calls) FILTER (WHERE r.code = 'LOGGED'), 0) AS logged,
					 apikey.latency_merge(r.latency) AS latency, sum(r.bytes_out) AS bytes,
					 row_number() OVER (ORDER BY sum(r.calls) FILTER (WHERE r.denials > 0 OR r.code = 'VALID' OR r.key_id = ANY (logging)) DESC NULLS LAST, r.endpoint_class) AS place
			  FROM apikey._report_rows(tenants, since, until, false) r
			  WHERE r.endpoint_class IS NOT NULL GROUP BY r.endpoint_class) e);
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
			WHERE s.tenant_id = ANY (tenants) AND s.window_start <= now AND s.window_end > now
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
			FROM apikey.api_key t WHERE t.tenant_id = ANY (tenants) AND t.status <> 'revoked'
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
			'ages', (SELECT jsonb_agg(jsonb_build_object('from', a.lower, 'to', a.upper, 'keys',
						(SELECT count(*) FROM s WHERE s.made_at <= now - make_interval(days => a.lower)
							AND (a.upper IS NULL OR s.made_at > now - make_interval(days => a.upper)))) ORDER BY a.lower)
					 FROM (VALUES (0, 30), (30, 90), (90, 180), (180, 365), (365, NULL)) a (lower, upper))));
END
$$;

-- --- keys ------------------------------------------------------------------

-- A key as a report shows it; one that was deleted since has only its id.
CREATE FUNCTION apikey._report_key(key_id bigint) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce(
		(SELECT jsonb_build_object('key_id', k.key_id, 'name', k.name, 'owner', k.owner, 'status', k.status,
					'tenant', apikey._path(k.tenant_id), 'environment', e.name)
		 FROM apikey.api_key k JOIN apikey.environment e ON e.environment_id = k.environment_id
		 WHERE k.key_id = _report_key.key_id),
		jsonb_build_object('key_id', _report_key.key_id, 'status', 'deleted'));
END
$$;

-- What each key did in a range.  days: a bit for each of up to 31 days of UTC it
-- was accepted on.  Rows are grouped by code first: there are many rows and few
-- codes.
CREATE FUNCTION apikey._report_keys(tenants bigint[], since timestamptz, until timestamptz)
	RETURNS TABLE (
		key_id bigint,
		accepted bigint,
		denied bigint,
		logged bigint,
		only_logged boolean,
		units numeric,
		bytes numeric,
		limited bigint,
		revoked bigint,
		superseded bigint,
		expired bigint,
		ips bytea,
		revoked_ips bytea,
		days integer
	)
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10000 SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	first constant date := since::date;
BEGIN
	RETURN QUERY
	SELECT g.key_id,
		   CASE WHEN g.valid > 0 THEN g.valid ELSE g.logged END,
		   g.denied, g.logged, g.valid = 0 AND g.logged > 0,
		   CASE WHEN g.valid > 0 THEN g.units ELSE g.logged_units END,
		   g.bytes, g.limited, g.revoked, g.superseded, g.expired, g.ips, g.revoked_ips, g.days
	FROM (
		SELECT c.key_id,
			   coalesce(sum(c.calls) FILTER (WHERE c.code = 'VALID'), 0)::bigint AS valid,
			   coalesce(sum(c.calls) FILTER (WHERE c.code = 'LOGGED'), 0)::bigint AS logged,
			   coalesce(sum(c.units) FILTER (WHERE c.code = 'VALID'), 0) AS units,
			   coalesce(sum(c.units) FILTER (WHERE c.code = 'LOGGED'), 0) AS logged_units,
			   coalesce(sum(c.calls) FILTER (WHERE c.code NOT IN ('VALID', 'LOGGED')), 0)::bigint AS denied,
			   coalesce(sum(c.calls) FILTER (WHERE c.code IN ('QUOTA_EXCEEDED', 'RATE_LIMITED')), 0)::bigint AS limited,
			   coalesce(sum(c.calls) FILTER (WHERE c.code = 'REVOKED'), 0)::bigint AS revoked,
			   coalesce(sum(c.calls) FILTER (WHERE c.code = 'SUPERSEDED'), 0)::bigint AS superseded,
			   coalesce(sum(c.calls) FILTER (WHERE c.code = 'EXPIRED'), 0)::bigint AS expired,
			   sum(c.bytes) AS bytes, apikey.ip_merge(c.ips) AS ips,
			   apikey.ip_merge(c.ips) FILTER (WHERE c.code = 'REVOKED') AS revoked_ips,
			   bit_or(c.days) FILTER (WHERE c.code IN ('VALID', 'LOGGED')) AS days
		FROM (
			SELECT r.key_id, r.code, sum(r.calls) AS calls, sum(r.units) AS units, sum(r.bytes_out) AS bytes, apikey.ip_merge(r.ips) AS ips,
				   bit_or(1 << least(r.day - first, 30)) AS days
			FROM apikey._report_rows(tenants, since, until, false) r
			GROUP BY r.key_id, r.code) c
		GROUP BY c.key_id) g;
END
$$;

-- The hours of the day that are not among these nor next to one of them, each
-- kind of day for itself.
CREATE FUNCTION apikey._other_hours(hours bigint) RETURNS bigint
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	day constant bigint := (1::bigint << 24) - 1;
	work bigint := hours & day;
	weekend bigint := (hours >> 24) & day;
BEGIN
	-- all these operators have one precedence
	work := (work | (work << 1) | (work >> 1) | (work >> 23) | (work << 23)) & day;
	weekend := (weekend | (weekend << 1) | (weekend >> 1) | (weekend >> 23) | (weekend << 23)) & day;
	RETURN (~(work | (weekend << 24))) & ((1::bigint << 48) - 1);
END
$$;

-- Keys that use an old secret beside a new one: how many of the latest thousand
-- requests of each in the range.  Rollups do not tell secrets apart, so this
-- looks at usage, for two hundred keys at most.
CREATE FUNCTION apikey._report_old_secrets(tenants bigint[], since timestamptz, until timestamptz, now timestamptz)
	RETURNS TABLE (key_id bigint, requests bigint, of bigint, ends timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT o.key_id, u.requests, u.of, o.ends
	FROM (SELECT s.key_id, array_agg(s.secret_id) AS secrets, max(s.expires_at) AS ends, max(n.created_at) AS rotated_at
		  FROM apikey.api_key k
			JOIN apikey.key_secret s ON s.key_id = k.key_id AND s.revoked_at IS NULL AND s.expires_at > now
			JOIN apikey.key_secret n ON n.key_id = s.key_id AND n.secret_id > s.secret_id AND n.revoked_at IS NULL
		  WHERE k.tenant_id = ANY (tenants) AND k.status <> 'revoked'
		  GROUP BY s.key_id ORDER BY 4 DESC, 1 LIMIT 200) o
		CROSS JOIN LATERAL (
			SELECT count(*) FILTER (WHERE l.secret_id = ANY (o.secrets)) AS requests, count(*) AS of
			FROM (SELECT r.secret_id FROM apikey.usage r
				  WHERE r.code = 'VALID' AND r.key_id = o.key_id AND r.at >= greatest(_report_old_secrets.since, o.rotated_at) AND r.at < _report_old_secrets.until
				  ORDER BY r.at DESC LIMIT 1000) l) u
	WHERE u.requests > 0;
END
$$;

-- The busiest keys, those that ran into limits, and those with something about
-- them that should be looked at: what (kind), how bad (3 is worst) and the
-- figures that say it.  The thresholds are described in doc/apikey.md.
CREATE FUNCTION apikey._report_about_keys(tenants bigint[], since timestamptz, until timestamptz, hourly boolean, now timestamptz,
	OUT facts jsonb, OUT logging bigint[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	length constant interval := until - since;
	steps constant numeric := extract(epoch FROM length) / CASE WHEN hourly THEN 3600 ELSE 86400 END;
	many constant bigint := CASE WHEN hourly THEN 100 ELSE 1000 END;
	-- of each hour of the week, the first of Monday first: the bit it has
	week constant bigint[] := ARRAY(SELECT 1::bigint << (i % 24 + CASE WHEN i >= 120 THEN 24 ELSE 0 END) FROM generate_series(0, 167) i ORDER BY i);
BEGIN
	WITH n AS MATERIALIZED (
		SELECT k.*, coalesce(apikey.ip_count(k.ips), 0) AS addresses FROM apikey._report_keys(tenants, since, until) k
	), b AS MATERIALIZED (
		SELECT k.*, coalesce(apikey.ip_count(k.ips), 0) AS addresses FROM apikey._report_keys(tenants, since - length, since) k
	), burst AS (
		-- a look at each of few keys rather than at all hours, here and below
		SELECT n.key_id, x.denied, x.at
		FROM n CROSS JOIN LATERAL (
			SELECT r.at, sum(r.denials) AS denied
			FROM apikey._report_rows(tenants, _report_about_keys.since, _report_about_keys.until, hourly) r
			WHERE r.denials > 0 AND r.key_id = n.key_id GROUP BY r.at ORDER BY 2 DESC, 1 LIMIT 1) x
		WHERE n.denied >= many
	), habit AS MATERIALIZED (
		-- a key with habits: seen on three days or more, and quiet half of the hours of work days
		SELECT r.key_id, apikey._other_hours(bit_or(week[1 + (date_part('epoch', r.at) / 3600 + 72)::bigint % 168])) AS hours
		FROM apikey._report_rows(tenants, _report_about_keys.since - length, _report_about_keys.since, true) r
		WHERE hourly AND r.code IN ('VALID', 'LOGGED') AND r.key_id IN (
			SELECT b.key_id FROM b JOIN n ON n.key_id = b.key_id
			WHERE b.accepted >= 100 AND bit_count(b.days::bit(32)) >= 3 AND greatest(n.accepted, n.logged) >= 20)
		GROUP BY r.key_id
		HAVING bit_count(bit_or(week[1 + (date_part('epoch', r.at) / 3600 + 72)::bigint % 168])::bit(24)) <= 12
	), off AS (
		SELECT s.key_id, x.at, x.calls
		FROM habit s CROSS JOIN LATERAL (
			SELECT min(r.at) AS at,
				   greatest(sum(r.calls) FILTER (WHERE r.code = 'VALID'), sum(r.calls) FILTER (WHERE r.code = 'LOGGED')) AS calls
			FROM apikey._report_rows(tenants, _report_about_keys.since, _report_about_keys.until, true) r
			WHERE r.key_id = s.key_id AND r.code IN ('VALID', 'LOGGED')
				AND s.hours & week[1 + (date_part('epoch', r.at) / 3600 + 72)::bigint % 168] <> 0) x
	), gone AS (
		-- from where keys were used in the month that ended with their revocation
		SELECT n.key_id, n.revoked, n.revoked_ips, k.revoked_at, u.ips AS before
		FROM n LEFT JOIN apikey.api_key k ON k.key_id = n.key_id
			CROSS JOIN LATERAL (
				SELECT apikey.ip_merge(d.ips) AS ips FROM apikey.usage_daily d
				WHERE d.key_id = n.key_id AND d.code IN ('VALID', 'LOGGED')
					AND d.day <= coalesce(k.revoked_at, _report_about_keys.until)::date AND d.day >= coalesce(k.revoked_at, _report_about_keys.until)::date - 31) u
		WHERE n.revoked > 0
	), revoked AS (
		-- sets have one form each: a different one has more addresses
		SELECT g.key_id, g.revoked, g.revoked_at,
			   CASE WHEN g.before IS NULL OR g.revoked_ips IS NULL THEN NULL
					WHEN apikey._ip_add(g.before, g.revoked_ips) = g.before THEN 0
					ELSE greatest(apikey.ip_count(apikey._ip_add(g.before, g.revoked_ips)) - apikey.ip_count(g.before), 1) END AS others
		FROM gone g
	), finding (key_id, severity, kind, n, more) AS (
		SELECT r.key_id, CASE WHEN r.revoked >= 100 OR r.others > 0 THEN 3 WHEN r.revoked >= 10 OR r.others IS NULL THEN 2 ELSE 1 END,
			   'revoked', r.revoked::numeric, jsonb_build_object('at', r.revoked_at, 'others', r.others)
		FROM revoked r
		UNION ALL
		SELECT n.key_id, 3, 'addresses', n.addresses, jsonb_build_object('before', b.addresses)
		FROM n JOIN b ON b.key_id = n.key_id WHERE n.addresses >= 20 AND n.addresses >= 5 * b.addresses AND b.addresses > 0
		UNION ALL
		SELECT o.key_id, 2, 'hours', o.calls, jsonb_build_object('at', o.at) FROM off o WHERE o.calls >= 20
		UNION ALL
		SELECT x.key_id, 2, 'burst', x.denied, jsonb_build_object('at', x.at, 'hourly', hourly)
		FROM burst x JOIN n ON n.key_id = x.key_id
		WHERE x.denied >= many AND x.denied * steps >= 5 * n.denied
		UNION ALL
		SELECT n.key_id, 2, 'dormant', n.accepted, jsonb_build_object('day', p.day)
		FROM n LEFT JOIN b ON b.key_id = n.key_id CROSS JOIN LATERAL (
			SELECT d.day FROM apikey.usage_daily d
			WHERE d.key_id = n.key_id AND d.day < _report_about_keys.since::date AND d.code IN ('VALID', 'LOGGED')
			ORDER BY d.day DESC LIMIT 1) p
		WHERE n.accepted > 0 AND p.day <= _report_about_keys.since::date - 30
			AND (length > interval '30 days' OR b.accepted IS NULL OR b.accepted = 0)
		UNION ALL
		SELECT n.key_id, 2, 'bytes', n.bytes, jsonb_build_object('before', b.bytes)
		FROM n JOIN b ON b.key_id = n.key_id WHERE n.bytes >= 100000000 AND b.bytes > 0 AND n.bytes >= 5 * b.bytes
		UNION ALL
		SELECT n.key_id, 2, 'superseded', n.superseded, '{}' FROM n WHERE n.superseded > 0
		UNION ALL
		SELECT o.key_id, 1, 'old secret', o.requests, jsonb_build_object('ends', o.ends, 'of', o.of)
		FROM apikey._report_old_secrets(tenants, since, until, now) o
		UNION ALL
		SELECT n.key_id, 1, 'expired', n.expired, '{}' FROM n WHERE n.expired > 0
	), suspect AS (
		SELECT f.key_id, max(f.severity) AS severity,
			   jsonb_agg(jsonb_build_object('kind', f.kind, 'severity', f.severity, 'n', f.n) || f.more ORDER BY f.severity DESC, f.kind) AS findings,
			   row_number() OVER (ORDER BY max(f.severity) DESC, count(*) DESC, max(f.n) DESC, f.key_id) AS place
		FROM finding f GROUP BY f.key_id
	), talker AS (
		SELECT n.*, row_number() OVER (ORDER BY n.accepted + n.denied DESC, n.key_id) AS place FROM n
		WHERE n.accepted + n.denied > 0
	), limited AS (
		SELECT n.key_id, n.limited, n.accepted + n.denied AS calls, row_number() OVER (ORDER BY n.limited DESC, n.key_id) AS place
		FROM n WHERE n.limited > 0
	)
	SELECT (SELECT array_agg(n.key_id) FROM n WHERE n.only_logged), jsonb_build_object(
		'suspects', (SELECT count(*) FROM suspect),
		'severities', (SELECT jsonb_object_agg(x.severity, x.keys) FROM (SELECT s.severity, count(*) AS keys FROM suspect s GROUP BY 1) x),
		'suspicious', (SELECT coalesce(jsonb_agg(apikey._report_key(s.key_id)
				|| jsonb_build_object('severity', s.severity, 'findings', s.findings) ORDER BY s.place), '[]')
			FROM suspect s WHERE s.place <= 20),
		'talkers', (SELECT coalesce(jsonb_agg(apikey._report_key(t.key_id)
				|| jsonb_build_object('accepted', t.accepted, 'denied', t.denied, 'bytes', t.bytes, 'ips', t.addresses,
					'p95', (SELECT apikey.latency_percentile(apikey.latency_merge(r.latency), 0.95)
						FROM apikey._report_rows(tenants, _report_about_keys.since, _report_about_keys.until, false) r WHERE r.key_id = t.key_id)) ORDER BY t.place), '[]')
			FROM talker t WHERE t.place <= 10),
		'totals', (SELECT jsonb_build_object('accepted', coalesce(sum(n.accepted), 0), 'denied', coalesce(sum(n.denied), 0), 'logged', coalesce(sum(n.logged), 0),
				'units', coalesce(sum(n.units), 0), 'bytes', coalesce(sum(n.bytes), 0),
				'ips', coalesce(apikey.ip_count(apikey.ip_merge(n.ips)), 0), 'keys', count(*) FILTER (WHERE n.accepted > 0)) FROM n),
		'before', (SELECT jsonb_build_object('accepted', coalesce(sum(b.accepted), 0), 'denied', coalesce(sum(b.denied), 0), 'logged', coalesce(sum(b.logged), 0),
				'units', coalesce(sum(b.units), 0), 'bytes', coalesce(sum(b.bytes), 0),
				'ips', coalesce(apikey.ip_count(apikey.ip_merge(b.ips)), 0), 'keys', count(*) FILTER (WHERE b.accepted > 0)) FROM b),
		'limited_keys', (SELECT count(*) FROM limited),
		'limited', (SELECT coalesce(jsonb_agg(apikey._report_key(l.key_id)
				|| jsonb_build_object('limited', l.limited, 'calls', l.calls) ORDER BY l.place), '[]')
			FROM limited l WHERE l.place <= 5),
		'seen', (SELECT count(*) FROM talker))
	INTO logging, facts;
END
$$;

-- --- all of it -------------------------------------------------------------

CREATE FUNCTION apikey._report_facts(tenant_id bigint, since timestamptz, until timestamptz) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	now constant timestamptz := apikey._now();
	tenants constant bigint[] := ARRAY(SELECT t.tenant_id FROM apikey._tenant_tree(_report_facts.tenant_id) t);
	s constant record := apikey._report_span(since, until, now);
	about constant record := apikey._report_about_keys(tenants, s.since, s.until, s.hourly, now);
	keys constant jsonb := about.facts;
	traffic constant jsonb := apikey._report_traffic(tenants, about.logging, s.since, s.until, s.hourly, s.step);
BEGIN
	RETURN keys || jsonb_build_object(
		'tenant', apikey._path(tenant_id),
		'tenants', cardinality(tenants),
		'now', now, 'since', s.since, 'until', s.until, 'hourly', s.hourly, 'step', extract(epoch FROM s.step),
		'totals', (keys -> 'totals') || (traffic -> 'answers'),
		'before', (keys -> 'before') || apikey._report_latency(tenants, s.since - (s.until - s.since), s.since),
		'traffic', traffic -> 'bars',
		'reasons', apikey._report_reasons(tenants, s.since, s.until),
		'endpoints', apikey._report_endpoints(tenants, about.logging, s.since, s.until),
		'limits', apikey._report_limits(tenants, now),
		'calendar', apikey._report_calendar(tenants, now));
END
$$;

COMMENT ON FUNCTION apikey._report_rows(pg_catalog.int8[], pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.bool) IS
	'rows of usage_hourly, or of usage_daily with hours at the ends, of some tenants in a range';
COMMENT ON FUNCTION apikey._report_span(timestamptz, timestamptz, timestamptz) IS
	'the range of a report in whole hours or days, and the length of its bars; raises for a bad one';
COMMENT ON FUNCTION apikey._report_latency(bigint[], timestamptz, timestamptz) IS 'server errors and latency of a range';
COMMENT ON FUNCTION apikey._report_traffic(bigint[], bigint[], timestamptz, timestamptz, boolean, interval) IS
	'traffic and latency of each step of a range';
COMMENT ON FUNCTION apikey._report_reasons(bigint[], timestamptz, timestamptz) IS 'denials by code';
COMMENT ON FUNCTION apikey._report_endpoints(bigint[], bigint[], timestamptz, timestamptz) IS 'the busiest classes of endpoints';
COMMENT ON FUNCTION apikey._report_limits(bigint[], timestamptz) IS 'quotas that are at least half used';
COMMENT ON FUNCTION apikey._report_calendar(bigint[], timestamptz) IS
	'what ends in the next thirteen weeks, and the age of secrets';
COMMENT ON FUNCTION apikey._report_key(bigint) IS 'names and status of a key';
COMMENT ON FUNCTION apikey._report_keys(bigint[], timestamptz, timestamptz) IS 'what each key did in a range';
COMMENT ON FUNCTION apikey._other_hours(bigint) IS 'the hours of the week that are neither among these nor next to one';
COMMENT ON FUNCTION apikey._report_old_secrets(bigint[], timestamptz, timestamptz, timestamptz) IS
	'keys that still use an old secret';
COMMENT ON FUNCTION apikey._report_about_keys(bigint[], timestamptz, timestamptz, boolean, timestamptz) IS
	'the busiest keys, those that ran into limits, and those that should be looked at';
COMMENT ON FUNCTION apikey._report_facts(bigint, timestamptz, timestamptz) IS 'everything a report shows';
