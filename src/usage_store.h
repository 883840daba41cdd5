/*
 * usage_store.h
 *		A batch of usage events into the table.
 *
 * Layer 5.  Private to the writer process.
 */
#ifndef APIKEY_USAGE_STORE_H
#define APIKEY_USAGE_STORE_H

#include "postgres.h"

#include "usage_event.h"

/* Events of a batch at most. */
#define APIKEY_STORE_ROWS_MAX	8192

/* apikey_usage_store_start begins a batch. */
extern void apikey_usage_store_start(void);

/*
 * apikey_usage_store_add adds an event; the encoded record has to stay where
 * it is until the batch is stored.
 */
extern void apikey_usage_store_add(const ApikeyUsageEvent *event, const char *record,
								   uint32 len);

/* apikey_usage_store_bytes returns the size of the batch so far. */
extern int	apikey_usage_store_bytes(void);

/*
 * apikey_usage_store_finish inserts the batch into table usage of the current
 * database, whose OID is given.  Needs a transaction with an active snapshot;
 * privileges and row security are not checked.
 */
extern void apikey_usage_store_finish(Oid usage);

#endif							/* APIKEY_USAGE_STORE_H */
