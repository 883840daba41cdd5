/*
 * gcra.h
 *		The generic cell rate algorithm: a token bucket in one number.
 *
 * Layer 0: C library only, no clock.
 *
 * A unit costs increment nanoseconds, a full bucket holds burst units.  The
 * state is the theoretical arrival time tat: the instant at which the bucket
 * will be full again.  max(tat, now) - now is the debt; units pass when
 *		debt + units * increment <= burst * increment
 * and then add their cost to the debt.  A bucket with tat <= now holds no
 * information at all.
 *
 * From any instant s to any later e at most (e - s) / increment + burst units
 * pass, whatever the order in which requests with different nows come: tat
 * never goes back.  A clock that goes back makes the debt larger, never less.
 *
 * Every function takes every int64: what does not fit never passes.  What each
 * request needs is inline.
 */
#ifndef APIKEY_GCRA_H
#define APIKEY_GCRA_H

#include <stdbool.h>
#include <stdint.h>

/*
 * apikey_gcra_increment returns ceil(per / requests), the cost of a unit when
 * requests may pass in per nanoseconds; 0 when either is not positive.
 */
extern int64_t apikey_gcra_increment(int64_t requests, int64_t per);

/* private: the distance of two int64 fits into a uint64 and nothing smaller */
static inline uint64_t
apikey_gcra_debt(int64_t tat, int64_t now)
{
	return tat > now ? (uint64_t) tat - (uint64_t) now : 0;
}

/* private: units * increment; false when it does not fit */
static inline bool
apikey_gcra_cost(int64_t units, int64_t increment, int64_t *cost)
{
	return !__builtin_mul_overflow(units, increment, cost);
}

/* apikey_gcra_capacity returns burst * increment, INT64_MAX if it is more. */
static inline int64_t
apikey_gcra_capacity(int64_t increment, int64_t burst)
{
	int64_t		capacity;

	if (increment <= 0 || burst <= 0)
		return 0;
	return apikey_gcra_cost(burst, increment, &capacity) ? capacity : INT64_MAX;
}

/* apikey_gcra_test tells whether units pass; *next is the tat after them. */
static inline bool
apikey_gcra_test(int64_t tat, int64_t now, int64_t increment, int64_t burst,
				 int64_t units, int64_t *next)
{
	uint64_t	capacity = (uint64_t) apikey_gcra_capacity(increment, burst);
	uint64_t	debt = apikey_gcra_debt(tat, now);
	int64_t		cost;

	if (units < 0 || increment <= 0 || burst <= 0 || !apikey_gcra_cost(units, increment, &cost))
		return false;
	if (debt > capacity || (uint64_t) cost > capacity - debt)
		return false;
	return !__builtin_add_overflow(tat > now ? tat : now, cost, next);
}

/* apikey_gcra_remaining returns the units that would pass. */
static inline int64_t
apikey_gcra_remaining(int64_t tat, int64_t now, int64_t increment, int64_t burst)
{
	uint64_t	capacity = (uint64_t) apikey_gcra_capacity(increment, burst);
	uint64_t	debt = apikey_gcra_debt(tat, now);

	if (increment <= 0 || debt >= capacity)
		return 0;
	/* the usual case of an idle bucket needs no division */
	if (debt == 0 && capacity < INT64_MAX)
		return burst;
	return (int64_t) ((capacity - debt) / (uint64_t) increment);
}

/*
 * apikey_gcra_wait returns the nanoseconds until units pass if nobody else
 * asks: 0 now, -1 never.
 */
extern int64_t apikey_gcra_wait(int64_t tat, int64_t now, int64_t increment,
								int64_t burst, int64_t units);

/*
 * apikey_gcra_coarse rounds a wait in seconds up to a step of 1, 2, 5, 10, 20,
 * 30 s, as many minutes, 1, 2, 6, 12 h, or whole days that are a power of two:
 * it tells roughly when to come again, and little of what others did.
 */
extern int64_t apikey_gcra_coarse(int64_t seconds);

/*
 * apikey_gcra_rescale returns the tat of the same debt in units when a unit
 * costs another increment; rounded up.
 */
extern int64_t apikey_gcra_rescale(int64_t tat, int64_t now, int64_t old_increment,
								   int64_t new_increment);

#endif							/* APIKEY_GCRA_H */
