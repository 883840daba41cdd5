/*
 * fuzz_key.c
 *		Key text: nothing is read outside the text, what is made parses, what
 *		differs in one byte does not.
 */
#include "fuzz.h"

#include "key_format.h"

/* What must hold of any text that parses. */
static void
check_parsed(const char *text, int len, const ApikeyKeyParts *p)
{
	char		hint[APIKEY_HINT_MAX];
	int			hint_len;

	ASSERT(p->total_len == len && len <= APIKEY_KEY_MAX);
	ASSERT(p->prefix_len + 1 == p->tag_off);
	ASSERT(p->tag_off + p->tag_len + 1 == p->body_off);
	ASSERT(p->body_off + p->body_len + APIKEY_CHECKSUM_LEN == len);
	ASSERT(apikey_valid_prefix(text, (size_t) p->prefix_len));
	ASSERT(apikey_valid_tag(text + p->tag_off, (size_t) p->tag_len));
	ASSERT(p->body_len >= APIKEY_BODY_MIN && p->body_len <= APIKEY_BODY_MAX);
	ASSERT(text[p->tag_off - 1] == '_' && text[p->body_off - 1] == '_');

	/* the hint is short, and 8 digits of it at most are the key's */
	apikey_key_hint(text, p, hint);
	hint_len = (int) strlen(hint);
	ASSERT(hint_len == p->body_off + 4 + 3 + 4 && hint_len < APIKEY_HINT_MAX);
	ASSERT(memcmp(hint, text, (size_t) p->body_off + 4) == 0);
}

static void
fuzz_raw(FuzzInput *in)
{
	ApikeyStr	text = fuzz_text(in, 400);
	ApikeyKeyParts parts;

	if (apikey_key_parse(text.ptr, (size_t) text.len, &parts))
		check_parsed(text.ptr, text.len, &parts);
	(void) apikey_valid_prefix(text.ptr, (size_t) text.len);
	(void) apikey_valid_tag(text.ptr, (size_t) text.len);
}

static void
fuzz_made(FuzzInput *in)
{
	char		prefix[32] = {0};
	char		tag[16] = {0};
	unsigned char bytes[APIKEY_BODY_BYTES_MAX];
	char	   *key = fuzz_alloc(in, APIKEY_KEY_MAX + 1);
	ApikeyStr	text;
	int			nbytes = fuzz_below(in, 70);
	int			len;
	int			pos;
	char		byte;
	ApikeyKeyParts parts;

	text = fuzz_text_of(in, 26, "a1_bz9");
	memcpy(prefix, text.ptr, (size_t) text.len);
	text = fuzz_text_of(in, 13, "a1bz9");
	memcpy(tag, text.ptr, (size_t) text.len);
	for (int i = 0; i < (int) sizeof(bytes); i++)
		bytes[i] = fuzz_byte(in);
	len = apikey_key_make(prefix, tag, bytes, nbytes, key);

	if (!apikey_valid_prefix(prefix, strlen(prefix)) || !apikey_valid_tag(tag, strlen(tag)) ||
		nbytes < APIKEY_BODY_BYTES_MIN || nbytes > APIKEY_BODY_BYTES_MAX)
	{
		ASSERT(len == -1);
		return;
	}
	ASSERT(len > 0 && len <= APIKEY_KEY_MAX && (int) strlen(key) == len);
	ASSERT(apikey_key_parse(key, (size_t) len, &parts));
	check_parsed(key, len, &parts);
	ASSERT(parts.prefix_len == (int) strlen(prefix) && parts.tag_len == (int) strlen(tag));
	ASSERT(parts.body_len == apikey_body_digits(nbytes));

	/* one byte changed */
	pos = fuzz_below(in, len);
	byte = key[pos];
	key[pos] ^= (char) (1 + fuzz_below(in, 255));
	ASSERT(!apikey_key_parse(key, (size_t) len, &parts));
	key[pos] = byte;

	/* cut at the right */
	ASSERT(!apikey_key_parse(key, (size_t) pos, &parts));
	ASSERT(apikey_key_parse(key, (size_t) len, &parts));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {.data = data, .left = size};

	if (fuzz_byte(&in) % 2 == 0)
		fuzz_raw(&in);
	else
		fuzz_made(&in);
	fuzz_end(&in);
	return 0;
}
