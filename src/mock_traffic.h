/*
 * mock_traffic.h
 *		Rows of usage as an API in production leaves them, in order of time.
 *
 * Layer 0: C library only.  The number of rows of each quarter of an hour
 * follows from who is awake in it; each row draws its key by Zipf's law, then
 * what the client of that key would do.
 */
#ifndef APIKEY_MOCK_TRAFFIC_H
#define APIKEY_MOCK_TRAFFIC_H

#include "codes.h"
#include "mock_api.h"
#include "mock_key.h"
#include "str.h"

/* One row; texts are good until the next call. */
typedef struct ApikeyMockRow
{
	int64_t		at;
	int			key;			/* number of the key, -1: none was found */
	bool		old_secret;		/* the one before the present one */
	ApikeyCode	code;
	ApikeyNet	ip;
	int			status;			/* these four: -1 = NULL */
	int64_t		latency_us;
	int64_t		bytes_in;
	int64_t		bytes_out;
	int64_t		units;
	ApikeyStr	scope;			/* ptr NULL = NULL */
	ApikeyStr	method;
	ApikeyStr	endpoint;
	ApikeyStr	region;
	ApikeyStr	user_agent;
	ApikeyStr	request_id;
} ApikeyMockRow;

/* quarter of the local week in a zone at an instant */
typedef int (*ApikeyMockClock) (void *arg, int zone, int64_t at);

#define APIKEY_MOCK_ZONES_MAX	64
#define APIKEY_MOCK_GROUPS_MAX	(APIKEY_MOCK_ZONES_MAX * APIKEY_MOCK_NSHAPES)
#define APIKEY_MOCK_NORMALS		1024
#define APIKEY_MOCK_QUARTER_US	INT64_C(900000000)

/* Walker's alias method: an element by its weight in constant time. */
typedef struct ApikeyMockAlias
{
	float		keep;			/* share of the slot that is its own */
	int			other;
} ApikeyMockAlias;

/* keys of one zone and shape */
typedef struct ApikeyMockGroup
{
	int			zone;
	ApikeyMockShape shape;
	int			first;			/* of members */
	int			count;
	double		weight;
} ApikeyMockGroup;

typedef struct ApikeyMockTraffic
{
	/* the caller's */
	ApikeyMockKey *keys;
	int			nkeys;
	int			nzones;
	int		   *members;		/* these three: room for nkeys */
	ApikeyMockAlias *alias;
	int		   *scratch;
	int64_t		since;
	int64_t		until;
	int64_t		rows;
	uint64_t	seed;
	ApikeyMockClock clock;
	void	   *clock_arg;

	/* private */
	ApikeyMockRandom random;
	double		curve[APIKEY_MOCK_NSHAPES][APIKEY_MOCK_QUARTERS];
	float		normal[APIKEY_MOCK_NORMALS + 1];
	ApikeyMockGroup groups[APIKEY_MOCK_GROUPS_MAX];
	int			ngroups;
	ApikeyMockAlias group_alias[APIKEY_MOCK_GROUPS_MAX];
	double		weights;		/* sum over the keys */
	double		total;			/* weight of the whole range */
	double		passed;			/* of what is behind */
	int64_t		made;			/* rows */
	int64_t		slot_end;		/* of the present quarter */
	int64_t		slot_left;		/* rows it still gets */
	int64_t		now;
	bool		peeked;			/* now is that of the next row */
	double		incident[APIKEY_MOCK_NAPIS];	/* factor of errors */
	char		path[APIKEY_MOCK_PATH_MAX];
	char		id[40];
} ApikeyMockTraffic;

/*
 * apikey_mock_traffic_prepare ranks the keys: their weights follow from their
 * identities.  Then attacks may choose their victims.
 */
extern void apikey_mock_traffic_prepare(ApikeyMockTraffic *traffic);

/* apikey_mock_traffic_begin: keys and rows are as they are to be. */
extern void apikey_mock_traffic_begin(ApikeyMockTraffic *traffic);

/* When the next row is; false: all were made. */
extern bool apikey_mock_traffic_peek(ApikeyMockTraffic *traffic, int64_t *at);

/* apikey_mock_traffic_take fills in the row that was peeked at. */
extern void apikey_mock_traffic_take(ApikeyMockTraffic *traffic, ApikeyMockRow *row);

/*
 * For attacks.  clear_row: a row of nothing.  fill_request: a request of the
 * client of row->key at row->at, accepted, and what came of it where the client
 * logs; fill_answer: what came of it in any case.  deny: makes an accepted
 * request a denied one.
 */
extern void apikey_mock_clear_row(ApikeyMockRow *row, int64_t at);
extern void apikey_mock_fill_request(ApikeyMockTraffic *traffic, ApikeyMockRandom *random,
									 const ApikeyMockEndpoint *endpoint, ApikeyMockRow *row);
extern void apikey_mock_fill_answer(ApikeyMockTraffic *traffic, ApikeyMockRandom *random,
									const ApikeyMockEndpoint *endpoint, ApikeyMockRow *row);
extern void apikey_mock_deny(ApikeyMockRow *row, ApikeyCode code);
extern double apikey_mock_lognormal(const ApikeyMockTraffic *traffic, ApikeyMockRandom *random,
									double median, double spread);
extern ApikeyStr apikey_mock_text(const char *text);

#endif							/* APIKEY_MOCK_TRAFFIC_H */
