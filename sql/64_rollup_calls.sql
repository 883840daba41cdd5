-- ---------------------------------------------------------------------------
-- Refreshing and recounting rollups by hand, and how long they are kept.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._task_rollup_retention() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN 0;
END
$$;
