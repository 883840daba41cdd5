/*
 * usage_store.c
 *		A batch of usage events into the table.
 *
 * Layer 5.  An ordinary leaf is written to straight (usage_insert); everything
 * else - a batch across two leaves, no leaf, triggers, constraints, indexes
 * that are more than a list of columns - goes through COPY's machinery, which
 * knows it all (usage_copy).
 */
#include "postgres.h"

#include "access/table.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "usage_copy.h"
#include "usage_insert.h"
#include "usage_leaf.h"
#include "usage_row.h"
#include "usage_store.h"

/* what a usual batch takes stays allocated, so that its pages stay mapped */
#define KEPT_BYTES	(4 * 1024 * 1024)

static ApikeyUsageRow *rows = NULL;
static int	nrows = 0;
static int	nbytes = 0;
static TimestampTz first;
static TimestampTz last;

void
apikey_usage_store_start(void)
{
	if (rows == NULL)
		rows = MemoryContextAlloc(TopMemoryContext,
								  sizeof(ApikeyUsageRow) * APIKEY_STORE_ROWS_MAX);
	nrows = nbytes = 0;
}

void
apikey_usage_store_add(const ApikeyUsageEvent *event, const char *record, uint32 len)
{
	ApikeyUsageRow *row = &rows[nrows++];

	Assert(nrows <= APIKEY_STORE_ROWS_MAX);
	row->tenant_id = event->tenant_id;
	row->key_id = event->key_id;
	row->at = event->at;
	row->record = record;
	row->len = len;
	first = nrows == 1 ? event->at : Min(first, event->at);
	last = nrows == 1 ? event->at : Max(last, event->at);
	nbytes += len;
}

int
apikey_usage_store_bytes(void)
{
	return nbytes;
}

static void
copy_rows(Relation usage)
{
	elog(DEBUG1, "%d usage events go through COPY", nrows);
	apikey_usage_copy_start();
	for (int i = 0; i < nrows; i++)
	{
		ApikeyUsageEvent event;

		if (!apikey_event_decode(rows[i].record, rows[i].len, &event))
			elog(ERROR, "usage event has changed in the ring");
		apikey_usage_copy_add(&event);
	}
	apikey_usage_copy_finish(usage);
}

void
apikey_usage_store_finish(Oid usage)
{
	static MemoryContext context = NULL;
	MemoryContext old;
	Relation	rel;
	ApikeyUsageLeaf leaf;

	if (nrows == 0)
		return;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "apikey usage batch",
										KEPT_BYTES, KEPT_BYTES, ALLOCSET_DEFAULT_MAXSIZE);
	MemoryContextReset(context);	/* an error may have left something */
	old = MemoryContextSwitchTo(context);
	rel = table_open(usage, RowExclusiveLock);
	if (apikey_usage_leaf_open(rel, first, last, &leaf))
	{
		apikey_usage_insert(&leaf, rows, nrows);
		apikey_usage_leaf_close(&leaf);
	}
	else
		copy_rows(rel);
	table_close(rel, NoLock);
	MemoryContextSwitchTo(old);
	MemoryContextReset(context);
}
