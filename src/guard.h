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

/* Set up by shmem.c. */
extern Size apikey_guard_shmem_size(void);
extern void apikey_guard_shmem_init(void);

#endif							/* APIKEY_GUARD_H */
