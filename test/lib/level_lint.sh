# the rules about the text of the tree, then those about the installed catalog;
# each rule is also shown a violation
. test/lib/level.sh

# count_rules OUTPUT
count_rules()
{
	count "$(grep -c '^ok - ' "$1" || true)" "$(grep -c '^not ok - ' "$1" || true)" 0
}

for part in check selfcheck; do
	say "test/lint/$part"
	"test/lint/$part" >"$stage/lint.out" 2>&1 || true
	grep -v '^ok - ' "$stage/lint.out" || true
	count_rules "$stage/lint.out"
done

say "test/lint/catalog.sql"
need_build
cluster_shared
psql=("$bin/psql" -X -q -A -t -F ': ' -v ON_ERROR_STOP=1)
"${psql[@]}" -c 'CREATE DATABASE lint_apikey TEMPLATE template0'
export PGDATABASE=lint_apikey
"${psql[@]}" -c 'SET client_min_messages = warning' -c 'CREATE EXTENSION apikey CASCADE'

# the install script inserts no row and makes no partition
rows=$("${psql[@]}" <<'SQL'
SELECT c.oid::regclass FROM pg_class c
WHERE c.relnamespace = 'apikey'::regnamespace AND c.relkind = 'r'
	AND (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', c.oid::regclass), false, true, '')))[1]::text <> '0'
UNION ALL SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'apikey.usage'::regclass;
SQL
)
if [ -z "$rows" ]; then
	count 1 0 0
else
	say "not ok - rows or partitions after CREATE EXTENSION:" $rows
	count 0 1 0
fi

"${psql[@]}" -c 'SELECT apikey.ensure_partitions()' >/dev/null
found=$("${psql[@]}" -f test/lint/catalog.sql)
rules=$(grep -oE "SELECT '[a-z_]+'," test/lint/catalog.sql | grep -oE '[a-z_]{3,}' | sort -u)
planted=$({ echo 'BEGIN;'; cat test/lint/catalog_selfcheck.sql test/lint/catalog.sql; echo 'ROLLBACK;'; } | "${psql[@]}")
for rule in $rules; do
	if grep -q "^$rule: " <<<"$found"; then
		say "not ok - $rule"
		grep "^$rule: " <<<"$found" | sed 's/^/  /' | head -n 40
		count 0 1 0
	else
		count 1 0 0
	fi
	new=$(diff <(printf '%s\n' "$found") <(printf '%s\n' "$planted")) || true
	if grep -q "^> $rule: " <<<"$new"; then
		count 1 0 0
	else
		say "not ok - $rule does not see a violation"
		count 0 1 0
	fi
done
