/*
 * keystore.h
 *		From a digest to everything that is decided on.
 *
 * Layer 3.  Reads only, by index, under one snapshot of the caller; never
 * waits for a row lock.
 */
#ifndef APIKEY_KEYSTORE_H
#define APIKEY_KEYSTORE_H

#include "postgres.h"
#include "utils/snapshot.h"
#include "utils/timestamp.h"

#include "crypto.h"
#include "decide.h"
#include "membership.h"

/* The secret that a digest belongs to. */
typedef struct ApikeySecret
{
	int64		secret_id;
	int64		key_id;
	TimestampTz expires_at;		/* APIKEY_NO_TIME: none */
	TimestampTz revoked_at;
} ApikeySecret;

/* A key with all that decide() and the verdict need. */
typedef struct ApikeyKey
{
	ApikeyRecord record;
	int64		tenants[APIKEY_TENANT_DEPTH];	/* its tenant, then ancestors */
	int			ntenants;		/* 0: the chain is broken */
	const char *tenant_path;
	ApikeyStr	owner;
	ApikeyStr	name;
	ApikeyStr	metadata;		/* the jsonb datum's bytes (whole varlena) */
	bool		has_metadata;
	ApikeyLimit *limits;		/* all that apply; limits.c charges them */
	int			nlimits;		/* > APIKEY_LIMITS_MAX: too many to decide */
} ApikeyKey;

/*
 * apikey_keystore_find looks the digest up and compares it in constant time.
 * Returns false when there is no such secret.
 */
extern bool apikey_keystore_find(const unsigned char digest[APIKEY_DIGEST_LEN],
								 int32 keyring_id, Snapshot snapshot,
								 ApikeySecret *secret);

/*
 * apikey_keystore_load fills key for a secret, everything allocated in the
 * current memory context.  ip (family 0: none) is looked up in the block list.
 * Returns false when the key has vanished (a row of it was deleted by hand).
 */
extern bool apikey_keystore_load(const ApikeySecret *secret, TimestampTz now,
								 const ApikeyNet *ip, Snapshot snapshot,
								 ApikeyKey *key);

/* Tenant and environment of a key id, for log_usage(). */
extern bool apikey_keystore_identify(int64 key_id, Snapshot snapshot,
									 int64 *tenant_id, int64 *environment_id);

#endif							/* APIKEY_KEYSTORE_H */
