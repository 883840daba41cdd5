/*
 * bucket.h
 *		The table of limit buckets, and the charge: all limits or none.
 *
 * Layer 0: C library and compiler atomics only, no postgres.h, so that
 * test/unit/test_bucket.c can stress it with threads.
 *
 * A bucket is the state of one limit of one holder: a RATE bucket the
 * theoretical arrival time of GCRA (gcra.h), a QUOTA bucket what is left of
 * the units that the database's writer has reserved ahead for one window.
 *
 * Locks
 *		table lock	an LWLock of the caller (a mutex in the unit test): chains,
 *					free list, clock hand, and the identity of every bucket.
 *					Exclusive to make or evict a bucket, shared to find one.
 *		lock bit	bucket->lock, by compare-and-swap: everything else in the
 *					bucket.  An identity changes under both.
 * Order: table lock, then lock bits in ascending address.  Who holds a lock
 * bit takes no other lock but the bit of a higher address, and does nothing
 * that can allocate, log, raise, sleep or be interrupted until it released it:
 * a process that dies there by SIGKILL takes the whole shared memory with it.
 *
 * Invariants
 *	1. All or nothing: a charge holds the lock bits of all its buckets from
 *	   before the first test to after the last write.  Nobody ever sees a
 *	   bucket charged by a request that another bucket denied.
 *	2. Identity: a charge works on a bucket only while it holds the lock bit
 *	   and the identity is the one it looks for; a pointer from an earlier call
 *	   is a hint.
 *	3. Eviction loses nothing: only a bucket that holds no information is given
 *	   to another identity: RATE with tat <= now, QUOTA with nothing left of
 *	   its block or its window over; never one that is PENDING.
 *	4. Never more than is durable: a QUOTA bucket gives out units only from
 *	   blocks that are on disk, a durable RATE bucket never moves its tat past
 *	   a ceiling that is on disk.  Both come from apikey_bucket_grant_*().
 *	5. Time of RATE buckets is one that never goes back (limiter.c).
 */
#ifndef APIKEY_BUCKET_H
#define APIKEY_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Never all zero in a bucket that is in use. */
typedef struct ApikeyBucketId
{
	uint64_t	hi;
	uint64_t	lo;
} ApikeyBucketId;

typedef enum ApikeyBucketKind
{
	APIKEY_BUCKET_RATE = 1,
	APIKEY_BUCKET_QUOTA
} ApikeyBucketKind;

/* bits of ApikeyBucketShared.flags */
#define APIKEY_BUCKET_LOADED	0x01	/* the durable state has been read */
#define APIKEY_BUCKET_PENDING	0x02	/* a request for it is with the writer */
#define APIKEY_BUCKET_REFRESH	0x04	/* the durable state has changed
										 * (credits, reset): read it before
										 * deciding */
#define APIKEY_BUCKET_CLOSED	0x08	/* server stops: the rest was given
										 * back, nothing is given out any more */

typedef struct ApikeyBucketShared
{
	uint32_t	lock;			/* atomic: 0 free, 1 held */
	uint32_t	next;			/* chain or free list; table lock */
	ApikeyBucketId id;			/* table lock and lock bit to change */
	uint32_t	database;		/* Oid; as id */
	uint8_t		kind;			/* ApikeyBucketKind; as id */

	/* protected by the lock bit */
	uint8_t		flags;			/* APIKEY_BUCKET_* */
	int64_t		used_at;		/* limiter time of the last charge */
	/* RATE, nanoseconds of limiter time */
	int64_t		tat;
	int64_t		increment;		/* what tat was computed with */
	int64_t		ceiling;		/* tat may not pass it; durable limits only */
	/* QUOTA */
	int64_t		window;			/* start, microseconds since 2000 */
	int64_t		window_end;
	int64_t		left;			/* units of the block that may be given out */
	int64_t		block;			/* size of the last block */
	int64_t		rest;			/* limit + credits - reserved; may be < 0 */
	int64_t		limit;			/* what rest was computed with; no credits */
} ApikeyBucketShared;

/* What a request asks of one limit; in but for the marked fields. */
typedef struct ApikeyCharge
{
	ApikeyBucketId id;
	ApikeyBucketKind kind;
	/* RATE */
	int64_t		increment;		/* ns per unit */
	int64_t		burst;			/* units */
	bool		durable;		/* its ceiling is kept on disk */
	/* QUOTA */
	int64_t		limit;			/* units per window, credits not included */
	int64_t		window;
	int64_t		window_end;

	ApikeyBucketShared *bucket; /* in/out: hint, then the bucket */

	/* out */
	int64_t		remaining;		/* after the charge, or as it is on a denial */
	int64_t		wait;			/* RATE denied: ns until it would pass, -1:
								 * never */
	bool		denied;
	bool		reserve;		/* needs the writer before it can be decided */
	bool		prefetch;		/* charged, but the writer should reserve more */
	bool		soft;			/* QUOTA: 80 % or more are used */
} ApikeyCharge;

typedef enum ApikeyChargeOutcome
{
	APIKEY_CHARGED,				/* all were charged */
	APIKEY_CHARGE_DENIED,		/* nothing was; see denied */
	APIKEY_CHARGE_RESERVE,		/* nothing was; see reserve */
	APIKEY_CHARGE_LOST			/* nothing was; a bucket is another's by now:
								 * resolve again (bucket is NULL there) */
} ApikeyChargeOutcome;

#endif							/* APIKEY_BUCKET_H */
