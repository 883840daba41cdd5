-- ---------------------------------------------------------------------------
-- What an analyst needs of a key to read usage: names, owner, dates.
--
-- The views of this file run with the rights of their owner, no others do:
-- access to usage does not open apikey.api_key, which holds scopes, networks
-- and metadata, and PostgreSQL has no right to some columns of some rows.
-- Which rows, each view says itself, with the tenants of whoever reads it; as
-- a security barrier it lets nobody else's condition look first.
-- ---------------------------------------------------------------------------

-- The path of a tenant for whoever has access to it, remembered as long as a
-- statement runs.  The planner cannot do that: from those who do not see all
-- keys it is kept that many are of one tenant.
CREATE FUNCTION apikey._label_path(tenant_id pg_catalog.int8) RETURNS pg_catalog.text
	LANGUAGE c STABLE STRICT PARALLEL SAFE COST 10 AS 'MODULE_PATHNAME', 'apikey_label_path';

CREATE VIEW apikey.key_label WITH (security_barrier = true) AS
SELECT
	k.key_id,
	k.tenant_id,
	apikey._label_path(k.tenant_id) AS tenant,
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
WHERE (SELECT apikey.sees_all('usage'))
	OR k.tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]);

-- Names of environments: rows of rollups have ids, and the keys they came from
-- may be gone.
CREATE VIEW apikey.environment_label WITH (security_barrier = true) AS
SELECT
	e.environment_id,
	e.tenant_id,
	apikey._label_path(e.tenant_id) AS tenant,
	e.name AS environment,
	e.is_production
FROM apikey.environment e
WHERE (SELECT apikey.sees_all('usage'))
	OR e.tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]);

-- Dates of secrets.  Not the hint: it is part of the text of a key.
CREATE VIEW apikey.secret_label WITH (security_barrier = true) AS
SELECT
	s.secret_id,
	s.key_id,
	s.tenant_id,
	s.created_at,
	s.expires_at,
	s.revoked_at,
	(SELECT pg_catalog.min(n.created_at) FROM apikey.key_secret n
	 WHERE n.key_id OPERATOR(pg_catalog.=) s.key_id AND n.secret_id OPERATOR(pg_catalog.>) s.secret_id
		AND n.revoked_at IS NULL) AS superseded_at
FROM apikey.key_secret s
WHERE (SELECT apikey.sees_all('usage'))
	OR s.tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]);

-- Whether rules exist, never what they say: that is for those who may read
-- the tables.
CREATE VIEW apikey.key_control WITH (security_barrier = true) AS
SELECT
	k.key_id,
	k.tenant_id,
	k.environment_id,
	k.policy_id IS NOT NULL AS has_policy,
	EXISTS (
		WITH RECURSIVE up (parent_key_id, policy_id, cidrs) AS (
			SELECT k.parent_key_id, k.policy_id, k.cidrs
			UNION ALL
			SELECT a.parent_key_id, a.policy_id, a.cidrs
			FROM up JOIN apikey.api_key a ON a.key_id OPERATOR(pg_catalog.=) up.parent_key_id
		)
		SELECT FROM up
		WHERE pg_catalog.cardinality(up.cidrs) OPERATOR(pg_catalog.>) 0
			OR (SELECT pg_catalog.cardinality(v.allowed_cidrs) FROM apikey.policy_version v
				WHERE v.policy_id OPERATOR(pg_catalog.=) up.policy_id
					AND v.effective_at OPERATOR(pg_catalog.<=) apikey._view_now()
				ORDER BY v.effective_at DESC, v.version DESC LIMIT 1) OPERATOR(pg_catalog.>) 0
	) AS network_limited,
	(SELECT v.grace FROM apikey.policy_version v
	 WHERE v.policy_id OPERATOR(pg_catalog.=) k.policy_id
		AND v.effective_at OPERATOR(pg_catalog.<=) apikey._view_now()
	 ORDER BY v.effective_at DESC, v.version DESC LIMIT 1) AS grace,
	EXISTS (SELECT FROM apikey.key_request r
			WHERE r.key_id OPERATOR(pg_catalog.=) k.key_id AND r.decision OPERATOR(pg_catalog.=) 'approved') AS approved,
	s.secrets,
	s.secret_created_at,
	(SELECT pg_catalog.min(n.created_at) FROM apikey.key_secret n
	 WHERE n.key_id OPERATOR(pg_catalog.=) k.key_id AND n.secret_id OPERATOR(pg_catalog.>) s.oldest_secret
		AND n.revoked_at IS NULL) AS overlap_since
FROM apikey.api_key k
	CROSS JOIN LATERAL (
		SELECT pg_catalog.count(*) AS secrets, pg_catalog.max(c.created_at) AS secret_created_at,
			pg_catalog.min(c.secret_id) AS oldest_secret
		FROM apikey.key_secret c
		WHERE c.key_id OPERATOR(pg_catalog.=) k.key_id AND c.revoked_at IS NULL
			AND (c.expires_at IS NULL OR c.expires_at OPERATOR(pg_catalog.>) apikey._view_now())) s
WHERE (SELECT apikey.sees_all('usage'))
	OR k.tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]);

COMMENT ON FUNCTION apikey._label_path(pg_catalog.int8) IS
	'path of a tenant the current role has access to; for views';
COMMENT ON VIEW apikey.key_label IS 'what those who read usage see of keys: names, dates, activity';
COMMENT ON COLUMN apikey.key_label.key_id IS 'the key';
COMMENT ON COLUMN apikey.key_label.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.key_label.tenant IS 'path of its tenant';
COMMENT ON COLUMN apikey.key_label.environment_id IS 'the environment it is for';
COMMENT ON COLUMN apikey.key_label.environment IS 'name of its environment';
COMMENT ON COLUMN apikey.key_label.is_production IS 'whether that is production';
COMMENT ON COLUMN apikey.key_label.parent_key_id IS 'the key it was derived from';
COMMENT ON COLUMN apikey.key_label.owner IS 'who holds it';
COMMENT ON COLUMN apikey.key_label.name IS 'what it is called';
COMMENT ON COLUMN apikey.key_label.tags IS 'labels to search by';
COMMENT ON COLUMN apikey.key_label.project IS 'what follows project: in the first tag that begins so';
COMMENT ON COLUMN apikey.key_label.status IS 'pending, active, suspended or revoked: decisions, never the clock';
COMMENT ON COLUMN apikey.key_label.created_at IS 'when it was made';
COMMENT ON COLUMN apikey.key_label.not_before IS 'not accepted before';
COMMENT ON COLUMN apikey.key_label.expires_at IS 'not accepted from then on, but for the grace of the policy';
COMMENT ON COLUMN apikey.key_label.revoke_at IS 'revoked from then on';
COMMENT ON COLUMN apikey.key_label.revoked_at IS 'when it was revoked';
COMMENT ON COLUMN apikey.key_label.first_used_at IS 'first use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.key_label.last_used_at IS 'last use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.key_label.last_ip IS 'address of the last use that gave one';
COMMENT ON COLUMN apikey.key_label.calls IS 'accepted attempts';
COMMENT ON COLUMN apikey.key_label.errors IS 'attempts the application logged with an error status';
COMMENT ON COLUMN apikey.key_label.denials IS 'attempts that were denied';

COMMENT ON VIEW apikey.environment_label IS 'names of tenants and environments, to join with ids in usage';
COMMENT ON COLUMN apikey.environment_label.environment_id IS 'the environment';
COMMENT ON COLUMN apikey.environment_label.tenant_id IS 'its tenant';
COMMENT ON COLUMN apikey.environment_label.tenant IS 'path of its tenant';
COMMENT ON COLUMN apikey.environment_label.environment IS 'its name';
COMMENT ON COLUMN apikey.environment_label.is_production IS 'whether it is production';

COMMENT ON VIEW apikey.secret_label IS 'dates of the secrets of keys';
COMMENT ON COLUMN apikey.secret_label.secret_id IS 'the secret';
COMMENT ON COLUMN apikey.secret_label.key_id IS 'the key it stands for';
COMMENT ON COLUMN apikey.secret_label.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.secret_label.created_at IS 'when it was made';
COMMENT ON COLUMN apikey.secret_label.expires_at IS 'end of the overlap after a rotation; NULL: as long as the key';
COMMENT ON COLUMN apikey.secret_label.revoked_at IS 'when it was revoked on its own';
COMMENT ON COLUMN apikey.secret_label.superseded_at IS 'when a newer secret of the key was made that is not revoked; NULL: it is the newest';

COMMENT ON VIEW apikey.key_control IS 'whether a key is bound by rules, not what these say';
COMMENT ON COLUMN apikey.key_control.key_id IS 'the key';
COMMENT ON COLUMN apikey.key_control.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.key_control.environment_id IS 'the environment it is for';
COMMENT ON COLUMN apikey.key_control.has_policy IS 'whether it obeys a policy';
COMMENT ON COLUMN apikey.key_control.network_limited IS 'whether it, a parent key or a policy of these names the networks requests may come from';
COMMENT ON COLUMN apikey.key_control.grace IS 'how long past its end its policy accepts it; NULL: no policy';
COMMENT ON COLUMN apikey.key_control.approved IS 'whether a second pair of eyes approved it';
COMMENT ON COLUMN apikey.key_control.secrets IS 'number of secrets that are accepted';
COMMENT ON COLUMN apikey.key_control.secret_created_at IS 'when the newest of them was made';
COMMENT ON COLUMN apikey.key_control.overlap_since IS 'since when an old secret is accepted beside a newer one; NULL: none is';
