/*
 * catalog.c
 *		The extension's own tables as C code reads them.
 *
 * Layer 3.  OIDs of our tables and indexes are looked up once per process and
 * forgotten when the schema's name, or any of these relations, changes (DROP
 * and CREATE EXTENSION in one session, a REINDEX CONCURRENTLY that swaps an
 * index): the relcache callback looks for our own OIDs only.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "compat.h"

static const char *const table_names[APIKEY_NTABLES] = {
	[APIKEY_TABLE_TENANT] = "tenant",
	[APIKEY_TABLE_POLICY_VERSION] = "policy_version",
	[APIKEY_TABLE_ENVIRONMENT] = "environment",
	[APIKEY_TABLE_ROLE] = "role",
	[APIKEY_TABLE_API_KEY] = "api_key",
	[APIKEY_TABLE_KEY_ROLE] = "key_role",
	[APIKEY_TABLE_KEYRING] = "keyring",
	[APIKEY_TABLE_KEY_SECRET] = "key_secret",
	[APIKEY_TABLE_IP_BLOCK] = "ip_block",
	[APIKEY_TABLE_MEMBER] = "member",
};

static const char *const index_names[APIKEY_NINDEXES] = {
	[APIKEY_INDEX_TENANT_PKEY] = "tenant_pkey",
	[APIKEY_INDEX_TENANT_PARENT] = "tenant_parent_name",
	[APIKEY_INDEX_POLICY_VERSION_EFFECTIVE] = "policy_version_effective",
	[APIKEY_INDEX_ENVIRONMENT_PKEY] = "environment_pkey",
	[APIKEY_INDEX_ROLE_PKEY] = "role_pkey",
	[APIKEY_INDEX_API_KEY_PKEY] = "api_key_pkey",
	[APIKEY_INDEX_KEY_ROLE_PKEY] = "key_role_pkey",
	[APIKEY_INDEX_KEYRING_PKEY] = "keyring_pkey",
	[APIKEY_INDEX_KEY_SECRET_DIGEST] = "key_secret_digest",
	[APIKEY_INDEX_IP_BLOCK_NETWORK] = "ip_block_network",
	[APIKEY_INDEX_MEMBER_TENANT] = "member_tenant_role_access",
};

static struct
{
	bool		valid;
	Oid			tables[APIKEY_NTABLES];
	Oid			indexes[APIKEY_NINDEXES];
} oids;

static void
forget_on_relcache(Datum arg, Oid relid)
{
	if (!oids.valid)
		return;
	if (relid == InvalidOid)
	{
		oids.valid = false;
		return;
	}
	for (int i = 0; i < APIKEY_NTABLES; i++)
		if (oids.tables[i] == relid)
			oids.valid = false;
	for (int i = 0; i < APIKEY_NINDEXES; i++)
		if (oids.indexes[i] == relid)
			oids.valid = false;
}

static void
forget_on_syscache(Datum arg, int cacheid, uint32 hashvalue)
{
	oids.valid = false;
}

void
apikey_catalog_init(void)
{
	CacheRegisterRelcacheCallback(forget_on_relcache, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_on_syscache, (Datum) 0);
}

static void
load_oids(void)
{
	Oid			schema = get_namespace_oid("apikey", true);
	bool		complete = OidIsValid(schema);

	memset(&oids, 0, sizeof(oids));
	for (int i = 0; complete && i < APIKEY_NTABLES; i++)
	{
		oids.tables[i] = get_relname_relid(table_names[i], schema);
		complete = OidIsValid(oids.tables[i]);
	}
	for (int i = 0; complete && i < APIKEY_NINDEXES; i++)
	{
		oids.indexes[i] = get_relname_relid(index_names[i], schema);
		complete = OidIsValid(oids.indexes[i]);
	}
	if (!complete)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"apikey\" is not installed completely in this database"),
				 errdetail("A table or index of schema \"apikey\" is missing."),
				 errhint("Install it with CREATE EXTENSION apikey CASCADE.")));
	oids.valid = true;
}

Oid
apikey_table_oid(ApikeyTable table)
{
	if (!oids.valid)
		load_oids();
	return oids.tables[table];
}

void
apikey_scan_begin(ApikeyScan *scan, ApikeyTable table, int index,
				  Snapshot snapshot, int nkeys, ScanKey keys,
				  ScanDirection direction)
{
	if (!oids.valid)
		load_oids();
	scan->heap = table_open(oids.tables[table], AccessShareLock);
	scan->slot = table_slot_create(scan->heap, NULL);
	scan->direction = direction;
	scan->index = NULL;
	scan->iscan = NULL;
	scan->hscan = NULL;
	if (index < 0)
	{
		scan->hscan = table_beginscan(scan->heap, snapshot, 0, NULL);
		return;
	}

	/*
	 * Opening the table may have absorbed an invalidation that made the index
	 * numbers stale; look again while the table's lock keeps them.
	 */
	if (!oids.valid)
		load_oids();
	scan->index = index_open(oids.indexes[index], AccessShareLock);
	scan->iscan = apikey_index_beginscan(scan->heap, scan->index, snapshot, nkeys);
	index_rescan(scan->iscan, keys, nkeys, NULL, 0);
}

bool
apikey_scan_next(ApikeyScan *scan)
{
	if (scan->hscan != NULL)
		return table_scan_getnextslot(scan->hscan, ForwardScanDirection, scan->slot);
	return index_getnext_slot(scan->iscan, scan->direction, scan->slot);
}

void
apikey_scan_end(ApikeyScan *scan)
{
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->hscan != NULL)
		table_endscan(scan->hscan);
	else
	{
		index_endscan(scan->iscan);
		index_close(scan->index, AccessShareLock);
	}
	table_close(scan->heap, AccessShareLock);
}

Datum
apikey_scan_get(ApikeyScan *scan, int attnum, bool *isnull)
{
	return slot_getattr(scan->slot, attnum, isnull);
}

int64
apikey_scan_int64(ApikeyScan *scan, int attnum, int64 if_null)
{
	bool		isnull;
	Datum		value = slot_getattr(scan->slot, attnum, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

ApikeyStr
apikey_scan_str(ApikeyScan *scan, int attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(scan->slot, attnum, &isnull);
	text	   *copy;

	if (isnull)
		return (ApikeyStr) {NULL, 0};
	copy = DatumGetTextPCopy(value);
	return (ApikeyStr) {VARDATA(copy), VARSIZE(copy) - VARHDRSZ};
}

ApikeyStrList
apikey_array_to_str_list(Datum array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	ApikeyStr  *items;
	ArrayType  *copy = DatumGetArrayTypePCopy(array);

	deconstruct_array(copy, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	items = palloc0(sizeof(ApikeyStr) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		text	   *element;

		if (nulls[i])
			continue;
		element = DatumGetTextPP(elements[i]);
		items[i] = (ApikeyStr) {VARDATA_ANY(element), VARSIZE_ANY_EXHDR(element)};
	}
	return (ApikeyStrList) {items, count};
}

ApikeyStrList
apikey_scan_str_list(ApikeyScan *scan, int attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(scan->slot, attnum, &isnull);

	if (isnull)
		return (ApikeyStrList) {NULL, 0};
	return apikey_array_to_str_list(value);
}

void
apikey_key_int64(ScanKey key, int column, int64 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(value));
}
