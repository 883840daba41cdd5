/*
 * worker.h
 *		What the per-database workers have in common.
 *
 * Layer 5.
 *
 * Life of a worker: the launcher registers it (never-restart, database OID as
 * argument); it checks in at the slot of its database, unless the database is
 * held or another one of its kind runs; connects; works; checks out.  It ends
 * on SIGTERM, when the extension is gone, and when the slot no longer wants
 * workers.  The launcher starts it again as long as the slot wants it.
 *
 * A worker holds no lock and no snapshot while it sleeps, sleeps on MyLatch
 * only, and passes CHECK_FOR_INTERRUPTS after every sleep: else it would stop
 * DROP DATABASE of any database (ProcSignalBarrier).
 */
#ifndef APIKEY_WORKER_H
#define APIKEY_WORKER_H

#include "postgres.h"

#include "libpq/pqsignal.h"

#include "compat.h"
#include "slot.h"

/* The extension as one transaction of a worker sees it. */
typedef struct ApikeyExtension
{
	Oid			oid;
	Oid			owner;
	Oid			usage;			/* OID of table apikey.usage */
} ApikeyExtension;

extern PGDLLEXPORT void apikey_writer_main(Datum arg);
extern PGDLLEXPORT void apikey_housekeeper_main(Datum arg);
extern PGDLLEXPORT void apikey_probe_main(Datum arg);

/*
 * apikey_worker_start makes this process the worker of a kind of database arg
 * and returns its slot; ends the process when it may not run.
 */
extern ApikeySlotShared *apikey_worker_start(Datum arg, ApikeyWorkerKind kind,
											 pqsigfunc on_sigterm, int lock_timeout_ms);

/* Memory that is emptied by apikey_worker_turn. */
extern MemoryContext apikey_worker_context;

/*
 * apikey_worker_turn starts a turn of the main loop: interrupts, configuration,
 * memory.
 */
extern void apikey_worker_turn(void);

/* apikey_worker_sleep sleeps until the latch is set, at most timeout_ms. */
extern bool apikey_worker_sleep(long timeout_ms, uint32 wait_event);

/*
 * apikey_worker_begin opens a transaction with a snapshot as the owner of the
 * extension and holds the extension in place until its end.  False, and no
 * transaction: there is no extension.
 */
extern bool apikey_worker_begin(const char *activity, ApikeyExtension *extension);

/*
 * apikey_worker_commit commits it.  What somebody's deferred trigger does
 * belongs before that, where it is still the owner's and can be cancelled:
 * apikey_worker_prepare_commit runs it (commit does too).
 */
extern void apikey_worker_prepare_commit(void);
extern void apikey_worker_commit(void);

/*
 * apikey_worker_failed is for PG_CATCH: aborts, notes the error in the task
 * table, logs it (the same one at most once a minute), and returns its
 * SQLSTATE.  The message is left in apikey_worker_error.
 */
extern int	apikey_worker_failed(ApikeyTask task, TimestampTz started);
extern char apikey_worker_error[APIKEY_TASK_ERROR_MAX];

/* apikey_worker_abort is the part of it that does not note or log. */
extern void apikey_worker_abort(void);

/*
 * apikey_worker_gone ends the worker when the extension is gone for good;
 * returns when it was made again meanwhile.
 */
extern void apikey_worker_gone(void);

/* apikey_worker_held tells whether DDL on our database wants us away. */
extern bool apikey_worker_held(void);

/* apikey_server_stopping tells whether the postmaster is shutting down. */
extern bool apikey_server_stopping(void);

/* apikey_backoff_ms returns how long to wait after that many failures. */
extern long apikey_backoff_ms(int failures);

#endif							/* APIKEY_WORKER_H */
