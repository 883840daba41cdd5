/*
 * fuzz_hours.c
 *		Access hours: what parses can be written down again, and an instant is
 *		inside exactly when walking the window's minutes meets it.
 */
#include "fuzz.h"

#include "hours.h"

#define WEEK	(7 * 1440)

static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

typedef struct Clock
{
	bool		ok;
	int			dow;
	int			minute;
} Clock;

static bool
clock_time(const void *tz, int64_t at, int *dow, int *minute)
{
	const Clock *clock = tz;

	(void) at;
	*dow = clock->dow;
	*minute = clock->minute;
	return clock->ok;
}

static bool
model_contains(const ApikeyWindow *w, int dow, int minute)
{
	int			now = dow * 1440 + minute;

	for (int day = 0; day < 7; day++)
	{
		for (int m = 0; (w->days >> day & 1) && m < w->length; m++)
		{
			if ((day * 1440 + w->start + m) % WEEK == now)
				return true;
		}
	}
	return false;
}

/* Write a window in its plainest form. */
static int
write_window(const ApikeyWindow *w, char *out)
{
	int			n = 0;
	int			end = (w->start + w->length) % 1440;

	for (int day = 0; day < 7; day++)
	{
		if (w->days >> day & 1)
			n += sprintf(out + n, "%s%s", n > 0 ? "," : "", names[day]);
	}
	n += sprintf(out + n, " %02d:%02d-%02d:%02d", w->start / 60, w->start % 60, end / 60, end % 60);
	if (w->zone.ptr != NULL)
		n += sprintf(out + n, " %.*s", w->zone.len, w->zone.ptr);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {.data = data, .left = size};
	int			mode = fuzz_byte(&in);
	ApikeyWindow w;
	ApikeyWindow again;
	ApikeyStr	rule;
	int64_t		at = 0;

	if (mode % 4 == 0)
		rule = fuzz_text(&in, 120);
	else if (mode % 4 == 1)
		rule = fuzz_text_of(&in, 30, "monfrisat,-: 0129UTC/");
	else
	{
		/* nearly a window */
		char	   *text = fuzz_alloc(&in, 200);
		int			n = 0;

		if (mode & 4)
			n += sprintf(text + n, "%s%s%s ", names[fuzz_below(&in, 7)], (mode & 8) ? "-" : ",",
						 names[fuzz_below(&in, 7)]);
		n += sprintf(text + n, "%02d:%02d-%02d:%02d", fuzz_below(&in, 25), fuzz_below(&in, 61),
					 fuzz_below(&in, 25), fuzz_below(&in, 61));
		if (mode & 16)
			n += sprintf(text + n, " Europe/Berlin");
		if (mode & 32)
			text[fuzz_below(&in, n)] = (char) fuzz_byte(&in);
		rule.ptr = text;
		rule.len = n;
	}
	for (int i = 0; i < 8; i++)
		at = (int64_t) ((uint64_t) at << 8 | fuzz_byte(&in));
	if (mode & 64)
		at %= INT64_C(100) * 366 * 86400 * 1000000;

	memset(&w, 0x5A, sizeof(w));
	if (apikey_window_parse(rule, &w))
	{
		char		text[200];
		int			len;
		Clock		clock = {true, fuzz_below(&in, 7), fuzz_below(&in, 1440)};

		ASSERT(apikey_window_parse(rule, NULL));
		ASSERT(w.days >= 1 && w.days <= 0x7F);
		ASSERT(w.start >= 0 && w.start < 1440 && w.length >= 1 && w.length <= 1440);
		ASSERT(w.tz == NULL);
		ASSERT(w.zone.ptr == NULL || (w.zone.len >= 1 && w.zone.len <= 63 &&
									  w.zone.ptr >= rule.ptr &&
									  w.zone.ptr + w.zone.len == rule.ptr + rule.len));

		len = write_window(&w, text);
		ASSERT(apikey_window_parse((ApikeyStr) {text, len}, &again));
		ASSERT(again.days == w.days && again.start == w.start && again.length == w.length);
		ASSERT((again.zone.ptr == NULL) == (w.zone.ptr == NULL) && again.zone.len == w.zone.len);

		/* UTC, from any instant */
		again.zone.ptr = NULL;
		{
			int64_t		minutes = at / 60000000 - (at % 60000000 < 0);
			int			of_week = (int) (((minutes + 6 * 1440) % WEEK + WEEK) % WEEK);

			ASSERT(apikey_window_contains(&again, at, NULL) ==
				   model_contains(&again, of_week / 1440, of_week % 1440));
		}

		/* a zone */
		again.zone = (ApikeyStr) {"x", 1};
		again.tz = NULL;
		ASSERT(!apikey_window_contains(&again, at, clock_time));
		again.tz = &clock;
		ASSERT(apikey_window_contains(&again, at, clock_time) ==
			   model_contains(&again, clock.dow, clock.minute));
		clock.ok = false;
		ASSERT(!apikey_window_contains(&again, at, clock_time));
	}
	else
		ASSERT(!apikey_window_parse(rule, NULL));

	fuzz_end(&in);
	return 0;
}
