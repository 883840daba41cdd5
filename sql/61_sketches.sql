-- ---------------------------------------------------------------------------
-- Histograms of latency and sets of addresses, as values that can be merged.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey.latency_percentile(latency pg_catalog.bytea, fraction pg_catalog.float8) RETURNS pg_catalog.float8
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT NULL::pg_catalog.float8';
CREATE FUNCTION apikey.ip_count(ips pg_catalog.bytea) RETURNS pg_catalog.int8
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT NULL::pg_catalog.int8';
CREATE FUNCTION apikey._merge_stub(a pg_catalog.bytea, b pg_catalog.bytea) RETURNS pg_catalog.bytea
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT a';
CREATE AGGREGATE apikey.latency_merge(pg_catalog.bytea) (SFUNC = apikey._merge_stub, STYPE = pg_catalog.bytea);
CREATE AGGREGATE apikey.ip_merge(pg_catalog.bytea) (SFUNC = apikey._merge_stub, STYPE = pg_catalog.bytea);
