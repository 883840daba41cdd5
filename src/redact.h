/*
 * redact.h
 *		Find and mask key-looking text.
 *
 * Layer 0: C library only, no allocation, one pass.
 *
 * A text looks like a key where, within a run of [0-9A-Za-z_], "_tag_" with
 * something like a prefix before it is followed by at least 28 base62 digits
 * (the shortest body and checksum of key_format.h).  Every underscore may also
 * stand percent-encoded, as %5F or %5f.  The digits are masked up to the next
 * underscore or the end of the run, however many they are, and whether or not
 * the checksum fits: a mistyped key is nearly a key, and a key with more
 * digits glued to it is one.  So no part of the result is a native key.
 *
 * Of the prefix only the last character is looked at ([0-9a-z]): to mask too
 * much costs a word of a log line, to mask too little costs a key.
 */
#ifndef APIKEY_REDACT_H
#define APIKEY_REDACT_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ApikeyRedaction
{
	int			masked;			/* places masked */
	int			found;			/* of these, native keys: the checksum fits,
								 * whatever word characters stand before */
} ApikeyRedaction;

/*
 * apikey_redact masks in place: the body and checksum digits of each
 * key-looking text become '*' (prefix and tag stay, so a reader still sees
 * whose key it was).  The length does not change.
 */
extern ApikeyRedaction apikey_redact(char *text, size_t len);

/*
 * apikey_may_hold_key tells quickly that a text holds nothing key-looking
 * (false), as most do.
 */
extern bool apikey_may_hold_key(const char *text, size_t len);

#endif							/* APIKEY_REDACT_H */
