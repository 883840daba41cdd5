-- ---------------------------------------------------------------------------
-- Changes that may take a right away are told to every session that keeps
-- compiled keys, and are flushed at commit, whoever makes them and however
-- (src/sql_trigger.c, src/changes.h).  Inserting a tenant, environment, role,
-- key or secret takes nothing away and needs no trigger: nothing is kept of a
-- key that misses one.  The trigger reads no table, so that it may fire while
-- a dump is being restored.
--
-- A message names a relation, so there are relations to be named: one of 256
-- for a key, by a hash of its id, so that a change of one key leaves most
-- others alone; and one for the rows that many keys share.
-- ---------------------------------------------------------------------------

DO $$
BEGIN
	FOR i IN 0 .. 255 LOOP
		EXECUTE pg_catalog.format('CREATE TYPE apikey._change_%s AS ()', pg_catalog.lpad(i::pg_catalog.text, 3, '0'));
		EXECUTE pg_catalog.format('COMMENT ON TYPE apikey._change_%s IS %L', pg_catalog.lpad(i::pg_catalog.text, 3, '0'),
			'named in messages about changed keys; holds nothing');
	END LOOP;
END
$$;
CREATE TYPE apikey._change_all AS ();
COMMENT ON TYPE apikey._change_all IS 'named in messages about what many keys share; holds nothing';

CREATE FUNCTION apikey._flush_commit() RETURNS pg_catalog.trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_flush_commit';

-- Of one key: the argument names the column that holds its id.
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.api_key
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('key', 'key_id');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.api_key
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.api_key ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.api_key ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.key_secret
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('key', 'key_id');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.key_secret
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.key_secret ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.key_secret ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE INSERT OR UPDATE OR DELETE ON apikey.key_role
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('key', 'key_id');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.key_role
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.key_role ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.key_role ENABLE ALWAYS TRIGGER flush_row;

-- Of many keys.  Where columns are named, an UPDATE of others is nobody's
-- business: making a key counts tenant.generation up.
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.tenant
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('all', 'tenant_id', 'parent_id', 'name', 'status', 'rate_limits', 'quotas');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.tenant
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.tenant ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.tenant ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE INSERT OR UPDATE OR DELETE ON apikey.policy_version
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('all');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.policy_version
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.policy_version ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.policy_version ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.environment
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('all');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.environment
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.environment ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.environment ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.role
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('all');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.role
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.role ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.role ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE INSERT OR UPDATE OR DELETE ON apikey.ip_block
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('all');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.ip_block
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.ip_block ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.ip_block ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE INSERT OR UPDATE OR DELETE ON apikey.member
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('all');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.member
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.member ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.member ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE INSERT OR UPDATE OR DELETE ON apikey.keyring
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit('all');
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.keyring
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.keyring ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.keyring ENABLE ALWAYS TRIGGER flush_row;
