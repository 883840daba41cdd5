# lib.sh: measuring in turns, and the table.  Sourced by bench/run.
#
# What is measured has a name and a function of its own, measure_NAME, which
# prints one number.  rounds calls them in turns and keeps the numbers in
# $work/NAME.figures; row compares the medians of two.

sql()
{
	"$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# The request of every verification; its parts are bound.
request=':scopes, :ip, :method, :path'
values=(-D calls=0 -D 'scopes={orders:read}' -D ip=198.51.100.9 -D method=GET -D path=/v1/orders/7)

# script NAME COLUMN STATEMENT: what pgbench runs.  KEY in the statement is the
# key, bound like the rest, as an application should.  A client draws one of the
# hot keys, stays with it for some hundred calls, and draws the next: pgbench
# has no table of texts to draw from at every call.
script()
{
	mkdir "$work/$1"
	cat >"$work/$1/1.sql" <<-SQL
		\set calls :calls - 1
		\if :calls < 0
		SELECT $2 AS key FROM bench.hot ORDER BY random() LIMIT 1 \gset
		\set calls 300
		\endif
		${3//KEY/:key}
	SQL
}

# pgbench_tps NAME: transactions per second of one turn
pgbench_tps()
{
	"$bin/pgbench" -n -M prepared -c "$CLIENTS" -j "$THREADS" -T "$turn_seconds" "${values[@]}" -f "$work/$1/1.sql" \
		>"$work/pgbench.out" 2>"$work/pgbench.err" || { cat "$work/pgbench.err" >&2; return 1; }
	if grep -q 'number of failed transactions: [1-9]' "$work/pgbench.out"; then
		grep failed "$work/pgbench.out" >&2
		return 1
	fi
	sed -n 's/^tps = \([0-9]*\).*/\1/p' "$work/pgbench.out"
}

# rounds NAME...: one short round that fills caches and is not counted, then
# ROUNDS that are
rounds()
{
	local round name figure
	for round in $(seq 0 "$ROUNDS"); do
		turn_seconds=$DURATION
		[ "$round" -gt 0 ] || turn_seconds=1
		for name in "$@"; do
			figure=$("measure_$name")
			[[ $figure =~ ^-?[0-9.]+$ ]] || die "$name gave no figure: $figure"
			[ "$round" -eq 0 ] || echo "$figure" >>"$work/$name.figures"
		done
	done
}

median()
{
	sort -n "$work/$1.figures" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# row TITLE NAME WITH-TITLE WITH-NAME GOAL [UNIT]: a line of the table, the
# ratio of two medians
row()
{
	awk -v title="$1" -v a="$(median "$2")" -v with="$3" -v b="$(median "$4")" -v goal="$5" -v unit="${6:-/s}" \
		-v low="$(sort -n "$work/$2.figures" | head -n 1)" -v high="$(sort -n "$work/$2.figures" | tail -n 1)" '
		function figure(x) { return sprintf(x < 100 ? "%.2f" : "%.0f", x) }
		BEGIN {
			printf "| %s | %s %s | %s | %s %s | %.3f | %s | %s - %s |\n",
				title, figure(a), unit, with, figure(b), unit, a / b, goal, figure(low), figure(high)
		}' >>"$stage/rows"
	tail -n 1 "$stage/rows"
}

# plain_row TITLE NAME GOAL UNIT: a figure without a companion
plain_row()
{
	awk -v title="$1" -v a="$(median "$2")" -v goal="$3" -v unit="$4" \
		-v low="$(sort -n "$work/$2.figures" | head -n 1)" -v high="$(sort -n "$work/$2.figures" | tail -n 1)" '
		function figure(x) { return sprintf(x < 100 ? "%.2f" : "%.0f", x) }
		BEGIN {
			printf "| %s | %s %s | | | | %s | %s - %s |\n", title, figure(a), unit, goal, figure(low), figure(high)
		}' >>"$stage/rows"
	tail -n 1 "$stage/rows"
}

# check_answers DATABASE: a denial costs less, and an event that is dropped
# costs nothing: figures count only if there was neither
check_answers()
{
	local bad dropped
	sql -d "$1" -c 'SELECT apikey.flush_usage()' >/dev/null
	bad=$(sql -d "$1" -c "SELECT count(*) FROM apikey.usage WHERE code <> 'VALID'")
	[ "$bad" -eq 0 ] || die "$bad of the verifications measured were not VALID: $(sql -d "$1" -F ' ' -c \
		"SELECT code, count(*) FROM apikey.usage WHERE code <> 'VALID' GROUP BY code" | tr '\n' ' ')"
	if [ -n "$(sql -d "$1" -c "SELECT to_regclass('bench.usage')")" ]; then
		bad=$(sql -d "$1" -c "SELECT count(*) FROM bench.usage WHERE code <> 'VALID'")
		[ "$bad" -eq 0 ] || die "$bad of the calls of the PL/pgSQL equivalent were not VALID"
	fi
	dropped=$(sql -d "$1" -c 'SELECT dropped FROM apikey.stat_usage')
	[ "$dropped" -eq 0 ] || die "$dropped usage events were dropped"
}

# machine prints what the figures were measured on
machine()
{
	printf '%s, %s cores of %s, %s, %s' "$(date -u +%Y-%m-%d)" "$(nproc)" \
		"$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)" \
		"$(. /etc/os-release && echo "$PRETTY_NAME")" "$("$PG_CONFIG" --version)"
	printf ', `pgbench -M prepared -c %s -j %s`, unix socket, %s rounds of %s s in turns, medians.\n' \
		"$CLIENTS" "$THREADS" "$ROUNDS" "$DURATION"
}
