/*
 * codes.c
 *		The answer codes of a verification, their texts and HTTP statuses.
 *
 * One table, in the order of the enum: a code cannot have a text without a
 * status.
 */
#include "codes.h"

typedef struct CodeInfo
{
	const char *name;
	int			http_status;
} CodeInfo;

static const CodeInfo code_info[APIKEY_NCODES] = {
	[APIKEY_VALID] = {"VALID", 200},
	[APIKEY_MALFORMED] = {"MALFORMED", 401},
	[APIKEY_NOT_FOUND] = {"NOT_FOUND", 401},
	[APIKEY_BLOCKED] = {"BLOCKED", 429},
	[APIKEY_TENANT_SUSPENDED] = {"TENANT_SUSPENDED", 403},
	[APIKEY_REVOKED] = {"REVOKED", 401},
	[APIKEY_SUPERSEDED] = {"SUPERSEDED", 401},
	[APIKEY_SUSPENDED] = {"SUSPENDED", 401},
	[APIKEY_PENDING] = {"PENDING", 401},
	[APIKEY_NOT_YET_VALID] = {"NOT_YET_VALID", 401},
	[APIKEY_EXPIRED] = {"EXPIRED", 401},
	[APIKEY_ENVIRONMENT_MISMATCH] = {"ENVIRONMENT_MISMATCH", 403},
	[APIKEY_IP_DENIED] = {"IP_DENIED", 403},
	[APIKEY_ENDPOINT_DENIED] = {"ENDPOINT_DENIED", 403},
	[APIKEY_TIME_DENIED] = {"TIME_DENIED", 403},
	[APIKEY_INSUFFICIENT_SCOPE] = {"INSUFFICIENT_SCOPE", 403},
	[APIKEY_QUOTA_EXCEEDED] = {"QUOTA_EXCEEDED", 429},
	[APIKEY_RATE_LIMITED] = {"RATE_LIMITED", 429},
	[APIKEY_UNAVAILABLE] = {"UNAVAILABLE", 503},
	[APIKEY_LOGGED] = {"LOGGED", 200},
};

/* in the order of the APIKEY_WARN_* bits */
static const char *const warning_names[APIKEY_NWARNINGS] = {
	"EXPIRES_SOON",
	"OLD_SECRET",
	"IN_GRACE",
	"SOFT_LIMIT",
	"LEAK_SUSPECTED",
};

/* The number may come from shared memory or a newer file: do not trust it. */
static inline int
code_in_range(ApikeyCode code)
{
	return (unsigned) code < (unsigned) APIKEY_NCODES;
}

const char *
apikey_code_name(ApikeyCode code)
{
	return code_in_range(code) ? code_info[code].name : "UNKNOWN";
}

int
apikey_code_http_status(ApikeyCode code)
{
	return code_in_range(code) ? code_info[code].http_status : 500;
}

const char *
apikey_warning_name(int n)
{
	return (n >= 0 && n < APIKEY_NWARNINGS) ? warning_names[n] : "UNKNOWN";
}
