-- ---------------------------------------------------------------------------
-- What a report tells of keys: the busiest, those that ran into limits, those
-- that should be looked at.
-- ---------------------------------------------------------------------------

-- A key as a report shows it; one that was deleted since has only its id.
CREATE FUNCTION apikey._report_key(key_id bigint) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	-- asked for hundreds of keys: planned once
	SET plan_cache_mode = auto
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

-- What a key did in a range and in the one before (src/sql_tally.c): a group for
-- each key, with the hours or days of it within.
CREATE FUNCTION apikey._report_tally_step(internal, at timestamptz, code text, calls bigint, errors bigint, units numeric, bytes numeric, origin timestamptz, since timestamptz, piece integer, bar integer)
	RETURNS internal LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_report_tally_step';
CREATE FUNCTION apikey._report_tally_final(internal) RETURNS float8[]
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_report_tally_final';
CREATE AGGREGATE apikey._report_tally(at timestamptz, code text, calls bigint, errors bigint, units numeric, bytes numeric, origin timestamptz, since timestamptz, piece integer, bar integer) (
	SFUNC = apikey._report_tally_step, STYPE = internal, SSPACE = 2000, FINALFUNC = apikey._report_tally_final, PARALLEL = SAFE);
CREATE FUNCTION apikey._sum_step(internal, list float8[]) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_sum_step';
CREATE FUNCTION apikey._sum_final(internal) RETURNS float8[]
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_sum_final';
CREATE AGGREGATE apikey._sum(list float8[]) (
	SFUNC = apikey._sum_step, STYPE = internal, FINALFUNC = apikey._sum_final, PARALLEL = SAFE);

-- All keys of a report, and one row without a key, for attempts with unknown ones.
-- What begins with old is of the range before.
CREATE FUNCTION apikey._report_keys(tenants bigint[], since timestamptz, until timestamptz, hourly boolean, step interval)
	RETURNS TABLE (
		key_id bigint, tenant_id bigint,
		accepted float8, denied float8, logged float8, units float8, bytes float8, errors float8,
		limited float8, revoked float8, superseded float8, expired float8, mixed boolean,
		burst float8, burst_at timestamptz, failed float8, failed_at timestamptz, failed_answers float8, off float8, off_at timestamptz,
		old_accepted float8, old_denied float8, old_logged float8, old_units float8, old_bytes float8, old_errors float8, old_peak float8,
		twice float8[], busy float8[], ips bytea, old_ips bytea, revoked_ips bytea, addresses bigint, old_addresses bigint
	)
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 10000 SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	-- constants of the query, which would compute them for each row
	origin constant timestamptz := since - (until - since);
	piece constant integer := CASE WHEN hourly THEN 3600 ELSE 86400 END;
	bar constant integer := extract(epoch FROM step);
BEGIN
	RETURN QUERY
	SELECT k.key_id, k.tenant_id, t[1], t[2], t[3], t[4], t[5], t[6],
		   t[7], t[8], t[9], t[10], t[11] > 0,
		   t[12], to_timestamp(t[13]), t[14], to_timestamp(t[15]), t[16], t[17], to_timestamp(t[18]),
		   t[19], t[20], t[21], t[22], t[23], t[24], t[25],
		   CASE WHEN t[26] > 0 THEN t[27:26 + t[26]::integer] END, t[27 + t[26]::integer:], k.ips, k.old_ips, k.revoked_ips,
		   coalesce(apikey.ip_count(k.ips), 0), coalesce(apikey.ip_count(k.old_ips), 0)
	FROM (
		SELECT r.key_id, min(r.tenant_id) AS tenant_id,
			   apikey._report_tally(r.at, r.code, r.calls, r.errors, r.units, r.bytes_out,
				   origin, _report_keys.since, piece, bar) AS t,
			   apikey.ip_merge(r.ips) FILTER (WHERE r.at >= _report_keys.since) AS ips,
			   apikey.ip_merge(r.ips) FILTER (WHERE r.at < _report_keys.since) AS old_ips,
			   apikey.ip_merge(r.ips) FILTER (WHERE r.code = 'REVOKED' AND r.at >= _report_keys.since) AS revoked_ips
		FROM apikey._report_rows(tenants, origin, _report_keys.until, hourly) r
		GROUP BY r.key_id) k;
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
		  WHERE (tenants IS NULL OR k.tenant_id = ANY (tenants)) AND k.status <> 'revoked'
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
	OUT facts jsonb, OUT mixed bigint[], OUT twice float8[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	length constant interval := until - since;
	steps constant numeric := extract(epoch FROM length) / CASE WHEN hourly THEN 3600 ELSE 86400 END;
	many constant bigint := CASE WHEN hourly THEN 100 ELSE 1000 END;
BEGIN
	WITH every AS MATERIALIZED (
		SELECT * FROM apikey._report_keys(tenants, since, until, hourly, step)
	), n AS (
		SELECT * FROM every WHERE key_id IS NOT NULL AND accepted + denied > 0
	), grown AS MATERIALIZED (
		-- keys that came from so many addresses they did not come from before
		SELECT g.* FROM (
			SELECT n.key_id, n.old_ips AS ips, n.old_addresses AS addresses, n.old_peak AS usual, n.busy, least(1 + n.old_addresses / 20, 10) AS least,
				   apikey.ip_count(apikey._ip_add(n.old_ips, n.ips)) - n.old_addresses AS others
			FROM n WHERE hourly AND cardinality(n.busy) > 0 AND n.old_addresses > 0) g
		WHERE g.others >= g.least
	), busy AS (
		-- hours with 20 requests or more: times and numbers in turns
		SELECT g.key_id, to_timestamp(g.busy[2 * i - 1]) AS at, g.busy[2 * i]::bigint AS calls, g.usual, g.least, g.others AS all_others,
			   apikey.ip_count(apikey._ip_add(g.ips, b.ips)) - g.addresses AS others
		FROM grown g CROSS JOIN generate_series(1, cardinality(g.busy) / 2) i CROSS JOIN LATERAL (
			SELECT apikey.ip_merge(r.ips) AS ips FROM apikey.usage_hourly r
			WHERE r.key_id = g.key_id AND r.hour = to_timestamp(g.busy[2 * i - 1]) AND r.code IN ('VALID', 'LOGGED')) b
	), strange AS (
		-- most of them in one hour, or in one that is busier than it ever was
		SELECT DISTINCT ON (x.key_id) x.key_id, x.at, x.calls, x.usual, x.others, (x.others >= 5 AND x.others * 2 >= x.all_others OR x.calls >= x.usual * 5) AS clear
		FROM busy x
		WHERE x.others >= x.least AND (x.others * 2 >= x.all_others OR x.calls * 2 > x.usual * 3)
		ORDER BY x.key_id, 6 DESC, x.others DESC, x.at
	), gone AS (
		-- from where keys were used in the month that ended with their revocation
		SELECT n.key_id, n.revoked, n.revoked_ips, k.revoked_at, u.ips AS before
		FROM n LEFT JOIN LATERAL (SELECT a.revoked_at FROM apikey.api_key a WHERE a.key_id = n.key_id OFFSET 0) k ON true
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
		SELECT n.key_id, 3, 'addresses', n.addresses, jsonb_build_object('before', n.old_addresses)
		FROM n WHERE n.addresses >= 20 AND n.addresses >= 5 * n.old_addresses AND n.old_addresses > 0
		UNION ALL
		SELECT t.key_id, CASE WHEN t.clear THEN 3 ELSE 2 END, 'strange', t.calls, jsonb_build_object('at', t.at, 'others', t.others, 'usual', t.usual)
		FROM strange t
		UNION ALL
		-- few in all other hours
		SELECT n.key_id, 2, 'errors', n.failed, jsonb_build_object('at', n.failed_at, 'answers', n.failed_answers, 'hourly', hourly)
		FROM n WHERE n.failed >= many AND n.failed * 3 >= n.failed_answers
			AND (n.errors + n.old_errors - n.failed) * 10 <= n.logged + n.old_logged - n.failed_answers
		UNION ALL
		SELECT n.key_id, 2, 'hours', n.off, jsonb_build_object('at', n.off_at) FROM n WHERE n.off >= 20 AND n.old_accepted >= 100
		UNION ALL
		SELECT n.key_id, 2, 'burst', n.burst, jsonb_build_object('at', n.burst_at, 'hourly', hourly)
		FROM n WHERE n.burst >= many AND n.burst * steps >= 5 * n.denied
		UNION ALL
		SELECT n.key_id, 2, 'dormant', n.accepted, jsonb_build_object('day', p.day)
		FROM n CROSS JOIN LATERAL (
			SELECT d.day FROM apikey.usage_daily d
			WHERE d.key_id = n.key_id AND d.day < _report_about_keys.since::date AND d.code IN ('VALID', 'LOGGED')
			ORDER BY d.day DESC LIMIT 1) p
		WHERE n.accepted > 0 AND p.day <= _report_about_keys.since::date - 30 AND (length > interval '30 days' OR n.old_accepted = 0)
		UNION ALL
		SELECT n.key_id, 2, 'bytes', n.bytes, jsonb_build_object('before', n.old_bytes)
		FROM n WHERE n.bytes >= 100000000 AND n.old_bytes > 0 AND n.bytes >= 5 * n.old_bytes
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
		SELECT n.key_id, n.accepted, n.denied, n.bytes, n.addresses, row_number() OVER (ORDER BY n.accepted + n.denied DESC, n.key_id) AS place FROM n
	), limited AS (
		SELECT n.key_id, n.limited, n.accepted + n.denied AS calls, row_number() OVER (ORDER BY n.limited DESC, n.key_id) AS place
		FROM n WHERE n.limited > 0
	), holder AS (
		SELECT e.tenant_id, sum(e.accepted) AS accepted, sum(e.denied) AS denied, sum(e.bytes) AS bytes, sum(e.old_accepted + e.old_denied) AS before,
			   count(*) FILTER (WHERE e.accepted > 0) AS keys, coalesce(apikey.ip_count(apikey.ip_merge(e.ips)), 0) AS addresses,
			   row_number() OVER (ORDER BY sum(e.accepted + e.denied) DESC, e.tenant_id) AS place
		FROM every e WHERE e.tenant_id IS NOT NULL AND e.accepted + e.denied > 0
		GROUP BY e.tenant_id
	)
	SELECT (SELECT array_agg(n.key_id) FROM n WHERE n.mixed),
		(SELECT apikey._sum(e.twice) FROM every e),
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
		'totals', (SELECT jsonb_build_object('accepted', coalesce(sum(e.accepted), 0), 'denied', coalesce(sum(e.denied), 0), 'logged', coalesce(sum(e.logged), 0),
				'units', coalesce(sum(e.units), 0), 'bytes', coalesce(sum(e.bytes), 0), 'errors', coalesce(sum(e.errors), 0),
				'ips', coalesce(apikey.ip_count(apikey.ip_merge(e.ips)), 0), 'keys', count(*) FILTER (WHERE e.accepted > 0 AND e.key_id IS NOT NULL)) FROM every e),
		'before', (SELECT jsonb_build_object('accepted', coalesce(sum(e.old_accepted), 0), 'denied', coalesce(sum(e.old_denied), 0), 'logged', coalesce(sum(e.old_logged), 0),
				'units', coalesce(sum(e.old_units), 0), 'bytes', coalesce(sum(e.old_bytes), 0), 'errors', coalesce(sum(e.old_errors), 0),
				'ips', coalesce(apikey.ip_count(apikey.ip_merge(e.old_ips)), 0), 'keys', count(*) FILTER (WHERE e.old_accepted > 0 AND e.key_id IS NOT NULL)) FROM every e),
		'unknown', (SELECT jsonb_build_object('denied', e.denied, 'before', e.old_denied, 'addresses', e.addresses, 'burst', e.burst, 'burst_at', e.burst_at)
			FROM every e WHERE e.key_id IS NULL),
		'holders', (SELECT count(*) FROM holder),
		'busiest', (SELECT coalesce(jsonb_agg(jsonb_build_object('tenant', apikey._path(h.tenant_id), 'tenant_id', h.tenant_id, 'accepted', h.accepted, 'denied', h.denied,
				'bytes', h.bytes, 'before', h.before, 'keys', h.keys, 'ips', h.addresses) ORDER BY h.place), '[]')
			FROM holder h WHERE h.place <= 20),
		'limited_keys', (SELECT count(*) FROM limited),
		'limited', (SELECT coalesce(jsonb_agg(apikey._report_key(l.key_id)
				|| jsonb_build_object('limited', l.limited, 'calls', l.calls) ORDER BY l.place), '[]')
			FROM limited l WHERE l.place <= 5),
		'seen', (SELECT count(*) FROM talker))
	INTO mixed, twice, facts;
END
$$;

COMMENT ON FUNCTION apikey._report_key(bigint) IS 'names and status of a key';
COMMENT ON FUNCTION apikey._report_tally_step(internal, timestamptz, text, bigint, bigint, numeric, numeric, timestamptz, timestamptz, integer, integer) IS
	'step of _report_tally()';
COMMENT ON FUNCTION apikey._report_tally_final(internal) IS 'answer of _report_tally()';
COMMENT ON AGGREGATE apikey._report_tally(timestamptz, text, bigint, bigint, numeric, numeric, timestamptz, timestamptz, integer, integer) IS
	'what a key did in a range and in the one before, from its rows of rollups';
COMMENT ON FUNCTION apikey._sum_step(internal, float8[]) IS 'step of _sum()';
COMMENT ON FUNCTION apikey._sum_final(internal) IS 'answer of _sum()';
COMMENT ON AGGREGATE apikey._sum(float8[]) IS 'sums of lists of numbers, place by place';
COMMENT ON FUNCTION apikey._report_keys(bigint[], timestamptz, timestamptz, boolean, interval) IS
	'what each key did in a range and in the one before';
COMMENT ON FUNCTION apikey._report_old_secrets(bigint[], timestamptz, timestamptz, timestamptz) IS
	'keys that still use an old secret';
COMMENT ON FUNCTION apikey._report_about_keys(bigint[], timestamptz, timestamptz, boolean, interval, timestamptz) IS
	'the busiest keys, those that ran into limits, and those that should be looked at';
