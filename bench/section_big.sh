# section_big.sh: ten thousand keys against ten million, in two databases of
# one server.  The traffic is the same: KEYS keys of each, drawn evenly.

say "  making $BIGKEYS keys in a database of their own"
big_began=$(date +%s)
sql -c "CREATE DATABASE big" >/dev/null
sql -d big -v n="$KEYS" -v hot="$HOT" -v limits="$LIMITS" -f bench/setup.sql >/dev/null
sql -d big -v n=$((BIGKEYS - KEYS)) -f bench/big.sql >/dev/null
say "  took $(($(date +%s) - big_began)) s"

mkdir -p "$work/wide"
echo "\set n random(1, $KEYS)
SELECT apikey.is_allowed((SELECT key FROM bench.known WHERE n = :n), $request);" >"$work/wide/1.sql"
measure_small_keys() { pgbench_tps wide; }
measure_big_keys() { PGDATABASE=big pgbench_tps wide; }
# every key is looked up in the tables
measure_small_cold() { PGOPTIONS='-c apikey.cache_size=0' pgbench_tps wide; }
measure_big_cold() { PGDATABASE=big PGOPTIONS='-c apikey.cache_size=0' pgbench_tps wide; }

rounds small_keys big_keys small_cold big_cold
row "is_allowed() with $BIGKEYS keys" big_keys "with $KEYS keys" small_keys ">= 0.9"
row "the same without a cache" big_cold "with $KEYS keys, without a cache" small_cold ""
check_answers big
