/*
 * sql_rollup.c
 *		_next_xid(), _full_xid(), _seen(), _newly_seen(), _summarize(),
 *		_try_lock(): which rows of usage the rollups have counted.
 *
 * Layer 6.  How they play together, and why no row is counted twice or not at
 * all, is in sql/63_rollups.sql; seen.h has the sets.  They are kept as values
 * of PostgreSQL's type pg_snapshot, whose text shows xmin, xmax and the ids
 * between them that are not in the set.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/subtrans.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_am.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "compat.h"
#include "sql_rollup.h"

PG_FUNCTION_INFO_V1(apikey_next_xid);
PG_FUNCTION_INFO_V1(apikey_full_xid);
PG_FUNCTION_INFO_V1(apikey_seen);
PG_FUNCTION_INFO_V1(apikey_newly_seen);
PG_FUNCTION_INFO_V1(apikey_summarize);
PG_FUNCTION_INFO_V1(apikey_try_lock);

/* A value of type pg_snapshot, as utils/adt/xid8funcs.c stores it. */
typedef struct StoredSeen
{
	int32		vl_len_;
	uint32		nxip;
	uint64		xmin;
	uint64		xmax;
	uint64		xip[FLEXIBLE_ARRAY_MEMBER];
} StoredSeen;

static uint64
next_xid(void)
{
	return U64FromFullTransactionId(ReadNextFullTransactionId());
}

static ApikeySeen
read_seen(const StoredSeen *stored)
{
	return (ApikeySeen) {stored->xmin, stored->xmax, stored->nxip, stored->xip};
}

static StoredSeen *
store_seen(const ApikeySeen *seen)
{
	Size		size = offsetof(StoredSeen, xip) + sizeof(uint64) * seen->nrunning;
	StoredSeen *stored = palloc0(size);

	SET_VARSIZE(stored, size);
	stored->nxip = seen->nrunning;
	stored->xmin = seen->xmin;
	stored->xmax = seen->xmax;
	if (seen->nrunning > 0)
		memcpy(stored->xip, seen->running, sizeof(uint64) * seen->nrunning);
	return stored;
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
 * What has ended as a snapshot knows it, which may not know all running
 * subtransactions.  running has room for more ids.  A snapshot says nothing of
 * the transaction that took it.
 */
static ApikeySeen
snapshot_seen(Snapshot snapshot, uint64 next, uint32 more, uint64 **running)
{
	uint64	   *xids = palloc(sizeof(uint64) * (snapshot->xcnt + snapshot->subxcnt + more));
	ApikeySeen	seen = {0, 0, 0, xids};

	*running = xids;
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		xids[seen.nrunning++] = apikey_seen_widen(snapshot->xip[i], next);
	for (int32 i = 0; i < snapshot->subxcnt; i++)
		xids[seen.nrunning++] = apikey_seen_widen(snapshot->subxip[i], next);
	seen.nrunning = sort_xids(xids, seen.nrunning);
	seen.xmax = apikey_seen_widen(snapshot->xmax - 1, next) + 1;
	seen.xmin = seen.nrunning > 0 ? xids[0] : seen.xmax;
	return seen;
}

/* As many ids are asked for one by one, and so many of them are noted. */
#define MAX_ASKED 10000000
#define MAX_NOTED 250000

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
 * In doubt it has not ended; it may come into the set another time.
 */
static bool
had_ended(uint64 xid, const uint64 *running, uint32 n, uint64 next)
{
	TransactionId short_xid = (TransactionId) xid;
	TransactionId top;

	if (is_in(running, n, xid))
		return false;
	if (!TransactionIdDidCommit(short_xid))
		return TransactionIdDidAbort(short_xid);
	top = SubTransGetTopmostTransaction(short_xid);
	return !is_in(running, n, apikey_seen_widen(top, next));
}

/*
 * What has ended by now, without this transaction.  Where the snapshot does not
 * tell all running subtransactions, each id is asked for that is not in before.
 * *exact: nothing else has ended.
 */
static ApikeySeen
ended(const ApikeySeen *before, bool *exact)
{
	Snapshot	snapshot = GetTransactionSnapshot();
	uint64		next = next_xid();
	uint64		own[1 + PGPROC_MAX_CACHED_SUBXIDS];
	uint32		n;
	uint32		known;
	uint64		from;
	uint64		above;
	uint64	   *running;
	uint64	   *unknown;
	ApikeySeen	seen;

	*exact = own_xids(own, &n, next) && !snapshot->suboverflowed;
	seen = snapshot_seen(snapshot, next, n, &running);
	for (uint32 i = 0; i < n && own[i] < seen.xmax; i++)
		running[seen.nrunning++] = own[i];
	seen.nrunning = sort_xids(running, seen.nrunning);
	seen.xmin = seen.nrunning > 0 ? running[0] : seen.xmax;
	if (*exact)
		return seen;

	/* what is not known is younger than all that is */
	known = seen.nrunning;
	seen.nrunning = 0;
	seen.running = unknown = palloc(sizeof(uint64) * MAX_NOTED);
	from = seen.xmin;
	above = before != NULL ? Max(from, before->xmax) : from;
	if (seen.xmax - Min(above, seen.xmax) <= MAX_ASKED)
	{
		uint32		i = 0;
		uint32		last = before != NULL ? before->nrunning : 0;

		while (seen.nrunning < MAX_NOTED)
		{
			uint64		xid;

			CHECK_FOR_INTERRUPTS();
			if (i < last)
				xid = before->running[i++];
			else
				xid = above++;
			if (xid >= seen.xmax)
			{
				if (i < last)
					continue;
				*exact = true;
				return seen;
			}
			if (xid >= from && TransactionIdIsNormal((TransactionId) xid) &&
				!had_ended(xid, running, known, next))
				unknown[seen.nrunning++] = xid;
		}
	}
	seen.xmax = seen.xmin;
	seen.nrunning = 0;
	return seen;
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
		StoredSeen *stored = (StoredSeen *) PG_DETOAST_DATUM(PG_GETARG_DATUM(0));
		ApikeySeen	before = read_seen(stored);
		uint64	   *running;

		seen = ended(&before, &exact);
		running = palloc(sizeof(uint64) * (Max(before.nrunning, seen.nrunning) + 1));
		seen = apikey_seen_unite(&before, &seen, running);
	}
	else
		seen = ended(NULL, &exact);
	from = (int64) seen.xmin;
	if (exact && !IsolationUsesXactSnapshot() && !PG_ARGISNULL(1))
		from = Max(from, PG_GETARG_INT64(1));
	from = Min(from, Max((int64) seen.xmax,
						 (int64) U64FromFullTransactionId(GetCurrentFullTransactionId()) + 1));

	values[0] = PointerGetDatum(store_seen(&seen));
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
		sets->before = read_seen((StoredSeen *) PG_DETOAST_DATUM_COPY(PointerGetDatum(before)));
	sets->has_seen = seen != NULL;
	if (seen != NULL)
		sets->seen = read_seen((StoredSeen *) PG_DETOAST_DATUM_COPY(PointerGetDatum(seen)));
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
