/*
 * fuzz_redact.c
 *		Redaction: only digits become '*', no part of what is left is a key,
 *		and a key that stands apart is found.
 */
#include "fuzz.h"

#include "key_format.h"
#include "redact.h"

#define TEXT_MAX	600

static bool
is_base62(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether any part of the text is a native key. */
static bool
holds_key(const char *text, int len)
{
	ApikeyKeyParts parts;

	for (int body = 4; body < len; body++)
	{
		int			digits = 0;
		int			tag = 0;

		/* a fast way past the places where there is none */
		while (tag < body - 1 && tag <= APIKEY_TAG_MAX && text[body - 2 - tag] != '_')
			tag++;
		if (text[body - 1] != '_' || tag < 1 || tag > APIKEY_TAG_MAX)
			continue;
		while (body + digits < len && digits < APIKEY_BODY_MAX + APIKEY_CHECKSUM_LEN &&
			   is_base62(text[body + digits]))
			digits++;
		for (int end = body + digits; end - body >= APIKEY_BODY_MIN + APIKEY_CHECKSUM_LEN; end--)
		{
			for (int start = body - 4; start >= 0 && body - start <= APIKEY_PREFIX_MAX + APIKEY_TAG_MAX + 2; start--)
			{
				if (text[start] >= 'a' && text[start] <= 'z' &&
					apikey_key_parse(text + start, (size_t) (end - start), &parts))
					return true;
			}
		}
	}
	return false;
}

/* The text with %5F turned into '_'; returns the length. */
static int
decode(const char *text, int len, char *out)
{
	int			n = 0;

	for (int i = 0; i < len; i++)
	{
		if (len - i >= 3 && text[i] == '%' && text[i + 1] == '5' &&
			(text[i + 2] == 'F' || text[i + 2] == 'f'))
		{
			out[n++] = '_';
			i += 2;
		}
		else
			out[n++] = text[i];
	}
	return n;
}

static const char *const prefixes[] = {"ak", "a_b2_c", "v2", "abcdefghijklmnopqrstuvwx"};
static const char *const tags[] = {"live", "0", "abcdefghijkl"};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {.data = data, .left = size};
	char		built[TEXT_MAX];
	char		decoded[TEXT_MAX];
	char	   *text;
	int			len = 0;
	int			apart = 0;		/* keys that stand apart */
	ApikeyRedaction result;

	/* a text of noise, pieces of keys, and keys */
	while (in.left > 0 && len < TEXT_MAX - 300)
	{
		ApikeyStr	piece;
		unsigned char bytes[APIKEY_BODY_BYTES_MAX];
		char		key[APIKEY_KEY_MAX + 1];
		int			choice = fuzz_below(&in, 6);
		int			nbytes;

		switch (choice)
		{
			case 0:
				piece = fuzz_text(&in, 60);
				break;
			case 1:
				piece = fuzz_text_of(&in, 60, "aZ0_%5Ff");
				break;
			case 2:
				piece = fuzz_text_of(&in, 40, "aZ0b1C");
				break;
			case 3:
				piece = (ApikeyStr) {"%5F", 3};
				break;
			default:
				/* a key; 4: within whatever there is, 5: between blanks */
				nbytes = 16 + fuzz_below(&in, 49);
				for (int i = 0; i < nbytes; i++)
					bytes[i] = (unsigned char) (fuzz_byte(&in) + i);
				piece.len = apikey_key_make(prefixes[fuzz_below(&in, 4)], tags[fuzz_below(&in, 3)],
											bytes, nbytes, key);
				piece.ptr = key;
				if (choice == 5)
					built[len++] = ' ';
				break;
		}
		memcpy(built + len, piece.ptr, (size_t) piece.len);
		len += piece.len;
		if (choice == 5)
		{
			built[len++] = ' ';
			apart++;
		}
	}

	text = fuzz_alloc(&in, (size_t) len);
	memcpy(text, built, (size_t) len);
	result = apikey_redact(text, (size_t) len);
	ASSERT(result.found >= apart && result.masked >= result.found);
	ASSERT(result.masked == 0 || apikey_may_hold_key(built, (size_t) len));

	/*
	 * What was changed was a digit and is a star: a whole run of 28 digits
	 * and more, behind an underscore.
	 */
	for (int i = 0; i < len; i++)
	{
		int			run = 0;

		while (i + run < len && text[i + run] != built[i + run])
		{
			ASSERT(text[i + run] == '*' && is_base62(built[i + run]));
			run++;
		}
		if (run > 0)
		{
			ASSERT(run >= APIKEY_BODY_MIN + APIKEY_CHECKSUM_LEN);
			ASSERT(i + run == len || !is_base62(text[i + run]));
			ASSERT(i > 0 && (text[i - 1] == '_' || text[i - 1] == 'F' || text[i - 1] == 'f'));
		}
		i += run;
	}

	/* nothing is left, plain or percent-decoded */
	ASSERT(!holds_key(text, len));
	ASSERT(!holds_key(decoded, decode(text, len, decoded)));

	/* and nothing is found where there was nothing (slow, so not always) */
	if (result.found > 0 && size % 8 == 0)
		ASSERT(holds_key(built, len) || holds_key(decoded, decode(built, len, decoded)));

	/* once is enough */
	memcpy(built, text, (size_t) len);
	result = apikey_redact(text, (size_t) len);
	ASSERT(result.masked == 0 && memcmp(built, text, (size_t) len) == 0);

	fuzz_end(&in);
	return 0;
}
