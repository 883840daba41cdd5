/* Unit tests of key_format.c. */
#include "unit.h"

#include "key_format.h"

static const char base62[] =
"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool
parses(const char *text, size_t len)
{
	ApikeyKeyParts parts;
	ApikeyStr	copy = unit_copy((ApikeyStr) {text, (int) len});
	bool		ok = apikey_key_parse(copy.ptr, len, &parts);

	/* one block at a time is enough */
	free(unit_blocks[--unit_nblocks]);
	return ok;
}

/* Append the right checksum to any text: what is refused then has a bad shape. */
static size_t
with_checksum(const char *text, size_t len, char *out)
{
	uint32_t	crc = apikey_crc32(text, len);

	memcpy(out, text, len);
	for (int i = 5; i >= 0; i--, crc /= 62)
		out[len + (size_t) i] = base62[crc % 62];
	return len + 6;
}

/* ---- checksum: values of zlib ---- */

static void
test_crc32(void)
{
	unsigned char bytes[256];

	memset(bytes, 0, sizeof(bytes));
	CHECK_INT(apikey_crc32("", 0), 0);
	CHECK_INT(apikey_crc32("a", 1), 0xE8B7BE43);
	CHECK_INT(apikey_crc32("abc", 3), 0x352441C2);
	CHECK_INT(apikey_crc32("123456789", 9), 0xCBF43926);
	CHECK_INT(apikey_crc32("The quick brown fox jumps over the lazy dog", 43), 0x414FA339);
	CHECK_INT(apikey_crc32(bytes, 32), 0x190A55AD);
	memset(bytes, 0xFF, 32);
	CHECK_INT(apikey_crc32(bytes, 32), 0xFF6CAB0B);
	for (int i = 0; i < 256; i++)
		bytes[i] = (unsigned char) i;
	CHECK_INT(apikey_crc32(bytes, 256), 0x29058C73);
}

/* ---- width of the body ---- */

/* ceil(8n / log2(62)) for n = 16 .. 64, by exact arithmetic elsewhere */
static const int widths[] = {
	22, 23, 25, 26, 27, 29, 30, 31, 33, 34, 35, 37, 38, 39, 41, 42, 43, 45, 46, 48,
	49, 50, 52, 53, 54, 56, 57, 58, 60, 61, 62, 64, 65, 66, 68, 69, 70, 72, 73, 74,
	76, 77, 78, 80, 81, 82, 84, 85, 86
};

static bool
width_exists(int digits)
{
	for (int i = 0; i < lengthof(widths); i++)
	{
		if (widths[i] == digits)
			return true;
	}
	return false;
}

static void
test_widths(void)
{
	CHECK_INT(lengthof(widths), APIKEY_BODY_BYTES_MAX - APIKEY_BODY_BYTES_MIN + 1);
	for (int i = 0; i < lengthof(widths); i++)
		CHECKF(apikey_body_digits(16 + i) == widths[i], "%d bytes take %d digits, expected %d",
			   16 + i, apikey_body_digits(16 + i), widths[i]);
	CHECK_INT(apikey_body_digits(16), APIKEY_BODY_MIN);
	CHECK_INT(apikey_body_digits(32), 43);
	CHECK_INT(apikey_body_digits(64), APIKEY_BODY_MAX);
	CHECK_INT(apikey_body_digits(15), -1);
	CHECK_INT(apikey_body_digits(65), -1);
	CHECK_INT(apikey_body_digits(0), -1);
	CHECK_INT(apikey_body_digits(-1), -1);
	CHECK_INT(apikey_body_digits(INT32_MAX), -1);
	CHECK_INT(apikey_body_digits(INT32_MIN), -1);

	/* a width of no number of bytes is refused, a good checksum or not */
	for (int digits = 0; digits <= 100; digits++)
	{
		char		text[128];
		char		key[140];
		size_t		len;

		memcpy(text, "ak_live_", 8);
		memset(text + 8, 'x', (size_t) digits);
		len = with_checksum(text, 8 + (size_t) digits, key);
		CHECKF(parses(key, len) == width_exists(digits), "body of %d digits", digits);
	}
}

/* ---- known keys, made by another implementation ---- */

typedef enum
{
	ZEROS, ONES, COUNTING, MIXED
} Fill;

static void
fill_bytes(unsigned char *bytes, int nbytes, Fill fill)
{
	for (int i = 0; i < nbytes; i++)
		bytes[i] = (unsigned char) (fill == ZEROS ? 0 : fill == ONES ? 0xFF :
									fill == COUNTING ? i : i * 37 + nbytes);
}

static const struct
{
	const char *prefix;
	const char *tag;
	int			nbytes;
	Fill		fill;
	const char *key;
} known[] = {
	{"ak", "live", 16, MIXED, "ak_live_0UaG6sVM7cqAQJbJ08qtY34LIUl3"},
	{"ak", "live", 17, MIXED, "ak_live_2A6g0aQSQG9txD50pPVimA5167RRl"},
	{"ak", "live", 18, MIXED, "ak_live_09S1z53M9Y818fyzkgVjt2Mdz36z7l5"},
	{"ak", "live", 19, MIXED, "ak_live_0fB6E0MghRDs4ORn4EYWJ6zRk50DOOq3"},
	{"ak", "live", 24, MIXED, "ak_live_0GDIpN3wuh6LLSdoWiMaoQggykauQcmXz04Y9iw"},
	{"ak", "live", 32, MIXED, "ak_live_7eS9WM0qM8fEvlKPEauGxpQOo2ktE2fUIaEhG3OyiPT1l1lAn"},
	{"ak", "live", 33, MIXED, "ak_live_0WZykIt5fIOf5so4KgJdlDAvetqDI79GOhzIZN1OWmY4129iFG8"},
	{"ak", "live", 48, MIXED,
	"ak_live_1RId2iCufkzskzebc7IHVdKSrDWJNFAbTKHzD7UuIHWpkEdSvvHk2VjczGpqARs0R3bEEZc"},
	{"ak", "live", 63, MIXED,
	"ak_live_3Z0StnfsVEbPiqqSEcyoZ93RLVY8PNoQTAcPE1oPd5v3wSwdjFxtvAmImgQeRbxWcFmYBaILcFzgWT3i2Ddjx13DQ3T"},
	{"ak", "live", 64, MIXED,
	"ak_live_EwzvFLAI3XX7fiOEQFPOC1xgl7wJWPTJyNaHFZtvkXjsNmGL8j5FVl28Lb9xKDDkajLLQxv44uD9kJZUNDZXGV2YFMR8"},
	{"ak", "live", 32, ZEROS, "ak_live_000000000000000000000000000000000000000000009KvW5"},
	{"ak", "live", 32, ONES, "ak_live_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp12zsbnN"},
	{"ak", "live", 16, ONES, "ak_live_7n42DGM5Tflk9n8mt7Fhc73ckqXf"},
	{"my_app_v2", "test", 32, COUNTING, "my_app_v2_test_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3XuSH8"},
	{"acme", "live", 32, COUNTING, "acme_live_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3MpRGw"},
	{"a", "0", 64, ONES,
	"a_0_xR9fAlrdKvCIINsqEkJZSfvkAt8lzmSSSSwEFE05v06EBY3r5dlozuRxnvOf5LFQW8jES7aPVEzqA5lO3MW8I34eso09"},
	{"abcdefghijklmnopqrstuvwx", "abcdefghijkl", 64, ONES,
	"abcdefghijklmnopqrstuvwx_abcdefghijkl_xR9fAlrdKvCIINsqEkJZSfvkAt8lzmSSSSwEFE05v06EBY3r5dlozuRxnvOf5LFQW8jES7aPVEzqA5lO3MW8I33voAx2"},
};

static void
test_known(void)
{
	for (int i = 0; i < lengthof(known); i++)
	{
		unsigned char bytes[64];
		char		out[APIKEY_KEY_MAX + 1];
		ApikeyKeyParts parts;
		int			len;
		size_t		prefix_len = strlen(known[i].prefix);
		size_t		tag_len = strlen(known[i].tag);

		fill_bytes(bytes, known[i].nbytes, known[i].fill);
		memset(out, '#', sizeof(out));
		len = apikey_key_make(known[i].prefix, known[i].tag, bytes, known[i].nbytes, out);
		CHECK_INT(len, strlen(known[i].key));
		CHECK_TEXT(out, known[i].key);
		CHECKF(apikey_key_parse(out, (size_t) len, &parts), "%s does not parse", out);
		CHECK_INT(parts.prefix_len, prefix_len);
		CHECK_INT(parts.tag_off, prefix_len + 1);
		CHECK_INT(parts.tag_len, tag_len);
		CHECK_INT(parts.body_off, prefix_len + tag_len + 2);
		CHECK_INT(parts.body_len, widths[known[i].nbytes - 16]);
		CHECK_INT(parts.total_len, len);
	}
	CHECK_INT(strlen(known[lengthof(known) - 1].key), APIKEY_KEY_MAX);
}

/* ---- the body is the number, for every size ---- */

static void
test_bijection(void)
{
	uint64_t	seed = 1;

	for (int nbytes = 16; nbytes <= 64; nbytes++)
	{
		/* random, but also the smallest and the largest number */
		for (int round = 0; round < 5; round++)
		{
			unsigned char bytes[64];
			unsigned char back[64] = {0};
			char		out[APIKEY_KEY_MAX + 1];
			ApikeyKeyParts parts;
			int			overflow = 0;
			int			len;

			for (int i = 0; i < nbytes; i++)
				bytes[i] = (unsigned char) (round == 0 ? 0 : round == 1 ? 0xFF :
											unit_random(&seed));
			len = apikey_key_make("ak", "live", bytes, nbytes, out);
			if (len < 0 || !apikey_key_parse(out, (size_t) len, &parts))
			{
				CHECKF(false, "%d bytes: not made or not parsed", nbytes);
				continue;
			}

			/* back = back * 62 + digit, byte by byte */
			for (int i = 0; i < parts.body_len; i++)
			{
				int			carry = (int) (strchr(base62, out[parts.body_off + i]) - base62);

				for (int b = nbytes - 1; b >= 0; b--)
				{
					carry += back[b] * 62;
					back[b] = (unsigned char) (carry & 0xFF);
					carry >>= 8;
				}
				overflow |= carry;
			}
			CHECKF(overflow == 0 && memcmp(back, bytes, (size_t) nbytes) == 0,
				   "%d bytes, round %d: the body is another number", nbytes, round);
		}
	}
}

/* ---- what is refused ---- */

static void
test_changes(void)
{
	const char *keys[] = {known[0].key, known[5].key, known[13].key, known[16].key};

	for (int k = 0; k < lengthof(keys); k++)
	{
		size_t		len = strlen(keys[k]);
		char		text[APIKEY_KEY_MAX + 2];

		CHECK(parses(keys[k], len));
		for (size_t pos = 0; pos < len; pos++)
		{
			int			accepted = 0;
			ApikeyKeyParts parts;

			memcpy(text, keys[k], len);
			for (int byte = 0; byte < 256; byte++)
			{
				if ((char) byte == keys[k][pos])
					continue;
				text[pos] = (char) byte;
				if (apikey_key_parse(text, len, &parts))
					accepted++;
			}
			CHECKF(accepted == 0, "%d changes of byte %d of %s are accepted",
				   accepted, (int) pos, keys[k]);

			/* two neighbours swapped */
			memcpy(text, keys[k], len);
			if (pos + 1 < len && text[pos] != text[pos + 1])
			{
				text[pos] = keys[k][pos + 1];
				text[pos + 1] = keys[k][pos];
				CHECKF(!parses(text, len), "swap at %d", (int) pos);
			}

			/* cut at either end, one character left out */
			CHECKF(!parses(keys[k], pos), "the first %d bytes", (int) pos);
			if (pos > 0)
				CHECKF(!parses(keys[k] + pos, len - pos), "from byte %d on", (int) pos);
			memcpy(text, keys[k], pos);
			memcpy(text + pos, keys[k] + pos + 1, len - pos - 1);
			CHECKF(!parses(text, len - 1), "without byte %d", (int) pos);
		}

		/* something in front or behind */
		for (const char *extra = "0aZ_ \n\t"; *extra; extra++)
		{
			memcpy(text, keys[k], len);
			text[len] = *extra;
			CHECKF(!parses(text, len + 1), "0x%02x behind", (unsigned) *extra);
			text[0] = *extra;
			memcpy(text + 1, keys[k], len);
			CHECKF(!parses(text, len + 1), "0x%02x in front", (unsigned) *extra);
		}
		memcpy(text, keys[k], len);
		text[len] = '\0';
		CHECKF(!parses(text, len + 1), "a zero byte behind");
	}
}

/* Right checksums on wrong shapes; body of 16 bytes. */
#define BODY	"0000000000000000000000"

static const struct
{
	const char *text;			/* without checksum */
	bool		ok;
} shapes[] = {
	{"ak_live_" BODY, true},
	{"a_b_" BODY, true},
	{"a_0_" BODY, true},
	{"a1_live_" BODY, true},
	{"a_1_live_" BODY, true},
	{"a_b_c_d_e_f_live_" BODY, true},
	{"abcdefghijklmnopqrstuvwx_live_" BODY, true},
	{"abcdefghijk_mnopqrstuvwx_live_" BODY, true},
	{"ak_abcdefghijkl_" BODY, true},
	{"ak_live_zzzzzzzzzzzzzzzzzzzzzz", true},
	{"", false},
	{BODY, false},
	{"_" BODY, false},
	{"live_" BODY, false},
	{"_live_" BODY, false},
	{"__live_" BODY, false},
	{"ak__" BODY, false},
	{"ak_live__" BODY, false},
	{"ak__live_" BODY, false},
	{"_ak_live_" BODY, false},
	{"a__k_live_" BODY, false},
	{"1k_live_" BODY, false},
	{"Ak_live_" BODY, false},
	{"aK_live_" BODY, false},
	{"a-k_live_" BODY, false},
	{"a k_live_" BODY, false},
	{"ak_Live_" BODY, false},
	{"ak_li-ve_" BODY, false},
	{"ak_li.ve_" BODY, false},
	{"ak_abcdefghijklm_" BODY, false},
	{"abcdefghijklmnopqrstuvwxy_live_" BODY, false},
	{"abcdefghijkl_nopqrstuvwxy_live_" BODY, false},
	{"ak_live_000000000000000000000", false},	/* 21 digits */
	{"ak_live_000000000000000000000-", false},
	{"ak_live_-000000000000000000000", false},
	{"ak_live_00000000000 00000000000", false},
	{"ak_live_0000000000\xc3\xa9" "0000000000", false},
	{"ak-live-" BODY, false},
	{"ak_live-" BODY, false},
	{"ak-live_" BODY, false},
};

static void
test_shapes(void)
{
	char		key[256];
	char		longest[256];
	ApikeyKeyParts parts;

	for (int i = 0; i < lengthof(shapes); i++)
	{
		size_t		len = with_checksum(shapes[i].text, strlen(shapes[i].text), key);

		CHECKF(parses(key, len) == shapes[i].ok, "'%s' with checksum: expected %s",
			   shapes[i].text, shapes[i].ok ? "a key" : "no key");
	}

	/* a checksum of 2^32 or more does not wrap around to the right one */
	{
		size_t		len = with_checksum("ak_live_" BODY, strlen("ak_live_" BODY), key);

		memcpy(key + len - 6, "zzzzzz", 6);
		CHECK(!parses(key, len));
	}

	CHECK(!apikey_key_parse(NULL, 0, &parts));
	CHECK(!apikey_key_parse(NULL, 50, &parts));
	memset(longest, 'a', sizeof(longest));
	CHECK(!parses(longest, sizeof(longest)));
	memset(longest, '_', sizeof(longest));
	for (size_t len = 0; len < sizeof(longest); len++)
		CHECKF(!parses(longest, len), "%d underscores", (int) len);
}

/* ---- prefix, tag ---- */

static const struct
{
	ApikeyStr	text;
	bool		prefix;
	bool		tag;
} names[] = {
	{{"a", 1}, true, true},
	{{"ak", 2}, true, true},
	{{"acme", 4}, true, true},
	{{"a1", 2}, true, true},
	{{"1", 1}, false, true},
	{{"1a", 2}, false, true},
	{{"0", 1}, false, true},
	{{"my_app", 6}, true, false},
	{{"my_app_v2", 9}, true, false},
	{{"a_1", 3}, true, false},
	{{"a_b_c_d", 7}, true, false},
	{{"a_", 2}, false, false},
	{{"_a", 2}, false, false},
	{{"_", 1}, false, false},
	{{"a__b", 4}, false, false},
	{{"A", 1}, false, false},
	{{"aB", 2}, false, false},
	{{"a-b", 3}, false, false},
	{{"a.b", 3}, false, false},
	{{"a b", 3}, false, false},
	{{"a\n", 2}, false, false},
	{{"a\0b", 3}, false, false},
	{{"\xc3\xa9", 2}, false, false},
	{{"a\xff", 2}, false, false},
	{{"", 0}, false, false},
	{{"abcdefghijkl", 12}, true, true},
	{{"abcdefghijklm", 13}, true, false},
	{{"abcdefghijklmnopqrstuvwx", 24}, true, false},
	{{"abcdefghijklmnopqrstuvwxy", 25}, false, false},
	{{"a_cdefghijklmnopqrstuv_x", 24}, true, false},
	{{"a_cdefghijklmnopqrstuvw_", 24}, false, false},
	/* neighbours of the allowed ranges in ASCII */
	{{"a/", 2}, false, false},
	{{"a:", 2}, false, false},
	{{"a`", 2}, false, false},
	{{"a{", 2}, false, false},
	{{"`", 1}, false, false},
	{{"{", 1}, false, false},
	{{"z", 1}, true, true},
	{{"a9", 2}, true, true},
	{{"zz", 2}, true, true},
};

static void
test_names(void)
{
	unsigned char bytes[64] = {0};
	char		out[APIKEY_KEY_MAX + 1];

	for (int i = 0; i < lengthof(names); i++)
	{
		ApikeyStr	text = unit_copy(names[i].text);
		char		name[32] = {0};

		memcpy(name, text.ptr, (size_t) text.len);
		CHECKF(apikey_valid_prefix(text.ptr, (size_t) text.len) == names[i].prefix,
			   "prefix '%s' (row %d)", name, i);
		CHECKF(apikey_valid_tag(text.ptr, (size_t) text.len) == names[i].tag,
			   "tag '%s' (row %d)", name, i);

		/* and a key is made of good ones only */
		if (strlen(name) == (size_t) text.len)
		{
			CHECKF((apikey_key_make(name, "live", bytes, 32, out) > 0) == names[i].prefix,
				   "make with prefix '%s'", name);
			CHECKF((apikey_key_make("ak", name, bytes, 32, out) > 0) == names[i].tag,
				   "make with tag '%s'", name);
		}
	}
	CHECK_INT(apikey_key_make(NULL, "live", bytes, 32, out), -1);
	CHECK_INT(apikey_key_make("ak", NULL, bytes, 32, out), -1);
	CHECK_INT(apikey_key_make("ak", "live", NULL, 32, out), -1);
	CHECK_INT(apikey_key_make("ak", "live", bytes, 15, out), -1);
	CHECK_INT(apikey_key_make("ak", "live", bytes, 65, out), -1);
	CHECK_INT(apikey_key_make("ak", "live", bytes, 0, out), -1);
	CHECK_INT(apikey_key_make("ak", "live", bytes, -32, out), -1);
}

/* ---- hint ---- */

static void
check_hint(const char *key, const char *expected)
{
	ApikeyStr	text = unit_copy((ApikeyStr) {key, (int) strlen(key)});
	ApikeyKeyParts parts;
	char		hint[APIKEY_HINT_MAX];

	CHECK(apikey_key_parse(text.ptr, (size_t) text.len, &parts));
	apikey_key_hint(text.ptr, &parts, hint);
	CHECK_TEXT(hint, expected);
}

static void
test_hint(void)
{
	check_hint(known[0].key, "ak_live_0UaG...IUl3");
	check_hint(known[5].key, "ak_live_7eS9...1lAn");
	check_hint(known[13].key, "my_app_v2_test_003a...uSH8");
	check_hint(known[14].key, "acme_live_003a...pRGw");
	check_hint(known[15].key, "a_0_xR9f...so09");
	check_hint(known[16].key, "abcdefghijklmnopqrstuvwx_abcdefghijkl_xR9f...oAx2");
	CHECK_INT(strlen("abcdefghijklmnopqrstuvwx_abcdefghijkl_xR9f...oAx2") + 1, APIKEY_HINT_MAX);
}

int
main(void)
{
	unit_begin();
	test_crc32();
	test_widths();
	test_known();
	test_bijection();
	test_changes();
	test_shapes();
	test_names();
	test_hint();
	return unit_done("test_key_format");
}
