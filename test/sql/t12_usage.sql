-- What a verification leaves behind: every attempt, whatever became of the
-- caller's transaction; key-looking texts masked; long texts cut.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT apikey.create_tenant('t12') > 0 AS tenant;
SELECT apikey.create_environment('t12', 'production') > 0 AS environment;
CREATE TEMP TABLE k AS SELECT * FROM apikey.create_key('t12', 'production', scopes => '{a:*}');
CREATE TEMP VIEW mine AS SELECT u.* FROM apikey.usage u WHERE request_id LIKE 't12-%';

-- accepted, denied, not recorded on request (a denial always is)
SELECT code FROM k, apikey.verify(key, '{a:x,a:y|b}', '192.0.2.1', 'GET', '/p?token=secret#f', units => 3, user_agent => 'ua', region => 'eu', request_id => 't12-1', tags => '{"x": [1]}');
SELECT code FROM k, apikey.verify(key, '{b}', '2001:db8::1', request_id => 't12-2');
SELECT code FROM k, apikey.verify(key, request_id => 't12-3', record => false);
SELECT code FROM k, apikey.verify(key, '{b}', request_id => 't12-4', record => false);
SELECT code FROM apikey.verify('nonsense', request_id => 't12-5');
SELECT code FROM k, apikey.verify(key, request_id => 't12-6', units => 0);
-- the caller's transaction does not matter
BEGIN;
SELECT code FROM k, apikey.verify(key, request_id => 't12-7');
ROLLBACK;
BEGIN;
SELECT code FROM k, apikey.verify(key, request_id => 't12-8');
SELECT 1 / 0;
ROLLBACK;
SELECT apikey.flush_usage();
SELECT request_id, u.key_id = k.key_id AS key, u.secret_id = k.secret_id AS secret, tenant_id IS NOT NULL AS tenant, environment_id IS NOT NULL AS environment,
       code, scope, method, endpoint, status, latency_us, units, ip, region, user_agent, tags
  FROM mine u, k ORDER BY request_id;

-- a key pasted where it does not belong is masked, and reported
SELECT code FROM k, apikey.verify(key, endpoint => '/reset/' || key || '/x', user_agent => 'curl ' || key, request_id => 't12-9');
SELECT code FROM k, apikey.verify(key, endpoint => '/' || replace(key, '_', '%5F'), request_id => 't12-10', tags => jsonb_build_object('k', key));
SELECT apikey.flush_usage();
SELECT regexp_replace(endpoint, '\*+', '*') AS endpoint, regexp_replace(user_agent, '\*+', '*') AS user_agent,
       regexp_replace(tags::text, '\*+', '*') AS tags FROM mine WHERE request_id IN ('t12-9', 't12-10') ORDER BY request_id;
SELECT count(*) FROM k, apikey.usage u WHERE position(substr(k.key, 14, 20) IN u::text) > 0;
SELECT type, count(*) FROM apikey.event e, k WHERE e.key_id = k.key_id AND type LIKE 'leak%' GROUP BY type;

-- long texts are cut at a character, any bytes of any length are accepted
SELECT code FROM k, apikey.verify(key, endpoint => '/' || repeat('ä', 2000), user_agent => repeat('€', 1000), method => repeat('M', 100), region => repeat('r', 1000), request_id => 't12-' || repeat('ö', 1000));
SELECT code FROM k, apikey.verify(key, endpoint => repeat('x', 1000000), user_agent => repeat(E'\x01\u202e', 100000), request_id => 't12-11');
SELECT code FROM apikey.verify(repeat('a_', 1000000), request_id => 't12-12');
SELECT apikey.flush_usage();
SELECT left(request_id, 6) AS request, octet_length(endpoint) AS endpoint, octet_length(user_agent) AS user_agent, octet_length(method) AS method, octet_length(region) AS region, octet_length(request_id) AS request_id
  FROM mine WHERE request_id LIKE 't12-ö%' OR request_id IN ('t12-11', 't12-12') ORDER BY request_id COLLATE "C";

-- counted
SELECT written >= 12 AS written, waiting, dropped, bytes > 0 AS bytes, buffer_size > 0 AS buffer FROM apikey.stat_usage;
-- key_activity
SELECT a.calls, a.denials, a.errors, a.last_ip, a.first_used_at <= a.last_used_at AS ordered FROM apikey.key_activity a JOIN k USING (key_id);
-- partitions carry their own protection and indexes
SELECT count(*) > 0 AS leaves, bool_and(c.relrowsecurity AND c.relforcerowsecurity) AS rls,
       bool_and(EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)) AS policy,
       bool_and(EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid)) AS indexed,
       bool_or(has_table_privilege('public', c.oid, 'SELECT')) AS public
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'apikey.usage'::regclass;
-- a denial is no use: a key that is only ever denied stays unused
CREATE TEMP TABLE unused AS SELECT * FROM apikey.create_key('t12', 'production');
SELECT code FROM unused, apikey.verify(key, '{b}', '192.0.2.7');
SELECT apikey.flush_usage();
SELECT calls, denials, first_used_at, last_used_at, last_ip FROM apikey.key_activity JOIN unused USING (key_id);
SELECT code FROM unused, apikey.verify(key, ip => '192.0.2.8');
SELECT code FROM unused, apikey.verify(key, '{b}', '192.0.2.9');
SELECT apikey.flush_usage();
SELECT calls, denials, first_used_at = last_used_at AS once, last_ip FROM apikey.key_activity JOIN unused USING (key_id);
-- plans leave out arguments at the end that say what missing ones say, and no others
EXPLAIN (VERBOSE, COSTS OFF) SELECT code FROM apikey.verify('x', units => 1, tags => NULL, record => true);
EXPLAIN (VERBOSE, COSTS OFF) SELECT apikey.is_allowed('x', ip => NULL, method => 'GET', units => NULL);
EXPLAIN (VERBOSE, COSTS OFF) SELECT code FROM apikey.verify('x', units => 0);
EXPLAIN (VERBOSE, COSTS OFF) SELECT apikey.is_allowed('x', record => false);
CREATE TEMP TABLE shorter AS SELECT * FROM apikey.create_key('t12', 'production');
SELECT v.valid, apikey.is_allowed(key), apikey.is_allowed(key, units => 1, record => true) FROM shorter, apikey.verify(key) v;
SELECT v.valid, apikey.is_allowed(key, record => false), apikey.is_allowed(key, units => 0) FROM shorter, apikey.verify(key, units => 2) v;
SELECT v.valid, apikey.is_allowed(key, '{b}', record => false), apikey.is_allowed(key, units => NULL) FROM shorter, apikey.verify(key, NULL, record => NULL) v;
SET plan_cache_mode = force_generic_plan;
PREPARE recorded(bigint, boolean) AS SELECT v.valid FROM shorter, apikey.verify(key, units => $1, record => $2) v;
EXECUTE recorded(7, true);
EXECUTE recorded(8, false);
EXECUTE recorded(NULL, NULL);
RESET plan_cache_mode;
SELECT apikey.flush_usage();
SELECT code, units, count(*) FROM apikey.usage JOIN shorter USING (key_id) GROUP BY code, units ORDER BY code, units;
