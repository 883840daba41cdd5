/*
 * keystore.h
 *		From a digest to everything that is decided on.
 *
 * Layer 3.  Reads only, by index, under one snapshot; never waits for a row
 * lock.  keycache.c keeps what is read here.
 */
#ifndef APIKEY_KEYSTORE_H
#define APIKEY_KEYSTORE_H

#include "postgres.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "changes.h"
#include "crypto.h"
#include "decide.h"
#include "rulecache.h"

#define APIKEY_ROW_COLUMNS	12	/* valid to expires_at */

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
	ApikeyTenant *tenant;

	/* columns of the verdict as they are, NULL: SQL NULL */
	text	   *environment;
	text	   *owner;
	text	   *name;
	ArrayType  *scopes;
	struct varlena *metadata;

	/*
	 * the first APIKEY_ROW_COLUMNS of the verdict VALID in the form they have
	 * inside a row, and which of them are NULL: forming the row anew would
	 * cost more than all checks
	 */
	char	   *row;
	int			row_len;
	bits8		row_bits[2];

	int			nlimits;		/* > APIKEY_LIMITS_MAX: too many to decide */
	ApikeyLimit *limits;		/* all that apply; limits.c charges them, and
								 * writes into them from call to call */

	/* how long it may be kept, besides what changes.h tells */
	bool		complete;		/* no row was missing, and all that it shares
								 * with others is kept */
	ApikeySpan	span;			/* of its policies' versions */
	const pg_tz *calendar;		/* the session's time zone, if a grace was
								 * added in it */
} ApikeyKey;

/*
 * apikey_keystore_find looks the digest up and compares it in constant time.
 * Returns false when there is no such secret.
 */
extern bool apikey_keystore_find(const unsigned char digest[APIKEY_DIGEST_LEN],
								 int32 keyring_id, ApikeyReading *reading,
								 ApikeySecret *secret);

/*
 * apikey_keystore_load fills key for a secret, everything but what is shared
 * allocated in the current memory context.  Returns false when the key has
 * vanished (a row of it was deleted by hand).
 */
extern bool apikey_keystore_load(const ApikeySecret *secret, ApikeyReading *reading,
								 ApikeyKey *key);

/*
 * What decide() and the limits of a key need, as it is and with other rules in
 * place of those of their policy; no secret, environment or verdict.  False when
 * the key has vanished or that policy is neither its own nor an ancestor's.
 */
extern bool apikey_keystore_compare(int64 key_id, const ApikeyRules *rules,
									ApikeyReading *reading, ApikeyKey *today,
									ApikeyKey *proposed);

/* expires_at of a verdict as SQL shows it; not for APIKEY_NO_TIME. */
static inline TimestampTz
apikey_shown_time(TimestampTz at)
{
	return (IS_VALID_TIMESTAMP(at) || at == DT_NOEND) ? at : DT_NOBEGIN;
}

/* Tenant and environment of a key id, for log_usage(). */
extern bool apikey_keystore_identify(int64 key_id, ApikeyReading *reading,
									 int64 *tenant_id, int64 *environment_id);

#endif							/* APIKEY_KEYSTORE_H */
