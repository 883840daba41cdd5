/*
 * mock_api.h
 *		The HTTP interfaces that mock traffic calls.
 *
 * Layer 0: C library only.
 */
#ifndef APIKEY_MOCK_API_H
#define APIKEY_MOCK_API_H

#include "mock_random.h"

/*
 * In a path "#" stands for a number, "%" for a UUID, "@" for a word and "~" for
 * a date.
 */
typedef struct ApikeyMockEndpoint
{
	const char *method;
	const char *path;
	const char *scope;
	int			share;			/* of the calls, in thousandths */
	float		latency_us;		/* median */
	float		spread;			/* sigma of its logarithm */
	int			bytes_in;		/* these two: medians */
	int			bytes_out;
} ApikeyMockEndpoint;

typedef struct ApikeyMockApi
{
	const char *name;
	const ApikeyMockEndpoint *endpoints;
	int			nendpoints;
} ApikeyMockApi;

#define APIKEY_MOCK_NAPIS		8
#define APIKEY_MOCK_NAGENTS		24
#define APIKEY_MOCK_NREGIONS	6
#define APIKEY_MOCK_PATH_MAX	160

extern const ApikeyMockApi apikey_mock_apis[APIKEY_MOCK_NAPIS];
extern const char *const apikey_mock_agents[APIKEY_MOCK_NAGENTS];
extern const char *const apikey_mock_regions[APIKEY_MOCK_NREGIONS];

/* One endpoint of an API by its share of the calls; u is uniform. */
extern const ApikeyMockEndpoint *apikey_mock_pick_endpoint(int api, double u);

/*
 * apikey_mock_path writes a path of the pattern, at most
 * APIKEY_MOCK_PATH_MAX bytes, and returns its length.  at (microseconds since
 * 2000) dates it.
 */
extern int	apikey_mock_path(const char *pattern, int64_t at,
							 ApikeyMockRandom *random, char *out);

/* apikey_mock_hex writes n hexadecimal digits of bits, n at most 16. */
extern void apikey_mock_hex(uint64_t bits, int n, char *out);

/* The date of an instant, 10 characters. */
extern void apikey_mock_date(int64_t at, char *out);

#endif							/* APIKEY_MOCK_API_H */
