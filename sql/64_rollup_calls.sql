-- ---------------------------------------------------------------------------
-- Refreshing and recounting rollups by hand, and how long they are kept.
-- ---------------------------------------------------------------------------

-- The tables that hold rows of usage, with what is counted of them; looked up
-- without a lock of them.
CREATE FUNCTION apikey._rollup_leaves(OUT leaf regclass, OUT state apikey.rollup_state)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	RETURN QUERY
	WITH RECURSIVE part AS (
		SELECT 'apikey.usage'::regclass::oid AS oid
		UNION
		SELECT i.inhrelid FROM part p JOIN pg_inherits i ON i.inhparent = p.oid WHERE NOT i.inhdetachpending
	)
	SELECT p.oid::regclass, s
	FROM part p
		JOIN pg_class c ON c.oid = p.oid AND c.relkind = 'r'
		LEFT JOIN apikey.rollup_state s ON s.leaf_oid = p.oid
			AND s.home = 'apikey.usage'::regclass AND s.system_identifier = apikey._system_identifier()
	ORDER BY s.counted_at NULLS FIRST, p.oid DESC;
END
$$;

-- Where the range of a leaf ends; NULL: nowhere that is known.
CREATE FUNCTION apikey._leaf_end(leaf regclass) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
	SET datestyle = 'ISO, YMD' SET timezone = 'UTC'
AS $$
BEGIN
	RETURN (SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO [(]''([^'']+)''[)]')::timestamptz
			FROM pg_class c WHERE c.oid = leaf);
END
$$;

-- Who keeps others from counting, with a transaction that began before this
-- instant.
CREATE FUNCTION apikey._holds_up_rollups(since timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (
		SELECT format('%s, begun at %s', coalesce('process ' || l.pid, 'prepared transaction ' || quote_literal(p.gid)),
					  date_trunc('second', coalesce(a.xact_start, p.prepared)))
		FROM pg_locks l
			LEFT JOIN pg_stat_activity a ON a.pid = l.pid
			LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
				AND x.locktype = 'transactionid' AND x.mode = 'ExclusiveLock'
			LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
		WHERE l.locktype = 'relation' AND l.relation = 'apikey.rollup_state'::regclass AND l.granted
			AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
			AND l.mode = ANY ('{ShareUpdateExclusiveLock,ShareLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}')
			AND coalesce(a.xact_start, p.prepared) < since
		ORDER BY coalesce(a.xact_start, p.prepared) LIMIT 1);
END
$$;

-- Counts the leaf that waits longest, and goes on to the next one while there
-- was nothing to count.  A leaf whose time is over and that has not grown waits
-- ten times as long: a late row may have found room in it, but hardly ever.
-- What goes wrong with one leaf is noted and does not hold up the others.  This
-- goes by the clock on the wall; should it be turned back, all leaves are due.
-- While somebody else counts it leaves that to him: it must not wait for him when
-- it has already noted something of a leaf that he may come to.  Who does not come
-- to an end is named.
CREATE FUNCTION apikey._task_rollups() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
DECLARE
	now timestamptz := clock_timestamp();	-- not the clock of tests
	every interval := apikey._setting('rollup_interval', '60s')::interval;
	next record;
	size bigint;
	counted bigint := 0;
	other text;
BEGIN
	BEGIN
		LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
	EXCEPTION WHEN lock_not_available THEN
		other := apikey._holds_up_rollups(now - 3 * every);
		IF other IS NOT NULL THEN
			RAISE lock_not_available USING
				MESSAGE = format('nothing is counted because of a transaction that has called refresh_rollups() or locked rollup_state: %s', other),
				HINT = 'End that transaction.';
		END IF;
		RETURN 0;
	END;
	FOR next IN SELECT l.leaf AS part, (l.state).* FROM apikey._rollup_leaves() l LOOP
		CONTINUE WHEN next.counted_at <= now AND now - next.counted_at < every;
		BEGIN
			IF NOT apikey._try_lock(next.part) THEN
				RAISE lock_not_available USING MESSAGE = 'partition is locked';
			END IF;
			size := pg_relation_size(next.part);
			CONTINUE WHEN size = 0 AND next.error IS NULL
				OR size = next.bytes AND apikey._leaf_end(next.part) < now - interval '1 hour'
					AND next.counted_at <= now AND now - next.counted_at < 10 * every;
			counted := apikey._count_leaf(next.part);
		EXCEPTION WHEN OTHERS THEN
			PERFORM apikey._set_rollup_error(next.part, SQLERRM);
		END;
		EXIT WHEN counted > 0;
	END LOOP;
	RETURN counted;
END
$$;

-- Counts all that is new now; returns how many rows that were.  A leaf that
-- cannot be counted is told of and holds up no other.
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
	FOR next IN SELECT l.leaf FROM apikey._rollup_leaves() l WHERE pg_relation_size(l.leaf) > 0 LOOP
		counted := counted + coalesce(apikey._try_count(next), 0);
	END LOOP;
	RETURN counted;
END
$$;

-- Makes the sums of the hours of a time anew from the rows, and their days.
-- Only where all rows are still there: a partition that has as many as were
-- counted of it.  A day of which not all hours are kept is made of its rows, if
-- one partition holds it.  By force, what rows have been deleted or changed is
-- not looked at: the sums are those of the rows that are there now.
CREATE FUNCTION apikey.recount_rollups(since timestamptz, until timestamptz, force boolean DEFAULT false) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._recount_rollups(since timestamptz, until timestamptz, force boolean) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	first timestamptz;
	last timestamptz;
	next record;
	counted bigint := 0;
	hours timestamptz[] := '{}';
BEGIN
	PERFORM apikey._require_all_tenants('recount rollups');
	IF since IS NULL OR until IS NULL OR NOT isfinite(since) OR NOT isfinite(until) OR since >= until THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'invalid range of time to recount',
			DETAIL = 'It begins at a finite time and ends at a later one.';
	END IF;
	IF until > '294276-12-31 23:00+00' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'invalid range of time to recount',
			DETAIL = 'It ends before the last hour there is.';
	END IF;
	first := date_trunc('hour', since, 'UTC');
	last := date_trunc('hour', until - interval '1 microsecond', 'UTC') + interval '1 hour';
	LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
	FOR next IN
		SELECT l.leaf, coalesce(b.starts_at, '-infinity') AS starts_at, coalesce(b.ends_at, 'infinity') AS ends_at
		FROM apikey._rollup_leaves() l LEFT JOIN apikey._usage_leaves() b ON b.leaf = l.leaf
		WHERE (pg_relation_size(l.leaf) > 0 OR force) AND coalesce(b.starts_at, '-infinity') < last AND coalesce(b.ends_at, 'infinity') > first
		ORDER BY 2, 1
	LOOP
		DECLARE
			state apikey.rollup_state;
			mine timestamptz[];
			old timestamptz[];
			rows bigint;
			was bigint;
			now bigint;
		BEGIN
			PERFORM apikey._count_leaf(next.leaf);
			SELECT * INTO state FROM apikey._rollup_state(next.leaf, true);
			EXECUTE format($query$
				SELECT array_agg(h.hour), sum(h.rows)
				FROM (SELECT date_bin('1 hour', u.at, '2000-01-01 00:00+00') AS hour, count(*) AS rows
					  FROM ONLY %s u WHERE apikey._newly_seen(u.xmin, NULL, $1) GROUP BY 1) h$query$, next.leaf)
				INTO mine, rows USING state.seen;
			IF rows IS DISTINCT FROM state.rows AND force IS NOT TRUE THEN
				RAISE NOTICE 'what is counted of % stays as it is', next.leaf
					USING DETAIL = 'Rows of it have been deleted or changed since they were counted.';
				CONTINUE;
			END IF;
			mine := ARRAY(
				SELECT h.hour
				FROM (SELECT unnest(mine)
					  UNION
					  SELECT u.hour FROM apikey.usage_hourly u WHERE u.hour >= first AND u.hour < last) AS h (hour)
				WHERE h.hour >= first AND h.hour < last
					AND h.hour >= next.starts_at AND h.hour + interval '1 hour' <= next.ends_at
				ORDER BY h.hour);
			-- of a day that has begun before the first hour that is kept
			old := ARRAY(
				SELECT h.hour FROM unnest(mine) AS h (hour)
				WHERE date_trunc('day', h.hour, 'UTC') < apikey._rollup_start('hour')
					AND date_trunc('day', h.hour, 'UTC') >= greatest(first, next.starts_at, apikey._rollup_start('day'))
					AND date_trunc('day', h.hour, 'UTC') + interval '1 day' <= least(last, next.ends_at));
			mine := ARRAY(SELECT h.hour FROM unnest(mine) AS h (hour) WHERE h.hour >= apikey._rollup_start('hour'));

			SELECT coalesce(sum(u.calls), 0) INTO was FROM apikey.usage_hourly u WHERE u.hour = ANY (mine);
			DELETE FROM apikey.usage_hourly u WHERE u.hour = ANY (mine);
			DELETE FROM apikey.usage_daily u
			WHERE u.day = ANY (ARRAY(SELECT DISTINCT (h.hour AT TIME ZONE 'UTC')::date FROM unnest(old) AS h (hour)));
			now := apikey._count_rows(next.leaf, NULL, state.seen, NULL, mine, true, false);
			counted := counted + now;
			IF rows IS DISTINCT FROM state.rows THEN
				-- all of it was made of the rows, or some hours
				PERFORM apikey._set_rollup_state(next.leaf, state.seen, state.scan_from,
					CASE WHEN first <= next.starts_at AND last >= next.ends_at THEN coalesce(rows, 0)
						 ELSE greatest(state.rows - was + now, 0) END);
			END IF;
			IF cardinality(old) > 0 THEN
				PERFORM apikey._count_rows(next.leaf, NULL, state.seen, NULL, old, false, true);
			END IF;
			hours := hours || mine;
		END;
	END LOOP;
	PERFORM apikey._rebuild_days(apikey._whole_days(hours), NULL);
	PERFORM apikey._audit(NULL, 'usage.recount', 'usage', NULL,
						  jsonb_build_object('since', first, 'until', last, 'rows', counted, 'force', force IS TRUE));
	PERFORM apikey._event(NULL, 'usage.recount', NULL, jsonb_build_object('since', first, 'until', last, 'rows', counted, 'force', force IS TRUE));
	RETURN counted;
END
$$;

-- Deletes sums that are over their retention, in parts, and what is known of
-- partitions that are gone.
CREATE FUNCTION apikey._task_rollup_retention() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	most CONSTANT integer := 20000;
	first_hour CONSTANT timestamptz := apikey._rollup_start('hour');
	first_day CONSTANT timestamptz := apikey._rollup_start('day');
	total bigint := 0;
BEGIN
	IF first_hour > '-infinity' THEN
		DELETE FROM apikey.usage_hourly u WHERE u.ctid = ANY (ARRAY(
			SELECT h.ctid FROM apikey.usage_hourly h WHERE h.hour < first_hour LIMIT most));
		GET DIAGNOSTICS total = ROW_COUNT;
	END IF;
	IF total = 0 AND first_day > '-infinity' THEN
		DELETE FROM apikey.usage_daily u WHERE u.ctid = ANY (ARRAY(
			SELECT d.ctid FROM apikey.usage_daily d
			WHERE d.day < (first_day AT TIME ZONE 'UTC')::date LIMIT most));
		GET DIAGNOSTICS total = ROW_COUNT;
	END IF;
	IF total = 0 THEN
		PERFORM apikey._forget_endpoint_classes();
		DELETE FROM apikey.rollup_state s
		WHERE CASE WHEN s.home = 'apikey.usage'::regclass AND s.system_identifier = apikey._system_identifier()
				   THEN NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.leaf_oid)
				   -- until every partition that may have been restored is compared
				   ELSE NOT EXISTS (SELECT FROM apikey._rollup_leaves() l
									WHERE (l.state).seen IS NULL AND pg_relation_size(l.leaf) > 0) END;
	END IF;
	RETURN total;
END
$$;

CREATE VIEW apikey.stat_rollup WITH (security_invoker = true) AS
SELECT
	s.leaf,
	s.rows,
	s.counted_at,
	pg_catalog.pg_relation_size(s.leaf_oid) OPERATOR(pg_catalog.-) s.bytes AS grown,
	s.error
FROM apikey.rollup_state s JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) s.leaf_oid;

COMMENT ON FUNCTION apikey._rollup_leaves IS 'internal: the partitions that hold rows of usage, with what is counted of them';
COMMENT ON FUNCTION apikey._leaf_end IS 'internal: where the range of a partition ends';
COMMENT ON FUNCTION apikey._holds_up_rollups IS 'internal: who keeps others from counting rollups';
COMMENT ON FUNCTION apikey._task_rollups IS 'internal: counts new rows of usage into the rollups';
COMMENT ON FUNCTION apikey.refresh_rollups() IS 'counts all new rows of usage into the rollups; returns their number';
COMMENT ON FUNCTION apikey._refresh_rollups IS 'body of refresh_rollups()';
COMMENT ON FUNCTION apikey.recount_rollups(timestamptz, timestamptz, boolean) IS
	'makes the rollups of a time anew from the rows of usage; returns the number of rows';
COMMENT ON FUNCTION apikey._recount_rollups IS 'body of recount_rollups()';
COMMENT ON FUNCTION apikey._task_rollup_retention IS 'internal: deletes rollups that are over their retention';
COMMENT ON VIEW apikey.stat_rollup IS 'the partitions of usage, and what of them is counted in the rollups';
COMMENT ON COLUMN apikey.stat_rollup.leaf IS 'the partition';
COMMENT ON COLUMN apikey.stat_rollup.rows IS 'rows of it that are counted; rows that were deleted later stay counted';
COMMENT ON COLUMN apikey.stat_rollup.counted_at IS 'when new rows were looked for last';
COMMENT ON COLUMN apikey.stat_rollup.grown IS 'bytes the partition has grown by since';
COMMENT ON COLUMN apikey.stat_rollup.error IS 'why its rows could not be counted then; NULL when they were';
