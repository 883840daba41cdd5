/*
 * sql_rollup.c
 *		_next_xid(), _full_xid(), _seen(), _newly_seen(), _summarize(),
 *		_try_lock(), _class_hash(): which rows of usage the rollups have counted.
 *
 * Layer 6.  How they play together, and why no row is counted twice or not at
 * all, is in sql/63_rollups.sql; seen.h has the sets.  They are kept as values
 * of type bigint[], their bounds.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

#include "compat.h"
#include "crypto.h"
#include "sql_rollup.h"

PG_FUNCTION_INFO_V1(apikey_next_xid);
PG_FUNCTION_INFO_V1(apikey_full_xid);
PG_FUNCTION_INFO_V1(apikey_seen);
PG_FUNCTION_INFO_V1(apikey_newly_seen);
PG_FUNCTION_INFO_V1(apikey_summarize);
PG_FUNCTION_INFO_V1(apikey_try_lock);
PG_FUNCTION_INFO_V1(apikey_class_hash);

static uint64
next_xid(void)
{
	return U64FromFullTransactionId(ReadNextFullTransactionId());
}

static ApikeySeen
read_seen(ArrayType *stored)
{
	ApikeySeen	seen = {0, (const uint64 *) ARR_DATA_PTR(stored)};

	if (ARR_NDIM(stored) == 1 && ARR_ELEMTYPE(stored) == INT8OID && !ARR_HASNULL(stored))
		seen.n = ARR_DIMS(stored)[0];
	if (!apikey_seen_valid(&seen))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid set of transactions"),
				 errdetail("It is an odd number of transaction ids in ascending order.")));
	return seen;
}

static Datum
store_seen(const ApikeySeen *seen)
{
	Datum	   *bounds = palloc_extended(seen->n * sizeof(Datum), MCXT_ALLOC_HUGE);

	for (uint32 i = 0; i < seen->n; i++)
		bounds[i] = Int64GetDatum((int64) seen->bounds[i]);
	return PointerGetDatum(construct_array(bounds, seen->n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* The bounds of a set that comes together, from the oldest id on. */
typedef struct Bounds
{
	uint32		n;
	uint32		room;
	uint64	   *bounds;
} Bounds;

/* These ids are not in the set. */
static void
leave_out(Bounds *set, uint64 from, uint64 to)
{
	if (set->n > 0 && set->bounds[set->n - 1] == from)
	{
		set->bounds[set->n - 1] = to;
		return;
	}
	if (set->n + 2 >= set->room)
	{
		set->room = set->room == 0 ? 64 : 2 * set->room;
		set->bounds = set->bounds == NULL ? palloc(set->room * sizeof(uint64)) :
			repalloc(set->bounds, set->room * sizeof(uint64));
	}
	set->bounds[set->n++] = from;
	set->bounds[set->n++] = to;
}

/* The set of what is below xmax and was not left out. */
static ApikeySeen
set_of(Bounds *set, uint64 xmax)
{
	leave_out(set, xmax, xmax + 1);
	return (ApikeySeen) {set->n - 1, set->bounds};
}

static int
compare_xids(const void *a, const void *b)
{
	uint64		x = *(const uint64 *) a;
	uint64		y = *(const uint64 *) b;

	return (x > y) - (x < y);
}

/* ids in ascending order, each once; returns how many are left */
static uint32
sort_xids(uint64 *xids, uint32 n)
{
	uint32		kept = 0;

	qsort(xids, n, sizeof(uint64), compare_xids);
	for (uint32 i = 0; i < n; i++)
		if (kept == 0 || xids[kept - 1] != xids[i])
			xids[kept++] = xids[i];
	return kept;
}

/*
 * The ids of this very transaction.  What it stored it may yet roll back or add
 * to.  False: there are more than are known here.
 */
static bool
own_xids(uint64 *xids, uint32 *n, uint64 next)
{
	TransactionId top = GetTopTransactionIdIfAny();

	*n = 0;
	if (TransactionIdIsValid(top))
		xids[(*n)++] = apikey_seen_widen(top, next);
	for (int i = 0; i < MyProc->subxidStatus.count; i++)
		xids[(*n)++] = apikey_seen_widen(MyProc->subxids.xids[i], next);
	*n = sort_xids(xids, *n);
	return !MyProc->subxidStatus.overflowed;
}

/*
 * The ids that a snapshot knows as running, in ascending order; it may not know
 * all subtransactions.  There is room for more of them.  A snapshot says nothing
 * of the transaction that took it.
 */
static uint64 *
running_xids(Snapshot snapshot, uint64 next, uint32 more, uint32 *n)
{
	uint64	   *xids = palloc(sizeof(uint64) * (snapshot->xcnt + snapshot->subxcnt + more));

	*n = 0;
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		xids[(*n)++] = apikey_seen_widen(snapshot->xip[i], next);
	for (int32 i = 0; i < snapshot->subxcnt; i++)
		xids[(*n)++] = apikey_seen_widen(snapshot->subxip[i], next);
	return xids;
}

/*
 * As many ids are asked for one by one, the youngest; the set has at most so many
 * bounds, or half of them are left out.
 */
#define MAX_ASKED 10000000
#define MAX_BOUNDS 400000

static bool
is_in(const uint64 *xids, uint32 n, uint64 xid)
{
	return bsearch(&xid, xids, n, sizeof(uint64), compare_xids) != NULL;
}

/*
 * Whether an id had ended when the snapshot was taken that knows, in ascending
 * order, the top-level ids which ran then, and not all of their subtransactions.
 *
 * One that ran then may have ended since, but its top-level id tells.  The link
 * to that is set after the id is given out, so one without a link may be about
 * to get it: that the id has ended is asked first, for it had a link by then.
 * In doubt it has not ended; it may come into the set another time.  One that
 * was rolled back need never do: it has no rows.
 */
static bool
had_ended(uint64 xid, const uint64 *running, uint32 n, uint64 next)
{
	TransactionId short_xid = (TransactionId) xid;
	TransactionId top;

	if (is_in(running, n, xid))
		return false;
	if (!TransactionIdDidCommit(short_xid))
		return false;
	top = SubTransGetTopmostTransaction(short_xid);
	return !is_in(running, n, apikey_seen_widen(top, next));
}

/*
 * What has ended, where not all running ids are known: each id is asked for that
 * is not in before.  What is not known is younger than the oldest that is.
 * Somebody may make more ids than can be asked for or noted: then some that have
 * ended are left out as well, until he ends, but no more than those among his.
 */
static ApikeySeen
asked(const ApikeySeen *before, const uint64 *running, uint32 n, uint64 xmax, uint64 next, bool *exact)
{
	const ApikeySeen nothing = {1, running};
	Bounds		set = {0};
	uint64		skip = 0;

	*exact = true;
	if (before == NULL)
		before = &nothing;
	for (int pass = 0; pass < 2; pass++)
	{
		for (uint32 i = 0; i < before->n; i += 2)
		{
			uint64		from = Max(before->bounds[i], running[0]);
			uint64		to = i + 1 < before->n ? Min(before->bounds[i + 1], xmax) : xmax;

			if (from >= to)
				continue;
			if (pass == 0)
			{
				skip += to - from;
				continue;
			}
			if (skip > 0)
			{
				uint64		skipped = Min(skip, to - from);

				leave_out(&set, from, from + skipped);
				skip -= skipped;
				from += skipped;
				*exact = false;
			}
			for (; from < to; from++)
			{
				CHECK_FOR_INTERRUPTS();
				if (TransactionIdIsNormal((TransactionId) from) && !had_ended(from, running, n, next))
					leave_out(&set, from, from + 1);
				if (set.n > MAX_BOUNDS)
				{
					set.n = apikey_seen_coarsen(set.bounds, set.n, MAX_BOUNDS / 2);
					*exact = false;
				}
			}
		}
		skip = skip > MAX_ASKED ? skip - MAX_ASKED : 0;
	}
	return set_of(&set, xmax);
}

/*
 * What has ended by now, without this transaction.  *exact: nothing else has that
 * may have stored rows.
 */
static ApikeySeen
ended(const ApikeySeen *before, bool *exact)
{
	Snapshot	snapshot = GetTransactionSnapshot();
	uint64		next = next_xid();
	uint64		xmax = apikey_seen_widen(snapshot->xmax - 1, next) + 1;
	uint64		own[1 + PGPROC_MAX_CACHED_SUBXIDS];
	uint32		nown;
	uint32		n;
	uint64	   *running;
	Bounds		set = {0};

	*exact = own_xids(own, &nown, next) && !snapshot->suboverflowed;
	running = running_xids(snapshot, next, nown, &n);
	for (uint32 i = 0; i < nown && own[i] < xmax; i++)
		running[n++] = own[i];
	n = sort_xids(running, n);
	if (!*exact && n > 0)
		return asked(before, running, n, xmax, next, exact);
	*exact = true;				/* none runs, so no subtransaction does */
	for (uint32 i = 0; i < n; i++)
		leave_out(&set, running[i], running[i] + 1);
	return set_of(&set, xmax);
}

Datum
apikey_next_xid(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) next_xid());
}

Datum
apikey_full_xid(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) apikey_seen_widen(PG_GETARG_TRANSACTIONID(0), next_xid()));
}

/*
 * _seen(before, clock): before and what has ended by now, and from which change
 * of a page on rows may be that are not in it.  clock is from when on changes
 * are to come that were not made before by a transaction which holds a lock of
 * the leaf; it was read before, so it tells nothing of a snapshot that is older.
 *
 * The caller stores both, and they outlive a crash; the clock may not, as the
 * last ids may have left nothing in the WAL and be given out again.  What ended
 * has a record there, written before it counted as ended, and so will this
 * transaction have: that far the clock will not go back.
 */
Datum
apikey_seen(PG_FUNCTION_ARGS)
{
	bool		exact;
	ApikeySeen	seen;
	int64		from;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 2)
		elog(ERROR, "unexpected row type of apikey._seen()");
	if (!PG_ARGISNULL(0))
	{
		ApikeySeen	before = read_seen(PG_GETARG_ARRAYTYPE_P(0));

		seen = ended(&before, &exact);
		seen = apikey_seen_unite(&before, &seen, palloc(sizeof(uint64) * ((Size) before.n + seen.n)));
	}
	else
		seen = ended(NULL, &exact);
	from = (int64) seen.bounds[0];
	if (exact && !IsolationUsesXactSnapshot() && !PG_ARGISNULL(1))
		from = Max(from, PG_GETARG_INT64(1));
	from = Min(from, Max((int64) seen.bounds[seen.n - 1],
						 (int64) U64FromFullTransactionId(GetCurrentFullTransactionId()) + 1));

	values[0] = store_seen(&seen);
	values[1] = Int64GetDatum(from);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

void
apikey_newly_seen_begin(ApikeyNewlySeen *sets, void *before, void *seen)
{
	memset(sets, 0, sizeof(*sets));
	sets->next = next_xid();
	sets->has_before = before != NULL;
	if (before != NULL)
		sets->before = read_seen(DatumGetArrayTypePCopy(PointerGetDatum(before)));
	sets->has_seen = seen != NULL;
	if (seen != NULL)
		sets->seen = read_seen(DatumGetArrayTypePCopy(PointerGetDatum(seen)));
}

bool
apikey_newly_seen_look(ApikeyNewlySeen *sets, TransactionId short_xid)
{
	uint64		xid = apikey_seen_widen(short_xid, sets->next);

	sets->last = short_xid;
	sets->last_is_new = (!sets->has_before || !apikey_seen_has(&sets->before, xid)) &&
		(!sets->has_seen || apikey_seen_has(&sets->seen, xid));
	return sets->last_is_new;
}

/*
 * _newly_seen(xmin, before, seen): whether the transaction that stored a row is
 * in the second set and not in the first; NULL is the empty set and the set of
 * all.  A scan calls it for each row, with the same two sets.
 */
Datum
apikey_newly_seen(PG_FUNCTION_ARGS)
{
	ApikeyNewlySeen *sets = fcinfo->flinfo->fn_extra;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	if (sets == NULL || !get_fn_expr_arg_stable(fcinfo->flinfo, 1) ||
		!get_fn_expr_arg_stable(fcinfo->flinfo, 2))
	{
		MemoryContext old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);

		sets = palloc(sizeof(ApikeyNewlySeen));
		apikey_newly_seen_begin(sets, PG_ARGISNULL(1) ? NULL : DatumGetPointer(PG_GETARG_DATUM(1)),
								PG_ARGISNULL(2) ? NULL : DatumGetPointer(PG_GETARG_DATUM(2)));
		MemoryContextSwitchTo(old);
		fcinfo->flinfo->fn_extra = sets;
	}
	PG_RETURN_BOOL(apikey_newly_seen_has(sets, PG_GETARG_TRANSACTIONID(0)));
}

/*
 * _summarize(leaf): summarise what is new in the BRIN indexes of a table.  False:
 * somebody else, a vacuum mostly, is at it; the caller can do without.
 */
Datum
apikey_summarize(PG_FUNCTION_ARGS)
{
	Oid			leaf = PG_GETARG_OID(0);
	Relation	rel;
	List	   *indexes;
	ListCell   *cell;

	if (!ConditionalLockRelationOid(leaf, ShareUpdateExclusiveLock))
		PG_RETURN_BOOL(false);
	rel = try_relation_open(leaf, NoLock);
	if (rel == NULL)
	{
		UnlockRelationOid(leaf, ShareUpdateExclusiveLock);
		PG_RETURN_BOOL(false);
	}
	indexes = RelationGetIndexList(rel);
	foreach(cell, indexes)
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		bool		brin = index->rd_rel->relam == BRIN_AM_OID && index->rd_index->indisvalid;

		index_close(index, AccessShareLock);
		if (brin)
			(void) OidFunctionCall1(F_BRIN_SUMMARIZE_NEW_VALUES, ObjectIdGetDatum(lfirst_oid(cell)));
	}
	relation_close(rel, ShareUpdateExclusiveLock);
	PG_RETURN_BOOL(true);
}

/*
 * _try_lock(leaf): lock a table for reading, for the rest of the transaction.
 * False: it is gone, or somebody has locked it or is waiting to.
 */
Datum
apikey_try_lock(PG_FUNCTION_ARGS)
{
	Oid			leaf = PG_GETARG_OID(0);

	if (!ConditionalLockRelationOid(leaf, AccessShareLock))
		PG_RETURN_BOOL(false);
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(leaf)))
		PG_RETURN_BOOL(true);
	UnlockRelationOid(leaf, AccessShareLock);
	PG_RETURN_BOOL(false);
}

/* _class_hash(class): what stands for a class in the indexes of usage_hourly and usage_daily. */
Datum
apikey_class_hash(PG_FUNCTION_ARGS)
{
	text	   *class = PG_GETARG_TEXT_PP(0);
	pg_uuid_t  *hash = palloc(sizeof(pg_uuid_t));

	StaticAssertStmt(APIKEY_HASH128_LEN == UUID_LEN, "a hash is as long as a uuid");
	apikey_hash128(VARDATA_ANY(class), VARSIZE_ANY_EXHDR(class), hash->data);
	PG_RETURN_UUID_P(hash);
}
