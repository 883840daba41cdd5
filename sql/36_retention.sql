-- ---------------------------------------------------------------------------
-- How long usage is kept: per database, and for classes of tenants.
--
-- A row is kept until its whole leaf is older than the retention of its tenant.
-- That is the class of the tenant, or of the nearest one above it that has one;
-- else apikey.usage_retention.  What must hold, whatever runs at the same time:
--
--   1. No row leaves apikey.usage, by DELETE, DROP or DETACH, before it is
--      counted in the rollups.  It is counted before the lock that keeps new
--      rows out of the leaf is taken, and under it one looks again.
--   2. The space comes back.
--
-- A leaf whose rows are all over is dropped, or detached and kept
-- (apikey.partition_archive).  Else the rows that are over are deleted, by
-- ranges of pages, one range a call: that reads the leaf once, in the order of
-- the disk, whatever the indexes are and however long the oldest transaction
-- keeps dead rows visible; looking them up by tenant again and again would walk
-- over those already dead.  Then, if a fifth of the leaf went, it is rewritten
-- in place as VACUUM FULL does: an old leaf takes no new rows, so room that an
-- ordinary vacuum finds in it would be used by nobody.  A new table in its place
-- would do the same with more locks, and would give every row that stays a new
-- xmin, by which the rollups tell what they have counted.
--
-- usage_sweep remembers where a leaf is.  All of it can be lost: then leaves are
-- looked through once more.
-- ---------------------------------------------------------------------------

CREATE TABLE apikey.usage_class (
	name		pg_catalog.text PRIMARY KEY CHECK (name OPERATOR(pg_catalog.~) '^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$'),
	retention	pg_catalog."interval" NOT NULL,
	created_at	pg_catalog.timestamptz NOT NULL
);
CREATE TABLE apikey.usage_class_tenant (
	tenant_id	pg_catalog.int8 PRIMARY KEY REFERENCES apikey.tenant ON DELETE CASCADE,
	class		pg_catalog.text NOT NULL REFERENCES apikey.usage_class
);
CREATE INDEX usage_class_tenant_class ON apikey.usage_class_tenant (class);
CREATE TABLE apikey.usage_archive (
	leaf			pg_catalog.text PRIMARY KEY,
	starts_at		pg_catalog.timestamptz NOT NULL,
	ends_at			pg_catalog.timestamptz NOT NULL,
	detached_at		pg_catalog.timestamptz NOT NULL,
	attached_until	pg_catalog.timestamptz
);
CREATE TABLE apikey.usage_sweep (
	leaf		pg_catalog.oid PRIMARY KEY,
	node		pg_catalog.oid NOT NULL,
	rules		pg_catalog.text NOT NULL,
	inserted	pg_catalog.int8,
	checked_at	pg_catalog.timestamptz NOT NULL,
	next_page	pg_catalog.int8,
	rows		pg_catalog.int8 NOT NULL DEFAULT 0,
	removed		pg_catalog.int8 NOT NULL DEFAULT 0,
	remover		pg_catalog.xid8
);

ALTER TABLE apikey.usage_class ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_class_read ON apikey.usage_class FOR SELECT USING ((SELECT apikey.sees_all('metadata')));
ALTER TABLE apikey.usage_class_tenant ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_class_tenant_read ON apikey.usage_class_tenant FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));
ALTER TABLE apikey.usage_archive ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_archive_read ON apikey.usage_archive FOR SELECT USING ((SELECT apikey.sees_all('usage')));
ALTER TABLE apikey.usage_sweep ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_sweep_none ON apikey.usage_sweep USING (false);

SELECT pg_catalog.pg_extension_config_dump('apikey.usage_class', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.usage_class_tenant', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.usage_archive', '');
-- of this cluster's files, nothing for another
SELECT pg_catalog.pg_extension_config_dump('apikey.usage_sweep', 'WHERE false');

-- --- who keeps what --------------------------------------------------------

-- The tenants that a class holds for, their own or one from above.
CREATE FUNCTION apikey._tenant_retention() RETURNS TABLE (tenant_id bigint, retention interval)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH RECURSIVE below AS (
		SELECT a.tenant_id, c.retention FROM apikey.usage_class_tenant a JOIN apikey.usage_class c ON c.name = a.class
		UNION ALL
		SELECT t.tenant_id, b.retention FROM below b JOIN apikey.tenant t ON t.parent_id = b.tenant_id
		WHERE NOT EXISTS (SELECT FROM apikey.usage_class_tenant own WHERE own.tenant_id = t.tenant_id)
	)
	SELECT b.tenant_id, b.retention FROM below b;
END
$$;

-- How long rows are kept whose tenant has no class; NULL: for ever.
CREATE FUNCTION apikey._usage_retention() RETURNS interval
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN nullif(apikey._setting('usage_retention', '90d')::interval, interval '0');
END
$$;

-- Leaves that ended at or before this instant are over for every tenant; NULL:
-- none is.
CREATE FUNCTION apikey._usage_edge() RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	keep interval := apikey._usage_retention();
BEGIN
	RETURN apikey._now() - CASE WHEN keep IS NOT NULL THEN greatest(keep,
		(SELECT max(c.retention) FROM apikey.usage_class c
		 WHERE EXISTS (SELECT FROM apikey.usage_class_tenant a WHERE a.class = c.name))) END;
END
$$;

-- --- taking leaves away ----------------------------------------------------

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

-- Drops leaves, or detaches them where they are kept, the first of those given
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
		BEGIN
			EXECUTE format('LOCK TABLE %s IN SHARE MODE NOWAIT', next);
		EXCEPTION WHEN lock_not_available THEN
			refused := next;
			CONTINUE;
		END;
		IF apikey._counted(next) THEN
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
		BEGIN
			EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', old.leaf);
		EXCEPTION WHEN lock_not_available THEN
			refused := old.leaf;
			CONTINUE;
		END;
		IF archive THEN
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
		SELECT c.relname INTO other FROM apikey._usage_leaves() l JOIN pg_class c ON c.oid = l.leaf
		WHERE l.starts_at < old.ends_at AND old.starts_at < l.ends_at LIMIT 1;
		IF FOUND THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = format('cannot attach partition "%s"', apikey._shown(leaf)),
				DETAIL = format('Partition "%s" holds late rows of the same time.', other),
				HINT = 'Copy its rows into the one that is detached and drop it, or read both.';
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

-- --- rows of some tenants --------------------------------------------------

-- Whose rows of a leaf are over, as a text that changes when one has to look
-- again.  It begins with + if those of tenants without a class are.
CREATE FUNCTION apikey._sweep_rules(ends_at timestamptz, keep interval) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	now timestamptz := apikey._now();
BEGIN
	RETURN CASE WHEN ends_at <= now - keep THEN '+' ELSE '-' END || md5((
		SELECT coalesce(string_agg(a.tenant_id || CASE WHEN ends_at <= now - c.retention THEN '+' ELSE '-' END, ',' ORDER BY a.tenant_id), '')
		FROM apikey.usage_class_tenant a JOIN apikey.usage_class c ON c.name = a.class));
END
$$;

-- The condition on rows of a leaf that are over, for EXECUTE ... USING an array
-- of tenants: (condition, tenants).
CREATE FUNCTION apikey._sweep_condition(ends_at timestamptz, OUT condition text, OUT tenants bigint[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	now timestamptz := apikey._now();
BEGIN
	IF ends_at <= now - apikey._usage_retention() THEN
		condition := '(tenant_id IS NULL OR tenant_id <> ALL ($1))';
		tenants := ARRAY(SELECT r.tenant_id FROM apikey._tenant_retention() r WHERE ends_at > now - r.retention ORDER BY 1);
	ELSE
		condition := '(tenant_id = ANY ($1))';
		tenants := ARRAY(SELECT r.tenant_id FROM apikey._tenant_retention() r WHERE ends_at <= now - r.retention ORDER BY 1);
	END IF;
END
$$;

-- Looks whether a leaf holds rows that are over: one look into its index for
-- each tenant in it.  all_over: there are no others.
CREATE FUNCTION apikey._sweep_look(leaf regclass, ends_at timestamptz, OUT some_over boolean, OUT all_over boolean)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	rule record;
BEGIN
	SELECT * INTO rule FROM apikey._sweep_condition(ends_at);
	IF rule.tenants = '{}' AND starts_with(rule.condition, '(tenant_id = ANY') THEN
		some_over := false;
		all_over := false;
		RETURN;
	END IF;
	EXECUTE format(
		'WITH RECURSIVE present (tenant_id, found) AS (
			(SELECT l.tenant_id, true FROM %1$s l WHERE l.tenant_id IS NOT NULL ORDER BY l.tenant_id LIMIT 1)
			UNION ALL
			SELECT n.tenant_id, true FROM present p CROSS JOIN LATERAL (
				SELECT l.tenant_id FROM %1$s l WHERE l.tenant_id > p.tenant_id ORDER BY l.tenant_id LIMIT 1) n
		), tenants AS (
			SELECT p.tenant_id FROM present p
			UNION ALL
			(SELECT l.tenant_id FROM %1$s l WHERE l.tenant_id IS NULL LIMIT 1)
		)
		SELECT coalesce(bool_or(%2$s IS TRUE), false), coalesce(bool_and(%2$s IS TRUE), true) FROM tenants', leaf, rule.condition)
	INTO some_over, all_over USING rule.tenants;
END
$$;

-- One step of taking away what is over in leaves that are not over as a whole:
-- the next range of pages, or the rewriting of a leaf, or the look at the next
-- one.  0: nothing is left to do.
CREATE FUNCTION apikey._sweep_usage(pages integer) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
	SET lock_timeout = '2s'
AS $$
DECLARE
	now timestamptz := apikey._now();
	keep interval := apikey._usage_retention();
	step record;
	rule record;
	had bigint;
	gone bigint;
	pages_now bigint;
	refused regclass;
BEGIN
	PERFORM apikey._check_removal();
	DELETE FROM apikey.usage_sweep s WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = s.leaf AND c.relfilenode = s.node);

	-- a leaf in progress
	FOR step IN
		SELECT s.*, l.leaf AS rel, l.ends_at
		FROM apikey.usage_sweep s JOIN apikey._usage_leaves() l ON l.leaf = s.leaf
		WHERE s.next_page IS NOT NULL ORDER BY l.ends_at
	LOOP
		CONTINUE WHEN NOT apikey._count_before(step.rel);
		-- no new row from here on; waits longer than deadlock_timeout, after
		-- which an autovacuum makes way
		BEGIN
			EXECUTE format('LOCK TABLE %s IN SHARE MODE', step.rel);
		EXCEPTION WHEN lock_not_available THEN
			refused := step.rel;
			CONTINUE;
		END;
		IF NOT apikey._counted(step.rel) THEN
			RETURN 0;
		END IF;
		SELECT * INTO rule FROM apikey._sweep_condition(step.ends_at);
		EXECUTE format(
			'WITH gone AS (
				DELETE FROM %1$s WHERE ctid >= $2 AND ctid < $3 AND %2$s RETURNING true
			)
			SELECT (SELECT count(*) FROM %1$s WHERE ctid >= $2 AND ctid < $3), (SELECT count(*) FROM gone)', step.rel, rule.condition)
		INTO had, gone
		USING rule.tenants, format('(%s,0)', step.next_page)::tid, format('(%s,0)', step.next_page + pages)::tid;
		pages_now := pg_relation_size(step.rel) / current_setting('block_size')::integer;
		UPDATE apikey.usage_sweep s SET rows = s.rows + had, removed = s.removed + gone,
			next_page = CASE WHEN s.next_page + pages < pages_now THEN s.next_page + pages END,
			remover = CASE WHEN gone > 0 THEN pg_current_xact_id() ELSE s.remover END
		WHERE s.leaf = step.leaf;
		RETURN greatest(gone, 1);
	END LOOP;

	-- one whose space is to come back, once nobody can see the dead rows
	SELECT s.leaf::regclass AS rel, s.leaf INTO step FROM apikey.usage_sweep s
	WHERE s.removed > 0 AND s.removed >= s.rows / 5 AND apikey._dead_to_all(s.remover) LIMIT 1;
	IF FOUND THEN
		PERFORM apikey._rewrite_leaf(step.rel);
		UPDATE apikey.usage_sweep s SET rows = 0, removed = 0, remover = NULL,
			node = (SELECT c.relfilenode FROM pg_class c WHERE c.oid = s.leaf)
		WHERE s.leaf = step.leaf;
		RETURN 1;
	END IF;

	-- the next one to look at: new rules, new rows; and once a day all, for
	-- tenants that were moved
	SELECT l.leaf AS rel, c.relfilenode AS node, r.rules, l.ends_at, pg_stat_get_tuples_inserted(l.leaf) AS inserted INTO step
	FROM apikey._usage_leaves() l
		JOIN pg_class c ON c.oid = l.leaf
		CROSS JOIN LATERAL (SELECT apikey._sweep_rules(l.ends_at, keep) AS rules) r
		LEFT JOIN apikey.usage_sweep s ON s.leaf = l.leaf
	WHERE l.ends_at <= now AND EXISTS (SELECT FROM apikey.usage_class_tenant)
		AND NOT EXISTS (SELECT FROM apikey.usage_archive a WHERE a.leaf = c.relname AND a.attached_until > now)
		AND (s.leaf IS NULL OR s.rules <> r.rules OR s.checked_at < now - interval '1 day' OR s.checked_at > now
			 OR CASE WHEN s.inserted = -1 THEN s.checked_at < now - interval '1 minute'
					 ELSE s.inserted IS DISTINCT FROM pg_stat_get_tuples_inserted(l.leaf) END)
	ORDER BY s.checked_at NULLS FIRST, l.ends_at LIMIT 1;
	IF NOT FOUND THEN
		IF refused IS NOT NULL THEN
			RAISE lock_not_available USING
				MESSAGE = 'could not remove rows from a partition of usage that is in use',
				DETAIL = format('It is %s.', refused);
		END IF;
		RETURN 0;
	END IF;
	SELECT * INTO rule FROM apikey._sweep_look(step.rel, step.ends_at);
	INSERT INTO apikey.usage_sweep AS s (leaf, node, rules, inserted, checked_at, next_page)
	VALUES (step.rel, step.node, step.rules, step.inserted, now, CASE WHEN rule.some_over THEN 0 END)
	ON CONFLICT (leaf) DO UPDATE SET node = excluded.node, rules = excluded.rules, inserted = excluded.inserted,
		checked_at = excluded.checked_at, next_page = excluded.next_page,
		rows = CASE WHEN excluded.next_page IS NULL THEN s.rows ELSE 0 END;
	IF rule.all_over AND starts_with(step.rules, '+') THEN
		BEGIN
			had := apikey._remove_leaves(ARRAY[step.rel], 1);
		EXCEPTION WHEN lock_not_available THEN
			had := 0;
		END;
		IF had = 0 THEN
			-- to be looked at again
			UPDATE apikey.usage_sweep s SET inserted = -1, next_page = NULL WHERE s.leaf = step.rel;
		END IF;
	END IF;
	RETURN 1;
END
$$;

-- Whether no transaction can see what this one has deleted.
CREATE FUNCTION apikey._dead_to_all(remover xid8) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN remover < pg_snapshot_xmin(pg_current_snapshot())
		AND NOT EXISTS (SELECT FROM pg_stat_activity s
						WHERE s.pid <> pg_backend_pid() AND coalesce(s.datname = current_database(), true)
							AND age(s.backend_xmin) >= age(remover::xid))
		AND NOT EXISTS (SELECT FROM pg_replication_slots s WHERE age(s.xmin) >= age(remover::xid));
END
$$;

-- Rewrites a leaf without its dead rows, as VACUUM FULL does, in this
-- transaction; those who read it wait.
CREATE FUNCTION apikey._rewrite_leaf(leaf regclass) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_rewrite_leaf';

-- --- classes ---------------------------------------------------------------

CREATE FUNCTION apikey.set_usage_class(class text, retention interval) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._set_usage_class(class text, retention interval) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	was interval;
	now_kept interval;
BEGIN
	PERFORM apikey._require_all_tenants('change classes of usage');
	PERFORM apikey._require(class, 'class');
	IF class !~ '^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid name of a class "%s"', apikey._shown(class)),
			DETAIL = 'It is 1 to 63 lower-case letters, digits, "-" and "_", with a letter or digit at both ends.';
	END IF;
	IF retention < interval '1 hour' OR retention > interval '365000 days' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'invalid retention',
			DETAIL = 'It is at least an hour, the time a row of apikey.usage_hourly stands for, and at most 365000 days.';
	END IF;
	-- of one length at any time of the year
	now_kept := justify_hours(make_interval(secs => extract(epoch FROM retention)));

	SELECT c.retention INTO was FROM apikey.usage_class c WHERE c.name = class FOR UPDATE;
	IF now_kept IS NULL THEN
		IF was IS NULL THEN
			RAISE undefined_object USING MESSAGE = format('class "%s" does not exist', class);
		END IF;
		IF EXISTS (SELECT FROM apikey.usage_class_tenant a WHERE a.class = _set_usage_class.class) THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = format('class "%s" is in use', class),
				HINT = 'Call apikey.assign_usage_class() for its tenants first.';
		END IF;
		DELETE FROM apikey.usage_class c WHERE c.name = class;
	ELSE
		INSERT INTO apikey.usage_class AS c (name, retention, created_at) VALUES (class, now_kept, apikey._now())
		ON CONFLICT (name) DO UPDATE SET retention = excluded.retention;
	END IF;
	PERFORM apikey._audit(NULL, 'usage.set_class', 'usage_class:' || class,
		CASE WHEN was IS NOT NULL THEN jsonb_build_object('retention', was) END,
		CASE WHEN now_kept IS NOT NULL THEN jsonb_build_object('retention', now_kept) END);
	PERFORM apikey._event(NULL, 'usage.set_class', NULL, jsonb_build_object('class', class, 'retention', now_kept));
END
$$;

CREATE FUNCTION apikey.assign_usage_class(tenant text, class text) RETURNS void
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._assign_usage_class(tenant text, class text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint;
	was text;
BEGIN
	PERFORM apikey._require_all_tenants('change classes of usage');
	tid := apikey._tenant_id(tenant, 'admin');
	PERFORM FROM apikey.tenant t WHERE t.tenant_id = tid FOR NO KEY UPDATE;
	IF class IS NOT NULL THEN
		PERFORM FROM apikey.usage_class c WHERE c.name = class FOR KEY SHARE;
		IF NOT FOUND THEN
			RAISE undefined_object USING MESSAGE = format('class "%s" does not exist', apikey._shown(class));
		END IF;
	END IF;
	SELECT a.class INTO was FROM apikey.usage_class_tenant a WHERE a.tenant_id = tid;
	IF class IS NOT DISTINCT FROM was THEN
		RETURN;
	END IF;
	IF class IS NULL THEN
		DELETE FROM apikey.usage_class_tenant a WHERE a.tenant_id = tid;
	ELSE
		INSERT INTO apikey.usage_class_tenant AS a (tenant_id, class) VALUES (tid, _assign_usage_class.class)
		ON CONFLICT (tenant_id) DO UPDATE SET class = excluded.class;
	END IF;
	PERFORM apikey._audit(tid, 'usage.assign_class', 'tenant:' || tid,
		jsonb_build_object('class', was), jsonb_build_object('class', class));
	PERFORM apikey._event(tid, 'usage.assign_class', NULL, jsonb_build_object('class', class));
END
$$;

-- What the housekeeper calls: one leaf, or one step through one, for each call,
-- because a lock lasts until the end of the transaction.
CREATE FUNCTION apikey._task_retention() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	done bigint := 0;
	refusal text;
BEGIN
	BEGIN
		done := apikey._drop_partitions(1);
	EXCEPTION WHEN lock_not_available THEN
		refusal := SQLERRM;
	END;
	IF done = 0 THEN
		done := apikey._sweep_usage(4096);
	END IF;
	IF done = 0 AND refusal IS NOT NULL THEN
		RAISE lock_not_available USING MESSAGE = refusal;
	END IF;
	IF done = 0 THEN
		-- copied out and dropped
		DELETE FROM apikey.usage_archive a WHERE NOT EXISTS (
			SELECT FROM pg_class c WHERE c.relnamespace = 'apikey'::regnamespace AND c.relname = a.leaf);
	END IF;
	RETURN done;
END
$$;

COMMENT ON TABLE apikey.usage_class IS 'classes of tenants whose usage is kept for a time of their own';
COMMENT ON COLUMN apikey.usage_class.name IS 'the class';
COMMENT ON COLUMN apikey.usage_class.retention IS 'how long their rows of usage are kept, at least';
COMMENT ON COLUMN apikey.usage_class.created_at IS 'when the class was made';
COMMENT ON TABLE apikey.usage_class_tenant IS 'the class of a tenant and of those below it that have none of their own';
COMMENT ON COLUMN apikey.usage_class_tenant.tenant_id IS 'the tenant';
COMMENT ON COLUMN apikey.usage_class_tenant.class IS 'its class';
COMMENT ON TABLE apikey.usage_archive IS 'partitions of usage that were detached and kept';
COMMENT ON COLUMN apikey.usage_archive.leaf IS 'name of the table, in this schema';
COMMENT ON COLUMN apikey.usage_archive.starts_at IS 'its rows begin here';
COMMENT ON COLUMN apikey.usage_archive.ends_at IS 'its rows end before this';
COMMENT ON COLUMN apikey.usage_archive.detached_at IS 'when it was detached';
COMMENT ON COLUMN apikey.usage_archive.attached_until IS 'attach_partition() brought it back until then; NULL: it is detached';
COMMENT ON TABLE apikey.usage_sweep IS 'internal: how far rows that are over were looked for in a partition';
COMMENT ON COLUMN apikey.usage_sweep.leaf IS 'OID of the partition';
COMMENT ON COLUMN apikey.usage_sweep.node IS 'its file, which is another after it was rewritten';
COMMENT ON COLUMN apikey.usage_sweep.rules IS 'whose rows were over when it was looked at';
COMMENT ON COLUMN apikey.usage_sweep.inserted IS 'rows inserted until then, as the statistics count them; -1: it could not be taken away';
COMMENT ON COLUMN apikey.usage_sweep.checked_at IS 'when it was looked at';
COMMENT ON COLUMN apikey.usage_sweep.next_page IS 'where deleting goes on; NULL: nothing is left to delete';
COMMENT ON COLUMN apikey.usage_sweep.rows IS 'rows that the last pass has met';
COMMENT ON COLUMN apikey.usage_sweep.removed IS 'rows deleted since it was rewritten';
COMMENT ON COLUMN apikey.usage_sweep.remover IS 'the last transaction that deleted some';

COMMENT ON FUNCTION apikey.attach_partition IS
	'brings a partition of usage back that was detached; returns until when it stays';
COMMENT ON FUNCTION apikey.set_usage_class IS
	'makes a class of tenants whose usage is kept for a time of its own, changes or, with NULL, removes it';
COMMENT ON FUNCTION apikey.assign_usage_class IS
	'puts a tenant and those below it into a class of usage retention, or, with NULL, into none';
COMMENT ON FUNCTION apikey._attach_partition IS 'body of attach_partition';
COMMENT ON FUNCTION apikey._set_usage_class IS 'body of set_usage_class';
COMMENT ON FUNCTION apikey._assign_usage_class IS 'body of assign_usage_class';
COMMENT ON FUNCTION apikey._protect_usage_leaf IS 'internal: gives a leaf the row level security and the grants of usage';
COMMENT ON FUNCTION apikey._tenant_retention IS 'internal: tenants for which a class of retention holds';
COMMENT ON FUNCTION apikey._usage_retention IS 'internal: how long usage is kept of tenants without a class';
COMMENT ON FUNCTION apikey._usage_edge IS 'internal: leaves that ended until then are over for every tenant';
COMMENT ON FUNCTION apikey._lock_usage IS 'internal: the lock under which a leaf is taken away';
COMMENT ON FUNCTION apikey._check_removal IS 'internal: refuses to remove usage under an old snapshot';
COMMENT ON FUNCTION apikey._try_count IS 'internal: counts a leaf, or notes why that cannot be done';
COMMENT ON FUNCTION apikey._count_before IS 'internal: counts a leaf before it goes; whether it may go';
COMMENT ON FUNCTION apikey._remove_leaves IS 'internal: drops or detaches leaves, once they are counted';
COMMENT ON FUNCTION apikey._sweep_rules IS 'internal: whose rows of a leaf are over, as a text that can be compared';
COMMENT ON FUNCTION apikey._sweep_condition IS 'internal: the condition on rows of a leaf that are over';
COMMENT ON FUNCTION apikey._sweep_look IS 'internal: whether a leaf holds rows that are over, and no others';
COMMENT ON FUNCTION apikey._sweep_usage IS 'internal: one step of taking away rows that are over';
COMMENT ON FUNCTION apikey._dead_to_all IS 'internal: whether nobody can see what a transaction has deleted';
COMMENT ON FUNCTION apikey._rewrite_leaf IS 'internal: rewrites a leaf without its dead rows';
