-- Rate limits and quotas at work: who is charged, what is left, who denies and
-- when to try again.  Scenarios named U are of another service's test suite,
-- in our terms.  The clock is injected: nothing here depends on speed.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET intervalstyle = 'postgres';
SET apikey.limit_wait = '60s';
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
CREATE FUNCTION pg_temp.later(by interval) RETURNS void LANGUAGE sql AS $$ SELECT pg_temp.clock(apikey._now() + by) $$;
SELECT pg_temp.clock('2040-01-01 12:00:00+00') \gset

CREATE TEMP TABLE k (n text PRIMARY KEY, key_id bigint, key text);
CREATE FUNCTION pg_temp.ask(n text, units bigint DEFAULT 1) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v apikey.verdict := apikey.verify((SELECT key FROM k WHERE k.n = ask.n), units => units);
BEGIN
	RETURN concat_ws(' ', v.code, v.remaining, v.limit_name, 'after ' || v.retry_after, nullif(v.warnings, '{}'));
END $$;
-- so often, one answer for a row of equal ones
CREATE FUNCTION pg_temp.ask_often(n text, calls integer, units bigint DEFAULT 1) RETURNS TABLE (answer text, times bigint) LANGUAGE plpgsql AS $$
DECLARE
	answers text[];
BEGIN
	FOR i IN 1 .. calls LOOP
		answers := answers || pg_temp.ask(n, units);
	END LOOP;
	RETURN QUERY SELECT a, count(*) FROM unnest(answers) WITH ORDINALITY u (a, i) GROUP BY a ORDER BY min(i);
END $$;
CREATE FUNCTION pg_temp.id(n text) RETURNS bigint LANGUAGE sql AS $$ SELECT key_id FROM k WHERE k.n = id.n $$;
CREATE FUNCTION pg_temp.rate(name text, requests bigint, per interval, burst bigint DEFAULT NULL, shared text DEFAULT NULL) RETURNS apikey.rate_limit[] LANGUAGE sql AS $$ SELECT ARRAY[ROW(name, requests, per, burst, shared)::apikey.rate_limit] $$;
CREATE FUNCTION pg_temp.quota(name text, units bigint, period text, timezone text DEFAULT NULL, shared text DEFAULT NULL) RETURNS apikey.quota[] LANGUAGE sql AS $$ SELECT ARRAY[ROW(name, units, period, timezone, shared)::apikey.quota] $$;
SELECT apikey.create_tenant('t40') > 0 AS tenant;
SELECT apikey.create_tenant('sub', 't40') > 0 AS tenant;
SELECT apikey.create_environment('t40', 'prod') > 0 AS environment;
SELECT apikey.create_environment('t40/sub', 'prod') > 0 AS environment;

-- --- one limit ---------------------------------------------------------------
-- U14: a limit of 1
INSERT INTO k SELECT 'u14', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('one', 1, '1 s'));
SELECT pg_temp.ask('u14'), pg_temp.ask('u14');
-- a bucket fills up by one every per/requests, rounded up: 333333334 ns
INSERT INTO k SELECT 'third', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('third', 3, '1 s', 1));
SELECT pg_temp.ask('third'), pg_temp.ask('third');
SELECT pg_temp.later('0.333333 s') \gset
SELECT pg_temp.ask('third');
SELECT pg_temp.later('0.000001 s') \gset
SELECT pg_temp.ask('third'), pg_temp.ask('third');
INSERT INTO k SELECT 'thirds', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('thirds', 3, '1 s', 150));
SELECT pg_temp.ask('thirds', 150), pg_temp.ask('thirds', 150);
-- the burst at once, then one each second; what is asked for is what one waits for
INSERT INTO k SELECT 'minute', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('minute', 60, '1 min', 10));
SELECT * FROM pg_temp.ask_often('minute', 12);
SELECT pg_temp.ask('minute', 4), pg_temp.ask('minute', 10), pg_temp.ask('minute', 0);
SELECT pg_temp.later('0.25 s') \gset
SELECT pg_temp.ask('minute'), pg_temp.ask('minute', 10);
SELECT pg_temp.later('1 s') \gset
SELECT pg_temp.ask('minute'), pg_temp.ask('minute'), pg_temp.ask('minute', 0);
SELECT pg_temp.later('3.75 s') \gset
SELECT pg_temp.ask('minute', 3), pg_temp.ask('minute', 0);
-- no time fills it up over the burst
SELECT pg_temp.later('1 year') \gset
SELECT pg_temp.ask('minute', 0), pg_temp.ask('minute', 11), pg_temp.ask('minute', 10), pg_temp.ask('minute', 1);
SELECT pg_temp.ask('minute', 4611686018427387904), pg_temp.ask('minute', 9223372036854775807);
SELECT pg_temp.ask('minute', -1);
-- a clock that goes back gives nothing
SELECT pg_temp.later('-1 hour') \gset
SELECT pg_temp.ask('minute'), pg_temp.ask('minute', 0);
SELECT pg_temp.later('1 hour 2 s') \gset
SELECT * FROM pg_temp.ask_often('minute', 3);
-- one in a day, and one in 100 years; units of 10,000 a second
INSERT INTO k SELECT 'day', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('day', 2, '1 day', 1));
SELECT pg_temp.ask('day'), pg_temp.ask('day');
SELECT pg_temp.later('11:59:59.999999') \gset
SELECT pg_temp.ask('day');
SELECT pg_temp.later('0.000001 s') \gset
SELECT pg_temp.ask('day'), pg_temp.ask('day');
INSERT INTO k SELECT 'century', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('century', 1, '36525 days'));
SELECT pg_temp.ask('century'), pg_temp.ask('century');
INSERT INTO k SELECT 'fast', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('fast', 10000, '1 s'));
SELECT pg_temp.ask('fast', 9999), pg_temp.ask('fast'), pg_temp.ask('fast');
INSERT INTO k SELECT 'fastest', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('fastest', 1000000000, '1 s', 9223372036854775807));
SELECT pg_temp.ask('fastest', 4611686018427387904), pg_temp.ask('fastest', 4611686018427387904);

-- --- quotas --------------------------------------------------------------------
-- U4, U6, U7: credits of 5
INSERT INTO k SELECT 'u4', key_id, key FROM apikey.create_key('t40', 'prod', quotas => pg_temp.quota('credits', 5, 'total'));
INSERT INTO k SELECT 'u6', key_id, key FROM apikey.create_key('t40', 'prod', quotas => pg_temp.quota('credits', 5, 'total'));
SELECT pg_temp.ask('u4') AS u4, pg_temp.ask('u6', 6) AS u7, pg_temp.ask('u6', 0) AS still, pg_temp.ask('u6', 5) AS u6;
-- U5, U8: none left; a look costs nothing
SELECT pg_temp.ask('u6') AS u5, pg_temp.ask('u6', 0) AS u8;
SELECT * FROM pg_temp.ask_often('u4', 6);
SELECT pg_temp.later('10 years') \gset
SELECT pg_temp.ask('u4'), pg_temp.ask('u6', 4611686018427387904), pg_temp.ask('u6', 9223372036854775807);
-- a calendar day of its time zone; 80 % used is a warning
SELECT pg_temp.clock('2050-03-01 13:30:00+00') \gset
INSERT INTO k SELECT 'tokyo', key_id, key FROM apikey.create_key('t40', 'prod', quotas => pg_temp.quota('day', 10, 'day', 'Asia/Tokyo'));
SELECT * FROM pg_temp.ask_often('tokyo', 12);
SELECT pg_temp.ask('tokyo', 10), pg_temp.ask('tokyo', 11);
SELECT pg_temp.later('01:29:59.999999') \gset
SELECT pg_temp.ask('tokyo'), pg_temp.ask('tokyo', 0);
SELECT pg_temp.later('0.000001 s') \gset
SELECT pg_temp.ask('tokyo', 10), pg_temp.ask('tokyo');

-- --- all or nothing ---------------------------------------------------------------
-- U26: two limits, both free; one exhausted
INSERT INTO k SELECT 'u26', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('a', 5, '5 s') || pg_temp.rate('b', 2, '10 s'));
SELECT * FROM pg_temp.ask_often('u26', 3);
-- U35: fast and slow: a denial takes nothing of the other
INSERT INTO k SELECT 'u35', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('fast', 3, '3 s') || pg_temp.rate('slow', 10, '1000 s'));
SELECT * FROM pg_temp.ask_often('u35', 9);
SELECT rate_limits IS NOT NULL AS only_slow FROM apikey.update_key(pg_temp.id('u35'), rate_limits => pg_temp.rate('slow', 10, '1000 s'));
SELECT pg_temp.ask('u35', 0);
-- U34: figures of a verdict
INSERT INTO k SELECT 'u34', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('five', 5, '1 min'));
SELECT pg_temp.ask('u34'), pg_temp.ask('u34', 3), pg_temp.ask('u34', 1), pg_temp.ask('u34', 1);
-- several deny: the one with the longest wait is named
INSERT INTO k SELECT 'longest', key_id, key FROM apikey.create_key('t40', 'prod',
	rate_limits => pg_temp.rate('second', 2, '2 s') || pg_temp.rate('hour', 2, '2 hours') || pg_temp.rate('minute', 2, '2 min'));
SELECT * FROM pg_temp.ask_often('longest', 3);
SELECT pg_temp.later('59 min') \gset
SELECT pg_temp.ask('longest'), pg_temp.ask('longest', 2), pg_temp.ask('longest', 0);
SELECT pg_temp.ask('longest', 3) AS never;
-- a quota and rates: who waits longer; a total ends all waiting
INSERT INTO k SELECT 'mixed', key_id, key FROM apikey.create_key('t40', 'prod',
	rate_limits => pg_temp.rate('second', 1, '1 s') || pg_temp.rate('week', 3, '3 weeks', 2), quotas => pg_temp.quota('hour', 2, 'hour'));
SELECT pg_temp.clock('2050-04-01 10:45:00+00') \gset
SELECT pg_temp.ask('mixed'), pg_temp.ask('mixed');
SELECT pg_temp.later('1 s') \gset
SELECT pg_temp.ask('mixed'), pg_temp.ask('mixed');
SELECT pg_temp.later('1 s') \gset
SELECT pg_temp.ask('mixed'), pg_temp.ask('mixed', 0);
SELECT quotas FROM apikey.update_key(pg_temp.id('mixed'), rate_limits => pg_temp.rate('second', 1, '1 s'));
SELECT pg_temp.ask('mixed');
SELECT pg_temp.later('14 min 57 s') \gset
SELECT pg_temp.ask('mixed'), pg_temp.ask('mixed', 0);
SELECT pg_temp.later('1 s') \gset
SELECT pg_temp.ask('mixed');
-- U32: 12 per minute and 200 per month: the 13th call; the month has 188
INSERT INTO k SELECT 'u32', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('minute', 12, '1 min'), quotas => pg_temp.quota('month', 200, 'month', 'Europe/Berlin'));
SELECT * FROM pg_temp.ask_often('u32', 13);
SELECT cardinality(rate_limits) AS rates FROM apikey.update_key(pg_temp.id('u32'), clear => '{rate_limits}');
SELECT pg_temp.ask('u32', 0);
-- U33: 5 per minute and 50 per month, the clock two minutes on each time: 50 in all
INSERT INTO k SELECT 'u33', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('minute', 5, '1 min'), quotas => pg_temp.quota('month', 50, 'month'));
CREATE TEMP TABLE u33 (code text, limit_name text);
DO $$
BEGIN
	FOR cycle IN 1 .. 12 LOOP
		INSERT INTO u33 SELECT v.code, CASE WHEN NOT v.valid THEN v.limit_name END
			FROM k, generate_series(1, 8) i, LATERAL apikey.verify(k.key, request_id => i::text) v WHERE n = 'u33';
		PERFORM pg_temp.later('2 min');
	END LOOP;
END $$;
SELECT code, limit_name, count(*) FROM u33 GROUP BY 1, 2 ORDER BY 1, 2;
SELECT pg_temp.clock('2050-05-01 00:00:00+00') \gset
SELECT pg_temp.ask('u33');

-- --- who shares ---------------------------------------------------------------------
SELECT apikey.create_policy('t40', 'by owner', rate_limits => pg_temp.rate('pooled', 4, '4 min', NULL, 'owner')) > 0 AS policy;
SELECT apikey.create_policy('t40', 'by owner too', rate_limits => pg_temp.rate('pooled', 4, '4 min', NULL, 'owner')) > 0 AS policy;
SELECT apikey.create_policy('t40', 'by tenant', quotas => pg_temp.quota('pooled', 4, 'day', NULL, 'tenant')) > 0 AS policy;
SELECT apikey.create_policy('t40', 'by policy', rate_limits => pg_temp.rate('pooled', 2, '2 min', NULL, 'policy')) > 0 AS policy;
SELECT apikey.create_policy('t40', 'by policy too', rate_limits => pg_temp.rate('pooled', 2, '2 min', NULL, 'policy')) > 0 AS policy;
SELECT apikey.create_policy('t40', 'by key', rate_limits => pg_temp.rate('pooled', 2, '2 min')) > 0 AS policy;
INSERT INTO k SELECT o.n, c.key_id, c.key FROM (VALUES
	('ann 1', 't40', 'ann', 'by owner'), ('ann 2', 't40', 'ann', 'by owner'), ('ann 3', 't40', 'ann', 'by owner too'), ('bob', 't40', 'bob', 'by owner'), ('ann below', 't40/sub', 'ann', 'by owner'),
	('nobody 1', 't40', NULL, 'by owner'), ('nobody 2', 't40', NULL, 'by owner'),
	('t 1', 't40', 'ann', 'by tenant'), ('t 2', 't40', 'bob', 'by tenant'), ('t below', 't40/sub', 'ann', 'by tenant'),
	('p 1', 't40', 'ann', 'by policy'), ('p 2', 't40', 'bob', 'by policy'), ('p other', 't40', 'ann', 'by policy too'), ('p below', 't40/sub', 'bob', 'by policy'),
	('k 1', 't40', 'ann', 'by key'), ('k 2', 't40', 'ann', 'by key')) o (n, tenant, owner, policy),
	LATERAL apikey.create_key(o.tenant, 'prod', name => o.n, owner => o.owner, policy => o.policy) c;
-- U16, U30: one owner, several keys, even of two policies; another owner, another tenant
SELECT n, pg_temp.ask(n) FROM unnest(ARRAY['ann 1', 'ann 2', 'ann 3', 'ann 1', 'ann 2', 'ann 1', 'ann 3', 'bob', 'ann below']) n;
-- without an owner each for itself
SELECT n, pg_temp.ask(n, 3) FROM unnest(ARRAY['nobody 1', 'nobody 2', 'nobody 1']) n;
SELECT n, pg_temp.ask(n) FROM unnest(ARRAY['t 1', 't 2', 't 2', 't 1', 't 2', 't 1', 't below']) n;
SELECT n, pg_temp.ask(n) FROM unnest(ARRAY['p 1', 'p 2', 'p 1', 'p 2', 'p other', 'p below']) n;
SELECT n, pg_temp.ask(n) FROM unnest(ARRAY['k 1', 'k 1', 'k 1', 'k 2']) n;
-- U36: same figures, different names
SELECT apikey.create_policy('t40', 'two pools', rate_limits => pg_temp.rate('x', 2, '2 min', NULL, 'owner') || pg_temp.rate('y', 2, '2 min', NULL, 'key')) > 0 AS policy;
INSERT INTO k SELECT 'u36 ' || i, c.key_id, c.key FROM generate_series(1, 2) i, LATERAL apikey.create_key('t40', 'prod', owner => 'dan', policy => 'two pools') c;
SELECT n, pg_temp.ask(n) FROM unnest(ARRAY['u36 1', 'u36 2', 'u36 1']) n;
SELECT cardinality(rate_limits) AS own FROM apikey.update_key(pg_temp.id('u36 1'), rate_limits => pg_temp.rate('x', 100, '1 s'));
SELECT n, pg_temp.ask(n, 0) FROM unnest(ARRAY['u36 1', 'u36 2']) n;

-- --- own limits and those of the policy ------------------------------------------------
-- U27, U28: the same name: the key's counts, wider or narrower
SELECT apikey.create_policy('t40', 'named', rate_limits => pg_temp.rate('calls', 1, '1 min', NULL, 'owner')) > 0 AS policy;
INSERT INTO k SELECT 'u27', key_id, key FROM apikey.create_key('t40', 'prod', owner => 'eve', policy => 'named', rate_limits => pg_temp.rate('calls', 4, '4 min'));
SELECT * FROM pg_temp.ask_often('u27', 5);
SELECT apikey.set_policy('t40', 'named', rate_limits => pg_temp.rate('calls', 10, '10 min', NULL, 'owner'), force => true);
INSERT INTO k SELECT 'u28', key_id, key FROM apikey.create_key('t40', 'prod', owner => 'eve', policy => 'named', rate_limits => pg_temp.rate('calls', 1, '1 min'));
SELECT * FROM pg_temp.ask_often('u28', 2);
-- a quota in place of a rate limit, and no limit of that name any more
SELECT cardinality(quotas) AS quotas FROM apikey.update_key(pg_temp.id('u28'), clear => '{rate_limits}', quotas => pg_temp.quota('calls', 3, 'total'));
SELECT pg_temp.ask('u28');
SELECT cardinality(quotas) AS quotas FROM apikey.update_key(pg_temp.id('u28'), clear => '{quotas}');
SELECT pg_temp.ask('u28');
-- U29, U31: several limits, the shared one exhausts first
SELECT apikey.set_policy('t40', 'named', rate_limits => pg_temp.rate('calls', 10, '10 min') || pg_temp.rate('team', 2, '2 min', NULL, 'owner'), force => true);
INSERT INTO k SELECT 'u29 ' || i, c.key_id, c.key FROM generate_series(1, 2) i, LATERAL apikey.create_key('t40', 'prod', owner => 'fay', policy => 'named') c;
SELECT n, pg_temp.ask(n) FROM unnest(ARRAY['u29 1', 'u29 2', 'u29 1', 'u29 2']) n;

-- --- a limit that changes keeps its history ------------------------------------------------
SELECT apikey.create_policy('t40', 'growing', rate_limits => pg_temp.rate('calls', 10, '1 min')) > 0 AS policy;
INSERT INTO k SELECT 'growing', key_id, key FROM apikey.create_key('t40', 'prod', policy => 'growing');
SELECT pg_temp.ask('growing', 10), pg_temp.ask('growing');
SELECT apikey.set_policy('t40', 'growing', rate_limits => pg_temp.rate('calls', 20, '1 min'), force => true);
SELECT pg_temp.ask('growing', 0), pg_temp.ask('growing', 11), pg_temp.ask('growing', 10);
SELECT apikey.set_policy('t40', 'growing', rate_limits => pg_temp.rate('calls', 5, '1 min'), force => true);
-- 20 owed, 12 s each; one passes when 4 are left
SELECT pg_temp.ask('growing');
SELECT pg_temp.later('192 s') \gset
SELECT pg_temp.ask('growing'), pg_temp.ask('growing');
INSERT INTO k SELECT 'quota grows', key_id, key FROM apikey.create_key('t40', 'prod', quotas => pg_temp.quota('units', 5, 'day'));
SELECT pg_temp.ask('quota grows', 5), pg_temp.ask('quota grows');
SELECT cardinality(quotas) AS quotas FROM apikey.update_key(pg_temp.id('quota grows'), quotas => pg_temp.quota('units', 8, 'day'));
SELECT pg_temp.ask('quota grows', 4), pg_temp.ask('quota grows', 2);
SELECT cardinality(quotas) AS quotas FROM apikey.update_key(pg_temp.id('quota grows'), quotas => pg_temp.quota('units', 6, 'day'));
SELECT pg_temp.ask('quota grows'), pg_temp.ask('quota grows', 0);
SELECT cardinality(quotas) AS quotas FROM apikey.update_key(pg_temp.id('quota grows'), quotas => pg_temp.quota('units', 8, 'day'));
SELECT pg_temp.ask('quota grows'), pg_temp.ask('quota grows');
-- another name starts afresh
SELECT cardinality(quotas) AS quotas FROM apikey.update_key(pg_temp.id('quota grows'), quotas => pg_temp.quota('other units', 8, 'day'));
SELECT pg_temp.ask('quota grows');

-- --- the same bucket whoever asks ------------------------------------------------------------
INSERT INTO k SELECT 'asked', key_id, key FROM apikey.create_key('t40', 'prod', scopes => '{a}', rate_limits => pg_temp.rate('calls', 20, '20 min'));
SELECT apikey.is_allowed(key), apikey.is_allowed(key, units => 2) FROM k WHERE n = 'asked';
SELECT v.code, v.remaining FROM k, apikey.verify(k.key, record => false) v WHERE n = 'asked';
SELECT v.code, v.remaining FROM apikey.verify_many(ARRAY[(SELECT key FROM k WHERE n = 'asked'), 'x', (SELECT key FROM k WHERE n = 'asked')], units => 3) v;
-- not where another check denies
SELECT v.code, v.remaining, v.limit_name FROM k, apikey.verify(k.key, scopes => '{b}') v WHERE n = 'asked';
SELECT status FROM apikey.suspend_key(pg_temp.id('asked'));
SELECT pg_temp.ask('asked');
SELECT status FROM apikey.resume_key(pg_temp.id('asked'));
-- whatever becomes of the transaction
BEGIN;
SELECT pg_temp.ask('asked');
ROLLBACK;
BEGIN READ ONLY;
SELECT pg_temp.ask('asked');
COMMIT;
-- a new secret, the same key
INSERT INTO k SELECT 'rotated', key_id, key FROM apikey.rotate_key(pg_temp.id('asked'));
SELECT pg_temp.ask('rotated'), pg_temp.ask('asked');
SELECT status FROM apikey.revoke_key(pg_temp.id('asked'));
SELECT status FROM apikey.restore_key(pg_temp.id('asked'));
SELECT pg_temp.ask('rotated');
SELECT apikey.is_allowed(key, units => 7), apikey.is_allowed(key) FROM k WHERE n = 'rotated';

-- --- key trees ------------------------------------------------------------------------------
INSERT INTO k SELECT 'parent', key_id, key FROM apikey.create_key('t40', 'prod', owner => 'gil', rate_limits => pg_temp.rate('calls', 5, '5 min'));
INSERT INTO k SELECT 'child 1', key_id, key FROM apikey.create_key('t40', 'prod', parent_key_id => pg_temp.id('parent'), rate_limits => pg_temp.rate('calls', 2, '2 min'));
INSERT INTO k SELECT 'child 2', key_id, key FROM apikey.create_key('t40', 'prod', parent_key_id => pg_temp.id('parent'));
SELECT n, pg_temp.ask(n) FROM unnest(ARRAY['child 1', 'child 1', 'child 1', 'child 2', 'parent', 'child 2', 'parent', 'child 2']) n;
-- a bucket that both share is charged once, by the stricter of the two
SELECT apikey.create_policy('t40', 'wide', rate_limits => pg_temp.rate('all', 8, '8 min', NULL, 'tenant')) > 0 AS policy;
SELECT apikey.create_policy('t40', 'narrow', rate_limits => pg_temp.rate('all', 4, '4 min', NULL, 'tenant')) > 0 AS policy;
INSERT INTO k SELECT 'wide', key_id, key FROM apikey.create_key('t40', 'prod', policy => 'wide');
INSERT INTO k SELECT 'narrow', key_id, key FROM apikey.create_key('t40', 'prod', parent_key_id => pg_temp.id('wide'), policy => 'narrow');
INSERT INTO k SELECT 'wide below', key_id, key FROM apikey.create_key('t40', 'prod', parent_key_id => pg_temp.id('narrow'), policy => 'wide');
SELECT n, pg_temp.ask(n) FROM unnest(ARRAY['narrow', 'wide', 'wide below', 'wide', 'narrow', 'wide below', 'wide']) n;
-- eight keys with eight limits are 64; one more is too many to decide
DO $$
DECLARE
	parent bigint;
BEGIN
	FOR i IN 1 .. 9 LOOP
		INSERT INTO k SELECT 'deep ' || i, key_id, key FROM apikey.create_key('t40', 'prod', parent_key_id => parent,
			rate_limits => ARRAY(SELECT ROW('r' || j, 100 + i * 8 + j, '1 s', NULL, NULL)::apikey.rate_limit FROM generate_series(1, 8) j)) RETURNING key_id INTO parent;
	END LOOP;
END $$;
SELECT pg_temp.ask('deep 8'), pg_temp.ask('deep 9'), pg_temp.ask('deep 1', 2);

-- --- what was written around the functions ----------------------------------------------------
-- is never no limit
INSERT INTO k SELECT 'broken', key_id, key FROM apikey.create_key('t40', 'prod', rate_limits => pg_temp.rate('m', 10, '10 min'));
UPDATE apikey.api_key SET rate_limits = '{}', quotas = pg_temp.quota('m', 10, 'day', 'Mars/Olympus') WHERE key_id = pg_temp.id('broken');
SELECT pg_temp.ask('broken');
BEGIN;
ALTER TABLE apikey.api_key DROP CONSTRAINT api_key_limits;
CREATE FUNCTION pg_temp.broken(rate_limits text, quotas text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE apikey.api_key SET rate_limits = broken.rate_limits::apikey.rate_limit[], quotas = broken.quotas::apikey.quota[] WHERE key_id = pg_temp.id('broken');
	RETURN pg_temp.ask('broken');
END $$;
SELECT r, q, pg_temp.broken(coalesce(r, '{}'), coalesce(q, '{}')) FROM (VALUES
	('{"(m,0,1s,,)"}', NULL), ('{"(m,1,0,,)"}', NULL), ('{"(m,1,1 mon,,)"}', NULL), ('{"(m,1,1s,0,)"}', NULL), ('{"(,1,1s,,)"}', NULL), ('{NULL}', NULL), ('{"(m,1,1s,,all)"}', NULL),
	('{"(m,1,1s,,)","(m,1,1s,,)"}', NULL), (NULL, '{"(m,0,day,,)"}'), (NULL, '{"(m,1,year,,)"}'), (NULL, '{"(m,,total,,)"}'), (NULL, '{NULL}'), ('{"(m,9,9s,,)"}', NULL)) v (r, q);
ROLLBACK;
