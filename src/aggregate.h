/*
 * aggregate.h
 *		Steps of aggregates.
 *
 * Layer 1.
 */
#ifndef APIKEY_AGGREGATE_H
#define APIKEY_AGGREGATE_H

#include "postgres.h"

#include "fmgr.h"

/* Where the state of an aggregate lives; an error outside of one. */
static inline MemoryContext
apikey_aggregate_context(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("this function is a step of an aggregate and cannot be called by itself")));
	return context;
}

#endif							/* APIKEY_AGGREGATE_H */
