/*
 * sql_identity.c
 *		set_tenant(), authenticate(), and who they made of the transaction.
 *
 * Layer 6.  Why nobody else can is told in bound.h and identity.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "parser/parse_func.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "identity.h"
#include "membership.h"
#include "catalog.h"
#include "scope.h"
#include "sql_verify.h"

PG_FUNCTION_INFO_V1(apikey_set_tenant);
PG_FUNCTION_INFO_V1(apikey_authenticate);
PG_FUNCTION_INFO_V1(apikey_current_key_id);
PG_FUNCTION_INFO_V1(apikey_current_tenant);
PG_FUNCTION_INFO_V1(apikey_current_tenant_id);
PG_FUNCTION_INFO_V1(apikey_current_scopes);
PG_FUNCTION_INFO_V1(apikey_has_scope);

/* What may be shown of an argument. */
static char *
shown(text *value)
{
	Oid			types[] = {TEXTOID};
	Oid			function = LookupFuncName(list_make2(makeString("apikey"), makeString("_shown")),
										  lengthof(types), types, false);

	return TextDatumGetCString(OidFunctionCall1(function, PointerGetDatum(value)));
}

/*
 * apikey_set_tenant(path) narrows the transaction to a tenant and those below
 * it.  What it may be narrowed to is a matter of the memberships alone, not of
 * a narrowing there is, so that a transaction may go on to another tenant.
 */
Datum
apikey_set_tenant(PG_FUNCTION_ARGS)
{
	ApikeyIdentity identity = {0};
	int64		chain[APIKEY_TENANT_DEPTH];
	int			nchain;
	text	   *path;
	Snapshot	snapshot;
	bool		member;

	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot set the tenant in parallel mode")));
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("tenant must not be null"),
				 errhint("RESET apikey.context ends a narrowing.")));
	path = PG_GETARG_TEXT_PP(0);
	identity.tenant = (ApikeyStr) {VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path)};

	snapshot = RegisterSnapshot(GetLatestSnapshot());
	identity.tenant_id = apikey_tenant_find(identity.tenant, snapshot);
	nchain = apikey_tenant_chain(identity.tenant_id, chain, snapshot);
	member = nchain > 0 &&
		apikey_role_is_member(GetUserId(), apikey_class_mask("any"), chain, nchain, snapshot);
	UnregisterSnapshot(snapshot);
	if (!member)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("tenant \"%s\" does not exist", shown(path))));
	identity.narrow = identity.tenant_id;
	apikey_identity_bind(&identity);
	PG_RETURN_VOID();
}

/*
 * apikey_authenticate(...) judges like verify() and makes a key that is VALID
 * the identity of the transaction.  Any other answer takes away the identity
 * there was; the narrowing stays.
 */
Datum
apikey_authenticate(PG_FUNCTION_ARGS)
{
	ApikeyAnswer answer;
	ApikeyIdentity identity = {0};
	Datum		verdict = apikey_sql_verify_call(fcinfo, &answer);

	identity.narrow = apikey_identity_narrow();
	if (answer.verdict.code == APIKEY_VALID)
	{
		identity.tenant_id = answer.key->record.tenant_id;
		identity.tenant = answer.key->tenant->path_str;
		identity.key_id = answer.key->record.key_id;
		identity.scopes = apikey_array_to_str_list(PointerGetDatum(answer.key->scopes));
	}
	apikey_identity_bind(&identity);
	return verdict;
}

Datum
apikey_current_key_id(PG_FUNCTION_ARGS)
{
	if (apikey_identity == NULL || apikey_identity->key_id == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(apikey_identity->key_id);
}

Datum
apikey_current_tenant(PG_FUNCTION_ARGS)
{
	if (apikey_identity == NULL || apikey_identity->tenant_id == 0)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(apikey_identity->tenant.ptr,
											  apikey_identity->tenant.len));
}

/* apikey_current_tenant_id() is the same tenant by what never changes. */
Datum
apikey_current_tenant_id(PG_FUNCTION_ARGS)
{
	if (apikey_identity == NULL || apikey_identity->tenant_id == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(apikey_identity->tenant_id);
}

Datum
apikey_current_scopes(PG_FUNCTION_ARGS)
{
	Datum	   *elements;
	ApikeyStrList scopes;

	if (apikey_identity == NULL || apikey_identity->key_id == 0)
		PG_RETURN_NULL();
	scopes = apikey_identity->scopes;
	elements = palloc(sizeof(Datum) * Max(scopes.count, 1));
	for (int i = 0; i < scopes.count; i++)
		elements[i] = PointerGetDatum(cstring_to_text_with_len(scopes.items[i].ptr,
															   scopes.items[i].len));
	PG_RETURN_ARRAYTYPE_P(construct_array(elements, scopes.count, TEXTOID, -1, false,
										  TYPALIGN_INT));
}

/*
 * apikey_has_scope(scope) tells whether verify() would accept the scope of the
 * key of the transaction: an element of its argument scopes.
 */
Datum
apikey_has_scope(PG_FUNCTION_ARGS)
{
	text	   *scope;

	if (apikey_identity == NULL || PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	scope = PG_GETARG_TEXT_PP(0);
	PG_RETURN_BOOL(apikey_scope_satisfied(apikey_identity->scopes, NULL,
										  (ApikeyStr) {VARDATA_ANY(scope), VARSIZE_ANY_EXHDR(scope)}));
}
