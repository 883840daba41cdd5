-- ---------------------------------------------------------------------------
-- The report as one HTML page: nothing in it comes from elsewhere, nothing in
-- it runs.  The policy in its head lets a browser load and execute nothing.
-- ---------------------------------------------------------------------------

CREATE FUNCTION apikey._report_style() RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN '
:root{color-scheme:light dark;--page:#fff;--card:#f5f7fa;--line:#d5dbe3;--text:#17202b;--soft:#4c5a6b;--main:#1f5fbf;--deny:#b3261e;--deny-2:#f0b4ae;--warn:#8a4b00;--good:#1c6b3a;--few:#c9dcf7;--some:#86b1ec;--many:#1f5fbf;--on-few:#17202b;--on-many:#fff;--p50:#1f5fbf;--p95:#8a4b00;--p99:#b3261e}
@media screen and (prefers-color-scheme:dark){:root{--page:#10151c;--card:#19212b;--line:#3a4655;--text:#e8edf3;--soft:#a9b6c6;--main:#6fa8f7;--deny:#ff8a7f;--deny-2:#7a2c26;--warn:#f2b765;--good:#7cd39b;--few:#23395a;--some:#2f5c9c;--many:#8fbcfa;--on-few:#e8edf3;--on-many:#10151c;--p50:#6fa8f7;--p95:#f2b765;--p99:#ff8a7f}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
.skip{position:absolute;left:-999px}.skip:focus{left:8px;top:8px;background:var(--page);padding:8px}
header,main,footer{max-width:1080px;margin:0 auto;padding:0 20px}
header{border-top:6px solid var(--main);padding-top:24px;max-width:none}
header>*{max-width:1040px;margin-left:auto;margin-right:auto}header .when{max-width:1040px;margin:0 auto 16px}
h1{font-size:30px;line-height:1.2;margin-top:0;margin-bottom:4px;overflow-wrap:anywhere}
h1 small{display:block;font-size:14px;font-weight:600;letter-spacing:.06em;text-transform:uppercase;color:var(--soft);margin-bottom:4px}
h2{font-size:21px;line-height:1.3;margin:0 0 4px}
h3{font-size:16px;margin:24px 0 4px}
p{margin:0 0 12px;max-width:84ch;text-wrap:pretty}.scroll+p.soft{font-size:14px;margin-top:8px}
.when{color:var(--soft)}
a{color:var(--main)}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:0;padding:12px 0;border-top:1px solid var(--line);border-bottom:1px solid var(--line);font-size:14px}
section{margin:36px 0;padding-top:4px}
.soft{color:var(--soft)}
.attention{background:var(--card);border:1px solid var(--line);border-left:6px solid var(--warn);border-radius:6px;padding:18px 20px}
.attention.calm{border-left-color:var(--good)}
.attention ul{list-style:none;margin:8px 0 0;padding:0}
.attention li{display:flex;gap:12px;align-items:baseline;padding:5px 0}
.badge{flex:none;display:inline-block;min-width:70px;text-align:center;font-size:12px;font-weight:700;line-height:18px;border-radius:4px;border:2px solid currentColor;padding:0 6px}
.badge.high{color:var(--page);background:var(--deny);border-color:var(--deny)}
.badge.medium{color:var(--warn)}
.badge.low{color:var(--soft);border-style:dashed}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(188px,1fr));gap:12px;margin:12px 0 0}
.cards>div{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:12px 14px}
.cards dt{font-size:14px;color:var(--soft)}
.cards dd{margin:0}
.cards .value{font-size:25px;font-weight:650;line-height:1.3;font-variant-numeric:tabular-nums}
.cards .about{font-size:15px;font-weight:400;color:var(--soft)}
.cards .change{font-size:13px;color:var(--soft)}
.cards .worse{color:var(--deny);font-weight:600}.cards .better{color:var(--good);font-weight:600}
.chart{display:flex;margin:8px 0}
svg{display:block}svg text{fill:var(--soft);font-size:12px}
.axis{flex:none}.plot{flex:1 1 0;width:100%;min-width:0}
.grid{stroke:var(--line)}.fine{stroke:var(--line);opacity:.45}.base,.tick{stroke:var(--soft)}
.accepted{fill:var(--main)}.denied{fill:url(#hatch)}.h0{fill:var(--deny-2)}.h1{fill:var(--deny)}
.meter{width:100%;min-width:50px}.track{fill:var(--line)}.meter .part{fill:var(--main)}.meter .near{fill:url(#hatch)}
.p50 line{stroke:var(--p50);stroke-width:2}.p95 line{stroke:var(--p95);stroke-width:2;stroke-dasharray:7 4}.p99 line{stroke:var(--p99);stroke-width:2;stroke-dasharray:2 3}
.p50 circle{fill:var(--p50)}.p95 circle{fill:var(--p95)}.p99 circle{fill:var(--p99)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 20px;margin:4px 0 0 50px;padding:0;font-size:14px;color:var(--soft)}
.legend li{display:flex;align-items:center;gap:7px}
.calendar rect{stroke:var(--line);fill:var(--page)}.calendar .past{fill:none;stroke-dasharray:2 3}.calendar .few{fill:var(--few)}.calendar .some{fill:var(--some)}.calendar .many{fill:var(--many)}.calendar .today{stroke:var(--text);stroke-width:2}
.calendar .on-few{fill:var(--on-few);font-weight:650}.calendar .on-many{fill:var(--on-many);font-weight:650}
.scroll{overflow-x:auto}.scroll:focus-visible,summary:focus-visible{outline:2px solid var(--main);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:14.5px}
caption{text-align:left;color:var(--soft);font-size:14px;padding-bottom:4px}
th,td{text-align:left;vertical-align:top;padding:7px 10px 7px 0;border-bottom:1px solid var(--line)}
thead th{font-size:13px;color:var(--soft);font-weight:600;white-space:nowrap}thead tr>*{border-bottom-color:var(--soft)}
tbody th{font-weight:600;overflow-wrap:anywhere;min-width:150px}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.bar{width:26%;vertical-align:middle}
td ul{margin:0;padding:0;list-style:none}
code{font-family:ui-monospace,"Cascadia Mono",Menlo,Consolas,monospace;font-size:.92em;overflow-wrap:anywhere}
bdi{overflow:hidden;overflow-wrap:anywhere}
.sub{display:block;font-weight:400;color:var(--soft);font-size:13px}
details{margin:10px 0}summary{cursor:pointer;color:var(--main);font-size:14px}
details table{margin-top:6px}
footer{border-top:1px solid var(--line);margin-top:44px;padding-top:14px;padding-bottom:36px;color:var(--soft);font-size:13.5px;max-width:1040px}
footer{padding-left:0;padding-right:0}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:1080px){footer{margin-left:20px;margin-right:20px}}
@media (max-width:640px){body{font-size:15px}header,main{padding-left:14px;padding-right:14px}footer{margin-left:14px;margin-right:14px}h1{font-size:24px}section{margin:28px 0}.wide{display:none}.cards{grid-template-columns:repeat(2,minmax(0,1fr));gap:8px}.cards>div{padding:10px}.cards .value{font-size:21px}.legend{margin-left:0}tbody th{min-width:120px}td.bar{width:20%}#talkers .bar,#tenants .bar,#limits .bar,#endpoints .bar{display:none}#suspicious table,#suspicious tbody,#suspicious tr,#suspicious tbody :is(th,td){display:block}#suspicious thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}#suspicious tbody :is(th,td){padding:4px 0;border-bottom:0}#suspicious tbody tr{padding:6px 0;border-bottom:1px solid var(--line)}.attention{padding:14px}.attention li{gap:10px}.badge{min-width:60px;padding:0 3px}}
@media print{body{font-size:11pt}nav,.skip,details{display:none}section{break-inside:avoid-page;margin:18pt 0}#keys,#suspicious,#tenants,#endpoints{break-inside:auto}tr,.cards>div,.chart{break-inside:avoid}header{border-top-width:3pt}svg,.badge,.cards>div,.attention{print-color-adjust:exact;-webkit-print-color-adjust:exact}a{color:inherit;text-decoration:none}@page{margin:15mm}}
@media (forced-colors:active){svg{forced-color-adjust:none}.chart,.meter{background:var(--page)}}
';
END
$$;

-- The page of these facts.
CREATE FUNCTION apikey._report_page(f jsonb) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	since constant timestamptz := f ->> 'since';
	until constant timestamptz := f ->> 'until';
	now constant timestamptz := f ->> 'now';
	whole constant boolean := f ->> 'tenant' IS NULL;
	several constant boolean := (f ->> 'tenants')::integer > 1;
	span constant text := apikey._show_time(since, 'time') || ' &ndash; ' || apikey._show_time(until, 'time') || ' UTC';
BEGIN
	RETURN '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src ''none''; style-src ''unsafe-inline''; base-uri ''none''; form-action ''none''">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>API keys of ' || CASE WHEN whole THEN 'all tenants' ELSE apikey._html(f ->> 'tenant', 200) END || ', ' || span || '</title>
<style>' || apikey._report_style() || '</style>
</head>
<body>
<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="h0" width="6" height="6"/><rect class="h1" width="3.4" height="6"/></pattern></defs></svg>
<a class="skip" href="#main">Skip to the report</a>
<header>
<h1><small>API key report</small>' || CASE WHEN whole THEN 'All tenants' ELSE '<bdi>' || apikey._html(f ->> 'tenant', 200) || '</bdi>' END || '</h1>
<p class="when">' || span
		|| CASE WHEN whole THEN ' &middot; ' || apikey._show_count((f ->> 'tenants')::numeric, 'tenant', 'tenants') WHEN several THEN format(' &middot; with %s below it', apikey._show_count((f ->> 'tenants')::numeric - 1, 'tenant', 'tenants')) ELSE '' END
		|| ' &middot; made ' || apikey._show_time(now, 'time') || ' UTC'
		|| CASE WHEN until > now THEN ' &middot; the last ' || CASE WHEN (f ->> 'hourly')::boolean THEN 'hour' ELSE 'day' END || ' is not over' ELSE '' END
		|| '</p>
<nav aria-label="Sections"><ul><li><a href="#summary">Summary</a></li><li><a href="#suspicious">Suspicious keys</a></li><li><a href="#traffic">Traffic</a></li><li><a href="#denials">Denials</a></li>' || CASE WHEN whole THEN '<li><a href="#unknown">Unknown keys</a></li>' ELSE '' END || '<li><a href="#latency">Latency</a></li><li><a href="#limits">Limits</a></li><li><a href="#calendar">Rotation and expiry</a></li>' || CASE WHEN several THEN '<li><a href="#tenants">Tenants</a></li>' ELSE '' END || '<li><a href="#talkers">Top talkers</a></li><li><a href="#endpoints">Endpoints</a></li></ul></nav>
</header>
<main id="main">
' || apikey._report_attention(f)
		|| apikey._report_summary(f)
		|| apikey._report_suspicious_section(f)
		|| apikey._report_traffic_section(f)
		|| apikey._report_denials_section(f)
		|| apikey._report_unknown_section(f)
		|| apikey._report_latency_section(f)
		|| apikey._report_limits_section(f)
		|| apikey._report_calendar_section(f)
		|| apikey._report_tenants_section(f)
		|| apikey._report_talkers_section(f)
		|| apikey._report_endpoints_section(f)
		|| '</main>
<footer>
<p>' || CASE WHEN whole THEN 'Requests are verifications; where those of a key are not recorded, what its application logged. Attempts with unknown keys are among the denied ones.'
		ELSE 'Requests are verifications of keys of this tenant; where verifications of a key are not recorded, what its application logged. Attempts with unknown keys belong to no tenant and are not in this report.' END || ' Latency, server errors and data come from what applications log about their answers. Figures come from hourly and daily sums, which are about a minute behind; percentiles are exact to 1 part in 32 and rounded to that, numbers of addresses above 256 to a few percent. Limits, dates and ages are those of the time the report was made. All times are UTC.</p>
</footer>
</body>
</html>
';
END
$$;

CREATE FUNCTION apikey.report_html(tenant text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS text
	LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'apikey_call';
CREATE FUNCTION apikey._report_html(tenant text, since timestamptz, until timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id bigint;
BEGIN
	IF tenant IS NOT NULL THEN
		id := apikey._tenant_id(tenant, 'usage');
	ELSIF NOT apikey._may('usage', NULL) THEN
		PERFORM apikey._require_access('usage', NULL, 'tenant NULL');
	END IF;
	RETURN apikey._report_page(apikey._report_facts(id, since, until));
END
$$;

COMMENT ON FUNCTION apikey.report_html(text, timestamptz, timestamptz) IS
	'one self-contained HTML page about the traffic and the keys of a tenant and all below it, or of the whole database';
COMMENT ON FUNCTION apikey._report_html(text, timestamptz, timestamptz) IS 'body of report_html()';
COMMENT ON FUNCTION apikey._report_page(jsonb) IS 'the page of the facts that _report_facts() found';
COMMENT ON FUNCTION apikey._report_style() IS 'style sheet of a report';
