
# DocPage.pm: a Markdown page as the tests of the documentation read it.
#
#	my $page = DocPage->new("$top/doc/apikey.md");
#	$page->sections		list of sections: level, title, anchor, line, text,
#						blocks, tables; in page order
#	$page->blocks		fenced blocks: info, text, line, follows
#	$page->section($re)	the first section whose title matches
#
# follows is the block right before (only blank lines between), or undef.
# A table is {header => [cells], rows => [[cells]], line}; cells keep their
# Markdown.

package DocPage;

use strict;
use warnings;

sub new
{
	my ($class, $path) = @_;
	my $self = bless { path => $path, sections => [], blocks => [] }, $class;
	my $section = { level => 0, title => '', anchor => '', line => 1, text => '', blocks => [], tables => [] };
	my ($block, $previous, $table, %anchors);

	push @{ $self->{sections} }, $section;
	open my $fh, '<:encoding(UTF-8)', $path or die "could not open $path: $!";
	while (my $line = <$fh>)
	{
		$line =~ s/\r?\n$//;
		if ($block)
		{
			if ($line eq '```')
			{
				$previous = $block;
				$block    = undef;
			}
			else
			{
				$block->{text} .= "$line\n";
			}
			next;
		}
		if ($line =~ /^```(.*)$/)
		{
			$block = { info => $1, text => '', line => $., follows => $previous, section => $section };
			push @{ $self->{blocks} }, $block;
			push @{ $section->{blocks} }, $block;
			$table = undef;
			next;
		}
		if ($line =~ /^(#+) +(.*?) *$/)
		{
			my ($level, $title) = (length $1, $2);
			my $anchor = lc $title;

			$anchor =~ s/[^\w\- ]//g;
			$anchor =~ s/ /-/g;
			$anchor .= '-' . $anchors{$anchor}++ if exists $anchors{$anchor} || !($anchors{$anchor} = 1);
			$section = { level => $level, title => $title, anchor => $anchor, line => $., text => '', blocks => [], tables => [] };
			push @{ $self->{sections} }, $section;
			($table, $previous) = ();
			next;
		}
		if ($line =~ /^\|/)
		{
			my @cells = cells($line);

			if (!$table)
			{
				$table = { header => \@cells, rows => [], line => $. };
				push @{ $section->{tables} }, $table;
			}
			elsif (grep { !/^:?-+:?$/ } @cells)
			{
				push @{ $table->{rows} }, \@cells;
			}
		}
		elsif ($line =~ /\S/)
		{
			$table = undef;
		}
		$previous = undef if $line =~ /\S/;
		$table    = undef if $line !~ /\S/;
		$section->{text} .= "$line\n";
	}
	die "$path: a fenced block does not end" if $block;
	return $self;
}

# cells of a table's line; a | inside back quotes or behind a backslash is text
sub cells
{
	my ($line) = @_;
	my @cells = ('');
	my $code  = 0;

	$line =~ s/^\|//;
	$line =~ s/\| *$//;
	while ($line =~ /\G(\\\||.)/g)
	{
		my $c = $1;

		$code = !$code if $c eq '`';
		if ($c eq '|' && !$code)
		{
			push @cells, '';
			next;
		}
		$cells[-1] .= $c eq '\|' ? '|' : $c;
	}
	s/^ +| +$//g foreach @cells;
	return @cells;
}

sub path     { return $_[0]->{path} }
sub sections { return @{ $_[0]->{sections} } }
sub blocks   { return @{ $_[0]->{blocks} } }

sub section
{
	my ($self, $re) = @_;

	foreach my $section ($self->sections)
	{
		return $section if $section->{title} =~ $re;
	}
	die "$self->{path}: no section $re";
}

# code($cell): the text of a cell without back quotes
sub code
{
	my ($cell) = @_;

	$cell =~ tr/`//d;
	return $cell;
}

1;
