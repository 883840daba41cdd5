/*
 * limit_rules.c
 *		Limits as they are stored, turned into what is charged.
 *
 * Layer 3.
 */
#include "postgres.h"

#include "limit_rules.h"

ApikeyLimitDefList
apikey_limit_rules_defs(ApikeyScan *scan, int rate_limits, int quotas)
{
	return (ApikeyLimitDefList) {NULL, 0};
}

int
apikey_limit_rules_resolve(const ApikeyRecord *record, const ApikeyStr *owner,
						   ApikeyLimit **limits)
{
	*limits = NULL;
	return 0;
}
