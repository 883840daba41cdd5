/*
 * fuzz_scope.c
 *		Scopes: coverage is an order, the cut is the intersection, and
 *		alternatives mean what a plain split says.
 */
#include "fuzz.h"

#include "scope.h"

static ApikeyStr
scope(FuzzInput *in)
{
	switch (fuzz_below(in, 8))
	{
		case 0:
			return fuzz_text(in, 300);
		case 1:
			return (ApikeyStr) {NULL, 0};
		case 2:
			return fuzz_text_of(in, 12, "a:*|");
		default:
			return fuzz_text_of(in, 7, "a:*b:");
	}
}

/* written down from scope.h once more, the slow way */
static bool
model_covers(ApikeyStr held, ApikeyStr required)
{
	if (held.ptr == NULL || required.ptr == NULL || held.len == 0 || required.len == 0)
		return false;
	if (held.len == 1 && held.ptr[0] == '*')
		return true;
	if (held.len >= 2 && held.ptr[held.len - 1] == '*' && held.ptr[held.len - 2] == ':')
	{
		int			i = 0;

		while (i < held.len - 1 && i < required.len && held.ptr[i] == required.ptr[i])
			i++;
		return i == held.len - 1 && required.len > i;
	}
	return held.len == required.len && memcmp(held.ptr, required.ptr, (size_t) held.len) == 0;
}

static bool
model_satisfied(ApikeyStrList held, const ApikeyStrList *max, ApikeyStr required)
{
	for (int start = 0; required.ptr != NULL && start <= required.len; start++)
	{
		ApikeyStr	alternative = {required.ptr + start, 0};
		bool		in_held = false;
		bool		in_max = (max == NULL);

		while (start < required.len && required.ptr[start] != '|')
		{
			alternative.len++;
			start++;
		}
		for (int i = 0; i < held.count; i++)
			in_held |= model_covers(held.items[i], alternative);
		for (int i = 0; max != NULL && i < max->count; i++)
			in_max |= model_covers(max->items[i], alternative);
		if (in_held && in_max)
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {.data = data, .left = size};
	ApikeyStr	s[8];
	ApikeyStrList held;
	ApikeyStrList max;
	ApikeyStr	cut;

	for (int i = 0; i < 8; i++)
	{
		s[i] = scope(&in);
		if (apikey_scope_valid(s[i]))
		{
			ASSERT(s[i].len >= 1 && s[i].len <= APIKEY_SCOPE_LEN_MAX);
			ASSERT(memchr(s[i].ptr, '|', (size_t) s[i].len) == NULL);
			ASSERT(apikey_scope_covers(s[i], s[i]));
			ASSERT(apikey_scope_covers((ApikeyStr) {"*", 1}, s[i]));
		}
	}
	for (int i = 0; i < 8; i++)
	{
		for (int j = 0; j < 8; j++)
		{
			bool		covers = apikey_scope_covers(s[i], s[j]);

			ASSERT(covers == model_covers(s[i], s[j]));
			for (int k = 0; covers && k < 8; k++)
				ASSERT(!apikey_scope_covers(s[j], s[k]) || apikey_scope_covers(s[i], s[k]));
		}
	}

	/* the cut is the intersection */
	cut = apikey_scope_cut(s[0], s[1]);
	ASSERT((cut.ptr == NULL) == (cut.len == 0));
	for (int k = 2; k < 8; k++)
	{
		bool		both = apikey_scope_covers(s[0], s[k]) && apikey_scope_covers(s[1], s[k]);

		if (apikey_scope_covers(cut, s[k]))
			ASSERT(both);
		else if (both)
			ASSERT(!apikey_scope_valid(s[0]) || !apikey_scope_valid(s[1]));
	}

	held = (ApikeyStrList) {s, 3};
	max = (ApikeyStrList) {s + 3, 3};
	for (int k = 0; k < 8; k++)
	{
		bool		free_of_cut = apikey_scope_satisfied(held, NULL, s[k]);
		bool		under_cut = apikey_scope_satisfied(held, &max, s[k]);

		ASSERT(free_of_cut == model_satisfied(held, NULL, s[k]));
		ASSERT(under_cut == model_satisfied(held, &max, s[k]));
		ASSERT(!under_cut || free_of_cut);
	}

	fuzz_end(&in);
	return 0;
}
