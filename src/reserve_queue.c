/*
 * reserve_queue.c
 *		What verification asks of the writer.
 *
 * Layer 2.
 */
#include "postgres.h"

#include "reserve_queue.h"

bool
apikey_reserve_post(const ApikeyReserveRequest *request)
{
	return false;
}

bool
apikey_reserve_wait(const ApikeyBucketShared *bucket, TimestampTz deadline)
{
	return false;
}
