/* Unit tests of codes.c: the stable interface, spelled out a second time. */
#include "unit.h"

#include "codes.h"

static const struct
{
	int			number;
	ApikeyCode	code;
	const char *name;
	int			http_status;
} codes[] = {
	{0, APIKEY_VALID, "VALID", 200},
	{1, APIKEY_MALFORMED, "MALFORMED", 401},
	{2, APIKEY_NOT_FOUND, "NOT_FOUND", 401},
	{3, APIKEY_BLOCKED, "BLOCKED", 429},
	{4, APIKEY_TENANT_SUSPENDED, "TENANT_SUSPENDED", 403},
	{5, APIKEY_REVOKED, "REVOKED", 401},
	{6, APIKEY_SUPERSEDED, "SUPERSEDED", 401},
	{7, APIKEY_SUSPENDED, "SUSPENDED", 401},
	{8, APIKEY_PENDING, "PENDING", 401},
	{9, APIKEY_NOT_YET_VALID, "NOT_YET_VALID", 401},
	{10, APIKEY_EXPIRED, "EXPIRED", 401},
	{11, APIKEY_ENVIRONMENT_MISMATCH, "ENVIRONMENT_MISMATCH", 403},
	{12, APIKEY_IP_DENIED, "IP_DENIED", 403},
	{13, APIKEY_ENDPOINT_DENIED, "ENDPOINT_DENIED", 403},
	{14, APIKEY_TIME_DENIED, "TIME_DENIED", 403},
	{15, APIKEY_INSUFFICIENT_SCOPE, "INSUFFICIENT_SCOPE", 403},
	{16, APIKEY_QUOTA_EXCEEDED, "QUOTA_EXCEEDED", 429},
	{17, APIKEY_RATE_LIMITED, "RATE_LIMITED", 429},
	{18, APIKEY_UNAVAILABLE, "UNAVAILABLE", 503},
	{19, APIKEY_LOGGED, "LOGGED", 200},
};

static const struct
{
	int			bit;
	const char *name;
} warnings[] = {
	{APIKEY_WARN_EXPIRES_SOON, "EXPIRES_SOON"},
	{APIKEY_WARN_OLD_SECRET, "OLD_SECRET"},
	{APIKEY_WARN_IN_GRACE, "IN_GRACE"},
	{APIKEY_WARN_SOFT_LIMIT, "SOFT_LIMIT"},
	{APIKEY_WARN_LEAK_SUSPECTED, "LEAK_SUSPECTED"},
};

int
main(void)
{
	const int	outside[] = {-1, APIKEY_NCODES, APIKEY_NCODES + 1, 1000, INT32_MAX, INT32_MIN};

	unit_begin();

	CHECK_INT(lengthof(codes), APIKEY_NCODES);
	for (int i = 0; i < lengthof(codes); i++)
	{
		CHECK_INT(codes[i].code, codes[i].number);
		CHECK_TEXT(apikey_code_name(codes[i].code), codes[i].name);
		CHECK_INT(apikey_code_http_status(codes[i].code), codes[i].http_status);
	}
	for (int i = 0; i < lengthof(outside); i++)
	{
		CHECK_TEXT(apikey_code_name((ApikeyCode) outside[i]), "UNKNOWN");
		CHECK_INT(apikey_code_http_status((ApikeyCode) outside[i]), 500);
	}

	CHECK_INT(lengthof(warnings), APIKEY_NWARNINGS);
	for (int i = 0; i < lengthof(warnings); i++)
	{
		CHECK_INT(warnings[i].bit, 1 << i);
		CHECK_TEXT(apikey_warning_name(i), warnings[i].name);
	}
	CHECK_TEXT(apikey_warning_name(-1), "UNKNOWN");
	CHECK_TEXT(apikey_warning_name(APIKEY_NWARNINGS), "UNKNOWN");

	return unit_done("test_codes");
}
