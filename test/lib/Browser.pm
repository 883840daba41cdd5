# Browser.pm: a real Chromium without a window, spoken to in its DevTools
# protocol over two pipes.
#
#	my $browser = Browser->start($chromium, $scratch_directory);
#	my $page = $browser->open("file:///...", width => 360, dark => 1);
#	is($page->evaluate('document.title'), 'API keys of acme');
#	$page->screenshot('/tmp/page.png');
#	is_deeply($page->{complaints}, []);		# what the console says
#	is_deeply($page->{requests}, []);		# besides the page itself
#
# evaluate() sees the page as it is: it neither changes the document nor is
# held up by its Content-Security-Policy.

package Browser;

use strict;
use warnings;
use Fcntl;
use IO::Select;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->allow_nonref;

sub start
{
	my ($class, $program, $scratch) = @_;

	pipe(my $child_in, my $to) or die "pipe: $!";
	pipe(my $from, my $child_out) or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		# 3 and 4 are where Chromium listens and speaks
		setpgrp(0, 0);
		# out of the way of 3 and 4 first
		my ($in, $out) = map { fcntl($_, F_DUPFD, 10) } $child_in, $child_out;
		POSIX::dup2($in, 3);
		POSIX::dup2($out, 4);
		POSIX::close($_) for 5 .. 63;
		CORE::open STDIN,  '<', '/dev/null';
		CORE::open STDOUT, '>', "$scratch/browser.log";
		CORE::open STDERR, '>&', \*STDOUT;
		$ENV{HOME} = $scratch;
		{
			no warnings "exec";
			exec $program, '--headless', '--remote-debugging-pipe', "--user-data-dir=$scratch/profile",
		  '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--hide-scrollbars',
		  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-default-apps',
		  '--disable-extensions', '--host-resolver-rules=MAP * ~NOTFOUND', '--force-color-profile=srgb', 'about:blank';
		}
		POSIX::_exit(127);
	}
	close $child_in;
	close $child_out;
	binmode $_ for $to, $from;
	my $self = bless { pid => $pid, to => $to, from => $from, buffer => '', id => 0, pages => {}, log => "$scratch/browser.log" }, $class;
	$self->call('Browser.getVersion');
	return $self;
}

# the next message, of an event or an answer; dies after 180 s of silence
sub _next
{
	my ($self) = @_;

	while ($self->{buffer} !~ /\0/)
	{
		IO::Select->new($self->{from})->can_read($ENV{PG_TEST_TIMEOUT_DEFAULT} || 180)
		  or die "the browser does not answer, see $self->{log}\n";
		sysread($self->{from}, $self->{buffer}, 1 << 20, length $self->{buffer})
		  or die "the browser is gone: " . _tail($self->{log}) . "\n";
	}
	$self->{buffer} =~ s/^([^\0]*)\0//;
	my $message = $json->decode($1);
	if (my $page = $self->{pages}{ $message->{sessionId} // '' })
	{
		$page->_event($message) if $message->{method};
	}
	return $message;
}

sub _tail
{
	my ($file) = @_;

	CORE::open my $fh, "<", $file or return '';
	my @lines = <$fh>;
	return join '', @lines > 10 ? @lines[ -10 .. -1 ] : @lines;
}

# call($method, \%parameters, $session): waits for the answer
sub call
{
	my ($self, $method, $parameters, $session) = @_;
	my $id   = ++$self->{id};
	my $text = $json->encode(
		{ id => $id, method => $method, params => $parameters // {}, $session ? (sessionId => $session) : () }) . "\0";

	while (length $text)
	{
		my $n = syswrite($self->{to}, $text) // die "the browser is gone: $!";
		substr($text, 0, $n) = '';
	}
	while (1)
	{
		my $message = $self->_next;
		next unless defined $message->{id} && $message->{id} == $id;
		die "$method: $message->{error}{message}\n" if $message->{error};
		return $message->{result};
	}
}

# open($url, %opts): a page that has loaded.  width and height in CSS pixels;
# dark => 1, media => 'print'.
sub open
{
	my ($self, $url, %opts) = @_;
	my $target = $self->call('Target.createTarget', { url => 'about:blank' })->{targetId};
	my $page   = bless {
		browser => $self, target => $target, complaints => [], requests => [], loaded => 0,
		session => $self->call('Target.attachToTarget', { targetId => $target, flatten => JSON::PP::true })->{sessionId}
	}, 'Browser::Page';

	$self->{pages}{ $page->{session} } = $page;
	$page->call("$_.enable") for qw(Page Runtime Log Network);
	$page->show(%opts);
	$page->{requests} = [];
	$page->{loaded}   = 0;
	$page->call('Page.navigate', { url => $url });
	$self->_next until $page->{loaded};
	# the page itself is one
	@{ $page->{requests} } = grep { $_ ne $url } @{ $page->{requests} };
	return $page;
}

sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	eval { $self->call('Browser.close') };
	my $end = time + 30;
	while (time < $end)
	{
		if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid})
		{
			delete $self->{pid};
			return;
		}
		select undef, undef, undef, 0.05;
	}
	kill 'KILL', -$self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
}

sub DESTROY
{
	my ($self) = @_;

	local $?;
	$self->stop;
}

package Browser::Page;

sub call
{
	my ($self, $method, $parameters) = @_;

	return $self->{browser}->call($method, $parameters, $self->{session});
}

sub _event
{
	my ($self, $message) = @_;
	my ($method, $p) = @{$message}{qw(method params)};

	$self->{loaded} = 1 if $method eq 'Page.loadEventFired';
	push @{ $self->{requests} }, $p->{request}{url} if $method eq 'Network.requestWillBeSent';
	push @{ $self->{complaints} }, $p->{entry}{text} if $method eq 'Log.entryAdded';
	push @{ $self->{complaints} }, $p->{exceptionDetails}{text} if $method eq 'Runtime.exceptionThrown';
	push @{ $self->{complaints} }, join ' ', map { $_->{value} // $_->{description} // $_->{type} } @{ $p->{args} }
	  if $method eq 'Runtime.consoleAPICalled';
}

# show(%opts): as in open()
sub show
{
	my ($self, %opts) = @_;

	$self->call('Emulation.setDeviceMetricsOverride',
		{ width => 0 + ($opts{width} // 1200), height => 0 + ($opts{height} // 900), deviceScaleFactor => 0 + ($opts{scale} // 1), mobile => JSON::PP::false });
	$self->call('Emulation.setEmulatedMedia',
		{ media => $opts{media} // '', features => [ { name => 'prefers-color-scheme', value => $opts{dark} ? 'dark' : 'light' } ] });
}

# evaluate($javascript): its value
sub evaluate
{
	my ($self, $expression) = @_;
	my $answer = $self->call('Runtime.evaluate', { expression => $expression, returnByValue => JSON::PP::true });

	die 'in the page: ' . ($answer->{exceptionDetails}{exception}{description} // $answer->{exceptionDetails}{text}) . "\n"
	  if $answer->{exceptionDetails};
	return $answer->{result}{value};
}

# screenshot($file): all of the page
sub screenshot
{
	my ($self, $file) = @_;
	my $data = $self->call('Page.captureScreenshot', { format => 'png', captureBeyondViewport => JSON::PP::true })->{data};

	CORE::open my $fh, '>:raw', $file or die "could not write $file: $!";
	print $fh MIME::Base64::decode_base64($data);
	close $fh or die "could not write $file: $!";
}

sub close
{
	my ($self) = @_;

	delete $self->{browser}{pages}{ $self->{session} };
	$self->{browser}->call('Target.closeTarget', { targetId => $self->{target} });
}

1;
