/*
 * sql_step_up.c
 *		Second factors (RFC 6238): secrets, codes, and the mark of a
 *		transaction, for the bodies in sql/56_step_up.sql.
 *
 * Layer 6.  A secret or a code goes from here into no query, so that no
 * setting of a session writes it to the server log as a constant of a plan.
 */
#include "postgres.h"

#include <ctype.h>

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "clock.h"
#include "crypto.h"
#include "keyring.h"
#include "membership.h"
#include "shmem.h"
#include "step_up.h"

#define DIGITS		6
#define SHA1_LEN	20

PG_FUNCTION_INFO_V1(apikey_is_member);
PG_FUNCTION_INFO_V1(apikey_make_totp);
PG_FUNCTION_INFO_V1(apikey_totp_code);
PG_FUNCTION_INFO_V1(apikey_take_code);
PG_FUNCTION_INFO_V1(apikey_mark_stepped_up);
PG_FUNCTION_INFO_V1(apikey_stepped_up);

/* Whether a role has any access to any tenant. */
Datum
apikey_is_member(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			count;
	bool		all;

	(void) apikey_role_tenants(PG_GETARG_OID(0), apikey_class_mask("any"), snapshot,
							   &count, &all);
	UnregisterSnapshot(snapshot);
	PG_RETURN_BOOL(all || count > 0);
}

/*
 * hmac(bytea, bytea, text) of pgcrypto, wherever it is installed.  The name is
 * not enough: a function of anybody's may have it in another schema.
 */
static Oid
hmac_function(void)
{
	Oid			pgcrypto = get_extension_oid("pgcrypto", true);
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum("hmac"));
	Oid			found = InvalidOid;

	for (int i = 0; i < list->n_members && OidIsValid(pgcrypto); i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->pronargs == 3 && proc->proargtypes.values[0] == BYTEAOID &&
			proc->proargtypes.values[1] == BYTEAOID &&
			proc->proargtypes.values[2] == TEXTOID &&
			getExtensionOfObject(ProcedureRelationId, proc->oid) == pgcrypto)
			found = proc->oid;
	}
	ReleaseCatCacheList(list);
	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function hmac of extension \"%s\" is missing", "pgcrypto")));
	return found;
}

static bytea *
make_bytea(const void *bytes, int len)
{
	bytea	   *result = palloc(VARHDRSZ + len);

	SET_VARSIZE(result, VARHDRSZ + len);
	memcpy(VARDATA(result), bytes, len);
	return result;
}

/* The code of a step: RFC 4226, section 5.3.  digits is at most 8. */
static void
make_code(bytea *secret, int64 step, int digits, char *code)
{
	static const uint32 powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
	uint64		counter = pg_hton64((uint64) step);
	bytea	   *hash;
	unsigned char *bytes;
	uint32		binary;

	hash = DatumGetByteaPP(OidFunctionCall3(hmac_function(),
											PointerGetDatum(make_bytea(&counter, sizeof(counter))),
											PointerGetDatum(secret),
											CStringGetTextDatum("sha1")));
	if (VARSIZE_ANY_EXHDR(hash) != SHA1_LEN)
		elog(ERROR, "HMAC-SHA1 has %d bytes", (int) VARSIZE_ANY_EXHDR(hash));
	bytes = (unsigned char *) VARDATA_ANY(hash);
	bytes += bytes[SHA1_LEN - 1] & 0x0f;
	binary = (uint32) (bytes[0] & 0x7f) << 24 | (uint32) bytes[1] << 16 |
		(uint32) bytes[2] << 8 | (uint32) bytes[3];
	snprintf(code, digits + 1, "%0*u", digits, binary % powers[digits]);
}

/* apikey_totp_code(secret, step, digits) */
Datum
apikey_totp_code(PG_FUNCTION_ARGS)
{
	int			digits = PG_GETARG_INT32(2);
	char		code[9];

	if (digits < 6 || digits > 8)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a code has 6 to 8 digits")));
	make_code(PG_GETARG_BYTEA_PP(0), PG_GETARG_INT64(1), digits, code);
	PG_RETURN_TEXT_P(cstring_to_text(code));
}

/* Whose secret it is, as the ciphertext is bound to it. */
static void
make_owner(Oid role, int64 system_identifier, unsigned char owner[12])
{
	uint32		role_bytes = pg_hton32(role);
	uint64		system_bytes = pg_hton64((uint64) system_identifier);

	memcpy(owner, &role_bytes, 4);
	memcpy(owner + 4, &system_bytes, 8);
}

/* The data key of that id, the newest one for 0. */
static ApikeyDataKey
data_key(int32 keyring_id)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	int			count;
	ApikeyDataKey *keys = apikey_keyring_load(snapshot, &count);

	UnregisterSnapshot(snapshot);
	for (int i = 0; i < count; i++)
		if (keyring_id == 0 || keys[i].keyring_id == keyring_id)
			return keys[i];
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("data key of the second factor is missing")));
}

static void
base32(const unsigned char *bytes, int len, char *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32		bits = 0;
	int			nbits = 0;

	for (int i = 0; i < len; i++)
	{
		bits = bits << 8 | bytes[i];
		for (nbits += 8; nbits >= 5; nbits -= 5)
			*out++ = alphabet[(bits >> (nbits - 5)) & 31];
	}
	*out = '\0';
}

static void
append_escaped(StringInfo to, const char *text)
{
	for (; *text != '\0'; text++)
	{
		if (isalnum((unsigned char) *text) && (unsigned char) *text < 128)
			appendStringInfoChar(to, *text);
		else if (strchr("-._~", *text) != NULL)
			appendStringInfoChar(to, *text);
		else
			appendStringInfo(to, "%%%02X", (unsigned char) *text);
	}
}

/*
 * apikey_make_totp(label, role, system_identifier) makes a secret: keyring_id
 * and material are to be stored, secret and uri to be shown.
 */
Datum
apikey_make_totp(PG_FUNCTION_ARGS)
{
	ApikeyDataKey key = data_key(0);
	unsigned char factor[APIKEY_FACTOR_LEN];
	unsigned char box[APIKEY_FACTOR_BOX_LEN];
	unsigned char owner[12];
	char		secret[APIKEY_FACTOR_LEN * 8 / 5 + 1];
	StringInfoData uri;
	TupleDesc	tupdesc;
	Datum		values[4];
	bool		nulls[4] = {false};
	bool		closed;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	make_owner(PG_GETARG_OID(1), PG_GETARG_INT64(2), owner);
	apikey_random(factor, sizeof(factor));
	closed = apikey_factor_close(key.key, owner, sizeof(owner), factor, box);
	base32(factor, sizeof(factor), secret);
	apikey_wipe(factor, sizeof(factor));
	if (!closed)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not encrypt the second factor")));

	initStringInfo(&uri);
	appendStringInfoString(&uri, "otpauth://totp/apikey:");
	append_escaped(&uri, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	appendStringInfo(&uri, "?secret=%s&issuer=apikey&algorithm=SHA1&digits=%d&period=%d",
					 secret, DIGITS, APIKEY_TOTP_PERIOD);
	values[0] = Int32GetDatum(key.keyring_id);
	values[1] = PointerGetDatum(make_bytea(box, sizeof(box)));
	values[2] = CStringGetTextDatum(secret);
	values[3] = CStringGetTextDatum(uri.data);
	apikey_wipe(secret, sizeof(secret));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* The statement holds the code, which may be good for another half minute. */
static void
refuse_code(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
			 errmsg("second factor was not accepted"),
			 errdetail("The role has not enrolled, or the code is wrong, was used before, or is one of too many."),
			 errhint("Give the next code; after five wrong ones within five minutes none is accepted."),
			 errhidestmt(true)));
}

/* Open the secret; the caller wipes it. */
static bytea *
open_secret(int32 keyring_id, bytea *material, Oid role, int64 system_identifier)
{
	unsigned char factor[APIKEY_FACTOR_LEN];
	unsigned char owner[12];
	bytea	   *secret;

	make_owner(role, system_identifier, owner);
	if (VARSIZE_ANY_EXHDR(material) != APIKEY_FACTOR_BOX_LEN ||
		!apikey_factor_open(data_key(keyring_id).key, owner, sizeof(owner),
							(unsigned char *) VARDATA_ANY(material), factor))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("second factor cannot be decrypted"),
				 errdetail("It was stored under another data key, or for another role."),
				 errhint("Remove it with remove_totp() and enroll again.")));
	secret = make_bytea(factor, sizeof(factor));
	apikey_wipe(factor, sizeof(factor));
	return secret;
}

/*
 * apikey_take_code(caller, code, keyring_id, material, role, system_identifier,
 * last_step) judges a code of caller and uses it up: the step it belongs to,
 * or the error that is the same for every reason.  role and system_identifier
 * are those that the secret is stored for; last_step is the newest step that
 * was used up for good.
 */
Datum
apikey_take_code(PG_FUNCTION_ARGS)
{
	TimestampTz now = apikey_clock_now();
	int64		present = apikey_totp_step(now);
	int64		step = 0;
	char		given[DIGITS];
	uint64		guess;
	text	   *code;
	bytea	   *secret;

	apikey_require_shmem();
	for (int i = 0; i < 7; i++)
		if (PG_ARGISNULL(i))
			refuse_code();
	secret = open_secret(PG_GETARG_INT32(2), PG_GETARG_BYTEA_PP(3), PG_GETARG_OID(4),
						 PG_GETARG_INT64(5));
	if (!apikey_step_up_begin(PG_GETARG_OID(0), now, &guess))
		refuse_code();

	code = PG_GETARG_TEXT_PP(1);
	if (VARSIZE_ANY_EXHDR(code) != DIGITS)
		refuse_code();
	memcpy(given, VARDATA_ANY(code), DIGITS);
	for (int drift = -APIKEY_TOTP_DRIFT; drift <= APIKEY_TOTP_DRIFT; drift++)
	{
		char		right[DIGITS + 1];

		make_code(secret, present + drift, DIGITS, right);
		if (apikey_equal(right, given, DIGITS) && present + drift > PG_GETARG_INT64(6))
			step = present + drift;
	}
	apikey_wipe(VARDATA(secret), APIKEY_FACTOR_LEN);
	if (step == 0 || !apikey_step_up_accept(PG_GETARG_OID(0), now, step, guess))
		refuse_code();
	PG_RETURN_INT64(step);
}

/* apikey_mark_stepped_up(role) marks the transaction for the role. */
Datum
apikey_mark_stepped_up(PG_FUNCTION_ARGS)
{
	apikey_step_up_mark(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}

/* apikey_stepped_up(role) tells whether it is marked. */
Datum
apikey_stepped_up(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(apikey_step_up_marked(PG_GETARG_OID(0)));
}
