/*
 * mock_api.c
 *		The HTTP interfaces that mock traffic calls.
 *
 * Layer 0: C library only.
 */
#include <stdbool.h>
#include <string.h>

#include "mock_api.h"

#define DAY_US	INT64_C(86400000000)

static const ApikeyMockEndpoint orders[] = {
	{"GET", "/v1/orders/#", "orders:read", 430, 9000, 0.45, 0, 1800},
	{"GET", "/v1/orders", "orders:read", 210, 24000, 0.60, 0, 22000},
	{"POST", "/v1/orders", "orders:write", 140, 41000, 0.50, 1200, 900},
	{"PATCH", "/v1/orders/#", "orders:write", 90, 32000, 0.50, 400, 900},
	{"GET", "/v1/customers/#/orders", "orders:read", 70, 28000, 0.65, 0, 14000},
	{"POST", "/v1/orders/#/refunds", "orders:write", 30, 88000, 0.55, 300, 600},
	{"DELETE", "/v1/orders/#", "orders:write", 20, 26000, 0.50, 0, 0},
	{"GET", "/v1/orders/export/~", "orders:read", 10, 950000, 0.80, 0, 1400000},
};

static const ApikeyMockEndpoint payments[] = {
	{"POST", "/v2/charges", "payments:write", 380, 180000, 0.45, 900, 1100},
	{"GET", "/v2/charges/%", "payments:read", 320, 12000, 0.45, 0, 1300},
	{"GET", "/v2/balance", "payments:read", 120, 8000, 0.40, 0, 300},
	{"POST", "/v2/charges/%/capture", "payments:write", 80, 150000, 0.50, 120, 900},
	{"POST", "/v2/refunds", "payments:write", 40, 170000, 0.50, 250, 700},
	{"GET", "/v2/payouts/~", "payments:read", 40, 60000, 0.60, 0, 9000},
	{"GET", "/v2/disputes", "payments:read", 20, 45000, 0.55, 0, 5000},
};

static const ApikeyMockEndpoint catalog[] = {
	{"GET", "/v1/products/#", "catalog:read", 420, 5000, 0.40, 0, 2600},
	{"GET", "/v1/search", "catalog:read", 300, 38000, 0.70, 0, 16000},
	{"GET", "/v1/categories/@/products", "catalog:read", 150, 21000, 0.55, 0, 18000},
	{"GET", "/v1/products/#/reviews", "catalog:read", 70, 18000, 0.55, 0, 7000},
	{"PUT", "/v1/products/#/stock", "catalog:write", 50, 15000, 0.45, 90, 0},
	{"POST", "/v1/products", "catalog:write", 10, 52000, 0.50, 3200, 2600},
};

static const ApikeyMockEndpoint files[] = {
	{"GET", "/files/%", "files:read", 480, 52000, 0.90, 0, 420000},
	{"PUT", "/files/%", "files:write", 190, 160000, 0.90, 380000, 200},
	{"HEAD", "/files/%", "files:read", 160, 6000, 0.40, 0, 0},
	{"GET", "/folders/@/list", "files:read", 120, 26000, 0.60, 0, 9000},
	{"DELETE", "/files/%", "files:write", 30, 19000, 0.50, 0, 0},
	{"POST", "/uploads/%/parts/#", "files:write", 20, 240000, 0.80, 5200000, 120},
};

static const ApikeyMockEndpoint messaging[] = {
	{"POST", "/v1/messages", "messaging:write", 520, 35000, 0.50, 700, 250},
	{"GET", "/v1/messages/%", "messaging:read", 210, 9000, 0.45, 0, 800},
	{"GET", "/v1/conversations/%/messages", "messaging:read", 140, 22000, 0.55, 0, 12000},
	{"POST", "/v1/templates/@/render", "messaging:write", 80, 14000, 0.45, 500, 2200},
	{"GET", "/v1/numbers/#", "messaging:read", 50, 7000, 0.40, 0, 400},
};

static const ApikeyMockEndpoint telemetry[] = {
	{"POST", "/ingest/metrics", "telemetry:write", 600, 3500, 0.45, 5200, 0},
	{"POST", "/ingest/logs", "telemetry:write", 270, 5200, 0.50, 24000, 0},
	{"POST", "/devices/#/heartbeat", "telemetry:write", 90, 2600, 0.40, 80, 20},
	{"GET", "/devices/#/config", "telemetry:read", 30, 6000, 0.40, 0, 1500},
	{"GET", "/query/range", "telemetry:read", 10, 320000, 0.90, 300, 65000},
};

static const ApikeyMockEndpoint inference[] = {
	{"POST", "/v1/chat/completions", "inference:write", 560, 1900000, 0.75, 6200, 3400},
	{"POST", "/v1/embeddings", "inference:write", 310, 64000, 0.50, 2600, 12500},
	{"GET", "/v1/models", "inference:read", 60, 4000, 0.40, 0, 5200},
	{"POST", "/v1/images", "inference:write", 50, 7400000, 0.45, 900, 1600000},
	{"GET", "/v1/jobs/%", "inference:read", 20, 8000, 0.45, 0, 600},
};

static const ApikeyMockEndpoint reports[] = {
	{"GET", "/reports/@", "reports:read", 340, 210000, 0.80, 0, 54000},
	{"GET", "/reports/@/~", "reports:read", 280, 260000, 0.80, 0, 61000},
	{"GET", "/dashboards/#", "reports:read", 240, 120000, 0.70, 0, 31000},
	{"POST", "/queries", "reports:write", 110, 540000, 1.00, 800, 74000},
	{"GET", "/exports/%.csv", "reports:read", 30, 1400000, 0.90, 0, 3800000},
};

#define API(name)	{#name, name, sizeof(name) / sizeof(name[0])}

const ApikeyMockApi apikey_mock_apis[APIKEY_MOCK_NAPIS] = {
	API(orders),
	API(payments),
	API(catalog),
	API(files),
	API(messaging),
	API(telemetry),
	API(inference),
	API(reports),
};

const char *const apikey_mock_agents[APIKEY_MOCK_NAGENTS] = {
	"okhttp/4.12.0", "okhttp/4.9.3", "axios/1.7.2", "axios/0.27.2",
	"node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "undici",
	"Go-http-client/1.1", "Go-http-client/2.0", "Java/17.0.9", "Apache-HttpClient/4.5.14 (Java/11.0.21)",
	"GuzzleHttp/7", "PostmanRuntime/7.36.0", "Ruby", "Faraday v2.9.0",
	"aiohttp/3.9.3", "python-httpx/0.27.0", "reqwest/0.11.24", "Dart/3.3 (dart:io)",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
	"Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
	"Zapier", "n8n",
};

const char *const apikey_mock_regions[APIKEY_MOCK_NREGIONS] = {
	"eu-central", "eu-west", "us-east", "us-west", "ap-southeast", "sa-east",
};

static const char *const words[] = {
	"books", "garden", "sales", "kitchen", "archive", "toys", "daily", "invoices",
	"shoes", "inventory", "welcome", "music", "churn", "tools", "reminder", "margin",
};

#define NWORDS	(sizeof(words) / sizeof(words[0]))

const ApikeyMockEndpoint *
apikey_mock_pick_endpoint(int api, double u)
{
	const ApikeyMockEndpoint *endpoint = apikey_mock_apis[api].endpoints;
	int			thousandth = (int) (u * 1000);

	while (thousandth >= endpoint->share)
	{
		thousandth -= endpoint->share;
		endpoint++;
	}
	return endpoint;
}

void
apikey_mock_hex(uint64_t bits, int n, char *out)
{
	for (int i = 0; i < n; i++, bits <<= 4)
		out[i] = "0123456789abcdef"[bits >> 60];
}

static char *
put_number(char *out, uint64_t number)
{
	char		digits[20];
	int			n = 0;

	do
		digits[n++] = (char) ('0' + number % 10);
	while ((number /= 10) > 0);
	while (n > 0)
		*out++ = digits[--n];
	return out;
}

/* Version 4 by its digits. */
static char *
put_uuid(char *out, ApikeyMockRandom *random)
{
	uint64_t	high = apikey_mock_bits(random);
	uint64_t	low = apikey_mock_bits(random);

	apikey_mock_hex(high, 8, out);
	out[8] = '-';
	apikey_mock_hex(high << 32, 4, out + 9);
	out[13] = '-';
	out[14] = '4';
	apikey_mock_hex(high << 48, 3, out + 15);
	out[18] = '-';
	apikey_mock_hex((low >> 2) | UINT64_C(0x8000000000000000), 4, out + 19);
	out[23] = '-';
	apikey_mock_hex(low << 16, 12, out + 24);
	return out + 36;
}

/* Days since 2000-03-01, in 400, 100, 4 and 1 years. */
void
apikey_mock_date(int64_t at, char *out)
{
	int64_t		days = at / DAY_US - (at % DAY_US < 0) - 60;
	int64_t		era = (days >= 0 ? days : days - 146096) / 146097;
	int			day = (int) (days - era * 146097);
	int			year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int			month;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5 - 1;
	month += month < 10 ? 3 : -9;
	year += (int) (era * 400) + 2000 + (month <= 2);
	for (int i = 3; i >= 0; i--, year /= 10)
		out[i] = (char) ('0' + year % 10);
	out[4] = out[7] = '-';
	out[5] = (char) ('0' + month / 10);
	out[6] = (char) ('0' + month % 10);
	out[8] = (char) ('0' + day / 10);
	out[9] = (char) ('0' + day % 10);
}

int
apikey_mock_path(const char *pattern, int64_t at, ApikeyMockRandom *random, char *out)
{
	char	   *to = out;

	for (; *pattern != '\0'; pattern++)
	{
		double		u;
		size_t		len;
		const char *word;

		switch (*pattern)
		{
			case '#':
				/* some are asked for again and again */
				u = apikey_mock_uniform(random);
				to = put_number(to, 1000 + (uint64_t) (u * u * u * 900000));
				break;
			case '%':
				to = put_uuid(to, random);
				break;
			case '@':
				u = apikey_mock_uniform(random);
				word = words[(int) (u * u * (double) NWORDS)];
				len = strlen(word);
				memcpy(to, word, len);
				to += len;
				break;
			case '~':
				u = apikey_mock_uniform(random);
				apikey_mock_date(at - (int64_t) (u * u * 60) * DAY_US, to);
				to += 10;
				break;
			default:
				*to++ = *pattern;
		}
	}
	return (int) (to - out);
}
