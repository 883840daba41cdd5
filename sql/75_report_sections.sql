-- ---------------------------------------------------------------------------
-- The sections of a report's page, each made from the facts of 74_report.
--
-- A section begins with the sentence a reader would take away.
-- ---------------------------------------------------------------------------

-- --- words -----------------------------------------------------------------

CREATE FUNCTION apikey._report_reason(code text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE code
		WHEN 'NOT_FOUND' THEN 'There is no such key'
		WHEN 'MALFORMED' THEN 'The text is not a key'
		WHEN 'BLOCKED' THEN 'The address is blocked'
		WHEN 'TENANT_SUSPENDED' THEN 'The tenant is suspended'
		WHEN 'REVOKED' THEN 'The key was revoked'
		WHEN 'SUPERSEDED' THEN 'An old secret that a rotation has replaced'
		WHEN 'SUSPENDED' THEN 'The key is suspended'
		WHEN 'PENDING' THEN 'The key is not approved yet'
		WHEN 'NOT_YET_VALID' THEN 'The key is not valid yet'
		WHEN 'EXPIRED' THEN 'The key has expired'
		WHEN 'ENVIRONMENT_MISMATCH' THEN 'Used in another environment than its own'
		WHEN 'IP_DENIED' THEN 'From an address that is not allowed'
		WHEN 'ENDPOINT_DENIED' THEN 'Method or path is not allowed'
		WHEN 'TIME_DENIED' THEN 'Outside of the access hours'
		WHEN 'INSUFFICIENT_SCOPE' THEN 'A scope is missing'
		WHEN 'QUOTA_EXCEEDED' THEN 'A quota is used up'
		WHEN 'RATE_LIMITED' THEN 'Too many requests in a short time'
		WHEN 'UNAVAILABLE' THEN 'Limits could not be checked'
		ELSE 'Not accepted' END;
END
$$;

-- What is strange about a key, with its figures.
CREATE FUNCTION apikey._report_finding(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n constant numeric := f ->> 'n';
	at constant text := apikey._show_time((f ->> 'at')::timestamptz, 'time');
BEGIN
	RETURN CASE f ->> 'kind'
		WHEN 'revoked' THEN '<b>Used after revocation:</b> ' || apikey._show_count(n, 'attempt', 'attempts')
			|| CASE (f ->> 'others')::numeric WHEN 0 THEN ' from where it was used before' ELSE coalesce(', ' || apikey._show_count((f ->> 'others')::numeric, 'address', 'addresses') || ' new to it', '') END
			|| coalesce(', revoked on ' || at, '')
		WHEN 'addresses' THEN '<b>Many addresses:</b> ' || apikey._show_number(n) || ' clients, '
			|| apikey._show_number((f ->> 'before')::numeric) || ' in the period before'
		WHEN 'hours' THEN '<b>Unusual hours:</b> ' || apikey._show_count(n, 'request', 'requests')
			|| ' at hours this key did not use before, first on ' || at
		WHEN 'burst' THEN '<b>Burst of denials:</b> ' || apikey._show_number(n) || CASE WHEN (f ->> 'hourly')::boolean
			THEN ' in the hour from ' || at ELSE ' on ' || apikey._show_time((f ->> 'at')::timestamptz, 'date') END
		WHEN 'errors' THEN '<b>Burst of errors:</b> ' || apikey._show_number(n) || ' of ' || apikey._show_count((f ->> 'answers')::numeric, 'answer', 'answers')
			|| CASE WHEN (f ->> 'hourly')::boolean THEN ' in the hour from ' || at ELSE ' on ' || apikey._show_time((f ->> 'at')::timestamptz, 'date') END
		WHEN 'strange' THEN '<b>Strange addresses:</b> ' || apikey._show_count(n, 'request', 'requests') || ' in the hour from ' || at
			|| ' with ' || apikey._show_count((f ->> 'others')::numeric, 'address', 'addresses') || ' new to it, in the period before at most '
			|| apikey._show_number((f ->> 'usual')::numeric) || ' in an hour'
		WHEN 'dormant' THEN '<b>Woken up:</b> ' || apikey._show_count(n, 'request', 'requests') || ', not used before since '
			|| apikey._show_time((f ->> 'day')::timestamptz, 'date')
		WHEN 'bytes' THEN '<b>More data than usual:</b> ' || apikey._show_bytes(n) || ' sent, '
			|| apikey._show_bytes((f ->> 'before')::numeric) || ' in the period before'
		WHEN 'superseded' THEN '<b>Old secret denied:</b> ' || apikey._show_count(n, 'attempt', 'attempts')
			|| ' with a secret that a rotation has replaced'
		WHEN 'old secret' THEN '<b>Old secret in use:</b> ' || apikey._show_number(n)
			|| ' of the latest ' || apikey._show_count((f ->> 'of')::numeric, 'request', 'requests') || '; it ends on ' || apikey._show_time((f ->> 'ends')::timestamptz, 'time')
		WHEN 'expired' THEN '<b>Used after its end:</b> ' || apikey._show_count(n, 'attempt', 'attempts') || ' with the expired key'
		END;
END
$$;

CREATE FUNCTION apikey._report_badge(severity integer) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN format('<span class="badge %s">%s</span>', (ARRAY['low', 'medium', 'high'])[severity], (ARRAY['Low', 'Medium', 'High'])[severity]);
END
$$;

-- A key in the first cell of a row.
CREATE FUNCTION apikey._report_key_cell(k jsonb, tenant text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN '<th scope="row">' || coalesce(nullif(apikey._html_name(k ->> 'name'), ''), 'Key ' || (k ->> 'key_id'))
		|| '<span class="sub">' || concat_ws(' &middot; ', 'key&nbsp;' || (k ->> 'key_id'),
			nullif(apikey._html_name(k ->> 'owner'), ''),
			nullif(apikey._html_name(k ->> 'environment'), ''),
			CASE WHEN k ->> 'tenant' IS DISTINCT FROM tenant THEN apikey._html_name(k ->> 'tenant') END,
			CASE WHEN k ->> 'status' <> 'active' THEN '<b>' || apikey._html(k ->> 'status', 20) || '</b>' END)
		|| '</span></th>';
END
$$;

-- A figure with what it was in the period before.  better: up, down or, where
-- neither is, NULL.
CREATE FUNCTION apikey._report_card(label text, value text, now numeric, before numeric, better text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	change constant numeric := CASE WHEN before > 0 THEN 100 * (now - before) / before END;
	rise constant text := CASE WHEN round(change, 1) > 0 THEN 'up' WHEN round(change, 1) < 0 THEN 'down' END;
BEGIN
	RETURN format('<div><dt>%s</dt><dd class="value">%s</dd><dd class="change%s">%s</dd></div>', label, value,
		CASE WHEN abs(change) < 5 OR rise IS NULL THEN '' WHEN rise = better THEN ' better' WHEN better IS NOT NULL THEN ' worse' ELSE '' END,
		CASE
			WHEN now IS NULL OR before IS NULL THEN 'no figure before'
			WHEN change IS NULL AND now = 0 THEN 'as before'
			WHEN change IS NULL THEN 'none before'
			WHEN rise IS NULL THEN 'as before'
			WHEN change > 1000 THEN '&#9650; up ' || apikey._show_number(round(now / before)) || ' times'
			ELSE CASE rise WHEN 'up' THEN '&#9650; up ' ELSE '&#9660; down ' END || trim_scale(round(abs(change), CASE WHEN abs(change) < 10 THEN 1 ELSE 0 END)) || ' %' END);
END
$$;

-- A latency is known to 1 part in 32 only: two that are nearer to each other
-- than that are the same.
CREATE FUNCTION apikey._report_latency_card(label text, now numeric, before numeric) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN apikey._report_card(label, CASE WHEN now > 0 THEN '<span class="about">about</span> ' ELSE '' END || apikey._show_latency(now),
		now, CASE WHEN abs(now - before) * 16 <= before THEN now ELSE before END, 'down');
END
$$;

-- A share in percent; its change is told in points.
CREATE FUNCTION apikey._report_share_card(label text, part numeric, whole numeric, part_before numeric, whole_before numeric, better text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	exact constant numeric := 100 * part / nullif(whole, 0) - 100 * part_before / nullif(whole_before, 0);
	change constant numeric := trim_scale(round(exact, CASE WHEN abs(exact) < 1 THEN 2 ELSE 1 END));
	rise constant text := CASE WHEN change > 0 THEN 'up' WHEN change < 0 THEN 'down' END;
BEGIN
	RETURN format('<div><dt>%s</dt><dd class="value">%s</dd><dd class="change%s">%s</dd></div>', label, apikey._show_share(part, whole),
		CASE WHEN abs(change) < 0.1 OR rise IS NULL THEN '' WHEN rise = better THEN ' better' ELSE ' worse' END,
		CASE
			WHEN change IS NULL THEN 'no figure before'
			WHEN rise IS NULL THEN 'as before'
			ELSE CASE rise WHEN 'up' THEN '&#9650; +' ELSE '&#9660; &minus;' END || abs(change)
				|| CASE abs(change) WHEN 1 THEN ' point' ELSE ' points' END END);
END
$$;

-- --- sections --------------------------------------------------------------

CREATE FUNCTION apikey._report_section(id text, title text, lead text, content text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN format('<section id="%s" aria-labelledby="%1$s-h"><h2 id="%1$s-h">%s</h2>%s%s</section>' || E'\n', id, title,
		CASE WHEN lead IS NULL THEN '' ELSE '<p>' || lead || '</p>' END, content);
END
$$;

-- A table that scrolls within itself where the page is narrow.
CREATE FUNCTION apikey._report_table(caption text, heads text[], rows text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN format('<div class="scroll" role="region" tabindex="0" aria-label="%s"><table><caption class="hidden">%1$s</caption><thead><tr>%s</tr></thead><tbody>%s</tbody></table></div>',
		caption,
		(SELECT string_agg(CASE
				WHEN h LIKE '#%' THEN '<th scope="col" class="n">' || substr(h, 2)
				WHEN h LIKE '-%' THEN '<th scope="col" class="wide n">' || substr(h, 2)
				WHEN h LIKE '+%' THEN '<th scope="col" class="wide">' || substr(h, 2)
				WHEN h = '' THEN '<td class="bar">'
				ELSE '<th scope="col">' || h END || CASE WHEN h = '' THEN '</td>' ELSE '</th>' END, '' ORDER BY n)
		 FROM unnest(heads) WITH ORDINALITY u (h, n)), rows);
END
$$;

CREATE FUNCTION apikey._report_attention(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	calls constant numeric := (f #>> '{totals,accepted}')::numeric + (f #>> '{totals,denied}')::numeric;
	old constant numeric := f #>> '{calendar,ages,4,keys}';
	items text;
	n integer;
BEGIN
	SELECT count(*), string_agg(format('<li>%s<span>%s <a href="#%s">%s</a></span></li>', apikey._report_badge(i.severity), i.line, i.section, i.label), '' ORDER BY i.severity DESC, i.place)
	INTO n, items
	FROM (VALUES
		(1, 3, 'suspicious', apikey._show_count((f #>> '{severities,3}')::numeric, 'key shows signs', 'keys show signs') || ' of misuse.', 'Suspicious keys'),
		(2, 2, 'suspicious', apikey._show_count((f #>> '{severities,2}')::numeric, 'key behaves', 'keys behave') || ' unusually.', 'Suspicious keys'),
		(3, 2, 'limits', CASE WHEN (f #>> '{limits,near}')::numeric > 0 THEN
			apikey._show_count((f #>> '{limits,near}')::numeric, 'quota is', 'quotas are') || ' used up to 80 % or more.' END, 'Limits'),
		(4, 2, 'calendar', CASE WHEN (f #>> '{calendar,week}')::numeric > 0 THEN
			apikey._show_count((f #>> '{calendar,week}')::numeric, 'key ends', 'keys end') || ' within 7 days.' END, 'Rotation and expiry'),
		(5, 2, 'denials', CASE WHEN calls >= 100 AND (f #>> '{totals,denied}')::numeric >= 0.1 * calls THEN
			apikey._show_share((f #>> '{totals,denied}')::numeric, calls) || ' of all requests were denied.' END, 'Denials'),
		(6, 2, 'endpoints', CASE WHEN (f #>> '{totals,logged}')::numeric >= 100 AND (f #>> '{totals,errors}')::numeric >= 0.01 * (f #>> '{totals,logged}')::numeric THEN
			apikey._show_share((f #>> '{totals,errors}')::numeric, (f #>> '{totals,logged}')::numeric) || ' of all answers were server errors.' END, 'Endpoints'),
		(7, 2, 'unknown', CASE WHEN f ->> 'tenant' IS NULL AND (f #>> '{unknown,denied}')::numeric >= 100 AND (f #>> '{unknown,denied}')::numeric >= 5 * (f #>> '{unknown,before}')::numeric THEN
			apikey._show_count((f #>> '{unknown,denied}')::numeric, 'attempt', 'attempts') || ' without a known key, '
				|| CASE WHEN (f #>> '{unknown,before}')::numeric = 0 THEN 'none' ELSE apikey._show_number((f #>> '{unknown,before}')::numeric) END || ' in the period before.' END, 'Unknown keys'),
		(8, 1, 'calendar', CASE WHEN old > 0 THEN
			apikey._show_count(old, 'key has', 'keys have') || ' not been rotated for a year.' END, 'Rotation and expiry'),
		(9, 1, 'calendar', CASE WHEN (f #>> '{calendar,endless}')::numeric > 0 THEN
			apikey._show_number((f #>> '{calendar,endless}')::numeric) || ' of ' || apikey._show_count((f #>> '{calendar,keys}')::numeric, 'key never expires.', 'keys never expire.') END, 'Rotation and expiry')
	) i (place, severity, section, line, label)
	WHERE i.line IS NOT NULL;
	RETURN format('<section class="attention%s" id="attention" aria-labelledby="attention-h"><h2 id="attention-h">%s</h2>%s</section>' || E'\n',
		CASE WHEN n = 0 THEN ' calm' ELSE '' END,
		CASE WHEN n = 0 THEN 'Nothing needs attention' ELSE 'What needs attention' END,
		CASE WHEN n = 0 THEN '<p>No suspicious key, no limit near its end, and no key about to expire.</p>' ELSE '<ul>' || items || '</ul>' END);
END
$$;

CREATE FUNCTION apikey._report_summary(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t constant jsonb := f -> 'totals';
	b constant jsonb := f -> 'before';
	calls constant numeric := (t ->> 'accepted')::numeric + (t ->> 'denied')::numeric;
	calls_before constant numeric := (b ->> 'accepted')::numeric + (b ->> 'denied')::numeric;
	since constant timestamptz := f ->> 'since';
	until constant timestamptz := f ->> 'until';
BEGIN
	RETURN apikey._report_section('summary', 'Summary',
		format('<span class="soft">Changes are against the %s before, from %s.</span>',
			CASE WHEN until - since < interval '2 days' THEN apikey._show_count(round(extract(epoch FROM until - since) / 3600), 'hour', 'hours')
				ELSE apikey._show_count(round(extract(epoch FROM until - since) / 86400, 1), 'day', 'days') END,
			apikey._show_time(since - (until - since), 'time')),
		'<dl class="cards">'
		|| apikey._report_card('Requests', apikey._show_number(calls), calls, calls_before, NULL)
		|| apikey._report_card('Denied', apikey._show_number((t ->> 'denied')::numeric), (t ->> 'denied')::numeric, (b ->> 'denied')::numeric, 'down')
		|| apikey._report_share_card('Share denied', (t ->> 'denied')::numeric, calls, (b ->> 'denied')::numeric, calls_before, 'down')
		|| apikey._report_card('Server errors', apikey._show_number((t ->> 'errors')::numeric), (t ->> 'errors')::numeric, (b ->> 'errors')::numeric, 'down')
		|| apikey._report_latency_card('Latency, median', (t ->> 'p50')::numeric, (b ->> 'p50')::numeric)
		|| apikey._report_latency_card('Latency, 95 %', (t ->> 'p95')::numeric, (b ->> 'p95')::numeric)
		|| apikey._report_card('Keys in use', apikey._show_number((t ->> 'keys')::numeric), (t ->> 'keys')::numeric, (b ->> 'keys')::numeric, NULL)
		|| apikey._report_card('Client addresses', apikey._show_number((t ->> 'ips')::numeric), (t ->> 'ips')::numeric, (b ->> 'ips')::numeric, NULL)
		|| apikey._report_card('Units', apikey._show_short((t ->> 'units')::numeric), (t ->> 'units')::numeric, (b ->> 'units')::numeric, NULL)
		|| apikey._report_card('Data sent', apikey._show_bytes((t ->> 'bytes')::numeric), (t ->> 'bytes')::numeric, (b ->> 'bytes')::numeric, NULL)
		|| '</dl>');
END
$$;

CREATE FUNCTION apikey._report_traffic_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bars constant jsonb := f -> 'traffic';
	accepted constant numeric := f #>> '{totals,accepted}';
	denied constant numeric := f #>> '{totals,denied}';
	form constant text := CASE
		WHEN (f ->> 'step')::numeric >= 604800 THEN 'month'
		WHEN (f ->> 'step')::numeric > 3600 OR (f ->> 'until')::timestamptz - (f ->> 'since')::timestamptz > interval '25 hours' THEN 'day'
		ELSE 'hour' END;
	busiest constant jsonb := (SELECT b FROM jsonb_array_elements(bars) b ORDER BY (b ->> 'accepted')::numeric + (b ->> 'denied')::numeric DESC, b ->> 'since' LIMIT 1);
	worst constant jsonb := (SELECT b FROM jsonb_array_elements(bars) b ORDER BY (b ->> 'denied')::numeric DESC, b ->> 'since' LIMIT 1);
	lead text;
BEGIN
	IF accepted + denied = 0 THEN
		RETURN apikey._report_section('traffic', 'Traffic', 'There were no requests in this period.', '');
	END IF;
	lead := format('%s of %s were accepted. The busiest time was %s with %s.', apikey._show_share(accepted, accepted + denied),
		apikey._show_count(accepted + denied, 'request', 'requests'), apikey._show_span(busiest),
		apikey._show_count((busiest ->> 'accepted')::numeric + (busiest ->> 'denied')::numeric, 'request', 'requests'));
	RETURN apikey._report_section('traffic', 'Traffic', lead,
		'<h3>Requests over time</h3><ul class="legend"><li><svg width="14" height="14" aria-hidden="true"><rect class="accepted" width="14" height="14"/></svg>accepted</li>'
		'<li><svg width="14" height="14" aria-hidden="true"><rect class="denied" width="14" height="14"/></svg>denied</li></ul>'
		|| apikey._chart_bars('traffic-chart', 'Requests over time, accepted and denied', lead || ' The table below has all figures.',
			bars, '{accepted,denied}', 200, form)
		|| CASE WHEN denied = 0 THEN '' ELSE
			'<h3>Denied requests alone, on a scale of their own</h3>'
			|| apikey._chart_bars('denied-chart', 'Denied requests over time',
				format('Most were denied %s: %s. The table below has all figures.', apikey._show_span(worst), apikey._show_number((worst ->> 'denied')::numeric)),
				bars, '{denied}', 90, form) END
		|| '<details><summary>Figures of these charts as a table</summary>'
		|| apikey._report_table('Requests over time', '{Time (UTC),#Accepted,#Denied,#Server errors}',
			(SELECT string_agg(format('<tr><th scope="row">%s</th><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td></tr>', apikey._show_span(b),
				apikey._show_number((b ->> 'accepted')::numeric), apikey._show_number((b ->> 'denied')::numeric), apikey._show_number((b ->> 'errors')::numeric)), '' ORDER BY n)
			 FROM jsonb_array_elements(bars) WITH ORDINALITY x (b, n)))
		|| '</details>');
END
$$;

CREATE FUNCTION apikey._report_denials_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reasons constant jsonb := f -> 'reasons';
	denied constant numeric := f #>> '{totals,denied}';
	most constant numeric := reasons #>> '{0,calls}';
	limited constant jsonb := f -> 'limited';
BEGIN
	IF denied = 0 THEN
		RETURN apikey._report_section('denials', 'Denials by reason', 'No request was denied in this period.', '');
	END IF;
	RETURN apikey._report_section('denials', 'Denials by reason',
		format('The most frequent reason: %s, with %s of %s.', lower(left(apikey._report_reason(reasons #>> '{0,code}'), 1)) || substr(apikey._report_reason(reasons #>> '{0,code}'), 2),
			apikey._show_share(most, denied), apikey._show_count(denied, 'denial', 'denials')),
		apikey._report_table('Denials by reason', '{Reason,"",#Requests,-Share,-Keys}',
			(SELECT string_agg(format('<tr><th scope="row">%s<span class="sub"><code>%s</code></span></th><td class="bar">%s</td><td class="n">%s</td><td class="n wide">%s</td><td class="n wide">%s</td></tr>',
				apikey._report_reason(r ->> 'code'), apikey._html(r ->> 'code', 40), apikey._chart_meter((r ->> 'calls')::numeric / denied, 'near'),
				apikey._show_number((r ->> 'calls')::numeric), apikey._show_share((r ->> 'calls')::numeric, denied), apikey._show_number((r ->> 'keys')::numeric)), '' ORDER BY n)
			 FROM jsonb_array_elements(reasons) WITH ORDINALITY x (r, n)))
		|| CASE WHEN jsonb_array_length(limited) = 0 THEN '' ELSE
			'<h3>Keys that ran into rate limits and quotas most</h3>'
			|| apikey._report_table('Keys that ran into rate limits and quotas', '{Key,#Denied,-Share of its requests}',
				(SELECT string_agg(format('<tr>%s<td class="n">%s</td><td class="n wide">%s</td></tr>', apikey._report_key_cell(k, f ->> 'tenant'),
					apikey._show_number((k ->> 'limited')::numeric), apikey._show_share((k ->> 'limited')::numeric, (k ->> 'calls')::numeric)), '' ORDER BY n)
				 FROM jsonb_array_elements(limited) WITH ORDINALITY x (k, n)))
			|| CASE WHEN (f ->> 'limited_keys')::integer > 5 THEN format('<p class="soft">The first 5 of %s keys.</p>', apikey._show_number((f ->> 'limited_keys')::numeric)) ELSE '' END
		END);
END
$$;

CREATE FUNCTION apikey._report_latency_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bars constant jsonb := f -> 'traffic';
	lead text;
BEGIN
	IF (f #>> '{totals,p50}') IS NULL THEN
		RETURN apikey._report_section('latency', 'Latency', 'No latency was recorded in this period. Applications record it with <code>apikey.log_usage()</code>.', '');
	END IF;
	lead := format('Half of the answers took about %s or less, 95 of 100 about %s or less.',
		apikey._show_latency((f #>> '{totals,p50}')::numeric), apikey._show_latency((f #>> '{totals,p95}')::numeric));
	RETURN apikey._report_section('latency', 'Latency', lead,
		'<h3>Latency over time, on a logarithmic scale</h3><p class="soft">Every step up by the same distance multiplies the latency by the same number.</p><ul class="legend">'
		|| (SELECT string_agg(format('<li><svg width="34" height="12" aria-hidden="true"><g class="%s"><line x1="0" x2="34" y1="6" y2="6"/><circle cx="17" cy="6" r="2.5"/></g></svg>%s</li>', s, label), '' ORDER BY s)
			FROM (VALUES ('p50', 'median'), ('p95', '95th percentile'), ('p99', '99th percentile')) x (s, label))
		|| '</ul>'
		|| apikey._chart_lines('latency-chart', 'Latency over time: median, 95th and 99th percentile', lead || ' The scale is logarithmic. The table below has all figures.',
			bars, '{p50,p95,p99}', 200, CASE WHEN (f ->> 'step')::numeric >= 604800 THEN 'month'
				WHEN (f ->> 'step')::numeric > 3600 OR (f ->> 'until')::timestamptz - (f ->> 'since')::timestamptz > interval '25 hours' THEN 'day' ELSE 'hour' END)
		|| '<details><summary>Figures of this chart as a table</summary>'
		|| apikey._report_table('Latency over time', '{Time (UTC),#Median,#95th percentile,#99th percentile}',
			(SELECT string_agg(format('<tr><th scope="row">%s</th><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td></tr>', apikey._show_span(b),
				apikey._show_latency((b ->> 'p50')::numeric), apikey._show_latency((b ->> 'p95')::numeric), apikey._show_latency((b ->> 'p99')::numeric)), '' ORDER BY n)
			 FROM jsonb_array_elements(bars) WITH ORDINALITY x (b, n)))
		|| '</details>');
END
$$;

-- Of a report of the whole database: attempts whose key is nobody's.
CREATE FUNCTION apikey._report_unknown_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	u constant jsonb := f -> 'unknown';
	denied constant numeric := coalesce((u ->> 'denied')::numeric, 0);
BEGIN
	IF f ->> 'tenant' IS NOT NULL THEN
		RETURN '';
	END IF;
	IF denied = 0 THEN
		RETURN apikey._report_section('unknown', 'Unknown keys', 'All attempts were made with keys that exist.', '');
	END IF;
	RETURN apikey._report_section('unknown', 'Unknown keys',
		format('%s without a known key, from %s; most in the %s from %s: %s. In the period before %s.', apikey._show_count(denied, 'attempt', 'attempts'),
			CASE WHEN (u ->> 'addresses')::numeric = 0 THEN 'addresses that were not given' ELSE apikey._show_count((u ->> 'addresses')::numeric, 'address', 'addresses') END,
			CASE WHEN (f ->> 'hourly')::boolean THEN 'hour' ELSE 'day' END, apikey._show_time((u ->> 'burst_at')::timestamptz, CASE WHEN (f ->> 'hourly')::boolean THEN 'time' ELSE 'date' END),
			apikey._show_number((u ->> 'burst')::numeric), CASE WHEN (u ->> 'before')::numeric = 0 THEN 'there were none' ELSE 'there were ' || apikey._show_number((u ->> 'before')::numeric) END)
		|| ' <span class="soft">They belong to no tenant: keys that do not exist, because somebody guesses them, they were deleted or are of elsewhere, and whatever came from blocked addresses. How many are put on record is bounded by <code>apikey.usage_unknown_rate</code>.</span>', '');
END
$$;

-- Where there are several tenants: the busiest of them.
CREATE FUNCTION apikey._report_tenants_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t constant jsonb := f -> 'busiest';
	calls constant numeric := (f #>> '{totals,accepted}')::numeric + (f #>> '{totals,denied}')::numeric;
	most constant numeric := (t #>> '{0,accepted}')::numeric + (t #>> '{0,denied}')::numeric;
	listed constant integer := jsonb_array_length(t);
BEGIN
	IF (f ->> 'tenants')::integer <= 1 THEN
		RETURN '';
	END IF;
	IF listed = 0 OR calls = 0 THEN
		RETURN apikey._report_section('tenants', 'Tenants', 'No tenant had a request in this period.', '');
	END IF;
	RETURN apikey._report_section('tenants', 'Tenants',
		format('%s of %s had requests.', apikey._show_number((f ->> 'holders')::numeric), apikey._show_count((f ->> 'tenants')::numeric, 'tenant', 'tenants')),
		apikey._report_table('Tenants', '{Tenant,"",#Requests,-Share,-Before,#Denied,-Keys in use,-Addresses,-Data sent}',
			(SELECT string_agg(format('<tr><th scope="row">%s</th><td class="bar">%s</td><td class="n">%s</td><td class="n wide">%s</td><td class="n wide">%s</td><td class="n">%s</td><td class="n wide">%s</td><td class="n wide">%s</td><td class="n wide">%s</td></tr>',
				coalesce(nullif(apikey._html_name(h ->> 'tenant'), ''), 'a tenant that was deleted'), apikey._chart_length((h ->> 'accepted')::numeric + (h ->> 'denied')::numeric, most),
				apikey._show_number((h ->> 'accepted')::numeric + (h ->> 'denied')::numeric),
				apikey._show_share((h ->> 'accepted')::numeric + (h ->> 'denied')::numeric, calls), apikey._show_number((h ->> 'before')::numeric),
				apikey._show_share((h ->> 'denied')::numeric, (h ->> 'accepted')::numeric + (h ->> 'denied')::numeric),
				apikey._show_number((h ->> 'keys')::numeric), apikey._show_number((h ->> 'ips')::numeric), apikey._show_bytes((h ->> 'bytes')::numeric)), '' ORDER BY n)
			 FROM jsonb_array_elements(t) WITH ORDINALITY x (h, n)))
		|| CASE WHEN (f ->> 'holders')::numeric > listed THEN format('<p class="soft">The busiest %s of %s.</p>', listed, apikey._show_number((f ->> 'holders')::numeric)) ELSE '' END);
END
$$;

CREATE FUNCTION apikey._report_limits_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	l constant jsonb := f -> 'limits';
BEGIN
	IF jsonb_array_length(l -> 'list') = 0 THEN
		RETURN apikey._report_section('limits', 'Limits near exhaustion',
			CASE WHEN (l ->> 'running')::integer = 0 THEN 'No quota is in use now.'
				ELSE format('Of %s in use now, none is half used up.', apikey._show_count((l ->> 'running')::numeric, 'quota', 'quotas')) END, '');
	END IF;
	RETURN apikey._report_section('limits', 'Limits near exhaustion',
		format('Of %s in use now, %s at 80 %% or more. Shown are the fullest, from half used.', apikey._show_count((l ->> 'running')::numeric, 'quota', 'quotas'),
			apikey._show_count((l ->> 'near')::numeric, 'is', 'are')),
		apikey._report_table('Limits near exhaustion', '{Quota,"",#Used,-Units,Outlook}',
			(SELECT string_agg(format('<tr><th scope="row">%s<span class="sub">%s</span></th><td class="bar">%s</td><td class="n">%s</td><td class="n wide">%s of %s</td><td>%s</td></tr>',
				apikey._html_name(q ->> 'name'),
				CASE WHEN q ->> 'shared' = 'key' THEN concat_ws(' &middot; ', nullif(apikey._html_name(q ->> 'holder'), ''), 'key&nbsp;' || (q ->> 'key_id'))
					ELSE concat_ws(' ', CASE q ->> 'shared' WHEN 'tree' THEN 'tenant' ELSE q ->> 'shared' END, apikey._html_name(q ->> 'holder')) END,
				apikey._chart_meter((q ->> 'share')::numeric, CASE WHEN (q ->> 'share')::numeric >= 0.8 THEN 'near' ELSE 'part' END),
				apikey._show_share((q ->> 'share')::numeric, 1),
				apikey._show_number((q ->> 'used')::numeric), apikey._show_number((q ->> 'total')::numeric),
				CASE
					WHEN (q ->> 'share')::numeric >= 1 THEN '<b>used up</b>' || coalesce(' until ' || apikey._show_time((q ->> 'ends')::timestamptz, 'time'), '')
					WHEN q ->> 'empty' IS NOT NULL THEN 'used up on <b>' || apikey._show_time((q ->> 'empty')::timestamptz, 'time') || '</b> at this pace'
					WHEN q ->> 'ends' IS NOT NULL THEN 'lasts until it starts anew, ' || apikey._show_time((q ->> 'ends')::timestamptz, 'time')
					ELSE 'does not start anew' END), '' ORDER BY n)
			 FROM jsonb_array_elements(l -> 'list') WITH ORDINALITY x (q, n))));
END
$$;

CREATE FUNCTION apikey._report_calendar_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	c constant jsonb := f -> 'calendar';
	dates constant numeric := c ->> 'dates';
	keys constant numeric := c ->> 'keys';
	lead text;
BEGIN
	IF keys = 0 THEN
		RETURN apikey._report_section('calendar', 'Rotation and expiry', 'There are no keys that are not revoked.', '');
	END IF;
	lead := CASE WHEN dates = 0 THEN 'No key ends and no rotation is due in the next 13 weeks.'
		ELSE format('%s in the next 13 weeks; %s within 7 days.', apikey._show_count(dates, 'date', 'dates'),
			apikey._show_count((c ->> 'week')::numeric, 'key ends', 'keys end')) END
		|| format(' %s of %s without an end.', apikey._show_number((c ->> 'endless')::numeric),
			apikey._show_count(keys, 'key that is not revoked is', 'keys that are not revoked are'));
	RETURN apikey._report_section('calendar', 'Rotation and expiry', lead,
		CASE WHEN dates = 0 THEN '' ELSE
			'<h3>Keys that expire, are revoked or rotate, by day</h3>'
			|| apikey._chart_calendar(c, (f ->> 'now')::timestamptz, lead || ' The tables below have all figures.')
			|| '<h3>What comes next</h3>'
			|| apikey._report_table('What comes next', '{Key,When (UTC),What}',
				(SELECT string_agg(format('<tr>%s<td>%s</td><td>%s</td></tr>', apikey._report_key_cell(d, f ->> 'tenant'), apikey._show_time((d ->> 'at')::timestamptz, 'time'),
					apikey._report_date(d ->> 'what')), '' ORDER BY n)
				 FROM jsonb_array_elements(c -> 'list') WITH ORDINALITY x (d, n)))
			|| CASE WHEN dates > 12 THEN format('<p class="soft">The first 12 of %s.</p>', apikey._show_count(dates, 'date', 'dates')) ELSE '' END
			|| '<details><summary>Figures of the calendar as a table</summary>'
			|| apikey._report_table('Rotation and expiry by day', '{Day (UTC),What,#Keys}',
				(SELECT string_agg(format('<tr><th scope="row">%s</th><td>%s</td><td class="n">%s</td></tr>', apikey._show_time((d ->> 'day')::timestamp AT TIME ZONE 'UTC', 'weekday'),
					apikey._report_date(d ->> 'what'), apikey._show_number((d ->> 'keys')::numeric)), '' ORDER BY n)
				 FROM jsonb_array_elements(c -> 'days') WITH ORDINALITY x (d, n)))
			|| '</details>' END
		|| '<h3>Age of the secrets in use</h3>'
		|| apikey._report_table('Age of the secrets in use', '{Made,"",#Keys,#Share}',
			(SELECT string_agg(format('<tr><th scope="row">%s</th><td class="bar">%s</td><td class="n">%s</td><td class="n">%s</td></tr>',
				CASE a ->> 'from' WHEN '0' THEN 'in the last 30 days' WHEN '30' THEN '30 to 90 days ago' WHEN '90' THEN '90 to 180 days ago'
					WHEN '180' THEN '180 days to a year ago' ELSE 'more than a year ago' END,
				apikey._chart_meter((a ->> 'keys')::numeric / keys, CASE a ->> 'from' WHEN '365' THEN 'near' ELSE 'part' END),
				apikey._show_number((a ->> 'keys')::numeric), apikey._show_share((a ->> 'keys')::numeric, keys)), '' ORDER BY n)
			 FROM jsonb_array_elements(c -> 'ages') WITH ORDINALITY x (a, n))));
END
$$;

CREATE FUNCTION apikey._report_date(what text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE what WHEN 'expires' THEN 'key expires' WHEN 'revoked' THEN 'key is revoked as scheduled'
		WHEN 'rotates' THEN 'rotation is due' ELSE 'old secret ends' END;
END
$$;

CREATE FUNCTION apikey._report_talkers_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t constant jsonb := f -> 'talkers';
	calls constant numeric := (f #>> '{totals,accepted}')::numeric + (f #>> '{totals,denied}')::numeric;
	shown constant numeric := (SELECT sum((k ->> 'accepted')::numeric + (k ->> 'denied')::numeric) FROM jsonb_array_elements(t) k);
	most constant numeric := (t #>> '{0,accepted}')::numeric + (t #>> '{0,denied}')::numeric;
BEGIN
	IF jsonb_array_length(t) = 0 OR calls = 0 THEN
		RETURN apikey._report_section('talkers', 'Top talkers', 'No key was used in this period.', '');
	END IF;
	RETURN apikey._report_section('talkers', 'Top talkers',
		format('%s of all requests came from %s of %s%s.', apikey._show_share(shown, calls),
			CASE WHEN jsonb_array_length(t) = 1 THEN '1 key' ELSE jsonb_array_length(t) || ' keys' END,
			apikey._show_count((f ->> 'seen')::numeric, 'that was presented', 'that were presented'),
			CASE WHEN f ->> 'seen' <> f #>> '{totals,keys}' THEN format('; %s of these had a request accepted', apikey._show_number((f #>> '{totals,keys}')::numeric)) ELSE '' END),
		apikey._report_table('Top talkers', '{Key,"",#Requests,#Denied,-95th percentile,-Addresses,-Data sent}',
			(SELECT string_agg(format('<tr>%s<td class="bar">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n wide">%s</td><td class="n wide">%s</td><td class="n wide">%s</td></tr>',
				apikey._report_key_cell(k, f ->> 'tenant'), apikey._chart_length((k ->> 'accepted')::numeric + (k ->> 'denied')::numeric, most),
				apikey._show_number((k ->> 'accepted')::numeric + (k ->> 'denied')::numeric),
				apikey._show_share((k ->> 'denied')::numeric, (k ->> 'accepted')::numeric + (k ->> 'denied')::numeric),
				apikey._show_latency((k ->> 'p95')::numeric), apikey._show_number((k ->> 'ips')::numeric), apikey._show_bytes((k ->> 'bytes')::numeric)), '' ORDER BY n)
			 FROM jsonb_array_elements(t) WITH ORDINALITY x (k, n))));
END
$$;

CREATE FUNCTION apikey._report_suspicious_rows(keys jsonb, tenant text, first integer, last integer) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- on a phone cells stand below each other; roles keep it a table there
	RETURN replace(replace(replace(replace(apikey._report_table('Suspicious keys' || CASE WHEN first > 1 THEN ', the others' ELSE '' END, '{Key,Severity,What stands out}',
		(SELECT string_agg(format('<tr role="row">%s<td role="cell">%s</td><td role="cell"><ul>%s</ul></td></tr>', replace(apikey._report_key_cell(k, tenant), '<th scope="row">', '<th scope="row" role="rowheader">'), apikey._report_badge((k ->> 'severity')::integer),
			(SELECT string_agg('<li>' || apikey._report_finding(x.finding) || '</li>', '' ORDER BY x.m) FROM jsonb_array_elements(k -> 'findings') WITH ORDINALITY x (finding, m))), '' ORDER BY o)
		 FROM jsonb_array_elements(keys) WITH ORDINALITY y (k, o) WHERE o BETWEEN first AND last)),
		'<table>', '<table role="table">'), '<thead><tr>', '<thead role="rowgroup"><tr role="row">'), '<tbody>', '<tbody role="rowgroup">'), '<th scope="col">', '<th scope="col" role="columnheader">');
END
$$;

CREATE FUNCTION apikey._report_suspicious_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	s constant jsonb := f -> 'suspicious';
	n constant numeric := f ->> 'suspects';
	listed constant integer := jsonb_array_length(s);
	looked constant text := CASE WHEN (f ->> 'hourly')::boolean THEN '' ELSE
		' <span class="soft">So long a range is not searched for unusual hours and strange addresses, nor for bursts that are shorter than a day.</span>' END;
BEGIN
	IF n = 0 THEN
		RETURN apikey._report_section('suspicious', 'Suspicious keys', 'Nothing stands out: no use after revocation, of old secrets or at unusual hours, no jump in addresses, denials, errors or data.' || looked, '');
	END IF;
	RETURN apikey._report_section('suspicious', 'Suspicious keys',
		apikey._show_count(n, 'key stands', 'keys stand') || ' out. Each may have a good reason; someone who knows the key should tell.' || looked,
		apikey._report_suspicious_rows(s, f ->> 'tenant', 1, 20)
		|| CASE WHEN listed > 20 THEN format('<details><summary>%s</summary>', apikey._show_count(listed - 20, 'more key', 'more keys'))
			|| apikey._report_suspicious_rows(s, f ->> 'tenant', 21, listed) || '</details>' ELSE '' END
		|| CASE WHEN n > listed THEN format('<p class="soft">The first %s of %s.</p>', listed, apikey._show_count(n, 'key', 'keys')) ELSE '' END);
END
$$;

CREATE FUNCTION apikey._report_endpoints_section(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	e constant jsonb := f #> '{endpoints,list}';
	most constant numeric := (SELECT max((p ->> 'accepted')::numeric + (p ->> 'denied')::numeric) FROM jsonb_array_elements(e) p);
BEGIN
	IF jsonb_array_length(e) = 0 THEN
		RETURN apikey._report_section('endpoints', 'Endpoints', 'No request named an endpoint in this period.', '');
	END IF;
	RETURN apikey._report_section('endpoints', 'Endpoints',
		apikey._show_count((f #>> '{endpoints,classes}')::numeric, 'endpoint was', 'different endpoints were') || ' called; <code>*</code> stands for any identifier.',
		apikey._report_table('Endpoints', '{Endpoint,"",#Requests,#Denied,-Server errors,-Median,#95th percentile}',
			(SELECT string_agg(format('<tr><th scope="row"><code><bdi>%s</bdi></code></th><td class="bar">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n wide">%s</td><td class="n wide">%s</td><td class="n">%s</td></tr>',
				apikey._html(p ->> 'endpoint', 120), apikey._chart_length((p ->> 'accepted')::numeric + (p ->> 'denied')::numeric, most),
				apikey._show_number((p ->> 'accepted')::numeric + (p ->> 'denied')::numeric),
				apikey._show_share((p ->> 'denied')::numeric, (p ->> 'accepted')::numeric + (p ->> 'denied')::numeric),
				apikey._show_number((p ->> 'errors')::numeric),
				apikey._show_latency((p ->> 'p50')::numeric), apikey._show_latency((p ->> 'p95')::numeric)), '' ORDER BY n)
			 FROM jsonb_array_elements(e) WITH ORDINALITY x (p, n)))
		|| CASE WHEN (f #>> '{endpoints,classes}')::integer > 10 THEN format('<p class="soft">The busiest 10 of %s.</p>', apikey._show_number((f #>> '{endpoints,classes}')::numeric)) ELSE '' END);
END
$$;

COMMENT ON FUNCTION apikey._report_reason(text) IS 'a code of a denial in words';
COMMENT ON FUNCTION apikey._report_finding(jsonb) IS 'what stands out about a key, in words';
COMMENT ON FUNCTION apikey._report_badge(integer) IS 'a severity';
COMMENT ON FUNCTION apikey._report_date(text) IS 'what happens to a key on a day, in words';
COMMENT ON FUNCTION apikey._report_key_cell(jsonb, text) IS 'names and status of a key as the first cell of a row';
COMMENT ON FUNCTION apikey._report_card(text, text, numeric, numeric, text) IS 'a figure of the summary and how it changed';
COMMENT ON FUNCTION apikey._report_latency_card(text, numeric, numeric) IS 'a latency of the summary and how it changed';
COMMENT ON FUNCTION apikey._report_share_card(text, numeric, numeric, numeric, numeric, text) IS
	'a share of the summary and by how many points it changed';
COMMENT ON FUNCTION apikey._report_section(text, text, text, text) IS 'a section of a report';
COMMENT ON FUNCTION apikey._report_table(text, text[], text) IS 'a table of a report';
COMMENT ON FUNCTION apikey._report_attention(jsonb) IS 'what needs attention, the worst first';
COMMENT ON FUNCTION apikey._report_summary(jsonb) IS 'section of a report: sums, and how they changed';
COMMENT ON FUNCTION apikey._report_traffic_section(jsonb) IS 'section of a report: requests over time';
COMMENT ON FUNCTION apikey._report_denials_section(jsonb) IS 'section of a report: denials by reason';
COMMENT ON FUNCTION apikey._report_latency_section(jsonb) IS 'section of a report: latency over time';
COMMENT ON FUNCTION apikey._report_unknown_section(jsonb) IS 'section of a report: attempts with keys that nobody has';
COMMENT ON FUNCTION apikey._report_tenants_section(jsonb) IS 'section of a report: the busiest tenants';
COMMENT ON FUNCTION apikey._report_limits_section(jsonb) IS 'section of a report: quotas that are nearly used up';
COMMENT ON FUNCTION apikey._report_calendar_section(jsonb) IS 'section of a report: expiry, rotation, age of secrets';
COMMENT ON FUNCTION apikey._report_talkers_section(jsonb) IS 'section of a report: the busiest keys';
COMMENT ON FUNCTION apikey._report_suspicious_rows(jsonb, text, integer, integer) IS 'some of the keys to look at, as a table';
COMMENT ON FUNCTION apikey._report_suspicious_section(jsonb) IS 'section of a report: keys to look at';
COMMENT ON FUNCTION apikey._report_endpoints_section(jsonb) IS 'section of a report: the busiest endpoints';
