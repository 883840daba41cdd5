# README.md and doc/ say what an installed server says: every function, type,
# table, view, setting, code, error code and access level, none missing, none
# invented.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use DocPage;

my $top  = $ENV{top_builddir};
my $node = new_node('docs');
my %pages = map { my ($name) = m{([^/]+)\.md$}; $name => DocPage->new($_) } ("$top/README.md", glob "$top/doc/*.md");
my ($reference, $functions, $tables, $settings, $operations) =
  map { $pages{$_} or die "no page $_" } qw(apikey apikey-functions apikey-tables apikey-settings apikey-operations);

sub rows
{
	my ($sql) = @_;

	return split /\n/, $node->safe_psql('postgres', $sql);
}

sub source
{
	my ($path) = @_;

	open my $fh, '<', $path or die "could not open $path: $!";
	local $/;
	return scalar <$fh>;
}

# same_sets($got, $expected, $name): two lists without regard to order
sub same_sets
{
	my ($got, $expected, $name) = @_;
	my %got      = map { $_ => 1 } @$got;
	my %expected = map { $_ => 1 } @$expected;
	my @missing  = grep { !$got{$_} } sort keys %expected;
	my @invented = grep { !$expected{$_} } sort keys %got;

	ok(!@missing && !@invented, $name);
	diag("not documented: $_") foreach @missing;
	diag("documented, but not there: $_") foreach @invented;
}

# table_of($page, $heading, @columns): rows of the first table there whose
# header begins with these words
sub table_of
{
	my ($page, $heading, @columns) = @_;
	my $section = $page->section($heading);

	foreach my $table (@{ $section->{tables} })
	{
		my @header = @{ $table->{header} };
		return @{ $table->{rows} } if join('|', @header[ 0 .. $#columns ]) eq join('|', @columns);
	}
	die $page->path . ": no table @columns under $heading";
}

sub code { return DocPage::code($_[0]) }

# --- functions ---------------------------------------------------------------

sub plain_signature
{
	my ($text) = @_;

	$text =~ s/--[^\n]*//g;
	$text =~ s/\s+/ /g;
	$text =~ s/\( /(/g;
	$text =~ s/ \)/)/g;
	$text =~ s/^ | $//g;
	return $text;
}

my %signature = map { my ($name, $rest) = split /\t/, $_, 2; $name => $rest } rows(<<'SQL');
SELECT proname || E'\t' || 'apikey.' || proname || '('
	|| replace(regexp_replace(pg_get_function_arguments(oid), '::[a-z][a-z_. ]*(\[\])?', '', 'g'), 'timestamp with time zone', 'timestamptz')
	|| ') RETURNS ' || pg_get_function_result(oid)
FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace AND proname !~ '^_'
SQL
my %function_section;
foreach my $section ($functions->sections)
{
	my ($block) = grep { $_->{info} eq '' } @{ $section->{blocks} };

	next unless $section->{level} == 3 && $block;
	my $name = $section->{title};
	$function_section{$name} = $section;
	is(plain_signature($block->{text}), $signature{$name} // 'there is no such function', "function $name");
	next unless $signature{$name};

	# each argument is explained, here or where the page says
	my @missing;
	foreach my $line (split /\n/, $block->{text})
	{
		push @missing, $1 if $line =~ /^\s+(\w+)\s+\S+/ && $line !~ /-- \S/;
	}
	ok(!@missing || $section->{text} =~ /rguments are those of \[/, "function $name: every argument is explained")
	  or diag("without a word: @missing");
	like($section->{text}, qr/^- Returns: /m, "function $name: what it returns");
	like($section->{text}, qr/^- Rights: /m,  "function $name: who may call it");
}
same_sets([ keys %function_section ], [ keys %signature ], 'all functions are documented');

# --- types, tables, views ----------------------------------------------------

my %relation = map { my @f = split /\t/; ("$f[0] apikey.$f[1]" => $f[2]) } rows(<<'SQL');
SELECT CASE relkind WHEN 'c' THEN 'Type' WHEN 'v' THEN 'View' ELSE 'Table' END || E'\t' || relname || E'\t' ||
	(SELECT string_agg(attname || ' ' || replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz')
			|| CASE WHEN relkind NOT IN ('r', 'p') THEN '' WHEN attnotnull THEN ' not null' ELSE ' null' END, ', ' ORDER BY attnum)
	 FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)
FROM pg_class c WHERE relnamespace = 'apikey'::regnamespace AND relkind IN ('c', 'v', 'r', 'p') AND NOT relispartition AND relname !~ '^_'
SQL
my %comment = map { my @f = split /\t/; ($f[0] => $f[1]) } rows(<<'SQL');
SELECT relname || E'\t' || coalesce(obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type'))
FROM pg_class c WHERE relnamespace = 'apikey'::regnamespace AND relkind IN ('c', 'v', 'r', 'p') AND NOT relispartition AND relname !~ '^_'
UNION ALL
SELECT relname || '.' || attname || E'\t' || col_description(c.oid, attnum)
FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
WHERE relnamespace = 'apikey'::regnamespace AND relkind IN ('c', 'v', 'r', 'p') AND NOT relispartition AND relname !~ '^_'
SQL
my %documented;
foreach my $section ($tables->sections)
{
	my ($kind) = $section->{title} =~ /^(Type|Table|View) apikey\.\w+$/ or next;
	my ($table) = grep { $_->{header}[0] eq 'column' } @{ $section->{tables} };
	my @columns = map {
		my ($name, $type, $null) = map { code($_) } @{$_}[ 0 .. 2 ];
		$kind eq 'Table' ? "$name $type " . ($null eq 'yes' ? 'null' : 'not null') : "$name $type";
	} @{ $table->{rows} };

	$documented{ $section->{title} } = 1;
	is(join(', ', @columns), $relation{ $section->{title} } // 'there is no such relation', $section->{title});
	my ($relation) = $section->{title} =~ /(\w+)$/;
	my ($first) = grep { /\S/ } split /\n/, $section->{text};
	is(lcfirst($first), ($comment{$relation} // 'there is none') . '.', "$section->{title}: the words of its comment");
	is(join("\n", map { code($_->[0]) . ' ' . $_->[-1] } @{ $table->{rows} }),
		join("\n", map { code($_->[0]) . ' ' . ($comment{ "$relation." . code($_->[0]) } // '') } @{ $table->{rows} }),
		"$section->{title}: the words of the comments of its columns");
}
same_sets([ keys %documented ], [ keys %relation ], 'all types, tables and views are documented');

# --- settings ----------------------------------------------------------------

my %context = ('postmaster' => 'restart', 'sighup' => 'reload', 'superuser' => 'superuser', 'user' => 'user');
my %setting = map { my @f = split /\t/; ($f[0] => [ @f[ 1 .. 3 ] ]) } rows(<<'SQL');
SELECT name || E'\t' || coalesce(nullif(current_setting(name), ''), 'empty') || E'\t' || context || E'\t' ||
	CASE WHEN vartype = 'enum' THEN array_to_string(enumvals, ', ')
		 WHEN vartype IN ('bool', 'string') THEN ''
		 ELSE min_val || ' to ' || max_val || coalesce(' ' || unit, '') END
FROM pg_settings WHERE name LIKE 'apikey.%'
SQL
my %has_setting;
foreach my $row (table_of($settings, qr/^apikey settings$/, 'setting', 'default', 'range', 'changed by', 'meaning'))
{
	my ($name, $default, $range, $changed, $meaning) = map { code($_) } @$row;

	$has_setting{$name} = 1;
	my $real = $setting{$name} or next;
	is($default, $real->[0], "setting $name: default");
	is($changed, $context{ $real->[1] } // $real->[1], "setting $name: who changes it");
	is($range, $real->[2] // '', "setting $name: range");
	isnt($meaning, '', "setting $name: meaning");
}
same_sets([ keys %has_setting ], [ keys %setting ], 'all settings are documented');
my $guc_source = source("$top/src/guc.c") . source("$top/src/identity.c") . source("$top/src/step_up.c");
foreach my $name ($guc_source =~ /"(apikey\.\w+)"/g)
{
	ok($has_setting{$name} || (grep { $_->{text} =~ /`\Q$name\E`/ } $settings->sections),
		"setting $name is on the page of settings");
}

# --- codes and warnings ------------------------------------------------------

my $codes = source("$top/src/codes.c");
my @codes = map { "$_->[0] $_->[1]" } pairs($codes =~ /\{"([A-Z_]+)", (\d+)\}/g);
sub pairs { my @p; push @p, [ splice @_, 0, 2 ] while @_; return @p }
same_sets([ map { code($_->[2]) . ' ' . $_->[3] } table_of($reference, qr/^Order of checks$/, '#', 'check', 'code', 'http') ],
	\@codes, 'all codes are documented with their status');
my ($names) = $codes =~ /warning_names\[[^{]*\{(.*?)\}/s;
same_sets([ map { code($_->[0]) } table_of($reference, qr/^Warnings$/, 'warning', 'when') ],
	[ $names =~ /"([A-Z_]+)"/g ], 'all warnings are documented');

# --- SQLSTATEs ---------------------------------------------------------------

my %raised;
foreach my $condition (rows(<<'SQL'))
SELECT DISTINCT lower(m[1]) FROM pg_proc,
	regexp_matches(prosrc, 'RAISE\s+(?:EXCEPTION\s+)?(?:SQLSTATE\s+)?''?([A-Za-z0-9_]+)''?\s+USING', 'g') m
WHERE pronamespace = 'apikey'::regnamespace
SQL
{
	if ($condition =~ /^ak\d\d\d$/)
	{
		$raised{ uc $condition } = 1;
		next;
	}
	next if $condition =~ /^(?:debug|log|info|notice|warning)$/;
	$raised{ scalar sqlstate_of($node, "DO 'BEGIN RAISE $condition; END'") } = 1;
}
my %macro;
my $errcodes = source(scalar(run_simple_command('pg_config', '--includedir-server')) . '/utils/errcodes.h')
  . source("$top/src/errors.h");
while ($errcodes =~ /#define (\w+)\s+MAKE_SQLSTATE\(([^)]*)\)/g)
{
	my ($name, $letters) = ($1, $2);

	$macro{$name} = join '', $letters =~ /'(.)'/g;
}
foreach my $path (glob "$top/src/*.c")
{
	my $text = source($path);

	$raised{ $macro{$1} // $1 } = 1 while $text =~ /errcode\((\w+)\)/g;
}
same_sets([ map { code($_->[0]) } table_of($reference, qr/^Error codes$/, 'SQLSTATE', 'condition', 'when') ],
	[ keys %raised ], 'all SQLSTATEs are documented');
foreach my $row (table_of($reference, qr/^Error codes$/, 'SQLSTATE', 'condition', 'when'))
{
	my ($state, $condition) = map { code($_) } @$row;

	next if $condition eq '' || $state =~ /^AK/;
	is(scalar sqlstate_of($node, "DO 'BEGIN RAISE $condition; END'"), $state, "condition $condition");
}

# --- audit actions and event types -------------------------------------------

my %noted;
foreach my $text ($node->safe_psql('postgres', "SELECT string_agg(prosrc, ' ') FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace"),
	map { source($_) } glob "$top/src/*.c")
{
	$noted{$1} = 1 while $text =~ /'((?:access|tenant|environment|policy|role|key|secret|keyring|ip|usage|leak|owner|totp|price|budget|mock)\.[a-z_]+)'/g;
}
my @actions = table_of($reference, qr/^Audit actions and event types$/, 'name', 'audit', 'event', 'written by');
delete $noted{'key.idle'};	# the name of a sweep
same_sets([ map { code($_->[0]) } @actions ], [ keys %noted ], 'all audit actions and event types are documented');
my %function_of;
foreach my $row (@actions)
{
	$function_of{$1}{ code($row->[0]) } = 1 while $row->[3] =~ /`(\w+)`/g;
}
foreach my $name (sort keys %function_section)
{
	my ($line) = $function_section{$name}{text} =~ /^- Audit and event: (.*)$/m;
	my %said = map { $_ => 1 } ($line // '') =~ /`(\w+\.\w+)`/g;

	same_sets([ keys %said ], [ keys %{ $function_of{$name} // {} } ], "function $name: audit and event");
}

# --- access ------------------------------------------------------------------

my ($matrix) = grep { $_->{header}[0] eq 'access' } @{ $reference->section(qr/^Access$/)->{tables} };
my @classes = @{ $matrix->{header} }[ 1 .. $#{ $matrix->{header} } ];
my %levels_of;
$node->safe_psql('postgres', "SELECT apikey.create_tenant('acme')");
foreach my $row (@{ $matrix->{rows} })
{
	my ($access, @marks) = map { code($_) } @$row;

	$node->safe_psql('postgres', "CREATE ROLE doc_$access; SELECT apikey.grant_access('doc_$access', '$access', 'acme')");
	foreach my $n (0 .. $#classes)
	{
		$levels_of{ $classes[$n] }{$access} = 1 if $marks[$n] eq 'x';
		is($node->safe_psql('postgres', "SET ROLE doc_$access; SELECT cardinality(apikey.my_tenants('$classes[$n]'))"),
			$marks[$n] eq 'x' ? 1 : 0, "access $access, class $classes[$n]");
	}
}
is(join(',', sort(map { code($_->[0]) } @{ $matrix->{rows} })),
	$node->safe_psql('postgres', <<'SQL'), 'all access levels are documented');
SELECT string_agg(m[1], ',' ORDER BY m[1]) FROM pg_constraint, regexp_matches(pg_get_constraintdef(oid), '([a-z]+)[,}]', 'g') m
WHERE conname = 'member_access'
SQL

# what a class of rights opens: the table here, the functions' and the tables' pages
my %opened;
foreach my $row (rows(<<'SQL'))
SELECT class || E'\t' || kind || E'\t' || name || E'\t' || all_tenants FROM apikey._privileges()
WHERE kind <> 'type' AND name !~ '^_'
SQL
{
	my ($class, $kind, $name, $all) = split /\t/, $row;
	my @levels = sort keys %{ $levels_of{$class} };

	$opened{$class}{$kind}{ $name . ($all eq 'true' ? '*' : '') } = 1;
	if ($kind eq 'function')
	{
		my ($line) = ($function_section{$name} // { text => '' })->{text} =~ /^- Rights: (.*)$/m;
		my @said = grep { /^(?:verifier|analyst|auditor|operator|admin)$/ } ($line // '') =~ /`(\w+)`/g;

		same_sets(\@said, \@levels, "function $name: rights");
		like($line // '', qr/on all tenants/, "function $name: rights on all tenants") if $all eq 'true';
	}
	else
	{
		my ($section) = grep { $_->{title} =~ /^(?:Table|View) apikey\.$name$/ } $tables->sections;
		my ($line) = ($section // { text => '' })->{text} =~ /^Read by (.*)\.$/m;

		same_sets([ ($line // '') =~ /`(\w+)`/g ], \@levels, "$name: who reads it");
		is(($line // '') =~ /on all tenants/ ? 'true' : 'false', $all, "$name: on all tenants or not");
	}
}
my ($class_table) = grep { $_->{header}[0] eq 'class' } @{ $reference->section(qr/^Access$/)->{tables} };
foreach my $row (@{ $class_table->{rows} })
{
	my ($class, @cells) = @$row;

	foreach my $n (0, 1)
	{
		my @said = map { tr/`//dr } split ' ', $cells[$n] // '';
		same_sets(\@said, [ keys %{ $opened{$class}{ $n ? 'relation' : 'function' } } ],
			"class $class: " . ($n ? 'tables' : 'functions'));
	}
}
is(join(' ', sort map { $_->[0] } @{ $class_table->{rows} }), join(' ', sort keys %opened), 'all classes of rights are documented');

# --- rules of policies --------------------------------------------------------

my @rules = table_of($reference, qr/^Policies$/, 'rule', 'default', 'used', 'meaning');
same_sets([ map { code($_->[0]) . '=' . code($_->[1]) } @rules ], [ rows(<<'SQL') ], 'all rules are documented with their defaults');
SELECT n || '=' || CASE d WHEN '[]' THEN '{}' WHEN '00:00:00' THEN '0' ELSE coalesce(d, 'NULL') END
FROM unnest(apikey._rule_names()) n, to_jsonb(apikey._default_rules()) r, LATERAL (SELECT r ->> n) v (d)
SQL
my %other = (
	rate_limits => q{ARRAY[ROW('m', 1, '1 s', 1, 'key')::apikey.rate_limit]},
	quotas => q{ARRAY[ROW('m', 1, 'day', 'UTC', 'key')::apikey.quota]},
	max_scopes => q{'{a}'}, max_keys_per_owner => 1, priority => 1,
	on_leak => q{'revoke'}, on_anomaly => q{'suspend'}, recoverable => 'true', requires_approval => 'true',
	map({ $_ => q{'1 day'} } qw(default_ttl max_ttl idle_timeout grace rotate_every overlap)),
	map({ $_ => q{'{192.0.2.0/24}'} } qw(allowed_cidrs denied_cidrs)),
	map({ $_ => q{'{/v1/*}'} } qw(allowed_endpoints denied_endpoints)),
	access_hours => q{'{08:00-18:00}'}, required_scopes => q{'{a}'});
foreach my $row (@rules)
{
	my $rule = code($row->[0]);

	is(scalar sqlstate_of($node, "SELECT apikey.create_policy('acme', 'with $rule', $rule => $other{$rule})"),
		$row->[2] eq '-' ? '0A000' : '00000', "rule $rule: supported or not");
}

# --- tasks of the workers ----------------------------------------------------

same_sets([ map { code($_->[0]) . ' ' . code($_->[1]) } table_of($operations, qr/^Workers$/, 'task', 'worker') ],
	[ rows('SELECT task || \' \' || worker FROM apikey.stat_worker WHERE task IS NOT NULL') ], 'all tasks are documented');

# --- names, links, files -----------------------------------------------------

my %known = map { $_ => 1 } (keys %signature, keys %setting, ($guc_source =~ /"(apikey\.\w+)"/g));
$known{"apikey.$_"} = 1 foreach (keys %signature, map { m/apikey\.(\w+)/ } keys %relation);
foreach my $name (sort keys %pages)
{
	my $page = $pages{$name};
	my (@unknown, @dead);

	foreach my $section ($page->sections)
	{
		while ($section->{text} =~ /`(apikey\.\w+)/g)
		{
			push @unknown, $1 unless $known{$1} || $1 =~ /^apikey\.(?:control|so|md|usage_\d*)$/;
		}
		while ($section->{text} =~ /\[[^\]]*\]\(([^)\s]+)\)/g)
		{
			my $link = $1;
			my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
			my ($dir) = $page->path =~ m{^(.*)/};
			my $target = $file eq '' ? $page : undef;

			next if $link =~ /^https?:/;
			if ($file ne '')
			{
				push @dead, $link unless -e "$dir/$file";
				my ($base) = $file =~ m{([^/]+)\.md$};
				$target = $pages{$base} if defined $base;
			}
			push @dead, $link
			  if $anchor ne '' && (!$target || !grep { $_->{anchor} eq $anchor } $target->sections);
		}
		while ($section->{text} =~ m{`((?:test|src|sql|bench|doc|expected)/[\w./]+)`}g)
		{
			push @dead, $1 unless -e "$top/$1";
		}
	}
	is("@unknown", '', "$name: every name is one of the extension");
	is("@dead", '', "$name: every link and file is there");
	foreach my $block (grep { $_->{info} eq 'conf' } $page->blocks)
	{
		foreach my $setting ($block->{text} =~ /^(\w[\w.]*)\s*=/mg)
		{
			is($node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name = '$setting'"), 1,
				"$name: $setting is a setting");
		}
	}
}

# --- what the README tells to type --------------------------------------------

my $makefile = source("$top/Makefile");
my $typed = join '', map { $_->{text} } grep { $_->{info} eq 'sh' } $pages{README}->blocks;
foreach my $target ($typed =~ /^make ([a-z]+)/mg)
{
	ok($target eq 'install' || $makefile =~ /^STAGED = .*\b$target\b|^$target:/m, "make $target");
}
my ($packages) = $typed =~ /^apt-get install (.*)$/m;
same_sets([ split ' ', $packages ],
	[ split /\n/, `unset PG_CONFIG; bash -c '. "\$1/test/lib/packages.sh"; packages_for build' - "$top"` ],
	'the packages to install');

$node->stop;
done_testing();

# the output of a command, without the newline
sub run_simple_command
{
	my ($out, $err) = run_command(\@_);
	return $out;
}
