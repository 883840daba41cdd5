/*
 * fuzz_sketch.c
 *		Histograms and sets from any bytes: what is one is written as it was, and
 *		merging keeps the order and the form.
 */
#include "fuzz.h"

#include "histogram.h"
#include "ip_sketch.h"

static ApikeyHistogramEntry a[APIKEY_HISTOGRAM_BUCKETS];
static ApikeyHistogramEntry b[APIKEY_HISTOGRAM_BUCKETS];
static ApikeyHistogramEntry ab[APIKEY_HISTOGRAM_BUCKETS];
static ApikeyHistogramEntry ba[APIKEY_HISTOGRAM_BUCKETS];
static uint8_t bytes[APIKEY_HISTOGRAM_BYTES_MAX];
static uint8_t bytes2[APIKEY_HISTOGRAM_BYTES_MAX];

static void
check_histograms(ApikeyStr x, ApikeyStr y)
{
	int			na = apikey_histogram_read((const uint8_t *) x.ptr, (size_t) x.len, a);
	int			nb = apikey_histogram_read((const uint8_t *) y.ptr, (size_t) y.len, b);
	int			n;
	double		last = 0;

	ASSERT(na >= -1 && na <= APIKEY_HISTOGRAM_BUCKETS);
	if (na < 0 || nb < 0)
		return;
	ASSERT(apikey_histogram_write(a, na, bytes) == (size_t) x.len);
	ASSERT(memcmp(bytes, x.ptr, (size_t) x.len) == 0);

	n = apikey_histogram_merge(a, na, b, nb, ab);
	ASSERT(n == apikey_histogram_merge(b, nb, a, na, ba));
	ASSERT(memcmp(ab, ba, (size_t) n * sizeof(ab[0])) == 0);
	ASSERT(n >= na && n >= nb && n <= na + nb);
	for (int i = 1; i < n; i++)
		ASSERT(apikey_histogram_entry_bucket(ab[i - 1]) < apikey_histogram_entry_bucket(ab[i]));
	for (int i = 0; n > 0 && i <= 16; i++)
	{
		double		value = apikey_histogram_percentile(ab, n, i / 16.0);

		ASSERT(value >= last && value <= 9.3e18);
		last = value;
	}
}

static void
check_sets(ApikeyStr x, ApikeyStr y)
{
	static ApikeyIpSet s;
	static ApikeyIpSet t;
	static ApikeyIpSet u;
	size_t		len;

	if (!apikey_ip_set_read((const uint8_t *) x.ptr, (size_t) x.len, &s) ||
		!apikey_ip_set_read((const uint8_t *) y.ptr, (size_t) y.len, &t))
		return;
	ASSERT(apikey_ip_set_write(&s, bytes) == (size_t) x.len);
	ASSERT(memcmp(bytes, x.ptr, (size_t) x.len) == 0);

	u = s;
	apikey_ip_set_merge(&u, &t);
	apikey_ip_set_merge(&t, &s);
	len = apikey_ip_set_write(&u, bytes);
	ASSERT(len <= APIKEY_IP_BYTES_MAX);
	ASSERT(apikey_ip_set_write(&t, bytes2) == len && memcmp(bytes, bytes2, len) == 0);
	apikey_ip_set_merge(&u, &s);
	ASSERT(apikey_ip_set_write(&u, bytes2) == len && memcmp(bytes, bytes2, len) == 0);
	ASSERT(apikey_ip_set_read(bytes, len, &u));
}

/* A set of registers, which no fuzzer would find by itself. */
static ApikeyStr
registers(FuzzInput *in)
{
	uint8_t    *block = fuzz_alloc(in, APIKEY_IP_FULL_BYTES);
	int			len = APIKEY_IP_FULL_BYTES - (fuzz_byte(in) == 1);

	memset(block, 0, APIKEY_IP_FULL_BYTES);
	block[0] = 2;
	for (int i = 1; in->left > 0 && i < APIKEY_IP_FULL_BYTES; i += 37)
		block[i] = fuzz_byte(in) & 0xB5;
	return (ApikeyStr) {(const char *) block, len};
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FuzzInput	in = {.data = data, .left = size};
	int			mode = fuzz_byte(&in);
	ApikeyStr	x = (mode & 2) ? registers(&in) : fuzz_text(&in, 200);
	ApikeyStr	y = (mode & 4) ? registers(&in) : fuzz_text(&in, 200);

	/* most texts have another first byte */
	if ((mode & 8) && x.len > 0 && !(mode & 2))
		((char *) x.ptr)[0] = 1;
	if ((mode & 8) && y.len > 0 && !(mode & 4))
		((char *) y.ptr)[0] = 1;
	if (mode & 1)
	{
		/* small numbers: varints of a byte */
		for (int i = 1; (mode & 16) && i < x.len; i++)
			((char *) x.ptr)[i] &= 0x7F;
		for (int i = 1; (mode & 16) && i < y.len; i++)
			((char *) y.ptr)[i] &= 0x7F;
		check_histograms(x, y);
	}
	else
		check_sets(x, y);
	fuzz_end(&in);
	return 0;
}
