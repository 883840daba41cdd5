-- ---------------------------------------------------------------------------
-- Refreshing and recounting rollups by hand, and how long they are kept.
-- ---------------------------------------------------------------------------

-- The tables that hold rows of usage, with what is counted of them.
CREATE FUNCTION apikey._rollup_leaves(OUT leaf regclass, OUT ends_at timestamptz, OUT counted_at timestamptz, OUT grown boolean)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	RETURN QUERY
	SELECT t.relid, l.ends_at, s.counted_at, s.bytes IS DISTINCT FROM pg_relation_size(t.relid)
	FROM pg_partition_tree('apikey.usage') t
		JOIN pg_class c ON c.oid = t.relid AND c.relkind = 'r'
		LEFT JOIN apikey._usage_leaves() l ON l.leaf = t.relid
		LEFT JOIN apikey.rollup_state s ON s.leaf_oid = t.relid
			AND s.home = 'apikey.usage'::regclass AND s.system_identifier = apikey._system_identifier()
	WHERE pg_relation_size(t.relid) > 0
	ORDER BY s.counted_at NULLS FIRST, l.ends_at DESC;
END
$$;

-- Counts the leaf that waits longest, and goes on to the next one while there
-- was nothing to count.  A leaf whose time is over and that has not grown waits
-- ten times as long: a late row may have found room in it, but hardly ever.
-- What goes wrong with one leaf is noted and does not hold up the others.
CREATE FUNCTION apikey._task_rollups() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now timestamptz := apikey._now();
	every interval := apikey._setting('rollup_interval', '60s')::interval;
	next regclass;
	counted bigint := 0;
	state apikey.rollup_state;
BEGIN
	FOR next IN
		SELECT l.leaf FROM apikey._rollup_leaves() l
		WHERE l.counted_at IS NULL OR l.counted_at > now
			OR now - l.counted_at >= CASE WHEN l.grown OR l.ends_at IS NULL OR l.ends_at > now - interval '1 hour' THEN every ELSE 10 * every END
	LOOP
		BEGIN
			counted := apikey._count_leaf(next);
		EXCEPTION WHEN OTHERS THEN
			SELECT * INTO state FROM apikey._rollup_state(next, true);
			IF to_regclass(next::text) IS NOT NULL THEN
				IF state.error IS DISTINCT FROM SQLERRM THEN
					RAISE WARNING 'could not count the rows of %: %', next, SQLERRM;
				END IF;
				PERFORM apikey._set_rollup_state(next, state.seen, state.scan_from, coalesce(state.rows, 0), SQLERRM);
			END IF;
		END;
		EXIT WHEN counted > 0;
	END LOOP;
	RETURN counted;
END
$$;

-- Counts all that is new now; returns how many rows that were.
CREATE FUNCTION apikey.refresh_rollups() RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._refresh_rollups() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	counted bigint := 0;
	next regclass;
BEGIN
	IF NOT apikey._may('usage', NULL) THEN
		RAISE insufficient_privilege USING
			MESSAGE = 'permission denied to refresh rollups',
			DETAIL = 'It takes access "analyst" or more on all tenants.';
	END IF;
	LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
	FOR next IN SELECT l.leaf FROM apikey._rollup_leaves() l LOOP
		counted := counted + apikey._count_leaf(next);
	END LOOP;
	RETURN counted;
END
$$;

CREATE FUNCTION apikey._task_rollup_retention() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN 0;
END
$$;
