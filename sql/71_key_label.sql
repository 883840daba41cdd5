-- ---------------------------------------------------------------------------
-- What an analyst needs of a key to read usage: names, owner, dates.
--
-- The one view that runs with the rights of its owner: access to usage does
-- not open apikey.api_key, which holds scopes, networks and metadata, and
-- PostgreSQL has no right to some columns of some rows.  Which rows, the view
-- says itself, with the tenants of whoever reads it; as a security barrier it
-- lets nobody else's condition look first.
-- ---------------------------------------------------------------------------

CREATE VIEW apikey.key_label WITH (security_barrier = true) AS
SELECT
	k.key_id,
	k.tenant_id,
	t.path AS tenant,
	k.environment_id,
	e.name AS environment,
	e.is_production,
	k.parent_key_id,
	k.owner,
	k.name,
	k.tags,
	(SELECT pg_catalog.substr(tag, 9) FROM pg_catalog.unnest(k.tags) tag
	 WHERE pg_catalog.starts_with(tag, 'project:') ORDER BY tag LIMIT 1) AS project,
	k.status,
	k.created_at,
	k.not_before,
	k.expires_at,
	k.revoke_at,
	k.revoked_at,
	a.first_used_at,
	a.last_used_at,
	a.last_ip,
	COALESCE(a.calls, 0::pg_catalog.int8) AS calls,
	COALESCE(a.errors, 0::pg_catalog.int8) AS errors,
	COALESCE(a.denials, 0::pg_catalog.int8) AS denials
FROM apikey.api_key k
	JOIN apikey.environment e ON e.environment_id OPERATOR(pg_catalog.=) k.environment_id
	LEFT JOIN apikey.key_activity a ON a.key_id OPERATOR(pg_catalog.=) k.key_id
	-- OFFSET keeps this a join, which remembers the path of a tenant (Memoize)
	CROSS JOIN LATERAL (SELECT apikey.tenant_path(k.tenant_id) AS path OFFSET 0) t
WHERE (SELECT apikey.sees_all('usage'))
	OR k.tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]);
