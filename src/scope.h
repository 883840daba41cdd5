/*
 * scope.h
 *		Scopes: shape, coverage, intersection.
 *
 * Layer 0: C library only.
 *
 * A scope is segment(:segment)*, a segment [A-Za-z0-9_.-]+ or, only as the
 * last one, '*'.  At most 255 bytes.  A held "orders:*" covers "orders:read"
 * and "orders:read:own" (not "orders"); "*" covers all.  A '*' in a required
 * scope is literal text.
 */
#ifndef APIKEY_SCOPE_H
#define APIKEY_SCOPE_H

#include "str.h"

#define APIKEY_SCOPE_LEN_MAX	255
#define APIKEY_REQUIRED_SCOPES_MAX	64

/* whether the text is a well-formed scope that a key, role or policy may name */
extern bool apikey_scope_valid(ApikeyStr scope);

/* whether one held scope covers one required scope (no '|' inside) */
extern bool apikey_scope_covers(ApikeyStr held, ApikeyStr required);

/* whether any held scope of the list covers one required scope */
extern bool apikey_scope_list_covers(ApikeyStrList list, ApikeyStr required);

/*
 * Take the next alternative off a required element ("a|b"): false when none
 * is left.  An empty text has one empty alternative, NULL has none.
 */
extern bool apikey_scope_next(ApikeyStr *rest, ApikeyStr *alternative);

/*
 * Whether a required element, alternatives joined by '|', is satisfied: for
 * some alternative a held scope covers it and, unless max is NULL (no cut),
 * a scope of max covers it too.  A NULL or empty alternative is never
 * covered.
 */
extern bool apikey_scope_satisfied(ApikeyStrList held, const ApikeyStrList *max,
								   ApikeyStr required);

/*
 * Cut one held scope by one of max: returns the narrower of the two when one
 * covers the other (held "a:*" and max "a:b" give "a:b"), {NULL,0} otherwise.
 */
extern ApikeyStr apikey_scope_cut(ApikeyStr held, ApikeyStr max);

#endif							/* APIKEY_SCOPE_H */
