/*
 * record.c
 *		From a call and its outcome to a usage event.
 *
 * Layer 4.  Masking happens here, before the event enters shared memory: a key
 * pasted into a path or a user agent must not lie in the ring in the clear.
 */
#include "postgres.h"

#include "endpoint.h"
#include "record.h"
#include "redact.h"
#include "usage_event.h"

/* more than the longest key, percent-encoded underscores included */
#define REDACTION_MARGIN 512

/*
 * The text, or where it may hold a key, a copy with key-looking text masked.
 * Of a text longer than max only what masking needs is copied;
 * apikey_usage_push() cuts it to max.
 */
static ApikeyStr
clean(ApikeyStr text, int max, int *found)
{
	char	   *copy;
	int			len;

	if (text.ptr == NULL || !apikey_may_hold_key(text.ptr, (size_t) text.len))
		return text;

	/*
	 * Mask first: of a key cut in two the rest would no longer look like one.
	 * A key that starts before max ends within the margin.
	 */
	len = Min(text.len, max + REDACTION_MARGIN);
	copy = palloc(Max(len, 1));
	memcpy(copy, text.ptr, len);
	*found += apikey_redact(copy, len).found;
	return (ApikeyStr) {copy, len};
}

/* The required scopes in one text, separated by blanks. */
static ApikeyStr
join_scopes(ApikeyStrList scopes)
{
	char	   *text;
	int			len = 0;

	if (scopes.count == 0)
		return (ApikeyStr) {NULL, 0};
	if (scopes.count == 1)
		return scopes.items[0].ptr == NULL ? (ApikeyStr) {"", 0} : scopes.items[0];
	for (int i = 0; i < scopes.count; i++)
		len += scopes.items[i].len + 1;
	text = palloc(len);
	len = 0;
	for (int i = 0; i < scopes.count; i++)
	{
		if (scopes.items[i].ptr == NULL)
			continue;
		if (len > 0)
			text[len++] = ' ';
		memcpy(text + len, scopes.items[i].ptr, scopes.items[i].len);
		len += scopes.items[i].len;
	}
	return (ApikeyStr) {text, len};
}

void
apikey_record(const ApikeyContext *context, TimestampTz at, ApikeyCode code,
			  int64 tenant_id, int64 key_id, int64 secret_id, int64 environment_id)
{
	ApikeyUsageEvent event;
	ApikeyStr	path = context->endpoint;
	int			found = 0;

	/* a query string is the application's business and may hold secrets */
	if (path.ptr != NULL)
		path.len = apikey_path_length(path);

	memset(&event, 0, sizeof(event));
	event.at = at;
	event.tenant_id = tenant_id;
	event.key_id = key_id;
	event.secret_id = secret_id;
	event.environment_id = environment_id;
	event.code = (uint8) code;
	event.ip = context->ip;
	event.status = context->status;
	event.latency_us = context->latency_us;
	event.bytes_in = context->bytes_in;
	event.bytes_out = context->bytes_out;
	event.units = context->units;
	event.scope = clean(join_scopes(context->scopes), APIKEY_EVENT_SCOPE_MAX, &found);
	event.method = clean(context->method, APIKEY_EVENT_METHOD_MAX, &found);
	event.endpoint = clean(path, APIKEY_EVENT_ENDPOINT_MAX, &found);
	event.region = clean(context->region, APIKEY_EVENT_REGION_MAX, &found);
	event.user_agent = clean(context->user_agent, APIKEY_EVENT_AGENT_MAX, &found);
	event.request_id = clean(context->request_id, APIKEY_EVENT_REQUEST_MAX, &found);
	event.tags = clean(context->tags, APIKEY_EVENT_TAGS_MAX, &found);
	if (found > 0)
		event.flags |= APIKEY_EVENT_LEAK;
	(void) apikey_usage_push(&event);
}
