-- ---------------------------------------------------------------------------
-- Policies: a reusable rule set; each change is a new, immutable version.
-- The version in force at an instant is the one with the latest effective_at
-- not after it, of equals the highest number.
-- ---------------------------------------------------------------------------

-- The names of the rules: what create_policy() and set_policy() take.
CREATE FUNCTION apikey._rule_names() RETURNS text[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY['allowed_cidrs', 'denied_cidrs', 'allowed_endpoints', 'denied_endpoints', 'access_hours',
		'required_scopes', 'max_scopes', 'default_ttl', 'max_ttl', 'idle_timeout', 'grace', 'rotate_every',
		'overlap', 'rate_limits', 'quotas', 'max_keys_per_owner', 'priority', 'on_leak', 'on_anomaly',
		'recoverable', 'requires_approval'];
END
$$;

-- The rules of a policy that names none.  A test compares them with the
-- column defaults of policy_version.
CREATE FUNCTION apikey._default_rules() RETURNS apikey.policy_version
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rules apikey.policy_version;
BEGIN
	rules.allowed_cidrs := '{}';
	rules.denied_cidrs := '{}';
	rules.allowed_endpoints := '{}';
	rules.denied_endpoints := '{}';
	rules.access_hours := '{}';
	rules.required_scopes := '{}';
	rules.grace := '0';
	rules.overlap := '1 day';
	rules.rate_limits := '{}';
	rules.quotas := '{}';
	rules.priority := 0;
	rules.on_leak := 'notify';
	rules.on_anomaly := 'notify';
	rules.recoverable := false;
	rules.requires_approval := false;
	RETURN rules;
END
$$;

-- The rules of a row as an object, without the columns around them; the same
-- whatever the session's way to write intervals.
CREATE FUNCTION apikey._rules_json(rules apikey.policy_version) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp SET intervalstyle = 'postgres'
AS $$
BEGIN
	RETURN (SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(to_jsonb(rules)) e
			WHERE e.key = ANY (apikey._rule_names()));
END
$$;

-- Refuses rules that are malformed, contradict each other or are not
-- supported yet, before anything is written.
CREATE FUNCTION apikey._check_rules(rules apikey.policy_version) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unsupported text;
	what text;
	value interval;
BEGIN
	PERFORM apikey._check_networks(rules.allowed_cidrs, 'allowed_cidrs');
	PERFORM apikey._check_networks(rules.denied_cidrs, 'denied_cidrs');
	PERFORM apikey._check_endpoints(rules.allowed_endpoints, 'allowed_endpoints');
	PERFORM apikey._check_endpoints(rules.denied_endpoints, 'denied_endpoints');
	PERFORM apikey._check_hours(rules.access_hours, 'access_hours');
	PERFORM apikey._check_scopes(rules.required_scopes, 'required_scopes');
	PERFORM apikey._check_scopes(rules.max_scopes, 'max_scopes');

	FOR what, value IN VALUES ('default_ttl', rules.default_ttl), ('max_ttl', rules.max_ttl),
							  ('idle_timeout', rules.idle_timeout) LOOP
		PERFORM apikey._check_interval(value, what);
		IF value <= interval '0' THEN
			RAISE invalid_parameter_value USING MESSAGE = format('%s must be positive', what);
		END IF;
	END LOOP;
	FOR what, value IN VALUES ('grace', rules.grace), ('overlap', rules.overlap) LOOP
		PERFORM apikey._check_interval(value, what);
		IF value < interval '0' THEN
			RAISE invalid_parameter_value USING MESSAGE = format('%s must not be negative', what);
		END IF;
	END LOOP;
	IF rules.default_ttl > rules.max_ttl THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'default_ttl must not be longer than max_ttl',
			DETAIL = format('default_ttl is %s, max_ttl is %s.', rules.default_ttl, rules.max_ttl);
	END IF;
	IF rules.max_keys_per_owner < 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'max_keys_per_owner must not be negative';
	END IF;
	PERFORM apikey._check_limits(rules.rate_limits, rules.quotas);
	IF rules.priority NOT BETWEEN 0 AND 100 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'priority must be between 0 and 100',
			DETAIL = 'Under load, rate limits of keys with a low priority refill slower first.';
	END IF;
	IF rules.on_leak <> ALL ('{notify,suspend,revoke}') OR rules.on_anomaly <> ALL ('{notify,suspend,revoke}') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'invalid reaction to a leak or an anomaly',
			DETAIL = 'on_leak and on_anomaly are "notify", "suspend" or "revoke".';
	END IF;

	-- A rule that nothing enforces yet is refused, not silently ignored.
	unsupported := CASE
		WHEN rules.rotate_every IS NOT NULL THEN 'rotate_every'
		WHEN rules.on_leak <> 'notify' THEN 'on_leak'
		WHEN rules.on_anomaly <> 'notify' THEN 'on_anomaly'
		WHEN rules.recoverable THEN 'recoverable'
	END;
	IF unsupported IS NOT NULL THEN
		RAISE feature_not_supported USING
			MESSAGE = format('policy rule "%s" is not supported yet', unsupported),
			HINT = 'Leave it at its default.';
	END IF;
END
$$;

-- Stores the row of a new version.
CREATE FUNCTION apikey._add_policy_version(rules apikey.policy_version) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	INSERT INTO apikey.policy_version SELECT rules.*;
END
$$;

-- The policy of that name: the tenant's own, else the nearest ancestor's.
CREATE FUNCTION apikey._policy_id(tenant_id bigint, name text) RETURNS bigint
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id bigint;
BEGIN
	SELECT p.policy_id INTO id
	FROM apikey._tenant_chain(_policy_id.tenant_id) c
		JOIN apikey.policy p ON p.tenant_id = c.tenant_id
	WHERE p.name = _policy_id.name
	ORDER BY c.depth LIMIT 1;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('policy "%s" does not exist', apikey._shown(name));
	END IF;
	RETURN id;
END
$$;

-- The policy a caller names: the tenant's own one, or without a tenant the only
-- one of that name the caller may see.
CREATE FUNCTION apikey._find_policy(policy text, tenant text, class text) RETURNS apikey.policy
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	tid bigint;
	tids bigint[];
	matches apikey.policy[];
BEGIN
	IF tenant IS NOT NULL THEN
		tid := apikey._tenant_id(tenant, class);
	END IF;
	PERFORM apikey._require(policy, 'policy');
	IF tenant IS NOT NULL THEN
		matches := ARRAY(SELECT p FROM apikey.policy p WHERE p.tenant_id = tid AND p.name = policy);
	ELSE
		-- looked up whether or not somebody has a policy of that name: what is
		-- read tells nothing of others' policies
		tids := apikey._callers_tenants('metadata');
		matches := ARRAY(SELECT p FROM apikey.policy p WHERE p.tenant_id = ANY (tids) AND p.name = policy LIMIT 2);
	END IF;
	IF cardinality(matches) = 0 THEN
		RAISE undefined_object USING MESSAGE = format('policy "%s" does not exist', apikey._shown(policy));
	ELSIF cardinality(matches) > 1 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('policy "%s" exists in more than one tenant', apikey._shown(policy)),
			HINT = 'Give the argument tenant.';
	END IF;
	PERFORM apikey._require_access(class, matches[1].tenant_id, format('policy "%s"', apikey._shown(policy)));
	RETURN matches[1];
END
$$;

-- The version in force at an instant; NULL for a NULL policy.
CREATE FUNCTION apikey._rules_in_force(policy_id bigint, at timestamptz) RETURNS apikey.policy_version
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rules apikey.policy_version;
BEGIN
	SELECT * INTO rules FROM apikey.policy_version v
		WHERE v.policy_id = _rules_in_force.policy_id AND v.effective_at <= _rules_in_force.at
		ORDER BY v.effective_at DESC, v.version DESC LIMIT 1;
	IF NOT FOUND THEN
		-- the clock was set back: the first rules are better than none
		SELECT * INTO rules FROM apikey.policy_version v
			WHERE v.policy_id = _rules_in_force.policy_id
			ORDER BY v.effective_at, v.version LIMIT 1;
	END IF;
	RETURN rules;
END
$$;

-- The rules a change makes of others: those given are set, those named by clear
-- take their defaults.  Checked.  given holds rules by name, without nulls,
-- intervals in the style set here.
CREATE FUNCTION apikey._proposed_rules(base apikey.policy_version, given jsonb, clear text[]) RETURNS apikey.policy_version
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp SET intervalstyle = 'postgres'
AS $$
DECLARE
	rules apikey.policy_version;
BEGIN
	PERFORM apikey._check_clear(clear, apikey._rule_names());
	IF EXISTS (SELECT FROM unnest(clear) c WHERE given ? c) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a rule cannot be both set and cleared';
	END IF;
	rules := jsonb_populate_record(base, given || coalesce((
		SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(apikey._rules_json(apikey._default_rules())) e
		WHERE e.key = ANY (clear)), '{}'));
	PERFORM apikey._check_rules(rules);
	RETURN rules;
END
$$;

CREATE FUNCTION apikey.create_policy(
	tenant text,
	name text,
	description text DEFAULT NULL,
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
	note text DEFAULT NULL,
	idempotency_key text DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._create_policy(
	tenant text,
	name text,
	description text,
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
	note text,
	idempotency_key text
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET intervalstyle = 'postgres'
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
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
	request jsonb := jsonb_build_object('name', name, 'description', description, 'note', note, 'rules', given);
	rules apikey.policy_version;
	new_id bigint;
BEGIN
	PERFORM apikey._require(name, 'name');
	PERFORM apikey._check_text(name, 'name', 200);
	PERFORM apikey._check_text(description, 'description', 500);
	PERFORM apikey._check_text(note, 'note', 1000);
	PERFORM apikey._check_text(idempotency_key, 'idempotency_key', 200);
	rules := apikey._proposed_rules(apikey._default_rules(), given, NULL);

	INSERT INTO apikey.policy AS p (tenant_id, name, description, created_at)
	VALUES (tid, _create_policy.name, _create_policy.description, apikey._now())
	ON CONFLICT DO NOTHING
	RETURNING p.policy_id INTO new_id;
	IF new_id IS NULL THEN
		SELECT p.policy_id INTO new_id FROM apikey.policy p
			WHERE p.tenant_id = tid AND p.name = _create_policy.name;
		PERFORM apikey._require_repeated('policy.create', 'policy:' || new_id, idempotency_key, request,
										 format('policy "%s"', apikey._shown(name)));
		RETURN new_id;
	END IF;

	rules.policy_id := new_id;
	rules.version := 1;
	rules.tenant_id := tid;
	rules.effective_at := apikey._now();
	rules.author := apikey._caller_name();
	rules.note := note;
	rules.created_at := rules.effective_at;
	PERFORM apikey._add_policy_version(rules);
	PERFORM apikey._audit_create(tid, 'policy.create', 'policy:' || new_id, idempotency_key, request);
	PERFORM apikey._event(tid, 'policy.create', NULL, jsonb_build_object('policy_id', new_id, 'name', name));
	RETURN new_id;
END
$$;

-- When a version takes effect that is asked for at an instant; NULL is now.
CREATE FUNCTION apikey._effective_from(effective_at timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now timestamptz := apikey._now();
BEGIN
	-- a caller's now() is the start of its transaction, and clocks differ
	IF NOT isfinite(effective_at)
		OR effective_at < now - greatest(interval '1 minute', clock_timestamp() - transaction_timestamp()) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'effective_at must not be in the past',
			DETAIL = 'A version takes effect now or at a later time; history does not change.';
	END IF;
	RETURN greatest(effective_at, now);
END
$$;

-- Whether keys that are used in production obey a policy, their own or that of
-- a key above them.
CREATE FUNCTION apikey._in_production(policy_id bigint) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (
		WITH RECURSIVE bound AS (
			SELECT k.key_id, k.environment_id, k.status FROM apikey.api_key k WHERE k.policy_id = _in_production.policy_id
			UNION
			SELECT k.key_id, k.environment_id, k.status FROM bound b JOIN apikey.api_key k ON k.parent_key_id = b.key_id
		)
		SELECT FROM bound b JOIN apikey.environment e ON e.environment_id = b.environment_id
		WHERE e.is_production AND b.status <> 'revoked');
END
$$;

-- Warns of versions that are scheduled for after a change and were made from
-- rules without it: they will take it back.
CREATE FUNCTION apikey._warn_of_scheduled(head apikey.policy, change jsonb, effective_at timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	versions text;
BEGIN
	SELECT string_agg(format('From %s on, version %s has other values for %s.', v.effective_at, v.version, d.rules), ' '
					  ORDER BY v.effective_at, v.version) INTO versions
	FROM (-- of those at one instant the last
		  SELECT DISTINCT ON (s.effective_at) s.version, s.effective_at, apikey._rules_json(s) AS rules
		  FROM apikey.policy_version s
		  WHERE s.policy_id = head.policy_id AND s.effective_at > _warn_of_scheduled.effective_at
		  ORDER BY s.effective_at, s.version DESC) v,
		LATERAL (SELECT string_agg(e.key, ', ' ORDER BY array_position(apikey._rule_names(), e.key))
				 FROM jsonb_each(apikey._changes(change, v.rules)) e) d (rules)
	WHERE d.rules IS NOT NULL;
	IF versions IS NOT NULL THEN
		RAISE WARNING USING
			MESSAGE = format('versions of policy "%s" that are scheduled do not contain this change', apikey._shown(head.name)),
			DETAIL = versions,
			HINT = 'cancel_policy_version() takes away a version that is not in force yet; set_policy() with its effective_at makes the change there, too.';
	END IF;
END
$$;

-- Makes rules, which are those of base with a change, the next version of a
-- policy.  Returns its number, or that of base when nothing changes.
--
-- What the change does to recent traffic is looked at before the policy is
-- locked: that may take long, and create_key() waits for the lock.  So base is
-- compared again under the lock.
CREATE FUNCTION apikey._change_policy(action text, head apikey.policy, base apikey.policy_version, rules apikey.policy_version,
	note text, effective_at timestamptz, force boolean, details jsonb DEFAULT '{}') RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was jsonb := apikey._rules_json(base);
	becomes jsonb := apikey._rules_json(rules);
BEGIN
	PERFORM apikey._require(force, 'force');
	PERFORM apikey._check_text(note, 'note', 1000);
	IF was = becomes AND note IS NULL AND effective_at IS NULL THEN
		RETURN base.version;
	END IF;
	PERFORM apikey._check_denials(head.policy_id, rules, force);
	IF force THEN
		PERFORM apikey._require_step_up('force a policy change', apikey._in_production(head.policy_id));
	END IF;
	IF base.requires_approval AND NOT rules.requires_approval THEN
		PERFORM apikey._require_step_up('take the approvals off a policy', apikey._in_production(head.policy_id));
	END IF;

	-- one change at a time; create_key() holds the row against changes, too
	UPDATE apikey.policy p SET latest_version = p.latest_version + 1
		WHERE p.policy_id = head.policy_id RETURNING p.latest_version INTO rules.version;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('policy "%s" does not exist', apikey._shown(head.name));
	END IF;
	rules.created_at := apikey._now();
	rules.effective_at := greatest(effective_at, rules.created_at);
	IF (apikey._rules_in_force(head.policy_id, rules.effective_at)).version IS DISTINCT FROM base.version THEN
		RAISE serialization_failure USING
			MESSAGE = format('policy "%s" was changed at the same time', apikey._shown(head.name)),
			HINT = 'Try again.';
	END IF;
	rules.policy_id := head.policy_id;
	rules.tenant_id := head.tenant_id;
	rules.author := apikey._caller_name();
	rules.note := note;
	PERFORM apikey._add_policy_version(rules);
	PERFORM apikey._audit(head.tenant_id, action, 'policy:' || head.policy_id,
		jsonb_build_object('version', base.version, 'rules', apikey._changes(was, becomes)),
		jsonb_strip_nulls(details || jsonb_build_object('version', rules.version, 'effective_at', rules.effective_at,
			'note', note, 'force', nullif(force, false)))
			|| jsonb_build_object('rules', apikey._changes(becomes, was)));
	PERFORM apikey._warn_of_scheduled(head, apikey._changes(becomes, was), rules.effective_at);
	PERFORM apikey._event(head.tenant_id, action, NULL, details || jsonb_build_object(
		'policy_id', head.policy_id, 'name', head.name, 'version', rules.version, 'effective_at', rules.effective_at));
	RETURN rules.version;
END
$$;

-- A new version: the rules in force when it takes effect, with changes.  A
-- version that is scheduled for later stays scheduled, as it is.
CREATE FUNCTION apikey.set_policy(
	tenant text,
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
	note text DEFAULT NULL,
	effective_at timestamptz DEFAULT NULL,
	force boolean DEFAULT false
) RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._set_policy(
	tenant text,
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
	note text,
	effective_at timestamptz,
	force boolean
) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET intervalstyle = 'postgres'
AS $$
DECLARE
	-- the tenant has to be named
	tid CONSTANT bigint := apikey._tenant_id(tenant, 'admin');
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
	head apikey.policy := apikey._find_policy(policy, tenant, 'admin');
	base apikey.policy_version;
BEGIN
	base := apikey._rules_in_force(head.policy_id, apikey._effective_from(effective_at));
	RETURN apikey._change_policy('policy.set', head, base, apikey._proposed_rules(base, given, clear),
								 note, effective_at, force);
END
$$;
