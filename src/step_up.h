/*
 * step_up.h
 *		Second factors: which codes were used, how many were guessed, and the
 *		mark that a transaction has given one.
 *
 * Layer 2.
 */
#ifndef APIKEY_STEP_UP_H
#define APIKEY_STEP_UP_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "storage/lwlock.h"

#define APIKEY_TOTP_PERIOD	30	/* seconds of a step */
#define APIKEY_TOTP_DRIFT	1	/* steps that a clock may be off */

/* the number of the step, counted from 1970, that an instant is in */
extern int64 apikey_totp_step(TimestampTz at);

/*
 * apikey_step_up_begin counts a guess of a role in this database; false: it
 * has made too many, or there is no room to count.  The guess stays counted
 * unless apikey_step_up_accept follows with what begin put into *guess.
 */
extern bool apikey_step_up_begin(Oid role, TimestampTz now, uint64 *guess);

/*
 * apikey_step_up_accept takes the code of a step; false: it, or one after it,
 * was used before.  Of two sessions with the same code one gets true.
 */
extern bool apikey_step_up_accept(Oid role, TimestampTz now, int64 step, uint64 guess);

/* Marks the transaction: this role has given its second factor. */
extern void apikey_step_up_mark(Oid role);

/* Whether the transaction is marked for the role. */
extern bool apikey_step_up_marked(Oid role);

/* Defines apikey.stepped_up; called once from _PG_init. */
extern void apikey_step_up_define(void);

/* Set up by shmem.c. */
extern Size apikey_step_up_shmem_size(void);
extern int	apikey_step_up_lwlocks(void);
extern void apikey_step_up_shmem_init(LWLockPadded *locks);

#endif							/* APIKEY_STEP_UP_H */
