-- ---------------------------------------------------------------------------
-- What a change of a policy would have done to recorded traffic.
-- ---------------------------------------------------------------------------

-- The keys of a policy for which rows of usage in [since, until) would be
-- judged differently; ends early when so many are newly denied (0: never).
-- Compiling the plan of its scan takes longer than what it would save.
CREATE FUNCTION apikey._preview(policy_id bigint, rules apikey.policy_version, since timestamptz, until timestamptz, most bigint)
	RETURNS TABLE (
		key_id bigint,
		requests bigint,
		newly_denied bigint,
		newly_allowed bigint,
		by_code jsonb,
		allowed_by_code jsonb,
		examples jsonb
	)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 100 SET jit = off AS 'MODULE_PATHNAME', 'apikey_preview';

-- Raises AK003 if the rules would deny requests of the last seven days that
-- the rules in force accept, unless forced.
CREATE FUNCTION apikey._check_denials(policy_id bigint, rules apikey.policy_version, force boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most constant bigint := 1000;
	now timestamptz := apikey._now();
	today apikey.policy_version := apikey._rules_in_force(policy_id, now);
	denied bigint;
	keys bigint;
	codes text;
BEGIN
	PERFORM apikey._require(force, 'force');
	-- what no recorded request can depend on needs no look at them
	IF force OR
		(today.allowed_cidrs, today.denied_cidrs, today.allowed_endpoints, today.denied_endpoints,
		 today.access_hours, today.required_scopes, today.max_scopes, today.grace,
		 today.rate_limits, today.quotas)
		IS NOT DISTINCT FROM
		(rules.allowed_cidrs, rules.denied_cidrs, rules.allowed_endpoints, rules.denied_endpoints,
		 rules.access_hours, rules.required_scopes, rules.max_scopes, rules.grace,
		 rules.rate_limits, rules.quotas)
	THEN
		RETURN;
	END IF;
	SELECT sum(p.newly_denied), count(*) FILTER (WHERE p.newly_denied > 0),
		   (SELECT string_agg(c.code, ', ' ORDER BY c.code)
			FROM (SELECT DISTINCT jsonb_object_keys(q) AS code FROM unnest(array_agg(p.by_code)) q) c)
		INTO denied, keys, codes
		FROM apikey._preview(policy_id, rules, now - interval '7 days', now + interval '1 us', most) p;
	IF denied > 0 THEN
		RAISE SQLSTATE 'AK003' USING
			MESSAGE = format('the change would deny %s%s of the last 7 days that the rules in force accept',
							 CASE WHEN denied >= most THEN 'at least ' ELSE '' END,
							 CASE WHEN denied = 1 THEN '1 request' ELSE denied || ' requests' END),
			DETAIL = format('%s, of %s.', codes, CASE WHEN keys = 1 THEN '1 key' ELSE keys || ' keys' END),
			HINT = 'policy_preview() shows them; force => true makes the change all the same.';
	END IF;
END
$$;

-- Replays recorded requests under the rules in force and under the rules that
-- set_policy() with the same arguments would make.  Nothing is changed.
CREATE FUNCTION apikey.policy_preview(
	policy text,
	allowed_cidrs cidr[] DEFAULT NULL,
	denied_cidrs cidr[] DEFAULT NULL,
	allowed_endpoints text[] DEFAULT NULL,
	denied_endpoints text[] DEFAULT NULL,
	access_hours text[] DEFAULT NULL,
	required_scopes text[] DEFAULT NULL,
	max_scopes text[] DEFAULT NULL,
	default_ttl interval DEFAULT NULL,
	max_ttl interval DEFAULT NULL,
	idle_timeout interval DEFAULT NULL,
	grace interval DEFAULT NULL,
	rotate_every interval DEFAULT NULL,
	overlap interval DEFAULT NULL,
	rate_limits apikey.rate_limit[] DEFAULT NULL,
	quotas apikey.quota[] DEFAULT NULL,
	max_keys_per_owner integer DEFAULT NULL,
	priority integer DEFAULT NULL,
	on_leak text DEFAULT NULL,
	on_anomaly text DEFAULT NULL,
	recoverable boolean DEFAULT NULL,
	requires_approval boolean DEFAULT NULL,
	clear text[] DEFAULT NULL,
	since timestamptz DEFAULT NULL,
	until timestamptz DEFAULT NULL,
	tenant text DEFAULT NULL
) RETURNS TABLE (
	key_id bigint,
	name text,
	owner text,
	requests bigint,
	newly_denied bigint,
	newly_allowed bigint,
	by_code jsonb,
	allowed_by_code jsonb,
	examples jsonb
)
	LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 100 AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._policy_preview(
	policy text,
	allowed_cidrs cidr[],
	denied_cidrs cidr[],
	allowed_endpoints text[],
	denied_endpoints text[],
	access_hours text[],
	required_scopes text[],
	max_scopes text[],
	default_ttl interval,
	max_ttl interval,
	idle_timeout interval,
	grace interval,
	rotate_every interval,
	overlap interval,
	rate_limits apikey.rate_limit[],
	quotas apikey.quota[],
	max_keys_per_owner integer,
	priority integer,
	on_leak text,
	on_anomaly text,
	recoverable boolean,
	requires_approval boolean,
	clear text[],
	since timestamptz,
	until timestamptz,
	tenant text
) RETURNS TABLE (
	key_id bigint,
	name text,
	owner text,
	requests bigint,
	newly_denied bigint,
	newly_allowed bigint,
	by_code jsonb,
	allowed_by_code jsonb,
	examples jsonb
)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 100
	SET search_path = pg_catalog, pg_temp SET intervalstyle = 'postgres'
AS $$
DECLARE
	head apikey.policy := apikey._find_policy(policy, tenant, 'metadata');
	given jsonb := jsonb_strip_nulls(jsonb_build_object(
		'allowed_cidrs', allowed_cidrs, 'denied_cidrs', denied_cidrs,
		'allowed_endpoints', allowed_endpoints, 'denied_endpoints', denied_endpoints,
		'access_hours', access_hours, 'required_scopes', required_scopes, 'max_scopes', max_scopes,
		'default_ttl', default_ttl, 'max_ttl', max_ttl, 'idle_timeout', idle_timeout,
		'grace', grace, 'rotate_every', rotate_every, 'overlap', overlap,
		'rate_limits', rate_limits, 'quotas', quotas,
		'max_keys_per_owner', max_keys_per_owner, 'priority', priority,
		'on_leak', on_leak, 'on_anomaly', on_anomaly,
		'recoverable', recoverable, 'requires_approval', requires_approval));
	now timestamptz := apikey._now();
	-- the end is not included, the present is
	last timestamptz := coalesce(until, now + interval '1 us');
	first timestamptz := since;
	rules apikey.policy_version;
BEGIN
	IF NOT isfinite(first) OR NOT isfinite(last) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'since and until must be finite',
			HINT = 'Leave them out for the last 7 days.';
	END IF;
	first := coalesce(first, last - interval '7 days');
	IF first >= last THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'since must be before until',
			DETAIL = format('since is %s, until is %s.', first, last);
	END IF;
	rules := apikey._proposed_rules(apikey._rules_in_force(head.policy_id, now), given, clear);
	RETURN QUERY
		SELECT p.key_id, k.name, k.owner, p.requests, p.newly_denied, p.newly_allowed,
			   p.by_code, p.allowed_by_code, p.examples
		FROM apikey._preview(head.policy_id, rules, first, last, 0) p
			JOIN apikey.api_key k ON k.key_id = p.key_id
		ORDER BY p.newly_denied DESC, p.key_id;
END
$$;
