/*
 * leaf_stats.h
 *		What the planner is told of three columns of a leaf of usage.
 *
 * Layer 5.
 */
#ifndef APIKEY_LEAF_STATS_H
#define APIKEY_LEAF_STATS_H

#include "postgres.h"

#include "access/htup.h"

/*
 * apikey_leaf_stats returns a row as of pg_statistic, allocated here and now,
 * or NULL where there is nothing to add.  With hidden it depends on the bounds
 * of the leaf only, which are no secret, and on nothing that ANALYZE found.
 */
extern HeapTuple apikey_leaf_stats(Oid relid, AttrNumber attnum, bool hidden);

#endif							/* APIKEY_LEAF_STATS_H */
