/*
 * seen.h
 *		Which transactions have been counted: a set of transaction ids, kept
 *		as the bounds of its ranges.
 *
 * Layer 0.  Pure C.
 *
 * Ids are of 64 bits: they never come again.  bounds ascends, and n is odd: the
 * set holds what is below the first of them, not what is from there to below the
 * second, what is from the second to below the third, and so on; nothing from the
 * last one on.  However many transactions run, ids next to each other take no
 * more room than one.
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
	uint32_t	n;
	const uint64_t *bounds;
} ApikeySeen;

/* Whether these are the bounds of a set. */
extern bool apikey_seen_valid(const ApikeySeen *seen);

/* Whether the set holds an id. */
extern bool apikey_seen_has(const ApikeySeen *seen, uint64_t xid);

/*
 * apikey_seen_unite makes the set of what is in one of the two.  bounds has
 * room for as many as both have.
 */
extern ApikeySeen apikey_seen_unite(const ApikeySeen *a, const ApikeySeen *b,
									uint64_t *bounds);

/*
 * apikey_seen_coarsen leaves out of n bounds, the last of which ends what is not
 * in the set, until there are no more than most: those between which the
 * fewest ids are in it, so that they no longer are.  Returns how many are left.
 */
extern uint32_t apikey_seen_coarsen(uint64_t *bounds, uint32_t n, uint32_t most);

/*
 * apikey_seen_widen gives the 64-bit form of a 32-bit id that was assigned
 * before next, within the last 2^32 ones.
 */
extern uint64_t apikey_seen_widen(uint32_t xid, uint64_t next);

#endif							/* APIKEY_SEEN_H */
