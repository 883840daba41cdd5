# cluster.sh: the extension built and installed, and servers to run it in.
# Sourced after stage_enter.

# build_errors LOG shows what a compiler or make complains of
build_errors()
{
	grep -nE ': (fatal )?(error|warning):|undefined reference|\*\*\*' "$1" | head -n 40 || true
	say "--- the end of the build"
	tail -n 8 "$1"
}

# build_installed builds the tree into the private PostgreSQL, once
build_installed()
{
	[ ! -e "$stage/built" ] || return 0
	if [ -e "$stage/build.log" ]; then
		say "the build failed, see above"
		return 1
	fi
	if ! make -C "$stage/src" -j2 PG_CONFIG="$PG_CONFIG" all install >"$stage/build.log" 2>&1; then
		build_errors "$stage/build.log"
		say "the build failed"
		return 1
	fi
	touch "$stage/built"
}

# cluster_create DIR [LINE...] makes a cluster in DIR; the lines are added to
# its configuration
cluster_create()
{
	local dir=$1
	shift
	mkdir -p "$dir"
	"$bin/initdb" -D "$dir/data" --no-sync -A trust -U postgres -E UTF8 --locale=C.UTF-8 \
		>"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log"; return 1; }
	{
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$dir'"
		echo "fsync = off"
		echo "shared_preload_libraries = 'apikey'"
		echo "max_worker_processes = 32"
		echo "max_prepared_transactions = 10"
		echo "timezone = 'UTC'"
		echo "log_timezone = 'UTC'"
		echo "lc_messages = 'C'"
		echo "log_line_prefix = '%m [%p] %b %q%u@%d '"
		[ $# -eq 0 ] || printf '%s\n' "$@"
	} >>"$dir/data/postgresql.conf"
}

# cluster_start DIR starts it and points libpq at it
cluster_start()
{
	local dir=$1
	export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	if ! "$bin/pg_ctl" -D "$dir/data" -w -t 180 -l "$dir/log" start >"$dir/start.log" 2>&1; then
		cat "$dir/start.log"
		tail -n 30 "$dir/log"
		return 1
	fi
}

cluster_stop()
{
	"$bin/pg_ctl" -D "$1/data" -w -t 180 -m fast stop >/dev/null 2>&1
}

# cluster_shared is the server that the SQL levels share
cluster_shared()
{
	local dir=$stage/db
	[ -d "$dir/data" ] || cluster_create "$dir"
	if "$bin/pg_ctl" -D "$dir/data" status >/dev/null 2>&1; then
		export PGHOST=$dir PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	else
		cluster_start "$dir"
	fi
}

# cluster_log DIR shows the end of its log, what matters first
cluster_log()
{
	local log=$1/log
	[ -s "$log" ] || return 0
	say "--- server log: crashes and panics"
	grep -nE 'PANIC|terminated by signal|TRAP|stuck spinlock|Sanitizer|runtime error' "$log" | head -n 20 || true
	say "--- the end of the server log"
	tail -n "${2:-40}" "$log"
}
