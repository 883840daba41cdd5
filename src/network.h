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
	bool		compiled;		/* by apikey_net_compile() */
} ApikeyNetList;

/* A network that is blocked for a time. */
typedef struct ApikeyBlock
{
	ApikeyNet	net;
	int			parent;			/* the next larger one in the list, -1: none */
	int64_t		until;			/* first instant it is free again, or
								 * APIKEY_BLOCK_FOREVER */
} ApikeyBlock;

#define APIKEY_BLOCK_FOREVER INT64_MAX

typedef struct ApikeyBlockList
{
	const ApikeyBlock *items;	/* compiled */
	int			count;
} ApikeyBlockList;

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

/*
 * apikey_net_compile sorts networks for a binary search and drops those that
 * lie in another one; returns how many are left.  Neighbours are not joined: a
 * request from a network is allowed only where one rule covers all of it.
 * What is no network at all stays one, which contains nothing: a list of only
 * such is not empty.
 */
extern int	apikey_net_compile(ApikeyNet *items, int count);

/* whether any network of the list contains net; fast if compiled */
extern bool apikey_net_list_contains(ApikeyNetList list, const ApikeyNet *net);

/* whether any network of the list shares an address with net */
extern bool apikey_net_list_overlaps(ApikeyNetList list, const ApikeyNet *net);

/*
 * Whether a request from inside net may pass: some of it lies in allowed (or
 * that list is empty), and no single network of denied covers that part.  Both
 * lists compiled.
 */
extern bool apikey_net_open(const ApikeyNet *net, ApikeyNetList allowed,
							ApikeyNetList denied);

/*
 * apikey_block_compile does the same for blocked networks: one that lies in
 * another is kept only if it lasts longer.  parent is filled.
 */
extern int	apikey_block_compile(ApikeyBlock *items, int count);

/* whether at now some blocked network shares an address with net */
extern bool apikey_block_list_covers(ApikeyBlockList list, const ApikeyNet *net,
									 int64_t now);

#endif							/* APIKEY_NETWORK_H */
