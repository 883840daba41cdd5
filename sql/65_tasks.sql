-- ---------------------------------------------------------------------------
-- What the workers run.  Each task is called in a transaction of its own,
-- does a bounded piece of work and returns the number of rows it changed; the
-- next call goes on where it stopped.  None waits for a caller's row lock.
-- Workers live long: what could be planned on nearly empty tables is planned
-- anew for each call.
-- ---------------------------------------------------------------------------

-- Where a sweep over the keys goes on; no row: from the beginning.
CREATE TABLE apikey.task_state (
	task		pg_catalog.text PRIMARY KEY,
	last_at		pg_catalog.timestamptz,
	last_key_id	pg_catalog.int8 NOT NULL
);
ALTER TABLE apikey.task_state ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY task_state_none ON apikey.task_state USING (false);
SELECT pg_catalog.pg_extension_config_dump('apikey.task_state', '');

CREATE FUNCTION apikey._set_task_state(task text, last_at timestamptz, last_key_id bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF _set_task_state.last_key_id IS NULL THEN
		DELETE FROM apikey.task_state s WHERE s.task = _set_task_state.task;
	ELSE
		INSERT INTO apikey.task_state VALUES (_set_task_state.task, _set_task_state.last_at, _set_task_state.last_key_id)
		ON CONFLICT (task) DO UPDATE SET last_at = excluded.last_at, last_key_id = excluded.last_key_id;
	END IF;
END
$$;

-- Turns revocations whose time has come into status; they have been in force
-- since.  Descendants carry the time themselves (see revoke_key).
CREATE FUNCTION apikey._task_revocations() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	ids bigint[];
BEGIN
	ids := ARRAY(SELECT k.key_id FROM apikey.api_key k
				 WHERE k.revoke_at <= apikey._now() AND k.status <> 'revoked'
				 ORDER BY k.revoke_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED);
	IF cardinality(ids) > 0 THEN
		UPDATE apikey.api_key t SET status = 'revoked', revoked_at = t.revoke_at WHERE t.key_id = ANY (ids);
		PERFORM apikey._note_keys(ids, 'key.revoke', NULL, '{"status": "revoked", "scheduled": true}');
	END IF;
	RETURN cardinality(ids);
END
$$;

-- One step of a sweep over the keys that end in (since, until]: an event for
-- each key and expiry, once.
CREATE FUNCTION apikey._announce_expiry(type text, since timestamptz, until timestamptz) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	most CONSTANT integer := 2000;
	from_at timestamptz := since;
	from_id bigint := 9223372036854775807;
	step record;
BEGIN
	SELECT s.last_at, s.last_key_id INTO from_at, from_id FROM apikey.task_state s
		WHERE s.task = _announce_expiry.type AND s.last_at > since;
	WITH scanned AS MATERIALIZED (
		SELECT k.key_id, k.tenant_id, k.expires_at, k.owner, k.name,
			   k.key_id || '@' || extract(epoch FROM k.expires_at) AS dedupe_key
		FROM apikey.api_key k
		WHERE k.expires_at >= coalesce(from_at, since) AND k.expires_at <= until AND k.status NOT IN ('revoked', 'pending')
			AND (k.expires_at, k.key_id) > (coalesce(from_at, since), coalesce(from_id, 9223372036854775807))
		ORDER BY k.expires_at, k.key_id LIMIT most
	), told AS (
		INSERT INTO apikey.event (tenant_id, type, key_id, payload, dedupe_key, created_at)
		SELECT d.tenant_id, _announce_expiry.type, d.key_id, jsonb_strip_nulls(jsonb_build_object(
			'expires_at', d.expires_at, 'owner', d.owner, 'name', d.name)), d.dedupe_key, apikey._now()
		FROM scanned d
		-- Not left to ON CONFLICT, which takes a number of the sequence first.
		-- OFFSET keeps it a look-up for each row.
		WHERE NOT EXISTS (SELECT FROM apikey.event e
						  WHERE e.tenant_id = d.tenant_id AND e.type = _announce_expiry.type AND e.dedupe_key = d.dedupe_key
						  OFFSET 0)
		ORDER BY d.key_id
		ON CONFLICT DO NOTHING
		RETURNING event.event_id
	)
	SELECT (SELECT count(*) FROM scanned) AS scanned, (SELECT count(*) FROM told) AS told, d.expires_at, d.key_id
	INTO step
	FROM (SELECT) one LEFT JOIN (SELECT * FROM scanned ORDER BY expires_at DESC, key_id DESC LIMIT 1) d ON true;
	IF step.scanned < most THEN
		PERFORM apikey._set_task_state(type, NULL, NULL);
	ELSE
		PERFORM apikey._set_task_state(type, step.expires_at, step.key_id);
	END IF;
	RETURN step.told;
END
$$;

-- Events key.expires_soon and key.expired.  What expired while no worker ran
-- for a week is not announced.
CREATE FUNCTION apikey._task_expiry() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now timestamptz := apikey._now();
BEGIN
	RETURN apikey._announce_expiry('key.expires_soon', now, now + apikey._setting('expires_soon', '7d')::interval)
		+ apikey._announce_expiry('key.expired', now - interval '7 days', now);
END
$$;

-- Suspends keys that were not used for idle_timeout of their policy.  The
-- time counts from the making, the last use, or the last time somebody took
-- the key in hand.  One step of a sweep over all keys.
CREATE FUNCTION apikey._task_idle() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	most CONSTANT integer := 2000;
	now timestamptz := apikey._now();
	from_id bigint;
	scanned bigint[];
	ids bigint[];
BEGIN
	IF NOT EXISTS (SELECT FROM apikey.policy_version v WHERE v.idle_timeout IS NOT NULL) THEN
		RETURN 0;
	END IF;
	SELECT s.last_key_id INTO from_id FROM apikey.task_state s WHERE s.task = 'key.idle';
	scanned := ARRAY(SELECT k.key_id FROM apikey.api_key k
					 WHERE k.key_id > coalesce(from_id, 0) ORDER BY k.key_id LIMIT most);
	IF cardinality(scanned) < most THEN
		PERFORM apikey._set_task_state('key.idle', NULL, NULL);
	ELSE
		PERFORM apikey._set_task_state('key.idle', NULL, scanned[most]);
	END IF;

	ids := ARRAY(
		WITH rules AS MATERIALIZED (
			SELECT p.policy_id, (apikey._rules_in_force(p.policy_id, now)).idle_timeout
			FROM apikey.policy p
			WHERE EXISTS (SELECT FROM apikey.policy_version v WHERE v.policy_id = p.policy_id AND v.idle_timeout IS NOT NULL)
		)
		SELECT k.key_id
		FROM apikey.api_key k
			JOIN rules r ON r.policy_id = k.policy_id
			LEFT JOIN apikey.key_activity a ON a.key_id = k.key_id
		WHERE k.key_id = ANY (scanned) AND k.status = 'active' AND coalesce(k.expires_at, 'infinity') > now
			AND greatest(k.created_at, k.not_before, a.last_used_at) < now - r.idle_timeout
			AND NOT EXISTS (SELECT FROM apikey.audit_log l
							WHERE l.object = 'key:' || k.key_id AND l.at >= now - r.idle_timeout
								AND l.action = ANY ('{key.resume,key.restore,key.renew,key.rotate}')
							OFFSET 0)
		ORDER BY k.key_id
		FOR NO KEY UPDATE OF k SKIP LOCKED);
	UPDATE apikey.api_key t SET status = 'suspended', suspend_reason = 'idle' WHERE t.key_id = ANY (ids);
	PERFORM apikey._note_keys(ids, 'key.suspend', '{"status": "active"}', '{"status": "suspended", "reason": "idle"}');
	RETURN cardinality(ids);
END
$$;

CREATE FUNCTION apikey._task_partitions() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN apikey._make_partitions();
END
$$;

-- Adds up what the writer counted since its last call.  The keys come in
-- ascending order, as every updater of several keys takes them.  No lock on
-- api_key: a row of a key that is deleted at the same moment may stay, unseen.
CREATE FUNCTION apikey._flush_activity(
	key_ids bigint[],
	tenant_ids bigint[],
	first timestamptz[],
	last timestamptz[],
	ips inet[],
	calls bigint[],
	errors bigint[],
	denials bigint[]
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
	flushed bigint;
BEGIN
	INSERT INTO apikey.key_activity AS a
		(key_id, tenant_id, first_used_at, last_used_at, last_ip, calls, errors, denials)
	SELECT n.key_id, k.tenant_id, min(n.first_at), max(n.last_at),
		   (array_agg(n.ip ORDER BY n.last_at DESC NULLS LAST) FILTER (WHERE n.ip IS NOT NULL))[1],
		   sum(n.calls)::bigint, sum(n.errors)::bigint, sum(n.denials)::bigint
	FROM unnest(_flush_activity.key_ids, _flush_activity.first, _flush_activity.last, _flush_activity.ips,
				_flush_activity.calls, _flush_activity.errors, _flush_activity.denials)
			AS n (key_id, first_at, last_at, ip, calls, errors, denials)
		JOIN apikey.api_key k ON k.key_id = n.key_id
	GROUP BY n.key_id, k.tenant_id
	ORDER BY n.key_id
	ON CONFLICT (key_id) DO UPDATE SET
		first_used_at = least(a.first_used_at, excluded.first_used_at),
		last_used_at = greatest(a.last_used_at, excluded.last_used_at),
		last_ip = CASE WHEN excluded.last_used_at >= coalesce(a.last_used_at, '-infinity') THEN coalesce(excluded.last_ip, a.last_ip) ELSE a.last_ip END,
		calls = a.calls + excluded.calls,
		errors = a.errors + excluded.errors,
		denials = a.denials + excluded.denials;
	GET DIAGNOSTICS flushed = ROW_COUNT;
	RETURN flushed;
END
$$;
