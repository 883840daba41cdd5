# redis.sh: the same job in Redis + Lua (bench/redis.lua), on a unix socket,
# with as many connections and threads of the load generator as pgbench has and
# no pipelining, as there is none in pgbench.  Sourced by section_verify.sh.

# Debian's redis-tools has the server under the name of one of its roles.
redis_program()
{
	mkdir -p "$work/redisbin"
	ln -sf "$(command -v redis-check-rdb)" "$work/redisbin/redis-server"
}

redis_cli()
{
	local name=$1
	shift
	redis-cli -s "$work/$name.sock" "$@"
}

# redis_start NAME OPTION...: a server with the keys in it
redis_start()
{
	local name=$1 i
	shift
	redis_program
	mkdir -p "$work/$name.dir"
	(cd "$work/$name.dir" && exec "$work/redisbin/redis-server" --port 0 --unixsocket "$work/$name.sock" \
		--dir "$work/$name.dir" --save '' --daemonize no "$@") >"$work/$name.log" 2>&1 &
	echo $! >"$work/$name.pid"
	for i in $(seq 600); do
		[ "$(redis_cli "$name" ping 2>/dev/null)" != PONG ] || break
		sleep 0.1
	done
	redis_cli "$name" eval "$(cat bench/redis_setup.lua)" 0 "$KEYS" >/dev/null
	redis_cli "$name" script load "$(cat bench/redis.lua)" >"$work/$name.sha"
	redis_cli "$name" dbsize >"$work/$name.size"
	# the number of requests of a turn follows from the rate of the last one
	echo 20000 >"$work/$name.rate"
}

# redis_rps NAME: requests per second of one turn
redis_rps()
{
	local name=$1 n rate
	n=$(awk -v r="$(cat "$work/$name.rate")" -v s="$turn_seconds" 'BEGIN { printf "%d", r * s }')
	redis-benchmark -s "$work/$name.sock" -c "$CLIENTS" --threads "$THREADS" -n "$n" -r "$HOT" --csv \
		EVALSHA "$(cat "$work/$name.sha")" 0 acme_live___rand_int__0123456789012345678901234567890 \
		orders:read 198.51.100.9 GET /v1/orders/7 >"$work/redis.out" 2>&1 || { cat "$work/redis.out" >&2; return 1; }
	rate=$(awk -F '","' 'END { printf "%d", $2 }' "$work/redis.out")
	[ "${rate:-0}" -gt 0 ] || { cat "$work/redis.out" >&2; return 1; }
	echo "$rate" | tee "$work/$name.rate"
}

# redis_check NAME: every answer was VALID, every one is in the stream
redis_check()
{
	local denied
	denied=$(redis_cli "$1" get denied)
	[ -z "$denied" ] || die "$denied of the answers of Redis were not VALID"
	[ "$(redis_cli "$1" xlen usage)" -gt 0 ] || die "Redis has recorded nothing"
}

redis_stop()
{
	redis_cli "$1" shutdown nosave >/dev/null 2>&1 || true
	wait "$(cat "$work/$1.pid")" 2>/dev/null || true
}
