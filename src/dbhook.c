/*
 * dbhook.c
 *		Keeps the workers out of the way of DDL on databases and the extension.
 *
 * Layer 5.
 *
 * DROP DATABASE, ALTER DATABASE RENAME and SET TABLESPACE, and CREATE DATABASE
 * from a template fail while anybody is connected to the database.  Before
 * such a command the session puts a hold on the database, which no worker
 * enters any more, and sends away the ones that are there; afterwards it takes
 * the hold back, also on error and when the session is terminated.
 *
 * CREATE and DROP EXTENSION are noted for the end of the transaction, when the
 * workers learn of them (slot.c).
 */
#include "postgres.h"

#include <signal.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "dbhook.h"
#include "slot.h"

/* how long to wait for workers to leave; CREATE/DROP DATABASE waits 5 s more */
#define LEAVE_MAX_MS	10000
#define LEAVE_STEP_MS	10

static ProcessUtility_hook_type previous_utility_hook = NULL;
static object_access_hook_type previous_access_hook = NULL;

/* extension that this transaction has dropped */
static Oid	dropped_extension = InvalidOid;

typedef enum Outcome
{
	UNDECIDED,
	COMMITTED,
	NOT_COMMITTED
} Outcome;

/* how the transaction that releases its resources has ended */
static Outcome outcome = UNDECIDED;

/* Note a hold; false when there is no room, then we go on without. */
static bool
hold_take(Oid database)
{
	bool		taken = false;

	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < APIKEY_MAX_HOLDS && !taken; i++)
	{
		ApikeyHoldShared *hold = &apikey_control->holds[i];

		if (!OidIsValid(hold->database))
		{
			hold->database = database;
			hold->owner = MyProcPid;
			taken = true;
		}
	}
	LWLockRelease(apikey_control->lock);
	return taken;
}

/* Take back one hold of ours; also run when the session is terminated. */
static void
hold_release(int code, Datum arg)
{
	Oid			database = DatumGetObjectId(arg);

	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	for (int i = 0; i < APIKEY_MAX_HOLDS; i++)
	{
		ApikeyHoldShared *hold = &apikey_control->holds[i];

		if (hold->database == database && hold->owner == MyProcPid)
		{
			hold->database = InvalidOid;
			hold->owner = 0;
			break;
		}
	}
	LWLockRelease(apikey_control->lock);
	apikey_launcher_wake();
}

/* The processes of ours in a database; returns how many. */
static int
worker_pids(Oid database, pid_t pids[APIKEY_NWORKERS + 1])
{
	ApikeySlotShared *slot;
	int			n = 0;

	LWLockAcquire(apikey_control->lock, LW_SHARED);
	slot = apikey_slot_find(database);
	for (int kind = 0; slot != NULL && kind < APIKEY_NWORKERS; kind++)
		if (slot->pid[kind] != 0)
			pids[n++] = slot->pid[kind];
	if (apikey_control->probe_pid != 0 && apikey_control->probe_database == database)
		pids[n++] = apikey_control->probe_pid;
	LWLockRelease(apikey_control->lock);
	return n;
}

/*
 * Send away the workers of a database and wait for them.  If one does not
 * leave in time, the command itself says what is in its way.
 */
static void
send_workers_away(Oid database)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LEAVE_MAX_MS);
	pid_t		pids[APIKEY_NWORKERS + 1];
	int			n = worker_pids(database, pids);

	for (int i = 0; i < n; i++)
		(void) kill(pids[i], SIGTERM);
	while (worker_pids(database, pids) > 0 && GetCurrentTimestamp() < deadline)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LEAVE_STEP_MS, WaitEventExtensionNew("ApikeyWorkersLeave"));
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static bool
may_create_database(void)
{
	HeapTuple	tuple;
	bool		may = superuser();

	if (may)
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return may;
}

static bool
is_template(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	bool		result = false;

	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
		ReleaseSysCache(tuple);
	}
	return result;
}

static const char *
option_string(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return option->arg == NULL ? NULL : defGetString(option);
	}
	return NULL;
}

/*
 * The database that a command needs empty of connections, InvalidOid if none,
 * or if the caller may not run it anyway: the workers are not for everybody to
 * send away.
 */
static Oid
database_to_empty(Node *statement)
{
	const char *name = NULL;
	bool		copies = false;
	Oid			database;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			name = ((DropdbStmt *) statement)->dbname;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				name = ((RenameStmt *) statement)->subname;
			break;
		case T_AlterDatabaseStmt:
			if (option_string(((AlterDatabaseStmt *) statement)->options, "tablespace") != NULL)
				name = ((AlterDatabaseStmt *) statement)->dbname;
			break;
		case T_CreatedbStmt:
			name = option_string(((CreatedbStmt *) statement)->options, "template");
			copies = true;
			break;
		default:
			break;
	}
	if (name == NULL || !IsTransactionState())
		return InvalidOid;

	database = get_database_oid(name, true);
	if (!OidIsValid(database) || database == MyDatabaseId)
		return InvalidOid;
	if (!apikey_compat_owns_database(database, GetUserId()) &&
		!(copies && is_template(database)))
		return InvalidOid;
	if (copies && !may_create_database())
		return InvalidOid;
	return database;
}

static void
run_statement(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	if (previous_utility_hook)
		previous_utility_hook(pstmt, queryString, readOnlyTree, context, params,
							  queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params,
								queryEnv, dest, qc);
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Oid			database = database_to_empty(pstmt->utilityStmt);

	if (!OidIsValid(database) || !hold_take(database))
	{
		run_statement(pstmt, queryString, readOnlyTree, context, params,
					  queryEnv, dest, qc);
		return;
	}

	PG_ENSURE_ERROR_CLEANUP(hold_release, ObjectIdGetDatum(database));
	{
		send_workers_away(database);
		run_statement(pstmt, queryString, readOnlyTree, context, params,
					  queryEnv, dest, qc);

		/*
		 * The files of a dropped database are gone although the transaction
		 * is not committed yet; in the unlikely case that it is not, the next
		 * verification there asks for the workers again.
		 */
		if (IsA(pstmt->utilityStmt, DropdbStmt))
		{
			ApikeySlotShared *slot;

			LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
			slot = apikey_slot_find(database);
			if (slot != NULL)
				pg_atomic_write_u32(&slot->wanted, 0);
			apikey_slot_reclaim();
			LWLockRelease(apikey_control->lock);
		}
	}
	PG_END_ENSURE_ERROR_CLEANUP(hold_release, ObjectIdGetDatum(database));
	hold_release(0, ObjectIdGetDatum(database));
}

/* Whether an extension, made a moment ago perhaps, is ours. */
static bool
is_our_extension(Oid extension)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		ours;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	ours = HeapTupleIsValid(tuple) &&
		strcmp(NameStr(((Form_pg_extension) GETSTRUCT(tuple))->extname), "apikey") == 0;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return ours;
}

static void
object_access(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (previous_access_hook)
		previous_access_hook(access, classId, objectId, subId, arg);

	if (classId != ExtensionRelationId ||
		(access != OAT_POST_CREATE && access != OAT_DROP) ||
		!is_our_extension(objectId))
		return;

	if (access == OAT_POST_CREATE)
		apikey_slot_created();
	else
	{
		dropped_extension = objectId;
		apikey_slot_dropped();
	}
}

static void
transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			/* a savepoint may have taken the drop back */
			if (OidIsValid(dropped_extension) &&
				get_extension_oid("apikey", true) == dropped_extension)
				apikey_slot_undropped();
			break;
		case XACT_EVENT_COMMIT:
			outcome = COMMITTED;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:

			/*
			 * After PREPARE nobody tells us of the end; the workers find out
			 * in their next transaction.
			 */
			outcome = NOT_COMMITTED;
			break;
		default:
			break;
	}
}

/*
 * The workers are told at the very end of the transaction.  XACT_EVENT_COMMIT
 * is too early: the commit is visible, but the invalidation messages are not
 * sent yet, and a worker that looks then may find the extension but not,
 * through its caches, the tables.
 */
static void
resources_released(ResourceReleasePhase phase, bool isCommit, bool isTopLevel, void *arg)
{
	Outcome		how = outcome;

	if (phase != RESOURCE_RELEASE_AFTER_LOCKS || !isTopLevel || how == UNDECIDED)
		return;
	outcome = UNDECIDED;
	dropped_extension = InvalidOid;
	apikey_slot_transaction_end(how == COMMITTED);
}

void
apikey_dbhook_install(void)
{
	if (IsBinaryUpgrade)
		return;
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
	previous_access_hook = object_access_hook;
	object_access_hook = object_access;
	RegisterXactCallback(transaction_event, NULL);
	RegisterResourceReleaseCallback(resources_released, NULL);
}
