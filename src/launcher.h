/*
 * launcher.h
 *		The process that starts the workers of each database.
 *
 * Layer 5.
 */
#ifndef APIKEY_LAUNCHER_H
#define APIKEY_LAUNCHER_H

#include "postgres.h"

/*
 * apikey_launcher_register asks the postmaster for the launcher; only from
 * _PG_init while shared_preload_libraries are loaded.  Does nothing during a
 * binary upgrade.
 */
extern void apikey_launcher_register(void);

extern PGDLLEXPORT void apikey_launcher_main(Datum arg);

#endif							/* APIKEY_LAUNCHER_H */
