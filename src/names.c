/*
 * names.c
 *		Numbers for strings of bytes, from 0 on in the order they come.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "names.h"

#define FIRST_ROOM	256

static uint32 *
new_slots(ApikeyNames *names)
{
	return MemoryContextAllocExtended(names->context, 2 * (Size) names->room * sizeof(uint32),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

void
apikey_names_begin(ApikeyNames *names, MemoryContext context)
{
	names->context = context;
	names->count = 0;
	names->room = FIRST_ROOM;
	names->names = MemoryContextAlloc(context, FIRST_ROOM * sizeof(ApikeyName));
	names->slots = new_slots(names);
}

/*
 * The strings are endpoints that clients make up: where they could know the hash
 * they could make up many of the same one.
 */
uint32
apikey_names_hash(ApikeyStr bytes)
{
	static uint64 seed;
	static bool seeded = false;

	if (!seeded)
	{
		if (!pg_strong_random(&seed, sizeof(seed)))
			elog(ERROR, "could not get random bytes");
		seeded = true;
	}
	return (uint32) hash_bytes_extended((const unsigned char *) bytes.ptr, bytes.len, seed);
}

/* the place of a string, or the free one where it belongs */
static uint32
place_of(const ApikeyNames *names, ApikeyStr bytes, uint32 hash)
{
	uint32		mask = 2 * names->room - 1;
	uint32		place = hash & mask;

	for (; names->slots[place] != 0; place = (place + 1) & mask)
	{
		const ApikeyName *name = &names->names[names->slots[place] - 1];

		if (name->hash == hash && apikey_str_equal(name->bytes, bytes))
			break;
	}
	return place;
}

static void
grow(ApikeyNames *names)
{
	uint32		mask;

	names->room *= 2;
	names->names = repalloc_huge(names->names, (Size) names->room * sizeof(ApikeyName));
	pfree(names->slots);
	names->slots = new_slots(names);
	mask = 2 * names->room - 1;
	for (uint32 i = 0; i < names->count; i++)
	{
		uint32		place = names->names[i].hash & mask;

		while (names->slots[place] != 0)
			place = (place + 1) & mask;
		names->slots[place] = i + 1;
	}
}

uint32
apikey_names_number(ApikeyNames *names, ApikeyStr bytes, uint32 hash)
{
	uint32		place = place_of(names, bytes, hash);
	char	   *copy;

	if (names->slots[place] != 0)
		return names->slots[place] - 1;
	if (names->count == names->room)
	{
		grow(names);
		place = place_of(names, bytes, hash);
	}
	copy = MemoryContextAlloc(names->context, Max(bytes.len, 1));
	memcpy(copy, bytes.ptr, bytes.len);
	names->names[names->count] = (ApikeyName)
	{
		hash,
		{
			copy, bytes.len
		}
	};
	names->slots[place] = ++names->count;
	return names->count - 1;
}
