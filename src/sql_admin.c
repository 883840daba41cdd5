/*
 * sql_admin.c
 *		The trampoline of the management functions, and what their bodies need
 *		from C: the caller, the clock, new secrets, data keys.
 *
 * Layer 6.
 *
 * Why a trampoline.  A management function writes tables the caller has no
 * rights on, for the role that calls it.  SECURITY DEFINER loses that role,
 * and asking for the session's or the SET ROLE user instead answers wrongly
 * inside a user's own definer function, trigger or index expression, where
 * somebody else's code runs under its owner.  So the public function is plain
 * C, executed with the rights of its caller; it remembers GetUserId(),
 * switches to the owner of the body, calls the body, and switches back.
 * Nobody but the owner may call a body, so _caller() cannot be forged.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "clock.h"
#include "key_format.h"
#include "keyring.h"
#include "membership.h"
#include "shmem.h"
#include "slot.h"

PG_FUNCTION_INFO_V1(apikey_call);
PG_FUNCTION_INFO_V1(apikey_now);
PG_FUNCTION_INFO_V1(apikey_view_now);
PG_FUNCTION_INFO_V1(apikey_caller);
PG_FUNCTION_INFO_V1(apikey_caller_name);
PG_FUNCTION_INFO_V1(apikey_may);
PG_FUNCTION_INFO_V1(apikey_my_tenants);
PG_FUNCTION_INFO_V1(apikey_callers_tenants);
PG_FUNCTION_INFO_V1(apikey_sees_all);
PG_FUNCTION_INFO_V1(apikey_new_secret);
PG_FUNCTION_INFO_V1(apikey_make_data_key);
PG_FUNCTION_INFO_V1(apikey_rewrap);
PG_FUNCTION_INFO_V1(apikey_creating_extension);

/* The role that called the management function in progress. */
static Oid	current_caller = InvalidOid;

/* What the trampoline keeps in fn_extra. */
typedef struct Body
{
	FmgrInfo	flinfo;
	Oid			owner;
} Body;

/* Find the body "_name" of the function "name" with the same arguments. */
static Body *
find_body(FunctionCallInfo fcinfo)
{
	HeapTuple	tuple;
	HeapTuple	body_tuple;
	Form_pg_proc proc;
	char		name[NAMEDATALEN];
	Body	   *body;
	Oid			body_oid;

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	snprintf(name, sizeof(name), "_%s", NameStr(proc->proname));
	body_tuple = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(name),
								 PointerGetDatum(&proc->proargtypes),
								 ObjectIdGetDatum(proc->pronamespace));
	if (!HeapTupleIsValid(body_tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("body of function \"%s\" is missing", NameStr(proc->proname)),
				 errhint("Reinstall the extension apikey.")));

	/* the body runs as its owner, which must be the wrapper's too */
	if (((Form_pg_proc) GETSTRUCT(body_tuple))->proowner != proc->proowner)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("function \"%s\" and its body have different owners",
						NameStr(proc->proname))));
	body = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Body));
	body->owner = proc->proowner;
	body_oid = ((Form_pg_proc) GETSTRUCT(body_tuple))->oid;
	ReleaseSysCache(body_tuple);
	ReleaseSysCache(tuple);
	fmgr_info_cxt(body_oid, &body->flinfo, fcinfo->flinfo->fn_mcxt);
	return body;
}

/*
 * A body reads rows the caller may not know of.  Messages below NOTICE tell of
 * them: debug_print_plan, which anybody may set, prints the plans of the
 * body's queries with foreign ids in them, and their number alone tells what
 * exists.  They go to the server log only, as long as a body runs.
 *
 * Returns the nest level to hand to AtEOXact_GUC(), 0 when nothing was
 * changed; after an error the end of the transaction puts things right.
 */
static pg_noinline int
hush_client(void)
{
	int			level;

	if (client_min_messages >= NOTICE)
		return 0;
	level = NewGUCNestLevel();
	(void) set_config_option("client_min_messages", "notice", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	return level;
}

/* Run a prepared call as owner, for the present user as the caller. */
static Datum
call_as(Oid owner, FunctionCallInfo call)
{
	Oid			save_caller = current_caller;
	Oid			save_user;
	int			save_context;
	int			guc_level = hush_client();
	volatile Datum result = 0;

	GetUserIdAndSecContext(&save_user, &save_context);
	PG_TRY();
	{
		current_caller = save_user;
		SetUserIdAndSecContext(owner, save_context | SECURITY_LOCAL_USERID_CHANGE);
		result = FunctionCallInvoke(call);
	}
	PG_FINALLY();
	{
		current_caller = save_caller;
		SetUserIdAndSecContext(save_user, save_context);
	}
	PG_END_TRY();
	if (guc_level != 0)
		AtEOXact_GUC(true, guc_level);
	return result;
}

/*
 * apikey_call runs the body of a management function for the calling role.
 * The commit of what it did is flushed to disk whatever synchronous_commit
 * says: a revocation must survive a crash.
 */
Datum
apikey_call(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(call, FUNC_MAX_ARGS);
	Body	   *body = fcinfo->flinfo->fn_extra;
	Datum		result;

	apikey_require_shmem();
	if (body == NULL)
	{
		body = find_body(fcinfo);
		fcinfo->flinfo->fn_extra = body;
	}
	InitFunctionCallInfoData(*call, &body->flinfo, fcinfo->nargs,
							 fcinfo->fncollation, NULL, fcinfo->resultinfo);
	memcpy(call->args, fcinfo->args, sizeof(NullableDatum) * fcinfo->nargs);
	result = call_as(body->owner, call);

	ForceSyncCommit();
	apikey_workers_needed();
	fcinfo->isnull = call->isnull;
	return result;
}

/* apikey_now returns the clock of all decisions. */
Datum
apikey_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(apikey_clock_now());
}

/*
 * apikey_view_now returns that clock as a view needs it: one instant for the
 * whole statement, so that the planner may look at it and prune partitions.
 */
Datum
apikey_view_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(apikey_test_now_set ? apikey_test_now_value : GetCurrentStatementStartTimestamp());
}

static Oid
caller(void)
{
	return OidIsValid(current_caller) ? current_caller : GetUserId();
}

/* apikey_caller returns the role that called the management function. */
Datum
apikey_caller(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(caller());
}

Datum
apikey_caller_name(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(GetUserNameFromId(caller(), false)));
}

static int
class_argument(FunctionCallInfo fcinfo, int n)
{
	return apikey_class_mask(text_to_cstring(PG_GETARG_TEXT_PP(n)));
}

/*
 * apikey_may tells whether the caller has a class of access on a tenant (NULL:
 * on all tenants).  Reads the latest committed memberships whatever the
 * isolation level, so a revoked access is gone at once.
 */
Datum
apikey_may(PG_FUNCTION_ARGS)
{
	int64		tenants[APIKEY_TENANT_DEPTH];
	int			ntenants = 0;
	Snapshot	snapshot;
	bool		result;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	if (!PG_ARGISNULL(1))
		ntenants = apikey_tenant_chain(PG_GETARG_INT64(1), tenants, snapshot);
	result = apikey_role_may(caller(), class_argument(fcinfo, 0), tenants, ntenants,
							 snapshot);
	UnregisterSnapshot(snapshot);
	PG_RETURN_BOOL(result);
}

/* The tenants, descendants included, on which a role has a class of access. */
static Datum
tenants_of(Oid role, FunctionCallInfo fcinfo, Snapshot snapshot)
{
	int			count;
	bool		all;
	int64	   *ids = apikey_role_tenants(role, class_argument(fcinfo, 0), snapshot, &count, &all);
	Datum	   *elements = palloc_extended(sizeof(Datum) * Max(count, 1), MCXT_ALLOC_HUGE);

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(ids[i]);
	return PointerGetDatum(construct_array(elements, count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * apikey_my_tenants returns those of the current role.  For row security:
 * evaluated once per statement, under the statement's snapshot.
 */
Datum
apikey_my_tenants(PG_FUNCTION_ARGS)
{
	return tenants_of(GetUserId(), fcinfo, GetActiveSnapshot());
}

/* apikey_callers_tenants returns those of the caller, as apikey_may() sees it. */
Datum
apikey_callers_tenants(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	Datum		result = tenants_of(caller(), fcinfo, snapshot);

	UnregisterSnapshot(snapshot);
	return result;
}

/* apikey_sees_all tells whether the current role has access to all tenants. */
Datum
apikey_sees_all(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(apikey_role_may(GetUserId(), class_argument(fcinfo, 0), NULL, 0,
								   GetActiveSnapshot()));
}

static Datum
form_result(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	tupdesc = BlessTupleDesc(tupdesc);
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

static Datum
bytea_datum(const void *bytes, int len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return PointerGetDatum(result);
}

/* The newest active data key, for a digest that is about to be stored. */
static ApikeyDataKey
newest_data_key(void)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			count;
	ApikeyDataKey *keys = apikey_keyring_load(snapshot, &count);

	UnregisterSnapshot(snapshot);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("database has no data key"),
				 errhint("The first create_key() makes one.")));
	return keys[0];
}

/* Seal a key text for an X25519 public key. */
static Datum
seal_text(bytea *public_key, const char *text, int len)
{
	unsigned char sealed[APIKEY_KEY_MAX + APIKEY_SEAL_OVERHEAD];

	if (VARSIZE_ANY_EXHDR(public_key) != APIKEY_SEAL_KEY_LEN ||
		!apikey_seal((unsigned char *) VARDATA_ANY(public_key), text, len, sealed))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("seal_to is not a usable X25519 public key"),
				 errdetail("A public key has %d bytes.", APIKEY_SEAL_KEY_LEN)));
	return bytea_datum(sealed, len + APIKEY_SEAL_OVERHEAD);
}

/*
 * apikey_new_secret(prefix, tag, bytes, seal_to) makes a key text and what is
 * stored of it: key, digest, keyring_id, hint, sealed.  With seal_to, key is
 * NULL and sealed holds the text for the owner of that public key only.
 */
Datum
apikey_new_secret(PG_FUNCTION_ARGS)
{
	char	   *prefix;
	char	   *tag;
	int			nbytes;
	unsigned char random[APIKEY_BODY_BYTES_MAX];
	unsigned char digest[APIKEY_DIGEST_LEN];
	char		key_text[APIKEY_KEY_MAX + 1];
	char		hint[APIKEY_HINT_MAX];
	ApikeyKeyParts parts;
	ApikeyDataKey data_key;
	Datum		values[5];
	bool		nulls[5] = {false};
	int			len;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("prefix and tag must not be null")));
	nbytes = PG_ARGISNULL(2) ? APIKEY_BODY_BYTES_DEFAULT : PG_GETARG_INT32(2);
	if (nbytes < APIKEY_BODY_BYTES_MIN || nbytes > APIKEY_BODY_BYTES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bytes must be between %d and %d", APIKEY_BODY_BYTES_MIN,
						APIKEY_BODY_BYTES_MAX),
				 errdetail("A key holds 128 to 512 random bits.")));
	prefix = text_to_cstring(PG_GETARG_TEXT_PP(0));
	tag = text_to_cstring(PG_GETARG_TEXT_PP(1));
	data_key = newest_data_key();

	apikey_random(random, (size_t) nbytes);
	len = apikey_key_make(prefix, tag, random, nbytes, key_text);
	apikey_wipe(random, sizeof(random));
	if (len < 0 || !apikey_key_parse(key_text, (size_t) len, &parts))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("prefix or tag has a wrong form")));
	apikey_digest(data_key.key, key_text, (size_t) len, digest);
	apikey_key_hint(key_text, &parts, hint);

	nulls[0] = !PG_ARGISNULL(3);
	nulls[4] = PG_ARGISNULL(3);
	if (PG_ARGISNULL(3))
		values[0] = PointerGetDatum(cstring_to_text_with_len(key_text, len));
	else
		values[4] = seal_text(PG_GETARG_BYTEA_PP(3), key_text, len);
	values[1] = bytea_datum(digest, APIKEY_DIGEST_LEN);
	values[2] = Int32GetDatum(data_key.keyring_id);
	values[3] = CStringGetTextDatum(hint);
	apikey_wipe(key_text, sizeof(key_text));
	return form_result(fcinfo, values, nulls);
}

/* wrapped, material, master_id as a row */
static Datum
stored_key_row(FunctionCallInfo fcinfo, ApikeyStoredKey *stored)
{
	Datum		values[3];
	bool		nulls[3] = {false};

	values[0] = BoolGetDatum(stored->wrapped);
	values[1] = bytea_datum(stored->material, stored->material_len);
	nulls[2] = !stored->wrapped;
	if (stored->wrapped)
		values[2] = bytea_datum(stored->master_id, APIKEY_MASTER_ID_LEN);
	apikey_wipe(stored, sizeof(*stored));
	return form_result(fcinfo, values, nulls);
}

/* apikey_make_data_key() returns a new data key in its stored form. */
Datum
apikey_make_data_key(PG_FUNCTION_ARGS)
{
	ApikeyStoredKey stored;

	apikey_keyring_make(&stored);
	return stored_key_row(fcinfo, &stored);
}

/* apikey_rewrap(wrapped, material, master_id, plain) returns the new form. */
Datum
apikey_rewrap(PG_FUNCTION_ARGS)
{
	ApikeyStoredKey old;
	ApikeyStoredKey stored;
	bytea	   *material;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("stored data key must not be null")));
	memset(&old, 0, sizeof(old));
	old.wrapped = PG_GETARG_BOOL(0);
	material = PG_GETARG_BYTEA_PP(1);
	old.material_len = old.wrapped ? APIKEY_WRAPPED_LEN : APIKEY_DATA_KEY_LEN;
	if (VARSIZE_ANY_EXHDR(material) != old.material_len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("stored data key has a wrong size")));
	memcpy(old.material, VARDATA_ANY(material), old.material_len);
	if (!PG_ARGISNULL(2) && VARSIZE_ANY_EXHDR(PG_GETARG_BYTEA_PP(2)) == APIKEY_MASTER_ID_LEN)
		memcpy(old.master_id, VARDATA_ANY(PG_GETARG_BYTEA_PP(2)), APIKEY_MASTER_ID_LEN);
	apikey_keyring_rewrap(&old, PG_GETARG_BOOL(3), &stored);
	apikey_wipe(&old, sizeof(old));
	return stored_key_row(fcinfo, &stored);
}

/* apikey_creating_extension tells whether CREATE or ALTER EXTENSION runs. */
Datum
apikey_creating_extension(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(creating_extension);
}
