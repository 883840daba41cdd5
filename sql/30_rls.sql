-- ---------------------------------------------------------------------------
-- Row level security: on and forced on every table.
--
-- Members read, the functions write: there is no policy for INSERT, UPDATE or
-- DELETE, and none is granted.  Each sub-select is an InitPlan: membership is
-- looked up once per statement, not once per row.  Rows without a tenant are
-- for members of all tenants.  The leaves of usage copy the policy of their
-- parent (35_partitions.sql), because a policy on a partitioned table does not
-- protect its partitions.
-- ---------------------------------------------------------------------------

ALTER TABLE apikey.tenant ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_read ON apikey.tenant FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.policy ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY policy_read ON apikey.policy FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.policy_version ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY policy_version_read ON apikey.policy_version FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.environment ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY environment_read ON apikey.environment FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.role ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY role_read ON apikey.role FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.api_key ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY api_key_read ON apikey.api_key FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.key_role ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY key_role_read ON apikey.key_role FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

-- Holds the data keys: nobody reads it, whatever was granted by mistake.
ALTER TABLE apikey.keyring ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY keyring_none ON apikey.keyring USING (false);

-- Holds digests: SELECT is granted to nobody; the policy is the second fence.
ALTER TABLE apikey.key_secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY key_secret_read ON apikey.key_secret FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.key_activity ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY key_activity_read ON apikey.key_activity FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.ip_block ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY ip_block_read ON apikey.ip_block FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.member ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY member_read ON apikey.member FOR SELECT USING (
	(SELECT apikey.sees_all('audit'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('audit'))::pg_catalog.int8[]));

ALTER TABLE apikey.event ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY event_read ON apikey.event FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

ALTER TABLE apikey.audit_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY audit_log_read ON apikey.audit_log FOR SELECT USING (
	(SELECT apikey.sees_all('audit'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('audit'))::pg_catalog.int8[]));

ALTER TABLE apikey.usage ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_read ON apikey.usage FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]));

ALTER TABLE apikey.quota_state ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY quota_state_read ON apikey.quota_state FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]));

ALTER TABLE apikey.limit_state ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY limit_state_read ON apikey.limit_state FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]));

ALTER TABLE apikey.limit_ledger ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY limit_ledger_read ON apikey.limit_ledger FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]));

ALTER TABLE apikey.key_request ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY key_request_read ON apikey.key_request FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

-- Holds second factors: nobody reads it, whatever was granted by mistake.
ALTER TABLE apikey.member_totp ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY member_totp_none ON apikey.member_totp USING (false);
