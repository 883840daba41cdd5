/*
 * rollup_rows.h
 *		Rows of usage on their way into sums.
 *
 * Layer 6.
 */
#ifndef APIKEY_ROLLUP_ROWS_H
#define APIKEY_ROLLUP_ROWS_H

#include "postgres.h"

#include "tcop/dest.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "names.h"
#include "rollup_group.h"
#include "sql_rollup.h"

typedef struct ApikeyRollupCode
{
	text	   *name;
	bool		accepted;
} ApikeyRollupCode;

/* A tenant's shape; labels say which class, 0 is none. */
typedef struct ApikeyRollupShape
{
	bool		was_accepted;
	bool		was_denied;
	uint32		accepted;
	uint32		denied;
} ApikeyRollupShape;

typedef struct ApikeyRollupRows
{
	DestReceiver pub;
	MemoryContext spi_context;
	MemoryContext context;		/* of a part, but for the groups */
	ApikeyNewlySeen sets;
	TimestampTz *hours;			/* of these only; NULL: of all */
	int			nhours;
	TimestampTz last_hour;
	bool		last_hour_counts;
	int			most;

	/* rows of which some bits of a hash are these */
	uint32		part_mask;
	uint32		part;
	bool		too_many;		/* shapes: take smaller parts */

	ApikeyRollupGroups *groups;
	ApikeyNames code_names;
	ApikeyRollupCode *codes;	/* by number */
	uint32		codes_room;
	ApikeyNames shape_names;	/* tenant and shape */
	ApikeyRollupShape *shapes;	/* by number and one */
	uint32		shapes_room;
	ApikeyNames tenant_names;
	ApikeyNames class_names;
	text	  **classes;		/* by number and one */
	uint32		classes_room;
	struct CachedShape *cache;
	TimestampTz first;
	TimestampTz last;
	int64		rows;
} ApikeyRollupRows;

/* What texts are as strings of bytes; they are not compressed. */
static inline ApikeyStr
apikey_rollup_str(text *value)
{
	return (ApikeyStr) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/*
 * Room in a table of what names stand for, for each that these may have and one
 * more; *room says what it has.
 */
extern void *apikey_rollup_follow(void *table, const ApikeyNames *names, uint32 *room, Size size);

/* Once; sets, hours and most are filled in. */
extern void apikey_rollup_rows_init(ApikeyRollupRows *c);

/* For each part; context is filled in. */
extern void apikey_rollup_rows_begin(ApikeyRollupRows *c, uint32 part_mask, uint32 part);

/*
 * The statement that reads the rows of a leaf.  It goes by the index of changes,
 * where there is one and a time: the planner takes them for few.
 */
extern char *apikey_rollup_rows_query(Oid leaf, bool by_change, int64 scan_from);

/* Read the rows.  False: there are more shapes than fit into memory. */
extern bool apikey_rollup_rows_read(ApikeyRollupRows *c, const char *query);

#endif							/* APIKEY_ROLLUP_ROWS_H */
