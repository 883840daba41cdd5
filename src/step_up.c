/*
 * step_up.c
 *		Second factors: which codes were used, how many were guessed, and the
 *		mark that a transaction has given one.
 *
 * Layer 2.  What a caller's ROLLBACK must not undo is in shared memory: a
 * table of fixed size, an entry for each (database, role) that has given a
 * code of late.
 *
 * Lock
 *		step_up_lock, an LWLock		all entries.  Held for a walk over the table:
 *									nothing inside allocates, raises or waits.
 *
 * Invariants
 *	1. A code is accepted at most once.  A code belongs to one step, and
 *	   accepted steps of a role only go up: an entry's last_step is raised under
 *	   the lock by the session that accepts, before it tells its caller.  An
 *	   entry is given away only when the codes of its last_step are no longer
 *	   valid at all.  What was accepted before the server started is not known
 *	   any more, unless it was committed (member_totp.last_step); so every step
 *	   whose code could have been given by then, the floor, is refused.
 *	2. At most GUESSES codes of a role are judged in GUESS_TIME without being
 *	   accepted: a guess takes one of so many places before it is judged, and
 *	   only an accepted code gives its place back.
 *	3. No room means no: a role that finds no entry is refused.  Entries are
 *	   made only for roles that have enrolled, so strangers cannot fill the
 *	   table.
 *
 * The clock may be set back (or the test clock taken away): a place that seems
 * to be of a later time is free again when GUESS_TIME of the monotonic clock
 * has gone by, whatever the wall clock says.
 *
 * The mark is a parameter, apikey.stepped_up, with the OID of the role as its
 * value.  bound.h tells why SQL cannot set it and how long it lasts.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "bound.h"
#include "step_up.h"

#define PARAMETER	"apikey.stepped_up"
#define ENTRIES		1024
#define GUESSES		5
#define GUESS_TIME	(5 * USECS_PER_MINUTE)

typedef struct ApikeyGuessShared
{
	TimestampTz at;
	uint64		monotonic;		/* us; 0: free */
} ApikeyGuessShared;

typedef struct ApikeyStepUpEntryShared
{
	Oid			database;		/* InvalidOid: never used */
	Oid			role;
	int64		last_step;		/* newest step that was accepted; 0: none */
	ApikeyGuessShared guesses[GUESSES];
} ApikeyStepUpEntryShared;

typedef struct ApikeyStepUpShared
{
	int64		floor;			/* constant */
	ApikeyStepUpEntryShared entries[ENTRIES];
} ApikeyStepUpShared;

static ApikeyStepUpShared *table = NULL;
static LWLock *step_up_lock = NULL;

static char *stepped_up = NULL;
static Oid	stepped_up_role = InvalidOid;

Size
apikey_step_up_shmem_size(void)
{
	return sizeof(ApikeyStepUpShared);
}

int
apikey_step_up_lwlocks(void)
{
	return 1;
}

void
apikey_step_up_shmem_init(LWLockPadded *locks)
{
	bool		found;

	step_up_lock = &locks[0].lock;
	table = ShmemInitStruct("apikey step-up", apikey_step_up_shmem_size(), &found);
	if (found)
		return;
	memset(table, 0, sizeof(*table));
	table->floor = apikey_totp_step(GetCurrentTimestamp()) + APIKEY_TOTP_DRIFT;
}

int64
apikey_totp_step(TimestampTz at)
{
	int64		seconds = at / USECS_PER_SEC - (at % USECS_PER_SEC < 0) +
		(int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;

	return seconds / APIKEY_TOTP_PERIOD - (seconds % APIKEY_TOTP_PERIOD < 0);
}

static uint64
monotonic_now(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return INSTR_TIME_GET_MICROSEC(now);
}

static bool
is_free(const ApikeyGuessShared *guess, TimestampTz now, uint64 monotonic)
{
	if (guess->monotonic == 0)
		return true;
	if (now >= guess->at)
		return now - guess->at >= GUESS_TIME;

	/* signed: who waited for the lock may come with an earlier time */
	return (int64) (monotonic - guess->monotonic) >= GUESS_TIME;
}

/* Whether an entry protects nothing any more. */
static bool
is_idle(const ApikeyStepUpEntryShared *entry, TimestampTz now, uint64 monotonic)
{
	for (int i = 0; i < GUESSES; i++)
		if (!is_free(&entry->guesses[i], now, monotonic))
			return false;
	return entry->last_step < apikey_totp_step(now) - APIKEY_TOTP_DRIFT;
}

/* The entry of a role, made if there is room; locked. */
static ApikeyStepUpEntryShared *
find_entry(Oid role, TimestampTz now, uint64 monotonic)
{
	ApikeyStepUpEntryShared *room = NULL;

	for (int i = 0; i < ENTRIES; i++)
	{
		ApikeyStepUpEntryShared *entry = &table->entries[i];

		if (entry->database == MyDatabaseId && entry->role == role)
			return entry;
		if (room == NULL &&
			(!OidIsValid(entry->database) || is_idle(entry, now, monotonic)))
			room = entry;
	}
	if (room != NULL)
	{
		memset(room, 0, sizeof(*room));
		room->database = MyDatabaseId;
		room->role = role;
	}
	return room;
}

bool
apikey_step_up_begin(Oid role, TimestampTz now, uint64 *guess)
{
	uint64		monotonic = Max(monotonic_now(), 1);
	ApikeyStepUpEntryShared *entry;
	bool		counted = false;

	LWLockAcquire(step_up_lock, LW_EXCLUSIVE);
	entry = find_entry(role, now, monotonic);
	for (int i = 0; entry != NULL && i < GUESSES && !counted; i++)
	{
		if (is_free(&entry->guesses[i], now, monotonic))
		{
			entry->guesses[i].at = now;
			entry->guesses[i].monotonic = monotonic;
			counted = true;
		}
	}
	LWLockRelease(step_up_lock);
	*guess = monotonic;
	return counted;
}

bool
apikey_step_up_accept(Oid role, TimestampTz now, int64 step, uint64 guess)
{
	ApikeyStepUpEntryShared *entry;
	bool		accepted = false;

	LWLockAcquire(step_up_lock, LW_EXCLUSIVE);
	/* begin made it, and its guess keeps it, unless this took minutes */
	entry = find_entry(role, now, guess);
	if (entry != NULL && step > table->floor && step > entry->last_step)
	{
		entry->last_step = step;
		for (int i = 0; i < GUESSES; i++)
		{
			if (entry->guesses[i].monotonic == guess)
			{
				entry->guesses[i].monotonic = 0;
				break;
			}
		}
		accepted = true;
	}
	LWLockRelease(step_up_lock);
	return accepted;
}

static bool
check_stepped_up(char **newval, void **extra, GucSource source)
{
	return *newval == NULL || **newval == '\0' || apikey_bound_allows(PARAMETER, source);
}

static void
assign_stepped_up(const char *newval, void *extra)
{
	stepped_up_role = newval == NULL || *newval == '\0' ? InvalidOid :
		(Oid) strtoul(newval, NULL, 10);
}

void
apikey_step_up_mark(Oid role)
{
	char		value[16];

	snprintf(value, sizeof(value), "%u", role);
	apikey_bound_set(PARAMETER, value);
}

bool
apikey_step_up_marked(Oid role)
{
	return OidIsValid(role) && stepped_up_role == role;
}

void
apikey_step_up_define(void)
{
	apikey_bound_define(PARAMETER, "The role that has given its second factor in this transaction.",
						&stepped_up, check_stepped_up, assign_stepped_up);
}
