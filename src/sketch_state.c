/*
 * sketch_state.c
 *		Histograms of latencies and sets of addresses that grow with what they
 *		hold.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "compat.h"
#include "sketch_state.h"

#define LATENCY_STATE_SIZE(room) \
	(offsetof(ApikeyLatencyState, entries) + (room) * sizeof(ApikeyHistogramEntry))

#define IP_STATE_SIZE(room) \
	(offsetof(ApikeyIpState, set) + \
	 ((room) > APIKEY_IP_EXACT ? sizeof(ApikeyIpSet) : APIKEY_IP_SET_SIZE(room)))

static ApikeyLatencyState *
new_latency_state(MemoryContext context, int n)
{
	int			room = Max(n, 5);
	ApikeyLatencyState *state = MemoryContextAlloc(context, LATENCY_STATE_SIZE(room));

	state->n = 0;
	state->room = room;
	return state;
}

ApikeyLatencyState *
apikey_latency_state_add(MemoryContext context, ApikeyLatencyState *state, int64 latency_us)
{
	if (state == NULL)
		state = new_latency_state(context, 0);
	else if (state->n == state->room)
	{
		state->room *= 2;
		state = repalloc(state, LATENCY_STATE_SIZE(state->room));
	}
	state->n = apikey_histogram_add(state->entries, state->n, apikey_histogram_bucket(latency_us));
	return state;
}

ApikeyLatencyState *
apikey_latency_state_merge(MemoryContext context, ApikeyLatencyState *state,
						   const ApikeyHistogramEntry *entries, int n)
{
	ApikeyHistogramEntry merged[APIKEY_HISTOGRAM_BUCKETS];

	if (state == NULL || state->n == 0)
	{
		if (state == NULL || state->room < n)
			state = new_latency_state(context, n);
		memcpy(state->entries, entries, n * sizeof(*entries));
		state->n = n;
		return state;
	}
	/* few into many: most often all their buckets are there */
	if (n <= state->n / 8)
	{
		int			done = 0;

		while (done < n && apikey_histogram_increase(state->entries, state->n, entries[done]))
			done++;
		entries += done;
		n -= done;
		if (n == 0)
			return state;
	}
	n = apikey_histogram_merge(state->entries, state->n, entries, n, merged);
	if (n > state->room)
	{
		state->room = Min(n + n / 2, APIKEY_HISTOGRAM_BUCKETS);
		state = repalloc(state, LATENCY_STATE_SIZE(state->room));
	}
	memcpy(state->entries, merged, n * sizeof(*merged));
	state->n = n;
	return state;
}

bytea *
apikey_latency_value(const ApikeyHistogramEntry *entries, int n)
{
	bytea	   *result = palloc(VARHDRSZ + 1 + 10 * (Size) n);

	SET_VARSIZE(result, VARHDRSZ + apikey_histogram_write(entries, n, (uint8_t *) VARDATA(result)));
	return result;
}

static ApikeyIpState *
new_ip_state(MemoryContext context, int room)
{
	ApikeyIpState *state = MemoryContextAlloc(context, IP_STATE_SIZE(room));

	state->room = room;
	state->set.full = false;
	state->set.n = 0;
	return state;
}

ApikeyIpState *
apikey_ip_state_add(MemoryContext context, ApikeyIpState *state, uint32_t hash)
{
	if (state == NULL)
		state = new_ip_state(context, 4);
	else if (!state->set.full && state->set.n == state->room)
	{
		if (apikey_ip_set_has(&state->set, hash))
			return state;
		state->room *= 2;
		state = repalloc(state, IP_STATE_SIZE(state->room));
	}
	apikey_ip_set_add(&state->set, hash);
	return state;
}

ApikeyIpState *
apikey_ip_state_merge(MemoryContext context, ApikeyIpState *state, const ApikeyIpSet *set)
{
	if (state == NULL)
		state = new_ip_state(context, Max(set->n, 4));
	if (!set->full)
	{
		for (int i = 0; i < set->n; i++)
			state = apikey_ip_state_add(context, state, set->u.hashes[i]);
		return state;
	}
	if (state->room <= APIKEY_IP_EXACT)
	{
		state->room = APIKEY_IP_EXACT + 1;
		state = repalloc(state, IP_STATE_SIZE(state->room));
	}
	apikey_ip_set_merge(&state->set, set);
	return state;
}

Size
apikey_ip_set_used(const ApikeyIpSet *set)
{
	return set->full ? sizeof(ApikeyIpSet) : APIKEY_IP_SET_SIZE(set->n);
}

bytea *
apikey_ip_value(const ApikeyIpSet *set)
{
	Size		size = set->full ? APIKEY_IP_FULL_BYTES : 1 + 4 * (Size) set->n;
	bytea	   *result = palloc(VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + apikey_ip_set_write(set, (uint8_t *) VARDATA(result)));
	return result;
}
