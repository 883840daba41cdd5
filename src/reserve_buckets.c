/*
 * reserve_buckets.c
 *		What the writer knows of the buckets it has granted, and what it takes
 *		back from them.
 *
 * Layer 5.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "limit_rules.h"
#include "limiter.h"
#include "reserve_buckets.h"

#define IDLE_NS			(INT64CONST(60) * 1000 * 1000 * 1000)
#define EPOCH_SHIFT		((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* A bucket in memory that is kept on disk. */
typedef struct Known
{
	ApikeyBucketId id;			/* hash key */
	unsigned char durable_id[APIKEY_LIMIT_ID_LEN];
	int64		wall_offset;	/* RATE */
	TimestampTz window;			/* QUOTA: what was noted last */
	int64		left;
	uint32		seen;			/* the walk that met it */
} Known;

/* Grows; in TopMemoryContext. */
typedef struct Pile
{
	void	   *items;
	int			count;
	int			room;
} Pile;

static HTAB *known = NULL;
static uint32 walk = 0;
static bool unknown_met = false;
static TimestampTz learned_at = 0;

static Pile returns;			/* ApikeyQuotaUnits: in no bucket any more */
static Pile closed;				/* ApikeyLimitCeiling: in no bucket any more */
static Pile notes;				/* ApikeyQuotaUnits: what a bucket has left */

static void *
append(Pile *list, Size size)
{
	if (list->count == list->room)
	{
		int			room = Max(2 * list->room, 64);

		if (list->items == NULL)
			list->items = MemoryContextAllocHuge(TopMemoryContext, size * room);
		else
			list->items = repalloc_huge(list->items, size * room);
		list->room = room;
	}
	return (char *) list->items + size * list->count++;
}

void
apikey_buckets_init(void)
{
	HASHCTL		info;

	info.keysize = sizeof(ApikeyBucketId);
	info.entrysize = sizeof(Known);
	info.hcxt = TopMemoryContext;
	known = hash_create("apikey buckets", 1024, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Known *
remember(ApikeyBucketId id, const unsigned char *durable_id, int64 wall_offset)
{
	bool		found;
	Known	   *entry = hash_search(known, &id, HASH_ENTER, &found);

	if (!found)
	{
		memcpy(entry->durable_id, durable_id, APIKEY_LIMIT_ID_LEN);
		entry->window = 0;
		entry->left = -1;
	}
	entry->wall_offset = wall_offset;
	entry->seen = walk;
	return entry;
}

void
apikey_buckets_note(const ApikeyReserveRequest *request)
{
	(void) remember(request->id, request->durable_id, request->wall_offset);
}

int64
apikey_buckets_time(TimestampTz at, int64 wall_offset)
{
	int64		time;

	if (TIMESTAMP_IS_NOBEGIN(at))
		return PG_INT64_MIN;
	if (TIMESTAMP_IS_NOEND(at) ||
		pg_add_s64_overflow(at, EPOCH_SHIFT, &time) ||
		pg_mul_s64_overflow(time, 1000, &time) ||
		pg_sub_s64_overflow(time, wall_offset, &time))
		return at < 0 ? PG_INT64_MIN : PG_INT64_MAX;
	return time;
}

TimestampTz
apikey_buckets_timestamp(int64 time, int64 wall_offset)
{
	int64		wall;

	if (time == PG_INT64_MIN)
		return DT_NOBEGIN;
	if (pg_add_s64_overflow(time, wall_offset, &wall))
		wall = wall_offset > 0 ? PG_INT64_MAX : PG_INT64_MIN;
	return wall / 1000 + (wall % 1000 > 0 ? 1 : 0) - EPOCH_SHIFT;
}

/* ---- taking back ---- */

void
apikey_buckets_give_back(const unsigned char *quota_id, TimestampTz window, int64 units)
{
	ApikeyQuotaUnits *entry;

	if (units <= 0)
		return;
	entry = append(&returns, sizeof(ApikeyQuotaUnits));
	memcpy(entry->quota_id, quota_id, APIKEY_LIMIT_ID_LEN);
	entry->window = window;
	entry->units = units;
}

/*
 * Take back what a bucket has.  window is that of a copy of it: a bucket that
 * has moved on since has nothing left, because only we grant.
 */
static void
close_bucket(ApikeyBucketShared *bucket, const ApikeyBucketShared *copy, const Known *entry,
			 bool forever)
{
	int64		tat;
	int64		left;

	/* room for the note first: nothing may fail after units were taken */
	if (copy->kind == APIKEY_BUCKET_QUOTA)
	{
		(void) append(&returns, sizeof(ApikeyQuotaUnits));
		returns.count--;
		left = apikey_limiter_close(bucket, copy->id, forever, &tat);
		apikey_buckets_give_back(entry->durable_id, copy->window, left);
	}
	else
	{
		ApikeyLimitCeiling *ceiling = append(&closed, sizeof(ApikeyLimitCeiling));

		(void) apikey_limiter_close(bucket, copy->id, forever, &tat);
		memcpy(ceiling->limit_id, entry->durable_id, APIKEY_LIMIT_ID_LEN);
		ceiling->ceiling = apikey_buckets_timestamp(tat, entry->wall_offset);
	}
}

bool
apikey_buckets_take_back(const unsigned char *limit_id, bool quota)
{
	ApikeyCharge charge;
	ApikeyBucketShared copy;
	Known	   *entry;

	memset(&charge, 0, sizeof(charge));
	charge.kind = quota ? APIKEY_BUCKET_QUOTA : APIKEY_BUCKET_RATE;
	charge.id = apikey_limit_rules_bucket_id(limit_id);
	if (!apikey_limiter_find(&charge))
		return false;

	/*
	 * Without the lock bit: the window of a bucket that has units left, and
	 * LOADED of a rate limit, change only while we look on.
	 */
	copy.id = charge.id;
	copy.kind = charge.kind;
	copy.flags = charge.bucket->flags;
	copy.window = charge.bucket->window;
	entry = hash_search(known, &charge.id, HASH_FIND, NULL);
	if (entry == NULL)
		entry = remember(charge.id, limit_id, apikey_limiter_wall_offset());
	if (!quota && !(copy.flags & APIKEY_BUCKET_LOADED))
		return false;
	close_bucket(charge.bucket, &copy, entry, false);
	return !quota;
}

/* ---- walks ---- */

static bool
has_state(const ApikeyBucketShared *copy)
{
	if (copy->kind == APIKEY_BUCKET_QUOTA)
		return copy->left > 0;
	return (copy->flags & APIKEY_BUCKET_LOADED) != 0 && copy->ceiling > copy->tat;
}

static void
tidy_bucket(ApikeyBucketShared *bucket, const ApikeyBucketShared *copy, Known *entry,
			TimestampTz now)
{
	bool		idle = apikey_limiter_now() - copy->used_at > IDLE_NS;

	if (copy->flags & APIKEY_BUCKET_PENDING)
		return;
	if (has_state(copy) &&
		(idle || (copy->kind == APIKEY_BUCKET_QUOTA && copy->window_end <= now)))
	{
		close_bucket(bucket, copy, entry, false);
		entry->left = 0;
	}
	else if (copy->kind == APIKEY_BUCKET_RATE || !(copy->flags & APIKEY_BUCKET_LOADED))
		entry->left = 0;		/* there is nothing to note */
	else if (entry->window != copy->window || entry->left != copy->left)
	{
		ApikeyQuotaUnits *note = append(&notes, sizeof(ApikeyQuotaUnits));

		memcpy(note->quota_id, entry->durable_id, APIKEY_LIMIT_ID_LEN);
		note->window = entry->window = copy->window;
		note->units = entry->left = copy->left;
	}
}

void
apikey_buckets_tidy(void)
{
	TimestampTz now = GetCurrentTimestamp();
	uint32		position = 0;
	ApikeyBucketShared *bucket;
	ApikeyBucketShared copy;
	HASH_SEQ_STATUS scan;
	Known	   *entry;

	walk++;
	unknown_met = false;
	while (apikey_limiter_next(&position, &bucket, &copy))
	{
		entry = hash_search(known, &copy.id, HASH_FIND, NULL);
		if (entry == NULL)
			unknown_met |= has_state(&copy);
		else if (has_state(&copy) || entry->left != 0)
		{
			entry->seen = walk;
			tidy_bucket(bucket, &copy, entry, now);
		}
	}

	/* those that are in memory no more, or have nothing to be told about */
	hash_seq_init(&scan, known);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->seen != walk)
			(void) hash_search(known, &entry->id, HASH_REMOVE, NULL);
}

bool
apikey_buckets_known(void)
{
	return hash_get_num_entries(known) > 0;
}

bool
apikey_buckets_unknown(void)
{
	/* what is not in the tables stays unknown: do not read them all the time */
	return unknown_met &&
		(learned_at == 0 || GetCurrentTimestamp() - learned_at > 5 * USECS_PER_MINUTE);
}

bool
apikey_buckets_unknown_any(void)
{
	uint32		position = 0;
	ApikeyBucketShared *bucket;
	ApikeyBucketShared copy;

	while (apikey_limiter_next(&position, &bucket, &copy))
		if (has_state(&copy) && hash_search(known, &copy.id, HASH_FIND, NULL) == NULL)
			return true;
	return false;
}

void
apikey_buckets_learn(const ApikeyDurableLimit *limits, int count)
{
	int64		wall_offset = apikey_limiter_wall_offset();

	for (int i = 0; i < count; i++)
	{
		ApikeyCharge charge;

		memset(&charge, 0, sizeof(charge));
		charge.kind = limits[i].kind;
		charge.id = apikey_limit_rules_bucket_id(limits[i].id);
		if (hash_search(known, &charge.id, HASH_FIND, NULL) == NULL && apikey_limiter_find(&charge))
			(void) remember(charge.id, limits[i].id, wall_offset);
	}
	learned_at = GetCurrentTimestamp();
	unknown_met = false;
}

void
apikey_buckets_close(void)
{
	uint32		position = 0;
	ApikeyBucketShared *bucket;
	ApikeyBucketShared copy;

	while (apikey_limiter_next(&position, &bucket, &copy))
	{
		const Known *entry = hash_search(known, &copy.id, HASH_FIND, NULL);

		if (copy.flags & APIKEY_BUCKET_CLOSED)
			continue;
		if (entry != NULL && (copy.kind == APIKEY_BUCKET_QUOTA || (copy.flags & APIKEY_BUCKET_LOADED)))
			close_bucket(bucket, &copy, entry, true);
		else if (entry != NULL || has_state(&copy))
		{
			int64		tat;

			/* what was reserved for it is lost, not given out twice */
			(void) apikey_limiter_close(bucket, copy.id, true, &tat);
		}
	}
}

/* ---- storing ---- */

bool
apikey_buckets_to_store(void)
{
	return returns.count > 0 || closed.count > 0 || notes.count > 0;
}

void
apikey_buckets_store(void)
{
	if (returns.count > 0)
		apikey_store_returns(returns.items, returns.count);
	if (notes.count > 0)
		apikey_store_notes(notes.items, notes.count);
	if (closed.count > 0)
		apikey_store_closed(closed.items, closed.count);
}

void
apikey_buckets_stored(void)
{
	returns.count = notes.count = closed.count = 0;
}
