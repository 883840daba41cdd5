# the demo, and the demo on a real access log
. test/lib/level.sh
need_build

# demo NAME SECONDS
demo()
{
	if bounded "$2" bash test/demo/run --staged "$stage" >"$stage/demo.out" 2>&1; then
		say "ok - $1: $(tail -n 1 "$stage/demo.out")"
		count 1 0 0
	else
		say "not ok - $1"
		tail -n 60 "$stage/demo.out"
		count 0 1 0
	fi
}

rm -f "$stage/log"
demo "demo" 400
# a demo that cannot fail shows nothing: one wrong announcement must end it
sed -i.orig "0,/expect('EXPIRED'/s//expect('VALID'/" test/demo/demo.sql
if bounded 400 bash test/demo/run --staged "$stage" >"$stage/demo.out" 2>&1; then
	say "not ok - the demo does not notice a wrong answer"
	count 0 1 0
else
	count 1 0 0
fi
mv test/demo/demo.sql.orig test/demo/demo.sql

if [ -s "$APIKEY_TEST_DATA/access_log" ]; then
	cp "$APIKEY_TEST_DATA/access_log" "$stage/log"
	demo "demo on a log" 700
else
	say "skipped: demo on a log, there is no access_log in APIKEY_TEST_DATA"
	count 0 0 1
fi

# lines of all kinds: IPv6, a path with a blank, escapes, no agent, no request
cat >"$stage/log" <<'LOG'
2001:db8:1::7 - - [17/May/2015:10:05:03 +0000] "GET /presentations/a b.png HTTP/1.1" 200 1 "-" "A \"quoted\" agent"
2001:db8:1:8000::7 - - [17/May/2015:10:05:03 +0000] "POST /%2e%2e/x HTTP/1.1" 200 1 "-" "x"
::1 - - [17/May/2015:10:05:03 +0000] "HEAD /?q=1 HTTP/1.1" 200 -
192.0.2.1 - frank [17/May/2015:10:05:03 +0000] "GET /\x16\x03 HTTP/1.1" 400 1 "-" "unfinished
192.0.2.1 - - [17/May/2015:10:05:03 +0000] "-" 408 - "-" "-"
192.0.2.300 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-"
host.example - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "-"

nothing like a log
LOG
demo "demo on odd lines" 400
if [ "$(grep -c '4 requests, 5 lines skipped' "$stage/demo.out")" -ne 1 ]; then
	say "not ok - odd lines are not counted as skipped"
	count 0 1 0
fi
