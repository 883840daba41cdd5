/*
 * leaf_stats.c
 *		What the planner is told of three columns of a leaf of usage.
 *
 * Layer 5.  Of a BRIN index the planner assumes that the rows it looks for are
 * spread over 1 / correlation as many ranges as they need.  Without statistics,
 * which are kept from those who do not see all rows (plan_stats.c), these are
 * all ranges.  And for a Bloom filter, which finds a value wherever it lies, it
 * is wrong with statistics as well: the correlation of addresses or of
 * identifiers of requests is an accidental number near 0.
 *
 * We know better what a leaf is like, without looking at its rows: they were
 * stored in the order of time, more or less evenly between its bounds; requests
 * have identifiers of their own; and a Bloom filter is hardly ever wrong.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "leaf_stats.h"
#include "usage_row.h"

#define BLOOM_CORRELATION	0.5 /* ranges met / ranges that hold the value */
#define ROWS_PER_IP			100 /* a guess; tells a few rows from many */
#define HISTOGRAM_SIZE		101

/* The bounds of a leaf; false: it has none, or no end. */
static bool
leaf_bounds(Oid relid, TimestampTz *lower, TimestampTz *upper)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	PartitionBoundSpec *spec = NULL;
	Datum		bound;
	bool		isnull;
	PartitionRangeDatum *first;
	PartitionRangeDatum *last;

	if (!HeapTupleIsValid(tuple))
		return false;
	bound = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);
	if (!isnull)
		spec = castNode(PartitionBoundSpec, stringToNode(TextDatumGetCString(bound)));
	ReleaseSysCache(tuple);
	if (spec == NULL || spec->is_default || spec->strategy != PARTITION_STRATEGY_RANGE)
		return false;
	first = linitial_node(PartitionRangeDatum, spec->lowerdatums);
	last = linitial_node(PartitionRangeDatum, spec->upperdatums);
	if (first->kind != PARTITION_RANGE_DATUM_VALUE || last->kind != PARTITION_RANGE_DATUM_VALUE)
		return false;
	*lower = DatumGetTimestampTz(castNode(Const, first->value)->constvalue);
	*upper = DatumGetTimestampTz(castNode(Const, last->value)->constvalue);
	return !TIMESTAMP_NOT_FINITE(*lower) && !TIMESTAMP_NOT_FINITE(*upper) && *lower < *upper;
}

static Datum
one_number(float4 number)
{
	Datum		value = Float4GetDatum(number);

	return PointerGetDatum(construct_array(&value, 1, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
}

/* A row of pg_statistic that says: so many values, in such an order. */
static HeapTuple
made_up(Oid relid, AttrNumber attnum, float4 distinct, float4 correlation,
		TimestampTz lower, TimestampTz upper)
{
	Relation	statistic = table_open(StatisticRelationId, AccessShareLock);
	Datum		values[Natts_pg_statistic] = {0};
	bool		nulls[Natts_pg_statistic];
	HeapTuple	tuple;

	memset(nulls, false, sizeof(nulls));
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
		nulls[Anum_pg_statistic_stanumbers1 - 1 + i] = nulls[Anum_pg_statistic_stavalues1 - 1 + i] = true;
	values[Anum_pg_statistic_starelid - 1] = ObjectIdGetDatum(relid);
	values[Anum_pg_statistic_staattnum - 1] = Int16GetDatum(attnum);
	values[Anum_pg_statistic_stawidth - 1] = Int32GetDatum(8);
	values[Anum_pg_statistic_stadistinct - 1] = Float4GetDatum(distinct);
	values[Anum_pg_statistic_stanullfrac - 1] = Float4GetDatum(0);

	values[Anum_pg_statistic_stakind1 - 1] = Int16GetDatum(STATISTIC_KIND_CORRELATION);
	values[Anum_pg_statistic_stanumbers1 - 1] = one_number(correlation);
	nulls[Anum_pg_statistic_stanumbers1 - 1] = false;
	if (lower < upper)
	{
		Datum		bounds[HISTOGRAM_SIZE];
		ArrayType  *histogram;
		Oid			less;

		for (int i = 0; i < HISTOGRAM_SIZE; i++)
			bounds[i] = TimestampTzGetDatum(lower + (TimestampTz)
											((double) (upper - lower) * i / (HISTOGRAM_SIZE - 1)));
		values[Anum_pg_statistic_stakind2 - 1] = Int16GetDatum(STATISTIC_KIND_HISTOGRAM);
		histogram = construct_array(bounds, HISTOGRAM_SIZE, TIMESTAMPTZOID,
									sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
		less = lookup_type_cache(TIMESTAMPTZOID, TYPECACHE_LT_OPR)->lt_opr;
		values[Anum_pg_statistic_staop2 - 1] = ObjectIdGetDatum(less);
		values[Anum_pg_statistic_stavalues2 - 1] = PointerGetDatum(histogram);
		nulls[Anum_pg_statistic_stavalues2 - 1] = false;
	}
	tuple = heap_form_tuple(RelationGetDescr(statistic), values, nulls);
	table_close(statistic, AccessShareLock);
	return tuple;
}

/* What ANALYZE found, with another correlation; NULL: it found nothing. */
static HeapTuple
with_correlation(Oid relid, AttrNumber attnum, float4 correlation)
{
	HeapTuple	found = SearchSysCache3(STATRELATTINH, ObjectIdGetDatum(relid),
										Int16GetDatum(attnum), BoolGetDatum(false));
	Datum		values[Natts_pg_statistic] = {0};
	bool		nulls[Natts_pg_statistic] = {0};
	bool		replace[Natts_pg_statistic] = {0};
	Form_pg_statistic row;
	Relation	statistic;
	HeapTuple	tuple;

	if (!HeapTupleIsValid(found))
		return NULL;
	row = (Form_pg_statistic) GETSTRUCT(found);
	for (int i = 0; i < STATISTIC_NUM_SLOTS; i++)
		if ((&row->stakind1)[i] == STATISTIC_KIND_CORRELATION)
		{
			replace[Anum_pg_statistic_stanumbers1 - 1 + i] = true;
			values[Anum_pg_statistic_stanumbers1 - 1 + i] = one_number(correlation);
		}
	statistic = table_open(StatisticRelationId, AccessShareLock);
	tuple = heap_modify_tuple(found, RelationGetDescr(statistic), values, nulls, replace);
	table_close(statistic, AccessShareLock);
	ReleaseSysCache(found);
	return tuple;
}

HeapTuple
apikey_leaf_stats(Oid relid, AttrNumber attnum, bool hidden)
{
	TimestampTz lower = 0;
	TimestampTz upper = 0;
	HeapTuple	tuple = NULL;

	if (attnum < 1 || attnum > USAGE_NCOLUMNS ||
		get_atttype(relid, attnum) != apikey_usage_columns[attnum - 1].type)
		return NULL;
	switch (attnum - 1)
	{
		case USAGE_AT:
			if (hidden && leaf_bounds(relid, &lower, &upper))
				tuple = made_up(relid, attnum, -1, 1, lower, upper);
			break;
		case USAGE_IP:
			if (!hidden)
				tuple = with_correlation(relid, attnum, BLOOM_CORRELATION);
			else
				tuple = made_up(relid, attnum, -1.0 / ROWS_PER_IP, BLOOM_CORRELATION, 0, 0);
			break;
		case USAGE_REQUEST_ID:
			if (!hidden)
				tuple = with_correlation(relid, attnum, BLOOM_CORRELATION);
			else
				tuple = made_up(relid, attnum, -1, BLOOM_CORRELATION, 0, 0);
			break;
		default:
			break;
	}
	return tuple;
}
