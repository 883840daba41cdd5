/*
 * cache.pml
 *		The cache of compiled keys (src/keycache.c, src/changes.c) against
 *		changes that others commit and that the caller makes and takes back.
 *
 * The record of one key is compiled from three rows: its own row, that of its
 * parent key (which nobody knows before the own row is read) and its policy.
 * Writers change them; each change sends a message for the relation that
 * stands for the row: one for each group of keys, one for all that is shared.
 * The verifying backend may change rows itself and insert a second key, and
 * commit or roll back.
 *
 * What PostgreSQL does, as its sources have it:
 *	- a commit makes its changes visible, then sends its messages, then
 *	  releases its locks, then COMMIT returns (CommitTransaction(); the same
 *	  for COMMIT PREPARED, and for the replay on a standby);
 *	- sending puts the messages into the queue, then raises a flag of each
 *	  backend; accepting looks at the flag, lowers it, then reads the queue
 *	  (SIInsertDataEntries(), SIGetDataEntries());
 *	- the messages of the own transaction are applied when a command ends and,
 *	  after a rollback, once more (AtEOXact_Inval()).  A command may end inside
 *	  another one: between the trigger that sends and the row that changes.
 * Versions stand for contents: each change makes the row's version one higher.
 *
 * Properties (assert in verify)
 *	1. Commit is revoked: an answer is never older than a change whose COMMIT
 *	   had returned when the verification started.
 *	2. Own changes count at once, and no longer after a rollback: an answer
 *	   holds all that is the caller's own, and nothing that is neither that nor
 *	   committed.
 *
 * The level "model" reads these lines:
 * must hold: -DCALLS=3
 * must fail: -DNO_ACCEPT		a hit without accepting messages first
 * must fail: -DNO_COMPARE		kept whatever came in meanwhile
 * must fail: -DSTAMP_LATE		the stamp is taken after the snapshot
 * must fail: -DSTAMP_AGAIN		the stamp is taken anew between two reads
 * must fail: -DSTAMP_GROUP		the stamp covers the own group and what is
 *								shared, not the group of the parent
 * must fail: -DOLD_SNAPSHOT	reads with a snapshot older than the stamp
 * must fail: -DSEND_FIRST		messages go out before the commit is visible
 * must fail: -DRETURN_FIRST	COMMIT returns before the messages are out
 * must fail: -DNO_DIRTY		kept while the own transaction has sent something
 * must fail: -DKEEP_OWN		kept though a row is the transaction's own
 */
#ifndef CALLS
#define CALLS	3			/* verifications */
#endif

#define KEY		0			/* the rows, and the relations that stand for them */
#define PARENT	1
#define POLICY	2
#define ROWS	3
#define NONE	ROWS

byte version[ROWS];			/* committed and visible */
byte returned[ROWS];		/* ghost: the COMMIT of this version has returned */
bool locked[ROWS];			/* row lock of a writer */

/* messages on their way to the verifying backend */
bool queued[ROWS];
bool flag;

inline visible(row)
{
	version[row]++
}

/* the queue, then the flag */
inline send(row)
{
	queued[row] = true;
	flag = true
}

#if defined(SEND_FIRST)
#define FIRST(row)	locked[row] = true
#define SECOND(row)	send(row); visible(row)
#define THIRD(row)	skip
#elif defined(RETURN_FIRST)
#define FIRST(row)	visible(row)
#define SECOND(row)	skip
#define THIRD(row)	send(row)
#else
#define FIRST(row)	visible(row)
#define SECOND(row)	send(row)
#define THIRD(row)	skip
#endif

/* another session changes one row; what it does before its commit nobody sees */
proctype writer(byte row)
{
	d_step { !locked[row] -> locked[row] = true; FIRST(row) };
	SECOND(row);
	d_step { returned[row] = version[row]; locked[row] = false };
	THIRD(row)
}

/* --- the verifying backend */

bool kept;					/* there is a record in the cache */
byte cache[ROWS];			/* the versions it was compiled from */
bool passed;				/* a mark has passed the stamp of this reading */

/* its own transaction */
bool dirty;					/* its trigger has sent a message */
byte pending = NONE;		/* the row of a command that still runs */
bool applied;				/* the message was applied in the middle of it */
byte own = NONE;			/* a row it has changed */
byte second;				/* the second key: 0 none, 1 own insert, 2 committed */
bool second_kept;

#ifdef STAMP_GROUP
#define COUNTED(row)	((row) != PARENT)
#else
#define COUNTED(row)	true
#endif

/* on_relcache(): a key's record is dropped by any row of its chain */
inline message(row)
{
	kept = false;
	second_kept = (row == POLICY -> false : second_kept);
	passed = passed || COUNTED(row)
}

/* AcceptInvalidationMessages() */
inline accept()
{
	if
	:: flag ->
		flag = false;
		d_step
		{
			if :: queued[KEY] -> queued[KEY] = false; message(KEY) :: else fi;
			if :: queued[PARENT] -> queued[PARENT] = false; message(PARENT) :: else fi;
			if :: queued[POLICY] -> queued[POLICY] = false; message(POLICY) :: else fi
		}
	:: else
	fi
}

#define SEEN(row)	(version[row] + (own == (row) -> 1 : 0))

/* GetLatestSnapshot(), and all that is read with it */
inline snapshot()
{
	d_step
	{
		read[KEY] = SEEN(KEY);
		read[PARENT] = SEEN(PARENT);
		read[POLICY] = SEEN(POLICY)
	}
}

#ifdef NO_DIRTY
#define DIRTY		false
#else
#define DIRTY		dirty
#endif
#ifdef NO_COMPARE
#define UNCHANGED	true
#else
#define UNCHANGED	(!passed)
#endif
#ifdef KEEP_OWN
#define MAY_KEEP_SECOND	(second != 0)
#else
#define MAY_KEEP_SECOND	(second == 2)
#endif

/* fill() of keycache.c */
inline fill()
{
#ifdef OLD_SNAPSHOT
	snapshot();
#endif
	accept();			/* apikey_changes_watched() */
	passed = false;		/* the stamp */
#ifndef OLD_SNAPSHOT
	snapshot();
#endif
	accept();			/* opening tables for the reads takes locks */
#ifdef STAMP_LATE
	passed = false;
#endif
#ifdef STAMP_AGAIN
	passed = false;
	d_step { read[POLICY] = SEEN(POLICY) };
	accept();
#endif
	/* keep_key() */
	d_step
	{
		if
		:: UNCHANGED && !DIRTY ->
			kept = true;
			cache[KEY] = read[KEY];
			cache[PARENT] = read[PARENT];
			cache[POLICY] = read[POLICY]
		:: else
		fi
	}
}

inline verify()
{
	d_step
	{
		floor[KEY] = returned[KEY];
		floor[PARENT] = returned[PARENT];
		floor[POLICY] = returned[POLICY]
	};
	/* apikey_keycache_find() */
#ifndef NO_ACCEPT
	accept();
#endif
	if
	:: kept && !DIRTY ->
		d_step
		{
			read[KEY] = cache[KEY];
			read[PARENT] = cache[PARENT];
			read[POLICY] = cache[POLICY]
		}
	:: else -> fill()
	fi;
	d_step
	{
		assert(read[KEY] >= floor[KEY]);
		assert(read[PARENT] >= floor[PARENT]);
		assert(read[POLICY] >= floor[POLICY]);
		assert(read[KEY] <= SEEN(KEY));
		assert(read[PARENT] <= SEEN(PARENT));
		assert(read[POLICY] <= SEEN(POLICY));
		assert(own == NONE || read[own] == version[own] + 1);
		read[KEY] = 0; read[PARENT] = 0; read[POLICY] = 0;
		floor[KEY] = 0; floor[PARENT] = 0; floor[POLICY] = 0;
		passed = false
	}
}

/* the second key has one row and no trigger on INSERT; no key is not kept */
inline verify_second()
{
	d_step
	{
		if
		:: second_kept && !DIRTY -> assert(second != 0)
		:: else ->
			if
			:: MAY_KEEP_SECOND && !DIRTY -> second_kept = true
			:: else
			fi
		fi
	}
}

/* an UPDATE or DELETE of the caller, up to the trigger and what it calls */
inline change(row)
{
	atomic { !locked[row] -> locked[row] = true };
	dirty = true;
	pending = row;
	if
	:: d_step { message(row); applied = true }
	:: skip
	fi
}

/* the rest of it */
inline change_done()
{
	d_step
	{
		own = pending;
		if
		:: !applied -> message(own)
		:: else
		fi;
		pending = NONE;
		applied = false
	}
}

inline end_transaction()
{
	if
	:: own < NONE ->
		if
		::	/* COMMIT */
			d_step { row = own; visible(row); own = NONE };
			send(row);
			d_step { returned[row] = version[row] }
		::	/* ROLLBACK */
			d_step { row = own; own = NONE; message(row) }
		fi;
		d_step { locked[row] = false; dirty = false; row = 0 }
	:: else
	fi;
	if
	:: second == 1 ->
		if
		:: second = 0		/* nothing was sent, nothing is applied */
		:: second = 2
		fi
	:: else
	fi
}

proctype verifier()
{
	byte calls, row;
	byte read[ROWS], floor[ROWS];
	bool changed;

	do
	:: calls < CALLS -> verify(); calls++
	:: calls < CALLS -> verify_second(); calls++
	:: calls < CALLS && !changed -> changed = true; change(KEY)
	:: calls < CALLS && !changed -> changed = true; change(POLICY)
	:: calls < CALLS && !changed -> changed = true; second = 1
	:: pending < NONE -> change_done()
	:: pending == NONE && (own < NONE || second == 1) -> end_transaction()
	:: calls == CALLS && pending == NONE && own == NONE && second != 1 -> break
	od
}

init
{
	atomic
	{
		run verifier();
		run writer(KEY);
		run writer(PARENT);
		run writer(POLICY)
	}
}
