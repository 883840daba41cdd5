/*
 * rules.c
 *		Rules as they are stored, turned into what decide() reads.
 *
 * Layer 3.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/inet.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "limit_rules.h"
#include "rules.h"

ApikeyNet
apikey_net_from_datum(Datum inet_datum)
{
	inet	   *address = DatumGetInetPP(inet_datum);
	ApikeyNet	net;

	memset(&net, 0, sizeof(net));
	net.family = ip_family(address) == PGSQL_AF_INET ? 4 : 6;
	net.bits = ip_bits(address);
	memcpy(net.addr, ip_addr(address), net.family == 4 ? 4 : 16);
	apikey_net_normalize(&net);
	return net;
}

ApikeyNetList
apikey_rules_nets(ApikeyScan *scan, int attnum)
{
	bool		isnull;
	Datum		value = apikey_scan_get(scan, attnum, &isnull);
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	ApikeyNet  *items;
	int			used = 0;

	if (isnull)
		return (ApikeyNetList) {NULL, 0, true};
	array = DatumGetArrayTypeP(value);
	deconstruct_array(array, CIDROID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	items = palloc(sizeof(ApikeyNet) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		/* a NULL element can allow nothing: an impossible network */
		if (nulls[i])
			memset(&items[used++], 0, sizeof(ApikeyNet));
		else
			items[used++] = apikey_net_from_datum(elements[i]);
	}
	return (ApikeyNetList) {items, apikey_net_compile(items, used), true};
}

bool
apikey_local_time(const void *tz, int64_t at, int *dow, int *minute)
{
	pg_time_t	t = (pg_time_t) (at / USECS_PER_SEC) +
		((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY);
	struct pg_tm *tm;

	/* floor: instants before 2000 have a negative remainder */
	if (at % USECS_PER_SEC < 0)
		t--;
	if (tz == NULL)
		return false;
	tm = pg_localtime(&t, (const pg_tz *) tz);
	if (tm == NULL)
		return false;
	*dow = tm->tm_wday;
	*minute = tm->tm_hour * 60 + tm->tm_min;
	return true;
}

static ApikeyWindowList
scan_window_list(ApikeyScan *scan, int attnum)
{
	ApikeyStrList rules = apikey_scan_str_list(scan, attnum);
	ApikeyWindow *items;

	if (rules.count == 0)
		return (ApikeyWindowList) {NULL, 0};
	items = palloc0(sizeof(ApikeyWindow) * rules.count);
	for (int i = 0; i < rules.count; i++)
	{
		ApikeyStr	zone;
		char		name[64];

		/* a malformed window stays empty and matches nothing */
		if (!apikey_window_parse(rules.items[i], &items[i]))
			continue;
		zone = items[i].zone;
		if (zone.ptr == NULL)
			strlcpy(name, "UTC", sizeof(name));
		else
			snprintf(name, sizeof(name), "%.*s", zone.len, zone.ptr);
		items[i].tz = pg_tzset(name);
	}
	return (ApikeyWindowList) {items, rules.count};
}

/* The current row of a scan of policy_version. */
static ApikeyRules *
compile(ApikeyScan *scan, int64 policy_id)
{
	ApikeyRules *rules = palloc0(sizeof(ApikeyRules));
	ApikeyPolicy *policy = &rules->policy;
	bool		isnull;
	Datum		value;

	policy->policy_id = policy_id;
	policy->version = DatumGetInt32(apikey_scan_get(scan, Anum_policy_version_version, &isnull));
	policy->allowed_nets = apikey_rules_nets(scan, Anum_policy_version_allowed_cidrs);
	policy->denied_nets = apikey_rules_nets(scan, Anum_policy_version_denied_cidrs);
	policy->allowed_endpoints = apikey_scan_str_list(scan, Anum_policy_version_allowed_endpoints);
	policy->denied_endpoints = apikey_scan_str_list(scan, Anum_policy_version_denied_endpoints);
	policy->hours = scan_window_list(scan, Anum_policy_version_access_hours);
	policy->required_scopes = apikey_scan_str_list(scan, Anum_policy_version_required_scopes);
	(void) apikey_scan_get(scan, Anum_policy_version_max_scopes, &isnull);
	policy->has_max_scopes = !isnull;
	policy->max_scopes = apikey_scan_str_list(scan, Anum_policy_version_max_scopes);
	policy->limits = apikey_limit_rules_defs(scan, Anum_policy_version_rate_limits, Anum_policy_version_quotas);
	policy->priority = DatumGetInt32(apikey_scan_get(scan, Anum_policy_version_priority, &isnull));
	value = apikey_scan_get(scan, Anum_policy_version_grace, &isnull);
	if (!isnull)
		rules->grace = *DatumGetIntervalP(value);
	return rules;
}

ApikeyRules *
apikey_rules_from_row(HeapTupleHeader row, int64 policy_id)
{
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(row),
												   HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple;
	ApikeyScan	scan;
	ApikeyRules *rules;

	/* a scan of nothing, that stands on the row */
	memset(&scan, 0, sizeof(scan));
	tuple.t_len = HeapTupleHeaderGetDatumLength(row);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = row;
	scan.slot = MakeSingleTupleTableSlot(desc, &TTSOpsHeapTuple);
	ExecStoreHeapTuple(&tuple, scan.slot, false);
	rules = compile(&scan, policy_id);
	rules->span = (ApikeySpan) {DT_NOBEGIN, DT_NOEND};
	ExecDropSingleTupleTableSlot(scan.slot);
	return rules;
}

/*
 * The first row that a scan of the versions of a policy finds.  key[0] is free
 * for the policy.  *effective is the instant from which it is in force.
 */
static ApikeyRules *
load_version(int64 policy_id, int nkeys, ScanKey keys, ScanDirection direction,
			 Snapshot snapshot, TimestampTz *effective)
{
	ApikeyScan	scan;
	ApikeyRules *rules = NULL;

	apikey_key_int64(&keys[0], 1, policy_id);
	apikey_scan_begin(&scan, APIKEY_TABLE_POLICY_VERSION,
					  APIKEY_INDEX_POLICY_VERSION_EFFECTIVE, snapshot, nkeys, keys,
					  direction);
	if (apikey_scan_next(&scan))
	{
		bool		isnull;

		rules = compile(&scan, policy_id);
		*effective = DatumGetTimestampTz(apikey_scan_get(&scan, Anum_policy_version_effective_at, &isnull));
	}
	apikey_scan_end(&scan);
	return rules;
}

/* The next instant after now at which another version comes into force. */
static TimestampTz
next_effective(int64 policy_id, TimestampTz now, Snapshot snapshot)
{
	ApikeyScan	scan;
	ScanKeyData keys[2];
	TimestampTz next = DT_NOEND;

	apikey_key_int64(&keys[0], 1, policy_id);
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_TIMESTAMPTZ_GT,
				TimestampTzGetDatum(now));
	apikey_scan_begin(&scan, APIKEY_TABLE_POLICY_VERSION,
					  APIKEY_INDEX_POLICY_VERSION_EFFECTIVE, snapshot, 2, keys,
					  ForwardScanDirection);
	if (apikey_scan_next(&scan))
	{
		bool		isnull;

		next = DatumGetTimestampTz(apikey_scan_get(&scan, Anum_policy_version_effective_at, &isnull));
	}
	apikey_scan_end(&scan);
	return next;
}

/*
 * The version of a policy in force at an instant: the latest one that is
 * effective.  If none is yet (the clock went back), the first one: rules that
 * came later are better than none.  NULL only if the policy has no version.
 */
ApikeyRules *
apikey_rules_load_policy(int64 policy_id, TimestampTz now, Snapshot snapshot)
{
	ScanKeyData keys[2];
	ApikeyRules *rules;
	TimestampTz effective;

	ScanKeyInit(&keys[1], 2, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE,
				TimestampTzGetDatum(now));
	rules = load_version(policy_id, 2, keys, BackwardScanDirection, snapshot, &effective);
	if (rules != NULL)
	{
		rules->span.from = effective;
		rules->span.until = next_effective(policy_id, now, snapshot);
		return rules;
	}
	rules = load_version(policy_id, 1, keys, ForwardScanDirection, snapshot, &effective);
	if (rules != NULL)
	{
		rules->span.from = DT_NOBEGIN;
		rules->span.until = effective;
	}
	return rules;
}
