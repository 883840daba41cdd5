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
#include "keycache.h"
#include "record.h"

typedef struct ApikeyCall
{
	ApikeyStr	key;			/* ptr NULL: SQL NULL */
	ApikeyStr	environment;
	ApikeyStr	tenant;			/* path */
	bool		record;			/* write a row for an accepted call */
	ApikeyContext context;
	ApikeyStr	few_scopes[4];	/* room for context.scopes */
} ApikeyCall;

typedef struct ApikeyAnswer
{
	ApikeyVerdict verdict;
	ApikeyKey  *key;			/* NULL: none that the caller may know of */
} ApikeyAnswer;

/*
 * apikey_verify answers one call for the current role, and records it.  The
 * key is good until the next call.  Allocates in the current memory context.  Works in read-only transactions
 * and on a standby; ERROR invalid_transaction_state in parallel mode, the
 * errors of keyring.h and keystore.h, nothing else.
 */
extern void apikey_verify(const ApikeyCall *call, ApikeyAnswer *answer);

#endif							/* APIKEY_VERIFY_H */
