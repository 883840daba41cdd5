/*
 * reserve_queue.h
 *		What verification asks of the writer: units of a quota, room for a rate
 *		limit that must survive a crash.
 *
 * Layer 2.
 *
 * Life of a request.  A backend that found a bucket short posts it (at most
 * one per bucket: APIKEY_BUCKET_PENDING, set under the lock bit by whoever
 * charges) and, if it cannot go on, waits on slot->progress for at most
 * apikey.limit_wait.  The writer takes all requests that are there, moves the
 * durable state in one transaction of its own, waits until it is on disk (and
 * on a synchronous standby), grants the buckets, which clears PENDING, and
 * only then frees the queue entry: a writer that dies in between leaves it for
 * the next one, who reserves again.  What the dead one had reserved is lost
 * (one block), never given out twice.
 *
 * The waiter holds no LWLock and no lock bit; it may hold any heavyweight
 * lock, even on the tables the writer needs: the writer's lock wait is bounded
 * and so is ours, and both bounds end in UNAVAILABLE.
 */
#ifndef APIKEY_RESERVE_QUEUE_H
#define APIKEY_RESERVE_QUEUE_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "limit.h"

#define APIKEY_RESERVE_MAX		256 /* requests waiting at the same time, per
									 * database */
#define APIKEY_HOLDER_MAX		96	/* bytes shown of an owner */
#define APIKEY_LIMIT_CHANGES	64	/* counters of changes, per database */

typedef struct ApikeyReserveRequest
{
	ApikeyBucketShared *bucket;
	ApikeyBucketId id;			/* must still be the bucket's at the grant */
	ApikeyBucketKind kind;
	unsigned char durable_id[APIKEY_LIMIT_ID_LEN];

	/* what the durable row tells a reader */
	int64		tenant_id;
	int64		key_id;
	ApikeyShare shared;
	char		holder[APIKEY_HOLDER_MAX + 1];
	char		name[APIKEY_LIMIT_NAME_MAX + 1];

	/* QUOTA */
	TimestampTz window;			/* DT_NOBEGIN: lifetime */
	TimestampTz window_end;		/* DT_NOEND: lifetime */
	int64		limit;			/* credits not included */
	int64		need;			/* units wanted at least; 0: only load */

	/* RATE; limiter time + wall_offset = nanoseconds since 1970 */
	int64		wall_offset;
	int64		now;			/* limiter time */
	int64		capacity;		/* burst * increment, ns */
	int64		room;			/* ns wanted at least beyond max(tat, now) */
} ApikeyReserveRequest;

/*
 * apikey_reserve_post hands a request to the writer of the current database
 * and wakes it; false when the queue is full or the database has no slot.
 */
extern bool apikey_reserve_post(const ApikeyReserveRequest *request);

/*
 * apikey_reserve_wait waits until the bucket is no longer PENDING or the
 * deadline is over (false); ends at cancel and terminate.
 */
extern bool apikey_reserve_wait(const ApikeyBucketShared *bucket, TimestampTz deadline);

/*
 * apikey_reserve_changed is called right after the commit of a change in
 * limit_ledger: it resets the buckets (apikey_limiter_reset), so that what is
 * decided from now on sees the change, and wakes the writer, who applies it to
 * the tables.  Cannot fail.
 */
extern void apikey_reserve_changed(const ApikeyBucketId *ids, int count);

/*
 * apikey_reserve_prepared tells the writer that a prepared transaction holds
 * such a change: nobody will call apikey_reserve_changed for it.
 */
extern void apikey_reserve_prepared(void);

/* The place of a bucket's count in slot->limit_changes. */
static inline int
apikey_reserve_change_index(ApikeyBucketId id)
{
	return (int) ((id.hi ^ id.lo) % APIKEY_LIMIT_CHANGES);
}

#endif							/* APIKEY_RESERVE_QUEUE_H */
