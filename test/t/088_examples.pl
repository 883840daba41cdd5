# Every query of examples/ works for the role it is meant for and answers with
# the columns that the file around it names; an analyst's answers hold nothing
# of other tenants.  The script for Node is run, too.
use strict;
use warnings;
use CPAN::Meta::YAML;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use DocPage;

my $top  = $ENV{top_builddir};
my $node = new_node('examples', conf => "apikey.guard_attempts = 0\n");
my $dir  = PostgreSQL::Test::Utils::tempdir;

sub slurp
{
	my ($path) = @_;

	open my $fh, '<:raw', $path or die "could not open $path: $!";
	local $/;
	return scalar <$fh>;
}

# --- data: mock traffic, and one tenant with something for every panel --------

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE analyst LOGIN;
CREATE ROLE metrics LOGIN;
SELECT count(*) FROM apikey.mock_tenants(4, 88);
SELECT count(*) FROM apikey.mock_keys(60, 88);
SELECT count(*) FROM apikey.mock_usage(20000, now() - interval '26 hours', now(), 88, '{error_burst,enumeration}');
SELECT apikey.create_tenant('shop');
SELECT apikey.create_tenant('foreign-tenant');
SELECT apikey.create_policy(t, 'small', quotas => ARRAY[('month', 1000, 'month', 'UTC', 'key')]::apikey.quota[]) FROM unnest('{shop,foreign-tenant}'::text[]) t;
SELECT apikey.create_environment(t, 'production', is_production => true, default_policy => 'small') FROM unnest('{shop,foreign-tenant}'::text[]) t;
SELECT set_config('apikey.test_now', extract(epoch FROM now() - interval '40 days')::text, false);
SELECT key_id FROM unnest('{shop,foreign-tenant}'::text[]) t, LATERAL apikey.create_key(t, 'production', name => 'forgotten ' || t, owner => 'ann ' || t);
RESET apikey.test_now;
CREATE TABLE traffic AS
	SELECT t AS tenant, k.key_id, k.key, n FROM unnest('{shop,foreign-tenant}'::text[]) t, generate_series(1, 3) n,
		LATERAL apikey.create_key(t, 'production', name => 'web' || n || ' of ' || t, owner => 'bob of ' || t, expires_at => now() + n * interval '3 days', endpoints => '{"/v1/**"}') k;
SELECT count(apikey.rotate_key(key_id, overlap => '1 day')) FROM traffic WHERE n = 1;
CREATE TABLE quiet AS SELECT k.key_id, k.key FROM apikey.create_key('shop', 'production', name => 'quiet', owner => 'sue', expires_at => now() + interval '1 year', endpoints => '{"/v1/**"}') k;
-- all within one minute, and hour
SELECT set_config('apikey.test_now', extract(epoch FROM clock_timestamp())::text, false);
SELECT count(*) FROM traffic, generate_series(1, 20) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/v1/orders/' || i, ip => '192.0.2.1', user_agent => 'examples') v WHERE valid;
SELECT count(*) FROM traffic, generate_series(1, 25) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/admin/' || i, ip => '192.0.2.2') v WHERE code = 'ENDPOINT_DENIED';
SELECT count(apikey.log_usage(key_id, status => CASE WHEN i > 15 THEN 503 ELSE 200 END, latency => i * interval '3 ms', bytes_in => 10, bytes_out => 1000, method => 'GET', endpoint => '/v1/orders/' || i)) FROM traffic, generate_series(1, 20) i;
SELECT count(*) FROM quiet, generate_series(1, 50) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/v1/orders/' || i, record => false) v WHERE valid;
SELECT count(apikey.log_usage(key_id, status => 200, method => 'GET', endpoint => '/v1/orders/' || i)) FROM quiet, generate_series(1, 1000) i;
SELECT count(*) FROM quiet, generate_series(1, 25) i, LATERAL apikey.verify(key, method => 'GET', endpoint => '/admin/' || i, ip => '192.0.2.2', record => false) v WHERE code = 'ENDPOINT_DENIED';
RESET apikey.test_now;
SELECT apikey.grant_access('analyst', 'analyst', t.name) FROM (SELECT 'shop' AS name UNION ALL (SELECT name FROM apikey.tenant WHERE parent_id IS NULL AND name ~ 'mock' ORDER BY name LIMIT 1)) t;
SELECT apikey.grant_access('metrics', 'auditor');
SQL
is($node->safe_psql('postgres', "SELECT apikey.flush_usage('180 s')"), 't', 'all of it is stored');
$node->safe_psql('postgres', 'SELECT apikey.refresh_rollups()');
ok(poll($node, "SELECT count(*) >= 4 FROM apikey.quota_state WHERE used > 0"), 'quotas are used');
my ($foreign) = $node->safe_psql('postgres', q{SELECT 'foreign-tenant|' || string_agg(name, '|') FROM apikey.tenant
	WHERE parent_id IS NULL AND name ~ 'mock' AND tenant_id NOT IN (SELECT tenant_id FROM apikey.member WHERE tenant_id IS NOT NULL)});
like($foreign, qr/\|mock/, 'there are tenants that the analyst does not see');

# answer($role, $query): (names of columns, types, rows as text) or dies
sub answer
{
	my ($role, $query) = @_;
	my ($out, $err) = ('', '');

	$query =~ s/[;\s]+$//;
	my $input = "\\set ON_ERROR_STOP 1\n$query \\gdesc\n\\echo ----\n$query;\n";
	my $ok = run_log(
		[ 'psql', '-X', '-q', '-A', '-t', '-F', "\t", '-P', 'null=(null)', '-d', $node->connstr('postgres') . " user=$role", '-f', '-' ],
		'<', \$input, '>', \$out, '2>', \$err);
	die "$err\nin: $query\n" unless $ok;
	my ($described, $rows) = split /^----\n/m, $out, 2;
	my @columns = map { [ split /\t/ ] } split /\n/, $described;
	return ([ map { $_->[0] } @columns ], [ map { $_->[1] } @columns ], [ split /\n/, $rows ]);
}

# --- Grafana -------------------------------------------------------------------

my $text      = slurp("$top/examples/grafana/apikey.json");
my $dashboard = eval { JSON::PP->new->utf8->decode($text) };
ok(ref $dashboard eq 'HASH', 'grafana: the dashboard is JSON') or diag($@);
my @panels = @{ $dashboard->{panels} };
my %ids    = map { $_->{id} => 1 } @panels;
is(scalar(keys %ids), scalar(@panels), 'grafana: panels have ids of their own');
is_deeply([ map { "$_->{name} $_->{pluginId}" } @{ $dashboard->{__inputs} } ], ['DS_APIKEY postgres'], 'grafana: it asks for one data source');
is_deeply([ $text =~ /"uid": "(\$\{[^"]+)"/g ], [ ('${DS_APIKEY}') x scalar(() = $text =~ /"type": "postgres"/g) ], 'grafana: and reads from it alone');
my %taken;
foreach my $panel (@panels)
{
	my $grid = $panel->{gridPos};

	foreach my $x ($grid->{x} .. $grid->{x} + $grid->{w} - 1)
	{
		foreach my $y ($grid->{y} .. $grid->{y} + $grid->{h} - 1)
		{
			push @{ $taken{"$x $y"} }, $panel->{title};
		}
	}
	ok($grid->{x} + $grid->{w} <= 24, "grafana: $panel->{title}: is on the page");
}
is_deeply([ grep { @$_ > 1 } values %taken ], [], 'grafana: panels do not overlap');

my ($from, $to) = split /\|/, $node->safe_psql('postgres',
	q{SELECT to_char(t AT TIME ZONE 'UTC' - interval '24 hours', f), to_char(t AT TIME ZONE 'UTC', f) FROM (SELECT now() AS t, 'YYYY-MM-DD"T"HH24:MI:SS"Z"' AS f) n});

# what Grafana makes of a query: macros with arguments up to the first ")"
my %chosen;
sub expanded
{
	my ($query) = @_;
	my %macro = (
		__timeFilter => sub { "$_[0] BETWEEN '$from' AND '$to'" },
		__timeGroupAlias => sub {
			my %seconds = ('1m' => 60, '1h' => 3600);
			my ($n) = map { $seconds{$_} } $_[1] =~ /'(\w+)'/ or die "interval $_[1]";
			return "floor(extract(epoch from $_[0])/$n)*$n AS \"time\"";
		});

	$query =~ s/\$\{(\w+):sqlstring\}/join ',', map { s{'}{''}gr =~ s{(.*)}{'$1'}r } @{ $chosen{$1} || die "no variable $1" }/ge;
	$query =~ s/\$(__\w+)\(([^)]*)\)/($macro{$1} || die "no macro $1")->(split m{,\s*}, $2)/ge;
	die "not understood: $query" if $query =~ /\$/;
	return $query;
}

foreach my $variable (@{ $dashboard->{templating}{list} })
{
	my (undef, undef, $values) = answer('analyst', expanded($variable->{query}));

	$chosen{ $variable->{name} } = $values;
	ok(@$values > 0, "grafana: variable $variable->{name} has values");
	is(scalar(grep { /^(?:$foreign)/ } @$values), 0, "grafana: variable $variable->{name}: none of other tenants");
}
ok((grep { $_ eq 'shop' } @{ $chosen{tenant} }), 'grafana: the tenant is among them');

my $queries = 0;
foreach my $panel (grep { $_->{type} ne 'row' } @panels)
{
	my $title = "grafana: $panel->{title}";

	ok($panel->{description}, "$title: says what it shows");
	foreach my $target (@{ $panel->{targets} })
	{
		my ($names, $types, $rows) = eval { answer('analyst', expanded($target->{rawSql})) };

		$queries++;
		ok($names, "$title: the query runs") or diag($@);
		next unless $names;
		cmp_ok(scalar(@$rows), '>', 0, "$title: there are rows");
		is(scalar(grep { /$foreign/ } @$rows), 0, "$title: none of other tenants");
		if ($panel->{type} eq 'timeseries')
		{
			my %type;
			@type{@$names} = @$types;
			is($target->{format}, 'time_series', "$title: is asked for as a series");
			is($names->[0], 'time', "$title: begins with the time");
			like(delete $type{time}, qr/^(?:double precision|numeric|timestamp with time zone)$/, "$title: which is one");
			is(delete($type{metric}) // 'text', 'text', "$title: series have names");
			is_deeply([ grep { !/^(?:bigint|double precision|numeric)$/ } values %type ], [], "$title: the rest are numbers");
			ok(keys %type > 0, "$title: and there are some");
		}
		elsif ($panel->{type} eq 'stat')
		{
			is("@{[ scalar @$rows ]} @{[ scalar @$names ]}", '1 1', "$title: one figure");
			isnt($rows->[0], '(null)', "$title: and it is there");
		}
		my %there = map { $_ => 1 } @$names;
		my @absent = grep { !$there{$_} } map { $_->{matcher}{options} } @{ $panel->{fieldConfig}{overrides} };
		is("@absent", '', "$title: formats are of columns it has");
	}
}
cmp_ok($queries, '>=', 15, 'grafana: all panels were asked');

# the figures are those of the rows: a key here made 20 requests, verified and
# logged, and 25 that were denied; another was verified without a record
%chosen = (tenant => ['shop'], environment => ['production']);
my %figure;
foreach my $title ('Requests', 'Denied', 'Requests per hour', 'The last hour, minute by minute')
{
	my ($panel) = grep { $_->{title} eq $title } @panels;
	my (undef, undef, $rows) = answer('analyst', expanded($panel->{targets}[0]{rawSql}));

	# of a series: its columns added up
	my @sum;
	foreach my $row (@$rows)
	{
		my @cells = split /\t/, $row;
		$sum[$_] += $cells[$_] foreach grep { $_ > 0 || @cells == 1 } 0 .. $#cells;
	}
	$figure{$title} = join ' ', map { $_ // '' } @sum;
}
is($figure{Requests}, 3 * 45 + 1025, 'grafana: requests are as many as were made');
is($figure{Denied} + 0, sprintf('%.15g', 100 / (3 * 45 + 1025)) + 0, 'grafana: denied is a part of them');
is($figure{'Requests per hour'}, ' ' . (3 * 20 + 1000) . ' ' . (3 * 25 + 25), 'grafana: accepted and denied are as many');
is($figure{'The last hour, minute by minute'}, $figure{'Requests per hour'}, 'grafana: and so from rows of the last hour');

# --- sql_exporter ----------------------------------------------------------------

my %collector;
foreach my $path (sort glob "$top/examples/sql_exporter/*.collector.yml")
{
	my $yaml = eval { CPAN::Meta::YAML->read_string(slurp($path)) };
	my ($file) = $path =~ m{([^/]+)$};

	ok($yaml && @$yaml == 1, "sql_exporter: $file is YAML") or diag($@);
	$collector{ $yaml->[0]{collector_name} } = $yaml->[0];
	is("$yaml->[0]{collector_name}.collector.yml", $file, "sql_exporter: $file is called as what it holds");
}
my $config = CPAN::Meta::YAML->read_string(slurp("$top/examples/sql_exporter/sql_exporter.yml"))->[0];
is_deeply([ sort @{ $config->{target}{collectors} } ], [ sort keys %collector ], 'sql_exporter: the configuration names the collectors there are');

my %metrics;
foreach my $name (sort keys %collector)
{
	foreach my $metric (@{ $collector{$name}{metrics} })
	{
		my $title = "sql_exporter: $metric->{metric_name}";
		my @labels = @{ $metric->{key_labels} || [] };
		my @values = @{ $metric->{values} };

		ok(!$metrics{ $metric->{metric_name} }++, "$title: is there once");
		like($metric->{metric_name}, qr/^apikey_[a-z_]+$/, "$title: a name Prometheus takes");
		like($metric->{type}, qr/^(?:counter|gauge)$/, "$title: a type it knows");
		is(($metric->{metric_name} =~ /_total$/) ? 'counter' : 'gauge', $metric->{type}, "$title: counters end in _total");
		ok($metric->{help}, "$title: says what it is");
		is(@values > 1 ? 1 : 0, $metric->{value_label} ? 1 : 0, "$title: several values have a label to tell them apart");
		# the server's own figures are for members of all tenants
		foreach my $role ($name eq 'apikey' ? ('analyst', 'metrics') : ('metrics'))
		{
			my ($names, $types, $rows) = eval { answer($role, $metric->{query}) };

			ok($names, "$title: the query runs for $role") or diag($@);
			next unless $names;
			is("@$names", join(' ', @labels, @values), "$title: its columns are the labels and values");
			is(scalar(grep { $_ ne 'double precision' } @{$types}[ @labels .. $#$types ]), 0, "$title: values are numbers");
			cmp_ok(scalar(@$rows), '>', 0, "$title: there are rows for $role");
			my %key;
			$key{ join "\t", (split /\t/)[ 0 .. $#labels ] }++ foreach @$rows;
			is(scalar(grep { $_ > 1 } values %key), 0, "$title: one row for each set of labels");
			is(scalar(grep { /$foreign/ } @$rows), 0, "$title: none of other tenants") if $role eq 'analyst';
		}
	}
}
cmp_ok(scalar(keys %metrics), '>=', 10, 'sql_exporter: there are metrics');
my %query = map { $_->{metric_name} => $_->{query} } @{ $collector{apikey}{metrics} };
my @shop  = grep { /^shop\t/ } @{ (answer('analyst', $query{apikey_requests_total}))[2] };
is_deeply([ sort @shop ], [ map { "shop\tproduction\t$_" } "ACCEPTED\t1060", "ENDPOINT_DENIED\t100" ], 'sql_exporter: requests are counted once each');
@shop = grep { /^shop\t.*failing/ } @{ (answer('analyst', $query{apikey_keys}))[2] };
is_deeply(\@shop, ["shop\tproduction\tfailing\t3"], 'sql_exporter: a key that is verified without a record is not failing');

# --- Node -------------------------------------------------------------------------

# "pg" is Debian's node-pg, or comes from npm
sub node_with_pg
{
	my ($program) = grep { my $p = $_; grep { -x "$_/$p" } split /:/, $ENV{PATH} } qw(node nodejs);

	return (undef, 'there is no node') unless $program;
	mkdir "$dir/report" or die "could not make a directory: $!";
	foreach my $file (qw(package.json report.mjs))
	{
		open my $fh, '>:raw', "$dir/report/$file" or die "could not write: $!";
		print $fh slurp("$top/examples/node/$file");
		close $fh;
	}
	if (-d '/usr/share/nodejs/pg')
	{
		mkdir "$dir/report/node_modules";
		symlink '/usr/share/nodejs/pg', "$dir/report/node_modules/pg";
	}
	else
	{
		return (undef, 'there is neither node-pg nor npm') unless grep { -x "$_/npm" } split /:/, $ENV{PATH};
		my ($out, $err) = ('', '');
		local $ENV{npm_config_cache} = "$dir/npm";
		# the certificates of this machine, as other programs have them
		local $ENV{npm_config_cafile} = '/etc/ssl/certs/ca-certificates.crt' if -r '/etc/ssl/certs/ca-certificates.crt';
		eval {
			IPC::Run::run([ 'npm', 'install', '--prefix', "$dir/report", '--no-audit', '--no-fund', '--ignore-scripts', '--fetch-retries=1', '--fetch-timeout=30000' ],
				'<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(170));
		};
		return (undef, 'npm could not install pg') unless -d "$dir/report/node_modules/pg";
	}
	return ($program, undef);
}

my ($program, $why) = node_with_pg();
SKIP:
{
	skip "node: $why", 10 unless $program;
	local $ENV{PGHOST}     = $node->host;
	local $ENV{PGPORT}     = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{PGUSER}     = 'analyst';
	my ($out, $err) = ('', '');
	ok(run_log([ $program, "$dir/report/report.mjs", '2' ], '>', \$out, '2>', \$err), 'node: the report runs') or diag($err);
	foreach my $title ('Requests of the last 2 days', 'Why they were denied', 'Busiest keys of the last 24 hours', 'Keys that need somebody')
	{
		like($out, qr/^\Q$title\E\n  \S+.*\n  \S/m, "node: $title");
	}
	like($out, qr/^  shop  +ENDPOINT_DENIED  +100  +4  +1$/m, 'node: figures are right');
	unlike($out, qr/$foreign/, 'node: nothing of other tenants');
	run_log([ $program, "$dir/report/report.mjs", "1; DROP" ], '>', \$out, '2>', \$err);
	like($err, qr/^usage: /, 'node: bad arguments are told');

	my ($block) = grep { $_->{info} eq 'js' } DocPage->new("$top/doc/apikey-usage.md")->blocks;
	open my $fh, '>', "$dir/report/top.mjs" or die "could not write: $!";
	print $fh $block->{text};
	close $fh;
	ok(run_log([ $program, "$dir/report/top.mjs" ], '>', \$out, '2>', \$err), 'node: the lines of the page run') or diag($err);
	like($out, qr/'shop'.*'web1 of shop'.*'45'.*'25'/, 'node: and tell what was done');
}

$node->stop;
done_testing();
