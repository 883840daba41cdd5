/*
 * housekeeper.c
 *		The housekeeper of a database: what is due by the clock.
 *
 * Layer 5.  Each task is an SQL function that returns how many rows it
 * touched, called in a transaction of its own: one that fails is noted in
 * stat_worker and does not stop the others.  A task that has much to do does a
 * part per call (one partition, one chunk of keys) and is called again until
 * nothing is left, so that no lock is held for long.  Between them it looks at
 * the load and sets the automatic throttle (load.h).
 */
#include "postgres.h"

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "load.h"
#include "worker.h"

#define LOCK_TIMEOUT_MS		2000
#define CALLS_MAX			1000	/* of one task in a row */

typedef struct Duty
{
	ApikeyTask	task;
	const char *function;
	int			every;			/* times apikey.housekeeper_interval */
	TimestampTz due;			/* 0 = at once */
} Duty;

/* The comment gives the time with the default interval of one second. */
static Duty duties[] = {
	{APIKEY_TASK_PARTITIONS, "apikey._task_partitions", 60, 0}, /* a minute */
	{APIKEY_TASK_REVOCATIONS, "apikey._task_revocations", 1, 0},	/* a second */
	{APIKEY_TASK_EXPIRY, "apikey._task_expiry", 30, 0}, /* half a minute */
	{APIKEY_TASK_IDLE, "apikey._task_idle", 60, 0}, /* a minute */
	{APIKEY_TASK_ROLLUPS, "apikey._task_rollups", 10, 0},	/* a look at
															 * apikey.rollup_interval */
	{APIKEY_TASK_BUDGETS, "apikey._task_budgets", 60, 0},	/* a minute */
	{APIKEY_TASK_RETENTION, "apikey._task_retention", 600, 0},	/* ten minutes */
	{APIKEY_TASK_ROLLUP_RETENTION, "apikey._task_rollup_retention", 600, 0},	/* ten minutes */
};

static ApikeySlotShared *slot;

/* One call of a task in a transaction; false: there is no extension. */
static bool
call_task(const Duty *duty, int64 *rows)
{
	ApikeyExtension extension;
	StringInfoData query;
	bool		isnull = true;

	*rows = 0;
	if (!apikey_worker_begin(duty->function, &extension))
		return false;
	initStringInfo(&query);
	appendStringInfo(&query, "SELECT %s()", duty->function);
	SPI_connect();
	if (SPI_execute(query.data, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not call %s()", duty->function);
	*rows = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (isnull)
		*rows = 0;
	SPI_finish();
	apikey_worker_commit();
	return true;
}

/*
 * Look at the load, once per interval and between the parts of a long task
 * too: how fast a throttle goes down counts in looks.
 */
static void
watch_load(void)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (now >= last && now - last < (int64) apikey_housekeeper_interval * 1000)
		return;
	last = now;
	apikey_load_watch(slot);
}

/* Without a housekeeper nobody would take the throttle back. */
static void
forget_load(int code, Datum arg)
{
	apikey_load_forget(slot);
}

static void
run_task(const Duty *duty)
{
	volatile TimestampTz started = GetCurrentTimestamp();
	volatile int64 total = 0;

	PG_TRY();
	{
		for (int calls = 0; calls < CALLS_MAX; calls++)
		{
			int64		rows;

			apikey_worker_turn();
			watch_load();
			if (!call_task(duty, &rows))
			{
				apikey_worker_gone();
				break;
			}
			if (rows <= 0)
				break;
			total += rows;
		}
		apikey_task_record(slot, duty->task, started, total, NULL);
	}
	PG_CATCH();
	{
		(void) apikey_worker_failed(duty->task, started);
	}
	PG_END_TRY();
}

/* Run what is due; returns the milliseconds until something is due again. */
static long
run_due_tasks(void)
{
	TimestampTz next = 0;

	for (int i = 0; i < lengthof(duties); i++)
	{
		Duty	   *duty = &duties[i];
		int64		every = (int64) duty->every * apikey_housekeeper_interval * 1000;
		TimestampTz now = GetCurrentTimestamp();

		/* an interval that was long when we looked last may be short now */
		duty->due = Min(duty->due, now + every);
		if (duty->task == APIKEY_TASK_PARTITIONS &&
			pg_atomic_exchange_u32(&slot->partitions_wanted, 0) != 0)
			duty->due = now;
		if (duty->due <= now)
		{
			run_task(duty);
			duty->due = GetCurrentTimestamp() + every;
		}
		if (next == 0 || duty->due < next)
			next = duty->due;
	}
	return Max((next - GetCurrentTimestamp()) / 1000 + 1, 0);
}

void
apikey_housekeeper_main(Datum arg)
{
	slot = apikey_worker_start(arg, APIKEY_WORKER_HOUSEKEEPER, die, LOCK_TIMEOUT_MS);
	before_shmem_exit(forget_load, (Datum) 0);

	for (;;)
	{
		PG_TRY();
		{
			long		rest;

			apikey_worker_turn();
			if (pg_atomic_read_u32(&slot->wanted) == 0)
				apikey_worker_gone();
			watch_load();
			rest = run_due_tasks();
			(void) apikey_worker_sleep(rest, WaitEventExtensionNew("ApikeyHousekeeperMain"));
		}
		PG_CATCH();
		{
			/* a cancel between two tasks; the tasks note their own errors */
			EmitErrorReport();
			apikey_worker_abort();
		}
		PG_END_TRY();
	}
}
