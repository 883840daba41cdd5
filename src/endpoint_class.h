/*
 * endpoint_class.h
 *		Which requests are of one kind: /orders/123 and /orders/124.
 *
 * Layer 0: C library only.
 *
 * A shape is what an endpoint comes to by its text alone: query and fragment
 * are cut, also scheme and host of a URL; empty segments and what follows a ';'
 * in a segment are left out; escapes of unreserved characters are decoded
 * (RFC 3986, 6.2.2), so that a shape is text in any encoding that keeps ASCII;
 * "." and ".." are followed (5.2.4), as the server behind does, lest a request
 * choose another class than that of what it gets; where they lead is not known
 * beside an encoded slash or a backslash: the shape is the tail alone then. A
 * segment that looks like a value becomes '*':
 *
 *	- digits and punctuation only: numbers, dates, times, coordinates; in the
 *	  first segment "1.1" stays, it is a version;
 *	- hexadecimal digits: UUIDs, hashes, 8 and more with a digit among them;
 *	- more digits than letters, four and more of them: INV-20261;
 *	- 16 and more, a digit inside, that change often between small letters,
 *	  capitals and digits: tokens;
 *	- more than 64 bytes, an '@', a star, a control byte, an encoded slash, a
 *	  broken escape.
 *
 * Of such a segment a ":verb" and an ".ext" behind it stay.  There are at most
 * eight segments; a last one of "**" stands for more, the tail.  Characters
 * beyond ASCII are letters.
 *
 * What does not look like a value but is one (a slug, a user name) shows in
 * numbers only: see sql/62_endpoint_classes.sql.  The other functions are for
 * it.  A prefix has no slash at its end, and the empty one is that of all.
 */
#ifndef APIKEY_ENDPOINT_CLASS_H
#define APIKEY_ENDPOINT_CLASS_H

#include "str.h"

#define APIKEY_SHAPE_SEGMENTS		8
#define APIKEY_SHAPE_SEGMENT_MAX	64

/* the longest shape: eight segments with their slashes and the tail */
#define APIKEY_SHAPE_MAX \
	(APIKEY_SHAPE_SEGMENTS * (APIKEY_SHAPE_SEGMENT_MAX + 1) + 3)

/* Write the shape of an endpoint, at most APIKEY_SHAPE_MAX bytes; its length. */
extern int	apikey_endpoint_shape(ApikeyStr endpoint, char *out);

/*
 * The order of the functions below, for qsort() and bsearch() of ApikeyStr:
 * by bytes, but '/' before all others, so that what is below a segment follows
 * it at once.
 */
extern int	apikey_shape_compare(const void *a, const void *b);

/*
 * Write a shape with every segment that is below one of the prefixes, sorted,
 * as '*'; its length, which is at most that of the shape.  A tail stays.
 */
extern int	apikey_shape_collapse(ApikeyStr shape, const ApikeyStr *prefixes, int n, char *out);

/*
 * The prefixes with more than so many different segments below, '*' not
 * counted, of sorted shapes: the shortest in segments only, as collapsing them
 * changes what is below.  Returns how many, at most n / most.
 */
extern int	apikey_shapes_crowded(const ApikeyStr *shapes, int n, int most, ApikeyStr *prefixes);

/*
 * The longest prefix of a shape, in whole segments, that one of the sorted
 * classes is or begins with; found says whether the shape is one of them.
 */
extern ApikeyStr apikey_shape_known(ApikeyStr shape, const ApikeyStr *classes, int n, bool *found);

#endif							/* APIKEY_ENDPOINT_CLASS_H */
