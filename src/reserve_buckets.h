/*
 * reserve_buckets.h
 *		What the writer knows of the buckets it has granted, and what it takes
 *		back from them.
 *
 * Layer 5.  A bucket does not tell its durable identity, so the writer keeps it;
 * one that an earlier writer has granted is looked up in the tables when there
 * is something to store about it.  Units and ceilings that were taken back are
 * kept until they are stored: apikey_buckets_store writes them inside a
 * transaction, apikey_buckets_stored forgets them after its commit.
 */
#ifndef APIKEY_RESERVE_BUCKETS_H
#define APIKEY_RESERVE_BUCKETS_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "reserve_queue.h"
#include "reserve_store.h"

extern void apikey_buckets_init(void);

/* apikey_buckets_note remembers whose the bucket of a request is. */
extern void apikey_buckets_note(const ApikeyReserveRequest *request);

/*
 * Limiter time of an instant that was stored, and the other way round, rounded
 * up.  What does not fit becomes the first or last instant; PG_INT64_MIN and
 * -infinity stand for each other.
 */
extern int64 apikey_buckets_time(TimestampTz at, int64 wall_offset);
extern TimestampTz apikey_buckets_timestamp(int64 time, int64 wall_offset);

/*
 * apikey_buckets_take_back takes back what the bucket of a limit has, if it is
 * in memory.  True: it is a loaded one of a rate limit.
 */
extern bool apikey_buckets_take_back(const unsigned char *limit_id, bool quota);

/* apikey_buckets_give_back adds units to what is to be given back. */
extern void apikey_buckets_give_back(const unsigned char *quota_id, TimestampTz window,
									 int64 units);

/* Look at all buckets: note what is used, take back what is idle or over. */
extern void apikey_buckets_tidy(void);

/* Whether there is anything to tidy. */
extern bool apikey_buckets_known(void);

/* Take back everything, for good. */
extern void apikey_buckets_close(void);

/*
 * Whether there are buckets nobody knows the identity of: as the last tidy saw
 * it, or now.  apikey_buckets_learn is told all identities there are.
 */
extern bool apikey_buckets_unknown(void);
extern bool apikey_buckets_unknown_any(void);
extern void apikey_buckets_learn(const ApikeyDurableLimit *limits, int count);

extern bool apikey_buckets_to_store(void);
extern void apikey_buckets_store(void);
extern void apikey_buckets_stored(void);

#endif							/* APIKEY_RESERVE_BUCKETS_H */
