-- Who sees and may do what: five levels, two tenants, plain roles.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE ROLE "t28 Verifier";
CREATE ROLE t28_analyst;
CREATE ROLE t28_auditor;
CREATE ROLE t28_operator;
CREATE ROLE t28_admin;
CREATE ROLE t28_all_admin;
CREATE ROLE t28_all_analyst;
CREATE ROLE t28_group;
CREATE ROLE t28_person IN ROLE t28_group;
CREATE ROLE t28_nobody;

SELECT apikey.create_tenant('t28a') > 0 AND apikey.create_tenant('sub', parent => 't28a') > 0 AND apikey.create_tenant('t28b') > 0 AS tenants;
SELECT apikey.create_policy('t28a', 'rules') > 0 AND apikey.create_policy('t28b', 'rules') > 0 AS policies;
SELECT bool_and(apikey.create_environment(t, 'prod') > 0) AS environments FROM unnest('{t28a,t28a/sub,t28b}'::text[]) t;
SELECT bool_and(apikey.create_role(t, 'reader', '{a:read}') > 0) AS roles FROM unnest('{t28a,t28a/sub,t28b}'::text[]) t;
CREATE TABLE public.t28_keys AS SELECT t AS tenant, k.* FROM unnest('{t28a,t28a/sub,t28b}'::text[]) t, LATERAL apikey.create_key(t, 'prod', name => 'key of ' || t, owner => t, roles => '{reader}', policy => CASE t WHEN 't28a/sub' THEN NULL ELSE 'rules' END) k;
GRANT SELECT ON public.t28_keys TO PUBLIC;
SELECT apikey.block_ip('198.18.28.0/24', t) > 0 AS blocked FROM unnest('{t28a,t28b,NULL}'::text[]) t;
SELECT count(*) AS verified FROM t28_keys, LATERAL apikey.verify(key) v WHERE v.valid;
SELECT code FROM apikey.verify('not a key');
SELECT apikey.flush_usage('180 s');

SELECT apikey.grant_access('t28 Verifier', 'verifier', 't28a'), apikey.grant_access('t28_analyst', 'analyst', 't28a'), apikey.grant_access('t28_auditor', 'auditor', 't28a'),
       apikey.grant_access('t28_operator', 'operator', 't28a'), apikey.grant_access('t28_admin', 'admin', 't28a'), apikey.grant_access('t28_all_admin', 'admin'),
       apikey.grant_access('t28_all_analyst', 'analyst'), apikey.grant_access('t28_group', 'auditor', 't28b');
SELECT apikey.grant_access('t28_admin', 'admin', 't28a') AS again;
SELECT role_name, access, apikey.tenant_path(tenant_id) AS tenant, granted_by = current_user AS granted_by FROM apikey.member WHERE role_name ~ '^t28' ORDER BY 1;

-- what each level opens: a table of its own, compared cell by cell
CREATE FUNCTION public.t28_levels(kind text) RETURNS TABLE (object text, levels text) LANGUAGE sql AS $$
	SELECT o.object, string_agg(CASE WHEN o.open THEN o.level ELSE '.' END, ' ' ORDER BY o.pos)
	  FROM (SELECT c.relname::text AS object, l.level, l.pos, has_table_privilege(l.role, c.oid, 'SELECT') OR has_any_column_privilege(l.role, c.oid, 'SELECT,INSERT,UPDATE') AS open
	          FROM pg_class c, (VALUES ('t28 Verifier', 'verifier', 1), ('t28_analyst', 'analyst', 2), ('t28_auditor', 'auditor', 3), ('t28_operator', 'operator', 4), ('t28_admin', 'admin', 5), ('t28_all_analyst', 'all-analyst', 6), ('t28_all_admin', 'all-admin', 7), ('t28_nobody', 'nobody', 8)) l (role, level, pos)
	         WHERE kind = 'relation' AND c.relnamespace = 'apikey'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
	        UNION ALL
	        SELECT p.proname, l.level, l.pos, has_function_privilege(l.role, p.oid, 'EXECUTE')
	          FROM pg_proc p, (VALUES ('t28 Verifier', 'verifier', 1), ('t28_analyst', 'analyst', 2), ('t28_auditor', 'auditor', 3), ('t28_operator', 'operator', 4), ('t28_admin', 'admin', 5), ('t28_all_analyst', 'all-analyst', 6), ('t28_all_admin', 'all-admin', 7), ('t28_nobody', 'nobody', 8)) l (role, level, pos)
	         WHERE kind = 'function' AND p.pronamespace = 'apikey'::regnamespace) o
	 GROUP BY o.object HAVING bool_or(o.open) OR kind = 'relation' OR o.object !~ '^_'
	 ORDER BY o.object COLLATE "C"
$$;
SELECT * FROM t28_levels('relation');
SELECT * FROM t28_levels('function');
-- nothing but SELECT, and the leaves like their parent
SELECT DISTINCT a.privilege_type FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'apikey'::regnamespace AND a.grantee::regrole::text ~ 't28';
SELECT bool_and((SELECT array_agg(a.grantee ORDER BY 1) FROM aclexplode(c.relacl) a WHERE a.privilege_type = 'SELECT')
              = (SELECT array_agg(a.grantee ORDER BY 1) FROM pg_class u, aclexplode(u.relacl) a WHERE u.oid = 'apikey.usage'::regclass AND a.privilege_type = 'SELECT')) AS like_parent
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'apikey.usage'::regclass;

-- rows: those of the tenant and below, in every relation
CREATE FUNCTION public.t28_rows() RETURNS TABLE (relation text, tenants text) LANGUAGE plpgsql AS $$
BEGIN
	FOREACH relation IN ARRAY '{tenant,environment,policy,policy_version,role,api_key,key_role,key_activity,key,ip_block,event,audit_log,member,usage}'::text[] LOOP
		BEGIN
			EXECUTE format('SELECT string_agg(DISTINCT coalesce(n.name, ''(none)''), '' '') FROM apikey.%I r LEFT JOIN public.t28_names n USING (tenant_id) WHERE n.name IS NOT NULL OR tenant_id IS NULL', relation) INTO tenants;
		EXCEPTION WHEN insufficient_privilege THEN
			tenants := 'permission denied';
		END;
		RETURN NEXT;
	END LOOP;
END $$;
CREATE TABLE public.t28_names AS SELECT tenant_id, apikey.tenant_path(tenant_id) AS name FROM apikey.tenant WHERE apikey.tenant_path(tenant_id) ~ '^t28';
GRANT SELECT ON public.t28_names TO PUBLIC;
CREATE FUNCTION public.t28_leaves() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	seen text;
BEGIN
	EXECUTE (SELECT 'SELECT string_agg(DISTINCT n.name, '' '') FROM (' || string_agg(format('SELECT tenant_id FROM %s', i.inhrelid::regclass), ' UNION ALL ') || ') r JOIN public.t28_names n USING (tenant_id)'
	           FROM pg_inherits i WHERE i.inhparent = 'apikey.usage'::regclass) INTO seen;
	RETURN seen;
EXCEPTION WHEN insufficient_privilege THEN RETURN 'permission denied';
END $$;
SET ROLE "t28 Verifier";
SELECT string_agg(relation || ': ' || tenants, ', ') FROM t28_rows() WHERE tenants <> 'permission denied';
SELECT k.tenant, v.code, v.tenant AS says FROM t28_keys k, LATERAL apikey.verify(key) v ORDER BY 1;
SELECT t28_leaves();
SET ROLE t28_analyst;
SELECT * FROM t28_rows() WHERE tenants <> 'permission denied';
SELECT t28_leaves();
SELECT apikey.verify('x');
SET ROLE t28_auditor;
SELECT * FROM t28_rows();
SELECT t28_leaves();
SELECT name, tenant, environment, policy, roles FROM apikey.key ORDER BY 1;
SELECT t.tenant, apikey.tenant_path(n.tenant_id) AS path FROM t28_keys t JOIN t28_names n ON n.name = t.tenant ORDER BY 1;
SET ROLE t28_operator;
SELECT * FROM t28_rows();
SET ROLE t28_admin;
SELECT * FROM t28_rows();
SET ROLE t28_all_admin;
SELECT * FROM t28_rows();
SELECT t28_leaves();
SET ROLE t28_all_analyst;
SELECT * FROM t28_rows() WHERE tenants <> 'permission denied';
SET ROLE t28_person;
SELECT * FROM t28_rows();
SET ROLE t28_nobody;
SELECT * FROM apikey.tenant;
SELECT * FROM apikey.verify('x');
RESET ROLE;

-- what does not exist and what is another's read the same
SET ROLE t28_admin;
SELECT apikey.create_tenant('x', parent => 't28b');
SELECT apikey.create_tenant('x', parent => 't28c');
SELECT apikey.create_tenant('t28b');
SELECT apikey.create_tenant('t28c');
SELECT apikey.create_key('t28b', 'prod');
SELECT apikey.create_environment('t28b/x', 'prod');
SELECT apikey.set_policy('t28b', 'rules');
SELECT apikey.suspend_tenant('t28b');
SELECT apikey.grant_access('t28_nobody', 'admin', 't28b');
SELECT apikey.grant_access('t28_nobody', 'admin');
SELECT apikey.revoke_access('t28_all_admin', 'admin');
SELECT apikey.list_keys('t28b');
SELECT apikey.block_ip('10.0.0.0/8');
DO $$
DECLARE
	call text;
	foreign_id bigint := (SELECT key_id FROM t28_keys WHERE tenant = 't28b');
	foreign_secret bigint := (SELECT secret_id FROM t28_keys WHERE tenant = 't28b');
	msg text;
	reference text;
BEGIN
	FOREACH call IN ARRAY ARRAY['update_key($, name => ''x'')', 'suspend_key($)', 'resume_key($)', 'renew_key($, ''2050-01-01'')', 'rotate_key($)',
			'revoke_key($)', 'restore_key($)', 'delete_key($)', 'create_key(''t28a'', ''prod'', parent_key_id => $)', 'revoke_secret(#)'] LOOP
		BEGIN
			EXECUTE 'SELECT apikey.' || replace(replace(call, '$', foreign_id::text), '#', foreign_secret::text);
			RAISE WARNING '% went through', call;
		EXCEPTION WHEN OTHERS THEN
			msg := SQLSTATE || ' ' || regexp_replace(SQLERRM, '[0-9]+', 'N');
		END;
		BEGIN
			EXECUTE 'SELECT apikey.' || replace(replace(call, '$', '987654321'), '#', '987654321');
		EXCEPTION WHEN OTHERS THEN
			reference := SQLSTATE || ' ' || regexp_replace(SQLERRM, '[0-9]+', 'N');
		END;
		RAISE WARNING '%: % %', call, msg, CASE WHEN msg = reference THEN '(same as unknown)' ELSE 'BUT UNKNOWN IS ' || reference END;
	END LOOP;
END $$;
-- in its own tenant the level counts
SELECT (apikey.create_key('t28a/sub', 'prod', name => 'made by admin')).key_id > 0 AS created;
SELECT apikey.create_tenant('more', parent => 't28a/sub') > 0 AS created;
SELECT status FROM apikey.suspend_tenant('t28a/sub');
SELECT status FROM apikey.resume_tenant('t28a/sub');
SELECT status FROM apikey.suspend_tenant('t28a');
SELECT status FROM apikey.resume_tenant('t28a');
SELECT apikey.grant_access('t28_nobody', 'operator', 't28a/sub');
SELECT apikey.ensure_partitions();
SELECT apikey.check_setup();
SET ROLE t28_all_admin;
SELECT status FROM apikey.resume_tenant('t28a');
SELECT count(*) >= 0 AS checked FROM apikey.check_setup();
SELECT apikey.ensure_partitions() >= 0 AS ensured;
SET ROLE t28_nobody;
SELECT (apikey.create_key('t28a/sub', 'prod', name => 'made by operator')).key_id > 0 AS created;
SELECT apikey.create_key('t28a', 'prod');
SELECT apikey.create_tenant('y', parent => 't28a/sub');
SET ROLE t28_auditor;
SELECT name FROM apikey.list_keys('t28a/sub') ORDER BY 1;
SELECT apikey.create_key('t28a', 'prod');
RESET ROLE;
-- a mixed membership: operator of one, auditor of the other
SELECT apikey.grant_access('t28_operator', 'auditor', 't28b');
SET ROLE t28_operator;
SELECT apikey.create_key('t28b', 'prod');
DO $$ BEGIN PERFORM apikey.revoke_key((SELECT key_id FROM t28_keys WHERE tenant = 't28b'));
EXCEPTION WHEN OTHERS THEN RAISE WARNING '% %', SQLSTATE, regexp_replace(SQLERRM, '[0-9]+', 'N'); END $$;
RESET ROLE;

-- the caller is the role in force, whoever logged in and whatever lies between
SET ROLE t28_admin;
SELECT apikey.create_tenant('z', parent => 't28a') > 0 AS created;
RESET ROLE;
SELECT actor, session = session_user AS session, action FROM apikey.audit_log WHERE apikey.tenant_path(tenant_id) = 't28a/z';
CREATE FUNCTION public.t28_definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$ SELECT apikey.create_tenant('definer', parent => 't28a') $$;
ALTER FUNCTION public.t28_definer() OWNER TO t28_admin;
SET ROLE t28_nobody;
SELECT public.t28_definer() > 0 AS created;
RESET ROLE;
SELECT actor FROM apikey.audit_log WHERE apikey.tenant_path(tenant_id) = 't28a/definer';
DROP FUNCTION public.t28_definer();

-- the bodies and what they use are out of reach
SET ROLE t28_all_admin;
SELECT apikey._create_tenant('q', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT apikey._audit(NULL, 'forged', NULL, NULL, NULL);
SELECT apikey._new_secret('ak', 'live', 32, NULL);
SELECT digest FROM apikey.key_secret;
SELECT material FROM apikey.keyring;
INSERT INTO apikey.audit_log (at, actor, session, action) VALUES (now(), 'x', 'x', 'x');
DELETE FROM apikey.audit_log;
UPDATE apikey.api_key SET status = 'active';
SELECT nextval('apikey.api_key_key_id_seq');
CREATE TABLE apikey.mine (a int);
RESET ROLE;
-- even granted by mistake, the keyring shows nothing
GRANT SELECT ON apikey.keyring, apikey.key_secret TO t28_all_analyst;
SET ROLE t28_all_analyst;
SELECT count(*) FROM apikey.keyring;
SELECT count(*) FROM apikey.key_secret;
RESET ROLE;
REVOKE ALL ON apikey.keyring, apikey.key_secret FROM t28_all_analyst;

-- revoke undoes what no other membership needs
SELECT apikey.revoke_access('t28_operator', 'operator', 't28a'), apikey.revoke_access('t28_operator', 'operator', 't28a');
SET ROLE t28_operator;
SELECT apikey.create_key('t28a', 'prod');
SELECT * FROM t28_rows() WHERE relation IN ('api_key', 'audit_log');
RESET ROLE;
SELECT apikey.revoke_access('t28_operator', 'auditor', 't28b');
SET ROLE t28_operator;
SELECT * FROM apikey.tenant;
RESET ROLE;
-- a renamed role keeps its access, a new one of the old name has none
ALTER ROLE t28_analyst RENAME TO t28_renamed;
CREATE ROLE t28_analyst;
SET ROLE t28_renamed;
SELECT * FROM t28_rows() WHERE relation = 'usage';
SET ROLE t28_analyst;
SELECT * FROM t28_rows() WHERE relation = 'usage';
RESET ROLE;
GRANT USAGE ON SCHEMA apikey TO t28_analyst;
GRANT SELECT ON apikey.usage TO t28_analyst;
SELECT count(*) AS own_grants_are_no_membership FROM apikey._memberships('t28_analyst'::regrole);
SELECT apikey.grant_access('t28_analyst', 'analyst', 't28a');
SELECT role_name, access, role_oid::regrole FROM apikey.member WHERE role_name IN ('t28_analyst', 't28_renamed') ORDER BY 1;
-- a dropped role leaves its row; another of that name takes it over when told
SELECT apikey.revoke_access('t28_renamed', 'analyst', 't28a');
DROP ROLE t28_renamed;
SELECT apikey.grant_access('t28_nowhere', 'analyst', 't28a');
SELECT apikey.grant_access('public', 'analyst', 't28a');
SELECT apikey.grant_access('t28_nobody', 'owner', 't28a');
SELECT apikey.revoke_access('t28_nowhere', 'analyst', 't28a');
SELECT apikey.grant_access(NULL, 'analyst', 't28a');
SELECT apikey.grant_access('t28_nobody', NULL, 't28a');
UPDATE apikey.member SET role_oid = 1 WHERE role_name = 't28_analyst';
SELECT detail FROM apikey.check_setup() WHERE item = 'roles' AND detail ~ 't28';
SELECT apikey.grant_access('t28_analyst', 'analyst', 't28a');
SELECT detail FROM apikey.check_setup() WHERE item = 'roles' AND detail ~ 't28';
UPDATE apikey.member SET role_oid = 1, role_name = 't28_gone' WHERE role_name = 't28_analyst';
SELECT apikey.revoke_access('t28_gone', 'analyst', 't28a');
ALTER ROLE t28_auditor BYPASSRLS;
SELECT detail FROM apikey.check_setup() WHERE item = 'roles' AND detail ~ 't28';

SELECT bool_and(apikey.unblock_ip(ip_block_id)) AS unblocked FROM apikey.ip_block WHERE network = '198.18.28.0/24';

-- everything granted is undone: then the roles can be dropped
SELECT apikey.revoke_access(role_name, access, apikey.tenant_path(tenant_id)) FROM apikey.member WHERE role_name ~ '^t28';
SELECT apikey._sync_grants('t28_analyst'::regrole);
SELECT count(*) AS left_over FROM pg_shdepend WHERE refobjid IN (SELECT oid FROM pg_roles WHERE rolname ~ '^t28');
DROP TABLE t28_keys, t28_names;
DROP FUNCTION t28_rows, t28_levels, t28_leaves;
DROP ROLE "t28 Verifier", t28_analyst, t28_auditor, t28_operator, t28_admin, t28_all_admin, t28_all_analyst, t28_group, t28_person, t28_nobody;
