-- Any argument of any function may be NULL, huge, or nonsense: one clear error
-- with a SQLSTATE, nothing half-written.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.try(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	d text;
BEGIN
	EXECUTE 'SELECT count(*) FROM apikey.' || call;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' ', SQLSTATE, SQLERRM, '|', nullif(d, ''));
END $$;
SELECT apikey.create_tenant('t36') > 0 AS tenant;
SELECT apikey.create_environment('t36', 'prod') > 0 AS environment;
SELECT apikey.create_policy('t36', 'rules') > 0 AS policy;
SELECT (apikey.create_key('t36', 'prod', name => 'k')).key_id AS key_id \gset
CREATE TEMP TABLE before AS
	SELECT (SELECT count(*) FROM apikey.tenant) AS tenants, (SELECT count(*) FROM apikey.environment) AS environments, (SELECT count(*) FROM apikey.policy) AS policies,
	       (SELECT count(*) FROM apikey.policy_version) AS versions, (SELECT count(*) FROM apikey.role) AS roles, (SELECT count(*) FROM apikey.api_key) AS keys,
	       (SELECT count(*) FROM apikey.key_secret) AS secrets, (SELECT count(*) FROM apikey.ip_block) AS blocks, (SELECT count(*) FROM apikey.member) AS members,
	       (SELECT count(*) FROM apikey.audit_log) AS audited, (SELECT count(*) FROM apikey.event WHERE type !~ 'expire') AS events;

-- NULL for every argument
SELECT p.proname, pg_temp.try(format('%I(%s)', p.proname, (SELECT string_agg('NULL', ', ') FROM generate_series(1, p.pronargs)))) AS result
  FROM pg_proc p WHERE p.pronamespace = 'apikey'::regnamespace AND p.prosrc = 'apikey_call' AND p.pronargs > 0 AND p.proname <> 'tenant_path' ORDER BY 1;
-- the same with the first ones right
SELECT call, pg_temp.try(call) FROM unnest(ARRAY[
	'create_tenant(''x'', ''t36'', NULL, -1)',
	'create_tenant(NULL, ''t36'')',
	'create_environment(''t36'', NULL)',
	'create_environment(''t36'', '''')',
	'create_policy(''t36'', NULL)',
	'set_policy(''t36'', NULL)',
	'create_role(''t36'', NULL, ''{a}'')',
	'create_role(''t36'', ''r'', NULL)',
	'create_role(''t36'', ''r'', ''{NULL}'')',
	'create_role(''t36'', ''r'', ''{{a,b},{c,d}}'')',
	'update_role(''t36'', ''r'', ''{a}'')',
	'create_key(''t36'', NULL)',
	'create_key(''t36'', ''nowhere'')',
	'create_keys(NULL, ''t36'', ''prod'')',
	'grant_access(NULL, NULL, ''t36'')',
	'block_ip(NULL, ''t36'')']) call;

-- names of tenants: the shape is checked where one is made, else it is just unknown
SELECT left(n, 20) AS name, pg_temp.try(format('create_tenant(%L, ''t36'')', n)) AS create, pg_temp.try(format('suspend_tenant(%L)', n)) AS look_up
  FROM unnest(ARRAY['', 'Upper', 'with space', '-dash', 'a/b', '../t36', 't36/', '/t36', 't36//x', E'new\nline', 'a''b', U&'\00fcmlaut', repeat('x', 64), repeat('x', 1000000), repeat('t36/', 100000)]) n;
SELECT prefix, pg_temp.try(format('create_tenant(''p'', ''t36'', prefix => %L)', prefix)) FROM unnest(ARRAY['', 'A', '1a', 'a_', '_a', 'a__b', 'a-b', repeat('a', 25)]) prefix;
SELECT tag, pg_temp.try(format('create_environment(''t36'', ''e'', tag => %L)', tag)) FROM unnest(ARRAY['', 'Live', 'a_b', repeat('a', 13)]) tag;
SELECT pg_temp.try('create_tenant(''s'', ''t36'', settings => ''[1]'')'), pg_temp.try($$create_tenant('s', 't36', settings => jsonb_build_object('x', repeat('x', 70000)))$$);
SELECT pg_temp.try($$create_environment('t36', repeat('n', 201))$$), pg_temp.try($$create_policy('t36', repeat('n', 201))$$), pg_temp.try($$create_role('t36', repeat('n', 201), '{a}')$$);
SELECT pg_temp.try($$create_tenant('i', 't36', idempotency_key => '')$$), pg_temp.try($$create_key('t36', 'prod', idempotency_key => repeat('x', 201))$$);

-- a key in the wrong argument does not come back in the error
SELECT pg_temp.try($$create_key('t36', 'ak_live_3kTMd8yZ0b1QmVfXw2sLr9NcHj4aUeGpYiOoB7tKvRs0dPq2')$$);
SELECT pg_temp.try($$create_key('ak_live_3kTMd8yZ0b1QmVfXw2sLr9NcHj4aUeGpYiOoB7tKvRs0dPq2', 'prod')$$);

-- keys
SELECT label, pg_temp.try(format('create_key(''t36'', ''prod'', %s)', args)) FROM (VALUES
	('empty name', 'name => '''''),
	('long name', 'name => repeat(''x'', 501)'),
	('name of the greatest length', 'name => repeat(''x'', 500)'),
	('long owner', 'owner => repeat(''x'', 501)'),
	('long description', 'description => repeat(''x'', 501)'),
	('metadata of 1 MB', 'metadata => jsonb_build_object(''x'', repeat(''x'', 1000000))'),
	('metadata of 64 kB', 'metadata => to_jsonb(repeat(''x'', 65534))'),
	('tags', 'tags => ARRAY(SELECT ''t'' || i FROM generate_series(1, 65) i)'),
	('64 tags', 'tags => ARRAY(SELECT ''t'' || i FROM generate_series(1, 64) i)'),
	('a long tag', 'tags => ARRAY[repeat(''x'', 257)]'),
	('an empty tag', 'tags => ''{""}'''),
	('a NULL tag', 'tags => ''{a,NULL}'''),
	('a table of tags', 'tags => ''{{a},{b}}'''),
	('10,000 networks', 'cidrs => ARRAY(SELECT (''10.0.0.0''::inet + i)::cidr FROM generate_series(1, 10000) i)'),
	('10,001 networks', 'cidrs => ARRAY(SELECT (''10.0.0.0''::inet + i)::cidr FROM generate_series(1, 10001) i)'),
	('a NULL network', 'cidrs => ''{NULL}'''),
	('1,001 rules', 'endpoints => ARRAY(SELECT ''/'' || i FROM generate_series(1, 1001) i)'),
	('a rule', 'endpoints => ''{"FETCH  /x"}'''),
	('a long rule', 'endpoints => ARRAY[''/'' || repeat(''x'', 3000)]'),
	('1,001 scopes', 'scopes => ARRAY(SELECT ''s'' || i FROM generate_series(1, 1001) i)'),
	('a scope', 'scopes => ''{"a b"}'''),
	('a long scope', 'scopes => ARRAY[repeat(''x'', 256)]'),
	('a scope with a wildcard inside', 'scopes => ''{a:*:b}'''),
	('65 roles', 'roles => ARRAY(SELECT ''r'' || i FROM generate_series(1, 65) i)'),
	('a role', 'roles => ''{none}'''),
	('a NULL role', 'roles => ''{NULL}'''),
	('a policy', 'policy => '''''),
	('a parent', 'parent_key_id => -1'),
	('few bytes', 'bytes => 15'),
	('many bytes', 'bytes => 65'),
	('a short public key', 'seal_to => ''\x0102'''),
	('a public key of small order', 'seal_to => decode(repeat(''00'', 32), ''hex'')'),
	('ttl', 'ttl => ''-1 second'''),
	('both', 'ttl => ''1 day'', expires_at => ''2100-01-01'''),
	('past', 'expires_at => ''2000-01-01'''),
	('infinite past', 'expires_at => ''-infinity'''),
	('far future', 'expires_at => ''290000-01-01'''),
	('not_before', 'not_before => ''infinity''')) v (label, args);
-- limits, in a policy; a key and its functions have the same check
SELECT label, pg_temp.try(format('create_policy(''t36'', ''limited'', rate_limits => %L)', rates)) FROM (VALUES
	('limit of 0', '{"(m,0,1s,,)"}'),
	('negative limit', '{"(m,-1,1s,,)"}'),
	('NULL limit', '{"(m,,1s,,)"}'),
	('per 0', '{"(m,1,0,,)"}'),
	('negative per', '{"(m,1,-1s,,)"}'),
	('NULL per', '{"(m,1,,,)"}'),
	('per month', '{"(m,1,1 mon,,)"}'),
	('per year', '{"(m,1,1 year,,)"}'),
	('per 300 years', '{"(m,1,109500 days,,)"}'),
	('per 10 million years', '{"(m,1,2147483647 days,,)"}'),
	('burst of 0', '{"(m,1,1s,0,)"}'),
	('negative burst', '{"(m,1,1s,-1,)"}'),
	('a burst that takes 2^63 ns', '{"(m,1,1s,9223372037,)"}'),
	('2^63 - 1', '{"(m,9223372036854775807,1s,9223372036854775807,)"}'),
	('more than one in a nanosecond', '{"(m,1000000001,1s,,)"}'),
	('no name', '{"(,1,1s,,)"}'),
	('an empty name', '{"(\"\",1,1s,,)"}'),
	('a long name', format('{"(%s,1,1s,,)"}', repeat('x', 64))),
	('a name of two lines', E'{"(\\"a\nb\\",1,1s,,)"}'),
	('a key for a name', '{"(ak_live_000000000000000000000000000000000000000000009KvW5,1,1s,,)"}'),
	('some secret for a name', '{"(AAAAbbbbCCCCddddEEEEffffGGGG,0,1s,,)"}'),
	('the same name', '{"(m,1,1s,,)","(m,1,1s,,)"}'),
	('shared by all', '{"(m,1,1s,,all)"}'),
	('Key', '{"(m,1,1s,,Key)"}'),
	('NULL', '{NULL}'),
	('a NULL among others', '{"(m,1,1s,,)",NULL}'),
	('a table', '{{"(m,1,1s,,)"},{"(n,1,1s,,)"}}'),
	('nine', (SELECT array_agg(format('(m%s,1,1s,,)', i))::text FROM generate_series(1, 9) i))) v (label, rates);
SELECT label, pg_temp.try(format('create_key(''t36'', ''prod'', quotas => %L)', quotas)) FROM (VALUES
	('0 units', '{"(m,0,day,,)"}'),
	('negative', '{"(m,-1,day,,)"}'),
	('NULL units', '{"(m,,day,,)"}'),
	('2^62', '{"(m,4611686018427387904,day,,)"}'),
	('no period', '{"(m,1,,,)"}'),
	('a period', '{"(m,1,year,,)"}'),
	('Day', '{"(m,1,Day,,)"}'),
	('no such zone', '{"(m,1,day,Mars/Olympus,)"}'),
	('no zone', '{"(m,1,day,\"\",)"}'),
	('a long zone', format('{"(m,1,day,%s,)"}', repeat('x', 1000000))),
	('a zone that is a path', '{"(m,1,day,../../../etc/passwd,)"}'),
	('shared', '{"(m,1,day,,key )"}'),
	('nine', (SELECT array_agg(format('(m%s,1,day,,)', i))::text FROM generate_series(1, 9) i))) v (label, quotas);
SELECT pg_temp.try('create_key(''t36'', ''prod'', rate_limits => ''{"(m,1,1s,,)"}'', quotas => ''{"(m,1,day,,)"}'')'),
       pg_temp.try('create_keys(2, ''t36'', ''prod'', rate_limits => ''{"(m,0,1s,,)"}'')'),
       pg_temp.try('set_policy(''t36'', ''rules'', quotas => ''{"(m,0,day,,)"}'')'),
       pg_temp.try('set_policy(''t36'', ''rules'', priority => -1)'),
       pg_temp.try('set_policy(''t36'', ''rules'', priority => 101)');
SELECT call, pg_temp.try(replace(call, '$', :'key_id')) FROM unnest(ARRAY[
	'add_credits($, 0)', 'add_credits($, -1)', 'add_credits($, NULL)', 'add_credits($, 1, '''')', 'add_credits($, 1, reason => repeat(''x'', 1001))', 'add_credits(-1, 1)',
	'reset_limits(-1)', 'reset_limits($, '''')',
	'update_key($, rate_limits => ''{"(m,1,1s,0,)"}'')', 'update_key($, quotas => ''{NULL}'')', 'update_key($, quotas => ''{}'', clear => ''{quotas}'')',
	'suspend_key($, repeat(''x'', 1001))', 'suspend_key($, '''')', 'suspend_key(0)', 'suspend_key(9223372036854775807)',
	'revoke_key($, repeat(''x'', 1001))', 'revoke_key($, at => ''2000-01-01'')', 'revoke_key($, at => ''infinity'')', 'revoke_key($, cascade => NULL)',
	'restore_key($, '''')', 'renew_key($, ''2000-01-01'')', 'renew_key($, NULL)',
	'rotate_key($, overlap => ''2000 years'')', 'rotate_key($, overlap => ''-1 day'')', 'rotate_key($, bytes => 0)', 'rotate_key($, seal_to => ''\x'')', 'rotate_key($, expires_at => ''2000-01-01'')',
	'revoke_secret(-1)', 'delete_key(-1)', 'update_key($, name => '''')', 'update_key($, metadata => to_jsonb(repeat(''x'', 70000)))', 'update_key($, clear => ''{name,NULL}'')',
	'update_key($, clear => ''{key_id}'')', 'update_key($, tags => ''{a}'', clear => ''{tags}'')',
	'list_keys(''t36'', page_size => -1)', 'list_keys(''t36'', page_size => NULL)', 'list_keys(''t36'', after_key_id => -5)', 'list_keys(''t36'', after_key_id => NULL)', 'list_keys(''t36'', search => repeat(''x'', 1000000))', 'list_keys(''t36'', status => '''')',
	'block_ip(''0.0.0.0/0'', ''t36'', reason => repeat(''x'', 1001))', 'block_ip(''0.0.0.0/0'', ''t36'', expires_at => ''2000-01-01'')', 'block_ip(''0.0.0.0/0'', ''t36'', expires_at => ''infinity'')', 'unblock_ip(-1)',
	'grant_access(''no such role'', ''admin'', ''t36'')', 'grant_access('''', ''admin'', ''t36'')', 'grant_access(current_user, ''ADMIN'', ''t36'')', 'grant_access(''public'', ''admin'')']) call;

-- settings of the session make no difference
SET plpgsql.extra_errors = 'all';
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET datestyle = 'SQL, DMY';
SET intervalstyle = 'sql_standard';
SET search_path = '';
SET array_nulls = off;
SET extra_float_digits = -15;
SELECT apikey.set_policy('t36', 'rules', grace => '1-2', overlap => '3 04:05:06', max_ttl => '400 0:00:00', access_hours => '{mon-fri 08:00-18:00}') AS version;
SELECT apikey.create_tenant('settings', 't36') > 0 AS created;
SELECT (apikey.create_key('t36', 'prod', policy => 'rules', name => 'settings', ttl => '1 0:00:00')).key_id > 0 AS created;
SELECT grace, overlap, max_ttl FROM apikey.policy_version ORDER BY policy_id DESC, version DESC LIMIT 1;
SELECT status FROM apikey.revoke_key((SELECT key_id FROM apikey.list_keys('t36', search => 'settings')));
RESET ALL;
SET client_min_messages = warning;
SELECT grace, overlap, max_ttl FROM apikey.policy_version ORDER BY policy_id DESC, version DESC LIMIT 1;

-- no text that is kept may hold the text of a key (this one has a checksum that
-- fits; nobody made it)
\set leaked 'seen in a log: ak_live_000000000000000000000000000000000000000000009KvW5'
SELECT apikey._holds_key(:'leaked') AS is_a_key;
SELECT call, pg_temp.try(format(call, :'key_id', :'leaked')) FROM unnest(ARRAY[
	'suspend_key(%1$s, %2$L)', 'revoke_key(%1$s, %2$L)', 'update_key(%1$s, name => %2$L)', 'update_key(%1$s, owner => %2$L)',
	'update_key(%1$s, tags => ARRAY[%2$L])', 'update_key(%1$s, metadata => jsonb_build_object(%2$L, 1))',
	'set_policy(''t36'', ''rules'', note => %2$L)', 'suspend_tenant(''t36'', %2$L)']) call;

-- what the accepted calls wrote, and nothing else
SELECT (SELECT count(*) FROM apikey.tenant) - tenants AS tenants, (SELECT count(*) FROM apikey.environment) - environments AS environments, (SELECT count(*) FROM apikey.policy) - policies AS policies,
       (SELECT count(*) FROM apikey.policy_version) - versions AS versions, (SELECT count(*) FROM apikey.role) - roles AS roles, (SELECT count(*) FROM apikey.api_key) - keys AS keys,
       (SELECT count(*) FROM apikey.key_secret) - secrets AS secrets, (SELECT count(*) FROM apikey.ip_block) - blocks AS blocks, (SELECT count(*) FROM apikey.member) - members AS members,
       (SELECT count(*) FROM apikey.audit_log) - audited AS audited, (SELECT count(*) FROM apikey.event WHERE type !~ 'expire') - events AS events FROM before;
