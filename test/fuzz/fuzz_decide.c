/*
 * fuzz_decide.c
 *		The decision on random records, against a model that is written as a
 *		list of conditions instead of a sequence of checks, and against what
 *		must hold of any answer.
 */
#include "fuzz.h"

#include "decide.h"
#include "key_format.h"

#define lengthof(array) ((int) (sizeof(array) / sizeof((array)[0])))
#define MAX_LINKS	4
#define NOW			INT64_C(769089600000000)

#define STR(literal) {(literal), (int) sizeof(literal) - 1}

static const ApikeyStr rules[] = {
	STR("/**"), STR("/a"), STR("GET /a"), STR("GET,POST /a/*"), STR("* /a/**"), STR("/a/b*"),
	STR("POST /**"), STR("/%61"), STR("/b/**"), STR("PUT /b")
};

static const ApikeyStr paths[] = {
	STR("/a"), STR("/a/"), STR("/a/b"), STR("/a/b/c"), STR("/b"), STR("/%61"), STR("/b/../a"), STR("a"),
	STR(""), STR("/a?x"), {NULL, 0}, STR("//a")
};

static const ApikeyStr methods[] = {
	STR("GET"), STR("get"), STR("POST"), STR("PUT"), STR(""), {NULL, 0}, STR("G T"), STR("GET,POST")
};

static const ApikeyStr scopes[] = {
	STR("*"), STR("a"), STR("a:*"), STR("a:b"), STR("b"), STR("b|a"), STR("c|a:b"), STR(""), {NULL, 0}, STR("|")
};

static const ApikeyStr environments[] = {
	STR("live"), STR("test"), STR(""), {NULL, 0}
};

static const char *const hours[] = {
	"00:00-24:00", "mon-fri 09:00-17:00", "sat-sun 10:00-12:00", "22:00-06:00",
	"11:59-12:00", "12:00-12:01", "mon 00:00-24:00 X"
};

static int64_t
instant(FuzzInput *in)
{
	switch (fuzz_below(in, 9))
	{
		case 0:
			return NOW;
		case 1:
			return NOW - 1;
		case 2:
			return NOW + 1;
		case 3:
			return NOW + 1000 + fuzz_below(in, 100);
		case 4:
			return NOW - 1000 - fuzz_below(in, 100);
		case 5:
			return INT64_MAX;
		default:
			return APIKEY_NO_TIME;
	}
}

static ApikeyNet
network(FuzzInput *in, bool host)
{
	ApikeyNet	net = {0};

	net.family = (uint8_t) ("\4\4\4\6\6\0\5"[fuzz_below(in, 7)]);
	net.addr[0] = (uint8_t) (fuzz_byte(in) & 0xC0);
	net.addr[3] = (uint8_t) (fuzz_byte(in) & 3);
	net.bits = host ? (net.family == 4 ? 32 : 128) : (uint8_t) fuzz_below(in, net.family == 4 ? 33 : 129);
	return net;
}

static ApikeyNetList
networks(FuzzInput *in)
{
	int			count = fuzz_below(in, 5) - 2;
	ApikeyNet  *items = fuzz_alloc(in, 2 * sizeof(ApikeyNet));

	for (int i = 0; i < count; i++)
		items[i] = network(in, false);
	if (count > 0 && fuzz_below(in, 2) == 1)
		return (ApikeyNetList) {items, apikey_net_compile(items, count), true};
	return (ApikeyNetList) {items, count > 0 ? count : 0, false};
}

static ApikeyStrList
pick(FuzzInput *in, const ApikeyStr *from, int nfrom, int max)
{
	int			count = fuzz_below(in, max + 3) - 2;
	ApikeyStr  *items = fuzz_alloc(in, (size_t) max * sizeof(ApikeyStr));

	for (int i = 0; i < count; i++)
		items[i] = from[fuzz_below(in, nfrom)];
	return (ApikeyStrList) {items, count > 0 ? count : 0};
}

static ApikeyPolicy *
policy(FuzzInput *in)
{
	ApikeyPolicy *p = fuzz_alloc(in, sizeof(ApikeyPolicy));
	ApikeyWindow *windows = fuzz_alloc(in, 2 * sizeof(ApikeyWindow));
	int			nwindows = fuzz_below(in, 5) - 2;

	memset(p, 0, sizeof(*p));
	p->allowed_nets = networks(in);
	p->denied_nets = networks(in);
	p->allowed_endpoints = pick(in, rules, lengthof(rules), 3);
	p->denied_endpoints = pick(in, rules, lengthof(rules), 2);
	for (int i = 0; i < nwindows; i++)
	{
		const char *text = hours[fuzz_below(in, lengthof(hours))];

		ASSERT(apikey_window_parse((ApikeyStr) {text, (int) strlen(text)}, &windows[i]));
	}
	p->hours = (ApikeyWindowList) {windows, nwindows > 0 ? nwindows : 0};
	p->required_scopes = pick(in, scopes, lengthof(scopes), 2);
	p->has_max_scopes = fuzz_below(in, 3) == 0;
	p->max_scopes = pick(in, scopes, lengthof(scopes), 3);
	return p;
}

/* ---- the model ---- */

static bool
due(int64_t at)
{
	return at != APIKEY_NO_TIME && at <= NOW;
}

static bool
model_expired(const ApikeyLink *l)
{
	return due(l->expires_at) &&
		(l->expires_with_grace == APIKEY_NO_TIME || due(l->expires_with_grace));
}

static bool
model_ip_ok(const ApikeyLink *l, const ApikeyNet *ip)
{
	bool		given = ip->family == 4 || ip->family == 6;
	bool		ok = true;

	if (l->nets.count > 0)
		ok &= given && apikey_net_list_contains(l->nets, ip);
	if (l->policy != NULL && l->policy->allowed_nets.count > 0)
		ok &= given && apikey_net_list_contains(l->policy->allowed_nets, ip);
	if (l->policy != NULL && l->policy->denied_nets.count > 0)
		ok &= given && !apikey_net_list_overlaps(l->policy->denied_nets, ip);
	return ok;
}

static bool
any_rule(ApikeyStrList list, ApikeyStr method, const ApikeyPath *path, bool any_method)
{
	bool		any = false;

	for (int i = 0; i < list.count; i++)
		any |= apikey_endpoint_matches(any_method ? apikey_endpoint_glob(list.items[i]) : list.items[i],
									   method, path);
	return any;
}

static bool
model_endpoint_ok(const ApikeyLink *l, const ApikeyRequest *r)
{
	static ApikeyPath path;
	ApikeyStr	method = r->method;
	bool		ok = true;

	if (!apikey_method_valid(method))
		method = (ApikeyStr) {NULL, 0};
	apikey_path_prepare(r->endpoint, &path);
	if (l->endpoints.count > 0)
		ok &= path.clean && any_rule(l->endpoints, method, &path, false);
	if (l->policy != NULL && l->policy->allowed_endpoints.count > 0)
		ok &= path.clean && any_rule(l->policy->allowed_endpoints, method, &path, false);
	if (l->policy != NULL && l->policy->denied_endpoints.count > 0)
		ok &= path.clean && !any_rule(l->policy->denied_endpoints, method, &path, method.ptr == NULL);
	return ok;
}

static bool
model_hours_ok(const ApikeyLink *l)
{
	bool		ok = l->policy == NULL || l->policy->hours.count == 0;

	for (int i = 0; l->policy != NULL && i < l->policy->hours.count; i++)
		ok |= apikey_window_contains(&l->policy->hours.items[i], NOW, NULL);
	return ok;
}

/* one alternative, held by links[first ...] */
static bool
model_scope_ok(const ApikeyRecord *rec, int first, ApikeyStr required)
{
	bool		ok = false;
	ApikeyStr	alternative;

	while (apikey_scope_next(&required, &alternative))
	{
		bool		all = true;

		for (int i = first; i < rec->nlinks; i++)
		{
			const ApikeyLink *l = &rec->links[i];

			all &= apikey_scope_list_covers(l->scopes, alternative);
			if (l->policy != NULL && l->policy->has_max_scopes)
				all &= apikey_scope_list_covers(l->policy->max_scopes, alternative);
		}
		ok |= all;
	}
	return ok;
}

static ApikeyCode
model(const ApikeyRecord *rec, const ApikeyRequest *r)
{
	bool		wrong[APIKEY_NCODES] = {false};
	static const ApikeyCode order[] = {
		APIKEY_TENANT_SUSPENDED, APIKEY_REVOKED, APIKEY_SUPERSEDED, APIKEY_SUSPENDED, APIKEY_PENDING,
		APIKEY_NOT_YET_VALID, APIKEY_EXPIRED, APIKEY_ENVIRONMENT_MISMATCH, APIKEY_IP_DENIED,
		APIKEY_ENDPOINT_DENIED, APIKEY_TIME_DENIED, APIKEY_INSUFFICIENT_SCOPE
	};
	const ApikeyLink *key = &rec->links[0];

	wrong[APIKEY_TENANT_SUSPENDED] = rec->tenant_suspended;
	wrong[APIKEY_REVOKED] = key->status == APIKEY_KEY_REVOKED || key->revoked_at != APIKEY_NO_TIME ||
		due(key->revoke_at) || rec->secret_revoked_at != APIKEY_NO_TIME;
	wrong[APIKEY_SUPERSEDED] = due(rec->secret_expires_at);
	wrong[APIKEY_SUSPENDED] = rec->chain_broken;
	wrong[APIKEY_ENVIRONMENT_MISMATCH] = r->environment.ptr != NULL &&
		(r->environment.len != rec->environment.len ||
		 memcmp(r->environment.ptr, rec->environment.ptr, (size_t) r->environment.len) != 0);
	wrong[APIKEY_IP_DENIED] = r->ip_blocked;
	for (int i = 0; i < rec->nlinks; i++)
	{
		const ApikeyLink *l = &rec->links[i];

		wrong[APIKEY_SUSPENDED] |= l->status == APIKEY_KEY_SUSPENDED;
		wrong[APIKEY_PENDING] |= l->status == APIKEY_KEY_PENDING;
		wrong[APIKEY_NOT_YET_VALID] |= l->not_before != APIKEY_NO_TIME && !due(l->not_before);
		wrong[APIKEY_EXPIRED] |= model_expired(l);
		wrong[APIKEY_IP_DENIED] |= !model_ip_ok(l, &r->ip);
		wrong[APIKEY_ENDPOINT_DENIED] |= !model_endpoint_ok(l, r);
		wrong[APIKEY_TIME_DENIED] |= !model_hours_ok(l);
		for (int s = 0; l->policy != NULL && s < l->policy->required_scopes.count; s++)
			wrong[APIKEY_INSUFFICIENT_SCOPE] |= !model_scope_ok(rec, i, l->policy->required_scopes.items[s]);
	}
	for (int s = 0; s < r->scopes.count; s++)
		wrong[APIKEY_INSUFFICIENT_SCOPE] |= !model_scope_ok(rec, 0, r->scopes.items[s]);

	for (int i = 0; i < lengthof(order); i++)
	{
		if (wrong[order[i]])
			return order[i];
	}
	return APIKEY_VALID;
}

static unsigned
model_warnings(const ApikeyRecord *rec, const ApikeyRequest *r)
{
	unsigned	warnings = 0;

	if (rec->secret_expires_at != APIKEY_NO_TIME)
		warnings |= APIKEY_WARN_OLD_SECRET;
	for (int i = 0; i < rec->nlinks; i++)
	{
		int64_t		at = rec->links[i].expires_at;

		if (at == APIKEY_NO_TIME)
			continue;
		if (due(at))
			warnings |= APIKEY_WARN_IN_GRACE;
		else if (r->expires_soon > 0 && at - NOW <= r->expires_soon)
			warnings |= APIKEY_WARN_EXPIRES_SOON;
	}
	return warnings;
}

static void
decide(const ApikeyRecord *rec, const ApikeyRequest *r, ApikeyVerdict *v)
{
	size_t		len;

	memset(v, 0x7E, sizeof(*v));
	apikey_decide(rec, r, v);
	len = strnlen(v->detail, APIKEY_DETAIL_MAX);
	ASSERT(len < APIKEY_DETAIL_MAX);
	ASSERT((len == 0) == (v->code == APIKEY_VALID));
	for (size_t i = 0; i < len; i++)
		ASSERT(v->detail[i] >= 0x20 && v->detail[i] <= 0x7E);
	ASSERT(v->code == APIKEY_VALID || v->warnings == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {.data = data, .left = size};
	ApikeyRecord rec = {0};
	ApikeyRequest r = {0};
	ApikeyLink	links[MAX_LINKS];
	ApikeyPolicy *policies[2];
	ApikeyVerdict v;
	ApikeyVerdict other;
	unsigned char bytes[APIKEY_BODY_BYTES_MAX];
	char		key[APIKEY_KEY_MAX + 1];
	ApikeyStr	key_text;
	ApikeyKeyParts parts;
	int			nbytes;
	int64_t		earliest;
	int			calm = fuzz_byte(&in);	/* what stays harmless, so that late
										 * checks are met */

	memset(links, 0, sizeof(links));
	policies[0] = policy(&in);
	policies[1] = policy(&in);
	rec.nlinks = 1 + fuzz_below(&in, MAX_LINKS);
	rec.links = links;
	for (int i = 0; i < rec.nlinks; i++)
	{
		ApikeyLink *l = &links[i];
		int			p = fuzz_below(&in, 3);

		l->key_id = 1 + i;
		l->status = (calm & 1) ? APIKEY_KEY_ACTIVE : (ApikeyKeyStatus) fuzz_below(&in, 4);
		l->not_before = (calm & 2) ? APIKEY_NO_TIME : instant(&in);
		l->expires_at = (calm & 4) ? APIKEY_NO_TIME : instant(&in);
		l->expires_with_grace = instant(&in);
		l->revoke_at = (calm & 8) ? APIKEY_NO_TIME : instant(&in);
		l->revoked_at = (calm & 8) ? APIKEY_NO_TIME : instant(&in);
		if (!(calm & 16))
		{
			l->nets = networks(&in);
			l->endpoints = pick(&in, rules, lengthof(rules), 2);
		}
		l->scopes = pick(&in, scopes, (calm & 32) ? 1 : lengthof(scopes), 3);
		l->policy = p < 2 ? policies[p] : NULL;
	}
	rec.environment = environments[0];
	rec.tenant_suspended = fuzz_below(&in, 16) == 1;
	rec.chain_broken = fuzz_below(&in, 16) == 1;
	r.ip_blocked = fuzz_below(&in, 16) == 1;
	rec.secret_expires_at = (calm & 64) ? APIKEY_NO_TIME : instant(&in);
	rec.secret_revoked_at = fuzz_below(&in, 16) == 1 ? instant(&in) : APIKEY_NO_TIME;

	r.now = NOW;
	r.scopes = pick(&in, scopes, (calm & 128) ? 6 : lengthof(scopes), 3);
	r.ip = network(&in, fuzz_below(&in, 4) != 0);
	r.method = methods[fuzz_below(&in, lengthof(methods))];
	r.endpoint = paths[fuzz_below(&in, lengthof(paths))];
	r.environment = environments[fuzz_below(&in, 8) % lengthof(environments)];
	if (fuzz_below(&in, 2))
		r.environment = environments[0];
	r.expires_soon = fuzz_below(&in, 3) * 1050;

	decide(&rec, &r, &v);
	ASSERT(v.code == model(&rec, &r));
	if (v.code == APIKEY_VALID)
		ASSERT(v.warnings == model_warnings(&rec, &r));

	/* the earliest end */
	earliest = rec.secret_expires_at == APIKEY_NO_TIME ? INT64_MAX : rec.secret_expires_at;
	for (int i = 0; i < rec.nlinks; i++)
	{
		if (links[i].expires_at != APIKEY_NO_TIME && links[i].expires_at < earliest)
			earliest = links[i].expires_at;
	}
	ASSERT(v.expires_at == earliest || (v.expires_at == APIKEY_NO_TIME && earliest == INT64_MAX));

	/* the same again, and an ancestor never adds a right */
	decide(&rec, &r, &other);
	ASSERT(other.code == v.code && other.warnings == v.warnings && strcmp(other.detail, v.detail) == 0);
	if (rec.nlinks > 1 && v.code == APIKEY_VALID)
	{
		rec.nlinks--;
		decide(&rec, &r, &other);
		ASSERT(other.code == APIKEY_VALID);
	}

	/* a key passed as scope or environment is not repeated */
	nbytes = 16 + fuzz_below(&in, 49);
	for (int i = 0; i < nbytes; i++)
		bytes[i] = (unsigned char) (fuzz_byte(&in) + i);
	key_text.len = apikey_key_make("ak", "live", bytes, nbytes, key);
	key_text.ptr = key;
	ASSERT(apikey_key_parse(key, (size_t) key_text.len, &parts));
	if (fuzz_below(&in, 2))
		r.scopes = (ApikeyStrList) {&key_text, 1};
	else
		r.environment = key_text;
	decide(&rec, &r, &other);
	ASSERT(strstr(other.detail, key + parts.body_off) == NULL);

	/* noise as texts does no harm */
	r.method = fuzz_text(&in, 40);
	r.endpoint = fuzz_text(&in, 200);
	r.environment = fuzz_text(&in, 200);
	decide(&rec, &r, &other);

	fuzz_end(&in);
	return 0;
}
