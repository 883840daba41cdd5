/*
 * writer.c
 *		The writer of a database: ring -> usage partitions, activity of keys,
 *		units of quotas.
 *
 * Layer 5.  When it writes, sleeps and ends; what a batch is: batch.c, how
 * quotas are reserved: reserve.c.
 *
 * Durability.  A batch commits without waiting for the disk.  When somebody
 * asks (apikey.usage_sync, flush_usage()) the log is flushed after the batch
 * that emptied the ring, once for all who wait, and every DURABLE_MS while
 * there is more.  No commit here waits for a synchronous standby: that wait
 * would not see our SIGTERM flag, and a shutdown would hang.
 *
 * SIGTERM does not end the process on the spot: it writes what is there first.
 * In a shutdown of the server it goes on until the clients are gone, so that
 * after a fast stop everything that was pushed is on disk.  Every wait of the
 * writer is bounded (lock timeout, statement timeout), or the flag would do.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "activity.h"
#include "batch.h"
#include "guc.h"
#include "reserve.h"
#include "worker.h"

#define LOCK_TIMEOUT_MS		500
#define IDLE_MS				10000
#define DURABLE_MS			50
#define RING_PARTS			16	/* a batch is worth while then */
#define ACTIVITY_KEYS_MAX	20000	/* flush before the interval is over */
#define ACTIVITY_KEYS_LOST	200000	/* give up counts that cannot be stored */
#define STOP_STEP_MS		20
#define STOP_MAX_MS			30000
#define STOP_FAILURES_MAX	10
#define SIGTERMS_TO_DIE		3

static ApikeySlotShared *slot;
static volatile sig_atomic_t sigterms = 0;
static int	activity_failures = 0;
static TimestampTz activity_due = 0;

static void
on_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	sigterms++;
	/* who insists gets the ordinary, immediate end */
	if (sigterms >= SIGTERMS_TO_DIE)
		die(postgres_signal_arg);
	SetLatch(MyLatch);
	errno = save_errno;
}

static bool
sync_wanted(void)
{
	return pg_atomic_read_u64(&slot->sync_wanted) > pg_atomic_read_u64(&slot->durable);
}

static bool
activity_wanted(void)
{
	return pg_atomic_read_u64(&slot->flush_wanted) > pg_atomic_read_u64(&slot->activity);
}

/*
 * Whether somebody waits for what the next batch or flush does.  A flush that
 * has failed waits for its time.
 */
static bool
urgent(void)
{
	return sync_wanted() || sigterms > 0 ||
		(activity_wanted() && activity_failures == 0);
}

/* Store the activity of keys that the batches so far have shown. */
static void
flush_activity(void)
{
	volatile TimestampTz started = GetCurrentTimestamp();
	uint64		upto = apikey_ring_tail(slot->ring);
	volatile long keys = apikey_activity_keys();

	activity_due = started + (TimestampTz) apikey_activity_flush_interval * 1000;
	PG_TRY();
	{
		bool		done = keys == 0;
		ApikeyExtension extension;

		if (!done && !apikey_batch_begin("storing the activity of keys", &extension))
			apikey_worker_gone();
		else if (!done)
		{
			(void) apikey_activity_flush();
			apikey_worker_prepare_commit();
			HOLD_INTERRUPTS();
			apikey_batch_commit();
			apikey_activity_clear();
			RESUME_INTERRUPTS();
			apikey_task_record(slot, APIKEY_TASK_ACTIVITY, started, keys, NULL);
			done = true;
		}
		if (done)
		{
			activity_failures = 0;
			apikey_slot_raise(&slot->activity, upto);
			ConditionVariableBroadcast(&slot->progress);
		}
	}
	PG_CATCH();
	{
		(void) apikey_worker_failed(APIKEY_TASK_ACTIVITY, started);
		activity_failures++;
		activity_due = GetCurrentTimestamp() + apikey_backoff_ms(activity_failures) * 1000;
		if (apikey_activity_keys() > ACTIVITY_KEYS_LOST)
			apikey_activity_clear();
	}
	PG_END_TRY();
}

/* Bring what is committed to disk for who waits for it. */
static void
make_durable(void)
{
	uint64		upto = apikey_ring_tail(slot->ring);
	XLogRecPtr	lsn = pg_atomic_read_u64(&slot->commit_lsn);

	if (pg_atomic_read_u64(&slot->durable) < upto)
	{
		if (lsn != InvalidXLogRecPtr)
			XLogFlush(lsn);
		apikey_slot_raise(&slot->durable, upto);
		ConditionVariableBroadcast(&slot->progress);
	}
}

static bool
ring_empty(void)
{
	return apikey_ring_head(slot->ring) == apikey_ring_tail(slot->ring);
}

/* Whether more has gathered than who pushes leaves alone (usage_push.c). */
static bool
ring_filling(void)
{
	return apikey_ring_head(slot->ring) - apikey_ring_tail(slot->ring) >=
		apikey_control->ring_size / RING_PARTS;
}

/* Clients connected to our database. */
static bool
clients_left(void)
{
	pgstat_clear_backend_activity_snapshot();
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		PgBackendStatus *entry = &apikey_compat_local_beentry(i)->backendStatus;

		if (entry->st_procpid > 0 && entry->st_backendType == B_BACKEND &&
			entry->st_databaseid == MyDatabaseId)
			return true;
	}
	return false;
}

/*
 * SIGTERM: write what is there.  While the server shuts down, clients still
 * finish their calls after we got the signal, so stay until none is left.
 */
static void
stop(void)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), STOP_MAX_MS);
	bool		stopping = apikey_server_stopping();

	while (!apikey_worker_held() && GetCurrentTimestamp() < deadline)
	{
		/* the clients first: who has left pushes no more */
		bool		clients = stopping && clients_left();
		ApikeyBatchResult result;

		apikey_worker_turn();
		if (pg_atomic_read_u32(&slot->wanted) == 0)
			apikey_worker_gone();
		apikey_reserve_run();
		result = apikey_batch_write();
		if (result == APIKEY_BATCH_MORE)
			continue;
		if (!stopping || apikey_batch_failures() > STOP_FAILURES_MAX)
			break;
		if (result != APIKEY_BATCH_FAILED && !clients && ring_empty())
		{
			/* nobody is left who could want units */
			apikey_reserve_close();
			break;
		}
		(void) apikey_worker_sleep(STOP_STEP_MS, WaitEventExtensionNew("ApikeyWriterStop"));
	}
	apikey_worker_turn();
	make_durable();
	flush_activity();
	proc_exit(0);
}

/* Nothing to write: sleep until there is something. */
static void
sleep_idle(void)
{
	long		timeout = apikey_reserve_timeout(IDLE_MS);

	if (apikey_activity_keys() > 0)
	{
		TimestampTz rest = activity_due - GetCurrentTimestamp();

		timeout = Max(Min(timeout, rest / 1000 + 1), 0);
	}

	/*
	 * The store of the flag and the look at the head are sequentially
	 * consistent; see apikey_usage_push.
	 */
	__atomic_store_n(&slot->writer_idle.value, 1, __ATOMIC_SEQ_CST);
	if (ring_empty() && !urgent() && !apikey_reserve_waiting() &&
		pg_atomic_read_u32(&slot->wanted) != 0)
		(void) apikey_worker_sleep(timeout, WaitEventExtensionNew("ApikeyWriterMain"));

	/* when nobody has taken the flag, nobody has noted the time either */
	if (pg_atomic_exchange_u32(&slot->writer_idle, 0) != 0)
		pg_atomic_write_u64(&slot->busy_since, (uint64) GetCurrentTimestamp());
}

/*
 * Let events gather, until the flush interval is over or somebody wakes us:
 * the ring fills or a session waits.  After a failure nobody shortens the wait.
 * False: it is too early for a batch; a reservation may have woken us.
 */
static bool
sleep_collecting(TimestampTz since)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = since + (TimestampTz) apikey_usage_flush_interval * 1000;
	bool		failed = now < apikey_batch_not_before();

	if (failed)
		until = apikey_batch_not_before();
	if (until > now && (failed || !urgent()) && !apikey_reserve_waiting())
	{
		long		timeout = (until - now) / 1000 + 1;

		(void) apikey_worker_sleep(apikey_reserve_timeout(timeout),
								   WaitEventExtensionNew("ApikeyWriterCollect"));
		now = GetCurrentTimestamp();
	}
	return until <= now || (!failed && (urgent() || ring_filling()));
}

static bool
extension_there(void)
{
	ApikeyExtension extension;

	if (!apikey_worker_begin("looking for the extension", &extension))
		return false;
	apikey_worker_commit();
	return true;
}

static void
turn(void)
{
	static TimestampTz collecting_since = 0;	/* 0 = the ring was empty */
	static TimestampTz durable_at = 0;
	ApikeyBatchResult result = APIKEY_BATCH_NOTHING;
	TimestampTz now;

	apikey_worker_turn();
	if (sigterms > 0)
		stop();
	if (pg_atomic_read_u32(&slot->wanted) == 0 ||
		(pg_atomic_exchange_u32(&slot->look_wanted, 0) != 0 && !extension_there()))
		apikey_worker_gone();

	/* first: somebody waits for it */
	apikey_reserve_run();

	if (collecting_since == 0)
	{
		sleep_idle();
		if (!ring_empty())
			collecting_since = GetCurrentTimestamp();
	}
	else
	{
		if (!sleep_collecting(collecting_since))
			return;
		if (GetCurrentTimestamp() >= apikey_batch_not_before() && sigterms == 0)
		{
			result = apikey_batch_write();

			/* somebody has reserved room and not written there yet */
			if (result == APIKEY_BATCH_NOTHING && !ring_empty())
				(void) apikey_worker_sleep(1, WaitEventExtensionNew("ApikeyWriterCollect"));
			else if (result == APIKEY_BATCH_DONE)
				collecting_since = ring_empty() ? 0 : GetCurrentTimestamp();
			else if (ring_empty())
				collecting_since = 0;
		}
	}

	now = GetCurrentTimestamp();
	if (sync_wanted() &&
		(result != APIKEY_BATCH_MORE || now - durable_at >= DURABLE_MS * 1000))
	{
		make_durable();
		durable_at = now;
	}
	if (now >= activity_due ||
		(activity_failures == 0 &&
		 (apikey_activity_keys() >= ACTIVITY_KEYS_MAX ||
		  (activity_wanted() && pg_atomic_read_u64(&slot->flush_wanted) <=
		   apikey_ring_tail(slot->ring)))))
		flush_activity();
}

void
apikey_writer_main(Datum arg)
{
	slot = apikey_worker_start(arg, APIKEY_WORKER_WRITER, on_sigterm, LOCK_TIMEOUT_MS);

	apikey_batch_init(slot);
	apikey_reserve_init(slot);
	pg_atomic_write_u32(&slot->look_wanted, 1);

	/* the activity that our predecessor had gathered is lost */
	apikey_slot_raise(&slot->activity, apikey_ring_tail(slot->ring));

	for (;;)
	{
		PG_TRY();
		{
			turn();
		}
		PG_CATCH();
		{
			(void) apikey_worker_failed(APIKEY_TASK_USAGE, GetCurrentTimestamp());
		}
		PG_END_TRY();
	}
}
