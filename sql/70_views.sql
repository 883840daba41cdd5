-- ---------------------------------------------------------------------------
-- Views.  All run with the rights and the row security of who reads them.
-- ---------------------------------------------------------------------------

-- The columns of apikey.key_info without the hints of the secrets, which
-- list_keys() has; then ids to join with, and the activity.
CREATE VIEW apikey.key WITH (security_invoker = true) AS
SELECT
	k.key_id,
	t.path AS tenant,
	e.name AS environment,
	p.name AS policy,
	k.parent_key_id,
	k.owner,
	k.name,
	k.description,
	k.status,
	k.scopes,
	ARRAY(SELECT r.name
		  FROM apikey.key_role kr JOIN apikey.role r ON r.role_id OPERATOR(pg_catalog.=) kr.role_id
		  WHERE kr.key_id OPERATOR(pg_catalog.=) k.key_id ORDER BY r.name) AS roles,
	k.tags,
	k.metadata,
	k.cidrs,
	k.endpoints,
	k.not_before,
	k.expires_at,
	k.revoke_at,
	k.revoked_at,
	k.revoke_reason,
	NULLIF(k.suspend_reason, '') AS suspend_reason,
	k.created_at,
	k.created_by,
	k.tenant_id,
	k.environment_id,
	k.policy_id,
	a.first_used_at,
	a.last_used_at,
	a.last_ip,
	COALESCE(a.calls, 0::pg_catalog.int8) AS calls,
	COALESCE(a.errors, 0::pg_catalog.int8) AS errors,
	COALESCE(a.denials, 0::pg_catalog.int8) AS denials,
	k.rate_limits,
	k.quotas
FROM apikey.api_key k
	JOIN apikey.environment e ON e.environment_id OPERATOR(pg_catalog.=) k.environment_id
	LEFT JOIN apikey.policy p ON p.policy_id OPERATOR(pg_catalog.=) k.policy_id
	LEFT JOIN apikey.key_activity a ON a.key_id OPERATOR(pg_catalog.=) k.key_id
	-- OFFSET keeps this a join, which remembers the path of a tenant (Memoize)
	CROSS JOIN LATERAL (SELECT apikey.tenant_path(k.tenant_id) AS path OFFSET 0) t;

CREATE VIEW apikey.stat_usage WITH (security_invoker = true) AS
SELECT s.written, s.waiting, s.dropped, s.suppressed, s.bytes, s.lag, s.buffer_size, s.throttle
FROM apikey._stat_usage() s;

CREATE VIEW apikey.stat_worker WITH (security_invoker = true) AS
SELECT s.worker, s.pid, s.task, s.last_run, s.duration, s.rows, s.runs, s.failures, s.error
FROM apikey._stat_worker() s;

CREATE VIEW apikey.stat_cache WITH (security_invoker = true) AS
SELECT s.hits, s.misses, s.invalidations, s.evictions, s.entries, s.bytes
FROM apikey._stat_cache() s;

CREATE VIEW apikey.stat_limits WITH (security_invoker = true) AS
SELECT s.buckets, s.used, s.evictions, s."full", s.denied, s.reservations, s.unavailable
FROM apikey._stat_limits() s;

CREATE VIEW apikey.stat_guard WITH (security_invoker = true) AS
SELECT s.ip, s.window_start, s.attempts, s.blocked, s.blocked_until
FROM apikey._stat_guard() s;
