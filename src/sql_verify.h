/*
 * sql_verify.h
 *		What authenticate() shares with verify().
 *
 * Layer 6.
 */
#ifndef APIKEY_SQL_VERIFY_H
#define APIKEY_SQL_VERIFY_H

#include "postgres.h"
#include "fmgr.h"

#include "verify.h"

/*
 * apikey_sql_verify_call does what the SQL function verify() does, for a
 * function of the same arguments and result.  The key of answer is good until
 * the next verification.
 */
extern Datum apikey_sql_verify_call(FunctionCallInfo fcinfo, ApikeyAnswer *answer);

#endif							/* APIKEY_SQL_VERIFY_H */
