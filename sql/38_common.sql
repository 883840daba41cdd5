-- ---------------------------------------------------------------------------
-- What every management function shares: audit and events, checks of
-- arguments, who may do what.
--
-- A public function is C: it remembers who called, becomes the owner of the
-- extension and runs the body of the same name with a leading underscore (see
-- src/sql_admin.c).  Bodies check the caller's membership first.
--
-- Lock order, everywhere: tenant (root to leaf), policy, environment, api_key
-- (ascending, so a parent before its children), key_secret, then inserts.
-- The one exception, for a reason, is a move of tenants (41_tree.sql).
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

-- No name, reason or metadata may hold the text of a key: it would be stored
-- in the clear, in the audit log for good.
CREATE FUNCTION apikey._check_no_key(value text, what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF apikey._holds_key(value) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s holds the text of a key', what),
			DETAIL = 'Key texts are never stored.',
			HINT = 'Name the key by its id or its hint.';
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
	PERFORM apikey._check_no_key(value, what);
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
	PERFORM apikey._check_no_key(value::text, what);
END
$$;

-- Intervals far beyond any use would overflow when added to a time.
CREATE FUNCTION apikey._check_interval(value interval, what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value > interval '100 years' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s is too long', what),
			DETAIL = 'The limit is 100 years.';
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
