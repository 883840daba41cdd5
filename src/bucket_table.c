/*
 * bucket_table.c
 *		The table of limit buckets: chains, a clock hand, no free list.
 *
 * Layer 0.  The rules are in bucket.h.
 *
 * One block: the head, the chains (an index + 1 each, 0 ends), the buckets.
 * Buckets are handed out in order; those behind table->used have never been
 * touched, so that memory nobody needs is never backed by pages.  When all are
 * handed out, the clock hand looks for an idle one.  No bucket is ever freed:
 * an idle one loses nothing by lying there until somebody takes it.
 */
#include "bucket.h"

#include "bucket_lock.h"

#define ALIGNMENT	64

/* The head and the chains, rounded up so that the buckets are aligned. */
#define HEAD_SIZE	((sizeof(ApikeyBucketTableShared) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT)

/* At most as many as fit an index + 1. */
#define BUCKETS_MAX	(UINT32_C(1) << 30)

static inline uint32_t *
chains(ApikeyBucketTableShared *table)
{
	return (uint32_t *) ((char *) table + HEAD_SIZE);
}

static inline size_t
chains_size(uint64_t nchains)
{
	return (size_t) ((nchains * sizeof(uint32_t) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

static inline ApikeyBucketShared *
buckets(ApikeyBucketTableShared *table)
{
	return (ApikeyBucketShared *) ((char *) table + HEAD_SIZE +
								   chains_size((uint64_t) table->mask + 1));
}

static uint32_t
count_chains(uint32_t nbuckets)
{
	uint32_t	n = 1;

	while (n < nbuckets)
		n <<= 1;
	return n;
}

/* An id is a digest: any part of it is as good as any other. */
static inline uint32_t *
chain_of(ApikeyBucketTableShared *table, const ApikeyBucketId *id)
{
	return chains(table) + ((uint32_t) (id->hi ^ (id->lo >> 32)) & table->mask);
}

size_t
apikey_bucket_bytes(uint32_t nbuckets)
{
	uint64_t	bytes;

	if (nbuckets == 0 || nbuckets > BUCKETS_MAX)
		return SIZE_MAX;
	bytes = HEAD_SIZE + (uint64_t) chains_size(count_chains(nbuckets)) +
		(uint64_t) nbuckets * sizeof(ApikeyBucketShared);
	return bytes > SIZE_MAX ? SIZE_MAX : (size_t) bytes;
}

void
apikey_bucket_init(ApikeyBucketTableShared *table, uint32_t nbuckets)
{
	memset(table, 0, sizeof(*table));
	table->nbuckets = nbuckets;
	table->mask = count_chains(nbuckets) - 1;
	table->floor = INT64_MIN;
	table->full_until = table->full_until_wall = INT64_MIN;
	memset(chains(table), 0, chains_size((uint64_t) table->mask + 1));
}

ApikeyBucketShared *
apikey_bucket_at(ApikeyBucketTableShared *table, uint32_t i)
{
	/* the release store in make() comes after the bucket was filled */
	if (i >= __atomic_load_n(&table->used, __ATOMIC_ACQUIRE))
		return NULL;
	return buckets(table) + i;
}

ApikeyBucketShared *
apikey_bucket_find(ApikeyBucketTableShared *table, ApikeyBucketId id)
{
	uint32_t	i = *chain_of(table, &id);

	while (i != 0)
	{
		ApikeyBucketShared *bucket = buckets(table) + (i - 1);

		if (apikey_bucket_same_id(&bucket->id, &id))
			return bucket;
		i = bucket->next;
	}
	return NULL;
}

/*
 * Until when a bucket holds information: of a RATE bucket in limiter time, of a
 * QUOTA bucket in wall time; INT64_MIN: it holds none, INT64_MAX: for ever.
 */
static int64_t
busy_until(const ApikeyBucketShared *bucket)
{
	if (bucket->flags & APIKEY_BUCKET_PENDING)
		return INT64_MAX;
	if (bucket->kind == APIKEY_BUCKET_RATE)
		return bucket->tat > bucket->ceiling ? bucket->tat : bucket->ceiling;
	return bucket->left > 0 ? bucket->window_end : INT64_MIN;
}

static inline bool
is_idle(const ApikeyBucketShared *bucket, int64_t now, int64_t wall)
{
	return busy_until(bucket) <= (bucket->kind == APIKEY_BUCKET_RATE ? now : wall);
}

static void
unchain(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket)
{
	uint32_t	self = (uint32_t) (bucket - buckets(table)) + 1;
	uint32_t   *link = chain_of(table, &bucket->id);

	while (*link != self)
		link = &buckets(table)[*link - 1].next;
	*link = bucket->next;
}

/* Everything of a bucket but its lock word and its chain. */
static void
fill(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket, ApikeyBucketId id,
	 ApikeyBucketKind kind, uint32_t database, int64_t now)
{
	bucket->id = id;
	bucket->database = database;
	bucket->kind = (uint8_t) kind;
	bucket->flags = 0;
	bucket->used_at = now;
	bucket->tat = table->floor;
	bucket->increment = 0;
	bucket->ceiling = INT64_MIN;
	bucket->window = bucket->window_end = INT64_MIN;
	bucket->left = bucket->block = bucket->rest = 0;
	bucket->limit = bucket->credits = 0;
	bucket->pending_at = INT64_MIN;
}

/*
 * Find an idle bucket from the clock hand on and return it locked, NULL if
 * there is none.  The whole table is searched at most once for each time that
 * one can have become idle: full_until is when the first does by time alone,
 * idled counts the other ways.  Whatever happens behind the search's back moves
 * idled after it was read here, so nothing is missed.
 */
static ApikeyBucketShared *
take_idle(ApikeyBucketTableShared *table, int64_t now, int64_t wall)
{
	uint64_t	idled = __atomic_load_n(&table->idled, __ATOMIC_SEQ_CST);
	int64_t		until = INT64_MAX;
	int64_t		until_wall = INT64_MAX;

	/* a test clock may go back: then the search is repeated */
	if (idled == table->full_idled && now >= table->full_at &&
		now < table->full_until && wall < table->full_until_wall)
		return NULL;

	for (uint32_t i = 0; i < table->nbuckets; i++)
	{
		ApikeyBucketShared *bucket = buckets(table) + table->hand;
		ApikeyBucketShared copy;
		int64_t		busy;

		table->hand = table->hand + 1 < table->nbuckets ? table->hand + 1 : 0;

		/* a bucket that cannot be copied is in use right now */
		if (!apikey_bucket_peek_copy(bucket, &copy))
		{
			until = now;
			continue;
		}
		if (is_idle(&copy, now, wall))
		{
			apikey_bucket_lock(bucket);
			if (is_idle(bucket, now, wall))
				return bucket;
			memcpy(&copy, bucket, sizeof(copy));
			apikey_bucket_unlock(bucket);
		}
		busy = busy_until(&copy);
		if (copy.kind == APIKEY_BUCKET_RATE)
			until = busy < until ? busy : until;
		else
			until_wall = busy < until_wall ? busy : until_wall;
	}
	table->full_at = now;
	table->full_until = until;
	table->full_until_wall = until_wall;
	table->full_idled = idled;
	return NULL;
}

ApikeyBucketShared *
apikey_bucket_make(ApikeyBucketTableShared *table, ApikeyBucketId id,
				   ApikeyBucketKind kind, uint32_t database, int64_t now, int64_t wall)
{
	ApikeyBucketShared *bucket = apikey_bucket_find(table, id);
	uint32_t   *chain = chain_of(table, &id);

	if (bucket != NULL)
		return bucket;
	if (table->used < table->nbuckets)
	{
		bucket = buckets(table) + table->used;
		bucket->lock = 0;
		fill(table, bucket, id, kind, database, now);
		__atomic_store_n(&table->used, table->used + 1, __ATOMIC_RELEASE);
	}
	else
	{
		bucket = take_idle(table, now, wall);
		if (bucket == NULL)
			return NULL;
		if (bucket->kind == APIKEY_BUCKET_RATE && now > table->floor)
			table->floor = now;
		unchain(table, bucket);
		fill(table, bucket, id, kind, database, now);
		__atomic_fetch_add(&table->evictions, 1, __ATOMIC_RELAXED);
		apikey_bucket_unlock(bucket);
	}
	bucket->next = *chain;
	*chain = (uint32_t) (bucket - buckets(table)) + 1;
	return bucket;
}
