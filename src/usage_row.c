/*
 * usage_row.c
 *		A usage event on its way from the ring into the table.
 *
 * Layer 5.  Forms the tuple of an event.  The values live in a buffer of this
 * file for just as long as heap_form_tuple() needs to copy them, so that a row
 * costs one allocation, that of its tuple.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "usage_row.h"

const ApikeyUsageColumn apikey_usage_columns[USAGE_NCOLUMNS] = {
	[USAGE_AT] = {"at", TIMESTAMPTZOID},
	[USAGE_TENANT_ID] = {"tenant_id", INT8OID},
	[USAGE_KEY_ID] = {"key_id", INT8OID},
	[USAGE_SECRET_ID] = {"secret_id", INT8OID},
	[USAGE_ENVIRONMENT_ID] = {"environment_id", INT8OID},
	[USAGE_CODE] = {"code", TEXTOID},
	[USAGE_SCOPE] = {"scope", TEXTOID},
	[USAGE_METHOD] = {"method", TEXTOID},
	[USAGE_ENDPOINT] = {"endpoint", TEXTOID},
	[USAGE_STATUS] = {"status", INT4OID},
	[USAGE_LATENCY_US] = {"latency_us", INT8OID},
	[USAGE_BYTES_IN] = {"bytes_in", INT8OID},
	[USAGE_BYTES_OUT] = {"bytes_out", INT8OID},
	[USAGE_UNITS] = {"units", INT8OID},
	[USAGE_IP] = {"ip", INETOID},
	[USAGE_REGION] = {"region", TEXTOID},
	[USAGE_USER_AGENT] = {"user_agent", TEXTOID},
	[USAGE_REQUEST_ID] = {"request_id", TEXTOID},
	[USAGE_TAGS] = {"tags", JSONBOID},
};

/* room for the values of one row that are no plain numbers, each aligned */
#define TEXT_ROOM(max)	MAXALIGN(VARHDRSZ + (max))
#define VALUES_ROOM \
	(TEXT_ROOM(64) + TEXT_ROOM(APIKEY_EVENT_SCOPE_MAX) + \
	 TEXT_ROOM(APIKEY_EVENT_METHOD_MAX) + TEXT_ROOM(APIKEY_EVENT_ENDPOINT_MAX) + \
	 TEXT_ROOM(APIKEY_EVENT_REGION_MAX) + TEXT_ROOM(APIKEY_EVENT_AGENT_MAX) + \
	 TEXT_ROOM(APIKEY_EVENT_REQUEST_MAX) + MAXALIGN(sizeof(inet)))

static union
{
	char		bytes[VALUES_ROOM];
	uint64		align;
} room;

typedef struct Values
{
	Datum		value[USAGE_NCOLUMNS];
	bool		isnull[USAGE_NCOLUMNS];
	char	   *free;			/* next free byte of room, aligned */
} Values;

static inline void
put_int64(Values *values, int column, int64 value, bool isnull)
{
	values->value[column] = Int64GetDatum(value);
	values->isnull[column] = isnull;
}

/* Texts get the header they have on disk, so that they are copied only. */
static inline void
put_text(Values *values, int column, const char *text, int len)
{
	char	   *to = values->free;

	values->isnull[column] = text == NULL;
	values->value[column] = PointerGetDatum(to);
	if (text == NULL)
		return;
	if (len + VARHDRSZ_SHORT <= VARATT_SHORT_MAX)
	{
		SET_VARSIZE_SHORT(to, len + VARHDRSZ_SHORT);
		memcpy(to + VARHDRSZ_SHORT, text, len);
	}
	else
	{
		SET_VARSIZE(to, len + VARHDRSZ);
		memcpy(to + VARHDRSZ, text, len);
	}
	values->free = to + TEXT_ROOM(len);
	Assert(values->free <= room.bytes + VALUES_ROOM);
}

static inline void
put_ip(Values *values, const ApikeyNet *ip)
{
	inet	   *value = (inet *) values->free;

	values->isnull[USAGE_IP] = ip->family == 0;
	values->value[USAGE_IP] = InetPGetDatum(value);
	if (ip->family == 0)
		return;

	/* the macros look at the header for where the rest is */
	SET_VARSIZE(value, sizeof(inet));
	ip_family(value) = ip->family == 4 ? PGSQL_AF_INET : PGSQL_AF_INET6;
	ip_bits(value) = ip->bits;
	memcpy(ip_addr(value), ip->addr, ip->family == 4 ? 4 : 16);
	SET_INET_VARSIZE(value);
	values->free += MAXALIGN(sizeof(inet));
}

static inline void
put_jsonb(Values *values, ApikeyStr text)
{
	values->isnull[USAGE_TAGS] = text.ptr == NULL;
	values->value[USAGE_TAGS] = (Datum) 0;
	if (text.ptr != NULL)
		values->value[USAGE_TAGS] =
			DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup(text.ptr, text.len)));
}

HeapTuple
apikey_usage_row_tuple(const ApikeyUsageRow *row, TupleDesc desc)
{
	ApikeyUsageEvent event;
	Values		values;
	const char *code;

	/* it was decoded once already, when the batch was collected */
	if (!apikey_event_decode(row->record, row->len, &event))
		elog(ERROR, "usage event has changed in the ring");

	values.free = room.bytes;
	put_int64(&values, USAGE_AT, event.at, false);
	put_int64(&values, USAGE_TENANT_ID, event.tenant_id, event.tenant_id == 0);
	put_int64(&values, USAGE_KEY_ID, event.key_id, event.key_id == 0);
	put_int64(&values, USAGE_SECRET_ID, event.secret_id, event.secret_id == 0);
	put_int64(&values, USAGE_ENVIRONMENT_ID, event.environment_id, event.environment_id == 0);
	code = apikey_code_name((ApikeyCode) event.code);
	put_text(&values, USAGE_CODE, code, (int) strlen(code));
	put_text(&values, USAGE_SCOPE, event.scope.ptr, event.scope.len);
	put_text(&values, USAGE_METHOD, event.method.ptr, event.method.len);
	put_text(&values, USAGE_ENDPOINT, event.endpoint.ptr, event.endpoint.len);
	values.value[USAGE_STATUS] = Int32GetDatum(event.status);
	values.isnull[USAGE_STATUS] = event.status == -1;
	put_int64(&values, USAGE_LATENCY_US, event.latency_us, event.latency_us == -1);
	put_int64(&values, USAGE_BYTES_IN, event.bytes_in, event.bytes_in == -1);
	put_int64(&values, USAGE_BYTES_OUT, event.bytes_out, event.bytes_out == -1);
	put_int64(&values, USAGE_UNITS, event.units, false);
	put_ip(&values, &event.ip);
	put_text(&values, USAGE_REGION, event.region.ptr, event.region.len);
	put_text(&values, USAGE_USER_AGENT, event.user_agent.ptr, event.user_agent.len);
	put_text(&values, USAGE_REQUEST_ID, event.request_id.ptr, event.request_id.len);
	put_jsonb(&values, event.tags);
	return heap_form_tuple(desc, values.value, values.isnull);
}
