/*
 * load.h
 *		The throttle in force in this database.
 *
 * Layer 2.  The larger of apikey.throttle, set by an administrator, and the
 * automatic one (apikey.throttle_auto), which the housekeeper of the database
 * writes into its slot and every backend reads: one atomic, no lock.
 */
#ifndef APIKEY_LOAD_H
#define APIKEY_LOAD_H

#include "postgres.h"

#include "guc.h"
#include "slot.h"

/* apikey_load_throttle returns the throttle in force, 0 .. 1. */
extern double apikey_load_throttle(void);

/* the part of apikey_throttle_increment that is rare */
extern int64 apikey_load_increment(int64 increment, int priority);

/*
 * apikey_throttle_increment returns the increment of a rate limit under the
 * throttle in force (throttle.h: it may be much longer, at most INT64_MAX).
 */
static inline int64
apikey_throttle_increment(int64 increment, int priority)
{
	if (likely(apikey_throttle == 0 && !apikey_throttle_auto))
		return increment;
	return apikey_load_increment(increment, priority);
}

/*
 * apikey_load_watch sets the automatic throttle of the slot from the state of
 * its ring; apikey_load_forget ends it.  Housekeeper only.
 */
extern void apikey_load_watch(ApikeySlotShared *slot);
extern void apikey_load_forget(ApikeySlotShared *slot);

/*
 * apikey_load_lag returns the age of the oldest event in the ring of the slot,
 * in microseconds; 0: it is empty.
 */
extern int64 apikey_load_lag(ApikeySlotShared *slot);

#endif							/* APIKEY_LOAD_H */
