/*
 * replay_keys.c
 *		The keys of a replay: each as it is, and as it would be.
 *
 * Layer 3.  Whatever keys may share is stored by content: copied in a form of
 * which every byte is determined, found again by a hash of 128 bits that nobody
 * finds two inputs for.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "crypto.h"
#include "replay_keys.h"

#define KEYS_PER_SLAB 1024

/* A key id and its key; NULL: the rules do not concern it. */
typedef struct KeyEntry
{
	int64		key_id;
	ApikeyReplayKey *key;
	char		status;
} KeyEntry;

#define SH_PREFIX keytable
#define SH_ELEMENT_TYPE KeyEntry
#define SH_KEY_TYPE int64
#define SH_KEY key_id
#define SH_HASH_KEY(tb, key) ((uint32) murmurhash32((uint32) (key) ^ (uint32) ((uint64) (key) >> 32)))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Something stored by content. */
typedef struct Content
{
	unsigned char hash[APIKEY_HASH128_LEN];
	void	   *object;
} Content;

/* A bucket; the key has no padding. */
typedef struct BucketKey
{
	unsigned char durable_id[APIKEY_LIMIT_ID_LEN];
	uint64		side;
} BucketKey;

typedef struct BucketEntry
{
	BucketKey	key;
	ApikeyReplayBucket bucket;
} BucketEntry;

struct ApikeyReplayKeys
{
	MemoryContext context;
	MemoryContext scratch;		/* of the key that is read */
	ApikeyReading reading;
	const ApikeyRules *proposed;

	keytable_hash *table;
	ApikeyReplayKey **slabs;
	uint64		nkeys;
	uint64		nslabs;

	HTAB	   *contents;
	HTAB	   *buckets;
};

static HTAB *
make_table(const char *name, Size keysize, Size entrysize)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = CurrentMemoryContext;
	return hash_create(name, 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

ApikeyReplayKeys *
apikey_replay_keys_begin(const ApikeyRules *proposed, TimestampTz now, Snapshot snapshot)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikey replay",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ApikeyReplayKeys *keys = palloc0(sizeof(*keys));

	keys->context = context;
	keys->scratch = AllocSetContextCreate(context, "apikey replay key", ALLOCSET_DEFAULT_SIZES);
	keys->proposed = proposed;
	keys->reading.snapshot = snapshot;
	keys->reading.now = now;
	keys->reading.keep = false;
	keys->reading.rules = apikey_rulecache_private(context);
	keys->table = keytable_create(context, 256, NULL);
	keys->contents = make_table("apikey replay contents", APIKEY_HASH128_LEN, sizeof(Content));
	keys->buckets = make_table("apikey replay buckets", sizeof(BucketKey), sizeof(BucketEntry));
	MemoryContextSwitchTo(old);
	return keys;
}

const ApikeyRules *
apikey_replay_keys_today(ApikeyReplayKeys *keys)
{
	return apikey_rulecache_policy(keys->proposed->policy.policy_id, &keys->reading);
}

/* ---- stored by content ---- */

/* The entry of some content; object is NULL when it is new. */
static Content *
find_content(ApikeyReplayKeys *keys, const void *bytes, Size len)
{
	unsigned char hash[APIKEY_HASH128_LEN];
	Content    *content;
	bool		found;

	apikey_hash128(bytes, len, hash);
	content = hash_search(keys->contents, hash, HASH_ENTER, &found);
	if (!found)
		content->object = NULL;
	return content;
}

static void *
store(ApikeyReplayKeys *keys, const void *bytes, Size len)
{
	Content    *content = find_content(keys, bytes, len);

	if (content->object == NULL)
	{
		content->object = MemoryContextAlloc(keys->context, Max(len, 1));
		memcpy(content->object, bytes, len);
	}
	return content->object;
}

/* The lengths of all texts and then the texts are what is compared. */
static ApikeyStrList
store_texts(ApikeyReplayKeys *keys, ApikeyStrList list)
{
	StringInfoData bytes;
	Content    *content;

	if (list.count == 0)
		return (ApikeyStrList) {NULL, 0};
	initStringInfo(&bytes);
	for (int i = 0; i < list.count; i++)
	{
		int			len = list.items[i].ptr == NULL ? -1 : list.items[i].len;

		appendBinaryStringInfo(&bytes, (char *) &len, sizeof(len));
	}
	for (int i = 0; i < list.count; i++)
		if (list.items[i].ptr != NULL)
			appendBinaryStringInfo(&bytes, list.items[i].ptr, list.items[i].len);

	content = find_content(keys, bytes.data, bytes.len);
	if (content->object == NULL)
	{
		ApikeyStr  *items = MemoryContextAlloc(keys->context, sizeof(ApikeyStr) * list.count + bytes.len);
		char	   *text = (char *) &items[list.count];

		for (int i = 0; i < list.count; i++)
		{
			items[i] = list.items[i];
			if (items[i].ptr == NULL)
				continue;
			memcpy(text, list.items[i].ptr, list.items[i].len);
			items[i].ptr = text;
			text += items[i].len;
		}
		content->object = items;
	}
	return (ApikeyStrList) {content->object, list.count};
}

static const ApikeyLink *
store_links(ApikeyReplayKeys *keys, const ApikeyRecord *record)
{
	ApikeyLink	links[APIKEY_LINKS_MAX];

	/* field by field: padding stays zero */
	memset(links, 0, sizeof(links));
	for (int i = 0; i < record->nlinks; i++)
	{
		const ApikeyLink *from = &record->links[i];
		ApikeyLink *to = &links[i];

		to->status = from->status;
		to->revoked_at = from->revoked_at;
		to->nets.count = from->nets.count;
		to->nets.compiled = from->nets.compiled;
		if (from->nets.count > 0)
			to->nets.items = store(keys, from->nets.items, sizeof(ApikeyNet) * from->nets.count);
		to->endpoints = store_texts(keys, from->endpoints);
		to->scopes = store_texts(keys, from->scopes);
		to->policy = from->policy;
		if (i == 0)
			continue;			/* see apikey_replay_keys_records() */
		to->key_id = from->key_id;
		to->not_before = from->not_before;
		to->expires_at = from->expires_at;
		to->expires_with_grace = from->expires_with_grace;
		to->revoke_at = from->revoke_at;
	}
	return store(keys, links, sizeof(ApikeyLink) * record->nlinks);
}

static const ApikeyReplayLimit *
store_limits(ApikeyReplayKeys *keys, const ApikeyKey *key)
{
	ApikeyReplayLimit limits[APIKEY_LIMITS_MAX];

	if (key->nlimits == 0 || key->nlimits > APIKEY_LIMITS_MAX)
		return NULL;
	memset(limits, 0, sizeof(limits));
	for (int i = 0; i < key->nlimits; i++)
	{
		const ApikeyLimitDef *def = &key->limits[i].def;

		limits[i].kind = def->kind;
		limits[i].period = def->period;
		limits[i].increment = def->increment;
		limits[i].burst = def->burst;
		limits[i].units = def->units;
		limits[i].tz = def->tz;
	}
	return store(keys, limits, sizeof(ApikeyReplayLimit) * key->nlimits);
}

static const ApikeyReplayShape *
store_shape(ApikeyReplayKeys *keys, const ApikeyKey sides[APIKEY_SIDES])
{
	ApikeyReplayShape shape;

	memset(&shape, 0, sizeof(shape));
	shape.tenant = sides[APIKEY_TODAY].tenant;
	for (int side = 0; side < APIKEY_SIDES; side++)
	{
		const ApikeyRecord *from = &sides[side].record;
		ApikeyRecord *to = &shape.record[side];

		to->tenant_suspended = from->tenant_suspended;
		to->secret_expires_at = to->secret_revoked_at = APIKEY_NO_TIME;
		to->nlinks = from->nlinks;
		to->links = store_links(keys, from);
		to->chain_broken = from->chain_broken;
		shape.nlimits[side] = sides[side].nlimits;
		shape.limits[side] = store_limits(keys, &sides[side]);
	}
	return store(keys, &shape, sizeof(shape));
}

/* ---- keys ---- */

static ApikeyReplayBucket **
find_buckets(ApikeyReplayKeys *keys, const ApikeyKey *key, int side)
{
	ApikeyReplayBucket **buckets;

	if (key->nlimits == 0 || key->nlimits > APIKEY_LIMITS_MAX)
		return NULL;
	buckets = MemoryContextAlloc(keys->context, sizeof(*buckets) * key->nlimits);
	for (int i = 0; i < key->nlimits; i++)
	{
		BucketKey	id;
		BucketEntry *entry;
		bool		found;

		memcpy(id.durable_id, key->limits[i].durable_id, APIKEY_LIMIT_ID_LEN);
		id.side = side;
		entry = hash_search(keys->buckets, &id, HASH_ENTER, &found);
		if (!found)
			apikey_replay_bucket_init(&entry->bucket);
		buckets[i] = &entry->bucket;
	}
	return buckets;
}

static ApikeyReplayKey *
new_key(ApikeyReplayKeys *keys)
{
	uint64		slab = keys->nkeys / KEYS_PER_SLAB;

	if (keys->nkeys % KEYS_PER_SLAB == 0)
	{
		if (slab == keys->nslabs)
		{
			uint64		more = Max(64, keys->nslabs * 2);
			ApikeyReplayKey **slabs = MemoryContextAllocHuge(keys->context, sizeof(*slabs) * more);

			if (keys->nslabs > 0)
			{
				memcpy(slabs, keys->slabs, sizeof(*slabs) * keys->nslabs);
				pfree(keys->slabs);
			}
			keys->slabs = slabs;
			keys->nslabs = more;
		}
		keys->slabs[slab] = MemoryContextAllocZero(keys->context, sizeof(ApikeyReplayKey) * KEYS_PER_SLAB);
	}
	return &keys->slabs[slab][keys->nkeys++ % KEYS_PER_SLAB];
}

/* NULL: nothing in it can change. */
static ApikeyReplayKey *
load_key(ApikeyReplayKeys *keys, int64 key_id)
{
	ApikeyKey	sides[APIKEY_SIDES];
	const ApikeyLink *link;
	ApikeyReplayKey *key;

	if (!apikey_keystore_compare(key_id, keys->proposed, &keys->reading,
								 &sides[APIKEY_TODAY], &sides[APIKEY_PROPOSED]))
		return NULL;
	link = &sides[APIKEY_TODAY].record.links[0];
	if (sides[APIKEY_TODAY].record.tenant_suspended || sides[APIKEY_TODAY].record.chain_broken ||
		link->status != APIKEY_KEY_ACTIVE)
		return NULL;

	key = new_key(keys);
	key->key_id = key_id;
	key->not_before = link->not_before;
	key->expires_at = link->expires_at;
	key->revoke_at = link->revoke_at;
	key->shape = store_shape(keys, sides);
	for (int side = 0; side < APIKEY_SIDES; side++)
	{
		key->with_grace[side] = sides[side].record.links[0].expires_with_grace;
		key->buckets[side] = find_buckets(keys, &sides[side], side);
	}
	return key;
}

ApikeyReplayKey *
apikey_replay_keys_find(ApikeyReplayKeys *keys, int64 key_id)
{
	bool		found;
	KeyEntry   *entry = keytable_insert(keys->table, key_id, &found);

	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(keys->scratch);
		ApikeyReplayKey *key;

		entry->key = NULL;		/* what it stays if the reading fails */
		key = load_key(keys, key_id);
		entry->key = key;
		MemoryContextSwitchTo(old);
		MemoryContextReset(keys->scratch);
	}
	return entry->key;
}

ApikeyDifference *
apikey_replay_keys_difference(ApikeyReplayKeys *keys, ApikeyReplayKey *key)
{
	if (key->difference == NULL)
		key->difference = MemoryContextAllocZero(keys->context, sizeof(ApikeyDifference));
	return key->difference;
}

ApikeyReplayKey *
apikey_replay_keys_next(ApikeyReplayKeys *keys, uint64 *position)
{
	uint64		n = *position;

	if (n == keys->nkeys)
		return NULL;
	(*position)++;
	return &keys->slabs[n / KEYS_PER_SLAB][n % KEYS_PER_SLAB];
}
