/*
 * test_replay.c
 *		Unit test of the replay (src/replay.c): its limits against the real ones
 *		of gcra.h and bucket.c, its counts.
 */
#include "unit.h"

#include "bucket.h"
#include "gcra.h"
#include "replay.h"

#define LIMITS		6
#define REQUESTS	200000
#define WALL		INT64_C(700000000000000)
#define WINDOW		INT64_C(5000000)	/* of a quota here: 5 s */

static ApikeyReplayBucket buckets[APIKEY_LIMITS_MAX + 1];
static ApikeyReplayBucket *places[APIKEY_LIMITS_MAX + 1];

/* windows of 5 s; a quota in total has no end */
static void
window_at(ApikeyPeriod period, const void *tz, int64_t now, int64_t *start, int64_t *end)
{
	(void) tz;
	if (period == APIKEY_PERIOD_TOTAL)
	{
		*start = INT64_MIN;
		*end = INT64_MAX;
		return;
	}
	*start = now - now % WINDOW;
	*end = *start + WINDOW;
}

static void
reset(void)
{
	for (int i = 0; i < lengthof(buckets); i++)
	{
		apikey_replay_bucket_init(&buckets[i]);
		places[i] = &buckets[i];
	}
}

static ApikeyReplayLimit
rate(int64_t increment, int64_t burst)
{
	return (ApikeyReplayLimit) {.kind = APIKEY_BUCKET_RATE, .increment = increment, .burst = burst};
}

static ApikeyReplayLimit
quota(int64_t units, ApikeyPeriod period)
{
	return (ApikeyReplayLimit) {.kind = APIKEY_BUCKET_QUOTA, .units = units, .period = period, .tz = ""};
}

static ApikeyCode
charge(const ApikeyReplayLimit *limits, int n, int64_t units, int64_t at)
{
	return apikey_replay_charge(limits, places, n, units, at, window_at);
}

/* One rate limit is gcra.h, request by request. */
static void
test_gcra(void)
{
	uint64_t	seed = 1;

	for (int round = 0; round < 50; round++)
	{
		ApikeyReplayLimit limit = rate(1 + unit_random(&seed) % 2000000000, 1 + unit_random(&seed) % 20);
		int64_t		at = WALL;
		int64_t		tat = INT64_MIN;
		int			wrong = 0;
		int			denied = 0;

		reset();
		for (int i = 0; i < 2000; i++)
		{
			int64_t		units = 1 + unit_random(&seed) % 3;
			int64_t		next;
			bool		passes = apikey_gcra_test(tat, at * 1000, limit.increment, limit.burst, units, &next);

			if (passes)
				tat = next;
			denied += !passes;
			wrong += charge(&limit, 1, units, at) != (passes ? APIKEY_VALID : APIKEY_RATE_LIMITED);
			at += unit_random(&seed) % (2 * limit.increment / 1000 + 1);
		}
		CHECKF(wrong == 0, "round %d: %d of 2000 differ", round, wrong);
		CHECKF(denied > 0 && denied < 2000, "round %d denies %d of 2000: it tests nothing", round, denied);
	}
}

/* Ask the real buckets; a writer answers every request for units with all. */
static ApikeyChargeOutcome
charge_real(ApikeyBucketTableShared *table, ApikeyCharge *charges, int n, int64_t units, int64_t at)
{
	for (;;)
	{
		ApikeyChargeOutcome outcome;

		for (int i = 0; i < n; i++)
			if (charges[i].kind == APIKEY_BUCKET_QUOTA && charges[i].window_end != INT64_MAX)
				window_at(APIKEY_PERIOD_DAY, "", at, &charges[i].window, &charges[i].window_end);
		outcome = apikey_bucket_charge(table, charges, n, units, at * 1000);
		if (outcome != APIKEY_CHARGE_RESERVE)
			return outcome;
		for (int i = 0; i < n; i++)
			if (charges[i].reserve)
				(void) apikey_bucket_grant_quota(table, charges[i].bucket, charges[i].id,
												 charges[i].window, charges[i].limit, 0,
												 charges[i].limit, 0);
	}
}

/* Several limits at once, all or nothing: the same as the real buckets. */
static void
test_buckets(void)
{
	uint64_t	seed = 7;
	size_t		bytes = apikey_bucket_bytes(64);
	ApikeyBucketTableShared *table;
	ApikeyReplayLimit limits[LIMITS];
	ApikeyCharge charges[LIMITS];
	int64_t		at = WALL;
	int			wrong = 0;
	int			codes[APIKEY_NCODES] = {0};

	if (posix_memalign((void **) &table, 64, bytes) != 0)
		exit(2);
	apikey_bucket_init(table, 64);
	limits[0] = rate(300000000, 4);
	limits[1] = rate(50000000, 30);
	limits[2] = rate(999999937, 2);
	limits[3] = quota(40, APIKEY_PERIOD_DAY);
	limits[4] = quota(9, APIKEY_PERIOD_HOUR);
	limits[5] = quota(60000, APIKEY_PERIOD_TOTAL);
	reset();
	memset(charges, 0, sizeof(charges));
	for (int i = 0; i < LIMITS; i++)
	{
		ApikeyCharge *c = &charges[i];

		c->id = (ApikeyBucketId) {17, (uint64_t) i};
		c->kind = (ApikeyBucketKind) limits[i].kind;
		c->increment = limits[i].increment;
		c->burst = limits[i].burst;
		c->limit = limits[i].units;
		c->window = limits[i].period == APIKEY_PERIOD_TOTAL ? INT64_MIN : 0;
		c->window_end = limits[i].period == APIKEY_PERIOD_TOTAL ? INT64_MAX : 0;
		c->bucket = apikey_bucket_make(table, c->id, c->kind, 5, at * 1000, at);
	}
	for (int i = 0; i < REQUESTS; i++)
	{
		/* another set of limits each time: shared ones meet others */
		int			first = (int) (unit_random(&seed) % LIMITS);
		int			n = 1 + (int) (unit_random(&seed) % (uint32_t) (LIMITS - first));
		int64_t		units = 1 + unit_random(&seed) % 4;
		ApikeyChargeOutcome real = charge_real(table, &charges[first], n, units, at);
		ApikeyCode	code = apikey_replay_charge(&limits[first], &places[first], n, units, at, window_at);

		wrong += (code == APIKEY_VALID) != (real == APIKEY_CHARGED);
		codes[code]++;
		at += unit_random(&seed) % 400000;
	}
	CHECK_INT(wrong, 0);
	CHECK(codes[APIKEY_VALID] > REQUESTS / 20);
	CHECK(codes[APIKEY_RATE_LIMITED] > REQUESTS / 20);
	CHECK(codes[APIKEY_QUOTA_EXCEEDED] > REQUESTS / 20);
	free(table);
}

static void
test_quotas(void)
{
	ApikeyReplayLimit day = quota(3, APIKEY_PERIOD_DAY);
	ApikeyReplayLimit broken = quota(3, APIKEY_PERIOD_DAY);
	ApikeyReplayLimit both[2];

	reset();
	CHECK_INT(charge(&day, 1, 2, WINDOW), APIKEY_VALID);
	CHECK_INT(charge(&day, 1, 2, WINDOW + 1), APIKEY_QUOTA_EXCEEDED);
	CHECK_INT(charge(&day, 1, 1, WINDOW + 2), APIKEY_VALID);
	CHECK_INT(charge(&day, 1, 1, 2 * WINDOW - 1), APIKEY_QUOTA_EXCEEDED);
	CHECK_INT(charge(&day, 1, 3, 2 * WINDOW), APIKEY_VALID);
	CHECK_INT(charge(&day, 1, 1, 2 * WINDOW), APIKEY_QUOTA_EXCEEDED);
	/* nothing asked, nothing denied */
	CHECK_INT(charge(&day, 1, 0, 2 * WINDOW), APIKEY_VALID);
	CHECK_INT(charge(&day, 1, -1, 2 * WINDOW), APIKEY_VALID);
	CHECK_INT(charge(&day, 1, INT64_MAX, 3 * WINDOW), APIKEY_QUOTA_EXCEEDED);

	/* what a malformed definition becomes passes nothing */
	reset();
	broken.tz = NULL;
	CHECK_INT(charge(&broken, 1, 1, 0), APIKEY_QUOTA_EXCEEDED);
	broken = rate(1, 0);
	CHECK_INT(charge(&broken, 1, 1, 0), APIKEY_RATE_LIMITED);

	/* the denial that lasts longest speaks, of equal ones the rate limit */
	reset();
	both[0] = quota(1, APIKEY_PERIOD_DAY);
	both[1] = rate(1000000000, 1);
	CHECK_INT(charge(both, 2, 1, 0), APIKEY_VALID);
	CHECK_INT(charge(both, 2, 1, 1), APIKEY_QUOTA_EXCEEDED);
	CHECK_INT(charge(&both[1], 1, 1, 1), APIKEY_VALID);
	both[1].increment = INT64_C(10000000000);
	reset();
	CHECK_INT(charge(both, 2, 1, 0), APIKEY_VALID);
	CHECK_INT(charge(both, 2, 1, 1), APIKEY_RATE_LIMITED);
	CHECK_INT(charge(both, 2, 2, 1), APIKEY_RATE_LIMITED);

	/* all or nothing: the rate limit was not charged by what the quota denied */
	reset();
	both[1] = rate(1000000000, 2);
	CHECK_INT(charge(both, 2, 1, 0), APIKEY_VALID);
	CHECK_INT(charge(both, 2, 1, 0), APIKEY_QUOTA_EXCEEDED);
	places[0] = &buckets[1];
	CHECK_INT(charge(&both[1], 1, 1, 0), APIKEY_VALID);
	CHECK_INT(charge(&both[1], 1, 1, 0), APIKEY_RATE_LIMITED);

	/* times at both ends of what there is */
	reset();
	CHECK_INT(charge(&both[1], 1, 1, INT64_MIN), APIKEY_VALID);
	CHECK_INT(charge(&both[1], 1, 1, INT64_MAX), APIKEY_RATE_LIMITED);
	CHECK_INT(apikey_replay_charge(NULL, NULL, APIKEY_LIMITS_MAX + 1, 1, 0, window_at), APIKEY_UNAVAILABLE);
}

static ApikeyExample
example(int64_t at, ApikeyCode today, ApikeyCode proposed)
{
	return (ApikeyExample)
	{
		.at = at, .row = (uint64_t) at, .leaf = 1,.code =
		{
			(uint8_t) today, (uint8_t) proposed
		}
	};
}

static void
add(ApikeyDifference *d, int64_t at, ApikeyCode today, ApikeyCode proposed)
{
	ApikeyExample request = example(at, today, proposed);

	apikey_replay_count(d, &request);
}

static void
test_count(void)
{
	ApikeyDifference d;

	memset(&d, 0, sizeof(d));
	add(&d, 1, APIKEY_VALID, APIKEY_VALID);
	add(&d, 1, APIKEY_IP_DENIED, APIKEY_TIME_DENIED);
	CHECK_INT(d.nexamples, 0);
	add(&d, 10, APIKEY_EXPIRED, APIKEY_VALID);
	add(&d, 9, APIKEY_EXPIRED, APIKEY_VALID);
	add(&d, 8, APIKEY_RATE_LIMITED, APIKEY_VALID);
	add(&d, 11, APIKEY_EXPIRED, APIKEY_VALID);
	CHECK_INT(d.nexamples, 3);
	CHECK_INT(d.examples[0].at, 8);
	CHECK_INT(d.examples[2].at, 10);
	/* denials go first, whenever they were */
	add(&d, 30, APIKEY_VALID, APIKEY_IP_DENIED);
	add(&d, 20, APIKEY_VALID, APIKEY_IP_DENIED);
	CHECK_INT(d.examples[0].at, 20);
	CHECK_INT(d.examples[1].at, 30);
	CHECK_INT(d.examples[2].at, 8);
	CHECK_INT(d.ndenied, 2);
	CHECK_INT(d.nallowed, 4);
	CHECK_INT(d.denied[APIKEY_IP_DENIED], 2);
	CHECK_INT(d.allowed[APIKEY_EXPIRED], 3);
	CHECK_INT(d.allowed[APIKEY_RATE_LIMITED], 1);
	/* no code at all */
	add(&d, 1, APIKEY_VALID, APIKEY_NCODES);
	CHECK_INT(d.ndenied, 2);
}

static void
test_same_checks(void)
{
	static const ApikeyNet nets[2] = {{4, 8, {10}}, {4, 8, {11}}};
	static const ApikeyWindow hours[2] = {{.days = 1, .length = 60}, {.days = 2, .length = 60}};
	ApikeyPolicy a;
	ApikeyPolicy b;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	b.limits.count = 3;
	b.version = 7;
	CHECK(apikey_replay_same_checks(&a, &b));

#define DIFFERS(field, value) \
	do { \
		b = a; \
		b.field = value; \
		CHECKF(!apikey_replay_same_checks(&a, &b) && !apikey_replay_same_checks(&b, &a), \
			   "%s does not count", #field); \
	} while (0)

	DIFFERS(allowed_nets, ((ApikeyNetList) {nets, 1, true}));
	DIFFERS(denied_nets, ((ApikeyNetList) {nets, 1, true}));
	DIFFERS(allowed_endpoints, LIST(S("/a")));
	DIFFERS(denied_endpoints, LIST(S("/a")));
	DIFFERS(hours, ((ApikeyWindowList) {hours, 1}));
	DIFFERS(required_scopes, LIST(S("a")));
	DIFFERS(has_max_scopes, true);
	a.has_max_scopes = true;
	DIFFERS(max_scopes, LIST(S("a")));
	a.allowed_nets = (ApikeyNetList) {nets, 1, true};
	DIFFERS(allowed_nets, ((ApikeyNetList) {nets + 1, 1, true}));
	a.denied_endpoints = LIST(S("/a"));
	DIFFERS(denied_endpoints, LIST(S("/b")));
	a.hours = (ApikeyWindowList) {hours, 1};
	DIFFERS(hours, ((ApikeyWindowList) {hours + 1, 1}));
}

int
main(void)
{
	unit_begin();
	test_gcra();
	test_buckets();
	test_quotas();
	test_count();
	test_same_checks();
	return unit_done("test_replay");
}
