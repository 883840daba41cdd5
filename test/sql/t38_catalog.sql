-- The catalogs of a fresh installation: what C code counts on, and the rules
-- for dump, security and comments.
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- C addresses columns by number
\set header `cat "$PG_ABS_SRCDIR/../src/catalog.h"`
CREATE TEMP TABLE anum AS SELECT m[1] AS name, m[2]::int AS number FROM regexp_matches(:'header', '#define\s+Anum_(\w+)\s+(\d+)', 'g') m;
SELECT count(*) > 50 AS found FROM anum;
SELECT n.name, n.number, a.relname, a.attname, a.attnum FROM anum n
  LEFT JOIN (SELECT c.relname, a.attname, a.attnum FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relnamespace = 'apikey'::regnamespace) a
    ON a.relname || '_' || a.attname = n.name
 WHERE a.attnum IS DISTINCT FROM n.number;

CREATE TEMP TABLE member AS SELECT d.classid, d.objid FROM pg_depend d WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'apikey');

-- every table is dumped with its rows, every sequence with its state; but for
-- usage_sweep, which speaks of files of this cluster
SELECT c.relname AS not_dumped FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
 WHERE c.relkind IN ('r', 'p', 'S') AND c.oid <> ALL (SELECT unnest(extconfig) FROM pg_extension WHERE extname = 'apikey') ORDER BY 1;
SELECT DISTINCT condition FROM pg_extension, unnest(extcondition) condition WHERE extname = 'apikey' ORDER BY 1;
-- the parent of the usage partitions carries nothing that a restore would meet again in its leaves
SELECT count(*) AS indexes FROM pg_index WHERE indrelid = 'apikey.usage'::regclass;
SELECT conname AS constraints FROM pg_constraint WHERE conrelid = 'apikey.usage'::regclass AND contype <> 'n';
SELECT tgname AS triggers FROM pg_trigger WHERE tgrelid = 'apikey.usage'::regclass;
SELECT count(*) AS leaf_members FROM pg_inherits i JOIN member m ON m.objid = i.inhrelid WHERE i.inhparent = 'apikey.usage'::regclass;
-- no cycle of foreign keys but self references
SELECT conrelid::regclass AS self FROM pg_constraint WHERE contype = 'f' AND conrelid = confrelid AND connamespace = 'apikey'::regnamespace ORDER BY 1;
WITH RECURSIVE walk AS (
	SELECT conrelid AS start, confrelid AS at, 1 AS depth FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid AND connamespace = 'apikey'::regnamespace
	UNION
	SELECT w.start, c.confrelid, w.depth + 1 FROM walk w JOIN pg_constraint c ON c.conrelid = w.at AND c.contype = 'f' AND c.conrelid <> c.confrelid WHERE w.depth < 20
)
SELECT DISTINCT start::regclass AS cycle FROM walk WHERE start = at;

-- row level security is on and forced everywhere, with a policy, for reading only
SELECT c.relname AS unprotected FROM pg_class c WHERE c.relnamespace = 'apikey'::regnamespace AND c.relkind IN ('r', 'p')
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid));
SELECT c.relname, p.polname, p.polcmd, pg_get_expr(p.polqual, p.polrelid) AS qual FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = 'apikey'::regnamespace AND p.polcmd <> 'r' ORDER BY 1;
SELECT c.relname AS view FROM pg_class c WHERE c.relnamespace = 'apikey'::regnamespace AND c.relkind = 'v' AND NOT coalesce(c.reloptions, '{}') && '{security_invoker=true}' ORDER BY 1;

-- functions: no SECURITY DEFINER, no LEAKPROOF, a pinned path where SQL runs, context is not IMMUTABLE, nothing for PUBLIC
SELECT p.oid::regprocedure AS definer FROM pg_proc p WHERE pronamespace = 'apikey'::regnamespace AND (prosecdef OR proleakproof);
SELECT p.oid::regprocedure AS open_path FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
 WHERE pronamespace = 'apikey'::regnamespace AND lanname NOT IN ('c', 'internal') AND prosqlbody IS NULL AND NOT coalesce(proconfig, '{}') && ARRAY['search_path=pg_catalog, pg_temp'];
SELECT p.oid::regprocedure AS immutable_context FROM pg_proc p WHERE pronamespace = 'apikey'::regnamespace AND provolatile = 'i' AND proname ~ '(tenant|caller|may|sees|context|current)';
SELECT p.oid::regprocedure AS for_public FROM pg_proc p WHERE pronamespace = 'apikey'::regnamespace AND has_function_privilege('public', p.oid, 'EXECUTE');
SELECT c.relname AS for_public FROM pg_class c WHERE relnamespace = 'apikey'::regnamespace AND relkind IN ('r', 'p', 'v', 'S') AND has_table_privilege('public', c.oid, 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER');
SELECT t.typname AS for_public FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c' WHERE typnamespace = 'apikey'::regnamespace AND has_type_privilege('public', t.oid, 'USAGE');
SELECT has_schema_privilege('public', 'apikey', 'USAGE') OR has_schema_privilege('public', 'apikey', 'CREATE') AS for_public;

-- a public function and its body agree
SELECT f.oid::regprocedure AS without_body FROM pg_proc f WHERE f.pronamespace = 'apikey'::regnamespace AND f.prosrc = 'apikey_call'
   AND NOT EXISTS (SELECT FROM pg_proc b WHERE b.pronamespace = f.pronamespace AND b.proname = '_' || f.proname AND b.proargtypes = f.proargtypes
	AND b.prorettype = f.prorettype AND b.proretset = f.proretset AND b.proargnames IS NOT DISTINCT FROM f.proargnames AND b.pronargdefaults = 0 AND b.provolatile = f.provolatile);
SELECT f.proname AS overloaded FROM pg_proc f WHERE f.pronamespace = 'apikey'::regnamespace GROUP BY 1 HAVING count(*) > 1;

-- what grant_access() opens exists, and all that is public is opened to somebody
SELECT p.* FROM apikey._privileges() p
 WHERE NOT EXISTS (SELECT FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace AND proname = p.name AND p.kind = 'function')
   AND NOT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'apikey'::regnamespace AND relname = p.name AND p.kind = 'relation' AND relkind IN ('r', 'p', 'v'))
   AND NOT EXISTS (SELECT FROM pg_type WHERE typnamespace = 'apikey'::regnamespace AND typname = p.name AND p.kind = 'type');
SELECT f.proname AS opened_to_nobody FROM pg_proc f WHERE f.pronamespace = 'apikey'::regnamespace AND f.proname !~ '^_' AND f.proname NOT IN (SELECT name FROM apikey._privileges()) ORDER BY 1;
SELECT DISTINCT class FROM apikey._privileges() ORDER BY 1;

-- everything says what it is
SELECT 'function ' || p.oid::regprocedure AS no_comment FROM pg_proc p WHERE pronamespace = 'apikey'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL
UNION ALL
SELECT 'relation ' || c.relname FROM pg_class c JOIN member m ON m.objid = c.oid AND m.classid = 'pg_class'::regclass WHERE c.relkind IN ('r', 'p', 'v') AND obj_description(c.oid, 'pg_class') IS NULL
UNION ALL
SELECT 'type ' || t.typname FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c' WHERE t.typnamespace = 'apikey'::regnamespace AND obj_description(t.oid, 'pg_type') IS NULL
UNION ALL
SELECT 'column ' || c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'apikey'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'c') AND NOT c.relispartition AND col_description(c.oid, a.attnum) IS NULL;

-- nothing outside the schema, nothing in it that is not ours but partitions
SELECT pg_describe_object(m.classid, m.objid, 0) AS outside FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid WHERE c.relnamespace <> 'apikey'::regnamespace;
SELECT p.oid::regprocedure AS stranger FROM pg_proc p WHERE p.pronamespace = 'apikey'::regnamespace AND p.oid NOT IN (SELECT objid FROM member WHERE classid = 'pg_proc'::regclass);
