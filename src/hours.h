/*
 * hours.h
 *		Access hours.
 *
 * Layer 0: C library only.
 *
 * A window is "[days ]HH:MM-HH:MM[ timezone]": days is a comma-separated list
 * of mon..sun and ranges of them ("mon-fri,sun", any case, ranges may wrap:
 * "sat-mon"), absent means every day; times are 00:00 to 24:00; an end at or
 * before the start reaches into the next day (the day named is the one it
 * starts on; 09:00-09:00 is the whole 24 hours from 09:00; 24:00 only as an
 * end); the start is inside, the end is not;
 * timezone is a name of the zone database ([A-Za-z0-9_+/-]+, at most 63
 * bytes), absent means UTC.  An empty list of windows allows every hour.
 */
#ifndef APIKEY_HOURS_H
#define APIKEY_HOURS_H

#include <stdint.h>

#include "str.h"

typedef struct ApikeyWindow
{
	uint8_t		days;			/* bit 0 = Sunday ... bit 6 = Saturday */
	int16_t		start;			/* minute of the day, 0..1439 */
	int16_t		length;			/* minutes, 1..1440 */
	ApikeyStr	zone;			/* view into the rule text; ptr NULL = UTC */
	const void *tz;				/* resolved by the caller; NULL = not known */
} ApikeyWindow;

typedef struct ApikeyWindowList
{
	const ApikeyWindow *items;
	int			count;
} ApikeyWindowList;

/*
 * Tells the local day of the week (0 = Sunday) and minute of the day at an
 * instant (microseconds since 2000-01-01 00:00 UTC) in a zone.  Returns false
 * when it cannot.
 */
typedef bool (*apikey_local_time_fn) (const void *tz, int64_t at, int *dow, int *minute);

/* Parse one window; false when it is not well-formed. out may be NULL. */
extern bool apikey_window_parse(ApikeyStr rule, ApikeyWindow *out);

/* Whether the instant lies in the window; an unknown zone never matches. */
extern bool apikey_window_contains(const ApikeyWindow *window, int64_t at,
								   apikey_local_time_fn local_time);

#endif							/* APIKEY_HOURS_H */
