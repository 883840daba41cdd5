/*
 * sql_trigger.c
 *		The trigger on the tables that decide what a key may do.
 *
 * Layer 6.  A change of these rows may take something away from somebody, and
 * what is taken away must not come back after a crash: the commit is flushed
 * to disk whatever synchronous_commit says.  The management functions see to
 * that themselves (sql_admin.c); the trigger covers SQL written by hand, COPY
 * and logical replication.  It is ENABLE ALWAYS, because the apply worker and
 * session_replication_role = replica skip ordinary triggers, and fires for
 * each row, because statement triggers do not fire in the apply worker.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(apikey_flush_commit);

Datum
apikey_flush_commit(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "not fired by the trigger manager");
	ForceSyncCommit();
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ?
						   trigger->tg_newtuple : trigger->tg_trigtuple);
}
