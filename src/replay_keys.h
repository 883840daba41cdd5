/*
 * replay_keys.h
 *		The keys of a replay: each as it is, and as it would be.
 *
 * Layer 3.  A key is read when it is met first.  There may be a million of
 * them, so what keys have in common (scopes, networks, endpoints, limits,
 * parents) is kept once; a key by itself takes some hundred bytes.
 */
#ifndef APIKEY_REPLAY_KEYS_H
#define APIKEY_REPLAY_KEYS_H

#include "postgres.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "keystore.h"
#include "replay.h"
#include "rulecache.h"

/* What a key and others that look like it are on both sides. */
typedef struct ApikeyReplayShape
{
	ApikeyRecord record[APIKEY_SIDES];
	const ApikeyTenant *tenant;
	int			nlimits[APIKEY_SIDES];	/* > APIKEY_LIMITS_MAX: too many */
	const ApikeyReplayLimit *limits[APIKEY_SIDES];
} ApikeyReplayShape;

typedef struct ApikeyReplayKey
{
	int64		key_id;
	const ApikeyReplayShape *shape;

	/* what hardly two keys have in common */
	TimestampTz not_before;
	TimestampTz expires_at;
	TimestampTz revoke_at;
	TimestampTz with_grace[APIKEY_SIDES];

	ApikeyReplayBucket **buckets[APIKEY_SIDES];
	int64		requests;
	ApikeyDifference *difference;	/* NULL: none so far */
} ApikeyReplayKey;

typedef struct ApikeyReplayKeys ApikeyReplayKeys;

/*
 * proposed takes the place of the rules of its policy.  All is read under
 * snapshot and kept below the current memory context; now chooses the versions
 * of policies.
 */
extern ApikeyReplayKeys *apikey_replay_keys_begin(const ApikeyRules *proposed,
												  TimestampTz now, Snapshot snapshot);

/* apikey_replay_keys_today returns the rules that proposed would replace. */
extern const ApikeyRules *apikey_replay_keys_today(ApikeyReplayKeys *keys);

/*
 * apikey_replay_keys_find returns a key; NULL if the rules do not concern it, or
 * could not change its answer (it is revoked, suspended, pending).
 */
extern ApikeyReplayKey *apikey_replay_keys_find(ApikeyReplayKeys *keys, int64 key_id);

/* The records of both sides with the key's own times, until the next call. */
static inline const ApikeyRecord *
apikey_replay_keys_records(const ApikeyReplayKey *key)
{
	for (int side = 0; side < APIKEY_SIDES; side++)
	{
		/* the array is ours, const to those who read it */
		ApikeyLink *link = unconstify(ApikeyLink *, &key->shape->record[side].links[0]);

		link->key_id = key->key_id;
		link->not_before = key->not_before;
		link->expires_at = key->expires_at;
		link->expires_with_grace = key->with_grace[side];
		link->revoke_at = key->revoke_at;
	}
	return key->shape->record;
}

/* The key's difference, made if there is none. */
extern ApikeyDifference *apikey_replay_keys_difference(ApikeyReplayKeys *keys,
													   ApikeyReplayKey *key);

/* Walks over all keys: start with *position 0. NULL: no more. */
extern ApikeyReplayKey *apikey_replay_keys_next(ApikeyReplayKeys *keys, uint64 *position);

#endif							/* APIKEY_REPLAY_KEYS_H */
