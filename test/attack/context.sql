Ways to forge, keep or spread the identity of a transaction (apikey.context).
080_context.pl runs each one without an identity, as a tenant and as a key, and
asks afterwards who the transaction and then the session acts for: nobody, or
who it was before.  The expectation says what must come of the statement itself:

  denied STATES  refused with one of the SQLSTATEs, 42501 if none is named
  clean          no error, or a refusal
  any            whatever comes

A statement that is "closed" ends the transaction it was started in.

--- set | denied
SET apikey.context = 'tenant=<tid>:<tenant>';
--- set, by its whole form | denied
SET SESSION apikey.context TO 'narrow=<tid> tenant=<tid>:<tenant> key=<key> scopes=canaryb:own';
--- set, locally | denied
SET LOCAL apikey.context = 'tenant=<tid>:<tenant> key=<key> scopes=canaryb:own';
--- set, in capitals | denied
SET "APIKEY"."CONTEXT" = 'tenant=<tid>:<tenant>';
--- set, to what is there | any
SET apikey.context FROM CURRENT;
--- set, for the own tenant | denied
SET apikey.context = 'tenant=<own_tid>:<own_tenant>';
--- set, to nonsense | denied
SET apikey.context = 'x';
--- set, to a blank | denied
SET apikey.context = ' ';
--- set, to a list | denied 42501,22023
SET apikey.context = 'tenant=<tid>:<tenant>', 'x';
--- set, to a number | denied
SET apikey.context = 1;
--- set, to default | clean
SET apikey.context TO DEFAULT;
--- set, locally to default | clean
SET LOCAL apikey.context TO DEFAULT;
--- set, to nothing | clean
SET apikey.context = '';
--- set, locally to nothing | clean
SET LOCAL apikey.context = '';
--- reset | clean
RESET apikey.context;
--- all reset | clean
RESET ALL;
--- set_config | denied
SELECT set_config('apikey.context', 'tenant=<tid>:<tenant>', false);
--- set_config, locally | denied
SELECT set_config('apikey.context', 'tenant=<tid>:<tenant>', true);
--- set_config, in capitals | denied
SELECT set_config('ApiKey.Context', 'tenant=<tid>:<tenant>', false);
--- set_config, once more what is there | any
SELECT length(set_config('apikey.context', current_setting('apikey.context'), false));
--- set_config, what is there, locally | any
SELECT length(set_config('apikey.context', current_setting('apikey.context'), true));
--- set_config, to nothing | clean
SELECT set_config('apikey.context', '', false);
--- set_config, to NULL | clean
SELECT set_config('apikey.context', NULL, false);
--- the view of settings | clean
UPDATE pg_settings SET setting = 'tenant=<tid>:<tenant>' WHERE name = 'apikey.context';
--- the setting of the role | denied
ALTER ROLE CURRENT_USER SET apikey.context = 'tenant=<tid>:<tenant>';
--- the setting of the role, from the present one | any
ALTER ROLE CURRENT_USER SET apikey.context FROM CURRENT; ALTER ROLE CURRENT_USER RESET apikey.context;
--- the setting of the role in the database | denied
ALTER ROLE CURRENT_USER IN DATABASE postgres SET apikey.context = 'tenant=<tid>:<tenant>';
--- the setting of the database | denied
ALTER DATABASE postgres SET apikey.context = 'tenant=<tid>:<tenant>';
--- the setting of the server | denied 42501,25001
ALTER SYSTEM SET apikey.context = 'tenant=<tid>:<tenant>';
--- the right to set it | denied
GRANT SET ON PARAMETER apikey.context TO PUBLIC;
--- the right to have it in the server's file | denied
GRANT ALTER SYSTEM ON PARAMETER apikey.context TO CURRENT_USER;
--- a function that sets it | denied
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql SET apikey.context = 'tenant=<tid>:<tenant>' AS 'SELECT apikey.current_tenant()'; SELECT pg_temp.f();
--- a function that sets it, PL/pgSQL | denied
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('apikey.context', 'tenant=<tid>:<tenant>', true); RETURN apikey.current_tenant(); END $$; SELECT pg_temp.f();
--- a function that sets it and does not look at the error | clean
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE plpgsql AS $$ BEGIN BEGIN PERFORM set_config('apikey.context', 'tenant=<tid>:<tenant>', true); EXCEPTION WHEN OTHERS THEN NULL; END; RETURN apikey.current_tenant(); END $$; SELECT pg_temp.f();
--- a function that keeps what is there | any
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql SET apikey.context FROM CURRENT AS 'SELECT apikey.current_tenant()'; SELECT pg_temp.f();
--- a function altered to set it | denied
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT apikey.current_tenant()'; ALTER FUNCTION pg_temp.f() SET apikey.context = 'tenant=<tid>:<tenant>'; SELECT pg_temp.f();
--- a function that keeps what is there, called later | any
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql SET apikey.context FROM CURRENT AS 'SELECT apikey.current_tenant()'; ROLLBACK; SELECT pg_temp.f();
--- a function that empties it around a call | clean
CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql SET apikey.context = '' AS 'SELECT apikey.current_tenant()'; SELECT pg_temp.f();
--- a definer function | denied
CREATE FUNCTION pg_temp.f() RETURNS text SECURITY DEFINER LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('apikey.context', 'tenant=<tid>:<tenant>', true); RETURN apikey.current_tenant(); END $$; SELECT pg_temp.f();
--- a procedure | denied
CREATE PROCEDURE pg_temp.p() LANGUAGE plpgsql AS $$ BEGIN SET apikey.context = 'tenant=<tid>:<tenant>'; END $$; CALL pg_temp.p();
--- a block | denied
DO $$ BEGIN SET LOCAL apikey.context = 'tenant=<tid>:<tenant>'; END $$;
--- a procedure that commits, and goes on | any | all | closed
COMMIT; CREATE PROCEDURE pg_temp.p() LANGUAGE plpgsql AS $$ BEGIN PERFORM apikey.set_tenant('<own_tenant>'); COMMIT; RAISE NOTICE 'after commit: %', coalesce(apikey.current_tenant(), 'nobody'); ROLLBACK; RAISE NOTICE 'after rollback: %', coalesce(apikey.current_tenant(), 'nobody'); END $$; CALL pg_temp.p();
--- a block that commits, and goes on | any | all | closed
COMMIT; DO $$ BEGIN PERFORM apikey.set_tenant('<own_tenant>'); COMMIT AND CHAIN; RAISE NOTICE 'after commit: %', coalesce(apikey.current_tenant(), 'nobody'); END $$;
--- a trigger | denied
CREATE TEMP TABLE x (a int); CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('apikey.context', 'tenant=<tid>:<tenant>', false); RETURN NEW; END $$; CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION pg_temp.f(); INSERT INTO x VALUES (1);
--- a trigger at the end of the transaction | denied 42501 | all | closed
CREATE TEMP TABLE x (a int); CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('apikey.context', 'tenant=<tid>:<tenant>', false); RETURN NEW; END $$; CREATE CONSTRAINT TRIGGER t AFTER INSERT ON x DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.f(); INSERT INTO x VALUES (1); COMMIT;
--- a default | denied
CREATE TEMP TABLE x (a text DEFAULT set_config('apikey.context', 'tenant=<tid>:<tenant>', false)); INSERT INTO x DEFAULT VALUES;
--- a policy of one's own | denied
CREATE TABLE public.x (a int); ALTER TABLE public.x ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON public.x USING (set_config('apikey.context', 'tenant=<tid>:<tenant>', true) IS NOT NULL); INSERT INTO public.x SELECT 1; SELECT * FROM public.x; DROP TABLE public.x;
--- a rule | denied
CREATE TEMP TABLE x (a int); CREATE RULE r AS ON INSERT TO x DO INSTEAD SELECT set_config('apikey.context', 'tenant=<tid>:<tenant>', false); INSERT INTO x VALUES (1);
--- an operator | denied
CREATE FUNCTION pg_temp.f(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT set_config('apikey.context', $1 || $2, true) IS NOT NULL $$; CREATE OPERATOR pg_temp.@#@ (PROCEDURE = pg_temp.f, LEFTARG = text, RIGHTARG = text); SELECT 'tenant=<tid>' OPERATOR(pg_temp.@#@) ':<tenant>';
--- look-alikes: a function before ours | clean
CREATE FUNCTION pg_temp.current_tenant() RETURNS text LANGUAGE sql AS $$ SELECT '<tenant>'::text $$; SET search_path = pg_temp, apikey, public; SELECT count(*) FROM public.app;
--- look-alikes: in the schema | denied
CREATE FUNCTION apikey.current_tenant(text) RETURNS text LANGUAGE sql AS $$ SELECT '<tenant>'::text $$;
--- look-alikes: replaced | denied
CREATE OR REPLACE FUNCTION apikey.current_tenant() RETURNS text LANGUAGE sql AS $$ SELECT '<tenant>'::text $$;
--- look-alikes: a setting of the same name | denied 42501,42602
SET apikey.contex = 'tenant=<tid>:<tenant>';
--- look-alikes: renamed | denied
ALTER FUNCTION apikey.current_tenant() RENAME TO x;
--- look-alikes: an operator before the policy's | clean
CREATE FUNCTION pg_temp.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR pg_temp.= (PROCEDURE = pg_temp.eq, LEFTARG = text, RIGHTARG = text); SET search_path = pg_temp, pg_catalog; SELECT count(*) FROM public.app;
--- the C function, under a name of one's own | denied
CREATE FUNCTION public.mine(text) RETURNS void LANGUAGE c AS '$libdir/apikey', 'apikey_set_tenant';
--- the tenant of others | denied 42501,42704
SELECT apikey.set_tenant('<tenant>');
--- the tenant of others, by number | denied 42501,42704
SELECT apikey.set_tenant('<tid>');
--- the tenant of others, below it | denied 42501,42704
SELECT apikey.set_tenant('<child>');
--- the tenant of others, with a blank | denied 42501,42704
SELECT apikey.set_tenant('<tenant> ');
--- the tenant of others, below the own one | denied 42501,42704
SELECT apikey.set_tenant('<own_tenant>/<tenant>');
--- the tenant of others, written into the form | denied 42501,42704
SELECT apikey.set_tenant('<own_tenant> key=<key> scopes=b:own');
--- the tenant of others, after the own one | denied 42501,42704
SELECT apikey.set_tenant('<own_tenant>'), apikey.set_tenant('<tenant>');
--- the tenant of others, in a savepoint | denied 42501,42704,3B001
SAVEPOINT a; SELECT apikey.set_tenant('<own_tenant>'); SAVEPOINT b; SELECT apikey.set_tenant('<tenant>'); ROLLBACK TO b; RELEASE a;
--- the parent, whose admin one is not | denied 42501,42704 | none,verifier,analyst,auditor,operator,admin
SELECT apikey.set_tenant('top');
--- no tenant | denied 42501,22023,22004
SELECT apikey.set_tenant(NULL);
--- an empty tenant | denied 42501,42704
SELECT apikey.set_tenant('');
--- a key of others | clean
SELECT code, tenant FROM apikey.authenticate('<keytext>');
--- a key of others, with all it wants | clean
SELECT code, tenant FROM apikey.authenticate('<keytext>', '{canaryb:own}', '203.0.113.66', 'GET', '/CANARYB/a', NULL, '<tenant>');
--- a revoked key of others | clean
SELECT code, tenant FROM apikey.authenticate('<gonetext>');
--- a key of others, after the own one | clean
SELECT code FROM apikey.authenticate('<own_keytext>', record => false); SELECT code FROM apikey.authenticate('<keytext>');
--- a revoked key, after a good one | clean
SELECT code FROM apikey.authenticate('<own_keytext>', record => false); SELECT code FROM apikey.authenticate('<own_gonetext>');
--- no key, after a good one | clean
SELECT code FROM apikey.authenticate('<own_keytext>', record => false); SELECT code FROM apikey.authenticate(NULL);
--- the own key, with a scope it has not, after a good one | clean
SELECT code FROM apikey.authenticate('<own_keytext>', record => false); SELECT code FROM apikey.authenticate('<own_keytext>', '{canaryb:own}');
--- the own key, for a tenant of others, after a good one | clean
SELECT code FROM apikey.authenticate('<own_keytext>', record => false); SELECT code FROM apikey.authenticate('<own_keytext>', tenant => '<tenant>');
--- in a query that reads, both orders | clean
SELECT count(*) FROM public.app WHERE note IS NOT NULL AND (SELECT code FROM apikey.authenticate('<keytext>')) IS NOT NULL;
--- in a common table expression | clean
WITH a AS MATERIALIZED (SELECT code FROM apikey.authenticate('<keytext>')) SELECT code, (SELECT string_agg(note, ' ') FROM public.app) FROM a;
--- prepared, and executed again | clean
PREPARE p AS SELECT note FROM public.app; EXECUTE p; SELECT code FROM apikey.authenticate('<keytext>'); EXECUTE p; RESET apikey.context; EXECUTE p;
--- prepared in generic plans | clean
SET plan_cache_mode = force_generic_plan; PREPARE p AS SELECT count(*), min(note) FROM public.app; EXECUTE p; SELECT apikey.set_tenant('<own_child>'); EXECUTE p; RESET apikey.context; EXECUTE p;
--- a cursor opened before | clean
DECLARE c CURSOR FOR SELECT note FROM public.app; FETCH 1 FROM c; RESET apikey.context; FETCH ALL FROM c; CLOSE c;
--- a cursor that is held | clean | all | closed
DECLARE c CURSOR WITH HOLD FOR SELECT apikey.current_tenant(), note FROM public.app; COMMIT; SELECT 'after commit', apikey.current_tenant(); FETCH ALL FROM c; CLOSE c;
--- a savepoint that is rolled back | clean
SAVEPOINT s; RESET apikey.context; ROLLBACK TO s;
--- a savepoint with a key in it, released | clean
SAVEPOINT s; SELECT code FROM apikey.authenticate('<keytext>'); RELEASE s;
--- the transaction chained | clean | all | closed
COMMIT AND CHAIN; SELECT 'chained', apikey.current_tenant(), apikey.current_key_id(); COMMIT;
--- the transaction rolled back and chained | clean | all | closed
ROLLBACK AND CHAIN; SELECT 'chained', apikey.current_tenant(), apikey.current_key_id(); ROLLBACK;
--- prepared for two-phase commit | clean 0A000,55000,25P01 | all | closed
CREATE TABLE public.twophase (a int); PREPARE TRANSACTION 'regress_atk'; SELECT 'prepared', apikey.current_tenant(); COMMIT PREPARED 'regress_atk'; SELECT 'second life', apikey.current_tenant(); DROP TABLE public.twophase;
--- parallel workers | clean
SET force_parallel_mode = on; SET parallel_setup_cost = 0; SELECT apikey.current_tenant(), count(*) FROM public.app;
--- set in parallel mode | any
SET force_parallel_mode = on; CREATE FUNCTION pg_temp.f() RETURNS text PARALLEL SAFE LANGUAGE sql AS $$ SELECT apikey.set_tenant('<tenant>')::text $$; SELECT pg_temp.f();
--- another role in between | any
SET ROLE NONE; SELECT note FROM public.app; RESET ROLE;
--- discarded | clean 25001
DISCARD ALL;
--- notified, for whom it does not concern | clean
NOTIFY x, 'tenant=<tid>:<tenant>';
