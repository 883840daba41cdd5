/*
 * sql_path.c
 *		Paths of tenants for the views of names.
 *
 * Layer 6.  A view over the keys of a database asks for the path of a tenant
 * once per key.  The planner would remember the answers (Memoize) if it knew
 * that there are few tenants, but from those who do not see all rows that is
 * kept (plan_stats.c).  So this function remembers them itself.
 *
 * Invariant.  An answer is given again only to the role it was made for, under
 * a snapshot that shows the same rows, while the transaction is narrowed to the
 * same tenant.  Most often what was found lives as long as a statement, but
 * PL/pgSQL keeps expressions for a transaction.
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "compat.h"
#include "identity.h"
#include "membership.h"

PG_FUNCTION_INFO_V1(apikey_label_path);

typedef struct TenantPath
{
	int64		tenant_id;
	text	   *path;			/* NULL: none to be told */
} TenantPath;

typedef struct TenantPaths
{
	MemoryContext context;		/* of what follows */
	HTAB	   *table;
	Oid			role;
	int64		narrow;
	TransactionId xmin;
	TransactionId xmax;
	CommandId	curcid;
	uint32		xcnt;
	int32		subxcnt;
	TransactionId *running;		/* xcnt and then subxcnt of them */
} TenantPaths;

static bool
same(const TransactionId *a, const TransactionId *b, int n)
{
	return n <= 0 || memcmp(a, b, n * sizeof(TransactionId)) == 0;
}

static bool
is_for(const TenantPaths *paths, Snapshot snapshot)
{
	return paths->table != NULL &&
		paths->role == GetUserId() &&
		paths->narrow == apikey_identity_narrow() &&
		paths->xmin == snapshot->xmin &&
		paths->xmax == snapshot->xmax &&
		paths->curcid == snapshot->curcid &&
		paths->xcnt == snapshot->xcnt &&
		paths->subxcnt == snapshot->subxcnt &&
		same(paths->running, snapshot->xip, paths->xcnt) &&
		same(paths->running + paths->xcnt, snapshot->subxip, paths->subxcnt);
}

static void
begin_again(TenantPaths *paths, Snapshot snapshot)
{
	HASHCTL		ctl = {0};

	paths->table = NULL;
	MemoryContextReset(paths->context);
	paths->role = GetUserId();
	paths->narrow = apikey_identity_narrow();
	paths->xmin = snapshot->xmin;
	paths->xmax = snapshot->xmax;
	paths->curcid = snapshot->curcid;
	paths->xcnt = snapshot->xcnt;
	paths->subxcnt = snapshot->subxcnt;
	paths->running = MemoryContextAlloc(paths->context,
										(paths->xcnt + Max(paths->subxcnt, 0) + 1) * sizeof(TransactionId));
	if (paths->xcnt > 0)
		memcpy(paths->running, snapshot->xip, paths->xcnt * sizeof(TransactionId));
	if (paths->subxcnt > 0)
		memcpy(paths->running + paths->xcnt, snapshot->subxip, paths->subxcnt * sizeof(TransactionId));
	ctl.keysize = sizeof(int64);
	ctl.entrysize = sizeof(TenantPath);
	ctl.hcxt = paths->context;
	paths->table = hash_create("apikey paths of tenants", 64, &ctl,
							   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* The path, or NULL where the tenant is unknown or not the role's. */
static text *
path_of(int64 tenant_id, Snapshot snapshot)
{
	int64		ids[APIKEY_TENANT_DEPTH];
	int			count = apikey_tenant_chain(tenant_id, ids, snapshot);
	StringInfoData path;

	if (count == 0 ||
		!apikey_role_may(GetUserId(), apikey_class_mask("any"), ids, count, snapshot))
		return NULL;
	initStringInfo(&path);
	for (int i = count - 1; i >= 0; i--)
	{
		ApikeyScan	scan;
		ScanKeyData key;

		apikey_key_int64(&key, 1, ids[i]);
		apikey_scan_begin(&scan, APIKEY_TABLE_TENANT, APIKEY_INDEX_TENANT_PKEY,
						  snapshot, 1, &key, ForwardScanDirection);
		if (apikey_scan_next(&scan))
		{
			ApikeyStr	name = apikey_scan_str(&scan, Anum_tenant_name);

			if (i < count - 1)
				appendStringInfoChar(&path, '/');
			appendBinaryStringInfo(&path, name.ptr, (int) name.len);
		}
		apikey_scan_end(&scan);
	}
	return cstring_to_text_with_len(path.data, path.len);
}

/* _label_path(tenant_id bigint) */
Datum
apikey_label_path(PG_FUNCTION_ARGS)
{
	int64		tenant_id = PG_GETARG_INT64(0);
	Snapshot	snapshot = GetActiveSnapshot();
	TenantPaths *paths = fcinfo->flinfo->fn_extra;
	TenantPath *entry;
	text	   *path;
	bool		found;

	if (paths == NULL)
	{
		paths = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(TenantPaths));
		paths->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt, "apikey paths of tenants",
											   ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = paths;
	}
	if (!is_for(paths, snapshot))
		begin_again(paths, snapshot);
	entry = hash_search(paths->table, &tenant_id, HASH_FIND, NULL);
	if (entry == NULL)
	{
		/* first what may fail */
		path = path_of(tenant_id, snapshot);
		if (path != NULL)
		{
			text	   *kept = MemoryContextAlloc(paths->context, VARSIZE(path));

			memcpy(kept, path, VARSIZE(path));
			path = kept;
		}
		entry = hash_search(paths->table, &tenant_id, HASH_ENTER, &found);
		entry->path = path;
	}
	if (entry->path == NULL)
		PG_RETURN_NULL();
	/* whoever is given it may keep or change it, but not the one here */
	path = palloc(VARSIZE(entry->path));
	memcpy(path, entry->path, VARSIZE(entry->path));
	PG_RETURN_TEXT_P(path);
}
