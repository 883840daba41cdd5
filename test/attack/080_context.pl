# The identity of a transaction: what nobody but set_tenant() and authenticate()
# can give it (statements of context.sql), and a table of an application that
# trusts in it.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyAttack;

my $node   = attack_node();
my $own    = names_of('own');

# a table of the application, as doc/apikey.md has it; every row of B has its mark
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.app (tenant text NOT NULL, note text NOT NULL);
INSERT INTO public.app SELECT t, CASE WHEN t LIKE 'rival%' THEN 'CANARYB' WHEN t LIKE 'top/sister%' THEN 'CANARYP' ELSE 'note of ' || t END || ' ' || n
	FROM unnest('{top/acme,top/acme/eu,rival,rival/sub,top/sister}'::text[]) t, generate_series(1, 3) n;
ALTER TABLE public.app ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY app ON public.app USING (tenant = (SELECT apikey.current_tenant()));
GRANT SELECT ON public.app TO PUBLIC;
SQL

my $before = in_doubt($node);

my @starts = (
	[ 'as nobody', '' ],
	[ 'as a tenant', "SELECT apikey.set_tenant('$own->{tenant}');" ],
	[ 'as a key', "SELECT code FROM apikey.authenticate('$own->{keytext}', record => false);" ]);
my $who   = q{SELECT 'IDENTITY', coalesce(apikey.current_tenant(), '-'), coalesce(apikey.current_key_id(), 0), coalesce(apikey.current_scopes()::text, '-'), apikey.has_scope('a'), apikey.has_scope('canaryb:own'), (SELECT count(DISTINCT tenant) FROM public.app);};
my @attacks = read_attacks('context.sql');
my $tried   = 0;

foreach my $start (@starts)
{
	my ($as, $sql) = @$start;

	foreach my $level (@levels)
	{
		my @mine = grep { my $a = $_; grep { $_ eq $level } @{ $a->{levels} } } @attacks;
		# a statement that fails is undone alone, as with ON_ERROR_ROLLBACK an attacker would have it
		my @sql = ("\\set ON_ERROR_ROLLBACK on\nBEGIN;\n$sql\n$who\nROLLBACK;",
			map { "\\set ON_ERROR_ROLLBACK on\nBEGIN;\n$sql\n\\echo == attack\n" . fill($_->{sql}, 'foreign') . "\\echo == then\n$who\nCOMMIT;\n\\echo == later\n$who\n\\set ON_ERROR_ROLLBACK off\n" } @mine);
		my @out = try_as($node, "regress_atk_$level", \@sql);
		my ($base) = shift(@out) =~ /^(IDENTITY.*)$/m;
		my $nobody = 'IDENTITY|-|0|-|f|f|0';

		if ($level eq 'none') { is($base, undef, "$level, $as: may not even ask") }
		else
		{
			my $expect = !$sql || ($as eq 'as a key' && $level !~ /verifier|admin|above/) ? $nobody
			  : $as eq 'as a tenant' ? 'IDENTITY|top/acme|0|-|f|f|1' : "IDENTITY|top/acme|$own->{key}|{a}|t|f|1";
			is($base, $expect, "$level, $as: who the transaction acts for");
		}
		for my $i (0 .. $#mine)
		{
			my ($attack, $then, $later) = $out[$i] =~ /^== attack\n(.*?)^== then\n(.*?)^== later\n(.*)/ms or die $out[$i];
			my ($what, $states) = split / /, $mine[$i]{expect}, 2;
			my $state = state_of($attack);
			my @typed = map { names_of('foreign')->{$_} } $mine[$i]{sql} =~ /<(\w+)>/g;
			my %may   = map { $_ => 1 } $nobody, $base // ();
			my @wrong = leaks($attack =~ s/\(tenant=.*?\)//r, $level, @typed);

			# what is the own child's is one's own; what comes after a commit is nobody's
			push @wrong, "SQLSTATE $state" if $what eq 'denied' && !grep { $_ eq $state } split /,/, $states // '42501';
			push @wrong, "SQLSTATE $state" if $what eq 'clean' && !grep { $_ eq $state } 'ok', '42501', split /,/, $states // '';
			push @wrong, "acts for $1" if $then =~ /^IDENTITY\|(.*)$/m && !$may{"IDENTITY|$1"} && $mine[$i]{sql} !~ /own_child|own_keytext|own_tenant/;
			push @wrong, "acts for $1" if $then =~ /^IDENTITY\|(.*)$/m && "IDENTITY|$1" !~ /^IDENTITY\|(?:-|top\/acme(?:\/eu)?)\|(?:0|$own->{key})\|(?:-|\{a\})\|[tf]\|f\|[01]$/;
			push @wrong, "later acts for $1" if $later =~ /^IDENTITY\|(.*)$/m && "IDENTITY|$1" ne $nobody;
			push @wrong, 'later not asked' if $level ne 'none' && $later !~ /^IDENTITY/m;
			push @wrong, "after the transaction for $1" if $attack =~ /^(?:chained|second life|after commit|prepared)\|(\w\S*)/m || $attack =~ /after (?:commit|rollback): (?!nobody)(.*)/;
			push @wrong, leaks($then . $later, $level);
			ok(!@wrong, "$level, $as: $mine[$i]{label}") or diag("found: @wrong\n" . substr $out[$i], 0, 2500);
			$tried++;
		}
	}
}
note("$tried statements");
cmp_ok(scalar @attacks, '>=', 60, 'at least 60 ways to forge an identity');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%context=_%'}), '0', 'it is kept in no setting');
# --- plans that are kept, as in CVE-2016-2193, 2023-2455 and 2024-10976 ----------
# The admin of the parent narrows himself now to one tenant, now to another.
# Whatever form a query has, its plan is good for whoever executes it.
$node->safe_psql('postgres', <<'SQL');
CREATE VIEW public.invoker WITH (security_invoker) AS SELECT name FROM apikey.api_key;
GRANT SELECT ON public.invoker TO PUBLIC;
CREATE FUNCTION public.inlined() RETURNS SETOF text STABLE LANGUAGE sql AS 'SELECT name FROM apikey.api_key';
CREATE FUNCTION public.kept() RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT string_agg(name, ' ') FROM apikey.api_key); END $$;
SQL
my @queries = (
	'SELECT name FROM apikey.api_key',
	'WITH x AS (SELECT * FROM apikey.api_key) SELECT name FROM x',
	'WITH x AS MATERIALIZED (SELECT * FROM apikey.api_key) SELECT name FROM x',
	'SELECT (SELECT string_agg(name, $$ $$) FROM apikey.api_key)',
	'SELECT name FROM (SELECT * FROM apikey.api_key OFFSET 0) s',
	'SELECT ARRAY(SELECT name FROM apikey.api_key)',
	'SELECT k.name FROM apikey.tenant t, LATERAL (SELECT * FROM apikey.api_key a WHERE a.tenant_id = t.tenant_id) k',
	'SELECT name FROM apikey.key',
	'SELECT name FROM public.invoker',
	'SELECT o FROM public.inlined() o',
	'SELECT public.kept()',
	'SELECT user_agent FROM apikey.usage',
	"SELECT user_agent FROM $own->{leaf}",
	'SELECT note FROM public.app',
	'SELECT (SELECT string_agg(note, $$ $$) FROM public.app)',
	'WITH x AS (SELECT * FROM public.app) SELECT note FROM x');
my %seen = (
	'top/acme'    => [ qr/\bown\b|top\/acme/, qr/CANARY/i ],
	'top/acme/eu' => [ qr/\beu\b/, qr/CANARY|\bown\b/i ],
	'top/sister'  => [ qr/CANARYP/, qr/\bown\b|\beu\b|CANARYB/ ]);
foreach my $mode ('auto', 'force_generic_plan', 'force_custom_plan')
{
	my $n = 0;
	my $script = "SET plan_cache_mode = $mode;\n" . join('', map { 'PREPARE q' . $n++ . " AS $_;\n" } @queries);
	my @steps = qw(top/acme top/sister top/acme/eu top/sister top/acme);
	my $execute = join '', map { "\\echo -- $_\nEXECUTE q$_;\n" } 0 .. $#queries;

	# each in a transaction of its own; then one after the other, undone by savepoints
	$script .= "BEGIN; SELECT apikey.set_tenant('$_');\n\\echo == $_\n${execute}COMMIT;\n" foreach @steps;
	$script .= "BEGIN; SELECT apikey.set_tenant('top/acme');\n";
	$script .= "SAVEPOINT s; SELECT apikey.set_tenant('$_');\n\\echo == $_\n${execute}ROLLBACK TO s;\n\\echo == top/acme\n$execute" foreach @steps;
	$script .= "COMMIT;\n";
	my ($out) = try_as($node, 'regress_atk_above', [$script]);
	my @parts = split /^== /m, $out;
	shift @parts;
	is(scalar @parts, 3 * @steps, "$mode: every step was taken") or diag($out);
	foreach my $part (@parts)
	{
		my ($tenant, $text) = split /\n/, $part, 2;
		my @answers = split /^-- \d+\n/m, $text;
		my ($must, $never) = @{ $seen{$tenant} };

		shift @answers;
		$answers[-1] =~ s/\n(?:\n|COMMIT).*//s;
		# no usage was recorded of what the application's table is asked for; all else has its rows
		is(join(', ', grep { $answers[$_] =~ $never || $answers[$_] =~ /ERROR/ } 0 .. $#answers), '', "$mode, narrowed to $tenant: nothing else");
		is(join(', ', grep { $answers[$_] !~ $must } 0 .. $#answers), '', "$mode, narrowed to $tenant: what is its own");
	}
}

is_deeply([ split /\n/, in_doubt($node) ], [ split /\n/, $before ], 'nothing of others and nothing of the extension has changed');

server_is_fine($node);
$node->stop;

done_testing();
