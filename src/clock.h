/*
 * clock.h
 *		The wall clock of all decisions.
 *
 * Layer 1.
 */
#ifndef APIKEY_CLOCK_H
#define APIKEY_CLOCK_H

#include "postgres.h"
#include "utils/timestamp.h"

#include "guc.h"

/*
 * apikey_clock_now returns the present instant, or what a superuser put into
 * apikey.test_now.
 */
static inline TimestampTz
apikey_clock_now(void)
{
	return apikey_test_now_set ? apikey_test_now_value : GetCurrentTimestamp();
}

#endif							/* APIKEY_CLOCK_H */
