/* Unit tests of scope.c. */
#include "unit.h"

#include "scope.h"

static const struct
{
	ApikeyStr	scope;
	bool		valid;
} shapes[] = {
	{{"orders", 6}, true},
	{{"orders:read", 11}, true},
	{{"orders:read:own", 15}, true},
	{{"orders:*", 8}, true},
	{{"orders:read:*", 13}, true},
	{{"*", 1}, true},
	{{"a", 1}, true},
	{{"A-b_c.9", 7}, true},
	{{"1:2:3", 5}, true},
	{{"-", 1}, true},
	{{".", 1}, true},
	{{"a:b:c:d:e:f:g", 13}, true},
	{{"", 0}, false},
	{{NULL, 0}, false},
	{{":", 1}, false},
	{{"orders:", 7}, false},
	{{":orders", 7}, false},
	{{"orders::read", 12}, false},
	{{"*:read", 6}, false},
	{{"orders:*:own", 12}, false},
	{{"orders*", 7}, false},
	{{"ord*rs", 6}, false},
	{{"orders:r*", 9}, false},
	{{"orders:*d", 9}, false},
	{{"**", 2}, false},
	{{"orders:**", 9}, false},
	{{"orders:*:", 9}, false},
	{{"a|b", 3}, false},
	{{"a b", 3}, false},
	{{" a", 2}, false},
	{{"a ", 2}, false},
	{{"a\n", 2}, false},
	{{"a\0", 2}, false},
	{{"a,b", 3}, false},
	{{"a/b", 3}, false},
	{{"\xc3\xa9", 2}, false},
	{{"a@b", 3}, false},
	{{"a[", 2}, false},
	{{"a`", 2}, false},
	{{"a{", 2}, false},
	{{"a;", 2}, false},
};

static const struct
{
	ApikeyStr	held;
	ApikeyStr	required;
	bool		covers;
} coverage[] = {
	{{"orders", 6}, {"orders", 6}, true},
	{{"orders:read", 11}, {"orders:read", 11}, true},
	{{"orders:*", 8}, {"orders:read", 11}, true},
	{{"orders:*", 8}, {"orders:read:own", 15}, true},
	{{"orders:read:*", 13}, {"orders:read:own", 15}, true},
	{{"*", 1}, {"orders", 6}, true},
	{{"*", 1}, {"orders:read", 11}, true},
	{{"*", 1}, {"*", 1}, true},
	{{"orders:*", 8}, {"orders:*", 8}, true},
	{{"orders:*", 8}, {"orders:read:*", 13}, true},
	{{"orders:*", 8}, {"orders", 6}, false},
	{{"orders:*", 8}, {"orders:", 7}, false},
	{{"orders:*", 8}, {"order:read", 10}, false},
	{{"orders:*", 8}, {"ordersx:read", 12}, false},
	{{"orders:*", 8}, {"orders_read", 11}, false},
	{{"orders:read:*", 13}, {"orders:read", 11}, false},
	{{"orders:read:*", 13}, {"orders:write", 12}, false},
	{{"orders", 6}, {"orders:read", 11}, false},
	{{"orders:read", 11}, {"orders", 6}, false},
	{{"orders:read", 11}, {"orders:write", 12}, false},
	{{"orders:read", 11}, {"orders:rea", 10}, false},
	{{"orders:rea", 10}, {"orders:read", 11}, false},
	{{"Orders", 6}, {"orders", 6}, false},
	{{"orders:read", 11}, {"orders:*", 8}, false},
	{{"orders:read", 11}, {"*", 1}, false},
	{{"orders:*", 8}, {"*", 1}, false},
	{{"orders:read:*", 13}, {"orders:*", 8}, false},
	/* what is no wildcard is literal */
	{{"ord*", 4}, {"orders", 6}, false},
	{{"ord*", 4}, {"ord*", 4}, true},
	{{"**", 2}, {"orders", 6}, false},
	/* nothing covers nothing */
	{{"*", 1}, {"", 0}, false},
	{{"*", 1}, {NULL, 0}, false},
	{{"", 0}, {"", 0}, false},
	{{NULL, 0}, {NULL, 0}, false},
	{{"", 0}, {"orders", 6}, false},
	{{NULL, 0}, {"orders", 6}, false},
	{{"orders", 6}, {"", 0}, false},
	{{":*", 2}, {":a", 2}, true},
	{{":*", 2}, {"a", 1}, false},
	{{"a\0*", 3}, {"a\0b", 3}, false},
};

static void
test_shapes(void)
{
	char		longest[256];

	for (int i = 0; i < lengthof(shapes); i++)
		CHECKF(apikey_scope_valid(unit_copy(shapes[i].scope)) == shapes[i].valid,
			   "scope '%s' (row %d)", shapes[i].scope.ptr, i);

	memset(longest, 'a', sizeof(longest));
	CHECK(apikey_scope_valid((ApikeyStr) {longest, 255}));
	CHECK(!apikey_scope_valid((ApikeyStr) {longest, 256}));
	for (int c = 0; c < 256; c++)
	{
		char		byte = (char) c;
		bool		expected = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			(c >= 'a' && c <= 'z') || c == '_' || c == '-' || c == '.' || c == '*';

		CHECKF(apikey_scope_valid((ApikeyStr) {&byte, 1}) == expected, "byte 0x%02x", (unsigned) c);
	}
}

static void
test_coverage(void)
{
	for (int i = 0; i < lengthof(coverage); i++)
		CHECKF(apikey_scope_covers(unit_copy(coverage[i].held), unit_copy(coverage[i].required)) ==
			   coverage[i].covers, "'%s' covers '%s': expected %d",
			   coverage[i].held.ptr ? coverage[i].held.ptr : "NULL",
			   coverage[i].required.ptr ? coverage[i].required.ptr : "NULL", coverage[i].covers);

	CHECK(apikey_scope_list_covers(LIST(S("a"), S("b:*")), S("b:c")));
	CHECK(apikey_scope_list_covers(LIST(S("a"), S("b:*")), S("a")));
	CHECK(!apikey_scope_list_covers(LIST(S("a"), S("b:*")), S("c")));
	CHECK(!apikey_scope_list_covers(LIST(NO_STR, S("")), S("c")));
	CHECK(apikey_scope_list_covers(LIST(NO_STR, S("c")), S("c")));
	CHECK(!apikey_scope_list_covers(EMPTY_LIST, S("c")));
}

static void
test_satisfied(void)
{
	const ApikeyStrList held = LIST(S("orders:read"), S("users:*"));
	const ApikeyStrList max = LIST(S("orders:*"), S("users:read"));
	const ApikeyStrList only_b = LIST(S("b"));
	const ApikeyStrList none = EMPTY_LIST;

	/* no cut */
	CHECK(apikey_scope_satisfied(held, NULL, S("orders:read")));
	CHECK(apikey_scope_satisfied(held, NULL, S("users:write")));
	CHECK(!apikey_scope_satisfied(held, NULL, S("orders:write")));
	CHECK(!apikey_scope_satisfied(none, NULL, S("orders:read")));

	/* alternatives */
	CHECK(apikey_scope_satisfied(held, NULL, S("orders:write|orders:read")));
	CHECK(apikey_scope_satisfied(held, NULL, S("orders:read|orders:write")));
	CHECK(apikey_scope_satisfied(held, NULL, S("x|y|users:z")));
	CHECK(!apikey_scope_satisfied(held, NULL, S("x|y|z")));
	CHECK(apikey_scope_satisfied(held, NULL, S("|orders:read")));
	CHECK(apikey_scope_satisfied(held, NULL, S("orders:read|")));
	CHECK(!apikey_scope_satisfied(held, NULL, S("|")));
	CHECK(!apikey_scope_satisfied(held, NULL, S("||")));
	CHECK(!apikey_scope_satisfied(LIST(S("*")), NULL, S("|")));
	CHECK(apikey_scope_satisfied(LIST(S("*")), NULL, S("|x")));
	CHECK(!apikey_scope_satisfied(LIST(S("*")), NULL, S("")));
	CHECK(!apikey_scope_satisfied(LIST(S("*")), NULL, NO_STR));
	CHECK(!apikey_scope_satisfied(held, NULL, S("orders:read |x")));

	/* a '*' in a required scope is literal */
	CHECK(!apikey_scope_satisfied(held, NULL, S("orders:*")));
	CHECK(!apikey_scope_satisfied(held, NULL, S("*")));
	CHECK(apikey_scope_satisfied(held, NULL, S("users:*")));

	/* the cut */
	CHECK(apikey_scope_satisfied(held, &max, S("orders:read")));
	CHECK(apikey_scope_satisfied(held, &max, S("users:read")));
	CHECK(!apikey_scope_satisfied(held, &max, S("users:write")));	/* held, not in max */
	CHECK(!apikey_scope_satisfied(held, &max, S("orders:write")));	/* in max, not held */
	CHECK(apikey_scope_satisfied(held, &max, S("users:write|users:read")));
	CHECK(!apikey_scope_satisfied(held, &none, S("orders:read")));	/* an empty cut cuts all */

	/* held and max must agree on one alternative */
	CHECK(!apikey_scope_satisfied(LIST(S("a")), &only_b, S("a|b")));
}

static void
test_next(void)
{
	ApikeyStr	rest = S("a||bc");
	ApikeyStr	alternative;

	CHECK(apikey_scope_next(&rest, &alternative) && apikey_str_equal(alternative, S("a")));
	CHECK(apikey_scope_next(&rest, &alternative) && apikey_str_equal(alternative, S("")));
	CHECK(apikey_scope_next(&rest, &alternative) && apikey_str_equal(alternative, S("bc")));
	CHECK(!apikey_scope_next(&rest, &alternative));
	CHECK(!apikey_scope_next(&rest, &alternative));

	rest = S("");
	CHECK(apikey_scope_next(&rest, &alternative) && apikey_str_equal(alternative, S("")));
	CHECK(!apikey_scope_next(&rest, &alternative));
	rest = NO_STR;
	CHECK(!apikey_scope_next(&rest, &alternative));
	rest = S("a|");
	CHECK(apikey_scope_next(&rest, &alternative) && apikey_str_equal(alternative, S("a")));
	CHECK(apikey_scope_next(&rest, &alternative) && apikey_str_equal(alternative, S("")));
	CHECK(!apikey_scope_next(&rest, &alternative));
}

static const struct
{
	ApikeyStr	held;
	ApikeyStr	max;
	ApikeyStr	result;
} cuts[] = {
	{{"a:*", 3}, {"a:b", 3}, {"a:b", 3}},
	{{"a:b", 3}, {"a:*", 3}, {"a:b", 3}},
	{{"a:b", 3}, {"a:b", 3}, {"a:b", 3}},
	{{"a:*", 3}, {"a:*", 3}, {"a:*", 3}},
	{{"*", 1}, {"a:*", 3}, {"a:*", 3}},
	{{"a:*", 3}, {"*", 1}, {"a:*", 3}},
	{{"*", 1}, {"*", 1}, {"*", 1}},
	{{"a:*", 3}, {"a:b:*", 5}, {"a:b:*", 5}},
	{{"a:b:*", 5}, {"a:*", 3}, {"a:b:*", 5}},
	{{"a:b", 3}, {"a:c", 3}, {NULL, 0}},
	{{"a:*", 3}, {"b:*", 3}, {NULL, 0}},
	{{"a", 1}, {"a:*", 3}, {NULL, 0}},
	{{"a:*", 3}, {"a", 1}, {NULL, 0}},
	{{"a", 1}, {"", 0}, {NULL, 0}},
	{{"a", 1}, {NULL, 0}, {NULL, 0}},
	{{NULL, 0}, {"*", 1}, {NULL, 0}},
	{{"", 0}, {"*", 1}, {NULL, 0}},
};

static void
test_cut(void)
{
	for (int i = 0; i < lengthof(cuts); i++)
	{
		ApikeyStr	result = apikey_scope_cut(unit_copy(cuts[i].held), unit_copy(cuts[i].max));

		CHECKF((result.ptr == NULL && cuts[i].result.ptr == NULL && result.len == 0) ||
			   apikey_str_equal(result, cuts[i].result),
			   "cut row %d gives '%.*s'", i, result.len, result.ptr ? result.ptr : "");
	}
}

static ApikeyStr
text		(const char *characters)
{
	return (ApikeyStr) {characters, (int) strlen(characters)};
}

/*
 * A cut covers what both covered and nothing else: what a verdict shows of a
 * key's scopes is what verify() accepts.
 */
static void
test_cut_is_both(void)
{
	static const char *texts[] = {
		"*", "a", "b", "a:*", "b:*", "a:a", "a:b", "a:b:*", "a:a:*", "a:b:c", "a:b:c:*", "a:b:b",
		"aa", "aa:*", "a.b", "a:bb", "a:bb:*", "ab:*",
		/* no scopes, but what a request may name */
		"", ":", "a:", "a::", "a:b:", "a:*:b", "a|b", "**", "a*", "A:b", "a:b c"
	};

	for (int i = 0; i < lengthof(texts); i++)
		for (int j = 0; j < lengthof(texts); j++)
		{
			ApikeyStr	held = text (texts[i]);
			ApikeyStr	max = text (texts[j]);
			ApikeyStr	cut;

			if (!apikey_scope_valid(held) || !apikey_scope_valid(max))
				continue;
			cut = apikey_scope_cut(held, max);
			for (int k = 0; k < lengthof(texts); k++)
				CHECKF(apikey_scope_covers(cut, text (texts[k])) ==
					   (apikey_scope_covers(held, text (texts[k])) && apikey_scope_covers(max, text (texts[k]))),
					   "'%s' cut by '%s' and '%s'", texts[i], texts[j], texts[k]);
		}
}

int
main(void)
{
	unit_begin();
	test_shapes();
	test_coverage();
	test_satisfied();
	test_next();
	test_cut();
	test_cut_is_both();
	return unit_done("test_scope");
}
