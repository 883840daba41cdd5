-- accuracy.sql: the limits that bench/accuracy hammers, and the oracle.

CREATE EXTENSION pgcrypto;
CREATE EXTENSION apikey;
CREATE SCHEMA accuracy;
SELECT apikey.create_tenant('acme');
SELECT apikey.create_environment('acme', 'production');

CREATE TABLE accuracy.definition (
	n int PRIMARY KEY,
	name text UNIQUE,
	requests bigint,
	per interval,
	burst bigint,
	quota bigint,			-- units of a lifetime
	key text,
	probe text				-- a key that has the same quota and no other limit
);
INSERT INTO accuracy.definition VALUES
	(1, '1 per hour', 1, '1 hour', 1, NULL),
	(2, '100 per hour, burst 20', 100, '1 hour', 20, NULL),
	(3, '10 per second, burst 1', 10, '1 s', 1, NULL),
	(4, '10 per second', 10, '1 s', 10, NULL),
	(5, '1000 per second, burst 100', 1000, '1 s', 100, NULL),
	(6, '30000 per second, burst 7', 30000, '1 s', 7, NULL),
	(7, '100000 per second, burst 1000', 100000, '1 s', 1000, NULL),
	(8, '50 per second, with a quota', 50, '1 s', 5, 1000000000),
	(9, 'quota of 20000', NULL, NULL, NULL, 20000);
CREATE FUNCTION accuracy.new_key(d accuracy.definition, rates boolean) RETURNS text LANGUAGE sql AS $$
SELECT key FROM apikey.create_key('acme', 'production', owner => d.name,
	rate_limits => CASE WHEN rates AND d.requests > 0 THEN ARRAY[('rate', d.requests, d.per, d.burst, NULL)]::apikey.rate_limit[] END,
	quotas => CASE WHEN d.quota > 0 THEN ARRAY[('quota', d.quota, 'total', NULL, 'owner')]::apikey.quota[] END) $$;
UPDATE accuracy.definition d SET key = accuracy.new_key(d, true), probe = accuracy.new_key(d, false);

CREATE UNLOGGED TABLE accuracy.took (key text, started timestamptz, ended timestamptz, calls int, accepted int);
CREATE TABLE accuracy.run (name text, slewed_us bigint);

CREATE PROCEDURE accuracy.hammer(k text, until timestamptz) LANGUAGE plpgsql AS $$
DECLARE
	t timestamptz := clock_timestamp();
	n int;
BEGIN
	WHILE t < until LOOP
		SELECT count(*) FILTER (WHERE apikey.is_allowed(k, record => false)) INTO n FROM generate_series(1, 50);
		INSERT INTO accuracy.took VALUES (k, t, clock_timestamp(), 50, n);
		t := clock_timestamp();
	END LOOP;
END $$;

-- nanoseconds of one unit, rounded up as the definition has it
CREATE VIEW accuracy.limits AS
SELECT d.*, ceil(extract(epoch FROM d.per) * 1e9 / d.requests) AS increment FROM accuracy.definition d;

-- units that may pass in a time, NULL: as many as like
CREATE FUNCTION accuracy.most(l accuracy.limits, length interval, slewed_us bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
SELECT LEAST(l.burst + floor((extract(epoch FROM length) * 1e9 + slewed_us * 1000) / l.increment), l.quota) $$;

-- Batches by the step of the grid they began in and the one they had ended at:
-- a window of whole steps has had all that began and ended in it.
CREATE VIEW accuracy.result AS
WITH grid AS MATERIALIZED (
	SELECT key, floor(extract(epoch FROM started) * 20) AS first, ceil(extract(epoch FROM ended) * 20) AS last,
		   sum(accepted) AS accepted
	FROM accuracy.took GROUP BY 1, 2, 3
), total AS MATERIALIZED (
	SELECT key, sum(calls) AS calls, sum(accepted) AS accepted, max(ended) - min(started) AS length
	FROM accuracy.took GROUP BY 1
)
SELECT l.n, l.name, round(extract(epoch FROM t.length), 1) AS seconds, t.calls, t.accepted,
	   accuracy.most(l, t.length, r.slewed_us) AS definition,
	   GREATEST(t.accepted - accuracy.most(l, t.length, r.slewed_us), 0) AS over,
	   -- what the fullest of all windows has too much; negative: it could have had more
	   w.worst_window,
	   -- what the quota says was accepted, where there is one
	   COALESCE(l.quota - (SELECT v.remaining FROM apikey.verify(l.probe, units => 0) v), t.accepted) AS counted,
	   r.slewed_us
FROM accuracy.limits l
	JOIN accuracy.run r ON r.name = l.name
	JOIN total t ON t.key = l.key
	CROSS JOIN LATERAL (
		SELECT max((SELECT sum(b.accepted) FROM grid b WHERE b.key = l.key AND b.first >= s.first AND b.last <= e.last)
				   - accuracy.most(l, (e.last - s.first) * interval '50 ms', r.slewed_us)) AS worst_window
		FROM (SELECT DISTINCT first FROM grid WHERE key = l.key) s,
			 (SELECT DISTINCT last FROM grid WHERE key = l.key) e
		WHERE s.first < e.last) w;
