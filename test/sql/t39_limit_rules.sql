-- Definitions of rate limits and quotas: in policies and their versions, in
-- keys, and what is refused.  What they do is in t40_limits and t42_quotas.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SELECT apikey.create_tenant('t39') > 0 AS tenant;
SELECT apikey.create_environment('t39', 'prod') > 0 AS environment;

-- a policy keeps them, each version its own
SELECT apikey.create_policy('t39', 'tier', rate_limits => ARRAY[ROW('second', 10, '1 s', 20, NULL), ROW('day', 5000, '1 day', NULL, 'owner')]::apikey.rate_limit[],
	quotas => ARRAY[ROW('month', 100000, 'month', 'Europe/Berlin', 'tenant'), ROW('life', 4611686018427387903, 'total', NULL, 'policy')]::apikey.quota[],
	priority => 50) > 0 AS policy;
SELECT apikey.set_policy('t39', 'tier', rate_limits => ARRAY[ROW('second', 10, '1.5 s', 20, 'key')]::apikey.rate_limit[], priority => 100);
SELECT apikey.set_policy('t39', 'tier', clear => '{rate_limits,quotas,priority}');
SELECT version, rate_limits, quotas, priority FROM apikey.policy_version WHERE policy_id = (SELECT policy_id FROM apikey.policy WHERE name = 'tier') ORDER BY 1;
SELECT before -> 'rules' AS before, after -> 'rules' AS after FROM apikey.audit_log
 WHERE action = 'policy.set' AND object = 'policy:' || (SELECT policy_id FROM apikey.policy WHERE name = 'tier') ORDER BY seq;
-- whatever the session's way to write an interval
SET intervalstyle = 'sql_standard';
SELECT apikey.set_policy('t39', 'tier', rate_limits => ARRAY[ROW('x', 9223372036854775807, '106751 23:47:16.854775', 1, 'key')]::apikey.rate_limit[]);
SELECT apikey.set_policy('t39', 'tier', rate_limits => ARRAY[ROW('x', 9223372036854775, '106751 23:47:16.854775', 1, 'key')]::apikey.rate_limit[]);
SELECT apikey.set_policy('t39', 'tier', rate_limits => ARRAY[ROW('x', 1, '-1 +25:00:00.000001', 1, 'key')]::apikey.rate_limit[]);
RESET intervalstyle;
SELECT rate_limits FROM apikey.policy_version WHERE policy_id = (SELECT policy_id FROM apikey.policy WHERE name = 'tier') ORDER BY version DESC LIMIT 1;

-- keys have their own
CREATE TEMP TABLE made (n text PRIMARY KEY, key_id bigint);
INSERT INTO made SELECT 'own', key_id FROM apikey.create_key('t39', 'prod', name => 'own', idempotency_key => 'own',
	rate_limits => ARRAY[ROW('second', 5, '1 s', NULL, NULL)]::apikey.rate_limit[], quotas => ARRAY[ROW('day', 7, 'day', 'Asia/Tokyo', NULL)]::apikey.quota[]);
INSERT INTO made SELECT 'many', key_id FROM apikey.create_keys(2, 't39', 'prod', name => 'many', rate_limits => ARRAY[ROW('second', 6, '1 s', NULL, NULL)]::apikey.rate_limit[]) ORDER BY key_id LIMIT 1;
INSERT INTO made SELECT 'none', key_id FROM apikey.create_key('t39', 'prod', name => 'none');
SELECT name, rate_limits, quotas FROM apikey.list_keys('t39') ORDER BY key_id;
SELECT name, rate_limits, quotas FROM apikey.key WHERE tenant = 't39' ORDER BY key_id;
-- the same call again, with an interval written differently; another limit is another call
SET intervalstyle = 'iso_8601';
SELECT key_id = (SELECT key_id FROM made WHERE n = 'own') AS same FROM apikey.create_key('t39', 'prod', name => 'own', idempotency_key => 'own',
	rate_limits => ARRAY[ROW('second', 5, '1000 ms', NULL, NULL)]::apikey.rate_limit[], quotas => ARRAY[ROW('day', 7, 'day', 'Asia/Tokyo', NULL)]::apikey.quota[]);
\set VERBOSITY terse
SELECT apikey.create_key('t39', 'prod', name => 'own', idempotency_key => 'own',
	rate_limits => ARRAY[ROW('second', 6, '1 s', NULL, NULL)]::apikey.rate_limit[], quotas => ARRAY[ROW('day', 7, 'day', 'Asia/Tokyo', NULL)]::apikey.quota[]) IS NULL AS refused;
\set VERBOSITY default
RESET intervalstyle;
SELECT rate_limits, quotas FROM made, apikey.update_key(key_id, rate_limits => ARRAY[ROW('minute', 50, '1 min', 10, 'owner')]::apikey.rate_limit[]) WHERE n = 'own';
SELECT rate_limits, quotas FROM made, apikey.update_key(key_id, rate_limits => ARRAY[ROW('minute', 50, '60 s', 10, 'owner')]::apikey.rate_limit[]) WHERE n = 'own';
SELECT rate_limits, quotas FROM made, apikey.update_key(key_id, clear => '{quotas}') WHERE n = 'own';
SELECT rate_limits, quotas FROM made, apikey.update_key(key_id, rate_limits => '{}') WHERE n = 'own';
SELECT apikey.update_key(key_id, clear => '{quotas}', quotas => '{}') FROM made WHERE n = 'own';
SELECT action, before, after - 'request' - 'environment_id' AS after FROM apikey.audit_log WHERE object = 'key:' || (SELECT key_id FROM made WHERE n = 'own') ORDER BY seq;
SELECT type, payload -> 'changed' AS changed FROM apikey.event WHERE key_id = (SELECT key_id FROM made WHERE n = 'own') AND type = 'key.update' ORDER BY event_id;

-- a key and its policy: 8 names at most; the same name is one
SELECT apikey.create_policy('t39', 'six', rate_limits => ARRAY(SELECT ROW('r' || i, i, '1 s', NULL, NULL)::apikey.rate_limit FROM generate_series(1, 3) i),
	quotas => ARRAY(SELECT ROW('q' || i, i, 'day', NULL, NULL)::apikey.quota FROM generate_series(1, 3) i)) > 0 AS policy;
INSERT INTO made SELECT 'eight', key_id FROM apikey.create_key('t39', 'prod', policy => 'six', name => 'eight',
	rate_limits => ARRAY[ROW('r1', 100, '1 s', NULL, NULL), ROW('q2', 100, '1 s', NULL, NULL), ROW('r4', 1, '1 s', NULL, NULL), ROW('r5', 1, '1 s', NULL, NULL)]::apikey.rate_limit[]);
SELECT apikey.create_key('t39', 'prod', policy => 'six',
	rate_limits => ARRAY[ROW('r4', 1, '1 s', NULL, NULL), ROW('r5', 1, '1 s', NULL, NULL), ROW('r6', 1, '1 s', NULL, NULL)]::apikey.rate_limit[]) IS NULL AS refused;
SELECT apikey.update_key(key_id, quotas => ARRAY[ROW('q4', 1, 'day', NULL, NULL)]::apikey.quota[]) FROM made WHERE n = 'eight';
SELECT cardinality(rate_limits) AS limits FROM apikey.update_key((SELECT key_id FROM made WHERE n = 'none'),
	rate_limits => ARRAY(SELECT ROW('l' || i, 1, '1 s', NULL, NULL)::apikey.rate_limit FROM generate_series(1, 8) i));
SELECT apikey.update_key((SELECT key_id FROM made WHERE n = 'none'), policy => 'six');

-- what is written around the functions meets the same judge, but for time zones:
-- a dump must go into any server
\set VERBOSITY terse
UPDATE apikey.api_key SET rate_limits = ARRAY[ROW('m', 0, '1 s', 1, 'key')]::apikey.rate_limit[] WHERE tenant_id = (SELECT tenant_id FROM apikey.tenant WHERE name = 't39');
UPDATE apikey.api_key SET rate_limits = ARRAY[ROW('m', 1, '1 s', 1, 'key')]::apikey.rate_limit[], quotas = ARRAY[ROW('m', 1, 'day', NULL, NULL)]::apikey.quota[] WHERE name = 'own';
UPDATE apikey.policy_version SET quotas = '{NULL}' WHERE policy_id = (SELECT policy_id FROM apikey.policy WHERE name = 'tier');
UPDATE apikey.policy_version SET priority = 101 WHERE policy_id = (SELECT policy_id FROM apikey.policy WHERE name = 'tier');
UPDATE apikey.api_key SET quotas = ARRAY[ROW('m', 1, 'day', 'Mars/Olympus', NULL)]::apikey.quota[] WHERE name = 'own' RETURNING quotas;
UPDATE apikey.api_key SET quotas = '{}' WHERE name = 'own';
\set VERBOSITY default

-- valid or not
SELECT what, apikey.valid_limits(rate_limits::apikey.rate_limit[], quotas::apikey.quota[]) AS valid FROM (VALUES
	('nothing', NULL, NULL),
	('empty', '{}', '{}'),
	('a rate', '{"(m,1,1s,1,key)"}', NULL),
	('a quota', NULL, '{"(m,1,day,UTC,key)"}'),
	('NULLs that have a meaning', '{"(m,1,1s,,)"}', '{"(n,1,day,,)"}'),
	('nothing but NULL', '{"(,,,,)"}', NULL),
	('the same name', '{"(m,1,1s,,)"}', '{"(m,1,day,,)"}'),
	('a name of 63 bytes', format('{"(%s,1,1s,,)"}', repeat('xy-', 21)), NULL),
	('a name of 64 bytes', format('{"(%s,1,1s,,)"}', repeat('xyz-', 16)), NULL),
	('a name of 64 bytes in 32 characters', format('{"(%s,1,1s,,)"}', repeat(U&'\00fc', 32)), NULL),
	('a name in any language', U&'{"(\00fcber Nacht,1,1s,,)"}', NULL)) v (what, rate_limits, quotas);
