/*
 * reserve_store.h
 *		What the writer reads and writes of quota_state, limit_state and
 *		limit_ledger.
 *
 * Layer 5.  All of it runs inside a transaction of reserve.c, with SPI
 * connected, and raises what goes wrong.  The arithmetic of quotas is in SQL
 * (sql/52_limits.sql), that of rate limits in reserve.c.
 */
#ifndef APIKEY_RESERVE_STORE_H
#define APIKEY_RESERVE_STORE_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "reserve_queue.h"

/* Rows of the ledger applied at once. */
#define APIKEY_LEDGER_ROWS_MAX	1000

/* Units of a quota: to give back, or what its bucket has left. */
typedef struct ApikeyQuotaUnits
{
	unsigned char quota_id[APIKEY_LIMIT_ID_LEN];
	TimestampTz window;
	int64		units;
} ApikeyQuotaUnits;

/* The state of a rate limit. */
typedef struct ApikeyLimitCeiling
{
	unsigned char limit_id[APIKEY_LIMIT_ID_LEN];
	TimestampTz ceiling;
} ApikeyLimitCeiling;

/* A request and what the tables answered. */
typedef struct ApikeyReserveAnswer
{
	const ApikeyReserveRequest *request;
	int64		need;			/* QUOTA: in */
	int64		left;			/* QUOTA: in, of the bucket, of this window */
	int64		block;			/* QUOTA: out */
	int64		rest;			/* QUOTA: out */
	int64		credits;		/* QUOTA: out */
	bool		found;			/* RATE: out, there is a row */
	TimestampTz ceiling;		/* RATE: out of read, in of write */
} ApikeyReserveAnswer;

/* A row of limit_ledger that is to be applied. */
typedef struct ApikeyLedgerRow
{
	int64		ledger_id;
	bool		reset;
	bool		quota;
	unsigned char limit_id[APIKEY_LIMIT_ID_LEN];
	TimestampTz window;			/* QUOTA */
	int64		held;			/* QUOTA reset: stored and not yet granted */
	bool		in_use;			/* RATE reset: the bucket is loaded */
} ApikeyLedgerRow;

/* A durable identity. */
typedef struct ApikeyDurableLimit
{
	ApikeyBucketKind kind;
	unsigned char id[APIKEY_LIMIT_ID_LEN];
} ApikeyDurableLimit;

extern void apikey_store_returns(const ApikeyQuotaUnits *units, int count);
extern void apikey_store_notes(const ApikeyQuotaUnits *units, int count);
extern void apikey_store_closed(const ApikeyLimitCeiling *ceilings, int count);
extern void apikey_store_quotas(ApikeyReserveAnswer *answers, int count);
extern void apikey_store_read_ceilings(ApikeyReserveAnswer *answers, int count);
extern void apikey_store_ceilings(const ApikeyReserveAnswer *answers, int count);

/* The rows of the ledger that wait, at most APIKEY_LEDGER_ROWS_MAX. */
extern ApikeyLedgerRow *apikey_store_read_ledger(int *count);
extern void apikey_store_ledger(const ApikeyLedgerRow *rows, int count);

/* Whether a prepared transaction of this database may add more. */
extern bool apikey_store_prepared(void);

/* All durable limits there are. */
extern ApikeyDurableLimit *apikey_store_durable(int *count);

/* Delete what means nothing any more; returns the number of rows. */
extern int64 apikey_store_forget(void);

#endif							/* APIKEY_RESERVE_STORE_H */
