/*
 * membership.h
 *		Which database role may do what for which tenant.
 *
 * Layer 3.  Access levels and the classes of action they cover:
 *
 *				verify	usage	metadata	audit	keys	admin
 *	verifier	  x
 *	analyst				  x
 *	auditor				  x		  x			  x
 *	operator			  x		  x					  x
 *	admin		  x		  x		  x			  x		  x		  x
 *
 * Access to a tenant reaches down its tree; a row without a tenant covers all.
 * Superusers may do everything.  "any" is a class of every level.
 */
#ifndef APIKEY_MEMBERSHIP_H
#define APIKEY_MEMBERSHIP_H

#include "postgres.h"
#include "utils/snapshot.h"

#include "str.h"

#define APIKEY_ACCESS_VERIFIER	0x01
#define APIKEY_ACCESS_ANALYST	0x02
#define APIKEY_ACCESS_AUDITOR	0x04
#define APIKEY_ACCESS_OPERATOR	0x08
#define APIKEY_ACCESS_ADMIN		0x10

#define APIKEY_CLASS_VERIFY		(APIKEY_ACCESS_VERIFIER | APIKEY_ACCESS_ADMIN)

/* mask of levels that cover a class; ERROR invalid_parameter_value if unknown */
extern int	apikey_class_mask(const char *name);

/*
 * Whether role has one of the levels of mask on a tenant, given with its
 * ancestors (ntenants may be 0: then only access to all tenants counts), and
 * the transaction has not narrowed itself to another tenant (identity.h).
 */
extern bool apikey_role_may(Oid role, int mask, const int64 *tenants, int ntenants,
							Snapshot snapshot);

/* The same by the memberships alone. */
extern bool apikey_role_is_member(Oid role, int mask, const int64 *tenants, int ntenants,
								  Snapshot snapshot);

/*
 * Tenants on which role has one of the levels of mask, descendants included,
 * as a palloc'd array; *all tells that the role has access to all tenants.  In
 * a transaction that narrowed itself only those of its tenant, and never all.
 */
extern int64 *apikey_role_tenants(Oid role, int mask, Snapshot snapshot,
								  int *count, bool *all);

/*
 * The tenant and its ancestors, nearest first, into ids (room for
 * APIKEY_TENANT_DEPTH); returns how many, 0 if there is no such tenant or the
 * chain does not end.
 */
#define APIKEY_TENANT_DEPTH 32
extern int	apikey_tenant_chain(int64 tenant_id, int64 *ids, Snapshot snapshot);

/* The tenant of a path such as acme/eu, 0 if there is none. */
extern int64 apikey_tenant_find(ApikeyStr path, Snapshot snapshot);

#endif							/* APIKEY_MEMBERSHIP_H */
