-- A second factor: enrolment, codes, replay, guesses, and what it guards.
\set SHOW_CONTEXT never
\set VERBOSITY terse
-- its name changed in 16
SELECT name AS parallel_mode FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
SELECT pg_temp.clock('2040-05-01 12:00:00+00') \gset
CREATE ROLE regress_t60_a; CREATE ROLE regress_t60_b; CREATE ROLE regress_t60_all; CREATE ROLE regress_t60_none;
SELECT apikey.create_tenant('t60') > 0 AS tenant;
SELECT apikey.grant_access('regress_t60_a', 'admin', 't60'), apikey.grant_access('regress_t60_b', 'verifier', 't60'), apikey.grant_access('regress_t60_all', 'admin');

-- the vectors of RFC 6238, appendix B, SHA1
SELECT t, apikey._totp_code('12345678901234567890', t / 30, 8) FROM unnest('{59,1111111109,1111111111,1234567890,2000000000,20000000000}'::bigint[]) t;
-- and of RFC 4226, appendix D
SELECT string_agg(apikey._totp_code('12345678901234567890', n, 6), ' ' ORDER BY n) FROM generate_series(0, 9) n;
SELECT apikey._totp_code('12345678901234567890', 1, 9);

-- secrets, and the code of one at a number of steps from now
CREATE TEMP TABLE secrets (who text, secret text, uri text);
GRANT INSERT, SELECT ON secrets TO public;
CREATE FUNCTION pg_temp.base32(t text) RETURNS bytea LANGUAGE sql AS $$
	SELECT string_agg(set_byte('\x00', 0, lpad(b, 8, '0')::bit(8)::integer), ''::bytea ORDER BY n) FROM (
		SELECT (n - 1) / 8 AS n, string_agg(bit, '' ORDER BY n) AS b
		FROM (SELECT row_number() OVER (ORDER BY c.n, b.n) AS n, b.bit
			FROM regexp_split_to_table(t, '') WITH ORDINALITY c (letter, n)
			CROSS JOIN LATERAL regexp_split_to_table((position(letter IN 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567') - 1)::bit(5)::text, '') WITH ORDINALITY b (bit, n)) bits
		GROUP BY 1) bytes $$;
SELECT pg_temp.base32('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ');
CREATE FUNCTION pg_temp.code(w text, steps integer DEFAULT 0) RETURNS text LANGUAGE sql AS $$
	SELECT apikey._totp_code(pg_temp.base32(s.secret), floor(extract(epoch FROM apikey._now()) / 30)::bigint + steps, 6) FROM secrets s WHERE s.who = w $$;

-- without access, or not enrolled: nothing
SET ROLE regress_t60_none;
SELECT apikey.enroll_totp();
SELECT apikey.step_up('000000');
SET ROLE regress_t60_a;
SELECT apikey.step_up('000000');
SELECT apikey.confirm_totp('000000');
SELECT apikey.remove_totp();

-- enrolment: shown once, in force when confirmed
INSERT INTO secrets SELECT 'old', * FROM apikey.enroll_totp();
INSERT INTO secrets SELECT 'a', * FROM apikey.enroll_totp();
SELECT secret ~ '^[A-Z2-7]{32}$' AS secret,
	   uri = format('otpauth://totp/apikey:regress_t60_a%%40%s?secret=%s&issuer=apikey&algorithm=SHA1&digits=6&period=30', current_database(), secret) AS uri
  FROM secrets WHERE who = 'a';
SELECT count(*) FROM apikey.member_totp;
RESET ROLE;
SELECT pg_temp.code('a') AS now, pg_temp.code('a', -1) AS before, pg_temp.code('a', 1) AS after, pg_temp.code('a', -2) AS early, pg_temp.code('a', 2) AS late, pg_temp.code('old') AS old \gset
SELECT octet_length(material), position(pg_temp.base32((SELECT secret FROM secrets WHERE who = 'a')) IN material), confirmed_at IS NULL AS open FROM apikey.member_totp WHERE role_name = 'regress_t60_a';
SET ROLE regress_t60_a;
SELECT apikey.step_up(:'now');
SELECT apikey.confirm_totp(:'old');
SELECT apikey.confirm_totp(:'now');
SELECT apikey.confirm_totp(:'now');
SELECT apikey.enroll_totp();
SELECT apikey.remove_totp();

-- a code is good once: not the one that confirmed, not an older one; one step of drift each way
SELECT apikey.step_up(:'now'), 'used';
SELECT apikey.step_up(:'before'), 'older';
SELECT apikey.step_up(:'after');
SELECT apikey.step_up(:'after'), 'used';
RESET ROLE;
SELECT pg_temp.clock('2040-05-01 12:10:00+00') \gset
SELECT pg_temp.code('a') AS now, pg_temp.code('a', -1) AS before, pg_temp.code('a', 1) AS after, pg_temp.code('a', -2) AS early, pg_temp.code('a', 2) AS late \gset
SET ROLE regress_t60_a;
SELECT apikey.step_up(:'early'), 'early';
SELECT apikey.step_up(:'late'), 'late';
SELECT apikey.step_up(:'before');
SELECT apikey.step_up(:'now');
SELECT apikey.step_up(:'after');
-- what is no code reads like a wrong one
SELECT apikey.step_up(NULL);
SELECT apikey.step_up('');
SELECT apikey.step_up('1234567');

-- five guesses within five minutes; then not even the right one
RESET ROLE;
SELECT pg_temp.clock('2040-05-01 13:00:00+00') \gset
SELECT pg_temp.code('a') AS now, pg_temp.code('a', 2) AS wrong \gset
SET ROLE regress_t60_a;
BEGIN;
SELECT apikey.step_up(:'wrong');
ROLLBACK;
SELECT apikey.step_up(:'wrong');
SELECT apikey.step_up(:'wrong');
SELECT apikey.step_up(:'wrong');
DO $$ BEGIN PERFORM apikey.step_up('12345'); EXCEPTION WHEN invalid_authorization_specification THEN NULL; END $$;
SELECT apikey.step_up(:'now'), 'one of too many';
RESET ROLE;
SELECT pg_temp.clock('2040-05-01 13:04:59+00') \gset
SELECT pg_temp.code('a') AS now \gset
SET ROLE regress_t60_a;
SELECT apikey.step_up(:'now'), 'one of too many';
RESET ROLE;
SELECT pg_temp.clock('2040-05-01 13:05:00+00') \gset
SELECT pg_temp.code('a') AS now \gset
SET ROLE regress_t60_a;
SELECT apikey.step_up(:'now');
-- accepted codes are no guesses
RESET ROLE;
SELECT pg_temp.clock('2040-05-01 13:06:00+00') \gset
SELECT pg_temp.code('a', -1) AS c1, pg_temp.code('a') AS c2, pg_temp.code('a', 1) AS c3 \gset
SET ROLE regress_t60_a;
SELECT apikey.step_up(:'c1'), apikey.step_up(:'c2'), apikey.step_up(:'c3');
RESET ROLE;
SELECT pg_temp.clock('2040-05-01 13:07:30+00') \gset
SELECT pg_temp.code('a', -1) AS c1, pg_temp.code('a') AS c2, pg_temp.code('a', 1) AS c3 \gset
SET ROLE regress_t60_a;
SELECT apikey.step_up(:'c1'), apikey.step_up(:'c2'), apikey.step_up(:'c3');

-- the mark: for the transaction and the role that stepped up
RESET ROLE;
CREATE FUNCTION pg_temp.open() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM apikey.remove_totp();
	RAISE EXCEPTION 'removed' USING ERRCODE = 'P0002';
EXCEPTION WHEN SQLSTATE 'AK005' THEN RETURN false; WHEN SQLSTATE 'P0002' THEN RETURN true;
END $$;
SELECT pg_temp.clock('2040-05-01 14:00:00+00') \gset
SELECT pg_temp.code('a', -1) AS c1, pg_temp.code('a') AS c2, pg_temp.code('a', 1) AS c3 \gset
SET ROLE regress_t60_a;
BEGIN;
SELECT pg_temp.open();
SAVEPOINT s;
SELECT apikey.step_up(:'c1');
SELECT pg_temp.open(), current_setting('apikey.stepped_up') <> '' AS marked;
ROLLBACK TO s;
SELECT pg_temp.open(), current_setting('apikey.stepped_up') <> '' AS marked;
SELECT apikey.step_up(:'c1'), 'used, though it was rolled back';
ROLLBACK;
BEGIN;
SELECT apikey.step_up(:'c2');
SAVEPOINT s;
RESET apikey.stepped_up;
SELECT pg_temp.open();
ROLLBACK TO s;
SELECT pg_temp.open();
SET LOCAL ROLE regress_t60_b;
SELECT apikey._stepped_up('regress_t60_a'::regrole);
ROLLBACK;
BEGIN;
SELECT apikey.step_up(:'c3');
COMMIT;
SELECT pg_temp.open(), current_setting('apikey.stepped_up') AS mark;
RESET ROLE;

-- the same role in another transaction, or another role in the same one: not
SELECT pg_temp.clock('2040-05-01 15:00:00+00') \gset
SET ROLE regress_t60_b;
INSERT INTO secrets SELECT 'b', * FROM apikey.enroll_totp();
RESET ROLE;
SELECT pg_temp.code('a') AS a, pg_temp.code('b') AS b, pg_temp.code('b', 1) AS b1 \gset
SET ROLE regress_t60_b;
SELECT apikey.confirm_totp(:'b');
BEGIN;
SET LOCAL ROLE regress_t60_a;
SELECT apikey.step_up(:'a');
SET LOCAL ROLE regress_t60_b;
SELECT pg_temp.open();
SELECT apikey.step_up(:'b1');
SELECT pg_temp.open();
SET LOCAL ROLE regress_t60_a;
SELECT pg_temp.open();
COMMIT;
RESET ROLE;

-- nobody sets it but step_up()
SELECT 'regress_t60_a'::regrole::oid AS a_oid \gset
SET ROLE regress_t60_a;
SET apikey.stepped_up = :'a_oid';
SET LOCAL apikey.stepped_up = 1;
SELECT set_config('apikey.stepped_up', :'a_oid', false);
RESET ROLE;
SET apikey.stepped_up = :'a_oid';
ALTER ROLE regress_t60_a SET apikey.stepped_up = :'a_oid';
UPDATE pg_settings SET setting = :'a_oid' WHERE name = 'apikey.stepped_up';
SELECT pg_temp.clock('2040-05-01 15:30:00+00') \gset
SELECT pg_temp.code('a') AS a \gset
GRANT CREATE ON SCHEMA public TO regress_t60_a;
SET ROLE regress_t60_a;
BEGIN;
SELECT apikey.step_up(:'a');
SAVEPOINT s;
CREATE FUNCTION public.t60_keep() RETURNS text LANGUAGE sql SET apikey.stepped_up FROM CURRENT AS $$ SELECT current_setting('apikey.stepped_up') $$;
ROLLBACK TO s;
CREATE FUNCTION pg_temp.forget() RETURNS boolean LANGUAGE sql SET apikey.stepped_up = '' AS $$ SELECT pg_temp.open() $$;
SELECT pg_temp.forget(), pg_temp.open();
PREPARE t60_was AS SELECT pg_temp.open();
EXECUTE t60_was;
-- workers of a parallel query know it
SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL :parallel_mode = on;
SELECT count(*) > 100 AS marked FROM pg_class WHERE current_setting('apikey.stepped_up') <> '';
COMMIT;
EXECUTE t60_was;
DROP FUNCTION pg_temp.forget();
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM regress_t60_a;

-- what it guards, by apikey.step_up (enrolled by default)
SHOW apikey.step_up;
SELECT pg_temp.clock('2040-05-01 16:00:00+00') \gset
SET ROLE regress_t60_all;
SELECT apikey.rewrap_keyring() > 0 AS not_enrolled;
INSERT INTO secrets SELECT 'all', * FROM apikey.enroll_totp();
RESET ROLE;
SELECT pg_temp.code('all', -1) AS c1, pg_temp.code('all') AS c2, pg_temp.code('all', 1) AS c3 \gset
SET ROLE regress_t60_all;
SELECT apikey.rewrap_keyring() > 0 AS not_confirmed;
SELECT apikey.confirm_totp(:'c1');
SELECT apikey.rewrap_keyring();
SELECT apikey.remove_totp('regress_t60_b');
BEGIN;
SELECT apikey.step_up(:'c2');
SELECT apikey.rewrap_keyring() > 0 AS stepped_up;
SELECT apikey.remove_totp('regress_t60_nobody');
ROLLBACK;
BEGIN;
SELECT apikey.step_up(:'c3');
SELECT apikey.remove_totp('regress_t60_b'), apikey.remove_totp('regress_t60_b') AS again;
COMMIT;
-- only an admin of all tenants removes another's
SET ROLE regress_t60_a;
SELECT apikey.remove_totp('regress_t60_all');
SELECT apikey.remove_totp('regress_t60_nobody');
RESET ROLE;
-- Access that could do without the factor what its giver cannot is no way around
-- it: admin and operator, where there is production.
SELECT apikey.create_tenant('t60p') > 0 AS parent, apikey.create_tenant('sub', 't60p') > 0 AS tenant,
	   apikey.create_environment('t60p/sub', 'production', is_production => true) > 0 AS production;
CREATE FUNCTION pg_temp.access(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE 'SELECT apikey.' || call INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TEMP TABLE calls AS SELECT row_number() OVER () AS n, call FROM unnest(ARRAY[
	$$grant_access('regress_t60_none', 'admin', 't60p')$$, $$grant_access('regress_t60_none', 'operator', 't60p/sub')$$, $$grant_access('regress_t60_none', 'admin')$$,
	$$revoke_access('regress_t60_none', 'admin', 't60p')$$, $$revoke_access('regress_t60_none', 'operator', 't60p/sub')$$, $$revoke_access('regress_t60_none', 'admin')$$]) call;
GRANT SELECT ON calls TO public;
SELECT pg_temp.clock('2040-05-01 16:30:00+00') \gset
SELECT pg_temp.code('all') AS c1 \gset
SET ROLE regress_t60_all;
SELECT call, pg_temp.access(call) FROM calls ORDER BY n;
-- not where there is no production, nor for who reads or verifies
SELECT pg_temp.access(format('%s_access(''regress_t60_none'', %L, %L)', what, access, tenant)) FROM unnest('{grant,revoke}'::text[]) what,
	(VALUES ('admin', 't60'), ('operator', 't60'), ('verifier', 't60p'), ('analyst', 't60p'), ('auditor', 't60p/sub')) v (access, tenant);
BEGIN;
SELECT apikey.step_up(:'c1');
SELECT call, pg_temp.access(call) FROM calls ORDER BY n;
COMMIT;
RESET ROLE;
SELECT pg_temp.access(call) AS without_a_factor FROM calls ORDER BY n;
-- a rename takes the factor along; a new role of the old name has none
ALTER ROLE regress_t60_a RENAME TO regress_t60_c;
CREATE ROLE regress_t60_a;
SELECT apikey.grant_access('regress_t60_a', 'admin', 't60');
SELECT pg_temp.clock('2040-05-01 17:00:00+00') \gset
SELECT pg_temp.code('a') AS a \gset
SET ROLE regress_t60_a;
SELECT apikey.step_up(:'a');
SELECT apikey.remove_totp('regress_t60_a');
SET ROLE regress_t60_c;
BEGIN;
SELECT apikey.step_up(:'a');
SELECT apikey.remove_totp();
COMMIT;
SELECT apikey.remove_totp();
RESET ROLE;

-- on record without a secret or a code
SELECT actor, action, object, before, after FROM apikey.audit_log WHERE object ~ '^totp:regress_t60' AND action <> 'totp.step_up' ORDER BY seq;
SELECT action, count(*) FROM apikey.audit_log WHERE object ~ '^totp:regress_t60' GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM apikey.audit_log a, secrets s WHERE a::text LIKE '%' || s.secret || '%';
SELECT count(*) FROM apikey.event e, secrets s WHERE e::text LIKE '%' || s.secret || '%';

DELETE FROM apikey.member_totp WHERE role_name ~ '^regress_t60';
SELECT apikey.revoke_access('regress_t60_a', 'admin', 't60'), apikey.revoke_access('regress_t60_c', 'admin', 't60'), apikey.revoke_access('regress_t60_b', 'verifier', 't60'), apikey.revoke_access('regress_t60_all', 'admin');
DROP TABLE secrets;
DROP ROLE regress_t60_a; DROP ROLE regress_t60_b; DROP ROLE regress_t60_c; DROP ROLE regress_t60_all; DROP ROLE regress_t60_none;
