/* Unit tests of decide.c: states of a key, the order of the checks, details. */
#include "decide_fixture.h"

#include "key_format.h"

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
		   "the policy of the key or of a parent key has no version, or its chain of parent keys is broken");

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
	f->request.ip_blocked = true;
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
	f->request.ip_blocked = false;
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
	test_order();
	test_details();
	return unit_done("test_decide");
}
