/*
 * keystore.c
 *		From a digest to everything that is decided on.
 *
 * Layer 3.  All reads of one look-up use one snapshot, taken when it starts:
 * what was committed before is seen whole, what commits later is not seen at
 * all.  What many keys share comes from rulecache.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "catalog.h"
#include "keystore.h"
#include "limit_rules.h"

/* grace is at most 100 years; past this instant the sum could overflow */
#define GRACE_HORIZON (END_TIMESTAMP - INT64CONST(200) * 366 * USECS_PER_DAY)

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

bool
apikey_keystore_find(const unsigned char digest[APIKEY_DIGEST_LEN],
					 int32 keyring_id, ApikeyReading *reading, ApikeySecret *secret)
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
					  reading->snapshot, 1, &key, ForwardScanDirection);
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
load_scopes(ApikeyStrList own, int64 key_id, ApikeyReading *reading, ApikeyKey *key)
{
	ApikeyScan	scan;
	ScanKeyData skey;
	ApikeyStr  *items = NULL;
	int			count = own.count;

	apikey_key_int64(&skey, 1, key_id);
	apikey_scan_begin(&scan, APIKEY_TABLE_KEY_ROLE, APIKEY_INDEX_KEY_ROLE_PKEY,
					  reading->snapshot, 1, &skey, ForwardScanDirection);
	while (apikey_scan_next(&scan))
	{
		const ApikeyRoleScopes *role =
			apikey_rulecache_role(apikey_scan_int64(&scan, Anum_key_role_role_id, 0), reading);

		/* copied here: of a role that is not kept, no more than its scopes */
		key->complete &= (role != NULL);
		if (role == NULL || role->scopes.count == 0)
			continue;
		if (items == NULL)
		{
			items = palloc(sizeof(ApikeyStr) * (count + role->scopes.count));
			if (count > 0)
				memcpy(items, own.items, sizeof(ApikeyStr) * count);
		}
		else
			items = repalloc(items, sizeof(ApikeyStr) * (count + role->scopes.count));
		memcpy(items + count, role->scopes.items, sizeof(ApikeyStr) * role->scopes.count);
		count += role->scopes.count;
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

/* text of the current row, as a datum of its own; NULL for NULL */
static text *
scan_text(ApikeyStr value)
{
	return value.ptr == NULL ? NULL : cstring_to_text_with_len(value.ptr, value.len);
}

/* expires_at and, behind it, the grace of the policy. */
static TimestampTz
add_grace(TimestampTz expires_at, const ApikeyRules *rules, ApikeyKey *key)
{
	Interval	grace;

	if (rules == NULL || !IS_VALID_TIMESTAMP(expires_at) || expires_at >= GRACE_HORIZON)
		return expires_at;
	grace = rules->grace;
	if (grace.month == 0 && grace.day == 0 && grace.time == 0)
		return expires_at;

	/* how long a day or a month is depends on the session's time zone */
	if (grace.month != 0 || grace.day != 0)
		key->calendar = session_timezone;
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												   TimestampTzGetDatum(expires_at),
												   IntervalPGetDatum(&grace)));
}

/* What only the presented key itself has to tell. */
static void
load_identity(ApikeyScan *scan, ApikeyStr owner, ApikeyKey *key)
{
	bool		isnull;
	Datum		metadata = apikey_scan_get(scan, Anum_api_key_metadata, &isnull);

	key->record.tenant_id = apikey_scan_int64(scan, Anum_api_key_tenant_id, 0);
	key->record.environment_id = apikey_scan_int64(scan, Anum_api_key_environment_id, 0);
	key->owner = scan_text(owner);
	key->name = scan_text(apikey_scan_str(scan, Anum_api_key_name));
	if (!isnull)
		key->metadata = PG_DETOAST_DATUM_COPY(metadata);
}

/* Fill one link from the current row of api_key; returns its parent or 0. */
static int64
load_link(ApikeyScan *scan, ApikeyReading *reading, ApikeyLink *link,
		  ApikeyKey *key, ApikeyStr *owner)
{
	int64		policy_id = apikey_scan_int64(scan, Anum_api_key_policy_id, 0);
	const ApikeyRules *rules = NULL;

	link->key_id = apikey_scan_int64(scan, Anum_api_key_key_id, 0);
	link->status = parse_status(apikey_scan_str(scan, Anum_api_key_status));
	link->not_before = scan_time(scan, Anum_api_key_not_before);
	link->expires_at = scan_time(scan, Anum_api_key_expires_at);
	link->revoke_at = scan_time(scan, Anum_api_key_revoke_at);
	link->revoked_at = scan_time(scan, Anum_api_key_revoked_at);
	link->nets = apikey_rules_nets(scan, Anum_api_key_cidrs);
	link->endpoints = apikey_scan_str_list(scan, Anum_api_key_endpoints);
	link->scopes = load_scopes(apikey_scan_str_list(scan, Anum_api_key_scopes),
							   link->key_id, reading, key);
	link->limits = apikey_limit_rules_defs(scan, Anum_api_key_rate_limits, Anum_api_key_quotas);
	*owner = apikey_scan_str(scan, Anum_api_key_owner);
	if (policy_id != 0)
	{
		rules = apikey_rulecache_policy(policy_id, reading);

		/* nobody can say what a policy without any version allows */
		if (rules == NULL)
			key->record.chain_broken = true;
		else
		{
			link->policy = &rules->policy;
			key->complete &= rules->kept;
			key->span.from = Max(key->span.from, rules->span.from);
			key->span.until = Min(key->span.until, rules->span.until);
		}
	}
	link->expires_with_grace = add_grace(link->expires_at, rules, key);
	return apikey_scan_int64(scan, Anum_api_key_parent_key_id, 0);
}

/*
 * The key and its ancestors, with the owner of each; false when the key itself
 * is not there.
 */
static bool
load_chain(int64 key_id, ApikeyReading *reading, ApikeyKey *key,
		   ApikeyStr owners[APIKEY_LINKS_MAX])
{
	ApikeyLink *links = palloc0(sizeof(ApikeyLink) * APIKEY_LINKS_MAX);
	ApikeyRecord *record = &key->record;

	record->links = links;
	while (key_id != 0)
	{
		ApikeyScan	scan;
		int			n = record->nlinks;

		if (n == APIKEY_LINKS_MAX)
		{
			record->chain_broken = true;
			break;
		}
		if (!apikey_scan_fetch(&scan, APIKEY_TABLE_API_KEY, APIKEY_INDEX_API_KEY_PKEY, key_id,
							   reading->snapshot))
		{
			if (n == 0)
				return false;
			record->chain_broken = true;
			break;
		}
		key_id = load_link(&scan, reading, &links[n], key, &owners[n]);
		if (n == 0)
			load_identity(&scan, owners[0], key);
		record->nlinks++;
		apikey_scan_end(&scan);
	}
	return true;
}

static bool
list_holds(const ApikeyStr *items, int count, ApikeyStr scope)
{
	for (int i = 0; i < count; i++)
		if (apikey_str_equal(items[i], scope))
			return true;
	return false;
}

/* Each scope of held cut by each of bounds. */
static ApikeyStrList
cut_list(ApikeyStrList held, ApikeyStrList bounds)
{
	int			room = 16;
	int			count = 0;
	ApikeyStr  *items = palloc(sizeof(ApikeyStr) * room);

	for (int i = 0; i < held.count; i++)
		for (int j = 0; j < bounds.count; j++)
		{
			ApikeyStr	cut = apikey_scope_cut(held.items[i], bounds.items[j]);

			if (cut.ptr == NULL || list_holds(items, count, cut))
				continue;
			if (count == room)
			{
				room *= 2;
				items = repalloc_huge(items, sizeof(ApikeyStr) * room);
			}
			items[count++] = cut;
		}
	return (ApikeyStrList) {items, count};
}

/*
 * What the key may do at most: scopes of key and roles, cut by the policy's
 * max_scopes and by every ancestor; duplicates removed.
 */
static ArrayType *
effective_scopes(const ApikeyRecord *record)
{
	static const ApikeyStr everything = {"*", 1};
	ApikeyStrList scopes = {&everything, 1};
	Datum	   *elements;

	for (int i = 0; i < record->nlinks; i++)
	{
		const ApikeyLink *link = &record->links[i];

		scopes = cut_list(scopes, link->scopes);
		if (link->policy != NULL && link->policy->has_max_scopes)
			scopes = cut_list(scopes, link->policy->max_scopes);
	}
	elements = palloc(sizeof(Datum) * Max(scopes.count, 1));
	for (int i = 0; i < scopes.count; i++)
		elements[i] = PointerGetDatum(cstring_to_text_with_len(scopes.items[i].ptr,
															   scopes.items[i].len));
	return construct_array(elements, scopes.count, TEXTOID, -1, false, TYPALIGN_INT);
}

/* The columns of apikey.verdict that row holds, in the order of sql/10_types.sql. */
static TupleDesc
row_desc(void)
{
	static const Oid types[APIKEY_ROW_COLUMNS] = {
		BOOLOID, TEXTOID, INT4OID, INT8OID, INT8OID, TEXTOID, TEXTOID, TEXTOID,
		TEXTOID, TEXTARRAYOID, JSONBOID, TIMESTAMPTZOID
	};
	static TupleDesc desc = NULL;

	if (desc == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
		TupleDesc	made = CreateTemplateTupleDesc(APIKEY_ROW_COLUMNS);

		for (int i = 0; i < APIKEY_ROW_COLUMNS; i++)
			TupleDescInitEntry(made, i + 1, NULL, types[i], -1, 0);
		desc = made;
		MemoryContextSwitchTo(old);
	}
	return desc;
}

static void
make_row(ApikeyKey *key)
{
	const ApikeyRecord *record = &key->record;
	TimestampTz expires_at = apikey_earliest_expiry(record);
	Datum		values[APIKEY_ROW_COLUMNS];
	bool		nulls[APIKEY_ROW_COLUMNS] = {false};
	uint16		infomask = 0;
	bits8		bits[(APIKEY_ROW_COLUMNS + 7) / 8]; /* as BITMAPLEN() has it */

	values[0] = BoolGetDatum(true);
	values[1] = CStringGetTextDatum(apikey_code_name(APIKEY_VALID));
	values[2] = Int32GetDatum(apikey_code_http_status(APIKEY_VALID));
	values[3] = Int64GetDatum(record->key_id);
	values[4] = Int64GetDatum(record->secret_id);
	values[5] = PointerGetDatum(key->tenant->path);
	values[6] = PointerGetDatum(key->environment);
	nulls[6] = key->environment == NULL;
	values[7] = PointerGetDatum(key->owner);
	nulls[7] = key->owner == NULL;
	values[8] = PointerGetDatum(key->name);
	nulls[8] = key->name == NULL;
	values[9] = PointerGetDatum(key->scopes);
	values[10] = PointerGetDatum(key->metadata);
	nulls[10] = key->metadata == NULL;
	nulls[11] = expires_at == APIKEY_NO_TIME;
	values[11] = TimestampTzGetDatum(nulls[11] ? 0 : apikey_shown_time(expires_at));

	key->row_len = (int) heap_compute_data_size(row_desc(), values, nulls);
	key->row = palloc0(key->row_len);
	memset(bits, 0, sizeof(bits));
	heap_fill_tuple(row_desc(), values, nulls, key->row, key->row_len, &infomask, bits);
	memcpy(key->row_bits, bits, sizeof(key->row_bits));
}

bool
apikey_keystore_load(const ApikeySecret *secret, ApikeyReading *reading, ApikeyKey *key)
{
	ApikeyRecord *record = &key->record;
	const ApikeyEnvironment *environment;
	ApikeyStr	owners[APIKEY_LINKS_MAX];

	memset(key, 0, sizeof(*key));
	key->complete = true;
	key->span = (ApikeySpan) {DT_NOBEGIN, DT_NOEND};
	record->secret_id = secret->secret_id;
	record->key_id = secret->key_id;
	record->secret_expires_at = secret->expires_at;
	record->secret_revoked_at = secret->revoked_at;
	if (!load_chain(secret->key_id, reading, key, owners))
		return false;
	key->tenant = apikey_rulecache_tenant(record->tenant_id, reading);
	record->tenant_suspended = key->tenant->suspended;
	key->nlimits = apikey_limit_rules_resolve(record, owners, key->tenant->limits, &key->limits);
	environment = apikey_rulecache_environment(record->environment_id, reading);
	if (environment != NULL)
	{
		key->environment = environment->name;
		record->environment = (ApikeyStr) {VARDATA(environment->name),
											   VARSIZE(environment->name) - VARHDRSZ};
	}
	key->scopes = effective_scopes(record);
	make_row(key);
	key->complete &= !record->chain_broken && key->tenant->kept &&
		environment != NULL && environment->kept;
	return true;
}

bool
apikey_keystore_compare(int64 key_id, const ApikeyRules *rules, ApikeyReading *reading,
						ApikeyKey *today, ApikeyKey *proposed)
{
	ApikeyRecord *record = &today->record;
	ApikeyStr	owners[APIKEY_LINKS_MAX];
	ApikeyLink *links;
	bool		concerned = false;

	memset(today, 0, sizeof(*today));
	record->key_id = key_id;
	record->secret_expires_at = record->secret_revoked_at = APIKEY_NO_TIME;
	if (!load_chain(key_id, reading, today, owners))
		return false;
	links = palloc(sizeof(ApikeyLink) * record->nlinks);
	memcpy(links, record->links, sizeof(ApikeyLink) * record->nlinks);
	for (int i = 0; i < record->nlinks; i++)
	{
		if (links[i].policy == NULL || links[i].policy->policy_id != rules->policy.policy_id)
			continue;
		links[i].policy = &rules->policy;
		links[i].expires_with_grace = add_grace(links[i].expires_at, rules, today);
		concerned = true;
	}
	if (!concerned)
		return false;

	today->tenant = apikey_rulecache_tenant(record->tenant_id, reading);
	record->tenant_suspended = today->tenant->suspended;
	*proposed = *today;
	proposed->record.links = links;
	today->nlimits = apikey_limit_rules_resolve(record, owners, today->tenant->limits,
												&today->limits);
	proposed->nlimits = apikey_limit_rules_resolve(&proposed->record, owners, today->tenant->limits,
												   &proposed->limits);
	return true;
}

bool
apikey_keystore_identify(int64 key_id, ApikeyReading *reading, int64 *tenant_id,
						 int64 *environment_id)
{
	ApikeyScan	scan;

	if (!apikey_scan_fetch(&scan, APIKEY_TABLE_API_KEY, APIKEY_INDEX_API_KEY_PKEY, key_id,
						   reading->snapshot))
		return false;
	*tenant_id = apikey_scan_int64(&scan, Anum_api_key_tenant_id, 0);
	*environment_id = apikey_scan_int64(&scan, Anum_api_key_environment_id, 0);
	apikey_scan_end(&scan);
	return true;
}
