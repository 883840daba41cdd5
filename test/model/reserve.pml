/*
 * reserve.pml
 *		Units of a quota on their way from the table to who spends them
 *		(src/bucket.c, bucket_grant.c, reserve.c), with a crash, a failover or
 *		the end of the writer at any point.
 *
 * Two sessions charge one quota: 1 unit and NEED units.  The writer reserves
 * blocks of BLOCK units, stores first and grants when the standby has it too;
 * it takes back what an idle bucket has, and gives it back with its next
 * round.  The window may roll over once.  A session may add credits.
 *
 * What is one step here is one step there: under a lock bit, under
 * slot->reserve_lock, or a commit.
 *
 * Properties
 *	1. Never one unit over: what was given out of a window is at most the quota
 *	   and the credits that are committed (assert at each charge).
 *	2. What is stored as reserved is at least what was given out and what can
 *	   still be given out (assert after each step of the writer).
 *	3. At most one block is lost with a crash or a failover, and what was left
 *	   of the one before when it was not enough for a request (assert there).
 *	4. Who is denied after add_credits() returned was judged with the credits,
 *	   and nobody waits for ever: PENDING is taken away (end states).
 *
 * The level "model" reads these lines:
 * must hold: -DFAILURES=2
 * must hold: -DFAILURES=1 -DROLLOVER
 * must hold: -DFAILURES=1 -DCREDITS
 * must fail: -DGRANT_FIRST			grants before it is stored
 * must fail: -DNO_CONFIRM			grants before the standby has it
 * must fail: -DROLLOVER -DANY_WINDOW	grants whatever window the bucket has
 * must fail: -DRETURN_FIRST		stores what goes back while the bucket has it
 * must fail: -DKEEP_LEFT			takes back without closing the bucket
 * must fail: -DFREE_FIRST			frees the request before the grant
 * must fail: -DFAILURES=0 -DCREDITS -DDROP_MARK	a grant takes REFRESH away
 * must fail: -DFAILURES=0 -DCREDITS -DMARK_FIRST	REFRESH is set before the commit
 * must fail: -DCREDITS -DALWAYS_NEED	a bucket that has enough gets more whenever
 *									it asks again
 */
#ifndef FAILURES
#define FAILURES	1
#endif
/* what one failure may cost: a block, and what was not enough for a request */
#define LOSS		(BLOCK + NEED - 1)
#define QUOTA		4
#define BLOCK		2
#define NEED		2
#define CREDIT		1
#define CHARGES		2		/* of each session */

#ifdef ROLLOVER
#define WINDOWS		2
#else
#define WINDOWS		1
#endif

#define MIN(a, b)	((a) < (b) -> (a) : (b))
#define MAX(a, b)	((a) > (b) -> (a) : (b))

byte clock;					/* the window of now */

/* quota_state of each window: here and on the standby */
byte reserved[WINDOWS], standby[WINDOWS];

/* limit_ledger and quota_state.credits: for window 0, not with failures */
byte credits;
bool ledger, applied;
bool told;					/* ghost: add_credits() has returned */

/* shared memory: the bucket, and the queue with one place */
byte window;
byte left, block, rest;
byte bucket_credits;
bool loaded, pending, refresh;
bool posted;
byte posted_window, posted_need;
bool changed;				/* limits_changed, not yet seen by the writer */

/* of the writer */
bool taken, stored;
byte block_stored, rest_stored, credits_stored;
byte pile[WINDOWS];			/* taken back, not stored */

byte given[WINDOWS];		/* ghost */
byte failures;
byte lost[WINDOWS];			/* ghost: what may be lost by now */
byte running = 2;

#define HELD(w)	((window == (w) -> left : 0) + pile[w] + \
				 (stored && posted_window == (w) -> block_stored : 0))

inline check_window(w)
{
	assert(given[w] <= QUOTA + (w == 0 && ledger -> CREDIT : 0));
	assert(given[w] + HELD(w) <= reserved[w]);
	assert(reserved[w] <= given[w] + HELD(w) + lost[w])
}

inline check()
{
	check_window(0);
#ifdef ROLLOVER
	check_window(1)
#endif
}

/* --- a session */

proctype session(byte units)
{
	byte w, charges;
	bool was_told, wait;

again:
	skip;
	d_step { was_told = told; w = clock };
	do
	::	/* apikey_bucket_charge(), apikey_reserve_post() */
		d_step
		{
			w = clock;
			wait = false;
			if
			:: window != w ->
				/* what the window before had is lost with it */
				lost[window] = lost[window] + left;
				window = w; left = 0; block = 0; rest = 0;
				loaded = false
			:: else
			fi;
			if
			:: !loaded || refresh || units > left ->
				if
				:: loaded && !refresh && units > left + rest ->
					/* QUOTA_EXCEEDED */
					assert(!was_told || w != 0 || bucket_credits == CREDIT)
				:: else ->
					wait = true;
					if
					:: !pending ->
						pending = true;
						if
						:: refresh -> refresh = false; loaded = false
						:: else
						fi;
						assert(!posted);
						posted = true;
						posted_window = w;
						posted_need = units
					:: else
					fi
				fi
			:: else ->
				left = left - units;
				given[w] = given[w] + units;
				if
				:: rest > 0 && left < block - left && !pending ->
					pending = true;
					assert(!posted);
					posted = true;
					posted_window = w;
					posted_need = 1
				:: else
				fi;
				check()
			fi
		};
		if
		:: !wait -> break
		:: wait ->
			if
			:: !pending -> skip		/* apikey_reserve_wait(): try again */
			:: break				/* UNAVAILABLE */
			fi
		fi
	od;
	charges++;
	if
	:: charges < CHARGES -> goto again
	:: else
	fi;
	running--
}

/* --- the writer */

inline forget_work()
{
	taken = false; stored = false;
	block_stored = 0; rest_stored = 0; credits_stored = 0
}

#ifdef ANY_WINDOW
#define SAME_WINDOW	true
#else
#define SAME_WINDOW	(window == posted_window)
#endif

/* grant_stored() */
inline grant()
{
	if
	:: SAME_WINDOW ->
		left = left + block_stored;
		block = (block_stored > 0 -> block_stored : block);
		rest = rest_stored;
		bucket_credits = credits_stored;
		loaded = true
	:: else ->
		lost[posted_window] = lost[posted_window] + block_stored
	fi;
#ifdef DROP_MARK
	refresh = false;
#endif
	pending = false
}

#define CREDITS_OF(w)	((w) == 0 -> credits : 0)
#define AVAILABLE	(QUOTA + CREDITS_OF(posted_window) - reserved[posted_window])

#ifdef ALWAYS_NEED
#define WANTED	posted_need
#else
#define WANTED	(posted_need > left -> posted_need : 0)
#endif

/* _reserve_quotas() for the request that was taken */
inline compute()
{
	if
	:: QUOTA + CREDITS_OF(posted_window) <= reserved[posted_window] || posted_need == 0 ->
		block_stored = 0
	:: else ->
		block_stored = MAX(WANTED, BLOCK - MIN(left, BLOCK));
		block_stored = MIN(AVAILABLE, block_stored)
	fi
}

/* one transaction: what was given back, the ledger, the request */
inline store()
{
	reserved[0] = reserved[0] - pile[0];
	pile[0] = 0;
#ifdef ROLLOVER
	reserved[1] = reserved[1] - pile[1];
	pile[1] = 0;
#endif
	if
	:: saw && !applied -> credits = CREDIT; applied = true
	:: else
	fi;
	saw = false;
	if
	:: taken && !stored ->
		compute();
		reserved[posted_window] = reserved[posted_window] + block_stored;
		rest_stored = AVAILABLE;
		credits_stored = CREDITS_OF(posted_window);
		stored = true
	:: else
	fi
}

/* what a writer that ends takes with it; the request stays in the queue */
inline forget_writer()
{
	lost[0] = lost[0] + pile[0] + (stored && posted_window == 0 -> block_stored : 0);
	pile[0] = 0;
#ifdef ROLLOVER
	lost[1] = lost[1] + pile[1] + (stored && posted_window == 1 -> block_stored : 0);
	pile[1] = 0;
#endif
	forget_work()
}

inline restart_window(w)
{
	assert(given[w] <= reserved[w]);
	assert(reserved[w] <= given[w] + lost[w] + LOSS);
	lost[w] = reserved[w] - given[w]
}

inline wipe()
{
	failures++;
	window = 0; left = 0; block = 0; rest = 0;
	loaded = false; pending = false;
	posted = false; posted_window = 0; posted_need = 0;
	pile[0] = 0;
#ifdef ROLLOVER
	pile[1] = 0;
#endif
	forget_work()
}

/* a restart here, or the standby takes over */
inline crash()
{
	d_step
	{
		wipe();
		restart_window(0);
#ifdef ROLLOVER
		restart_window(1);
#endif
	}
}

inline failover()
{
	d_step
	{
		wipe();
		reserved[0] = standby[0];
#ifdef ROLLOVER
		reserved[1] = standby[1];
		restart_window(1);
#endif
		restart_window(0)
	}
}

#ifdef NO_CONFIRM
#define CONFIRMED	true
#else
#define CONFIRMED	(standby[posted_window] >= reserved[posted_window])
#endif
#ifdef ROLLOVER
#define PILE	(pile[0] > 0 || pile[1] > 0)
#else
#define PILE	(pile[0] > 0)
#endif

proctype writer()
{
	bool saw;

end:
	do
	/* take_requests(), choose_requests() */
	:: posted && !taken -> taken = true

	/* run_round(): its snapshot sees the ledger, then it commits */
	:: (taken && !stored) || PILE || changed ->
		d_step { changed = false; saw = ledger };
#ifdef GRANT_FIRST
		if
		:: d_step { taken && !stored -> compute(); rest_stored = 0; grant(); block_stored = 0 }
		:: else
		fi;
#endif
		d_step { store(); check() }

	/* the standby receives it */
	:: standby[0] != reserved[0] -> standby[0] = reserved[0]
#ifdef ROLLOVER
	:: standby[1] != reserved[1] -> standby[1] = reserved[1]
#endif

	/* grant_stored() */
	:: stored && CONFIRMED ->
		d_step
		{
#ifdef FREE_FIRST
			posted = false
#else
			grant();
			posted = false;
			forget_work();
			check()
#endif
		}
#ifdef FREE_FIRST
		if
		:: d_step { grant(); forget_work() }
		:: failures < FAILURES -> d_step { failures++; forget_writer() }
		fi
#endif

	/* apikey_buckets_tidy(): take back what is idle */
	:: left > 0 && !pending ->
		d_step
		{
#ifdef RETURN_FIRST
			reserved[window] = reserved[window] - left
		};
		d_step
		{
			left = 0;
#else
			pile[window] = pile[window] + left;
#ifndef KEEP_LEFT
			left = 0;
#endif
#endif
			loaded = false;
			check()
		}

	/* the writer ends by an error or SIGTERM, another one starts */
	:: failures < FAILURES && (stored || PILE) ->
		d_step { failures++; forget_writer(); saw = false }

	/* everything in memory is gone, and the standby may take over */
	:: failures < FAILURES -> crash()
	:: failures < FAILURES -> failover()
	od
}

/* add_credits() and its commit */
proctype creditor()
{
#ifdef MARK_FIRST
	d_step { changed = true; refresh = true };
	ledger = true;
#else
	ledger = true;
	d_step { changed = true; refresh = true };	/* apikey_reserve_changed() */
#endif
	told = true
}

init
{
	atomic
	{
		run session(1);
		run session(NEED);
		run writer();
#ifdef CREDITS
		run creditor();
#endif
	};
#ifdef ROLLOVER
	clock = 1;
#endif
	timeout;
	assert(running == 0 && !pending && !posted)
}
