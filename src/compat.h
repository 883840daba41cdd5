/*
 * compat.h
 *		Differences between PostgreSQL 15 and 18.
 *
 * Layer 1.  Every test of PG_VERSION_NUM of the project is in this file.
 */
#ifndef APIKEY_COMPAT_H
#define APIKEY_COMPAT_H

#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#if PG_VERSION_NUM < 150000
#error "apikey needs PostgreSQL 15 or later"
#endif

/* named wait events appeared in 17 */
#if PG_VERSION_NUM >= 170000
#include "utils/wait_event.h"
#else
#include "utils/wait_event.h"
#define WaitEventExtensionNew(name) PG_WAIT_EXTENSION
#endif

#if PG_VERSION_NUM < 180000
#define PG_MODULE_MAGIC_EXT(...) PG_MODULE_MAGIC
#endif

/* 18 wants the mark before the declaration, older ones after it */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

#if PG_VERSION_NUM < 190000
#define BGWORKER_INTERRUPTIBLE 0
#endif

/* VARDATA_ANY() and its kind have a header of their own since 16 */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* pg_database_ownercheck() and its kind became object_ownercheck() in 16 */
#if PG_VERSION_NUM >= 160000
#include "catalog/pg_database.h"
#define apikey_compat_owns_database(db, role) \
	object_ownercheck(DatabaseRelationId, (db), (role))
#else
#define apikey_compat_owns_database(db, role) pg_database_ownercheck((db), (role))
#endif

/* what a check hook hands to its assign hook comes from guc_malloc() since 16 */
#if PG_VERSION_NUM >= 160000
#include "utils/guc.h"
#define apikey_guc_malloc(size) guc_malloc(LOG, (size))
#else
#define apikey_guc_malloc(size) malloc(size)
#endif

/* index scans take a place for instrumentation since 18 */
#if PG_VERSION_NUM >= 180000
#define apikey_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#else
#define apikey_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#endif

/* reading less than asked for is an error by itself since 16 */
#if PG_VERSION_NUM >= 160000
#define apikey_buffile_read(file, to, size) BufFileReadExact((file), (to), (size))
#else
#define apikey_buffile_read(file, to, size) \
	do { \
		if (BufFileRead((file), (to), (size)) != (size)) \
			ereport(ERROR, \
					(errcode_for_file_access(), \
					 errmsg("could not read from temporary file"))); \
	} while (0)
#endif

/* since 17 an index may keep something open from insertion to insertion */
#if PG_VERSION_NUM >= 170000
#define apikey_index_insert_done(index, info) index_insert_cleanup((index), (info))
#else
#define apikey_index_insert_done(index, info) ((void) 0)
#endif

/* looking into the map of a BRIN index takes no snapshot since 17 */
#if PG_VERSION_NUM >= 170000
#define apikey_brin_map_open(index, pages) brinRevmapInitialize((index), (pages))
#define apikey_brin_map_find(map, page, buffer, offset) \
	brinGetTupleForHeapBlock((map), (page), (buffer), (offset), NULL, BUFFER_LOCK_SHARE)
#else
#define apikey_brin_map_open(index, pages) brinRevmapInitialize((index), (pages), NULL)
#define apikey_brin_map_find(map, page, buffer, offset) \
	brinGetTupleForHeapBlock((map), (page), (buffer), (offset), NULL, BUFFER_LOCK_SHARE, NULL)
#endif

/* entry number i (from 1) of the snapshot of backends */
#if PG_VERSION_NUM >= 160000
#define apikey_compat_local_beentry(i) pgstat_get_local_beentry_by_index(i)
#else
#define apikey_compat_local_beentry(i) pgstat_fetch_stat_local_beentry(i)
#endif

/* rewriting a table takes it open and locked since 18 */
#if PG_VERSION_NUM >= 180000
#define apikey_compat_rewrite(oid) \
	cluster_rel(table_open((oid), AccessExclusiveLock), InvalidOid, &(ClusterParams) {0})
#else
#define apikey_compat_rewrite(oid) cluster_rel((oid), InvalidOid, &(ClusterParams) {0})
#endif

#endif							/* APIKEY_COMPAT_H */
