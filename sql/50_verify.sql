-- ---------------------------------------------------------------------------
-- Verification.  SQL declarations cannot share an argument list: the three
-- functions repeat it, src/sql_verify.c reads it by one set of numbers.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._verify_defaults(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_sql_defaults';
COMMENT ON FUNCTION apikey._verify_defaults IS
	'internal: leaves arguments at their defaults out of plans of verify() and is_allowed()';

CREATE FUNCTION apikey.verify(
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
	LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100 SUPPORT apikey._verify_defaults
	AS 'MODULE_PATHNAME', 'apikey_sql_verify';
COMMENT ON FUNCTION apikey.verify IS
	'judges a key for one request and records the attempt: one row, never an exception for a bad key';

CREATE FUNCTION apikey.is_allowed(
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
) RETURNS pg_catalog.bool
	LANGUAGE c VOLATILE PARALLEL UNSAFE COST 100 SUPPORT apikey._verify_defaults
	AS 'MODULE_PATHNAME', 'apikey_sql_is_allowed';
COMMENT ON FUNCTION apikey.is_allowed IS
	'verify() for callers that only need yes or no';

CREATE FUNCTION apikey.verify_many(
	keys		pg_catalog.text[],
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
) RETURNS SETOF apikey.verdict
	LANGUAGE c VOLATILE PARALLEL UNSAFE COST 1000 ROWS 100 AS 'MODULE_PATHNAME', 'apikey_sql_verify_many';
COMMENT ON FUNCTION apikey.verify_many IS
	'verify() for many keys and one request; the verdicts come in the order of the keys';

CREATE FUNCTION apikey.log_usage(
	key_id		pg_catalog.int8,
	status		pg_catalog.int4 DEFAULT NULL,
	latency		pg_catalog.interval DEFAULT NULL,
	bytes_in	pg_catalog.int8 DEFAULT NULL,
	bytes_out	pg_catalog.int8 DEFAULT NULL,
	method		pg_catalog.text DEFAULT NULL,
	endpoint	pg_catalog.text DEFAULT NULL,
	ip			pg_catalog.inet DEFAULT NULL,
	user_agent	pg_catalog.text DEFAULT NULL,
	region		pg_catalog.text DEFAULT NULL,
	units		pg_catalog.int8 DEFAULT 1,
	request_id	pg_catalog.text DEFAULT NULL,
	tags		pg_catalog.jsonb DEFAULT NULL
) RETURNS pg_catalog.bool
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_sql_log_usage';
COMMENT ON FUNCTION apikey.log_usage IS
	'records what became of a request (code LOGGED); false when the caller knows no such key';
