/*
 * mock_attack.c
 *		Attacks in mock traffic, as they look in the usage of a real API.
 *
 * Layer 0: C library only.
 *
 * An attack has windows of time and, but for guessing, a victim.  Its rows can
 * be told from all others: by a network and a user agent that nobody else has,
 * or because the victim makes no ordinary calls meanwhile.
 */
#include <string.h>

#include "mock_attack.h"

#define MINUTE	INT64_C(60000000)
#define HOUR	(60 * MINUTE)
#define DAY		(24 * HOUR)

/* of an attack that could be told by its number of requests only */
#define SPIKE	30

enum
{
	TOPIC_ATTACK = 200, TOPIC_VICTIM, TOPIC_NET, TOPIC_SOURCE
};

const char *const apikey_mock_attack_names[APIKEY_MOCK_NATTACKS] = {
	"stolen_key", "many_ips", "enumeration", "error_burst", "rate_spike",
	"slow_exfiltration", "dormant_key", "off_hours", "after_revocation",
};

/* How many rows of a thousand, within bounds; how busy the victim is. */
typedef struct AttackPlan
{
	double		permille;
	int			least;
	int			most;
	double		rank;			/* of the victim, as a share of all keys */
	const char *agent;
	int			prefix;			/* of the attacker's network, 0: none */
} AttackPlan;

static const AttackPlan plans[APIKEY_MOCK_NATTACKS] = {
	[APIKEY_MOCK_STOLEN_KEY] = {1.0, 40, 3000, 0.05, "python-requests/2.31.0", 28},
	[APIKEY_MOCK_MANY_IPS] = {1.5, 60, 6000, 0.10, "python-urllib3/2.2.1", 15},
	[APIKEY_MOCK_ENUMERATION] = {4.0, 120, 50000, 0, "Mozilla/5.0 zgrab/0.x", 31},
	[APIKEY_MOCK_ERROR_BURST] = {2.0, 60, 8000, 0.03, NULL, 0},
	[APIKEY_MOCK_RATE_SPIKE] = {4.0, 120, 200000, 0.15, NULL, 0},
	[APIKEY_MOCK_SLOW_EXFILTRATION] = {0.4, 30, 2000, 0.20, "Wget/1.21.4", 32},
	[APIKEY_MOCK_DORMANT_KEY] = {0.3, 25, 1000, 0.50, "curl/8.5.0", 30},
	[APIKEY_MOCK_OFF_HOURS] = {0.5, 30, 2000, 0.10, "curl/7.88.1", 0},
	[APIKEY_MOCK_AFTER_REVOCATION] = {0.5, 30, 2000, 0.30, "libwww-perl/6.68", 30},
};

/* ---- planning ---- */

static void
one_window(ApikeyMockAttack *attack, int64_t start, int64_t length)
{
	attack->nwindows = 1;
	attack->start[0] = start;
	attack->length[0] = length;
}

/* A window of this length somewhere in the range, not at its beginning. */
static void
any_window(const ApikeyMockTraffic *traffic, ApikeyMockAttack *attack, int64_t length)
{
	int64_t		range = traffic->until - traffic->since;
	int64_t		from = range / 5;

	if (length > range / 3)
		length = range / 3;
	one_window(attack, traffic->since + from +
			   (int64_t) (apikey_mock_uniform(&attack->random) * (double) (range - from - length)), length);
}

/* Windows that do not depend on the victim. */
static void
plan_windows(const ApikeyMockTraffic *traffic, ApikeyMockAttack *attack)
{
	int64_t		range = traffic->until - traffic->since;

	switch (attack->kind)
	{
		case APIKEY_MOCK_STOLEN_KEY:
			any_window(traffic, attack, 5 * HOUR);
			break;
		case APIKEY_MOCK_MANY_IPS:
			any_window(traffic, attack, 9 * HOUR);
			break;
		case APIKEY_MOCK_ENUMERATION:
			any_window(traffic, attack, 40 * MINUTE);
			break;
		case APIKEY_MOCK_ERROR_BURST:
			any_window(traffic, attack, 25 * MINUTE);
			break;
		case APIKEY_MOCK_RATE_SPIKE:
			any_window(traffic, attack, 10 * MINUTE);
			break;
		case APIKEY_MOCK_DORMANT_KEY:
			one_window(attack, traffic->until - range / 5, range / 5 < 3 * HOUR ? range / 5 : 3 * HOUR);
			break;
		default:
			one_window(attack, traffic->since, range);
	}
}

/* Some of the nights of the victim, 01:00 to 04:00 where it is. */
static void
plan_nights(const ApikeyMockTraffic *traffic, ApikeyMockAttack *attack)
{
	int			zone = traffic->keys[attack->key].zone;
	int64_t		from = traffic->since - traffic->since % APIKEY_MOCK_QUARTER_US + APIKEY_MOCK_QUARTER_US;
	int			nights = (int) ((traffic->until - traffic->since) / DAY) + 1;
	int			night = 0;

	attack->nwindows = 0;
	for (int64_t at = from; at + 3 * HOUR <= traffic->until && attack->nwindows < APIKEY_MOCK_WINDOWS_MAX; at += APIKEY_MOCK_QUARTER_US)
	{
		if (traffic->clock(traffic->clock_arg, zone, at) % 96 != 4)
			continue;
		if (night++ * APIKEY_MOCK_WINDOWS_MAX / nights < attack->nwindows)
			continue;
		attack->start[attack->nwindows] = at;
		attack->length[attack->nwindows++] = 3 * HOUR;
	}
}

/* How well a key suits as a victim, the less the better; negative: not at all. */
static double
misfit(const ApikeyMockTraffic *traffic, const ApikeyMockAttack *attack, int number)
{
	const ApikeyMockKey *key = &traffic->keys[number];
	double		wanted = apikey_mock_rank_weight((int) (traffic->nkeys * plans[attack->kind].rank));
	double		noise = apikey_mock_unit(apikey_mock_hash(traffic->seed, key->identity, TOPIC_VICTIM));
	int64_t		end = attack->start[0] + attack->length[0];

	if (key->victim)
		return -1;
	if (attack->kind == APIKEY_MOCK_AFTER_REVOCATION)
	{
		if (key->revoked_at > traffic->until - (traffic->until - traffic->since) / 8)
			return -1;
	}
	else if (key->created_at > attack->start[0] || key->revoked_at < end ||
			 key->suspended_at < end || key->expires_at < end)
		return -1;
	return fabs(log(key->weight / wanted)) + 0.7 * noise +
		(attack->kind == APIKEY_MOCK_OFF_HOURS && key->shape != APIKEY_MOCK_OFFICE ? 100 : 0);
}

static bool
choose_victim(ApikeyMockTraffic *traffic, ApikeyMockAttack *attack)
{
	double		best = -1;

	for (int i = 0; i < traffic->nkeys; i++)
	{
		double		score = misfit(traffic, attack, i);

		if (score >= 0 && (best < 0 || score < best))
		{
			best = score;
			attack->key = i;
		}
	}
	if (attack->key < 0)
		return false;
	traffic->keys[attack->key].victim = true;
	return true;
}

/* What an attack takes from the ordinary traffic of its victim. */
static void
silence_victim(const ApikeyMockAttack *attack, ApikeyMockKey *key)
{
	switch (attack->kind)
	{
		case APIKEY_MOCK_ERROR_BURST:
		case APIKEY_MOCK_RATE_SPIKE:
			key->quiet_from = attack->start[0];
			key->quiet_until = attack->start[0] + attack->length[0];
			break;
		case APIKEY_MOCK_DORMANT_KEY:
			key->weight = 0;
			break;
		case APIKEY_MOCK_OFF_HOURS:
			key->shape = APIKEY_MOCK_OFFICE;
			break;
		case APIKEY_MOCK_AFTER_REVOCATION:
			key->quiet_from = key->revoked_at;
			key->quiet_until = APIKEY_MOCK_NEVER;
			break;
		default:
			break;
	}
}

/* The endpoint that gives most data. */
static const ApikeyMockEndpoint *
largest_answer(int api)
{
	const ApikeyMockEndpoint *endpoint = apikey_mock_apis[api].endpoints;
	const ApikeyMockEndpoint *largest = endpoint;

	for (int i = 0; i < apikey_mock_apis[api].nendpoints; i++)
		if (endpoint[i].bytes_out > largest->bytes_out)
			largest = &endpoint[i];
	return largest;
}

static int64_t
plan_rows(const ApikeyMockTraffic *traffic, const ApikeyMockAttack *attack, int64_t all)
{
	const AttackPlan *plan = &plans[attack->kind];
	double		rows = (double) all * plan->permille / 1000;
	double		usual = 0;

	if (attack->kind == APIKEY_MOCK_RATE_SPIKE || attack->kind == APIKEY_MOCK_ERROR_BURST)
		usual = (double) all * traffic->keys[attack->key].weight / traffic->weights *
			((double) attack->length[0] / (double) (traffic->until - traffic->since));
	if (rows < plan->least)
		rows = plan->least;
	if (rows > plan->most)
		rows = plan->most;
	/* it must stand out */
	if (rows < usual * (attack->kind == APIKEY_MOCK_RATE_SPIKE ? SPIKE : 2))
		rows = usual * (attack->kind == APIKEY_MOCK_RATE_SPIKE ? SPIKE : 2);
	if (rows > (double) all / 20)
		rows = (double) all / 20;
	return (int64_t) rows;
}

/* The next instant; the windows are one stretch of time for that. */
static void
advance(ApikeyMockAttack *attack)
{
	int64_t		rest;

	if (attack->left == 0)
	{
		attack->next_at = APIKEY_MOCK_NEVER;
		return;
	}
	attack->position = apikey_mock_next_instant(&attack->random, attack->position, attack->total, attack->left);
	rest = attack->position;
	for (int i = 0; i < attack->nwindows; i++)
	{
		if (rest < attack->length[i])
		{
			attack->next_at = attack->start[i] + rest;
			return;
		}
		rest -= attack->length[i];
	}
}

static bool
plan_attack(ApikeyMockTraffic *traffic, ApikeyMockAttack *attack, int64_t all)
{
	const AttackPlan *plan = &plans[attack->kind];
	ApikeyMockKey *key;

	apikey_mock_random_init(&attack->random, traffic->seed, TOPIC_ATTACK + 100 * (uint64_t) attack->kind);
	attack->key = -1;
	attack->agent = plan->agent;
	memset(&attack->net, 0, sizeof(attack->net));
	if (plan->prefix > 0)
		attack->net = apikey_mock_attacker_net(apikey_mock_hash(traffic->seed, attack->kind, TOPIC_NET), plan->prefix);
	attack->endpoint = NULL;
	plan_windows(traffic, attack);
	if (attack->kind != APIKEY_MOCK_ENUMERATION)
	{
		if (!choose_victim(traffic, attack))
			return false;
		key = &traffic->keys[attack->key];
		silence_victim(attack, key);
		if (attack->kind == APIKEY_MOCK_OFF_HOURS)
			plan_nights(traffic, attack);
		else if (attack->kind == APIKEY_MOCK_AFTER_REVOCATION && key->revoked_at > traffic->since)
			one_window(attack, key->revoked_at, traffic->until - key->revoked_at);
		else if (attack->kind == APIKEY_MOCK_SLOW_EXFILTRATION)
			attack->endpoint = largest_answer(key->api);
		if (attack->kind == APIKEY_MOCK_AFTER_REVOCATION && attack->length[0] > 2 * DAY)
			attack->length[0] = 2 * DAY;
		if (attack->nwindows == 0)
			return false;
	}
	attack->total = 0;
	for (int i = 0; i < attack->nwindows; i++)
		attack->total += attack->length[i];
	attack->rows = attack->left = plan_rows(traffic, attack, all);
	attack->position = 0;
	attack->first_at = attack->last_at = 0;
	memset(attack->counts, 0, sizeof(attack->counts));
	advance(attack);
	return true;
}

bool
apikey_mock_scene_begin(ApikeyMockScene *scene, int *failed)
{
	ApikeyMockTraffic *traffic = &scene->traffic;
	int64_t		all = traffic->rows;

	apikey_mock_traffic_prepare(traffic);
	for (int i = 0; i < scene->nattacks; i++)
	{
		if (!plan_attack(traffic, &scene->attacks[i], all))
		{
			*failed = i;
			return false;
		}
		traffic->rows -= scene->attacks[i].rows;
	}
	apikey_mock_traffic_begin(traffic);
	return true;
}

/* ---- rows ---- */

static void
fill_address(ApikeyMockTraffic *traffic, ApikeyMockAttack *attack, ApikeyMockRow *row)
{
	ApikeyMockRandom source;

	if (attack->net.family == 0)
		row->ip = apikey_mock_key_address(&traffic->keys[attack->key], &attack->random);
	else if (attack->kind == APIKEY_MOCK_MANY_IPS)
	{
		/* each comes a few times */
		apikey_mock_random_init(&source, traffic->seed, TOPIC_SOURCE + 1000 *
								(uint64_t) apikey_mock_below(&attack->random, (uint32_t) (attack->rows / 3 + 10)));
		row->ip = apikey_mock_address(&attack->net, &source);
	}
	else
		row->ip = apikey_mock_address(&attack->net, &attack->random);
}

/* Somebody who guesses keys, until the guard is at it. */
static void
fill_guess(ApikeyMockTraffic *traffic, ApikeyMockAttack *attack, ApikeyMockRow *row)
{
	double		u = apikey_mock_uniform(&attack->random);

	row->code = u < 0.25 ? APIKEY_MALFORMED : APIKEY_NOT_FOUND;
	if (attack->rows - attack->left > 60 && apikey_mock_uniform(&attack->random) < 0.85)
		row->code = APIKEY_BLOCKED;
	row->method = apikey_mock_text("GET");
	row->endpoint.ptr = traffic->path;
	row->endpoint.len = apikey_mock_path("/v1/customers/#", row->at, &attack->random, traffic->path);
}

static void
fill_attack(ApikeyMockTraffic *traffic, ApikeyMockAttack *attack, ApikeyMockRow *row)
{
	ApikeyMockRandom *random = &attack->random;
	const ApikeyMockKey *key;
	const ApikeyMockEndpoint *endpoint = attack->endpoint;

	row->key = attack->key;
	fill_address(traffic, attack, row);
	if (attack->kind == APIKEY_MOCK_ENUMERATION)
	{
		fill_guess(traffic, attack, row);
		row->user_agent = apikey_mock_text(attack->agent);
		return;
	}
	key = &traffic->keys[row->key];
	row->user_agent = apikey_mock_text(attack->agent != NULL ? attack->agent : apikey_mock_agents[key->agent]);
	row->old_secret = key->rotated && row->at < key->rotated_at;
	if (endpoint == NULL)
		endpoint = apikey_mock_pick_endpoint(key->api, apikey_mock_uniform(random));
	apikey_mock_fill_request(traffic, random, endpoint, row);
	switch (attack->kind)
	{
		case APIKEY_MOCK_ERROR_BURST:
			apikey_mock_fill_answer(traffic, random, endpoint, row);
			if (apikey_mock_uniform(random) < 0.93)
			{
				row->status = apikey_mock_uniform(random) < 0.7 ? 503 : 500;
				row->latency_us = row->latency_us * 3 + 2000000;
				row->bytes_out = 180;
			}
			break;
		case APIKEY_MOCK_RATE_SPIKE:
			if (attack->left * 10 < attack->rows * 9 && apikey_mock_uniform(random) < 0.6)
				apikey_mock_deny(row, APIKEY_RATE_LIMITED);
			break;
		case APIKEY_MOCK_SLOW_EXFILTRATION:
			apikey_mock_fill_answer(traffic, random, endpoint, row);
			row->status = 200;
			row->bytes_out = (int64_t) apikey_mock_lognormal(traffic, random, 25e6, 0.4);
			row->latency_us += row->bytes_out / 12;
			break;
		case APIKEY_MOCK_AFTER_REVOCATION:
			apikey_mock_deny(row, APIKEY_REVOKED);
			break;
		default:
			break;
	}
}

static ApikeyMockAttack *
earliest_attack(ApikeyMockScene *scene)
{
	ApikeyMockAttack *earliest = NULL;

	for (int i = 0; i < scene->nattacks; i++)
		if (scene->attacks[i].left > 0 &&
			(earliest == NULL || scene->attacks[i].next_at < earliest->next_at))
			earliest = &scene->attacks[i];
	return earliest;
}

bool
apikey_mock_scene_next(ApikeyMockScene *scene, ApikeyMockRow *row, ApikeyMockAttack **attack)
{
	ApikeyMockAttack *now = earliest_attack(scene);
	int64_t		at;
	bool		more = apikey_mock_traffic_peek(&scene->traffic, &at);

	if (now != NULL && more && now->next_at >= at)
		now = NULL;
	if (now == NULL && !more)
		return false;
	if (now != NULL)
	{
		apikey_mock_clear_row(row, now->next_at);
		fill_attack(&scene->traffic, now, row);
		if (now->left == now->rows)
			now->first_at = row->at;
		now->last_at = row->at;
		now->left--;
		now->counts[row->code]++;
		advance(now);
	}
	else
		apikey_mock_traffic_take(&scene->traffic, row);
	/* log_usage() is told of no scope */
	if (row->code == APIKEY_LOGGED)
		row->scope = (ApikeyStr) {NULL, 0};
	*attack = now;
	return true;
}
