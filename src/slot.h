/*
 * slot.h
 *		What the processes of one database share, and how it is found.
 *
 * Layer 2.
 *
 * The control block holds apikey.max_databases slots.  A slot belongs to one
 * database from the first verification, management call or probe there until
 * nobody needs it any more: a backend may keep the address of its database's
 * slot for its whole life, because a slot is given to another database only
 * while no process is connected to the old one (apikey_slot_reclaim).
 *
 * Locks (all LWLocks of tranche "apikey", taken in this order, one of each)
 *		control->lock	which slot belongs to which database, holds, worker
 *						and probe pids
 *		slot->task_lock	the task table of that slot
 *		slot->reserve_lock	the requests to the writer, the count of changes of
 *						limits; under it limit buckets are marked, granted and
 *						refused (limiter.h)
 * Nothing that can raise an error, allocate or wait runs under any of them.
 *
 * Who writes what, besides the ring (ring.h)
 *		database				control->lock exclusive; read without lock by
 *								its own backends
 *		wanted					any backend (true); the writer and sessions that
 *								end the extension or drop the database (false)
 *		creating				sessions with an uncommitted CREATE EXTENSION
 *		discard_until			sessions that end the extension, the writer
 *		writer_idle				set by the writer, cleared by the push that wakes it
 *								(which also sets busy_since)
 *		sync_wanted, flush_wanted	raised by waiting sessions, never lowered: a
 *								session that is killed leaves nothing to undo
 *		dropped, suppressed, unknown_window		producers
 *		written, written_bytes, commit_lsn, durable, activity, caught_up_at,
 *		discarded				the writer
 *		auto_throttle			the housekeeper
 *		tasks[]					the worker that runs the task, task_lock
 *		reserve[]				who posts fills a free entry, the writer frees it,
 *								reserve_lock; reserve_waiting counts them
 *		limits_changed, limit_changes[]	sessions whose add_credits() or
 *								reset_limits() is committed, reserve_lock
 *		ledger_wanted			sessions that prepare such a transaction (true);
 *								the writer (false)
 */
#ifndef APIKEY_SLOT_H
#define APIKEY_SLOT_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#include "reserve_queue.h"
#include "ring.h"
#include "shmem.h"

#define APIKEY_TASK_ERROR_MAX	256
#define APIKEY_MAX_HOLDS		16

typedef enum ApikeyWorkerKind
{
	APIKEY_WORKER_WRITER,
	APIKEY_WORKER_HOUSEKEEPER,
	APIKEY_NWORKERS
} ApikeyWorkerKind;

/* The tasks of a database; apikey_task_name() and apikey_task_worker() tell of them. */
typedef enum ApikeyTask
{
	APIKEY_TASK_USAGE,
	APIKEY_TASK_ACTIVITY,
	APIKEY_TASK_LIMITS,
	APIKEY_TASK_REVOCATIONS,
	APIKEY_TASK_EXPIRY,
	APIKEY_TASK_IDLE,
	APIKEY_TASK_PARTITIONS,
	APIKEY_TASK_RETENTION,
	APIKEY_TASK_ROLLUPS,
	APIKEY_TASK_ROLLUP_RETENTION,
	APIKEY_TASK_BUDGETS,
	APIKEY_NTASKS
} ApikeyTask;

typedef struct ApikeyTaskStatsShared
{
	TimestampTz last_run;		/* 0 = never */
	int64		duration_us;	/* of the last run */
	int64		rows;			/* of the last run that succeeded */
	int64		runs;
	int64		failures;
	char		error[APIKEY_TASK_ERROR_MAX];	/* of the last run, "" = fine */
} ApikeyTaskStatsShared;

/* A request to the writer; reserve_queue.h tells its life. */
typedef struct ApikeyReserveEntryShared
{
	bool		used;
	uint64		posted_at;		/* head of the ring then: what is before
								 * discard_until is of a dropped extension */
	ApikeyReserveRequest request;
} ApikeyReserveEntryShared;

typedef struct ApikeySlotShared
{
	/* read by every push, seldom written */
	pg_atomic_uint32 database;	/* Oid; 0 = free */
	pg_atomic_uint32 wanted;	/* workers shall run */
	pg_atomic_uint32 writer_idle;	/* the writer sleeps until it is woken */
	pg_atomic_uint32 creating;	/* uncommitted CREATE EXTENSIONs in use */
	pg_atomic_uint32 partitions_wanted; /* writer to housekeeper */
	pg_atomic_uint32 look_wanted;	/* housekeeper to writer: is the extension
									 * still there? */
	pg_atomic_uint32 reserve_waiting;	/* entries of reserve[] in use */
	pg_atomic_uint32 ledger_wanted; /* prepared transactions may hold rows of
									 * limit_ledger */
	LWLock	   *task_lock;		/* constant */
	LWLock	   *reserve_lock;	/* constant */
	ApikeyRingShared *ring;		/* constant */

	/* counters of producers */
	pg_atomic_uint64 dropped;	/* events that will never be written */
	pg_atomic_uint64 suppressed;	/* over apikey.usage_unknown_rate, or
									 * blocked by the guard after the first */
	pg_atomic_uint64 unknown_window;	/* second << 32 | events in it */
	pg_atomic_uint32 auto_throttle; /* millionths, set by the housekeeper */
	pg_atomic_uint64 drop_logged_at;	/* TimestampTz of the last log line */

	/* progress, positions in the ring */
	pg_atomic_uint64 discard_until; /* older events are of a dropped extension */
	pg_atomic_uint64 sync_wanted;	/* somebody waits for durable */
	pg_atomic_uint64 flush_wanted;	/* somebody waits for activity */
	pg_atomic_uint64 durable;	/* written and flushed up to here */
	pg_atomic_uint64 commit_lsn;	/* end of the last commit record */
	pg_atomic_uint64 activity;	/* key_activity flushed up to here */
	pg_atomic_uint64 written;	/* events */
	pg_atomic_uint64 discarded; /* pushed events the writer gave up */
	pg_atomic_uint64 written_bytes;
	pg_atomic_uint64 busy_since;	/* TimestampTz: idle writer was woken */
	pg_atomic_uint64 caught_up_at;	/* TimestampTz: all events before it are
									 * committed */
	ConditionVariable progress; /* durable or activity moved, or requests were
								 * answered */

	/* protected by control->lock */
	pid_t		pid[APIKEY_NWORKERS];	/* 0 = not running */
	Latch	   *latch[APIKEY_NWORKERS]; /* of the process; NULL = none */
	int			exit_code[APIKEY_NWORKERS]; /* of the last one */

	/* protected by task_lock */
	ApikeyTaskStatsShared tasks[APIKEY_NTASKS];

	/* protected by reserve_lock; limits_changed is read without it too */
	pg_atomic_uint64 limits_changed;	/* commits that changed limits */
	uint32		limit_changes[APIKEY_LIMIT_CHANGES];	/* the same, by hash of
														 * the bucket's id */
	ApikeyReserveEntryShared reserve[APIKEY_RESERVE_MAX];
} ApikeySlotShared;

/* Workers keep away from this database while a hold exists. */
typedef struct ApikeyHoldShared
{
	Oid			database;		/* InvalidOid = free entry */
	pid_t		owner;			/* the session that does DDL on it */
} ApikeyHoldShared;

typedef struct ApikeyControlShared
{
	LWLock	   *lock;			/* constant */
	int			nslots;			/* constant */
	Size		ring_size;		/* constant: bytes of each ring */

	pg_atomic_uint64 unslotted; /* events of databases that got no slot */
	pg_atomic_uint64 full_logged_at;	/* TimestampTz of the last log line */

	/* protected by lock */
	pid_t		launcher_pid;
	Latch	   *launcher_latch; /* NULL = no launcher */
	Oid			probe_database;
	pid_t		probe_pid;		/* 0 = no probe running */
	bool		probe_done;		/* the last probe came to an answer */
	ApikeyHoldShared holds[APIKEY_MAX_HOLDS];

	ApikeySlotShared slots[FLEXIBLE_ARRAY_MEMBER];
} ApikeyControlShared;

/* NULL when the library was not preloaded. */
extern ApikeyControlShared *apikey_control;

/* Set up by shmem.c. */
extern Size apikey_slot_shmem_size(void);
extern void apikey_slot_shmem_init(void *memory, bool found);
extern int	apikey_slot_lwlocks(void);

/*
 * apikey_workers_needed makes the workers of the current database run; cheap
 * when they already do.  Called by verify() and every management function.
 * They start when the extension's creation is committed.
 */
extern void apikey_workers_needed(void);

/*
 * apikey_slot_wait waits until *progress (durable or activity of the slot)
 * reaches position, at most timeout_ms; ends at cancel and terminate.  False:
 * it did not.  The caller raises sync_wanted or flush_wanted first.
 */
extern bool apikey_slot_wait(ApikeySlotShared *slot, pg_atomic_uint64 *progress,
							 uint64 position, int64 timeout_ms);

/*
 * apikey_slot_discard gives up the events before discard_until: those of an
 * extension that is gone.  All of them are published, who pushed them has
 * finished its transaction.  Only for the writer, or with control->lock held
 * exclusively while there is none: it moves the tail of the ring.
 */
extern void apikey_slot_discard(ApikeySlotShared *slot);

/* apikey_slot_raise sets an atomic position to the later of the two. */
extern void apikey_slot_raise(pg_atomic_uint64 *position, uint64 to);

/*
 * apikey_slot_mine returns the slot of the current database, NULL when it has
 * none and create is false or no slot is left.
 */
extern ApikeySlotShared *apikey_slot_mine(bool create);

/* apikey_slot_find returns the slot of a database or NULL; lock held. */
extern ApikeySlotShared *apikey_slot_find(Oid database);

/* apikey_slot_get finds or makes the slot of a database; NULL: none left. */
extern ApikeySlotShared *apikey_slot_get(Oid database);

/* apikey_slot_reclaim frees the slots nobody needs; lock held exclusively. */
extern void apikey_slot_reclaim(void);

/* apikey_slot_wake sets the latch of a worker of the slot. */
extern void apikey_slot_wake(ApikeySlotShared *slot, ApikeyWorkerKind kind);

extern void apikey_launcher_wake(void);

/* apikey_held tells whether a database is held; lock held. */
extern bool apikey_held(Oid database);

/* apikey_once_a_minute tells whether a log line is due, and notes it. */
extern bool apikey_once_a_minute(pg_atomic_uint64 *last);

/*
 * The extension's life in this transaction, as dbhook.c sees it: created and
 * dropped at the command, undropped when a savepoint took the drop back,
 * transaction_end once.  creating_here tells whether this transaction made the
 * extension, so that no worker can see it yet.
 */
extern void apikey_slot_created(void);
extern void apikey_slot_dropped(void);
extern void apikey_slot_undropped(void);
extern void apikey_slot_transaction_end(bool committed);
extern bool apikey_slot_creating_here(void);

/* apikey_task_name returns the name of a task, apikey_task_worker who runs it. */
extern const char *apikey_task_name(ApikeyTask task);
extern ApikeyWorkerKind apikey_task_worker(ApikeyTask task);
extern const char *apikey_worker_name(ApikeyWorkerKind kind);

/*
 * apikey_task_record notes the end of a run; error NULL = success.  The error
 * text is redacted and cut.
 */
extern void apikey_task_record(ApikeySlotShared *slot, ApikeyTask task,
							   TimestampTz started, int64 rows, const char *error);

#endif							/* APIKEY_SLOT_H */
