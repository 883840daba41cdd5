# How much a refusal looks at.  Everybody can see how many rows a call of his
# own has read (pg_stat_xact_all_tables), how many pages (EXPLAIN), and how long
# it took.  Names that mean something below a tenant, such as those of
# policies, environments and roles, and the tenant that verify() is given, cost
# the same whether others have them or nobody does.  Counted, not timed.
#
# Not hidden, and said so in doc/apikey.md: a tenant named by its path and an
# object named by its number are looked for before the rights on them are, and
# whoever holds the whole text of a key can tell that somebody has it.
use strict;
use warnings;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node    = attack_node();
my $counted = q{SELECT coalesce(string_agg(concat_ws(' ', relname, seq_scan, seq_tup_read, idx_scan, idx_tup_fetch), ',' ORDER BY relname), '')
	FROM pg_stat_xact_all_tables WHERE schemaname = 'apikey';};

# work_of($role, $whose, @attacks): what the second run of each has looked at;
# the first has filled what a session keeps
sub work_of
{
	my ($role, $whose, @attacks) = @_;
	my @sql = map { my $sql = fill($_->{sql}, $whose); "BEGIN;\nSAVEPOINT s;\n${sql}ROLLBACK TO s;\n\\echo == before\n$counted\nSAVEPOINT s;\n${sql}ROLLBACK TO s;\n\\echo == after\n$counted\nROLLBACK;" } @attacks;
	my @work;

	foreach my $output (try_as($node, $role, \@sql))
	{
		my ($before, $after) = map { +{ map { split / /, $_, 2 } split /,/, ($output =~ /^== $_\n(.*)$/m)[0] } } qw(before after);
		my %differ;

		foreach my $table (keys %$after)
		{
			my @from = split / /, $before->{$table} // '0 0 0 0';
			my @to   = split / /, $after->{$table};
			my $more = join ' ', map { ($to[$_] // 0) - ($from[$_] // 0) } 0 .. $#to;
			$differ{$table} = $more if $more =~ /[1-9]/;
		}
		push @work, join ', ', map { "$_ $differ{$_}" } sort keys %differ;
	}
	return @work;
}

my @attacks = grep
{
	my %typed = map { $_ => 1 } $_->{sql} =~ /<(?!own_)(\w+)>/g;
	$_->{expect} ne 'lines' && (%typed && !(grep { $typed{$_} } qw(tenant child key gone asked secret block tid keytext gonetext))
		|| $_->{label} =~ /^verify: the own key/)
} map { read_attacks($_) } qw(calls.sql probes.sql);
cmp_ok(scalar @attacks, '>', 8, 'there is something to try');
my ($seen) = work_of('regress_atk_admin', 'own', { sql => "SELECT status FROM apikey.suspend_key(<key>);\n" });
like($seen, qr/\bapi_key\b/, 'what a call looks at is counted');

foreach my $role (qw(regress_atk_verifier regress_atk_operator regress_atk_admin))
{
	my @unknown = work_of($role, 'unknown', @attacks);

	foreach my $others (qw(foreign sister top))
	{
		my @mine = grep { $attacks[$_]{others} =~ /\b$others\b/ } 0 .. $#attacks;
		my @work = work_of($role, $others, map { $attacks[$_] } @mine);

		is($work[$_], $unknown[ $mine[$_] ], "$role, $others: $attacks[$mine[$_]]{label}") foreach 0 .. $#mine;
	}
}
server_is_fine($node);
$node->stop;

done_testing();
