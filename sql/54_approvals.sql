-- ---------------------------------------------------------------------------
-- Keys that take a second pair of eyes.
--
-- request_key() stores the key as it will be, with status pending and without
-- a secret, and beside it, in key_request, who asked and for what.  All checks
-- are made again when another role approves; the secret is made then.
-- ---------------------------------------------------------------------------

-- Whether keys like this one take an approval.
CREATE FUNCTION apikey._needs_approval(k apikey.api_key, rules apikey.policy_version) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce(rules.requires_approval, false)
		OR (SELECT e.requires_approval FROM apikey.environment e WHERE e.environment_id = k.environment_id);
END
$$;

-- Raises AK004 if keys like this one take an approval.
CREATE FUNCTION apikey._check_approval(k apikey.api_key, rules apikey.policy_version) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF apikey._needs_approval(k, rules) THEN
		RAISE SQLSTATE 'AK004' USING
			MESSAGE = 'key needs an approval',
			DETAIL = CASE WHEN rules.requires_approval THEN 'Its policy asks for one.'
						  ELSE 'Its environment asks for one.' END,
			HINT = 'Ask for the key with request_key(); another role then calls approve_key().';
	END IF;
END
$$;

-- Whether the caller is who asked for a key: the role that asked or the one
-- that had logged in, by OID and by name (a role keeps its OID when it is
-- renamed, and has another one after a restore elsewhere), or whoever has
-- logged in as one of them and acts as another one.  A superuser may act as
-- anybody anyway.
CREATE FUNCTION apikey._asked_for(key_id bigint) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (
		SELECT FROM apikey.key_request r
		WHERE r.key_id = _asked_for.key_id
			AND EXISTS (
				SELECT FROM pg_roles u
				WHERE (u.oid = r.requested_by_oid OR u.rolname = r.requested_by
					   OR ((u.oid = r.session_oid OR u.rolname = r.session) AND NOT u.rolsuper))
					AND (u.oid = apikey._caller() OR (u.rolname = session_user AND NOT u.rolsuper))));
END
$$;

-- Raises if the caller is who asked for a key.
CREATE FUNCTION apikey._require_four_eyes(key_id bigint) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF apikey._asked_for(key_id) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied for key %s', key_id),
			DETAIL = 'Who asked for a key, or logged in as who did, cannot decide on it.';
	END IF;
END
$$;

-- A change of what was approved, where keys like it take an approval.
CREATE FUNCTION apikey._require_approver(k apikey.api_key, rules apikey.policy_version) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT apikey._needs_approval(k, rules) THEN
		RETURN;
	END IF;
	IF NOT apikey._may('admin', k.tenant_id) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied for key %s', k.key_id),
			DETAIL = 'Keys of its environment or policy take an approval: such a change takes access admin.';
	END IF;
	PERFORM apikey._require_four_eyes(k.key_id);
END
$$;

CREATE FUNCTION apikey._require_not_pending(k apikey.api_key) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF k.status = 'pending' THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('key %s waits for an approval', k.key_id),
			HINT = 'approve_key() or reject_key() decides on it.';
	END IF;
END
$$;

-- What a key that is no longer revoked becomes: a revocation and its undoing
-- approve nothing.
CREATE FUNCTION apikey._restored_status(k apikey.api_key) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN k.status <> 'revoked' THEN k.status
		WHEN EXISTS (SELECT FROM apikey.key_request r WHERE r.key_id = k.key_id AND r.decision IS DISTINCT FROM 'approved')
			THEN 'pending'
		WHEN k.suspend_reason IS NULL THEN 'active'
		ELSE 'suspended'
	END;
END
$$;

-- Whether a request was rejected; such a key stays revoked.
CREATE FUNCTION apikey._is_rejected(key_id bigint) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (SELECT FROM apikey.key_request r WHERE r.key_id = _is_rejected.key_id AND r.decision = 'rejected');
END
$$;

-- --- asking ----------------------------------------------------------------

CREATE FUNCTION apikey.request_key(
	tenant text,
	environment text,
	name text DEFAULT NULL,
	owner text DEFAULT NULL,
	scopes text[] DEFAULT NULL,
	policy text DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL,
	ttl interval DEFAULT NULL,
	metadata jsonb DEFAULT NULL,
	tags text[] DEFAULT NULL,
	cidrs cidr[] DEFAULT NULL,
	endpoints text[] DEFAULT NULL,
	parent_key_id bigint DEFAULT NULL,
	roles text[] DEFAULT NULL,
	bytes integer DEFAULT NULL,
	seal_to bytea DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	not_before timestamptz DEFAULT NULL,
	description text DEFAULT NULL,
	rate_limits apikey.rate_limit[] DEFAULT NULL,
	quotas apikey.quota[] DEFAULT NULL,
	reason text DEFAULT NULL
) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._request_key(
	tenant text,
	environment text,
	name text,
	owner text,
	scopes text[],
	policy text,
	expires_at timestamptz,
	ttl interval,
	metadata jsonb,
	tags text[],
	cidrs cidr[],
	endpoints text[],
	parent_key_id bigint,
	roles text[],
	bytes integer,
	seal_to bytea,
	idempotency_key text,
	not_before timestamptz,
	description text,
	rate_limits apikey.rate_limit[],
	quotas apikey.quota[],
	reason text
) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._plan_key(tenant, environment, name, owner, scopes, policy, metadata, tags, cidrs,
		endpoints, parent_key_id, idempotency_key, not_before, description, rate_limits, quotas);
	role_ids bigint[] := apikey._role_ids(k.tenant_id, roles);
	request text;
	id bigint;
BEGIN
	PERFORM apikey._check_secret(bytes, seal_to);
	PERFORM apikey._check_reason(reason);
	request := apikey._request_digest(environment, name, owner, scopes, policy, expires_at, ttl, metadata, tags, cidrs,
		endpoints, parent_key_id, roles, bytes, seal_to, not_before, description, rate_limits, quotas);
	IF idempotency_key IS NOT NULL THEN
		id := (apikey._repeated_key(k, 'key.request', request)).key_id;
		IF id IS NOT NULL THEN
			RETURN apikey._key_info(id);
		END IF;
	END IF;
	k := apikey._admit_keys(k, role_ids, 1, expires_at, ttl, true, policy IS NULL);
	INSERT INTO apikey.api_key AS t (
		tenant_id, environment_id, policy_id, parent_key_id, status, owner, name, description, scopes,
		tags, metadata, cidrs, endpoints, rate_limits, quotas, not_before, expires_at, revoke_at, idempotency_key,
		created_at, created_by)
	VALUES (
		k.tenant_id, k.environment_id, k.policy_id, k.parent_key_id, 'pending', k.owner, k.name, k.description, k.scopes,
		k.tags, k.metadata, k.cidrs, k.endpoints, k.rate_limits, k.quotas, k.not_before, k.expires_at, k.revoke_at,
		k.idempotency_key, k.created_at, k.created_by)
	ON CONFLICT DO NOTHING
	RETURNING t.key_id INTO id;
	IF id IS NULL THEN
		-- another session was first with this idempotency key
		RETURN apikey._key_info((apikey._repeated_key(k, 'key.request', request)).key_id);
	END IF;
	INSERT INTO apikey.key_role (key_id, role_id, tenant_id) SELECT id, r, k.tenant_id FROM unnest(role_ids) r;
	INSERT INTO apikey.key_request AS r (key_id, tenant_id, requested_by, requested_by_oid, session, session_oid, requested_at,
										 reason, bytes, seal_to, ttl, expires_at)
	VALUES (id, k.tenant_id, apikey._caller_name(), apikey._caller(), session_user,
			(SELECT u.oid FROM pg_roles u WHERE u.rolname = session_user), k.created_at,
			_request_key.reason, _request_key.bytes, _request_key.seal_to, _request_key.ttl, _request_key.expires_at);
	k.status := 'pending';
	PERFORM apikey._audit(k.tenant_id, 'key.request', 'key:' || id, NULL,
		apikey._key_json(k, role_ids) || jsonb_strip_nulls(jsonb_build_object(
			'request', CASE WHEN idempotency_key IS NOT NULL THEN request END, 'reason', reason)));
	PERFORM apikey._event(k.tenant_id, 'key.request', id, jsonb_strip_nulls(jsonb_build_object(
		'name', name, 'owner', owner, 'environment', environment, 'reason', reason, 'requested_by', apikey._caller_name())));
	RETURN apikey._key_info(id);
END
$$;

-- --- deciding --------------------------------------------------------------

CREATE FUNCTION apikey.approve_key(id bigint) RETURNS apikey.new_key
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._approve_key(id bigint) RETURNS apikey.new_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'admin');
	rules apikey.policy_version;
	parent apikey.api_key;
	asked apikey.key_request;
	result apikey.new_key;
BEGIN
	PERFORM apikey._require_four_eyes(k.key_id);
	rules := apikey._lock_policy(k.tenant_id, k.policy_id);
	-- a key that waits no longer needs no locks beyond its own
	parent := apikey._lock_parent(k);
	k := apikey._lock_pending(k);
	SELECT * INTO asked FROM apikey.key_request r WHERE r.key_id = k.key_id;
	-- from now on, not from the request
	k := apikey._judge_keys(k, apikey._key_role_ids(k.key_id), 1, asked.expires_at, asked.ttl, rules, parent);
	UPDATE apikey.api_key t SET status = 'active', expires_at = k.expires_at WHERE t.key_id = k.key_id;
	UPDATE apikey.key_request r
		SET decision = 'approved', decided_by = apikey._caller_name(), decided_at = apikey._now()
		WHERE r.key_id = k.key_id;
	result := apikey._add_secret(k, asked.bytes, asked.seal_to, true);
	PERFORM apikey._audit(k.tenant_id, 'key.approve', 'key:' || k.key_id, '{"status": "pending"}',
		jsonb_build_object('status', 'active', 'requested_by', asked.requested_by, 'secret_id', result.secret_id,
						   'expires_at', k.expires_at, 'sealed', result.sealed IS NOT NULL));
	PERFORM apikey._event(k.tenant_id, 'key.approve', k.key_id, jsonb_build_object(
		'requested_by', asked.requested_by, 'approved_by', apikey._caller_name(), 'hint', result.hint,
		'expires_at', k.expires_at, 'sealed', result.sealed IS NOT NULL));
	RETURN result;
END
$$;

-- Locks a key and raises unless it waits for a decision.
CREATE FUNCTION apikey._lock_pending(seen apikey.api_key) RETURNS apikey.api_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._lock_key(seen);
BEGIN
	IF k.status <> 'pending' OR k.revoke_at <= apikey._now() THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('key %s does not wait for an approval', k.key_id),
			DETAIL = CASE
				WHEN k.status IN ('pending', 'revoked') THEN 'It is revoked.'
				WHEN EXISTS (SELECT FROM apikey.key_request r WHERE r.key_id = k.key_id) THEN 'It was decided on already.'
				ELSE 'It was made without a request.' END;
	END IF;
	RETURN k;
END
$$;

-- The requester may reject, that is withdraw, as well.  Children that were
-- asked for, or made, below it end with it.
CREATE FUNCTION apikey.reject_key(id bigint, reason text DEFAULT NULL) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._reject_key(id bigint, reason text) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'admin');
	below bigint[];
	now timestamptz;
BEGIN
	PERFORM apikey._check_reason(reason);
	k := apikey._lock_pending(k);
	below := apikey._lock_descendants(k.key_id);
	now := apikey._now();
	WITH revoked AS (
		UPDATE apikey.api_key t SET status = 'revoked', revoked_at = now, revoke_at = NULL, revoke_reason = reason
		WHERE t.key_id = ANY (below || k.key_id) AND t.status <> 'revoked'
		RETURNING t.key_id
	)
	SELECT array_agg(r.key_id) INTO below FROM revoked r WHERE r.key_id <> k.key_id;
	UPDATE apikey.key_request r
		SET decision = 'rejected', decided_by = apikey._caller_name(), decided_at = now, decision_reason = _reject_key.reason
		WHERE r.key_id = k.key_id;
	PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.reject', '{"status": "pending"}',
		jsonb_strip_nulls(jsonb_build_object('status', 'revoked', 'reason', reason)));
	PERFORM apikey._note_keys(below, 'key.revoke', NULL, jsonb_strip_nulls(jsonb_build_object(
		'status', 'revoked', 'reason', reason, 'root_key_id', k.key_id)));
	RETURN apikey._key_info(k.key_id);
END
$$;

-- The sealed text of an approved key, for who asked for it; once.
CREATE FUNCTION apikey.claim_key(id bigint) RETURNS apikey.new_key
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._claim_key(id bigint) RETURNS apikey.new_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
	s apikey.key_secret;
	result apikey.new_key;
BEGIN
	IF NOT apikey._may('admin', k.tenant_id) AND NOT EXISTS (
		SELECT FROM apikey.key_request r
		WHERE r.key_id = k.key_id AND (r.requested_by_oid = apikey._caller() OR r.requested_by = apikey._caller_name())) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied for key %s', k.key_id),
			DETAIL = 'Only the role that asked for it, or an admin, takes it.';
	END IF;
	k := apikey._lock_key(k);
	PERFORM apikey._require_not_revoked(k);
	PERFORM apikey._require_not_pending(k);
	SELECT * INTO s FROM apikey.key_secret t
		WHERE t.key_id = k.key_id AND t.sealed IS NOT NULL AND t.revoked_at IS NULL
		ORDER BY t.secret_id LIMIT 1 FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('key %s has no text to be taken', k.key_id),
			DETAIL = 'It was taken before, or it was given to the approver because no seal_to was asked for.';
	END IF;
	UPDATE apikey.key_secret t SET sealed = NULL WHERE t.secret_id = s.secret_id;
	PERFORM apikey._note_keys(ARRAY[k.key_id], 'key.claim', NULL,
		jsonb_build_object('secret_id', s.secret_id, 'hint', s.hint));
	result.key_id := k.key_id;
	result.secret_id := s.secret_id;
	result.sealed := s.sealed;
	result.hint := s.hint;
	result.expires_at := k.expires_at;
	RETURN result;
END
$$;
