/*
 * sql_guard.c
 *		_stat_guard(): a look at the guard against guessing.
 *
 * Layer 6.
 */
#include "postgres.h"

#include <sys/socket.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/inet.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "guard.h"
#include "shmem.h"

PG_FUNCTION_INFO_V1(apikey_stat_guard);

static Datum
net_as_inet(const ApikeyNet *net)
{
	inet	   *result = palloc0(sizeof(inet));

	ip_family(result) = net->family == 4 ? PGSQL_AF_INET : PGSQL_AF_INET6;
	ip_bits(result) = net->bits;
	memcpy(ip_addr(result), net->addr, ip_addrsize(result));
	SET_INET_VARSIZE(result);
	return InetPGetDatum(result);
}

/* A row for each address that the guard remembers of this database. */
Datum
apikey_stat_guard(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	ApikeyGuardInfo info;
	uint32		position = 0;

	apikey_require_shmem();
	InitMaterializedSRF(fcinfo, 0);

	while (apikey_guard_next(&position, &info))
	{
		Datum		values[5];
		bool		nulls[5] = {false};

		values[0] = net_as_inet(&info.ip);
		values[1] = TimestampTzGetDatum(info.window_start);
		values[2] = Int64GetDatum(info.attempts);
		values[3] = Int64GetDatum(info.blocked);
		values[4] = TimestampTzGetDatum(info.window_end);
		nulls[4] = info.blocked == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
