/*
 * keystore.c
 *		From a digest to everything that is decided on.
 *
 * Layer 3.  All reads of one verification use one snapshot, taken when it
 * starts: what was committed before is seen whole, what commits later is not
 * seen at all.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "keystore.h"
#include "limit_rules.h"
#include "rules.h"

/* grace is at most 100 years; past this instant the sum could overflow */
#define GRACE_HORIZON (END_TIMESTAMP - INT64CONST(200) * 366 * USECS_PER_DAY)

/* strategy of && in inet_ops of gist */
#define INET_OVERLAPS_STRATEGY 3

/*
 * An instant, APIKEY_NO_TIME for NULL.  '-infinity' has the same number as
 * APIKEY_NO_TIME but means "ever since", not "never": one step later says so.
 */
static TimestampTz
scan_time(ApikeyScan *scan, int attnum)
{
	bool		isnull;
	TimestampTz value = DatumGetTimestampTz(apikey_scan_get(scan, attnum, &isnull));

	if (isnull)
		return APIKEY_NO_TIME;
	return value == APIKEY_NO_TIME ? value + 1 : value;
}

/* Read one row by an int8 key; false when there is none. */
static bool
fetch_row(ApikeyScan *scan, ApikeyTable table, ApikeyIndex index, int64 id,
		  Snapshot snapshot)
{
	ScanKeyData key;

	apikey_key_int64(&key, 1, id);
	apikey_scan_begin(scan, table, index, snapshot, 1, &key, ForwardScanDirection);
	if (apikey_scan_next(scan))
		return true;
	apikey_scan_end(scan);
	return false;
}

bool
apikey_keystore_find(const unsigned char digest[APIKEY_DIGEST_LEN],
					 int32 keyring_id, Snapshot snapshot, ApikeySecret *secret)
{
	ApikeyScan	scan;
	ScanKeyData key;
	struct
	{
		int32		header;
		unsigned char bytes[APIKEY_DIGEST_LEN];
	} probe;
	bool		found = false;

	SET_VARSIZE(&probe, VARHDRSZ + APIKEY_DIGEST_LEN);
	memcpy(probe.bytes, digest, APIKEY_DIGEST_LEN);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_BYTEAEQ, PointerGetDatum(&probe));
	apikey_scan_begin(&scan, APIKEY_TABLE_KEY_SECRET, APIKEY_INDEX_KEY_SECRET_DIGEST,
					  snapshot, 1, &key, ForwardScanDirection);
	if (apikey_scan_next(&scan))
	{
		bool		isnull;
		bytea	   *stored = DatumGetByteaPP(apikey_scan_get(&scan, Anum_key_secret_digest, &isnull));

		found = VARSIZE_ANY_EXHDR(stored) == APIKEY_DIGEST_LEN &&
			apikey_equal(VARDATA_ANY(stored), digest, APIKEY_DIGEST_LEN) &&
			DatumGetInt32(apikey_scan_get(&scan, Anum_key_secret_keyring_id, &isnull)) == keyring_id;
		secret->secret_id = apikey_scan_int64(&scan, Anum_key_secret_secret_id, 0);
		secret->key_id = apikey_scan_int64(&scan, Anum_key_secret_key_id, 0);
		secret->expires_at = scan_time(&scan, Anum_key_secret_expires_at);
		secret->revoked_at = scan_time(&scan, Anum_key_secret_revoked_at);
	}
	apikey_scan_end(&scan);
	return found;
}

/* Own scopes and those of the key's roles. */
static ApikeyStrList
load_scopes(ApikeyStrList own, int64 key_id, Snapshot snapshot)
{
	ApikeyScan	scan;
	ScanKeyData key;
	ApikeyStr  *items = NULL;
	int			count = own.count;

	apikey_key_int64(&key, 1, key_id);
	apikey_scan_begin(&scan, APIKEY_TABLE_KEY_ROLE, APIKEY_INDEX_KEY_ROLE_PKEY,
					  snapshot, 1, &key, ForwardScanDirection);
	while (apikey_scan_next(&scan))
	{
		ApikeyScan	role;
		ApikeyStrList scopes;

		if (!fetch_row(&role, APIKEY_TABLE_ROLE, APIKEY_INDEX_ROLE_PKEY,
					   apikey_scan_int64(&scan, Anum_key_role_role_id, 0), snapshot))
			continue;
		scopes = apikey_scan_str_list(&role, Anum_role_scopes);
		apikey_scan_end(&role);
		if (scopes.count == 0)
			continue;
		if (items == NULL)
		{
			items = palloc(sizeof(ApikeyStr) * (count + scopes.count));
			if (count > 0)
				memcpy(items, own.items, sizeof(ApikeyStr) * count);
		}
		else
			items = repalloc(items, sizeof(ApikeyStr) * (count + scopes.count));
		memcpy(items + count, scopes.items, sizeof(ApikeyStr) * scopes.count);
		count += scopes.count;
	}
	apikey_scan_end(&scan);
	return items == NULL ? own : (ApikeyStrList) {items, count};
}

static ApikeyKeyStatus
parse_status(ApikeyStr status)
{
	if (status.len == 6 && memcmp(status.ptr, "active", 6) == 0)
		return APIKEY_KEY_ACTIVE;
	if (status.len == 7 && memcmp(status.ptr, "pending", 7) == 0)
		return APIKEY_KEY_PENDING;
	if (status.len == 7 && memcmp(status.ptr, "revoked", 7) == 0)
		return APIKEY_KEY_REVOKED;
	return APIKEY_KEY_SUSPENDED;
}

/*
 * Fill one link from the current row of api_key.  With key, also what only
 * the presented key itself has to tell.
 */
static int64
load_link(ApikeyScan *scan, TimestampTz now, Snapshot snapshot, ApikeyLink *link,
		  ApikeyKey *key, ApikeyStr *owner)
{
	int64		policy_id = apikey_scan_int64(scan, Anum_api_key_policy_id, 0);
	Interval	grace;

	memset(&grace, 0, sizeof(grace));
	link->key_id = apikey_scan_int64(scan, Anum_api_key_key_id, 0);
	link->status = parse_status(apikey_scan_str(scan, Anum_api_key_status));
	link->not_before = scan_time(scan, Anum_api_key_not_before);
	link->expires_at = scan_time(scan, Anum_api_key_expires_at);
	link->revoke_at = scan_time(scan, Anum_api_key_revoke_at);
	link->revoked_at = scan_time(scan, Anum_api_key_revoked_at);
	link->nets = apikey_rules_nets(scan, Anum_api_key_cidrs);
	link->endpoints = apikey_scan_str_list(scan, Anum_api_key_endpoints);
	link->scopes = load_scopes(apikey_scan_str_list(scan, Anum_api_key_scopes),
							   link->key_id, snapshot);
	link->policy = policy_id == 0 ? NULL : apikey_rules_load_policy(policy_id, now, snapshot, &grace);
	link->limits = apikey_limit_rules_defs(scan, Anum_api_key_rate_limits, Anum_api_key_quotas);
	*owner = apikey_scan_str(scan, Anum_api_key_owner);
	link->expires_with_grace = link->expires_at;
	if (IS_VALID_TIMESTAMP(link->expires_at) && link->expires_at < GRACE_HORIZON &&
		(grace.month != 0 || grace.day != 0 || grace.time != 0))
		link->expires_with_grace =
			DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(link->expires_at),
													IntervalPGetDatum(&grace)));
	if (key != NULL)
	{
		bool		isnull;
		Datum		metadata = apikey_scan_get(scan, Anum_api_key_metadata, &isnull);

		key->record.tenant_id = apikey_scan_int64(scan, Anum_api_key_tenant_id, 0);
		key->record.environment_id = apikey_scan_int64(scan, Anum_api_key_environment_id, 0);
		key->owner = *owner;
		key->name = apikey_scan_str(scan, Anum_api_key_name);
		key->has_metadata = !isnull;
		if (!isnull)
		{
			struct varlena *copy = PG_DETOAST_DATUM_COPY(metadata);

			key->metadata = (ApikeyStr) {(const char *) copy, VARSIZE(copy)};
		}
	}
	return apikey_scan_int64(scan, Anum_api_key_parent_key_id, 0);
}

/*
 * The key and its ancestors; false when the key itself is not there.  A policy
 * without any version breaks the chain: nobody can say what it allows.
 */
static bool
load_chain(int64 key_id, TimestampTz now, Snapshot snapshot, ApikeyKey *key)
{
	ApikeyLink *links = palloc0(sizeof(ApikeyLink) * APIKEY_LINKS_MAX);
	ApikeyRecord *record = &key->record;
	ApikeyStr	owners[APIKEY_LINKS_MAX];

	record->links = links;
	while (key_id != 0)
	{
		ApikeyScan	scan;

		if (record->nlinks == APIKEY_LINKS_MAX)
		{
			record->chain_broken = true;
			break;
		}
		if (!fetch_row(&scan, APIKEY_TABLE_API_KEY, APIKEY_INDEX_API_KEY_PKEY, key_id, snapshot))
		{
			if (record->nlinks == 0)
				return false;
			record->chain_broken = true;
			break;
		}
		key_id = load_link(&scan, now, snapshot, &links[record->nlinks],
						   record->nlinks == 0 ? key : NULL,
						   &owners[record->nlinks]);
		if (links[record->nlinks].policy == NULL &&
			apikey_scan_int64(&scan, Anum_api_key_policy_id, 0) != 0)
			record->chain_broken = true;
		record->nlinks++;
		apikey_scan_end(&scan);
	}
	key->nlimits = apikey_limit_rules_resolve(record, owners, &key->limits);
	return true;
}

/* The tenant's path, its ancestors, and whether any of them is suspended. */
static void
load_tenants(ApikeyKey *key, Snapshot snapshot)
{
	ApikeyStr	names[APIKEY_TENANT_DEPTH];
	int64		tenant_id = key->record.tenant_id;
	StringInfoData path;

	while (tenant_id != 0 && key->ntenants < APIKEY_TENANT_DEPTH)
	{
		ApikeyScan	scan;
		ApikeyStr	status;

		if (!fetch_row(&scan, APIKEY_TABLE_TENANT, APIKEY_INDEX_TENANT_PKEY, tenant_id, snapshot))
			break;
		names[key->ntenants] = apikey_scan_str(&scan, Anum_tenant_name);
		status = apikey_scan_str(&scan, Anum_tenant_status);
		if (status.len != 6 || memcmp(status.ptr, "active", 6) != 0)
			key->record.tenant_suspended = true;
		key->tenants[key->ntenants++] = tenant_id;
		tenant_id = apikey_scan_int64(&scan, Anum_tenant_parent_id, 0);
		apikey_scan_end(&scan);
	}
	if (tenant_id != 0)
	{
		/* no end in sight, or an ancestor is missing: nobody vouches for it */
		key->record.tenant_suspended = true;
	}
	initStringInfo(&path);
	for (int i = key->ntenants - 1; i >= 0; i--)
	{
		appendBinaryStringInfo(&path, names[i].ptr, names[i].len);
		if (i > 0)
			appendStringInfoChar(&path, '/');
	}
	key->tenant_path = path.data;
}

/* Whether the block list of any tenant of the chain, or of all, covers ip. */
static bool
ip_is_blocked(const ApikeyNet *ip, const ApikeyKey *key, TimestampTz now, Snapshot snapshot)
{
	ApikeyScan	scan;
	ScanKeyData skey;
	inet	   *probe;
	bool		blocked = false;

	if (ip->family == 0)
		return false;
	probe = palloc0(sizeof(inet));
	ip_family(probe) = ip->family == 4 ? PGSQL_AF_INET : PGSQL_AF_INET6;
	ip_bits(probe) = ip->bits;
	memcpy(ip_addr(probe), ip->addr, ip->family == 4 ? 4 : 16);
	SET_INET_VARSIZE(probe);

	ScanKeyInit(&skey, 1, INET_OVERLAPS_STRATEGY, F_NETWORK_OVERLAP, InetPGetDatum(probe));
	apikey_scan_begin(&scan, APIKEY_TABLE_IP_BLOCK, APIKEY_INDEX_IP_BLOCK_NETWORK,
					  snapshot, 1, &skey, ForwardScanDirection);
	while (!blocked && apikey_scan_next(&scan))
	{
		int64		tenant_id = apikey_scan_int64(&scan, Anum_ip_block_tenant_id, 0);
		TimestampTz until = scan_time(&scan, Anum_ip_block_expires_at);

		if (until != APIKEY_NO_TIME && until <= now)
			continue;
		blocked = tenant_id == 0;
		for (int i = 0; !blocked && i < key->ntenants; i++)
			blocked = key->tenants[i] == tenant_id;
	}
	apikey_scan_end(&scan);
	return blocked;
}

bool
apikey_keystore_load(const ApikeySecret *secret, TimestampTz now,
					 const ApikeyNet *ip, Snapshot snapshot, ApikeyKey *key)
{
	ApikeyScan	scan;
	ApikeyRecord *record = &key->record;

	memset(key, 0, sizeof(*key));
	record->secret_id = secret->secret_id;
	record->key_id = secret->key_id;
	record->secret_expires_at = secret->expires_at;
	record->secret_revoked_at = secret->revoked_at;
	if (!load_chain(secret->key_id, now, snapshot, key))
		return false;
	load_tenants(key, snapshot);
	if (fetch_row(&scan, APIKEY_TABLE_ENVIRONMENT, APIKEY_INDEX_ENVIRONMENT_PKEY,
				  record->environment_id, snapshot))
	{
		record->environment = apikey_scan_str(&scan, Anum_environment_name);
		apikey_scan_end(&scan);
	}
	record->ip_blocked = ip_is_blocked(ip, key, now, snapshot);
	return true;
}

bool
apikey_keystore_identify(int64 key_id, Snapshot snapshot, int64 *tenant_id,
						 int64 *environment_id)
{
	ApikeyScan	scan;

	if (!fetch_row(&scan, APIKEY_TABLE_API_KEY, APIKEY_INDEX_API_KEY_PKEY, key_id, snapshot))
		return false;
	*tenant_id = apikey_scan_int64(&scan, Anum_api_key_tenant_id, 0);
	*environment_id = apikey_scan_int64(&scan, Anum_api_key_environment_id, 0);
	apikey_scan_end(&scan);
	return true;
}
