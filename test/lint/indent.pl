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

# a comment that seems to begin or end in a string would be taken for one
my $string = qr/"(?:[^"\\\n]|\\.)*"/;
my $quoted = qr/'(?:[^'\\\n]|\\.)*'/;
my $comment = qr{/\*.*?\*/}s;
die "a control character in the source\n" if $source =~ /[\001\002]/;
$source =~ s{($comment|$quoted)|($string)}{defined $1 ? $1 : $2 =~ s!/\*!/\001!gr =~ s!\*/!\002/!gr}ge;

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

$source =~ tr/\001\002/**/;

# the name after a struct's brace, and a designator after a comma
$source =~ s/^(\t*\})\t+(\w)/$1 $2/gm;
$source =~ s/,(\.\w+ = )/, $1/g;

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
	if ($line =~ /^(\t+)\w[\w \t*]*(?:\[\w*\])? =(?: [^;{]*[^;{,])?$/ && $line !~ m{/\*})
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
	my $code = '';

	while ($text =~ m{($comment)|($string|$quoted)|([^\s/"']+|.)}gs)
	{
		$comments .= $1 if defined $1;
		$code .= $2 // $3 if !defined $1;
	}
	$comments =~ s{[\s*/]+}{}g;
	# strings keep their blanks, all else loses them
	$code =~ s/($string|$quoted)|\s+/$1 \/\/ ''/ge;
	return "$code\n$comments";
}
die "the formatter would change the code, not only its layout\n"
  if essence($source) ne essence($original);
print $source;
