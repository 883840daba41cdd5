/*
 * bucket.c
 *		The charge: all limits of a request or none.
 *
 * Layer 0.  The rules are in bucket.h.
 *
 * Phases: look without locks whether a limit denies anyway; put the buckets
 * into order; take the lock bits; compare identities; bring each bucket up to
 * date; test all; write all or none; release.
 */
#include "bucket.h"

#include <sched.h>
#include <time.h>

#include "bucket_lock.h"
#include "gcra.h"

/* A lock bit is held for some ten nanoseconds, unless its holder was preempted. */
#define SPINS		100
#define YIELDS		20
#define NAP_MIN_NS	20000
#define NAP_MAX_NS	1000000

/* A request that the writer has lost is posted again after so long. */
#define PENDING_MAX	(INT64_C(60) * 1000 * 1000 * 1000)

/* A durable rate limit gets 1/4 of its capacity ahead; half of it is left. */
#define PREFETCH_PART	8

static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("yield");
#endif
}

void
apikey_bucket_lock_slowly(ApikeyBucketShared *bucket)
{
	long		nap = NAP_MIN_NS;

	for (int i = 0; i < SPINS; i++)
	{
		relax();
		if (apikey_bucket_try_lock(bucket))
			return;
	}
	for (int i = 0; i < YIELDS; i++)
	{
		sched_yield();
		if (apikey_bucket_try_lock(bucket))
			return;
	}

	/*
	 * The holder does nothing but arithmetic, so it will come: never give up,
	 * never complain.
	 */
	while (!apikey_bucket_try_lock(bucket))
	{
		struct timespec pause = {0, nap};

		nanosleep(&pause, NULL);
		nap = nap * 2 < NAP_MAX_NS ? nap * 2 : NAP_MAX_NS;
	}
}

static inline int64_t
add_saturated(int64_t a, int64_t b)
{
	int64_t		sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return b > 0 ? INT64_MAX : INT64_MIN;
}

static inline int64_t
subtract_saturated(int64_t a, int64_t b)
{
	int64_t		difference;

	if (!__builtin_sub_overflow(a, b, &difference))
		return difference;
	return b < 0 ? INT64_MAX : INT64_MIN;
}

/* ---- what a bucket says to a charge; bucket is locked, or a copy ---- */

/* What rest is with the limit that the request comes with. */
static inline int64_t
rest_now(const ApikeyCharge *c, const ApikeyBucketShared *bucket)
{
	return add_saturated(bucket->rest, subtract_saturated(c->limit, bucket->limit));
}

/* limit + credits - given out */
static inline int64_t
available(const ApikeyCharge *c, const ApikeyBucketShared *bucket)
{
	return add_saturated(bucket->left, rest_now(c, bucket));
}

static inline bool
knows_window(const ApikeyCharge *c, const ApikeyBucketShared *bucket)
{
	return (bucket->flags & (APIKEY_BUCKET_LOADED | APIKEY_BUCKET_REFRESH)) == APIKEY_BUCKET_LOADED &&
		bucket->window == c->window;
}

static void
judge_rate(ApikeyCharge *c, const ApikeyBucketShared *bucket, int64_t units, int64_t now)
{
	/* what is known of a bucket that was not loaded is less than its debt */
	if (!apikey_gcra_test(bucket->tat, now, c->increment, c->burst, units, &c->next))
		c->denied = true;
	else if (c->durable &&
			 ((bucket->flags & (APIKEY_BUCKET_LOADED | APIKEY_BUCKET_CLOSED)) != APIKEY_BUCKET_LOADED ||
			  c->next > bucket->ceiling))
	{
		c->reserve = true;
		c->closed = (bucket->flags & APIKEY_BUCKET_CLOSED) != 0;
	}
}

static void
judge_quota(ApikeyCharge *c, const ApikeyBucketShared *bucket, int64_t units)
{
	/* a quota of nothing is what a malformed definition becomes */
	if (c->limit <= 0)
		c->denied = true;
	else if (bucket->flags & APIKEY_BUCKET_CLOSED)
		c->reserve = c->closed = true;
	else if (!knows_window(c, bucket))
		c->reserve = true;
	else if (units > available(c, bucket))
		c->denied = true;
	else if (units > bucket->left)
		c->reserve = true;
}

static inline void
judge(ApikeyCharge *c, const ApikeyBucketShared *bucket, int64_t units, int64_t now)
{
	c->denied = c->reserve = c->post = c->closed = c->prefetch = c->soft = false;
	if (bucket->kind == APIKEY_BUCKET_RATE)
		judge_rate(c, bucket, units, now);
	else
		judge_quota(c, bucket, units);
}

/* remaining and wait of a charge that is not made */
static void
describe(ApikeyCharge *c, const ApikeyBucketShared *bucket, int64_t units, int64_t now)
{
	c->wait = c->wait_one = 0;
	if (bucket->kind == APIKEY_BUCKET_RATE)
	{
		bool		known = !c->durable || (bucket->flags & APIKEY_BUCKET_LOADED) != 0;
		int64_t		tat = apikey_gcra_rescale(bucket->tat, now, bucket->increment, c->increment);

		c->remaining = apikey_gcra_remaining(tat, now, c->increment, c->burst);
		if (c->denied)
		{
			c->wait = apikey_gcra_wait(tat, now, c->increment, c->burst, units);
			c->wait_one = apikey_gcra_wait(tat, now, c->increment, c->burst, 1);
		}
		else if (!known)
			c->remaining = -1;
		return;
	}
	if (c->limit <= 0)
	{
		c->remaining = 0;
		c->wait = -1;
	}
	else if (knows_window(c, bucket))
	{
		c->remaining = available(c, bucket);
		if (c->remaining < 0)
			c->remaining = 0;
		if (c->window_end == INT64_MAX ||
			units > add_saturated(c->limit, bucket->credits))
			c->wait = -1;
	}
	else
		c->remaining = -1;
}

/* ---- without locks ---- */

/*
 * Whether a rate limit seems to deny: two numbers that may not belong
 * together, so this only tells whether a closer look is worth it.
 */
static inline bool
seems_denied(const ApikeyCharge *c, int64_t units, int64_t now)
{
	int64_t		tat = __atomic_load_n(&c->bucket->tat, __ATOMIC_RELAXED);
	int64_t		next;

	return c->kind == APIKEY_BUCKET_RATE &&
		!apikey_gcra_test(tat, now, c->increment, c->burst, units, &next);
}

/*
 * Answer a denial from copies.  Each copy is of one instant within the call, so
 * a denial that one of them shows was true then, and nothing was charged.  False:
 * nothing denies, or it takes a lock to tell.
 */
static bool
deny_unlocked(ApikeyCharge *charges, int n, int64_t units, int64_t now)
{
	bool		denied = false;

	for (int i = 0; i < n; i++)
	{
		ApikeyCharge *c = &charges[i];
		ApikeyBucketShared copy;

		if (!apikey_bucket_peek_copy(c->bucket, &copy) ||
			!apikey_bucket_same_id(&copy.id, &c->id))
			return false;

		/* a debt in the units of another increment has to be rescaled */
		if (copy.kind == APIKEY_BUCKET_RATE && copy.increment != c->increment)
			return false;
		judge(c, &copy, units, now);
		describe(c, &copy, units, now);
		denied |= c->denied;
	}
	return denied;
}

/* ---- with locks ---- */

/*
 * Order the charges by the address of their buckets, the earlier one first
 * where two have the same, and leave one of these.  Returns how many are left,
 * -1 when two limits claim one bucket: a hint is out of date.
 */
static int
arrange(ApikeyCharge *charges, int n, ApikeyCharge **order)
{
	int			kept = 0;

	for (int i = 0; i < n; i++)
	{
		ApikeyCharge *c = &charges[i];
		int			at = kept;

		c->same = NULL;
		while (at > 0 && order[at - 1]->bucket > c->bucket)
			at--;
		if (at > 0 && order[at - 1]->bucket == c->bucket)
		{
			ApikeyCharge *first = order[at - 1];

			if (!apikey_bucket_same_id(&first->id, &c->id))
				return -1;

			/* the stricter of both: each of them must pass */
			c->same = first;
			if (c->increment > first->increment)
				first->increment = c->increment;
			if (c->burst < first->burst)
				first->burst = c->burst;
			if (c->limit < first->limit)
				first->limit = c->limit;
			first->durable |= c->durable;
			continue;
		}
		for (int j = kept; j > at; j--)
			order[j] = order[j - 1];
		order[at] = c;
		kept++;
	}
	return kept;
}

static void
unlock_all(ApikeyCharge *const *order, int n)
{
	for (int i = n - 1; i >= 0; i--)
		apikey_bucket_unlock(order[i]->bucket);
}

/*
 * Bring a locked bucket into the terms of the request.  That charges nothing,
 * so it may stay when the request is denied: a debt in units must go down with
 * the increment it is seen with, from the first time it is seen with it.
 */
static void
bring_up_to_date(ApikeyCharge *c, int64_t now, bool *idled)
{
	ApikeyBucketShared *bucket = c->bucket;

	if (bucket->kind == APIKEY_BUCKET_RATE)
	{
		if (bucket->increment == c->increment || c->increment <= 0)
			return;
		bucket->tat = apikey_gcra_rescale(bucket->tat, now, bucket->increment, c->increment);
		bucket->increment = c->increment;
		*idled = true;
	}
	else if (c->limit <= 0)
		return;
	else if (bucket->window != c->window)
	{
		bucket->window = c->window;
		bucket->window_end = c->window_end;
		bucket->left = bucket->block = bucket->rest = 0;
		bucket->limit = c->limit;
		bucket->credits = 0;
		bucket->flags &= (uint8_t) ~APIKEY_BUCKET_LOADED;
		*idled = true;
	}
	else
	{
		bucket->rest = rest_now(c, bucket);
		bucket->limit = c->limit;
		bucket->window_end = c->window_end;
	}
}

/* Write a charge that passed; all passed. */
static void
charge_one(ApikeyCharge *c, int64_t units, int64_t now, bool *idled)
{
	ApikeyBucketShared *bucket = c->bucket;

	bucket->used_at = now;
	c->wait = 0;
	if (bucket->kind == APIKEY_BUCKET_RATE)
	{
		bucket->tat = c->next;
		c->remaining = apikey_gcra_remaining(c->next, now, c->increment, c->burst);
		c->prefetch = c->durable &&
			bucket->ceiling - c->next < apikey_gcra_capacity(c->increment, c->burst) / PREFETCH_PART;
	}
	else
	{
		int64_t		total = add_saturated(c->limit, bucket->credits);

		bucket->left -= units;
		c->remaining = available(c, bucket);
		c->soft = c->remaining <= total / 5;
		c->prefetch = bucket->rest > 0 && bucket->left < bucket->block - bucket->left;
		*idled |= (bucket->left == 0);
	}
	if (c->prefetch)
	{
		if (bucket->flags & APIKEY_BUCKET_PENDING)
			c->prefetch = false;
		else
		{
			bucket->flags |= APIKEY_BUCKET_PENDING;
			bucket->pending_at = now;
		}
	}
}

/* Make this charge the one that asks the writer, unless another did already. */
static void
ask(ApikeyCharge *c, int64_t now)
{
	ApikeyBucketShared *bucket = c->bucket;

	if (c->closed)
		return;
	if ((bucket->flags & APIKEY_BUCKET_PENDING) &&
		subtract_saturated(now, PENDING_MAX) < bucket->pending_at)
		return;
	bucket->flags |= APIKEY_BUCKET_PENDING;
	if (bucket->flags & APIKEY_BUCKET_REFRESH)
		bucket->flags &= (uint8_t) ~(APIKEY_BUCKET_REFRESH | APIKEY_BUCKET_LOADED);
	bucket->pending_at = now;
	c->post = true;
}

/* All buckets are locked; nothing in here can wait or fail. */
static ApikeyChargeOutcome
decide_locked(ApikeyCharge *const *order, int n, int64_t units, int64_t now, bool *idled)
{
	bool		denied = false;
	bool		reserve = false;
	bool		lost = false;

	for (int i = 0; i < n; i++)
		if (!apikey_bucket_same_id(&order[i]->bucket->id, &order[i]->id))
			lost = true;
	if (lost)
		return APIKEY_CHARGE_LOST;
	for (int i = 0; i < n; i++)
		if (order[i]->kind == APIKEY_BUCKET_QUOTA && !order[i]->certain &&
			order[i]->window < order[i]->bucket->window)
			return APIKEY_CHARGE_STALE;

	for (int i = 0; i < n; i++)
	{
		ApikeyCharge *c = order[i];

		bring_up_to_date(c, now, idled);
		judge(c, c->bucket, units, now);
		denied |= c->denied;
		reserve |= c->reserve;
	}
	if (denied || reserve)
	{
		for (int i = 0; i < n; i++)
		{
			describe(order[i], order[i]->bucket, units, now);
			if (!denied && order[i]->reserve)
				ask(order[i], now);
		}
		return denied ? APIKEY_CHARGE_DENIED : APIKEY_CHARGE_RESERVE;
	}
	for (int i = 0; i < n; i++)
		charge_one(order[i], units, now, idled);
	return APIKEY_CHARGED;
}

/* A second charge of a bucket tells what the first tells, but asks for nothing. */
static void
copy_outcome(ApikeyCharge *c)
{
	c->remaining = c->same->remaining;
	c->wait = c->same->wait;
	c->wait_one = c->same->wait_one;
	c->denied = c->same->denied;
	c->reserve = c->same->reserve;
	c->closed = c->same->closed;
	c->soft = c->same->soft;
	c->post = c->prefetch = false;
}

ApikeyChargeOutcome
apikey_bucket_charge(ApikeyBucketTableShared *table, ApikeyCharge *charges, int n,
					 int64_t units, int64_t now)
{
	ApikeyCharge *order[APIKEY_CHARGES_MAX];
	ApikeyChargeOutcome outcome;
	bool		idled = false;
	int			kept;

	for (int i = 0; i < n; i++)
		if (seems_denied(&charges[i], units, now))
		{
			if (deny_unlocked(charges, n, units, now))
				return APIKEY_CHARGE_DENIED;
			break;
		}

	kept = arrange(charges, n, order);
	if (kept < 0)
		outcome = APIKEY_CHARGE_LOST;
	else
	{
		for (int i = 0; i < kept; i++)
			apikey_bucket_lock(order[i]->bucket);
		outcome = decide_locked(order, kept, units, now, &idled);
		unlock_all(order, kept);
	}

	if (outcome == APIKEY_CHARGE_LOST)
	{
		for (int i = 0; i < n; i++)
			charges[i].bucket = NULL;
		return outcome;
	}
	if (idled)
		__atomic_fetch_add(&table->idled, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < n; i++)
		if (charges[i].same != NULL)
			copy_outcome(&charges[i]);
	return outcome;
}

void
apikey_bucket_peek(ApikeyCharge *charges, int n, int64_t now)
{
	for (int i = 0; i < n; i++)
	{
		ApikeyCharge *c = &charges[i];
		ApikeyBucketShared copy;

		c->same = NULL;
		c->wait = 0;
		c->denied = c->reserve = c->post = c->closed = c->prefetch = c->soft = false;
		if (c->bucket != NULL)
		{
			apikey_bucket_copy(c->bucket, &copy);
			if (apikey_bucket_same_id(&copy.id, &c->id))
			{
				describe(c, &copy, 0, now);
				continue;
			}
			c->bucket = NULL;
		}

		/* not in memory: a rate limit that is not kept on disk is untouched */
		if (c->kind == APIKEY_BUCKET_RATE && !c->durable)
			c->remaining = apikey_gcra_remaining(INT64_MIN, now, c->increment, c->burst);
		else
			c->remaining = -1;
	}
}
