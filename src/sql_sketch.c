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

#include "aggregate.h"
#include "compat.h"
#include "sketch_state.h"

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

static pg_noinline void
malformed(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("malformed %s", what),
			 errdetail("It is a value of apikey.usage_hourly or apikey.usage_daily, or one merged from them.")));
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

/* _latency_sketch(bigint): one more row */
Datum
apikey_latency_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	ApikeyLatencyState *state = PG_ARGISNULL(0) ? NULL : (ApikeyLatencyState *) PG_GETARG_POINTER(0);

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	PG_RETURN_POINTER(apikey_latency_state_add(context, state, PG_GETARG_INT64(1)));
}

/* latency_merge(bytea): one more histogram */
Datum
apikey_latency_merge_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	ApikeyLatencyState *state = PG_ARGISNULL(0) ? NULL : (ApikeyLatencyState *) PG_GETARG_POINTER(0);
	ApikeyHistogramEntry entries[APIKEY_HISTOGRAM_BUCKETS];
	int			n;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	n = read_histogram(PG_GETARG_BYTEA_PP(1), entries);
	PG_RETURN_POINTER(apikey_latency_state_merge(context, state, entries, n));
}

/* of both aggregates: what a parallel worker has */
Datum
apikey_latency_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	ApikeyLatencyState *state = PG_ARGISNULL(0) ? NULL : (ApikeyLatencyState *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1))
	{
		ApikeyLatencyState *other = (ApikeyLatencyState *) PG_GETARG_POINTER(1);

		state = apikey_latency_state_merge(context, state, other->entries, other->n);
	}
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

/* of both aggregates: the value of a state, which is left as it is */
Datum
apikey_latency_bytes(PG_FUNCTION_ARGS)
{
	ApikeyLatencyState *state = (ApikeyLatencyState *) PG_GETARG_POINTER(0);

	(void) apikey_aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(apikey_latency_value(state->entries, state->n));
}

Datum
apikey_latency_state(PG_FUNCTION_ARGS)
{
	ApikeyHistogramEntry entries[APIKEY_HISTOGRAM_BUCKETS];
	int			n;

	(void) apikey_aggregate_context(fcinfo);
	n = read_histogram(PG_GETARG_BYTEA_PP(0), entries);
	PG_RETURN_POINTER(apikey_latency_state_merge(CurrentMemoryContext, NULL, entries, n));
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
	PG_RETURN_BYTEA_P(apikey_latency_value(merged, apikey_histogram_merge(a, na, b, nb, merged)));
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

/* _ip_sketch(inet): one more row */
Datum
apikey_ip_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	ApikeyIpState *state = PG_ARGISNULL(0) ? NULL : (ApikeyIpState *) PG_GETARG_POINTER(0);
	inet	   *address;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	address = PG_GETARG_INET_PP(1);
	PG_RETURN_POINTER(apikey_ip_state_add(context, state,
										  apikey_ip_hash(ip_addr(address), ip_addrsize(address))));
}

/* ip_merge(bytea): one more set */
Datum
apikey_ip_merge_step(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	ApikeyIpState *state = PG_ARGISNULL(0) ? NULL : (ApikeyIpState *) PG_GETARG_POINTER(0);
	ApikeyIpSet set;

	if (PG_ARGISNULL(1))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}
	read_set(PG_GETARG_BYTEA_PP(1), &set);
	PG_RETURN_POINTER(apikey_ip_state_merge(context, state, &set));
}

Datum
apikey_ip_combine(PG_FUNCTION_ARGS)
{
	MemoryContext context = apikey_aggregate_context(fcinfo);
	ApikeyIpState *state = PG_ARGISNULL(0) ? NULL : (ApikeyIpState *) PG_GETARG_POINTER(0);

	if (!PG_ARGISNULL(1))
		state = apikey_ip_state_merge(context, state, &((ApikeyIpState *) PG_GETARG_POINTER(1))->set);
	if (state == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(state);
}

Datum
apikey_ip_bytes(PG_FUNCTION_ARGS)
{
	(void) apikey_aggregate_context(fcinfo);
	PG_RETURN_BYTEA_P(apikey_ip_value(&((ApikeyIpState *) PG_GETARG_POINTER(0))->set));
}

Datum
apikey_ip_state(PG_FUNCTION_ARGS)
{
	ApikeyIpSet set;

	(void) apikey_aggregate_context(fcinfo);
	read_set(PG_GETARG_BYTEA_PP(0), &set);
	PG_RETURN_POINTER(apikey_ip_state_merge(CurrentMemoryContext, NULL, &set));
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
	PG_RETURN_BYTEA_P(apikey_ip_value(&a));
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
