/*
 * histogram.h
 *		Histograms of latencies that can be merged.
 *
 * Layer 0: C library only.
 *
 * Buckets are fixed: 0 to 15 have one each, and every power of two from 16 on
 * is cut into 16 equal ones, so a bucket is at most 1/16 of its values wide and
 * its middle at most 1/32 off.  A histogram therefore does not depend on the
 * order of rows or on how they were split among runs and merged, and a recount
 * gives the same bytes; the answer's error has a bound that is a theorem.  This
 * is why neither tdigest nor hll (postgresql-15-tdigest and postgresql-15-hll
 * of Debian) is asked for: digests of the same rows differ with the order, the
 * bound at the 99th percentile is experience only, and it would be one more
 * package to have on every server a dump is restored to.
 *
 * A percentile is what percentile_cont() gives with every value put in the
 * middle of its bucket: at most 1/32 off, exact below 32.
 *
 * As bytes: a 1 (the format), then for each bucket that is not empty, in
 * ascending order, how many empty ones are before it and its count, both as
 * varints (seven bits a byte, lowest first, no longer than needed).  There is
 * one form of each histogram.  A count that would exceed 2^54 - 1 stays there.
 */
#ifndef APIKEY_HISTOGRAM_H
#define APIKEY_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* of values 0 .. 2^63 - 1 */
#define APIKEY_HISTOGRAM_BUCKETS	960

/* bytes of one: a bucket takes at most 2 for the gap and 8 for the count */
#define APIKEY_HISTOGRAM_BYTES_MAX	(1 + 10 * APIKEY_HISTOGRAM_BUCKETS)

/* A bucket in the upper 10 bits, its count in the others: sorts by bucket. */
typedef uint64_t ApikeyHistogramEntry;

#define APIKEY_HISTOGRAM_COUNT_MAX	((UINT64_C(1) << 54) - 1)

static inline int
apikey_histogram_entry_bucket(ApikeyHistogramEntry entry)
{
	return (int) (entry >> 54);
}

static inline uint64_t
apikey_histogram_entry_count(ApikeyHistogramEntry entry)
{
	return entry & APIKEY_HISTOGRAM_COUNT_MAX;
}

/* The bucket of a value; a negative one counts as 0. */
extern int	apikey_histogram_bucket(int64_t value);

/* The middle of a bucket: half way from its first value to its last. */
extern double apikey_histogram_middle(int bucket);

/*
 * Count one more value in the bucket, among n entries in ascending order.
 * Returns how many there are now; there must be room for n + 1.
 */
extern int	apikey_histogram_add(ApikeyHistogramEntry *entries, int n, int bucket);

/*
 * Add the count of an entry to that of its bucket; false, and nothing is done,
 * if there is none yet.
 */
extern bool apikey_histogram_increase(ApikeyHistogramEntry *entries, int n,
									  ApikeyHistogramEntry more);

/*
 * Add up two histograms into out, which is neither of them and has room for
 * both, or for APIKEY_HISTOGRAM_BUCKETS.  Returns the number of entries.
 */
extern int	apikey_histogram_merge(const ApikeyHistogramEntry *a, int na,
								   const ApikeyHistogramEntry *b, int nb,
								   ApikeyHistogramEntry *out);

/*
 * Read bytes into entries, which have room for APIKEY_HISTOGRAM_BUCKETS.
 * Returns their number, -1 if this is no histogram.
 */
extern int	apikey_histogram_read(const uint8_t *bytes, size_t len,
								  ApikeyHistogramEntry *entries);

/* Write the bytes, at most 1 + 10 n; returns their number. */
extern size_t apikey_histogram_write(const ApikeyHistogramEntry *entries, int n,
									 uint8_t *bytes);

/* The percentile of a fraction from 0 to 1; n must not be 0. */
extern double apikey_histogram_percentile(const ApikeyHistogramEntry *entries, int n,
										  double fraction);

#endif							/* APIKEY_HISTOGRAM_H */
