/*
 * verify.h
 *		The pipeline: parse -> digest -> look-up -> decide -> record.
 *
 * Layer 4.
 */
#ifndef APIKEY_VERIFY_H
#define APIKEY_VERIFY_H

#include "postgres.h"

#include "decide.h"
#include "keystore.h"
#include "record.h"

typedef struct ApikeyCall
{
	ApikeyStr	key;			/* ptr NULL: SQL NULL */
	ApikeyStr	environment;
	ApikeyStr	tenant;			/* path */
	bool		record;			/* write a row for an accepted call */
	ApikeyContext context;
} ApikeyCall;

typedef struct ApikeyAnswer
{
	ApikeyVerdict verdict;
	bool		found;			/* key is filled: the caller may know of it */
	ApikeyKey	key;
} ApikeyAnswer;

/*
 * apikey_verify answers one call for the current role, and records it.
 * Allocates in the current memory context.  Works in read-only transactions
 * and on a standby; ERROR invalid_transaction_state in parallel mode, the
 * errors of keyring.h and keystore.h, nothing else.
 */
extern void apikey_verify(const ApikeyCall *call, ApikeyAnswer *answer);

/*
 * What the key may do at most: scopes of key and roles, cut by the policy's
 * max_scopes and by every ancestor.  palloc'd, duplicates removed.
 */
extern ApikeyStrList apikey_effective_scopes(const ApikeyRecord *record);

#endif							/* APIKEY_VERIFY_H */
