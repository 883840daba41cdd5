/*
 * test_endpoint_price.c
 *		Which classes a price is for, and which class stands for a shape.
 */
#include "unit.h"

#include "endpoint_price.h"

static ApikeyStr
str(const char *text)
{
	return (ApikeyStr) {text, (int) strlen(text)};
}

static const struct
{
	const char *endpoint;
	const char *class;
	bool		matches;
} cases[] = {
	{"/orders", "/orders", true},
	{"/orders", "/order", false},
	{"/orders", "/orders/*", false},
	{"/orders/*", "/orders", false},
	{"/orders/*", "/orders/*", true},
	{"/orders/*", "/orders/new", true},
	{"/orders/*", "/orders/**", false},
	{"/orders/*", "/orders/*/items", false},
	{"/orders/new", "/orders/*", false},
	{"/orders/**", "/orders", false},
	{"/orders/**", "/orders/*", true},
	{"/orders/**", "/orders/**", true},
	{"/orders/**", "/orders/a/b", true},
	{"/**", "/", true},
	{"/**", "/**", true},
	{"/", "/", true},
	{"/", "/a", false},
	{"/*", "/", true},
	{"/files/*.pdf", "/files/a.pdf", true},
	{"/files/*.pdf", "/files/*.pdf", true},
	{"/files/*.pdf", "/files/.pdf", true},
	{"/files/*.pdf", "/files/apdf", false},
	{"/files/*.pdf", "/files/*", false},
	{"/files/a*a", "/files/a", false},
	{"/files/a*a", "/files/aa", true},
	{"/files/*", "/files/**/x", false},
	{"/*/b", "/**", false},
};

static void
test_matches(void)
{
	for (int i = 0; i < (int) lengthof(cases); i++)
		CHECKF(apikey_price_matches(str(cases[i].endpoint), str(cases[i].class)) == cases[i].matches,
			   "%s of %s", cases[i].endpoint, cases[i].class);
}

static const struct
{
	const char *shape;
	const char *endpoints[4];
	const char *meet;
} meets[] = {
	{"/a/b", {NULL}, "/**"},
	{"/a/b", {"/c"}, "/**"},
	{"/a/b", {"/a/**"}, "/a/**"},
	{"/a/b", {"/a/**", "/a/*"}, "/a/*"},
	{"/a/b", {"/a/*", "/*/b"}, "/a/b"},
	{"/users/bob/posts", {"/users/*/posts", "/users/bob/**"}, "/users/bob/posts"},
	{"/users/al/posts", {"/users/*/posts", "/users/bob/**"}, "/users/*/posts"},
	{"/f/axb.pdf", {"/f/*.pdf"}, "/f/*.pdf"},
	{"/f/axb.pdf", {"/f/a*", "/f/*.pdf", "/f/ax*", "/f/*f"}, "/f/ax*.pdf"},
	{"/f/aba", {"/f/ab*", "/f/*ba"}, "/f/aba"},
	{"/f/abba", {"/f/ab*", "/f/*ba"}, "/f/abba"},
	{"/f/ab-ba", {"/f/ab*", "/f/*ba"}, "/f/ab*ba"},
	{"/f/ab", {"/f/ab*", "/**"}, "/f/ab"},
	{"/a/b/c/d/e/f/g/h/**", {"/a/**", "/a/b/**"}, "/a/b/**"},
	{"/", {"/*"}, "/"},
};

static void
test_meets(void)
{
	for (int i = 0; i < (int) lengthof(meets); i++)
	{
		ApikeyStr	items[4];
		ApikeyStrList endpoints = {items, 0};
		char		out[APIKEY_SHAPE_MAX];
		int			len;

		while (endpoints.count < 4 && meets[i].endpoints[endpoints.count] != NULL)
		{
			items[endpoints.count] = str(meets[i].endpoints[endpoints.count]);
			endpoints.count++;
		}
		len = apikey_price_meet(str(meets[i].shape), endpoints, out);
		CHECKF(apikey_str_equal(str(meets[i].meet), (ApikeyStr) {out, len}), "%s is %.*s, expected %s",
			   meets[i].shape, len, out, meets[i].meet);
	}
}

/*
 * Whatever the shapes and endpoints: no endpoint tells a shape from its meet,
 * the meet of a meet is itself, and the meets of all shapes are few.
 */
static void
test_random(void)
{
	static const char *const of_shapes[] = {"a", "b", "ab", "aba", "abba", "ab-ba", "ba", "*", "a.b", "xab"};
	static const char *const of_endpoints[] = {"a", "*", "a*", "*a", "ab*", "*ba", "a*a", "*b", "b", "aba"};
	uint64_t	seed = 71;

	for (int round = 0; round < 20000; round++)
	{
		char		texts[5][64];
		char		shape[64];
		char		meet[APIKEY_SHAPE_MAX];
		char		again[APIKEY_SHAPE_MAX];
		ApikeyStr	items[5];
		ApikeyStrList endpoints = {items, 1 + (int) (unit_random(&seed) % 5)};
		int			n = 1 + (int) (unit_random(&seed) % 3);
		int			len = 0;
		ApikeyStr	of;
		ApikeyStr	is;

		for (int i = 0; i < n; i++)
			len += sprintf(shape + len, "/%s", of_shapes[unit_random(&seed) % lengthof(of_shapes)]);
		if (unit_random(&seed) % 4 == 0)
			len += sprintf(shape + len, "/**");
		of = (ApikeyStr) {shape, len};
		for (int e = 0; e < endpoints.count; e++)
		{
			int			most = 1 + (int) (unit_random(&seed) % 3);

			len = 0;
			for (int i = 0; i < most; i++)
				len += sprintf(texts[e] + len, "/%s", of_endpoints[unit_random(&seed) % lengthof(of_endpoints)]);
			if (unit_random(&seed) % 2)
				len += sprintf(texts[e] + len, "/**");
			items[e] = (ApikeyStr) {texts[e], len};
		}
		is = (ApikeyStr) {meet, apikey_price_meet(of, endpoints, meet)};
		CHECKF(apikey_same_prices(of, is, endpoints), "%s is %.*s", shape, is.len, is.ptr);
		CHECK(is.len <= of.len + 2);
		len = apikey_price_meet(is, endpoints, again);
		CHECKF(apikey_str_equal(is, (ApikeyStr) {again, len}), "%.*s is %.*s", is.len, is.ptr, len, again);
	}
}

int
main(void)
{
	unit_begin();
	test_matches();
	test_meets();
	test_random();
	return unit_done("test_endpoint_price");
}
