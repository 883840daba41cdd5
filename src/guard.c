/*
 * guard.c
 *		The guard against guessing: failed look-ups per ip and minute.
 *
 * Layer 2.
 */
#include "postgres.h"

#include "guard.h"

Size
apikey_guard_shmem_size(void)
{
	return 0;
}

void
apikey_guard_shmem_init(void)
{
}

ApikeyGuardAnswer
apikey_guard_failed(const ApikeyNet *ip, TimestampTz now)
{
	return APIKEY_GUARD_PASS;
}
