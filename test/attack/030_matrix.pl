# Who may do what: every relation, sequence and function of the extension for
# every access level, found out by trying and compared with matrix.txt, cell by
# cell.  After a change that is meant, look at the differences and replace the
# file by the one that the failing test names (KEEP=1 test/run attack).
#
# Letters: r SELECT, a INSERT, w UPDATE or setval(), d DELETE, k SELECT FOR KEY
# SHARE, D TRUNCATE, t TRIGGER, x REFERENCES or EXECUTE, L LOCK, U USAGE; "call":
# the first column of the answer, or the SQLSTATE.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node = attack_node();
my @who  = (@levels, 'all');
my @rows;    # [ what, [ [ letter, statement ], ... ] ]

# --- relations and sequences: a letter for each right that is there ---------
my @tries = (
	[ r => 'SELECT FROM %s LIMIT 1' ],
	[ a => 'INSERT INTO %s DEFAULT VALUES' ],
	[ w => 'UPDATE %s SET %s = NULL' ],
	[ d => 'DELETE FROM %s' ],
	[ k => 'SELECT FROM %s FOR KEY SHARE' ],
	[ D => 'TRUNCATE %s' ],
	[ t => 'CREATE TRIGGER x BEFORE INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()' ],
	[ x => 'CREATE TABLE public.x (x bigint REFERENCES %s)' ],
	[ L => 'LOCK TABLE %s IN SHARE UPDATE EXCLUSIVE MODE' ]);
my @sequence = (
	[ r => 'SELECT last_value FROM %s' ],
	[ U => q{SELECT nextval('%s')} ],
	[ w => q{SELECT setval('%s', 1)} ]);

sub add_relation
{
	my ($label, $name, $column, @wanted) = @_;
	push @rows, [ $label, [ map { [ $_->[0], 'BEGIN; ' . sprintf($_->[1], $name, $column) . '; ROLLBACK;' ] } @wanted ] ];
	return;
}

foreach my $line (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT c.relkind, CASE WHEN c.relispartition THEN 'a leaf of apikey.usage' ELSE c.oid::regclass::text END, c.oid::regclass,
	(SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0 AND attidentity = '' ORDER BY attnum LIMIT 1),
	EXISTS (SELECT FROM pg_constraint p WHERE p.conrelid = c.oid AND p.contype = 'p')
FROM pg_class c
WHERE c.relnamespace = 'apikey'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
	AND (NOT c.relispartition OR c.oid::regclass::text = (SELECT value FROM atk.names WHERE whose = 'own' AND name = 'leaf'))
ORDER BY c.relkind = 'S', c.relkind = 'v', c.oid::regclass::text COLLATE "C"
SQL
{
	my ($kind, $label, $name, $column, $key) = split /\|/, $line;

	if ($kind eq 'S') { add_relation("sequence $label", $name, '', @sequence) }
	elsif ($kind eq 'v') { add_relation("view $label", $name, '', $tries[0]) }
	else { add_relation("table $label", $name, $column, grep { $_->[0] ne 'x' || $key eq 't' } @tries) }
}

# --- types: may be used in an object of one's own ---------------------------
push @rows, [ "type $_", [ [ U => "BEGIN; CREATE TEMP TABLE x (x $_); ROLLBACK;" ] ] ] foreach split /\n/, $node->safe_psql('postgres', <<'SQL');
SELECT t.oid::regtype FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE t.typnamespace = 'apikey'::regnamespace AND t.typelem = 0 AND (c.oid IS NULL OR c.relkind = 'c')
	-- 256 of a kind: the first stands for all
	AND t.typname !~ '^_change_\d*[1-9]\d*$' ORDER BY t.typname COLLATE "C"
SQL

# --- internal functions: NULL for each argument, only the right counts ------
# (a plain NULL would fold calls of strict functions away, right or not; what
# takes arguments of type internal cannot be called in SQL)
foreach my $line (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT p.proname, format('SELECT apikey.%I(%s);', p.proname,
	(SELECT string_agg(format('(SELECT NULL::%s)', CASE t WHEN 'anyelement'::regtype THEN 'int' WHEN 'anyarray'::regtype THEN 'int[]' ELSE t::regtype::text END), ', ' ORDER BY n)
	 FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY x (t, n)))
FROM pg_proc p WHERE p.pronamespace = 'apikey'::regnamespace AND p.proname LIKE '\_%'
	AND 'internal'::regtype <> ALL (p.proargtypes::oid[])
ORDER BY p.proname COLLATE "C"
SQL
{
	my ($name, $sql) = split /\|/, $line, 2;
	push @rows, [ "internal $name", [ [ x => "BEGIN; $sql ROLLBACK;" ] ] ];
}

# --- public functions, called in earnest on tenant A ------------------------
my %called;
foreach my $call (read_attacks('calls.sql'))
{
	push @rows, [ "call $call->{label}", [ [ '', "BEGIN;\n" . fill($call->{sql}, 'own') . 'ROLLBACK;' ] ] ];
	$called{ ($call->{label} =~ /^(\w+)/)[0] } = 1;
}
is( join(' ', grep { !$called{$_} } split /\n/, $node->safe_psql('postgres',
			q{SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace AND proname NOT LIKE '\_%' ORDER BY 1})),
	'', 'calls.sql calls every public function');

# --- try, write down, compare ----------------------------------------------
my %cells;
foreach my $level (@who)
{
	my @out = try_as($node, "regress_atk_$level", [ map { map { $_->[1] } @{ $_->[1] } } @rows ]);

	foreach my $row (@rows)
	{
		my ($what, $tries) = @$row;
		my $cell = '';

		foreach my $try (@$tries)
		{
			my $output = shift @out;
			my $state  = state_of($output);

			if ($try->[0] ne '') { $cell .= $try->[0] if $state ne '42501' }
			elsif ($state ne 'ok') { $cell = $state }
			else { ($cell) = $output =~ /^([^|\n]*)/ }
		}
		push @{ $cells{$what} }, $cell eq '' ? '-' : $cell;
	}
}
my $width = 50;
my %found = map { $_->[0] => join ' ', @{ $cells{ $_->[0] } } } @rows;
# one line for the many internal functions that nobody may call
my $others = 'internal, all others';
my $nobody = join ' ', ('-') x @who;
$found{$others} = $nobody;
my $text  = sprintf("%-${width}s%s\n", '# what', join ' ', map { sprintf '%-10s', $_ } @who);
$text .= sprintf("%-${width}s%s\n", $_, join ' ', map { sprintf '%-10s', $_ } split / /, $found{$_})
  foreach grep { $_ !~ /^internal / || $found{$_} ne $nobody } map({ $_->[0] } @rows), $others;
$text =~ s/ +$//mg;
append_to_file("$ENV{TESTLOGDIR}/matrix.txt", $text);

my %expected;
foreach my $line (grep { !/^#/ } split /\n/, attack_file('matrix.txt'))
{
	my ($what, $cells) = $line =~ /^(.{$width})(.*)$/ or die "matrix.txt: wrong line: $line";
	$what =~ s/ +$//;
	$cells =~ s/ +/ /g;
	$expected{$what} = $cells;
}
foreach my $what (map({ $_->[0] } @rows), $others)
{
	my $line = $what =~ /^internal / ? $expected{$others} : undef;
	is($found{$what}, $expected{$what} // $line // 'not in matrix.txt', $what);
}
is(join(', ', grep { !exists $found{$_} } sort keys %expected), '', 'matrix.txt has nothing that is gone');
diag("what was found: $ENV{TESTLOGDIR}/matrix.txt") unless Test::More->builder->is_passing;
server_is_fine($node);
$node->stop;

done_testing();
