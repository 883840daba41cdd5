-- What no attack may change: one line per object or table, as text.
WITH RECURSIVE others AS (
	SELECT tenant_id FROM apikey.tenant WHERE name IN ('rival', 'sister') UNION
	SELECT t.tenant_id FROM apikey.tenant t JOIN others o ON t.parent_id = o.tenant_id
), grants AS (
	SELECT c.oid::regclass::text AS object, a.* FROM pg_class c, aclexplode(c.relacl) a WHERE c.relnamespace = 'apikey'::regnamespace
	UNION ALL SELECT p.oid::regprocedure::text, a.* FROM pg_proc p, aclexplode(p.proacl) a WHERE p.pronamespace = 'apikey'::regnamespace
	UNION ALL SELECT 'schema ' || n.nspname, a.* FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'apikey'
)
SELECT line FROM (
	SELECT 'tenant ' || md5(string_agg(t::text, ' ' ORDER BY tenant_id)) FROM apikey.tenant t WHERE tenant_id IN (TABLE others) OR name = 'top'
	UNION ALL SELECT 'environment ' || md5(string_agg(t::text, ' ' ORDER BY environment_id)) FROM apikey.environment t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'policy ' || md5(string_agg(t::text, ' ' ORDER BY policy_id)) FROM apikey.policy t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'policy_version ' || md5(string_agg(t::text, ' ' ORDER BY policy_id, version)) FROM apikey.policy_version t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'role ' || md5(string_agg(t::text, ' ' ORDER BY role_id)) FROM apikey.role t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'api_key ' || md5(string_agg(t::text, ' ' ORDER BY key_id)) FROM apikey.api_key t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'key_role ' || md5(string_agg(t::text, ' ' ORDER BY key_id, role_id)) FROM apikey.key_role t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'key_secret ' || md5(string_agg(t::text, ' ' ORDER BY secret_id)) FROM apikey.key_secret t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'key_activity ' || md5(string_agg(t::text, ' ' ORDER BY key_id)) FROM apikey.key_activity t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'ip_block ' || md5(string_agg(t::text, ' ' ORDER BY ip_block_id)) FROM apikey.ip_block t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'member ' || md5(string_agg(t::text, ' ' ORDER BY member_id)) FROM apikey.member t
	UNION ALL SELECT 'event ' || md5(string_agg(t::text, ' ' ORDER BY event_id)) FROM apikey.event t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'audit_log ' || md5(string_agg(t::text, ' ' ORDER BY seq)) FROM apikey.audit_log t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'usage ' || md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM apikey.usage t WHERE tenant_id IN (TABLE others)
	UNION ALL SELECT 'keyring ' || md5(string_agg(t::text, ' ' ORDER BY keyring_id)) FROM apikey.keyring t
	UNION ALL SELECT 'grant on ' || object || ' to ' || grantee || ' ' || privilege_type || CASE WHEN is_grantable THEN ' with grant option' ELSE '' END FROM grants
	UNION ALL SELECT 'function ' || md5(string_agg(CASE prokind WHEN 'a' THEN proname || prosrc ELSE pg_get_functiondef(oid) END || proowner, ' ' ORDER BY oid)) FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace
	UNION ALL SELECT concat_ws(' ', 'relation', oid::regclass, relowner, relkind, relrowsecurity, relforcerowsecurity, relhastriggers, relhasrules) FROM pg_class WHERE relnamespace = 'apikey'::regnamespace
	UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'apikey'::regnamespace
	UNION ALL SELECT 'policy ' || polrelid::regclass || ' ' || polname || ' ' || polroles::text || ' ' || coalesce(pg_get_expr(polqual, polrelid), '') FROM pg_policy
	UNION ALL SELECT 'type ' || oid::regtype FROM pg_type WHERE typnamespace = 'apikey'::regnamespace
	UNION ALL SELECT 'extension ' || extname || ' ' || extowner || ' ' || extversion FROM pg_extension WHERE extname = 'apikey'
	UNION ALL SELECT 'schema ' || nspname || ' ' || nspowner FROM pg_namespace WHERE nspname = 'apikey'
	UNION ALL SELECT concat_ws(' ', 'role', rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit) FROM pg_roles WHERE rolname LIKE 'regress_atk%'
	UNION ALL SELECT concat_ws(' ', 'belongs', roleid::regrole, member::regrole, admin_option) FROM pg_auth_members
	UNION ALL SELECT concat_ws(' ', 'setting', setdatabase, setrole, setconfig::text) FROM pg_db_role_setting
) x (line)
WHERE line IS NOT NULL
ORDER BY line COLLATE "C";
