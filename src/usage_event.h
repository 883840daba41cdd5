/*
 * usage_event.h
 *		One attempt at using a key, on its way to the usage table.
 *
 * Layer 2.  apikey_usage_push() is what verify() and log_usage() call;
 * encode, decode and size are the form an event has inside the shared ring.
 */
#ifndef APIKEY_USAGE_EVENT_H
#define APIKEY_USAGE_EVENT_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "codes.h"
#include "network.h"
#include "str.h"

/* bits of ApikeyUsageEvent.flags */
#define APIKEY_EVENT_LEAK	0x01	/* a text of the request held a key: write
									 * a leak.suspected event too */

/*
 * Texts longer than this are cut (at a character boundary) by the push; tags
 * that are longer cannot be cut and are recorded as NULL.
 */
#define APIKEY_EVENT_SCOPE_MAX		1024
#define APIKEY_EVENT_METHOD_MAX		32
#define APIKEY_EVENT_ENDPOINT_MAX	2048
#define APIKEY_EVENT_REGION_MAX		128
#define APIKEY_EVENT_AGENT_MAX		1024
#define APIKEY_EVENT_REQUEST_MAX	256
#define APIKEY_EVENT_TAGS_MAX		4096

typedef struct ApikeyUsageEvent
{
	TimestampTz at;
	int64		tenant_id;		/* these four: 0 = NULL */
	int64		key_id;
	int64		secret_id;
	int64		environment_id;
	uint8		code;			/* ApikeyCode */
	uint8		flags;			/* APIKEY_EVENT_* */
	ApikeyNet	ip;				/* family 0 = NULL; bits = masklen */
	int32		status;			/* these four: -1 = NULL */
	int64		latency_us;
	int64		bytes_in;
	int64		bytes_out;
	int64		units;
	ApikeyStr	scope;			/* texts: ptr NULL = NULL; already redacted */
	ApikeyStr	method;
	ApikeyStr	endpoint;
	ApikeyStr	region;
	ApikeyStr	user_agent;
	ApikeyStr	request_id;
	ApikeyStr	tags;			/* JSON text */
} ApikeyUsageEvent;

/*
 * apikey_usage_push hands an event to the writer of the current database and
 * tells whether it is on its way (false: dropped or suppressed, and counted).
 *
 * Not transactional: the event stays if the caller rolls back.  May wait up to
 * apikey.usage_wait when the ring is full, and with apikey.usage_sync until
 * the event is on disk; both waits end at cancel and terminate.  Needs no
 * lock, allocates nothing; the caller must hold no LWLock or spinlock.
 */
extern bool apikey_usage_push(const ApikeyUsageEvent *event);

/* apikey_usage_suppress counts an attempt that is not recorded on purpose. */
extern void apikey_usage_suppress(void);

/* Longest encoded event. */
#define APIKEY_EVENT_ENCODED_MAX	(256 + APIKEY_EVENT_SCOPE_MAX + \
		APIKEY_EVENT_METHOD_MAX + APIKEY_EVENT_ENDPOINT_MAX + \
		APIKEY_EVENT_REGION_MAX + APIKEY_EVENT_AGENT_MAX + \
		APIKEY_EVENT_REQUEST_MAX + APIKEY_EVENT_TAGS_MAX)

/* apikey_event_clip cuts over-long texts of an event. */
extern void apikey_event_clip(ApikeyUsageEvent *event);

/* apikey_event_size returns the encoded size of a clipped event. */
extern uint32 apikey_event_size(const ApikeyUsageEvent *event);

/* apikey_event_encode writes apikey_event_size() bytes. */
extern void apikey_event_encode(const ApikeyUsageEvent *event, char *out);

/*
 * apikey_event_decode fills event with views into the encoded bytes; false
 * when they are no event (never seen: a guard against a damaged ring).
 */
extern bool apikey_event_decode(const char *in, uint32 len, ApikeyUsageEvent *event);

#endif							/* APIKEY_USAGE_EVENT_H */
