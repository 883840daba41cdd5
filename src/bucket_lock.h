/*
 * bucket_lock.h
 *		The lock bit of a bucket, and reading without it.
 *
 * Layer 0.  For bucket*.c only.
 *
 * Bit 0 of the word says "held"; a release adds 2 to what was there before.
 * A reader without the lock notes an even word, copies the bucket and looks at
 * the word again: the same word means that nobody wrote in between (to miss a
 * writer, 2^31 of them would have to pass during the copy).
 */
#ifndef APIKEY_BUCKET_LOCK_H
#define APIKEY_BUCKET_LOCK_H

#include <string.h>

#include "bucket.h"

/* How often a reader without the lock tries before it gives up. */
#define APIKEY_BUCKET_COPY_TRIES	4

/* apikey_bucket_lock_slowly waits for a lock bit that is held. */
extern void apikey_bucket_lock_slowly(ApikeyBucketShared *bucket);

static inline bool
apikey_bucket_try_lock(ApikeyBucketShared *bucket)
{
	uint32_t	word = __atomic_load_n(&bucket->lock, __ATOMIC_RELAXED);

	return !(word & 1) &&
		__atomic_compare_exchange_n(&bucket->lock, &word, word | 1, false,
									__ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void
apikey_bucket_lock(ApikeyBucketShared *bucket)
{
	if (!apikey_bucket_try_lock(bucket))
		apikey_bucket_lock_slowly(bucket);

	/*
	 * What is written from here on must not be seen before the bit: a release
	 * store alone only keeps earlier accesses before it.
	 */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void
apikey_bucket_unlock(ApikeyBucketShared *bucket)
{
	uint32_t	word = __atomic_load_n(&bucket->lock, __ATOMIC_RELAXED);

	__atomic_store_n(&bucket->lock, word + 1, __ATOMIC_RELEASE);
}

/* A copy of which all fields belong together; false: it is written all the time. */
static inline bool
apikey_bucket_peek_copy(const ApikeyBucketShared *bucket, ApikeyBucketShared *copy)
{
	for (int i = 0; i < APIKEY_BUCKET_COPY_TRIES; i++)
	{
		uint32_t	word = __atomic_load_n(&bucket->lock, __ATOMIC_ACQUIRE);

		if (word & 1)
			continue;
		memcpy(copy, bucket, sizeof(*copy));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&bucket->lock, __ATOMIC_RELAXED) == word)
			return true;
	}
	return false;
}

static inline bool
apikey_bucket_same_id(const ApikeyBucketId *a, const ApikeyBucketId *b)
{
	return a->hi == b->hi && a->lo == b->lo;
}

#endif							/* APIKEY_BUCKET_LOCK_H */
