-- ---------------------------------------------------------------------------
-- Changes that may take a right away are flushed at commit, whoever makes
-- them and however (src/sql_trigger.c).  Inserting a tenant, key or secret
-- takes nothing away and needs no trigger; inserting a version of a policy or
-- a blocked network does.  The trigger reads no table, so that it may fire
-- while a dump is being restored.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._flush_commit() RETURNS pg_catalog.trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_flush_commit';

CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.tenant
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.tenant
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.tenant ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.tenant ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE INSERT OR UPDATE OR DELETE ON apikey.policy_version
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.policy_version
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.policy_version ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.policy_version ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.role
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.role
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.role ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.role ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.api_key
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.api_key
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.api_key ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.api_key ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.key_role
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.key_role
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.key_role ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.key_role ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.key_secret
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.key_secret
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.key_secret ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.key_secret ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE INSERT OR UPDATE ON apikey.ip_block
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.ip_block ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.member
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.member
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.member ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.member ENABLE ALWAYS TRIGGER flush_row;
CREATE TRIGGER flush_row BEFORE UPDATE OR DELETE ON apikey.keyring
	FOR EACH ROW EXECUTE FUNCTION apikey._flush_commit();
CREATE TRIGGER flush_truncate BEFORE TRUNCATE ON apikey.keyring
	FOR EACH STATEMENT EXECUTE FUNCTION apikey._flush_commit();
ALTER TABLE apikey.keyring ENABLE ALWAYS TRIGGER flush_truncate;
ALTER TABLE apikey.keyring ENABLE ALWAYS TRIGGER flush_row;
