/*
 * catalog.c
 *		The extension's own tables as C code reads them.
 *
 * Layer 3.  OIDs of our relations are looked up once per process and forgotten
 * when the schema's name, or any of the tables and indexes, changes (DROP and
 * CREATE EXTENSION in one session, a REINDEX CONCURRENTLY that swaps an index).
 * The callbacks that tell of it are in changes.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
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
	[APIKEY_INDEX_IP_BLOCK_TENANT] = "ip_block_tenant_network",
	[APIKEY_INDEX_MEMBER_TENANT] = "member_tenant_role_access",
};

/* A relation of ours, for the look-up by OID. */
typedef struct KnownRelation
{
	Oid			relid;
	int			what;
} KnownRelation;

#define NKNOWN (APIKEY_NTABLES + APIKEY_NINDEXES + APIKEY_NCHANGES + 1)

static struct
{
	bool		valid;			/* and nothing has changed since */
	uint64		messages;		/* seen by this process */
	Oid			schema;
	uint32		schema_hash;
	Oid			trigger_function;
	Oid			tables[APIKEY_NTABLES];
	Oid			indexes[APIKEY_NINDEXES];
	Oid			changes[APIKEY_NCHANGES + 1];	/* the last one is CHANGE_ALL */
	KnownRelation known[NKNOWN];	/* sorted by relid */
} oids;

static bool saw_own = false;

int
apikey_catalog_relation(Oid relid)
{
	int			low = 0;
	int			high = NKNOWN;

	if (!oids.valid || relid < oids.known[0].relid || relid > oids.known[NKNOWN - 1].relid)
		return APIKEY_RELATION_OTHER;
	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (oids.known[middle].relid == relid)
			return oids.known[middle].what;
		if (oids.known[middle].relid < relid)
			low = middle + 1;
		else
			high = middle;
	}
	return APIKEY_RELATION_OTHER;
}

void
apikey_catalog_message(bool forget)
{
	oids.messages++;
	if (forget)
		oids.valid = false;
}

uint32
apikey_catalog_schema_hash(void)
{
	return oids.valid ? oids.schema_hash : 0;
}

Oid
apikey_catalog_change(int n)
{
	return oids.changes[n];
}

Oid
apikey_catalog_trigger_function(void)
{
	return oids.trigger_function;
}

/*
 * The change relations, all with one look at pg_class: they are many, and a
 * session that comes for one call should not pay for each.  Returns how many
 * there are.
 */
static int
load_changes(Oid schema)
{
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	Relation	index = index_open(ClassNameNspIndexId, AccessShareLock);
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple	tuple;
	int			found = 0;
	NameData	low;
	NameData	high;

	namestrcpy(&low, "_change_");
	namestrcpy(&high, "_change_b");
	ScanKeyInit(&keys[0], Anum_pg_class_relname, BTGreaterEqualStrategyNumber,
				F_NAMEGE, NameGetDatum(&low));
	ScanKeyInit(&keys[1], Anum_pg_class_relname, BTLessStrategyNumber,
				F_NAMELT, NameGetDatum(&high));
	scan = systable_beginscan_ordered(pg_class, index, NULL, 2, keys);
	while ((tuple = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);
		const char *suffix = NameStr(form->relname) + strlen("_change_");
		int			n;

		if (form->relnamespace != schema)
			continue;
		if (strcmp(suffix, "all") == 0)
			n = APIKEY_CHANGE_ALL;
		else if (strlen(suffix) == 3 && strspn(suffix, "0123456789") == 3)
		{
			n = (suffix[0] - '0') * 100 + (suffix[1] - '0') * 10 + (suffix[2] - '0');
			if (n >= APIKEY_NCHANGES)
				continue;
		}
		else
			continue;
		oids.changes[n] = form->oid;
		found++;
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(pg_class, AccessShareLock);
	return found;
}

static int
compare_known(const void *a, const void *b)
{
	Oid			left = ((const KnownRelation *) a)->relid;
	Oid			right = ((const KnownRelation *) b)->relid;

	return left < right ? -1 : left > right;
}

static void
sort_known(void)
{
	int			n = 0;

	for (int i = 0; i < APIKEY_NTABLES; i++)
		oids.known[n++] = (KnownRelation) {oids.tables[i], APIKEY_RELATION_OURS};
	for (int i = 0; i < APIKEY_NINDEXES; i++)
		oids.known[n++] = (KnownRelation) {oids.indexes[i], APIKEY_RELATION_OURS};
	for (int i = 0; i <= APIKEY_NCHANGES; i++)
		oids.known[n++] = (KnownRelation) {oids.changes[i], i};
	qsort(oids.known, NKNOWN, sizeof(KnownRelation), compare_known);
}

/* False: the extension is not here, or not all of it. */
static bool
find_oids(void)
{
	uint64		messages = oids.messages;
	Oid			schema = get_namespace_oid("apikey", true);
	bool		complete = OidIsValid(schema);

	oids.valid = false;
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
	if (!complete || load_changes(schema) != APIKEY_NCHANGES + 1)
		return false;
	oids.schema = schema;
	oids.trigger_function =
		GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						CStringGetDatum("_flush_commit"),
						PointerGetDatum(buildoidvector(NULL, 0)),
						ObjectIdGetDatum(schema));
	oids.schema_hash = GetSysCacheHashValue1(NAMESPACEOID, ObjectIdGetDatum(schema));
	sort_known();

	/*
	 * What was looked up serves this call.  But a message that came meanwhile
	 * may have told of one of these relations, and nobody could recognize it:
	 * the next call looks again.
	 */
	oids.valid = (oids.messages == messages);
	return true;
}

static void
load_oids(void)
{
	if (!find_oids())
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"apikey\" is not installed completely in this database"),
				 errdetail("A table or index of schema \"apikey\" is missing."),
				 errhint("Install it with CREATE EXTENSION apikey CASCADE.")));
}

Oid
apikey_catalog_schema(void)
{
	if (oids.valid || find_oids())
		return oids.schema;
	return InvalidOid;
}

bool
apikey_catalog_ready(void)
{
	if (!oids.valid)
		load_oids();
	return oids.valid;
}

Oid
apikey_table_oid(ApikeyTable table)
{
	if (!oids.valid)
		load_oids();
	return oids.tables[table];
}

void
apikey_catalog_reset_own(void)
{
	saw_own = false;
}

bool
apikey_catalog_saw_own(void)
{
	return saw_own;
}

/* Note whether the current row is of this transaction. */
static void
look_for_own(ApikeyScan *scan)
{
	bool		isnull;

	/* without an id of its own, the transaction has written nothing */
	if (saw_own || !TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return;
	saw_own = TransactionIdIsCurrentTransactionId(DatumGetTransactionId(slot_getsysattr(scan->slot, MinTransactionIdAttributeNumber, &isnull)));
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
	bool		found;

	if (scan->hscan != NULL)
		found = table_scan_getnextslot(scan->hscan, ForwardScanDirection, scan->slot);
	else
		found = index_getnext_slot(scan->iscan, scan->direction, scan->slot);
	if (found)
		look_for_own(scan);
	return found;
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

bool
apikey_scan_fetch(ApikeyScan *scan, ApikeyTable table, ApikeyIndex index, int64 id,
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
