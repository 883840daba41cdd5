-- What a careful application would write by hand: a hashed key behind a unique
-- index, one look-up with joins, the same checks in the same order as
-- apikey.verify() for this request, two rate counters and a quota counter, one
-- usage row in a table partitioned by day with indexes on key and tenant.  The
-- counters of a key are one row, changed in place by one statement that takes
-- all or nothing and says so.  They are windows and no buckets, and their row
-- is locked until the caller commits.  No rotation, no audit.
SET client_min_messages = warning;

CREATE TABLE bench.tenant (
	tenant_id	bigint PRIMARY KEY,
	name		text NOT NULL UNIQUE,
	suspended	boolean NOT NULL DEFAULT false
);
CREATE TABLE bench.policy (
	policy_id	bigint PRIMARY KEY,
	allowed_cidrs cidr[] NOT NULL DEFAULT '{}',
	denied_paths text[] NOT NULL DEFAULT '{}',
	per_second	bigint NOT NULL DEFAULT 1000000,
	per_minute	bigint NOT NULL DEFAULT 60000000,
	per_day		bigint NOT NULL DEFAULT 1000000000000
);
CREATE TABLE bench.api_key (
	key_id		bigint PRIMARY KEY,
	tenant_id	bigint NOT NULL REFERENCES bench.tenant,
	policy_id	bigint NOT NULL REFERENCES bench.policy,
	digest		bytea NOT NULL UNIQUE,
	owner		text,
	name		text,
	environment	text NOT NULL,
	scopes		text[] NOT NULL,
	methods		text[] NOT NULL,
	paths		text[] NOT NULL,
	not_before	timestamptz,
	expires_at	timestamptz,
	revoked_at	timestamptz,
	suspended	boolean NOT NULL DEFAULT false
);
CREATE TABLE bench.counter (
	key_id		bigint PRIMARY KEY REFERENCES bench.api_key,
	second		timestamptz NOT NULL DEFAULT '-infinity',
	in_second	bigint NOT NULL DEFAULT 0,
	minute		timestamptz NOT NULL DEFAULT '-infinity',
	in_minute	bigint NOT NULL DEFAULT 0,
	day			timestamptz NOT NULL DEFAULT '-infinity',
	in_day		bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
CREATE TABLE bench.usage (
	at			timestamptz NOT NULL DEFAULT clock_timestamp(),
	tenant_id	bigint,
	key_id		bigint,
	code		text NOT NULL,
	method		text,
	path		text,
	ip			inet
) PARTITION BY RANGE (at);
CREATE INDEX ON bench.usage (key_id, at);
CREATE INDEX ON bench.usage (tenant_id, at);
SELECT format('CREATE TABLE bench.usage_%s PARTITION OF bench.usage FOR VALUES FROM (%L) TO (%L)',
		to_char(day, 'YYYYMMDD'), day, day + interval '1 day')
	FROM generate_series(date_trunc('day', now()) - interval '1 day', now() + interval '2 days', '1 day') day \gexec

CREATE FUNCTION bench.verify(key text, required text[], ip inet, method text, path text)
	RETURNS TABLE (valid boolean, code text, key_id bigint, tenant text, owner text, name text, scopes text[], expires_at timestamptz)
	LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
	k record;
	answer text;
	now timestamptz := clock_timestamp();
	this_second timestamptz := date_trunc('second', now);
	this_minute timestamptz := date_trunc('minute', now);
	today timestamptz := date_trunc('day', now);
BEGIN
	SELECT a.*, t.name AS tenant, t.suspended AS tenant_suspended, p.allowed_cidrs, p.denied_paths,
		p.per_second, p.per_minute, p.per_day INTO k
	FROM bench.api_key a
		JOIN bench.tenant t ON t.tenant_id = a.tenant_id
		JOIN bench.policy p ON p.policy_id = a.policy_id
	WHERE a.digest = sha256(convert_to(verify.key, 'UTF8'));
	answer := CASE
		WHEN k.key_id IS NULL THEN 'NOT_FOUND'
		WHEN k.tenant_suspended THEN 'TENANT_SUSPENDED'
		WHEN k.revoked_at <= now THEN 'REVOKED'
		WHEN k.suspended THEN 'SUSPENDED'
		WHEN k.not_before > now THEN 'NOT_YET_VALID'
		WHEN k.expires_at <= now THEN 'EXPIRED'
		WHEN cardinality(k.allowed_cidrs) > 0 AND NOT coalesce(verify.ip <<= ANY (k.allowed_cidrs), false) THEN 'IP_DENIED'
		WHEN verify.path LIKE ANY (k.denied_paths) THEN 'ENDPOINT_DENIED'
		WHEN NOT (verify.method = ANY (k.methods) AND verify.path LIKE ANY (k.paths)) THEN 'ENDPOINT_DENIED'
		WHEN NOT k.scopes @> verify.required THEN 'INSUFFICIENT_SCOPE'
		ELSE 'VALID'
	END;
	IF answer = 'VALID' THEN
		UPDATE bench.counter c SET
			second = this_second, in_second = CASE WHEN c.second = this_second THEN c.in_second ELSE 0 END + 1,
			minute = this_minute, in_minute = CASE WHEN c.minute = this_minute THEN c.in_minute ELSE 0 END + 1,
			day = today, in_day = CASE WHEN c.day = today THEN c.in_day ELSE 0 END + 1
		WHERE c.key_id = k.key_id
			AND (c.second <> this_second OR c.in_second < k.per_second)
			AND (c.minute <> this_minute OR c.in_minute < k.per_minute)
			AND (c.day <> today OR c.in_day < k.per_day);
		IF NOT FOUND THEN
			answer := 'LIMITED';
		END IF;
	END IF;
	INSERT INTO bench.usage (at, tenant_id, key_id, code, method, path, ip)
	VALUES (now, k.tenant_id, k.key_id, answer, verify.method, verify.path, verify.ip);
	RETURN QUERY SELECT answer = 'VALID', answer, k.key_id, k.tenant, k.owner, k.name, k.scopes, k.expires_at;
END
$$;

INSERT INTO bench.tenant VALUES (1, 'bench');
INSERT INTO bench.policy VALUES (1, '{198.51.100.0/24,203.0.113.0/24}', '{/admin/%}');
INSERT INTO bench.api_key (key_id, tenant_id, policy_id, digest, owner, name, environment, scopes, methods, paths, expires_at)
	SELECT n, 1, 1, sha256(convert_to('key-' || n, 'UTF8')), 'bench', 'k-' || n, 'production',
		'{orders:read,orders:write}', '{GET,HEAD}', '{/v1/%}', now() + interval '90 days'
	FROM generate_series(1, :n) n;
INSERT INTO bench.counter (key_id) SELECT key_id FROM bench.api_key;
VACUUM ANALYZE;
CHECKPOINT;
