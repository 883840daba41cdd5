/*
 * identity.h
 *		Who the transaction acts for: the tenant it narrowed itself to, and the
 *		tenant or key it goes by.
 *
 * Layer 1.
 *
 * Invariant.  apikey_identity is NULL, or tells what set_tenant() and
 * authenticate() said last in this transaction, apart from what a rollback to
 * a savepoint took back; in a parallel worker, what it was in the leader.
 *
 * It is the value of the bound parameter apikey.context (bound.h) in another
 * form: the check hook makes the form and hands it to the assign hook, so both
 * always change together, and PostgreSQL frees a form when neither the
 * parameter nor anything that could still come back has it.
 *
 * Without an identity the functions that tell it return NULL or false: a row
 * security policy that compares with them lets nothing pass.  Without a
 * narrowing a role has what its memberships give: set_tenant() guards an
 * application against its own mistakes, and the memberships are the wall.
 */
#ifndef APIKEY_IDENTITY_H
#define APIKEY_IDENTITY_H

#include "postgres.h"

#include "str.h"

typedef struct ApikeyIdentity
{
	int64		narrow;			/* 0, or nothing outside of this tenant is
								 * there */
	int64		tenant_id;		/* 0: no identity */
	ApikeyStr	tenant;			/* its path */
	int64		key_id;			/* 0: a tenant without a key */
	ApikeyStrList scopes;		/* of the key */
} ApikeyIdentity;

/* NULL: neither a narrowing nor an identity.  Written by identity.c only. */
extern const ApikeyIdentity *apikey_identity;

/* apikey_identity_define makes the parameter; called once from _PG_init. */
extern void apikey_identity_define(void);

/*
 * apikey_identity_bind makes identity that of the transaction; what is neither
 * narrowed nor anybody makes none.
 */
extern void apikey_identity_bind(const ApikeyIdentity *identity);

extern bool apikey_identity_narrowed_from(const int64 *tenants, int ntenants);

/*
 * Whether the transaction narrowed itself so that a tenant, given with its
 * ancestors, is not there for it.  No tenants: all of them at once.
 */
static inline bool
apikey_identity_excludes(const int64 *tenants, int ntenants)
{
	return unlikely(apikey_identity != NULL) && apikey_identity_narrowed_from(tenants, ntenants);
}

/* The tenant that the transaction narrowed itself to, 0: to none. */
static inline int64
apikey_identity_narrow(void)
{
	return apikey_identity == NULL ? 0 : apikey_identity->narrow;
}

#endif							/* APIKEY_IDENTITY_H */
