/*
 * ip_sketch.c
 *		Sets of client addresses that can be merged and counted.
 */
#include "ip_sketch.h"

#include <string.h>

#define FORMAT_HASHES		1
#define FORMAT_REGISTERS	2

/* A bijection in which every bit depends on every other (SplitMix64). */
static inline uint64_t
mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xBF58476D1CE4E5B9);
	x ^= x >> 27;
	x *= UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

static inline uint64_t
read_big(const uint8_t *bytes, int len)
{
	uint64_t	value = 0;

	for (int i = 0; i < len; i++)
		value = value << 8 | bytes[i];
	return value;
}

uint32_t
apikey_ip_hash(const uint8_t *addr, int len)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

	if (len == 16 && memcmp(addr, mapped, sizeof(mapped)) == 0)
	{
		addr += 12;
		len = 4;
	}
	if (len == 4)
		return (uint32_t) (mix(read_big(addr, 4) + UINT64_C(0x9E3779B97F4A7C15)) >> 32);
	return (uint32_t) (mix(mix(read_big(addr, 8) + UINT64_C(0xD1B54A32D192ED03)) ^
						   read_big(addr + 8, 8)) >> 32);
}

/* the place of the first hash that is not smaller */
static int
place_of(const ApikeyIpSet *set, uint32_t hash)
{
	int			low = 0;
	int			high = set->n;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (set->u.hashes[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
apikey_ip_set_has(const ApikeyIpSet *set, uint32_t hash)
{
	int			place;

	if (set->full)
		return false;
	place = place_of(set, hash);
	return place < set->n && set->u.hashes[place] == hash;
}

/* As PostgreSQL's addHyperLogLog() does it, whose estimate is used. */
static void
add_register(ApikeyIpSet *set, uint32_t hash)
{
	uint32_t	rest = hash << APIKEY_IP_WIDTH;
	uint8_t    *reg = &set->u.registers[hash >> (32 - APIKEY_IP_WIDTH)];
	uint8_t		rank = APIKEY_IP_REGISTER_MAX;

	if (rest != 0)
		rank = (uint8_t) (__builtin_clz(rest) + 1);
	if (*reg < rank)
		*reg = rank;
}

/* Registers instead of hashes. */
static void
fill(ApikeyIpSet *set)
{
	uint32_t	hashes[APIKEY_IP_EXACT];
	int			n = set->n;

	memcpy(hashes, set->u.hashes, (size_t) n * sizeof(uint32_t));
	memset(set->u.registers, 0, sizeof(set->u.registers));
	set->full = true;
	set->n = 0;
	for (int i = 0; i < n; i++)
		add_register(set, hashes[i]);
}

void
apikey_ip_set_add(ApikeyIpSet *set, uint32_t hash)
{
	int			place;

	if (!set->full)
	{
		place = place_of(set, hash);
		if (place < set->n && set->u.hashes[place] == hash)
			return;
		if (set->n < APIKEY_IP_EXACT)
		{
			memmove(set->u.hashes + place + 1, set->u.hashes + place,
					(size_t) (set->n - place) * sizeof(uint32_t));
			set->u.hashes[place] = hash;
			set->n++;
			return;
		}
		fill(set);
	}
	add_register(set, hash);
}

void
apikey_ip_set_merge(ApikeyIpSet *set, const ApikeyIpSet *other)
{
	if (!other->full)
	{
		for (int i = 0; i < other->n; i++)
			apikey_ip_set_add(set, other->u.hashes[i]);
		return;
	}
	if (!set->full)
		fill(set);
	for (int i = 0; i < APIKEY_IP_REGISTERS; i++)
		if (set->u.registers[i] < other->u.registers[i])
			set->u.registers[i] = other->u.registers[i];
}

bool
apikey_ip_set_read(const uint8_t *bytes, size_t len, ApikeyIpSet *set)
{
	set->full = false;
	set->n = 0;
	if (len == 0)
		return false;
	if (bytes[0] == FORMAT_HASHES)
	{
		if (len % 4 != 1 || len > 1 + 4 * APIKEY_IP_EXACT)
			return false;
		for (size_t at = 1; at < len; at += 4)
		{
			uint32_t	hash = (uint32_t) read_big(bytes + at, 4);

			if (set->n > 0 && set->u.hashes[set->n - 1] >= hash)
				return false;
			set->u.hashes[set->n++] = hash;
		}
		return true;
	}
	if (bytes[0] != FORMAT_REGISTERS || len != APIKEY_IP_FULL_BYTES)
		return false;
	set->full = true;
	/* eight registers are five bytes */
	for (int i = 0; i < APIKEY_IP_REGISTERS / 8; i++)
	{
		uint64_t	five = read_big(bytes + 1 + 5 * i, 5);

		for (int k = 0; k < 8; k++)
		{
			uint8_t		rank = five >> (35 - 5 * k) & 31;

			if (rank > APIKEY_IP_REGISTER_MAX)
				return false;
			set->u.registers[8 * i + k] = rank;
		}
	}
	return true;
}

size_t
apikey_ip_set_write(const ApikeyIpSet *set, uint8_t *bytes)
{
	uint8_t    *at = bytes;

	*at++ = set->full ? FORMAT_REGISTERS : FORMAT_HASHES;
	if (!set->full)
	{
		for (int i = 0; i < set->n; i++)
			for (int shift = 24; shift >= 0; shift -= 8)
				*at++ = (uint8_t) (set->u.hashes[i] >> shift);
		return (size_t) (at - bytes);
	}
	for (int i = 0; i < APIKEY_IP_REGISTERS; i += 8)
	{
		uint64_t	five = 0;

		for (int k = 0; k < 8; k++)
			five = five << 5 | set->u.registers[i + k];
		for (int shift = 32; shift >= 0; shift -= 8)
			*at++ = (uint8_t) (five >> shift);
	}
	return (size_t) (at - bytes);
}
