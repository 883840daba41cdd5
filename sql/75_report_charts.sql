-- ---------------------------------------------------------------------------
-- The parts of a report's page: text that is safe to show, numbers, charts.
--
-- Everything that came from outside goes through _html(), and what that
-- returns is ASCII: the page reads the same whatever it is stored or sent as.
-- Charts are SVG whose horizontal positions are percentages, so that they fill
-- the page and their texts keep their size, on a telephone too.  What colour
-- says is also said by pattern, dashes or words.
-- ---------------------------------------------------------------------------

-- Text for an element or an attribute, at most so many characters of it.
-- Characters that cannot be seen, or that turn the order of others around, are
-- shown by name.
CREATE FUNCTION apikey._html(value text, longest integer) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown text := left(value, longest);
	utf8 constant boolean := getdatabaseencoding() = 'UTF8';
BEGIN
	IF shown ~ '[^ -~]' THEN
		shown := (
			SELECT string_agg(CASE
				WHEN c.char ~ '[&<>"'']' OR c.char ~ '[ -~]' THEN
					CASE c.char WHEN '&' THEN '&amp;' WHEN '<' THEN '&lt;' WHEN '>' THEN '&gt;' WHEN '"' THEN '&quot;' WHEN '''' THEN '&#39;' ELSE c.char END
				WHEN ascii(c.char) < 32 THEN format('&#%s;', 9216 + ascii(c.char))
				WHEN ascii(c.char) = 127 THEN '&#9249;'
				WHEN NOT utf8 THEN c.char
				WHEN ascii(c.char) < 160 OR ascii(c.char) IN (173, 1564, 6158, 65279)
					OR ascii(c.char) BETWEEN 8203 AND 8207 AND ascii(c.char) <> 8205
					OR ascii(c.char) BETWEEN 8232 AND 8238 OR ascii(c.char) BETWEEN 8288 AND 8303
					OR ascii(c.char) BETWEEN 65529 AND 65531 OR ascii(c.char) & 65534 = 65534
					OR ascii(c.char) BETWEEN 64976 AND 65007 OR ascii(c.char) BETWEEN 917504 AND 917631
					THEN '[U+' || lpad(upper(to_hex(ascii(c.char))), 4, '0') || ']'
				ELSE format('&#%s;', ascii(c.char)) END, '' ORDER BY c.n)
			FROM regexp_split_to_table(shown, '') WITH ORDINALITY c (char, n));
	ELSE
		shown := replace(replace(replace(replace(replace(shown, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
	END IF;
	RETURN coalesce(shown, '') || CASE WHEN length(value) > longest THEN '&#8230;' ELSE '' END;
END
$$;

-- A name, kept apart from the direction of the text around it.
CREATE FUNCTION apikey._html_name(value text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN value IS NULL OR value = '' THEN '' ELSE '<bdi>' || apikey._html(value, 80) || '</bdi>' END;
END
$$;

-- --- numbers ---------------------------------------------------------------

CREATE FUNCTION apikey._show_number(n numeric) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN regexp_replace(trim_scale(round(n))::text, '([0-9])(?=([0-9]{3})+$)', E'\\1,', 'g');
END
$$;

-- A number in few characters, with a prefix for thousands.
CREATE FUNCTION apikey._show_short(n numeric) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	power integer := 0;
	rest numeric := n;
BEGIN
	WHILE round(rest) >= 1000 AND power < 5 LOOP
		rest := rest / 1000;
		power := power + 1;
	END LOOP;
	RETURN trim_scale(round(rest, CASE WHEN rest < 100 THEN 1 ELSE 0 END))::text || (ARRAY['', 'k', 'M', 'G', 'T', 'P'])[power + 1];
END
$$;

CREATE FUNCTION apikey._show_bytes(n numeric) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN regexp_replace(apikey._show_short(n), '^([0-9.]+)(.?)$', E'\\1 \\2B');
END
$$;

-- A latency from a histogram, which knows it to 1 part in 32: with as few digits
-- as stay that near, so that what took 3 s does not read as 2.9 s.
CREATE FUNCTION apikey._show_latency(us numeric) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	shown numeric;
BEGIN
	IF us IS NULL THEN
		RETURN '&ndash;';
	ELSIF us <= 0 THEN
		RETURN '0';
	END IF;
	FOR digit IN 0 .. 2 LOOP
		shown := round(us, digit - floor(log(us))::integer);
		EXIT WHEN abs(shown - us) * 32 <= us;
	END LOOP;
	RETURN CASE
		WHEN shown < 1000 THEN trim_scale(shown) || ' &micro;s'
		WHEN shown < 1000000 THEN trim_scale(shown / 1000) || ' ms'
		ELSE trim_scale(shown / 1000000) || ' s' END;
END
$$;

CREATE FUNCTION apikey._show_share(part numeric, whole numeric) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE
		WHEN whole = 0 THEN '&ndash;'
		WHEN part > 0 AND part / whole < 0.0005 THEN '&lt; 0.1 %'
		WHEN part < whole AND part / whole >= 0.9995 THEN '&gt; 99.9 %'
		ELSE trim_scale(round(100 * part / whole, 1)) || ' %' END;
END
$$;

-- English names of months, whatever the server's language.
CREATE FUNCTION apikey._show_time(at timestamptz, form text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN to_char(at AT TIME ZONE 'UTC', CASE form
		WHEN 'day' THEN 'FMDD Mon' WHEN 'date' THEN 'FMDD Mon YYYY' WHEN 'month' THEN 'Mon YYYY'
		WHEN 'hour' THEN 'HH24:MI' WHEN 'weekday' THEN 'Dy FMDD Mon YYYY' ELSE 'FMDD Mon YYYY, HH24:MI' END);
END
$$;

CREATE FUNCTION apikey._show_count(n numeric, one text, many text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN apikey._show_number(n) || ' ' || CASE WHEN n = 1 THEN one ELSE many END;
END
$$;

-- --- charts ----------------------------------------------------------------

-- The distance of the lines of an axis that reaches so far.
CREATE FUNCTION apikey._axis_step(most numeric, whole boolean) RETURNS numeric
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rough numeric := greatest(most, CASE WHEN whole THEN 1 ELSE 0.001 END) / 4;
	power numeric := 10::numeric ^ floor(log(rough));
	step numeric;
BEGIN
	FOREACH step IN ARRAY ARRAY[1, 2, 2.5, 5, 10] LOOP
		EXIT WHEN step * power >= rough;
	END LOOP;
	step := step * power;
	RETURN trim_scale(CASE WHEN whole THEN ceil(step) ELSE step END);
END
$$;

-- The lines of a logarithmic axis around these numbers: 1, 2 and 5 times each
-- power of ten.
CREATE FUNCTION apikey._axis_powers(least_shown numeric, most numeric) RETURNS numeric[]
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lines numeric[] := '{}';
	line numeric;
BEGIN
	FOR power IN floor(log(greatest(least_shown, 1)))::integer .. floor(log(greatest(most, 1)))::integer + 1 LOOP
		FOREACH line IN ARRAY ARRAY[1, 2, 5] LOOP
			line := trim_scale(line * 10::numeric ^ power);
			lines := CASE WHEN line <= greatest(least_shown, 1) THEN ARRAY[line] ELSE lines || line END;
			IF line >= most AND cardinality(lines) > 1 THEN
				RETURN lines;
			END IF;
		END LOOP;
	END LOOP;
	RETURN lines;
END
$$;

-- The frame of a chart over time: lines and labels of the vertical axis, labels
-- of the horizontal one, and room for what is drawn.  The lines are shares of
-- the height, from the bottom; one without a label is fainter.  Every other
-- label below is left out where there is no room for all.
CREATE FUNCTION apikey._chart_frame(id text, title text, description text, bars jsonb, marks numeric[], labels text[],
	height integer, form text, drawn text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n constant integer := jsonb_array_length(bars);
	every constant integer := greatest(1, ceil(n / 8.0)::integer);
	numbers text := '';
	lines text := '';
	times text := '';
	y numeric;
	place integer := 0;
	first integer := 0;
	at timestamptz;
BEGIN
	FOR i IN 1 .. cardinality(marks) LOOP
		y := round(8 + height * (1 - marks[i]), 1);
		IF labels[i] <> '' THEN
			numbers := numbers || format('<text x="46" y="%s" text-anchor="end">%s</text>', y + 4, labels[i]);
		END IF;
		lines := lines || format('<line class="%s" x1="0" x2="100%%" y1="%s" y2="%s"/>',
			CASE WHEN i = 1 THEN 'base' WHEN labels[i] <> '' THEN 'grid' ELSE 'fine' END, y, y);
	END LOOP;
	IF form = 'day' AND n > 1 AND (bars -> 1 ->> 'since')::timestamptz - (bars -> 0 ->> 'since')::timestamptz < interval '1 day' THEN
		-- days begin at midnight
		FOR i IN 0 .. n - 1 LOOP
			at := (bars -> i ->> 'since')::timestamptz;
			IF at <= date_trunc('day', (bars -> i ->> 'until')::timestamptz - interval '1 us', 'UTC') THEN
				first := i + 1;
				y := extract(epoch FROM date_trunc('day', (bars -> i ->> 'until')::timestamptz - interval '1 us', 'UTC') - at)
					/ extract(epoch FROM (bars -> i ->> 'until')::timestamptz - at);
				IF n - i > n / 16 THEN
					times := times || format('<line class="tick" x1="%1$s%%" x2="%1$s%%" y1="%2$s" y2="%3$s"/><text class="%4$s" x="%1$s%%" dx="4" y="%5$s">%6$s</text>',
						round(100.0 * (i + y) / n, 2), 8 + height, 8 + height + 6, CASE WHEN place % 2 = 1 OR i * 100 > n * 84 THEN 'wide' ELSE 'any' END, 8 + height + 17,
						apikey._show_time((bars -> i ->> 'until')::timestamptz - interval '1 us', 'day'));
				END IF;
				place := place + 1;
			END IF;
		END LOOP;
	END IF;
	IF first = 0 THEN
		FOR i IN 0 .. n - 1 LOOP
			CONTINUE WHEN i % every <> 0 OR (n > 3 AND n - i < greatest(every / 2, n / 10));
			times := times || format('<line class="tick" x1="%1$s%%" x2="%1$s%%" y1="%2$s" y2="%3$s"/><text class="%4$s" x="%1$s%%" dx="4" y="%5$s">%6$s</text>',
				round(100.0 * i / n, 2), 8 + height, 8 + height + 6, CASE WHEN place % 2 = 1 OR i * 100 > n * 84 THEN 'wide' ELSE 'any' END, 8 + height + 17,
				apikey._show_time((bars -> i ->> 'since')::timestamptz, form));
			place := place + 1;
		END LOOP;
	END IF;
	RETURN format('<div class="chart"><svg class="axis" width="50" height="%1$s" aria-hidden="true">%2$s</svg>'
		'<svg class="plot" id="%3$s" height="%1$s" role="img" aria-labelledby="%3$s-t %3$s-d"><title id="%3$s-t">%4$s</title><desc id="%3$s-d">%5$s</desc>%6$s%7$s%8$s</svg></div>',
		8 + height + 22, numbers, id, title, description, lines, drawn, times);
END
$$;

-- Stacked bars of counts, the first series at the bottom.
CREATE FUNCTION apikey._chart_bars(id text, title text, description text, bars jsonb, series text[], height integer, form text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n constant integer := jsonb_array_length(bars);
	most constant numeric := (SELECT max((SELECT sum((b ->> s)::numeric) FROM unnest(series) s)) FROM jsonb_array_elements(bars) b);
	step constant numeric := apikey._axis_step(most, true);
	top constant numeric := step * greatest(1, ceil(most / step));
	drawn text := '';
	bar jsonb;
	s text;
	below numeric;
	value numeric;
BEGIN
	FOR i IN 0 .. n - 1 LOOP
		bar := bars -> i;
		below := 0;
		drawn := drawn || format('<g><title>%s: %s</title>', apikey._show_span(bar),
			(SELECT string_agg(apikey._show_number((bar ->> x)::numeric) || ' ' || x, ', ') FROM unnest(series) x));
		FOREACH s IN ARRAY series LOOP
			value := (bar ->> s)::numeric;
			IF value > 0 THEN
				drawn := drawn || format('<rect class="%s" x="%s%%" y="%s" width="%s%%" height="%s"/>', s,
					round(100.0 * (i + 0.1) / n, 3), round(8 + height * (1 - (below + value) / top), 2),
					round(80.0 / n, 3), round(height * value / top, 2));
			END IF;
			below := below + value;
		END LOOP;
		drawn := drawn || '</g>';
	END LOOP;
	RETURN apikey._chart_frame(id, title, description, bars,
		ARRAY(SELECT g * step / top FROM generate_series(0, round(top / step)::integer) g ORDER BY g),
		ARRAY(SELECT apikey._show_short(g * step) FROM generate_series(0, round(top / step)::integer) g ORDER BY g), height, form, drawn);
END
$$;

-- Lines of latencies on a logarithmic axis: a median of milliseconds is read as
-- well as a 99th percentile of seconds.  Where there is no figure, there is a
-- gap.
CREATE FUNCTION apikey._chart_lines(id text, title text, description text, bars jsonb, series text[], height integer, form text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n constant integer := jsonb_array_length(bars);
	axis constant numeric[] := (SELECT apikey._axis_powers(min((b ->> s)::numeric), max((b ->> s)::numeric)) FROM jsonb_array_elements(bars) b, unnest(series) s);
	bottom constant numeric := axis[1];
	decades constant numeric := log(axis[cardinality(axis)] / bottom);
	drawn text := '';
	s text;
	value numeric;
	x numeric;
	y numeric;
	last_x numeric;
	last_y numeric;
BEGIN
	FOREACH s IN ARRAY series LOOP
		drawn := drawn || format('<g class="%s">', s);
		last_x := NULL;
		FOR i IN 0 .. n - 1 LOOP
			x := round(100.0 * (i + 0.5) / n, 2);
			value := bars -> i ->> s;
			y := CASE WHEN value IS NOT NULL THEN round(8 + height * (1 - log(greatest(value, bottom) / bottom) / decades), 2) END;
			IF y IS NOT NULL THEN
				IF last_y IS NOT NULL AND last_x IS NOT NULL THEN
					drawn := drawn || format('<line x1="%s%%" y1="%s" x2="%s%%" y2="%s"/>', last_x, last_y, x, y);
				END IF;
				drawn := drawn || format('<circle cx="%s%%" cy="%s" r="2.5"><title>%s: about %s</title></circle>', x, y,
					apikey._show_span(bars -> i), apikey._show_latency(value));
			END IF;
			last_x := x;
			last_y := y;
		END LOOP;
		drawn := drawn || '</g>';
	END LOOP;
	-- labels for all lines where there are few; else for the ends, and for powers
	-- of ten that are not too near to them
	RETURN apikey._chart_frame(id, title, description, bars,
		ARRAY(SELECT log(a.line / bottom) / decades FROM unnest(axis) WITH ORDINALITY a (line, place) ORDER BY a.place),
		ARRAY(SELECT CASE WHEN cardinality(axis) <= 8 OR a.place IN (1, cardinality(axis))
				OR a.line = 10::numeric ^ round(log(a.line)) AND height * log(a.line / bottom) / decades BETWEEN 15 AND height - 15
				THEN apikey._show_latency(a.line) ELSE '' END
			FROM unnest(axis) WITH ORDINALITY a (line, place) ORDER BY a.place), height, form, drawn);
END
$$;

-- What a bar stands for.
CREATE FUNCTION apikey._show_span(bar jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	since constant timestamptz := bar ->> 'since';
	until constant timestamptz := bar ->> 'until';
BEGIN
	RETURN CASE
		WHEN until - since = interval '1 day' THEN apikey._show_time(since, 'weekday')
		WHEN until - since > interval '1 day' THEN apikey._show_time(since, 'date') || ' &ndash; ' || apikey._show_time(until - interval '1 us', 'date')
		ELSE apikey._show_time(since, 'time') || '&ndash;' || apikey._show_time(until, 'hour') END;
END
$$;

-- A share as a bar in a cell, on a track that is the whole; the number stands
-- beside it.
CREATE FUNCTION apikey._chart_meter(share numeric, kind text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN format('<svg class="meter" height="10" aria-hidden="true"><rect class="track" width="100%%" height="10"/><rect class="%s" width="%s%%" height="10"/></svg>',
		kind, round(100 * greatest(0, least(1, share)), 2));
END
$$;

-- A number as a bar whose length is compared with those of other rows: there is
-- no whole, and no track.
CREATE FUNCTION apikey._chart_length(n numeric, most numeric) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN format('<svg class="meter" height="10" aria-hidden="true"><rect class="part" width="%s%%" height="10"/></svg>',
		round(100 * n / greatest(most, 1), 2));
END
$$;

-- Thirteen weeks, a column each, with the number of keys of each day.
CREATE FUNCTION apikey._chart_calendar(calendar jsonb, now timestamptz, description text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $$
DECLARE
	monday constant date := calendar ->> 'monday';
	today constant date := now::date;
	most constant numeric := (SELECT max(d.keys) FROM (SELECT sum((e ->> 'keys')::numeric) AS keys FROM jsonb_array_elements(calendar -> 'days') e GROUP BY e ->> 'day') d);
	keys constant jsonb := (SELECT coalesce(jsonb_object_agg(d.day, d.keys), '{}') FROM (
		SELECT e ->> 'day' AS day, sum((e ->> 'keys')::numeric) AS keys FROM jsonb_array_elements(calendar -> 'days') e GROUP BY 1) d);
	drawn text := '';
	day date;
	n numeric;
BEGIN
	FOR week IN 0 .. 12 LOOP
		IF week % 2 = 0 THEN
			drawn := drawn || format('<text class="%s" x="%s%%" y="12">%s</text>', CASE WHEN week % 4 = 2 THEN 'wide' ELSE 'any' END,
				round(week * 100 / 13.0, 2), apikey._show_time((monday + week * 7)::timestamptz, 'day'));
		END IF;
		FOR weekday IN 0 .. 6 LOOP
			day := monday + week * 7 + weekday;
			n := coalesce((keys ->> day::text)::numeric, 0);
			drawn := drawn || format('<g><title>%s: %s</title><rect class="%s" x="%s%%" y="%s" width="7.2%%" height="22" rx="3"/>%s</g>',
				apikey._show_time(day::timestamptz, 'weekday'), apikey._show_count(n, 'key', 'keys'),
				CASE WHEN day < today THEN 'past' WHEN n = 0 THEN 'none' WHEN n = 1 OR n * 3 <= most THEN 'few' WHEN n * 3 <= 2 * most THEN 'some' ELSE 'many' END
					|| CASE WHEN day = today THEN ' today' ELSE '' END,
				round(week * 100 / 13.0, 2), 20 + weekday * 26,
				CASE WHEN n > 0 THEN format('<text class="%s" x="%s%%" y="%s" text-anchor="middle">%s</text>',
					CASE WHEN n > 1 AND n * 3 > 2 * most THEN 'on-many' ELSE 'on-few' END, round((week + 0.468) * 100 / 13.0, 2), 35 + weekday * 26, apikey._show_short(n)) ELSE '' END);
		END LOOP;
	END LOOP;
	RETURN format('<div class="chart"><svg class="axis" width="50" height="204" aria-hidden="true">%s</svg>'
		'<svg class="plot calendar" id="calendar-grid" height="204" role="img" aria-labelledby="calendar-t calendar-d"><title id="calendar-t">Calendar of the next 13 weeks</title><desc id="calendar-d">%s</desc>%s</svg></div>',
		(SELECT string_agg(format('<text x="46" y="%s" text-anchor="end">%s</text>', 35 + (g - 1) * 26, (ARRAY['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'])[g]), '' ORDER BY g) FROM generate_series(1, 7) g),
		description, drawn);
END
$$;

COMMENT ON FUNCTION apikey._html(text, integer) IS 'text for an element or attribute of HTML, in ASCII, at most so many characters of it';
COMMENT ON FUNCTION apikey._html_name(text) IS 'a name as HTML, apart from the direction of the text around it';
COMMENT ON FUNCTION apikey._show_number(numeric) IS 'a number with commas';
COMMENT ON FUNCTION apikey._show_short(numeric) IS 'a number in few characters, as in 1.2k';
COMMENT ON FUNCTION apikey._show_bytes(numeric) IS 'a size, as in 1.2 MB';
COMMENT ON FUNCTION apikey._show_latency(numeric) IS 'a latency given in microseconds, with as few digits as a histogram knows';
COMMENT ON FUNCTION apikey._show_share(numeric, numeric) IS 'a share in percent';
COMMENT ON FUNCTION apikey._show_time(timestamptz, text) IS 'an instant in UTC, in one of some forms';
COMMENT ON FUNCTION apikey._show_count(numeric, text, text) IS 'a number of things';
COMMENT ON FUNCTION apikey._show_span(jsonb) IS 'the time a bar of a chart stands for';
COMMENT ON FUNCTION apikey._axis_step(numeric, boolean) IS 'the distance of the lines of an axis';
COMMENT ON FUNCTION apikey._axis_powers(numeric, numeric) IS 'the lines of a logarithmic axis';
COMMENT ON FUNCTION apikey._chart_frame(text, text, text, jsonb, numeric[], text[], integer, text, text) IS
	'axes of a chart over time around what is drawn';
COMMENT ON FUNCTION apikey._chart_bars(text, text, text, jsonb, text[], integer, text) IS 'stacked bars over time';
COMMENT ON FUNCTION apikey._chart_lines(text, text, text, jsonb, text[], integer, text) IS 'lines over time, on a logarithmic axis';
COMMENT ON FUNCTION apikey._chart_meter(numeric, text) IS 'a share as a bar on a track';
COMMENT ON FUNCTION apikey._chart_length(numeric, numeric) IS 'a number as a bar beside those of other rows';
COMMENT ON FUNCTION apikey._chart_calendar(jsonb, timestamptz, text) IS 'thirteen weeks with the number of keys of each day';
