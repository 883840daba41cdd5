-- ---------------------------------------------------------------------------
-- pg_dump leaves the rows of extension tables out unless told otherwise.  One
-- statement each: several in one SELECT fail ("tuple already updated by
-- self").  A test compares this list with the catalog.
-- ---------------------------------------------------------------------------

SELECT pg_catalog.pg_extension_config_dump('apikey.tenant', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.policy', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.policy_version', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.environment', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.role', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.api_key', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.key_role', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.keyring', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.key_request', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.member_totp', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.key_secret', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.key_activity', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.ip_block', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.member', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.event', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.audit_log', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.usage', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.quota_state', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.limit_state', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.limit_ledger', '');

SELECT pg_catalog.pg_extension_config_dump('apikey.tenant_tenant_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.policy_policy_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.environment_environment_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.role_role_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.api_key_key_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.key_secret_secret_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.ip_block_ip_block_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.member_member_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.event_event_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.audit_log_seq_seq', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.limit_ledger_ledger_id_seq', '');
