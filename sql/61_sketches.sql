-- ---------------------------------------------------------------------------
-- Histograms of latencies and sets of addresses, as values that can be merged:
-- the columns latency and ips of usage_hourly and usage_daily.
--
-- What they are and why they are our own: src/histogram.h, src/ip_sketch.h.
-- NULL is none: aggregates ignore it and are NULL when there was nothing else.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey.latency_percentile(latency pg_catalog.bytea, fraction pg_catalog.float8) RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_latency_percentile';
CREATE FUNCTION apikey.ip_count(ips pg_catalog.bytea) RETURNS pg_catalog.int8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ip_count';

-- --- two together, for ON CONFLICT ------------------------------------------

CREATE FUNCTION apikey._latency_add(a pg_catalog.bytea, b pg_catalog.bytea) RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_latency_add';
CREATE FUNCTION apikey._ip_add(a pg_catalog.bytea, b pg_catalog.bytea) RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ip_add';

-- --- steps of the aggregates ------------------------------------------------

CREATE FUNCTION apikey._latency_step(state internal, latency_us pg_catalog.int8) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_latency_step';
CREATE FUNCTION apikey._latency_merge_step(state internal, latency pg_catalog.bytea) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_latency_merge_step';
CREATE FUNCTION apikey._latency_combine(state internal, other internal) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_latency_combine';
CREATE FUNCTION apikey._latency_bytes(state internal) RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_latency_bytes';
CREATE FUNCTION apikey._latency_state(latency pg_catalog.bytea, internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_latency_state';

CREATE FUNCTION apikey._ip_step(state internal, ip pg_catalog.inet) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ip_step';
CREATE FUNCTION apikey._ip_merge_step(state internal, ips pg_catalog.bytea) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ip_merge_step';
CREATE FUNCTION apikey._ip_combine(state internal, other internal) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ip_combine';
CREATE FUNCTION apikey._ip_bytes(state internal) RETURNS pg_catalog.bytea
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ip_bytes';
CREATE FUNCTION apikey._ip_state(ips pg_catalog.bytea, internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_ip_state';

-- --- the aggregates ---------------------------------------------------------

-- Of rows of usage.  SSPACE tells the planner what a group takes in memory.
CREATE AGGREGATE apikey._latency_sketch(latency_us pg_catalog.int8) (
	SFUNC = apikey._latency_step, STYPE = internal, SSPACE = 200,
	COMBINEFUNC = apikey._latency_combine, FINALFUNC = apikey._latency_bytes,
	SERIALFUNC = apikey._latency_bytes, DESERIALFUNC = apikey._latency_state, PARALLEL = SAFE);
CREATE AGGREGATE apikey._ip_sketch(ip pg_catalog.inet) (
	SFUNC = apikey._ip_step, STYPE = internal, SSPACE = 100,
	COMBINEFUNC = apikey._ip_combine, FINALFUNC = apikey._ip_bytes,
	SERIALFUNC = apikey._ip_bytes, DESERIALFUNC = apikey._ip_state, PARALLEL = SAFE);

-- Of what is in rollups.
CREATE AGGREGATE apikey.latency_merge(latency pg_catalog.bytea) (
	SFUNC = apikey._latency_merge_step, STYPE = internal, SSPACE = 1000,
	COMBINEFUNC = apikey._latency_combine, FINALFUNC = apikey._latency_bytes,
	SERIALFUNC = apikey._latency_bytes, DESERIALFUNC = apikey._latency_state, PARALLEL = SAFE);
CREATE AGGREGATE apikey.ip_merge(ips pg_catalog.bytea) (
	SFUNC = apikey._ip_merge_step, STYPE = internal, SSPACE = 1000,
	COMBINEFUNC = apikey._ip_combine, FINALFUNC = apikey._ip_bytes,
	SERIALFUNC = apikey._ip_bytes, DESERIALFUNC = apikey._ip_state, PARALLEL = SAFE);

COMMENT ON FUNCTION apikey.latency_percentile(pg_catalog.bytea, pg_catalog.float8) IS
	'percentile of a histogram of latencies, in microseconds, at most 1/32 off; the 95th is 0.95';
COMMENT ON AGGREGATE apikey.latency_merge(pg_catalog.bytea) IS
	'histogram of all the latencies that are in several';
COMMENT ON FUNCTION apikey.ip_count(pg_catalog.bytea) IS
	'how many different addresses a set has: exact up to 256, from there with a standard error of 2.3 percent';
COMMENT ON AGGREGATE apikey.ip_merge(pg_catalog.bytea) IS
	'set of all the addresses that are in several';
COMMENT ON AGGREGATE apikey._latency_sketch(pg_catalog.int8) IS
	'histogram of latencies in microseconds';
COMMENT ON AGGREGATE apikey._ip_sketch(pg_catalog.inet) IS
	'set of addresses';
COMMENT ON FUNCTION apikey._latency_add(pg_catalog.bytea, pg_catalog.bytea) IS
	'two histograms of latencies together; NULL is none';
COMMENT ON FUNCTION apikey._ip_add(pg_catalog.bytea, pg_catalog.bytea) IS
	'two sets of addresses together; NULL is none';
COMMENT ON FUNCTION apikey._latency_step(internal, pg_catalog.int8) IS
	'step of _latency_sketch()';
COMMENT ON FUNCTION apikey._latency_merge_step(internal, pg_catalog.bytea) IS
	'step of latency_merge()';
COMMENT ON FUNCTION apikey._latency_combine(internal, internal) IS
	'puts together what parallel workers have of a histogram';
COMMENT ON FUNCTION apikey._latency_bytes(internal) IS
	'value of a histogram that is being aggregated';
COMMENT ON FUNCTION apikey._latency_state(pg_catalog.bytea, internal) IS
	'reverse of _latency_bytes()';
COMMENT ON FUNCTION apikey._ip_step(internal, pg_catalog.inet) IS
	'step of _ip_sketch()';
COMMENT ON FUNCTION apikey._ip_merge_step(internal, pg_catalog.bytea) IS
	'step of ip_merge()';
COMMENT ON FUNCTION apikey._ip_combine(internal, internal) IS
	'puts together what parallel workers have of a set of addresses';
COMMENT ON FUNCTION apikey._ip_bytes(internal) IS
	'value of a set of addresses that is being aggregated';
COMMENT ON FUNCTION apikey._ip_state(pg_catalog.bytea, internal) IS
	'reverse of _ip_bytes()';
