-- Recorded usage of two weeks for bench/section_preview.sh: rows of the first
-- week are of keys with rate limits and a quota, those of the second week of
-- keys without.
SET client_min_messages = warning;
CREATE EXTENSION apikey CASCADE;
SELECT apikey.create_tenant('bench');
SELECT apikey.create_policy('bench', 'plain', denied_endpoints => '{"* /admin/**"}');
SELECT apikey.create_policy('bench', 'limited', denied_endpoints => '{"* /admin/**"}',
	rate_limits => ARRAY[ROW('minute', 60, '1 minute', NULL, NULL)]::apikey.rate_limit[],
	quotas => ARRAY[ROW('day', 100000, 'day', NULL, 'owner')]::apikey.quota[]);
SELECT apikey.create_environment('bench', 'production');
CREATE TABLE made AS
	SELECT p.policy, row_number() OVER (PARTITION BY p.policy ORDER BY key_id) - 1 AS n, k.key_id
	FROM unnest('{limited,plain}'::text[]) p (policy),
		apikey.create_keys(1000, 'bench', 'production', name => 'k', owner => 'o', policy => p.policy, scopes => '{orders:*,items:read}') k;
SELECT now() AS until \gset
SELECT apikey._ensure_partition_for(:'until'::timestamptz - interval '14 days', :'until');
SELECT format($$
	INSERT INTO apikey.usage (at, tenant_id, key_id, secret_id, environment_id, code, scope, method, endpoint, status, latency_us, units, ip, user_agent)
	SELECT %L::timestamptz + i * (interval '7 days' / %s), 1, m.key_id, m.key_id, 1, 'VALID',
		CASE WHEN i %% 16 = 0 THEN 'users:read' ELSE 'orders:read' END, CASE WHEN i %% 10 = 0 THEN 'POST' ELSE 'GET' END,
		'/v1/orders/' || i %% 10007, 200, 1000, 1, '198.51.0.0'::inet + (i %% 60013), 'curl/8.1'
	FROM generate_series(0::bigint, %s - 1) i JOIN made m ON m.policy = %L AND m.n = (i * 7919) %% 1000$$,
	:'until'::timestamptz - weeks * interval '7 days', :rows, :rows, policy)
FROM (VALUES (2, 'limited'), (1, 'plain')) v (weeks, policy) \gexec
VACUUM ANALYZE;
CREATE TABLE span AS SELECT :'until'::timestamptz AS until;
