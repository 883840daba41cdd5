/* Unit tests of hours.c. */
#include "unit.h"

#include "hours.h"

#define SUN		0x01
#define MON		0x02
#define TUE		0x04
#define WED		0x08
#define THU		0x10
#define FRI		0x20
#define SAT		0x40
#define ALL		0x7F

#define MINUTE	INT64_C(60000000)
#define DAY		(1440 * MINUTE)

static const struct
{
	ApikeyStr	rule;
	bool		valid;
	int			days;
	int			start;
	int			length;
	const char *zone;
} rules[] = {
#define ROW(text, ...) {{text, sizeof(text) - 1}, __VA_ARGS__}
	ROW("09:00-17:00", true, ALL, 540, 480, NULL),
	ROW("00:00-24:00", true, ALL, 0, 1440, NULL),
	ROW("00:00-00:00", true, ALL, 0, 1440, NULL),
	ROW("09:00-09:00", true, ALL, 540, 1440, NULL),
	ROW("23:59-24:00", true, ALL, 1439, 1, NULL),
	ROW("23:59-00:00", true, ALL, 1439, 1, NULL),
	ROW("00:00-00:01", true, ALL, 0, 1, NULL),
	ROW("22:00-06:00", true, ALL, 1320, 480, NULL),
	ROW("00:01-00:00", true, ALL, 1, 1439, NULL),
	ROW("12:01-12:00", true, ALL, 721, 1439, NULL),
	ROW("mon 09:00-17:00", true, MON, 540, 480, NULL),
	ROW("mon-fri 09:00-17:00", true, MON | TUE | WED | THU | FRI, 540, 480, NULL),
	ROW("MON-Fri 09:00-17:00", true, MON | TUE | WED | THU | FRI, 540, 480, NULL),
	ROW("mon-fri,sun 09:00-17:00", true, ALL & ~SAT, 540, 480, NULL),
	ROW("sat-mon 09:00-17:00", true, SAT | SUN | MON, 540, 480, NULL),
	ROW("sun-sat 09:00-17:00", true, ALL, 540, 480, NULL),
	ROW("mon-sun 09:00-17:00", true, ALL, 540, 480, NULL),
	ROW("mon-mon 09:00-17:00", true, MON, 540, 480, NULL),
	ROW("tue-mon 09:00-17:00", true, ALL, 540, 480, NULL),
	ROW("fri-sun,sat 09:00-17:00", true, FRI | SAT | SUN, 540, 480, NULL),
	ROW("sun,mon,tue,wed,thu,fri,sat 09:00-17:00", true, ALL, 540, 480, NULL),
	ROW("mon,mon 09:00-17:00", true, MON, 540, 480, NULL),
	ROW("tue,thu 09:00-17:00", true, TUE | THU, 540, 480, NULL),
	ROW("wed-wed,sat 00:00-24:00", true, WED | SAT, 0, 1440, NULL),
	ROW("09:00-17:00 UTC", true, ALL, 540, 480, "UTC"),
	ROW("09:00-17:00 Europe/Berlin", true, ALL, 540, 480, "Europe/Berlin"),
	ROW("mon 09:00-17:00 America/Port-au-Prince", true, MON, 540, 480, "America/Port-au-Prince"),
	ROW("mon 09:00-17:00 Etc/GMT+12", true, MON, 540, 480, "Etc/GMT+12"),
	ROW("mon 09:00-17:00 America/Argentina/Buenos_Aires", true, MON, 540, 480, "America/Argentina/Buenos_Aires"),
	ROW("09:00-17:00 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true, ALL, 540, 480,
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),

	ROW("", false, 0, 0, 0, NULL),
	ROW(" ", false, 0, 0, 0, NULL),
	ROW("mon", false, 0, 0, 0, NULL),
	ROW("mon ", false, 0, 0, 0, NULL),
	ROW("mon-fri", false, 0, 0, 0, NULL),
	ROW("09:00", false, 0, 0, 0, NULL),
	ROW("09:00-", false, 0, 0, 0, NULL),
	ROW("09:00-17:0", false, 0, 0, 0, NULL),
	ROW("9:00-17:00", false, 0, 0, 0, NULL),
	ROW("09:00-17", false, 0, 0, 0, NULL),
	ROW("0900-1700", false, 0, 0, 0, NULL),
	ROW("09.00-17.00", false, 0, 0, 0, NULL),
	ROW("09:00 17:00", false, 0, 0, 0, NULL),
	ROW("09:00--17:00", false, 0, 0, 0, NULL),
	ROW("09:00 - 17:00", false, 0, 0, 0, NULL),
	ROW("09:60-17:00", false, 0, 0, 0, NULL),
	ROW("09:00-17:60", false, 0, 0, 0, NULL),
	ROW("09:0a-17:00", false, 0, 0, 0, NULL),
	ROW("0a:00-17:00", false, 0, 0, 0, NULL),
	ROW("09:/0-17:00", false, 0, 0, 0, NULL),
	ROW("09::0-17:00", false, 0, 0, 0, NULL),
	ROW("24:00-24:00", false, 0, 0, 0, NULL),
	ROW("24:00-01:00", false, 0, 0, 0, NULL),
	ROW("00:00-24:01", false, 0, 0, 0, NULL),
	ROW("25:00-26:00", false, 0, 0, 0, NULL),
	ROW("09:00-25:00", false, 0, 0, 0, NULL),
	ROW("99:99-99:99", false, 0, 0, 0, NULL),
	ROW("-9:00-17:00", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 ", false, 0, 0, 0, NULL),
	ROW("09:00-17:00  UTC", false, 0, 0, 0, NULL),
	ROW("09:00-17:00UTC", false, 0, 0, 0, NULL),
	ROW("09:00-17:00,UTC", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 UTC ", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 Europe Berlin", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 ../../etc/passwd", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 a.b", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 UTC\n", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 UTC\0", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 \xc3\xa9", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, 0, 0, 0, NULL),
	ROW(" 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon  09:00-17:00", false, 0, 0, 0, NULL),
	ROW(" mon 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon,09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon,tue, 09:00-17:00", false, 0, 0, 0, NULL),
	ROW(",mon 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon,,tue 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon- 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("-mon 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon-tue-wed 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("montue 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("monday 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mo 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("m 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon-f 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("xyz 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon; 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon mon 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("mon\t09:00-17:00", false, 0, 0, 0, NULL),
	ROW("m\xcfn 09:00-17:00", false, 0, 0, 0, NULL),
	ROW("09:00-17:00 UTC mon", false, 0, 0, 0, NULL),
#undef ROW
};

static void
test_parse(void)
{
	for (int i = 0; i < lengthof(rules); i++)
	{
		ApikeyWindow window;
		ApikeyStr	rule = unit_copy(rules[i].rule);
		bool		valid = apikey_window_parse(rule, &window);

		CHECKF(valid == rules[i].valid, "'%s': expected %s", rules[i].rule.ptr,
			   rules[i].valid ? "a window" : "none");
		CHECKF(apikey_window_parse(rule, NULL) == rules[i].valid, "'%s' without out",
			   rules[i].rule.ptr);
		if (!valid || !rules[i].valid)
			continue;
		CHECKF(window.days == rules[i].days && window.start == rules[i].start &&
			   window.length == rules[i].length, "'%s': days %02x start %d length %d",
			   rules[i].rule.ptr, window.days, window.start, window.length);
		CHECK(window.tz == NULL);
		if (rules[i].zone == NULL)
			CHECKF(window.zone.ptr == NULL, "'%s': a zone", rules[i].rule.ptr);
		else
			CHECKF(window.zone.len == (int) strlen(rules[i].zone) &&
				   memcmp(window.zone.ptr, rules[i].zone, strlen(rules[i].zone)) == 0,
				   "'%s': zone '%.*s'", rules[i].rule.ptr, window.zone.len, window.zone.ptr);
	}
	CHECK(!apikey_window_parse(NO_STR, NULL));

	/* what fails leaves out alone */
	{
		ApikeyWindow window = {.days = 3, .start = 4, .length = 5};

		CHECK(!apikey_window_parse(S("mon 09:00-17:00 "), &window));
		CHECK(window.days == 3 && window.start == 4 && window.length == 5);
	}
}

/* ---- contains, in UTC ---- */

/* 2000-01-02 was a Sunday */
static int64_t
instant(int dow, int hour, int minute)
{
	return (1 + dow) * DAY + (hour * 60 + minute) * MINUTE;
}

static const struct
{
	const char *rule;
	int			dow;
	int			hour;
	int			minute;
	bool		inside;
} moments[] = {

	/* the start is inside, the end is not */
	{"09:00-17:00", 1, 9, 0, true},
	{"09:00-17:00", 1, 8, 59, false},
	{"09:00-17:00", 1, 16, 59, true},
	{"09:00-17:00", 1, 17, 0, false},
	{"09:00-17:00", 1, 0, 0, false},
	{"09:00-17:00", 1, 23, 59, false},
	/* days */
	{"mon-fri 09:00-17:00", 0, 12, 0, false},
	{"mon-fri 09:00-17:00", 1, 12, 0, true},
	{"mon-fri 09:00-17:00", 3, 12, 0, true},
	{"mon-fri 09:00-17:00", 5, 12, 0, true},
	{"mon-fri 09:00-17:00", 6, 12, 0, false},
	{"sat-mon 09:00-17:00", 6, 12, 0, true},
	{"sat-mon 09:00-17:00", 0, 12, 0, true},
	{"sat-mon 09:00-17:00", 1, 12, 0, true},
	{"sat-mon 09:00-17:00", 2, 12, 0, false},
	{"sat-mon 09:00-17:00", 5, 12, 0, false},
	/* past midnight: the day named is the one it starts on */
	{"fri 22:00-06:00", 5, 21, 59, false},
	{"fri 22:00-06:00", 5, 22, 0, true},
	{"fri 22:00-06:00", 5, 23, 59, true},
	{"fri 22:00-06:00", 6, 0, 0, true},
	{"fri 22:00-06:00", 6, 5, 59, true},
	{"fri 22:00-06:00", 6, 6, 0, false},
	{"fri 22:00-06:00", 5, 0, 0, false},
	{"fri 22:00-06:00", 5, 5, 59, false},
	{"fri 22:00-06:00", 6, 22, 0, false},
	/* past the end of the week */
	{"sat 22:00-06:00", 6, 22, 0, true},
	{"sat 22:00-06:00", 0, 5, 59, true},
	{"sat 22:00-06:00", 0, 6, 0, false},
	{"sat 22:00-06:00", 0, 22, 0, false},
	{"sat 22:00-06:00", 1, 1, 0, false},
	{"sun 22:00-06:00", 0, 23, 0, true},
	{"sun 22:00-06:00", 1, 1, 0, true},
	{"sun 22:00-06:00", 0, 1, 0, false},
	/* whole days */
	{"mon 00:00-24:00", 1, 0, 0, true},
	{"mon 00:00-24:00", 1, 23, 59, true},
	{"mon 00:00-24:00", 2, 0, 0, false},
	{"mon 00:00-24:00", 0, 23, 59, false},
	{"mon 00:00-00:00", 1, 23, 59, true},
	{"mon 00:00-00:00", 2, 0, 0, false},
	{"mon 09:00-09:00", 1, 8, 59, false},
	{"mon 09:00-09:00", 1, 9, 0, true},
	{"mon 09:00-09:00", 2, 8, 59, true},
	{"mon 09:00-09:00", 2, 9, 0, false},
	{"mon 22:00-00:00", 1, 23, 59, true},
	{"mon 22:00-00:00", 2, 0, 0, false},
	{"mon 22:00-24:00", 1, 23, 59, true},
	{"mon 22:00-24:00", 2, 0, 0, false},
	{"mon 23:59-24:00", 1, 23, 59, true},
	{"mon 23:59-24:00", 1, 23, 58, false},
	{"mon 23:59-23:58", 2, 23, 57, true},
	{"mon 23:59-23:58", 2, 23, 58, false},
	{"mon 23:59-23:58", 2, 23, 59, false},
	{"00:00-24:00", 4, 13, 37, true},
};

static void
test_contains_utc(void)
{
	for (int i = 0; i < lengthof(moments); i++)
	{
		ApikeyWindow window;
		int64_t		at = instant(moments[i].dow, moments[i].hour, moments[i].minute);
		ApikeyStr	rule = {moments[i].rule, (int) strlen(moments[i].rule)};

		CHECK(apikey_window_parse(rule, &window));

		/*
		 * this week, in 2024, in 1999 and long before; the last microsecond
		 * too
		 */
		for (int weeks = -100000; weeks <= 100000; weeks += 33333)
		{
			int64_t		then = at + weeks * 7 * DAY;

			CHECKF(apikey_window_contains(&window, then, NULL) == moments[i].inside,
				   "'%s' on day %d %02d:%02d, week %d", moments[i].rule, moments[i].dow,
				   moments[i].hour, moments[i].minute, weeks);
			CHECKF(apikey_window_contains(&window, then + MINUTE - 1, NULL) == moments[i].inside,
				   "'%s' on day %d %02d:%02d:59.999999, week %d", moments[i].rule, moments[i].dow,
				   moments[i].hour, moments[i].minute, weeks);
		}
	}
}

/* Known dates, so that the days of the week are right and not only consistent. */
static void
test_calendar(void)
{
	static const struct
	{
		int64_t		days_since_2000;
		int			dow;
	} dates[] = {
		{0, 6},					/* 2000-01-01 Saturday */
		{1, 0},
		{-1, 5},				/* 1999-12-31 Friday */
		{-10957, 4},			/* 1970-01-01 Thursday */
		{8766, 1},				/* 2024-01-01 Monday */
		{8825, 4},				/* 2024-02-29 Thursday */
		{36525, 5},				/* 2100-01-01 Friday */
		{-36524, 1},			/* 1900-01-01 Monday */
	};
	static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

	for (int i = 0; i < lengthof(dates); i++)
	{
		for (int dow = 0; dow < 7; dow++)
		{
			char		rule[32];
			ApikeyWindow window;

			snprintf(rule, sizeof(rule), "%s 00:00-24:00", names[dow]);
			CHECK(apikey_window_parse((ApikeyStr) {rule, (int) strlen(rule)}, &window));
			CHECKF(apikey_window_contains(&window, dates[i].days_since_2000 * DAY, NULL) ==
				   (dow == dates[i].dow), "day %d and %s", (int) dates[i].days_since_2000, rule);
		}
	}
}

/*
 * Every window against an independent rule: walk its minutes and mark them in
 * a week.
 */
static void
test_exhaustive(void)
{
	static bool inside[7 * 1440];
	uint64_t	seed = 3;

	for (int round = 0; round < 40; round++)
	{
		ApikeyWindow window = {0};
		int			wrong = 0;

		window.days = (uint8_t) (unit_random(&seed) % 128);
		window.start = (int16_t) (unit_random(&seed) % 1440);
		window.length = (int16_t) (round % 4 == 0 ? 1440 : 1 + unit_random(&seed) % 1440);
		memset(inside, 0, sizeof(inside));
		for (int day = 0; day < 7; day++)
		{
			for (int m = 0; m < window.length && (window.days >> day & 1); m++)
				inside[(day * 1440 + window.start + m) % lengthof(inside)] = true;
		}
		for (int m = 0; m < lengthof(inside); m++)
		{
			if (apikey_window_contains(&window, DAY + m * MINUTE, NULL) != inside[m])
				wrong++;
		}
		CHECKF(wrong == 0, "days %02x start %d length %d: %d minutes wrong",
			   window.days, window.start, window.length, wrong);
	}
}

/* ---- zones ---- */

typedef struct FakeZone
{
	bool		ok;
	int			dow;
	int			minute;
} FakeZone;

static bool
fake_local_time(const void *tz, int64_t at, int *dow, int *minute)
{
	const FakeZone *zone = tz;

	(void) at;
	*dow = zone->dow;
	*minute = zone->minute;
	return zone->ok;
}

static void
test_zones(void)
{
	ApikeyWindow window;
	FakeZone	zone = {true, 1, 600};
	int64_t		sunday = instant(0, 3, 0);

	/* the zone decides, not UTC */
	CHECK(apikey_window_parse(S("mon 09:00-17:00 Europe/Berlin"), &window));
	window.tz = &zone;
	CHECK(apikey_window_contains(&window, sunday, fake_local_time));
	zone.minute = 1020;
	CHECK(!apikey_window_contains(&window, sunday, fake_local_time));
	zone.minute = 600;
	zone.dow = 0;
	CHECK(!apikey_window_contains(&window, sunday, fake_local_time));
	zone.dow = 1;

	/* an unknown zone, no clock, a clock that fails or lies: never inside */
	window.tz = NULL;
	CHECK(!apikey_window_contains(&window, sunday, fake_local_time));
	window.tz = &zone;
	CHECK(!apikey_window_contains(&window, sunday, NULL));
	zone.ok = false;
	CHECK(!apikey_window_contains(&window, sunday, fake_local_time));
	zone.ok = true;
	window.days = ALL;
	window.start = 0;
	window.length = 1440;
	CHECK(apikey_window_contains(&window, sunday, fake_local_time));
	for (int i = 0; i < 4; i++)
	{
		zone.dow = (i == 0) ? -1 : (i == 1) ? 7 : 1;
		zone.minute = (i == 2) ? -1 : (i == 3) ? 1440 : 600;
		CHECKF(!apikey_window_contains(&window, sunday, fake_local_time), "lie %d", i);
	}

	/* without a zone nobody is asked */
	CHECK(apikey_window_parse(S("sun 03:00-03:01"), &window));
	window.tz = &zone;
	CHECK(apikey_window_contains(&window, sunday, fake_local_time));

	/* "UTC" written out is a name like others: its caller resolves it */
	CHECK(apikey_window_parse(S("sun 03:00-03:01 UTC"), &window));
	CHECK(!apikey_window_contains(&window, sunday, fake_local_time));

	/* the ends of time */
	CHECK(apikey_window_parse(S("00:00-24:00"), &window));
	CHECK(apikey_window_contains(&window, INT64_MAX, NULL));
	CHECK(apikey_window_contains(&window, INT64_MIN, NULL));
	window.days = 0;
	CHECK(!apikey_window_contains(&window, 0, NULL));
}

int
main(void)
{
	unit_begin();
	test_parse();
	test_contains_utc();
	test_calendar();
	test_exhaustive();
	test_zones();
	return unit_done("test_hours");
}
