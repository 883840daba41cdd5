# report_html() in a real browser: what is drawn is what SQL says, hostile names
# are text, nothing is loaded or run, light and dark can be read, and a
# telephone shows it without scrolling sideways.
#
# The pictures are kept where the test leaves its logs: look at them after a
# change of the page.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use Browser;

my ($chromium) = grep { -x } map { ("$_/chromium", "$_/chromium-browser", "$_/google-chrome") } split /:/, $ENV{PATH};
plan skip_all => 'there is no chromium' unless $chromium;

# 25 November 2026, 10:30 UTC
my $now  = 1795602600;
my $node = new_node('report', conf => "apikey.test_now = '$now'\napikey.housekeeper_interval = '1h'\n");
my $json = JSON::PP->new;

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE analyst LOGIN;
SELECT apikey.create_tenant('acme'), apikey.create_tenant('eu', 'acme'), apikey.create_tenant('rival');
SELECT apikey.create_environment('acme', '<i>prod'), apikey.create_environment('acme/eu', 'production'), apikey.create_environment('rival', 'production');
SELECT apikey.grant_access('analyst', 'analyst', 'acme');
CREATE TABLE k (n int PRIMARY KEY, tenant text, name text, owner text, key_id bigint, tenant_id bigint);
INSERT INTO k (n, tenant, name, owner) VALUES
	(1, 'acme', '<script>document.title="owned"</script>', '"><img src=x onerror="document.title=1">'),
	(2, 'acme', E'\u202Egnp.exe\u202C \u05E9\u05DC\u05D5\u05DD', E'\U0001F600 O''Brien & S\u00F6hne \u2067'),
	(3, 'acme/eu', E'tab\there\x01\x7f\u200B', 'plain owner'),
	(4, 'acme', E'</title></svg></table><h1>big</h1>', '&lt;not decoded&gt;'),
	(5, 'acme', repeat('long', 100), repeat(E'\u00E9', 200)),
	(6, 'acme', '{{7*7}} %s $1 \1', ' '),
	(7, 'rival', 'canary', 'canary');
UPDATE k SET key_id = (SELECT c.key_id FROM apikey.create_key(k.tenant, CASE k.tenant WHEN 'acme' THEN '<i>prod' ELSE 'production' END,
	name => k.name, owner => k.owner, expires_at => to_timestamp(1795602600 + k.n * 5 * 86400)) c);
UPDATE k SET tenant_id = a.tenant_id FROM apikey.api_key a WHERE a.key_id = k.key_id;
SELECT count(apikey._ensure_partition_for(d, d)) FROM generate_series('2026-11-10Z'::timestamptz, '2026-11-26Z', '1 day') d;
-- eight weeks' worth of shapes in a formula: no random numbers
INSERT INTO apikey.usage (at, tenant_id, key_id, code, endpoint, units, ip)
SELECT '2026-11-11 11:00Z'::timestamptz + i * interval '97 s', k.tenant_id, k.key_id,
	CASE WHEN i % 13 = 0 THEN 'RATE_LIMITED' WHEN i % 37 = 0 THEN 'IP_DENIED' ELSE 'VALID' END,
	(ARRAY['/v1/orders/' || i, '/<b>bold</b>', '/v1/"quoted"'])[1 + i % 3], 1, '192.0.2.0'::inet + i % 40
FROM generate_series(0, 12470) i JOIN k ON k.n = 1 + (i * i) % 7 % 6
WHERE i % 24 < 8 + (i / 890) % 14;
INSERT INTO apikey.usage (at, tenant_id, key_id, code, endpoint, ip)
SELECT '2026-11-22 14:00Z'::timestamptz + i * interval '5 s', tenant_id, key_id, 'ENDPOINT_DENIED', '/admin/' || i, '203.0.113.9'
FROM k, generate_series(0, 599) i WHERE n = 4;
INSERT INTO apikey.usage (at, tenant_id, key_id, code, endpoint, status, latency_us, bytes_out, ip)
SELECT at, tenant_id, key_id, 'LOGGED', endpoint, CASE WHEN extract(epoch FROM at)::bigint % 50 = 0 THEN 503 ELSE 200 END,
	CASE WHEN extract(epoch FROM at)::bigint % 31 = 0 THEN 3000000 ELSE 5000 + (extract(epoch FROM at)::bigint * 7919) % 9000 END, 1000, ip
FROM apikey.usage WHERE code = 'VALID' AND NOT (at >= '2026-11-20Z' AND at < '2026-11-20 12:00Z');
INSERT INTO apikey.usage (at, tenant_id, key_id, code, ip)
SELECT '2026-11-24 14:00Z'::timestamptz + i * interval '5 s', tenant_id, key_id, 'VALID', '203.0.113.9' FROM k, generate_series(0, 99) i WHERE n = 7;
SELECT apikey.refresh_rollups();
INSERT INTO apikey.quota_state (quota_id, window_start, window_end, tenant_id, key_id, shared, holder, name, units, reserved, used, updated_at)
SELECT gen_random_uuid(), '2026-11-01Z', '2026-12-01Z', tenant_id, key_id, 'key', key_id::text, '<u>monthly</u>', 1000, 1000, 1000 - n * 100, now()
FROM k WHERE n IN (1, 3, 7);
SQL

# the page as an analyst of acme gets it
my $page_file = $node->basedir . '/report.html';
my $html = $node->safe_psql('postgres', "SELECT apikey.report_html('acme')", extra_params => [ '-U', 'analyst' ]);
append_to_file($page_file, $html);

is(scalar(() = $html =~ /[^\x20-\x7e\n\t]/g), 0, 'the page is ASCII');
is(scalar(() = $html =~ /canary/g), 0, 'nothing of another tenant');
is(join(' ', $html =~ /<(?:script|img|iframe|object|embed|link|base|form|input)\b|<\w[^<>]*?\s(?:on\w+|src|srcset|action)\s*=|url\((?!#)|\@import/gi), '', 'nothing that runs or loads');
is_deeply([ grep { !/^#/ } $html =~ /\bhref="([^"]*)"/g ], [], 'links lead within the page');

my $scratch = PostgreSQL::Test::Utils::tempdir;
my $browser = Browser->start($chromium, $scratch);
my $page    = $browser->open("file://$page_file", width => 1200);

is_deeply($page->{complaints}, [], 'the console is silent');
is_deeply($page->{requests},   [], 'nothing is requested');
is($page->evaluate('document.doctype.name + " " + document.compatMode + " " + document.characterSet'), 'html CSS1Compat UTF-8', 'a page of today');
like($page->evaluate('document.title'), qr/^API keys of acme, 18 Nov 2026, 11:00 . 25 Nov 2026, 11:00 UTC$/, 'its title');

# --- drawn numbers -----------------------------------------------------------

# heights of bars in units of the axis, whose lines are measured too
my $measure = <<'JS';
(() => {
	const labels = id => [...document.querySelectorAll('#' + id)].map(s => s.previousElementSibling)[0].querySelectorAll('text');
	const number = t => { const m = t.match(/^([0-9.]+)\s*(k|M|ms|s|.s)?$/); return m[1] * ({k: 1e3, M: 1e6, ms: 1e3, s: 1e6}[m[2]] || 1) };
	const scale = id => {
		const lines = [...document.querySelectorAll('#' + id + ' .grid, #' + id + ' .base')].map(l => l.getBoundingClientRect().top);
		const texts = [...labels(id)].map(t => number(t.textContent));
		return y => (lines[0] - y) / (lines[0] - lines[lines.length - 1]) * texts[texts.length - 1];
	};
	// lines that have a label, and what it says: between the two nearest, a step is a factor
	const powers = id => {
		const lines = [...document.querySelectorAll('#' + id + ' .grid, #' + id + ' .base')].map(l => l.getBoundingClientRect().top);
		return [...labels(id)].map((t, i) => [lines[i], Math.log(number(t.textContent))]);
	};
	const log_scale = id => { const p = powers(id);
		return y => { let i = 1; while (i < p.length - 1 && p[i][0] > y) i++;
			return Math.exp(p[i - 1][1] + (p[i - 1][0] - y) / (p[i - 1][0] - p[i][0]) * (p[i][1] - p[i - 1][1])) } };
	const bars = (id, series) => { const f = scale(id);
		return [...document.querySelectorAll('#' + id + ' > g')].map(g => series.map(s => {
			const r = g.querySelector('rect.' + s); if (!r) return 0; const b = r.getBoundingClientRect(); return f(b.top) - f(b.bottom) })) };
	const dots = (id, s) => { const f = log_scale(id);
		return [...document.querySelectorAll('#' + id + ' .' + s + ' circle')].map(c => { const b = c.getBoundingClientRect(); return f((b.top + b.bottom) / 2) }) };
	const left = id => [...document.querySelectorAll('#' + id + ' > g rect')].map(r => r.getBoundingClientRect().left);
	const rows = id => [...document.querySelectorAll('#' + id + ' > .scroll tbody tr')].map(r => [...r.cells].map(c => c.textContent));
	const shares = of => [...document.querySelectorAll(of + ' .meter')].map(m =>
		m.querySelector('.track') && m.lastElementChild.getBoundingClientRect().width / m.querySelector('.track').getBoundingClientRect().width);
	const meters = id => shares('#' + id + ' > .scroll');
	const lengths = id => [...document.querySelectorAll('#' + id + ' > .scroll .meter')].map(m =>
		m.childElementCount == 1 ? m.firstElementChild.getBoundingClientRect().width / m.getBoundingClientRect().width : null);
	return {
		traffic: bars('traffic-chart', ['accepted', 'denied']), denied: bars('denied-chart', ['denied']),
		p50: dots('latency-chart', 'p50'), p95: dots('latency-chart', 'p95'), p99: dots('latency-chart', 'p99'),
		width: document.querySelector('#traffic-chart').getBoundingClientRect().width, left: left('traffic-chart'),
		cards: Object.fromEntries([...document.querySelectorAll('.cards > div')].map(d => [d.children[0].textContent, d.children[1].textContent])),
		reasons: rows('denials'), reason_meters: meters('denials'), talkers: rows('talkers'), endpoints: rows('endpoints'),
		talker_lengths: lengths('talkers'), endpoint_lengths: lengths('endpoints'), powers: powers('latency-chart'),
		tracks: [...document.querySelectorAll('.track')].map(t => [t.nextElementSibling.getBoundingClientRect().width / t.getBoundingClientRect().width,
			[...t.closest('tr').cells].map(c => c.textContent).filter(c => /^[<>]? ?[\d.]+ %$/.test(c)).pop()]),
		limits: rows('limits'), limit_meters: meters('limits'), suspicious: rows('suspicious'),
		days: Object.fromEntries([...document.querySelectorAll('#calendar-grid > g')].filter(g => g.querySelector('text')).map(g =>
			[g.querySelector('title').textContent.replace(/:.*/, ''), +g.querySelector('text').textContent])),
		table: [...document.querySelectorAll('#traffic details tbody tr')].map(r => [...r.cells].map(c => c.textContent)),
	};
})()
JS
my $drawn = $page->evaluate($measure);

# SQL, from the rows of usage themselves
my $mine = "u.tenant_id IN (SELECT tenant_id FROM k WHERE tenant LIKE 'acme%') AND u.at >= '2026-11-18 11:00Z' AND u.at < '2026-11-25 11:00Z'";
my $bars = $json->decode($node->safe_psql('postgres', <<"SQL"));
SELECT jsonb_agg(jsonb_build_array(a, d, p50, p95, p99, e) ORDER BY g)
FROM (SELECT g, count(u.at) FILTER (WHERE code = 'VALID') AS a, count(u.at) FILTER (WHERE code NOT IN ('VALID', 'LOGGED')) AS d,
		count(*) FILTER (WHERE status >= 500) AS e,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_us) AS p50, percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_us) AS p95,
		percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_us) AS p99
	FROM generate_series('2026-11-18 11:00Z'::timestamptz, '2026-11-25 10:00Z', '3 hours') g
		LEFT JOIN apikey.usage u ON u.at >= g AND u.at < g + interval '3 hours' AND $mine
	GROUP BY g) b
SQL
is(scalar(@$bars), 56, 'a week in steps of three hours');
is(scalar(@{ $drawn->{traffic} }), 56, 'a bar for each');

# near(\@drawn, \@true, $tolerance, $name): tolerance relative to the largest, or
# to each
sub near
{
	my ($got, $true, $tolerance, $name, $each) = @_;
	my ($most) = sort { $b <=> $a } @$true;
	my @off = grep { abs(($got->[$_] // -1e9) - $true->[$_]) > $tolerance * ($each ? $true->[$_] : $most) } 0 .. $#$true;

	ok(@$got == @$true && !@off, $name)
	  or diag(scalar(@$got) . ' for ' . scalar(@$true) . ', off: ' . join ', ', map { "$_: " . ($got->[$_] // 'none') . " for $true->[$_]" } @off);
}
near([ map { $_->[0] } @{ $drawn->{traffic} } ], [ map { $_->[0] } @$bars ], 0.004, 'heights of what was accepted');
near([ map { $_->[1] } @{ $drawn->{traffic} } ], [ map { $_->[1] } @$bars ], 0.006, 'heights of what was denied');
near([ map { $_->[0] } @{ $drawn->{denied} } ],  [ map { $_->[1] } @$bars ], 0.006, 'heights in the chart of denials');
my @with = grep { defined $_->[2] } @$bars;
cmp_ok(scalar(@with), '<', 56, 'a gap where nothing was logged');
my %at = (p50 => 2, p95 => 3, p99 => 4);
foreach my $p (sort keys %at)
{
	# a histogram is 1/32 off at most, and half a pixel is another 2 %
	near($drawn->{$p}, [ map { $_->[ $at{$p} ] } @with ], 0.05, "height of the line of $p", 1);
}
# milliseconds and seconds on one axis: lines at 1, 2 and 5 times powers of ten,
# as far from each other as their factor says
my @powers = @{ $drawn->{powers} };
my @values = map { exp $_->[1] } @powers;
cmp_ok(scalar(@powers), '>=', 4, 'the axis of latencies has labels');
is_deeply([ grep { sprintf('%.4e', $_) !~ /^[125]\.0000e/ } @values ], [], 'of 1, 2 and 5 times powers of ten');
my $decade = ($powers[0][0] - $powers[-1][0]) / ($powers[-1][1] - $powers[0][1]);
is_deeply([ grep { abs($powers[0][0] - $powers[$_][0] - $decade * ($powers[$_][1] - $powers[0][1])) > 0.2 } 0 .. $#powers ], [], 'their distances are logarithms');
cmp_ok($values[0],  '<', 10_000,    'from below the median');
cmp_ok($values[-1], '>', 3_000_000 * 31 / 32, 'to above the slowest');
is($page->evaluate(q{[...document.querySelector('#latency-chart').previousElementSibling.querySelectorAll('text')].map(t => t.getBoundingClientRect()).every((b, i, a) => i == 0 || b.bottom <= a[i - 1].top + 4)}),
	JSON::PP::true, 'no label is over another');
like($page->evaluate(q{document.querySelector('#latency h3')?.textContent + document.querySelector('#latency-chart desc').textContent}), qr/logarithmic scale.*logarithmic/, 'it is said that the axis is');
my ($last) = sort { $b <=> $a } @{ $drawn->{left} };
cmp_ok($last, '>', $drawn->{width} * 0.9, 'the bars fill the chart');
my @table = map { [ map { s/,//gr } @{$_}[ 1 .. 3 ] ] } @{ $drawn->{table} };
is_deeply(\@table, [ map { [ map { "$_" } @{$_}[ 0, 1, 5 ] ] } @$bars ], 'the table beside the chart has the exact figures');

my $sums = $json->decode($node->safe_psql('postgres', <<"SQL"));
SELECT jsonb_build_object(
	'Requests', (count(*) FILTER (WHERE code <> 'LOGGED'))::text, 'Denied', (count(*) FILTER (WHERE code NOT IN ('VALID', 'LOGGED')))::text,
	'Server errors', (count(*) FILTER (WHERE status >= 500))::text,
	'Keys in use', (count(DISTINCT key_id) FILTER (WHERE code = 'VALID'))::text, 'Client addresses', (count(DISTINCT ip))::text)
FROM apikey.usage u WHERE $mine
SQL
is_deeply({ map { $_ => $drawn->{cards}{$_} =~ s/,//gr } keys %$sums }, $sums, 'the figures of the summary');

my $reasons = $json->decode($node->safe_psql('postgres',
	"SELECT jsonb_agg(jsonb_build_array(code, n) ORDER BY n DESC) FROM (SELECT code, count(*) AS n FROM apikey.usage u WHERE $mine AND code NOT IN ('VALID', 'LOGGED') GROUP BY 1) x"));
is_deeply([ map { [ $_->[0] =~ /([A-Z_]{4,})$/, 0 + $_->[2] =~ s/,//gr ] } @{ $drawn->{reasons} }[ 0 .. $#$reasons ] ], $reasons, 'denials by reason');
my $denials = 0;
$denials += $_->[1] foreach @$reasons;
near([ @{ $drawn->{reason_meters} }[ 0 .. $#$reasons ] ], [ map { $_->[1] / $denials } @$reasons ], 0.01, 'their bars');
# a track is the whole of which the row says a share
cmp_ok(scalar(@{ $drawn->{tracks} }), '>', 8, 'bars on tracks');
is_deeply([ grep { !defined $_->[1] || abs($_->[0] - ($_->[1] =~ /([\d.]+)/)[0] / 100) > 0.005 } @{ $drawn->{tracks} } ], [], 'are as long as the share beside them says');

my $talkers = $json->decode($node->safe_psql('postgres',
	"SELECT jsonb_agg(jsonb_build_array(key_id, n) ORDER BY n DESC, key_id) FROM (SELECT key_id, count(*) AS n FROM apikey.usage u WHERE $mine AND code <> 'LOGGED' GROUP BY 1) x"));
is_deeply([ map { [ 0 + ($_->[0] =~ /key\x{a0}(\d+)/)[0], 0 + $_->[2] =~ s/,//gr ] } @{ $drawn->{talkers} } ], $talkers, 'the busiest keys');
near($drawn->{talker_lengths}, [ map { $_->[1] / $talkers->[0][1] } @$talkers ], 0.01, 'their bars are compared with each other, on no track');
my @calls = map { 0 + $_->[2] =~ s/,//gr } @{ $drawn->{endpoints} };
near($drawn->{endpoint_lengths}, [ map { $_ / $calls[0] } @calls ], 0.01, 'those of endpoints, too');
is_deeply($drawn->{days},
	$json->decode($node->safe_psql('postgres', "SELECT jsonb_object_agg(to_char(expires_at AT TIME ZONE 'UTC', 'Dy FMDD Mon YYYY'), 1) FROM apikey.api_key a JOIN k USING (key_id) WHERE k.tenant <> 'rival'")),
	'the days of the calendar');
is_deeply([ map { $_->[2] } @{ $drawn->{limits} } ], [ '90 %', '70 %' ], 'the limits');
near($drawn->{limit_meters}, [ 0.9, 0.7 ], 0.01, 'their bars');
like(join(' ', map { "$_->[0] $_->[2]" } grep { $_->[0] =~ /big/ } @{ $drawn->{suspicious} }), qr/Burst of denials: 600 in the hour from 22 Nov 2026, 14:00/, 'the burst is among what is suspicious');

# --- what a histogram knows ---

# twelve answers of 3 s each
my $slow_file = $node->basedir . '/slow.html';
$node->safe_psql('postgres', <<'SQL');
SELECT apikey.create_tenant('slow'), apikey.create_environment('slow', 'production');
SELECT count(apikey.create_key('slow', 'production', name => 'slow'));
INSERT INTO apikey.usage (at, tenant_id, key_id, code, endpoint, status, latency_us)
SELECT '2026-11-24 14:00Z'::timestamptz + i * interval '1 min', a.tenant_id, a.key_id, 'LOGGED', '/slow', 200, 3000000
FROM apikey.api_key a, generate_series(1, 12) i WHERE a.name = 'slow';
SELECT apikey.refresh_rollups();
SQL
append_to_file($slow_file, $node->safe_psql('postgres', "SELECT apikey.report_html('slow')"));
my $slow = $browser->open("file://$slow_file", width => 1200);
like($slow->evaluate('document.querySelector("#latency > p").textContent'), qr/^Half of the answers took about 3 s or less, 95 of 100 about 3 s or less\.$/, 'what took 3 s is said to take about 3 s');
is($slow->evaluate(q{[...document.querySelectorAll('.cards > div')].filter(d => /^Latency/.test(d.textContent)).map(d => d.children[1].textContent).join()}), 'about 3 s,about 3 s', 'in the summary');
is($slow->evaluate(q{[...document.querySelectorAll('#latency-chart circle title')].map(t => t.textContent.replace(/.*: /, '')).join()}), 'about 3 s,about 3 s,about 3 s', 'in the chart');
unlike($slow->evaluate('document.body.textContent'), qr/2\.9/, 'and nowhere 2.9 s');
$slow->close;

# --- hostile names -----------------------------------------------------------

my $names = $page->evaluate(q{[...document.querySelectorAll('#talkers tbody th bdi')].map(b => b.textContent)});
my $text  = join "\n", @$names;
like($text, qr/\Q<script>document.title="owned"<\/script>\E/, 'markup is text');
like($text, qr/\Q<\/title><\/svg><\/table><h1>big<\/h1>\E/, 'closing tags are text');
like($text, qr/&lt;not decoded&gt;/, 'entities are not decoded twice');
like($text, qr/\Q[U+202E]gnp.exe[U+202C] \E\x{5e9}\x{5dc}/, 'controls of direction are shown by name, letters as they are');
like($text, qr/\x{1f600} O'Brien & S\x{f6}hne \Q[U+2067]\E/, 'characters of four bytes');
like($text, qr/tab\x{2409}here\x{2401}\x{2421}\Q[U+200B]\E/, 'control characters are shown');
like($text, qr/(?:long){20}\x{2026}\n/, 'a long name is cut');
is($page->evaluate('document.querySelectorAll("script, img, i, b b, u, h1 h1").length + document.querySelectorAll("h1").length'), 1, 'no element comes from a name');
is($page->evaluate(q{[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => /^on/i.test(a.name)).length}), 0, 'nor an attribute');

# --- to be read by everybody -------------------------------------------------

is($page->evaluate('document.documentElement.lang'), 'en', 'its language');
is($page->evaluate(q{[...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1]).every((l, i, a) => i == 0 ? l == 1 : l <= a[i - 1] + 1)}), JSON::PP::true, 'headings go down step by step');
is($page->evaluate(q{['header', 'nav', 'main', 'footer'].every(t => document.querySelectorAll(t).length == 1)}), JSON::PP::true, 'landmarks');
is($page->evaluate(q{[...document.querySelectorAll('svg')].filter(s => s.getAttribute('aria-hidden') != 'true' && !(s.getAttribute('role') == 'img'
	&& s.getAttribute('aria-labelledby').split(' ').every(i => document.getElementById(i)?.textContent.length > 10)
	&& s.closest('section').querySelector('details table'))).length}), 0, 'each picture has a name, a description and a table');
is($page->evaluate(q{[...document.querySelectorAll('table')].every(t => t.caption && t.querySelectorAll('thead th[scope=col]').length > 1
	&& [...t.tBodies[0].rows].every(r => r.cells[0].tagName == 'TH' && r.cells.length == t.tHead.rows[0].cells.length))}), JSON::PP::true, 'tables have captions and heads');
is($page->evaluate(q{(i => i.length - new Set(i).size)([...document.querySelectorAll('[id]')].map(e => e.id))}), 0, 'no id twice');
is($page->evaluate(q{[...document.querySelectorAll('a[href]')].every(a => document.querySelector(a.getAttribute('href')))}), JSON::PP::true, 'links have targets');

# the lowest contrast of any text with what is behind it
my $contrast = <<'JS';
(() => {
	const parse = c => c.match(/[\d.]+/g).map(Number);
	const lum = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
	let worst = [99];
	for (const e of document.querySelectorAll('body *')) {
		if (![...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()) || /^(title|desc)$/.test(e.tagName)) continue;
		if (!e.getClientRects().length) continue;
		const style = getComputedStyle(e), svg = e instanceof SVGElement;
		let back = null;
		if (svg && e.previousElementSibling?.tagName == 'rect') back = parse(getComputedStyle(e.previousElementSibling).fill);
		for (let p = e; !back && p; p = p.parentElement) { const b = parse(getComputedStyle(p).backgroundColor); if (b.length < 4 || b[3] > 0) back = b }
		const a = lum(parse(svg ? style.fill : style.color).slice(0, 3)), b = lum((back || [255, 255, 255]).slice(0, 3));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < worst[0]) worst = [ratio, e.tagName + ' ' + e.textContent.slice(0, 40)];
	}
	return worst;
})()
JS
my $sideways = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
my $pictures = $ENV{TESTLOGDIR} || "$ENV{TESTDATADIR}";
foreach my $look ([ light => 1200, 0 ], [ dark => 1200, 1 ], [ phone => 360, 0 ], [ 'phone-dark' => 360, 1 ])
{
	my ($name, $width, $dark) = @$look;
	$page->show(width => $width, dark => $dark);
	my $worst = $page->evaluate($contrast);
	cmp_ok($worst->[0], '>=', 4.5, "$name: every text stands out") or diag($worst->[1]);
	is($page->evaluate($sideways), 0, "$name: no scrolling sideways");
	# cells of the keys to look at stand in a line, on a phone below each other
	my $below = $page->evaluate(<<'JS');
(() => [...document.querySelectorAll('#suspicious tbody tr')].filter(r => r.offsetHeight > 0).map(r => {
	const [a, b, c] = [...r.children].map(e => e.getBoundingClientRect());
	return b.top >= a.bottom && c.top >= b.bottom && c.left === a.left ? 'below' : a.top === c.top && c.left > b.left ? 'beside' : '?';
}).filter((x, i, all) => all.indexOf(x) === i))()
JS
	is_deeply($below, [ $width < 640 ? 'below' : 'beside' ], "$name: where the cells of suspicious keys stand");
	is($page->evaluate(q{[...document.querySelectorAll('#suspicious :is(table, thead, tbody, tr, th, td)')].filter(e => !e.getAttribute('role')).length}), 0, "$name: and what they are");
	$page->screenshot("$pictures/report-$name.png");
	cmp_ok(-s "$pictures/report-$name.png", '>', 50_000, "$name: a picture");
}
isnt(slurp_file("$pictures/report-light.png"), slurp_file("$pictures/report-dark.png"), 'dark is another picture');
$page->show(width => 700, media => 'print', dark => 1);
is($page->evaluate('getComputedStyle(document.body).backgroundColor'), 'rgb(255, 255, 255)', 'paper is white, in the dark too');
is($page->evaluate('getComputedStyle(document.querySelector("nav")).display'), 'none', 'and has no links to sections');
is($page->evaluate($sideways), 0, 'and no scrolling sideways');

# --- the policy of the page is a fence of its own -----------------------------

(my $broken = $html) =~ s{</main>}{<script>document.title = 'ran'</script><img src="http://192.0.2.1/x.png"></main>};
append_to_file($node->basedir . '/broken.html', $broken);
my $fenced = $browser->open('file://' . $node->basedir . '/broken.html');
like($fenced->evaluate('document.title'), qr/^API keys of acme/, 'a script that got into the page would not run');
cmp_ok(scalar(@{ $fenced->{complaints} }), '>=', 2, 'the browser says so');
$fenced->close;

# --- nothing to show, and long ranges ----------------------------------------

foreach my $case (
	[ 'a range without traffic', "'acme', '2026-01-01', '2026-01-02'", 'There were no requests' ],
	[ 'a year',                  "'acme', '2025-11-26', '2026-11-25'", 'requests were accepted' ],
	[ 'an hour',                 "'acme', '2026-11-24 10:00Z', '2026-11-24 10:30Z'", 'requests? were accepted' ],
	[ 'two days',                "'acme/eu', '2026-11-23 10:00Z', '2026-11-25 10:00Z'", 'requests were accepted' ])
{
	my ($name, $arguments, $says) = @$case;
	my $file = $node->basedir . '/' . ($name =~ s/\W+/-/gr) . '.html';
	append_to_file($file, $node->safe_psql('postgres', "SELECT apikey.report_html($arguments)", extra_params => [ '-U', 'analyst' ]));
	my $other = $browser->open("file://$file", width => 360);
	is_deeply([ @{ $other->{complaints} }, @{ $other->{requests} } ], [], "$name: no complaint");
	like($other->evaluate('document.querySelector("#traffic").textContent'), qr/$says/, "$name: says so");
	is($other->evaluate($sideways), 0, "$name: no scrolling sideways");
	$other->close;
}

$browser->stop;
$node->stop;
done_testing();
