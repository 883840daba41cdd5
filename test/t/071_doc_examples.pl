# The examples of README.md and doc/ work as they are printed.
#
# Each page is one psql session in a database of its own: its ```sql blocks
# run in page order, and where a ```text block follows one, that is the
# answer; of an error without its context.  An error that no ```text block
# shows is a failure.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use DocPage;

my $top  = $ENV{top_builddir};
my $node = new_node('examples', extension => 0, conf => 'apikey.limit_wait = 60s');
my $dir  = PostgreSQL::Test::Utils::tempdir;

# lines without blanks at their ends, blank lines at the ends removed
sub tidy
{
	my ($text) = @_;

	$text =~ s/[ \t]+$//mg;
	$text =~ s/^\n+|\n+$//g;
	return $text;
}

sub slurp
{
	my ($path) = @_;

	open my $fh, '<:encoding(UTF-8)', $path or die "could not open $path: $!";
	local $/;
	return scalar <$fh>;
}

my $examples = 0;
foreach my $path ("$top/README.md", sort glob "$top/doc/*.md")
{
	my $page   = DocPage->new($path);
	my ($name) = $path =~ m{([^/]+)\.md$};
	my @blocks = $page->blocks;
	my @sql    = grep { $_->{info} eq 'sql' } @blocks;
	my %shown  = map { $_->{follows} => $_ } grep { $_->{info} eq 'text' && $_->{follows} } @blocks;

	next unless @sql;
	$node->safe_psql('postgres', 'CREATE DATABASE doc');
	$node->safe_psql('doc', 'CREATE EXTENSION apikey CASCADE')
	  unless grep { $_->{text} =~ /CREATE EXTENSION/ } @sql;

	open my $fh, '>:encoding(UTF-8)', "$dir/$name.sql" or die "could not write: $!";
	foreach my $n (0 .. $#sql)
	{
		print $fh "\\echo ---- $n\n\\warn ---- $n\n$sql[$n]{text}\n";
	}
	close $fh;
	my $rc = run_log(
		[ 'psql', '-X', '-q', '-v', 'SHOW_CONTEXT=never', '-d', $node->connstr('doc'), '-f', "$dir/$name.sql" ],
		'>', "$dir/$name.out", '2>', "$dir/$name.err");
	ok($rc, "$name: the session got to its end");
	my @out = split /^---- \d+\n/m, slurp("$dir/$name.out");
	my $err = slurp("$dir/$name.err");

	$err =~ s/^psql:\S+?:\d+: //mg;
	my @err = split /^---- \d+\n/m, $err;
	foreach my $n (0 .. $#sql)
	{
		my $where = "$name.md line $sql[$n]{line}";
		my $got   = tidy(($out[ $n + 1 ] // '') . ($err[ $n + 1 ] // ''));

		$examples++;
		if (my $block = $shown{ $sql[$n] })
		{
			is($got, tidy($block->{text}), "$where: answers as shown");
		}
		else
		{
			unlike($got, qr/^(?:ERROR|FATAL|WARNING):/m, "$where: runs");
		}
	}
	$node->safe_psql('postgres', 'DROP DATABASE doc');
	my $roles = $node->safe_psql('postgres',
		"SELECT string_agg(quote_ident(rolname), ', ') FROM pg_roles WHERE NOT rolsuper AND rolname !~ '^pg_'");
	$node->safe_psql('postgres', "DROP ROLE $roles") if $roles ne '';
}
cmp_ok($examples, '>', 10, 'there are examples');

# --- the key text in other languages ---------------------------------------

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION apikey CASCADE;
SELECT apikey.create_tenant('plain');
SELECT apikey.create_environment('plain', 'production', tag => 'p');
SELECT apikey.create_tenant('long', prefix => 'abc_def_ghi_jkl_mno_pqr9');
SELECT apikey.create_environment('long', 'production', tag => 'abcdefghij12');
SQL
my @keys = split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT key FROM apikey.create_keys(50, 'plain', 'production')
UNION ALL SELECT key FROM apikey.create_keys(20, 'plain', 'production', bytes => 16)
UNION ALL SELECT key FROM apikey.create_keys(20, 'long', 'production', bytes => 64)
SQL
is(scalar(@keys), 90, 'keys to try');

my $readme = DocPage->new("$top/README.md");
my ($regexp) = map { $_->{text} } grep { $_->{info} eq 'regexp' } $readme->blocks;
chomp $regexp;
is(scalar(grep { /^$regexp$/ } @keys), 90, 'the regular expression matches whole keys');

# one character changed, two swapped, one lost: the checksum tells
my @bad = map {
	my ($changed, $swapped, $lost) = ($_) x 3;
	substr($changed, -20, 1) =~ tr/0-9A-Za-z/1-9A-Za-z0/;
	$swapped =~ s/([0-9A-Za-z])(?!\1)([0-9A-Za-z])(?=[0-9A-Za-z]{6,}$)/$2$1/;
	substr($lost, -12, 1) = '';
	($changed, $swapped, $lost);
} @keys;
is(scalar(grep { my $k = $_; grep { $_ eq $k } @keys } @bad), 0, 'the mistyped keys are no keys');

my @languages = (
	[ 'python', [ 'python3' ], "import sys\nfor line in sys.stdin:\n    print('yes' if checksum_fits(line.rstrip('\\n')) else 'no')\n" ],
	[ 'js', [ 'node', 'nodejs' ],
		"console.log(require('fs').readFileSync(0, 'utf8').trimEnd().split('\\n').map(k => checksumFits(k) ? 'yes' : 'no').join('\\n'));\n" ]);
foreach my $language (@languages)
{
	my ($info, $programs, $main) = @$language;
	my ($block) = grep { $_->{info} eq $info } $readme->blocks;
	my ($program) = grep { my $p = $_; grep { -x "$_/$p" } split /:/, $ENV{PATH} } @$programs;

  SKIP:
	{
		skip "there is no $programs->[0] to run the $info lines", 2 unless $program;
		open my $fh, '>', "$dir/check.$info" or die "could not write: $!";
		print $fh $block->{text}, "\n", $main;
		close $fh;
		foreach my $set ([ yes => @keys ], [ no => @bad ])
		{
			my ($expected, @texts) = @$set;
			my $answers = '';
			my $input   = join("\n", @texts) . "\n";

			run_log([ $program, "$dir/check.$info" ], '<', \$input, '>', \$answers);
			is($answers, "$expected\n" x @texts, "$info: $expected for " . scalar(@texts) . ' texts');
		}
	}
}

# and the server agrees
my $list = join ',', map { "'$_'" } @bad;
is($node->safe_psql('postgres', "SELECT count(*) FROM apikey.verify_many(ARRAY[$list]) v WHERE code = 'MALFORMED'"),
	scalar(@bad), 'the server calls the same texts malformed');
$node->stop;

done_testing();
