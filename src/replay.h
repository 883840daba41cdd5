/*
 * replay.h
 *		A recorded request judged again: under today's rules and under others.
 *
 * Layer 0: C library only; no allocation, no clock.
 *
 * Checks are decide()'s own.  Limits are simulated: every limit has a bucket
 * on each side that is full when the replay starts, and requests must come in
 * the order of their time.  The arithmetic is that of bucket.c (gcra.h for rate
 * limits, units of the present window for quotas), all or nothing, but with
 * the time of the request for a clock, no writer that reserves ahead, no
 * credits and no throttling under load.
 */
#ifndef APIKEY_REPLAY_H
#define APIKEY_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "decide.h"
#include "limit.h"

/* The two sets of rules; for arrays of APIKEY_SIDES. */
#define APIKEY_TODAY		0
#define APIKEY_PROPOSED		1
#define APIKEY_SIDES		2

#define APIKEY_EXAMPLES_MAX	3

/* A limit, without what only the real one needs; no padding. */
typedef struct ApikeyReplayLimit
{
	int32_t		kind;			/* ApikeyBucketKind */
	int32_t		period;			/* ApikeyPeriod */
	int64_t		increment;
	int64_t		burst;
	int64_t		units;
	const void *tz;
} ApikeyReplayLimit;

/* A bucket on one side. */
typedef struct ApikeyReplayBucket
{
	int64_t		tat;			/* RATE */
	int64_t		increment;		/* RATE: what tat was computed with, 0:
								 * nothing yet */
	int64_t		used;			/* QUOTA: units of the window */
	int64_t		window;
	int64_t		window_end;		/* equal to window: none yet */
} ApikeyReplayBucket;

/* apikey_window_at() of window.h */
typedef void (*apikey_window_fn) (ApikeyPeriod period, const void *tz, int64_t now,
								  int64_t *start, int64_t *end);

/* A request that differs, as one to be shown. */
typedef struct ApikeyExample
{
	int64_t		at;
	uint64_t	row;			/* where its row is, for the caller */
	uint32_t	leaf;
	uint8_t		code[APIKEY_SIDES];
} ApikeyExample;

/* What differs for one key. */
typedef struct ApikeyDifference
{
	int64_t		ndenied;
	int64_t		nallowed;
	int64_t		denied[APIKEY_NCODES];	/* accepted today: by the code to come */
	int64_t		allowed[APIKEY_NCODES]; /* accepted then: by the code of today */
	int			nexamples;
	ApikeyExample examples[APIKEY_EXAMPLES_MAX];	/* denied ones first, each
													 * kind by time */
} ApikeyDifference;

extern void apikey_replay_bucket_init(ApikeyReplayBucket *bucket);

/*
 * apikey_replay_charge charges units to all n limits or to none, bucket i for
 * limit i, no bucket twice.  at is microseconds since 2000.  Returns VALID, or
 * the code of the denial that lasts longest, as limits.c does; UNAVAILABLE for
 * more than APIKEY_LIMITS_MAX.  units 0 or less charge nothing.
 */
extern ApikeyCode apikey_replay_charge(const ApikeyReplayLimit *limits,
									   ApikeyReplayBucket *const *buckets, int n,
									   int64_t units, int64_t at,
									   apikey_window_fn window_at);

/*
 * apikey_replay_count adds one request, if it was accepted on one side and
 * denied on the other; of the examples that differ the earliest ones stay.
 */
extern void apikey_replay_count(ApikeyDifference *difference, const ApikeyExample *request);

/* Whether two policies are the same for decide(); their limits may differ. */
extern bool apikey_replay_same_checks(const ApikeyPolicy *a, const ApikeyPolicy *b);

#endif							/* APIKEY_REPLAY_H */
