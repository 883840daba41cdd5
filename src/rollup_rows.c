/*
 * rollup_rows.c
 *		Rows of usage on their way into sums.
 *
 * What the executor finds in a leaf comes row by row, and is not kept: only the
 * sums, and one text of each code and shape.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "common/hashfn.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "endpoint_class.h"
#include "rollup_rows.h"

#define CACHED_SHAPES	2048	/* a power of two */
#define CACHED_BYTES	256
#define MOST_PART_BITS	24
#define CODE_BYTES_MAX	100		/* codes are in an index */
#define CODE_LETTERS	25

/* What the scan reads of a row. */
enum
{
	ROW_XMIN,
	ROW_AT,
	ROW_TENANT_ID,
	ROW_KEY_ID,
	ROW_ENVIRONMENT_ID,
	ROW_CODE,
	ROW_ENDPOINT,
	ROW_STATUS,
	ROW_LATENCY_US,
	ROW_BYTES_IN,
	ROW_BYTES_OUT,
	ROW_UNITS,
	ROW_IP,
	ROW_NCOLUMNS
};

/* An endpoint as it came, and the number of its shape and one. */
typedef struct CachedShape
{
	int64		tenant_id;
	uint32		hash;
	uint32		label;			/* 0: free */
	uint32		part;
	int			len;
	char		endpoint[CACHED_BYTES];
} CachedShape;

/* a table of what names stand for, with room for more of them */
void *
apikey_rollup_follow(void *table, const ApikeyNames *names, uint32 *room, Size size)
{
	Size		wanted = (Size) names->room + 1;

	if (*room >= wanted)
		return table;
	table = table == NULL ?
		MemoryContextAllocExtended(names->context, wanted * size, MCXT_ALLOC_HUGE) :
		repalloc_huge(table, wanted * size);
	*room = wanted;
	return table;
}

/* the hour a time is in; infinite ones are their own */
static inline TimestampTz
hour_of(TimestampTz at)
{
	TimestampTz into;

	if (TIMESTAMP_NOT_FINITE(at))
		return at;
	into = at % USECS_PER_HOUR;
	return at - into - (into < 0 ? USECS_PER_HOUR : 0);
}

static int
compare_times(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return (x > y) - (x < y);
}

static bool
hour_counts(ApikeyRollupRows *c, TimestampTz hour)
{
	if (c->hours == NULL)
		return true;
	if (hour != c->last_hour || c->rows == 0)
	{
		c->last_hour = hour;
		c->last_hour_counts = bsearch(&hour, c->hours, c->nhours, sizeof(TimestampTz), compare_times) != NULL;
	}
	return c->last_hour_counts;
}

static uint32
code_number(ApikeyRollupRows *c, ApikeyStr name)
{
	uint32		known = c->code_names.count;
	uint32		number;

	if (name.len > CODE_BYTES_MAX)
		name.len = pg_mbcharcliplen(name.ptr, name.len, CODE_LETTERS);
	number = apikey_names_number(&c->code_names, name, apikey_names_hash(name));
	if (number == known)
	{
		MemoryContext old = MemoryContextSwitchTo(c->context);

		c->codes = apikey_rollup_follow(c->codes, &c->code_names, &c->codes_room, sizeof(ApikeyRollupCode));
		c->codes[number].name = cstring_to_text_with_len(name.ptr, name.len);
		c->codes[number].accepted =
			apikey_str_equal(name, (ApikeyStr) {"VALID", 5}) || apikey_str_equal(name, (ApikeyStr) {"LOGGED", 6});
		MemoryContextSwitchTo(old);
	}
	return number;
}

/* The number of an endpoint's shape and one; *part says in which part it is. */
static uint32
shape_label(ApikeyRollupRows *c, int64 tenant_id, ApikeyStr endpoint, uint32 *part)
{
	uint32		hash = apikey_names_hash(endpoint) ^ murmurhash32((uint32) tenant_id);
	CachedShape *cached = &c->cache[hash & (CACHED_SHAPES - 1)];
	char		bytes[sizeof(int64) + APIKEY_SHAPE_MAX];
	ApikeyStr	name = {bytes, 0};
	uint32		known = c->shape_names.count;
	uint32		label;

	if (cached->label != 0 && cached->hash == hash && cached->tenant_id == tenant_id &&
		cached->len == endpoint.len && memcmp(cached->endpoint, endpoint.ptr, endpoint.len) == 0)
	{
		*part = cached->part;
		return cached->label;
	}
	memcpy(bytes, &tenant_id, sizeof(int64));
	name.len = (int) sizeof(int64) + apikey_endpoint_shape(endpoint, bytes + sizeof(int64));
	*part = apikey_names_hash(name);
	if (((*part ^ c->part) & c->part_mask) != 0)
		return 0;
	label = apikey_names_number(&c->shape_names, name, *part) + 1;
	if (label > known)
	{
		c->shapes = apikey_rollup_follow(c->shapes, &c->shape_names, &c->shapes_room, sizeof(ApikeyRollupShape));
		memset(&c->shapes[label], 0, sizeof(ApikeyRollupShape));
	}
	if (endpoint.len <= CACHED_BYTES)
	{
		*cached = (CachedShape) {.tenant_id = tenant_id, .hash = hash, .label = label, .part = *part,
									 .len = endpoint.len};
		memcpy(cached->endpoint, endpoint.ptr, endpoint.len);
	}
	return label;
}

/* frees what an attribute was unpacked into */
static inline void
free_copy(void *value, Datum attribute)
{
	if (value != DatumGetPointer(attribute))
		pfree(value);
}

static void
add_row(ApikeyRollupGroup *group, MemoryContext context, const Datum *values, const bool *nulls)
{
	group->calls++;
	if (!nulls[ROW_STATUS] && DatumGetInt32(values[ROW_STATUS]) >= 500)
		group->errors++;
	if (!nulls[ROW_UNITS])
		apikey_wide_add(&group->units, DatumGetInt64(values[ROW_UNITS]));
	if (!nulls[ROW_BYTES_IN])
		apikey_wide_add(&group->bytes_in, DatumGetInt64(values[ROW_BYTES_IN]));
	if (!nulls[ROW_BYTES_OUT])
		apikey_wide_add(&group->bytes_out, DatumGetInt64(values[ROW_BYTES_OUT]));
	if (!nulls[ROW_LATENCY_US])
	{
		int64		latency_us = DatumGetInt64(values[ROW_LATENCY_US]);

		group->latency_calls++;
		apikey_wide_add(&group->latency_us, latency_us);
		group->latency = apikey_latency_state_add(context, group->latency, latency_us);
	}
	if (!nulls[ROW_IP])
	{
		inet	   *ip = DatumGetInetPP(values[ROW_IP]);

		group->ips = apikey_ip_state_add(context, group->ips, apikey_ip_hash(ip_addr(ip), ip_addrsize(ip)));
		free_copy(ip, values[ROW_IP]);
	}
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	ApikeyRollupRows *c = (ApikeyRollupRows *) self;
	ApikeyRollupKey key;
	ApikeyRollupGroup *group;
	uint32		part = 0;
	TimestampTz at;
	text	   *code;
	Datum	   *values;
	bool	   *nulls;
	bool		made;

	slot_getallattrs(slot);
	values = slot->tts_values;
	nulls = slot->tts_isnull;
	if (nulls[ROW_XMIN] || !apikey_newly_seen_has(&c->sets, DatumGetTransactionId(values[ROW_XMIN])))
		return true;

	memset(&key, 0, sizeof(key));
	at = DatumGetTimestampTz(values[ROW_AT]);
	key.hour = hour_of(at);
	if (!hour_counts(c, key.hour))
		return true;
	key.has_tenant = !nulls[ROW_TENANT_ID];
	if (key.has_tenant)
		key.tenant_id = DatumGetInt64(values[ROW_TENANT_ID]);
	key.has_key = !nulls[ROW_KEY_ID];
	if (key.has_key)
		key.key_id = DatumGetInt64(values[ROW_KEY_ID]);
	key.has_environment = !nulls[ROW_ENVIRONMENT_ID];
	if (key.has_environment)
		key.environment_id = DatumGetInt64(values[ROW_ENVIRONMENT_ID]);
	code = DatumGetTextPP(values[ROW_CODE]);
	key.code = code_number(c, apikey_rollup_str(code));
	free_copy(code, values[ROW_CODE]);
	if (key.has_tenant && !nulls[ROW_ENDPOINT])
	{
		text	   *endpoint = DatumGetTextPP(values[ROW_ENDPOINT]);

		key.label = shape_label(c, key.tenant_id, apikey_rollup_str(endpoint), &part);
		free_copy(endpoint, values[ROW_ENDPOINT]);
	}
	if (((part ^ c->part) & c->part_mask) != 0)
		return true;
	if (key.label != 0)
	{
		if (c->codes[key.code].accepted)
			c->shapes[key.label].was_accepted = true;
		else
			c->shapes[key.label].was_denied = true;
		if (c->shape_names.count > c->most && c->part_mask >> MOST_PART_BITS == 0)
		{
			c->too_many = true;
			return false;
		}
	}

	group = apikey_rollup_groups_find(c->groups, &key, &made);
	add_row(group, apikey_rollup_groups_context(c->groups), values, nulls);
	if (made && key.has_tenant)
	{
		ApikeyStr	tenant = {(char *) &key.tenant_id, sizeof(int64)};

		(void) apikey_names_number(&c->tenant_names, tenant, apikey_names_hash(tenant));
	}
	c->first = Min(c->first, at);
	c->last = Max(c->last, at);
	c->rows++;
	return true;
}

static void
receive_begin(DestReceiver *self, int operation, TupleDesc desc)
{
	Assert(desc->natts == ROW_NCOLUMNS);
}

static void
receive_nothing(DestReceiver *self)
{
}

bool
apikey_rollup_rows_read(ApikeyRollupRows *c, const char *query)
{
	SPIExecuteOptions options = {0};
	int			rc;

	options.dest = &c->pub;
	rc = SPI_execute_extended(query, &options);
	MemoryContextSwitchTo(c->context);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "could not read the rows of a partition: %s", SPI_result_code_string(rc));
	return !c->too_many;
}

char *
apikey_rollup_rows_query(Oid leaf, bool by_change, int64 scan_from)
{
	char	   *schema = get_namespace_name(get_rel_namespace(leaf));
	char	   *name = get_rel_name(leaf);
	char	   *query;

	if (schema == NULL || name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("partition with OID %u does not exist", leaf)));
	query = psprintf("SELECT u.xmin, u.at, u.tenant_id, u.key_id, u.environment_id, u.code, u.endpoint, "
					 "u.status, u.latency_us, u.bytes_in, u.bytes_out, u.units, u.ip FROM ONLY %s u",
					 quote_qualified_identifier(schema, name));
	if (by_change)
		query = psprintf("%s WHERE u.at OPERATOR(apikey.@~) '" INT64_FORMAT "'::pg_catalog.int8", query, scan_from);
	return query;
}

void
apikey_rollup_rows_init(ApikeyRollupRows *c)
{
	c->pub.receiveSlot = receive_row;
	c->pub.rStartup = receive_begin;
	c->pub.rShutdown = receive_nothing;
	c->pub.rDestroy = receive_nothing;
	c->pub.mydest = DestTuplestore; /* any but DestNone, which throws away */
	qsort(c->hours, c->nhours, sizeof(TimestampTz), compare_times);
}

void
apikey_rollup_rows_begin(ApikeyRollupRows *c, uint32 part_mask, uint32 part)
{
	c->part_mask = part_mask;
	c->part = part;
	c->too_many = false;
	c->rows = 0;
	c->first = DT_NOEND;
	c->last = DT_NOBEGIN;
	apikey_names_begin(&c->code_names, c->context);
	apikey_names_begin(&c->shape_names, c->context);
	apikey_names_begin(&c->tenant_names, c->context);
	apikey_names_begin(&c->class_names, c->context);
	c->codes = NULL;
	c->shapes = NULL;
	c->classes = NULL;
	c->codes_room = c->shapes_room = c->classes_room = 0;
	c->cache = MemoryContextAllocZero(c->context, CACHED_SHAPES * sizeof(CachedShape));
	c->groups = apikey_rollup_groups_begin((Size) work_mem * 1024);
}
