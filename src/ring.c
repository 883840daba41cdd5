/*
 * ring.c
 *		A bounded lock-free byte ring: many producers, one consumer.
 *
 * Layer 0: C library only.  The rules are in ring.h.
 */
#include "ring.h"

#include <string.h>

/*
 * The header word: bit 0 says "published", bit 1 "padding"; the low 32 bits
 * without these are the whole size of the record (a multiple of 8), the high
 * 32 bits the length of the payload.
 */
#define HEADER_BYTES	8
#define WORD_PUBLISHED	UINT64_C(1)
#define WORD_PADDING	UINT64_C(2)
#define WORD_SIZE(w)	((w) & UINT64_C(0xFFFFFFF8))
#define WORD_LEN(w)		((uint32_t) ((w) >> 32))

/* A record may take at most this part of the ring, so that it fits soon. */
#define LONGEST_PART	4

static inline uint64_t
record_size(uint32_t len)
{
	return ((uint64_t) len + HEADER_BYTES + APIKEY_RING_ALIGN - 1) &
		~(uint64_t) (APIKEY_RING_ALIGN - 1);
}

size_t
apikey_ring_bytes(size_t size)
{
	return offsetof(ApikeyRingShared, data) + size;
}

void
apikey_ring_init(ApikeyRingShared *ring, size_t size)
{
	size &= ~(size_t) (APIKEY_RING_ALIGN - 1);
	memset(ring, 0, apikey_ring_bytes(size));
	ring->size = size;
}

uint32_t
apikey_ring_longest(const ApikeyRingShared *ring)
{
	return (uint32_t) (ring->size / LONGEST_PART - HEADER_BYTES);
}

uint64_t
apikey_ring_head(const ApikeyRingShared *ring)
{
	return __atomic_load_n(&ring->head, __ATOMIC_SEQ_CST);
}

uint64_t
apikey_ring_tail(const ApikeyRingShared *ring)
{
	return __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
}

uint64_t
apikey_ring_pushed(const ApikeyRingShared *ring)
{
	return __atomic_load_n(&ring->pushed, __ATOMIC_RELAXED);
}

bool
apikey_ring_reserve(ApikeyRingShared *ring, uint32_t len, ApikeyRingRecord *record)
{
	uint64_t	need = record_size(len);
	uint64_t	size = ring->size;

	if (len > apikey_ring_longest(ring))
		return false;

	for (;;)
	{
		/*
		 * The tail is read before the head: it may then be older than the
		 * head, which only makes the ring look fuller, never the other way
		 * round.
		 */
		uint64_t	tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
		uint64_t	head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
		uint64_t	at = head % size;
		uint64_t	padding = at + need > size ? size - at : 0;

		if (head + padding + need - tail > size)
		{
			/* full, unless the tail moved meanwhile */
			if (__atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) != tail)
				continue;
			return false;
		}
		if (!__atomic_compare_exchange_n(&ring->head, &head,
										 head + padding + need, false,
										 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			continue;

		__atomic_add_fetch(&ring->pushed, 1, __ATOMIC_RELAXED);
		if (padding > 0)
		{
			__atomic_store_n((uint64_t *) (ring->data + at),
							 padding | WORD_PADDING | WORD_PUBLISHED,
							 __ATOMIC_RELEASE);
			at = 0;
		}
		record->header = (uint64_t *) (ring->data + at);
		record->payload = ring->data + at + HEADER_BYTES;
		record->word = ((uint64_t) len << 32) | need | WORD_PUBLISHED;
		record->end = head + padding + need;
		return true;
	}
}

void
apikey_ring_publish(const ApikeyRingRecord *record)
{
	__atomic_store_n(record->header, record->word, __ATOMIC_RELEASE);
}

const char *
apikey_ring_next(const ApikeyRingShared *ring, uint64_t *pos, uint32_t *len)
{
	uint64_t	tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);

	for (;;)
	{
		const char *at = ring->data + *pos % ring->size;
		uint64_t	word;

		/*
		 * One full turn ahead of the tail the bytes are those of the records
		 * already walked over: they are not zero, and not new.
		 */
		if (*pos - tail >= ring->size)
			return NULL;
		word = __atomic_load_n((const uint64_t *) at, __ATOMIC_ACQUIRE);
		if (!(word & WORD_PUBLISHED))
			return NULL;
		*pos += WORD_SIZE(word);
		if (word & WORD_PADDING)
			continue;
		*len = WORD_LEN(word);
		return at + HEADER_BYTES;
	}
}

void
apikey_ring_release(ApikeyRingShared *ring, uint64_t upto)
{
	uint64_t	tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
	uint64_t	at = tail % ring->size;
	uint64_t	n = upto - tail;
	uint64_t	first = n < ring->size - at ? n : ring->size - at;

	memset(ring->data + at, 0, first);
	memset(ring->data, 0, n - first);
	__atomic_store_n(&ring->tail, upto, __ATOMIC_RELEASE);
}
