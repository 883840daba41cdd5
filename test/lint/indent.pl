#!/usr/bin/env perl
# indent.pl TYPEDEFS < in.c > out.c
#
# PostgreSQL's layout by pg_bsd_indent, with the help it needs:
#	- a compound literal is shown to it as a call, or it takes the braces for
#	  a block and breaks the line;
#	- a name of the list that the file uses as a variable (text, for one) is
#	  no type in that file;
#	- return types of functions and prototypes are put as PostgreSQL has them.
use strict;
use warnings;

my @options = qw(-bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 -nfc1
  -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4);
my $literal = 'L__L';

my ($list) = @ARGV;
my $dir = $ENV{TMPDIR} || '/tmp';
my ($in, $out, $types) = map { "$dir/indent.$$.$_" } qw(in out types);
END { unlink grep { defined } $in, $out, $types }

local $/;
my $source = <STDIN>;
my $original = $source;

# the types of this file
my $code = $source;
$code =~ s{/\*.*?\*/}{ }gs;
open my $fh, '<', $list or die "$list: $!\n";
my @names = split /\n/, <$fh>;
close $fh;
open $fh, '>', $types or die "$types: $!\n";
foreach my $name (@names)
{
	next if $code !~ /\b$name\b/;
	next if $name =~ /^[a-z0-9]+$/ && $code =~ /\b\w+\s*[ \t*]+$name\s*(?:[\[;,=)+<>]|-[^>])/;
	print $fh "$name\n";
}
close $fh;

# (type) {a, b} becomes (type) L__L(a, b)
my $balanced = qr/(\{(?:[^{};]++|(?1))*\})/;
$source =~ s{(\(\w+(?: \*)?\)) ?$balanced}{my ($t, $b) = ($1, $2);
	$b =~ s/^\{/$literal(/; $b =~ s/\}$/)/; "$t $b"}ge;

open $fh, '>', $in or die "$in: $!\n";
print $fh $source;
close $fh;
my $messages = `pg_bsd_indent $in $out @options -U$types 2>&1`;
die "pg_bsd_indent: $messages" if $? != 0 || $messages ne '';
open $fh, '<', $out or die "$out: $!\n";
$source = <$fh>;
close $fh;

my $parens = qr/(\((?:[^()]++|(?1))*\))/;
1 while $source =~ s{$literal$parens}{my $b = $1;
	$b =~ s/^\(/{/; $b =~ s/\)$/}/; $b}e;

# "type *" of a function stands alone on its line, without alignment
$source =~ s/^((?:\w+ )*\w+)[ \t]+(\*+)$/$1 $2/gm;
# prototypes: return type and name on one line
$source =~ s/^((?:(?!return|else)\w+[ \t*]+)*\w+[ \t]*\**)\n(\w+\((?:[^(){};]|\([^(){};]*\))*\)(?:\s*\w+\([^;{}]*\))?;)/
	my ($type, $rest) = ($1, $2); $type =~ m{\*$} ? "$type$rest" : "$type $rest"/gme;

# an initializer that goes on in the next line is indented, as newer versions
# of pg_bsd_indent do themselves
my ($indent, $goes_on) = ('', 0);
my @lines = split /\n/, $source, -1;
foreach my $line (@lines)
{
	$line = "\t$line" if $goes_on && $line =~ /^$indent\S/;
	if ($line =~ /^(\t+)\w[\w \t*]*(?:\[\w*\])? = [^;{]*[^;{,]$/ && $line !~ m{/\*})
	{
		($indent, $goes_on) = ($1, 1);
	}
	elsif ($line =~ /[;{}]/)
	{
		$goes_on = 0;
	}
}
$source = join("\n", @lines);

# layout is all that may have changed
sub essence
{
	my ($text) = @_;
	my $comments = '';
	$text =~ s{/\*(.*?)\*/}{$comments .= $1; ' '}gse;
	$comments =~ s/[\s*]+//g;
	$text =~ s/\s+//g;
	return "$text\n$comments";
}
die "the formatter would change the code, not only its layout\n"
  if essence($source) ne essence($original);
print $source;
