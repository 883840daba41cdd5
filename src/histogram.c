/*
 * histogram.c
 *		Histograms of latencies that can be merged.
 */
#include "histogram.h"

#include <string.h>

#define FORMAT	1

static inline ApikeyHistogramEntry
make_entry(int bucket, uint64_t count)
{
	if (count > APIKEY_HISTOGRAM_COUNT_MAX)
		count = APIKEY_HISTOGRAM_COUNT_MAX;
	return (uint64_t) bucket << 54 | count;
}

int
apikey_histogram_bucket(int64_t value)
{
	int			power;

	if (value < 16)
		return value < 0 ? 0 : (int) value;
	power = 63 - __builtin_clzll((unsigned long long) value);

	/* the four bits behind the first one say which sixteenth */
	return (power - 3) * 16 + (int) (value >> (power - 4) & 15);
}

double
apikey_histogram_middle(int bucket)
{
	int64_t		first;
	int64_t		width;

	if (bucket < 32)
		return bucket;
	width = INT64_C(1) << (bucket / 16 - 1);
	first = (16 + bucket % 16) * width;
	return (double) first + (double) (width - 1) / 2;
}

/* the first entry that is not of a smaller bucket */
static int
place_of(const ApikeyHistogramEntry *entries, int n, int bucket)
{
	int			low = 0;
	int			high = n;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (apikey_histogram_entry_bucket(entries[middle]) < bucket)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
apikey_histogram_increase(ApikeyHistogramEntry *entries, int n, ApikeyHistogramEntry more)
{
	int			bucket = apikey_histogram_entry_bucket(more);
	int			place = place_of(entries, n, bucket);

	if (place == n || apikey_histogram_entry_bucket(entries[place]) != bucket)
		return false;
	entries[place] = make_entry(bucket, apikey_histogram_entry_count(entries[place]) +
								apikey_histogram_entry_count(more));
	return true;
}

int
apikey_histogram_add(ApikeyHistogramEntry *entries, int n, int bucket)
{
	int			low = place_of(entries, n, bucket);

	if (low < n && apikey_histogram_entry_bucket(entries[low]) == bucket)
	{
		if (apikey_histogram_entry_count(entries[low]) < APIKEY_HISTOGRAM_COUNT_MAX)
			entries[low]++;
		return n;
	}
	memmove(entries + low + 1, entries + low, (size_t) (n - low) * sizeof(*entries));
	entries[low] = make_entry(bucket, 1);
	return n + 1;
}

int
apikey_histogram_merge(const ApikeyHistogramEntry *a, int na,
					   const ApikeyHistogramEntry *b, int nb,
					   ApikeyHistogramEntry *out)
{
	int			n = 0;
	int			i = 0;
	int			j = 0;

	while (i < na && j < nb)
	{
		int			of_a = apikey_histogram_entry_bucket(a[i]);
		int			of_b = apikey_histogram_entry_bucket(b[j]);

		if (of_a < of_b)
			out[n++] = a[i++];
		else if (of_a > of_b)
			out[n++] = b[j++];
		else
		{
			out[n++] = make_entry(of_a, apikey_histogram_entry_count(a[i]) +
								  apikey_histogram_entry_count(b[j]));
			i++;
			j++;
		}
	}
	while (i < na)
		out[n++] = a[i++];
	while (j < nb)
		out[n++] = b[j++];
	return n;
}

/* Read a varint of at most 54 bits in its shortest form. */
static bool
read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (int shift = 0; shift < 56 && *at < end; shift += 7)
	{
		uint8_t		byte = *(*at)++;

		*value |= (uint64_t) (byte & 0x7F) << shift;
		if (!(byte & 0x80))
			return *value <= APIKEY_HISTOGRAM_COUNT_MAX && (byte != 0 || shift == 0);
	}
	return false;
}

static uint8_t *
write_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t) (value | 0x80);
	*at++ = (uint8_t) value;
	return at;
}

int
apikey_histogram_read(const uint8_t *bytes, size_t len, ApikeyHistogramEntry *entries)
{
	const uint8_t *at = bytes + 1;
	const uint8_t *end = bytes + len;
	uint64_t	bucket = 0;
	int			n = 0;

	if (len == 0 || bytes[0] != FORMAT)
		return -1;
	while (at < end)
	{
		uint64_t	gap;
		uint64_t	count;

		if (!read_varint(&at, end, &gap) || !read_varint(&at, end, &count) || count == 0)
			return -1;
		/* the gap has at most 54 bits: no overflow */
		bucket += gap;
		if (bucket >= APIKEY_HISTOGRAM_BUCKETS)
			return -1;
		entries[n++] = make_entry((int) bucket, count);
		bucket++;
	}
	return n;
}

size_t
apikey_histogram_write(const ApikeyHistogramEntry *entries, int n, uint8_t *bytes)
{
	uint8_t    *at = bytes;
	int			next = 0;

	*at++ = FORMAT;
	for (int i = 0; i < n; i++)
	{
		int			bucket = apikey_histogram_entry_bucket(entries[i]);

		at = write_varint(at, (uint64_t) (bucket - next));
		at = write_varint(at, apikey_histogram_entry_count(entries[i]));
		next = bucket + 1;
	}
	return (size_t) (at - bytes);
}

double
apikey_histogram_percentile(const ApikeyHistogramEntry *entries, int n, double fraction)
{
	uint64_t	total = 0;
	uint64_t	before = 0;
	uint64_t	rank;
	double		place;
	double		low;
	int			i = 0;

	/* below 2^64: so many buckets of so large a count */
	for (int k = 0; k < n; k++)
		total += apikey_histogram_entry_count(entries[k]);

	/* the place among the sorted values, and the whole rank below it */
	place = fraction * (double) (total - 1);
	rank = place >= (double) (total - 1) ? total - 1 : (uint64_t) place;

	while (before + apikey_histogram_entry_count(entries[i]) <= rank)
		before += apikey_histogram_entry_count(entries[i++]);
	low = apikey_histogram_middle(apikey_histogram_entry_bucket(entries[i]));

	/* the next value, where it is in another bucket */
	if (i + 1 < n && rank + 1 == before + apikey_histogram_entry_count(entries[i]))
	{
		double		high = apikey_histogram_middle(apikey_histogram_entry_bucket(entries[i + 1]));

		return low + (place - (double) rank) * (high - low);
	}
	return low;
}
