/*
 * usage_insert.c
 *		Rows of usage into an ordinary leaf, straight.
 *
 * Layer 5.  What COPY would do, without its parser, and in another order:
 *
 * - the rows are sorted by tenant, key and time before they are stored.  The
 *	 rows of one batch differ by a fraction of a second, so the table stays in
 *	 order of time for BRIN, while the rows of one key lie together for those
 *	 who read its history;
 * - each index gets all its entries in turn and in its own order.  An entry
 *	 then mostly goes next to the one before, into a page that is in the CPU's
 *	 cache, and pages split as they do for ascending keys: full;
 * - a BRIN index that keeps the lowest and highest time of page ranges is told
 *	 the lowest and highest of every page;
 * - any other BRIN index is asked once per page range whether it has a summary
 *	 of it.  Pages that were added since the last summary have none, and there
 *	 is nothing to do for their rows.
 */
#include "postgres.h"

#include "access/brin_revmap.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "usage_insert.h"

/* entries after which what an index has allocated is freed */
#define ENTRIES_PER_RESET	256

/* Where a row is, in another order than that of the rows. */
typedef struct TenantAt
{
	int64		tenant_id;
	TimestampTz at;
	int			row;
} TenantAt;

/* NULL is 0 in a row and the last in an index. */
static inline int
compare_ids(int64 a, int64 b)
{
	uint64		x = (uint64) a - 1;
	uint64		y = (uint64) b - 1;

	return (x > y) - (x < y);
}

static inline int
compare_rows(const ApikeyUsageRow *a, const ApikeyUsageRow *b)
{
	int			order = compare_ids(a->tenant_id, b->tenant_id);

	if (order == 0)
		order = compare_ids(a->key_id, b->key_id);
	if (order == 0)
		order = (a->at > b->at) - (a->at < b->at);
	return order;
}

static inline int
compare_tenant_at(const TenantAt *a, const TenantAt *b)
{
	int			order = compare_ids(a->tenant_id, b->tenant_id);

	return order != 0 ? order : (a->at > b->at) - (a->at < b->at);
}

#define ST_SORT sort_rows
#define ST_ELEMENT_TYPE ApikeyUsageRow
#define ST_COMPARE(a, b) compare_rows(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

#define ST_SORT sort_tenant_at
#define ST_ELEMENT_TYPE TenantAt
#define ST_COMPARE(a, b) compare_tenant_at(a, b)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

/*
 * Form the tuples and store them.  The slots only carry the formed tuples into
 * heap_multi_insert(); a descriptor of our own is not counted for each.
 */
static void
insert_tuples(ApikeyUsageLeaf *leaf, ApikeyUsageRow *rows, int n)
{
	TupleTableSlot **slots = palloc(sizeof(TupleTableSlot *) * n);
	TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(leaf->rel));
	BulkInsertState bulk = GetBulkInsertState();

	for (int i = 0; i < n; i++)
	{
		rows[i].tuple = apikey_usage_row_tuple(&rows[i], desc);
		slots[i] = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
		ExecStoreHeapTuple(rows[i].tuple, slots[i], true);
	}
	heap_multi_insert(leaf->rel, slots, n, GetCurrentCommandId(true), 0, bulk);
	for (int i = 0; i < n; i++)
		rows[i].tid = slots[i]->tts_tid;
	FreeBulkInsertState(bulk);
}

static void
add_entry(ApikeyUsageLeaf *leaf, ApikeyLeafIndex *index, ApikeyUsageRow *row, TimestampTz at)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	for (int i = 0; i < index->info->ii_NumIndexAttrs; i++)
	{
		switch (index->info->ii_IndexAttrNumbers[i])
		{
			case USAGE_AT + 1:
				values[i] = TimestampTzGetDatum(at);
				isnull[i] = false;
				break;
			case USAGE_TENANT_ID + 1:
				values[i] = Int64GetDatum(row->tenant_id);
				isnull[i] = row->tenant_id == 0;
				break;
			case USAGE_KEY_ID + 1:
				values[i] = Int64GetDatum(row->key_id);
				isnull[i] = row->key_id == 0;
				break;
			default:
				values[i] = heap_getattr(row->tuple, index->info->ii_IndexAttrNumbers[i],
										 RelationGetDescr(leaf->rel), &isnull[i]);
		}
	}
	(void) index_insert(index->rel, values, isnull, &row->tid, leaf->rel,
						UNIQUE_CHECK_NO, false, index->info);
}

/* Tell a BRIN index the bounds of the rows on each page. */
static void
add_ranges(ApikeyUsageLeaf *leaf, ApikeyLeafIndex *index, ApikeyUsageRow *rows, int n)
{
	for (int i = 0; i < n;)
	{
		BlockNumber page = ItemPointerGetBlockNumber(&rows[i].tid);
		ApikeyUsageRow *first = &rows[i];
		TimestampTz low = first->at;
		TimestampTz high = first->at;

		for (; i < n && ItemPointerGetBlockNumber(&rows[i].tid) == page; i++)
		{
			low = Min(low, rows[i].at);
			high = Max(high, rows[i].at);
		}
		add_entry(leaf, index, first, low);
		if (high != low)
			add_entry(leaf, index, first, high);
	}
}

/*
 * Whether a BRIN index has a summary of the range that a page belongs to.  If
 * not, whoever makes one from now on reads the rows that are stored already: it
 * leaves its mark here before it looks at the table, and reads what is not
 * committed, too.
 */
static bool
is_summarized(BrinRevmap *map, BlockNumber page, Buffer *buffer)
{
	OffsetNumber offset;

	if (apikey_brin_map_find(map, page, buffer, &offset) == NULL)
		return false;
	LockBuffer(*buffer, BUFFER_LOCK_UNLOCK);
	return true;
}

/* Entries of the rows in page ranges that a BRIN index has a summary of. */
static void
add_summarized(ApikeyUsageLeaf *leaf, ApikeyLeafIndex *index, ApikeyUsageRow *rows, int n,
			   MemoryContext context)
{
	BlockNumber pages;
	BrinRevmap *map = apikey_brin_map_open(index->rel, &pages);
	Buffer		buffer = InvalidBuffer;
	MemoryContext old = MemoryContextSwitchTo(context);

	for (int i = 0; i < n;)
	{
		BlockNumber page = ItemPointerGetBlockNumber(&rows[i].tid);
		BlockNumber range = page / pages;
		bool		add = is_summarized(map, page, &buffer);

		for (; i < n && ItemPointerGetBlockNumber(&rows[i].tid) / pages == range; i++)
		{
			if (!add)
				continue;
			MemoryContextReset(context);
			add_entry(leaf, index, &rows[i], rows[i].at);
		}
	}
	MemoryContextSwitchTo(old);
	if (BufferIsValid(buffer))
		ReleaseBuffer(buffer);
	brinRevmapTerminate(map);
}

/* All entries of one index. */
static void
add_entries(ApikeyUsageLeaf *leaf, ApikeyLeafIndex *index, ApikeyUsageRow *rows,
			const TenantAt *order, int n, MemoryContext context)
{
	for (int i = 0; i < n; i++)
	{
		if (i % ENTRIES_PER_RESET == 0)
			MemoryContextReset(context);
		add_entry(leaf, index, &rows[order == NULL ? i : order[i].row],
				  order == NULL ? rows[i].at : order[i].at);
	}
}

static TenantAt *
order_by_tenant_at(const ApikeyUsageRow *rows, int n)
{
	TenantAt   *order = palloc(sizeof(TenantAt) * n);

	for (int i = 0; i < n; i++)
		order[i] = (TenantAt) {rows[i].tenant_id, rows[i].at, i};
	sort_tenant_at(order, n);
	return order;
}

void
apikey_usage_insert(ApikeyUsageLeaf *leaf, ApikeyUsageRow *rows, int n)
{
	MemoryContext context;
	MemoryContext old;
	TenantAt   *order = NULL;

	sort_rows(rows, n);
	insert_tuples(leaf, rows, n);

	context = AllocSetContextCreate(CurrentMemoryContext, "apikey usage index entries",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < leaf->nindexes; i++)
	{
		ApikeyLeafIndex *index = &leaf->index[i];

		if (index->kind == APIKEY_INDEX_TENANT_AT && order == NULL)
			order = order_by_tenant_at(rows, n);
		if (index->kind == APIKEY_INDEX_RANGES)
			add_summarized(leaf, index, rows, n, context);
		else
		{
			old = MemoryContextSwitchTo(context);
			if (index->kind == APIKEY_INDEX_AT_RANGES)
				add_ranges(leaf, index, rows, n);
			else
				add_entries(leaf, index, rows,
							index->kind == APIKEY_INDEX_TENANT_AT ? order : NULL, n, context);
			MemoryContextSwitchTo(old);
		}
		apikey_index_insert_done(index->rel, index->info);
	}
	MemoryContextDelete(context);
}
