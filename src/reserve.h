/*
 * reserve.h
 *		The writer's side of quotas and of rate limits that survive a crash.
 *
 * Layer 5.
 *
 * What the tables say and what the buckets may give out, at any instant:
 *		quota_state.reserved	>= what was ever given out of the window, plus
 *								what a bucket may still give out of it
 *		limit_state.ceiling		>= the tat of the bucket
 * A block or ceiling is granted after the transaction that stored it is on
 * disk, here and on a synchronous standby.  Units that are given back leave
 * the bucket before they leave the table.  So whatever is lost in between is
 * lost as used, never as free.
 */
#ifndef APIKEY_RESERVE_H
#define APIKEY_RESERVE_H

#include "worker.h"

/* apikey_reserve_init tells whose requests; once per process. */
extern void apikey_reserve_init(ApikeySlotShared *slot);

/* apikey_reserve_waiting tells whether apikey_reserve_run has work to do. */
extern bool apikey_reserve_waiting(void);

/*
 * apikey_reserve_run answers the requests that wait, and does what is due of
 * the rest.  Errors are noted, never thrown.
 */
extern void apikey_reserve_run(void);

/* apikey_reserve_timeout cuts a time to sleep to when it must run again. */
extern long apikey_reserve_timeout(long timeout_ms);

/*
 * apikey_reserve_close takes everything back, for good, and stores it: the
 * server stops and no client is left.
 */
extern void apikey_reserve_close(void);

#endif							/* APIKEY_RESERVE_H */
