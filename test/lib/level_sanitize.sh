# ASAN and UBSan: the unit tests, then the SQL tests against a server with an
# instrumented extension.  A report of a sanitizer is a failure, whatever the
# test that caused it says.
. test/lib/level.sh

# UBSan has nothing to say about overflow that -fwrapv, which PGXS passes, allows
san="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-wrapv -fno-omit-frame-pointer -g -O1"

# another level may build in the tree meanwhile, and the copy be made by then
if [ ! -d "$stage/san" ]; then
	mkdir "$stage/san"
	cp -a "$stage/src" "$stage/pg" "$stage/san/"
fi
cd "$stage/san/src"

say "unit tests"
run_check 900 test/unit BUILD="$stage/unit_san" SAN="$san" || true

# reports are written to files, and the run goes on to the end
reports=$stage/san/report
show_reports()
{
	local file found=0
	# UBSan writes where the server writes
	grep -h -A 12 'runtime error:' "$PGHOST/log" >"$reports.ubsan" || true
	for file in "$reports".*; do
		[ -s "$file" ] || continue
		found=$((found + 1))
		[ "$found" -le 5 ] || continue
		say "--- ${file##*/}"
		head -n 60 "$file"
	done
	say "processes with a report of a sanitizer: $found"
	if [ "$found" -eq 0 ]; then count 1 0 0; else count 0 1 0; fi
}

say "extension"
PG_CONFIG=$stage/san/pg${PG_CONFIG#"$stage/pg"}
bin=$("$PG_CONFIG" --bindir)
export PG_CONFIG PATH=$bin:$PATH
if ! make -j2 PG_CONFIG="$PG_CONFIG" clean >"$stage/san/build.log" 2>&1 ||
	! make -j2 PG_CONFIG="$PG_CONFIG" SAN="$san" all install >>"$stage/san/build.log" 2>&1; then
	build_errors "$stage/san/build.log"
	say "the build failed"
	count 0 1 0
	exit 1
fi
gcc -shared -fPIC -o "$stage/san/nogettext.so" test/lib/nogettext.c

# initdb runs without the library; only the server proper is instrumented
cluster_create "$stage/san/db"
cat >"$stage/san/start" <<SH
#!/bin/sh
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $stage/san/nogettext.so"
ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:disable_coredump=1:detect_stack_use_after_return=0:log_path=$reports
UBSAN_OPTIONS=print_stacktrace=1:log_path=$reports
export LD_PRELOAD ASAN_OPTIONS UBSAN_OPTIONS
exec setsid "$bin/postgres" -D "$stage/san/db/data" >>"$stage/san/db/log" 2>&1
SH
sh "$stage/san/start" &
export PGHOST=$stage/san/db PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
for i in $(seq 1800); do
	"$bin/pg_isready" -q && break
	sleep 0.1
done
if ! "$bin/pg_isready" -q; then
	say "the instrumented server does not start"
	cluster_log "$PGHOST"
	show_reports
	exit 1
fi
rc=0
run_regress 2400 ISOLATION= || rc=$?
cluster_stop "$PGHOST" || true
show_reports
exit "$rc"
