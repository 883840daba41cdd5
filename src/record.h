/*
 * record.h
 *		From a call and its outcome to a usage event.
 *
 * Layer 4.
 */
#ifndef APIKEY_RECORD_H
#define APIKEY_RECORD_H

#include "postgres.h"

#include "codes.h"
#include "network.h"
#include "str.h"
#include "utils/timestamp.h"

/* What a request says of itself, as verify() and log_usage() take it. */
typedef struct ApikeyContext
{
	ApikeyStrList scopes;
	ApikeyNet	ip;				/* family 0: none */
	ApikeyStr	method;
	ApikeyStr	endpoint;
	ApikeyStr	region;
	ApikeyStr	user_agent;
	ApikeyStr	request_id;
	ApikeyStr	tags;			/* JSON text */
	int64		units;
	int32		status;			/* -1: none */
	int64		latency_us;		/* -1: none */
	int64		bytes_in;		/* -1: none */
	int64		bytes_out;		/* -1: none */
} ApikeyContext;

/*
 * apikey_record masks key-looking text of a request and hands the event to
 * the usage ring.  Ids of 0 are recorded as NULL.  The texts themselves stay as
 * they are.
 */
extern void apikey_record(const ApikeyContext *context, TimestampTz at,
						  ApikeyCode code, int64 tenant_id, int64 key_id,
						  int64 secret_id, int64 environment_id);

#endif							/* APIKEY_RECORD_H */
