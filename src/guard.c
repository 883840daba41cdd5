/*
 * guard.c
 *		The guard against guessing: failed look-ups per ip and minute.
 *
 * Layer 2.  A table of fixed size in shared memory, apikey.guard_entries
 * counters keyed by (database, address).  The address is that of an IPv4
 * client, or the first 64 bits of an IPv6 one: who has one IPv6 address has
 * 2^64.  The table is cut into sets of WAYS entries; the hash of a key names
 * its set, so that a look-up is a walk over one set, at any load.
 *
 * Locks
 *		set->lock, a spinlock	all entries of the set.  Held for one walk over
 *								the set: no call, nothing that allocates, raises,
 *								logs or waits.  Never two at once.
 * The rest (seed, number of sets) is constant after the start.
 *
 * Invariants
 *	1. Only attempts that failed are counted, and only such an attempt is ever
 *	   told BLOCK (verify.c asks after a look-up failed).  What the guard gets
 *	   wrong can therefore spoil the code of a failed attempt, never a key.
 *	2. An entry counts the attempts of one key in one window.  An entry that is
 *	   given to another key starts at zero: nobody is blocked for what others
 *	   did.  So an attacker with more addresses than the table has entries can
 *	   push his own counters out and escape BLOCKED, but cannot make anybody
 *	   else meet it.  The seed, different at each start, keeps him from finding
 *	   out which addresses share a set.
 *	3. In a full set of present entries the one with the smallest count gives
 *	   way: who tries most is forgotten last.
 *	4. Exactly apikey.guard_attempts attempts of a window keep their own code,
 *	   and the next one is the only BLOCK of the window; all others are
 *	   BLOCK_SILENT.  (An entry that had to give way meanwhile starts over.)
 *
 * The clock.  A window is a calendar minute of the instant the caller passes
 * in (the wall clock, or the test clock).  A clock that goes forward starts the
 * next window.  A clock that is set back does not: the entry stays in the later
 * window, or stepping back would be a fresh start for everybody; it stays there
 * until the clock is past that window again or a minute of the monotonic clock
 * has gone by, whichever is first, so that a clock that was a day ahead does
 * not stretch the window to a day.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "guard.h"
#include "guc.h"
#include "usage_event.h"

#define WAYS	8

typedef struct ApikeyGuardEntryShared
{
	/* the key; family 0: never used */
	uint64		prefix;			/* address, or first half of it, big end first */
	Oid			database;
	uint8		family;			/* 4 or 6 */

	int64		window;			/* minutes since 2000-01-01 00:00 UTC */
	uint64		begun;			/* the same on the monotonic clock, us */
	uint32		attempts;		/* failed, the blocked ones too */
	uint32		blocked;		/* of these answered BLOCK or BLOCK_SILENT */
} ApikeyGuardEntryShared;

typedef struct ApikeyGuardSetShared
{
	slock_t		lock;
	ApikeyGuardEntryShared entries[WAYS];	/* protected by lock */
} ApikeyGuardSetShared;

/* a set does not share a cache line with its neighbours */
typedef union GuardSetPadded
{
	ApikeyGuardSetShared set;
	char		pad[TYPEALIGN(PG_CACHE_LINE_SIZE, sizeof(ApikeyGuardSetShared))];
} GuardSetPadded;

typedef struct ApikeyGuardShared
{
	uint64		seed;			/* constant */
	uint32		nsets;			/* constant */
	char		pad[PG_CACHE_LINE_SIZE - sizeof(uint64) - sizeof(uint32)];
	GuardSetPadded sets[FLEXIBLE_ARRAY_MEMBER];
} ApikeyGuardShared;

/* What an attempt is counted under. */
typedef struct GuardKey
{
	uint64		prefix;
	Oid			database;
	uint32		family;
} GuardKey;

static ApikeyGuardShared *guard = NULL;

static uint32
number_of_sets(void)
{
	return ((uint32) apikey_guard_entries + WAYS - 1) / WAYS;
}

Size
apikey_guard_shmem_size(void)
{
	return add_size(offsetof(ApikeyGuardShared, sets),
					mul_size(number_of_sets(), sizeof(GuardSetPadded)));
}

void
apikey_guard_shmem_init(void)
{
	bool		found;

	guard = ShmemInitStruct("apikey guard", apikey_guard_shmem_size(), &found);
	if (found)
		return;

	memset(guard, 0, apikey_guard_shmem_size());
	guard->nsets = number_of_sets();
	if (!pg_strong_random(&guard->seed, sizeof(guard->seed)))
		guard->seed = (uint64) GetCurrentTimestamp();
	for (uint32 i = 0; i < guard->nsets; i++)
		SpinLockInit(&guard->sets[i].set.lock);
}

static GuardKey
key_of(const ApikeyNet *ip)
{
	GuardKey	key;
	int			bytes = ip->family == 4 ? 4 : 8;

	/* hashed as it lies in memory; it has no padding */
	memset(&key, 0, sizeof(key));
	for (int i = 0; i < bytes; i++)
		key.prefix = key.prefix << 8 | ip->addr[i];
	key.database = MyDatabaseId;
	key.family = ip->family;
	return key;
}

static inline bool
is_of(const ApikeyGuardEntryShared *entry, const GuardKey *key)
{
	return entry->prefix == key->prefix && entry->database == key->database &&
		entry->family == key->family;
}

/* Whether the window of an entry is over (see the clock, above). */
static inline bool
is_over(const ApikeyGuardEntryShared *entry, int64 window, uint64 monotonic)
{
	if (window >= entry->window)
		return window > entry->window;

	/*
	 * signed: who waited for the lock may come with an earlier time than
	 * begun
	 */
	return (int64) (monotonic - entry->begun) >= USECS_PER_MINUTE;
}

/*
 * The entry of key in its set, made anew if it has none or its window is over.
 * Set locked.
 */
static inline ApikeyGuardEntryShared *
find_entry(ApikeyGuardSetShared *set, const GuardKey *key, int64 window, uint64 monotonic)
{
	ApikeyGuardEntryShared *entry = NULL;
	uint32		least = PG_UINT32_MAX;

	for (int i = 0; i < WAYS; i++)
	{
		ApikeyGuardEntryShared *candidate = &set->entries[i];
		uint32		count = candidate->attempts;

		if (is_of(candidate, key))
		{
			if (!is_over(candidate, window, monotonic))
				return candidate;
			entry = candidate;
			break;
		}
		/* what is over, or was never used, is worth nothing any more */
		if (candidate->family == 0 || is_over(candidate, window, monotonic))
			count = 0;
		if (entry == NULL || count < least)
		{
			entry = candidate;
			least = count;
		}
	}

	entry->prefix = key->prefix;
	entry->database = key->database;
	entry->family = (uint8) key->family;
	entry->window = window;
	entry->begun = monotonic;
	entry->attempts = 0;
	entry->blocked = 0;
	return entry;
}

static int64
window_of(TimestampTz at)
{
	/* floor, before 2000 too */
	return at / USECS_PER_MINUTE - (at % USECS_PER_MINUTE < 0);
}

ApikeyGuardAnswer
apikey_guard_failed(const ApikeyNet *ip, TimestampTz now)
{
	uint32		limit = (uint32) apikey_guard_attempts;
	int64		window = window_of(now);
	ApikeyGuardAnswer answer = APIKEY_GUARD_PASS;
	ApikeyGuardSetShared *set;
	ApikeyGuardEntryShared *entry;
	GuardKey	key;
	instr_time	monotonic;
	uint64		monotonic_us;

	if (limit == 0 || ip->family == 0)
		return APIKEY_GUARD_PASS;

	key = key_of(ip);
	INSTR_TIME_SET_CURRENT(monotonic);
	monotonic_us = INSTR_TIME_GET_MICROSEC(monotonic);
	set = &guard->sets[hash_bytes_extended((const unsigned char *) &key, sizeof(key),
										   guard->seed) % guard->nsets].set;

	SpinLockAcquire(&set->lock);
	entry = find_entry(set, &key, window, monotonic_us);
	if (entry->attempts < PG_UINT32_MAX)
		entry->attempts++;
	if (entry->attempts > limit)
	{
		answer = entry->blocked == 0 ? APIKEY_GUARD_BLOCK : APIKEY_GUARD_BLOCK_SILENT;
		if (entry->blocked < PG_UINT32_MAX)
			entry->blocked++;
	}
	SpinLockRelease(&set->lock);

	/* what leaves no row is counted at least */
	if (answer == APIKEY_GUARD_BLOCK_SILENT)
		apikey_usage_suppress();
	return answer;
}

bool
apikey_guard_next(uint32 *position, ApikeyGuardInfo *info)
{
	while (*position < guard->nsets * WAYS)
	{
		ApikeyGuardSetShared *set = &guard->sets[*position / WAYS].set;
		ApikeyGuardEntryShared entry;

		SpinLockAcquire(&set->lock);
		entry = set->entries[*position % WAYS];
		SpinLockRelease(&set->lock);
		(*position)++;
		if (entry.family == 0 || entry.database != MyDatabaseId)
			continue;

		memset(&info->ip, 0, sizeof(info->ip));
		info->ip.family = entry.family;
		info->ip.bits = entry.family == 4 ? 32 : 64;
		for (int i = entry.family == 4 ? 3 : 7; i >= 0; i--)
		{
			info->ip.addr[i] = (uint8) entry.prefix;
			entry.prefix >>= 8;
		}
		info->window_start = entry.window * USECS_PER_MINUTE;
		info->window_end = info->window_start + USECS_PER_MINUTE;
		info->attempts = entry.attempts;
		info->blocked = entry.blocked;
		return true;
	}
	return false;
}
