-- A web access log, verified line by line.  Each client network gets a key;
-- what is wrong with it goes by the network's number (count.awk has the same
-- list).
SET client_min_messages = warning;
CREATE EXTENSION apikey CASCADE;
CREATE SCHEMA demo;
SET search_path = demo, public;
CREATE TABLE request (line bigint, network int, ip inet, method text, path text, agent text);
SET client_encoding = :'encoding';
\copy request FROM PROGRAM 'cat "$stage/demo/feed"'
SET client_encoding = 'UTF8';

\echo
\echo '-- A tenant, its environments, policies and a role'
\set ECHO queries
SELECT apikey.create_tenant('site');
SELECT apikey.create_tenant('unpaid', parent => 'site');
SELECT apikey.create_environment('site', 'production', tag => 'live', is_production => true);
SELECT apikey.create_environment('site', 'staging', tag => 'test');
SELECT apikey.create_environment('site/unpaid', 'production', tag => 'live');
SELECT apikey.create_role('site', 'reader', '{pages:read}');
\set ECHO none
-- open on one day of the week, not on one of the days around now
SELECT to_char(now() AT TIME ZONE 'UTC' + interval '3 days', 'dy') || ' 00:00-24:00 UTC' AS hours \gset
\set ECHO queries
SELECT apikey.create_policy('site', 'one day a week', access_hours => ARRAY[:'hours']);

-- A key for each network
CREATE TABLE client AS
	SELECT network, network % 40 AS treatment,
		network(set_masklen(min(ip), CASE family(min(ip)) WHEN 4 THEN 24 ELSE 48 END)) AS cidr
	FROM request GROUP BY network;
\set ECHO none
ALTER TABLE client ADD PRIMARY KEY (network), ADD key_id bigint, ADD key text;
-- 6: expires an hour after it was made, two hours ago
SELECT set_config('apikey.test_now', extract(epoch FROM clock_timestamp() - interval '2 hours')::bigint::text, false) \g /dev/null
UPDATE client c SET (key_id, key) = (SELECT k.key_id, k.key FROM apikey.create_key('site', 'production',
	name => c.cidr::text, roles => '{reader}', ttl => '1 hour') k) WHERE treatment = 6;
RESET apikey.test_now;
UPDATE client c SET (key_id, key) = (SELECT k.key_id, k.key FROM apikey.create_key(
	tenant => CASE treatment WHEN 12 THEN 'site/unpaid' ELSE 'site' END,
	environment => CASE treatment WHEN 8 THEN 'staging' ELSE 'production' END,
	name => c.cidr::text, owner => 'network ' || c.network,
	scopes => CASE WHEN treatment = 2 THEN '{feeds:read}'::text[] WHEN treatment = 12 THEN '{pages:read}' END,
	roles => CASE WHEN treatment NOT IN (2, 12) THEN '{reader}'::text[] END,
	policy => CASE treatment WHEN 13 THEN 'one day a week' END,
	not_before => CASE treatment WHEN 7 THEN now() + interval '1 day' END,
	cidrs => CASE treatment WHEN 3 THEN ARRAY[set_masklen(c.cidr, masklen(c.cidr) + 1)] END,
	endpoints => CASE treatment WHEN 4 THEN '{"* /presentations/**"}'::text[] WHEN 5 THEN '{"GET,HEAD /**"}' END) k)
	WHERE treatment <> 6;
SELECT count(s.status) FROM client c CROSS JOIN LATERAL apikey.revoke_key(c.key_id, 'demo') s WHERE treatment IN (0, 9) \g /dev/null
SELECT count(s.status) FROM client c CROSS JOIN LATERAL apikey.delete_key(c.key_id) s WHERE treatment = 9 \g /dev/null
SELECT count(s.status) FROM client c CROSS JOIN LATERAL apikey.suspend_key(c.key_id, 'demo') s WHERE treatment = 1 \g /dev/null
SELECT count(s.key) FROM client c CROSS JOIN LATERAL apikey.rotate_key(c.key_id, overlap => '0') s WHERE treatment = 11 \g /dev/null
UPDATE client SET key = left(key, -1) || CASE right(key, 1) WHEN '0' THEN '1' ELSE '0' END WHERE treatment = 10;
SELECT status FROM apikey.suspend_tenant('site/unpaid', 'demo') \g /dev/null
SELECT apikey.ensure_partitions() \g /dev/null

\echo
\set ECHO queries
SELECT count(*) AS networks, count(DISTINCT key_id) AS keys FROM client;

-- Every line is a verification
SELECT count(*) AS verifications, count(*) FILTER (WHERE v.valid) AS accepted
	FROM request r JOIN client c USING (network)
	CROSS JOIN LATERAL apikey.verify(c.key, scopes => '{pages:read}', ip => r.ip, method => r.method, endpoint => r.path,
		environment => 'production', user_agent => r.agent, request_id => 'line ' || r.line) v;

-- The report, read by an analyst
SELECT apikey.flush_usage();
CREATE ROLE demo_analyst;
SELECT apikey.grant_access('demo_analyst', 'analyst');
SET ROLE demo_analyst;
SELECT endpoint, count(*), count(*) FILTER (WHERE code = 'VALID') AS accepted
	FROM apikey.usage GROUP BY endpoint ORDER BY count(*) DESC, endpoint LIMIT 5;
\set ECHO none
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' '
\o :recorded
SELECT code, count(*) FROM apikey.usage GROUP BY code;
\o
RESET ROLE;
SELECT 'dropped events: ' || dropped FROM apikey.stat_usage WHERE dropped > 0;
