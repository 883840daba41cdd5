/* Unit tests of network.c. */
#include "unit.h"

#include <arpa/inet.h>

#include "network.h"

/* "10.0.0.0/8", "::1/128", or "none"; a prefix is required */
static ApikeyNet
net(const char *text)
{
	ApikeyNet	result = {0};
	char		address[64];
	const char *slash = strchr(text, '/');

	if (slash == NULL)
		return result;
	memcpy(address, text, (size_t) (slash - text));
	address[slash - text] = '\0';
	result.bits = (uint8_t) atoi(slash + 1);
	result.family = (strchr(address, ':') != NULL) ? 6 : 4;
	if (inet_pton(result.family == 6 ? AF_INET6 : AF_INET, address, result.addr) != 1)
	{
		printf("bad address in the test: %s\n", text);
		exit(2);
	}
	return result;
}

static const struct
{
	const char *outer;
	const char *inner;
	bool		contains;
	bool		overlaps;
} pairs[] = {
	{"10.0.0.0/8", "10.1.2.3/32", true, true},
	{"10.0.0.0/8", "10.255.255.255/32", true, true},
	{"10.0.0.0/8", "10.0.0.0/32", true, true},
	{"10.0.0.0/8", "11.0.0.0/32", false, false},
	{"10.0.0.0/8", "9.255.255.255/32", false, false},
	{"10.0.0.0/8", "10.0.0.0/8", true, true},
	{"10.0.0.0/8", "10.2.0.0/16", true, true},
	{"10.2.0.0/16", "10.0.0.0/8", false, true},
	{"10.0.0.0/8", "0.0.0.0/0", false, true},
	{"0.0.0.0/0", "1.2.3.4/32", true, true},
	{"0.0.0.0/0", "255.255.255.255/32", true, true},
	{"0.0.0.0/0", "0.0.0.0/0", true, true},
	{"1.2.3.4/32", "1.2.3.4/32", true, true},
	{"1.2.3.4/32", "1.2.3.5/32", false, false},
	{"1.2.3.4/31", "1.2.3.5/32", true, true},
	{"1.2.3.4/31", "1.2.3.6/32", false, false},
	{"1.2.3.4/30", "1.2.3.7/32", true, true},
	{"1.2.3.4/30", "1.2.3.8/32", false, false},
	{"128.0.0.0/1", "128.0.0.0/32", true, true},
	{"128.0.0.0/1", "127.255.255.255/32", false, false},
	{"192.168.128.0/17", "192.168.128.1/32", true, true},
	{"192.168.128.0/17", "192.168.127.1/32", false, false},
	{"192.168.0.0/23", "192.168.1.255/32", true, true},
	{"192.168.0.0/23", "192.168.2.0/32", false, false},
	{"172.16.0.0/12", "172.31.255.255/32", true, true},
	{"172.16.0.0/12", "172.32.0.0/32", false, false},
	/* host bits in the rule do not matter */
	{"10.9.9.9/8", "10.1.1.1/32", true, true},
	/* IPv6 */
	{"::/0", "2001:db8::1/128", true, true},
	{"::/0", "::/0", true, true},
	{"2001:db8::/32", "2001:db8::1/128", true, true},
	{"2001:db8::/32", "2001:db9::1/128", false, false},
	{"2001:db8::/33", "2001:db8:7fff::1/128", true, true},
	{"2001:db8::/33", "2001:db8:8000::1/128", false, false},
	{"2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff/128", true, true},
	{"2001:db8::/64", "2001:db8:0:1::/128", false, false},
	{"2001:db8::1/128", "2001:db8::1/128", true, true},
	{"2001:db8::1/128", "2001:db8::2/128", false, false},
	{"2001:db8::/127", "2001:db8::1/128", true, true},
	{"2001:db8::/127", "2001:db8::2/128", false, false},
	{"2001:db8::/121", "2001:db8::7f/128", true, true},
	{"2001:db8::/121", "2001:db8::80/128", false, false},
	{"2001:db8::/48", "2001:db8::/32", false, true},
	/* families do not mix */
	{"0.0.0.0/0", "::1/128", false, false},
	{"::/0", "1.2.3.4/32", false, false},
	{"::/32", "0.0.0.0/32", false, false},
	/* no address */
	{"none", "1.2.3.4/32", false, false},
	{"0.0.0.0/0", "none", false, false},
	{"none", "none", false, false},
};

static void
test_pairs(void)
{
	for (int i = 0; i < lengthof(pairs); i++)
	{
		ApikeyNet	outer = net(pairs[i].outer);
		ApikeyNet	inner = net(pairs[i].inner);
		ApikeyNetList list = {&outer, 1, false};
		ApikeyNetList reverse = {&inner, 1, false};

		CHECKF(apikey_net_contains(&outer, &inner) == pairs[i].contains,
			   "%s contains %s", pairs[i].outer, pairs[i].inner);
		CHECKF(apikey_net_list_contains(list, &inner) == pairs[i].contains,
			   "list %s contains %s", pairs[i].outer, pairs[i].inner);
		CHECKF(apikey_net_list_overlaps(list, &inner) == pairs[i].overlaps,
			   "%s overlaps %s", pairs[i].outer, pairs[i].inner);
		CHECKF(apikey_net_list_overlaps(reverse, &outer) == pairs[i].overlaps,
			   "%s overlaps %s", pairs[i].inner, pairs[i].outer);
	}
}

/* Every prefix length: the last bit inside counts, the first outside does not. */
static void
test_prefixes(void)
{
	for (int family = 4; family <= 6; family += 2)
	{
		int			max = (family == 4) ? 32 : 128;

		for (int bits = 0; bits <= max; bits++)
		{
			ApikeyNet	rule = {.family = (uint8_t) family, .bits = (uint8_t) bits};
			ApikeyNet	host = {.family = (uint8_t) family, .bits = (uint8_t) max};

			memset(rule.addr, 0xA5, sizeof(rule.addr));
			memset(host.addr, 0xA5, sizeof(host.addr));
			CHECKF(apikey_net_contains(&rule, &host), "IPv%d /%d: itself", family, bits);
			if (bits > 0)
			{
				host.addr[(bits - 1) / 8] ^= (uint8_t) (0x80 >> ((bits - 1) % 8));
				CHECKF(!apikey_net_contains(&rule, &host), "IPv%d /%d: bit %d differs",
					   family, bits, bits - 1);
				host.addr[(bits - 1) / 8] ^= (uint8_t) (0x80 >> ((bits - 1) % 8));
			}
			if (bits < max)
			{
				host.addr[bits / 8] ^= (uint8_t) (0x80 >> (bits % 8));
				CHECKF(apikey_net_contains(&rule, &host), "IPv%d /%d: bit %d differs",
					   family, bits, bits);
			}
		}
	}
}

static const struct
{
	const char *in;
	const char *out;			/* NULL: stays */
} mapped[] = {
	{"::ffff:1.2.3.4/128", "1.2.3.4/32"},
	{"::ffff:10.0.0.0/104", "10.0.0.0/8"},
	{"::ffff:0.0.0.0/96", "0.0.0.0/0"},
	{"::ffff:255.255.255.255/128", "255.255.255.255/32"},
	{"::ffff:0.0.0.0/95", NULL},
	{"::ffff:1.2.3.4/0", NULL},
	{"::1.2.3.4/128", NULL},
	{"::fffe:1.2.3.4/128", NULL},
	{"::1:ffff:1.2.3.4/128", NULL},
	{"1::ffff:1.2.3.4/128", NULL},
	{"64:ff9b::1.2.3.4/128", NULL},
	{"::/128", NULL},
	{"::/0", NULL},
	{"2001:db8::1/128", NULL},
	{"1.2.3.4/32", NULL},
	{"0.0.0.0/0", NULL},
	{"none", NULL},
};

static void
test_normalize(void)
{
	ApikeyNet	strange = net("::ffff:1.2.3.4/128");
	ApikeyNet	before;

	for (int i = 0; i < lengthof(mapped); i++)
	{
		ApikeyNet	actual = net(mapped[i].in);
		ApikeyNet	expected = net(mapped[i].out ? mapped[i].out : mapped[i].in);

		apikey_net_normalize(&actual);
		CHECKF(actual.family == expected.family && actual.bits == expected.bits &&
			   memcmp(actual.addr, expected.addr, 16) == 0, "normalize %s", mapped[i].in);
		apikey_net_normalize(&actual);
		CHECKF(actual.family == expected.family && actual.bits == expected.bits &&
			   memcmp(actual.addr, expected.addr, 16) == 0, "normalize %s twice", mapped[i].in);
	}

	/* a prefix longer than any address is left alone */
	strange.bits = 255;
	before = strange;
	apikey_net_normalize(&strange);
	CHECK(strange.family == before.family && strange.bits == before.bits);
}

static void
test_odd(void)
{
	ApikeyNet	a = net("10.0.0.0/8");
	ApikeyNet	b = net("10.0.0.0/32");
	ApikeyNet	v6 = net("::1/128");
	ApikeyNet	items[3] = {net("1.0.0.0/8"), net("2001:db8::/32"), net("10.0.0.0/24")};
	ApikeyNetList list = {items, 3, false};
	ApikeyNetList none = {NULL, 0, false};
	ApikeyNet	ip;

	/* a prefix longer than the address must not read behind it */
	b.bits = 33;
	CHECK(!apikey_net_contains(&a, &b));
	b.bits = 255;
	a.bits = 255;
	CHECK(!apikey_net_contains(&a, &b));
	v6.bits = 129;
	CHECK(!apikey_net_contains(&v6, &v6));
	v6.bits = 128;
	v6.family = 5;
	CHECK(!apikey_net_contains(&v6, &v6));

	ip = net("10.0.0.255/32");
	CHECK(apikey_net_list_contains(list, &ip));
	CHECK(apikey_net_list_overlaps(list, &ip));
	ip = net("10.0.1.0/32");
	CHECK(!apikey_net_list_contains(list, &ip));
	CHECK(!apikey_net_list_overlaps(list, &ip));
	ip = net("2001:db8::5/128");
	CHECK(apikey_net_list_contains(list, &ip));
	ip = net("10.0.0.0/16");
	CHECK(!apikey_net_list_contains(list, &ip));
	CHECK(apikey_net_list_overlaps(list, &ip));
	CHECK(!apikey_net_list_contains(none, &ip));
	CHECK(!apikey_net_list_overlaps(none, &ip));
}

/* A random network in a small space, so that many touch each other. */
static ApikeyNet
random_net(bool host_bits)
{
	ApikeyNet	result = {0};
	int			kind = rand() % 16;

	result.family = kind == 0 ? 0 : (kind < 9 ? 4 : 6);
	result.addr[0] = 10;
	if (result.family == 4)
	{
		result.addr[3] = (uint8_t) (rand() % 64);
		result.bits = (uint8_t) (rand() % 8 == 0 ? rand() % 33 : 26 + rand() % 7);
	}
	else
	{
		result.addr[15] = (uint8_t) (rand() % 64);
		result.bits = (uint8_t) (rand() % 8 == 0 ? rand() % 129 : 122 + rand() % 7);
	}
	if (!host_bits)
	{
		for (int bit = result.bits; bit < 128; bit++)
			result.addr[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
	}
	return result;
}

/* A compiled list answers as the list it was made from. */
static void
test_compiled(void)
{
	ApikeyNet	items[24];
	ApikeyNet	sorted[24];
	int			dropped = 0;
	int			hits = 0;
	ApikeyNet	none = {0};

	srand(1);
	for (int round = 0; round < 3000; round++)
	{
		int			count = rand() % 24;
		ApikeyNetList plain = {items, count, false};
		ApikeyNetList compiled = {sorted, 0, true};

		for (int i = 0; i < count; i++)
			items[i] = random_net(rand() % 2 == 0);
		memcpy(sorted, items, sizeof(items));
		compiled.count = apikey_net_compile(sorted, count);
		dropped += count - compiled.count;
		CHECK((count == 0) == (compiled.count == 0));
		for (int i = 1; i < compiled.count; i++)
			CHECK(sorted[i].family != 0 && !apikey_net_contains(&sorted[i - 1], &sorted[i]));
		for (int i = 0; i < 16; i++)
		{
			ApikeyNet	ip = random_net(true);

			CHECK(apikey_net_list_contains(compiled, &ip) == apikey_net_list_contains(plain, &ip));
			CHECK(apikey_net_list_overlaps(compiled, &ip) == apikey_net_list_overlaps(plain, &ip));
			hits += apikey_net_list_contains(plain, &ip);
		}
	}
	CHECK(dropped > 1000 && hits > 1000);

	/* two halves are not their whole */
	items[0] = net("10.0.0.128/25");
	items[1] = net("10.0.0.0/25");
	CHECK(apikey_net_compile(items, 2) == 2);
	none = net("10.0.0.0/24");
	CHECK(!apikey_net_list_contains(((ApikeyNetList) {items, 2, true}), &none));
	CHECK(apikey_net_list_overlaps(((ApikeyNetList) {items, 2, true}), &none));

	/* what is no network stays, once, and allows nothing */
	memset(items, 0, sizeof(items));
	items[1].family = 4;
	items[1].bits = 33;
	CHECK(apikey_net_compile(items, 3) == 1);
	CHECK(!apikey_net_list_contains(((ApikeyNetList) {items, 1, true}), &none));
	CHECK(!apikey_net_list_overlaps(((ApikeyNetList) {items, 1, true}), &none));
}

static void
test_blocks(void)
{
	ApikeyBlock items[24];
	ApikeyBlock sorted[24];
	int			covered = 0;
	int			dropped = 0;

	srand(2);
	for (int round = 0; round < 3000; round++)
	{
		int			count = rand() % 24;
		ApikeyBlockList list = {sorted, 0};

		for (int i = 0; i < count; i++)
		{
			items[i].net = random_net(false);
			items[i].until = rand() % 4 == 0 ? APIKEY_BLOCK_FOREVER : rand() % 6;
		}
		memcpy(sorted, items, sizeof(items));
		list.count = apikey_block_compile(sorted, count);
		dropped += count - list.count;
		for (int i = 0; i < 16; i++)
		{
			ApikeyNet	ip = random_net(true);
			int			now = rand() % 7;
			bool		expected = false;

			for (int j = 0; j < count; j++)
				expected |= items[j].until > now &&
					(apikey_net_contains(&items[j].net, &ip) ||
					 apikey_net_contains(&ip, &items[j].net));
			CHECK(apikey_block_list_covers(list, &ip, now) == expected);
			covered += expected;
		}
	}
	CHECK(covered > 1000 && dropped > 1000);
}

/* ---- what may pass two lists ---- */

static void
test_open(void)
{
	int			closed = 0;

	for (int round = 0; round < 2000; round++)
	{
		ApikeyNet	allowed[8];
		ApikeyNet	denied[8];
		ApikeyNetList allow = {allowed, rand() % 8, true};
		ApikeyNetList deny = {denied, rand() % 8, true};

		for (int i = 0; i < allow.count; i++)
			allowed[i] = random_net(false);
		for (int i = 0; i < deny.count; i++)
			denied[i] = random_net(false);
		allow.count = apikey_net_compile(allowed, allow.count);
		deny.count = apikey_net_compile(denied, deny.count);
		for (int n = 0; n < 8; n++)
		{
			ApikeyNet	net = random_net(false);
			bool		open = apikey_net_open(&net, allow, deny);
			bool		expected = false;

			/*
			 * closed means: every part that is allowed lies in one that is
			 * denied
			 */
			for (int i = 0; i < allow.count; i++)
			{
				if (apikey_net_contains(&net, &allowed[i]))
					expected |= !apikey_net_list_contains(deny, &allowed[i]);
				else if (apikey_net_contains(&allowed[i], &net))
					expected |= !apikey_net_list_contains(deny, &net);
			}
			if (allow.count == 0)
				expected = !apikey_net_list_contains(deny, &net);
			CHECK(open == expected);
			closed += !open;

			/* and an address that passes is never from a closed network */
			for (int i = 0; !open && i < 8; i++)
			{
				ApikeyNet	ip = random_net(true);

				CHECK(!apikey_net_contains(&net, &ip) || apikey_net_list_overlaps(deny, &ip) ||
					  (allow.count > 0 && !apikey_net_list_contains(allow, &ip)));
			}
		}
	}
	CHECK(closed > 500);
}

int
main(void)
{
	unit_begin();
	test_pairs();
	test_prefixes();
	test_normalize();
	test_odd();
	test_compiled();
	test_blocks();
	test_open();
	return unit_done("test_network");
}
