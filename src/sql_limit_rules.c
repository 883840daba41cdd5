/*
 * sql_limit_rules.c
 *		SQL functions that judge definitions of limits before they are stored.
 *
 * Layer 6.  Neither reads a table.  valid_limits() is a constraint of the
 * tables and knows no time zones: which ones there are depends on the server,
 * and a dump must go into any.
 */
#include "postgres.h"

#include <ctype.h>

#include "fmgr.h"
#include "lib/stringinfo.h"

#include "limit_rules.h"

PG_FUNCTION_INFO_V1(apikey_valid_limits);
PG_FUNCTION_INFO_V1(apikey_check_limits);

/* digits and letters in a row that are no name but the text of some secret */
#define SECRET_RUN	22

/* Which definition, in a message. */
static char *
describe(ApikeyBucketKind kind, int element, ApikeyStr name)
{
	const char *what = kind == APIKEY_BUCKET_RATE ? "rate limit" : "quota";
	int			run = 0;
	int			longest = 0;

	for (int i = 0; i < name.len; i++)
	{
		run = isalnum((unsigned char) name.ptr[i]) ? run + 1 : 0;
		longest = Max(longest, run);
	}
	if (name.ptr == NULL || longest >= SECRET_RUN)
		return psprintf("%s %d", what, element);
	return psprintf("%s \"%.*s\"", what, name.len, name.ptr);
}

typedef struct FaultText
{
	const char *message;		/* %s: the definition, or the array */
	const char *detail;
	const char *hint;
} FaultText;

static const FaultText texts[] = {
	[APIKEY_LIMIT_DIMENSIONS] = {"%s must be a one-dimensional array"},
	[APIKEY_LIMIT_TOO_MANY] = {"too many limits",
		"A key, a policy or a tenant has at most 8 rate limits and quotas together.",
	"Leave out those that others imply."},
	[APIKEY_LIMIT_NULL] = {"%s must not contain null"},
	[APIKEY_LIMIT_NAME] = {"invalid name of %s",
	"A name has 1 to 63 bytes and no control characters."},
	[APIKEY_LIMIT_NAME_KEY] = {"the name of %s holds the text of a key",
		"Key texts are never stored.",
	"Name the key by its id or its hint."},
	[APIKEY_LIMIT_NAME_TWICE] = {"the name of %s is used twice",
		"The rate limits and quotas of a key, a policy or a tenant have different names.",
	"The name is what a verdict tells in limit_name."},
	[APIKEY_LIMIT_SHARED] = {"invalid \"shared\" of %s",
	"It is \"key\", the default, \"owner\", \"tenant\" or \"policy\"."},
	[APIKEY_LIMIT_REQUESTS] = {"requests of %s must be positive",
		NULL,
	"To let nothing pass, suspend the key."},
	[APIKEY_LIMIT_PER] = {"per of %s must be positive",
	"It is an interval, for example \"1 minute\"."},
	[APIKEY_LIMIT_PER_MONTHS] = {"per of %s must not contain months or years",
		"They differ in length.",
	"Give days, or use a quota with the period \"month\"."},
	[APIKEY_LIMIT_PER_LONG] = {"per of %s is too long",
	"The limit is 292 years."},
	[APIKEY_LIMIT_FAST] = {"%s is too fast",
		"Time is counted in nanoseconds: at most one request for each.",
	"A limit that nothing reaches can be left out."},
	[APIKEY_LIMIT_BURST] = {"burst of %s must be positive",
	"Left out, it is as large as requests."},
	[APIKEY_LIMIT_CAPACITY] = {"burst of %s is too large",
	"The time it takes to fill up, burst * per / requests, must be less than 292 years."},
	[APIKEY_LIMIT_UNITS] = {"units of %s must be between 1 and 4611686018427387903",
		NULL,
	"To let nothing pass, suspend the key."},
	[APIKEY_LIMIT_PERIOD] = {"invalid period of %s",
	"It is \"hour\", \"day\", \"week\", \"month\" or \"total\"."},
	[APIKEY_LIMIT_ZONE] = {"time zone of %s is not known",
		NULL,
	"The view pg_timezone_names lists the names."},
};

static ApikeyLimitFault
check(FunctionCallInfo fcinfo, bool zones, ApikeyBucketKind *kind, int *element,
	  ApikeyStr *name)
{
	return apikey_limit_rules_check(PG_ARGISNULL(0) ? NULL : &fcinfo->args[0].value,
									PG_ARGISNULL(1) ? NULL : &fcinfo->args[1].value,
									zones, kind, element, name);
}

Datum
apikey_valid_limits(PG_FUNCTION_ARGS)
{
	ApikeyBucketKind kind;
	int			element;
	ApikeyStr	name;

	PG_RETURN_BOOL(check(fcinfo, false, &kind, &element, &name) == APIKEY_LIMIT_OK);
}

/* apikey_check_limits raises an error that tells what is wrong, and how to do better. */
Datum
apikey_check_limits(PG_FUNCTION_ARGS)
{
	ApikeyBucketKind kind;
	int			element;
	ApikeyStr	name;
	ApikeyLimitFault fault = check(fcinfo, true, &kind, &element, &name);
	const char *what;

	if (fault == APIKEY_LIMIT_OK)
		PG_RETURN_VOID();
	if (fault == APIKEY_LIMIT_DIMENSIONS || fault == APIKEY_LIMIT_NULL)
		what = kind == APIKEY_BUCKET_RATE ? "rate_limits" : "quotas";
	else
		what = describe(kind, element, name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg_internal(texts[fault].message, what),
			 texts[fault].detail == NULL ? 0 : errdetail_internal("%s", texts[fault].detail),
			 texts[fault].hint == NULL ? 0 : errhint("%s", texts[fault].hint)));
}
