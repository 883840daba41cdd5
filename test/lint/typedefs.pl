#!/usr/bin/env perl
# typedefs.pl [-I INCLUDEDIR] LIST FILE...
#
# Prints the type names the formatter has to know, sorted: what the FILEs
# define, and of LIST (the names known so far) and the headers below INCLUDEDIR
# what the FILEs use.
use strict;
use warnings;
use File::Find;

my $include;
if (@ARGV && $ARGV[0] eq '-I')
{
	shift;
	$include = shift;
}
my ($list, @files) = @ARGV;

sub slurp
{
	open my $fh, '<', $_[0] or die "$_[0]: $!\n";
	local $/;
	my $text = <$fh>;
	$text =~ s{/\*.*?\*/}{ }gs;
	return $text;
}

# names that a text defines by typedef
sub defined_in
{
	my ($text) = @_;
	my @names;
	my $braces = qr/(\{(?:[^{}]++|(?1))*\})/;

	$text =~ s/$braces/{}/g;
	while ($text =~ /^\s*typedef\b([^;]*);/mg)
	{
		my $body = $1;
		if    ($body =~ /\(\s*\*\s*(\w+)\s*\)\s*\(/) { push @names, $1 }
		elsif ($body =~ /\b(\w+)\s*\(/)             { push @names, $1 }
		elsif ($body =~ /(\w+)\s*(?:\[[^\]]*\])?\s*$/) { push @names, $1 }
	}
	return @names;
}

my %known = map { $_ => 1 } qw(bool int8_t uint8_t int16_t uint16_t int32_t
  uint32_t int64_t uint64_t size_t ssize_t uintptr_t time_t pid_t FILE va_list);
if (open my $fh, '<', $list)
{
	while (<$fh>)
	{
		chomp;
		$known{$_} = 1;
	}
}
if (defined $include)
{
	find({ no_chdir => 1, follow => 1, wanted => sub {
				return unless /\.h$/;
				$known{$_} = 1 for defined_in(slurp($_));
			} }, $include);
}

my (%used, %own);
foreach my $file (@files)
{
	my $text = slurp($file);
	$own{$_} = 1 for defined_in($text);
	$used{$_} = 1 for $text =~ /\b([A-Za-z_]\w*)\b/g;
}
print "$_\n" for sort grep { $own{$_} || $used{$_} } keys %{ { %known, %own } };
