/*
 * usage_copy.c
 *		A batch of usage events into the table, through COPY's machinery.
 *
 * Layer 5.  For batches that are no matter of rows and index entries only
 * (usage_store decides).  The batch is written in COPY's binary format into
 * memory and read back by COPY FROM: rows are routed to their partitions and
 * inserted many at a time, and index entries, constraints and triggers of the
 * leaves are taken care of.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "commands/copy.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "storage/lockdefs.h"
#include "utils/inet.h"
#include "utils/rel.h"

#include "compat.h"
#include "usage_copy.h"
#include "usage_row.h"

/* signature (11 bytes), flags and length of the header extension, both 0 */
static const char header[11 + 4 + 4] = "PGCOPY\n\377\r\n";

static StringInfoData batch;
static int	batch_read;			/* bytes that COPY has taken */

void
apikey_usage_copy_start(void)
{
	initStringInfo(&batch);
	enlargeStringInfo(&batch, 128 * 1024);
	appendBinaryStringInfo(&batch, header, sizeof(header));
	batch_read = 0;
}

static inline void
add_null(void)
{
	pq_sendint32(&batch, -1);
}

static inline void
add_int64(int64 value, bool isnull)
{
	if (isnull)
	{
		add_null();
		return;
	}
	pq_sendint32(&batch, 8);
	pq_sendint64(&batch, value);
}

static inline void
add_text(ApikeyStr text)
{
	if (text.ptr == NULL)
	{
		add_null();
		return;
	}
	pq_sendint32(&batch, text.len);
	appendBinaryStringInfo(&batch, text.ptr, text.len);
}

static void
add_ip(const ApikeyNet *ip)
{
	int			size = ip->family == 4 ? 4 : 16;

	if (ip->family == 0)
	{
		add_null();
		return;
	}
	pq_sendint32(&batch, 4 + size);
	pq_sendbyte(&batch, ip->family == 4 ? PGSQL_AF_INET : PGSQL_AF_INET6);
	pq_sendbyte(&batch, ip->bits);
	pq_sendbyte(&batch, 0);		/* inet, not cidr */
	pq_sendbyte(&batch, size);
	appendBinaryStringInfo(&batch, (const char *) ip->addr, size);
}

static void
add_jsonb(ApikeyStr text)
{
	if (text.ptr == NULL)
	{
		add_null();
		return;
	}
	pq_sendint32(&batch, 1 + text.len);
	pq_sendbyte(&batch, 1);		/* version of the format: JSON text */
	appendBinaryStringInfo(&batch, text.ptr, text.len);
}

void
apikey_usage_copy_add(const ApikeyUsageEvent *event)
{
	const char *code = apikey_code_name((ApikeyCode) event->code);

	pq_sendint16(&batch, USAGE_NCOLUMNS);
	add_int64(event->at, false);
	add_int64(event->tenant_id, event->tenant_id == 0);
	add_int64(event->key_id, event->key_id == 0);
	add_int64(event->secret_id, event->secret_id == 0);
	add_int64(event->environment_id, event->environment_id == 0);
	add_text((ApikeyStr) {code, (int) strlen(code)});
	add_text(event->scope);
	add_text(event->method);
	add_text(event->endpoint);
	if (event->status == -1)
		add_null();
	else
	{
		pq_sendint32(&batch, 4);
		pq_sendint32(&batch, event->status);
	}
	add_int64(event->latency_us, event->latency_us == -1);
	add_int64(event->bytes_in, event->bytes_in == -1);
	add_int64(event->bytes_out, event->bytes_out == -1);
	add_int64(event->units, false);
	add_ip(&event->ip);
	add_text(event->region);
	add_text(event->user_agent);
	add_text(event->request_id);
	add_jsonb(event->tags);
}

/* COPY's data source. */
static int
read_batch(void *out, int minread, int maxread)
{
	int			n = Min(maxread, batch.len - batch_read);

	memcpy(out, batch.data + batch_read, n);
	batch_read += n;
	return n;
}

void
apikey_usage_copy_finish(Relation usage)
{
	ParseState *pstate;
	CopyFromState state;
	List	   *names = NIL;
	List	   *options;

	pq_sendint16(&batch, -1);	/* end of the data */
	batch_read = 0;

	for (int i = 0; i < USAGE_NCOLUMNS; i++)
		names = lappend(names, makeString(pstrdup(apikey_usage_columns[i].name)));
	options = list_make1(makeDefElem("format", (Node *) makeString(pstrdup("binary")), -1));

	pstate = make_parsestate(NULL);
	(void) addRangeTableEntryForRelation(pstate, usage, RowExclusiveLock, NULL, false, false);
	state = BeginCopyFrom(pstate, usage, NULL, NULL, false, read_batch, names, options);
	(void) CopyFrom(state);
	EndCopyFrom(state);
	free_parsestate(pstate);
}
