# parse.awk: one line of a web access log in combined (or common) format.
#
# parse(line) returns 1 and sets ip, network, host (the part of the address
# after the network's), method, path, agent; 0 for a line that has no address,
# request and status.  Works with mawk: no intervals in expressions.

function hex(text,   i, value)
{
	value = 0
	text = tolower(text)
	for (i = 1; i <= length(text); i++)
		value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
	return value
}

function parse_ip4(text,   part, n, i)
{
	if (text !~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+$/)
		return 0
	n = split(text, part, ".")
	for (i = 1; i <= 4; i++)
		if (length(part[i]) > 3 || part[i] > 255 || part[i] ~ /^0./)
			return 0
	network = part[1] "." part[2] "." part[3]
	upper_half = part[4] >= 128
	return 1
}

function parse_ip6(text,   half, n, front, back, nf, nb, i, group)
{
	if (text !~ /^[0-9A-Fa-f:]+$/ || text !~ /:.*:/ || text ~ /:::/)
		return 0
	n = split(text, half, "::")
	if (n > 2 || (n == 1 && text ~ /^:|:$/))
		return 0
	nf = half[1] == "" ? 0 : split(half[1], front, ":")
	nb = n == 1 || half[2] == "" ? 0 : split(half[2], back, ":")
	if (n == 1 ? nf != 8 : nf + nb > 7)
		return 0
	for (i = 1; i <= 8; i++)
	{
		if (i <= nf)
			group[i] = front[i]
		else if (i > 8 - nb)
			group[i] = back[i - 8 + nb]
		else
			group[i] = "0"
		if (length(group[i]) < 1 || length(group[i]) > 4)
			return 0
		group[i] = hex(group[i])
	}
	network = group[1] ":" group[2] ":" group[3]
	upper_half = group[4] >= 32768
	return 1
}

function parse(line,   rest, request)
{
	ip = line
	sub(/[ \t].*/, "", ip)
	if (!parse_ip4(ip) && !parse_ip6(ip))
		return 0
	if (!match(line, /\[[^\]]*\] "/))
		return 0
	rest = substr(line, RSTART + RLENGTH - 1)
	if (!match(rest, /^"([^"\\]|\\.)*" [0-9][0-9][0-9]( |$)/))
		return 0
	request = substr(rest, 2, RLENGTH - 1)
	sub(/" [0-9][0-9][0-9] ?$/, "", request)
	rest = substr(rest, RLENGTH + 1)
	sub(/ HTTP\/[0-9.]+$/, "", request)
	if (!match(request, /^[A-Za-z]+ ./))
		return 0
	method = substr(request, 1, RLENGTH - 2)
	path = substr(request, RLENGTH)
	if (length(method) > 32)
		return 0

	# bytes "referer" "agent", as far as they are there
	agent = ""
	if (match(rest, /"([^"\\]|\\.)*" "/))
	{
		agent = substr(rest, RSTART + RLENGTH)
		sub(/"[^"]*$/, "", agent)
	}
	return 1
}

# the number of a network, in order of first appearance, from 0
function number(name)
{
	if (!(name in numbers))
		numbers[name] = networks++
	return numbers[name]
}
