#!/usr/bin/env bash
# packages.sh: what a task needs from Debian, and getting it.
#
#	packages.sh install PACKAGE...	as root
#
# Sourced, it gives packages_ensure.  Nothing is touched when nothing is
# missing.
set -euo pipefail

# packages_for NEED... prints the packages of the given needs
packages_for()
{
	local need
	for need in "$@"; do
		case $need in
			unit) echo gcc libc6-dev make ;;
			build)
				echo gcc libc6-dev make libsodium-dev
				# somebody else's server brings its own headers
				[ -n "${PG_CONFIG:-}" ] || echo postgresql-15 postgresql-server-dev-15
				;;
			# the program alone brings no letters
			browser) echo chromium fonts-dejavu-core ;;
			tap)
				# whether promtool likes what the exporter tells is checked where there
				# is one: its package, prometheus, would bring 330 MB
				echo perl libipc-run-perl pgbouncer prometheus-sql-exporter
				# Debian's driver fits Debian's node only; for another one there is npm
				command -v node >/dev/null || echo nodejs node-pg
				;;
			model) echo gcc libc6-dev spin ;;
			format) echo perl pg-bsd-indent ;;
			# the programs, without the service that redis-server would start
			bench) echo redis-tools ;;
			fuzz) echo clang libclang-rt-14-dev make ;;
		esac
	done | tr ' ' '\n' | sort -u
}

packages_missing()
{
	local package
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done
}

# packages_ensure NEED... installs what is missing of the given needs
packages_ensure()
{
	local missing self
	# shellcheck disable=SC2046
	if ! command -v dpkg-query >/dev/null; then
		warn "not a Debian system: taking for granted what Debian calls" $(packages_for "$@")
		return 0
	fi
	# shellcheck disable=SC2046
	missing=$(packages_missing $(packages_for "$@"))
	[ -n "$missing" ] || return 0
	self=$top/test/lib/packages.sh
	# shellcheck disable=SC2086
	if [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null; }; then
		say "Installing from Debian what is missing:" $missing
	fi
	if [ "$(id -u)" -eq 0 ]; then
		bash "$self" install $missing
	elif ! command -v sudo >/dev/null; then
		die "packages are missing, and this is not root and has no sudo; as root: apt-get install" $missing
	elif sudo -n true 2>/dev/null; then
		sudo -n bash "$self" install $missing
	elif [ -t 0 ]; then
		sudo bash "$self" install $missing
	else
		die "packages are missing, sudo asks for a password and there is no terminal; as root: apt-get install" $missing
	fi
	# shellcheck disable=SC2086
	missing=$(packages_missing $missing)
	[ -z "$missing" ] || die "could not install" $missing
}

apt()
{
	apt-get -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -q "$@"
}

# Installing a server makes a cluster "main" and starts it, and installing
# PgBouncer or an exporter starts that, unless told not to.  A machine that tests
# an extension wants none of them.
dropin=/etc/postgresql-common/createcluster.d/apikey-test.conf
policy=/usr/sbin/policy-rc.d
policy_made=
log=
packages_cleanup()
{
	rm -f "$dropin" "$log"
	[ -z "$policy_made" ] || rm -f "$policy"
	# the directories belong to postgresql-common, if it got installed
	if [ -n "$(packages_missing postgresql-common)" ]; then
		rmdir --ignore-fail-on-non-empty "${dropin%/*}" /etc/postgresql-common 2>/dev/null || true
	fi
}

packages_install()
{
	local try service

	export DEBIAN_FRONTEND=noninteractive LC_ALL=C
	unset MAKEFLAGS MFLAGS MAKELEVEL
	# two runs at once: the second waits, then finds most of it done
	exec 9</var/lib/dpkg
	flock -w 1800 9 || return 1
	# shellcheck disable=SC2046
	set -- $(packages_missing "$@")
	[ $# -gt 0 ] || return 0

	mkdir -p "${dropin%/*}"
	log=$(mktemp)
	trap packages_cleanup EXIT
	trap 'exit 130' INT TERM HUP
	echo 'create_main_cluster = false' >"$dropin"
	if [ ! -e "$policy" ]; then
		policy_made=1
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	for try in 1 2 3; do
		[ "$try" -eq 1 ] || sleep $((try * 5))
		# a broken source of something else must not stop us
		apt update >"$log" 2>&1 9<&- || tail -n 5 "$log" >&2
		if apt install -y --no-install-recommends "$@" >"$log" 2>&1 </dev/null 9<&-; then
			# nor at the next start of the machine
			for service in pgbouncer prometheus-sql-exporter; do
				if [[ " $* " == *" $service "* ]]; then
					# it works for the scripts of packages only
					DPKG_MAINTSCRIPT_PACKAGE=$service deb-systemd-helper disable "$service.service" >/dev/null 2>&1 || true
					update-rc.d "$service" disable >/dev/null 2>&1 || true
				fi
			done
			return 0
		fi
		tail -n 15 "$log" >&2
	done
	return 1
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	[ "${1:-}" = install ] || { echo "usage: packages.sh install PACKAGE..." >&2; exit 2; }
	shift
	packages_install "$@"
fi
