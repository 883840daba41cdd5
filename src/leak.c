/*
 * leak.c
 *		Events about requests that carried a key where none belongs.
 *
 * Layer 5.  A client that puts its key into the path does so with every
 * request, so one event per key and hour tells it; the usage rows have them
 * all.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "leak.h"

#define REPORT_EVERY	USECS_PER_HOUR
#define REMEMBER_MAX	10000	/* keys whose last report is remembered */
#define BATCH_MAX		64		/* keys reported of one batch */

typedef struct LeakKey
{
	int64		tenant_id;
	int64		key_id;
} LeakKey;

typedef struct LeakReported
{
	LeakKey		key;			/* hash key, first */
	TimestampTz at;
} LeakReported;

typedef struct Leak
{
	LeakKey		key;
	TimestampTz at;
	int64		requests;
	char	   *endpoint;
} Leak;

static HTAB *reported = NULL;
static Leak leaks[BATCH_MAX];
static int	nleaks = 0;

void
apikey_leak_start(void)
{
	nleaks = 0;
}

static bool
reported_lately(const LeakKey *key, TimestampTz at)
{
	LeakReported *last = NULL;

	if (reported != NULL)
		last = hash_search(reported, key, HASH_FIND, NULL);
	return last != NULL && at < last->at + REPORT_EVERY;
}

void
apikey_leak_note(const ApikeyUsageEvent *event)
{
	LeakKey		key = {event->tenant_id, event->key_id};

	if (!(event->flags & APIKEY_EVENT_LEAK))
		return;
	for (int i = 0; i < nleaks; i++)
		if (leaks[i].key.tenant_id == key.tenant_id && leaks[i].key.key_id == key.key_id)
		{
			leaks[i].requests++;
			return;
		}
	if (nleaks == BATCH_MAX || reported_lately(&key, event->at))
		return;
	leaks[nleaks].key = key;
	leaks[nleaks].at = event->at;
	leaks[nleaks].requests = 1;
	leaks[nleaks].endpoint = event->endpoint.ptr == NULL ? NULL :
		pnstrdup(event->endpoint.ptr, event->endpoint.len);
	nleaks++;
}

void
apikey_leak_write(void)
{
	Oid			types[] = {INT8OID, INT8OID, TEXTOID};

	if (nleaks == 0)
		return;
	SPI_connect();
	for (int i = 0; i < nleaks; i++)
	{
		const Leak *leak = &leaks[i];
		StringInfoData json;
		Datum		values[3];
		char		nulls[4] = "   ";

		initStringInfo(&json);
		appendStringInfo(&json, "{\"requests\": " INT64_FORMAT ", \"endpoint\": ", leak->requests);
		if (leak->endpoint == NULL)
			appendStringInfoString(&json, "null");
		else
			escape_json(&json, leak->endpoint);
		appendStringInfoChar(&json, '}');

		values[0] = Int64GetDatum(leak->key.tenant_id);
		values[1] = Int64GetDatum(leak->key.key_id);
		values[2] = CStringGetTextDatum(json.data);
		if (leak->key.tenant_id == 0)
			nulls[0] = 'n';
		if (leak->key.key_id == 0)
			nulls[1] = 'n';
		if (SPI_execute_with_args("SELECT apikey._event($1, 'leak.suspected', $2, $3::jsonb)",
								  3, types, values, nulls, false, 0) != SPI_OK_SELECT)
			elog(ERROR, "could not call apikey._event()");
	}
	SPI_finish();
}

void
apikey_leak_commit(void)
{
	if (reported != NULL && hash_get_num_entries(reported) > REMEMBER_MAX)
	{
		hash_destroy(reported);
		reported = NULL;
	}
	if (reported == NULL && nleaks > 0)
	{
		HASHCTL		info;

		memset(&info, 0, sizeof(info));
		info.keysize = sizeof(LeakKey);
		info.entrysize = sizeof(LeakReported);
		info.hcxt = TopMemoryContext;
		reported = hash_create("apikey leak reports", 64, &info,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	for (int i = 0; i < nleaks; i++)
	{
		LeakReported *entry = hash_search(reported, &leaks[i].key, HASH_ENTER, NULL);

		entry->at = leaks[i].at;
	}
	nleaks = 0;
}
