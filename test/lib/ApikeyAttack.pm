# ApikeyAttack.pm: a server with two tenants that must not know of each other,
# and a way to let plain roles try statements on it.
#
# Tenant A is top/acme; its roles are regress_atk_LEVEL, LEVEL being an access
# level, and regress_atk_none without any.  regress_atk_above is admin of A's
# parent "top", regress_atk_all of all tenants.  Tenant B is "rival".  Every
# text of B holds "canaryb", of "top" itself and A's sister "canaryp"; ids of B
# begin with 7770, of the others with 7780.  None of these may ever reach a
# role that is not a member there: not in a row, an error, a notice or a plan.

package ApikeyAttack;

use strict;
use warnings;
use Exporter 'import';
use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;

our @EXPORT = qw(attack_node @levels try_as state_of fill generic read_attacks names_of attack_file
  leaks in_doubt server_is_fine);

# whoever attacks, the weakest first
our @levels = qw(none verifier analyst auditor operator admin above);

# What a placeholder stands for: an object of A itself, one of B, one of nobody.
my %names;

sub names_of
{
	return $names{ $_[0] };
}

# attack_node(): the server, filled.  Its superuser is "postgres", whoever runs
# the tests: statements and expectations name it.
sub attack_node
{
	$ENV{PGUSER} = 'postgres';
	my $node = new_node('attack', init => [ extra => [ '-U', 'postgres' ] ], conf => <<'CONF');
max_prepared_transactions = 10
log_statement = none
CONF

	$node->safe_psql('postgres', attack_file('setup.sql'));
	%names = ();
	foreach my $line (split /\n/, $node->safe_psql('postgres', 'SELECT whose, name, value FROM atk.names'))
	{
		my ($whose, $name, $value) = split /\|/, $line, 3;
		$names{$whose}{$name} = $value;
	}
	foreach my $whose (qw(foreign unknown sister top child))
	{
		$names{$whose}{"own_$_"} = $names{own}{$_} foreach keys %{ $names{own} };
	}
	return $node;
}

# attack_file($name): the text of a file of test/attack
sub attack_file
{
	my ($name) = @_;

	return slurp_file(dirname(__FILE__) . "/../attack/$name");
}

# fill($sql, $whose): replaces <name> by what it stands for
sub fill
{
	my ($sql, $whose) = @_;

	$sql =~ s/<(\w+)>/exists $names{$whose}{$1} ? $names{$whose}{$1} : die "no $1 of $whose"/ge;
	return $sql;
}

# generic($output, $whose, @names): with <name> for what was typed
sub generic
{
	my ($output, $whose, @names) = @_;
	my %value = map { $_ => names_of($whose)->{$_} } @names;

	foreach my $name (sort { length $value{$b} <=> length $value{$a} } keys %value)
	{
		$output =~ s/(?<![0-9A-Za-z])\Q$value{$name}\E(?![0-9A-Za-z])/<$name>/g;
	}
	return $output;
}

# try_as($node, $role, \@statements, %opts): runs each statement from a state
# as after connecting and returns what psql printed of it, results, notices and
# errors in their order.
#
#	before => SQL	runs first each time, unseen
#	dbname => ...	where, if not in "postgres"
sub try_as
{
	my ($node, $role, $statements, %opts) = @_;
	my $stem   = $node->basedir . "/try";
	my $before = $opts{before} // '';
	my $script = "\\pset format unaligned\n\\pset tuples_only on\n";
	my ($current, @out);

	for my $i (0 .. $#$statements)
	{
		$script .= "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT always\n$before\n"
		  . "\\echo >>> $i\n$statements->[$i]\n\\echo\n\\echo <<<\n"
		  . "\\set VERBOSITY terse\nROLLBACK;\nDISCARD ALL;\n";
	}
	# its name has changed
	$script =~ s/\bforce_parallel_mode\b/debug_parallel_query/g if $node->pg_version >= 16;
	unlink "$stem.sql";
	append_to_file("$stem.sql", $script);
	IPC::Run::run(
		[ $node->installed_command('psql'), '-X', '-q', '-U', $role, '-d', $opts{dbname} // 'postgres', '-h', $node->host, '-p', $node->port ],
		'<', "$stem.sql", '>', "$stem.out", '2>&1', IPC::Run::timeout(900));

	foreach my $line (split /\n/, slurp_file("$stem.out"))
	{
		if ($line =~ /^>>> (\d+)$/)
		{
			$current = $1;
			$out[$current] = '';
		}
		elsif ($line eq '<<<') { undef $current }
		elsif (defined $current) { $out[$current] .= "$line\n" }
	}
	for my $i (0 .. $#$statements)
	{
		$out[$i] //= "the session ended early\n";
		# the server quotes the statement, which is the attacker's own
		$out[$i] =~ s/^LINE \d+: .*\n *\^\n//mg;
		$out[$i] =~ s/\n+$/\n/;
	}
	return @out;
}

# state_of($output): the SQLSTATE of the first error, "ok" if there is none
sub state_of
{
	my ($output) = @_;
	my @states = $output =~ /^(?:ERROR|FATAL|PANIC):  ([0-9A-Z]{5}):/mg;

	return "lost" if $output =~ /the session ended early|server closed the connection|connection to server/;
	return @states ? $states[0] : 'ok';
}

# leaks($output, $level, @typed): what of others can be seen in the output.
# What the statement itself has typed does not count.
sub leaks
{
	my ($output, $level, @typed) = @_;
	my @found;

	foreach my $value (@typed)
	{
		$output =~ s/(?<![0-9A-Za-z])\Q$value\E(?![0-9A-Za-z])//g;
	}
	my $ids   = $level eq 'above' ? '7770' : '77[78]0';
	my $texts = $level eq 'above' ? 'canaryb' : 'canary[bp]';
	push @found, $1 while $output =~ /((?<!\d)$ids\d{6}(?!\d)|\w*$texts\w*|203\.0\.113\.(?:66))/gi;
	push @found, $1 while $level ne 'above' && $output =~ /(203\.0\.113\.77)/g;
	foreach my $secret (split / /, $names{secret}{all})
	{
		push @found, 'a secret' if index(lc $output, lc $secret) >= 0;
	}
	return @found;
}

# read_attacks($file): a list of { label, expect, levels, others, sql }
#
# A statement begins with a line "--- label | expectation | levels | others";
# levels is "all", "members" or a list, others tells whose objects to try.
sub read_attacks
{
	my ($file) = @_;
	my @attacks;

	foreach my $line (split /\n/, attack_file($file))
	{
		if ($line =~ /^--- (.*)$/)
		{
			my ($label, $expect, $who, $others) = split / \| /, $1;
			die "$file: wrong line: $line" unless defined $expect;
			$who //= 'all';
			my @who =
				$who eq 'all'     ? @levels
			  : $who eq 'members' ? grep { $_ ne 'none' } @levels
			  :                     split /[ ,]+/, $who;
			push @attacks, { label => $label, expect => $expect, levels => \@who, others => $others // 'foreign,sister,top', sql => '' };
		}
		elsif (@attacks)
		{
			$attacks[-1]{sql} .= "$line\n";
		}
	}
	return @attacks;
}

# in_doubt($node): everything an attack could have changed that was not its
# own: rows of B, of "top" and of A's sister, secrets, the catalog of the
# schema, grants to those who are not attacked from
sub in_doubt
{
	my ($node) = @_;

	return $node->safe_psql('postgres', attack_file('in_doubt.sql'));
}

# server_is_fine($node): nothing of the server has crashed meanwhile
sub server_is_fine
{
	my ($node) = @_;
	my @bad = grep { /PANIC|terminated by signal|TRAP:|stuck spinlock/ } split /\n/, slurp_file($node->logfile);

	is("@bad", '', 'no process of the server crashed');
	return;
}

1;
