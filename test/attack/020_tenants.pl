# Two tenants: what roles of one may try to see or touch of the other.  The
# statements are in reads.sql, views.sql, calls.sql, probes.sql and escalation.sql.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node   = attack_node();

# denials, keys that nobody used for long, and keys that still use an old
# secret, for the views
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE atk.turned AS
	SELECT v.mark, v.ip::inet, k.key_id, k.secret_id
	FROM (VALUES ('CANARYB', 'rival', 'rivalenv', '203.0.113.66'), ('CANARYP', 'top', 'topenv', '203.0.113.77'), ('own', 'top/acme', 'ownenv', '192.0.2.9')) v (mark, tenant, env, ip),
		LATERAL (SELECT set_config('apikey.test_now', extract(epoch FROM now() - interval '100 days')::text, false) OFFSET 0) c,
		LATERAL (SELECT * FROM apikey.create_key(v.tenant, v.env, name => v.mark || ' turned', owner => v.mark || ' owner') WHERE c IS NOT NULL) k;
RESET apikey.test_now;
SELECT count(apikey.rotate_key(key_id, overlap => '20 days')) FROM atk.turned;
INSERT INTO apikey.usage (at, tenant_id, key_id, secret_id, environment_id, code, endpoint, status, latency_us, ip, user_agent)
	SELECT now(), k.tenant_id, k.key_id, t.secret_id, k.environment_id, c.code, '/' || t.mark, 503, 1000, t.ip, t.mark || ' agent'
	FROM atk.turned t JOIN apikey.api_key k USING (key_id), unnest('{VALID,EXPIRED,LOGGED}'::text[]) c (code);
SELECT apikey.refresh_rollups();
SQL
my $before = in_doubt($node);
my @known;

# verdict($attack, $level, $output): '' or what is wrong
sub verdict
{
	my ($attack, $level, $output) = @_;
	my ($what, $rest) = split / /, $attack->{expect}, 2;
	my $state = state_of($output);
	my $plain = join ' ', grep { !/^(?:CONTEXT|LOCATION|DETAIL|HINT|NOTICE|WARNING|PL\/pgSQL|SQL )/ } split /\n/, $output;

	return "the session was lost" if $state eq 'lost';
	if ($what eq 'clean')
	{
		return "SQLSTATE $state" unless grep { $_ eq $state } 'ok', '42501', split /,/, $rest // '';
	}
	elsif ($what eq 'denied')
	{
		return "SQLSTATE $state" unless grep { $_ eq $state } split /,/, $rest // '42501';
	}
	elsif ($what eq 'empty') { return "SQLSTATE $state, not empty" if $state ne 'ok' || $plain =~ /\S/ }
	elsif ($what eq 'own') { return "SQLSTATE $state, nothing of one's own" if $state ne 'ok' || index($plain, $rest) < 0 }
	elsif ($what eq 'known') { push @known, $attack->{label} unless grep { $_ eq $attack->{label} } @known }
	else { die "unknown expectation: $what" }
	return '';
}

# --- one statement, one answer ----------------------------------------------
foreach my $file ('reads.sql', 'views.sql', 'escalation.sql')
{
	my @attacks = read_attacks($file);

	foreach my $level (@levels)
	{
		my @mine = grep { my $a = $_; grep { $_ eq $level } @{ $a->{levels} } } @attacks;
		my @out  = try_as($node, "regress_atk_$level", [ map { fill($_->{sql}, 'foreign') } @mine ]);

		for my $i (0 .. $#mine)
		{
			my @typed = $mine[$i]{sql} =~ /<(\w+)>/g;
			my @wrong = (verdict($mine[$i], $level, $out[$i]) || (),
				leaks($out[$i], $level, map { names_of('foreign')->{$_} } @typed));
			ok(!@wrong, "$level: $mine[$i]{label}")
			  or diag("expected $mine[$i]{expect}, found: @wrong\n" . substr $out[$i], 0, 2000);
		}
	}
}
diag('known to tell sizes of whole tables: ' . join ', ', @known) if $ENV{APIKEY_VERBOSE};

# --- what is not there and what belongs to others reads the same --------------
my %unknown;    # answers about what is not there

# <name> is an object of B or of nobody; the answers must not differ, up to what was typed
foreach my $others ('foreign', 'sister', 'top')
{
	foreach my $file ('calls.sql', 'probes.sql')
	{
		my @probes = read_attacks($file);

		foreach my $level (@levels)
		{
			# the parent's admin may know these
			next if $level eq 'above' && $others ne 'foreign';
			my @mine = grep
			{
				my $probe = $_;
				$probe->{sql} =~ /<(?!own_)\w+>/ && $probe->{others} =~ /\b$others\b/
				  && grep { $_ eq $level } @{ $probe->{levels} };
			} @probes;
			my @there = try_as($node, "regress_atk_$level", [ map { "BEGIN;\n" . fill($_->{sql}, $others) . 'ROLLBACK;' } @mine ]);
			my @new = grep { !exists $unknown{"$level $_->{sql}"} } @mine;
			@unknown{ map { "$level $_->{sql}" } @new } =
			  try_as($node, "regress_atk_$level", [ map { "BEGIN;\n" . fill($_->{sql}, 'unknown') . 'ROLLBACK;' } @new ])
			  if @new;

			for my $i (0 .. $#mine)
			{
				my @typed = $mine[$i]{sql} =~ /<(\w+)>/g;
				my $that  = generic($there[$i], $others, @typed);
				my $none  = generic($unknown{"$level $mine[$i]{sql}"}, 'unknown', @typed);
				my @leaks = leaks($there[$i], $level, map { names_of($others)->{$_} } @typed);

				# debug output names addresses and ids of transactions: its length tells
				($that, $none) = map { scalar(split /\n/) . ' lines' } $that, $none if $mine[$i]{expect} eq 'lines';
				ok($that eq $none && !@leaks, "$level, $others: $mine[$i]{label}")
				  or diag("leaks: @leaks\n--- $others:\n" . substr($that, 0, 1500) . "--- unknown:\n" . substr $none, 0, 1500);
			}
		}
	}
}

# --- counts -------------------------------------------------------------------
# each role counts exactly the rows of its own tree
$node->safe_psql('postgres', q{SELECT apikey.flush_usage('180 s')});
foreach my $level (@levels)
{
	my $top = $level eq 'above' ? 'top' : 'acme';

	foreach my $table (qw(tenant environment policy policy_version role api_key key_role key_activity ip_block event audit_log member usage))
	{
		my ($out) = try_as($node, "regress_atk_$level", ["SELECT count(*) FROM apikey.$table;"]);
		next if state_of($out) eq '42501';
		my $own = $node->safe_psql('postgres', <<"SQL");
WITH RECURSIVE tree AS (
	SELECT tenant_id FROM apikey.tenant WHERE name = '$top' UNION SELECT t.tenant_id FROM tree JOIN apikey.tenant t ON t.parent_id = tree.tenant_id)
SELECT count(*) FROM apikey.$table WHERE tenant_id IN (TABLE tree)
SQL
		is($out, "$own\n", "$level: counts its own rows of $table");
	}
}

# --- and nothing has changed ----------------------------------------------------
is_deeply([ split /\n/, in_doubt($node) ], [ split /\n/, $before ], 'nothing of others and nothing of the extension has changed');
server_is_fine($node);
$node->stop;

done_testing();
