/*
 * endpoint_price.h
 *		Which classes of endpoints a price is for.
 *
 * Layer 0: C library only.
 *
 * The endpoint of a price is an endpoint rule without methods, with at most one
 * star in a segment.  It is compared with a class segment by segment: a star is
 * any text in its segment, "**" at the end one segment or more.  A star of the
 * class is a character like others; but the tail of a class, "**", stands for
 * many endpoints, so only "**" matches it.
 *
 * A class may stand for a shape where no price tells the two apart: each endpoint
 * matches both or neither.  Where that cannot be had of fewer segments, there is
 * the meet of the endpoints that match the shape: from each segment what all of
 * them ask for.  It is matched by these, and by no other one that does not match
 * the shape: the shape is a case of it, and what matches a star as a character
 * matches any text in its place.  How many meets there are depends on the
 * endpoints alone, not on the shapes.
 */
#ifndef APIKEY_ENDPOINT_PRICE_H
#define APIKEY_ENDPOINT_PRICE_H

#include "endpoint_class.h"

/* whether a price of this endpoint is for this class */
extern bool apikey_price_matches(ApikeyStr endpoint, ApikeyStr class);

/* whether none of the endpoints tells two classes apart */
extern bool apikey_same_prices(ApikeyStr a, ApikeyStr b, ApikeyStrList endpoints);

/*
 * Write the meet of the endpoints that match a shape, which has at most two
 * bytes more; a slash and a tail where none does.  Its length.
 */
extern int	apikey_price_meet(ApikeyStr shape, ApikeyStrList endpoints, char *out);

#endif							/* APIKEY_ENDPOINT_PRICE_H */
