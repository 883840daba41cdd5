-- Rules about the installed extension: one row per finding, none is good.
-- Run by a superuser in a database with the extension.  The end state of the
-- catalog is looked at, so every way to get there is covered: install, update,
-- partitions made while running.
--
-- Rights before anything else (check_first): of a public function's body, and of
-- what that calls first, the first thing in the text that reads, writes, locks
-- or calls is a check of rights, or a finder: one of the few listed that look
-- for the row whose tenant is checked, and check it next (finder).  What comes
-- before may only compute: IMMUTABLE functions of ours and those listed as
-- harmless.  That no branch goes around the check is for test/attack to try.
--
-- Exceptions are rows of allowed, with the reason.  To add a rule, add it here
-- and plant a violation in catalog_selfcheck.sql.
WITH RECURSIVE ext AS (
	SELECT * FROM pg_extension WHERE extname = 'apikey'
), allowed (rule, object, reason) AS (VALUES
	('unique_without_tenant', 'key_secret_digest', 'a keyed hash: two tenants never share one, and nobody can choose it'),
	('unique_without_tenant', 'ip_block_tenant_network', 'led by the tenant, NULL made comparable'),
	('unique_without_tenant', 'member_tenant_role_access', 'led by the tenant, NULL made comparable'),
	('unique_without_tenant', 'tenant_parent_name', 'is the tenant; led by the parent'),
	('not_strict', 'apikey_call', 'the body decides what NULL means'),
	('not_strict', 'apikey_sql_verify', 'NULL is a malformed key, and most arguments are optional'),
	('not_strict', 'apikey_sql_is_allowed', 'as verify'),
	('not_strict', 'apikey_sql_verify_many', 'as verify'),
	('not_strict', 'apikey_authenticate', 'as verify'),
	('not_strict', 'apikey_set_tenant', 'NULL is an error of its own'),
	('not_strict', 'apikey_has_scope', 'NULL is a scope that nobody holds'),
	('not_strict', 'apikey_take_code', 'NULL reads as any other wrong code'),
	('not_strict', 'apikey_sql_log_usage', 'all but the key are optional'),
	('not_strict', 'apikey_seen', 'NULL is the empty set'),
	('not_strict', 'apikey_newly_seen', 'NULL is the empty set, or the set of all'),
	('not_strict', 'apikey_may', 'NULL is "all tenants"'),
	('not_strict', 'apikey_new_secret', 'without a public key nothing is sealed'),
	('not_strict', 'apikey_make_data_key', 'takes no argument'),
	('not_strict', 'apikey_rewrap', 'an unwrapped data key has no master key'),
	('not_strict', 'apikey_valid_limits', 'NULL is no limit'),
	('not_strict', 'apikey_check_limits', 'as valid_limits'),
	('not_strict', 'apikey_latency_step', 'of an aggregate: begins with NULL, and rows that tell none are left out'),
	('not_strict', 'apikey_latency_merge_step', 'as latency_step'),
	('not_strict', 'apikey_latency_combine', 'as latency_step'),
	('not_strict', 'apikey_latency_add', 'NULL is none'),
	('not_strict', 'apikey_ip_step', 'as latency_step'),
	('not_strict', 'apikey_ip_merge_step', 'as latency_step'),
	('not_strict', 'apikey_ip_combine', 'as latency_step'),
	('not_strict', 'apikey_ip_add', 'NULL is none'),
	('not_strict', 'apikey_count_rows', 'NULL is no snapshot, the whole leaf, or every hour'),
	('not_strict', 'apikey_accepted', 'NULL is none'),
	('not_strict', 'apikey_key_tally_step', 'as latency_step'),
	('not_strict', 'apikey_key_tally_final', 'as latency_step'),
	('not_strict', 'apikey_report_tally_step', 'as latency_step'),
	('not_strict', 'apikey_report_tally_final', 'as latency_step'),
	('not_strict', 'apikey_sum_step', 'as latency_step'),
	('not_strict', 'apikey_sum_final', 'as latency_step'),
	('finder', '_tenant_id', 'walks down the path that was typed'),
	('finder', '_find_key', 'the tenant is that of the key'),
	('finder', '_revoke_secret', 'the tenant is that of the secret'),
	('finder', '_unblock_ip', 'the tenant is that of the block'),
	('harmless', '_now', 'the clock'),
	('harmless', '_caller', 'who calls'),
	('harmless', '_caller_name', 'who calls'),
	('harmless', '_system_identifier', 'of the cluster'),
	('harmless', '_limits_json', 'computes; STABLE for a setting it pins'),
	('harmless', '_check_hours', 'looks at names of time zones only'),
	('harmless', '_known_zones', 'as _check_hours'),
	('public_not_call', 'apikey_sql_verify', 'judges for whoever calls'),
	('public_not_call', 'apikey_sql_is_allowed', 'as verify'),
	('public_not_call', 'apikey_sql_verify_many', 'as verify'),
	('public_not_call', 'apikey_sql_log_usage', 'as verify'),
	('public_not_call', 'apikey_authenticate', 'as verify'),
	('public_not_call', 'apikey_set_tenant', 'asks the memberships of whoever calls'),
	('public_not_call', 'apikey_current_key_id', 'tells of this transaction only'),
	('public_not_call', 'apikey_current_tenant', 'as current_key_id'),
	('public_not_call', 'apikey_current_tenant_id', 'as current_key_id'),
	('public_not_call', 'apikey_current_scopes', 'as current_key_id'),
	('public_not_call', 'apikey_has_scope', 'as current_key_id'),
	('public_not_call', 'apikey_my_tenants', 'answers what the caller may, of nobody else'),
	('public_not_call', 'apikey_sees_all', 'as my_tenants'),
	('public_not_call', 'apikey_valid_scopes', 'computes from its argument'),
	('public_not_call', 'apikey_valid_endpoints', 'as valid_scopes'),
	('public_not_call', 'apikey_valid_hours', 'as valid_scopes'),
	('public_not_call', 'apikey_valid_limits', 'as valid_scopes'),
	('public_not_call', 'apikey_latency_percentile', 'as valid_scopes'),
	('public_not_call', 'apikey_ip_count', 'as valid_scopes'),
	('public_not_call', 'aggregate_dummy', 'an aggregate: as valid_scopes'),
	('public_not_call', 'apikey_flush_usage', 'waits for the writer and tells nothing'),
	('view_as_owner', 'apikey.key_label', 'an analyst sees a few columns of keys, never the table; the view filters by his tenants itself'),
	('view_as_owner', 'apikey.environment_label', 'as key_label: names of environments'),
	('view_as_owner', 'apikey.secret_label', 'as key_label: dates of secrets'),
	('view_as_owner', 'apikey.key_control', 'as key_label: whether there are rules, not what they say'),
	('trigger', 'flush_row', 'reads no table; tells sessions of a change and flushes its commit'),
	('trigger', 'flush_truncate', 'as flush_row')
), member AS (
	SELECT d.classid, d.objid FROM pg_depend d, ext
	WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = ext.oid AND d.deptype = 'e'
), func AS (
	SELECT p.*, l.lanname FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE p.oid IN (SELECT objid FROM member WHERE classid = 'pg_proc'::regclass)
), rel AS (
	-- members, and what was made in the schema since: the leaves of usage
	SELECT c.*, c.oid IN (SELECT objid FROM member WHERE classid = 'pg_class'::regclass) AS is_member
	FROM pg_class c
	WHERE c.relnamespace = 'apikey'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
), typ AS (
	SELECT t.* FROM pg_type t WHERE t.oid IN (SELECT objid FROM member WHERE classid = 'pg_type'::regclass)
		AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c'))
		AND t.typcategory <> 'A'
), code AS (
	-- without texts and comments; a call comes after the one that is its first argument
	SELECT proname, regexp_replace(regexp_replace(prosrc, $re$'(?:[^']|'')*'|--[^\n]*$re$, '''''', 'g'),
		'(apikey\.\w+\s*\(\s*)(apikey\.\w+\s*\()', '\2\1', 'g') AS text
	FROM func WHERE lanname = 'plpgsql'
), step AS (
	-- what it calls and touches, in the order of the text
	SELECT c.proname, s.n, lower(s.found[1]) AS called, lower(s.found[2]) AS touched
	FROM code c, regexp_matches(c.text,
		'\mapikey\.(\w+)\s*\(|(\m(?:FROM|JOIN|INTO|UPDATE|TABLE|ONLY)\s+(?:apikey\.|pg_catalog\.|pg_)\w+(?!\w|\s*\()|\m(?:EXECUTE|INSERT|DELETE|MERGE|TRUNCATE|LOCK|NOTIFY|COPY|CALL)\M|\m(?:pg_\w*advisory\w*|pg_notify|set_config|nextval|dblink\w*)\s*\()',
		'gi') WITH ORDINALITY s (found, n)
), telling AS (
	-- of these, what is more than computing
	SELECT proname, n, called, touched, row_number() OVER (PARTITION BY proname ORDER BY n) AS nth FROM step
	WHERE touched IS NOT NULL OR (called NOT IN (SELECT object FROM allowed WHERE rule = 'harmless')
		AND called NOT IN (SELECT proname FROM func WHERE provolatile = 'i'))
), checks (name) AS (
	VALUES ('_may'::name), ('_require_access'), ('_require_all_tenants'), ('_is_member')
	UNION SELECT object::name FROM allowed WHERE rule = 'finder'
	UNION SELECT t.proname FROM checks c JOIN telling t ON t.called = c.name WHERE t.nth = 1
), finding (rule, object) AS (
	SELECT 'security_definer', oid::regprocedure::text FROM func WHERE prosecdef
	UNION ALL
	SELECT 'execute_by_public', oid::regprocedure::text FROM func WHERE has_function_privilege('public', oid, 'EXECUTE')
	UNION ALL
	-- what starts with an underscore is for the owner alone
	SELECT 'internal_granted', f.oid::regprocedure::text FROM func f, aclexplode(f.proacl) a
	WHERE f.proname LIKE '\_%' AND a.grantee <> f.proowner
	UNION ALL
	SELECT 'search_path_not_pinned', oid::regprocedure::text FROM func
	WHERE lanname NOT IN ('c', 'internal') AND prosqlbody IS NULL
		AND NOT coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
	UNION ALL
	SELECT 'leakproof', oid::regprocedure::text FROM func WHERE proleakproof
	UNION ALL
	-- a plan may be kept for the next caller: what depends on who asks or on
	-- the clock is never IMMUTABLE
	SELECT 'context_immutable', oid::regprocedure::text FROM func
	WHERE provolatile = 'i' AND proname ~ '(current|context|caller|my_|sees_|_may|_now|has_scope)'
	UNION ALL
	SELECT 'not_strict', oid::regprocedure::text FROM func
	WHERE lanname = 'c' AND NOT proisstrict AND pronargs > 0
		AND prosrc NOT IN (SELECT object FROM allowed WHERE rule = 'not_strict')
	UNION ALL
	-- runs a body that may write: no plan may move or repeat it
	SELECT 'call_not_unsafe', oid::regprocedure::text FROM func
	WHERE prosrc = 'apikey_call' AND (proparallel <> 'u' OR proisstrict OR provolatile = 'i')
	UNION ALL
	SELECT 'verify_not_unsafe', oid::regprocedure::text FROM func
	WHERE prosrc ~ '^apikey_sql_(verify|is_allowed|verify_many|authenticate|log_usage)$' AND (proparallel <> 'u' OR provolatile <> 'v')
	UNION ALL
	-- the public function finds its body by name and argument types
	SELECT 'call_without_body', f.oid::regprocedure::text FROM func f
	WHERE f.prosrc = 'apikey_call' AND NOT EXISTS (
		SELECT FROM func b WHERE b.proname = '_' || f.proname AND b.lanname = 'plpgsql'
			AND b.proargtypes = f.proargtypes AND b.prorettype = f.prorettype AND b.proretset = f.proretset
			AND b.proargnames IS NOT DISTINCT FROM f.proargnames
			AND b.proallargtypes IS NOT DISTINCT FROM f.proallargtypes)
	UNION ALL
	SELECT 'check_first', f.oid::regprocedure || ': ' || coalesce(t.called, t.touched, 'nothing')
	FROM func f LEFT JOIN telling t ON t.proname = '_' || f.proname AND t.nth = 1
	WHERE f.prosrc = 'apikey_call' AND NOT EXISTS (SELECT FROM checks c WHERE c.name = '_' || f.proname)
	UNION ALL
	-- reads one table and checks next
	SELECT 'finder', a.object FROM allowed a
	WHERE a.rule = 'finder' AND EXISTS (SELECT FROM func WHERE proname = a.object) AND NOT EXISTS (
		SELECT FROM telling c WHERE c.proname = a.object AND c.called IN ('_may', '_require_access') AND c.nth = 2
			AND EXISTS (SELECT FROM telling r WHERE r.proname = a.object AND r.nth = 1 AND r.touched ~ '^from\s+apikey\.'))
	UNION ALL
	SELECT 'public_not_call', oid::regprocedure::text FROM func
	WHERE proname NOT LIKE '\_%' AND prosrc <> 'apikey_call'
		AND prosrc NOT IN (SELECT object FROM allowed WHERE rule = 'public_not_call')
	UNION ALL
	-- a body with defaults could be resolved to by fewer arguments
	SELECT 'body_with_defaults', b.oid::regprocedure::text FROM func b
	WHERE b.pronargdefaults > 0 AND b.proname LIKE '\_%' AND EXISTS (
		SELECT FROM func f WHERE f.prosrc = 'apikey_call' AND '_' || f.proname = b.proname)
	UNION ALL
	SELECT 'rls_not_forced', oid::regclass::text FROM rel
	WHERE relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)
	UNION ALL
	SELECT 'rls_without_policy', oid::regclass::text FROM rel
	WHERE relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = rel.oid)
	UNION ALL
	-- functions write; a policy that lets a member write is a way around them
	SELECT 'policy_writes', r.oid::regclass || ' ' || p.polname FROM rel r JOIN pg_policy p ON p.polrelid = r.oid
	WHERE p.polcmd <> 'r' AND coalesce(pg_get_expr(p.polqual, p.polrelid), '') <> 'false'
	UNION ALL
	SELECT 'write_granted', r.oid::regclass || ' ' || a.privilege_type || ' to ' || a.grantee::regrole
	FROM rel r, aclexplode(r.relacl) a
	WHERE r.relkind IN ('r', 'p', 'S') AND a.grantee NOT IN (0, r.relowner) AND a.privilege_type <> 'SELECT'
	UNION ALL
	SELECT 'leaf_policy_differs', r.oid::regclass::text
	FROM rel r JOIN pg_inherits i ON i.inhrelid = r.oid
	WHERE (SELECT array_agg(polname || ' ' || polcmd::text || ' ' || coalesce(pg_get_expr(polqual, polrelid), '') ORDER BY polname)
			FROM pg_policy WHERE polrelid = r.oid)
		IS DISTINCT FROM
		(SELECT array_agg(polname || ' ' || polcmd::text || ' ' || coalesce(pg_get_expr(polqual, polrelid), '') ORDER BY polname)
			FROM pg_policy WHERE polrelid = i.inhparent)
	UNION ALL
	SELECT 'view_as_owner', oid::regclass::text FROM rel
	WHERE relkind IN ('v', 'm') AND NOT coalesce(reloptions, '{}') && '{security_invoker=true,security_invoker=on,security_invoker=1}'
		AND NOT (coalesce(reloptions, '{}') && '{security_barrier=true}'
			AND oid::regclass::text IN (SELECT object FROM allowed WHERE rule = 'view_as_owner'))
	UNION ALL
	SELECT 'public_may', r.oid::regclass || ' ' || a.privilege_type FROM rel r, aclexplode(r.relacl) a WHERE a.grantee = 0
	UNION ALL
	SELECT 'public_may', r.oid::regclass || '.' || c.attname || ' ' || a.privilege_type
	FROM rel r JOIN pg_attribute c ON c.attrelid = r.oid, aclexplode(c.attacl) a WHERE a.grantee = 0
	UNION ALL
	SELECT 'public_may', 'schema ' || n.nspname || ' ' || a.privilege_type
	FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'apikey' AND a.grantee = 0
	UNION ALL
	SELECT 'outside_schema', pg_describe_object(m.classid, m.objid, 0) FROM member m
	WHERE (m.classid = 'pg_class'::regclass AND (SELECT relnamespace FROM pg_class WHERE oid = m.objid) <> 'apikey'::regnamespace)
		OR (m.classid = 'pg_proc'::regclass AND (SELECT pronamespace FROM pg_proc WHERE oid = m.objid) <> 'apikey'::regnamespace)
		OR (m.classid = 'pg_type'::regclass AND (SELECT typnamespace FROM pg_type WHERE oid = m.objid) <> 'apikey'::regnamespace)
		OR (m.classid = 'pg_operator'::regclass AND (SELECT oprnamespace FROM pg_operator WHERE oid = m.objid) <> 'apikey'::regnamespace)
		OR (m.classid = 'pg_opclass'::regclass AND (SELECT opcnamespace FROM pg_opclass WHERE oid = m.objid) <> 'apikey'::regnamespace)
		OR (m.classid = 'pg_opfamily'::regclass AND (SELECT opfnamespace FROM pg_opfamily WHERE oid = m.objid) <> 'apikey'::regnamespace)
		OR m.classid NOT IN ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_namespace'::regclass,
							 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_opfamily'::regclass)
	UNION ALL
	SELECT 'not_dumped', r.oid::regclass::text FROM rel r, ext
	WHERE r.is_member AND r.relkind IN ('r', 'p', 'S') AND NOT r.oid = ANY (coalesce(ext.extconfig, '{}'))
	UNION ALL
	-- a leaf that is a member cannot be dropped, and its rows are not dumped
	SELECT 'leaf_is_member', r.oid::regclass::text FROM rel r WHERE r.is_member AND r.relispartition
	UNION ALL
	SELECT 'parent_has_index', r.oid::regclass::text FROM rel r
	WHERE r.relkind = 'p' AND (r.relhasindex OR r.relhastriggers
		OR EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = r.oid AND c.contype IN ('p', 'u', 'f', 'x')))
	UNION ALL
	SELECT 'leaf_without_index', r.oid::regclass::text FROM rel r WHERE r.relispartition AND NOT r.relhasindex
	UNION ALL
	SELECT 'default_partition', r.oid::regclass::text FROM rel r
	WHERE r.relispartition AND pg_get_expr(r.relpartbound, r.oid) = 'DEFAULT'
	UNION ALL
	-- a restore fires triggers before the data of other tables has arrived
	SELECT 'trigger', r.oid::regclass || ' ' || t.tgname FROM rel r JOIN pg_trigger t ON t.tgrelid = r.oid
	WHERE NOT t.tgisinternal AND t.tgname NOT IN (SELECT object FROM allowed WHERE rule = 'trigger')
	UNION ALL
	-- a unique index over tenants tells one of them what another has
	SELECT 'unique_without_tenant', i.indexrelid::regclass::text
	FROM rel r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class c ON c.oid = i.indexrelid
		LEFT JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = i.indkey[0] AND i.indkey[0] > 0
	WHERE i.indisunique AND NOT i.indisprimary AND coalesce(a.attname <> 'tenant_id', true)
		AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = r.oid AND t.attname = 'tenant_id')
		AND c.relname NOT IN (SELECT object FROM allowed WHERE rule = 'unique_without_tenant')
	UNION ALL
	SELECT 'relocatable', extname FROM ext WHERE extrelocatable
	UNION ALL
	SELECT 'without_comment', oid::regprocedure::text FROM func WHERE obj_description(oid, 'pg_proc') IS NULL
	UNION ALL
	SELECT 'without_comment', oid::regclass::text FROM rel
	WHERE is_member AND relkind <> 'S' AND obj_description(oid, 'pg_class') IS NULL
	UNION ALL
	SELECT 'without_comment', r.oid::regclass || '.' || a.attname FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid
	WHERE r.is_member AND r.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
		AND col_description(r.oid, a.attnum) IS NULL
	UNION ALL
	SELECT 'without_comment', 'type ' || oid::regtype FROM typ WHERE obj_description(oid, 'pg_type') IS NULL
)
SELECT rule, object FROM finding ORDER BY rule, object;
