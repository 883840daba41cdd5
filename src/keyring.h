/*
 * keyring.h
 *		Data keys: the keys of the keyed digests.
 *
 * Layer 3.  A data key lives in table keyring, in the clear or wrapped by a
 * master key that lives outside of the database.  A process unwraps it once
 * and keeps it in guarded memory; each load compares the stored bytes with
 * those it was made from, so a rewrap, a restore or a new extension in the
 * same database is noticed.  rulecache.c keeps the list between loads.
 */
#ifndef APIKEY_KEYRING_H
#define APIKEY_KEYRING_H

#include "postgres.h"
#include "utils/snapshot.h"

#include "crypto.h"

/* The stored form of a data key. */
typedef struct ApikeyStoredKey
{
	bool		wrapped;
	int			material_len;	/* APIKEY_DATA_KEY_LEN or APIKEY_WRAPPED_LEN */
	unsigned char material[APIKEY_WRAPPED_LEN];
	unsigned char master_id[APIKEY_MASTER_ID_LEN];
} ApikeyStoredKey;

/* A data key ready for use; key points into guarded memory. */
typedef struct ApikeyDataKey
{
	int32		keyring_id;
	const unsigned char *key;
} ApikeyDataKey;

/*
 * apikey_keyring_load returns the active data keys as of snapshot, newest
 * first, in a palloc'd array (count 0: no key was ever made).  The key
 * pointers stay valid until the next call.  ERROR AK010 when a key is wrapped
 * and no master key is at hand, AK011 when it is another master key.
 */
extern ApikeyDataKey *apikey_keyring_load(Snapshot snapshot, int *count);

/* Counts up whenever key pointers of an earlier load may have become invalid. */
extern uint64 apikey_keyring_serial;

/* apikey_keyring_make makes a new data key, wrapped if a master key is configured. */
extern void apikey_keyring_make(ApikeyStoredKey *stored);

/*
 * apikey_keyring_rewrap turns one stored form into another: under the
 * configured master key, or in the clear.  Opens it with the configured or the
 * previous master key.
 */
extern void apikey_keyring_rewrap(const ApikeyStoredKey *old, bool plain,
								  ApikeyStoredKey *stored);

#endif							/* APIKEY_KEYRING_H */
