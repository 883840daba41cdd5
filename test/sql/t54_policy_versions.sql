-- Policies as versions: history, difference, rollback, which keys do not fit;
-- changes that are forced; environments.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
SELECT pg_temp.clock('2041-01-01 12:00:00+00') \gset
CREATE ROLE regress_t54_admin; CREATE ROLE regress_t54_auditor; CREATE ROLE regress_t54_verifier; CREATE ROLE regress_t54_child; CREATE ROLE regress_t54_both;
SELECT bool_and(apikey.create_tenant(n, parent => p) > 0) AS tenants FROM (VALUES ('t54', NULL), ('child', 't54'), ('t54b', NULL)) t (n, p);
SELECT apikey.grant_access('regress_t54_admin', 'admin', 't54'), apikey.grant_access('regress_t54_auditor', 'auditor', 't54'),
       apikey.grant_access('regress_t54_verifier', 'verifier', 't54'), apikey.grant_access('regress_t54_child', 'admin', 't54/child'),
       apikey.grant_access('regress_t54_both', 'auditor', 't54'), apikey.grant_access('regress_t54_both', 'admin', 't54b');
SELECT apikey.create_environment('t54', 'prod', is_production => true) > 0 AND apikey.create_environment('t54/child', 'dev') > 0 AS environments;

CREATE TEMP VIEW keys AS SELECT k.* FROM apikey.api_key k JOIN apikey.tenant t USING (tenant_id) WHERE t.name = 't54' AND t.parent_id IS NULL;

-- --- versions, by the clock --------------------------------------------------

SELECT apikey.create_policy('t54', 't54rules', allowed_cidrs => '{10.0.0.0/8}', grace => '1 day', note => 'first') > 0 AS created;
SELECT key_id, key FROM apikey.create_key('t54', 'prod', name => 'k', policy => 't54rules') \gset k_
SELECT pg_temp.clock('2041-01-02 12:00:00+00') \gset
SELECT apikey.set_policy('t54', 't54rules', access_hours => '{mon-fri 08:00-18:00}', note => 'from February on', effective_at => '2041-02-01 00:00:00+00');
SELECT apikey.set_policy('t54', 't54rules', allowed_cidrs => '{10.0.0.0/8,192.0.2.0/24}', clear => '{grace}', note => 'at once');
SELECT version, effective_at, in_force, author = current_user AS own, note, created_at, changes FROM apikey.policy_history('t54rules', 't54');
SELECT version, jsonb_object_agg(r, rules -> r) AS rules FROM apikey.policy_history('t54rules'), unnest('{allowed_cidrs,access_hours,grace,max_ttl}'::text[]) r GROUP BY version ORDER BY version;
SELECT array_agg(k ORDER BY k) = (SELECT array_agg(r ORDER BY r) FROM unnest(apikey._rule_names()) r) AS all_rules FROM apikey.policy_history('t54rules') h, jsonb_object_keys(rules) k WHERE h.version = 1;
-- no worker puts a version in force: the instant does, for verify() too
CREATE FUNCTION pg_temp.at(t timestamptz) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.clock(t);
	SELECT concat_ws(' ', (SELECT version FROM apikey.policy_history('t54rules', 't54') WHERE in_force), v.code, v.detail) FROM apikey.verify(current_setting('t54.key'), ip => '192.0.2.7', record => false) v $$;
SELECT set_config('t54.key', :'k_key', false) IS NOT NULL AS key;
SELECT t, pg_temp.at(t) FROM unnest('{2041-01-01 12:00+00,2041-01-02 11:59:59+00,2041-01-02 12:00+00,2041-01-31 23:59:59.999999+00,2041-02-01 00:00+00,2041-02-01 12:00+00,2041-02-04 12:00+00}'::timestamptz[]) t;

-- a change that is none makes no version, but for a note or a time of its own
SELECT pg_temp.clock('2041-01-03 12:00:00+00') \gset
SELECT apikey.set_policy('t54', 't54rules', allowed_cidrs => '{10.0.0.0/8,192.0.2.0/24}') AS same, apikey.set_policy('t54', 't54rules') AS nothing, apikey.set_policy('t54', 't54rules', clear => '{max_ttl,grace}') AS cleared;
SELECT apikey.set_policy('t54', 't54rules', note => 'looked at again') AS noted, apikey.set_policy('t54', 't54rules', effective_at => '2041-01-04 00:00:00+00') AS timed;
SELECT latest_version FROM apikey.policy WHERE name = 't54rules' AND apikey.tenant_path(tenant_id) = 't54';

-- --- difference --------------------------------------------------------------

SELECT * FROM apikey.policy_diff('t54rules', 1, 3, 't54');
SELECT * FROM apikey.policy_diff('t54rules', 2, 3);
SELECT * FROM apikey.policy_diff('t54rules', 3, 3);
SELECT * FROM apikey.policy_diff('t54rules', 3, 4);
SELECT * FROM apikey.policy_diff('t54rules', 1, 6);
SELECT * FROM apikey.policy_diff('t54rules', 0, 1);
SELECT * FROM apikey.policy_diff('t54rules', 1, NULL);

-- --- rollback ----------------------------------------------------------------

SELECT apikey.rollback_policy('t54rules', 4);
SELECT apikey.rollback_policy('t54rules', 6);
SELECT apikey.rollback_policy('t54rules', -1);
SELECT apikey.rollback_policy('t54rules', NULL);
SELECT apikey.rollback_policy('t54rules', 1, effective_at => '2041-01-03 11:00:00+00');
SELECT apikey.rollback_policy('t54rules', 1, effective_at => 'infinity');
SELECT apikey.rollback_policy('t54rules', 1, force => NULL);
SELECT apikey.rollback_policy('t54rules', 1, note => '');
SELECT count(*) AS versions FROM apikey.policy_history('t54rules');
SELECT apikey.rollback_policy('t54rules', 1, tenant => 't54', note => 'back', force => true);
-- its rules are in force already: the same call again makes nothing
SELECT apikey.rollback_policy('t54rules', 1, force => true);
SELECT apikey.rollback_policy('t54rules', 6);
SELECT * FROM apikey.policy_diff('t54rules', 1, 6);
-- later; the one in force then is another
SELECT apikey.rollback_policy('t54rules', 2, effective_at => '2041-03-01 00:00:00+00');
SELECT apikey.rollback_policy('t54rules', 1, effective_at => '2041-03-01 00:00:00+00', force => true);
SELECT version, effective_at, in_force, note, changes FROM apikey.policy_history('t54rules');
SELECT action, before, after FROM apikey.audit_log WHERE apikey.tenant_path(tenant_id) = 't54' AND action = 'policy.rollback' ORDER BY seq;
SELECT type, payload - 'policy_id' AS payload FROM apikey.event WHERE apikey.tenant_path(tenant_id) = 't54' AND type = 'policy.rollback' ORDER BY event_id;

-- --- a version that is scheduled ------------------------------------------------

SELECT pg_temp.clock('2041-04-01 12:00:00+00') \gset
SELECT apikey.create_policy('t54', 't54sched') > 0 AS created;
SELECT key_id, key FROM apikey.create_key('t54', 'prod', name => 'sched', policy => 't54sched') \gset s_
SELECT set_config('t54.key', :'s_key', false) IS NOT NULL AS key;
-- what the key is answered as time goes by
CREATE FUNCTION pg_temp.sched(OUT "04-01" text, OUT "04-11" text, OUT "04-21" text, OUT "05-01" text) LANGUAGE plpgsql AS $$
DECLARE
	clock text := current_setting('apikey.test_now');
	codes text[] := '{}';
	t timestamptz;
BEGIN
	FOREACH t IN ARRAY '{2041-04-01 12:00+00,2041-04-11 12:00+00,2041-04-21 12:00+00,2041-05-01 12:00+00}'::timestamptz[] LOOP
		PERFORM pg_temp.clock(t);
		codes := codes || (SELECT v.code FROM apikey.verify(current_setting('t54.key'), ip => '192.0.2.7', method => 'GET', endpoint => '/x', record => false) v);
	END LOOP;
	PERFORM set_config('apikey.test_now', clock, false);
	"04-01" := codes[1]; "04-11" := codes[2]; "04-21" := codes[3]; "05-01" := codes[4];
END $$;
SELECT apikey.set_policy('t54', 't54sched', allowed_endpoints => '{GET /y}', note => 'a mistake', effective_at => '2041-04-10 00:00:00+00') AS two,
       apikey.set_policy('t54', 't54sched', allowed_endpoints => '{GET /x}', effective_at => '2041-04-20 00:00:00+00') AS three;
SELECT * FROM pg_temp.sched();
-- an emergency: the versions to come know nothing of it, and that is told
SELECT apikey.set_policy('t54', 't54sched', denied_cidrs => '{192.0.2.0/24}', note => 'attacked from there');
SELECT * FROM pg_temp.sched();
-- as its hint says, the change is made there, too
SELECT apikey.set_policy('t54', 't54sched', denied_cidrs => '{192.0.2.0/24}', effective_at => '2041-04-20 00:00:00+00');
SELECT apikey.set_policy('t54', 't54sched', denied_cidrs => '{192.0.2.0/24}', effective_at => '2041-04-10 00:00:00+00');
SELECT * FROM pg_temp.sched();
-- what every version to come contains, or nothing touches, is not told of; nor is a change that is none
SELECT apikey.set_policy('t54', 't54sched', note => 'looked at');
SELECT apikey.set_policy('t54', 't54sched', denied_cidrs => '{192.0.2.0/24}');
-- of a rollback as well
SELECT apikey.rollback_policy('t54sched', 1, note => 'it is over');
SELECT * FROM pg_temp.sched();

SELECT version, effective_at, in_force, changes FROM apikey.policy_history('t54sched', 't54');
-- away with the mistake: what was before goes on, what comes later stays
SELECT apikey.cancel_policy_version('t54sched', 6, 't54', note => 'wrong endpoint');
SELECT apikey.cancel_policy_version('t54sched', 2);
SELECT * FROM pg_temp.sched();
SELECT apikey.cancel_policy_version('t54sched', 5, tenant => 't54');
SELECT * FROM pg_temp.sched();
SELECT version, effective_at, in_force, changes FROM apikey.policy_history('t54sched', 't54');
SELECT apikey.cancel_policy_version('t54sched', 5);
SELECT * FROM apikey.policy_diff('t54sched', 1, 5);
SELECT apikey.rollback_policy('t54sched', 5);
SELECT apikey.cancel_policy_version('t54sched', 3);
SELECT * FROM pg_temp.sched();
-- history does not change
SELECT apikey.cancel_policy_version('t54sched', 8);
SELECT apikey.cancel_policy_version('t54sched', 1);
SELECT apikey.cancel_policy_version('t54sched', 99);
SELECT apikey.cancel_policy_version('t54sched', NULL);
SELECT apikey.cancel_policy_version(NULL, 1);
SELECT apikey.cancel_policy_version('t54sched', 1, note => '');
SELECT apikey.set_policy('t54', 't54sched', grace => '1 day', effective_at => '2041-04-02 00:00:00+00');
SELECT pg_temp.clock('2041-04-01 23:59:59.999999+00') \gset
BEGIN;
SELECT apikey.cancel_policy_version('t54sched', 9);
ROLLBACK;
SELECT pg_temp.clock('2041-04-02 00:00:00+00') \gset
SELECT apikey.cancel_policy_version('t54sched', 9);
-- a clock that was set back: the first version is in force before its time
SELECT pg_temp.clock('2041-01-01 00:00:00+00') \gset
SELECT apikey.cancel_policy_version('t54sched', 1);
SELECT pg_temp.clock('2041-04-02 00:00:00+00') \gset
-- the number of one that was taken away is not given out again
SELECT apikey.set_policy('t54', 't54sched', grace => '2 days', effective_at => '2041-04-03 00:00:00+00');
SELECT apikey.cancel_policy_version('t54sched', 10);
SELECT apikey.cancel_policy_version('t54sched', 10);
SELECT apikey.set_policy('t54', 't54sched', grace => '3 days');
SELECT before - 'rules' - 'author' AS before, before -> 'rules' ->> 'grace' AS grace, before -> 'rules' ->> 'allowed_endpoints' AS endpoints, before ->> 'author' = current_user AS author, after
FROM apikey.audit_log WHERE apikey.tenant_path(tenant_id) = 't54' AND action = 'policy.cancel' ORDER BY seq;
SELECT payload - 'policy_id' AS payload FROM apikey.event WHERE apikey.tenant_path(tenant_id) = 't54' AND type = 'policy.cancel' ORDER BY event_id;

-- --- 10,000 networks ---------------------------------------------------------

SELECT apikey.create_policy('t54', 't54wide', allowed_cidrs => ARRAY(SELECT ('10.0.0.0'::inet + 256 * i)::cidr FROM generate_series(1, 10000) i)) > 0 AS created;
SELECT apikey.set_policy('t54', 't54wide', denied_cidrs => ARRAY(SELECT ('10.0.0.0'::inet + 256 * i)::cidr FROM generate_series(1, 10000) i));
SELECT apikey.set_policy('t54', 't54wide', denied_cidrs => ARRAY(SELECT ('10.0.0.0'::inet + 256 * i)::cidr FROM generate_series(1, 10001) i));
SELECT version, jsonb_array_length(changes -> 'allowed_cidrs') AS allowed, jsonb_array_length(changes -> 'denied_cidrs') AS denied FROM apikey.policy_history('t54wide');
SELECT latest_version FROM apikey.policy WHERE name = 't54wide';

-- --- who, and which ----------------------------------------------------------

SELECT apikey.create_policy('t54b', 't54rules') > 0 AND apikey.create_policy('t54b', 't54theirs') > 0 AND apikey.create_policy('t54/child', 't54rules') > 0 AND apikey.create_policy('t54/child', 't54own') > 0 AS created;
SELECT version FROM apikey.policy_history('t54rules');
SELECT version FROM apikey.policy_history('t54theirs');
BEGIN;
SELECT apikey.set_tenant('t54b');
SELECT version FROM apikey.policy_history('t54rules');
SELECT version FROM apikey.policy_history('t54wide');
ROLLBACK;
SELECT version FROM apikey.policy_history('');
SELECT version FROM apikey.policy_history(NULL);
SELECT version FROM apikey.policy_history('none', 't54');
SELECT version FROM apikey.policy_history('t54own', 't54');
SET ROLE regress_t54_auditor;
SELECT version FROM apikey.policy_history('t54wide');
SELECT version FROM apikey.policy_history('t54rules');
SELECT version FROM apikey.policy_history('t54own');
SELECT count(*) FROM apikey.policy_diff('t54wide', 1, 2), apikey.policy_check('t54wide');
-- within a narrowing, those outside are not there
BEGIN;
SELECT apikey.set_tenant('t54/child');
SELECT version FROM apikey.policy_history('t54rules');
SELECT version FROM apikey.policy_history('t54wide');
ROLLBACK;
-- foreign reads like unknown
SELECT version FROM apikey.policy_history('t54theirs');
SELECT version FROM apikey.policy_history('none');
SELECT version FROM apikey.policy_history('t54theirs', 't54b');
SELECT version FROM apikey.policy_history('none', 't54c');
SELECT * FROM apikey.policy_check('t54theirs', 7);
SELECT * FROM apikey.policy_diff('t54theirs', 7, 8);
SELECT apikey.rollback_policy('t54wide', 1);
SELECT apikey.cancel_policy_version('t54wide', 2);
SET ROLE regress_t54_verifier;
SELECT version FROM apikey.policy_history('t54wide');
SET ROLE regress_t54_child;
SELECT version FROM apikey.policy_history('t54rules');
SELECT version FROM apikey.policy_history('t54wide');
SELECT apikey.rollback_policy('t54wide', 1);
SELECT apikey.rollback_policy('t54wide', 1, tenant => 't54');
SELECT apikey.cancel_policy_version('t54wide', 2, 't54');
SELECT apikey.cancel_policy_version('t54wide', 2);
SELECT apikey.cancel_policy_version('none', 2);
SELECT apikey.set_policy('t54', 't54wide', grace => '1 day');
SELECT apikey.update_environment('t54', 'prod', is_production => false);
-- enough to see one, not to change it
SET ROLE regress_t54_both;
SELECT apikey.rollback_policy('t54wide', 1);
SELECT apikey.rollback_policy('t54wide', 1, tenant => 't54');
SELECT apikey.rollback_policy('t54wide', 1, tenant => 't54b');
SELECT apikey.rollback_policy('t54rules', 1, tenant => 't54b');
SELECT apikey.cancel_policy_version('t54wide', 2);
SELECT apikey.cancel_policy_version('t54rules', 1, tenant => 't54b');
RESET ROLE;

-- --- keys that a version does not fit ----------------------------------------

SELECT pg_temp.clock('2041-06-01 12:00:00+00') \gset
SELECT apikey.create_policy('t54', 't54check') > 0 AND apikey.create_role('t54', 'base', '{base}') > 0 AS created;
CREATE FUNCTION pg_temp.key(name text, owner text DEFAULT NULL, scopes text[] DEFAULT '{base,a:x}', ttl interval DEFAULT '30 days', roles text[] DEFAULT NULL, cidrs cidr[] DEFAULT NULL, endpoints text[] DEFAULT NULL,
	parent text DEFAULT NULL, policy text DEFAULT 't54check', rate_limits apikey.rate_limit[] DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
	SELECT key_id FROM apikey.create_key('t54', 'prod', name => name, owner => owner, scopes => scopes, ttl => ttl, roles => roles, cidrs => cidrs, endpoints => endpoints,
		parent_key_id => (SELECT p.key_id FROM keys p WHERE p.name = parent), policy => policy, rate_limits => rate_limits) $$;
SELECT apikey.create_policy('t54', 't54free') > 0 AS created;
SELECT count(pg_temp.key(n)) AS made FROM unnest('{fits,revoked,over}'::text[]) n;
SELECT count(i.key_id) AS revoked FROM keys k, apikey.revoke_key(k.key_id) i WHERE k.name = 'revoked';
SELECT count(apikey.renew_key(k.key_id, '2041-06-01 13:00:00+00')) AS short FROM keys k WHERE k.name = 'over';
SELECT count(apikey.create_key('t54', 'prod', name => 'endless', scopes => '{base}', policy => 't54check', expires_at => 'infinity')) AS made;
SELECT count(pg_temp.key('long', ttl => '1 year')) + count(pg_temp.key('renewed')) + count(pg_temp.key('other scopes', scopes => '{base,b:x,c:*}')) + count(pg_temp.key('wider scopes', scopes => '{base,a:*}'))
	+ count(pg_temp.key('not base', scopes => '{a:x}')) + count(pg_temp.key('base by role', scopes => '{a:x}', roles => '{base}')) AS made;
SELECT count(pg_temp.key('net fits', cidrs => '{10.1.0.0/16,198.51.100.0/24}')) + count(pg_temp.key('net not allowed', cidrs => '{198.51.100.0/24,2001:db8::/32}')) + count(pg_temp.key('net denied', cidrs => '{10.66.7.0/24}'))
	+ count(pg_temp.key('path fits', endpoints => '{GET /v1/orders/7,GET /v9}')) + count(pg_temp.key('path not allowed', endpoints => '{/v2/**,POST /v1/orders/7}')) + count(pg_temp.key('path denied', endpoints => '{GET /v1/admin/*/x}')) AS made;
-- a child is bound by the policy of its parent in what it asks of a request
SELECT count(pg_temp.key('parent')) + count(pg_temp.key('child fits', parent => 'parent', policy => 't54free')) + count(pg_temp.key('child net', parent => 'parent', policy => 't54free', cidrs => '{10.66.0.0/16}'))
	+ count(pg_temp.key('parent free', scopes => '{a:x,base}', policy => 't54free')) + count(pg_temp.key('child bare', parent => 'parent free')) AS made;
SELECT count(pg_temp.key('many ' || n, owner => 'ann')) AS made FROM generate_series(1, 4) n;
SELECT count(pg_temp.key('limits', rate_limits => ARRAY(SELECT ('l' || n, 10, '1 second', NULL, NULL)::apikey.rate_limit FROM generate_series(1, 7) n))) AS made;
SELECT * FROM apikey.policy_check('t54check');
SELECT apikey.set_policy('t54', 't54check', max_ttl => '60 days', max_scopes => '{base,a:*}', required_scopes => '{base}', allowed_cidrs => '{10.0.0.0/8,203.0.113.0/24}', denied_cidrs => '{10.66.0.0/16}',
	allowed_endpoints => '{GET /v1/**}', denied_endpoints => '{* /v1/admin/**}', max_keys_per_owner => 11, effective_at => '2041-07-20 12:00:00+00');
-- the parent loses what its child needs
SELECT count(apikey.update_key(k.key_id, scopes => '{a:x}')) AS updated FROM keys k WHERE k.name = 'parent free';
-- not in force yet, so asked for by its number; keys whose life is over do not count
SELECT pg_temp.clock('2041-06-20 12:00:00+00') \gset
SELECT count(apikey.renew_key(k.key_id, '2041-08-15 12:00:00+00')) AS renewed FROM keys k WHERE k.name = 'renewed';
SELECT * FROM apikey.policy_check('t54check');
SELECT name, owner, environment, rule, detail FROM apikey.policy_check('t54check', 2);
-- counted as a new key is: who has no owner is one
SELECT apikey.set_policy('t54', 't54check', max_keys_per_owner => 2);
SELECT name, owner, rule, detail FROM apikey.policy_check('t54check') WHERE owner = 'ann';
SELECT rule, count(*) FROM apikey.policy_check('t54check') GROUP BY 1;
SELECT apikey.set_policy('t54', 't54check', clear => '{max_keys_per_owner}', rate_limits => '{"(x,10,1 second,,)"}', quotas => '{"(y,10,day,,)"}', requires_approval => true) > 3 AS version;
SELECT name, rule, detail FROM apikey.policy_check('t54check') WHERE rule <> 'requires_approval';
SELECT rule, count(*) FROM apikey.policy_check('t54check') GROUP BY 1 ORDER BY 1;
-- rules that nobody can meet
SELECT apikey.set_policy('t54', 't54free', allowed_cidrs => '{192.0.2.0/25}', denied_cidrs => '{192.0.2.0/24}');
SELECT name, rule, detail FROM apikey.policy_check('t54free');
SELECT apikey.set_policy('t54', 't54free', allowed_endpoints => '{/a/*,GET /b}', denied_endpoints => '{/a/**,/b}', clear => '{allowed_cidrs,denied_cidrs}');
SELECT name, rule, detail FROM apikey.policy_check('t54free');
SELECT * FROM apikey.policy_check('t54check', 99);
SELECT * FROM apikey.policy_check('t54check', tenant => 't54/child');

-- --- against recent traffic --------------------------------------------------

RESET apikey.test_now;
SELECT apikey.create_policy('t54', 't54live') > 0 AS created;
SELECT key AS k_key FROM apikey.create_key('t54', 'prod', name => 't54live', policy => 't54live') \gset
SELECT count(*) FROM generate_series(1, 3) i, apikey.verify(:'k_key', ip => '192.0.2.7', method => 'GET', endpoint => '/v1/x', request_id => i::text) v WHERE v.valid;
SELECT apikey.flush_usage('180 s');
SET ROLE regress_t54_admin;
SELECT apikey.set_policy('t54', 't54live', denied_cidrs => '{192.0.2.0/24}');
SELECT apikey.set_policy('t54', 't54live', denied_cidrs => '{192.0.2.0/24}', effective_at => now() + interval '1 day');
SELECT apikey.set_policy('t54', 't54live', denied_cidrs => '{192.0.2.0/24}', force => NULL);
SELECT count(*) AS versions FROM apikey.policy_history('t54live');
SELECT apikey.set_policy('t54', 't54live', denied_cidrs => '{198.51.100.0/24}');
SELECT apikey.set_policy('t54', 't54live', denied_cidrs => '{192.0.2.0/24}', force => true);
-- a rollback is a change as well
SELECT apikey.rollback_policy('t54live', 1);
SELECT apikey.rollback_policy('t54live', 3);
SELECT apikey.rollback_policy('t54live', 3, force => true);
-- and in production, force takes the second factor of who has one
SELECT count(*) FROM apikey.enroll_totp();
RESET ROLE;
UPDATE apikey.member_totp SET confirmed_at = now() WHERE role_name = 'regress_t54_admin';
SET ROLE regress_t54_admin;
SELECT apikey.rollback_policy('t54live', 1, force => true);
SELECT apikey.set_policy('t54', 't54live', grace => '1 day', force => true);
SELECT apikey.set_policy('t54', 't54live', grace => '1 day');
SELECT apikey.rollback_policy('t54live', 1);
-- so does what keeps approvals from being asked for
SELECT apikey.set_policy('t54', 't54live', requires_approval => true, effective_at => now() + interval '1 day') AS strict, apikey.set_policy('t54', 't54live', grace => '1 day', effective_at => now() + interval '2 days') AS other \gset
SELECT apikey.cancel_policy_version('t54live', :strict);
SELECT apikey.cancel_policy_version('t54live', :other) = :other AS cancelled;
RESET ROLE;
SELECT action, after -> 'version' AS version, after -> 'to' AS "to", after -> 'force' AS force FROM apikey.audit_log WHERE apikey.tenant_path(tenant_id) = 't54' AND object = (SELECT 'policy:' || policy_id FROM apikey.policy WHERE name = 't54live') ORDER BY seq;

-- --- environments ------------------------------------------------------------

SELECT pg_temp.clock('2041-06-01 12:00:00+00') \gset
SELECT apikey.create_environment('t54', 'stage') > 0 AS created;
CREATE TEMP VIEW env AS SELECT e.name, e.tag, e.is_production, p.name AS default_policy, e.requires_approval FROM apikey.environment e LEFT JOIN apikey.policy p ON p.policy_id = e.default_policy_id WHERE apikey.tenant_path(e.tenant_id) ~ '^t54';
SELECT apikey.update_environment('t54', 'stage', tag => 'st', default_policy => 't54free') = e.environment_id AS same FROM apikey.environment e WHERE e.name = 'stage' AND apikey.tenant_path(tenant_id) = 't54';
SELECT * FROM env WHERE name = 'stage';
SELECT count(key) AS made FROM apikey.create_key('t54', 'stage', name => 'in stage');
SELECT p.name FROM keys k JOIN apikey.policy p USING (policy_id) WHERE k.name = 'in stage';
-- the tag is part of key texts
SELECT apikey.update_environment('t54', 'stage', tag => 'new', is_production => true);
SELECT apikey.update_environment('t54', 'stage', tag => 'st', is_production => true, requires_approval => true) > 0 AS updated;
SELECT apikey.create_key('t54', 'stage');
SELECT apikey.update_environment('t54', 'stage', requires_approval => false, clear => '{default_policy}') > 0 AS updated;
SELECT apikey.update_environment('t54', 'stage') > 0 AS nothing;
SELECT * FROM env WHERE name = 'stage';
-- a policy of a tenant above is fine, one of a tenant below is not
SELECT apikey.update_environment('t54/child', 'dev', default_policy => 't54free') > 0 AS updated;
SELECT apikey.update_environment('t54', 'stage', default_policy => 't54own');
SELECT apikey.update_environment('t54', 'stage', default_policy => 't54free', clear => '{default_policy}');
SELECT apikey.update_environment('t54', 'stage', clear => '{tag}');
SELECT apikey.update_environment('t54', 'stage', tag => 'A b');
SELECT apikey.update_environment('t54', 'none', tag => 'x');
SELECT apikey.update_environment('t54', NULL);
SELECT action, before - 'default_policy_id' AS before, after - 'default_policy_id' AS after FROM apikey.audit_log WHERE apikey.tenant_path(tenant_id) ~ '^t54' AND action = 'environment.update' ORDER BY seq;
SELECT type, payload - 'environment_id' AS payload FROM apikey.event WHERE apikey.tenant_path(tenant_id) ~ '^t54' AND type = 'environment.update' ORDER BY event_id;
-- the protection of production, with a second factor
SET ROLE regress_t54_admin;
SELECT apikey.update_environment('t54', 'prod', is_production => false);
SELECT apikey.update_environment('t54', 'prod', default_policy => 't54free') > 0 AS updated;
RESET ROLE;
SELECT * FROM env ORDER BY name;

DELETE FROM apikey.member_totp WHERE role_name ~ '^regress_t54';
SELECT bool_and(apikey.revoke_access(m.role_name, m.access, apikey.tenant_path(m.tenant_id))) AS revoked FROM apikey.member m WHERE m.role_name ~ '^regress_t54';
DROP ROLE regress_t54_admin, regress_t54_auditor, regress_t54_verifier, regress_t54_child, regress_t54_both;
