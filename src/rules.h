/*
 * rules.h
 *		Rules as they are stored, turned into what decide() reads.
 *
 * Layer 3.  Everything is allocated in the current memory context.
 */
#ifndef APIKEY_RULES_H
#define APIKEY_RULES_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

#include "catalog.h"
#include "decide.h"

/* an inet or cidr datum as a normalized network */
extern ApikeyNet apikey_net_from_datum(Datum inet_datum);

/* a cidr[] column of the current row */
extern ApikeyNetList apikey_rules_nets(ApikeyScan *scan, int attnum);

/* Local wall clock for access hours; tz is a pg_tz. */
extern bool apikey_local_time(const void *tz, int64_t at, int *dow, int *minute);

/* A time, its end not included. */
typedef struct ApikeySpan
{
	TimestampTz from;			/* DT_NOBEGIN: no start */
	TimestampTz until;			/* DT_NOEND: no end */
} ApikeySpan;

/* A version of a policy. */
typedef struct ApikeyRules
{
	ApikeyPolicy policy;
	Interval	grace;
	ApikeySpan	span;			/* when this version is the one in force */
	bool		kept;			/* in the memory of rulecache.c */
	struct ApikeyRules *next;	/* another version of the same policy there */
} ApikeyRules;

static inline bool
apikey_span_holds(ApikeySpan span, TimestampTz now)
{
	return span.from <= now && (now < span.until || span.until == DT_NOEND);
}

/*
 * apikey_rules_load_policy returns the version of a policy in force at now;
 * NULL when the policy has no version at all.
 */
extern ApikeyRules *apikey_rules_load_policy(int64 policy_id, TimestampTz now,
											 Snapshot snapshot);

/*
 * apikey_rules_from_row compiles a row of policy_version that is a value and
 * need not be stored, as a version of that policy.
 */
extern ApikeyRules *apikey_rules_from_row(HeapTupleHeader row, int64 policy_id);

#endif							/* APIKEY_RULES_H */
