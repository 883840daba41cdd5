/*
 * guard.h
 *		The guard against guessing: failed look-ups per ip and minute.
 *
 * Layer 2.
 */
#ifndef APIKEY_GUARD_H
#define APIKEY_GUARD_H

#include "postgres.h"
#include "datatype/timestamp.h"

#include "network.h"

/* What to do with an attempt that found no key. */
typedef enum ApikeyGuardAnswer
{
	APIKEY_GUARD_PASS,			/* its own code stands */
	APIKEY_GUARD_BLOCK,			/* BLOCKED: the first of this window */
	APIKEY_GUARD_BLOCK_SILENT	/* BLOCKED, and recorded already */
} ApikeyGuardAnswer;

/*
 * apikey_guard_failed counts an attempt that was MALFORMED or NOT_FOUND from
 * ip (family 0: none given, never blocked) and tells what to answer.
 */
extern ApikeyGuardAnswer apikey_guard_failed(const ApikeyNet *ip, TimestampTz now);

/* What the guard knows of an address. */
typedef struct ApikeyGuardInfo
{
	ApikeyNet	ip;				/* an IPv4 address or the /64 of an IPv6 one */
	TimestampTz window_start;	/* of the minute it failed in last */
	TimestampTz window_end;
	int64		attempts;		/* failed in that minute, the blocked ones too */
	int64		blocked;		/* of these answered BLOCKED */
} ApikeyGuardInfo;

/*
 * apikey_guard_next walks over the addresses of the current database: start
 * with *position 0.  False: no more.
 */
extern bool apikey_guard_next(uint32 *position, ApikeyGuardInfo *info);

/* Set up by shmem.c. */
extern Size apikey_guard_shmem_size(void);
extern void apikey_guard_shmem_init(void);

#endif							/* APIKEY_GUARD_H */
