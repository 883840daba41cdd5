/*
 * errors.h
 *		SQLSTATEs of our own: only what a caller branches on.
 *
 * Layer 1.  Class AK.  Everything else uses PostgreSQL's codes.
 */
#ifndef APIKEY_ERRORS_H
#define APIKEY_ERRORS_H

#include "postgres.h"
#include "utils/elog.h"

/* raised in SQL (tenant.max_keys, max_keys_per_owner): AK001 */
#define APIKEY_ERRCODE_KEY_LIMIT		MAKE_SQLSTATE('A', 'K', '0', '0', '1')
/* raised in SQL (policy's max_ttl): AK002 */
#define APIKEY_ERRCODE_TTL_LIMIT		MAKE_SQLSTATE('A', 'K', '0', '0', '2')
/* raised in SQL (a policy's change denies recent traffic, not forced): AK003 */
#define APIKEY_ERRCODE_DENIES_TRAFFIC	MAKE_SQLSTATE('A', 'K', '0', '0', '3')
/* raised in SQL (such keys are asked for with request_key()): AK004 */
#define APIKEY_ERRCODE_APPROVAL_NEEDED	MAKE_SQLSTATE('A', 'K', '0', '0', '4')
/* raised in SQL (the action takes step_up() first): AK005 */
#define APIKEY_ERRCODE_STEP_UP_NEEDED	MAKE_SQLSTATE('A', 'K', '0', '0', '5')
/* the data key is wrapped and no master key is configured or readable */
#define APIKEY_ERRCODE_MASTER_KEY_MISSING MAKE_SQLSTATE('A', 'K', '0', '1', '0')
/* the configured master key is not the one the data key was wrapped with */
#define APIKEY_ERRCODE_MASTER_KEY_WRONG MAKE_SQLSTATE('A', 'K', '0', '1', '1')

#endif							/* APIKEY_ERRORS_H */
