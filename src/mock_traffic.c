/*
 * mock_traffic.c
 *		Rows of usage as an API in production leaves them, in order of time.
 *
 * Layer 0: C library only.
 *
 * The range is cut at quarters of an hour.  The weight of a quarter is the sum,
 * over groups of keys of one time zone and shape, of the group's weight times
 * how awake its clients are then; its rows are that share of all, rounded so
 * that they add up.  In a quarter instants are uniform, a row draws a group by
 * weight and then a key of the group by weight, both in constant time.
 */
#include <string.h>

#include "mock_traffic.h"

/* keys drawn for a row until one is found that is alive then */
#define TRIES	8

/* what a hash of the traffic is about */
enum
{
	TOPIC_TRAFFIC = 100, TOPIC_QUARTER, TOPIC_DAY, TOPIC_INCIDENT, TOPIC_STRANGER
};

ApikeyStr
apikey_mock_text(const char *text)
{
	return (ApikeyStr) {text, (int) strlen(text)};
}

/* ---- distributions ---- */

/* Quantile of the normal distribution (Acklam's approximation). */
static double
normal_quantile(double p)
{
	static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
	1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00};
	static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
	6.680131188771972e+01, -1.328068155288572e+01};
	static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
	-2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00};
	static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
	3.754408661907416e+00};
	double		q;

	if (p < 0.02425)
	{
		q = sqrt(-2 * log(p));
		return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
			((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
	}
	if (p > 1 - 0.02425)
		return -normal_quantile(1 - p);
	q = p - 0.5;
	p = q * q;
	return (((((a[0] * p + a[1]) * p + a[2]) * p + a[3]) * p + a[4]) * p + a[5]) * q /
		(((((b[0] * p + b[1]) * p + b[2]) * p + b[3]) * p + b[4]) * p + 1);
}

double
apikey_mock_lognormal(const ApikeyMockTraffic *traffic, ApikeyMockRandom *random,
					  double median, double spread)
{
	double		u = apikey_mock_uniform(random) * APIKEY_MOCK_NORMALS;
	int			i = (int) u;
	double		z = traffic->normal[i] + (u - i) * (traffic->normal[i + 1] - traffic->normal[i]);

	return median * expf((float) (spread * z));
}

/* Walker's table of n elements, whose weights are in keep; scratch has room for n. */
static void
build_alias(ApikeyMockAlias *alias, int n, int *scratch)
{
	double		sum = 0;
	int			small = 0;
	int			large = n;

	for (int i = 0; i < n; i++)
		sum += alias[i].keep;
	for (int i = 0; i < n; i++)
	{
		alias[i].keep = sum > 0 ? (float) (alias[i].keep * n / sum) : 1;
		alias[i].other = i;
		if (alias[i].keep < 1)
			scratch[small++] = i;
		else
			scratch[--large] = i;
	}
	while (small > 0 && large < n)
	{
		int			poor = scratch[--small];
		int			rich = scratch[large];

		alias[poor].other = rich;
		alias[rich].keep -= 1 - alias[poor].keep;
		if (alias[rich].keep < 1)
		{
			large++;
			scratch[small++] = rich;
		}
	}
}

static inline int
pick(const ApikeyMockAlias *alias, int n, ApikeyMockRandom *random)
{
	double		u = apikey_mock_uniform(random) * n;
	int			i = (int) u;

	return u - i < alias[i].keep ? i : alias[i].other;
}

/* ---- keys ---- */

void
apikey_mock_traffic_prepare(ApikeyMockTraffic *traffic)
{
	int		   *order = traffic->members;
	int			n = traffic->nkeys;

	for (int i = 0; i < n; i++)
	{
		apikey_mock_key_init(&traffic->keys[i]);
		order[i] = i;
	}
	/* Shell's sort: the C library's takes no context */
	for (int gap = n / 2; gap > 0; gap = gap == 2 ? 1 : (int) (gap / 2.2))
		for (int i = gap; i < n; i++)
		{
			int			moved = order[i];
			uint64_t	identity = traffic->keys[moved].identity;
			int			j = i;

			for (; j >= gap && traffic->keys[order[j - gap]].identity > identity; j -= gap)
				order[j] = order[j - gap];
			order[j] = moved;
		}
	traffic->weights = 0;
	for (int i = 0; i < n; i++)
	{
		traffic->keys[order[i]].weight = apikey_mock_rank_weight(i);
		traffic->weights += traffic->keys[order[i]].weight;
	}
}

/* Put keys of one zone and shape together. */
static void
make_groups(ApikeyMockTraffic *traffic)
{
	int			count[APIKEY_MOCK_GROUPS_MAX] = {0};
	int			next[APIKEY_MOCK_GROUPS_MAX];
	int			first = 0;

	for (int i = 0; i < traffic->nkeys; i++)
		count[traffic->keys[i].zone * APIKEY_MOCK_NSHAPES + traffic->keys[i].shape]++;
	traffic->ngroups = 0;
	for (int i = 0; i < APIKEY_MOCK_GROUPS_MAX; i++)
	{
		next[i] = first;
		if (count[i] > 0)
		{
			ApikeyMockGroup *group = &traffic->groups[traffic->ngroups++];

			group->zone = i / APIKEY_MOCK_NSHAPES;
			group->shape = (ApikeyMockShape) (i % APIKEY_MOCK_NSHAPES);
			group->first = first;
			group->count = count[i];
			group->weight = 0;
		}
		first += count[i];
	}
	for (int i = 0; i < traffic->nkeys; i++)
	{
		const ApikeyMockKey *key = &traffic->keys[i];
		int			place = next[key->zone * APIKEY_MOCK_NSHAPES + key->shape]++;

		traffic->members[place] = i;
		traffic->alias[place].keep = (float) key->weight;
	}
	for (int i = 0; i < traffic->ngroups; i++)
	{
		ApikeyMockGroup *group = &traffic->groups[i];

		for (int j = 0; j < group->count; j++)
			group->weight += traffic->alias[group->first + j].keep;
		build_alias(traffic->alias + group->first, group->count, traffic->scratch);
	}
}

/* ---- time ---- */

static int64_t
quarter_start(int64_t at)
{
	int64_t		rest = at % APIKEY_MOCK_QUARTER_US;

	return at - (rest < 0 ? rest + APIKEY_MOCK_QUARTER_US : rest);
}

/*
 * Weight of the part of a quarter from start to end; fills in the weights of
 * the groups too.
 */
static double
weigh_quarter(ApikeyMockTraffic *traffic, int64_t start, int64_t end)
{
	int			quarter[APIKEY_MOCK_ZONES_MAX];
	double		sum = 0;
	double		noise;

	for (int i = 0; i < traffic->nzones; i++)
		quarter[i] = traffic->clock(traffic->clock_arg, i, start);
	for (int i = 0; i < traffic->ngroups; i++)
	{
		const ApikeyMockGroup *group = &traffic->groups[i];
		double		weight = group->weight * traffic->curve[group->shape][quarter[group->zone]];

		traffic->group_alias[i].keep = (float) weight;
		sum += weight;
	}
	/* no quarter is like the other, and no day */
	start = quarter_start(start);
	noise = 0.16 * (apikey_mock_unit(apikey_mock_hash(traffic->seed, (uint64_t) (start / APIKEY_MOCK_QUARTER_US),
													  TOPIC_QUARTER)) - 0.5) +
		0.20 * (apikey_mock_unit(apikey_mock_hash(traffic->seed, (uint64_t) (start / (96 * APIKEY_MOCK_QUARTER_US)),
												  TOPIC_DAY)) - 0.5);
	return sum * (1 + noise) * ((double) (end - traffic->now) / (double) APIKEY_MOCK_QUARTER_US);
}

/* Go on to the quarter that begins now. */
static double
enter_quarter(ApikeyMockTraffic *traffic)
{
	int64_t		end = quarter_start(traffic->now) + APIKEY_MOCK_QUARTER_US;

	traffic->slot_end = end < traffic->until ? end : traffic->until;
	return weigh_quarter(traffic, traffic->now, traffic->slot_end);
}

/* An hour in which an API is ill, now and then. */
static void
draw_incidents(ApikeyMockTraffic *traffic)
{
	uint64_t	hour = (uint64_t) (quarter_start(traffic->now) / (4 * APIKEY_MOCK_QUARTER_US));

	for (int i = 0; i < APIKEY_MOCK_NAPIS; i++)
	{
		double		u = apikey_mock_unit(apikey_mock_hash(traffic->seed, hour, TOPIC_INCIDENT + 100 * (uint64_t) i));

		traffic->incident[i] = u < 0.004 ? 12 : u < 0.02 ? 3 : 1;
	}
}

static void
next_quarter(ApikeyMockTraffic *traffic)
{
	int			scratch[APIKEY_MOCK_GROUPS_MAX];
	int64_t		upto = traffic->rows;

	traffic->passed += enter_quarter(traffic);
	build_alias(traffic->group_alias, traffic->ngroups, scratch);
	draw_incidents(traffic);
	if (traffic->slot_end < traffic->until)
	{
		double		share = traffic->total > 0 ? traffic->passed / traffic->total : 0;

		upto = (int64_t) ((double) traffic->rows * (share < 1 ? share : 1));
	}
	traffic->slot_left = upto - traffic->made;
}

void
apikey_mock_traffic_begin(ApikeyMockTraffic *traffic)
{
	apikey_mock_random_init(&traffic->random, traffic->seed, TOPIC_TRAFFIC);
	for (int i = 0; i < APIKEY_MOCK_NSHAPES; i++)
		apikey_mock_shape_curve((ApikeyMockShape) i, traffic->curve[i]);
	for (int i = 0; i <= APIKEY_MOCK_NORMALS; i++)
		traffic->normal[i] = (float)
			normal_quantile((i + 0.25) / (APIKEY_MOCK_NORMALS + 0.5));
	make_groups(traffic);

	traffic->total = 0;
	for (traffic->now = traffic->since; traffic->now < traffic->until; traffic->now = traffic->slot_end)
		traffic->total += enter_quarter(traffic);
	traffic->now = traffic->slot_end = traffic->since;
	traffic->passed = 0;
	traffic->made = traffic->slot_left = 0;
	traffic->peeked = false;
}

/* ---- rows ---- */

void
apikey_mock_clear_row(ApikeyMockRow *row, int64_t at)
{
	memset(row, 0, sizeof(*row));
	row->at = at;
	row->key = -1;
	row->status = -1;
	row->latency_us = row->bytes_in = row->bytes_out = -1;
	row->units = 1;
}

/* Success as this method tells of it, or something the client did wrong. */
static int
draw_status(const ApikeyMockEndpoint *endpoint, double error_rate, double u)
{
	static const int wrong[] = {404, 404, 404, 400, 400, 422, 409, 403};
	static const int broken[] = {500, 500, 502, 503, 504};

	if (u < error_rate)
	{
		u /= error_rate;
		if (u < 0.8)
			return wrong[(int) (u / 0.8 * 8)];
		return broken[(int) ((u - 0.8) / 0.2001 * 5)];
	}
	switch (endpoint->method[0])
	{
		case 'D':
			return 204;
		case 'P':
			return endpoint->method[1] == 'O' ? 201 : 200;
		default:
			return u > 0.97 ? 304 : 200;
	}
}

void
apikey_mock_fill_answer(ApikeyMockTraffic *traffic, ApikeyMockRandom *random,
						const ApikeyMockEndpoint *endpoint, ApikeyMockRow *row)
{
	const ApikeyMockKey *key = &traffic->keys[row->key];
	double		u = apikey_mock_uniform(random);
	double		tail = apikey_mock_uniform(random);
	double		latency = apikey_mock_lognormal(traffic, random, endpoint->latency_us * key->slowness, endpoint->spread);

	row->code = APIKEY_LOGGED;
	row->status = draw_status(endpoint, key->error_rate * traffic->incident[key->api], u);
	if (row->status >= 500)
		latency *= row->status == 504 ? 0 : 1.5;
	if (tail < 0.004)
		latency *= 4 + 4000 * tail;
	row->latency_us = row->status == 504 ? 30000000 : 120 + (int64_t) latency;
	row->bytes_in = endpoint->bytes_in == 0 ? 0 :
		(int64_t) apikey_mock_lognormal(traffic, random, endpoint->bytes_in, 0.6);
	if (row->status >= 400)
		row->bytes_out = 180;
	else if (row->status == 304 || endpoint->bytes_out == 0)
		row->bytes_out = 0;
	else
		row->bytes_out = (int64_t) apikey_mock_lognormal(traffic, random, endpoint->bytes_out, 0.7);
	/* what is answered at length costs more */
	if (endpoint->latency_us > 500000)
		row->units = 5;
}

void
apikey_mock_fill_request(ApikeyMockTraffic *traffic, ApikeyMockRandom *random,
						 const ApikeyMockEndpoint *endpoint, ApikeyMockRow *row)
{
	const ApikeyMockKey *key = &traffic->keys[row->key];

	row->code = APIKEY_VALID;
	row->method = apikey_mock_text(endpoint->method);
	row->endpoint.ptr = traffic->path;
	row->endpoint.len = apikey_mock_path(endpoint->path, row->at, random, traffic->path);
	row->scope = apikey_mock_text(endpoint->scope);
	row->region = apikey_mock_text(apikey_mock_regions[key->region]);
	if (key->ids)
	{
		memcpy(traffic->id, "req_", 4);
		apikey_mock_hex(apikey_mock_bits(random), 16, traffic->id + 4);
		row->request_id = (ApikeyStr) {traffic->id, 20};
	}
	if (key->logs)
		apikey_mock_fill_answer(traffic, random, endpoint, row);
}

void
apikey_mock_deny(ApikeyMockRow *row, ApikeyCode code)
{
	row->code = code;
	row->status = -1;
	row->latency_us = row->bytes_in = row->bytes_out = -1;
	row->units = 1;
}

/* What is wrong with a request of a client that is not quite right. */
static void
draw_denial(ApikeyMockTraffic *traffic, ApikeyMockRow *row)
{
	static const ApikeyNet elsewhere = {4, 10, {100, 64}};
	const ApikeyMockKey *key = &traffic->keys[row->key];
	double		u = apikey_mock_uniform(&traffic->random);

	/* each client has its own usual mistake */
	if (u < 0.7)
		u = apikey_mock_unit(apikey_mock_hash(key->identity, 1, TOPIC_STRANGER));
	else
		u = (u - 0.7) / 0.3;
	if (u < 0.15 && key->cidr.family != 0)
	{
		row->ip = apikey_mock_address(&elsewhere, &traffic->random);
		apikey_mock_deny(row, APIKEY_IP_DENIED);
	}
	else if (u < 0.40)
		apikey_mock_deny(row, APIKEY_INSUFFICIENT_SCOPE);
	else if (u < 0.72)
		apikey_mock_deny(row, APIKEY_RATE_LIMITED);
	else if (u < 0.84)
		apikey_mock_deny(row, APIKEY_ENDPOINT_DENIED);
	else if (u < 0.93)
		apikey_mock_deny(row, APIKEY_ENVIRONMENT_MISMATCH);
	else
		apikey_mock_deny(row, APIKEY_QUOTA_EXCEEDED);
}

/* Somebody who knows no key: a typo, an old script, a scanner. */
static void
fill_stranger(ApikeyMockTraffic *traffic, ApikeyMockRow *row)
{
	static const char *const paths[] = {"/", "/v1/orders", "/api/v1/users", "/.env", "/v1/models", "/admin"};
	ApikeyMockRandom *random = &traffic->random;
	uint64_t	bits = apikey_mock_bits(random);
	ApikeyNet	net = apikey_mock_customer_net(apikey_mock_hash(traffic->seed, bits % 400, TOPIC_STRANGER), 32);

	row->key = -1;
	row->code = bits >> 63 ? APIKEY_MALFORMED : APIKEY_NOT_FOUND;
	row->ip = apikey_mock_address(&net, random);
	row->method = apikey_mock_text("GET");
	row->endpoint = apikey_mock_text(paths[(bits >> 32) % 6]);
	row->user_agent = apikey_mock_text(apikey_mock_agents[(bits >> 40) % 18]);
}

/*
 * Whether the client calls at all: a key that has ended is tried less and less,
 * one that an attack uses alone is not.  code is what it gets.
 */
static bool
calls(const ApikeyMockKey *key, int64_t at, bool last_try, ApikeyMockRandom *random, ApikeyCode *code)
{
	*code = APIKEY_VALID;
	if (at >= key->quiet_from && at < key->quiet_until)
		return false;
	if (at < key->created_at && !last_try)
		return false;
	if (at >= key->revoked_at)
		*code = APIKEY_REVOKED;
	else if (at >= key->suspended_at)
		*code = APIKEY_SUSPENDED;
	else if (at >= key->expires_at)
		*code = APIKEY_EXPIRED;
	else
		return true;
	return last_try || apikey_mock_uniform(random) < 0.04;
}

/* Which of two secrets the client uses; false: one whose time is over. */
static bool
choose_secret(const ApikeyMockKey *key, ApikeyMockRow *row, ApikeyMockRandom *random)
{
	double		left;

	if (!key->rotated)
		return true;
	if (row->at < key->rotated_at)
	{
		row->old_secret = true;
		return true;
	}
	if (row->at >= key->old_ends_at)
	{
		/* an instance that nobody has told */
		row->old_secret = apikey_mock_uniform(random) < (key->laggard ? 0.02 : 0.0005);
		return !row->old_secret;
	}
	left = (double) (key->old_ends_at - row->at) / (double) (key->old_ends_at - key->rotated_at);
	row->old_secret = apikey_mock_uniform(random) < (key->laggard ? 0.9 : left * left * left);
	return true;
}

/* Draw the key of a row; false: nobody calls. */
static bool
draw_key(ApikeyMockTraffic *traffic, ApikeyMockRow *row, ApikeyCode *code)
{
	for (int i = 1; i <= TRIES; i++)
	{
		const ApikeyMockGroup *group =
			&traffic->groups[pick(traffic->group_alias, traffic->ngroups, &traffic->random)];
		int			place = group->first + pick(traffic->alias + group->first, group->count, &traffic->random);

		row->key = traffic->members[place];
		if (traffic->keys[row->key].weight > 0 &&
			calls(&traffic->keys[row->key], row->at, i == TRIES, &traffic->random, code))
			return true;
	}
	return false;
}

static void
fill_row(ApikeyMockTraffic *traffic, ApikeyMockRow *row)
{
	ApikeyMockRandom *random = &traffic->random;
	const ApikeyMockKey *key;
	ApikeyCode	code;
	bool		upgraded;
	double		u = apikey_mock_uniform(random);

	if (u < 0.003 || !draw_key(traffic, row, &code))
	{
		fill_stranger(traffic, row);
		return;
	}
	key = &traffic->keys[row->key];
	row->ip = apikey_mock_key_address(key, random);
	upgraded = row->at - traffic->since > (traffic->until - traffic->since) / 2;
	row->user_agent = apikey_mock_text(apikey_mock_agents[upgraded ? key->next_agent : key->agent]);
	apikey_mock_fill_request(traffic, random,
							 apikey_mock_pick_endpoint(key->api, apikey_mock_uniform(random)), row);
	if (code == APIKEY_VALID && !choose_secret(key, row, random))
		code = APIKEY_SUPERSEDED;
	if (code != APIKEY_VALID)
		apikey_mock_deny(row, code);
	else if (u > 1 - key->denial_rate)
		draw_denial(traffic, row);
}

bool
apikey_mock_traffic_peek(ApikeyMockTraffic *traffic, int64_t *at)
{
	while (traffic->slot_left == 0)
	{
		traffic->now = traffic->slot_end;
		if (traffic->now >= traffic->until)
			return false;
		next_quarter(traffic);
	}
	if (!traffic->peeked)
		traffic->now = apikey_mock_next_instant(&traffic->random, traffic->now, traffic->slot_end, traffic->slot_left);
	traffic->peeked = true;
	*at = traffic->now;
	return true;
}

void
apikey_mock_traffic_take(ApikeyMockTraffic *traffic, ApikeyMockRow *row)
{
	traffic->peeked = false;
	traffic->slot_left--;
	traffic->made++;
	apikey_mock_clear_row(row, traffic->now);
	fill_row(traffic, row);
}
