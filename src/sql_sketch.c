/*
 * sql_sketch.c
 *		SQL functions over histograms of latencies and sets of addresses, and
 *		the steps of their aggregates.
 *
 * Layer 6.  A state of an aggregate is as small as its group: rollups keep one
 * for every key, hour, class and code.
 */
#include "postgres.h"

#include <math.h>
#include <sys/socket.h>

#include "fmgr.h"
#include "lib/hyperloglog.h"
#include "utils/inet.h"

#include "compat.h"
#include "histogram.h"
#include "ip_sketch.h"

PG_FUNCTION_INFO_V1(apikey_latency_percentile);
PG_FUNCTION_INFO_V1(apikey_latency_add);
PG_FUNCTION_INFO_V1(apikey_latency_step);
PG_FUNCTION_INFO_V1(apikey_latency_merge_step);
PG_FUNCTION_INFO_V1(apikey_latency_combine);
PG_FUNCTION_INFO_V1(apikey_latency_bytes);
PG_FUNCTION_INFO_V1(apikey_latency_state);
PG_FUNCTION_INFO_V1(apikey_ip_count);
PG_FUNCTION_INFO_V1(apikey_ip_add);
PG_FUNCTION_INFO_V1(apikey_ip_step);
PG_FUNCTION_INFO_V1(apikey_ip_merge_step);
PG_FUNCTION_INFO_V1(apikey_ip_combine);
PG_FUNCTION_INFO_V1(apikey_ip_bytes);
PG_FUNCTION_INFO_V1(apikey_ip_state);

/* A histogram that grows. */
typedef struct LatencyState
{
	int			n;
	int			room;
	ApikeyHistogramEntry entries[FLEXIBLE_ARRAY_MEMBER];
} LatencyState;

#define LATENCY_STATE_SIZE(room) \
	(offsetof(LatencyState, entries) + (room) * sizeof(ApikeyHistogramEntry))

/* A set that grows, to a whole ApikeyIpSet when it has more hashes than that. */
typedef struct IpState
{
	int			room;
	ApikeyIpSet set;
} IpState;

#define IP_STATE_SIZE(room) \
	(offsetof(IpState, set) + \
	 ((room) > APIKEY_IP_EXACT ? sizeof(ApikeyIpSet) : APIKEY_IP_SET_SIZE(room)))

static pg_noinline void
malformed(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("malformed %s", what),
			 errdetail("It is a value of apikey.usage_hourly or apikey.usage_daily, or one merged from them.")));
}

static MemoryContext
aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function is a step of an aggregate and cannot be called by itself")));
	return context;
}

/* --- latencies ---------------------------------------------------------- */

/* Read an argument into entries; returns their number. */
static int
read_histogram(bytea *value, ApikeyHistogramEntry *entries)
{
	int			n = apikey_histogram_read((const uint8_t *) VARDATA_ANY(value),
										  VARSIZE_ANY_EXHDR(value), entries);

	if (n < 0)
		malformed("histogram of latencies");
	return n;
}

static bytea *
write_histogram(const ApikeyHistogramEntry *entries, int n)
{
	bytea	   *result = palloc(VARHDRSZ + 1 + 10 * (Size) n);

	SET_VARSIZE(result, VARHDRSZ + apikey_histogram_write(entries, n, (uint8_t *) VARDATA(result)));
	return result;
}

static LatencyState *
new_latency_state(MemoryContext context, int n)
{
	int			room = Max(n, 5);
	LatencyState *state = MemoryContextAlloc(context, LATENCY_STATE_SIZE(room));

	state->n = 0;
	state->room = room;
	return state;
}

static LatencyState *
merge_latencies(MemoryContext context, LatencyState *state,
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

/* _latency_sketch(bigint): one more row */
Datum
apikey_latency_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	LatencyState *state = PG_ARGISNULL(0) ? NULL : (LatencyState *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (state == NULL)
		state = new_latency_state(context, 0);
	else if (state->n == state->room)
	{
		state->room *= 2;
		state = repalloc(state, LATENCY_STATE_SIZE(state->room));
	}
	state->n = apikey_histogram_add(state->entries, state->n,
									apikey_histogram_bucket(PG_GETARG_INT64(1)));
	PG_RETURN_POINTER(state);
}

/* latency_merge(bytea): one more histogram */
Datum
apikey_latency_merge_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	LatencyState *state = PG_ARGISNULL(0) ? NULL : (LatencyState *) PG_GETARG_POINTER(0);
	ApikeyHistogramEntry entries[APIKEY_HISTOGRAM_BUCKETS];
	int			n;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	n = read_histogram(PG_GETARG_BYTEA_PP(1), entries);
	PG_RETURN_POINTER(merge_latencies(context, state, entries, n));
}

/* of both aggregates: what a parallel worker has */
Datum
apikey_latency_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	LatencyState *state = PG_ARGISNULL(0) ? NULL : (LatencyState *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1))
	{
		LatencyState *other = (LatencyState *) PG_GETARG_POINTER(1);

		state = merge_latencies(context, state, other->entries, other->n);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/* of both aggregates: the value of a state, which is left as it is */
Datum
apikey_latency_bytes(PG_FUNCTION_ARGS)
{
	LatencyState *state = (LatencyState *) PG_GETARG_POINTER(0);

	(void) aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(write_histogram(state->entries, state->n));
}

Datum
apikey_latency_state(PG_FUNCTION_ARGS)
{
	ApikeyHistogramEntry entries[APIKEY_HISTOGRAM_BUCKETS];
	int			n;

	(void) aggregate_context(fcinfo);
	n = read_histogram(PG_GETARG_BYTEA_PP(0), entries);
	PG_RETURN_POINTER(merge_latencies(CurrentMemoryContext, NULL, entries, n));
}

/* _latency_add(bytea, bytea): both together; NULL is none */
Datum
apikey_latency_add(PG_FUNCTION_ARGS)
{
	ApikeyHistogramEntry a[APIKEY_HISTOGRAM_BUCKETS];
	ApikeyHistogramEntry b[APIKEY_HISTOGRAM_BUCKETS];
	ApikeyHistogramEntry merged[APIKEY_HISTOGRAM_BUCKETS];
	int			na;
	int			nb;

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	na = PG_ARGISNULL(0) ? 0 : read_histogram(PG_GETARG_BYTEA_PP(0), a);
	nb = PG_ARGISNULL(1) ? 0 : read_histogram(PG_GETARG_BYTEA_PP(1), b);
	PG_RETURN_BYTEA_P(write_histogram(merged, apikey_histogram_merge(a, na, b, nb, merged)));
}

Datum
apikey_latency_percentile(PG_FUNCTION_ARGS)
{
	ApikeyHistogramEntry entries[APIKEY_HISTOGRAM_BUCKETS];
	double		fraction = PG_GETARG_FLOAT8(1);
	int			n;

	/* not a number is in no range, too */
	if (!(fraction >= 0 && fraction <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("fraction %g is not between 0 and 1", fraction),
				 errhint("The 95th percentile is 0.95.")));
	n = read_histogram(PG_GETARG_BYTEA_PP(0), entries);
	if (n == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(apikey_histogram_percentile(entries, n, fraction));
}

/* --- addresses ---------------------------------------------------------- */

static void
read_set(bytea *value, ApikeyIpSet *set)
{
	if (!apikey_ip_set_read((const uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), set))
		malformed("set of addresses");
}

static bytea *
write_set(const ApikeyIpSet *set)
{
	Size		size = set->full ? APIKEY_IP_FULL_BYTES : 1 + 4 * (Size) set->n;
	bytea	   *result = palloc(VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + apikey_ip_set_write(set, (uint8_t *) VARDATA(result)));
	return result;
}

static IpState *
new_ip_state(MemoryContext context, int room)
{
	IpState    *state = MemoryContextAlloc(context, IP_STATE_SIZE(room));

	state->room = room;
	state->set.full = false;
	state->set.n = 0;
	return state;
}

static IpState *
add_hash(IpState *state, uint32_t hash)
{
	if (!state->set.full && state->set.n == state->room)
	{
		if (apikey_ip_set_has(&state->set, hash))
			return state;
		state->room *= 2;
		state = repalloc(state, IP_STATE_SIZE(state->room));
	}
	apikey_ip_set_add(&state->set, hash);
	return state;
}

static IpState *
merge_sets(MemoryContext context, IpState *state, const ApikeyIpSet *set)
{
	if (state == NULL)
		state = new_ip_state(context, Max(set->n, 4));
	if (!set->full)
	{
		for (int i = 0; i < set->n; i++)
			state = add_hash(state, set->u.hashes[i]);
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

/* _ip_sketch(inet): one more row */
Datum
apikey_ip_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	IpState    *state = PG_ARGISNULL(0) ? NULL : (IpState *) PG_GETARG_POINTER(0);
	inet	   *address;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	if (state == NULL)
		state = new_ip_state(context, 4);
	address = PG_GETARG_INET_PP(1);
	PG_RETURN_POINTER(add_hash(state, apikey_ip_hash(ip_addr(address), ip_addrsize(address))));
}

/* ip_merge(bytea): one more set */
Datum
apikey_ip_merge_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	IpState    *state = PG_ARGISNULL(0) ? NULL : (IpState *) PG_GETARG_POINTER(0);
	ApikeyIpSet set;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	read_set(PG_GETARG_BYTEA_PP(1), &set);
	PG_RETURN_POINTER(merge_sets(context, state, &set));
}

Datum
apikey_ip_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = aggregate_context(fcinfo);
	IpState    *state = PG_ARGISNULL(0) ? NULL : (IpState *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1))
		state = merge_sets(context, state, &((IpState *) PG_GETARG_POINTER(1))->set);
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
apikey_ip_bytes(PG_FUNCTION_ARGS)
{
	(void) aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(write_set(&((IpState *) PG_GETARG_POINTER(0))->set));
}

Datum
apikey_ip_state(PG_FUNCTION_ARGS)
{
	ApikeyIpSet set;

	(void) aggregate_context(fcinfo);
	read_set(PG_GETARG_BYTEA_PP(0), &set);
	PG_RETURN_POINTER(merge_sets(CurrentMemoryContext, NULL, &set));
}

/* _ip_add(bytea, bytea): both together; NULL is none */
Datum
apikey_ip_add(PG_FUNCTION_ARGS)
{
	ApikeyIpSet a = {0};
	ApikeyIpSet b = {0};

	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(0))
		read_set(PG_GETARG_BYTEA_PP(0), &a);
	if (!PG_ARGISNULL(1))
		read_set(PG_GETARG_BYTEA_PP(1), &b);
	apikey_ip_set_merge(&a, &b);
	PG_RETURN_BYTEA_P(write_set(&a));
}

Datum
apikey_ip_count(PG_FUNCTION_ARGS)
{
	ApikeyIpSet set;
	hyperLogLogState estimator;
	double		estimate;

	read_set(PG_GETARG_BYTEA_PP(0), &set);
	if (!set.full)
		PG_RETURN_INT64(set.n);

	initHyperLogLog(&estimator, APIKEY_IP_WIDTH);
	Assert(estimator.nRegisters == APIKEY_IP_REGISTERS);
	memcpy(estimator.hashesArr, set.u.registers, APIKEY_IP_REGISTERS);
	estimate = estimateHyperLogLog(&estimator);
	freeHyperLogLog(&estimator);

	/*
	 * A set that is not exact has more than 256.  The correction for
	 * collisions of hashes has no answer where they are all taken, which
	 * takes forged registers.
	 */
	if (!(estimate < PG_UINT32_MAX))
		estimate = PG_UINT32_MAX;
	PG_RETURN_INT64(Max((int64) rint(estimate), APIKEY_IP_EXACT + 1));
}
