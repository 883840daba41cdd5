-- Prices and classes of endpoints: what a request costs does not depend on what
-- else was asked for, nor on when it was counted.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
-- a text of letters for a number
CREATE FUNCTION pg_temp.name(i integer) RETURNS text LANGUAGE sql AS $$ SELECT translate(i::text, '0123456789', 'abcdefghij') $$;
SELECT apikey.create_tenant('t73') > 0 AND apikey.create_tenant('sub', parent => 't73') > 0 AS tenants;
SELECT apikey.create_environment('t73/sub', 'prod') > 0 AS environment;
CREATE TEMP TABLE keys AS SELECT o AS owner, (apikey.create_key('t73/sub', 'prod', owner => o)).key_id FROM unnest('{ann,ben}'::text[]) o;
-- tomorrow, when prices begin that are set today; and the day after
SELECT date_trunc('day', now()) + interval '1 day' AS tomorrow, date_trunc('day', now()) + interval '2 days' AS later \gset
CREATE FUNCTION pg_temp.price(tenant text, endpoint text, per_call numeric, at timestamptz, currency text DEFAULT 'EUR') RETURNS boolean LANGUAGE sql AS $$
	SELECT apikey.set_price(tenant, endpoint, per_call, currency => currency, valid_from => at) > 0 $$;
SELECT bool_and(pg_temp.price(t, e, c, :'tomorrow', u)) AS prices FROM (VALUES ('t73/sub', NULL, 0.001, 'EUR'), ('t73/sub', '/users/ba', 1, 'EUR'),
	('t73/sub', '/users/*/posts', 10, 'EUR'), ('t73/sub', '/users/bb/**', 100, 'EUR'), ('t73/sub', '/users/b*', 1000, 'EUR'), ('t73', '/users/**', 10000, 'USD')) p (t, e, c, u);

CREATE FUNCTION pg_temp.store(at timestamptz, VARIADIC endpoints text[]) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	PERFORM apikey.ensure_partitions();
	INSERT INTO apikey.usage (at, tenant_id, key_id, environment_id, code, endpoint, units)
	SELECT store.at + n % 20 * interval '1 hour', k.tenant_id, k.key_id, k.environment_id, 'VALID', e.endpoint, 1
	FROM unnest(endpoints) WITH ORDINALITY e (endpoint, n) JOIN keys ON (owner = 'ben') = (n % 3 = 0) JOIN apikey.api_key k USING (key_id);
	RETURN cardinality(endpoints);
END $$;
-- each row by itself, the rules as they are written in this file
CREATE FUNCTION pg_temp.differ(day date, later timestamptz) RETURNS TABLE (owner text, cost numeric, calls bigint, report boolean) LANGUAGE sql AS $$
	WITH counted AS (
		SELECT k.owner, sum(CASE WHEN u.endpoint = '/users/ba' THEN 1
				WHEN u.endpoint = '/users/bc' AND u.at >= later THEN 5
				WHEN u.endpoint ~ '^/users/bb/' THEN 100 WHEN u.endpoint ~ '^/users/b[^/]*$' THEN 1000
				WHEN u.endpoint ~ '^/users/[^/]*/posts$' THEN 10 ELSE 0.001 END) AS cost, count(*) AS calls
		FROM apikey.usage u JOIN keys k USING (key_id) WHERE u.at >= day AND u.at < day + 1 GROUP BY 1
	), reported AS (
		SELECT r.owner, sum(r.cost) AS cost, sum(r.calls)::bigint AS calls
		FROM apikey.cost_report(day::text, 't73/sub') r WHERE r.currency = 'EUR' GROUP BY 1)
	(SELECT *, false FROM (TABLE counted EXCEPT TABLE reported) c) UNION ALL (SELECT *, true FROM (TABLE reported EXCEPT TABLE counted) r) $$;
CREATE FUNCTION pg_temp.classes(like_this text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(DISTINCT endpoint_class, ' ' ORDER BY endpoint_class) FROM apikey.usage_hourly JOIN keys USING (key_id) WHERE endpoint_class LIKE like_this $$;

-- a few names: each is a class
SELECT pg_temp.store(:'tomorrow', VARIADIC array_agg('/users/' || pg_temp.name(i) || t)) FROM generate_series(10, 40) i, unnest('{"",/posts,/likes,/posts/new}'::text[]) t;
SELECT apikey.refresh_rollups() >= 0 AS counted;
SELECT * FROM pg_temp.differ(:'tomorrow', :'later');
SELECT pg_temp.classes('/users/b_'), pg_temp.classes('/users/cc%');
CREATE TEMP TABLE before AS SELECT * FROM apikey.cost_report(:'tomorrow'::date::text, 't73');
-- a hundred more, of one who has nothing to do with those: they are collapsed,
-- and nothing costs what it did not cost before
INSERT INTO keys SELECT 'other', (apikey.create_key('t73/sub', 'prod', owner => 'other')).key_id;
INSERT INTO apikey.usage (at, tenant_id, key_id, environment_id, code, endpoint, units)
SELECT :'tomorrow'::timestamptz, k.tenant_id, k.key_id, k.environment_id, 'VALID', '/users/x' || pg_temp.name(i), 1
FROM generate_series(100, 220) i, keys JOIN apikey.api_key k USING (key_id) WHERE keys.owner = 'other';
SELECT apikey.refresh_rollups() >= 0 AS counted;
SELECT * FROM pg_temp.differ(:'tomorrow', :'later');
SELECT * FROM before EXCEPT SELECT * FROM apikey.cost_report(:'tomorrow'::date::text, 't73');
SELECT pg_temp.classes('/users/%');
SELECT class, collapsed_at IS NOT NULL AS collapsed FROM apikey.endpoint_class e JOIN apikey.tenant USING (tenant_id) WHERE name = 'sub' AND class LIKE '/users%' ORDER BY class COLLATE "C";
-- seen for the first time after that
SELECT pg_temp.store(:'tomorrow', '/users/bzz', '/users/bb/later', '/users/new', '/users/new/posts', '/users/bb', '/users/ba', '/users/ba/x', '/users/bq/posts');
SELECT apikey.refresh_rollups() >= 0 AS counted;
SELECT * FROM pg_temp.differ(:'tomorrow', :'later');

-- a price for a name that is collapsed: not for what is counted as the star
SELECT pg_temp.price('t73/sub', '/users/bc', 5, :'tomorrow');
SELECT pg_temp.price('t73/sub', '/users/zz', 5, :'tomorrow');
SELECT pg_temp.price('t73', '/users/*/likes/**', 5, :'tomorrow');
SELECT pg_temp.price('t73', '/orders/*', 5, :'tomorrow') AS nothing_is_hidden;
SELECT pg_temp.price('t73/sub', '/users/bc', 5, :'later') AS later;
-- from now on it is a class of its own; the hours before cost what they did
SELECT pg_temp.store(:'tomorrow', '/users/bc', '/users/bc', '/users/bc') + pg_temp.store(:'later', '/users/bc', '/users/bd', '/users/bc/posts', '/users/bc') AS stored;
SELECT apikey.refresh_rollups() >= 0 AS counted;
SELECT * FROM pg_temp.differ(:'tomorrow', :'later');
SELECT * FROM pg_temp.differ(:'later', :'later');
SELECT pg_temp.classes('/users/bc%');
-- counted anew: the same to the last digit
CREATE TEMP TABLE reports AS SELECT d, r.* FROM unnest(ARRAY[:'tomorrow', :'later']::date[]) d, apikey.cost_report(d::text, 't73') r;
SELECT apikey.recount_rollups(:'tomorrow', :'later'::timestamptz + interval '1 day') > 0 AS recounted;
SELECT pg_temp.classes('/users/bc%');
SELECT * FROM pg_temp.differ(:'tomorrow', :'later') UNION ALL SELECT * FROM pg_temp.differ(:'later', :'later');
SELECT * FROM reports EXCEPT SELECT d, r.* FROM unnest(ARRAY[:'tomorrow', :'later']::date[]) d, apikey.cost_report(d::text, 't73') r;
-- an ended price keeps its class: what it was for still costs that
SELECT apikey.end_price(price_id, :'later') > 0 AS ended FROM apikey.price JOIN apikey.tenant USING (tenant_id) WHERE name = 'sub' AND endpoint = '/users/ba';
SELECT apikey.recount_rollups(:'tomorrow', :'later') > 0 AS recounted;
SELECT * FROM pg_temp.differ(:'tomorrow', :'later');

-- a full list: what has a price is a class in any case, and the list ends
BEGIN;
SELECT tenant_id AS t73 FROM apikey.tenant WHERE name = 't73' \gset
CREATE FUNCTION pg_temp.classify(VARIADIC shapes text[]) RETURNS text[] LANGUAGE sql AS $$
	SELECT apikey._classify(array_fill((SELECT tenant_id FROM apikey.tenant WHERE name = 't73'), ARRAY[cardinality(shapes)]), shapes, array_fill(true, ARRAY[cardinality(shapes)])) $$;
SELECT count(apikey.set_price('t73', e, 1, currency => 'EUR')) AS prices FROM unnest('{/rare,/rare/thing,/docs/**,/v/*.json,/v/a*,/rb/named,/rb/*/x}'::text[]) e;
SELECT count(DISTINCT c) FROM unnest(pg_temp.classify(VARIADIC ARRAY(SELECT '/r' || pg_temp.name(i / 90) || '/' || pg_temp.name(i) FROM generate_series(90, 1300) i))) c;
SELECT count(*) FROM apikey.endpoint_class WHERE tenant_id = :t73;
SELECT s, pg_temp.classify(s) FROM unnest('{/unknown,/rare,/rare/other,/rare/thing,/rare/thing/more,/docs,/docs/a/b,/docs/c,/v/abc.json,/v/b.json,/v/ac,/v/c,/rb/named,/rb/unnamed,/rb/unnamed/x,/rb/named/x,/rb/named/y}'::text[]) WITH ORDINALITY u (s, n) ORDER BY n;
-- whatever is asked for
SELECT count(DISTINCT c) FROM unnest(pg_temp.classify(VARIADIC ARRAY(SELECT '/v/a' || pg_temp.name(i) || x FROM generate_series(1, 3000) i, unnest('{"",.json}'::text[]) x))) c;
SELECT count(*) FROM apikey.endpoint_class WHERE tenant_id = :t73;
-- more names with a price than names there may be
SELECT count(apikey.set_price('t73', '/p/' || pg_temp.name(i), 1, currency => 'EUR')) AS prices FROM generate_series(1, 150) i;
SELECT count(DISTINCT c), count(*) FILTER (WHERE c = '/p/**') AS others FROM unnest(pg_temp.classify(VARIADIC ARRAY(SELECT '/p/' || pg_temp.name(i) FROM generate_series(1, 400) i))) c;
SELECT count(*) FROM apikey.endpoint_class WHERE tenant_id = :t73 AND class LIKE '/p/%';
ROLLBACK;

-- endpoints that no request counts as
SELECT apikey.set_price('t73', '/orders/123', 1, currency => 'EUR');
SELECT apikey.set_price('t73', '/orders/', 1, currency => 'EUR');
SELECT apikey.set_price('t73', '/caf%c3%a9', 1, currency => 'EUR');
SELECT apikey.set_price('t73', '/a/b/c/d/e/f/g/h/i', 1, currency => 'EUR');
SELECT apikey.set_price('t73', '/a/*b*', 1, currency => 'EUR');
SELECT count(apikey.set_price('t73', e, 1, currency => 'EUR')) AS fine FROM unnest('{/,/**,/1.1/x,/a/b/c/d/e/f/g/h/**,/orders/*.pdf,/caf%C3%A9}'::text[]) e;
-- an old snapshot shows what is counted no more
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT apikey.set_price('t73', '/old', 1, currency => 'EUR', valid_from => '2026-01-01 00:00+00');
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT apikey.set_price('t73', '/old', 1, currency => 'EUR') > 0 AS to_come;
ROLLBACK;
DELETE FROM apikey.price WHERE tenant_id IN (SELECT tenant_id FROM apikey.tenant WHERE name IN ('t73', 'sub'));
