/*
 * worker.c
 *		What the per-database workers have in common.
 *
 * Layer 5.  The rules are in worker.h.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pidfile.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "redact.h"
#include "worker.h"

#define BACKOFF_FIRST_MS	100
#define BACKOFF_LAST_MS		30000

MemoryContext apikey_worker_context = NULL;
char		apikey_worker_error[APIKEY_TASK_ERROR_MAX];

static Oid	my_database = InvalidOid;
static ApikeyWorkerKind my_kind;
static ApikeySlotShared *my_slot = NULL;
static char my_database_name[NAMEDATALEN] = "";

/* the last error of each task that went to the log */
static char logged_error[APIKEY_NTASKS][APIKEY_TASK_ERROR_MAX];
static TimestampTz logged_at[APIKEY_NTASKS];

static void
error_context(void *arg)
{
	if (my_database_name[0] != '\0')
		errcontext("%s of database \"%s\"", (const char *) arg, my_database_name);
	else
		errcontext("%s of database with OID %u", (const char *) arg, my_database);
}

/* Leave the slot; the launcher may start the next one. */
static void
check_out(int code, Datum arg)
{
	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	if (my_slot->pid[my_kind] == MyProcPid)
	{
		my_slot->pid[my_kind] = 0;
		my_slot->latch[my_kind] = NULL;
		my_slot->exit_code[my_kind] = code;
	}
	LWLockRelease(apikey_control->lock);
	apikey_launcher_wake();
}

/*
 * Enter the slot.  Checking the holds and leaving the pid there is one step
 * under the lock: whoever sets a hold either finds our pid or is found by us.
 */
static bool
check_in(void)
{
	bool		mine = false;

	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	my_slot = apikey_slot_find(my_database);
	if (my_slot != NULL && !apikey_held(my_database) && my_slot->pid[my_kind] == 0)
	{
		my_slot->pid[my_kind] = MyProcPid;
		my_slot->latch[my_kind] = MyLatch;
		mine = true;
	}
	LWLockRelease(apikey_control->lock);
	return mine;
}

/*
 * Settings that ALTER DATABASE or the configuration may have put in our way.
 * PGC_S_OVERRIDE keeps them through later reloads.
 */
static void
fix_settings(int lock_timeout_ms)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"statement_timeout", "0"},
		{"transaction_timeout", "0"},	/* since 17 */
		{"idle_in_transaction_session_timeout", "0"},
		{"session_replication_role", "origin"},
		{"exit_on_error", "off"},	/* tasks catch errors */
		{"max_parallel_workers_per_gather", "0"},
		{"jit", "off"},
		{"DateStyle", "ISO, MDY"},
		{"IntervalStyle", "postgres"},
		{"TimeZone", "UTC"},
	};
	char		timeout[16];

	for (int i = 0; i < lengthof(settings); i++)
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	snprintf(timeout, sizeof(timeout), "%d", lock_timeout_ms);
	SetConfigOption("lock_timeout", timeout, PGC_SUSET, PGC_S_OVERRIDE);
}

ApikeySlotShared *
apikey_worker_start(Datum arg, ApikeyWorkerKind kind, pqsigfunc on_sigterm,
					int lock_timeout_ms)
{
	static ErrorContextCallback callback;
	const char *name = apikey_worker_name(kind);

	my_database = DatumGetObjectId(arg);
	my_kind = kind;

	pqsignal(SIGTERM, on_sigterm);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	callback.callback = error_context;
	callback.arg = (void *) name;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	/*
	 * Registered before the connection is made, this runs after the process
	 * has left the proc array: when the pid is gone from the slot, the
	 * process no longer counts as connected to the database.
	 */
	if (!check_in())
		proc_exit(0);
	on_shmem_exit(check_out, (Datum) 0);

	BackgroundWorkerInitializeConnectionByOid(my_database, InvalidOid, 0);
	CHECK_FOR_INTERRUPTS();
	fix_settings(lock_timeout_ms);
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_SESSION);

	apikey_worker_context = AllocSetContextCreate(TopMemoryContext, "apikey worker turn",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(apikey_worker_context);

	StartTransactionCommand();
	strlcpy(my_database_name, get_database_name(my_database), NAMEDATALEN);
	CommitTransactionCommand();
	MemoryContextSwitchTo(apikey_worker_context);
	pgstat_report_activity(STATE_IDLE, NULL);
	return my_slot;
}

void
apikey_worker_turn(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	MemoryContextSwitchTo(apikey_worker_context);
	MemoryContextReset(apikey_worker_context);
}

bool
apikey_worker_sleep(long timeout_ms, uint32 wait_event)
{
	int			events = WaitLatch(MyLatch,
								   WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
								   Max(timeout_ms, 0), wait_event);

	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return (events & WL_LATCH_SET) != 0;
}

/* Owner of an extension; false when the row is gone. */
static bool
extension_owner(Oid extension, Oid *owner)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		*owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

/*
 * Find the extension and keep it from being dropped until the end of the
 * transaction.  A table of that name that is not the extension's is none.
 */
static bool
extension_lock(ApikeyExtension *extension)
{
	Oid			schema;

	extension->oid = get_extension_oid("apikey", true);
	if (!OidIsValid(extension->oid))
		return false;

	/* DROP EXTENSION may have won: read again under the lock */
	LockDatabaseObject(ExtensionRelationId, extension->oid, 0, AccessShareLock);
	if (get_extension_oid("apikey", true) != extension->oid ||
		!extension_owner(extension->oid, &extension->owner))
		return false;

	schema = get_namespace_oid("apikey", true);
	extension->usage = OidIsValid(schema) ? get_relname_relid("usage", schema) : InvalidOid;
	return OidIsValid(extension->usage) &&
		getExtensionOfObject(RelationRelationId, extension->usage) == extension->oid;
}

bool
apikey_worker_begin(const char *activity, ApikeyExtension *extension)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, activity);
	if (!extension_lock(extension))
	{
		CommitTransactionCommand();
		MemoryContextSwitchTo(apikey_worker_context);
		pgstat_report_activity(STATE_IDLE, NULL);
		return false;
	}
	SetUserIdAndSecContext(extension->owner, SECURITY_LOCAL_USERID_CHANGE);
	PushActiveSnapshot(GetTransactionSnapshot());
	return true;
}

void
apikey_worker_prepare_commit(void)
{
	AfterTriggerFireDeferred();
}

void
apikey_worker_commit(void)
{
	apikey_worker_prepare_commit();
	PopActiveSnapshot();
	SetUserIdAndSecContext(GetSessionUserId(), 0);
	CommitTransactionCommand();
	MemoryContextSwitchTo(apikey_worker_context);
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

void
apikey_worker_abort(void)
{
	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	LWLockReleaseAll();
	ConditionVariableCancelSleep();
	pgstat_report_wait_end();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(apikey_worker_context);
	FlushErrorState();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
}

int
apikey_worker_failed(ApikeyTask task, TimestampTz started)
{
	TimestampTz now = GetCurrentTimestamp();
	ErrorData  *error;
	int			sqlerrcode;

	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(apikey_worker_context);
	error = CopyErrorData();
	sqlerrcode = error->sqlerrcode;
	strlcpy(apikey_worker_error, error->message ? error->message : "unknown error",
			sizeof(apikey_worker_error));

	/* what fails every second must not fill the log */
	if (strcmp(apikey_worker_error, logged_error[task]) != 0 ||
		now - logged_at[task] >= USECS_PER_MINUTE)
	{
		strlcpy(logged_error[task], apikey_worker_error, APIKEY_TASK_ERROR_MAX);
		logged_at[task] = now;
		EmitErrorReport();
	}
	apikey_worker_abort();
	apikey_task_record(my_slot, task, started, 0, apikey_worker_error);
	RESUME_INTERRUPTS();
	return sqlerrcode;
}

bool
apikey_worker_held(void)
{
	bool		held;

	LWLockAcquire(apikey_control->lock, LW_SHARED);
	held = apikey_held(my_database);
	LWLockRelease(apikey_control->lock);
	return held;
}

/*
 * Only the writer decides that there is no extension; the housekeeper asks it
 * to look.
 *
 * The order of the writer's steps matters.  A session that makes the extension
 * counts itself in "creating" before its first push, and off after its commit
 * is visible.  So if nobody is counted after we took the position, every event
 * before it was pushed by a transaction that has ended, and the look into the
 * catalogs afterwards sees whether its extension stayed.
 */
void
apikey_worker_gone(void)
{
	uint64		upto = apikey_ring_head(my_slot->ring);
	ApikeyExtension extension;

	if (my_kind != APIKEY_WORKER_WRITER)
	{
		pg_atomic_write_u32(&my_slot->look_wanted, 1);
		apikey_slot_wake(my_slot, APIKEY_WORKER_WRITER);
		proc_exit(0);
	}
	if (pg_atomic_exchange_u32(&my_slot->wanted, 0) != 0)
	{
		if (pg_atomic_read_u32(&my_slot->creating) > 0)
		{
			/* the launcher starts us again when it is committed */
			pg_atomic_write_u32(&my_slot->wanted, 1);
			proc_exit(0);
		}
		if (apikey_worker_begin("looking for the extension", &extension))
		{
			apikey_worker_commit();
			pg_atomic_write_u32(&my_slot->wanted, 1);
			return;
		}
		apikey_slot_raise(&my_slot->discard_until, upto);
	}
	apikey_slot_discard(my_slot);
	proc_exit(0);
}

/*
 * The postmaster notes that it is shutting down in its lock file before it
 * signals its children; nothing in shared memory tells it.
 */
bool
apikey_server_stopping(void)
{
	FILE	   *file = AllocateFile("postmaster.pid", "r");
	char		line[MAXPGPATH];
	bool		stopping = false;

	if (file == NULL)
		return false;
	for (int i = 1; fgets(line, sizeof(line), file) != NULL; i++)
		if (i == LOCK_FILE_LINE_PM_STATUS)
		{
			stopping = strncmp(line, PM_STATUS_STOPPING, strlen(PM_STATUS_STOPPING)) == 0;
			break;
		}
	FreeFile(file);
	return stopping;
}

long
apikey_backoff_ms(int failures)
{
	if (failures <= 0)
		return 0;
	if (failures > 9)
		return BACKOFF_LAST_MS;
	return Min((long) BACKOFF_FIRST_MS << (failures - 1), BACKOFF_LAST_MS);
}

/* Whether the data key of the database has been made. */
static bool
keyring_in_use(void)
{
	ApikeyExtension extension;
	bool		found = false;

	if (!apikey_worker_begin("looking for the extension", &extension))
		return false;
	SPI_connect();
	if (SPI_execute("SELECT FROM apikey.keyring LIMIT 1", true, 1) == SPI_OK_SELECT)
		found = SPI_processed > 0;
	SPI_finish();
	apikey_worker_commit();
	return found;
}

static void
probe_check_out(int code, Datum arg)
{
	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	if (apikey_control->probe_pid == MyProcPid)
		apikey_control->probe_pid = 0;
	LWLockRelease(apikey_control->lock);
	apikey_launcher_wake();
}

/*
 * Look once, after the start of the server, whether a database uses the
 * extension; if so its workers are wanted.
 */
void
apikey_probe_main(Datum arg)
{
	bool		mine = false;

	my_database = DatumGetObjectId(arg);
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	if (apikey_control->probe_pid == 0 && !apikey_held(my_database))
	{
		apikey_control->probe_database = my_database;
		apikey_control->probe_pid = MyProcPid;
		mine = true;
	}
	LWLockRelease(apikey_control->lock);
	if (!mine)
		proc_exit(0);
	on_shmem_exit(probe_check_out, (Datum) 0);

	BackgroundWorkerInitializeConnectionByOid(my_database, InvalidOid, 0);
	CHECK_FOR_INTERRUPTS();
	fix_settings(1000);
	SetConfigOption("application_name", "apikey probe", PGC_USERSET, PGC_S_SESSION);
	apikey_worker_context = AllocSetContextCreate(TopMemoryContext, "apikey probe",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(apikey_worker_context);

	if (keyring_in_use())
		apikey_workers_needed();
	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	apikey_control->probe_done = true;
	LWLockRelease(apikey_control->lock);
	proc_exit(0);
}
