/*
 * test_histogram.c
 *		Histograms: the bound of their error, one form, whatever the order.
 */
#include "unit.h"

#include <math.h>

#include "histogram.h"

typedef struct Histogram
{
	int			n;
	ApikeyHistogramEntry entries[APIKEY_HISTOGRAM_BUCKETS + 1];
} Histogram;

static Histogram a,
			b,
			c;
static uint8_t bytes[APIKEY_HISTOGRAM_BYTES_MAX];
static uint8_t bytes2[APIKEY_HISTOGRAM_BYTES_MAX];

static void
add(Histogram *h, int64_t value)
{
	h->n = apikey_histogram_add(h->entries, h->n, apikey_histogram_bucket(value));
}

/* a number of any size: as many small ones as large ones */
static int64_t
any_value(uint64_t *seed)
{
	uint64_t	bits = (uint64_t) unit_random(seed) << 32 ^ (uint64_t) unit_random(seed) << 8 ^ unit_random(seed);

	return (int64_t) (bits >> (1 + unit_random(seed) % 63));
}

static void
test_buckets(void)
{
	uint64_t	seed = 1;
	int			wrong = 0;

	/* exact at the bottom */
	for (int v = 0; v < 32; v++)
	{
		CHECK_INT(apikey_histogram_bucket(v), v);
		CHECK(apikey_histogram_middle(v) == v);
	}
	CHECK_INT(apikey_histogram_bucket(-1), 0);
	CHECK_INT(apikey_histogram_bucket(INT64_MIN), 0);
	CHECK_INT(apikey_histogram_bucket(INT64_MAX), APIKEY_HISTOGRAM_BUCKETS - 1);
	CHECK_INT(apikey_histogram_bucket(32), 32);
	CHECK_INT(apikey_histogram_bucket(33), 32);
	CHECK_INT(apikey_histogram_bucket(34), 33);
	CHECK(apikey_histogram_middle(32) == 32.5);

	/* a larger value is never in a smaller bucket, and no bucket is left out */
	for (int power = 5; power < 63; power++)
		for (int step = 0; step < 16; step++)
		{
			int64_t		first = (INT64_C(16) + step) << (power - 4);
			int			bucket = apikey_histogram_bucket(first);

			if (bucket != (power - 3) * 16 + step ||
				apikey_histogram_bucket(first - 1) != bucket - 1)
				wrong++;
		}
	CHECK_INT(wrong, 0);

	/* the middle is at most 1/32 off, of any value in the bucket */
	for (int i = 0; i < 1000000; i++)
	{
		int64_t		v = any_value(&seed);

		if (fabs(apikey_histogram_middle(apikey_histogram_bucket(v)) - (double) v) > (double) v / 32)
			wrong++;
	}
	CHECK_INT(wrong, 0);
}

static void
test_bytes(void)
{
	static const struct
	{
		ApikeyStr	bytes;
		int			n;
	} texts[] = {
		{{"", 0}, -1},
		{{"\0", 1}, -1},
		{{"\2", 1}, -1},
		{{"\1", 1}, 0},
		{{"\1\0\1", 3}, 1},
		{{"\1\0", 2}, -1},
		{{"\1\0\0", 3}, -1},	/* a count of 0 */
		{{"\1\x80\1\1", 4}, 1},
		{{"\1\x80", 2}, -1},
		{{"\1\0\x80", 3}, -1},
		{{"\1\x80\0\1", 4}, -1},	/* longer than needed */
		{{"\1\0\x81\0", 4}, -1},
		{{"\1\xBF\7\1", 4}, 1}, /* the last bucket */
		{{"\1\xBF\7\1\0\1", 6}, -1},
		{{"\1\xC0\7\1", 4}, -1},
		{{"\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x3F\1", 10}, -1},
		{{"\1\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x1F", 10}, 1},	/* the largest count */
		{{"\1\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x3F", 10}, -1},
		{{"\1\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1", 12}, -1},
	};
	uint64_t	seed = 2;

	for (int i = 0; i < lengthof(texts); i++)
	{
		ApikeyStr	copy = unit_copy(texts[i].bytes);
		int			n = apikey_histogram_read((const uint8_t *) copy.ptr, (size_t) copy.len, a.entries);

		CHECKF(n == texts[i].n, "text %d: %d entries, expected %d", i, n, texts[i].n);
		if (n >= 0)
		{
			size_t		len = apikey_histogram_write(a.entries, n, bytes);

			CHECKF(len == (size_t) copy.len && memcmp(bytes, copy.ptr, len) == 0,
				   "text %d is written otherwise", i);
		}
	}

	/* everything in it */
	a.n = 0;
	for (int i = 0; i < APIKEY_HISTOGRAM_BUCKETS; i++)
		a.entries[a.n++] = (uint64_t) i << 54 | APIKEY_HISTOGRAM_COUNT_MAX;
	CHECK(apikey_histogram_write(a.entries, a.n, bytes) <= sizeof(bytes));
	CHECK_INT(apikey_histogram_read(bytes, apikey_histogram_write(a.entries, a.n, bytes), b.entries), a.n);
	CHECK(memcmp(a.entries, b.entries, (size_t) a.n * sizeof(a.entries[0])) == 0);
	CHECK(apikey_histogram_percentile(a.entries, a.n, 1) == apikey_histogram_middle(APIKEY_HISTOGRAM_BUCKETS - 1));
	CHECK(apikey_histogram_percentile(a.entries, a.n, 0) == 0);

	/* a count stays at its maximum */
	CHECK_INT(apikey_histogram_merge(a.entries, a.n, b.entries, a.n, c.entries), a.n);
	CHECK(memcmp(a.entries, c.entries, (size_t) a.n * sizeof(a.entries[0])) == 0);
	CHECK_INT(apikey_histogram_add(c.entries, a.n, 17), a.n);
	CHECK(memcmp(a.entries, c.entries, (size_t) a.n * sizeof(a.entries[0])) == 0);
	CHECK(apikey_histogram_increase(c.entries, a.n, a.entries[17]));
	CHECK(memcmp(a.entries, c.entries, (size_t) a.n * sizeof(a.entries[0])) == 0);

	/* rows in any order and parts merged in any order: the same bytes */
	for (int round = 0; round < 200; round++)
	{
		static int64_t values[500];
		int			n = (int) (unit_random(&seed) % 500) + 1;
		size_t		len;

		a.n = b.n = c.n = 0;
		for (int i = 0; i < n; i++)
		{
			values[i] = any_value(&seed);
			add(&a, values[i]);
		}
		for (int i = n - 1; i >= 0; i--)
			add(unit_random(&seed) % 2 ? &b : &c, values[i]);
		len = apikey_histogram_write(a.entries, a.n, bytes);
		a.n = round % 2 ? apikey_histogram_merge(b.entries, b.n, c.entries, c.n, a.entries) :
			apikey_histogram_merge(c.entries, c.n, b.entries, b.n, a.entries);
		CHECK(len == apikey_histogram_write(a.entries, a.n, bytes2) && memcmp(bytes, bytes2, len) == 0);

		/* in place: what has a bucket, and nothing else */
		for (int i = 0; i < c.n; i++)
		{
			int			n_merged = apikey_histogram_merge(b.entries, b.n, c.entries + i, 1, a.entries);
			bool		had = apikey_histogram_increase(b.entries, b.n, c.entries[i]);

			CHECK(had == (n_merged == b.n));
			CHECK(!had || memcmp(a.entries, b.entries, (size_t) b.n * sizeof(b.entries[0])) == 0);
		}
	}
}

static int
by_value(const void *x, const void *y)
{
	int64_t		v = *(const int64_t *) x;
	int64_t		w = *(const int64_t *) y;

	return (v > w) - (v < w);
}

/* Against the values themselves: at most 1/32 off what percentile_cont() is. */
static void
test_percentiles(void)
{
	uint64_t	seed = 3;

	a.n = 0;
	add(&a, 7);
	CHECK(apikey_histogram_percentile(a.entries, a.n, 0) == 7);
	CHECK(apikey_histogram_percentile(a.entries, a.n, 0.3) == 7);
	CHECK(apikey_histogram_percentile(a.entries, a.n, 1) == 7);
	add(&a, 9);
	CHECK(apikey_histogram_percentile(a.entries, a.n, 0.5) == 8);
	CHECK(apikey_histogram_percentile(a.entries, a.n, 0.25) == 7.5);
	add(&a, 9);
	CHECK(apikey_histogram_percentile(a.entries, a.n, 0.5) == 9);
	CHECK(apikey_histogram_percentile(a.entries, a.n, 0.75) == 9);

	for (int round = 0; round < 300; round++)
	{
		static int64_t values[1000];
		int			n = (int) (unit_random(&seed) % 1000) + 1;
		int			wrong = 0;
		double		last = 0;

		a.n = 0;
		for (int i = 0; i < n; i++)
		{
			values[i] = round % 3 ? any_value(&seed) >> 8 : (int64_t) (unit_random(&seed) % 100);
			add(&a, values[i]);
		}
		qsort(values, (size_t) n, sizeof(values[0]), by_value);
		for (int i = 0; i <= 100; i++)
		{
			double		place = i / 100.0 * (n - 1);
			int			low = (int) place;
			int			high = low + 1 < n ? low + 1 : low;
			double		exact = (double) values[low] + (place - low) * (double) (values[high] - values[low]);
			double		got = apikey_histogram_percentile(a.entries, a.n, i / 100.0);

			if (fabs(got - exact) > exact / 32 + 1e-6 || got < last)
				wrong++;
			last = got;
		}
		CHECK_INT(wrong, 0);
	}
}

int
main(void)
{
	unit_begin();
	test_buckets();
	test_bytes();
	test_percentiles();
	return unit_done("test_histogram");
}
