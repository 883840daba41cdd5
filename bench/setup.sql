-- The keys of the benchmark, and the hot ones among them by text.
SET client_min_messages = warning;
CREATE EXTENSION apikey CASCADE;
SELECT apikey.create_tenant('bench');
SELECT apikey.create_policy('bench', 'standard',
	allowed_cidrs => '{198.51.100.0/24,203.0.113.0/24}', denied_endpoints => '{"* /admin/**"}');
SELECT apikey.create_environment('bench', 'production', tag => 'live', default_policy => 'standard');
SELECT apikey.create_role('bench', 'clerk', '{orders:read,orders:write}');
SELECT apikey.ensure_partitions();
CREATE TABLE bench.hot AS
	SELECT row_number() OVER () AS n, key
	FROM (SELECT key, key_id FROM apikey.create_keys(:n, 'bench', 'production', name => 'k', owner => 'bench',
			roles => '{clerk}', endpoints => '{"GET,HEAD /v1/**"}', ttl => '90 days') ORDER BY md5(key_id::text)) k
	LIMIT :hot;
ALTER TABLE bench.hot ADD plain_key text;
UPDATE bench.hot SET plain_key = 'key-' || n;
VACUUM ANALYZE;
CHECKPOINT;
