-- One violation of each rule of catalog.sql.  The caller runs this in a
-- transaction, then catalog.sql, and expects every rule to speak.
CREATE FUNCTION apikey.planted_definer() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
CREATE FUNCTION apikey.planted_leakproof() RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT 1';
CREATE FUNCTION apikey.current_planted() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION apikey._planted(a int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION apikey.planted(a int) RETURNS int LANGUAGE c STABLE PARALLEL SAFE AS '$libdir/apikey', 'apikey_call';
CREATE FUNCTION apikey.planted_verify(a int) RETURNS int LANGUAGE c STABLE PARALLEL SAFE AS '$libdir/apikey', 'apikey_sql_verify';
CREATE FUNCTION apikey.planted_c(a text[]) RETURNS bool LANGUAGE c AS '$libdir/apikey', 'apikey_valid_scopes';
CREATE FUNCTION public.planted_outside() RETURNS int LANGUAGE sql AS 'SELECT 1';
-- looks before it checks; checks, but what a text and a comment say does not count
CREATE FUNCTION apikey.planted_looks(id bigint) RETURNS text LANGUAGE c VOLATILE AS '$libdir/apikey', 'apikey_call';
CREATE FUNCTION apikey._planted_looks(id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	found text := 'apikey._may()';	-- apikey._may()
BEGIN
	SELECT k.name INTO found FROM apikey.api_key k WHERE k.key_id = id;
	PERFORM apikey._require_all_tenants('x');
	RETURN found;
END $$;
CREATE FUNCTION apikey.planted_writes(id bigint) RETURNS text LANGUAGE c VOLATILE AS '$libdir/apikey', 'apikey_call';
CREATE FUNCTION apikey._planted_writes(id bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM apikey._audit(id, 'x', 'x', NULL, NULL), apikey._may('admin', id);
	RETURN 'x';
END $$;
CREATE FUNCTION apikey.planted_fine(id bigint) RETURNS text LANGUAGE c VOLATILE AS '$libdir/apikey', 'apikey_call';
CREATE FUNCTION apikey._planted_fine(id bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'keys');
BEGIN
	RETURN k.name;
END $$;
-- a finder that checks nothing
ALTER FUNCTION apikey._unblock_ip(bigint) RENAME TO _planted_unblock;
CREATE FUNCTION apikey._unblock_ip(id bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM apikey.ip_block b WHERE b.ip_block_id = id;
	RETURN found;
END $$;
CREATE TABLE apikey.planted (tenant_id int8, name text UNIQUE);
CREATE VIEW apikey.planted_view AS SELECT 1 AS a;
CREATE TYPE apikey.planted_type AS (a int);
CREATE POLICY planted_write ON apikey.tenant FOR INSERT WITH CHECK (true);
CREATE TRIGGER planted BEFORE INSERT ON apikey.tenant FOR EACH ROW EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger();
CREATE TABLE apikey.planted_leaf (LIKE apikey.usage);
ALTER TABLE apikey.usage ATTACH PARTITION apikey.planted_leaf DEFAULT;
CREATE INDEX planted_index ON ONLY apikey.usage (at);
CREATE ROLE regress_planted;
GRANT INSERT ON apikey.tenant TO regress_planted;
GRANT EXECUTE ON FUNCTION apikey._planted(int) TO regress_planted;
GRANT SELECT ON apikey.planted TO PUBLIC;
ALTER EXTENSION apikey ADD FUNCTION apikey.planted_definer();
ALTER EXTENSION apikey ADD FUNCTION apikey.planted_leakproof();
ALTER EXTENSION apikey ADD FUNCTION apikey.current_planted();
ALTER EXTENSION apikey ADD FUNCTION apikey._planted(int);
ALTER EXTENSION apikey ADD FUNCTION apikey.planted(int);
ALTER EXTENSION apikey ADD FUNCTION apikey.planted_verify(int);
ALTER EXTENSION apikey ADD FUNCTION apikey.planted_c(text[]);
ALTER EXTENSION apikey ADD FUNCTION public.planted_outside();
ALTER EXTENSION apikey ADD FUNCTION apikey.planted_looks(bigint);
ALTER EXTENSION apikey ADD FUNCTION apikey._planted_looks(bigint);
ALTER EXTENSION apikey ADD FUNCTION apikey.planted_writes(bigint);
ALTER EXTENSION apikey ADD FUNCTION apikey._planted_writes(bigint);
ALTER EXTENSION apikey ADD FUNCTION apikey.planted_fine(bigint);
ALTER EXTENSION apikey ADD FUNCTION apikey._planted_fine(bigint);
ALTER EXTENSION apikey ADD FUNCTION apikey._unblock_ip(bigint);
ALTER EXTENSION apikey ADD TABLE apikey.planted;
ALTER EXTENSION apikey ADD TABLE apikey.planted_leaf;
ALTER EXTENSION apikey ADD VIEW apikey.planted_view;
ALTER EXTENSION apikey ADD TYPE apikey.planted_type;
UPDATE pg_catalog.pg_extension SET extrelocatable = true WHERE extname = 'apikey';
