/*
 * attempt_sort.h
 *		Many small records, in the order of their time.
 *
 * Layer 3.  Records are put in nearly that order, because the usage table is
 * in it.  What does not fit into memory goes to a temporary file in sorted
 * runs, which are merged in the end.
 */
#ifndef APIKEY_ATTEMPT_SORT_H
#define APIKEY_ATTEMPT_SORT_H

#include "postgres.h"
#include "utils/timestamp.h"

#include "replay.h"

/* An attempt whose limits are still to be judged. */
typedef struct ApikeyAttempt
{
	ApikeyExample request;
	void	   *key;			/* the caller's */
	int64		units;
} ApikeyAttempt;

typedef struct ApikeyAttemptSort ApikeyAttemptSort;

/* Uses about memory bytes below the current memory context. */
extern ApikeyAttemptSort *apikey_attempt_sort_begin(Size memory);

/* Room for the next record, to be filled before the next call. */
extern ApikeyAttempt *apikey_attempt_sort_put(ApikeyAttemptSort *sort);

/*
 * All are put; then they come in order.  Of equal times the one comes first
 * whose row lies before the other's.  NULL: no more.
 */
extern void apikey_attempt_sort_done(ApikeyAttemptSort *sort);
extern const ApikeyAttempt *apikey_attempt_sort_next(ApikeyAttemptSort *sort);

extern void apikey_attempt_sort_end(ApikeyAttemptSort *sort);

#endif							/* APIKEY_ATTEMPT_SORT_H */
