/*
 * catalog.h
 *		The extension's own tables as C code reads them.
 *
 * Layer 3.  Columns are addressed by number; test/sql/t38_catalog compares the
 * Anum_* constants with the catalogs.  Reads go through ApikeyScan: an index
 * scan under a snapshot of the caller, no privilege or row-security check (the
 * functions that use it decide themselves what the caller may know).
 */
#ifndef APIKEY_CATALOG_H
#define APIKEY_CATALOG_H

#include "postgres.h"
#include "access/genam.h"
#include "access/relscan.h"
#include "access/sdir.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

#include "str.h"

typedef enum ApikeyTable
{
	APIKEY_TABLE_TENANT,
	APIKEY_TABLE_POLICY_VERSION,
	APIKEY_TABLE_ENVIRONMENT,
	APIKEY_TABLE_ROLE,
	APIKEY_TABLE_API_KEY,
	APIKEY_TABLE_KEY_ROLE,
	APIKEY_TABLE_KEYRING,
	APIKEY_TABLE_KEY_SECRET,
	APIKEY_TABLE_IP_BLOCK,
	APIKEY_TABLE_MEMBER,
	APIKEY_NTABLES
} ApikeyTable;

typedef enum ApikeyIndex
{
	APIKEY_INDEX_TENANT_PKEY,	/* tenant_id */
	APIKEY_INDEX_TENANT_PARENT, /* coalesce(parent_id, 0), name */
	APIKEY_INDEX_POLICY_VERSION_EFFECTIVE,	/* policy_id, effective_at,
											 * version */
	APIKEY_INDEX_ENVIRONMENT_PKEY,	/* environment_id */
	APIKEY_INDEX_ROLE_PKEY,		/* role_id */
	APIKEY_INDEX_API_KEY_PKEY,	/* key_id */
	APIKEY_INDEX_KEY_ROLE_PKEY, /* key_id, role_id */
	APIKEY_INDEX_KEYRING_PKEY,	/* keyring_id */
	APIKEY_INDEX_KEY_SECRET_DIGEST, /* digest */
	APIKEY_INDEX_IP_BLOCK_NETWORK,	/* network, gist */
	APIKEY_INDEX_IP_BLOCK_TENANT,	/* coalesce(tenant_id, 0), network */
	APIKEY_INDEX_MEMBER_TENANT, /* coalesce(tenant_id, 0), role_name, access */
	APIKEY_NINDEXES
} ApikeyIndex;

#define Anum_tenant_tenant_id			1
#define Anum_tenant_parent_id			2
#define Anum_tenant_name				3
#define Anum_tenant_status				4
#define Anum_tenant_rate_limits			11
#define Anum_tenant_quotas				12

#define Anum_policy_version_policy_id	1
#define Anum_policy_version_version		2
#define Anum_policy_version_effective_at 4
#define Anum_policy_version_allowed_cidrs 8
#define Anum_policy_version_denied_cidrs 9
#define Anum_policy_version_allowed_endpoints 10
#define Anum_policy_version_denied_endpoints 11
#define Anum_policy_version_access_hours 12
#define Anum_policy_version_required_scopes 13
#define Anum_policy_version_max_scopes	14
#define Anum_policy_version_grace		18
#define Anum_policy_version_rate_limits 21
#define Anum_policy_version_quotas		22
#define Anum_policy_version_priority	24

#define Anum_environment_environment_id 1
#define Anum_environment_name			3

#define Anum_role_role_id				1
#define Anum_role_scopes				4

#define Anum_api_key_key_id				1
#define Anum_api_key_tenant_id			2
#define Anum_api_key_environment_id		3
#define Anum_api_key_policy_id			4
#define Anum_api_key_parent_key_id		5
#define Anum_api_key_status				6
#define Anum_api_key_owner				7
#define Anum_api_key_name				8
#define Anum_api_key_scopes				10
#define Anum_api_key_metadata			12
#define Anum_api_key_cidrs				13
#define Anum_api_key_endpoints			14
#define Anum_api_key_rate_limits		15
#define Anum_api_key_quotas				16
#define Anum_api_key_not_before			17
#define Anum_api_key_expires_at			18
#define Anum_api_key_revoke_at			19
#define Anum_api_key_revoked_at			20

#define Anum_key_role_key_id			1
#define Anum_key_role_role_id			2

#define Anum_keyring_keyring_id			1
#define Anum_keyring_wrapped			3
#define Anum_keyring_material			4
#define Anum_keyring_master_id			5
#define Anum_keyring_active				6

#define Anum_key_secret_secret_id		1
#define Anum_key_secret_key_id			2
#define Anum_key_secret_keyring_id		5
#define Anum_key_secret_digest			6
#define Anum_key_secret_expires_at		9
#define Anum_key_secret_revoked_at		10

#define Anum_ip_block_tenant_id			2
#define Anum_ip_block_network			3
#define Anum_ip_block_expires_at		5

#define Anum_member_tenant_id			2
#define Anum_member_role_name			3
#define Anum_member_role_oid			4
#define Anum_member_system_identifier	5
#define Anum_member_access				6

typedef struct ApikeyScan
{
	Relation	heap;
	Relation	index;			/* NULL: sequential */
	IndexScanDesc iscan;
	struct TableScanDescData *hscan;
	TupleTableSlot *slot;		/* the current row */
	ScanDirection direction;
} ApikeyScan;

/*
 * What a relation is to us: the number of a change relation (changes.h), or
 * one of these.
 */
#define APIKEY_NCHANGES			256
#define APIKEY_CHANGE_ALL		APIKEY_NCHANGES
#define APIKEY_RELATION_OURS	(APIKEY_NCHANGES + 1)	/* table or index */
#define APIKEY_RELATION_OTHER	(-1)

/*
 * apikey_catalog_ready looks up the OIDs of our relations unless they are
 * known, ERROR undefined_object when one is missing.  False: they changed
 * meanwhile, so what relcache messages tell of cannot be recognized.
 */
extern bool apikey_catalog_ready(void);

/* OID of our schema; InvalidOid: the extension is not in this database. */
extern Oid	apikey_catalog_schema(void);

/* The relation of a message; OTHER for all while the OIDs are not known. */
extern int	apikey_catalog_relation(Oid relid);

/* A message came while OIDs may be looked up; forget also what is known. */
extern void apikey_catalog_message(bool forget);

/* hash value of the schema's syscache entry; 0: not known */
extern uint32 apikey_catalog_schema_hash(void);

/* OID of change relation number n; apikey_catalog_ready() first. */
extern Oid	apikey_catalog_change(int n);

/* The table's OID in this database; an error if the extension is not there. */
extern Oid	apikey_table_oid(ApikeyTable table);

/* OID of the trigger function that reports changes; InvalidOid: none */
extern Oid	apikey_catalog_trigger_function(void);

/*
 * Whether a row read since the last reset was inserted or changed by this very
 * transaction, which may yet roll back.
 */
extern void apikey_catalog_reset_own(void);
extern bool apikey_catalog_saw_own(void);

/*
 * Scans of table by index under snapshot.  keys name the columns of the index
 * (1-based), NULL index number (-1) means a sequential scan without keys.
 */
extern void apikey_scan_begin(ApikeyScan *scan, ApikeyTable table, int index,
							  Snapshot snapshot, int nkeys, ScanKey keys,
							  ScanDirection direction);
extern bool apikey_scan_next(ApikeyScan *scan);
extern void apikey_scan_end(ApikeyScan *scan);

/*
 * apikey_scan_fetch reads one row by an int8 key, the first column of index;
 * false, and no scan to end, when there is none.
 */
extern bool apikey_scan_fetch(ApikeyScan *scan, ApikeyTable table, ApikeyIndex index,
							  int64 id, Snapshot snapshot);

/* Columns of the current row; the defaults stand for NULL. */
extern Datum apikey_scan_get(ApikeyScan *scan, int attnum, bool *isnull);
extern int64 apikey_scan_int64(ApikeyScan *scan, int attnum, int64 if_null);

/* text, copied into the current memory context; ptr NULL for NULL */
extern ApikeyStr apikey_scan_str(ApikeyScan *scan, int attnum);

/* elements of a text[]; NULL elements become ptr NULL */
extern ApikeyStrList apikey_scan_str_list(ApikeyScan *scan, int attnum);
extern ApikeyStrList apikey_array_to_str_list(Datum array);

/* a ScanKey of an int8 column with = or, with other strategies, its operator */
extern void apikey_key_int64(ScanKey key, int column, int64 value);

#endif							/* APIKEY_CATALOG_H */
