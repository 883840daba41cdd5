/*
 * throttle.c
 *		How much a throttle slows the refill of rate limits, and how full the
 *		usage ring must be for it.
 */
#include "throttle.h"

/*
 * The ring in parts of 1000.  Up: no throttle below RISE, all of it RANGE
 * above.  Down: the same, but from FALL.
 */
#define PARTS		1000
#define RISE		600
#define FALL		400
#define RANGE		350

/* a lag counts as a full ring when it is so many times the normal one */
#define LAG_FULL	10

/* what a throttle falls by at most, per look */
#define STEP		(APIKEY_THROTTLE_FULL / 10)

int64_t
apikey_throttle_scale(int64_t increment, int priority, double throttle)
{
	int64_t		t;				/* in 1 / APIKEY_THROTTLE_FULL */
	int64_t		spared;			/* the same, up to which it is untouched */
	int64_t		left;			/* of the refill: left / whole */
	int64_t		whole;
	unsigned	__int128 scaled;

	/* a NaN is none */
	if (!(throttle > 0))
		return increment;
	if (priority < 0)
		priority = 0;
	if (throttle > 1)
		throttle = 1;

	/* in integers from here: what comes out does not depend on rounding */
	t = (int64_t) (throttle * APIKEY_THROTTLE_FULL + 0.5);
	spared = (int64_t) priority * (APIKEY_THROTTLE_FULL / 100);
	if (t <= spared)
		return increment;
	left = APIKEY_THROTTLE_FULL - t;
	whole = APIKEY_THROTTLE_FULL - spared;
	if (left * APIKEY_THROTTLE_FLOOR < whole)
	{
		left = 1;
		whole = APIKEY_THROTTLE_FLOOR;
	}
	scaled = ((unsigned __int128) increment * whole + left - 1) / left;
	return scaled > INT64_MAX ? INT64_MAX : (int64_t) scaled;
}

/* The throttle that a pressure (parts of PARTS) calls for, counted from start. */
static int
ramp(int pressure, int start)
{
	if (pressure <= start)
		return 0;
	if (pressure >= start + RANGE)
		return APIKEY_THROTTLE_FULL;
	return (int) ((int64_t) (pressure - start) * APIKEY_THROTTLE_FULL / RANGE);
}

int
apikey_throttle_adjust(int throttle, uint64_t used, uint64_t size,
					   int64_t lag_us, int64_t normal_lag_us)
{
	int			pressure = used >= size ? PARTS : (int) ((unsigned __int128) used * PARTS / size);
	int			least;
	int			most;

	if (lag_us > normal_lag_us)
	{
		__int128	late = (__int128) lag_us * (PARTS / LAG_FULL) /
			(normal_lag_us > 0 ? normal_lag_us : 1);

		if (late > pressure)
			pressure = late > PARTS ? PARTS : (int) late;
	}

	least = ramp(pressure, RISE);
	most = ramp(pressure, FALL);
	if (throttle < least)
		return least;
	if (throttle > most)
		return throttle - STEP > most ? throttle - STEP : most;
	return throttle;
}
