/*
 * bucket.pml
 *		The charge of several limits (src/bucket.c) against eviction
 *		(src/bucket_table.c): all limits or none, and an idle bucket that is
 *		given away loses nothing.
 *
 * Three limits share a table of two buckets, so that every request may find
 * that a bucket it knows is another's by now.  Requests name two limits, in
 * opposite orders.  A unit costs one tick of the clock, a full bucket has
 * BURST units (gcra.h); the clock moves on at any time.
 *
 * Properties
 *	1. Never more than the limit: of each limit at most BURST and one for each
 *	   tick since the start (assert at the charge).
 *	2. All or nothing, and nothing lost: whoever holds the lock bit of a bucket
 *	   finds in it what was charged to the limit by requests that passed, no
 *	   more and no less, but for the floor: a new bucket starts with the instant
 *	   of the last eviction, which is later than what the evicted one had.
 *	3. A denial is true: one of the limits has no room (same floor).
 *	4. No deadlock (spin's own check of end states).
 *
 * The level "model" reads these lines:
 * must hold: -DREQUESTS=2 -DTICKS=1
 * must hold: -DREQUESTS=1 -DTICKS=2
 * must fail: -DNO_SORT			lock bits in the order of the request
 * must fail: -DNO_RECHECK		identities are not compared under the lock bits
 * must fail: -DNO_CLAIM		two limits with the same bucket are not noticed
 * must fail: -DONE_BY_ONE		charges one after the other, undone on a denial
 * must fail: -DEVICT_BUSY		evicts a bucket that holds information
 * must fail: -DEVICT_AT_SIGHT	the lock bit is not taken to evict
 * must fail: -DEVICT_OLD_LOOK	not looked at again under the lock bit
 * must fail: -DNO_FLOOR		a new bucket has no debt for requests with an old
 *								clock either
 * must fail: -DTEST_UNLOCKED	tests before it locks, charges under the locks
 */
#ifndef REQUESTS
#define REQUESTS	2		/* of each session */
#endif
#ifndef TICKS
#define TICKS		2
#endif
#define BURST		1
#define BUCKETS		2
#define LIMITS		3		/* 1 .. 3; 0 is no identity */

byte clock;

byte id[BUCKETS];			/* ApikeyBucketShared */
byte tat[BUCKETS];
bool held[BUCKETS];			/* the lock bits */
bool table_lock;			/* exclusive; a look-up is one step here */
byte floor;					/* ApikeyBucketTableShared.floor */

byte truth[LIMITS + 1];		/* ghost: tat of each limit */
byte passed[LIMITS + 1];	/* ghost: units that passed */

#define MAX(a, b)	((a) > (b) -> (a) : (b))
#define NONE		BUCKETS

#ifdef EVICT_BUSY
#define IDLE(b)		true
#else
#define IDLE(b)		(tat[b] <= now)
#endif
#ifdef EVICT_OLD_LOOK
#define STILL(b)	true
#else
#define STILL(b)	IDLE(b)
#endif
#ifdef EVICT_AT_SIGHT
#define FREE(b)		true
#else
#define FREE(b)		(!held[b])
#endif
#ifdef NO_FLOOR
#define START		0
#else
#define START		floor
#endif
#ifdef NO_RECHECK
#define SAME		true
#else
#define SAME		(id[a] == first && id[b] == second)
#endif
#ifdef NO_CLAIM
#define CLAIMED		false
#else
#define CLAIMED		(a == b)
#endif
#ifdef NO_SORT
#define LOW			a
#define HIGH		b
#else
#define LOW			(a < b -> a : b)
#define HIGH		(a < b -> b : a)
#endif

#define FIND(l)		(id[0] == (l) -> 0 : (id[1] == (l) -> 1 : NONE))
#define DEBT(t)		(MAX(t, now) + 1)
#define ROOM(t)		(DEBT(t) <= now + BURST)

/*
 * apikey_limiter_resolve(): the bucket of limit l, NONE: the table is full.
 * Whoever has the table lock and the lock bit is alone with the bucket, so
 * what he does is one step.
 */
inline resolve(l, bucket)
{
	d_step
	{
		bucket = FIND(l);
		if
		:: bucket == NONE -> now = clock
		:: else
		fi
	};
	if
	:: bucket == NONE ->
		atomic
		{
			!table_lock -> table_lock = true;
			/* take_idle(): any bucket may be the first the hand meets */
			if
			:: FIND(l) != NONE -> bucket = FIND(l)
			:: FIND(l) == NONE && (id[0] == 0 || IDLE(0)) -> bucket = 0
			:: FIND(l) == NONE && (id[1] == 0 || IDLE(1)) -> bucket = 1
			:: else
			fi
		};
		atomic
		{
			if
			:: bucket == NONE
			:: bucket != NONE && id[bucket] == l
			:: bucket != NONE && id[bucket] != l && FREE(bucket) ->
				if
				:: id[bucket] != 0 && !STILL(bucket) -> bucket = NONE
				:: else ->
					floor = (id[bucket] != 0 -> MAX(now, floor) : floor);
					id[bucket] = l;
					tat[bucket] = START
				fi
			fi;
			table_lock = false
		}
	:: else
	fi
}

/* property 2, of a bucket whose lock bit is ours */
inline look(b, l)
{
	assert(truth[l] <= now || tat[b] >= truth[l]);
	assert(tat[b] <= MAX(truth[l], floor))
}

inline note_charge()
{
	truth[first] = DEBT(truth[first]);
	truth[second] = DEBT(truth[second]);
	passed[first]++;
	passed[second]++;
	assert(passed[first] <= BURST + clock);
	assert(passed[second] <= BURST + clock)
}

proctype session(byte first; byte second; byte requests)
{
	byte a = NONE, b = NONE;	/* the hints */
	byte now;
	bool ok;

again:
	/* resolve_all(): a bucket of the last time is taken for granted */
	if
	:: a == NONE -> resolve(first, a)
	:: else
	fi;
	if
	:: a != NONE && b == NONE -> resolve(second, b)
	:: else
	fi;
	if
	:: a == NONE || b == NONE -> goto done		/* UNAVAILABLE */
	:: else
	fi;
	now = clock;

#ifdef ONE_BY_ONE
	/* the optimistic way */
	atomic
	{
		!held[a] -> ok = (id[a] == first) && ROOM(tat[a]);
		if
		:: ok -> tat[a] = DEBT(tat[a])
		:: else -> goto done
		fi
	};
	atomic
	{
		!held[b] -> look(b, second);
		ok = (id[b] == second) && ROOM(tat[b]);
		if
		:: ok -> tat[b] = DEBT(tat[b]); note_charge(); goto done
		:: else
		fi
	};
	tat[a] = tat[a] - 1;
	goto done;
#endif

	/* arrange() */
	if
	:: CLAIMED -> d_step { a = NONE; b = NONE; now = 0 }; goto again
	:: else
	fi;
#ifdef TEST_UNLOCKED
	ok = ROOM(tat[a]) && ROOM(tat[b]);
#endif
	atomic { !held[LOW] -> held[LOW] = true };

	/* with all lock bits one is alone: decide_locked() is one step */
	atomic
	{
		!held[HIGH] -> held[HIGH] = true;
		if
		:: !SAME ->
			held[a] = false;
			held[b] = false;
			a = NONE;
			b = NONE;
			now = 0;
			goto again
		:: else
		fi;
		look(a, first);
		look(b, second);
#ifndef TEST_UNLOCKED
		ok = ROOM(tat[a]) && ROOM(tat[b]);
#endif
#ifdef EVICT_AT_SIGHT
	};		/* then one is not alone */
	atomic
	{
#endif
		if
		:: ok ->
			tat[a] = DEBT(tat[a]);
			tat[b] = DEBT(tat[b]);
			note_charge()
		:: else ->
			assert(!ROOM(MAX(truth[first], floor)) || !ROOM(MAX(truth[second], floor)))
		fi;
		held[a] = false;
		held[b] = false
	};
done:
	atomic
	{
		now = 0;
		ok = false;
		requests--;
		if
		:: requests > 0 -> goto again
		:: else -> a = 0; b = 0
		fi
	}
}

proctype time()
{
	do
	:: clock < TICKS -> clock++
	:: else -> break
	od
}

init
{
	atomic
	{
		run time();
		run session(1, 2, REQUESTS);
		run session(2, 1, REQUESTS);
		run session(3, 1, 1)
	}
}
