/*
 * ring.pml
 *		The usage ring (src/ring.c) and the sleep of its consumer
 *		(sleep_idle() in src/writer.c, the end of src/usage_push.c).
 *
 * Two producers push records of 2 and 3 cells into a ring of SIZE cells, so
 * that most records lie across the end of an earlier one, some need padding,
 * and the ring is full again and again.  The consumer takes batches of any
 * length; a batch may fail, and is then read again.  A cell is 8 bytes; every
 * payload cell looks like the header of a published record of a wrong size
 * (ring.c cannot tell them apart either), so a consumer that reads old bytes
 * as a header is caught.
 *
 * Properties
 *	1. A record is read only whole and as it was written (assert in the walk).
 *	2. Each producer's records come in the order they were pushed; none comes
 *	   twice into the table (assert at the commit).
 *	3. A cell is written by who has reserved it only, and is zero then
 *	   (assert in WRITE).
 *	4. Nothing is lost and the consumer does not oversleep: when nothing moves
 *	   any more, every record is in the table (monitor).  The sleep has no
 *	   timeout here, though it has one in the code.
 *	5. Nothing blocks for ever (spin's own check of end states).
 *
 * Memory order.  spin interleaves steps one by one.  Where the code lets a
 * later load pass an earlier store (publication before the look at the flag:
 * a release store, then a load) both orders are tried.
 *
 * The level "model" reads these lines:
 * must hold: -DRECORDS=3
 * must hold: -DRECORDS=2 -DSIZE=8
 * must fail: -DPUBLISH_EARLY		the header is written before the payload
 * must fail: -DNO_ZERO				what was consumed is not zeroed
 * must fail: -DRELEASE_EARLY		the tail moves before the zeroing
 * must fail: -DNO_LAP_CHECK		the walk does not stop one turn ahead
 * must fail: -DNO_CAS				head is read, then written
 * must fail: -DNO_PADDING			a record wraps around the end
 * must fail: -DRELEASE_UNCOMMITTED	a failed batch frees its part of the ring
 * must fail: -DLOOK_FIRST			looks at the head, then raises the flag
 * must fail: -DLOOK_AT_RECORD		looks for a published record, not at the head
 * must fail: -DNO_LOOK				raises the flag and sleeps
 */
#ifndef RECORDS
#define RECORDS	2			/* of each producer */
#endif
#ifndef SIZE
#define SIZE	6			/* cells */
#endif

#define PRODUCERS	2
#define IDS			(PRODUCERS * RECORDS)

/* a header word: published, padding, cells of the whole record */
#define PUBLISHED	128
#define PADDING		64
#define CELLS(w)	((w) & 7)

/* record i of producer p: its payload, its size */
#define ID(p, i)	((p) * RECORDS + (i))
#define PAYLOAD(id)	(PUBLISHED + (id) + 1)
#define NEED(p, i)	(2 + (((p) + (i)) & 1))

byte data[SIZE];
byte head, tail;			/* positions, as in ApikeyRingShared */
bool writer_idle;
bool latch;					/* of the writer */

byte owner[SIZE];			/* ghost: who may write the cell, 0 = nobody */
byte next_of[PRODUCERS];	/* ghost: records in the table */
byte running = PRODUCERS;

#define WRITE(at, word, who) \
	assert(owner[at] == (who) && data[at] == 0); data[at] = (word)

/* the new value of the compare-and-swap, and whose the cells are now */
inline move_head()
{
	if
	:: won ->
		head = old_head + padding + need;
		j = 0;
		do
		:: j < padding + need -> owner[(old_head + j) % SIZE] = me + 1; j++
		:: else -> break
		od
	:: else
	fi
}

proctype producer(byte me)
{
	byte i, need, padding, at, j, old_head, old_tail;
	bool won;

	do
	:: i < RECORDS ->
		need = NEED(me, i);

		/* apikey_ring_reserve */
retry:
		old_tail = tail;
		old_head = head;
		at = old_head % SIZE;
#ifdef NO_PADDING
		padding = 0;
#else
		padding = (at + need > SIZE -> SIZE - at : 0);
#endif
		if
		:: old_head + padding + need - old_tail > SIZE ->
			/* full; reserve_waiting(): wake the writer, look again later */
			latch = true;
			(tail != old_tail);
			goto retry
		:: else
		fi;
#ifdef NO_CAS
		won = (head == old_head);
		d_step { move_head() };
#else
		d_step { won = (head == old_head); move_head() };
#endif
		if
		:: !won -> goto retry
		:: else
		fi;
		if
		:: padding > 0 ->
			d_step { WRITE(at, PUBLISHED + PADDING + padding, me + 1) };
			at = 0
		:: else
		fi;

		/* apikey_event_encode, apikey_ring_publish */
#ifdef PUBLISH_EARLY
		d_step { WRITE(at, PUBLISHED + need, me + 1) };
#endif
		j = 1;
		do
		:: j < need ->
			d_step { WRITE((at + j) % SIZE, PAYLOAD(ID(me, i)), me + 1); j++ }
		:: else -> break
		od;
#ifndef PUBLISH_EARLY
		/* the look at the flag may come before others see the header */
		if
		:: d_step { WRITE(at, PUBLISHED + need, me + 1) }; goto look
		:: old_tail = writer_idle;	/* a variable that is free by now */
			d_step { WRITE(at, PUBLISHED + need, me + 1) };
			goto wake
		fi;
#endif
look:	old_tail = writer_idle;
wake:	if
		:: old_tail != 0 ->
			/* pg_atomic_exchange_u32: one of us wakes it */
			d_step { old_tail = writer_idle; writer_idle = false };
			if
			:: old_tail != 0 -> latch = true
			:: else
			fi
		:: else
		fi;
		d_step { i++; need = 0; padding = 0; at = 0; j = 0; old_head = 0; old_tail = 0; won = false }
	:: else -> break
	od;
	running--
}

byte seen[PRODUCERS];		/* ghost: next_of if this batch is committed */

#ifdef NO_LAP_CHECK
#define IN_LAP(pos)	true
#else
#define IN_LAP(pos)	((pos) - tail < SIZE)
#endif

/* apikey_ring_next: *pos == before when there is nothing more */
inline walk_one()
{
	d_step
	{
		more = false;
		word = data[pos % SIZE];
		if
		:: (word & PUBLISHED) != 0 && IN_LAP(pos) ->
			more = true;
			if
			:: (word & PADDING) != 0 ->
				assert(owner[pos % SIZE] != 0 && pos % SIZE + CELLS(word) == SIZE)
			:: else ->
				/* whose it is is read from its first payload cell */
				j = data[(pos + 1) % SIZE] - PAYLOAD(0);
				assert(j < IDS);
				assert(j % RECORDS == seen[j / RECORDS]);
				assert(CELLS(word) == NEED(j / RECORDS, j % RECORDS));
				assert(pos % SIZE + CELLS(word) <= SIZE);
				assert(CELLS(word) == 2 || data[(pos + 2) % SIZE] == PAYLOAD(j));
				seen[j / RECORDS]++
			fi;
			pos = pos + CELLS(word)
		:: else
		fi;
		word = 0;
		j = 0
	}
}

proctype writer()
{
	byte pos, word, j;
	bool more, idle;

	do
	::	/* sleep_idle() */
#ifdef LOOK_FIRST
		idle = (head == tail);
		writer_idle = true;
#else
		writer_idle = true;
#ifdef NO_LOOK
		idle = true;
#else
#ifdef LOOK_AT_RECORD
		idle = ((data[tail % SIZE] & PUBLISHED) == 0);
#else
		idle = (head == tail);
#endif
#endif
#endif
		if
		:: idle ->
end_sleep:	d_step { latch -> latch = false }
		:: else
		fi;
		writer_idle = false;

		/* turn(): write until the ring is empty */
		do
		:: head == tail -> break
		:: else ->
			/* reserved, not yet published: it looks every ms */
			(data[tail % SIZE] & PUBLISHED);
			d_step
			{
				pos = tail;
				seen[0] = next_of[0];
				seen[1] = next_of[1]
			};
			do
			:: walk_one();
				if
				:: more
				:: break		/* the batch is full, or nothing more */
				fi
			od;
			if
			:: d_step		/* COMMIT */
				{
					next_of[0] = seen[0];
					next_of[1] = seen[1]
				}
			::					/* an error: the same rows come again */
#ifndef RELEASE_UNCOMMITTED
				pos = tail
#else
				skip
#endif
			fi;

			/* apikey_ring_release(pos) */
			j = tail;
#ifdef RELEASE_EARLY
			tail = pos;
#endif
			do
			:: j < pos ->
				d_step
				{
#ifndef NO_ZERO
					data[j % SIZE] = 0;
#endif
					owner[j % SIZE] = 0;
					j++
				}
			:: else -> break
			od;
			tail = pos;
			d_step { j = 0; pos = 0; more = false }
		od
	od
}

init
{
	atomic
	{
		run producer(0);
		run producer(1);
		run writer()
	};
	/* when nobody moves any more */
	timeout;
	assert(running == 0);
	assert(next_of[0] == RECORDS && next_of[1] == RECORDS)
}
