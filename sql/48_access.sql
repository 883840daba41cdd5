-- ---------------------------------------------------------------------------
-- Access of database roles, the block list, and the state of the set-up.
-- ---------------------------------------------------------------------------

-- Which class of rights opens what: the only list, for grants, revokes and the
-- reference.  Functions are named without arguments: all of that name.
-- all_tenants: tells of the whole server, so only a member of all tenants.
CREATE FUNCTION apikey._privileges() RETURNS TABLE (class text, kind text, name text, all_tenants boolean)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE ROWS 80 SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY VALUES
		('any', 'function', 'my_tenants', false),
		('any', 'function', 'sees_all', false),
		('any', 'function', 'tenant_path', false),
		('any', 'function', 'set_tenant', false),
		('any', 'function', 'current_key_id', false),
		('any', 'function', 'current_tenant', false),
		('any', 'function', 'current_tenant_id', false),
		('any', 'function', 'current_scopes', false),
		('any', 'function', 'has_scope', false),
		('any', 'function', 'valid_scopes', false),
		('any', 'function', 'valid_endpoints', false),
		('any', 'function', 'valid_hours', false),
		('any', 'function', 'valid_limits', false),
		('any', 'function', 'latency_percentile', false),
		('any', 'function', 'latency_merge', false),
		('any', 'function', 'ip_count', false),
		('any', 'function', 'ip_merge', false),
		('any', 'type', 'verdict', false),
		('any', 'type', 'key_info', false),
		('any', 'type', 'new_key', false),
		('any', 'type', 'tenant_info', false),
		('any', 'type', 'rate_limit', false),
		('any', 'type', 'quota', false),
		('any', 'type', 'cost', false),

		('any', 'function', 'enroll_totp', false),
		('any', 'function', 'confirm_totp', false),
		('any', 'function', 'step_up', false),
		('any', 'function', 'remove_totp', false),

		('verify', 'function', 'verify', false),
		('verify', 'function', 'is_allowed', false),
		('verify', 'function', 'verify_many', false),
		('verify', 'function', 'log_usage', false),
		('verify', 'function', 'authenticate', false),

		('usage', 'relation', 'usage', false),
		('usage', 'relation', 'usage_hourly', false),
		('usage', 'relation', 'usage_daily', false),
		('usage', 'relation', 'endpoint_class', false),
		('usage', 'relation', 'key_label', false),
		('usage', 'relation', 'environment_label', false),
		('usage', 'relation', 'secret_label', false),
		('usage', 'relation', 'key_control', false),
		('usage', 'relation', 'usage_recent', false),
		('usage', 'relation', 'usage_requests', false),
		('usage', 'relation', 'denials', false),
		('usage', 'relation', 'top_keys', false),
		('usage', 'relation', 'slow_endpoints', false),
		('usage', 'relation', 'error_rates', false),
		('usage', 'relation', 'key_health', false),
		('usage', 'relation', 'expiring_keys', false),
		('usage', 'relation', 'unused_keys', false),
		('usage', 'relation', 'old_secret_users', false),
		('usage', 'relation', 'compliance_report', false),
		('usage', 'function', '_view_now', false),
		('usage', 'function', '_accepted', false),
		('usage', 'function', '_key_tally', false),
		('usage', 'function', '_label_path', false),
		('usage', 'relation', 'quota_state', false),
		('usage', 'relation', 'limit_state', false),
		('usage', 'relation', 'limit_ledger', false),
		('usage', 'relation', 'price', false),
		('usage', 'function', 'cost_report', false),
		('usage', 'function', 'report_html', false),
		('usage', 'relation', 'budget', false),
		('usage', 'relation', 'budget_status', false),
		('usage', 'function', 'budgets', false),

		('metadata', 'relation', 'tenant', false),
		('metadata', 'relation', 'environment', false),
		('metadata', 'relation', 'policy', false),
		('metadata', 'relation', 'policy_version', false),
		('metadata', 'relation', 'role', false),
		('metadata', 'relation', 'api_key', false),
		('metadata', 'relation', 'key_role', false),
		('metadata', 'relation', 'key_activity', false),
		('metadata', 'relation', 'ip_block', false),
		('metadata', 'relation', 'event', false),
		('metadata', 'relation', 'key', false),
		('metadata', 'relation', 'key_request', false),
		('metadata', 'function', 'list_keys', false),
		('metadata', 'function', 'policy_history', false),
		('metadata', 'function', 'policy_diff', false),
		('metadata', 'function', 'policy_check', false),
		('metadata', 'function', 'policy_preview', false),
		('usage', 'function', 'flush_usage', true),
		('usage', 'function', 'refresh_rollups', true),
		('usage', 'relation', 'usage_archive', true),
		('metadata', 'relation', 'usage_class', true),
		('metadata', 'relation', 'usage_class_tenant', false),

		('metadata', 'relation', 'stat_usage', true),
		('metadata', 'function', '_stat_usage', true),
		('metadata', 'relation', 'stat_rollup', true),
		('metadata', 'relation', 'rollup_state', true),
		('metadata', 'relation', 'stat_worker', true),
		('metadata', 'function', '_stat_worker', true),
		('metadata', 'relation', 'stat_cache', true),
		('metadata', 'function', '_stat_cache', true),
		('metadata', 'relation', 'stat_limits', true),
		('metadata', 'function', '_stat_limits', true),
		('metadata', 'relation', 'stat_guard', true),
		('metadata', 'function', '_stat_guard', true),

		('audit', 'relation', 'audit_log', false),
		('audit', 'relation', 'member', false),

		('keys', 'function', 'create_key', false),
		('keys', 'function', 'create_keys', false),
		('keys', 'function', 'request_key', false),
		('keys', 'function', 'claim_key', false),
		('keys', 'function', 'update_key', false),
		('keys', 'function', 'suspend_key', false),
		('keys', 'function', 'resume_key', false),
		('keys', 'function', 'renew_key', false),
		('keys', 'function', 'rotate_key', false),
		('keys', 'function', 'revoke_key', false),
		('keys', 'function', 'revoke_secret', false),
		('keys', 'function', 'restore_key', false),
		('keys', 'function', 'delete_key', false),
		('keys', 'function', 'revoke_keys', false),
		('keys', 'function', 'transfer_owner', false),
		('keys', 'function', 'delete_owner', false),
		('keys', 'function', 'add_credits', false),
		('keys', 'function', 'reset_limits', false),
		('keys', 'function', 'block_ip', false),
		('keys', 'function', 'unblock_ip', false),

		('admin', 'function', 'orphan_key', false),
		('admin', 'function', 'create_tenant', false),
		('admin', 'function', 'suspend_tenant', false),
		('admin', 'function', 'resume_tenant', false),
		('admin', 'function', 'update_tenant', false),
		('admin', 'function', 'move_tenant', false),
		('admin', 'function', 'set_budget', false),
		('admin', 'function', 'drop_budget', false),
		('admin', 'function', 'set_price', true),
		('admin', 'function', 'end_price', true),
		('admin', 'function', 'create_environment', false),
		('admin', 'function', 'update_environment', false),
		('admin', 'function', 'create_policy', false),
		('admin', 'function', 'set_policy', false),
		('admin', 'function', 'rollback_policy', false),
		('admin', 'function', 'cancel_policy_version', false),
		('admin', 'function', 'approve_key', false),
		('admin', 'function', 'reject_key', false),
		('admin', 'function', 'create_role', false),
		('admin', 'function', 'update_role', false),
		('admin', 'function', 'grant_access', false),
		('admin', 'function', 'revoke_access', false),
		('admin', 'function', 'ensure_partitions', true),
		('admin', 'function', 'drop_old_partitions', true),
		('admin', 'function', 'recount_rollups', true),
		('admin', 'function', 'attach_partition', true),
		('admin', 'function', 'set_usage_class', true),
		('admin', 'function', 'assign_usage_class', true),
		('admin', 'function', 'mock_tenants', true),
		('admin', 'function', 'mock_keys', true),
		('admin', 'function', 'mock_usage', true),
		('admin', 'function', 'rewrap_keyring', true),
		('admin', 'function', 'check_setup', true);
END
$$;

-- Every object of that list as GRANT names it, with the classes that open it.
-- The leaves of usage are relations of the class usage, like their parent, and
-- stay that when they are detached.
CREATE FUNCTION apikey._grantable() RETURNS TABLE (class text, all_tenants boolean, privilege text, object text, acl aclitem[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 100 SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	home oid := 'apikey'::regnamespace;
BEGIN
	RETURN QUERY
	SELECT 'any'::text, false, 'USAGE'::text, 'SCHEMA apikey'::text, n.nspacl FROM pg_namespace n WHERE n.oid = home
	UNION ALL
	SELECT p.class, p.all_tenants, 'EXECUTE', format('FUNCTION %s', f.oid::regprocedure), f.proacl
	FROM apikey._privileges() p JOIN pg_proc f ON f.pronamespace = home AND f.proname = p.name
	WHERE p.kind = 'function'
	UNION ALL
	SELECT p.class, p.all_tenants, 'SELECT', format('TABLE %s', c.oid::regclass), c.relacl
	FROM apikey._privileges() p JOIN pg_class c ON c.relnamespace = home AND c.relname = p.name
	WHERE p.kind = 'relation'
	UNION ALL
	SELECT 'usage', false, 'SELECT', format('TABLE %s', c.oid::regclass), c.relacl
	FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'apikey.usage'::regclass
	UNION ALL
	SELECT 'usage', false, 'SELECT', format('TABLE %s', c.oid::regclass), c.relacl
	FROM apikey.usage_archive a JOIN pg_class c ON c.relnamespace = home AND c.relname = a.leaf
	WHERE c.relkind = 'r'
	UNION ALL
	SELECT p.class, p.all_tenants, 'USAGE', format('TYPE %s', t.oid::regtype), t.typacl
	FROM apikey._privileges() p JOIN pg_type t ON t.typnamespace = home AND t.typname = p.name
	WHERE p.kind = 'type';
END
$$;

-- This cluster, for telling a member's role OID from one of another cluster.
CREATE FUNCTION apikey._system_identifier() RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT c.system_identifier FROM pg_control_system() c);
END
$$;

-- The rows of member that speak of a role: by OID in the cluster that granted,
-- by name after a restore elsewhere.
CREATE FUNCTION apikey._memberships(role oid) RETURNS SETOF apikey.member
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT m.* FROM apikey.member m
	WHERE CASE WHEN m.system_identifier = apikey._system_identifier() THEN m.role_oid = role
			   ELSE m.role_name = (SELECT r.rolname::text FROM pg_roles r WHERE r.oid = role) END;
END
$$;

-- Makes the grants of a role those that its memberships call for.
CREATE FUNCTION apikey._sync_grants(role oid) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	role_name text := (SELECT r.rolname FROM pg_roles r WHERE r.oid = role);
	item record;
BEGIN
	FOR item IN
		SELECT g.object, g.privilege,
			   bool_or(EXISTS (SELECT FROM apikey._memberships(role) m
							   WHERE m.access = ANY (apikey._class_levels(g.class))
								   AND (m.tenant_id IS NULL OR NOT g.all_tenants))) AS wanted,
			   bool_or(EXISTS (SELECT FROM aclexplode(g.acl) a
							   WHERE a.grantee = role AND a.privilege_type = g.privilege)) AS present
		FROM apikey._grantable() g
		GROUP BY g.object, g.privilege ORDER BY g.object
	LOOP
		IF item.wanted AND NOT item.present THEN
			EXECUTE format('GRANT %s ON %s TO %I', item.privilege, item.object, role_name);
		ELSIF item.present AND NOT item.wanted THEN
			EXECUTE format('REVOKE %s ON %s FROM %I CASCADE', item.privilege, item.object, role_name);
		END IF;
	END LOOP;
END
$$;

-- What grant_access() and revoke_access() check alike; returns the tenant.
-- Levels that end or change keys take the second factor where there is
-- production: or a session without it would give such a level to a role that
-- has none, and go on as that role.
CREATE FUNCTION apikey._check_access(action text, role text, access text, tenant text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint;
BEGIN
	IF tenant IS NULL THEN
		PERFORM apikey._require_all_tenants('change access to all tenants');
	ELSE
		tid := apikey._tenant_id(tenant, 'admin');
	END IF;
	PERFORM apikey._require(role, 'role');
	PERFORM apikey._require(access, 'access');
	IF NOT access = ANY (apikey._class_levels('any')) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid access "%s"', apikey._shown(access)),
			DETAIL = 'It is "verifier", "analyst", "auditor", "operator" or "admin".';
	END IF;
	IF access = ANY (apikey._class_levels('keys')) THEN
		PERFORM apikey._require_step_up(action, EXISTS (
			SELECT FROM apikey.environment e
			WHERE e.is_production
				AND (tid IS NULL OR e.tenant_id IN (SELECT b.tenant_id FROM apikey._tenant_tree(tid) b))));
	END IF;
	RETURN tid;
END
$$;

-- Returns whether anything changed.  The second call does the grants again,
-- so it also mends them.
CREATE FUNCTION apikey.grant_access(role text, access text, tenant text DEFAULT NULL) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._grant_access(role text, access text, tenant text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	tid bigint := apikey._check_access('grant access', role, access, tenant);
	role_id oid;
	changed boolean := false;
BEGIN
	IF role = 'public' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'access cannot be granted to public',
			HINT = 'Name the roles that need it.';
	END IF;
	SELECT r.oid INTO role_id FROM pg_roles r WHERE r.rolname = role;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('role "%s" does not exist', apikey._shown(role));
	END IF;

	PERFORM apikey._lock('grants');
	IF NOT EXISTS (SELECT FROM apikey._memberships(role_id) m
				   WHERE m.tenant_id IS NOT DISTINCT FROM tid AND m.access = _grant_access.access
					   AND m.system_identifier = apikey._system_identifier()) THEN
		-- A row of that name may be left from a role that was renamed: it
		-- keeps its access under its present name.
		UPDATE apikey.member m SET role_name = r.rolname FROM pg_roles r
			WHERE m.role_name = role AND m.role_oid <> role_id AND r.oid = m.role_oid
				AND m.system_identifier = apikey._system_identifier();
		-- Or from one that was dropped, or from another cluster: taken over.
		INSERT INTO apikey.member AS m (tenant_id, role_name, role_oid, system_identifier, access, granted_at, granted_by)
		VALUES (tid, role, role_id, apikey._system_identifier(), _grant_access.access, apikey._now(), apikey._caller_name())
		ON CONFLICT ((COALESCE(tenant_id, 0::int8)), role_name, access)
		DO UPDATE SET role_oid = excluded.role_oid, system_identifier = excluded.system_identifier,
			granted_at = excluded.granted_at, granted_by = excluded.granted_by;
		changed := true;
		PERFORM apikey._audit(tid, 'access.grant', 'member:' || role, NULL, jsonb_build_object('access', access));
		PERFORM apikey._event(tid, 'access.grant', NULL, jsonb_build_object('role', role, 'access', access));
	END IF;
	PERFORM apikey._sync_grants(role_id);
	RETURN changed;
END
$$;

CREATE FUNCTION apikey.revoke_access(role text, access text, tenant text DEFAULT NULL) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._revoke_access(role text, access text, tenant text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._check_access('revoke access', role, access, tenant);
	role_id oid;
	changed boolean;
BEGIN
	PERFORM apikey._lock('grants');
	SELECT r.oid INTO role_id FROM pg_roles r WHERE r.rolname = role;
	-- a role that is gone already is known by the name it had
	DELETE FROM apikey.member m
	WHERE m.tenant_id IS NOT DISTINCT FROM tid AND m.access = _revoke_access.access
		AND (m.member_id IN (SELECT s.member_id FROM apikey._memberships(role_id) s)
			 OR (m.role_name = role AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = m.role_oid)));
	changed := FOUND;
	IF role_id IS NULL AND NOT changed THEN
		RAISE undefined_object USING MESSAGE = format('role "%s" does not exist', apikey._shown(role));
	END IF;
	IF changed THEN
		PERFORM apikey._audit(tid, 'access.revoke', 'member:' || role, jsonb_build_object('access', access), NULL);
		PERFORM apikey._event(tid, 'access.revoke', NULL, jsonb_build_object('role', role, 'access', access));
	END IF;
	IF role_id IS NOT NULL THEN
		PERFORM apikey._sync_grants(role_id);
	END IF;
	RETURN changed;
END
$$;

-- --- block list ------------------------------------------------------------

CREATE FUNCTION apikey.block_ip(
	network cidr,
	tenant text DEFAULT NULL,
	reason text DEFAULT NULL,
	expires_at timestamptz DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._block_ip(
	network cidr,
	tenant text,
	reason text,
	expires_at timestamptz
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	tid bigint;
	id bigint;
BEGIN
	IF tenant IS NOT NULL THEN
		tid := apikey._tenant_id(tenant, 'keys');
	ELSIF NOT apikey._may('keys', NULL) THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'permission denied to block a network for all tenants',
			DETAIL = 'It takes access "operator" or "admin" on all tenants.';
	END IF;
	PERFORM apikey._require(network, 'network');
	PERFORM apikey._check_text(reason, 'reason', 1000);
	IF expires_at <= apikey._now() OR NOT isfinite(expires_at) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'expires_at must be a time to come';
	END IF;
	INSERT INTO apikey.ip_block AS b (tenant_id, network, reason, expires_at, created_at, created_by)
	VALUES (tid, _block_ip.network, _block_ip.reason, _block_ip.expires_at, apikey._now(), apikey._caller_name())
	ON CONFLICT ((coalesce(tenant_id, 0::bigint)), network) DO UPDATE
		SET reason = excluded.reason, expires_at = excluded.expires_at,
			created_at = excluded.created_at, created_by = excluded.created_by
	RETURNING b.ip_block_id INTO id;
	PERFORM apikey._audit(tid, 'ip.block', 'ip_block:' || id, NULL, jsonb_strip_nulls(jsonb_build_object(
		'network', network, 'reason', reason, 'expires_at', expires_at)));
	PERFORM apikey._event(tid, 'ip.block', NULL, jsonb_build_object('ip_block_id', id, 'network', network));
	RETURN id;
END
$$;

-- False if there is no such entry, or none that the caller may know of.
CREATE FUNCTION apikey.unblock_ip(ip_block_id bigint) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._unblock_ip(ip_block_id bigint) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was apikey.ip_block;
BEGIN
	PERFORM apikey._require(ip_block_id, 'ip_block_id');
	SELECT * INTO was FROM apikey.ip_block b WHERE b.ip_block_id = _unblock_ip.ip_block_id;
	IF NOT FOUND OR NOT apikey._may('keys', was.tenant_id) THEN
		RETURN false;
	END IF;
	DELETE FROM apikey.ip_block b WHERE b.ip_block_id = _unblock_ip.ip_block_id;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM apikey._audit(was.tenant_id, 'ip.unblock', 'ip_block:' || ip_block_id,
						  jsonb_build_object('network', was.network), NULL);
	PERFORM apikey._event(was.tenant_id, 'ip.unblock', NULL,
						  jsonb_build_object('ip_block_id', ip_block_id, 'network', was.network));
	RETURN true;
END
$$;

-- --- what is wrong or tight ------------------------------------------------

-- One row per finding, the worst first; no row: all is well.
CREATE FUNCTION apikey.check_setup(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._check_setup(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._require_all_tenants('check the set-up');
	RETURN QUERY
	SELECT f.* FROM (
		SELECT * FROM apikey._findings_server()
		UNION ALL SELECT * FROM apikey._findings_workers()
		UNION ALL SELECT * FROM apikey._findings_keyring()
		UNION ALL SELECT * FROM apikey._findings_roles()
		UNION ALL SELECT * FROM apikey._findings_log()
		UNION ALL SELECT * FROM apikey._findings_usage()
		UNION ALL SELECT * FROM apikey._findings_step_up()
	) f (severity, item, detail, hint)
	ORDER BY array_position(ARRAY['error', 'warning', 'info'], f.severity), f.item, f.detail;
END
$$;

CREATE FUNCTION apikey._findings_server(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT 'apikey' = ANY (string_to_array(translate(current_setting('shared_preload_libraries'), ' "', ''), ',')) THEN
		RETURN QUERY SELECT 'error', 'preload', 'The library is not preloaded: nothing is recorded and no worker runs.',
			'Add apikey to shared_preload_libraries and restart the server.';
	END IF;
	IF NOT current_setting('fsync')::boolean OR NOT current_setting('full_page_writes')::boolean THEN
		RETURN QUERY SELECT 'error', 'durability', 'fsync or full_page_writes is off: a revocation may be lost in a crash.',
			'Turn both on.';
	END IF;
	RETURN QUERY
	SELECT 'error', 'schema', format('Role "%s" may create objects in schema apikey.', coalesce(r.rolname, 'public')),
		   'REVOKE CREATE ON SCHEMA apikey.'
	FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
	WHERE n.nspname = 'apikey' AND a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner;
END
$$;

CREATE FUNCTION apikey._findings_workers(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	slots integer := current_setting('max_worker_processes')::integer;
	databases integer := (SELECT count(*) FROM pg_database d WHERE d.datallowconn AND NOT d.datistemplate);
BEGIN
	-- the launcher, two for each database that may have the extension, and the
	-- launcher of logical replication
	IF slots < 2 + 2 * least(databases, apikey._setting('max_databases', '8')::integer) THEN
		RETURN QUERY SELECT 'warning', 'worker slots',
			format('max_worker_processes is %s; %s databases may need %s for this extension alone.',
				   slots, databases, 1 + 2 * least(databases, apikey._setting('max_databases', '8')::integer)),
			'Raise max_worker_processes and restart the server.';
	END IF;
	IF NOT pg_is_in_recovery() AND (SELECT count(DISTINCT a.application_name) FROM pg_stat_activity a
			WHERE a.datname = current_database() AND a.application_name IN ('apikey writer', 'apikey housekeeper')) < 2 THEN
		RETURN QUERY SELECT 'warning', 'workers', 'Writer and housekeeper are not both running in this database.',
			'They start after the first verification or management call; the server log tells what keeps them.';
	END IF;
	RETURN QUERY
	SELECT 'warning', 'worker errors', format('%s failed last with: %s', concat_ws(' ', w.worker, w.task), w.error),
		   'The view apikey.stat_worker has the counts.'
	FROM apikey._stat_worker() w WHERE w.error IS NOT NULL;
END
$$;

CREATE FUNCTION apikey._findings_keyring(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	message text;
BEGIN
	IF EXISTS (SELECT FROM apikey.keyring k WHERE NOT k.wrapped) THEN
		RETURN QUERY SELECT 'info', 'master key', 'The data key is stored in the clear: a dump is enough to forge digests.',
			'Set apikey.master_key_file or apikey.master_key_command and call apikey.rewrap_keyring().';
	END IF;
	IF EXISTS (SELECT FROM apikey.keyring k WHERE k.active) THEN
		BEGIN
			PERFORM apikey._new_secret('check', 'test', 16, NULL);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
			RETURN QUERY SELECT 'error', 'keyring', format('The data key cannot be used: %s.', message),
				'Configure the master key it was wrapped with.';
		END;
	END IF;
END
$$;

CREATE FUNCTION apikey._findings_roles(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	SELECT DISTINCT 'warning', 'roles', format('Role "%s" passes by row level security.', r.rolname),
		   'Give access to roles that are neither superuser nor BYPASSRLS.'
	FROM pg_roles r WHERE (r.rolsuper OR r.rolbypassrls) AND EXISTS (SELECT FROM apikey._memberships(r.oid));
	RETURN QUERY
	SELECT DISTINCT 'warning', 'roles', format('Role "%s" has access but does not exist.', m.role_name),
		   'Create the role, or call apikey.revoke_access().'
	FROM apikey.member m
	WHERE NOT EXISTS (SELECT FROM pg_roles r
					  WHERE CASE WHEN m.system_identifier = apikey._system_identifier() THEN r.oid = m.role_oid
								 ELSE r.rolname = m.role_name END);
	RETURN QUERY
	SELECT DISTINCT 'info', 'roles', format('Access of role "%s" was granted in another cluster and counts by name.', m.role_name),
		   'Call apikey.grant_access() to confirm it.'
	FROM apikey.member m JOIN pg_roles r ON r.rolname = m.role_name
	WHERE m.system_identifier <> apikey._system_identifier();
END
$$;

CREATE FUNCTION apikey._findings_log(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('log_statement') = 'all' THEN
		RETURN QUERY SELECT 'warning', 'log', 'log_statement is all: statements with keys in them go to the server log.',
			'Use ddl or mod, and pass keys as bind parameters.';
	END IF;
	IF current_setting('log_parameter_max_length') <> '0'
		AND (current_setting('log_statement') = 'all' OR current_setting('log_min_duration_statement') <> '-1'
			 OR current_setting('log_min_duration_sample') <> '-1' OR current_setting('log_transaction_sample_rate') <> '0') THEN
		RETURN QUERY SELECT 'warning', 'log', 'Logged statements come with their bind parameters, keys among them.',
			'Set log_parameter_max_length = 0.';
	END IF;
	IF current_setting('log_parameter_max_length_on_error') <> '0' THEN
		RETURN QUERY SELECT 'warning', 'log', 'Failed statements are logged with their bind parameters, keys among them.',
			'Set log_parameter_max_length_on_error = 0.';
	END IF;
	IF current_setting('debug_print_parse')::boolean OR current_setting('debug_print_rewritten')::boolean
		OR current_setting('debug_print_plan')::boolean THEN
		RETURN QUERY SELECT 'warning', 'log', 'A debug_print setting writes constants, keys among them, to the server log.',
			'Turn debug_print_parse, debug_print_rewritten and debug_print_plan off.';
	END IF;
END
$$;

CREATE FUNCTION apikey._findings_usage(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	now timestamptz := apikey._now();
	width interval := ('1 ' || apikey._setting('partition_width', 'day'))::interval;
BEGIN
	IF NOT EXISTS (SELECT FROM apikey._usage_leaves() l WHERE l.starts_at <= now AND now < l.ends_at) THEN
		RETURN QUERY SELECT 'error', 'partitions', 'No partition of apikey.usage takes rows of the present time.',
			'Call apikey.ensure_partitions(); apikey.stat_worker tells why the housekeeper did not.';
	ELSIF NOT EXISTS (SELECT FROM apikey._usage_leaves() l WHERE l.starts_at <= now + width AND now + width < l.ends_at) THEN
		RETURN QUERY SELECT 'warning', 'partitions', 'The next partition of apikey.usage is missing.',
			'Call apikey.ensure_partitions(); apikey.stat_worker tells why the housekeeper did not.';
	END IF;
	RETURN QUERY
	SELECT 'error', 'partitions', format('Partition %s is not protected by forced row level security.', c.oid::regclass),
		   'ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY.'
	FROM apikey._usage_leaves() l JOIN pg_class c ON c.oid = l.leaf
	WHERE NOT (c.relrowsecurity AND c.relforcerowsecurity);
	IF EXISTS (SELECT FROM apikey.usage u WHERE u.at > now + interval '5 minutes') THEN
		RETURN QUERY SELECT 'warning', 'clock', 'Usage is recorded at times to come: the clock was ahead, or is behind now.',
			'Check the time synchronisation of the server.';
	END IF;
	RETURN QUERY
	SELECT 'warning', 'usage buffer', format('%s events were dropped since the server started.', s.dropped),
		   'Raise apikey.usage_buffer_size or apikey.usage_wait; a standby drops all.'
	FROM apikey._stat_usage() s WHERE s.dropped > 0;
	RETURN QUERY
	SELECT 'warning', 'limit buckets', format('%s requests found no bucket for their rate limits and quotas since the server started.', s."full"),
		   'Raise apikey.limit_buckets.'
	FROM apikey._stat_limits() s WHERE s."full" > 0;
END
$$;
