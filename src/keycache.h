/*
 * keycache.h
 *		Keys of a session, compiled, by their text.
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
 * apikey_keycache_find returns the key of a text if it is kept; NULL says
 * nothing about it.  What is kept was well-formed.
 * apikey_keycache_read reads the key of a well-formed text from the tables, NULL
 * when there is none, and keeps it.  Errors of keyring.h and catalog.h.
 * Both: good until the next call; limits may be written to.
 */
extern ApikeyKey *apikey_keycache_find(ApikeyStr text, TimestampTz now);
extern ApikeyKey *apikey_keycache_read(ApikeyStr text, TimestampTz now);

/* The counters of this session. */
extern void apikey_keycache_stats(ApikeyCacheStats *stats);

#endif							/* APIKEY_KEYCACHE_H */
