/*
 * limiter.c
 *		The limit buckets of this server, in shared memory.
 *
 * Layer 2.
 */
#include "postgres.h"

#include "limiter.h"

Size
apikey_limiter_shmem_size(void)
{
	return 0;
}

int
apikey_limiter_lwlocks(void)
{
	return 0;
}

void
apikey_limiter_shmem_init(LWLockPadded *locks)
{
}
