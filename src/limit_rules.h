/*
 * limit_rules.h
 *		Limits as they are stored, turned into what is charged.
 *
 * Layer 3.  Everything is allocated in the current memory context.
 */
#ifndef APIKEY_LIMIT_RULES_H
#define APIKEY_LIMIT_RULES_H

#include "postgres.h"

#include "catalog.h"
#include "decide.h"
#include "limit.h"

/*
 * The definitions in an apikey.rate_limit[] and an apikey.quota[] column of
 * the current row.  A malformed one (written around the functions) becomes a
 * limit that nothing passes, never none.
 */
extern ApikeyLimitDefList apikey_limit_rules_defs(ApikeyScan *scan, int rate_limits,
												  int quotas);

/*
 * The limits that apply to the key at the bottom of a chain: for each link its
 * own, and those of its policy whose name it does not use itself.  owner[i] is
 * the owner of links[i].  Returns the count; more than APIKEY_LIMITS_MAX are
 * reported as APIKEY_LIMITS_MAX + 1 and not stored.
 */
extern int	apikey_limit_rules_resolve(const ApikeyRecord *record, const ApikeyStr *owner,
									   ApikeyLimit **limits);

#endif							/* APIKEY_LIMIT_RULES_H */
