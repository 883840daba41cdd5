# Who may do what, for whose objects: every function and table at every access
# level, on the tenant itself, its child, its sister, its parent and a tenant
# of somebody else.  Written as doc/apikey-access.md into the work directory
# and compared with that file, cell by cell; after a change that is meant, look
# at the differences and replace the file (KEEP=1 test/run attack).
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use Test::More;
use ApikeyTest;
use ApikeyAttack;
use DocPage;

my $node   = attack_node();
my $top    = $ENV{top_builddir};
my @places = qw(own child sister top foreign);
my %role   = (map({ $_ => "regress_atk_$_" } qw(none verifier analyst auditor operator admin)), 'admin of all' => 'regress_atk_all');
my @who    = ('none', qw(verifier analyst auditor operator admin), 'admin of all');

# rows that the setup has not made, one in each place
$node->safe_psql('postgres', <<'SQL');
INSERT INTO apikey.quota_state (quota_id, window_start, window_end, tenant_id, key_id, shared, holder, name, units, updated_at)
	SELECT gen_random_uuid(), now(), now() + interval '1 day', tenant_id, key_id, 'key', key_id, 'q', 5, now() FROM apikey.api_key;
INSERT INTO apikey.limit_state (limit_id, tenant_id, key_id, shared, holder, name, ceiling, updated_at)
	SELECT gen_random_uuid(), tenant_id, key_id, 'key', key_id, 'm', now(), now() FROM apikey.api_key;
INSERT INTO apikey.limit_ledger (tenant_id, key_id, kind, limit_id, shared, holder, name, author, created_at, applied_at)
	SELECT tenant_id, key_id, 'reset', gen_random_uuid(), 'key', key_id, 'm', 'x', now(), now() FROM apikey.api_key;
SELECT apikey.grant_access('regress_atk_none', 'verifier', t), apikey.revoke_access('regress_atk_none', 'verifier', t) FROM unnest('{top/sister,top/acme/eu,rival,top}'::text[]) t;
INSERT INTO apikey.member (tenant_id, role_name, role_oid, system_identifier, access, granted_by)
	SELECT tenant_id, 'gone', 0, 0, 'analyst', 'x' FROM apikey.tenant;
SELECT apikey.set_usage_class('short', '30 days');
INSERT INTO apikey.usage_class_tenant (tenant_id, class) SELECT tenant_id, 'short' FROM apikey.tenant;
SQL

# a key that is accepted in each place, too
foreach my $place (qw(child sister top foreign))
{
	my $names = names_of($place);
	my ($key, $secret, $text) = split /\|/, $node->safe_psql('postgres',
		"SELECT key_id, secret_id, key FROM apikey.create_key('$names->{tenant}', '$names->{env}', scopes => '{a}')");
	@{$names}{qw(key secret keytext)} = ($key, $secret, $text);
}

# for the views: denials, latencies, keys that end or are not used, old secrets in use
$node->safe_psql('postgres', <<'SQL');
UPDATE apikey.api_key SET created_at = now() - interval '100 days', expires_at = now() + interval '5 days' WHERE status = 'suspended';
INSERT INTO apikey.key_secret (key_id, tenant_id, keyring_id, digest, hint)
	SELECT key_id, tenant_id, keyring_id, sha256(digest), hint FROM apikey.key_secret WHERE key_id IN (SELECT key_id FROM apikey.api_key WHERE status = 'active');
INSERT INTO apikey.usage (at, tenant_id, key_id, secret_id, environment_id, code, latency_us, endpoint)
	SELECT now(), k.tenant_id, k.key_id, s.secret_id, k.environment_id, c.code, 1000, '/orders/1'
	FROM apikey.api_key k JOIN apikey.key_secret s USING (key_id), unnest('{VALID,EXPIRED,LOGGED}'::text[]) c (code) WHERE k.status = 'active';
SELECT apikey.refresh_rollups();
SQL

# --- what is tried: [ kind, name, variant, { place => statement } ] -----------
my @rows;
foreach my $line (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT c.relname, EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
FROM pg_class c WHERE c.relnamespace = 'apikey'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND NOT c.relispartition
ORDER BY c.relkind = 'v', c.relname COLLATE "C"
SQL
{
	my ($name, $tenants) = split /\|/, $line;
	my $count = "SELECT CASE WHEN count(*) > 0 THEN 'rows' ELSE 'none' END FROM apikey.$name";

	push @rows, [ 'table', $name, '', $tenants eq 't' ? { map { $_ => "$count WHERE tenant_id = " . names_of($_)->{tid} . ';' } @places } : { '' => "$count;" } ];
}
push @rows, [ 'table', 'usage', 'a partition of it', { map { $_ => 'SELECT CASE WHEN count(*) > 0 THEN $$rows$$ ELSE $$none$$ END FROM ' . names_of('own')->{leaf} . ' WHERE tenant_id = ' . names_of($_)->{tid} . ';' } @places } ];
foreach my $call (read_attacks('calls.sql'))
{
	my ($name, $variant) = $call->{label} =~ /^(\w+)(?:, (.*))?$/ or die "calls.sql: wrong label: $call->{label}";

	push @rows, [
		'function', $name, $variant // '',
		$call->{sql} =~ /<(?!own_)\w+>/ ? { map { $_ => $call->{sql} } @places, 'unknown' } : { '' => $call->{sql} } ];
}

# a cell has a character for each place: + works, . as if nothing were there, - refused
sub cells_of
{
	my ($role) = @_;
	my (@what, @sql, %out, @cells);

	foreach my $n (0 .. $#rows)
	{
		foreach my $place (sort keys %{ $rows[$n][3] })
		{
			push @what, [ $n, $place ];
			push @sql, $rows[$n][0] eq 'table' ? $rows[$n][3]{$place} : "BEGIN;\n" . fill($rows[$n][3]{$place}, $place || 'own') . 'ROLLBACK;';
		}
	}
	my @answers = try_as($node, $role, \@sql);
	$out{"@{ $what[$_] }"} = $answers[$_] foreach 0 .. $#what;
	foreach my $n (0 .. $#rows)
	{
		my ($kind, $name, $variant, $tries) = @{ $rows[$n] };
		my @typed = exists $tries->{''} || $kind eq 'table' ? () : $tries->{own} =~ /<(\w+)>/g;
		my $cell  = '';

		foreach my $place (exists $tries->{''} ? '' : @places)
		{
			my $answer = $out{"$n $place"};
			my $state  = state_of($answer);

			if ($state eq 'lost') { $cell .= '!' }
			elsif ($state eq '42501') { $cell .= '-' }
			elsif ($kind eq 'table') { $cell .= $state ne 'ok' ? '?' : $answer =~ /rows/ ? '+' : '.' }
			elsif ($place ne '' && generic($answer, $place, @typed) eq generic($out{"$n unknown"}, 'unknown', @typed)) { $cell .= '.' }
			else { $cell .= '+' }
			diag("$role, $name, $variant, $place: $answer") if $ENV{APIKEY_VERBOSE} && $state !~ /ok|42501|42704/;
		}
		push @cells, $cell;
	}
	return @cells;
}

my %cells = map { $_ => [ cells_of($role{$_}) ] } @who;

# --- the page --------------------------------------------------------------------
my $text = <<'END';
# Who may do what

Each cell is what a role of that [access level](apikey.md#access) on a tenant came to when it tried. Its five characters are whose object it was:

| place | 1 | 2 | 3 | 4 | 5 |
|---|---|---|---|---|---|
| whose | the tenant's own | of its child | of its sister | of its parent | of a tenant elsewhere |

| character | what came of it |
|---|---|
| `+` | it works (or is refused for a reason that has nothing to do with rights) |
| `.` | as if there were nothing: no row, and the very answer that an unknown name or id gets |
| `-` | permission denied (SQLSTATE 42501) |

So `++...` is the right on a tenant and all below it, and of all else nothing is to be seen. A cell of one character is about no single tenant.
"none" is a role without any access, "admin of all" has access `admin` on all tenants. A superuser may do everything. This page is compared with a running server by the tests, cell by cell.

END
my $page = DocPage->new("$top/doc/apikey-functions.md");
my ($group, %group, @groups) = ('');
foreach my $section ($page->sections)
{
	if ($section->{level} == 2)
	{
		$group = $section->{title};
		push @groups, $group;
	}
	$group{ $section->{title} } = $group;
}
sub add_rows
{
	my ($title, $what, @of) = @_;
	my ($plain, $first) = ('', '');

	return unless @of;
	$text .= "## $title\n\n| $what | " . join(' | ', @who) . " |\n|---" . '|---' x @who . "|\n";
	foreach my $n (@of)
	{
		my ($kind, $name, $variant) = @{ $rows[$n] };
		my $cells = join ' | ', map { "`$cells{$_}[$n]`" } @who;

		# a variant with the rights of the plain call says nothing new
		next if $name eq $plain && $cells eq $first;
		($plain, $first) = ($name, $cells) if $name ne $plain;
		$text .= '| ' . ($kind eq 'function' && $group{$name} ? "[`$name`](apikey-functions.md#$name)" : "`$name`") . ($variant ne '' ? ", $variant" : '') . " | $cells |\n";
	}
	$text .= "\n";
	return;
}
my %at = map { my $n = $_; ("$rows[$n][1]" => $n) } reverse grep { $rows[$_][0] eq 'function' } 0 .. $#rows;
foreach my $title (@groups, '')
{
	# in the order of the reference
	my %order = map { $page->{sections}[$_]{title} => $_ } 0 .. $#{ $page->{sections} };
	my @of = sort { ($order{ $rows[$a][1] } // 0) <=> ($order{ $rows[$b][1] } // 0) || $a <=> $b }
	  grep { $rows[$_][0] eq 'function' && ($group{ $rows[$_][1] } // '') eq $title } 0 .. $#rows;
	add_rows($title ne '' ? "Functions: $title" : 'Functions: others', 'function', @of);
}
add_rows('Tables: SELECT', 'table or view', sort { $rows[$a][1] cmp $rows[$b][1] || $a <=> $b } grep { $rows[$_][0] eq 'table' } 0 .. $#rows);
$text .= <<'END';
Nobody but a superuser may INSERT, UPDATE, DELETE, TRUNCATE or lock any of them, read a sequence or call a function whose name starts with an underscore.
END
unlink "$ENV{TESTLOGDIR}/apikey-access.md";
append_to_file("$ENV{TESTLOGDIR}/apikey-access.md", $text);

# --- compared, cell by cell ---------------------------------------------------------
sub table_cells
{
	my ($path) = @_;
	my %found;

	foreach my $section (DocPage->new($path)->sections)
	{
		foreach my $table (@{ $section->{tables} })
		{
			foreach my $row (@{ $table->{rows} })
			{
				my ($what) = DocPage::code($row->[0]) =~ s/\[(\w+)\]\([^)]*\)/$1/r;

				$found{"$section->{title}: $what: $table->{header}[$_]"} = DocPage::code($row->[$_]) foreach 1 .. $#$row;
			}
		}
	}
	return \%found;
}
my $doc   = "$top/doc/apikey-access.md";
my $found = table_cells("$ENV{TESTLOGDIR}/apikey-access.md");
my $says  = -e $doc ? table_cells($doc) : {};
is($found->{$_} // 'nothing', $says->{$_} // 'nothing', $_) foreach sort keys %{ { %$found, %$says } };
is(-e $doc ? slurp_file($doc) : '', $text, 'doc/apikey-access.md says what was found');
diag("what was found: $ENV{TESTLOGDIR}/apikey-access.md") unless Test::More->builder->is_passing;

# --- rules of the whole matrix ----------------------------------------------------------
foreach my $n (0 .. $#rows)
{
	my ($kind, $name, $variant) = @{ $rows[$n] };
	my $label = join ', ', $name, $variant || ();
	my @bad;

	foreach my $who (@who)
	{
		my $cell = $cells{$who}[$n];

		push @bad, "$who: $cell" if $cell =~ /[?!]/;
		next if length $cell == 1;
		# nothing beside and above, and no difference between those; all for who has all
		push @bad, "$who: $cell" if $who ne 'admin of all' && ($cell =~ /^..+.*\+/ && substr($cell, 2) =~ /\+/ || substr($cell, 2) !~ /^(.)\1\1$/);
		# a right on a tenant is one on its child
		push @bad, "$who: $cell" if $cell =~ /^\+[^+]/;
		push @bad, "$who: $cell" if $who eq 'admin of all' && $cell =~ /[-.]/ && $cell !~ /^-{5}$/;
		push @bad, "$who: $cell" if $who eq 'none' && $cell =~ /\+/;
	}
	is(join(', ', @bad), '', "$kind $label: rights reach down, never sideways or up");
}

# --- rights granted by hand give nothing: the functions look for themselves ---------------
# Whoever gives EXECUTE or SELECT to everybody gives away what needs no tenant.
$node->safe_psql('postgres', <<'SQL');
GRANT USAGE ON SCHEMA apikey TO PUBLIC;
DO $$
DECLARE
	f regprocedure;
	r regclass;
BEGIN
	FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'apikey'::regnamespace AND proname NOT LIKE '\_%' LOOP
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', f);
	END LOOP;
	FOR r IN SELECT oid FROM pg_class WHERE relnamespace = 'apikey'::regnamespace AND relkind IN ('r', 'p', 'v') LOOP
		EXECUTE format('GRANT SELECT ON %s TO PUBLIC', r);
	END LOOP;
END $$;
SQL
my %open = map { $_ => 1 } qw(my_tenants sees_all valid_scopes valid_endpoints valid_hours valid_limits
  latency_percentile latency_merge ip_count ip_merge
  current_key_id current_tenant current_tenant_id current_scopes has_scope flush_usage stat_cache stat_guard stat_limits stat_usage stat_worker);
foreach my $who (grep { $_ ne 'admin of all' } @who)
{
	my @now = cells_of($role{$who});

	foreach my $n (0 .. $#rows)
	{
		my ($kind, $name, $variant) = @{ $rows[$n] };

		next if $open{$name};
		if ($name eq 'key_secret')
		{
			unlike($now[$n], qr/^..(?!\.\.\.)/, "$who, with every right granted by hand: no secrets of others");
			next;
		}
		(my $was = $cells{$who}[$n]) =~ tr/-/./;
		(my $is  = $now[$n]) =~ tr/-/./;
		is($is, $was, "$who, with every right granted by hand: $name" . ($variant ne '' ? ", $variant" : ''));
	}
}

server_is_fine($node);
$node->stop;

done_testing();
