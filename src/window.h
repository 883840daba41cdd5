/*
 * window.h
 *		Which window of a quota an instant lies in.
 *
 * Layer 3.
 */
#ifndef APIKEY_WINDOW_H
#define APIKEY_WINDOW_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "limit.h"

/*
 * apikey_window_at puts the start (inside) and the end (outside) of the window
 * of now into *start and *end, by the calendar of tz (a pg_tz; NULL: UTC).
 * Windows leave no gap and do not overlap: whatever now is in [start, end) has
 * the same window.  A day, week (from Monday) or month begins when the local
 * clock first shows its midnight, or where it jumps over it.  An hour begins
 * when the local clock shows a full hour, or where a change of the offset by
 * part of an hour cuts one.  TOTAL is DT_NOBEGIN to DT_NOEND.  Never fails: an
 * instant beyond the calendar has the first or last window.
 */
extern void apikey_window_at(ApikeyPeriod period, const void *tz, TimestampTz now,
							 TimestampTz *start, TimestampTz *end);

#endif							/* APIKEY_WINDOW_H */
