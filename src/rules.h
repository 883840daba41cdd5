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

/*
 * apikey_rules_load_policy returns the version of a policy in force at now, and its grace;
 * NULL when the policy has no version at all.
 */
extern ApikeyPolicy *apikey_rules_load_policy(int64 policy_id, TimestampTz now,
											  Snapshot snapshot, Interval *grace);

#endif							/* APIKEY_RULES_H */
