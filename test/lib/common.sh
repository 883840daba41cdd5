# common.sh: words and waits that every script of the tests uses.
# Sourced, never run.

say()
{
	printf '%s\n' "$*"
}

warn()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	warn "$*"
	exit 1
}

# bounded SECONDS COMMAND... runs COMMAND under a time limit, without stdin.
# It runs in a process group of its own and we wait for it in the background,
# so that a signal to us is handled at once and reaches all of it.
bounded_pid=
bounded()
{
	local seconds=$1 rc=0
	shift
	set -m
	timeout -k 20 "$seconds" "$@" </dev/null &
	bounded_pid=$!
	set +m
	wait "$bounded_pid" || rc=$?
	bounded_pid=
	if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
		warn "stopped after $seconds s: $*"
	fi
	return "$rc"
}

bounded_stop()
{
	if [ -n "$bounded_pid" ]; then
		kill -TERM "$bounded_pid" 2>/dev/null || true
		wait "$bounded_pid" 2>/dev/null || true
	fi
}

# below DIR prints the ids of processes that run a program of DIR or work in it
below()
{
	# find fails for each process that ends meanwhile
	{ find /proc/[0-9]* -maxdepth 1 \( -name exe -o -name cwd \) -lname "$1/*" 2>/dev/null || true; } |
		sed 's,^/proc/\([0-9]*\)/.*,\1,' | sort -un
}

# stop_below DIR ends every process below DIR, servers first and in order:
# a killed postmaster would leave its shared memory behind.
stop_below()
{
	local dir=$1 pids pid file i
	pids=" $(below "$dir" | tr '\n' ' ')"
	while IFS= read -r file; do
		pid=$(head -n 1 "$file" 2>/dev/null) || continue
		if [[ $pids == *" $pid "* ]]; then
			kill -QUIT "$pid" 2>/dev/null || true
		fi
	done < <(find "$dir" -name postmaster.pid 2>/dev/null)
	for i in $(seq 100); do
		[ -n "$(below "$dir")" ] || return 0
		[ "$i" -ne 50 ] || below "$dir" | xargs -r kill -TERM 2>/dev/null || true
		sleep 0.1
	done
	below "$dir" | xargs -r kill -KILL 2>/dev/null || true
}
