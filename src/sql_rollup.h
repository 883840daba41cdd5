/*
 * sql_rollup.h
 *		Which rows are to be counted: those of transactions that are in one set
 *		and not in another.
 *
 * Layer 6.
 */
#ifndef APIKEY_SQL_ROLLUP_H
#define APIKEY_SQL_ROLLUP_H

#include "postgres.h"

#include "access/transam.h"

#include "seen.h"

typedef struct ApikeyNewlySeen
{
	uint64		next;			/* as it was at the begin */
	bool		has_before;
	bool		has_seen;
	ApikeySeen	before;
	ApikeySeen	seen;
	TransactionId last;			/* rows of one transaction are together */
	bool		last_is_new;
} ApikeyNewlySeen;

/* Both sets are values of type bigint[]; NULL is the empty set and the set of all. */
extern void apikey_newly_seen_begin(ApikeyNewlySeen *sets, void *before, void *seen);

/* Whether the transaction that stored a row is in the second set only. */
extern bool apikey_newly_seen_look(ApikeyNewlySeen *sets, TransactionId short_xid);

static inline bool
apikey_newly_seen_has(ApikeyNewlySeen *sets, TransactionId short_xid)
{
	if (short_xid == sets->last && TransactionIdIsValid(short_xid))
		return sets->last_is_new;
	return apikey_newly_seen_look(sets, short_xid);
}

#endif							/* APIKEY_SQL_ROLLUP_H */
