#!/usr/bin/env perl
# prove.pl COUNTFILE FILE.pl...
#
# Runs TAP files like prove, two at a time, and writes "passed failed skipped"
# to COUNTFILE and the logs of files that did not pass to COUNTFILE.failed.
# A file that ends badly (no plan, wrong exit status) counts as one failure,
# even if every assertion it reached had passed.
use strict;
use warnings;
use File::Basename;
use TAP::Harness;

my ($count, @files) = @ARGV;
my $harness = TAP::Harness->new(
	{
		jobs      => $ENV{APIKEY_JOBS} || 2,
		verbosity => 0,
		timer     => 1,
		failures  => 1,
	});
my $all = $harness->runtests(@files);
my ($passed, $failed, $skipped) = (0, 0, 0);
my @logs;

foreach my $file ($all->descriptions)
{
	my ($parser) = $all->parsers($file);
	my $skip = $parser->skipped;
	my $bad  = $parser->failed;

	if ($parser->skip_all)
	{
		print "$file: skipped: " . $parser->skip_all . "\n";
		$skipped++;
		next;
	}
	$bad = 1 if !$bad && $parser->has_problems;
	$skipped += $skip;
	$failed  += $bad;
	$passed  += $parser->passed - $skip;
	push @logs, "$ENV{TESTDIR}/tmp_check/log/regress_log_" . basename($file, '.pl')
	  if $bad;
}
open my $fh, '>', $count or die "$count: $!";
print $fh "$passed $failed $skipped\n";
close $fh;
open $fh, '>', "$count.failed" or die "$count.failed: $!";
print $fh map { "$_\n" } @logs;
close $fh;
exit($failed ? 1 : 0);
