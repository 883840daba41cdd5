/*
 * seen.c
 *		Which transactions have been counted.
 *
 * Layer 0.  The invariant is in seen.h.
 */
#include "seen.h"

#include <stddef.h>

bool
apikey_seen_valid(const ApikeySeen *seen)
{
	if (seen->n % 2 == 0)
		return false;
	for (uint32_t i = 1; i < seen->n; i++)
		if (seen->bounds[i - 1] >= seen->bounds[i])
			return false;
	return true;
}

/* An even number of bounds up to it: it is in. */
bool
apikey_seen_has(const ApikeySeen *seen, uint64_t xid)
{
	uint32_t	low = 0;
	uint32_t	high = seen->n;

	while (low < high)
	{
		uint32_t	middle = low + (high - low) / 2;

		if (seen->bounds[middle] <= xid)
			low = middle + 1;
		else
			high = middle;
	}
	return low % 2 == 0;
}

/* Both begin with ids that are in; each bound is where one of them changes. */
ApikeySeen
apikey_seen_unite(const ApikeySeen *a, const ApikeySeen *b, uint64_t *bounds)
{
	uint32_t	i = 0;
	uint32_t	j = 0;
	uint32_t	n = 0;

	while (i < a->n || j < b->n)
	{
		uint64_t	next = j == b->n || (i < a->n && a->bounds[i] <= b->bounds[j]) ? a->bounds[i] : b->bounds[j];

		if (i < a->n && a->bounds[i] == next)
			i++;
		if (j < b->n && b->bounds[j] == next)
			j++;
		if ((i % 2 == 0 || j % 2 == 0) != (n % 2 == 0))
			bounds[n++] = next;
	}
	return (ApikeySeen) {n, bounds};
}

uint32_t
apikey_seen_coarsen(uint64_t *bounds, uint32_t n, uint32_t most)
{
	for (uint64_t gap = 2; n > most && n > 2; gap *= 2)
	{
		uint32_t	kept = 2;

		for (uint32_t i = 2; i + 1 < n; i += 2)
			if (bounds[i] - bounds[kept - 1] < gap)
				bounds[kept - 1] = bounds[i + 1];
			else
			{
				bounds[kept] = bounds[i];
				bounds[kept + 1] = bounds[i + 1];
				kept += 2;
			}
		n = kept;
	}
	return n;
}

uint64_t
apikey_seen_widen(uint32_t xid, uint64_t next)
{
	uint64_t	wide = (next & ~(uint64_t) UINT32_MAX) | xid;

	if (wide < next)
		return wide;
	return wide > UINT32_MAX ? wide - UINT32_MAX - 1 : wide;
}
