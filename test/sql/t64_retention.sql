-- How long usage is kept: settings of a database, classes of tenants, leaves
-- that are kept detached.  In transactions that are rolled back, so that the
-- leaves of the present are left alone.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, true) $$;
CREATE VIEW pg_temp.leaves AS SELECT leaf::text, starts_at, ends_at FROM apikey._usage_leaves() WHERE starts_at >= '2067-01-01' AND ends_at < '2088-01-01' ORDER BY starts_at;
-- what the housekeeper does: call again until nothing is left
CREATE FUNCTION pg_temp.housekeep() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		IF apikey._task_retention() = 0 THEN RETURN 'done'; END IF;
	END LOOP;
	RETURN 'never done';
END $$;

-- no shorter than the hour of a rollup
SET apikey.usage_retention = 1;
SET apikey.usage_retention = 3599;
-- since 18 the bounds are shown with their unit
\set VERBOSITY sqlstate
SET apikey.usage_retention = -1;
\set VERBOSITY default
SET apikey.usage_retention = 3600;
SET apikey.usage_retention = 0;
RESET apikey.usage_retention;
SET apikey.partition_width = 'year';
SET apikey.partition_premake = 0;

-- a database's own settings are seen by sessions that were there before
BEGIN;
ALTER DATABASE :"DBNAME" SET apikey.usage_retention = '30d';
ALTER DATABASE :"DBNAME" SET apikey.partition_width = 'HOUR';
ALTER DATABASE :"DBNAME" SET apikey.partition_premake = 1;
ALTER DATABASE :"DBNAME" SET apikey.partition_archive = 'yes';
SELECT apikey._setting(n, NULL) FROM unnest('{usage_retention,partition_width,partition_premake,partition_archive}'::text[]) n;
SELECT pg_temp.clock('2068-02-27 22:30+00') \gset
SELECT apikey.ensure_partitions();
SELECT * FROM leaves;
-- what a session has set for itself comes first
SET LOCAL apikey.partition_width = 'month';
SELECT apikey._setting('partition_width', NULL), apikey._setting('usage_retention', NULL);
ALTER DATABASE :"DBNAME" RESET ALL;
SELECT apikey._setting('usage_retention', NULL), apikey._setting('partition_archive', NULL);
-- a role's do not count for the workers, another database's neither
ALTER ROLE CURRENT_USER IN DATABASE :"DBNAME" SET apikey.usage_retention = '31d';
ALTER DATABASE postgres SET apikey.usage_retention = '32d';
SELECT apikey._setting('usage_retention', NULL);
ALTER ROLE ALL SET apikey.usage_retention = '33d';
SELECT apikey._setting('usage_retention', NULL);
ROLLBACK;
ALTER DATABASE :"DBNAME" SET apikey.usage_retention = '59min';

-- classes
CREATE ROLE t64_admin;
CREATE ROLE t64_analyst;
CREATE ROLE t64_other;
SELECT apikey.create_tenant('t64') > 0 AS made, apikey.create_tenant('eu', 't64') > 0 AS made, apikey.create_tenant('t64b') > 0 AS made;
SELECT apikey.set_usage_class(NULL, '1 day');
SELECT apikey.set_usage_class('', '1 day');
SELECT apikey.set_usage_class('Gold', '1 day');
SELECT apikey.set_usage_class(E'a\nb', '1 day');
SELECT apikey.set_usage_class('gold', '59 minutes');
SELECT apikey.set_usage_class('gold', '-1 day');
SELECT apikey.set_usage_class('gold', '2000 years');
SELECT apikey.set_usage_class('gold', NULL);
SELECT apikey.set_usage_class('gold', '1 year 2 months');
SELECT apikey.set_usage_class('gold', '400 days');
SELECT apikey.set_usage_class('short', '36 hours');
SELECT name, retention FROM apikey.usage_class ORDER BY name;
SELECT apikey.assign_usage_class('t64', 'silver');
SELECT apikey.assign_usage_class('t64/us', 'gold');
SELECT apikey.assign_usage_class(NULL, 'gold');
SELECT apikey.assign_usage_class('t64', 'gold');
SELECT apikey.assign_usage_class('t64', 'gold');
SELECT apikey.assign_usage_class('t64b', 'short');
SELECT apikey.set_usage_class('gold', NULL);
SELECT apikey.tenant_path(tenant_id) AS tenant, class FROM apikey.usage_class_tenant ORDER BY 1;
SELECT apikey.tenant_path(tenant_id) AS tenant, retention FROM apikey._tenant_retention() ORDER BY 1;
SELECT action, before, after FROM apikey.audit_log WHERE action ~ '^usage.*class' ORDER BY seq;
SELECT type, payload FROM apikey.event WHERE type ~ '^usage.*class' ORDER BY event_id;
-- not for those of a tenant
SELECT apikey.grant_access('t64_admin', 'admin', 't64'), apikey.grant_access('t64_analyst', 'analyst', 't64'), apikey.grant_access('t64_other', 'analyst', 't64b');
SET ROLE t64_admin;
SELECT apikey.set_usage_class('gold', '1 day');
SELECT apikey.assign_usage_class('t64', NULL);
SELECT apikey.attach_partition('usage_20680101');
SELECT name FROM apikey.usage_class;
SELECT apikey.tenant_path(tenant_id) AS tenant, class FROM apikey.usage_class_tenant;
RESET ROLE;

-- nor by a move: the class that holds stays, or who assigns them decides
BEGIN;
SELECT apikey.create_tenant(n, 't64') > 0 AS made FROM unnest('{low,high,none}'::text[]) n;
SELECT apikey.create_tenant('x', p) > 0 AS made FROM unnest('{t64/eu,t64/low,t64/high}'::text[]) p;
SELECT apikey.assign_usage_class('t64/low', 'short'), apikey.assign_usage_class('t64/high', 'gold');
SET LOCAL ROLE t64_admin;
SAVEPOINT s;
SELECT apikey.move_tenant('t64/eu', 't64/low');
ROLLBACK TO s;
SELECT apikey.move_tenant('t64/low/x', 't64');
ROLLBACK TO s;
SELECT apikey.move_tenant('t64/low/x', 't64/high');
ROLLBACK TO s;
SELECT (apikey.move_tenant('t64/none', 't64/eu')).tenant AS none_of_its_own, (apikey.move_tenant('t64/high/x', 't64')).tenant AS the_same_class,
	(apikey.move_tenant('t64/high', 't64/low')).tenant AS its_own;
RESET ROLE;
SELECT apikey.assign_usage_class('t64', NULL);
SET LOCAL ROLE t64_admin;
SAVEPOINT s;
SELECT apikey.move_tenant('t64/eu', 't64/low');
ROLLBACK TO s;
SELECT apikey.move_tenant('t64/low/x', 't64/eu/none');
ROLLBACK TO s;
RESET ROLE;
SELECT (apikey.move_tenant('t64/eu', 't64/low')).tenant AS of_all_tenants;
SELECT apikey.tenant_path(tenant_id) AS tenant, retention FROM apikey._tenant_retention() WHERE apikey.tenant_path(tenant_id) LIKE 't64/%' ORDER BY 1;
ROLLBACK;

-- rows go when their whole leaf is older than the retention of their tenant
SELECT tenant_id AS t64 FROM apikey.tenant WHERE name = 't64' \gset
SELECT tenant_id AS t64b FROM apikey.tenant WHERE name = 't64b' \gset
SELECT tenant_id AS eu FROM apikey.tenant WHERE name = 'eu' AND parent_id = :t64 \gset
CREATE FUNCTION pg_temp.rows() RETURNS TABLE (leaf text, tenant text, rows bigint) LANGUAGE sql AS
	$$ SELECT tableoid::regclass::text, coalesce((SELECT name FROM apikey.tenant t WHERE t.tenant_id = u.tenant_id), u.tenant_id::text), count(*) FROM apikey.usage u WHERE at >= '2067-01-01' GROUP BY 1, 2 ORDER BY 1, 2 $$;
BEGIN;
SELECT pg_temp.clock('2068-01-01 12:00+00') \gset
SELECT apikey.ensure_partitions();
INSERT INTO apikey.usage (at, code, tenant_id)
	SELECT '2068-01-01 00:00+00'::timestamptz + d * interval '1 day' + i * interval '1 minute', 'VALID', t
	FROM generate_series(0, 3) d, unnest(ARRAY[:t64, :eu, :t64b, NULL, -1]) t, generate_series(1, 300) i WHERE NOT (d = 3 AND t IN (:t64, :eu));
-- not before it is counted, and rows of one's own transaction are not
SELECT pg_temp.clock('2068-12-31 00:00+00') \gset
SELECT pg_temp.housekeep();
SELECT sum(rows) FROM pg_temp.rows();
CREATE OR REPLACE FUNCTION apikey._counted(leaf regclass) RETURNS boolean LANGUAGE sql AS 'SELECT true';
SAVEPOINT filled;
-- 36 hours after the end of the first leaf, and not before
SELECT pg_temp.clock('2068-01-03 11:59+00') \gset
SELECT pg_temp.housekeep();
SELECT * FROM pg_temp.rows() WHERE tenant = 't64b';
SELECT pg_temp.clock('2068-01-03 12:00+00') \gset
SELECT pg_temp.housekeep();
SELECT * FROM pg_temp.rows() WHERE leaf = 'apikey.usage_20680101' OR tenant = 't64b';
-- late rows, and another look when nothing has changed
INSERT INTO apikey.usage (at, code, tenant_id) SELECT '2068-01-01 00:00+00', 'VALID', :t64b FROM generate_series(1, 300);
DELETE FROM apikey.usage_sweep; -- what the statistics of the commit would do
SELECT pg_temp.housekeep();
SELECT * FROM pg_temp.rows() WHERE leaf = 'apikey.usage_20680101' AND tenant = 't64b';
SELECT apikey._task_retention();
-- a class of one's own below
SELECT apikey.assign_usage_class('t64/eu', 'short');
SELECT pg_temp.housekeep();
SELECT * FROM pg_temp.rows() WHERE leaf = 'apikey.usage_20680101';
-- a day later a tenant that was moved is noticed
UPDATE apikey.tenant SET parent_id = :t64b WHERE tenant_id = :eu;
SELECT apikey.assign_usage_class('t64b/eu', NULL);
SELECT pg_temp.housekeep();
-- the default, 90 days: all others go, and a leaf in which nobody is left
SELECT pg_temp.clock('2068-04-05 00:00+00') \gset
SELECT pg_temp.housekeep();
SELECT * FROM pg_temp.rows();
SELECT leaf FROM leaves;
-- and the class at last
SELECT pg_temp.clock('2069-02-05 00:00+00') \gset
SELECT pg_temp.housekeep();
SELECT * FROM pg_temp.rows();
SELECT leaf FROM leaves;
SELECT pg_temp.clock('2069-02-05 23:59+00') \gset
SELECT pg_temp.housekeep();
SELECT leaf FROM leaves;
-- for ever, but for those of a class
ROLLBACK TO filled;
SELECT pg_temp.clock('2068-12-31 00:00+00') \gset
SET LOCAL apikey.usage_retention = 0;
SELECT apikey.drop_old_partitions();
SELECT pg_temp.housekeep();
SELECT * FROM pg_temp.rows();
-- the clock goes back: nothing comes back, nothing more goes
SELECT pg_temp.clock('2068-01-01 12:00+00') \gset
SELECT pg_temp.housekeep();
SELECT sum(rows) FROM pg_temp.rows();
-- in small steps
ROLLBACK TO filled;
SELECT pg_temp.clock('2068-01-04 12:00+00') \gset
DO $$
DECLARE
	steps integer := 0;
	total integer := 0;
BEGIN
	WHILE apikey._sweep_usage(1) > 0 LOOP
		steps := steps + 1;
	END LOOP;
	RAISE WARNING 'many steps: %', steps > 20;
END $$;
SELECT * FROM pg_temp.rows() WHERE tenant = 't64b';
SELECT bool_and(next_page IS NULL) AS finished, sum(removed) AS removed FROM apikey.usage_sweep s JOIN leaves l ON l.leaf::regclass = s.leaf;
ROLLBACK;

-- kept, detached: of no more use to strangers than before
BEGIN;
SELECT pg_temp.clock('2068-01-01 12:00+00') \gset
SELECT apikey.ensure_partitions();
INSERT INTO apikey.usage (at, code, tenant_id) VALUES ('2068-01-01 01:00+00', 'VALID', :t64), ('2068-01-01 02:00+00', 'VALID', :t64b), ('2068-01-01 02:00+00', 'NOT_FOUND', NULL), ('2068-01-02 02:00+00', 'VALID', :t64);
SELECT apikey.assign_usage_class('t64', NULL), apikey.assign_usage_class('t64b', NULL);
SET LOCAL apikey.partition_archive = on;
CREATE OR REPLACE FUNCTION apikey._counted(leaf regclass) RETURNS boolean LANGUAGE sql AS 'SELECT true'; -- as above
SELECT pg_temp.clock('2068-04-01 00:00+00') \gset
SELECT apikey.drop_old_partitions() > 0 AS removed;
SELECT leaf FROM leaves;
SELECT * FROM apikey.usage_archive WHERE leaf LIKE 'usage_2068%';
SELECT after ? 'archived' AS archived FROM apikey.audit_log WHERE action = 'usage.drop_partitions';
SELECT payload FROM apikey.event WHERE type = 'usage.archive' AND payload ->> 'leaf' LIKE 'usage_2068%';
SELECT relrowsecurity, relforcerowsecurity, relispartition FROM pg_class WHERE oid = 'apikey.usage_20680101'::regclass;
SET LOCAL ROLE t64_analyst;
SELECT at, code FROM apikey.usage_20680101;
SELECT has_table_privilege('apikey.usage_archive', 'SELECT') AS of_all_tenants;
RESET ROLE;
-- access is given and taken there, too
SELECT apikey.revoke_access('t64_other', 'analyst', 't64b');
SELECT has_table_privilege('t64_other', 'apikey.usage_20680101', 'SELECT') AS other, has_table_privilege('t64_analyst', 'apikey.usage_20680101', 'SELECT') AS analyst;
SELECT apikey.grant_access('t64_other', 'analyst', 't64b');
SELECT has_table_privilege('t64_other', 'apikey.usage_20680101', 'SELECT') AS other;
-- back, for a while
SAVEPOINT s;
SELECT apikey.attach_partition(NULL);
ROLLBACK TO s;
SELECT apikey.attach_partition('usage_20680102');
ROLLBACK TO s;
SELECT apikey.attach_partition('tenant');
ROLLBACK TO s;
SELECT apikey.attach_partition('usage_20680101', '1 minute');
ROLLBACK TO s;
GRANT SELECT ON apikey.usage_20680101 TO PUBLIC;
ALTER TABLE apikey.usage_20680101 DISABLE ROW LEVEL SECURITY;
SELECT apikey.attach_partition('usage_20680101', '2 days');
SELECT relrowsecurity, relispartition, has_table_privilege('public', oid, 'SELECT') AS public FROM pg_class WHERE oid = 'apikey.usage_20680101'::regclass;
SELECT count(*) FROM apikey.usage WHERE at < '2068-01-02' AND at > '2067-01-01';
SELECT pg_temp.housekeep();
SELECT leaf FROM leaves;
SELECT apikey.attach_partition('usage_20680101', '3 days');
SELECT pg_temp.clock('2068-04-04 00:00+00') \gset
SELECT pg_temp.housekeep();
SELECT leaf FROM leaves;
SELECT leaf, detached_at, attached_until FROM apikey.usage_archive WHERE leaf LIKE 'usage_2068%';
-- what was kept is kept, also where nothing is any more
SAVEPOINT s;
SET LOCAL apikey.partition_archive = off;
SELECT apikey.attach_partition('usage_20680101', '1 day');
SELECT pg_temp.clock('2068-04-06 00:00+00') \gset
SELECT pg_temp.housekeep();
SELECT leaf, attached_until, to_regclass('apikey.' || leaf) IS NOT NULL AS there FROM apikey.usage_archive WHERE leaf LIKE 'usage_2068%';
SELECT leaf FROM leaves;
-- another one that is back has its time
SET LOCAL apikey.partition_width = 'month';
SELECT apikey._ensure_partition_for('2068-01-10 03:00+00', '2068-01-10 03:00+00');
SET LOCAL apikey.partition_archive = on;
SELECT pg_temp.clock('2068-06-01 00:00+00') \gset
SELECT pg_temp.housekeep();
SELECT apikey.attach_partition('usage_206801', '1 day');
SELECT apikey.attach_partition('usage_20680101');
ROLLBACK TO s;
-- a late row has taken its place
INSERT INTO apikey.usage_20680101 (at, code) VALUES ('2068-01-01 05:00+00', 'VALID');
SELECT apikey._ensure_partition_for('2068-01-01 03:00+00', '2068-01-01 03:00+00');
SELECT leaf FROM leaves;
SAVEPOINT s;
SELECT apikey.attach_partition('usage_20680101');
ROLLBACK TO s;
-- copied out and dropped
DROP TABLE apikey.usage_20680102;
SET LOCAL apikey.usage_retention = 0;
SELECT pg_temp.housekeep();
SELECT leaf FROM apikey.usage_archive WHERE leaf LIKE 'usage_2068%';
ROLLBACK;

-- names that are taken, of tables and of types
BEGIN;
CREATE TABLE apikey.usage_20680301 ();
CREATE TYPE apikey.usage_20680301000000_20680302000000 AS ENUM ();
CREATE VIEW apikey.usage_20680301000000_20680302000000_2 AS SELECT 1 AS one;
SELECT apikey._ensure_partition_for('2068-03-01 05:00+00', '2068-03-02 05:00+00');
SELECT leaf FROM leaves;
ROLLBACK;

-- an old snapshot does not show what is not counted
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT apikey.drop_old_partitions();
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT apikey._sweep_usage(1);
ROLLBACK;

-- nobody looks whether all is counted while everybody waits for usage
BEGIN;
SELECT apikey._ensure_partition_for('2067-03-01 05:00+00', '2067-03-01 05:00+00');
CREATE TEMP TABLE looks (n serial, usage_locked boolean) ON COMMIT DROP;
CREATE OR REPLACE FUNCTION apikey._counted(leaf regclass) RETURNS boolean LANGUAGE sql AS $$
	INSERT INTO pg_temp.looks (usage_locked) SELECT EXISTS (
		SELECT FROM pg_locks l
		WHERE l.pid = pg_backend_pid() AND l.relation = 'apikey.usage'::regclass AND l.mode = 'AccessExclusiveLock');
	SELECT true $$;
SELECT apikey._remove_leaves(ARRAY['apikey.usage_20670301'::regclass], 1);
SELECT usage_locked FROM looks ORDER BY n;
SELECT leaf FROM leaves;
ROLLBACK;

SELECT apikey.revoke_access('t64_admin', 'admin', 't64'), apikey.revoke_access('t64_analyst', 'analyst', 't64'), apikey.revoke_access('t64_other', 'analyst', 't64b');
SELECT apikey.assign_usage_class('t64', NULL), apikey.assign_usage_class('t64b', NULL);
SELECT apikey.set_usage_class('gold', NULL), apikey.set_usage_class('short', NULL);
SELECT count(*) FROM apikey.usage_class;
DROP ROLE t64_admin, t64_analyst, t64_other;
