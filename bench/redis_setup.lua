-- The key records, one hash each, found by the digest of the key's text.
for i = 0, tonumber(ARGV[1]) - 1 do
	local text = string.format('acme_live_%012d0123456789012345678901234567890', i)
	redis.call('HSET', 'key:' .. redis.sha1hex(text),
		'id', i, 'tenant', '1', 'tenant_status', 'active', 'status', 'active', 'environment', 'production',
		'owner', 'bench', 'name', 'k', 'expires', '4102444800', 'networks', '198.51.100. 203.0.113.',
		'denied', '^/admin/', 'methods', ' GET HEAD ', 'paths', '^/v1/', 'scopes', ' orders:read orders:write ',
		'per_second', '1000000', 'per_minute', '60000000', 'per_day', '1000000000000')
end
