/* Unit tests of throttle.c. */
#include "unit.h"

#include "throttle.h"

#define FULL	APIKEY_THROTTLE_FULL
#define SECOND	INT64_C(1000000000)

static const struct
{
	int64_t		increment;
	int			priority;
	double		throttle;
	int64_t		expected;
} scales[] = {

	/* no throttle touches nothing */
	{SECOND, 0, 0, SECOND},
	{SECOND, 100, 0, SECOND},
	{1, 0, 0, 1},
	{INT64_MAX, 0, 0, INT64_MAX},
	/* the lowest priority feels it at once, in proportion */
	{SECOND, 0, 0.5, 2 * SECOND},
	{SECOND, 0, 0.75, 4 * SECOND},
	{SECOND, 0, 0.9, 10 * SECOND},
	{SECOND, 0, 0.2, SECOND * 5 / 4},
	/* rounded up: never faster than the definition */
	{1, 0, 0.5, 2},
	{1, 0, 0.2, 2},
	{3, 0, 0.2, 4},
	{10, 0, 0.3, 15},
	{7, 0, 0.3, 10},
	/* others from their priority on */
	{SECOND, 50, 0.5, SECOND},
	{SECOND, 50, 0.499999, SECOND},
	{SECOND, 50, 0.75, 2 * SECOND},
	{SECOND, 50, 0.9, 5 * SECOND},
	{SECOND, 20, 0.6, 2 * SECOND},
	{SECOND, 99, 0.99, SECOND},
	{SECOND, 100, 0.5, SECOND},
	{SECOND, 100, 1, SECOND},
	/* even then a thousandth is left */
	{SECOND, 0, 1, 1000 * SECOND},
	{SECOND, 0, 0.9995, 1000 * SECOND},
	{SECOND, 0, 0.999, 1000 * SECOND},
	{SECOND, 0, 0.998, 500 * SECOND},
	{SECOND, 50, 1, 1000 * SECOND},
	{SECOND, 99, 1, 1000 * SECOND},
	{1, 0, 1, 1000},
	/* what does not fit is the longest there is */
	{INT64_MAX, 0, 0.5, INT64_MAX},
	{INT64_MAX / 2, 0, 0.5, INT64_MAX - 1},
	{INT64_MAX / 2 + 1, 0, 0.5, INT64_MAX},
	{INT64_MAX / 1000, 0, 1, INT64_MAX / 1000 * 1000},
	{INT64_MAX / 1000 + 1, 0, 1, INT64_MAX},
	{INT64_MAX, 0, 1, INT64_MAX},
	/* out of range is the nearest in range */
	{SECOND, -5, 0.5, 2 * SECOND},
	{SECOND, 200, 1, SECOND},
	{SECOND, 0, 7, 1000 * SECOND},
	{SECOND, 0, -1, SECOND},
};

static void
test_scale(void)
{
	for (int i = 0; i < lengthof(scales); i++)
	{
		int64_t		actual = apikey_throttle_scale(scales[i].increment, scales[i].priority,
												   scales[i].throttle);

		CHECKF(actual == scales[i].expected,
			   "row %d: scale(%lld, %d, %g) is %lld, expected %lld", i,
			   (long long) scales[i].increment, scales[i].priority, scales[i].throttle,
			   (long long) actual, (long long) scales[i].expected);
	}
	CHECK_INT(apikey_throttle_scale(SECOND, 0, __builtin_nan("")), SECOND);
}

/* More throttle is never faster, more priority never slower, none over 1000. */
static void
test_scale_order(void)
{
	static const int64_t increments[] = {1, 3, 1000, SECOND, 86400 * SECOND, INT64_MAX / 999};
	int			wrong = 0;

	for (int i = 0; i < lengthof(increments); i++)
		for (int p = 0; p <= 100; p++)
			for (int t = 0; t <= 200; t++)
			{
				int64_t		inc = increments[i];
				int64_t		here = apikey_throttle_scale(inc, p, t / 200.0);

				if (here < inc || here / 1000 > inc ||
					(t > 0 && here < apikey_throttle_scale(inc, p, (t - 1) / 200.0)) ||
					(p > 0 && here > apikey_throttle_scale(inc, p - 1, t / 200.0)))
					wrong++;
			}
	CHECK_INT(wrong, 0);
}

/* The throttle after looks at the same state. */
static int
settle(int throttle, int fill, int looks)
{
	for (int i = 0; i < looks; i++)
		throttle = apikey_throttle_adjust(throttle, (uint64_t) fill, 100, 0, 1000);
	return throttle;
}

static void
test_adjust_fill(void)
{
	/* nothing up to 60 %, all from 95 % on */
	for (int fill = 0; fill <= 60; fill++)
		CHECK_INT(settle(0, fill, 1), 0);
	CHECK(settle(0, 61, 1) > 0);
	CHECK_INT(settle(0, 95, 1), FULL);
	CHECK_INT(settle(0, 100, 1), FULL);
	CHECK_INT(settle(0, 120, 1), FULL);
	for (int fill = 61; fill <= 100; fill++)
		CHECK(settle(0, fill, 1) >= settle(0, fill - 1, 1));

	/* down slowly, and to nothing in the end */
	CHECK_INT(settle(FULL, 0, 1), FULL / 10 * 9);
	CHECK_INT(settle(FULL, 0, 9), FULL / 10);
	CHECK_INT(settle(FULL, 0, 10), 0);
	CHECK_INT(settle(FULL / 20, 0, 1), 0);
	CHECK_INT(settle(FULL, 40, 10), 0);
	/* it stays where the ring stays half full, neither all nor nothing */
	CHECK_INT(settle(FULL, 57, 100), FULL * 17LL / 35);
	CHECK_INT(settle(0, 57, 100), 0);
	CHECK_INT(settle(FULL, 75, 100), FULL);
}

/* A ring that swings by less than a fifth leaves it as it is. */
static void
test_adjust_steady(void)
{
	int			changes = 0;

	for (int middle = 10; middle <= 90; middle++)
	{
		int			throttle = settle(0, middle + 9, 1);

		for (int i = 0; i < 50; i++)
		{
			int			next = settle(throttle, middle + (i % 2 == 0 ? -10 : 9), 1);

			changes += (next != throttle);
			throttle = next;
		}
	}
	CHECK_INT(changes, 0);
}

static void
test_adjust_lag(void)
{
	const int64_t normal = 2000000;

	/* ten times the normal lag counts as a full ring, whatever is in it */
	CHECK_INT(apikey_throttle_adjust(0, 1, 100, normal, normal), 0);
	CHECK_INT(apikey_throttle_adjust(0, 1, 100, 6 * normal, normal), 0);
	CHECK(apikey_throttle_adjust(0, 1, 100, 7 * normal, normal) > 0);
	CHECK_INT(apikey_throttle_adjust(0, 1, 100, 10 * normal, normal), FULL);
	CHECK_INT(apikey_throttle_adjust(0, 1, 100, INT64_MAX, normal), FULL);
	CHECK_INT(apikey_throttle_adjust(0, 1, 100, INT64_MAX, 0), FULL);
	CHECK_INT(apikey_throttle_adjust(0, 1, 100, 0, 0), 0);
	CHECK_INT(apikey_throttle_adjust(0, 1, 100, -5, normal), 0);
	/* the worse of the two counts */
	CHECK_INT(apikey_throttle_adjust(0, 95, 100, 7 * normal, normal), FULL);
	CHECK_INT(apikey_throttle_adjust(0, 70, 100, 10 * normal, normal), FULL);
	/* large rings */
	CHECK_INT(apikey_throttle_adjust(0, UINT64_MAX - 1, UINT64_MAX, 0, normal), FULL);
	CHECK_INT(apikey_throttle_adjust(0, UINT64_MAX / 2, UINT64_MAX, 0, normal), 0);
}

int
main(void)
{
	unit_begin();
	test_scale();
	test_scale_order();
	test_adjust_fill();
	test_adjust_steady();
	test_adjust_lag();
	return unit_done("test_throttle");
}
