-- ---------------------------------------------------------------------------
-- A second factor for the most dangerous operations.
-- ---------------------------------------------------------------------------

-- Raises AK005 if the caller has to give a second factor first (step_up()).
-- production tells whether what the action touches is production.
CREATE FUNCTION apikey._require_step_up(action text, production boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._require(production, 'production');
END
$$;
