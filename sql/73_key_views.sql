-- ---------------------------------------------------------------------------
-- Keys as those who look after them ask for them.
--
-- All run with the rights of who reads them, on what 71_key_label shows.  Days
-- and shares are fixed, so that a word means the same everywhere; for others,
-- the queries of doc/apikey-usage.md are a start.
--
-- What belongs to one key is looked up by LATERAL with an index: the planner
-- cannot know how many keys a member sees, and would join in a loop over all.
-- ---------------------------------------------------------------------------

-- Left out: keys that are revoked, for good.
CREATE VIEW apikey.key_health WITH (security_invoker = true) AS
SELECT
	k.tenant,
	k.environment,
	k.key_id,
	k.name,
	k.owner,
	k.project,
	s.state,
	CASE
		WHEN s.state OPERATOR(pg_catalog.<>) ALL ('{active,in_grace}'::pg_catalog.text[]) THEN 'stopped'
		WHEN p.problems OPERATOR(pg_catalog.&&) '{denied_often,errors_often}'::pg_catalog.text[] THEN 'failing'
		WHEN pg_catalog.cardinality(p.problems) OPERATOR(pg_catalog.>) 0 THEN 'attention'
		ELSE 'good'
	END AS health,
	p.problems,
	k.expires_at,
	k.last_used_at,
	c.secrets,
	c.secret_created_at,
	d.requests,
	d.verifications,
	d.denials,
	pg_catalog.round(d.denials OPERATOR(pg_catalog./) NULLIF(d.requests, 0)::pg_catalog."numeric", 4) AS denial_rate,
	d.logged,
	d.errors,
	pg_catalog.round(d.errors OPERATOR(pg_catalog./) NULLIF(d.logged, 0)::pg_catalog."numeric", 4) AS error_rate,
	k.tenant_id,
	k.environment_id
FROM apikey.key_label k
	CROSS JOIN LATERAL (
		SELECT l.grace, l.secrets, l.secret_created_at FROM apikey.key_control l
		WHERE l.key_id OPERATOR(pg_catalog.=) k.key_id OFFSET 0) c
	CROSS JOIN LATERAL (
		SELECT
			COALESCE(y.tally[1], 0::pg_catalog.int8) AS requests,
			COALESCE(y.tally[2], 0::pg_catalog.int8) AS verifications,
			COALESCE(y.tally[3], 0::pg_catalog.int8) AS denials,
			COALESCE(y.tally[4], 0::pg_catalog.int8) AS logged,
			COALESCE(y.tally[5], 0::pg_catalog.int8) AS errors
		FROM (
				SELECT apikey._key_tally(h.hour, h.tenant_id, h.environment_id, h.code, h.calls, h.denials, h.errors) AS tally
				FROM apikey.usage_hourly h
				WHERE h.key_id OPERATOR(pg_catalog.=) k.key_id
					AND h.hour OPERATOR(pg_catalog.>) (apikey._view_now() OPERATOR(pg_catalog.-) '1 day'::pg_catalog.interval)
			) y
	) d
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN k.status OPERATOR(pg_catalog.<>) 'active' THEN k.status
			WHEN k.not_before OPERATOR(pg_catalog.>) apikey._view_now() THEN 'not_yet_valid'
			WHEN k.expires_at OPERATOR(pg_catalog.>) apikey._view_now() OR k.expires_at IS NULL THEN 'active'
			WHEN (k.expires_at OPERATOR(pg_catalog.+) c.grace) OPERATOR(pg_catalog.>) apikey._view_now() THEN 'in_grace'
			ELSE 'expired'
		END
	) s (state)
	CROSS JOIN LATERAL (
		SELECT pg_catalog.array_remove(ARRAY[
			CASE WHEN s.state OPERATOR(pg_catalog.=) 'in_grace' THEN 'in_grace' END,
			CASE WHEN s.state OPERATOR(pg_catalog.=) 'active' AND k.expires_at OPERATOR(pg_catalog.<=)
				(apikey._view_now() OPERATOR(pg_catalog.+) '7 days'::pg_catalog.interval) THEN 'expires_soon' END,
			CASE WHEN d.denials OPERATOR(pg_catalog.>=) 20
				AND (d.denials OPERATOR(pg_catalog.*) 10) OPERATOR(pg_catalog.>) d.requests THEN 'denied_often' END,
			CASE WHEN d.errors OPERATOR(pg_catalog.>=) 20
				AND (d.errors OPERATOR(pg_catalog.*) 20) OPERATOR(pg_catalog.>) d.logged THEN 'errors_often' END,
			CASE WHEN COALESCE(k.last_used_at, k.created_at) OPERATOR(pg_catalog.<)
				(apikey._view_now() OPERATOR(pg_catalog.-) '30 days'::pg_catalog.interval) THEN 'unused' END,
			CASE WHEN c.secrets OPERATOR(pg_catalog.>) 1 THEN 'rotation_open' END,
			CASE WHEN c.secrets OPERATOR(pg_catalog.=) 0 AND s.state OPERATOR(pg_catalog.<>) 'pending' THEN 'no_secret' END,
			CASE WHEN c.secret_created_at OPERATOR(pg_catalog.<)
				(apikey._view_now() OPERATOR(pg_catalog.-) '90 days'::pg_catalog.interval) THEN 'secret_old' END,
			CASE WHEN k.owner IS NULL THEN 'no_owner' END
		]::pg_catalog.text[], NULL)
	) p (problems)
WHERE k.status OPERATOR(pg_catalog.<>) 'revoked'
	AND (k.revoke_at IS NULL OR k.revoke_at OPERATOR(pg_catalog.>) apikey._view_now());

CREATE VIEW apikey.expiring_keys WITH (security_invoker = true) AS
SELECT
	x.ends_at,
	x.ends_at OPERATOR(pg_catalog.-) apikey._view_now() AS ends_in,
	x.what,
	k.tenant,
	k.environment,
	k.key_id,
	k.name,
	k.owner,
	k.project,
	x.secret_id,
	k.last_used_at,
	k.tenant_id,
	k.environment_id
FROM (
		SELECT l.key_id, 'expiry'::pg_catalog.text AS what, l.expires_at AS ends_at, NULL::pg_catalog.int8 AS secret_id
		FROM apikey.key_label l WHERE l.expires_at OPERATOR(pg_catalog.>) apikey._view_now()
		UNION ALL
		SELECT l.key_id, 'revocation', l.revoke_at, NULL
		FROM apikey.key_label l WHERE l.revoke_at OPERATOR(pg_catalog.>) apikey._view_now()
		UNION ALL
		SELECT s.key_id, 'secret', s.expires_at, s.secret_id
		FROM apikey.secret_label s WHERE s.expires_at OPERATOR(pg_catalog.>) apikey._view_now() AND s.revoked_at IS NULL
	) x
	JOIN apikey.key_label k ON k.key_id OPERATOR(pg_catalog.=) x.key_id
WHERE x.ends_at OPERATOR(pg_catalog.<=) (apikey._view_now() OPERATOR(pg_catalog.+) '30 days'::pg_catalog.interval)
	AND k.status OPERATOR(pg_catalog.<>) 'revoked'
ORDER BY x.ends_at, k.key_id, x.what, x.secret_id;

CREATE VIEW apikey.unused_keys WITH (security_invoker = true) AS
SELECT
	COALESCE(k.last_used_at, k.created_at) AS unused_since,
	apikey._view_now() OPERATOR(pg_catalog.-) COALESCE(k.last_used_at, k.created_at) AS unused_for,
	k.last_used_at IS NULL AS never_used,
	k.tenant,
	k.environment,
	k.key_id,
	k.name,
	k.owner,
	k.project,
	k.status,
	k.created_at,
	k.expires_at,
	k.tenant_id,
	k.environment_id
FROM apikey.key_label k
WHERE COALESCE(k.last_used_at, k.created_at) OPERATOR(pg_catalog.<)
		(apikey._view_now() OPERATOR(pg_catalog.-) '30 days'::pg_catalog.interval)
	AND k.status OPERATOR(pg_catalog.<>) 'revoked'
	AND (k.revoke_at IS NULL OR k.revoke_at OPERATOR(pg_catalog.>) apikey._view_now())
	AND (k.expires_at IS NULL OR k.expires_at OPERATOR(pg_catalog.>) apikey._view_now())
ORDER BY unused_since, k.key_id;

-- From the secrets, of which few are old, to the rows of usage by index: key
-- and time.  A secret past its overlap is shown as long as somebody tries it.
CREATE VIEW apikey.old_secret_users WITH (security_invoker = true) AS
SELECT
	k.tenant,
	k.environment,
	k.key_id,
	k.name,
	k.owner,
	k.project,
	s.secret_id,
	s.created_at,
	s.superseded_at,
	s.expires_at,
	u.verifications,
	u.denials,
	u.last_used_at,
	u.ips,
	u.ip,
	u.user_agent,
	k.tenant_id,
	k.environment_id
FROM apikey.secret_label s
	JOIN apikey.key_label k ON k.key_id OPERATOR(pg_catalog.=) s.key_id
	CROSS JOIN LATERAL (
		SELECT
			pg_catalog.count(*) AS verifications,
			pg_catalog.count(*) FILTER (WHERE r.code OPERATOR(pg_catalog.<>) 'VALID') AS denials,
			pg_catalog.max(r.at) AS last_used_at,
			pg_catalog.count(DISTINCT r.ip) AS ips,
			pg_catalog.mode() WITHIN GROUP (ORDER BY r.ip) AS ip,
			pg_catalog.mode() WITHIN GROUP (ORDER BY r.user_agent) AS user_agent
		FROM apikey.usage r
		WHERE r.key_id OPERATOR(pg_catalog.=) s.key_id
			AND r.at OPERATOR(pg_catalog.>=) (apikey._view_now() OPERATOR(pg_catalog.-) '1 day'::pg_catalog.interval)
			AND r.secret_id OPERATOR(pg_catalog.=) s.secret_id
			AND r.code OPERATOR(pg_catalog.<>) 'LOGGED'
	) u
WHERE s.superseded_at IS NOT NULL AND s.revoked_at IS NULL
	AND u.verifications OPERATOR(pg_catalog.>) 0
ORDER BY s.expires_at, s.secret_id;

-- Of keys that can be accepted now or later: not revoked, not expired.
CREATE VIEW apikey.compliance_report WITH (security_invoker = true) AS
SELECT
	e.tenant,
	e.environment,
	e.is_production,
	f.rule,
	f.requirement,
	e.keys,
	f.violations,
	pg_catalog.round(f.violations OPERATOR(pg_catalog./) e.keys::pg_catalog."numeric", 4) AS share,
	CASE
		WHEN f.violations OPERATOR(pg_catalog.=) 0 THEN 'pass'
		WHEN e.is_production THEN 'fail'
		ELSE 'warn'
	END AS verdict,
	e.tenant_id,
	e.environment_id
FROM (
		SELECT
			k.tenant_id,
			k.environment_id,
			k.tenant,
			k.environment,
			k.is_production,
			pg_catalog.count(*) AS keys,
			pg_catalog.count(*) FILTER (WHERE k.owner IS NULL) AS no_owner,
			pg_catalog.count(*) FILTER (WHERE k.expires_at IS NULL) AS no_expiry,
			pg_catalog.count(*) FILTER (WHERE k.expires_at OPERATOR(pg_catalog.>)
				(apikey._view_now() OPERATOR(pg_catalog.+) '1 year'::pg_catalog.interval)) AS far_expiry,
			pg_catalog.count(*) FILTER (WHERE NOT c.network_limited) AS no_network,
			pg_catalog.count(*) FILTER (WHERE NOT c.has_policy) AS no_policy,
			pg_catalog.count(*) FILTER (WHERE c.secret_created_at OPERATOR(pg_catalog.<)
				(apikey._view_now() OPERATOR(pg_catalog.-) '90 days'::pg_catalog.interval)) AS secret_old,
			pg_catalog.count(*) FILTER (WHERE c.overlap_since OPERATOR(pg_catalog.<)
				(apikey._view_now() OPERATOR(pg_catalog.-) '7 days'::pg_catalog.interval)) AS rotation_open,
			pg_catalog.count(*) FILTER (WHERE COALESCE(k.last_used_at, k.created_at) OPERATOR(pg_catalog.<)
				(apikey._view_now() OPERATOR(pg_catalog.-) '90 days'::pg_catalog.interval)) AS unused,
			pg_catalog.count(*) FILTER (WHERE NOT c.approved) AS not_approved
		FROM apikey.key_label k
			CROSS JOIN LATERAL (
				SELECT l.* FROM apikey.key_control l
				WHERE l.key_id OPERATOR(pg_catalog.=) k.key_id OFFSET 0) c
		WHERE k.status OPERATOR(pg_catalog.<>) 'revoked'
			AND (k.revoke_at IS NULL OR k.revoke_at OPERATOR(pg_catalog.>) apikey._view_now())
			AND (k.expires_at IS NULL OR k.expires_at OPERATOR(pg_catalog.>) apikey._view_now())
		GROUP BY k.tenant_id, k.environment_id, k.tenant, k.environment, k.is_production
	) e
	CROSS JOIN LATERAL (VALUES
		(1, 'owner'::pg_catalog.text, 'every key has an owner'::pg_catalog.text, e.no_owner),
		(2, 'expiry', 'every key expires', e.no_expiry),
		(3, 'lifetime', 'no key is good for more than a year from now', e.far_expiry),
		(4, 'network', 'every key is bound to networks', e.no_network),
		(5, 'policy', 'every key obeys a policy', e.no_policy),
		(6, 'rotation', 'no secret in use is older than 90 days', e.secret_old),
		(7, 'overlap', 'no old secret is accepted for more than 7 days beside a new one', e.rotation_open),
		(8, 'use', 'no key has been unused for 90 days', e.unused),
		(9, 'approval', 'every key for production was approved by a second person', CASE WHEN e.is_production THEN e.not_approved END)
	) f (place, rule, requirement, violations)
WHERE f.violations IS NOT NULL
ORDER BY e.tenant, e.environment, f.place;

COMMENT ON VIEW apikey.key_health IS 'how each key that is not revoked is doing';
COMMENT ON COLUMN apikey.key_health.tenant IS 'path of the tenant';
COMMENT ON COLUMN apikey.key_health.environment IS 'environment of the key';
COMMENT ON COLUMN apikey.key_health.key_id IS 'the key';
COMMENT ON COLUMN apikey.key_health.name IS 'what it is called';
COMMENT ON COLUMN apikey.key_health.owner IS 'who holds it';
COMMENT ON COLUMN apikey.key_health.project IS 'project of the key';
COMMENT ON COLUMN apikey.key_health.state IS 'active, in_grace, expired, not_yet_valid, suspended or pending';
COMMENT ON COLUMN apikey.key_health.health IS 'stopped: not accepted now; failing: denied or in error often; attention: another problem; good';
COMMENT ON COLUMN apikey.key_health.problems IS 'what is wrong: in_grace, expires_soon, denied_often, errors_often, unused, rotation_open, no_secret, secret_old, no_owner';
COMMENT ON COLUMN apikey.key_health.expires_at IS 'not accepted from then on, but for the grace of the policy';
COMMENT ON COLUMN apikey.key_health.last_used_at IS 'last use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.key_health.secrets IS 'number of secrets that are accepted';
COMMENT ON COLUMN apikey.key_health.secret_created_at IS 'when the newest of them was made';
COMMENT ON COLUMN apikey.key_health.requests IS 'accepted requests and denials of the last 24 hours, as in usage_requests';
COMMENT ON COLUMN apikey.key_health.verifications IS 'attempts of the last 24 hours that were recorded, log_usage() apart';
COMMENT ON COLUMN apikey.key_health.denials IS 'requests of the last 24 hours that were not accepted';
COMMENT ON COLUMN apikey.key_health.denial_rate IS 'denials / requests, 0 to 1; NULL: there was none';
COMMENT ON COLUMN apikey.key_health.logged IS 'requests of the last 24 hours the application logged with log_usage()';
COMMENT ON COLUMN apikey.key_health.errors IS 'of these, with an HTTP status from 500 on';
COMMENT ON COLUMN apikey.key_health.error_rate IS 'errors / logged, 0 to 1; NULL: nothing was logged';
COMMENT ON COLUMN apikey.key_health.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.key_health.environment_id IS 'environment of the key';

COMMENT ON VIEW apikey.expiring_keys IS 'what of keys ends in the next 30 days, soonest first';
COMMENT ON COLUMN apikey.expiring_keys.ends_at IS 'when it ends';
COMMENT ON COLUMN apikey.expiring_keys.ends_in IS 'how long that is from now';
COMMENT ON COLUMN apikey.expiring_keys.what IS 'expiry or revocation of the key, or secret: the end of an overlap';
COMMENT ON COLUMN apikey.expiring_keys.tenant IS 'path of the tenant';
COMMENT ON COLUMN apikey.expiring_keys.environment IS 'environment of the key';
COMMENT ON COLUMN apikey.expiring_keys.key_id IS 'the key';
COMMENT ON COLUMN apikey.expiring_keys.name IS 'what it is called';
COMMENT ON COLUMN apikey.expiring_keys.owner IS 'who holds it';
COMMENT ON COLUMN apikey.expiring_keys.project IS 'project of the key';
COMMENT ON COLUMN apikey.expiring_keys.secret_id IS 'the secret whose overlap ends';
COMMENT ON COLUMN apikey.expiring_keys.last_used_at IS 'last use: accepted, or told of by log_usage';
COMMENT ON COLUMN apikey.expiring_keys.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.expiring_keys.environment_id IS 'environment of the key';

COMMENT ON VIEW apikey.unused_keys IS 'keys that could be used and have not been for 30 days, longest first';
COMMENT ON COLUMN apikey.unused_keys.unused_since IS 'last use; of a key that was never used, when it was made';
COMMENT ON COLUMN apikey.unused_keys.unused_for IS 'how long that is ago';
COMMENT ON COLUMN apikey.unused_keys.never_used IS 'whether there was no use at all';
COMMENT ON COLUMN apikey.unused_keys.tenant IS 'path of the tenant';
COMMENT ON COLUMN apikey.unused_keys.environment IS 'environment of the key';
COMMENT ON COLUMN apikey.unused_keys.key_id IS 'the key';
COMMENT ON COLUMN apikey.unused_keys.name IS 'what it is called';
COMMENT ON COLUMN apikey.unused_keys.owner IS 'who holds it';
COMMENT ON COLUMN apikey.unused_keys.project IS 'project of the key';
COMMENT ON COLUMN apikey.unused_keys.status IS 'pending, active or suspended';
COMMENT ON COLUMN apikey.unused_keys.created_at IS 'when it was made';
COMMENT ON COLUMN apikey.unused_keys.expires_at IS 'not accepted from then on, but for the grace of the policy';
COMMENT ON COLUMN apikey.unused_keys.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.unused_keys.environment_id IS 'environment of the key';

COMMENT ON VIEW apikey.old_secret_users IS 'keys whose old secret was presented in the last 24 hours, although there is a newer one';
COMMENT ON COLUMN apikey.old_secret_users.tenant IS 'path of the tenant';
COMMENT ON COLUMN apikey.old_secret_users.environment IS 'environment of the key';
COMMENT ON COLUMN apikey.old_secret_users.key_id IS 'the key';
COMMENT ON COLUMN apikey.old_secret_users.name IS 'what it is called';
COMMENT ON COLUMN apikey.old_secret_users.owner IS 'who holds it';
COMMENT ON COLUMN apikey.old_secret_users.project IS 'project of the key';
COMMENT ON COLUMN apikey.old_secret_users.secret_id IS 'the old secret';
COMMENT ON COLUMN apikey.old_secret_users.created_at IS 'when it was made';
COMMENT ON COLUMN apikey.old_secret_users.superseded_at IS 'when a newer one was made';
COMMENT ON COLUMN apikey.old_secret_users.expires_at IS 'end of its overlap; NULL: as long as the key';
COMMENT ON COLUMN apikey.old_secret_users.verifications IS 'attempts with it';
COMMENT ON COLUMN apikey.old_secret_users.denials IS 'of these, not accepted';
COMMENT ON COLUMN apikey.old_secret_users.last_used_at IS 'the last attempt with it';
COMMENT ON COLUMN apikey.old_secret_users.ips IS 'number of addresses they came from';
COMMENT ON COLUMN apikey.old_secret_users.ip IS 'address most of them came from';
COMMENT ON COLUMN apikey.old_secret_users.user_agent IS 'program of the client most of them named';
COMMENT ON COLUMN apikey.old_secret_users.tenant_id IS 'tenant of the key';
COMMENT ON COLUMN apikey.old_secret_users.environment_id IS 'environment of the key';

COMMENT ON VIEW apikey.compliance_report IS 'rules that auditors ask for, counted for each environment over its keys that are neither revoked nor expired';
COMMENT ON COLUMN apikey.compliance_report.tenant IS 'path of the tenant';
COMMENT ON COLUMN apikey.compliance_report.environment IS 'the environment';
COMMENT ON COLUMN apikey.compliance_report.is_production IS 'whether it is production';
COMMENT ON COLUMN apikey.compliance_report.rule IS 'short name of the rule';
COMMENT ON COLUMN apikey.compliance_report.requirement IS 'the rule in words';
COMMENT ON COLUMN apikey.compliance_report.keys IS 'number of keys';
COMMENT ON COLUMN apikey.compliance_report.violations IS 'number of keys that do not keep the rule';
COMMENT ON COLUMN apikey.compliance_report.share IS 'violations / keys, 0 to 1';
COMMENT ON COLUMN apikey.compliance_report.verdict IS 'pass: no violation; fail: some, in production; warn: some, elsewhere';
COMMENT ON COLUMN apikey.compliance_report.tenant_id IS 'the tenant';
COMMENT ON COLUMN apikey.compliance_report.environment_id IS 'the environment';
