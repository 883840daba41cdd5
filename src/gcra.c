/*
 * gcra.c
 *		The generic cell rate algorithm: a token bucket in one number.
 *
 * Layer 0.  What each request needs is in gcra.h.
 */
#include "gcra.h"

int64_t
apikey_gcra_increment(int64_t requests, int64_t per)
{
	if (requests <= 0 || per <= 0)
		return 0;
	return per / requests + (per % requests != 0 ? 1 : 0);
}

int64_t
apikey_gcra_wait(int64_t tat, int64_t now, int64_t increment, int64_t burst,
				 int64_t units)
{
	uint64_t	capacity = (uint64_t) apikey_gcra_capacity(increment, burst);
	uint64_t	debt = apikey_gcra_debt(tat, now);
	uint64_t	room;
	int64_t		cost;

	if (units < 0 || increment <= 0 || burst <= 0 ||
		!apikey_gcra_cost(units, increment, &cost) || (uint64_t) cost > capacity)
		return -1;
	room = capacity - (uint64_t) cost;
	if (debt <= room)
		return 0;
	return debt - room > INT64_MAX ? INT64_MAX : (int64_t) (debt - room);
}

/*
 * ceil(a * b / c) for b, c in [1, 2^63), UINT64_MAX if it is more.  Not with a
 * 128-bit type: there are compilers without one, and this is called when a
 * limit changes, not for each request.
 */
static uint64_t
multiply_divide(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t	part = a % c;
	uint64_t	quotient = 0;
	uint64_t	remainder = 0;
	uint64_t	whole;

	if (__builtin_mul_overflow(a / c, b, &whole))
		return UINT64_MAX;

	/* part * b / c, one bit of b after the other; remainder < c < 2^63 */
	for (int bit = 62; bit >= 0; bit--)
	{
		quotient <<= 1;
		remainder <<= 1;
		if (remainder >= c)
		{
			remainder -= c;
			quotient++;
		}
		if ((b >> bit) & 1)
		{
			remainder += part;
			if (remainder >= c)
			{
				remainder -= c;
				quotient++;
			}
		}
	}
	if (remainder > 0)
		quotient++;				/* at most b */
	if (__builtin_add_overflow(whole, quotient, &whole))
		return UINT64_MAX;
	return whole;
}

int64_t
apikey_gcra_coarse(int64_t seconds)
{
	static const int32_t steps[] = {
		1, 2, 5, 10, 20, 30,
		60, 120, 300, 600, 1200, 1800,
		3600, 7200, 21600, 43200
	};
	int64_t		step = 86400;

	for (int i = 0; i < (int) (sizeof(steps) / sizeof(steps[0])); i++)
		if (seconds <= steps[i])
			return steps[i];
	while (step < seconds && step <= INT64_MAX / 2)
		step *= 2;
	return step;
}

int64_t
apikey_gcra_rescale(int64_t tat, int64_t now, int64_t old_increment,
					int64_t new_increment)
{
	uint64_t	debt = apikey_gcra_debt(tat, now);

	if (debt == 0 || old_increment <= 0 || new_increment <= 0 ||
		old_increment == new_increment)
		return tat;
	debt = multiply_divide(debt, (uint64_t) new_increment, (uint64_t) old_increment);

	/* what now can still grow by */
	if (debt > (uint64_t) INT64_MAX - (uint64_t) now)
		return INT64_MAX;
	return (int64_t) ((uint64_t) now + debt);
}
