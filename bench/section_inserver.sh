# section_inserver.sh: microseconds of one call inside the server, in one
# session: a query over many keys less the same query without the call.
# Cold: nothing of the key is in the session's cache.

inserver_calls=5000

# inserver EXPRESSION [SETTING]: microseconds per row of one query
inserver()
{
	sql -c 'SELECT apikey.flush_usage()' >/dev/null
	# the first query fills caches
	sql <<-SQL
		${2:-}
		SELECT count($1) FROM bench.calls \g /dev/null
		SELECT clock_timestamp() AS began \gset
		SELECT count($1) FROM bench.calls \g /dev/null
		SELECT extract(epoch FROM clock_timestamp() - :'began'::timestamptz) * 1e6 / $inserver_calls;
	SQL
}

# inserver_net EXPRESSION [SETTING]
inserver_net()
{
	awk -v with="$(inserver "$@")" -v without="$(inserver key)" 'BEGIN { printf "%.3f\n", with - without }'
}

inserver_request="key, '{orders:read}', '198.51.100.9', 'GET', '/v1/orders/7'"
sql -c "CREATE UNLOGGED TABLE bench.calls AS
	SELECT h.key FROM generate_series(1, $inserver_calls) i JOIN bench.hot h ON h.n = i % $HOT + 1 ORDER BY i" \
	-c "ANALYZE bench.calls" >/dev/null

measure_us_allowed() { inserver_net "apikey.is_allowed($inserver_request)"; }
measure_us_silent() { inserver_net "apikey.is_allowed($inserver_request, record => false)"; }
measure_us_verify() { inserver_net "apikey.verify($inserver_request)"; }
measure_us_allowed_cold() { inserver_net "apikey.is_allowed($inserver_request)" "SET apikey.cache_size = 0;"; }
measure_us_verify_cold() { inserver_net "apikey.verify($inserver_request)" "SET apikey.cache_size = 0;"; }

inserver_rounds=$ROUNDS
ROUNDS=$((ROUNDS * 7))
rounds us_allowed us_silent us_verify us_allowed_cold us_verify_cold
ROUNDS=$inserver_rounds

plain_row "is_allowed() inside the server, warm" us_allowed "<= 1.5" us
plain_row "the same, record => false" us_silent "" us
plain_row "verify() inside the server, warm" us_verify "<= 3" us
plain_row "is_allowed() inside the server, cold" us_allowed_cold "" us
plain_row "verify() inside the server, cold" us_verify_cold "" us
check_answers postgres
