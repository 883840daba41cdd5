# section_big.sh: ten thousand keys against ten million, in two databases of
# one server.  The traffic is the same: KEYS keys of each, some more often than
# others; without a cache evenly, so that every call goes to the tables.  No
# quotas: the first call of a key in a day waits for the disk, and here that
# would be most of them.

big_limits=$((LIMITS < 1 ? LIMITS : 1))
say "  making $BIGKEYS keys in a database of their own"
big_began=$(date +%s)
sql -c "CREATE DATABASE small" -c "CREATE DATABASE big" >/dev/null
sql -d small -v n="$KEYS" -v hot="$HOT" -v limits="$big_limits" -f bench/setup.sql >/dev/null
sql -d big -v n="$KEYS" -v hot="$HOT" -v limits="$big_limits" -f bench/setup.sql >/dev/null
sql -d big -v n=$((BIGKEYS - KEYS)) -f bench/big.sql >/dev/null
say "  took $(($(date +%s) - big_began)) s"

big_statement="SELECT apikey.is_allowed((SELECT key FROM bench.known WHERE n = :n), $request);"
mkdir -p "$work/skewed" "$work/even"
printf '%s\n' "\\set n random_zipfian(1, $KEYS, 1.2)" "$big_statement" >"$work/skewed/1.sql"
printf '%s\n' "\\set n random(1, $KEYS)" "$big_statement" >"$work/even/1.sql"
measure_small_keys() { PGDATABASE=small pgbench_tps skewed; }
measure_big_keys() { PGDATABASE=big pgbench_tps skewed; }
measure_small_cold() { PGDATABASE=small PGOPTIONS='-c apikey.cache_size=0' pgbench_tps even; }
measure_big_cold() { PGDATABASE=big PGOPTIONS='-c apikey.cache_size=0' pgbench_tps even; }

rounds small_keys big_keys small_cold big_cold
row "is_allowed() with $BIGKEYS keys" big_keys "with $KEYS keys" small_keys ">= 0.9"
row "the same without a cache" big_cold "with $KEYS keys, without a cache" small_cold ""
check_answers small
check_answers big
