-- Policies: versions, what is in force when, defaults, what is not supported.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
SELECT pg_temp.clock('2040-01-01 12:00:00+00') \gset
SELECT apikey.create_tenant('t22') > 0 AS tenant;
SELECT apikey.create_tenant('child', parent => 't22') > 0 AS tenant;

-- the defaults in the code are those of the table
SELECT a.attname, pg_get_expr(d.adbin, d.adrelid) AS table_default, r.value AS code_default
  FROM pg_attribute a
  JOIN unnest(apikey._rule_names()) n ON n = a.attname
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN jsonb_each(to_jsonb(apikey._default_rules())) r ON r.key = a.attname
 WHERE a.attrelid = 'apikey.policy_version'::regclass ORDER BY a.attnum;
SELECT a.attname AS not_a_rule FROM pg_attribute a
 WHERE a.attrelid = 'apikey.policy_version'::regclass AND a.attnum > 0 AND a.attname <> ALL (apikey._rule_names()) ORDER BY a.attnum;

SELECT apikey.create_policy('t22', 'plain') > 0 AS created;
SELECT apikey.create_policy('t22', 'full', description => 'all that is supported',
	allowed_cidrs => '{10.0.0.0/8,2001:db8::/32}', denied_cidrs => '{10.66.0.0/16}',
	allowed_endpoints => '{"GET,HEAD /v1/orders/*"}', denied_endpoints => '{"* /v1/admin/**"}',
	access_hours => '{"mon-fri 08:00-18:00 Europe/Berlin"}', required_scopes => '{base}', max_scopes => '{base,orders:*}',
	default_ttl => '30 days', max_ttl => '1 year', idle_timeout => '3 mons', grace => '1 day', overlap => '2 hours',
	max_keys_per_owner => 5, note => 'first') > 0 AS created;
CREATE TEMP VIEW versions AS
	SELECT p.name, p.latest_version AS latest, v.* FROM apikey.policy p JOIN apikey.policy_version v USING (policy_id, tenant_id)
	 WHERE apikey.tenant_path(tenant_id) ~ '^t22';
\x on
SELECT name, latest, version, effective_at, author = current_user AS author, note, created_at, allowed_cidrs, denied_cidrs, allowed_endpoints,
       denied_endpoints, access_hours, required_scopes, max_scopes, default_ttl, max_ttl, idle_timeout, grace, rotate_every, overlap,
       rate_limits, quotas, max_keys_per_owner, priority, on_leak, on_anomaly, recoverable, requires_approval
  FROM versions ORDER BY name;
\x off

-- a new version: what is given changes, what is cleared goes to its default
SELECT pg_temp.clock('2040-01-02 12:00:00+00') \gset
SELECT apikey.set_policy('t22', 'full', max_ttl => '2 years', clear => '{allowed_cidrs,max_scopes,grace}', note => 'wider');
SELECT version, effective_at, note, allowed_cidrs, denied_cidrs, max_scopes, max_ttl, default_ttl, grace, overlap FROM versions WHERE name = 'full' ORDER BY version;

-- scheduled: in force from then on; one that is written in between does not undo it
SELECT apikey.set_policy('t22', 'full', overlap => '5 hours', effective_at => '2040-02-01 00:00:00+00');
SELECT apikey.set_policy('t22', 'full', overlap => '3 hours');
SELECT apikey.set_policy('t22', 'full', note => 'same instant, higher number');
SELECT version, effective_at, overlap FROM versions WHERE name = 'full' ORDER BY version;
SELECT t AS at, r.version, r.overlap
  FROM unnest('{2039-12-31,2040-01-01 12:00+00,2040-01-02 11:59:59+00,2040-01-02 12:00+00,2040-01-31 23:59:59.999999+00,2040-02-01 00:00+00}'::timestamptz[]) t,
       apikey._rules_in_force((SELECT policy_id FROM apikey.policy WHERE name = 'full' AND apikey.tenant_path(tenant_id) = 't22'), t) r ORDER BY 1;
-- a change on top of the scheduled one builds on it
SELECT apikey.set_policy('t22', 'full', grace => '9 hours', effective_at => '2040-03-01 00:00:00+00');
SELECT version, effective_at, overlap, grace FROM versions WHERE name = 'full' ORDER BY version DESC LIMIT 1;
SELECT apikey.set_policy('t22', 'full', effective_at => '2040-01-02 11:58:59+00');
SELECT apikey.set_policy('t22', 'full', effective_at => 'infinity');
-- now() is the start of the caller's transaction: taken as the present
BEGIN;
SELECT apikey.set_policy('t22', 'full', effective_at => '2040-01-02 11:59:59+00') > 0 AS version;
SELECT effective_at, created_at FROM versions WHERE name = 'full' ORDER BY version DESC LIMIT 1;
ROLLBACK;

-- names
SELECT apikey.create_policy('t22', 'plain');
SELECT apikey.create_policy('t22', 'twice', max_ttl => '1 day', idempotency_key => 'k') = apikey.create_policy('t22', 'twice', max_ttl => '1 day', idempotency_key => 'k') AS same;
SELECT apikey.create_policy('t22', 'twice', max_ttl => '2 days', idempotency_key => 'k');
SELECT apikey.set_policy('t22', 'none');
SELECT apikey.set_policy('t22/child', 'full');
SELECT apikey.set_policy('t22', 'full', clear => '{name}');
SELECT apikey.set_policy('t22', 'full', clear => '{grace}', grace => '1 day');

-- rules that contradict each other, or make no sense
SELECT apikey.create_policy('t22', 'p', default_ttl => '2 days', max_ttl => '1 day');
SELECT apikey.set_policy('t22', 'full', max_ttl => '1 day');
SELECT apikey.create_policy('t22', 'p', default_ttl => '0');
SELECT apikey.create_policy('t22', 'p', max_ttl => '-1 day');
SELECT apikey.create_policy('t22', 'p', idle_timeout => '2000 years');
SELECT apikey.create_policy('t22', 'p', grace => '-1 second');
SELECT apikey.create_policy('t22', 'p', overlap => '-1 second');
SELECT apikey.create_policy('t22', 'p', max_keys_per_owner => -1);
SELECT apikey.create_policy('t22', 'p', on_leak => 'shout');
SELECT apikey.create_policy('t22', 'p', max_scopes => '{orders:*:read}');
SELECT apikey.create_policy('t22', 'p', required_scopes => '{""}');
SELECT apikey.create_policy('t22', 'p', allowed_endpoints => '{orders}');
SELECT apikey.create_policy('t22', 'p', denied_endpoints => '{get /x,GET}');
SELECT apikey.create_policy('t22', 'p', access_hours => '{mon-fri 8-18}');
SELECT apikey.create_policy('t22', 'p', access_hours => '{"mon-fri 08:00-18:00 Mars/Olympus"}');
SELECT apikey.create_policy('t22', 'p', allowed_cidrs => ARRAY(SELECT ('10.0.0.0'::inet + i)::cidr FROM generate_series(0, 10000) i));

-- what nothing enforces yet is refused, not ignored
SELECT apikey.create_policy('t22', 'p', rotate_every => '30 days');
SELECT apikey.create_policy('t22', 'p', on_leak => 'revoke');
SELECT apikey.create_policy('t22', 'p', on_anomaly => 'suspend');
SELECT apikey.create_policy('t22', 'p', recoverable => true);
SELECT apikey.set_policy('t22', 'full', recoverable => true);
-- their defaults are no error
SELECT apikey.create_policy('t22', 'defaults', rate_limits => '{}', quotas => '{}', priority => 0, on_leak => 'notify',
	on_anomaly => 'notify', recoverable => false, requires_approval => false) > 0 AS created;

-- nothing half-written
SELECT p.name, latest_version, count(*) FROM apikey.policy p JOIN apikey.policy_version USING (policy_id)
 WHERE apikey.tenant_path(p.tenant_id) ~ '^t22' GROUP BY 1, 2 ORDER BY 1;
SELECT action, before - 'version' AS before, after - 'request' AS after FROM apikey.audit_log
 WHERE apikey.tenant_path(tenant_id) ~ '^t22' AND action = 'policy.set' ORDER BY seq;
