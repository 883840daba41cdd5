/*
 * sql_trigger.c
 *		The trigger on the tables that decide what a key may do.
 *
 * Layer 6.  A change of these rows may take something away from somebody.
 * Every session that keeps compiled keys is told with the commit (changes.h),
 * and what is taken away must not come back after a crash: the commit is
 * flushed to disk whatever synchronous_commit says.  The management functions
 * see to the second themselves (sql_admin.c); the trigger covers SQL written
 * by hand, COPY and logical replication.
 *
 * It is ENABLE ALWAYS, because the apply worker and session_replication_role =
 * replica skip ordinary triggers.  It fires for each row, because statement
 * triggers do not fire in the apply worker, and before the row, because
 * triggers after it are queued in memory: a million revocations would be a
 * million events.
 *
 * Arguments: 'key' and the column that holds the key's id, or 'all' and,
 * optionally, the columns that matter in an UPDATE.  TRUNCATE has none.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "changes.h"

PG_FUNCTION_INFO_V1(apikey_flush_commit);

static void
send_key(const TriggerData *trigger, HeapTuple tuple)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);
	int			column = SPI_fnumber(desc, trigger->tg_trigger->tgargs[1]);
	bool		isnull = true;
	Datum		key_id = 0;

	if (column > 0)
		key_id = heap_getattr(tuple, column, desc, &isnull);
	apikey_changes_send(isnull ? APIKEY_CHANGE_ALL :
						apikey_change_of_key(DatumGetInt64(key_id)));
}

/* Whether an UPDATE changes one of the columns that matter; all do if none is named. */
static bool
matters(const TriggerData *trigger)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	if (!TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) || trigger->tg_trigger->tgnargs < 2)
		return true;
	for (int i = 1; i < trigger->tg_trigger->tgnargs; i++)
	{
		int			column = SPI_fnumber(desc, trigger->tg_trigger->tgargs[i]);
		Form_pg_attribute attribute;
		Datum		before;
		Datum		after;
		bool		was_null;
		bool		is_null;

		if (column <= 0)
			return true;
		attribute = TupleDescAttr(desc, column - 1);
		before = heap_getattr(trigger->tg_trigtuple, column, desc, &was_null);
		after = heap_getattr(trigger->tg_newtuple, column, desc, &is_null);
		if (was_null != is_null ||
			(!is_null && !datumIsEqual(before, after, attribute->attbyval, attribute->attlen)))
			return true;
	}
	return false;
}

Datum
apikey_flush_commit(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not fired by the trigger manager");
	ForceSyncCommit();
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
	{
		apikey_changes_send(APIKEY_CHANGE_ALL);
		return PointerGetDatum(NULL);
	}

	if (trigger->tg_trigger->tgnargs >= 2 &&
		strcmp(trigger->tg_trigger->tgargs[0], "key") == 0)
	{
		send_key(trigger, trigger->tg_trigtuple);
		if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
			send_key(trigger, trigger->tg_newtuple);
	}
	else if (matters(trigger))
		apikey_changes_send(APIKEY_CHANGE_ALL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						   trigger->tg_newtuple : trigger->tg_trigtuple);
}
