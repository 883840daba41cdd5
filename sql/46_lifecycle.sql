-- ---------------------------------------------------------------------------
-- The life of a key after it was made.
--
-- status holds decisions, never the clock: a key past expires_at or revoke_at
-- is refused from that instant on, whether a worker runs or not.
-- ---------------------------------------------------------------------------

-- Audit row and event for each of some keys, in one go.  They may be many, here
-- and below: a plan that was made for a few compares each key with each id.
CREATE FUNCTION apikey._note_keys(key_ids bigint[], action text, before jsonb, after jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	now timestamptz := apikey._now();
BEGIN
	INSERT INTO apikey.audit_log (at, actor, session, tenant_id, action, object, before, after)
	SELECT now, apikey._caller_name(), session_user, k.tenant_id, _note_keys.action, 'key:' || k.key_id,
		   _note_keys.before, _note_keys.after
	FROM apikey.api_key k WHERE k.key_id = ANY (key_ids) ORDER BY k.key_id;
	INSERT INTO apikey.event (tenant_id, type, key_id, payload, created_at)
	SELECT k.tenant_id, _note_keys.action, k.key_id, coalesce(_note_keys.after, '{}'), now
	FROM apikey.api_key k WHERE k.key_id = ANY (key_ids) ORDER BY k.key_id;
END
$$;

-- Locks all descendants of a key that is locked already and returns them.
-- Whoever adds a child locks its parent, so the search is repeated until it
-- meets nothing new: then nothing can be added either.
CREATE FUNCTION apikey._lock_descendants(key_id bigint) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	ids bigint[] := '{}';
	more bigint[];
BEGIN
	LOOP
		WITH RECURSIVE tree AS (
			SELECT k.key_id AS id FROM apikey.api_key k WHERE k.parent_key_id = _lock_descendants.key_id
			UNION
			SELECT k.key_id FROM tree JOIN apikey.api_key k ON k.parent_key_id = tree.id
		)
		-- as a set, not by a join: nothing tells the planner how many they are
		SELECT array_agg(fresh.id) INTO more
		FROM (SELECT tree.id FROM tree EXCEPT SELECT unnest(ids)) fresh;
		EXIT WHEN more IS NULL;
		PERFORM FROM apikey.api_key k WHERE k.key_id = ANY (more) ORDER BY k.key_id FOR NO KEY UPDATE;
		ids := ids || more;
	END LOOP;
	RETURN ids;
END
$$;

CREATE FUNCTION apikey._check_reason(reason text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._check_text(reason, 'reason', 1000);
END
$$;

-- --- suspend, resume, renew ------------------------------------------------

CREATE FUNCTION apikey.suspend_key(id bigint, reason text DEFAULT NULL) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._suspend_key(id bigint, reason text) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
BEGIN
	PERFORM apikey._check_reason(reason);
	k := apikey._lock_key(k);
	PERFORM apikey._require_not_revoked(k);
	PERFORM apikey._require_not_pending(k);
	IF k.status <> 'suspended' THEN
		-- never NULL while suspended: a revocation that is undone finds the
		-- key as it was
		UPDATE apikey.api_key t SET status = 'suspended', suspend_reason = coalesce(reason, '')
			WHERE t.key_id = k.key_id;
		PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.suspend', jsonb_build_object('status', k.status),
			jsonb_strip_nulls(jsonb_build_object('status', 'suspended', 'reason', reason)));
	END IF;
	RETURN apikey._key_info(k.key_id);
END
$$;

CREATE FUNCTION apikey.resume_key(id bigint) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._resume_key(id bigint) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
BEGIN
	k := apikey._lock_key(k);
	PERFORM apikey._require_not_revoked(k);
	IF k.status = 'suspended' THEN
		UPDATE apikey.api_key t SET status = 'active', suspend_reason = NULL WHERE t.key_id = k.key_id;
		PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.resume',
			jsonb_build_object('status', k.status, 'reason', nullif(k.suspend_reason, '')),
			jsonb_build_object('status', 'active'));
	END IF;
	RETURN apikey._key_info(k.key_id);
END
$$;

-- The parent of a key as it is now, for bounds that verification checks again.
CREATE FUNCTION apikey._parent_of(k apikey.api_key) RETURNS apikey.api_key
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parent apikey.api_key;
BEGIN
	SELECT * INTO parent FROM apikey.api_key t WHERE t.key_id = k.parent_key_id;
	RETURN parent;
END
$$;

-- Sets the end of a locked key under the rules of its policy.
CREATE FUNCTION apikey._set_expiry(k apikey.api_key, rules apikey.policy_version, expires_at timestamptz) RETURNS apikey.api_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was timestamptz := k.expires_at;
BEGIN
	k.expires_at := apikey._expiry(expires_at, NULL, rules, (apikey._parent_of(k)).expires_at);
	PERFORM apikey._check_key(k);
	IF k.expires_at IS DISTINCT FROM was THEN
		UPDATE apikey.api_key t SET expires_at = k.expires_at WHERE t.key_id = k.key_id;
		PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.renew', jsonb_build_object('expires_at', was),
								  jsonb_build_object('expires_at', k.expires_at));
	END IF;
	RETURN k;
END
$$;

CREATE FUNCTION apikey.renew_key(id bigint, expires_at timestamptz) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._renew_key(id bigint, expires_at timestamptz) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
	rules apikey.policy_version;
BEGIN
	IF expires_at IS NULL THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'expires_at must not be null',
			HINT = 'Give ''infinity'' for a key without an end.';
	END IF;
	rules := apikey._share_policy(k.policy_id);
	k := apikey._lock_key(k);
	PERFORM apikey._require_not_revoked(k);
	PERFORM apikey._require_not_pending(k);
	PERFORM apikey._require_approver(k, rules);
	PERFORM apikey._set_expiry(k, rules, expires_at);
	RETURN apikey._key_info(k.key_id);
END
$$;

-- --- revoke, restore, delete -----------------------------------------------

-- Tells of each child that goes on although its parent does not.
CREATE FUNCTION apikey._note_orphans(parent_key_id bigint, at timestamptz, reason text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO apikey.event (tenant_id, type, key_id, payload, created_at)
	SELECT k.tenant_id, 'key.orphan', k.key_id, jsonb_strip_nulls(jsonb_build_object(
		'parent_key_id', k.parent_key_id, 'parent_revoked_at', _note_orphans.at, 'reason', _note_orphans.reason)), apikey._now()
	FROM apikey.api_key k
	WHERE k.parent_key_id = _note_orphans.parent_key_id AND k.status <> 'revoked' ORDER BY k.key_id;
END
$$;

-- Now, or at a later time: then the time is written to the key and to all
-- that fall with it, and counts from that instant by itself.
CREATE FUNCTION apikey.revoke_key(
	id bigint,
	reason text DEFAULT NULL,
	at timestamptz DEFAULT NULL,
	cascade boolean DEFAULT true
) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._revoke_key(
	id bigint,
	reason text,
	at timestamptz,
	cascade boolean
) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
	now timestamptz;
	ids bigint[];
	below bigint[] := '{}';
BEGIN
	PERFORM apikey._check_reason(reason);
	PERFORM apikey._require(cascade, 'cascade');
	k := apikey._lock_key(k);
	IF cascade THEN
		below := apikey._lock_descendants(k.key_id);
	END IF;
	now := apikey._now();

	IF at > now THEN
		IF NOT isfinite(at) THEN
			RAISE invalid_parameter_value USING MESSAGE = 'at must be a finite time';
		END IF;
		-- a descendant keeps an earlier time, unless it has this key's old one
		WITH scheduled AS (
			UPDATE apikey.api_key t SET
				revoke_at = CASE WHEN t.key_id = k.key_id OR t.revoke_at = k.revoke_at THEN _revoke_key.at
								 ELSE least(t.revoke_at, _revoke_key.at) END,
				revoke_reason = reason
			WHERE t.key_id = ANY (below || k.key_id) AND t.status <> 'revoked'
				AND (t.key_id = k.key_id OR t.revoke_at IS NULL OR t.revoke_at = k.revoke_at OR t.revoke_at > _revoke_key.at)
			RETURNING t.key_id
		)
		SELECT array_agg(s.key_id) INTO ids FROM scheduled s;
		PERFORM apikey._note_keys(ids, 'key.schedule_revoke', NULL, jsonb_strip_nulls(jsonb_build_object(
			'revoke_at', at, 'reason', reason, 'root_key_id', k.key_id)));
		IF NOT cascade THEN
			PERFORM apikey._note_orphans(k.key_id, at, reason);
		END IF;
		RETURN apikey._key_info(k.key_id);
	END IF;

	-- a caller's now() is the start of its transaction, and clocks differ
	IF at < now - greatest(interval '1 minute', clock_timestamp() - transaction_timestamp()) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'at must not be in the past',
			DETAIL = 'A revocation takes effect now or later; what was accepted before stays accepted.';
	END IF;
	WITH revoked AS (
		UPDATE apikey.api_key t SET status = 'revoked', revoked_at = now, revoke_at = NULL, revoke_reason = reason
		WHERE t.key_id = ANY (below || k.key_id) AND t.status <> 'revoked'
		RETURNING t.key_id
	)
	SELECT array_agg(r.key_id) INTO ids FROM revoked r;
	PERFORM apikey._note_keys(ids, 'key.revoke', NULL, jsonb_strip_nulls(jsonb_build_object(
		'status', 'revoked', 'reason', reason, 'root_key_id', k.key_id)));
	IF NOT cascade AND cardinality(ids) > 0 THEN
		PERFORM apikey._note_orphans(k.key_id, now, reason);
	END IF;
	RETURN apikey._key_info(k.key_id);
END
$$;

-- Undoes a revocation, or one that is scheduled, with all that it took along.
-- A key that was suspended before is suspended again.
CREATE FUNCTION apikey.restore_key(id bigint, reason text DEFAULT NULL) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._restore_key(id bigint, reason text) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
	restored apikey.api_key;
	parent apikey.api_key;
	rules apikey.policy_version;
	below bigint[];
	ids bigint[];
BEGIN
	PERFORM apikey._check_reason(reason);
	-- a restored key counts again; its descendants may have other policies
	PERFORM apikey._lock_limits(k.tenant_id, true);
	rules := apikey._share_policy(k.policy_id);
	parent := apikey._lock_parent(k);
	k := apikey._lock_key(k);
	IF k.status <> 'revoked' AND k.revoke_at IS NULL THEN
		RETURN apikey._key_info(k.key_id);
	END IF;
	PERFORM apikey._require_approver(k, rules);
	IF apikey._is_rejected(k.key_id) THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('the request for key %s was rejected', k.key_id),
			HINT = 'Ask again with request_key().';
	END IF;
	below := apikey._lock_descendants(k.key_id);

	IF k.status = 'revoked' THEN
		-- the same instant and reason: the same call revoked it
		SELECT array_agg(t.key_id) INTO ids FROM apikey.api_key t
			WHERE t.key_id = ANY (below || k.key_id) AND t.status = 'revoked'
				AND t.revoked_at = k.revoked_at AND t.revoke_reason IS NOT DISTINCT FROM k.revoke_reason
				AND NOT apikey._is_rejected(t.key_id);
		PERFORM apikey._check_max_keys(k.tenant_id, cardinality(ids));
	ELSE
		SELECT array_agg(t.key_id) INTO ids FROM apikey.api_key t
			WHERE t.key_id = ANY (below || k.key_id) AND t.status <> 'revoked' AND t.revoke_at = k.revoke_at;
	END IF;
	UPDATE apikey.api_key t SET
		status = apikey._restored_status(t),
		revoked_at = NULL, revoke_at = parent.revoke_at, revoke_reason = NULL
	WHERE t.key_id = ANY (ids);
	-- one key speaks for all of its owner under its policy: all are counted
	FOR restored IN
		SELECT DISTINCT ON (t.policy_id, t.owner) t.* FROM apikey.api_key t
		WHERE t.key_id = ANY (ids) ORDER BY t.policy_id, t.owner, t.key_id
	LOOP
		PERFORM apikey._check_owner_keys(restored,
			(apikey._rules_in_force(restored.policy_id, apikey._now())).max_keys_per_owner, 1);
	END LOOP;
	PERFORM apikey._note_keys(ids, 'key.restore',
		jsonb_strip_nulls(jsonb_build_object('revoked_at', k.revoked_at, 'revoke_at', k.revoke_at, 'revoke_reason', k.revoke_reason)),
		jsonb_strip_nulls(jsonb_build_object('reason', reason, 'root_key_id', k.key_id)));
	RETURN apikey._key_info(k.key_id);
END
$$;

-- Only what is revoked can be deleted.  Usage, audit rows and events stay.
CREATE FUNCTION apikey.delete_key(id bigint) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._delete_key(id bigint) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
	info apikey.key_info;
BEGIN
	k := apikey._lock_key(k);
	IF k.status <> 'revoked' THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('key %s is not revoked', k.key_id),
			HINT = 'Revoke it with revoke_key() first.';
	END IF;
	IF EXISTS (SELECT FROM apikey.api_key t WHERE t.parent_key_id = k.key_id) THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('key %s has child keys', k.key_id),
			HINT = 'Delete them first.';
	END IF;
	info := apikey._key_info(k.key_id);
	PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.delete',
		apikey._key_json(k, apikey._key_role_ids(k.key_id)), NULL);
	DELETE FROM apikey.key_activity a WHERE a.key_id = k.key_id;
	DELETE FROM apikey.api_key t WHERE t.key_id = k.key_id;
	RETURN info;
END
$$;

-- --- secrets ---------------------------------------------------------------

CREATE FUNCTION apikey.revoke_secret(secret_id bigint, reason text DEFAULT NULL) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._revoke_secret(secret_id bigint, reason text) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s apikey.key_secret;
	hint text;
BEGIN
	PERFORM apikey._require(secret_id, 'secret_id');
	SELECT * INTO s FROM apikey.key_secret t WHERE t.secret_id = _revoke_secret.secret_id;
	PERFORM apikey._require_access('keys', s.tenant_id, format('secret %s', secret_id));
	PERFORM apikey._check_reason(reason);
	PERFORM apikey._touch_key(s.key_id);
	UPDATE apikey.key_secret t SET revoked_at = apikey._now()
		WHERE t.secret_id = _revoke_secret.secret_id AND t.revoked_at IS NULL
		RETURNING t.hint INTO hint;
	IF FOUND THEN
		PERFORM apikey._note_keys(ARRAY[s.key_id], 'secret.revoke', NULL, jsonb_strip_nulls(jsonb_build_object(
			'secret_id', secret_id, 'hint', hint, 'reason', reason)));
	END IF;
	RETURN apikey._key_info(s.key_id);
END
$$;

-- Makes a secret for a key that is locked.  keep: what is sealed is stored as
-- well, until somebody takes it.
CREATE FUNCTION apikey._add_secret(k apikey.api_key, bytes integer, seal_to bytea, keep boolean) RETURNS apikey.new_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
	secret record;
	result apikey.new_key;
BEGIN
	PERFORM apikey._ensure_data_key();
	SELECT n.* INTO secret
		FROM apikey.tenant t CROSS JOIN apikey.environment e
			CROSS JOIN LATERAL apikey._new_secret(t.prefix, e.tag, bytes, seal_to) n
		WHERE t.tenant_id = k.tenant_id AND e.environment_id = k.environment_id;
	INSERT INTO apikey.key_secret AS s (key_id, tenant_id, keyring_id, digest, hint, created_at, sealed)
		VALUES (k.key_id, k.tenant_id, secret.keyring_id, secret.digest, secret.hint, apikey._now(),
				CASE WHEN keep THEN secret.sealed END)
		RETURNING s.secret_id INTO result.secret_id;
	result.key_id := k.key_id;
	result.key := secret.key;
	result.sealed := secret.sealed;
	result.hint := secret.hint;
	result.expires_at := k.expires_at;
	RETURN result;
END
$$;

-- A new secret for the same key.  Those before it end after the overlap, or
-- when they would have ended anyway: no overlap lengthens a life.
CREATE FUNCTION apikey.rotate_key(
	id bigint,
	overlap interval DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL,
	seal_to bytea DEFAULT NULL,
	bytes integer DEFAULT NULL
) RETURNS apikey.new_key
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._rotate_key(
	id bigint,
	overlap interval,
	expires_at timestamptz,
	seal_to bytea,
	bytes integer
) RETURNS apikey.new_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
	rules apikey.policy_version;
	now timestamptz;
	ends timestamptz;
	result apikey.new_key;
BEGIN
	PERFORM apikey._check_secret(bytes, seal_to);
	PERFORM apikey._check_interval(overlap, 'overlap');
	IF overlap < interval '0' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'overlap must not be negative';
	END IF;
	rules := apikey._share_policy(k.policy_id);
	k := apikey._lock_key(k);
	PERFORM apikey._require_not_revoked(k);
	PERFORM apikey._require_not_pending(k);
	now := apikey._now();
	-- before a renewal by this very call, which is for the new secret only
	ends := least(now + coalesce(overlap, rules.overlap, interval '1 day'), k.expires_at);
	IF expires_at IS NOT NULL THEN
		PERFORM apikey._require_approver(k, rules);
		k := apikey._set_expiry(k, rules, expires_at);
	ELSIF k.expires_at <= now THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('key %s is expired', k.key_id),
			HINT = 'Give expires_at to renew it with the same call.';
	END IF;
	PERFORM apikey._touch_key(k.key_id);
	UPDATE apikey.key_secret s SET expires_at = ends
		WHERE s.key_id = k.key_id AND s.revoked_at IS NULL AND coalesce(s.expires_at, 'infinity') > ends;
	result := apikey._add_secret(k, bytes, seal_to, false);
	PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.rotate', NULL, jsonb_build_object(
		'secret_id', result.secret_id, 'hint', result.hint, 'old_secrets_end', ends));
	RETURN result;
END
$$;
