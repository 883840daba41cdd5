/*
 * decide.h
 *		The decision: (key record, request, now) -> verdict, nothing else.
 *
 * Layer 0: C library only; no I/O, no allocation, no clock.  The hot path, the
 * unit tests and later the policy preview call the same code.
 *
 * All instants are microseconds since 2000-01-01 00:00 UTC (PostgreSQL's
 * TimestampTz), APIKEY_NO_TIME where there is none.  That is also PostgreSQL's
 * -infinity, so the loader must not pass one on as an expiry or a revocation:
 * it would read as "never".  'infinity' needs no care.
 *
 * An instant named as an end is outside: at expires_at a key is expired, at
 * not_before it is valid.  A revocation that is recorded (status, revoked_at)
 * holds whatever the clock says, so a clock set back revives nothing; only
 * revoke_at, the scheduled one, is compared with now.
 *
 * Order of checks (the first that fails gives the code); 1 to 3 (text,
 * look-up, guard) and 13 (limits) are the caller's:
 *	 4 tenant	5 revoked, superseded	6 suspended, pending, not before
 *	 7 expiry	8 environment			9 networks	10 endpoints
 *	11 hours   12 scopes
 *
 * A key may have ancestors.  links[0] is the key itself, links[1] its parent
 * and so on.  What a child may do lies within what each ancestor may do now:
 * a suspended, pending or expired ancestor denies with the same code,
 * networks, endpoints, hours and scopes must pass on every link, and it is one
 * alternative of a scope 'a|b' that every link must hold.  A policy's required
 * scopes are asked of its key and that key's ancestors.  A revoked ancestor
 * does not deny by itself: revocation cascades by writing the children, and
 * an explicit non-cascading one leaves them alive, bound by the old rules.
 *
 * What is restricted must be told: without an ip where a network rule exists,
 * without an endpoint where an endpoint rule exists, the answer is a denial.
 * An ip of no known family, an empty endpoint, a method that is no HTTP token
 * count as none.  Without a method an allow rule for any method may still
 * allow, and a deny rule for some method denies.
 *
 * Warnings: EXPIRES_SOON when the key or an ancestor expires within
 * expires_soon (the end of a secret's overlap is OLD_SECRET's business),
 * IN_GRACE when one of them has expired but its grace has not ended,
 * OLD_SECRET when the presented secret has an end of overlap.
 */
#ifndef APIKEY_DECIDE_H
#define APIKEY_DECIDE_H

#include <stdint.h>

#include "codes.h"
#include "endpoint.h"
#include "hours.h"
#include "limit.h"
#include "network.h"
#include "scope.h"
#include "str.h"

#define APIKEY_NO_TIME	INT64_MIN
#define APIKEY_DETAIL_MAX	384
#define APIKEY_LINKS_MAX	16	/* depth of a key tree */

typedef enum ApikeyKeyStatus
{
	APIKEY_KEY_PENDING,
	APIKEY_KEY_ACTIVE,
	APIKEY_KEY_SUSPENDED,
	APIKEY_KEY_REVOKED
} ApikeyKeyStatus;

/* Rules in force of one policy (its current version), compiled. */
typedef struct ApikeyPolicy
{
	int64_t		policy_id;
	int32_t		version;
	ApikeyNetList allowed_nets; /* empty allows all */
	ApikeyNetList denied_nets;
	ApikeyStrList allowed_endpoints;	/* empty allows all */
	ApikeyStrList denied_endpoints;
	ApikeyWindowList hours;		/* empty allows all */
	ApikeyStrList required_scopes;
	bool		has_max_scopes;
	ApikeyStrList max_scopes;
	ApikeyLimitDefList limits;	/* for limit_rules.c, not for decide() */
	int			priority;		/* 0 lowest .. 100 highest */
} ApikeyPolicy;

/* One key of the chain from the presented key up to its root. */
typedef struct ApikeyLink
{
	int64_t		key_id;
	ApikeyKeyStatus status;
	int64_t		not_before;
	int64_t		expires_at;
	int64_t		expires_with_grace; /* expires_at + grace of its policy,
									 * filled by the loader, APIKEY_NO_TIME if
									 * none */
	int64_t		revoke_at;
	int64_t		revoked_at;
	ApikeyNetList nets;			/* own networks; empty allows all */
	ApikeyStrList endpoints;	/* own endpoints; empty allows all */
	ApikeyStrList scopes;		/* own scopes and those of its roles */
	const ApikeyPolicy *policy; /* or NULL */
	ApikeyLimitDefList limits;	/* own limits; for limit_rules.c */
} ApikeyLink;

typedef struct ApikeyRecord
{
	/* identity */
	int64_t		key_id;
	int64_t		secret_id;
	int64_t		tenant_id;
	int64_t		environment_id;
	ApikeyStr	environment;	/* name */

	/* the tenant or one of its ancestors is suspended */
	bool		tenant_suspended;

	/* the presented secret */
	int64_t		secret_expires_at;	/* end of the overlap */
	int64_t		secret_revoked_at;

	int			nlinks;			/* >= 1 */
	const ApikeyLink *links;
	bool		chain_broken;	/* too deep, a cycle or no rules: SUSPENDED */
} ApikeyRecord;

/* An endpoint that is made ready for comparison when a rule first asks. */
typedef struct ApikeyPreparedPath
{
	bool		done;			/* false for a new request */
	ApikeyPath	path;
} ApikeyPreparedPath;

typedef struct ApikeyRequest
{
	int64_t		now;
	ApikeyStrList scopes;		/* all must be satisfied; 'a|b' = either */
	ApikeyNet	ip;				/* family 0: none given; normalized */
	bool		ip_blocked;		/* an entry of the block list covers it */
	ApikeyStr	method;			/* ptr NULL: none given */
	ApikeyStr	endpoint;		/* ptr NULL: none given */
	ApikeyStr	environment;	/* ptr NULL: none given */
	int64_t		expires_soon;	/* microseconds before the expiry to warn; 0 =
								 * never */
	apikey_local_time_fn local_time;
	bool		quiet;			/* only the code is wanted: detail stays empty */
	ApikeyPreparedPath *prepared;	/* NULL, or where several decisions on one
									 * request keep its endpoint */
} ApikeyRequest;

typedef struct ApikeyVerdict
{
	ApikeyCode	code;
	unsigned	warnings;		/* APIKEY_WARN_*, only with APIKEY_VALID */
	int64_t		expires_at;		/* earliest expiry of the chain and the
								 * secret, or APIKEY_NO_TIME; set with every
								 * code, a grace not counted */
	char		detail[APIKEY_DETAIL_MAX];	/* one sentence, zero-terminated;
											 * empty if VALID. Printable
											 * ASCII.  A scope, rule or
											 * environment is quoted whole or
											 * not at all (printable, not
											 * long), and key-looking text in
											 * it is masked. */
	/* set by limits.c; decide() says "none" */
	int64_t		remaining;		/* -1: none */
	char		limit_name[APIKEY_LIMIT_NAME_MAX + 1];	/* "": none */
	int64_t		retry_after;	/* microseconds; -1: none */
} ApikeyVerdict;

/* The earliest expiry of the chain and the secret, or APIKEY_NO_TIME. */
extern int64_t apikey_earliest_expiry(const ApikeyRecord *record);

/* apikey_decide fills verdict; never fails. */
extern void apikey_decide(const ApikeyRecord *record, const ApikeyRequest *request,
						  ApikeyVerdict *verdict);

#endif							/* APIKEY_DECIDE_H */
