-- What the housekeeper runs, called by hand at chosen times.  In transactions
-- that are rolled back: a task does not stop at the tenant of this test.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
SELECT pg_temp.clock('2045-01-01 12:00:00+00') \gset
BEGIN;
SELECT apikey.create_tenant('t32') > 0 AS tenant;
CREATE FUNCTION pg_temp.tid() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT tenant_id FROM apikey.tenant WHERE name = 't32' AND parent_id IS NULL $$;
SELECT apikey.create_environment('t32', 'production') > 0 AS environment;
SELECT apikey.create_policy('t32', 'idle', idle_timeout => '30 days') > 0 AS policy;
CREATE FUNCTION pg_temp.make(name text, ttl interval DEFAULT NULL, policy text DEFAULT NULL, parent text DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
	SELECT (apikey.create_key('t32', 'production', name => make.name, owner => 'ann', ttl => make.ttl, policy => make.policy,
		parent_key_id => (SELECT key_id FROM apikey.key k WHERE k.tenant_id = pg_temp.tid() AND k.name = make.parent))).key_id
$$;
CREATE FUNCTION pg_temp.id(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT k.key_id FROM apikey.key k WHERE k.tenant_id = pg_temp.tid() AND k.name = id.name $$;
CREATE VIEW pg_temp.events AS
	SELECT k.name, e.type, e.payload - 'root_key_id' AS payload, split_part(e.dedupe_key, '@', 1) = e.key_id::text AS dedupe, e.created_at
	  FROM apikey.event e JOIN apikey.key k USING (key_id) WHERE k.tenant_id = pg_temp.tid() AND e.type <> 'key.create' ORDER BY e.event_id;

-- revocations that were scheduled; on their instant, once
SELECT count(pg_temp.make(n)) FROM unnest('{r1,r2}'::text[]) n;
SELECT pg_temp.make('r11', parent => 'r1') > 0 AS made;
SELECT revoke_at FROM apikey.revoke_key(pg_temp.id('r1'), 'over', at => '2045-01-02 12:00+00');
SELECT pg_temp.clock('2045-01-02 11:59:59+00') \gset
SELECT apikey._task_revocations() >= 0 AS ran;
SELECT name, status FROM apikey.key WHERE tenant_id = pg_temp.tid() ORDER BY 1;
SELECT pg_temp.clock('2045-01-02 12:34:56+00') \gset
SELECT apikey._task_revocations() >= 2 AS ran;
SELECT apikey._task_revocations();
SELECT name, status, revoke_at, revoked_at, revoke_reason FROM apikey.key WHERE tenant_id = pg_temp.tid() ORDER BY 1;
-- and undone like any other
SELECT status FROM apikey.restore_key(pg_temp.id('r1'));
SELECT name, status, revoke_at, revoked_at, revoke_reason FROM apikey.key WHERE tenant_id = pg_temp.tid() ORDER BY 1;
SELECT name, type, payload FROM events;

-- expiry: a warning and a notice, once for each key and end
SELECT pg_temp.clock('2045-03-01 12:00:00+00') \gset
SELECT count(pg_temp.make('e' || n, n * interval '1 day')) FROM generate_series(1, 9, 4) n;
SELECT count(pg_temp.make('never')) AS never;
SELECT apikey._task_expiry(), apikey._task_expiry() AS again;
SELECT name, type, payload, dedupe, created_at FROM events WHERE created_at >= '2045-03-01';
SELECT pg_temp.clock('2045-03-02 12:00:00+00') \gset
SELECT apikey._task_expiry(), apikey._task_expiry() AS again;
SELECT pg_temp.clock('2045-03-03 12:00:00+00') \gset
SELECT apikey._task_expiry(), apikey._task_expiry() AS again;
SELECT expires_at FROM apikey.renew_key(pg_temp.id('e1'), '2045-03-05 12:00+00');
SELECT expires_at FROM apikey.renew_key(pg_temp.id('e5'), '2045-06-01 12:00+00');
SELECT status FROM apikey.revoke_key(pg_temp.id('e9'));
SELECT apikey._task_expiry(), apikey._task_expiry() AS again;
SELECT pg_temp.clock('2045-03-12 12:00:00+00') \gset
SELECT apikey._task_expiry(), apikey._task_expiry() AS again;
SELECT name, type, payload -> 'expires_at' AS payload, dedupe FROM events WHERE created_at >= '2045-03-02' AND type ~ 'expire';
-- a sweep in several steps
SELECT pg_temp.clock('2046-01-01 12:00:00+00') \gset
SELECT count(*) FROM apikey.create_keys(4500, 't32', 'production', name => 'sweep', ttl => '2 days');
SELECT count(*) FROM apikey.create_keys(10, 't32', 'production', name => 'later', ttl => '3 days');
SELECT apikey._task_expiry() AS a, apikey._task_expiry() AS b, apikey._task_expiry() AS c, apikey._task_expiry() AS d, apikey._task_expiry() AS e;
SELECT task, last_at FROM apikey.task_state WHERE last_at IS NOT NULL ORDER BY 1;
SELECT count(*), count(DISTINCT key_id) FROM apikey.event WHERE type = 'key.expires_soon' AND created_at >= '2046-01-01';

-- idle keys: from the making, the last use, or the last time in hand
SELECT pg_temp.clock('2047-01-01 12:00:00+00') \gset
SELECT count(pg_temp.make('i' || n, policy => 'idle')) FROM generate_series(1, 6) n;
SELECT pg_temp.make('i_none') > 0 AS made;
SELECT pg_temp.make('i_short', '10 days', 'idle') > 0 AS made;
SELECT pg_temp.clock('2047-01-20 12:00:00+00') \gset
SELECT apikey._flush_activity(ARRAY[pg_temp.id('i2')], ARRAY[0::bigint], '{2047-01-10 12:00+00}', '{2047-01-20 12:00+00}', '{10.0.0.1}', '{5}', '{1}', '{2}');
SELECT status FROM apikey.suspend_key(pg_temp.id('i3'));
SELECT status FROM apikey.resume_key(pg_temp.id('i3'));
SELECT count(*) FROM apikey.rotate_key(pg_temp.id('i4'));
SELECT status FROM apikey.suspend_key(pg_temp.id('i5'), 'by hand');
SELECT count(*) FROM apikey.update_key(pg_temp.id('i6'), not_before => '2047-01-21 12:00+00');
CREATE FUNCTION pg_temp.idle(at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.clock(at);
	-- to the end of the sweep under way, then one from the beginning
	FOR i IN 1..2 LOOP
		LOOP
			PERFORM apikey._task_idle();
			EXIT WHEN NOT EXISTS (SELECT FROM apikey.task_state WHERE task = 'key.idle');
		END LOOP;
	END LOOP;
	RETURN (SELECT string_agg(name || ' ' || coalesce(suspend_reason, '-'), ', ' ORDER BY name) FROM apikey.key WHERE tenant_id = pg_temp.tid() AND status = 'suspended');
END $$;
SELECT pg_temp.idle('2047-01-31 11:59+00');
SELECT pg_temp.idle('2047-01-31 12:01+00');
SELECT pg_temp.idle('2047-02-19 12:01+00');
SELECT pg_temp.idle('2047-02-20 12:01+00');
SELECT status FROM apikey.resume_key(pg_temp.id('i1'));
SELECT pg_temp.idle('2047-02-20 12:02+00');
SELECT name, type, payload FROM events WHERE created_at >= '2047-01-30' AND type <> 'key.expired';
-- a policy without the rule has no idle keys
SELECT apikey.set_policy('t32', 'idle', clear => '{idle_timeout}') AS version;
SELECT pg_temp.idle('2047-12-31 12:02+00');

-- activity adds up, in any order, for keys that exist
SELECT apikey._flush_activity(ARRAY[pg_temp.id('i2'), 987654321, pg_temp.id('i2'), pg_temp.id('i1')], '{1,1,1,1}', '{2047-01-05,2047-01-01,2047-01-12,2047-01-01}',
	'{2047-01-06,2047-01-01,2047-01-25,2047-01-01}', '{10.0.0.2,10.0.0.3,NULL,NULL}', '{1,1,10,1}', '{0,0,3,0}', '{1,1,1,1}');
SELECT k.name, a.first_used_at, a.last_used_at, a.last_ip, a.calls, a.errors, a.denials, a.tenant_id = k.tenant_id AS tenant FROM apikey.key_activity a JOIN apikey.key k USING (key_id) WHERE k.tenant_id = pg_temp.tid() ORDER BY 1;
SELECT apikey._flush_activity('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');
ROLLBACK;
