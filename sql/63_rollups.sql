-- ---------------------------------------------------------------------------
-- Counting rows of usage into usage_hourly and usage_daily, each once.
--
-- Who stored a row does not matter: the writer, COPY, a DBA's INSERT, a
-- restore.  Nothing is written beside the row, no trigger runs; late rows and
-- rows of transactions that take hours are found like others.
--
-- The invariant.  For each leaf, rollup_state.seen is a set of transactions,
-- and usage_hourly and usage_daily hold exactly those rows of the leaf that a
-- transaction in the set has stored.  All three change in one transaction, so
-- a crash anywhere leaves them in step.
--
--   - A run adds to the set what has ended by now (_seen, src/seen.h) and
--     counts the rows whose xmin is in the new set but not in the old one.  A
--     transaction in the set has ended, so it stores no more rows.
--   - Subtransactions are transactions of their own here: an xmin may be one.
--     A snapshot may not know all running ones (more than 64 in one transaction):
--     then each id that is not in the set before is looked up.  The set is kept
--     as its bounds, so a transaction may have any number of subtransactions; where
--     there are more ids than can be looked up, or more gaps between them than can
--     be kept, what has ended among them waits until their transaction ends, too.
--     What came before them or comes after is counted.
--   - scan_from spares the run the pages that hold nothing new: the index of
--     class change_ops keeps for a range of pages when it was changed last, in
--     transaction ids (src/change_ops.c).  A row that is not in the set was
--     stored by an id from the first bound of seen on, and its page was changed later than
--     that.  One long transaction elsewhere would hold that bound back for
--     hours.  So it is also asked who may have stored rows in this leaf and
--     still runs: who holds a lock of it (_leaf_clock).  What others store is
--     to come, and will be later than the clock is now.
--   - A crash gives those ids out again of which the WAL knows nothing: of
--     transactions that were running and had written to temporary tables only.
--     So nothing above what the WAL is certain to know may be kept here.  An id
--     below seen's last bound is in the set only if it had ended, and the WAL had its
--     commit or abort before others could tell; that bound is the last of these and
--     one.  Without more, scan_from might be above: so it is at most that bound
--     or the run's own id and one, whichever is later; the WAL has the run's id
--     with its row of rollup_state.  The index may keep later times for a page:
--     then it is read once too often.
--   - Ranges without a summary are read each time: first of all, new ones are
--     summarised.  A leaf without such an index is read whole, each time.
--   - Runs come one after the other (_lock), so nobody adds to a set that
--     somebody else is adding to.
--
-- A row that is deleted stays counted; one that was changed counts again.  An
-- xmin of 32 bits stands for the last transaction it may stand for: a leaf that
-- still gets rows while four thousand million transactions are begun may lose
-- count of those.
--
-- A dump holds the sums and the rows, but in the restored table each row has
-- another xmin.  rollup_state knows the cluster and the table it speaks of; where
-- they are others, sums and rows are compared hour by hour (_adopt_leaf).
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._next_xid() RETURNS pg_catalog.int8
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_next_xid';
CREATE FUNCTION apikey._full_xid(xid pg_catalog.xid) RETURNS pg_catalog.int8
	LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_full_xid';
CREATE FUNCTION apikey._seen(before pg_catalog.int8[], clock pg_catalog.int8,
	OUT seen pg_catalog.int8[], OUT scan_from pg_catalog.int8)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_seen';
CREATE FUNCTION apikey._newly_seen(row_xmin pg_catalog.xid, before pg_catalog.int8[],
	seen pg_catalog.int8[]) RETURNS pg_catalog.bool
	LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_newly_seen';
CREATE FUNCTION apikey._summarize(leaf pg_catalog.regclass) RETURNS pg_catalog.bool
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_summarize';
CREATE FUNCTION apikey._try_lock(leaf pg_catalog.regclass) RETURNS pg_catalog.bool
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_try_lock';

CREATE FUNCTION apikey._change_opcinfo(internal) RETURNS internal
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_change_opcinfo';
CREATE FUNCTION apikey._change_add(internal, internal, internal, internal) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_change_add';
CREATE FUNCTION apikey._change_consistent(internal, internal, internal) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_change_consistent';
CREATE FUNCTION apikey._change_union(internal, internal, internal) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_change_union';
CREATE FUNCTION apikey._changed_since(at pg_catalog.timestamptz, xid pg_catalog.int8) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_changed_since';
CREATE OPERATOR apikey.@~ (
	LEFTARG = pg_catalog.timestamptz, RIGHTARG = pg_catalog.int8,
	FUNCTION = apikey._changed_since, RESTRICT = pg_catalog.contsel);
CREATE OPERATOR CLASS apikey.change_ops FOR TYPE pg_catalog.timestamptz USING brin AS
	OPERATOR 1 apikey.@~ (pg_catalog.timestamptz, pg_catalog.int8),
	FUNCTION 1 apikey._change_opcinfo(internal),
	FUNCTION 2 apikey._change_add(internal, internal, internal, internal),
	FUNCTION 3 apikey._change_consistent(internal, internal, internal),
	FUNCTION 4 apikey._change_union(internal, internal, internal);

-- What is counted, for each leaf.  home is the table usage, and system_identifier
-- the cluster, that oids and transactions are of.
CREATE TABLE apikey.rollup_state (
	leaf				pg_catalog.text NOT NULL,
	leaf_oid			pg_catalog.oid NOT NULL,
	home				pg_catalog.oid NOT NULL,
	system_identifier	pg_catalog.int8 NOT NULL,
	seen				pg_catalog.int8[],
	scan_from			pg_catalog.int8,
	rows				pg_catalog.int8 NOT NULL,
	bytes				pg_catalog.int8 NOT NULL,
	counted_at			pg_catalog.timestamptz NOT NULL,
	error				pg_catalog.text,
	PRIMARY KEY (leaf_oid, home, system_identifier)
);
ALTER TABLE apikey.rollup_state ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY rollup_state_read ON apikey.rollup_state FOR SELECT USING ((SELECT apikey.sees_all('metadata')));
SELECT pg_catalog.pg_extension_config_dump('apikey.rollup_state', '');

-- The state of a leaf; no row: it was never counted.  Not of this life: it is
-- that of a table of this name which was dumped, here or elsewhere; or of one
-- whose name no table has, so that this one may have had it.
CREATE FUNCTION apikey._rollup_state(leaf regclass, this_life boolean) RETURNS SETOF apikey.rollup_state
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 1 SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
DECLARE
	this_home CONSTANT oid := 'apikey.usage'::regclass;
	cluster CONSTANT bigint := apikey._system_identifier();
BEGIN
	RETURN QUERY SELECT * FROM apikey.rollup_state s
	WHERE CASE WHEN this_life THEN s.leaf_oid = _rollup_state.leaf
			   ELSE s.leaf = _rollup_state.leaf::text OR to_regclass(s.leaf) IS NULL END
		AND this_life = (s.home = this_home AND s.system_identifier = cluster);
END
$$;

CREATE FUNCTION apikey._set_rollup_state(leaf regclass, seen bigint[], scan_from bigint, rows bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
#variable_conflict use_column
DECLARE
	this_home CONSTANT oid := 'apikey.usage'::regclass;
	cluster CONSTANT bigint := apikey._system_identifier();
BEGIN
	INSERT INTO apikey.rollup_state VALUES (
		_set_rollup_state.leaf::text, _set_rollup_state.leaf, this_home, cluster,
		_set_rollup_state.seen, _set_rollup_state.scan_from, _set_rollup_state.rows,
		pg_relation_size(_set_rollup_state.leaf), clock_timestamp(), NULL)
	ON CONFLICT (leaf_oid, home, system_identifier) DO UPDATE SET
		leaf = excluded.leaf, seen = excluded.seen, scan_from = excluded.scan_from, rows = excluded.rows,
		bytes = excluded.bytes, counted_at = excluded.counted_at, error = NULL;
	DELETE FROM apikey.rollup_state s
	WHERE s.leaf = _set_rollup_state.leaf::text
		AND (s.home, s.system_identifier) IS DISTINCT FROM (this_home, cluster);
END
$$;

-- Notes why a leaf could not be counted; what is counted of it stays.
CREATE FUNCTION apikey._set_rollup_error(leaf regclass, error text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
#variable_conflict use_column
BEGIN
	IF to_regclass(_set_rollup_error.leaf::text) IS NULL THEN
		RETURN;		-- it was dropped meanwhile
	END IF;
	IF _set_rollup_error.error IS DISTINCT FROM (SELECT s.error FROM apikey._rollup_state(_set_rollup_error.leaf, true) s) THEN
		RAISE WARNING 'could not count the rows of %: %', _set_rollup_error.leaf, _set_rollup_error.error;
	END IF;
	INSERT INTO apikey.rollup_state VALUES (
		_set_rollup_error.leaf::text, _set_rollup_error.leaf, 'apikey.usage'::regclass, apikey._system_identifier(),
		NULL, NULL, 0, 0, clock_timestamp(), _set_rollup_error.error)
	ON CONFLICT (leaf_oid, home, system_identifier) DO UPDATE SET
		counted_at = excluded.counted_at, error = excluded.error;
END
$$;

-- A time, in transaction ids, such that whatever a transaction that still runs
-- has stored in the leaf so far was stored later.  The clock is read before the
-- locks.  Where a lock and its transaction do not match, because there is none
-- yet or it is being prepared at this moment, every transaction counts.
CREATE FUNCTION apikey._leaf_clock(leaf regclass) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	clock bigint := apikey._next_xid();
	oldest bigint;
BEGIN
	WITH locks AS MATERIALIZED (
			SELECT * FROM pg_locks l WHERE l.granted AND l.locktype = ANY ('{relation,transactionid}')),
		xids AS MATERIALIZED (
			SELECT l.virtualtransaction, min(apikey._full_xid(l.transactionid)) AS xid
			FROM locks l WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock'
			GROUP BY l.virtualtransaction),
		writers AS (
			SELECT x.xid
			FROM locks l LEFT JOIN xids x ON x.virtualtransaction = l.virtualtransaction
			WHERE l.locktype = 'relation' AND l.relation = _leaf_clock.leaf
				AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
				AND l.mode = ANY ('{RowExclusiveLock,ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'))
	SELECT CASE WHEN bool_or(w.xid IS NULL) THEN (SELECT min(x.xid) FROM xids x) ELSE min(w.xid) END
	INTO oldest FROM writers w;
	RETURN least(clock, oldest);
END
$$;

-- Sums of before this instant are not begun, and are deleted.
CREATE FUNCTION apikey._rollup_start(width text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	keep interval := CASE width WHEN 'hour' THEN apikey._setting('rollup_hourly_retention', '90d')
								ELSE apikey._setting('rollup_daily_retention', '800d') END::interval;
BEGIN
	RETURN CASE WHEN keep = interval '0' THEN '-infinity' ELSE date_trunc(width, apikey._now() - keep, 'UTC') END;
END
$$;

-- Whether there may be sums of these tenants of any time between two instants.
-- An old snapshot does not tell of those that were stored since.
CREATE FUNCTION apikey._rolled_up(tenants bigint[], first timestamptz, last timestamptz, OUT hourly boolean, OUT daily boolean)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
BEGIN
	tenants := ARRAY(SELECT DISTINCT t FROM unnest(tenants) t);
	first := date_trunc('hour', first, 'UTC');
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		hourly := true;
		daily := true;
		RETURN;
	END IF;
	hourly := EXISTS (SELECT FROM apikey.usage_hourly h WHERE h.tenant_id = ANY (tenants) AND h.hour >= first AND h.hour <= last)
		OR EXISTS (SELECT FROM apikey.usage_hourly h WHERE h.tenant_id IS NULL AND h.hour >= first AND h.hour <= last);
	daily := EXISTS (SELECT FROM apikey.usage_daily d WHERE d.tenant_id = ANY (tenants)
					 AND d.day >= (first AT TIME ZONE 'UTC')::date AND d.day <= (last AT TIME ZONE 'UTC')::date)
		OR EXISTS (SELECT FROM apikey.usage_daily d WHERE d.tenant_id IS NULL
				   AND d.day >= (first AT TIME ZONE 'UTC')::date AND d.day <= (last AT TIME ZONE 'UTC')::date);
END
$$;

-- Adds the rows of a leaf that are in seen and not in before, of the given
-- hours or all.
--
-- One scan makes the sums, with the shapes of endpoints in place of their classes
-- (src/rollup_rows.c).  Then all shapes are classified at once: what is learnt of
-- them may merge rows of the rollups, so that comes before any are stored.
-- Rows that are stored meanwhile are not in these sums; one that is deleted
-- meanwhile is.
--
-- Memory is bounded: sums that do not fit into work_mem wait in a file, and are
-- merged key by key (src/rollup_group.c).  Shapes stay in memory, and a client can
-- make up as many as it wants; where there are more than most, rows are counted in
-- parts, by tenant and shape.
--
-- Where there are no sums of that time at all, new ones are stored without looking
-- for one to add to, as nobody else stores any.
CREATE FUNCTION apikey._count_rows(leaf regclass, before bigint[], seen bigint[], scan_from bigint,
								   hours timestamptz[], hourly boolean, daily boolean,
								   most integer DEFAULT 100000) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET work_mem = '64MB' SET jit = off SET max_parallel_workers_per_gather = 0
	AS 'MODULE_PATHNAME', 'apikey_count_rows';

-- Days as the sums of their hours, of all tenants or of these; 0 is none.
CREATE FUNCTION apikey._rebuild_days(days date[], tenants bigint[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	next date;
BEGIN
	FOREACH next IN ARRAY days LOOP
		DELETE FROM apikey.usage_daily u
		WHERE u.day = next AND (tenants IS NULL OR coalesce(u.tenant_id, 0) = ANY (tenants));
		INSERT INTO apikey.usage_daily
		SELECT next, g.tenant_id, g.key_id, g.environment_id, g.endpoint_class, g.code,
			   sum(g.calls)::bigint, sum(g.denials)::bigint, sum(g.errors)::bigint,
			   sum(g.units), sum(g.bytes_in), sum(g.bytes_out),
			   sum(g.latency_calls)::bigint, sum(g.latency_us), apikey.latency_merge(g.latency), apikey.ip_merge(g.ips)
		FROM apikey.usage_hourly g
		WHERE g.hour >= next::timestamp AT TIME ZONE 'UTC' AND g.hour < (next + 1)::timestamp AT TIME ZONE 'UTC'
			AND (tenants IS NULL OR coalesce(g.tenant_id, 0) = ANY (tenants))
		GROUP BY g.tenant_id, g.key_id, g.environment_id, g.endpoint_class, g.code;
	END LOOP;
END
$$;

-- The days of which all hours are kept.
CREATE FUNCTION apikey._whole_days(hours timestamptz[]) RETURNS date[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY(
		SELECT DISTINCT (h.hour AT TIME ZONE 'UTC')::date AS day FROM unnest(hours) AS h (hour)
		WHERE isfinite(h.hour) AND date_trunc('day', h.hour, 'UTC') >= apikey._rollup_start('hour') ORDER BY day);
END
$$;

-- A leaf that came back: restored from a dump, or attached again as a copy.
-- Which of its rows are in the sums nothing tells but the sums.  So an hour of a
-- tenant is counted anew only where no row can be missing, and no sum becomes
-- smaller; in doubt the sums stay, and nothing counts twice:
--
--   - Rows are deleted by tenant, and only long after their hour is counted.  An
--     hour of a tenant that has fewer rows than were counted has lost some.
--   - Where there are no sums of the hour, they may have been over their
--     retention.  Then the day tells: its sum is no more than what its hours have,
--     in rows or in sums, or else some rows are gone.
--
-- Rows are counted of all tenants at once.  The sums that stay are put out of the
-- way, into a time long past, and back in place of what was counted of them.
CREATE FUNCTION apikey._adopt_leaf(leaf regclass) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	away CONSTANT interval := '40000000 hours';
	clock bigint;
	now_seen bigint[];
	next_from bigint;
	hours timestamptz[];
	tenants bigint[];
	all_hours timestamptz[];
	days date[];
	next record;
	rows bigint;
	uncounted bigint;
BEGIN
	LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM apikey._rollup_state(leaf, true) s WHERE s.seen IS NOT NULL) THEN
		RETURN 0;
	END IF;
	clock := apikey._leaf_clock(leaf);
	SELECT s.seen, s.scan_from INTO now_seen, next_from FROM apikey._seen(NULL, clock) s;
	EXECUTE format($query$
		WITH present AS MATERIALIZED (
			SELECT date_bin('1 hour', u.at, '2000-01-01 00:00+00') AS hour, coalesce(u.tenant_id, 0) AS tenant, count(*) AS rows
			FROM ONLY %s u WHERE apikey._newly_seen(u.xmin, NULL, $1) GROUP BY 1, 2),
		ends AS (SELECT date_trunc('day', min(p.hour), 'UTC') AS first, date_trunc('day', max(p.hour), 'UTC') AS last FROM present p),
		counted AS (
			SELECT h.hour, coalesce(h.tenant_id, 0) AS tenant, sum(h.calls) AS rows FROM apikey.usage_hourly h
			WHERE h.hour >= (SELECT e.first FROM ends e) AND h.hour < (SELECT e.last + interval '24 hours' FROM ends e) GROUP BY 1, 2),
		matched AS MATERIALIZED (
			SELECT hour, tenant, (hour AT TIME ZONE 'UTC')::date AS day, coalesce(p.rows, 0) AS present, coalesce(c.rows, 0) AS counted
			FROM present p FULL JOIN counted c USING (hour, tenant)),
		daily AS (
			SELECT d.day, coalesce(d.tenant_id, 0) AS tenant, sum(d.calls) AS rows FROM apikey.usage_daily d
			WHERE d.day >= (SELECT (e.first AT TIME ZONE 'UTC')::date FROM ends e)
				AND d.day <= (SELECT (e.last AT TIME ZONE 'UTC')::date FROM ends e) GROUP BY 1, 2),
		whole AS (
			SELECT b.day, b.tenant FROM matched b LEFT JOIN daily d ON d.day = b.day AND d.tenant = b.tenant
			GROUP BY b.day, b.tenant, d.rows HAVING sum(greatest(b.present, b.counted)) >= coalesce(d.rows, 0))
		SELECT array_agg(b.hour), array_agg(b.tenant), coalesce(sum(b.present - b.counted), 0),
			   (SELECT coalesce(sum(p.rows), 0) FROM present p)
		FROM matched b JOIN whole w ON w.day = b.day AND w.tenant = b.tenant
		WHERE b.present > 0 AND b.present >= b.counted AND b.hour >= $2$query$, leaf)
		INTO hours, tenants, uncounted, rows USING now_seen, apikey._rollup_start('hour');
	IF hours IS NOT NULL THEN
		all_hours := ARRAY(SELECT DISTINCT h FROM unnest(hours) h);
		DELETE FROM apikey.usage_hourly h USING unnest(hours, tenants) AS p (hour, tenant)
		WHERE h.hour = p.hour AND coalesce(h.tenant_id, 0) = p.tenant;
		UPDATE apikey.usage_hourly h SET hour = h.hour - away WHERE h.hour = ANY (all_hours);
		PERFORM apikey._count_rows(leaf, NULL, now_seen, NULL, all_hours, true, false);
		DELETE FROM apikey.usage_hourly h
		WHERE h.hour = ANY (all_hours) AND NOT EXISTS (
			SELECT FROM unnest(hours, tenants) AS p (hour, tenant)
			WHERE p.hour = h.hour AND p.tenant = coalesce(h.tenant_id, 0));
		UPDATE apikey.usage_hourly h SET hour = h.hour + away WHERE h.hour = ANY (ARRAY(SELECT a - away FROM unnest(all_hours) a));
		days := apikey._whole_days(all_hours);
		FOR next IN
			SELECT d.day, array_agg(DISTINCT p.tenant) AS tenants
			FROM unnest(hours, tenants) AS p (hour, tenant), LATERAL (SELECT (p.hour AT TIME ZONE 'UTC')::date AS day) d
			WHERE d.day = ANY (days) GROUP BY d.day
		LOOP
			PERFORM apikey._rebuild_days(ARRAY[next.day], next.tenants);
		END LOOP;
	END IF;
	PERFORM apikey._set_rollup_state(leaf, now_seen, next_from, rows);
	RETURN uncounted;
END
$$;

-- Counts what is new in a leaf; returns how many rows that were.  Call it
-- before you lock usage or the leaf: whoever else counts may be reading it.
CREATE FUNCTION apikey._count_leaf(leaf regclass) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	state apikey.rollup_state;
	clock bigint;
	now_seen bigint[];
	next_from bigint;
	counted bigint;
BEGIN
	LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
	PERFORM apikey._summarize(leaf);
	-- what was summarised now is older than the clock after this
	PERFORM pg_current_xact_id();
	SELECT * INTO state FROM apikey._rollup_state(leaf, true);
	IF state.scan_from > apikey._next_xid() THEN
		state.scan_from := 0;	-- cannot be: look at every page
	END IF;
	IF state.seen IS NULL AND EXISTS (SELECT FROM apikey._rollup_state(leaf, false)) THEN
		RETURN apikey._adopt_leaf(leaf);
	END IF;
	clock := apikey._leaf_clock(leaf);
	SELECT s.seen, s.scan_from INTO now_seen, next_from FROM apikey._seen(state.seen, clock) s;
	counted := apikey._count_rows(leaf, state.seen, now_seen, state.scan_from, NULL, true, true);
	PERFORM apikey._set_rollup_state(leaf, now_seen, next_from, coalesce(state.rows, 0) + counted);
	RETURN counted;
END
$$;

-- Whether every row of a leaf is counted that the caller's snapshot sees.  By the
-- index, whatever the planner would choose: it is asked with a lock that keeps
-- new rows out, and the pages that were changed since are few.
CREATE FUNCTION apikey._counted(leaf regclass) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
DECLARE
	state apikey.rollup_state;
	counted boolean;
BEGIN
	SELECT * INTO state FROM apikey._rollup_state(leaf, true);
	IF state.scan_from > apikey._next_xid() THEN
		state.scan_from := 0;
	END IF;
	EXECUTE format('SELECT NOT EXISTS (SELECT FROM ONLY %s u WHERE apikey._newly_seen(u.xmin, $1, NULL)%s)', leaf,
		CASE WHEN state.scan_from IS NOT NULL THEN ' AND u.at OPERATOR(apikey.@~) $2' END)
		INTO counted USING state.seen, state.scan_from;
	RETURN counted;
END
$$;

COMMENT ON FUNCTION apikey._next_xid IS 'internal: the transaction id that is given out next';
COMMENT ON FUNCTION apikey._full_xid IS 'internal: the transaction id of 64 bits that one of 32 stands for';
COMMENT ON FUNCTION apikey._seen IS 'internal: a set of transactions, and those that have ended by now';
COMMENT ON FUNCTION apikey._newly_seen IS 'internal: whether a transaction is in the second set and not in the first';
COMMENT ON FUNCTION apikey._summarize IS 'internal: summarises new ranges of the BRIN indexes of a partition';
COMMENT ON FUNCTION apikey._try_lock IS 'internal: locks a partition for reading, unless that would have to wait';
COMMENT ON FUNCTION apikey._change_opcinfo IS 'internal: what the class change_ops keeps';
COMMENT ON FUNCTION apikey._change_add IS 'internal: notes a change in a range of pages';
COMMENT ON FUNCTION apikey._change_consistent IS 'internal: whether a range of pages was changed since';
COMMENT ON FUNCTION apikey._change_union IS 'internal: the later of two changes';
COMMENT ON FUNCTION apikey._changed_since IS 'internal: true; the index leaves out pages that were not changed since';
COMMENT ON OPERATOR apikey.@~ (timestamptz, int8) IS 'row may have been stored since this transaction id was next';
COMMENT ON OPERATOR CLASS apikey.change_ops USING brin IS 'when a range of pages was changed last, in transaction ids';
COMMENT ON OPERATOR FAMILY apikey.change_ops USING brin IS 'when a range of pages was changed last, in transaction ids';
COMMENT ON TABLE apikey.rollup_state IS 'what of each partition of usage is counted in the rollups';
COMMENT ON COLUMN apikey.rollup_state.leaf IS 'the partition';
COMMENT ON COLUMN apikey.rollup_state.leaf_oid IS 'its OID when it was counted';
COMMENT ON COLUMN apikey.rollup_state.home IS 'OID of the table usage then';
COMMENT ON COLUMN apikey.rollup_state.system_identifier IS 'the cluster that OIDs and transactions are of';
COMMENT ON COLUMN apikey.rollup_state.seen IS 'the transactions whose rows are counted';
COMMENT ON COLUMN apikey.rollup_state.scan_from IS 'other rows are on pages that were changed since this transaction id was next';
COMMENT ON COLUMN apikey.rollup_state.rows IS 'number of rows counted';
COMMENT ON COLUMN apikey.rollup_state.bytes IS 'size of the partition when it was counted last';
COMMENT ON COLUMN apikey.rollup_state.counted_at IS 'when that was';
COMMENT ON COLUMN apikey.rollup_state.error IS 'why it could not be counted then; NULL: it was';
COMMENT ON FUNCTION apikey._rollup_state IS 'internal: what is counted of a partition';
COMMENT ON FUNCTION apikey._set_rollup_state IS 'internal: notes what is counted of a partition';
COMMENT ON FUNCTION apikey._set_rollup_error IS 'internal: notes why a partition could not be counted, and warns of it once';
COMMENT ON FUNCTION apikey._leaf_clock IS 'internal: since when running transactions have stored rows in a partition';
COMMENT ON FUNCTION apikey._rollup_start IS 'internal: the begin of the hour or day from which on rollups are kept';
COMMENT ON FUNCTION apikey._rolled_up IS 'internal: whether there are sums of tenants and a time';
COMMENT ON FUNCTION apikey._count_rows IS 'internal: adds rows of a partition to the rollups';
COMMENT ON FUNCTION apikey._rebuild_days IS 'internal: makes rows of usage_daily of those of usage_hourly';
COMMENT ON FUNCTION apikey._whole_days IS 'internal: days of which all hours are kept in usage_hourly';
COMMENT ON FUNCTION apikey._adopt_leaf IS 'internal: counts a partition that was restored or attached again';
COMMENT ON FUNCTION apikey._count_leaf IS 'internal: counts the rows of a partition that are not counted yet';
COMMENT ON FUNCTION apikey._counted IS 'internal: whether all rows of a partition are counted';
