/*
 * throttle.h
 *		How much a throttle slows the refill of rate limits, and how full the
 *		usage ring must be for it.
 *
 * Layer 0: C library only.
 *
 * A throttle t (0 .. 1) takes from the lowest priority first: a limit of
 * priority p (0 .. 100) is untouched while t <= p / 100, above that its refill
 * is scaled by (1 - t) / (1 - p / 100).  A limit never stands still: the least
 * is APIKEY_THROTTLE_FLOOR of its refill.
 */
#ifndef APIKEY_THROTTLE_H
#define APIKEY_THROTTLE_H

#include <stdint.h>

/* a refill is slowed down to one part in so many, not further */
#define APIKEY_THROTTLE_FLOOR	1000

/* throttles are kept in shared memory as integers: this is 1.0 */
#define APIKEY_THROTTLE_FULL	1000000

/*
 * apikey_throttle_scale returns the time that one unit takes to come back
 * under a throttle: increment, or more, rounded up, at most INT64_MAX.  It can
 * be APIKEY_THROTTLE_FLOOR times increment: who multiplies it by a burst that
 * fits increment has to look for an overflow.
 */
extern int64_t apikey_throttle_scale(int64_t increment, int priority, double throttle);

/*
 * apikey_throttle_adjust returns the next automatic throttle, in
 * 1 / APIKEY_THROTTLE_FULL, from the present one and what the ring shows:
 * used of size bytes, and the age of the oldest event against the age that is
 * normal.  It goes up at once; it goes down slowly, and only when the ring is
 * emptier by a fifth than it had to be for going up: a ring that swings less
 * leaves the throttle as it is.
 */
extern int	apikey_throttle_adjust(int throttle, uint64_t used, uint64_t size,
								   int64_t lag_us, int64_t normal_lag_us);

#endif							/* APIKEY_THROTTLE_H */
