/*
 * mock_load.c
 *		Mock traffic into the table of usage.
 *
 * Layer 5.  Rows come in order of time and go into their leaf as the writer's
 * do, a batch at a time and none across two leaves.  A leaf that takes more
 * than rows and plain index entries gets them through COPY's machinery.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "activity.h"
#include "mock_load.h"
#include "usage_event.h"
#include "usage_store.h"

/* encoded events of a batch */
#define BATCH_BYTES		(APIKEY_STORE_ROWS_MAX * 384 + APIKEY_EVENT_ENCODED_MAX)

#define KEYS_PER_FETCH	10000

/* keys in the order they were made, with their newest secret and the one before */
#define KEYS_QUERY \
	"SELECT k.key_id, k.tenant_id, k.environment_id," \
	" (k.metadata #>> '{mock,seed}')::pg_catalog.int8," \
	" (k.metadata #>> '{mock,number}')::pg_catalog.int8," \
	" k.metadata ->> 'api', k.metadata ->> 'timezone', k.cidrs[1], k.created_at, k.expires_at, k.revoked_at," \
	" CASE WHEN k.status <> 'suspended' THEN NULL" \
	" WHEN k.metadata #>> '{mock,suspended}' ~ '^[0-9]{1,10}$'" \
	" THEN pg_catalog.to_timestamp((k.metadata #>> '{mock,suspended}')::pg_catalog.float8) ELSE k.created_at END," \
	" s.ids[1], s.ids[2], s.created_at, s.old_ends_at" \
	" FROM apikey.api_key k CROSS JOIN LATERAL (" \
	"SELECT pg_catalog.array_agg(t.secret_id ORDER BY t.created_at DESC, t.secret_id DESC) AS ids," \
	" pg_catalog.max(t.created_at) AS created_at," \
	" (pg_catalog.array_agg(t.expires_at ORDER BY t.created_at DESC, t.secret_id DESC))[2] AS old_ends_at" \
	" FROM apikey.key_secret t WHERE t.key_id = k.key_id) s" \
	" WHERE k.tenant_id = ANY (apikey._mock_tenant_ids()) AND k.tags @> '{mock}'" \
	" AND k.status <> 'pending' AND k.metadata #>> '{mock,seed}' ~ '^[0-9]{1,10}$'" \
	" AND k.metadata #>> '{mock,number}' ~ '^[0-9]{1,9}$' AND s.ids IS NOT NULL ORDER BY k.key_id"

/* what the generator need not know of a key */
typedef struct LoadedKey
{
	int64		key_id;
	int64		tenant_id;
	int64		environment_id;
	int64		secret_id;
	int64		old_secret_id;
} LoadedKey;

typedef struct Loader
{
	ApikeyMockScene *scene;
	ApikeyMockResult *result;
	Oid			usage;
	LoadedKey  *keys;
	int			nkeys;
	int			room;
	pg_tz	   *zones[APIKEY_MOCK_ZONES_MAX];
	TimestampTz *ends;			/* of the leaves, ascending */
	int			nends;
	int			leaf;			/* the one the batch goes into */
	MemoryContext batch_context;
	char	   *batch;
	uint32		used;			/* bytes of it */
	int			batched;		/* rows in it */
} Loader;

static void *
palloc_large(Size size)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, size);
}

/* ---- keys ---- */

/* The number of a time zone; one that is not known is UTC. */
static int
find_zone(Loader *loader, const char *name)
{
	pg_tz	   *zone = name == NULL ? NULL : pg_tzset(name);
	int		   *n = &loader->scene->traffic.nzones;

	if (zone == NULL)
		zone = pg_tzset("UTC");
	for (int i = 0; i < *n; i++)
		if (loader->zones[i] == zone)
			return i;
	if (*n == APIKEY_MOCK_ZONES_MAX)
		return 0;
	loader->zones[*n] = zone;
	return (*n)++;
}

static int
local_quarter(void *arg, int zone, int64_t at)
{
	Loader	   *loader = arg;
	pg_time_t	time = timestamptz_to_time_t(at);
	struct pg_tm *local = pg_localtime(&time, loader->zones[zone]);

	return (local->tm_wday + 6) % 7 * 96 + local->tm_hour * 4 + local->tm_min / 15;
}

static int
find_api(const char *name)
{
	for (int i = 0; name != NULL && i < APIKEY_MOCK_NAPIS; i++)
		if (strcmp(name, apikey_mock_apis[i].name) == 0)
			return i;
	return 0;
}

static ApikeyNet
read_net(Datum value)
{
	inet	   *net = DatumGetInetPP(value);
	ApikeyNet	result;

	memset(&result, 0, sizeof(result));
	result.family = ip_family(net) == PGSQL_AF_INET ? 4 : 6;
	result.bits = ip_bits(net);
	memcpy(result.addr, ip_addr(net), result.family == 4 ? 4 : 16);
	return result;
}

static int64
get_int64(HeapTuple tuple, int column, int64 if_null)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? if_null : DatumGetInt64(value);
}

static void
read_key(Loader *loader, HeapTuple tuple)
{
	ApikeyMockTraffic *traffic = &loader->scene->traffic;
	LoadedKey  *loaded;
	ApikeyMockKey *key;
	Datum		net;
	bool		isnull;

	if (loader->nkeys == loader->room)
	{
		loader->room *= 2;
		loader->keys = repalloc_huge(loader->keys, sizeof(LoadedKey) * loader->room);
		traffic->keys = repalloc_huge(traffic->keys, sizeof(ApikeyMockKey) * loader->room);
	}
	loaded = &loader->keys[loader->nkeys];
	key = &traffic->keys[loader->nkeys++];
	memset(loaded, 0, sizeof(*loaded));
	memset(key, 0, sizeof(*key));
	loaded->key_id = get_int64(tuple, 1, 0);
	loaded->tenant_id = get_int64(tuple, 2, 0);
	loaded->environment_id = get_int64(tuple, 3, 0);
	key->identity = apikey_mock_hash((uint64) get_int64(tuple, 4, 0), (uint64) get_int64(tuple, 5, 0), 0);
	key->api = find_api(SPI_getvalue(tuple, SPI_tuptable->tupdesc, 6));
	key->zone = find_zone(loader, SPI_getvalue(tuple, SPI_tuptable->tupdesc, 7));
	net = SPI_getbinval(tuple, SPI_tuptable->tupdesc, 8, &isnull);
	if (!isnull)
		key->cidr = read_net(net);
	key->created_at = get_int64(tuple, 9, 0);
	key->expires_at = get_int64(tuple, 10, APIKEY_MOCK_NEVER);
	key->revoked_at = get_int64(tuple, 11, APIKEY_MOCK_NEVER);
	key->suspended_at = get_int64(tuple, 12, APIKEY_MOCK_NEVER);
	loaded->secret_id = get_int64(tuple, 13, 0);
	loaded->old_secret_id = get_int64(tuple, 14, 0);
	key->rotated = loaded->old_secret_id != 0;
	key->rotated_at = get_int64(tuple, 15, 0);
	key->old_ends_at = get_int64(tuple, 16, APIKEY_MOCK_NEVER);
}

static void
read_keys(Loader *loader)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan = SPI_prepare(KEYS_QUERY, 0, NULL);
	Portal		portal;

	if (plan == NULL)
		elog(ERROR, "could not prepare the query of mock keys");
	portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	for (;;)
	{
		MemoryContext old;

		SPI_cursor_fetch(portal, true, KEYS_PER_FETCH);
		if (SPI_processed == 0)
			break;
		old = MemoryContextSwitchTo(context);
		for (uint64 i = 0; i < SPI_processed; i++)
			read_key(loader, SPI_tuptable->vals[i]);
		MemoryContextSwitchTo(old);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
}

/* No key suits an attack. */
static void
no_victim(ApikeyMockAttackKind kind)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("there is no mock key for the attack \"%s\"", apikey_mock_attack_names[kind]),
			 kind == APIKEY_MOCK_AFTER_REVOCATION ?
			 errdetail("It takes a key that was revoked before the end of the range.") :
			 errdetail("It takes a key that lived all through it, another one for each attack."),
			 errhint("Make more keys with apikey.mock_keys(), or choose a later range.")));
}

/* ---- leaves ---- */

static void
read_leaves(Loader *loader)
{
	if (SPI_execute("SELECT l.ends_at FROM apikey._usage_leaves() l ORDER BY 1", true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for usage partitions");
	loader->ends = palloc(sizeof(TimestampTz) * Max(SPI_processed, 1));
	loader->nends = (int) SPI_processed;
	for (int i = 0; i < loader->nends; i++)
		loader->ends[i] = get_int64(SPI_tuptable->vals[i], 1, 0);
	SPI_freetuptable(SPI_tuptable);
	loader->leaf = 0;
}

/* ---- rows ---- */

static void
start_batch(Loader *loader)
{
	MemoryContext old = MemoryContextSwitchTo(loader->batch_context);

	apikey_usage_store_start();
	apikey_activity_start();
	loader->used = 0;
	loader->batched = 0;
	MemoryContextSwitchTo(old);
}

static void
store_batch(Loader *loader)
{
	CHECK_FOR_INTERRUPTS();
	apikey_usage_store_finish(loader->usage);
	apikey_activity_merge();
	MemoryContextReset(loader->batch_context);
}

static void
make_event(const Loader *loader, const ApikeyMockRow *row, ApikeyUsageEvent *event)
{
	memset(event, 0, sizeof(*event));
	event->at = row->at;
	if (row->key >= 0)
	{
		const LoadedKey *key = &loader->keys[row->key];

		event->tenant_id = key->tenant_id;
		event->key_id = key->key_id;
		event->secret_id = row->old_secret ? key->old_secret_id : key->secret_id;
		event->environment_id = key->environment_id;
	}
	event->code = (uint8) row->code;
	event->ip = row->ip;
	event->status = row->status;
	event->latency_us = row->latency_us;
	event->bytes_in = row->bytes_in;
	event->bytes_out = row->bytes_out;
	event->units = row->units;
	event->scope = row->scope;
	event->method = row->method;
	event->endpoint = row->endpoint;
	event->region = row->region;
	event->user_agent = row->user_agent;
	event->request_id = row->request_id;
}

static void
add_row(Loader *loader, const ApikeyMockRow *row)
{
	ApikeyUsageEvent event;
	uint32		size;
	char	   *record;

	if (loader->leaf < loader->nends && row->at >= loader->ends[loader->leaf])
	{
		store_batch(loader);
		start_batch(loader);
		while (loader->leaf < loader->nends && row->at >= loader->ends[loader->leaf])
			loader->leaf++;
	}
	else if (loader->batched == APIKEY_STORE_ROWS_MAX ||
			 loader->used + APIKEY_EVENT_ENCODED_MAX > BATCH_BYTES)
	{
		store_batch(loader);
		start_batch(loader);
	}

	make_event(loader, row, &event);
	size = apikey_event_size(&event);
	record = loader->batch + loader->used;
	apikey_event_encode(&event, record);
	apikey_usage_store_add(&event, record, size);
	loader->used += MAXALIGN(size);
	loader->batched++;
	apikey_activity_note(&event);
}

static void
make_rows(Loader *loader)
{
	ApikeyMockResult *result = loader->result;
	ApikeyMockAttack *attack;
	ApikeyMockRow row;

	start_batch(loader);
	while (apikey_mock_scene_next(loader->scene, &row, &attack))
	{
		add_row(loader, &row);
		if (attack != NULL)
			continue;
		result->counts[row.code]++;
		if (result->first_at == 0)
			result->first_at = row.at;
		result->last_at = row.at;
	}
	store_batch(loader);
}

ApikeyMockResult *
apikey_mock_load(const ApikeyMockJob *job)
{
	Loader		loader;
	ApikeyMockTraffic *traffic;
	ApikeyMockResult *result = palloc0(sizeof(*result));
	int			failed;

	memset(&loader, 0, sizeof(loader));
	loader.result = result;
	loader.usage = job->usage;
	loader.scene = result->scene = palloc0(sizeof(ApikeyMockScene));
	traffic = &loader.scene->traffic;
	loader.room = 1024;
	loader.keys = palloc(sizeof(LoadedKey) * loader.room);
	traffic->keys = palloc(sizeof(ApikeyMockKey) * loader.room);
	read_keys(&loader);
	if (loader.nkeys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("there are no mock keys"),
				 errhint("apikey.mock_keys() makes some.")));
	read_leaves(&loader);

	traffic->nkeys = loader.nkeys;
	traffic->members = palloc_large(sizeof(int) * loader.nkeys);
	traffic->alias = palloc_large(sizeof(ApikeyMockAlias) * loader.nkeys);
	traffic->scratch = palloc_large(sizeof(int) * loader.nkeys);
	traffic->since = job->since;
	traffic->until = job->until;
	traffic->rows = job->rows;
	traffic->seed = (uint64) job->seed;
	traffic->clock = local_quarter;
	traffic->clock_arg = &loader;
	loader.scene->nattacks = job->nattacks;
	for (int i = 0; i < job->nattacks; i++)
		loader.scene->attacks[i].kind = job->attacks[i];
	if (!apikey_mock_scene_begin(loader.scene, &failed))
		no_victim(job->attacks[failed]);

	loader.batch = palloc(BATCH_BYTES);
	loader.batch_context = AllocSetContextCreate(CurrentMemoryContext, "apikey mock batch",
												 ALLOCSET_DEFAULT_SIZES);
	apikey_activity_clear();	/* an error may have left something */
	make_rows(&loader);
	(void) apikey_activity_flush();
	apikey_activity_clear();

	result->key_ids = palloc_large(sizeof(int64) * loader.nkeys);
	for (int i = 0; i < loader.nkeys; i++)
		result->key_ids[i] = loader.keys[i].key_id;
	return result;
}
