/*
 * sql_preview.c
 *		_preview(): what other rules of a policy would have done to recorded
 *		traffic.
 *
 * Layer 6.  Called by bodies of management functions only, which have checked
 * what the caller may see.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "replay_scan.h"
#include "rules.h"

PG_FUNCTION_INFO_V1(apikey_preview);

#define PREVIEW_COLUMNS	7

/* The leaf that an example was read from last. */
typedef struct Leaf
{
	MemoryContext context;
	Relation	relation;		/* NULL: none */
	TupleTableSlot *slot;
} Leaf;

static void
close_leaf(Leaf *leaf)
{
	if (leaf->relation == NULL)
		return;
	ExecDropSingleTupleTableSlot(leaf->slot);
	table_close(leaf->relation, AccessShareLock);
	leaf->relation = NULL;
}

/* The row of an example into leaf->slot; false: it is not to be had. */
static bool
fetch_example(Leaf *leaf, const ApikeyExample *example)
{
	ItemPointerData row;

	if (leaf->relation == NULL || RelationGetRelid(leaf->relation) != example->leaf)
	{
		MemoryContext old = MemoryContextSwitchTo(leaf->context);

		close_leaf(leaf);
		/* the scan has locked it until the end of the transaction */
		leaf->relation = table_open(example->leaf, AccessShareLock);
		leaf->slot = table_slot_create(leaf->relation, NULL);
		MemoryContextSwitchTo(old);
	}
	if (leaf->relation->rd_rel->relkind != RELKIND_RELATION)
		return false;
	ItemPointerSet(&row, (BlockNumber) (example->row >> 16), (OffsetNumber) (example->row & 0xFFFF));
	return table_tuple_fetch_row_version(leaf->relation, &row, GetActiveSnapshot(), leaf->slot);
}

/* ---- JSON ---- */

static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, key);
	value.val.string.len = strlen(key);
	(void) pushJsonbValue(state, WJB_KEY, &value);
}

static void
push_text(JsonbParseState **state, const char *key, char *text)
{
	JsonbValue	value;

	push_key(state, key);
	value.type = jbvString;
	value.val.string.val = text;
	value.val.string.len = strlen(text);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_number(JsonbParseState **state, const char *key, int64 number)
{
	JsonbValue	value;

	push_key(state, key);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* {"IP_DENIED": 3, ...} */
static Datum
counts_as_json(const int64 *counts)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int code = 0; code < APIKEY_NCODES; code++)
		if (counts[code] > 0)
			push_number(&state, apikey_code_name((ApikeyCode) code), counts[code]);
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* A column of usage by its name, where it is not NULL. */
static void
push_column(JsonbParseState **state, const Leaf *leaf, const char *column)
{
	TupleDesc	desc = RelationGetDescr(leaf->relation);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		Datum		value;
		bool		isnull;
		Oid			output;
		bool		is_varlena;

		if (attribute->attisdropped || strcmp(NameStr(attribute->attname), column) != 0)
			continue;
		value = slot_getattr(leaf->slot, i + 1, &isnull);
		if (isnull)
			return;
		if (attribute->atttypid == INT8OID)
			push_number(state, column, DatumGetInt64(value));
		else
		{
			getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
			push_text(state, column, OidOutputFunctionCall(output, value));
		}
		return;
	}
}

static void
push_example(JsonbParseState **state, Leaf *leaf, const ApikeyExample *example)
{
	char		at[MAXDATELEN + 1];

	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	(void) JsonEncodeDateTime(at, TimestampTzGetDatum(example->at), TIMESTAMPTZOID, NULL);
	push_text(state, "at", pstrdup(at));
	push_text(state, "today", unconstify(char *, apikey_code_name((ApikeyCode) example->code[APIKEY_TODAY])));
	push_text(state, "proposed", unconstify(char *, apikey_code_name((ApikeyCode) example->code[APIKEY_PROPOSED])));
	if (fetch_example(leaf, example))
	{
		static const char *const columns[] = {
			"code", "ip", "method", "endpoint", "scope", "units", "request_id"
		};

		for (int i = 0; i < lengthof(columns); i++)
			push_column(state, leaf, columns[i]);
		ExecClearTuple(leaf->slot);
	}
	(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static Datum
examples_as_json(const ApikeyDifference *difference, Leaf *leaf)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < difference->nexamples; i++)
		push_example(&state, leaf, &difference->examples[i]);
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

/* ---- the function ---- */

/* A row for each key that differs. */
static void
put_rows(ApikeyReplayKeys *keys, ReturnSetInfo *result)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikey preview row",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Leaf		leaf = {old, NULL, NULL};
	uint64		position = 0;
	ApikeyReplayKey *key;

	while ((key = apikey_replay_keys_next(keys, &position)) != NULL)
	{
		const ApikeyDifference *difference = key->difference;
		Datum		values[PREVIEW_COLUMNS];
		bool		nulls[PREVIEW_COLUMNS] = {false};

		if (difference == NULL)
			continue;
		CHECK_FOR_INTERRUPTS();
		values[0] = Int64GetDatum(key->key_id);
		values[1] = Int64GetDatum(key->requests);
		values[2] = Int64GetDatum(difference->ndenied);
		values[3] = Int64GetDatum(difference->nallowed);
		values[4] = counts_as_json(difference->denied);
		values[5] = counts_as_json(difference->allowed);
		values[6] = examples_as_json(difference, &leaf);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(old);
	close_leaf(&leaf);
	MemoryContextDelete(context);
}

/* apikey_preview(policy_id, rules, since, until, most) */
Datum
apikey_preview(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikey preview",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old;
	ApikeyReplayJob job;
	ApikeyReplayKeys *keys;
	int64		denied;

	InitMaterializedSRF(fcinfo, 0);
	old = MemoryContextSwitchTo(context);
	job.proposed = apikey_rules_from_row(PG_GETARG_HEAPTUPLEHEADER(1), PG_GETARG_INT64(0));
	job.since = PG_GETARG_TIMESTAMPTZ(2);
	job.until = PG_GETARG_TIMESTAMPTZ(3);
	job.most = PG_GETARG_INT64(4);

	/* keys, rules and traffic as of one instant */
	PushActiveSnapshot(GetTransactionSnapshot());
	keys = apikey_replay_run(&job, &denied);
	put_rows(keys, result);
	PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}
