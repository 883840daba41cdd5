-- Every code of verify(), in the order of the checks, through SQL.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT apikey.create_tenant('t10', prefix => 'acme_co') > 0 AS tenant;
SELECT apikey.create_tenant('eu', parent => 't10', prefix => 'eu') > 0 AS child_tenant;
SELECT apikey.create_environment('t10/eu', 'production', tag => 'live') > 0 AS environment;
SELECT apikey.create_environment('t10/eu', 'staging', tag => 'test') > 0 AS environment;
SELECT apikey.create_policy('t10', 'rules',
	allowed_cidrs => '{10.0.0.0/8,2001:db8::/32}', denied_cidrs => '{10.66.0.0/16}',
	allowed_endpoints => '{"GET,HEAD /v1/orders/*","* /v1/reports/**"}',
	denied_endpoints => '{"* /v1/reports/secret/**"}',
	max_scopes => '{orders:*,reports:read}', grace => '1 hour') > 0 AS policy;
SELECT apikey.create_policy('t10/eu', 'office', access_hours => '{mon-fri 08:00-18:00 Europe/Berlin}') > 0 AS policy;
SELECT apikey.create_role('t10/eu', 'reporter', '{reports:*}') > 0 AS role;

CREATE TEMP TABLE k (n text PRIMARY KEY, key_id bigint, secret_id bigint, key text, hint text, expires_at timestamptz);
INSERT INTO k SELECT 'plain', key_id, secret_id, key, hint, expires_at
  FROM apikey.create_key('t10/eu', 'production', name => 'plain', owner => 'ann', scopes => '{users:read}', metadata => '{"plan": "gold"}');
INSERT INTO k SELECT 'ruled', key_id, secret_id, key, hint, expires_at
  FROM apikey.create_key('t10/eu', 'production', policy => 'rules', scopes => '{orders:*}', roles => '{reporter}');
INSERT INTO k SELECT 'narrow', key_id, secret_id, key, hint, expires_at
  FROM apikey.create_key('t10/eu', 'production', policy => 'rules', scopes => '{orders:read}', cidrs => '{10.1.0.0/16}', endpoints => '{GET /v1/orders/*}');
INSERT INTO k SELECT 'office', key_id, secret_id, key, hint, expires_at
  FROM apikey.create_key('t10/eu', 'production', policy => 'office');
INSERT INTO k SELECT 'staging', key_id, secret_id, key, hint, expires_at
  FROM apikey.create_key('t10/eu', 'staging');

-- the text
SELECT n, key ~ '^eu_(live|test)_[0-9A-Za-z]{43}[0-9A-Za-z]{6}$' AS form, length(hint) AS hint_length,
       left(key, length(hint) - 7) = left(hint, -7) AS begins, right(key, 4) = right(hint, 4) AS ends
  FROM k ORDER BY n;

-- the whole verdict of an accepted key
SELECT valid, code, http_status, v.key_id = k.key_id AS key, v.secret_id = k.secret_id AS secret,
       tenant, environment, owner, name, scopes, metadata, v.expires_at, remaining, limit_name, retry_after, detail, warnings
  FROM k, apikey.verify(k.key) v WHERE n = 'plain';
SELECT scopes FROM k, apikey.verify(k.key) WHERE n = 'ruled';

CREATE FUNCTION pg_temp.code(which text, scopes text[] DEFAULT NULL, ip inet DEFAULT NULL, method text DEFAULT NULL,
	endpoint text DEFAULT NULL, environment text DEFAULT NULL, tenant text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', v.code, v.http_status, v.warnings, v.detail)
	  FROM k, apikey.verify(k.key, scopes, ip, method, endpoint, environment, tenant) v WHERE n = which
$$;

-- 1: the text
SELECT code, http_status, key_id, tenant FROM apikey.verify(NULL);
SELECT code FROM apikey.verify('');
SELECT code FROM k, apikey.verify(key || '0') WHERE n = 'plain';
SELECT code FROM k, apikey.verify(overlay(key placing CASE substr(key, 20, 1) WHEN 'a' THEN 'b' ELSE 'a' END from 20 for 1)) WHERE n = 'plain';
SELECT code FROM k, apikey.verify(upper(key)) WHERE n = 'plain';
SELECT code FROM k, apikey.verify(' ' || key) WHERE n = 'plain';
-- 2: unknown (checksum of a key nobody made), another tenant, unknown tenant
SELECT code, http_status, key_id, detail FROM apikey.verify('ak_live_0000000000000000000000000000000000000000000' || '09KvW5');
SELECT pg_temp.code('plain', tenant => 't10/eu');
SELECT pg_temp.code('plain', tenant => 't10');
SELECT pg_temp.code('plain', tenant => 'nowhere');
-- 8: environment
SELECT pg_temp.code('plain', environment => 'production');
SELECT pg_temp.code('plain', environment => 'staging');
SELECT pg_temp.code('plain', environment => 'moon');
-- 9: networks, policy and key
SELECT ip, pg_temp.code('ruled', '{}', ip, 'GET', '/v1/orders/1') FROM unnest('{10.0.0.1,10.66.1.1,11.0.0.1,2001:db8::1,2001:db9::1,::ffff:10.0.0.1}'::inet[]) ip;
SELECT pg_temp.code('ruled', method => 'GET', endpoint => '/v1/orders/1');
SELECT ip, pg_temp.code('narrow', '{}', ip, 'GET', '/v1/orders/1') FROM unnest('{10.0.0.1,10.1.0.1}'::inet[]) ip;
-- 10: method and path
SELECT m, left(e, 30), pg_temp.code('ruled', NULL, '10.0.0.1', m, e)
  FROM (VALUES ('GET', '/v1/orders/1'), ('get', '/v1/orders/1'), ('POST', '/v1/orders/1'), (NULL, '/v1/orders/1'), ('GET', NULL),
	('GET', '/v1/orders/1/items'), ('GET', '/v1/orders/'), ('DELETE', '/v1/reports/a/b'), ('DELETE', '/v1/reports/secret/x'),
	('GET', '/v1/reports/secret'), ('GET', '/v1/reports/s%65cret/x'), ('GET', '/v1/reports/../orders/1'), ('GET', '/v1//reports/x'),
	('GET', '/v1/orders/1?a=/x'), ('GET', '/v1/orders/1#f'), ('GET', '/v1/orders/%2e%2e'), ('GET', '/v1/orders/a%2fb'), ('GET', 'v1/orders/1'),
	('GET', E'/v1/orders/a\nb'), ('GET', '/v1/orders/' || repeat('x', 3000))) x(m, e) ORDER BY left(e, 60), m;
SELECT pg_temp.code('narrow', NULL, '10.1.0.1', 'HEAD', '/v1/orders/1');
-- 11: hours, by an injected clock: Wednesday and Saturday noon in Berlin
SET apikey.test_now = '1800442800';
SELECT to_timestamp(1800442800) AT TIME ZONE 'Europe/Berlin', pg_temp.code('office');
SET apikey.test_now = '1800702000';
SELECT to_timestamp(1800702000) AT TIME ZONE 'Europe/Berlin', pg_temp.code('office');
-- a clock before the first version of the policy does not lift its rules
SET apikey.test_now = '1768042800';
SELECT to_timestamp(1768042800) AT TIME ZONE 'Europe/Berlin', pg_temp.code('office');
RESET apikey.test_now;
-- 12: scopes
SELECT s, pg_temp.code('ruled', s::text[], '10.0.0.1', 'GET', '/v1/orders/1')
  FROM unnest('{"{orders:read}","{orders:read:own}","{orders}","{reports:read}","{reports:write}","{users:read}","{users:read|orders:read}","{orders:read,users:read}","{}","{NULL}","{\"\"}","{*}","{orders:*}"}'::text[]) s;
-- 6 and 5: states of the key
SELECT status FROM k, apikey.suspend_key(k.key_id, 'audit') WHERE n = 'plain';
SELECT pg_temp.code('plain');
SELECT status FROM k, apikey.resume_key(k.key_id) WHERE n = 'plain';
SELECT pg_temp.code('plain');
SELECT status FROM k, apikey.revoke_key(k.key_id, 'lost') WHERE n = 'plain';
SELECT pg_temp.code('plain');
SELECT code, v.key_id = k.key_id AS still_named, owner FROM k, apikey.verify(k.key) v WHERE n = 'plain';
SELECT status FROM k, apikey.restore_key(k.key_id, 'found') WHERE n = 'plain';
SELECT pg_temp.code('plain');
-- not yet valid, expired, grace, soon: by the injected clock
SET apikey.test_now = '1800000000';
INSERT INTO k SELECT 'timed', key_id, secret_id, key, hint, expires_at
  FROM apikey.create_key('t10/eu', 'production', not_before => to_timestamp(1800000100), expires_at => to_timestamp(1800001000));
INSERT INTO k SELECT 'graced', key_id, secret_id, key, hint, expires_at
  FROM apikey.create_key('t10/eu', 'production', policy => 'rules', ttl => '1000 seconds');
SELECT n, extract(epoch FROM expires_at) FROM k WHERE expires_at IS NOT NULL ORDER BY n;
CREATE FUNCTION pg_temp.at(moment bigint) RETURNS TABLE (at bigint, timed text, graced text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('apikey.test_now', moment::text, false);
	at := moment;
	timed := pg_temp.code('timed');
	graced := pg_temp.code('graced', NULL, '10.0.0.1', 'GET', '/v1/orders/1');
	RETURN NEXT;
END $$;
SELECT a.* FROM unnest('{1800000000,1800000099,1800000100,1800000999,1800001000,1800004599,1800004600}'::bigint[]) m, pg_temp.at(m) a;
RESET apikey.test_now;
-- rotation: both work in the overlap, then the old one is superseded
SET apikey.test_now = '1800000000';
INSERT INTO k SELECT 'rotated', r.key_id, r.secret_id, r.key, r.hint, r.expires_at FROM k, apikey.rotate_key(k.key_id, overlap => '100 seconds') r WHERE n = 'staging';
SELECT a.key_id = b.key_id AS same_key, a.secret_id <> b.secret_id AS other_secret FROM k a, k b WHERE a.n = 'staging' AND b.n = 'rotated';
SELECT n, pg_temp.code(n) FROM k WHERE n IN ('staging', 'rotated') ORDER BY n;
SET apikey.test_now = '1800000100';
SELECT n, pg_temp.code(n) FROM k WHERE n IN ('staging', 'rotated') ORDER BY n;
RESET apikey.test_now;
-- block list
SELECT apikey.block_ip('192.0.2.0/24', reason => 'scan') > 0 AS blocked;
SELECT ip, pg_temp.code('plain', ip => ip) FROM unnest('{192.0.2.9,192.0.3.9}'::inet[]) ip;
SELECT apikey.unblock_ip(ip_block_id) FROM apikey.ip_block WHERE network = '192.0.2.0/24';
SELECT pg_temp.code('plain', ip => '192.0.2.9');
SELECT apikey.block_ip('198.51.100.0/24', 't10', 'first') AS first \gset
SELECT apikey.block_ip('198.51.100.0/24', 't10', 'again', now() + '1 day') = :first AS same_entry, (SELECT count(*) FROM apikey.ip_block WHERE network = '198.51.100.0/24') AS entries;
SELECT reason, expires_at > now() AS ends FROM apikey.ip_block WHERE ip_block_id = :first;
SELECT pg_temp.code('plain', ip => '198.51.100.1');
SELECT apikey.unblock_ip(:first);
-- 4: tenant, its parent; the order of checks: tenant before state
SELECT status FROM apikey.suspend_tenant('t10', 'unpaid');
SELECT pg_temp.code('plain');
SELECT status FROM k, apikey.revoke_key(k.key_id) WHERE n = 'plain';
SELECT pg_temp.code('plain');
SELECT status FROM apikey.resume_tenant('t10');
SELECT pg_temp.code('plain');
-- key tree: what a child may do lies within what its parent may do now
INSERT INTO k SELECT 'parent', key_id, secret_id, key, hint, expires_at FROM apikey.create_key('t10/eu', 'production', scopes => '{a:*,b:read}');
INSERT INTO k SELECT 'child', c.key_id, c.secret_id, c.key, c.hint, c.expires_at FROM k, apikey.create_key('t10/eu', 'production', scopes => '{a:x,b:read}', parent_key_id => k.key_id) c WHERE n = 'parent';
SELECT pg_temp.code('child', '{a:x,b:read}');
SELECT scopes FROM k, apikey.update_key(k.key_id, scopes => '{a:*}') WHERE n = 'parent';
SELECT pg_temp.code('child', '{a:x}'), pg_temp.code('child', '{b:read}');
SELECT status FROM k, apikey.suspend_key(k.key_id, 'x') WHERE n = 'parent';
SELECT pg_temp.code('child', '{a:x}');
SELECT status FROM k, apikey.revoke_key(k.key_id) WHERE n = 'parent';
SELECT pg_temp.code('child', '{a:x}');
-- is_allowed and verify_many say the same
SELECT n, apikey.is_allowed(key) FROM k WHERE n IN ('rotated', 'plain') ORDER BY n;
SELECT v.code, v.key_id = k.key_id AS key FROM k, apikey.verify_many(ARRAY['x', k.key, NULL, k.key]) WITH ORDINALITY v WHERE k.n = 'rotated' ORDER BY v.ordinality;
SELECT count(*) FROM apikey.verify_many(NULL);
SELECT count(*) FROM apikey.verify_many('{}');
-- the caller's mistakes are errors
SELECT * FROM apikey.verify('x', units => -1);
SELECT * FROM apikey.verify('x', scopes => array_fill('a'::text, '{65}'));
SELECT code FROM apikey.verify('x', scopes => array_fill('a'::text, '{64}'));
SELECT * FROM apikey.verify('x', tags => to_jsonb(repeat('x', 5000)));
-- NULL for everything that has a default
SELECT code FROM k, apikey.verify(k.key, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) WHERE n = 'rotated';
-- own uncommitted changes count
BEGIN;
INSERT INTO k SELECT 'mine', key_id, secret_id, key, hint, expires_at FROM apikey.create_key('t10/eu', 'production');
SELECT pg_temp.code('mine');
SAVEPOINT s;
SELECT status FROM k, apikey.revoke_key(k.key_id) WHERE n = 'mine';
SELECT pg_temp.code('mine');
ROLLBACK TO s;
SELECT pg_temp.code('mine');
COMMIT;
SELECT pg_temp.code('mine');
-- read only transactions
BEGIN READ ONLY;
SELECT pg_temp.code('mine');
COMMIT;
-- log_usage
SELECT apikey.log_usage(key_id, status => 200, latency => '12.5 ms', bytes_in => 10, bytes_out => 20, method => 'GET', endpoint => '/x') FROM k WHERE n = 'mine';
SELECT apikey.log_usage(0);
SELECT apikey.log_usage(NULL);
SELECT apikey.log_usage(1, latency => '-1 s');
SELECT apikey.log_usage(0, latency => '1 day 01:00');
SELECT apikey.log_usage(1, latency => '1 month');
SELECT apikey.log_usage(1, bytes_in => -1);
SELECT apikey.log_usage(1, status => 1000);
SELECT apikey.flush_usage();
SELECT u.code, u.status, u.latency_us, u.bytes_in, u.bytes_out, u.method, u.endpoint FROM apikey.usage u JOIN k USING (key_id) WHERE n = 'mine' AND u.code = 'LOGGED';
-- what a DBA writes by hand counts too, and '-infinity' is not "never"
UPDATE apikey.api_key SET expires_at = '-infinity' WHERE key_id = (SELECT key_id FROM k WHERE n = 'mine');
SELECT pg_temp.code('mine');
SELECT v.code, v.expires_at FROM k, apikey.verify(k.key) v WHERE n = 'mine';
UPDATE apikey.api_key SET policy_id = (SELECT policy_id FROM apikey.policy WHERE name = 'rules') WHERE key_id = (SELECT key_id FROM k WHERE n = 'mine');
SELECT pg_temp.code('mine');
UPDATE apikey.api_key SET expires_at = 'infinity' WHERE key_id = (SELECT key_id FROM k WHERE n = 'mine');
SELECT v.code, v.expires_at FROM k, apikey.verify(k.key, NULL, '10.0.0.1', 'GET', '/v1/orders/1') v WHERE n = 'mine';
UPDATE apikey.api_key SET policy_id = NULL, expires_at = NULL, revoke_at = '-infinity' WHERE key_id = (SELECT key_id FROM k WHERE n = 'mine');
SELECT pg_temp.code('mine');
UPDATE apikey.api_key SET revoke_at = NULL, not_before = '-infinity' WHERE key_id = (SELECT key_id FROM k WHERE n = 'mine');
SELECT pg_temp.code('mine');
UPDATE apikey.key_secret SET expires_at = '-infinity' WHERE secret_id = (SELECT secret_id FROM k WHERE n = 'mine');
SELECT pg_temp.code('mine');
