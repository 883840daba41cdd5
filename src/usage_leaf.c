/*
 * usage_leaf.c
 *		The partition of table usage that a batch goes into, if it is an
 *		ordinary one.
 *
 * Layer 5.  A leaf is a table like any other: its owner may put triggers,
 * constraints, generated columns and indexes of every kind on it.  usage_insert
 * does what an ordinary leaf needs; what is not, COPY's machinery takes
 * (usage_copy).  Here it is decided which, anew for every batch: the answer is
 * read from the relation cache, under the lock of the insertion.
 */
#include "postgres.h"

#include "access/brin.h"
#include "access/brin_internal.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/fmgroids.h"
#include "utils/partcache.h"
#include "utils/timestamp.h"

#include "change_ops.h"
#include "usage_leaf.h"
#include "usage_row.h"

/*
 * The leaf that takes everything from first to last.  Ranges are intervals:
 * when both ends fall into one, so does what is between them.  That holds for
 * no default partition.
 */
static Oid
find_leaf(Relation usage, TimestampTz first, TimestampTz last)
{
	PartitionKey key = RelationGetPartitionKey(usage);
	PartitionDesc desc;
	TimestampTz ends[] = {first, last};
	int			part[2];

	if (key == NULL || key->strategy != PARTITION_STRATEGY_RANGE ||
		key->partnatts != 1 || key->partattrs[0] != USAGE_AT + 1)
		return InvalidOid;
	desc = RelationGetPartitionDesc(usage, true);
	if (desc->nparts == 0)
		return InvalidOid;
	for (int i = 0; i < 2; i++)
	{
		Datum		value = TimestampTzGetDatum(ends[i]);
		bool		equal;
		int			bound = partition_range_datum_bsearch(key->partsupfunc, key->partcollation,
														  desc->boundinfo, 1, &value, &equal);

		part[i] = desc->boundinfo->indexes[bound + 1];
	}
	return part[0] >= 0 && part[0] == part[1] && desc->is_leaf[part[0]] ?
		desc->oids[part[0]] : InvalidOid;
}

/* Whether a table has the columns of usage, and no rule about their values. */
static bool
plain_columns(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (desc->natts != USAGE_NCOLUMNS ||
		(desc->constr != NULL && desc->constr->num_check > 0))
		return false;
	for (int i = 0; i < USAGE_NCOLUMNS; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (att->attisdropped || att->attgenerated != '\0' ||
			att->atttypid != apikey_usage_columns[i].type || att->atttypmod != -1 ||
			strcmp(NameStr(att->attname), apikey_usage_columns[i].name) != 0)
			return false;
		/* these are never NULL */
		if (att->attnotnull && i != USAGE_AT && i != USAGE_CODE && i != USAGE_UNITS)
			return false;
	}
	return true;
}

static bool
plain_table(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_RELATION &&
		rel->rd_tableam == GetHeapamTableAmRoutine() &&
		rel->trigdesc == NULL && plain_columns(rel);
}

/*
 * Whether a BRIN index keeps nothing but bounds of at, and when pages changed:
 * the rows of a page are one change to it, told of after all are stored.
 */
static bool
ranges_of_at(Relation index)
{
	for (int i = 1; i <= index->rd_index->indnatts; i++)
		if (index->rd_index->indkey.values[i - 1] != USAGE_AT + 1 ||
			(index_getprocid(index, i, BRIN_PROCNUM_OPCINFO) != F_BRIN_MINMAX_OPCINFO &&
			 index_getprocinfo(index, i, BRIN_PROCNUM_OPCINFO)->fn_addr != apikey_change_opcinfo))
			return false;
	return true;
}

static ApikeyIndexKind
index_kind(Relation index)
{
	const int16 *column = index->rd_index->indkey.values;

	if (index->rd_rel->relam == BTREE_AM_OID && index->rd_index->indnkeyatts >= 2 &&
		column[0] == USAGE_TENANT_ID + 1 && column[1] == USAGE_AT + 1)
		return APIKEY_INDEX_TENANT_AT;
	if (index->rd_rel->relam != BRIN_AM_OID)
		return APIKEY_INDEX_ANY;
	if (ranges_of_at(index))
		return APIKEY_INDEX_AT_RANGES;

	/* an insertion that asks for summaries does so in a range without one */
	return BrinGetAutoSummarize(index) ? APIKEY_INDEX_ANY : APIKEY_INDEX_RANGES;
}

/* Whether an index takes every row, whatever the others are. */
static bool
plain_index(Relation index, const IndexInfo *info)
{
	return !index->rd_index->indisunique && info->ii_Expressions == NIL &&
		info->ii_Predicate == NIL && info->ii_ExclusionOps == NULL;
}

/* Open the indexes; false at the first that is not plain. */
static bool
open_indexes(ApikeyUsageLeaf *leaf)
{
	List	   *oids = RelationGetIndexList(leaf->rel);
	ListCell   *cell;

	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo  *info = BuildIndexInfo(index);

		if (!info->ii_ReadyForInserts)
		{
			/* CREATE INDEX CONCURRENTLY that has not come so far */
			index_close(index, RowExclusiveLock);
			continue;
		}
		if (leaf->nindexes == APIKEY_LEAF_INDEXES_MAX || !plain_index(index, info))
		{
			index_close(index, RowExclusiveLock);
			return false;
		}
		leaf->index[leaf->nindexes].rel = index;
		leaf->index[leaf->nindexes].info = info;
		leaf->index[leaf->nindexes].kind = index_kind(index);
		leaf->nindexes++;
	}
	return true;
}

bool
apikey_usage_leaf_open(Relation usage, TimestampTz first, TimestampTz last,
					   ApikeyUsageLeaf *leaf)
{
	Oid			oid;

	/* triggers on the parent are inherited, or fire once per statement */
	if (usage->trigdesc != NULL || !plain_columns(usage))
		return false;
	oid = find_leaf(usage, first, last);
	if (!OidIsValid(oid))
		return false;
	leaf->rel = table_open(oid, RowExclusiveLock);
	leaf->nindexes = 0;
	if (plain_table(leaf->rel) && open_indexes(leaf))
		return true;
	apikey_usage_leaf_close(leaf);
	return false;
}

void
apikey_usage_leaf_close(ApikeyUsageLeaf *leaf)
{
	for (int i = 0; i < leaf->nindexes; i++)
		index_close(leaf->index[i].rel, RowExclusiveLock);
	table_close(leaf->rel, NoLock);
}
