/*
 * bound.c
 *		Parameters whose value only this library can give, for one transaction.
 *
 * Layer 1.  The invariant is in bound.h.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "utils/guc.h"

#include "bound.h"

/* apikey_bound_set() is at work */
static bool setting = false;

void
apikey_bound_define(const char *name, const char *description, char **variable,
					GucStringCheckHook check, GucStringAssignHook assign)
{
	DefineCustomStringVariable(name, description, NULL, variable, "", PGC_USERSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE | GUC_DISALLOW_IN_FILE,
							   check, assign, NULL);
}

bool
apikey_bound_allows(const char *name, GucSource source)
{
	if (setting)
		return true;
	if (InitializingParallelWorker && source == PGC_S_SESSION)
		return true;
	GUC_check_errcode(ERRCODE_INSUFFICIENT_PRIVILEGE);
	GUC_check_errmsg("parameter \"%s\" can only be emptied", name);
	GUC_check_errdetail("Functions of the extension apikey set it, for one transaction.");
	return false;
}

void
apikey_bound_set(const char *name, const char *value)
{
	volatile int applied = 0;

	PG_TRY();
	{
		setting = true;
		applied = set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
									GUC_ACTION_LOCAL, true, 0, false);
	}
	PG_FINALLY();
	{
		setting = false;
	}
	PG_END_TRY();

	/* what it was before must not go on as if this had happened */
	if (applied <= 0)
		elog(ERROR, "could not set parameter \"%s\"", name);
}
