/*
 * sql_tally.c
 *		What a request is, and what keys did with them.
 *
 * Layer 6.  A verification leaves a row VALID.  An application that tells what
 * became of the request leaves another, LOGGED, or the only one if it verifies
 * with record => false.  So the accepted requests of a key in a piece of time
 * are its rows of the one kind or of the other, whichever are more, and their
 * units likewise.  The rule stands in this file and nowhere else: the view
 * apikey.usage_requests asks _accepted() with the sums of a key and hour; what is
 * asked of many keys has the pieces of a key within: _key_tally() of the views,
 * _report_tally() of reports.
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "port/pg_bitutils.h"
#include "utils/array.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "aggregate.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(apikey_accepted);
PG_FUNCTION_INFO_V1(apikey_key_tally_step);
PG_FUNCTION_INFO_V1(apikey_key_tally_final);
PG_FUNCTION_INFO_V1(apikey_report_tally_step);
PG_FUNCTION_INFO_V1(apikey_report_tally_final);
PG_FUNCTION_INFO_V1(apikey_sum_step);
PG_FUNCTION_INFO_V1(apikey_sum_final);

typedef enum Kind
{
	KIND_VALID,
	KIND_LOGGED,
	KIND_DENIED
} Kind;

/* the rule; the second: what both kinds of rows tell of */
#define accepted(valid, logged) Max(valid, logged)
#define twice(valid, logged) Min(valid, logged)

static inline bool
code_is(const text *code, const char *name, int len)
{
	return VARSIZE_ANY_EXHDR(code) == len && memcmp(VARDATA_ANY(code), name, len) == 0;
}

#define CODE_IS(code, name) code_is((code), (name), sizeof(name) - 1)

static inline Kind
kind_of(const text *code)
{
	if (CODE_IS(code, "VALID"))
		return KIND_VALID;
	if (CODE_IS(code, "LOGGED"))
		return KIND_LOGGED;
	return KIND_DENIED;
}

/* --- a piece of time by itself ------------------------------------------- */

/* _accepted(valid numeric, logged numeric): NULL is none; C cannot compare these */
Datum
apikey_accepted(PG_FUNCTION_ARGS)
{
	Numeric		valid = PG_ARGISNULL(0) ? int64_to_numeric(0) : PG_GETARG_NUMERIC(0);
	Numeric		logged = PG_ARGISNULL(1) ? int64_to_numeric(0) : PG_GETARG_NUMERIC(1);

	PG_RETURN_DATUM(DirectFunctionCall2(numeric_larger, NumericGetDatum(valid), NumericGetDatum(logged)));
}

/* --- a key in the hours of a view ----------------------------------------- */

/* as a row of apikey.usage_requests */
typedef struct Hour
{
	TimestampTz at;
	int64		tenant_id;
	int64		environment_id;
	int64		calls[2];		/* by kind */
} Hour;

typedef struct KeyTally
{
	int64		verifications;
	int64		denials;
	int64		logged;
	int64		errors;
	int			nhours;
	int			room;
	Hour	   *hours;			/* ascending */
} KeyTally;

/* hours of 10 years, for a key that was in one environment */
#define HOURS_MAX	100000

static inline int
compare_hours(const Hour *a, const Hour *b)
{
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a->environment_id != b->environment_id)
		return a->environment_id < b->environment_id ? -1 : 1;
	if (a->tenant_id != b->tenant_id)
		return a->tenant_id < b->tenant_id ? -1 : 1;
	return 0;
}

static Hour *
hour_of(KeyTally *tally, const Hour *wanted)
{
	int			low = 0;
	int			high = tally->nhours;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (compare_hours(&tally->hours[middle], wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < tally->nhours && compare_hours(&tally->hours[low], wanted) == 0)
		return &tally->hours[low];
	if (tally->nhours == HOURS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a key has more than %d hours", HOURS_MAX)));
	if (tally->nhours == tally->room)
	{
		tally->room *= 2;
		tally->hours = repalloc(tally->hours, tally->room * sizeof(Hour));
	}
	memmove(&tally->hours[low + 1], &tally->hours[low], (tally->nhours - low) * sizeof(Hour));
	tally->nhours++;
	tally->hours[low] = *wanted;
	return &tally->hours[low];
}

/* _key_tally(hour, tenant_id, environment_id, code, calls, denials, errors): one more row of a key */
Datum
apikey_key_tally_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	KeyTally   *tally = PG_ARGISNULL(0) ? NULL : (KeyTally *) PG_GETARG_POINTER(0);
	Hour		hour = {0};
	int64		calls;
	Kind		kind;

	for (int i = 1; i <= 7; i++)
		if (PG_ARGISNULL(i) && i != 2 && i != 3)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of _key_tally() is null", i)));
	if (tally == NULL)
	{
		tally = MemoryContextAllocZero(context, sizeof(KeyTally));
		tally->room = 8;
		tally->hours = MemoryContextAlloc(context, tally->room * sizeof(Hour));
	}
	hour.at = PG_GETARG_TIMESTAMPTZ(1);
	hour.tenant_id = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	hour.environment_id = PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3);
	kind = kind_of(PG_GETARG_TEXT_PP(4));
	calls = PG_GETARG_INT64(5);
	tally->denials += PG_GETARG_INT64(6);
	tally->errors += PG_GETARG_INT64(7);
	*(kind == KIND_LOGGED ? &tally->logged : &tally->verifications) += calls;
	if (kind != KIND_DENIED)
		hour_of(tally, &hour)->calls[kind] += calls;
	PG_RETURN_POINTER(tally);
}

/* requests, verifications, denials, logged, errors; NULL: there was no row */
Datum
apikey_key_tally_final(PG_FUNCTION_ARGS)
{
	KeyTally   *tally = PG_ARGISNULL(0) ? NULL : (KeyTally *) PG_GETARG_POINTER(0);
	int64		requests;
	Datum		values[5];

	(void) apikey_aggregate_context(fcinfo);
	if (tally == NULL)
		PG_RETURN_NULL();
	requests = tally->denials;
	for (int i = 0; i < tally->nhours; i++)
		requests += accepted(tally->hours[i].calls[KIND_VALID], tally->hours[i].calls[KIND_LOGGED]);
	values[0] = Int64GetDatum(requests);
	values[1] = Int64GetDatum(tally->verifications);
	values[2] = Int64GetDatum(tally->denials);
	values[3] = Int64GetDatum(tally->logged);
	values[4] = Int64GetDatum(tally->errors);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, lengthof(values), INT8OID,
										  sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* --- a key in the range of a report and the one before it ---------------- */

/* What a key did in an hour, or in a day where the report has no hours. */
typedef struct Piece
{
	int			n;				/* counted from the beginning of the range
								 * before */
	int64		calls[2];		/* by kind */
	int64		denials;
	int64		errors;
	double		units[2];
} Piece;

/*
 * The answer: numbers of the range, then of the one before; the number of bars
 * and, of a key that has told of requests twice, how many in each; then time and
 * number of the pieces with at least BUSY requests, if there were as many in the
 * range before.  Instants are seconds since 1970.  Sums of float8 are exact up to
 * 9 * 10^15.
 */
enum
{
	ACCEPTED, DENIED, LOGGED, UNITS, BYTES, ERRORS,
	LIMITED, REVOKED, SUPERSEDED, EXPIRED,
	MIXED,						/* has rows of both kinds */
	BURST, BURST_AT,			/* most denials in a piece */
	FAILED, FAILED_AT, FAILED_ANSWERS,	/* most errors in a piece, of so many
										 * answers */
	OFF, OFF_AT,				/* accepted at hours that it did not use
								 * before, the first of them */
	OLD_ACCEPTED, OLD_DENIED, OLD_LOGGED, OLD_UNITS, OLD_BYTES, OLD_ERRORS,
	OLD_PEAK,					/* most accepted in a piece */
	NBARS,
	NFACTS
};

#define BUSY	20

/* What each row touches comes first, and is little: there are many keys. */
typedef struct Tally
{
	TimestampTz origin;
	TimestampTz since;
	int			piece;			/* length in seconds, as that of a bar */
	int			bar;
	int			npieces;
	int			room;
	Piece	   *pieces;			/* ascending */
	double		bytes;
	double		old_bytes;
	double		limited;
	double		revoked;
	double		superseded;
	double		expired;
} Tally;

/* hours of twice 16 days, or days of twice 366, and what was rounded up to */
#define PIECES_MAX	10000

static Piece *
piece_at(Tally *tally, int n)
{
	int			low = 0;
	int			high = tally->npieces;

	/* rows come by time, most often */
	if (high > 0 && tally->pieces[high - 1].n < n)
		low = high;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (tally->pieces[middle].n < n)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < tally->npieces && tally->pieces[low].n == n)
		return &tally->pieces[low];
	if (tally->npieces == tally->room)
	{
		tally->room *= 2;
		tally->pieces = repalloc(tally->pieces, tally->room * sizeof(Piece));
	}
	memmove(&tally->pieces[low + 1], &tally->pieces[low], (tally->npieces - low) * sizeof(Piece));
	tally->npieces++;
	memset(&tally->pieces[low], 0, sizeof(Piece));
	tally->pieces[low].n = n;
	return &tally->pieces[low];
}

/* A sum as a double: by way of an integer, numeric_float8() goes by way of text. */
static double
double_of(FunctionCallInfo fcinfo, int arg)
{
	Numeric		value = PG_GETARG_NUMERIC(arg);

	if (unlikely(fcinfo->flinfo->fn_extra == NULL))
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		fcinfo->flinfo->fn_extra = int64_to_numeric(PG_INT64_MAX);
		MemoryContextSwitchTo(old);
	}
	if (likely(DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(value),
												PointerGetDatum(fcinfo->flinfo->fn_extra)))))
		return (double) DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value)));
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8, NumericGetDatum(value)));
}

/*
 * _report_tally(at, code, calls, errors, units, bytes, origin, since, piece, bar):
 * one more row; pieces and bars are given in seconds.
 */
Datum
apikey_report_tally_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	Tally	   *tally = PG_ARGISNULL(0) ? NULL : (Tally *) PG_GETARG_POINTER(0);
	TimestampTz at;
	text	   *code;
	int64		calls;
	int64		n;
	Kind		kind;
	Piece	   *piece;

	for (int i = 1; i <= 10; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d of _report_tally() is null", i)));
	if (tally == NULL)
	{
		tally = MemoryContextAllocZero(context, sizeof(Tally));
		tally->origin = PG_GETARG_TIMESTAMPTZ(7);
		tally->since = PG_GETARG_TIMESTAMPTZ(8);
		tally->piece = Max(PG_GETARG_INT32(9), 1);
		tally->bar = Max(PG_GETARG_INT32(10), 1);
		tally->room = 4;
		tally->pieces = MemoryContextAlloc(context, tally->room * sizeof(Piece));
	}
	at = PG_GETARG_TIMESTAMPTZ(1);
	code = PG_GETARG_TEXT_PP(2);
	calls = PG_GETARG_INT64(3);
	n = (at - tally->origin) / (tally->piece * USECS_PER_SEC);
	if (n < 0 || n >= PIECES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a row of a report is out of its range")));
	*(at < tally->since ? &tally->old_bytes : &tally->bytes) += double_of(fcinfo, 6);
	piece = piece_at(tally, (int) n);
	piece->errors += PG_GETARG_INT64(4);
	kind = kind_of(code);
	if (kind != KIND_DENIED)
	{
		piece->calls[kind] += calls;
		piece->units[kind] += double_of(fcinfo, 5);
		PG_RETURN_POINTER(tally);
	}
	piece->denials += calls;
	if (at < tally->since)
		PG_RETURN_POINTER(tally);
	if (CODE_IS(code, "QUOTA_EXCEEDED") || CODE_IS(code, "RATE_LIMITED"))
		tally->limited += calls;
	else if (CODE_IS(code, "REVOKED"))
		tally->revoked += calls;
	else if (CODE_IS(code, "SUPERSEDED"))
		tally->superseded += calls;
	else if (CODE_IS(code, "EXPIRED"))
		tally->expired += calls;
	PG_RETURN_POINTER(tally);
}

static inline TimestampTz
piece_start(const Tally *tally, const Piece *piece)
{
	return tally->origin + piece->n * (tally->piece * USECS_PER_SEC);
}

/* hour of the day, those of weekends behind those of work days: 0 to 47 */
static inline int
hour_of_week(int64 hours)
{
	/* the epoch was a Saturday */
	int64		of_week = ((hours + 5 * 24) % 168 + 168) % 168;

	return (int) (of_week % 24 + (of_week >= 5 * 24 ? 24 : 0));
}

/* the hours of a day that are not among these nor next to one of them */
static uint32
other_hours(uint32 hours)
{
	const uint32 day = (1 << 24) - 1;

	return ~(hours | (hours << 1) | (hours >> 1) | (hours >> 23) | (hours << 23)) & day;
}

/*
 * The hours a key with habits has never used: one that was seen on three days
 * or more, and that left half of the hours of work days alone.  0: it has none.
 */
static uint64
unusual_hours(const Tally *tally, int64 first_hour)
{
	uint64		used = 0;
	uint32		work;
	int64		last_day = PG_INT64_MIN;
	int			days = 0;

	for (int i = 0; i < tally->npieces; i++)
	{
		const Piece *piece = &tally->pieces[i];
		int64		hour = first_hour + piece->n;

		if (piece_start(tally, piece) >= tally->since)
			break;
		if (accepted(piece->calls[KIND_VALID], piece->calls[KIND_LOGGED]) == 0)
			continue;
		used |= UINT64_C(1) << hour_of_week(hour);
		/* never negative: ranges begin in 1970, an epoch ago at most */
		if ((hour + 24 * 366 * 40) / 24 != last_day)
			days++;
		last_day = (hour + 24 * 366 * 40) / 24;
	}
	work = used & ((1 << 24) - 1);
	if (days < 3 || pg_popcount32(work) > 12)
		return 0;
	return (uint64) other_hours(used >> 24) << 24 | other_hours(work);
}

static inline double
unix_time(TimestampTz at)
{
	return (double) at / USECS_PER_SEC + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (double) SECS_PER_DAY;
}

Datum
apikey_report_tally_final(PG_FUNCTION_ARGS)
{
	Tally	   *tally = PG_ARGISNULL(0) ? NULL : (Tally *) PG_GETARG_POINTER(0);
	int64		first_hour;
	uint64		unusual = 0;
	double		facts[NFACTS] = {0};
	double	   *bars = NULL;
	double	   *busy;
	int			nbars = 0;
	int			nbusy = 0;
	int			n;
	Datum	   *values;
	int64		calls[2] = {0, 0};

	(void) apikey_aggregate_context(fcinfo);
	if (tally == NULL)
		PG_RETURN_NULL();
	facts[BYTES] = tally->bytes;
	facts[OLD_BYTES] = tally->old_bytes;
	facts[LIMITED] = tally->limited;
	facts[REVOKED] = tally->revoked;
	facts[SUPERSEDED] = tally->superseded;
	facts[EXPIRED] = tally->expired;
	first_hour = (int64) floor((double) tally->origin / USECS_PER_HOUR);
	if (tally->piece == SECS_PER_HOUR)
		unusual = unusual_hours(tally, first_hour);
	busy = palloc(2 * Max(tally->npieces, 1) * sizeof(double));
	for (int i = 0; i < tally->npieces; i++)
	{
		const Piece *piece = &tally->pieces[i];
		TimestampTz at = piece_start(tally, piece);
		bool		old = at < tally->since;
		int64		both = twice(piece->calls[KIND_VALID], piece->calls[KIND_LOGGED]);
		int64		done = accepted(piece->calls[KIND_VALID], piece->calls[KIND_LOGGED]);

		facts[old ? OLD_ACCEPTED : ACCEPTED] += done;
		facts[old ? OLD_DENIED : DENIED] += piece->denials;
		facts[old ? OLD_LOGGED : LOGGED] += piece->calls[KIND_LOGGED];
		facts[old ? OLD_ERRORS : ERRORS] += piece->errors;
		facts[old ? OLD_UNITS : UNITS] += accepted(piece->units[KIND_VALID], piece->units[KIND_LOGGED]);
		if (old)
		{
			facts[OLD_PEAK] = Max(facts[OLD_PEAK], done);
			continue;
		}
		calls[KIND_VALID] += piece->calls[KIND_VALID];
		calls[KIND_LOGGED] += piece->calls[KIND_LOGGED];
		if (piece->denials > facts[BURST])
		{
			facts[BURST] = piece->denials;
			facts[BURST_AT] = unix_time(at);
		}
		if (piece->errors > facts[FAILED])
		{
			facts[FAILED] = piece->errors;
			facts[FAILED_AT] = unix_time(at);
			facts[FAILED_ANSWERS] = piece->calls[KIND_LOGGED];
		}
		if (done > 0 && unusual & (UINT64_C(1) << hour_of_week(first_hour + piece->n)))
		{
			if (facts[OFF] == 0)
				facts[OFF_AT] = unix_time(at);
			facts[OFF] += done;
		}
		if (done >= BUSY && facts[OLD_ACCEPTED] >= BUSY)
		{
			busy[nbusy++] = unix_time(at);
			busy[nbusy++] = done;
		}
		if (both > 0)
		{
			int			bar = (int) ((at - tally->since) / (tally->bar * USECS_PER_SEC));

			if (bar >= nbars)
			{
				bars = bars ? repalloc(bars, (bar + 1) * sizeof(double)) : palloc((bar + 1) * sizeof(double));
				while (nbars <= bar)
					bars[nbars++] = 0;
			}
			bars[bar] += both;
		}
	}
	facts[MIXED] = calls[KIND_VALID] > 0 && calls[KIND_LOGGED] > 0;
	facts[NBARS] = nbars;

	values = palloc((NFACTS + nbars + nbusy) * sizeof(Datum));
	n = 0;
	for (int i = 0; i < NFACTS; i++)
		values[n++] = Float8GetDatum(facts[i]);
	for (int i = 0; i < nbars; i++)
		values[n++] = Float8GetDatum(bars[i]);
	for (int i = 0; i < nbusy; i++)
		values[n++] = Float8GetDatum(busy[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, n, FLOAT8OID,
										  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* --- lists of numbers, place by place -------------------------------------- */

typedef struct Sums
{
	int			n;
	double		sums[FLEXIBLE_ARRAY_MEMBER];
} Sums;

/* _sum(double precision[]): one more; it may be shorter or longer than others */
Datum
apikey_sum_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	Sums	   *state = PG_ARGISNULL(0) ? NULL : (Sums *) PG_GETARG_POINTER(0);
	ArrayType  *list;
	double	   *more;
	int			n;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	list = PG_GETARG_ARRAYTYPE_P(1);
	if (ARR_NDIM(list) > 1 || array_contains_nulls(list))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("_sum() adds up lists without nulls")));
	n = ArrayGetNItems(ARR_NDIM(list), ARR_DIMS(list));
	more = (double *) ARR_DATA_PTR(list);
	if (state == NULL || n > state->n)
	{
		Size		size = offsetof(Sums, sums) + n * sizeof(double);

		if (state == NULL)
		{
			state = MemoryContextAlloc(context, size);
			state->n = 0;
		}
		else
			state = repalloc(state, size);
		while (state->n < n)
			state->sums[state->n++] = 0;
	}
	for (int i = 0; i < n; i++)
		state->sums[i] += more[i];
	PG_RETURN_POINTER(state);
}

Datum
apikey_sum_final(PG_FUNCTION_ARGS)
{
	Sums	   *state = PG_ARGISNULL(0) ? NULL : (Sums *) PG_GETARG_POINTER(0);
	Datum	   *values;

	(void) apikey_aggregate_context(fcinfo);
	if (state == NULL)
		PG_RETURN_NULL();
	values = palloc(Max(state->n, 1) * sizeof(Datum));
	for (int i = 0; i < state->n; i++)
		values[i] = Float8GetDatum(state->sums[i]);
	PG_RETURN_ARRAYTYPE_P(construct_array(values, state->n, FLOAT8OID,
										  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}
