# feed.awk: the lines of the log as COPY reads them
function escaped(text)
{
	gsub(/\\/, "&&", text)
	gsub(/\t/, "\\t", text)
	return text
}
parse($0) {
	print NR "\t" number(network) "\t" ip "\t" escaped(method) "\t" escaped(path) "\t" escaped(agent)
}
