/*
 * limits.c
 *		Check 13: all quotas and rate limits of a key, all or nothing.
 *
 * Layer 4.  The usual request, whose buckets are in memory and have room, is
 * decided on the stack: one look at the clock, one lock bit per limit, no
 * LWLock, no allocation.  What is left of a quota's block, or below the ceiling
 * of a rate limit that is kept on disk, may not be enough: then the writer is
 * asked (reserve_queue.h) and the charge is tried again, until it is decided or
 * apikey.limit_wait is over.  Nothing is held while it waits.
 *
 * A limit of a tenant above the key's is charged and may deny like any other,
 * but no figure and no name of it leaves this file: they tell of the traffic of
 * others.  Whoever it denies learns roughly when to come again, in coarse steps
 * and whatever the units asked for: units of which all are denied cost nothing,
 * so the exact wait would be a meter.  If a limit of the key's own tenant, policy
 * or key denies too, the answer is as if it were alone.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "clock.h"
#include "gcra.h"
#include "guc.h"
#include "limiter.h"
#include "limits.h"
#include "load.h"
#include "redact.h"
#include "reserve_queue.h"
#include "slot.h"
#include "window.h"

/* A rate limit that takes longer than this to refill is kept on disk. */
#define DURABLE_NS		INT64CONST(60000000000)

#define NS_PER_SEC		INT64CONST(1000000000)

/*
 * How often a bucket may be taken away between the look-up and the charge: a
 * new one is idle until it is charged, so in a table full of busy buckets the
 * limits of one request can push each other out.
 */
#define LOST_MAX		16

/* key-looking text is longer (redact.h) */
#define NAME_UNSUSPICIOUS	28

#define NAME_SHOWN_SIZE	(APIKEY_LIMIT_NAME_MAX + 4) /* blank, quotes, zero */
#define UNITS_SIZE		32

/* One request; charges[i] is that of limits of[i]. */
typedef struct Request
{
	ApikeyVerdict *verdict;
	int64		units;
	TimestampTz now;
	int			n;
	ApikeyLimit *of[APIKEY_LIMITS_MAX];
	ApikeyCharge charges[APIKEY_LIMITS_MAX];
} Request;

StaticAssertDecl(APIKEY_CHARGES_MAX >= APIKEY_LIMITS_MAX, "charges of one request");

/* ---- answers ---- */

/* Write ' "name"' into out, for a sentence; nothing if it is not plain ASCII. */
static const char *
quoted(const ApikeyLimit *limit, char out[NAME_SHOWN_SIZE])
{
	ApikeyStr	name = limit->def.name;

	out[0] = '\0';
	if (name.len > APIKEY_LIMIT_NAME_MAX)
		return out;
	for (int i = 0; i < name.len; i++)
		if (name.ptr[i] < 0x20 || name.ptr[i] > 0x7E || name.ptr[i] == '"')
			return out;
	snprintf(out, NAME_SHOWN_SIZE, " \"%.*s\"", name.len, name.ptr);
	return out;
}

static const char *
units_text(int64 units, char out[UNITS_SIZE])
{
	snprintf(out, UNITS_SIZE, units == 1 ? INT64_FORMAT " unit" : INT64_FORMAT " units", units);
	return out;
}

/* A name of control characters is not shown; one that looks like a key is masked. */
static void
set_name(ApikeyVerdict *verdict, const ApikeyLimit *limit)
{
	ApikeyStr	name = limit->def.name;

	verdict->limit_name[0] = '\0';
	if (limit->above || name.len > APIKEY_LIMIT_NAME_MAX)
		return;
	for (int i = 0; i < name.len; i++)
		if ((unsigned char) name.ptr[i] < 0x20 || name.ptr[i] == 0x7F)
			return;
	memcpy(verdict->limit_name, name.ptr, name.len);
	verdict->limit_name[name.len] = '\0';
	if (name.len >= NAME_UNSUSPICIOUS)
		(void) apikey_redact(verdict->limit_name, name.len);
}

static void
set_code(ApikeyVerdict *verdict, ApikeyCode code)
{
	verdict->code = code;
	verdict->warnings = 0;
	verdict->remaining = verdict->retry_after = -1;
	verdict->limit_name[0] = '\0';
}

static const char *
kind_name(ApikeyBucketKind kind)
{
	return kind == APIKEY_BUCKET_RATE ? "rate limit" : "quota";
}

/* limit may be NULL; the sentence has one %s, for its kind and name, if it is not. */
static void
unavailable(Request *r, const ApikeyLimit *limit, const char *sentence)
{
	char		who[NAME_SHOWN_SIZE];
	char		what[NAME_SHOWN_SIZE + 32];

	set_code(r->verdict, APIKEY_UNAVAILABLE);
	if (limit == NULL)
		strlcpy(r->verdict->detail, sentence, APIKEY_DETAIL_MAX);
	else
	{
		set_name(r->verdict, limit);
		snprintf(what, sizeof(what), "%s%s",
				 kind_name(limit->def.kind),
				 limit->above ? " of a tenant above" : quoted(limit, who));
		snprintf(r->verdict->detail, APIKEY_DETAIL_MAX, sentence, what);
	}
	(void) apikey_redact(r->verdict->detail, strlen(r->verdict->detail));
	apikey_limiter_count_unavailable();
}

/* Microseconds until a denied charge may pass, -1: never. */
static int64
wait_of(const Request *r, int i)
{
	const ApikeyCharge *c = &r->charges[i];

	if (r->of[i]->above)
	{
		/* the end of a window is in the calendar */
		if (c->kind == APIKEY_BUCKET_QUOTA)
			return c->limit <= 0 || c->window_end == DT_NOEND ? -1 : c->window_end - r->now;
		if (c->wait_one < 0)
			return -1;
		return apikey_gcra_coarse(c->wait_one / NS_PER_SEC + (c->wait_one % NS_PER_SEC != 0)) * USECS_PER_SEC;
	}
	if (c->wait < 0)
		return -1;
	if (c->kind == APIKEY_BUCKET_QUOTA)
		return c->window_end - r->now;
	return c->wait / 1000 + (c->wait % 1000 != 0);
}

/*
 * One that is not above speaks before one that is; of those the denial that
 * lasts longest, of two equal ones a rate limit.
 */
static void
deny(Request *r)
{
	ApikeyVerdict *verdict = r->verdict;
	int			named = -1;
	int64		longest = 0;
	char		who[NAME_SHOWN_SIZE];
	char		left[UNITS_SIZE];
	char		cost[UNITS_SIZE];
	const ApikeyCharge *c;
	const char *kind;

	for (int i = 0; i < r->n; i++)
	{
		int64		wait = wait_of(r, i);

		if (!r->charges[i].denied)
			continue;
		if (named >= 0 && r->of[i]->above != r->of[named]->above)
		{
			if (r->of[i]->above)
				continue;
			named = -1;
		}
		if (named < 0 || (longest >= 0 && (wait < 0 || wait > longest)) ||
			(wait == longest && r->charges[named].kind == APIKEY_BUCKET_QUOTA &&
			 r->charges[i].kind == APIKEY_BUCKET_RATE))
		{
			named = i;
			longest = wait;
		}
	}
	c = &r->charges[named];
	kind = kind_name(c->kind);

	set_code(verdict, c->kind == APIKEY_BUCKET_RATE ? APIKEY_RATE_LIMITED : APIKEY_QUOTA_EXCEEDED);
	verdict->retry_after = longest;
	if (r->of[named]->above)
	{
		snprintf(verdict->detail, APIKEY_DETAIL_MAX, "a %s of a tenant above is used up", kind);
		return;
	}
	set_name(verdict, r->of[named]);
	verdict->remaining = Max(c->remaining, 0);

	(void) quoted(r->of[named], who);
	(void) units_text(r->units, cost);
	if ((c->kind == APIKEY_BUCKET_RATE ? Min(c->increment, c->burst) : c->limit) <= 0)
		snprintf(verdict->detail, APIKEY_DETAIL_MAX, "the definition of the %s%s is not valid",
				 kind, who);
	else if (c->kind == APIKEY_BUCKET_RATE && longest < 0)
		snprintf(verdict->detail, APIKEY_DETAIL_MAX, "the request costs %s, the rate limit%s never has more than %s",
				 cost, who, units_text(c->burst, left));
	else
		snprintf(verdict->detail, APIKEY_DETAIL_MAX, "the %s%s has %s left, the request costs %s",
				 kind, who, units_text(verdict->remaining, left), cost);
	(void) apikey_redact(verdict->detail, strlen(verdict->detail));
}

/*
 * The smallest of what remains, as far as it may be told.  Returns whether the
 * writer should hear of it.
 */
static bool
tell_remaining(Request *r)
{
	ApikeyVerdict *verdict = r->verdict;
	int			named = -1;
	bool		prefetch = false;

	for (int i = 0; i < r->n; i++)
	{
		const ApikeyCharge *c = &r->charges[i];

		prefetch |= c->prefetch;
		if (r->of[i]->above)
			continue;
		if (c->soft)
			verdict->warnings |= APIKEY_WARN_SOFT_LIMIT;
		if (c->remaining < 0)
			continue;
		if (named < 0 || c->remaining < verdict->remaining)
		{
			named = i;
			verdict->remaining = c->remaining;
		}
	}
	if (named >= 0)
		set_name(verdict, r->of[named]);
	return prefetch;
}

/* ---- the request ---- */

static inline void
set_window(ApikeyLimit *limit, ApikeyCharge *c, TimestampTz now)
{
	if (unlikely(now < limit->window || now >= limit->window_end) && limit->def.tz != NULL)
		apikey_window_at(limit->def.period, limit->def.tz, now,
						 &limit->window, &limit->window_end);
	c->window = limit->window;
	c->window_end = limit->window_end;
}

/* False: what quotas say on a standby was said. */
static bool
build(Request *r, ApikeyLimit *limits, int count)
{
	bool		standby = RecoveryInProgress();

	r->n = 0;
	for (int i = 0; i < count; i++)
	{
		ApikeyLimit *limit = &limits[i];
		ApikeyCharge *c = &r->charges[r->n];

		c->id = limit->id;
		c->kind = limit->def.kind;
		c->bucket = limit->bucket;
		c->certain = false;
		if (c->kind == APIKEY_BUCKET_RATE)
		{
			c->increment = apikey_throttle_increment(limit->def.increment, limit->priority);
			c->burst = limit->def.burst;

			/* of the limit as it is defined: throttling changes nothing here */
			c->durable = !standby &&
				apikey_gcra_capacity(limit->def.increment, limit->def.burst) > DURABLE_NS;
			c->limit = c->window = c->window_end = 0;
		}
		else
		{
			if (standby && r->units > 0)
			{
				if (apikey_standby_quota == APIKEY_STANDBY_QUOTA_UNMETERED)
					continue;
				unavailable(r, limit, "the %s cannot be charged on a standby");
				return false;
			}
			/* a quota whose time zone is not known passes nothing */
			c->limit = limit->def.tz != NULL ? limit->def.units : 0;
			set_window(limit, c, r->now);
			c->increment = c->burst = 0;
			c->durable = false;
		}
		r->of[r->n++] = limit;
	}
	return true;
}

/* Look at the clock again; certain: the window is the right one now. */
static void
move_clock(Request *r, bool certain)
{
	r->now = apikey_clock_now();
	for (int i = 0; i < r->n; i++)
		if (r->charges[i].kind == APIKEY_BUCKET_QUOTA)
		{
			set_window(r->of[i], &r->charges[i], r->now);
			r->charges[i].certain = certain;
		}
}

static bool
post(const Request *r, int i, int64 now)
{
	const ApikeyLimit *limit = r->of[i];
	const ApikeyCharge *c = &r->charges[i];
	ApikeyReserveRequest request;
	int			len;

	memset(&request, 0, sizeof(request));
	request.bucket = c->bucket;
	request.id = c->id;
	request.kind = c->kind;
	memcpy(request.durable_id, limit->durable_id, APIKEY_LIMIT_ID_LEN);
	request.tenant_id = limit->tenant_id;
	request.key_id = limit->key_id;
	request.shared = limit->def.shared;
	len = pg_mbcliplen(limit->holder.ptr, limit->holder.len, APIKEY_HOLDER_MAX);
	memcpy(request.holder, limit->holder.ptr, len);
	len = Min(limit->def.name.len, APIKEY_LIMIT_NAME_MAX);
	memcpy(request.name, limit->def.name.ptr, len);
	if (c->kind == APIKEY_BUCKET_QUOTA)
	{
		request.window = c->window;
		request.window_end = c->window_end;
		request.limit = c->limit;
		request.need = c->prefetch ? 1 : r->units;
	}
	else
	{
		request.wall_offset = apikey_limiter_wall_offset();
		request.now = now;
		request.capacity = apikey_gcra_capacity(c->increment, c->burst);
		/* it passed the test, so it fits */
		request.room = c->prefetch ? c->increment : r->units * c->increment;
	}
	apikey_limiter_count_reservation();
	return apikey_reserve_post(&request);
}

/* Hand requests to the writer; the number of a charge it could not, or -1. */
static int
post_all(Request *r, int64 now)
{
	int			failed = -1;

	for (int i = 0; i < r->n; i++)
	{
		ApikeyCharge *c = &r->charges[i];

		if (!c->post && !c->prefetch)
			continue;
		if (apikey_slot_creating_here() || !post(r, i, now))
		{
			/* or nobody would ever ask again */
			apikey_limiter_refuse(c->bucket, c->id);
			failed = i;
		}
	}
	return failed;
}

/*
 * Ask the writer and wait for it; false: it was said why that did not help.
 * What a charge could not have at once, another may have by the time we look
 * again, so this may be called several times for one request.
 */
static bool
reserve(Request *r, int64 now, TimestampTz *deadline)
{
	bool		late = *deadline != 0 && GetCurrentTimestamp() >= *deadline;
	int			failed = post_all(r, now);

	if (*deadline == 0)
		*deadline = GetCurrentTimestamp() + (TimestampTz) apikey_limit_wait * 1000;

	/* no worker sees an extension that is not committed */
	if (failed >= 0)
	{
		unavailable(r, r->of[failed], apikey_slot_creating_here() ?
					"the %s needs the extension, which is being created, to be committed" :
					"the %s could not be reserved, too many requests are waiting");
		return false;
	}
	for (int i = 0; i < r->n; i++)
	{
		if (!r->charges[i].reserve)
			continue;
		if (r->charges[i].closed)
		{
			unavailable(r, r->of[i], "the %s is closed, the server is shutting down");
			return false;
		}
		if (late || !apikey_reserve_wait(r->charges[i].bucket, *deadline))
		{
			unavailable(r, r->of[i], "the %s could not be reserved in time");
			return false;
		}
	}
	return true;
}

/* Every charge has a bucket afterwards; false: it was said that there is none. */
static bool
resolve_all(Request *r)
{
	for (int i = 0; i < r->n; i++)
	{
		if (likely(r->charges[i].bucket != NULL))
			continue;
		if (!apikey_limiter_resolve(&r->charges[i]))
		{
			unavailable(r, NULL, "the table of rate limits and quotas is full");
			return false;
		}
	}
	return true;
}

static void
charge(Request *r)
{
	TimestampTz deadline = 0;
	int			lost = 0;

	for (;;)
	{
		int64		now;

		if (!resolve_all(r))
			return;
		now = apikey_limiter_now();
		switch (apikey_limiter_charge(r->charges, r->n, r->units, now))
		{
			case APIKEY_CHARGED:
				if (tell_remaining(r))
					(void) post_all(r, now);
				return;
			case APIKEY_CHARGE_DENIED:
				deny(r);
				return;
			case APIKEY_CHARGE_RESERVE:
				if (!reserve(r, now, &deadline))
					return;
				move_clock(r, false);
				break;
			case APIKEY_CHARGE_STALE:
				move_clock(r, true);
				break;
			case APIKEY_CHARGE_LOST:
				if (++lost == LOST_MAX)
				{
					apikey_limiter_full();
					unavailable(r, NULL, "the table of rate limits and quotas is full");
					return;
				}
				break;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* What the limits have, without asking or charging anybody. */
static void
look(Request *r)
{
	for (int i = 0; i < r->n; i++)
		if (r->charges[i].bucket == NULL)
			(void) apikey_limiter_find(&r->charges[i]);
	apikey_bucket_peek(r->charges, r->n, apikey_limiter_now());
	(void) tell_remaining(r);
}

void
apikey_limits_apply(ApikeyLimit *limits, int count, int64 units,
					TimestampTz now, ApikeyVerdict *verdict)
{
	Request		r;

	r.verdict = verdict;
	r.units = units;
	r.now = now;
	if (count > APIKEY_LIMITS_MAX)
	{
		unavailable(&r, NULL, "more limits apply to the key than can be charged at once");
		return;
	}
	if (!build(&r, limits, count))
		return;
	if (units > 0)
		charge(&r);
	else
		look(&r);

	/* where they are now, for the next call */
	for (int i = 0; i < r.n; i++)
		r.of[i]->bucket = r.charges[i].bucket;
}
