/*
 * verify.c
 *		The pipeline: parse -> digest -> look-up -> decide -> record.
 *
 * Layer 4.  The invariant behind "commit is revoked": every read of one
 * verification uses a snapshot taken after the verification started
 * (GetLatestSnapshot, whatever the isolation level of the caller), so whatever
 * was committed before it started is seen.  No row lock is taken and nothing
 * is written; the usage event goes to the ring in shared memory, where the
 * caller's rollback cannot reach it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#include "clock.h"
#include "guard.h"
#include "guc.h"
#include "key_format.h"
#include "keyring.h"
#include "limits.h"
#include "shmem.h"
#include "slot.h"
#include "verify.h"

/* Local wall clock for access hours; tz is a pg_tz. */
static bool
local_time(const void *tz, int64_t at, int *dow, int *minute)
{
	pg_time_t	t = (pg_time_t) (at / USECS_PER_SEC) +
		((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY);
	struct pg_tm *tm;

	/* floor: instants before 2000 have a negative remainder */
	if (at % USECS_PER_SEC < 0)
		t--;
	if (tz == NULL)
		return false;
	tm = pg_localtime(&t, (const pg_tz *) tz);
	if (tm == NULL)
		return false;
	*dow = tm->tm_wday;
	*minute = tm->tm_hour * 60 + tm->tm_min;
	return true;
}

/* Find the secret of a well-formed text under any active data key. */
static bool
find_secret(ApikeyStr text, Snapshot snapshot, ApikeySecret *secret)
{
	int			count;
	ApikeyDataKey *keys = apikey_keyring_load(snapshot, &count);

	for (int i = 0; i < count; i++)
	{
		unsigned char digest[APIKEY_DIGEST_LEN];

		apikey_digest(keys[i].key, text.ptr, (size_t) text.len, digest);
		if (apikey_keystore_find(digest, keys[i].keyring_id, snapshot, secret))
			return true;
	}
	return false;
}

/* Check 2: found, of the tenant asked for, and the caller may verify for it. */
static bool
find_key(const ApikeyCall *call, TimestampTz now, Snapshot snapshot, ApikeyKey *key)
{
	ApikeySecret secret;

	if (!find_secret(call->key, snapshot, &secret))
		return false;
	if (!apikey_keystore_load(&secret, now, &call->context.ip, snapshot, key))
		return false;
	if (call->tenant.ptr != NULL &&
		!((int) strlen(key->tenant_path) == call->tenant.len &&
		  memcmp(key->tenant_path, call->tenant.ptr, call->tenant.len) == 0))
		return false;
	return apikey_role_may(GetUserId(), APIKEY_CLASS_VERIFY, key->tenants,
						   key->ntenants, snapshot);
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

void
apikey_verify(const ApikeyCall *call, ApikeyAnswer *answer)
{
	TimestampTz now = apikey_clock_now();
	ApikeyKeyParts parts;
	ApikeyRecord *record = &answer->key.record;
	bool		silent = false;

	if (IsInParallelMode())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("cannot verify API keys in parallel mode")));
	apikey_require_shmem();
	apikey_workers_needed();

	answer->found = false;
	if (call->key.ptr == NULL ||
		!apikey_key_parse(call->key.ptr, (size_t) call->key.len, &parts))
		deny(&answer->verdict, APIKEY_MALFORMED, "text is not an API key or its checksum does not fit");
	else
	{
		Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

		answer->found = find_key(call, now, snapshot, &answer->key);
		UnregisterSnapshot(snapshot);
		if (!answer->found)
			deny(&answer->verdict, APIKEY_NOT_FOUND, "no such API key");
	}

	if (answer->found)
	{
		ApikeyRequest request;

		memset(&request, 0, sizeof(request));
		request.now = now;
		request.scopes = call->context.scopes;
		request.ip = call->context.ip;
		request.method = call->context.method;
		request.endpoint = call->context.endpoint;
		request.environment = call->environment;
		request.expires_soon = (int64) apikey_expires_soon * USECS_PER_SEC;
		request.local_time = local_time;
		apikey_decide(record, &request, &answer->verdict);
		if (answer->verdict.code == APIKEY_VALID && answer->key.nlimits > 0)
			apikey_limits_apply(answer->key.limits, answer->key.nlimits,
								call->context.units, now, &answer->verdict);
	}
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
					  answer->found ? record->tenant_id : 0,
					  answer->found ? record->key_id : 0,
					  answer->found ? record->secret_id : 0,
					  answer->found ? record->environment_id : 0);
}

static bool
list_holds(const ApikeyStr *items, int count, ApikeyStr scope)
{
	for (int i = 0; i < count; i++)
		if (apikey_str_equal(items[i], scope))
			return true;
	return false;
}

/* Each scope of held cut by each of bounds. */
static ApikeyStrList
cut_list(ApikeyStrList held, ApikeyStrList bounds)
{
	int			room = 16;
	int			count = 0;
	ApikeyStr  *items = palloc(sizeof(ApikeyStr) * room);

	for (int i = 0; i < held.count; i++)
		for (int j = 0; j < bounds.count; j++)
		{
			ApikeyStr	cut = apikey_scope_cut(held.items[i], bounds.items[j]);

			if (cut.ptr == NULL || list_holds(items, count, cut))
				continue;
			if (count == room)
			{
				room *= 2;
				items = repalloc_huge(items, sizeof(ApikeyStr) * room);
			}
			items[count++] = cut;
		}
	return (ApikeyStrList) {items, count};
}

ApikeyStrList
apikey_effective_scopes(const ApikeyRecord *record)
{
	static const ApikeyStr everything = {"*", 1};
	ApikeyStrList scopes = {&everything, 1};

	for (int i = 0; i < record->nlinks; i++)
	{
		const ApikeyLink *link = &record->links[i];

		scopes = cut_list(scopes, link->scopes);
		if (link->policy != NULL && link->policy->has_max_scopes)
			scopes = cut_list(scopes, link->policy->max_scopes);
	}
	return scopes;
}
