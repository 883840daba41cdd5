# stage.sh: a place to build and run that touches nothing else.
#
# Sourced by the front ends (test/run, test/demo/run, ...).  A front end is
# run twice.  The first time, as whoever calls it, stage_run
#
#	- installs missing packages,
#	- makes a work directory under /tmp with a short name without a space,
#	- copies the tree into it (src/), and the test data (data/),
#	- makes a private PostgreSQL there (pg/): the programs find their files
#	  relative to themselves, so a copy is an installation of its own,
#	- runs the copy of the front end there with --staged DIR, as an
#	  unprivileged user if we are root, in a clean environment,
#	- stops every process below the work directory and removes it.
#
# A front end may define stage_prepare, to put more into the work directory,
# and stage_finish, to take something out of it after success.
#
# The second time, stage_enter sets the variables that the levels use:
# stage (the work directory), PG_CONFIG, bin, PATH, TMPDIR.
#
# Expects $top, the root of the tree.

. "$top/test/lib/common.sh"
. "$top/test/lib/packages.sh"

stage_dir=
stage_inner=
stage_env=()

# Where private files are made: short, because a socket's path has 107 bytes,
# and reachable and executable for the user that the servers run as.
stage_mkdir()
{
	local base dir
	for base in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
		[[ $base =~ ^/[A-Za-z0-9_./-]{1,40}$ ]] || continue
		dir=$(mktemp -d "$base/apikey.XXXXXX" 2>/dev/null) || continue
		printf '#!/bin/sh\n' >"$dir/probe"
		chmod 755 "$dir" "$dir/probe"
		if "${stage_as[@]}" "$dir/probe" 2>/dev/null; then
			rm -f "$dir/probe"
			chmod 700 "$dir"
			stage_dir=$dir
			return 0
		fi
		rm -rf "$dir"
	done
	die "no directory to work in: tried ${TMPDIR:-/tmp}, /tmp and /var/tmp"
}

# stage_postgres DIR copies the installed PostgreSQL to DIR
stage_postgres()
{
	local dir=$1 config path option
	config=${PG_CONFIG:-/usr/lib/postgresql/15/bin/pg_config}
	command -v "$config" >/dev/null || die "there is no $config"
	case $("$config" --bindir) in
		/usr/bin | /bin | /usr/local/bin)
			die "$config: programs among those of the system cannot be copied" ;;
	esac
	for option in --bindir --pkglibdir --sharedir; do
		path=$("$config" "$option")
		[ -d "$path" ] || die "$config $option: $path is not there"
		mkdir -p "$dir${path%/*}"
		cp -a "$path" "$dir${path%/*}/"
	done
	path=$("$config" --includedir)
	[ -d "$("$config" --includedir-server)" ] || die "$config: the server headers are missing"
	mkdir -p "$dir${path%/*}"
	ln -s "$path" "$dir$path"
	stage_config=$dir$("$config" --bindir)/pg_config
}

stage_copy()
{
	local rc=0
	mkdir "$stage_dir/src"
	# exit status 1 says that a file changed meanwhile, no harm here
	tar -C "$top" --exclude=./.git --exclude='*.o' --exclude='*.so' --exclude='*.bc' \
		--exclude=./.deps --exclude=./results --exclude=./output_iso \
		--exclude='./test/*/build' --exclude='./tmp_check*' --exclude=./log --exclude='./regression.*' \
		-cf "$stage_dir/src.tar" . || rc=$?
	[ "$rc" -le 1 ] || die "could not copy $top"
	tar -C "$stage_dir/src" --no-same-owner -xf "$stage_dir/src.tar"
	rm "$stage_dir/src.tar"
	rm -f "$stage_dir/src/sql/apikey--$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" "$top/apikey.control").sql"
	chmod -R u+rwX "$stage_dir/src"
}

stage_data()
{
	local data=${APIKEY_TEST_DATA:-$top/../shared/data}
	mkdir "$stage_dir/data"
	if [ -d "$data" ]; then
		cp -R "$data/." "$stage_dir/data/"
		chmod -R u+rwX "$stage_dir/data"
	fi
}

stage_cleanup()
{
	local rc=$?
	trap '' INT TERM HUP PIPE
	trap - EXIT
	set +e
	if [ -n "$stage_inner" ] && kill -0 "$stage_inner" 2>/dev/null; then
		kill -TERM "$stage_inner" 2>/dev/null
		for _ in $(seq 300); do
			kill -0 "$stage_inner" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL -- "-$stage_inner" 2>/dev/null
	fi
	if [ -n "$stage_dir" ] && [ -d "$stage_dir" ]; then
		stop_below "$stage_dir"
		if [ "${KEEP:-0}" = 1 ]; then
			warn "kept $stage_dir"
		else
			rm -rf "$stage_dir"
		fi
	fi
	exit "$rc"
}

# stage_run SCRIPT "NEED..." ARGUMENT... does not return
stage_run()
{
	local script=$1 needs=$2 user rc=0
	shift 2
	unset MAKEFLAGS MFLAGS MAKELEVEL CDPATH
	umask 022

	# shellcheck disable=SC2086
	packages_ensure $needs

	# PostgreSQL refuses to run as root
	stage_as=()
	if [ "$(id -u)" -eq 0 ]; then
		user=postgres
		getent passwd "$user" >/dev/null || user=nobody
		stage_as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups --)
	fi

	trap stage_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP PIPE
	stage_mkdir
	mkdir "$stage_dir/tmp" "$stage_dir/home"
	stage_copy
	stage_data
	stage_config=
	if [[ " $needs " == *" build "* ]]; then
		stage_postgres "$stage_dir/pg"
	fi
	if declare -F stage_prepare >/dev/null; then
		stage_prepare
	fi
	[ -z "${user:-}" ] || chown -R "$user:$(id -g "$user")" "$stage_dir"

	set -m
	env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "HOME=$stage_dir/home" \
		"TMPDIR=$stage_dir/tmp" LANG=C.UTF-8 TZ=UTC SHELL=/bin/bash \
		"USER=${user:-$(id -un)}" "LOGNAME=${user:-$(id -un)}" "TERM=${TERM:-dumb}" \
		"KEEP=${KEEP:-0}" "PG_CONFIG=$stage_config" "APIKEY_TEST_DATA=$stage_dir/data" \
		"${stage_env[@]}" \
		"${stage_as[@]}" bash "$stage_dir/src/$script" --staged "$stage_dir" "$@" </dev/null &
	stage_inner=$!
	set +m
	wait "$stage_inner" || rc=$?
	stage_inner=
	if [ "$rc" -eq 0 ] && declare -F stage_finish >/dev/null; then
		stage_finish
	fi
	exit "$rc"
}

# stage_enter DIR
stage_enter()
{
	stage=$1
	bin=
	cd "$stage/src"
	trap 'bounded_stop; exit 143' TERM INT HUP
	if [ -n "$PG_CONFIG" ]; then
		bin=$("$PG_CONFIG" --bindir)
		PATH=$bin:$PATH
	else
		unset PG_CONFIG
	fi
	export stage bin PATH
}
