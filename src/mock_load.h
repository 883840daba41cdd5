/*
 * mock_load.h
 *		Mock traffic into the table of usage.
 *
 * Layer 5.
 */
#ifndef APIKEY_MOCK_LOAD_H
#define APIKEY_MOCK_LOAD_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "mock_attack.h"

typedef struct ApikeyMockJob
{
	Oid			usage;			/* the table */
	int64		rows;
	TimestampTz since;
	TimestampTz until;
	int64		seed;
	int			nattacks;
	ApikeyMockAttackKind attacks[APIKEY_MOCK_NATTACKS];
} ApikeyMockJob;

typedef struct ApikeyMockResult
{
	ApikeyMockScene *scene;		/* with the attacks as they were done */
	int64	   *key_ids;		/* of the scene's keys */
	TimestampTz first_at;		/* these three: of the ordinary traffic */
	TimestampTz last_at;
	int64		counts[APIKEY_NCODES];
} ApikeyMockResult;

/*
 * apikey_mock_load inserts the rows, in the current transaction and for the
 * keys that have the tag "mock", and adds what they did to key_activity.  The
 * result lives in the current memory context.  Partitions are there; SPI is
 * connected; errors are thrown.
 */
extern ApikeyMockResult *apikey_mock_load(const ApikeyMockJob *job);

#endif							/* APIKEY_MOCK_LOAD_H */
