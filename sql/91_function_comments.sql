-- ---------------------------------------------------------------------------
-- Comments of functions: what \df+ shows.  Functions of C pieces have theirs
-- beside the declaration.
-- ---------------------------------------------------------------------------

-- functions for everybody with access

COMMENT ON FUNCTION apikey.tenant_path IS
	'the path of a tenant; NULL if there is none, or none the caller has access to';

-- management functions

COMMENT ON FUNCTION apikey.create_tenant IS
	'creates a tenant and returns its id; without parent only for an admin of all tenants';
COMMENT ON FUNCTION apikey.suspend_tenant IS
	'refuses all keys of a tenant and of those below it';
COMMENT ON FUNCTION apikey.resume_tenant IS
	'undoes suspend_tenant(); takes access to the parent';
COMMENT ON FUNCTION apikey.update_tenant IS
	'changes a tenant; its limits take access to the parent';
COMMENT ON FUNCTION apikey.move_tenant IS
	'moves a tenant, with all below it, to another parent';
COMMENT ON FUNCTION apikey.create_environment IS
	'creates an environment of a tenant and returns its id';
COMMENT ON FUNCTION apikey.create_role IS
	'creates a role of a tenant and returns its id';
COMMENT ON FUNCTION apikey.update_role IS
	'gives a role other scopes, with effect on all its keys, and returns its id';
COMMENT ON FUNCTION apikey.create_policy IS
	'creates a policy with its first version and returns its id';
COMMENT ON FUNCTION apikey.set_policy IS
	'writes a new version of a policy and returns its number; what is NULL stays, clear names rules to reset';
COMMENT ON FUNCTION apikey.policy_history IS
	'the versions of a policy with their rules and changes';
COMMENT ON FUNCTION apikey.policy_diff IS
	'the rules in which two versions of a policy differ';
COMMENT ON FUNCTION apikey.rollback_policy IS
	'makes a new version of a policy with the rules of an earlier one';
COMMENT ON FUNCTION apikey.cancel_policy_version IS
	'takes away a version of a policy that is not in force yet and returns its number';
COMMENT ON FUNCTION apikey.policy_check IS
	'the keys that violate a version of their policy';
COMMENT ON FUNCTION apikey.policy_preview IS
	'replays recorded requests under changed rules of a policy: what would turn from accepted to denied, and back';
COMMENT ON FUNCTION apikey.update_environment IS
	'changes an environment';
COMMENT ON FUNCTION apikey.create_key IS
	'makes a key and returns its text, which is shown this once';
COMMENT ON FUNCTION apikey.create_keys IS
	'makes n keys alike, named name-1, name-2 and so on';
COMMENT ON FUNCTION apikey.update_key IS
	'changes a key; what is NULL stays, clear names fields to reset';
COMMENT ON FUNCTION apikey.suspend_key IS
	'refuses a key until resume_key()';
COMMENT ON FUNCTION apikey.resume_key IS
	'undoes suspend_key()';
COMMENT ON FUNCTION apikey.renew_key IS
	'gives a key another end within the bounds of its policy and parent; infinity for none';
COMMENT ON FUNCTION apikey.rotate_key IS
	'gives a key a new secret; old ones end after the overlap, or earlier if they would have';
COMMENT ON FUNCTION apikey.revoke_key IS
	'refuses a key for good, now or from an instant on, with all keys derived from it';
COMMENT ON FUNCTION apikey.revoke_secret IS
	'refuses one secret of a key for good';
COMMENT ON FUNCTION apikey.revoke_keys IS
	'revokes all keys of a tenant that meet every condition given, with their descendants; returns how many';
COMMENT ON FUNCTION apikey.transfer_owner IS
	'gives all keys of an owner that are not revoked to another one; returns how many';
COMMENT ON FUNCTION apikey.delete_owner IS
	'the end of an owner: revokes his keys with their descendants, or gives them to another; returns how many';
COMMENT ON FUNCTION apikey.orphan_key IS
	'takes a key out of its parent, whose bounds it keeps as its own';
COMMENT ON FUNCTION apikey.restore_key IS
	'undoes a revocation, or one to come, with all it took along';
COMMENT ON FUNCTION apikey.add_credits IS
	'adds units to a quota of a key in its present window; returns the key';
COMMENT ON FUNCTION apikey.reset_limits IS
	'makes the rate limits and quotas that a key shares with nobody full again; returns the key';
COMMENT ON FUNCTION apikey.list_keys IS
	'lists keys of a tenant by ascending id, page by page';
COMMENT ON FUNCTION apikey.delete_key IS
	'deletes a revoked key and returns what it was';
COMMENT ON FUNCTION apikey.rewrap_keyring IS
	'stores the data keys under the configured master key, or in the clear';
COMMENT ON FUNCTION apikey.ensure_partitions IS
	'makes the usage partitions of the present and near future, returns how many';
COMMENT ON FUNCTION apikey.drop_old_partitions IS
	'drops usage partitions older than apikey.usage_retention, returns how many';
COMMENT ON FUNCTION apikey.grant_access IS
	'gives a database role access to a tenant and those below it, or to all; false if it had it';
COMMENT ON FUNCTION apikey.revoke_access IS
	'undoes grant_access(); false if there was nothing to undo';
COMMENT ON FUNCTION apikey.block_ip IS
	'denies requests from a network and returns the id of the entry';
COMMENT ON FUNCTION apikey.unblock_ip IS
	'undoes block_ip(); false if there is no such entry';
COMMENT ON FUNCTION apikey.check_setup IS
	'what is wrong or tight with the set-up, the worst first; no row: nothing';

-- internal: arguments

COMMENT ON FUNCTION apikey._lock IS
	'makes callers with the same subject wait for each other until the end of the transaction';
COMMENT ON FUNCTION apikey._setting IS
	'a setting of this extension, or a fallback where it is not defined';
COMMENT ON FUNCTION apikey._audit IS
	'writes a row of audit_log for the caller';
COMMENT ON FUNCTION apikey._event IS
	'writes a row of event';
COMMENT ON FUNCTION apikey._changes IS
	'members of one object that differ from another';
COMMENT ON FUNCTION apikey._shown IS
	'what an error message may show of an argument';
COMMENT ON FUNCTION apikey._require IS
	'raises if an argument is NULL';
COMMENT ON FUNCTION apikey._check_no_key IS
	'refuses a value that holds the text of a key';
COMMENT ON FUNCTION apikey._flush_commit IS
	'trigger: sessions that keep compiled keys are told of a change, and its commit is flushed to disk';
COMMENT ON FUNCTION apikey._check_text IS
	'raises if a text has a wrong length';
COMMENT ON FUNCTION apikey._check_list IS
	'raises if a list has a wrong shape or is too long';
COMMENT ON FUNCTION apikey._check_scopes IS
	'raises if a scope is malformed';
COMMENT ON FUNCTION apikey._check_endpoints IS
	'raises if an endpoint rule is malformed';
COMMENT ON FUNCTION apikey._check_hours IS
	'raises if an access window is malformed or its time zone not known';
COMMENT ON FUNCTION apikey._check_networks IS
	'raises if a list of networks has a wrong shape or is too long';
COMMENT ON FUNCTION apikey._check_json IS
	'raises if a document is too large';
COMMENT ON FUNCTION apikey._check_interval IS
	'raises if an interval is too long';
COMMENT ON FUNCTION apikey._check_clear IS
	'raises if a field cannot be cleared';
COMMENT ON FUNCTION apikey._check_reason IS
	'raises if a reason has a wrong length';
COMMENT ON FUNCTION apikey._check_secret IS
	'raises if bytes or seal_to are out of range';
COMMENT ON FUNCTION apikey._require_all_tenants IS
	'raises unless the caller is an admin of all tenants';
COMMENT ON FUNCTION apikey._class_levels IS
	'access levels of a class of rights';
COMMENT ON FUNCTION apikey._require_access IS
	'raises unless the caller has a class of rights on a tenant';
COMMENT ON FUNCTION apikey._require_repeated IS
	'raises unless a create call repeats the one that made the object';
COMMENT ON FUNCTION apikey._audit_create IS
	'writes the audit row of a creation';

-- internal: tenants and policies

COMMENT ON FUNCTION apikey._tenant_chain IS
	'a tenant and its ancestors';
COMMENT ON FUNCTION apikey._path IS
	'the path of a tenant';
COMMENT ON FUNCTION apikey._tenant_id IS
	'the tenant of a path, if the caller has a class of rights on it';
COMMENT ON FUNCTION apikey._tenant_info IS
	'the state of a tenant';
COMMENT ON FUNCTION apikey._hold_tenant IS
	'keeps a tenant and its ancestors where they are until the transaction ends';
COMMENT ON FUNCTION apikey._lock_tree IS
	'one after another: changes of what a path through the tree of tenants adds up to';
COMMENT ON FUNCTION apikey._tenant_tree IS
	'a tenant and all below it';
COMMENT ON FUNCTION apikey._check_tree IS
	'raises unless there is room below a tenant for levels and limits';
COMMENT ON FUNCTION apikey._check_tenant IS
	'raises if what a tenant is given is malformed';
COMMENT ON FUNCTION apikey._require_above IS
	'raises unless the caller is an admin of the parent of a tenant';
COMMENT ON FUNCTION apikey._tenant_json IS
	'what an audit row keeps of a tenant';
COMMENT ON FUNCTION apikey._check_move IS
	'raises unless the caller may move a tenant to a parent';
COMMENT ON FUNCTION apikey._lock_moved IS
	'locks a tenant and all below it against everybody who depends on their ancestors';
COMMENT ON FUNCTION apikey._check_moved_policies IS
	'raises if moved tenants use a policy of a tenant that they leave';
COMMENT ON FUNCTION apikey._set_tenant_status IS
	'suspends or resumes a tenant';
COMMENT ON FUNCTION apikey._environment IS
	'the environment of a name';
COMMENT ON FUNCTION apikey._rule_names IS
	'names of the rules of a policy';
COMMENT ON FUNCTION apikey._default_rules IS
	'rules of a policy that names none';
COMMENT ON FUNCTION apikey._rules_json IS
	'rules of a policy version as an object';
COMMENT ON FUNCTION apikey._check_rules IS
	'raises if rules are malformed, contradict each other or are not supported';
COMMENT ON FUNCTION apikey._add_policy_version IS
	'stores a policy version';
COMMENT ON FUNCTION apikey._policy_id IS
	'the policy of a name, own or of an ancestor';
COMMENT ON FUNCTION apikey._find_policy IS
	'the policy a caller names, of a tenant or the only one of that name the caller sees';
COMMENT ON FUNCTION apikey._proposed_rules IS
	'the rules a change makes of others, checked';
COMMENT ON FUNCTION apikey._effective_from IS
	'when a version takes effect that is asked for at an instant';
COMMENT ON FUNCTION apikey._in_production IS
	'whether keys that are used in production obey a policy';
COMMENT ON FUNCTION apikey._warn_of_scheduled IS
	'warns of versions to come that will take a change back';
COMMENT ON FUNCTION apikey._change_policy IS
	'makes rules the next version of a policy';
COMMENT ON FUNCTION apikey._policy_version IS
	'a version of a policy by its number';
COMMENT ON FUNCTION apikey._bound_keys IS
	'the living keys that obey a policy, their own or that of a key above them';
COMMENT ON FUNCTION apikey._misfit_keys IS
	'keys that could not have been made under the rules of their policy';
COMMENT ON FUNCTION apikey._misfit_scopes IS
	'keys whose scopes do not fit the rules of their policy';
COMMENT ON FUNCTION apikey._misfit_requests IS
	'keys whose own networks or endpoints have nothing in common with those of their policy';
COMMENT ON FUNCTION apikey._share_environment IS
	'holds an environment as it is for a key that is made in it';
COMMENT ON FUNCTION apikey._check_tag IS
	'raises if a text is no tag of an environment';
COMMENT ON FUNCTION apikey._rules_in_force IS
	'the version of a policy in force at an instant';
COMMENT ON FUNCTION apikey._share_policy IS
	'holds a policy against changes and returns its rules';
COMMENT ON FUNCTION apikey._lock_policy IS
	'the same, with the tenants whose limits a key counts against';

-- internal: keys

COMMENT ON FUNCTION apikey._ensure_data_key IS
	'the data key for new secrets; made by the first call';
COMMENT ON FUNCTION apikey._key_infos IS
	'the state of some keys';
COMMENT ON FUNCTION apikey._key_info IS
	'the state of a key';
COMMENT ON FUNCTION apikey._find_key IS
	'a key, if the caller has a class of rights on it';
COMMENT ON FUNCTION apikey._lock_key IS
	'locks a key against other changes';
COMMENT ON FUNCTION apikey._touch_key IS
	'locks a key and makes its row differ';
COMMENT ON FUNCTION apikey._require_not_revoked IS
	'raises if a key is revoked';
COMMENT ON FUNCTION apikey._key_json IS
	'what an audit row keeps of a key';
COMMENT ON FUNCTION apikey._check_key IS
	'raises if a field of a key is malformed';
COMMENT ON FUNCTION apikey._role_ids IS
	'roles by name';
COMMENT ON FUNCTION apikey._held_scopes IS
	'own scopes and those of roles';
COMMENT ON FUNCTION apikey._key_role_ids IS
	'roles of a key';
COMMENT ON FUNCTION apikey._lock_limits IS
	'locks the tenants whose limits a key counts against';
COMMENT ON FUNCTION apikey._check_max_keys IS
	'raises if tenants have no room for more keys';
COMMENT ON FUNCTION apikey._check_owner_keys IS
	'raises unless an owner may have n keys more, in the tenant if they are new to him, and under a policy';
COMMENT ON FUNCTION apikey._take_tenant IS
	'locks a tenant against all who make keys in it';
COMMENT ON FUNCTION apikey._check_owner IS
	'raises unless the value names an owner';
COMMENT ON FUNCTION apikey._matching_keys IS
	'the keys of a tenant that are not revoked and meet every condition given, with their descendants if asked';
COMMENT ON FUNCTION apikey._revoke_ids IS
	'revokes keys by ascending id; returns how many';
COMMENT ON FUNCTION apikey._any_production IS
	'whether any of some keys belongs to a production environment';
COMMENT ON FUNCTION apikey._transfer_ids IS
	'gives keys a new owner within his limits; returns how many';
COMMENT ON FUNCTION apikey._freeze_bounds IS
	'a key with what an ancestor binds it to as its own, or an error';
COMMENT ON FUNCTION apikey._note_orphans IS
	'event key.orphan for each living child of a key';
COMMENT ON FUNCTION apikey._expiry IS
	'when a key ends';
COMMENT ON FUNCTION apikey._lock_parent IS
	'locks the parent of a key';
COMMENT ON FUNCTION apikey._parent_of IS
	'the parent of a key';
COMMENT ON FUNCTION apikey._check_bounds IS
	'raises if a key asks for more than its policy or parent allows';
COMMENT ON FUNCTION apikey._limits_json IS
	'limits as an object';
COMMENT ON FUNCTION apikey._check_limit_names IS
	'raises if a key and its policy have limits of too many names';
COMMENT ON FUNCTION apikey._key_depth IS
	'the number of keys from one up to its root';
COMMENT ON FUNCTION apikey._plan_key IS
	'arguments to the row of a new key';
COMMENT ON FUNCTION apikey._admit_keys IS
	'locks, limits and bounds for new keys';
COMMENT ON FUNCTION apikey._insert_keys IS
	'stores new keys';
COMMENT ON FUNCTION apikey._repeated_key IS
	'the key an earlier call with the same idempotency key made';
COMMENT ON FUNCTION apikey._note_keys IS
	'audit rows and events for some keys';
COMMENT ON FUNCTION apikey._lock_descendants IS
	'locks all descendants of a key';
COMMENT ON FUNCTION apikey._set_expiry IS
	'gives a locked key another end';

-- internal: access and set-up

COMMENT ON FUNCTION apikey._privileges IS
	'which class of rights opens which object';
COMMENT ON FUNCTION apikey._grantable IS
	'the objects of that list as GRANT names them';
COMMENT ON FUNCTION apikey._system_identifier IS
	'this cluster';
COMMENT ON FUNCTION apikey._memberships IS
	'rows of member that speak of a role';
COMMENT ON FUNCTION apikey._sync_grants IS
	'makes the grants of a role those its memberships call for';
COMMENT ON FUNCTION apikey._check_access IS
	'checks of grant_access() and revoke_access()';
COMMENT ON FUNCTION apikey._findings_server IS
	'check_setup(): the server';
COMMENT ON FUNCTION apikey._findings_workers IS
	'check_setup(): the workers';
COMMENT ON FUNCTION apikey._findings_keyring IS
	'check_setup(): the data keys';
COMMENT ON FUNCTION apikey._findings_roles IS
	'check_setup(): the roles';
COMMENT ON FUNCTION apikey._findings_log IS
	'check_setup(): what the server log may hold';
COMMENT ON FUNCTION apikey._findings_usage IS
	'check_setup(): partitions, clock and buffer';

-- internal: workers and partitions

COMMENT ON FUNCTION apikey._usage_leaves IS
	'partitions of usage and their bounds';
COMMENT ON FUNCTION apikey._create_usage_leaf IS
	'makes a partition of usage';
COMMENT ON FUNCTION apikey._ensure_partition_for IS
	'makes the partitions that are missing between two instants';
COMMENT ON FUNCTION apikey._make_partitions IS
	'makes the partitions of the present and near future';
COMMENT ON FUNCTION apikey._drop_partitions IS
	'drops the oldest partitions that are past retention';
COMMENT ON FUNCTION apikey._set_task_state IS
	'notes how far a sweep got';
COMMENT ON FUNCTION apikey._announce_expiry IS
	'a step of a sweep that writes events about expiring keys';
COMMENT ON FUNCTION apikey._task_revocations IS
	'carries out revocations whose time has come';
COMMENT ON FUNCTION apikey._task_expiry IS
	'writes events key.expires_soon and key.expired';
COMMENT ON FUNCTION apikey._task_idle IS
	'suspends idle keys';
COMMENT ON FUNCTION apikey._task_partitions IS
	'makes usage partitions ahead';
COMMENT ON FUNCTION apikey._task_retention IS
	'drops an old usage partition';
COMMENT ON FUNCTION apikey._flush_activity IS
	'adds counts to key_activity';
COMMENT ON FUNCTION apikey._key_limits IS
	'limits of a key and its policy as they apply now';
COMMENT ON FUNCTION apikey._limits_changed IS
	'tells the buckets at commit that their limits have changed';
COMMENT ON FUNCTION apikey._find_quota IS
	'the quota of a key that a call means';
COMMENT ON FUNCTION apikey._repeated_credits IS
	'whether an idempotency key was used for these credits';
COMMENT ON FUNCTION apikey._apply_ledger IS
	'applies credits and resets';
COMMENT ON FUNCTION apikey._reserve_quotas IS
	'takes blocks of units from quotas';
COMMENT ON FUNCTION apikey._return_quotas IS
	'gives units back to quotas';
COMMENT ON FUNCTION apikey._note_quotas IS
	'stores what is used of quotas';
COMMENT ON FUNCTION apikey._limit_ceilings IS
	'ceilings of rate limits';
COMMENT ON FUNCTION apikey._reserve_limits IS
	'raises ceilings of rate limits';
COMMENT ON FUNCTION apikey._close_limits IS
	'sets ceilings of rate limits to what is used';
COMMENT ON FUNCTION apikey._durable_limits IS
	'all limits that have a row';
COMMENT ON FUNCTION apikey._forget_limits IS
	'deletes rows of limits that mean nothing any more';

-- approvals, second factors, previews
COMMENT ON FUNCTION apikey._check_denials(bigint, apikey.policy_version, boolean) IS 'raises AK003 if rules would deny recent traffic and the change is not forced';
COMMENT ON FUNCTION apikey._preview IS 'what differs for the keys of a policy when recorded requests are judged under other rules';
COMMENT ON FUNCTION apikey.request_key IS 'asks for a key that another role has to approve';
COMMENT ON FUNCTION apikey.approve_key IS 'approves a key that was asked for and makes its secret';
COMMENT ON FUNCTION apikey.reject_key IS 'rejects a key that was asked for';
COMMENT ON FUNCTION apikey.claim_key IS 'takes the sealed text of an approved key, once';
COMMENT ON FUNCTION apikey.enroll_totp IS 'makes a second factor for the caller';
COMMENT ON FUNCTION apikey.confirm_totp IS 'puts the second factor of the caller in force';
COMMENT ON FUNCTION apikey.step_up IS 'gives the second factor of the caller, for the rest of the transaction';
COMMENT ON FUNCTION apikey.remove_totp IS 'removes the second factor of the caller or of another role';
COMMENT ON FUNCTION apikey._needs_approval IS 'whether keys like this one take an approval';
COMMENT ON FUNCTION apikey._asked_for IS 'whether the caller is who asked for a key';
COMMENT ON FUNCTION apikey._require_four_eyes IS 'raises if the caller is who asked for a key';
COMMENT ON FUNCTION apikey._require_approver IS 'raises if a change of a key takes an approver and the caller is none';
COMMENT ON FUNCTION apikey._require_not_pending IS 'raises if a key waits for an approval';
COMMENT ON FUNCTION apikey._restored_status IS 'status of a key that is no longer revoked';
COMMENT ON FUNCTION apikey._is_rejected IS 'whether the request for a key was rejected';
COMMENT ON FUNCTION apikey._lock_pending IS 'locks a key that waits for an approval';
COMMENT ON FUNCTION apikey._request_digest IS 'digest of what a key was asked for with';
COMMENT ON FUNCTION apikey._judge_keys IS 'limits and bounds for new keys, whose locks are held';
COMMENT ON FUNCTION apikey._add_secret IS 'makes and stores a secret of a locked key';
COMMENT ON FUNCTION apikey._is_member IS 'whether a role has any access to any tenant';
COMMENT ON FUNCTION apikey._make_totp IS 'makes the secret of a second factor and what is stored of it';
COMMENT ON FUNCTION apikey._totp_code IS 'the code of a time step (RFC 6238, SHA1)';
COMMENT ON FUNCTION apikey._take_code IS 'judges a code and uses it up; returns its time step';
COMMENT ON FUNCTION apikey._mark_stepped_up IS 'marks the transaction for a role that gave its second factor';
COMMENT ON FUNCTION apikey._stepped_up IS 'whether the transaction is marked for a role';
COMMENT ON FUNCTION apikey._totp IS 'the second factor of a role';
COMMENT ON FUNCTION apikey._require_member IS 'raises unless the caller has any access to any tenant';
COMMENT ON FUNCTION apikey._findings_step_up IS 'check_setup(): second factors';
COMMENT ON FUNCTION apikey._check_approval(apikey.api_key, apikey.policy_version) IS 'raises AK004 if keys like this one take an approval';
COMMENT ON FUNCTION apikey._require_step_up(text, boolean) IS 'raises AK005 if the caller has to give a second factor first';

-- The body of f() is _f(), see src/sql_admin.c.
DO $$
DECLARE
	body record;
BEGIN
	FOR body IN
		SELECT b.oid::pg_catalog.regprocedure::pg_catalog.text AS signature, f.proname
		FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_proc b
			ON b.pronamespace OPERATOR(pg_catalog.=) f.pronamespace
				AND b.proname OPERATOR(pg_catalog.=) ('_' OPERATOR(pg_catalog.||) f.proname)::pg_catalog.name
				AND b.proargtypes OPERATOR(pg_catalog.=) f.proargtypes
		WHERE f.pronamespace OPERATOR(pg_catalog.=) 'apikey'::pg_catalog.regnamespace
			AND f.prosrc OPERATOR(pg_catalog.=) 'apikey_call'
	LOOP
		EXECUTE pg_catalog.format('COMMENT ON FUNCTION %s IS %L', body.signature,
								  pg_catalog.format('body of %s()', body.proname));
	END LOOP;
END
$$;
