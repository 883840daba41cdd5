/*
 * limiter.h
 *		The limit buckets of this server, in shared memory.
 *
 * Layer 2.
 */
#ifndef APIKEY_LIMITER_H
#define APIKEY_LIMITER_H

#include "postgres.h"
#include "storage/lwlock.h"

#include "limit.h"

/* Nanoseconds of a clock that never goes back; of the test clock if it is set. */
extern int64 apikey_limiter_now(void);

/* What to add to apikey_limiter_now() to get nanoseconds since 1970. */
extern int64 apikey_limiter_wall_offset(void);

/*
 * apikey_limiter_resolve finds or makes the bucket of charge; false: the table
 * is full (logged at most once a minute).  apikey_limiter_find makes none.
 */
extern bool apikey_limiter_resolve(ApikeyCharge *charge);
extern bool apikey_limiter_find(ApikeyCharge *charge);

/*
 * apikey_limiter_full counts and logs, at most once a minute, that the table
 * is full; resolve does it itself.
 */
extern void apikey_limiter_full(void);

/* All or nothing, in limiter time now (bucket.h); counts what it denies. */
extern ApikeyChargeOutcome apikey_limiter_charge(ApikeyCharge *charges, int n,
												 int64 units, int64 now);

/*
 * For the writer.  Each takes the lock bit, checks the identity, and clears
 * PENDING; false: the bucket is another's by now.
 * grant_quota: block more units for that window (0: there are none) on top of
 * those the bucket has left, rest is what limit and credits leave after it.
 * grant_rate: stored is the ceiling that the durable row had (limiter time,
 * INT64_MIN: none), ceiling the one that is on disk now.
 * A writer that sets the durable state back (a reset) closes the bucket first
 * (apikey_limiter_close), so that nothing reserved before is given out later.
 */
extern bool apikey_limiter_grant_quota(ApikeyBucketShared *bucket, ApikeyBucketId id,
									   int64 window, int64 limit, int64 credits,
									   int64 block, int64 rest);
extern bool apikey_limiter_grant_rate(ApikeyBucketShared *bucket, ApikeyBucketId id,
									  int64 stored, int64 capacity, int64 ceiling);

/* The writer could not reserve: only clears PENDING, so that others may ask. */
extern void apikey_limiter_refuse(ApikeyBucketShared *bucket, ApikeyBucketId id);

/*
 * apikey_limiter_next walks over the buckets of the current database: start
 * with *position 0; copies one bucket out under its lock bit.  False: no more.
 */
extern bool apikey_limiter_next(uint32 *position, ApikeyBucketShared **bucket,
								ApikeyBucketShared *copy);

/*
 * apikey_limiter_close takes what is left of a bucket back, for good when
 * forever is set (CLOSED: the server stops).  Returns the units a QUOTA bucket
 * had left; for RATE, *tat is its state.
 */
extern int64 apikey_limiter_close(ApikeyBucketShared *bucket, ApikeyBucketId id,
								  bool forever, int64 *tat);

/*
 * apikey_limiter_reset makes the bucket of id, if there is one, full again
 * (RATE) or REFRESH (QUOTA).
 */
extern void apikey_limiter_reset(ApikeyBucketId id);

/*
 * apikey_limiter_abandon takes back what was reserved for the buckets of a
 * database that has no writer any more and no process connected to it: they
 * become idle by time alone.
 */
extern void apikey_limiter_abandon(Oid database);

/* Counters for stat_limits: what limits.c has to tell. */
extern void apikey_limiter_count_reservation(void);
extern void apikey_limiter_count_unavailable(void);

/* Counters for stat_limits. */
typedef struct ApikeyLimiterStats
{
	int64		buckets;		/* the table has */
	int64		used;			/* of these in use */
	int64		evictions;		/* idle buckets given to others */
	int64		full;			/* charges refused because the table was full */
	int64		denied;			/* charges refused by a rate limit or quota */
	int64		reservations;	/* requests to the writer */
	int64		unavailable;	/* charges that ended without a reservation */
} ApikeyLimiterStats;

extern void apikey_limiter_stats(ApikeyLimiterStats *stats);

/* Set up by shmem.c. */
extern Size apikey_limiter_shmem_size(void);
extern int	apikey_limiter_lwlocks(void);
extern void apikey_limiter_shmem_init(LWLockPadded *locks);

#endif							/* APIKEY_LIMITER_H */
