/*
 * sql_defaults.c
 *		Plans of verify() and is_allowed() without the arguments that nobody
 *		gave.
 *
 * Layer 6.  In FROM the executor makes an expression of its own for every
 * argument of a function, at every execution of the plan, also for the eight
 * or so that are at their defaults: that cost as much as the verification.  The
 * support function of the planner cuts constants at the end of the arguments
 * that say what a missing argument says; sql_verify.c takes those that are
 * missing for NULL.  The function that is called, and with it who may call it,
 * stays the same.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/primnodes.h"
#include "nodes/supportnodes.h"

#include "sql_verify.h"

PG_FUNCTION_INFO_V1(apikey_sql_defaults);

/* Whether an argument has the value that it has when it is missing. */
static bool
says_nothing(const Node *arg, int n)
{
	const Const *value = (const Const *) arg;

	if (!IsA(arg, Const))
		return false;
	if (value->constisnull)
		return true;
	if (n == APIKEY_ARG_UNITS)
		return value->consttype == INT8OID && DatumGetInt64(value->constvalue) == 1;
	return n == APIKEY_ARG_RECORD && value->consttype == BOOLOID && DatumGetBool(value->constvalue);
}

/* A call with the first n of its arguments. */
static FuncExpr *
shorter_call(const FuncExpr *call, int n)
{
	FuncExpr   *result = makeFuncExpr(call->funcid, call->funcresulttype,
									  list_copy_head(call->args, n), call->funccollid,
									  call->inputcollid, call->funcformat);

	result->location = call->location;
	return result;
}

Datum
apikey_sql_defaults(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	const FuncExpr *call;
	int			n;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	call = ((SupportRequestSimplify *) request)->fcall;
	n = list_length(call->args);

	/* a constant call is rare, and one argument there must be */
	while (n > 1 && says_nothing(list_nth(call->args, n - 1), n - 1))
		n--;
	PG_RETURN_POINTER(n < list_length(call->args) ? shorter_call(call, n) : NULL);
}
