/*
 * usage_copy.h
 *		A batch of usage events into the table, through COPY's machinery.
 *
 * Layer 5.
 */
#ifndef APIKEY_USAGE_COPY_H
#define APIKEY_USAGE_COPY_H

#include "postgres.h"

#include "utils/rel.h"

#include "usage_event.h"

/* apikey_usage_copy_start begins a batch in the current memory context. */
extern void apikey_usage_copy_start(void);

/* apikey_usage_copy_add adds a row. */
extern void apikey_usage_copy_add(const ApikeyUsageEvent *event);

/*
 * apikey_usage_copy_finish inserts the batch into the table, which is open and
 * locked.  Needs a transaction with an active snapshot; privileges and row
 * security are not checked.
 */
extern void apikey_usage_copy_finish(Relation usage);

#endif							/* APIKEY_USAGE_COPY_H */
