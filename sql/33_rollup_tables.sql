-- ---------------------------------------------------------------------------
-- What usage adds up to, per hour and per day, in UTC.
--
-- A row stands for all rows of apikey.usage that are alike in time, key,
-- environment, class of endpoint and code.  Everything in it can be merged with
-- another row: counts and sums by adding, the histogram and the set of
-- addresses by the functions of 61_sketches.  NULL means what it means in
-- usage: no key was found.
-- ---------------------------------------------------------------------------

-- What stands for a class in the unique indexes.  An index that has the text
-- itself would tell an analyst, by EXPLAIN ANALYZE, how many rows of other tenants
-- there are between any two texts.  Clients make up the texts, so it must be a
-- hash of which nobody can make two that are equal.
CREATE FUNCTION apikey._class_hash(class pg_catalog.text) RETURNS pg_catalog.uuid
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_class_hash';

CREATE TABLE apikey.usage_hourly (
	hour			pg_catalog.timestamptz NOT NULL,
	tenant_id		pg_catalog.int8,
	key_id			pg_catalog.int8,
	environment_id	pg_catalog.int8,
	endpoint_class	pg_catalog.text,
	code			pg_catalog.text NOT NULL,
	calls			pg_catalog.int8 NOT NULL,
	denials			pg_catalog.int8 NOT NULL,
	errors			pg_catalog.int8 NOT NULL,
	units			pg_catalog."numeric" NOT NULL,
	bytes_in		pg_catalog."numeric" NOT NULL,
	bytes_out		pg_catalog."numeric" NOT NULL,
	latency_calls	pg_catalog.int8 NOT NULL,
	latency_us		pg_catalog."numeric" NOT NULL,
	latency			pg_catalog.bytea,
	ips				pg_catalog.bytea
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX usage_hourly_tenant ON apikey.usage_hourly
	(tenant_id, hour, key_id, environment_id, apikey._class_hash(endpoint_class), code) NULLS NOT DISTINCT;
CREATE INDEX usage_hourly_key ON apikey.usage_hourly (key_id, hour);
CREATE INDEX usage_hourly_hour ON apikey.usage_hourly USING brin (hour);

CREATE TABLE apikey.usage_daily (
	day				pg_catalog.date NOT NULL,
	tenant_id		pg_catalog.int8,
	key_id			pg_catalog.int8,
	environment_id	pg_catalog.int8,
	endpoint_class	pg_catalog.text,
	code			pg_catalog.text NOT NULL,
	calls			pg_catalog.int8 NOT NULL,
	denials			pg_catalog.int8 NOT NULL,
	errors			pg_catalog.int8 NOT NULL,
	units			pg_catalog."numeric" NOT NULL,
	bytes_in		pg_catalog."numeric" NOT NULL,
	bytes_out		pg_catalog."numeric" NOT NULL,
	latency_calls	pg_catalog.int8 NOT NULL,
	latency_us		pg_catalog."numeric" NOT NULL,
	latency			pg_catalog.bytea,
	ips				pg_catalog.bytea
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX usage_daily_tenant ON apikey.usage_daily
	(tenant_id, day, key_id, environment_id, apikey._class_hash(endpoint_class), code) NULLS NOT DISTINCT;
CREATE INDEX usage_daily_key ON apikey.usage_daily (key_id, day);
CREATE INDEX usage_daily_day ON apikey.usage_daily USING brin (day);

ALTER TABLE apikey.usage_hourly ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_hourly_read ON apikey.usage_hourly FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]));
ALTER TABLE apikey.usage_daily ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_daily_read ON apikey.usage_daily FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]));

SELECT pg_catalog.pg_extension_config_dump('apikey.usage_hourly', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.usage_daily', '');

COMMENT ON TABLE apikey.usage_hourly IS
	'what usage adds up to in an hour, for each key, environment, class of endpoint and code';
COMMENT ON COLUMN apikey.usage_hourly.hour IS 'the hour begins here';
COMMENT ON TABLE apikey.usage_daily IS
	'what usage adds up to in a day of UTC, for each key, environment, class of endpoint and code';
COMMENT ON COLUMN apikey.usage_daily.day IS 'the day, in UTC';
COMMENT ON COLUMN apikey.usage_hourly.tenant_id IS 'tenant of the key; NULL where none was found';
COMMENT ON COLUMN apikey.usage_hourly.key_id IS 'the key; NULL where none was found';
COMMENT ON COLUMN apikey.usage_hourly.environment_id IS 'environment of the key';
COMMENT ON COLUMN apikey.usage_hourly.endpoint_class IS 'class of the endpoint, as in /orders/*; NULL where no endpoint was named or no key found';
COMMENT ON COLUMN apikey.usage_hourly.code IS 'verdict, as in VALID or EXPIRED; LOGGED for log_usage()';
COMMENT ON COLUMN apikey.usage_hourly.calls IS 'number of rows';
COMMENT ON COLUMN apikey.usage_hourly.denials IS 'of these, verifications that were not accepted';
COMMENT ON COLUMN apikey.usage_hourly.errors IS 'of these, with an HTTP status from 500 on logged by the application';
COMMENT ON COLUMN apikey.usage_hourly.units IS 'sum of the units';
COMMENT ON COLUMN apikey.usage_hourly.bytes_in IS 'sum of the sizes of requests';
COMMENT ON COLUMN apikey.usage_hourly.bytes_out IS 'sum of the sizes of answers';
COMMENT ON COLUMN apikey.usage_hourly.latency_calls IS 'number of rows that tell a latency';
COMMENT ON COLUMN apikey.usage_hourly.latency_us IS 'sum of their latencies in microseconds';
COMMENT ON COLUMN apikey.usage_hourly.latency IS 'histogram of their latencies: latency_percentile(), latency_merge()';
COMMENT ON COLUMN apikey.usage_hourly.ips IS 'set of the addresses of clients: ip_count(), ip_merge()';
COMMENT ON COLUMN apikey.usage_daily.tenant_id IS 'tenant of the key; NULL where none was found';
COMMENT ON COLUMN apikey.usage_daily.key_id IS 'the key; NULL where none was found';
COMMENT ON COLUMN apikey.usage_daily.environment_id IS 'environment of the key';
COMMENT ON COLUMN apikey.usage_daily.endpoint_class IS 'class of the endpoint, as in /orders/*; NULL where no endpoint was named or no key found';
COMMENT ON COLUMN apikey.usage_daily.code IS 'verdict, as in VALID or EXPIRED; LOGGED for log_usage()';
COMMENT ON COLUMN apikey.usage_daily.calls IS 'number of rows';
COMMENT ON COLUMN apikey.usage_daily.denials IS 'of these, verifications that were not accepted';
COMMENT ON COLUMN apikey.usage_daily.errors IS 'of these, with an HTTP status from 500 on logged by the application';
COMMENT ON COLUMN apikey.usage_daily.units IS 'sum of the units';
COMMENT ON COLUMN apikey.usage_daily.bytes_in IS 'sum of the sizes of requests';
COMMENT ON COLUMN apikey.usage_daily.bytes_out IS 'sum of the sizes of answers';
COMMENT ON COLUMN apikey.usage_daily.latency_calls IS 'number of rows that tell a latency';
COMMENT ON COLUMN apikey.usage_daily.latency_us IS 'sum of their latencies in microseconds';
COMMENT ON COLUMN apikey.usage_daily.latency IS 'histogram of their latencies: latency_percentile(), latency_merge()';
COMMENT ON COLUMN apikey.usage_daily.ips IS 'set of the addresses of clients: ip_count(), ip_merge()';
COMMENT ON FUNCTION apikey._class_hash IS 'internal: what stands for a class of endpoint in an index';
