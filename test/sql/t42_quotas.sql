-- Quotas: windows by the calendar of a time zone, consumption, credits, reset.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET datestyle = 'ISO, MDY';
SET timezone = 'UTC';
SET apikey.limit_wait = '60s';
SELECT apikey.create_tenant('t42') > 0 AS tenant;
SELECT apikey.create_environment('t42', 'production') > 0 AS environment;
CREATE TEMP TABLE k (name text, key_id bigint, key text);
CREATE FUNCTION pg_temp.make(name text, quotas apikey.quota[]) RETURNS void LANGUAGE sql AS $$
	INSERT INTO k SELECT make.name, c.key_id, c.key FROM apikey.create_key('t42', 'production', name => make.name, owner => 'ann', quotas => make.quotas) c
$$;
CREATE FUNCTION pg_temp.id(name text) RETURNS bigint LANGUAGE sql AS $$ SELECT key_id FROM k WHERE k.name = id.name $$;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$
	SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false)
$$;
CREATE FUNCTION pg_temp.ask(name text, units bigint DEFAULT 1) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', v.code, v.limit_name, v.remaining, v.retry_after, (SELECT string_agg(w, ',') FROM unnest(v.warnings) w))
	FROM k, LATERAL apikey.verify(k.key, units => ask.units) v WHERE k.name = ask.name
$$;

-- --- windows ---------------------------------------------------------------

CREATE TEMP TABLE zone (name text, first timestamptz, last timestamptz);
INSERT INTO zone VALUES
	('UTC', '2023-12-01', '2024-04-01'),
	('Europe/Berlin', '2024-01-01', '2025-01-10'),
	('America/New_York', '2024-01-01', '2025-01-10'),
	('Asia/Kolkata', '2024-01-01', '2024-04-01'),
	('Asia/Kathmandu', '1985-12-20', '1986-01-10'),		-- +5:30 to +5:45
	('Australia/Lord_Howe', '2024-01-01', '2025-01-10'),	-- half an hour of summer
	('America/Havana', '2024-01-01', '2025-01-10'),		-- midnight twice, midnight never
	('America/Sao_Paulo', '2017-01-01', '2018-12-31'),	-- midnight never
	('America/St_Johns', '2009-01-01', '2010-12-31'),		-- set back at one minute past midnight
	('Pacific/Apia', '2011-12-01', '2012-02-10'),			-- a day that never was
	('Asia/Manila', '1844-12-01', '1845-01-20'),			-- the same
	('America/Juneau', '1867-10-01', '1867-11-10');		-- a day that was twice
CREATE TEMP TABLE period (name text);
INSERT INTO period VALUES ('hour'), ('day'), ('week'), ('month');
DO $$ BEGIN PERFORM pg_temp.make(z.name, (SELECT array_agg((p.name, 10, p.name, z.name, NULL)::apikey.quota) FROM period p)) FROM zone z; END $$;
SELECT count(*) AS keys FROM k;
CREATE FUNCTION pg_temp.windows(key text, at timestamptz, OUT period text, OUT starts timestamptz, OUT ends timestamptz) RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.clock(at);
	RETURN QUERY SELECT l.name, l.window_start, l.window_end FROM apikey._key_limits(pg_temp.id(windows.key)) l;
END $$;
CREATE FUNCTION pg_temp.window_of(key text, period text, at timestamptz, OUT starts timestamptz, OUT ends timestamptz) LANGUAGE sql AS $$
	SELECT w.starts, w.ends FROM pg_temp.windows(window_of.key, window_of.at) w WHERE w.period = window_of.period
$$;
-- instants some hours apart, and every quarter of an hour around a change of the offset
CREATE TEMP TABLE instant AS
SELECT z.name AS zone, at FROM zone z, generate_series(z.first, z.last, '2 days 5 hours 17 minutes 0.123456 seconds') at
UNION
SELECT z.name, at + step * interval '15 minutes' FROM zone z, generate_series(z.first, z.last, '1 day') at, generate_series(0, 96) step
WHERE (at AT TIME ZONE z.name - at AT TIME ZONE 'UTC') <> ((at + interval '1 day') AT TIME ZONE z.name - (at + interval '1 day') AT TIME ZONE 'UTC');
CREATE TEMP TABLE seen AS
SELECT i.zone, w.period, i.at, w.starts, w.ends FROM instant i, LATERAL pg_temp.windows(i.zone, i.at) w;
SELECT count(*) > 5000 AS many FROM seen;
-- each instant is in its window, and the windows lie end to end
SELECT * FROM seen WHERE NOT (starts <= at AND at < ends);
SELECT s.*, w FROM (SELECT DISTINCT zone, period, starts, ends FROM seen) s, LATERAL pg_temp.window_of(s.zone, s.period, s.ends) w WHERE w.starts <> s.ends;
SELECT s.*, w FROM (SELECT DISTINCT zone, period, starts, ends FROM seen) s, LATERAL pg_temp.window_of(s.zone, s.period, s.ends - interval '1 microsecond') w
	WHERE (w.starts, w.ends) <> (s.starts, s.ends);
-- they are what date_trunc says, but where that lies in the future or there are two answers
SELECT zone, period, count(*), min(at), min(starts), min(date_trunc(period, at, zone)) FROM seen
	WHERE starts <> date_trunc(period, at, zone) AND at > '1970-01-01' GROUP BY 1, 2, starts ORDER BY 1, 2, starts;
-- some of them by eye
CREATE FUNCTION pg_temp.show(zone text, period text, at timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', show.zone, show.period, starts AT TIME ZONE show.zone, ends AT TIME ZONE show.zone, ends - starts)
	FROM pg_temp.window_of(show.zone, show.period, show.at)
$$;
SELECT pg_temp.show('Europe/Berlin', 'day', '2024-03-31 12:00+00');
SELECT pg_temp.show('Europe/Berlin', 'day', '2024-10-27 12:00+00');
SELECT pg_temp.show('Europe/Berlin', 'week', '2024-03-31 21:59:59.999999+00');
SELECT pg_temp.show('Europe/Berlin', 'week', '2024-03-31 22:00+00');
SELECT pg_temp.show('UTC', 'month', '2024-02-29 23:59:59+00');
SELECT pg_temp.show('America/New_York', 'month', '2024-03-31 23:59:59-04');
SELECT pg_temp.show('Asia/Kolkata', 'hour', '2024-02-01 00:00+00');
SELECT pg_temp.show('Australia/Lord_Howe', 'hour', '2024-04-06 15:10+00');
SELECT pg_temp.show('America/Havana', 'day', '2024-11-03 04:30+00');
SELECT pg_temp.show('America/Havana', 'day', '2024-03-10 12:00+00');
SELECT pg_temp.show('Pacific/Apia', 'day', '2011-12-30 09:59+00');
SELECT pg_temp.show('Pacific/Apia', 'day', '2011-12-30 10:00+00');
SELECT pg_temp.show('Pacific/Apia', 'month', '2011-12-30 10:00+00');
-- beyond the calendar
SELECT pg_temp.clock('9999-12-31');
SELECT name, window_end > window_start AS fine FROM apikey._key_limits(pg_temp.id('Europe/Berlin')) ORDER BY 1;
RESET apikey.test_now;

-- --- consumption -----------------------------------------------------------

SELECT pg_temp.clock('2024-03-30 22:00+00');
SELECT pg_temp.make('day', ARRAY[('per day', 10, 'day', 'Europe/Berlin', NULL)]::apikey.quota[]);
SELECT pg_temp.ask('day', 0) AS look;
SELECT pg_temp.ask('day') AS first;
SELECT pg_temp.ask('day', 6) AS six;
SELECT pg_temp.ask('day') AS soft;
SELECT pg_temp.ask('day', 3) AS too_many;
SELECT pg_temp.ask('day', 2) AS last;
SELECT pg_temp.ask('day') AS none;
SELECT pg_temp.ask('day', 0) AS look;
SELECT pg_temp.ask('day', 11) AS never;
SELECT window_start, window_end, units, credits, reserved, holder = key_id::text AS holder, shared, name FROM apikey.quota_state WHERE key_id = pg_temp.id('day');
-- the next day is one of 23 hours
SELECT pg_temp.clock('2024-03-30 23:00+00');
SELECT pg_temp.ask('day', 10) AS next_day;
SELECT pg_temp.ask('day') AS none;
SELECT pg_temp.clock('2024-03-31 22:00+00');
SELECT pg_temp.ask('day') AS next_day;
-- a clock that goes back finds what was used then
SELECT pg_temp.clock('2024-03-31 12:00+00');
SELECT pg_temp.ask('day') AS none;

-- another limit keeps what was used
SELECT pg_temp.make('change', ARRAY[('m', 100, 'month', NULL, NULL)]::apikey.quota[]);
SELECT pg_temp.ask('change', 60);
SELECT key_id > 0 AS changed FROM apikey.update_key(pg_temp.id('change'), quotas => ARRAY[('m', 50, 'month', NULL, NULL)]::apikey.quota[]);
SELECT pg_temp.ask('change') AS lowered;
SELECT key_id > 0 AS changed FROM apikey.update_key(pg_temp.id('change'), quotas => ARRAY[('m', 1000, 'month', NULL, NULL)]::apikey.quota[]);
SELECT pg_temp.ask('change') AS raised;
SELECT pg_temp.ask('change', 939) AS rest;
SELECT pg_temp.ask('change') AS none;

-- two quotas: both or none
SELECT pg_temp.make('two', ARRAY[('d', 5, 'day', NULL, NULL), ('t', 8, 'total', NULL, NULL)]::apikey.quota[]);
SELECT pg_temp.ask('two', 5);
SELECT pg_temp.ask('two');
SELECT pg_temp.clock('2024-04-01 12:00+00');
SELECT pg_temp.ask('two', 4) AS total_denies;
SELECT pg_temp.ask('two', 3) AS the_rest;
SELECT pg_temp.ask('two') AS none;
SELECT pg_temp.clock('2034-04-01 12:00+00');
SELECT pg_temp.ask('two') AS for_good;
SELECT pg_temp.clock('2024-04-01 12:00+00');

-- --- credits ---------------------------------------------------------------

SELECT pg_temp.make('prepaid', ARRAY[('calls', 3, 'total', NULL, NULL)]::apikey.quota[]);
SELECT pg_temp.ask('prepaid', 3);
SELECT pg_temp.ask('prepaid') AS none;
SELECT status FROM apikey.add_credits(pg_temp.id('prepaid'), 5, reason => 'paid', idempotency_key => 'invoice 1');
SELECT pg_temp.ask('prepaid') AS at_once;
SELECT status FROM apikey.add_credits(pg_temp.id('prepaid'), 5, 'calls', idempotency_key => 'invoice 1') AS again;
SELECT pg_temp.ask('prepaid', 0) AS once;
BEGIN;
SELECT status FROM apikey.add_credits(pg_temp.id('prepaid'), 100);
ROLLBACK;
SELECT pg_temp.ask('prepaid', 0) AS rolled_back;
BEGIN;
SAVEPOINT s;
SELECT status FROM apikey.add_credits(pg_temp.id('prepaid'), 100);
ROLLBACK TO s;
SELECT status FROM apikey.add_credits(pg_temp.id('prepaid'), 1);
SELECT pg_temp.ask('prepaid') AS not_yet;
COMMIT;
SELECT pg_temp.ask('prepaid', 4) AS all_five;
SELECT pg_temp.ask('prepaid') AS none;
SELECT units, credits, reserved FROM apikey.quota_state WHERE key_id = pg_temp.id('prepaid');
SELECT kind, name, quota_units, units, reason, idempotency_key, author = current_user AS author, applied_at IS NOT NULL AS applied
	FROM apikey.limit_ledger WHERE key_id = pg_temp.id('prepaid') ORDER BY ledger_id;
-- before the first use
SELECT pg_temp.make('early', ARRAY[('calls', 3, 'total', NULL, NULL), ('d', 100, 'day', NULL, NULL)]::apikey.quota[]);
SELECT status FROM apikey.add_credits(pg_temp.id('early'), 5, 'calls');
SELECT pg_temp.ask('early', 8);
SELECT pg_temp.ask('early');
-- of a window only
SELECT pg_temp.make('daily', ARRAY[('per day', 10, 'day', NULL, NULL)]::apikey.quota[]);
SELECT status FROM apikey.add_credits(pg_temp.id('daily'), 5);
SELECT pg_temp.ask('daily', 15);
SELECT pg_temp.clock('2024-04-02 12:00+00');
SELECT pg_temp.ask('daily', 11);
-- shared
SELECT pg_temp.make('ann 1', ARRAY[('team', 4, 'day', NULL, 'owner')]::apikey.quota[]);
SELECT pg_temp.make('ann 2', ARRAY[('team', 4, 'day', NULL, 'owner')]::apikey.quota[]);
SELECT pg_temp.ask('ann 1', 3);
SELECT pg_temp.ask('ann 2', 2);
SELECT status FROM apikey.add_credits(pg_temp.id('ann 2'), 2);
SELECT pg_temp.ask('ann 1', 3);
SELECT shared, holder, units, credits, reserved FROM apikey.quota_state WHERE name = 'team';
-- refused
CREATE FUNCTION pg_temp.fails(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', sqlstate, regexp_replace(sqlerrm, 'key \d+', 'key N'), regexp_replace(nullif(detail, ''), 'key \d+', 'key N'), nullif(hint, ''));
END $$;
SELECT pg_temp.make('plain', '{}');
SELECT pg_temp.fails(format('SELECT apikey.add_credits(pg_temp.id(%L), %s)', name, arguments)) FROM (VALUES
	('prepaid', '0'), ('prepaid', '-5'), ('prepaid', 'NULL'), ('prepaid', $$5, ''$$), ('prepaid', $$5, NULL, ''$$),
	('prepaid', $$5, 'calls', idempotency_key => 'invoice 1'$$), ('prepaid', $$6, 'calls', idempotency_key => 'invoice 1'$$),
	('early', $$5, 'calls', idempotency_key => 'invoice 1'$$), ('early', '5'), ('early', $$5, 'nope'$$), ('plain', '5'), ('nobody', '5')) c (name, arguments);
SELECT pg_temp.fails('SELECT apikey.add_credits(999999999, 5)');
SELECT pg_temp.fails('SELECT apikey.reset_limits(999999999)');
SELECT status FROM apikey.add_credits(pg_temp.id('prepaid'), 4611686018427387000);
SELECT pg_temp.fails($$SELECT apikey.add_credits(pg_temp.id('prepaid'), 4611686018427387000)$$);
SELECT pg_temp.ask('prepaid', 4611686018427387000) AS much;

-- --- reset -----------------------------------------------------------------

SELECT pg_temp.make('reset', ARRAY[('q', 3, 'day', NULL, NULL), ('team', 100, 'day', NULL, 'owner')]::apikey.quota[]);
SELECT pg_temp.ask('reset', 3);
SELECT pg_temp.ask('reset');
SELECT status FROM apikey.reset_limits(pg_temp.id('reset'), 'apology');
SELECT pg_temp.ask('reset', 3) AS full_again;
SELECT pg_temp.ask('reset') AS exactly;
BEGIN;
SELECT status FROM apikey.reset_limits(pg_temp.id('reset'));
ROLLBACK;
SELECT pg_temp.ask('reset') AS rolled_back;
SELECT kind, name, reason, units, applied_at IS NOT NULL AS applied FROM apikey.limit_ledger WHERE key_id = pg_temp.id('reset') ORDER BY ledger_id;
SELECT action, after FROM apikey.audit_log WHERE action IN ('key.reset_limits', 'key.add_credits') AND object = 'key:' || pg_temp.id('reset') ORDER BY seq;
SELECT type, payload FROM apikey.event WHERE type = 'key.add_credits' AND key_id = pg_temp.id('prepaid') ORDER BY event_id LIMIT 1;
SELECT status FROM apikey.reset_limits(pg_temp.id('plain')) AS nothing_to_do;

-- a rate limit that is kept on disk
SET apikey.test_now = '';
INSERT INTO k SELECT 'slow', c.key_id, c.key FROM apikey.create_key('t42', 'production', rate_limits => ARRAY[('slow', 4, '4 days', NULL, NULL)]::apikey.rate_limit[]) c;
SELECT pg_temp.ask('slow', 4) AS all_at_once;
SELECT v.code, v.retry_after > '23:00:00' AS a_day FROM k, apikey.verify(k.key) v WHERE k.name = 'slow';
SELECT ceiling > now() + interval '3 days 23 hours' AS ceiling, name, shared FROM apikey.limit_state WHERE key_id = pg_temp.id('slow');
SELECT status FROM apikey.reset_limits(pg_temp.id('slow'));
SELECT pg_temp.ask('slow', 4) AS full_again;
SELECT v.code FROM k, apikey.verify(k.key) v WHERE k.name = 'slow';
BEGIN;
SELECT status FROM apikey.reset_limits(pg_temp.id('slow'));
PREPARE TRANSACTION 't42';
