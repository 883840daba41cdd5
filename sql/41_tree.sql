-- ---------------------------------------------------------------------------
-- The tree of tenants: changing and moving them, limits of a tenant.
--
-- What must hold, whatever runs at the same time:
--   1. no cycle, at most 16 levels, at most 16 limits of tenants on a path;
--   2. a key that is being made counts for the tenants that are above it when
--      it commits;
--   3. the policy of a key, and the default policy of an environment, belong to
--      its tenant or to one above.
--
-- How.  Whoever depends on the ancestors of a tenant holds its row first
-- (_hold_tenant, FOR KEY SHARE) and reads them only then.  A move locks all
-- rows it takes along FOR UPDATE, so it waits for those that are on their way
-- and sees what they made; who comes later waits for the move.  It also changes
-- these rows: a REPEATABLE READ transaction whose snapshot is older fails to
-- serialize instead of reading the old ancestors.  The move itself runs in READ
-- COMMITTED only, for with an old snapshot it would not see the keys it waited
-- for.
--
-- Moves, and changes of tenants' limits, come one after another
-- (_lock('tenants'), before any row): the rows they lock would keep the tree
-- sound alone, but two opposite moves could deadlock.  A change of limits also
-- changes the root's row, again for those whose snapshot is older.
--
-- Locks of rows: those of the moved tenants from the leaves to the root.  That
-- is against the order of all others, and for their sake: who makes a key holds
-- its tenant and then changes ancestors that have a limit, from the root down
-- (_lock_limits).  The move must not hold such an ancestor while it waits for
-- one below, and waits for all below first.  Then the new ancestors, from the
-- root down.
-- ---------------------------------------------------------------------------

-- Keeps the tenant where it is in the tree, and all above it, until the end of
-- the transaction.
CREATE FUNCTION apikey._hold_tenant(tenant_id bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM FROM apikey.tenant t WHERE t.tenant_id = _hold_tenant.tenant_id FOR KEY SHARE;
END
$$;

-- For changes that must not cross each other in one tree.  The root's row
-- changes for those whose snapshot is older.
CREATE FUNCTION apikey._lock_tree(tenant_id bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._lock('tenants');
	UPDATE apikey.tenant t SET generation = t.generation + 1
		WHERE t.tenant_id = (SELECT c.tenant_id FROM apikey._tenant_chain(_lock_tree.tenant_id) c ORDER BY c.depth DESC LIMIT 1);
END
$$;

-- A tenant and all below it; depth 0 is the tenant itself, limits are those on
-- the path from it, its own included.
CREATE FUNCTION apikey._tenant_tree(start bigint) RETURNS TABLE (tenant_id bigint, depth integer, limits integer)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY
	WITH RECURSIVE tree AS (
		SELECT t.tenant_id, 0 AS depth, cardinality(t.rate_limits) + cardinality(t.quotas) AS limits
		FROM apikey.tenant t WHERE t.tenant_id = start
		UNION ALL
		SELECT t.tenant_id, p.depth + 1, p.limits + cardinality(t.rate_limits) + cardinality(t.quotas)
		FROM tree p JOIN apikey.tenant t ON coalesce(t.parent_id, 0) = p.tenant_id
		WHERE p.depth < 100
	)
	SELECT r.tenant_id, r.depth, r.limits FROM tree r;
END
$$;

-- Room below a tenant for so many levels, and for so many limits on one path.
-- What those above have is not the caller's to know.
CREATE FUNCTION apikey._check_tree(parent bigint, levels integer, limits integer) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	present record;
BEGIN
	SELECT count(*) AS levels, coalesce(sum(cardinality(t.rate_limits) + cardinality(t.quotas)), 0) AS limits INTO present
	FROM apikey._tenant_chain(parent) c JOIN apikey.tenant t ON t.tenant_id = c.tenant_id;
	IF present.levels + levels > 16 THEN
		RAISE program_limit_exceeded USING
			MESSAGE = 'tenant tree is too deep',
			DETAIL = 'A tenant may have at most 15 ancestors.';
	END IF;
	IF limits > 0 AND present.limits + limits > 16 THEN
		RAISE program_limit_exceeded USING
			MESSAGE = 'too many limits of tenants',
			DETAIL = 'A tenant and those above it may have at most 16 rate limits and quotas together.';
	END IF;
END
$$;

-- What a tenant is given is well-formed.
CREATE FUNCTION apikey._check_tenant(prefix text, max_keys bigint, max_keys_per_owner integer, settings jsonb,
	rate_limits apikey.rate_limit[], quotas apikey.quota[]) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
BEGIN
	IF NOT prefix ~ '^[a-z][a-z0-9]*(_[a-z0-9]+)*$' OR length(prefix) > 24 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid key prefix "%s"', apikey._shown(prefix)),
			DETAIL = 'A prefix is at most 24 of a-z, 0-9 and single "_" between them, and starts with a letter.';
	END IF;
	IF max_keys < 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'max_keys must not be negative';
	END IF;
	IF max_keys_per_owner < 0 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'max_keys_per_owner must not be negative';
	END IF;
	PERFORM apikey._check_json(settings, 'settings');
	IF jsonb_typeof(settings) <> 'object' THEN
		RAISE invalid_parameter_value USING MESSAGE = 'settings must be a JSON object';
	END IF;
	PERFORM apikey._check_limits(rate_limits, quotas);
	SELECT l.name INTO wrong FROM (
		SELECT r.name, r.shared FROM unnest(rate_limits) r UNION ALL SELECT q.name, q.shared FROM unnest(quotas) q) l
		WHERE l.shared <> 'tenant' LIMIT 1;
	IF FOUND THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid "shared" of "%s"', apikey._shown(wrong)),
			DETAIL = 'A limit of a tenant is shared by all keys of the tenant and below: leave it out, or give "tenant".';
	END IF;
END
$$;

-- Rights of what binds a tenant from above: whoever it binds must not lift it.
CREATE FUNCTION apikey._require_above(tenant_id bigint, action text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- a root tenant has NULL above it: all tenants
	IF NOT apikey._may('admin', (SELECT t.parent_id FROM apikey.tenant t WHERE t.tenant_id = _require_above.tenant_id)) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied to %s', action),
			DETAIL = 'It takes access "admin" on its parent, for a tenant without one on all tenants.';
	END IF;
END
$$;

-- What an audit row keeps of a tenant.
CREATE FUNCTION apikey._tenant_json(t apikey.tenant) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN jsonb_strip_nulls(jsonb_build_object('prefix', t.prefix, 'max_keys', t.max_keys,
			'max_keys_per_owner', t.max_keys_per_owner) || apikey._limits_json(t.rate_limits, t.quotas))
		|| jsonb_build_object('settings', t.settings);
END
$$;

-- A limit that is lowered takes effect from now on: what is used stays used,
-- keys that are too many stay.
CREATE FUNCTION apikey.update_tenant(
	tenant text,
	prefix text DEFAULT NULL,
	max_keys bigint DEFAULT NULL,
	max_keys_per_owner integer DEFAULT NULL,
	settings jsonb DEFAULT NULL,
	rate_limits apikey.rate_limit[] DEFAULT NULL,
	quotas apikey.quota[] DEFAULT NULL,
	clear text[] DEFAULT NULL
) RETURNS apikey.tenant_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._update_tenant(
	tenant text,
	prefix text,
	max_keys bigint,
	max_keys_per_owner integer,
	settings jsonb,
	rate_limits apikey.rate_limit[],
	quotas apikey.quota[],
	clear text[]
) RETURNS apikey.tenant_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
	given jsonb := jsonb_strip_nulls(jsonb_build_object('prefix', prefix, 'max_keys', max_keys,
		'max_keys_per_owner', max_keys_per_owner, 'settings', settings, 'rate_limits', rate_limits, 'quotas', quotas));
	t apikey.tenant;
	before jsonb;
	after jsonb;
BEGIN
	PERFORM apikey._check_clear(clear, ARRAY['prefix', 'max_keys', 'max_keys_per_owner', 'settings', 'rate_limits', 'quotas']);
	IF EXISTS (SELECT FROM unnest(clear) c WHERE given ? c) THEN
		RAISE invalid_parameter_value USING MESSAGE = 'a field cannot be both set and cleared';
	END IF;
	IF given ?| '{max_keys,max_keys_per_owner,rate_limits,quotas}' OR clear && '{max_keys,max_keys_per_owner,rate_limits,quotas}' THEN
		PERFORM apikey._require_above(tid, format('change limits of tenant "%s"', apikey._shown(tenant)));
	END IF;
	PERFORM apikey._check_tenant(prefix, max_keys, max_keys_per_owner, settings, rate_limits, quotas);

	-- A limit on its keys waits for those that are on their way: nobody counts
	-- under a new limit as long as there are some that he cannot see.  In the
	-- order of a move, and before an ancestor is held.
	IF given ?| '{max_keys,max_keys_per_owner}' THEN
		IF given ?| '{rate_limits,quotas}' THEN
			PERFORM apikey._lock('tenants');
		END IF;
		PERFORM FROM apikey.tenant o WHERE o.tenant_id = tid FOR UPDATE;
	END IF;
	IF given ?| '{rate_limits,quotas}' THEN
		PERFORM apikey._lock_tree(tid);
	END IF;
	SELECT * INTO t FROM apikey.tenant o WHERE o.tenant_id = tid FOR NO KEY UPDATE;
	before := apikey._tenant_json(t);
	t.prefix := CASE WHEN 'prefix' = ANY (clear) THEN 'ak' ELSE coalesce(prefix, t.prefix) END;
	t.max_keys := CASE WHEN 'max_keys' = ANY (clear) THEN NULL ELSE coalesce(max_keys, t.max_keys) END;
	t.max_keys_per_owner := CASE WHEN 'max_keys_per_owner' = ANY (clear) THEN NULL
		ELSE coalesce(max_keys_per_owner, t.max_keys_per_owner) END;
	t.settings := CASE WHEN 'settings' = ANY (clear) THEN '{}' ELSE coalesce(settings, t.settings) END;
	t.rate_limits := CASE WHEN 'rate_limits' = ANY (clear) THEN '{}' ELSE coalesce(rate_limits, t.rate_limits) END;
	t.quotas := CASE WHEN 'quotas' = ANY (clear) THEN '{}' ELSE coalesce(quotas, t.quotas) END;
	-- together with those that stay
	PERFORM apikey._check_limits(t.rate_limits, t.quotas);
	PERFORM apikey._check_budget_quotas(tid, t.quotas);
	after := apikey._tenant_json(t);
	IF before = after THEN
		RETURN apikey._tenant_info(tid);
	END IF;
	UPDATE apikey.tenant o SET prefix = t.prefix, max_keys = t.max_keys, max_keys_per_owner = t.max_keys_per_owner,
		settings = t.settings, rate_limits = t.rate_limits, quotas = t.quotas
	WHERE o.tenant_id = tid;
	IF given ?| '{rate_limits,quotas}' THEN
		PERFORM apikey._check_tree(t.parent_id, 0, (SELECT max(b.limits) FROM apikey._tenant_tree(tid) b));
	END IF;
	PERFORM apikey._audit(tid, 'tenant.update', 'tenant:' || tid, apikey._changes(before, after), apikey._changes(after, before));
	PERFORM apikey._event(tid, 'tenant.update', NULL, jsonb_build_object('tenant', apikey._path(tid),
		'changed', ARRAY(SELECT jsonb_object_keys(apikey._changes(after, before) || apikey._changes(before, after)) ORDER BY 1)));
	RETURN apikey._tenant_info(tid);
END
$$;

-- --- moving ----------------------------------------------------------------

-- Whether the caller may take a tenant from where it is to a new parent.  Asked
-- before any lock, so that a stranger holds up nobody, and again under them.
CREATE FUNCTION apikey._check_move(tid bigint, parent_tid bigint, tenant text, parent text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._require_access('admin', tid, format('tenant "%s"', apikey._shown(tenant)));
	PERFORM apikey._require_above(tid, format('move tenant "%s"', apikey._shown(tenant)));
	IF parent IS NULL THEN
		PERFORM apikey._require_all_tenants('move a tenant out of its parent');
	ELSE
		PERFORM apikey._require_access('admin', parent_tid, format('tenant "%s"', apikey._shown(parent)));
	END IF;
	IF EXISTS (
		SELECT FROM apikey._tenant_chain(tid) c JOIN apikey.tenant t ON t.tenant_id = c.tenant_id
		WHERE c.depth > 0 AND t.status = 'suspended' AND NOT apikey._may('admin', t.parent_id)
			AND NOT EXISTS (SELECT FROM apikey._tenant_chain(parent_tid) stays WHERE stays.tenant_id = c.tenant_id)) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied to move tenant "%s"', apikey._shown(tenant)),
			DETAIL = 'A tenant above it is suspended: only who could resume that one may move tenants out of it.';
	END IF;
END
$$;

-- Locks and changes the rows of a tenant and all below it, the deepest first,
-- until nothing new is met; see the head of this file.
CREATE FUNCTION apikey._lock_moved(tid bigint) RETURNS bigint[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	ids bigint[] := '{}';
	more bigint[];
	id bigint;
BEGIN
	LOOP
		SELECT array_agg(b.tenant_id ORDER BY b.depth DESC, b.tenant_id) INTO more
		FROM apikey._tenant_tree(tid) b WHERE b.tenant_id <> ALL (ids);
		EXIT WHEN more IS NULL;
		FOREACH id IN ARRAY more LOOP
			PERFORM FROM apikey.tenant t WHERE t.tenant_id = id FOR UPDATE;
		END LOOP;
		ids := ids || more;
	END LOOP;
	UPDATE apikey.tenant t SET generation = t.generation + 1 WHERE t.tenant_id = ANY (ids);
	RETURN ids;
END
$$;

-- Nothing of the moved tenants may use a policy of a tenant that they leave.
-- Keys that are revoked count: they can be restored.
CREATE FUNCTION apikey._check_moved_policies(moved bigint[], left_behind bigint[]) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	used record;
	living bigint;
	revoked bigint;
BEGIN
	SELECT p.policy_id, p.name, p.tenant_id, e.name AS environment, e.tenant_id AS user_id INTO used
	FROM apikey.policy p
		LEFT JOIN apikey.environment e ON e.default_policy_id = p.policy_id AND e.tenant_id = ANY (moved)
	WHERE p.tenant_id = ANY (left_behind)
		AND (e.environment_id IS NOT NULL
			 OR EXISTS (SELECT FROM apikey.api_key k WHERE k.policy_id = p.policy_id AND k.tenant_id = ANY (moved)))
	ORDER BY e.environment_id IS NULL, p.policy_id LIMIT 1;
	IF FOUND THEN
		SELECT count(*) FILTER (WHERE k.status <> 'revoked'), count(*) FILTER (WHERE k.status = 'revoked') INTO living, revoked
			FROM apikey.api_key k WHERE k.policy_id = used.policy_id AND k.tenant_id = ANY (moved);
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('policy "%s" would be out of reach', apikey._shown(used.name)),
			DETAIL = CASE WHEN used.environment IS NULL
				THEN format('It belongs to tenant "%s"; of the keys that would be moved %s living and %s revoked ones use it.',
							apikey._path(used.tenant_id), living, revoked)
				ELSE format('It belongs to tenant "%s" and is the default of environment "%s" of tenant "%s".',
							apikey._path(used.tenant_id), apikey._shown(used.environment), apikey._path(used.user_id)) END,
			HINT = CASE
				WHEN used.environment IS NOT NULL THEN 'Give it a policy of its own tenant with update_environment() first.'
				ELSE concat_ws(' ',
					CASE WHEN living > 0 THEN 'Give living keys a policy of their own tenant with update_key() first.' END,
					CASE WHEN revoked > 0 THEN 'Remove revoked keys with delete_key(), or restore and then change them.' END) END;
	END IF;
END
$$;

CREATE FUNCTION apikey.move_tenant(tenant text, parent text) RETURNS apikey.tenant_info
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._move_tenant(tenant text, parent text) RETURNS apikey.tenant_info
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
	parent_tid bigint := CASE WHEN parent IS NOT NULL THEN apikey._tenant_id(parent, 'admin') END;
	moved bigint[];
	was_above bigint[];
	above bigint[];
	was_parent bigint;
	step bigint;
	was text;
BEGIN
	PERFORM apikey._check_move(tid, parent_tid, tenant, parent);
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE invalid_transaction_state USING
			MESSAGE = 'move_tenant() needs the isolation level READ COMMITTED',
			DETAIL = 'An older snapshot would not show keys that are made at the same time.';
	END IF;

	PERFORM apikey._lock('tenants');
	moved := apikey._lock_moved(tid);
	-- another move may have come first
	PERFORM apikey._check_move(tid, parent_tid, tenant, parent);
	SELECT t.parent_id INTO was_parent FROM apikey.tenant t WHERE t.tenant_id = tid;
	SELECT array_agg(c.tenant_id) INTO was_above FROM apikey._tenant_chain(was_parent) c;
	SELECT array_agg(c.tenant_id ORDER BY c.depth DESC) INTO above FROM apikey._tenant_chain(parent_tid) c;
	IF parent_tid IS NOT DISTINCT FROM was_parent THEN
		RETURN apikey._tenant_info(tid);
	END IF;
	IF parent_tid = ANY (moved) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('tenant "%s" cannot be moved to tenant "%s"', apikey._shown(tenant), apikey._shown(parent)),
			DETAIL = 'It would be below itself.';
	END IF;
	FOREACH step IN ARRAY coalesce(above, '{}') LOOP
		UPDATE apikey.tenant t SET generation = t.generation + 1
			WHERE t.tenant_id = step AND (t.max_keys IS NOT NULL OR t.parent_id IS NULL);
	END LOOP;
	PERFORM apikey._hold_tenant(parent_tid);
	PERFORM apikey._check_tree(parent_tid, (SELECT max(b.depth) + 1 FROM apikey._tenant_tree(tid) b),
							   (SELECT max(b.limits) FROM apikey._tenant_tree(tid) b));
	PERFORM apikey._check_moved_class(tid, was_parent, parent_tid, tenant);
	PERFORM apikey._check_moved_policies(moved, ARRAY(SELECT unnest(was_above) EXCEPT SELECT unnest(above)));

	was := apikey._path(tid);
	BEGIN
		UPDATE apikey.tenant t SET parent_id = parent_tid WHERE t.tenant_id = tid;
	EXCEPTION WHEN unique_violation THEN
		RAISE duplicate_object USING
			MESSAGE = format('tenant "%s" already exists', apikey._shown(concat_ws('/', parent,
				(SELECT t.name FROM apikey.tenant t WHERE t.tenant_id = tid))));
	END;
	PERFORM apikey._check_max_keys(tid, 0, was_above || moved);
	PERFORM apikey._keep_prices(tid, was_parent);
	-- to each side its own: neither learns who the other is
	PERFORM apikey._audit(was_parent, 'tenant.move', 'tenant:' || tid, jsonb_build_object('tenant', was), NULL);
	PERFORM apikey._audit(tid, 'tenant.move', 'tenant:' || tid, NULL, jsonb_build_object('tenant', apikey._path(tid)));
	PERFORM apikey._event(was_parent, 'tenant.move', NULL, jsonb_build_object('was', was));
	PERFORM apikey._event(tid, 'tenant.move', NULL, jsonb_build_object('tenant', apikey._path(tid)));
	RETURN apikey._tenant_info(tid);
END
$$;
