/*
 * sql_rollup_count.c
 *		_count_rows(): rows of a leaf, added up into usage_hourly and usage_daily.
 *
 * Layer 6.  Which rows, and how this is right whatever happens, is in
 * sql/63_rollups.sql.
 *
 * One scan of the leaf makes the sums, with the shapes of endpoints in place of
 * their classes.  Then the shapes are classified, all at once, and the sums
 * come back from rollup_group.c key by key and day by day: hours are stored as
 * they are, and make the day.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/queryenvironment.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "rollup_rows.h"

PG_FUNCTION_INFO_V1(apikey_count_rows);

#define NSUMS_AT_ONCE	20000

/* Columns of usage_hourly and usage_daily. */
enum
{
	SUM_TIME,
	SUM_TENANT_ID,
	SUM_KEY_ID,
	SUM_ENVIRONMENT_ID,
	SUM_ENDPOINT_CLASS,
	SUM_CODE,
	SUM_CALLS,
	SUM_DENIALS,
	SUM_ERRORS,
	SUM_UNITS,
	SUM_BYTES_IN,
	SUM_BYTES_OUT,
	SUM_LATENCY_CALLS,
	SUM_LATENCY_US,
	SUM_LATENCY,
	SUM_IPS,
	SUM_NCOLUMNS
};

/* --- the classes -------------------------------------------------------- */

static Datum
datums_array(Datum *datums, int n, Oid type)
{
	int16		len;
	bool		byval;
	char		align;

	get_typlenbyvalalign(type, &len, &byval, &align);
	return PointerGetDatum(construct_array(datums, n, type, len, byval, align));
}

static uint32
class_label(ApikeyRollupRows *c, Datum class, bool isnull)
{
	uint32		known = c->class_names.count;
	ApikeyStr	name;
	uint32		label;

	if (isnull)
		return 0;
	name = apikey_rollup_str(DatumGetTextPP(class));
	label = apikey_names_number(&c->class_names, name, apikey_names_hash(name)) + 1;
	if (label > known)
	{
		MemoryContext old = MemoryContextSwitchTo(c->context);

		c->classes = apikey_rollup_follow(c->classes, &c->class_names, &c->classes_room, sizeof(text *));
		c->classes[label] = cstring_to_text_with_len(name.ptr, name.len);
		MemoryContextSwitchTo(old);
	}
	return label;
}

/* Ask for the classes of all shapes that were read. */
static void
classify(ApikeyRollupRows *c)
{
	uint32		most = 2 * c->shape_names.count;
	Datum	   *tenants = palloc(most * sizeof(Datum));
	Datum	   *shapes = palloc(most * sizeof(Datum));
	Datum	   *accepted = palloc(most * sizeof(Datum));
	Datum	   *classes;
	bool	   *nulls;
	Oid			types[] = {INT8ARRAYOID, TEXTARRAYOID, BOOLARRAYOID};
	Datum		args[3];
	Datum		answer;
	bool		isnull;
	int			n = 0;
	int			nclasses;

	for (uint32 label = 1; label <= c->shape_names.count; label++)
	{
		ApikeyStr	name = c->shape_names.names[label - 1].bytes;
		int64		tenant_id;
		Datum		shape;

		memcpy(&tenant_id, name.ptr, sizeof(int64));
		shape = PointerGetDatum(cstring_to_text_with_len(name.ptr + sizeof(int64), name.len - (int) sizeof(int64)));
		for (int was_accepted = 0; was_accepted <= 1; was_accepted++)
			if (was_accepted ? c->shapes[label].was_accepted : c->shapes[label].was_denied)
			{
				tenants[n] = Int64GetDatum(tenant_id);
				shapes[n] = shape;
				accepted[n++] = BoolGetDatum(was_accepted);
			}
	}
	if (n == 0)
		return;
	args[0] = datums_array(tenants, n, INT8OID);
	args[1] = datums_array(shapes, n, TEXTOID);
	args[2] = datums_array(accepted, n, BOOLOID);
	if (SPI_execute_with_args("SELECT apikey._classify($1, $2, $3)", 3, types, args, NULL, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not classify endpoints");
	answer = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull)
		elog(ERROR, "endpoints were not classified");
	deconstruct_array(DatumGetArrayTypeP(answer), TEXTOID, -1, false, TYPALIGN_INT, &classes, &nulls, &nclasses);
	if (nclasses != n)
		elog(ERROR, "%d endpoints of %d were classified", nclasses, n);
	n = 0;
	for (uint32 label = 1; label <= c->shape_names.count; label++)
	{
		ApikeyRollupShape *shape = &c->shapes[label];

		if (shape->was_denied)
		{
			shape->denied = class_label(c, classes[n], nulls[n]);
			n++;
		}
		if (shape->was_accepted)
		{
			shape->accepted = class_label(c, classes[n], nulls[n]);
			n++;
		}
	}
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(c->context);
}

static uint32
relabel(const ApikeyRollupGroup *group, void *arg)
{
	ApikeyRollupRows *c = arg;
	uint32		label = group->key.label;

	if (label == 0)
		return 0;
	return c->codes[group->key.code].accepted ? c->shapes[label].accepted : c->shapes[label].denied;
}

/* --- the sums ----------------------------------------------------------- */

/* One of the tables of sums, and what is to be stored there. */
typedef struct Sums
{
	const char *table;
	const char *time;			/* its first column */
	const char *new_sums;		/* name of what is to be stored */
	bool		wanted;
	bool		may_exist;		/* there may be sums to add to */
	TimestampTz start;			/* nothing of before this instant */
	TupleDesc	desc;
	Tuplestorestate *store;
	EphemeralNamedRelation relation;
	int			n;
} Sums;

static void
begin_sums(ApikeyRollupRows *c, Sums *sums)
{
	MemoryContext old;
	Relation	rel = table_open(get_relname_relid(sums->table, get_namespace_oid("apikey", false)), AccessShareLock);

	if (RelationGetNumberOfAttributes(rel) != SUM_NCOLUMNS)
		elog(ERROR, "table %s has %d columns", sums->table, RelationGetNumberOfAttributes(rel));
	sums->desc = CreateTupleDescCopy(RelationGetDescr(rel));
	table_close(rel, AccessShareLock);
	sums->store = tuplestore_begin_heap(false, false, work_mem);
	sums->relation = palloc0(sizeof(*sums->relation));
	sums->relation->md.name = pstrdup(sums->new_sums);
	sums->relation->md.tupdesc = sums->desc;
	sums->relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	sums->relation->reldata = sums->store;
	/* what it is registered in lives on */
	old = MemoryContextSwitchTo(c->spi_context);
	if (SPI_register_relation(sums->relation) != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register new sums");
	MemoryContextSwitchTo(old);
}

static void
end_sums(Sums *sums)
{
	(void) SPI_unregister_relation(sums->new_sums);
	tuplestore_end(sums->store);
}

/* Stores what has come together. */
static void
store_sums(ApikeyRollupRows *c, Sums *sums)
{
	StringInfoData query;

	if (sums->n == 0)
		return;
	initStringInfo(&query);
	appendStringInfo(&query, "INSERT INTO apikey.%s AS r SELECT * FROM %s", sums->table, sums->new_sums);
	if (sums->may_exist)
		appendStringInfo(&query,
						 " ON CONFLICT (tenant_id, %s, key_id, environment_id,"
						 " apikey._class_hash(endpoint_class), code) DO UPDATE SET"
						 " calls = r.calls OPERATOR(pg_catalog.+) excluded.calls,"
						 " denials = r.denials OPERATOR(pg_catalog.+) excluded.denials,"
						 " errors = r.errors OPERATOR(pg_catalog.+) excluded.errors,"
						 " units = r.units OPERATOR(pg_catalog.+) excluded.units,"
						 " bytes_in = r.bytes_in OPERATOR(pg_catalog.+) excluded.bytes_in,"
						 " bytes_out = r.bytes_out OPERATOR(pg_catalog.+) excluded.bytes_out,"
						 " latency_calls = r.latency_calls OPERATOR(pg_catalog.+) excluded.latency_calls,"
						 " latency_us = r.latency_us OPERATOR(pg_catalog.+) excluded.latency_us,"
						 " latency = apikey._latency_add(r.latency, excluded.latency),"
						 " ips = apikey._ip_add(r.ips, excluded.ips)", sums->time);
	sums->relation->md.enrtuples = sums->n;
	if (SPI_execute(query.data, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not store sums");
	MemoryContextSwitchTo(c->context);
	pfree(query.data);
	tuplestore_clear(sums->store);
	sums->n = 0;
}

static Datum
wide_numeric(const ApikeyWideSum *sum)
{
	if (sum->high == ((int64) sum->low < 0 ? -1 : 0))
		return NumericGetDatum(int64_to_numeric((int64) sum->low));
	else
	{
		/* (high * 2^32 + upper half) * 2^32 + lower half */
		Datum		shift = NumericGetDatum(int64_to_numeric(INT64CONST(1) << 32));
		Datum		value = NumericGetDatum(int64_to_numeric(sum->high));

		value = DirectFunctionCall2(numeric_mul, value, shift);
		value = DirectFunctionCall2(numeric_add, value, NumericGetDatum(int64_to_numeric((int64) (sum->low >> 32))));
		value = DirectFunctionCall2(numeric_mul, value, shift);
		return DirectFunctionCall2(numeric_add, value,
								   NumericGetDatum(int64_to_numeric((int64) (sum->low & UINT64CONST(0xFFFFFFFF)))));
	}
}

/* A sum among those that are to be stored; time is an hour or a day. */
static void
put_sum(ApikeyRollupRows *c, Sums *sums, Datum time, const ApikeyRollupGroup *group)
{
	const ApikeyRollupKey *key = &group->key;
	Datum		values[SUM_NCOLUMNS];
	bool		nulls[SUM_NCOLUMNS] = {false};

	values[SUM_TIME] = time;
	values[SUM_TENANT_ID] = Int64GetDatum(key->tenant_id);
	nulls[SUM_TENANT_ID] = !key->has_tenant;
	values[SUM_KEY_ID] = Int64GetDatum(key->key_id);
	nulls[SUM_KEY_ID] = !key->has_key;
	values[SUM_ENVIRONMENT_ID] = Int64GetDatum(key->environment_id);
	nulls[SUM_ENVIRONMENT_ID] = !key->has_environment;
	values[SUM_ENDPOINT_CLASS] = (Datum) 0;
	nulls[SUM_ENDPOINT_CLASS] = key->label == 0;
	if (key->label != 0)
		values[SUM_ENDPOINT_CLASS] = PointerGetDatum(c->classes[key->label]);
	values[SUM_CODE] = PointerGetDatum(c->codes[key->code].name);
	values[SUM_CALLS] = Int64GetDatum(group->calls);
	values[SUM_DENIALS] = Int64GetDatum(c->codes[key->code].accepted ? 0 : group->calls);
	values[SUM_ERRORS] = Int64GetDatum(group->errors);
	values[SUM_UNITS] = wide_numeric(&group->units);
	values[SUM_BYTES_IN] = wide_numeric(&group->bytes_in);
	values[SUM_BYTES_OUT] = wide_numeric(&group->bytes_out);
	values[SUM_LATENCY_CALLS] = Int64GetDatum(group->latency_calls);
	values[SUM_LATENCY_US] = wide_numeric(&group->latency_us);
	values[SUM_LATENCY] = (Datum) 0;
	nulls[SUM_LATENCY] = group->latency == NULL;
	if (group->latency != NULL)
		values[SUM_LATENCY] = PointerGetDatum(apikey_latency_value(group->latency->entries, group->latency->n));
	values[SUM_IPS] = (Datum) 0;
	nulls[SUM_IPS] = group->ips == NULL;
	if (group->ips != NULL)
		values[SUM_IPS] = PointerGetDatum(apikey_ip_value(&group->ips->set));
	tuplestore_putvalues(sums->store, sums->desc, values, nulls);
	sums->n++;
}

static void
put_hour(ApikeyRollupRows *c, Sums *hours, const ApikeyRollupGroup *group)
{
	if (hours->wanted && group->key.hour >= hours->start)
		put_sum(c, hours, TimestampTzGetDatum(group->key.hour), group);
}

static void
put_day(ApikeyRollupRows *c, Sums *days, const ApikeyRollupGroup *group)
{
	DateADT		day;

	if (TIMESTAMP_IS_NOBEGIN(group->key.hour))
		DATE_NOBEGIN(day);
	else if (TIMESTAMP_IS_NOEND(group->key.hour))
		DATE_NOEND(day);
	else
		day = (DateADT) apikey_rollup_day(group->key.hour);
	put_sum(c, days, DateADTGetDatum(day), group);
}

/* Puts the hours of a key's day; those of one class and code make its day. */
static void
put_groups(ApikeyRollupRows *c, Sums *hours, Sums *days, ApikeyRollupGroup **groups, int n)
{
	for (int i = 0; i < n;)
	{
		ApikeyRollupGroup *first = groups[i];
		ApikeyRollupGroup *day = NULL;
		ApikeyRollupGroup own;

		for (; i < n && groups[i]->key.label == first->key.label && groups[i]->key.code == first->key.code; i++)
		{
			put_hour(c, hours, groups[i]);
			if (!days->wanted || groups[i]->key.hour < days->start)
				continue;
			if (day == NULL)
				day = groups[i];
			else
			{
				if (day != &own)
				{
					memset(&own, 0, sizeof(own));
					own.key = day->key;
					apikey_rollup_group_merge(CurrentMemoryContext, &own, day);
					day = &own;
				}
				apikey_rollup_group_merge(CurrentMemoryContext, day, groups[i]);
			}
		}
		if (day != NULL)
			put_day(c, days, day);
	}
}

/* What there may be to add to, and from when on sums are kept. */
static void
look_up_sums(ApikeyRollupRows *c, Sums *hours, Sums *days)
{
	Datum	   *tenants = palloc(Max(c->tenant_names.count, 1) * sizeof(Datum));
	Oid			types[] = {INT8ARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum		args[3];
	Datum		answer[4];

	for (uint32 i = 0; i < c->tenant_names.count; i++)
	{
		int64		tenant_id;

		memcpy(&tenant_id, c->tenant_names.names[i].bytes.ptr, sizeof(int64));
		tenants[i] = Int64GetDatum(tenant_id);
	}
	args[0] = datums_array(tenants, c->tenant_names.count, INT8OID);
	args[1] = TimestampTzGetDatum(c->first);
	args[2] = TimestampTzGetDatum(c->last);
	if (SPI_execute_with_args("SELECT r.hourly, r.daily, apikey._rollup_start('hour'), apikey._rollup_start('day')"
							  " FROM apikey._rolled_up($1, $2, $3) r",
							  3, types, args, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "could not look up sums");
	for (int i = 0; i < 4; i++)
	{
		bool		isnull;

		answer[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &isnull);
		if (isnull)
			elog(ERROR, "could not look up sums");
	}
	hours->may_exist = DatumGetBool(answer[0]);
	days->may_exist = DatumGetBool(answer[1]);
	hours->start = DatumGetTimestampTz(answer[2]);
	days->start = DatumGetTimestampTz(answer[3]);
	SPI_freetuptable(SPI_tuptable);
	MemoryContextSwitchTo(c->context);
}

/* Stores the sums of all rows that were read. */
static void
store_all(ApikeyRollupRows *c, bool hourly, bool daily)
{
	Sums		hours = {"usage_hourly", "hour", "new_hours", hourly};
	Sums		days = {"usage_daily", "day", "new_days", daily};
	MemoryContext each = AllocSetContextCreate(CurrentMemoryContext, "apikey rollup sums", ALLOCSET_DEFAULT_SIZES);
	ApikeyRollupGroup **groups;
	int			n;

	classify(c);
	look_up_sums(c, &hours, &days);
	begin_sums(c, &hours);
	begin_sums(c, &days);
	apikey_rollup_groups_sort(c->groups);
	while ((groups = apikey_rollup_groups_next(c->groups, relabel, c, &n)) != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(each);

		put_groups(c, &hours, &days, groups, n);
		MemoryContextSwitchTo(old);
		MemoryContextReset(each);
		if (hours.n >= NSUMS_AT_ONCE)
			store_sums(c, &hours);
		if (days.n >= NSUMS_AT_ONCE)
			store_sums(c, &days);
	}
	store_sums(c, &hours);
	store_sums(c, &days);
	end_sums(&hours);
	end_sums(&days);
	MemoryContextDelete(each);
}

/* --- all of it ---------------------------------------------------------- */

/*
 * Count the rows of a part.  Where it has too many shapes it is cut into four
 * smaller ones, by two more bits of a hash of tenant and shape.
 */
static int64
count_part(ApikeyRollupRows *c, const char *query, uint32 mask, uint32 part, bool hourly, bool daily)
{
	MemoryContext old = CurrentMemoryContext;
	int64		rows;
	bool		done;

	c->context = AllocSetContextCreate(old, "apikey rollup part", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(c->context);
	apikey_rollup_rows_begin(c, mask, part);
	done = apikey_rollup_rows_read(c, query);
	rows = done ? c->rows : 0;
	if (rows > 0)
		store_all(c, hourly, daily);
	apikey_rollup_groups_end(c->groups);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(c->context);
	if (!done)
		for (uint32 i = 0; i < 4; i++)
			rows += count_part(c, query, mask << 2 | 3, part | i * (mask + 1), hourly, daily);
	return rows;
}

/*
 * _count_rows(leaf, before, seen, scan_from, hours, hourly, daily, most)
 */
Datum
apikey_count_rows(PG_FUNCTION_ARGS)
{
	ApikeyRollupRows *c = palloc0(sizeof(ApikeyRollupRows));
	char	   *query;
	int64		rows;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(5) || PG_ARGISNULL(6) || PG_ARGISNULL(7))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("what is to be counted must not be null")));
	apikey_newly_seen_begin(&c->sets, PG_ARGISNULL(1) ? NULL : PG_GETARG_POINTER(1),
							PG_ARGISNULL(2) ? NULL : PG_GETARG_POINTER(2));
	if (!PG_ARGISNULL(4))
	{
		Datum	   *hours;

		deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL,
						  TYPALIGN_DOUBLE, &hours, NULL, &c->nhours);
		c->hours = palloc(Max(c->nhours, 1) * sizeof(TimestampTz));
		for (int i = 0; i < c->nhours; i++)
			c->hours[i] = DatumGetTimestampTz(hours[i]);
	}
	c->most = PG_GETARG_INT32(7);
	apikey_rollup_rows_init(c);
	query = apikey_rollup_rows_query(PG_GETARG_OID(0), !PG_ARGISNULL(3), PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	c->spi_context = CurrentMemoryContext;
	rows = count_part(c, query, 0, 0, PG_GETARG_BOOL(5), PG_GETARG_BOOL(6));
	SPI_finish();
	PG_RETURN_INT64(rows);
}
