/*
 * decide_fixture.h
 *		A record and a request that decide() accepts, for tests to spoil.
 */
#ifndef DECIDE_FIXTURE_H
#define DECIDE_FIXTURE_H

#include "unit.h"

#include "decide.h"

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

__attribute__((unused))
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

__attribute__((unused))
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

__attribute__((unused))
static ApikeyNet
v4(int a, int b, int c, int d, int bits)
{
	return (ApikeyNet)
	{
		4, (uint8_t) bits,
		{
			(uint8_t) a, (uint8_t) b, (uint8_t) c, (uint8_t) d
		}
	};
}

#define NETS(...) \
	((ApikeyNetList) {(const ApikeyNet[]) {__VA_ARGS__}, \
		(int) (sizeof((const ApikeyNet[]) {__VA_ARGS__}) / sizeof(ApikeyNet)), false})

__attribute__((unused))
static bool
noon_monday(const void *tz, int64_t at, int *dow, int *minute)
{
	(void) tz;
	(void) at;
	*dow = 1;
	*minute = 720;
	return true;
}

__attribute__((unused))
static ApikeyWindow
window(const char *text, const void *tz)
{
	ApikeyWindow result = {0};

	CHECKF(apikey_window_parse((ApikeyStr) {text, (int) strlen(text)}, &result), "%s", text);
	result.tz = tz;
	return result;
}

#endif							/* DECIDE_FIXTURE_H */
