-- ---------------------------------------------------------------------------
-- Leaves of usage that are over as a whole (36_retention): they are dropped, or
-- detached and kept (apikey.partition_archive), and attached again for a while.
-- ---------------------------------------------------------------------------

CREATE TABLE apikey.usage_archive (
	leaf			pg_catalog.text PRIMARY KEY,
	starts_at		pg_catalog.timestamptz NOT NULL,
	ends_at			pg_catalog.timestamptz NOT NULL,
	detached_at		pg_catalog.timestamptz NOT NULL,
	attached_until	pg_catalog.timestamptz
);
ALTER TABLE apikey.usage_archive ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_archive_read ON apikey.usage_archive FOR SELECT USING ((SELECT apikey.sees_all('usage')));
SELECT pg_catalog.pg_extension_config_dump('apikey.usage_archive', '');

-- The lock under which a leaf is taken away, parent before leaf, as every reader
-- locks.  The writer would queue up behind who waits for it, and verifications
-- behind the writer once the buffer is full: so it is tried again and again
-- without waiting, and waited for briefly only in the end.
CREATE FUNCTION apikey._lock_usage() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '100ms'
AS $$
BEGIN
	FOR attempt IN 1 .. 100 LOOP
		BEGIN
			LOCK TABLE ONLY apikey.usage IN ACCESS EXCLUSIVE MODE NOWAIT;
			RETURN;
		EXCEPTION WHEN lock_not_available THEN
			PERFORM pg_sleep(0.005);
		END;
	END LOOP;
	LOCK TABLE ONLY apikey.usage IN ACCESS EXCLUSIVE MODE;
END
$$;

-- Locks a leaf in a mode; whether it could be had, without waiting or within
-- lock_timeout.
CREATE FUNCTION apikey._lock_leaf(leaf regclass, mode text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('LOCK TABLE %s IN %s', leaf, mode);
	RETURN true;
EXCEPTION WHEN lock_not_available THEN
	RETURN false;
END
$$;

-- DROP and DETACH take every row there is, a snapshot of before does not tell
-- of all.
CREATE FUNCTION apikey._check_removal() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('transaction_isolation') <> 'read committed' THEN
		RAISE invalid_transaction_state USING
			MESSAGE = 'removing usage needs the isolation level READ COMMITTED',
			DETAIL = 'An older snapshot would not show rows that were stored since and are not counted.';
	END IF;
END
$$;

-- Counts what is new in a leaf, as _count_leaf().  What goes wrong is noted and
-- is no error: NULL.  Only who is to begin again at once is told.
CREATE FUNCTION apikey._try_count(leaf regclass) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- before the note, of which another one who counts may have made one
	LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
	RETURN apikey._count_leaf(leaf);
EXCEPTION WHEN OTHERS THEN
	IF SQLSTATE LIKE '40%' THEN
		RAISE;
	END IF;
	LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
	PERFORM apikey._set_rollup_error(leaf, SQLERRM);
	RETURN NULL;
END
$$;

-- Counts what is new in a leaf; whether all of it is counted now.  What goes
-- wrong is noted, as _task_rollups() does, which is the one to try again: a leaf
-- that cannot be counted stays, and holds up no other.
CREATE FUNCTION apikey._count_before(leaf regclass) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF apikey._counted(leaf) THEN
		RETURN true;
	END IF;
	IF EXISTS (SELECT FROM apikey._rollup_state(leaf, true) s
			   WHERE s.error IS NOT NULL AND s.counted_at <= clock_timestamp()
				   AND s.counted_at > clock_timestamp() - apikey._setting('rollup_interval', '60s')::interval) THEN
		RETURN false;
	END IF;
	RETURN apikey._try_count(leaf) IS NOT NULL AND apikey._counted(leaf);
END
$$;

-- Drops leaves, or detaches them where they are kept or were, the first of those given
-- that can be counted, at most so many; returns how many.  One that takes rows
-- until the last moment, that cannot be counted, or that somebody reads or
-- writes stays for the next call; it is an error if that is all there is to say.
--
-- Looking whether all is counted may read the whole leaf.  So that is done under
-- a lock of the leaf alone, which keeps new rows out and readers in; the parent,
-- for which everybody would have to wait, is locked when there is nothing left to
-- look at.  This order is not that of readers and of the writer, parent before
-- leaf: so nothing is waited for but, briefly, in _lock_usage().
CREATE FUNCTION apikey._remove_leaves(leaves regclass[], most integer) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	archive boolean := apikey._setting('partition_archive', 'off')::boolean;
	in_use regclass[] := ARRAY(
		SELECT l.relation FROM pg_locks l
		WHERE l.relation = ANY (leaves) AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
			AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()));
	ready regclass[] := '{}';
	held regclass[] := '{}';
	refused regclass;
	next regclass;
	old record;
	removed integer := 0;
BEGIN
	PERFORM apikey._check_removal();
	FOR old IN SELECT u.leaf FROM unnest(leaves) WITH ORDINALITY AS u (leaf, n) ORDER BY u.leaf = ANY (in_use), u.n LOOP
		IF apikey._count_before(old.leaf) THEN
			ready := ready || old.leaf;
			EXIT WHEN cardinality(ready) >= most;
		END IF;
	END LOOP;
	IF cardinality(ready) = 0 THEN
		RETURN 0;
	END IF;

	PERFORM apikey._lock('partitions');
	FOREACH next IN ARRAY ready LOOP
		IF NOT apikey._lock_leaf(next, 'SHARE MODE NOWAIT') THEN
			refused := next;
		ELSIF apikey._counted(next) THEN
			held := held || next;
		END IF;
	END LOOP;
	IF cardinality(held) > 0 THEN
		PERFORM apikey._lock_usage();
	END IF;
	FOR old IN
		SELECT l.leaf, c.relname::text AS name, l.starts_at, l.ends_at
		FROM apikey._usage_leaves() l JOIN pg_class c ON c.oid = l.leaf
		WHERE l.leaf = ANY (held)
		ORDER BY l.ends_at
	LOOP
		IF NOT apikey._lock_leaf(old.leaf, 'ACCESS EXCLUSIVE MODE NOWAIT') THEN
			refused := old.leaf;
			CONTINUE;
		END IF;
		IF archive OR EXISTS (SELECT FROM apikey.usage_archive a WHERE a.leaf = old.name AND a.attached_until IS NOT NULL) THEN
			EXECUTE format('ALTER TABLE apikey.usage DETACH PARTITION %s', old.leaf);
			INSERT INTO apikey.usage_archive (leaf, starts_at, ends_at, detached_at)
			VALUES (old.name, old.starts_at, old.ends_at, apikey._now())
			ON CONFLICT (leaf) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at,
				detached_at = excluded.detached_at, attached_until = NULL;
			PERFORM apikey._event(NULL, 'usage.archive', NULL, jsonb_build_object(
				'leaf', old.name, 'starts_at', old.starts_at, 'ends_at', old.ends_at));
		ELSE
			EXECUTE format('DROP TABLE %s', old.leaf);
			DELETE FROM apikey.usage_archive a WHERE a.leaf = old.name;
		END IF;
		removed := removed + 1;
	END LOOP;
	IF removed = 0 AND refused IS NOT NULL THEN
		RAISE lock_not_available USING
			MESSAGE = 'could not remove a partition of usage that is in use',
			DETAIL = format('It is %s.', refused);
	END IF;
	RETURN removed;
END
$$;

-- Takes away leaves that are over for every tenant, the oldest first, at most
-- the given number.  Those that attach_partition() has brought back wait.
CREATE FUNCTION apikey._drop_partitions(most integer) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	edge timestamptz := apikey._usage_edge();
BEGIN
	RETURN apikey._remove_leaves(ARRAY(
		SELECT l.leaf FROM apikey._usage_leaves() l JOIN pg_class c ON c.oid = l.leaf
		WHERE l.ends_at <= edge
			AND NOT EXISTS (SELECT FROM apikey.usage_archive a WHERE a.leaf = c.relname AND a.attached_until > apikey._now())
		ORDER BY l.ends_at), most);
END
$$;

CREATE FUNCTION apikey.drop_old_partitions() RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._drop_old_partitions() RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	removed integer;
BEGIN
	PERFORM apikey._require_all_tenants('drop usage partitions');
	PERFORM apikey._check_removal();
	removed := apikey._drop_partitions(1000);
	IF removed > 0 THEN
		PERFORM apikey._audit(NULL, 'usage.drop_partitions', 'usage', NULL, jsonb_build_object(
			CASE WHEN apikey._setting('partition_archive', 'off')::boolean THEN 'archived' ELSE 'dropped' END, removed));
	END IF;
	RETURN removed;
END
$$;

-- Brings a leaf back that was detached.  Its rows are counted already.
CREATE FUNCTION apikey.attach_partition(leaf text, keep interval DEFAULT '7 days') RETURNS timestamptz
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._attach_partition(leaf text, keep interval) RETURNS timestamptz
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '5s'
	SET datestyle = 'ISO, YMD' SET timezone = 'UTC'
AS $$
DECLARE
	old apikey.usage_archive%ROWTYPE;
	rel regclass;
	other text;
	other_until timestamptz;
	until timestamptz;
BEGIN
	PERFORM apikey._require_all_tenants('attach usage partitions');
	PERFORM apikey._require(leaf, 'partition');
	PERFORM apikey._require(keep, 'time to keep it');
	IF keep < interval '1 hour' OR keep > interval '3650 days' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'invalid time to keep a partition',
			DETAIL = 'It is at least an hour and at most 3650 days.';
	END IF;
	until := apikey._now() + keep;
	-- as all who count first and lock then
	LOCK TABLE ONLY apikey.rollup_state IN SHARE UPDATE EXCLUSIVE MODE;
	PERFORM apikey._lock('partitions');
	PERFORM apikey._lock('grants');

	SELECT a.* INTO old FROM apikey.usage_archive a WHERE a.leaf = _attach_partition.leaf;
	SELECT c.oid INTO rel FROM pg_class c
	WHERE c.relnamespace = 'apikey'::regnamespace AND c.relname = old.leaf AND c.relkind = 'r';
	IF rel IS NULL THEN
		RAISE undefined_object USING
			MESSAGE = format('partition "%s" is not in the archive', apikey._shown(leaf)),
			HINT = 'apikey.usage_archive lists those that are.';
	END IF;
	IF NOT EXISTS (SELECT FROM apikey._usage_leaves() l WHERE l.leaf = rel) THEN
		SELECT c.relname, a.attached_until INTO other, other_until
		FROM apikey._usage_leaves() l JOIN pg_class c ON c.oid = l.leaf
			LEFT JOIN apikey.usage_archive a ON a.leaf = c.relname AND a.attached_until IS NOT NULL
		WHERE l.starts_at < old.ends_at AND old.starts_at < l.ends_at ORDER BY a.attached_until NULLS FIRST, c.relname LIMIT 1;
		IF FOUND THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = format('cannot attach partition "%s"', apikey._shown(leaf)),
				DETAIL = format(CASE WHEN other_until IS NULL THEN 'Partition "%s" holds late rows of the same time.'
									 ELSE 'Partition "%s" of the same time is attached.' END, other),
				HINT = CASE WHEN other_until IS NULL THEN 'Copy its rows into the one that is detached and drop it, or read both.'
							ELSE format('It goes back after %s.', other_until) END;
		END IF;
		PERFORM apikey._protect_usage_leaf(rel);
		EXECUTE format('ALTER TABLE apikey.usage ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
					   rel, old.starts_at, old.ends_at);
		PERFORM apikey._adopt_leaf(rel);
	END IF;
	UPDATE apikey.usage_archive a SET attached_until = until WHERE a.leaf = old.leaf;
	PERFORM apikey._audit(NULL, 'usage.attach', 'partition:' || old.leaf, NULL, jsonb_build_object('attached_until', until));
	PERFORM apikey._event(NULL, 'usage.attach', NULL, jsonb_build_object('leaf', old.leaf, 'attached_until', until));
	RETURN until;
END
$$;

COMMENT ON TABLE apikey.usage_archive IS 'partitions of usage that were detached and kept';
COMMENT ON COLUMN apikey.usage_archive.leaf IS 'name of the table, in this schema';
COMMENT ON COLUMN apikey.usage_archive.starts_at IS 'its rows begin here';
COMMENT ON COLUMN apikey.usage_archive.ends_at IS 'its rows end before this';
COMMENT ON COLUMN apikey.usage_archive.detached_at IS 'when it was detached';
COMMENT ON COLUMN apikey.usage_archive.attached_until IS 'attach_partition() brought it back until then; NULL: it is detached';
COMMENT ON FUNCTION apikey.attach_partition IS
	'brings a partition of usage back that was detached; returns until when it stays';
COMMENT ON FUNCTION apikey._attach_partition IS 'body of attach_partition';
COMMENT ON FUNCTION apikey._protect_usage_leaf IS 'internal: gives a leaf the row level security and the grants of usage';
COMMENT ON FUNCTION apikey._lock_usage IS 'internal: the lock under which a leaf is taken away';
COMMENT ON FUNCTION apikey._lock_leaf IS 'internal: locks a leaf if that is possible';
COMMENT ON FUNCTION apikey._check_removal IS 'internal: refuses to remove usage under an old snapshot';
COMMENT ON FUNCTION apikey._try_count IS 'internal: counts a leaf, or notes why that cannot be done';
COMMENT ON FUNCTION apikey._count_before IS 'internal: counts a leaf before it goes; whether it may go';
COMMENT ON FUNCTION apikey._remove_leaves IS 'internal: drops or detaches leaves, once they are counted';
