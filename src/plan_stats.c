/*
 * plan_stats.c
 *		Keeps the statistics of our tables from those who do not see all rows.
 *
 * Layer 5.  Row security hides rows, but the planner estimates from samples of
 * the whole table, and tells the estimate: EXPLAIN of owner < 'm' would be
 * answered with how many owners of all tenants come before m, letter by letter.
 *
 * Invariant.  A plan made while the current role does not see all rows of a
 * table of ours depends on nothing ANALYZE found in it: neither on values,
 * their number, nulls and widths, nor on extended statistics.  What is left is
 * how big the table and its indexes are, and the widths in a leaf of usage that
 * somebody has moved to another schema.
 *
 * The current role is who is told of the plan.  A view of another owner gives
 * it rows, and no right to estimates over the rest; a plan that was kept is made
 * again for another role, as row security depends on it.  Bodies of our own
 * functions run as the owner of the extension, who has all statistics; but with
 * debug_print_plan, which anybody may set, the session is told of plans that
 * others make in it.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "miscadmin.h"
#include "nodes/pathnodes.h"
#include "optimizer/plancat.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/snapmgr.h"

#include "catalog.h"
#include "identity.h"
#include "leaf_stats.h"
#include "membership.h"
#include "plan_stats.h"

static get_relation_stats_hook_type previous_relation_stats_hook = NULL;
static get_index_stats_hook_type previous_index_stats_hook = NULL;
static get_relation_info_hook_type previous_relation_info_hook = NULL;
static get_attavgwidth_hook_type previous_width_hook = NULL;

/*
 * Whose rows the policy of a table shows, if not those of class metadata; the
 * parts of usage are found as partitions.  Nobody is shown a row of a table
 * with NULL.
 */
static const struct
{
	const char *table;
	const char *class;
} shown[] = {
	{"usage", "usage"},
	{"usage_hourly", "usage"},
	{"usage_daily", "usage"},
	{"endpoint_class", "usage"},
	{"quota_state", "usage"},
	{"limit_state", "usage"},
	{"limit_ledger", "usage"},
	{"audit_log", "audit"},
	{"member", "audit"},
	{"keyring", NULL},
	{"key_secret", NULL},
	{"member_totp", NULL},
};

/*
 * The last answer about a role, for the statement it was given in: a plan asks
 * for each column of each part of usage.
 */
static struct
{
	Oid			role;
	int			mask;
	int64		narrow;
	TimestampTz statement;
	bool		all;
} last;

/* Whether role sees the rows of all tenants with one of the levels of mask. */
static bool
sees_all(Oid role, int mask)
{
	TimestampTz statement = GetCurrentStatementStartTimestamp();
	int64		narrow = apikey_identity_narrow();

	if (last.role != role || last.mask != mask || last.narrow != narrow || last.statement != statement)
	{
		Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(InvalidOid));

		last.role = InvalidOid;
		last.all = apikey_role_may(role, mask, NULL, 0, snapshot);
		UnregisterSnapshot(snapshot);
		last.role = role;
		last.mask = mask;
		last.narrow = narrow;
		last.statement = statement;
	}
	return last.all;
}

/* The levels whose rows on all tenants are all rows of the table; 0: none. */
static int
mask_of(Oid relid)
{
	const char *class = "metadata";
	char	   *name;

	if (get_rel_relispartition(relid))
		return apikey_class_mask("usage");
	name = get_rel_name(relid);
	for (size_t i = 0; name != NULL && i < lengthof(shown); i++)
		if (strcmp(name, shown[i].table) == 0)
			class = shown[i].class;
	if (name != NULL)
		pfree(name);
	return class == NULL ? 0 : apikey_class_mask(class);
}

/* Whether the statistics of a table are to be kept from a role. */
static bool
hidden_from(Oid role, Oid relid)
{
	int			mask;

	if (relid < FirstNormalObjectId || !IsTransactionState() ||
		has_bypassrls_privilege(role) ||
		get_rel_namespace(relid) != get_namespace_oid("apikey", true) ||
		get_rel_namespace(relid) != apikey_catalog_schema())
		return false;
	mask = mask_of(relid);
	return mask == 0 || !sees_all(role, mask);
}

/* The same of all who are told of the plan. */
static bool
hidden(Oid relid)
{
	return hidden_from(GetUserId(), relid) ||
		(Debug_print_plan && hidden_from(GetOuterUserId(), relid));
}

/*
 * The same of a relation of a query.  A leaf of usage that somebody has moved
 * to another schema is known by the tables above it.
 */
static bool
hidden_in(PlannerInfo *root, RangeTblEntry *rte)
{
	Index		rti = 1;
	List	   *above;
	ListCell   *lc;
	bool		found = false;

	if (rte->rtekind != RTE_RELATION)
		return false;
	if (hidden(rte->relid))
		return true;
	if (rte->relid < FirstNormalObjectId || !get_rel_relispartition(rte->relid) ||
		(has_bypassrls_privilege(GetUserId()) && !Debug_print_plan))
		return false;

	/* as a rule it was reached through them */
	while (rti < root->simple_rel_array_size && root->simple_rte_array[rti] != rte)
		rti++;
	while (root->append_rel_array != NULL && rti < root->simple_rel_array_size &&
		   root->append_rel_array[rti] != NULL)
	{
		rti = root->append_rel_array[rti]->parent_relid;
		if (root->simple_rte_array[rti]->rtekind != RTE_RELATION)
			break;
		rte = root->simple_rte_array[rti];
		if (hidden(rte->relid))
			return true;
	}
	if (!get_rel_relispartition(rte->relid))
		return false;
	above = get_partition_ancestors(rte->relid);
	foreach(lc, above)
		found |= hidden(lfirst_oid(lc));
	list_free(above);
	return found;
}

/* Whether a relation of a query is a leaf of usage where leaves are made. */
static bool
is_leaf(RangeTblEntry *rte)
{
	return rte->rtekind == RTE_RELATION && rte->relid >= FirstNormalObjectId &&
		get_rel_relispartition(rte->relid) &&
		get_rel_namespace(rte->relid) == apikey_catalog_schema();
}

static bool
relation_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum,
			   VariableStatData *vardata)
{
	bool		is_hidden = hidden_in(root, rte);

	vardata->statsTuple = NULL;
	if (is_leaf(rte))
	{
		vardata->statsTuple = apikey_leaf_stats(rte->relid, attnum, is_hidden);
		vardata->freefunc = heap_freetuple;
	}
	if (is_hidden || vardata->statsTuple != NULL)
	{
		/* as PostgreSQL judges it: whether leaky operators may look at values */
		vardata->acl_ok = !is_hidden && rte->securityQuals == NIL &&
			pg_class_aclcheck(rte->relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
		return true;
	}
	return previous_relation_stats_hook != NULL &&
		previous_relation_stats_hook(root, rte, attnum, vardata);
}

static bool
index_stats(PlannerInfo *root, Oid indexoid, AttrNumber attnum,
			VariableStatData *vardata)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RelOptInfo *rel = root->simple_rel_array[i];
		ListCell   *lc;

		if (rel == NULL)
			continue;
		foreach(lc, rel->indexlist)
			if (lfirst_node(IndexOptInfo, lc)->indexoid == indexoid &&
				hidden_in(root, root->simple_rte_array[i]))
		{
			vardata->statsTuple = NULL;
			return true;
		}
	}
	return previous_index_stats_hook != NULL &&
		previous_index_stats_hook(root, indexoid, attnum, vardata);
}

/* Extended statistics: we define none, the owner of a database may. */
static void
relation_info(PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel)
{
	if (previous_relation_info_hook != NULL)
		previous_relation_info_hook(root, relid, inhparent, rel);
	if (rel->statlist != NIL && hidden_in(root, root->simple_rte_array[rel->relid]))
		rel->statlist = NIL;
}

/* Returns 0 to leave it to PostgreSQL. */
static int32
width(Oid relid, AttrNumber attnum)
{
	if (hidden(relid))
	{
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(relid, attnum, &type, &typmod, &collation);
		return get_typavgwidth(type, typmod);
	}
	return previous_width_hook != NULL ? previous_width_hook(relid, attnum) : 0;
}

void
apikey_plan_stats_install(void)
{
	previous_relation_stats_hook = get_relation_stats_hook;
	get_relation_stats_hook = relation_stats;
	previous_index_stats_hook = get_index_stats_hook;
	get_index_stats_hook = index_stats;
	previous_relation_info_hook = get_relation_info_hook;
	get_relation_info_hook = relation_info;
	previous_width_hook = get_attavgwidth_hook;
	get_attavgwidth_hook = width;
}
