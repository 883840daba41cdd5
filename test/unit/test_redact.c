/* Unit tests of redact.c. */
#include "unit.h"

#include "key_format.h"
#include "redact.h"

/* a real key, body of 16 bytes: the shortest there is */
#define HEAD	"ak_live_"
#define DIGITS	"0UaG6sVM7cqAQJbJ08qtY34LIUl3"	/* 28 */
#define KEY		HEAD DIGITS
#define STARS	"****************************"
#define MASKED	HEAD STARS

/* the longest */
#define LONG_HEAD	"abcdefghijklmnopqrstuvwx_abcdefghijkl_"
#define LONG_KEY	LONG_HEAD "xR9fAlrdKvCIINsqEkJZSfvkAt8lzmSSSSwEFE05v06EBY3r5dlozuRxnvOf5LFQW8jES7aPVEzqA5lO3MW8I33voAx2"
#define LONG_MASKED	LONG_HEAD STARS STARS STARS "********"

#define UNDER_HEAD	"my_app_v2_test_"
#define UNDER_KEY	UNDER_HEAD "003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3XuSH8"
#define UNDER_MASKED UNDER_HEAD STARS "*********************"

/* digits that are no key's */
#define D27		"AAAAAAAAAABBBBBBBBBBCCCCCCC"
#define D28		D27 "c"
#define D93		D28 D28 D28 "DDDDDDDDD"

static const struct
{
	const char *in;
	const char *out;
	int			masked;
	int			found;
} cases[] = {

	/* alone */
	{KEY, MASKED, 1, 1},
	{LONG_KEY, LONG_MASKED, 1, 1},
	{UNDER_KEY, UNDER_MASKED, 1, 1},

	/* within a line */
	{"key " KEY " end", "key " MASKED " end", 1, 1},
	{"SELECT apikey.verify('" KEY "');", "SELECT apikey.verify('" MASKED "');", 1, 1},
	{"{\"key\":\"" KEY "\"}", "{\"key\":\"" MASKED "\"}", 1, 1},
	{"/v1/a?key=" KEY "&x=1", "/v1/a?key=" MASKED "&x=1", 1, 1},
	{"Bearer " KEY "\n", "Bearer " MASKED "\n", 1, 1},
	{"(" KEY ")", "(" MASKED ")", 1, 1},
	{"\xc3\xa9" KEY "\xc3\xa9", "\xc3\xa9" MASKED "\xc3\xa9", 1, 1},
	{"\x01" KEY "\x7f", "\x01" MASKED "\x7f", 1, 1},
	{"'" KEY "','" UNDER_KEY "'", "'" MASKED "','" UNDER_MASKED "'", 2, 2},
	{KEY " " KEY " " KEY, MASKED " " MASKED " " MASKED, 3, 3},

	/* word characters before: the key in it is found all the same */
	{"x" KEY, "x" MASKED, 1, 1},
	{"X" KEY, "X" MASKED, 1, 1},
	{"_" KEY, "_" MASKED, 1, 1},
	{"9" KEY, "9" MASKED, 1, 1},
	{"key_" KEY, "key_" MASKED, 1, 1},
	{"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" KEY, "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn" MASKED, 1, 1},
	{"%3D" KEY, "%3D" MASKED, 1, 1},
	{"%3d" KEY, "%3d" MASKED, 1, 1},
	{"\\n" KEY, "\\n" MASKED, 1, 1},
	{"__" KEY, "__" MASKED, 1, 1},

	/* percent-encoded underscores */
	{"ak%5Flive%5F" DIGITS, "ak%5Flive%5F" STARS, 1, 1},
	{"ak%5flive%5f" DIGITS, "ak%5flive%5f" STARS, 1, 1},
	{"ak_live%5F" DIGITS, "ak_live%5F" STARS, 1, 1},
	{"ak%5Flive_" DIGITS, "ak%5Flive_" STARS, 1, 1},
	{"my%5Fapp_v2%5ftest_" "003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3XuSH8",
	"my%5Fapp_v2%5ftest_" STARS "*********************", 1, 1},
	{"%5F" KEY, "%5F" MASKED, 1, 1},
	{KEY "%5F", MASKED "%5F", 1, 1},
	{"ak%5Glive%5G" DIGITS, "ak%5Glive%5G" DIGITS, 0, 0},
	{"%5f_live_" DIGITS, "%5f_live_" STARS, 1, 0},
	{"%5F_live_" DIGITS, "%5F_live_" DIGITS, 0, 0},

	/* a wrong checksum masks, but is no key */
	{HEAD D28, HEAD STARS, 1, 0},
	{"ak_live_1UaG6sVM7cqAQJbJ08qtY34LIUl3", MASKED, 1, 0},
	{"bk_live_" DIGITS, "bk_live_" STARS, 1, 0},
	{"ak_life_" DIGITS, "ak_life_" STARS, 1, 0},

	/* digits glued to the end: masked to the end of the run, however long */
	{KEY "x", MASKED "*", 1, 0},
	{HEAD D93, HEAD STARS STARS STARS "*********", 1, 0},
	{KEY D93, MASKED STARS STARS STARS "*********", 1, 0},

	/* an underscore ends the digits */
	{KEY "_backup", MASKED "_backup", 1, 1},
	{KEY "_", MASKED "_", 1, 1},
	{KEY "__x", MASKED "__x", 1, 1},

	/* two keys without anything between: both go */
	{KEY KEY, "ak_live_" STARS "**_live_" STARS, 2, 1},
	{KEY "_" KEY, MASKED "_" MASKED, 2, 2},
	{KEY "%5F" KEY, MASKED "%5F" MASKED, 2, 2},
	{"ak_live_" D28 KEY, "ak_live_" STARS "**_live_" STARS, 2, 1},

	/* too short, or not of the shape */
	{HEAD D27, HEAD D27, 0, 0},
	{D28, D28, 0, 0},
	{D93, D93, 0, 0},
	{"_" D28, "_" D28, 0, 0},
	{"live_" D28, "live_" D28, 0, 0},
	{"_live_" D28, "_live_" D28, 0, 0},
	{"__live_" D28, "__live_" D28, 0, 0},
	{"ak__" D28, "ak__" D28, 0, 0},
	{"ak_live__" D28, "ak_live__" D28, 0, 0},
	{"ak_Live_" D28, "ak_Live_" D28, 0, 0},
	{"ak_abcdefghijkl_" D28, "ak_abcdefghijkl_" STARS, 1, 0},
	{"ak_abcdefghijklm_" D28, "ak_abcdefghijklm_" D28, 0, 0},
	{"aK_live_" D28, "aK_live_" D28, 0, 0},
	{"a-live-" D28, "a-live-" D28, 0, 0},
	{"ak_live-" D28, "ak_live-" D28, 0, 0},
	{"ak_live_" D27 "-c", "ak_live_" D27 "-c", 0, 0},
	{"9_live_" D28, "9_live_" STARS, 1, 0},
	{"*_live_" D28, "*_live_" D28, 0, 0},

	/* nothing to do */
	{"", "", 0, 0},
	{"_", "_", 0, 0},
	{"%", "%", 0, 0},
	{"%5", "%5", 0, 0},
	{"5F", "5F", 0, 0},
	{"%5F", "%5F", 0, 0},
	{"%5F%5F%5F", "%5F%5F%5F", 0, 0},
	{"a", "a", 0, 0},
	{"GET /v1/orders/42 HTTP/1.1", "GET /v1/orders/42 HTTP/1.1", 0, 0},
	{"550e8400-e29b-41d4-a716-446655440000", "550e8400-e29b-41d4-a716-446655440000", 0, 0},
	{MASKED, MASKED, 0, 0},
};

static void
test_cases(void)
{
	for (int i = 0; i < lengthof(cases); i++)
	{
		int			len = (int) strlen(cases[i].in);
		ApikeyStr	text = unit_copy((ApikeyStr) {cases[i].in, len});
		ApikeyRedaction result;

		CHECK_INT(strlen(cases[i].out), len);
		CHECKF(cases[i].masked == 0 || apikey_may_hold_key(text.ptr, (size_t) len),
			   "'%s': said to hold no key", cases[i].in);
		result = apikey_redact((char *) text.ptr, (size_t) len);
		CHECKF(memcmp(text.ptr, cases[i].out, (size_t) len) == 0, "'%s' became '%.*s'",
			   cases[i].in, len, text.ptr);
		CHECKF(result.masked == cases[i].masked && result.found == cases[i].found,
			   "'%s': masked %d, found %d; expected %d, %d", cases[i].in,
			   result.masked, result.found, cases[i].masked, cases[i].found);

		/* a second time there is nothing left */
		result = apikey_redact((char *) text.ptr, (size_t) len);
		CHECKF(result.found == 0 && memcmp(text.ptr, cases[i].out, (size_t) len) == 0,
			   "'%s': the second time changed it again", cases[i].in);
	}
}

/* What is told quickly. */
static void
test_quick(void)
{
	CHECK(apikey_may_hold_key(KEY, strlen(KEY)));
	CHECK(apikey_may_hold_key("a_b_" D28, 32));
	CHECK(!apikey_may_hold_key("a_b_" D27, 31));
	CHECK(apikey_may_hold_key("a%5Fb%5f" D28, 36));
	CHECK(!apikey_may_hold_key("", 0));
	CHECK(!apikey_may_hold_key("Mozilla/5.0 (X11; Linux x86-64) Gecko/20100101", 46));
}

/* Zero bytes are bytes like others. */
static void
test_zero_bytes(void)
{
	char		text[] = "a\0" KEY "\0b";
	ApikeyRedaction result = apikey_redact(text, sizeof(text) - 1);

	CHECK_INT(result.masked, 1);
	CHECK_INT(result.found, 1);
	CHECK(memcmp(text, "a\0" MASKED "\0b", sizeof(text)) == 0);
}

/* Every size of key, everywhere in a text, is masked and found. */
static void
test_all_sizes(void)
{
	uint64_t	seed = 7;

	for (int nbytes = 16; nbytes <= 64; nbytes++)
	{
		unsigned char bytes[64];
		char		key[APIKEY_KEY_MAX + 1];
		char		text[APIKEY_KEY_MAX + 64];
		ApikeyKeyParts parts;
		ApikeyRedaction result;
		int			len;
		int			shift = nbytes % 20;

		for (int i = 0; i < nbytes; i++)
			bytes[i] = (unsigned char) unit_random(&seed);
		len = apikey_key_make("my_co", "prod1", bytes, nbytes, key);
		CHECK(apikey_key_parse(key, (size_t) len, &parts));
		memset(text, ' ', sizeof(text));
		memcpy(text + shift, key, (size_t) len);
		result = apikey_redact(text, sizeof(text));
		CHECKF(result.masked == 1 && result.found == 1, "%d bytes", nbytes);
		CHECKF(memcmp(text + shift, key, (size_t) parts.body_off) == 0 &&
			   text[shift + parts.body_off] == '*' &&
			   text[shift + len - 1] == '*' && text[shift + len] == ' ',
			   "%d bytes: masked the wrong place", nbytes);
	}
}

/* Long texts: no key is lost in a megabyte, and it does not take for ever. */
static void
test_long(void)
{
	const size_t len = 1 << 20;
	char	   *text = malloc(len);
	ApikeyRedaction result;
	int			keys = 0;

	if (text == NULL)
		exit(2);
	memset(text, ' ', len);
	for (size_t pos = 0; pos + 1000 < len; pos += 997, keys++)
		memcpy(text + pos, KEY, strlen(KEY));
	result = apikey_redact(text, len);
	CHECK_INT(result.masked, keys);
	CHECK_INT(result.found, keys);

	/* runs that invite to look back again and again */
	memset(text, 'a', len);
	result = apikey_redact(text, len);
	CHECK_INT(result.masked, 0);
	memset(text, '_', len);
	result = apikey_redact(text, len);
	CHECK_INT(result.masked, 0);
	for (size_t pos = 0; pos < len; pos++)
		text[pos] = pos % 29 == 0 ? '_' : 'a';
	result = apikey_redact(text, len);
	CHECK_INT(result.masked, 0);
	for (size_t pos = 0; pos < len; pos++)
		text[pos] = "%5F"[pos % 3];
	result = apikey_redact(text, len);
	CHECK_INT(result.masked, 0);
	for (size_t pos = 0; pos < len; pos++)
		text[pos] = (pos % 32 == 0 || pos % 32 == 2) ? '_' : 'a';
	result = apikey_redact(text, len);
	CHECKF(result.masked > 30000, "%d of about 32768 masked", result.masked);
	free(text);
}

int
main(void)
{
	unit_begin();
	test_cases();
	test_quick();
	test_zero_bytes();
	test_all_sizes();
	test_long();
	return unit_done("test_redact");
}
