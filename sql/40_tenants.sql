-- ---------------------------------------------------------------------------
-- Tenants, environments, roles.
-- ---------------------------------------------------------------------------

-- --- tenants ---------------------------------------------------------------

CREATE TYPE apikey.tenant_info AS (
	tenant_id		bigint,
	tenant			text,
	status			text,
	suspend_reason	text,
	prefix			text,
	max_keys		bigint,
	settings		jsonb,
	created_at		timestamptz,
	rate_limits		apikey.rate_limit[],
	quotas			apikey.quota[],
	max_keys_per_owner integer
);

-- A tenant and its ancestors; depth 0 is the tenant itself.
CREATE FUNCTION apikey._tenant_chain(start bigint) RETURNS TABLE (tenant_id bigint, name text, depth integer)
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	WITH RECURSIVE chain AS (
		SELECT t.tenant_id, t.parent_id, t.name, 0 AS depth
		FROM apikey.tenant t WHERE t.tenant_id = start
		UNION ALL
		SELECT t.tenant_id, t.parent_id, t.name, c.depth + 1
		FROM chain c JOIN apikey.tenant t ON t.tenant_id = c.parent_id
		WHERE c.depth < 100
	)
	SELECT c.tenant_id, c.name, c.depth FROM chain c;
END
$$;

-- The path of a tenant.  A loop: views call this for each row.
CREATE FUNCTION apikey._path(tenant_id bigint) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	above bigint := tenant_id;
	step text;
	path text;
BEGIN
	WHILE above IS NOT NULL LOOP
		SELECT t.parent_id, t.name INTO above, step FROM apikey.tenant t WHERE t.tenant_id = above;
		EXIT WHEN NOT FOUND;
		path := concat_ws('/', step, path);
	END LOOP;
	RETURN path;
END
$$;

-- Read by views, hence STABLE.
CREATE FUNCTION apikey.tenant_path(tenant_id bigint) RETURNS text
	LANGUAGE c STABLE PARALLEL UNSAFE COST 1000 AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._tenant_path(tenant_id bigint) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF tenant_id IS NULL OR NOT apikey._may('any', tenant_id) THEN
		RETURN NULL;
	END IF;
	RETURN apikey._path(tenant_id);
END
$$;

-- The tenant a path such as "acme/eu" names.  The walk reads foreign tenants,
-- so nothing but its end may be told.
CREATE FUNCTION apikey._tenant_id(path text, class text) RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	step text;
	found_id bigint;
	parent bigint := 0;
BEGIN
	PERFORM apikey._require(path, 'tenant');
	FOREACH step IN ARRAY string_to_array(left(path, 4096), '/') LOOP
		SELECT t.tenant_id INTO found_id FROM apikey.tenant t
			WHERE coalesce(t.parent_id, 0) = parent AND t.name = step;
		EXIT WHEN found_id IS NULL;
		parent := found_id;
	END LOOP;
	PERFORM apikey._require_access(class, found_id, format('tenant "%s"', apikey._shown(path)));
	RETURN found_id;
END
$$;

CREATE FUNCTION apikey._tenant_info(tenant_id bigint) RETURNS apikey.tenant_info
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	info apikey.tenant_info;
BEGIN
	SELECT t.tenant_id, apikey._path(t.tenant_id), t.status, nullif(t.suspend_reason, ''),
		   t.prefix, t.max_keys, t.settings, t.created_at, t.rate_limits, t.quotas, t.max_keys_per_owner
	INTO info
	FROM apikey.tenant t WHERE t.tenant_id = _tenant_info.tenant_id;
	RETURN info;
END
$$;

-- Whether a create_* call repeats the one that made the object: same
-- idempotency key, same arguments.  The audit row of the creation is the
-- record.  Otherwise the name is taken.
CREATE FUNCTION apikey._require_repeated(action text, object text, idempotency_key text, request jsonb, subject text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made jsonb;
BEGIN
	IF idempotency_key IS NOT NULL THEN
		SELECT a.after INTO made FROM apikey.audit_log a
			WHERE a.object = _require_repeated.object AND a.action = _require_repeated.action
			ORDER BY a.seq LIMIT 1;
		IF made ->> 'idempotency_key' = idempotency_key THEN
			IF made -> 'request' = jsonb_strip_nulls(request) THEN
				RETURN;
			END IF;
			RAISE duplicate_object USING
				MESSAGE = 'idempotency key was used with other arguments',
				DETAIL = format('It belongs to the creation of %s.', subject);
		END IF;
	END IF;
	RAISE duplicate_object USING MESSAGE = format('%s already exists', subject);
END
$$;

CREATE FUNCTION apikey._audit_create(tenant_id bigint, action text, object text, idempotency_key text, request jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._audit(tenant_id, action, object, NULL, jsonb_strip_nulls(jsonb_build_object(
		'idempotency_key', idempotency_key, 'request', jsonb_strip_nulls(request))));
END
$$;

CREATE FUNCTION apikey.create_tenant(
	name text,
	parent text DEFAULT NULL,
	prefix text DEFAULT NULL,
	max_keys bigint DEFAULT NULL,
	settings jsonb DEFAULT NULL,
	idempotency_key text DEFAULT NULL,
	rate_limits apikey.rate_limit[] DEFAULT NULL,
	quotas apikey.quota[] DEFAULT NULL,
	max_keys_per_owner integer DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._create_tenant(
	name text,
	parent text,
	prefix text,
	max_keys bigint,
	settings jsonb,
	idempotency_key text,
	rate_limits apikey.rate_limit[],
	quotas apikey.quota[],
	max_keys_per_owner integer
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parent_tid bigint;
	new_id bigint;
	shown text;
	limits integer;
	request jsonb := jsonb_build_object('name', name, 'prefix', prefix,
										'max_keys', max_keys, 'settings', settings, 'max_keys_per_owner', max_keys_per_owner)
		|| apikey._limits_json(rate_limits, quotas);
BEGIN
	IF parent IS NULL THEN
		PERFORM apikey._require_all_tenants('create a tenant without a parent');
	ELSE
		parent_tid := apikey._tenant_id(parent, 'admin');
		-- not the path, which a move changes
		request := request || jsonb_build_object('parent_id', parent_tid);
	END IF;
	PERFORM apikey._require(name, 'name');
	shown := apikey._shown(concat_ws('/', parent, name));
	IF name ~ '^[a-z0-9][a-z0-9_.-]{0,62}(/[a-z0-9][a-z0-9_.-]{0,62})+$' THEN
		-- a path, which other functions take
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid tenant name "%s"', apikey._shown(name)),
			DETAIL = 'A name is 1 to 63 of a-z, 0-9, "_", "." and "-", and starts with a letter or digit.',
			HINT = format('The tenant above is named apart: create_tenant(%L, parent => %L).',
				regexp_replace(name, '^.*/', ''), concat_ws('/', parent, regexp_replace(name, '/[^/]*$', '')));
	ELSIF NOT name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid tenant name "%s"', apikey._shown(name)),
			DETAIL = 'A name is 1 to 63 of a-z, 0-9, "_", "." and "-", and starts with a letter or digit.';
	END IF;
	PERFORM apikey._check_tenant(prefix, max_keys, max_keys_per_owner, settings, rate_limits, quotas);
	PERFORM apikey._check_text(idempotency_key, 'idempotency_key', 200);

	PERFORM apikey._ensure_data_key();
	limits := coalesce(cardinality(rate_limits), 0) + coalesce(cardinality(quotas), 0);
	IF parent_tid IS NOT NULL THEN
		IF limits > 0 THEN
			PERFORM apikey._lock_tree(parent_tid);
		END IF;
		PERFORM apikey._hold_tenant(parent_tid);
		PERFORM apikey._check_tree(parent_tid, 1, limits);
	END IF;
	INSERT INTO apikey.tenant AS t (parent_id, name, prefix, max_keys, settings, created_at, rate_limits, quotas,
		max_keys_per_owner)
	VALUES (parent_tid, _create_tenant.name, coalesce(_create_tenant.prefix, 'ak'),
			_create_tenant.max_keys, coalesce(_create_tenant.settings, '{}'), apikey._now(),
			coalesce(_create_tenant.rate_limits, '{}'), coalesce(_create_tenant.quotas, '{}'),
			_create_tenant.max_keys_per_owner)
	ON CONFLICT DO NOTHING
	RETURNING t.tenant_id INTO new_id;

	IF new_id IS NULL THEN
		SELECT t.tenant_id INTO new_id FROM apikey.tenant t
			WHERE coalesce(t.parent_id, 0) = coalesce(parent_tid, 0) AND t.name = _create_tenant.name;
		PERFORM apikey._require_repeated('tenant.create', 'tenant:' || new_id, idempotency_key, request,
										 format('tenant "%s"', shown));
		RETURN new_id;
	END IF;
	PERFORM apikey._audit_create(new_id, 'tenant.create', 'tenant:' || new_id, idempotency_key, request);
	PERFORM apikey._event(new_id, 'tenant.create', NULL, jsonb_build_object('tenant', apikey._path(new_id)));
	RETURN new_id;
END
$$;

-- Suspends or resumes; asking for the state it is in changes nothing.
CREATE FUNCTION apikey._set_tenant_status(tenant_id bigint, status text, reason text) RETURNS apikey.tenant_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was apikey.tenant;
	action text := CASE status WHEN 'suspended' THEN 'tenant.suspend' ELSE 'tenant.resume' END;
BEGIN
	PERFORM apikey._check_text(reason, 'reason', 1000);
	SELECT * INTO was FROM apikey.tenant t WHERE t.tenant_id = _set_tenant_status.tenant_id FOR NO KEY UPDATE;
	IF was.status <> status THEN
		UPDATE apikey.tenant t SET status = _set_tenant_status.status,
			suspend_reason = CASE WHEN _set_tenant_status.status = 'suspended' THEN reason END
		WHERE t.tenant_id = _set_tenant_status.tenant_id;
		PERFORM apikey._audit(tenant_id, action, 'tenant:' || tenant_id,
							  jsonb_build_object('status', was.status),
							  jsonb_strip_nulls(jsonb_build_object('status', status, 'reason', reason)));
		PERFORM apikey._event(tenant_id, action, NULL,
							  jsonb_strip_nulls(jsonb_build_object('tenant', apikey._path(tenant_id), 'reason', reason)));
	END IF;
	RETURN apikey._tenant_info(tenant_id);
END
$$;

CREATE FUNCTION apikey.suspend_tenant(tenant text, reason text DEFAULT NULL) RETURNS apikey.tenant_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._suspend_tenant(tenant text, reason text) RETURNS apikey.tenant_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN apikey._set_tenant_status(apikey._tenant_id(tenant, 'admin'), 'suspended', reason);
END
$$;

-- A tenant that was suspended from above must not lift that itself.
CREATE FUNCTION apikey.resume_tenant(tenant text) RETURNS apikey.tenant_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._resume_tenant(tenant text) RETURNS apikey.tenant_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id bigint := apikey._tenant_id(tenant, 'admin');
	above bigint := (SELECT t.parent_id FROM apikey.tenant t WHERE t.tenant_id = id);
BEGIN
	-- a root tenant has NULL above it: all tenants
	IF NOT apikey._may('admin', above) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied to resume tenant "%s"', apikey._shown(tenant)),
			DETAIL = 'It takes access "admin" on its parent, for a tenant without one on all tenants.';
	END IF;
	RETURN apikey._set_tenant_status(id, 'active', NULL);
END
$$;

-- --- environments ----------------------------------------------------------

CREATE FUNCTION apikey._environment(tenant_id bigint, name text) RETURNS apikey.environment
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	env apikey.environment;
BEGIN
	PERFORM apikey._require(name, 'environment');
	SELECT * INTO env FROM apikey.environment e
		WHERE e.tenant_id = _environment.tenant_id AND e.name = _environment.name;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('environment "%s" does not exist', apikey._shown(name));
	END IF;
	RETURN env;
END
$$;

CREATE FUNCTION apikey._check_tag(tag text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT tag ~ '^[a-z0-9]{1,12}$' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid environment tag "%s"', apikey._shown(tag)),
			DETAIL = 'A tag is 1 to 12 of a-z and 0-9.';
	END IF;
END
$$;

CREATE FUNCTION apikey.create_environment(
	tenant text,
	name text,
	tag text DEFAULT NULL,
	is_production boolean DEFAULT false,
	default_policy text DEFAULT NULL,
	requires_approval boolean DEFAULT false,
	idempotency_key text DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._create_environment(
	tenant text,
	name text,
	tag text,
	is_production boolean,
	default_policy text,
	requires_approval boolean,
	idempotency_key text
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
	policy_no bigint;
	new_id bigint;
	production boolean := coalesce(is_production, false);
	request jsonb := jsonb_build_object('name', name, 'tag', tag, 'is_production', production,
										'default_policy', default_policy, 'requires_approval', nullif(requires_approval, false));
BEGIN
	PERFORM apikey._require(name, 'name');
	PERFORM apikey._check_text(name, 'name', 200);
	PERFORM apikey._check_text(idempotency_key, 'idempotency_key', 200);
	PERFORM apikey._check_tag(tag);
	IF default_policy IS NOT NULL THEN
		-- or a move of the tenant could part it from a policy that it is just given
		PERFORM apikey._hold_tenant(tid);
		policy_no := apikey._policy_id(tid, default_policy);
	END IF;

	INSERT INTO apikey.environment AS e (tenant_id, name, tag, is_production, default_policy_id, requires_approval, created_at)
	VALUES (tid, _create_environment.name,
			coalesce(_create_environment.tag, CASE WHEN production THEN 'live' ELSE 'test' END),
			production, policy_no, coalesce(_create_environment.requires_approval, false), apikey._now())
	ON CONFLICT DO NOTHING
	RETURNING e.environment_id INTO new_id;

	IF new_id IS NULL THEN
		SELECT e.environment_id INTO new_id FROM apikey.environment e
			WHERE e.tenant_id = tid AND e.name = _create_environment.name;
		PERFORM apikey._require_repeated('environment.create', 'environment:' || new_id, idempotency_key, request,
										 format('environment "%s"', apikey._shown(name)));
		RETURN new_id;
	END IF;
	PERFORM apikey._audit_create(tid, 'environment.create', 'environment:' || new_id, idempotency_key, request);
	PERFORM apikey._event(tid, 'environment.create', NULL,
						  jsonb_build_object('environment_id', new_id, 'name', name));
	RETURN new_id;
END
$$;

-- --- roles -----------------------------------------------------------------

CREATE FUNCTION apikey.create_role(
	tenant text,
	name text,
	scopes text[],
	description text DEFAULT NULL,
	idempotency_key text DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._create_role(
	tenant text,
	name text,
	scopes text[],
	description text,
	idempotency_key text
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
	new_id bigint;
	request jsonb := jsonb_build_object('name', name, 'scopes', scopes, 'description', description);
BEGIN
	PERFORM apikey._require(name, 'name');
	PERFORM apikey._check_text(name, 'name', 200);
	PERFORM apikey._require(scopes, 'scopes');
	PERFORM apikey._check_scopes(scopes, 'scopes');
	PERFORM apikey._check_text(description, 'description', 500);
	PERFORM apikey._check_text(idempotency_key, 'idempotency_key', 200);

	INSERT INTO apikey.role AS r (tenant_id, name, scopes, description, created_at)
	VALUES (tid, _create_role.name, _create_role.scopes, _create_role.description, apikey._now())
	ON CONFLICT DO NOTHING
	RETURNING r.role_id INTO new_id;

	IF new_id IS NULL THEN
		SELECT r.role_id INTO new_id FROM apikey.role r
			WHERE r.tenant_id = tid AND r.name = _create_role.name;
		PERFORM apikey._require_repeated('role.create', 'role:' || new_id, idempotency_key, request,
										 format('role "%s"', apikey._shown(name)));
		RETURN new_id;
	END IF;
	PERFORM apikey._audit_create(tid, 'role.create', 'role:' || new_id, idempotency_key, request);
	PERFORM apikey._event(tid, 'role.create', NULL, jsonb_build_object('role_id', new_id, 'name', name));
	RETURN new_id;
END
$$;

CREATE FUNCTION apikey.update_role(tenant text, name text, scopes text[]) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._update_role(tenant text, name text, scopes text[]) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
	was apikey.role;
BEGIN
	PERFORM apikey._require(name, 'name');
	PERFORM apikey._require(scopes, 'scopes');
	PERFORM apikey._check_scopes(scopes, 'scopes');
	SELECT * INTO was FROM apikey.role r
		WHERE r.tenant_id = tid AND r.name = _update_role.name FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('role "%s" does not exist', apikey._shown(name));
	END IF;
	IF was.scopes <> scopes THEN
		-- what a key holds through its roles was approved with it
		IF NOT apikey._scopes_within(scopes, was.scopes) AND EXISTS (
			SELECT FROM apikey.key_role kr
				JOIN apikey.key_request q ON q.key_id = kr.key_id
				JOIN apikey.api_key k ON k.key_id = kr.key_id
			WHERE kr.role_id = was.role_id AND k.status <> 'revoked' AND apikey._asked_for(k.key_id)
				AND apikey._needs_approval(k, apikey._rules_in_force(k.policy_id, apikey._now()))) THEN
			RAISE insufficient_privilege USING
				MESSAGE = format('permission denied for role "%s"', apikey._shown(name)),
				DETAIL = 'A key that takes an approval has it, and who asked for that key, or logged in as who did, cannot give it more.';
		END IF;
		UPDATE apikey.role r SET scopes = _update_role.scopes WHERE r.role_id = was.role_id;
		PERFORM apikey._audit(tid, 'role.update', 'role:' || was.role_id,
							  jsonb_build_object('scopes', was.scopes), jsonb_build_object('scopes', scopes));
		PERFORM apikey._event(tid, 'role.update', NULL,
							  jsonb_build_object('role_id', was.role_id, 'name', name));
	END IF;
	RETURN was.role_id;
END
$$;
