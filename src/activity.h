/*
 * activity.h
 *		Last use and call counts of keys, gathered by the writer.
 *
 * Layer 5.  Private to the writer process.  What a batch adds is kept apart
 * until the batch is committed (start, note, merge), so that a batch that is
 * tried again counts once.
 */
#ifndef APIKEY_ACTIVITY_H
#define APIKEY_ACTIVITY_H

#include "postgres.h"

#include "usage_event.h"

/* apikey_activity_start begins a batch in the current memory context. */
extern void apikey_activity_start(void);

/* apikey_activity_note counts an event of the batch. */
extern void apikey_activity_note(const ApikeyUsageEvent *event);

/* apikey_activity_merge takes over the counts of a committed batch. */
extern void apikey_activity_merge(void);

/* apikey_activity_keys returns how many keys wait to be flushed. */
extern long apikey_activity_keys(void);

/*
 * apikey_activity_flush writes what was merged to key_activity; in a
 * transaction with a snapshot.  After the commit: apikey_activity_clear.
 */
extern int64 apikey_activity_flush(void);
extern void apikey_activity_clear(void);

#endif							/* APIKEY_ACTIVITY_H */
