-- ---------------------------------------------------------------------------
-- Whose prices count for a tenant, and when (66_prices.sql).
--
-- The prices of a tenant and of those above it.  A tenant that is moved has those
-- of where it was until the hour is over, and what it has used by then costs what
-- it did, for good: so where tenants were is kept.
-- ---------------------------------------------------------------------------

CREATE TABLE apikey.tenant_past (
	tenant_id	pg_catalog.int8 NOT NULL REFERENCES apikey.tenant ON DELETE CASCADE,
	parent_id	pg_catalog.int8 REFERENCES apikey.tenant ON DELETE CASCADE,
	since		pg_catalog.timestamptz NOT NULL,
	until		pg_catalog.timestamptz NOT NULL,
	PRIMARY KEY (tenant_id, until)
);
CREATE INDEX tenant_past_parent ON apikey.tenant_past (parent_id);

ALTER TABLE apikey.tenant_past ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_past_none ON apikey.tenant_past USING (false);

SELECT pg_catalog.pg_extension_config_dump('apikey.tenant_past', '');

-- The tenants whose prices count for some, from when until when; depth 0 is the
-- tenant itself, and the nearest one counts first.
CREATE FUNCTION apikey._price_holders(tenants bigint[])
	RETURNS TABLE (tenant_id bigint, holder_id bigint, depth integer, since timestamptz, until timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 3 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH RECURSIVE holder AS (
		SELECT t.tenant_id, t.tenant_id AS holder_id, 0 AS depth, timestamptz '-infinity' AS since, timestamptz 'infinity' AS until
		FROM unnest(tenants) t (tenant_id)
		UNION ALL
		SELECT h.tenant_id, e.parent_id, h.depth + 1, greatest(h.since, e.since), least(h.until, e.until)
		FROM holder h CROSS JOIN LATERAL (
			SELECT p.parent_id, p.since, p.until FROM apikey.tenant_past p WHERE p.tenant_id = h.holder_id
			UNION ALL
			SELECT t.parent_id, coalesce((SELECT max(p.until) FROM apikey.tenant_past p WHERE p.tenant_id = t.tenant_id), '-infinity'), 'infinity'
			FROM apikey.tenant t WHERE t.tenant_id = h.holder_id) e
		WHERE h.depth < 100 AND e.parent_id IS NOT NULL AND greatest(h.since, e.since) < least(h.until, e.until)
	)
	SELECT h.tenant_id, h.holder_id, h.depth, h.since, h.until FROM holder h;
END
$$;

-- The tenants that prices of one count for, from when until when.
CREATE FUNCTION apikey._price_tree(top bigint) RETURNS TABLE (tenant_id bigint, since timestamptz, until timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH RECURSIVE below AS (
		SELECT top AS tenant_id, 0 AS depth, timestamptz '-infinity' AS since, timestamptz 'infinity' AS until
		UNION ALL
		SELECT e.tenant_id, b.depth + 1, greatest(b.since, e.since), least(b.until, e.until)
		FROM below b CROSS JOIN LATERAL (
			SELECT p.tenant_id, p.since, p.until FROM apikey.tenant_past p WHERE p.parent_id = b.tenant_id
			UNION ALL
			SELECT t.tenant_id, coalesce((SELECT max(p.until) FROM apikey.tenant_past p WHERE p.tenant_id = t.tenant_id), '-infinity'), 'infinity'
			FROM apikey.tenant t WHERE t.parent_id = b.tenant_id) e
		WHERE b.depth < 100 AND greatest(b.since, e.since) < least(b.until, e.until)
	)
	SELECT b.tenant_id, b.since, b.until FROM below b;
END
$$;

-- A tenant is moved, which had this parent.  Those who count go by the prices of
-- both from here on; who has begun is waited for, as in set_price().
CREATE FUNCTION apikey._keep_prices(tenant_id bigint, parent_id bigint) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	past timestamptz;
	next_hour timestamptz;
BEGIN
	LOCK TABLE ONLY apikey.endpoint_class IN SHARE MODE;
	PERFORM apikey._touch_prices();
	next_hour := date_trunc('hour', apikey._now(), 'UTC') + interval '1 hour';
	SELECT coalesce(max(p.until), '-infinity') INTO past FROM apikey.tenant_past p WHERE p.tenant_id = _keep_prices.tenant_id;
	IF past < next_hour THEN
		INSERT INTO apikey.tenant_past VALUES (_keep_prices.tenant_id, _keep_prices.parent_id, past, next_hour);
	END IF;
END
$$;

COMMENT ON TABLE apikey.tenant_past IS 'internal: where tenants were before they were moved, for prices';
COMMENT ON COLUMN apikey.tenant_past.tenant_id IS 'the tenant';
COMMENT ON COLUMN apikey.tenant_past.parent_id IS 'its parent then; NULL: it had none';
COMMENT ON COLUMN apikey.tenant_past.since IS 'whose prices counted from this hour on';
COMMENT ON COLUMN apikey.tenant_past.until IS 'and until this hour';
COMMENT ON FUNCTION apikey._price_holders(bigint[]) IS 'tenants whose prices count for some tenants, and when';
COMMENT ON FUNCTION apikey._price_tree(bigint) IS 'tenants that prices of a tenant count for, and when';
COMMENT ON FUNCTION apikey._keep_prices(bigint, bigint) IS 'keeps whose prices counted for a tenant that is moved';
