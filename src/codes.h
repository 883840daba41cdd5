/*
 * codes.h
 *		The answer codes of a verification, their texts and HTTP statuses.
 *
 * Layer 0: C library only.  Codes are a stable interface: only ever added to,
 * never renumbered (the number travels through the usage ring, the text is
 * stored).
 */
#ifndef APIKEY_CODES_H
#define APIKEY_CODES_H

typedef enum ApikeyCode
{
	APIKEY_VALID = 0,
	APIKEY_MALFORMED,
	APIKEY_NOT_FOUND,
	APIKEY_BLOCKED,
	APIKEY_TENANT_SUSPENDED,
	APIKEY_REVOKED,
	APIKEY_SUPERSEDED,
	APIKEY_SUSPENDED,
	APIKEY_PENDING,
	APIKEY_NOT_YET_VALID,
	APIKEY_EXPIRED,
	APIKEY_ENVIRONMENT_MISMATCH,
	APIKEY_IP_DENIED,
	APIKEY_ENDPOINT_DENIED,
	APIKEY_TIME_DENIED,
	APIKEY_INSUFFICIENT_SCOPE,
	APIKEY_QUOTA_EXCEEDED,
	APIKEY_RATE_LIMITED,
	APIKEY_UNAVAILABLE,
	APIKEY_LOGGED,				/* a usage row of log_usage(), no decision */
	APIKEY_NCODES
} ApikeyCode;

/* bits of ApikeyVerdict.warnings */
#define APIKEY_WARN_EXPIRES_SOON	0x01
#define APIKEY_WARN_OLD_SECRET		0x02
#define APIKEY_WARN_IN_GRACE		0x04
#define APIKEY_WARN_SOFT_LIMIT		0x08
#define APIKEY_WARN_LEAK_SUSPECTED	0x10
#define APIKEY_NWARNINGS			5

/* apikey_code_name returns the stable text of a code, "UNKNOWN" out of range. */
extern const char *apikey_code_name(ApikeyCode code);

/* apikey_code_http_status returns the HTTP status to answer with, 500 out of range. */
extern int	apikey_code_http_status(ApikeyCode code);

/* apikey_warning_name returns the text of warning bit number n (0-based), "UNKNOWN" out of range. */
extern const char *apikey_warning_name(int n);

#endif							/* APIKEY_CODES_H */
