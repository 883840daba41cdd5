/*
 * shmem.h
 *		The shared memory of the extension: reserve, create, attach.
 *
 * Layer 2.
 */
#ifndef APIKEY_SHMEM_H
#define APIKEY_SHMEM_H

#include "postgres.h"

/*
 * apikey_shmem_register reserves shared memory; only from _PG_init while
 * shared_preload_libraries are loaded.
 */
extern void apikey_shmem_register(void);

/* apikey_shmem_ready tells whether the library was preloaded. */
extern bool apikey_shmem_ready(void);

/*
 * apikey_require_shmem raises object_not_in_prerequisite_state when the
 * library was not preloaded.
 */
extern void apikey_require_shmem(void);

#endif							/* APIKEY_SHMEM_H */
