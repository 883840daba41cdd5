/*
 * ring.h
 *		A bounded lock-free byte ring: many producers, one consumer.
 *
 * Layer 0: C library and compiler atomics only, no postgres.h, so that
 * test/unit/test_ring.c can stress it with threads.
 *
 * Positions are 64-bit byte counts that only grow; position p lives at
 * data[p % size].  A record is an 8-byte header followed by the payload,
 * rounded up to 8 bytes, and never wraps: what is left at the end of the
 * buffer is filled by a padding record.
 *
 * Who writes what
 *		head	producers, by compare-and-swap: reserves [head, head + n)
 *		pushed	producers, by addition: records reserved so far
 *		tail	the consumer only
 *		data	[tail, head): the producer that reserved it until it published
 *				the header, nobody afterwards until the consumer zeroes it
 *				[head, tail + size): all zero, nobody
 *
 * Invariant: a header word is zero until its record is complete.  The consumer
 * stops at the first zero header, so a half-written record is never seen.  It
 * holds because the consumer zeroes every byte it consumed before it moves the
 * tail, so that whatever old payload lay there cannot look like a header.
 *
 * Memory order
 *		publish: the header is stored with release after the payload; the
 *		consumer loads it with acquire: it sees the whole payload.
 *		free: the tail is stored with release after the zeroing; a producer
 *		loads it with acquire before it reserves: its writes come after the
 *		zeroes.
 *		The compare-and-swap on head is sequentially consistent: it orders a
 *		producer's reservation against the flag with which a sleeping consumer
 *		asks to be woken (slot.h, writer_idle).
 *
 * Between reserve and publish a producer must not fail, wait, allocate or be
 * interrupted: the consumer cannot pass an unpublished record.  A process that
 * dies there by SIGKILL takes the whole shared memory with it (the postmaster
 * makes it anew), so nothing has to be repaired.
 */
#ifndef APIKEY_RING_H
#define APIKEY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APIKEY_RING_ALIGN		8
#define APIKEY_RING_CACHELINE	128

typedef struct ApikeyRingShared
{
	uint64_t	size;			/* bytes of data, a multiple of 8; constant */
	char		pad0[APIKEY_RING_CACHELINE - 8];
	uint64_t	head;			/* atomic; producers */
	uint64_t	pushed;			/* atomic; producers */
	char		pad1[APIKEY_RING_CACHELINE - 16];
	uint64_t	tail;			/* atomic; consumer */
	char		pad2[APIKEY_RING_CACHELINE - 8];
	char		data[];
} ApikeyRingShared;

/* A reserved, not yet published record. */
typedef struct ApikeyRingRecord
{
	char	   *payload;		/* write up to the asked length here */
	uint64_t   *header;			/* private to ring.c */
	uint64_t	word;			/* private to ring.c */
	uint64_t	end;			/* position behind the record */
} ApikeyRingRecord;

/* apikey_ring_bytes returns the memory a ring of size data bytes takes. */
extern size_t apikey_ring_bytes(size_t size);

/* apikey_ring_init makes an empty ring; nobody may be using it. */
extern void apikey_ring_init(ApikeyRingShared *ring, size_t size);

/* apikey_ring_longest returns the longest payload the ring takes. */
extern uint32_t apikey_ring_longest(const ApikeyRingShared *ring);

/*
 * apikey_ring_reserve reserves room for len payload bytes; false when there is
 * none (or len is over apikey_ring_longest).
 */
extern bool apikey_ring_reserve(ApikeyRingShared *ring, uint32_t len,
								ApikeyRingRecord *record);

/* apikey_ring_publish makes a reserved, filled record visible. */
extern void apikey_ring_publish(const ApikeyRingRecord *record);

/*
 * apikey_ring_next returns the payload at *pos and moves *pos behind it; NULL
 * when nothing (more) is published.  Consumer only; start at the tail.
 */
extern const char *apikey_ring_next(const ApikeyRingShared *ring, uint64_t *pos,
									uint32_t *len);

/* apikey_ring_release gives everything before upto back.  Consumer only. */
extern void apikey_ring_release(ApikeyRingShared *ring, uint64_t upto);

/* Positions, each read at some instant. */
extern uint64_t apikey_ring_head(const ApikeyRingShared *ring);
extern uint64_t apikey_ring_tail(const ApikeyRingShared *ring);
extern uint64_t apikey_ring_pushed(const ApikeyRingShared *ring);

#endif							/* APIKEY_RING_H */
