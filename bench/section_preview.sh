# section_preview.sh: recorded requests replayed per second by policy_preview(),
# in one process.  A database of its own.

say "Making $((2 * PREVIEW)) rows of usage"
sql -c "CREATE DATABASE preview" >/dev/null
sql -d preview -v rows="$PREVIEW" -f bench/preview.sql >/dev/null

# preview_timed POLICY WEEK RULES: rows per second of the server process's CPU
# time, in ticks of 10 ms.  It is a promise for one core, whoever else runs.
preview_timed()
{
	local ticks="SELECT split_part(s, ' ', 12)::int + split_part(s, ' ', 13)::int AS ticks
		FROM substring(pg_read_file('/proc/self/stat') FROM '[)] (.*)') s"
	sql -d preview <<-SQL
		SELECT until - $2 * interval '7 days' AS since, until - ($2 - 1) * interval '7 days' AS until FROM span \gset
		$ticks \gset
		SELECT count(*) > 0 AS differs FROM apikey.policy_preview('$1', $3, since => :'since', until => :'until') \gset
		SELECT CASE WHEN :'differs' THEN round($PREVIEW * 100.0 / (ticks - :ticks)) END FROM ($ticks) now;
	SQL
}

preview_checks="denied_cidrs => '{198.51.192.0/20}', access_hours => '{mon-sat 04:00-24:00 Europe/Berlin}'"
measure_preview_checks() { preview_timed plain 1 "$preview_checks"; }
measure_preview_limits() { preview_timed limited 2 "quotas => ARRAY[ROW('day', 50000, 'day', NULL, 'owner')]::apikey.quota[]"; }
measure_preview_all() { preview_timed limited 2 "$preview_checks, quotas => ARRAY[ROW('day', 50000, 'day', NULL, 'owner')]::apikey.quota[]"; }

rounds preview_checks preview_limits preview_all
plain_row "policy_preview(), requests: other checks, no limits" preview_checks ">= 1000000" "/s CPU"
plain_row "policy_preview(), requests: two limits on both sides" preview_limits ">= 1000000" "/s CPU"
plain_row "policy_preview(), requests: other checks and two limits" preview_all "" "/s CPU"
sql -c "DROP DATABASE preview WITH (FORCE)" >/dev/null
