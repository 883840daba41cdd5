/*
 * sql_budget.c
 *		_window_at(): the window of a budget that an instant lies in.
 *
 * Layer 6.  Windows of budgets are those of quotas (window.h): a hard budget is
 * one.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "window.h"

PG_FUNCTION_INFO_V1(apikey_window_at_sql);

static const char *const period_names[] = {
	[APIKEY_PERIOD_HOUR] = "hour",
	[APIKEY_PERIOD_DAY] = "day",
	[APIKEY_PERIOD_WEEK] = "week",
	[APIKEY_PERIOD_MONTH] = "month",
	[APIKEY_PERIOD_TOTAL] = "total",
};

/*
 * _window_at(period text, timezone text, at timestamptz, OUT window_start,
 * OUT window_end): both NULL if there is no such period, or if this server does
 * not know the time zone, which may have come with a dump of another one.
 */
Datum
apikey_window_at_sql(PG_FUNCTION_ARGS)
{
	char	   *period = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *zone = text_to_cstring(PG_GETARG_TEXT_PP(1));
	pg_tz	   *tz = strlen(zone) > TZ_STRLEN_MAX ? NULL : pg_tzset(zone);
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		nulls[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	for (int i = 0; i < lengthof(period_names); i++)
	{
		TimestampTz start;
		TimestampTz end;

		if (strcmp(period, period_names[i]) != 0 || tz == NULL || !pg_tz_acceptable(tz))
			continue;
		apikey_window_at((ApikeyPeriod) i, tz, PG_GETARG_TIMESTAMPTZ(2), &start, &end);
		values[0] = TimestampTzGetDatum(start);
		values[1] = TimestampTzGetDatum(end);
		nulls[0] = nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
