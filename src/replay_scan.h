/*
 * replay_scan.h
 *		Recorded usage, replayed under today's rules and under proposed ones.
 *
 * Layer 4.
 */
#ifndef APIKEY_REPLAY_SCAN_H
#define APIKEY_REPLAY_SCAN_H

#include "postgres.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "replay_keys.h"

/* What to replay. */
typedef struct ApikeyReplayJob
{
	const ApikeyRules *proposed;	/* of the policy to be changed */
	TimestampTz since;
	TimestampTz until;			/* not included */
	int64		most;			/* enough when so many requests are newly
								 * denied; 0: count all */
} ApikeyReplayJob;

/*
 * apikey_replay_run returns the keys with what differs for them, below the
 * current memory context; *denied is the number of requests newly denied.  Reads
 * all rows there are, whatever row security says: the caller of the SQL function
 * was checked before.  The snapshot is the active one.
 */
extern ApikeyReplayKeys *apikey_replay_run(const ApikeyReplayJob *job, int64 *denied);

#endif							/* APIKEY_REPLAY_SCAN_H */
