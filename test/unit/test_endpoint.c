/* Unit tests of endpoint.c. */
#include "unit.h"

#include "endpoint.h"

/* ---- rules ---- */

static const struct
{
	ApikeyStr	rule;
	bool		valid;
} rules[] = {
#define ROW(text, valid) {{text, sizeof(text) - 1}, valid}
	ROW("/", true),
	ROW("/v1", true),
	ROW("/v1/", true),
	ROW("/v1/orders", true),
	ROW("/v1/orders/*", true),
	ROW("/v1/*/items", true),
	ROW("/v1/o*", true),
	ROW("/v1/*s", true),
	ROW("/v1/a*b*c", true),
	ROW("/*", true),
	ROW("/**", true),
	ROW("/v1/**", true),
	ROW("/*/**", true),
	ROW("* /v1/reports/**", true),
	ROW("GET /v1/a", true),
	ROW("GET,HEAD /v1/orders/*", true),
	ROW("GET,HEAD,POST,PUT /", true),
	ROW("G /", true),
	ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF /", true),	/* 32 */
	ROW("/v1/%61dmin", true),
	ROW("/v1/a%20b", true),
	ROW("/v1/a%3Fb", true),
	ROW("/v1/a%23b", true),
	ROW("/v1/%2A", true),
	ROW("/v1/%2A%2A/x", true),
	ROW("/v1/100%25", true),
	ROW("/v1/%25zz", true),
	ROW("/.well-known/x", true),
	ROW("/v1/...", true),
	ROW("/v1/..a", true),
	ROW("/v1/.*", true),
	ROW("/v1/a.b", true),
	ROW("/v1/a;b=c", true),
	ROW("/v1/\xc3\xa9", true),
	ROW("/v1/~a-b_c'(!)$&+,=:@", true),

	ROW("", false),
	ROW(" ", false),
	ROW("v1", false),
	ROW("*", false),
	ROW("**", false),
	ROW("GET", false),
	ROW("GET ", false),
	ROW("* ", false),
	ROW("*/v1", false),
	ROW("GET v1", false),
	ROW("GET  /v1", false),
	ROW(" /v1", false),
	ROW(" GET /v1", false),
	ROW("GET\t/v1", false),
	ROW("/v1 ", false),
	ROW("/v 1", false),
	ROW("GET /v1 /v2", false),
	ROW("get /v1", false),
	ROW("Get /v1", false),
	ROW("GET, /v1", false),
	ROW(",GET /v1", false),
	ROW("GET,,HEAD /v1", false),
	ROW("GET,* /v1", false),
	ROW("*,GET /v1", false),
	ROW("** /v1", false),
	ROW(", /v1", false),
	ROW("GET;HEAD /v1", false),
	ROW("GET1 /v1", false),
	ROW("M-SEARCH /v1", false),
	ROW("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG /", false),	/* 33 */
	ROW("/v1?", false),
	ROW("/v1?a=b", false),
	ROW("/v1#x", false),
	ROW("?/v1", false),
	ROW("GET ?", false),
	ROW("/v1\n", false),
	ROW("/v1\t", false),
	ROW("/v1\0", false),
	ROW("/v1\x7f", false),
	ROW("/\x01", false),
	/* two stars that are not the whole last segment */
	ROW("/***", false),
	ROW("/a**", false),
	ROW("/**a", false),
	ROW("/v1/**/x", false),
	ROW("/**/", false),
	ROW("/v1/a**", false),
	ROW("/v1/**b", false),
	ROW("/**/**", false),
	/* what no request could match */
	ROW("//", false),
	ROW("//v1", false),
	ROW("/v1//x", false),
	ROW("/v1/./x", false),
	ROW("/v1/../x", false),
	ROW("/v1/..", false),
	ROW("/.", false),
	ROW("/v1/..;a/x", false),
	ROW("/v1/%2e%2e/x", false),
	ROW("/v1\\x", false),
	ROW("/v1/%2f", false),
	ROW("/v1/%2F", false),
	ROW("/v1/%5c", false),
	ROW("/v1/%5C", false),
	ROW("/v1/%00", false),
	ROW("/v1/%0a", false),
	ROW("/v1/%7F", false),
	ROW("/v1/%", false),
	ROW("/v1/%6", false),
	ROW("/v1/%6g", false),
	ROW("/v1/%%", false),
	ROW("/v1/%2561", false),
	ROW("%2fv1", false),
#undef ROW
};

static void
test_rules(void)
{
	char		text[APIKEY_PATH_MAX + 8];

	for (int i = 0; i < lengthof(rules); i++)
		CHECKF(apikey_endpoint_rule_valid(unit_copy(rules[i].rule)) == rules[i].valid,
			   "rule '%s' (row %d): expected %s", rules[i].rule.ptr, i,
			   rules[i].valid ? "valid" : "invalid");
	CHECK(!apikey_endpoint_rule_valid(NO_STR));

	memset(text, 'a', sizeof(text));
	text[0] = '/';
	CHECK(apikey_endpoint_rule_valid((ApikeyStr) {text, APIKEY_PATH_MAX}));
	CHECK(!apikey_endpoint_rule_valid((ApikeyStr) {text, APIKEY_PATH_MAX + 1}));
	memcpy(text, "GET /", 5);
	CHECK(apikey_endpoint_rule_valid((ApikeyStr) {text, APIKEY_PATH_MAX + 4}));
	CHECK(!apikey_endpoint_rule_valid((ApikeyStr) {text, APIKEY_PATH_MAX + 5}));

	CHECK(apikey_str_equal(apikey_endpoint_glob(S("GET,HEAD /v1")), S("/v1")));
	CHECK(apikey_str_equal(apikey_endpoint_glob(S("* /v1")), S("/v1")));
	CHECK(apikey_str_equal(apikey_endpoint_glob(S("/v1")), S("/v1")));
	CHECK_INT(apikey_endpoint_glob(S("GET")).len, 0);
	CHECK_INT(apikey_endpoint_glob(S("")).len, 0);
	CHECK_INT(apikey_endpoint_glob(NO_STR).len, 0);
}

/* ---- paths ---- */

static const struct
{
	ApikeyStr	path;
	const char *text;			/* NULL: unclean */
} paths[] = {
#define ROW(path, text) {{path, sizeof(path) - 1}, text}
	ROW("/", "/"),
	ROW("/v1", "/v1"),
	ROW("/v1/", "/v1/"),
	ROW("/v1/orders/42", "/v1/orders/42"),
	/* cut */
	ROW("/v1?a=b", "/v1"),
	ROW("/v1#a", "/v1"),
	ROW("/v1?a#b", "/v1"),
	ROW("/v1#a?b", "/v1"),
	ROW("/?", "/"),
	ROW("/v1?//../%2f\\%", "/v1"),
	ROW("/v1?\x01", "/v1"),
	/* decoded once */
	ROW("/v1/%61dmin", "/v1/admin"),
	ROW("/%76%31", "/v1"),
	ROW("/v1/a%20b", "/v1/a b"),
	ROW("/v1/a b", "/v1/a b"),
	ROW("/v1/a+b", "/v1/a+b"),
	ROW("/v1/%3f", "/v1/?"),
	ROW("/v1/%23", "/v1/#"),
	ROW("/v1/%2a", "/v1/*"),
	ROW("/v1/%C3%A9", "/v1/\xc3\xa9"),
	ROW("/v1/%ff", "/v1/\xff"),
	ROW("/v1/%25", "/v1/%"),
	ROW("/v1/%25zz", "/v1/%zz"),
	ROW("/v1/%25a", "/v1/%a"),
	ROW("/v1/%25%25", "/v1/%%"),
	/* dots that are only characters */
	ROW("/.a", "/.a"),
	ROW("/a.", "/a."),
	ROW("/..a", "/..a"),
	ROW("/a..", "/a.."),
	ROW("/...", "/..."),
	ROW("/.../x", "/.../x"),
	ROW("/a;..", "/a;.."),
	ROW("/...;x", "/...;x"),
	ROW("/.well-known/", "/.well-known/"),
	ROW("/v1/x;a=b/c", "/v1/x;a=b/c"),

	/* no leading slash */
	ROW("", NULL),
	ROW("v1", NULL),
	ROW("*", NULL),
	ROW("?", NULL),
	ROW("#/v1", NULL),
	ROW("?/v1", NULL),
	ROW(" /v1", NULL),
	ROW("http://host/v1", NULL),
	ROW("%2Fv1", NULL),
	ROW("%2fv1", NULL),
	ROW("\\v1", NULL),
	ROW("./v1", NULL),
	ROW("\0/v1", NULL),
	/* empty segments */
	ROW("//", NULL),
	ROW("//v1", NULL),
	ROW("/v1//x", NULL),
	ROW("/v1//", NULL),
	ROW("///", NULL),
	/* dot segments */
	ROW("/.", NULL),
	ROW("/..", NULL),
	ROW("/./", NULL),
	ROW("/../", NULL),
	ROW("/v1/.", NULL),
	ROW("/v1/..", NULL),
	ROW("/v1/./x", NULL),
	ROW("/v1/../x", NULL),
	ROW("/v1/..?x", NULL),
	ROW("/v1/.#x", NULL),
	ROW("/v1/%2e/x", NULL),
	ROW("/v1/%2e%2e/x", NULL),
	ROW("/v1/%2E%2E/x", NULL),
	ROW("/v1/.%2e/x", NULL),
	ROW("/v1/%2e./x", NULL),
	ROW("/v1/%2e%2e", NULL),
	ROW("/v1/..;/x", NULL),
	ROW("/v1/..;x/y", NULL),
	ROW("/v1/.;x/y", NULL),
	ROW("/v1/..;", NULL),
	ROW("/v1/..%3bx/y", NULL),
	ROW("/v1/%2e%2e%3b/y", NULL),
	ROW("/..;a=b;c=d/x", NULL),
	/* slashes in disguise */
	ROW("/v1/a%2fb", NULL),
	ROW("/v1/a%2Fb", NULL),
	ROW("/v1/a%5cb", NULL),
	ROW("/v1/a%5Cb", NULL),
	ROW("/v1\\x", NULL),
	ROW("/v1/..\\x", NULL),
	ROW("/v1/..%2fx", NULL),
	ROW("/v1/..%5cx", NULL),
	/* encoded twice */
	ROW("/v1/%252e%252e/x", NULL),
	ROW("/v1/%252f", NULL),
	ROW("/v1/%2561", NULL),
	ROW("/v1/%25%36%31", NULL),
	ROW("/v1/%2%35", NULL),
	ROW("/v1/%25252e", NULL),
	/* broken escapes */
	ROW("/v1/%", NULL),
	ROW("/v1/%6", NULL),
	ROW("/v1/%zz", NULL),
	ROW("/v1/%6g", NULL),
	ROW("/v1/%g6", NULL),
	ROW("/v1/%%61", NULL),
	ROW("/v1/%?x", NULL),
	ROW("/v1/%6?x", NULL),
	ROW("/v1/%u002e", NULL),
	ROW("/v1/% 61", NULL),
	ROW("/v1/%-1", NULL),
	ROW("/%", NULL),
	/* control bytes */
	ROW("/v1\n", NULL),
	ROW("/v1\r\nX: y", NULL),
	ROW("/v1\t", NULL),
	ROW("/v1\0", NULL),
	ROW("/\0v1", NULL),
	ROW("/v1\x1f", NULL),
	ROW("/v1\x7f", NULL),
	ROW("/v1/%00", NULL),
	ROW("/v1/%0a", NULL),
	ROW("/v1/%0D", NULL),
	ROW("/v1/%1f", NULL),
	ROW("/v1/%7f", NULL),
#undef ROW
};

static void
test_paths(void)
{
	static ApikeyPath path;
	static char text[APIKEY_PATH_MAX * 4];

	for (int i = 0; i < lengthof(paths); i++)
	{
		memset(&path, '#', sizeof(path));
		apikey_path_prepare(unit_copy(paths[i].path), &path);
		CHECKF(path.clean == (paths[i].text != NULL), "path '%s' (row %d): expected %s",
			   paths[i].path.ptr, i, paths[i].text ? "clean" : "unclean");
		if (path.clean && paths[i].text != NULL)
		{
			CHECK_TEXT(path.text, paths[i].text);
			CHECK_INT(path.len, strlen(paths[i].text));
		}
		if (!path.clean)
			CHECKF(path.len == 0 && path.text[0] == '\0', "row %d: unclean, but not empty", i);
	}
	apikey_path_prepare(NO_STR, &path);
	CHECK(!path.clean && path.len == 0);

	/* every byte, plain and encoded */
	for (int byte = 0; byte < 256; byte++)
	{
		char		plain[3] = {'/', 'a', (char) byte};
		char		encoded[8];
		bool		control = byte < 32 || byte == 127;

		apikey_path_prepare((ApikeyStr) {plain, 3}, &path);
		CHECKF(path.clean == (!control && byte != '\\' && byte != '%'), "byte 0x%02x", (unsigned) byte);
		snprintf(encoded, sizeof(encoded), "/a%%%02X", (unsigned) byte);
		apikey_path_prepare((ApikeyStr) {encoded, 5}, &path);
		CHECKF(path.clean == (!control && byte != '\\' && byte != '/'), "%s", encoded);
		if (path.clean)
			CHECKF(path.len == 3 && path.text[2] == (char) byte, "%s decodes to 0x%02x",
				   encoded, (unsigned char) path.text[2]);
	}

	/* length */
	memset(text, 'a', sizeof(text));
	text[0] = '/';
	apikey_path_prepare((ApikeyStr) {text, APIKEY_PATH_MAX}, &path);
	CHECK(path.clean && path.len == APIKEY_PATH_MAX && path.text[APIKEY_PATH_MAX] == '\0');
	apikey_path_prepare((ApikeyStr) {text, APIKEY_PATH_MAX + 1}, &path);
	CHECK(!path.clean);
	apikey_path_prepare((ApikeyStr) {text, (int) sizeof(text)}, &path);
	CHECK(!path.clean);
	text[APIKEY_PATH_MAX] = '?';	/* the query does not count */
	apikey_path_prepare((ApikeyStr) {text, (int) sizeof(text)}, &path);
	CHECK(path.clean && path.len == APIKEY_PATH_MAX);

	/* it is the length as sent that counts, not the decoded one */
	for (int i = 1; i + 3 <= APIKEY_PATH_MAX + 1; i += 3)
		memcpy(text + i, "%61", 3);
	text[APIKEY_PATH_MAX] = '1';
	apikey_path_prepare((ApikeyStr) {text, APIKEY_PATH_MAX + 1}, &path);
	CHECK(!path.clean);

	CHECK_INT(apikey_path_length(S("/v1?x")), 3);
	CHECK_INT(apikey_path_length(S("/v1#x")), 3);
	CHECK_INT(apikey_path_length(S("/v1")), 3);
	CHECK_INT(apikey_path_length(S("?")), 0);
	CHECK_INT(apikey_path_length(S("")), 0);
	CHECK_INT(apikey_path_length(NO_STR), 0);
	CHECK_INT(apikey_path_length(S("/a%3fb")), 6);
}

/* ---- methods ---- */

static void
test_methods(void)
{
	static const struct
	{
		ApikeyStr	method;
		bool		valid;
	} methods[] = {
		{{"GET", 3}, true},
		{{"get", 3}, true},
		{{"M-SEARCH", 8}, true},
		{{"VERSION-CONTROL", 15}, true},
		{{"a!#$%&'*+-.^_`|~9", 17}, true},
		{{"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF", 32}, true},
		{{"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", 33}, false},
		{{"", 0}, false},
		{{NULL, 0}, false},
		{{"GET ", 4}, false},
		{{" GET", 4}, false},
		{{"GET,HEAD", 8}, false},
		{{"GET\0", 4}, false},
		{{"\0", 1}, false},
		{{"GET\n", 4}, false},
		{{"G\xc3\x89T", 4}, false},
		{{"GET/", 4}, false},
		{{"G(T", 3}, false},
	};

	for (int i = 0; i < lengthof(methods); i++)
		CHECKF(apikey_method_valid(unit_copy(methods[i].method)) == methods[i].valid,
			   "method '%s'", methods[i].method.ptr ? methods[i].method.ptr : "NULL");
}

/* ---- matching ---- */

static const struct
{
	const char *rule;
	const char *method;
	const char *path;
	bool		matches;
} matches[] = {

	/* literal */
	{"/v1/orders", "GET", "/v1/orders", true},
	{"/v1/orders", "GET", "/v1/orders/", false},
	{"/v1/orders/", "GET", "/v1/orders", false},
	{"/v1/orders/", "GET", "/v1/orders/", true},
	{"/v1/orders", "GET", "/v1/order", false},
	{"/v1/orders", "GET", "/v1/orders2", false},
	{"/v1/orders", "GET", "/v1/Orders", false},
	{"/v1/orders", "GET", "/V1/orders", false},
	{"/", "GET", "/", true},
	{"/", "GET", "/v1", false},
	{"/v1", "GET", "/", false},
	/* the query is not part of it */
	{"/v1/orders", "GET", "/v1/orders?x=1", true},
	{"/v1/orders", "GET", "/v1/orders#x", true},
	{"/v1/orders", "GET", "/v1/o?rders", false},
	/* one segment */
	{"/v1/orders/*", "GET", "/v1/orders/42", true},
	{"/v1/orders/*", "GET", "/v1/orders", false},
	{"/v1/orders/*", "GET", "/v1/orders/", true},
	{"/v1/orders/*", "GET", "/v1/orders/42/", false},
	{"/v1/orders/*", "GET", "/v1/orders/42/items", false},
	{"/v1/*/items", "GET", "/v1/42/items", true},
	{"/v1/*/items", "GET", "/v1/items", false},
	{"/v1/*/items", "GET", "/v1/a/b/items", false},
	{"/v1/*/items", "GET", "/v1/items/items", true},
	{"/*", "GET", "/", true},
	{"/*", "GET", "/a", true},
	{"/*", "GET", "/a/b", false},
	{"/*/*", "GET", "/a/b", true},
	{"/*/*", "GET", "/a", false},
	{"/*/*", "GET", "/a/", true},
	{"/*/b", "GET", "/a/b", true},
	{"/*/", "GET", "/a/", true},
	{"/*/", "GET", "/a", false},
	/* a run inside one segment */
	{"/v1/o*", "GET", "/v1/orders", true},
	{"/v1/o*", "GET", "/v1/o", true},
	{"/v1/o*", "GET", "/v1/", false},
	{"/v1/o*", "GET", "/v1/xo", false},
	{"/v1/o*", "GET", "/v1/o/x", false},
	{"/v1/*s", "GET", "/v1/orders", true},
	{"/v1/*s", "GET", "/v1/s", true},
	{"/v1/*s", "GET", "/v1/order", false},
	{"/v1/*s", "GET", "/v1/ss", true},
	{"/v1/*s", "GET", "/v1/s/s", false},
	{"/v1/a*b*c", "GET", "/v1/abc", true},
	{"/v1/a*b*c", "GET", "/v1/axxbyyc", true},
	{"/v1/a*b*c", "GET", "/v1/abcbc", true},
	{"/v1/a*b*c", "GET", "/v1/acb", false},
	{"/v1/a*b*c", "GET", "/v1/abbc/", false},
	{"/v1/a*b*c", "GET", "/v1/ab/c", false},
	{"/v1/*.json", "GET", "/v1/a.json", true},
	{"/v1/*.json", "GET", "/v1/a.json.json", true},
	{"/v1/*.json", "GET", "/v1/a.jsonx", false},
	{"/v1/*a/b*", "GET", "/v1/xa/bx", true},
	{"/v1/*a/b*", "GET", "/v1/xa/xb", false},
	{"/*a/*b/*c", "GET", "/a/b/c", true},
	{"/*a/*b/*c", "GET", "/aa/bb/cc", true},
	{"/*a/*b/*c", "GET", "/ab/bc/ca", false},
	/* any tail */
	{"/v1/**", "GET", "/v1/", true},
	{"/v1/**", "GET", "/v1/a", true},
	{"/v1/**", "GET", "/v1/a/b", true},
	{"/v1/**", "GET", "/v1/a/b/", true},
	{"/v1/**", "GET", "/v1", false},
	{"/v1/**", "GET", "/v2/a", false},
	{"/v1/**", "GET", "/v1x/a", false},
	{"/**", "GET", "/", true},
	{"/**", "GET", "/a/b/c", true},
	{"/*/x/**", "GET", "/a/x/y/z", true},
	{"/*/x/**", "GET", "/a/y/x/z", false},
	{"/a*/**", "GET", "/abc/d/e", true},
	{"/a*/**", "GET", "/abc", false},
	/* escapes, on either side */
	{"/v1/admin", "GET", "/v1/%61dmin", true},
	{"/v1/admin", "GET", "/%761/admin", true},
	{"/v1/%61dmin", "GET", "/v1/admin", true},
	{"/v1/%61dmin", "GET", "/v1/%61%64min", true},
	{"/v1/a%20b", "GET", "/v1/a%20b", true},
	{"/v1/a%20b", "GET", "/v1/a b", true},
	{"/v1/%c3%A9", "GET", "/v1/\xc3\xa9", true},
	{"/v1/100%25", "GET", "/v1/100%25", true},
	{"/v1/%3F", "GET", "/v1/%3f", true},
	/* an encoded star is a star, not a wildcard */
	{"/v1/%2A", "GET", "/v1/*", true},
	{"/v1/%2A", "GET", "/v1/%2a", true},
	{"/v1/%2A", "GET", "/v1/x", false},
	{"/v1/%2A%2A", "GET", "/v1/a/b", false},
	{"/v1/%2A%2A", "GET", "/v1/**", true},
	{"/v1/x", "GET", "/v1/*", false},
	{"/v1/x", "GET", "/**", false},
	{"/v1/*%2A", "GET", "/v1/ab*", true},
	{"/v1/*%2A", "GET", "/v1/ab", false},
	/* unclean paths match nothing */
	{"/**", "GET", "/v1/../x", false},
	{"/**", "GET", "/v1//x", false},
	{"/**", "GET", "v1", false},
	{"/**", "GET", "", false},
	{"/**", "GET", "/%2e%2e/x", false},
	{"/**", "GET", "/a%2fb", false},
	/* methods */
	{"GET /v1", "GET", "/v1", true},
	{"GET /v1", "get", "/v1", true},
	{"GET /v1", "Get", "/v1", true},
	{"GET /v1", "POST", "/v1", false},
	{"GET /v1", "GE", "/v1", false},
	{"GET /v1", "GETS", "/v1", false},
	{"GET /v1", "", "/v1", false},
	{"GET /v1", NULL, "/v1", false},
	{"GET /v1", "GET", "/v2", false},
	{"GET,HEAD /v1", "GET", "/v1", true},
	{"GET,HEAD /v1", "HEAD", "/v1", true},
	{"GET,HEAD /v1", "head", "/v1", true},
	{"GET,HEAD /v1", "GET,HEAD", "/v1", false},
	{"GET,HEAD /v1", "EAD", "/v1", false},
	{"GET,HEAD /v1", "POST", "/v1", false},
	{"GET,HEAD,PUT /v1", "PUT", "/v1", true},
	{"GET,HEAD /v1", NULL, "/v1", false},
	{"* /v1", "GET", "/v1", true},
	{"* /v1", "anything", "/v1", true},
	{"* /v1", NULL, "/v1", true},
	{"* /v1", "", "/v1", true},
	{"/v1", "GET", "/v1", true},
	{"/v1", NULL, "/v1", true},
	{"/v1", "", "/v1", true},
	{"GET /v1/orders/*", "GET", "/v1/orders/42?x", true},
	/* a method of the path's bytes does not confuse anything */
	{"GET /v1", "/v1", "/v1", false},
	{"GET /v1", "*", "/v1", false},
};

static ApikeyStr
str(const char *text)
{
	return text ? unit_copy((ApikeyStr) {text, (int) strlen(text)}) : NO_STR;
}

static void
test_matches(void)
{
	static ApikeyPath path;

	for (int i = 0; i < lengthof(matches); i++)
	{
		ApikeyStr	rule = str(matches[i].rule);

		CHECKF(apikey_endpoint_rule_valid(rule), "'%s' is not a rule", matches[i].rule);
		apikey_path_prepare(str(matches[i].path), &path);
		CHECKF(apikey_endpoint_matches(rule, str(matches[i].method), &path) == matches[i].matches,
			   "rule '%s', %s '%s': expected %d", matches[i].rule,
			   matches[i].method ? matches[i].method : "(no method)", matches[i].path,
			   matches[i].matches);
	}
	apikey_path_prepare(S("/v1"), &path);
	CHECK(!apikey_endpoint_matches(NO_STR, S("GET"), &path));

	/* malformed rules are nobody's, and nothing is read outside them */
	{
		static const char *const broken[] = {
			"", "*", "**", "GET", "GET ", "/%", "/%6", "/v1%", "/**/", "/***", "/a**", "%", "/*%", "/%2"
		};

		for (int i = 0; i < lengthof(broken); i++)
		{
			(void) apikey_endpoint_matches(str(broken[i]), S("GET"), &path);
			(void) apikey_endpoint_matches(str(broken[i]), NO_STR, &path);
		}
		CHECK(!apikey_endpoint_matches(S(""), S("GET"), &path));
		CHECK(!apikey_endpoint_matches(S("GET"), S("GET"), &path));
		CHECK(!apikey_endpoint_matches(S("GET "), S("GET"), &path));
		CHECK(!apikey_endpoint_matches(S("/%"), S("GET"), &path));
	}
}

/*
 * Rules that make a backtracking matcher take for ever (unit_begin() sets the
 * alarm), at full length.
 */
static void
test_pathological(void)
{
	static char rule[APIKEY_PATH_MAX];
	static char text[APIKEY_PATH_MAX];
	static ApikeyPath path;
	ApikeyStr	r = {rule, APIKEY_PATH_MAX};
	ApikeyStr	p = {text, APIKEY_PATH_MAX};

	/* one segment: *a*a*a...b against aaaa... */
	for (int i = 1; i < APIKEY_PATH_MAX; i++)
		rule[i] = (i % 2) ? '*' : 'a';
	rule[0] = '/';
	rule[APIKEY_PATH_MAX - 1] = 'b';
	rule[APIKEY_PATH_MAX - 2] = 'a';
	memset(text, 'a', sizeof(text));
	text[0] = '/';
	apikey_path_prepare(p, &path);
	CHECK(path.clean && apikey_endpoint_rule_valid(r));
	CHECK(!apikey_endpoint_matches(r, NO_STR, &path));
	text[APIKEY_PATH_MAX - 1] = 'b';
	apikey_path_prepare(p, &path);
	CHECK(apikey_endpoint_matches(r, NO_STR, &path));

	/* many segments of *a, with the failure in the last */
	for (int i = 0; i < APIKEY_PATH_MAX; i++)
		rule[i] = "/*a"[i % 3];
	r.len = APIKEY_PATH_MAX - APIKEY_PATH_MAX % 3;
	for (int i = 0; i < APIKEY_PATH_MAX; i++)
		text[i] = "/ba"[i % 3];
	p.len = r.len;
	apikey_path_prepare(p, &path);
	CHECK(path.clean && apikey_endpoint_rule_valid(r));
	CHECK(apikey_endpoint_matches(r, NO_STR, &path));
	text[p.len - 1] = 'b';
	apikey_path_prepare(p, &path);
	CHECK(!apikey_endpoint_matches(r, NO_STR, &path));

	/* half the rule stars, the path long and without the wanted end */
	rule[0] = '/';
	for (int i = 1; i < APIKEY_PATH_MAX; i++)
		rule[i] = "*ab"[i % 3];
	r.len = APIKEY_PATH_MAX;
	for (int i = 1; i < APIKEY_PATH_MAX; i++)
		text[i] = (i % 3 == 0) ? 'c' : "ab"[i % 2];
	text[0] = '/';
	p.len = APIKEY_PATH_MAX;
	apikey_path_prepare(p, &path);
	CHECK(apikey_endpoint_rule_valid(r));
	CHECK(!apikey_endpoint_matches(r, NO_STR, &path));
}

int
main(void)
{
	unit_begin();
	test_rules();
	test_paths();
	test_methods();
	test_matches();
	test_pathological();
	return unit_done("test_endpoint");
}
