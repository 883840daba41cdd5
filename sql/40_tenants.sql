-- ---------------------------------------------------------------------------
-- Helpers that every management function shares, tenants, environments, roles.
--
-- A public function is C: it remembers who called, becomes the owner of the
-- extension and runs the body of the same name with a leading underscore (see
-- src/sql_admin.c).  Bodies check the caller's membership first.
--
-- Lock order, everywhere: tenant (root to leaf), policy, environment, api_key
-- (ascending, so a parent before its children), key_secret, then inserts.
-- ---------------------------------------------------------------------------

-- --- audit and events ------------------------------------------------------

CREATE FUNCTION apikey._audit(tenant_id bigint, action text, object text, before jsonb, after jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO apikey.audit_log (at, actor, session, tenant_id, action, object, before, after)
	VALUES (apikey._now(), apikey._caller_name(), session_user,
			_audit.tenant_id, _audit.action, _audit.object, _audit.before, _audit.after);
END
$$;

CREATE FUNCTION apikey._event(tenant_id bigint, type text, key_id bigint, payload jsonb) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO apikey.event (tenant_id, type, key_id, payload, created_at)
	VALUES (_event.tenant_id, _event.type, _event.key_id, coalesce(_event.payload, '{}'), apikey._now());
END
$$;

-- The members of one object that differ from another's: what an audit row says
-- of a change.
CREATE FUNCTION apikey._changes(of jsonb, against jsonb) RETURNS jsonb
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT coalesce(jsonb_object_agg(e.key, e.value), '{}') FROM jsonb_each(of) e
			WHERE e.value IS DISTINCT FROM against -> e.key);
END
$$;

-- --- checks of arguments ---------------------------------------------------

-- What may be shown of an argument in an error message: its beginning, without
-- control characters and without anything that could be a key.
CREATE FUNCTION apikey._shown(value text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN regexp_replace(regexp_replace(left(value, 100), '[0-9A-Za-z]{22,}', '***', 'g'), '[[:cntrl:]]', '?', 'g')
		|| CASE WHEN length(value) > 100 THEN '...' ELSE '' END;
END
$$;

CREATE FUNCTION apikey._require(value anyelement, what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value IS NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = format('%s must not be null', what);
	END IF;
END
$$;

-- A text that is given has 1 to longest characters.
CREATE FUNCTION apikey._check_text(value text, what text, longest integer) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF length(value) NOT BETWEEN 1 AND longest THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid length of %s', what),
			DETAIL = format('It must be 1 to %s characters long.', longest);
	END IF;
END
$$;

-- A list that is given has one dimension, no NULL, and at most so many elements.
CREATE FUNCTION apikey._check_list(list anyarray, what text, most integer) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF array_ndims(list) > 1 THEN
		RAISE invalid_parameter_value USING MESSAGE = format('%s must be a one-dimensional array', what);
	END IF;
	IF array_position(list, NULL) IS NOT NULL THEN
		RAISE invalid_parameter_value USING MESSAGE = format('%s must not contain null', what);
	END IF;
	IF cardinality(list) > most THEN
		RAISE program_limit_exceeded USING
			MESSAGE = format('too many %s', what),
			DETAIL = format('%s were given, the limit is %s.', cardinality(list), most);
	END IF;
END
$$;

CREATE FUNCTION apikey._check_scopes(scopes text[], what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	scope text;
BEGIN
	PERFORM apikey._check_list(scopes, what, 1000);
	IF NOT apikey.valid_scopes(scopes) THEN
		FOREACH scope IN ARRAY scopes LOOP
			IF NOT apikey.valid_scopes(ARRAY[scope]) THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('invalid scope "%s" in %s', apikey._shown(scope), what),
					DETAIL = 'A scope is one or more segments of letters, digits, "_", "." and "-", joined by ":"; the last one may be "*"; at most 255 bytes.';
			END IF;
		END LOOP;
	END IF;
END
$$;

CREATE FUNCTION apikey._check_endpoints(rules text[], what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule text;
BEGIN
	PERFORM apikey._check_list(rules, what, 1000);
	IF NOT apikey.valid_endpoints(rules) THEN
		FOREACH rule IN ARRAY rules LOOP
			IF NOT apikey.valid_endpoints(ARRAY[rule]) THEN
				RAISE invalid_parameter_value USING
					MESSAGE = format('invalid endpoint rule "%s" in %s', apikey._shown(rule), what),
					DETAIL = 'A rule is "[METHODS ]glob": "*" or a list like "GET,HEAD", then a path starting with "/" in which "*" is one segment and "**" any tail.';
			END IF;
		END LOOP;
	END IF;
END
$$;

CREATE FUNCTION apikey._check_hours(rules text[], what text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rule text;
BEGIN
	PERFORM apikey._check_list(rules, what, 100);
	FOREACH rule IN ARRAY coalesce(rules, '{}') LOOP
		IF NOT apikey.valid_hours(ARRAY[rule]) THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('invalid access window "%s" in %s', apikey._shown(rule), what),
				DETAIL = 'A window is "[days ]HH:MM-HH:MM[ timezone]", for example "mon-fri 08:00-18:00 Europe/Berlin".';
		END IF;
		IF NOT apikey._known_zones(ARRAY[rule]) THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('time zone of access window "%s" is not known', apikey._shown(rule)),
				HINT = 'The view pg_timezone_names lists the names.';
		END IF;
	END LOOP;
END
$$;

CREATE FUNCTION apikey._check_networks(list cidr[], what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._check_list(list, what, 10000);
END
$$;

CREATE FUNCTION apikey._check_json(value jsonb, what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF octet_length(value::text) > 65536 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s is too large', what),
			DETAIL = format('It takes %s bytes as text, the limit is 65536.', octet_length(value::text));
	END IF;
END
$$;

-- Intervals far beyond any use would overflow when added to a time.
CREATE FUNCTION apikey._check_interval(value interval, what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value > interval '1000 years' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s is too long', what),
			DETAIL = 'The limit is 1000 years.';
	END IF;
END
$$;

-- The fields named by a clear argument can be cleared.
CREATE FUNCTION apikey._check_clear(clear text[], allowed text[]) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	field text;
BEGIN
	PERFORM apikey._check_list(clear, 'clear', 100);
	FOREACH field IN ARRAY coalesce(clear, '{}') LOOP
		IF NOT field = ANY (allowed) THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('"%s" cannot be cleared', apikey._shown(field)),
				DETAIL = format('These can: %s.', array_to_string(allowed, ', '));
		END IF;
	END LOOP;
END
$$;

-- --- who may do what -------------------------------------------------------

CREATE FUNCTION apikey._require_all_tenants(action text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT apikey._may('admin', NULL) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied to %s', action),
			DETAIL = 'It takes access "admin" on all tenants.';
	END IF;
END
$$;

-- The access levels of a class of rights; src/membership.c has the same table.
CREATE FUNCTION apikey._class_levels(class text) RETURNS text[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE class
		WHEN 'verify' THEN ARRAY['verifier', 'admin']
		WHEN 'usage' THEN ARRAY['analyst', 'auditor', 'operator', 'admin']
		WHEN 'metadata' THEN ARRAY['auditor', 'operator', 'admin']
		WHEN 'audit' THEN ARRAY['auditor', 'admin']
		WHEN 'keys' THEN ARRAY['operator', 'admin']
		WHEN 'admin' THEN ARRAY['admin']
		WHEN 'any' THEN ARRAY['verifier', 'analyst', 'auditor', 'operator', 'admin']
	END;
END
$$;

-- Raises unless the caller has a class of rights on a tenant, in words that
-- tell a caller without any access nothing: what exists reads like what does
-- not.  subject is how the caller named it, such as: key 12.
CREATE FUNCTION apikey._require_access(class text, tenant_id bigint, subject text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF tenant_id IS NOT NULL AND apikey._may(class, tenant_id) THEN
		RETURN;
	END IF;
	IF tenant_id IS NULL OR NOT apikey._may('any', tenant_id) THEN
		RAISE undefined_object USING MESSAGE = format('%s does not exist', subject);
	END IF;
	RAISE insufficient_privilege USING
		MESSAGE = format('permission denied for %s', subject),
		DETAIL = format('It takes access %s.', array_to_string(apikey._class_levels(class), ' or '));
END
$$;

-- --- tenants ---------------------------------------------------------------

CREATE TYPE apikey.tenant_info AS (
	tenant_id		bigint,
	tenant			text,
	status			text,
	suspend_reason	text,
	prefix			text,
	max_keys		bigint,
	settings		jsonb,
	created_at		timestamptz
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

CREATE FUNCTION apikey._path(tenant_id bigint) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT string_agg(c.name, '/' ORDER BY c.depth DESC) FROM apikey._tenant_chain(_path.tenant_id) c);
END
$$;

-- Read by views, hence STABLE.
CREATE FUNCTION apikey.tenant_path(tenant_id bigint) RETURNS text
	LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
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
		   t.prefix, t.max_keys, t.settings, t.created_at
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
	idempotency_key text DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._create_tenant(
	name text,
	parent text,
	prefix text,
	max_keys bigint,
	settings jsonb,
	idempotency_key text
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parent_tid bigint;
	new_id bigint;
	shown text;
	request jsonb := jsonb_build_object('name', name, 'parent', parent, 'prefix', prefix,
										'max_keys', max_keys, 'settings', settings);
BEGIN
	IF parent IS NULL THEN
		PERFORM apikey._require_all_tenants('create a tenant without a parent');
	ELSE
		parent_tid := apikey._tenant_id(parent, 'admin');
	END IF;
	PERFORM apikey._require(name, 'name');
	shown := apikey._shown(concat_ws('/', parent, name));
	IF NOT name ~ '^[a-z0-9][a-z0-9_.-]{0,62}$' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid tenant name "%s"', apikey._shown(name)),
			DETAIL = 'A name is 1 to 63 of a-z, 0-9, "_", "." and "-", and starts with a letter or digit.';
	END IF;
	IF NOT prefix ~ '^[a-z][a-z0-9]*(_[a-z0-9]+)*$' OR length(prefix) > 24 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid key prefix "%s"', apikey._shown(prefix)),
			DETAIL = 'A prefix is at most 24 of a-z, 0-9 and single "_" between them, and starts with a letter.';
	END IF;
	IF max_keys < 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'max_keys must not be negative';
	END IF;
	PERFORM apikey._check_json(settings, 'settings');
	PERFORM apikey._check_text(idempotency_key, 'idempotency_key', 200);
	IF jsonb_typeof(settings) <> 'object' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'settings must be a JSON object';
	END IF;
	IF parent_tid IS NOT NULL AND (SELECT max(c.depth) FROM apikey._tenant_chain(parent_tid) c) >= 15 THEN
		RAISE program_limit_exceeded USING
			MESSAGE = 'tenant tree is too deep',
			DETAIL = 'A tenant may have at most 15 ancestors.';
	END IF;

	PERFORM apikey._ensure_data_key();
	INSERT INTO apikey.tenant AS t (parent_id, name, prefix, max_keys, settings, created_at)
	VALUES (parent_tid, _create_tenant.name, coalesce(_create_tenant.prefix, 'ak'),
			_create_tenant.max_keys, coalesce(_create_tenant.settings, '{}'), apikey._now())
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
										'default_policy', default_policy);
BEGIN
	PERFORM apikey._require(name, 'name');
	PERFORM apikey._check_text(name, 'name', 200);
	PERFORM apikey._check_text(idempotency_key, 'idempotency_key', 200);
	IF NOT tag ~ '^[a-z0-9]{1,12}$' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid environment tag "%s"', apikey._shown(tag)),
			DETAIL = 'A tag is 1 to 12 of a-z and 0-9.';
	END IF;
	IF requires_approval THEN
		RAISE feature_not_supported USING MESSAGE = 'approval of keys is not supported yet';
	END IF;
	IF default_policy IS NOT NULL THEN
		policy_no := apikey._policy_id(tid, default_policy);
	END IF;

	INSERT INTO apikey.environment AS e (tenant_id, name, tag, is_production, default_policy_id, created_at)
	VALUES (tid, _create_environment.name,
			coalesce(_create_environment.tag, CASE WHEN production THEN 'live' ELSE 'test' END),
			production, policy_no, apikey._now())
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
		UPDATE apikey.role r SET scopes = _update_role.scopes WHERE r.role_id = was.role_id;
		PERFORM apikey._audit(tid, 'role.update', 'role:' || was.role_id,
							  jsonb_build_object('scopes', was.scopes), jsonb_build_object('scopes', scopes));
		PERFORM apikey._event(tid, 'role.update', NULL,
							  jsonb_build_object('role_id', was.role_id, 'name', name));
	END IF;
	RETURN was.role_id;
END
$$;
