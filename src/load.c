/*
 * load.c
 *		The throttle in force in this database.
 *
 * Layer 2.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "load.h"
#include "throttle.h"

/*
 * An event normally waits for one flush interval and the writing; so many
 * flush intervals and at least so long are still nothing to act upon.
 */
#define NORMAL_LAG_FLUSHES	5
#define NORMAL_LAG_MIN_US	(2 * USECS_PER_SEC)

double
apikey_load_throttle(void)
{
	double		throttle = apikey_throttle;

	if (apikey_throttle_auto)
	{
		ApikeySlotShared *slot = apikey_slot_mine(false);

		if (slot != NULL)
			throttle = Max(throttle,
						   pg_atomic_read_u32(&slot->auto_throttle) / (double) APIKEY_THROTTLE_FULL);
	}
	return throttle;
}

int64
apikey_load_increment(int64 increment, int priority)
{
	return apikey_throttle_scale(increment, priority, apikey_load_throttle());
}

int64
apikey_load_lag(ApikeySlotShared *slot)
{
	/* since when there is something: woken, or not yet caught up again */
	int64		since = Max((int64) pg_atomic_read_u64(&slot->busy_since),
							(int64) pg_atomic_read_u64(&slot->caught_up_at));

	if (apikey_ring_tail(slot->ring) == apikey_ring_head(slot->ring))
		return 0;
	return Max(GetCurrentTimestamp() - since, 0);
}

static void
set_throttle(ApikeySlotShared *slot, int throttle)
{
	int			old = (int) pg_atomic_exchange_u32(&slot->auto_throttle, (uint32) throttle);

	if (throttle > 0 && old == 0)
		ereport(LOG,
				(errmsg("rate limits of low priority are slowed down: the usage buffer fills"),
				 errdetail("The throttle of the database with OID %u is %.2f now.",
						   MyDatabaseId, throttle / (double) APIKEY_THROTTLE_FULL),
				 errhint("See the views apikey.stat_usage and apikey.stat_worker.")));
	else if (throttle == 0 && old > 0)
		ereport(LOG,
				(errmsg("rate limits of low priority are no longer slowed down")));
}

void
apikey_load_watch(ApikeySlotShared *slot)
{
	int			throttle = 0;

	if (apikey_throttle_auto)
	{
		/*
		 * the tail first: what is freed meanwhile makes it look fuller, not
		 * negative
		 */
		uint64		tail = apikey_ring_tail(slot->ring);
		uint64		used = apikey_ring_head(slot->ring) - tail;
		int64		normal = Max((int64) apikey_usage_flush_interval * 1000 * NORMAL_LAG_FLUSHES,
								 NORMAL_LAG_MIN_US);

		throttle = apikey_throttle_adjust((int) pg_atomic_read_u32(&slot->auto_throttle),
										  used, apikey_control->ring_size,
										  apikey_load_lag(slot), normal);
	}
	set_throttle(slot, throttle);
}

void
apikey_load_forget(ApikeySlotShared *slot)
{
	pg_atomic_write_u32(&slot->auto_throttle, 0);
}
