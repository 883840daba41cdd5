-- n more keys: rows like those that create_keys() makes, but for digests that
-- nobody has a text for.  Indexes are built at the end, foreign keys are taken
-- for granted.
SET client_min_messages = warning;
SET session_replication_role = replica;
SET maintenance_work_mem = '512MB';
SET max_parallel_maintenance_workers = 0;

UPDATE pg_index SET indisready = false
	WHERE indrelid IN ('apikey.api_key'::regclass, 'apikey.key_secret'::regclass, 'apikey.key_role'::regclass);
\c
SET session_replication_role = replica;

INSERT INTO apikey.api_key (tenant_id, environment_id, policy_id, owner, name, endpoints, expires_at, created_by)
	SELECT a.tenant_id, a.environment_id, a.policy_id, 'bench', 'k', a.endpoints, a.expires_at, a.created_by
	FROM (SELECT * FROM apikey.api_key LIMIT 1) a, generate_series(1, :n);
INSERT INTO apikey.key_role (key_id, role_id, tenant_id)
	SELECT a.key_id, r.role_id, a.tenant_id
	FROM apikey.api_key a, (SELECT * FROM apikey.role LIMIT 1) r
	WHERE a.key_id > (SELECT max(key_id) FROM bench.known);
INSERT INTO apikey.key_secret (key_id, tenant_id, keyring_id, digest, hint)
	SELECT a.key_id, a.tenant_id, r.keyring_id, sha256(int8send(a.key_id)), 'ak_live_0000...0000'
	FROM apikey.api_key a, (SELECT * FROM apikey.keyring LIMIT 1) r
	WHERE a.key_id > (SELECT max(key_id) FROM bench.known);

UPDATE pg_index SET indisready = true
	WHERE indrelid IN ('apikey.api_key'::regclass, 'apikey.key_secret'::regclass, 'apikey.key_role'::regclass);
\c
SET maintenance_work_mem = '512MB';
REINDEX TABLE apikey.api_key;
REINDEX TABLE apikey.key_role;
REINDEX TABLE apikey.key_secret;
VACUUM ANALYZE apikey.api_key;
VACUUM ANALYZE apikey.key_role;
VACUUM ANALYZE apikey.key_secret;
CHECKPOINT;
