-- Limits on the number of keys: of a tenant, of those above it, of an owner.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SELECT apikey.create_tenant('t34', max_keys => 5) > 0 AND apikey.create_tenant('a', parent => 't34', max_keys => 3) > 0
   AND apikey.create_tenant('b', parent => 't34') > 0 AND apikey.create_tenant('none', parent => 't34', max_keys => 0) > 0 AS tenants;
SELECT apikey.create_policy('t34', 'two each', max_keys_per_owner => 2) > 0 AND apikey.create_policy('t34', 'free') > 0 AS policies;
SELECT bool_and(apikey.create_environment(t, 'prod') > 0) AS environments FROM unnest('{t34,t34/a,t34/b,t34/none}'::text[]) t;
CREATE FUNCTION pg_temp.n(tenant text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM apikey.list_keys(tenant) WHERE status <> 'revoked' $$;

SELECT count(*) FROM apikey.create_keys(3, 't34/a', 'prod');
SELECT apikey.create_key('t34/a', 'prod');
SELECT apikey.create_keys(3, 't34/b', 'prod');
SELECT count(*) FROM apikey.create_keys(2, 't34/b', 'prod', name => 'b');
SELECT apikey.create_key('t34/b', 'prod');
SELECT apikey.create_key('t34', 'prod');
SELECT apikey.create_key('t34/none', 'prod');
SELECT pg_temp.n('t34'), pg_temp.n('t34/a'), pg_temp.n('t34/b'), pg_temp.n('t34/none');
-- a revoked key makes room, restoring it takes it back
SELECT status FROM apikey.revoke_key((SELECT key_id FROM apikey.list_keys('t34/b', search => 'b-1')));
SELECT (apikey.create_key('t34', 'prod', name => 'taken')).key_id > 0 AS created;
SELECT apikey.restore_key((SELECT key_id FROM apikey.list_keys('t34/b', search => 'b-1')));
SELECT status FROM apikey.revoke_key((SELECT key_id FROM apikey.list_keys('t34', search => 'taken')));
SELECT status FROM apikey.restore_key((SELECT key_id FROM apikey.list_keys('t34/b', search => 'b-1')));
-- a suspended one does not
SELECT status FROM apikey.suspend_key((SELECT key_id FROM apikey.list_keys('t34/b', search => 'b-1')));
SELECT apikey.create_key('t34', 'prod');
-- what a tenant may not see of the one above is not told
CREATE ROLE t34_operator;
SELECT apikey.grant_access('t34_operator', 'operator', 't34/b');
SET ROLE t34_operator;
SELECT apikey.create_key('t34/b', 'prod');
RESET ROLE;
SELECT apikey.revoke_access('t34_operator', 'operator', 't34/b');
DROP ROLE t34_operator;

-- per owner and policy
SELECT apikey.create_tenant('t34c') > 0 AS tenant;
SELECT apikey.create_environment('t34c', 'prod') > 0 AS environment;
SELECT apikey.create_policy('t34c', 'two each', max_keys_per_owner => 2) > 0 AND apikey.create_policy('t34c', 'free') > 0 AS policies;
SELECT count(*) FROM apikey.create_keys(2, 't34c', 'prod', name => 'k', owner => 'ann', policy => 'two each');
SELECT apikey.create_key('t34c', 'prod', owner => 'ann', policy => 'two each');
SELECT apikey.create_keys(3, 't34c', 'prod', owner => 'bob', policy => 'two each');
SELECT count(*) FROM apikey.create_keys(2, 't34c', 'prod', name => 'nobody', policy => 'two each');
SELECT apikey.create_key('t34c', 'prod', policy => 'two each');
SELECT count(*) FROM apikey.create_keys(3, 't34c', 'prod', name => 'free', owner => 'ann', policy => 'free');
-- by giving keys another owner or policy
SELECT apikey.update_key((SELECT key_id FROM apikey.list_keys('t34c', search => 'free-1')), policy => 'two each');
SELECT apikey.update_key((SELECT key_id FROM apikey.list_keys('t34c', search => 'nobody-1')), owner => 'ann');
SELECT owner FROM apikey.update_key((SELECT key_id FROM apikey.list_keys('t34c', search => 'nobody-1')), owner => 'bob');
SELECT policy FROM apikey.update_key((SELECT key_id FROM apikey.list_keys('t34c', search => 'free-1')), policy => 'two each', owner => 'bob');
SELECT owner, description FROM apikey.update_key((SELECT key_id FROM apikey.list_keys('t34c', search => 'k-1')), description => 'a full owner may change others fields');
-- by restoring
SELECT status FROM apikey.revoke_key((SELECT key_id FROM apikey.list_keys('t34c', search => 'k-1')));
SELECT (apikey.create_key('t34c', 'prod', name => 'third', owner => 'ann', policy => 'two each')).key_id > 0 AS created;
SELECT apikey.restore_key((SELECT key_id FROM apikey.list_keys('t34c', search => 'k-1')));
-- a lower limit ends no key, but makes no room either
SELECT apikey.set_policy('t34c', 'two each', max_keys_per_owner => 1);
SELECT status FROM apikey.revoke_key((SELECT key_id FROM apikey.list_keys('t34c', search => 'k-2')));
SELECT apikey.create_key('t34c', 'prod', owner => 'ann', policy => 'two each');
SELECT apikey.set_policy('t34c', 'two each', clear => '{max_keys_per_owner}');
SELECT (apikey.create_key('t34c', 'prod', owner => 'ann', policy => 'two each')).key_id > 0 AS created;
SELECT owner, name, status, policy FROM apikey.list_keys('t34c') ORDER BY owner, key_id;
