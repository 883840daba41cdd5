/*
 * usage_push.c
 *		Hands a usage event to the writer of the database.
 *
 * Layer 2.  Part of every verification, so it takes no lock: one
 * compare-and-swap and one addition on the ring's head, and a look at the flag
 * with which an idle writer asks to be woken.
 *
 * Every event ends in exactly one counter: pushed (and later written or
 * discarded), dropped, suppressed, or, in a database that got no slot,
 * unslotted.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "slot.h"
#include "usage_event.h"

/* a session looks for room in a full ring at least this often */
#define FULL_STEP_MS	10
/* the writer is woken whenever the head passes such a part of the ring */
#define WAKE_PARTS		8
/* apikey.usage_sync waits this many times apikey.usage_wait */
#define SYNC_WAIT_FACTOR	10

/*
 * Count a lost event; tell the log, but not more than once a minute.  Neither
 * statement nor context go there: they may hold the text of a key.
 */
static void
count_drop(ApikeySlotShared *slot, const char *why, const char *hint)
{
	uint64		n = pg_atomic_add_fetch_u64(&slot->dropped, 1);

	if (apikey_once_a_minute(&slot->drop_logged_at))
		ereport(LOG_SERVER_ONLY,
				(errhidestmt(true), errhidecontext(true),
				 errmsg("usage events are dropped: %s", why),
				 errdetail("The database with OID %u has lost %llu events since the server started.",
						   MyDatabaseId, (unsigned long long) n),
				 errhint("%s", hint)));
}

static void
count_unslotted(void)
{
	uint64		n = pg_atomic_add_fetch_u64(&apikey_control->unslotted, 1);

	if (apikey_once_a_minute(&apikey_control->full_logged_at))
		ereport(LOG_SERVER_ONLY,
				(errhidestmt(true), errhidecontext(true),
				 errmsg("usage events are dropped: no room for the database with OID %u",
						MyDatabaseId),
				 errdetail("%d databases use apikey already; %llu events were lost since the server started.",
						   apikey_control->nslots, (unsigned long long) n),
				 errhint("Consider increasing the configuration parameter \"%s\".",
						 "apikey.max_databases")));
}

/*
 * Attempts with texts that are no key are recorded up to a rate, so that a
 * flood of guesses does not become a flood of rows.  One 64-bit word holds the
 * second and the events in it.  The real clock counts, not the test clock.
 */
static bool
over_unknown_rate(ApikeySlotShared *slot)
{
	uint64		second = (uint64) (GetCurrentTimestamp() / USECS_PER_SEC) & 0xFFFFFFFF;
	uint64		old = pg_atomic_read_u64(&slot->unknown_window);

	for (;;)
	{
		uint64		count = (old >> 32) == second ? (old & 0xFFFFFFFF) : 0;

		if (count >= (uint64) apikey_usage_unknown_rate)
			return true;
		if (pg_atomic_compare_exchange_u64(&slot->unknown_window, &old,
										   (second << 32) | (count + 1)))
			return false;
	}
}

void
apikey_usage_suppress(void)
{
	ApikeySlotShared *slot = apikey_slot_mine(true);

	if (slot != NULL)
		pg_atomic_fetch_add_u64(&slot->suppressed, 1);
	else
		count_unslotted();
}

/*
 * Wait until the writer made room.  A cancel or terminate that comes meanwhile
 * leaves through CHECK_FOR_INTERRUPTS; the event is counted before that.
 */
static bool
reserve_waiting(ApikeySlotShared *slot, uint32 size, ApikeyRingRecord *record)
{
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													   apikey_usage_wait);

	for (;;)
	{
		long		rest = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);

		apikey_slot_wake(slot, APIKEY_WORKER_WRITER);
		if (apikey_ring_reserve(slot->ring, size, record))
			return true;
		if (rest <= 0)
			return false;

		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(rest, FULL_STEP_MS),
						 WaitEventExtensionNew("ApikeyUsageFull"));
		ResetLatch(MyLatch);
		if (INTERRUPTS_PENDING_CONDITION())
		{
			pg_atomic_fetch_add_u64(&slot->dropped, 1);
			CHECK_FOR_INTERRUPTS();
			/* it was nothing that ends us */
			pg_atomic_fetch_sub_u64(&slot->dropped, 1);
		}
	}
}

static void
wait_for_disk(ApikeySlotShared *slot, uint64 position)
{
	int64		timeout = (int64) apikey_usage_wait * SYNC_WAIT_FACTOR;

	/* no worker can see an extension that this transaction creates */
	if (apikey_slot_creating_here())
		return;
	apikey_slot_raise(&slot->sync_wanted, position);
	if (!apikey_slot_wait(slot, &slot->durable, position, timeout))
		ereport(WARNING,
				(errhidecontext(true),
				 errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("usage event is not on disk yet"),
				 errdetail("Waited %lld ms for the usage writer.", (long long) timeout),
				 errhint("See the views apikey.stat_usage and apikey.stat_worker.")));
}

bool
apikey_usage_push(const ApikeyUsageEvent *event)
{
	ApikeySlotShared *slot;
	ApikeyUsageEvent copy = *event;
	ApikeyRingRecord record;
	uint64		part;
	uint32		size;

	apikey_require_shmem();
	apikey_workers_needed();
	slot = apikey_slot_mine(true);
	if (unlikely(slot == NULL))
	{
		count_unslotted();
		return false;
	}
	if (unlikely(RecoveryInProgress()))
	{
		count_drop(slot, "there is no usage writer on a standby",
				   "They are recorded again after a promotion.");
		return false;
	}
	if ((event->code == APIKEY_MALFORMED || event->code == APIKEY_NOT_FOUND ||
		 event->code == APIKEY_BLOCKED) && over_unknown_rate(slot))
	{
		pg_atomic_fetch_add_u64(&slot->suppressed, 1);
		return false;
	}

	apikey_event_clip(&copy);
	size = apikey_event_size(&copy);
	if (unlikely(!apikey_ring_reserve(slot->ring, size, &record)) &&
		!reserve_waiting(slot, size, &record))
	{
		count_drop(slot, "the usage buffer is full",
				   "See the views apikey.stat_usage and apikey.stat_worker; consider increasing \"apikey.usage_buffer_size\" or \"apikey.usage_wait\".");
		return false;
	}

	/* nothing that can fail, wait or be interrupted up to the publication */
	apikey_event_encode(&copy, record.payload);
	apikey_ring_publish(&record);

	/*
	 * The reservation and this load are sequentially consistent, as are the
	 * writer's store of the flag and its look at the head: either we see the
	 * flag or the writer sees our reservation, so it never oversleeps.
	 */
	part = apikey_control->ring_size / WAKE_PARTS;
	if (unlikely(__atomic_load_n(&slot->writer_idle.value, __ATOMIC_SEQ_CST) != 0) &&
		pg_atomic_exchange_u32(&slot->writer_idle, 0) != 0)
	{
		pg_atomic_write_u64(&slot->busy_since, (uint64) GetCurrentTimestamp());
		apikey_slot_wake(slot, APIKEY_WORKER_WRITER);
	}
	else if (unlikely(record.end / part != (record.end - size) / part))
		apikey_slot_wake(slot, APIKEY_WORKER_WRITER);

	if (unlikely(apikey_usage_sync))
		wait_for_disk(slot, record.end);
	return true;
}
