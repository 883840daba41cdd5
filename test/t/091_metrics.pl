# The metrics of examples/ are what Prometheus gets.  Those for Debian's
# prometheus-sql-exporter: the exporter itself is started with the file as it
# is, for roles with different rights, and what it answers over HTTP is compared
# with SQL, names that somebody chose to break it included.  Those for
# sql_exporter: the file has the fields that program knows, the same queries,
# and its columns are the labels and values it names.
use strict;
use warnings;
use CPAN::Meta::YAML;
use HTTP::Tiny;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use ApikeyTest;
use ExampleData;

my $top     = $ENV{top_builddir};
my $node    = example_node('metrics');
my $dir     = PostgreSQL::Test::Utils::tempdir;
my $foreign = foreign($node);
my $wait    = $ENV{PG_TEST_TIMEOUT_DEFAULT} || 180;

sub yaml
{
	my ($path) = @_;
	my $yaml = eval { CPAN::Meta::YAML->read_string(slurp("$top/examples/$path")) };

	ok($yaml && @$yaml == 1, "$path is YAML") or diag($@);
	return $yaml->[0];
}

# --- the file for sql_exporter -------------------------------------------------

# fields there are, as config/*.go of the program has them; others are an error
my %known = (
	config    => [qw(global collector_files target jobs collectors)],
	global    => [qw(min_interval scrape_timeout scrape_timeout_offset scrape_error_drop_interval max_connection_lifetime max_connections max_idle_connections)],
	target    => [qw(name data_source_name collectors enable_ping)],
	collector => [qw(collector_name min_interval metrics queries)],
	metric    => [qw(metric_name type help key_labels static_labels value_label values query query_ref no_prepared_statement static_value timestamp_value)]);

sub fields_known
{
	my ($what, $hash, $title) = @_;
	my %k = map { $_ => 1 } @{ $known{$what} };

	is(join(' ', grep { !$k{$_} } sort keys %$hash), '', "$title: the program knows its fields");
}

my %collector;
foreach my $path (sort glob "$top/examples/sql_exporter/*.collector.yml")
{
	my ($file) = $path =~ m{([^/]+)$};
	my $yaml = yaml("sql_exporter/$file");

	$collector{ $yaml->{collector_name} } = $yaml;
	is("$yaml->{collector_name}.collector.yml", $file, "sql_exporter: $file is called as what it holds");
	fields_known('collector', $yaml, "sql_exporter: $file");
	like($yaml->{min_interval} // '0s', qr/^\d+s$/, "sql_exporter: $file: an interval");
}
my $config = yaml('sql_exporter/sql_exporter.yml');
fields_known('config', $config, 'sql_exporter');
fields_known('global', $config->{global}, 'sql_exporter: global');
fields_known('target', $config->{target}, 'sql_exporter: target');
is_deeply([ sort @{ $config->{target}{collectors} } ], [ sort keys %collector ], 'sql_exporter: the configuration names the collectors there are');
unlike($config->{target}{data_source_name}, qr{//[^/@]*:[^/@]*@}, 'sql_exporter: no password in it');

my %metric;
foreach my $name (sort keys %collector)
{
	foreach my $metric (@{ $collector{$name}{metrics} })
	{
		my $title = "sql_exporter: $metric->{metric_name}";
		my @labels = @{ $metric->{key_labels} || [] };
		my @values = @{ $metric->{values} };

		fields_known('metric', $metric, $title);
		ok(!$metric{ $metric->{metric_name} }, "$title: is there once");
		$metric{ $metric->{metric_name} } = $metric;
		$metric->{job} = $name;
		like($metric->{metric_name}, qr/^apikey_[a-z_]+$/, "$title: a name Prometheus takes");
		is(scalar(grep { !/^[a-z_]+$/ || /^(?:__|job$|instance$)/ } @labels, $metric->{value_label} // 'x'), 0, "$title: and such labels");
		like($metric->{type}, qr/^(?:counter|gauge)$/, "$title: a type it knows");
		is(($metric->{metric_name} =~ /_total$/) ? 'counter' : 'gauge', $metric->{type}, "$title: counters end in _total");
		ok($metric->{help}, "$title: says what it is");
		is(@values > 1 ? 1 : 0, $metric->{value_label} ? 1 : 0, "$title: several values have a label to tell them apart");
		like($metric->{query}, qr/ORDER BY \d DESC.*\n\s*LIMIT 1000\s*\z/, "$title: is bounded, largest first") if $name eq 'apikey';
		unlike("@labels", qr/key|secret|owner|name|ip/, "$title: no keys and persons in labels");
	}
}
cmp_ok(scalar(keys %metric), '>=', 14, 'sql_exporter: there are metrics');

# from_sql($role, $metric): {series => value}, series as the labels in order
sub from_sql
{
	my ($role, $metric) = @_;
	my @labels = @{ $metric->{key_labels} || [] };
	my ($names, $types, $rows) = answer($node, $role, $metric->{query});
	my %series;

	die "columns: @$names" if "@$names" ne join ' ', @labels, @{ $metric->{values} };
	die "types: @$types" if grep { $_ ne 'double precision' } @{$types}[ @labels .. $#$types ];
	foreach my $row (@$rows)
	{
		die 'a value is NULL' if grep { !defined } @$row;
		foreach my $i (0 .. $#{ $metric->{values} })
		{
			my $key = join "\0", @{$row}[ 0 .. $#labels ], $metric->{values}[$i];
			die "twice: $key" if exists $series{$key};
			$series{$key} = $row->[ @labels + $i ] + 0;
		}
	}
	return \%series;
}

foreach my $name (sort keys %metric)
{
	foreach my $role ($metric{$name}{job} eq 'apikey' ? ('analyst', 'metrics') : ('metrics'))
	{
		my $series = eval { from_sql($role, $metric{$name}) };

		ok($series, "sql_exporter: $name: as $role its columns are labels and values, one row for each set of labels") or diag($@);
		cmp_ok(scalar(keys %{ $series || {} }), '>', 0, "sql_exporter: $name: there are some for $role");
		is(scalar(grep { /$foreign/ } keys %{ $series || {} }), 0, "sql_exporter: $name: none of other tenants") if $role eq 'analyst';
	}
	my $series = eval { from_sql('nobody', $metric{$name}) };
	like($@, qr/permission denied/, "sql_exporter: $name: a role without access has no answer");
}
my $requests = from_sql('analyst', $metric{apikey_requests_total});
is_deeply([ map { s/\0/ /gr . " $requests->{$_}" } sort grep { /^shop\0/ } keys %$requests ],
	[ 'shop production ACCEPTED requests 1060', 'shop production ENDPOINT_DENIED requests 100' ], 'sql_exporter: requests are counted once each');
my $keys = from_sql('analyst', $metric{apikey_keys});
is_deeply([ map { s/\0/ /gr . " $keys->{$_}" } grep { /^shop\0.*failing/ } keys %$keys ],
	['shop production failing keys 3'], 'sql_exporter: a key that is verified without a record is not failing');
my $used = from_sql('metrics', $metric{apikey_quota_used_ratio});
is(scalar(grep { $_ < 0 || $_ > 1 } values %$used), 0, 'sql_exporter: quotas are used from 0 to 1, whatever their size');

# --- the file for Debian's exporter is the same ------------------------------------

my $file = 'prometheus-sql-exporter/prometheus-sql-exporter.yml';
my $jobs = yaml($file);
is(join(' ', sort keys %$jobs), 'jobs', "$file: the exporter knows its fields");
my %sql;
foreach my $job (@{ $jobs->{jobs} })
{
	is(join(' ', sort keys %$job), 'connections interval keepalive name queries', "$file: $job->{name}: the exporter knows its fields");
	is_deeply($job->{connections}, ['{{APIKEY_METRICS_URL}}'], "$file: $job->{name}: connects to where the environment says");
	foreach my $query (@{ $job->{queries} })
	{
		my ($original) = grep { s/_total$//r eq $query->{name} } keys %metric;
		my $metric = $metric{ $original // '' };

		ok($metric, "$file: $query->{name} is there for sql_exporter") or next;
		$sql{$original} = "sql_$query->{name}";
		is($job->{name}, $metric->{job}, "$file: $query->{name}: so is its job");
		is_deeply({ %$query, labels => $query->{labels} || [] },
			{ name => $query->{name}, help => $metric->{help}, labels => $metric->{key_labels} || [], values => $metric->{values}, query => $metric->{query}, allow_zero_rows => 'true' },
			"$file: $query->{name}: the same but for what must differ");
	}
}
is(join(' ', sort keys %sql), join(' ', sort keys %metric), "$file: no metric is missing");

# --- the exporter itself --------------------------------------------------------

# parsed($text): {name => {type, help, samples => [[labels, value]]}}, of a text
# in the exposition format of Prometheus; dies of anything else
sub parsed
{
	my ($text) = @_;
	my %family;
	my $value = qr/[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN/;

	die 'no newline at the end' unless $text =~ s/\n\z//;
	foreach my $line (split /\n/, $text, -1)
	{
		if ($line =~ /^# HELP ([a-zA-Z_:][\w:]*) (.*)\z/s)
		{
			die "help of $1 twice" if $family{$1}{help};
			$family{$1}{help} = $2;
		}
		elsif ($line =~ /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)\z/)
		{
			die "type of $1 twice" if $family{$1}{type};
			$family{$1}{type} = $2;
		}
		elsif ($line =~ /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\]|\\[\\"n])*",?)*)\})? ($value)\z/s)
		{
			my ($name, $labels, $number) = ($1, $2 // '', $3);
			my %label;

			while ($labels =~ /\G([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\"n])*)"(?:,|\z)/gcs)
			{
				my ($l, $v) = ($1, $2);
				die "label $l twice" if exists $label{$l};
				$label{$l} = $v =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ger;
				my $copy = $label{$l};
				die 'not UTF-8' unless utf8::decode($copy) || $copy !~ /[^\x00-\x7f]/;
			}
			die "series of $name twice" if $family{$name}{seen}{ join "\0", map { "$_\0$label{$_}" } sort keys %label }++;
			push @{ $family{$name}{samples} }, [ \%label, $number ];
		}
		else
		{
			die "not a line of metrics: $line";
		}
	}
	return \%family;
}

# a copy of the file whose jobs run each second, nothing else differs
my $quick = "$dir/quick.yml";
{
	open my $fh, '>:raw', $quick or die "could not write: $!";
	print $fh slurp("$top/examples/$file") =~ s/^(    interval: )60s$/${1}1s/gmr;
	close $fh;
}
my $program = '/usr/bin/prometheus-sql-exporter';
$program = (grep { -x } map { "$_/prometheus-sql-exporter" } split /:/, $ENV{PATH})[0] // $program;
ok(-x $program, 'Debian has the exporter') or BAIL_OUT('prometheus-sql-exporter is missing');

my $exporter;
END
{
	# of a test that died
	my $rc = $?;
	$exporter->{harness}->kill_kill if $exporter;
	$? = $rc;
}

sub exporter_start
{
	my ($role, $path) = @_;
	my $socket = $node->host =~ s{([^\w.-])}{sprintf '%%%02X', ord $1}ger;

	for my $try (1 .. 5)
	{
		my $free = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no port: $!";
		my $port = $free->sockport;
		close $free;
		my $log = "$dir/exporter.$role." . time() . '.log';
		local $ENV{LOGLEVEL} = 'WARN';
		local $ENV{APIKEY_METRICS_URL} =
		  "postgres://$role:not-to-be-told\@/postgres?host=$socket&port=" . $node->port . '&sslmode=disable&statement_timeout=20000&application_name=exporter';
		# nothing else of the environment says where to connect to
		local @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE PGSERVICE)};
		delete @ENV{qw(PGHOST PGPORT PGUSER PGDATABASE PGSERVICE)};
		my $harness = IPC::Run::start([ $program, '-config.file', $path, '-web.listen-address', "127.0.0.1:$port" ], '<', \undef, '>', $log, '2>&1');
		my $end = time() + $wait;
		while (time() < $end && $harness->pumpable)
		{
			if (HTTP::Tiny->new(timeout => 5, proxy => undef, http_proxy => undef)->get("http://127.0.0.1:$port/healthz")->{success})
			{
				$exporter = { harness => $harness, url => "http://127.0.0.1:$port/metrics", log => $log };
				return;
			}
			usleep(50_000);
		}
		$harness->kill_kill;
	}
	die 'the exporter did not start';
}

sub exporter_stop
{
	$exporter->{harness}->signal('TERM');
	eval { $exporter->{harness}->finish };
	my $log = slurp($exporter->{log});
	$exporter = undef;
	return $log;
}

sub scrape
{
	my $answer = HTTP::Tiny->new(timeout => 60, http_proxy => undef)->get($exporter->{url});

	die "$answer->{status} $answer->{content}" unless $answer->{success};
	like($answer->{headers}{'content-type'}, qr{^text/plain; version=0\.0\.4}, 'exporter: a format of Prometheus') unless $exporter->{asked}++;
	return $answer->{content};
}

# series($family, $metric): what from_sql() gives, from a scrape
sub series
{
	my ($family, $name) = @_;
	my %series;

	foreach my $sample (@{ $family->{ $sql{$name} }{samples} || [] })
	{
		my ($label, $value) = @$sample;
		my %l = %$label;
		my $key = join "\0", map { delete $l{$_} } @{ $metric{$name}{key_labels} || [] }, 'col';

		die 'labels: ' . join ' ', %l if join(' ', sort keys %l) ne 'database driver host sql_job user';
		$series{$key} = $value;
	}
	return \%series;
}

# failed($family): names of the queries that the exporter says have failed
sub failed
{
	my ($family) = @_;

	return join ' ', sort map { $_->[0]{query} } grep { $_->[1] != 0 } @{ $family->{sql_exporter_last_scrape_failed}{samples} || [] };
}

# the exporter's figures and those of SQL, at a moment when neither changes: or
# what differed last
sub differences
{
	my ($role, @names) = @_;
	my $end = time() + $wait;
	my ($text, @different);

	do
	{
		my %before = map { $_ => from_sql($role, $metric{$_}) } @names;
		$text = scrape();
		my $family = parsed($text);
		@different = ();
		foreach my $name (@names)
		{
			my ($is, $should) = (series($family, $name), $before{$name});
			push @different, map { "$name: " . s/\0/ /gr . ': ' . ($is->{$_} // 'none') . ', not ' . ($should->{$_} // 'none') }
			  grep { !exists $is->{$_} || !exists $should->{$_} || abs($is->{$_} - $should->{$_}) > 1e-9 * abs $should->{$_} } sort keys %{ { %$is, %$should } };
			push @different, "$name: type $family->{$sql{$name}}{type}" if ($family->{ $sql{$name} }{type} // '') ne 'gauge';
			push @different, "$name: help $family->{$sql{$name}}{help}" if ($family->{ $sql{$name} }{help} // '') ne $metric{$name}{help};
		}
		return ($text) unless @different;
		usleep(200_000);
	} while (time() < $end);
	return ($text, @different);
}

my @ours = grep { $metric{$_}{job} eq 'apikey' } sort keys %metric;
my @server = grep { $metric{$_}{job} eq 'apikey_server' } sort keys %metric;

# as it is installed, once: the first run is at once
exporter_start('metrics', "$top/examples/$file");
ok(poll_code(sub { my $f = parsed(scrape()); !grep { !$f->{$_} } values %sql }), 'exporter: with the file as it is, every metric is there');
exporter_stop();

exporter_start('metrics', $quick);
my ($text, @different) = differences('metrics', @ours, @server);
is(join("\n", @different), '', 'exporter: who may see everything: each figure is that of SQL');
is(failed(parsed($text)), '', 'exporter: no query failed');
like($text, qr/foreign-tenant/, 'exporter: all tenants are there');
SKIP:
{
	my ($promtool) = grep { -x } map { "$_/promtool" } split /:/, $ENV{PATH};
	skip 'there is no promtool (Debian: prometheus)', 3 unless $promtool;
	my ($out, $err) = ('', '');
	ok(run_log([ $promtool, 'check', 'metrics' ], '<', \$text, '>', \$out, '2>', \$err), 'exporter: promtool has nothing to say') or diag("$out$err");
	# as sql_exporter writes them
	my $told = join '', map {
		my $metric = $metric{$_};
		my $series = from_sql('metrics', $metric);
		my @names = (@{ $metric->{key_labels} || [] }, $metric->{value_label} // '');
		"# HELP $_ $metric->{help}\n# TYPE $_ $metric->{type}\n" . join '', map {
			my @values = split /\0/, $_, -1;
			my @labels = map { my $v = $values[$_]; $v =~ s/([\\"])/\\$1/g; $v =~ s/\n/\\n/g; qq{$names[$_]="$v"} } grep { $names[$_] ne '' } 0 .. $#names;
			"$metric->{metric_name}" . (@labels ? '{' . join(',', @labels) . '}' : '') . " $series->{$_}\n"
		} sort keys %$series
	} sort keys %metric;
	ok(eval { parsed($told) }, 'sql_exporter: they are metrics') or diag($@);
	ok(run_log([ $promtool, 'check', 'metrics' ], '<', \$told, '>', \$out, '2>', \$err), 'sql_exporter: promtool has nothing to say') or diag("$out$err");
}
unlike(exporter_stop(), qr/not-to-be-told/, 'exporter: no password in its log');

exporter_start('analyst', $quick);
($text, @different) = differences('analyst', @ours);
my $family = parsed($text);
is(join("\n", @different), '', 'exporter: an analyst: each figure is that of SQL');
unlike($text, qr/$foreign/, 'exporter: and nothing of other tenants');
unlike($text, qr/not-to-be-told/, 'exporter: no password in a label');
is(scalar(grep { $family->{ $sql{$_} } } @server), 0, 'exporter: nor of the server');
is(failed($family), join(' ', sort map { $sql{$_} =~ s/^sql_//r } @server), 'exporter: which is told');
my %environments = map { $_->[0]{environment} => 1 } grep { $_->[0]{tenant} eq 'hostile' } @{ $family->{sql_apikey_logged}{samples} };
is_deeply([ sort keys %environments ], [ sort map { my $t = $_; utf8::encode($t); $t } @hostile ], 'exporter: strange names are what they are');
foreach my $secret (split /\n/, $node->safe_psql('postgres', 'SELECT key FROM traffic UNION ALL SELECT key FROM quiet UNION ALL SELECT hint FROM apikey.key_secret'))
{
	die 'no secret to look for' unless length $secret > 8;
	next if index($text, $secret) < 0;
	fail('exporter: no keys nor hints of them in what is told');
}
exporter_stop();

exporter_start('nobody', $quick);
ok(poll_code(sub { failed(parsed(scrape())) eq join ' ', sort map { s/^sql_//r } values %sql }), 'exporter: a role without access: every query failed');
is(join(' ', grep { /^sql_apikey/ } keys %{ parsed(scrape()) }), '', 'exporter: and there is no figure');
exporter_stop();

# what is gone is gone, and is not shown as it was
$node->safe_psql('postgres', q{CREATE ROLE shopper LOGIN; SELECT apikey.grant_access('shopper', 'analyst', 'shop')});
exporter_start('shopper', $quick);
($text, @different) = differences('shopper', 'apikey_keys_ending', 'apikey_old_secrets_in_use');
is(join("\n", @different), '', 'exporter: keys will end');
cmp_ok(scalar(keys %{ series(parsed($text), 'apikey_keys_ending') }), '>', 0, 'exporter: some do');
$node->safe_psql('postgres', q{SELECT t.key_id FROM traffic t, LATERAL apikey.revoke_key(t.key_id, 'test') WHERE t.tenant = 'shop'});
ok(poll_code(sub { !parsed(scrape())->{sql_apikey_keys_ending} }), 'exporter: revoked, they are no longer told of');

# many environments: the largest thousand rows
$node->safe_psql('postgres', <<'SQL');
SELECT count(apikey.create_environment('shop', 'e' || n, 'e' || n)) FROM generate_series(1, 130) n;
SELECT count(*) FROM generate_series(1, 130) n, LATERAL apikey.create_key('shop', 'e' || n, name => 'k') k;
SQL
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM apikey.compliance_report WHERE tenant = 'shop'}), '>', 1000, 'there are more series than a thousand');
($text, @different) = differences('shopper', 'apikey_compliance_violations');
is(join("\n", @different), '', 'exporter: of very many, each figure is that of SQL');
is(scalar(@{ parsed($text)->{sql_apikey_compliance_violations}{samples} }), 1000, 'exporter: a thousand, not one more');

# a server that is not there is told
$node->stop;
ok(poll_code(sub { failed(parsed(scrape())) =~ /\bapikey_requests\b/ }), 'exporter: a server that is away is told');
exporter_stop();

sub poll_code
{
	my ($code) = @_;
	my $end = time() + $wait;

	while (time() < $end)
	{
		return 1 if eval { $code->() };
		usleep(200_000);
	}
	diag($@) if $@;
	return 0;
}

done_testing();
