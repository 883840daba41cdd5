/*
 * test_bucket.c
 *		Unit test of the limit buckets (src/bucket*.c): one rule after the other.
 *		test_bucket_threads.c lets threads fight for them.
 */
#include "unit.h"

#include "bucket.h"
#include "bucket_lock.h"

#define SECOND	INT64_C(1000000000)
#define NOW		(1000 * SECOND)
#define WALL	INT64_C(700000000000000)

static ApikeyBucketTableShared *table;

static void
new_table(uint32_t nbuckets)
{
	size_t		bytes = apikey_bucket_bytes(nbuckets);

	free(table);
	if (posix_memalign((void **) &table, 64, bytes) != 0)
		exit(2);
	memset(table, 0xA5, bytes);
	apikey_bucket_init(table, nbuckets);
}

static ApikeyBucketId
id_of(uint64_t number)
{
	return (ApikeyBucketId) {number * UINT64_C(0x9E3779B97F4A7C15), number};
}

/* find or make; the charge has its bucket afterwards */
static bool
resolve(ApikeyCharge *c)
{
	c->bucket = apikey_bucket_make(table, c->id, c->kind, 5, NOW, WALL);
	return c->bucket != NULL;
}

static ApikeyCharge
rate(uint64_t number, int64_t increment, int64_t burst)
{
	ApikeyCharge c;

	memset(&c, 0, sizeof(c));
	c.id = id_of(number);
	c.kind = APIKEY_BUCKET_RATE;
	c.increment = increment;
	c.burst = burst;
	(void) resolve(&c);
	return c;
}

static ApikeyCharge
quota(uint64_t number, int64_t limit, int64_t window, int64_t window_end)
{
	ApikeyCharge c;

	memset(&c, 0, sizeof(c));
	c.id = id_of(number);
	c.kind = APIKEY_BUCKET_QUOTA;
	c.limit = limit;
	c.window = window;
	c.window_end = window_end;
	(void) resolve(&c);
	return c;
}

static ApikeyChargeOutcome
charge(ApikeyCharge *c, int n, int64_t units, int64_t now)
{
	return apikey_bucket_charge(table, c, n, units, now);
}

static bool
grant(ApikeyCharge *c, int64_t credits, int64_t block, int64_t rest)
{
	return apikey_bucket_grant_quota(table, c->bucket, c->id, c->window, c->limit,
									 credits, block, rest);
}

static void
test_table(void)
{
	ApikeyBucketShared *bucket;

	CHECK(apikey_bucket_bytes(0) == SIZE_MAX);
	CHECK(apikey_bucket_bytes(UINT32_MAX) == SIZE_MAX);
	CHECK(apikey_bucket_bytes(64 * 1024 * 1024) > (size_t) 8 << 30);
	CHECK_INT(sizeof(ApikeyBucketShared), 128);

	new_table(100);
	CHECK(apikey_bucket_find(table, id_of(1)) == NULL);
	CHECK(apikey_bucket_at(table, 0) == NULL);
	for (uint64_t i = 1; i <= 100; i++)
	{
		bucket = apikey_bucket_make(table, id_of(i), APIKEY_BUCKET_RATE, 5, NOW, WALL);
		if (bucket == NULL || apikey_bucket_find(table, id_of(i)) != bucket ||
			apikey_bucket_make(table, id_of(i), APIKEY_BUCKET_RATE, 5, NOW, WALL) != bucket ||
			((uintptr_t) bucket) % 64 != 0 || bucket->database != 5)
			CHECKF(false, "bucket %d", (int) i);
	}
	CHECK_INT(table->used, 100);
	CHECK(apikey_bucket_at(table, 99) != NULL);
	CHECK(apikey_bucket_at(table, 100) == NULL);
	CHECK_INT(table->evictions, 0);

	/* all are idle: every one can become another, and the chains stay whole */
	for (uint64_t i = 101; i <= 350; i++)
		CHECK(apikey_bucket_make(table, id_of(i), APIKEY_BUCKET_RATE, 6, NOW, WALL) != NULL);
	CHECK_INT(table->evictions, 250);
	for (uint64_t i = 1; i <= 250; i++)
		CHECK(apikey_bucket_find(table, id_of(i)) == NULL);
	for (uint64_t i = 251; i <= 350; i++)
		CHECK(apikey_bucket_find(table, id_of(i)) != NULL);
}

static void
test_rate(void)
{
	ApikeyCharge c;

	new_table(64);
	c = rate(1, 10 * SECOND, 3);
	for (int i = 2; i >= 0; i--)
	{
		CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
		CHECK_INT(c.remaining, i);
	}
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK(c.denied);
	CHECK_INT(c.remaining, 0);
	CHECK_INT(c.wait, 10 * SECOND);
	CHECK_INT(charge(&c, 1, 1, NOW + 10 * SECOND - 1), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, 1);
	CHECK_INT(charge(&c, 1, 1, NOW + 10 * SECOND), APIKEY_CHARGED);

	/* more than ever passes; the clock goes back */
	CHECK_INT(charge(&c, 1, 4, NOW + 1000 * SECOND), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, -1);
	CHECK_INT(c.remaining, 3);
	CHECK_INT(charge(&c, 1, INT64_C(1) << 62, NOW + 1000 * SECOND), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, -1);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(charge(&c, 1, 1, 0), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.remaining, 0);
	CHECK_INT(charge(&c, 1, 3, NOW + 40 * SECOND), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 0);

	/* a malformed one passes nothing */
	c = rate(2, 0, 3);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, -1);
	c = rate(3, SECOND, 0);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, -1);
	CHECK_INT(c.remaining, 0);
}

static void
test_change(void)
{
	ApikeyCharge c;
	ApikeyCharge slow;

	new_table(64);
	c = rate(1, SECOND, 10);
	CHECK_INT(charge(&c, 1, 6, NOW), APIKEY_CHARGED);

	/* 6 units stay 6 units */
	slow = rate(1, 100 * SECOND, 10);
	CHECK_INT(charge(&slow, 1, 5, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(slow.remaining, 4);
	CHECK_INT(slow.wait, 100 * SECOND);
	/* and come back as slowly as the new limit has it, denied or not */
	CHECK_INT(charge(&slow, 1, 5, NOW + 100 * SECOND - 1), APIKEY_CHARGE_DENIED);
	CHECK_INT(charge(&slow, 1, 5, NOW + 100 * SECOND), APIKEY_CHARGED);
	CHECK_INT(slow.remaining, 0);
	/* raised again: 9.99 units are left of the debt by then */
	CHECK_INT(charge(&c, 1, 1, NOW + 101 * SECOND), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, SECOND - SECOND / 100);
	CHECK_INT(charge(&c, 1, 1, NOW + 102 * SECOND - SECOND / 100), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 0);

	/* a smaller burst sees the same debt */
	c = rate(2, SECOND, 10);
	CHECK_INT(charge(&c, 1, 8, NOW), APIKEY_CHARGED);
	c.burst = 5;
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, 4 * SECOND);
}

static void
test_all_or_nothing(void)
{
	ApikeyCharge c[3];

	new_table(64);
	c[0] = rate(3, SECOND, 10);
	c[1] = rate(1, SECOND, 2);
	c[2] = rate(2, 100 * SECOND, 3);
	CHECK_INT(charge(c, 3, 1, NOW), APIKEY_CHARGED);
	CHECK_INT(charge(c, 3, 1, NOW), APIKEY_CHARGED);
	CHECK_INT(c[0].remaining, 8);
	CHECK_INT(c[1].remaining, 0);
	CHECK_INT(c[2].remaining, 1);
	for (int i = 0; i < 5; i++)
		CHECK_INT(charge(c, 3, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK(!c[0].denied && c[1].denied && !c[2].denied);
	CHECK_INT(c[0].remaining, 8);
	CHECK_INT(c[2].remaining, 1);
	CHECK_INT(charge(c, 3, 2, NOW), APIKEY_CHARGE_DENIED);
	CHECK(c[1].denied && c[2].denied);
	CHECK_INT(c[1].wait, 2 * SECOND);
	CHECK_INT(c[2].wait, 100 * SECOND);
	CHECK_INT(charge(&c[0], 1, 8, NOW), APIKEY_CHARGED);

	/* denied with a limit whose increment has just changed: under locks */
	c[0].increment = 2 * SECOND;
	CHECK_INT(charge(c, 3, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c[2].remaining, 1);
	CHECK_INT(c[0].bucket->tat, NOW + 20 * SECOND);
}

/* the same bucket twice counts once, and the stricter value holds */
static void
test_duplicates(void)
{
	ApikeyCharge c[3];

	new_table(64);
	c[0] = rate(1, SECOND, 10);
	c[1] = rate(2, SECOND, 100);
	c[2] = rate(1, SECOND, 4);
	for (int i = 3; i >= 0; i--)
	{
		CHECK_INT(charge(c, 3, 1, NOW), APIKEY_CHARGED);
		CHECK_INT(c[0].remaining, i);
		CHECK_INT(c[2].remaining, i);
	}
	CHECK_INT(charge(c, 3, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c[1].remaining, 96);

	/* two limits with a hint to one bucket: one of the hints is out of date */
	c[1] = rate(3, SECOND, 10);
	c[0].bucket = c[1].bucket;
	CHECK_INT(charge(c, 2, 1, NOW), APIKEY_CHARGE_LOST);
	CHECK(c[0].bucket == NULL && c[1].bucket == NULL);
	(void) resolve(&c[1]);
	CHECK_INT(c[1].bucket->tat, INT64_MIN);

	c[0] = quota(7, 10, 100, 200);
	c[1] = quota(7, 5, 100, 200);
	CHECK_INT(charge(c, 2, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c[0].post && !c[1].post && c[1].reserve);
	CHECK(grant(&c[0], 0, 5, 0));
	CHECK_INT(charge(c, 2, 5, NOW), APIKEY_CHARGED);
	CHECK_INT(charge(c, 2, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK(c[0].denied && c[1].denied);
}

static void
test_quota(void)
{
	ApikeyCharge c;

	new_table(64);
	c = quota(1, 10, 100, 200);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.reserve && c.post && !c.denied && !c.closed);
	CHECK_INT(c.remaining, -1);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.reserve && !c.post);
	/* not while the one who asked may still get an answer; then again */
	CHECK_INT(charge(&c, 1, 1, NOW + 59 * SECOND), APIKEY_CHARGE_RESERVE);
	CHECK(!c.post);
	CHECK_INT(charge(&c, 1, 1, NOW + 61 * SECOND), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);
	CHECK(apikey_bucket_refuse(table, c.bucket, c.id));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);

	CHECK(grant(&c, 0, 4, 6));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 9);
	CHECK(!c.prefetch && !c.soft);
	CHECK_INT(charge(&c, 1, 2, NOW), APIKEY_CHARGED);
	CHECK(c.prefetch);
	CHECK_INT(c.remaining, 7);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK(!c.prefetch);			/* is on its way */
	CHECK_INT(charge(&c, 1, 7, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, 0);
	CHECK_INT(c.remaining, 6);
	CHECK_INT(charge(&c, 1, 11, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, -1);
	CHECK_INT(charge(&c, 1, 6, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(!c.post);
	CHECK(grant(&c, 0, 6, 0));
	CHECK_INT(charge(&c, 1, 3, NOW), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 3);
	CHECK(!c.soft);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK(c.soft);				/* 8 of 10 */
	CHECK_INT(charge(&c, 1, 2, NOW), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 0);
	CHECK(c.soft && !c.prefetch);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, 0);

	/* the limit is raised: known at once; and lowered below what is used */
	c.limit = 12;
	CHECK_INT(charge(&c, 1, 2, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(grant(&c, 0, 2, 0));
	c.limit = 4;
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.remaining, 0);
	c.limit = 12;
	CHECK_INT(charge(&c, 1, 2, NOW), APIKEY_CHARGED);

	/* credits */
	CHECK(apikey_bucket_reset(table, c.bucket, c.id));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);
	CHECK(grant(&c, 88, 10, 78));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 87);
	CHECK(!c.soft);
	CHECK_INT(charge(&c, 1, 100, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, 0);
	CHECK_INT(charge(&c, 1, 101, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, -1);

	/* a lifetime quota and one of nothing never pass again */
	c = quota(2, 5, INT64_MIN, INT64_MAX);
	(void) charge(&c, 1, 1, NOW);
	CHECK(c.post);
	CHECK(grant(&c, 0, 5, 0));
	CHECK_INT(charge(&c, 1, 5, NOW), APIKEY_CHARGED);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, -1);
	c = quota(3, 0, 100, 200);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, -1);
	c = quota(4, INT64_MAX, 100, 200);
	(void) charge(&c, 1, INT64_C(1) << 62, NOW);
	CHECK(grant(&c, INT64_MAX, INT64_MAX, INT64_MAX));
	CHECK_INT(charge(&c, 1, INT64_MAX, NOW), APIKEY_CHARGED);
}

static void
test_windows(void)
{
	ApikeyCharge c;
	ApikeyCharge later;

	new_table(64);
	c = quota(1, 10, 100, 200);
	(void) charge(&c, 1, 1, NOW);
	CHECK(grant(&c, 0, 4, 6));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);

	/* the next window: nothing of the block goes with it */
	later = quota(1, 10, 200, 300);
	CHECK_INT(charge(&later, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(later.post);
	/* a grant for the window before comes too late */
	CHECK(grant(&c, 0, 6, 0));
	CHECK_INT(charge(&later, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(later.post);
	CHECK(grant(&later, 0, 10, 0));
	CHECK_INT(charge(&later, 1, 3, NOW), APIKEY_CHARGED);
	CHECK_INT(later.remaining, 7);

	/* a slower client still in the window before: look at the clock again */
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_STALE);
	CHECK_INT(later.bucket->left, 7);
	c.certain = true;
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK_INT(later.bucket->left, 0);
	CHECK(grant(&c, 0, 0, 0));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
}

/* a refresh that comes while a request is with the writer is not lost */
static void
test_refresh(void)
{
	ApikeyCharge c;

	new_table(64);
	c = quota(1, 10, 100, 200);
	(void) charge(&c, 1, 1, NOW);
	CHECK(grant(&c, 0, 10, 0));
	CHECK_INT(charge(&c, 1, 10, NOW), APIKEY_CHARGED);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);

	CHECK(apikey_bucket_reset(table, c.bucket, c.id));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);
	/* the writer reads; then credits are committed; then it grants */
	CHECK(apikey_bucket_reset(table, c.bucket, c.id));
	CHECK(grant(&c, 0, 0, 0));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);
	CHECK(grant(&c, 5, 5, 0));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 4);

	/* refused: must not decide from what it knew before */
	CHECK(apikey_bucket_reset(table, c.bucket, c.id));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(apikey_bucket_refuse(table, c.bucket, c.id));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);
}

static void
test_durable(void)
{
	ApikeyCharge c;
	int64_t		left;
	int64_t		tat;

	new_table(64);
	c = rate(1, 60 * SECOND, 8);	/* capacity 480 s */
	c.durable = true;
	CHECK_INT(charge(&c, 1, 9, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);
	CHECK(apikey_bucket_grant_rate(table, c.bucket, c.id, INT64_MIN, 480 * SECOND,
								   NOW + 120 * SECOND));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK(!c.prefetch);			/* 60 s left, an eighth is 60 s */
	CHECK_INT(c.remaining, 7);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK(c.prefetch);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(!c.post);
	CHECK_INT(c.bucket->tat, NOW + 120 * SECOND);
	/* not enough of a ceiling */
	CHECK(apikey_bucket_grant_rate(table, c.bucket, c.id, INT64_MIN, 480 * SECOND,
								   NOW + 150 * SECOND));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);
	CHECK(apikey_bucket_grant_rate(table, c.bucket, c.id, NOW + 400 * SECOND, 480 * SECOND,
								   NOW + 480 * SECOND));
	CHECK_INT(c.bucket->tat, NOW + 120 * SECOND);	/* loaded: stored is older */
	CHECK_INT(charge(&c, 1, 6, NOW), APIKEY_CHARGED);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, 60 * SECOND);

	/* shut down, and up again */
	CHECK(apikey_bucket_close(table, c.bucket, c.id, true, &left, &tat));
	CHECK_INT(left, 0);
	CHECK_INT(tat, NOW + 480 * SECOND);
	CHECK_INT(charge(&c, 1, 1, NOW + 1000 * SECOND), APIKEY_CHARGE_RESERVE);
	CHECK(c.closed && !c.post);
	new_table(64);
	c = rate(1, 60 * SECOND, 8);
	c.durable = true;
	(void) charge(&c, 1, 1, NOW + 60 * SECOND);
	CHECK(c.post);
	CHECK(apikey_bucket_grant_rate(table, c.bucket, c.id, tat, 480 * SECOND, tat + 120 * SECOND));
	CHECK_INT(charge(&c, 1, 2, NOW + 60 * SECOND), APIKEY_CHARGE_DENIED);
	CHECK_INT(charge(&c, 1, 1, NOW + 60 * SECOND), APIKEY_CHARGED);

	/* a stored ceiling can be beyond any debt: the bucket is empty, not worse */
	c = rate(2, 60 * SECOND, 8);
	c.durable = true;
	(void) charge(&c, 1, 1, NOW);
	CHECK(apikey_bucket_grant_rate(table, c.bucket, c.id, NOW + 9000 * SECOND, 480 * SECOND,
								   NOW + 9100 * SECOND));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK_INT(c.wait, 60 * SECOND);

	/* not durable (a standby): no row is needed, and after a promotion it is */
	c = rate(3, 60 * SECOND, 8);
	CHECK_INT(charge(&c, 1, 3, NOW), APIKEY_CHARGED);
	c.durable = true;
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(apikey_bucket_grant_rate(table, c.bucket, c.id, NOW + 60 * SECOND, 480 * SECOND,
								   NOW + 400 * SECOND));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 4);
	CHECK(apikey_bucket_close(table, c.bucket, c.id, false, &left, &tat));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);

	/* reset: full again */
	CHECK(apikey_bucket_reset(table, c.bucket, c.id));
	CHECK(apikey_bucket_grant_rate(table, c.bucket, c.id, INT64_MIN, 480 * SECOND,
								   NOW + 480 * SECOND));
	CHECK_INT(charge(&c, 1, 8, NOW), APIKEY_CHARGED);
}

static void
test_close(void)
{
	ApikeyCharge c;
	int64_t		left;
	int64_t		tat;

	new_table(64);
	c = quota(1, 100, 100, 200);
	(void) charge(&c, 1, 1, NOW);
	CHECK(grant(&c, 0, 10, 90));
	CHECK_INT(charge(&c, 1, 3, NOW), APIKEY_CHARGED);
	CHECK(apikey_bucket_close(table, c.bucket, c.id, false, &left, &tat));
	CHECK_INT(left, 7);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.post);
	CHECK(grant(&c, 0, 10, 87));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGED);
	CHECK_INT(c.remaining, 96);
	CHECK(apikey_bucket_close(table, c.bucket, c.id, true, &left, &tat));
	CHECK_INT(left, 9);
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(c.closed && !c.post);
	CHECK(apikey_bucket_close(table, c.bucket, c.id, true, &left, &tat));
	CHECK_INT(left, 0);

	/* of another by now: nothing happens */
	c.id = id_of(99);
	CHECK(!apikey_bucket_close(table, c.bucket, c.id, true, &left, &tat));
	CHECK(!apikey_bucket_refuse(table, c.bucket, c.id));
	CHECK(!apikey_bucket_reset(table, c.bucket, c.id));
	CHECK(!grant(&c, 0, 10, 0));
	CHECK(!apikey_bucket_grant_rate(table, c.bucket, c.id, 0, 0, 0));
	CHECK_INT(charge(&c, 1, 1, NOW), APIKEY_CHARGE_LOST);
	CHECK(c.bucket == NULL);
}

/* what waits for the writer, denies, and is lost at the same time */
static void
test_mixed(void)
{
	ApikeyCharge c[2];

	new_table(64);
	c[0] = rate(1, SECOND, 1);
	c[1] = quota(2, 10, 100, 200);
	CHECK_INT(charge(c, 2, 1, NOW), APIKEY_CHARGE_RESERVE);
	CHECK(!c[0].reserve && c[1].post);
	CHECK_INT(c[0].remaining, 1);
	CHECK(grant(&c[1], 0, 10, 0));
	CHECK_INT(charge(c, 2, 1, NOW), APIKEY_CHARGED);
	/* a denial asks nobody for anything */
	CHECK(apikey_bucket_reset(table, c[1].bucket, c[1].id));
	CHECK_INT(charge(c, 2, 1, NOW), APIKEY_CHARGE_DENIED);
	CHECK(!c[1].post && !(c[1].bucket->flags & APIKEY_BUCKET_PENDING));
}

static void
test_peek(void)
{
	ApikeyCharge c[4];

	new_table(64);
	c[0] = rate(1, SECOND, 5);
	c[1] = quota(2, 10, 100, 200);
	c[2] = rate(3, 60 * SECOND, 5);
	c[2].durable = true;
	c[3] = rate(4, SECOND, 7);
	c[3].bucket = NULL;
	apikey_bucket_peek(c, 4, NOW);
	CHECK_INT(c[0].remaining, 5);
	CHECK_INT(c[1].remaining, -1);
	CHECK_INT(c[2].remaining, -1);
	CHECK_INT(c[3].remaining, 7);
	(void) charge(&c[1], 1, 1, NOW);
	(void) grant(&c[1], 0, 10, 0);
	CHECK_INT(charge(c, 2, 2, NOW), APIKEY_CHARGED);
	c[0].increment = 2 * SECOND;
	apikey_bucket_peek(c, 2, NOW);
	CHECK_INT(c[0].remaining, 3);
	CHECK_INT(c[1].remaining, 8);
	CHECK_INT(charge(c, 2, 3, NOW), APIKEY_CHARGED);
	apikey_bucket_peek(c, 2, NOW);
	CHECK_INT(c[0].remaining, 0);
	CHECK(!c[0].denied);
}

/* a bucket that holds information stays, and a full table is not searched twice */
static void
test_eviction(void)
{
	ApikeyCharge c[64];
	ApikeyCharge more;
	uint32_t	hand;

	new_table(64);
	for (int i = 0; i < 64; i++)
	{
		if (i % 2 == 0)
			c[i] = rate((uint64_t) i + 1, (i + 1) * SECOND, 1);
		else
		{
			c[i] = quota((uint64_t) i + 1, 10, WALL - 5, WALL + 1000);
			(void) charge(&c[i], 1, 1, NOW);
			(void) grant(&c[i], 0, 2, 8);
		}
		CHECK_INT(charge(&c[i], 1, 1, NOW), APIKEY_CHARGED);
		/* of block 2 one is left: prefetch was not asked for */
	}
	more = rate(1000, SECOND, 1);
	CHECK(more.bucket == NULL);
	CHECK_INT(table->full_until, NOW + SECOND);
	CHECK_INT(table->full_until_wall, WALL + 1000);

	/* not searched again until something can be idle */
	c[0].bucket->tat = 0;		/* behind its back */
	CHECK(!resolve(&more));
	c[0].bucket->tat = NOW + SECOND;

	/* a unit of a quota is given out: that one is idle */
	CHECK_INT(charge(&c[1], 1, 1, NOW), APIKEY_CHARGED);
	CHECK(c[1].prefetch);
	CHECK(!resolve(&more));		/* not while the writer is asked */
	CHECK(apikey_bucket_refuse(table, c[1].bucket, c[1].id));
	CHECK(resolve(&more));
	CHECK(more.bucket == c[1].bucket);
	CHECK_INT(table->evictions, 1);
	CHECK_INT(charge(&c[1], 1, 1, NOW), APIKEY_CHARGE_LOST);
	CHECK(c[1].bucket == NULL);
	CHECK_INT(charge(&more, 1, 1, NOW), APIKEY_CHARGED);

	/* by time alone */
	CHECK(!resolve(&c[1]));
	hand = table->hand;
	c[1].bucket = apikey_bucket_make(table, c[1].id, c[1].kind, 5, NOW + SECOND - 1, WALL);
	CHECK(c[1].bucket == NULL);
	CHECK_INT(table->hand, hand);
	c[1].bucket = apikey_bucket_make(table, c[1].id, c[1].kind, 5, NOW + SECOND, WALL);
	CHECK(c[1].bucket == c[0].bucket || c[1].bucket == more.bucket);
	more = rate(1001, SECOND, 1);
	more.bucket = apikey_bucket_make(table, more.id, more.kind, 5, NOW + SECOND, WALL + 1000);
	CHECK(more.bucket != NULL);

	/* the window of the quotas is over, whatever they have left */
	for (int i = 0; i < 31; i++)
		CHECK(apikey_bucket_make(table, id_of(2000 + (uint64_t) i), APIKEY_BUCKET_RATE, 5,
								 NOW, WALL + 1000) != NULL);

	/* a clock that goes back finds no debt forgotten */
	more = rate(3000, 10 * SECOND, 1);
	new_table(1);
	more = rate(1, 10 * SECOND, 1);
	CHECK_INT(charge(&more, 1, 1, NOW), APIKEY_CHARGED);
	more.bucket = apikey_bucket_make(table, id_of(2), APIKEY_BUCKET_RATE, 5, NOW + 10 * SECOND, WALL);
	CHECK(more.bucket != NULL);
	more.bucket = apikey_bucket_make(table, id_of(1), APIKEY_BUCKET_RATE, 5, NOW + 10 * SECOND, WALL);
	CHECK_INT(charge(&more, 1, 1, NOW + SECOND), APIKEY_CHARGE_DENIED);
	CHECK_INT(charge(&more, 1, 1, NOW + 10 * SECOND), APIKEY_CHARGED);

	/* a ceiling on disk is information too */
	new_table(1);
	more = rate(1, 60 * SECOND, 4);
	more.durable = true;
	(void) charge(&more, 1, 1, NOW);
	CHECK(apikey_bucket_grant_rate(table, more.bucket, more.id, INT64_MIN, 240 * SECOND,
								   NOW + 100 * SECOND));
	CHECK_INT(charge(&more, 1, 1, NOW), APIKEY_CHARGED);
	CHECK(apikey_bucket_make(table, id_of(2), APIKEY_BUCKET_RATE, 5, NOW + 99 * SECOND, WALL) == NULL);
	CHECK(apikey_bucket_make(table, id_of(2), APIKEY_BUCKET_RATE, 5, NOW + 100 * SECOND, WALL) != NULL);
}

/* a reader without the lock never takes halves of two states for one */
static void
test_copy(void)
{
	ApikeyCharge c;
	ApikeyBucketShared copy;

	new_table(64);
	c = rate(1, SECOND, 5);
	CHECK(apikey_bucket_peek_copy(c.bucket, &copy));
	apikey_bucket_lock(c.bucket);
	CHECK(!apikey_bucket_peek_copy(c.bucket, &copy));
	CHECK(!apikey_bucket_try_lock(c.bucket));
	apikey_bucket_unlock(c.bucket);
	CHECK(apikey_bucket_peek_copy(c.bucket, &copy));
	CHECK_INT(c.bucket->lock & 1, 0);
	CHECK(c.bucket->lock != 0);
}

int
main(void)
{
	unit_begin();
	test_table();
	test_rate();
	test_change();
	test_all_or_nothing();
	test_duplicates();
	test_quota();
	test_windows();
	test_refresh();
	test_durable();
	test_close();
	test_mixed();
	test_peek();
	test_eviction();
	test_copy();
	free(table);
	return unit_done("test_bucket");
}
