-- The main job of apikey, from an empty database to a report.  Every answer is
-- compared with the one announced; the first that differs ends the demo.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION apikey CASCADE;
CREATE SCHEMA demo;
SET search_path = demo, public;

-- an application would keep nothing of this: it is how the demo remembers the
-- key texts that its customers got
CREATE TABLE issued (name text PRIMARY KEY, key_id bigint, secret_id bigint, key text);
CREATE FUNCTION key(name text) RETURNS text LANGUAGE sql STABLE AS
	'SELECT key FROM demo.issued WHERE issued.name = key.name';
CREATE FUNCTION id(name text) RETURNS bigint LANGUAGE sql STABLE AS
	'SELECT key_id FROM demo.issued WHERE issued.name = id.name';

CREATE TABLE answer (n int GENERATED ALWAYS AS IDENTITY, wanted text, code text);
CREATE FUNCTION expect(wanted text, verdict apikey.verdict)
	RETURNS TABLE (code text, http int, warnings text[], detail text) LANGUAGE plpgsql AS $$
BEGIN
	IF verdict.code IS DISTINCT FROM wanted THEN
		RAISE EXCEPTION 'the answer is %, announced was %', verdict.code, wanted USING DETAIL = verdict.detail;
	END IF;
	INSERT INTO demo.answer (wanted, code) VALUES (wanted, verdict.code);
	RETURN QUERY SELECT verdict.code, verdict.http_status, verdict.warnings, verdict.detail;
END
$$;
-- a NULL detail: nothing is wrong
CREATE FUNCTION fail(message text, detail text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF detail IS NOT NULL THEN
		RAISE EXCEPTION '%', message USING DETAIL = detail;
	END IF;
END
$$;
CREATE FUNCTION clock(ahead interval) RETURNS void LANGUAGE sql AS
	$$SELECT set_config('apikey.test_now', extract(epoch FROM clock_timestamp() + ahead)::bigint::text, false)$$;

\pset footer off
\echo
\echo '-- 1. A tenant with an environment, a policy and a role ---------------------'
\set ECHO queries
SELECT apikey.create_tenant('acme', prefix => 'acme');
SELECT apikey.create_policy('acme', 'standard',
	max_scopes => '{orders:*,reports:read}', default_ttl => '90 days', overlap => '1 day');
SELECT apikey.create_policy('acme', 'reports', denied_endpoints => '{"* /v1/reports/board/**"}');
SELECT apikey.create_environment('acme', 'production', tag => 'live', is_production => true, default_policy => 'standard');
SELECT apikey.create_environment('acme', 'staging', tag => 'test', default_policy => 'standard');
SELECT apikey.create_role('acme', 'clerk', '{orders:read,orders:write}');
\set ECHO none

\echo
\echo '-- 2. A key: its text is shown once, only a keyed digest is stored ----------'
\set ECHO queries
SELECT key_id, key, expires_at::date AS expires FROM apikey.create_key('acme', 'production',
	name => 'shop', owner => 'ann', roles => '{clerk}', metadata => '{"plan": "gold"}') \gset shop_
\set ECHO none
\echo 'key_id' :shop_key_id ' key' :shop_key ' expires' :shop_expires
INSERT INTO issued VALUES ('shop', :shop_key_id, NULL, :'shop_key');
\echo
\echo 'From here on key(''shop'') stands for that text.'

\echo
\echo '-- 3. Accepted: one call, one typed row --------------------------------------'
\x on
\set ECHO queries
SELECT * FROM apikey.verify(key('shop'), scopes => '{orders:read}', ip => '203.0.113.7',
	method => 'GET', endpoint => '/v1/orders/7', environment => 'production', tenant => 'acme');
\x off
SELECT * FROM expect('VALID', apikey.verify(key('shop'), '{orders:read}', '203.0.113.7', 'GET', '/v1/orders/7'));
SELECT apikey.is_allowed(key('shop'), '{orders:write}');
\set ECHO none
SELECT fail('is_allowed() says no', CASE WHEN NOT apikey.is_allowed(key('shop'), '{orders:write}') THEN 'clerks write orders' END) \g /dev/null

\echo
\echo '-- 4. Denied, for each reason there is ---------------------------------------'
INSERT INTO issued SELECT 'office', key_id, secret_id, key FROM apikey.create_key('acme', 'production',
	name => 'office', owner => 'bob', policy => 'reports', scopes => '{reports:read}',
	cidrs => '{198.51.100.0/24}', endpoints => '{"GET /v1/reports/**"}');
INSERT INTO issued SELECT 'later', key_id, secret_id, key FROM apikey.create_key('acme', 'production',
	name => 'later', not_before => now() + interval '1 day');
INSERT INTO issued SELECT 'short', key_id, secret_id, key FROM apikey.create_key('acme', 'production',
	name => 'short', ttl => '1 hour');
SELECT apikey.create_policy('acme', 'weekdays', access_hours => '{mon-fri 00:00-24:00 UTC}') \g /dev/null
INSERT INTO issued SELECT 'weekday', key_id, secret_id, key FROM apikey.create_key('acme', 'production',
	name => 'weekday', policy => 'weekdays');
INSERT INTO issued SELECT 'gone', key_id, secret_id, key FROM apikey.create_key('acme', 'production', name => 'gone');
SELECT apikey.revoke_key(id('gone'), 'never used') \g /dev/null
SELECT apikey.delete_key(id('gone')) \g /dev/null
\echo 'A text that is no key, or a key mistyped: no look-up is made.'
\set ECHO queries
SELECT * FROM expect('MALFORMED', apikey.verify('letmein'));
SELECT * FROM expect('MALFORMED', apikey.verify(replace(key('shop'), 'live', 'test')));
SELECT * FROM expect('NOT_FOUND', apikey.verify(key('gone')));
SELECT * FROM expect('NOT_FOUND', apikey.verify(key('shop'), tenant => 'another'));
SELECT * FROM expect('ENVIRONMENT_MISMATCH', apikey.verify(key('shop'), environment => 'staging'));
SELECT * FROM expect('IP_DENIED', apikey.verify(key('office'), ip => '203.0.113.7'));
SELECT * FROM expect('ENDPOINT_DENIED', apikey.verify(key('office'), ip => '198.51.100.9', method => 'POST', endpoint => '/v1/reports/q1'));
SELECT * FROM expect('ENDPOINT_DENIED', apikey.verify(key('office'), ip => '198.51.100.9', method => 'GET', endpoint => '/v1/reports/board/q1'));
SELECT * FROM expect('INSUFFICIENT_SCOPE', apikey.verify(key('shop'), scopes => '{reports:read}'));
SELECT * FROM expect('NOT_YET_VALID', apikey.verify(key('later')));
\set ECHO none
\echo 'Tests may move the clock: two hours ahead, then to a Sunday.'
SELECT clock('2 hours') \g /dev/null
\set ECHO queries
SELECT * FROM expect('EXPIRED', apikey.verify(key('short')));
\set ECHO none
SELECT clock((7 - extract(isodow FROM now() AT TIME ZONE 'UTC')::int) * interval '1 day') \g /dev/null
\set ECHO queries
SELECT * FROM expect('TIME_DENIED', apikey.verify(key('weekday')));
RESET apikey.test_now;
SELECT status FROM apikey.suspend_key(id('office'), 'audit');
SELECT * FROM expect('SUSPENDED', apikey.verify(key('office'), ip => '198.51.100.9', method => 'GET', endpoint => '/v1/reports/q1'));
SELECT status FROM apikey.resume_key(id('office'));
SELECT * FROM expect('VALID', apikey.verify(key('office'), ip => '198.51.100.9', method => 'GET', endpoint => '/v1/reports/q1'));
SELECT tenant, status FROM apikey.suspend_tenant('acme', 'unpaid');
SELECT * FROM expect('TENANT_SUSPENDED', apikey.verify(key('shop')));
SELECT tenant, status FROM apikey.resume_tenant('acme');
\set ECHO none

\echo
\echo '-- 5. Rotated: same key id, old and new secret overlap for an hour -----------'
INSERT INTO issued SELECT 'shop, old', key_id, NULL, key FROM issued WHERE name = 'shop';
\set ECHO queries
SELECT key_id, key FROM apikey.rotate_key(id('shop'), overlap => '1 hour') \gset new_
\set ECHO none
\echo 'key_id' :new_key_id ' key' :new_key
UPDATE issued SET key = :'new_key' WHERE name = 'shop';
\set ECHO queries
SELECT * FROM expect('VALID', apikey.verify(key('shop')));
SELECT * FROM expect('VALID', apikey.verify(key('shop, old')));
\set ECHO none
\echo 'Two hours later:'
SELECT clock('2 hours') \g /dev/null
\set ECHO queries
SELECT * FROM expect('VALID', apikey.verify(key('shop')));
SELECT * FROM expect('SUPERSEDED', apikey.verify(key('shop, old')));
RESET apikey.test_now;
\set ECHO none

\echo
\echo '-- 6. Revoked: the next verification is denied --------------------------------'
\set ECHO queries
SELECT key_id, status, revoke_reason FROM apikey.revoke_key(id('shop'), 'laptop lost');
SELECT * FROM expect('REVOKED', apikey.verify(key('shop')));
SELECT * FROM expect('REVOKED', apikey.verify(key('shop, old')));
\set ECHO none

\echo
\echo '-- 7. What it left behind, read by an analyst ---------------------------------'
CREATE ROLE demo_analyst;
SELECT apikey.create_tenant('umbrella') \g /dev/null
SELECT apikey.create_environment('umbrella', 'production') \g /dev/null
SELECT key AS other_key FROM apikey.create_key('umbrella', 'production', name => 'secret project') \gset
SELECT apikey.is_allowed(:'other_key') \g /dev/null
\set ECHO queries
SELECT apikey.grant_access('demo_analyst', 'analyst', 'acme');
SELECT apikey.flush_usage();
SET ROLE demo_analyst;
SELECT code, count(*) FROM apikey.usage GROUP BY code ORDER BY code;
RESET ROLE;
SELECT written, waiting, dropped FROM apikey.stat_usage;
SELECT action, object, after FROM apikey.audit_log WHERE action IN ('key.rotate', 'key.revoke', 'tenant.suspend') ORDER BY seq;
\set ECHO none

-- the report must hold exactly what was answered, of this tenant and no other
GRANT USAGE ON SCHEMA demo TO demo_analyst;
SET ROLE demo_analyst;
CREATE TEMP TABLE report AS SELECT code, count(*) AS n, array_agg(DISTINCT tenant_id) AS tenants FROM apikey.usage GROUP BY code;
RESET ROLE;
SELECT fail('the analyst of acme sees usage of another tenant', string_agg(tenant_id::text, ', '))
	FROM report CROSS JOIN unnest(tenants) tenant_id
	WHERE tenant_id <> (SELECT tenant_id FROM apikey.tenant WHERE name = 'acme') \g /dev/null
-- unknown and malformed keys belong to no tenant; three calls were made
-- outside of expect()
SELECT fail('the report is not what was answered', string_agg(format('%s: answered %s, recorded %s', code, coalesce(a.n, 0), coalesce(r.n, 0)), '; '))
	FROM (SELECT code, count(*) + CASE code WHEN 'VALID' THEN 3 ELSE 0 END AS n FROM answer GROUP BY code) a
		FULL JOIN report r USING (code)
	WHERE a.n IS DISTINCT FROM r.n AND code NOT IN ('MALFORMED', 'NOT_FOUND') \g /dev/null
SELECT fail('a code was never seen', string_agg(code, ' ')) FROM unnest('{VALID,MALFORMED,NOT_FOUND,TENANT_SUSPENDED,REVOKED,SUPERSEDED,SUSPENDED,NOT_YET_VALID,EXPIRED,ENVIRONMENT_MISMATCH,IP_DENIED,ENDPOINT_DENIED,TIME_DENIED,INSUFFICIENT_SCOPE}'::text[]) code
	WHERE code NOT IN (SELECT code FROM answer) \g /dev/null
SELECT count(*) AS answers, count(DISTINCT code) AS codes FROM answer \gset
\echo
\echo 'All' :answers 'answers were as announced,' :codes 'different codes, and the record agrees.'
