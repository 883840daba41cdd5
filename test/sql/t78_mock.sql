-- Mock data: tenants, keys and usage that follow from a seed, attacks that are
-- told with how to find them.  In transactions that are rolled back.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, true) $$;
CREATE FUNCTION pg_temp.state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- how many rows a condition of an attack finds
CREATE FUNCTION pg_temp.found(condition text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE 'SELECT count(*) FROM apikey.usage WHERE ' || condition INTO n;
	RETURN n;
END $$;
-- usage without ids, as one value
CREATE FUNCTION pg_temp.digest() RETURNS text LANGUAGE sql AS $$
	SELECT md5(string_agg((u.at, k.name, u.code, u.scope, u.method, u.endpoint, u.status, u.latency_us, u.bytes_in, u.bytes_out,
		u.units, u.ip, u.region, u.user_agent, u.request_id)::text, E'\n' ORDER BY u.at, u.request_id, u.endpoint, u.ip))
	FROM apikey.usage u LEFT JOIN apikey.api_key k ON k.key_id = u.key_id WHERE u.at >= '2061-01-01' AND u.at < '2062-01-01' $$;
CREATE ROLE regress_mock_provider;
CREATE ROLE regress_mock_customer;

-- nothing to make keys or usage of
SELECT pg_temp.state_of('SELECT apikey.mock_keys(1)');
SELECT pg_temp.state_of($$SELECT apikey.mock_usage(1, '2025-01-01', '2025-01-02')$$);

-- arguments
SELECT s, pg_temp.state_of(s) FROM unnest(ARRAY[
	'SELECT apikey.mock_tenants(0)', 'SELECT apikey.mock_tenants(NULL)', 'SELECT apikey.mock_tenants(1001)',
	'SELECT apikey.mock_tenants(1, -1)', 'SELECT apikey.mock_tenants(1, NULL)', 'SELECT apikey.mock_tenants(1, 4294967296)',
	'SELECT apikey.mock_keys(0)', 'SELECT apikey.mock_keys(-5)', 'SELECT apikey.mock_keys(1000001)', 'SELECT apikey.mock_keys(1, -1)',
	$$SELECT apikey.mock_usage(0, '2025-01-01', '2025-01-02')$$,
	$$SELECT apikey.mock_usage(NULL, '2025-01-01', '2025-01-02')$$,
	$$SELECT apikey.mock_usage(1000000001, '2025-01-01', '2025-01-02')$$,
	$$SELECT apikey.mock_usage(1, '2025-01-01', '2025-01-02', -1)$$,
	$$SELECT apikey.mock_usage(1, '2025-01-01', '2025-01-02', NULL)$$,
	$$SELECT apikey.mock_usage(1, '2025-01-02', '2025-01-01')$$,
	$$SELECT apikey.mock_usage(1, '2025-01-01', '2025-01-01')$$,
	$$SELECT apikey.mock_usage(1, NULL, '2025-01-01')$$,
	$$SELECT apikey.mock_usage(1, '2025-01-01', NULL)$$,
	$$SELECT apikey.mock_usage(1, '-infinity', '2025-01-01')$$,
	$$SELECT apikey.mock_usage(1, '2025-01-01', 'infinity')$$,
	$$SELECT apikey.mock_usage(1, '1999-01-01', '1999-02-01')$$,
	$$SELECT apikey.mock_usage(1, '2025-01-01', '2925-01-01')$$,
	$$SELECT apikey.mock_usage(1, '2020-01-01', '2025-01-01')$$,
	$$SELECT apikey.mock_usage(9000, '2025-01-01', '2025-02-01', 1, '{stolen_key,nonsense}')$$,
	$$SELECT apikey.mock_usage(9000, '2025-01-01', '2025-02-01', 1, '{stolen_key,stolen_key}')$$,
	$$SELECT apikey.mock_usage(9000, '2025-01-01', '2025-02-01', 1, '{stolen_key,NULL}')$$,
	$$SELECT apikey.mock_usage(9000, '2025-01-01', '2025-02-01', 1, '{{stolen_key,off_hours},{many_ips,rate_spike}}')$$,
	$$SELECT apikey.mock_usage(1999, '2025-01-01', '2025-02-01', 1, '{stolen_key,off_hours}')$$,
	$$SELECT apikey.mock_usage(9000, '2025-01-01', '2025-01-01 23:00', 1, '{stolen_key}')$$]) s;

-- only an admin of all tenants
BEGIN;
SELECT tenant_id AS customer FROM apikey.mock_tenants(1) \gset
SELECT apikey.grant_access('regress_mock_customer', 'admin', apikey.tenant_path(:customer));
SELECT apikey.grant_access('regress_mock_provider', 'admin');
SET LOCAL ROLE regress_mock_customer;
SELECT pg_temp.state_of('SELECT apikey.mock_tenants(1)'), pg_temp.state_of('SELECT apikey.mock_keys(1)'),
	pg_temp.state_of($$SELECT apikey.mock_usage(1, '2025-01-01', '2025-01-02')$$);
SET LOCAL ROLE regress_mock_provider;
SELECT count(*) FROM apikey.mock_tenants(1);
SELECT count(*) FROM apikey.mock_keys(1);
SELECT label, rows FROM apikey.mock_usage(1, now() - interval '1 hour', now());
ROLLBACK;

-- tenants: the same for a seed, however many calls make them; others for another
BEGIN;
SELECT pg_temp.clock('2061-06-15 12:00+00') \gset
CREATE TEMP VIEW tenants AS
	SELECT apikey._path(t.tenant_id) AS path, t.settings, (SELECT array_agg(e.name ORDER BY e.name) FROM apikey.environment e WHERE e.tenant_id = t.tenant_id) AS environments,
		(SELECT array_agg(p.name ORDER BY p.name) FROM apikey.policy p WHERE p.tenant_id = t.tenant_id) AS policies
	FROM apikey.tenant t WHERE t.settings ? 'mock';
SAVEPOINT before;
SELECT tenant FROM apikey.mock_tenants(8);
SELECT * FROM tenants ORDER BY path LIMIT 2;
SELECT md5(string_agg(t::text, '' ORDER BY path)) AS at_once FROM tenants t \gset
ROLLBACK TO before;
SELECT count(*) FROM apikey.mock_tenants(3);
SELECT count(*) FROM apikey.mock_tenants(1, 99);
SELECT count(*) FROM apikey.mock_tenants(5);
SELECT md5(string_agg(t::text, '' ORDER BY path)) = :'at_once' AS same FROM tenants t WHERE settings -> 'mock' -> 'seed' = '1';

-- keys
CREATE TEMP VIEW keys AS
	SELECT apikey._path(k.tenant_id) AS path, k.status, k.owner, k.name, k.scopes, k.tags, k.metadata, k.cidrs, k.expires_at, k.revoked_at, k.created_at,
		(SELECT array_agg((s.created_at, s.expires_at)::text ORDER BY s.secret_id) FROM apikey.key_secret s WHERE s.key_id = k.key_id) AS secrets
	FROM apikey.api_key k WHERE 'mock' = ANY (k.tags);
SAVEPOINT before;
CREATE TEMP TABLE made AS SELECT * FROM apikey.mock_keys(60);
SELECT count(*), count(DISTINCT key_id) AS keys, count(DISTINCT key) AS secrets, bool_and(tenant LIKE 'mock-%') AS mock, array_agg(DISTINCT environment) AS environments FROM made;
SELECT status, count(*) FROM keys GROUP BY 1 ORDER BY 1;
SELECT count(owner) < 60 AS unowned, count(*) FILTER (WHERE cidrs <> '{}') > 0 AS bound, count(*) FILTER (WHERE cardinality(secrets) = 2) > 0 AS rotated,
	count(*) FILTER (WHERE expires_at < apikey._now()) > 0 AS expired, count(*) FILTER (WHERE expires_at > apikey._now()) > 0 AS expiring,
	bool_and(created_at < apikey._now()) AS past, bool_and(tags[2] LIKE 'project:%') AS projects FROM keys;
SELECT md5(string_agg(k::text, '' ORDER BY name)) AS at_once FROM keys k \gset
-- they are keys like others; in the present, where denials are recorded
SELECT set_config('apikey.test_now', '', true) \gset
SELECT v.code, v.tenant = m.tenant AS tenant, v.environment = m.environment AS environment
FROM made m JOIN apikey.api_key k ON k.key_id = m.key_id AND k.status = 'active' AND coalesce(k.expires_at, 'infinity') > apikey._now() AND k.cidrs = '{}'
	CROSS JOIN LATERAL apikey.verify(m.key, ip => '100.64.0.1', record => false) v ORDER BY m.key_id LIMIT 3;
SELECT DISTINCT v.code FROM made m JOIN apikey.api_key k ON k.key_id = m.key_id AND k.status = 'revoked' CROSS JOIN LATERAL apikey.verify(m.key, record => false) v;
SELECT key FROM made ORDER BY key_id LIMIT 1 \gset
ROLLBACK TO before;
SELECT pg_temp.clock('2061-06-15 12:00+00') \gset
SELECT count(*) FROM apikey.mock_keys(20);
SELECT count(*) FROM apikey.mock_keys(40);
SELECT md5(string_agg(k::text, '' ORDER BY name)) = :'at_once' AS same FROM keys k;
-- but for their secrets
SELECT set_config('apikey.test_now', '', true) \gset
SELECT code FROM apikey.verify(:'key', record => false);
ROLLBACK TO before;
SELECT pg_temp.clock('2061-06-15 12:00+00') \gset
SELECT count(*) FROM apikey.mock_keys(60);

-- usage: all rows, inside of the range, by these keys, the same for a seed
SAVEPOINT before;
SELECT label, key_id, first_at >= '2061-06-01 10:30' AND last_at < '2061-06-08 09:15' AS inside, rows, detail -> 'keys' AS keys,
	(SELECT sum(value::bigint) FROM jsonb_each_text(detail -> 'codes')) AS codes
FROM apikey.mock_usage(20000, '2061-06-01 10:30', '2061-06-08 09:15');
SELECT count(*), count(DISTINCT tableoid) AS leaves, bool_and(at >= '2061-06-01 10:30' AND at < '2061-06-08 09:15') AS inside,
	bool_and((key_id IS NULL) = (code IN ('NOT_FOUND', 'MALFORMED'))) AS keys, bool_and((code = 'LOGGED') = (status IS NOT NULL)) AS statuses
FROM apikey.usage WHERE at >= '2061-01-01' AND at < '2062-01-01';
SELECT count(*) FROM apikey.usage u JOIN apikey.api_key k ON k.key_id = u.key_id JOIN apikey.key_secret s ON s.secret_id = u.secret_id AND s.key_id = k.key_id
WHERE u.at >= '2061-01-01' AND u.at < '2062-01-01' AND u.tenant_id = k.tenant_id AND u.environment_id = k.environment_id
	HAVING count(*) = (SELECT count(key_id) FROM apikey.usage WHERE at >= '2061-01-01' AND at < '2062-01-01') AND count(*) > 19800 \gset
SELECT :count > 0 AS consistent;
-- activity is that of the rows
SELECT count(*) FROM apikey.key_activity a JOIN apikey.api_key k ON k.key_id = a.key_id AND 'mock' = ANY (k.tags),
	LATERAL (SELECT min(at) FILTER (WHERE code IN ('VALID', 'LOGGED')) AS first, max(at) FILTER (WHERE code IN ('VALID', 'LOGGED')) AS last,
		count(*) FILTER (WHERE code = 'VALID') AS calls, count(*) FILTER (WHERE status >= 400) AS errors, count(*) FILTER (WHERE code NOT IN ('VALID', 'LOGGED')) AS denials
		FROM apikey.usage u WHERE u.key_id = a.key_id AND u.at >= '2061-01-01') u
WHERE (a.first_used_at, a.last_used_at, a.calls, a.errors, a.denials) IS DISTINCT FROM (u.first, u.last, u.calls, u.errors, u.denials);
SELECT action, object, after FROM apikey.audit_log WHERE action = 'mock.usage' AND at = apikey._now();
SELECT type, payload FROM apikey.event WHERE type = 'mock.usage' AND created_at = apikey._now();
SELECT pg_temp.digest() AS first_time \gset
ROLLBACK TO before;
SELECT rows FROM apikey.mock_usage(20000, '2061-06-01 10:30', '2061-06-08 09:15', 1);
SELECT pg_temp.digest() = :'first_time' AS same;
ROLLBACK TO before;
SELECT rows FROM apikey.mock_usage(20000, '2061-06-01 10:30', '2061-06-08 09:15', 2);
SELECT pg_temp.digest() = :'first_time' AS same;
ROLLBACK TO before;

-- a leaf that is more than rows and indexes gets the same
SELECT apikey._ensure_partition_for('2061-06-01', '2061-06-08');
CREATE TEMP TABLE seen (n bigint);
CREATE FUNCTION pg_temp.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (1); RETURN NEW; END $$;
CREATE TRIGGER see BEFORE INSERT ON apikey.usage_20610603 FOR EACH ROW EXECUTE FUNCTION pg_temp.see();
CREATE UNIQUE INDEX ON apikey.usage_20610604 (at, request_id, endpoint, ip, key_id) ;
ALTER TABLE apikey.usage_20610605 ADD CHECK (units > 0);
SELECT rows FROM apikey.mock_usage(20000, '2061-06-01 10:30', '2061-06-08 09:15');
SELECT pg_temp.digest() = :'first_time' AS same, (SELECT count(*) FROM seen) = (SELECT count(*) FROM apikey.usage_20610603) AS triggered;
ROLLBACK TO before;
-- what such a leaf refuses, nothing is left of
SELECT apikey._ensure_partition_for('2061-06-01', '2061-06-08');
ALTER TABLE apikey.usage_20610607 ADD CONSTRAINT no_errors CHECK (status < 500);
SELECT pg_temp.state_of($$SELECT apikey.mock_usage(20000, '2061-06-01 10:30', '2061-06-08 09:15')$$);
SELECT count(*) FROM apikey.usage WHERE at >= '2061-01-01' AND at < '2062-01-01';
ROLLBACK TO before;

-- attacks: each is found by its condition, all of it and nothing else
CREATE TEMP TABLE truth AS SELECT * FROM apikey.mock_usage(40000, '2061-06-01', '2061-06-15', 5,
	'{stolen_key,many_ips,enumeration,error_burst,rate_spike,slow_exfiltration,dormant_key,off_hours,after_revocation}');
SELECT label, key_id IS NULL AS no_key, rows, pg_temp.found(detail ->> 'condition') = rows AS found, last_at > first_at AS lasts FROM truth WHERE label <> 'traffic';
SELECT sum(rows), (SELECT count(*) FROM apikey.usage WHERE at >= '2061-01-01' AND at < '2062-01-01') AS stored, count(DISTINCT key_id) AS victims FROM truth;
CREATE TEMP VIEW attacked AS SELECT t.label, u.* FROM truth t JOIN apikey.usage u ON u.key_id = t.key_id AND u.at BETWEEN t.first_at AND t.last_at;
SELECT (SELECT count(*) FROM apikey.usage u, truth t WHERE u.key_id = t.key_id AND t.label = 'dormant_key' AND u.at < t.first_at) AS before_dormant,
	(SELECT count(DISTINCT ip) > 20 FROM attacked WHERE label = 'many_ips' AND ip <<= '198.18.0.0/15') AS many_ips,
	(SELECT avg((status >= 500)::int) > 0.8 FROM attacked WHERE label = 'error_burst') AS errors,
	(SELECT bool_and(code = 'REVOKED') FROM attacked WHERE label = 'after_revocation') AS revoked,
	(SELECT sum(bytes_out) FILTER (WHERE ip <<= '198.18.0.0/15') > 5 * sum(bytes_out) FILTER (WHERE NOT ip <<= '198.18.0.0/15') FROM attacked WHERE label = 'slow_exfiltration') AS exfiltrated,
	(SELECT bool_and(extract(hour FROM u.at AT TIME ZONE (k.metadata ->> 'timezone')) BETWEEN 1 AND 3) FROM attacked u JOIN apikey.api_key k ON k.key_id = u.key_id
	 WHERE label = 'off_hours' AND user_agent LIKE 'curl/%') AS at_night;
ROLLBACK TO before;
-- the ones that need a victim that is not there
UPDATE apikey.api_key SET status = 'active', revoked_at = NULL WHERE 'mock' = ANY (tags) AND status = 'revoked';
SELECT pg_temp.state_of($$SELECT apikey.mock_usage(1000, '2061-06-01', '2061-06-15', 5, '{after_revocation}')$$);
UPDATE apikey.api_key SET expires_at = '2061-05-01' WHERE 'mock' = ANY (tags);
SELECT pg_temp.state_of($$SELECT apikey.mock_usage(1000, '2061-06-01', '2061-06-15', 5, '{stolen_key}')$$);
-- keys whose metadata somebody has changed are left out, and no more
UPDATE apikey.api_key SET metadata = NULL WHERE 'mock' = ANY (tags);
SELECT pg_temp.state_of($$SELECT apikey.mock_usage(1000, '2061-06-01', '2061-06-15')$$);
UPDATE apikey.api_key SET metadata = '{"mock": {"seed": "x", "number": 1.5}, "api": 7, "timezone": "Mars/Olympus"}' WHERE 'mock' = ANY (tags);
SELECT pg_temp.state_of($$SELECT apikey.mock_usage(1000, '2061-06-01', '2061-06-15')$$);
UPDATE apikey.api_key SET metadata = '{"mock": {"seed": 1, "number": 1.5}, "api": 7, "timezone": "Mars/Olympus"}' WHERE 'mock' = ANY (tags);
SELECT pg_temp.state_of($$SELECT apikey.mock_usage(1000, '2061-06-01', '2061-06-15')$$);
ROLLBACK;

DROP ROLE regress_mock_provider;
DROP ROLE regress_mock_customer;
