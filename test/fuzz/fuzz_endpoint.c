/*
 * fuzz_endpoint.c
 *		Paths and rules: what is clean is clean, rules match as a slow and plain
 *		matcher says, and nothing is read outside.  (The fuzzer's -timeout is the
 *		bound on time.)
 */
#include "fuzz.h"

#include "endpoint.h"

#define ALPHABET	"/*ab%2eEf.;5cA61?#/a/b*"

static const char *const tokens[] = {
	"/", "/", "/", "a", "b", "*", "/*", "/**", ".", "..", ";", "%2e", "%2F", "%5c", "%61", "%62",
	"%25", "%", "%2A", "%3b", "?", "#", "\\", "%0a", "\n", " ", "\xc3\xa9", "/a/b", "ab", "a*b"
};

/* A text of tokens, in a block of exactly its size. */
static ApikeyStr
token_text(FuzzInput *in, int max_tokens)
{
	char		text[300];
	int			len = 0;
	int			n = fuzz_below(in, max_tokens + 1);
	char	   *block;

	for (int i = 0; i < n && in->left > 0 && len < 290; i++)
		len += sprintf(text + len, "%s",
					   tokens[fuzz_below(in, (int) (sizeof(tokens) / sizeof(tokens[0])))]);
	block = fuzz_alloc(in, (size_t) len);
	memcpy(block, text, (size_t) len);
	return (ApikeyStr) {block, len};
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int
hex(char c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* What must hold of a path that was prepared. */
static void
check_path(ApikeyStr raw, const ApikeyPath *path)
{
	const char *t = path->text;

	ASSERT(path->len >= 0 && path->len <= APIKEY_PATH_MAX && t[path->len] == '\0');
	if (!path->clean)
	{
		ASSERT(path->len == 0);
		return;
	}
	ASSERT(path->len >= 1 && path->len <= raw.len && t[0] == '/');
	ASSERT(raw.ptr[0] == '/');
	for (int i = 0; i < path->len; i++)
	{
		ASSERT((unsigned char) t[i] >= 0x20 && t[i] != 0x7F && t[i] != '\\');
		ASSERT(!(t[i] == '%' && i + 2 < path->len && is_hex(t[i + 1]) && is_hex(t[i + 2])));
		if (t[i] == '/')
		{
			const char *s = t + i + 1;	/* zero-terminated */

			ASSERT(*s != '/');
			if (*s == '.')
				s++;
			if (*s == '.')
				s++;
			ASSERT(s == t + i + 1 || (*s != '/' && *s != '\0' && *s != ';'));
		}
	}
	/* as many slashes as there were: none was encoded */
	{
		int			before = 0;
		int			after = 0;

		for (int i = 0; i < apikey_path_length(raw); i++)
			before += raw.ptr[i] == '/';
		for (int i = 0; i < path->len; i++)
			after += t[i] == '/';
		ASSERT(before == after);
	}
}

/* An element of a decoded glob: a byte, '*' or "**". */
#define STAR		256
#define STAR_STAR	257

/*
 * The plain matcher: a table over all pairs of positions, no cleverness.
 */
static bool
model_glob(ApikeyStr glob, const ApikeyPath *path)
{
	static int	element[APIKEY_PATH_MAX + 1];
	static bool row[2][APIKEY_PATH_MAX + 2];
	int			n = 0;
	int			cur = 0;

	for (int i = 0; i < glob.len; n++)
	{
		if (glob.ptr[i] == '%')
		{
			element[n] = hex(glob.ptr[i + 1]) * 16 + hex(glob.ptr[i + 2]);
			i += 3;
		}
		else if (glob.ptr[i] == '*' && i + 1 < glob.len && glob.ptr[i + 1] == '*')
		{
			element[n] = STAR_STAR;
			i += 2;
		}
		else
		{
			element[n] = glob.ptr[i] == '*' ? STAR : (unsigned char) glob.ptr[i];
			i++;
		}
	}

	/* row[cur][p]: the first g elements match the first p bytes */
	memset(row, 0, sizeof(row));
	row[0][0] = true;
	for (int g = 0; g < n; g++)
	{
		bool	   *from = row[cur];
		bool	   *to = row[1 - cur];

		for (int p = 0; p <= path->len; p++)
		{
			bool		ok = false;

			if (element[g] >= STAR)
			{
				ok = from[p];
				if (!ok && p > 0 && to[p - 1])
					ok = element[g] == STAR_STAR || path->text[p - 1] != '/';
			}
			else if (p > 0)
				ok = from[p - 1] && (unsigned char) path->text[p - 1] == element[g];
			to[p] = ok;
		}
		cur = 1 - cur;
	}
	return row[cur][path->len];
}

static bool
model_method(ApikeyStr rule, ApikeyStr method)
{
	char		list[600];
	char		wanted[300];
	int			len = 0;

	if (rule.ptr[0] == '/' || rule.ptr[0] == '*')
		return true;
	if (method.ptr == NULL || method.len == 0)
		return false;
	list[0] = ',';
	while (rule.ptr[len] != ' ')
	{
		list[len + 1] = rule.ptr[len];
		len++;
	}
	list[len + 1] = ',';
	list[len + 2] = '\0';
	wanted[0] = ',';
	for (int i = 0; i < method.len; i++)
	{
		char		c = method.ptr[i];

		if (c == ',' || c == '\0')
			return false;
		wanted[i + 1] = (c >= 'a' && c <= 'z') ? (char) (c - 32) : c;
	}
	wanted[method.len + 1] = ',';
	wanted[method.len + 2] = '\0';
	return strstr(list, wanted) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static ApikeyPath path;
	static ApikeyPath again;
	FuzzInput	in = {.data = data, .left = size};
	int			mode = fuzz_byte(&in);
	ApikeyStr	rule;
	ApikeyStr	method;
	ApikeyStr	raw;
	bool		matches;

	method = (mode & 1) ? fuzz_text_of(&in, 6, "GETP,g") : fuzz_text(&in, 40);
	if (mode & 2)
		method = (ApikeyStr) {NULL, 0};
	if (mode & 4)
	{
		rule = fuzz_text_of(&in, 200, ALPHABET);
		raw = fuzz_text_of(&in, 200, ALPHABET);
	}
	else if (mode & 128)
	{
		rule = token_text(&in, 12);
		raw = token_text(&in, 12);
	}
	else if (mode & 8)
	{
		rule = fuzz_text_of(&in, 40, "/*ab");
		raw = fuzz_text_of(&in, 60, "/ab");
	}
	else
	{
		rule = fuzz_text(&in, 300);
		raw = fuzz_text(&in, 300);
	}
	/* most random texts fail at their first byte; give them one */
	if (mode & 16 && rule.len > 0)
		((char *) rule.ptr)[0] = '/';
	if (mode & 32 && raw.len > 0)
		((char *) raw.ptr)[0] = '/';
	if (mode & 64 && rule.len > 4)
		memcpy((char *) rule.ptr, (mode & 128) ? "GET " : "G,P ", 4);
	if (mode & 64 && rule.len > 5)
		((char *) rule.ptr)[4] = '/';

	(void) apikey_method_valid(method);
	memset(&path, '#', sizeof(path));
	apikey_path_prepare(raw, &path);
	check_path(raw, &path);

	/* a malformed rule must only do no harm */
	matches = apikey_endpoint_matches(rule, method, &path);
	if (!path.clean)
		ASSERT(!matches);
	if (apikey_endpoint_rule_valid(rule))
	{
		ApikeyStr	glob = apikey_endpoint_glob(rule);

		ASSERT(glob.ptr[0] == '/' && glob.len <= APIKEY_PATH_MAX);
		ASSERT(apikey_endpoint_rule_valid(glob));
		if (path.clean)
			ASSERT(matches == (model_method(rule, method) && model_glob(glob, &path)));

		/* a rule is a clean path: a request may come to match it literally */
		apikey_path_prepare(glob, &again);
		ASSERT(again.clean);
		ASSERT(apikey_endpoint_matches(glob, method, &again));
	}
	else
		(void) apikey_endpoint_glob(rule);

	if (path.clean)
	{
		static char encoded[3 * APIKEY_PATH_MAX];
		int			n = 0;

		ASSERT(apikey_endpoint_matches((ApikeyStr) {"/**", 3}, method, &path));

		/* every byte but the slash encoded: the same path, and a rule for it */
		for (int i = 0; i < path.len; i++)
		{
			if (path.text[i] == '/')
				encoded[n++] = '/';
			else
				n += sprintf(encoded + n, "%%%02x", (unsigned char) path.text[i]);
		}
		if (n <= APIKEY_PATH_MAX)
		{
			apikey_path_prepare((ApikeyStr) {encoded, n}, &again);
			ASSERT(again.clean && again.len == path.len);
			ASSERT(memcmp(again.text, path.text, (size_t) path.len) == 0);
			ASSERT(apikey_endpoint_rule_valid((ApikeyStr) {encoded, n}));
			ASSERT(apikey_endpoint_matches((ApikeyStr) {encoded, n}, method, &path));
		}
	}

	fuzz_end(&in);
	return 0;
}
