/*
 * test_gcra.c
 *		Unit test of the token bucket arithmetic (src/gcra.c).
 */
#include "unit.h"

#include "gcra.h"

#define SECOND	INT64_C(1000000000)
#define HUGE_UNITS	(INT64_C(1) << 62)

/* wide enough for every product of two int64 */
__extension__ typedef __int128 wide;

static void
test_increment(void)
{
	CHECK_INT(apikey_gcra_increment(1, SECOND), SECOND);
	CHECK_INT(apikey_gcra_increment(100000, SECOND), 10000);
	CHECK_INT(apikey_gcra_increment(3, 10), 4);
	CHECK_INT(apikey_gcra_increment(INT64_MAX, 1), 1);
	CHECK_INT(apikey_gcra_increment(INT64_MAX, INT64_MAX), 1);
	CHECK_INT(apikey_gcra_increment(1, INT64_MAX), INT64_MAX);
	CHECK_INT(apikey_gcra_increment(0, 1), 0);
	CHECK_INT(apikey_gcra_increment(-5, 1), 0);
	CHECK_INT(apikey_gcra_increment(1, 0), 0);
	CHECK_INT(apikey_gcra_increment(1, INT64_MIN), 0);
	CHECK_INT(apikey_gcra_capacity(SECOND, 10), 10 * SECOND);
	CHECK_INT(apikey_gcra_capacity(HUGE_UNITS, 2), INT64_MAX);
	CHECK_INT(apikey_gcra_capacity(1, INT64_MAX), INT64_MAX);
	CHECK_INT(apikey_gcra_capacity(0, 5), 0);
	CHECK_INT(apikey_gcra_capacity(5, -1), 0);
}

/* 3 per 30 s: what a user sees of it */
static void
test_story(void)
{
	int64_t		increment = apikey_gcra_increment(3, 30 * SECOND);
	int64_t		tat = 0;
	int64_t		now = 1000 * SECOND;

	CHECK_INT(apikey_gcra_remaining(tat, now, increment, 3), 3);
	for (int i = 2; i >= 0; i--)
	{
		CHECK(apikey_gcra_test(tat, now, increment, 3, 1, &tat));
		CHECK_INT(apikey_gcra_remaining(tat, now, increment, 3), i);
	}
	CHECK(!apikey_gcra_test(tat, now, increment, 3, 1, &tat));
	CHECK_INT(apikey_gcra_wait(tat, now, increment, 3, 1), 10 * SECOND);
	CHECK_INT(apikey_gcra_wait(tat, now, increment, 3, 3), 30 * SECOND);
	CHECK_INT(apikey_gcra_wait(tat, now, increment, 3, 4), -1);
	CHECK(!apikey_gcra_test(tat, now + 10 * SECOND - 1, increment, 3, 1, &tat));
	CHECK_INT(apikey_gcra_remaining(tat, now + 10 * SECOND - 1, increment, 3), 0);
	CHECK_INT(apikey_gcra_remaining(tat, now + 10 * SECOND, increment, 3), 1);
	CHECK_INT(apikey_gcra_wait(tat, now + 10 * SECOND, increment, 3, 1), 0);
	CHECK(apikey_gcra_test(tat, now + 10 * SECOND, increment, 3, 1, &tat));

	/* the clock goes back: nothing is granted, and nothing is forgotten */
	CHECK(!apikey_gcra_test(tat, now, increment, 3, 1, &tat));
	CHECK(!apikey_gcra_test(tat, 0, increment, 3, 1, &tat));
	CHECK_INT(apikey_gcra_remaining(tat, 0, increment, 3), 0);
	CHECK(apikey_gcra_test(tat, now + 40 * SECOND, increment, 3, 3, &tat));
	CHECK(!apikey_gcra_test(tat, now + 40 * SECOND, increment, 3, 1, &tat));
	CHECK_INT(tat, now + 70 * SECOND);
}

static void
test_change(void)
{
	/* 10 units of debt stay 10 units of debt */
	CHECK_INT(apikey_gcra_rescale(110, 10, 10, 3), 40);
	CHECK_INT(apikey_gcra_rescale(110, 10, 10, 1000), 10010);
	CHECK_INT(apikey_gcra_rescale(110, 10, 10, 10), 110);
	/* a part of a unit is rounded up */
	CHECK_INT(apikey_gcra_rescale(11, 10, 3, 1), 11);
	CHECK_INT(apikey_gcra_rescale(14, 10, 3, 1), 12);
	CHECK_INT(apikey_gcra_rescale(13, 10, 3, 1), 11);
	/* no debt, no meaning */
	CHECK_INT(apikey_gcra_rescale(10, 10, 10, 3), 10);
	CHECK_INT(apikey_gcra_rescale(5, 10, 10, 3), 5);
	CHECK_INT(apikey_gcra_rescale(110, 10, 0, 3), 110);
	CHECK_INT(apikey_gcra_rescale(110, 10, 10, -3), 110);
	/* what does not fit stays full for ever */
	CHECK_INT(apikey_gcra_rescale(INT64_MAX, INT64_MIN, 1, INT64_MAX), INT64_MAX);
	CHECK_INT(apikey_gcra_rescale(INT64_MAX, INT64_MIN, 2, 3), INT64_MAX);
	CHECK_INT(apikey_gcra_rescale(INT64_MAX, INT64_MIN, 2, 1), 0);
	CHECK_INT(apikey_gcra_rescale(INT64_MAX, INT64_MIN, INT64_MAX, 1), INT64_MIN + 3);
	CHECK_INT(apikey_gcra_rescale(INT64_MAX, 0, INT64_MAX, INT64_MAX - 1), INT64_MAX - 1);
}

static const int64_t extremes[] = {
	INT64_MIN, INT64_MIN + 1, -HUGE_UNITS, -SECOND, -1, 0, 1, 2, 3, 1000, SECOND,
	HUGE_UNITS - 1, HUGE_UNITS, HUGE_UNITS + 1, INT64_MAX - 1, INT64_MAX
};

static int64_t
pick(uint64_t *state)
{
	int64_t		value = extremes[unit_random(state) % lengthof(extremes)];
	int64_t		small = (int64_t) (unit_random(state) % 2000) - 1000;

	switch (unit_random(state) % 4)
	{
		case 0:
			return value;
		case 1:
			return small;
		case 2:
			return (int64_t) (((uint64_t) unit_random(state) << 33) ^
							  ((uint64_t) unit_random(state) << 2)) >> (unit_random(state) % 60);
		default:
			/* near an extreme, without running over it */
			return (int64_t) ((uint64_t) value + (uint64_t) (value < 0 ? 1000 + small : small - 1000));
	}
}

/* the definition, in numbers that are wide enough */
static void
test_definition(void)
{
	uint64_t	state = 7;

	for (int i = 0; i < 400000 && unit_failed < 10; i++)
	{
		int64_t		tat = pick(&state);
		int64_t		now = pick(&state);
		int64_t		increment = pick(&state);
		int64_t		burst = pick(&state);
		int64_t		units = pick(&state);
		int64_t		other = pick(&state);
		wide		base = tat > now ? tat : now;
		wide		debt = base - now;
		wide		capacity = (wide) burst * increment;
		wide		cost = (wide) units * increment;
		int64_t		next = 0;
		bool		sound = increment > 0 && burst > 0;
		bool		passes;
		int64_t		wait = apikey_gcra_wait(tat, now, increment, burst, units);
		int64_t		remaining = apikey_gcra_remaining(tat, now, increment, burst);

		if (capacity > INT64_MAX)
			capacity = INT64_MAX;
		passes = sound && units >= 0 && debt + cost <= capacity && base + cost <= INT64_MAX;
		if (apikey_gcra_test(tat, now, increment, burst, units, &next) != passes ||
			(passes && next != base + cost))
			CHECKF(false, "test: tat %lld now %lld increment %lld burst %lld units %lld",
				   (long long) tat, (long long) now, (long long) increment,
				   (long long) burst, (long long) units);
		if (remaining != (sound && debt < capacity ? (capacity - debt) / increment : 0))
			CHECKF(false, "remaining %lld: tat %lld now %lld increment %lld burst %lld",
				   (long long) remaining, (long long) tat, (long long) now,
				   (long long) increment, (long long) burst);
		if (!sound || units < 0 || cost > capacity)
			passes = (wait == -1);
		else if (debt + cost <= capacity)
			passes = (wait == 0);
		else
			passes = (wait == (debt + cost - capacity > INT64_MAX ? INT64_MAX :
							   (int64_t) (debt + cost - capacity)));
		if (!passes)
			CHECKF(false, "wait %lld: tat %lld now %lld increment %lld burst %lld units %lld",
				   (long long) wait, (long long) tat, (long long) now,
				   (long long) increment, (long long) burst, (long long) units);

		if (increment > 0 && other > 0 && debt > 0)
		{
			/* debt < 2^64 and other < 2^63: it fits */
			wide		scaled = now + (debt * other + increment - 1) / increment;
			int64_t		got = apikey_gcra_rescale(tat, now, increment, other);

			if (increment == other)
				scaled = tat;
			if (got != (scaled > INT64_MAX ? INT64_MAX : (int64_t) scaled))
				CHECKF(false, "rescale %lld: tat %lld now %lld from %lld to %lld",
					   (long long) got, (long long) tat, (long long) now,
					   (long long) increment, (long long) other);
		}
	}
}

/* no more than (e - s) / increment + burst from s to e, in any order of nows */
static void
test_bound(void)
{
	uint64_t	state = 99;

	for (int round = 0; round < 300 && unit_failed < 10; round++)
	{
		int64_t		increment = 1 + unit_random(&state) % 50;
		int64_t		burst = 1 + unit_random(&state) % 20;
		int64_t		tat = INT64_MIN;
		int64_t		clock = 0;
		struct
		{
			int64_t		at;
			int64_t		units;
		} passed[400];
		int			n = 0;

		for (int i = 0; i < 400; i++)
		{
			int64_t		now;
			int64_t		units = 1 + unit_random(&state) % 3;

			clock += unit_random(&state) % 40;
			/* read before another request that was faster */
			now = clock - unit_random(&state) % 60;
			if (apikey_gcra_test(tat, now, increment, burst, units, &tat))
			{
				passed[n].at = now;
				passed[n++].units = units;
			}
		}
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++)
			{
				int64_t		s = passed[i].at;
				int64_t		e = passed[j].at;
				int64_t		sum = 0;

				if (e < s || (i + j) % 7 != 0)
					continue;
				for (int k = 0; k < n; k++)
					if (passed[k].at >= s && passed[k].at <= e)
						sum += passed[k].units;
				if (sum * increment > e - s + burst * increment)
				{
					CHECKF(false, "%lld units from %lld to %lld, increment %lld burst %lld",
						   (long long) sum, (long long) s, (long long) e,
						   (long long) increment, (long long) burst);
					return;
				}
			}
	}
}

static void
test_coarse(void)
{
	static const int64_t steps[] = {
		1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21600, 43200,
		86400, 172800, 345600, 691200
	};
	int			n = sizeof(steps) / sizeof(steps[0]);

	for (int i = 0; i < n; i++)
	{
		CHECK_INT(apikey_gcra_coarse(steps[i]), steps[i]);
		if (i + 1 < n)
			CHECK_INT(apikey_gcra_coarse(steps[i] + 1), steps[i + 1]);
	}
	CHECK_INT(apikey_gcra_coarse(0), 1);
	CHECK_INT(apikey_gcra_coarse(-1), 1);
	CHECK_INT(apikey_gcra_coarse(INT64_MIN), 1);
	CHECK(apikey_gcra_coarse(INT64_MAX) > INT64_MAX / 4);
}

int
main(void)
{
	unit_begin();
	test_increment();
	test_story();
	test_change();
	test_definition();
	test_coarse();
	CHECK_INT(unit_failed, 0);
	test_bound();
	CHECK_INT(unit_failed, 0);
	return unit_done("test_gcra");
}
