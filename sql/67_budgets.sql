-- ---------------------------------------------------------------------------
-- Budgets: units of a tenant and all below it in each calendar period, with a
-- warning before they are used up.
--
-- A hard budget is a quota of the tenant with the same name, exact like any
-- other: what is used of it comes from quota_state.  Another one stops nobody:
-- the units of accepted verifications are added up from usage_daily, from
-- usage_hourly where the window begins or ends within a day of UTC, and from
-- usage where it does within an hour, or where hours are not kept any more.
-- ---------------------------------------------------------------------------

CREATE TABLE apikey.budget (
	budget_id	pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id	pg_catalog.int8 NOT NULL REFERENCES apikey.tenant,
	name		pg_catalog.text NOT NULL,
	units		pg_catalog.int8 NOT NULL
		CONSTRAINT budget_units CHECK (units OPERATOR(pg_catalog.>) 0),
	period		pg_catalog.text NOT NULL
		CONSTRAINT budget_period CHECK (period OPERATOR(pg_catalog.=) ANY ('{hour,day,week,month,total}'::pg_catalog.text[])),
	timezone	pg_catalog.text,
	soft		pg_catalog."numeric"
		CONSTRAINT budget_soft CHECK (soft OPERATOR(pg_catalog.>) 0 AND soft OPERATOR(pg_catalog.<=) 1),
	hard		pg_catalog.bool NOT NULL DEFAULT false,
	soft_window	pg_catalog.timestamptz,
	hard_window	pg_catalog.timestamptz,
	exhausted_at pg_catalog.timestamptz,
	author		pg_catalog.text NOT NULL,
	created_at	pg_catalog.timestamptz NOT NULL,
	CONSTRAINT budget_total CHECK (hard OR period OPERATOR(pg_catalog.<>) 'total'),
	CONSTRAINT budget_tenant_name UNIQUE (tenant_id, name)
);

ALTER TABLE apikey.budget ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY budget_read ON apikey.budget FOR SELECT USING (
	(SELECT apikey.sees_all('usage'))
	OR tenant_id OPERATOR(pg_catalog.=) ANY ((SELECT apikey.my_tenants('usage'))::pg_catalog.int8[]));

SELECT pg_catalog.pg_extension_config_dump('apikey.budget', '');
SELECT pg_catalog.pg_extension_config_dump('apikey.budget_budget_id_seq', '');

CREATE FUNCTION apikey._window_at(period pg_catalog.text, timezone pg_catalog.text, at pg_catalog.timestamptz,
	OUT window_start pg_catalog.timestamptz, OUT window_end pg_catalog.timestamptz)
	LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_window_at_sql';

-- --- what is used -----------------------------------------------------------

-- The windows of some budgets that an instant lies in, and what is used of
-- them.  No row for a budget whose time zone this server does not know.
CREATE FUNCTION apikey._budget_use(budget_ids bigint[], now timestamptz)
	RETURNS TABLE (budget_id bigint, window_start timestamptz, window_end timestamptz, used numeric)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET plan_cache_mode = force_custom_plan
AS $$
#variable_conflict use_column
DECLARE
	kept timestamptz := apikey._rollup_start('hour');
BEGIN
	RETURN QUERY
	WITH RECURSIVE present AS MATERIALIZED (
		SELECT b.budget_id, b.tenant_id, b.name, b.hard, w.window_start, w.window_end
		FROM apikey.budget b CROSS JOIN LATERAL apikey._window_at(b.period, coalesce(b.timezone, 'UTC'), now) w
		WHERE b.budget_id = ANY (budget_ids) AND w.window_start IS NOT NULL
	), tree AS (
		SELECT DISTINCT p.tenant_id AS top, p.tenant_id FROM present p WHERE NOT p.hard
		UNION ALL
		SELECT a.top, t.tenant_id FROM tree a JOIN apikey.tenant t ON coalesce(t.parent_id, 0) = a.tenant_id
	), edges AS MATERIALIZED (
		-- the full hours and days within the window
		SELECT p.budget_id, p.tenant_id, p.window_start, p.window_end,
			   date_trunc('hour', p.window_start + interval '1 hour' - interval '1 microsecond') AS first_hour,
			   date_trunc('hour', p.window_end) AS last_hour,
			   date_trunc('day', p.window_start + interval '1 day' - interval '1 microsecond') AS first_day,
			   date_trunc('day', p.window_end) AS last_day
		FROM present p WHERE NOT p.hard
	), part AS MATERIALIZED (
		SELECT e.budget_id, e.tenant_id, s.unit, s.since, s.until
		FROM edges e CROSS JOIN LATERAL (VALUES
			('row', e.window_start, least(e.first_hour, e.window_end)),
			('row', e.first_hour, least(e.first_day, e.last_hour, kept)),
			('hour', greatest(e.first_hour, kept), least(e.first_day, e.last_hour)),
			('day', e.first_day, e.last_day),
			('row', greatest(e.first_day, e.last_day), least(e.last_hour, kept)),
			('hour', greatest(e.first_day, e.last_day, kept), e.last_hour),
			('row', greatest(e.first_hour, e.last_hour), e.window_end)) s (unit, since, until)
		WHERE s.since < s.until
	), counted AS (
		SELECT p.budget_id, sum(u.units) AS units
		FROM part p JOIN tree t ON t.top = p.tenant_id
			JOIN apikey.usage_daily u ON u.tenant_id = t.tenant_id AND u.day >= p.since::date AND u.day < p.until::date
		WHERE p.unit = 'day' AND u.code = 'VALID' GROUP BY p.budget_id
		UNION ALL
		SELECT p.budget_id, sum(u.units)
		FROM part p JOIN tree t ON t.top = p.tenant_id
			JOIN apikey.usage_hourly u ON u.tenant_id = t.tenant_id AND u.hour >= p.since AND u.hour < p.until
		WHERE p.unit = 'hour' AND u.code = 'VALID' GROUP BY p.budget_id
		UNION ALL
		SELECT p.budget_id, sum(u.units)
		FROM part p JOIN tree t ON t.top = p.tenant_id
			JOIN apikey.usage u ON u.tenant_id = t.tenant_id AND u.at >= p.since AND u.at < p.until
		WHERE p.unit = 'row' AND u.code = 'VALID' GROUP BY p.budget_id
	)
	SELECT p.budget_id, p.window_start, p.window_end, coalesce(sum(c.units), 0)
	FROM present p LEFT JOIN counted c ON c.budget_id = p.budget_id
	WHERE NOT p.hard GROUP BY p.budget_id, p.window_start, p.window_end
	UNION ALL
	SELECT p.budget_id, p.window_start, p.window_end, coalesce(max(q.used), 0)
	FROM present p
		LEFT JOIN apikey.quota_state q ON q.tenant_id = p.tenant_id AND q.shared = 'tree' AND q.name = p.name
			AND q.window_start = p.window_start
	WHERE p.hard GROUP BY p.budget_id, p.window_start, p.window_end;
END
$$;

-- The tenants whose usage the caller may see; raises if there is none.
CREATE FUNCTION apikey._require_usage() RETURNS bigint[]
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tenants bigint[] := apikey._callers_tenants('usage');
BEGIN
	IF cardinality(tenants) > 0 THEN
		RETURN tenants;
	END IF;
	RAISE insufficient_privilege USING
		MESSAGE = 'permission denied to see usage',
		DETAIL = format('It takes access %s on a tenant.', array_to_string(apikey._class_levels('usage'), ' or '));
END
$$;

-- Read by the view budget_status, hence STABLE.
CREATE FUNCTION apikey.budgets()
	RETURNS TABLE (tenant text, name text, units bigint, period text, timezone text, soft numeric, hard boolean,
				   window_start timestamptz, window_end timestamptz, used numeric, share numeric, forecast numeric,
				   exhausted_at timestamptz)
	LANGUAGE c STABLE PARALLEL UNSAFE ROWS 10 AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._budgets()
	RETURNS TABLE (tenant text, name text, units bigint, period text, timezone text, soft numeric, hard boolean,
				   window_start timestamptz, window_end timestamptz, used numeric, share numeric, forecast numeric,
				   exhausted_at timestamptz)
	LANGUAGE plpgsql STABLE PARALLEL UNSAFE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	sees_all boolean := apikey._may('usage', NULL);
	tenants bigint[] := CASE WHEN NOT sees_all THEN apikey._require_usage() END;
	now timestamptz := apikey._now();
	ids bigint[] := ARRAY(SELECT b.budget_id FROM apikey.budget b WHERE sees_all OR b.tenant_id = ANY (tenants));
BEGIN
	RETURN QUERY
	SELECT apikey._path(b.tenant_id), b.name, b.units, b.period, coalesce(b.timezone, 'UTC'), b.soft, b.hard,
		   u.window_start, u.window_end, u.used, round(u.used / b.units, 4),
		   CASE WHEN f.seconds > 0 THEN round(u.used * f.length / f.seconds) END,
		   CASE WHEN u.used >= b.units THEN CASE WHEN b.hard_window = u.window_start THEN b.exhausted_at ELSE now END
				WHEN f.seconds > 0 AND u.used * f.length / f.seconds >= b.units
				THEN u.window_start + round(f.seconds * b.units / u.used) * interval '1 second' END
	FROM apikey.budget b
		LEFT JOIN apikey._budget_use(ids, now) u ON u.budget_id = b.budget_id
		-- what a hundredth of the window shows is too little to go by
		LEFT JOIN LATERAL (
			SELECT extract(epoch FROM now - s.since) AS seconds, extract(epoch FROM u.window_end - s.since) AS length
			FROM (SELECT CASE WHEN isfinite(u.window_start) THEN u.window_start END AS since) s) f ON f.seconds >= f.length / 100
	WHERE b.budget_id = ANY (ids)
	ORDER BY 1, 2;
END
$$;

CREATE VIEW apikey.budget_status WITH (security_invoker = true) AS
SELECT b.tenant, b.name, b.units, b.period, b.timezone, b.soft, b.hard, b.window_start, b.window_end, b.used, b.share,
	b.forecast, b.exhausted_at
FROM apikey.budgets() b;

-- --- setting and dropping ---------------------------------------------------

-- A quota that belongs to a hard budget is changed with the budget only.
CREATE FUNCTION apikey._check_budget_quotas(tenant_id bigint, quotas apikey.quota[]) RETURNS void
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lost text;
BEGIN
	SELECT b.name INTO lost FROM apikey.budget b
	WHERE b.tenant_id = _check_budget_quotas.tenant_id AND b.hard AND NOT EXISTS (
		SELECT FROM unnest(quotas) q
		WHERE q.name = b.name AND q.units = b.units AND q.period = b.period AND q.timezone IS NOT DISTINCT FROM b.timezone)
	ORDER BY b.name LIMIT 1;
	IF FOUND THEN
		RAISE object_not_in_prerequisite_state USING
			MESSAGE = format('quota "%s" belongs to a budget', apikey._shown(lost)),
			HINT = 'Give it too, as it is; set_budget() and drop_budget() change it.';
	END IF;
END
$$;

-- Makes the quotas of the tenant those that fit the changed budget.
CREATE FUNCTION apikey._sync_budget(tenant text, t apikey.tenant, was apikey.budget, b apikey.budget) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	quotas apikey.quota[] := ARRAY(SELECT q FROM unnest(t.quotas) q WHERE NOT (coalesce(was.hard, false) AND q.name = was.name));
BEGIN
	IF b.hard THEN
		quotas := quotas || ROW(b.name, b.units, b.period, b.timezone, NULL)::apikey.quota;
	END IF;
	IF was.hard OR b.hard THEN
		PERFORM apikey._update_tenant(tenant, NULL, NULL, NULL, NULL, NULL, quotas, NULL);
	END IF;
END
$$;

CREATE FUNCTION apikey._budget_json(b apikey.budget) RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN jsonb_strip_nulls(jsonb_build_object('units', b.units, 'period', b.period, 'timezone', b.timezone,
		'soft', b.soft, 'hard', b.hard));
END
$$;

CREATE FUNCTION apikey.set_budget(
	tenant text,
	name text,
	units bigint,
	period text DEFAULT 'month',
	timezone text DEFAULT NULL,
	soft numeric DEFAULT 0.8,
	hard boolean DEFAULT false
) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._set_budget(
	tenant text,
	name text,
	units bigint,
	period text,
	timezone text,
	soft numeric,
	hard boolean
) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
	most CONSTANT integer := 16;
	t apikey.tenant;
	was apikey.budget;
	b apikey.budget;
BEGIN
	PERFORM apikey._require_above(tid, format('set a budget of tenant "%s"', apikey._shown(tenant)));
	-- by the rules of quotas, hard or not
	PERFORM apikey._check_limits(NULL, ARRAY[ROW(name, units, period, timezone, NULL)::apikey.quota]);
	IF soft <= 0 OR soft > 1 OR scale(trim_scale(soft)) > 6 THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'soft is out of range',
			DETAIL = 'It is a share of the units: more than 0, at most 1, with at most 6 digits behind the point; NULL for no warning.';
	END IF;
	IF period = 'total' AND NOT coalesce(hard, false) THEN
		RAISE invalid_parameter_value USING
			MESSAGE = 'a budget for ever must be hard',
			DETAIL = 'What others use is counted from usage_daily, which is not kept for ever.';
	END IF;

	PERFORM apikey._lock_tree(tid);
	SELECT * INTO t FROM apikey.tenant o WHERE o.tenant_id = tid FOR NO KEY UPDATE;
	SELECT * INTO was FROM apikey.budget o WHERE o.tenant_id = tid AND o.name = _set_budget.name FOR NO KEY UPDATE;
	b := was;
	b.tenant_id := tid;
	b.name := name;
	b.units := units;
	b.period := period;
	b.timezone := timezone;
	b.soft := trim_scale(soft);
	b.hard := coalesce(hard, false);
	IF b IS NOT DISTINCT FROM was THEN
		RETURN was.budget_id;
	END IF;
	IF b.hard AND NOT coalesce(was.hard, false) AND EXISTS (
		SELECT FROM (SELECT r.name FROM unnest(t.rate_limits) r UNION ALL SELECT q.name FROM unnest(t.quotas) q) l
		WHERE l.name = b.name) THEN
		RAISE duplicate_object USING
			MESSAGE = format('tenant "%s" has a limit "%s"', apikey._shown(tenant), apikey._shown(name)),
			DETAIL = 'A hard budget is a quota of its own.',
			HINT = 'Take another name, or take the limit away with update_tenant() first.';
	END IF;
	IF was.budget_id IS NULL THEN
		IF (SELECT count(*) FROM apikey.budget o WHERE o.tenant_id = tid) >= most THEN
			RAISE program_limit_exceeded USING
				MESSAGE = format('tenant "%s" has too many budgets', apikey._shown(tenant)),
				DETAIL = format('The limit is %s.', most);
		END IF;
		INSERT INTO apikey.budget AS n (tenant_id, name, units, period, timezone, soft, hard, author, created_at)
		VALUES (tid, b.name, b.units, b.period, b.timezone, b.soft, b.hard, apikey._caller_name(), apikey._now())
		RETURNING n.budget_id INTO b.budget_id;
	ELSE
		-- told of again when the new one is reached
		UPDATE apikey.budget o SET units = b.units, period = b.period, timezone = b.timezone, soft = b.soft, hard = b.hard,
			soft_window = NULL, hard_window = NULL, exhausted_at = NULL
		WHERE o.budget_id = b.budget_id;
	END IF;
	PERFORM apikey._sync_budget(tenant, t, was, b);
	PERFORM apikey._audit(tid, 'budget.set', 'budget:' || b.budget_id,
		CASE WHEN was.budget_id IS NOT NULL THEN apikey._budget_json(was) END,
		jsonb_build_object('name', b.name) || apikey._budget_json(b));
	PERFORM apikey._event(tid, 'budget.set', NULL, jsonb_build_object('budget_id', b.budget_id, 'name', b.name));
	RETURN b.budget_id;
END
$$;

CREATE FUNCTION apikey.drop_budget(tenant text, name text) RETURNS bigint
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._drop_budget(tenant text, name text) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tid bigint := apikey._tenant_id(tenant, 'admin');
	t apikey.tenant;
	was apikey.budget;
BEGIN
	PERFORM apikey._require_above(tid, format('drop a budget of tenant "%s"', apikey._shown(tenant)));
	PERFORM apikey._require(name, 'name');
	PERFORM apikey._lock_tree(tid);
	SELECT * INTO t FROM apikey.tenant o WHERE o.tenant_id = tid FOR NO KEY UPDATE;
	DELETE FROM apikey.budget o WHERE o.tenant_id = tid AND o.name = _drop_budget.name RETURNING * INTO was;
	IF NOT FOUND THEN
		RAISE undefined_object USING MESSAGE = format('budget "%s" does not exist', apikey._shown(name));
	END IF;
	PERFORM apikey._sync_budget(tenant, t, was, NULL);
	PERFORM apikey._audit(tid, 'budget.drop', 'budget:' || was.budget_id, jsonb_build_object('name', was.name) || apikey._budget_json(was), NULL);
	PERFORM apikey._event(tid, 'budget.drop', NULL, jsonb_build_object('budget_id', was.budget_id, 'name', was.name));
	RETURN was.budget_id;
END
$$;

-- --- warnings ---------------------------------------------------------------

-- Events budget.soft and budget.hard, once for each window and amount.  One
-- step of a sweep over the budgets.
CREATE FUNCTION apikey._task_budgets() RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
	most CONSTANT integer := 500;
	now timestamptz := apikey._now();
	scanned bigint[];
	open bigint[];
	told bigint := 0;
	due record;
BEGIN
	scanned := ARRAY(SELECT b.budget_id FROM apikey.budget b
					 WHERE b.budget_id > coalesce((SELECT s.last_key_id FROM apikey.task_state s WHERE s.task = 'budgets'), 0)
					 ORDER BY b.budget_id LIMIT most);
	PERFORM apikey._set_task_state('budgets', NULL, scanned[most]);
	-- what is used up is not added up again until the window is over
	open := ARRAY(SELECT b.budget_id
				  FROM apikey.budget b CROSS JOIN LATERAL apikey._window_at(b.period, coalesce(b.timezone, 'UTC'), now) w
				  WHERE b.budget_id = ANY (scanned) AND b.hard_window IS DISTINCT FROM w.window_start);

	FOR due IN
		SELECT b.*, u.window_start, u.window_end, u.used, coalesce(u.used >= b.units * b.soft, false) AS warn, u.used >= b.units AS gone
		FROM apikey._budget_use(open, now) u JOIN apikey.budget b ON b.budget_id = u.budget_id
		WHERE (u.used >= b.units * b.soft AND b.soft_window IS DISTINCT FROM u.window_start)
			OR (u.used >= b.units AND b.hard_window IS DISTINCT FROM u.window_start)
		ORDER BY b.budget_id
		FOR NO KEY UPDATE OF b SKIP LOCKED
	LOOP
		INSERT INTO apikey.event (tenant_id, type, payload, dedupe_key, created_at)
		SELECT due.tenant_id, e.type, jsonb_build_object('tenant', apikey._path(due.tenant_id), 'name', due.name,
				'units', due.units, 'used', due.used, 'hard', due.hard, 'window_start', due.window_start, 'window_end', due.window_end),
			   concat_ws('@', due.budget_id, extract(epoch FROM due.window_start), due.units * e.share), now
		FROM (VALUES ('budget.soft', due.soft, due.warn), ('budget.hard', 1, due.gone)) e (type, share, reached)
		WHERE e.reached
		ON CONFLICT DO NOTHING;
		UPDATE apikey.budget b SET
			soft_window = CASE WHEN due.warn THEN due.window_start ELSE b.soft_window END,
			exhausted_at = CASE WHEN due.gone AND b.hard_window IS DISTINCT FROM due.window_start THEN now ELSE b.exhausted_at END,
			hard_window = CASE WHEN due.gone THEN due.window_start ELSE b.hard_window END
		WHERE b.budget_id = due.budget_id;
		told := told + 1;
	END LOOP;
	RETURN CASE WHEN cardinality(scanned) = most THEN most ELSE told END;
END
$$;

COMMENT ON TABLE apikey.budget IS
	'units of a tenant and those below it in each calendar period, with warnings; a hard one is also a quota of the tenant';
COMMENT ON COLUMN apikey.budget.budget_id IS 'surrogate key';
COMMENT ON COLUMN apikey.budget.tenant_id IS 'the tenant';
COMMENT ON COLUMN apikey.budget.name IS 'unique in its tenant; of a hard budget the name of its quota';
COMMENT ON COLUMN apikey.budget.units IS 'units in each period';
COMMENT ON COLUMN apikey.budget.period IS 'hour, day, week, month or total';
COMMENT ON COLUMN apikey.budget.timezone IS 'whose calendar counts; NULL: UTC';
COMMENT ON COLUMN apikey.budget.soft IS 'share of the units at which the event budget.soft is written; NULL: none';
COMMENT ON COLUMN apikey.budget.hard IS 'whether requests over it are denied';
COMMENT ON COLUMN apikey.budget.soft_window IS 'start of the last window that budget.soft was written for';
COMMENT ON COLUMN apikey.budget.hard_window IS 'start of the last window that budget.hard was written for';
COMMENT ON COLUMN apikey.budget.exhausted_at IS 'when the last window was seen to be used up';
COMMENT ON COLUMN apikey.budget.author IS 'role that made it';
COMMENT ON COLUMN apikey.budget.created_at IS 'when it was made';
COMMENT ON VIEW apikey.budget_status IS
	'budgets with what is used of their present window, and what will be if it goes on like this';
COMMENT ON COLUMN apikey.budget_status.tenant IS 'the tenant, as a path';
COMMENT ON COLUMN apikey.budget_status.name IS 'name of the budget';
COMMENT ON COLUMN apikey.budget_status.units IS 'units in each period';
COMMENT ON COLUMN apikey.budget_status.period IS 'hour, day, week, month or total';
COMMENT ON COLUMN apikey.budget_status.timezone IS 'whose calendar counts';
COMMENT ON COLUMN apikey.budget_status.soft IS 'share of the units at which the event budget.soft is written';
COMMENT ON COLUMN apikey.budget_status.hard IS 'whether requests over it are denied';
COMMENT ON COLUMN apikey.budget_status.window_start IS 'start of the present window; NULL: the server does not know the time zone';
COMMENT ON COLUMN apikey.budget_status.window_end IS 'end of the present window';
COMMENT ON COLUMN apikey.budget_status.used IS 'units used in the window';
COMMENT ON COLUMN apikey.budget_status.share IS 'used, as a share of the units';
COMMENT ON COLUMN apikey.budget_status.forecast IS 'used at the end of the window if it goes on as since its start; NULL in its first hundredth, and for period total';
COMMENT ON COLUMN apikey.budget_status.exhausted_at IS 'when it is used up if it goes on like this, or was seen to be; NULL: not in this window';
COMMENT ON FUNCTION apikey._window_at(text, text, timestamptz) IS 'the window of a period that an instant lies in; NULL where the time zone is not known';
COMMENT ON FUNCTION apikey._budget_use(bigint[], timestamptz) IS 'what is used of some budgets in the window of an instant';
COMMENT ON FUNCTION apikey._require_usage() IS 'tenants whose usage the caller may see; raises if there is none';
COMMENT ON FUNCTION apikey.budgets() IS 'the rows of the view budget_status';
COMMENT ON FUNCTION apikey._check_budget_quotas(bigint, apikey.quota[]) IS 'raises if quotas of a tenant lack one that belongs to a budget';
COMMENT ON FUNCTION apikey._sync_budget(text, apikey.tenant, apikey.budget, apikey.budget) IS 'makes the quotas of a tenant fit a changed budget';
COMMENT ON FUNCTION apikey._budget_json(apikey.budget) IS 'what an audit row keeps of a budget';
COMMENT ON FUNCTION apikey.set_budget(text, text, bigint, text, text, numeric, boolean) IS
	'sets a budget of a tenant, or changes it: a warning at a share of the units, and a quota if it is hard';
COMMENT ON FUNCTION apikey.drop_budget(text, text) IS 'drops a budget, and its quota if it is hard';
COMMENT ON FUNCTION apikey._task_budgets() IS 'task: events of budgets that are nearly or quite used up';
