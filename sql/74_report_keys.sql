-- ---------------------------------------------------------------------------
-- What a report tells of keys: the busiest, those that ran into limits, those
-- that should be looked at.
-- ---------------------------------------------------------------------------

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

-- What each key did in a range, as if it told of nothing twice; mixed: it has
-- rows of both kinds, so it may.  days: a bit for each of up to 31 days of UTC it
-- was accepted on.  Rows are grouped by code first: there are many rows and few
-- codes.
CREATE FUNCTION apikey._report_keys(tenants bigint[], since timestamptz, until timestamptz)
	RETURNS TABLE (
		key_id bigint,
		accepted bigint,
		denied bigint,
		logged bigint,
		mixed boolean,
		units numeric,
		bytes numeric,
		errors bigint,
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
	SELECT c.key_id,
		   coalesce(sum(c.calls) FILTER (WHERE c.code IN ('VALID', 'LOGGED')), 0)::bigint,
		   coalesce(sum(c.calls) FILTER (WHERE c.code NOT IN ('VALID', 'LOGGED')), 0)::bigint,
		   coalesce(sum(c.calls) FILTER (WHERE c.code = 'LOGGED'), 0)::bigint,
		   count(*) FILTER (WHERE c.code IN ('VALID', 'LOGGED')) > 1,
		   coalesce(sum(c.units) FILTER (WHERE c.code IN ('VALID', 'LOGGED')), 0),
		   sum(c.bytes), sum(c.errors)::bigint,
		   coalesce(sum(c.calls) FILTER (WHERE c.code IN ('QUOTA_EXCEEDED', 'RATE_LIMITED')), 0)::bigint,
		   coalesce(sum(c.calls) FILTER (WHERE c.code = 'REVOKED'), 0)::bigint,
		   coalesce(sum(c.calls) FILTER (WHERE c.code = 'SUPERSEDED'), 0)::bigint,
		   coalesce(sum(c.calls) FILTER (WHERE c.code = 'EXPIRED'), 0)::bigint,
		   apikey.ip_merge(c.ips),
		   apikey.ip_merge(c.ips) FILTER (WHERE c.code = 'REVOKED'),
		   bit_or(c.days) FILTER (WHERE c.code IN ('VALID', 'LOGGED'))
	FROM (
		SELECT r.key_id, r.code, sum(r.calls) AS calls, sum(r.units) AS units, sum(r.bytes_out) AS bytes, sum(r.errors) AS errors, apikey.ip_merge(r.ips) AS ips,
			   bit_or(1 << least(r.day - first, 30)) AS days
		FROM apikey._report_rows(tenants, since, until, false) r
		GROUP BY r.key_id, r.code) c
	GROUP BY c.key_id;
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
CREATE FUNCTION apikey._report_about_keys(tenants bigint[], since timestamptz, until timestamptz, hourly boolean, step interval, now timestamptz,
	OUT facts jsonb, OUT mixed bigint[], OUT twice bigint[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	length constant interval := until - since;
	steps constant numeric := extract(epoch FROM length) / CASE WHEN hourly THEN 3600 ELSE 86400 END;
	many constant bigint := CASE WHEN hourly THEN 100 ELSE 1000 END;
	-- of each hour of the week, the first of Monday first: the bit it has
	week constant bigint[] := ARRAY(SELECT 1::bigint << (i % 24 + CASE WHEN i >= 120 THEN 24 ELSE 0 END) FROM generate_series(0, 167) i ORDER BY i);
BEGIN
	WITH n1 AS MATERIALIZED (
		SELECT * FROM apikey._report_keys(tenants, since, until)
	), b1 AS MATERIALIZED (
		SELECT * FROM apikey._report_keys(tenants, since - length, since)
	), grown AS MATERIALIZED (
		-- keys that came from so many addresses they did not come from before
		SELECT g.* FROM (
			SELECT k.key_id, o.ips, o.addresses, least(1 + o.addresses / 20, 10) AS least, apikey.ip_count(apikey._ip_add(o.ips, k.ips)) - o.addresses AS others
			FROM n1 k JOIN (SELECT x.*, apikey.ip_count(x.ips) AS addresses FROM b1 x) o ON o.key_id = k.key_id
			WHERE hourly AND k.accepted >= 20 AND o.accepted >= 20 AND o.addresses > 0) g
		WHERE g.others >= g.least
	), n2 AS MATERIALIZED (
		SELECT t.* FROM apikey._report_pieces(tenants,
			(SELECT array_agg(k.key_id) FROM (SELECT n1.key_id FROM n1 WHERE n1.mixed UNION SELECT g.key_id FROM grown g) k), since, until, hourly) t
		WHERE t.twice > 0 OR t.twice_units > 0 OR t.accepted >= 20
	), n AS MATERIALIZED (
		SELECT k.key_id, k.accepted - coalesce(t.calls, 0) AS accepted, k.denied, k.logged, k.mixed, k.units - coalesce(t.units, 0) AS units, k.bytes, k.errors,
			   k.limited, k.revoked, k.superseded, k.expired, k.ips, k.revoked_ips, coalesce(apikey.ip_count(k.ips), 0) AS addresses
		FROM n1 k LEFT JOIN (SELECT n2.key_id, sum(n2.twice)::bigint AS calls, sum(n2.twice_units) AS units FROM n2 GROUP BY n2.key_id) t ON t.key_id = k.key_id
	), b AS MATERIALIZED (
		SELECT k.key_id, k.accepted - coalesce(t.calls, 0) AS accepted, k.denied, k.logged, k.units - coalesce(t.units, 0) AS units, k.bytes, k.errors,
			   k.ips, k.days, coalesce(apikey.ip_count(k.ips), 0) AS addresses
		FROM b1 k LEFT JOIN (
			SELECT x.key_id, sum(x.twice)::bigint AS calls, sum(x.twice_units) AS units
			FROM apikey._report_pieces(tenants, (SELECT array_agg(o.key_id) FROM b1 o WHERE o.mixed), since - length, since, hourly) x GROUP BY x.key_id) t ON t.key_id = k.key_id
	), burst AS (
		-- a look at each of few keys rather than at all hours, here and below
		SELECT n.key_id, x.denied, x.at
		FROM n CROSS JOIN LATERAL (
			SELECT r.at, sum(r.denials) AS denied
			FROM apikey._report_rows(tenants, _report_about_keys.since, _report_about_keys.until, hourly) r
			WHERE r.denials > 0 AND r.key_id = n.key_id GROUP BY r.at ORDER BY 2 DESC, 1 LIMIT 1) x
		WHERE n.denied >= many
	), failed AS (
		SELECT n.key_id, x.at, x.errors, x.answers
		FROM n LEFT JOIN b ON b.key_id = n.key_id CROSS JOIN LATERAL (
			SELECT r.at, sum(r.errors) AS errors, sum(r.calls) AS answers
			FROM apikey._report_rows(tenants, _report_about_keys.since, _report_about_keys.until, hourly) r
			WHERE r.code = 'LOGGED' AND r.key_id = n.key_id GROUP BY r.at ORDER BY 2 DESC, 1 LIMIT 1) x
		WHERE n.errors >= many AND x.errors >= many AND x.errors * 3 >= x.answers
			-- few in all other hours
			AND (n.errors + coalesce(b.errors, 0) - x.errors) * 10 <= n.logged + coalesce(b.logged, 0) - x.answers
	), busy AS MATERIALIZED (
		SELECT n2.key_id, n2.at, n2.accepted AS calls FROM n2 JOIN grown g ON g.key_id = n2.key_id WHERE n2.accepted >= 20
	), usual AS MATERIALIZED (
		SELECT k.key_id, x.calls
		FROM (SELECT DISTINCT y.key_id FROM busy y) k CROSS JOIN LATERAL (
			SELECT greatest(sum(r.calls) FILTER (WHERE r.code = 'VALID'), sum(r.calls) FILTER (WHERE r.code = 'LOGGED')) AS calls
			FROM apikey._report_rows(tenants, _report_about_keys.since - length, _report_about_keys.since, true) r
			WHERE r.key_id = k.key_id AND r.code IN ('VALID', 'LOGGED') GROUP BY r.at ORDER BY 1 DESC LIMIT 1) x
	), strange AS (
		-- most of them in one hour, or in one that is busier than it ever was
		SELECT DISTINCT ON (x.key_id) x.key_id, x.at, x.calls, x.usual, x.others, (x.others >= 5 AND x.others * 2 >= x.all_others OR x.calls >= x.usual * 5) AS clear
		FROM (SELECT y.key_id, y.at, y.calls, u.calls AS usual, g.least, g.others AS all_others, apikey.ip_count(apikey._ip_add(g.ips, i.ips)) - g.addresses AS others
			  FROM busy y JOIN usual u ON u.key_id = y.key_id JOIN grown g ON g.key_id = y.key_id CROSS JOIN LATERAL (
				SELECT apikey.ip_merge(r.ips) AS ips
				FROM apikey._report_rows(tenants, y.at, y.at + interval '1 hour', true) r
				WHERE r.key_id = y.key_id AND r.code IN ('VALID', 'LOGGED')) i) x
		WHERE x.others >= x.least AND (x.others * 2 >= x.all_others OR x.calls * 2 > x.usual * 3)
		ORDER BY x.key_id, 6 DESC, x.others DESC, x.at
	), habit AS MATERIALIZED (
		-- a key with habits: seen on three days or more, and quiet half of the hours of work days
		SELECT r.key_id, apikey._other_hours(bit_or(week[1 + (date_part('epoch', r.at) / 3600 + 72)::bigint % 168])) AS hours
		FROM apikey._report_rows(tenants, _report_about_keys.since - length, _report_about_keys.since, true) r
		WHERE hourly AND r.code IN ('VALID', 'LOGGED') AND r.key_id IN (
			SELECT b.key_id FROM b JOIN n ON n.key_id = b.key_id
			WHERE b.accepted >= 100 AND bit_count(b.days::bit(32)) >= 3 AND n.accepted >= 20)
		GROUP BY r.key_id
		HAVING bit_count(bit_or(week[1 + (date_part('epoch', r.at) / 3600 + 72)::bigint % 168])::bit(24)) <= 12
	), off AS (
		SELECT s.key_id, x.at, x.calls
		FROM habit s CROSS JOIN LATERAL (
			SELECT min(h.at) AS at, sum(h.calls) AS calls
			FROM (SELECT r.at, greatest(sum(r.calls) FILTER (WHERE r.code = 'VALID'), sum(r.calls) FILTER (WHERE r.code = 'LOGGED')) AS calls
				  FROM apikey._report_rows(tenants, _report_about_keys.since, _report_about_keys.until, true) r
				  WHERE r.key_id = s.key_id AND r.code IN ('VALID', 'LOGGED')
					AND s.hours & week[1 + (date_part('epoch', r.at) / 3600 + 72)::bigint % 168] <> 0
				  GROUP BY r.at) h) x
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
		-- a single attempt, even from elsewhere, is how most old copies of a key show
		SELECT r.key_id, CASE WHEN r.revoked >= 100 OR r.revoked >= 10 AND r.others > 0 THEN 3 WHEN r.revoked >= 10 OR r.others > 0 THEN 2 ELSE 1 END,
			   'revoked', r.revoked::numeric, jsonb_build_object('at', r.revoked_at, 'others', r.others)
		FROM revoked r
		UNION ALL
		SELECT n.key_id, 3, 'addresses', n.addresses, jsonb_build_object('before', b.addresses)
		FROM n JOIN b ON b.key_id = n.key_id WHERE n.addresses >= 20 AND n.addresses >= 5 * b.addresses AND b.addresses > 0
		UNION ALL
		SELECT t.key_id, CASE WHEN t.clear THEN 3 ELSE 2 END, 'strange', t.calls, jsonb_build_object('at', t.at, 'others', t.others, 'usual', t.usual)
		FROM strange t
		UNION ALL
		SELECT x.key_id, 2, 'errors', x.errors, jsonb_build_object('at', x.at, 'answers', x.answers, 'hourly', hourly)
		FROM failed x
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
			   -- a key that is in use and changed is worse than one that no longer is
			   row_number() OVER (ORDER BY max(f.severity) DESC,
				   bool_or(f.severity > 1 AND f.kind NOT IN ('revoked', 'superseded')) DESC, count(*) DESC, max(f.n) DESC, f.key_id) AS place
		FROM finding f GROUP BY f.key_id
	), talker AS (
		SELECT n.*, row_number() OVER (ORDER BY n.accepted + n.denied DESC, n.key_id) AS place FROM n
		WHERE n.accepted + n.denied > 0
	), limited AS (
		SELECT n.key_id, n.limited, n.accepted + n.denied AS calls, row_number() OVER (ORDER BY n.limited DESC, n.key_id) AS place
		FROM n WHERE n.limited > 0
	)
	SELECT (SELECT array_agg(n.key_id) FROM n WHERE n.mixed),
		(SELECT array_agg(coalesce(x.calls, 0) ORDER BY g.at)
		 FROM generate_series(_report_about_keys.since, _report_about_keys.until - interval '1 us', step) g (at)
			LEFT JOIN (SELECT date_bin(step, n2.at, _report_about_keys.since) AS at, sum(n2.twice)::bigint AS calls FROM n2 GROUP BY 1) x ON x.at = g.at),
		jsonb_build_object(
		'suspects', (SELECT count(*) FROM suspect),
		'severities', (SELECT jsonb_object_agg(x.severity, x.keys) FROM (SELECT s.severity, count(*) AS keys FROM suspect s GROUP BY 1) x),
		'suspicious', (SELECT coalesce(jsonb_agg(apikey._report_key(s.key_id)
				|| jsonb_build_object('severity', s.severity, 'findings', s.findings) ORDER BY s.place), '[]')
			FROM suspect s WHERE s.place <= 200),
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
	INTO mixed, twice, facts;
END
$$;

COMMENT ON FUNCTION apikey._report_key(bigint) IS 'names and status of a key';
COMMENT ON FUNCTION apikey._report_keys(bigint[], timestamptz, timestamptz) IS 'what each key did in a range';
COMMENT ON FUNCTION apikey._other_hours(bigint) IS 'the hours of the week that are neither among these nor next to one';
COMMENT ON FUNCTION apikey._report_old_secrets(bigint[], timestamptz, timestamptz, timestamptz) IS
	'keys that still use an old secret';
COMMENT ON FUNCTION apikey._report_about_keys(bigint[], timestamptz, timestamptz, boolean, interval, timestamptz) IS
	'the busiest keys, those that ran into limits, and those that should be looked at';
