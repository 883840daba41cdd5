/*
 * network.c
 *		IP networks as rules.
 */
#include "network.h"

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

bool
apikey_net_list_contains(ApikeyNetList list, const ApikeyNet *net)
{
	for (int i = 0; i < list.count; i++)
	{
		if (apikey_net_contains(&list.items[i], net))
			return true;
	}
	return false;
}

bool
apikey_net_list_overlaps(ApikeyNetList list, const ApikeyNet *net)
{
	for (int i = 0; i < list.count; i++)
	{
		/* two prefixes are nested or apart, nothing between */
		if (apikey_net_contains(&list.items[i], net) ||
			apikey_net_contains(net, &list.items[i]))
			return true;
	}
	return false;
}
