/*
 * limit_rules.c
 *		Limits as they are stored, turned into what is charged.
 *
 * Layer 3.  The same code reads a definition to charge it, to check it before
 * it is stored and to check it as a constraint of the table, so what can be
 * stored is what can be charged.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "common/int.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "crypto.h"
#include "limit_rules.h"
#include "redact.h"

#define NATTS		5			/* of apikey.rate_limit and of apikey.quota */
#define ZONE_MAX	63			/* bytes of the name of a time zone */
#define UNITS_MAX	((INT64CONST(1) << 62) - 1)

static const char *const share_names[] = {
	[APIKEY_SHARE_KEY] = "key",
	[APIKEY_SHARE_OWNER] = "owner",
	[APIKEY_SHARE_TENANT] = "tenant",
	[APIKEY_SHARE_POLICY] = "policy",
	[APIKEY_SHARE_TREE] = "tree",
};

/* those that a definition may name */
#define NRULE_SHARES	APIKEY_SHARE_TREE

static const char *const period_names[] = {
	[APIKEY_PERIOD_HOUR] = "hour",
	[APIKEY_PERIOD_DAY] = "day",
	[APIKEY_PERIOD_WEEK] = "week",
	[APIKEY_PERIOD_MONTH] = "month",
	[APIKEY_PERIOD_TOTAL] = "total",
};

const char *
apikey_share_name(ApikeyShare shared)
{
	return share_names[shared];
}

/* One column of an array of definitions, taken apart. */
typedef struct DefArray
{
	ApikeyBucketKind kind;
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	int			count;
} DefArray;

static DefArray
open_array(ApikeyBucketKind kind, Datum value)
{
	DefArray	defs = {kind, DatumGetArrayTypeP(value)};

	deconstruct_array(defs.array, ARR_ELEMTYPE(defs.array), -1, false, TYPALIGN_DOUBLE,
					  &defs.elements, &defs.nulls, &defs.count);
	return defs;
}

/* The place of a text in a list of names; -1: none of them. */
static int
find_name(Datum value, const char *const *names, int count)
{
	text	   *name = DatumGetTextPP(value);

	for (int i = 0; i < count; i++)
		if (VARSIZE_ANY_EXHDR(name) == strlen(names[i]) &&
			memcmp(VARDATA_ANY(name), names[i], strlen(names[i])) == 0)
			return i;
	return -1;
}

/* The name, without a value if it is not one. */
static ApikeyLimitFault
read_name(Datum value, bool isnull, ApikeyStr *name)
{
	text	   *copy;
	char		probe[APIKEY_LIMIT_NAME_MAX];
	int			len;

	*name = (ApikeyStr) {NULL, 0};
	if (isnull)
		return APIKEY_LIMIT_NAME;
	copy = DatumGetTextPCopy(value);
	len = VARSIZE(copy) - VARHDRSZ;
	if (len < 1 || len > APIKEY_LIMIT_NAME_MAX)
		return APIKEY_LIMIT_NAME;
	for (int i = 0; i < len; i++)
		if ((unsigned char) VARDATA(copy)[i] < 0x20 || VARDATA(copy)[i] == 0x7F)
			return APIKEY_LIMIT_NAME;
	memcpy(probe, VARDATA(copy), len);
	if (apikey_redact(probe, len).masked > 0)
		return APIKEY_LIMIT_NAME_KEY;
	*name = (ApikeyStr) {VARDATA(copy), len};
	return APIKEY_LIMIT_OK;
}

/* requests, per, burst */
static ApikeyLimitFault
read_rate(const Datum *values, const bool *nulls, ApikeyLimitDef *def)
{
	int64		requests = nulls[1] ? 0 : DatumGetInt64(values[1]);
	Interval   *per = nulls[2] ? NULL : DatumGetIntervalP(values[2]);
	int64		burst = nulls[3] ? requests : DatumGetInt64(values[3]);
	int64		length;			/* of per, in ns */
	int64		increment;
	int64		capacity;

	if (requests <= 0)
		return APIKEY_LIMIT_REQUESTS;
	if (per == NULL)
		return APIKEY_LIMIT_PER;
	if (per->month != 0)
		return APIKEY_LIMIT_PER_MONTHS;
	if (pg_mul_s64_overflow(per->day, USECS_PER_DAY, &length) ||
		pg_add_s64_overflow(length, per->time, &length) ||
		pg_mul_s64_overflow(length, 1000, &length))
		return APIKEY_LIMIT_PER_LONG;
	if (length <= 0)
		return APIKEY_LIMIT_PER;
	if (requests > length)
		return APIKEY_LIMIT_FAST;
	if (burst <= 0)
		return APIKEY_LIMIT_BURST;
	/* rounded up: never more than so many requests in so long a time */
	increment = length / requests + (length % requests != 0);
	if (pg_mul_s64_overflow(burst, increment, &capacity))
		return APIKEY_LIMIT_CAPACITY;
	def->increment = increment;
	def->burst = burst;
	return APIKEY_LIMIT_OK;
}

/* units, period, timezone */
static ApikeyLimitFault
read_quota(const Datum *values, const bool *nulls, bool zones, ApikeyLimitDef *def)
{
	int64		units = nulls[1] ? 0 : DatumGetInt64(values[1]);
	int			period = nulls[2] ? -1 : find_name(values[2], period_names, lengthof(period_names));
	char	   *zone = nulls[3] ? "UTC" : TextDatumGetCString(values[3]);

	if (units <= 0 || units > UNITS_MAX)
		return APIKEY_LIMIT_UNITS;
	if (period < 0)
		return APIKEY_LIMIT_PERIOD;
	if (zone[0] == '\0' || strlen(zone) > ZONE_MAX)
		return APIKEY_LIMIT_ZONE;
	def->units = units;
	def->period = (ApikeyPeriod) period;
	if (zones)
	{
		pg_tz	   *tz = pg_tzset(zone);

		/* zones that count leap seconds do not fit the server's time */
		if (tz == NULL || !pg_tz_acceptable(tz))
			return APIKEY_LIMIT_ZONE;
		def->tz = tz;
	}
	return APIKEY_LIMIT_OK;
}

/* One element; *def has all that could be read of it. */
static ApikeyLimitFault
read_def(const DefArray *defs, int i, bool zones, ApikeyLimitDef *def)
{
	HeapTupleHeader header;
	HeapTupleData tuple;
	TupleDesc	desc;
	Datum		values[NATTS];
	bool		nulls[NATTS];
	int			shared;
	ApikeyLimitFault fault;

	memset(def, 0, sizeof(*def));
	def->kind = defs->kind;
	if (defs->nulls[i])
		return APIKEY_LIMIT_NULL;
	header = DatumGetHeapTupleHeader(defs->elements[i]);
	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
								  HeapTupleHeaderGetTypMod(header));
	if (desc->natts != NATTS)
	{
		/* the types belong to the extension; whoever alters them gets no more */
		ReleaseTupleDesc(desc);
		return APIKEY_LIMIT_NULL;
	}
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, desc, values, nulls);
	ReleaseTupleDesc(desc);

	fault = read_name(values[0], nulls[0], &def->name);
	if (fault != APIKEY_LIMIT_OK)
		return fault;
	shared = nulls[4] ? APIKEY_SHARE_KEY :
		find_name(values[4], share_names, NRULE_SHARES);
	if (shared < 0)
		return APIKEY_LIMIT_SHARED;
	def->shared = (ApikeyShare) shared;
	return def->kind == APIKEY_BUCKET_RATE ? read_rate(values, nulls, def) :
		read_quota(values, nulls, zones, def);
}

static bool
name_used(const ApikeyLimitDef *defs, int count, ApikeyStr name)
{
	for (int i = 0; i < count; i++)
		if (apikey_str_equal(defs[i].name, name))
			return true;
	return false;
}

static bool
passes_nothing(const ApikeyLimitDef *def)
{
	return def->kind == APIKEY_BUCKET_RATE ? def->burst == 0 : def->tz == NULL;
}

/* What a malformed definition becomes. */
static void
deny_all(ApikeyLimitDef *def)
{
	if (def->name.ptr == NULL)
		def->name = (ApikeyStr) {"invalid", 7};
	def->increment = 1;
	def->burst = 0;
	def->units = 0;
	def->tz = NULL;
}

ApikeyLimitDefList
apikey_limit_rules_defs(ApikeyScan *scan, int rate_limits, int quotas)
{
	const int	attnums[] = {rate_limits, quotas};
	const ApikeyBucketKind kinds[] = {APIKEY_BUCKET_RATE, APIKEY_BUCKET_QUOTA};
	ApikeyLimitDef *items = NULL;
	int			count = 0;

	for (int column = 0; column < 2; column++)
	{
		bool		isnull;
		Datum		value = apikey_scan_get(scan, attnums[column], &isnull);
		DefArray	defs;

		if (isnull)
			continue;
		defs = open_array(kinds[column], value);
		if (defs.count > 0)
		{
			Size		size = sizeof(ApikeyLimitDef) * (count + defs.count);

			items = items == NULL ? palloc(size) : repalloc(items, size);
		}
		for (int i = 0; i < defs.count; i++)
		{
			ApikeyLimitDef *def = &items[count];

			if (read_def(&defs, i, true, def) != APIKEY_LIMIT_OK ||
				name_used(items, count, def->name))
				deny_all(def);
			count++;
		}
		pfree(defs.elements);
		pfree(defs.nulls);
		if ((Pointer) defs.array != DatumGetPointer(value))
			pfree(defs.array);
	}
	return (ApikeyLimitDefList) {items, count};
}

void
apikey_limit_rules_tenant(ApikeyScan *scan, int64 tenant_id, ApikeyTenantLimitList *list)
{
	ApikeyLimitDefList defs = apikey_limit_rules_defs(scan, Anum_tenant_rate_limits,
													  Anum_tenant_quotas);
	ApikeyTenantLimit *items = (ApikeyTenantLimit *) list->items;
	Size		size = sizeof(ApikeyTenantLimit) * (list->count + defs.count);

	if (defs.count == 0)
		return;
	items = items == NULL ? palloc(size) : repalloc(items, size);
	for (int i = 0; i < defs.count; i++)
	{
		ApikeyTenantLimit *limit = &items[list->count++];

		limit->tenant_id = tenant_id;
		limit->def = defs.items[i];
		limit->def.shared = APIKEY_SHARE_TREE;
	}
	list->items = items;
}

ApikeyLimitFault
apikey_limit_rules_check(Datum *rate_limits, Datum *quotas, bool zones,
						 ApikeyBucketKind *kind, int *element, ApikeyStr *name)
{
	Datum	   *columns[] = {rate_limits, quotas};
	const ApikeyBucketKind kinds[] = {APIKEY_BUCKET_RATE, APIKEY_BUCKET_QUOTA};
	ApikeyLimitDef defs[APIKEY_LIMIT_DEFS_MAX];
	int			count = 0;

	*name = (ApikeyStr) {NULL, 0};
	for (int column = 0; column < 2; column++)
	{
		DefArray	array;

		if (columns[column] == NULL)
			continue;
		array = open_array(kinds[column], *columns[column]);
		*kind = array.kind;
		*element = 0;
		if (ARR_NDIM(array.array) > 1)
			return APIKEY_LIMIT_DIMENSIONS;
		if (count + array.count > APIKEY_LIMIT_DEFS_MAX)
			return APIKEY_LIMIT_TOO_MANY;
		for (int i = 0; i < array.count; i++)
		{
			ApikeyLimitFault fault = read_def(&array, i, zones, &defs[count]);

			*element = i + 1;
			*name = defs[count].name;
			if (fault != APIKEY_LIMIT_OK)
				return fault;
			if (name_used(defs, count, *name))
				return APIKEY_LIMIT_NAME_TWICE;
			count++;
		}
	}
	return APIKEY_LIMIT_OK;
}

ApikeyBucketId
apikey_limit_rules_bucket_id(const unsigned char durable_id[APIKEY_LIMIT_ID_LEN])
{
	struct
	{
		unsigned char durable_id[APIKEY_LIMIT_ID_LEN];
		Oid			database;
		Oid			table;
	} parts;
	unsigned char hash[APIKEY_HASH128_LEN];
	ApikeyBucketId id;

	memcpy(parts.durable_id, durable_id, APIKEY_LIMIT_ID_LEN);
	parts.database = MyDatabaseId;
	parts.table = apikey_table_oid(APIKEY_TABLE_API_KEY);
	apikey_hash128(&parts, sizeof(parts), hash);
	memcpy(&id.hi, hash, sizeof(id.hi));
	memcpy(&id.lo, hash + sizeof(id.hi), sizeof(id.lo));
	if (id.hi == 0 && id.lo == 0)
		id.lo = 1;
	return id;
}

/*
 * Who shares the limit, and the identities that follow from it.  owner and
 * policy (NULL: none) are those of the key that has it.
 */
static void
identify(ApikeyLimit *limit, ApikeyStr owner, const ApikeyPolicy *policy)
{
	StringInfoData parts;

	/* without an owner or a policy to share with, it is the key's alone */
	if ((limit->def.shared == APIKEY_SHARE_OWNER && owner.ptr == NULL) ||
		(limit->def.shared == APIKEY_SHARE_POLICY && policy == NULL))
		limit->def.shared = APIKEY_SHARE_KEY;
	switch (limit->def.shared)
	{
		case APIKEY_SHARE_KEY:
			limit->holder.ptr = psprintf(INT64_FORMAT, (int64) limit->key_id);
			break;
		case APIKEY_SHARE_OWNER:
			limit->holder.ptr = pnstrdup(owner.ptr, owner.len);
			break;
		case APIKEY_SHARE_TENANT:
		case APIKEY_SHARE_TREE:
			limit->holder.ptr = psprintf(INT64_FORMAT, (int64) limit->tenant_id);
			break;
		case APIKEY_SHARE_POLICY:
			limit->holder.ptr = psprintf(INT64_FORMAT, (int64) policy->policy_id);
			break;
	}
	limit->holder.len = strlen(limit->holder.ptr);

	/* the same on every machine: it is kept in tables, and dumped */
	initStringInfo(&parts);
	appendStringInfoString(&parts, "apikey limit v1");
	pq_sendbyte(&parts, limit->def.kind);
	pq_sendbyte(&parts, limit->def.shared);
	pq_sendint64(&parts, limit->tenant_id);
	pq_sendint32(&parts, limit->holder.len);
	appendBinaryStringInfo(&parts, limit->holder.ptr, limit->holder.len);
	appendBinaryStringInfo(&parts, limit->def.name.ptr, limit->def.name.len);
	apikey_hash128(parts.data, parts.len, limit->durable_id);
	pfree(parts.data);
	limit->id = apikey_limit_rules_bucket_id(limit->durable_id);
}

/*
 * Two limits of a chain that share a bucket are charged as one: counting the
 * request twice would be wrong, and one bucket has one window.
 */
static void
make_stricter(ApikeyLimit *limit, const ApikeyLimit *other)
{
	ApikeyLimitDef *def = &limit->def;

	limit->priority = Min(limit->priority, other->priority);
	def->increment = Max(def->increment, other->def.increment);
	def->burst = Min(def->burst, other->def.burst);
	def->units = Min(def->units, other->def.units);
	if (def->tz != NULL && (other->def.tz == NULL || other->def.period > def->period))
	{
		def->period = other->def.period;
		def->tz = other->def.tz;
	}
}

/*
 * Add a limit of a tenant, or of a link and its owner in the key's tenant, to
 * those of a request; false when there is no room.
 */
static bool
add_limit(ApikeyLimit *limits, int *count, const ApikeyRecord *record, int64 tenant_id,
		  const ApikeyLink *link, ApikeyStr owner, const ApikeyLimitDef *def)
{
	ApikeyLimit limit;

	memset(&limit, 0, sizeof(limit));
	limit.def = *def;
	limit.def.name.ptr = pnstrdup(def->name.ptr, def->name.len);
	limit.priority = link->policy == NULL ? 0 : link->policy->priority;
	limit.tenant_id = tenant_id;
	limit.key_id = link->key_id;
	limit.above = tenant_id != record->tenant_id;
	identify(&limit, owner, link->policy);
	for (int i = 0; i < *count; i++)
		if (memcmp(limits[i].durable_id, limit.durable_id, APIKEY_LIMIT_ID_LEN) == 0)
		{
			make_stricter(&limits[i], &limit);
			return true;
		}
	if (*count == APIKEY_LIMITS_MAX)
		return false;
	limits[(*count)++] = limit;
	return true;
}

int
apikey_limit_rules_resolve(const ApikeyRecord *record, const ApikeyStr *owner,
						   ApikeyTenantLimitList tenant, ApikeyLimit **limits)
{
	int			most = tenant.count;
	int			count = 0;
	bool		fits = true;

	*limits = NULL;
	for (int i = 0; i < record->nlinks; i++)
	{
		const ApikeyLink *link = &record->links[i];

		most += link->limits.count + (link->policy == NULL ? 0 : link->policy->limits.count);
	}
	if (most == 0)
		return 0;
	*limits = palloc(sizeof(ApikeyLimit) * Min(most, APIKEY_LIMITS_MAX));
	for (int i = 0; i < record->nlinks && fits; i++)
	{
		const ApikeyLink *link = &record->links[i];
		ApikeyLimitDefList own = link->limits;
		ApikeyLimitDefList shared = {NULL, 0};

		if (link->policy != NULL)
			shared = link->policy->limits;
		for (int j = 0; j < own.count && fits; j++)
			fits = add_limit(*limits, &count, record, record->tenant_id, link, owner[i],
							 &own.items[j]);
		for (int j = 0; j < shared.count && fits; j++)
			if (!name_used(own.items, own.count, shared.items[j].name) ||
				passes_nothing(&shared.items[j]))
				fits = add_limit(*limits, &count, record, record->tenant_id, link, owner[i],
								 &shared.items[j]);
	}
	for (int i = 0; i < tenant.count && fits; i++)
		fits = add_limit(*limits, &count, record, tenant.items[i].tenant_id,
						 &record->links[0], owner[0], &tenant.items[i].def);
	if (fits)
		return count;
	pfree(*limits);
	*limits = NULL;
	return APIKEY_LIMITS_MAX + 1;
}
