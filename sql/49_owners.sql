-- ---------------------------------------------------------------------------
-- Many keys at once: an owner's keys for a new owner, the end of an owner, the
-- end of all keys that meet a filter.  And a child that leaves its parent.
--
-- An owner is a text, there is no list of owners: one without keys cannot be
-- told from one that never was.
--
-- What must hold, whatever runs at the same time:
--   1. When one of these functions commits, no living key of the tenant is left
--      that it should have met.  A key that is made, restored or given to the
--      owner at the same time is met, or comes after: its audit row and event
--      have higher numbers than those of the function.
--   2. max_keys_per_owner of the tenant and of policies holds for a new owner.
--
-- How.  Whoever makes a key, restores one or changes its owner or policy holds
-- its tenant first (_lock_limits: FOR KEY SHARE, and a change of
-- tenant.generation where a limit counts).  These functions lock the tenant
-- FOR UPDATE, so they wait for those that are on their way and then see what
-- they made, as READ COMMITTED takes a new snapshot for each statement; who
-- comes later waits for them.  They change tenant.generation, too: creators in
-- REPEATABLE READ with an older snapshot fail to serialize instead of counting
-- old rows.  With an old snapshot of their own they would not see the keys they
-- waited for, so they run in READ COMMITTED only.
--
-- FOR KEY SHARE does not queue behind a waiting FOR UPDATE, so they get their
-- turn at a moment when nobody is making a key in the tenant: with creators that
-- never pause this may take some seconds.  A fair queue would need an advisory
-- lock, which anybody could take to stop a tenant.
--
-- Then policies FOR SHARE and keys, both ascending as everywhere: no two of
-- these functions, and nothing else, can wait for each other in one tenant.
-- Keys that are revoked one by one, without the tenant, are locked from the
-- parent down, which is ascending as well.
--
-- Audit and events: one row for each call, whatever the number of keys.
-- revoked_at in it names the batch, as created_at does for create_keys(): all
-- keys have that instant and reason, and restore_key() undoes it key by key.
-- A transfer leaves no such trace in the key, so it also writes an audit row
-- for each.
--
-- Statements look many keys up with = ANY of an array, in a plan that is made
-- for it: each id is one descent of the index, or the array becomes a hash
-- table, whatever the statistics say.  A join with the unnested array is one
-- bad estimate away from comparing every key with every id.
-- ---------------------------------------------------------------------------

-- Holds a tenant for a change of all keys in it that are to be met.
CREATE FUNCTION apikey._take_tenant(tenant_id bigint, what text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE invalid_transaction_state USING
			MESSAGE = format('%s needs the isolation level READ COMMITTED', what),
			DETAIL = 'An older snapshot would not show keys that are made at the same time.';
	END IF;
	PERFORM FROM apikey.tenant t WHERE t.tenant_id = _take_tenant.tenant_id FOR UPDATE;
	UPDATE apikey.tenant t SET generation = t.generation + 1 WHERE t.tenant_id = _take_tenant.tenant_id;
END
$$;

CREATE FUNCTION apikey._check_owner(owner text, what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- NULL is no owner: keys without one are not somebody's
	PERFORM apikey._require(owner, what);
	PERFORM apikey._check_text(owner, what, 500);
END
$$;

-- The keys of a tenant that are not revoked and meet every condition given,
-- ascending; with the descendants of all of them, if they are to come along.
CREATE FUNCTION apikey._matching_keys(tenant_id bigint, environment_id bigint, owner text, policy_id bigint, tag text,
	parent_key_id bigint, created_before timestamptz, descendants boolean) RETURNS bigint[]
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET enable_nestloop = off
AS $$
#variable_conflict use_column
DECLARE
	-- most tenants have none, and need no search for them
	family boolean := descendants AND EXISTS (
		SELECT FROM apikey.api_key k WHERE k.tenant_id = _matching_keys.tenant_id AND k.parent_key_id IS NOT NULL);
	ids bigint[];
BEGIN
	ids := ARRAY(
		SELECT k.key_id FROM apikey.api_key k
		WHERE k.tenant_id = _matching_keys.tenant_id AND k.status <> 'revoked'
			AND (_matching_keys.environment_id IS NULL OR k.environment_id = _matching_keys.environment_id)
			AND (_matching_keys.owner IS NULL OR k.owner = _matching_keys.owner)
			AND (_matching_keys.policy_id IS NULL OR k.policy_id = _matching_keys.policy_id)
			AND (_matching_keys.tag IS NULL OR _matching_keys.tag = ANY (k.tags))
			AND (_matching_keys.parent_key_id IS NULL OR k.parent_key_id = _matching_keys.parent_key_id)
			AND (_matching_keys.created_before IS NULL OR k.created_at < _matching_keys.created_before)
		ORDER BY k.key_id);
	IF family THEN
		-- through those that are revoked, like revoke_key()
		ids := ARRAY(
			WITH RECURSIVE child AS MATERIALIZED (
				SELECT k.key_id, k.parent_key_id, k.status FROM apikey.api_key k
				WHERE k.tenant_id = _matching_keys.tenant_id AND k.parent_key_id IS NOT NULL
			), tree AS (
				SELECT i AS id, 'active' AS status FROM unnest(ids) i
				UNION
				SELECT c.key_id, c.status FROM tree JOIN child c ON c.parent_key_id = tree.id
			)
			SELECT DISTINCT tree.id FROM tree WHERE tree.status <> 'revoked' ORDER BY 1);
	END IF;
	RETURN ids;
END
$$;

-- Revokes keys of a tenant that is held.
--
-- Ascending where a key has a parent, because revoke_key() locks more than one
-- key there: by the index.  Else in the order that is fastest.
--
-- The columns that are set to what they are have indexes.  For an index without
-- a column that is set PostgreSQL takes the new entry for another version of a
-- row it has, and looks in each full page for versions that are dead.  In one
-- transaction none is, and the search is a fifth of the time of a million keys.
CREATE FUNCTION apikey._revoke_ids(tid bigint, ids bigint[], now timestamptz, reason text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = on SET enable_bitmapscan = off SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	done bigint;
BEGIN
	IF EXISTS (SELECT FROM apikey.api_key k WHERE k.tenant_id = tid AND k.parent_key_id IS NOT NULL) THEN
		PERFORM set_config('enable_seqscan', 'off', true);
	END IF;
	UPDATE apikey.api_key t
		SET status = 'revoked', revoked_at = now, revoke_at = NULL, revoke_reason = reason,
			tenant_id = t.tenant_id, owner = t.owner, policy_id = t.policy_id, environment_id = t.environment_id
		WHERE t.key_id = ANY (ids) AND t.status <> 'revoked';
	GET DIAGNOSTICS done = ROW_COUNT;
	RETURN done;
END
$$;

-- Whether any of these keys belongs to a production environment.
CREATE FUNCTION apikey._any_production(ids bigint[], tenant_id bigint) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	production bigint[] := ARRAY(
		SELECT e.environment_id FROM apikey.environment e WHERE e.tenant_id = _any_production.tenant_id AND e.is_production);
BEGIN
	RETURN cardinality(production) > 0
		AND EXISTS (SELECT FROM apikey.api_key k WHERE k.key_id = ANY (ids) AND k.environment_id = ANY (production));
END
$$;

-- --- many keys -------------------------------------------------------------

-- All keys of one tenant that meet every condition given, with their
-- descendants.  dry_run counts them, and does nothing.
CREATE FUNCTION apikey.revoke_keys(
	tenant text,
	environment text DEFAULT NULL,
	owner text DEFAULT NULL,
	policy text DEFAULT NULL,
	tag text DEFAULT NULL,
	parent_key_id bigint DEFAULT NULL,
	created_before timestamptz DEFAULT NULL,
	reason text DEFAULT NULL,
	dry_run boolean DEFAULT false,
	everything boolean DEFAULT false
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._revoke_keys(
	tenant text,
	environment text,
	owner text,
	policy text,
	tag text,
	parent_key_id bigint,
	created_before timestamptz,
	reason text,
	dry_run boolean,
	everything boolean
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'keys');
	env_id bigint;
	pid bigint;
	parent apikey.api_key;
	filter jsonb := jsonb_strip_nulls(jsonb_build_object('environment', environment, 'owner', owner, 'policy', policy,
		'tag', tag, 'parent_key_id', parent_key_id, 'created_before', created_before));
	ids bigint[];
	now timestamptz;
	done bigint;
	note jsonb;
BEGIN
	PERFORM apikey._require(dry_run, 'dry_run');
	PERFORM apikey._require(everything, 'everything');
	PERFORM apikey._check_reason(reason);
	PERFORM apikey._check_text(owner, 'owner', 500);
	PERFORM apikey._check_text(tag, 'tag', 256);
	IF everything AND filter <> '{}' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'everything and a condition cannot both be given';
	ELSIF NOT everything AND filter = '{}' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'no condition was given',
			HINT = 'Give one, or everything => true for all keys of the tenant.';
	END IF;
	IF NOT isfinite(created_before) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'created_before must be a finite time';
	END IF;
	IF environment IS NOT NULL THEN
		env_id := (apikey._environment(tid, environment)).environment_id;
	END IF;
	IF policy IS NOT NULL THEN
		pid := apikey._policy_id(tid, policy);
	END IF;
	IF parent_key_id IS NOT NULL THEN
		parent := apikey._find_key(parent_key_id, 'keys');
		IF parent.tenant_id <> tid THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('key %s belongs to another tenant', parent_key_id),
				DETAIL = 'A child key has the tenant of its parent.';
		END IF;
	END IF;
	IF dry_run THEN
		RETURN cardinality(apikey._matching_keys(tid, env_id, owner, pid, tag, parent_key_id, created_before, true));
	END IF;

	PERFORM apikey._take_tenant(tid, 'revoke_keys()');
	ids := apikey._matching_keys(tid, env_id, owner, pid, tag, parent_key_id, created_before, true);
	PERFORM apikey._require_step_up('revoke production keys', apikey._any_production(ids, tid));
	now := apikey._now();
	done := apikey._revoke_ids(tid, ids, now, reason);
	IF done > 0 THEN
		note := filter || jsonb_strip_nulls(jsonb_build_object('keys', done, 'revoked_at', now, 'reason', reason,
			'everything', nullif(everything, false)));
		PERFORM apikey._audit(tid, 'key.revoke_many', 'tenant:' || tid, NULL, note);
		PERFORM apikey._event(tid, 'key.revoke_many', NULL, note);
	END IF;
	RETURN done;
END
$$;

-- --- owners ----------------------------------------------------------------

-- Gives keys of a tenant that is held a new owner, within the limits that hold
-- for him.  Where keys take an approval the owner is part of what was approved,
-- as in update_key().
CREATE FUNCTION apikey._transfer_ids(tid bigint, ids bigint[], owner text, new_owner text, reason text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off SET enable_bitmapscan = off SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	k apikey.api_key;
	part record;
	rules apikey.policy_version;
	is_admin boolean := apikey._may('admin', tid);
	environments bigint[] := ARRAY(
		SELECT e.environment_id FROM apikey.environment e WHERE e.tenant_id = tid AND e.requires_approval);
	policies bigint[] := '{}';
	now timestamptz := apikey._now();
	caller text := apikey._caller_name();
	done bigint;
BEGIN
	k.tenant_id := tid;
	k.owner := new_owner;
	PERFORM apikey._check_owner_keys(k, NULL, cardinality(ids));
	FOR part IN
		SELECT o.policy_id, count(*) AS n FROM apikey.api_key o
		WHERE o.key_id = ANY (ids) AND o.policy_id IS NOT NULL GROUP BY o.policy_id ORDER BY o.policy_id
	LOOP
		k.policy_id := part.policy_id;
		rules := apikey._share_policy(part.policy_id);
		PERFORM apikey._check_owner_keys(k, rules.max_keys_per_owner, part.n, false);
		IF rules.requires_approval THEN
			policies := policies || part.policy_id;
		END IF;
	END LOOP;
	SELECT * INTO k FROM apikey.api_key o
		WHERE o.key_id = ANY (ids) AND (o.environment_id = ANY (environments) OR o.policy_id = ANY (policies))
			AND (NOT is_admin OR apikey._asked_for(o.key_id))
		ORDER BY o.key_id LIMIT 1;
	IF FOUND THEN
		PERFORM apikey._require_approver(k, apikey._rules_in_force(k.policy_id, now));
	END IF;
	-- Ascending, by the index.  The owner is still theirs: whoever changes one
	-- holds the tenant.
	WITH given AS (
		UPDATE apikey.api_key t SET owner = new_owner
		WHERE t.key_id = ANY (ids) AND t.status <> 'revoked'
		RETURNING t.key_id
	)
	INSERT INTO apikey.audit_log (at, actor, session, tenant_id, action, object, before, after)
	SELECT now, caller, session_user, tid, 'key.update', 'key:' || g.key_id,
		   jsonb_build_object('owner', _transfer_ids.owner),
		   jsonb_strip_nulls(jsonb_build_object('owner', new_owner, 'reason', reason))
	FROM given g ORDER BY g.key_id;
	GET DIAGNOSTICS done = ROW_COUNT;
	RETURN done;
END
$$;

-- Every key of an owner that is not revoked gets a new one.
CREATE FUNCTION apikey.transfer_owner(
	tenant text,
	owner text,
	new_owner text,
	reason text DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._transfer_owner(
	tenant text,
	owner text,
	new_owner text,
	reason text
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'keys');
	ids bigint[];
	done bigint;
BEGIN
	PERFORM apikey._check_owner(owner, 'owner');
	PERFORM apikey._check_owner(new_owner, 'new_owner');
	PERFORM apikey._check_reason(reason);
	IF owner = new_owner THEN
		RAISE invalid_parameter_value USING MESSAGE = 'owner and new_owner are the same';
	END IF;
	PERFORM apikey._take_tenant(tid, 'transfer_owner()');
	ids := apikey._matching_keys(tid, NULL, owner, NULL, NULL, NULL, NULL, false);
	IF cardinality(ids) = 0 THEN
		RETURN 0;
	END IF;
	done := apikey._transfer_ids(tid, ids, owner, new_owner, reason);
	PERFORM apikey._audit(tid, 'owner.transfer', 'owner:' || owner, NULL,
		jsonb_strip_nulls(jsonb_build_object('new_owner', new_owner, 'keys', done, 'reason', reason)));
	PERFORM apikey._event(tid, 'owner.transfer', NULL,
		jsonb_strip_nulls(jsonb_build_object('owner', owner, 'new_owner', new_owner, 'keys', done, 'reason', reason)));
	RETURN done;
END
$$;

-- The end of an owner: no key of his stays alive.  Without a new owner they are
-- revoked, with their descendants, whoever owns those.
CREATE FUNCTION apikey.delete_owner(
	tenant text,
	owner text,
	transfer_to text DEFAULT NULL,
	reason text DEFAULT NULL
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._delete_owner(
	tenant text,
	owner text,
	transfer_to text,
	reason text
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'keys');
	ids bigint[];
	now timestamptz;
	done bigint;
	note jsonb;
BEGIN
	PERFORM apikey._check_owner(owner, 'owner');
	IF transfer_to IS NOT NULL THEN
		PERFORM apikey._check_owner(transfer_to, 'transfer_to');
	END IF;
	PERFORM apikey._check_reason(reason);
	IF owner = transfer_to THEN
		RAISE invalid_parameter_value USING MESSAGE = 'owner and transfer_to are the same';
	END IF;
	PERFORM apikey._take_tenant(tid, 'delete_owner()');
	ids := apikey._matching_keys(tid, NULL, owner, NULL, NULL, NULL, NULL, transfer_to IS NULL);
	IF cardinality(ids) = 0 THEN
		RETURN 0;
	END IF;
	IF transfer_to IS NOT NULL THEN
		done := apikey._transfer_ids(tid, ids, owner, transfer_to, reason);
	ELSE
		PERFORM apikey._require_step_up('revoke production keys', apikey._any_production(ids, tid));
		now := apikey._now();
		done := apikey._revoke_ids(tid, ids, now, reason);
	END IF;
	note := jsonb_strip_nulls(jsonb_build_object('transfer_to', transfer_to, 'keys', done, 'revoked_at', now, 'reason', reason));
	PERFORM apikey._audit(tid, 'owner.delete', 'owner:' || owner, NULL, note);
	PERFORM apikey._event(tid, 'owner.delete', NULL, jsonb_build_object('owner', owner) || note);
	RETURN done;
END
$$;

-- --- leaving a parent ------------------------------------------------------

-- Writes into a key on its way out what an ancestor binds it to, or raises
-- where the key cannot hold that.
CREATE FUNCTION apikey._freeze_bounds(k apikey.api_key, role_ids bigint[], rules apikey.policy_version, above apikey.api_key)
	RETURNS apikey.api_key
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF above.status NOT IN ('active', 'revoked') THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('parent key %s is %s', above.key_id, above.status),
			DETAIL = format('Without it key %s would be accepted.', k.key_id);
	END IF;
	IF above.policy_id IS DISTINCT FROM k.policy_id AND above.policy_id IS NOT NULL THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('key %s does not have the policy of its parent key %s', k.key_id, above.key_id),
			DETAIL = 'The rules of that policy bind the key as long as it has the parent.',
			HINT = 'Give it the policy with update_key() first.';
	END IF;
	IF cardinality(k.cidrs) = 0 THEN
		k.cidrs := above.cidrs;
	END IF;
	IF cardinality(k.endpoints) = 0 THEN
		k.endpoints := above.endpoints;
	END IF;
	PERFORM apikey._check_bounds(k, role_ids, NULL, above);
	k.not_before := greatest(k.not_before, above.not_before);
	-- a key without a policy has no grace, and the parent's end counts here
	k.expires_at := least(k.expires_at, above.expires_at -
		CASE WHEN above.policy_id IS NULL THEN coalesce(rules.grace, '0') ELSE interval '0' END);
	-- a limit of the parent goes on as the key's own, unless there is another
	-- one of that name, which it would replace
	SELECT l.name INTO wrong
	FROM (SELECT r.name, to_jsonb(r) AS limit FROM unnest(above.rate_limits) r
		  UNION ALL SELECT q.name, to_jsonb(q) FROM unnest(above.quotas) q) l
		LEFT JOIN (SELECT r.name, to_jsonb(r) AS limit FROM unnest(k.rate_limits) r
				   UNION ALL SELECT q.name, to_jsonb(q) FROM unnest(k.quotas) q) own ON own.name = l.name
		LEFT JOIN (SELECT r.name FROM unnest(rules.rate_limits) r
				   UNION ALL SELECT q.name FROM unnest(rules.quotas) q) shared ON shared.name = l.name
	WHERE CASE WHEN own.name IS NOT NULL THEN own.limit <> l.limit ELSE shared.name IS NOT NULL END
	LIMIT 1;
	IF FOUND THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('limit "%s" of parent key %s cannot go on', apikey._shown(wrong), above.key_id),
			DETAIL = format('Key %s or its policy has another one of that name.', k.key_id),
			HINT = 'Change the limits of the key with update_key() first.';
	END IF;
	k.rate_limits := k.rate_limits || ARRAY(SELECT r FROM unnest(above.rate_limits) r
		WHERE NOT EXISTS (SELECT FROM unnest(k.rate_limits) o WHERE o.name = r.name));
	k.quotas := k.quotas || ARRAY(SELECT q FROM unnest(above.quotas) q
		WHERE NOT EXISTS (SELECT FROM unnest(k.quotas) o WHERE o.name = q.name));
	RETURN k;
END
$$;

-- A child goes on without its parent and those above, within the bounds that
-- they set at that moment.
CREATE FUNCTION apikey.orphan_key(id bigint, reason text DEFAULT NULL) RETURNS apikey.key_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._orphan_key(id bigint, reason text) RETURNS apikey.key_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	k apikey.api_key := apikey._find_key(id, 'admin');
	was apikey.api_key;
	above apikey.api_key;
	next_id bigint;
	rules apikey.policy_version;
	role_ids bigint[];
	before jsonb;
	after jsonb;
BEGIN
	PERFORM apikey._check_reason(reason);
	rules := apikey._share_policy(k.policy_id);
	-- so that none of them is narrowed meanwhile
	PERFORM FROM apikey.api_key t
		WHERE t.key_id IN (
			WITH RECURSIVE chain AS (
				SELECT o.parent_key_id AS up FROM apikey.api_key o WHERE o.key_id = _orphan_key.id
				UNION ALL
				SELECT o.parent_key_id FROM chain JOIN apikey.api_key o ON o.key_id = chain.up
			)
			SELECT chain.up FROM chain)
		ORDER BY t.key_id FOR NO KEY UPDATE;
	was := apikey._lock_key(k);
	IF was.parent_key_id IS NULL THEN
		RETURN apikey._key_info(id);
	END IF;
	PERFORM apikey._require_approver(was, rules);
	k := was;
	role_ids := apikey._key_role_ids(id);
	next_id := k.parent_key_id;
	WHILE next_id IS NOT NULL LOOP
		SELECT * INTO above FROM apikey.api_key t WHERE t.key_id = next_id;
		k := apikey._freeze_bounds(k, role_ids, rules, above);
		next_id := above.parent_key_id;
	END LOOP;
	k.parent_key_id := NULL;
	PERFORM apikey._check_key(k);
	PERFORM apikey._check_limit_names(k, rules);
	UPDATE apikey.api_key t SET parent_key_id = NULL, cidrs = k.cidrs, endpoints = k.endpoints, not_before = k.not_before,
		expires_at = k.expires_at, rate_limits = k.rate_limits, quotas = k.quotas
	WHERE t.key_id = _orphan_key.id;
	before := apikey._key_json(was, role_ids);
	after := apikey._key_json(k, role_ids);
	PERFORM apikey._note_keys(ARRAY[id], 'key.orphan', apikey._changes(before, after),
		apikey._changes(after, before) || jsonb_strip_nulls(jsonb_build_object('left', was.parent_key_id, 'reason', reason)));
	RETURN apikey._key_info(id);
END
$$;
