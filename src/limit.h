/*
 * limit.h
 *		What a rate limit and a quota are.
 *
 * Layer 0: C library only.
 *
 * A definition (ApikeyLimitDef) is a rule of a policy or a key.  A limit
 * (ApikeyLimit) is a definition that applies to a key, with the identity of
 * the bucket it is counted in.  The identity holds who shares the bucket and
 * the limit's name, never its value: a limit that changes keeps its history.
 *
 * A tenant may have limits, too (ApikeyTenantLimit): one bucket for all keys of
 * the tenant and of those below it.  They are charged together with the key's
 * own, all or nothing, and nothing that a key or a policy defines replaces
 * them.  What a tenant strictly above the key's has left tells of the traffic
 * of its siblings, so no verdict shows it: such a limit is "above".
 */
#ifndef APIKEY_LIMIT_H
#define APIKEY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "bucket.h"
#include "str.h"

#define APIKEY_LIMITS_MAX		64	/* that may apply to one request, parents'
									 * included */
#define APIKEY_LIMIT_DEFS_MAX	8	/* of one policy or key, rate limits and
									 * quotas together */
#define APIKEY_LIMIT_NAME_MAX	63	/* bytes */
#define APIKEY_LIMIT_ID_LEN		16

/* Who shares the bucket of a limit. */
typedef enum ApikeyShare
{
	APIKEY_SHARE_KEY,
	APIKEY_SHARE_OWNER,
	APIKEY_SHARE_TENANT,
	APIKEY_SHARE_POLICY,
	APIKEY_SHARE_TREE			/* of a tenant: it and all below; no rule can
								 * say so, and the number is part of stored
								 * identities */
} ApikeyShare;

/* A quota's window; TOTAL has no end. */
typedef enum ApikeyPeriod
{
	APIKEY_PERIOD_HOUR,
	APIKEY_PERIOD_DAY,
	APIKEY_PERIOD_WEEK,
	APIKEY_PERIOD_MONTH,
	APIKEY_PERIOD_TOTAL
} ApikeyPeriod;

typedef struct ApikeyLimitDef
{
	ApikeyBucketKind kind;
	ApikeyStr	name;			/* 1 .. APIKEY_LIMIT_NAME_MAX bytes */
	ApikeyShare shared;
	/* APIKEY_BUCKET_RATE */
	int64_t		increment;		/* ns per unit, > 0 */
	int64_t		burst;			/* units, > 0; burst * increment fits */
	/* APIKEY_BUCKET_QUOTA */
	int64_t		units;			/* per window, > 0 */
	ApikeyPeriod period;
	const void *tz;				/* a pg_tz; NULL: not known, always denied */
} ApikeyLimitDef;

typedef struct ApikeyLimitDefList
{
	const ApikeyLimitDef *items;
	int			count;
} ApikeyLimitDefList;

/* A limit that a tenant has. */
typedef struct ApikeyTenantLimit
{
	int64_t		tenant_id;
	ApikeyLimitDef def;			/* shared: APIKEY_SHARE_TREE */
} ApikeyTenantLimit;

typedef struct ApikeyTenantLimitList
{
	const ApikeyTenantLimit *items;
	int			count;
} ApikeyTenantLimitList;

typedef struct ApikeyLimit
{
	ApikeyLimitDef def;
	int			priority;		/* of the policy of its key, for throttling */

	/* whose it is, as the durable rows tell it */
	int64_t		tenant_id;
	int64_t		key_id;			/* of the key that has the limit; TREE: of the
								 * one that is charged */
	bool		above;			/* of a tenant above the key's: not to be
								 * shown */
	ApikeyStr	holder;			/* the key's id, the owner, ...: as text */

	unsigned char durable_id[APIKEY_LIMIT_ID_LEN];	/* the same in a restored
													 * database */
	ApikeyBucketId id;			/* in shared memory of this server */

	/* kept from call to call, by limits.c */
	ApikeyBucketShared *bucket; /* where the bucket was last; may be another's
								 * by now */
	int64_t		window;			/* QUOTA: start and end of the window last
								 * used, microseconds since 2000; equal: none */
	int64_t		window_end;
} ApikeyLimit;

#endif							/* APIKEY_LIMIT_H */
