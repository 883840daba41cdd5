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
 * Every function takes every int64: what does not fit never passes.
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

/* apikey_gcra_capacity returns burst * increment, INT64_MAX if it is more. */
extern int64_t apikey_gcra_capacity(int64_t increment, int64_t burst);

/* apikey_gcra_test tells whether units pass; *next is the tat after them. */
extern bool apikey_gcra_test(int64_t tat, int64_t now, int64_t increment,
							 int64_t burst, int64_t units, int64_t *next);

/* apikey_gcra_remaining returns the units that would pass. */
extern int64_t apikey_gcra_remaining(int64_t tat, int64_t now, int64_t increment,
									 int64_t burst);

/*
 * apikey_gcra_wait returns the nanoseconds until units pass if nobody else
 * asks: 0 now, -1 never.
 */
extern int64_t apikey_gcra_wait(int64_t tat, int64_t now, int64_t increment,
								int64_t burst, int64_t units);

/*
 * apikey_gcra_rescale returns the tat of the same debt in units when a unit
 * costs another increment; rounded up.
 */
extern int64_t apikey_gcra_rescale(int64_t tat, int64_t now, int64_t old_increment,
								   int64_t new_increment);

#endif							/* APIKEY_GCRA_H */
