/* Unit tests of decide.c: networks, endpoints, hours, scopes, and those of ancestors. */
#include "decide_fixture.h"

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

	f->request.ip_blocked = true;
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
	f->request.ip = (ApikeyNet)
	{
		6, 128,
		{
			0x20, 1
		}
	};
	EXPECT(f, APIKEY_IP_DENIED, 0, NULL);
	f->request.ip = (ApikeyNet)
	{
		5, 32,
		{
			10, 1, 2, 3
		}
	};
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
	f->request.ip = (ApikeyNet)
	{
		5, 32,
		{
			10, 1, 2, 3
		}
	};
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

int
main(void)
{
	unit_begin();
	test_networks();
	test_endpoints();
	test_hours();
	test_scopes();
	test_ancestors();
	return unit_done("test_decide_rules");
}
