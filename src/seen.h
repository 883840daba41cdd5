/*
 * seen.h
 *		Which transactions have been counted: a set of transaction ids, kept
 *		as a snapshot keeps the ones it sees.
 *
 * Layer 0.  Pure C.
 *
 * The set holds every id below xmin and, of those from xmin to below xmax, the
 * ones that are not in running, which is in ascending order.  No id from xmax
 * on is in it.  Ids are of 64 bits: they never come again.
 *
 * An id may be in the set although its transaction rolled back; of such a one
 * no row is ever seen.  What matters is that it never leaves: the set only
 * grows (apikey_seen_unite), so that no row is counted twice, and an id comes
 * in only when its transaction has ended, so that no row is left out.
 */
#ifndef APIKEY_SEEN_H
#define APIKEY_SEEN_H

#include <stdbool.h>
#include <stdint.h>

typedef struct ApikeySeen
{
	uint64_t	xmin;
	uint64_t	xmax;
	uint32_t	nrunning;
	const uint64_t *running;
} ApikeySeen;

/* Whether the set holds an id. */
extern bool apikey_seen_has(const ApikeySeen *seen, uint64_t xid);

/*
 * apikey_seen_unite makes the set of what is in one of the two.  running has
 * room for as many ids as the larger of the two has; it may be that of one of
 * them.
 */
extern ApikeySeen apikey_seen_unite(const ApikeySeen *a, const ApikeySeen *b,
									uint64_t *running);

/*
 * apikey_seen_widen gives the 64-bit form of a 32-bit id that was assigned
 * before next, within the last 2^32 ones.
 */
extern uint64_t apikey_seen_widen(uint32_t xid, uint64_t next);

#endif							/* APIKEY_SEEN_H */
