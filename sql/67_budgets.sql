-- ---------------------------------------------------------------------------
-- Budgets: quotas of a tenant with a warning before they are used up.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._task_budgets() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN 0;
END
$$;
