/*
 * replay_scan.c
 *		Recorded usage, replayed under today's rules and under proposed ones.
 *
 * Layer 4.  The planner chooses how to find the rows; each is judged as it
 * comes, in a DestReceiver.  Checks need no order.  Limits do, so a request of
 * a key that has limits, and that the checks of one side accept, is put aside
 * (attempt_sort.h) and charged when all have been read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/params.h"
#include "tcop/dest.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "attempt_sort.h"
#include "clock.h"
#include "replay_scan.h"
#include "usage_event.h"
#include "window.h"

/* So many ids at most make a condition of the query. */
#define IDS_MAX		1000

/* A text that was cut when it was recorded has at least so many bytes. */
#define CUT_SCOPE	(APIKEY_EVENT_SCOPE_MAX - MAX_MULTIBYTE_CHAR_LEN + 1)

#define INTERRUPT_EVERY	4096

/* The columns of the query. */
enum
{
	COL_KEY,
	COL_AT,
	COL_CODE,
	COL_UNITS,
	COL_SCOPE,
	COL_METHOD,
	COL_ENDPOINT,
	COL_IP,
	COL_ROW,
	COL_LEAF,
	NCOLS
};

#define USAGE_QUERY \
	"SELECT u.key_id, u.at, u.code, u.units, u.scope, u.method, u.endpoint, u.ip, u.ctid, u.tableoid " \
	"FROM apikey.usage u " \
	"WHERE u.at OPERATOR(pg_catalog.>=) $1 AND u.at OPERATOR(pg_catalog.<) $2"

/* Keys of the policy and their descendants. */
#define KEYS_QUERY \
	"WITH RECURSIVE concerned AS (" \
	" SELECT k.key_id FROM apikey.api_key k WHERE k.policy_id OPERATOR(pg_catalog.=) $1" \
	" UNION" \
	" SELECT k.key_id FROM concerned c" \
	"  JOIN apikey.api_key k ON k.parent_key_id OPERATOR(pg_catalog.=) c.key_id) " \
	"SELECT key_id FROM concerned"

/* The tenant of the policy and those below it. */
#define TENANTS_QUERY \
	"WITH RECURSIVE concerned AS (" \
	" SELECT p.tenant_id FROM apikey.policy p WHERE p.policy_id OPERATOR(pg_catalog.=) $1" \
	" UNION" \
	" SELECT t.tenant_id FROM concerned c" \
	"  JOIN apikey.tenant t ON t.parent_id OPERATOR(pg_catalog.=) c.tenant_id) " \
	"SELECT tenant_id FROM concerned"

typedef struct Replay
{
	DestReceiver pub;
	const ApikeyReplayJob *job;
	ApikeyReplayKeys *keys;
	ApikeyAttemptSort *sort;	/* NULL: nothing put aside yet */
	MemoryContext row_context;	/* texts of a row that had to be unpacked */
	bool		row_used;
	bool		same_checks;	/* the proposed rules have other limits only */
	int64		denied;

	ApikeyReplayKey *last;		/* the key of the row before */
	int64		last_id;

	ApikeyRequest request;
	ApikeyPreparedPath path;
	ApikeyStr	scopes[APIKEY_REQUIRED_SCOPES_MAX];
} Replay;

/* ---- a row as a request ---- */

/* A column of the row; good until the next row. */
static inline ApikeyStr
text_of(Replay *replay, TupleTableSlot *slot, int column)
{
	struct varlena *value;

	if (slot->tts_isnull[column])
		return (ApikeyStr) {NULL, 0};
	value = (struct varlena *) DatumGetPointer(slot->tts_values[column]);
	if (unlikely(VARATT_IS_COMPRESSED(value) || VARATT_IS_EXTERNAL(value)))
	{
		MemoryContext old = MemoryContextSwitchTo(replay->row_context);

		value = pg_detoast_datum_packed(value);
		replay->row_used = true;
		MemoryContextSwitchTo(old);
	}
	return (ApikeyStr) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* Codes that the checks of a key gave, other than for its state. */
static bool
was_judged(ApikeyStr code)
{
	static const ApikeyCode judged[] = {
		APIKEY_EXPIRED, APIKEY_IP_DENIED, APIKEY_ENDPOINT_DENIED, APIKEY_TIME_DENIED,
		APIKEY_INSUFFICIENT_SCOPE, APIKEY_QUOTA_EXCEEDED, APIKEY_RATE_LIMITED, APIKEY_UNAVAILABLE
	};

	if (likely(code.len == 5 && memcmp(code.ptr, "VALID", 5) == 0))
		return true;
	for (int i = 0; i < lengthof(judged); i++)
	{
		const char *name = apikey_code_name(judged[i]);

		if (strlen(name) == code.len && memcmp(name, code.ptr, code.len) == 0)
			return true;
	}
	return false;
}

/* Take the scopes apart that record.c has joined. */
static void
split_scopes(Replay *replay, ApikeyStr text)
{
	const char *start = text.ptr;
	const char *end;
	int			count = 0;

	replay->request.scopes.items = replay->scopes;
	replay->request.scopes.count = 0;
	if (text.ptr == NULL)
		return;
	end = text.ptr + text.len;
	while (count < APIKEY_REQUIRED_SCOPES_MAX)
	{
		const char *blank = memchr(start, ' ', end - start);

		/* nobody knows how a scope went on that was cut */
		if (blank == NULL && text.len >= CUT_SCOPE)
			break;
		replay->scopes[count++] = (ApikeyStr) {start, (int) ((blank != NULL ? blank : end) - start)};
		if (blank == NULL)
			break;
		start = blank + 1;
	}
	replay->request.scopes.count = count;
}

static void
fill_request(Replay *replay, const ApikeyReplayKey *key, TupleTableSlot *slot)
{
	ApikeyRequest *request = &replay->request;

	request->now = DatumGetTimestampTz(slot->tts_values[COL_AT]);
	split_scopes(replay, text_of(replay, slot, COL_SCOPE));
	request->method = text_of(replay, slot, COL_METHOD);
	request->endpoint = text_of(replay, slot, COL_ENDPOINT);
	replay->path.done = false;
	if (slot->tts_isnull[COL_IP])
		request->ip.family = 0;
	else
		request->ip = apikey_net_from_datum(slot->tts_values[COL_IP]);
	request->ip_blocked = apikey_rulecache_ip_blocked(key->shape->tenant, &request->ip, request->now);
}

/*
 * apikey_local_time() is a search through a zone's history.  Requests come
 * nearly in the order of time, so most of them lie in the minute of the one
 * before.  Offsets are whole minutes since long before 2000.
 */
static bool
local_time(const void *tz, int64_t at, int *dow, int *minute)
{
	static struct
	{
		const void *tz;
		int64		minute;
		int			dow;
		int			minute_of_day;
	} last;

	if (at < 0)
		return apikey_local_time(tz, at, dow, minute);
	if (last.tz != tz || last.minute != at / USECS_PER_MINUTE || tz == NULL)
	{
		last.tz = NULL;			/* until it is filled */
		if (!apikey_local_time(tz, at, &last.dow, &last.minute_of_day))
			return false;
		last.minute = at / USECS_PER_MINUTE;
		last.tz = tz;
	}
	*dow = last.dow;
	*minute = last.minute_of_day;
	return true;
}

/* ---- judging ---- */

static void
count(Replay *replay, ApikeyReplayKey *key, const ApikeyExample *example)
{
	bool		today = example->code[APIKEY_TODAY] == APIKEY_VALID;

	if (today == (example->code[APIKEY_PROPOSED] == APIKEY_VALID))
		return;
	replay->denied += today;
	apikey_replay_count(apikey_replay_keys_difference(replay->keys, key), example);
}

static bool
enough(const Replay *replay)
{
	return replay->job->most > 0 && replay->denied >= replay->job->most;
}

/* One row of usage.  False: no more of them. */
static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	Replay	   *replay = (Replay *) self;
	ApikeyReplayKey *key;
	const ApikeyReplayShape *shape;
	const ApikeyRecord *records;
	ApikeyVerdict verdict;
	ApikeyExample example;
	ItemPointer row;
	int64		key_id;

	slot_getallattrs(slot);
	if (slot->tts_isnull[COL_KEY] || !was_judged(text_of(replay, slot, COL_CODE)))
		return true;
	key_id = DatumGetInt64(slot->tts_values[COL_KEY]);
	if (key_id != replay->last_id)
	{
		replay->last = apikey_replay_keys_find(replay->keys, key_id);
		replay->last_id = key_id;
	}
	key = replay->last;
	if (key == NULL)
		return true;
	key->requests++;
	shape = key->shape;
	fill_request(replay, key, slot);

	records = apikey_replay_keys_records(key);
	apikey_decide(&records[APIKEY_TODAY], &replay->request, &verdict);
	example.code[APIKEY_TODAY] = example.code[APIKEY_PROPOSED] = (uint8) verdict.code;
	if (!replay->same_checks)
	{
		apikey_decide(&records[APIKEY_PROPOSED], &replay->request, &verdict);
		example.code[APIKEY_PROPOSED] = (uint8) verdict.code;
	}
	if (unlikely(replay->row_used))
	{
		MemoryContextReset(replay->row_context);
		replay->row_used = false;
	}
	example.at = replay->request.now;
	row = (ItemPointer) DatumGetPointer(slot->tts_values[COL_ROW]);
	example.row = ((uint64) ItemPointerGetBlockNumberNoCheck(row) << 16) |
		ItemPointerGetOffsetNumberNoCheck(row);
	example.leaf = DatumGetObjectId(slot->tts_values[COL_LEAF]);

	if ((example.code[APIKEY_TODAY] == APIKEY_VALID && shape->nlimits[APIKEY_TODAY] > 0) ||
		(example.code[APIKEY_PROPOSED] == APIKEY_VALID && shape->nlimits[APIKEY_PROPOSED] > 0))
	{
		ApikeyAttempt *attempt;

		if (replay->sort == NULL)
		{
			MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(replay));

			replay->sort = apikey_attempt_sort_begin((Size) work_mem * 1024);
			MemoryContextSwitchTo(old);
		}
		attempt = apikey_attempt_sort_put(replay->sort);
		attempt->request = example;
		attempt->key = key;
		attempt->units = DatumGetInt64(slot->tts_values[COL_UNITS]);
		return true;
	}
	count(replay, key, &example);
	return !enough(replay);
}

/* Charge what was put aside, in the order of time. */
static void
charge_all(Replay *replay)
{
	const ApikeyAttempt *attempt;
	int			until_interrupt = INTERRUPT_EVERY;

	apikey_attempt_sort_done(replay->sort);
	while (!enough(replay) && (attempt = apikey_attempt_sort_next(replay->sort)) != NULL)
	{
		ApikeyReplayKey *key = attempt->key;
		ApikeyExample example = attempt->request;

		for (int side = 0; side < APIKEY_SIDES; side++)
			if (example.code[side] == APIKEY_VALID)
				example.code[side] = (uint8)
					apikey_replay_charge(key->shape->limits[side], key->buckets[side],
										 key->shape->nlimits[side], attempt->units,
										 example.at, apikey_window_at);
		count(replay, key, &example);
		if (--until_interrupt == 0)
		{
			CHECK_FOR_INTERRUPTS();
			until_interrupt = INTERRUPT_EVERY;
		}
	}
	apikey_attempt_sort_end(replay->sort);
}

/* ---- the scan ---- */

static void
ignore_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
ignore(DestReceiver *self)
{
}

/* Ids that a query finds for the policy, as int8[]; NULL: more than IDS_MAX. */
static ArrayType *
find_ids(const char *query, int64 policy_id)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(policy_id)};
	Datum	   *ids;
	bool		isnull;

	if (SPI_execute_with_args(query, 1, types, values, NULL, true, IDS_MAX + 1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for keys of a policy");
	if (SPI_processed > IDS_MAX)
		return NULL;
	ids = palloc(sizeof(Datum) * Max(SPI_processed, 1));
	for (uint64 i = 0; i < SPI_processed; i++)
		ids[i] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull);
	return construct_array(ids, (int) SPI_processed, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

static bool
is_empty(const ArrayType *ids)
{
	return ARR_NDIM(ids) == 0;
}

static void
set_param(ParamListInfo params, int n, Oid type, Datum value)
{
	params->params[n].value = value;
	params->params[n].isnull = false;
	params->params[n].pflags = PARAM_FLAG_CONST;
	params->params[n].ptype = type;
}

/*
 * Few keys are asked for by their ids, which an index may serve; with many the
 * rows of their tenants are, and those of other keys are passed over.
 */
static void
scan_usage(Replay *replay)
{
	const ApikeyReplayJob *job = replay->job;
	int64		policy_id = job->proposed->policy.policy_id;
	Oid			types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8ARRAYOID};
	ParamListInfo params = makeParamList(3);
	SPIExecuteOptions options;
	SPIPlanPtr	plan;
	const char *condition = " AND u.key_id OPERATOR(pg_catalog.=) ANY ($3)";
	ArrayType  *ids = find_ids(KEYS_QUERY, policy_id);
	char	   *query;

	if (ids == NULL)
	{
		condition = " AND u.tenant_id OPERATOR(pg_catalog.=) ANY ($3)";
		ids = find_ids(TENANTS_QUERY, policy_id);
	}
	if (ids == NULL)
		condition = " AND $3 IS NULL";
	else if (is_empty(ids))
		return;
	set_param(params, 0, TIMESTAMPTZOID, TimestampTzGetDatum(job->since));
	set_param(params, 1, TIMESTAMPTZOID, TimestampTzGetDatum(job->until));
	set_param(params, 2, INT8ARRAYOID, PointerGetDatum(ids));
	params->params[2].isnull = ids == NULL;

	/* not in parallel: rows cost more on their way than here */
	query = psprintf("%s%s", USAGE_QUERY, condition);
	plan = SPI_prepare_cursor(query, 3, types, CURSOR_OPT_CUSTOM_PLAN);
	if (plan == NULL)
		elog(ERROR, "could not prepare the scan of usage");
	memset(&options, 0, sizeof(options));
	options.params = params;
	options.read_only = true;
	options.dest = &replay->pub;
	if (SPI_execute_plan_extended(plan, &options) != SPI_OK_SELECT)
		elog(ERROR, "could not scan usage");
	SPI_freeplan(plan);
}

ApikeyReplayKeys *
apikey_replay_run(const ApikeyReplayJob *job, int64 *denied)
{
	Replay	   *replay = palloc0(sizeof(*replay));
	const ApikeyRules *today;
	Oid			user;
	int			context;

	replay->pub.receiveSlot = receive_row;
	replay->pub.rStartup = ignore_startup;
	replay->pub.rShutdown = replay->pub.rDestroy = ignore;
	replay->pub.mydest = DestTuplestore;	/* anything but DestNone */
	replay->job = job;
	replay->keys = apikey_replay_keys_begin(job->proposed, apikey_clock_now(), GetActiveSnapshot());
	replay->row_context = AllocSetContextCreate(CurrentMemoryContext, "apikey replay row",
												ALLOCSET_DEFAULT_SIZES);
	replay->request.environment = (ApikeyStr) {NULL, 0};
	replay->request.local_time = local_time;
	replay->request.quiet = true;
	replay->request.prepared = &replay->path;
	today = apikey_replay_keys_today(replay->keys);
	replay->same_checks = today != NULL &&
		apikey_replay_same_checks(&today->policy, &job->proposed->policy) &&
		memcmp(&today->grace, &job->proposed->grace, sizeof(Interval)) == 0;

	/* as the owner of the tables, whom forced row security would stop */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(user, context | SECURITY_NOFORCE_RLS);
	SPI_connect();
	scan_usage(replay);
	SPI_finish();
	SetUserIdAndSecContext(user, context);

	if (replay->sort != NULL)
		charge_all(replay);
	*denied = replay->denied;
	return replay->keys;
}
