/*
 * shmem.c
 *		The shared memory of the extension: reserve, create, attach.
 *
 * Layer 2.  Each user of shared memory sizes and initialises its own part, all
 * under one lock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "compat.h"
#include "guard.h"
#include "limiter.h"
#include "shmem.h"
#include "slot.h"
#include "step_up.h"

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
request(void)
{
	if (previous_request_hook)
		previous_request_hook();

	RequestAddinShmemSpace(add_size(add_size(apikey_slot_shmem_size(),
											 apikey_limiter_shmem_size()),
									add_size(apikey_guard_shmem_size(),
											 apikey_step_up_shmem_size())));
	RequestNamedLWLockTranche("apikey", apikey_slot_lwlocks() +
							  apikey_limiter_lwlocks() + apikey_step_up_lwlocks());
}

static void
startup(void)
{
	void	   *memory;
	LWLockPadded *locks;
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	/*
	 * With EXEC_BACKEND every process comes here and attaches; the lock makes
	 * the first one initialise alone.
	 */
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory = ShmemInitStruct("apikey control", apikey_slot_shmem_size(), &found);
	apikey_slot_shmem_init(memory, found);
	locks = GetNamedLWLockTranche("apikey") + apikey_slot_lwlocks();
	apikey_limiter_shmem_init(locks);
	apikey_guard_shmem_init();
	apikey_step_up_shmem_init(locks + apikey_limiter_lwlocks());
	LWLockRelease(AddinShmemInitLock);
}

void
apikey_shmem_register(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

bool
apikey_shmem_ready(void)
{
	return apikey_control != NULL;
}

void
apikey_require_shmem(void)
{
	if (unlikely(!apikey_shmem_ready()))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("apikey must be loaded via \"%s\"", "shared_preload_libraries"),
				 errhint("Add apikey to \"%s\" and restart the server.",
						 "shared_preload_libraries")));
}
