/*
 * mock_attack.h
 *		Attacks in mock traffic, as they look in the usage of a real API.
 *
 * Layer 0: C library only.
 */
#ifndef APIKEY_MOCK_ATTACK_H
#define APIKEY_MOCK_ATTACK_H

#include "mock_traffic.h"

typedef enum ApikeyMockAttackKind
{
	APIKEY_MOCK_STOLEN_KEY,		/* used from somewhere else, beside its owner */
	APIKEY_MOCK_MANY_IPS,		/* published: used by everybody */
	APIKEY_MOCK_ENUMERATION,	/* keys are guessed */
	APIKEY_MOCK_ERROR_BURST,	/* nearly all answers are errors */
	APIKEY_MOCK_RATE_SPIKE,		/* many times the usual rate */
	APIKEY_MOCK_SLOW_EXFILTRATION,	/* few requests, much data, for long */
	APIKEY_MOCK_DORMANT_KEY,	/* unused, then used */
	APIKEY_MOCK_OFF_HOURS,		/* an office key at night */
	APIKEY_MOCK_AFTER_REVOCATION,	/* a revoked key is tried */
	APIKEY_MOCK_NATTACKS
} ApikeyMockAttackKind;

#define APIKEY_MOCK_WINDOWS_MAX	5

typedef struct ApikeyMockAttack
{
	ApikeyMockAttackKind kind;
	int			key;			/* number of the victim, -1: none */
	int64_t		rows;
	int64_t		left;
	int64_t		next_at;
	int64_t		first_at;		/* of the rows that were made */
	int64_t		last_at;
	int64_t		counts[APIKEY_NCODES];
	const char *agent;			/* NULL: the client's own */
	ApikeyNet	net;			/* all rows come from it; family 0: the
								 * client's own */
	const ApikeyMockEndpoint *endpoint; /* NULL: any */

	/* private */
	ApikeyMockRandom random;
	int			nwindows;
	int64_t		start[APIKEY_MOCK_WINDOWS_MAX];
	int64_t		length[APIKEY_MOCK_WINDOWS_MAX];
	int64_t		total;			/* sum of the lengths */
	int64_t		position;		/* in the windows one after the other */
} ApikeyMockAttack;

typedef struct ApikeyMockScene
{
	ApikeyMockTraffic traffic;
	ApikeyMockAttack attacks[APIKEY_MOCK_NATTACKS];
	int			nattacks;
} ApikeyMockScene;

extern const char *const apikey_mock_attack_names[APIKEY_MOCK_NATTACKS];

/*
 * apikey_mock_scene_begin plans the attacks (whose kinds are filled in) and
 * takes their rows from those of the traffic.  False: there is no key for the
 * attack whose number is in *failed.
 */
extern bool apikey_mock_scene_begin(ApikeyMockScene *scene, int *failed);

/*
 * The next row in order of time; false: all were made.  *attack is its attack,
 * NULL for ordinary traffic.
 */
extern bool apikey_mock_scene_next(ApikeyMockScene *scene, ApikeyMockRow *row,
								   ApikeyMockAttack **attack);

#endif							/* APIKEY_MOCK_ATTACK_H */
