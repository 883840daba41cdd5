/*
 * test_bucket_threads.c
 *		Threads fight for limit buckets (src/bucket*.c); an oracle counts.
 *
 * The table lock is a mutex here.  What a thread was allowed it writes into its
 * own log; the logs are compared when all have ended.
 */
#include <pthread.h>
#include <sched.h>

#include "unit.h"

#include "bucket.h"
#include "bucket_lock.h"

#define NTHREADS	6
#define NBUCKETS	12
#define ROUNDS		60000

static ApikeyBucketTableShared *table;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

/* limiter time: moved by whoever asks */
static int64_t clock_now;

/* threads that have done their part */
static int	ended;

static void
new_table(uint32_t nbuckets)
{
	free(table);
	if (posix_memalign((void **) &table, 64, apikey_bucket_bytes(nbuckets)) != 0)
		exit(2);
	apikey_bucket_init(table, nbuckets);
}

static ApikeyBucketId
id_of(uint64_t number)
{
	return (ApikeyBucketId) {(number + 1) * UINT64_C(0x9E3779B97F4A7C15), number};
}

static bool
resolve(ApikeyCharge *c, int64_t now)
{
	if (c->bucket == NULL)
	{
		pthread_mutex_lock(&table_lock);
		c->bucket = apikey_bucket_make(table, c->id, c->kind, 1, now, now);
		pthread_mutex_unlock(&table_lock);
	}
	return c->bucket != NULL;
}

static void
run(void *(*function) (void *), int n)
{
	pthread_t	thread[NTHREADS];

	for (intptr_t i = 0; i < n; i++)
		if (pthread_create(&thread[i], NULL, function, (void *) i) != 0)
			exit(2);
	for (int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

/*
 * Random sets of buckets at one fixed instant: nothing is refilled, so what
 * was accepted of a bucket is its debt to the unit.  Buckets 2i and 2i + 1 are
 * always charged together.
 */
static int64_t accepted[NTHREADS][NBUCKETS];
static int	denials[NTHREADS];

static void *
hammer(void *arg)
{
	int			me = (int) (intptr_t) arg;
	uint64_t	state = (uint64_t) me + 1;

	for (int round = 0; round < ROUNDS; round++)
	{
		ApikeyCharge c[NBUCKETS];
		int			which[NBUCKETS];
		int			n = 0;
		int64_t		units = 1 + unit_random(&state) % 3;
		unsigned	first = unit_random(&state) % (NBUCKETS / 2);
		int			pairs = 1 + (int) (unit_random(&state) % 3);

		memset(c, 0, sizeof(c));
		for (int i = 0; i < pairs; i++)
		{
			int			pair = (int) ((first + (unsigned) i) % (NBUCKETS / 2));

			which[n++] = 2 * pair;
			which[n++] = 2 * pair + 1;
		}
		/* in any order */
		for (int i = n - 1; i > 0; i--)
		{
			int			j = (int) (unit_random(&state) % (unsigned) (i + 1));
			int			swap = which[i];

			which[i] = which[j];
			which[j] = swap;
		}
		for (int i = 0; i < n; i++)
		{
			c[i].id = id_of((uint64_t) which[i]);
			c[i].kind = APIKEY_BUCKET_RATE;
			c[i].increment = 1000;
			c[i].burst = 10000 + 3000 * which[i];
			if (!resolve(&c[i], 0))
				exit(2);
		}
		switch (apikey_bucket_charge(table, c, n, units, 0))
		{
			case APIKEY_CHARGED:
				for (int i = 0; i < n; i++)
					accepted[me][which[i]] += units;
				break;
			case APIKEY_CHARGE_DENIED:
				denials[me]++;
				break;
			default:
				exit(3);
		}
	}
	return NULL;
}

static void
test_hammer(void)
{
	int			denied = 0;

	new_table(64);
	run(hammer, NTHREADS);
	for (int i = 0; i < NTHREADS; i++)
		denied += denials[i];
	CHECKF(denied > 0, "nothing was denied");
	for (int b = 0; b < NBUCKETS; b++)
	{
		ApikeyBucketShared *bucket = apikey_bucket_find(table, id_of((uint64_t) b));
		int64_t		sum = 0;

		for (int i = 0; i < NTHREADS; i++)
			sum += accepted[i][b];
		CHECKF(sum <= 10000 + 3000 * b, "bucket %d: %lld accepted", b, (long long) sum);
		CHECK_INT(bucket->tat, sum * 1000);
		CHECK_INT(bucket->lock & 1, 0);
		if (b % 2 == 1)
			CHECK_INT(bucket->tat,
					  apikey_bucket_find(table, id_of((uint64_t) b - 1))->tat);
	}
}

/*
 * Eight buckets for forty limits: everything is evicted all the time.  Whatever
 * happens, from s to e no more than (e - s) / increment + burst pass.
 */
#define NIDS		40
#define EVICT_ROUNDS 20000
#define INCREMENT	100
#define BURST		3

typedef struct Passed
{
	int			id;
	int64_t		at;
	int64_t		units;
} Passed;

static Passed *passed[NTHREADS];
static int	npassed[NTHREADS];
static int	full[NTHREADS];

static void *
evict(void *arg)
{
	int			me = (int) (intptr_t) arg;
	uint64_t	state = (uint64_t) me + 77;
	ApikeyBucketShared *hint[NIDS] = {NULL};

	passed[me] = malloc(sizeof(Passed) * 2 * EVICT_ROUNDS);
	for (int round = 0; round < EVICT_ROUNDS; round++)
	{
		ApikeyCharge c[2];
		int			n = 1 + (int) (unit_random(&state) % 2);
		int			which[2];
		int64_t		units = 1 + unit_random(&state) % 2;
		int64_t		now;
		int			tries = 0;

		memset(c, 0, sizeof(c));
		/* mostly a few, so that they are busy */
		which[0] = (int) (unit_random(&state) % (unit_random(&state) % 4 == 0 ? NIDS : 6));
		which[1] = (which[0] + 1) % NIDS;
again:
		now = __atomic_add_fetch(&clock_now, unit_random(&state) % 4, __ATOMIC_SEQ_CST);
		for (int i = 0; i < n; i++)
		{
			c[i].id = id_of((uint64_t) which[i]);
			c[i].kind = APIKEY_BUCKET_RATE;
			c[i].increment = INCREMENT;
			c[i].burst = BURST;
			if (tries == 0)
				c[i].bucket = hint[which[i]];
			if (!resolve(&c[i], now))
			{
				full[me]++;
				n = 0;
			}
		}
		if (n == 0)
			continue;
		if (unit_random(&state) % 64 == 0)
			sched_yield();
		switch (apikey_bucket_charge(table, c, n, units, now))
		{
			case APIKEY_CHARGED:
				for (int i = 0; i < n; i++)
					passed[me][npassed[me]++] = (Passed) {which[i], now, units};
				break;
			case APIKEY_CHARGE_DENIED:
				break;
			case APIKEY_CHARGE_LOST:
				if (tries++ < 50)
					goto again;
				break;
			default:
				exit(3);
		}
		for (int i = 0; i < n; i++)
			hint[which[i]] = c[i].bucket;
	}
	return NULL;
}

static int
by_time(const void *a, const void *b)
{
	const Passed *x = a;
	const Passed *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static void
test_evict(void)
{
	Passed	   *all = malloc(sizeof(Passed) * 2 * EVICT_ROUNDS * NTHREADS);
	int			n = 0;
	int			refused = 0;
	int64_t		worst = 0;

	new_table(8);
	run(evict, NTHREADS);
	for (int i = 0; i < NTHREADS; i++)
	{
		memcpy(all + n, passed[i], sizeof(Passed) * (size_t) npassed[i]);
		n += npassed[i];
		refused += full[i];
		free(passed[i]);
	}
	qsort(all, (size_t) n, sizeof(Passed), by_time);
	CHECKF(n > 1000, "%d passed", n);
	CHECKF(table->evictions > 1000, "%lld evictions", (long long) table->evictions);
	CHECKF(refused > 0, "the table was never full");

	/*
	 * Of each limit: for s the time of one and e the time of a later one, sum
	 * of units <= (e - s) / increment + burst.  With the running sum S before
	 * an event, that is S(e) - e / increment <= min over s of (S(s) - s /
	 * increment) + burst.
	 */
	for (int i = 0; i < n;)
	{
		int64_t		sum = 0;
		int64_t		least = INT64_MAX;
		int			id = all[i].id;

		for (; i < n && all[i].id == id; i++)
		{
			int64_t		over;

			if (sum * INCREMENT - all[i].at < least)
				least = sum * INCREMENT - all[i].at;
			sum += all[i].units;
			over = sum * INCREMENT - all[i].at - least - BURST * INCREMENT;
			if (over > worst)
				worst = over;
		}
	}
	CHECKF(worst <= 0, "%lld ns over the limit", (long long) worst);
	free(all);
}

/*
 * One bucket, one client, and one who takes the bucket whenever it is idle and
 * gives it back at once: a charge between a look at the bucket and taking it
 * must be noticed.
 */
#define STEAL_ROUNDS 1500000
#define ENOUGH		100

static int64_t stolen;
static int64_t early;

static void *
steal(void *arg)
{
	ApikeyBucketShared *bucket;
	ApikeyCharge c;
	int64_t		last = -INCREMENT;

	if (arg != NULL)
	{
		/* longer where the other thread was not given a core meanwhile */
		for (uint64_t i = 0; i < STEAL_ROUNDS || (stolen <= ENOUGH && i < 100 * STEAL_ROUNDS); i++)
		{
			int64_t		now = __atomic_add_fetch(&clock_now, INCREMENT / 2, __ATOMIC_SEQ_CST);

			if (apikey_bucket_make(table, id_of(5), APIKEY_BUCKET_RATE, 1, now, now) == NULL)
				continue;
			stolen++;
			/* not while the client looks at it */
			while (apikey_bucket_make(table, id_of(1), APIKEY_BUCKET_RATE, 1, now, now) == NULL)
				;
		}
		__atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
		return NULL;
	}
	memset(&c, 0, sizeof(c));
	c.id = id_of(1);
	c.kind = APIKEY_BUCKET_RATE;
	c.increment = INCREMENT;
	c.burst = 1;
	bucket = apikey_bucket_at(table, 0);
	while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) == 0)
	{
		int64_t		now = __atomic_load_n(&clock_now, __ATOMIC_SEQ_CST);

		c.bucket = bucket;
		if (apikey_bucket_charge(table, &c, 1, 1, now) == APIKEY_CHARGED)
		{
			if (now - last < INCREMENT)
				early++;
			last = now;
		}
	}
	return NULL;
}

static void
test_steal(void)
{
	ApikeyCharge c;

	memset(&c, 0, sizeof(c));
	c.id = id_of(1);
	c.kind = APIKEY_BUCKET_RATE;
	new_table(1);
	(void) resolve(&c, 0);
	clock_now = 0;
	ended = 0;
	run(steal, 2);
	CHECKF(stolen > ENOUGH, "only %lld evictions", (long long) stolen);
	CHECKF(early == 0, "%lld charges too early", (long long) early);
}

/* what is read without the lock belongs together */
#define COPY_ROUNDS	3000000

static int64_t torn;
static int64_t copied;

static void *
read_or_write(void *arg)
{
	ApikeyBucketShared *bucket = apikey_bucket_at(table, 0);

	if (arg != NULL)
	{
		for (int64_t i = 0; i < COPY_ROUNDS ||
			 (__atomic_load_n(&copied, __ATOMIC_RELAXED) <= ENOUGH && i < 100 * (int64_t) COPY_ROUNDS); i++)
		{
			apikey_bucket_lock(bucket);
			bucket->tat = bucket->increment = bucket->window = bucket->rest = i;
			bucket->used_at = bucket->left = bucket->limit = bucket->credits = i;
			apikey_bucket_unlock(bucket);
		}
		__atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
		return NULL;
	}
	while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) == 0)
	{
		ApikeyBucketShared copy;

		if (!apikey_bucket_peek_copy(bucket, &copy))
			continue;
		__atomic_fetch_add(&copied, 1, __ATOMIC_RELAXED);
		if (copy.tat != copy.increment || copy.tat != copy.window || copy.tat != copy.rest ||
			copy.tat != copy.used_at || copy.tat != copy.left || copy.tat != copy.limit ||
			copy.tat != copy.credits)
			torn++;
	}
	return NULL;
}

static void
test_copy(void)
{
	ApikeyCharge c;

	new_table(1);
	memset(&c, 0, sizeof(c));
	c.id = id_of(1);
	c.kind = APIKEY_BUCKET_RATE;
	(void) resolve(&c, 0);
	apikey_bucket_lock(c.bucket);
	c.bucket->tat = c.bucket->increment = c.bucket->window = c.bucket->rest = 0;
	c.bucket->used_at = c.bucket->left = c.bucket->limit = c.bucket->credits = 0;
	apikey_bucket_unlock(c.bucket);
	ended = 0;
	run(read_or_write, 2);
	CHECKF(copied > ENOUGH, "only %lld copies", (long long) copied);
	CHECKF(torn == 0, "%lld of %lld copies are torn", (long long) torn, (long long) copied);
}

/*
 * A quota with a writer: every unit of it is given out, and not one more; a
 * rate limit charged with it counts the same.
 */
#define QUOTA		300000

static int64_t given[NTHREADS];
static int64_t reserved;
static int	requests;

static void
quota_charges(ApikeyCharge *c)
{
	memset(c, 0, sizeof(*c) * 2);
	c[0].id = id_of(1);
	c[0].kind = APIKEY_BUCKET_QUOTA;
	c[0].limit = QUOTA;
	c[0].window = 100;
	c[0].window_end = 200;
	c[1].id = id_of(2);
	c[1].kind = APIKEY_BUCKET_RATE;
	c[1].increment = 1;
	c[1].burst = 2 * QUOTA;
}

static void *
spend(void *arg)
{
	int			me = (int) (intptr_t) arg;
	uint64_t	state = (uint64_t) me + 5;
	ApikeyCharge c[2];

	quota_charges(c);
	if (me == 0)
	{
		/* the writer; what it grants is what it has noted before */
		(void) resolve(&c[0], 0);
		while (__atomic_load_n(&ended, __ATOMIC_SEQ_CST) < NTHREADS - 1)
		{
			int64_t		block;

			if (__atomic_load_n(&requests, __ATOMIC_SEQ_CST) == 0)
			{
				sched_yield();
				continue;
			}
			__atomic_fetch_sub(&requests, 1, __ATOMIC_SEQ_CST);
			block = 1 + unit_random(&state) % 200;
			if (block > QUOTA - reserved)
				block = QUOTA - reserved;
			reserved += block;
			apikey_bucket_grant_quota(table, c[0].bucket, c[0].id, 100, QUOTA, 0, block,
									  QUOTA - reserved);
		}
		return NULL;
	}
	for (;;)
	{
		int64_t		units = 1 + unit_random(&state) % 3;

		for (int i = 0; i < 2; i++)
			(void) resolve(&c[i], 0);
		switch (apikey_bucket_charge(table, c, 2, units, 0))
		{
			case APIKEY_CHARGED:
				given[me] += units;
				if (c[0].prefetch)
					__atomic_fetch_add(&requests, 1, __ATOMIC_SEQ_CST);
				break;
			case APIKEY_CHARGE_RESERVE:
				if (c[0].post)
					__atomic_fetch_add(&requests, 1, __ATOMIC_SEQ_CST);
				sched_yield();
				break;
			case APIKEY_CHARGE_DENIED:
				if (units > 1)
					break;
				__atomic_fetch_add(&ended, 1, __ATOMIC_SEQ_CST);
				return NULL;
			default:
				exit(3);
		}
	}
}

static void
test_quota(void)
{
	ApikeyCharge c[2];
	int64_t		sum = 0;

	new_table(64);
	ended = 0;
	run(spend, NTHREADS);
	for (int i = 0; i < NTHREADS; i++)
		sum += given[i];
	CHECK_INT(sum, QUOTA);
	CHECK_INT(reserved, QUOTA);
	quota_charges(c);
	CHECK_INT(apikey_bucket_find(table, c[1].id)->tat, QUOTA);
	CHECK_INT(apikey_bucket_find(table, c[0].id)->left, 0);
}

int
main(void)
{
	unit_begin();
	test_hammer();
	test_evict();
	test_steal();
	test_copy();
	test_quota();
	free(table);
	return unit_done("test_bucket_threads");
}
