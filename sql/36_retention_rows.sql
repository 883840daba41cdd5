-- ---------------------------------------------------------------------------
-- Rows that are over in leaves that are not (36_retention).
--
-- They are deleted by ranges of pages, one range a call: that reads the leaf
-- once, in the order of the disk, whatever the indexes are and however long the
-- oldest transaction keeps dead rows visible; looking them up by tenant again and
-- again would walk over those already dead.  Then, if a fifth of the leaf went, it
-- is rewritten in place as VACUUM FULL does: an old leaf takes no new rows, so room
-- that an ordinary vacuum finds in it would be used by nobody.  A new table in its
-- place would do the same with more locks, and would give every row that stays a
-- new xmin, by which the rollups tell what they have counted.
--
-- usage_sweep remembers where a leaf is.  All of it can be lost: then leaves are
-- looked through once more.
-- ---------------------------------------------------------------------------

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
ALTER TABLE apikey.usage_sweep ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_sweep_none ON apikey.usage_sweep USING (false);
-- of this cluster's files, nothing for another
SELECT pg_catalog.pg_extension_config_dump('apikey.usage_sweep', 'WHERE false');

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
		IF NOT apikey._lock_leaf(step.rel, 'SHARE MODE') THEN
			refused := step.rel;
			CONTINUE;
		END IF;
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
COMMENT ON FUNCTION apikey._sweep_rules IS 'internal: whose rows of a leaf are over, as a text that can be compared';
COMMENT ON FUNCTION apikey._sweep_condition IS 'internal: the condition on rows of a leaf that are over';
COMMENT ON FUNCTION apikey._sweep_look IS 'internal: whether a leaf holds rows that are over, and no others';
COMMENT ON FUNCTION apikey._sweep_usage IS 'internal: one step of taking away rows that are over';
COMMENT ON FUNCTION apikey._dead_to_all IS 'internal: whether nobody can see what a transaction has deleted';
COMMENT ON FUNCTION apikey._rewrite_leaf IS 'internal: rewrites a leaf without its dead rows';
