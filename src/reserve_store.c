/*
 * reserve_store.c
 *		What the writer reads and writes of quota_state, limit_state and
 *		limit_ledger.
 *
 * Layer 5.  One call of a function in SQL for all rows of a kind: columns go
 * as arrays.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "guc.h"
#include "limit_rules.h"
#include "reserve_store.h"

#define COLUMNS_MAX		12

/* The arguments of a call. */
typedef struct Call
{
	int			rows;
	int			count;			/* arguments so far */
	Oid			types[COLUMNS_MAX];
	Datum		values[COLUMNS_MAX];
	Datum	   *column;			/* the one being filled */
} Call;

static Call
start_call(int rows)
{
	Call		call = {rows};

	return call;
}

/* The elements of the next argument. */
static Datum *
new_column(Call *call)
{
	call->column = palloc(sizeof(Datum) * call->rows);
	return call->column;
}

static void
end_column(Call *call, Oid element)
{
	ArrayType  *array;

	Assert(call->count < COLUMNS_MAX);
	switch (element)
	{
		case UUIDOID:
			array = construct_array(call->column, call->rows, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
			call->types[call->count] = UUIDARRAYOID;
			break;
		case TEXTOID:
			array = construct_array(call->column, call->rows, TEXTOID, -1, false, TYPALIGN_INT);
			call->types[call->count] = TEXTARRAYOID;
			break;
		case TIMESTAMPTZOID:
			array = construct_array(call->column, call->rows, TIMESTAMPTZOID, sizeof(TimestampTz),
									FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
			call->types[call->count] = TIMESTAMPTZARRAYOID;
			break;
		default:
			array = construct_array(call->column, call->rows, INT8OID, sizeof(int64),
									FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
			call->types[call->count] = INT8ARRAYOID;
			break;
	}
	call->values[call->count++] = PointerGetDatum(array);
}

static void
add_number(Call *call, int64 number)
{
	Assert(call->count < COLUMNS_MAX);
	call->types[call->count] = INT8OID;
	call->values[call->count++] = Int64GetDatum(number);
}

static Datum
uuid_datum(const unsigned char *id)
{
	return UUIDPGetDatum((pg_uuid_t *) id);
}

static void
run_call(Call *call, const char *sql)
{
	if (SPI_execute_with_args(sql, call->count, call->types, call->values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not run \"%s\"", sql);
}

static Datum
result(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, isnull);
}

/* A column of one element per answer. */
#define ANSWER_COLUMN(call, answers, element, expr) \
	do { \
		Datum	   *column_ = new_column(call); \
		for (int i = 0; i < (call)->rows; i++) \
		{ \
			const ApikeyReserveAnswer *answer = &(answers)[i]; \
			column_[i] = (expr); \
		} \
		end_column(call, element); \
	} while (0)

static void
add_units(Call *call, const ApikeyQuotaUnits *units)
{
	Datum	   *column = new_column(call);

	for (int i = 0; i < call->rows; i++)
		column[i] = uuid_datum(units[i].quota_id);
	end_column(call, UUIDOID);
	column = new_column(call);
	for (int i = 0; i < call->rows; i++)
		column[i] = TimestampTzGetDatum(units[i].window);
	end_column(call, TIMESTAMPTZOID);
	column = new_column(call);
	for (int i = 0; i < call->rows; i++)
		column[i] = Int64GetDatum(units[i].units);
	end_column(call, INT8OID);
}

void
apikey_store_returns(const ApikeyQuotaUnits *units, int count)
{
	Call		call = start_call(count);

	add_units(&call, units);
	run_call(&call, "SELECT apikey._return_quotas($1, $2, $3)");
}

void
apikey_store_notes(const ApikeyQuotaUnits *units, int count)
{
	Call		call = start_call(count);

	add_units(&call, units);
	run_call(&call, "SELECT apikey._note_quotas($1, $2, $3)");
}

void
apikey_store_closed(const ApikeyLimitCeiling *ceilings, int count)
{
	Call		call = start_call(count);
	Datum	   *column = new_column(&call);

	for (int i = 0; i < count; i++)
		column[i] = uuid_datum(ceilings[i].limit_id);
	end_column(&call, UUIDOID);
	column = new_column(&call);
	for (int i = 0; i < count; i++)
		column[i] = TimestampTzGetDatum(ceilings[i].ceiling);
	end_column(&call, TIMESTAMPTZOID);
	run_call(&call, "SELECT apikey._close_limits($1, $2)");
}

void
apikey_store_quotas(ApikeyReserveAnswer *answers, int count)
{
	Call		call = start_call(count);

	ANSWER_COLUMN(&call, answers, UUIDOID, uuid_datum(answer->request->durable_id));
	ANSWER_COLUMN(&call, answers, TIMESTAMPTZOID, TimestampTzGetDatum(answer->request->window));
	ANSWER_COLUMN(&call, answers, TIMESTAMPTZOID, TimestampTzGetDatum(answer->request->window_end));
	ANSWER_COLUMN(&call, answers, INT8OID, Int64GetDatum(answer->request->tenant_id));
	ANSWER_COLUMN(&call, answers, INT8OID, Int64GetDatum(answer->request->key_id));
	ANSWER_COLUMN(&call, answers, TEXTOID, CStringGetTextDatum(apikey_share_name(answer->request->shared)));
	ANSWER_COLUMN(&call, answers, TEXTOID, CStringGetTextDatum(answer->request->holder));
	ANSWER_COLUMN(&call, answers, TEXTOID, CStringGetTextDatum(answer->request->name));
	ANSWER_COLUMN(&call, answers, INT8OID, Int64GetDatum(answer->request->limit));
	ANSWER_COLUMN(&call, answers, INT8OID, Int64GetDatum(answer->need));
	ANSWER_COLUMN(&call, answers, INT8OID, Int64GetDatum(answer->left));
	add_number(&call, apikey_quota_block);
	run_call(&call, "SELECT n, block, rest, credits FROM apikey._reserve_quotas($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
	if (SPI_processed != count)
		elog(ERROR, "apikey._reserve_quotas() answered " UINT64_FORMAT " of %d requests",
			 SPI_processed, count);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int64		n = DatumGetInt64(result(row, 1, &isnull));

		if (n < 1 || n > count)
			elog(ERROR, "apikey._reserve_quotas() answered a request that was not made");
		answers[n - 1].block = DatumGetInt64(result(row, 2, &isnull));
		answers[n - 1].rest = DatumGetInt64(result(row, 3, &isnull));
		answers[n - 1].credits = DatumGetInt64(result(row, 4, &isnull));
	}
}

void
apikey_store_read_ceilings(ApikeyReserveAnswer *answers, int count)
{
	Call		call = start_call(count);

	ANSWER_COLUMN(&call, answers, UUIDOID, uuid_datum(answer->request->durable_id));
	run_call(&call, "SELECT n, ceiling FROM apikey._limit_ceilings($1)");
	for (int i = 0; i < count; i++)
		answers[i].found = false;
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int64		n = DatumGetInt64(result(row, 1, &isnull));

		if (n < 1 || n > count)
			elog(ERROR, "apikey._limit_ceilings() answered a request that was not made");
		answers[n - 1].found = true;
		answers[n - 1].ceiling = DatumGetTimestampTz(result(row, 2, &isnull));
	}
}

void
apikey_store_ceilings(const ApikeyReserveAnswer *answers, int count)
{
	Call		call = start_call(count);

	ANSWER_COLUMN(&call, answers, UUIDOID, uuid_datum(answer->request->durable_id));
	ANSWER_COLUMN(&call, answers, INT8OID, Int64GetDatum(answer->request->tenant_id));
	ANSWER_COLUMN(&call, answers, INT8OID, Int64GetDatum(answer->request->key_id));
	ANSWER_COLUMN(&call, answers, TEXTOID, CStringGetTextDatum(apikey_share_name(answer->request->shared)));
	ANSWER_COLUMN(&call, answers, TEXTOID, CStringGetTextDatum(answer->request->holder));
	ANSWER_COLUMN(&call, answers, TEXTOID, CStringGetTextDatum(answer->request->name));
	ANSWER_COLUMN(&call, answers, TIMESTAMPTZOID, TimestampTzGetDatum(answer->ceiling));
	run_call(&call, "SELECT apikey._reserve_limits($1, $2, $3, $4, $5, $6, $7)");
}

ApikeyLedgerRow *
apikey_store_read_ledger(int *count)
{
	ApikeyLedgerRow *rows;

	if (SPI_execute("SELECT ledger_id, kind OPERATOR(pg_catalog.=) 'reset', limit_id, window_start FROM apikey.limit_ledger"
					" WHERE applied_at IS NULL ORDER BY ledger_id", true, APIKEY_LEDGER_ROWS_MAX) != SPI_OK_SELECT)
		elog(ERROR, "could not read apikey.limit_ledger");
	*count = (int) SPI_processed;
	rows = palloc0(sizeof(ApikeyLedgerRow) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		bool		isnull;
		Datum		window;

		rows[i].ledger_id = DatumGetInt64(result(i, 1, &isnull));
		rows[i].reset = DatumGetBool(result(i, 2, &isnull));
		memcpy(rows[i].limit_id, DatumGetUUIDP(result(i, 3, &isnull))->data, UUID_LEN);
		window = result(i, 4, &isnull);
		rows[i].quota = !isnull;
		rows[i].window = isnull ? 0 : DatumGetTimestampTz(window);
	}
	return rows;
}

void
apikey_store_ledger(const ApikeyLedgerRow *rows, int count)
{
	Call		call = start_call(count);
	Datum	   *column = new_column(&call);
	bool	   *nulls = palloc(sizeof(bool) * count);
	int			dims[1] = {count};
	int			lower[1] = {1};

	for (int i = 0; i < count; i++)
		column[i] = Int64GetDatum(rows[i].ledger_id);
	end_column(&call, INT8OID);
	column = new_column(&call);
	for (int i = 0; i < count; i++)
	{
		column[i] = Int64GetDatum(rows[i].held);
		nulls[i] = rows[i].in_use;
	}
	call.types[call.count] = INT8ARRAYOID;
	call.values[call.count++] =
		PointerGetDatum(construct_md_array(column, nulls, 1, dims, lower, INT8OID,
										   sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	run_call(&call, "SELECT apikey._apply_ledger($1, $2)");
}

static Datum
single(const char *sql)
{
	Call		call = start_call(0);
	bool		isnull;

	run_call(&call, sql);
	return result(0, 1, &isnull);
}

bool
apikey_store_prepared(void)
{
	return DatumGetBool(single("SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts p"
							   " WHERE p.database OPERATOR(pg_catalog.=) pg_catalog.current_database())"));
}

ApikeyDurableLimit *
apikey_store_durable(int *count)
{
	Call		call = start_call(0);
	ApikeyDurableLimit *limits;

	run_call(&call, "SELECT quota, limit_id FROM apikey._durable_limits()");
	*count = (int) SPI_processed;
	limits = MemoryContextAllocHuge(CurrentMemoryContext,
									sizeof(ApikeyDurableLimit) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		bool		isnull;

		limits[i].kind = DatumGetBool(result(i, 1, &isnull)) ? APIKEY_BUCKET_QUOTA : APIKEY_BUCKET_RATE;
		memcpy(limits[i].id, DatumGetUUIDP(result(i, 2, &isnull))->data, UUID_LEN);
	}
	return limits;
}

int64
apikey_store_forget(void)
{
	return DatumGetInt64(single("SELECT apikey._forget_limits()"));
}
