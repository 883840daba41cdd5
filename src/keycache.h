/*
 * keycache.h
 *		Keys of a session, compiled, by digest.
 *
 * Layer 3.
 */
#ifndef APIKEY_KEYCACHE_H
#define APIKEY_KEYCACHE_H

#include "postgres.h"

#include "keystore.h"

typedef struct ApikeyCacheStats
{
	int64		hits;
	int64		misses;			/* look-ups in the tables */
	int64		invalidations;	/* keys dropped because something changed */
	int64		evictions;		/* keys dropped to make room */
	int64		entries;		/* keys at present */
	int64		bytes;			/* memory at present */
} ApikeyCacheStats;

/*
 * apikey_keycache_find returns the key of a well-formed text, NULL when there
 * is none.  Good until the next call; limits may be written to.  Errors of
 * keyring.h and catalog.h.
 */
extern ApikeyKey *apikey_keycache_find(ApikeyStr text, TimestampTz now);

/* The counters of this session. */
extern void apikey_keycache_stats(ApikeyCacheStats *stats);

#endif							/* APIKEY_KEYCACHE_H */
