/*
 * usage_event.c
 *		The form a usage event has inside the shared ring.
 *
 * Layer 2.  A fixed head, then the bytes of the texts one after the other.
 * Writer and readers are the same build on the same machine, so the head is
 * the C struct.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "usage_event.h"

#define NO_TEXT		0xFFFF		/* length of a NULL text */
#define NTEXTS		7

typedef struct EventHead
{
	TimestampTz at;
	int64		tenant_id;
	int64		key_id;
	int64		secret_id;
	int64		environment_id;
	int64		latency_us;
	int64		bytes_in;
	int64		bytes_out;
	int64		units;
	int32		status;
	uint8		code;
	uint8		flags;
	ApikeyNet	ip;
	uint16		len[NTEXTS];
} EventHead;

StaticAssertDecl(sizeof(EventHead) <= 256, "APIKEY_EVENT_ENCODED_MAX is too small");
StaticAssertDecl(APIKEY_EVENT_TAGS_MAX < NO_TEXT, "length of tags does not fit");

/* The texts of an event in the order they are stored. */
static inline void
event_texts(const ApikeyUsageEvent *event, const ApikeyStr *text[NTEXTS])
{
	text[0] = &event->scope;
	text[1] = &event->method;
	text[2] = &event->endpoint;
	text[3] = &event->region;
	text[4] = &event->user_agent;
	text[5] = &event->request_id;
	text[6] = &event->tags;
}

static inline void
clip(ApikeyStr *text, int max)
{
	if (text->ptr != NULL && unlikely(text->len > max))
		text->len = pg_mbcliplen(text->ptr, text->len, max);
}

void
apikey_event_clip(ApikeyUsageEvent *event)
{
	clip(&event->scope, APIKEY_EVENT_SCOPE_MAX);
	clip(&event->method, APIKEY_EVENT_METHOD_MAX);
	clip(&event->endpoint, APIKEY_EVENT_ENDPOINT_MAX);
	clip(&event->region, APIKEY_EVENT_REGION_MAX);
	clip(&event->user_agent, APIKEY_EVENT_AGENT_MAX);
	clip(&event->request_id, APIKEY_EVENT_REQUEST_MAX);

	/* half a JSON text is none */
	if (event->tags.len > APIKEY_EVENT_TAGS_MAX)
		event->tags.ptr = NULL;
}

uint32
apikey_event_size(const ApikeyUsageEvent *event)
{
	const ApikeyStr *text[NTEXTS];
	uint32		size = sizeof(EventHead);

	event_texts(event, text);
	for (int i = 0; i < NTEXTS; i++)
		if (text[i]->ptr != NULL)
			size += text[i]->len;
	return size;
}

void
apikey_event_encode(const ApikeyUsageEvent *event, char *out)
{
	EventHead  *head = (EventHead *) out;
	const ApikeyStr *text[NTEXTS];

	head->at = event->at;
	head->tenant_id = event->tenant_id;
	head->key_id = event->key_id;
	head->secret_id = event->secret_id;
	head->environment_id = event->environment_id;
	head->latency_us = event->latency_us;
	head->bytes_in = event->bytes_in;
	head->bytes_out = event->bytes_out;
	head->units = event->units;
	head->status = event->status;
	head->code = event->code;
	head->flags = event->flags;
	head->ip = event->ip;

	event_texts(event, text);
	out += sizeof(EventHead);
	for (int i = 0; i < NTEXTS; i++)
	{
		if (text[i]->ptr == NULL)
		{
			head->len[i] = NO_TEXT;
			continue;
		}
		head->len[i] = (uint16) text[i]->len;
		memcpy(out, text[i]->ptr, text[i]->len);
		out += text[i]->len;
	}
}

bool
apikey_event_decode(const char *in, uint32 len, ApikeyUsageEvent *event)
{
	const EventHead *head = (const EventHead *) in;
	const char *end = in + len;
	const ApikeyStr *text[NTEXTS];

	if (len < sizeof(EventHead) || head->code >= APIKEY_NCODES)
		return false;

	event->at = head->at;
	event->tenant_id = head->tenant_id;
	event->key_id = head->key_id;
	event->secret_id = head->secret_id;
	event->environment_id = head->environment_id;
	event->latency_us = head->latency_us;
	event->bytes_in = head->bytes_in;
	event->bytes_out = head->bytes_out;
	event->units = head->units;
	event->status = head->status;
	event->code = head->code;
	event->flags = head->flags;
	event->ip = head->ip;

	event_texts(event, text);
	in += sizeof(EventHead);
	for (int i = 0; i < NTEXTS; i++)
	{
		ApikeyStr  *out = (ApikeyStr *) text[i];

		if (head->len[i] == NO_TEXT)
		{
			out->ptr = NULL;
			out->len = 0;
			continue;
		}
		if (head->len[i] > end - in)
			return false;
		out->ptr = in;
		out->len = head->len[i];
		in += head->len[i];
	}
	return true;
}
