Ways to read what belongs to others through the views of usage and of keys, and
to get at what prices, budgets, sums and sketches are made of.
Four of these run with the rights of their owner: key_label, environment_label,
secret_label and key_control.  The form is that of reads.sql.

--- every column of every view of usage and keys | clean
SELECT * FROM apikey.usage_recent; SELECT * FROM apikey.usage_requests; SELECT * FROM apikey.denials; SELECT * FROM apikey.top_keys; SELECT * FROM apikey.slow_endpoints; SELECT * FROM apikey.error_rates;
SELECT * FROM apikey.key_health; SELECT * FROM apikey.expiring_keys; SELECT * FROM apikey.unused_keys; SELECT * FROM apikey.old_secret_users; SELECT * FROM apikey.compliance_report;
SELECT * FROM apikey.key_label; SELECT * FROM apikey.environment_label; SELECT * FROM apikey.secret_label; SELECT * FROM apikey.key_control; SELECT * FROM apikey.usage_hourly; SELECT * FROM apikey.usage_daily;
--- own keys are in the view of names | own plain | analyst,auditor,operator,admin,above
SELECT name FROM apikey.key_label ORDER BY key_id;
--- own traffic is in the last hour | own /own | analyst,auditor,operator,admin,above
SELECT endpoint FROM apikey.usage_recent;
--- own denials are there | own EXPIRED | analyst,auditor,operator,admin,above
SELECT code FROM apikey.denials;
--- own keys with an old secret are there | own own turned | analyst,auditor,operator,admin,above
SELECT name FROM apikey.old_secret_users;
--- own environments are in the compliance report | own rotation | analyst,auditor,operator,admin,above
SELECT rule FROM apikey.compliance_report WHERE tenant = 'top/acme';
--- keys of others by their number | empty | analyst,auditor,operator,admin,above
SELECT * FROM apikey.key_label WHERE key_id = <key>; SELECT * FROM apikey.key_control WHERE key_id = <key>; SELECT * FROM apikey.secret_label WHERE key_id = <key> OR secret_id = <secret>;
SELECT * FROM apikey.key_health WHERE key_id = <key>; SELECT * FROM apikey.top_keys WHERE key_id = <key>; SELECT * FROM apikey.usage_recent WHERE key_id = <key>;
--- tenants of others by their number | empty | analyst,auditor,operator,admin,above
SELECT * FROM apikey.environment_label WHERE tenant_id = <tid>; SELECT * FROM apikey.compliance_report WHERE tenant_id = <tid>; SELECT * FROM apikey.error_rates WHERE tenant_id = <tid>; SELECT * FROM apikey.denials WHERE tenant_id = <tid>;
--- traffic of nobody's keys | empty | analyst,auditor,operator,admin,above
SELECT * FROM apikey.usage_recent WHERE tenant_id IS NULL; SELECT * FROM apikey.usage_requests WHERE tenant_id IS NULL; SELECT * FROM apikey.denials WHERE tenant_id IS NULL; SELECT * FROM apikey.error_rates WHERE tenant_id IS NULL;
--- the tables below the views of names | denied | none,verifier,analyst
SELECT k.* FROM apikey.key_label l JOIN apikey.api_key k USING (key_id);
--- the secrets below the view of their dates | denied
SELECT s.* FROM apikey.secret_label l JOIN apikey.key_secret s USING (secret_id);

--- a leaky function over the view of names | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.key_label WHERE pg_temp.leak(name) AND pg_temp.leak(owner); SELECT count(*) FROM apikey.environment_label WHERE pg_temp.leak(environment); SELECT count(*) FROM apikey.environment_label WHERE pg_temp.leak(tenant);
--- a leaky function over dates and rules | clean
CREATE FUNCTION pg_temp.leak(t bigint) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.secret_label WHERE pg_temp.leak(key_id); SELECT count(*) FROM apikey.secret_label WHERE pg_temp.leak(secret_id); SELECT count(*) FROM apikey.key_control WHERE pg_temp.leak(tenant_id); SELECT count(*) FROM apikey.key_control WHERE pg_temp.leak(key_id);
--- a leaky function over rows of the views | clean
CREATE FUNCTION pg_temp.leak(t anyelement) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.key_label v WHERE pg_temp.leak(v); SELECT count(*) FROM apikey.usage_recent v WHERE pg_temp.leak(v); SELECT count(*) FROM apikey.key_health v WHERE pg_temp.leak(v); SELECT count(*) FROM apikey.top_keys v WHERE pg_temp.leak(v);
--- a leaky function over one column of the views | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.usage_recent WHERE pg_temp.leak(user_agent); SELECT count(*) FROM apikey.denials WHERE pg_temp.leak(endpoint_class); SELECT count(*) FROM apikey.slow_endpoints WHERE pg_temp.leak(endpoint_class); SELECT count(*) FROM apikey.key_health WHERE pg_temp.leak(name);
SELECT count(*) FROM apikey.expiring_keys WHERE pg_temp.leak(name); SELECT count(*) FROM apikey.unused_keys WHERE pg_temp.leak(name); SELECT count(*) FROM apikey.old_secret_users WHERE pg_temp.leak(user_agent); SELECT count(*) FROM apikey.compliance_report WHERE pg_temp.leak(environment);
--- a leaky function in a join of the views | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.usage_hourly h JOIN apikey.key_label l ON pg_temp.leak(l.name) AND pg_temp.leak(h.endpoint_class);
--- a leaky operator over the view of names | clean
CREATE FUNCTION pg_temp.leak(a text, b text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', a; RETURN true; END $$;
CREATE OPERATOR pg_temp.=== (PROCEDURE = pg_temp.leak, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel, JOIN = eqjoinsel);
SELECT count(*) FROM apikey.key_label WHERE name OPERATOR(pg_temp.===) 'x'; SELECT count(*) FROM apikey.environment_label WHERE environment OPERATOR(pg_temp.===) 'x';
--- an operator that shadows the one of the views | clean
CREATE FUNCTION pg_temp.leak(a bigint, b bigint) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', a; RETURN true; END $$;
CREATE OPERATOR public.= (PROCEDURE = pg_temp.leak, LEFTARG = bigint, RIGHTARG = bigint);
SET search_path = public, pg_catalog; SELECT name FROM apikey.key_label WHERE key_id = key_id; SELECT name FROM apikey.key_health; SELECT tenant FROM apikey.environment_label;
DROP OPERATOR public.= (bigint, bigint);
--- functions that shadow those of the views | clean 42P01
CREATE FUNCTION public.my_tenants(text) RETURNS bigint[] LANGUAGE sql AS $$ SELECT ARRAY[<tid>] $$; CREATE FUNCTION public.sees_all(text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
SET search_path = public, apikey, pg_catalog; SELECT * FROM key_label; SELECT * FROM environment_label; SELECT * FROM secret_label; SELECT * FROM key_control;
DROP FUNCTION public.my_tenants(text), public.sees_all(text);
--- errors that only rows of B raise, in the views of names | clean
SELECT count(*) FROM apikey.key_label WHERE 1 / (key_id - <key>) > 0; SELECT count(*) FROM apikey.secret_label WHERE 1 / (secret_id - <secret>) > 0; SELECT count(*) FROM apikey.key_control WHERE 1 / (tenant_id - <tid>) > 0; SELECT count(*) FROM apikey.environment_label WHERE 1 / (tenant_id - <tid>) > 0;
--- errors that only rows of B raise, in the other views | clean
SELECT count(*) FROM apikey.usage_recent WHERE 1 / (tenant_id - <tid>) > 0; SELECT count(*) FROM apikey.top_keys WHERE 1 / (key_id - <key>) > 0; SELECT count(*) FROM apikey.key_health WHERE 1 / (key_id - <key>) > 0; SELECT count(*) FROM apikey.key_label WHERE name LIKE 'C_NARYB%' AND name::int = 1;

--- plans of the views of names, which tell nothing | clean
EXPLAIN (VERBOSE) SELECT * FROM apikey.key_label WHERE owner < 'D' AND name LIKE 'C_NARY%'; EXPLAIN (VERBOSE) SELECT * FROM apikey.environment_label WHERE environment < 'D'; EXPLAIN (VERBOSE) SELECT * FROM apikey.compliance_report;
--- plans of the views that were run | known
EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM apikey.key_label WHERE name LIKE 'C_NARY%'; EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM apikey.usage_recent; EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM apikey.key_health;
--- a kept plan, and another role | clean
PREPARE p AS SELECT * FROM apikey.key_label; SET plan_cache_mode = force_generic_plan; EXECUTE p; SET ROLE regress_atk_none; EXECUTE p; RESET ROLE; EXECUTE p;
--- row security off, over the views | clean
SET row_security = off; SELECT * FROM apikey.key_label; SELECT * FROM apikey.environment_label; SELECT * FROM apikey.usage_recent;
--- a view of one's own over the views | clean
CREATE VIEW public.mine AS SELECT * FROM apikey.key_label; SELECT * FROM public.mine; DROP VIEW public.mine;
--- columns of the table through its view | clean 42703,42P01
SELECT scopes FROM apikey.key_label; SELECT (l).metadata FROM apikey.key_label l; SELECT l.cidrs FROM apikey.key_label l;
--- writing through the views of names | denied 42501,55000,0A000
UPDATE apikey.key_label SET name = 'x'; DELETE FROM apikey.secret_label; INSERT INTO apikey.environment_label (environment) VALUES ('x');
--- a view of names becomes another one | denied
CREATE OR REPLACE VIEW apikey.key_label AS SELECT 1 AS key_id; ALTER VIEW apikey.key_label RESET (security_barrier); CREATE RULE r AS ON INSERT TO apikey.key_label DO ALSO NOTHING;
--- locking rows through the views | clean 0A000,42501
SELECT * FROM apikey.key_label FOR UPDATE; SELECT * FROM apikey.secret_label FOR SHARE;
--- the clock of the views | clean
SELECT apikey._view_now() > '2020-01-01';
--- the rule of the views | clean
SELECT apikey._accepted(1, 2);
--- the path of a tenant, as the views ask for it | empty | analyst,auditor,operator,admin,above
SELECT 1 WHERE apikey._label_path(<tid>) IS NOT NULL;
--- another clock for the views | denied
SET apikey.test_now = '0';

--- prices, budgets, classes and sums of others by their number | empty | analyst,auditor,operator,admin,above
SELECT * FROM apikey.price WHERE tenant_id = <tid>; SELECT * FROM apikey.budget WHERE tenant_id = <tid>; SELECT * FROM apikey.endpoint_class WHERE tenant_id = <tid>; SELECT * FROM apikey.usage_hourly WHERE key_id = <key>; SELECT * FROM apikey.usage_daily WHERE tenant_id = <tid>;
--- a leaky function over prices, budgets, classes and sums | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.price WHERE pg_temp.leak(note) AND pg_temp.leak(endpoint); SELECT count(*) FROM apikey.budget WHERE pg_temp.leak(name); SELECT count(*) FROM apikey.endpoint_class WHERE pg_temp.leak(class); SELECT count(*) FROM apikey.usage_daily WHERE pg_temp.leak(endpoint_class);
--- a leaky function over what calls return | clean
CREATE FUNCTION pg_temp.leak(t text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak: %', t; RETURN true; END $$;
SELECT count(*) FROM apikey.cost_report('year') WHERE pg_temp.leak(tenant) AND pg_temp.leak(owner); SELECT count(*) FROM apikey.budget_status WHERE pg_temp.leak(tenant) AND pg_temp.leak(name);
--- errors that only rows of B raise, in prices, budgets and sums | clean
SELECT count(*) FROM apikey.price WHERE 1 / (tenant_id - <tid>) > 0; SELECT count(*) FROM apikey.budget WHERE 1 / (tenant_id - <tid>) > 0; SELECT count(*) FROM apikey.usage_hourly WHERE 1 / (key_id - <key>) > 0; SELECT count(*) FROM apikey.endpoint_class WHERE 1 / (tenant_id - <tid>) > 0;
--- the report of a tenant tells of no other | own <title> | analyst,auditor,operator,admin,above
SELECT apikey.report_html('<own_tenant>', now() - interval '2 days', now() + interval '1 hour');
--- the report of others | denied 42704,42501
SELECT apikey.report_html('<tenant>');
--- bytes that are no histogram | denied 22P03,42501
SELECT apikey.latency_percentile(pg_catalog.decode('01ffffffffffffffff7f01', 'hex'), 0.5);
--- a histogram with more than fits into it | denied 22P03,42501
SELECT apikey.latency_merge(('\x01' || repeat('0001', 2000))::bytea);
--- a histogram as large as a value may be | denied 22P03,42501
SELECT apikey.latency_percentile(('\x01' || repeat('ff', 50000000))::bytea, 1);
--- bytes that are no set of addresses | denied 22P03,42501
SELECT apikey.ip_merge(('\x02' || repeat('ff', 640))::bytea);
--- a set of addresses in another order | denied 22P03,42501
SELECT apikey.ip_count('\x010000000200000001'::bytea);
--- a fraction that is no number | denied 22023,42501
SELECT apikey.latency_percentile('\x010001'::bytea, 'NaN');
--- an index of the rollups' class on a table of one's own | clean
CREATE TEMP TABLE mine (at timestamptz, n int); CREATE INDEX ON mine USING brin (at apikey.change_ops, n, at) WITH (pages_per_range = 1);
INSERT INTO mine SELECT CASE WHEN i % 3 = 0 THEN NULL ELSE now() END, i FROM generate_series(1, 2000) i; VACUUM ANALYZE mine; INSERT INTO mine SELECT NULL, i FROM generate_series(1, 2000) i; DELETE FROM mine WHERE n % 2 = 0; VACUUM mine; REINDEX TABLE mine;
SET enable_seqscan = off; SELECT count(*) FROM mine WHERE at IS NULL;
--- what that index is asked by | denied
CREATE TEMP TABLE mine (at timestamptz); SELECT count(*) FROM mine WHERE at OPERATOR(apikey.@~) 5;
--- an operator of one's own over its function | denied
CREATE OPERATOR pg_temp.@~~ (LEFTARG = timestamptz, RIGHTARG = bigint, FUNCTION = apikey._changed_since);
--- an operator class of one's own over its functions | denied
CREATE OPERATOR CLASS pg_temp.mine FOR TYPE bigint USING brin AS FUNCTION 1 apikey._change_opcinfo(internal);
--- an aggregate of one's own over the steps of others | denied 42501,42P13
CREATE AGGREGATE pg_temp.mine (bytea) (SFUNC = apikey._latency_merge_step, STYPE = internal);
--- an end of all counting: a lock of what it keeps | denied
BEGIN; LOCK TABLE apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
--- locks of the classes of endpoints | denied
BEGIN; LOCK TABLE apikey.endpoint_class IN ROW EXCLUSIVE MODE;
--- sums of one's own | denied
INSERT INTO apikey.usage_hourly (hour, code, calls, denials, errors, units, bytes_in, bytes_out, latency_calls, latency_us) VALUES (now(), 'VALID', 1, 0, 0, 1, 0, 0, 0, 0);
--- a price of one's own | denied
INSERT INTO apikey.price (currency, valid_from, author, created_at) VALUES ('EUR', now(), 'x', now());
