-- ---------------------------------------------------------------------------
-- Making keys, changing and listing them.
--
-- A key on its way is a row of apikey.api_key that is not stored yet:
--
--   _plan_key     arguments -> row: who may, what they name, is it well-formed
--   _admit_keys   locks, limits, expiry, bounds of policy and parent
--   _insert_keys  stores n copies of the row, each with a secret and the roles
-- ---------------------------------------------------------------------------

CREATE TYPE apikey.new_key AS (
	key_id		bigint,
	secret_id	bigint,
	key			text,
	sealed		bytea,
	hint		text,
	expires_at	timestamptz
);

-- --- data key --------------------------------------------------------------

-- The active data key; the first call in a database makes it.
CREATE FUNCTION apikey._ensure_data_key() RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id integer;
BEGIN
	SELECT k.keyring_id INTO id FROM apikey.keyring k WHERE k.active ORDER BY k.keyring_id DESC LIMIT 1;
	IF FOUND THEN
		RETURN id;
	END IF;
	PERFORM apikey._lock('keyring');
	SELECT k.keyring_id INTO id FROM apikey.keyring k WHERE k.active ORDER BY k.keyring_id DESC LIMIT 1;
	IF FOUND THEN
		RETURN id;
	END IF;
	-- Under REPEATABLE READ another session's new key may be out of sight;
	-- ON CONFLICT makes that a serialization failure.
	INSERT INTO apikey.keyring AS k (keyring_id, wrapped, material, master_id, created_at)
	SELECT (SELECT coalesce(max(o.keyring_id), 0) + 1 FROM apikey.keyring o),
		   d.wrapped, d.material, d.master_id, apikey._now()
	FROM apikey._make_data_key() AS d (wrapped, material, master_id)
	ON CONFLICT DO NOTHING
	RETURNING k.keyring_id INTO id;
	PERFORM apikey._audit(NULL, 'keyring.create', 'keyring:' || id, NULL,
		(SELECT jsonb_build_object('wrapped', k.wrapped) FROM apikey.keyring k WHERE k.keyring_id = id));
	RETURN id;
END
$$;

-- Stores every data key under the configured master key, or in the clear.
CREATE FUNCTION apikey.rewrap_keyring(plain boolean DEFAULT false) RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._rewrap_keyring(plain boolean) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was apikey.keyring;
	becomes record;
	done integer := 0;
BEGIN
	PERFORM apikey._require_all_tenants('re-wrap the keyring');
	PERFORM apikey._require(plain, 'plain');
	PERFORM apikey._require_step_up('re-wrap the keyring', true);
	FOR was IN SELECT * FROM apikey.keyring k ORDER BY k.keyring_id FOR UPDATE LOOP
		SELECT * INTO becomes
			FROM apikey._rewrap(was.wrapped, was.material, was.master_id, plain) AS r (wrapped, material, master_id);
		UPDATE apikey.keyring k
			SET wrapped = becomes.wrapped, material = becomes.material, master_id = becomes.master_id
			WHERE k.keyring_id = was.keyring_id;
		PERFORM apikey._audit(NULL, 'keyring.rewrap', 'keyring:' || was.keyring_id,
							  jsonb_build_object('wrapped', was.wrapped), jsonb_build_object('wrapped', becomes.wrapped));
		done := done + 1;
	END LOOP;
	IF done > 0 THEN
		PERFORM apikey._event(NULL, 'keyring.rewrap', NULL, jsonb_build_object('keys', done));
	END IF;
	RETURN done;
END
$$;

-- --- making keys -----------------------------------------------------------

CREATE FUNCTION apikey._plan_key(
	tenant text,
	environment text,
	name text,
	owner text,
	scopes text[],
	policy text,
	metadata jsonb,
	tags text[],
	cidrs cidr[],
	endpoints text[],
	parent_key_id bigint,
	idempotency_key text,
	not_before timestamptz,
	description text,
	rate_limits apikey.rate_limit[],
	quotas apikey.quota[]
) RETURNS apikey.api_key
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key;
	env apikey.environment;
	parent apikey.api_key;
BEGIN
	k.tenant_id := apikey._tenant_id(tenant, 'keys');
	env := apikey._environment(k.tenant_id, environment);
	k.environment_id := env.environment_id;
	k.policy_id := CASE WHEN policy IS NULL THEN env.default_policy_id ELSE apikey._policy_id(k.tenant_id, policy) END;
	IF parent_key_id IS NOT NULL THEN
		parent := apikey._find_key(parent_key_id, 'keys');
		IF parent.tenant_id <> k.tenant_id THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('key %s belongs to another tenant', parent_key_id),
				DETAIL = 'A child key has the tenant of its parent.';
		END IF;
		IF apikey._key_depth(parent_key_id) >= 16 THEN
			RAISE program_limit_exceeded USING
				MESSAGE = 'key tree is too deep',
				DETAIL = 'A key may have at most 15 ancestors.';
		END IF;
		k.parent_key_id := parent_key_id;
	END IF;
	k.status := 'active';
	k.owner := owner;
	k.name := name;
	k.description := description;
	k.scopes := coalesce(scopes, '{}');
	k.tags := coalesce(tags, '{}');
	k.metadata := metadata;
	k.cidrs := coalesce(cidrs, '{}');
	k.endpoints := coalesce(endpoints, '{}');
	k.rate_limits := coalesce(rate_limits, '{}');
	k.quotas := coalesce(quotas, '{}');
	k.not_before := not_before;
	k.idempotency_key := idempotency_key;
	PERFORM apikey._check_key(k);
	RETURN k;
END
$$;

CREATE FUNCTION apikey._check_secret(bytes integer, seal_to bytea) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF bytes NOT BETWEEN 16 AND 64 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'bytes must be between 16 and 64',
			DETAIL = 'A key holds 128 to 512 random bits.';
	END IF;
	IF octet_length(seal_to) <> 32 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'seal_to is not an X25519 public key',
			DETAIL = 'A public key has 32 bytes.';
	END IF;
END
$$;

-- Locks, limits and bounds for n keys like this one; returns it with its end.
-- approved: that another role has to approve it yet, or has.  default_policy:
-- that the policy is that of the environment.
CREATE FUNCTION apikey._admit_keys(k apikey.api_key, role_ids bigint[], n integer, expires_at timestamptz, ttl interval,
	approved boolean, default_policy boolean) RETURNS apikey.api_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rules apikey.policy_version := apikey._lock_policy(k.tenant_id, k.policy_id);
	parent apikey.api_key;
BEGIN
	PERFORM apikey._share_environment(k, default_policy);
	parent := apikey._lock_parent(k);
	IF NOT approved THEN
		PERFORM apikey._check_approval(k, rules);
	END IF;
	-- a revocation that is scheduled for the parent takes the child along
	k.revoke_at := parent.revoke_at;
	k.created_at := apikey._now();
	k.created_by := apikey._caller_name();
	RETURN apikey._judge_keys(k, role_ids, n, expires_at, ttl, rules, parent);
END
$$;

-- The same without the locks, which are held; for a key that is stored, too.
CREATE FUNCTION apikey._judge_keys(k apikey.api_key, role_ids bigint[], n integer, expires_at timestamptz, ttl interval,
	rules apikey.policy_version, parent apikey.api_key) RETURNS apikey.api_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	k.expires_at := apikey._expiry(expires_at, ttl, rules, parent.expires_at);
	PERFORM apikey._check_key(k);
	PERFORM apikey._check_bounds(k, role_ids, rules, parent);
	PERFORM apikey._check_limit_names(k, rules);
	-- one that is stored is counted there already
	PERFORM apikey._check_max_keys(k.tenant_id, CASE WHEN k.key_id IS NULL THEN n ELSE 0 END);
	PERFORM apikey._check_owner_keys(k, rules.max_keys_per_owner, n);
	RETURN k;
END
$$;

-- Stores n copies of the row, each with a secret and the roles.  One statement
-- whatever n is.  Several copies are told apart by a number after their name.
-- Returns nothing if the idempotency key is taken.
--
-- enable_seqscan: the checks of foreign keys are planned inside, and kept by
-- the session.  Planned while the tables are nearly empty they would scan them,
-- once for each key of a later, larger call.
CREATE FUNCTION apikey._insert_keys(k apikey.api_key, n integer, role_ids bigint[], bytes integer, seal_to bytea)
	RETURNS SETOF apikey.new_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
	prefix text := (SELECT t.prefix FROM apikey.tenant t WHERE t.tenant_id = k.tenant_id);
	tag text := (SELECT e.tag FROM apikey.environment e WHERE e.environment_id = k.environment_id);
BEGIN
	PERFORM apikey._ensure_data_key();
	RETURN QUERY
	WITH made AS (
		INSERT INTO apikey.api_key AS t (
			tenant_id, environment_id, policy_id, parent_key_id, status, owner, name, description, scopes,
			tags, metadata, cidrs, endpoints, rate_limits, quotas, not_before, expires_at, revoke_at, idempotency_key,
			created_at, created_by)
		SELECT k.tenant_id, k.environment_id, k.policy_id, k.parent_key_id, k.status, k.owner,
			   CASE WHEN n = 1 THEN k.name ELSE k.name || '-' || i END, k.description, k.scopes,
			   k.tags, k.metadata, k.cidrs, k.endpoints, k.rate_limits, k.quotas, k.not_before, k.expires_at, k.revoke_at,
			   k.idempotency_key, k.created_at, k.created_by
		FROM generate_series(1, n) i
		ON CONFLICT (tenant_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
		RETURNING t.key_id
	), secrets AS MATERIALIZED (
		-- in the target list, so that it runs once for each row
		SELECT m.key_id, apikey._new_secret(prefix, tag, bytes, seal_to) AS secret FROM made m
	), stored AS (
		INSERT INTO apikey.key_secret AS t (key_id, tenant_id, keyring_id, digest, hint, created_at)
		SELECT s.key_id, k.tenant_id, (s.secret).keyring_id, (s.secret).digest, (s.secret).hint, k.created_at
		FROM secrets s
		RETURNING t.key_id, t.secret_id
	), linked AS (
		INSERT INTO apikey.key_role (key_id, role_id, tenant_id)
		SELECT m.key_id, r, k.tenant_id FROM made m CROSS JOIN unnest(role_ids) r
	)
	SELECT s.key_id, o.secret_id, (s.secret).key, (s.secret).sealed, (s.secret).hint, k.expires_at
	FROM secrets s JOIN stored o ON o.key_id = s.key_id
	ORDER BY s.key_id;
END
$$;

CREATE FUNCTION apikey.create_key(
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
	quotas apikey.quota[] DEFAULT NULL
) RETURNS apikey.new_key
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._create_key(
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
	quotas apikey.quota[]
) RETURNS apikey.new_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._plan_key(tenant, environment, name, owner, scopes, policy, metadata, tags, cidrs,
		endpoints, parent_key_id, idempotency_key, not_before, description, rate_limits, quotas);
	role_ids bigint[] := apikey._role_ids(k.tenant_id, roles);
	request text;
	result apikey.new_key;
BEGIN
	PERFORM apikey._check_secret(bytes, seal_to);
	IF idempotency_key IS NOT NULL THEN
		request := apikey._request_digest(environment, name, owner, scopes, policy, expires_at, ttl, metadata, tags,
			cidrs, endpoints, parent_key_id, roles, bytes, seal_to, not_before, description, rate_limits, quotas);
		result := apikey._repeated_key(k, 'key.create', request);
		IF result.key_id IS NOT NULL THEN
			RETURN result;
		END IF;
	END IF;
	k := apikey._admit_keys(k, role_ids, 1, expires_at, ttl, false, policy IS NULL);
	SELECT * INTO result FROM apikey._insert_keys(k, 1, role_ids, bytes, seal_to);
	IF result.key_id IS NULL THEN
		-- another session was first with this idempotency key
		RETURN apikey._repeated_key(k, 'key.create', request);
	END IF;
	PERFORM apikey._audit(k.tenant_id, 'key.create', 'key:' || result.key_id, NULL,
						  apikey._key_json(k, role_ids) || jsonb_strip_nulls(jsonb_build_object('request', request)));
	PERFORM apikey._event(k.tenant_id, 'key.create', result.key_id, jsonb_strip_nulls(jsonb_build_object(
		'name', name, 'owner', owner, 'environment', environment, 'hint', result.hint, 'expires_at', k.expires_at)));
	RETURN result;
END
$$;

-- What was asked for, as a digest: the arguments may be large.
CREATE FUNCTION apikey._request_digest(
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
	not_before timestamptz,
	description text,
	rate_limits apikey.rate_limit[],
	quotas apikey.quota[]
) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN encode(sha256(convert_to(jsonb_build_object(
		'environment', environment, 'name', name, 'owner', owner, 'scopes', scopes, 'policy', policy,
		'expires_at', extract(epoch FROM expires_at), 'ttl', extract(epoch FROM ttl), 'metadata', metadata,
		'tags', tags, 'cidrs', cidrs, 'endpoints', endpoints, 'parent_key_id', parent_key_id, 'roles', roles,
		'bytes', bytes, 'seal_to', encode(seal_to, 'hex'), 'not_before', extract(epoch FROM not_before),
		'description', description, 'limits', apikey._limits_json(rate_limits, quotas))::text, 'UTF8')), 'hex');
END
$$;

-- The key an earlier call with this idempotency key made: without its text,
-- which is shown once.  NULL if there is none.  action is what the call does.
CREATE FUNCTION apikey._repeated_key(k apikey.api_key, action text, request text) RETURNS apikey.new_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	earlier apikey.new_key;
	made text;
BEGIN
	SELECT t.key_id, s.secret_id, NULL, NULL, s.hint, t.expires_at INTO earlier
	FROM apikey.api_key t LEFT JOIN apikey.key_secret s ON s.key_id = t.key_id
	WHERE t.tenant_id = k.tenant_id AND t.idempotency_key = k.idempotency_key
	ORDER BY s.secret_id LIMIT 1;
	IF FOUND THEN
		SELECT a.after ->> 'request' INTO made FROM apikey.audit_log a
			WHERE a.object = 'key:' || earlier.key_id AND a.action = _repeated_key.action ORDER BY a.seq LIMIT 1;
		IF made IS DISTINCT FROM request THEN
			RAISE duplicate_object USING
				MESSAGE = 'idempotency key was used with other arguments',
				DETAIL = format('It belongs to the creation of key %s.', earlier.key_id);
		END IF;
	END IF;
	RETURN earlier;
END
$$;

-- Many keys in one statement; each gets its name with -1, -2 and so on.
CREATE FUNCTION apikey.create_keys(
	n integer,
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
	not_before timestamptz DEFAULT NULL,
	description text DEFAULT NULL,
	rate_limits apikey.rate_limit[] DEFAULT NULL,
	quotas apikey.quota[] DEFAULT NULL
) RETURNS SETOF apikey.new_key
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._create_keys(
	n integer,
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
	not_before timestamptz,
	description text,
	rate_limits apikey.rate_limit[],
	quotas apikey.quota[]
) RETURNS SETOF apikey.new_key
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._plan_key(tenant, environment, name, owner, scopes, policy, metadata, tags, cidrs,
		endpoints, parent_key_id, NULL, not_before, description, rate_limits, quotas);
	role_ids bigint[] := apikey._role_ids(k.tenant_id, roles);
	batch jsonb;
BEGIN
	PERFORM apikey._check_secret(bytes, seal_to);
	IF n IS NULL OR n NOT BETWEEN 1 AND 1000000 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'n must be between 1 and 1000000';
	END IF;
	k := apikey._admit_keys(k, role_ids, n, expires_at, ttl, false, policy IS NULL);
	k.name := CASE WHEN n = 1 THEN name || '-1' ELSE name END;
	RETURN QUERY SELECT * FROM apikey._insert_keys(k, n, role_ids, bytes, seal_to);
	-- created_at names the batch: no other call of this tenant has the same
	batch := jsonb_build_object('n', n, 'created_at', k.created_at);
	PERFORM apikey._audit(k.tenant_id, 'key.create_many', 'tenant:' || k.tenant_id, NULL,
						  apikey._key_json(k, role_ids) || batch);
	PERFORM apikey._event(k.tenant_id, 'key.create_many', NULL, jsonb_strip_nulls(jsonb_build_object(
		'name', name, 'owner', owner, 'environment', environment)) || batch);
END
$$;

-- --- changing and listing --------------------------------------------------

CREATE FUNCTION apikey.update_key(
	id bigint,
	name text DEFAULT NULL,
	owner text DEFAULT NULL,
	description text DEFAULT NULL,
	scopes text[] DEFAULT NULL,
	policy text DEFAULT NULL,
	metadata jsonb DEFAULT NULL,
	tags text[] DEFAULT NULL,
	cidrs cidr[] DEFAULT NULL,
	endpoints text[] DEFAULT NULL,
	roles text[] DEFAULT NULL,
	not_before timestamptz DEFAULT NULL,
	clear text[] DEFAULT NULL,
	rate_limits apikey.rate_limit[] DEFAULT NULL,
	quotas apikey.quota[] DEFAULT NULL
) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._update_key(
	id bigint,
	name text,
	owner text,
	description text,
	scopes text[],
	policy text,
	metadata jsonb,
	tags text[],
	cidrs cidr[],
	endpoints text[],
	roles text[],
	not_before timestamptz,
	clear text[],
	rate_limits apikey.rate_limit[],
	quotas apikey.quota[]
) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
	seen apikey.api_key := apikey._find_key(id, 'keys');
	was apikey.api_key;
	k apikey.api_key;
	parent apikey.api_key;
	rules apikey.policy_version;
	was_roles bigint[];
	role_ids bigint[];
	new_policy bigint := seen.policy_id;
	before jsonb;
	after jsonb;
	given jsonb := jsonb_build_object('name', name, 'owner', owner, 'description', description, 'scopes', scopes,
		'policy', policy, 'metadata', metadata, 'tags', tags, 'cidrs', cidrs, 'endpoints', endpoints,
		'roles', roles, 'not_before', not_before, 'rate_limits', rate_limits, 'quotas', quotas);
BEGIN
	PERFORM apikey._check_clear(clear, ARRAY['name', 'owner', 'description', 'scopes', 'policy', 'metadata', 'tags',
											 'cidrs', 'endpoints', 'roles', 'not_before', 'rate_limits', 'quotas']);
	IF EXISTS (SELECT FROM unnest(clear) c WHERE jsonb_typeof(given -> c) <> 'null') THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a field cannot be both set and cleared';
	END IF;
	IF policy IS NOT NULL THEN
		new_policy := apikey._policy_id(seen.tenant_id, policy);
	ELSIF 'policy' = ANY (clear) THEN
		SELECT e.default_policy_id INTO new_policy FROM apikey.environment e WHERE e.environment_id = seen.environment_id;
	END IF;

	rules := apikey._lock_policy(seen.tenant_id, new_policy);
	was := apikey._lock_key(seen);
	PERFORM apikey._require_not_revoked(was);
	k := was;
	was_roles := apikey._key_role_ids(id);
	role_ids := CASE WHEN roles IS NOT NULL OR 'roles' = ANY (clear)
		THEN apikey._role_ids(k.tenant_id, roles) ELSE was_roles END;
	IF policy IS NOT NULL OR 'policy' = ANY (clear) THEN
		k.policy_id := new_policy;
	END IF;
	k.name := CASE WHEN 'name' = ANY (clear) THEN NULL ELSE coalesce(name, k.name) END;
	k.owner := CASE WHEN 'owner' = ANY (clear) THEN NULL ELSE coalesce(owner, k.owner) END;
	k.description := CASE WHEN 'description' = ANY (clear) THEN NULL ELSE coalesce(description, k.description) END;
	k.scopes := CASE WHEN 'scopes' = ANY (clear) THEN '{}' ELSE coalesce(scopes, k.scopes) END;
	k.metadata := CASE WHEN 'metadata' = ANY (clear) THEN NULL ELSE coalesce(metadata, k.metadata) END;
	k.tags := CASE WHEN 'tags' = ANY (clear) THEN '{}' ELSE coalesce(tags, k.tags) END;
	k.cidrs := CASE WHEN 'cidrs' = ANY (clear) THEN '{}' ELSE coalesce(cidrs, k.cidrs) END;
	k.endpoints := CASE WHEN 'endpoints' = ANY (clear) THEN '{}' ELSE coalesce(endpoints, k.endpoints) END;
	k.rate_limits := CASE WHEN 'rate_limits' = ANY (clear) THEN '{}' ELSE coalesce(rate_limits, k.rate_limits) END;
	k.quotas := CASE WHEN 'quotas' = ANY (clear) THEN '{}' ELSE coalesce(quotas, k.quotas) END;
	k.not_before := CASE WHEN 'not_before' = ANY (clear) THEN NULL ELSE coalesce(not_before, k.not_before) END;

	PERFORM apikey._check_key(k);
	-- all but name and description: applications read the rest in the verdict
	IF (k.scopes, k.cidrs, k.endpoints, k.policy_id, k.rate_limits, k.quotas, role_ids, k.owner, k.metadata, k.tags, k.not_before)
		IS DISTINCT FROM (was.scopes, was.cidrs, was.endpoints, was.policy_id, was.rate_limits, was.quotas, was_roles,
						  was.owner, was.metadata, was.tags, was.not_before) THEN
		PERFORM apikey._require_approver(was, apikey._rules_in_force(was.policy_id, apikey._now()));
		PERFORM apikey._require_approver(k, rules);
	END IF;
	SELECT * INTO parent FROM apikey.api_key t WHERE t.key_id = k.parent_key_id;
	-- what stays as it is was judged when it was set
	IF k.scopes <> was.scopes OR role_ids <> was_roles OR k.cidrs <> was.cidrs OR k.endpoints <> was.endpoints
		OR k.policy_id IS DISTINCT FROM was.policy_id THEN
		PERFORM apikey._check_bounds(k, role_ids, rules, parent);
	END IF;
	IF rate_limits IS NOT NULL OR quotas IS NOT NULL OR k.policy_id IS DISTINCT FROM was.policy_id THEN
		PERFORM apikey._check_limit_names(k, rules);
	END IF;
	IF k.policy_id IS DISTINCT FROM was.policy_id AND coalesce(k.expires_at, 'infinity') > apikey._now() + rules.max_ttl THEN
		RAISE SQLSTATE 'AK002' USING
			MESSAGE = 'expiry is beyond the maximum of the policy',
			DETAIL = format('Keys of the policy live at most %s.', rules.max_ttl),
			HINT = 'renew_key() can bring the expiry forward first.';
	END IF;
	IF k.policy_id IS DISTINCT FROM was.policy_id OR k.owner IS DISTINCT FROM was.owner THEN
		PERFORM apikey._check_owner_keys(k, rules.max_keys_per_owner, 1, k.owner IS DISTINCT FROM was.owner);
	END IF;

	before := apikey._key_json(was, was_roles);
	after := apikey._key_json(k, role_ids);
	IF before = after THEN
		RETURN apikey._key_info(id);
	END IF;
	UPDATE apikey.api_key t SET
		name = k.name, owner = k.owner, description = k.description, scopes = k.scopes, policy_id = k.policy_id,
		metadata = k.metadata, tags = k.tags, cidrs = k.cidrs, endpoints = k.endpoints, not_before = k.not_before,
		rate_limits = k.rate_limits, quotas = k.quotas
	WHERE t.key_id = _update_key.id;
	DELETE FROM apikey.key_role kr WHERE kr.key_id = _update_key.id AND NOT kr.role_id = ANY (role_ids);
	INSERT INTO apikey.key_role (key_id, role_id, tenant_id)
		SELECT k.key_id, r, k.tenant_id FROM unnest(role_ids) r WHERE NOT r = ANY (was_roles);
	PERFORM apikey._audit(k.tenant_id, 'key.update', 'key:' || id,
						  apikey._changes(before, after), apikey._changes(after, before));
	PERFORM apikey._event(k.tenant_id, 'key.update', id, jsonb_build_object(
		'changed', ARRAY(SELECT jsonb_object_keys(apikey._changes(after, before) || apikey._changes(before, after)) ORDER BY 1)));
	RETURN apikey._key_info(id);
END
$$;

-- The keys of one tenant by ascending id, after_key_id being the last one of
-- the page before.  search is a piece of name, owner, description, hint or
-- tag, taken literally and without regard to case.
CREATE FUNCTION apikey.list_keys(
	tenant text,
	search text DEFAULT NULL,
	environment text DEFAULT NULL,
	owner text DEFAULT NULL,
	status text DEFAULT NULL,
	after_key_id bigint DEFAULT 0,
	page_size integer DEFAULT 100
) RETURNS SETOF apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._list_keys(
	tenant text,
	search text,
	environment text,
	owner text,
	status text,
	after_key_id bigint,
	page_size integer
) RETURNS SETOF apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'metadata');
	env_id bigint;
	piece text := lower(search);
	now timestamptz := apikey._now();
BEGIN
	IF page_size IS NULL OR page_size NOT BETWEEN 1 AND 1000 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'page_size must be between 1 and 1000';
	END IF;
	IF status <> ALL ('{pending,active,suspended,revoked,expired}') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid status "%s"', apikey._shown(status)),
			DETAIL = 'It is "pending", "active", "suspended", "revoked", or "expired" for what is not revoked and past its end.';
	END IF;
	IF environment IS NOT NULL THEN
		env_id := (apikey._environment(tid, environment)).environment_id;
	END IF;
	RETURN QUERY SELECT * FROM apikey._key_infos(ARRAY(
		SELECT k.key_id FROM apikey.api_key k
		WHERE k.tenant_id = tid AND k.key_id > coalesce(after_key_id, 0)
			AND (env_id IS NULL OR k.environment_id = env_id)
			AND (_list_keys.owner IS NULL OR k.owner = _list_keys.owner)
			AND (_list_keys.status IS NULL OR k.status = _list_keys.status
				 OR (_list_keys.status = 'expired' AND k.status <> 'revoked' AND k.expires_at <= now))
			AND (piece IS NULL OR strpos(lower(k.name), piece) > 0 OR strpos(lower(k.owner), piece) > 0
				 OR strpos(lower(k.description), piece) > 0
				 OR EXISTS (SELECT FROM unnest(k.tags) t WHERE strpos(lower(t), piece) > 0)
				 OR EXISTS (SELECT FROM apikey.key_secret s WHERE s.key_id = k.key_id AND strpos(lower(s.hint), piece) > 0))
		ORDER BY k.key_id LIMIT page_size));
END
$$;
