-- ---------------------------------------------------------------------------
-- Prices of usage, and what it cost.
--
-- A request has one price: that of the nearest tenant that has one for it, the
-- tenant of the key before those above it and before the prices of all tenants;
-- of one tenant's, the most specific endpoint.  So cost adds up: no request is
-- in two rows, none in none.  Traffic without a price is shown, with cost NULL.
--
-- Prices begin and end at full hours of UTC.  Cost is counted from usage_daily;
-- from usage_hourly only where the price of a request depends on the hour, on
-- the day of a change.  What of such a day is not in the hours any more has no
-- price rather than a guessed one.  A price is never changed, only ended, and
-- neither its beginning nor its end may change what counted traffic costs.
--
-- Classes of endpoints keep apart what prices tell apart (62_endpoint_classes.sql),
-- from the commit of set_price() on.  Traffic that was counted as a star or a tail
-- before may be of the new price or not: so the price begins later than that.
-- ---------------------------------------------------------------------------

CREATE TABLE apikey.price (
	price_id	pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id	pg_catalog.int8 REFERENCES apikey.tenant,
	endpoint	pg_catalog.text,
	per_call	pg_catalog."numeric" NOT NULL DEFAULT 0,
	per_unit	pg_catalog."numeric" NOT NULL DEFAULT 0,
	per_gb		pg_catalog."numeric" NOT NULL DEFAULT 0,
	currency	pg_catalog.text NOT NULL
		CONSTRAINT price_currency CHECK (currency OPERATOR(pg_catalog.~) '^[A-Z]{3}$'),
	logged		pg_catalog.bool NOT NULL DEFAULT false,
	valid_from	pg_catalog.timestamptz NOT NULL,
	valid_until	pg_catalog.timestamptz,
	note		pg_catalog.text,
	author		pg_catalog.text NOT NULL,
	created_at	pg_catalog.timestamptz NOT NULL,
	-- NaN and infinity are greater than any number
	CONSTRAINT price_amounts CHECK (per_call OPERATOR(pg_catalog.>=) 0 AND per_call OPERATOR(pg_catalog.<) 1e12
		AND per_unit OPERATOR(pg_catalog.>=) 0 AND per_unit OPERATOR(pg_catalog.<) 1e12
		AND per_gb OPERATOR(pg_catalog.>=) 0 AND per_gb OPERATOR(pg_catalog.<) 1e12),
	CONSTRAINT price_order CHECK (valid_until OPERATOR(pg_catalog.>=) valid_from),
	-- One price at a time for a tenant and an endpoint, in whatever currency and
	-- under whatever concurrency.  Ranges of one element each: equality of
	-- numbers in a GiST index would take btree_gist.
	CONSTRAINT price_once EXCLUDE USING gist (
		pg_catalog.int8range(COALESCE(tenant_id, 0::pg_catalog.int8), COALESCE(tenant_id, 0::pg_catalog.int8), '[]')
			WITH OPERATOR(pg_catalog.&&),
		pg_catalog.int8range(pg_catalog.hashtextextended(COALESCE(endpoint, ''), 0) OPERATOR(pg_catalog.>>) 1,
							 pg_catalog.hashtextextended(COALESCE(endpoint, ''), 0) OPERATOR(pg_catalog.>>) 1, '[]')
			WITH OPERATOR(pg_catalog.&&),
		pg_catalog.tstzrange(valid_from, valid_until) WITH OPERATOR(pg_catalog.&&))
);
CREATE INDEX price_tenant ON apikey.price (tenant_id, valid_from);

-- The prices of all tenants are for whoever may see usage somewhere: they are
-- what his usage costs, and tell of no other tenant.
ALTER TABLE apikey.price ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY price_read ON apikey.price FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[])
	OR (tenant_id IS NULL AND (SELECT pg_catalog.cardinality(apikey.my_tenants('usage'))) OPERATOR(pg_catalog.>) 0));

SELECT pg_catalog.pg_extension_config_dump('apikey.price', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.price_price_id_seq', '');

-- --- endpoints of prices ----------------------------------------------------

-- Of two endpoints that match the same class, the more specific one has the
-- greater rank: from the left, a name is more than one with a star in it, that
-- more than "*", and that more than "**".  If that does not tell, the longer one,
-- or the later in the alphabet.
CREATE FUNCTION apikey._endpoint_rank(endpoint text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce((SELECT string_agg(CASE WHEN s.segment = '**' THEN '0' WHEN s.segment = '*' THEN '1'
											WHEN s.segment LIKE '%*%' THEN '2' ELSE '3' END, '' ORDER BY s.n)
						|| CASE WHEN endpoint LIKE '%/**' THEN '' ELSE '4' END
						|| to_char(length(endpoint), ' 0000 ') || endpoint
					 FROM string_to_table(substr(endpoint, 2), '/') WITH ORDINALITY s (segment, n)), '') COLLATE "C";
END
$$;

-- --- setting and ending prices ----------------------------------------------

CREATE FUNCTION apikey._check_amount(value numeric, what text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value < 0 OR value >= 1e12 OR scale(trim_scale(value)) > 12 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s is out of range', what),
			DETAIL = 'It is 0 or more, less than 10^12, and has at most 12 digits behind the point.';
	END IF;
END
$$;

CREATE FUNCTION apikey._check_price_hour(value timestamptz, what text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF value <= '1970-01-01 00:00:00+00' OR value >= '9999-01-01 00:00:00+00' THEN
		RAISE invalid_parameter_value USING MESSAGE = format('%s is out of range', what);
	END IF;
	IF value <> date_trunc('hour', value, 'UTC') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('%s must be a full hour', what),
			DETAIL = 'Usage is added up by hours of UTC.';
	END IF;
END
$$;

-- Where prices begin and end unless told otherwise: whole days are counted
-- from usage_daily, which is kept longest.
CREATE FUNCTION apikey._next_midnight(now timestamptz) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
BEGIN
	RETURN date_trunc('day', now + interval '1 day' - interval '1 microsecond');
END
$$;

-- The endpoint of a price, as classes of endpoints spell it.
CREATE FUNCTION apikey._check_price_endpoint(endpoint text) RETURNS void
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	segments CONSTANT text[] := string_to_array(substr(endpoint, 2), '/');
	most CONSTANT integer := 8;		-- of a class
	spelt text;
BEGIN
	IF endpoint IS NULL THEN
		RETURN;
	END IF;
	IF endpoint NOT LIKE '/%' OR NOT apikey.valid_endpoints(ARRAY[endpoint]) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid endpoint "%s"', apikey._shown(endpoint)),
			DETAIL = 'It is an endpoint rule without methods: a path starting with "/" in which "*" is any run in one segment and "**" at the end any tail.';
	END IF;
	IF EXISTS (SELECT FROM unnest(segments) s WHERE s LIKE '%*%*%' AND s <> '**') THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid endpoint "%s"', apikey._shown(endpoint)),
			DETAIL = 'The endpoint of a price has at most one star in a segment.';
	END IF;
	SELECT '/' || string_agg(CASE WHEN s.segment LIKE '%*%' THEN s.segment
								  WHEN s.n = 1 THEN substr(apikey._endpoint_shape('/' || s.segment), 2)
								  ELSE substr(apikey._endpoint_shape('/x/' || s.segment), 4) END, '/' ORDER BY s.n)
		|| CASE WHEN cardinality(segments) > most THEN '/**' ELSE '' END
	INTO spelt
	FROM unnest(segments) WITH ORDINALITY s (segment, n)
	WHERE s.n <= most AND (s.segment <> '' OR s.n = 1);
	IF spelt <> endpoint THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('no request counts as endpoint "%s"', apikey._shown(endpoint)),
			DETAIL = format('It counts as "%s".', apikey._shown(spelt)),
			HINT = 'A price is for classes of endpoints; apikey.endpoint_class lists those of a tenant.';
	END IF;
END
$$;

CREATE FUNCTION apikey._endpoint_overlaps(class pg_catalog.text, endpoint pg_catalog.text) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_endpoint_overlaps';

-- Whether accepted traffic is counted that a price and another endpoint match:
-- before the running hour, day by day, or after it, should the clock have been set
-- back.
CREATE FUNCTION apikey._priced_traffic(p apikey.price, other text, since timestamptz, until timestamptz) RETURNS boolean
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
	SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	hour CONSTANT timestamptz := date_trunc('hour', apikey._now(), 'UTC');
	last_day CONSTANT date := (least(until, hour) - interval '1 microsecond')::date;
	next_hour CONSTANT timestamptz := greatest(since, hour + interval '1 hour');
BEGIN
	RETURN EXISTS (
		WITH tree AS MATERIALIZED (
			SELECT t.tenant_id, t.since, t.until FROM apikey._price_tree(p.tenant_id) t
		), counted AS (
			SELECT u.tenant_id, u.endpoint_class, u.day::timestamptz AS begins, (u.day + 1)::timestamptz AS ends
			FROM apikey.usage_daily u
			WHERE _priced_traffic.since < hour AND u.day >= _priced_traffic.since::date AND u.day <= last_day
				AND u.code = ANY ('{VALID,LOGGED}')
			UNION ALL
			SELECT u.tenant_id, u.endpoint_class, u.hour, u.hour + interval '1 hour'
			FROM apikey.usage_hourly u
			WHERE u.hour >= next_hour AND u.hour < coalesce(_priced_traffic.until, 'infinity') AND u.code = ANY ('{VALID,LOGGED}')
		)
		SELECT FROM counted c
		WHERE (p.tenant_id IS NULL OR EXISTS (
				SELECT FROM tree t WHERE t.tenant_id = c.tenant_id AND t.since < c.ends AND t.until > c.begins))
			AND (p.endpoint IS NULL OR apikey._price_matches(p.endpoint, c.endpoint_class))
			AND (other IS NULL OR apikey._price_matches(other, c.endpoint_class)));
END
$$;

-- A class of traffic that is counted since a price begins and may hold some that
-- it is for and some that it is not for: a star where a prefix was collapsed, or a
-- tail.  NULL: there is none.
CREATE FUNCTION apikey._hiding_class(p apikey.price) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
	SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	tenants bigint[] := ARRAY(SELECT t.tenant_id FROM apikey._price_tree(p.tenant_id) t WHERE t.until > p.valid_from);
BEGIN
	RETURN (
		WITH counted AS MATERIALIZED (
			SELECT h.tenant_id, h.endpoint_class AS class FROM apikey.usage_hourly h
			WHERE h.hour >= p.valid_from AND h.hour < coalesce(p.valid_until, 'infinity')
				AND h.code = ANY ('{VALID,LOGGED}') AND h.endpoint_class LIKE '%*%'
				AND (p.tenant_id IS NULL OR h.tenant_id = ANY (tenants))
			UNION
			-- whose hours are gone, perhaps
			SELECT d.tenant_id, d.endpoint_class FROM apikey.usage_daily d
			WHERE d.day >= p.valid_from::date AND d.day < coalesce(p.valid_until, 'infinity')
				AND d.day <= apikey._rollup_start('hour')
				AND d.code = ANY ('{VALID,LOGGED}') AND d.endpoint_class LIKE '%*%'
				AND (p.tenant_id IS NULL OR d.tenant_id = ANY (tenants))
		)
		SELECT c.class FROM counted c
		WHERE apikey._endpoint_overlaps(c.class, p.endpoint)
			AND CASE WHEN c.class LIKE '%/**'
				-- the tail of a path may be that path itself
				THEN NOT apikey._price_matches(p.endpoint, c.class)
					OR cardinality(string_to_array(c.class, '/')) = cardinality(string_to_array(p.endpoint, '/'))
				ELSE NOT apikey._price_matches(p.endpoint, c.class) AND EXISTS (
					SELECT FROM apikey.endpoint_class e
					WHERE e.tenant_id = c.tenant_id AND e.collapsed_at IS NOT NULL AND starts_with(c.class, left(e.class, -1))
						AND split_part(substr(c.class, length(e.class)), '/', 1) LIKE '%*%') END
		ORDER BY c.class COLLATE "C" LIMIT 1);
END
$$;

-- What counts in the past is what is counted; an old snapshot does not show all
-- of it.
CREATE FUNCTION apikey._check_price_snapshot(since timestamptz, what text) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF since <= apikey._now() AND current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
		RAISE invalid_transaction_state USING
			MESSAGE = format('%s at a time that has begun needs the isolation level READ COMMITTED', what),
			DETAIL = 'An older snapshot would not show traffic that was counted since.';
	END IF;
END
$$;

CREATE FUNCTION apikey._price_json(p apikey.price) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN jsonb_strip_nulls(jsonb_build_object('endpoint', p.endpoint, 'per_call', p.per_call, 'per_unit', p.per_unit,
		'per_gb', p.per_gb, 'currency', p.currency, 'logged', nullif(p.logged, false), 'valid_from', p.valid_from,
		'valid_until', p.valid_until, 'note', p.note));
END
$$;

CREATE FUNCTION apikey.set_price(
	tenant text DEFAULT NULL,
	endpoint text DEFAULT NULL,
	per_call numeric DEFAULT NULL,
	per_unit numeric DEFAULT NULL,
	per_gb numeric DEFAULT NULL,
	currency text DEFAULT NULL,
	valid_from timestamptz DEFAULT NULL,
	valid_until timestamptz DEFAULT NULL,
	note text DEFAULT NULL,
	logged boolean DEFAULT false
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._set_price(
	tenant text,
	endpoint text,
	per_call numeric,
	per_unit numeric,
	per_gb numeric,
	currency text,
	valid_from timestamptz,
	valid_until timestamptz,
	note text,
	logged boolean
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now timestamptz := apikey._now();
	p apikey.price;
	other bigint;
	hidden text;
BEGIN
	PERFORM apikey._require_all_tenants('set a price');
	IF tenant IS NOT NULL THEN
		p.tenant_id := apikey._tenant_id(tenant, 'admin');
	END IF;
	PERFORM apikey._check_text(endpoint, 'endpoint', 2048);
	PERFORM apikey._check_price_endpoint(endpoint);
	PERFORM apikey._check_amount(per_call, 'per_call');
	PERFORM apikey._check_amount(per_unit, 'per_unit');
	PERFORM apikey._check_amount(per_gb, 'per_gb');
	IF num_nonnulls(per_call, per_unit, per_gb) = 0 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'a price must not be empty',
			HINT = 'Give per_call, per_unit or per_gb; 0 is for what is free.';
	END IF;
	PERFORM apikey._require(currency, 'currency');
	IF NOT currency ~ '^[A-Z]{3}$' THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('invalid currency "%s"', apikey._shown(currency)),
			DETAIL = 'It is a code of three capital letters, such as EUR.';
	END IF;
	PERFORM apikey._check_price_hour(valid_from, 'valid_from');
	PERFORM apikey._check_price_hour(valid_until, 'valid_until');
	PERFORM apikey._check_text(note, 'note', 1000);
	p.valid_from := coalesce(valid_from, apikey._next_midnight(now));
	IF valid_until <= p.valid_from THEN
		RAISE invalid_parameter_value USING MESSAGE = 'valid_until must be after valid_from';
	END IF;
	p.endpoint := endpoint;
	p.per_call := trim_scale(coalesce(per_call, 0));
	p.per_unit := trim_scale(coalesce(per_unit, 0));
	p.per_gb := trim_scale(coalesce(per_gb, 0));
	p.currency := currency;
	p.logged := coalesce(logged, false);
	p.valid_until := valid_until;
	p.note := note;
	PERFORM apikey._check_price_snapshot(p.valid_from, 'a price');

	-- prices come one after another: each sees all others
	LOCK TABLE ONLY apikey.price IN SHARE ROW EXCLUSIVE MODE;
	BEGIN
		INSERT INTO apikey.price AS n (tenant_id, endpoint, per_call, per_unit, per_gb, currency, logged,
			valid_from, valid_until, note, author, created_at)
		VALUES (p.tenant_id, p.endpoint, p.per_call, p.per_unit, p.per_gb, p.currency, p.logged,
			p.valid_from, p.valid_until, p.note, apikey._caller_name(), now)
		RETURNING n.price_id INTO p.price_id;
	EXCEPTION WHEN exclusion_violation THEN
		SELECT o.price_id INTO other FROM apikey.price o
			WHERE o.tenant_id IS NOT DISTINCT FROM p.tenant_id AND o.endpoint IS NOT DISTINCT FROM p.endpoint
				AND tstzrange(o.valid_from, o.valid_until) && tstzrange(p.valid_from, p.valid_until)
			ORDER BY o.valid_from LIMIT 1;
		RAISE duplicate_object USING
			MESSAGE = 'there is a price for this tenant and endpoint at that time',
			DETAIL = coalesce('It is price ' || other || '.', 'It was set after this transaction began.'),
			HINT = 'End it with end_price() where the new one begins.';
	END;
	IF p.endpoint IS NOT NULL THEN
		-- waits for those who count without it, as _classify() says
		LOCK TABLE ONLY apikey.endpoint_class IN SHARE MODE;
		PERFORM apikey._touch_prices();
		hidden := apikey._hiding_class(p);
		IF hidden IS NOT NULL THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = 'the price begins before traffic that is not counted by its endpoint',
				DETAIL = format('What is counted as "%s" may be of it or not.', hidden),
				HINT = 'Let it begin with the next hour or later: its endpoint is counted for itself from now on.';
		END IF;
	END IF;
	IF apikey._priced_traffic(p, NULL, p.valid_from, p.valid_until) THEN
		SELECT o.price_id INTO other FROM apikey.price o
		WHERE o.price_id <> p.price_id AND o.valid_from < coalesce(p.valid_until, 'infinity')
			AND coalesce(o.valid_until, 'infinity') > p.valid_from
			AND coalesce(apikey._endpoint_overlaps(o.endpoint, p.endpoint), true)
			AND (CASE WHEN o.tenant_id IS NOT DISTINCT FROM p.tenant_id
					  THEN apikey._endpoint_rank(o.endpoint) < apikey._endpoint_rank(p.endpoint)
					  ELSE o.tenant_id IS NULL
						  OR o.tenant_id IN (SELECT h.holder_id FROM apikey._price_holders(ARRAY[p.tenant_id]) h WHERE h.until > p.valid_from) END)
			AND apikey._priced_traffic(p, o.endpoint, greatest(o.valid_from, p.valid_from), least(o.valid_until, p.valid_until))
		ORDER BY o.price_id LIMIT 1;
		IF FOUND THEN
			RAISE object_not_in_prerequisite_state USING
				MESSAGE = 'the price would change what counted traffic costs',
				DETAIL = format('Price %s was in force for it.', other),
				HINT = 'Let it begin with the running hour or later.';
		END IF;
	END IF;
	PERFORM apikey._audit(p.tenant_id, 'price.set', 'price:' || p.price_id, NULL, apikey._price_json(p));
	PERFORM apikey._event(p.tenant_id, 'price.set', NULL, jsonb_strip_nulls(jsonb_build_object('price_id', p.price_id,
		'endpoint', p.endpoint, 'valid_from', p.valid_from)));
	RETURN p.price_id;
END
$$;

CREATE FUNCTION apikey.end_price(price_id bigint, at timestamptz DEFAULT NULL) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._end_price(price_id bigint, at timestamptz) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	now timestamptz := apikey._now();
	p apikey.price;
	ends timestamptz;
BEGIN
	PERFORM apikey._require_all_tenants('end a price');
	PERFORM apikey._require(price_id, 'price_id');
	PERFORM apikey._check_price_hour(at, 'at');
	SELECT * INTO p FROM apikey.price o WHERE o.price_id = _end_price.price_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('price %s does not exist', price_id);
	END IF;
	-- one that has not begun was never in force
	ends := coalesce(at, greatest(p.valid_from, apikey._next_midnight(now)));
	IF ends = p.valid_until THEN
		RETURN p.price_id;
	END IF;
	IF ends < p.valid_from THEN
		RAISE invalid_parameter_value USING
			MESSAGE = format('price %s begins later', p.price_id),
			DETAIL = 'Ended where it begins it is never in force.';
	END IF;
	IF ends > p.valid_until THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('price %s ends earlier', p.price_id),
			HINT = 'Set a new price that begins where it ends.';
	END IF;
	PERFORM apikey._check_price_snapshot(ends, 'the end of a price');
	IF apikey._priced_traffic(p, NULL, ends, p.valid_until) THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = 'the end of the price would change what counted traffic costs',
			HINT = 'Let it end with the running hour or later.';
	END IF;
	UPDATE apikey.price o SET valid_until = ends WHERE o.price_id = p.price_id;
	PERFORM apikey._audit(p.tenant_id, 'price.end', 'price:' || p.price_id,
		jsonb_strip_nulls(jsonb_build_object('valid_until', p.valid_until)), jsonb_build_object('valid_until', ends));
	PERFORM apikey._event(p.tenant_id, 'price.end', NULL, jsonb_build_object('price_id', p.price_id, 'valid_until', ends));
	RETURN p.price_id;
END
$$;

COMMENT ON TABLE apikey.price IS
	'what usage costs: of a tenant and those below it or of all, of all endpoints or some, for a time';
COMMENT ON COLUMN apikey.price.price_id IS 'surrogate key';
COMMENT ON COLUMN apikey.price.tenant_id IS 'the tenant whose usage it is for, those below included; NULL: all tenants';
COMMENT ON COLUMN apikey.price.endpoint IS 'classes of endpoints it is for, as in /orders/*; NULL: all';
COMMENT ON COLUMN apikey.price.per_call IS 'price of a request';
COMMENT ON COLUMN apikey.price.per_unit IS 'price of a unit';
COMMENT ON COLUMN apikey.price.per_gb IS 'price of 10^9 bytes of requests and answers';
COMMENT ON COLUMN apikey.price.currency IS 'a code of three letters, such as EUR';
COMMENT ON COLUMN apikey.price.logged IS 'false: calls and units are those of verifications; true: those of log_usage()';
COMMENT ON COLUMN apikey.price.valid_from IS 'in force from this hour on';
COMMENT ON COLUMN apikey.price.valid_until IS 'in force until this hour; NULL: for good; valid_from: never in force';
COMMENT ON COLUMN apikey.price.note IS 'why it was set';
COMMENT ON COLUMN apikey.price.author IS 'role that set it';
COMMENT ON COLUMN apikey.price.created_at IS 'when it was set';
COMMENT ON FUNCTION apikey._endpoint_rank(text) IS
	'how specific the endpoint of a price is';
COMMENT ON FUNCTION apikey._check_price_endpoint(text) IS 'raises if no class of endpoints can be what a price asks for';
COMMENT ON FUNCTION apikey._endpoint_overlaps(text, text) IS 'whether some request may be of a class and of the endpoint of a price';
COMMENT ON FUNCTION apikey._hiding_class(apikey.price) IS
	'a class of counted traffic that may hold some that a price is for and some that it is not for';
COMMENT ON FUNCTION apikey._check_price_snapshot(timestamptz, text) IS
	'raises if a price is to begin or end in the past and the snapshot may not show what is counted';
COMMENT ON FUNCTION apikey._check_amount(numeric, text) IS 'raises if an amount of a price is out of range';
COMMENT ON FUNCTION apikey._check_price_hour(timestamptz, text) IS 'raises if a time is not a full hour of UTC';
COMMENT ON FUNCTION apikey._next_midnight(timestamptz) IS 'the next midnight of UTC';
COMMENT ON FUNCTION apikey._priced_traffic(apikey.price, text, timestamptz, timestamptz) IS
	'whether accepted traffic is counted that a price and another endpoint match';
COMMENT ON FUNCTION apikey._price_json(apikey.price) IS 'what an audit row keeps of a price';
COMMENT ON FUNCTION apikey.set_price(text, text, numeric, numeric, numeric, text, timestamptz, timestamptz, text, boolean) IS
	'sets what usage costs from an hour on, of a tenant or of all, of an endpoint or of all';
COMMENT ON FUNCTION apikey.end_price(bigint, timestamptz) IS 'ends a price at an hour, by default the next midnight of UTC';
