/*
 * bound.h
 *		Parameters whose value only this library can give, for one transaction.
 *
 * Layer 1.
 *
 * Invariant.  A bound parameter that is not empty got its value from
 * apikey_bound_set() in this very transaction, and no rollback to a savepoint
 * has taken it back; in a parallel worker it has the value of its leader.
 *
 * Why it holds.
 *	(1) Every way to give a parameter a value (SET, set_config(), SET clauses of
 *		functions, settings of roles and databases, files, options of a
 *		connection) asks the check hook, which takes nothing but the empty
 *		value unless apikey_bound_set() is what called it.
 *	(2) apikey_bound_set() sets with GUC_ACTION_LOCAL.  What PostgreSQL brings
 *		back at the end of a subtransaction or of a function with a SET clause
 *		was there before in the same transaction; what it brings back at
 *		commit, abort and PREPARE TRANSACTION is the session's value, which by
 *		(1) is empty.
 *	(3) A parallel worker gets the parameters of its leader while it starts,
 *		each with the source it has there: PGC_S_SESSION for one that was set
 *		by (2).  Settings of the role or database, which a worker reads too,
 *		have other sources.  During a parallel operation PostgreSQL refuses to
 *		set anything.
 *
 * Everybody may empty one, so an empty one must never mean more rights.
 */
#ifndef APIKEY_BOUND_H
#define APIKEY_BOUND_H

#include "postgres.h"
#include "utils/guc.h"

/*
 * apikey_bound_define makes a bound parameter.  Its check hook must return
 * apikey_bound_allows() for a value that is not empty.
 */
extern void apikey_bound_define(const char *name, const char *description,
								char **variable, GucStringCheckHook check,
								GucStringAssignHook assign);

/* For check hooks: whether a value may be taken; if not, the error is prepared. */
extern bool apikey_bound_allows(const char *name, GucSource source);

/*
 * apikey_bound_set gives the parameter a value until the end of the
 * transaction; ERROR if the check hook refuses it.
 */
extern void apikey_bound_set(const char *name, const char *value);

#endif							/* APIKEY_BOUND_H */
