/*
 * membership.c
 *		Which database role may do what for which tenant.
 *
 * Layer 3.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "catalog.h"
#include "changes.h"
#include "identity.h"
#include "membership.h"

static const struct
{
	const char *name;
	int			mask;
} classes[] = {
	{"verify", APIKEY_CLASS_VERIFY},
	{"usage", APIKEY_ACCESS_ANALYST | APIKEY_ACCESS_AUDITOR | APIKEY_ACCESS_OPERATOR | APIKEY_ACCESS_ADMIN},
	{"metadata", APIKEY_ACCESS_AUDITOR | APIKEY_ACCESS_OPERATOR | APIKEY_ACCESS_ADMIN},
	{"audit", APIKEY_ACCESS_AUDITOR | APIKEY_ACCESS_ADMIN},
	{"keys", APIKEY_ACCESS_OPERATOR | APIKEY_ACCESS_ADMIN},
	{"admin", APIKEY_ACCESS_ADMIN},
	{"any", APIKEY_ACCESS_VERIFIER | APIKEY_ACCESS_ANALYST | APIKEY_ACCESS_AUDITOR | APIKEY_ACCESS_OPERATOR | APIKEY_ACCESS_ADMIN},
};

static const struct
{
	const char *name;
	int			bit;
} levels[] = {
	{"verifier", APIKEY_ACCESS_VERIFIER},
	{"analyst", APIKEY_ACCESS_ANALYST},
	{"auditor", APIKEY_ACCESS_AUDITOR},
	{"operator", APIKEY_ACCESS_OPERATOR},
	{"admin", APIKEY_ACCESS_ADMIN},
};

int
apikey_class_mask(const char *name)
{
	for (size_t i = 0; i < lengthof(classes); i++)
		if (strcmp(classes[i].name, name) == 0)
			return classes[i].mask;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown class of access"),
			 errdetail("Classes are verify, usage, metadata, audit, keys, admin and any.")));
}

/*
 * Whether the current member row speaks of a role whose rights the given role
 * has, with one of the levels of mask.  In the cluster that granted it, the
 * role's OID counts (a rename keeps the access, a new role of the old name
 * gets none); after a restore elsewhere, the name.
 */
static bool
row_grants(ApikeyScan *scan, Oid role, int mask)
{
	bool		isnull;
	char	   *access;
	Oid			member;
	bool		covered = false;

	access = TextDatumGetCString(apikey_scan_get(scan, Anum_member_access, &isnull));
	for (size_t i = 0; i < lengthof(levels); i++)
		if ((levels[i].bit & mask) != 0 && strcmp(levels[i].name, access) == 0)
			covered = true;
	pfree(access);
	if (!covered)
		return false;

	if ((uint64) apikey_scan_int64(scan, Anum_member_system_identifier, 0) == GetSystemIdentifier())
		member = DatumGetObjectId(apikey_scan_get(scan, Anum_member_role_oid, &isnull));
	else
	{
		char	   *name = TextDatumGetCString(apikey_scan_get(scan, Anum_member_role_name, &isnull));

		member = get_role_oid(name, true);
		pfree(name);
	}
	return OidIsValid(member) && has_privs_of_role(role, member);
}

/* Whether a member row of exactly this tenant (0: all tenants) grants. */
static bool
tenant_grants(int64 tenant_id, Oid role, int mask, Snapshot snapshot)
{
	ApikeyScan	scan;
	ScanKeyData key;
	bool		result = false;

	apikey_key_int64(&key, 1, tenant_id);
	apikey_scan_begin(&scan, APIKEY_TABLE_MEMBER, APIKEY_INDEX_MEMBER_TENANT,
					  snapshot, 1, &key, ForwardScanDirection);
	while (!result && apikey_scan_next(&scan))
		result = row_grants(&scan, role, mask);
	apikey_scan_end(&scan);
	return result;
}

bool
apikey_role_is_member(Oid role, int mask, const int64 *tenants, int ntenants,
					  Snapshot snapshot)
{
	if (superuser_arg(role))
		return true;
	apikey_changes_renew_roles();
	for (int i = 0; i < ntenants; i++)
		if (tenant_grants(tenants[i], role, mask, snapshot))
			return true;
	return tenant_grants(0, role, mask, snapshot);
}

bool
apikey_role_may(Oid role, int mask, const int64 *tenants, int ntenants,
				Snapshot snapshot)
{
	return !apikey_identity_excludes(tenants, ntenants) &&
		apikey_role_is_member(role, mask, tenants, ntenants, snapshot);
}

/* The tenant of a name under a parent (0: a root), 0 if there is none. */
static int64
find_child(int64 parent_id, ApikeyStr name, Snapshot snapshot)
{
	ApikeyScan	scan;
	ScanKeyData keys[2];
	int64		found = 0;

	apikey_key_int64(&keys[0], 1, parent_id);
	ScanKeyEntryInitialize(&keys[1], 0, 2, BTEqualStrategyNumber, InvalidOid,
						   DEFAULT_COLLATION_OID, F_TEXTEQ,
						   PointerGetDatum(cstring_to_text_with_len(name.ptr, name.len)));
	apikey_scan_begin(&scan, APIKEY_TABLE_TENANT, APIKEY_INDEX_TENANT_PARENT,
					  snapshot, 2, keys, ForwardScanDirection);
	if (apikey_scan_next(&scan))
		found = apikey_scan_int64(&scan, Anum_tenant_tenant_id, 0);
	apikey_scan_end(&scan);
	return found;
}

int64
apikey_tenant_find(ApikeyStr path, Snapshot snapshot)
{
	int64		tenant_id = 0;
	int			from = 0;

	for (int depth = 0, i = 0; i <= path.len; i++)
	{
		if (i < path.len && path.ptr[i] != '/')
			continue;
		if (depth++ == APIKEY_TENANT_DEPTH)
			return 0;
		tenant_id = find_child(tenant_id, (ApikeyStr) {path.ptr + from, i - from}, snapshot);
		if (tenant_id == 0)
			return 0;
		from = i + 1;
	}
	return tenant_id;
}

int
apikey_tenant_chain(int64 tenant_id, int64 *ids, Snapshot snapshot)
{
	int			count = 0;

	while (tenant_id != 0)
	{
		ApikeyScan	scan;
		ScanKeyData key;
		bool		found;
		int64		parent = 0;

		if (count == APIKEY_TENANT_DEPTH)
			return 0;
		apikey_key_int64(&key, 1, tenant_id);
		apikey_scan_begin(&scan, APIKEY_TABLE_TENANT, APIKEY_INDEX_TENANT_PKEY,
						  snapshot, 1, &key, ForwardScanDirection);
		found = apikey_scan_next(&scan);
		if (found)
			parent = apikey_scan_int64(&scan, Anum_tenant_parent_id, 0);
		apikey_scan_end(&scan);
		if (!found)
			return 0;
		ids[count++] = tenant_id;
		tenant_id = parent;
	}
	return count;
}

/* A growing list of tenants that holds each one once. */
typedef struct TenantSet
{
	HTAB	   *seen;
	int64	   *ids;
	int			count;
	int			room;
} TenantSet;

static void
add_tenant(TenantSet *set, int64 tenant_id)
{
	bool		found;

	hash_search(set->seen, &tenant_id, HASH_ENTER, &found);
	if (found)
		return;
	if (set->count == set->room)
	{
		set->room *= 2;
		set->ids = repalloc_huge(set->ids, sizeof(int64) * set->room);
	}
	set->ids[set->count++] = tenant_id;
}

/* Add the tenants of a scan over tenant rows. */
static void
add_scanned(TenantSet *set, int index, int nkeys, ScanKey keys, Snapshot snapshot)
{
	ApikeyScan	scan;

	apikey_scan_begin(&scan, APIKEY_TABLE_TENANT, index, snapshot, nkeys, keys,
					  ForwardScanDirection);
	while (apikey_scan_next(&scan))
		add_tenant(set, apikey_scan_int64(&scan, Anum_tenant_tenant_id, 0));
	apikey_scan_end(&scan);
}

static void
begin_set(TenantSet *set)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(int64);
	ctl.hcxt = CurrentMemoryContext;
	set->seen = hash_create("apikey tenants", 64, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	set->count = 0;
	set->room = 64;
	set->ids = palloc(sizeof(int64) * set->room);
}

/* Add what is below the tenants of set: breadth first; a cycle ends too. */
static void
add_descendants(TenantSet *set, Snapshot snapshot)
{
	for (int i = 0; i < set->count; i++)
	{
		ScanKeyData key;

		apikey_key_int64(&key, 1, set->ids[i]);
		add_scanned(set, APIKEY_INDEX_TENANT_PARENT, 1, &key, snapshot);
	}
}

/* Leave in set what is of the tenant that the transaction narrowed itself to. */
static void
narrow_set(TenantSet *set, bool all, Snapshot snapshot)
{
	TenantSet	inner;
	int			kept = 0;

	begin_set(&inner);
	add_tenant(&inner, apikey_identity_narrow());
	add_descendants(&inner, snapshot);
	if (all)
	{
		hash_destroy(set->seen);
		*set = inner;
		return;
	}
	for (int i = 0; i < set->count; i++)
	{
		bool		found;

		hash_search(inner.seen, &set->ids[i], HASH_FIND, &found);
		if (found)
			set->ids[kept++] = set->ids[i];
	}
	set->count = kept;
	hash_destroy(inner.seen);
}

int64 *
apikey_role_tenants(Oid role, int mask, Snapshot snapshot, int *count, bool *all)
{
	TenantSet	set;
	ApikeyScan	scan;

	begin_set(&set);
	*all = superuser_arg(role);
	if (!*all)
	{
		apikey_changes_renew_roles();
		apikey_scan_begin(&scan, APIKEY_TABLE_MEMBER, -1, snapshot, 0, NULL,
						  ForwardScanDirection);
		while (apikey_scan_next(&scan))
		{
			if (!row_grants(&scan, role, mask))
				continue;
			if (apikey_scan_int64(&scan, Anum_member_tenant_id, 0) == 0)
				*all = true;
			else
				add_tenant(&set, apikey_scan_int64(&scan, Anum_member_tenant_id, 0));
		}
		apikey_scan_end(&scan);
	}
	if (!*all)
		add_descendants(&set, snapshot);
	else if (apikey_identity_narrow() == 0)
		add_scanned(&set, -1, 0, NULL, snapshot);
	if (apikey_identity_narrow() != 0)
	{
		narrow_set(&set, *all, snapshot);
		*all = false;
	}
	hash_destroy(set.seen);
	*count = set.count;
	return set.ids;
}
