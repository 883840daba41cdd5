/*
 * limits.c
 *		Check 13: all quotas and rate limits of a key, all or nothing.
 *
 * Layer 4.
 */
#include "postgres.h"

#include "limits.h"

void
apikey_limits_apply(ApikeyLimit *limits, int count, int64 units,
					TimestampTz now, ApikeyVerdict *verdict)
{
}
