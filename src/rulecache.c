/*
 * rulecache.c
 *		What many keys share, compiled and kept.
 *
 * Layer 3.  Things are read into the memory of the call and then copied in one
 * piece (pack.h), so an error while reading leaves nothing behind.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inet.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "compat.h"
#include "identity.h"
#include "limit_rules.h"
#include "pack.h"
#include "rulecache.h"

/* strategy of && in inet_ops of gist */
#define INET_OVERLAPS_STRATEGY 3

/* a tenant's block list beyond this is looked up for each call */
#define BLOCKS_MAX 8192

/* one thing may take this part of the memory at most */
#define LARGEST_PART 4

typedef enum Kind
{
	KIND_POLICY,
	KIND_ROLE,
	KIND_ENVIRONMENT,
	KIND_TENANT,
	KIND_BLOCKS
} Kind;

typedef struct ThingKey
{
	int64		id;
	int64		kind;			/* no padding: hashed as bytes */
} ThingKey;

typedef struct Thing
{
	ThingKey	key;
	void	   *object;			/* of a policy: the version kept last */
} Thing;

typedef struct ApikeyRuleCache
{
	MemoryContext context;		/* NULL: nothing is kept */
	HTAB	   *things;
	Size		limit;
	uint64		stamp;			/* all in it is current as of this or later */
	bool		full;

	ApikeyDataKey *data_keys;
	int			ndata_keys;
	uint64		keyring_serial;
} ApikeyRuleCache;

static ApikeyRuleCache cache;	/* of the session */

static HTAB *
make_things(MemoryContext context)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(ThingKey);
	ctl.entrysize = sizeof(Thing);
	ctl.hcxt = context;
	return hash_create("apikey rules", 32, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
apikey_rulecache_reset(MemoryContext parent, Size limit, uint64 stamp)
{
	if (cache.context != NULL)
		MemoryContextDelete(cache.context);
	memset(&cache, 0, sizeof(cache));
	if (parent == NULL)
		return;
	cache.context = AllocSetContextCreate(parent, "apikey rules", ALLOCSET_SMALL_SIZES);
	cache.things = make_things(cache.context);
	cache.limit = limit;
	cache.stamp = stamp;
}

struct ApikeyRuleCache *
apikey_rulecache_private(MemoryContext context)
{
	ApikeyRuleCache *own = MemoryContextAllocZero(context, sizeof(*own));

	own->context = context;
	own->things = make_things(context);
	return own;
}

bool
apikey_rulecache_full(void)
{
	return cache.full;
}

static inline bool
current(void)
{
	return cache.context != NULL && apikey_marks.all <= cache.stamp;
}

/* What is kept of a kind and id, NULL: nothing. */
static void *
find_kept(Kind kind, int64 id, const ApikeyReading *reading)
{
	ThingKey	key = {id, kind};
	HTAB	   *things;
	Thing	   *thing;

	if (reading->rules != NULL)
		things = reading->rules->things;
	else if (reading->keep && current())
		things = cache.things;
	else
		return NULL;
	thing = hash_search(things, &key, HASH_FIND, NULL);
	return thing == NULL ? NULL : thing->object;
}

/* Room for a thing of a measured size, NULL: it is not to be kept. */
static char *
make_room(Size size, const ApikeyReading *reading)
{
	if (reading->rules != NULL)
		return MemoryContextAllocHuge(reading->rules->context, Max(size, 1));
	if (!current() || !apikey_reading_may_keep(reading))
		return NULL;
	if (size > cache.limit / LARGEST_PART)
		return NULL;
	if (MemoryContextMemAllocated(cache.context, true) + size > cache.limit)
	{
		cache.full = true;
		return NULL;
	}
	return MemoryContextAlloc(cache.context, Max(size, 1));
}

static Thing *
enter(Kind kind, int64 id, const ApikeyReading *reading)
{
	ThingKey	key = {id, kind};
	bool		found;
	Thing	   *thing = hash_search(reading->rules != NULL ? reading->rules->things : cache.things,
									&key, HASH_ENTER, &found);

	if (!found)
		thing->object = NULL;
	return thing;
}

static ApikeyNetList
pack_nets(ApikeyPack *pack, ApikeyNetList list)
{
	if (list.count > 0)
		list.items = apikey_pack(pack, list.items, sizeof(ApikeyNet) * list.count, 1);
	return list;
}

static ApikeyRules *
pack_rules(ApikeyPack *pack, const ApikeyRules *from)
{
	ApikeyRules copy = *from;
	ApikeyPolicy *policy = &copy.policy;
	ApikeyWindow *windows;
	ApikeyLimitDef *limits;

	policy->allowed_nets = pack_nets(pack, policy->allowed_nets);
	policy->denied_nets = pack_nets(pack, policy->denied_nets);
	policy->allowed_endpoints = apikey_pack_str_list(pack, policy->allowed_endpoints);
	policy->denied_endpoints = apikey_pack_str_list(pack, policy->denied_endpoints);
	policy->required_scopes = apikey_pack_str_list(pack, policy->required_scopes);
	policy->max_scopes = apikey_pack_str_list(pack, policy->max_scopes);

	windows = apikey_pack(pack, policy->hours.items,
						  sizeof(ApikeyWindow) * policy->hours.count, APIKEY_PACK_ALIGN);
	for (int i = 0; i < policy->hours.count; i++)
	{
		ApikeyStr	zone = apikey_pack_str(pack, policy->hours.items[i].zone);

		if (windows != NULL)
			windows[i].zone = zone;
	}
	policy->hours.items = windows;

	limits = apikey_pack(pack, policy->limits.items,
						 sizeof(ApikeyLimitDef) * policy->limits.count, APIKEY_PACK_ALIGN);
	for (int i = 0; i < policy->limits.count; i++)
	{
		ApikeyStr	name = apikey_pack_str(pack, policy->limits.items[i].name);

		if (limits != NULL)
			limits[i].name = name;
	}
	policy->limits.items = limits;
	copy.kept = true;
	return apikey_pack(pack, &copy, sizeof(copy), APIKEY_PACK_ALIGN);
}

const ApikeyRules *
apikey_rulecache_policy(int64 policy_id, ApikeyReading *reading)
{
	ApikeyRules *rules;
	ApikeyRules *kept;
	ApikeyPack	pack = {NULL, 0};

	for (kept = find_kept(KIND_POLICY, policy_id, reading); kept != NULL; kept = kept->next)
		if (apikey_span_holds(kept->span, reading->now))
			return kept;
	rules = apikey_rules_load_policy(policy_id, reading->now, reading->snapshot);
	if (rules == NULL)
		return NULL;

	(void) pack_rules(&pack, rules);
	pack.base = make_room(pack.used, reading);
	if (pack.base != NULL)
	{
		Thing	   *thing = enter(KIND_POLICY, policy_id, reading);

		pack.used = 0;
		kept = pack_rules(&pack, rules);
		kept->next = thing->object;
		thing->object = kept;
		return kept;
	}
	return rules;
}

static ApikeyRoleScopes *
pack_role(ApikeyPack *pack, const ApikeyRoleScopes *from)
{
	ApikeyRoleScopes copy;

	memset(&copy, 0, sizeof(copy));
	copy.scopes = apikey_pack_str_list(pack, from->scopes);
	copy.kept = true;
	return apikey_pack(pack, &copy, sizeof(copy), APIKEY_PACK_ALIGN);
}

const ApikeyRoleScopes *
apikey_rulecache_role(int64 role_id, ApikeyReading *reading)
{
	ApikeyRoleScopes *role = find_kept(KIND_ROLE, role_id, reading);
	ApikeyScan	scan;
	ApikeyPack	pack = {NULL, 0};

	if (role != NULL)
		return role;
	if (!apikey_scan_fetch(&scan, APIKEY_TABLE_ROLE, APIKEY_INDEX_ROLE_PKEY, role_id, reading->snapshot))
		return NULL;
	role = palloc0(sizeof(*role));
	role->scopes = apikey_scan_str_list(&scan, Anum_role_scopes);
	apikey_scan_end(&scan);

	(void) pack_role(&pack, role);
	pack.base = make_room(pack.used, reading);
	if (pack.base != NULL)
	{
		Thing	   *thing = enter(KIND_ROLE, role_id, reading);

		pack.used = 0;
		role = thing->object = pack_role(&pack, role);
	}
	return role;
}

static ApikeyEnvironment *
pack_environment(ApikeyPack *pack, const ApikeyEnvironment *from)
{
	ApikeyEnvironment copy;

	memset(&copy, 0, sizeof(copy));
	copy.name = apikey_pack(pack, from->name, VARSIZE(from->name), APIKEY_PACK_ALIGN);
	copy.kept = true;
	return apikey_pack(pack, &copy, sizeof(copy), APIKEY_PACK_ALIGN);
}

const ApikeyEnvironment *
apikey_rulecache_environment(int64 environment_id, ApikeyReading *reading)
{
	ApikeyEnvironment *environment = find_kept(KIND_ENVIRONMENT, environment_id, reading);
	ApikeyScan	scan;
	ApikeyStr	name;
	ApikeyPack	pack = {NULL, 0};

	if (environment != NULL)
		return environment;
	if (!apikey_scan_fetch(&scan, APIKEY_TABLE_ENVIRONMENT, APIKEY_INDEX_ENVIRONMENT_PKEY,
						   environment_id, reading->snapshot))
		return NULL;
	environment = palloc0(sizeof(*environment));
	name = apikey_scan_str(&scan, Anum_environment_name);
	environment->name = cstring_to_text_with_len(name.ptr, name.len);
	apikey_scan_end(&scan);

	(void) pack_environment(&pack, environment);
	pack.base = make_room(pack.used, reading);
	if (pack.base != NULL)
	{
		Thing	   *thing = enter(KIND_ENVIRONMENT, environment_id, reading);

		pack.used = 0;
		environment = thing->object = pack_environment(&pack, environment);
	}
	return environment;
}

static ApikeyBlockSet *
pack_blocks(ApikeyPack *pack, const ApikeyBlockSet *from)
{
	ApikeyBlockSet copy = *from;

	copy.list.items = apikey_pack(pack, from->list.items,
								  sizeof(ApikeyBlock) * from->list.count, APIKEY_PACK_ALIGN);
	copy.kept = true;
	return apikey_pack(pack, &copy, sizeof(copy), APIKEY_PACK_ALIGN);
}

/* The end of the current row of ip_block. */
static TimestampTz
block_end(ApikeyScan *scan)
{
	bool		isnull;
	TimestampTz until = DatumGetTimestampTz(apikey_scan_get(scan, Anum_ip_block_expires_at, &isnull));

	return isnull ? APIKEY_BLOCK_FOREVER : until;
}

static const ApikeyBlockSet *
block_set(int64 tenant_id, ApikeyReading *reading)
{
	ApikeyBlockSet *set = find_kept(KIND_BLOCKS, tenant_id, reading);
	ApikeyScan	scan;
	ScanKeyData key;
	ApikeyBlock *items;
	int			room = 16;
	int			count = 0;
	ApikeyPack	pack = {NULL, 0};

	if (set != NULL)
		return set;
	set = palloc0(sizeof(*set));
	items = palloc(sizeof(ApikeyBlock) * room);
	apikey_key_int64(&key, 1, tenant_id);
	apikey_scan_begin(&scan, APIKEY_TABLE_IP_BLOCK, APIKEY_INDEX_IP_BLOCK_TENANT,
					  reading->snapshot, 1, &key, ForwardScanDirection);
	while (!set->huge && apikey_scan_next(&scan))
	{
		bool		isnull;

		if (count == room)
		{
			room *= 2;
			items = repalloc(items, sizeof(ApikeyBlock) * room);
		}
		memset(&items[count], 0, sizeof(ApikeyBlock));
		items[count].net = apikey_net_from_datum(apikey_scan_get(&scan, Anum_ip_block_network, &isnull));
		items[count].until = block_end(&scan);
		set->huge = (++count > BLOCKS_MAX);
	}
	apikey_scan_end(&scan);
	if (!set->huge)
		set->list = (ApikeyBlockList) {items, apikey_block_compile(items, count)};

	(void) pack_blocks(&pack, set);
	pack.base = make_room(pack.used, reading);
	if (pack.base != NULL)
	{
		Thing	   *thing = enter(KIND_BLOCKS, tenant_id, reading);

		pack.used = 0;
		set = thing->object = pack_blocks(&pack, set);
	}
	return set;
}

/* Whether a block list that is too long to be compiled covers ip. */
static bool
look_up_block(const ApikeyTenant *tenant, const ApikeyNet *ip, TimestampTz now)
{
	ApikeyReading reading;
	ApikeyScan	scan;
	ScanKeyData skey;
	inet	   *probe = palloc0(sizeof(inet));
	bool		blocked = false;

	ip_family(probe) = ip->family == 4 ? PGSQL_AF_INET : PGSQL_AF_INET6;
	ip_bits(probe) = ip->bits;
	memcpy(ip_addr(probe), ip->addr, ip->family == 4 ? 4 : 16);
	SET_INET_VARSIZE(probe);

	apikey_reading_begin(&reading, now);
	ScanKeyInit(&skey, 1, INET_OVERLAPS_STRATEGY, F_NETWORK_OVERLAP, InetPGetDatum(probe));
	apikey_scan_begin(&scan, APIKEY_TABLE_IP_BLOCK, APIKEY_INDEX_IP_BLOCK_NETWORK,
					  reading.snapshot, 1, &skey, ForwardScanDirection);
	while (!blocked && apikey_scan_next(&scan))
	{
		int64		tenant_id = apikey_scan_int64(&scan, Anum_ip_block_tenant_id, 0);

		if (block_end(&scan) <= now)
			continue;
		blocked = tenant_id == 0;
		for (int i = 0; !blocked && i < tenant->nids; i++)
			blocked = tenant->ids[i] == tenant_id;
	}
	apikey_scan_end(&scan);
	apikey_reading_end(&reading);
	return blocked;
}

bool
apikey_rulecache_ip_blocked(const ApikeyTenant *tenant, const ApikeyNet *ip, TimestampTz now)
{
	bool		huge = false;

	if (ip->family == 0)
		return false;
	for (int i = 0; i < tenant->nblocks; i++)
	{
		huge |= tenant->blocks[i]->huge;
		if (apikey_block_list_covers(tenant->blocks[i]->list, ip, now))
			return true;
	}
	return huge && look_up_block(tenant, ip, now);
}

static ApikeyTenant *
pack_tenant(ApikeyPack *pack, const ApikeyTenant *from)
{
	ApikeyTenant copy = *from;
	ApikeyTenantLimit *limits;

	copy.ids = apikey_pack(pack, from->ids, sizeof(int64) * from->nids, APIKEY_PACK_ALIGN);
	copy.blocks = apikey_pack(pack, from->blocks, sizeof(ApikeyBlockSet *) * from->nblocks,
							  APIKEY_PACK_ALIGN);
	copy.path = apikey_pack(pack, from->path, VARSIZE(from->path), APIKEY_PACK_ALIGN);
	copy.path_str.ptr = copy.path == NULL ? NULL : VARDATA(copy.path);
	limits = apikey_pack(pack, from->limits.items,
						 sizeof(ApikeyTenantLimit) * from->limits.count, APIKEY_PACK_ALIGN);
	for (int i = 0; i < from->limits.count; i++)
	{
		ApikeyStr	name = apikey_pack_str(pack, from->limits.items[i].def.name);

		if (limits != NULL)
			limits[i].def.name = name;
	}
	copy.limits.items = limits;
	copy.kept = true;
	return apikey_pack(pack, &copy, sizeof(copy), APIKEY_PACK_ALIGN);
}

/* The tenant's path, its ancestors, their limits, and whether any is suspended. */
static ApikeyTenant *
load_tenant(int64 tenant_id, Snapshot snapshot)
{
	ApikeyTenant *tenant = palloc0(sizeof(*tenant));
	ApikeyStr	names[APIKEY_TENANT_DEPTH];
	StringInfoData path;

	tenant->ids = palloc(sizeof(int64) * APIKEY_TENANT_DEPTH);
	while (tenant_id != 0 && tenant->nids < APIKEY_TENANT_DEPTH)
	{
		ApikeyScan	scan;
		ApikeyStr	status;

		if (!apikey_scan_fetch(&scan, APIKEY_TABLE_TENANT, APIKEY_INDEX_TENANT_PKEY, tenant_id, snapshot))
			break;
		names[tenant->nids] = apikey_scan_str(&scan, Anum_tenant_name);
		status = apikey_scan_str(&scan, Anum_tenant_status);
		if (status.len != 6 || memcmp(status.ptr, "active", 6) != 0)
			tenant->suspended = true;
		apikey_limit_rules_tenant(&scan, tenant_id, &tenant->limits);
		tenant->ids[tenant->nids++] = tenant_id;
		tenant_id = apikey_scan_int64(&scan, Anum_tenant_parent_id, 0);
		apikey_scan_end(&scan);
	}
	tenant->complete = (tenant_id == 0 && tenant->nids > 0);
	if (!tenant->complete)
	{
		/* no end in sight, or an ancestor is missing: nobody vouches for it */
		tenant->suspended = true;
	}
	initStringInfo(&path);
	for (int i = tenant->nids - 1; i >= 0; i--)
	{
		appendBinaryStringInfo(&path, names[i].ptr, names[i].len);
		if (i > 0)
			appendStringInfoChar(&path, '/');
	}
	tenant->path = cstring_to_text_with_len(path.data, path.len);
	tenant->path_str = (ApikeyStr) {VARDATA(tenant->path), path.len};
	return tenant;
}

ApikeyTenant *
apikey_rulecache_tenant(int64 tenant_id, ApikeyReading *reading)
{
	ApikeyTenant *tenant = find_kept(KIND_TENANT, tenant_id, reading);
	ApikeyPack	pack = {NULL, 0};
	bool		keep;

	if (tenant != NULL)
		return tenant;
	tenant = load_tenant(tenant_id, reading->snapshot);
	keep = tenant->complete;
	tenant->nblocks = tenant->nids + 1;
	tenant->blocks = palloc(sizeof(ApikeyBlockSet *) * tenant->nblocks);
	for (int i = 0; i < tenant->nblocks; i++)
	{
		tenant->blocks[i] = block_set(i < tenant->nids ? tenant->ids[i] : 0, reading);
		keep &= tenant->blocks[i]->kept;
	}

	if (!keep)
		return tenant;
	(void) pack_tenant(&pack, tenant);
	pack.base = make_room(pack.used, reading);
	if (pack.base != NULL)
	{
		Thing	   *thing = enter(KIND_TENANT, tenant_id, reading);

		pack.used = 0;
		tenant = thing->object = pack_tenant(&pack, tenant);
	}
	return tenant;
}

bool
apikey_rulecache_may_verify(ApikeyTenant *tenant, Oid role)
{
	ApikeyReading reading;
	bool		may;

	/* of the transaction: not kept with the answer */
	if (apikey_identity_excludes(tenant->ids, tenant->nids))
		return false;
	if (superuser_arg(role))
		return true;
	for (int i = 0; i < APIKEY_ROLE_ANSWERS; i++)
		if (tenant->answers[i].role == role && tenant->answers[i].stamp != 0 &&
			apikey_marks.roles <= tenant->answers[i].stamp)
			return tenant->answers[i].may;

	apikey_reading_begin(&reading, 0);
	may = apikey_role_is_member(role, APIKEY_CLASS_VERIFY, tenant->ids, tenant->nids,
								reading.snapshot);
	if (tenant->kept && apikey_reading_may_keep(&reading))
	{
		int			n = tenant->next_answer;

		tenant->answers[n].role = role;
		tenant->answers[n].may = may;
		tenant->answers[n].stamp = reading.stamp;
		tenant->next_answer = (n + 1) % APIKEY_ROLE_ANSWERS;
	}
	apikey_reading_end(&reading);
	return may;
}

const ApikeyDataKey *
apikey_rulecache_data_keys(ApikeyReading *reading, int *count)
{
	ApikeyDataKey *keys;
	char	   *room;

	if (reading->keep && current() && cache.data_keys != NULL &&
		cache.keyring_serial == apikey_keyring_serial)
	{
		*count = cache.ndata_keys;
		return cache.data_keys;
	}
	keys = apikey_keyring_load(reading->snapshot, count);

	/* no data key, no keys: the first one is worth waiting for */
	room = *count == 0 ? NULL : make_room(sizeof(ApikeyDataKey) * *count, reading);
	if (room != NULL)
	{
		memcpy(room, keys, sizeof(ApikeyDataKey) * *count);
		cache.data_keys = (ApikeyDataKey *) room;
		cache.ndata_keys = *count;
		cache.keyring_serial = apikey_keyring_serial;
	}
	return keys;
}
