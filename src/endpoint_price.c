/*
 * endpoint_price.c
 *		Which classes of endpoints a price is for.
 */
#include "endpoint_price.h"

#include "endpoint.h"

static inline bool
is_tail(ApikeyStr segment)
{
	return segment.len == 2 && segment.ptr[0] == '*' && segment.ptr[1] == '*';
}

static inline bool
starts_with(ApikeyStr text, const char *ptr, int len)
{
	return text.len >= len && memcmp(text.ptr, ptr, (size_t) len) == 0;
}

static inline bool
ends_with(ApikeyStr text, const char *ptr, int len)
{
	return text.len >= len && memcmp(text.ptr + text.len - len, ptr, (size_t) len) == 0;
}

/* bytes before the star of a segment; -1 when it has none */
static inline int
star_at(ApikeyStr segment)
{
	const char *star = segment.len > 0 ? memchr(segment.ptr, '*', (size_t) segment.len) : NULL;

	return star != NULL ? (int) (star - segment.ptr) : -1;
}

/* Neither is a tail; further stars of the pattern stand for themselves. */
static bool
segment_matches(ApikeyStr pattern, ApikeyStr segment)
{
	int			before = star_at(pattern);
	int			behind = pattern.len - before - 1;

	if (before < 0)
		return pattern.len == segment.len && starts_with(segment, pattern.ptr, pattern.len);
	return segment.len >= before + behind && starts_with(segment, pattern.ptr, before) &&
		ends_with(segment, pattern.ptr + before + 1, behind);
}

bool
apikey_price_matches(ApikeyStr endpoint, ApikeyStr class)
{
	ApikeyStr	pattern = {NULL, 0};
	ApikeyStr	segment = {NULL, 0};

	for (;;)
	{
		bool		more = apikey_take_segment(&endpoint, &pattern);

		if (apikey_take_segment(&class, &segment) != more)
			return false;
		if (!more || is_tail(pattern))
			return true;
		if (is_tail(segment) || !segment_matches(pattern, segment))
			return false;
	}
}

bool
apikey_same_prices(ApikeyStr a, ApikeyStr b, ApikeyStrList endpoints)
{
	for (int i = 0; i < endpoints.count; i++)
	{
		if (apikey_price_matches(endpoints.items[i], a) != apikey_price_matches(endpoints.items[i], b))
			return false;
	}
	return true;
}

/* The segment of a path with this number, from 0. */
static bool
segment_of(ApikeyStr path, int number, ApikeyStr *segment)
{
	for (int i = 0; i < number; i++)
	{
		if (!apikey_take_segment(&path, segment))
			return false;
	}
	return apikey_take_segment(&path, segment);
}

/*
 * Write what the endpoints that match the shape ask for in one of its segments,
 * which is own; its length, -1 when they are all at their tail.
 */
static int
meet_segment(ApikeyStr shape, int number, ApikeyStr own, ApikeyStrList endpoints, char *out)
{
	ApikeyStr	before = {"", 0};
	ApikeyStr	behind = {"", 0};
	bool		asked = false;

	for (int i = 0; i < endpoints.count; i++)
	{
		ApikeyStr	pattern;
		int			star;

		/* what is behind a tail is asked for no more */
		if (!segment_of(endpoints.items[i], number, &pattern) || is_tail(pattern) ||
			!apikey_price_matches(endpoints.items[i], shape))
			continue;
		asked = true;
		star = star_at(pattern);
		if (star < 0)
			before = pattern;
		else
		{
			/* all of them match one text: the longest begins like the others */
			if (star > before.len)
				before = (ApikeyStr) {pattern.ptr, star};
			if (pattern.len - star - 1 > behind.len)
				behind = (ApikeyStr) {pattern.ptr + star + 1, pattern.len - star - 1};
		}
	}
	if (!asked)
		return -1;

	/* a name, or two ends that overlap or touch */
	if (before.len + 1 + behind.len > own.len || before.len == own.len)
	{
		memcpy(out, own.ptr, (size_t) own.len);
		return own.len;
	}
	memcpy(out, before.ptr, (size_t) before.len);
	out[before.len] = '*';
	memcpy(out + before.len + 1, behind.ptr, (size_t) behind.len);
	return before.len + 1 + behind.len;
}

int
apikey_price_meet(ApikeyStr shape, ApikeyStrList endpoints, char *out)
{
	ApikeyStr	rest = shape;
	ApikeyStr	own;
	int			len = 0;

	for (int number = 0; apikey_take_segment(&rest, &own); number++)
	{
		int			added = meet_segment(shape, number, own, endpoints, out + len + 1);

		out[len++] = '/';
		if (added < 0)
		{
			memcpy(out + len, "**", 2);
			return len + 2;
		}
		len += added;
	}
	return len;
}
