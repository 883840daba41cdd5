/*
 * test_mock.c
 *		Unit tests of mock traffic: it follows from its seed, adds up, is in
 *		order, looks like the traffic of an API, and its attacks can be told
 *		from it.
 */
#include "unit.h"

#include "mock_attack.h"

#define HOUR	INT64_C(3600000000)
#define DAY		(24 * HOUR)
#define NKEYS	200
#define ROWS	60000

/* a Monday, 00:00 UTC: 2000-01-03 and 52 weeks */
#define MONDAY	(2 * DAY + 364 * DAY)

static ApikeyMockKey keys[NKEYS];
static int	members[NKEYS];
static int	scratch[NKEYS];
static ApikeyMockAlias alias[NKEYS];
static ApikeyMockScene scene;

static uint64_t digest;			/* of all rows */
static int64_t per_key[NKEYS];
static int64_t per_attack[APIKEY_MOCK_NATTACKS];
static int64_t per_code[APIKEY_NCODES];
static int64_t per_weekday[7];
static int64_t per_hour[24];
static int64_t total;

/* zone 0 is UTC, zone 1 is nine hours ahead */
static int
clock_of(void *arg, int zone, int64_t at)
{
	int64_t		since = at + (zone == 1 ? 9 * HOUR : 0) - 2 * DAY;

	(void) arg;
	return (int) (since / (HOUR / 4) % APIKEY_MOCK_QUARTERS);
}

static void
make_keys(int zone)
{
	memset(keys, 0, sizeof(keys));
	for (int i = 0; i < NKEYS; i++)
	{
		keys[i].identity = apikey_mock_hash(1, (uint64_t) i, 0);
		keys[i].zone = zone;
		keys[i].api = i % APIKEY_MOCK_NAPIS;
		keys[i].created_at = 0;
		keys[i].expires_at = keys[i].revoked_at = keys[i].suspended_at = APIKEY_MOCK_NEVER;
	}
	keys[7].revoked_at = MONDAY + DAY;
	keys[8].suspended_at = MONDAY + 2 * DAY;
	keys[9].expires_at = MONDAY + 3 * DAY;
	keys[10].rotated = true;
	keys[10].rotated_at = MONDAY + 2 * DAY;
	keys[10].old_ends_at = MONDAY + 4 * DAY;
	keys[11].created_at = MONDAY + 3 * DAY;
}

static void
setup(uint64_t seed, int64_t rows, int64_t since, int64_t until, int nattacks)
{
	memset(&scene, 0, sizeof(scene));
	scene.traffic.keys = keys;
	scene.traffic.nkeys = NKEYS;
	scene.traffic.nzones = 2;
	scene.traffic.members = members;
	scene.traffic.alias = alias;
	scene.traffic.scratch = scratch;
	scene.traffic.since = since;
	scene.traffic.until = until;
	scene.traffic.rows = rows;
	scene.traffic.seed = seed;
	scene.traffic.clock = clock_of;
	scene.nattacks = nattacks;
	for (int i = 0; i < nattacks; i++)
		scene.attacks[i].kind = (ApikeyMockAttackKind) i;
}

static void
mix(const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		digest = (digest ^ ((const uint8_t *) bytes)[i]) * UINT64_C(1099511628211);
}

static void
mix_text(ApikeyStr text)
{
	mix(&text.len, sizeof(text.len));
	if (text.ptr != NULL)
		mix(text.ptr, (size_t) text.len);
}

static bool
fits(ApikeyStr text, int most)
{
	return text.ptr == NULL || (text.len >= 0 && text.len <= most);
}

/* What holds for each row; in one check, or there would be millions. */
static bool
sane(const ApikeyMockRow *row, int64_t before)
{
	if (row->at < before || row->at < scene.traffic.since || row->at >= scene.traffic.until)
		return false;
	if (row->key < -1 || row->key >= NKEYS || row->code >= APIKEY_NCODES || row->ip.family == 0)
		return false;
	if ((row->code == APIKEY_LOGGED) != (row->status != -1) || (row->status == -1) != (row->latency_us == -1))
		return false;
	if (row->code == APIKEY_LOGGED && (row->scope.ptr != NULL || row->latency_us < 0 || row->bytes_out < 0))
		return false;
	if ((row->key == -1) != (row->code == APIKEY_NOT_FOUND || row->code == APIKEY_MALFORMED || row->code == APIKEY_BLOCKED))
		return false;
	return row->units > 0 && row->method.ptr != NULL && row->user_agent.ptr != NULL &&
		fits(row->endpoint, APIKEY_MOCK_PATH_MAX) && fits(row->request_id, 40);
}

static void
run(void)
{
	ApikeyMockRow row;
	ApikeyMockAttack *attack;
	int64_t		before = 0;
	int64_t		wrong = 0;
	int			failed;

	digest = UINT64_C(14695981039346656037);
	total = 0;
	memset(per_key, 0, sizeof(per_key));
	memset(per_attack, 0, sizeof(per_attack));
	memset(per_code, 0, sizeof(per_code));
	memset(per_weekday, 0, sizeof(per_weekday));
	memset(per_hour, 0, sizeof(per_hour));
	CHECK(apikey_mock_scene_begin(&scene, &failed));
	while (apikey_mock_scene_next(&scene, &row, &attack))
	{
		wrong += !sane(&row, before);
		before = row.at;
		total++;
		per_code[row.code]++;
		if (attack != NULL)
			per_attack[attack->kind]++;
		else if (row.key >= 0)
			per_key[row.key]++;
		per_weekday[(row.at - MONDAY) / DAY % 7]++;
		per_hour[row.at / HOUR % 24]++;
		mix(&row.at, sizeof(row.at));
		mix(&row.key, sizeof(row.key));
		mix(&row.code, sizeof(row.code));
		mix(&row.ip, sizeof(row.ip));
		mix(&row.latency_us, sizeof(row.latency_us));
		mix_text(row.endpoint);
		mix_text(row.user_agent);
		mix_text(row.request_id);
	}
	CHECK_INT(wrong, 0);
}

static void
test_follows_from_seed(void)
{
	uint64_t	first;

	make_keys(0);
	setup(1, ROWS, MONDAY, MONDAY + 7 * DAY, APIKEY_MOCK_NATTACKS);
	run();
	first = digest;
	CHECK_INT(total, ROWS);
	make_keys(0);
	setup(1, ROWS, MONDAY, MONDAY + 7 * DAY, APIKEY_MOCK_NATTACKS);
	run();
	CHECK(digest == first);
	make_keys(0);
	setup(2, ROWS, MONDAY, MONDAY + 7 * DAY, APIKEY_MOCK_NATTACKS);
	run();
	CHECK(digest != first);
}

/* any number of rows, any range */
static void
test_adds_up(void)
{
	static const int64_t rows[] = {1, 2, 3, 100, 9973};
	static const int64_t ranges[] = {1, 2, 1000, HOUR / 4, HOUR / 4 + 1, 5 * HOUR - 7, DAY, 90 * DAY};

	for (int i = 0; i < lengthof(rows); i++)
		for (int j = 0; j < lengthof(ranges); j++)
		{
			make_keys(0);
			setup(3, rows[i], MONDAY + 12345, MONDAY + 12345 + ranges[j], 0);
			run();
			CHECK_INT(total, rows[i]);
		}
}

static void
test_realism(void)
{
	int64_t		busiest = 0;
	int64_t		used = 0;
	int64_t		accepted;

	make_keys(0);
	setup(4, ROWS, MONDAY, MONDAY + 7 * DAY, 0);
	run();
	for (int i = 0; i < NKEYS; i++)
	{
		busiest = per_key[i] > busiest ? per_key[i] : busiest;
		used += per_key[i] > 0;
	}
	CHECKF(busiest > ROWS / 25 && busiest < ROWS / 4, "the busiest key has %lld rows", (long long) busiest);
	CHECKF(used > NKEYS * 9 / 10, "%lld keys are used", (long long) used);
	CHECKF(per_weekday[2] > per_weekday[6] * 1.3, "Wednesday %lld, Sunday %lld",
		   (long long) per_weekday[2], (long long) per_weekday[6]);
	CHECKF(per_hour[15] > per_hour[4] * 1.5, "15:00 %lld, 04:00 %lld", (long long) per_hour[15], (long long) per_hour[4]);
	accepted = per_code[APIKEY_VALID] + per_code[APIKEY_LOGGED];
	CHECKF(accepted > ROWS * 0.95 && accepted < ROWS * 0.998, "%lld accepted", (long long) accepted);
	CHECK(per_code[APIKEY_REVOKED] > 0 && per_code[APIKEY_SUSPENDED] > 0 && per_code[APIKEY_EXPIRED] > 0);
	CHECK(per_code[APIKEY_VALID] > 0 && per_code[APIKEY_NOT_FOUND] > 0 && per_code[APIKEY_MALFORMED] > 0);

	/* the day is that of the clients' time zone */
	make_keys(1);
	setup(4, ROWS, MONDAY, MONDAY + 7 * DAY, 0);
	run();
	CHECKF(per_hour[6] > per_hour[19] * 1.5, "06:00 %lld, 19:00 %lld", (long long) per_hour[6], (long long) per_hour[19]);
}

/* What a key's state says is never contradicted by a row. */
static void
test_states(void)
{
	ApikeyMockRow row;
	ApikeyMockAttack *attack;
	int64_t		wrong = 0;
	int64_t		old_secret = 0;
	int			failed;

	make_keys(0);
	for (int i = 12; i < NKEYS; i++)
		keys[i].revoked_at = 0;
	setup(5, ROWS, MONDAY, MONDAY + 7 * DAY, 0);
	CHECK(apikey_mock_scene_begin(&scene, &failed));
	while (apikey_mock_scene_next(&scene, &row, &attack))
	{
		const ApikeyMockKey *key = row.key < 0 ? NULL : &keys[row.key];

		if (key == NULL)
			continue;
		wrong += (row.at >= key->revoked_at) != (row.code == APIKEY_REVOKED);
		wrong += (row.at >= key->suspended_at) != (row.code == APIKEY_SUSPENDED);
		wrong += (row.at >= key->expires_at) != (row.code == APIKEY_EXPIRED);
		wrong += row.old_secret && (!key->rotated || (row.at >= key->old_ends_at && row.code != APIKEY_SUPERSEDED));
		wrong += key->rotated && row.at < key->rotated_at && !row.old_secret;
		old_secret += row.old_secret && row.at > key->rotated_at;
	}
	CHECK_INT(wrong, 0);
	CHECK(old_secret > 0);
}

static void
test_attacks(void)
{
	ApikeyMockRow row;
	ApikeyMockAttack *attack;
	int64_t		strange = 0;
	int64_t		quiet = 0;
	int64_t		rows = 0;
	int			failed;

	make_keys(0);
	setup(6, ROWS, MONDAY, MONDAY + 7 * DAY, APIKEY_MOCK_NATTACKS);
	run();
	for (int i = 0; i < APIKEY_MOCK_NATTACKS; i++)
	{
		const ApikeyMockAttack *done = &scene.attacks[i];

		CHECKF(per_attack[i] == done->rows && done->rows >= 25, "%s: %lld of %lld rows", apikey_mock_attack_names[i],
			   (long long) per_attack[i], (long long) done->rows);
		CHECK(done->first_at >= MONDAY && done->last_at < MONDAY + 7 * DAY && done->first_at < done->last_at);
		CHECK((done->key == -1) == (done->kind == APIKEY_MOCK_ENUMERATION));
		for (int j = 0; j < i; j++)
			CHECK(done->key == -1 || done->key != scene.attacks[j].key);
	}
	CHECK_INT(per_key[scene.attacks[APIKEY_MOCK_DORMANT_KEY].key], 0);
	CHECK_INT(scene.attacks[APIKEY_MOCK_AFTER_REVOCATION].key, 7);
	CHECK_INT(scene.attacks[APIKEY_MOCK_AFTER_REVOCATION].counts[APIKEY_REVOKED], scene.attacks[APIKEY_MOCK_AFTER_REVOCATION].rows);
	CHECK(keys[scene.attacks[APIKEY_MOCK_OFF_HOURS].key].shape == APIKEY_MOCK_OFFICE);
	CHECK(scene.attacks[APIKEY_MOCK_ENUMERATION].counts[APIKEY_BLOCKED] > 0);
	CHECK(scene.attacks[APIKEY_MOCK_RATE_SPIKE].counts[APIKEY_RATE_LIMITED] > 0);

	/* the agents of attackers are nobody else's; the quiet ones are quiet */
	make_keys(0);
	setup(6, ROWS, MONDAY, MONDAY + 7 * DAY, APIKEY_MOCK_NATTACKS);
	CHECK(apikey_mock_scene_begin(&scene, &failed));
	while (apikey_mock_scene_next(&scene, &row, &attack))
	{
		rows++;
		for (int i = 0; i < APIKEY_MOCK_NATTACKS; i++)
		{
			const ApikeyMockAttack *one = &scene.attacks[i];
			bool		same = one->agent != NULL && (int) strlen(one->agent) == row.user_agent.len &&
				memcmp(one->agent, row.user_agent.ptr, (size_t) row.user_agent.len) == 0;

			strange += same != (attack == one && one->agent != NULL);
			quiet += one->agent == NULL && attack != one && row.key == one->key &&
				row.at >= one->start[0] && row.at < one->start[0] + one->length[0];
		}
		if (attack == &scene.attacks[APIKEY_MOCK_OFF_HOURS])
			strange += row.at / HOUR % 24 < 1 || row.at / HOUR % 24 > 3;
	}
	CHECK_INT(rows, ROWS);
	CHECK_INT(strange, 0);
	CHECK_INT(quiet, 0);
}

/* No victim, no attack: told, not made up. */
static void
test_no_victim(void)
{
	int			failed = -1;

	make_keys(0);
	keys[7].revoked_at = APIKEY_MOCK_NEVER;
	setup(7, ROWS, MONDAY, MONDAY + 7 * DAY, APIKEY_MOCK_NATTACKS);
	CHECK(!apikey_mock_scene_begin(&scene, &failed));
	CHECK_INT(failed, APIKEY_MOCK_AFTER_REVOCATION);

	make_keys(0);
	for (int i = 0; i < NKEYS; i++)
		keys[i].expires_at = MONDAY - DAY;
	setup(7, ROWS, MONDAY, MONDAY + 7 * DAY, 1);
	CHECK(!apikey_mock_scene_begin(&scene, &failed));
	CHECK_INT(failed, 0);
}

static void
test_addresses(void)
{
	static const ApikeyNet benchmarks = {4, 15, {198, 18}};
	static const ApikeyNet shared = {4, 10, {100, 64}};
	static const ApikeyNet documentation = {6, 32, {0x20, 0x01, 0x0d, 0xb8}};
	ApikeyMockRandom random;
	ApikeyNet	nets[] = {apikey_mock_attacker_net(77, 15), apikey_mock_attacker_net(1234567, 28),
	apikey_mock_customer_net(99, 20), apikey_mock_customer_net(99, 32), apikey_mock_customer_net6(12345)};

	apikey_mock_random_init(&random, 1, 1);
	for (int i = 0; i < lengthof(nets); i++)
		for (int j = 0; j < 1000; j++)
		{
			ApikeyNet	address = apikey_mock_address(&nets[i], &random);

			if (!apikey_net_contains(&nets[i], &address) || address.bits != (address.family == 4 ? 32 : 128))
			{
				CHECKF(false, "network %d does not contain its address", i);
				break;
			}
		}
	CHECK(apikey_net_contains(&benchmarks, &nets[1]));
	CHECK(apikey_net_contains(&shared, &nets[2]));
	CHECK(apikey_net_contains(&documentation, &nets[4]));
}

static void
test_dates(void)
{
	static const struct
	{
		int64_t		days;
		const char *date;
	} cases[] = {{0, "2000-01-01"}, {59, "2000-02-29"}, {60, "2000-03-01"}, {366, "2001-01-01"},
	{9831, "2026-12-01"}, {36524, "2099-12-31"}, {36584, "2100-03-01"}, {-1, "1999-12-31"}};
	char		date[11] = "";

	for (int i = 0; i < lengthof(cases); i++)
	{
		apikey_mock_date(cases[i].days * DAY, date);
		CHECKF(strcmp(date, cases[i].date) == 0, "%s", date);
		apikey_mock_date(cases[i].days * DAY + DAY - 1, date);
		CHECKF(strcmp(date, cases[i].date) == 0, "%s", date);
	}
}

static void
test_shares(void)
{
	for (int i = 0; i < APIKEY_MOCK_NAPIS; i++)
	{
		int			sum = 0;

		for (int j = 0; j < apikey_mock_apis[i].nendpoints; j++)
			sum += apikey_mock_apis[i].endpoints[j].share;
		CHECKF(sum == 1000, "shares of %s add up to %d", apikey_mock_apis[i].name, sum);
		CHECK(apikey_mock_pick_endpoint(i, 0.9999999)->method != NULL);
	}
	for (int i = 0; i < APIKEY_MOCK_NSHAPES; i++)
	{
		double		curve[APIKEY_MOCK_QUARTERS];
		double		sum = 0;

		apikey_mock_shape_curve((ApikeyMockShape) i, curve);
		for (int j = 0; j < APIKEY_MOCK_QUARTERS; j++)
			sum += curve[j];
		CHECK(fabs(sum - APIKEY_MOCK_QUARTERS) < 0.001);
	}
}

int
main(void)
{
	unit_begin();
	test_follows_from_seed();
	test_adds_up();
	test_realism();
	test_states();
	test_attacks();
	test_no_victim();
	test_addresses();
	test_dates();
	test_shares();
	return unit_done("test_mock");
}
