-- ---------------------------------------------------------------------------
-- Policies as versions: history, difference, return to an earlier one, and the
-- keys that a version does not fit.  Environments: their default policy.
-- ---------------------------------------------------------------------------

-- A version of a policy by its number.
CREATE FUNCTION apikey._policy_version(head apikey.policy, version integer, what text) RETURNS apikey.policy_version
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rules apikey.policy_version;
BEGIN
	PERFORM apikey._require(version, what);
	SELECT * INTO rules FROM apikey.policy_version v
		WHERE v.policy_id = head.policy_id AND v.version = _policy_version.version;
	IF NOT FOUND THEN
		RAISE undefined_object USING
			MESSAGE = format('version %s of policy "%s" does not exist', version, apikey._shown(head.name)),
			DETAIL = format('The latest one is %s.', (SELECT max(v.version) FROM apikey.policy_version v WHERE v.policy_id = head.policy_id));
	END IF;
	RETURN rules;
END
$$;

-- The versions, the last to take effect first, each with the rules in which it
-- differs from the one that was in force before it.
CREATE FUNCTION apikey.policy_history(policy text, tenant text DEFAULT NULL)
	RETURNS TABLE (version integer, effective_at timestamptz, in_force boolean, author text, note text,
				   created_at timestamptz, changes jsonb, rules jsonb)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._policy_history(policy text, tenant text)
	RETURNS TABLE (version integer, effective_at timestamptz, in_force boolean, author text, note text,
				   created_at timestamptz, changes jsonb, rules jsonb)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	head apikey.policy := apikey._find_policy(policy, tenant, 'metadata');
	present integer := (apikey._rules_in_force(head.policy_id, apikey._now())).version;
BEGIN
	RETURN QUERY
	WITH versions AS MATERIALIZED (
		SELECT v.version, v.effective_at, v.author, v.note, v.created_at, apikey._rules_json(v) AS rules
		FROM apikey.policy_version v WHERE v.policy_id = head.policy_id
	)
	SELECT v.version, v.effective_at, v.version = present, v.author, v.note, v.created_at,
		   apikey._changes(v.rules, coalesce(lag(v.rules) OVER timeline, apikey._rules_json(apikey._default_rules()))),
		   v.rules
	FROM versions v
	WINDOW timeline AS (ORDER BY v.effective_at, v.version)
	ORDER BY v.effective_at DESC, v.version DESC;
END
$$;

-- The rules in which two versions differ.
CREATE FUNCTION apikey.policy_diff(policy text, a integer, b integer, tenant text DEFAULT NULL)
	RETURNS TABLE (rule text, in_a jsonb, in_b jsonb)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._policy_diff(policy text, a integer, b integer, tenant text)
	RETURNS TABLE (rule text, in_a jsonb, in_b jsonb)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	head apikey.policy := apikey._find_policy(policy, tenant, 'metadata');
	rules_a jsonb := apikey._rules_json(apikey._policy_version(head, a, 'a'));
	rules_b jsonb := apikey._rules_json(apikey._policy_version(head, b, 'b'));
BEGIN
	RETURN QUERY
	SELECT r.name, rules_a -> r.name, rules_b -> r.name
	FROM unnest(apikey._rule_names()) WITH ORDINALITY r (name, place)
	WHERE rules_a -> r.name <> rules_b -> r.name
	ORDER BY r.place;
END
$$;

-- A new version with the rules of an earlier one: history does not change.
CREATE FUNCTION apikey.rollback_policy(
	policy text,
	version integer,
	tenant text DEFAULT NULL,
	note text DEFAULT NULL,
	effective_at timestamptz DEFAULT NULL,
	force boolean DEFAULT false
) RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._rollback_policy(
	policy text,
	version integer,
	tenant text,
	note text,
	effective_at timestamptz,
	force boolean
) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	head apikey.policy := apikey._find_policy(policy, tenant, 'admin');
	goal apikey.policy_version := apikey._policy_version(head, version, 'version');
	base apikey.policy_version := apikey._rules_in_force(head.policy_id, apikey._effective_from(effective_at));
BEGIN
	IF goal.version = base.version THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('version %s of policy "%s" is the one in force', version, apikey._shown(head.name)),
			HINT = 'policy_history() lists the versions.';
	END IF;
	-- checked again: a time zone may be gone
	RETURN apikey._change_policy('policy.rollback', head, base,
		apikey._proposed_rules(base, apikey._rules_json(goal), NULL), note, effective_at, force,
		jsonb_build_object('to', version));
END
$$;

-- Takes a version away before it takes effect: the rules before it go on.  Its
-- number is not given out again.
CREATE FUNCTION apikey.cancel_policy_version(
	policy text,
	version integer,
	tenant text DEFAULT NULL,
	note text DEFAULT NULL
) RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._cancel_policy_version(
	policy text,
	version integer,
	tenant text,
	note text
) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	head apikey.policy := apikey._find_policy(policy, tenant, 'admin');
	was apikey.policy_version;
	before apikey.policy_version;
	now timestamptz;
BEGIN
	PERFORM apikey._check_text(note, 'note', 1000);
	-- Locks as a change does, and writes: a change that waits, or that has an
	-- older snapshot, must not go on from the version that is taken away.
	UPDATE apikey.policy p SET latest_version = p.latest_version WHERE p.policy_id = head.policy_id;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('policy "%s" does not exist', apikey._shown(head.name));
	END IF;
	was := apikey._policy_version(head, version, 'version');
	now := apikey._now();
	-- and when the clock was set back, the first one is in force before its time
	IF was.effective_at <= now OR (apikey._rules_in_force(head.policy_id, now)).version = was.version THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('version %s of policy "%s" has taken effect', was.version, apikey._shown(head.name)),
			DETAIL = 'History does not change.',
			HINT = 'rollback_policy() makes a new version with the rules of an earlier one.';
	END IF;

	DELETE FROM apikey.policy_version v WHERE v.policy_id = head.policy_id AND v.version = was.version;
	before := apikey._rules_in_force(head.policy_id, was.effective_at);
	IF was.requires_approval AND NOT before.requires_approval THEN
		PERFORM apikey._require_step_up('take the approvals off a policy', apikey._in_production(head.policy_id));
	END IF;
	PERFORM apikey._audit(head.tenant_id, 'policy.cancel', 'policy:' || head.policy_id,
		jsonb_strip_nulls(jsonb_build_object('version', was.version, 'effective_at', was.effective_at,
			'author', was.author, 'note', was.note)) || jsonb_build_object('rules', apikey._rules_json(was)),
		jsonb_strip_nulls(jsonb_build_object('note', note)));
	PERFORM apikey._event(head.tenant_id, 'policy.cancel', NULL, jsonb_build_object(
		'policy_id', head.policy_id, 'name', head.name, 'version', was.version, 'effective_at', was.effective_at));
	RETURN was.version;
END
$$;

-- --- keys that a version does not fit ----------------------------------------

-- The living keys that obey a policy, their own or (not own) that of a key
-- above them.
CREATE FUNCTION apikey._bound_keys(policy_id bigint, now timestamptz, grace interval, OUT own bigint[], OUT others bigint[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	SELECT coalesce(array_agg(k.key_id), '{}') INTO own
	FROM apikey.api_key k
	WHERE k.policy_id = _bound_keys.policy_id AND k.status <> 'revoked'
		AND coalesce(k.revoke_at, 'infinity') > now AND coalesce(k.expires_at + grace, 'infinity') > now;

	WITH RECURSIVE below AS (
		SELECT c.key_id FROM apikey.api_key c JOIN apikey.api_key k ON k.key_id = c.parent_key_id
		WHERE k.policy_id = _bound_keys.policy_id
		UNION
		SELECT c.key_id FROM below b JOIN apikey.api_key c ON c.parent_key_id = b.key_id
	)
	SELECT coalesce(array_agg(k.key_id), '{}') INTO others
	FROM below b JOIN apikey.api_key k ON k.key_id = b.key_id
	WHERE k.policy_id IS DISTINCT FROM _bound_keys.policy_id AND k.status <> 'revoked'
		AND coalesce(k.revoke_at, 'infinity') > now AND coalesce(k.expires_at + grace, 'infinity') > now;
END
$$;

-- Keys that the rules could not have been given to: their life, their number,
-- their limits, how they were made.
CREATE FUNCTION apikey._misfit_keys(rules apikey.policy_version, ids bigint[]) RETURNS TABLE (key_id bigint, rule text, detail text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF rules.max_ttl IS NOT NULL THEN
		RETURN QUERY
		SELECT k.key_id, 'max_ttl', 'it has no end' FROM unnest(ids) i JOIN apikey.api_key k ON k.key_id = i
		WHERE k.expires_at IS NULL
		UNION ALL
		SELECT k.key_id, 'max_ttl', format('it ends at %s', k.expires_at)
		FROM unnest(ids) i JOIN apikey.api_key k ON k.key_id = i
		-- the clock is read twice when a key is made
		WHERE k.expires_at > k.created_at + rules.max_ttl + interval '1 minute'
			-- its life counts from its last renewal, if there was one
			AND NOT EXISTS (SELECT FROM apikey.audit_log a
							WHERE a.object = 'key:' || k.key_id AND a.at + rules.max_ttl >= k.expires_at
								AND a.action = ANY ('{key.renew,key.approve}')
							OFFSET 0);
	END IF;
	IF rules.max_keys_per_owner IS NOT NULL THEN
		-- counted as for a new key; the youngest are too many
		RETURN QUERY
		SELECT n.key_id, 'max_keys_per_owner', format('its owner has %s keys', n.present)
		FROM (SELECT k.key_id, count(*) OVER of_owner AS present, row_number() OVER (of_owner ORDER BY k.key_id) AS place
			  FROM apikey.api_key k WHERE k.policy_id = rules.policy_id AND k.status <> 'revoked'
			  WINDOW of_owner AS (PARTITION BY k.tenant_id, k.owner)) n
		WHERE n.place > rules.max_keys_per_owner;
	END IF;
	IF rules.requires_approval THEN
		RETURN QUERY
		SELECT i, 'requires_approval', 'nobody approved it' FROM unnest(ids) i
		WHERE NOT EXISTS (SELECT FROM apikey.key_request r WHERE r.key_id = i AND r.decision = 'approved');
	END IF;
	IF cardinality(rules.rate_limits) + cardinality(rules.quotas) > 0 THEN
		RETURN QUERY
		SELECT n.key_id, CASE WHEN cardinality(rules.rate_limits) > 0 THEN 'rate_limits' ELSE 'quotas' END,
			   format('it has limits of %s names, together with those of the policy', n.present)
		FROM (SELECT k.key_id, (SELECT count(*) FROM (
						SELECT l.name FROM unnest(k.rate_limits) l UNION SELECT q.name FROM unnest(k.quotas) q
						UNION
						SELECT l.name FROM unnest(rules.rate_limits) l UNION SELECT q.name FROM unnest(rules.quotas) q
					) names) AS present
			  FROM unnest(ids) i JOIN apikey.api_key k ON k.key_id = i
			  WHERE k.rate_limits <> '{}' OR k.quotas <> '{}') n
		WHERE n.present > 8;
	END IF;
END
$$;

-- Keys with scopes that the rules cut off whole, and keys that lack a scope
-- the rules require: each key above must hold it, too, under its own policy.
CREATE FUNCTION apikey._misfit_scopes(rules apikey.policy_version, own bigint[], others bigint[])
	RETURNS TABLE (key_id bigint, rule text, detail text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF rules.max_scopes IS NOT NULL THEN
		RETURN QUERY
		SELECT k.key_id, 'max_scopes', format('outside: %s', (
			SELECT string_agg(s, ', ') FROM unnest(k.scopes) s WHERE NOT apikey._scopes_touch(ARRAY[s], rules.max_scopes)))
		FROM unnest(own || others) i JOIN apikey.api_key k ON k.key_id = i
		WHERE NOT apikey._scopes_touch(k.scopes, rules.max_scopes);
	END IF;
	IF cardinality(rules.required_scopes) > 0 THEN
		RETURN QUERY
		WITH RECURSIVE chain AS (
			SELECT i AS key_id, i AS link FROM unnest(own) i
			UNION
			SELECT c.key_id, k.parent_key_id FROM chain c JOIN apikey.api_key k ON k.key_id = c.link
			WHERE k.parent_key_id IS NOT NULL
		), links AS MATERIALIZED (
			SELECT DISTINCT c.link FROM chain c
		), bounds AS MATERIALIZED (
			SELECT p.policy_id, CASE WHEN p.policy_id = rules.policy_id THEN rules.max_scopes
									 ELSE (apikey._rules_in_force(p.policy_id, apikey._now())).max_scopes END AS max_scopes
			FROM (SELECT DISTINCT k.policy_id FROM links l JOIN apikey.api_key k ON k.key_id = l.link) p
		), held AS (
			SELECT k.key_id, k.policy_id, k.scopes || coalesce(r.scopes, '{}') AS scopes
			FROM links l
				JOIN apikey.api_key k ON k.key_id = l.link
				LEFT JOIN (SELECT kr.key_id, array_agg(s) AS scopes
						   FROM apikey.key_role kr JOIN apikey.role o ON o.role_id = kr.role_id, unnest(o.scopes) s
						   WHERE kr.key_id IN (SELECT l.link FROM links l)
						   GROUP BY kr.key_id) r ON r.key_id = k.key_id
		), lacking AS (
			SELECT h.key_id AS link, ARRAY(
				SELECT s FROM unnest(rules.required_scopes) s
				WHERE NOT (apikey._scopes_within(ARRAY[s], h.scopes)
						   AND coalesce(apikey._scopes_within(ARRAY[s], b.max_scopes), true))) AS scopes
			FROM held h LEFT JOIN bounds b ON b.policy_id = h.policy_id
			WHERE NOT (apikey._scopes_within(rules.required_scopes, h.scopes)
					   AND coalesce(apikey._scopes_within(rules.required_scopes, b.max_scopes), true))
		)
		SELECT c.key_id, 'required_scopes', format('not held: %s', string_agg(DISTINCT s, ', '))
		FROM lacking l JOIN chain c ON c.link = l.link, unnest(l.scopes) s
		GROUP BY c.key_id;
	END IF;
END
$$;

-- Keys whose own networks, or endpoints, and those of the rules have nothing in
-- common.  Each network or rule is judged once, however many keys name it.
CREATE FUNCTION apikey._misfit_requests(rules apikey.policy_version, ids bigint[])
	RETURNS TABLE (key_id bigint, rule text, detail text)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	anywhere CONSTANT cidr[] := '{0.0.0.0/0,::/0}';
	anything CONSTANT text[] := ARRAY['/' || '**'];
BEGIN
	IF cardinality(rules.allowed_cidrs) + cardinality(rules.denied_cidrs) > 0 THEN
		RETURN QUERY
		WITH named AS MATERIALIZED (
			SELECT k.key_id, n AS net
			FROM unnest(ids) i JOIN apikey.api_key k ON k.key_id = i,
				unnest(coalesce(nullif(k.cidrs, '{}'), anywhere)) n
		), judged AS MATERIALIZED (
			SELECT o.net, o.shut_by
			FROM (SELECT array_agg(d.net) FROM (SELECT DISTINCT n.net FROM named n) d) l (nets),
				unnest(l.nets, apikey._networks_shut(l.nets, rules.allowed_cidrs, rules.denied_cidrs)) o (net, shut_by)
		)
		SELECT n.key_id, max(o.shut_by) || '_cidrs', 'no request passes its networks and those of the policy'
		FROM named n JOIN judged o ON o.net = n.net
		GROUP BY n.key_id HAVING bool_and(o.shut_by IS NOT NULL);
	END IF;
	IF cardinality(rules.allowed_endpoints) + cardinality(rules.denied_endpoints) > 0 THEN
		RETURN QUERY
		WITH named AS MATERIALIZED (
			SELECT k.key_id, n AS endpoint
			FROM unnest(ids) i JOIN apikey.api_key k ON k.key_id = i,
				unnest(coalesce(nullif(k.endpoints, '{}'), anything)) n
		), judged AS MATERIALIZED (
			SELECT o.endpoint, o.shut_by
			FROM (SELECT array_agg(d.endpoint) FROM (SELECT DISTINCT n.endpoint FROM named n) d) l (endpoints),
				unnest(l.endpoints, apikey._endpoints_shut(l.endpoints, rules.allowed_endpoints, rules.denied_endpoints))
					o (endpoint, shut_by)
		)
		SELECT n.key_id, max(o.shut_by) || '_endpoints', 'no request passes its endpoint rules and those of the policy'
		FROM named n JOIN judged o ON o.endpoint = n.endpoint
		GROUP BY n.key_id HAVING bool_and(o.shut_by IS NOT NULL);
	END IF;
END
$$;

-- The keys that violate a version of their policy, by default the one in force:
-- one row for each rule.  Of networks and endpoints only what is proven.
CREATE FUNCTION apikey.policy_check(policy text, version integer DEFAULT NULL, tenant text DEFAULT NULL)
	RETURNS TABLE (key_id bigint, name text, owner text, environment text, rule text, detail text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
-- jit: what is to be read is estimated too high, and compiling takes longer than
-- running.  force_custom_plan: lists of ids have any length.
CREATE FUNCTION apikey._policy_check(policy text, version integer, tenant text)
	RETURNS TABLE (key_id bigint, name text, owner text, environment text, rule text, detail text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET jit = off SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
	head apikey.policy := apikey._find_policy(policy, tenant, 'metadata');
	now timestamptz := apikey._now();
	rules apikey.policy_version := CASE WHEN version IS NULL THEN apikey._rules_in_force(head.policy_id, now)
										ELSE apikey._policy_version(head, version, 'version') END;
	own bigint[];
	others bigint[];
BEGIN
	SELECT b.own, b.others INTO own, others FROM apikey._bound_keys(head.policy_id, now, rules.grace) b;
	RETURN QUERY
	SELECT k.key_id, k.name, k.owner, e.name, f.rule, f.detail
	FROM (SELECT * FROM apikey._misfit_keys(rules, own)
		  UNION ALL SELECT * FROM apikey._misfit_scopes(rules, own, others)
		  UNION ALL SELECT * FROM apikey._misfit_requests(rules, own || others)) f
		JOIN apikey.api_key k ON k.key_id = f.key_id
		JOIN apikey.environment e ON e.environment_id = k.environment_id
	ORDER BY k.key_id, array_position(apikey._rule_names(), f.rule);
END
$$;

-- --- environments ------------------------------------------------------------

-- Holds an environment as it is, for a key that is made in it; default_policy:
-- that the key got its policy from there, before.
CREATE FUNCTION apikey._share_environment(k apikey.api_key, default_policy boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	env apikey.environment;
BEGIN
	SELECT * INTO env FROM apikey.environment e WHERE e.environment_id = k.environment_id FOR KEY SHARE;
	IF default_policy AND env.default_policy_id IS DISTINCT FROM k.policy_id THEN
		RAISE serialization_failure USING
			MESSAGE = format('environment "%s" was given another default policy at the same time', apikey._shown(env.name)),
			HINT = 'Try again.';
	END IF;
END
$$;

CREATE FUNCTION apikey.update_environment(
	tenant text,
	environment text,
	tag text DEFAULT NULL,
	is_production boolean DEFAULT NULL,
	default_policy text DEFAULT NULL,
	requires_approval boolean DEFAULT NULL,
	clear text[] DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._update_environment(
	tenant text,
	environment text,
	tag text,
	is_production boolean,
	default_policy text,
	requires_approval boolean,
	clear text[]
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
	env apikey.environment := apikey._environment(tid, environment);
	was apikey.environment;
BEGIN
	PERFORM apikey._check_tag(tag);
	PERFORM apikey._check_clear(clear, ARRAY['default_policy']);
	IF default_policy IS NOT NULL AND 'default_policy' = ANY (clear) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'default_policy cannot be both set and cleared';
	END IF;

	IF default_policy IS NOT NULL THEN
		-- or a move of the tenant could part it from a policy that it is just given
		PERFORM apikey._hold_tenant(tid);
	END IF;
	-- FOR UPDATE: waits for those that make keys in it, and they for us
	SELECT * INTO was FROM apikey.environment e WHERE e.environment_id = env.environment_id FOR UPDATE;
	env := was;
	env.tag := coalesce(tag, env.tag);
	env.is_production := coalesce(is_production, env.is_production);
	env.requires_approval := coalesce(requires_approval, env.requires_approval);
	IF default_policy IS NOT NULL THEN
		env.default_policy_id := apikey._policy_id(tid, default_policy);
	ELSIF 'default_policy' = ANY (clear) THEN
		env.default_policy_id := NULL;
	END IF;
	IF env = was THEN
		RETURN env.environment_id;
	END IF;
	IF env.tag <> was.tag THEN
		IF current_setting('transaction_isolation') <> 'read committed' THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = 'the tag of an environment is changed in READ COMMITTED transactions only',
				DETAIL = 'Keys that were made since this one began are out of its sight.';
		END IF;
		IF EXISTS (SELECT FROM apikey.api_key k WHERE k.environment_id = env.environment_id) THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = format('environment "%s" has keys', apikey._shown(env.name)),
				DETAIL = 'Its tag is part of their texts.';
		END IF;
	END IF;
	IF was.is_production AND NOT env.is_production OR was.requires_approval AND NOT env.requires_approval THEN
		PERFORM apikey._require_step_up('take the protection off an environment', was.is_production);
	END IF;

	UPDATE apikey.environment e SET tag = env.tag, is_production = env.is_production,
		default_policy_id = env.default_policy_id, requires_approval = env.requires_approval
	WHERE e.environment_id = env.environment_id;
	PERFORM apikey._audit(tid, 'environment.update', 'environment:' || env.environment_id,
						  apikey._changes(to_jsonb(was), to_jsonb(env)), apikey._changes(to_jsonb(env), to_jsonb(was)));
	PERFORM apikey._event(tid, 'environment.update', NULL,
						  jsonb_build_object('environment_id', env.environment_id, 'name', env.name));
	RETURN env.environment_id;
END
$$;
