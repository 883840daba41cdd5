/*
 * endpoint.c
 *		Endpoint rules and request paths.
 *
 * Rule and path go through the same decoder, and a rule is well-formed only
 * if it is a clean path itself: what the two mean cannot drift apart.
 */
#include "endpoint.h"

#define HEX_INVALID		(-1)

static inline bool
is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7F;
}

static inline char
upper(char c)
{
	return (c >= 'a' && c <= 'z') ? (char) (c - 'a' + 'A') : c;
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return HEX_INVALID;
}

/* The byte escaped as "%xx" at pos, or -1 when there is no whole escape. */
static int
escape_at(const char *text, int len, int pos)
{
	int			high;
	int			low;

	if (len - pos < 3 || text[pos] != '%')
		return -1;
	high = hex_value(text[pos + 1]);
	low = hex_value(text[pos + 2]);
	return (high < 0 || low < 0) ? -1 : high * 16 + low;
}

/*
 * Read one byte of a glob or path at *pos, decoded, and step over it.  A
 * broken escape reads as a plain '%': only text that has not been checked
 * holds one, and nothing must be read outside it.
 */
static char
next_char(const char *text, int len, int *pos)
{
	int			escaped = escape_at(text, len, *pos);

	if (escaped >= 0)
	{
		*pos += 3;
		return (char) escaped;
	}
	return text[(*pos)++];
}

/* whether a decoded segment is "." or "..", alone or up to a ';' */
static bool
is_dot_segment(const char *text, int len)
{
	int			dots = 0;

	while (dots < len && text[dots] == '.')
		dots++;
	return (dots == 1 || dots == 2) && (dots == len || text[dots] == ';');
}

/* decode_path() for a path without any escape: most have none. */
static int
copy_path(const char *text, int len, char *out)
{
	int			segment = 1;	/* start of the current segment */

	for (int i = 1; i < len; i++)
	{
		char		c = text[i];

		if (c == '/')
		{
			if (i == segment || is_dot_segment(text + segment, i - segment))
				return -1;
			segment = i + 1;
		}
		else if (is_control((unsigned char) c) || c == '\\')
			return -1;
	}
	if (is_dot_segment(text + segment, len - segment))
		return -1;
	memcpy(out, text, (size_t) len);
	return len;
}

/*
 * Decode a path that has no query any more into out, which takes
 * APIKEY_PATH_MAX bytes; returns the length, or -1 when it is unclean.
 */
static int
decode_path(const char *text, int len, char *out)
{
	int			pos = 0;
	int			n = 0;
	int			segment = 1;	/* start of the current segment in out */

	if (len < 1 || len > APIKEY_PATH_MAX || text[0] != '/')
		return -1;
	if (memchr(text, '%', (size_t) len) == NULL)
		return copy_path(text, len, out);
	while (pos < len)
	{
		int			before = pos;
		char		c = next_char(text, len, &pos);

		if (is_control((unsigned char) c) || c == '\\')
			return -1;
		if (text[before] == '%')
		{
			if (pos - before != 3 || c == '/')
				return -1;		/* a broken escape, an encoded slash */
		}
		else if (c == '/' && n > 0)
		{
			if (n == segment || is_dot_segment(out + segment, n - segment))
				return -1;
			segment = n + 1;
		}
		out[n++] = c;
	}
	if (is_dot_segment(out + segment, n - segment))
		return -1;

	/* encoded twice: somebody behind us may decode once more than we did */
	for (int i = 0; i < n; i++)
	{
		if (escape_at(out, n, i) >= 0)
			return -1;
	}
	return n;
}

int
apikey_path_length(ApikeyStr path)
{
	const char *end;
	int			len = path.len;

	if (path.ptr == NULL || len < 1)
		return 0;
	end = memchr(path.ptr, '?', (size_t) len);
	if (end != NULL)
		len = (int) (end - path.ptr);
	end = memchr(path.ptr, '#', (size_t) len);
	return end != NULL ? (int) (end - path.ptr) : len;
}

void
apikey_path_prepare(ApikeyStr path, ApikeyPath *out)
{
	int			len = -1;

	if (path.ptr != NULL)
		len = decode_path(path.ptr, apikey_path_length(path), out->text);
	out->clean = (len >= 0);
	out->len = out->clean ? len : 0;
	out->text[out->len] = '\0';
}

bool
apikey_method_valid(ApikeyStr method)
{
	if (method.ptr == NULL || method.len < 1 || method.len > APIKEY_METHOD_MAX)
		return false;
	for (int i = 0; i < method.len; i++)
	{
		char		c = upper(method.ptr[i]);

		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			(c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return true;
}

/* bytes of the METHODS part of a rule; 0 when it has none */
static int
methods_length(ApikeyStr rule)
{
	int			len = 0;

	if (rule.len < 1 || rule.ptr[0] == '/')
		return 0;
	while (len < rule.len && rule.ptr[len] != ' ')
		len++;
	return len;
}

ApikeyStr
apikey_endpoint_glob(ApikeyStr rule)
{
	int			skip = methods_length(rule);
	ApikeyStr	glob = rule;

	if (skip > 0 && skip < rule.len)
		skip++;					/* the blank */
	glob.ptr += skip;
	glob.len -= skip;
	return glob;
}

/* "*" or "GET,HEAD" */
static bool
methods_valid(const char *text, int len)
{
	int			run = 0;

	if (len == 1 && text[0] == '*')
		return true;
	for (int i = 0; i < len; i++)
	{
		if (text[i] >= 'A' && text[i] <= 'Z')
		{
			if (++run > APIKEY_METHOD_MAX)
				return false;
		}
		else if (text[i] == ',' && run > 0)
			run = 0;
		else
			return false;
	}
	return run > 0;
}

bool
apikey_endpoint_rule_valid(ApikeyStr rule)
{
	char		decoded[APIKEY_PATH_MAX];
	int			methods;
	ApikeyStr	glob;

	if (rule.ptr == NULL)
		return false;
	methods = methods_length(rule);
	if (methods > 0 && !methods_valid(rule.ptr, methods))
		return false;
	if (methods == 0 && rule.len > 0 && rule.ptr[0] != '/')
		return false;			/* a blank in front */

	glob = apikey_endpoint_glob(rule);
	if (apikey_path_length(glob) != glob.len ||
		decode_path(glob.ptr, glob.len, decoded) < 0)
		return false;
	for (int i = 0; i < glob.len; i++)
	{
		if (glob.ptr[i] == ' ')
			return false;

		/* two stars only as the whole last segment */
		if (glob.ptr[i] == '*' && i + 1 < glob.len && glob.ptr[i + 1] == '*' &&
			(glob.ptr[i - 1] != '/' || i + 2 != glob.len))
			return false;
	}
	return true;
}

ApikeyStr
apikey_endpoint_methods(ApikeyStr rule)
{
	return (ApikeyStr) {rule.ptr, methods_length(rule)};
}

bool
apikey_method_listed(ApikeyStr methods, ApikeyStr method)
{
	const char *list = methods.ptr;
	int			len = methods.len;
	int			start = 0;

	if (len == 0 || (len == 1 && list[0] == '*'))
		return true;
	if (method.ptr == NULL || method.len < 1)
		return false;
	while (start < len)
	{
		int			end = start;
		int			same = 0;

		while (end < len && list[end] != ',')
			end++;
		while (same < method.len && same < end - start &&
			   upper(method.ptr[same]) == list[start + same])
			same++;
		if (same == method.len && same == end - start)
			return true;
		start = end + 1;
	}
	return false;
}

/*
 * Match a glob against a decoded path.  One star is remembered, the last of
 * the segment: when the text behind it does not fit, it takes one byte more.
 * A star cannot take a '/', so once both sides have passed one, nothing before
 * it can change, and the cost of a segment is at most its two lengths
 * multiplied.
 */
bool
apikey_glob_matches(ApikeyStr pattern, ApikeyStr text)
{
	const char *glob = pattern.ptr;
	const char *path = text.ptr;
	int			glob_len = pattern.len;
	int			path_len = text.len;
	int			g = 0;
	int			p = 0;
	int			star_g = -1;	/* the glob behind the remembered star, or -1 */
	int			star_p = 0;		/* the path behind what that star has taken */

	/* up to the first star or escape, byte by byte */
	while (p < path_len && g < glob_len && glob[g] == path[p] &&
		   glob[g] != '*' && glob[g] != '%')
	{
		g++;
		p++;
	}
	while (p < path_len)
	{
		if (g < glob_len && glob[g] == '*')
		{
			/* the tail: all that is left, slashes too */
			if (g + 2 == glob_len && glob[g + 1] == '*' && g > 0 && glob[g - 1] == '/')
				return true;
			star_g = ++g;
			star_p = p;
			continue;
		}
		if (g < glob_len)
		{
			int			next = g;

			if (next_char(glob, glob_len, &next) == path[p])
			{
				if (path[p] == '/')
					star_g = -1;
				g = next;
				p++;
				continue;
			}
		}
		if (star_g < 0 || path[star_p] == '/')
			return false;
		p = ++star_p;
		g = star_g;
	}

	/* the path is at its end; stars may stand for nothing */
	while (g < glob_len && glob[g] == '*')
		g++;
	return g == glob_len;
}

bool
apikey_endpoint_matches(ApikeyStr rule, ApikeyStr method, const ApikeyPath *path)
{
	return rule.ptr != NULL && path->clean &&
		apikey_method_listed(apikey_endpoint_methods(rule), method) &&
		apikey_glob_matches(apikey_endpoint_glob(rule), (ApikeyStr) {path->text, path->len});
}
