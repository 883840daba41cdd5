/*
 * ip_sketch.h
 *		Sets of client addresses that can be merged and counted.
 *
 * Layer 0: C library only.
 *
 * Up to 256 addresses a set is exact: it keeps a 32-bit hash of each (two of
 * 256 addresses have the same one in 1 of 130,000 sets).  Beyond, it keeps the
 * 2048 registers of a HyperLogLog of the same hashes; counts from them have a
 * standard error of 1.04 / sqrt(2048) = 2.3 %.  PostgreSQL's lib/hyperloglog.h
 * estimates from them.  Adding and merging is idempotent and does not depend on
 * the order, and there is one form of each set, so a recount gives the same
 * bytes.
 *
 * Not the type of the hll extension (postgresql-15-hll of Debian): a dump
 * could be restored only where that is installed, for a hundred lines of code;
 * and its small sets are of 64-bit hashes, twice as large.
 *
 * The hash is of the bytes of the address alone, the same on every machine
 * and in every version.  It has no secret: whoever owns a large IPv6 network
 * can find addresses that collide.  So this counts what is ordinary; what an
 * attacker may want to hide is looked for in the rows of usage.
 *
 * As bytes: a 1 and up to 256 hashes, four bytes each, highest first, in
 * ascending order; or a 2 and the registers, five bits each.
 */
#ifndef APIKEY_IP_SKETCH_H
#define APIKEY_IP_SKETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APIKEY_IP_EXACT			256
#define APIKEY_IP_WIDTH			11
#define APIKEY_IP_REGISTERS		(1 << APIKEY_IP_WIDTH)
#define APIKEY_IP_REGISTER_MAX	(32 - APIKEY_IP_WIDTH + 1)

/* as bytes */
#define APIKEY_IP_FULL_BYTES	(1 + APIKEY_IP_REGISTERS * 5 / 8)
#define APIKEY_IP_BYTES_MAX		APIKEY_IP_FULL_BYTES

typedef struct ApikeyIpSet
{
	bool		full;			/* registers, not hashes */
	int			n;				/* hashes */
	union
	{
		uint32_t	hashes[APIKEY_IP_EXACT];	/* ascending */
		uint8_t		registers[APIKEY_IP_REGISTERS];
	} u;
} ApikeyIpSet;

/* Where a set with room for so many hashes only ends. */
#define APIKEY_IP_SET_SIZE(room) \
	(offsetof(ApikeyIpSet, u) + (size_t) (room) * sizeof(uint32_t))

/*
 * The hash of an address of 4 or 16 bytes in network order.  An IPv4-mapped
 * IPv6 address is the IPv4 address.
 */
extern uint32_t apikey_ip_hash(const uint8_t *addr, int len);

/* whether the set has the hash; never of a full one */
extern bool apikey_ip_set_has(const ApikeyIpSet *set, uint32_t hash);

/*
 * Add a hash.  There must be room for one more; from APIKEY_IP_EXACT hashes on,
 * for all of ApikeyIpSet.
 */
extern void apikey_ip_set_add(ApikeyIpSet *set, uint32_t hash);

/* Add what the other set has; set is a whole ApikeyIpSet. */
extern void apikey_ip_set_merge(ApikeyIpSet *set, const ApikeyIpSet *other);

/* Read bytes into a whole ApikeyIpSet; false if this is no set. */
extern bool apikey_ip_set_read(const uint8_t *bytes, size_t len, ApikeyIpSet *set);

/* Write at most APIKEY_IP_BYTES_MAX bytes; returns their number. */
extern size_t apikey_ip_set_write(const ApikeyIpSet *set, uint8_t *bytes);

#endif							/* APIKEY_IP_SKETCH_H */
