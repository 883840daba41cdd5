# count.awk: the report, from the log and the documentation alone.
#
# Every 40th network gets the same treatment (the numbers are those of
# log.sql); a rule about networks, methods or paths is worked out here a second
# time, in another language.

# the path as rules see it: without query, decoded once; "" if it is unclean
function clean(text,   out, c, n, i, part)
{
	sub(/[?#].*/, "", text)
	if (substr(text, 1, 1) != "/" || length(text) > 2048 || text ~ /\\|\/\//)
		return ""
	out = ""
	for (i = 1; i <= length(text); i++)
	{
		c = substr(text, i, 1)
		if (c == "%")
		{
			c = substr(text, i + 1, 2)
			if (c !~ /^[0-9A-Fa-f][0-9A-Fa-f]$/)
				return ""
			i += 2
			n = hex(c)
			if (n == 47 || n == 92)
				return ""
			c = sprintf("%c", n)
			if (n == 0)
				return ""
		}
		if (c ~ /[\001-\037\177]/)
			return ""
		out = out c
	}
	if (out ~ /%[0-9A-Fa-f][0-9A-Fa-f]/)
		return ""
	n = split(out, part, "/")
	for (i = 2; i <= n; i++)
		if (part[i] ~ /^\.\.?(;|$)/)
			return ""
	return out
}

function judge(treatment)
{
	if (treatment == 0) return "REVOKED"
	if (treatment == 1) return "SUSPENDED"
	if (treatment == 2) return "INSUFFICIENT_SCOPE"
	if (treatment == 3) return upper_half ? "IP_DENIED" : "VALID"
	if (treatment == 4) return substr(clean(path), 1, 15) == "/presentations/" ? "VALID" : "ENDPOINT_DENIED"
	if (treatment == 5) return clean(path) != "" && toupper(method) ~ /^(GET|HEAD)$/ ? "VALID" : "ENDPOINT_DENIED"
	if (treatment == 6) return "EXPIRED"
	if (treatment == 7) return "NOT_YET_VALID"
	if (treatment == 8) return "ENVIRONMENT_MISMATCH"
	if (treatment == 9) return "NOT_FOUND"
	if (treatment == 10) return "MALFORMED"
	if (treatment == 11) return "SUPERSEDED"
	if (treatment == 12) return "TENANT_SUSPENDED"
	if (treatment == 13) return "TIME_DENIED"
	return "VALID"
}

!parse($0) { skipped++; next }
{ codes[judge(number(network) % 40)]++ }

END {
	for (code in codes)
		print code " " codes[code]
	print skipped + 0 > "/dev/stderr"
}
