/*
 * batch.h
 *		One batch of the writer: from the ring into the table.
 *
 * Layer 5.  Private to the writer process.
 */
#ifndef APIKEY_BATCH_H
#define APIKEY_BATCH_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "worker.h"

typedef enum ApikeyBatchResult
{
	APIKEY_BATCH_NOTHING,		/* nothing is published */
	APIKEY_BATCH_DONE,			/* all that was published is stored */
	APIKEY_BATCH_MORE,			/* there is more: call again */
	APIKEY_BATCH_FAILED			/* call again after apikey_batch_not_before */
} ApikeyBatchResult;

/* apikey_batch_init tells whose ring it is; once per process. */
extern void apikey_batch_init(ApikeySlotShared *slot);

/*
 * apikey_batch_write stores a batch and frees its part of the ring.  It is
 * committed then, not yet on disk.  Errors are noted, never thrown.
 */
extern ApikeyBatchResult apikey_batch_write(void);

/* Not to be called before this instant, after failures. */
extern TimestampTz apikey_batch_not_before(void);

/* Failures in a row. */
extern int	apikey_batch_failures(void);

/*
 * apikey_batch_begin and apikey_batch_commit enclose a transaction of the
 * writer; false: there is no extension.
 */
extern bool apikey_batch_begin(const char *activity, ApikeyExtension *extension);
extern void apikey_batch_commit(void);

#endif							/* APIKEY_BATCH_H */
