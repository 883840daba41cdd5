/*
 * activity.c
 *		Last use and call counts of keys, gathered by the writer.
 *
 * Layer 5.  One row of key_activity would be updated by every verification;
 * instead the writer adds up what its batches hold and stores the sums every
 * apikey.activity_flush_interval.  A crash loses at most that much of them;
 * the usage rows are the record.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inet.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "activity.h"

/* from this status on an answer that log_usage() tells of is an error */
#define ERROR_STATUS	400

typedef struct Activity
{
	int64		key_id;			/* hash key, first */
	int64		tenant_id;
	TimestampTz first;			/* of the uses; 0 = none, only denials */
	TimestampTz last;
	ApikeyNet	ip;				/* of the last use that had one */
	int64		calls;			/* accepted verifications */
	int64		errors;			/* answers with an error status */
	int64		denials;		/* refused verifications */
} Activity;

static HTAB *merged = NULL;		/* committed batches */
static HTAB *pending = NULL;	/* the batch in progress */

static HTAB *
make_table(const char *name, MemoryContext context)
{
	HASHCTL		info;

	memset(&info, 0, sizeof(info));
	info.keysize = sizeof(int64);
	info.entrysize = sizeof(Activity);
	info.hcxt = context;
	return hash_create(name, 1024, &info, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
add(HTAB *table, const Activity *more)
{
	bool		found;
	Activity   *entry = hash_search(table, &more->key_id, HASH_ENTER, &found);

	if (!found)
	{
		*entry = *more;
		return;
	}
	if (more->last != 0)
	{
		if (entry->last == 0 || more->first < entry->first)
			entry->first = more->first;
		if (entry->last == 0 || more->last >= entry->last)
		{
			entry->last = more->last;
			if (more->ip.family != 0)
				entry->ip = more->ip;
		}
	}
	entry->calls += more->calls;
	entry->errors += more->errors;
	entry->denials += more->denials;
}

void
apikey_activity_start(void)
{
	pending = make_table("apikey activity of a batch", CurrentMemoryContext);
}

void
apikey_activity_note(const ApikeyUsageEvent *event)
{
	Activity	one;

	if (event->key_id == 0)
		return;
	memset(&one, 0, sizeof(one));
	one.key_id = event->key_id;
	one.tenant_id = event->tenant_id;
	if (event->code == APIKEY_LOGGED)
		one.errors = event->status >= ERROR_STATUS ? 1 : 0;
	else if (event->code == APIKEY_VALID)
		one.calls = 1;
	else
		one.denials = 1;

	/* who is always denied uses nothing: the key goes idle all the same */
	if (one.denials == 0)
	{
		one.first = one.last = event->at;
		one.ip = event->ip;
	}
	add(pending, &one);
}

void
apikey_activity_merge(void)
{
	HASH_SEQ_STATUS scan;
	Activity   *entry;

	if (merged == NULL)
		merged = make_table("apikey activity", TopMemoryContext);
	hash_seq_init(&scan, pending);
	while ((entry = hash_seq_search(&scan)) != NULL)
		add(merged, entry);
	pending = NULL;				/* its memory is the batch's */
}

long
apikey_activity_keys(void)
{
	return merged == NULL ? 0 : hash_get_num_entries(merged);
}

void
apikey_activity_clear(void)
{
	if (merged != NULL)
		hash_destroy(merged);
	merged = NULL;
}

static Datum
ip_datum(const ApikeyNet *ip, bool *isnull)
{
	inet	   *value;
	int			size = ip->family == 4 ? 4 : 16;

	*isnull = ip->family == 0;
	if (*isnull)
		return (Datum) 0;
	value = palloc0(sizeof(inet));
	ip_family(value) = ip->family == 4 ? PGSQL_AF_INET : PGSQL_AF_INET6;
	ip_bits(value) = ip->bits;
	memcpy(ip_addr(value), ip->addr, size);
	SET_INET_VARSIZE(value);
	return InetPGetDatum(value);
}

static Datum
make_array(Datum *values, bool *nulls, int count, Oid type, int16 length,
		   bool byval, char align)
{
	int			lower = 1;

	return PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower,
											  type, length, byval, align));
}

int64
apikey_activity_flush(void)
{
	static const char *const query =
		"SELECT apikey._flush_activity($1, $2, $3, $4, $5, $6, $7, $8)";
	Oid			types[] = {INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID,
	TIMESTAMPTZARRAYOID, INETARRAYOID, INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID};
	int			count = (int) apikey_activity_keys();
	Datum	   *column[8];
	bool	   *no_ip;
	bool	   *no_use;
	Datum		values[8];
	HASH_SEQ_STATUS scan;
	Activity   *entry;
	int			n = 0;

	if (count == 0)
		return 0;
	for (int i = 0; i < 8; i++)
		column[i] = palloc(sizeof(Datum) * count);
	no_ip = palloc(sizeof(bool) * count);
	no_use = palloc(sizeof(bool) * count);

	hash_seq_init(&scan, merged);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		column[0][n] = Int64GetDatum(entry->key_id);
		column[1][n] = Int64GetDatum(entry->tenant_id);
		column[2][n] = TimestampTzGetDatum(entry->first);
		column[3][n] = TimestampTzGetDatum(entry->last);
		column[4][n] = ip_datum(&entry->ip, &no_ip[n]);
		no_use[n] = entry->last == 0;
		column[5][n] = Int64GetDatum(entry->calls);
		column[6][n] = Int64GetDatum(entry->errors);
		column[7][n] = Int64GetDatum(entry->denials);
		n++;
	}
	for (int i = 0; i < 8; i++)
	{
		if (types[i] == INETARRAYOID)
			values[i] = make_array(column[i], no_ip, n, INETOID, -1, false, TYPALIGN_INT);
		else if (types[i] == TIMESTAMPTZARRAYOID)
			values[i] = make_array(column[i], no_use, n, TIMESTAMPTZOID, 8,
								   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
		else
			values[i] = make_array(column[i], NULL, n, INT8OID, 8,
								   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
	}

	SPI_connect();
	if (SPI_execute_with_args(query, 8, types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not call apikey._flush_activity()");
	SPI_finish();
	return n;
}
