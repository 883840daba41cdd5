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
CREATE FUNCTION apikey._setting(name text, fallback text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce(nullif(current_setting('apikey.' || name, true), ''), fallback);
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

-- Makes one leaf for [lower, upper): indexes, row level security, policy and
-- grants first, ATTACH last.
CREATE FUNCTION apikey._create_usage_leaf(leaf_name text, lower timestamptz, upper timestamptz) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET datestyle = 'ISO, YMD' SET timezone = 'UTC'
AS $$
DECLARE
	parent pg_class%ROWTYPE;
	space text := '';
	grantee text;
	rule record;
BEGIN
	SELECT * INTO parent FROM pg_class WHERE oid = 'apikey.usage'::regclass;
	IF parent.reltablespace <> 0 THEN
		space := format(' TABLESPACE %I', (SELECT spcname FROM pg_tablespace WHERE oid = parent.reltablespace));
	END IF;

	EXECUTE format('CREATE TABLE apikey.%I (LIKE apikey.usage INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', leaf_name) || space;
	EXECUTE format('ALTER TABLE apikey.%I OWNER TO %I', leaf_name, pg_get_userbyid(parent.relowner));
	EXECUTE format('ALTER TABLE apikey.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', leaf_name);

	-- "this key's history", "this tenant's traffic", and any slice of time.
	-- Two rows hardly ever have the same instant: looking for duplicates
	-- before every page split is for nothing.
	EXECUTE format('CREATE INDEX ON apikey.%I (key_id, at) WITH (deduplicate_items = off)', leaf_name) || space;
	EXECUTE format('CREATE INDEX ON apikey.%I (tenant_id, at) WITH (deduplicate_items = off)', leaf_name) || space;
	EXECUTE format('CREATE INDEX ON apikey.%I USING brin (at)', leaf_name) || space;

	FOR rule IN
		SELECT p.polname, pg_get_expr(p.polqual, p.polrelid) AS qual
		FROM pg_policy p
		WHERE p.polrelid = parent.oid AND p.polcmd = 'r' AND p.polroles = '{0}'
		ORDER BY p.polname
	LOOP
		EXECUTE format('CREATE POLICY %I ON apikey.%I FOR SELECT USING (%s)', rule.polname, leaf_name, rule.qual);
	END LOOP;

	-- ALTER DEFAULT PRIVILEGES may have opened the new table to anybody.
	EXECUTE format('REVOKE ALL ON apikey.%I FROM PUBLIC', leaf_name);
	FOR grantee IN
		SELECT DISTINCT pg_get_userbyid(a.grantee)
		FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
		WHERE c.oid = format('apikey.%I', leaf_name)::regclass AND a.grantee NOT IN (0, c.relowner)
	LOOP
		EXECUTE format('REVOKE ALL ON apikey.%I FROM %I', leaf_name, grantee);
	END LOOP;
	FOR grantee IN
		SELECT DISTINCT r.rolname
		FROM aclexplode(parent.relacl) a JOIN pg_roles r ON r.oid = a.grantee
		WHERE a.privilege_type = 'SELECT' AND a.grantee <> parent.relowner
	LOOP
		EXECUTE format('GRANT SELECT ON apikey.%I TO %I', leaf_name, grantee);
	END LOOP;

	EXECUTE format('ALTER TABLE apikey.usage ATTACH PARTITION apikey.%I FOR VALUES FROM (%L) TO (%L)',
				   leaf_name, lower, upper);
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
	width text := apikey._setting('partition_width', 'day');
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

		leaf_name := 'usage_' || to_char(lower, CASE width
			WHEN 'hour' THEN 'YYYYMMDDHH24' WHEN 'month' THEN 'YYYYMM' ELSE 'YYYYMMDD' END);
		IF to_regclass('apikey.' || leaf_name) IS NOT NULL THEN
			leaf_name := 'usage_' || to_char(lower, 'YYYYMMDDHH24MISS') || '_' || to_char(upper, 'YYYYMMDDHH24MISS');
		END IF;
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
	width text := apikey._setting('partition_width', 'day');
	premake integer := apikey._setting('partition_premake', '3')::integer;
	now timestamptz := apikey._now();
BEGIN
	RETURN apikey._ensure_partition_for(now, now + premake * ('1 ' || width)::interval);
END
$$;

-- Drops leaves that ended longer ago than apikey.usage_retention, the oldest
-- first, at most the given number.  Parent before leaf, as every reader locks.
-- A reader that holds it up is waited for briefly only, because the writer
-- queues up behind us.
CREATE FUNCTION apikey._drop_partitions(most integer) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET lock_timeout = '500ms'
AS $$
DECLARE
	keep interval := apikey._setting('usage_retention', '90d')::interval;
	old regclass;
	dropped integer := 0;
BEGIN
	IF keep = interval '0' OR NOT EXISTS (SELECT FROM apikey._usage_leaves() l
			WHERE l.ends_at <= apikey._now() - keep) THEN
		RETURN 0;
	END IF;
	PERFORM apikey._lock('partitions');
	LOCK TABLE apikey.usage IN ACCESS EXCLUSIVE MODE;
	FOR old IN
		SELECT l.leaf FROM apikey._usage_leaves() l
		WHERE l.ends_at <= apikey._now() - keep
		ORDER BY l.ends_at LIMIT most
	LOOP
		EXECUTE format('DROP TABLE %s', old);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
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

CREATE FUNCTION apikey.drop_old_partitions() RETURNS integer
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._drop_old_partitions() RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	dropped integer;
BEGIN
	PERFORM apikey._require_all_tenants('drop usage partitions');
	dropped := apikey._drop_partitions(1000);
	IF dropped > 0 THEN
		PERFORM apikey._audit(NULL, 'usage.drop_partitions', 'usage', NULL, jsonb_build_object('dropped', dropped));
	END IF;
	RETURN dropped;
END
$$;
