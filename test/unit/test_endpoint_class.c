/*
 * test_endpoint_class.c
 *		Shapes of endpoints, and what is done with many of them.
 */
#include "unit.h"

#include "endpoint_class.h"

static const struct
{
	const char *endpoint;
	const char *shape;
} shapes[] = {

	/* what counts is the path */
	{"", "/"},
	{"/", "/"},
	{"//", "/"},
	{"?a=1", "/"},
	{"#", "/"},
	{"/orders", "/orders"},
	{"orders", "/orders"},
	{"/orders/", "/orders"},
	{"//orders//", "/orders"},
	{"/orders?id=1", "/orders"},
	{"/orders#x/y", "/orders"},
	{"/orders/?id=1/2", "/orders"},
	{"https://api.example.com/v1/users", "/v1/users"},
	{"https://api.example.com", "/"},
	{"https://api.example.com?x", "/"},
	{"git+ssh://h/x", "/x"},
	{"://x/y", "/:/x/y"},
	{"/https://x", "/https:/x"},
	{"/a;jsessionid=3/b;x", "/a/b"},
	{"/;x/b", "/b"},
	/* dots are followed, as the server behind follows them */
	{"/./../b", "/b"},
	{"/..", "/"},
	{"/a/.", "/a"},
	{"/a/b/..", "/a"},
	{"/a/./b", "/a/b"},
	{"/a/x/../b", "/a/b"},
	{"/a/1/../b", "/a/b"},
	{"/a/%2e/b", "/a/b"},
	{"/a/x/%2E%2e/b", "/a/b"},
	{"/a/x/.%2e;v=1/b", "/a/b"},
	{"/public/x;/..;/%2e%2e/reports", "/reports"},
	{"/a/.../b", "/a/.../b"},
	{"/a/..b/.c", "/a/..b/.c"},
	{"/a?/../b", "/a"},
	{"/1.1/x/../../2.0", "/2.0"},
	{"/a/b/c/d/e/f/g/h/i/..", "/a/b/c/d/e/f/g/h"},
	{"/a/b/c/d/e/f/g/h/i/../..", "/a/b/c/d/e/f/g"},
	{"/a/b/c/d/e/f/g/h/i/j/../x", "/a/b/c/d/e/f/g/h/**"},
	{"/a/b/c/d/e/f/g/h/i/j/../../../x", "/a/b/c/d/e/f/g/x"},
	/* or may not */
	{"/public/..%2freports", "/**"},
	{"/public/..\\reports", "/**"},
	{"/public/x%5C%2e.%5creports/y", "/**"},
	{"/a/x%2fy", "/a/*"},
	{"/a/x..y", "/a/x..y"},
	{"/a/x..y@z", "/a/*"},
	{"/Orders", "/Orders"},
	/* numbers, dates, times */
	{"/orders/1", "/orders/*"},
	{"/orders/1/items/2", "/orders/*/items/*"},
	{"/orders/-1", "/orders/*"},
	{"/x/12.50", "/x/*"},
	{"/x/52.5,13.4", "/x/*"},
	{"/x/2026-11-03", "/x/*"},
	{"/x/10:30", "/x/*"},
	{"/x/2026-11-03T10:30:00Z", "/x/*"},
	{"/x/20261103T103000Z", "/x/*"},
	{"/x/+49-30-1234", "/x/*"},
	{"/1", "/*"},
	{"/v1", "/v1"},
	{"/v1.1/x", "/v1.1/x"},
	{"/1.1/x", "/1.1/x"},
	{"/2.0.1/x", "/2.0.1/x"},
	{"/x/1.1", "/x/*"},
	{"/192.0.2.1/x", "/*/x"},
	{"/1./x", "/*/x"},
	{"/.1/x", "/*/x"},
	{"/oauth2/s3/utf8", "/oauth2/s3/utf8"},
	{"/-/_/.", "/-/_"},
	/* hexadecimal */
	{"/x/550e8400-e29b-41d4-a716-446655440000", "/x/*"},
	{"/x/550E8400E29B41D4A716446655440000", "/x/*"},
	{"/x/abcdefab-cdef-abcd-efab-cdefabcdefab", "/x/*"},
	{"/x/deadbeef1", "/x/*"},
	{"/x/deadbeef", "/x/deadbeef"},
	{"/x/facade", "/x/facade"},
	{"/x/0x1f", "/x/*"},
	{"/x/0x", "/x/0x"},
	/* many digits */
	{"/x/INV-20261", "/x/*"},
	{"/x/user_17", "/x/user_17"},
	{"/x/ab1234", "/x/*"},
	{"/x/abc123", "/x/abc123"},
	/* tokens */
	{"/x/cus_NffrFeUfNV2Hib", "/x/*"},
	{"/x/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/x/*"},
	{"/x/V1StGXR8_Z5jdHi6B-myT", "/x/*"},
	{"/x/ckq2k3v9x0000l8mh3z1d7u4f", "/x/*"},
	{"/x/dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "/x/*"},
	{"/getUserAccountTransactionHistory", "/getUserAccountTransactionHistory"},
	{"/pkg.OrderService/ListOrdersV2", "/pkg.OrderService/ListOrdersV2"},
	{"/GetByUserIdAndOrgId", "/GetByUserIdAndOrgId"},
	{"/GetOrdersByUserIdV2", "/GetOrdersByUserIdV2"},
	{"/OAuth2ClientTokenRequestHandler", "/OAuth2ClientTokenRequestHandler"},
	{"/HTTPServerXMLToJSONConverter", "/HTTPServerXMLToJSONConverter"},
	{"/x/how-to-bake-bread-in-ten-days", "/x/how-to-bake-bread-in-ten-days"},
	{"/CONSTANT_NAMES_OF_ENUMS", "/CONSTANT_NAMES_OF_ENUMS"},
	/* behind a value */
	{"/x/1.json", "/x/*.json"},
	{"/x/20261103.json", "/x/*.json"},
	{"/x/550e8400-e29b-41d4-a716-446655440000.pdf", "/x/*.pdf"},
	{"/x/report.json", "/x/report.json"},
	{"/x/1:cancel", "/x/*:cancel"},
	{"/x/orders:search", "/x/orders:search"},
	{"/x/1.jsonjson", "/x/1.jsonjson"},
	{"/x/:cancel", "/x/:cancel"},
	{"/x/.json", "/x/.json"},
	/* what no name has */
	{"/u/bob@example.com", "/u/*"},
	{"/u/bob%40example.com", "/u/*"},
	{"/a/*/**", "/a/*/*"},
	{"/a/x*", "/a/*"},
	{"/a/%2A", "/a/*"},
	{"/a/b%2fc", "/a/*"},
	{"/a/b%5Cc", "/a/*"},
	{"/a/b\\c", "/a/*"},
	{"/a/b%0ac", "/a/*"},
	{"/a/b\tc", "/a/*"},
	{"/a/b\x7f", "/a/*"},
	{"/a/%", "/a/*"},
	{"/a/%4", "/a/*"},
	{"/a/%zz", "/a/*"},
	/* spelling */
	{"/%61%62c", "/abc"},
	{"/x/%31%32", "/x/*"},
	{"/a%20b", "/a%20b"},
	{"/a%c3%a9", "/a%C3%A9"},
	{"/a%3Bb", "/a%3Bb"},
	{"/a%3f", "/a%3F"},
	{"/a b", "/a b"},
	/* beyond ASCII */
	{"/caf\xc3\xa9/\xf0\x9f\x98\x80", "/caf\xc3\xa9/\xf0\x9f\x98\x80"},
	{"/\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7/1", "/\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7/*"},
	{"/x/\xc3\xa9" "12345", "/x/*"},
	/* many segments, and one too many */
	{"/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/g/h"},
	{"/a/b/c/d/e/f/g/h/", "/a/b/c/d/e/f/g/h"},
	{"/a/b/c/d/e/f/g/h/i", "/a/b/c/d/e/f/g/h/**"},
	{"/a/b/c/d/e/f/g/h/i/j/k", "/a/b/c/d/e/f/g/h/**"},
	{"/a/b/c/d/e/f/g/h/?i", "/a/b/c/d/e/f/g/h"},
};

static ApikeyStr
str(const char *text)
{
	return unit_copy((ApikeyStr) {text, (int) strlen(text)});
}

static void
test_shapes(void)
{
	char		out[APIKEY_SHAPE_MAX + 1];
	char		path[4000];
	int			len;

	for (int i = 0; i < lengthof(shapes); i++)
	{
		len = apikey_endpoint_shape(str(shapes[i].endpoint), out);
		CHECKF(len == (int) strlen(shapes[i].shape) && memcmp(out, shapes[i].shape, (size_t) len) == 0,
			   "'%s' is '%.*s', expected '%s'", shapes[i].endpoint, len, out, shapes[i].shape);
	}

	/* a segment of 64 bytes stays, one of 65 does not; nothing is longer */
	path[0] = '/';
	memset(path + 1, 'y', sizeof(path) - 1);
	CHECK_INT(apikey_endpoint_shape((ApikeyStr) {path, 65}, out), 65);
	CHECK_INT(apikey_endpoint_shape((ApikeyStr) {path, 66}, out), 2);
	CHECK_INT(apikey_endpoint_shape((ApikeyStr) {path, sizeof(path)}, out), 2);
	for (int i = 0; i < (int) sizeof(path); i += 65)
		path[i] = '/';
	CHECK_INT(apikey_endpoint_shape((ApikeyStr) {path, sizeof(path)}, out), APIKEY_SHAPE_MAX);
	for (int i = 0; i < (int) sizeof(path); i++)
		path[i] = i % 65 ? "%2B"[(i % 65 - 1) % 3] : '/';
	for (int i = 64; i < (int) sizeof(path); i += 65)
		path[i] = '+';
	CHECK_INT(apikey_endpoint_shape((ApikeyStr) {path, sizeof(path)}, out), APIKEY_SHAPE_MAX);
}

static int
sorted(ApikeyStr *list, const char *const *texts)
{
	int			n = 0;

	for (; texts[n] != NULL; n++)
		list[n] = str(texts[n]);
	qsort(list, (size_t) n, sizeof(list[0]), apikey_shape_compare);
	return n;
}

static void
check_collapse(const char *shape, const char *expected)
{
	static const char *const prefixes[] = {"/u", "/u/*/posts", "/u/*", "/a/b", NULL};
	ApikeyStr	list[8];
	char		out[APIKEY_SHAPE_MAX + 1];
	int			n = sorted(list, prefixes);
	int			len = apikey_shape_collapse(str(shape), list, n, out);

	out[len] = '\0';
	CHECK_TEXT(out, expected);
	len = apikey_shape_collapse(str(shape), list, 0, out);
	out[len] = '\0';
	CHECK_TEXT(out, shape);
}

static void
test_collapse(void)
{
	ApikeyStr	everything = {"", 0};
	char		out[APIKEY_SHAPE_MAX];

	check_collapse("/", "/");
	check_collapse("/u", "/u");
	check_collapse("/u/bob", "/u/*");
	check_collapse("/u/*", "/u/*");
	check_collapse("/u/*.json", "/u/*");
	check_collapse("/u/bob/x/y", "/u/*/*/y");
	check_collapse("/u/bob/posts/7th", "/u/*/*/7th");
	check_collapse("/ux/bob", "/ux/bob");
	check_collapse("/a/b/c/**", "/a/b/*/**");
	check_collapse("/a/b/**", "/a/b/**");
	check_collapse("/a/c", "/a/c");
	CHECK(apikey_shape_collapse(S("/a/b"), &everything, 1, out) == 4 && memcmp(out, "/*/b", 4) == 0);
	CHECK(apikey_shape_collapse(S("/"), &everything, 1, out) == 1);
	CHECK(apikey_shape_collapse(S("/**"), &everything, 1, out) == 3 && memcmp(out, "/**", 3) == 0);
}

static void
test_known(void)
{
	static const char *const classes[] = {"/a", "/a-b", "/a/b/c", "/a/b-", "/x/*", "/", NULL};
	static const struct
	{
		const char *shape;
		const char *known;
		bool		found;
	} cases[] = {
		{"/a", "/a", true},
		{"/", "/", true},
		{"/a/b", "/a/b", false},
		{"/a/b/d", "/a/b", false},
		{"/a/b/c/d", "/a/b/c", false},
		{"/a/b/c", "/a/b/c", true},
		{"/a/bb", "/a", false},
		{"/a-", "", false},
		{"/a-b/c", "/a-b", false},
		{"/x", "/x", false},
		{"/x/y", "/x", false},
		{"/x/*/z", "/x/*", false},
		{"/y", "", false},
	};
	ApikeyStr	list[8];
	int			n = sorted(list, classes);

	for (int i = 0; i < lengthof(cases); i++)
	{
		bool		found = !cases[i].found;
		ApikeyStr	known = apikey_shape_known(str(cases[i].shape), list, n, &found);

		CHECKF(found == cases[i].found && known.len == (int) strlen(cases[i].known) &&
			   memcmp(known.ptr, cases[i].known, (size_t) known.len) == 0,
			   "'%s': '%.*s', %d", cases[i].shape, known.len, known.ptr, found);
		known = apikey_shape_known(str(cases[i].shape), list, 0, &found);
		CHECK(!found && known.len == 0);
	}
}

/*
 * What is crowded, the plain way: for every prefix of every shape, the
 * different segments behind it.
 */
static int
model_crowded(const ApikeyStr *list, int n, int most, ApikeyStr *prefixes)
{
	for (int depth = 0; depth < 9; depth++)
	{
		int			found = 0;

		for (int i = 0; i < n; i++)
		{
			int			at = 0;
			int			end;
			int			children = 0;
			ApikeyStr	seen[64];

			/* the first depth segments */
			for (int d = 0; d < depth && at < list[i].len; d++)
				for (at++; at < list[i].len && list[i].ptr[at] != '/'; at++)
					;
			if (at == list[i].len || (found > 0 && prefixes[found - 1].len == at &&
									  memcmp(prefixes[found - 1].ptr, list[i].ptr, (size_t) at) == 0))
				continue;
			for (int k = 0; k < n; k++)
			{
				ApikeyStr	child;
				bool		again = false;

				if (list[k].len <= at || memcmp(list[k].ptr, list[i].ptr, (size_t) at) != 0 ||
					list[k].ptr[at] != '/')
					continue;
				for (end = at + 1; end < list[k].len && list[k].ptr[end] != '/'; end++)
					;
				child = (ApikeyStr) {list[k].ptr + at, end - at};
				if (child.len == 1 || apikey_str_equal(child, S("/*")) || apikey_str_equal(child, S("/**")))
					continue;
				for (int s = 0; s < children; s++)
					again = again || apikey_str_equal(child, seen[s]);
				if (!again)
					seen[children++] = child;
			}
			if (children > most)
				prefixes[found++] = (ApikeyStr) {list[i].ptr, at};
		}
		if (found > 0)
			return found;
	}
	return 0;
}

static void
test_crowded(void)
{
	static const char *const names[] = {"a", "b", "c", "a-", "-", "*", "*.x", "d"};
	uint64_t	seed = 4;
	int			total = 0;

	for (int round = 0; round < 3000; round++)
	{
		static char texts[60][64];
		ApikeyStr	list[60];
		ApikeyStr	got[61];
		ApikeyStr	expected[61];
		int			n = (int) (unit_random(&seed) % 60);
		int			most = (int) (unit_random(&seed) % 5) + 1;
		int			segments = (int) (unit_random(&seed) % 8) + 1;
		int			n_got;
		int			n_expected;
		bool		same = true;

		for (int i = 0; i < n; i++)
		{
			int			s = (int) (unit_random(&seed) % segments) + 1;
			int			len = 0;

			for (int k = 0; k < s; k++)
				len += sprintf(texts[i] + len, "/%s",
							   names[unit_random(&seed) % (k < 2 && round % 2 ? 2 : lengthof(names))]);
			if (s == 8 && unit_random(&seed) % 2)
				len += sprintf(texts[i] + len, "/**");
			if (unit_random(&seed) % 50 == 0)
				len = sprintf(texts[i], "/");
			list[i] = (ApikeyStr) {texts[i], len};
		}
		qsort(list, (size_t) n, sizeof(list[0]), apikey_shape_compare);
		n_got = apikey_shapes_crowded(list, n, most, got);
		n_expected = model_crowded(list, n, most, expected);
		same = n_got == n_expected;
		for (int i = 0; same && i < n_got; i++)
			same = got[i].len == expected[i].len &&
				memcmp(got[i].ptr, expected[i].ptr, (size_t) got[i].len) == 0;
		CHECKF(same, "round %d: %d crowded, expected %d", round, n_got, n_expected);
		CHECK(n_got <= n / most);
		total += n_got;
	}
	CHECK(total > 1000);
}

int
main(void)
{
	unit_begin();
	test_shapes();
	test_collapse();
	test_known();
	test_crowded();
	return unit_done("test_endpoint_class");
}
