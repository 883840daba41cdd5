# What programs such as Metabase, Excel or DBeaver do before anybody asks anything:
# they read the catalogs as the role that they connect as, list tables and columns
# with their comments, look at rows and at the values of each column.  All of that
# works for an analyst, and shows nothing of other tenants.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ExampleData;

my $node    = example_node('bi');
my $foreign = foreign($node);

# rows as lists
sub rows
{
	my ($query) = @_;

	return @{ (answer($node, 'analyst', $query))[2] };
}

# as information_schema tells, which has what the role may read
my @relations = map { $_->[0] } rows(q{SELECT table_name FROM information_schema.tables WHERE table_schema = 'apikey' ORDER BY 1});
my %relation = map { $_ => 1 } @relations;
foreach my $view (qw(usage usage_recent usage_hourly usage_daily usage_requests denials error_rates top_keys slow_endpoints key_health expiring_keys
	unused_keys old_secret_users compliance_report key_label environment_label quota_state budget_status))
{
	ok($relation{$view}, "$view is listed");
}
foreach my $other (qw(api_key key_secret keyring member audit_log event policy_version))
{
	ok(!$relation{$other}, "$other is not");
}

# as drivers tell (pg_catalog): the same, with a comment on each
my %described = map { $_->[0] => $_ } rows(q{
	SELECT c.relname, c.relkind, obj_description(c.oid, 'pg_class') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = 'apikey' AND c.relkind IN ('r', 'v', 'm', 'f', 'p') AND has_table_privilege(c.oid, 'SELECT')});
is(join(' ', sort keys %described), join(' ', @relations), 'both catalogs list the same');
my %partition = map { $_->[0] => 1 } rows(q{SELECT inhrelid::regclass::oid::regclass::text FROM pg_inherits WHERE inhparent = 'apikey.usage'::regclass});
my @named = grep { !$partition{"apikey.$_"} } @relations;
is(join(' ', grep { !defined $described{$_}[2] } @named), '', 'each has a comment');

my %column;
push @{ $column{ $_->[0] } }, $_ foreach rows(q{
	SELECT i.table_name, i.column_name, i.data_type, a.atttypid::regtype, col_description(a.attrelid, a.attnum)
	FROM information_schema.columns i JOIN pg_catalog.pg_attribute a ON a.attrelid = format('%I.%I', table_schema, table_name)::regclass AND a.attname = i.column_name
	WHERE i.table_schema = 'apikey' ORDER BY i.table_name, i.ordinal_position});
is(join(' ', sort keys %column), join(' ', @relations), 'all have columns');
is(join(' ', map { my $r = $_; map { "$r.$_->[1]" } grep { !defined $_->[4] } @{ $column{$r} } } @named), '', 'each column has a comment');
is(join(' ', map { my $r = $_; map { "$r.$_->[1]" } grep { $_->[1] !~ /^[a-z][a-z0-9_]*$/ } @{ $column{$r} } } @relations), '', 'no column needs quotes');
my %types = map { $_ => 1 } qw(bigint integer smallint text boolean numeric date inet interval bytea jsonb uuid text[] bigint[]), 'timestamp with time zone', 'double precision';
is(join(' ', map { my $r = $_; map { "$r.$_->[1] $_->[3]" } grep { !$types{ $_->[3] } } @{ $column{$r} } } @named), '', 'types are those that every driver knows');

# rows, and the values of each column, as those programs ask for them: names in
# quotes, no condition
foreach my $relation (@named)
{
	my $from = qq{"apikey"."$relation"};
	my @columns = map { qq{"$relation"."$_->[1]"} } @{ $column{$relation} };
	my ($names, undef, $rows) = eval { answer($node, 'analyst', "SELECT * FROM $from LIMIT 2000") };

	ok($names, "$relation: SELECT * works") or diag($@);
	next unless $names;
	is(join(' ', @$names), join(' ', map { $_->[1] } @{ $column{$relation} }), "$relation: has the columns that the catalog tells");
	is(scalar(grep { my $row = $_; grep { defined && /$foreign/ } @$row } @$rows), 0, "$relation: nothing of other tenants");
	ok(eval { answer($node, 'analyst', 'SELECT ' . join(', ', @columns) . " FROM $from WHERE 1 <> 1 LIMIT 0") }, "$relation: columns by name") or diag($@);
	my @failed = grep { !eval { answer($node, 'analyst', "SELECT $_, count(*) AS \"count\" FROM $from GROUP BY $_ ORDER BY $_ ASC LIMIT 1000") } } @columns;
	is("@failed", '', "$relation: values of each column are counted") or diag($@);
	my ($out, $err) = ('', '');
	ok(run_log([ 'psql', '-X', '-q', '-d', $node->connstr('postgres') . ' user=analyst', '-c', "\\copy (SELECT * FROM $from LIMIT 100) TO STDOUT WITH (FORMAT csv, HEADER)" ], '>', \$out, '2>', \$err),
		"$relation: as CSV") or diag($err);
	is((split /\r?\n/, $out)[0], join(',', map { $_->[1] } @{ $column{$relation} }), "$relation: with a header");
}

# \dv+ and \d+ of psql
{
	my ($out, $err) = ('', '');
	run_log([ 'psql', '-X', '-d', $node->connstr('postgres') . ' user=analyst', '-c', '\dv+ apikey.*', '-c', '\d+ apikey.top_keys' ], '>', \$out, '2>', \$err);
	is($err, '', 'psql describes the views');
	like($out, qr/top_keys/, 'by name');
}

$node->stop;
done_testing();
