# policy_preview() on real traffic: the requests of a web access log, where
# there is one (APIKEY_TEST_DATA), are sent, a change is previewed and made, and
# the same requests are sent again.  Key by key and code by code, what changed
# is what the preview said.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

my $demo = "$ENV{top_builddir}/test/demo";
my $log  = ($ENV{APIKEY_TEST_DATA} // '') . '/access_log';
my $node = new_node('preview', conf => "apikey.limit_wait = 60s");

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE request (line bigint PRIMARY KEY, network int, ip inet, method text, path text, agent text);
CREATE TABLE client (network int PRIMARY KEY, key_id bigint, key text);
CREATE TABLE answer (run int, line bigint, code text, PRIMARY KEY (run, line));
SQL
if (-s $log)
{
	my $feed = $node->basedir . '/feed';
	my $rc = system("tr -d '\\000\\r' <'$log' >'$feed.lines'"
		. " && LC_ALL=C awk -f '$demo/parse.awk' -f '$demo/feed.awk' '$feed.lines' >'$feed'");
	is($rc, 0, 'the log is read');
	$node->safe_psql('postgres', "SET client_encoding = 'LATIN1'; COPY request FROM '$feed'");
}
else
{
	note("no access_log in APIKEY_TEST_DATA: generated requests");
	$node->safe_psql('postgres', <<'SQL');
INSERT INTO request SELECT i, (i / 8 * 7919) % 40, '198.51.100.0'::inet + (i * 7919) % 200,
	(ARRAY['GET', 'GET', 'POST', 'HEAD'])[1 + i % 4], '/' || (ARRAY['blog', 'images', 'files', ''])[1 + i % 4] || '/' || i % 97, 'generated'
FROM generate_series(1, 10000) i;
SQL
}
my $requests = $node->safe_psql('postgres', 'SELECT count(*) FROM request');
cmp_ok($requests, '>=', 5000, "$requests requests");

# a key for each client network; owners have several, one tenant is below the other
$node->safe_psql('postgres', <<'SQL');
SET apikey.test_now = '2217283200';
SELECT apikey.create_tenant('site'), apikey.create_tenant('part', 'site');
SELECT apikey.create_environment('site', 'e'), apikey.create_environment('site/part', 'e');
SELECT apikey.create_policy('site', 'rules');
INSERT INTO client SELECT n, k.key_id, k.key FROM (SELECT DISTINCT network AS n FROM request ORDER BY 1) c,
	LATERAL apikey.create_key(CASE n % 5 WHEN 0 THEN 'site/part' ELSE 'site' END, 'e', policy => 'rules', owner => 'owner ' || n % 13, scopes => '{pages:read}') k;
-- a request every 30 seconds or so, in each run at the same hours of the same
-- days of the week
CREATE FUNCTION send(number int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	r record;
	answered bigint := 0;
BEGIN
	FOR r IN SELECT q.line, c.key, q.ip, q.method, q.path FROM request q JOIN client c USING (network) ORDER BY q.line LOOP
		PERFORM set_config('apikey.test_now', (2217283200 + number * 4 * 604800 + r.line * 30 + r.line % 7 / 7.0)::text, false);
		INSERT INTO answer SELECT number, r.line, v.code FROM apikey.verify(r.key, '{pages:read}', r.ip, r.method, r.path) v;
		answered := answered + 1;
	END LOOP;
	IF NOT apikey.flush_usage('180 s') THEN
		RAISE 'the writer does not write';
	END IF;
	RETURN answered;
END $$;
CREATE FUNCTION say(number int) RETURNS timestamptz LANGUAGE sql AS $$ SELECT to_timestamp(2217283200 + number * 4 * 604800) $$;
-- what changed between two runs, as the preview writes it
CREATE FUNCTION changed(number int) RETURNS TABLE (key_id bigint, denied bigint, allowed bigint, by_code jsonb, allowed_by_code jsonb) LANGUAGE sql AS $$
	WITH c AS (
		SELECT k.key_id, a.code AS was, b.code AS now, count(*) AS n
		FROM request q JOIN client k USING (network)
			JOIN answer a ON a.line = q.line AND a.run = number - 1
			JOIN answer b ON b.line = q.line AND b.run = number
		WHERE (a.code = 'VALID') <> (b.code = 'VALID') GROUP BY 1, 2, 3
	)
	SELECT key_id, coalesce(sum(n) FILTER (WHERE was = 'VALID'), 0)::bigint, coalesce(sum(n) FILTER (WHERE now = 'VALID'), 0)::bigint,
		coalesce(jsonb_object_agg(now, n) FILTER (WHERE was = 'VALID'), '{}'), coalesce(jsonb_object_agg(was, n) FILTER (WHERE now = 'VALID'), '{}')
	FROM c GROUP BY key_id
$$;
SQL
is($node->safe_psql('postgres', 'SELECT send(0)'), $requests, 'sent once');
is($node->safe_psql('postgres', "SELECT count(*) FROM apikey.usage WHERE code = 'VALID'"), $requests, 'all accepted and recorded');

my $run = 0;

# a change: what it says, and that it comes true
sub prove_change
{
	my ($what, $arguments, @codes) = @_;
	my $before = $run++;
	my $now    = 2217283200 + $run * 4 * 604800;
	my ($said, $happened, $codes) = split /\n/, $node->safe_psql('postgres', <<"SQL");
SET client_min_messages = warning;
SET apikey.test_now = '$now';
CREATE TABLE said_$run AS SELECT * FROM apikey.policy_preview('rules', $arguments, since => say($before), until => say($run));
SELECT apikey.set_policy('site', 'rules', $arguments, force => true) \\g /dev/null
SELECT send($run) \\g /dev/null
SELECT count(*) || ' keys, ' || sum(newly_denied) || ' denied, ' || sum(newly_allowed) || ' allowed, '
	|| md5(string_agg((key_id, newly_denied, newly_allowed, by_code, allowed_by_code)::text, ' ' ORDER BY key_id)) FROM said_$run;
SELECT count(*) || ' keys, ' || sum(denied) || ' denied, ' || sum(allowed) || ' allowed, '
	|| md5(string_agg((key_id, denied, allowed, by_code, allowed_by_code)::text, ' ' ORDER BY key_id)) FROM changed($run);
SELECT string_agg(DISTINCT c, ' ' ORDER BY c) FROM said_$run, jsonb_object_keys(by_code) c;
SQL
	is($happened, $said, "$what: what was said came true");
	is($codes, join(' ', sort @codes), "$what: denied with these codes");
	note("$what: $said");
}

prove_change('checks',
	"denied_endpoints => '{* /blog/**,HEAD /**}', access_hours => '{mon-fri 06:00-22:00 Europe/Berlin,sat 08:00-12:00}', denied_cidrs => '{66.0.0.0/8,198.51.100.128/26}'",
	qw(ENDPOINT_DENIED IP_DENIED TIME_DENIED));
prove_change('limits of each key',
	"clear => '{denied_endpoints,access_hours,denied_cidrs}', rate_limits => ARRAY[ROW('r', 10, '1 hour', 5, NULL)]::apikey.rate_limit[], quotas => ARRAY[ROW('q', 40, 'day', 'Europe/Berlin', NULL)]::apikey.quota[]",
	qw(QUOTA_EXCEEDED RATE_LIMITED));
prove_change('limits that keys share, and hours',
	"access_hours => '{00:00-20:00 Asia/Kolkata}', rate_limits => ARRAY[ROW('r', 30, '1 hour', 20, 'owner'), ROW('t', 60, '1 hour', 30, 'tenant')]::apikey.rate_limit[], quotas => ARRAY[ROW('p', 1000, 'day', NULL, 'policy')]::apikey.quota[]",
	qw(QUOTA_EXCEEDED RATE_LIMITED TIME_DENIED));
prove_change('nothing is left', "clear => '{access_hours,rate_limits,quotas}'");

# a scan that is cancelled ends, and leaves nothing behind
$node->safe_psql('postgres', <<'SQL');
INSERT INTO apikey.usage (at, tenant_id, key_id, code)
SELECT at, tenant_id, key_id, 'VALID' FROM apikey.usage, generate_series(1, 30);
SQL
my ($rc, $out, $err) = $node->psql('postgres', <<'SQL');
SET apikey.test_now = '2300000000';
SET work_mem = '64kB';
SET statement_timeout = '100ms';
SELECT count(*) FROM apikey.policy_preview('rules', rate_limits => ARRAY[ROW('r', 1, '1 hour', 5, NULL)]::apikey.rate_limit[], since => say(0), until => say(99));
SQL
like($err, qr/canceling statement due to statement timeout/, 'cancelled');
ok(poll($node, 'SELECT count(*) FROM pg_ls_tmpdir()', 0), 'no temporary file is left');

$node->stop;
done_testing();
