# section_changes.sh: verifications while other keys change.

[ -d "$work/verify" ] || script verify key "SELECT * FROM apikey.verify(KEY, $request);"
mkdir -p "$work/change"
cat >"$work/change/1.sql" <<-SQL
	\set n random($HOT + 1, $KEYS)
	SELECT apikey.update_key(key_id, description => 'changed ' || :n) FROM bench.known WHERE n = :n;
SQL

measure_quiet() { pgbench_tps verify; }
measure_changing()
{
	local changer
	"$bin/pgbench" -n -M prepared -c 1 -T $((turn_seconds + 3)) -R "$CHANGES" -f "$work/change/1.sql" \
		>"$work/change.out" 2>&1 &
	changer=$!
	sleep 1
	pgbench_tps verify
	wait "$changer" || { cat "$work/change.out" >&2; return 1; }
	! grep -q 'number of failed transactions: [1-9]' "$work/change.out"
}

if [ "$KEYS" -gt "$HOT" ]; then
	rounds quiet changing
	row "\`verify(...)\`, $CHANGES other keys change per second" changing "\`verify(...)\`, no changes" quiet ">= 0.80"
	check_answers postgres
fi
