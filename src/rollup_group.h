/*
 * rollup_group.h
 *		Sums of usage in the making.
 *
 * Layer 5.  Rows are added to groups in any order.  Groups that take more
 * memory than they may are sorted and written to a temporary file, where they
 * wait as one run of several; in the end the runs are merged, and come back
 * key by key and day by day, as many at once as one key has in one day.
 */
#ifndef APIKEY_ROLLUP_GROUP_H
#define APIKEY_ROLLUP_GROUP_H

#include "postgres.h"

#include "sketch_state.h"

/* A sum of any number of int8, in two's complement. */
typedef struct ApikeyWideSum
{
	uint64		low;
	int64		high;
} ApikeyWideSum;

static inline void
apikey_wide_add(ApikeyWideSum *sum, int64 value)
{
	uint64		low = sum->low + (uint64) value;

	sum->high += (low < sum->low) - (value < 0);
	sum->low = low;
}

static inline void
apikey_wide_merge(ApikeyWideSum *sum, const ApikeyWideSum *more)
{
	uint64		low = sum->low + more->low;

	sum->high += more->high + (low < sum->low);
	sum->low = low;
}

/* no padding: compared by its bytes */
typedef struct ApikeyRollupKey
{
	int64		hour;			/* TimestampTz, of its begin */
	int64		tenant_id;		/* 0 if it is null, as the next two */
	int64		key_id;
	int64		environment_id;
	uint32		label;			/* what the caller tells endpoints apart by */
	uint32		code;			/* and codes */
	bool		has_tenant;
	bool		has_key;
	bool		has_environment;
	uint8		zero[5];
} ApikeyRollupKey;

typedef struct ApikeyRollupGroup
{
	ApikeyRollupKey key;
	int64		calls;
	int64		errors;
	int64		latency_calls;
	ApikeyWideSum units;
	ApikeyWideSum bytes_in;
	ApikeyWideSum bytes_out;
	ApikeyWideSum latency_us;
	ApikeyLatencyState *latency;	/* NULL: none */
	ApikeyIpState *ips;			/* NULL: none */
} ApikeyRollupGroup;

typedef struct ApikeyRollupGroups ApikeyRollupGroups;

/* Groups in memory of at most so many bytes, more or less. */
extern ApikeyRollupGroups *apikey_rollup_groups_begin(Size most);
extern void apikey_rollup_groups_end(ApikeyRollupGroups *groups);

/* The context of what belongs to groups. */
extern MemoryContext apikey_rollup_groups_context(ApikeyRollupGroups *groups);

/*
 * The group of a key, made if there is none; it is valid until the next call.
 * made: it was, or was once and waits in a file.
 */
extern ApikeyRollupGroup *apikey_rollup_groups_find(ApikeyRollupGroups *groups,
													const ApikeyRollupKey *key, bool *made);

/* Add a group to another. */
extern void apikey_rollup_group_merge(MemoryContext context, ApikeyRollupGroup *group,
									  const ApikeyRollupGroup *more);

/* No more rows will come. */
extern void apikey_rollup_groups_sort(ApikeyRollupGroups *groups);

/*
 * The groups of the next tenant, day, key and environment, each once, sorted by
 * label, code and hour; they are valid until the next call.  NULL: no more.
 * relabel gives each its final label, and makes groups one that were not.
 */
extern ApikeyRollupGroup **apikey_rollup_groups_next(ApikeyRollupGroups *groups,
													 uint32 (*relabel) (const ApikeyRollupGroup *group, void *arg),
													 void *arg, int *n);

/* The day, in days since 2000-01-01, that an hour is in. */
static inline int64
apikey_rollup_day(int64 hour)
{
	int64		day = hour / INT64CONST(86400000000);

	return day - (hour % INT64CONST(86400000000) < 0);
}

#endif							/* APIKEY_ROLLUP_GROUP_H */
