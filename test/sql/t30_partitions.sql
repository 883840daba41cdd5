-- Leaves of apikey.usage: made ahead, protected, never members of the
-- extension, dropped by age.  All in transactions that are rolled back, so
-- that the leaves of the present are left alone.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, true) $$;
CREATE VIEW pg_temp.leaves AS SELECT leaf::text, starts_at, ends_at FROM apikey._usage_leaves() WHERE starts_at >= '2067-01-01' AND ends_at < '2088-01-01' ORDER BY starts_at;
-- settings that only a superuser may override for a session are faked: the
-- real ones are read from the configuration file
CREATE FUNCTION pg_temp.width(width text) RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
	EXECUTE format($$CREATE OR REPLACE FUNCTION apikey._setting(name text, fallback text) RETURNS text LANGUAGE sql STABLE AS $x$ SELECT CASE name WHEN 'partition_width' THEN %L ELSE fallback END $x$ $$, width);
END $f$;

-- the present and three ahead; nothing the second time
BEGIN;
SELECT pg_temp.clock('2068-02-27 23:30+00') \gset
SELECT apikey.ensure_partitions();
SELECT * FROM leaves;
SELECT apikey.ensure_partitions();
SELECT pg_temp.clock('2068-02-28 00:00+00') \gset
SELECT apikey.ensure_partitions();
-- indexes, row level security, policy, no member of the extension
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'apikey.usage_20680227'::regclass ORDER BY 1;
SELECT relrowsecurity, relforcerowsecurity, relowner = (SELECT relowner FROM pg_class WHERE oid = 'apikey.usage'::regclass) AS owner FROM pg_class WHERE oid = 'apikey.usage_20680227'::regclass;
SELECT polname, polcmd, polroles, pg_get_expr(polqual, polrelid) = (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 'apikey.usage'::regclass) AS same FROM pg_policy WHERE polrelid = 'apikey.usage_20680227'::regclass;
SELECT count(*) FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = 'apikey.usage_20680227'::regclass AND deptype = 'e';
-- rows go where they belong
INSERT INTO apikey.usage (at, code) VALUES ('2068-02-27 12:00+00', 'VALID'), ('2068-02-29 00:00+00', 'EXPIRED');
SELECT tableoid::regclass, at, code FROM apikey.usage WHERE at > '2068-01-01' ORDER BY at;
-- what the writer asks for: a gap is filled, neighbours are not overlapped
SELECT apikey._ensure_partition_for('2068-02-25 10:00+00', '2068-02-27 10:00+00');
SELECT apikey._ensure_partition_for('2068-02-25 10:00+00', '2068-02-27 10:00+00');
-- another width later
SELECT pg_temp.width('month');
SELECT apikey._ensure_partition_for('2068-01-15', '2068-03-15');
SELECT pg_temp.width('hour');
SELECT apikey._ensure_partition_for('2068-03-31 23:30', '2068-04-01 00:30');
SELECT pg_temp.width('week');
SELECT apikey._ensure_partition_for('2068-04-01 02:00', '2068-04-20 00:30');
SELECT pg_temp.width('day');
SELECT apikey._ensure_partition_for('2068-05-01', '2068-05-01');
SELECT pg_temp.width('month');
SELECT apikey._ensure_partition_for('2068-05-20', '2068-05-20');
SELECT * FROM leaves;
-- bounded: each leaf takes locks
SELECT pg_temp.width('hour');
SELECT apikey._ensure_partition_for('2078-01-01', '2078-12-31');
ROLLBACK;
SELECT count(*) FROM leaves;

-- as if a hostile ALTER DEFAULT PRIVILEGES had come first; the grants of the
-- parent are the leaf's
CREATE ROLE t30_reader;
CREATE ROLE t30_stranger;
BEGIN;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO t30_stranger, PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA apikey GRANT SELECT ON TABLES TO t30_stranger;
SELECT apikey.grant_access('t30_reader', 'analyst');
SELECT pg_temp.clock('2068-02-27 23:30+00') \gset
SELECT apikey.ensure_partitions();
SELECT a.privilege_type, pg_get_userbyid(a.grantee) = 't30_reader' AS reader, count(*) FROM leaves l JOIN pg_class c ON c.oid = l.leaf::regclass CROSS JOIN aclexplode(c.relacl) a
 WHERE a.grantee <> c.relowner AND (a.grantee = 0 OR pg_get_userbyid(a.grantee) ~ '^t30') GROUP BY 1, 2;
ROLLBACK;
-- the order the other way round: granted when leaves are there
BEGIN;
SELECT pg_temp.clock('2068-02-27 23:30+00') \gset
SELECT apikey.ensure_partitions();
SELECT apikey.grant_access('t30_reader', 'analyst');
SELECT bool_and(has_table_privilege('t30_reader', leaf, 'SELECT')) AS readable, bool_or(has_table_privilege('t30_stranger', leaf, 'SELECT')) AS by_strangers FROM leaves;
SELECT apikey.revoke_access('t30_reader', 'analyst');
SELECT bool_or(has_table_privilege('t30_reader', leaf, 'SELECT')) AS readable FROM leaves;
ROLLBACK;
DROP ROLE t30_reader, t30_stranger;

-- retention: what ended longer ago, oldest first
BEGIN;
SELECT pg_temp.clock('2068-01-01 12:00+00') \gset
SELECT apikey.ensure_partitions();
SELECT pg_temp.clock('2068-04-01 00:00+00') \gset
SELECT apikey.drop_old_partitions() > 0 AS dropped;
SELECT * FROM leaves;
SELECT apikey.drop_old_partitions();
SELECT pg_temp.clock('2068-04-03 00:00+00') \gset
SELECT apikey._task_retention() AS one, apikey._task_retention() AS another, apikey._task_retention() AS none;
SELECT leaf FROM leaves;
SELECT action, object, before, after ? 'dropped' AS after FROM apikey.audit_log WHERE action = 'usage.drop_partitions';
ROLLBACK;

SELECT apikey._ensure_partition_for(NULL, now());
SELECT apikey._ensure_partition_for('infinity', 'infinity');
SELECT apikey._ensure_partition_for('2068-01-02', '2068-01-01');

-- a leaf that is not protected is found
BEGIN;
SELECT pg_temp.clock('2068-01-01 12:00+00') \gset
SELECT item, detail FROM apikey.check_setup() WHERE item = 'partitions';
SELECT apikey.ensure_partitions();
SELECT item, detail FROM apikey.check_setup() WHERE item = 'partitions';
SELECT pg_temp.clock('2068-01-04 12:00+00') \gset
SELECT item, detail FROM apikey.check_setup() WHERE item = 'partitions';
ALTER TABLE apikey.usage_20680102 NO FORCE ROW LEVEL SECURITY;
SELECT item, detail FROM apikey.check_setup() WHERE item = 'partitions';
INSERT INTO apikey.usage (at, code) VALUES ('2068-01-04 12:06+00', 'VALID');
SELECT item, detail FROM apikey.check_setup() WHERE item = 'clock';
ROLLBACK;
