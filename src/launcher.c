/*
 * launcher.c
 *		The process that starts the workers of each database.
 *
 * Layer 5.  A static background worker without a database.  It starts
 *
 *		once after the start of the server, one after the other, a probe in
 *		each database that can be connected to: a database whose keyring has a
 *		row gets its workers without waiting for a verification;
 *
 *		the writer and the housekeeper of each slot that wants them, and again
 *		when they end: soon after a good end or a long life, later and later (up
 *		to half a minute) when they keep failing early.
 *
 * Nothing is started in a database that is held (dbhook.c), that refuses
 * connections or is a template, or while the creation of its extension is
 * uncommitted.  The workers are never-restart: only the launcher knows whether
 * they should run, and the postmaster would go on trying after DROP DATABASE.
 *
 * On a standby the launcher is not started before the promotion; in a binary
 * upgrade never.  When the launcher itself is terminated, the postmaster
 * starts it again, and it finds the running workers by the pids in the slots.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "launcher.h"
#include "slot.h"
#include "worker.h"

#define RESTART_SECONDS		5	/* of the launcher itself */
#define SLEEP_MS			60000
#define CLOSED_RETRY_MS		30000	/* look again at a database that is closed */
#define NO_WORKER_RETRY_MS	5000	/* max_worker_processes is used up */
#define PROBE_RETRY_MS		2000
#define PROBE_TRIES			5
#define LONG_LIFE_US		(10 * USECS_PER_SEC)

/* datconnlimit of a database whose DROP was interrupted */
#define CONNLIMIT_INVALID	(-2)

typedef enum DatabaseState
{
	DATABASE_OPEN,
	DATABASE_CLOSED,			/* no connections, or a template */
	DATABASE_MISSING
} DatabaseState;

/* A worker as the launcher knows it. */
typedef struct Child
{
	Oid			database;		/* whose worker it was */
	BackgroundWorkerHandle *handle; /* NULL = none that we know to run */
	TimestampTz started;
	TimestampTz not_before;
	int			short_lives;	/* in a row, at least 1 after an end */
} Child;

typedef struct Probe
{
	Oid			database;
	int			tries;
} Probe;

static Child (*children)[APIKEY_NWORKERS];
static Probe *probes;
static int	nprobes;			/* the first one is next or running */
static BackgroundWorkerHandle *probe_handle = NULL;
static TimestampTz probe_not_before = 0;
static TimestampTz wake_at;		/* earliest instant something is due */
static TimestampTz complained_at = 0;

static void
due_at(TimestampTz at)
{
	wake_at = Min(wake_at, at);
}

static void
check_out(int code, Datum arg)
{
	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	if (apikey_control->launcher_pid == MyProcPid)
	{
		apikey_control->launcher_pid = 0;
		apikey_control->launcher_latch = NULL;
	}
	LWLockRelease(apikey_control->lock);
}

/*
 * Scan pg_database: the state of one database, or, with InvalidOid, fill
 * probes[] with all open ones.
 */
static DatabaseState
look_at_databases(Oid wanted)
{
	MemoryContext context = CurrentMemoryContext;
	DatabaseState state = DATABASE_MISSING;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;
	int			room = 0;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		bool		open = form->datallowconn && !form->datistemplate &&
			form->datconnlimit != CONNLIMIT_INVALID;

		if (OidIsValid(wanted))
		{
			if (form->oid == wanted)
				state = open ? DATABASE_OPEN : DATABASE_CLOSED;
			continue;
		}
		if (!open)
			continue;
		if (nprobes == room)
		{
			MemoryContext scan_context = MemoryContextSwitchTo(TopMemoryContext);

			room = Max(2 * room, 16);
			probes = probes == NULL ? palloc(room * sizeof(Probe)) :
				repalloc(probes, room * sizeof(Probe));
			MemoryContextSwitchTo(scan_context);
		}
		probes[nprobes].database = form->oid;
		probes[nprobes].tries = 0;
		nprobes++;
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return state;
}

/* Ask the postmaster for a worker in a database; NULL: none to be had. */
static BackgroundWorkerHandle *
start_worker(Oid database, const char *type, const char *function)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle = NULL;
	MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION |
		BGWORKER_INTERRUPTIBLE;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, "apikey", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, function, sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_type, type, sizeof(worker.bgw_type));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "%s of database %u", type, database);

	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		handle = NULL;
	MemoryContextSwitchTo(context);

	if (handle == NULL && GetCurrentTimestamp() - complained_at >= USECS_PER_MINUTE)
	{
		complained_at = GetCurrentTimestamp();
		ereport(LOG,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start %s of the database with OID %u: no background worker slot is free",
						type, database),
				 errhint("Consider increasing the configuration parameter \"%s\".",
						 "max_worker_processes")));
	}
	return handle;
}

/* Whether a worker that we started has ended; forgets it then. */
static bool
has_ended(BackgroundWorkerHandle **handle)
{
	pid_t		pid;

	if (*handle == NULL || GetBackgroundWorkerPid(*handle, &pid) != BGWH_STOPPED)
		return false;
	pfree(*handle);
	*handle = NULL;
	return true;
}

/* The probes, one at a time. */
static void
run_probes(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		held;
	bool		done;

	if (nprobes == 0)
		return;
	if (has_ended(&probe_handle))
	{
		LWLockAcquire(apikey_control->lock, LW_SHARED);
		done = apikey_control->probe_done;
		LWLockRelease(apikey_control->lock);
		if (done || ++probes[0].tries >= PROBE_TRIES)
		{
			nprobes--;
			memmove(&probes[0], &probes[1], nprobes * sizeof(Probe));
		}
		else
		{
			/* sent away or failed: the others first */
			Probe		again = probes[0];

			memmove(&probes[0], &probes[1], (nprobes - 1) * sizeof(Probe));
			probes[nprobes - 1] = again;
			probe_not_before = now + (TimestampTz) PROBE_RETRY_MS * 1000;
		}
		if (nprobes == 0)
			return;
	}
	if (probe_handle != NULL)
		return;					/* its end wakes us */
	if (now < probe_not_before)
	{
		due_at(probe_not_before);
		return;
	}

	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	held = apikey_held(probes[0].database);
	done = apikey_control->probe_pid != 0;	/* left by the launcher before us */
	apikey_control->probe_done = false;
	LWLockRelease(apikey_control->lock);

	if (!held && !done && look_at_databases(probes[0].database) != DATABASE_OPEN)
	{
		nprobes--;
		memmove(&probes[0], &probes[1], nprobes * sizeof(Probe));
		due_at(now);
		return;
	}
	if (!held && !done)
		probe_handle = start_worker(probes[0].database, "apikey probe", "apikey_probe_main");
	if (probe_handle == NULL)
	{
		probe_not_before = now + (TimestampTz) PROBE_RETRY_MS * 1000;
		due_at(probe_not_before);
	}
}

/* The database of a slot is gone: nobody wants workers in it. */
static void
forget_database(ApikeySlotShared *slot)
{
	pg_atomic_write_u32(&slot->wanted, 0);
	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	apikey_slot_reclaim();
	LWLockRelease(apikey_control->lock);
}

/* Start one worker of a slot if it is time to. */
static void
tend_child(ApikeySlotShared *slot, Oid database, ApikeyWorkerKind kind, Child *child)
{
	static const char *const functions[] = {
		[APIKEY_WORKER_WRITER] = "apikey_writer_main",
		[APIKEY_WORKER_HOUSEKEEPER] = "apikey_housekeeper_main",
	};
	TimestampTz now = GetCurrentTimestamp();
	DatabaseState state;
	bool		held;
	bool		running;

	if (has_ended(&child->handle))
	{
		int			code;

		LWLockAcquire(apikey_control->lock, LW_SHARED);
		code = slot->exit_code[kind];
		LWLockRelease(apikey_control->lock);
		if (code == 0 || now - child->started >= LONG_LIFE_US)
			child->short_lives = 0;
		child->short_lives++;
		child->not_before = now + (TimestampTz) apikey_backoff_ms(child->short_lives) * 1000;
	}
	if (child->handle != NULL)
		return;
	if (child->database != database)
	{
		child->database = database;
		child->short_lives = 0;
		child->not_before = 0;
	}

	LWLockAcquire(apikey_control->lock, LW_SHARED);
	held = apikey_held(database);
	running = slot->pid[kind] != 0;
	LWLockRelease(apikey_control->lock);
	if (running)
		return;					/* started by the launcher before us */
	if (held)
	{
		/* the end of the hold wakes us, and is no reason to wait longer */
		child->short_lives = 0;
		child->not_before = 0;
		return;
	}
	if (pg_atomic_read_u32(&slot->creating) > 0)
		return;					/* the end of that transaction wakes us */
	if (now < child->not_before)
	{
		due_at(child->not_before);
		return;
	}

	state = look_at_databases(database);
	if (state == DATABASE_MISSING)
		forget_database(slot);
	else if (state == DATABASE_CLOSED)
		child->not_before = now + (TimestampTz) CLOSED_RETRY_MS * 1000;
	else
	{
		child->handle = start_worker(database, apikey_worker_name(kind), functions[kind]);
		child->started = now;
		if (child->handle == NULL)
			child->not_before = now + (TimestampTz) NO_WORKER_RETRY_MS * 1000;
	}
	if (child->handle == NULL && state != DATABASE_MISSING)
		due_at(child->not_before);
}

static void
tend_slots(void)
{
	for (int i = 0; i < apikey_control->nslots; i++)
	{
		ApikeySlotShared *slot = &apikey_control->slots[i];
		Oid			database = pg_atomic_read_u32(&slot->database);

		for (int kind = 0; kind < APIKEY_NWORKERS; kind++)
		{
			Child	   *child = &children[i][kind];

			if (OidIsValid(database) && pg_atomic_read_u32(&slot->wanted) != 0)
				tend_child(slot, database, kind, child);
			else if (has_ended(&child->handle))
				child->short_lives = child->not_before = 0;
		}
	}
}

/* Enter shared memory; false: there is another launcher. */
static bool
check_in(void)
{
	pid_t		other;

	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	other = apikey_control->launcher_pid;
	if (other == 0)
	{
		apikey_control->launcher_pid = MyProcPid;
		apikey_control->launcher_latch = MyLatch;
	}
	LWLockRelease(apikey_control->lock);
	if (other != 0)
		ereport(LOG,
				(errmsg("apikey launcher is already running under PID %d", (int) other)));
	return other == 0;
}

void
apikey_launcher_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();

	if (!check_in())
		proc_exit(0);
	on_shmem_exit(check_out, (Datum) 0);

	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	context = AllocSetContextCreate(TopMemoryContext, "apikey launcher", ALLOCSET_DEFAULT_SIZES);
	children = MemoryContextAllocZero(TopMemoryContext,
									  apikey_control->nslots * sizeof(*children));
	MemoryContextSwitchTo(context);
	(void) look_at_databases(InvalidOid);

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		MemoryContextReset(context);
		wake_at = now + (TimestampTz) SLEEP_MS * 1000;
		run_probes();
		tend_slots();

		now = GetCurrentTimestamp();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Max((wake_at - now) / 1000 + 1, 1),
						 WaitEventExtensionNew("ApikeyLauncherMain"));
		ResetLatch(MyLatch);
	}
}

void
apikey_launcher_register(void)
{
	BackgroundWorker worker;

	if (IsBinaryUpgrade)
		return;
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "apikey", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "apikey_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "apikey launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "apikey launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}
