-- Tenants, environments, roles: what is created, repeated, suspended.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
SELECT pg_temp.clock('2040-01-01 12:00:00+00') \gset

-- a tree
SELECT apikey.create_tenant('t20', prefix => 't20_co', max_keys => 100, settings => '{"plan": "gold"}') > 0 AS root;
SELECT apikey.create_tenant('eu', parent => 't20') > 0 AS child;
SELECT apikey.create_tenant('north', parent => 't20/eu') > 0 AS grandchild;
SELECT apikey.create_tenant('eu', parent => 't20/eu') > 0 AS same_name_elsewhere;
SELECT apikey.tenant_path(tenant_id) AS path, name, status, prefix, max_keys, settings, generation, suspend_reason, created_at
  FROM apikey.tenant WHERE apikey.tenant_path(tenant_id) ~ '^t20(/|$)' ORDER BY 1;
SELECT apikey.tenant_path(-1) IS NULL AS unknown, apikey.tenant_path(NULL) IS NULL AS null;

-- a name is taken under its parent only; a call is repeated by its key
SELECT apikey.create_tenant('eu', parent => 't20');
-- other functions take the path
SELECT apikey.create_tenant('t20/south');
SELECT apikey.create_tenant('eu/south', parent => 't20');
SELECT apikey.create_tenant('t20/South');
SELECT apikey.create_tenant('us', parent => 't20', max_keys => 3, idempotency_key => 'a')
     = apikey.create_tenant('us', parent => 't20', max_keys => 3, idempotency_key => 'a') AS same;
SELECT apikey.create_tenant('us', parent => 't20', max_keys => 4, idempotency_key => 'a');
SELECT apikey.create_tenant('us', parent => 't20', max_keys => 3, idempotency_key => 'b');
SELECT apikey.create_tenant('us', parent => 't20', max_keys => 3);
SELECT apikey.create_tenant('eu', parent => 't20', idempotency_key => 'a');

-- suspension: idempotent, with the reason of the first
SELECT tenant, status, suspend_reason FROM apikey.suspend_tenant('t20/eu', 'unpaid');
SELECT tenant, status, suspend_reason FROM apikey.suspend_tenant('t20/eu', 'again');
SELECT tenant, status, suspend_reason FROM apikey.resume_tenant('t20/eu');
SELECT tenant, status, suspend_reason, prefix, max_keys, settings, created_at FROM apikey.resume_tenant('t20/eu');
SELECT tenant, status FROM apikey.suspend_tenant('t20/mars');
SELECT tenant, status FROM apikey.suspend_tenant('t20/eu/');
SELECT tenant, status FROM apikey.suspend_tenant(NULL);

-- environments: the tag says what it is
SELECT apikey.create_policy('t20', 'base') > 0 AS policy;
SELECT apikey.create_environment('t20/eu', 'production', is_production => true, default_policy => 'base') > 0 AS created;
SELECT apikey.create_environment('t20/eu', 'staging') > 0 AS created;
SELECT apikey.create_environment('t20/eu', 'Sandbox "2"', tag => 'sbx2') > 0 AS created;
SELECT e.name, e.tag, e.is_production, p.name AS default_policy, e.requires_approval, e.created_at
  FROM apikey.environment e LEFT JOIN apikey.policy p ON p.policy_id = e.default_policy_id
 WHERE apikey.tenant_path(e.tenant_id) = 't20/eu' ORDER BY 1;
SELECT apikey.create_environment('t20/eu', 'staging');
SELECT apikey.create_environment('t20/eu', 'dev', idempotency_key => 'k') = apikey.create_environment('t20/eu', 'dev', idempotency_key => 'k') AS same;
SELECT apikey.create_environment('t20/eu', 'dev', tag => 'dev', idempotency_key => 'k');
SELECT apikey.create_environment('t20/eu', 'x', default_policy => 'none');
SELECT apikey.create_environment('t20/mars', 'x');

-- roles
SELECT apikey.create_role('t20/eu', 'reader', '{orders:read}', description => 'reads') > 0 AS created;
SELECT apikey.create_role('t20/eu', 'reader', '{orders:read}');
SELECT apikey.create_role('t20/eu', 'writer', '{orders:*}', idempotency_key => 'k') = apikey.create_role('t20/eu', 'writer', '{orders:*}', idempotency_key => 'k') AS same;
SELECT apikey.update_role('t20/eu', 'reader', '{orders:read,users:read}') > 0 AS updated;
SELECT apikey.update_role('t20/eu', 'reader', '{orders:read,users:read}') > 0 AS nothing_to_do;
SELECT apikey.update_role('t20/eu', 'nobody', '{a}');
SELECT name, scopes, description FROM apikey.role r WHERE apikey.tenant_path(tenant_id) = 't20/eu' ORDER BY 1;

-- what was done, in the words of audit log and events; nothing of what failed
SELECT actor = current_user AS actor, session = session_user AS session, at, apikey.tenant_path(tenant_id) AS tenant,
       action, split_part(object, ':', 1) AS object, before, regexp_replace(after::text, '("parent_id": )\d+', '\1N') AS after
  FROM apikey.audit_log WHERE apikey.tenant_path(tenant_id) ~ '^t20(/|$)' AND action !~ '^policy' ORDER BY seq;
SELECT apikey.tenant_path(tenant_id) AS tenant, type, key_id, payload - '{policy_id,environment_id,role_id}'::text[] AS payload, created_at
  FROM apikey.event WHERE apikey.tenant_path(tenant_id) ~ '^t20(/|$)' ORDER BY event_id;

-- the parent is who it was, wherever it has moved
SELECT apikey.create_tenant('moving', parent => 't20') > 0 AS parent,
       apikey.create_tenant('below', parent => 't20/moving', idempotency_key => 'm') AS below \gset
SELECT tenant FROM apikey.move_tenant('t20/moving', 't20/us');
SELECT apikey.create_tenant('below', parent => 't20/us/moving', idempotency_key => 'm') = :below AS same;
SELECT apikey.create_tenant('below', parent => 't20/us/moving', max_keys => 1, idempotency_key => 'm');

-- the tree has an end
SELECT apikey.create_tenant('d' || i, parent => 't20' || coalesce((SELECT string_agg('/d' || j, '' ORDER BY j) FROM generate_series(1, i - 1) j), '')) > 0 AS deep
  FROM generate_series(1, 15) i;
SELECT apikey.create_tenant('d16', parent => 't20' || (SELECT string_agg('/d' || j, '' ORDER BY j) FROM generate_series(1, 15) j));
