/*
 * test_ring.c
 *		Unit and stress test of the usage ring (src/ring.c).
 */
#include <pthread.h>
#include <sched.h>

#include "unit.h"

#include "ring.h"

#define NPRODUCERS	4
#define NRECORDS	60000
#define MAX_LEN		700

/* counted only when it fails: the stress tests look at every record */
#define MUST(condition, ...) \
	do { \
		if (!(condition)) \
			unit_check(false, __FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

typedef struct Message
{
	uint32_t	producer;
	uint32_t	number;
	unsigned char fill[MAX_LEN];
} Message;

#define MESSAGE_MIN	offsetof(Message, fill)

static ApikeyRingShared *
new_ring(size_t size)
{
	ApikeyRingShared *ring = malloc(apikey_ring_bytes(size));

	memset(ring, 0xFF, apikey_ring_bytes(size));
	apikey_ring_init(ring, size);
	return ring;
}

static int
push(ApikeyRingShared *ring, const void *data, uint32_t len)
{
	ApikeyRingRecord record;

	if (!apikey_ring_reserve(ring, len, &record))
		return 0;
	memcpy(record.payload, data, len);
	apikey_ring_publish(&record);
	return 1;
}

/* every length, around the end of the buffer too */
static void
test_lengths(void)
{
	ApikeyRingShared *ring = new_ring(4096);
	unsigned char data[1024];
	uint32_t	longest = apikey_ring_longest(ring);

	MUST(longest == 4096 / 4 - 8, "%u", longest);
	MUST(!push(ring, data, longest + 1), "a too long record was taken");
	for (uint32_t len = 0; len <= longest; len++)
	{
		uint64_t	pos;
		uint32_t	got = 9999;
		const char *p;

		memset(data, (int) (len % 255) + 1, sizeof(data));
		MUST(push(ring, data, len), "len %u", len);
		pos = apikey_ring_tail(ring);
		p = apikey_ring_next(ring, &pos, &got);
		MUST(p != NULL && got == len && memcmp(p, data, len) == 0, "len %u", len);
		MUST(((uintptr_t) p) % 8 == 0, "len %u not aligned", len);
		p = apikey_ring_next(ring, &pos, &got);
		MUST(p == NULL, "len %u: something behind the last record", len);
		apikey_ring_release(ring, pos);
		MUST(apikey_ring_head(ring) == apikey_ring_tail(ring), "len %u", len);
	}
	MUST(apikey_ring_pushed(ring) == longest + 1, "pushed");
	for (size_t i = 0; i < 4096; i++)
		if (ring->data[i] != 0)
		{
			MUST(0, "byte %zu not zeroed", i);
			break;
		}
	free(ring);
}

/* full, then room again; an unpublished record stops the consumer */
static void
test_full(void)
{
	ApikeyRingShared *ring = new_ring(1024);
	unsigned char data[56];
	ApikeyRingRecord record;
	uint64_t	pos;
	uint32_t	len;
	int			n = 0;

	memset(data, 7, sizeof(data));
	while (push(ring, data, sizeof(data)))
		n++;
	MUST(n == 1024 / 64, "%d", n);
	pos = apikey_ring_tail(ring);
	for (int i = 0; i < n; i++)
		MUST(apikey_ring_next(ring, &pos, &len) != NULL, "record %d", i);
	MUST(apikey_ring_next(ring, &pos, &len) == NULL,
		 "the consumer ran into its own records");
	apikey_ring_release(ring, apikey_ring_tail(ring) + 64);
	MUST(push(ring, data, sizeof(data)), "no room after a release");
	MUST(!push(ring, data, sizeof(data)), "overfull");
	apikey_ring_release(ring, apikey_ring_head(ring));

	MUST(apikey_ring_reserve(ring, 8, &record), "reserve");
	MUST(push(ring, data, 8), "push behind a reservation");
	pos = apikey_ring_tail(ring);
	MUST(apikey_ring_next(ring, &pos, &len) == NULL, "saw an unpublished record");
	memcpy(record.payload, "12345678", 8);
	apikey_ring_publish(&record);
	MUST(apikey_ring_next(ring, &pos, &len) != NULL, "first");
	MUST(apikey_ring_next(ring, &pos, &len) != NULL, "second");
	MUST(pos == apikey_ring_head(ring), "head");
	free(ring);
}

typedef struct Producer
{
	ApikeyRingShared *ring;
	uint32_t	id;
} Producer;

static unsigned
random_next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned) (*state >> 33);
}

static void *
produce(void *arg)
{
	Producer   *me = arg;
	uint64_t	state = me->id + 1;
	Message		message;

	message.producer = me->id;
	for (uint32_t i = 0; i < NRECORDS; i++)
	{
		uint32_t	fill = random_next(&state) % MAX_LEN;

		message.number = i;
		memset(message.fill, (int) ((i ^ me->id) & 0xFF), fill);
		while (!push(me->ring, &message, (uint32_t) MESSAGE_MIN + fill))
			sched_yield();
	}
	return NULL;
}

/* nothing lost, nothing twice, nothing torn, each producer in order */
static void
test_stress(size_t size)
{
	ApikeyRingShared *ring = new_ring(size);
	pthread_t	thread[NPRODUCERS];
	Producer	producer[NPRODUCERS];
	uint32_t	next[NPRODUCERS] = {0};
	uint64_t	state = 42;
	int			total = 0;

	for (uint32_t i = 0; i < NPRODUCERS; i++)
	{
		producer[i].ring = ring;
		producer[i].id = i;
		pthread_create(&thread[i], NULL, produce, &producer[i]);
	}
	while (total < NPRODUCERS * NRECORDS && unit_failed < 10)
	{
		uint64_t	pos = apikey_ring_tail(ring);
		unsigned	batch = random_next(&state) % 50;
		uint32_t	len;
		const char *p;

		while (batch-- > 0 && (p = apikey_ring_next(ring, &pos, &len)) != NULL)
		{
			const Message *m = (const Message *) p;
			unsigned char expect;

			MUST(m->producer < NPRODUCERS, "torn record, producer %u", m->producer);
			if (m->producer >= NPRODUCERS)
				break;
			MUST(m->number == next[m->producer], "producer %u: %u instead of %u",
				 m->producer, m->number, next[m->producer]);
			next[m->producer] = m->number + 1;
			expect = (unsigned char) (m->number ^ m->producer);
			for (uint32_t i = 0; i < len - MESSAGE_MIN; i++)
				if (m->fill[i] != expect)
				{
					MUST(0, "producer %u record %u byte %u", m->producer, m->number, i);
					break;
				}
			total++;
		}
		if (pos == apikey_ring_tail(ring))
			sched_yield();
		else
			apikey_ring_release(ring, pos);
	}
	/* with failures the producers may be stuck: do not wait for them */
	if (unit_failed == 0)
	{
		for (int i = 0; i < NPRODUCERS; i++)
			pthread_join(thread[i], NULL);
		MUST(apikey_ring_pushed(ring) == (uint64_t) total, "pushed");
		MUST(apikey_ring_head(ring) == apikey_ring_tail(ring), "not empty at the end");
		free(ring);
	}
}

int
main(void)
{
	unit_begin();
	test_lengths();
	CHECK_INT(unit_failed, 0);
	test_full();
	CHECK_INT(unit_failed, 0);
	test_stress(4096);
	CHECK_INT(unit_failed, 0);
	test_stress(64 * 1024);
	CHECK_INT(unit_failed, 0);
	return unit_done("test_ring");
}
