/*
 * usage_copy.h
 *		A batch of usage events into the table, through COPY's machinery.
 *
 * Layer 5.
 */
#ifndef APIKEY_USAGE_COPY_H
#define APIKEY_USAGE_COPY_H

#include "postgres.h"

#include "usage_event.h"

/* apikey_usage_copy_start begins a batch in the current memory context. */
extern void apikey_usage_copy_start(void);

/* apikey_usage_copy_add adds a row. */
extern void apikey_usage_copy_add(const ApikeyUsageEvent *event);

/* apikey_usage_copy_bytes returns the size of the batch so far. */
extern int	apikey_usage_copy_bytes(void);

/*
 * apikey_usage_copy_finish inserts the batch into table usage of the current
 * database, whose OID is given, and returns the number of rows.  Needs a
 * transaction with an active snapshot; privileges and row security are not
 * checked.
 */
extern uint64 apikey_usage_copy_finish(Oid usage);

#endif							/* APIKEY_USAGE_COPY_H */
