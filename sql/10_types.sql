-- ---------------------------------------------------------------------------
-- Types that are part of the interface
-- ---------------------------------------------------------------------------

CREATE TYPE apikey.rate_limit AS (
	name		pg_catalog.text,
	requests	pg_catalog.int8,
	per			pg_catalog.interval,
	burst		pg_catalog.int8,
	shared		pg_catalog.text
);
COMMENT ON TYPE apikey.rate_limit IS
	'a rate limit of a policy, key or tenant: requests per interval, burst, and who shares the bucket (key, owner, tenant, policy)';

CREATE TYPE apikey.quota AS (
	name		pg_catalog.text,
	units		pg_catalog.int8,
	period		pg_catalog.text,
	timezone	pg_catalog.text,
	shared		pg_catalog.text
);
COMMENT ON TYPE apikey.quota IS
	'a quota of a policy, key or tenant: units per calendar period (hour, day, week, month, total) of a timezone';

CREATE TYPE apikey.verdict AS (
	valid		pg_catalog.bool,
	code		pg_catalog.text,
	http_status	pg_catalog.int4,
	key_id		pg_catalog.int8,
	secret_id	pg_catalog.int8,
	tenant		pg_catalog.text,
	environment	pg_catalog.text,
	owner		pg_catalog.text,
	name		pg_catalog.text,
	scopes		pg_catalog.text[],
	metadata	pg_catalog.jsonb,
	expires_at	pg_catalog.timestamptz,
	remaining	pg_catalog.int8,
	limit_name	pg_catalog.text,
	retry_after	pg_catalog.interval,
	detail		pg_catalog.text,
	warnings	pg_catalog.text[]
);
COMMENT ON TYPE apikey.verdict IS 'the answer of apikey.verify()';

CREATE TYPE apikey.key_info AS (
	key_id			pg_catalog.int8,
	tenant			pg_catalog.text,
	environment		pg_catalog.text,
	policy			pg_catalog.text,
	parent_key_id	pg_catalog.int8,
	owner			pg_catalog.text,
	name			pg_catalog.text,
	description		pg_catalog.text,
	status			pg_catalog.text,
	scopes			pg_catalog.text[],
	roles			pg_catalog.text[],
	tags			pg_catalog.text[],
	metadata		pg_catalog.jsonb,
	cidrs			pg_catalog.cidr[],
	endpoints		pg_catalog.text[],
	not_before		pg_catalog.timestamptz,
	expires_at		pg_catalog.timestamptz,
	revoke_at		pg_catalog.timestamptz,
	revoked_at		pg_catalog.timestamptz,
	revoke_reason	pg_catalog.text,
	created_at		pg_catalog.timestamptz,
	created_by		pg_catalog.text,
	last_used_at	pg_catalog.timestamptz,
	hints			pg_catalog.text[],
	rate_limits		apikey.rate_limit[],
	quotas			apikey.quota[]
);
COMMENT ON TYPE apikey.key_info IS
	'the state of one key as the management functions return it; holds no secret and no digest';
