-- ---------------------------------------------------------------------------
-- What the bodies of the management functions need from C.  A name that
-- starts with an underscore is internal: nobody but the owner may call it.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._now() RETURNS pg_catalog.timestamptz
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_now';
COMMENT ON FUNCTION apikey._now() IS
	'the clock of all decisions: the present instant, or apikey.test_now';

CREATE FUNCTION apikey._view_now() RETURNS pg_catalog.timestamptz
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_view_now';
COMMENT ON FUNCTION apikey._view_now() IS
	'that clock, the same for a whole statement: what the views reckon from';

CREATE FUNCTION apikey._caller() RETURNS pg_catalog.oid
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_caller';
COMMENT ON FUNCTION apikey._caller() IS
	'the role that called the management function in progress';

CREATE FUNCTION apikey._caller_name() RETURNS pg_catalog.text
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_caller_name';
COMMENT ON FUNCTION apikey._caller_name() IS
	'the name of the role that called the management function in progress';

CREATE FUNCTION apikey._may(class pg_catalog.text, tenant_id pg_catalog.int8) RETURNS pg_catalog.bool
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_may';
COMMENT ON FUNCTION apikey._may(pg_catalog.text, pg_catalog.int8) IS
	'whether the caller has a class of access on a tenant, NULL meaning on all tenants';

CREATE FUNCTION apikey._callers_tenants(class pg_catalog.text) RETURNS pg_catalog.int8[]
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_callers_tenants';
COMMENT ON FUNCTION apikey._callers_tenants(pg_catalog.text) IS
	'tenants, descendants included, on which the caller has a class of access';

CREATE FUNCTION apikey.my_tenants(class pg_catalog.text) RETURNS pg_catalog.int8[]
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 1000 AS 'MODULE_PATHNAME', 'apikey_my_tenants';
COMMENT ON FUNCTION apikey.my_tenants(pg_catalog.text) IS
	'tenants, descendants included, on which the current role has a class of access';

CREATE FUNCTION apikey.sees_all(class pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100 AS 'MODULE_PATHNAME', 'apikey_sees_all';
COMMENT ON FUNCTION apikey.sees_all(pg_catalog.text) IS
	'whether the current role has a class of access on all tenants';

CREATE FUNCTION apikey._new_secret(prefix pg_catalog.text, tag pg_catalog.text,
	bytes pg_catalog.int4, seal_to pg_catalog.bytea,
	OUT key pg_catalog.text, OUT digest pg_catalog.bytea,
	OUT keyring_id pg_catalog.int4, OUT hint pg_catalog.text, OUT sealed pg_catalog.bytea)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_new_secret';
COMMENT ON FUNCTION apikey._new_secret(pg_catalog.text, pg_catalog.text, pg_catalog.int4, pg_catalog.bytea) IS
	'makes a key text and what is stored of it';

CREATE FUNCTION apikey._make_data_key(OUT wrapped pg_catalog.bool,
	OUT material pg_catalog.bytea, OUT master_id pg_catalog.bytea)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_make_data_key';
COMMENT ON FUNCTION apikey._make_data_key() IS
	'makes a data key in its stored form';

CREATE FUNCTION apikey._rewrap(wrapped pg_catalog.bool, material pg_catalog.bytea,
	master_id pg_catalog.bytea, plain pg_catalog.bool,
	OUT new_wrapped pg_catalog.bool, OUT new_material pg_catalog.bytea,
	OUT new_master_id pg_catalog.bytea)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_rewrap';
COMMENT ON FUNCTION apikey._rewrap(pg_catalog.bool, pg_catalog.bytea, pg_catalog.bytea, pg_catalog.bool) IS
	'turns a stored data key into its form under the configured master key, or in the clear';

CREATE FUNCTION apikey._creating_extension() RETURNS pg_catalog.bool
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_creating_extension';
COMMENT ON FUNCTION apikey._creating_extension() IS
	'whether CREATE EXTENSION or ALTER EXTENSION is running in this session';

CREATE FUNCTION apikey._known_zones(hours pg_catalog.text[]) RETURNS pg_catalog.bool
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_known_zones';
COMMENT ON FUNCTION apikey._known_zones(pg_catalog.text[]) IS
	'whether the server knows every time zone that access hours name';

CREATE FUNCTION apikey._scopes_within(scopes pg_catalog.text[], bounds pg_catalog.text[]) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_scopes_within';
COMMENT ON FUNCTION apikey._scopes_within(pg_catalog.text[], pg_catalog.text[]) IS
	'whether every scope is covered by one of the bounds';

CREATE FUNCTION apikey._scopes_touch(scopes pg_catalog.text[], bounds pg_catalog.text[]) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_scopes_touch';
COMMENT ON FUNCTION apikey._scopes_touch(pg_catalog.text[], pg_catalog.text[]) IS
	'whether every scope shares something with one of the bounds';

CREATE FUNCTION apikey._cidrs_within(inner_nets pg_catalog.cidr[], outer_nets pg_catalog.cidr[]) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_cidrs_within';
COMMENT ON FUNCTION apikey._cidrs_within(pg_catalog.cidr[], pg_catalog.cidr[]) IS
	'whether every inner network lies in one of the outer ones';

CREATE FUNCTION apikey._networks_shut(nets pg_catalog.cidr[], allowed pg_catalog.cidr[], denied pg_catalog.cidr[]) RETURNS pg_catalog.text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_networks_shut';
COMMENT ON FUNCTION apikey._networks_shut(pg_catalog.cidr[], pg_catalog.cidr[], pg_catalog.cidr[]) IS
	'of each network, which list, allowed or denied, lets no request from it pass; NULL: some may';

CREATE FUNCTION apikey._endpoints_shut(rules pg_catalog.text[], allowed pg_catalog.text[], denied pg_catalog.text[]) RETURNS pg_catalog.text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_endpoints_shut';
COMMENT ON FUNCTION apikey._endpoints_shut(pg_catalog.text[], pg_catalog.text[], pg_catalog.text[]) IS
	'of each endpoint rule, which list, allowed or denied, provably lets no request that matches it pass';

CREATE FUNCTION apikey._holds_key(value pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_holds_key';
COMMENT ON FUNCTION apikey._holds_key(pg_catalog.text) IS
	'whether a text holds the text of a key';

CREATE FUNCTION apikey._check_limits(rate_limits apikey.rate_limit[], quotas apikey.quota[]) RETURNS pg_catalog.void
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_check_limits';
COMMENT ON FUNCTION apikey._check_limits(apikey.rate_limit[], apikey.quota[]) IS
	'raises unless the rate limits and quotas of one policy or key can be stored';
