-- ---------------------------------------------------------------------------
-- Comments: what \d+ and \df+ show, and what the reference is checked against.
-- Functions of C pieces have theirs beside the declaration.
-- ---------------------------------------------------------------------------

-- tables

COMMENT ON TABLE apikey.tenant IS
	'an organisation; tenants form a tree, limits and suspension of an ancestor apply to all below it';
COMMENT ON COLUMN apikey.tenant.tenant_id IS 'surrogate key';
COMMENT ON COLUMN apikey.tenant.parent_id IS 'the tenant above; NULL for a root';
COMMENT ON COLUMN apikey.tenant.name IS 'slug, unique under its parent; functions take the path, as in acme/eu';
COMMENT ON COLUMN apikey.tenant.status IS 'active or suspended';
COMMENT ON COLUMN apikey.tenant.prefix IS 'first part of the text of new keys';
COMMENT ON COLUMN apikey.tenant.max_keys IS 'limit on keys that are not revoked, those of tenants below included; NULL: none';
COMMENT ON COLUMN apikey.tenant.settings IS 'free for applications';
COMMENT ON COLUMN apikey.tenant.generation IS 'counts key creations under a limit; makes concurrent ones queue up';
COMMENT ON COLUMN apikey.tenant.suspend_reason IS 'why it is suspended';
COMMENT ON COLUMN apikey.tenant.created_at IS 'when it was created';
COMMENT ON TABLE apikey.environment IS
	'development, staging, production of a tenant';
COMMENT ON COLUMN apikey.environment.environment_id IS 'surrogate key';
COMMENT ON COLUMN apikey.environment.tenant_id IS 'the tenant it belongs to';
COMMENT ON COLUMN apikey.environment.name IS 'unique in its tenant';
COMMENT ON COLUMN apikey.environment.tag IS 'second part of the text of new keys';
COMMENT ON COLUMN apikey.environment.is_production IS 'whether it serves real traffic';
COMMENT ON COLUMN apikey.environment.default_policy_id IS 'policy of keys that are made without one';
COMMENT ON COLUMN apikey.environment.requires_approval IS 'whether keys take an approval';
COMMENT ON COLUMN apikey.environment.created_at IS 'when it was created';
COMMENT ON TABLE apikey.policy IS
	'a reusable rule set; the rules are in policy_version';
COMMENT ON COLUMN apikey.policy.policy_id IS 'surrogate key';
COMMENT ON COLUMN apikey.policy.tenant_id IS 'the tenant it belongs to; tenants below may use it too';
COMMENT ON COLUMN apikey.policy.name IS 'unique in its tenant';
COMMENT ON COLUMN apikey.policy.description IS 'what it is for';
COMMENT ON COLUMN apikey.policy.latest_version IS 'highest version number given out';
COMMENT ON COLUMN apikey.policy.created_at IS 'when it was created';
COMMENT ON TABLE apikey.policy_version IS
	'the rules of a policy from an instant on; immutable, each change adds a row';
COMMENT ON COLUMN apikey.policy_version.policy_id IS 'the policy';
COMMENT ON COLUMN apikey.policy_version.version IS '1, 2 and so on';
COMMENT ON COLUMN apikey.policy_version.tenant_id IS 'tenant of the policy';
COMMENT ON COLUMN apikey.policy_version.effective_at IS 'in force from this instant until the next version is';
COMMENT ON COLUMN apikey.policy_version.author IS 'role that wrote it';
COMMENT ON COLUMN apikey.policy_version.note IS 'why it was written';
COMMENT ON COLUMN apikey.policy_version.created_at IS 'when it was written';
COMMENT ON COLUMN apikey.policy_version.allowed_cidrs IS 'networks requests may come from; empty: all';
COMMENT ON COLUMN apikey.policy_version.denied_cidrs IS 'networks requests may not come from';
COMMENT ON COLUMN apikey.policy_version.allowed_endpoints IS 'endpoint rules requests must match one of; empty: all';
COMMENT ON COLUMN apikey.policy_version.denied_endpoints IS 'endpoint rules requests may match none of';
COMMENT ON COLUMN apikey.policy_version.access_hours IS 'windows requests may fall in; empty: always';
COMMENT ON COLUMN apikey.policy_version.required_scopes IS 'scopes every request needs, beside those it names';
COMMENT ON COLUMN apikey.policy_version.max_scopes IS 'bound of what keys may hold; NULL: none';
COMMENT ON COLUMN apikey.policy_version.default_ttl IS 'life of a key that is made without an expiry';
COMMENT ON COLUMN apikey.policy_version.max_ttl IS 'longest life of a key, from its making or renewal';
COMMENT ON COLUMN apikey.policy_version.idle_timeout IS 'time without use after which a key is suspended';
COMMENT ON COLUMN apikey.policy_version.grace IS 'time after its expiry for which a key is still accepted';
COMMENT ON COLUMN apikey.policy_version.rotate_every IS 'interval of automatic rotation; not supported yet';
COMMENT ON COLUMN apikey.policy_version.overlap IS 'time for which old secrets work after a rotation';
COMMENT ON COLUMN apikey.policy_version.rate_limits IS 'rate limits of each key; a limit of the key with the same name comes in its place';
COMMENT ON COLUMN apikey.policy_version.quotas IS 'quotas of each key; a limit of the key with the same name comes in its place';
COMMENT ON COLUMN apikey.policy_version.max_keys_per_owner IS 'limit on keys of one owner that are not revoked';
COMMENT ON COLUMN apikey.policy_version.priority IS '0 to 100: under load, rate limits of low priority refill slower first';
COMMENT ON COLUMN apikey.policy_version.on_leak IS 'what a leak does to a key; only notify is supported yet';
COMMENT ON COLUMN apikey.policy_version.on_anomaly IS 'what an anomaly does to a key; only notify is supported yet';
COMMENT ON COLUMN apikey.policy_version.recoverable IS 'whether secrets can be revealed later; not supported yet';
COMMENT ON COLUMN apikey.policy_version.requires_approval IS 'whether keys take an approval';
COMMENT ON TABLE apikey.role IS
	'a named bundle of scopes of a tenant';
COMMENT ON COLUMN apikey.role.role_id IS 'surrogate key';
COMMENT ON COLUMN apikey.role.tenant_id IS 'the tenant it belongs to';
COMMENT ON COLUMN apikey.role.name IS 'unique in its tenant';
COMMENT ON COLUMN apikey.role.scopes IS 'what keys with this role hold';
COMMENT ON COLUMN apikey.role.description IS 'what it is for';
COMMENT ON COLUMN apikey.role.created_at IS 'when it was created';
COMMENT ON TABLE apikey.api_key IS
	'a key: who holds it, what it may do, how long; the texts that prove it are in key_secret';
COMMENT ON COLUMN apikey.api_key.key_id IS 'surrogate key, the same for the whole life of the key';
COMMENT ON COLUMN apikey.api_key.tenant_id IS 'the tenant it belongs to';
COMMENT ON COLUMN apikey.api_key.environment_id IS 'the environment it is for';
COMMENT ON COLUMN apikey.api_key.policy_id IS 'the policy it obeys';
COMMENT ON COLUMN apikey.api_key.parent_key_id IS 'the key it was derived from; what it may do lies within what that one may';
COMMENT ON COLUMN apikey.api_key.status IS 'pending, active, suspended or revoked: decisions, never the clock';
COMMENT ON COLUMN apikey.api_key.owner IS 'who holds it';
COMMENT ON COLUMN apikey.api_key.name IS 'what it is called';
COMMENT ON COLUMN apikey.api_key.description IS 'what it is for';
COMMENT ON COLUMN apikey.api_key.scopes IS 'own scopes; those of its roles come on top';
COMMENT ON COLUMN apikey.api_key.tags IS 'labels to search by';
COMMENT ON COLUMN apikey.api_key.metadata IS 'free for applications, returned by verify()';
COMMENT ON COLUMN apikey.api_key.cidrs IS 'networks requests may come from, beside the policy''s; empty: all';
COMMENT ON COLUMN apikey.api_key.endpoints IS 'endpoint rules requests must match one of, beside the policy''s; empty: all';
COMMENT ON COLUMN apikey.api_key.rate_limits IS 'own rate limits, beside the policy''s; the same name replaces one of these';
COMMENT ON COLUMN apikey.api_key.quotas IS 'own quotas, beside the policy''s; the same name replaces one of these';
COMMENT ON COLUMN apikey.api_key.not_before IS 'not accepted before';
COMMENT ON COLUMN apikey.api_key.expires_at IS 'not accepted from then on, but for the grace of the policy';
COMMENT ON COLUMN apikey.api_key.revoke_at IS 'revoked from then on';
COMMENT ON COLUMN apikey.api_key.revoked_at IS 'when it was revoked';
COMMENT ON COLUMN apikey.api_key.revoke_reason IS 'why it was, or will be, revoked';
COMMENT ON COLUMN apikey.api_key.suspend_reason IS 'why it is suspended, empty if nobody said; kept while revoked';
COMMENT ON COLUMN apikey.api_key.rotate_every IS 'interval of automatic rotation; not supported yet';
COMMENT ON COLUMN apikey.api_key.next_rotation_at IS 'next automatic rotation; not supported yet';
COMMENT ON COLUMN apikey.api_key.recipient_id IS 'public key that new secrets are sealed to; not supported yet';
COMMENT ON COLUMN apikey.api_key.idempotency_key IS 'key of the create_key() call that made it';
COMMENT ON COLUMN apikey.api_key.created_at IS 'when it was made';
COMMENT ON COLUMN apikey.api_key.created_by IS 'role that made it';
COMMENT ON TABLE apikey.key_role IS
	'which roles a key has';
COMMENT ON COLUMN apikey.key_role.key_id IS 'the key';
COMMENT ON COLUMN apikey.key_role.role_id IS 'the role';
COMMENT ON COLUMN apikey.key_role.tenant_id IS 'tenant of both';
COMMENT ON TABLE apikey.keyring IS
	'data keys that digests are made with; nobody may read it';
COMMENT ON COLUMN apikey.keyring.keyring_id IS 'number that key_secret rows name';
COMMENT ON COLUMN apikey.keyring.algorithm IS 'digest the key is used for';
COMMENT ON COLUMN apikey.keyring.wrapped IS 'whether material is encrypted with a master key';
COMMENT ON COLUMN apikey.keyring.material IS 'the key: 32 bytes in the clear, 72 wrapped';
COMMENT ON COLUMN apikey.keyring.master_id IS 'which master key wraps it';
COMMENT ON COLUMN apikey.keyring.active IS 'whether it is in use; secrets of one that is not are not found';
COMMENT ON COLUMN apikey.keyring.created_at IS 'when it was made';
COMMENT ON TABLE apikey.key_secret IS
	'a secret of a key: never the text, only a keyed digest of it';
COMMENT ON COLUMN apikey.key_secret.secret_id IS 'surrogate key';
COMMENT ON COLUMN apikey.key_secret.key_id IS 'the key it proves';
COMMENT ON COLUMN apikey.key_secret.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.key_secret.scheme IS 'how digest was made';
COMMENT ON COLUMN apikey.key_secret.keyring_id IS 'data key of the digest';
COMMENT ON COLUMN apikey.key_secret.digest IS 'keyed digest of the text';
COMMENT ON COLUMN apikey.key_secret.hint IS 'what may be shown of the text';
COMMENT ON COLUMN apikey.key_secret.created_at IS 'when it was made';
COMMENT ON COLUMN apikey.key_secret.expires_at IS 'end of the overlap after a rotation; NULL: as long as the key';
COMMENT ON COLUMN apikey.key_secret.revoked_at IS 'when this secret was revoked';
COMMENT ON COLUMN apikey.key_secret.sealed IS 'recoverable ciphertext; not supported yet';
COMMENT ON TABLE apikey.key_activity IS
	'use of a key, written in batches some seconds late';
COMMENT ON COLUMN apikey.key_activity.key_id IS 'the key';
COMMENT ON COLUMN apikey.key_activity.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.key_activity.first_used_at IS 'first use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.key_activity.last_used_at IS 'last use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.key_activity.last_ip IS 'address of the last use that gave one';
COMMENT ON COLUMN apikey.key_activity.calls IS 'accepted attempts';
COMMENT ON COLUMN apikey.key_activity.errors IS 'attempts the application logged with an error status';
COMMENT ON COLUMN apikey.key_activity.denials IS 'attempts that were denied';
COMMENT ON TABLE apikey.ip_block IS
	'networks no key of a tenant is accepted from';
COMMENT ON COLUMN apikey.ip_block.ip_block_id IS 'surrogate key';
COMMENT ON COLUMN apikey.ip_block.tenant_id IS 'tenant, those below included; NULL: all';
COMMENT ON COLUMN apikey.ip_block.network IS 'the network';
COMMENT ON COLUMN apikey.ip_block.reason IS 'why it is blocked';
COMMENT ON COLUMN apikey.ip_block.expires_at IS 'when the block ends; NULL: never';
COMMENT ON COLUMN apikey.ip_block.created_at IS 'when it was blocked';
COMMENT ON COLUMN apikey.ip_block.created_by IS 'role that blocked it';
COMMENT ON TABLE apikey.member IS
	'which database role may do what for which tenant; written by grant_access()';
COMMENT ON COLUMN apikey.member.member_id IS 'surrogate key';
COMMENT ON COLUMN apikey.member.tenant_id IS 'tenant, those below included; NULL: all';
COMMENT ON COLUMN apikey.member.role_name IS 'name of the role, which counts in any other cluster than the one it was granted in';
COMMENT ON COLUMN apikey.member.role_oid IS 'OID of the role, which counts in the cluster it was granted in';
COMMENT ON COLUMN apikey.member.system_identifier IS 'that cluster';
COMMENT ON COLUMN apikey.member.access IS 'verifier, analyst, auditor, operator or admin';
COMMENT ON COLUMN apikey.member.granted_at IS 'when it was granted';
COMMENT ON COLUMN apikey.member.granted_by IS 'role that granted it';
COMMENT ON TABLE apikey.event IS
	'outbox: what happened that someone should hear of';
COMMENT ON COLUMN apikey.event.event_id IS 'surrogate key';
COMMENT ON COLUMN apikey.event.tenant_id IS 'tenant it concerns; NULL: none or all';
COMMENT ON COLUMN apikey.event.type IS 'what happened, as in key.revoke';
COMMENT ON COLUMN apikey.event.key_id IS 'key it concerns';
COMMENT ON COLUMN apikey.event.payload IS 'more about it; never a key text or digest';
COMMENT ON COLUMN apikey.event.dedupe_key IS 'unique within tenant and type where given: the same warning is never sent twice';
COMMENT ON COLUMN apikey.event.created_at IS 'when it happened';
COMMENT ON TABLE apikey.audit_log IS
	'every management action: who, when, what';
COMMENT ON COLUMN apikey.audit_log.seq IS 'order of writing';
COMMENT ON COLUMN apikey.audit_log.at IS 'when';
COMMENT ON COLUMN apikey.audit_log.actor IS 'role that called the function';
COMMENT ON COLUMN apikey.audit_log.session IS 'role that had logged in';
COMMENT ON COLUMN apikey.audit_log.tenant_id IS 'tenant it concerns; NULL: none or all';
COMMENT ON COLUMN apikey.audit_log.action IS 'what was done, as in key.create';
COMMENT ON COLUMN apikey.audit_log.object IS 'what it was done to, as in key:12';
COMMENT ON COLUMN apikey.audit_log.before IS 'what was there before';
COMMENT ON COLUMN apikey.audit_log.after IS 'what is there after';
COMMENT ON COLUMN apikey.audit_log.chain_hash IS 'hash over this row and the one before; not filled in yet';
COMMENT ON TABLE apikey.quota_state IS
	'what is used of a quota in one window; written by the writer only';
COMMENT ON COLUMN apikey.quota_state.quota_id IS 'identity of the quota: who shares it and its name';
COMMENT ON COLUMN apikey.quota_state.window_start IS 'when the window begins; -infinity for period total';
COMMENT ON COLUMN apikey.quota_state.window_end IS 'when it ends; infinity for period total';
COMMENT ON COLUMN apikey.quota_state.tenant_id IS 'tenant of the key that used it first; of a tenant''s limit that tenant';
COMMENT ON COLUMN apikey.quota_state.key_id IS 'key that used it first';
COMMENT ON COLUMN apikey.quota_state.shared IS 'who shares it: key, owner, tenant, policy, or tree: a tenant that has the limit, with all below';
COMMENT ON COLUMN apikey.quota_state.holder IS 'that key id, owner, tenant id or policy id';
COMMENT ON COLUMN apikey.quota_state.name IS 'name of the quota';
COMMENT ON COLUMN apikey.quota_state.units IS 'units of the quota, as the writer saw them last';
COMMENT ON COLUMN apikey.quota_state.credits IS 'units that add_credits() added to this window';
COMMENT ON COLUMN apikey.quota_state.reserved IS 'units that were given out or lie ready in memory';
COMMENT ON COLUMN apikey.quota_state.used IS 'units of these that are used, some seconds late; what a crash lost counts as used';
COMMENT ON COLUMN apikey.quota_state.updated_at IS 'when the row was written last';
COMMENT ON TABLE apikey.limit_state IS
	'how far a rate limit of more than a minute may have been used; written by the writer only';
COMMENT ON COLUMN apikey.limit_state.limit_id IS 'identity of the rate limit: who shares it and its name';
COMMENT ON COLUMN apikey.limit_state.tenant_id IS 'tenant of the key that used it first; of a tenant''s limit that tenant';
COMMENT ON COLUMN apikey.limit_state.key_id IS 'key that used it first';
COMMENT ON COLUMN apikey.limit_state.shared IS 'who shares it: key, owner, tenant, policy, or tree: a tenant that has the limit, with all below';
COMMENT ON COLUMN apikey.limit_state.holder IS 'that key id, owner, tenant id or policy id';
COMMENT ON COLUMN apikey.limit_state.name IS 'name of the rate limit';
COMMENT ON COLUMN apikey.limit_state.ceiling IS 'when it will be full again at the latest, if nothing more is used; after a crash it is taken as used so far';
COMMENT ON COLUMN apikey.limit_state.updated_at IS 'when the row was written last';
COMMENT ON TABLE apikey.limit_ledger IS
	'credits and resets of limits, each applied by the writer once';
COMMENT ON COLUMN apikey.limit_ledger.ledger_id IS 'surrogate key';
COMMENT ON COLUMN apikey.limit_ledger.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.limit_ledger.key_id IS 'key that was named';
COMMENT ON COLUMN apikey.limit_ledger.kind IS 'credit or reset';
COMMENT ON COLUMN apikey.limit_ledger.limit_id IS 'identity of the quota or rate limit';
COMMENT ON COLUMN apikey.limit_ledger.window_start IS 'window of the quota; NULL for a rate limit';
COMMENT ON COLUMN apikey.limit_ledger.window_end IS 'end of that window; NULL for a rate limit';
COMMENT ON COLUMN apikey.limit_ledger.shared IS 'who shares it: key, owner, tenant or policy';
COMMENT ON COLUMN apikey.limit_ledger.holder IS 'that key id, owner, tenant id or policy id';
COMMENT ON COLUMN apikey.limit_ledger.name IS 'name of the quota or rate limit';
COMMENT ON COLUMN apikey.limit_ledger.quota_units IS 'units of the quota at the time; NULL for a rate limit';
COMMENT ON COLUMN apikey.limit_ledger.units IS 'units that were added; NULL for a reset';
COMMENT ON COLUMN apikey.limit_ledger.reason IS 'why';
COMMENT ON COLUMN apikey.limit_ledger.idempotency_key IS 'of the call';
COMMENT ON COLUMN apikey.limit_ledger.author IS 'role that called';
COMMENT ON COLUMN apikey.limit_ledger.created_at IS 'when';
COMMENT ON COLUMN apikey.limit_ledger.applied_at IS 'when the writer applied it; NULL: not yet';
COMMENT ON TABLE apikey.usage IS
	'one row for each verification or call of log_usage(); partitioned by time';
COMMENT ON COLUMN apikey.usage.at IS 'when the call was made';
COMMENT ON COLUMN apikey.usage.tenant_id IS 'tenant of the key; NULL where none was found';
COMMENT ON COLUMN apikey.usage.key_id IS 'the key; NULL where none was found';
COMMENT ON COLUMN apikey.usage.secret_id IS 'secret that was presented';
COMMENT ON COLUMN apikey.usage.environment_id IS 'environment of the key';
COMMENT ON COLUMN apikey.usage.code IS 'verdict, as in VALID or EXPIRED; LOGGED for log_usage()';
COMMENT ON COLUMN apikey.usage.scope IS 'scopes that were asked for';
COMMENT ON COLUMN apikey.usage.method IS 'method of the request';
COMMENT ON COLUMN apikey.usage.endpoint IS 'path of the request, key-looking text redacted';
COMMENT ON COLUMN apikey.usage.status IS 'HTTP status the application logged';
COMMENT ON COLUMN apikey.usage.latency_us IS 'microseconds the request took, logged by the application';
COMMENT ON COLUMN apikey.usage.bytes_in IS 'size of the request, logged by the application';
COMMENT ON COLUMN apikey.usage.bytes_out IS 'size of the answer, logged by the application';
COMMENT ON COLUMN apikey.usage.units IS 'what the request cost';
COMMENT ON COLUMN apikey.usage.ip IS 'address of the client';
COMMENT ON COLUMN apikey.usage.region IS 'region the application named';
COMMENT ON COLUMN apikey.usage.user_agent IS 'user agent of the client, key-looking text redacted';
COMMENT ON COLUMN apikey.usage.request_id IS 'id the application gave the request';
COMMENT ON COLUMN apikey.usage.tags IS 'labels the application gave the request';
COMMENT ON TABLE apikey.task_state IS
	'where the sweeps of the housekeeper go on';
COMMENT ON COLUMN apikey.task_state.task IS 'name of the sweep';
COMMENT ON COLUMN apikey.task_state.last_at IS 'time it got to';
COMMENT ON COLUMN apikey.task_state.last_key_id IS 'key it got to';

-- views

COMMENT ON VIEW apikey.key IS
	'keys with names instead of ids, and their use; list_keys() adds hints of the secrets';
COMMENT ON COLUMN apikey.key.key_id IS 'the key';
COMMENT ON COLUMN apikey.key.tenant IS 'path of its tenant';
COMMENT ON COLUMN apikey.key.environment IS 'name of its environment';
COMMENT ON COLUMN apikey.key.policy IS 'name of its policy; NULL also where that belongs to a tenant out of sight';
COMMENT ON COLUMN apikey.key.parent_key_id IS 'the key it was derived from; what it may do lies within what that one may';
COMMENT ON COLUMN apikey.key.owner IS 'who holds it';
COMMENT ON COLUMN apikey.key.name IS 'what it is called';
COMMENT ON COLUMN apikey.key.description IS 'what it is for';
COMMENT ON COLUMN apikey.key.status IS 'pending, active, suspended or revoked: decisions, never the clock';
COMMENT ON COLUMN apikey.key.scopes IS 'own scopes; those of its roles come on top';
COMMENT ON COLUMN apikey.key.roles IS 'names of its roles';
COMMENT ON COLUMN apikey.key.tags IS 'labels to search by';
COMMENT ON COLUMN apikey.key.metadata IS 'free for applications, returned by verify()';
COMMENT ON COLUMN apikey.key.cidrs IS 'networks requests may come from, beside the policy''s; empty: all';
COMMENT ON COLUMN apikey.key.endpoints IS 'endpoint rules requests must match one of, beside the policy''s; empty: all';
COMMENT ON COLUMN apikey.key.not_before IS 'not accepted before';
COMMENT ON COLUMN apikey.key.expires_at IS 'not accepted from then on, but for the grace of the policy';
COMMENT ON COLUMN apikey.key.revoke_at IS 'revoked from then on';
COMMENT ON COLUMN apikey.key.revoked_at IS 'when it was revoked';
COMMENT ON COLUMN apikey.key.revoke_reason IS 'why it was, or will be, revoked';
COMMENT ON COLUMN apikey.key.suspend_reason IS 'why it is suspended';
COMMENT ON COLUMN apikey.key.created_at IS 'when it was made';
COMMENT ON COLUMN apikey.key.created_by IS 'role that made it';
COMMENT ON COLUMN apikey.key.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.key.environment_id IS 'the environment it is for';
COMMENT ON COLUMN apikey.key.policy_id IS 'the policy it obeys';
COMMENT ON COLUMN apikey.key.first_used_at IS 'first use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.key.last_used_at IS 'last use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.key.last_ip IS 'address of the last use that gave one';
COMMENT ON COLUMN apikey.key.calls IS 'accepted attempts';
COMMENT ON COLUMN apikey.key.errors IS 'attempts the application logged with an error status';
COMMENT ON COLUMN apikey.key.denials IS 'attempts that were denied';
COMMENT ON COLUMN apikey.key.rate_limits IS 'own rate limits, beside the policy''s; the same name replaces one of these';
COMMENT ON COLUMN apikey.key.quotas IS 'own quotas, beside the policy''s; the same name replaces one of these';
COMMENT ON VIEW apikey.stat_usage IS
	'the usage buffer of this database, since the server started';
COMMENT ON COLUMN apikey.stat_usage.written IS 'events written to apikey.usage';
COMMENT ON COLUMN apikey.stat_usage.waiting IS 'events in the buffer';
COMMENT ON COLUMN apikey.stat_usage.dropped IS 'events that were lost';
COMMENT ON COLUMN apikey.stat_usage.suppressed IS 'attempts without a key that are not recorded: beyond apikey.usage_unknown_rate, or blocked after the first';
COMMENT ON COLUMN apikey.stat_usage.bytes IS 'size of what was written';
COMMENT ON COLUMN apikey.stat_usage.lag IS 'age of the oldest event in the buffer';
COMMENT ON COLUMN apikey.stat_usage.buffer_size IS 'size of the buffer in bytes';
COMMENT ON COLUMN apikey.stat_usage.throttle IS 'how much rate limits of low priority are slowed down now, 0 to 1';
COMMENT ON VIEW apikey.stat_worker IS
	'the workers of this database and their tasks, since the server started';
COMMENT ON COLUMN apikey.stat_worker.worker IS 'apikey writer or apikey housekeeper';
COMMENT ON COLUMN apikey.stat_worker.pid IS 'process; NULL while it does not run';
COMMENT ON COLUMN apikey.stat_worker.task IS 'name of the task';
COMMENT ON COLUMN apikey.stat_worker.last_run IS 'when it began last';
COMMENT ON COLUMN apikey.stat_worker.duration IS 'how long that took';
COMMENT ON COLUMN apikey.stat_worker.rows IS 'rows it changed in that run';
COMMENT ON COLUMN apikey.stat_worker.runs IS 'how often it ran';
COMMENT ON COLUMN apikey.stat_worker.failures IS 'how often it failed';
COMMENT ON COLUMN apikey.stat_worker.error IS 'what it failed with in the last run; NULL: it did not';
COMMENT ON VIEW apikey.stat_cache IS
	'one row: the compiled keys that this session keeps between verifications';
COMMENT ON COLUMN apikey.stat_cache.hits IS 'verifications that needed no table';
COMMENT ON COLUMN apikey.stat_cache.misses IS 'verifications that read the tables';
COMMENT ON COLUMN apikey.stat_cache.invalidations IS 'kept keys dropped because something changed';
COMMENT ON COLUMN apikey.stat_cache.evictions IS 'kept keys dropped to make room';
COMMENT ON COLUMN apikey.stat_cache.entries IS 'keys kept at present';
COMMENT ON COLUMN apikey.stat_cache.bytes IS 'memory taken at present, at most apikey.cache_size';
COMMENT ON VIEW apikey.stat_limits IS
	'one row: the buckets of rate limits and quotas in shared memory, of all databases, since the server started';
COMMENT ON COLUMN apikey.stat_limits.buckets IS 'buckets there are, apikey.limit_buckets';
COMMENT ON COLUMN apikey.stat_limits.used IS 'of these used at least once; an idle one can be given to another limit';
COMMENT ON COLUMN apikey.stat_limits.evictions IS 'idle buckets given to other limits';
COMMENT ON COLUMN apikey.stat_limits."full" IS 'requests refused because no bucket was idle';
COMMENT ON COLUMN apikey.stat_limits.denied IS 'requests denied by a rate limit or quota';
COMMENT ON COLUMN apikey.stat_limits.reservations IS 'reservations asked of the writers';
COMMENT ON COLUMN apikey.stat_limits.unavailable IS 'requests answered UNAVAILABLE';
COMMENT ON VIEW apikey.stat_guard IS
	'addresses that failed to present a key of this database, with the minute they failed in last';
COMMENT ON COLUMN apikey.stat_guard.ip IS 'IPv4 address, or network of 64 bits of an IPv6 one';
COMMENT ON COLUMN apikey.stat_guard.window_start IS 'start of that minute';
COMMENT ON COLUMN apikey.stat_guard.attempts IS 'attempts with malformed or unknown keys in it';
COMMENT ON COLUMN apikey.stat_guard.blocked IS 'of these answered BLOCKED';
COMMENT ON COLUMN apikey.stat_guard.blocked_until IS 'end of that minute, if an attempt was blocked';

-- types

COMMENT ON COLUMN apikey.rate_limit.name IS 'what limit_name of a verdict shows; 1 to 63 bytes';
COMMENT ON COLUMN apikey.rate_limit.requests IS 'so many requests, or units of them';
COMMENT ON COLUMN apikey.rate_limit.per IS 'in this time; a day has 24 hours, months are refused';
COMMENT ON COLUMN apikey.rate_limit.burst IS 'so many at once; NULL: as many as requests';
COMMENT ON COLUMN apikey.rate_limit.shared IS 'who shares the limit: key (NULL is the same), owner, tenant or policy';
COMMENT ON COLUMN apikey.quota.name IS 'what limit_name of a verdict shows; 1 to 63 bytes';
COMMENT ON COLUMN apikey.quota.units IS 'so many units, less than 2^62';
COMMENT ON COLUMN apikey.quota.period IS 'in each hour, day, week or month, or in total';
COMMENT ON COLUMN apikey.quota.timezone IS 'whose calendar counts; NULL is UTC';
COMMENT ON COLUMN apikey.quota.shared IS 'who shares the quota: key (NULL is the same), owner, tenant or policy';
COMMENT ON COLUMN apikey.verdict.valid IS 'whether the request may pass';
COMMENT ON COLUMN apikey.verdict.code IS 'the reason, as in VALID or EXPIRED';
COMMENT ON COLUMN apikey.verdict.http_status IS 'HTTP status that goes with the code';
COMMENT ON COLUMN apikey.verdict.key_id IS 'the key; NULL where none was found';
COMMENT ON COLUMN apikey.verdict.secret_id IS 'secret that was presented';
COMMENT ON COLUMN apikey.verdict.tenant IS 'path of its tenant';
COMMENT ON COLUMN apikey.verdict.environment IS 'name of its environment';
COMMENT ON COLUMN apikey.verdict.owner IS 'who holds it';
COMMENT ON COLUMN apikey.verdict.name IS 'what it is called';
COMMENT ON COLUMN apikey.verdict.scopes IS 'what it holds, roles included, within the bound of its policy';
COMMENT ON COLUMN apikey.verdict.metadata IS 'free for applications';
COMMENT ON COLUMN apikey.verdict.expires_at IS 'when it, its parents or the secret end';
COMMENT ON COLUMN apikey.verdict.remaining IS 'what is left of the tightest limit';
COMMENT ON COLUMN apikey.verdict.limit_name IS 'that limit';
COMMENT ON COLUMN apikey.verdict.retry_after IS 'when to try again';
COMMENT ON COLUMN apikey.verdict.detail IS 'the reason in words';
COMMENT ON COLUMN apikey.verdict.warnings IS 'what to look after, as in EXPIRES_SOON';
COMMENT ON COLUMN apikey.key_info.key_id IS 'the key';
COMMENT ON COLUMN apikey.key_info.tenant IS 'path of its tenant';
COMMENT ON COLUMN apikey.key_info.environment IS 'name of its environment';
COMMENT ON COLUMN apikey.key_info.policy IS 'name of its policy';
COMMENT ON COLUMN apikey.key_info.parent_key_id IS 'the key it was derived from; what it may do lies within what that one may';
COMMENT ON COLUMN apikey.key_info.owner IS 'who holds it';
COMMENT ON COLUMN apikey.key_info.name IS 'what it is called';
COMMENT ON COLUMN apikey.key_info.description IS 'what it is for';
COMMENT ON COLUMN apikey.key_info.status IS 'pending, active, suspended or revoked: decisions, never the clock';
COMMENT ON COLUMN apikey.key_info.scopes IS 'own scopes; those of its roles come on top';
COMMENT ON COLUMN apikey.key_info.roles IS 'names of its roles';
COMMENT ON COLUMN apikey.key_info.tags IS 'labels to search by';
COMMENT ON COLUMN apikey.key_info.metadata IS 'free for applications, returned by verify()';
COMMENT ON COLUMN apikey.key_info.cidrs IS 'networks requests may come from, beside the policy''s; empty: all';
COMMENT ON COLUMN apikey.key_info.endpoints IS 'endpoint rules requests must match one of, beside the policy''s; empty: all';
COMMENT ON COLUMN apikey.key_info.not_before IS 'not accepted before';
COMMENT ON COLUMN apikey.key_info.expires_at IS 'not accepted from then on, but for the grace of the policy';
COMMENT ON COLUMN apikey.key_info.revoke_at IS 'revoked from then on';
COMMENT ON COLUMN apikey.key_info.revoked_at IS 'when it was revoked';
COMMENT ON COLUMN apikey.key_info.revoke_reason IS 'why it was, or will be, revoked';
COMMENT ON COLUMN apikey.key_info.created_at IS 'when it was made';
COMMENT ON COLUMN apikey.key_info.created_by IS 'role that made it';
COMMENT ON COLUMN apikey.key_info.last_used_at IS 'last use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.key_info.hints IS 'what may be shown of its secrets, oldest first';
COMMENT ON COLUMN apikey.key_info.rate_limits IS 'own rate limits, beside the policy''s; the same name replaces one of these';
COMMENT ON COLUMN apikey.key_info.quotas IS 'own quotas, beside the policy''s; the same name replaces one of these';
COMMENT ON TYPE apikey.new_key IS
	'a key that was just made, or given a new secret; the text is shown this once';
COMMENT ON COLUMN apikey.new_key.key_id IS 'the key';
COMMENT ON COLUMN apikey.new_key.secret_id IS 'the new secret';
COMMENT ON COLUMN apikey.new_key.key IS 'the text; NULL when it was sealed, or made by an earlier call';
COMMENT ON COLUMN apikey.new_key.sealed IS 'the text for the owner of seal_to only';
COMMENT ON COLUMN apikey.new_key.hint IS 'what may be shown of the text';
COMMENT ON COLUMN apikey.new_key.expires_at IS 'when the key ends; NULL: never';
COMMENT ON TYPE apikey.tenant_info IS
	'the state of a tenant';
COMMENT ON COLUMN apikey.tenant_info.tenant_id IS 'the tenant';
COMMENT ON COLUMN apikey.tenant_info.tenant IS 'its path';
COMMENT ON COLUMN apikey.tenant_info.status IS 'active or suspended';
COMMENT ON COLUMN apikey.tenant_info.suspend_reason IS 'why it is suspended';
COMMENT ON COLUMN apikey.tenant_info.prefix IS 'first part of the text of new keys';
COMMENT ON COLUMN apikey.tenant_info.max_keys IS 'limit on keys that are not revoked; NULL: none';
COMMENT ON COLUMN apikey.tenant_info.settings IS 'free for applications';
COMMENT ON COLUMN apikey.tenant_info.created_at IS 'when it was created';
COMMENT ON COLUMN apikey.tenant_info.rate_limits IS 'rate limits that all keys of it and below share';
COMMENT ON COLUMN apikey.tenant_info.quotas IS 'quotas that all keys of it and below share';
COMMENT ON COLUMN apikey.tenant_info.max_keys_per_owner IS 'limit on keys of one owner in it that are not revoked; NULL: none';

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

COMMENT ON COLUMN apikey.tenant.rate_limits IS 'rate limits that all keys of the tenant and of those below it share';
COMMENT ON COLUMN apikey.tenant.quotas IS 'quotas that all keys of the tenant and of those below it share';
COMMENT ON COLUMN apikey.tenant.max_keys_per_owner IS 'keys that are not revoked one owner may have in this tenant, whatever their policies';

COMMENT ON TABLE apikey.key_request IS 'keys that wait, or waited, for an approval';
COMMENT ON COLUMN apikey.key_request.key_id IS 'the key, with status pending until the decision';
COMMENT ON COLUMN apikey.key_request.tenant_id IS 'its tenant';
COMMENT ON COLUMN apikey.key_request.requested_by IS 'role that asked';
COMMENT ON COLUMN apikey.key_request.requested_by_oid IS 'its OID in this cluster';
COMMENT ON COLUMN apikey.key_request.session IS 'role that had logged in';
COMMENT ON COLUMN apikey.key_request.session_oid IS 'its OID in this cluster';
COMMENT ON COLUMN apikey.key_request.requested_at IS 'when it was asked for';
COMMENT ON COLUMN apikey.key_request.reason IS 'why the key is needed';
COMMENT ON COLUMN apikey.key_request.bytes IS 'random bytes of the secret to be made; NULL: the default';
COMMENT ON COLUMN apikey.key_request.seal_to IS 'X25519 public key that the secret will be sealed for';
COMMENT ON COLUMN apikey.key_request.ttl IS 'life that was asked for, counted from the approval';
COMMENT ON COLUMN apikey.key_request.expires_at IS 'end that was asked for';
COMMENT ON COLUMN apikey.key_request.decision IS 'approved or rejected; NULL: still open';
COMMENT ON COLUMN apikey.key_request.decided_by IS 'role that decided';
COMMENT ON COLUMN apikey.key_request.decided_at IS 'when it decided';
COMMENT ON COLUMN apikey.key_request.decision_reason IS 'why it was rejected';

COMMENT ON TABLE apikey.member_totp IS 'second factors of database roles; nobody may read it';
COMMENT ON COLUMN apikey.member_totp.role_oid IS 'the role';
COMMENT ON COLUMN apikey.member_totp.system_identifier IS 'cluster in which the OID means something';
COMMENT ON COLUMN apikey.member_totp.role_name IS 'its name when it enrolled';
COMMENT ON COLUMN apikey.member_totp.keyring_id IS 'data key that material is encrypted under';
COMMENT ON COLUMN apikey.member_totp.material IS 'the shared secret, encrypted';
COMMENT ON COLUMN apikey.member_totp.last_step IS 'newest time step that a code was accepted for';
COMMENT ON COLUMN apikey.member_totp.enrolled_at IS 'when the secret was made';
COMMENT ON COLUMN apikey.member_totp.confirmed_at IS 'when the first code was given; NULL: not in force yet';

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
