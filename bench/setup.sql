-- The keys of the benchmark, and the hot ones among them by text.
-- limits: 2 with two rate limits and a quota, so generous that nothing is
-- denied; 1 without the quota, 0 without any.
SET client_min_messages = warning;
CREATE SCHEMA bench;
CREATE EXTENSION apikey CASCADE;
SELECT apikey.create_tenant('bench');
SELECT :limits > 0 AS rate_limits, CASE WHEN :limits > 1 THEN 1 ELSE 0 END AS nquotas \gset
\if :rate_limits
SELECT apikey.create_policy('bench', 'standard',
	allowed_cidrs => '{198.51.100.0/24,203.0.113.0/24}', denied_endpoints => '{"* /admin/**"}',
	rate_limits => ARRAY[ROW('second', 1000000, '1 second', NULL, NULL),
		ROW('minute', 60000000, '1 minute', NULL, NULL)]::apikey.rate_limit[],
	quotas => (ARRAY[ROW('day', 1000000000000, 'day', NULL, NULL)]::apikey.quota[])[1 : :nquotas]);
\else
SELECT apikey.create_policy('bench', 'standard',
	allowed_cidrs => '{198.51.100.0/24,203.0.113.0/24}', denied_endpoints => '{"* /admin/**"}');
\endif
SELECT apikey.create_environment('bench', 'production', tag => 'live', default_policy => 'standard');
SELECT apikey.create_role('bench', 'clerk', '{orders:read,orders:write}');
SELECT apikey.ensure_partitions();
CREATE TABLE bench.known AS
	SELECT row_number() OVER (ORDER BY md5(key_id::text)) AS n, key, key_id
	FROM apikey.create_keys(:n, 'bench', 'production', name => 'k', owner => 'bench',
			roles => '{clerk}', endpoints => '{"GET,HEAD /v1/**"}', ttl => '90 days') k;
ALTER TABLE bench.known ADD PRIMARY KEY (n);
CREATE TABLE bench.hot AS
	SELECT n, key, key_id, 'key-' || n AS plain_key FROM bench.known WHERE n <= :hot;
VACUUM ANALYZE;
CHECKPOINT;
