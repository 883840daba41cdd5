-- Keys: making them, changing them, listing them.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
SELECT pg_temp.clock('2040-01-01 12:00:00+00') \gset
SELECT apikey.create_tenant('t24', prefix => 't24') > 0 AS tenant;
SELECT apikey.create_tenant('sub', parent => 't24') > 0 AS tenant;
SELECT apikey.create_policy('t24', 'short', default_ttl => '7 days', max_ttl => '30 days', max_scopes => '{orders:*,users:read}') > 0 AS policy;
SELECT apikey.create_policy('t24', 'open') > 0 AS policy;
SELECT apikey.create_policy('t24/sub', 'open', max_ttl => '1 day') > 0 AS policy;
SELECT apikey.create_environment('t24', 'production', is_production => true) > 0 AS environment;
SELECT apikey.create_environment('t24', 'ruled', default_policy => 'short') > 0 AS environment;
SELECT apikey.create_environment('t24/sub', 'production', is_production => true) > 0 AS environment;
SELECT apikey.create_role('t24', 'reader', '{reports:read}') > 0 AS role;
SELECT apikey.create_role('t24', 'writer', '{reports:*}') > 0 AS role;

CREATE TEMP TABLE made (n text PRIMARY KEY, key_id bigint, secret_id bigint, key text, sealed bytea, hint text, expires_at timestamptz);
CREATE FUNCTION pg_temp.id(n text) RETURNS bigint LANGUAGE sql AS $$ SELECT key_id FROM made WHERE made.n = id.n $$;

-- all there is, and as little as possible
INSERT INTO made SELECT 'full', * FROM apikey.create_key('t24', 'production', name => 'full', owner => 'ann', scopes => '{orders:read,users:*}',
	policy => 'short', ttl => '10 days', metadata => '{"plan": "gold"}', tags => '{a,b}', cidrs => '{10.0.0.0/8}', endpoints => '{"GET /v1/**"}',
	roles => '{reader,writer,reader}', bytes => 64, not_before => '2040-01-02', description => 'everything');
INSERT INTO made SELECT 'least', * FROM apikey.create_key('t24', 'production');
INSERT INTO made SELECT 'sealed', * FROM apikey.create_key('t24', 'production', name => 'sealed', seal_to => '\x2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74');
SELECT n, length(key), key ~ ('^t24_live_[0-9A-Za-z]+$') AS form, octet_length(sealed) AS sealed, hint ~ '^t24_live_.{4}[.]{3}.{4}$' AS hint, expires_at FROM made ORDER BY n;
CREATE TEMP VIEW infos AS
	SELECT name, tenant, environment, policy, (SELECT n FROM made WHERE made.key_id = i.parent_key_id) AS parent, owner, description, status,
	       scopes, roles, tags, metadata, cidrs, endpoints, not_before, expires_at, revoke_at, revoked_at, revoke_reason, created_at,
	       created_by = current_user AS created_by, last_used_at, cardinality(hints) AS hints, key_id
	  FROM apikey.list_keys('t24') i;
\x on
SELECT * FROM (SELECT (to_jsonb(i) - 'key_id') AS info FROM infos i WHERE name = 'full' OR name IS NULL ORDER BY key_id) s;
\x off

-- the policy: named, of the environment, of an ancestor, the nearest of that name
INSERT INTO made SELECT 'of env', * FROM apikey.create_key('t24', 'ruled');
INSERT INTO made SELECT 'of ancestor', * FROM apikey.create_key('t24/sub', 'production', policy => 'short');
INSERT INTO made SELECT 'nearest', * FROM apikey.create_key('t24/sub', 'production', policy => 'open');
SELECT n, apikey.tenant_path(p.tenant_id) AS policy_of, p.name, m.expires_at FROM made m JOIN apikey.api_key k USING (key_id) JOIN apikey.policy p USING (policy_id) ORDER BY n;
SELECT apikey.create_key('t24', 'production', policy => 'none');

-- when it ends
SELECT e.* FROM (VALUES
	('2040-01-05'::timestamptz, NULL::interval, 'short'), (NULL, '1 hour', 'short'), (NULL, NULL, 'short'), ('2040-01-31 12:00+00', NULL, 'short'),
	(NULL, NULL, 'open'), ('infinity', NULL, 'open')) v (at, ttl, policy),
	LATERAL (SELECT v.at, v.ttl, v.policy, k.expires_at FROM apikey.create_key('t24', 'production', name => 'end', expires_at => v.at, ttl => v.ttl, policy => v.policy) k) e;
SELECT apikey.create_key('t24', 'production', expires_at => '2040-02-01', ttl => '1 day');
SELECT apikey.create_key('t24', 'production', expires_at => '2040-01-01 12:00:00+00');
SELECT apikey.create_key('t24', 'production', expires_at => '-infinity');
SELECT apikey.create_key('t24', 'production', ttl => '0');
SELECT apikey.create_key('t24', 'production', ttl => '1 month -31 days');
SELECT apikey.create_key('t24', 'production', ttl => '100000 years');
SELECT apikey.create_key('t24', 'production', policy => 'short', ttl => '30 days 1 second');
SELECT apikey.create_key('t24', 'production', policy => 'short', expires_at => 'infinity');
SELECT apikey.create_key('t24', 'production', not_before => '2040-02-01', ttl => '1 day');
SELECT apikey.create_key('t24', 'production', not_before => 'infinity');

-- scopes: some part of each lies in the policy
SELECT (apikey.create_key('t24', 'production', policy => 'short', scopes => '{orders:*,orders:read:own,users:*}')).key_id > 0 AS created;
SELECT apikey.create_key('t24', 'production', policy => 'short', scopes => '{orders:read,admin:read}');

-- idempotency: the text is shown once; NULL never repeats anything
CREATE TEMP TABLE twice AS SELECT i, k.* FROM generate_series(1, 2) i, LATERAL apikey.create_key('t24', 'production', name => 'twice ' || (i - i), ttl => '1 day', tags => '{x}', idempotency_key => 'once') k;
SELECT i, key IS NOT NULL AS text, sealed, hint = first_value(hint) OVER w AS hint, key_id = first_value(key_id) OVER w AS same, secret_id = first_value(secret_id) OVER w AS secret, expires_at FROM twice WINDOW w AS (ORDER BY i);
\set VERBOSITY terse
SELECT apikey.create_key('t24', 'production', name => 'twice 0', ttl => '2 days', tags => '{x}', idempotency_key => 'once');
SELECT apikey.create_key('t24', 'ruled', name => 'twice 0', ttl => '1 day', tags => '{x}', idempotency_key => 'once');
\set VERBOSITY default
SELECT (apikey.create_key('t24/sub', 'production', idempotency_key => 'once')).key IS NOT NULL AS other_tenant;

-- children lie within their parent
INSERT INTO made SELECT 'parent', * FROM apikey.create_key('t24', 'production', name => 'parent', scopes => '{orders:*}', roles => '{writer}', ttl => '10 days', cidrs => '{10.0.0.0/8}', endpoints => '{"GET /v1/**",/v2/x}');
INSERT INTO made SELECT 'child', * FROM apikey.create_key('t24', 'production', name => 'child', parent_key_id => pg_temp.id('parent'), scopes => '{orders:read,reports:read}', roles => '{reader}', cidrs => '{10.1.0.0/16}', endpoints => '{"GET /v1/**"}');
INSERT INTO made SELECT 'grandchild', * FROM apikey.create_key('t24', 'production', name => 'grandchild', parent_key_id => pg_temp.id('child'), scopes => '{orders:read}', ttl => '1 day');
SELECT name, parent, scopes, roles, cidrs, endpoints, expires_at FROM infos WHERE name IN ('parent', 'child', 'grandchild') ORDER BY key_id;
SELECT apikey.create_key('t24', 'production', parent_key_id => 0);
\set VERBOSITY terse
DO $$ BEGIN PERFORM apikey.create_key('t24/sub', 'production', parent_key_id => (SELECT key_id FROM made WHERE n = 'parent'));
EXCEPTION WHEN invalid_parameter_value THEN RAISE WARNING '%', regexp_replace(SQLERRM, '[0-9]+', 'N'); END $$;
SELECT apikey.create_key('t24', 'production', parent_key_id => pg_temp.id('child'), scopes => '{orders:write}');
SELECT apikey.create_key('t24', 'production', parent_key_id => pg_temp.id('child'), roles => '{writer}');
SELECT apikey.create_key('t24', 'production', parent_key_id => pg_temp.id('parent'), cidrs => '{10.1.0.0/16,192.168.0.0/16}');
SELECT apikey.create_key('t24', 'production', parent_key_id => pg_temp.id('parent'), endpoints => '{"GET /v1/a"}');
SELECT apikey.create_key('t24', 'production', parent_key_id => pg_temp.id('parent'), ttl => '11 days');
SELECT apikey.create_key('t24', 'production', parent_key_id => pg_temp.id('parent'), expires_at => 'infinity');
\set VERBOSITY default
DO $$
DECLARE
	id bigint := (SELECT key_id FROM made WHERE n = 'least');
BEGIN
	FOR i IN 2..16 LOOP
		id := (apikey.create_key('t24', 'production', name => 'deep', parent_key_id => id)).key_id;
	END LOOP;
	PERFORM apikey.create_key('t24', 'production', parent_key_id => id);
END $$;

-- roles are those of the tenant
SELECT apikey.create_key('t24/sub', 'production', roles => '{reader}');

-- many at once
CREATE TEMP TABLE many AS SELECT * FROM apikey.create_keys(1000, 't24', 'production', name => 'bulk', owner => 'robot', roles => '{reader}', tags => '{bulk}', ttl => '1 day');
SELECT count(*), count(DISTINCT key_id) AS ids, count(DISTINCT secret_id) AS secrets, count(DISTINCT key) AS texts, min(expires_at) FROM many;
SELECT count(DISTINCT k.name), min(k.name), max(k.name), count(DISTINCT s.digest) AS digests, count(*) AS roles
  FROM many JOIN apikey.api_key k USING (key_id) JOIN apikey.key_secret s USING (key_id) JOIN apikey.key_role USING (key_id);
SELECT bool_and(k.name = 'bulk-' || n) AS in_order FROM (SELECT key_id, row_number() OVER (ORDER BY key_id) AS n FROM many) m JOIN apikey.api_key k USING (key_id);
SELECT count(*) FROM apikey.create_keys(1, 't24', 'production', name => 'one', owner => 'bulk');
SELECT count(*) FROM apikey.create_keys(2, 't24', 'production', owner => 'bulk');
SELECT name FROM apikey.list_keys('t24', owner => 'bulk');
SELECT count(key) AS texts, count(sealed) AS sealed FROM apikey.create_keys(3, 't24', 'production', seal_to => '\x2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74');
SELECT apikey.create_keys(0, 't24', 'production');
SELECT apikey.create_keys(1000001, 't24', 'production');
SELECT apikey.create_keys(NULL, 't24', 'production');

-- change
SELECT (SELECT i.name FROM apikey.update_key(pg_temp.id('least'), name => 'renamed') i) AS name;
SELECT name, owner, description, scopes, policy, metadata, tags, cidrs, endpoints, roles, not_before, expires_at
  FROM apikey.update_key(pg_temp.id('least'), owner => 'bob', description => 'd', scopes => '{orders:read}', policy => 'open', metadata => '{"a": 1}',
	tags => '{x}', cidrs => '{10.0.0.0/8}', endpoints => '{/a}', roles => '{writer}', not_before => '2040-01-01 13:00+00');
SELECT name, owner, description, scopes, policy, metadata, tags, cidrs, endpoints, roles, not_before, expires_at
  FROM apikey.update_key(pg_temp.id('least'), clear => '{owner,description,scopes,policy,metadata,tags,cidrs,endpoints,roles,not_before}', name => 'cleared');
SELECT policy FROM apikey.update_key(pg_temp.id('of env'), policy => 'open');
SELECT policy FROM apikey.update_key(pg_temp.id('of env'), clear => '{policy}');
SELECT apikey.update_key(pg_temp.id('least'), policy => 'short');
SELECT apikey.update_key(pg_temp.id('least'), clear => '{status}');
SELECT apikey.update_key(pg_temp.id('least'), clear => '{name}', name => 'x');
SELECT apikey.update_key(pg_temp.id('of env'), scopes => '{admin}');
\set VERBOSITY terse
SELECT apikey.update_key(pg_temp.id('child'), scopes => '{admin}');
\set VERBOSITY default
SELECT apikey.update_key(0);
SELECT apikey.update_key(NULL);
SELECT count(*) AS idle_update FROM apikey.update_key(pg_temp.id('least'));
SELECT action, before, after - 'request' - 'policy_id' AS after FROM apikey.audit_log
 WHERE object = 'key:' || pg_temp.id('least') AND action = 'key.update' AND NOT after ? 'policy_id' AND NOT before ? 'policy_id' ORDER BY seq;
SELECT type, payload - 'hint' AS payload FROM apikey.event WHERE key_id = pg_temp.id('least') ORDER BY event_id;

-- list: by id, page by page, literally
SELECT apikey.create_key('t24/sub', 'production', name => '100% _sure_', owner => 'Ann O''Neil', tags => '{Blue}') IS NULL AS nothing;
SELECT apikey.create_key('t24/sub', 'production', name => '100x xsurex', description => 'plain') IS NULL AS nothing;
SELECT name FROM apikey.list_keys('t24/sub', search => '% _SURE');
SELECT name FROM apikey.list_keys('t24/sub', search => 'blue');
SELECT name FROM apikey.list_keys('t24/sub', search => 'o''neil');
SELECT name FROM apikey.list_keys('t24/sub', search => 'plain');
SELECT count(*) FROM apikey.list_keys('t24/sub', search => (SELECT right(hints[1], 4) FROM apikey.list_keys('t24/sub', search => 'blue')));
SELECT count(*) FROM apikey.list_keys('t24/sub', search => '\');
SELECT count(*) FROM apikey.list_keys('t24', environment => 'ruled');
SELECT count(*) FROM apikey.list_keys('t24', owner => 'robot', page_size => 1000);
WITH RECURSIVE pages AS (
	SELECT 1 AS page, 0::bigint AS after, ARRAY(SELECT key_id FROM apikey.list_keys('t24', owner => 'robot', page_size => 300)) AS ids
	UNION ALL
	SELECT page + 1, ids[cardinality(ids)], ARRAY(SELECT key_id FROM apikey.list_keys('t24', owner => 'robot', page_size => 300, after_key_id => ids[cardinality(ids)]))
	  FROM pages WHERE cardinality(ids) > 0
)
SELECT page, cardinality(ids) FROM pages ORDER BY page;
SELECT count(*) > 0 AS active FROM apikey.list_keys('t24', status => 'active');
SELECT count(*) FROM apikey.list_keys('t24', status => 'expired');
SELECT pg_temp.clock('2040-01-03 12:00:00+00') \gset
SELECT count(*) FROM apikey.list_keys('t24', status => 'expired', owner => 'robot', page_size => 1000);
SELECT pg_temp.clock('2040-01-01 12:00:00+00') \gset
SELECT apikey.list_keys('t24', status => 'dead');
SELECT apikey.list_keys('t24', page_size => 0);
SELECT apikey.list_keys('t24', page_size => 1001);
SELECT apikey.list_keys('t24', environment => 'none');
SELECT apikey.list_keys('t24x');

-- the view has the same, and the activity
SELECT i.name, v.tenant = i.tenant AND v.environment = i.environment AND v.roles = i.roles AND v.scopes = i.scopes AS same, calls
  FROM apikey.list_keys('t24') i JOIN apikey.key v USING (key_id) WHERE i.name IN ('full', 'child') ORDER BY 1;

-- no key text anywhere
SELECT count(*) AS leaked FROM (SELECT key FROM made UNION ALL SELECT key FROM twice UNION ALL SELECT key FROM many LIMIT 50) k
 WHERE EXISTS (SELECT FROM apikey.audit_log a WHERE strpos(a::text, k.key) > 0) OR EXISTS (SELECT FROM apikey.event e WHERE strpos(e::text, k.key) > 0)
    OR EXISTS (SELECT FROM apikey.key_secret s WHERE strpos(s::text, k.key) > 0);
