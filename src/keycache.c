/*
 * keycache.c
 *		Keys of a session, compiled, by their text.
 *
 * Layer 3.
 *
 * A text that was found is found again by a hash of 128 bits under a key that
 * only this process has: no need to check its form or to make its digest once
 * more.  The text itself is kept nowhere.
 *
 * What makes a kept key good is the invariant of changes.h: its stamp was
 * taken before the snapshot that it was read from, and it is used only while
 * neither the mark of everything nor the mark of a key of its chain has passed
 * that stamp.  A text that was not found is never kept, so inserting a key or a
 * secret needs no message.  Not kept is also what cannot tell when it changes:
 * a key that misses a row, rows of this very transaction, anything while a
 * table lacks its triggers.
 *
 * Memory is apikey.cache_size at most, measured as taken from the system.  A
 * quarter is for what keys share (rulecache.c).  Keys live in two generations
 * of equal size: a new one goes to the young one; when that is full the old one
 * is dropped whole and the young one becomes old.  A key found in the old one
 * is copied to the young one if there is room.  So keys in use stay, nothing is
 * freed piece by piece, and no fragment is left behind.
 *
 * Nothing is freed but here at the start of a look-up, so what the last one
 * returned stays good while the caller works, messages or not.
 */
#include "postgres.h"

#include "utils/inval.h"
#include "utils/memutils.h"

#include "compat.h"
#include "guc.h"
#include "key_format.h"
#include "keycache.h"
#include "pack.h"

/* with less, nothing is kept */
#define SIZE_MIN		((Size) 64 * 1024)
#define TABLE_MIN		64		/* heads of chains; a power of two */

/* one key may take this part of a generation at most */
#define LARGEST_PART	8

/* What a text is found by. */
typedef struct Tag
{
	uint64		half[APIKEY_TAG128_LEN / sizeof(uint64)];
} Tag;

typedef struct Entry
{
	struct Entry *next;
	uint64		stamp;
	Tag			tag;
	uint8		changes[APIKEY_LINKS_MAX];	/* change relations of the chain */
	ApikeyKey	key;
} Entry;

typedef struct Generation
{
	MemoryContext context;
	Entry	  **heads;
	uint32		nheads;			/* a power of two */
	uint32		count;
} Generation;

static struct
{
	MemoryContext context;		/* parent of all */
	bool		ready;			/* false: nothing is kept */
	int			size_kb;		/* what it was made for */
	Size		generation_limit;
	Size		block;			/* of the generations' memory */
	uint64		stamp;			/* all in it is current as of this or later */
	Generation	young;
	Generation	old;
} cache;

static ApikeyCacheStats counters;

static Generation
new_generation(void)
{
	Generation	generation;

	generation.context = GenerationContextCreate(cache.context, "apikey keys",
												 0, ALLOCSET_SMALL_INITSIZE, cache.block);
	generation.heads = MemoryContextAllocZero(cache.context, sizeof(Entry *) * TABLE_MIN);
	generation.nheads = TABLE_MIN;
	generation.count = 0;
	return generation;
}

/* Forget everything; keep from now on what is read with this stamp or later. */
static void
reset(uint64 stamp)
{
	Size		size = (Size) apikey_cache_size * 1024;

	apikey_rulecache_reset(NULL, 0, 0);
	if (cache.context != NULL)
		MemoryContextDelete(cache.context);
	memset(&cache, 0, sizeof(cache));
	if (size < SIZE_MIN)
	{
		cache.size_kb = apikey_cache_size;
		return;
	}

	/* out of memory on the way: not ready, and the next call tries again */
	cache.size_kb = -1;
	cache.context = AllocSetContextCreate(TopMemoryContext, "apikey cache",
										  ALLOCSET_SMALL_SIZES);
	cache.generation_limit = size / 8 * 3;
	cache.block = Max(ALLOCSET_SMALL_MAXSIZE, Min(64 * 1024, MAXALIGN(cache.generation_limit / 16)));
	cache.stamp = stamp;
	cache.young = new_generation();
	cache.old = new_generation();
	apikey_rulecache_reset(cache.context, size / 4, stamp);
	cache.size_kb = apikey_cache_size;
	cache.ready = true;
}

/* Forget what cannot be good any more, and what was made for another size. */
static void
tidy(uint64 stamp)
{
	if (likely(cache.size_kb == apikey_cache_size && !apikey_rulecache_full() &&
			   (apikey_marks.all <= cache.stamp || !cache.ready)))
		return;
	if (apikey_marks.all > cache.stamp)
		counters.invalidations += cache.young.count + cache.old.count;
	else
		counters.evictions += cache.young.count + cache.old.count;
	reset(stamp);
}

static inline Tag
tag_of(ApikeyStr text)
{
	Tag			tag;

	apikey_tag128(text.ptr, (size_t) text.len, (unsigned char *) &tag);
	return tag;
}

static inline Entry **
chain_of(const Generation *generation, Tag tag)
{
	/* a keyed hash is as good as random, whoever chose the text */
	return &generation->heads[tag.half[0] & (generation->nheads - 1)];
}

/* The place in a generation where the entry of a text hangs, or NULL. */
static inline Entry **
find_in(const Generation *generation, Tag tag)
{
	for (Entry **at = chain_of(generation, tag); *at != NULL; at = &(*at)->next)
		if ((((*at)->tag.half[0] ^ tag.half[0]) | ((*at)->tag.half[1] ^ tag.half[1])) == 0)
			return at;
	return NULL;
}

static void
unlink_from(Generation *generation, Entry **at)
{
	*at = (*at)->next;
	generation->count--;
}

static bool
unchanged(const Entry *entry)
{
	for (int i = 0; i < entry->key.record.nlinks; i++)
		if (apikey_marks.key[entry->changes[i]] > entry->stamp)
			return false;
	return true;
}

static Entry *
pack_entry(ApikeyPack *pack, const Entry *from)
{
	Entry		copy = *from;
	ApikeyKey  *key = &copy.key;
	ApikeyLink *links;

	links = apikey_pack(pack, key->record.links, sizeof(ApikeyLink) * key->record.nlinks,
						APIKEY_PACK_ALIGN);
	for (int i = 0; i < key->record.nlinks; i++)
	{
		ApikeyLink	link = key->record.links[i];

		if (link.nets.count > 0)
			link.nets.items = apikey_pack(pack, link.nets.items,
										  sizeof(ApikeyNet) * link.nets.count, 1);
		link.endpoints = apikey_pack_str_list(pack, link.endpoints);
		link.scopes = apikey_pack_str_list(pack, link.scopes);

		/* they are in key->limits */
		link.limits = (ApikeyLimitDefList) {NULL, 0};
		if (links != NULL)
			links[i] = link;
	}
	key->record.links = links;

	if (key->nlimits > 0 && key->nlimits <= APIKEY_LIMITS_MAX)
	{
		ApikeyLimit *limits = apikey_pack(pack, key->limits,
										  sizeof(ApikeyLimit) * key->nlimits, APIKEY_PACK_ALIGN);

		for (int i = 0; i < key->nlimits; i++)
		{
			ApikeyStr	name = apikey_pack_str(pack, key->limits[i].def.name);
			ApikeyStr	holder = apikey_pack_str(pack, key->limits[i].holder);

			if (limits != NULL)
			{
				limits[i].def.name = name;
				limits[i].holder = holder;
			}
		}
		key->limits = limits;
	}

#define PACK_DATUM(column) \
	if (key->column != NULL) \
		key->column = apikey_pack(pack, key->column, VARSIZE(key->column), APIKEY_PACK_ALIGN)
	key->row = apikey_pack(pack, key->row, key->row_len, APIKEY_PACK_ALIGN);
	PACK_DATUM(owner);
	PACK_DATUM(name);
	PACK_DATUM(scopes);
	PACK_DATUM(metadata);
#undef PACK_DATUM
	return apikey_pack(pack, &copy, sizeof(copy), APIKEY_PACK_ALIGN);
}

/* More heads, when the chains get long. */
static void
widen(Generation *generation)
{
	Entry	  **old_heads = generation->heads;
	uint32		old_nheads = generation->nheads;

	generation->heads = MemoryContextAllocZero(cache.context,
											   sizeof(Entry *) * old_nheads * 2);
	generation->nheads = old_nheads * 2;
	for (uint32 i = 0; i < old_nheads; i++)
		for (Entry *entry = old_heads[i], *next; entry != NULL; entry = next)
		{
			Entry	  **head = chain_of(generation, entry->tag);

			next = entry->next;
			entry->next = *head;
			*head = entry;
		}
	pfree(old_heads);
}

static bool
young_is_full(Size size)
{
	Size		used = MemoryContextMemAllocated(cache.young.context, false) +
		sizeof(Entry *) * cache.young.nheads * (cache.young.count < cache.young.nheads ? 1 : 3);

	return used + Max(size, cache.block) > cache.generation_limit;
}

/* Drop the old generation. */
static void
turn_over(void)
{
	Generation	fresh = new_generation();

	counters.evictions += cache.old.count;
	MemoryContextDelete(cache.old.context);
	pfree(cache.old.heads);
	cache.old = cache.young;
	cache.young = fresh;
}

/*
 * Copy an entry into the young generation; NULL when it is too large.  With
 * may_drop, the old one makes room, which is not for an entry that lives there.
 */
static Entry *
keep(const Entry *entry, bool may_drop)
{
	ApikeyPack	pack = {NULL, 0};
	Entry	  **head;
	Entry	   *kept;

	(void) pack_entry(&pack, entry);
	if (pack.used > cache.generation_limit / LARGEST_PART)
		return NULL;
	if (young_is_full(pack.used))
	{
		if (!may_drop)
			return NULL;
		turn_over();
	}
	if (cache.young.count >= cache.young.nheads)
		widen(&cache.young);
	pack.base = MemoryContextAlloc(cache.young.context, pack.used);

	/* nothing can fail from here on */
	pack.used = 0;
	kept = pack_entry(&pack, entry);
	head = chain_of(&cache.young, kept->tag);
	kept->next = *head;
	*head = kept;
	cache.young.count++;
	return kept;
}

/* A kept key that is good for a request at now, or NULL. */
static Entry *
look_up(Tag tag, TimestampTz now)
{
	Generation *generation = &cache.young;
	Entry	  **at = find_in(generation, tag);
	Entry	   *entry;

	if (at == NULL)
	{
		generation = &cache.old;
		at = find_in(generation, tag);
		if (at == NULL)
			return NULL;
	}
	entry = *at;
	if (!unchanged(entry))
	{
		unlink_from(generation, at);
		counters.invalidations++;
		return NULL;
	}
	if (!apikey_span_holds(entry->key.span, now) ||
		(entry->key.calendar != NULL && entry->key.calendar != session_timezone))
		return NULL;
	if (generation == &cache.old)
	{
		Entry	   *copy = keep(entry, false);

		if (copy != NULL)
		{
			unlink_from(generation, at);
			return copy;
		}
	}
	return entry;
}

/* Keep a key that was read; returns what is to be used from now on. */
static ApikeyKey *
keep_key(ApikeyStr text, ApikeyKey *key, const ApikeyReading *reading)
{
	Tag			tag = tag_of(text);
	Entry		entry;
	Entry	   *kept;
	Entry	  **at;

	if (!cache.ready || apikey_marks.all > cache.stamp ||
		!key->complete || !apikey_reading_may_keep(reading))
		return key;
	memset(&entry, 0, sizeof(entry));
	entry.stamp = reading->stamp;
	entry.tag = tag;
	for (int i = 0; i < key->record.nlinks; i++)
		entry.changes[i] = (uint8) apikey_change_of_key(key->record.links[i].key_id);
	entry.key = *key;

	/* one that is good at other times only */
	if ((at = find_in(&cache.young, tag)) != NULL)
		unlink_from(&cache.young, at);
	if ((at = find_in(&cache.old, tag)) != NULL)
		unlink_from(&cache.old, at);
	kept = keep(&entry, true);
	return kept == NULL ? key : &kept->key;
}

ApikeyKey *
apikey_keycache_read(ApikeyStr text, TimestampTz now)
{
	ApikeyReading reading;
	const ApikeyDataKey *keys;
	int			count;
	ApikeyKey  *key = NULL;

	counters.misses++;
	apikey_reading_begin(&reading, now);
	tidy(reading.stamp);
	keys = apikey_rulecache_data_keys(&reading, &count);
	for (int i = 0; i < count && key == NULL; i++)
	{
		unsigned char digest[APIKEY_DIGEST_LEN];
		ApikeySecret secret;

		apikey_digest(keys[i].key, text.ptr, (size_t) text.len, digest);
		if (!apikey_keystore_find(digest, keys[i].keyring_id, &reading, &secret))
			continue;
		key = palloc(sizeof(ApikeyKey));
		if (!apikey_keystore_load(&secret, &reading, key))
		{
			key = NULL;
			break;
		}
		key = keep_key(text, key, &reading);
	}
	apikey_reading_end(&reading);
	return key;
}

ApikeyKey *
apikey_keycache_find(ApikeyStr text, TimestampTz now)
{
	Entry	   *entry;

	AcceptInvalidationMessages();
	if (!cache.ready || apikey_marks.all > cache.stamp ||
		cache.size_kb != apikey_cache_size || apikey_changes_dirty() ||
		text.len > APIKEY_KEY_MAX)
		return NULL;
	entry = look_up(tag_of(text), now);
	if (entry == NULL)
		return NULL;
	counters.hits++;
	return &entry->key;
}

void
apikey_keycache_stats(ApikeyCacheStats *stats)
{
	*stats = counters;
	stats->entries = cache.young.count + cache.old.count;
	stats->bytes = cache.context == NULL ? 0 :
		(int64) MemoryContextMemAllocated(cache.context, true);
}
