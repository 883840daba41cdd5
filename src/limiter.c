/*
 * limiter.c
 *		The limit buckets of this server, in shared memory.
 *
 * Layer 2.  bucket.h has the rules and the code; here are its memory, the lock
 * of the table, the clock, and the counters.
 *
 * Locks
 *		limiter->lock (LWLock)	the table lock of bucket.h.  Shared to find a
 *								bucket, exclusive to make one.
 * Nothing that can raise an error, allocate, log or wait runs under it or under
 * a lock bit.  It may be taken with slot->reserve_lock held, lock bits with
 * control->lock held (apikey_limiter_abandon), and no LWLock under either.  A charge takes lock bits only: the bucket of a key
 * that was used before is found through the hint in its ApikeyLimit.
 *
 * The clock is CLOCK_MONOTONIC, the same for all processes of a machine and
 * never set back.  Debts are therefore instants since the machine started;
 * whatever goes to disk is turned into wall time (apikey_limiter_wall_offset).
 */
#include "postgres.h"

#include <time.h>

#include "miscadmin.h"
#include "storage/shmem.h"

#include "clock.h"
#include "guc.h"
#include "limiter.h"
#include "slot.h"

#define EPOCH_SHIFT_US	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* an instant beyond this is a test clock beyond the year 2100: a century or two
 * are left to add debts to it */
#define NOW_MAX			(INT64CONST(1) << 62)

#define ALIGNMENT		64		/* of the table, bucket.h */

typedef struct ApikeyLimiterShared
{
	LWLock	   *lock;			/* constant */
	ApikeyBucketTableShared *table; /* constant */

	/* counters since the server started */
	pg_atomic_uint64 full;
	pg_atomic_uint64 denied;
	pg_atomic_uint64 reservations;
	pg_atomic_uint64 unavailable;
	pg_atomic_uint64 full_logged_at;	/* TimestampTz of the last log line */
} ApikeyLimiterShared;

static ApikeyLimiterShared *limiter = NULL;

Size
apikey_limiter_shmem_size(void)
{
	/* SIZE_MAX, what does not fit, makes add_size() complain */
	return add_size(add_size(sizeof(ApikeyLimiterShared), ALIGNMENT),
					apikey_bucket_bytes((uint32) apikey_limit_buckets));
}

int
apikey_limiter_lwlocks(void)
{
	return 1;
}

void
apikey_limiter_shmem_init(LWLockPadded *locks)
{
	bool		found;

	limiter = ShmemInitStruct("apikey limits", apikey_limiter_shmem_size(), &found);
	if (found)
		return;
	limiter->lock = &locks[0].lock;
	limiter->table = (ApikeyBucketTableShared *)
		TYPEALIGN(ALIGNMENT, (char *) limiter + sizeof(ApikeyLimiterShared));
	pg_atomic_init_u64(&limiter->full, 0);
	pg_atomic_init_u64(&limiter->denied, 0);
	pg_atomic_init_u64(&limiter->reservations, 0);
	pg_atomic_init_u64(&limiter->unavailable, 0);
	pg_atomic_init_u64(&limiter->full_logged_at, 0);
	apikey_bucket_init(limiter->table, (uint32) apikey_limit_buckets);
}

/* ---- the clock ---- */

/* The test clock in nanoseconds since 1970. */
static int64
test_now(void)
{
	int64		us = apikey_test_now_value + EPOCH_SHIFT_US;

	if (us > NOW_MAX / 1000)
		return NOW_MAX;
	if (us < -NOW_MAX / 1000)
		return -NOW_MAX;
	return us * 1000;
}

int64
apikey_limiter_now(void)
{
	struct timespec t;

	if (unlikely(apikey_test_now_set))
		return test_now();
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64) t.tv_sec * INT64CONST(1000000000) + t.tv_nsec;
}

int64
apikey_limiter_wall_offset(void)
{
	if (apikey_test_now_set)
		return 0;
	return (GetCurrentTimestamp() + EPOCH_SHIFT_US) * 1000 - apikey_limiter_now();
}

/* ---- buckets ---- */

bool
apikey_limiter_find(ApikeyCharge *charge)
{
	LWLockAcquire(limiter->lock, LW_SHARED);
	charge->bucket = apikey_bucket_find(limiter->table, charge->id);
	LWLockRelease(limiter->lock);
	return charge->bucket != NULL;
}

bool
apikey_limiter_resolve(ApikeyCharge *charge)
{
	int64		now;
	TimestampTz wall;

	if (apikey_limiter_find(charge))
		return true;

	/* read before the lock: a search for an idle bucket errs on the safe side */
	now = apikey_limiter_now();
	wall = apikey_clock_now();
	LWLockAcquire(limiter->lock, LW_EXCLUSIVE);
	charge->bucket = apikey_bucket_make(limiter->table, charge->id, charge->kind,
										MyDatabaseId, now, wall);
	LWLockRelease(limiter->lock);
	if (charge->bucket != NULL)
		return true;

	apikey_limiter_full();
	return false;
}

void
apikey_limiter_full(void)
{
	pg_atomic_fetch_add_u64(&limiter->full, 1);
	/* without the statement and its context, which may hold the text of a key */
	if (apikey_once_a_minute(&limiter->full_logged_at))
		ereport(LOG_SERVER_ONLY,
				(errhidestmt(true), errhidecontext(true),
				 errmsg("the table of rate limits and quotas is full, verifications are answered UNAVAILABLE"),
				 errdetail("All %d buckets are in use.", apikey_limit_buckets),
				 errhint("Increase apikey.limit_buckets and restart the server.")));
}

ApikeyChargeOutcome
apikey_limiter_charge(ApikeyCharge *charges, int n, int64 units, int64 now)
{
	ApikeyChargeOutcome outcome = apikey_bucket_charge(limiter->table, charges, n, units, now);

	if (outcome == APIKEY_CHARGE_DENIED)
		pg_atomic_fetch_add_u64(&limiter->denied, 1);
	return outcome;
}

bool
apikey_limiter_grant_quota(ApikeyBucketShared *bucket, ApikeyBucketId id, int64 window,
						   int64 limit, int64 credits, int64 block, int64 rest)
{
	return apikey_bucket_grant_quota(limiter->table, bucket, id, window, limit, credits,
									 block, rest);
}

bool
apikey_limiter_grant_rate(ApikeyBucketShared *bucket, ApikeyBucketId id, int64 stored,
						  int64 capacity, int64 ceiling)
{
	return apikey_bucket_grant_rate(limiter->table, bucket, id, stored, capacity, ceiling);
}

void
apikey_limiter_refuse(ApikeyBucketShared *bucket, ApikeyBucketId id)
{
	(void) apikey_bucket_refuse(limiter->table, bucket, id);
}

bool
apikey_limiter_next(uint32 *position, ApikeyBucketShared **bucket, ApikeyBucketShared *copy)
{
	while ((*bucket = apikey_bucket_at(limiter->table, *position)) != NULL)
	{
		(*position)++;
		/* the lock bit of a foreign bucket is none of our business */
		if (*(volatile uint32 *) &(*bucket)->database != MyDatabaseId)
			continue;
		apikey_bucket_copy(*bucket, copy);
		if (copy->database == MyDatabaseId)
			return true;
	}
	return false;
}

int64
apikey_limiter_close(ApikeyBucketShared *bucket, ApikeyBucketId id, bool forever, int64 *tat)
{
	int64		left;

	(void) apikey_bucket_close(limiter->table, bucket, id, forever, &left, tat);
	return left;
}

void
apikey_limiter_reset(ApikeyBucketId id)
{
	ApikeyCharge charge;

	charge.id = id;
	if (limiter != NULL && apikey_limiter_find(&charge))
		(void) apikey_bucket_reset(limiter->table, charge.bucket, id);
}

/*
 * A debt stays, it will be over in its time; units of a lifetime quota and a
 * request that nobody answers would keep the bucket for ever.
 */
void
apikey_limiter_abandon(Oid database)
{
	ApikeyBucketShared *bucket;

	for (uint32 i = 0; (bucket = apikey_bucket_at(limiter->table, i)) != NULL; i++)
	{
		ApikeyBucketShared copy;
		int64		left;
		int64		tat;

		if (*(volatile uint32 *) &bucket->database != database)
			continue;
		apikey_bucket_copy(bucket, &copy);
		if (copy.database != database)
			continue;
		(void) apikey_bucket_refuse(limiter->table, bucket, copy.id);
		(void) apikey_bucket_close(limiter->table, bucket, copy.id, false, &left, &tat);
	}
}

/* ---- counters ---- */

void
apikey_limiter_count_reservation(void)
{
	pg_atomic_fetch_add_u64(&limiter->reservations, 1);
}

void
apikey_limiter_count_unavailable(void)
{
	pg_atomic_fetch_add_u64(&limiter->unavailable, 1);
}

void
apikey_limiter_stats(ApikeyLimiterStats *stats)
{
	stats->buckets = limiter->table->nbuckets;
	stats->used = __atomic_load_n(&limiter->table->used, __ATOMIC_RELAXED);
	stats->evictions = __atomic_load_n(&limiter->table->evictions, __ATOMIC_RELAXED);
	stats->full = (int64) pg_atomic_read_u64(&limiter->full);
	stats->denied = (int64) pg_atomic_read_u64(&limiter->denied);
	stats->reservations = (int64) pg_atomic_read_u64(&limiter->reservations);
	stats->unavailable = (int64) pg_atomic_read_u64(&limiter->unavailable);
}
