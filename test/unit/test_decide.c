/* Unit tests of decide.c. */
#include "unit.h"

#include "decide.h"
#include "key_format.h"

#define SECOND	INT64_C(1000000)
#define HOUR	(3600 * SECOND)
#define DAY		(24 * HOUR)

/* Wednesday 2024-05-15 12:00 UTC */
#define NOW		(INT64_C(8901) * DAY + 12 * HOUR)

/*
 * A request against a key with two ancestors, of which only the key itself is
 * used unless nlinks says more.  Everything is allowed at the start; a test
 * changes what it is about.
 */
typedef struct Fixture
{
	ApikeyRecord record;
	ApikeyRequest request;
	ApikeyLink	links[APIKEY_LINKS_MAX];
	ApikeyPolicy policy[3];		/* of the key, its parent, its grandparent */
	ApikeyVerdict verdict;
} Fixture;

static Fixture *
fixture(void)
{
	static Fixture f;
	static const ApikeyStr all_scopes[] = {{"*", 1}};

	memset(&f, 0, sizeof(f));
	for (int i = 0; i < APIKEY_LINKS_MAX; i++)
	{
		f.links[i].key_id = 100 + i;
		f.links[i].status = APIKEY_KEY_ACTIVE;
		f.links[i].not_before = APIKEY_NO_TIME;
		f.links[i].expires_at = APIKEY_NO_TIME;
		f.links[i].expires_with_grace = APIKEY_NO_TIME;
		f.links[i].revoke_at = APIKEY_NO_TIME;
		f.links[i].revoked_at = APIKEY_NO_TIME;
		f.links[i].scopes = (ApikeyStrList) {all_scopes, 1};
		if (i < 3)
			f.links[i].policy = &f.policy[i];
	}
	f.record.key_id = 100;
	f.record.environment = S("production");
	f.record.secret_expires_at = APIKEY_NO_TIME;
	f.record.secret_revoked_at = APIKEY_NO_TIME;
	f.record.links = f.links;
	f.record.nlinks = 1;
	f.request.now = NOW;
	return &f;
}

static void
expect_at(Fixture *f, ApikeyCode code, unsigned warnings, const char *detail, int line)
{
	/* nothing may be left over from before */
	memset(&f->verdict, 0x7E, sizeof(f->verdict));
	apikey_decide(&f->record, &f->request, &f->verdict);
	unit_check(f->verdict.code == code, __FILE__, line, "%s, expected %s (detail: %s)",
			   apikey_code_name(f->verdict.code), apikey_code_name(code), f->verdict.detail);
	unit_check(f->verdict.warnings == warnings, __FILE__, line, "warnings %x, expected %x",
			   f->verdict.warnings, warnings);
	if (detail != NULL)
		unit_check(strcmp(f->verdict.detail, detail) == 0, __FILE__, line,
				   "detail '%s', expected '%s'", f->verdict.detail, detail);
	unit_check((f->verdict.detail[0] == '\0') == (code == APIKEY_VALID), __FILE__, line,
			   "detail '%s' with %s", f->verdict.detail, apikey_code_name(code));
}

#define EXPECT(f, code, warnings, detail)	expect_at(f, code, warnings, detail, __LINE__)
#define VALID(f)	expect_at(f, APIKEY_VALID, 0, "", __LINE__)

static ApikeyNet
v4(int a, int b, int c, int d, int bits)
{
	return (ApikeyNet) {4, (uint8_t) bits, {(uint8_t) a, (uint8_t) b, (uint8_t) c, (uint8_t) d}};
}

#define NETS(...) \
	((ApikeyNetList) {(const ApikeyNet[]) {__VA_ARGS__}, \
		(int) (sizeof((const ApikeyNet[]) {__VA_ARGS__}) / sizeof(ApikeyNet))})

/* ---- 4: tenant ---- */

static void
test_tenant(void)
{
	Fixture    *f = fixture();

	VALID(f);
	CHECK(f->verdict.expires_at == APIKEY_NO_TIME);
	f->record.tenant_suspended = true;
	EXPECT(f, APIKEY_TENANT_SUSPENDED, 0, "the tenant or one above it is suspended");
}

/* ---- 5: revoked, superseded ---- */

static void
test_revoked(void)
{
	Fixture    *f = fixture();

	f->links[0].status = APIKEY_KEY_REVOKED;
	f->links[0].revoked_at = NOW - DAY;
	EXPECT(f, APIKEY_REVOKED, 0, "the key is revoked");

	/* either mark is enough, and a clock set back revives nothing */
	f = fixture();
	f->links[0].status = APIKEY_KEY_REVOKED;
	EXPECT(f, APIKEY_REVOKED, 0, NULL);
	f->links[0].revoked_at = NOW + DAY;
	EXPECT(f, APIKEY_REVOKED, 0, NULL);
	f->links[0].status = APIKEY_KEY_ACTIVE;
	EXPECT(f, APIKEY_REVOKED, 0, NULL);

	/* scheduled */
	f = fixture();
	f->links[0].revoke_at = NOW + 1;
	VALID(f);
	f->links[0].revoke_at = NOW;
	EXPECT(f, APIKEY_REVOKED, 0, "the key is revoked");
	f->links[0].revoke_at = NOW - 1;
	EXPECT(f, APIKEY_REVOKED, 0, NULL);
	f->links[0].revoke_at = INT64_MAX;
	VALID(f);

	/* the secret */
	f = fixture();
	f->record.secret_revoked_at = NOW;
	EXPECT(f, APIKEY_REVOKED, 0, "this secret of the key is revoked");
	f->record.secret_revoked_at = NOW + DAY;
	EXPECT(f, APIKEY_REVOKED, 0, NULL);
	f->record.secret_revoked_at = NOW - DAY;
	f->record.secret_expires_at = NOW - DAY;
	EXPECT(f, APIKEY_REVOKED, 0, NULL);

	/* the end of the overlap */
	f = fixture();
	f->record.secret_expires_at = NOW + 1;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_OLD_SECRET, "");
	CHECK(f->verdict.expires_at == NOW + 1);
	f->record.secret_expires_at = NOW;
	EXPECT(f, APIKEY_SUPERSEDED, 0,
		   "this secret of the key was replaced and its overlap has ended");
	CHECK(f->verdict.expires_at == NOW);
	f->record.secret_expires_at = NOW - 1;
	EXPECT(f, APIKEY_SUPERSEDED, 0, NULL);
	f->record.secret_expires_at = INT64_MAX;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_OLD_SECRET, "");

	/* revoked before superseded */
	f->record.secret_expires_at = NOW - 1;
	f->links[0].status = APIKEY_KEY_REVOKED;
	EXPECT(f, APIKEY_REVOKED, 0, NULL);
}

/* ---- 6: suspended, pending, not before ---- */

static void
test_active(void)
{
	Fixture    *f = fixture();

	f->links[0].status = APIKEY_KEY_SUSPENDED;
	EXPECT(f, APIKEY_SUSPENDED, 0, "the key is suspended");
	f->links[0].status = APIKEY_KEY_PENDING;
	EXPECT(f, APIKEY_PENDING, 0, "the key waits for approval");
	f->links[0].status = (ApikeyKeyStatus) 99;
	EXPECT(f, APIKEY_SUSPENDED, 0, NULL);
	f->links[0].status = (ApikeyKeyStatus) -1;
	EXPECT(f, APIKEY_SUSPENDED, 0, NULL);

	f = fixture();
	f->links[0].not_before = NOW + 1;
	EXPECT(f, APIKEY_NOT_YET_VALID, 0, "the key is not valid yet");
	f->links[0].not_before = NOW;
	VALID(f);
	f->links[0].not_before = NOW - 1;
	VALID(f);
	f->links[0].not_before = INT64_MAX;
	EXPECT(f, APIKEY_NOT_YET_VALID, 0, NULL);
	f->links[0].not_before = APIKEY_NO_TIME;
	f->request.now = INT64_MIN;
	VALID(f);

	f = fixture();
	f->record.chain_broken = true;
	EXPECT(f, APIKEY_SUSPENDED, 0,
		   "the chain of parent keys is too deep or leads back to itself");

	/* a record that is not one */
	f = fixture();
	f->record.nlinks = 0;
	EXPECT(f, APIKEY_SUSPENDED, 0, "the record of the key is not complete");
	f->record.nlinks = -1;
	EXPECT(f, APIKEY_SUSPENDED, 0, NULL);
	f->record.nlinks = 3;
	f->record.links = NULL;
	EXPECT(f, APIKEY_SUSPENDED, 0, NULL);
}

/* ---- 7: expiry, grace, warnings ---- */

static void
test_expiry(void)
{
	Fixture    *f = fixture();

	f->links[0].expires_at = NOW + 1;
	VALID(f);
	CHECK(f->verdict.expires_at == NOW + 1);
	f->links[0].expires_at = NOW;
	EXPECT(f, APIKEY_EXPIRED, 0, "the key has expired");
	CHECK(f->verdict.expires_at == NOW);
	f->links[0].expires_at = NOW - 1;
	EXPECT(f, APIKEY_EXPIRED, 0, NULL);
	f->links[0].expires_at = INT64_MAX;
	VALID(f);
	f->links[0].expires_at = INT64_MIN + 1;
	EXPECT(f, APIKEY_EXPIRED, 0, NULL);

	/* grace */
	f->links[0].expires_at = NOW - HOUR;
	f->links[0].expires_with_grace = NOW + 1;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_IN_GRACE, "");
	CHECK(f->verdict.expires_at == NOW - HOUR);
	f->links[0].expires_with_grace = NOW;
	EXPECT(f, APIKEY_EXPIRED, 0, NULL);
	f->links[0].expires_with_grace = NOW - 1;
	EXPECT(f, APIKEY_EXPIRED, 0, NULL);
	f->links[0].expires_at = NOW;
	f->links[0].expires_with_grace = NOW + HOUR;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_IN_GRACE, "");
	f->links[0].expires_at = NOW + 1;
	VALID(f);
	f->links[0].expires_with_grace = NOW + 1;	/* a grace of nothing */
	VALID(f);
	f->links[0].expires_at = NOW;
	f->links[0].expires_with_grace = NOW;
	EXPECT(f, APIKEY_EXPIRED, 0, NULL);

	/* a grace without an expiry means nothing */
	f = fixture();
	f->links[0].expires_with_grace = NOW - 1;
	VALID(f);

	/* expires soon */
	f = fixture();
	f->request.expires_soon = 7 * DAY;
	VALID(f);
	f->links[0].expires_at = NOW + 7 * DAY + 1;
	VALID(f);
	f->links[0].expires_at = NOW + 7 * DAY;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_EXPIRES_SOON, "");
	f->links[0].expires_at = NOW + 1;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_EXPIRES_SOON, "");
	f->links[0].expires_at = NOW;
	EXPECT(f, APIKEY_EXPIRED, 0, NULL);
	f->links[0].expires_at = NOW - 1;
	f->links[0].expires_with_grace = NOW + HOUR;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_IN_GRACE, "");
	f->links[0].expires_at = INT64_MAX;
	VALID(f);
	f->request.now = -NOW;
	VALID(f);					/* the distance is more than int64 holds */
	f->request.now = NOW;
	f->request.expires_soon = INT64_MAX;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_EXPIRES_SOON, "");
	f->request.expires_soon = 0;
	f->links[0].expires_at = NOW + 1;
	f->links[0].expires_with_grace = APIKEY_NO_TIME;
	VALID(f);
	f->request.expires_soon = -1;
	VALID(f);

	/* the end of an overlap is OLD_SECRET, not EXPIRES_SOON */
	f = fixture();
	f->request.expires_soon = 7 * DAY;
	f->record.secret_expires_at = NOW + HOUR;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_OLD_SECRET, "");
	f->links[0].expires_at = NOW + DAY;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_OLD_SECRET | APIKEY_WARN_EXPIRES_SOON, "");
	CHECK(f->verdict.expires_at == NOW + HOUR);
	f->record.secret_expires_at = NOW + 2 * DAY;
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_OLD_SECRET | APIKEY_WARN_EXPIRES_SOON, "");
	CHECK(f->verdict.expires_at == NOW + DAY);

	/* no warning with a denial that comes later */
	f->request.environment = S("staging");
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0, NULL);
}

/* ---- 8: environment ---- */

static void
test_environment(void)
{
	Fixture    *f = fixture();

	f->request.environment = S("production");
	VALID(f);
	f->request.environment = S("staging");
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0,
		   "the request names environment \"staging\", the key belongs to environment \"production\"");
	f->request.environment = S("Production");
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0, NULL);
	f->request.environment = S("productio");
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0, NULL);
	f->request.environment = S("");
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0,
		   "the request names environment \"\", the key belongs to environment \"production\"");
	f->record.environment = S("");
	VALID(f);
	f->request.environment = S("a\"b");
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0,
		   "the request names environment (not shown), the key belongs to environment \"\"");
	f->record.environment = NO_STR;
	f->request.environment = S("x");
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0,
		   "the request names environment \"x\", the key belongs to environment NULL");
	f->request.environment = NO_STR;
	VALID(f);
}

/* ---- 9: networks ---- */

static void
test_networks(void)
{
	Fixture    *f = fixture();
	const char *need_ip = "no ip address was given, and network rules of the key need one";

	/* nothing restricts: any address, or none */
	VALID(f);
	f->request.ip = v4(10, 1, 2, 3, 32);
	VALID(f);

	f->record.ip_blocked = true;
	EXPECT(f, APIKEY_IP_DENIED, 0, "the ip address is on the block list");

	/* policy, allowed */
	f = fixture();
	f->policy[0].allowed_nets = NETS(v4(10, 0, 0, 0, 8), v4(192, 168, 0, 0, 16));
	EXPECT(f, APIKEY_IP_DENIED, 0, need_ip);
	f->request.ip = v4(10, 1, 2, 3, 32);
	VALID(f);
	f->request.ip = v4(192, 168, 2, 3, 32);
	VALID(f);
	f->request.ip = v4(11, 1, 2, 3, 32);
	EXPECT(f, APIKEY_IP_DENIED, 0,
		   "the ip address is in no network that the policy of the key allows");
	f->request.ip = v4(0, 0, 0, 0, 0);	/* a network, not all of it allowed */
	EXPECT(f, APIKEY_IP_DENIED, 0, NULL);
	f->request.ip = (ApikeyNet) {6, 128, {0x20, 1}};
	EXPECT(f, APIKEY_IP_DENIED, 0, NULL);
	f->request.ip = (ApikeyNet) {5, 32, {10, 1, 2, 3}};
	EXPECT(f, APIKEY_IP_DENIED, 0, need_ip);

	/* policy, denied */
	f = fixture();
	f->policy[0].denied_nets = NETS(v4(10, 66, 0, 0, 16));
	EXPECT(f, APIKEY_IP_DENIED, 0, need_ip);
	f->request.ip = v4(10, 1, 2, 3, 32);
	VALID(f);
	f->request.ip = v4(10, 66, 2, 3, 32);
	EXPECT(f, APIKEY_IP_DENIED, 0,
		   "the ip address is in a network that the policy of the key denies");
	f->request.ip = v4(10, 0, 0, 0, 8); /* a network, some of it denied */
	EXPECT(f, APIKEY_IP_DENIED, 0, NULL);
	f->request.ip = (ApikeyNet) {5, 32, {10, 1, 2, 3}};
	EXPECT(f, APIKEY_IP_DENIED, 0, need_ip);

	/* denied beats allowed */
	f->policy[0].allowed_nets = NETS(v4(10, 0, 0, 0, 8));
	f->request.ip = v4(10, 66, 2, 3, 32);
	EXPECT(f, APIKEY_IP_DENIED, 0,
		   "the ip address is in a network that the policy of the key denies");
	f->request.ip = v4(10, 65, 2, 3, 32);
	VALID(f);

	/* the key's own */
	f = fixture();
	f->links[0].nets = NETS(v4(10, 5, 0, 0, 16));
	EXPECT(f, APIKEY_IP_DENIED, 0, need_ip);
	f->request.ip = v4(10, 5, 2, 3, 32);
	VALID(f);
	f->request.ip = v4(10, 6, 2, 3, 32);
	EXPECT(f, APIKEY_IP_DENIED, 0, "the ip address is in no network of the key itself");

	/* policy AND key */
	f->policy[0].allowed_nets = NETS(v4(10, 5, 1, 0, 24), v4(10, 6, 0, 0, 16));
	f->request.ip = v4(10, 5, 1, 3, 32);
	VALID(f);
	f->request.ip = v4(10, 5, 2, 3, 32);	/* the key only */
	EXPECT(f, APIKEY_IP_DENIED, 0, NULL);
	f->request.ip = v4(10, 6, 1, 1, 32);	/* the policy only */
	EXPECT(f, APIKEY_IP_DENIED, 0, NULL);
	f->request.ip = v4(10, 7, 1, 1, 32);
	EXPECT(f, APIKEY_IP_DENIED, 0, NULL);

	/* without a policy */
	f->links[0].policy = NULL;
	f->request.ip = v4(10, 5, 2, 3, 32);
	VALID(f);
	f->request.ip.family = 0;
	EXPECT(f, APIKEY_IP_DENIED, 0, need_ip);
	f->links[0].nets.count = 0;
	VALID(f);
}

/* ---- 10: endpoints ---- */

static void
test_endpoints(void)
{
	Fixture    *f = fixture();
	const char *need_path = "no endpoint was given, and endpoint rules of the key need one";
	const char *plain = "the endpoint is no plain path: it must start with / and hold no //, "
		"backslash, . or .. segment, control character or encoded slash, and at most 2048 bytes";

	/* nothing restricts: anything goes */
	f->request.method = S("GET");
	f->request.endpoint = S("/v1/../x");
	VALID(f);

	/* policy, allowed */
	f->policy[0].allowed_endpoints = LIST(S("GET /v1/orders/*"), S("* /v1/reports/**"));
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, plain);
	f->request.endpoint = S("/v1/orders/42?x=1");
	VALID(f);
	f->request.method = S("get");
	VALID(f);
	f->request.method = S("POST");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
		   "no endpoint rule of the policy of the key allows the request");
	f->request.endpoint = S("/v1/reports/a/b");
	VALID(f);
	f->request.method = NO_STR; /* a rule for any method needs none */
	VALID(f);
	f->request.method = S("G E T");
	VALID(f);
	f->request.endpoint = S("/v1/orders/42");
	f->request.method = NO_STR;
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
		   "no endpoint rule of the policy of the key allows the request without a method");
	f->request.method = S("");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
		   "no endpoint rule of the policy of the key allows the request without a method");
	f->request.method = S("GET");
	f->request.endpoint = NO_STR;
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, need_path);
	f->request.endpoint = S("");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, need_path);
	f->request.endpoint = S("v1");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, plain);
	f->request.endpoint = S("?x");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, plain);

	/* policy, denied */
	f = fixture();
	f->request.method = S("GET");
	f->policy[0].denied_endpoints = LIST(S("POST /v1/admin/**"), S("/v1/secret"));
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, need_path);
	f->request.endpoint = S("/v1/../admin/x");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, plain);
	f->request.endpoint = S("/v1/x");
	VALID(f);
	f->request.endpoint = S("/v1/admin/x");
	VALID(f);
	f->request.method = S("post");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
		   "endpoint rule \"POST /v1/admin/**\" of the policy of the key denies the request");
	f->request.endpoint = S("/v1/%61dmin/x");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, NULL);
	f->request.method = NO_STR; /* it may have been POST */
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
		   "endpoint rule \"POST /v1/admin/**\" of the policy of the key denies the request without a method");
	f->request.method = S("POST ");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, NULL);
	f->request.endpoint = S("/v1/x");
	VALID(f);
	f->request.method = NO_STR;
	VALID(f);
	f->request.endpoint = S("/v1/secret");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, NULL);
	f->request.method = S("GET");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
		   "endpoint rule \"/v1/secret\" of the policy of the key denies the request");

	/* deny beats allow */
	f->policy[0].allowed_endpoints = LIST(S("/v1/**"));
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
		   "endpoint rule \"/v1/secret\" of the policy of the key denies the request");
	f->request.endpoint = S("/v1/open");
	VALID(f);
	f->request.endpoint = S("/v2/open");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, NULL);

	/* the key's own; policy AND key */
	f = fixture();
	f->request.method = S("GET");
	f->links[0].endpoints = LIST(S("/v1/a/**"));
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, need_path);
	f->request.endpoint = S("/v1/a/1");
	VALID(f);
	f->request.endpoint = S("/v1/b");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, "no endpoint rule of the key itself allows the request");
	f->policy[0].allowed_endpoints = LIST(S("/v1/*/1"), S("/v1/b"));
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, NULL);
	f->request.endpoint = S("/v1/a/2");
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
		   "no endpoint rule of the policy of the key allows the request");
	f->request.endpoint = S("/v1/a/1");
	VALID(f);
	f->links[0].policy = NULL;
	f->request.endpoint = S("/v1/a/2");
	VALID(f);

	/* a path at the limit, and over it */
	{
		static char path[APIKEY_PATH_MAX + 1];

		memset(path, 'a', sizeof(path));
		memcpy(path, "/v1/a/", 6);
		f->request.endpoint = (ApikeyStr) {path, APIKEY_PATH_MAX};
		VALID(f);
		f->request.endpoint = (ApikeyStr) {path, APIKEY_PATH_MAX + 1};
		EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, plain);
	}
}

/* ---- 11: hours ---- */

static bool
noon_monday(const void *tz, int64_t at, int *dow, int *minute)
{
	(void) tz;
	(void) at;
	*dow = 1;
	*minute = 720;
	return true;
}

static ApikeyWindow
window(const char *text, const void *tz)
{
	ApikeyWindow result = {0};

	CHECKF(apikey_window_parse((ApikeyStr) {text, (int) strlen(text)}, &result), "%s", text);
	result.tz = tz;
	return result;
}

static void
test_hours(void)
{
	Fixture    *f = fixture();
	ApikeyWindow windows[2];
	int			some_zone;

	f->policy[0].hours = (ApikeyWindowList) {windows, 1};
	windows[0] = window("mon-fri 09:00-17:00", NULL);
	VALID(f);
	windows[0] = window("wed 12:00-12:01", NULL);
	VALID(f);
	f->request.now = NOW - 1;
	EXPECT(f, APIKEY_TIME_DENIED, 0,
		   "the time is outside the access hours in the policy of the key");
	f->request.now = NOW + 60 * SECOND - 1;
	VALID(f);
	f->request.now = NOW + 60 * SECOND;
	EXPECT(f, APIKEY_TIME_DENIED, 0, NULL);
	f->request.now = NOW;
	windows[0] = window("thu 12:00-13:00", NULL);
	EXPECT(f, APIKEY_TIME_DENIED, 0, NULL);

	/* any of several */
	f->policy[0].hours.count = 2;
	windows[1] = window("11:00-13:00", NULL);
	VALID(f);
	windows[1] = window("13:00-11:00", NULL);
	EXPECT(f, APIKEY_TIME_DENIED, 0, NULL);

	/* zones: Monday noon there, Wednesday here; unknown zones never open */
	windows[1] = window("mon 12:00-13:00 Some/Zone", &some_zone);
	f->request.local_time = noon_monday;
	VALID(f);
	f->request.local_time = NULL;
	EXPECT(f, APIKEY_TIME_DENIED, 0, NULL);
	f->request.local_time = noon_monday;
	windows[1].tz = NULL;
	EXPECT(f, APIKEY_TIME_DENIED, 0, NULL);

	f->links[0].policy = NULL;
	VALID(f);
}

/* ---- 12: scopes ---- */

static void
test_scopes(void)
{
	Fixture    *f = fixture();

	f->links[0].scopes = LIST(S("orders:read"), S("users:*"));
	VALID(f);
	f->request.scopes = LIST(S("orders:read"));
	VALID(f);
	f->request.scopes = LIST(S("orders:write"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"orders:write\" is not held");
	f->request.scopes = LIST(S("orders:read"), S("users:write"));
	VALID(f);
	f->request.scopes = LIST(S("orders:read"), S("orders:write"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"orders:write\" is not held");
	f->request.scopes = LIST(S("orders:write|orders:read"));
	VALID(f);
	f->request.scopes = LIST(S("a|b"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"a|b\" is not held");
	f->request.scopes = LIST(S("orders:*"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"orders:*\" is not held");
	f->request.scopes = LIST(S("orders:read"), NO_STR);
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope NULL is not held");
	f->request.scopes = LIST(S(""));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"\" is not held");
	f->links[0].scopes = EMPTY_LIST;
	f->request.scopes = LIST(S("orders:read"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, NULL);
	f->request.scopes = EMPTY_LIST;
	VALID(f);

	/* the cut of the policy */
	f = fixture();
	f->links[0].scopes = LIST(S("*"));
	f->policy[0].max_scopes = LIST(S("orders:*"));
	f->request.scopes = LIST(S("users:read"));
	VALID(f);					/* has_max_scopes is not set */
	f->policy[0].has_max_scopes = true;
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"users:read\" is not held");
	f->request.scopes = LIST(S("orders:read"));
	VALID(f);
	f->request.scopes = LIST(S("users:read|orders:read"));
	VALID(f);
	f->links[0].scopes = LIST(S("orders:write"));
	f->request.scopes = LIST(S("orders:read"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, NULL);
	f->policy[0].max_scopes = EMPTY_LIST;
	f->request.scopes = LIST(S("orders:write"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, NULL);
	f->request.scopes = EMPTY_LIST;
	VALID(f);
	f->links[0].policy = NULL;
	f->request.scopes = LIST(S("orders:write"));
	VALID(f);

	/* what the policy requires, whatever was asked */
	f = fixture();
	f->policy[0].required_scopes = LIST(S("api"));
	VALID(f);
	f->links[0].scopes = LIST(S("orders:read"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0,
		   "scope \"api\", which the policy of the key requires, is not held");
	f->request.scopes = LIST(S("orders:read"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0,
		   "scope \"api\", which the policy of the key requires, is not held");
	f->links[0].scopes = LIST(S("orders:read"), S("api"));
	VALID(f);
	f->policy[0].has_max_scopes = true;
	f->policy[0].max_scopes = LIST(S("orders:*"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, NULL);
}

/* ---- ancestors ---- */

static void
test_ancestors(void)
{
	Fixture    *f = fixture();
	ApikeyWindow closed = window("thu 12:00-13:00", NULL);

	f->record.nlinks = 3;
	VALID(f);

	for (int i = 1; i < 3; i++)
	{
		char		detail[APIKEY_DETAIL_MAX];

#define DETAIL(format) (snprintf(detail, sizeof(detail), format, 100 + i), detail)

		f = fixture();
		f->record.nlinks = 3;
		f->links[i].status = APIKEY_KEY_SUSPENDED;
		EXPECT(f, APIKEY_SUSPENDED, 0, DETAIL("parent key %d is suspended"));
		f->links[i].status = APIKEY_KEY_PENDING;
		EXPECT(f, APIKEY_PENDING, 0, DETAIL("parent key %d waits for approval"));

		/* a revoked ancestor denies nothing by itself, its rules go on */
		f->links[i].status = APIKEY_KEY_REVOKED;
		f->links[i].revoked_at = NOW - 1;
		f->links[i].revoke_at = NOW - 1;
		VALID(f);
		f->links[i].expires_at = NOW;
		EXPECT(f, APIKEY_EXPIRED, 0, DETAIL("parent key %d has expired"));

		f = fixture();
		f->record.nlinks = 3;
		f->links[i].not_before = NOW + 1;
		EXPECT(f, APIKEY_NOT_YET_VALID, 0, DETAIL("parent key %d is not valid yet"));
		f->links[i].not_before = NOW;
		VALID(f);

		/* expiry, grace, warnings, the earliest end */
		f->links[0].expires_at = NOW + 10 * DAY;
		f->links[i].expires_at = NOW + DAY;
		VALID(f);
		CHECK(f->verdict.expires_at == NOW + DAY);
		f->links[0].expires_at = NOW + HOUR;
		VALID(f);
		CHECK(f->verdict.expires_at == NOW + HOUR);
		f->links[0].expires_at = NOW + 10 * DAY;
		f->request.expires_soon = 2 * DAY;
		EXPECT(f, APIKEY_VALID, APIKEY_WARN_EXPIRES_SOON, "");
		f->links[i].expires_at = NOW - 1;
		f->links[i].expires_with_grace = NOW + 1;
		EXPECT(f, APIKEY_VALID, APIKEY_WARN_IN_GRACE, "");
		f->links[0].expires_at = NOW + DAY;
		EXPECT(f, APIKEY_VALID, APIKEY_WARN_IN_GRACE | APIKEY_WARN_EXPIRES_SOON, "");
		f->links[i].expires_with_grace = NOW;
		EXPECT(f, APIKEY_EXPIRED, 0, NULL);

		/* the grace of the key does not help its parent, nor the other way */
		f->links[0].expires_with_grace = NOW + 10 * DAY;
		EXPECT(f, APIKEY_EXPIRED, 0, DETAIL("parent key %d has expired"));

		/* networks */
		f = fixture();
		f->record.nlinks = 3;
		f->links[0].nets = NETS(v4(10, 0, 0, 0, 8));
		f->links[i].nets = NETS(v4(10, 1, 0, 0, 16));
		f->request.ip = v4(10, 1, 0, 1, 32);
		VALID(f);
		f->request.ip = v4(10, 2, 0, 1, 32);
		EXPECT(f, APIKEY_IP_DENIED, 0,
			   DETAIL("the ip address is in no network of parent key %d itself"));
		f->links[0].nets.count = 0;
		f->request.ip.family = 0;
		EXPECT(f, APIKEY_IP_DENIED, 0,
			   DETAIL("no ip address was given, and network rules of parent key %d need one"));
		f->links[i].nets.count = 0;
		f->request.ip = v4(10, 2, 0, 1, 32);
		f->policy[i].allowed_nets = NETS(v4(10, 1, 0, 0, 16));
		EXPECT(f, APIKEY_IP_DENIED, 0,
			   DETAIL("the ip address is in no network that the policy of parent key %d allows"));
		f->policy[i].allowed_nets.count = 0;
		f->policy[i].denied_nets = NETS(v4(10, 2, 0, 0, 16));
		EXPECT(f, APIKEY_IP_DENIED, 0,
			   DETAIL("the ip address is in a network that the policy of parent key %d denies"));

		/* endpoints */
		f = fixture();
		f->record.nlinks = 3;
		f->request.method = S("GET");
		f->request.endpoint = S("/v1/a");
		f->links[i].endpoints = LIST(S("/v1/a"));
		VALID(f);
		f->request.endpoint = S("/v1/b");
		EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
			   DETAIL("no endpoint rule of parent key %d itself allows the request"));
		f->request.endpoint = NO_STR;
		EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
			   DETAIL("no endpoint was given, and endpoint rules of parent key %d need one"));
		f->request.endpoint = S("/v1/b");
		f->links[i].endpoints.count = 0;
		f->policy[i].denied_endpoints = LIST(S("/v1/b"));
		EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
			   DETAIL("endpoint rule \"/v1/b\" of the policy of parent key %d denies the request"));
		f->policy[i].denied_endpoints.count = 0;
		f->policy[i].allowed_endpoints = LIST(S("/v1/a"));
		EXPECT(f, APIKEY_ENDPOINT_DENIED, 0,
			   DETAIL("no endpoint rule of the policy of parent key %d allows the request"));

		/* hours */
		f = fixture();
		f->record.nlinks = 3;
		f->policy[i].hours = (ApikeyWindowList) {&closed, 1};
		EXPECT(f, APIKEY_TIME_DENIED, 0,
			   DETAIL("the time is outside the access hours in the policy of parent key %d"));

		/* scopes: held on every link, one and the same alternative */
		f = fixture();
		f->record.nlinks = 3;
		f->request.scopes = LIST(S("a"));
		f->links[0].scopes = LIST(S("a"), S("b"));
		f->links[i].scopes = LIST(S("a"));
		VALID(f);
		f->request.scopes = LIST(S("b"));
		EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"b\" is not held");
		f->request.scopes = LIST(S("b|a"));
		VALID(f);
		f->links[0].scopes = LIST(S("b"));
		EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"b|a\" is not held");

		/* the cut of an ancestor's policy */
		f->links[0].scopes = LIST(S("a"));
		VALID(f);
		f->policy[i].has_max_scopes = true;
		f->policy[i].max_scopes = LIST(S("b"));
		EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, NULL);

		/* what an ancestor's policy requires is asked of that ancestor */
		f = fixture();
		f->record.nlinks = 3;
		f->links[0].scopes = LIST(S("a"));
		f->policy[i].required_scopes = LIST(S("api"));
		VALID(f);
		f->links[i].scopes = LIST(S("a"));
		EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0,
			   DETAIL("scope \"api\", which the policy of parent key %d requires, is not held"));

		/* what the key's policy requires is asked of the ancestors too */
		f = fixture();
		f->record.nlinks = 3;
		f->policy[0].required_scopes = LIST(S("api"));
		VALID(f);
		f->links[i].scopes = LIST(S("a"));
		EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0,
			   "scope \"api\", which the policy of the key requires, is not held");
#undef DETAIL
	}

	/* suspended anywhere comes before pending anywhere */
	f = fixture();
	f->record.nlinks = 3;
	f->links[0].status = APIKEY_KEY_PENDING;
	f->links[2].status = APIKEY_KEY_SUSPENDED;
	EXPECT(f, APIKEY_SUSPENDED, 0, "parent key 102 is suspended");

	/* the deepest chain */
	f = fixture();
	f->record.nlinks = APIKEY_LINKS_MAX;
	VALID(f);
	f->links[APIKEY_LINKS_MAX - 1].status = APIKEY_KEY_SUSPENDED;
	f->links[APIKEY_LINKS_MAX - 1].key_id = INT64_MAX;
	EXPECT(f, APIKEY_SUSPENDED, 0, "parent key 9223372036854775807 is suspended");
	f->links[APIKEY_LINKS_MAX - 1].key_id = INT64_MIN;
	EXPECT(f, APIKEY_SUSPENDED, 0, "parent key -9223372036854775808 is suspended");
	f->record.nlinks--;
	VALID(f);
}

/* ---- the order: everything is wrong, and is mended check by check ---- */

static void
test_order(void)
{
	Fixture    *f = fixture();
	ApikeyWindow closed = window("thu 12:00-13:00", NULL);

	f->record.tenant_suspended = true;
	f->links[0].revoke_at = NOW;
	f->record.secret_expires_at = NOW;
	f->links[0].status = APIKEY_KEY_SUSPENDED;
	f->links[0].not_before = NOW + 1;
	f->links[0].expires_at = NOW;
	f->request.environment = S("staging");
	f->record.ip_blocked = true;
	f->policy[0].denied_endpoints = LIST(S("/**"));
	f->request.endpoint = S("/v1");
	f->policy[0].hours = (ApikeyWindowList) {&closed, 1};
	f->request.scopes = LIST(S("b"));
	f->links[0].scopes = LIST(S("a"));
	f->request.expires_soon = DAY;

	EXPECT(f, APIKEY_TENANT_SUSPENDED, 0, NULL);
	f->record.tenant_suspended = false;
	EXPECT(f, APIKEY_REVOKED, 0, NULL);
	f->links[0].revoke_at = APIKEY_NO_TIME;
	EXPECT(f, APIKEY_SUPERSEDED, 0, NULL);
	f->record.secret_expires_at = NOW + 1;
	EXPECT(f, APIKEY_SUSPENDED, 0, NULL);
	f->links[0].status = APIKEY_KEY_PENDING;
	EXPECT(f, APIKEY_PENDING, 0, NULL);
	f->links[0].status = APIKEY_KEY_ACTIVE;
	EXPECT(f, APIKEY_NOT_YET_VALID, 0, NULL);
	f->links[0].not_before = NOW;
	EXPECT(f, APIKEY_EXPIRED, 0, NULL);
	f->links[0].expires_with_grace = NOW + 1;
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0, NULL);
	f->request.environment = S("production");
	EXPECT(f, APIKEY_IP_DENIED, 0, NULL);
	f->record.ip_blocked = false;
	EXPECT(f, APIKEY_ENDPOINT_DENIED, 0, NULL);
	f->policy[0].denied_endpoints = EMPTY_LIST;
	EXPECT(f, APIKEY_TIME_DENIED, 0, NULL);
	f->policy[0].hours.count = 0;
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, NULL);
	f->request.scopes = LIST(S("a"));
	EXPECT(f, APIKEY_VALID, APIKEY_WARN_OLD_SECRET | APIKEY_WARN_IN_GRACE, "");
}

/* ---- what a detail may say ---- */

static void
test_details(void)
{
	Fixture    *f = fixture();
	unsigned char bytes[64];
	char		key[APIKEY_KEY_MAX + 1];
	char		text[400];
	char		expected[APIKEY_DETAIL_MAX];
	int			len;

	f->links[0].scopes = EMPTY_LIST;

	/* quoted whole up to 128 bytes, else not at all */
	memset(text, 'a', sizeof(text));
	f->request.scopes = LIST(((ApikeyStr) {text, 128}));
	snprintf(expected, sizeof(expected), "scope \"%.128s\" is not held", text);
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, expected);
	f->request.scopes = LIST(((ApikeyStr) {text, 129}));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope (not shown) is not held");
	f->request.scopes = LIST(((ApikeyStr) {text, 400}));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope (not shown) is not held");

	/* only what is plainly printable */
	for (int byte = 0; byte < 256; byte++)
	{
		char		one = (char) byte;
		bool		shown = byte >= 0x20 && byte <= 0x7E && byte != '"';

		f->request.scopes = LIST(((ApikeyStr) {&one, 1}));
		snprintf(expected, sizeof(expected), shown ? "scope \"%c\" is not held" :
				 "scope (not shown) is not held", one);
		EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, expected);
	}
	f->request.scopes = LIST(S("%s%n%d"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope \"%s%n%d\" is not held");
	f->request.scopes = LIST(S("caf\xc3\xa9"));
	EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, "scope (not shown) is not held");

	/* the longest sentence fits */
	f->request.environment = (ApikeyStr) {text, 128};
	f->record.environment = (ApikeyStr) {text, 127};
	snprintf(expected, sizeof(expected), "the request names environment \"%.128s\", "
			 "the key belongs to environment \"%.127s\"", text, text);
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0, expected);

	/* a key among the arguments is not repeated */
	for (int i = 0; i < 64; i++)
		bytes[i] = (unsigned char) (i * 7 + 1);
	f->request.environment = NO_STR;
	for (int nbytes = 16; nbytes <= 64; nbytes += 16)
	{
		ApikeyKeyParts parts;

		len = apikey_key_make("acme", "live", bytes, nbytes, key);
		CHECK(apikey_key_parse(key, (size_t) len, &parts));
		f->request.scopes = LIST(((ApikeyStr) {key, len}));
		EXPECT(f, APIKEY_INSUFFICIENT_SCOPE, 0, NULL);
		CHECKF(strstr(f->verdict.detail, "acme_live_****") != NULL, "%s", f->verdict.detail);
		key[parts.body_off + 6] = '\0';
		CHECK(strstr(f->verdict.detail, key + parts.body_off) == NULL);
	}
	len = apikey_key_make("acme", "live", bytes, 32, key);
	f->request.scopes = EMPTY_LIST;
	f->request.environment = (ApikeyStr) {key, len};
	EXPECT(f, APIKEY_ENVIRONMENT_MISMATCH, 0, NULL);
	CHECK(strstr(f->verdict.detail, key) == NULL);
	CHECK(strstr(f->verdict.detail, "acme_live_****") != NULL);
}

int
main(void)
{
	unit_begin();
	test_tenant();
	test_revoked();
	test_active();
	test_expiry();
	test_environment();
	test_networks();
	test_endpoints();
	test_hours();
	test_scopes();
	test_ancestors();
	test_order();
	test_details();
	return unit_done("test_decide");
}
