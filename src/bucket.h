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
 *					clock hand, and the identity of every bucket.  Exclusive to
 *					make or evict a bucket, shared to find one.
 *		lock bit	bit 0 of bucket->lock, by compare-and-swap: everything else
 *					in the bucket.  An identity changes under both.  The other
 *					bits count the releases, so that a reader without the lock
 *					can tell whether what it copied belongs together
 *					(bucket_lock.h).
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
 *	   to another identity: RATE with tat (and, when it is durable, ceiling)
 *	   <= now, QUOTA with nothing left of its block or its window over; never
 *	   one that is PENDING.  A new RATE bucket has the latest instant at which
 *	   one was evicted for its tat, so that even a clock that is set back finds
 *	   nothing forgotten.
 *	4. Never more than is durable: a QUOTA bucket gives out units only from
 *	   blocks that are on disk, a durable RATE bucket never moves its tat past
 *	   a ceiling that is on disk.  Both come from apikey_bucket_grant_*().
 *	5. Time of RATE buckets is one that never goes back (limiter.c).  A charge
 *	   reads it before it takes the lock bits: the request counts as made at
 *	   that instant, which lies within the call.  Requests that overtake each
 *	   other change nothing: tat only grows, and who comes with an older now
 *	   sees the larger debt.
 *
 * Life of APIKEY_BUCKET_PENDING and REFRESH.  Whoever finds a bucket short sets
 * PENDING and has to post a request to the writer (charge->post).  Whoever
 * finds REFRESH takes it away together with LOADED when it sets PENDING: the
 * writer reads the durable state after that, and sees what the one who set
 * REFRESH had committed.  A grant clears PENDING and sets LOADED, but leaves a
 * REFRESH that came meanwhile: the next charge asks once more.
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

/*
 * Two cache lines, the first of which is all that a rate limit touches; made
 * at multiples of 64 by apikey_bucket_init().
 */
typedef struct ApikeyBucketShared
{
	uint32_t	lock;			/* atomic: bit 0 held, the rest a count */
	uint32_t	next;			/* chain; table lock */
	ApikeyBucketId id;			/* table lock and lock bit to change */
	uint32_t	database;		/* Oid; as id */
	uint8_t		kind;			/* ApikeyBucketKind; as id */

	/* protected by the lock bit */
	uint8_t		flags;			/* APIKEY_BUCKET_* */
	int64_t		used_at;		/* limiter time of the last charge */
	/* RATE, nanoseconds of limiter time */
	int64_t		tat;
	int64_t		increment;		/* what tat was computed with, 0: nothing yet */
	int64_t		ceiling;		/* tat may not pass it; durable limits only,
								 * INT64_MIN: there is none */
	/* QUOTA */
	int64_t		window;			/* start, microseconds since 2000 */
	int64_t		window_end;
	int64_t		left;			/* units of the block that may be given out */
	int64_t		block;			/* size of the last block */
	int64_t		rest;			/* limit + credits - reserved; may be < 0 */
	int64_t		limit;			/* what rest was computed with; no credits */
	int64_t		credits;		/* of the window */
	/* both */
	int64_t		pending_at;		/* limiter time at which PENDING was set */
} ApikeyBucketShared;

/* The head of the table; chains and buckets follow it in the same block. */
typedef struct ApikeyBucketTableShared
{
	uint32_t	nbuckets;		/* constant */
	uint32_t	mask;			/* constant: number of chains - 1 */
	uint32_t	used;			/* atomic: buckets [0, used) have an identity;
								 * the rest has never been touched */
	uint32_t	hand;			/* where the next search for an idle one
								 * starts */
	int64_t		evictions;		/* atomic */
	uint64_t	idled;			/* atomic: how often a bucket became idle
								 * other than by time */
	int64_t		floor;			/* latest instant at which a bucket was
								 * evicted */

	/* what the last search that found nothing knows */
	int64_t		full_at;		/* limiter time of the search */
	int64_t		full_until;		/* until then no RATE bucket becomes idle */
	int64_t		full_until_wall;	/* nor a QUOTA bucket, microseconds since
									 * 2000 */
	uint64_t	full_idled;		/* idled when it began */
} ApikeyBucketTableShared;

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
	bool		certain;		/* window is right even if it is older than
								 * the one of the bucket */

	ApikeyBucketShared *bucket; /* in/out: hint, then the bucket */

	/* out */
	int64_t		remaining;		/* after the charge, or as it is on a denial;
								 * -1: not known */
	int64_t		wait;			/* denied, -1: will never pass. RATE: ns until
								 * it would pass. QUOTA, 0: at the end of the
								 * window */
	int64_t		wait_one;		/* RATE, denied: the same for one unit */
	bool		denied;
	bool		reserve;		/* needs the writer before it can be decided */
	bool		post;			/* with reserve: PENDING was set here, a
								 * request must be posted; else another did */
	bool		closed;			/* with reserve: the server stops, nothing to
								 * wait for */
	bool		prefetch;		/* charged, but the writer should reserve
								 * more: PENDING was set here */
	bool		soft;			/* QUOTA: 80 % or more are used */

	/* private to bucket.c */
	struct ApikeyCharge *same;	/* an earlier charge of the same bucket */
	int64_t		next;			/* RATE: tat after the charge */
} ApikeyCharge;

typedef enum ApikeyChargeOutcome
{
	APIKEY_CHARGED,				/* all were charged */
	APIKEY_CHARGE_DENIED,		/* nothing was; see denied */
	APIKEY_CHARGE_RESERVE,		/* nothing was; see reserve */
	APIKEY_CHARGE_STALE,		/* nothing was; the bucket of a quota has a
								 * later window: read the clock again, and ask
								 * with certain if it gives the same window */
	APIKEY_CHARGE_LOST			/* nothing was; a bucket is another's by now:
								 * resolve again (bucket is NULL there) */
} ApikeyChargeOutcome;

#define APIKEY_CHARGES_MAX	64

/* ---- the table: bucket_table.c ---- */

/* apikey_bucket_bytes returns the memory of a table; SIZE_MAX: too much. */
extern size_t apikey_bucket_bytes(uint32_t nbuckets);

/*
 * apikey_bucket_init makes an empty table in memory aligned to 64 bytes;
 * nobody may be using it.  It writes to the head and the chains only.
 */
extern void apikey_bucket_init(ApikeyBucketTableShared *table, uint32_t nbuckets);

/* apikey_bucket_find returns the bucket of id or NULL; table lock, shared. */
extern ApikeyBucketShared *apikey_bucket_find(ApikeyBucketTableShared *table,
											  ApikeyBucketId id);

/*
 * apikey_bucket_make returns the bucket of id, a new one if there is none yet,
 * taken from an idle one if need be; NULL: the table is full.  now is limiter
 * time, wall microseconds since 2000.  Table lock, exclusive.
 */
extern ApikeyBucketShared *apikey_bucket_make(ApikeyBucketTableShared *table,
											  ApikeyBucketId id, ApikeyBucketKind kind,
											  uint32_t database, int64_t now, int64_t wall);

/* apikey_bucket_at returns bucket i, NULL from the first unused one on. */
extern ApikeyBucketShared *apikey_bucket_at(ApikeyBucketTableShared *table, uint32_t i);

/* ---- the charge: bucket.c ---- */

/*
 * apikey_bucket_charge charges units (> 0) to all n limits or to none.  Every
 * charge has its bucket.  Two charges of the same bucket are one, with the
 * stricter of both values.
 */
extern ApikeyChargeOutcome apikey_bucket_charge(ApikeyBucketTableShared *table,
												ApikeyCharge *charges, int n,
												int64_t units, int64_t now);

/*
 * apikey_bucket_peek fills remaining and changes nothing; a charge whose
 * bucket is NULL has none in memory.
 */
extern void apikey_bucket_peek(ApikeyCharge *charges, int n, int64_t now);

/* ---- for the writer and for resets: bucket_grant.c ---- */

/* Each returns false when the bucket is another's by now. */

/*
 * apikey_bucket_grant_quota adds block units (0: there are none) to what the
 * bucket has left; rest is what limit and credits leave after it.  A bucket
 * that has moved on to another window only loses PENDING.
 */
extern bool apikey_bucket_grant_quota(ApikeyBucketTableShared *table,
									  ApikeyBucketShared *bucket, ApikeyBucketId id,
									  int64_t window, int64_t limit, int64_t credits,
									  int64_t block, int64_t rest);

/*
 * apikey_bucket_grant_rate lets tat move up to ceiling.  A bucket that was not
 * LOADED resumes from stored, the ceiling that was on disk (INT64_MIN: none),
 * but with no more debt than capacity: nothing can have more.
 */
extern bool apikey_bucket_grant_rate(ApikeyBucketTableShared *table,
									 ApikeyBucketShared *bucket, ApikeyBucketId id,
									 int64_t stored, int64_t capacity, int64_t ceiling);

/* apikey_bucket_refuse clears PENDING, so that others may ask. */
extern bool apikey_bucket_refuse(ApikeyBucketTableShared *table,
								 ApikeyBucketShared *bucket, ApikeyBucketId id);

/*
 * apikey_bucket_close takes back what was granted and not given out: *left
 * units (QUOTA), or everything beyond *tat (RATE).  The next charge has to ask
 * again, for ever in vain when forever is set.
 */
extern bool apikey_bucket_close(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket,
								ApikeyBucketId id, bool forever, int64_t *left, int64_t *tat);

/* apikey_bucket_reset makes a RATE bucket full, a QUOTA bucket REFRESH. */
extern bool apikey_bucket_reset(ApikeyBucketTableShared *table, ApikeyBucketShared *bucket,
								ApikeyBucketId id);

/* apikey_bucket_copy copies a bucket of which every field belongs together. */
extern void apikey_bucket_copy(ApikeyBucketShared *bucket, ApikeyBucketShared *copy);

#endif							/* APIKEY_BUCKET_H */
