/*
 * batch.c
 *		One batch of the writer: from the ring into the table.
 *
 * Layer 5.  One transaction per batch.  The tail of the ring moves only after
 * the commit, with interrupts held over both, so that an event is neither lost
 * when the batch fails nor written twice when the writer is terminated.  The
 * records of a batch are read where they lie in the ring: what is published
 * does not change until the tail has passed it.
 *
 * Failure.  An error of the system (lock, disk, cancel) keeps the batch and
 * backs off: the ring fills, and then drops are counted.  An error of the data
 * (a constraint or trigger that somebody put on a partition) halves the batch
 * until the one event is found that cannot be stored, which is dropped and
 * counted.  So are, for a while, the events of a day whose partition is refused
 * again and again: others are waiting behind them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "activity.h"
#include "batch.h"
#include "leak.h"
#include "usage_event.h"
#include "usage_store.h"

#define BATCH_BYTES_MAX		(1024 * 1024)
#define BATCH_DAYS_MAX		32	/* days that one batch may touch */
#define TRANSACTION_MAX_MS	60000	/* a trigger that hangs must not hang us */
#define REFUSED_MAX			6	/* tries to make a partition: some 6 s */
#define LOST_DAY_MS			60000	/* until it is tried again */

/* What the events of one day span, for making partitions. */
typedef struct DaySpan
{
	int64		day;
	TimestampTz lo;
	TimestampTz hi;
} DaySpan;

/* A day that no partition can be made for. */
typedef struct LostDay
{
	int64		day;
	TimestampTz until;
} LostDay;

static ApikeySlotShared *slot;

/* the batch in progress */
static uint64 batch_end;		/* position behind it */
static int	batch_rows;
static int	batch_damaged;		/* records that are no event, or of a lost day */
static DaySpan days[BATCH_DAYS_MAX];
static int	ndays;

static int	row_limit = APIKEY_STORE_ROWS_MAX;	/* halved by errors of the
												 * data */
static uint64 ensured_until = 0;	/* partitions were made for what is before */
static LostDay lost_days[BATCH_DAYS_MAX];
static int	next_lost_day = 0;
static int	refusals = 0;		/* in a row, of partitions */
static int	failures = 0;		/* in a row */
static TimestampTz not_before = 0;

void
apikey_batch_init(ApikeySlotShared *my_slot)
{
	slot = my_slot;
}

TimestampTz
apikey_batch_not_before(void)
{
	return not_before;
}

int
apikey_batch_failures(void)
{
	return failures;
}

static bool
day_is_lost(TimestampTz at, TimestampTz now)
{
	for (int i = 0; i < BATCH_DAYS_MAX; i++)
		if (lost_days[i].until > now && lost_days[i].day == at / USECS_PER_DAY)
			return true;
	return false;
}

/* Note an event's day; false when the batch touches too many already. */
static bool
note_day(TimestampTz at)
{
	int64		day = at / USECS_PER_DAY;

	for (int i = 0; i < ndays; i++)
		if (days[i].day == day)
		{
			days[i].lo = Min(days[i].lo, at);
			days[i].hi = Max(days[i].hi, at);
			return true;
		}
	if (ndays == BATCH_DAYS_MAX)
		return false;
	days[ndays].day = day;
	days[ndays].lo = days[ndays].hi = at;
	ndays++;
	return true;
}

/* Collect what is published, up to the limits. */
static void
collect_batch(void)
{
	uint64		pos;
	const char *record;
	uint32		len;
	TimestampTz now = GetCurrentTimestamp();

	/* what a dropped extension has left is not for the new one */
	apikey_slot_discard(slot);

	pos = batch_end = apikey_ring_tail(slot->ring);
	batch_rows = batch_damaged = ndays = 0;
	apikey_usage_store_start();
	apikey_activity_start();
	apikey_leak_start();
	while (batch_rows < row_limit && apikey_usage_store_bytes() < BATCH_BYTES_MAX &&
		   (record = apikey_ring_next(slot->ring, &pos, &len)) != NULL)
	{
		ApikeyUsageEvent event;

		if (!apikey_event_decode(record, len, &event))
			batch_damaged++;	/* never seen */
		else if (day_is_lost(event.at, now))
			batch_damaged++;
		else if (!note_day(event.at))
			break;
		else
		{
			apikey_usage_store_add(&event, record, len);
			apikey_activity_note(&event);
			apikey_leak_note(&event);
			batch_rows++;
		}
		batch_end = pos;
	}
}

bool
apikey_batch_begin(const char *activity, ApikeyExtension *extension)
{
	if (!apikey_worker_begin(activity, extension))
		return false;
	(void) set_config_option("synchronous_commit", "off",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	enable_timeout_after(STATEMENT_TIMEOUT, TRANSACTION_MAX_MS);
	return true;
}

/* The end of the commit record is what make_durable of writer.c flushes. */
void
apikey_batch_commit(void)
{
	disable_timeout(STATEMENT_TIMEOUT, false);
	apikey_worker_commit();
	apikey_slot_raise(&slot->commit_lsn, XactLastCommitEnd);
}

/* Make the partitions of one day, in a transaction of its own. */
static bool
make_partitions(const DaySpan *day)
{
	ApikeyExtension extension;
	Oid			types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		values[] = {TimestampTzGetDatum(day->lo), TimestampTzGetDatum(day->hi)};

	if (!apikey_batch_begin("making usage partitions", &extension))
		return false;
	SPI_connect();
	if (SPI_execute_with_args("SELECT apikey._ensure_partition_for($1, $2)", 2,
							  types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not call apikey._ensure_partition_for()");
	SPI_finish();
	apikey_batch_commit();
	return true;
}

/* Store the batch and free its part of the ring; false: no extension. */
static bool
store_batch(TimestampTz seen_at)
{
	ApikeyExtension extension;
	uint64		size = batch_end - apikey_ring_tail(slot->ring);

	if (!apikey_batch_begin("storing usage", &extension))
		return false;
	apikey_usage_store_finish(extension.usage);
	apikey_leak_write();
	apikey_worker_prepare_commit();

	/* nothing may come between the commit and the new tail */
	HOLD_INTERRUPTS();
	apikey_batch_commit();
	apikey_ring_release(slot->ring, batch_end);
	pg_atomic_fetch_add_u64(&slot->written, batch_rows);
	pg_atomic_fetch_add_u64(&slot->discarded, batch_damaged);
	pg_atomic_fetch_add_u64(&slot->written_bytes, size);
	pg_atomic_write_u64(&slot->caught_up_at, (uint64) seen_at);
	ConditionVariableBroadcast(&slot->progress);
	RESUME_INTERRUPTS();

	apikey_activity_merge();
	apikey_leak_commit();
	return true;
}

/* Whether an error blames the rows, not the state of the system. */
static bool
is_data_error(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION ||
		category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_RAISE_EXCEPTION);
}

/* Give up the first event: nothing but dropping it lets the others through. */
static void
drop_event(void)
{
	uint64		pos = apikey_ring_tail(slot->ring);
	uint32		len;

	if (apikey_ring_next(slot->ring, &pos, &len) == NULL)
		return;
	apikey_ring_release(slot->ring, pos);
	pg_atomic_fetch_add_u64(&slot->discarded, 1);
	ConditionVariableBroadcast(&slot->progress);
	if (apikey_once_a_minute(&slot->drop_logged_at))
		ereport(LOG,
				(errmsg("usage events are dropped: they cannot be stored"),
				 errdetail("%s", apikey_worker_error),
				 errhint("Check constraints and triggers on the partitions of apikey.usage.")));
}

/* Whether a partition was refused, and will be again: not for want of a lock or disk. */
static bool
is_refusal(int sqlerrcode)
{
	int			category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return is_data_error(sqlerrcode) ||
		category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
		category == ERRCODE_FEATURE_NOT_SUPPORTED;
}

static void
lose_day(int64 day)
{
	lost_days[next_lost_day].day = day;
	lost_days[next_lost_day].until =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOST_DAY_MS);
	next_lost_day = (next_lost_day + 1) % BATCH_DAYS_MAX;
	ereport(LOG,
			(errmsg("usage events of a day are dropped: there is no partition for them"),
			 errdetail("%s", apikey_worker_error)));
}

/*
 * Make the partitions that a batch has missed, as many as can be made; false:
 * not all.
 */
static bool
make_partitions_after_error(void)
{
	volatile TimestampTz started = GetCurrentTimestamp();
	volatile bool done = true;
	volatile bool refused = false;
	volatile bool lost = false;

	apikey_worker_abort();
	for (volatile int i = 0; i < ndays; i++)
	{
		PG_TRY();
		{
			if (!make_partitions(&days[i]))
				apikey_worker_gone();
		}
		PG_CATCH();
		{
			done = false;
			if (is_refusal(apikey_worker_failed(APIKEY_TASK_USAGE, started)))
			{
				refused = true;
				if (refusals + 1 >= REFUSED_MAX)
				{
					lose_day(days[i].day);
					lost = true;
				}
			}
		}
		PG_END_TRY();
	}
	if (lost)
		refusals = 0;
	else if (refused)
		refusals++;
	if (!done)
		return lost;

	ensured_until = batch_end;

	/* the housekeeper makes those of the days to come */
	pg_atomic_write_u32(&slot->partitions_wanted, 1);
	apikey_slot_wake(slot, APIKEY_WORKER_HOUSEKEEPER);
	return true;
}

/* What to do after an error of a batch, in the PG_CATCH of it. */
static void
batch_failed(TimestampTz started)
{
	/* partitions are made on demand; a missing one is no failure yet */
	if (geterrcode() == ERRCODE_CHECK_VIOLATION && ensured_until < batch_end)
	{
		if (make_partitions_after_error())
			return;
	}
	else if (is_data_error(apikey_worker_failed(APIKEY_TASK_USAGE, started)))
	{
		if (row_limit > 1)
		{
			row_limit = Min(row_limit, Max(batch_rows, 2)) / 2;
			return;
		}
		drop_event();
		failures = 0;			/* it is progress, but not to be made in haste */
	}
	failures++;
	not_before = GetCurrentTimestamp() + apikey_backoff_ms(failures) * 1000;
}

ApikeyBatchResult
apikey_batch_write(void)
{
	volatile TimestampTz started = GetCurrentTimestamp();
	volatile bool stored = false;

	collect_batch();
	if (batch_end == apikey_ring_tail(slot->ring))
		return APIKEY_BATCH_NOTHING;
	PG_TRY();
	{
		stored = store_batch(started);
		if (!stored)
			apikey_worker_gone();
	}
	PG_CATCH();
	{
		batch_failed(started);
	}
	PG_END_TRY();

	if (!stored)
		return GetCurrentTimestamp() < not_before ? APIKEY_BATCH_FAILED : APIKEY_BATCH_MORE;
	apikey_task_record(slot, APIKEY_TASK_USAGE, started, batch_rows, NULL);
	failures = refusals = 0;
	if (batch_rows < row_limit && apikey_usage_store_bytes() < BATCH_BYTES_MAX &&
		ndays < BATCH_DAYS_MAX)
		return APIKEY_BATCH_DONE;
	row_limit = Min(row_limit * 2, APIKEY_STORE_ROWS_MAX);
	return APIKEY_BATCH_MORE;
}
