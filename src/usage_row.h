/*
 * usage_row.h
 *		A usage event on its way from the ring into the table.
 *
 * Layer 5.  Private to the writer process.
 */
#ifndef APIKEY_USAGE_ROW_H
#define APIKEY_USAGE_ROW_H

#include "postgres.h"

#include "access/htup.h"

#include "usage_event.h"

/* The columns of table usage; column n has attribute number n + 1. */
enum
{
	USAGE_AT,
	USAGE_TENANT_ID,
	USAGE_KEY_ID,
	USAGE_SECRET_ID,
	USAGE_ENVIRONMENT_ID,
	USAGE_CODE,
	USAGE_SCOPE,
	USAGE_METHOD,
	USAGE_ENDPOINT,
	USAGE_STATUS,
	USAGE_LATENCY_US,
	USAGE_BYTES_IN,
	USAGE_BYTES_OUT,
	USAGE_UNITS,
	USAGE_IP,
	USAGE_REGION,
	USAGE_USER_AGENT,
	USAGE_REQUEST_ID,
	USAGE_TAGS,
	USAGE_NCOLUMNS
};

/*
 * The encoded event stays where it is: what is published in the ring does not
 * change until the writer gives it back.
 */
typedef struct ApikeyUsageRow
{
	int64		tenant_id;		/* these three: copies, for sorting */
	int64		key_id;
	TimestampTz at;
	const char *record;			/* in the ring */
	uint32		len;
	HeapTuple	tuple;			/* once it is formed */
	ItemPointerData tid;		/* once it is inserted */
} ApikeyUsageRow;

typedef struct ApikeyUsageColumn
{
	const char *name;
	Oid			type;
} ApikeyUsageColumn;

extern const ApikeyUsageColumn apikey_usage_columns[USAGE_NCOLUMNS];

/* apikey_usage_row_tuple forms the tuple of a row in the current context. */
extern HeapTuple apikey_usage_row_tuple(const ApikeyUsageRow *row, TupleDesc desc);

#endif							/* APIKEY_USAGE_ROW_H */
