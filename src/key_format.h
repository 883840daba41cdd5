/*
 * key_format.h
 *		The text of a native key: make, parse, hint.
 *
 * Layer 0: C library only, no allocation, fuzzable.
 *
 *		<prefix>_<tag>_<body><checksum>
 *
 * prefix	^[a-z][a-z0-9]*(_[a-z0-9]+)*$, at most 24 bytes
 * tag		^[a-z0-9]{1,12}$
 * body		a random number of 16 to 64 bytes, big-endian, written in base62
 *			(0-9A-Za-z) with leading zeros to the fixed width
 *			ceil(8 * bytes / log2(62)): no two numbers share a text, and there is
 *			no modulo bias; a width that belongs to no number of bytes is refused
 * checksum	CRC-32 (zlib polynomial) of all bytes before it, base62, 6 digits
 *
 * A prefix may contain '_', so a text is parsed from the right.
 */
#ifndef APIKEY_KEY_FORMAT_H
#define APIKEY_KEY_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APIKEY_PREFIX_MAX		24
#define APIKEY_TAG_MAX			12
#define APIKEY_BODY_BYTES_MIN	16
#define APIKEY_BODY_BYTES_MAX	64
#define APIKEY_BODY_BYTES_DEFAULT 32
#define APIKEY_BODY_MIN			22	/* base62 digits of 16 bytes */
#define APIKEY_BODY_MAX			86	/* base62 digits of 64 bytes */
#define APIKEY_CHECKSUM_LEN		6
/* longest native text, without a terminating zero */
#define APIKEY_KEY_MAX	(APIKEY_PREFIX_MAX + 1 + APIKEY_TAG_MAX + 1 + \
						 APIKEY_BODY_MAX + APIKEY_CHECKSUM_LEN)
/* prefix_tag_ + 4 + "..." + 4 + zero */
#define APIKEY_HINT_MAX	(APIKEY_PREFIX_MAX + 1 + APIKEY_TAG_MAX + 1 + 4 + 3 + 4 + 1)

/* Offsets into the parsed text; nothing is copied. */
typedef struct ApikeyKeyParts
{
	int			prefix_len;		/* prefix starts at 0 */
	int			tag_off;
	int			tag_len;
	int			body_off;
	int			body_len;
	int			total_len;
} ApikeyKeyParts;

/* apikey_crc32 returns the CRC-32 (zlib, IEEE 802.3) of len bytes. */
extern uint32_t apikey_crc32(const void *data, size_t len);

/*
 * apikey_body_digits returns the base62 width of nbytes random bytes, -1 when
 * nbytes is out of range.
 */
extern int	apikey_body_digits(int nbytes);

/*
 * apikey_key_parse checks shape and checksum of a text of len bytes and fills
 * parts.  Returns false for anything that is no native key.  Reads no byte
 * outside [text, text + len).
 */
extern bool apikey_key_parse(const char *text, size_t len, ApikeyKeyParts *parts);

/*
 * apikey_key_make writes a key text made of nbytes random bytes into out
 * (at least APIKEY_KEY_MAX + 1 bytes, zero-terminated) and returns its length,
 * or -1 when prefix, tag or nbytes break the rules above.  Wipes its working
 * copy of the random bytes; the caller wipes random and out.
 */
extern int	apikey_key_make(const char *prefix, const char *tag,
							const unsigned char *random, int nbytes, char *out);

/*
 * apikey_key_hint writes what may be shown of a key: everything up to the
 * first 4 body digits, "...", the last 4 digits.  out takes APIKEY_HINT_MAX
 * bytes.
 */
extern void apikey_key_hint(const char *text, const ApikeyKeyParts *parts, char *out);

extern bool apikey_valid_prefix(const char *text, size_t len);
extern bool apikey_valid_tag(const char *text, size_t len);

#endif							/* APIKEY_KEY_FORMAT_H */
