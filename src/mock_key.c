/*
 * mock_key.c
 *		How the client behind one mock key behaves.
 *
 * Layer 0: C library only.
 */
#include <string.h>

#include "mock_api.h"
#include "mock_key.h"

/* what of a key a hash is about */
enum
{
	TOPIC_SHAPE, TOPIC_LOGS, TOPIC_LAGGARD, TOPIC_IDS, TOPIC_AGENT, TOPIC_REGION, TOPIC_NETS,
	TOPIC_SLOWNESS, TOPIC_DENIALS, TOPIC_ERRORS
};

static ApikeyNet
net4(uint32_t address, int prefix)
{
	ApikeyNet	net;

	memset(&net, 0, sizeof(net));
	net.family = 4;
	net.bits = (uint8_t) prefix;
	if (prefix < 32)
		address &= ~(UINT32_MAX >> prefix);
	for (int i = 0; i < 4; i++)
		net.addr[i] = (uint8_t) (address >> (24 - 8 * i));
	return net;
}

ApikeyNet
apikey_mock_customer_net(uint64_t bits, int prefix)
{
	return net4(UINT32_C(0x64400000) | ((uint32_t) bits & UINT32_C(0x003FFFFF)), prefix);
}

ApikeyNet
apikey_mock_attacker_net(uint64_t bits, int prefix)
{
	return net4(UINT32_C(0xC6120000) | ((uint32_t) bits & UINT32_C(0x0001FFFF)), prefix);
}

ApikeyNet
apikey_mock_customer_net6(uint64_t bits)
{
	static const uint8_t documentation[] = {0x20, 0x01, 0x0d, 0xb8};
	ApikeyNet	net;

	memset(&net, 0, sizeof(net));
	net.family = 6;
	net.bits = 64;
	memcpy(net.addr, documentation, sizeof(documentation));
	for (int i = 4; i < 8; i++)
		net.addr[i] = (uint8_t) (bits >> (8 * (i - 4)));
	return net;
}

ApikeyNet
apikey_mock_address(const ApikeyNet *net, ApikeyMockRandom *random)
{
	int			size = net->family == 4 ? 4 : 16;
	uint64_t	bits = apikey_mock_bits(random);
	ApikeyNet	address = *net;

	/* the last 8 bytes at most: others differ between networks only */
	for (int i = size - 1; i >= 0 && size - i <= 8; i--, bits >>= 8)
	{
		int			fixed = net->bits - 8 * i;	/* bits of this byte */

		if (fixed >= 8)
			break;
		if (fixed < 0)
			fixed = 0;
		address.addr[i] |= (uint8_t) bits & (uint8_t) (0xFF >> fixed);
	}
	address.bits = (uint8_t) (8 * size);
	return address;
}

ApikeyNet
apikey_mock_key_address(const ApikeyMockKey *key, ApikeyMockRandom *random)
{
	/* most come from the first */
	double		u = apikey_mock_uniform(random);

	return apikey_mock_address(&key->nets[(int) (u * u * key->nnets)], random);
}

/* One to four networks: egress addresses of servers, an office, many homes. */
static void
init_nets(ApikeyMockKey *key)
{
	uint64_t	bits = apikey_mock_hash(key->identity, 0, TOPIC_NETS);
	double		kind = apikey_mock_unit(bits);
	int			prefix;

	if (key->cidr.family != 0)
	{
		key->nnets = 1;
		key->nets[0] = key->cidr;
		return;
	}
	key->nnets = (uint8_t) (1 + bits % APIKEY_MOCK_NETS_MAX);
	if (key->shape == APIKEY_MOCK_CONSUMER)
		prefix = 20;
	else if (key->shape == APIKEY_MOCK_OFFICE && kind < 0.6)
		prefix = 27;
	else
		prefix = 32;
	for (int i = 0; i < key->nnets; i++)
	{
		uint64_t	base = apikey_mock_hash(key->identity, (uint64_t) i + 1, TOPIC_NETS);

		if (kind >= 0.88)
			key->nets[i] = apikey_mock_customer_net6(base);
		else if (prefix == 32)
			/* neighbours in one network of the cloud */
			key->nets[i] = apikey_mock_customer_net(((bits >> 8) & ~UINT64_C(0xFF)) | (base & 0xFF), prefix);
		else
			key->nets[i] = apikey_mock_customer_net(base, prefix);
	}
}

static ApikeyMockShape
pick_shape(const ApikeyMockKey *key)
{
	double		u = apikey_mock_unit(apikey_mock_hash(key->identity, 0, TOPIC_SHAPE));

	if (u < 0.40)
		return APIKEY_MOCK_OFFICE;
	if (u < 0.62)
		return APIKEY_MOCK_CONSUMER;
	return u < 0.90 ? APIKEY_MOCK_ALWAYS : APIKEY_MOCK_NIGHTLY;
}

void
apikey_mock_key_init(ApikeyMockKey *key)
{
#define BITS(topic)	apikey_mock_hash(key->identity, 0, (topic))
#define UNIT(topic)	apikey_mock_unit(BITS(topic))
	double		u;

	key->shape = pick_shape(key);
	key->weight = 0;
	key->logs = UNIT(TOPIC_LOGS) < 0.75;
	key->laggard = UNIT(TOPIC_LAGGARD) < 0.2;
	key->ids = UNIT(TOPIC_IDS) < 0.85;
	if (key->shape == APIKEY_MOCK_CONSUMER)
		key->agent = (uint8_t) (18 + BITS(TOPIC_AGENT) % 4);
	else
		key->agent = (uint8_t) (BITS(TOPIC_AGENT) % 18);
	key->next_agent = (uint8_t) (BITS(TOPIC_AGENT) % 5 == 0 ? key->agent ^ 1 : key->agent);
	key->region = (uint8_t) (BITS(TOPIC_REGION) % APIKEY_MOCK_NREGIONS);
	key->slowness = (float) exp(0.5 * (UNIT(TOPIC_SLOWNESS) - 0.5) * 2);

	/* most clients are right nearly always, a few hardly ever */
	u = UNIT(TOPIC_DENIALS);
	key->denial_rate = (float) (u > 0.97 ? 0.12 : 0.0005 + 0.012 * u * u * u);
	u = UNIT(TOPIC_ERRORS);
	key->error_rate = (float) (0.006 + 0.07 * u * u * u);
	init_nets(key);
	key->victim = false;
	key->quiet_from = key->quiet_until = 0;
#undef UNIT
#undef BITS
}

double
apikey_mock_rank_weight(int rank)
{
	/* Zipf-Mandelbrot: the busiest is no outlier of its own */
	return pow(rank + 2.7, -1.07);
}

static double
bell(double hour, double middle, double width)
{
	double		distance = fabs(hour - middle);

	if (distance > 12)
		distance = 24 - distance;
	return exp(-0.5 * (distance / width) * (distance / width));
}

/* day 0 is Monday */
static double
activity(ApikeyMockShape shape, int day, double hour, int quarter)
{
	bool		weekend = day >= 5;

	switch (shape)
	{
		case APIKEY_MOCK_OFFICE:
			return 0.012 + (weekend ? 0.06 : day == 4 ? 0.85 : 1.0) *
				(bell(hour, 10.5, 1.6) + 0.95 * bell(hour, 15.2, 1.9));
		case APIKEY_MOCK_CONSUMER:
			return 0.10 + (weekend ? 1.15 : 1.0) *
				(0.35 * bell(hour, 8, 1.3) + 0.45 * bell(hour, 13, 2.5) + 1.0 * bell(hour, 20.3, 2.3));
		case APIKEY_MOCK_NIGHTLY:
			return 0.03 + (day == 0 ? 1.4 : 1.0) * bell(hour, 2.5, 0.7);
		default:
			return (quarter % 4 == 0 ? 1.5 : 0.9) + 0.25 * bell(hour, 14, 4);
	}
}

void
apikey_mock_shape_curve(ApikeyMockShape shape, double curve[APIKEY_MOCK_QUARTERS])
{
	double		sum = 0;

	for (int i = 0; i < APIKEY_MOCK_QUARTERS; i++)
	{
		curve[i] = activity(shape, i / 96, (i % 96) / 4.0 + 0.125, i);
		sum += curve[i];
	}
	for (int i = 0; i < APIKEY_MOCK_QUARTERS; i++)
		curve[i] *= APIKEY_MOCK_QUARTERS / sum;
}
