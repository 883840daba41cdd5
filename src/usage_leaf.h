/*
 * usage_leaf.h
 *		The partition of table usage that a batch goes into, if it is an
 *		ordinary one.
 *
 * Layer 5.  Private to the writer process.
 */
#ifndef APIKEY_USAGE_LEAF_H
#define APIKEY_USAGE_LEAF_H

#include "postgres.h"

#include "nodes/execnodes.h"
#include "utils/rel.h"

#define APIKEY_LEAF_INDEXES_MAX 16

/* What an index makes of the order and number of its insertions. */
typedef enum ApikeyIndexKind
{
	APIKEY_INDEX_ANY,			/* every row, in the order of the table */
	APIKEY_INDEX_TENANT_AT,		/* (tenant_id, at, ...): in that order */
	APIKEY_INDEX_AT_RANGES,		/* BRIN of at, minmax or change_ops: the
								 * bounds of each page do */
	APIKEY_INDEX_RANGES			/* any other BRIN: rows of page ranges that
								 * are summarized */
} ApikeyIndexKind;

typedef struct ApikeyLeafIndex
{
	Relation	rel;
	IndexInfo  *info;
	ApikeyIndexKind kind;
} ApikeyLeafIndex;

typedef struct ApikeyUsageLeaf
{
	Relation	rel;
	int			nindexes;
	ApikeyLeafIndex index[APIKEY_LEAF_INDEXES_MAX];
} ApikeyUsageLeaf;

/*
 * apikey_usage_leaf_open finds the leaf that takes everything from first to
 * last and opens it with its indexes for insertion.  False, and nothing is
 * open: there is none, or there is more to an insertion than rows and plain
 * index entries.
 */
extern bool apikey_usage_leaf_open(Relation usage, TimestampTz first,
								   TimestampTz last, ApikeyUsageLeaf *leaf);

/* apikey_usage_leaf_close closes it; the table stays locked. */
extern void apikey_usage_leaf_close(ApikeyUsageLeaf *leaf);

#endif							/* APIKEY_USAGE_LEAF_H */
