/*
 * network.c
 *		IP networks as rules.
 */
#include "network.h"

#include <stdlib.h>
#include <string.h>

/* bits of an address of the family; 0 when there is no such family */
static inline int
family_bits(uint8_t family)
{
	return (family == 4) ? 32 : (family == 6) ? 128 : 0;
}

/* whether the first nbits of two addresses are the same */
static bool
same_leading_bits(const uint8_t *a, const uint8_t *b, int nbits)
{
	int			whole = nbits / 8;
	int			part = nbits % 8;

	if (memcmp(a, b, (size_t) whole) != 0)
		return false;

	/* no shift by 8, no byte behind the address: part is 1..7 here */
	return part == 0 || ((a[whole] ^ b[whole]) >> (8 - part)) == 0;
}

void
apikey_net_normalize(ApikeyNet *net)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

	if (net->family != 6 || net->bits < 96 || net->bits > 128 ||
		memcmp(net->addr, mapped, sizeof(mapped)) != 0)
		return;
	net->family = 4;
	net->bits -= 96;
	memmove(net->addr, net->addr + 12, 4);
	memset(net->addr + 4, 0, 12);
}

bool
apikey_net_contains(const ApikeyNet *outer, const ApikeyNet *inner)
{
	int			max_bits = family_bits(outer->family);

	if (max_bits == 0 || outer->family != inner->family)
		return false;
	if (outer->bits > inner->bits || inner->bits > max_bits)
		return false;
	return same_leading_bits(outer->addr, inner->addr, outer->bits);
}

/* Clear, or with ones set, the bits behind the prefix. */
static void
fill_host_bits(ApikeyNet *net, bool ones)
{
	int			size = family_bits(net->family) / 8;

	for (int i = net->bits / 8; i < size; i++)
	{
		uint8_t		host = (i == net->bits / 8) ? (uint8_t) (0xFF >> (net->bits % 8)) : 0xFF;

		if (ones)
			net->addr[i] |= host;
		else
			net->addr[i] &= (uint8_t) ~host;
	}
}

/* One spelling of each network; all that is none has family 0. */
static void
canonicalize(ApikeyNet *net)
{
	int			max_bits = family_bits(net->family);

	if (max_bits == 0 || net->bits > max_bits)
		memset(net, 0, sizeof(*net));
	else
	{
		fill_host_bits(net, false);
		memset(net->addr + max_bits / 8, 0, sizeof(net->addr) - (size_t) max_bits / 8);
	}
}

/* by family and first address */
static int
compare_start(const ApikeyNet *a, const ApikeyNet *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->addr, b->addr, (size_t) family_bits(a->family) / 8);
}

/* and a network before those that lie in it */
static int
compare_nets(const void *a, const void *b)
{
	const ApikeyNet *left = a;
	const ApikeyNet *right = b;
	int			order = compare_start(left, right);

	return order != 0 ? order : (int) left->bits - (int) right->bits;
}

int
apikey_net_compile(ApikeyNet *items, int count)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
		canonicalize(&items[i]);
	if (count > 1)
		qsort(items, (size_t) count, sizeof(ApikeyNet), compare_nets);
	for (int i = 0; i < count; i++)
	{
		/* the last one kept is the only one that can contain it */
		if (kept > 0 && (apikey_net_contains(&items[kept - 1], &items[i]) ||
						 (items[i].family == 0 && items[kept - 1].family == 0)))
			continue;
		items[kept++] = items[i];
	}
	return kept;
}

/* The last of a compiled list that starts at or before an address; -1: none. */
static int
find_start(ApikeyNetList list, const ApikeyNet *address)
{
	int			low = 0;
	int			high = list.count;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (compare_start(&list.items[middle], address) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

bool
apikey_net_list_contains(ApikeyNetList list, const ApikeyNet *net)
{
	if (list.compiled)
	{
		int			i = find_start(list, net);

		return i >= 0 && apikey_net_contains(&list.items[i], net);
	}
	for (int i = 0; i < list.count; i++)
	{
		if (apikey_net_contains(&list.items[i], net))
			return true;
	}
	return false;
}

/* two prefixes are nested or apart, nothing between */
static bool
overlap(const ApikeyNet *a, const ApikeyNet *b)
{
	return apikey_net_contains(a, b) || apikey_net_contains(b, a);
}

bool
apikey_net_list_overlaps(ApikeyNetList list, const ApikeyNet *net)
{
	if (list.compiled)
	{
		ApikeyNet	last = *net;
		int			i;

		/*
		 * Those that lie in net start in it, the one that net lies in starts
		 * before all of these, and only one of the two kinds exists.
		 */
		fill_host_bits(&last, true);
		i = find_start(list, &last);
		return i >= 0 && overlap(&list.items[i], net);
	}
	for (int i = 0; i < list.count; i++)
	{
		if (overlap(&list.items[i], net))
			return true;
	}
	return false;
}

bool
apikey_net_open(const ApikeyNet *net, ApikeyNetList allowed, ApikeyNetList denied)
{
	ApikeyNet	last = *net;

	if (allowed.count == 0)
		return !apikey_net_list_contains(denied, net);

	/* those that lie in net are neighbours, see apikey_net_list_overlaps() */
	fill_host_bits(&last, true);
	for (int i = find_start(allowed, &last); i >= 0 && overlap(&allowed.items[i], net); i--)
	{
		const ApikeyNet *part = apikey_net_contains(net, &allowed.items[i]) ? &allowed.items[i] : net;

		if (!apikey_net_list_contains(denied, part))
			return true;
	}
	return false;
}

/* networks as above, of the same one the longest block first */
static int
compare_blocks(const void *a, const void *b)
{
	const ApikeyBlock *left = a;
	const ApikeyBlock *right = b;
	int			order = compare_nets(&left->net, &right->net);

	if (order != 0)
		return order;
	return left->until > right->until ? -1 : left->until < right->until;
}

int
apikey_block_compile(ApikeyBlock *items, int count)
{
	int			kept = 0;

	for (int i = 0; i < count; i++)
		canonicalize(&items[i].net);
	if (count > 1)
		qsort(items, (size_t) count, sizeof(ApikeyBlock), compare_blocks);
	for (int i = 0; i < count; i++)
	{
		int			parent = kept - 1;

		if (items[i].net.family == 0)
			continue;
		while (parent >= 0 && !apikey_net_contains(&items[parent].net, &items[i].net))
			parent = items[parent].parent;
		if (parent >= 0 && items[parent].until >= items[i].until)
			continue;
		items[kept] = items[i];
		items[kept++].parent = parent;
	}
	return kept;
}

bool
apikey_block_list_covers(ApikeyBlockList list, const ApikeyNet *net, int64_t now)
{
	ApikeyNet	first = *net;
	ApikeyNet	last = *net;
	int			low = 0;
	int			high = list.count;
	int			i;

	if (family_bits(net->family) == 0 || net->bits > family_bits(net->family))
		return false;
	fill_host_bits(&first, false);
	fill_host_bits(&last, true);
	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (compare_start(&list.items[middle].net, &last) <= 0)
			low = middle + 1;
		else
			high = middle;
	}

	/* those that start in net lie in it */
	for (i = low - 1; i >= 0 && compare_start(&list.items[i].net, &first) > 0; i--)
	{
		if (list.items[i].until > now)
			return true;
	}

	/*
	 * Those that net lies in, or that start with it, are this one and its
	 * parents; the smaller the network, the longer it lasts.
	 */
	for (; i >= 0; i = list.items[i].parent)
	{
		if (overlap(&list.items[i].net, net))
			return list.items[i].until > now;
	}
	return false;
}
