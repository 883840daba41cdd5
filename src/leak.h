/*
 * leak.h
 *		Events about requests that carried a key where none belongs.
 *
 * Layer 5.  Private to the writer process: start and note with the batch,
 * write in its transaction, commit afterwards.
 */
#ifndef APIKEY_LEAK_H
#define APIKEY_LEAK_H

#include "postgres.h"

#include "usage_event.h"

extern void apikey_leak_start(void);
extern void apikey_leak_note(const ApikeyUsageEvent *event);
extern void apikey_leak_write(void);
extern void apikey_leak_commit(void);

#endif							/* APIKEY_LEAK_H */
