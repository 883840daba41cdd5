-- ---------------------------------------------------------------------------
-- Quotas and rate limits that survive a crash: credits, resets, and what the
-- writer does to quota_state and limit_state.
--
-- A session never writes those two: it would hold a row lock that the writer,
-- and with it every verification of every key, would wait for.  It inserts into
-- limit_ledger; the writer applies the row after the commit, once.
-- ---------------------------------------------------------------------------

-- The limits of a key, its policy's included, as they apply now.  Rate limits
-- have no window.
CREATE FUNCTION apikey._key_limits(key_id pg_catalog.int8,
	OUT kind pg_catalog.text, OUT name pg_catalog.text, OUT shared pg_catalog.text, OUT holder pg_catalog.text,
	OUT limit_id pg_catalog.uuid, OUT bucket_id pg_catalog.uuid, OUT units pg_catalog.int8,
	OUT window_start pg_catalog.timestamptz, OUT window_end pg_catalog.timestamptz)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 4 AS 'MODULE_PATHNAME', 'apikey_key_limits';

-- At commit the buckets start anew (rate limits) or ask the writer (quotas);
-- a transaction that did this for a rate limit cannot be prepared.
CREATE FUNCTION apikey._limits_changed(bucket_ids pg_catalog.uuid[], rate_limits pg_catalog.bool) RETURNS pg_catalog.void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_limits_changed';

-- --- credits ---------------------------------------------------------------

-- The quota of a key that a call means.
CREATE FUNCTION apikey._find_quota(k apikey.api_key, quota text) RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	names text[];
	found record;
BEGIN
	SELECT array_agg(l.name ORDER BY l.name) INTO names FROM apikey._key_limits(k.key_id) l WHERE l.kind = 'quota';
	IF quota IS NULL AND cardinality(names) > 1 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('key %s has more than one quota', k.key_id),
			HINT = format('Give quota: %s.', array_to_string(names, ', '));
	END IF;
	SELECT l.* INTO found FROM apikey._key_limits(k.key_id) l
		WHERE l.kind = 'quota' AND l.name = coalesce(quota, names[1]);
	IF found.limit_id IS NULL THEN
		IF quota IS NULL THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = format('key %s has no quota', k.key_id),
				HINT = 'Give it one with update_key(), or its policy with set_policy().';
		END IF;
		RAISE undefined_object USING
			MESSAGE = format('key %s has no quota "%s"', k.key_id, apikey._shown(quota));
	END IF;
	RETURN found;
END
$$;

-- What an earlier call with this idempotency key did; raises if it was asked
-- for something else.
CREATE FUNCTION apikey._repeated_credits(k apikey.api_key, limit_id uuid, units bigint, idempotency_key text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	earlier apikey.limit_ledger;
BEGIN
	SELECT * INTO earlier FROM apikey.limit_ledger l
		WHERE l.tenant_id = k.tenant_id AND l.idempotency_key = _repeated_credits.idempotency_key;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	IF earlier.key_id <> k.key_id OR earlier.limit_id <> _repeated_credits.limit_id
		OR earlier.units IS DISTINCT FROM _repeated_credits.units THEN
		RAISE duplicate_object USING
			MESSAGE = 'idempotency key was used with other arguments',
			DETAIL = format('It belongs to credits for key %s.', earlier.key_id);
	END IF;
	RETURN true;
END
$$;

CREATE FUNCTION apikey.add_credits(
	id bigint,
	units bigint,
	quota text DEFAULT NULL,
	reason text DEFAULT NULL,
	idempotency_key text DEFAULT NULL
) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._add_credits(
	id bigint,
	units bigint,
	quota text,
	reason text,
	idempotency_key text
) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
	most CONSTANT bigint := 4611686018427387903;
	l record;
	so_far numeric;
BEGIN
	PERFORM apikey._require(units, 'units');
	IF units <= 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'units must be positive';
	END IF;
	PERFORM apikey._check_text(quota, 'quota', 63);
	PERFORM apikey._check_reason(reason);
	PERFORM apikey._check_text(idempotency_key, 'idempotency_key', 200);
	k := apikey._lock_key(k);
	PERFORM apikey._require_not_revoked(k);
	l := apikey._find_quota(k, quota);
	IF apikey._repeated_credits(k, l.limit_id, units, idempotency_key) THEN
		RETURN apikey._key_info(k.key_id);
	END IF;

	-- a bound for one key; the writer caps what several that share the quota add
	so_far := coalesce((SELECT s.credits FROM apikey.quota_state s
						WHERE s.quota_id = l.limit_id AND s.window_start = l.window_start), 0)
		+ coalesce((SELECT sum(t.units) FROM apikey.limit_ledger t
					WHERE t.limit_id = l.limit_id AND t.window_start = l.window_start AND t.applied_at IS NULL), 0);
	IF so_far + units > most THEN
		RAISE program_limit_exceeded USING
			MESSAGE = format('too many credits for quota "%s" of key %s', l.name, k.key_id),
			DETAIL = format('It has %s, the limit is %s.', so_far, most);
	END IF;

	INSERT INTO apikey.limit_ledger AS t (tenant_id, key_id, kind, limit_id, window_start, window_end, shared, holder, name,
		quota_units, units, reason, idempotency_key, author, created_at)
	VALUES (k.tenant_id, k.key_id, 'credit', l.limit_id, l.window_start, l.window_end, l.shared, l.holder, l.name,
		l.units, units, reason, idempotency_key, apikey._caller_name(), apikey._now())
	ON CONFLICT ON CONSTRAINT limit_ledger_idempotency DO NOTHING;
	IF NOT FOUND THEN
		-- another session was first with this idempotency key
		PERFORM apikey._repeated_credits(k, l.limit_id, units, idempotency_key);
		RETURN apikey._key_info(k.key_id);
	END IF;
	PERFORM apikey._limits_changed(ARRAY[l.bucket_id], false);
	PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.add_credits', NULL, jsonb_strip_nulls(jsonb_build_object(
		'quota', l.name, 'units', units, 'window_start', l.window_start, 'reason', reason)));
	RETURN apikey._key_info(k.key_id);
END
$$;

-- --- reset -----------------------------------------------------------------

-- The limits that the key shares with nobody: full again.  Of a quota, the
-- present window; credits stay.
CREATE FUNCTION apikey.reset_limits(key_id bigint, reason text DEFAULT NULL) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._reset_limits(key_id bigint, reason text) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key;
	names text[];
	buckets uuid[];
	rates boolean;
BEGIN
	PERFORM apikey._require(key_id, 'key_id');
	k := apikey._find_key(key_id, 'keys');
	PERFORM apikey._check_reason(reason);
	k := apikey._lock_key(k);
	WITH own AS MATERIALIZED (
		SELECT l.* FROM apikey._key_limits(k.key_id) l WHERE l.shared = 'key'
	), noted AS (
		INSERT INTO apikey.limit_ledger (tenant_id, key_id, kind, limit_id, window_start, window_end, shared, holder, name,
			quota_units, reason, author, created_at)
		SELECT k.tenant_id, k.key_id, 'reset', o.limit_id, o.window_start, o.window_end, o.shared, o.holder, o.name,
			   o.units, _reset_limits.reason, apikey._caller_name(), apikey._now()
		FROM own o ORDER BY o.name
	)
	SELECT array_agg(o.name ORDER BY o.name), array_agg(o.bucket_id), bool_or(o.kind = 'rate_limit')
		INTO names, buckets, rates FROM own o;
	IF names IS NOT NULL THEN
		PERFORM apikey._limits_changed(buckets, rates);
		PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.reset_limits', NULL, jsonb_strip_nulls(jsonb_build_object(
			'limits', names, 'reason', reason)));
	END IF;
	RETURN apikey._key_info(k.key_id);
END
$$;

-- --- what the writer does, each in a transaction with the others -----------

-- Applies rows of the ledger.  held: of a quota, what its bucket may still get
-- and give out; of a rate limit, NULL if its bucket is in use, which then was
-- reset in memory by whoever committed.
CREATE FUNCTION apikey._apply_ledger(ledger_ids bigint[], held bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most CONSTANT bigint := 4611686018427387903;
	now timestamptz := clock_timestamp();
BEGIN
	INSERT INTO apikey.quota_state (quota_id, window_start, window_end, tenant_id, key_id, shared, holder, name, units, updated_at)
	SELECT DISTINCT ON (l.limit_id, l.window_start)
		   l.limit_id, l.window_start, l.window_end, l.tenant_id, l.key_id, l.shared, l.holder, l.name, l.quota_units, now
	FROM apikey.limit_ledger l WHERE l.ledger_id = ANY (ledger_ids) AND l.window_start IS NOT NULL AND l.kind = 'credit'
	ORDER BY l.limit_id, l.window_start, l.ledger_id DESC
	ON CONFLICT (quota_id, window_start) DO NOTHING;

	UPDATE apikey.quota_state s SET credits = least(s.credits + c.units, most), updated_at = now
	FROM (SELECT l.limit_id, l.window_start, sum(l.units) AS units
		  FROM apikey.limit_ledger l WHERE l.ledger_id = ANY (ledger_ids) AND l.kind = 'credit'
		  GROUP BY l.limit_id, l.window_start) c
	WHERE s.quota_id = c.limit_id AND s.window_start = c.window_start;

	UPDATE apikey.quota_state s SET reserved = least(s.reserved, r.held), used = 0, updated_at = now
	FROM (SELECT l.limit_id, l.window_start, max(h.held) AS held
		  FROM unnest(ledger_ids, _apply_ledger.held) h (ledger_id, held) JOIN apikey.limit_ledger l USING (ledger_id)
		  WHERE l.kind = 'reset' AND l.window_start IS NOT NULL
		  GROUP BY l.limit_id, l.window_start) r
	WHERE s.quota_id = r.limit_id AND s.window_start = r.window_start;

	DELETE FROM apikey.limit_state s
	USING unnest(ledger_ids, _apply_ledger.held) h (ledger_id, held) JOIN apikey.limit_ledger l USING (ledger_id)
	WHERE l.kind = 'reset' AND l.window_start IS NULL AND h.held IS NOT NULL AND s.limit_id = l.limit_id;

	UPDATE apikey.limit_ledger l SET applied_at = now WHERE l.ledger_id = ANY (ledger_ids);
END
$$;

-- Takes blocks of units from quotas.  A block brings the bucket, which has
-- left_units of its last one, to a sixteenth of what is there; at least what is
-- needed, if it has less; need 0 takes none.
CREATE FUNCTION apikey._reserve_quotas(
	quota_ids uuid[], window_starts timestamptz[], window_ends timestamptz[], tenant_ids bigint[], key_ids bigint[],
	shared text[], holders text[], names text[], units bigint[], needs bigint[], left_units bigint[], most bigint,
	OUT n bigint, OUT block bigint, OUT rest bigint, OUT credits bigint) RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	INSERT INTO apikey.quota_state (quota_id, window_start, window_end, tenant_id, key_id, shared, holder, name, units, updated_at)
	SELECT r.quota_id, r.window_start, r.window_end, r.tenant_id, r.key_id, r.shared, r.holder, r.name, r.units, at
	FROM unnest(quota_ids, window_starts, window_ends, tenant_ids, key_ids, shared, holders, names, units, needs)
		r (quota_id, window_start, window_end, tenant_id, key_id, shared, holder, name, units, need)
	WHERE r.need > 0
	ON CONFLICT (quota_id, window_start) DO NOTHING;

	RETURN QUERY
	WITH asked AS MATERIALIZED (
		SELECT r.n, r.quota_id, r.window_start, r.units, r.left_units, coalesce(s.reserved, 0) AS reserved, coalesce(s.credits, 0) AS credits, a.available,
			   CASE WHEN r.need <= 0 OR a.available <= 0 THEN 0
					ELSE least(a.available, greatest(CASE WHEN r.need > r.left_units THEN r.need ELSE 0 END,
													 least(greatest(a.available / 16, 1), most) - r.left_units)) END AS block
		FROM unnest(quota_ids, window_starts, units, needs, left_units)
			WITH ORDINALITY r (quota_id, window_start, units, need, left_units, n)
			LEFT JOIN apikey.quota_state s ON s.quota_id = r.quota_id AND s.window_start = r.window_start
			CROSS JOIN LATERAL (SELECT r.units + coalesce(s.credits, 0) - coalesce(s.reserved, 0)) a (available)
	), stored AS (
		UPDATE apikey.quota_state s SET
			reserved = a.reserved + a.block, used = greatest(a.reserved - a.left_units, 0), units = a.units, updated_at = at
		FROM asked a
		WHERE s.quota_id = a.quota_id AND s.window_start = a.window_start AND (a.block > 0 OR s.units <> a.units)
	)
	SELECT a.n, a.block, a.available - a.block, a.credits FROM asked a;
END
$$;

-- Gives units back that were reserved and will not be given out.
CREATE FUNCTION apikey._return_quotas(quota_ids uuid[], window_starts timestamptz[], units bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE apikey.quota_state s SET
		reserved = greatest(s.reserved - r.units, 0), used = greatest(s.reserved - r.units, 0), updated_at = clock_timestamp()
	FROM (SELECT u.quota_id, u.window_start, sum(u.units)::bigint AS units
		  FROM unnest(quota_ids, window_starts, _return_quotas.units) u (quota_id, window_start, units)
		  GROUP BY u.quota_id, u.window_start) r
	WHERE s.quota_id = r.quota_id AND s.window_start = r.window_start;
END
$$;

-- Shows what is used: all that is reserved but what the bucket has left.
CREATE FUNCTION apikey._note_quotas(quota_ids uuid[], window_starts timestamptz[], left_units bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE apikey.quota_state s SET used = greatest(s.reserved - u.left_units, 0), updated_at = clock_timestamp()
	FROM unnest(quota_ids, window_starts, _note_quotas.left_units) u (quota_id, window_start, left_units)
	WHERE s.quota_id = u.quota_id AND s.window_start = u.window_start
		AND s.used <> greatest(s.reserved - u.left_units, 0);
END
$$;

-- What is on disk of some rate limits, in the order asked for.
CREATE FUNCTION apikey._limit_ceilings(limit_ids uuid[], OUT n bigint, OUT ceiling timestamptz) RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT r.n, s.ceiling FROM unnest(limit_ids) WITH ORDINALITY r (limit_id, n)
		JOIN apikey.limit_state s ON s.limit_id = r.limit_id;
END
$$;

-- Raises ceilings; how much the writer has computed.
CREATE FUNCTION apikey._reserve_limits(
	limit_ids uuid[], tenant_ids bigint[], key_ids bigint[], shared text[], holders text[], names text[],
	ceilings timestamptz[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	at timestamptz := clock_timestamp();
BEGIN
	INSERT INTO apikey.limit_state AS s (limit_id, tenant_id, key_id, shared, holder, name, ceiling, updated_at)
	SELECT r.*, at
	FROM unnest(limit_ids, tenant_ids, key_ids, shared, holders, names, ceilings) r
	ON CONFLICT (limit_id) DO UPDATE SET ceiling = greatest(s.ceiling, excluded.ceiling), updated_at = at
		WHERE s.ceiling < excluded.ceiling;
END
$$;

-- Buckets that were taken back: their exact state is known.
CREATE FUNCTION apikey._close_limits(limit_ids uuid[], ceilings timestamptz[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE apikey.limit_state s SET ceiling = c.ceiling, updated_at = clock_timestamp()
	FROM unnest(limit_ids, ceilings) c (limit_id, ceiling)
	WHERE s.limit_id = c.limit_id AND s.ceiling > c.ceiling;
END
$$;

-- All durable limits there are: a writer that did not make a bucket itself
-- finds out whose it is.
CREATE FUNCTION apikey._durable_limits(OUT quota boolean, OUT limit_id uuid) RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT DISTINCT true, s.quota_id FROM apikey.quota_state s
	UNION ALL SELECT false, s.limit_id FROM apikey.limit_state s;
END
$$;

-- Rows that mean nothing any more: windows that are long over, rate limits
-- that are full again, limits of keys that are gone.
CREATE FUNCTION apikey._forget_limits() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now timestamptz := clock_timestamp();
	old timestamptz := now - interval '35 days';
	n bigint;
	total bigint;
BEGIN
	DELETE FROM apikey.quota_state s WHERE s.window_end < old
		OR (s.shared = 'key' AND NOT EXISTS (SELECT FROM apikey.api_key k WHERE k.key_id = s.key_id)
			AND s.updated_at < old);
	GET DIAGNOSTICS total = ROW_COUNT;
	DELETE FROM apikey.limit_state s WHERE s.ceiling < now;
	GET DIAGNOSTICS n = ROW_COUNT;
	total := total + n;
	DELETE FROM apikey.limit_ledger l WHERE l.applied_at < old AND coalesce(l.window_end, l.created_at) < old;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN total + n;
END
$$;
