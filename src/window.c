/*
 * window.c
 *		Which window of a quota an instant lies in.
 *
 * Layer 3.  Works on whole seconds since 1970, as the time zone library does.
 * date_trunc() would not do: where midnight is shown twice it answers with the
 * second one, which lies after an instant between the two.
 */
#include "postgres.h"

#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "window.h"

#define EPOCH_SHIFT		((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)
#define STEPS_MAX		4

/* instants beyond have no calendar: a margin of more than a month */
#define FIRST_TIME		(MIN_TIMESTAMP + 40 * USECS_PER_DAY)
#define LAST_TIME		(END_TIMESTAMP - 40 * USECS_PER_DAY)

/* Seconds east of Greenwich at an instant; jd: the local date. */
static int64
offset_at(pg_time_t t, const pg_tz *tz, int *jd)
{
	struct pg_tm *tm = pg_localtime(&t, tz);

	if (tm == NULL)				/* not for instants of the calendar */
	{
		if (jd != NULL)
			*jd = (int) (t / SECS_PER_DAY) + UNIX_EPOCH_JDATE;
		return 0;
	}
	if (jd != NULL)
		*jd = date2j(tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday);
	return tm->tm_gmtoff;
}

/* The instant at which a local date begins. */
static pg_time_t
date_begin(int jd, const pg_tz *tz)
{
	pg_time_t	midnight = (pg_time_t) (jd - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
	pg_time_t	result;
	pg_time_t	earlier;
	struct pg_tm tm;

	memset(&tm, 0, sizeof(tm));
	j2date(jd, &tm.tm_year, &tm.tm_mon, &tm.tm_mday);

	/* if the clock jumps over it, this is the instant of the jump */
	result = midnight + DetermineTimeZoneOffset(&tm, (pg_tz *) tz);

	/* if it is shown twice, this is the second time */
	earlier = midnight - offset_at(result - SECS_PER_DAY - SECS_PER_HOUR, tz, NULL);
	if (earlier < result && earlier + offset_at(earlier, tz, NULL) == midnight)
		return earlier;
	return result;
}

/* The first date of the period that a date lies in, moved by some periods. */
static int
period_date(ApikeyPeriod period, int jd, int move)
{
	int			year;
	int			month;
	int			day;

	switch (period)
	{
		case APIKEY_PERIOD_WEEK:
			return jd - (j2day(jd) + 6) % 7 + 7 * move;
		case APIKEY_PERIOD_MONTH:
			j2date(jd, &year, &month, &day);
			month += move;
			if (month > 12)
			{
				month = 1;
				year++;
			}
			else if (month < 1)
			{
				month = 12;
				year--;
			}
			return date2j(year, month, 1);
		default:
			return jd + move;
	}
}

/*
 * Local hours are a grid of instants that shifts only where the offset changes
 * by part of an hour.
 */
static void
hour_at(pg_time_t t, const pg_tz *tz, pg_time_t *start, pg_time_t *end)
{
	int64		local = t + offset_at(t, tz, NULL);
	int64		into = local % SECS_PER_HOUR;
	pg_time_t	at;
	pg_time_t	boundary;
	long		before;
	long		after;
	int			dst;

	if (into < 0)
		into += SECS_PER_HOUR;
	*start = t - into;
	*end = *start + SECS_PER_HOUR;

	at = *start;
	while (pg_next_dst_boundary(&at, &before, &dst, &boundary, &after, &dst, tz) == 1 &&
		   boundary < *end)
	{
		if ((after - before) % SECS_PER_HOUR != 0)
		{
			if (boundary > t)
			{
				*end = boundary;
				break;
			}
			*start = boundary;
		}
		at = boundary;
	}
}

static TimestampTz
from_seconds(pg_time_t t)
{
	return (t - EPOCH_SHIFT) * USECS_PER_SEC;
}

void
apikey_window_at(ApikeyPeriod period, const void *tz, TimestampTz now,
				 TimestampTz *start, TimestampTz *end)
{
	const pg_tz *zone = tz != NULL ? (const pg_tz *) tz : pg_tzset_offset(0);
	pg_time_t	t;
	pg_time_t	begin = 0;
	pg_time_t	finish = 0;

	if (period == APIKEY_PERIOD_TOTAL)
	{
		*start = DT_NOBEGIN;
		*end = DT_NOEND;
		return;
	}

	now = Min(Max(now, FIRST_TIME), LAST_TIME);
	t = now / USECS_PER_SEC + EPOCH_SHIFT;
	if (now % USECS_PER_SEC < 0)
		t--;

	if (period == APIKEY_PERIOD_HOUR)
		hour_at(t, zone, &begin, &finish);
	else
	{
		int			jd;

		/*
		 * The local date is a hint only: a clock that is set back over
		 * midnight shows yesterday again.
		 */
		(void) offset_at(t, zone, &jd);
		jd = period_date(period, jd, 0);
		for (int i = 0; i < STEPS_MAX; i++)
		{
			int			next = period_date(period, jd, 1);

			begin = date_begin(jd, zone);
			finish = date_begin(next, zone);
			if (t < begin)
				jd = period_date(period, jd, -1);
			else if (t >= finish)
				jd = next;
			else
				break;
		}
	}
	*start = from_seconds(begin);
	*end = from_seconds(finish);
}
