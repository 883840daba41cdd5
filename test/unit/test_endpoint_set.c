/* Unit tests of endpoint_set.c. */
#include "unit.h"

#include "endpoint.h"
#include "endpoint_set.h"

/* ---- what must be proven, and what cannot be ---- */

static const struct
{
	ApikeyStr	a;
	ApikeyStr	b;
	bool		disjoint;
	bool		covers;			/* a covers b */
} pairs[] = {
#define ROW(a, b, disjoint, covers) {{a, sizeof(a) - 1}, {b, sizeof(b) - 1}, disjoint, covers}
	ROW("/v1/orders", "/v1/orders", false, true),
	ROW("/v1/orders", "/v1/users", true, false),
	ROW("/v1/orders", "/v1/orders/", true, false),
	ROW("/v1/**", "/v1/orders/7", false, true),
	ROW("/v1/orders/7", "/v1/**", false, false),
	ROW("/v1/**", "/v1/", false, true),
	ROW("/v1/**", "/v1", true, false),
	ROW("/v1/**", "/v2/**", true, false),
	ROW("/**", "/v2/**", false, true),
	ROW("/v1/*", "/v1/**", false, false),
	ROW("/v1/*", "/v1/o*", false, true),
	ROW("/v1/o*", "/v1/*", false, false),
	ROW("/v1/o*", "/v1/or*s", false, true),
	ROW("/v1/o*", "/v1/u*", true, false),
	ROW("/v1/*s", "/v1/*r", true, false),
	ROW("/v1/*s", "/v1/users", false, true),
	ROW("/v1/*s", "/v1/user", true, false),
	ROW("/v1/*/items", "/v1/7/items", false, true),
	ROW("/v1/*/items", "/v1/7/users", true, false),
	ROW("/v1/a*b", "/v1/ab", false, true),
	ROW("/v1/a*b", "/v1/a*b", false, true),
	ROW("GET /v1", "POST /v1", true, false),
	ROW("GET,HEAD /v1", "HEAD /v1", false, true),
	ROW("HEAD /v1", "GET,HEAD /v1", false, false),
	ROW("* /v1", "GET /v1", false, true),
	ROW("/v1", "GET /v1", false, true),
	ROW("GET /v1", "/v1", false, false),
	ROW("GET /v1", "GETS /v1", true, false),
	/* an escape may spell anything */
	ROW("/v1/%61", "/v1/a", false, false),
	ROW("/v1/a", "/v1/%61", false, false),
	ROW("/v1/%61", "/v1/%61", false, true),
	ROW("/v1/*", "/v1/%61", false, true),
	ROW("/v1/%61/x", "/v1/%62/y", true, false),
#undef ROW
};

static void
test_pairs(void)
{
	for (int i = 0; i < lengthof(pairs); i++)
	{
		ApikeyStr	a = unit_copy(pairs[i].a);
		ApikeyStr	b = unit_copy(pairs[i].b);

		CHECKF(apikey_endpoint_disjoint(a, b) == pairs[i].disjoint, "'%s' and '%s' (row %d)",
			   pairs[i].a.ptr, pairs[i].b.ptr, i);
		CHECKF(apikey_endpoint_disjoint(b, a) == pairs[i].disjoint, "'%s' and '%s' (row %d)",
			   pairs[i].b.ptr, pairs[i].a.ptr, i);
		CHECKF(apikey_endpoint_covers(a, b) == pairs[i].covers, "'%s' covers '%s' (row %d)",
			   pairs[i].a.ptr, pairs[i].b.ptr, i);
	}
	CHECK(apikey_endpoint_list_covers(LIST(S("/a"), S("/v1/**")), S("/v1/x")));
	CHECK(!apikey_endpoint_list_covers(LIST(S("/a"), S("/v1/**")), S("/v2")));
	CHECK(!apikey_endpoint_list_covers(EMPTY_LIST, S("/v2")));
}

/* ---- whatever is claimed holds for every path of a small world ---- */

static const char *const segments[] = {"", "a", "b", "ab", "ba", "aab", "*", "a*", "*b", "a*b", "*a*", "%61", "**"};
static const char *const steps[] = {"", "a", "b", "ab", "ba", "aab", "abb"};

#define WORLD_MAX	4096

typedef struct World
{
	ApikeyStr	items[WORLD_MAX];
	int			count;
} World;

static World globs;
static World requests;

/* Add every text of up to depth segments. */
static void
fill(World *world, const char *const *parts, int nparts, const char *head, int depth)
{
	char		text[64];

	for (int i = 0; i < nparts; i++)
	{
		snprintf(text, sizeof(text), "%s/%s", head, parts[i]);
		if (world->count < WORLD_MAX)
			world->items[world->count++] = (ApikeyStr) {strdup(text), (int) strlen(text)};
		if (depth > 1)
			fill(world, parts, nparts, text, depth - 1);
	}
}

static void
test_world(void)
{
	static ApikeyPath paths[WORLD_MAX];
	static bool matches[256][WORLD_MAX];
	int			wrong = 0;
	int			nrules = 0;
	ApikeyStr	rules[256];

	fill(&globs, segments, lengthof(segments), "", 2);
	fill(&requests, steps, lengthof(steps), "", 3);
	for (int p = 0; p < requests.count; p++)
		apikey_path_prepare(requests.items[p], &paths[p]);
	for (int g = 0; g < globs.count; g++)
	{
		if (!apikey_endpoint_rule_valid(globs.items[g]))
			continue;
		for (int p = 0; p < requests.count; p++)
			matches[nrules][p] = apikey_endpoint_matches(globs.items[g], S("GET"), &paths[p]);
		rules[nrules++] = globs.items[g];
	}
	CHECK(nrules > 100);
	for (int a = 0; a < nrules; a++)
	{
		for (int b = 0; b < nrules; b++)
		{
			bool		disjoint = apikey_endpoint_disjoint(rules[a], rules[b]);
			bool		covers = apikey_endpoint_covers(rules[a], rules[b]);

			for (int p = 0; p < requests.count; p++)
			{
				if ((disjoint && matches[a][p] && matches[b][p]) ||
					(covers && matches[b][p] && !matches[a][p]))
				{
					wrong++;
					fprintf(stderr, "%s and %s: %s\n", rules[a].ptr, rules[b].ptr, requests.items[p].ptr);
				}
			}
		}
	}
	CHECK_INT(wrong, 0);
	for (int i = 0; i < globs.count; i++)
		free((char *) globs.items[i].ptr);
	for (int i = 0; i < requests.count; i++)
		free((char *) requests.items[i].ptr);
}

int
main(void)
{
	unit_begin();
	test_pairs();
	test_world();
	return unit_done("test_endpoint_set");
}
