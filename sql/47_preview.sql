-- ---------------------------------------------------------------------------
-- What a change of a policy would have done to recorded traffic.
-- ---------------------------------------------------------------------------

-- Raises AK003 if the rules would deny requests of the last seven days that
-- the rules in force accept, unless forced.
CREATE FUNCTION apikey._check_denials(policy_id bigint, rules apikey.policy_version, force boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._require(force, 'force');
END
$$;
