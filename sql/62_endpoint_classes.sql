-- ---------------------------------------------------------------------------
-- Classes of endpoints: /orders/123 counts as /orders/*.
--
-- By its text an endpoint has a shape (src/endpoint_class.h).  What does not
-- look like a value but is one, such as a user's name, shows in numbers only;
-- so the shapes of a tenant's accepted requests are learnt, each a class, and
--
--	- a prefix with more than 100 different segments below it is collapsed:
--	  they count as '*', from then on and in what is counted already;
--	- a tenant has at most 1000 classes: a shape that would be one more counts
--	  as its longest prefix that is known, with "/**" (not a row of its own).
--	  The star of a collapsed prefix is one of them: where it makes no room and
--	  there is none, the prefix is not collapsed, and what is new below is "/**".
--	  Of a full list the classes are forgotten that no row of the rollups has,
--	  the collapsed ones when no row has a star in their place;
--	- requests that were denied teach nothing, or a scanner would fill the list
--	  with what is not there: what they ask for that is not known is "/**";
--	- what a price tells apart is never thrown together.  Where the star or the
--	  tail would have another price than the shape, now or at any time, it counts
--	  as what the prices that are for it ask for (src/endpoint_price.h), beyond
--	  the thousand, too.  How many such classes there are depends on the prices.
--
-- So there is no end to endpoints and one to classes, the same everywhere a
-- tenant's usage is counted.  What was counted before a shape was learnt keeps
-- the class it got then.
--
-- Invariants, at the end of each transaction, per tenant: no class has a segment
-- other than '*' below a collapsed prefix, unless for a price; no row of
-- usage_hourly or usage_daily has; collapsed prefixes are stored as the class
-- prefix/* with collapsed_at; without those that prices keep apart there are at
-- most 1000.  Each price that was set before a request was
-- counted is for its class if it is for its shape, and only then: so what it
-- costs does not depend on what else was asked for, and not on when it was
-- counted.  Which prices those are, _classify() says under its lock.
-- ---------------------------------------------------------------------------

CREATE TABLE apikey.endpoint_class (
	tenant_id		pg_catalog.int8 NOT NULL,
	class			pg_catalog.text NOT NULL,
	first_seen_at	pg_catalog.timestamptz NOT NULL,
	collapsed_at	pg_catalog.timestamptz
);
-- The key, by the hash as in usage_hourly: an index of the text would tell whoever
-- may read some of the table how the classes of others begin.
CREATE UNIQUE INDEX endpoint_class_key ON apikey.endpoint_class
	(tenant_id, apikey._class_hash(class));

ALTER TABLE apikey.endpoint_class ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY endpoint_class_read ON apikey.endpoint_class FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]));

SELECT pg_catalog.pg_extension_config_dump('apikey.endpoint_class', '');

CREATE FUNCTION apikey._endpoint_shape(endpoint pg_catalog.text) RETURNS pg_catalog.text
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_sql_endpoint_shape';
CREATE FUNCTION apikey._endpoint_collapse(shapes pg_catalog.text[], prefixes pg_catalog.text[], endpoints pg_catalog.text[]) RETURNS pg_catalog.text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_endpoint_collapse';
CREATE FUNCTION apikey._endpoint_crowded(shapes pg_catalog.text[], most pg_catalog.int4) RETURNS pg_catalog.text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_endpoint_crowded';
CREATE FUNCTION apikey._endpoint_resolve(shapes pg_catalog.text[], accepted pg_catalog.bool[], classes pg_catalog.text[],
	endpoints pg_catalog.text[]) RETURNS pg_catalog.text[]
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_endpoint_resolve';
CREATE FUNCTION apikey._price_matches(endpoint pg_catalog.text, class pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_endpoint_price_matches';

-- The endpoints of all prices there may ever have been for a tenant.
CREATE FUNCTION apikey._price_endpoints(tenant_id bigint) RETURNS text[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
	RETURN ARRAY(
		SELECT DISTINCT p.endpoint FROM apikey.price p
		WHERE p.endpoint IS NOT NULL AND (p.tenant_id IS NULL
			OR p.tenant_id IN (SELECT h.holder_id FROM apikey._price_holders(ARRAY[_price_endpoints.tenant_id]) h)));
END
$$;

-- Rows of one tenant whose class is another since these prefixes are collapsed
-- become rows of that.
CREATE FUNCTION apikey._merge_classes(tenant_id bigint, prefixes text[], endpoints text[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	olds text[];
	news text[];
	sums text;
	at text;
BEGIN
	olds := ARRAY(
		SELECT h.endpoint_class FROM apikey.usage_hourly h
		WHERE h.tenant_id = _merge_classes.tenant_id AND h.endpoint_class IS NOT NULL
		UNION
		SELECT d.endpoint_class FROM apikey.usage_daily d
		WHERE d.tenant_id = _merge_classes.tenant_id AND d.endpoint_class IS NOT NULL);
	news := apikey._endpoint_collapse(olds, prefixes, endpoints);
	SELECT coalesce(array_agg(m.old), '{}'), coalesce(array_agg(m.new), '{}') INTO olds, news
	FROM unnest(olds, news) m (old, new) WHERE m.old <> m.new;
	IF cardinality(olds) = 0 THEN
		RETURN;
	END IF;
	FOR sums, at IN VALUES ('usage_hourly', 'hour'), ('usage_daily', 'day') LOOP
		EXECUTE format($query$
			WITH moved AS (
				DELETE FROM apikey.%1$I u USING unnest($2, $3) m (old, new)
				WHERE u.tenant_id = $1 AND u.endpoint_class = m.old
				RETURNING u.*, m.new
			)
			INSERT INTO apikey.%1$I AS u (%2$I, tenant_id, key_id, environment_id, endpoint_class, code, calls, denials, errors,
				units, bytes_in, bytes_out, latency_calls, latency_us, latency, ips)
			SELECT m.%2$I, m.tenant_id, m.key_id, m.environment_id, m.new, m.code, sum(m.calls), sum(m.denials), sum(m.errors),
				sum(m.units), sum(m.bytes_in), sum(m.bytes_out), sum(m.latency_calls), sum(m.latency_us),
				apikey.latency_merge(m.latency), apikey.ip_merge(m.ips)
			FROM moved m
			GROUP BY m.%2$I, m.tenant_id, m.key_id, m.environment_id, m.new, m.code
			ON CONFLICT (tenant_id, %2$I, key_id, environment_id, apikey._class_hash(endpoint_class), code) DO UPDATE SET
				calls = u.calls + excluded.calls, denials = u.denials + excluded.denials, errors = u.errors + excluded.errors,
				units = u.units + excluded.units, bytes_in = u.bytes_in + excluded.bytes_in, bytes_out = u.bytes_out + excluded.bytes_out,
				latency_calls = u.latency_calls + excluded.latency_calls, latency_us = u.latency_us + excluded.latency_us,
				latency = apikey._latency_add(u.latency, excluded.latency), ips = apikey._ip_add(u.ips, excluded.ips)$query$, sums, at)
		USING tenant_id, olds, news;
	END LOOP;
END
$$;

-- Which of the crowded prefixes, all of one depth, may be collapsed: those that
-- make room or need none, and as many of the others as there is room for.  No one
-- needs more than its star.
CREATE FUNCTION apikey._room_for_stars(known text[], prefixes text[], crowded text[], most integer,
	OUT fitting text[], OUT roomless text[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	depth integer := cardinality(string_to_array(crowded[1], '/'));
	-- what only prices keep is beyond the bound
	plain text[] := ARRAY(
		SELECT u.class FROM unnest(known, apikey._endpoint_collapse(known, prefixes, '{}')) u (class, plain)
		WHERE u.class = u.plain);
BEGIN
	WITH images AS (
		SELECT array_to_string((string_to_array(i.class, '/'))[1:depth], '/') AS prefix, i.class
		FROM unnest(apikey._endpoint_collapse(plain, prefixes || crowded, '{}')) i (class)
	), needs AS (
		SELECT c.prefix, count(DISTINCT i.class) - count(i.class)
			+ CASE WHEN bool_or(i.class = c.prefix || '/*') THEN 0 ELSE 1 END AS places
		FROM unnest(crowded) c (prefix) LEFT JOIN images i USING (prefix)
		GROUP BY c.prefix
	), sums AS (
		SELECT n.prefix, n.places <= 0
			OR sum(n.places) OVER (ORDER BY n.places, n.prefix COLLATE "C") <= most - cardinality(plain) AS fits
		FROM needs n
	)
	SELECT coalesce(array_agg(s.prefix) FILTER (WHERE s.fits), '{}'), coalesce(array_agg(s.prefix) FILTER (WHERE NOT s.fits), '{}')
	INTO fitting, roomless
	FROM sums s;
END
$$;

-- One tenant's shapes: learns what is new, if it is to write, and gives the
-- class of each.  changed: there is something to learn.
CREATE FUNCTION apikey._classify_tenant(tenant_id bigint, shapes text[], accepted boolean[], write boolean,
	OUT classes text[], OUT changed boolean)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	most_classes constant integer := 1000;
	most_children constant integer := 100;
	stored text[];					-- as the table has it
	known text[];					-- as it will have it
	prefixes text[];				-- collapsed
	endpoints text[] := apikey._price_endpoints(tenant_id);
	fresh text[];					-- accepted, not known
	crowded text[];
	roomless text[];				-- of these
	depth integer;					-- of each of these
	beyond text[] := '{}';			-- fresh below those
	mapped text[];
	before text[];
	collapses boolean := false;
BEGIN
	changed := false;
	SELECT coalesce(array_agg(e.class), '{}'), coalesce(array_agg(left(e.class, -2)) FILTER (WHERE e.collapsed_at IS NOT NULL), '{}')
	INTO stored, prefixes
	FROM apikey.endpoint_class e WHERE e.tenant_id = _classify_tenant.tenant_id;

	known := stored;
	mapped := apikey._endpoint_collapse(shapes, prefixes, endpoints);
	fresh := ARRAY(
		SELECT m.shape FROM unnest(mapped, accepted) m (shape, accepted) WHERE m.accepted
		EXCEPT SELECT unnest(stored));
	IF cardinality(fresh) = 0 THEN
		classes := apikey._endpoint_resolve(mapped, accepted, stored, endpoints);
		RETURN;
	END IF;

	LOOP
		-- what only prices keep below a collapsed prefix is not counted again
		before := known || fresh;
		crowded := apikey._endpoint_crowded(ARRAY(
			SELECT u.class FROM unnest(before, apikey._endpoint_collapse(before, prefixes, '{}')) u (class, plain)
			WHERE u.class = u.plain), most_children);
		EXIT WHEN cardinality(crowded) = 0;
		SELECT r.fitting, r.roomless INTO crowded, roomless
		FROM apikey._room_for_stars(known, prefixes, crowded, most_classes) r;
		IF cardinality(roomless) > 0 THEN
			before := fresh;
			depth := cardinality(string_to_array(roomless[1], '/'));
			-- NOT IN: each is looked up, however many there are
			fresh := ARRAY(
				SELECT f FROM unnest(before) f
				WHERE cardinality(string_to_array(f, '/')) <= depth
					OR array_to_string((string_to_array(f, '/'))[1:depth], '/') NOT IN (SELECT unnest(roomless)));
			EXIT WHEN cardinality(fresh) = cardinality(before) AND cardinality(crowded) = 0;
			beyond := beyond || ARRAY(SELECT unnest(before) EXCEPT SELECT unnest(fresh));
			CONTINUE WHEN cardinality(crowded) = 0;
		END IF;
		collapses := true;
		-- what was collapsed below one of these stays so, one star higher
		prefixes := prefixes || crowded;
		LOOP
			before := prefixes;
			prefixes := ARRAY(SELECT DISTINCT unnest(apikey._endpoint_collapse(before, before, '{}')) ORDER BY 1);
			EXIT WHEN prefixes = before;
		END LOOP;
		known := ARRAY(
			SELECT unnest(apikey._endpoint_collapse(known, prefixes, endpoints))
			UNION SELECT p || '/*' FROM unnest(prefixes) p);
		fresh := ARRAY(SELECT unnest(apikey._endpoint_collapse(fresh, prefixes, endpoints)) EXCEPT SELECT unnest(known));
		beyond := apikey._endpoint_collapse(beyond, prefixes, endpoints);
		mapped := apikey._endpoint_collapse(mapped, prefixes, endpoints);
	END LOOP;

	before := known;
	known := known || ARRAY(
		SELECT f FROM unnest(fresh) f ORDER BY f COLLATE "C" LIMIT greatest(most_classes - cardinality(known), 0));
	IF cardinality(endpoints) > 0 THEN
		-- what only prices tell from the tails of what is known
		fresh := ARRAY(SELECT unnest(fresh || beyond) EXCEPT SELECT unnest(known));
		known := known || ARRAY(
			SELECT DISTINCT p.class
			FROM unnest(apikey._endpoint_resolve(fresh, array_fill(true, ARRAY[cardinality(fresh)]), known, endpoints),
						apikey._endpoint_resolve(fresh, array_fill(true, ARRAY[cardinality(fresh)]), known, '{}')) p (class, tail)
			WHERE p.class <> p.tail AND p.class <> ALL (known));
	END IF;
	changed := collapses OR cardinality(known) > cardinality(before);
	classes := apikey._endpoint_resolve(mapped, accepted, known, endpoints);
	IF NOT changed OR NOT write THEN
		RETURN;
	END IF;

	-- a class that others have come to was seen when the first of them was
	WITH gone AS (
		DELETE FROM apikey.endpoint_class e
		WHERE e.tenant_id = _classify_tenant.tenant_id AND e.class <> ALL (known)
		RETURNING e.class, e.first_seen_at
	), merged AS (
		SELECT c.class, min(g.first_seen_at) AS first_seen_at
		FROM gone g, unnest(apikey._endpoint_collapse(ARRAY[g.class], prefixes, endpoints)) c (class)
		GROUP BY c.class
	)
	INSERT INTO apikey.endpoint_class AS e (tenant_id, class, first_seen_at, collapsed_at)
	SELECT _classify_tenant.tenant_id, k.class, coalesce(m.first_seen_at, apikey._now()),
		CASE WHEN left(k.class, -2) = ANY (prefixes) AND right(k.class, 2) = '/*' THEN apikey._now() END
	FROM unnest(known) k (class) LEFT JOIN merged m USING (class)
	WHERE k.class <> ALL (stored) OR m.class IS NOT NULL OR (left(k.class, -2) = ANY (prefixes) AND right(k.class, 2) = '/*')
	ON CONFLICT (tenant_id, apikey._class_hash(class)) DO UPDATE SET
		first_seen_at = least(e.first_seen_at, excluded.first_seen_at),
		collapsed_at = coalesce(e.collapsed_at, excluded.collapsed_at);
	IF collapses THEN
		PERFORM apikey._merge_classes(tenant_id, prefixes, endpoints);
	END IF;
END
$$;

-- All of a call's shapes: see _classify().
CREATE FUNCTION apikey._classify_all(tenant_ids bigint[], shapes text[], accepted boolean[], write boolean,
	OUT classes text[], OUT changed boolean)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	part bigint;
	places bigint[];				-- of its shapes among all
	part_shapes text[];
	part_accepted boolean[];
	part_classes text[];
	part_changed boolean;
BEGIN
	changed := false;
	classes := ARRAY(
		SELECT e.class
		FROM unnest(tenant_ids, shapes) WITH ORDINALITY u (tenant_id, shape, n)
			LEFT JOIN apikey.endpoint_class e ON e.tenant_id = u.tenant_id AND e.class = u.shape
				AND apikey._class_hash(e.class) = apikey._class_hash(u.shape)
		ORDER BY u.n);
	-- where one shape is no class, the others may not stay what they are
	FOR part, places, part_shapes, part_accepted IN
		SELECT u.tenant_id, array_agg(u.n), array_agg(u.shape), array_agg(coalesce(u.accepted, false))
		FROM unnest(tenant_ids, shapes, accepted, classes) WITH ORDINALITY u (tenant_id, shape, accepted, class, n)
		WHERE u.tenant_id IS NOT NULL AND u.shape IS NOT NULL
		GROUP BY u.tenant_id HAVING bool_or(u.class IS NULL)
		ORDER BY u.tenant_id
	LOOP
		SELECT t.classes, t.changed INTO part_classes, part_changed
		FROM apikey._classify_tenant(part, part_shapes, part_accepted, write) t;
		changed := changed OR part_changed;
		IF changed AND NOT write THEN
			RETURN;
		END IF;
		FOR i IN 1 .. cardinality(places) LOOP
			classes[places[i]] := part_classes[i];
		END LOOP;
	END LOOP;
END
$$;

-- Tells those who go by an older snapshot that prices were set since.
CREATE FUNCTION apikey._touch_prices() RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._set_task_state('prices', NULL, 0);
END
$$;

-- The class of each shape, of the tenant beside it; accepted says whether
-- requests of this shape were (VALID or LOGGED), and so teach.  NULL where
-- tenant or shape is.  Different shapes may come to one class.  The same pair
-- may come several times; give each as few as possible, and no more than some
-- hundred thousand at once.
--
-- Call it in a statement of its own, before the one that writes rows of
-- usage_hourly and usage_daily of these classes: it may itself merge rows there.
-- Until the transaction ends the answers stay true, by a lock of the table
-- endpoint_class: shared (ROW EXCLUSIVE) where there was nothing to learn, else
-- alone (SHARE ROW EXCLUSIVE), which waits for the transactions that have
-- asked.  It is taken before rows of usage_hourly and usage_daily are locked,
-- and after the leaf.  Whether there is something to learn shows only under
-- the shared lock, and two that hold it must not both wait to be alone; so the
-- shared one is given up first, by leaving a subtransaction, and all is looked
-- at again.
--
-- Prices are read under this lock, too, and without another.  set_price() takes
-- SHARE, after that of price: so it waits for those who count without its price,
-- sees what they have counted, and those who count later see the price.  An old
-- snapshot would not: whoever counts with one meets the row of task_state that
-- set_price() has changed, and fails.
CREATE FUNCTION apikey._classify(tenant_ids bigint[], shapes text[], accepted boolean[]) RETURNS text[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	classes text[];
	changed boolean;
BEGIN
	IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		LOCK TABLE ONLY apikey.endpoint_class IN SHARE ROW EXCLUSIVE MODE;
		PERFORM apikey._touch_prices();
	END IF;
	BEGIN
		LOCK TABLE ONLY apikey.endpoint_class IN ROW EXCLUSIVE MODE;
		SELECT a.classes, a.changed INTO classes, changed FROM apikey._classify_all(tenant_ids, shapes, accepted, false) a;
		IF changed THEN
			RAISE SQLSTATE 'AKLRN';
		END IF;
		RETURN classes;
	EXCEPTION WHEN SQLSTATE 'AKLRN' THEN
		NULL;
	END;
	LOCK TABLE ONLY apikey.endpoint_class IN SHARE ROW EXCLUSIVE MODE;
	RETURN (SELECT a.classes FROM apikey._classify_all(tenant_ids, shapes, accepted, true) a);
END
$$;

-- Makes room in full lists: of one tenant at a time, in turn, the classes that
-- nothing counted is of any more.  A collapsed prefix stays as long as something
-- is counted as a star below it: what the star stands for is not known otherwise.
CREATE FUNCTION apikey._forget_endpoint_classes() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	full_lists bigint[];
	counted text[];
	forgotten bigint;
	turn bigint;
BEGIN
	full_lists := ARRAY(
		SELECT e.tenant_id FROM apikey.endpoint_class e GROUP BY e.tenant_id HAVING count(*) >= 1000 ORDER BY e.tenant_id);
	IF cardinality(full_lists) = 0 THEN
		RETURN 0;
	END IF;
	BEGIN
		LOCK TABLE ONLY apikey.endpoint_class IN SHARE ROW EXCLUSIVE MODE NOWAIT;
	EXCEPTION WHEN lock_not_available THEN
		RETURN 0;				-- somebody counts; the next call will do
	END;
	turn := full_lists[1 + mod(floor(extract(epoch FROM apikey._now()) / 600)::bigint, cardinality(full_lists))];
	counted := ARRAY(
		SELECT h.endpoint_class FROM apikey.usage_hourly h WHERE h.tenant_id = turn AND h.endpoint_class IS NOT NULL
		UNION
		SELECT d.endpoint_class FROM apikey.usage_daily d WHERE d.tenant_id = turn AND d.endpoint_class IS NOT NULL);
	DELETE FROM apikey.endpoint_class e
	WHERE e.tenant_id = turn AND e.class <> ALL (counted)
		AND NOT (e.collapsed_at IS NOT NULL AND EXISTS (
			SELECT FROM unnest(counted) c (class)
			WHERE starts_with(c.class, left(e.class, -1)) AND split_part(substr(c.class, length(e.class)), '/', 1) LIKE '%*%'));
	GET DIAGNOSTICS forgotten = ROW_COUNT;
	RETURN forgotten;
END
$$;

COMMENT ON TABLE apikey.endpoint_class IS
	'kinds of endpoints that a tenant''s accepted requests were seen to ask for';
COMMENT ON COLUMN apikey.endpoint_class.tenant_id IS 'the tenant';
COMMENT ON COLUMN apikey.endpoint_class.class IS 'the class, as in /orders/*: a star is one segment, or all of it but a suffix; ** any tail';
COMMENT ON COLUMN apikey.endpoint_class.first_seen_at IS 'when it was first counted';
COMMENT ON COLUMN apikey.endpoint_class.collapsed_at IS
	'of a class that ends in a star: since when every segment in its place counts as the star, for there were too many';
COMMENT ON FUNCTION apikey._endpoint_shape(pg_catalog.text) IS
	'an endpoint without query, and with a star for each segment that looks like a value';
COMMENT ON FUNCTION apikey._endpoint_collapse(pg_catalog.text[], pg_catalog.text[], pg_catalog.text[]) IS
	'shapes with a star for each segment that is below one of the prefixes, unless endpoints of prices tell that apart';
COMMENT ON FUNCTION apikey._endpoint_crowded(pg_catalog.text[], pg_catalog.int4) IS
	'prefixes with more than so many different segments below them, the shortest of these';
COMMENT ON FUNCTION apikey._endpoint_resolve(pg_catalog.text[], pg_catalog.bool[], pg_catalog.text[], pg_catalog.text[]) IS
	'class of each shape among those that are known, or as endpoints of prices tell them apart';
COMMENT ON FUNCTION apikey._price_matches(pg_catalog.text, pg_catalog.text) IS
	'whether a price of this endpoint is for a class';
COMMENT ON FUNCTION apikey._price_endpoints(bigint) IS
	'endpoints of prices of a tenant, of those above and of all';
COMMENT ON FUNCTION apikey._touch_prices() IS
	'tells those who go by an older snapshot that prices were set since';
COMMENT ON FUNCTION apikey._merge_classes(bigint, text[], text[]) IS
	'merges what is counted of a tenant below collapsed prefixes';
COMMENT ON FUNCTION apikey._room_for_stars(text[], text[], text[], integer) IS
	'which crowded prefixes may be collapsed for a list not to be longer than it may be';
COMMENT ON FUNCTION apikey._classify_tenant(bigint, text[], boolean[], boolean) IS
	'class of each shape of a tenant; learns';
COMMENT ON FUNCTION apikey._classify_all(bigint[], text[], boolean[], boolean) IS
	'class of each shape; learns if it is to write';
COMMENT ON FUNCTION apikey._classify(bigint[], text[], boolean[]) IS
	'class of each shape; learns from accepted requests';
COMMENT ON FUNCTION apikey._forget_endpoint_classes() IS
	'forgets classes of a full list that nothing counted is of';
