-- ---------------------------------------------------------------------------
-- Data that looks like an API: tenants, keys and traffic made from a seed.
--
-- Everything but ids and secrets follows from the seed; the secrets of mock
-- keys are as random as those of others.  What is made carries its seed and
-- number: tenants in settings, keys in metadata, both under "mock".  A second
-- call with a seed goes on with the numbers after those of the first.
-- ---------------------------------------------------------------------------

-- A number from 0 to below 1 that belongs to a topic of a numbered thing.
CREATE FUNCTION apikey._mock_unit(seed pg_catalog.int8, number pg_catalog.int8, topic pg_catalog.text) RETURNS pg_catalog.float8
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_mock_unit_sql';

-- One of a list, with the first ones more often the larger the skew is.
CREATE FUNCTION apikey._mock_pick(list text[], unit float8, skew float8 DEFAULT 1) RETURNS text
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN list[1 + floor(cardinality(list) * unit ^ skew)::integer];
END
$$;

CREATE FUNCTION apikey._check_mock(n bigint, most bigint, seed bigint) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF n IS NULL OR n NOT BETWEEN 1 AND most THEN
		RAISE invalid_parameter_value USING MESSAGE = format('n must be between 1 and %s', most);
	END IF;
	IF seed IS NULL OR seed NOT BETWEEN 0 AND 4294967295 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'seed must be between 0 and 4294967295';
	END IF;
END
$$;

-- The number of a thing that was made with a seed; NULL: it was not, or
-- somebody has changed what was noted of it.
CREATE FUNCTION apikey._mock_number(noted jsonb, seed bigint) RETURNS bigint
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF noted -> 'mock' -> 'seed' = to_jsonb(seed) AND noted #>> '{mock,number}' ~ '^[0-9]{1,9}$' THEN
		RETURN (noted #>> '{mock,number}')::bigint;
	END IF;
	RETURN NULL;
END
$$;

-- --- tenants ---------------------------------------------------------------

-- The mock tenants, in the order they were made.  Settings can be changed by
-- an admin of the tenant, so they do not suffice: nobody but an admin of all
-- tenants gives the tenant at the root its name.
CREATE FUNCTION apikey._mock_tenant_ids() RETURNS bigint[]
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN ARRAY(SELECT t.tenant_id FROM apikey.tenant t
				 WHERE t.settings ? 'mock' AND apikey._path(t.tenant_id) LIKE 'mock-%' ORDER BY t.tenant_id);
END
$$;

CREATE FUNCTION apikey.mock_tenants(n integer, seed bigint DEFAULT 1)
	RETURNS TABLE (tenant_id bigint, tenant text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._mock_tenants(n integer, seed bigint)
	RETURNS TABLE (tenant_id bigint, tenant text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint;
	made integer;
	above text;
BEGIN
	PERFORM apikey._require_all_tenants('make mock tenants');
	PERFORM apikey._check_mock(n, 1000, seed);
	PERFORM apikey._lock('tenants');
	number := (SELECT coalesce(max(apikey._mock_number(t.settings, seed)), 0) FROM apikey.tenant t
			   WHERE t.tenant_id = ANY (apikey._mock_tenant_ids()));
	FOR made IN 1 .. n LOOP
		number := number + 1;
		above := NULL;
		-- a quarter are parts of an organisation that is there
		IF number > 2 AND apikey._mock_unit(seed, number, 'tenant child') < 0.25 THEN
			above := (SELECT apikey._path(coalesce(t.parent_id, t.tenant_id)) FROM apikey.tenant t
					  WHERE t.tenant_id = ANY (apikey._mock_tenant_ids())
						  AND apikey._mock_number(t.settings, seed)
							  = 1 + floor(apikey._mock_unit(seed, number, 'tenant parent') * (number - 1))::bigint
					  ORDER BY t.tenant_id LIMIT 1);
		END IF;
		tenant_id := apikey._mock_tenant(seed, number, above);
		tenant := apikey._path(tenant_id);
		RETURN NEXT;
	END LOOP;
	PERFORM apikey._audit(NULL, 'mock.tenants', 'mock:' || seed, NULL, jsonb_build_object('n', n, 'seed', seed));
	PERFORM apikey._event(NULL, 'mock.tenants', NULL, jsonb_build_object('n', n, 'seed', seed));
END
$$;

-- What mock APIs there are; src/mock_api.c has the same.
CREATE FUNCTION apikey._mock_apis() RETURNS text[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN '{orders,payments,catalog,messaging,telemetry,inference,files,reports}'::text[];
END
$$;

-- One tenant with its environments, policies and roles.
CREATE FUNCTION apikey._mock_tenant(seed bigint, number bigint, above text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	first text[] := '{amber,arctic,blue,bright,brisk,calm,cedar,clear,copper,coral,crimson,deep,early,ember,fair,fern,
		flint,golden,granite,green,high,hollow,indigo,iron,ivory,jade,keen,lunar,maple,misty,noble,north,
		oak,olive,open,pale,pine,polar,quick,quiet,rapid,river,ruby,silver,solar,stone,swift,wild}';
	second text[] := '{analytics,bakery,bank,books,cargo,clinic,cloud,coffee,energy,farms,fleet,foods,
		games,garden,harbor,health,hotels,labs,logistics,market,media,mobility,motors,music,
		outfitters,pay,robotics,studio,systems,telecom,travel,works}';
	zones text[] := '{Europe/Berlin,Europe/London,Europe/Paris,America/New_York,Europe/Warsaw,America/Chicago,
		Asia/Kolkata,America/Los_Angeles,America/Sao_Paulo,Asia/Singapore,Asia/Tokyo,Australia/Sydney}';
	-- 577 has no divisor in common with 48 * 32: no name comes twice
	place bigint := (number * 577 + floor(apikey._mock_unit(seed, 0, 'tenant name') * 1536)::bigint) % 1536;
	api text := apikey._mock_pick(apikey._mock_apis(), apikey._mock_unit(seed, number, 'tenant api'));
	name text;
	tid bigint;
	path text;
BEGIN
	IF above IS NULL THEN
		name := concat_ws('-', 'mock', first[1 + place / 32], second[1 + place % 32],
						  CASE WHEN seed <> 1 THEN seed END, CASE WHEN number > 1536 THEN number END);
	ELSE
		name := apikey._mock_pick('{eu,us,apac,labs,retail,partners}', apikey._mock_unit(seed, number, 'tenant part')) || '-' || number;
	END IF;
	tid := apikey._create_tenant(name, above, 'mock', NULL, jsonb_build_object('mock', jsonb_build_object(
		'seed', seed, 'number', number, 'api', api,
		'timezone', apikey._mock_pick(zones, apikey._mock_unit(seed, number, 'tenant zone'), 2))), NULL, NULL, NULL, NULL);
	path := apikey._path(tid);
	PERFORM apikey._mock_policy(path, 'standard', '1 day',
		ARRAY[ROW('per second', 200, '1 s', 400, 'key')::apikey.rate_limit], NULL);
	PERFORM apikey._mock_policy(path, 'partner', '7 days',
		ARRAY[ROW('per minute', 1200, '1 min', 600, 'key')::apikey.rate_limit],
		ARRAY[ROW('monthly', 2000000, 'month', 'UTC', 'owner')::apikey.quota]);
	PERFORM apikey._create_environment(path, 'production', 'live', true, 'standard', NULL, NULL);
	PERFORM apikey._create_environment(path, 'staging', 'stage', false, 'standard', NULL, NULL);
	PERFORM apikey._create_environment(path, 'development', 'dev', false, NULL, NULL, NULL);
	PERFORM apikey._create_role(path, 'reader', ARRAY[api || ':read'], 'reads', NULL);
	PERFORM apikey._create_role(path, 'full', ARRAY[api || ':*'], 'reads and writes', NULL);
	RETURN tid;
END
$$;

CREATE FUNCTION apikey._mock_policy(tenant text, name text, overlap interval, rate_limits apikey.rate_limit[], quotas apikey.quota[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM apikey._create_policy(tenant => _mock_policy.tenant, name => _mock_policy.name, description => 'mock data',
		allowed_cidrs => NULL, denied_cidrs => NULL, allowed_endpoints => NULL, denied_endpoints => NULL,
		access_hours => NULL, required_scopes => NULL, max_scopes => NULL, default_ttl => NULL, max_ttl => NULL,
		idle_timeout => NULL, grace => NULL, rotate_every => NULL, overlap => _mock_policy.overlap,
		rate_limits => _mock_policy.rate_limits, quotas => _mock_policy.quotas, max_keys_per_owner => NULL, priority => NULL,
		on_leak => NULL, on_anomaly => NULL, recoverable => NULL, requires_approval => NULL, note => NULL, idempotency_key => NULL);
END
$$;

-- --- keys ------------------------------------------------------------------

CREATE FUNCTION apikey.mock_keys(n integer, seed bigint DEFAULT 1)
	RETURNS TABLE (key_id bigint, tenant text, environment text, key text)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._mock_keys(n integer, seed bigint)
	RETURNS TABLE (key_id bigint, tenant text, environment text, key text)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
	numbered bigint;
	tenants bigint[];
	now timestamptz := apikey._now();
BEGIN
	PERFORM apikey._require_all_tenants('make mock keys');
	PERFORM apikey._check_mock(n, 1000000, seed);
	tenants := apikey._mock_tenant_ids();
	IF tenants = '{}' THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'there are no mock tenants',
			HINT = 'apikey.mock_tenants() makes some.';
	END IF;
	PERFORM apikey._ensure_data_key();
	numbered := (SELECT coalesce(max(apikey._mock_number(k.metadata, seed)), 0) FROM apikey.api_key k
				 WHERE k.tenant_id = ANY (tenants));
	RETURN QUERY
	WITH planned AS MATERIALIZED (
		SELECT p.*, t.prefix, e.environment_id, e.tag, coalesce(y.policy_id, e.default_policy_id) AS policy_id,
			   apikey._path(t.tenant_id) AS path, coalesce(t.settings #>> '{mock,timezone}', 'UTC') AS timezone,
			   CASE WHEN t.settings #>> '{mock,api}' = ANY (apikey._mock_apis()) THEN t.settings #>> '{mock,api}' ELSE 'orders' END AS api
		FROM generate_series(numbered + 1, numbered + n) i
			CROSS JOIN LATERAL apikey._mock_key(seed, i, tenants, now) p
			JOIN apikey.tenant t ON t.tenant_id = p.tenant_id
			JOIN apikey.environment e ON e.tenant_id = p.tenant_id AND e.name = p.environment
			LEFT JOIN apikey.policy y ON y.tenant_id = p.tenant_id AND y.name = p.policy
	), made AS (
		INSERT INTO apikey.api_key AS k (tenant_id, environment_id, policy_id, status, owner, name, description, scopes,
			tags, metadata, cidrs, expires_at, revoked_at, revoke_reason, suspend_reason, created_at, created_by)
		SELECT p.tenant_id, p.environment_id, p.policy_id, p.status, p.owner, p.name, 'mock data',
			   CASE WHEN p.writes THEN ARRAY[p.api || ':read', p.api || ':write'] ELSE ARRAY[p.api || ':read'] END,
			   ARRAY['mock', 'project:' || p.project],
			   jsonb_build_object('mock', jsonb_strip_nulls(jsonb_build_object('seed', seed, 'number', p.number,
				   'suspended', extract(epoch FROM p.suspended_at)::bigint)))
			   || jsonb_build_object('timezone', p.timezone, 'api', p.api),
			   p.cidrs, p.expires_at, p.revoked_at,
			   CASE WHEN p.status = 'revoked' THEN apikey._mock_pick('{leaked,left the company,no longer needed}', apikey._mock_unit(seed, p.number, 'key reason')) END,
			   CASE WHEN p.status = 'suspended' THEN 'unpaid invoice' END, p.created_at, apikey._caller_name()
		FROM planned p ORDER BY p.number
		RETURNING k.key_id, apikey._mock_number(k.metadata, seed) AS number
	), secrets AS MATERIALIZED (
		-- in the target list, so that it runs once for each row
		SELECT m.key_id, p.number, apikey._new_secret(p.prefix, p.tag, NULL, NULL) AS secret,
			   coalesce(p.rotated_at, p.created_at) AS created_at, NULL::timestamptz AS ends_at
		FROM made m JOIN planned p ON p.number = m.number
	), old_secrets AS MATERIALIZED (
		SELECT m.key_id, p.number, apikey._new_secret(p.prefix, p.tag, NULL, NULL) AS secret,
			   p.created_at, p.old_ends_at AS ends_at
		FROM made m JOIN planned p ON p.number = m.number WHERE p.rotated_at IS NOT NULL
	), stored AS (
		-- the older one first: ids follow time
		INSERT INTO apikey.key_secret (key_id, tenant_id, keyring_id, digest, hint, created_at, expires_at)
		SELECT s.key_id, p.tenant_id, (s.secret).keyring_id, (s.secret).digest, (s.secret).hint, s.created_at, s.ends_at
		FROM (SELECT * FROM secrets UNION ALL SELECT * FROM old_secrets) s JOIN planned p ON p.number = s.number
		ORDER BY s.key_id, s.created_at
	)
	SELECT s.key_id, p.path, p.environment, (s.secret).key
	FROM secrets s JOIN planned p ON p.number = s.number
	ORDER BY s.number;
	PERFORM apikey._audit(NULL, 'mock.keys', 'mock:' || seed, NULL, jsonb_build_object('n', n, 'seed', seed));
	PERFORM apikey._event(NULL, 'mock.keys', NULL, jsonb_build_object('n', n, 'seed', seed));
END
$$;

-- What the key of a number is like, as of now.
CREATE FUNCTION apikey._mock_key(seed bigint, i bigint, tenants bigint[], now timestamptz,
	OUT number bigint, OUT tenant_id bigint, OUT environment text, OUT policy text, OUT name text, OUT owner text,
	OUT project text, OUT writes boolean, OUT cidrs cidr[], OUT status text, OUT created_at timestamptz,
	OUT expires_at timestamptz, OUT revoked_at timestamptz, OUT suspended_at timestamptz, OUT rotated_at timestamptz,
	OUT old_ends_at timestamptz)
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	day constant interval := '24 hours';
	given text[] := '{maria,james,wei,fatima,olena,pedro,anna,kofi,yuki,lars,priya,tomas,ines,omar,chloe,ivan,sofia,liam,noor,mateo,elif,jan,grace,ravi}';
	family text[] := '{rossi,smith,chen,haddad,kovalenko,silva,muller,mensah,tanaka,berg,sharma,novak,costa,farouk,martin,petrov,garcia,walsh,rahman,lopez,yilmaz,dekker,owusu,iyer}';
	what text[] := '{web,mobile,backend,checkout,sync,export,import,partner,batch,monitor,crm,erp,etl,bot,pos,webhook}';
	age float8 := 2 + 398 * apikey._mock_unit(seed, i, 'key age');
	place integer := floor(cardinality(tenants) * apikey._mock_unit(seed, i, 'key tenant') ^ 1.7);
	person integer := floor(12 * apikey._mock_unit(seed, i, 'key owner') ^ 2);
	fate float8 := apikey._mock_unit(seed, i, 'key fate');
	past float8 := apikey._mock_unit(seed, i, 'key past');
	ending float8 := apikey._mock_unit(seed, i, 'key ending');
BEGIN
	number := i;
	tenant_id := tenants[1 + place];
	environment := apikey._mock_pick('{production,production,production,production,staging,development}', apikey._mock_unit(seed, i, 'key environment'));
	policy := CASE WHEN apikey._mock_unit(seed, i, 'key policy') < 0.15 THEN 'partner' END;
	name := apikey._mock_pick(what, apikey._mock_unit(seed, i, 'key name')) || '-' || i;
	-- a dozen people of each tenant; some keys nobody answers for
	IF apikey._mock_unit(seed, i, 'key owned') < 0.94 THEN
		owner := format('%s.%s@mock.example',
			apikey._mock_pick(given, apikey._mock_unit(seed, place * 100 + person, 'person given')),
			apikey._mock_pick(family, apikey._mock_unit(seed, place * 100 + person, 'person family')));
	END IF;
	project := apikey._mock_pick('{checkout,mobile,backoffice,data,partners,internal}', apikey._mock_unit(seed, i, 'key project'), 1.5);
	writes := apikey._mock_unit(seed, i, 'key writes') < 0.6;
	cidrs := CASE WHEN apikey._mock_unit(seed, i, 'key network') < 0.12
		THEN ARRAY[format('100.%s.%s.0/24', 64 + floor(64 * fate), floor(256 * past))::cidr] ELSE '{}' END;
	created_at := now - age * day;

	-- one of twenty is revoked, so a few keys have one such, too
	status := CASE WHEN i % 20 = 7 THEN 'revoked' WHEN fate < 0.03 THEN 'suspended' ELSE 'active' END;
	IF status = 'revoked' THEN
		revoked_at := now - least(age * 0.9, 0.5 + 45 * past) * day;
	ELSIF status = 'suspended' THEN
		suspended_at := now - least(age * 0.9, 0.2 + 20 * past) * day;
	ELSIF fate > 0.8 THEN
		-- the old secret ends some time after: some are over, some are not
		rotated_at := now - least(age * 0.8, 0.5 + 50 * past) * day;
		old_ends_at := rotated_at + (ARRAY[1, 7, 14, 30, 60])[1 + floor(5 * apikey._mock_unit(seed, i, 'key overlap'))::integer] * day;
	END IF;
	IF ending > 0.92 THEN
		expires_at := now - least(age * 0.9, 30 * (1 - ending) / 0.08) * day;
	ELSIF ending > 0.80 THEN
		expires_at := now + 14 * (ending - 0.80) / 0.12 * day;
	ELSIF ending > 0.45 THEN
		expires_at := now + (14 + 351 * (ending - 0.45) / 0.35) * day;
	END IF;
END
$$;

-- --- usage -----------------------------------------------------------------

-- Whether leaves take every instant of a range, its end left out.
CREATE FUNCTION apikey._usage_covered(since timestamptz, until timestamptz) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	covered timestamptz := since;
	leaf record;
BEGIN
	FOR leaf IN SELECT l.starts_at, l.ends_at FROM apikey._usage_leaves() l ORDER BY l.starts_at LOOP
		IF leaf.starts_at <= covered AND leaf.ends_at > covered THEN
			covered := leaf.ends_at;
		END IF;
	END LOOP;
	RETURN covered >= until;
END
$$;

-- Inserts the rows.  Instants are those of the first and the last row.
CREATE FUNCTION apikey._mock_load(n bigint, since timestamptz, until timestamptz, seed bigint, attacks text[],
	OUT label text, OUT key_id bigint, OUT first_at timestamptz, OUT last_at timestamptz, OUT rows bigint, OUT detail jsonb)
	RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'apikey_mock_load_sql';

CREATE FUNCTION apikey.mock_usage(
	n bigint,
	since timestamptz,
	until timestamptz,
	seed bigint DEFAULT 1,
	attacks text[] DEFAULT '{}'
) RETURNS TABLE (label text, key_id bigint, first_at timestamptz, last_at timestamptz, rows bigint, detail jsonb)
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._mock_usage(
	n bigint,
	since timestamptz,
	until timestamptz,
	seed bigint,
	attacks text[]
) RETURNS TABLE (label text, key_id bigint, first_at timestamptz, last_at timestamptz, rows bigint, detail jsonb)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	kinds text[] := '{stolen_key,many_ips,enumeration,error_burst,rate_spike,slow_exfiltration,dormant_key,off_hours,after_revocation}';
	attack text;
	width interval;
BEGIN
	PERFORM apikey._require_all_tenants('make mock usage');
	PERFORM apikey._check_mock(n, 1000000000, seed);
	IF since IS NULL OR until IS NULL OR NOT isfinite(since) OR NOT isfinite(until) OR since >= until THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'invalid range of time for mock usage',
			DETAIL = 'since must lie before until, and both must be finite.';
	END IF;
	IF since < '2000-01-01 00:00:00+00' OR until > apikey._now() + interval '24 hours' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'range of time for mock usage is out of bounds',
			DETAIL = 'It begins in 2000 at the earliest and ends a day from now at the latest.';
	END IF;
	width := ('1 ' || apikey._setting('partition_width', 'day'))::interval;
	IF until - since > interval '18000 hours' OR extract(epoch FROM until - since) > 1000 * extract(epoch FROM width) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'range of time for mock usage is too long',
			DETAIL = format('It may last 750 days and fill 1000 partitions; a partition takes %s.', width),
			HINT = 'Partitions can be made wider with apikey.partition_width.';
	END IF;
	attacks := coalesce(attacks, '{}');
	PERFORM apikey._check_list(attacks, 'attacks', cardinality(kinds));
	FOREACH attack IN ARRAY attacks LOOP
		IF attack <> ALL (kinds) THEN
			RAISE invalid_parameter_value USING
				MESSAGE = format('unknown attack "%s"', apikey._shown(attack)),
				DETAIL = format('There are: %s.', array_to_string(kinds, ', '));
		END IF;
		IF cardinality(array_positions(attacks, attack)) > 1 THEN
			RAISE invalid_parameter_value USING MESSAGE = format('attack "%s" is named twice', attack);
		END IF;
	END LOOP;
	IF attacks <> '{}' AND (until - since < interval '24 hours' OR n < 1000 * cardinality(attacks)) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'too little mock usage for attacks',
			DETAIL = 'They take a range of a day, and a thousand rows for each.';
	END IF;

	-- Leaves that are made here stay locked to the end, and grants have to
	-- wait; with leaves that are there nobody has to.
	WHILE NOT apikey._usage_covered(since, until) LOOP
		PERFORM apikey._ensure_partition_for(since, until - interval '1 us');
	END LOOP;
	RETURN QUERY SELECT l.label, l.key_id, l.first_at, l.last_at, l.rows, l.detail
		FROM apikey._mock_load(n, since, until, seed, attacks) l;
	PERFORM apikey._audit(NULL, 'mock.usage', 'mock:' || seed, NULL, jsonb_build_object('n', n, 'seed', seed,
		'since', since, 'until', until, 'attacks', attacks));
	PERFORM apikey._event(NULL, 'mock.usage', NULL, jsonb_build_object('n', n, 'seed', seed,
		'since', since, 'until', until, 'attacks', attacks));
END
$$;

COMMENT ON FUNCTION apikey.mock_tenants(integer, bigint) IS
	'makes tenants for tests and demonstrations, with environments, policies and roles';
COMMENT ON FUNCTION apikey._mock_tenants(integer, bigint) IS 'body of mock_tenants()';
COMMENT ON FUNCTION apikey._mock_tenant(bigint, bigint, text) IS
	'makes the mock tenant of a number below another, with what belongs to it';
COMMENT ON FUNCTION apikey._mock_tenant_ids() IS 'the tenants that mock_tenants() made';
COMMENT ON FUNCTION apikey._mock_apis() IS 'the names of the interfaces that mock traffic calls';
COMMENT ON FUNCTION apikey._mock_number(jsonb, bigint) IS 'the number of a thing that was made with a seed';
COMMENT ON FUNCTION apikey._mock_policy(text, text, interval, apikey.rate_limit[], apikey.quota[]) IS
	'makes a policy of a mock tenant';
COMMENT ON FUNCTION apikey.mock_keys(integer, bigint) IS
	'makes keys of the mock tenants: owners, projects, networks, some revoked, suspended, rotated or about to expire';
COMMENT ON FUNCTION apikey._mock_keys(integer, bigint) IS 'body of mock_keys()';
COMMENT ON FUNCTION apikey._mock_key(bigint, bigint, bigint[], timestamptz) IS
	'what the mock key of a number is like';
COMMENT ON FUNCTION apikey.mock_usage(bigint, timestamptz, timestamptz, bigint, text[]) IS
	'inserts usage of the mock keys as an API would leave it, with the attacks named; returns what was made, each attack with how to find its rows';
COMMENT ON FUNCTION apikey._mock_usage(bigint, timestamptz, timestamptz, bigint, text[]) IS 'body of mock_usage()';
COMMENT ON FUNCTION apikey._mock_load(bigint, timestamptz, timestamptz, bigint, text[]) IS
	'inserts mock usage into partitions that are there';
COMMENT ON FUNCTION apikey._usage_covered(timestamptz, timestamptz) IS
	'whether there are partitions of usage for a whole range of time';
COMMENT ON FUNCTION apikey._mock_unit(bigint, bigint, text) IS
	'a number from 0 to below 1 that follows from a seed, a number and a topic';
COMMENT ON FUNCTION apikey._mock_pick(text[], float8, float8) IS 'one element of a list, by a number from 0 to below 1';
COMMENT ON FUNCTION apikey._check_mock(bigint, bigint, bigint) IS 'raises unless a number of things and a seed are in range';
