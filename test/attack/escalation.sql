Ways to get more rights, to change what others own, or to make somebody with
more rights do it.  Expectations as in reads.sql; "own" is what is allowed.

--- become a superuser | denied
SET ROLE postgres;
--- become the owner of B | denied
SET ROLE regress_atk_rival;
--- become somebody who may become the owner of B | denied
SET ROLE regress_atk_two;
--- be a superuser from the start | denied
SET SESSION AUTHORIZATION postgres;
--- be the owner of B from the start | denied
SET SESSION AUTHORIZATION regress_atk_rival;
--- make oneself a superuser | denied
ALTER ROLE CURRENT_USER SUPERUSER;
--- pass by row security | denied
ALTER ROLE CURRENT_USER BYPASSRLS;
--- make a role | denied
CREATE ROLE regress_atk_new SUPERUSER;
--- join the owner of B | denied
GRANT regress_atk_rival TO CURRENT_USER;
--- join those who read all | denied
GRANT pg_read_all_data TO CURRENT_USER;
--- take over what others own | denied
REASSIGN OWNED BY postgres TO CURRENT_USER;
--- drop what others own | denied
DROP OWNED BY postgres;
--- rename the owner of B | denied
ALTER ROLE regress_atk_rival RENAME TO regress_atk_x;
--- settings of the server | denied
ALTER SYSTEM SET apikey.usage_wait = 0;
--- settings of the database | denied
ALTER DATABASE postgres SET apikey.test_now = '0';
--- settings of others | denied
ALTER ROLE postgres SET search_path = public;
--- the test clock | denied
SET apikey.test_now = '0';
--- the test clock, for the transaction | denied
BEGIN; SET LOCAL apikey.test_now = '4000000000'; COMMIT;
--- the test clock, by function | denied
SELECT set_config('apikey.test_now', '0', false);
--- the test clock, through the view of settings | denied
UPDATE pg_settings SET setting = '0' WHERE name = 'apikey.usage_wait';
--- the test clock, for the own role | denied
ALTER ROLE CURRENT_USER SET apikey.test_now = '0';
--- the test clock, for a function | denied
CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql SET apikey.test_now = '0' AS 'SELECT 1'; SELECT pg_temp.f();
--- the right to set the test clock | denied
GRANT SET ON PARAMETER apikey.test_now TO CURRENT_USER;
--- recording that waits for the disk | denied
SET apikey.usage_sync = on;
--- recording that waits for nothing | denied
SET apikey.usage_wait = 0;
--- the master key | denied 42501,55P02
SET apikey.master_key_file = '/etc/passwd';
--- the command for the master key | denied 42501,55P02
SET apikey.master_key_command = 'id > /tmp/regress_atk';
--- where the master key is | denied
SHOW apikey.master_key_file;
--- where the former master key is | denied
SELECT current_setting('apikey.previous_master_key_command');
--- a setting nobody knows | denied 42602,42501
SET apikey.nonsense = 1;
--- settings of the writer | denied 42501,55P02
SET apikey.usage_retention = 1;
--- the schema's own settings | denied
SET session_preload_libraries = 'apikey';
--- load the library | denied
LOAD 'apikey';
--- a function of the library | denied
CREATE FUNCTION public.mine(text) RETURNS text LANGUAGE c AS '$libdir/apikey', 'apikey_call';
--- a function of the library under the name of another | denied
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE c AS '$libdir/apikey', 'apikey_now';
--- who calls, forged | denied
CREATE FUNCTION public.mine() RETURNS oid LANGUAGE c AS '$libdir/apikey', 'apikey_caller';
--- an internal function of the server | denied
CREATE FUNCTION public.mine(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all';
--- a language without guards | denied 42501,58P01,0A000,42704
CREATE EXTENSION plperlu;
--- an event trigger | denied
BEGIN; CREATE FUNCTION public.mine() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION public.mine(); ROLLBACK;
--- end the writer | denied
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type LIKE 'apikey%' OR application_name LIKE 'apikey%';
--- read the configuration again | denied
SELECT pg_reload_conf();
--- reset the counters | denied
SELECT pg_stat_reset();
--- a checkpoint | denied
CHECKPOINT;
--- an advisory lock that others would wait for | own f
SELECT count(*) > 0 FROM pg_locks l, LATERAL pg_try_advisory_lock(l.classid::int, l.objid::int) t WHERE locktype = 'advisory' AND NOT granted;

--- a body: suspend a tenant | denied
SELECT apikey._suspend_tenant('<tenant>', 'x');
--- a body: revoke a key | denied
SELECT apikey._revoke_key(<key>, 'x', NULL, true);
--- a body: make a key | denied
SELECT apikey._new_secret('ak', 'live', 32, NULL);
--- a body: give oneself access | denied
SELECT apikey._grant_access(current_user, 'admin', '<tenant>');
--- a body: synchronize grants | denied
SELECT apikey._sync_grants('regress_atk_none'::regrole);
--- a body: an audit row of somebody else | denied
SELECT apikey._audit(<tid>, 'x', 'x', '{}', '{}');
--- a body: an event for B | denied
SELECT apikey._event(<tid>, 'x', <key>, '{}');
--- a body: a task | denied
SELECT apikey._task_revocations();
--- a body: activity of others | denied
SELECT apikey._flush_activity('{<key>}', '{<tid>}', ARRAY[now()], ARRAY[now()], '{127.0.0.1}', '{1}', '{0}', '{0}');
--- a body: who calls | denied
SELECT apikey._caller();
--- a body: what a key holds | denied
SELECT * FROM apikey._key_infos('{<key>}');
--- a body: the tenant of a path | denied
SELECT apikey._tenant_id('<tenant>', 'any');
--- a body: the path of a tenant | denied
SELECT apikey._path(<tid>);
--- a body: a data key | denied
SELECT apikey._make_data_key();
--- a body: a data key in the clear | denied
SELECT apikey._rewrap(true, 'x', 'x', true);
--- a body: a leaf of usage | denied
SELECT apikey._create_usage_leaf('x', now(), now());
--- a body: approve a key | denied
SELECT apikey._approve_key(<asked>);
--- a body: who asked is somebody else | denied
SELECT apikey._asked_for(<asked>);
--- a body: a second factor given | denied
SELECT apikey._mark_stepped_up(current_user::text::regrole::oid);
--- a body: whether one was given | denied
SELECT apikey._stepped_up(current_user::text::regrole::oid);
--- a body: a code | denied
SELECT apikey._totp_code('x', 1, 6);
--- a body: a code tried on another role | denied
SELECT apikey._take_code('regress_atk_rival'::regrole, '000000', 1, 'x', 'regress_atk_rival'::regrole, 1, 1);
--- a body: the second factor of another role | denied
SELECT apikey._totp('regress_atk_rival'::regrole);
--- a body: recorded requests replayed | denied
SELECT * FROM apikey._preview(1, NULL, now(), now(), 1);
--- a body: a change of a policy without looking back | denied
SELECT apikey._check_denials(1, NULL, true);
--- a body: who belongs to a tenant | denied
SELECT apikey._is_member('regress_atk_rival'::regrole);
--- a body: many keys revoked | denied
SELECT apikey._revoke_keys('<tenant>', NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, true);
--- a body: a tenant moved | denied
SELECT apikey._move_tenant('<tenant>', '<own_tenant>');
--- no second factor for anybody | denied 42501,55P02
SET apikey.step_up = off;
--- no second factor for the own role | denied 42501,55P02
ALTER ROLE CURRENT_USER SET apikey.step_up = off;
--- a body through a name of one's own | denied
CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql AS $$ SELECT apikey._lock('grants') $$; SELECT pg_temp.f();
--- a body through a definer function of one's own | denied
CREATE FUNCTION pg_temp.f() RETURNS text SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN RETURN apikey._path(<tid>); END $$; SELECT pg_temp.f();
--- a body through an operator | denied
CREATE OPERATOR public.@#@ (PROCEDURE = apikey._tenant_id, LEFTARG = text, RIGHTARG = text);
--- a body through an aggregate | denied
CREATE AGGREGATE public.mine (text) (SFUNC = pg_catalog.textcat, STYPE = text, FINALFUNC = apikey._shown);
--- a body through a cast | denied
CREATE CAST (text AS oid) WITH FUNCTION apikey._caller();
--- a body in a default | denied 42501
CREATE TEMP TABLE x (a int, b text DEFAULT apikey._shown('x')); INSERT INTO x (a) VALUES (1);
--- a body in a check | denied 42501
CREATE TEMP TABLE x (a bigint CHECK (apikey._path(a) IS NULL)); INSERT INTO x VALUES (<tid>);
--- a body as an estimator | denied 42501,42883
CREATE OPERATOR public.@#@ (PROCEDURE = pg_catalog.texteq, LEFTARG = text, RIGHTARG = text, RESTRICT = apikey._may);

--- access for oneself: admin | denied | none,verifier,analyst,auditor,operator
SELECT apikey.grant_access(current_user, 'admin', '<own_tenant>');
--- access for oneself: to the parent | denied 42501,42704 | none,verifier,analyst,auditor,operator,admin
SELECT apikey.grant_access(current_user, 'admin', 'top');
--- access for oneself: to B | denied 42501,42704
SELECT apikey.grant_access(current_user, 'verifier', '<tenant>');
--- access for oneself: to all tenants | denied
SELECT apikey.grant_access(current_user, 'analyst');
--- access for oneself: to all tenants, NULL | denied
SELECT apikey.grant_access(current_user, 'analyst', NULL);
--- access for oneself: to the empty path | denied 42501,42704
SELECT apikey.grant_access(current_user, 'analyst', '');
--- access for everybody | denied 42501,22023
SELECT apikey.grant_access('public', 'analyst', '<own_tenant>');
--- access for PUBLIC | denied 42501,42704
SELECT apikey.grant_access('PUBLIC', 'analyst', '<own_tenant>');
--- access for a role that is not | denied 42501,42704
SELECT apikey.grant_access('none', 'analyst', '<own_tenant>');
--- access for a role by a name in quotes | denied 42501,42704
SELECT apikey.grant_access('"regress_atk_none"', 'analyst', '<own_tenant>');
--- access for a role by injection | denied 42501,42704
SELECT apikey.grant_access('regress_atk_none; ALTER ROLE regress_atk_none SUPERUSER; --', 'analyst', '<own_tenant>');
--- access of a kind that is not | denied 42501,22023
SELECT apikey.grant_access('regress_atk_none', 'superuser', '<own_tenant>');
--- access of no kind | denied 42501,22023
SELECT apikey.grant_access('regress_atk_none', NULL, '<own_tenant>');
--- access of a kind by injection | denied 42501,22023
SELECT apikey.grant_access('regress_atk_none', 'admin'' OR true; --', '<own_tenant>');
--- access for a name that needs quotes | own t|t|f | admin,above
BEGIN; SELECT apikey.grant_access(rolname, 'analyst', '<own_tenant>'), has_table_privilege(rolname, 'apikey.usage', 'SELECT'), has_table_privilege(rolname, 'apikey.api_key', 'SELECT') FROM pg_roles WHERE rolname LIKE 'regress_atk o''dd%'; ROLLBACK;
--- access for a superuser | own t | admin,above
BEGIN; SELECT apikey.grant_access('postgres', 'analyst', '<own_tenant>'); ROLLBACK;
--- access for a predefined role | own t | admin,above
BEGIN; SELECT apikey.grant_access('pg_read_all_data', 'analyst', '<own_tenant>'); ROLLBACK;
--- access for the owner of B, who keeps his own | own t | admin,above
BEGIN; SELECT apikey.grant_access('regress_atk_rival', 'verifier', '<own_tenant>'); SELECT apikey.revoke_access('regress_atk_rival', 'verifier', '<own_tenant>'); ROLLBACK;
--- access taken from the owner of B | denied 42501,42704
SELECT apikey.revoke_access('regress_atk_rival', 'admin', '<tenant>');
--- access taken from the owner of B, where he has none | own f | admin,above
SELECT apikey.revoke_access('regress_atk_rival', 'admin', '<own_tenant>');
--- access taken from the parent's admin | own f | admin
SELECT apikey.revoke_access('regress_atk_above', 'admin', '<own_tenant>');
--- access taken from all | denied
SELECT apikey.revoke_access('regress_atk_all', 'admin');
--- a tenant without a parent | denied
SELECT apikey.create_tenant('root');
--- a tenant beside the own one | denied 42501,42704 | none,verifier,analyst,auditor,operator,admin
SELECT apikey.create_tenant('beside', 'top');
--- the own tenant resumed | denied | none,verifier,analyst,auditor,operator,admin
SELECT apikey.resume_tenant('<own_tenant>');
--- the block list of all | denied
SELECT apikey.block_ip('0.0.0.0/0');
--- the keyring | denied
SELECT apikey.rewrap_keyring(true);
--- all partitions | denied
SELECT apikey.drop_old_partitions();
--- a limit of one's own that is higher than the parent's | own t | admin,above
BEGIN; SELECT apikey.create_tenant('wide', '<own_tenant>', max_keys => 9000000000000000000) > 0; ROLLBACK;

--- write a table: insert | denied
INSERT INTO apikey.tenant (name) VALUES ('x');
--- write a table: update | denied
UPDATE apikey.api_key SET status = 'active';
--- write a table: delete | denied
DELETE FROM apikey.audit_log;
--- write a table: truncate | denied
TRUNCATE apikey.usage;
--- write a table: merge | denied
MERGE INTO apikey.tenant t USING (VALUES (1)) v ON false WHEN NOT MATCHED THEN INSERT (name) VALUES ('x');
--- write a table: on conflict | denied
INSERT INTO apikey.member (tenant_id, role_name, role_oid, system_identifier, access, granted_by) VALUES (<tid>, current_user, 0, 0, 'admin', 'x') ON CONFLICT DO NOTHING;
--- write a leaf | denied
INSERT INTO <leaf> (at, code) VALUES (now(), 'VALID');
--- delete from a leaf | denied
DELETE FROM <leaf>;
--- write through a view | denied
CREATE VIEW pg_temp.v AS SELECT * FROM apikey.api_key; UPDATE pg_temp.v SET status = 'active';
--- write through the view of keys | denied 42501,55000
UPDATE apikey.key SET name = 'x';
--- lock a table | denied
BEGIN; LOCK TABLE apikey.tenant IN ROW EXCLUSIVE MODE; COMMIT;
--- lock a table against everybody | denied
BEGIN; LOCK TABLE apikey.member IN ACCESS EXCLUSIVE MODE; COMMIT;
--- lock a leaf | denied
BEGIN; LOCK TABLE <leaf> IN SHARE MODE; COMMIT;
--- a foreign key to a table | denied
CREATE TABLE public.x (t bigint REFERENCES apikey.tenant);
--- a trigger on a table | denied
CREATE TRIGGER x BEFORE INSERT ON apikey.api_key EXECUTE FUNCTION suppress_redundant_updates_trigger();
--- a trigger on a leaf | denied
CREATE TRIGGER x BEFORE INSERT ON <leaf> FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
--- a rule on a table | denied
CREATE RULE x AS ON INSERT TO apikey.api_key DO INSTEAD NOTHING;
--- an index on a table | denied
CREATE INDEX ON apikey.api_key (name);
--- statistics on a table | denied
CREATE STATISTICS public.x ON name, owner FROM apikey.api_key;
--- a policy on a table | denied
CREATE POLICY x ON apikey.api_key USING (true);
--- a policy changed | denied
ALTER POLICY api_key_read ON apikey.api_key USING (true);
--- a policy dropped | denied
DROP POLICY usage_read ON apikey.usage;
--- row security off for a table | denied
ALTER TABLE apikey.api_key DISABLE ROW LEVEL SECURITY;
--- row security not forced | denied
ALTER TABLE <leaf> NO FORCE ROW LEVEL SECURITY;
--- an owner for a table | denied
ALTER TABLE apikey.api_key OWNER TO CURRENT_USER;
--- a column | denied
ALTER TABLE apikey.api_key ADD x text;
--- a partition attached | denied
BEGIN; CREATE TABLE public.x (at timestamptz); ALTER TABLE apikey.usage ATTACH PARTITION public.x FOR VALUES FROM ('2000-01-01') TO ('2000-01-02'); ROLLBACK;
--- a partition made | denied
CREATE TABLE public.x PARTITION OF apikey.usage FOR VALUES FROM ('2000-01-01') TO ('2000-01-02');
--- a partition taken away | denied
ALTER TABLE apikey.usage DETACH PARTITION <leaf>;
--- a child table | denied
CREATE TABLE public.x () INHERITS (apikey.api_key);
--- a leaf dropped | denied
DROP TABLE <leaf>;
--- a table dropped | denied
DROP TABLE apikey.keyring CASCADE;
--- clustered | denied
CLUSTER apikey.api_key USING api_key_pkey;
--- indexes made anew | denied
REINDEX TABLE apikey.api_key;
--- the view replaced | denied
CREATE OR REPLACE VIEW apikey.key AS SELECT 1;
--- the view's owner rights | denied
ALTER VIEW apikey.key RESET (security_invoker);
--- a sequence reset | denied
ALTER SEQUENCE apikey.api_key_key_id_seq RESTART;
--- analyzed, which is skipped | clean
ANALYZE apikey.api_key;
--- vacuumed, which is skipped | clean
VACUUM (FULL) apikey.api_key;

--- an object in the schema: table | denied
CREATE TABLE apikey.x (x int);
--- an object in the schema: view | denied
CREATE VIEW apikey.x AS SELECT 1;
--- an object in the schema: function that is called instead | denied
CREATE FUNCTION apikey._may(varchar, int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
--- an object in the schema: operator | denied
CREATE OPERATOR apikey.= (PROCEDURE = pg_catalog.texteq, LEFTARG = text, RIGHTARG = text);
--- an object in the schema: type | denied
CREATE TYPE apikey.x AS (x int);
--- an object in the schema: domain | denied
CREATE DOMAIN apikey.x AS int;
--- an object in the schema: sequence | denied
CREATE SEQUENCE apikey.x;
--- an object in the schema: aggregate | denied
CREATE AGGREGATE apikey.x (int) (SFUNC = int4pl, STYPE = int);
--- an object in the schema: materialized view | denied
CREATE MATERIALIZED VIEW apikey.x AS SELECT 1;
--- an object in the schema: collation | denied
CREATE COLLATION apikey.x FROM "C";
--- an object in the schema: text search | denied
CREATE TEXT SEARCH DICTIONARY apikey.x (TEMPLATE = simple);
--- an object in the schema: a table that is moved there | denied
BEGIN; CREATE TABLE public.x (x int); ALTER TABLE public.x SET SCHEMA apikey; ROLLBACK;
--- an object in the schema: a function that is moved there | denied
BEGIN; CREATE FUNCTION public._tenant_id(text, text) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'; ALTER FUNCTION public._tenant_id(text, text) SET SCHEMA apikey; ROLLBACK;
--- an object of the schema: function replaced | denied
CREATE OR REPLACE FUNCTION apikey._may(class text, tenant_id bigint) RETURNS boolean LANGUAGE sql AS 'SELECT true';
--- an object of the schema: function renamed | denied
ALTER FUNCTION apikey._may(text, bigint) RENAME TO may;
--- an object of the schema: function's settings | denied
ALTER FUNCTION apikey._tenant_id(text, text) SET search_path = public;
--- an object of the schema: function made definer | denied
ALTER FUNCTION apikey.verify SECURITY DEFINER;
--- an object of the schema: function dropped | denied
DROP FUNCTION apikey.revoke_key CASCADE;
--- an object of the schema: type changed | denied
ALTER TYPE apikey.verdict ADD ATTRIBUTE x text;
--- an object of the schema: type dropped | denied
DROP TYPE apikey.verdict CASCADE;
--- the schema: renamed | denied
ALTER SCHEMA apikey RENAME TO x;
--- the schema: owner | denied
ALTER SCHEMA apikey OWNER TO CURRENT_USER;
--- the schema: dropped | denied
DROP SCHEMA apikey CASCADE;
--- the extension: dropped | denied
DROP EXTENSION apikey CASCADE;
--- the extension: updated | denied
ALTER EXTENSION apikey UPDATE;
--- the extension: something taken out | denied
ALTER EXTENSION apikey DROP FUNCTION apikey._may(text, bigint);
--- the extension: something put in | denied
BEGIN; CREATE FUNCTION public.x() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER EXTENSION apikey ADD FUNCTION public.x(); ROLLBACK;
--- the extension: moved | denied 42501,0A000
ALTER EXTENSION apikey SET SCHEMA public;
--- the extension it needs: dropped | denied
DROP EXTENSION pgcrypto CASCADE;
--- a comment | denied
COMMENT ON TABLE apikey.api_key IS 'x';
--- a comment on a function | denied
COMMENT ON FUNCTION apikey.verify IS 'x';
--- grants: read the secrets | denied
GRANT SELECT ON apikey.key_secret TO PUBLIC;
--- grants: execute a body | denied
GRANT EXECUTE ON FUNCTION apikey._grant_access TO PUBLIC;
--- grants: everything in the schema | denied 42501
GRANT ALL ON ALL TABLES IN SCHEMA apikey TO PUBLIC;
--- grants: what one has oneself, passed on | clean
GRANT SELECT ON apikey.usage TO regress_atk_none; GRANT USAGE ON SCHEMA apikey TO regress_atk_none; GRANT EXECUTE ON FUNCTION apikey.verify TO regress_atk_none;
--- grants: taken from others | clean
REVOKE ALL ON apikey.usage FROM regress_atk_rival CASCADE; REVOKE ALL ON SCHEMA apikey FROM regress_atk_rival;
--- grants: defaults of the superuser | denied
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA apikey GRANT SELECT ON TABLES TO PUBLIC;
--- grants: defaults of the schema, for one's own objects only | clean
BEGIN; ALTER DEFAULT PRIVILEGES IN SCHEMA apikey GRANT ALL ON TABLES TO PUBLIC; ROLLBACK;
--- a trusted extension in the schema: the server lets whoever may make extensions | clean 58P01
BEGIN; CREATE EXTENSION hstore SCHEMA apikey; ROLLBACK;

--- the own revocation, prepared and left | own revoked | operator,admin,above
BEGIN; SELECT status FROM apikey.revoke_key(<own_key>); PREPARE TRANSACTION 'regress_atk'; ROLLBACK PREPARED 'regress_atk';
--- somebody else's prepared transaction | denied 42704
COMMIT PREPARED 'regress_atk_other';
--- everything dropped on the own side | clean
DISCARD ALL; RESET ALL; RESET ROLE; RESET SESSION AUTHORIZATION; SELECT current_user LIKE 'regress%';
--- a notification in the name of the extension | clean
NOTIFY apikey_event, 'x';
--- a large object | own 1
BEGIN; SELECT count(*) FROM (SELECT lo_create(0)) x; ROLLBACK;
