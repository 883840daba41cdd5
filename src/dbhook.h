/*
 * dbhook.h
 *		Keeps the workers out of the way of DDL on databases and the extension.
 *
 * Layer 5.
 */
#ifndef APIKEY_DBHOOK_H
#define APIKEY_DBHOOK_H

/*
 * apikey_dbhook_install chains the ProcessUtility and object access hooks and
 * registers the transaction callback; only from _PG_init while
 * shared_preload_libraries are loaded.
 */
extern void apikey_dbhook_install(void);

#endif							/* APIKEY_DBHOOK_H */
