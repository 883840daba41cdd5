/*
 * hours.c
 *		Access hours: parse a window, ask whether an instant lies in it.
 *
 * A window is kept as a start and a length on the local wall clock, so one
 * that passes midnight, or the end of the week, needs no case of its own.
 */
#include "hours.h"

#define MINUTES_PER_DAY	1440
#define DAYS_PER_WEEK	7
#define ALL_DAYS		0x7F
#define ZONE_MAX		63
#define TIMES_LEN		11		/* HH:MM-HH:MM */

#define USECS_PER_MINUTE	INT64_C(60000000)
#define USECS_PER_DAY		(MINUTES_PER_DAY * USECS_PER_MINUTE)
#define DOW_OF_EPOCH		6	/* 2000-01-01 was a Saturday */

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "mon" .. "sun" in any case to 0 = Sunday .. 6; -1 for anything else */
static int
parse_day(const char *text)
{
	static const char names[DAYS_PER_WEEK][4] = {
		"sun", "mon", "tue", "wed", "thu", "fri", "sat"
	};

	for (int day = 0; day < DAYS_PER_WEEK; day++)
	{
		int			i = 0;

		while (i < 3 && (text[i] == names[day][i] ||
						 text[i] == names[day][i] - 'a' + 'A'))
			i++;
		if (i == 3)
			return day;
	}
	return -1;
}

/* "mon-fri,sun" to a set of days; false when it is not well-formed */
static bool
parse_days(const char *text, int len, uint8_t *days)
{
	int			pos = 0;

	*days = 0;
	for (;;)
	{
		int			first;
		int			last;

		if (len - pos < 3 || (first = parse_day(text + pos)) < 0)
			return false;
		pos += 3;
		last = first;
		if (pos < len && text[pos] == '-')
		{
			if (len - pos < 4 || (last = parse_day(text + pos + 1)) < 0)
				return false;
			pos += 4;
		}

		/* a range may pass the end of the week */
		for (int day = first;; day = (day + 1) % DAYS_PER_WEEK)
		{
			*days |= (uint8_t) (1 << day);
			if (day == last)
				break;
		}

		if (pos == len)
			return true;
		if (text[pos] != ',')
			return false;
		pos++;
	}
}

/* "HH:MM" to the minute of the day, 0..1440; -1 for anything else */
static int
parse_time(const char *text)
{
	int			hour;
	int			minute;

	if (!is_digit(text[0]) || !is_digit(text[1]) || text[2] != ':' ||
		!is_digit(text[3]) || !is_digit(text[4]))
		return -1;
	hour = (text[0] - '0') * 10 + (text[1] - '0');
	minute = (text[3] - '0') * 10 + (text[4] - '0');
	if (minute > 59 || hour * 60 + minute > MINUTES_PER_DAY)
		return -1;
	return hour * 60 + minute;
}

static bool
is_zone_name(const char *text, int len)
{
	if (len < 1 || len > ZONE_MAX)
		return false;
	for (int i = 0; i < len; i++)
	{
		char		c = text[i];

		if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
			c != '_' && c != '+' && c != '/' && c != '-')
			return false;
	}
	return true;
}

bool
apikey_window_parse(ApikeyStr rule, ApikeyWindow *out)
{
	ApikeyWindow window = {.days = ALL_DAYS};
	int			pos = 0;
	int			start;
	int			end;

	if (rule.ptr == NULL)
		return false;

	/* days: what stands before the first blank, unless it is the times */
	if (rule.len > 0 && !is_digit(rule.ptr[0]))
	{
		while (pos < rule.len && rule.ptr[pos] != ' ')
			pos++;
		if (pos == rule.len || !parse_days(rule.ptr, pos, &window.days))
			return false;
		pos++;
	}

	/* times */
	if (rule.len - pos < TIMES_LEN || rule.ptr[pos + 5] != '-')
		return false;
	start = parse_time(rule.ptr + pos);
	end = parse_time(rule.ptr + pos + 6);
	if (start < 0 || start == MINUTES_PER_DAY || end < 0)
		return false;
	window.start = (int16_t) start;
	window.length = (int16_t) (end > start ? end - start : end - start + MINUTES_PER_DAY);
	pos += TIMES_LEN;

	/* zone */
	if (pos < rule.len)
	{
		if (rule.ptr[pos] != ' ' ||
			!is_zone_name(rule.ptr + pos + 1, rule.len - pos - 1))
			return false;
		window.zone.ptr = rule.ptr + pos + 1;
		window.zone.len = rule.len - pos - 1;
	}

	if (out != NULL)
		*out = window;
	return true;
}

/* Day of the week and minute of the day in UTC, before 2000 too. */
static void
utc_time(int64_t at, int *dow, int *minute)
{
	int64_t		day = at / USECS_PER_DAY;
	int64_t		rest = at % USECS_PER_DAY;

	if (rest < 0)
	{
		rest += USECS_PER_DAY;
		day--;
	}
	*minute = (int) (rest / USECS_PER_MINUTE);
	*dow = (int) (((day + DOW_OF_EPOCH) % DAYS_PER_WEEK + DAYS_PER_WEEK) % DAYS_PER_WEEK);
}

bool
apikey_window_contains(const ApikeyWindow *window, int64_t at,
					   apikey_local_time_fn local_time)
{
	int			dow;
	int			minute;
	int			yesterday;

	if (window->zone.ptr == NULL)
		utc_time(at, &dow, &minute);
	else if (window->tz == NULL || local_time == NULL ||
			 !local_time(window->tz, at, &dow, &minute))
		return false;
	if (dow < 0 || dow >= DAYS_PER_WEEK || minute < 0 || minute >= MINUTES_PER_DAY)
		return false;

	/* in the window that starts today */
	if ((window->days & (1 << dow)) != 0 && minute >= window->start &&
		minute - window->start < window->length)
		return true;

	/* or in the rest of the one that started yesterday */
	yesterday = (dow + DAYS_PER_WEEK - 1) % DAYS_PER_WEEK;
	return (window->days & (1 << yesterday)) != 0 &&
		minute + MINUTES_PER_DAY - window->start < window->length;
}
