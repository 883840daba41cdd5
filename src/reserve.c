/*
 * reserve.c
 *		The writer's side of quotas and of rate limits that survive a crash.
 *
 * Layer 5.  The invariant is in reserve.h.  A round takes the requests that
 * wait and stores what it answers them in one transaction, together with units
 * that were given back and with new rows of limit_ledger.  What is stored is
 * granted when it is on disk; where a synchronous standby is asked for, that is
 * when the standby has confirmed it, and until then the writer goes on with
 * other work.  It does not wait in the commit: that wait would not see SIGTERM,
 * and one standby that is away would hold up all recording of usage.
 *
 * Failure.  Requests that could not be stored are refused: their buckets may
 * ask again, and who waits for them does until its time is over.  Nothing that
 * was stored is refused.  An error of the data stops the request that caused
 * it, not those that were in the same round.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "common/int.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "storage/condition_variable.h"
#include "utils/guc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "limit_rules.h"
#include "limiter.h"
#include "reserve.h"
#include "reserve_buckets.h"
#include "reserve_store.h"

#define TRANSACTION_MAX_MS	10000	/* a trigger that hangs must not hang us */
#define BACKOFF_MAX_MS		1000	/* clients wait */
#define CONFIRM_POLL_MS		5	/* for the standby */
#define PREPARED_LOOK_MS	1000	/* for the ledger, while prepared
									 * transactions are there */
#define TIDY_MS				5000
#define FORGET_FIRST_MS		(10 * 60 * 1000)
#define FORGET_MS			(60 * 60 * 1000)
#define CLOSE_TRIES			10
#define CLOSE_STEP_MS		100

/* A request, from where it is taken to where it is granted. */
typedef struct Work
{
	bool		taken;
	bool		chosen;			/* for the round in progress */
	bool		stored;
	bool		again;			/* stored, but what it was made from has
								 * changed */
	XLogRecPtr	lsn;			/* stored: on disk when this is */
	uint32		changes;		/* of its limit, before it was stored */
	int64		block;			/* stored and not granted */
	int64		stored_ceiling; /* limiter time; INT64_MIN: none */
	int64		ceiling;		/* limiter time */
	int64		rest;
	int64		credits;
	ApikeyReserveRequest request;
} Work;

static ApikeySlotShared *slot;
static Work works[APIKEY_RESERVE_MAX];	/* by their place in the queue */
static int	nstored = 0;		/* works that wait for the disk of a standby */

static uint64 ledger_seen = 0;	/* limits_changed that the ledger was read at */
static bool ledger_due = true;	/* what was there before this writer */
static bool ledger_unsure = true;	/* transactions were prepared since the
									 * last look, or may have been */
static TimestampTz ledger_look_at = 0;	/* 0: no prepared transactions */

/* quotas whose credits nobody told their buckets of */
static ApikeyBucketId unmarked[APIKEY_LEDGER_ROWS_MAX];
static int	nunmarked = 0;

static int	round_limit = APIKEY_RESERVE_MAX;
static int	failures = 0;		/* in a row */
static TimestampTz not_before = 0;
static TimestampTz tidy_at = 0;
static TimestampTz forget_at = 0;

void
apikey_reserve_init(ApikeySlotShared *my_slot)
{
	TimestampTz now = GetCurrentTimestamp();

	slot = my_slot;
	apikey_buckets_init();
	tidy_at = now + TIDY_MS * 1000L;
	forget_at = now + FORGET_FIRST_MS * 1000L;
}

static bool
ledger_wanted(TimestampTz now)
{
	return ledger_due ||
		pg_atomic_read_u64(&slot->limits_changed) != ledger_seen ||
		pg_atomic_read_u32(&slot->ledger_wanted) != 0 ||
		(ledger_look_at != 0 && now >= ledger_look_at);
}

bool
apikey_reserve_waiting(void)
{
	TimestampTz now = GetCurrentTimestamp();

	return now >= not_before &&
		((int) pg_atomic_read_u32(&slot->reserve_waiting) > nstored || ledger_wanted(now));
}

long
apikey_reserve_timeout(long timeout_ms)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until = Min(tidy_at, forget_at);

	if (nstored > 0)
		timeout_ms = Min(timeout_ms, CONFIRM_POLL_MS);
	if (ledger_look_at != 0)
		until = Min(until, ledger_look_at);
	if ((int) pg_atomic_read_u32(&slot->reserve_waiting) > nstored || failures > 0)
		until = Min(until, not_before);
	return Max(Min(timeout_ms, (until - now) / 1000 + 1), 0);
}

/* Release an entry of the queue; reserve_lock held exclusively. */
static void
free_entry(int i)
{
	slot->reserve[i].used = false;
	pg_atomic_fetch_sub_u32(&slot->reserve_waiting, 1);
	if (works[i].stored)
		nstored--;
	works[i].taken = works[i].stored = false;
}

/*
 * Take what is new in the queue.  Requests of an extension that was dropped
 * are for nobody: they are refused, so that their buckets become free.
 */
static void
take_requests(void)
{
	uint64		discard_until = pg_atomic_read_u64(&slot->discard_until);

	LWLockAcquire(slot->reserve_lock, LW_EXCLUSIVE);
	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
	{
		ApikeyReserveEntryShared *entry = &slot->reserve[i];

		if (!entry->used || works[i].taken)
			continue;
		memset(&works[i], 0, sizeof(Work));
		works[i].request = entry->request;
		works[i].taken = true;
		if (entry->posted_at < discard_until)
		{
			apikey_limiter_refuse(entry->request.bucket, entry->request.id);
			free_entry(i);
		}
	}
	LWLockRelease(slot->reserve_lock);
}

/* Whether an earlier request of the round is about the same row. */
static bool
row_chosen(int upto, const ApikeyReserveRequest *request)
{
	for (int i = 0; i < upto; i++)
		if (works[i].chosen && works[i].request.kind == request->kind &&
			works[i].request.window == request->window &&
			memcmp(works[i].request.durable_id, request->durable_id, APIKEY_LIMIT_ID_LEN) == 0)
			return true;
	return false;
}

/* Choose what this round answers, and note what may change meanwhile. */
static int
choose_requests(bool *ledger)
{
	int			count = 0;

	LWLockAcquire(slot->reserve_lock, LW_SHARED);
	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
	{
		Work	   *work = &works[i];

		work->chosen = work->taken && (!work->stored || work->again) &&
			count < round_limit && !row_chosen(i, &work->request);
		if (work->chosen)
		{
			work->changes = slot->limit_changes[apikey_reserve_change_index(work->request.id)];
			count++;
		}
	}
	*ledger = ledger_wanted(GetCurrentTimestamp());
	if (*ledger)
	{
		ledger_seen = pg_atomic_read_u64(&slot->limits_changed);
		ledger_due = true;		/* until it is done */
	}
	LWLockRelease(slot->reserve_lock);
	return count;
}

/* ---- one transaction ---- */

static int64
add_saturated(int64 a, int64 b)
{
	int64		sum;

	if (!pg_add_s64_overflow(a, b, &sum))
		return sum;
	return b > 0 ? PG_INT64_MAX : PG_INT64_MIN;
}

static void
store_quotas(void)
{
	ApikeyReserveAnswer answers[APIKEY_RESERVE_MAX];
	Work	   *of[APIKEY_RESERVE_MAX];
	int			count = 0;

	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
	{
		Work	   *work = &works[i];
		const ApikeyBucketShared *bucket = work->request.bucket;

		if (!work->chosen || work->request.kind != APIKEY_BUCKET_QUOTA)
			continue;
		apikey_buckets_note(&work->request);
		of[count] = work;
		answers[count].request = &work->request;
		answers[count].need = work->request.need;

		/* a hint, for quota_state.used */
		answers[count].left = bucket->window == work->request.window ? bucket->left : 0;
		count++;
	}
	if (count == 0)
		return;
	apikey_store_quotas(answers, count);
	for (int i = 0; i < count; i++)
	{
		of[i]->block = answers[i].block;
		of[i]->rest = answers[i].rest;
		of[i]->credits = answers[i].credits;
	}
}

/*
 * The new ceiling is a quarter of the capacity beyond what is needed now, which
 * is also what lets the request pass when it comes back some time later.  That
 * it is rounded up to microseconds is granted too.
 */
static void
store_rates(void)
{
	ApikeyReserveAnswer answers[APIKEY_RESERVE_MAX];
	Work	   *of[APIKEY_RESERVE_MAX];
	int			count = 0;
	int			moved = 0;

	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
		if (works[i].chosen && works[i].request.kind == APIKEY_BUCKET_RATE)
		{
			apikey_buckets_note(&works[i].request);
			of[count] = &works[i];
			answers[count++].request = &works[i].request;
		}
	if (count == 0)
		return;
	apikey_store_read_ceilings(answers, count);
	for (int i = 0; i < count; i++)
	{
		const ApikeyReserveRequest *request = answers[i].request;
		const ApikeyBucketShared *bucket = request->bucket;
		bool		loaded = (bucket->flags & APIKEY_BUCKET_LOADED) != 0;
		int64		stored = PG_INT64_MIN;
		int64		state;
		int64		wanted;

		if (answers[i].found)
			stored = apikey_buckets_time(answers[i].ceiling, request->wall_offset);

		/*
		 * a stored debt beyond capacity will be cut
		 * (apikey_limiter_grant_rate)
		 */
		state = loaded ? bucket->tat :
			Min(stored, add_saturated(request->now, request->capacity));
		state = Max(state, request->now);
		wanted = add_saturated(state, add_saturated(request->room, request->capacity / 4));
		of[i]->stored_ceiling = stored;
		of[i]->ceiling = stored;
		if (stored < wanted)
		{
			answers[i].ceiling = apikey_buckets_timestamp(wanted, request->wall_offset);
			of[i]->ceiling = apikey_buckets_time(answers[i].ceiling, request->wall_offset);
			answers[moved++] = answers[i];
		}
	}
	if (moved > 0)
		apikey_store_ceilings(answers, moved);
}

/*
 * What a reset has to know of the buckets.  Whatever was granted is taken back
 * first; blocks that are stored and not granted yet will be.  Who commits
 * credits marks their bucket, but for COMMIT PREPARED nobody does.
 */
static void
look_at_buckets(ApikeyLedgerRow *rows, int count, bool mark)
{
	nunmarked = 0;
	for (int n = 0; n < count; n++)
	{
		ApikeyLedgerRow *row = &rows[n];

		if (!row->reset)
		{
			if (mark)
				unmarked[nunmarked++] = apikey_limit_rules_bucket_id(row->limit_id);
			continue;
		}
		row->in_use = apikey_buckets_take_back(row->limit_id, row->quota);
		for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
		{
			Work	   *work = &works[i];

			if (!work->stored ||
				memcmp(work->request.durable_id, row->limit_id, APIKEY_LIMIT_ID_LEN) != 0)
				continue;

			/* the ceiling that was stored for it will not be on disk any more */
			if (!row->quota)
				work->again = true;
			else if (work->request.window == row->window)
				row->held = add_saturated(row->held, work->block);
		}
	}
}

/* Everything of a round; returns the number of rows of the ledger. */
static int
store_all(bool ledger, bool *prepared)
{
	ApikeyLedgerRow *rows = NULL;
	int			nrows = 0;

	if (ledger)
	{
		/* first: what is prepared now may be committed by the next line */
		*prepared = apikey_store_prepared();
		rows = apikey_store_read_ledger(&nrows);
		look_at_buckets(rows, nrows, ledger_unsure || *prepared);
	}

	/* what was given back comes first: it may be taken again right here */
	apikey_buckets_store();
	if (nrows > 0)
		apikey_store_ledger(rows, nrows);
	store_quotas();
	store_rates();
	return nrows;
}

static bool
begin_transaction(const char *activity)
{
	ApikeyExtension extension;

	if (!apikey_worker_begin(activity, &extension))
		return false;
	(void) set_config_option("synchronous_commit", "local",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	enable_timeout_after(STATEMENT_TIMEOUT, TRANSACTION_MAX_MS);
	SPI_connect();
	return true;
}

/* Returns where the log has to be flushed to; interrupts are held by the caller. */
static XLogRecPtr
commit_transaction(void)
{
	bool		wrote = TransactionIdIsValid(GetTopTransactionIdIfAny());

	disable_timeout(STATEMENT_TIMEOUT, false);
	apikey_worker_commit();
	return wrote ? XactLastCommitEnd : InvalidXLogRecPtr;
}

/* Errors of rows, as opposed to those of the system. */
static bool
is_data_error(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION) ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_PLPGSQL_ERROR);
}

/* The round failed: in its PG_CATCH. */
static void
round_failed(TimestampTz started, int count)
{
	int			sqlerrcode = apikey_worker_failed(APIKEY_TASK_LIMITS, started);

	if (count > 1 && is_data_error(sqlerrcode))
	{
		round_limit = 1;		/* find the one */
		return;
	}
	failures++;
	not_before = GetCurrentTimestamp() + Min(apikey_backoff_ms(failures), BACKOFF_MAX_MS) * 1000L;
	LWLockAcquire(slot->reserve_lock, LW_EXCLUSIVE);
	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
		if (works[i].chosen && !works[i].stored)
		{
			apikey_limiter_refuse(works[i].request.bucket, works[i].request.id);
			free_entry(i);
		}
	LWLockRelease(slot->reserve_lock);
	ConditionVariableBroadcast(&slot->progress);
}

/* The round is committed: interrupts are held. */
static void
round_committed(XLogRecPtr lsn, int ledger_rows, bool ledger, bool prepared)
{
	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
	{
		Work	   *work = &works[i];

		if (!work->chosen)
			continue;
		if (!work->stored)
			nstored++;
		work->stored = true;
		work->again = false;
		work->lsn = Max(work->lsn, lsn);

		/* if it must be stored again, for what has changed only */
		work->request.need = 0;
		work->chosen = false;
	}
	apikey_buckets_stored();
	if (tidy_at == DT_NOEND && apikey_buckets_known())
		tidy_at = GetCurrentTimestamp() + TIDY_MS * 1000L;
	if (ledger)
	{
		for (int i = 0; i < nunmarked; i++)
			apikey_limiter_reset(unmarked[i]);
		nunmarked = 0;
		ledger_due = (ledger_rows == APIKEY_LEDGER_ROWS_MAX);
		ledger_unsure = prepared || ledger_due;
		ledger_look_at = prepared ?
			GetCurrentTimestamp() + PREPARED_LOOK_MS * 1000L : 0;
	}
}

/* Store what waits; false: it failed, or there was nothing. */
static bool
run_round(void)
{
	volatile TimestampTz started = GetCurrentTimestamp();
	volatile bool done = false;
	bool		ledger;
	volatile int count = choose_requests(&ledger);
	bool		prepared = false;

	if (count == 0 && !ledger && !apikey_buckets_to_store())
		return false;
	if (ledger && pg_atomic_exchange_u32(&slot->ledger_wanted, 0) != 0)
		ledger_unsure = true;
	PG_TRY();
	{
		if (!begin_transaction("reserving units of limits"))
			apikey_worker_gone();
		else
		{
			int			rows = store_all(ledger, &prepared);
			XLogRecPtr	lsn;

			SPI_finish();
			apikey_worker_prepare_commit();

			/* nothing may come between the commit and its notes */
			HOLD_INTERRUPTS();
			lsn = commit_transaction();
			round_committed(lsn, rows, ledger, prepared);
			RESUME_INTERRUPTS();
			apikey_task_record(slot, APIKEY_TASK_LIMITS, started, count + rows, NULL);
			failures = 0;
			round_limit = Min(round_limit * 2, APIKEY_RESERVE_MAX);
			done = true;
		}
	}
	PG_CATCH();
	{
		round_failed(started, count);
	}
	PG_END_TRY();
	return done;
}

/* ---- grants ---- */

/* Whether a commit is where the server's synchronous_commit wants it. */
static bool
is_confirmed(XLogRecPtr lsn)
{
	int			mode = SYNC_REP_WAIT_FLUSH;
	bool		confirmed;

	if (lsn == InvalidXLogRecPtr || !SyncRepRequested() ||
		SyncRepStandbyNames == NULL || SyncRepStandbyNames[0] == '\0')
		return true;
	if (synchronous_commit == SYNCHRONOUS_COMMIT_REMOTE_WRITE)
		mode = SYNC_REP_WAIT_WRITE;
	else if (synchronous_commit >= SYNCHRONOUS_COMMIT_REMOTE_APPLY)
		mode = SYNC_REP_WAIT_APPLY;
	LWLockAcquire(SyncRepLock, LW_SHARED);
	confirmed = WalSndCtl->lsn[mode] >= lsn;
	LWLockRelease(SyncRepLock);
	return confirmed;
}

/* reserve_lock is held, and interrupts with it. */
static void
grant(const Work *work)
{
	const ApikeyReserveRequest *request = &work->request;

	if (request->kind == APIKEY_BUCKET_RATE)
		(void) apikey_limiter_grant_rate(request->bucket, request->id, work->stored_ceiling,
										 request->capacity, work->ceiling);
	else
		(void) apikey_limiter_grant_quota(request->bucket, request->id, request->window,
										  request->limit, work->credits, work->block, work->rest);
}

/*
 * Grant what is on disk.  A rate limit that was reset since it was read would
 * get its old debt back: it is read again.  Quotas need no such care, their
 * buckets keep the mark that they have to ask once more.
 */
static void
grant_stored(void)
{
	bool		any = false;

	if (nstored == 0)
		return;
	LWLockAcquire(slot->reserve_lock, LW_EXCLUSIVE);
	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
	{
		Work	   *work = &works[i];

		if (!work->stored || work->again || !is_confirmed(work->lsn))
			continue;
		if (work->request.kind == APIKEY_BUCKET_RATE &&
			work->changes != slot->limit_changes[apikey_reserve_change_index(work->request.id)])
		{
			work->again = true;
			continue;
		}
		grant(work);
		free_entry(i);
		any = true;
	}
	LWLockRelease(slot->reserve_lock);
	if (any)
		ConditionVariableBroadcast(&slot->progress);
}

static bool
work_again(void)
{
	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
		if (works[i].again)
			return true;
	return false;
}

/* ---- now and then ---- */

/* Show what is used, take back what is idle; it is stored by the next round. */
static void
tidy(void)
{
	apikey_buckets_tidy();
	tidy_at = apikey_buckets_known() ? GetCurrentTimestamp() + TIDY_MS * 1000L : DT_NOEND;
}

/* Find out whose the buckets are that an earlier writer has granted. */
static void
learn(void)
{
	volatile TimestampTz started = GetCurrentTimestamp();

	PG_TRY();
	{
		if (!begin_transaction("reading limits"))
			apikey_worker_gone();
		else
		{
			int			count;
			ApikeyDurableLimit *limits = apikey_store_durable(&count);

			apikey_buckets_learn(limits, count);
			SPI_finish();
			(void) commit_transaction();
		}
	}
	PG_CATCH();
	{
		(void) apikey_worker_failed(APIKEY_TASK_LIMITS, started);
	}
	PG_END_TRY();
}

static void
forget(void)
{
	volatile TimestampTz started = GetCurrentTimestamp();

	forget_at = started + FORGET_MS * 1000L;
	PG_TRY();
	{
		if (!begin_transaction("deleting old limits"))
			apikey_worker_gone();
		else
		{
			int64		rows = apikey_store_forget();

			SPI_finish();
			(void) commit_transaction();
			apikey_task_record(slot, APIKEY_TASK_LIMITS, started, rows, NULL);
		}
	}
	PG_CATCH();
	{
		(void) apikey_worker_failed(APIKEY_TASK_LIMITS, started);
	}
	PG_END_TRY();
}

void
apikey_reserve_run(void)
{
	TimestampTz now;

	grant_stored();
	now = GetCurrentTimestamp();
	if (now < not_before)
		return;
	if ((int) pg_atomic_read_u32(&slot->reserve_waiting) > nstored)
		take_requests();
	if (now >= tidy_at)
	{
		tidy();
		if (apikey_buckets_unknown())
		{
			learn();
			tidy_at = now + TIDY_MS * 1000L;
		}
	}
	while (run_round())
	{
		grant_stored();
		if (!work_again())
			break;
	}
	if (now >= forget_at)
		forget();
}

void
apikey_reserve_close(void)
{
	if (apikey_buckets_unknown_any())
		learn();

	/* blocks that were stored and not granted go back with the rest */
	LWLockAcquire(slot->reserve_lock, LW_EXCLUSIVE);
	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
		if (works[i].taken)
		{
			if (works[i].stored && works[i].request.kind == APIKEY_BUCKET_QUOTA)
				apikey_buckets_give_back(works[i].request.durable_id, works[i].request.window,
										 works[i].block);
			apikey_limiter_refuse(works[i].request.bucket, works[i].request.id);
			free_entry(i);
		}
	LWLockRelease(slot->reserve_lock);
	apikey_buckets_close();
	ConditionVariableBroadcast(&slot->progress);

	for (int i = 0; i < CLOSE_TRIES && apikey_buckets_to_store(); i++)
	{
		if (run_round())
			break;
		(void) apikey_worker_sleep(CLOSE_STEP_MS, WaitEventExtensionNew("ApikeyWriterStop"));
	}
}
