-- ---------------------------------------------------------------------------
-- Nobody has any right on anything here but the owner, whatever the defaults
-- of the server and ALTER DEFAULT PRIVILEGES say; apikey.grant_access() gives
-- rights.  Only members of this extension are touched.
-- ---------------------------------------------------------------------------

DO $$
DECLARE
	home pg_catalog.pg_namespace%ROWTYPE;
	member record;
	acl pg_catalog.aclitem[];
	grantee pg_catalog.text;
BEGIN
	-- Whoever owns the schema, or something in it, could put functions beside
	-- ours that calls resolve to.  A restore may find the schema of another
	-- superuser.
	SELECT * INTO home FROM pg_catalog.pg_namespace WHERE nspname OPERATOR(pg_catalog.=) 'apikey';
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) home.nspowner
				   AND (r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) CURRENT_USER)) THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'schema "apikey" belongs to another role',
			HINT = 'Drop the schema; CREATE EXTENSION makes it.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_depend d
			   WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass
				   AND d.refobjid OPERATOR(pg_catalog.=) home.oid
				   AND d.classid OPERATOR(pg_catalog.<>) 'pg_catalog.pg_extension'::pg_catalog.regclass
				   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e
								   WHERE e.classid OPERATOR(pg_catalog.=) d.classid AND e.objid OPERATOR(pg_catalog.=) d.objid
									   AND e.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
									   AND e.deptype OPERATOR(pg_catalog.=) 'e')) THEN
		RAISE duplicate_object USING
			MESSAGE = 'schema "apikey" holds objects that are not of this extension',
			HINT = 'Drop the schema; CREATE EXTENSION makes it.';
	END IF;

	FOR member IN
		SELECT 'SCHEMA' AS kind, 'apikey' AS name, home.nspacl AS acl, home.nspowner AS owner
		UNION ALL
		SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, c.oid::pg_catalog.regclass::pg_catalog.text, c.relacl, c.relowner
		FROM pg_catalog.pg_class c
		WHERE c.relnamespace OPERATOR(pg_catalog.=) home.oid AND c.relkind OPERATOR(pg_catalog.=) ANY ('{r,p,v,m,S}'::pg_catalog."char"[])
		UNION ALL
		SELECT 'ROUTINE', f.oid::pg_catalog.regprocedure::pg_catalog.text, f.proacl, f.proowner
		FROM pg_catalog.pg_proc f WHERE f.pronamespace OPERATOR(pg_catalog.=) home.oid
		UNION ALL
		SELECT 'TYPE', t.oid::pg_catalog.regtype::pg_catalog.text, t.typacl, t.typowner
		FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.typrelid
		-- not the row types of tables: pg_dump would warn of them
		WHERE t.typnamespace OPERATOR(pg_catalog.=) home.oid AND c.relkind OPERATOR(pg_catalog.=) 'c'
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM PUBLIC CASCADE', member.kind, member.name);
		FOR grantee IN
			SELECT DISTINCT r.rolname
			FROM pg_catalog.aclexplode(member.acl) a JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.grantee
			WHERE a.grantee OPERATOR(pg_catalog.<>) member.owner
		LOOP
			EXECUTE pg_catalog.format('REVOKE ALL ON %s %s FROM %I CASCADE', member.kind, member.name, grantee);
		END LOOP;
	END LOOP;
END
$$;
