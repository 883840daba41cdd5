-- The guard against guessing: an address that fails too often is BLOCKED until
-- the end of the minute, a key that is found never is.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
-- the codes of n attempts, in the order they came, those that repeat in one
CREATE FUNCTION pg_temp.codes(key text, n int, ip inet, tenant text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	code text;
	last text;
	count int := 0;
	result text := '';
BEGIN
	FOR i IN 1 .. n LOOP
		code := (apikey.verify(codes.key, ip => codes.ip, tenant => codes.tenant, request_id => 't44-' || codes.ip)).code;
		IF code <> last THEN
			result := result || last || ' ' || count || ', ';
			count := 0;
		END IF;
		last := code;
		count := count + 1;
	END LOOP;
	RETURN result || last || ' ' || count;
END $$;
CREATE TEMP VIEW guard AS SELECT ip, window_start AT TIME ZONE 'UTC' AS window_start, attempts, blocked, blocked_until AT TIME ZONE 'UTC' AS blocked_until
  FROM apikey.stat_guard WHERE ip <<= '198.51.100.0/24' OR ip <<= '2001:db8:44::/48' ORDER BY ip;

SELECT apikey.create_tenant('t44') > 0 AS tenant, apikey.create_tenant('t44b') > 0 AS other;
SELECT apikey.create_environment('t44', 'production') > 0 AS environment, apikey.create_environment('t44b', 'production') > 0 AS other;
CREATE TEMP TABLE k AS
SELECT n.name, c.key, c.key_id FROM unnest('{good,revoked,scoped}'::text[]) n (name), apikey.create_key('t44', 'production', name => n.name) c
UNION ALL SELECT 'foreign', key, key_id FROM apikey.create_key('t44b', 'production');
SELECT status FROM k, apikey.revoke_key(k.key_id) WHERE k.name = 'revoked';
-- well-formed texts of no key: deleted ones
INSERT INTO k SELECT 'gone', key, key_id FROM apikey.create_key('t44', 'production');
SELECT status FROM k, LATERAL (SELECT apikey.revoke_key(k.key_id) IS NOT NULL) r, apikey.delete_key(k.key_id) WHERE k.name = 'gone';
SHOW apikey.guard_attempts;
SELECT pg_temp.clock('2027-03-01 12:00:10 UTC');

-- so many attempts of a minute keep their own code, whatever it is
SELECT pg_temp.codes('nonsense', 60, '198.51.100.1'), pg_temp.codes(key, 60, '198.51.100.1') FROM k WHERE name = 'gone';
SELECT pg_temp.codes(NULL, 1, '198.51.100.1'), pg_temp.codes('', 1, '198.51.100.1');
SELECT code, http_status, valid, key_id, tenant, retry_after, detail FROM apikey.verify('nonsense', ip => '198.51.100.1');
-- a key that is found is never blocked, whatever else came from there
SELECT pg_temp.codes('nonsense', 1000, '198.51.100.2');
SELECT name, pg_temp.codes(key, 3, '198.51.100.2') FROM k WHERE name IN ('good', 'revoked') ORDER BY name;
SELECT code FROM k, apikey.verify(key, '{a:b}', '198.51.100.2') WHERE k.name = 'scoped';
SELECT pg_temp.codes('nonsense', 1, '198.51.100.2');
-- and is not counted
SELECT pg_temp.codes(key, 200, '198.51.100.3') FROM k WHERE name = 'good';
SELECT pg_temp.codes('nonsense', 1, '198.51.100.3');
-- without an address nobody is blocked
SELECT pg_temp.codes('nonsense', 250, NULL);

-- a key of another tenant than the one asked for reads like one that is not there, and counts like it
SELECT pg_temp.codes(key, 101, '198.51.100.4', 't44') FROM k WHERE name = 'foreign';
SELECT pg_temp.codes(key, 1, '198.51.100.4') FROM k WHERE name = 'foreign';
-- so does one the caller may not verify
CREATE ROLE regress_t44_app;
SELECT apikey.grant_access('regress_t44_app', 'verifier', 't44') IS NOT NULL AS granted;
GRANT SELECT ON k TO regress_t44_app;
SET ROLE regress_t44_app;
SELECT pg_temp.codes(key, 102, '198.51.100.5') FROM k WHERE name = 'foreign';
SELECT pg_temp.codes(key, 1, '198.51.100.5') FROM k WHERE name = 'good';
RESET ROLE;
-- every way to verify counts
SELECT count(*) FILTER (WHERE a) AS allowed, count(*) AS asked FROM generate_series(1, 50) n, LATERAL (SELECT apikey.is_allowed('nonsense', ip => '198.51.100.6', request_id => n::text) AS a) v;
SELECT code, count(*) FROM apikey.verify_many(array_fill('nonsense'::text, '{60}'), ip => '198.51.100.6') GROUP BY code ORDER BY code;
-- whatever becomes of the caller's transaction
BEGIN;
SELECT pg_temp.codes('nonsense', 100, '198.51.100.7');
ROLLBACK;
SELECT pg_temp.codes('nonsense', 1, '198.51.100.7');

-- an IPv4 address written as IPv6 is the same one
SELECT pg_temp.codes('nonsense', 70, '198.51.100.8'), pg_temp.codes('nonsense', 50, '::ffff:198.51.100.8');
SELECT pg_temp.codes('nonsense', 1, '::ffff:198.51.100.9');
-- the addresses of one network of 64 bits are one
SELECT pg_temp.codes('nonsense', 50, '2001:db8:44:1::1'), pg_temp.codes('nonsense', 50, '2001:db8:44:1:ffff::2'), pg_temp.codes('nonsense', 10, '2001:db8:44:1:8000::');
SELECT pg_temp.codes('nonsense', 10, '2001:db8:44:2::1');

-- what it shows
SELECT * FROM guard;

-- the next minute starts anew
SELECT pg_temp.clock('2027-03-01 12:00:59.999999 UTC');
SELECT pg_temp.codes('nonsense', 1, '198.51.100.1');
SELECT pg_temp.clock('2027-03-01 12:01:00 UTC');
SELECT pg_temp.codes('nonsense', 102, '198.51.100.1');
-- a clock that is set back does not
SELECT pg_temp.clock('2027-03-01 12:00:30 UTC');
SELECT pg_temp.codes('nonsense', 1, '198.51.100.1');
SELECT pg_temp.clock('2027-02-28 12:00:30 UTC');
SELECT pg_temp.codes('nonsense', 1, '198.51.100.1');
SELECT pg_temp.clock('2027-03-01 12:01:30 UTC');
SELECT pg_temp.codes('nonsense', 1, '198.51.100.1');
SELECT * FROM guard WHERE ip = '198.51.100.1';
SELECT pg_temp.clock('2027-03-01 12:02:00 UTC');
SELECT pg_temp.codes('nonsense', 101, '198.51.100.1');
SELECT * FROM guard WHERE ip = '198.51.100.1';

-- (what is recorded of them: test/t/048_guard.pl) what is not is counted
CREATE TEMP TABLE before AS SELECT suppressed FROM apikey.stat_usage;
SELECT pg_temp.codes('nonsense', 10, '198.51.100.1');
SELECT s.suppressed - b.suppressed AS suppressed FROM apikey.stat_usage s, before b;

-- an address tells of everybody's clients: for those who may see all tenants
CREATE ROLE regress_t44_auditor;
SELECT apikey.grant_access('regress_t44_auditor', 'auditor', 't44') IS NOT NULL AS granted;
SET ROLE regress_t44_app;
SELECT * FROM apikey.stat_guard;
SELECT * FROM apikey._stat_guard();
SET ROLE regress_t44_auditor;
SELECT * FROM apikey.stat_guard;
RESET ROLE;
SELECT apikey.grant_access('regress_t44_auditor', 'auditor') IS NOT NULL AS granted;
SET ROLE regress_t44_auditor;
SELECT count(*) > 0 AS seen FROM apikey.stat_guard;
RESET ROLE;
SELECT apikey.revoke_access('regress_t44_auditor', 'auditor') IS NOT NULL AS revoked;
SET ROLE regress_t44_auditor;
SELECT * FROM apikey.stat_guard;
RESET ROLE;

SELECT apikey.revoke_access('regress_t44_auditor', 'auditor', 't44') IS NOT NULL AS a, apikey.revoke_access('regress_t44_app', 'verifier', 't44') IS NOT NULL AS b;
DROP TABLE k CASCADE;
DROP ROLE regress_t44_app, regress_t44_auditor;
