-- ---------------------------------------------------------------------------
-- A second factor for the most dangerous operations: TOTP of RFC 6238.
--
-- A role that has enrolled gives a code with step_up() and may then, until the
-- end of the transaction, do what _require_step_up() guards.  Which codes were
-- used and how many were guessed is kept where no rollback undoes it, see
-- src/step_up.c.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._is_member(role oid) RETURNS boolean
	LANGUAGE c STABLE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_is_member';
CREATE FUNCTION apikey._make_totp(label text, role oid, system_identifier bigint,
	OUT keyring_id integer, OUT material bytea, OUT secret text, OUT uri text)
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_make_totp';
CREATE FUNCTION apikey._totp_code(secret bytea, step bigint, digits integer) RETURNS text
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_totp_code';
CREATE FUNCTION apikey._take_code(caller oid, code text, keyring_id integer, material bytea, role oid,
	system_identifier bigint, last_step bigint) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_take_code';
CREATE FUNCTION apikey._mark_stepped_up(role oid) RETURNS void
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_mark_stepped_up';
CREATE FUNCTION apikey._stepped_up(role oid) RETURNS boolean
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_stepped_up';

-- The second factor of a role: by OID in the cluster where it enrolled, by
-- name after a restore elsewhere, as with member.
CREATE FUNCTION apikey._totp(role oid) RETURNS apikey.member_totp
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	cluster bigint := apikey._system_identifier();
	t apikey.member_totp;
BEGIN
	SELECT m.* INTO t FROM apikey.member_totp m
	WHERE CASE WHEN m.system_identifier = cluster THEN m.role_oid = role
			   ELSE m.role_name = (SELECT r.rolname::text FROM pg_roles r WHERE r.oid = role) END
	-- what was enrolled here before what was restored
	ORDER BY m.system_identifier = cluster DESC, m.enrolled_at DESC LIMIT 1;
	RETURN t;
END
$$;

CREATE FUNCTION apikey._require_member(action text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT apikey._is_member(apikey._caller()) THEN
		RAISE insufficient_privilege USING
			MESSAGE = format('permission denied to %s', action),
			DETAIL = 'It takes access to a tenant.';
	END IF;
END
$$;

-- Raises AK005 if the caller has to give a second factor first (step_up()).
-- production tells whether what the action touches is production.
CREATE FUNCTION apikey._require_step_up(action text, production boolean) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	mode text := apikey._setting('step_up', 'enrolled');
	enrolled boolean;
	login oid;
BEGIN
	PERFORM apikey._require(production, 'production');
	IF NOT production OR mode = 'off' OR apikey._stepped_up(apikey._caller()) THEN
		RETURN;
	END IF;
	enrolled := (apikey._totp(apikey._caller())).confirmed_at IS NOT NULL;
	IF NOT enrolled THEN
		-- whoever has a factor and acts as a role without one gives his own
		SELECT u.oid INTO login FROM pg_roles u
			WHERE u.rolname = session_user AND NOT u.rolsuper AND (apikey._totp(u.oid)).confirmed_at IS NOT NULL;
		IF apikey._stepped_up(login) THEN
			RETURN;
		END IF;
	END IF;
	IF enrolled OR login IS NOT NULL OR mode = 'required' THEN
		RAISE SQLSTATE 'AK005' USING
			MESSAGE = format('a second factor is needed to %s', action),
			DETAIL = CASE WHEN enrolled THEN 'The role has enrolled one.'
						  WHEN login IS NOT NULL THEN 'The role that has logged in has enrolled one.'
						  ELSE 'apikey.step_up is "required", and the role has not enrolled one.' END,
			HINT = CASE WHEN enrolled THEN 'Call step_up() in the same transaction first.'
						WHEN login IS NOT NULL THEN 'Call step_up() as that role, in the same transaction first.'
						ELSE 'Enroll with enroll_totp() and confirm_totp(), then call step_up() in the same transaction.' END;
	END IF;
END
$$;

-- A new secret for the caller, shown once; in force when confirmed.
CREATE FUNCTION apikey.enroll_totp(OUT secret text, OUT uri text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._enroll_totp(OUT secret text, OUT uri text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me oid := apikey._caller();
	my_name text := apikey._caller_name();
	cluster bigint := apikey._system_identifier();
	was apikey.member_totp;
	made record;
BEGIN
	PERFORM apikey._require_member('enroll a second factor');
	was := apikey._totp(me);
	IF was.confirmed_at IS NOT NULL THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'role has a second factor already',
			HINT = 'Remove it with step_up() and remove_totp() first.';
	END IF;
	PERFORM apikey._ensure_data_key();
	made := apikey._make_totp(my_name || '@' || current_database(), me, cluster);
	INSERT INTO apikey.member_totp (role_oid, system_identifier, role_name, keyring_id, material, enrolled_at)
	VALUES (me, cluster, my_name, made.keyring_id, made.material, apikey._now())
	ON CONFLICT ON CONSTRAINT member_totp_pkey DO UPDATE
		SET role_name = excluded.role_name, keyring_id = excluded.keyring_id, material = excluded.material,
			enrolled_at = excluded.enrolled_at
		WHERE member_totp.confirmed_at IS NULL;
	IF NOT FOUND THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'role has a second factor already',
			HINT = 'Remove it with step_up() and remove_totp() first.';
	END IF;
	-- a restored one that was never confirmed
	DELETE FROM apikey.member_totp m
		WHERE m.role_oid = was.role_oid AND m.system_identifier = was.system_identifier AND m.system_identifier <> cluster;
	PERFORM apikey._audit(NULL, 'totp.enroll', 'totp:' || my_name, NULL, NULL);
	PERFORM apikey._event(NULL, 'totp.enroll', NULL, jsonb_build_object('role', my_name));
	-- assigned, not queried: constants of a plan may be logged
	secret := made.secret;
	uri := made.uri;
END
$$;

CREATE FUNCTION apikey.confirm_totp(code text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._confirm_totp(code text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me oid := apikey._caller();
	t apikey.member_totp;
	step bigint;
BEGIN
	PERFORM apikey._require_member('confirm a second factor');
	t := apikey._totp(me);
	IF t.role_oid IS NULL OR t.confirmed_at IS NOT NULL THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'role has no second factor to confirm',
			HINT = 'enroll_totp() makes one.';
	END IF;
	step := apikey._take_code(me, code, t.keyring_id, t.material, t.role_oid, t.system_identifier, t.last_step);
	-- material: another session may have enrolled anew meanwhile
	UPDATE apikey.member_totp m SET confirmed_at = apikey._now(), last_step = greatest(m.last_step, step)
		WHERE m.role_oid = t.role_oid AND m.system_identifier = t.system_identifier
			AND m.material = t.material AND m.confirmed_at IS NULL;
	IF NOT FOUND THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'role has no second factor to confirm',
			HINT = 'enroll_totp() makes one.';
	END IF;
	PERFORM apikey._audit(NULL, 'totp.confirm', 'totp:' || apikey._caller_name(), NULL, NULL);
	PERFORM apikey._event(NULL, 'totp.confirm', NULL, jsonb_build_object('role', apikey._caller_name()));
	RETURN true;
END
$$;

CREATE FUNCTION apikey.step_up(code text) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._step_up(code text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me oid := apikey._caller();
	t apikey.member_totp;
	step bigint;
BEGIN
	PERFORM apikey._require_member('give a second factor');
	t := apikey._totp(me);
	IF t.confirmed_at IS NULL THEN
		t.material := NULL;		-- reads as any other wrong code
	END IF;
	step := apikey._take_code(me, code, t.keyring_id, t.material, t.role_oid, t.system_identifier, t.last_step);
	PERFORM apikey._mark_stepped_up(me);
	-- For a server that takes over from this one.  Nobody waits for a session
	-- that has stepped up and goes on: while this server runs, it knows.
	BEGIN
		UPDATE apikey.member_totp m SET last_step = greatest(m.last_step, step)
		FROM (SELECT o.role_oid, o.system_identifier FROM apikey.member_totp o
			  WHERE o.role_oid = t.role_oid AND o.system_identifier = t.system_identifier
			  FOR NO KEY UPDATE SKIP LOCKED) mine
		WHERE m.role_oid = mine.role_oid AND m.system_identifier = mine.system_identifier;
	EXCEPTION WHEN serialization_failure THEN
		-- a snapshot from before another session's: that one has noted a step
		NULL;
	END;
	PERFORM apikey._audit(NULL, 'totp.step_up', 'totp:' || apikey._caller_name(), NULL, NULL);
	RETURN true;
END
$$;

-- The caller's own, or that of another role (by its name).
CREATE FUNCTION apikey.remove_totp(role text DEFAULT NULL) RETURNS boolean
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._remove_totp(role text) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	own boolean := role IS NULL OR role = apikey._caller_name();
	whose text := coalesce(role, apikey._caller_name());
	role_id oid;
	t apikey.member_totp;
BEGIN
	IF own THEN
		PERFORM apikey._require_member('remove a second factor');
		role_id := apikey._caller();
	ELSE
		PERFORM apikey._require_all_tenants('remove the second factor of another role');
		PERFORM apikey._require_step_up('remove the second factor of another role', true);
		SELECT r.oid INTO role_id FROM pg_roles r WHERE r.rolname = role;
	END IF;
	t := apikey._totp(role_id);
	IF NOT own AND t.role_oid IS NULL THEN
		-- a role that is gone is known by the name it had
		SELECT m.* INTO t FROM apikey.member_totp m
			WHERE m.role_name = role AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = m.role_oid)
			ORDER BY m.enrolled_at LIMIT 1;
		IF NOT FOUND AND role_id IS NULL THEN
			RAISE undefined_object USING MESSAGE = format('role "%s" does not exist', apikey._shown(role));
		END IF;
	END IF;
	IF t.role_oid IS NULL THEN
		RETURN false;
	END IF;
	-- whatever apikey.step_up says: the factor guards itself
	IF own AND t.confirmed_at IS NOT NULL AND NOT apikey._stepped_up(role_id) THEN
		RAISE SQLSTATE 'AK005' USING
			MESSAGE = 'a second factor is needed to remove it',
			DETAIL = 'The role has enrolled one.',
			HINT = 'Call step_up() in the same transaction first; for a lost one, an admin of all tenants can remove it.';
	END IF;
	DELETE FROM apikey.member_totp m WHERE m.role_oid = t.role_oid AND m.system_identifier = t.system_identifier;
	PERFORM apikey._audit(NULL, 'totp.remove', 'totp:' || whose, NULL, NULL);
	PERFORM apikey._event(NULL, 'totp.remove', NULL, jsonb_build_object('role', whose));
	RETURN true;
END
$$;

-- For check_setup().
CREATE FUNCTION apikey._findings_step_up(OUT severity text, OUT item text, OUT detail text, OUT hint text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF apikey._setting('step_up', 'enrolled') = 'off' AND EXISTS (SELECT FROM apikey.environment e WHERE e.is_production) THEN
		RETURN QUERY SELECT 'warning', 'step-up',
			'There is a production environment, and the most dangerous actions take no second factor.',
			'Set apikey.step_up to enrolled or required.';
	END IF;
END
$$;
