/*
 * redact.c
 *		Find and mask key-looking text.
 *
 * The text is read from its end to its start, because a key is parsed from
 * the right, and because the digits masked for one key may be the prefix of
 * the next ("..._live_<digits>acme_live_<digits>"): from the right, whatever a
 * decision looks at is still unmasked.  Each byte is looked at once as a digit
 * and, next to a long run of digits only, at most once more as tag and prefix.
 */
#include "redact.h"

#include <string.h>

#include "key_format.h"

#define MIN_DIGITS	(APIKEY_BODY_MIN + APIKEY_CHECKSUM_LEN)
#define MAX_DIGITS	(APIKEY_BODY_MAX + APIKEY_CHECKSUM_LEN)

static inline bool
is_lower_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* Bytes of the underscore, plain or percent-encoded, that ends at end; or 0. */
static inline size_t
underscore_before(const char *text, size_t end)
{
	if (end >= 1 && text[end - 1] == '_')
		return 1;
	if (end >= 3 && (text[end - 1] == 'F' || text[end - 1] == 'f') &&
		text[end - 2] == '5' && text[end - 3] == '%')
		return 3;
	return 0;
}

/*
 * Where the base62 digits that end at end start.  The "5F" of an encoded
 * underscore is none of them.
 */
static size_t
digits_start(const char *text, size_t end)
{
	while (end > 0 &&
		   (is_lower_or_digit(text[end - 1]) ||
			(text[end - 1] >= 'A' && text[end - 1] <= 'Z')) &&
		   underscore_before(text, end) == 0)
		end--;
	return end;
}

/*
 * Where the tag starts whose closing underscore starts at end, provided that
 * it is a tag, opened by an underscore, with a prefix-like byte before;
 * otherwise end.
 */
static size_t
tag_start(const char *text, size_t end)
{
	size_t		start = end;
	size_t		opening;

	while (start > 0 && end - start <= APIKEY_TAG_MAX &&
		   is_lower_or_digit(text[start - 1]) &&
		   underscore_before(text, start) == 0)
		start--;
	opening = underscore_before(text, start);
	if (!apikey_valid_tag(text + start, end - start) || opening == 0 ||
		start == opening || !is_lower_or_digit(text[start - opening - 1]))
		return end;
	return start;
}

/*
 * Whether a native key ends with this tag and these digits.  What stands
 * before a key may run into its prefix ("%3Dacme_live_...", "\nacme_live_..."),
 * so every start of the prefix is tried.
 */
static bool
is_native_key(const char *text, size_t tag, size_t tag_len,
			  size_t digits, size_t ndigits)
{
	char		copy[APIKEY_KEY_MAX];
	size_t		start = APIKEY_KEY_MAX; /* the copy grows to the left */
	size_t		pos = tag - underscore_before(text, tag);
	bool		found = false;
	ApikeyKeyParts parts;

	if (ndigits > MAX_DIGITS)
		return false;
	start -= ndigits;
	memcpy(copy + start, text + digits, ndigits);
	copy[--start] = '_';
	start -= tag_len;
	memcpy(copy + start, text + tag, tag_len);
	copy[--start] = '_';

	for (int i = 0; i < APIKEY_PREFIX_MAX && pos > 0 && !found; i++)
	{
		size_t		underscore = underscore_before(text, pos);

		if (underscore == 0 && !is_lower_or_digit(text[pos - 1]))
			break;
		copy[--start] = underscore ? '_' : text[pos - 1];
		pos -= underscore ? underscore : 1;
		found = apikey_key_parse(copy + start, APIKEY_KEY_MAX - start, &parts);
	}

	/* the copy holds a key; keep it no longer than needed */
	for (volatile char *p = copy; p < copy + sizeof(copy); p++)
		*p = 0;
	return found;
}

ApikeyRedaction
apikey_redact(char *text, size_t len)
{
	ApikeyRedaction result = {0, 0};
	size_t		end = len;

	while (end > 0)
	{
		size_t		start = digits_start(text, end);
		size_t		closing = underscore_before(text, start);

		if (end - start >= MIN_DIGITS && closing > 0)
		{
			size_t		tag_end = start - closing;
			size_t		tag = tag_start(text, tag_end);

			if (tag < tag_end)
			{
				result.masked++;
				if (is_native_key(text, tag, tag_end - tag, start, end - start))
					result.found++;
				memset(text + start, '*', end - start);
			}
		}

		/* step over the underscore, or over the byte that ended the run */
		if (closing > 0)
			end = start - closing;
		else
			end = (start > 0) ? start - 1 : 0;
	}
	return result;
}

bool
apikey_may_hold_key(const char *text, size_t len)
{
	/* a prefix of one, an underscore, a tag of one, an underscore, the digits */
	if (len < 1 + 1 + 1 + 1 + MIN_DIGITS)
		return false;
	return memchr(text, '_', len) != NULL || memchr(text, '%', len) != NULL;
}
