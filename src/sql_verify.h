/*
 * sql_verify.h
 *		What authenticate() and the planner's support function share with
 *		verify().
 *
 * Layer 6.
 */
#ifndef APIKEY_SQL_VERIFY_H
#define APIKEY_SQL_VERIFY_H

#include "postgres.h"
#include "fmgr.h"

#include "verify.h"

/* The arguments of verify() and is_allowed(), as in sql/50_verify.sql. */
enum
{
	APIKEY_ARG_KEY,
	APIKEY_ARG_SCOPES,
	APIKEY_ARG_IP,
	APIKEY_ARG_METHOD,
	APIKEY_ARG_ENDPOINT,
	APIKEY_ARG_ENVIRONMENT,
	APIKEY_ARG_TENANT,
	APIKEY_ARG_UNITS,
	APIKEY_ARG_USER_AGENT,
	APIKEY_ARG_REGION,
	APIKEY_ARG_REQUEST_ID,
	APIKEY_ARG_TAGS,
	APIKEY_ARG_RECORD
};

/*
 * apikey_sql_verify_call does what the SQL function verify() does, for a
 * function of the same arguments and result.  The key of answer is good until
 * the next verification.
 */
extern Datum apikey_sql_verify_call(FunctionCallInfo fcinfo, ApikeyAnswer *answer);

#endif							/* APIKEY_SQL_VERIFY_H */
