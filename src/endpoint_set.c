/*
 * endpoint_set.c
 *		Endpoint rules as sets of requests: what two of them have in common.
 *
 * Two globs are compared segment by segment, which is possible because a star
 * stays inside its segment and a tail ("**") is always the last one.  An
 * escape may spell any byte, so about a segment with one nothing is proven,
 * except that it equals itself.
 */
#include "endpoint_set.h"

#include "endpoint.h"

/* ---- methods ---- */

static bool
any_method(ApikeyStr methods)
{
	return methods.len == 0 || (methods.len == 1 && methods.ptr[0] == '*');
}

/* Take the first method off a list; false when none is left. */
static bool
next_method(ApikeyStr *rest, ApikeyStr *method)
{
	int			len = 0;

	if (rest->len <= 0)
		return false;
	while (len < rest->len && rest->ptr[len] != ',')
		len++;
	*method = (ApikeyStr) {rest->ptr, len};
	if (len < rest->len)
		len++;					/* the comma */
	rest->ptr += len;
	rest->len -= len;
	return true;
}

/* whether some (all: every) method of the first list is in the second */
static bool
methods_in(ApikeyStr methods, ApikeyStr list, bool all)
{
	ApikeyStr	method;

	if (any_method(list))
		return true;
	if (any_method(methods))
		return !all;
	while (next_method(&methods, &method))
	{
		if (apikey_method_listed(list, method) != all)
			return !all;
	}
	return all;
}

/* ---- segments ---- */

static bool
is_text(ApikeyStr segment, const char *text)
{
	return segment.len == (int) strlen(text) &&
		memcmp(segment.ptr, text, (size_t) segment.len) == 0;
}

static bool
holds(ApikeyStr segment, char c)
{
	return segment.len > 0 && memchr(segment.ptr, c, (size_t) segment.len) != NULL;
}

static bool
equal(ApikeyStr a, ApikeyStr b)
{
	return a.len == b.len && memcmp(a.ptr, b.ptr, (size_t) a.len) == 0;
}

/* whether the texts before the first star, or behind the last one, differ */
static bool
ends_differ(ApikeyStr a, ApikeyStr b)
{
	for (int i = 0; i < a.len && i < b.len && a.ptr[i] != '*' && b.ptr[i] != '*'; i++)
	{
		if (a.ptr[i] != b.ptr[i])
			return true;
	}
	for (int i = 1; i <= a.len && i <= b.len; i++)
	{
		char		last_a = a.ptr[a.len - i];
		char		last_b = b.ptr[b.len - i];

		if (last_a == '*' || last_b == '*')
			break;
		if (last_a != last_b)
			return true;
	}
	return false;
}

static bool
segments_disjoint(ApikeyStr a, ApikeyStr b)
{
	bool		star_a = holds(a, '*');
	bool		star_b = holds(b, '*');

	if (equal(a, b) || holds(a, '%') || holds(b, '%'))
		return false;
	if (star_a && star_b)
		return ends_differ(a, b);
	return star_a ? !apikey_glob_matches(a, b) : !apikey_glob_matches(b, a);
}

/* neither is a tail */
static bool
segment_covers(ApikeyStr outer, ApikeyStr inner)
{
	int			before = outer.len - 1; /* text before a star at the end */

	if (equal(outer, inner) || is_text(outer, "*"))
		return true;
	if (holds(outer, '%') || holds(inner, '%'))
		return false;
	if (!holds(inner, '*'))
		return apikey_glob_matches(outer, inner);

	/* both vary: "ab*" covers what starts with "ab" before its own star */
	return before > 0 && (const char *) memchr(outer.ptr, '*', (size_t) outer.len) == outer.ptr + before &&
		inner.len > before && memcmp(outer.ptr, inner.ptr, (size_t) before) == 0;
}

/* ---- rules ---- */

/*
 * Whether the globs differ before anything in them can vary: the common case,
 * told without looking at segments.
 */
static bool
start_differs(ApikeyStr a, ApikeyStr b)
{
	int			i = 0;

	while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
	{
		if (a.ptr[i] == '*' || a.ptr[i] == '%')
			return false;
		i++;
	}
	if (i < a.len && (a.ptr[i] == '*' || a.ptr[i] == '%'))
		return false;
	if (i < b.len && (b.ptr[i] == '*' || b.ptr[i] == '%'))
		return false;
	return i < a.len || i < b.len;
}

bool
apikey_endpoint_disjoint(ApikeyStr a, ApikeyStr b)
{
	ApikeyStr	rest_a = apikey_endpoint_glob(a);
	ApikeyStr	rest_b = apikey_endpoint_glob(b);
	ApikeyStr	segment_a;
	ApikeyStr	segment_b;

	if (start_differs(rest_a, rest_b) ||
		!methods_in(apikey_endpoint_methods(a), apikey_endpoint_methods(b), false))
		return true;
	for (;;)
	{
		bool		more = apikey_take_segment(&rest_a, &segment_a);

		if (apikey_take_segment(&rest_b, &segment_b) != more)
			return true;		/* one has more segments than the other */
		if (!more || is_text(segment_a, "**") || is_text(segment_b, "**"))
			return false;
		if (segments_disjoint(segment_a, segment_b))
			return true;
	}
}

bool
apikey_endpoint_covers(ApikeyStr outer, ApikeyStr inner)
{
	ApikeyStr	rest_outer = apikey_endpoint_glob(outer);
	ApikeyStr	rest_inner = apikey_endpoint_glob(inner);
	ApikeyStr	segment_outer;
	ApikeyStr	segment_inner;

	if (start_differs(rest_outer, rest_inner) ||
		!methods_in(apikey_endpoint_methods(inner), apikey_endpoint_methods(outer), true))
		return false;
	for (;;)
	{
		bool		more = apikey_take_segment(&rest_outer, &segment_outer);

		if (apikey_take_segment(&rest_inner, &segment_inner) != more)
			return false;
		if (!more || is_text(segment_outer, "**"))
			return true;
		if (is_text(segment_inner, "**") || !segment_covers(segment_outer, segment_inner))
			return false;
	}
}

bool
apikey_endpoint_list_covers(ApikeyStrList list, ApikeyStr rule)
{
	for (int i = 0; i < list.count; i++)
	{
		if (apikey_endpoint_covers(list.items[i], rule))
			return true;
	}
	return false;
}
