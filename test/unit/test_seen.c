/* Unit tests of seen.c. */
#include "unit.h"

#include "seen.h"

#define IDS(...)	((const uint64_t[]) {__VA_ARGS__})

static void
test_has(void)
{
	ApikeySeen	seen = {10, 20, 3, IDS(10, 12, 19)};

	for (uint64_t xid = 0; xid < 30; xid++)
		CHECK(apikey_seen_has(&seen, xid) ==
			  (xid < 20 && xid != 10 && xid != 12 && xid != 19));
	seen.nrunning = 0;
	CHECK(apikey_seen_has(&seen, 10));
	CHECK(apikey_seen_has(&seen, 19));
	CHECK(!apikey_seen_has(&seen, 20));
	CHECK(!apikey_seen_has(&seen, UINT64_MAX));
	/* all that is not running is in, whatever the number */
	{
		uint64_t	running[1000];
		ApikeySeen	many = {1000, 3001, 1000, running};

		for (int i = 0; i < 1000; i++)
			running[i] = 1001 + 2 * (uint64_t) i;
		for (uint64_t xid = 990; xid < 3010; xid++)
			CHECK(apikey_seen_has(&many, xid) ==
				  (xid < 1001 || (xid < 3001 && xid % 2 == 0)));
	}
}

/* a set of ids below 16 as bits */
static ApikeySeen
of_bits(unsigned bits, uint64_t xmin, uint64_t xmax, uint64_t *running)
{
	ApikeySeen	seen = {xmin, xmax, 0, running};

	for (uint64_t xid = xmin; xid < xmax; xid++)
		if ((bits & (1U << xid)) == 0)
			running[seen.nrunning++] = xid;
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
					uint64_t	a_running[8];
					uint64_t	b_running[8];
					uint64_t	running[8];
					ApikeySeen	a = of_bits(a_bits << 3, 3, a_end, a_running);
					ApikeySeen	b = of_bits(b_bits << 3, 3, b_end, b_running);
					ApikeySeen	both = apikey_seen_unite(&a, &b, running);
					bool		good = both.xmin <= both.xmax;

					for (uint64_t xid = 0; xid < 12; xid++)
						good = good && apikey_seen_has(&both, xid) ==
							(apikey_seen_has(&a, xid) || apikey_seen_has(&b, xid));
					/* as PostgreSQL wants its snapshots */
					for (uint32_t i = 0; i < both.nrunning; i++)
						good = good && both.running[i] >= both.xmin && both.running[i] < both.xmax &&
							(i == 0 || both.running[i - 1] < both.running[i]);
					CHECK(good);
					/* in the place of one of them, too */
					both = apikey_seen_unite(&a, &b, a.xmax >= b.xmax ? a_running : b_running);
					CHECK(both.nrunning == 0 || memcmp(both.running, running, both.nrunning * sizeof(uint64_t)) == 0);
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
	test_has();
	test_unite();
	test_widen();
	return unit_done("test_seen");
}
