-- ---------------------------------------------------------------------------
-- The state of a key, its locks, limits and bounds: what the functions that
-- make, change and end keys share.
-- ---------------------------------------------------------------------------

-- --- the state of a key ----------------------------------------------------

CREATE FUNCTION apikey._key_infos(key_ids bigint[]) RETURNS SETOF apikey.key_info
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT k.key_id, apikey._path(k.tenant_id), e.name, p.name, k.parent_key_id, k.owner, k.name, k.description,
		   k.status, k.scopes,
		   ARRAY(SELECT r.name FROM apikey.key_role kr JOIN apikey.role r ON r.role_id = kr.role_id
				 WHERE kr.key_id = k.key_id ORDER BY r.name),
		   k.tags, k.metadata, k.cidrs, k.endpoints, k.not_before, k.expires_at, k.revoke_at, k.revoked_at,
		   k.revoke_reason, k.created_at, k.created_by, a.last_used_at,
		   ARRAY(SELECT s.hint FROM apikey.key_secret s WHERE s.key_id = k.key_id ORDER BY s.secret_id),
		   k.rate_limits, k.quotas
	FROM apikey.api_key k
		JOIN apikey.environment e ON e.environment_id = k.environment_id
		LEFT JOIN apikey.policy p ON p.policy_id = k.policy_id
		LEFT JOIN apikey.key_activity a ON a.key_id = k.key_id
	WHERE k.key_id = ANY (key_ids)
	ORDER BY k.key_id;
END
$$;

CREATE FUNCTION apikey._key_info(key_id bigint) RETURNS apikey.key_info
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	info apikey.key_info;
BEGIN
	SELECT * INTO info FROM apikey._key_infos(ARRAY[key_id]);
	RETURN info;
END
$$;

-- The key of that id, if the caller has a class of rights on its tenant.
CREATE FUNCTION apikey._find_key(key_id bigint, class text) RETURNS apikey.api_key
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key;
BEGIN
	PERFORM apikey._require(key_id, 'id');
	SELECT * INTO k FROM apikey.api_key t WHERE t.key_id = _find_key.key_id;
	PERFORM apikey._require_access(class, k.tenant_id, format('key %s', key_id));
	RETURN k;
END
$$;

-- Locks a key that _find_key() returned against other changes; rights first,
-- so that a stranger cannot hold up a tenant.  The policy is locked before the
-- key and must still be the key's.
CREATE FUNCTION apikey._lock_key(seen apikey.api_key) RETURNS apikey.api_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key;
BEGIN
	SELECT * INTO k FROM apikey.api_key t WHERE t.key_id = seen.key_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('key %s does not exist', seen.key_id);
	END IF;
	IF k.policy_id IS DISTINCT FROM seen.policy_id THEN
		RAISE serialization_failure USING
			MESSAGE = format('key %s was given another policy at the same time', k.key_id),
			HINT = 'Try again.';
	END IF;
	RETURN k;
END
$$;

-- Locks the key and makes its row differ from what any other transaction
-- sees.  A plain lock leaves no trace, so a REPEATABLE READ transaction with
-- an older snapshot would go on without the secret or child that was added
-- beside the row; this way it fails to serialize.
CREATE FUNCTION apikey._touch_key(key_id bigint) RETURNS apikey.api_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key;
BEGIN
	UPDATE apikey.api_key t SET status = t.status WHERE t.key_id = _touch_key.key_id RETURNING * INTO k;
	RETURN k;
END
$$;

CREATE FUNCTION apikey._require_not_revoked(k apikey.api_key) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF k.status = 'revoked' OR k.revoke_at <= apikey._now() THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('key %s is revoked', k.key_id),
			HINT = 'restore_key() undoes a revocation.';
	END IF;
END
$$;

-- Limits as an object, the same whatever the session's way to write intervals.
CREATE FUNCTION apikey._limits_json(rate_limits apikey.rate_limit[], quotas apikey.quota[]) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp SET intervalstyle = 'postgres'
AS $$
BEGIN
	RETURN jsonb_build_object('rate_limits', rate_limits, 'quotas', quotas);
END
$$;

-- What an audit row keeps of a key.
CREATE FUNCTION apikey._key_json(k apikey.api_key, role_ids bigint[]) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN jsonb_strip_nulls(to_jsonb(k) || apikey._limits_json(k.rate_limits, k.quotas)
							 || jsonb_build_object('role_ids', to_jsonb(role_ids)))
		- '{key_id,tenant_id,created_at,created_by}'::text[];
END
$$;

-- --- checks of a key on its way --------------------------------------------

CREATE FUNCTION apikey._check_key(k apikey.api_key) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._check_text(k.name, 'name', 500);
	PERFORM apikey._check_text(k.owner, 'owner', 500);
	PERFORM apikey._check_text(k.description, 'description', 500);
	PERFORM apikey._check_text(k.idempotency_key, 'idempotency_key', 200);
	PERFORM apikey._check_scopes(k.scopes, 'scopes');
	PERFORM apikey._check_endpoints(k.endpoints, 'endpoints');
	PERFORM apikey._check_networks(k.cidrs, 'cidrs');
	PERFORM apikey._check_list(k.tags, 'tags', 64);
	IF EXISTS (SELECT FROM unnest(k.tags) t WHERE octet_length(t) NOT BETWEEN 1 AND 256) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'invalid length of a tag',
			DETAIL = 'It must be 1 to 256 bytes long.';
	END IF;
	PERFORM apikey._check_no_key(array_to_string(k.tags, ' '), 'a tag');
	PERFORM apikey._check_json(k.metadata, 'metadata');
	PERFORM apikey._check_limits(k.rate_limits, k.quotas);
	IF NOT isfinite(k.not_before) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'not_before must be a finite time';
	END IF;
	IF k.not_before >= k.expires_at THEN
		RAISE invalid_parameter_value USING MESSAGE = 'not_before must be before the expiry of the key';
	END IF;
END
$$;

-- Role names to ids, of one tenant.
CREATE FUNCTION apikey._role_ids(tenant_id bigint, roles text[]) RETURNS bigint[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	role_name text;
	id bigint;
	ids bigint[] := '{}';
BEGIN
	PERFORM apikey._check_list(roles, 'roles', 64);
	FOREACH role_name IN ARRAY coalesce(roles, '{}') LOOP
		SELECT r.role_id INTO id FROM apikey.role r
			WHERE r.tenant_id = _role_ids.tenant_id AND r.name = role_name;
		IF NOT FOUND THEN
			RAISE undefined_object USING MESSAGE = format('role "%s" does not exist', apikey._shown(role_name));
		END IF;
		IF NOT id = ANY (ids) THEN
			ids := ids || id;
		END IF;
	END LOOP;
	RETURN ids;
END
$$;

-- Own scopes and those of roles.
CREATE FUNCTION apikey._held_scopes(scopes text[], role_ids bigint[]) RETURNS text[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN scopes || ARRAY(SELECT s FROM apikey.role r CROSS JOIN LATERAL unnest(r.scopes) s
						   WHERE r.role_id = ANY (role_ids));
END
$$;

CREATE FUNCTION apikey._key_role_ids(key_id bigint) RETURNS bigint[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY(SELECT kr.role_id FROM apikey.key_role kr WHERE kr.key_id = _key_role_ids.key_id ORDER BY kr.role_id);
END
$$;

-- Locks the tenants whose limits a new key counts against, root first, by
-- changing them: creators queue up, and a REPEATABLE READ creator with an
-- older snapshot fails to serialize instead of counting old rows.  Its own
-- tenant is held before the ancestors are read, so that none of them is new
-- when the key commits (41_tree.sql).
CREATE FUNCTION apikey._lock_limits(tenant_id bigint, own boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id bigint;
BEGIN
	PERFORM apikey._hold_tenant(tenant_id);
	FOR id IN SELECT c.tenant_id FROM apikey._tenant_chain(_lock_limits.tenant_id) c ORDER BY c.depth DESC LOOP
		UPDATE apikey.tenant t SET generation = t.generation + 1
			WHERE t.tenant_id = id AND (t.max_keys IS NOT NULL
				OR (t.tenant_id = _lock_limits.tenant_id AND (own OR t.max_keys_per_owner IS NOT NULL)));
	END LOOP;
END
$$;

-- Room for n more keys under max_keys of the tenant and its ancestors, whose
-- rows _lock_limits() holds, but not of those that count the keys already.  A
-- limit counts what is not revoked in the tenant and below.
CREATE FUNCTION apikey._check_max_keys(tenant_id bigint, n bigint, but bigint[] DEFAULT NULL) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	limited record;
	present bigint;
BEGIN
	FOR limited IN
		SELECT t.tenant_id, t.max_keys FROM apikey._tenant_chain(_check_max_keys.tenant_id) c
			JOIN apikey.tenant t ON t.tenant_id = c.tenant_id
		WHERE t.max_keys IS NOT NULL AND (but IS NULL OR t.tenant_id <> ALL (but)) ORDER BY c.depth
	LOOP
		WITH RECURSIVE tree AS (
			SELECT limited.tenant_id AS id
			UNION
			SELECT t.tenant_id FROM tree JOIN apikey.tenant t ON coalesce(t.parent_id, 0) = tree.id
		)
		SELECT count(*) INTO present
		FROM tree JOIN apikey.api_key k ON k.tenant_id = tree.id
		WHERE k.status <> 'revoked';
		IF present + n > limited.max_keys THEN
			-- an ancestor's figures are not the caller's to know
			RAISE SQLSTATE 'AK001' USING
				MESSAGE = 'limit on the number of keys reached',
				DETAIL = CASE WHEN apikey._may('any', limited.tenant_id)
					THEN format('Tenant "%s" may have %s keys that are not revoked, counting those of its sub-tenants; it has %s.',
								apikey._path(limited.tenant_id), limited.max_keys, present)
					ELSE 'A tenant above this one has no room for more keys.' END,
				HINT = 'Revoke keys that are not needed, or raise max_keys.';
		END IF;
	END LOOP;
END
$$;

-- Room for n more keys of one owner: in the tenant, unless they are his
-- already, and under a policy.  Keys without an owner count as those of one
-- owner.  A key that is stored does not count twice.
CREATE FUNCTION apikey._check_owner_keys(k apikey.api_key, most integer, n bigint, new_owner boolean DEFAULT true) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	limited record;
	present bigint;
BEGIN
	FOR limited IN
		SELECT t.max_keys_per_owner AS most, NULL::bigint AS policy_id, 'tenant' AS setter FROM apikey.tenant t
			WHERE new_owner AND t.tenant_id = k.tenant_id AND t.max_keys_per_owner IS NOT NULL
		UNION ALL
		SELECT _check_owner_keys.most, k.policy_id, 'policy' WHERE _check_owner_keys.most IS NOT NULL
	LOOP
		-- two branches, so that the index on (tenant_id, owner) serves both
		IF k.owner IS NULL THEN
			SELECT count(*) INTO present FROM apikey.api_key o
				WHERE o.tenant_id = k.tenant_id AND o.owner IS NULL
					AND (limited.policy_id IS NULL OR o.policy_id = limited.policy_id)
					AND o.status <> 'revoked' AND o.key_id IS DISTINCT FROM k.key_id;
		ELSE
			SELECT count(*) INTO present FROM apikey.api_key o
				WHERE o.tenant_id = k.tenant_id AND o.owner = k.owner
					AND (limited.policy_id IS NULL OR o.policy_id = limited.policy_id)
					AND o.status <> 'revoked' AND o.key_id IS DISTINCT FROM k.key_id;
		END IF;
		IF present + n > limited.most THEN
			RAISE SQLSTATE 'AK001' USING
				MESSAGE = 'limit on the number of keys per owner reached',
				DETAIL = format(CASE WHEN k.owner IS NULL
									THEN 'The %s allows %s keys without an owner that are not revoked; there are %s.'
									ELSE 'The %s allows an owner %s keys that are not revoked; this one has %s.' END,
								limited.setter, limited.most, present),
				HINT = 'Revoke keys that are not needed, or raise max_keys_per_owner.';
		END IF;
	END LOOP;
END
$$;

-- Holds a policy as it is and returns its rules.
CREATE FUNCTION apikey._share_policy(policy_id bigint) RETURNS apikey.policy_version
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM apikey.policy p WHERE p.policy_id = _share_policy.policy_id FOR SHARE;
	RETURN apikey._rules_in_force(policy_id, apikey._now());
END
$$;

-- The same for a key that will count against limits: locks the tenants that
-- set them first, as the lock order wants.
CREATE FUNCTION apikey._lock_policy(tenant_id bigint, policy_id bigint) RETURNS apikey.policy_version
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rules apikey.policy_version := apikey._rules_in_force(policy_id, apikey._now());
	locked_own boolean := rules.max_keys_per_owner IS NOT NULL;
BEGIN
	PERFORM apikey._lock_limits(tenant_id, locked_own);
	IF policy_id IS NOT NULL AND NOT EXISTS (
		SELECT FROM apikey.policy p JOIN apikey._tenant_chain(_lock_policy.tenant_id) c ON c.tenant_id = p.tenant_id
		WHERE p.policy_id = _lock_policy.policy_id) THEN
		RAISE serialization_failure USING
			MESSAGE = 'the tenant was moved away from the policy at the same time',
			HINT = 'Try again.';
	END IF;
	rules := apikey._share_policy(policy_id);
	IF rules.max_keys_per_owner IS NOT NULL AND NOT locked_own THEN
		-- the rule came in between: out of order, but a deadlock is detected
		PERFORM apikey._lock_limits(tenant_id, true);
	END IF;
	RETURN rules;
END
$$;

-- When a key ends: what was asked for, else the policy's default, within its
-- maximum and the parent's end.  'infinity' asks for no end.
CREATE FUNCTION apikey._expiry(expires_at timestamptz, ttl interval, rules apikey.policy_version, parent_end timestamptz)
	RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now timestamptz := apikey._now();
	latest timestamptz := now + rules.max_ttl;
	wanted timestamptz := expires_at;
BEGIN
	IF ttl IS NOT NULL THEN
		IF expires_at IS NOT NULL THEN
			RAISE invalid_parameter_value USING MESSAGE = 'expires_at and ttl cannot both be given';
		END IF;
		PERFORM apikey._check_interval(ttl, 'ttl');
		IF ttl <= interval '0' OR now + ttl <= now THEN
			RAISE invalid_parameter_value USING MESSAGE = 'ttl must be positive';
		END IF;
		wanted := now + ttl;
	ELSIF expires_at IS NULL THEN
		wanted := coalesce(now + rules.default_ttl, latest, 'infinity');
		wanted := least(wanted, latest, parent_end);
	ELSIF expires_at <= now THEN
		RAISE invalid_parameter_value USING MESSAGE = 'expires_at must not be in the past';
	END IF;
	IF wanted > latest THEN
		RAISE SQLSTATE 'AK002' USING
			MESSAGE = 'expiry is beyond the maximum of the policy',
			DETAIL = format('Keys of the policy live at most %s.', rules.max_ttl);
	END IF;
	IF wanted > parent_end THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'expiry is after that of the parent key',
			DETAIL = format('The parent key expires at %s.', parent_end);
	END IF;
	RETURN nullif(wanted, 'infinity');
END
$$;

-- The parent of a key, held as it is.  Its row is changed, because the
-- cascade of a concurrent revocation must either see the child or fail.
CREATE FUNCTION apikey._lock_parent(k apikey.api_key) RETURNS apikey.api_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parent apikey.api_key;
BEGIN
	IF k.parent_key_id IS NULL THEN
		RETURN NULL;
	END IF;
	parent := apikey._touch_key(k.parent_key_id);
	IF parent.key_id IS NULL THEN
		RAISE undefined_object USING MESSAGE = format('key %s does not exist', k.parent_key_id);
	END IF;
	PERFORM apikey._require_not_revoked(parent);
	RETURN parent;
END
$$;

-- What a key asks for lies within its policy and its parent.  Both are judged
-- again at each verification; this tells the mistake when it is made.
CREATE FUNCTION apikey._check_bounds(k apikey.api_key, role_ids bigint[], rules apikey.policy_version, parent apikey.api_key)
	RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	item text;
	bounds text[];
BEGIN
	IF NOT apikey._scopes_touch(k.scopes, rules.max_scopes) THEN
		FOREACH item IN ARRAY k.scopes LOOP
			IF NOT apikey._scopes_touch(ARRAY[item], rules.max_scopes) THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('scope "%s" is outside the policy', apikey._shown(item)),
					DETAIL = 'max_scopes of the policy covers no part of it.';
			END IF;
		END LOOP;
	END IF;
	IF parent.key_id IS NULL THEN
		RETURN;
	END IF;

	bounds := apikey._held_scopes(parent.scopes, apikey._key_role_ids(parent.key_id));
	FOREACH item IN ARRAY apikey._held_scopes(k.scopes, role_ids) LOOP
		IF NOT apikey._scopes_within(ARRAY[item], bounds) THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('scope "%s" is outside the parent key', apikey._shown(item)),
				DETAIL = format('Key %s does not hold it.', parent.key_id);
		END IF;
	END LOOP;
	IF cardinality(parent.cidrs) > 0 AND NOT apikey._cidrs_within(k.cidrs, parent.cidrs) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'cidrs are outside the parent key',
			DETAIL = format('Key %s is bound to other networks.', parent.key_id);
	END IF;
	IF cardinality(parent.endpoints) > 0 THEN
		FOREACH item IN ARRAY k.endpoints LOOP
			IF NOT item = ANY (parent.endpoints) THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('endpoint rule "%s" is outside the parent key', apikey._shown(item)),
					DETAIL = format('It must be one of the rules of key %s, letter by letter.', parent.key_id);
			END IF;
		END LOOP;
	END IF;
END
$$;

-- How many limits a request with this key meets, its own and those of its
-- policy.  A later version of the policy may bring more; they all count then.
CREATE FUNCTION apikey._check_limit_names(k apikey.api_key, rules apikey.policy_version) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present bigint := (
		SELECT count(*) FROM (
			SELECT l.name FROM unnest(k.rate_limits) l UNION SELECT q.name FROM unnest(k.quotas) q
			UNION
			SELECT l.name FROM unnest(rules.rate_limits) l UNION SELECT q.name FROM unnest(rules.quotas) q) names);
BEGIN
	IF present > 8 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'too many limits',
			DETAIL = format('The key and its policy have limits of %s different names, at most 8 apply to a key.', present),
			HINT = 'A limit of the key replaces the one of the policy that has the same name.';
	END IF;
END
$$;

-- The number of keys from this one up to the root of its tree.
CREATE FUNCTION apikey._key_depth(key_id bigint) RETURNS integer
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		WITH RECURSIVE chain AS (
			SELECT k.parent_key_id, 1 AS depth FROM apikey.api_key k WHERE k.key_id = _key_depth.key_id
			UNION ALL
			SELECT k.parent_key_id, c.depth + 1 FROM chain c JOIN apikey.api_key k ON k.key_id = c.parent_key_id
			WHERE c.depth < 100
		)
		SELECT max(c.depth) FROM chain c);
END
$$;
