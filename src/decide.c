/*
 * decide.c
 *		The decision: (key record, request, now) -> verdict.
 *
 * One static function per check of the table in decide.h, each true when it
 * passes; apikey_decide() at the end calls them in order.
 */
#include "decide.h"

#include <stdarg.h>
#include <stdio.h>

#include "redact.h"

/* longest text that a detail quotes; two of them and a sentence fit into it */
#define QUOTE_MAX		128
#define QUOTED_SIZE		(QUOTE_MAX + 4) /* blank, two quotes, zero */

/* whose rule it was: "the key" or "parent key 9223372036854775807" */
#define SUBJECT_MAX		40

typedef struct Decision
{
	const ApikeyRecord *record;
	const ApikeyRequest *request;
	ApikeyVerdict *verdict;
	unsigned	warnings;		/* given out only if all checks pass */
} Decision;

/* ---- answers ---- */

/* Set code and detail; returns false, for the caller to return. */
__attribute__((format(printf, 3, 4)))
static bool
deny(Decision *d, ApikeyCode code, const char *format,...)
{
	va_list		args;

	d->verdict->code = code;
	if (d->request->quiet)
		return false;
	va_start(args, format);
	vsnprintf(d->verdict->detail, APIKEY_DETAIL_MAX, format, args);
	va_end(args);

	/* a caller that mixes up its arguments may have passed the key as a scope */
	(void) apikey_redact(d->verdict->detail, strlen(d->verdict->detail));
	return false;
}

/*
 * Write ' "text"' into out, for a sentence.  A text that is long or not plainly
 * printable is not shown, and never a part of one: half a key would not look
 * like a key any more and escape deny()'s mask.
 */
static const char *
quoted(ApikeyStr text, char out[QUOTED_SIZE])
{
	const char *not_shown = " (not shown)";

	if (text.ptr == NULL)
		return " NULL";
	if (text.len > QUOTE_MAX)
		return not_shown;
	for (int i = 0; i < text.len; i++)
	{
		if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7E || text.ptr[i] == '"')
			return not_shown;
	}
	snprintf(out, QUOTED_SIZE, " \"%.*s\"", text.len, text.ptr);
	return out;
}

static const char *
subject(const Decision *d, int link, char out[SUBJECT_MAX])
{
	if (link == 0)
		return "the key";
	snprintf(out, SUBJECT_MAX, "parent key %lld",
			 (long long) d->record->links[link].key_id);
	return out;
}

/* ---- small helpers ---- */

/* whether an instant is set and has been reached */
static inline bool
reached(int64_t instant, int64_t now)
{
	return instant != APIKEY_NO_TIME && now >= instant;
}

static inline int64_t
earlier(int64_t a, int64_t b)
{
	if (a == APIKEY_NO_TIME)
		return b;
	if (b == APIKEY_NO_TIME)
		return a;
	return a < b ? a : b;
}

static inline const ApikeyStrList *
max_scopes(const ApikeyLink *link)
{
	return (link->policy != NULL && link->policy->has_max_scopes) ?
		&link->policy->max_scopes : NULL;
}

/* ---- the checks ---- */

/* 4 */
static bool
check_tenant(Decision *d)
{
	if (d->record->tenant_suspended)
		return deny(d, APIKEY_TENANT_SUSPENDED, "the tenant or one above it is suspended");
	return true;
}

/* 5 */
static bool
check_revoked(Decision *d)
{
	const ApikeyRecord *record = d->record;
	const ApikeyLink *key = &record->links[0];

	if (key->status == APIKEY_KEY_REVOKED || key->revoked_at != APIKEY_NO_TIME ||
		reached(key->revoke_at, d->request->now))
		return deny(d, APIKEY_REVOKED, "the key is revoked");
	if (record->secret_revoked_at != APIKEY_NO_TIME)
		return deny(d, APIKEY_REVOKED, "this secret of the key is revoked");
	if (reached(record->secret_expires_at, d->request->now))
		return deny(d, APIKEY_SUPERSEDED,
					"this secret of the key was replaced and its overlap has ended");
	if (record->secret_expires_at != APIKEY_NO_TIME)
		d->warnings |= APIKEY_WARN_OLD_SECRET;
	return true;
}

/* 6 */
static bool
check_active(Decision *d)
{
	const ApikeyRecord *record = d->record;
	char		who[SUBJECT_MAX];

	if (record->chain_broken)
		return deny(d, APIKEY_SUSPENDED,
					"the policy of the key or of a parent key has no version, or its chain of parent keys is broken");
	for (int i = 0; i < record->nlinks; i++)
	{
		ApikeyKeyStatus status = record->links[i].status;

		/* what is none of the others is a status this code does not know */
		if (status != APIKEY_KEY_PENDING && status != APIKEY_KEY_ACTIVE &&
			status != APIKEY_KEY_REVOKED)
			return deny(d, APIKEY_SUSPENDED, "%s is suspended", subject(d, i, who));
	}
	for (int i = 0; i < record->nlinks; i++)
	{
		if (record->links[i].status == APIKEY_KEY_PENDING)
			return deny(d, APIKEY_PENDING, "%s waits for approval", subject(d, i, who));
	}
	for (int i = 0; i < record->nlinks; i++)
	{
		/* no not_before is the smallest instant there is */
		if (d->request->now < record->links[i].not_before)
			return deny(d, APIKEY_NOT_YET_VALID, "%s is not valid yet", subject(d, i, who));
	}
	return true;
}

/* 7 */
static bool
check_expiry(Decision *d)
{
	int64_t		now = d->request->now;
	char		who[SUBJECT_MAX];

	for (int i = 0; i < d->record->nlinks; i++)
	{
		const ApikeyLink *link = &d->record->links[i];

		if (link->expires_at == APIKEY_NO_TIME)
			continue;
		if (now < link->expires_at)
		{
			/* the distance of two int64 fits into uint64 only */
			uint64_t	left = (uint64_t) link->expires_at - (uint64_t) now;

			if (d->request->expires_soon > 0 &&
				left <= (uint64_t) d->request->expires_soon)
				d->warnings |= APIKEY_WARN_EXPIRES_SOON;
		}
		else if (now < link->expires_with_grace)
			d->warnings |= APIKEY_WARN_IN_GRACE;
		else
			return deny(d, APIKEY_EXPIRED, "%s has expired", subject(d, i, who));
	}
	return true;
}

/* 8 */
static bool
check_environment(Decision *d)
{
	char		own[QUOTED_SIZE];
	char		asked[QUOTED_SIZE];

	if (d->request->environment.ptr == NULL ||
		apikey_str_equal(d->request->environment, d->record->environment))
		return true;
	return deny(d, APIKEY_ENVIRONMENT_MISMATCH,
				"the request names environment%s, the key belongs to environment%s",
				quoted(d->request->environment, asked),
				quoted(d->record->environment, own));
}

/* 9 */
static bool
check_networks(Decision *d)
{
	const ApikeyNet *ip = &d->request->ip;
	bool		known = (ip->family == 4 || ip->family == 6);
	char		who[SUBJECT_MAX];

	if (d->request->ip_blocked)
		return deny(d, APIKEY_IP_DENIED, "the ip address is on the block list");
	for (int i = 0; i < d->record->nlinks; i++)
	{
		const ApikeyLink *link = &d->record->links[i];
		const ApikeyPolicy *policy = link->policy;

		if (!known)
		{
			if (link->nets.count > 0 ||
				(policy != NULL && (policy->allowed_nets.count > 0 ||
									policy->denied_nets.count > 0)))
				return deny(d, APIKEY_IP_DENIED,
							"no ip address was given, and network rules of %s need one",
							subject(d, i, who));
			continue;
		}
		if (policy != NULL && apikey_net_list_overlaps(policy->denied_nets, ip))
			return deny(d, APIKEY_IP_DENIED,
						"the ip address is in a network that the policy of %s denies",
						subject(d, i, who));
		if (policy != NULL && policy->allowed_nets.count > 0 &&
			!apikey_net_list_contains(policy->allowed_nets, ip))
			return deny(d, APIKEY_IP_DENIED,
						"the ip address is in no network that the policy of %s allows",
						subject(d, i, who));
		if (link->nets.count > 0 && !apikey_net_list_contains(link->nets, ip))
			return deny(d, APIKEY_IP_DENIED,
						"the ip address is in no network of %s itself",
						subject(d, i, who));
	}
	return true;
}

/* whether some rule of the list allows the request; an empty list does */
static bool
endpoints_allow(ApikeyStrList rules, ApikeyStr method, const ApikeyPath *path)
{
	for (int i = 0; i < rules.count; i++)
	{
		if (apikey_endpoint_matches(rules.items[i], method, path))
			return true;
	}
	return rules.count <= 0;
}

/* the rule of the list that denies the request, or NULL */
static const ApikeyStr *
endpoints_deny(ApikeyStrList rules, ApikeyStr method, const ApikeyPath *path)
{
	for (int i = 0; i < rules.count; i++)
	{
		/* an unknown method may be any, the denied one too */
		ApikeyStr	rule = (method.ptr != NULL) ? rules.items[i] :
			apikey_endpoint_glob(rules.items[i]);

		if (apikey_endpoint_matches(rule, method, path))
			return &rules.items[i];
	}
	return NULL;
}

static bool
has_endpoint_rules(const ApikeyLink *link)
{
	return link->endpoints.count > 0 ||
		(link->policy != NULL && (link->policy->allowed_endpoints.count > 0 ||
								  link->policy->denied_endpoints.count > 0));
}

/* The request's endpoint, in own or where the caller keeps it. */
static const ApikeyPath *
prepare_path(const ApikeyRequest *request, ApikeyPath *own)
{
	if (request->prepared == NULL)
	{
		apikey_path_prepare(request->endpoint, own);
		return own;
	}
	if (!request->prepared->done)
	{
		apikey_path_prepare(request->endpoint, &request->prepared->path);
		request->prepared->done = true;
	}
	return &request->prepared->path;
}

/* 10 */
static bool
check_endpoints(Decision *d)
{
	ApikeyStr	method = d->request->method;
	const char *without = "";
	ApikeyPath	own;
	const ApikeyPath *path = NULL;
	char		who[SUBJECT_MAX];
	char		name[QUOTED_SIZE];

	if (!apikey_method_valid(method))
	{
		method.ptr = NULL;
		method.len = 0;
		without = " without a method";
	}
	for (int i = 0; i < d->record->nlinks; i++)
	{
		const ApikeyLink *link = &d->record->links[i];
		const ApikeyPolicy *policy = link->policy;
		const ApikeyStr *denied;

		if (!has_endpoint_rules(link))
			continue;
		if (path == NULL)
		{
			if (d->request->endpoint.ptr == NULL || d->request->endpoint.len < 1)
				return deny(d, APIKEY_ENDPOINT_DENIED,
							"no endpoint was given, and endpoint rules of %s need one",
							subject(d, i, who));
			path = prepare_path(d->request, &own);
			if (!path->clean)
				return deny(d, APIKEY_ENDPOINT_DENIED,
							"the endpoint is no plain path: it must start with / and hold no //, "
							"backslash, . or .. segment, control character or encoded slash, "
							"and at most %d bytes", APIKEY_PATH_MAX);
		}
		if (policy != NULL)
		{
			denied = endpoints_deny(policy->denied_endpoints, method, path);
			if (denied != NULL)
				return deny(d, APIKEY_ENDPOINT_DENIED,
							"endpoint rule%s of the policy of %s denies the request%s",
							quoted(*denied, name), subject(d, i, who), without);
			if (!endpoints_allow(policy->allowed_endpoints, method, path))
				return deny(d, APIKEY_ENDPOINT_DENIED,
							"no endpoint rule of the policy of %s allows the request%s",
							subject(d, i, who), without);
		}
		if (!endpoints_allow(link->endpoints, method, path))
			return deny(d, APIKEY_ENDPOINT_DENIED,
						"no endpoint rule of %s itself allows the request%s",
						subject(d, i, who), without);
	}
	return true;
}

/* 11 */
static bool
check_hours(Decision *d)
{
	char		who[SUBJECT_MAX];

	for (int i = 0; i < d->record->nlinks; i++)
	{
		const ApikeyPolicy *policy = d->record->links[i].policy;
		bool		open;

		if (policy == NULL || policy->hours.count <= 0)
			continue;
		open = false;
		for (int w = 0; w < policy->hours.count && !open; w++)
			open = apikey_window_contains(&policy->hours.items[w], d->request->now,
										  d->request->local_time);
		if (!open)
			return deny(d, APIKEY_TIME_DENIED,
						"the time is outside the access hours in the policy of %s",
						subject(d, i, who));
	}
	return true;
}

/*
 * Whether one alternative of a required scope is held, under the cut of its
 * policy, by link number first and every link above it.
 */
static bool
scope_held(const ApikeyRecord *record, int first, ApikeyStr required)
{
	ApikeyStr	alternative;

	while (apikey_scope_next(&required, &alternative))
	{
		int			i = first;

		while (i < record->nlinks &&
			   apikey_scope_satisfied(record->links[i].scopes,
									  max_scopes(&record->links[i]), alternative))
			i++;
		if (i == record->nlinks)
			return true;
	}
	return false;
}

/* 12 */
static bool
check_scopes(Decision *d)
{
	const ApikeyRecord *record = d->record;
	char		who[SUBJECT_MAX];
	char		name[QUOTED_SIZE];

	for (int i = 0; i < d->request->scopes.count; i++)
	{
		ApikeyStr	scope = d->request->scopes.items[i];

		if (!scope_held(record, 0, scope))
			return deny(d, APIKEY_INSUFFICIENT_SCOPE, "scope%s is not held",
						quoted(scope, name));
	}
	for (int i = 0; i < record->nlinks; i++)
	{
		const ApikeyPolicy *policy = record->links[i].policy;

		for (int s = 0; policy != NULL && s < policy->required_scopes.count; s++)
		{
			ApikeyStr	scope = policy->required_scopes.items[s];

			if (!scope_held(record, i, scope))
				return deny(d, APIKEY_INSUFFICIENT_SCOPE,
							"scope%s, which the policy of %s requires, is not held",
							quoted(scope, name), subject(d, i, who));
		}
	}
	return true;
}

int64_t
apikey_earliest_expiry(const ApikeyRecord *record)
{
	int64_t		earliest = record->secret_expires_at;

	for (int i = 0; i < record->nlinks; i++)
		earliest = earlier(earliest, record->links[i].expires_at);
	return earliest;
}

void
apikey_decide(const ApikeyRecord *record, const ApikeyRequest *request,
			  ApikeyVerdict *verdict)
{
	Decision	d = {record, request, verdict, 0};

	verdict->code = APIKEY_VALID;
	verdict->warnings = 0;
	verdict->expires_at = APIKEY_NO_TIME;
	verdict->detail[0] = '\0';
	verdict->remaining = verdict->retry_after = -1;
	verdict->limit_name[0] = '\0';

	/* a loader's mistake; fail closed rather than read what is not there */
	if (record->nlinks < 1 || record->links == NULL)
	{
		deny(&d, APIKEY_SUSPENDED, "the record of the key is not complete");
		return;
	}
	verdict->expires_at = apikey_earliest_expiry(record);

	if (check_tenant(&d) &&
		check_revoked(&d) &&
		check_active(&d) &&
		check_expiry(&d) &&
		check_environment(&d) &&
		check_networks(&d) &&
		check_endpoints(&d) &&
		check_hours(&d) &&
		check_scopes(&d))
		verdict->warnings = d.warnings;
}
