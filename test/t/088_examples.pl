# Grafana's dashboard and the report for Node, of examples/: the dashboard has the
# fields that Grafana's schema has, and each query of it, expanded as Grafana
# does it, works for an analyst and answers with the columns that the panel around
# it names, and with nothing of other tenants.  The report is run.
use strict;
use warnings;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use DocPage;
use ExampleData;

my $top     = $ENV{top_builddir};
my $node    = example_node('examples');
my $dir     = PostgreSQL::Test::Utils::tempdir;
my $foreign = foreign($node);

# --- Grafana -------------------------------------------------------------------

my $text      = slurp("$top/examples/grafana/apikey.json");
my $dashboard = eval { JSON::PP->new->utf8->decode($text) };
ok(ref $dashboard eq 'HASH', 'grafana: the dashboard is JSON') or diag($@);
my @panels = @{ $dashboard->{panels} };

# fields and their values, as Grafana's schema of a dashboard has them (kinds/dashboard,
# packages/grafana-schema), as far as they are used here: a number, text, bool, a
# pattern of text, [what a list is of], or the name of an object; "?" may be absent
my %schema = (
	dashboard => { id => 'null', uid => qr/^[\w-]{1,40}$/, title => 'text', description => 'text', tags => ['text'], schemaVersion => 'number', version => 'number',
		editable => 'bool', graphTooltip => qr/^[012]$/, refresh => qr/^\d+[smh]$/, time => 'range', timezone => qr/^(?:browser|utc)$/, annotations => 'annotations',
		links => ['link'], templating => 'templating', panels => ['panel'], __inputs => ['input'], __requires => ['require'] },
	input => { name => qr/^DS_[A-Z]+$/, label => 'text', description => 'text', type => qr/^datasource$/, pluginId => 'text', pluginName => 'text' },
	require => { type => qr/^(?:grafana|datasource|panel)$/, id => 'text', name => 'text', version => 'any' },
	range => { from => qr/^now-\d+[mhd]$/, to => qr/^now$/ },
	annotations => { list => ['annotation'] },
	annotation => { name => 'text', datasource => 'source', enable => 'bool', hide => 'bool', iconColor => 'text', 'builtIn?' => 'number', 'type?' => 'text', 'target?' => 'target' },
	source => { type => qr/^(?:postgres|grafana)$/, uid => 'text' },
	templating => { list => ['variable'] },
	variable => { name => qr/^\w+$/, label => 'text', description => 'text', type => qr/^query$/, datasource => 'source', query => 'text', definition => 'text', refresh => qr/^[012]$/,
		multi => 'bool', includeAll => 'bool', allValue => 'text', sort => qr/^[0-8]$/, current => 'any' },
	link => 'none',
	panel => { id => 'number', type => qr/^(?:row|stat|table|timeseries)$/, title => 'text', gridPos => 'grid', 'description?' => 'text', 'datasource?' => 'source', 'fieldConfig?' => 'fields',
		'options?' => 'any', 'targets?' => ['target'], 'interval?' => qr/^\d+[smhd]$/, 'timeFrom?' => qr/^\d+[mhd]$/, 'hideTimeOverride?' => 'bool', 'collapsed?' => 'bool', 'panels?' => ['panel'] },
	grid => { x => 'number', y => 'number', w => 'number', h => 'number' },
	target => { refId => qr/^\w+$/, datasource => 'source', editorMode => qr/^code$/, rawQuery => 'bool', format => qr/^(?:table|time_series)$/, rawSql => 'text' },
	fields => { defaults => 'field', overrides => ['override'] },
	field => { 'unit?' => 'text', 'decimals?' => 'number', 'min?' => 'number', 'max?' => 'number', 'noValue?' => 'text', 'thresholds?' => 'thresholds', 'mappings?' => ['mapping'], 'links?' => ['datalink'],
		'color?' => 'color', 'custom?' => 'any' },
	thresholds => { mode => qr/^(?:absolute|percentage)$/, steps => ['step'] },
	step => { color => 'text', value => 'any' },
	mapping => { type => qr/^value$/, options => 'any' },
	datalink => { title => 'text', url => 'text' },
	color => { mode => qr/^(?:fixed|thresholds|palette-classic)$/, 'fixedColor?' => 'text' },
	override => { matcher => 'matcher', properties => ['property'] },
	matcher => { id => qr/^byName$/, options => 'text' },
	property => { id => 'text', value => 'any' });

# misfits($what, $value, $where): what does not fit the schema
sub misfits
{
	my ($what, $value, $where) = @_;

	return () if $what eq 'any';
	if (ref $what eq 'ARRAY')
	{
		return "$where: not a list" unless ref $value eq 'ARRAY';
		return map { misfits($what->[0], $value->[$_], "$where\[$_]") } 0 .. $#$value;
	}
	if (ref $what eq 'Regexp')
	{
		return defined $value && !ref $value && $value =~ $what ? () : "$where: $what";
	}
	return defined $value ? "$where: not null" : () if $what eq 'null';
	return JSON::PP::is_bool($value) ? () : "$where: not a bool" if $what eq 'bool';
	return defined $value && !ref $value && $value =~ /^-?\d+(?:\.\d+)?$/ ? () : "$where: not a number" if $what eq 'number';
	return defined $value && !ref $value && length $value ? () : "$where: not text" if $what eq 'text';
	my $fields = $schema{$what};
	return "$where: not known" unless ref $fields eq 'HASH';
	return "$where: not an object" unless ref $value eq 'HASH';
	my @misfits;
	my %left = %$value;
	foreach my $name (sort keys %$fields)
	{
		my $optional = (my $field = $name) =~ s/\?$//;

		if (exists $left{$field})
		{
			push @misfits, misfits($fields->{$name}, delete $left{$field}, "$where.$field");
		}
		elsif (!$optional)
		{
			push @misfits, "$where.$field: missing";
		}
	}
	return (@misfits, map { "$where.$_: no such field" } sort keys %left);
}
is(join("\n", misfits('dashboard', $dashboard, 'dashboard')), '', 'grafana: fields are those of its schema');
is_deeply([ map { $_->{id} } grep { $_->{type} eq 'panel' } @{ $dashboard->{__requires} } ],
	[ sort keys %{ { map { $_->{type} => 1 } grep { $_->{type} ne 'row' } @panels } } ], 'grafana: it requires the panels it has');
foreach my $panel (@panels)
{
	my @overrides = @{ $panel->{fieldConfig}{overrides} || [] };
	my %field = map { $_->{id} => $_->{value} } map { @{ $_->{properties} } } @overrides;

	# properties of an override are fields of a field, too
	foreach my $property (map { @{ $_->{properties} } } @overrides)
	{
		next if $property->{id} =~ /^custom\.(?:cellOptions)$/;
		is(join("\n", misfits('field', { $property->{id} => $property->{value} }, $panel->{title})), '', "grafana: $panel->{title}: $property->{id} is a property of fields");
	}
	foreach my $thresholds (grep { defined } $panel->{fieldConfig}{defaults}{thresholds}, map { $_->{value} } grep { $_->{id} eq 'thresholds' } map { @{ $_->{properties} } } @overrides)
	{
		my ($first, @rest) = map { $_->{value} } @{ $thresholds->{steps} };
		is($first, undef, "grafana: $panel->{title}: thresholds begin with all");
		is_deeply([ sort { $a <=> $b } @rest ], \@rest, "grafana: $panel->{title}: and rise");
	}
	is(scalar(keys %{ { map { $_->{matcher}{options} => 1 } @overrides } }), scalar(@overrides), "grafana: $panel->{title}: one override for a column");
}

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

# What Grafana makes of a query.  First the browser: variables, then the data
# source's server: $__interval, then macros, whose arguments end at the first ")"
# and are parted by commas, whatever is in them and wherever they are, in a text of
# somebody's choice, too.
our ($from, $to) = split /\|/, $node->safe_psql('postgres',
	q{SELECT to_char(t AT TIME ZONE 'UTC' - interval '24 hours', f), to_char(t AT TIME ZONE 'UTC', f) FROM (SELECT now() AS t, 'YYYY-MM-DD"T"HH24:MI:SS"Z"' AS f) n});
my %variable = map { $_->{name} => $_ } @{ $dashboard->{templating}{list} };
my %chosen;
our $interval = '1h';

# a variable where it is asked for without a format: as text of SQL.  (A double
# quote gets a backslash, which is wrong for PostgreSQL: so nothing that may
# hold one can be a value.)  "All" of a variable that says what to put for it is
# put as it is.
sub value_of
{
	my ($name) = @_;
	my $variable = $variable{$name} or die "no variable $name";
	my $values = $chosen{$name} or die "nothing chosen for $name";

	return $variable->{allValue} if $values eq '$__all';
	return join ',', map { my $v = s/'/''/gr; $v =~ s/"/\\"/g; "'$v'" } @$values;
}

sub seconds
{
	my ($text) = @_;
	my %unit = (s => 1, m => 60, h => 3600, d => 86400, w => 604800);
	my ($n, $unit) = $text =~ /^'?(\d+)([smhdw])'?$/ or die "not an interval: $text";
	my $seconds = $n * $unit{$unit};

	# as Go prints it
	return $seconds < 1e6 ? $seconds : sprintf('%.15g', $seconds / 10**int(log($seconds) / log(10) + 1e-9)) . sprintf 'e+%02d', int(log($seconds) / log(10) + 1e-9);
}

my %macro;
%macro = (
	__timeFilter => sub { "$_[0] BETWEEN '$from' AND '$to'" },
	__timeFrom => sub { "'$from'" },
	__timeTo => sub { "'$to'" },
	__timeGroup => sub {
		my $n = seconds($_[1]);
		die "fill $_[2]" if @_ > 3 || @_ == 3 && $_[2] !~ /^(?:NULL|previous|-?\d+(?:\.\d+)?)$/;
		return "floor(extract(epoch from $_[0])/$n)*$n";
	},
	__timeGroupAlias => sub { $macro{__timeGroup}->(@_) . ' AS "time"' });

sub expanded
{
	my ($query) = @_;

	# the browser leaves alone what is no variable; it knows $__interval, too
	$query =~ s/\$(?:(\w+)|\{(\w+)\})/my $n = $1 \/\/ $2; $n eq '__interval' ? "'$interval'" : $n =~ m{^__} ? "\$$n" : value_of($n)/ge;
	die "a format or index that is not known here: $&" if $query =~ /\$\{|\[\[/;
	$query =~ s/\$__interval/$interval/g;
	$query =~ s/\$([_a-zA-Z0-9]+)\(([^)]*)\)/($macro{$1} || die "unknown macro $1")->(map { s{^ +| +$}{}gr } split m{,}, $2, -1)/ge;
	die "not understood: $query" if $query =~ /\$_/;
	return $query;
}
eval { expanded($_) } and fail("grafana: refused: $_") foreach '$other', '${tenant:csv}', '[[tenant]]', '$__unknown(a)', q{$__timeGroup(a, 'x')};
{
	local $interval = '30d';
	is(expanded('$__timeGroupAlias(a, $__interval, 0)'), 'floor(extract(epoch from a)/2.592e+06)*2.592e+06 AS "time"', 'grafana: a long interval');
}

$chosen{$_} = '$__all' foreach keys %variable;
my %value;
foreach my $variable (@{ $dashboard->{templating}{list} })
{
	my $name = $variable->{name};
	is($variable->{query}, $variable->{definition}, "grafana: variable $name is defined as it is asked");
	my ($names, $types, $rows) = answer($node, 'analyst', expanded($variable->{query}));

	# one column, or a text to show and a value
	my %at = map { $names->[$_] => $_ } 0 .. $#$names;
	ok(@$names == 1 || join(' ', sort @$names) eq '__text __value', "grafana: variable $name: columns");
	$value{$name} = { map { ($_->[ $at{__text} // 0 ] => $_->[ $at{__value} // 0 ]) } @$rows };
	ok(@$rows > 0, "grafana: variable $name has values");
	is(scalar(grep { /^(?:$foreign)/ } map { @$_ } @$rows), 0, "grafana: variable $name: none of other tenants");
	is(scalar(grep { !m{^[\w./-]+$} } values %{ $value{$name} }), 0, "grafana: variable $name: nothing in a value that Grafana would quote, or take for a macro");
	my (undef, undef, $all) = answer($node, 'analyst', $variable->{allValue});
	is_deeply([ sort map { $_->[0] } @$all ], [ sort values %{ $value{$name} } ], "grafana: variable $name: All is all of them") if $name ne 'tenant';
	is_deeply([ sort keys %{ { map { $_->[0] => 1 } @$all } } ], [ sort values %{ $value{$name} } ], "grafana: variable $name: All is all of them") if $name eq 'tenant';
}
ok(exists $value{tenant}{shop}, 'grafana: the tenant is among them');
is(scalar(grep { /^hostile: / } keys %{ $value{environment} }), scalar(@hostile), 'grafana: so are environments with strange names');

my @targets = map { my $p = $_; map { [ $p, $_ ] } @{ $p->{targets} } } grep { $_->{type} ne 'row' } @panels;
foreach my $pair (@targets)
{
	my ($panel, $target) = @$pair;
	my $title = "grafana: $panel->{title}";

	ok($panel->{description}, "$title: says what it shows");
	# all, and each by itself, as intervals of long and short ranges
	foreach my $choice ([ '$__all', '$__all', '1h' ], [ [ values %{ $value{tenant} } ], [ values %{ $value{environment} } ], '1d' ])
	{
		local @chosen{qw(tenant environment)} = @{$choice}[ 0, 1 ];
		local $interval = $choice->[2];
		my ($names, $types, $rows) = eval { answer($node, 'analyst', expanded($target->{rawSql})) };

		ok($names, "$title: the query runs") or diag($@);
		next unless $names;
		cmp_ok(scalar(@$rows), '>', 0, "$title: there are rows");
		is(scalar(grep { /$foreign/ } map { map { $_ // '' } @$_ } @$rows), 0, "$title: none of other tenants");
		if ($panel->{type} eq 'timeseries')
		{
			my %type;
			@type{@$names} = @$types;
			is($target->{format}, 'time_series', "$title: is asked for as a series");
			is($names->[0], 'time', "$title: begins with the time");
			like(delete $type{time}, qr/^(?:double precision|numeric|timestamp with time zone)$/, "$title: which is one");
			is(delete($type{metric}) // 'text', 'text', "$title: series have names");
			# the name of a series is that of its metric if there is one value
			is(scalar(keys %type), 1, "$title: and one value") if grep { $_ eq 'metric' } @$names;
			is_deeply([ grep { !/^(?:bigint|double precision|numeric)$/ } values %type ], [], "$title: the rest are numbers");
			ok(keys %type > 0, "$title: and there are some");
			is_deeply([ map { $_->[0] } @$rows ], [ sort map { $_->[0] } @$rows ], "$title: rows are in the order of time");
			is($panel->{interval}, '1h', "$title: hours are not divided") if $target->{rawSql} =~ /\$__interval/;
		}
		else
		{
			is($target->{format}, 'table', "$title: is asked for as a table");
			is_deeply([ grep { /\[\]$|^(?:inet|interval|jsonb|bytea)$/ } @$types ], [], "$title: types that Grafana shows");
			is(scalar(grep { $_ eq 'time' || $_ eq 'metric' } @$names), 0, "$title: no column with a meaning of its own");
		}
		if ($panel->{type} eq 'stat')
		{
			is("@{[ scalar @$rows ]} @{[ scalar @$names ]}", '1 1', "$title: one figure");
			ok(defined $rows->[0][0], "$title: and it is there");
		}
		my %there = map { $_ => 1 } @$names;
		my @absent = grep { !$there{$_} } map { $_->{matcher}{options} } @{ $panel->{fieldConfig}{overrides} };
		is("@absent", '', "$title: formats are of columns it has");
	}
	like($target->{rawSql}, qr/tenant IN \(\$tenant\)/, "$title: is of the tenants chosen");
	eval { answer($node, 'nobody', expanded($target->{rawSql})) };
	like($@, qr/permission denied/, "$title: a role without access has no answer");
}
cmp_ok(scalar(@targets), '>=', 15, 'grafana: all panels were asked');

my %annotation;
foreach my $annotation (grep { !$_->{builtIn} } @{ $dashboard->{annotations}{list} })
{
	my $title = "grafana: $annotation->{name}";
	my ($names, $types, $rows) = eval { answer($node, 'analyst', expanded($annotation->{target}{rawSql})) };

	ok($names, "$title: the query runs") or diag($@);
	is(join(', ', map { "$names->[$_] $types->[$_]" } 0 .. $#$names), 'time timestamp with time zone, text text, tags text', "$title: columns that annotations have");
	cmp_ok(scalar(@$rows), '>', 0, "$title: there are some");
	is(scalar(grep { /$foreign/ } map { $_->[1] } @$rows), 0, "$title: none of other tenants");
	$annotation{ $annotation->{name} } = [ map { $_->[1] } @$rows ];
}
is_deeply([ grep { / of shop, / } @{ $annotation{'Keys revoked'} } ], ['Revoked gone of shop, owner sue'], 'grafana: a revoked key is marked');
is_deeply([ grep { / of shop, / } @{ $annotation{'Secrets rotated'} } ], ['Rotated web1 of shop of shop, owner bob of shop'], 'grafana: and a rotation');

# the figures are those of the rows: a key here made 20 requests, verified and
# logged, and 25 that were denied; another was verified without a record
sub figures
{
	my %figure;

	foreach my $title ('Requests', 'Denied', 'Accepted and denied', 'The last hour, minute by minute')
	{
		my ($panel) = grep { $_->{title} eq $title } grep { $_->{type} ne 'row' } @panels;
		my (undef, undef, $rows) = answer($node, 'analyst', expanded($panel->{targets}[0]{rawSql}));

		# of a series: its columns added up
		my @sum;
		foreach my $row (@$rows)
		{
			$sum[$_] += $row->[$_] foreach grep { $_ > 0 || @$row == 1 } 0 .. $#$row;
		}
		$figure{$title} = join ' ', map { $_ // '' } @sum;
	}
	return %figure;
}
%chosen = (tenant => ['shop'], environment => [ $value{environment}{'shop: production'} ]);
my %figure = figures();
is($figure{Requests}, 3 * 45 + 1025, 'grafana: requests are as many as were made');
is($figure{Denied} + 0, sprintf('%.15g', 100 / (3 * 45 + 1025)) + 0, 'grafana: denied is a part of them');
is($figure{'Accepted and denied'}, ' ' . (3 * 20 + 1000) . ' ' . (3 * 25 + 25), 'grafana: accepted and denied are as many');
is($figure{'The last hour, minute by minute'}, $figure{'Accepted and denied'}, 'grafana: and so from rows of the last hour');
is_deeply({ do { $chosen{environment} = '$__all'; figures() } }, \%figure, 'grafana: no other environments of the tenant');
foreach my $n (0 .. $#hostile)
{
	my ($name) = grep { $_ eq $hostile[$n] } map { my $t = $_; utf8::decode($t); $t =~ s/^hostile: //r } keys %{ $value{environment} };
	my $bytes = "hostile: $hostile[$n]";
	utf8::encode($bytes);
	%chosen = (tenant => ['hostile'], environment => [ $value{environment}{$bytes} ]);
	is({ figures() }->{Requests}, $n + 2, "grafana: an environment with a strange name can be chosen ($n)");
}

# a range within an hour has that hour in it
{
	local $from = $node->safe_psql('postgres', q{SELECT to_char(max(at) AT TIME ZONE 'UTC' + interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') FROM apikey.usage WHERE key_id IN (SELECT key_id FROM traffic)});
	%chosen = (tenant => ['shop'], environment => '$__all');
	is({ figures() }->{Requests}, 3 * 45 + 1025, 'grafana: a short range has the hour it is in');
}

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
