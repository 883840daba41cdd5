# log.sh: the demo on a web access log, staged as $stage/log, in the server that
# PGHOST names.
set -euo pipefail
. test/lib/common.sh

demo_log()
{
	local work=$stage/demo lines taken skipped encoding=UTF8
	local psql=("$bin/psql" -X -q -v ON_ERROR_STOP=1 -P pager=off -P footer=off)
	local awk=(env LC_ALL=C awk -f test/demo/parse.awk)

	# lines as awk and COPY both read them
	tr -d '\000' <"$stage/log" | sed 's/\r$//' >"$work/lines"
	iconv -f UTF-8 -t UTF-8 <"$work/lines" >/dev/null 2>&1 || encoding=LATIN1
	"${awk[@]}" -f test/demo/feed.awk "$work/lines" >"$work/feed"
	"${awk[@]}" -f test/demo/count.awk "$work/lines" 2>"$work/skipped" | sort >"$work/wanted"
	lines=$(awk 'END { print NR }' "$work/lines")
	taken=$(awk 'END { print NR }' "$work/feed")
	skipped=$(cat "$work/skipped")
	say "$lines lines: $taken requests, $skipped lines skipped that have no address, request and status"
	if [ "$taken" -eq 0 ]; then
		warn "no line of the file is in combined format"
		return 2
	fi

	"${psql[@]}" -v encoding="$encoding" -v recorded="$work/recorded" -f test/demo/log.sql || return 1

	sort "$work/recorded" -o "$work/recorded"
	say
	say "Counted from the log alone by awk, read back from apikey.usage:"
	join -a 1 -a 2 -e 0 -o 0,1.2,2.2 "$work/wanted" "$work/recorded" |
		awk '{ printf "%-22s %10d %10d%s\n", $1, $2, $3, $2 == $3 ? "" : "   differs"; a += $2; b += $3 }
			END { printf "%-22s %10d %10d\n", "all", a, b }'
	if ! cmp -s "$work/wanted" "$work/recorded"; then
		say "The counts differ."
		return 1
	fi
	say "The counts are equal."
}

demo_log
