/*
 * limits.h
 *		Check 13: all quotas and rate limits of a key, all or nothing.
 *
 * Layer 4.
 */
#ifndef APIKEY_LIMITS_H
#define APIKEY_LIMITS_H

#include "postgres.h"
#include "utils/timestamp.h"

#include "decide.h"
#include "limit.h"

/*
 * apikey_limits_apply charges units to all limits, or to none, and puts the
 * outcome into verdict (code, remaining, limit_name, retry_after, detail and
 * the SOFT_LIMIT warning); verdict->code is APIKEY_VALID on entry.  units 0
 * charges nothing, never denies and only fills remaining.  May wait for the
 * writer, at most apikey.limit_wait; ends at cancel and terminate.
 */
extern void apikey_limits_apply(ApikeyLimit *limits, int count, int64 units,
								TimestampTz now, ApikeyVerdict *verdict);

#endif							/* APIKEY_LIMITS_H */
