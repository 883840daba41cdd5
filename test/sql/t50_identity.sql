-- Who a transaction acts for: set_tenant(), authenticate() and what tells of
-- them.
\set SHOW_CONTEXT never
\set VERBOSITY terse
-- its name changed in 16
SELECT name AS parallel_mode FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query') \gset
SET client_min_messages = warning;
CREATE ROLE regress_t50_api;
CREATE ROLE regress_t50_admin;
CREATE ROLE regress_t50_child;
CREATE ROLE regress_t50_stranger;

SELECT apikey.create_tenant('t50a') > 0 AND apikey.create_tenant('eu', 't50a') > 0 AND apikey.create_tenant('x', 't50a/eu') > 0
   AND apikey.create_tenant('us', 't50a') > 0 AND apikey.create_tenant('t50b') > 0 AND apikey.create_tenant('eu', 't50b') > 0 AS tenants;
SELECT bool_and(apikey.create_environment(t, 'p', tag => 't') > 0) AS environments FROM unnest('{t50a,t50a/eu,t50a/eu/x,t50a/us,t50b}'::text[]) t;
SELECT apikey.create_role('t50a', 'clerk', '{orders:*,users:read}') > 0 AND apikey.create_policy('t50a', 'cut') > 0 AS rules;
CREATE TABLE public.t50_key AS
	SELECT t AS tenant, k.key_id, k.key FROM unnest('{t50a,t50a/eu,t50a/eu/x,t50a/us,t50b}'::text[]) t, LATERAL apikey.create_key(t, 'p', scopes => '{orders:read}') k
	UNION ALL SELECT 'cut', k.key_id, k.key FROM apikey.create_key('t50a', 'p', scopes => '{a:b}', roles => '{clerk}', policy => 'cut') k
	UNION ALL SELECT 'none', k.key_id, k.key FROM apikey.create_key('t50a', 'p') k
	UNION ALL SELECT 'gone', k.key_id, k.key FROM apikey.create_key('t50a', 'p') k;
INSERT INTO public.t50_key SELECT 'child', k.key_id, k.key FROM public.t50_key p, apikey.create_key('t50a', 'p', scopes => '{orders:write:*,users:read}', parent_key_id => p.key_id) k WHERE p.tenant = 'cut';
SELECT apikey.set_policy('t50a', 'cut', max_scopes => '{orders:read,orders:write:*,users:*}');
SELECT status FROM apikey.revoke_key((SELECT key_id FROM t50_key WHERE tenant = 'gone'), 'lost');
SELECT key AS akey, key_id AS akey_id FROM t50_key WHERE tenant = 't50a' \gset
SELECT key AS eukey, key_id AS eukey_id FROM t50_key WHERE tenant = 't50a/eu' \gset
SELECT key AS bkey, key_id AS bkey_id FROM t50_key WHERE tenant = 't50b' \gset
SELECT tenant_id AS a_id FROM apikey.api_key WHERE key_id = :akey_id \gset
SELECT tenant_id AS b_id FROM apikey.api_key WHERE key_id = :bkey_id \gset
SELECT key AS gonekey FROM t50_key WHERE tenant = 'gone' \gset
SELECT key AS cutkey FROM t50_key WHERE tenant = 'cut' \gset
SELECT key AS childkey FROM t50_key WHERE tenant = 'child' \gset
SELECT key AS nonekey FROM t50_key WHERE tenant = 'none' \gset
SELECT apikey.grant_access('regress_t50_api', 'verifier'), apikey.grant_access('regress_t50_admin', 'admin'), apikey.grant_access('regress_t50_child', 'admin', 't50a/eu');

-- an application's own table
CREATE TABLE public.t50_order (order_id int PRIMARY KEY, tenant text NOT NULL, scope text);
INSERT INTO t50_order SELECT n, (ARRAY['t50a', 't50a/eu', 't50b', 't50b/eu'])[1 + n % 4] FROM generate_series(1, 20000) n;
CREATE INDEX t50_order_tenant ON public.t50_order (tenant);
ALTER TABLE public.t50_order ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.t50_order USING (tenant = (SELECT apikey.current_tenant()));
GRANT SELECT, INSERT ON public.t50_order TO PUBLIC;
VACUUM ANALYZE public.t50_order;
-- the plan of a statement; versions of PostgreSQL name parameters differently,
-- and only old ones say which a Gather evaluates
CREATE FUNCTION public.t50_explain(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || statement LOOP
		IF line !~ '^ *Params Evaluated' THEN
			RETURN NEXT regexp_replace(regexp_replace(line, ' \(returns .*', ''), '\$\d+|\(InitPlan \d+\)\.col1', 'initplan');
		END IF;
	END LOOP;
END $$;
-- what a call comes to; numbers of keys differ from run to run
CREATE FUNCTION public.t50_try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	EXECUTE statement INTO answer;
	RETURN answer;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || regexp_replace(SQLERRM, 'key \d+', 'key N');
END $$;
-- who the transaction is, in one line; numbers of tenants and keys differ from run to run
CREATE FUNCTION public.t50_who() RETURNS text LANGUAGE sql STABLE AS $$
	SELECT concat_ws(' ', coalesce(apikey.current_tenant(), '-'), coalesce((SELECT k.tenant FROM t50_key k WHERE k.key_id = apikey.current_key_id()), apikey.current_key_id()::text, '-'),
		coalesce(apikey.current_scopes()::text, '-'), (SELECT string_agg(DISTINCT o.tenant, '+') FROM t50_order o)) $$;
GRANT SELECT ON public.t50_key TO PUBLIC;

SET ROLE regress_t50_api;
-- nobody, before anything was said
SELECT t50_who();
SELECT apikey.current_key_id() IS NULL AS id, apikey.current_tenant() IS NULL AS tenant, apikey.current_scopes() IS NULL AS scopes, apikey.has_scope('orders:read') AS has, apikey.has_scope('*') AS has_all, apikey.has_scope(NULL) AS has_null;

-- authenticate: to the end of the transaction, no further
BEGIN;
SELECT valid, code, tenant FROM apikey.authenticate(:'akey', scopes => '{orders:read}', ip => '192.0.2.1', method => 'GET', endpoint => '/v1/orders');
SELECT t50_who(), apikey.current_key_id() = :akey_id AS id;
SELECT regexp_replace(current_setting('apikey.context'), '\d+', 'N', 'g') AS shown;
COMMIT;
SELECT t50_who();
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
ROLLBACK;
SELECT t50_who(), current_setting('apikey.context') AS shown;
-- alone in a statement, it is for that statement
SELECT code FROM apikey.authenticate(:'akey');
SELECT t50_who();
-- the second key takes the place of the first; an answer that is not VALID leaves nobody
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
SELECT code FROM apikey.authenticate(:'bkey');
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'gonekey');
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'akey');
SELECT code, tenant FROM apikey.authenticate(:'akey', scopes => '{orders:write}');
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'akey');
SELECT code FROM apikey.authenticate('nonsense');
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'akey');
SELECT code FROM apikey.authenticate(NULL);
SELECT t50_who(), current_setting('apikey.context') AS shown;
COMMIT;
-- an error judges nothing, and what it took back was there before
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
SAVEPOINT s;
SELECT code FROM apikey.authenticate(:'bkey', units => -1);
ROLLBACK TO s;
SELECT t50_who();
COMMIT;

-- scopes: own ones and those of roles, cut by the policy and by the parent key;
-- shown, told and accepted are the same
BEGIN;
SELECT scopes FROM apikey.authenticate(:'cutkey');
SELECT apikey.current_scopes();
SELECT s, apikey.has_scope(s) AS has, v.code = 'VALID' AS accepted FROM unnest('{orders:read,orders:write,orders:write:x,orders:write:*,orders:*,users:read,users:write,a:b,*,"",a:b|users:read,|,orders:read|,"no scope",ORDERS:READ,NULL}'::text[]) s,
	LATERAL apikey.verify(:'cutkey', scopes => ARRAY[s]) v;
SELECT scopes FROM apikey.authenticate(:'childkey');
SELECT apikey.current_scopes();
SELECT scopes, apikey.current_scopes() IS NULL AS before FROM apikey.authenticate(:'nonekey');
SELECT apikey.current_scopes(), apikey.has_scope('orders:read');
-- every key, and scopes that each of them may or may not have
RESET ROLE;
CREATE TEMP TABLE t50_tried (tenant text, scope text, has boolean, accepted boolean);
DO $$
DECLARE
	k record;
	wanted text[] := (SELECT array_agg(DISTINCT a || b || c) FROM unnest('{orders,users,a,b,x,*}'::text[]) a, unnest('{"",:,:read,:write,:b,:*,::}'::text[]) b, unnest('{"",:x,:*,|users:read,|*}'::text[]) c);
BEGIN
	FOR k IN SELECT tenant, key FROM t50_key WHERE tenant <> 'gone' LOOP
		PERFORM apikey.authenticate(k.key, record => false);
		INSERT INTO t50_tried SELECT k.tenant, s, apikey.has_scope(s), apikey.is_allowed(k.key, scopes => ARRAY[s], record => false) FROM unnest(wanted) s;
	END LOOP;
END $$;
SELECT count(*) > 500 AS many, count(*) FILTER (WHERE has) > 20 AS some, count(*) FILTER (WHERE has IS DISTINCT FROM accepted) AS differ FROM t50_tried;
COMMIT;

-- nobody but these functions sets it
SET ROLE regress_t50_api;
SELECT 'tenant=1:t50b key=1 scopes=*' AS forged \gset
SET apikey.context = :'forged';
SET LOCAL apikey.context = :'forged';
SELECT set_config('apikey.context', :'forged', false);
SELECT set_config('apikey.context', :'forged', true);
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;
UPDATE pg_settings SET setting = :'forged' WHERE name = 'apikey.context';
SELECT count(*) AS seen FROM pg_settings WHERE name = 'apikey.context';
ALTER ROLE regress_t50_api SET apikey.context = :'forged';
CREATE FUNCTION pg_temp.forge() RETURNS text LANGUAGE sql SET apikey.context = 'tenant=1:t50b key=1 scopes=*' AS 'SELECT t50_who()';
RESET ROLE;
ALTER ROLE regress_t50_api SET apikey.context = :'forged';
ALTER DATABASE :DBNAME SET apikey.context = :'forged';
ALTER SYSTEM SET apikey.context = :'forged';
SET apikey.context = :'forged';
SET ROLE regress_t50_api;
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
SAVEPOINT s;
-- not even the value it has, for longer
SELECT set_config('apikey.context', current_setting('apikey.context'), false);
ROLLBACK TO s;
CREATE FUNCTION pg_temp.keep() RETURNS text LANGUAGE sql SET apikey.context FROM CURRENT AS 'SELECT t50_who()';
ROLLBACK TO s;
RESET ROLE;
ALTER ROLE regress_t50_api SET apikey.context FROM CURRENT;
ROLLBACK TO s;
SELECT t50_who();
COMMIT;
SET ROLE regress_t50_api;
SELECT t50_who();

-- everybody may clear it
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
RESET apikey.context;
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'akey');
SET apikey.context = '';
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'akey');
SET LOCAL apikey.context TO DEFAULT;
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'akey');
RESET ALL;
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'bkey');
SELECT t50_who();
COMMIT;
SELECT t50_who();
-- ... in each order with savepoints, and the session is left with none
BEGIN;
SET apikey.context = '';
SELECT code FROM apikey.authenticate(:'akey');
SAVEPOINT a;
SELECT code FROM apikey.authenticate(:'bkey');
RELEASE a;
SELECT t50_who();
SAVEPOINT b;
SET apikey.context = '';
SELECT code FROM apikey.authenticate(:'eukey');
RELEASE b;
SELECT t50_who();
COMMIT;
SELECT t50_who(), current_setting('apikey.context') AS shown;
DISCARD PLANS;
DISCARD ALL;
SELECT current_user = session_user AS reset;

-- savepoints
SET ROLE regress_t50_api;
BEGIN;
SAVEPOINT s0;
SELECT code FROM apikey.authenticate(:'akey');
SAVEPOINT s1;
SELECT code FROM apikey.authenticate(:'bkey');
SAVEPOINT s2;
SELECT code FROM apikey.authenticate(:'gonekey');
SELECT t50_who();
ROLLBACK TO s2;
SELECT t50_who();
SELECT 1 / 0;
ROLLBACK TO s1;
SELECT t50_who();
RELEASE s1;
SELECT t50_who();
ROLLBACK TO s0;
SELECT t50_who();
COMMIT;
-- blocks of PL/pgSQL
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
CREATE FUNCTION pg_temp.other(key text, fails boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	inside text;
BEGIN
	BEGIN
		PERFORM apikey.authenticate(key);
		inside := t50_who();
		IF fails THEN
			RAISE division_by_zero;
		END IF;
	EXCEPTION WHEN division_by_zero THEN
		RETURN inside || ', then ' || t50_who();
	END;
	RETURN inside || ', then ' || t50_who();
END $$;
SELECT pg_temp.other(:'bkey', true);
SELECT t50_who();
SELECT pg_temp.other(:'bkey', false);
SELECT t50_who();
COMMIT;
SELECT t50_who();
-- functions with SET: of other parameters it does not matter, of this one it ends with them
BEGIN;
CREATE FUNCTION pg_temp.enter(key text) RETURNS text LANGUAGE sql SET work_mem = '1MB' SET search_path = pg_catalog, public AS 'SELECT code FROM apikey.authenticate(key)';
SELECT pg_temp.enter(:'akey');
SELECT t50_who();
CREATE FUNCTION pg_temp.inside(key text) RETURNS text LANGUAGE plpgsql SET apikey.context = '' AS $$
BEGIN
	RETURN t50_who() || ', ' || (SELECT v.code FROM apikey.authenticate(key) v) || ', ' || t50_who();
END $$;
SELECT pg_temp.inside(:'bkey');
SELECT t50_who();
COMMIT;
-- what is put off to the commit still knows
RESET ROLE;
CREATE TABLE public.t50_deferred (n int);
CREATE FUNCTION public.t50_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE WARNING 'at commit: %', t50_who();
	RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON public.t50_deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.t50_at_commit();
GRANT INSERT ON public.t50_deferred TO PUBLIC;
SET ROLE regress_t50_api;
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
INSERT INTO t50_deferred VALUES (1);
COMMIT;
-- procedures that commit
RESET ROLE;
CREATE PROCEDURE public.t50_commits(key text, INOUT said text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM apikey.authenticate(key);
	said := t50_who();
	COMMIT;
	said := said || ', then ' || t50_who();
END $$;
SET ROLE regress_t50_api;
CALL t50_commits(:'akey', NULL);

-- cursors: a row is read as who the transaction is when it is read first
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
DECLARE early CURSOR FOR SELECT tenant FROM t50_order ORDER BY order_id;
FETCH early;
DECLARE late CURSOR FOR SELECT tenant FROM t50_order ORDER BY order_id;
SELECT code FROM apikey.authenticate(:'bkey');
FETCH early;
FETCH late;
SELECT code FROM apikey.authenticate(:'gonekey');
FETCH early;
FETCH late;
DECLARE nobody CURSOR FOR SELECT tenant FROM t50_order ORDER BY order_id;
FETCH nobody;
SELECT code FROM apikey.authenticate(:'bkey');
FETCH nobody;
DECLARE kept CURSOR WITH HOLD FOR SELECT DISTINCT tenant FROM t50_order;
COMMIT;
FETCH early;
-- rows that were taken out of the transaction stay outside
FETCH ALL kept;
CLOSE kept;
SELECT t50_who();

-- a plan that is kept goes by who the transaction is when it runs
SET plan_cache_mode = force_generic_plan;
PREPARE t50_mine AS SELECT string_agg(DISTINCT tenant, '+') AS mine, count(*) FROM t50_order;
PREPARE t50_scope AS SELECT count(*) FROM t50_key WHERE (SELECT apikey.has_scope('orders:read'));
PREPARE t50_verify(text) AS SELECT code FROM apikey.authenticate($1);
EXECUTE t50_mine;
BEGIN;
EXECUTE t50_verify(:'akey');
EXECUTE t50_mine;
EXECUTE t50_scope;
EXECUTE t50_verify(:'bkey');
EXECUTE t50_mine;
EXECUTE t50_verify(:'nonekey');
EXECUTE t50_mine;
EXECUTE t50_scope;
COMMIT;
EXECUTE t50_mine;
EXECUTE t50_scope;
SELECT generic_plans > 0 AS generic, custom_plans FROM pg_prepared_statements WHERE name = 't50_mine';
RESET plan_cache_mode;
DEALLOCATE ALL;
-- the same inside a function that keeps its plans
RESET ROLE;
CREATE FUNCTION public.t50_plan() RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN (SELECT string_agg(DISTINCT tenant, '+') FROM t50_order); END $$;
SET ROLE regress_t50_api;
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
SELECT t50_plan() FROM generate_series(1, 7) LIMIT 1;
SELECT code FROM apikey.authenticate(:'bkey');
SELECT t50_plan() FROM generate_series(1, 7) LIMIT 1;
COMMIT;
SELECT t50_plan();

-- one evaluation per statement, and the index
SELECT t50_explain('SELECT * FROM t50_order WHERE order_id > 7');
SET enable_bitmapscan = off;
SET enable_seqscan = off;
SELECT t50_explain('SELECT count(*) FROM t50_order');
RESET enable_seqscan;
RESET enable_bitmapscan;
SELECT t50_explain($$SELECT 1 FROM t50_key WHERE (SELECT apikey.has_scope('orders:read'))$$);

-- parallel workers: each tells what the leader would
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 3;
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
BEGIN;
SELECT code FROM apikey.authenticate(:'eukey');
SELECT t50_explain($$SELECT count(*) FROM t50_order WHERE apikey.current_tenant() || '/' LIKE tenant || '/%' AND apikey.current_key_id() > 0 AND apikey.has_scope('orders:read')$$);
SET LOCAL parallel_leader_participation = off;
SELECT count(*), min(tenant), max(tenant) FROM t50_order WHERE apikey.current_tenant() || '/' LIKE tenant || '/%' AND apikey.current_key_id() = :eukey_id AND apikey.has_scope('orders:read');
SELECT code FROM apikey.authenticate(:'bkey');
SELECT count(*), min(tenant), max(tenant) FROM t50_order WHERE apikey.current_tenant() = tenant AND apikey.current_key_id() = :bkey_id AND apikey.current_scopes() = '{orders:read}';
COMMIT;
SET parallel_leader_participation = off;
SELECT count(*) FROM t50_order WHERE apikey.current_tenant() IS NOT NULL OR apikey.current_key_id() IS NOT NULL OR apikey.has_scope('orders:read');
RESET parallel_leader_participation;
RESET max_parallel_workers_per_gather;
-- in a parallel operation nobody is set
BEGIN;
SET LOCAL :parallel_mode = on;
RESET ROLE;
CREATE FUNCTION public.t50_in_parallel(key text) RETURNS text LANGUAGE sql PARALLEL SAFE AS 'SELECT code FROM apikey.authenticate(key)';
CREATE FUNCTION public.t50_set_in_parallel(tenant text) RETURNS void LANGUAGE plpgsql PARALLEL SAFE AS 'BEGIN PERFORM apikey.set_tenant(tenant); END';
SAVEPOINT s;
SELECT t50_in_parallel(:'akey') FROM t50_order LIMIT 1;
ROLLBACK TO s;
SELECT t50_set_in_parallel('t50a') FROM t50_order LIMIT 1;
ROLLBACK;
RESET ALL;
SET client_min_messages = warning;

-- who calls: SET LOCAL ROLE after authenticate, and a role that is no member
RESET ROLE;
GRANT EXECUTE ON FUNCTION apikey.current_tenant() TO regress_t50_stranger;
SET ROLE regress_t50_stranger;
SELECT count(*) FROM t50_order;
SELECT t50_try($$SELECT apikey.authenticate('x')$$);
RESET ROLE;
CREATE FUNCTION public.t50_pre_request(key text) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT code FROM apikey.authenticate(key)';
ALTER FUNCTION public.t50_pre_request(text) OWNER TO regress_t50_api;
BEGIN;
SET LOCAL ROLE regress_t50_stranger;
SELECT t50_pre_request(:'eukey');
SELECT count(*), min(tenant), max(tenant) FROM t50_order;
INSERT INTO t50_order VALUES (0, 't50a/eu');
SAVEPOINT s;
INSERT INTO t50_order VALUES (-1, 't50a');
ROLLBACK TO s;
SET LOCAL ROLE regress_t50_api;
SELECT t50_who();
ROLLBACK;
-- whoever may not verify for the key's tenant authenticates nobody
SET ROLE regress_t50_child;
BEGIN;
SELECT code FROM apikey.authenticate(:'eukey');
SELECT code FROM apikey.authenticate(:'akey');
SELECT t50_who();
COMMIT;
RESET ROLE;

-- PREPARE TRANSACTION: the session is nobody after it, and what commits later knows nothing
SELECT current_setting('max_prepared_transactions')::int > 0 AS prepared_on \gset
BEGIN;
SELECT code FROM apikey.authenticate(:'akey');
INSERT INTO t50_order VALUES (-7, 'prepared');
\if :prepared_on
PREPARE TRANSACTION 't50';
\else
ROLLBACK;
\endif
SELECT t50_who() ~ '^- - -' AS nobody, current_setting('apikey.context') AS shown;
\if :prepared_on
ROLLBACK PREPARED 't50';
\endif

-- set_tenant: everything here becomes what the tenant and those below it have
SET ROLE regress_t50_admin;
CREATE FUNCTION pg_temp.t50_all() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', (SELECT string_agg(apikey.tenant_path(tenant_id), '+' ORDER BY tenant_id) FROM apikey.tenant WHERE apikey.tenant_path(tenant_id) ~ '^t50'),
		(SELECT count(*) FROM apikey.api_key k JOIN t50_key USING (key_id)), (SELECT count(*) FROM apikey.member WHERE role_name ~ 'regress_t50'), (SELECT count(DISTINCT tenant_id) FROM apikey.usage JOIN t50_key USING (key_id)),
		apikey.sees_all('metadata'), (SELECT string_agg(v.code, ',' ORDER BY k.key_id) FROM t50_key k, apikey.verify(k.key) v WHERE k.tenant ~ '^t50')) $$;
BEGIN;
SELECT apikey.flush_usage('180 s');
SELECT pg_temp.t50_all();
SELECT apikey.set_tenant('t50a/eu');
SELECT pg_temp.t50_all(), apikey.current_tenant(), apikey.current_key_id(), apikey.current_scopes(), apikey.has_scope('*');
SELECT cardinality(apikey.my_tenants('admin'));
SELECT regexp_replace(current_setting('apikey.context'), '\d+(?!\d*a)', 'N', 'g') AS shown;
-- switching goes by the memberships
SELECT apikey.set_tenant('t50b');
SELECT pg_temp.t50_all();
SELECT apikey.set_tenant('t50a');
SELECT pg_temp.t50_all();
SELECT t50_who();
-- what is of others is not there
SELECT t50_try(format('SELECT status FROM apikey.suspend_key(%s, $$x$$)', :bkey_id)), t50_try(format('SELECT status FROM apikey.revoke_key(%s, $$x$$)', :bkey_id));
SELECT t50_try($$SELECT apikey.create_tenant('t50c')$$), t50_try($$SELECT apikey.create_tenant('new', 't50b')$$);
SELECT t50_try($$SELECT apikey.grant_access('regress_t50_stranger', 'admin')$$), t50_try($$SELECT apikey.block_ip('198.18.50.0/24')$$);
SELECT t50_try($$SELECT count(*) FROM apikey.list_keys('t50b')$$), t50_try($$SELECT apikey.drop_old_partitions()$$);
SELECT apikey.log_usage(:bkey_id), apikey.log_usage(:akey_id);
SELECT apikey.tenant_path(:b_id) IS NULL AS hidden, apikey.tenant_path(:a_id);
SAVEPOINT s;
-- and those of its own are
SELECT apikey.create_tenant('new', 't50a') > 0 AS created;
SELECT status FROM apikey.suspend_key(:eukey_id, 'x');
ROLLBACK TO s;
-- authenticate within it; it stays when the identity goes
SELECT code FROM apikey.authenticate(:'bkey');
SELECT t50_who();
SELECT code FROM apikey.authenticate(:'eukey');
SELECT t50_who();
SELECT regexp_replace(current_setting('apikey.context'), '=\d+', '=N', 'g') AS shown;
SELECT code FROM apikey.authenticate(:'gonekey');
SELECT t50_who(), regexp_replace(current_setting('apikey.context'), '=\d+', '=N', 'g') AS shown;
SELECT count(*) FROM apikey.api_key WHERE key_id = :bkey_id;
-- the key goes when the tenant is said anew
SELECT code FROM apikey.authenticate(:'eukey');
SELECT apikey.set_tenant('t50a/us');
SELECT t50_who(), apikey.current_key_id() IS NULL AS no_key;
SELECT code FROM apikey.authenticate(:'eukey');
-- savepoints bring back what was
SAVEPOINT narrow;
SELECT apikey.set_tenant('t50b');
ROLLBACK TO narrow;
SELECT pg_temp.t50_all();
-- a tenant made in this transaction
SELECT apikey.set_tenant('t50a');
SELECT apikey.create_tenant('fresh', 't50a') > 0 AS created;
SELECT apikey.set_tenant('t50a/fresh');
SELECT t50_who(), cardinality(apikey.my_tenants('any'));
RESET apikey.context;
SELECT apikey.sees_all('metadata');
ROLLBACK;
SELECT pg_temp.t50_all();
-- kept answers of who may verify do not know of it, nor keep it
BEGIN;
SELECT code FROM apikey.verify(:'akey');
SELECT apikey.set_tenant('t50b');
SELECT code FROM apikey.verify(:'akey');
SELECT code FROM apikey.verify(:'bkey');
COMMIT;
SELECT code FROM apikey.verify(:'akey');
BEGIN;
SELECT apikey.set_tenant('t50b');
SELECT code FROM apikey.verify(:'eukey');
COMMIT;
SELECT code FROM apikey.verify(:'eukey');
-- policies of our tables under a plan that is kept, and in workers
SET plan_cache_mode = force_generic_plan;
PREPARE t50_tenants AS SELECT string_agg(name, '+' ORDER BY tenant_id) FROM apikey.tenant WHERE name ~ '^t50';
EXECUTE t50_tenants;
BEGIN;
SELECT apikey.set_tenant('t50b');
EXECUTE t50_tenants;
SELECT apikey.set_tenant('t50a');
EXECUTE t50_tenants;
SET LOCAL :parallel_mode = on;
SET LOCAL parallel_leader_participation = off;
SELECT string_agg(name, '+' ORDER BY tenant_id) FROM apikey.tenant WHERE name ~ '^t50';
COMMIT;
EXECUTE t50_tenants;
DEALLOCATE ALL;
RESET plan_cache_mode;

-- what a role has no access to does not exist
SET ROLE regress_t50_child;
BEGIN;
SELECT apikey.set_tenant('t50a/eu/x');
SELECT pg_temp.t50_all();
SELECT apikey.set_tenant('t50a/eu');
SELECT cardinality(apikey.my_tenants('any'));
COMMIT;
SELECT apikey.set_tenant('t50a');
SELECT apikey.set_tenant('t50b');
SELECT apikey.set_tenant('t50z');
SELECT apikey.set_tenant('');
SELECT apikey.set_tenant('/');
SELECT apikey.set_tenant('t50a/');
SELECT apikey.set_tenant('t50a//eu');
SELECT apikey.set_tenant('t50a/eu/');
SELECT apikey.set_tenant(NULL);
SELECT apikey.set_tenant(:'akey');
SELECT apikey.set_tenant(E'line\nbreak\x7f');
SELECT apikey.set_tenant(repeat('ä', 300));
SELECT apikey.set_tenant(repeat('a/', 5000));
SET ROLE regress_t50_api;
BEGIN;
SELECT apikey.set_tenant('t50a/eu');
SELECT t50_who();
SELECT string_agg(v.code, ',' ORDER BY k.key_id) FROM t50_key k, apikey.verify(k.key) v WHERE k.tenant ~ '^t50';
COMMIT;
SET ROLE regress_t50_stranger;
SELECT t50_try($$SELECT apikey.set_tenant('t50a')$$);
-- a superuser's functions are narrowed, row security does not bind him
RESET ROLE;
BEGIN;
SELECT apikey.set_tenant('t50b');
SELECT count(*) > 5 AS all_rows, apikey.sees_all('any'), cardinality(apikey.my_tenants('any')) FROM apikey.tenant;
SELECT code FROM apikey.verify(:'akey');
SELECT t50_try(format('SELECT status FROM apikey.suspend_key(%s, $$x$$)', :akey_id));
ROLLBACK;
-- a member of a tenant below and of another: what is left of each
SELECT apikey.grant_access('regress_t50_child', 'auditor', 't50b');
SET ROLE regress_t50_child;
SELECT cardinality(apikey.my_tenants('metadata'));
BEGIN;
SELECT apikey.set_tenant('t50b');
SELECT cardinality(apikey.my_tenants('metadata')), cardinality(apikey.my_tenants('admin'));
SELECT apikey.set_tenant('t50a/eu');
SELECT cardinality(apikey.my_tenants('metadata')), cardinality(apikey.my_tenants('admin'));
COMMIT;
RESET ROLE;
-- a tenant that is gone leaves nothing
BEGIN;
SELECT apikey.create_tenant('t50gone') AS gone_id \gset
SELECT apikey.set_tenant('t50gone');
DELETE FROM apikey.tenant WHERE tenant_id = :gone_id;
SELECT apikey.my_tenants('any') = ARRAY[:gone_id::bigint] AS only_itself, apikey.sees_all('any');
SELECT code FROM apikey.verify(:'akey');
ROLLBACK;

-- A path may come to be another tenant's, an id does not.
SELECT apikey.create_tenant('corp', 't50a') > 0 AND apikey.create_tenant('globex', 't50b') > 0 AS tenants;
SELECT apikey.create_tenant('one', 't50a/corp') AS one_id \gset
SELECT apikey.create_tenant('below', 't50a/corp/one') AS below_id \gset
SELECT bool_and(apikey.create_environment(t, 'p') > 0) AS environments FROM unnest('{t50a/corp/one,t50a/corp/one/below}'::text[]) t;
SELECT key AS onekey FROM apikey.create_key('t50a/corp/one', 'p') \gset
SELECT key AS belowkey FROM apikey.create_key('t50a/corp/one/below', 'p') \gset
CREATE TABLE public.t50_row (tenant_id bigint DEFAULT apikey.current_tenant_id(), tenant text DEFAULT apikey.current_tenant(), item text NOT NULL);
CREATE INDEX ON public.t50_row (tenant_id);
GRANT SELECT, INSERT ON public.t50_row TO regress_t50_api;
ALTER TABLE public.t50_row ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON public.t50_row USING (tenant_id = (SELECT apikey.current_tenant_id()));
SET ROLE regress_t50_api;
SELECT apikey.current_tenant_id() IS NULL AS nobody;
BEGIN;
SELECT code FROM apikey.authenticate(:'onekey');
INSERT INTO t50_row (item) VALUES ('of the first') RETURNING tenant_id = :one_id AS id, tenant, item;
SELECT code FROM apikey.authenticate(:'belowkey');
INSERT INTO t50_row (item) VALUES ('of one below') RETURNING tenant_id = :below_id AS id, tenant, item;
SAVEPOINT s;
INSERT INTO t50_row (tenant_id, item) VALUES (:one_id, 'of another');
ROLLBACK TO s;
SELECT code FROM apikey.authenticate('nonsense');
SELECT apikey.current_tenant_id() IS NULL AS nobody;
INSERT INTO t50_row (item) VALUES ('of nobody');
ROLLBACK TO s;
SELECT apikey.set_tenant('t50a/corp/one');
SELECT apikey.current_tenant_id() = :one_id AS set, item FROM t50_row;
RESET apikey.context;
SELECT apikey.current_tenant_id() IS NULL AS nobody;
COMMIT;
RESET ROLE;
SELECT tenant FROM apikey.move_tenant('t50a/corp/one', 't50b/globex');
SELECT apikey.create_tenant('one', 't50a/corp') AS newcomer_id \gset
SELECT apikey.create_environment('t50a/corp/one', 'p') > 0 AS environment;
SELECT key AS newcomerkey FROM apikey.create_key('t50a/corp/one', 'p') \gset
SET ROLE regress_t50_api;
BEGIN;
SELECT code, tenant FROM apikey.authenticate(:'onekey');
SELECT apikey.current_tenant_id() = :one_id AS same, item FROM t50_row;
SELECT code, tenant FROM apikey.authenticate(:'belowkey');
SELECT apikey.current_tenant_id() = :below_id AS same, item FROM t50_row;
SELECT code, tenant FROM apikey.authenticate(:'newcomerkey');
SELECT apikey.current_tenant_id() = :newcomer_id AS own, count(*) FROM t50_row;
SELECT apikey.set_tenant('t50a/corp/one');
SELECT apikey.current_tenant_id() = :newcomer_id AS own, count(*) FROM t50_row;
SELECT apikey.set_tenant('t50b/globex/one');
SELECT apikey.current_tenant_id() = :one_id AS same, item FROM t50_row;
COMMIT;
-- the path does: what the reference warns of
RESET ROLE;
ALTER POLICY own ON public.t50_row USING (tenant = (SELECT apikey.current_tenant()));
SET ROLE regress_t50_api;
BEGIN;
SELECT code FROM apikey.authenticate(:'onekey');
SELECT count(*) FROM t50_row;
SELECT code FROM apikey.authenticate(:'newcomerkey');
SELECT item FROM t50_row;
COMMIT;
-- one call for each statement, and the index; a parallel worker tells what the leader would
RESET ROLE;
ALTER POLICY own ON public.t50_row USING (tenant_id = (SELECT apikey.current_tenant_id()));
SET ROLE regress_t50_api;
SET enable_bitmapscan = off;
SET enable_seqscan = off;
SELECT t50_explain('SELECT count(*) FROM t50_row');
RESET enable_seqscan;
SET :parallel_mode = on;
BEGIN;
SELECT code FROM apikey.authenticate(:'onekey');
SELECT t50_explain('SELECT apikey.current_tenant_id()');
SELECT apikey.current_tenant_id() = :one_id AS same;
COMMIT;
SELECT apikey.current_tenant_id() IS NULL AS nobody;
RESET ROLE;
DROP TABLE public.t50_row;

DISCARD ALL;
DROP PROCEDURE public.t50_commits;
DROP FUNCTION public.t50_who(), public.t50_plan(), public.t50_pre_request(text), public.t50_try(text), public.t50_explain(text);
DROP TABLE public.t50_order, public.t50_key, public.t50_deferred;
DROP FUNCTION public.t50_at_commit();
SELECT apikey.revoke_access('regress_t50_api', 'verifier'), apikey.revoke_access('regress_t50_admin', 'admin'), apikey.revoke_access('regress_t50_child', 'admin', 't50a/eu'), apikey.revoke_access('regress_t50_child', 'auditor', 't50b');
REVOKE ALL ON FUNCTION apikey.current_tenant() FROM regress_t50_stranger;
DROP ROLE regress_t50_api, regress_t50_admin, regress_t50_child, regress_t50_stranger;
