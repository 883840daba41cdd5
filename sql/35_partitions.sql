-- ---------------------------------------------------------------------------
-- Leaves of apikey.usage.
--
-- A leaf is made as a table of its own and attached last: CREATE TABLE ...
-- PARTITION OF would lock the parent against the writer, and LIKE copies no
-- index, policy or grant.  A leaf is never a member of the extension, so that
-- pg_dump takes its rows and retention may drop it.
-- ---------------------------------------------------------------------------

-- One lock per subject, for the rest of the transaction.  Tables of our own
-- and not advisory locks: any role that may connect could take those first, and
-- nobody could revoke an access or make a partition while it holds them.  No
-- member may lock a table in these modes.  They hold up neither readers nor,
-- for usage, the writer.
CREATE FUNCTION apikey._lock(subject text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	CASE subject
		WHEN 'partitions' THEN
			LOCK TABLE ONLY apikey.usage IN SHARE UPDATE EXCLUSIVE MODE;
		WHEN 'grants' THEN
			LOCK TABLE ONLY apikey.member IN SHARE ROW EXCLUSIVE MODE;
		WHEN 'keyring' THEN
			LOCK TABLE ONLY apikey.keyring IN SHARE ROW EXCLUSIVE MODE;
		WHEN 'tenants' THEN
			-- whoever changes the shape of the tree, or what a path through it
			-- adds up to; rows are changed beside it
			LOCK TABLE ONLY apikey.tenant IN SHARE UPDATE EXCLUSIVE MODE;
	END CASE;
END
$$;

-- A setting of this extension; the default applies where the library has not
-- defined it yet.
--
-- What a database may have of its own is read where ALTER DATABASE ... SET puts
-- it: the workers of a database live long, and PostgreSQL looks there only when
-- a session starts.  What a session has set for itself comes first.
CREATE FUNCTION apikey._setting(name text, fallback text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	value text := nullif(current_setting('apikey.' || name, true), '');
	kept text;
	source text;
	built_in text;
BEGIN
	IF value IS NOT NULL AND name ~ '^(partition|rollup|usage)_' THEN
		SELECT s.source, s.boot_val INTO source, built_in FROM pg_settings s WHERE s.name = 'apikey.' || _setting.name;
		IF source = ANY ('{default,environment variable,configuration file,command line,global,database}') THEN
			SELECT substr(c.item, length('apikey.' || _setting.name || '=') + 1) INTO kept
			FROM pg_db_role_setting d CROSS JOIN unnest(d.setconfig) AS c (item)
			WHERE d.setrole = 0 AND starts_with(c.item, 'apikey.' || _setting.name || '=')
				AND d.setdatabase IN (0, (SELECT b.oid FROM pg_database b WHERE b.datname = current_database()))
			ORDER BY d.setdatabase DESC LIMIT 1;
			IF NOT FOUND AND source IN ('global', 'database')
				AND has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE') THEN
				-- it was there when this session started, and is no more
				SELECT f.setting INTO kept FROM pg_file_settings f
				WHERE lower(f.name) = 'apikey.' || _setting.name AND f.applied
				ORDER BY f.seqno DESC LIMIT 1;
				kept := coalesce(kept, built_in);
			END IF;
			value := coalesce(nullif(kept, ''), value);
		END IF;
	END IF;
	RETURN coalesce(value, fallback);
END
$$;

-- Range-bound leaves of apikey.usage, in order.  An open end is infinite.
CREATE FUNCTION apikey._usage_leaves(OUT leaf regclass, OUT starts_at timestamptz, OUT ends_at timestamptz)
	RETURNS SETOF record
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET datestyle = 'ISO, YMD' SET timezone = 'UTC'
AS $$
DECLARE
	bound text;
BEGIN
	FOR leaf, bound IN
		SELECT c.oid::regclass, pg_get_expr(c.relpartbound, c.oid)
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'apikey.usage'::regclass AND c.relpartbound IS NOT NULL
		ORDER BY c.oid
	LOOP
		CONTINUE WHEN bound = 'DEFAULT';
		starts_at := coalesce(substring(bound FROM 'FROM [(]''([^'']+)''[)]'), '-infinity')::timestamptz;
		ends_at := coalesce(substring(bound FROM 'TO [(]''([^'']+)''[)]'), 'infinity')::timestamptz;
		RETURN NEXT;
	END LOOP;
END
$$;

-- What a leaf has to have before rows of tenants are found in it: the owner, row
-- level security, policies and grants of apikey.usage, and no more.
CREATE FUNCTION apikey._protect_usage_leaf(leaf regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parent pg_class%ROWTYPE;
	grantee text;
	rule record;
BEGIN
	SELECT * INTO parent FROM pg_class WHERE oid = 'apikey.usage'::regclass;
	EXECUTE format('ALTER TABLE %s OWNER TO %I', leaf, pg_get_userbyid(parent.relowner));
	EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', leaf);

	FOR rule IN SELECT p.polname FROM pg_policy p WHERE p.polrelid = leaf ORDER BY p.polname LOOP
		EXECUTE format('DROP POLICY %I ON %s', rule.polname, leaf);
	END LOOP;
	FOR rule IN
		SELECT p.polname, pg_get_expr(p.polqual, p.polrelid) AS qual
		FROM pg_policy p
		WHERE p.polrelid = parent.oid AND p.polcmd = 'r' AND p.polroles = '{0}'
		ORDER BY p.polname
	LOOP
		EXECUTE format('CREATE POLICY %I ON %s FOR SELECT USING (%s)', rule.polname, leaf, rule.qual);
	END LOOP;

	-- ALTER DEFAULT PRIVILEGES may have opened a new table to anybody.
	EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', leaf);
	FOR grantee IN
		SELECT DISTINCT pg_get_userbyid(a.grantee)
		FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
		WHERE c.oid = leaf AND a.grantee NOT IN (0, c.relowner)
	LOOP
		EXECUTE format('REVOKE ALL ON %s FROM %I', leaf, grantee);
	END LOOP;
	FOR grantee IN
		SELECT DISTINCT r.rolname
		FROM aclexplode(parent.relacl) a JOIN pg_roles r ON r.oid = a.grantee
		WHERE a.privilege_type = 'SELECT' AND a.grantee <> parent.relowner
	LOOP
		EXECUTE format('GRANT SELECT ON %s TO %I', leaf, grantee);
	END LOOP;
END
$$;

-- Makes one leaf for [lower, upper): indexes and protection first, ATTACH last.
CREATE FUNCTION apikey._create_usage_leaf(leaf_name text, lower timestamptz, upper timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET datestyle = 'ISO, YMD' SET timezone = 'UTC'
AS $$
DECLARE
	space text := '';
BEGIN
	SELECT format(' TABLESPACE %I', t.spcname) INTO space
	FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE c.oid = 'apikey.usage'::regclass;
	space := coalesce(space, '');

	EXECUTE format('CREATE TABLE apikey.%I (LIKE apikey.usage INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', leaf_name) || space;

	-- "this key's history", "this tenant's traffic", and any slice of time.
	-- Two rows hardly ever have the same instant: looking for duplicates
	-- before every page split is for nothing.  The second column of the last
	-- one tells the rollups where new rows are.
	EXECUTE format('CREATE INDEX ON apikey.%I (key_id, at) WITH (deduplicate_items = off)', leaf_name) || space;
	EXECUTE format('CREATE INDEX ON apikey.%I (tenant_id, at) WITH (deduplicate_items = off)', leaf_name) || space;
	EXECUTE format('CREATE INDEX ON apikey.%I USING brin (at, at apikey.change_ops) WITH (pages_per_range = 32)', leaf_name) || space;
	-- "who came from this address", "what became of this request".  A b-tree
	-- finds them a thousand times faster, but its entries come in no order and
	-- cost the writer as much as the rows or twice that; see bench/RESULTS.md.
	EXECUTE format('CREATE INDEX ON apikey.%I USING brin (ip inet_bloom_ops (n_distinct_per_range = 1400, false_positive_rate = 0.001)) WITH (pages_per_range = 32)', leaf_name) || space;
	EXECUTE format('CREATE INDEX ON apikey.%I USING brin (request_id text_bloom_ops (n_distinct_per_range = 1400, false_positive_rate = 0.001)) WITH (pages_per_range = 32)', leaf_name) || space;

	PERFORM apikey._protect_usage_leaf(format('apikey.%I', leaf_name)::regclass);
	EXECUTE format('ALTER TABLE apikey.usage ATTACH PARTITION apikey.%I FOR VALUES FROM (%L) TO (%L)',
				   leaf_name, lower, upper);
END
$$;

-- A name for a leaf that no table or type has: of an archived leaf of the same
-- time, or of anybody's table.
CREATE FUNCTION apikey._free_leaf_name(lower timestamptz, upper timestamptz, width text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	short CONSTANT text := 'usage_' || to_char(lower, CASE width
		WHEN 'hour' THEN 'YYYYMMDDHH24' WHEN 'month' THEN 'YYYYMM' ELSE 'YYYYMMDD' END);
	long CONSTANT text := 'usage_' || to_char(lower, 'YYYYMMDDHH24MISS') || '_' || to_char(upper, 'YYYYMMDDHH24MISS');
	candidate text := short;
	n integer := 1;
BEGIN
	WHILE EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'apikey'::regnamespace AND c.relname = candidate)
		OR EXISTS (SELECT FROM pg_type t WHERE t.typnamespace = 'apikey'::regnamespace AND t.typname = candidate)
	LOOP
		candidate := long || CASE WHEN n > 1 THEN '_' || n ELSE '' END;
		n := n + 1;
	END LOOP;
	RETURN candidate;
END
$$;

-- Makes what is missing between two instants, both included; the writer calls
-- it when a batch needs a leaf.  A leaf is cut where it would overlap one of
-- another width.  At most 64 leaves a call, because each takes locks.
CREATE FUNCTION apikey._ensure_partition_for(lo timestamptz, hi timestamptz) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '5s'
	SET timezone = 'UTC'
AS $$
DECLARE
	width text := lower(apikey._setting('partition_width', 'day'));
	instant timestamptz := lo;
	lower timestamptz;
	upper timestamptz;
	covered timestamptz;
	leaf_name text;
	made integer := 0;
BEGIN
	IF lo IS NULL OR hi IS NULL OR NOT isfinite(lo) OR NOT isfinite(hi) OR lo > hi THEN
		RAISE invalid_parameter_value USING MESSAGE = 'invalid range of time for usage partitions';
	END IF;
	IF apikey._creating_extension() THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'cannot create usage partitions while an extension is being created',
			DETAIL = 'They would become members of the extension, and their rows would be missing from a dump.';
	END IF;

	-- grant_access() holds the second lock while it grants on all leaves
	PERFORM apikey._lock('partitions');
	PERFORM apikey._lock('grants');

	WHILE instant <= hi AND made < 64 LOOP
		SELECT l.ends_at INTO covered FROM apikey._usage_leaves() l
			WHERE l.starts_at <= instant AND instant < l.ends_at LIMIT 1;
		IF FOUND THEN
			instant := covered;
			CONTINUE;
		END IF;
		lower := date_trunc(width, instant);
		upper := lower + ('1 ' || width)::interval;
		SELECT greatest(lower, max(l.ends_at)) INTO lower FROM apikey._usage_leaves() l WHERE l.ends_at <= instant;
		SELECT least(upper, min(l.starts_at)) INTO upper FROM apikey._usage_leaves() l WHERE l.starts_at > instant;

		leaf_name := apikey._free_leaf_name(lower, upper, width);
		PERFORM apikey._create_usage_leaf(leaf_name, lower, upper);
		made := made + 1;
		instant := upper;
	END LOOP;
	RETURN made;
END
$$;

-- The leaf of the present and apikey.partition_premake ones after it.
CREATE FUNCTION apikey._make_partitions() RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
AS $$
DECLARE
	width text := lower(apikey._setting('partition_width', 'day'));
	premake integer := apikey._setting('partition_premake', '3')::integer;
	now timestamptz := apikey._now();
BEGIN
	RETURN apikey._ensure_partition_for(now, now + premake * ('1 ' || width)::interval);
END
$$;

CREATE FUNCTION apikey.ensure_partitions() RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._ensure_partitions() RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._require_all_tenants('create usage partitions');
	RETURN apikey._make_partitions();
END
$$;

COMMENT ON FUNCTION apikey._free_leaf_name IS 'internal: a name for a partition that is not taken';
