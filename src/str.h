/*
 * str.h
 *		A view of bytes that need not end in a zero byte.
 *
 * Layer 0: C library only.
 */
#ifndef APIKEY_STR_H
#define APIKEY_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct ApikeyStr
{
	const char *ptr;			/* NULL: no value (SQL NULL) */
	int			len;			/* bytes */
} ApikeyStr;

typedef struct ApikeyStrList
{
	const ApikeyStr *items;
	int			count;
} ApikeyStrList;

static inline bool
apikey_str_equal(ApikeyStr a, ApikeyStr b)
{
	return a.ptr != NULL && b.ptr != NULL && a.len == b.len &&
		memcmp(a.ptr, b.ptr, (size_t) a.len) == 0;
}

#endif							/* APIKEY_STR_H */
