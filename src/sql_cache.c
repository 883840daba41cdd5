/*
 * sql_cache.c
 *		_stat_cache(): the compiled keys of this session.
 *
 * Layer 6.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"

#include "keycache.h"

PG_FUNCTION_INFO_V1(apikey_stat_cache);

Datum
apikey_stat_cache(PG_FUNCTION_ARGS)
{
	ApikeyCacheStats stats;
	TupleDesc	desc;
	Datum		values[6];
	bool		nulls[6] = {false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE || desc->natts != 6)
		elog(ERROR, "unexpected row type of apikey._stat_cache()");
	apikey_keycache_stats(&stats);
	values[0] = Int64GetDatum(stats.hits);
	values[1] = Int64GetDatum(stats.misses);
	values[2] = Int64GetDatum(stats.invalidations);
	values[3] = Int64GetDatum(stats.evictions);
	values[4] = Int64GetDatum(stats.entries);
	values[5] = Int64GetDatum(stats.bytes);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
