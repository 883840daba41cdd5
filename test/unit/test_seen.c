/* Unit tests of seen.c. */
#include "unit.h"

#include "seen.h"

#define IDS(...)	((const uint64_t[]) {__VA_ARGS__})

static void
test_valid(void)
{
	CHECK(apikey_seen_valid(&(ApikeySeen) {1, IDS(3)}));
	CHECK(apikey_seen_valid(&(ApikeySeen) {3, IDS(3, 4, 9)}));
	CHECK(!apikey_seen_valid(&(ApikeySeen) {0, NULL}));
	CHECK(!apikey_seen_valid(&(ApikeySeen) {2, IDS(3, 4)}));
	CHECK(!apikey_seen_valid(&(ApikeySeen) {3, IDS(3, 3, 9)}));
	CHECK(!apikey_seen_valid(&(ApikeySeen) {3, IDS(3, 9, 8)}));
}

static void
test_has(void)
{
	ApikeySeen	seen = {7, IDS(10, 11, 12, 13, 17, 19, 20)};

	for (uint64_t xid = 0; xid < 30; xid++)
		CHECK(apikey_seen_has(&seen, xid) ==
			  (xid < 20 && xid != 10 && xid != 12 && xid != 17 && xid != 18));
	seen = (ApikeySeen) {1, IDS(20)};
	CHECK(apikey_seen_has(&seen, 10));
	CHECK(apikey_seen_has(&seen, 19));
	CHECK(!apikey_seen_has(&seen, 20));
	CHECK(!apikey_seen_has(&seen, UINT64_MAX));
	/* all that is not running is in, whatever the number */
	{
		uint64_t	bounds[2001];
		ApikeySeen	many = {2001, bounds};

		for (int i = 0; i < 2001; i++)
			bounds[i] = 1001 + (uint64_t) i;
		for (uint64_t xid = 990; xid < 3010; xid++)
			CHECK(apikey_seen_has(&many, xid) ==
				  (xid < 1001 || (xid < 3001 && xid % 2 == 0)));
	}
}

/* a set of ids below 16 as bits; below first all are in, from end on none */
static ApikeySeen
of_bits(unsigned bits, uint64_t first, uint64_t end, uint64_t *bounds)
{
	ApikeySeen	seen = {0, bounds};
	bool		in = true;

	for (uint64_t xid = first; xid <= end; xid++)
		if (in != (xid < end && (bits & (1U << xid)) != 0))
		{
			in = !in;
			bounds[seen.n++] = xid;
		}
	return seen;
}

/* every pair of sets that begin at 3 and end before 9 */
static void
test_unite(void)
{
	for (uint64_t a_end = 3; a_end < 8; a_end++)
		for (uint64_t b_end = 3; b_end < 8; b_end++)
			for (unsigned a_bits = 0; a_bits < 32; a_bits++)
				for (unsigned b_bits = 0; b_bits < 32; b_bits++)
				{
					uint64_t	a_bounds[8];
					uint64_t	b_bounds[8];
					uint64_t	bounds[16];
					ApikeySeen	a = of_bits(a_bits << 3, 3, a_end, a_bounds);
					ApikeySeen	b = of_bits(b_bits << 3, 3, b_end, b_bounds);
					ApikeySeen	both = apikey_seen_unite(&a, &b, bounds);
					bool		good = apikey_seen_valid(&a) && apikey_seen_valid(&b) &&
						apikey_seen_valid(&both) && both.n <= a.n + b.n;

					for (uint64_t xid = 0; xid < 12; xid++)
						good = good && apikey_seen_has(&both, xid) ==
							(apikey_seen_has(&a, xid) || apikey_seen_has(&b, xid));
					CHECK(good);
				}
}

/* nothing comes in, and what is far from all that is left out stays in */
static void
test_coarsen(void)
{
	uint64_t	bounds[2000];
	uint64_t	coarse[2001];
	uint32_t	n = 0;
	uint32_t	kept;

	for (uint64_t i = 0; i < 1000; i++)
	{
		bounds[n++] = 10000 * (i / 100) + 3 * i;
		bounds[n++] = 10000 * (i / 100) + 3 * i + 1 + i % 2;
	}
	for (uint32_t most = 2; most <= n; most += 7)
	{
		ApikeySeen	before = {n + 1, NULL};
		ApikeySeen	after = {0, coarse};
		uint64_t	fine[2001];
		bool		good = true;

		memcpy(fine, bounds, sizeof(bounds));
		fine[n] = 1000000;
		before.bounds = fine;
		memcpy(coarse, bounds, sizeof(bounds));
		kept = apikey_seen_coarsen(coarse, n, most);
		coarse[kept] = 1000000;
		after.n = kept + 1;
		CHECK(kept % 2 == 0 && kept <= most && apikey_seen_valid(&after));
		CHECK(coarse[0] == bounds[0] && coarse[kept - 1] == bounds[n - 1]);
		for (uint64_t xid = 0; xid < 110000; xid += most < 30 ? 1 : 101)
			good = good && (!apikey_seen_has(&after, xid) || apikey_seen_has(&before, xid));
		CHECK(good);
		/* there are ten heaps of them */
		if (most >= 20)
			for (uint64_t i = 0; i < 9; i++)
				CHECK(apikey_seen_has(&after, 10000 * i + 3 * 100 * (i + 1) + 5000));
		if (kept == n)
			CHECK(memcmp(coarse, bounds, sizeof(bounds)) == 0);
	}
}

static void
test_widen(void)
{
	const uint64_t epoch = UINT64_C(1) << 32;

	CHECK(apikey_seen_widen(3, 4) == 3);
	CHECK(apikey_seen_widen(1000, 1001) == 1000);
	/* assigned before next */
	CHECK(apikey_seen_widen(1000, 5 * epoch + 1001) == 5 * epoch + 1000);
	CHECK(apikey_seen_widen(1000, 5 * epoch + 1000) == 4 * epoch + 1000);
	CHECK(apikey_seen_widen(UINT32_MAX, 5 * epoch + 7) == 5 * epoch - 1);
	CHECK(apikey_seen_widen(UINT32_MAX, epoch) == UINT32_MAX);
	CHECK(apikey_seen_widen(7, epoch + 7) == 7);
	/* what cannot be is the smallest there is */
	CHECK(apikey_seen_widen(7, 5) == 7);
}

int
main(void)
{
	unit_begin();
	test_valid();
	test_has();
	test_unite();
	test_coarsen();
	test_widen();
	return unit_done("test_seen");
}
