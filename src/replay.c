/*
 * replay.c
 *		A recorded request judged again: under today's rules and under others.
 *
 * Layer 0.
 */
#include "replay.h"

#include <string.h>

#include "gcra.h"

void
apikey_replay_bucket_init(ApikeyReplayBucket *bucket)
{
	memset(bucket, 0, sizeof(*bucket));
	bucket->tat = INT64_MIN;
}

/* ---- limits ---- */

/* What one request finds at one limit. */
typedef struct Charge
{
	int64_t		next;			/* RATE: tat after it */
	bool		denied;
} Charge;

static inline int64_t
nanoseconds(int64_t at)
{
	int64_t		now;

	if (__builtin_mul_overflow(at, INT64_C(1000), &now))
		return at > 0 ? INT64_MAX : INT64_MIN;
	return now;
}

/* Bring a quota's bucket into the window of at. */
static inline void
move_window(const ApikeyReplayLimit *limit, ApikeyReplayBucket *bucket, int64_t at,
			apikey_window_fn window_at)
{
	int64_t		start = bucket->window;

	/*
	 * Two keys may define a quota that they share with different periods; the
	 * window that was made first serves both.
	 */
	if (at >= bucket->window && at < bucket->window_end)
		return;
	window_at((ApikeyPeriod) limit->period, limit->tz, at, &bucket->window, &bucket->window_end);
	if (start != bucket->window)
		bucket->used = 0;
}

static void
judge(const ApikeyReplayLimit *limit, ApikeyReplayBucket *bucket, int64_t units,
	  int64_t at, int64_t now, apikey_window_fn window_at, Charge *charge)
{
	if (limit->kind == APIKEY_BUCKET_RATE)
	{
		if (bucket->increment != limit->increment && limit->increment > 0)
		{
			bucket->tat = apikey_gcra_rescale(bucket->tat, now, bucket->increment, limit->increment);
			bucket->increment = limit->increment;
		}
		charge->denied = !apikey_gcra_test(bucket->tat, now, limit->increment, limit->burst,
										   units, &charge->next);
		return;
	}

	/* without a time zone a quota passes nothing */
	charge->denied = true;
	if (limit->tz == NULL || limit->units <= 0)
		return;
	move_window(limit, bucket, at, window_at);
	charge->denied = bucket->used > limit->units || units > limit->units - bucket->used;
}

/* Microseconds until a denied request may pass, -1: never. */
static int64_t
wait_of(const ApikeyReplayLimit *limit, const ApikeyReplayBucket *bucket, int64_t units,
		int64_t at, int64_t now)
{
	int64_t		wait;

	if (limit->kind == APIKEY_BUCKET_RATE)
	{
		wait = apikey_gcra_wait(bucket->tat, now, limit->increment, limit->burst, units);
		return wait < 0 ? -1 : wait / 1000 + (wait % 1000 != 0);
	}
	if (limit->tz == NULL || units > limit->units || bucket->window_end == INT64_MAX ||
		__builtin_sub_overflow(bucket->window_end, at, &wait))
		return -1;
	return wait;
}

/* The denial that lasts longest speaks; of two equal ones a rate limit. */
static ApikeyCode
longest(const ApikeyReplayLimit *limits, ApikeyReplayBucket *const *buckets, int n,
		int64_t units, int64_t at, int64_t now, const Charge *charges)
{
	int			named = -1;
	int64_t		most = 0;

	for (int i = 0; i < n; i++)
	{
		int64_t		wait;

		if (!charges[i].denied)
			continue;
		wait = wait_of(&limits[i], buckets[i], units, at, now);
		if (named < 0 || (most >= 0 && (wait < 0 || wait > most)) ||
			(wait == most && limits[named].kind == APIKEY_BUCKET_QUOTA &&
			 limits[i].kind == APIKEY_BUCKET_RATE))
		{
			named = i;
			most = wait;
		}
	}
	return limits[named].kind == APIKEY_BUCKET_RATE ? APIKEY_RATE_LIMITED : APIKEY_QUOTA_EXCEEDED;
}

ApikeyCode
apikey_replay_charge(const ApikeyReplayLimit *limits, ApikeyReplayBucket *const *buckets,
					 int n, int64_t units, int64_t at, apikey_window_fn window_at)
{
	Charge		charges[APIKEY_LIMITS_MAX];
	int64_t		now = nanoseconds(at);
	bool		denied = false;

	if (n > APIKEY_LIMITS_MAX)
		return APIKEY_UNAVAILABLE;
	if (units <= 0)
		return APIKEY_VALID;
	for (int i = 0; i < n; i++)
	{
		judge(&limits[i], buckets[i], units, at, now, window_at, &charges[i]);
		denied |= charges[i].denied;
	}
	if (denied)
		return longest(limits, buckets, n, units, at, now, charges);
	for (int i = 0; i < n; i++)
	{
		if (limits[i].kind == APIKEY_BUCKET_RATE)
			buckets[i]->tat = charges[i].next;
		else
			buckets[i]->used += units;
	}
	return APIKEY_VALID;
}

/* ---- counting ---- */

static bool
newly_denied(const ApikeyExample *request)
{
	return request->code[APIKEY_TODAY] == APIKEY_VALID;
}

/* Denied before allowed, then by time. */
static bool
shown_before(const ApikeyExample *a, const ApikeyExample *b)
{
	if (newly_denied(a) != newly_denied(b))
		return newly_denied(a);
	if (a->at != b->at)
		return a->at < b->at;
	return a->leaf != b->leaf ? a->leaf < b->leaf : a->row < b->row;
}

static void
keep_example(ApikeyDifference *difference, const ApikeyExample *request)
{
	int			at = difference->nexamples;

	if (at == APIKEY_EXAMPLES_MAX)
	{
		if (!shown_before(request, &difference->examples[at - 1]))
			return;
		at--;
	}
	else
		difference->nexamples++;
	for (; at > 0 && shown_before(request, &difference->examples[at - 1]); at--)
		difference->examples[at] = difference->examples[at - 1];
	difference->examples[at] = *request;
}

void
apikey_replay_count(ApikeyDifference *difference, const ApikeyExample *request)
{
	unsigned	today = request->code[APIKEY_TODAY];
	unsigned	proposed = request->code[APIKEY_PROPOSED];

	if ((today == APIKEY_VALID) == (proposed == APIKEY_VALID) ||
		today >= APIKEY_NCODES || proposed >= APIKEY_NCODES)
		return;
	if (newly_denied(request))
	{
		difference->ndenied++;
		difference->denied[proposed]++;
	}
	else
	{
		difference->nallowed++;
		difference->allowed[today]++;
	}
	keep_example(difference, request);
}

/* ---- comparing rules ---- */

static bool
same_nets(ApikeyNetList a, ApikeyNetList b)
{
	return a.count == b.count &&
		(a.count <= 0 || memcmp(a.items, b.items, sizeof(ApikeyNet) * (size_t) a.count) == 0);
}

static bool
same_texts(ApikeyStrList a, ApikeyStrList b)
{
	if (a.count != b.count)
		return false;
	for (int i = 0; i < a.count; i++)
	{
		if (a.items[i].ptr == NULL && b.items[i].ptr == NULL)
			continue;
		if (!apikey_str_equal(a.items[i], b.items[i]))
			return false;
	}
	return true;
}

static bool
same_hours(ApikeyWindowList a, ApikeyWindowList b)
{
	if (a.count != b.count)
		return false;
	for (int i = 0; i < a.count; i++)
		if (a.items[i].days != b.items[i].days || a.items[i].start != b.items[i].start ||
			a.items[i].length != b.items[i].length || a.items[i].tz != b.items[i].tz)
			return false;
	return true;
}

bool
apikey_replay_same_checks(const ApikeyPolicy *a, const ApikeyPolicy *b)
{
	return same_nets(a->allowed_nets, b->allowed_nets) &&
		same_nets(a->denied_nets, b->denied_nets) &&
		same_texts(a->allowed_endpoints, b->allowed_endpoints) &&
		same_texts(a->denied_endpoints, b->denied_endpoints) &&
		same_hours(a->hours, b->hours) &&
		same_texts(a->required_scopes, b->required_scopes) &&
		a->has_max_scopes == b->has_max_scopes &&
		same_texts(a->max_scopes, b->max_scopes);
}
