/*
 * mock_key.h
 *		How the client behind one mock key behaves.
 *
 * Layer 0: C library only.  Everything follows from the identity of the key, a
 * hash of the seed and number it was made with: it is the same client in every
 * call of mock_usage(), whatever seed that gets.
 */
#ifndef APIKEY_MOCK_KEY_H
#define APIKEY_MOCK_KEY_H

#include <stdbool.h>

#include "mock_random.h"
#include "network.h"

/* When in the week a client calls. */
typedef enum ApikeyMockShape
{
	APIKEY_MOCK_OFFICE,			/* working hours */
	APIKEY_MOCK_CONSUMER,		/* evenings and weekends too */
	APIKEY_MOCK_ALWAYS,			/* machines: round the clock, full hours more */
	APIKEY_MOCK_NIGHTLY,		/* batch jobs */
	APIKEY_MOCK_NSHAPES
} ApikeyMockShape;

/* quarters of an hour in a week; 0 is Monday, 00:00 local time */
#define APIKEY_MOCK_QUARTERS	672

#define APIKEY_MOCK_NETS_MAX	4
#define APIKEY_MOCK_NEVER		INT64_MAX

typedef struct ApikeyMockKey
{
	/* what is known of the key; instants in microseconds since 2000 */
	uint64_t	identity;
	int			zone;			/* number of its time zone, the caller's */
	int			api;
	ApikeyNet	cidr;			/* the network it is bound to; family 0: none */
	int64_t		created_at;
	int64_t		expires_at;		/* these three: NEVER = not at all */
	int64_t		revoked_at;
	int64_t		suspended_at;
	bool		rotated;		/* there is a secret before the present one */
	int64_t		rotated_at;
	int64_t		old_ends_at;

	/* what follows from its identity */
	ApikeyMockShape shape;
	double		weight;			/* share of the traffic, by rank */
	bool		logs;			/* calls log_usage(), not only verify() */
	bool		laggard;		/* uses the old secret to its end, and after */
	bool		ids;			/* sends request ids */
	uint8_t		agent;
	uint8_t		next_agent;		/* after an upgrade */
	uint8_t		region;
	uint8_t		nnets;
	ApikeyNet	nets[APIKEY_MOCK_NETS_MAX];
	float		slowness;		/* factor of latencies */
	float		denial_rate;
	float		error_rate;

	/* what an attack makes of it; no ordinary calls in this range */
	bool		victim;
	int64_t		quiet_from;
	int64_t		quiet_until;
} ApikeyMockKey;

/* apikey_mock_key_init fills in what follows from the identity, but weight. */
extern void apikey_mock_key_init(ApikeyMockKey *key);

/* Weight of the key with a rank from 0. */
extern double apikey_mock_rank_weight(int rank);

/* How much a client of a shape calls in each quarter of its week; mean 1. */
extern void apikey_mock_shape_curve(ApikeyMockShape shape,
									double curve[APIKEY_MOCK_QUARTERS]);

/* An address inside the network. */
extern ApikeyNet apikey_mock_address(const ApikeyNet *net, ApikeyMockRandom *random);

/* An address of the key's client. */
extern ApikeyNet apikey_mock_key_address(const ApikeyMockKey *key, ApikeyMockRandom *random);

/*
 * Networks that belong to nobody: of customers inside 100.64.0.0/10 (shared
 * address space) and 2001:db8::/32 (documentation), of attackers inside
 * 198.18.0.0/15 (benchmarks).
 */
extern ApikeyNet apikey_mock_customer_net(uint64_t bits, int prefix);
extern ApikeyNet apikey_mock_customer_net6(uint64_t bits);
extern ApikeyNet apikey_mock_attacker_net(uint64_t bits, int prefix);

#endif							/* APIKEY_MOCK_KEY_H */
