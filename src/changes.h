/*
 * changes.h
 *		What may have changed since something was read: the marks of a session.
 *
 * Layer 3.  Whoever changes a row that a verification depends on sends, with
 * his commit, a relcache message for one of the change relations: one of 256
 * for a key, by a hash of its id, or the one for what many keys share.  These
 * relations have no rows; they exist to be named in messages.
 *
 * The marks are a counter of the messages of ours that this session has taken
 * ("now") and, for each change relation, what the counter was at the last one.
 * A stamp is the counter at some moment; what was read after its stamp was
 * taken is current as long as no mark it depends on has passed the stamp.
 *
 * Why this suffices.  Let C be a commit and let E be read from a snapshot that
 * does not see C.  PostgreSQL makes C visible, then puts C's messages into the
 * shared queue, then answers COMMIT (on a standby: replays the next record).
 *	(1) Who uses E first takes all messages (AcceptInvalidationMessages), so
 *		once COMMIT was answered, C's message has been taken.
 *	(2) Had it been taken before E's stamp, C would have been visible to the
 *		snapshot, which is younger than the stamp.  So it was taken after it,
 *		and the mark has passed the stamp: E is not used.
 *	(3) A message is recognized only while the OIDs of our relations are known.
 *		When they are forgotten, and when messages got lost, everything is
 *		marked.
 *	(4) What this transaction itself has done is not yet in any message: while
 *		it has changed such a row (apikey_changes_dirty), nothing kept is used
 *		and nothing new is kept; of rows inserted without a message, catalog.c
 *		tells whether they are its own.
 *	(5) The senders are triggers.  While one of the tables lacks them, nothing
 *		is kept (apikey_changes_watched); taking them away is a change of the
 *		table, which marks everything.
 */
#ifndef APIKEY_CHANGES_H
#define APIKEY_CHANGES_H

#include "postgres.h"

#include "common/hashfn.h"
#include "datatype/timestamp.h"
#include "utils/snapshot.h"

#include "catalog.h"

typedef struct ApikeyMarks
{
	uint64		now;			/* messages of ours so far */
	uint64		all;			/* the last one that concerns everything */
	uint64		roles;			/* of database roles: who may verify */
	uint64		key[APIKEY_NCHANGES];
} ApikeyMarks;

/* written by changes.c only */
extern ApikeyMarks apikey_marks;

/* The change relation of a key. */
static inline int
apikey_change_of_key(int64 key_id)
{
	return (int) (murmurhash32((uint32) key_id ^ (uint32) ((uint64) key_id >> 32)) % APIKEY_NCHANGES);
}

/* Registers the invalidation callbacks; called once per process. */
extern void apikey_changes_init(void);

/*
 * Send a message with this transaction's commit, once; from triggers.  The
 * transaction is dirty from here to its end.
 */
extern void apikey_changes_send(int change);

/* Whether this transaction has changed rows that verifications depend on. */
extern bool apikey_changes_dirty(void);

/*
 * Make the server forget which roles the last role it looked at is a member of.
 * It keeps that list (roles_is_member_of() in acl.c), and a list that was begun
 * before a REVOKE and ended after its message would stay until the next one.
 */
extern void apikey_changes_renew_roles(void);

/*
 * Whether what is read now may be kept: the OIDs are known and every table
 * that feeds a verification has its triggers.  Cheap unless something changed.
 * Takes the stamp, before anything is looked at.
 */
extern bool apikey_changes_watched(uint64 *stamp);

/*
 * Reads under one snapshot, the latest there is, whatever the isolation level
 * of the caller.
 */
typedef struct ApikeyReading
{
	Snapshot	snapshot;
	TimestampTz now;			/* of the request */
	uint64		stamp;
	bool		keep;			/* what was kept may be used, and what is read
								 * kept if nothing comes in between */
	struct ApikeyRuleCache *rules;	/* a cache of its own (rulecache.h), NULL:
									 * that of the session */
} ApikeyReading;

extern void apikey_reading_begin(ApikeyReading *reading, TimestampTz now);
extern void apikey_reading_end(ApikeyReading *reading);

/* Whether what was read so far may be kept, with the stamp of the reading. */
extern bool apikey_reading_may_keep(const ApikeyReading *reading);

#endif							/* APIKEY_CHANGES_H */
