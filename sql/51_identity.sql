-- ---------------------------------------------------------------------------
-- Who a transaction acts for: a tenant it narrowed itself to, or the key it
-- authenticated with.  The functions that tell it are STABLE: one evaluation
-- per statement when a policy asks in a sub-select, and never one that a plan
-- keeps for the next identity, as IMMUTABLE would.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey.set_tenant(tenant pg_catalog.text) RETURNS pg_catalog.void
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_set_tenant';
COMMENT ON FUNCTION apikey.set_tenant IS
	'narrows the transaction to a tenant and those below it';

CREATE FUNCTION apikey.authenticate(
	key			pg_catalog.text,
	scopes		pg_catalog.text[] DEFAULT NULL,
	ip			pg_catalog.inet DEFAULT NULL,
	method		pg_catalog.text DEFAULT NULL,
	endpoint	pg_catalog.text DEFAULT NULL,
	environment	pg_catalog.text DEFAULT NULL,
	tenant		pg_catalog.text DEFAULT NULL,
	units		pg_catalog.int8 DEFAULT 1,
	user_agent	pg_catalog.text DEFAULT NULL,
	region		pg_catalog.text DEFAULT NULL,
	request_id	pg_catalog.text DEFAULT NULL,
	tags		pg_catalog.jsonb DEFAULT NULL,
	record		pg_catalog.bool DEFAULT true
) RETURNS apikey.verdict
	LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100 AS 'MODULE_PATHNAME', 'apikey_authenticate';
COMMENT ON FUNCTION apikey.authenticate IS
	'judges like verify() and makes a key that is VALID the identity of the transaction';

CREATE FUNCTION apikey.current_key_id() RETURNS pg_catalog.int8
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_current_key_id';
COMMENT ON FUNCTION apikey.current_key_id() IS
	'the key that the transaction authenticated with, NULL without one';

CREATE FUNCTION apikey.current_tenant() RETURNS pg_catalog.text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_current_tenant';
COMMENT ON FUNCTION apikey.current_tenant() IS
	'the path of the tenant that the transaction acts for, NULL without one';

-- For stored rows: a path changes with a move, and may come to be another
-- tenant's; an id is given out once.
CREATE FUNCTION apikey.current_tenant_id() RETURNS pg_catalog.int8
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_current_tenant_id';
COMMENT ON FUNCTION apikey.current_tenant_id() IS
	'the id of the tenant that the transaction acts for, NULL without one; it stays the same for the life of the tenant';

CREATE FUNCTION apikey.current_scopes() RETURNS pg_catalog.text[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_current_scopes';
COMMENT ON FUNCTION apikey.current_scopes() IS
	'the scopes of the key that the transaction authenticated with, NULL without one';

CREATE FUNCTION apikey.has_scope(scope pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_has_scope';
COMMENT ON FUNCTION apikey.has_scope(pg_catalog.text) IS
	'whether the key that the transaction authenticated with holds a scope; a|b means either';
