/*
 * reserve_queue.c
 *		What verification asks of the writer.
 *
 * Layer 2.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "limiter.h"
#include "reserve_queue.h"
#include "slot.h"

/* how long a waiter sleeps until it looks, and wakes the writer, again */
#define WAIT_STEP_MS	100

bool
apikey_reserve_post(const ApikeyReserveRequest *request)
{
	ApikeySlotShared *slot = apikey_slot_mine(true);
	bool		posted = false;

	if (slot == NULL)
		return false;
	LWLockAcquire(slot->reserve_lock, LW_EXCLUSIVE);
	for (int i = 0; i < APIKEY_RESERVE_MAX; i++)
	{
		ApikeyReserveEntryShared *entry = &slot->reserve[i];

		if (entry->used)
			continue;
		entry->request = *request;
		entry->posted_at = apikey_ring_head(slot->ring);
		entry->used = true;
		pg_atomic_fetch_add_u32(&slot->reserve_waiting, 1);
		posted = true;
		break;
	}
	LWLockRelease(slot->reserve_lock);
	if (posted)
		apikey_slot_wake(slot, APIKEY_WORKER_WRITER);
	return posted;
}

/*
 * One byte, which the writer changes under the lock bit: whoever reads it
 * without sees it before or after.  A bucket that is PENDING keeps its
 * identity, so what was waited for is over once it is not.
 */
static bool
is_pending(const ApikeyBucketShared *bucket)
{
	return (*(const volatile uint8_t *) &bucket->flags & APIKEY_BUCKET_PENDING) != 0;
}

bool
apikey_reserve_wait(const ApikeyBucketShared *bucket, TimestampTz deadline)
{
	ApikeySlotShared *slot = apikey_slot_mine(false);
	bool		pending;

	if (slot == NULL)
		return !is_pending(bucket);
	ConditionVariablePrepareToSleep(&slot->progress);
	while ((pending = is_pending(bucket)))
	{
		long		rest = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		if (rest <= 0)
			break;
		(void) ConditionVariableTimedSleep(&slot->progress, Min(rest, WAIT_STEP_MS),
										   WaitEventExtensionNew("ApikeyReserve"));

		/* for a writer that has started meanwhile */
		apikey_slot_wake(slot, APIKEY_WORKER_WRITER);
	}
	ConditionVariableCancelSleep();
	return !pending;
}

/*
 * Under the lock that the writer holds while it compares the counts and grants:
 * either it sees our count and reads the tables again, or it has granted before
 * we mark the bucket.  So no grant made from older rows hides the change.
 */
void
apikey_reserve_changed(const ApikeyBucketId *ids, int count)
{
	ApikeySlotShared *slot = apikey_slot_mine(false);

	if (!apikey_shmem_ready())
		return;
	if (slot != NULL)
	{
		LWLockAcquire(slot->reserve_lock, LW_EXCLUSIVE);
		pg_atomic_fetch_add_u64(&slot->limits_changed, 1);
		for (int i = 0; i < count; i++)
			slot->limit_changes[apikey_reserve_change_index(ids[i])]++;
	}
	for (int i = 0; i < count; i++)
		apikey_limiter_reset(ids[i]);
	if (slot != NULL)
	{
		LWLockRelease(slot->reserve_lock);
		apikey_slot_wake(slot, APIKEY_WORKER_WRITER);
	}
}

void
apikey_reserve_prepared(void)
{
	ApikeySlotShared *slot = apikey_slot_mine(false);

	if (slot == NULL)
		return;
	pg_atomic_write_u32(&slot->ledger_wanted, 1);
	apikey_slot_wake(slot, APIKEY_WORKER_WRITER);
}
