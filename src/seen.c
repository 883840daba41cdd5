/*
 * seen.c
 *		Which transactions have been counted.
 *
 * Layer 0.  The invariant is in seen.h.
 */
#include "seen.h"

#include <stddef.h>

bool
apikey_seen_has(const ApikeySeen *seen, uint64_t xid)
{
	uint32_t	low = 0;
	uint32_t	high = seen->nrunning;

	if (xid < seen->xmin)
		return true;
	if (xid >= seen->xmax)
		return false;
	while (low < high)
	{
		uint32_t	middle = low + (high - low) / 2;

		if (seen->running[middle] == xid)
			return false;
		if (seen->running[middle] < xid)
			low = middle + 1;
		else
			high = middle;
	}
	return true;
}

/*
 * What neither has is, below the higher xmax, what the set of that xmax lacks
 * and the other lacks too; the other has nothing above.
 */
ApikeySeen
apikey_seen_unite(const ApikeySeen *a, const ApikeySeen *b, uint64_t *running)
{
	const ApikeySeen *later = a->xmax >= b->xmax ? a : b;
	const ApikeySeen *other = later == a ? b : a;
	ApikeySeen	both = {0, later->xmax, 0, running};

	for (uint32_t i = 0; i < later->nrunning; i++)
	{
		uint64_t	xid = later->running[i];

		if (xid >= later->xmin && !apikey_seen_has(other, xid))
			running[both.nrunning++] = xid;
	}
	both.xmin = both.nrunning > 0 ? running[0] : both.xmax;
	return both;
}

uint64_t
apikey_seen_widen(uint32_t xid, uint64_t next)
{
	uint64_t	wide = (next & ~(uint64_t) UINT32_MAX) | xid;

	if (wide < next)
		return wide;
	return wide > UINT32_MAX ? wide - UINT32_MAX - 1 : wide;
}
