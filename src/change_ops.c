/*
 * change_ops.c
 *		apikey.change_ops: a BRIN operator class that remembers when a range of
 *		pages was changed last, whatever is stored in it.
 *
 * Layer 3.  Rollups ask it for the pages that may hold rows they have not
 * counted (sql/63_rollups.sql).
 *
 * The invariant.  What is kept for a range is, for every row in it, at least
 * the next transaction id of the moment when the row's index entry was made.
 * So it is more than the row's own id, and "@~ x" finds each row that was
 * stored by a transaction with an id from x on, and each that was stored at a
 * time when ids from x on were given out.
 *
 * - A row is in the table before its entry is made, and its transaction has an
 *	 id by then.  Here the clock is read, so it stands higher.
 * - A range without a summary takes no entries and is always read.  Whoever
 *	 summarises it reads the clock for each row he finds, later than the row's
 *	 entry was refused.  Entries made meanwhile go into the placeholder and are
 *	 united with the summary.
 * - A crash may set the clock back, but not to below an id that left a trace in
 *	 the WAL, as each surviving row has.  What is kept may then be ahead of the
 *	 clock, which is no less true of the rows that are there and those to come.
 *	 Whoever asks must not: sql/63_rollups.sql says up to where x is safe.
 *
 * The value of the column plays no part.  The index may have another column
 * over the same values with an ordinary class.
 */
#include "postgres.h"

#include "access/brin_internal.h"
#include "access/brin_tuple.h"
#include "access/skey.h"
#include "access/transam.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/typcache.h"

#include "change_ops.h"

PG_FUNCTION_INFO_V1(apikey_change_opcinfo);
PG_FUNCTION_INFO_V1(apikey_change_add);
PG_FUNCTION_INFO_V1(apikey_change_consistent);
PG_FUNCTION_INFO_V1(apikey_change_union);
PG_FUNCTION_INFO_V1(apikey_changed_since);

Datum
apikey_change_opcinfo(PG_FUNCTION_ARGS)
{
	BrinOpcInfo *info = palloc0(SizeofBrinOpcInfo(1));

	info->oi_nstored = 1;
	info->oi_regular_nulls = true;
	info->oi_typcache[0] = lookup_type_cache(INT8OID, 0);
	PG_RETURN_POINTER(info);
}

static bool
raise_to(BrinValues *column, int64 clock)
{
	if (!column->bv_allnulls && DatumGetInt64(column->bv_values[0]) >= clock)
		return false;
	column->bv_values[0] = Int64GetDatum(clock);
	column->bv_allnulls = false;
	return true;
}

/* A row came, or is found while the range is summarised. */
Datum
apikey_change_add(PG_FUNCTION_ARGS)
{
	BrinValues *column = (BrinValues *) PG_GETARG_POINTER(1);
	FullTransactionId next = ReadNextFullTransactionId();

	PG_RETURN_BOOL(raise_to(column, (int64) U64FromFullTransactionId(next)));
}

Datum
apikey_change_consistent(PG_FUNCTION_ARGS)
{
	BrinValues *column = (BrinValues *) PG_GETARG_POINTER(1);
	ScanKey		key = (ScanKey) PG_GETARG_POINTER(2);

	PG_RETURN_BOOL(DatumGetInt64(column->bv_values[0]) >= DatumGetInt64(key->sk_argument));
}

Datum
apikey_change_union(PG_FUNCTION_ARGS)
{
	BrinValues *a = (BrinValues *) PG_GETARG_POINTER(1);
	BrinValues *b = (BrinValues *) PG_GETARG_POINTER(2);

	(void) raise_to(a, DatumGetInt64(b->bv_values[0]));
	PG_RETURN_VOID();
}

/*
 * timestamptz @~ bigint.  The index leaves out pages; about a single row it
 * knows nothing.
 */
Datum
apikey_changed_since(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}
