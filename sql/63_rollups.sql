-- ---------------------------------------------------------------------------
-- Counting rows of usage into usage_hourly and usage_daily, each once.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._task_rollups() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN 0;
END
$$;
