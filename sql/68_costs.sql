-- ---------------------------------------------------------------------------
-- What usage cost: the report, and how it is counted (66_prices.sql).
-- ---------------------------------------------------------------------------

-- The days, of UTC, that a period means: [since, until).
CREATE FUNCTION apikey._period(period text, now timestamptz, OUT since date, OUT until date)
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unit text := substring(period FROM '^(?:last )?(day|week|month|quarter|year)$');
	part text[];
BEGIN
	PERFORM apikey._require(period, 'period');
	IF unit IS NOT NULL THEN
		since := date_trunc(unit, now AT TIME ZONE 'UTC')::date;
		part[1] := CASE unit WHEN 'quarter' THEN '3 months' ELSE '1 ' || unit END;
		IF period LIKE 'last %' THEN
			since := since - part[1]::interval;
		END IF;
		until := since + part[1]::interval;
		RETURN;
	END IF;

	part := regexp_match(period, '^([0-9]{4})(?:-(?:([0-9]{2})(?:-([0-9]{2}))?|Q([1-4])|W([0-9]{2})))?$');
	IF part IS NOT NULL THEN
		IF part[5] IS NOT NULL THEN
			since := to_date(period, 'IYYY-"W"IW');
			until := since + 7;
			IF to_char(since, 'IYYY-"W"IW') <> period THEN
				RAISE datetime_field_overflow;
			END IF;
			RETURN;
		END IF;
		since := make_date(part[1]::integer, coalesce(part[2]::integer, part[4]::integer * 3 - 2, 1), coalesce(part[3]::integer, 1));
		until := since + CASE
			WHEN part[3] IS NOT NULL THEN interval '1 day'
			WHEN part[2] IS NOT NULL THEN interval '1 month'
			WHEN part[4] IS NOT NULL THEN interval '3 months'
			ELSE interval '1 year' END;
		RETURN;
	END IF;

	part := regexp_match(period, '^([0-9]{4})-([0-9]{2})-([0-9]{2})/([0-9]{4})-([0-9]{2})-([0-9]{2})$');
	IF part IS NULL THEN
		RAISE datetime_field_overflow;
	END IF;
	since := make_date(part[1]::integer, part[2]::integer, part[3]::integer);
	until := make_date(part[4]::integer, part[5]::integer, part[6]::integer) + 1;
	IF since >= until THEN
		RAISE datetime_field_overflow;
	END IF;
EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format THEN
	RAISE invalid_parameter_value USING
		MESSAGE = format('invalid period "%s"', apikey._shown(period)),
		DETAIL = 'It is a running period as "month", the one before as "last month", one of the calendar as "2026-11", "2026-Q4", "2026-W48" or "2026-11-03", or days as "2026-11-01/2026-11-15".',
		HINT = 'The units are day, week, month, quarter and year.';
END
$$;

-- Cost of accepted traffic by key and price.  tenants: whose, NULL for all.
--
-- Between two steps, the instants at which some price begins or ends or a tenant
-- comes under others, prices do not change: a span, numbered from 0.  Rows of days within one span are priced
-- as they are; a day that holds a step only if the price is the same all day.
-- Else its hours are.  So days are added up in pieces, which are such days or
-- what lies between them: few, whatever the period.
CREATE FUNCTION apikey._cost_lines(since date, until date, tenants bigint[])
	RETURNS TABLE (tenant_id bigint, key_id bigint, currency text, calls numeric, units numeric, bytes numeric, cost numeric,
		logged_calls numeric, logged_units numeric)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET plan_cache_mode = force_custom_plan
	-- Millions of rows are few groups: compiling takes longer than adding them up,
	-- and sorting twice as long as hashing.  How many rows a part of the query has
	-- is guessed, so it must not go through one once for each of another.
	SET jit = off SET work_mem = '64MB' SET enable_nestloop = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
	steps timestamptz[] := ARRAY(
		SELECT s.at FROM apikey.price p CROSS JOIN LATERAL (VALUES (p.valid_from), (p.valid_until)) s (at)
		WHERE s.at > _cost_lines.since AND s.at < _cost_lines.until
		UNION
		SELECT t.until FROM apikey.tenant_past t
		WHERE t.until > _cost_lines.since AND t.until < _cost_lines.until ORDER BY 1);
	stepped date[] := ARRAY(SELECT DISTINCT s::date FROM unnest(steps) s WHERE s <> s::date::timestamptz ORDER BY 1);
	-- where pieces begin
	edges date[] := ARRAY(SELECT s::date FROM unnest(steps) s UNION SELECT s + 1 FROM unnest(stepped) s ORDER BY 1);
BEGIN
	RETURN QUERY
	WITH pieces AS MATERIALIZED (
		SELECT n AS piece, CASE WHEN e.day = ANY (stepped) THEN e.day END AS day, width_bucket(e.day::timestamptz, steps) AS span
		FROM generate_series(0, cardinality(edges)) n CROSS JOIN LATERAL (SELECT CASE WHEN n = 0 THEN since ELSE edges[n] END AS day) e
	), days AS MATERIALIZED (
		-- 0 and '' for NULL: what is joined by equality can be hashed
		SELECT coalesce(u.tenant_id, 0) AS tenant, coalesce(u.key_id, 0) AS key, coalesce(u.endpoint_class, '') AS class, u.code,
			   n.day, n.span, u.calls, u.units, u.bytes
		FROM (SELECT u.tenant_id, u.key_id, u.endpoint_class, u.code, width_bucket(u.day, edges) AS piece,
					 sum(u.calls) AS calls, sum(u.units) AS units, sum(u.bytes_in + u.bytes_out) AS bytes
			  FROM apikey.usage_daily u
			  WHERE u.day >= since AND u.day < until AND u.code = ANY ('{VALID,LOGGED}')
				AND (tenants IS NULL OR u.tenant_id = ANY (tenants))
			  GROUP BY 1, 2, 3, 4, 5) u
			JOIN pieces n ON n.piece = u.piece
	), subject AS MATERIALIZED (
		SELECT DISTINCT d.tenant, d.class FROM days d
	), holder AS MATERIALIZED (
		-- whose prices count for a tenant; 0: those of all tenants
		SELECT h.tenant_id AS tenant, h.holder_id AS holder, h.depth, h.since, h.until
		FROM apikey._price_holders(ARRAY(SELECT DISTINCT s.tenant FROM subject s)) h
		UNION ALL
		SELECT DISTINCT s.tenant, 0, 1000, timestamptz '-infinity', timestamptz 'infinity' FROM subject s
	), matching AS MATERIALIZED (
		SELECT c.class, e.endpoint, e.rank
		FROM (SELECT DISTINCT p.endpoint, apikey._endpoint_rank(p.endpoint) AS rank FROM apikey.price p) e
			JOIN (SELECT DISTINCT s.class FROM subject s) c ON e.endpoint IS NULL OR (c.class <> '' AND apikey._price_matches(e.endpoint, c.class))
	), spans AS (
		SELECT n AS span, CASE WHEN n = 0 THEN since::timestamptz ELSE steps[n] END AS starts_at
		FROM generate_series(0, cardinality(steps)) n
	), priced AS MATERIALIZED (
		SELECT DISTINCT ON (s.tenant, s.class, n.span) s.tenant, s.class, n.span, p.price_id
		FROM subject s
			JOIN holder h ON h.tenant = s.tenant
			JOIN apikey.price p ON coalesce(p.tenant_id, 0) = h.holder
			JOIN matching m ON m.class = s.class AND coalesce(m.endpoint, '') = coalesce(p.endpoint, '')
			JOIN spans n ON n.starts_at >= p.valid_from AND n.starts_at < coalesce(p.valid_until, 'infinity')
				AND n.starts_at >= h.since AND n.starts_at < h.until
		ORDER BY s.tenant, s.class, n.span, h.depth, m.rank DESC
	), mixed AS MATERIALIZED (
		-- days on which the price depends on the hour
		SELECT d.tenant, d.class, d.day
		FROM (SELECT DISTINCT d.tenant, d.class, d.day FROM days d WHERE d.day IS NOT NULL) d
			CROSS JOIN LATERAL generate_series(width_bucket(d.day::timestamptz, steps),
				width_bucket((d.day + 1)::timestamptz - interval '1 microsecond', steps)) n (span)
			LEFT JOIN priced p ON p.tenant = d.tenant AND p.class = d.class AND p.span = n.span
		GROUP BY d.tenant, d.class, d.day
		HAVING count(DISTINCT coalesce(p.price_id, 0)) > 1
	), hours AS MATERIALIZED (
		SELECT m.tenant, coalesce(u.key_id, 0) AS key, m.class, u.code, m.day, width_bucket(u.hour, steps) AS span,
			   sum(u.calls) AS calls, sum(u.units) AS units, sum(u.bytes_in + u.bytes_out) AS bytes
		FROM apikey.usage_hourly u
			JOIN mixed m ON m.tenant = coalesce(u.tenant_id, 0) AND m.class = coalesce(u.endpoint_class, '') AND m.day = u.hour::date
		WHERE u.hour >= stepped[1] AND u.hour < stepped[cardinality(stepped)] + 1 AND u.code = ANY ('{VALID,LOGGED}')
			AND (tenants IS NULL OR u.tenant_id = ANY (tenants))
		GROUP BY 1, 2, 3, 4, 5, 6
	), parts AS (
		SELECT d.tenant, d.key, d.class, d.code, d.span, d.calls, d.units, d.bytes
		FROM days d LEFT JOIN mixed m ON m.tenant = d.tenant AND m.class = d.class AND m.day = d.day
		WHERE m.day IS NULL
		UNION ALL
		SELECT h.tenant, h.key, h.class, h.code, h.span, h.calls, h.units, h.bytes FROM hours h
		UNION ALL
		-- what the hours do not have
		SELECT d.tenant, d.key, d.class, d.code, -1, greatest(d.calls - coalesce(h.calls, 0), 0), greatest(d.units - coalesce(h.units, 0), 0),
			   greatest(d.bytes - coalesce(h.bytes, 0), 0)
		FROM days d
			JOIN mixed m ON m.tenant = d.tenant AND m.class = d.class AND m.day = d.day
			LEFT JOIN (SELECT h.tenant, h.key, h.class, h.code, h.day, sum(h.calls) AS calls, sum(h.units) AS units, sum(h.bytes) AS bytes
					   FROM hours h GROUP BY 1, 2, 3, 4, 5) h
				ON h.tenant = d.tenant AND h.key = d.key AND h.class = d.class AND h.code = d.code AND h.day = d.day
	), sums AS (
		SELECT s.tenant, s.key, p.price_id,
			   coalesce(sum(s.calls) FILTER (WHERE s.code = 'VALID'), 0) AS calls,
			   coalesce(sum(s.units) FILTER (WHERE s.code = 'VALID'), 0) AS units,
			   coalesce(sum(s.calls) FILTER (WHERE s.code = 'LOGGED'), 0) AS logged_calls,
			   coalesce(sum(s.units) FILTER (WHERE s.code = 'LOGGED'), 0) AS logged_units,
			   sum(s.bytes) AS bytes
		FROM parts s LEFT JOIN priced p ON p.tenant = s.tenant AND p.class = s.class AND p.span = s.span
		GROUP BY 1, 2, 3
		HAVING sum(s.calls) + sum(s.units) + sum(s.bytes) > 0
	)
	SELECT nullif(s.tenant, 0), nullif(s.key, 0), p.currency, c.calls, c.units, s.bytes,
		   -- exact: nothing is divided
		   c.calls * p.per_call + c.units * p.per_unit + s.bytes * p.per_gb * 0.000000001,
		   s.logged_calls, s.logged_units
	FROM sums s
		LEFT JOIN apikey.price p ON p.price_id = s.price_id
		CROSS JOIN LATERAL (SELECT CASE WHEN p.logged THEN s.logged_calls ELSE s.calls END AS calls,
								   CASE WHEN p.logged THEN s.logged_units ELSE s.units END AS units) c;
END
$$;

-- One row for each owner and project of a tenant and each currency.
CREATE TYPE apikey.cost AS (
	tenant		text,
	owner		text,
	project		text,
	currency	text,
	calls		bigint,
	units		numeric,
	bytes		numeric,
	cost		numeric,
	deleted		boolean,
	logged_calls	bigint,
	logged_units	numeric
);

CREATE FUNCTION apikey.cost_report(period text DEFAULT 'month', tenant text DEFAULT NULL, digits integer DEFAULT NULL)
	RETURNS SETOF apikey.cost
	LANGUAGE c STABLE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._cost_report(period text, tenant text, digits integer)
	RETURNS SETOF apikey.cost
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	tid bigint := CASE WHEN tenant IS NOT NULL THEN apikey._tenant_id(tenant, 'usage') END;
	tenants bigint[];
	days record;
BEGIN
	IF tid IS NOT NULL THEN
		tenants := ARRAY(SELECT t.tenant_id FROM apikey._tenant_tree(tid) t);
	ELSIF NOT apikey._may('usage', NULL) THEN
		tenants := apikey._require_usage();
	END IF;
	IF digits NOT BETWEEN 0 AND 12 THEN
		RAISE invalid_parameter_value USING MESSAGE = 'digits must be 0 to 12';
	END IF;
	days := apikey._period(period, apikey._now());

	RETURN QUERY
	WITH sums AS MATERIALIZED (
		SELECT l.tenant_id, k.owner, p.project, l.key_id IS NOT NULL AND k.key_id IS NULL AS deleted, l.currency,
			   sum(l.calls) AS calls, sum(l.units) AS units, sum(l.bytes) AS bytes, sum(l.cost) AS cost,
			   sum(l.logged_calls) AS logged_calls, sum(l.logged_units) AS logged_units
		FROM apikey._cost_lines(days.since, days.until, tenants) l
			LEFT JOIN apikey.api_key k ON k.key_id = l.key_id
			-- as in apikey.key_label
			LEFT JOIN LATERAL (SELECT min(substr(t, 9) COLLATE "C") AS project FROM unnest(k.tags) t WHERE starts_with(t, 'project:')) p ON true
		GROUP BY 1, 2, 3, 4, 5
	), path AS MATERIALIZED (
		-- once for each tenant
		SELECT t.tenant_id, apikey._path(t.tenant_id) AS path FROM (SELECT DISTINCT s.tenant_id FROM sums s) t
	), named AS MATERIALIZED (
		SELECT s.*, t.path AS tenant, trunc(s.cost, digits) AS whole FROM sums s LEFT JOIN path t ON t.tenant_id = s.tenant_id
	), places AS (
		-- What rounding the total adds to the rows cut off goes, a last digit
		-- each, to those that lost most.
		SELECT n.*, row_number() OVER (PARTITION BY n.currency ORDER BY n.cost - n.whole DESC, n.tenant, n.owner, n.project, n.deleted) AS place,
			   round(sum(n.cost) OVER w, digits) - sum(n.whole) OVER w AS spare
		FROM named n WINDOW w AS (PARTITION BY n.currency)
	)
	SELECT p.tenant, p.owner, p.project, p.currency, p.calls::bigint, p.units, p.bytes,
		   CASE WHEN digits IS NULL THEN trim_scale(p.cost)
				WHEN p.place <= p.spare * ('1e' || digits)::numeric THEN p.whole + ('1e-' || digits)::numeric
				ELSE p.whole END,
		   p.deleted, p.logged_calls::bigint, p.logged_units
	FROM places p
	ORDER BY p.tenant, p.owner, p.project, p.deleted, p.currency;
END
$$;

COMMENT ON FUNCTION apikey._period(text, timestamptz) IS
	'the days of UTC that the name of a period means';
COMMENT ON FUNCTION apikey._cost_lines(date, date, bigint[]) IS
	'what accepted traffic cost, by key and price';
COMMENT ON TYPE apikey.cost IS 'a row of apikey.cost_report()';
COMMENT ON COLUMN apikey.cost.tenant IS 'tenant of the keys, as a path';
COMMENT ON COLUMN apikey.cost.owner IS 'owner of the keys, as it is now';
COMMENT ON COLUMN apikey.cost.project IS 'project of the keys, from their tag project:NAME';
COMMENT ON COLUMN apikey.cost.currency IS 'currency of the prices; NULL: traffic without a price';
COMMENT ON COLUMN apikey.cost.calls IS 'what its price counts: verifications, or what was logged; without a price verifications';
COMMENT ON COLUMN apikey.cost.units IS 'their units';
COMMENT ON COLUMN apikey.cost.bytes IS 'sizes of requests and answers';
COMMENT ON COLUMN apikey.cost.cost IS 'what they cost; NULL without a price';
COMMENT ON COLUMN apikey.cost.deleted IS 'true: of keys that were deleted, whose owner and project are not known any more';
COMMENT ON COLUMN apikey.cost.logged_calls IS 'requests the application logged with log_usage(), whether the price counts them or not: more than calls, and a price with logged may be meant';
COMMENT ON COLUMN apikey.cost.logged_units IS 'their units';
COMMENT ON FUNCTION apikey.cost_report(text, text, integer) IS
	'what accepted usage of a period cost, by tenant, owner and project; the rows add up to the whole, rounded ones to the rounded whole';
