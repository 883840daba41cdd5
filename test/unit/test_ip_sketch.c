/*
 * test_ip_sketch.c
 *		Sets of addresses: exact, then registers; one form, whatever the order.
 */
#include "unit.h"

#include "ip_sketch.h"

static ApikeyIpSet a,
			b,
			c;
static uint8_t bytes[APIKEY_IP_BYTES_MAX + 1];
static uint8_t bytes2[APIKEY_IP_BYTES_MAX + 1];

static uint32_t
hash_of(uint32_t number)
{
	uint8_t		addr[4] = {number >> 24, number >> 16, number >> 8, number};

	return apikey_ip_hash(addr, 4);
}

static bool
same(const ApikeyIpSet *x, const ApikeyIpSet *y)
{
	size_t		len = apikey_ip_set_write(x, bytes);

	return apikey_ip_set_write(y, bytes2) == len && memcmp(bytes, bytes2, len) == 0;
}

static void
clear(ApikeyIpSet *set)
{
	memset(set, 0x5A, sizeof(*set));
	set->full = false;
	set->n = 0;
}

/* These are stored in tables: they must never change. */
static void
test_hash(void)
{
	static const uint8_t v4[4] = {192, 0, 2, 1};
	static const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1};
	static const uint8_t v6[16] = {0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	static const uint8_t v6b[16] = {0x20, 1, 0xD, 0xB8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

	CHECK_INT(apikey_ip_hash(v4, 4), UINT32_C(0x95E7F1E4));
	CHECK_INT(apikey_ip_hash(mapped, 16), UINT32_C(0x95E7F1E4));
	CHECK_INT(apikey_ip_hash(v6, 16), UINT32_C(0xDD51B888));
	CHECK(apikey_ip_hash(v6b, 16) != apikey_ip_hash(v6, 16));
}

static void
test_sets(void)
{
	uint64_t	seed = 1;

	clear(&a);
	for (uint32_t i = 0; i < APIKEY_IP_EXACT; i++)
	{
		CHECK(!apikey_ip_set_has(&a, hash_of(i)));
		apikey_ip_set_add(&a, hash_of(i));
		CHECK(apikey_ip_set_has(&a, hash_of(i)));
		apikey_ip_set_add(&a, hash_of(i));
	}
	CHECK(!a.full);
	CHECK_INT(a.n, APIKEY_IP_EXACT);
	CHECK_INT(apikey_ip_set_write(&a, bytes), 1 + 4 * APIKEY_IP_EXACT);
	b = a;
	apikey_ip_set_add(&a, hash_of(7));
	CHECK(!a.full && same(&a, &b));
	apikey_ip_set_add(&a, hash_of(APIKEY_IP_EXACT));
	CHECK(a.full);
	CHECK_INT(apikey_ip_set_write(&a, bytes), APIKEY_IP_FULL_BYTES);

	/* the rank of the whole range of hashes */
	clear(&a);
	for (uint32_t i = 0; i <= APIKEY_IP_EXACT; i++)
		apikey_ip_set_add(&a, i << 3);
	apikey_ip_set_add(&a, 0);
	apikey_ip_set_add(&a, 0xFFFFFFFF);
	CHECK_INT(a.u.registers[0], APIKEY_IP_REGISTER_MAX);
	CHECK_INT(a.u.registers[APIKEY_IP_REGISTERS - 1], 1);
	CHECK_INT(a.u.registers[1], 0);

	/* in any order, in any parts, any of them twice */
	for (int round = 0; round < 300; round++)
	{
		uint32_t	n = unit_random(&seed) % 700;

		clear(&a);
		clear(&b);
		clear(&c);
		for (uint32_t i = 0; i < n; i++)
			apikey_ip_set_add(&a, hash_of(i));
		for (uint32_t i = n; i > 0; i--)
		{
			int			where = (int) (unit_random(&seed) % 5);

			if (where != 0)
				apikey_ip_set_add(&b, hash_of(i - 1));
			if (where < 2)
				apikey_ip_set_add(&c, hash_of(i - 1));
		}
		CHECK_INT(a.full, n > APIKEY_IP_EXACT);
		if (round % 2)
		{
			apikey_ip_set_merge(&b, &c);
			CHECK(same(&a, &b));
			apikey_ip_set_merge(&b, &a);
			CHECK(same(&a, &b));
		}
		else
		{
			apikey_ip_set_merge(&c, &b);
			CHECK(same(&a, &c));
			apikey_ip_set_merge(&c, &b);
			CHECK(same(&a, &c));
		}
		CHECK(apikey_ip_set_read(bytes, apikey_ip_set_write(&a, bytes), &c));
		CHECK(same(&a, &c));
	}
}

static void
test_bytes(void)
{
	clear(&a);
	CHECK(!apikey_ip_set_read((const uint8_t *) "", 0, &a));
	CHECK(!apikey_ip_set_read((const uint8_t *) "\0", 1, &a));
	CHECK(!apikey_ip_set_read((const uint8_t *) "\3", 1, &a));
	CHECK(!apikey_ip_set_read((const uint8_t *) "\2", 1, &a));
	CHECK(!apikey_ip_set_read((const uint8_t *) "\1\0", 2, &a));
	CHECK(!apikey_ip_set_read((const uint8_t *) "\1\0\0\0", 4, &a));
	CHECK(apikey_ip_set_read((const uint8_t *) "\1", 1, &a) && a.n == 0 && !a.full);
	CHECK(apikey_ip_set_read((const uint8_t *) "\1\0\0\0\0", 5, &a) && a.n == 1);
	CHECK(apikey_ip_set_read((const uint8_t *) "\1\0\0\0\0\0\0\0\1", 9, &a) && a.n == 2);
	CHECK(!apikey_ip_set_read((const uint8_t *) "\1\0\0\0\1\0\0\0\1", 9, &a));
	CHECK(!apikey_ip_set_read((const uint8_t *) "\1\0\0\0\1\0\0\0\0", 9, &a));

	memset(bytes, 0, sizeof(bytes));
	bytes[0] = 2;
	CHECK(apikey_ip_set_read(bytes, APIKEY_IP_FULL_BYTES, &a) && a.full);
	CHECK(!apikey_ip_set_read(bytes, APIKEY_IP_FULL_BYTES - 1, &a));
	CHECK(!apikey_ip_set_read(bytes, APIKEY_IP_FULL_BYTES + 1, &a));
	bytes[1] = APIKEY_IP_REGISTER_MAX << 3;
	CHECK(apikey_ip_set_read(bytes, APIKEY_IP_FULL_BYTES, &a));
	CHECK_INT(a.u.registers[0], APIKEY_IP_REGISTER_MAX);
	bytes[1] = (APIKEY_IP_REGISTER_MAX + 1) << 3;
	CHECK(!apikey_ip_set_read(bytes, APIKEY_IP_FULL_BYTES, &a));
	bytes[1] = 0;
	bytes[APIKEY_IP_FULL_BYTES - 1] = APIKEY_IP_REGISTER_MAX + 1;
	CHECK(!apikey_ip_set_read(bytes, APIKEY_IP_FULL_BYTES, &a));

	/* one hash more than an exact set has */
	clear(&a);
	for (uint32_t i = 0; i < APIKEY_IP_EXACT; i++)
		apikey_ip_set_add(&a, i);
	{
		static uint8_t longer[1 + 4 * (APIKEY_IP_EXACT + 1)];
		size_t		len = apikey_ip_set_write(&a, longer);

		CHECK(apikey_ip_set_read(longer, len, &b));
		memset(longer + len, 0xFF, 4);
		CHECK(!apikey_ip_set_read(longer, len + 4, &b));
	}
}

int
main(void)
{
	unit_begin();
	test_hash();
	test_sets();
	test_bytes();
	return unit_done("test_ip_sketch");
}
