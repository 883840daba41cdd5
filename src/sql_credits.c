/*
 * sql_credits.c
 *		_key_limits(), _limits_changed(): what add_credits() and reset_limits()
 *		need from C.
 *
 * Layer 6.  The change itself is a row of limit_ledger.  The buckets in shared
 * memory must learn of it when it is committed, not before, and not at all
 * when it is rolled back: the buckets of this transaction are remembered, with
 * the subtransaction that named them, until its end.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "clock.h"
#include "keystore.h"
#include "limit_rules.h"
#include "reserve_queue.h"
#include "window.h"

PG_FUNCTION_INFO_V1(apikey_key_limits);
PG_FUNCTION_INFO_V1(apikey_limits_changed);

#define KEY_LIMITS_COLUMNS	9

/* A bucket that this transaction has changed the limit of. */
typedef struct Change
{
	ApikeyBucketId id;
	SubTransactionId subxact;
	bool		rate_limits;	/* of the call that named it */
} Change;

static Change *changes = NULL;	/* in TopTransactionContext */
static int	nchanges = 0;
static int	changes_room = 0;

static void
forget_changes(void)
{
	changes = NULL;				/* freed with the transaction */
	nchanges = changes_room = 0;
}

static void
transaction_event(XactEvent event, void *arg)
{
	if (nchanges == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:

			/*
			 * Whoever commits it would have to empty the buckets of rate
			 * limits then and only once; nothing in the row could tell the
			 * writer, which finds it later, whether that was done.
			 */
			for (int i = 0; i < nchanges; i++)
				if (changes[i].rate_limits)
					ereport(ERROR,
							(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							 errmsg("cannot PREPARE a transaction that has called apikey.reset_limits() for a key with rate limits")));
			break;
		case XACT_EVENT_COMMIT:
			{
				ApikeyBucketId ids[16];

				/* no allocation here: in steps */
				for (int from = 0; from < nchanges; from += lengthof(ids))
				{
					int			n = Min(nchanges - from, (int) lengthof(ids));

					for (int i = 0; i < n; i++)
						ids[i] = changes[from + i].id;
					apikey_reserve_changed(ids, n);
				}
				forget_changes();
				break;
			}
		case XACT_EVENT_PREPARE:
			apikey_reserve_prepared();
			forget_changes();
			break;
		case XACT_EVENT_ABORT:
			forget_changes();
			break;
		default:
			break;
	}
}

static void
subtransaction_event(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
					 void *arg)
{
	int			kept = 0;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (int i = 0; i < nchanges; i++)
	{
		if (changes[i].subxact == mine)
		{
			if (event == SUBXACT_EVENT_ABORT_SUB)
				continue;
			changes[i].subxact = parent;
		}
		changes[kept++] = changes[i];
	}
	nchanges = kept;
}

static void
remember_change(ApikeyBucketId id, bool rate_limits)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(transaction_event, NULL);
		RegisterSubXactCallback(subtransaction_event, NULL);
		registered = true;
	}
	if (nchanges == changes_room)
	{
		int			room = changes_room == 0 ? 16 : 2 * changes_room;

		if (changes == NULL)
			changes = MemoryContextAlloc(TopTransactionContext, sizeof(Change) * room);
		else
			changes = repalloc_huge(changes, sizeof(Change) * room);
		changes_room = room;
	}
	changes[nchanges++] = (Change) {id, GetCurrentSubTransactionId(), rate_limits};
}

/* apikey._limits_changed(bucket_ids uuid[], rate_limits boolean) */
Datum
apikey_limits_changed(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	bool		rate_limits = PG_GETARG_BOOL(1);
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	deconstruct_array(array, ARR_ELEMTYPE(array), UUID_LEN, false, TYPALIGN_CHAR,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		ApikeyBucketId id;

		if (nulls[i])
			continue;
		StaticAssertStmt(sizeof(id) == UUID_LEN, "a bucket's id is as long as a UUID");
		memcpy(&id, DatumGetUUIDP(elements[i])->data, UUID_LEN);
		remember_change(id, rate_limits);
	}
	PG_RETURN_VOID();
}

static Datum
uuid_of(const void *bytes)
{
	pg_uuid_t  *uuid = palloc(sizeof(pg_uuid_t));

	memcpy(uuid->data, bytes, UUID_LEN);
	return UUIDPGetDatum(uuid);
}

static Datum
text_of(ApikeyStr str)
{
	return PointerGetDatum(cstring_to_text_with_len(str.ptr, str.len));
}

static void
put_limit(ReturnSetInfo *rsinfo, const ApikeyLimit *limit, TimestampTz now)
{
	Datum		values[KEY_LIMITS_COLUMNS];
	bool		nulls[KEY_LIMITS_COLUMNS] = {false};

	values[0] = CStringGetTextDatum(limit->def.kind == APIKEY_BUCKET_RATE ? "rate_limit" : "quota");
	values[1] = text_of(limit->def.name);
	values[2] = CStringGetTextDatum(apikey_share_name(limit->def.shared));
	values[3] = text_of(limit->holder);
	values[4] = uuid_of(limit->durable_id);
	values[5] = uuid_of(&limit->id);
	if (limit->def.kind == APIKEY_BUCKET_QUOTA)
	{
		TimestampTz start;
		TimestampTz end;

		apikey_window_at(limit->def.period, limit->def.tz, now, &start, &end);
		values[6] = Int64GetDatum(limit->def.units);
		values[7] = TimestampTzGetDatum(start);
		values[8] = TimestampTzGetDatum(end);
	}
	else
		nulls[6] = nulls[7] = nulls[8] = true;
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* apikey._key_limits(key_id bigint): what applies to the key, not its parents' or its tenants' */
Datum
apikey_key_limits(PG_FUNCTION_ARGS)
{
	ApikeySecret secret = {0, PG_GETARG_INT64(0), APIKEY_NO_TIME, APIKEY_NO_TIME};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ApikeyReading reading;
	ApikeyKey	key;
	bool		found;

	InitMaterializedSRF(fcinfo, 0);
	if (rsinfo->setDesc->natts != KEY_LIMITS_COLUMNS)
		elog(ERROR, "unexpected row type of apikey._key_limits()");
	apikey_reading_begin(&reading, apikey_clock_now());
	found = apikey_keystore_load(&secret, &reading, &key);
	apikey_reading_end(&reading);
	if (!found)
		return (Datum) 0;
	if (key.nlimits > APIKEY_LIMITS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many limits apply to key " INT64_FORMAT, secret.key_id)));
	for (int i = 0; i < key.nlimits; i++)
		if (key.limits[i].key_id == secret.key_id &&
			key.limits[i].def.shared != APIKEY_SHARE_TREE)
			put_limit(rsinfo, &key.limits[i], reading.now);
	return (Datum) 0;
}
