/*
 * sql_partition.c
 *		What making and taking away partitions of usage needs of C.
 *
 * Layer 6.
 */
#include "postgres.h"

#include "access/table.h"
#include "commands/cluster.h"
#include "fmgr.h"

#include "compat.h"

PG_FUNCTION_INFO_V1(apikey_rewrite_leaf);

/*
 * apikey._rewrite_leaf(leaf regclass)
 *
 * What VACUUM FULL does with a table, which SQL offers outside of transactions
 * only.  Rows keep their xmin, and those that somebody may still see as they
 * were are kept.
 */
Datum
apikey_rewrite_leaf(PG_FUNCTION_ARGS)
{
	apikey_compat_rewrite(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}
