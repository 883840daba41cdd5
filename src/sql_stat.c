/*
 * sql_stat.c
 *		_stat_usage(), _stat_worker(), _stat_limits(), flush_usage(): a look at
 *		the workers and at shared memory.
 *
 * Layer 6.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "load.h"
#include "limiter.h"
#include "shmem.h"
#include "slot.h"

PG_FUNCTION_INFO_V1(apikey_stat_usage);
PG_FUNCTION_INFO_V1(apikey_stat_worker);
PG_FUNCTION_INFO_V1(apikey_stat_limits);
PG_FUNCTION_INFO_V1(apikey_flush_usage);

static Datum
microseconds_as_interval(int64 us)
{
	Interval   *result = palloc0(sizeof(Interval));

	result->time = us;
	return IntervalPGetDatum(result);
}

/* One row: the counters of the database since the server started. */
Datum
apikey_stat_usage(PG_FUNCTION_ARGS)
{
	ApikeySlotShared *slot;
	TupleDesc	desc;
	Datum		values[8];
	bool		nulls[8] = {false};
	uint64		written = 0;
	uint64		discarded = 0;
	uint64		waiting = 0;
	uint64		dropped;
	uint64		suppressed = 0;
	uint64		bytes = 0;
	int64		lag = 0;

	apikey_require_shmem();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 8)
		elog(ERROR, "unexpected row type of apikey._stat_usage()");

	slot = apikey_slot_mine(false);
	if (slot != NULL)
	{
		/* in this order, so that nothing seems to be written before it came */
		written = pg_atomic_read_u64(&slot->written);
		discarded = pg_atomic_read_u64(&slot->discarded);
		bytes = pg_atomic_read_u64(&slot->written_bytes);
		pg_read_barrier();
		waiting = apikey_ring_pushed(slot->ring) - written - discarded;
		dropped = pg_atomic_read_u64(&slot->dropped) + discarded;
		suppressed = pg_atomic_read_u64(&slot->suppressed);
		if (waiting > 0)
			lag = apikey_load_lag(slot);
	}
	else
		dropped = pg_atomic_read_u64(&apikey_control->unslotted);

	values[0] = Int64GetDatum((int64) written);
	values[1] = Int64GetDatum((int64) waiting);
	values[2] = Int64GetDatum((int64) dropped);
	values[3] = Int64GetDatum((int64) suppressed);
	values[4] = Int64GetDatum((int64) bytes);
	values[5] = microseconds_as_interval(lag);
	values[6] = Int64GetDatum((int64) apikey_control->ring_size);
	values[7] = Float8GetDatum(apikey_load_throttle());
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* A row for each task of the workers of the database. */
Datum
apikey_stat_worker(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ApikeyTaskStatsShared tasks[APIKEY_NTASKS];
	pid_t		pid[APIKEY_NWORKERS] = {0};
	ApikeySlotShared *slot;

	apikey_require_shmem();
	InitMaterializedSRF(fcinfo, 0);

	memset(tasks, 0, sizeof(tasks));
	slot = apikey_slot_mine(false);
	if (slot != NULL)
	{
		LWLockAcquire(apikey_control->lock, LW_SHARED);
		memcpy(pid, slot->pid, sizeof(pid));
		LWLockRelease(apikey_control->lock);
		LWLockAcquire(slot->task_lock, LW_SHARED);
		memcpy(tasks, slot->tasks, sizeof(tasks));
		LWLockRelease(slot->task_lock);
	}

	for (int i = 0; i < APIKEY_NTASKS; i++)
	{
		ApikeyWorkerKind kind = apikey_task_worker(i);
		bool		ran = tasks[i].runs > 0;
		Datum		values[9];
		bool		nulls[9] = {false};

		values[0] = CStringGetTextDatum(apikey_worker_name(kind));
		values[1] = Int32GetDatum((int32) pid[kind]);
		nulls[1] = pid[kind] == 0;
		values[2] = CStringGetTextDatum(apikey_task_name(i));
		values[3] = TimestampTzGetDatum(tasks[i].last_run);
		values[4] = microseconds_as_interval(tasks[i].duration_us);
		nulls[3] = nulls[4] = !ran;
		values[5] = Int64GetDatum(tasks[i].rows);
		values[6] = Int64GetDatum(tasks[i].runs);
		values[7] = Int64GetDatum(tasks[i].failures);
		values[8] = CStringGetTextDatum(tasks[i].error);
		nulls[8] = tasks[i].error[0] == '\0';
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* One row: the limit buckets of the server since it started. */
Datum
apikey_stat_limits(PG_FUNCTION_ARGS)
{
	ApikeyLimiterStats stats;
	TupleDesc	desc;
	Datum		values[7];
	bool		nulls[7] = {false};

	apikey_require_shmem();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 7)
		elog(ERROR, "unexpected row type of apikey._stat_limits()");

	apikey_limiter_stats(&stats);
	values[0] = Int64GetDatum(stats.buckets);
	values[1] = Int64GetDatum(stats.used);
	values[2] = Int64GetDatum(stats.evictions);
	values[3] = Int64GetDatum(stats.full);
	values[4] = Int64GetDatum(stats.denied);
	values[5] = Int64GetDatum(stats.reservations);
	values[6] = Int64GetDatum(stats.unavailable);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/*
 * Wait until everything pushed before the call is on disk and the activity of
 * keys that follows from it is stored; false when the time is over before.
 */
Datum
apikey_flush_usage(PG_FUNCTION_ARGS)
{
	Interval   *timeout = PG_GETARG_INTERVAL_P(0);
	double		ms = timeout->time / 1000.0 +
		(timeout->day + timeout->month * (double) DAYS_PER_MONTH) * SECS_PER_DAY * 1000.0;
	TimestampTz started = GetCurrentTimestamp();
	ApikeySlotShared *slot;
	uint64		position;
	int64		limit;

	apikey_require_shmem();
	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	limit = (int64) Min(ms, (double) INT_MAX);

	apikey_workers_needed();
	slot = apikey_slot_mine(true);
	if (slot == NULL)
		PG_RETURN_BOOL(false);
	position = apikey_ring_head(slot->ring);

	/*
	 * no worker sees an extension that is not committed, or writes on a
	 * standby
	 */
	if (apikey_slot_creating_here() || RecoveryInProgress())
		PG_RETURN_BOOL(position == apikey_ring_tail(slot->ring));

	apikey_slot_raise(&slot->sync_wanted, position);
	apikey_slot_raise(&slot->flush_wanted, position);
	if (!apikey_slot_wait(slot, &slot->durable, position, limit))
		PG_RETURN_BOOL(false);
	limit -= (GetCurrentTimestamp() - started) / 1000;
	PG_RETURN_BOOL(apikey_slot_wait(slot, &slot->activity, position, Max(limit, 0)));
}
