/*
 * network.h
 *		IP networks as rules.
 *
 * Layer 0: C library only.
 */
#ifndef APIKEY_NETWORK_H
#define APIKEY_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ApikeyNet
{
	uint8_t		family;			/* 4, 6, or 0: no address */
	uint8_t		bits;			/* prefix length */
	uint8_t		addr[16];		/* network byte order, 4 or 16 bytes used */
} ApikeyNet;

typedef struct ApikeyNetList
{
	const ApikeyNet *items;
	int			count;
} ApikeyNetList;

/*
 * Turn an IPv4-mapped IPv6 address (::ffff:a.b.c.d, prefix of 96 or more)
 * into its IPv4 form, so that both spellings of a client meet the same rules.
 */
extern void apikey_net_normalize(ApikeyNet *net);

/*
 * Whether outer contains inner (same family, shorter or equal prefix, same
 * leading bits).  Both normalized.
 */
extern bool apikey_net_contains(const ApikeyNet *outer, const ApikeyNet *inner);

/* whether any network of the list contains net */
extern bool apikey_net_list_contains(ApikeyNetList list, const ApikeyNet *net);

/* whether any network of the list shares an address with net */
extern bool apikey_net_list_overlaps(ApikeyNetList list, const ApikeyNet *net);

#endif							/* APIKEY_NETWORK_H */
