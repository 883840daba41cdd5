-- ---------------------------------------------------------------------------
-- How long usage is kept: per database, and for classes of tenants.
--
-- A row is kept until its whole leaf is older than the retention of its tenant.
-- That is the class of the tenant, or of the nearest one above it that has one;
-- else apikey.usage_retention.  A leaf whose rows are all over is taken away
-- (36_retention_leaves), else the rows that are over are deleted
-- (36_retention_rows).  What must hold, whatever runs at the same time:
--
--   1. No row leaves apikey.usage, by DELETE, DROP or DETACH, before it is
--      counted in the rollups.  It is counted before the lock that keeps new
--      rows out of the leaf is taken, and under it one looks again.
--   2. The space comes back.
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

ALTER TABLE apikey.usage_class ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_class_read ON apikey.usage_class FOR SELECT USING ((SELECT apikey.sees_all('metadata')));
ALTER TABLE apikey.usage_class_tenant ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_class_tenant_read ON apikey.usage_class_tenant FOR SELECT USING (
	(SELECT apikey.sees_all('metadata'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('metadata'))::pg_catalog.int8[]));

SELECT pg_catalog.pg_extension_config_dump('apikey.usage_class', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.usage_class_tenant', '');

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

-- --- setting and assigning classes -----------------------------------------

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

-- A tenant is not moved out of the class that holds for it, nor into another one,
-- but by those who assign classes: rows would be deleted sooner, or kept longer,
-- than they decided.  One of its own goes along.  Called under the locks of a
-- move; tells nothing of the classes.
CREATE FUNCTION apikey._check_moved_class(tid bigint, was_parent bigint, parent_tid bigint, tenant text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT apikey._may('admin', NULL)
		AND NOT EXISTS (SELECT FROM apikey.usage_class_tenant a WHERE a.tenant_id = tid)
		AND (SELECT a.class FROM apikey._tenant_chain(was_parent) c JOIN apikey.usage_class_tenant a ON a.tenant_id = c.tenant_id
			 ORDER BY c.depth LIMIT 1)
			IS DISTINCT FROM
			(SELECT a.class FROM apikey._tenant_chain(parent_tid) c JOIN apikey.usage_class_tenant a ON a.tenant_id = c.tenant_id
			 ORDER BY c.depth LIMIT 1)
	THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied to move tenant "%s"', apikey._shown(tenant)),
			DETAIL = 'Its usage would be kept for another time: that takes access "admin" on all tenants.',
			HINT = 'Who has that may move it, or first give it a class of its own with apikey.assign_usage_class().';
	END IF;
END
$$;

COMMENT ON TABLE apikey.usage_class IS 'classes of tenants whose usage is kept for a time of their own';
COMMENT ON COLUMN apikey.usage_class.name IS 'the class';
COMMENT ON COLUMN apikey.usage_class.retention IS 'how long their rows of usage are kept, at least';
COMMENT ON COLUMN apikey.usage_class.created_at IS 'when the class was made';
COMMENT ON TABLE apikey.usage_class_tenant IS 'the class of a tenant and of those below it that have none of their own';
COMMENT ON COLUMN apikey.usage_class_tenant.tenant_id IS 'the tenant';
COMMENT ON COLUMN apikey.usage_class_tenant.class IS 'its class';
COMMENT ON FUNCTION apikey.set_usage_class IS
	'makes a class of tenants whose usage is kept for a time of its own, changes or, with NULL, removes it';
COMMENT ON FUNCTION apikey.assign_usage_class IS
	'puts a tenant and those below it into a class of usage retention, or, with NULL, into none';
COMMENT ON FUNCTION apikey._set_usage_class IS 'body of set_usage_class';
COMMENT ON FUNCTION apikey._assign_usage_class IS 'body of assign_usage_class';
COMMENT ON FUNCTION apikey._check_moved_class IS 'internal: a move that changes the class of a tenant is for admins of all tenants';
COMMENT ON FUNCTION apikey._tenant_retention IS 'internal: tenants for which a class of retention holds';
COMMENT ON FUNCTION apikey._usage_retention IS 'internal: how long usage is kept of tenants without a class';
COMMENT ON FUNCTION apikey._usage_edge IS 'internal: leaves that ended until then are over for every tenant';
