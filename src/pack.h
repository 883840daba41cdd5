/*
 * pack.h
 *		A structure and all it points to, copied into one piece of memory.
 *
 * Layer 0: C library only.
 *
 * The same code runs twice: first without memory, to learn the size, then with
 * it.  While measuring, the functions return NULL (and views of NULL), so
 * whoever uses a result looks first.
 */
#ifndef APIKEY_PACK_H
#define APIKEY_PACK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "str.h"

#define APIKEY_PACK_ALIGN 8		/* enough for everything that is packed */

typedef struct ApikeyPack
{
	char	   *base;			/* NULL: measuring */
	size_t		used;
} ApikeyPack;

static inline void *
apikey_pack(ApikeyPack *pack, const void *from, size_t len, size_t align)
{
	char	   *to;

	pack->used = (pack->used + align - 1) & ~(align - 1);
	to = pack->base == NULL ? NULL : pack->base + pack->used;
	if (to != NULL && len > 0)
		memcpy(to, from, len);
	pack->used += len;
	return to;
}

static inline ApikeyStr
apikey_pack_str(ApikeyPack *pack, ApikeyStr text)
{
	if (text.ptr != NULL)
		text.ptr = apikey_pack(pack, text.ptr, (size_t) text.len, 1);
	return text;
}

static inline ApikeyStrList
apikey_pack_str_list(ApikeyPack *pack, ApikeyStrList list)
{
	ApikeyStr  *items;

	if (list.count == 0)
		return list;
	items = apikey_pack(pack, list.items, sizeof(ApikeyStr) * (size_t) list.count,
						APIKEY_PACK_ALIGN);
	for (int i = 0; i < list.count; i++)
	{
		ApikeyStr	item = apikey_pack_str(pack, list.items[i]);

		if (items != NULL)
			items[i] = item;
	}
	list.items = items;
	return list;
}

#endif							/* APIKEY_PACK_H */
