/*
 * scope.c
 *		Scopes: shape, coverage, intersection.
 */
#include "scope.h"

static inline bool
is_segment_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

bool
apikey_scope_valid(ApikeyStr scope)
{
	int			segment_start = 0;

	if (scope.ptr == NULL || scope.len < 1 || scope.len > APIKEY_SCOPE_LEN_MAX)
		return false;
	for (int i = 0; i < scope.len; i++)
	{
		char		c = scope.ptr[i];

		if (c == ':')
		{
			if (i == segment_start)
				return false;	/* an empty segment */
			segment_start = i + 1;
		}
		else if (c == '*')
		{
			/* only as the whole last segment */
			if (i != segment_start || i + 1 != scope.len)
				return false;
		}
		else if (!is_segment_char(c))
			return false;
	}
	return segment_start < scope.len;
}

bool
apikey_scope_covers(ApikeyStr held, ApikeyStr required)
{
	int			stem = held.len - 1;	/* bytes before the '*' */

	if (held.ptr == NULL || required.ptr == NULL ||
		held.len < 1 || required.len < 1)
		return false;
	if (apikey_str_equal(held, required))
		return true;

	/* "*", or "stem:*" against a longer text that starts with "stem:" */
	if (held.ptr[stem] != '*')
		return false;
	if (stem == 0)
		return true;
	return held.ptr[stem - 1] == ':' && required.len > stem &&
		memcmp(held.ptr, required.ptr, (size_t) stem) == 0;
}

bool
apikey_scope_list_covers(ApikeyStrList list, ApikeyStr required)
{
	for (int i = 0; i < list.count; i++)
	{
		if (apikey_scope_covers(list.items[i], required))
			return true;
	}
	return false;
}

bool
apikey_scope_next(ApikeyStr *rest, ApikeyStr *alternative)
{
	int			len = 0;

	if (rest->ptr == NULL)
		return false;
	while (len < rest->len && rest->ptr[len] != '|')
		len++;
	alternative->ptr = rest->ptr;
	alternative->len = len;
	if (len < rest->len)
	{
		rest->ptr += len + 1;
		rest->len -= len + 1;
	}
	else
	{
		rest->ptr = NULL;
		rest->len = 0;
	}
	return true;
}

bool
apikey_scope_satisfied(ApikeyStrList held, const ApikeyStrList *max,
					   ApikeyStr required)
{
	ApikeyStr	alternative;

	while (apikey_scope_next(&required, &alternative))
	{
		if (apikey_scope_list_covers(held, alternative) &&
			(max == NULL || apikey_scope_list_covers(*max, alternative)))
			return true;
	}
	return false;
}

ApikeyStr
apikey_scope_cut(ApikeyStr held, ApikeyStr max)
{
	const ApikeyStr none = {NULL, 0};

	if (apikey_scope_covers(max, held))
		return held;
	if (apikey_scope_covers(held, max))
		return max;
	return none;
}
