/*
 * slot.c
 *		What the processes of one database share, and how it is found.
 *
 * Layer 2.  The rules are in slot.h.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "limiter.h"
#include "redact.h"
#include "slot.h"

/* how long a backend waits until it asks for a slot again */
#define SLOT_RETRY_US	(1 * USECS_PER_SEC)

ApikeyControlShared *apikey_control = NULL;

/* the slot of our database, once found; it stays ours (slot.h) */
static ApikeySlotShared *my_slot = NULL;
static TimestampTz my_slot_retry = 0;

/* the extension's life in this transaction */
static bool created_here = false;	/* CREATE EXTENSION ran */
static bool counted_here = false;	/* slot->creating counts us */
static bool needed_here = false;	/* workers were asked for after it */
static bool dropped_here = false;
static uint64 dropped_at = 0;	/* head of the ring at the drop */

static const struct
{
	const char *name;
	ApikeyWorkerKind worker;
} task_info[APIKEY_NTASKS] = {
	[APIKEY_TASK_USAGE] = {"usage", APIKEY_WORKER_WRITER},
	[APIKEY_TASK_ACTIVITY] = {"activity", APIKEY_WORKER_WRITER},
	[APIKEY_TASK_LIMITS] = {"limits", APIKEY_WORKER_WRITER},
	[APIKEY_TASK_REVOCATIONS] = {"revocations", APIKEY_WORKER_HOUSEKEEPER},
	[APIKEY_TASK_EXPIRY] = {"expiry", APIKEY_WORKER_HOUSEKEEPER},
	[APIKEY_TASK_IDLE] = {"idle", APIKEY_WORKER_HOUSEKEEPER},
	[APIKEY_TASK_PARTITIONS] = {"partitions", APIKEY_WORKER_HOUSEKEEPER},
	[APIKEY_TASK_RETENTION] = {"retention", APIKEY_WORKER_HOUSEKEEPER},
	[APIKEY_TASK_ROLLUPS] = {"rollups", APIKEY_WORKER_HOUSEKEEPER},
	[APIKEY_TASK_ROLLUP_RETENTION] = {"rollup retention", APIKEY_WORKER_HOUSEKEEPER},
	[APIKEY_TASK_BUDGETS] = {"budgets", APIKEY_WORKER_HOUSEKEEPER},
};

static Size
ring_data_size(void)
{
	return mul_size((Size) apikey_usage_buffer_size, 1024);
}

static Size
ring_stride(void)
{
	return CACHELINEALIGN(apikey_ring_bytes(ring_data_size()));
}

static Size
control_size(void)
{
	return CACHELINEALIGN(add_size(offsetof(ApikeyControlShared, slots),
								   mul_size(apikey_max_databases,
											sizeof(ApikeySlotShared))));
}

Size
apikey_slot_shmem_size(void)
{
	/* one cache line more: the segment need not start on one */
	return add_size(add_size(control_size(), PG_CACHE_LINE_SIZE),
					mul_size(apikey_max_databases, ring_stride()));
}

int
apikey_slot_lwlocks(void)
{
	return 1 + 2 * apikey_max_databases;
}

void
apikey_slot_shmem_init(void *memory, bool found)
{
	ApikeyControlShared *control = memory;
	LWLockPadded *locks;
	char	   *rings;

	if (!found)
	{
		memset(control, 0, control_size());
		locks = GetNamedLWLockTranche("apikey");
		control->lock = &locks[0].lock;
		control->nslots = apikey_max_databases;
		control->ring_size = ring_data_size();
		pg_atomic_init_u64(&control->unslotted, 0);
		pg_atomic_init_u64(&control->full_logged_at, 0);

		rings = (char *) CACHELINEALIGN((char *) memory + control_size());
		for (int i = 0; i < control->nslots; i++)
		{
			ApikeySlotShared *slot = &control->slots[i];

			pg_atomic_init_u32(&slot->database, InvalidOid);
			slot->task_lock = &locks[1 + 2 * i].lock;
			slot->reserve_lock = &locks[2 + 2 * i].lock;
			slot->ring = (ApikeyRingShared *) (rings + i * ring_stride());
			ConditionVariableInit(&slot->progress);
		}
	}
	apikey_control = control;
}

/* Make a free slot the slot of a database.  Lock held exclusively. */
static void
slot_assign(ApikeySlotShared *slot, Oid database)
{
	/* the ring first: it may be large, and is not touched before it is used */
	apikey_ring_init(slot->ring, apikey_control->ring_size);

	pg_atomic_init_u32(&slot->wanted, 0);
	pg_atomic_init_u32(&slot->writer_idle, 0);
	pg_atomic_init_u32(&slot->creating, 0);
	pg_atomic_init_u32(&slot->partitions_wanted, 0);
	pg_atomic_init_u32(&slot->look_wanted, 0);
	pg_atomic_init_u32(&slot->reserve_waiting, 0);
	pg_atomic_init_u32(&slot->ledger_wanted, 0);
	pg_atomic_init_u64(&slot->dropped, 0);
	pg_atomic_init_u64(&slot->suppressed, 0);
	pg_atomic_init_u64(&slot->unknown_window, 0);
	pg_atomic_init_u32(&slot->auto_throttle, 0);
	pg_atomic_init_u64(&slot->drop_logged_at, 0);
	pg_atomic_init_u64(&slot->discard_until, 0);
	pg_atomic_init_u64(&slot->sync_wanted, 0);
	pg_atomic_init_u64(&slot->flush_wanted, 0);
	pg_atomic_init_u64(&slot->durable, 0);
	pg_atomic_init_u64(&slot->commit_lsn, 0);
	pg_atomic_init_u64(&slot->activity, 0);
	pg_atomic_init_u64(&slot->written, 0);
	pg_atomic_init_u64(&slot->discarded, 0);
	pg_atomic_init_u64(&slot->written_bytes, 0);
	pg_atomic_init_u64(&slot->busy_since, (uint64) GetCurrentTimestamp());
	pg_atomic_init_u64(&slot->caught_up_at, 0);
	memset(slot->pid, 0, sizeof(slot->pid));
	memset(slot->latch, 0, sizeof(slot->latch));
	memset(slot->exit_code, 0, sizeof(slot->exit_code));
	memset(slot->tasks, 0, sizeof(slot->tasks));
	pg_atomic_init_u64(&slot->limits_changed, 0);
	memset(slot->limit_changes, 0, sizeof(slot->limit_changes));
	memset(slot->reserve, 0, sizeof(slot->reserve));
	pg_write_barrier();
	pg_atomic_write_u32(&slot->database, database);
}

ApikeySlotShared *
apikey_slot_find(Oid database)
{
	for (int i = 0; i < apikey_control->nslots; i++)
	{
		ApikeySlotShared *slot = &apikey_control->slots[i];

		if (pg_atomic_read_u32(&slot->database) == database)
			return slot;
	}
	return NULL;
}

void
apikey_slot_reclaim(void)
{
	for (int i = 0; i < apikey_control->nslots; i++)
	{
		ApikeySlotShared *slot = &apikey_control->slots[i];
		Oid			database = pg_atomic_read_u32(&slot->database);

		/*
		 * A process that is connected to the database may keep the address of
		 * the slot.  Who connects from now on has to look it up, and waits
		 * for our lock.
		 */
		if (OidIsValid(database) &&
			pg_atomic_read_u32(&slot->wanted) == 0 &&
			slot->pid[APIKEY_WORKER_WRITER] == 0 &&
			slot->pid[APIKEY_WORKER_HOUSEKEEPER] == 0 &&
			CountDBBackends(database) == 0)
		{
			/* nobody will write what is left, if the extension is gone */
			pg_atomic_write_u32(&slot->database, InvalidOid);
			apikey_limiter_abandon(database);
		}
	}
}

ApikeySlotShared *
apikey_slot_get(Oid database)
{
	ApikeySlotShared *slot;

	LWLockAcquire(apikey_control->lock, LW_SHARED);
	slot = apikey_slot_find(database);
	LWLockRelease(apikey_control->lock);
	if (slot != NULL)
		return slot;

	LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
	slot = apikey_slot_find(database);
	if (slot == NULL)
	{
		slot = apikey_slot_find(InvalidOid);
		if (slot == NULL)
		{
			apikey_slot_reclaim();
			slot = apikey_slot_find(InvalidOid);
		}
		if (slot != NULL)
			slot_assign(slot, database);
	}
	LWLockRelease(apikey_control->lock);
	return slot;
}

ApikeySlotShared *
apikey_slot_mine(bool create)
{
	if (likely(my_slot != NULL))
		return my_slot;
	if (!apikey_shmem_ready() || !OidIsValid(MyDatabaseId))
		return NULL;

	if (create)
	{
		TimestampTz now = GetCurrentTimestamp();

		/* all slots taken: do not fight for the lock with every call */
		if (now < my_slot_retry && now > my_slot_retry - SLOT_RETRY_US)
			return NULL;
		my_slot = apikey_slot_get(MyDatabaseId);
		my_slot_retry = now + SLOT_RETRY_US;
	}
	else
	{
		LWLockAcquire(apikey_control->lock, LW_SHARED);
		my_slot = apikey_slot_find(MyDatabaseId);
		LWLockRelease(apikey_control->lock);
	}
	return my_slot;
}

void
apikey_workers_needed(void)
{
	ApikeySlotShared *slot = apikey_slot_mine(true);

	if (slot == NULL)
		return;
	if (unlikely(created_here))
	{
		if (!counted_here)
		{
			pg_atomic_fetch_add_u32(&slot->creating, 1);
			counted_here = true;
		}
		needed_here = true;
	}
	if (unlikely(pg_atomic_read_u32(&slot->wanted) == 0))
	{
		pg_atomic_write_u32(&slot->wanted, 1);
		apikey_launcher_wake();
	}
}

/*
 * The latch pointers are read without the lock: they point into the array of
 * PGPROCs, which lives as long as the server, so the worst is a spurious wake
 * of somebody else.
 */
void
apikey_slot_wake(ApikeySlotShared *slot, ApikeyWorkerKind kind)
{
	Latch	   *latch = *(Latch *volatile *) &slot->latch[kind];

	if (latch != NULL)
		SetLatch(latch);
}

void
apikey_launcher_wake(void)
{
	Latch	   *latch = *(Latch *volatile *) &apikey_control->launcher_latch;

	if (latch != NULL)
		SetLatch(latch);
}

bool
apikey_held(Oid database)
{
	for (int i = 0; i < APIKEY_MAX_HOLDS; i++)
		if (apikey_control->holds[i].database == database)
			return true;
	return false;
}

void
apikey_slot_raise(pg_atomic_uint64 *position, uint64 to)
{
	uint64		old = pg_atomic_read_u64(position);

	while (old < to && !pg_atomic_compare_exchange_u64(position, &old, to))
		;
}

void
apikey_slot_discard(ApikeySlotShared *slot)
{
	uint64		upto = pg_atomic_read_u64(&slot->discard_until);
	uint64		pos = apikey_ring_tail(slot->ring);
	uint64		done = pos;
	uint64		n = 0;
	uint32		len;

	if (pos >= upto)
		return;
	while (pos < upto && apikey_ring_next(slot->ring, &pos, &len) != NULL)
	{
		done = pos;
		n++;
	}
	apikey_ring_release(slot->ring, done);
	pg_atomic_fetch_add_u64(&slot->discarded, n);
	apikey_slot_raise(&slot->durable, done);
	apikey_slot_raise(&slot->activity, done);
	ConditionVariableBroadcast(&slot->progress);
}

bool
apikey_slot_wait(ApikeySlotShared *slot, pg_atomic_uint64 *progress,
				 uint64 position, int64 timeout_ms)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	bool		reached;

	apikey_slot_wake(slot, APIKEY_WORKER_WRITER);
	ConditionVariablePrepareToSleep(&slot->progress);
	while (!(reached = pg_atomic_read_u64(progress) >= position))
	{
		long		rest = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		if (rest <= 0)
			break;

		/* the step is for a writer that starts meanwhile: wake it too */
		(void) ConditionVariableTimedSleep(&slot->progress, Min(rest, 100),
										   WaitEventExtensionNew("ApikeyUsageFlush"));
		apikey_slot_wake(slot, APIKEY_WORKER_WRITER);
	}
	ConditionVariableCancelSleep();
	return reached;
}

bool
apikey_once_a_minute(pg_atomic_uint64 *last)
{
	uint64		now = (uint64) GetCurrentTimestamp();
	uint64		old = pg_atomic_read_u64(last);

	if (old != 0 && now - old < USECS_PER_MINUTE)
		return false;
	return pg_atomic_compare_exchange_u64(last, &old, now);
}

void
apikey_slot_created(void)
{
	created_here = true;
	needed_here = false;
}

void
apikey_slot_dropped(void)
{
	ApikeySlotShared *slot = apikey_slot_mine(false);

	dropped_here = true;
	created_here = false;
	needed_here = false;
	if (slot != NULL)
		dropped_at = apikey_ring_head(slot->ring);
}

void
apikey_slot_undropped(void)
{
	dropped_here = false;
}

bool
apikey_slot_creating_here(void)
{
	return created_here;
}

void
apikey_slot_transaction_end(bool committed)
{
	ApikeySlotShared *slot;

	if (!created_here && !dropped_here && !counted_here)
		return;

	slot = apikey_slot_mine(false);
	if (slot != NULL)
	{
		bool		ended = false;

		if (committed && dropped_here)
		{
			apikey_slot_raise(&slot->discard_until, dropped_at);
			ended = !needed_here;
		}
		else if (!committed && created_here && !dropped_here)
		{
			/* there was no extension before, and there is none now */
			apikey_slot_raise(&slot->discard_until, apikey_ring_head(slot->ring));
			ended = true;
		}
		if (ended)
			pg_atomic_write_u32(&slot->wanted, 0);
		if (counted_here)
			pg_atomic_fetch_sub_u32(&slot->creating, 1);

		/* a writer that runs does it itself; without one it is for us */
		LWLockAcquire(apikey_control->lock, LW_EXCLUSIVE);
		if (slot->pid[APIKEY_WORKER_WRITER] == 0)
			apikey_slot_discard(slot);
		LWLockRelease(apikey_control->lock);
		for (int kind = 0; kind < APIKEY_NWORKERS; kind++)
			apikey_slot_wake(slot, kind);
		apikey_launcher_wake();
	}
	created_here = counted_here = needed_here = dropped_here = false;
	dropped_at = 0;
}

const char *
apikey_task_name(ApikeyTask task)
{
	return task_info[task].name;
}

ApikeyWorkerKind
apikey_task_worker(ApikeyTask task)
{
	return task_info[task].worker;
}

const char *
apikey_worker_name(ApikeyWorkerKind kind)
{
	return kind == APIKEY_WORKER_WRITER ? "apikey writer" : "apikey housekeeper";
}

void
apikey_task_record(ApikeySlotShared *slot, ApikeyTask task,
				   TimestampTz started, int64 rows, const char *error)
{
	ApikeyTaskStatsShared *stats = &slot->tasks[task];
	int64		duration = GetCurrentTimestamp() - started;
	char		text[4 * APIKEY_TASK_ERROR_MAX];

	text[0] = '\0';
	if (error != NULL)
	{
		int			len;

		/* mask before cutting: a key cut in two no longer looks like one */
		strlcpy(text, error, sizeof(text));
		(void) apikey_redact(text, strlen(text));
		len = pg_mbcliplen(text, strlen(text), APIKEY_TASK_ERROR_MAX - 1);
		text[len] = '\0';
	}

	LWLockAcquire(slot->task_lock, LW_EXCLUSIVE);
	stats->last_run = started;
	stats->duration_us = Max(duration, 0);
	stats->runs++;
	if (error != NULL)
		stats->failures++;
	else
		stats->rows = rows;
	strlcpy(stats->error, text, sizeof(stats->error));
	LWLockRelease(slot->task_lock);
}
