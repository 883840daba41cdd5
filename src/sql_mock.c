/*
 * sql_mock.c
 *		What SQL calls to make mock data.
 *
 * Layer 6.  Rights and arguments are checked by the body of mock_usage().
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "mock_load.h"
#include "mock_random.h"

PG_FUNCTION_INFO_V1(apikey_mock_unit_sql);
PG_FUNCTION_INFO_V1(apikey_mock_load_sql);

/* apikey._mock_unit(seed, number, topic) */
Datum
apikey_mock_unit_sql(PG_FUNCTION_ARGS)
{
	text	   *topic = PG_GETARG_TEXT_PP(2);
	uint64		hash = UINT64CONST(14695981039346656037);	/* FNV-1a */

	for (int i = 0; i < VARSIZE_ANY_EXHDR(topic); i++)
		hash = (hash ^ (uint8) VARDATA_ANY(topic)[i]) * UINT64CONST(1099511628211);
	PG_RETURN_FLOAT8(apikey_mock_unit(apikey_mock_hash((uint64) PG_GETARG_INT64(0),
													   (uint64) PG_GETARG_INT64(1), hash)));
}

/* ---- the result ---- */

static void
add_instant(StringInfo out, TimestampTz at)
{
	int64		of_day = at % USECS_PER_DAY;
	char		date[10];

	if (of_day < 0)
		of_day += USECS_PER_DAY;
	apikey_mock_date(at, date);
	appendStringInfo(out, "%.10s %02d:%02d:%02d.%06d+00", date, (int) (of_day / USECS_PER_HOUR),
					 (int) (of_day / USECS_PER_MINUTE % 60), (int) (of_day / USECS_PER_SEC % 60),
					 (int) (of_day % USECS_PER_SEC));
}

static void
add_net(StringInfo out, const ApikeyNet *net)
{
	appendStringInfo(out, "%d.%d.%d.%d/%d", net->addr[0], net->addr[1], net->addr[2], net->addr[3], net->bits);
}

/* A condition on apikey.usage that the rows of the attack meet, and no others. */
static char *
condition(const ApikeyMockAttack *attack, int64 key_id)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "at >= '");
	add_instant(&out, attack->first_at);
	appendStringInfoString(&out, "' AND at <= '");
	add_instant(&out, attack->last_at);
	if (attack->key >= 0)
		appendStringInfo(&out, "' AND key_id = " INT64_FORMAT, key_id);
	else
		appendStringInfoString(&out, "' AND key_id IS NULL");
	if (attack->agent != NULL)
		appendStringInfo(&out, " AND user_agent = '%s'", attack->agent);
	return out.data;
}

static void
add_counts(StringInfo out, const int64 *counts)
{
	const char *comma = "";

	appendStringInfoString(out, "\"codes\": {");
	for (int i = 0; i < APIKEY_NCODES; i++)
	{
		if (counts[i] == 0)
			continue;
		appendStringInfo(out, "%s\"%s\": " INT64_FORMAT, comma, apikey_code_name((ApikeyCode) i), counts[i]);
		comma = ", ";
	}
	appendStringInfoChar(out, '}');
}

static void
put_row(ReturnSetInfo *result, const char *label, int64 key_id, TimestampTz first, TimestampTz last,
		int64 rows, const char *detail)
{
	Datum		values[6];
	bool		nulls[6] = {false};

	values[0] = CStringGetTextDatum(label);
	values[1] = Int64GetDatum(key_id);
	nulls[1] = key_id == 0;
	values[2] = TimestampTzGetDatum(first);
	values[3] = TimestampTzGetDatum(last);
	nulls[2] = nulls[3] = rows == 0;
	values[4] = Int64GetDatum(rows);
	values[5] = DirectFunctionCall1(jsonb_in, CStringGetDatum(detail));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_attack(ReturnSetInfo *result, const ApikeyMockResult *done, const ApikeyMockAttack *attack)
{
	int64		key_id = attack->key >= 0 ? done->key_ids[attack->key] : 0;
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoString(&detail, "{\"condition\": ");
	escape_json(&detail, condition(attack, key_id));
	if (attack->agent != NULL)
	{
		appendStringInfoString(&detail, ", \"user_agent\": ");
		escape_json(&detail, attack->agent);
	}
	if (attack->net.family != 0)
	{
		appendStringInfoString(&detail, ", \"network\": \"");
		add_net(&detail, &attack->net);
		appendStringInfoChar(&detail, '"');
	}
	appendStringInfoString(&detail, ", ");
	add_counts(&detail, attack->counts);
	appendStringInfoChar(&detail, '}');
	put_row(result, apikey_mock_attack_names[attack->kind], key_id, attack->first_at, attack->last_at,
			attack->rows, detail.data);
}

static void
put_rows(ReturnSetInfo *result, const ApikeyMockResult *done)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfoChar(&detail, '{');
	add_counts(&detail, done->counts);
	appendStringInfo(&detail, ", \"keys\": %d}", done->scene->traffic.nkeys);
	put_row(result, "traffic", 0, done->first_at, done->last_at, done->scene->traffic.rows, detail.data);
	for (int i = 0; i < done->scene->nattacks; i++)
		put_attack(result, done, &done->scene->attacks[i]);
}

/* ---- the function ---- */

static void
read_attacks(ArrayType *names, ApikeyMockJob *job)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	job->nattacks = 0;
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? "" : TextDatumGetCString(elements[i]);
		int			kind = 0;

		while (kind < APIKEY_MOCK_NATTACKS && strcmp(name, apikey_mock_attack_names[kind]) != 0)
			kind++;
		if (kind == APIKEY_MOCK_NATTACKS || job->nattacks == APIKEY_MOCK_NATTACKS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid attacks")));
		job->attacks[job->nattacks++] = (ApikeyMockAttackKind) kind;
	}
}

/* apikey._mock_load(n, since, until, seed, attacks) */
Datum
apikey_mock_load_sql(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ApikeyMockJob job;
	ApikeyMockResult *done;
	Oid			user;
	int			context;

	InitMaterializedSRF(fcinfo, 0);
	job.usage = get_relname_relid("usage", get_namespace_oid("apikey", false));
	job.rows = PG_GETARG_INT64(0);
	job.since = PG_GETARG_TIMESTAMPTZ(1);
	job.until = PG_GETARG_TIMESTAMPTZ(2);
	job.seed = PG_GETARG_INT64(3);
	read_attacks(PG_GETARG_ARRAYTYPE_P(4), &job);

	/* as the owner of the tables, whom forced row security would stop */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(user, context | SECURITY_NOFORCE_RLS);
	SPI_connect();
	done = apikey_mock_load(&job);
	SetUserIdAndSecContext(user, context);
	put_rows(result, done);
	SPI_finish();
	return (Datum) 0;
}
