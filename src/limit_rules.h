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

/* What is wrong with a definition. */
typedef enum ApikeyLimitFault
{
	APIKEY_LIMIT_OK,
	APIKEY_LIMIT_DIMENSIONS,	/* the array has more than one */
	APIKEY_LIMIT_TOO_MANY,
	APIKEY_LIMIT_NULL,			/* the element */
	APIKEY_LIMIT_NAME,
	APIKEY_LIMIT_NAME_KEY,		/* holds the text of a key */
	APIKEY_LIMIT_NAME_TWICE,
	APIKEY_LIMIT_SHARED,
	APIKEY_LIMIT_REQUESTS,
	APIKEY_LIMIT_PER,			/* NULL, zero, negative */
	APIKEY_LIMIT_PER_MONTHS,
	APIKEY_LIMIT_PER_LONG,		/* does not fit nanoseconds */
	APIKEY_LIMIT_FAST,			/* more than one per nanosecond */
	APIKEY_LIMIT_BURST,
	APIKEY_LIMIT_CAPACITY,		/* burst * increment does not fit */
	APIKEY_LIMIT_UNITS,
	APIKEY_LIMIT_PERIOD,
	APIKEY_LIMIT_ZONE			/* too long, or not known to this server */
} ApikeyLimitFault;

/* apikey_share_name returns who shares a limit, as rules and tables write it. */
extern const char *apikey_share_name(ApikeyShare shared);

/*
 * The definitions in an apikey.rate_limit[] and an apikey.quota[] column of
 * the current row.  A malformed one (written around the functions) becomes a
 * limit that nothing passes, never none: a rate limit with a burst of 0, a
 * quota of 0 units without a time zone, named "invalid" if its name is what is
 * wrong.
 */
extern ApikeyLimitDefList apikey_limit_rules_defs(ApikeyScan *scan, int rate_limits,
												  int quotas);

/*
 * The same for a tenant's columns.  Whatever a definition says of sharing, a
 * tenant's limit is shared by its whole tree.  Appended to *list; the array,
 * made here, has room for any number.
 */
extern void apikey_limit_rules_tenant(ApikeyScan *scan, int64 tenant_id,
									  ApikeyTenantLimitList *list);

/*
 * apikey_limit_rules_check judges the two arrays (NULL pointers: none), with
 * zones also whether the server knows the time zones.  At a fault, *kind and
 * *element (from 1; 0: the array) tell where, and *name is the definition's
 * (ptr NULL: it has none).
 */
extern ApikeyLimitFault apikey_limit_rules_check(Datum *rate_limits, Datum *quotas,
												 bool zones, ApikeyBucketKind *kind,
												 int *element, ApikeyStr *name);

/*
 * The limits that apply to the key at the bottom of a chain: for each link its
 * own, and those of its policy whose name it does not use itself; then those of
 * its tenant and of all above, whatever their names.  owner[i] is the owner of
 * links[i].  Two that share a bucket become one, the stricter of
 * each of their values.  Returns the count; more than APIKEY_LIMITS_MAX are
 * reported as APIKEY_LIMITS_MAX + 1 and not stored.
 */
extern int	apikey_limit_rules_resolve(const ApikeyRecord *record, const ApikeyStr *owner,
									   ApikeyTenantLimitList tenant, ApikeyLimit **limits);

/*
 * The bucket in shared memory of a durable identity: another one in each
 * database, and in each installation of the extension in a database.
 */
extern ApikeyBucketId apikey_limit_rules_bucket_id(const unsigned char durable_id[APIKEY_LIMIT_ID_LEN]);

#endif							/* APIKEY_LIMIT_RULES_H */
