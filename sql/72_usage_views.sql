-- ---------------------------------------------------------------------------
-- Traffic as people and BI tools ask for it.
--
-- All run with the rights of who reads them.  usage_recent reads the rows of
-- usage, so it knows what was written a moment ago; the others read
-- usage_hourly and are as old as its last run, a minute at most.
--
-- Names come from the views of 71_key_label by LATERAL: so they are looked up
-- for the rows that are shown, by index, and not for every key there is.  The
-- OFFSET 0 keeps these look-ups apart from the rows they are for.
--
-- A verification is a row that is not LOGGED.  An application that logs what
-- became of a request writes another row for it, with code LOGGED, or the only
-- one, if it verifies with record => false; denials are recorded always.  So
-- requests are counted by usage_requests and nowhere else: rates of denials are
-- of requests, rates of errors of what was logged.
-- ---------------------------------------------------------------------------

-- The accepted requests among so many rows VALID and LOGGED of a key in a piece of
-- time, or their units: of the two the greater number.  NULL is none.  The rule is
-- in src/sql_tally.c, for reports, too.
CREATE FUNCTION apikey._accepted(valid pg_catalog."numeric", logged pg_catalog."numeric") RETURNS pg_catalog."numeric"
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_accepted';

-- The same of many keys, without a row for each hour of each: of the rows of one
-- key requests, verifications, denials, logged, errors; NULL where there is none.
CREATE FUNCTION apikey._key_tally_step(internal, hour pg_catalog.timestamptz, tenant_id pg_catalog.int8, environment_id pg_catalog.int8,
		code pg_catalog.text, calls pg_catalog.int8, denials pg_catalog.int8, errors pg_catalog.int8) RETURNS internal
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_key_tally_step';
CREATE FUNCTION apikey._key_tally_final(internal) RETURNS pg_catalog.int8[]
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_key_tally_final';
CREATE AGGREGATE apikey._key_tally(hour pg_catalog.timestamptz, tenant_id pg_catalog.int8, environment_id pg_catalog.int8,
		code pg_catalog.text, calls pg_catalog.int8, denials pg_catalog.int8, errors pg_catalog.int8) (
	SFUNC = apikey._key_tally_step, STYPE = internal, SSPACE = 500, FINALFUNC = apikey._key_tally_final, PARALLEL = SAFE);

-- Conditions on its four first columns go down to usage_hourly; columns that
-- nobody asks for are not added up.
CREATE VIEW apikey.usage_requests WITH (security_invoker = true) AS
SELECT
	r.hour,
	r.tenant_id,
	r.environment_id,
	r.key_id,
	r.accepted OPERATOR(pg_catalog.+) r.denials AS requests,
	r.accepted,
	r.denials,
	r.verifications,
	r.logged,
	r.errors,
	r.units,
	r.bytes,
	r.latency,
	r.ips
FROM (
		SELECT
			h.hour,
			h.tenant_id,
			h.environment_id,
			h.key_id,
			apikey._accepted(pg_catalog.sum(h.calls) FILTER (WHERE h.code OPERATOR(pg_catalog.=) 'VALID'),
				pg_catalog.sum(h.calls) FILTER (WHERE h.code OPERATOR(pg_catalog.=) 'LOGGED'))::pg_catalog.int8 AS accepted,
			pg_catalog.sum(h.denials)::pg_catalog.int8 AS denials,
			COALESCE(pg_catalog.sum(h.calls) FILTER (WHERE h.code OPERATOR(pg_catalog.<>) 'LOGGED'), 0)::pg_catalog.int8 AS verifications,
			COALESCE(pg_catalog.sum(h.calls) FILTER (WHERE h.code OPERATOR(pg_catalog.=) 'LOGGED'), 0)::pg_catalog.int8 AS logged,
			pg_catalog.sum(h.errors)::pg_catalog.int8 AS errors,
			apikey._accepted(pg_catalog.sum(h.units) FILTER (WHERE h.code OPERATOR(pg_catalog.=) 'VALID'),
				pg_catalog.sum(h.units) FILTER (WHERE h.code OPERATOR(pg_catalog.=) 'LOGGED')) AS units,
			pg_catalog.sum(h.bytes_in OPERATOR(pg_catalog.+) h.bytes_out) AS bytes,
			apikey.latency_merge(h.latency) AS latency,
			apikey.ip_merge(h.ips) AS ips
		FROM apikey.usage_hourly h
		GROUP BY h.hour, h.tenant_id, h.environment_id, h.key_id
	) r;

CREATE VIEW apikey.usage_recent WITH (security_invoker = true) AS
SELECT
	u.at,
	e.tenant,
	e.environment,
	u.key_id,
	k.name,
	k.owner,
	u.code,
	u.code OPERATOR(pg_catalog.=) ANY ('{VALID,LOGGED}'::pg_catalog.text[]) AS accepted,
	u.method,
	u.endpoint,
	u.status,
	pg_catalog.round(u.latency_us OPERATOR(pg_catalog./) 1000.0, 3) AS latency_ms,
	u.bytes_in,
	u.bytes_out,
	u.units,
	u.ip,
	u.region,
	u.user_agent,
	u.request_id,
	u.scope,
	u.tags,
	u.secret_id,
	u.tenant_id,
	u.environment_id
FROM (
		SELECT * FROM apikey.usage r
		WHERE r.at OPERATOR(pg_catalog.>=) (apikey._view_now() OPERATOR(pg_catalog.-) '1 hour'::pg_catalog.interval)
		ORDER BY r.at DESC
	) u
	LEFT JOIN LATERAL (
		SELECT l.tenant, l.environment FROM apikey.environment_label l
		WHERE l.environment_id OPERATOR(pg_catalog.=) u.environment_id OFFSET 0) e ON true
	LEFT JOIN LATERAL (
		SELECT l.name, l.owner FROM apikey.key_label l
		WHERE l.key_id OPERATOR(pg_catalog.=) u.key_id OFFSET 0) k ON true
ORDER BY u.at DESC;

CREATE VIEW apikey.denials WITH (security_invoker = true) AS
SELECT
	h.hour,
	e.tenant,
	e.environment,
	h.key_id,
	k.name,
	k.owner,
	h.endpoint_class,
	h.code,
	h.calls,
	COALESCE(apikey.ip_count(h.ips), 0::pg_catalog.int8) AS ips,
	h.tenant_id,
	h.environment_id
FROM apikey.usage_hourly h
	LEFT JOIN LATERAL (
		SELECT l.tenant, l.environment FROM apikey.environment_label l
		WHERE l.environment_id OPERATOR(pg_catalog.=) h.environment_id OFFSET 0) e ON true
	LEFT JOIN LATERAL (
		SELECT l.name, l.owner FROM apikey.key_label l
		WHERE l.key_id OPERATOR(pg_catalog.=) h.key_id OFFSET 0) k ON true
WHERE h.denials OPERATOR(pg_catalog.>) 0;

CREATE VIEW apikey.top_keys WITH (security_invoker = true) AS
SELECT
	e.tenant,
	s.rank,
	s.key_id,
	k.name,
	k.owner,
	k.project,
	e.environment,
	s.requests::pg_catalog.int8 AS requests,
	s.verifications::pg_catalog.int8 AS verifications,
	pg_catalog.round(s.requests OPERATOR(pg_catalog./) NULLIF(s.of_tenant, 0), 4) AS share,
	s.denials::pg_catalog.int8 AS denials,
	s.logged::pg_catalog.int8 AS logged,
	s.errors::pg_catalog.int8 AS errors,
	s.units,
	s.bytes,
	pg_catalog.round((apikey.latency_percentile(s.latency, 0.5) OPERATOR(pg_catalog./) 1000)::pg_catalog."numeric", 3) AS p50_ms,
	pg_catalog.round((apikey.latency_percentile(s.latency, 0.95) OPERATOR(pg_catalog./) 1000)::pg_catalog."numeric", 3) AS p95_ms,
	COALESCE(apikey.ip_count(s.ips), 0::pg_catalog.int8) AS ips,
	s.tenant_id,
	s.environment_id
FROM (
		SELECT
			h.*,
			pg_catalog.sum(h.requests) OVER (PARTITION BY h.tenant_id) AS of_tenant,
			pg_catalog.rank() OVER (PARTITION BY h.tenant_id ORDER BY h.requests DESC) AS rank
		FROM (
				SELECT
					r.tenant_id,
					r.key_id,
					r.environment_id,
					pg_catalog.sum(r.requests) AS requests,
					pg_catalog.sum(r.verifications) AS verifications,
					pg_catalog.sum(r.denials) AS denials,
					pg_catalog.sum(r.logged) AS logged,
					pg_catalog.sum(r.errors) AS errors,
					pg_catalog.sum(r.units) AS units,
					pg_catalog.sum(r.bytes) AS bytes,
					apikey.latency_merge(r.latency) AS latency,
					apikey.ip_merge(r.ips) AS ips
				FROM apikey.usage_requests r
				WHERE r.hour OPERATOR(pg_catalog.>) (apikey._view_now() OPERATOR(pg_catalog.-) '1 day'::pg_catalog.interval) AND r.key_id IS NOT NULL
				GROUP BY r.tenant_id, r.key_id, r.environment_id
			) h
	) s
	LEFT JOIN LATERAL (
		SELECT l.tenant, l.environment FROM apikey.environment_label l
		WHERE l.environment_id OPERATOR(pg_catalog.=) s.environment_id OFFSET 0) e ON true
	LEFT JOIN LATERAL (
		SELECT l.name, l.owner, l.project FROM apikey.key_label l
		WHERE l.key_id OPERATOR(pg_catalog.=) s.key_id OFFSET 0) k ON true
ORDER BY s.tenant_id, s.rank, s.key_id;

CREATE VIEW apikey.slow_endpoints WITH (security_invoker = true) AS
SELECT
	e.tenant,
	e.environment,
	s.endpoint_class,
	s.timed::pg_catalog.int8 AS timed,
	pg_catalog.round((apikey.latency_percentile(s.latency, 0.5) OPERATOR(pg_catalog./) 1000)::pg_catalog."numeric", 3) AS p50_ms,
	pg_catalog.round((apikey.latency_percentile(s.latency, 0.95) OPERATOR(pg_catalog./) 1000)::pg_catalog."numeric", 3) AS p95_ms,
	pg_catalog.round((apikey.latency_percentile(s.latency, 0.99) OPERATOR(pg_catalog./) 1000)::pg_catalog."numeric", 3) AS p99_ms,
	pg_catalog.round(s.latency_us OPERATOR(pg_catalog./) s.timed OPERATOR(pg_catalog./) 1000, 3) AS mean_ms,
	s.logged::pg_catalog.int8 AS logged,
	s.errors::pg_catalog.int8 AS errors,
	pg_catalog.round(s.errors OPERATOR(pg_catalog./) NULLIF(s.logged, 0), 4) AS error_rate,
	s.tenant_id,
	s.environment_id
FROM (
		SELECT
			r.tenant_id,
			r.environment_id,
			r.endpoint_class,
			pg_catalog.sum(r.calls) AS calls,
			COALESCE(pg_catalog.sum(r.calls) FILTER (WHERE r.code OPERATOR(pg_catalog.=) 'LOGGED'), 0) AS logged,
			pg_catalog.sum(r.denials) AS denials,
			pg_catalog.sum(r.errors) AS errors,
			pg_catalog.sum(r.latency_calls) AS timed,
			pg_catalog.sum(r.latency_us) AS latency_us,
			apikey.latency_merge(r.latency) AS latency
		FROM apikey.usage_hourly r
		WHERE r.hour OPERATOR(pg_catalog.>) (apikey._view_now() OPERATOR(pg_catalog.-) '1 day'::pg_catalog.interval) AND r.tenant_id IS NOT NULL
		GROUP BY r.tenant_id, r.environment_id, r.endpoint_class
		HAVING pg_catalog.sum(r.latency_calls) OPERATOR(pg_catalog.>) 0
	) s
	LEFT JOIN LATERAL (
		SELECT l.tenant, l.environment FROM apikey.environment_label l
		WHERE l.environment_id OPERATOR(pg_catalog.=) s.environment_id OFFSET 0) e ON true
ORDER BY p95_ms DESC, e.tenant, e.environment, s.endpoint_class;

CREATE VIEW apikey.error_rates WITH (security_invoker = true) AS
SELECT
	s.hour,
	e.tenant,
	e.environment,
	s.requests::pg_catalog.int8 AS requests,
	s.verifications::pg_catalog.int8 AS verifications,
	s.denials::pg_catalog.int8 AS denials,
	pg_catalog.round(s.denials OPERATOR(pg_catalog./) NULLIF(s.requests, 0), 4) AS denial_rate,
	s.logged::pg_catalog.int8 AS logged,
	s.errors::pg_catalog.int8 AS errors,
	pg_catalog.round(s.errors OPERATOR(pg_catalog./) NULLIF(s.logged, 0), 4) AS error_rate,
	s.tenant_id,
	s.environment_id
FROM (
		SELECT
			r.hour,
			r.tenant_id,
			r.environment_id,
			pg_catalog.sum(r.requests) AS requests,
			pg_catalog.sum(r.verifications) AS verifications,
			pg_catalog.sum(r.denials) AS denials,
			pg_catalog.sum(r.logged) AS logged,
			pg_catalog.sum(r.errors) AS errors
		FROM apikey.usage_requests r
		GROUP BY r.hour, r.tenant_id, r.environment_id
	) s
	LEFT JOIN LATERAL (
		SELECT l.tenant, l.environment FROM apikey.environment_label l
		WHERE l.environment_id OPERATOR(pg_catalog.=) s.environment_id OFFSET 0) e ON true
ORDER BY s.hour DESC, e.tenant, e.environment;

COMMENT ON FUNCTION apikey._accepted(pg_catalog."numeric", pg_catalog."numeric") IS
	'accepted requests of a key in a piece of time, or their units, from those of its rows VALID and LOGGED';

COMMENT ON FUNCTION apikey._key_tally_step(internal, pg_catalog.timestamptz, pg_catalog.int8, pg_catalog.int8, pg_catalog.text, pg_catalog.int8, pg_catalog.int8, pg_catalog.int8) IS
	'step of _key_tally()';
COMMENT ON FUNCTION apikey._key_tally_final(internal) IS 'answer of _key_tally()';
COMMENT ON AGGREGATE apikey._key_tally(pg_catalog.timestamptz, pg_catalog.int8, pg_catalog.int8, pg_catalog.text, pg_catalog.int8, pg_catalog.int8, pg_catalog.int8) IS
	'requests, verifications, denials, logged and errors of a key, from its rows in usage_hourly';

COMMENT ON VIEW apikey.usage_recent IS 'attempts of the last hour, newest first';
COMMENT ON COLUMN apikey.usage_recent.at IS 'when the attempt was made';
COMMENT ON COLUMN apikey.usage_recent.tenant IS 'path of the tenant; NULL where no key was found';
COMMENT ON COLUMN apikey.usage_recent.environment IS 'environment of the key';
COMMENT ON COLUMN apikey.usage_recent.key_id IS 'the key; NULL where none was found';
COMMENT ON COLUMN apikey.usage_recent.name IS 'what the key is called; NULL also where it was deleted';
COMMENT ON COLUMN apikey.usage_recent.owner IS 'who holds the key';
COMMENT ON COLUMN apikey.usage_recent.code IS 'verdict, as in VALID or EXPIRED; LOGGED for log_usage()';
COMMENT ON COLUMN apikey.usage_recent.accepted IS 'whether that is VALID or LOGGED';
COMMENT ON COLUMN apikey.usage_recent.method IS 'method of the request';
COMMENT ON COLUMN apikey.usage_recent.endpoint IS 'path of the request';
COMMENT ON COLUMN apikey.usage_recent.status IS 'HTTP status the application answered with';
COMMENT ON COLUMN apikey.usage_recent.latency_ms IS 'how long the request took, in milliseconds';
COMMENT ON COLUMN apikey.usage_recent.bytes_in IS 'size of the request';
COMMENT ON COLUMN apikey.usage_recent.bytes_out IS 'size of the answer';
COMMENT ON COLUMN apikey.usage_recent.units IS 'what the request was to cost';
COMMENT ON COLUMN apikey.usage_recent.ip IS 'address of the client';
COMMENT ON COLUMN apikey.usage_recent.region IS 'region of the client';
COMMENT ON COLUMN apikey.usage_recent.user_agent IS 'program of the client';
COMMENT ON COLUMN apikey.usage_recent.request_id IS 'id the application gave to the request';
COMMENT ON COLUMN apikey.usage_recent.scope IS 'scopes the request asked for';
COMMENT ON COLUMN apikey.usage_recent.tags IS 'free for applications';
COMMENT ON COLUMN apikey.usage_recent.secret_id IS 'the secret that was presented';
COMMENT ON COLUMN apikey.usage_recent.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.usage_recent.environment_id IS 'environment of the key';

COMMENT ON VIEW apikey.usage_requests IS 'requests of each key and hour: the one place that says what a request is';
COMMENT ON COLUMN apikey.usage_requests.hour IS 'the hour begins here';
COMMENT ON COLUMN apikey.usage_requests.tenant_id IS 'tenant of the key; NULL where no key was found';
COMMENT ON COLUMN apikey.usage_requests.environment_id IS 'environment of the key';
COMMENT ON COLUMN apikey.usage_requests.key_id IS 'the key; NULL where none was found';
COMMENT ON COLUMN apikey.usage_requests.requests IS 'accepted + denials';
COMMENT ON COLUMN apikey.usage_requests.accepted IS 'accepted requests: the rows VALID or the rows LOGGED, whichever are more';
COMMENT ON COLUMN apikey.usage_requests.denials IS 'requests that were not accepted';
COMMENT ON COLUMN apikey.usage_requests.verifications IS 'attempts that were recorded, log_usage() apart';
COMMENT ON COLUMN apikey.usage_requests.logged IS 'requests the application logged with log_usage()';
COMMENT ON COLUMN apikey.usage_requests.errors IS 'of these, with an HTTP status from 500 on';
COMMENT ON COLUMN apikey.usage_requests.units IS 'units of the accepted requests: those of the rows VALID or of the rows LOGGED, whichever are more';
COMMENT ON COLUMN apikey.usage_requests.bytes IS 'sum of the sizes of requests and answers';
COMMENT ON COLUMN apikey.usage_requests.latency IS 'histogram of the latencies, for latency_percentile() and latency_merge()';
COMMENT ON COLUMN apikey.usage_requests.ips IS 'set of the addresses of clients, for ip_count() and ip_merge()';

COMMENT ON VIEW apikey.denials IS 'what was not accepted, for each hour, key, class of endpoint and reason';
COMMENT ON COLUMN apikey.denials.hour IS 'the hour begins here';
COMMENT ON COLUMN apikey.denials.tenant IS 'path of the tenant; NULL where no key was found';
COMMENT ON COLUMN apikey.denials.environment IS 'environment of the key';
COMMENT ON COLUMN apikey.denials.key_id IS 'the key; NULL where none was found';
COMMENT ON COLUMN apikey.denials.name IS 'what the key is called; NULL also where it was deleted';
COMMENT ON COLUMN apikey.denials.owner IS 'who holds the key';
COMMENT ON COLUMN apikey.denials.endpoint_class IS 'class of the endpoint, as in /orders/*';
COMMENT ON COLUMN apikey.denials.code IS 'the reason, as in EXPIRED';
COMMENT ON COLUMN apikey.denials.calls IS 'number of verifications';
COMMENT ON COLUMN apikey.denials.ips IS 'number of addresses they came from';
COMMENT ON COLUMN apikey.denials.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.denials.environment_id IS 'environment of the key';

COMMENT ON VIEW apikey.top_keys IS 'keys by the requests of the last 24 hours, most first in each tenant';
COMMENT ON COLUMN apikey.top_keys.tenant IS 'path of the tenant';
COMMENT ON COLUMN apikey.top_keys.rank IS 'place among the keys of the tenant';
COMMENT ON COLUMN apikey.top_keys.key_id IS 'the key';
COMMENT ON COLUMN apikey.top_keys.name IS 'what it is called; NULL also where it was deleted';
COMMENT ON COLUMN apikey.top_keys.owner IS 'who holds it';
COMMENT ON COLUMN apikey.top_keys.project IS 'project of the key';
COMMENT ON COLUMN apikey.top_keys.environment IS 'environment of the key';
COMMENT ON COLUMN apikey.top_keys.requests IS 'accepted requests and denials, as in usage_requests';
COMMENT ON COLUMN apikey.top_keys.verifications IS 'attempts that were recorded, log_usage() apart';
COMMENT ON COLUMN apikey.top_keys.share IS 'part of all requests of the tenant, 0 to 1';
COMMENT ON COLUMN apikey.top_keys.denials IS 'requests that were not accepted';
COMMENT ON COLUMN apikey.top_keys.logged IS 'requests the application logged with log_usage()';
COMMENT ON COLUMN apikey.top_keys.errors IS 'of these, with an HTTP status from 500 on';
COMMENT ON COLUMN apikey.top_keys.units IS 'units of the accepted requests, as in usage_requests';
COMMENT ON COLUMN apikey.top_keys.bytes IS 'sum of the sizes of requests and answers';
COMMENT ON COLUMN apikey.top_keys.p50_ms IS 'latency that half of the requests did not exceed, in milliseconds';
COMMENT ON COLUMN apikey.top_keys.p95_ms IS 'latency that 95 of 100 did not exceed';
COMMENT ON COLUMN apikey.top_keys.ips IS 'number of addresses of clients';
COMMENT ON COLUMN apikey.top_keys.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.top_keys.environment_id IS 'environment of the key';

COMMENT ON VIEW apikey.slow_endpoints IS 'latency of classes of endpoints in the last 24 hours, slowest first';
COMMENT ON COLUMN apikey.slow_endpoints.tenant IS 'path of the tenant';
COMMENT ON COLUMN apikey.slow_endpoints.environment IS 'environment of the keys';
COMMENT ON COLUMN apikey.slow_endpoints.endpoint_class IS 'class of the endpoint, as in /orders/*; NULL: none was named';
COMMENT ON COLUMN apikey.slow_endpoints.timed IS 'number of requests with a latency';
COMMENT ON COLUMN apikey.slow_endpoints.p50_ms IS 'latency that half of them did not exceed, in milliseconds';
COMMENT ON COLUMN apikey.slow_endpoints.p95_ms IS 'latency that 95 of 100 did not exceed';
COMMENT ON COLUMN apikey.slow_endpoints.p99_ms IS 'latency that 99 of 100 did not exceed';
COMMENT ON COLUMN apikey.slow_endpoints.mean_ms IS 'mean latency';
COMMENT ON COLUMN apikey.slow_endpoints.logged IS 'requests the application logged with log_usage()';
COMMENT ON COLUMN apikey.slow_endpoints.errors IS 'of these, with an HTTP status from 500 on';
COMMENT ON COLUMN apikey.slow_endpoints.error_rate IS 'errors / logged, 0 to 1; NULL: nothing was logged';
COMMENT ON COLUMN apikey.slow_endpoints.tenant_id IS 'tenant of the keys';
COMMENT ON COLUMN apikey.slow_endpoints.environment_id IS 'environment of the keys';

COMMENT ON VIEW apikey.error_rates IS 'denials and errors of each hour and environment, newest first';
COMMENT ON COLUMN apikey.error_rates.hour IS 'the hour begins here';
COMMENT ON COLUMN apikey.error_rates.tenant IS 'path of the tenant; NULL where no key was found';
COMMENT ON COLUMN apikey.error_rates.environment IS 'environment of the keys';
COMMENT ON COLUMN apikey.error_rates.requests IS 'accepted requests and denials, as in usage_requests';
COMMENT ON COLUMN apikey.error_rates.verifications IS 'attempts that were recorded, log_usage() apart';
COMMENT ON COLUMN apikey.error_rates.denials IS 'requests that were not accepted';
COMMENT ON COLUMN apikey.error_rates.denial_rate IS 'denials / requests, 0 to 1; NULL: there was none';
COMMENT ON COLUMN apikey.error_rates.logged IS 'requests the application logged with log_usage()';
COMMENT ON COLUMN apikey.error_rates.errors IS 'of these, with an HTTP status from 500 on';
COMMENT ON COLUMN apikey.error_rates.error_rate IS 'errors / logged, 0 to 1; NULL: nothing was logged';
COMMENT ON COLUMN apikey.error_rates.tenant_id IS 'tenant of the keys';
COMMENT ON COLUMN apikey.error_rates.environment_id IS 'environment of the keys';
