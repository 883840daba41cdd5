/*
 * changes.c
 *		Messages about changed rows: sending them, and what came in.
 *
 * Layer 3.  The invariant is in changes.h.  The callbacks run wherever
 * PostgreSQL takes messages, in aborting transactions too: they touch nothing
 * but memory.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "changes.h"

/* nothing has the stamp 0 */
ApikeyMarks apikey_marks = {.now = 1, .all = 1};

/* the callbacks of roles are called by ourselves */
static bool renewing_roles = false;

/* the last answer of apikey_changes_watched() about triggers, and its stamp */
static bool watched = false;
static uint64 watched_stamp = 0;

/*
 * What this transaction has sent.  One message of a kind is enough for a
 * transaction, but those of a subtransaction are lost with it: what the parent
 * has sent is sent again in a subtransaction and the other way round.
 */
static struct
{
	bool		dirty;
	SubTransactionId subid;
	uint32		bits[(APIKEY_NCHANGES + 1 + 31) / 32];
} sent;

/* What each table must report, besides TRUNCATE. */
static const int16 needed_events[APIKEY_NTABLES] = {
	[APIKEY_TABLE_TENANT] = TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_POLICY_VERSION] = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_ENVIRONMENT] = TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_ROLE] = TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_API_KEY] = TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_KEY_ROLE] = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_KEYRING] = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_KEY_SECRET] = TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_IP_BLOCK] = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	[APIKEY_TABLE_MEMBER] = TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
};

static void
mark_all(bool forget)
{
	apikey_marks.all = ++apikey_marks.now;
	apikey_catalog_message(forget);
	if (forget)
		sent.subid = InvalidSubTransactionId;
}

static void
on_relcache(Datum arg, Oid relid)
{
	int			what;

	if (!OidIsValid(relid))
	{
		/* messages got lost */
		mark_all(true);
		return;
	}
	what = apikey_catalog_relation(relid);
	if (what == APIKEY_RELATION_OTHER)
		apikey_catalog_message(false);
	else if (what == APIKEY_RELATION_OURS)
		mark_all(true);
	else if (what == APIKEY_CHANGE_ALL)
		mark_all(false);
	else
		apikey_marks.key[what] = ++apikey_marks.now;
}

/* A schema was made, renamed or dropped; temporary ones are none of ours. */
static void
on_schema(Datum arg, int cacheid, uint32 hashvalue)
{
	uint32		ours = apikey_catalog_schema_hash();

	if (hashvalue == 0 || ours == 0 || hashvalue == ours)
		mark_all(true);
}

/* A role, a membership in a role, or the owner of a database changed. */
static void
on_roles(Datum arg, int cacheid, uint32 hashvalue)
{
	if (!renewing_roles)
		apikey_marks.roles = ++apikey_marks.now;
}

void
apikey_changes_renew_roles(void)
{
	renewing_roles = true;
	CallSyscacheCallbacks(AUTHMEMROLEMEM, 0);
	renewing_roles = false;
}

static void
on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			memset(&sent, 0, sizeof(sent));
			break;
		default:
			break;
	}
}

void
apikey_changes_init(void)
{
	CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, on_schema, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, on_roles, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, on_roles, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, on_roles, (Datum) 0);
	RegisterXactCallback(on_transaction, NULL);
}

void
apikey_changes_send(int change)
{
	SubTransactionId subid = GetCurrentSubTransactionId();

	sent.dirty = true;
	(void) apikey_catalog_ready();
	if (sent.subid != subid)
	{
		memset(sent.bits, 0, sizeof(sent.bits));
		sent.subid = subid;
	}
	if ((sent.bits[change / 32] & (UINT32_C(1) << (change % 32))) != 0)
		return;
	CacheInvalidateRelcacheByRelid(apikey_catalog_change(change));
	sent.bits[change / 32] |= UINT32_C(1) << (change % 32);
}

bool
apikey_changes_dirty(void)
{
	return sent.dirty;
}

/*
 * Whether a table reports all that it must, to the last: no other trigger may
 * change the row behind ours.
 */
static bool
table_reports(ApikeyTable table)
{
	Relation	rel = table_open(apikey_table_oid(table), AccessShareLock);
	int16		missing = needed_events[table] | TRIGGER_TYPE_TRUNCATE;
	bool		alone = true;

	for (int i = 0; rel->trigdesc != NULL && i < rel->trigdesc->numtriggers; i++)
	{
		Trigger    *trigger = &rel->trigdesc->triggers[i];

		if (!TRIGGER_FOR_BEFORE(trigger->tgtype))
			continue;
		if (trigger->tgfoid != apikey_catalog_trigger_function())
		{
			if (TRIGGER_FOR_ROW(trigger->tgtype) && trigger->tgenabled != TRIGGER_DISABLED)
				alone = false;
		}
		else if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS &&
				 trigger->tgqual == NULL && trigger->tgnattr == 0)
			missing &= ~(trigger->tgtype &
						 (TRIGGER_FOR_ROW(trigger->tgtype) ? needed_events[table] : TRIGGER_TYPE_TRUNCATE));
	}
	table_close(rel, AccessShareLock);
	return alone && missing == 0;
}

bool
apikey_changes_watched(uint64 *stamp)
{
	bool		known;

	AcceptInvalidationMessages();
	known = apikey_catalog_ready();
	*stamp = apikey_marks.now;
	if (!known)
		return false;
	if (watched_stamp < apikey_marks.all)
	{
		uint64		before = apikey_marks.now;
		bool		all = OidIsValid(apikey_catalog_trigger_function());

		for (int i = 0; all && i < APIKEY_NTABLES; i++)
			all = table_reports(i);
		watched = all;
		watched_stamp = before;
	}
	return watched;
}

void
apikey_reading_begin(ApikeyReading *reading, TimestampTz now)
{
	reading->now = now;
	reading->rules = NULL;
	reading->keep = apikey_changes_watched(&reading->stamp) && !sent.dirty;
	apikey_catalog_reset_own();
	reading->snapshot = RegisterSnapshot(GetLatestSnapshot());
}

void
apikey_reading_end(ApikeyReading *reading)
{
	UnregisterSnapshot(reading->snapshot);
	reading->snapshot = NULL;
}

bool
apikey_reading_may_keep(const ApikeyReading *reading)
{
	return reading->keep && apikey_marks.now == reading->stamp &&
		!apikey_catalog_saw_own();
}
