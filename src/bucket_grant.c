/*
 * bucket_grant.c
 *		What the writer and resets do to a bucket.
 *
 * Layer 0.  The rules are in bucket.h.
 */
#include "bucket.h"

#include "bucket_lock.h"

/* Lock a bucket if it is still that of id. */
static bool
lock_same(ApikeyBucketShared *bucket, const ApikeyBucketId *id)
{
	apikey_bucket_lock(bucket);
	if (apikey_bucket_same_id(&bucket->id, id))
		return true;
	apikey_bucket_unlock(bucket);
	return false;
}

/* Release a bucket that may be idle by now: a full table is searched again. */
static void
unlock_idle(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket)
{
	apikey_bucket_unlock(bucket);
	__atomic_fetch_add(&table->idled, 1, __ATOMIC_SEQ_CST);
}

bool
apikey_bucket_grant_quota(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket,
						  ApikeyBucketId id, int64_t window, int64_t limit,
						  int64_t credits, int64_t block, int64_t rest)
{
	if (!lock_same(bucket, &id))
		return false;

	/*
	 * A bucket that moved on while the writer worked has no use for units of
	 * the window before: they are lost.
	 */
	if (bucket->window == window)
	{
		if (__builtin_add_overflow(bucket->left, block, &bucket->left))
			bucket->left = INT64_MAX;
		if (block > 0)
			bucket->block = block;
		bucket->rest = rest;
		bucket->limit = limit;
		bucket->credits = credits;
		bucket->flags |= APIKEY_BUCKET_LOADED;
	}
	bucket->flags &= (uint8_t) ~APIKEY_BUCKET_PENDING;
	unlock_idle(table, bucket);
	return true;
}

bool
apikey_bucket_grant_rate(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket,
						 ApikeyBucketId id, int64_t stored, int64_t capacity,
						 int64_t ceiling)
{
	if (!lock_same(bucket, &id))
		return false;
	if (!(bucket->flags & APIKEY_BUCKET_LOADED))
	{
		int64_t		most;

		/*
		 * Nothing was charged since the request was made (that needs LOADED),
		 * and at that time the debt was at most capacity.
		 */
		if (__builtin_add_overflow(bucket->pending_at, capacity, &most))
			most = INT64_MAX;
		if (stored > most)
			stored = most;
		if (stored > bucket->tat)
			bucket->tat = stored;
		bucket->flags |= APIKEY_BUCKET_LOADED;
	}
	if (ceiling > bucket->ceiling)
		bucket->ceiling = ceiling;
	bucket->flags &= (uint8_t) ~APIKEY_BUCKET_PENDING;
	unlock_idle(table, bucket);
	return true;
}

bool
apikey_bucket_refuse(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket,
					 ApikeyBucketId id)
{
	if (!lock_same(bucket, &id))
		return false;
	bucket->flags &= (uint8_t) ~APIKEY_BUCKET_PENDING;
	unlock_idle(table, bucket);
	return true;
}

bool
apikey_bucket_close(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket,
					ApikeyBucketId id, bool forever, int64_t *left, int64_t *tat)
{
	*left = 0;
	*tat = INT64_MIN;
	if (!lock_same(bucket, &id))
		return false;
	if (bucket->kind == APIKEY_BUCKET_QUOTA)
	{
		*left = bucket->left;
		bucket->left = 0;

		/* the durable state changes when the units are given back */
		bucket->flags &= (uint8_t) ~APIKEY_BUCKET_LOADED;
	}
	else
	{
		*tat = bucket->tat;
		if (bucket->ceiling > bucket->tat)
			bucket->ceiling = bucket->tat;
	}
	if (forever)
		bucket->flags |= APIKEY_BUCKET_CLOSED;
	unlock_idle(table, bucket);
	return true;
}

bool
apikey_bucket_reset(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket,
					ApikeyBucketId id)
{
	if (!lock_same(bucket, &id))
		return false;
	if (bucket->kind == APIKEY_BUCKET_QUOTA)
		bucket->flags |= APIKEY_BUCKET_REFRESH;
	else
		bucket->tat = INT64_MIN;
	unlock_idle(table, bucket);
	return true;
}

void
apikey_bucket_copy(ApikeyBucketShared *bucket, ApikeyBucketShared *copy)
{
	apikey_bucket_lock(bucket);
	memcpy(copy, bucket, sizeof(*copy));
	apikey_bucket_unlock(bucket);
}
