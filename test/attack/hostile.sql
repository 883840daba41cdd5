-- evil.arm(words): a schema full of functions and operators that look like those
-- of the server, write down who called them and say EVIL.  A function is made for each
-- of pg_catalog whose name is among the words, an operator for each of the
-- common ones.  Run by a plain role that may create schemas.
CREATE SCHEMA evil;
CREATE TABLE evil.log (what text, who text DEFAULT current_user);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
GRANT ALL ON evil.log TO PUBLIC;
CREATE FUNCTION evil.arm(words text[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	f record;
	o record;
	made bigint := 0;
BEGIN
	FOR f IN
		SELECT p.oid, p.proname, pg_get_function_identity_arguments(p.oid) AS args, pg_get_function_result(p.oid) AS result
		FROM pg_proc p
		WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.proname = ANY (words)
	LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, f.args, f.result,
				format('BEGIN RAISE NOTICE ''EVIL: %%'', %1$L; INSERT INTO evil.log VALUES (%1$L); RETURN %2$s; END', f.oid::regprocedure,
					CASE WHEN f.result LIKE 'SETOF %' OR f.result LIKE 'TABLE%' OR f.result = 'void' THEN '' ELSE 'NULL' END));
			made := made + 1;
		EXCEPTION WHEN OTHERS THEN
			NULL;	-- pseudo-types that PL/pgSQL has not
		END;
	END LOOP;
	FOR o IN
		SELECT p.oprname, p.oid, p.oprleft::regtype AS l, p.oprright::regtype AS r, p.oprresult::regtype AS result
		FROM pg_operator p
		WHERE p.oprnamespace = 'pg_catalog'::regnamespace AND p.oprkind = 'b'
			AND p.oprname IN ('=', '<>', '<', '>', '<=', '>=', '||', '~', '->', '->>', '+', '-', '*', '/', '@>', '<@', '&&', '?', '>>=', '<<=', '||')
			AND p.oprleft::regtype::text IN ('text', 'bigint', 'integer', 'boolean', 'timestamp with time zone', 'interval', 'jsonb',
				'inet', 'oid', 'name', 'anyarray', 'anycompatiblearray', 'bytea', 'record', 'anycompatible', 'regclass')
	LOOP
		BEGIN
			EXECUTE format('CREATE FUNCTION evil.op%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L', o.oid, o.l, o.r, o.result,
				format('BEGIN RAISE NOTICE ''EVIL: %%'', %1$L; INSERT INTO evil.log VALUES (%1$L); RETURN NULL; END', o.oid::regoperator));
			EXECUTE format('CREATE OPERATOR evil.%s (PROCEDURE = evil.op%s, LEFTARG = %s, RIGHTARG = %s)', o.oprname, o.oid, o.l, o.r);
			made := made + 1;
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
	RETURN made;
END $$;
-- types under the names of the server's, and a cast to be preferred
CREATE TYPE evil.text AS ENUM ('a');
CREATE DOMAIN evil.jsonb AS pg_catalog.text;
CREATE DOMAIN evil.bigint AS pg_catalog.int4 CHECK (VALUE < 0);
CREATE TYPE evil.pair AS (a int);
CREATE FUNCTION evil.pair_to_text(evil.pair) RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'EVIL: cast'; INSERT INTO evil.log VALUES ('cast'); RETURN 'x'; END $$;
CREATE CAST (evil.pair AS pg_catalog.text) WITH FUNCTION evil.pair_to_text(evil.pair) AS IMPLICIT;
