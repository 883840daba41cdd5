/*
 * sketch_state.h
 *		Histograms of latencies and sets of addresses that grow with what they
 *		hold: a rollup keeps one of each for every sum it is making.
 *
 * Layer 5.  NULL is an empty one.  What a function returns takes the place of
 * the state it was given; it is in the context of that, or in the one named.
 */
#ifndef APIKEY_SKETCH_STATE_H
#define APIKEY_SKETCH_STATE_H

#include "postgres.h"

#include "histogram.h"
#include "ip_sketch.h"

typedef struct ApikeyLatencyState
{
	int			n;
	int			room;
	ApikeyHistogramEntry entries[FLEXIBLE_ARRAY_MEMBER];
} ApikeyLatencyState;

/* becomes a whole ApikeyIpSet when it has more hashes than that keeps */
typedef struct ApikeyIpState
{
	int			room;
	ApikeyIpSet set;
} ApikeyIpState;

extern ApikeyLatencyState *apikey_latency_state_add(MemoryContext context, ApikeyLatencyState *state,
													int64 latency_us);
extern ApikeyLatencyState *apikey_latency_state_merge(MemoryContext context, ApikeyLatencyState *state,
													  const ApikeyHistogramEntry *entries, int n);

extern ApikeyIpState *apikey_ip_state_add(MemoryContext context, ApikeyIpState *state, uint32_t hash);
extern ApikeyIpState *apikey_ip_state_merge(MemoryContext context, ApikeyIpState *state,
											const ApikeyIpSet *set);

/* how many bytes of the set are in use */
extern Size apikey_ip_set_used(const ApikeyIpSet *set);

/* as values of SQL */
extern bytea *apikey_latency_value(const ApikeyHistogramEntry *entries, int n);
extern bytea *apikey_ip_value(const ApikeyIpSet *set);

#endif							/* APIKEY_SKETCH_STATE_H */
