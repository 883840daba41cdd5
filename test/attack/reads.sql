Ways to read what belongs to others.  The first line of each names it, says
what must come of it, and who tries (all seven roles if nothing is said):

  clean          no error, or a refusal (42501)
  denied STATES  refused with one of the SQLSTATEs, 42501 if none is named
  empty          no error and not a row
  own TEXT       no error, and the text is in the answer: the way is a real one
  known          tells sizes of the whole table or what was looked at; a text never

<name> is an object of B, <own_name> one of A.  Whatever comes out, nothing of
others may be in it.

--- whole rows of keys | clean
SELECT k FROM apikey.api_key k;
--- own keys are there | own plain | auditor,operator,admin,above
SELECT name FROM apikey.api_key ORDER BY key_id;
--- own usage is there | own own/x | analyst,auditor,operator,admin,above
SELECT replace(endpoint, '/own', 'own/x') FROM apikey.usage ORDER BY at;
--- own audit is there | own key.create | auditor,admin,above
SELECT action FROM apikey.audit_log;
--- own members are there | own regress_atk_verifier | auditor,admin,above
SELECT role_name FROM apikey.member;
--- every column of every table | clean
SELECT * FROM apikey.tenant; SELECT * FROM apikey.environment; SELECT * FROM apikey.policy; SELECT * FROM apikey.policy_version;
SELECT * FROM apikey.role; SELECT * FROM apikey.api_key; SELECT * FROM apikey.key_role; SELECT * FROM apikey.key_activity;
SELECT * FROM apikey.quota_state; SELECT * FROM apikey.limit_state; SELECT * FROM apikey.limit_ledger; SELECT * FROM apikey.key_request;
SELECT * FROM apikey.price; SELECT * FROM apikey.budget; SELECT * FROM apikey.budget_status; SELECT * FROM apikey.cost_report();
SELECT * FROM apikey.ip_block; SELECT * FROM apikey.event; SELECT * FROM apikey.audit_log; SELECT * FROM apikey.member; SELECT * FROM apikey.usage;
SELECT * FROM apikey.key; SELECT * FROM apikey.stat_usage; SELECT * FROM apikey.stat_worker; SELECT * FROM apikey.stat_cache; SELECT * FROM apikey.stat_guard; SELECT * FROM apikey.stat_limits;
--- secrets | denied
SELECT * FROM apikey.key_secret;
--- one column of the secrets | denied
SELECT hint FROM apikey.key_secret;
--- whether there are secrets | denied
SELECT count(*) FROM apikey.key_secret;
--- the data keys | denied
SELECT * FROM apikey.keyring;
--- second factors | denied
SELECT * FROM apikey.member_totp;
--- whether there are second factors | denied
SELECT count(*) FROM apikey.member_totp;
--- who asked for keys | clean
SELECT r.*, k.name FROM apikey.key_request r LEFT JOIN apikey.api_key k USING (key_id);
--- who asked for keys, by id | empty | auditor,operator,admin,above
SELECT * FROM apikey.key_request WHERE key_id = <asked> OR tenant_id = <tid>;
--- own requests are there | own own reason | auditor,operator,admin,above
SELECT reason FROM apikey.key_request;
--- state of the tasks | denied
TABLE apikey.task_state;
--- where tenants were | denied
TABLE apikey.tenant_past;
--- a leaf of usage | clean
SELECT * FROM <leaf>;
--- a leaf, without its parent's rows | clean
SELECT * FROM ONLY <leaf>;
--- a leaf by whole row | clean
SELECT u FROM <leaf> u;
--- the parent only | clean
SELECT * FROM ONLY apikey.usage;
--- tenants by id | clean
SELECT * FROM apikey.tenant WHERE tenant_id = <tid>;
--- a key by id | empty | auditor,operator,admin,above
SELECT * FROM apikey.api_key WHERE key_id = <key>;
--- a key by id, in the view | empty | auditor,operator,admin,above
SELECT * FROM apikey.key WHERE key_id = <key>;
--- a key by many ids | empty | auditor,operator,admin,above
SELECT * FROM apikey.api_key WHERE key_id = ANY (ARRAY[<key>, <gone>]);
--- a key by a range of ids | empty | auditor,operator,admin,above
SELECT name FROM apikey.api_key WHERE key_id BETWEEN 7770000000 AND 7779999999;
--- usage by tenant | empty | analyst,auditor,operator,admin,above
SELECT * FROM apikey.usage WHERE tenant_id = <tid>;
--- usage of nobody's keys | empty | analyst,auditor,operator,admin,above
SELECT * FROM apikey.usage WHERE tenant_id IS NULL;
--- audit rows of no tenant | empty | auditor,admin,above
SELECT * FROM apikey.audit_log WHERE tenant_id IS NULL;
--- events of no tenant | empty | auditor,operator,admin,above
SELECT * FROM apikey.event WHERE tenant_id IS NULL;
--- blocks for all tenants | empty | auditor,operator,admin,above
SELECT * FROM apikey.ip_block WHERE tenant_id IS NULL;
--- members of all tenants | empty | auditor,admin,above
SELECT * FROM apikey.member WHERE tenant_id IS NULL OR role_name = 'regress_atk_rival';
--- by place | clean
SELECT ctid, k.* FROM apikey.api_key k WHERE ctid = '(0,1)' OR ctid = '(0,2)' OR ctid = '(0,3)' OR ctid = '(0,4)' OR ctid = '(0,5)';
--- by range of places | clean
SELECT ctid, xmin, tableoid, name FROM apikey.api_key WHERE ctid >= '(0,0)' AND ctid < '(9,0)';
--- by sample | clean
SELECT * FROM apikey.api_key TABLESAMPLE SYSTEM (100);
--- by sample of rows | clean
SELECT * FROM apikey.usage TABLESAMPLE BERNOULLI (100);
--- lower and upper bound | clean
SELECT min(name), max(name), min(owner), max(owner), min(key_id), max(created_by) FROM apikey.api_key;
--- aggregates of all | clean
SELECT string_agg(k::text, ' '), array_agg(name), json_agg(k), jsonb_object_agg(key_id, name) FROM apikey.api_key k;
--- window functions | clean
SELECT lag(name) OVER (ORDER BY key_id), lead(name) OVER (ORDER BY key_id), first_value(name) OVER w, last_value(name) OVER w FROM apikey.api_key WINDOW w AS (ORDER BY key_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING);
--- grouping sets | clean
SELECT tenant_id, owner, count(*), min(name) FROM apikey.api_key GROUP BY CUBE (tenant_id, owner);
--- joined with itself | clean
SELECT a.name, b.name FROM apikey.api_key a FULL JOIN apikey.api_key b ON a.key_id <> b.key_id AND false;
--- joined along foreign keys | clean
SELECT t.name, e.name, k.name, p.name, v.*, r.* FROM apikey.tenant t LEFT JOIN apikey.environment e USING (tenant_id) LEFT JOIN apikey.api_key k USING (environment_id) LEFT JOIN apikey.policy p ON p.policy_id = k.policy_id LEFT JOIN apikey.policy_version v ON v.policy_id = p.policy_id LEFT JOIN apikey.role r ON r.tenant_id = t.tenant_id;
--- anti join | clean
SELECT * FROM apikey.event e WHERE NOT EXISTS (SELECT FROM apikey.api_key k WHERE k.key_id = e.key_id);
--- lateral | clean
SELECT x.* FROM generate_series(<key>, <key> + 9) i, LATERAL (SELECT * FROM apikey.api_key k WHERE k.key_id = i) x;
--- recursive from the root down | clean
WITH RECURSIVE t AS (SELECT * FROM apikey.tenant WHERE parent_id IS NULL UNION ALL SELECT c.* FROM t JOIN apikey.tenant c ON c.parent_id = t.tenant_id) SELECT * FROM t;
--- recursive up to the root | clean
WITH RECURSIVE t AS (SELECT * FROM apikey.tenant UNION SELECT c.* FROM t JOIN apikey.tenant c ON c.tenant_id = t.parent_id) SELECT * FROM t;
--- materialized, inlined, modified | clean
WITH a AS MATERIALIZED (SELECT * FROM apikey.api_key), b AS NOT MATERIALIZED (SELECT * FROM apikey.api_key) SELECT * FROM a UNION ALL SELECT * FROM b;
--- set operations | clean
SELECT name FROM apikey.tenant UNION SELECT name FROM apikey.api_key EXCEPT SELECT name FROM apikey.role;
--- a scalar subquery | clean
SELECT (SELECT name FROM apikey.api_key ORDER BY key_id DESC LIMIT 1);
--- a subquery in VALUES | clean
VALUES ((SELECT string_agg(name, ' ') FROM apikey.api_key));
--- an array of rows | clean
SELECT ARRAY(SELECT k FROM apikey.api_key k);
--- a subquery with OFFSET 0 | clean
SELECT name FROM (SELECT * FROM apikey.api_key OFFSET 0) k;
--- as JSON | clean
SELECT row_to_json(k) FROM apikey.api_key k;
--- as XML | clean
SELECT query_to_xml('SELECT * FROM apikey.api_key', true, true, '');
--- a table as XML | clean
SELECT table_to_xml('apikey.tenant', true, true, '');
--- the schema as XML | clean
SELECT schema_to_xml('apikey', true, true, '');
--- the database as XML | clean
SELECT database_to_xml(true, true, '');
--- a cursor as XML | clean
BEGIN; DECLARE c CURSOR FOR SELECT * FROM apikey.api_key; SELECT cursor_to_xml('c', 100, true, true, ''); COMMIT;
--- full text statistics | clean 22023
SELECT * FROM ts_stat('SELECT to_tsvector(name) FROM apikey.api_key');
--- a query as text search rewriting | clean
SELECT ts_rewrite('a & b'::tsquery, 'SELECT to_tsquery(''a''), to_tsquery(split_part(name, '' '', 1)) FROM apikey.role');
--- COPY of a table | clean 0A000
COPY apikey.api_key TO STDOUT;
--- COPY of usage | clean 42809,0A000
COPY apikey.usage TO STDOUT;
--- COPY of a leaf | clean
COPY <leaf> TO STDOUT;
--- COPY of a query | clean
COPY (SELECT * FROM apikey.api_key) TO STDOUT (FORMAT csv, HEADER);
--- COPY of a view | clean 42809
COPY apikey.key TO STDOUT;
--- COPY of secrets | denied
COPY apikey.key_secret TO STDOUT;
--- COPY to a file | denied
COPY (SELECT 1) TO '/tmp/regress_atk';
--- COPY to a program | denied
COPY (SELECT 1) TO PROGRAM 'cat';
--- COPY into a table | denied 42501,0A000
COPY apikey.api_key FROM STDIN;
\.
--- \copy | clean
\copy (SELECT * FROM apikey.api_key) TO STDOUT
--- a cursor | clean
BEGIN; DECLARE c SCROLL CURSOR FOR SELECT * FROM apikey.api_key; FETCH ALL c; FETCH BACKWARD ALL c; FETCH ABSOLUTE 3 c; COMMIT;
--- a cursor that is held | clean
BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT * FROM apikey.api_key; COMMIT; FETCH ALL c;
--- a cursor over a leaf | clean
BEGIN; DECLARE c BINARY CURSOR FOR SELECT * FROM <leaf>; FETCH ALL c; COMMIT;
--- a prepared statement | clean
PREPARE p AS SELECT * FROM apikey.api_key; EXECUTE p; EXECUTE p;
--- a generic plan | clean
SET plan_cache_mode = force_generic_plan; PREPARE p (bigint) AS SELECT * FROM apikey.api_key WHERE key_id >= $1; EXECUTE p (1); EXECUTE p (<key>);
--- a custom plan | clean
SET plan_cache_mode = force_custom_plan; PREPARE p (text) AS SELECT * FROM apikey.api_key WHERE name >= $1; EXECUTE p ('');
--- CREATE TABLE AS | clean
CREATE TEMP TABLE x AS SELECT * FROM apikey.api_key; SELECT * FROM x;
--- SELECT INTO | clean
SELECT * INTO TEMP x FROM apikey.audit_log; SELECT * FROM x;
--- a materialized view | clean
CREATE MATERIALIZED VIEW public.mine AS SELECT * FROM apikey.api_key; SELECT * FROM public.mine; DROP MATERIALIZED VIEW public.mine;
--- a view of one's own | clean
CREATE VIEW public.mine AS SELECT * FROM apikey.api_key; SELECT * FROM public.mine; DROP VIEW public.mine;
--- a view of one's own, security_invoker | clean
CREATE VIEW public.mine WITH (security_invoker = true) AS SELECT * FROM apikey.usage; SELECT * FROM public.mine; DROP VIEW public.mine;
--- a recursive view | clean
CREATE RECURSIVE VIEW public.mine (a) AS SELECT name FROM apikey.api_key UNION SELECT a FROM mine WHERE false; SELECT * FROM public.mine; DROP VIEW public.mine;
--- a function of one's own | clean
CREATE FUNCTION pg_temp.f() RETURNS SETOF apikey.api_key LANGUAGE sql AS 'SELECT * FROM apikey.api_key'; SELECT * FROM pg_temp.f();
--- a definer function of one's own | clean
CREATE FUNCTION pg_temp.f() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER AS 'SELECT k::text FROM apikey.api_key k'; SELECT pg_temp.f();
--- an immutable function of one's own | clean
CREATE FUNCTION pg_temp.f() RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT string_agg(name, '' '') FROM apikey.api_key); END'; SELECT pg_temp.f();
--- dynamic SQL | clean
DO $$ DECLARE r record; BEGIN FOR r IN EXECUTE 'SELECT * FROM apikey.api_key' LOOP RAISE NOTICE '%', r; END LOOP; END $$;
--- a parallel query | clean
SET force_parallel_mode = on; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SELECT count(*), min(name) FROM apikey.api_key; SELECT * FROM apikey.usage;
--- a parallel query over leaves | clean
SET force_parallel_mode = on; SET enable_parallel_append = on; SET parallel_setup_cost = 0; SELECT tenant_id, count(*) FROM apikey.usage GROUP BY 1;
--- index scans only | clean
SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT key_id FROM apikey.api_key WHERE key_id > 0; SELECT tenant_id, owner FROM apikey.api_key WHERE tenant_id > 0;
--- bitmap scans only | clean
SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off; SELECT * FROM apikey.api_key WHERE key_id > 0;
--- sequential scans only | clean
SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT * FROM apikey.api_key WHERE key_id > 0;

--- a leaky function in WHERE | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.api_key WHERE pg_temp.leak(name);
--- a leaky function over usage | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.usage WHERE pg_temp.leak(user_agent);
--- a leaky function over a leaf | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM <leaf> WHERE pg_temp.leak(user_agent);
--- a leaky function over the view | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.key WHERE pg_temp.leak(name);
--- a leaky function over whole rows | clean
CREATE FUNCTION pg_temp.leak(t anyelement) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.tenant t WHERE pg_temp.leak(t);
--- a leaky function in a join | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.api_key a JOIN apikey.tenant t ON pg_temp.leak(a.name) AND pg_temp.leak(t.name);
--- a leaky function in CASE, COALESCE, ORDER BY, HAVING | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT owner FROM apikey.api_key WHERE CASE WHEN pg_temp.leak(name) THEN true END GROUP BY owner, name HAVING pg_temp.leak(name) ORDER BY pg_temp.leak(name);
--- a leaky function of an outer row | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT * FROM (VALUES (1)) v WHERE EXISTS (SELECT FROM apikey.api_key WHERE pg_temp.leak(name));
--- a leaky operator | clean
CREATE FUNCTION pg_temp.leak(a text, b text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', a; RETURN true; END $$;
CREATE OPERATOR pg_temp.=== (PROCEDURE = pg_temp.leak, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel, JOIN = eqjoinsel);
SELECT count(*) FROM apikey.api_key WHERE name OPERATOR(pg_temp.===) 'x';
--- a leaky operator that shadows the one of the policies | clean
CREATE FUNCTION pg_temp.leak(a bigint, b bigint) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', a; RETURN true; END $$;
CREATE OPERATOR public.= (PROCEDURE = pg_temp.leak, LEFTARG = bigint, RIGHTARG = bigint);
SET search_path = public, pg_catalog; SELECT name FROM apikey.api_key WHERE key_id = key_id; SELECT name FROM apikey.tenant;
DROP OPERATOR public.= (bigint, bigint);
--- a leaky function that claims to be leakproof | denied
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean LEAKPROOF LANGUAGE sql AS 'SELECT true';
--- the shadow of an apikey function | clean 42P01
CREATE FUNCTION public.my_tenants(text) RETURNS bigint[] LANGUAGE sql AS $$ SELECT ARRAY[<tid>] $$; CREATE FUNCTION public.sees_all(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
SET search_path = public, apikey, pg_catalog; SELECT * FROM api_key; SELECT * FROM tenant;
DROP FUNCTION public.my_tenants(text), public.sees_all(text);
--- division by zero, only for a row of B | clean
SELECT count(*) FROM apikey.api_key WHERE 1 / (key_id - <key>) > 0;
--- division by zero in a join | clean
SELECT count(*) FROM apikey.tenant t JOIN apikey.api_key k ON 1 / (k.key_id - <key>) > 0;
--- division by zero over usage | clean
SELECT count(*) FROM apikey.usage WHERE 1 / (tenant_id - <tid>) > 0;
--- a cast that fails for a row of B | clean
SELECT count(*) FROM apikey.api_key WHERE name LIKE 'C_NARYB%' AND name::int = 1;
--- a regular expression that fails for a row of B | clean
SELECT count(*) FROM apikey.api_key WHERE owner LIKE 'C_NARYB%' AND 'x' ~ ('[' || owner);
--- a JSON path that fails for a row of B | clean
SELECT count(*) FROM apikey.tenant WHERE settings -> 'secret' IS NOT NULL AND (settings ->> 'secret') ~ '^C.N.RYB' AND (settings ->> 'secret')::int > 0;
--- an overflow for a row of B | clean
SELECT count(*) FROM apikey.api_key WHERE key_id = <key> AND power(10, key_id) > 0;
--- subscript out of the ordinary | clean
SELECT metadata['C'], tags[1], scopes[1:9], cidrs[1] FROM apikey.api_key;
--- an index condition by a leaky operator class | denied
CREATE OPERATOR CLASS public.mine FOR TYPE bigint USING btree AS OPERATOR 1 <, FUNCTION 1 btint8cmp(bigint, bigint);

--- row security off | denied | members
SET row_security = off; SELECT * FROM apikey.usage; SELECT * FROM apikey.api_key;
--- row security off, in a function | denied
CREATE FUNCTION pg_temp.f() RETURNS bigint LANGUAGE sql SET row_security = off AS 'SELECT count(*) FROM apikey.usage'; SELECT pg_temp.f();
--- row security off, over a leaf | denied
SET row_security = off; SELECT count(*) FROM <leaf>;
--- as a replica | denied
SET session_replication_role = replica;
--- rows for update | denied
SELECT * FROM apikey.api_key FOR UPDATE;
--- rows for share | denied
SELECT * FROM apikey.tenant FOR SHARE;
--- rows for key share | denied
SELECT * FROM apikey.usage FOR KEY SHARE SKIP LOCKED;

--- EXPLAIN, what is estimated (100_estimates.pl compares) | clean
EXPLAIN SELECT * FROM apikey.api_key WHERE key_id = <key>; EXPLAIN SELECT * FROM apikey.api_key WHERE owner < 'ceo@s';
--- EXPLAIN, what is estimated of usage | clean
EXPLAIN SELECT * FROM apikey.usage WHERE tenant_id = <tid> AND endpoint = '/v1/bill';
--- EXPLAIN, what was looked at | known
EXPLAIN (ANALYZE, VERBOSE, BUFFERS, COSTS) SELECT * FROM apikey.api_key;
--- EXPLAIN of usage | known
EXPLAIN (ANALYZE, VERBOSE, SETTINGS, FORMAT json) SELECT * FROM apikey.usage WHERE user_agent LIKE 'C_NARY%';
--- EXPLAIN of a prepared statement | known
PREPARE p (text) AS SELECT * FROM apikey.api_key WHERE name = $1; EXPLAIN (ANALYZE, VERBOSE) EXECUTE p ('x');
--- plans printed | known
SET client_min_messages = debug5; SET debug_print_parse = on; SET debug_print_rewritten = on; SET debug_print_plan = on; SELECT name FROM apikey.api_key WHERE key_id = <key>;
--- statistics of columns | empty
SELECT * FROM pg_stats WHERE schemaname = 'apikey';
--- extended statistics | empty
SELECT * FROM pg_stats_ext WHERE schemaname = 'apikey'; SELECT * FROM pg_stats_ext_exprs WHERE schemaname = 'apikey';
--- raw statistics | denied
SELECT * FROM pg_statistic;
--- raw extended statistics | denied
SELECT * FROM pg_statistic_ext_data;
--- sizes in the catalog | known
SELECT relname, reltuples, relpages FROM pg_class WHERE relnamespace = 'apikey'::regnamespace AND relkind = 'r' LIMIT 0;
--- sizes on disk | known
SELECT pg_relation_size('apikey.api_key'), pg_total_relation_size('apikey.api_key'), pg_indexes_size('apikey.api_key');
--- counters of tables | known
SELECT relname, seq_scan, n_live_tup, n_tup_ins FROM pg_stat_all_tables WHERE schemaname = 'apikey';
--- counters of tables, what a call of one's own has looked at | known
BEGIN; SELECT apikey.tenant_path(<tid>); SELECT relname, seq_tup_read, idx_tup_fetch FROM pg_stat_xact_all_tables WHERE schemaname = 'apikey'; ROLLBACK;
--- pages that a call of one's own has looked at | known
EXPLAIN (ANALYZE, BUFFERS) SELECT apikey.tenant_path(<tid>);
--- counters of indexes | known
SELECT indexrelname, idx_scan FROM pg_stat_all_indexes WHERE schemaname = 'apikey';
--- counters of blocks | known
SELECT relname, heap_blks_hit FROM pg_statio_all_tables WHERE schemaname = 'apikey';
--- counters of functions | clean
SELECT * FROM pg_stat_user_functions; SELECT * FROM pg_stat_xact_user_functions;
--- what sessions do | clean
SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid(); SELECT * FROM pg_stat_get_activity(NULL) WHERE pid <> pg_backend_pid();
--- statements that others prepared, cursors | clean
SELECT * FROM pg_prepared_statements; SELECT * FROM pg_cursors; SELECT * FROM pg_prepared_xacts;
--- locks | clean
SELECT * FROM pg_locks;
--- settings | clean
SELECT * FROM pg_settings WHERE name LIKE 'apikey%';
--- the path to the master key | empty
SELECT name, setting FROM pg_settings WHERE name LIKE 'apikey.%master%';
--- settings of files | denied
SELECT * FROM pg_file_settings;
--- access rules of the server | denied
SELECT * FROM pg_hba_file_rules;
--- shared memory | denied
SELECT * FROM pg_shmem_allocations;
--- memory of a backend | denied
SELECT * FROM pg_backend_memory_contexts;
--- dump of memory | denied
SELECT pg_log_backend_memory_contexts(pg_backend_pid());
--- progress of others | clean
SELECT * FROM pg_stat_progress_copy; SELECT * FROM pg_stat_progress_create_index; SELECT * FROM pg_stat_progress_analyze;
--- the last value of a sequence | empty
SELECT last_value FROM pg_sequences WHERE schemaname = 'apikey' AND last_value IS NOT NULL;
--- the last value, asked for directly | denied
SELECT pg_sequence_last_value('apikey.api_key_key_id_seq');
--- currval | denied
SELECT currval('apikey.api_key_key_id_seq');
--- lastval after making something | denied 42501,55000
BEGIN; SELECT apikey.create_key('<own_tenant>', 'ownenv') IS NOT NULL; SELECT lastval(); ROLLBACK;
--- nextval | denied
SELECT nextval('apikey.tenant_tenant_id_seq');
--- what the catalog tells of bodies | clean
SELECT prosrc FROM pg_proc WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'apikey');
--- defaults, checks, comments | clean
SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef; SELECT pg_get_constraintdef(oid) FROM pg_constraint; SELECT description FROM pg_description WHERE description LIKE '%key%';
--- bounds of partitions | clean
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition;
--- large objects | clean
SELECT lo_get(oid) FROM pg_largeobject_metadata; SELECT * FROM pg_largeobject_metadata;
--- the pages of large objects | denied
SELECT * FROM pg_largeobject;
--- a file of the server | denied
SELECT pg_read_file('postgresql.conf');
--- a file of the server, binary | denied
SELECT pg_read_binary_file('PG_VERSION');
--- a directory of the server | denied
SELECT pg_ls_dir('base');
--- the server log | denied
SELECT * FROM pg_ls_logdir();
--- the write-ahead log | denied
SELECT * FROM pg_ls_waldir();
--- a file as a large object | denied
SELECT lo_import('/etc/passwd');
--- a large object as a file | denied
SELECT lo_export(lo_from_bytea(0, 'x'), '/tmp/regress_atk');
--- decoding the write-ahead log | denied
SELECT pg_create_logical_replication_slot('regress_atk', 'test_decoding');
--- a publication of keys | denied
CREATE PUBLICATION regress_atk FOR TABLE apikey.api_key;
--- a publication of everything | denied
CREATE PUBLICATION regress_atk FOR ALL TABLES;
--- a publication of the schema | denied
CREATE PUBLICATION regress_atk FOR TABLES IN SCHEMA apikey;
--- a subscription | denied
CREATE SUBSCRIPTION regress_atk CONNECTION 'dbname=postgres' PUBLICATION x WITH (connect = false);
--- a connection of the server to itself | denied 42501,58P01,0A000
CREATE EXTENSION dblink;
--- a foreign server | denied 42501,58P01,0A000
CREATE EXTENSION postgres_fdw;
--- raw pages | denied 42501,58P01,0A000
CREATE EXTENSION pageinspect;
--- statistics of pages | denied 42501,58P01,0A000
CREATE EXTENSION pgstattuple;
--- statistics of statements | denied 42501,58P01,0A000
CREATE EXTENSION pg_stat_statements;
--- the doorbell | clean
LISTEN apikey_event; SELECT pg_notification_queue_usage() < 1; UNLISTEN *;
