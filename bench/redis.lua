-- The job of apikey.verify() as an application would do it in Redis: the key
-- record by digest, the same checks in the same order, two rate counters with
-- expiry, one quota counter, one entry in a bounded stream of usage.
-- ARGV: text of the key, scope, ip, method, path
local text, scope, ip, method, path = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local k = redis.call('HMGET', 'key:' .. redis.sha1hex(text),
	'id', 'tenant', 'tenant_status', 'status', 'environment', 'owner', 'name', 'expires', 'networks',
	'denied', 'methods', 'paths', 'scopes', 'per_second', 'per_minute', 'per_day')
local now = redis.call('TIME')
local second = tonumber(now[1])
local code = 'VALID'

local function inside()
	for network in string.gmatch(k[9], '%S+') do
		if string.sub(ip, 1, #network) == network then
			return true
		end
	end
	return false
end

if not k[1] then
	code = 'NOT_FOUND'
elseif k[3] ~= 'active' then
	code = 'TENANT_SUSPENDED'
elseif k[4] ~= 'active' then
	code = 'REVOKED'
elseif tonumber(k[8]) <= second then
	code = 'EXPIRED'
elseif not inside() then
	code = 'IP_DENIED'
elseif string.find(path, k[10]) or not string.find(k[11], ' ' .. method .. ' ', 1, true) or not string.find(path, k[12]) then
	code = 'ENDPOINT_DENIED'
elseif not string.find(k[13], ' ' .. scope .. ' ', 1, true) then
	code = 'INSUFFICIENT_SCOPE'
elseif k[14] then
	local counters = {
		{'s:' .. k[1] .. ':' .. second, k[14], 2, 'RATE_LIMITED'},
		{'m:' .. k[1] .. ':' .. math.floor(second / 60), k[15], 61, 'RATE_LIMITED'},
		{'q:' .. k[1] .. ':' .. math.floor(second / 86400), k[16], 86401, 'QUOTA_EXCEEDED'}
	}
	-- all or nothing: look at all of them before one is raised
	for _, c in ipairs(counters) do
		c[5] = tonumber(redis.call('GET', c[1]) or '0')
		if code == 'VALID' and c[5] >= tonumber(c[2]) then
			code = c[4]
		end
	end
	if code == 'VALID' then
		for _, c in ipairs(counters) do
			redis.call('INCR', c[1])
			if c[5] == 0 then
				redis.call('EXPIRE', c[1], c[3])
			end
		end
	end
end
if code ~= 'VALID' then
	redis.call('INCR', 'denied')
end
redis.call('XADD', 'usage', 'MAXLEN', '~', 100000, '*', 'tenant', k[2] or '', 'key', k[1] or '', 'code', code,
	'scope', scope, 'method', method, 'path', path, 'ip', ip)
return {code, k[1], k[2], k[5], k[6], k[7], k[13], k[8]}
