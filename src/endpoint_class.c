/*
 * endpoint_class.c
 *		Which requests are of one kind: /orders/123 and /orders/124.
 */
#include "endpoint_class.h"

#include <stdlib.h>

/* the longest name of a method behind ':' and of a file's type behind '.' */
#define VERB_MAX	32
#define TYPE_MAX	5

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline int
hex_value(char c)
{
	return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

static inline bool
is_text(ApikeyStr segment, const char *text)
{
	return apikey_str_equal(segment, (ApikeyStr) {text, (int) strlen(text)});
}

/* "1.1", "2.0.1": a version, where one may stand */
static bool
is_version(ApikeyStr text)
{
	int			run = 0;
	int			dots = 0;

	for (int i = 0; i < text.len; i++)
	{
		if (is_digit(text.ptr[i]))
			run++;
		else if (text.ptr[i] == '.' && run > 0)
		{
			dots++;
			run = 0;
		}
		else
			return false;
		if (run > 2)
			return false;
	}
	return run > 0 && (dots == 1 || dots == 2);
}

/* Whether a text that is not empty looks like a value. */
static bool
is_value(ApikeyStr text)
{
	int			digits = 0;
	int			letters = 0;
	int			beyond = 0;		/* bytes of characters beyond ASCII */
	int			hex = 0;
	int			dashes = 0;
	int			words = 0;
	bool		inside = false; /* a letter behind a digit */
	char		last = 0;		/* kind of the last letter or digit */

	for (int i = 0; i < text.len; i++)
	{
		char		c = text.ptr[i];
		char		kind;

		/* an escape that stayed one is some other character */
		if (c == '%' && i + 2 < text.len)
		{
			i += 2;
			continue;
		}
		dashes += c == '-';
		hex += is_hex(c);
		beyond += (unsigned char) c >= 0x80;
		if (is_digit(c))
		{
			digits++;
			kind = '0';
		}
		else if (is_letter(c))
		{
			letters++;
			kind = c >= 'a' ? 'a' : 'A';
		}
		else
			continue;

		/* "HttpServer2" is of three words: a capital goes on as small ones */
		if (kind != last && !(last == 'A' && kind == 'a'))
			words++;
		inside = inside || (last == '0' && kind != '0');
		last = kind;
	}

	if (beyond > 0)
		return digits >= 4 && digits >= letters + beyond;
	if (digits > 0 && letters == 0)
		return true;
	if (hex + dashes == text.len && (hex >= 32 || (hex >= 8 && digits > 0)))
		return true;
	if (text.len > 2 && text.ptr[0] == '0' && (text.ptr[1] | 0x20) == 'x' &&
		hex == text.len - 1)
		return true;
	if (digits >= 4 && digits >= letters)
		return true;
	return text.len >= 16 && inside && digits + letters >= 14 && digits + letters < 3 * words;
}

/* Where ":verb" or ".ext" begins; the length of the text if it has none. */
static int
suffix_of(ApikeyStr text)
{
	int			at = text.len;

	while (at > 0 && (is_letter(text.ptr[at - 1]) || is_digit(text.ptr[at - 1])))
		at--;
	if (at < 2 || at == text.len || !is_letter(text.ptr[at]))
		return text.len;
	if ((text.ptr[at - 1] == ':' && text.len - at <= VERB_MAX) ||
		(text.ptr[at - 1] == '.' && text.len - at <= TYPE_MAX))
		return at - 1;
	return text.len;
}

/*
 * Copy a segment of an endpoint without what depends on the spelling.  Returns
 * its length, -1 for what can only be a value.
 */
static int
clean_segment(ApikeyStr segment, char *out)
{
	int			len = 0;

	for (int i = 0; i < segment.len; i++)
	{
		unsigned char c = (unsigned char) segment.ptr[i];
		bool		escaped = false;

		if (c == ';')
			break;
		if (c == '%')
		{
			if (i + 2 >= segment.len || !is_hex(segment.ptr[i + 1]) || !is_hex(segment.ptr[i + 2]))
				return -1;
			c = (unsigned char) (hex_value(segment.ptr[i + 1]) << 4 | hex_value(segment.ptr[i + 2]));
			escaped = !(is_letter((char) c) || is_digit((char) c) ||
						c == '-' || c == '.' || c == '_' || c == '~');
			i += 2;
		}
		if (c < 0x20 || c == 0x7F || c == '*' || c == '@' || c == '\\' || c == '/')
			return -1;
		if (len + (escaped ? 3 : 1) > APIKEY_SHAPE_SEGMENT_MAX)
			return -1;
		if (escaped)
		{
			out[len++] = '%';
			out[len++] = "0123456789ABCDEF"[c >> 4];
			out[len++] = "0123456789ABCDEF"[c & 15];
		}
		else
			out[len++] = (char) c;
	}
	return len;
}

/*
 * Whether a segment has a separator that only some servers take for one, and
 * two dots: where it leads depends on the server.
 */
static bool
leads_elsewhere(ApikeyStr segment)
{
	bool		separator = false;
	bool		dots = false;
	unsigned char last = 0;

	for (int i = 0; i < segment.len; i++)
	{
		unsigned char c = (unsigned char) segment.ptr[i];

		if (c == '%' && i + 2 < segment.len && is_hex(segment.ptr[i + 1]) && is_hex(segment.ptr[i + 2]))
		{
			c = (unsigned char) (hex_value(segment.ptr[i + 1]) << 4 | hex_value(segment.ptr[i + 2]));
			i += 2;
		}
		separator = separator || c == '/' || c == '\\';
		dots = dots || (c == '.' && last == '.');
		last = c;
	}
	return separator && dots;
}

/* Where the path of a URL begins, behind "scheme://host". */
static int
path_begin(ApikeyStr endpoint)
{
	int			at = 0;

	while (at < endpoint.len && (is_letter(endpoint.ptr[at]) || is_digit(endpoint.ptr[at]) ||
								 endpoint.ptr[at] == '+' || endpoint.ptr[at] == '-' || endpoint.ptr[at] == '.'))
		at++;
	if (at == 0 || at + 3 > endpoint.len || memcmp(endpoint.ptr + at, "://", 3) != 0)
		return 0;
	for (at += 3; at < endpoint.len; at++)
		if (endpoint.ptr[at] == '/' || endpoint.ptr[at] == '?' || endpoint.ptr[at] == '#')
			break;
	return at;
}

int
apikey_endpoint_shape(ApikeyStr endpoint, char *out)
{
	int			at = path_begin(endpoint);
	int			begins[APIKEY_SHAPE_SEGMENTS];	/* where each segment was
												 * written */
	int			segments = 0;
	int			len = 0;

	while (at < endpoint.len && endpoint.ptr[at] != '?' && endpoint.ptr[at] != '#')
	{
		char		text[APIKEY_SHAPE_SEGMENT_MAX];
		ApikeyStr	segment = {endpoint.ptr + at, 0};
		int			suffix;
		int			cleaned;

		while (at < endpoint.len && endpoint.ptr[at] != '/' &&
			   endpoint.ptr[at] != '?' && endpoint.ptr[at] != '#')
			at++;
		segment.len = (int) (endpoint.ptr + at - segment.ptr);
		if (at < endpoint.len && endpoint.ptr[at] == '/')
			at++;
		cleaned = clean_segment(segment, text);
		if (cleaned < 0 && leads_elsewhere(segment))
		{
			memcpy(out, "/**", 3);
			return 3;
		}
		segment = (ApikeyStr) {text, cleaned};
		if (cleaned == 0 || is_text(segment, "."))
			continue;
		if (is_text(segment, ".."))
		{
			if (segments > 0 && --segments < APIKEY_SHAPE_SEGMENTS)
				len = begins[segments];
			continue;
		}

		/* those beyond the last only count: a ".." may take them back */
		if (segments++ >= APIKEY_SHAPE_SEGMENTS)
			continue;
		begins[segments - 1] = len;
		out[len++] = '/';
		if (cleaned < 0)
		{
			out[len++] = '*';
			continue;
		}
		suffix = suffix_of(segment);
		if (segments == 1 && is_version(segment))
			suffix = 0;
		else if (suffix < segment.len && is_value((ApikeyStr) {text, suffix}))
			out[len++] = '*';
		else
			suffix = is_value(segment) ? segment.len : 0;

		/* all of it, the suffix, or nothing */
		if (suffix == segment.len)
			out[len++] = '*';
		memcpy(out + len, text + suffix, (size_t) (segment.len - suffix));
		len += segment.len - suffix;
	}
	if (segments > APIKEY_SHAPE_SEGMENTS)
	{
		memcpy(out + len, "/**", 3);
		return len + 3;
	}
	if (len == 0)
		out[len++] = '/';
	return len;
}

/* A shape's segment with the slash before it; empty at the end. */
static ApikeyStr
next_segment(ApikeyStr shape, int at)
{
	ApikeyStr	segment = {shape.ptr + at, 0};

	if (at < shape.len)
		segment.len = 1;
	while (at + segment.len < shape.len && segment.ptr[segment.len] != '/')
		segment.len++;
	return segment;
}

int
apikey_shape_compare(const void *a, const void *b)
{
	const ApikeyStr *x = a;
	const ApikeyStr *y = b;
	int			len = x->len < y->len ? x->len : y->len;

	for (int i = 0; i < len; i++)
	{
		unsigned char of_x = (unsigned char) x->ptr[i];
		unsigned char of_y = (unsigned char) y->ptr[i];

		if (of_x != of_y)
			return (of_x == '/') ? -1 : (of_y == '/') ? 1 : (of_x < of_y) ? -1 : 1;
	}
	return (x->len > y->len) - (x->len < y->len);
}

int
apikey_shape_collapse(ApikeyStr shape, const ApikeyStr *prefixes, int n, char *out)
{
	ApikeyStr	prefix = {out, 0};
	ApikeyStr	segment;

	for (int at = 0; (segment = next_segment(shape, at)).len > 0; at += segment.len)
	{
		/* a segment without text is that of "/" alone */
		if (segment.len > 1 && !is_text(segment, "/**") && n > 0 &&
			bsearch(&prefix, prefixes, (size_t) n, sizeof(*prefixes), apikey_shape_compare) != NULL)
		{
			memcpy(out + prefix.len, "/*", 2);
			prefix.len += 2;
		}
		else
		{
			memcpy(out + prefix.len, segment.ptr, (size_t) segment.len);
			prefix.len += segment.len;
		}
	}
	return prefix.len;
}

int
apikey_shapes_crowded(const ApikeyStr *shapes, int n, int most, ApikeyStr *prefixes)
{
	int			children[APIKEY_SHAPE_SEGMENTS + 1] = {0};
	int			depth_found = APIKEY_SHAPE_SEGMENTS + 1;
	int			found = 0;

	for (int i = 0; i < n; i++)
	{
		ApikeyStr	segment;
		bool		same = i > 0;	/* as in the shape before, so far */
		int			depth = 0;

		for (int at = 0; (segment = next_segment(shapes[i], at)).len > 0; at += segment.len, depth++)
		{
			/* no shape has more; other text is not worth an error */
			if (depth > APIKEY_SHAPE_SEGMENTS)
				break;
			if (same)
			{
				if (apikey_str_equal(segment, next_segment(shapes[i - 1], at)))
					continue;
				same = false;
			}
			else
				children[depth] = 0;

			/* a segment that was not there yet */
			if (segment.len == 1 || is_text(segment, "/*") || is_text(segment, "/**"))
				continue;
			if (++children[depth] != most + 1 || depth > depth_found)
				continue;
			if (depth < depth_found)
				found = 0;
			depth_found = depth;
			prefixes[found++] = (ApikeyStr) {shapes[i].ptr, at};
		}

		/* nothing is known yet of what is below this one */
		for (; depth <= APIKEY_SHAPE_SEGMENTS; depth++)
			children[depth] = 0;
	}
	return found;
}

ApikeyStr
apikey_shape_known(ApikeyStr shape, const ApikeyStr *classes, int n, bool *found)
{
	ApikeyStr	known = {shape.ptr, 0};
	ApikeyStr	segment;

	*found = n > 0 && bsearch(&shape, classes, (size_t) n, sizeof(*classes), apikey_shape_compare) != NULL;
	if (*found)
		return shape;
	for (int at = 0; (segment = next_segment(shape, at)).len > 0; at += segment.len)
	{
		ApikeyStr	prefix = {shape.ptr, at + segment.len};
		int			low = 0;
		int			high = n;

		/* the first class that does not come before the prefix */
		while (low < high)
		{
			int			middle = (low + high) / 2;

			if (apikey_shape_compare(&classes[middle], &prefix) < 0)
				low = middle + 1;
			else
				high = middle;
		}
		if (low == n || classes[low].len < prefix.len ||
			memcmp(classes[low].ptr, prefix.ptr, (size_t) prefix.len) != 0 ||
			(classes[low].len > prefix.len && classes[low].ptr[prefix.len] != '/'))
			break;
		known = prefix;
	}
	return known;
}
