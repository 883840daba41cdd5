/*
 * verify.c
 *		The pipeline: parse -> digest -> look-up -> decide -> record.
 *
 * Layer 4.  "Commit is revoked" rests on keycache.c: the key is as of now,
 * whatever the isolation level of the caller.  No row lock is taken and nothing
 * is written; the usage event goes to the ring in shared memory, where the
 * caller's rollback cannot reach it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"

#include "clock.h"
#include "guard.h"
#include "guc.h"
#include "key_format.h"
#include "limits.h"
#include "shmem.h"
#include "slot.h"
#include "verify.h"

/* Check 2: of the tenant asked for, and the caller may verify for it. */
static bool
may_know(const ApikeyCall *call, ApikeyKey *key)
{
	if (call->tenant.ptr != NULL &&
		!apikey_str_equal(key->tenant->path_str, call->tenant))
		return false;
	return apikey_rulecache_may_verify(key->tenant, GetUserId());
}

static void
deny(ApikeyVerdict *verdict, ApikeyCode code, const char *detail)
{
	verdict->code = code;
	verdict->warnings = 0;
	verdict->expires_at = APIKEY_NO_TIME;
	verdict->remaining = verdict->retry_after = -1;
	verdict->limit_name[0] = '\0';
	strlcpy(verdict->detail, detail, sizeof(verdict->detail));
}

/* Checks 4 to 13. */
static void
judge(const ApikeyCall *call, ApikeyKey *key, TimestampTz now, ApikeyVerdict *verdict)
{
	ApikeyRequest request;

	request.now = now;
	request.scopes = call->context.scopes;
	request.ip = call->context.ip;
	request.ip_blocked = apikey_rulecache_ip_blocked(key->tenant, &request.ip, now);
	request.method = call->context.method;
	request.endpoint = call->context.endpoint;
	request.environment = call->environment;
	request.expires_soon = (int64) apikey_expires_soon * USECS_PER_SEC;
	request.local_time = apikey_local_time;
	request.quiet = false;
	request.prepared = NULL;
	apikey_decide(&key->record, &request, verdict);
	if (verdict->code != APIKEY_VALID || key->nlimits == 0)
		return;
	if (key->nlimits > APIKEY_LIMITS_MAX)
		deny(verdict, APIKEY_UNAVAILABLE, "more limits apply to the key than can be charged at once");
	else
		apikey_limits_apply(key->limits, key->nlimits, call->context.units, now, verdict);
}

void
apikey_verify(const ApikeyCall *call, ApikeyAnswer *answer)
{
	TimestampTz now = apikey_clock_now();
	ApikeyKeyParts parts;
	ApikeyKey  *key = NULL;
	bool		silent = false;

	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot verify API keys in parallel mode")));
	apikey_require_shmem();
	apikey_workers_needed();

	if (call->key.ptr != NULL)
		key = apikey_keycache_find(call->key, now);
	if (key == NULL &&
		(call->key.ptr == NULL ||
		 !apikey_key_parse(call->key.ptr, (size_t) call->key.len, &parts)))
		deny(&answer->verdict, APIKEY_MALFORMED, "text is not an API key or its checksum does not fit");
	else
	{
		if (key == NULL)
			key = apikey_keycache_read(call->key, now);
		if (key != NULL && !may_know(call, key))
			key = NULL;
		if (key == NULL)
			deny(&answer->verdict, APIKEY_NOT_FOUND, "no such API key");
	}
	answer->key = key;

	if (key != NULL)
		judge(call, key, now, &answer->verdict);
	else
	{
		/* check 3: only what found no key is ever blocked */
		ApikeyGuardAnswer guard = apikey_guard_failed(&call->context.ip, now);

		if (guard != APIKEY_GUARD_PASS)
			deny(&answer->verdict, APIKEY_BLOCKED, "too many attempts without a valid API key from this ip address");
		silent = (guard == APIKEY_GUARD_BLOCK_SILENT);
	}

	if (!silent && (call->record || answer->verdict.code != APIKEY_VALID))
		apikey_record(&call->context, now, answer->verdict.code,
					  key != NULL ? key->record.tenant_id : 0,
					  key != NULL ? key->record.key_id : 0,
					  key != NULL ? key->record.secret_id : 0,
					  key != NULL ? key->record.environment_id : 0);
}
