-- ---------------------------------------------------------------------------
-- Usage recording: a look at the ring and the workers, and a way to wait for
-- them.  The views over the first two are in 70_views.sql.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._stat_usage(
	OUT written		pg_catalog.int8,
	OUT waiting		pg_catalog.int8,
	OUT dropped		pg_catalog.int8,
	OUT suppressed	pg_catalog.int8,
	OUT bytes		pg_catalog.int8,
	OUT lag			pg_catalog.interval,
	OUT buffer_size	pg_catalog.int8,
	OUT throttle	pg_catalog.float8
)
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_stat_usage';
COMMENT ON FUNCTION apikey._stat_usage() IS
	'counters of usage events of this database since the server started';

CREATE FUNCTION apikey._stat_worker(
	OUT worker		pg_catalog.text,
	OUT pid			pg_catalog.int4,
	OUT task		pg_catalog.text,
	OUT last_run	pg_catalog.timestamptz,
	OUT duration	pg_catalog.interval,
	OUT rows		pg_catalog.int8,
	OUT runs		pg_catalog.int8,
	OUT failures	pg_catalog.int8,
	OUT error		pg_catalog.text
) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE ROWS 7 AS 'MODULE_PATHNAME', 'apikey_stat_worker';
COMMENT ON FUNCTION apikey._stat_worker() IS
	'the tasks of the workers of this database: last run, result and error';

CREATE FUNCTION apikey._stat_cache(
	OUT hits			pg_catalog.int8,
	OUT misses			pg_catalog.int8,
	OUT invalidations	pg_catalog.int8,
	OUT evictions		pg_catalog.int8,
	OUT entries			pg_catalog.int8,
	OUT bytes			pg_catalog.int8
)
	LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'apikey_stat_cache';
COMMENT ON FUNCTION apikey._stat_cache() IS
	'counters of the compiled keys that this session keeps';

CREATE FUNCTION apikey._stat_guard(
	OUT ip				pg_catalog.inet,
	OUT window_start	pg_catalog.timestamptz,
	OUT attempts		pg_catalog.int8,
	OUT blocked			pg_catalog.int8,
	OUT blocked_until	pg_catalog.timestamptz
) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_stat_guard';
COMMENT ON FUNCTION apikey._stat_guard() IS
	'addresses that failed to present a key of this database, with the minute they failed in last';

CREATE FUNCTION apikey._stat_limits(
	OUT buckets			pg_catalog.int8,
	OUT used			pg_catalog.int8,
	OUT evictions		pg_catalog.int8,
	OUT "full"			pg_catalog.int8,
	OUT denied			pg_catalog.int8,
	OUT reservations	pg_catalog.int8,
	OUT unavailable		pg_catalog.int8
)
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_stat_limits';
COMMENT ON FUNCTION apikey._stat_limits() IS
	'counters of the buckets of rate limits and quotas, of all databases';

CREATE FUNCTION apikey.flush_usage(timeout pg_catalog.interval DEFAULT '30 s') RETURNS pg_catalog.bool
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_flush_usage';
COMMENT ON FUNCTION apikey.flush_usage(pg_catalog.interval) IS
	'waits until every attempt recorded before the call is on disk and the activity of keys is stored; false when the time is over before';
