/*
 * names.h
 *		Numbers for strings of bytes, from 0 on in the order they come.
 *
 * Layer 5.  All memory is in one context, which the caller resets or deletes.
 */
#ifndef APIKEY_NAMES_H
#define APIKEY_NAMES_H

#include "postgres.h"

#include "str.h"

typedef struct ApikeyName
{
	uint32		hash;
	ApikeyStr	bytes;
} ApikeyName;

typedef struct ApikeyNames
{
	MemoryContext context;
	ApikeyName *names;
	uint32		count;
	uint32		room;			/* a power of two */
	uint32	   *slots;			/* 2 * room: number of a name and one, 0 is
								 * free */
} ApikeyNames;

extern void apikey_names_begin(ApikeyNames *names, MemoryContext context);

/* The hash of a string, another one in each process. */
extern uint32 apikey_names_hash(ApikeyStr bytes);

/* The number of a string; it is new if it equals what names->count was before. */
extern uint32 apikey_names_number(ApikeyNames *names, ApikeyStr bytes, uint32 hash);

#endif							/* APIKEY_NAMES_H */
