/*
 * endpoint_set.h
 *		Endpoint rules as sets of requests: what two of them have in common.
 *
 * Layer 0: C library only.
 *
 * For reports about rules that can never be met.  The answers err to one side:
 * true is a proof, false may be "not known".
 */
#ifndef APIKEY_ENDPOINT_SET_H
#define APIKEY_ENDPOINT_SET_H

#include "str.h"

/* whether no request matches both rules, which are well-formed */
extern bool apikey_endpoint_disjoint(ApikeyStr a, ApikeyStr b);

/* whether every request that matches inner matches outer, too */
extern bool apikey_endpoint_covers(ApikeyStr outer, ApikeyStr inner);

/* whether some rule of the list covers the rule */
extern bool apikey_endpoint_list_covers(ApikeyStrList list, ApikeyStr rule);

#endif							/* APIKEY_ENDPOINT_SET_H */
