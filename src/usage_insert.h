/*
 * usage_insert.h
 *		Rows of usage into an ordinary leaf, straight.
 *
 * Layer 5.  Private to the writer process.
 */
#ifndef APIKEY_USAGE_INSERT_H
#define APIKEY_USAGE_INSERT_H

#include "postgres.h"

#include "usage_leaf.h"
#include "usage_row.h"

/*
 * apikey_usage_insert stores the rows, which all belong into the leaf, and
 * their index entries.  The rows are put into the order they are stored in.
 * Needs a transaction with an active snapshot.
 */
extern void apikey_usage_insert(ApikeyUsageLeaf *leaf, ApikeyUsageRow *rows, int n);

#endif							/* APIKEY_USAGE_INSERT_H */
