/*
 * init.c
 *		Loading of the library.
 *
 * Layer 6.  Not preloaded (pg_upgrade, a restore, LOAD): parameters and
 * functions exist, and the functions that need shared memory say so.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "changes.h"
#include "compat.h"
#include "crypto.h"
#include "dbhook.h"
#include "guc.h"
#include "launcher.h"
#include "plan_stats.h"
#include "shmem.h"
#include "step_up.h"

PG_MODULE_MAGIC_EXT(.name = "apikey", .version = APIKEY_VERSION);

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	if (!apikey_crypto_init())
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not initialize the cryptographic library")));
	apikey_step_up_define();
	apikey_guc_define();
	apikey_changes_init();
	if (!process_shared_preload_libraries_in_progress)
		return;
	apikey_shmem_register();
	apikey_launcher_register();
	apikey_dbhook_install();
	apikey_plan_stats_install();
}
