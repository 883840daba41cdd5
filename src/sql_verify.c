/*
 * sql_verify.c
 *		verify(), is_allowed(), verify_many(), log_usage(): arguments and answers.
 *
 * Layer 6.  Argument numbers are those of sql/50_verify.sql; the three verify
 * functions share them from the second argument on.  Arguments at the end may
 * be missing (sql_defaults.c), and are NULL then.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "catalog.h"
#include "changes.h"
#include "clock.h"
#include "rules.h"
#include "shmem.h"
#include "slot.h"
#include "sql_verify.h"
#include "usage_event.h"

PG_FUNCTION_INFO_V1(apikey_sql_verify);
PG_FUNCTION_INFO_V1(apikey_sql_is_allowed);
PG_FUNCTION_INFO_V1(apikey_sql_verify_many);
PG_FUNCTION_INFO_V1(apikey_sql_log_usage);

enum
{
	LOG_KEY_ID,
	LOG_STATUS,
	LOG_LATENCY,
	LOG_BYTES_IN,
	LOG_BYTES_OUT,
	LOG_METHOD,
	LOG_ENDPOINT,
	LOG_IP,
	LOG_USER_AGENT,
	LOG_REGION,
	LOG_UNITS,
	LOG_REQUEST_ID,
	LOG_TAGS
};

#define VERDICT_NATTS 17

/* a latency beyond this is a mistake of the caller */
#define LATENCY_DAYS_MAX 366

static inline bool
arg_is_null(FunctionCallInfo fcinfo, int n)
{
	return n >= PG_NARGS() || PG_ARGISNULL(n);
}

static ApikeyStr
arg_str(FunctionCallInfo fcinfo, int n)
{
	text	   *value;

	if (arg_is_null(fcinfo, n))
		return (ApikeyStr) {NULL, 0};
	value = PG_GETARG_TEXT_PP(n);
	return (ApikeyStr) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

static int64
arg_int64(FunctionCallInfo fcinfo, int n, int64 if_null)
{
	return arg_is_null(fcinfo, n) ? if_null : PG_GETARG_INT64(n);
}

/* tags as JSON text; the application is told when they are too long */
static ApikeyStr
arg_tags(FunctionCallInfo fcinfo, int n)
{
	Jsonb	   *tags;
	char	   *json;
	size_t		len;

	if (arg_is_null(fcinfo, n))
		return (ApikeyStr) {NULL, 0};
	tags = PG_GETARG_JSONB_P(n);
	json = JsonbToCString(NULL, &tags->root, VARSIZE(tags));
	len = strlen(json);
	if (len > APIKEY_EVENT_TAGS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tags are too long"),
				 errdetail("The text of tags may have at most %d bytes.", APIKEY_EVENT_TAGS_MAX)));
	return (ApikeyStr) {json, (int) len};
}

static int64
arg_units(FunctionCallInfo fcinfo, int n)
{
	int64		units = arg_int64(fcinfo, n, 1);

	if (units < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("units must not be negative")));
	return units;
}

static ApikeyNet
arg_ip(FunctionCallInfo fcinfo, int n)
{
	ApikeyNet	none = {0};

	return arg_is_null(fcinfo, n) ? none : apikey_net_from_datum(PG_GETARG_DATUM(n));
}

static void
no_measures(ApikeyContext *context)
{
	context->status = -1;
	context->latency_us = -1;
	context->bytes_in = -1;
	context->bytes_out = -1;
}

/*
 * The elements of a text[], seen where they are if there are no more than
 * room; the general way costs as much as the checks of a key.
 */
static ApikeyStrList
view_array(Datum datum, ApikeyStr *items, int room)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	const char *at;
	int			count;

	if (ARR_NDIM(array) != 1 || ARR_HASNULL(array))
		return apikey_array_to_str_list(PointerGetDatum(array));
	count = ARR_DIMS(array)[0];
	if (count > room)
		return apikey_array_to_str_list(PointerGetDatum(array));
	at = ARR_DATA_PTR(array);
	for (int i = 0; i < count; i++)
	{
		items[i] = (ApikeyStr) {VARDATA_ANY(at), VARSIZE_ANY_EXHDR(at)};
		at = (const char *) att_align_nominal(at + VARSIZE_ANY(at), TYPALIGN_INT);
	}
	return (ApikeyStrList) {items, count};
}

/* Everything but the key. */
static void
collect_call(FunctionCallInfo fcinfo, ApikeyCall *call)
{
	memset(call, 0, sizeof(*call));
	no_measures(&call->context);
	if (!arg_is_null(fcinfo, APIKEY_ARG_SCOPES))
		call->context.scopes = view_array(PG_GETARG_DATUM(APIKEY_ARG_SCOPES), call->few_scopes,
										  lengthof(call->few_scopes));
	if (call->context.scopes.count > APIKEY_REQUIRED_SCOPES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("too many scopes"),
				 errdetail("A verification may require at most %d scopes.",
						   APIKEY_REQUIRED_SCOPES_MAX)));
	call->context.ip = arg_ip(fcinfo, APIKEY_ARG_IP);
	call->context.method = arg_str(fcinfo, APIKEY_ARG_METHOD);
	call->context.endpoint = arg_str(fcinfo, APIKEY_ARG_ENDPOINT);
	call->environment = arg_str(fcinfo, APIKEY_ARG_ENVIRONMENT);
	call->tenant = arg_str(fcinfo, APIKEY_ARG_TENANT);
	call->context.units = arg_units(fcinfo, APIKEY_ARG_UNITS);
	call->context.user_agent = arg_str(fcinfo, APIKEY_ARG_USER_AGENT);
	call->context.region = arg_str(fcinfo, APIKEY_ARG_REGION);
	call->context.request_id = arg_str(fcinfo, APIKEY_ARG_REQUEST_ID);
	call->context.tags = arg_tags(fcinfo, APIKEY_ARG_TAGS);
	call->record = arg_is_null(fcinfo, APIKEY_ARG_RECORD) || PG_GETARG_BOOL(APIKEY_ARG_RECORD);
}

/* The text of a code, made once per process. */
static Datum
code_datum(ApikeyCode code)
{
	static text *texts[APIKEY_NCODES];

	if (unlikely(texts[code] == NULL))
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		texts[code] = cstring_to_text(apikey_code_name(code));
		MemoryContextSwitchTo(old);
	}
	return PointerGetDatum(texts[code]);
}

static Datum
warnings_datum(unsigned warnings)
{
	static ArrayType *none = NULL;
	Datum		elements[APIKEY_NWARNINGS];
	int			count = 0;

	if (likely(warnings == 0))
	{
		if (unlikely(none == NULL))
		{
			MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

			none = construct_empty_array(TEXTOID);
			MemoryContextSwitchTo(old);
		}
		return PointerGetDatum(none);
	}
	for (int i = 0; i < APIKEY_NWARNINGS; i++)
		if (warnings & (1u << i))
			elements[count++] = CStringGetTextDatum(apikey_warning_name(i));
	return PointerGetDatum(construct_array(elements, count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

/* The columns of apikey.verdict, in the order of sql/10_types.sql. */
static void
fill_verdict(const ApikeyAnswer *answer, Datum *values, bool *nulls)
{
	const ApikeyVerdict *verdict = &answer->verdict;
	const ApikeyKey *key = answer->key;

	memset(nulls, true, sizeof(bool) * VERDICT_NATTS);
#define SET(n, datum) (values[n] = (datum), nulls[n] = false)
	SET(0, BoolGetDatum(verdict->code == APIKEY_VALID));
	SET(1, code_datum(verdict->code));
	SET(2, Int32GetDatum(apikey_code_http_status(verdict->code)));
	if (key != NULL)
	{
		SET(3, Int64GetDatum(key->record.key_id));
		SET(4, Int64GetDatum(key->record.secret_id));
		SET(5, PointerGetDatum(key->tenant->path));
		if (key->environment != NULL)
			SET(6, PointerGetDatum(key->environment));
		if (key->owner != NULL)
			SET(7, PointerGetDatum(key->owner));
		if (key->name != NULL)
			SET(8, PointerGetDatum(key->name));
		SET(9, PointerGetDatum(key->scopes));
		if (key->metadata != NULL)
			SET(10, PointerGetDatum(key->metadata));
		if (verdict->expires_at != APIKEY_NO_TIME)
			SET(11, TimestampTzGetDatum(apikey_shown_time(verdict->expires_at)));
	}
	if (verdict->remaining >= 0)
		SET(12, Int64GetDatum(verdict->remaining));
	if (verdict->limit_name[0] != '\0')
		SET(13, CStringGetTextDatum(verdict->limit_name));
	if (verdict->retry_after >= 0)
	{
		Interval   *wait = palloc0(sizeof(Interval));

		wait->time = verdict->retry_after;
		SET(14, IntervalPGetDatum(wait));
	}
	if (verdict->detail[0] != '\0')
		SET(15, CStringGetTextDatum(verdict->detail));
	SET(16, warnings_datum(verdict->warnings));
#undef SET
}

/* The type apikey.verdict as it is now, and a row of NULLs. */
typedef struct RowType
{
	Oid			oid;
	uint64		version;		/* tupDesc_identifier of the type cache */
	TupleDesc	desc;
	HeapTuple	empty;
} RowType;

/*
 * Kept per process: what a call could keep lives no longer than one execution
 * of a plan, and to find out anew cost as much as half a verification.  The
 * type cache gives every form that a type takes a number of its own.
 */
static const RowType *
row_type(FunctionCallInfo fcinfo)
{
	static RowType kept;
	Oid			oid = get_func_rettype(fcinfo->flinfo->fn_oid);
	const TypeCacheEntry *entry = lookup_type_cache(oid, TYPECACHE_TUPDESC);

	if (unlikely(entry->tupDesc == NULL || entry->tupDesc->natts != VERDICT_NATTS))
		elog(ERROR, "return type must be apikey.verdict");
	if (unlikely(kept.empty == NULL || entry->tupDesc_identifier != kept.version || oid != kept.oid))
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		RowType		fresh = {oid, entry->tupDesc_identifier};
		Datum		values[VERDICT_NATTS] = {0};
		bool		nulls[VERDICT_NATTS];

		fresh.desc = CreateTupleDescCopy(entry->tupDesc);
		memset(nulls, true, sizeof(nulls));
		fresh.empty = heap_form_tuple(fresh.desc, values, nulls);
		MemoryContextSwitchTo(old);
		if (kept.empty != NULL)
		{
			heap_freetuple(kept.empty);
			FreeTupleDesc(kept.desc);
		}
		kept = fresh;
	}
	return &kept;
}

/*
 * The row of a key that is VALID: what the key has ready (ApikeyKey.row), and
 * behind it the columns that differ from call to call, of which retry_after and
 * detail are NULL.  The same bytes as heap_form_tuple() would make; it made the
 * head.
 */
static HeapTupleHeader
valid_row(const ApikeyVerdict *verdict, const ApikeyKey *key, const RowType *type)
{
	ArrayType  *warnings = (ArrayType *) DatumGetPointer(warnings_datum(verdict->warnings));
	int			name_len = (int) strlen(verdict->limit_name);
	int			hoff = type->empty->t_data->t_hoff;
	int			len;
	HeapTupleHeader row;
	char	   *data;
	bits8	   *bits;

	StaticAssertStmt(APIKEY_LIMIT_NAME_MAX + VARHDRSZ_SHORT <= VARATT_SHORT_MAX,
					 "name of a limit needs a short header");

	/* at most: padding of remaining, a short name, padding of an array */
	len = hoff + MAXALIGN(key->row_len) + sizeof(int64) + VARHDRSZ_SHORT + name_len +
		ALIGNOF_INT + VARSIZE(warnings);
	row = palloc0(len);
	memcpy(row, type->empty->t_data, hoff);
	bits = row->t_bits;
	data = (char *) row + hoff;
	memcpy(data, key->row, key->row_len);
	bits[0] = key->row_bits[0];
	bits[1] = key->row_bits[1];
	len = key->row_len;
	if (verdict->remaining >= 0)
	{
		len = MAXALIGN(len);
		memcpy(data + len, &verdict->remaining, sizeof(int64));
		len += sizeof(int64);
		bits[1] |= 1 << 4;
	}
	if (name_len > 0)
	{
		SET_VARSIZE_SHORT(data + len, VARHDRSZ_SHORT + name_len);
		memcpy(data + len + VARHDRSZ_SHORT, verdict->limit_name, name_len);
		len += VARHDRSZ_SHORT + name_len;
		bits[1] |= 1 << 5;
	}
	bits[2] = 1 << 0;
	if (VARATT_CAN_MAKE_SHORT(warnings))
	{
		int			short_len = VARATT_CONVERTED_SHORT_SIZE(warnings);

		SET_VARSIZE_SHORT(data + len, short_len);
		memcpy(data + len + VARHDRSZ_SHORT, VARDATA(warnings), short_len - VARHDRSZ_SHORT);
		len += short_len;
	}
	else
	{
		len = INTALIGN(len);
		memcpy(data + len, warnings, VARSIZE(warnings));
		len += VARSIZE(warnings);
	}

	row->t_infomask |= HEAP_HASVARWIDTH;
	HeapTupleHeaderSetDatumLength(row, hoff + len);
	return row;
}

Datum
apikey_sql_verify_call(FunctionCallInfo fcinfo, ApikeyAnswer *answer)
{
	ApikeyCall	call;
	Datum		values[VERDICT_NATTS];
	bool		nulls[VERDICT_NATTS];
	const RowType *type = row_type(fcinfo);

	collect_call(fcinfo, &call);
	call.key = arg_str(fcinfo, APIKEY_ARG_KEY);
	apikey_verify(&call, answer);
	if (answer->verdict.code == APIKEY_VALID)
		PG_RETURN_HEAPTUPLEHEADER(valid_row(&answer->verdict, answer->key, type));
	fill_verdict(answer, values, nulls);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(type->desc, values, nulls)));
}

Datum
apikey_sql_verify(PG_FUNCTION_ARGS)
{
	ApikeyAnswer answer;

	return apikey_sql_verify_call(fcinfo, &answer);
}

Datum
apikey_sql_is_allowed(PG_FUNCTION_ARGS)
{
	ApikeyCall	call;
	ApikeyAnswer answer;

	collect_call(fcinfo, &call);
	call.key = arg_str(fcinfo, APIKEY_ARG_KEY);
	apikey_verify(&call, &answer);
	PG_RETURN_BOOL(answer.verdict.code == APIKEY_VALID);
}

Datum
apikey_sql_verify_many(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ApikeyCall	call;
	ApikeyStrList keys;
	MemoryContext context;
	MemoryContext old;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(APIKEY_ARG_KEY))
		return (Datum) 0;
	collect_call(fcinfo, &call);
	keys = apikey_array_to_str_list(PG_GETARG_DATUM(APIKEY_ARG_KEY));

	context = AllocSetContextCreate(CurrentMemoryContext, "apikey verify_many",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < keys.count; i++)
	{
		ApikeyAnswer answer;
		Datum		values[VERDICT_NATTS];
		bool		nulls[VERDICT_NATTS];

		CHECK_FOR_INTERRUPTS();
		old = MemoryContextSwitchTo(context);
		call.key = keys.items[i];
		apikey_verify(&call, &answer);
		fill_verdict(&answer, values, nulls);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* An interval of a request in microseconds, -1 for NULL. */
static int64
arg_latency(FunctionCallInfo fcinfo, int n)
{
	Interval   *latency;

	if (PG_ARGISNULL(n))
		return -1;
	latency = PG_GETARG_INTERVAL_P(n);

	/* the difference of two timestamps has days, but no months */
	if (latency->month != 0 || latency->day < 0 || latency->day > LATENCY_DAYS_MAX ||
		latency->time < 0 || latency->time > LATENCY_DAYS_MAX * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("latency must not be negative or longer than %d days", LATENCY_DAYS_MAX)));
	return latency->day * USECS_PER_DAY + latency->time;
}

static int64
arg_bytes(FunctionCallInfo fcinfo, int n)
{
	int64		bytes = arg_int64(fcinfo, n, -1);

	if (!PG_ARGISNULL(n) && bytes < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a count of bytes must not be negative")));
	return bytes;
}

/*
 * apikey_sql_log_usage records what became of a request.  Returns false, and
 * records nothing, when there is no such key for the caller.
 */
Datum
apikey_sql_log_usage(PG_FUNCTION_ARGS)
{
	ApikeyContext context;
	ApikeyReading reading;
	TimestampTz now = apikey_clock_now();
	ApikeyTenant *tenant = NULL;
	int64		key_id;
	int64		tenant_id;
	int64		environment_id;

	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot record usage in parallel mode")));
	apikey_require_shmem();
	memset(&context, 0, sizeof(context));
	context.status = PG_ARGISNULL(LOG_STATUS) ? -1 : PG_GETARG_INT32(LOG_STATUS);
	if (!PG_ARGISNULL(LOG_STATUS) && (context.status < 0 || context.status > 999))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("status must be between 0 and 999")));
	context.latency_us = arg_latency(fcinfo, LOG_LATENCY);
	context.bytes_in = arg_bytes(fcinfo, LOG_BYTES_IN);
	context.bytes_out = arg_bytes(fcinfo, LOG_BYTES_OUT);
	context.method = arg_str(fcinfo, LOG_METHOD);
	context.endpoint = arg_str(fcinfo, LOG_ENDPOINT);
	context.ip = arg_ip(fcinfo, LOG_IP);
	context.user_agent = arg_str(fcinfo, LOG_USER_AGENT);
	context.region = arg_str(fcinfo, LOG_REGION);
	context.units = arg_units(fcinfo, LOG_UNITS);
	context.request_id = arg_str(fcinfo, LOG_REQUEST_ID);
	context.tags = arg_tags(fcinfo, LOG_TAGS);
	if (PG_ARGISNULL(LOG_KEY_ID))
		PG_RETURN_BOOL(false);
	key_id = PG_GETARG_INT64(LOG_KEY_ID);

	apikey_workers_needed();
	apikey_reading_begin(&reading, now);
	if (apikey_keystore_identify(key_id, &reading, &tenant_id, &environment_id))
		tenant = apikey_rulecache_tenant(tenant_id, &reading);
	apikey_reading_end(&reading);
	if (tenant == NULL || !apikey_rulecache_may_verify(tenant, GetUserId()))
		PG_RETURN_BOOL(false);
	apikey_record(&context, now, APIKEY_LOGGED, tenant_id, key_id, 0, environment_id);
	PG_RETURN_BOOL(true);
}
