/*
 * rulecache.h
 *		What many keys share, compiled and kept: policies, roles, tenants with
 *		their blocked networks, environments, data keys.
 *
 * Layer 3.  All of it lives and dies together: a change of any such row marks
 * everything (changes.h), which happens seldom, while the change of one key
 * leaves it alone.  keycache.c decides when to forget.
 *
 * What a function returns is good for the verification it was asked for.  It
 * is "kept" if it is in the cache, where it stays until apikey_rulecache_reset;
 * otherwise it is in the current memory context.
 */
#ifndef APIKEY_RULECACHE_H
#define APIKEY_RULECACHE_H

#include "postgres.h"

#include "changes.h"
#include "keyring.h"
#include "limit.h"
#include "membership.h"
#include "network.h"
#include "rules.h"
#include "str.h"

/* The scopes of a role. */
typedef struct ApikeyRoleScopes
{
	bool		kept;
	ApikeyStrList scopes;
} ApikeyRoleScopes;

typedef struct ApikeyEnvironment
{
	bool		kept;
	text	   *name;
} ApikeyEnvironment;

/* The block list of one tenant (0: of all). */
typedef struct ApikeyBlockSet
{
	bool		kept;
	bool		huge;			/* too long to be compiled: look it up */
	ApikeyBlockList list;
} ApikeyBlockSet;

#define APIKEY_ROLE_ANSWERS 4

/* A tenant with its ancestors. */
typedef struct ApikeyTenant
{
	bool		kept;
	bool		complete;		/* the chain ends at a root */
	bool		suspended;		/* it or one above it */
	int64	   *ids;			/* its own, then its ancestors */
	int			nids;
	text	   *path;
	ApikeyStr	path_str;		/* the same, for comparisons */
	const ApikeyBlockSet **blocks;	/* of each id, then of all */
	int			nblocks;
	ApikeyTenantLimitList limits;	/* of all ids, its own first */

	/* written from call to call: who may verify for it */
	struct
	{
		Oid			role;
		bool		may;
		uint64		stamp;		/* 0: no answer */
	} answers[APIKEY_ROLE_ANSWERS];
	int			next_answer;
} ApikeyTenant;

/* All of them: NULL when the row is not there. */
extern const ApikeyRules *apikey_rulecache_policy(int64 policy_id, ApikeyReading *reading);
extern const ApikeyRoleScopes *apikey_rulecache_role(int64 role_id, ApikeyReading *reading);
extern const ApikeyEnvironment *apikey_rulecache_environment(int64 environment_id,
															 ApikeyReading *reading);

/* Never NULL; nids is 0 when there is no such tenant. */
extern ApikeyTenant *apikey_rulecache_tenant(int64 tenant_id, ApikeyReading *reading);

/* The active data keys, newest first. */
extern const ApikeyDataKey *apikey_rulecache_data_keys(ApikeyReading *reading, int *count);

/* Whether a role may verify for a tenant. */
extern bool apikey_rulecache_may_verify(ApikeyTenant *tenant, Oid role);

/* Whether a block list of the tenant's chain, or of all, covers ip at now. */
extern bool apikey_rulecache_ip_blocked(const ApikeyTenant *tenant, const ApikeyNet *ip,
										TimestampTz now);

/*
 * apikey_rulecache_reset forgets everything and starts anew, in at most limit
 * bytes below parent; parent NULL ends it.  What is kept from now on is
 * current as of stamp or later.
 */
extern void apikey_rulecache_reset(MemoryContext parent, Size limit, uint64 stamp);

/*
 * A cache for one reading (ApikeyReading.rules), without a limit: all is read
 * under the one snapshot, so nothing in it can become out of date.  It lies in
 * context and goes with it.  Not for data keys.
 */
extern struct ApikeyRuleCache *apikey_rulecache_private(MemoryContext context);

/* Whether something did not fit: time for a reset. */
extern bool apikey_rulecache_full(void);

#endif							/* APIKEY_RULECACHE_H */
