/*
 * mock_random.h
 *		Numbers that look random and follow from a seed.
 *
 * Layer 0: C library only.  For mock data alone: never for a secret.
 *
 * A hash gives what belongs to one thing (a key's network), whatever was asked
 * before; a stream gives what comes in a sequence (the rows of the traffic).
 */
#ifndef APIKEY_MOCK_RANDOM_H
#define APIKEY_MOCK_RANDOM_H

#include <math.h>
#include <stdint.h>

typedef struct ApikeyMockRandom
{
	uint64_t	state[4];		/* of xoshiro256** */
} ApikeyMockRandom;

/* the finalizer of splitmix64 */
static inline uint64_t
apikey_mock_mix(uint64_t x)
{
	x += UINT64_C(0x9E3779B97F4A7C15);
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

static inline uint64_t
apikey_mock_hash(uint64_t seed, uint64_t number, uint64_t topic)
{
	return apikey_mock_mix(apikey_mock_mix(apikey_mock_mix(seed) ^ number) ^ topic);
}

/* 64 random bits as a number from 0 to below 1 */
static inline double
apikey_mock_unit(uint64_t bits)
{
	return (double) (bits >> 11) / 9007199254740992.0;
}

static inline void
apikey_mock_random_init(ApikeyMockRandom *random, uint64_t seed, uint64_t topic)
{
	for (int i = 0; i < 4; i++)
		random->state[i] = apikey_mock_hash(seed, (uint64_t) i, topic);
}

static inline uint64_t
apikey_mock_bits(ApikeyMockRandom *random)
{
	uint64_t   *s = random->state;
	uint64_t	x = s[1] * 5;
	uint64_t	result = ((x << 7) | (x >> 57)) * 9;
	uint64_t	t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return result;
}

static inline double
apikey_mock_uniform(ApikeyMockRandom *random)
{
	return apikey_mock_unit(apikey_mock_bits(random));
}

/* a number from 0 to below n */
static inline uint32_t
apikey_mock_below(ApikeyMockRandom *random, uint32_t n)
{
	return (uint32_t) (((apikey_mock_bits(random) >> 32) * n) >> 32);
}

/*
 * The next of left instants spread evenly over what remains from now to end,
 * in order: the smallest of left uniform ones.
 */
static inline int64_t
apikey_mock_next_instant(ApikeyMockRandom *random, int64_t now, int64_t end, int64_t left)
{
	/* 1 - u is never 0 */
	double		share = -expm1(log(1.0 - apikey_mock_uniform(random)) / (double) left);
	int64_t		next = now + (int64_t) (share * (double) (end - now));

	return next < end ? next : end - 1;
}

#endif							/* APIKEY_MOCK_RANDOM_H */
