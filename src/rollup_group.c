/*
 * rollup_group.c
 *		Sums of usage in the making.
 */
#include "postgres.h"

#include "commands/tablespace.h"
#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#include "compat.h"
#include "rollup_group.h"

#define FIRST_SLOTS		1024
#define FIRST_COLLECTED	256

typedef struct Slot
{
	uint32		hash;
	ApikeyRollupGroup *group;	/* NULL: free */
} Slot;

/* What groups come back by; nulls are told apart last. */
typedef struct Place
{
	int64		tenant_id;
	int64		day;
	int64		key_id;
	int64		environment_id;
	uint32		nulls;
	ApikeyRollupGroup *group;
} Place;

/* Groups in a file, of which the next one was read. */
typedef struct Run
{
	BufFile    *file;
	uint64		left;
	Place		next;
} Run;

struct ApikeyRollupGroups
{
	MemoryContext context;		/* of this and the runs */
	MemoryContext memory;		/* of groups */
	Size		most;
	Slot	   *slots;
	uint32		nslots;			/* a power of two */
	uint32		n;
	uint32		finds;
	List	   *runs;

	/* when they come back: from memory, or from the runs */
	Place	   *sorted;
	uint32		at;
	binaryheap *heap;

	ApikeyRollupGroup **collected;
	int			ncollected;
	int			room;
};

static Slot *
new_slots(MemoryContext context, uint32 n)
{
	return MemoryContextAllocExtended(context, n * sizeof(Slot), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

ApikeyRollupGroups *
apikey_rollup_groups_begin(Size most)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "apikey rollup",
												  ALLOCSET_DEFAULT_SIZES);
	ApikeyRollupGroups *groups = MemoryContextAllocZero(context, sizeof(ApikeyRollupGroups));

	groups->context = context;
	groups->memory = AllocSetContextCreate(context, "apikey rollup groups", ALLOCSET_DEFAULT_SIZES);
	groups->most = most;
	groups->nslots = FIRST_SLOTS;
	groups->slots = new_slots(groups->memory, FIRST_SLOTS);
	return groups;
}

void
apikey_rollup_groups_end(ApikeyRollupGroups *groups)
{
	ListCell   *cell;

	foreach(cell, groups->runs)
		BufFileClose(((Run *) lfirst(cell))->file);
	MemoryContextDelete(groups->context);
}

MemoryContext
apikey_rollup_groups_context(ApikeyRollupGroups *groups)
{
	return groups->memory;
}

static inline uint32
hash_key(const ApikeyRollupKey *key)
{
	uint64		hash = (uint64) key->hour;

	hash = (hash ^ (uint64) key->key_id) * UINT64CONST(0x9E3779B97F4A7C15);
	hash ^= hash >> 29;
	hash = (hash ^ ((uint64) key->label << 32 | key->code)) * UINT64CONST(0xBF58476D1CE4E5B9);
	hash ^= hash >> 32;
	hash = (hash ^ (uint64) key->tenant_id ^ (uint64) key->environment_id << 40) *
		UINT64CONST(0x94D049BB133111EB);
	return (uint32) (hash >> 32);
}

/* --- in memory ---------------------------------------------------------- */

static void
grow(ApikeyRollupGroups *groups)
{
	uint32		n = 2 * groups->nslots;
	Slot	   *slots = new_slots(groups->memory, n);

	for (uint32 i = 0; i < groups->nslots; i++)
		if (groups->slots[i].group != NULL)
		{
			uint32		place = groups->slots[i].hash & (n - 1);

			while (slots[place].group != NULL)
				place = (place + 1) & (n - 1);
			slots[place] = groups->slots[i];
		}
	pfree(groups->slots);
	groups->slots = slots;
	groups->nslots = n;
}

static Place
place_of(ApikeyRollupGroup *group)
{
	const ApikeyRollupKey *key = &group->key;

	return (Place)
	{
		key->tenant_id, apikey_rollup_day(key->hour), key->key_id, key->environment_id,
			key->has_tenant | key->has_key << 1 | key->has_environment << 2, group
	};
}

static inline int
compare_places(const Place *a, const Place *b)
{
	if (a->tenant_id != b->tenant_id)
		return a->tenant_id < b->tenant_id ? -1 : 1;
	if (a->day != b->day)
		return a->day < b->day ? -1 : 1;
	if (a->key_id != b->key_id)
		return a->key_id < b->key_id ? -1 : 1;
	if (a->environment_id != b->environment_id)
		return a->environment_id < b->environment_id ? -1 : 1;
	return (int) a->nulls - (int) b->nulls;
}

static int
compare_sorted(const void *a, const void *b)
{
	return compare_places(a, b);
}

static void
sort_memory(ApikeyRollupGroups *groups)
{
	uint32		n = 0;

	groups->sorted = MemoryContextAllocHuge(groups->memory, Max(groups->n, 1) * sizeof(Place));
	for (uint32 i = 0; i < groups->nslots; i++)
		if (groups->slots[i].group != NULL)
			groups->sorted[n++] = place_of(groups->slots[i].group);
	qsort(groups->sorted, n, sizeof(Place), compare_sorted);
}

/* --- in files ----------------------------------------------------------- */

static void
write_group(BufFile *file, ApikeyRollupGroup *group)
{
	BufFileWrite(file, group, sizeof(*group));
	if (group->latency != NULL)
	{
		BufFileWrite(file, &group->latency->n, sizeof(int));
		BufFileWrite(file, group->latency->entries, group->latency->n * sizeof(ApikeyHistogramEntry));
	}
	if (group->ips != NULL)
	{
		Size		size = apikey_ip_set_used(&group->ips->set);

		BufFileWrite(file, &size, sizeof(size));
		BufFileWrite(file, &group->ips->set, size);
	}
}

static ApikeyRollupGroup *
read_group(MemoryContext context, BufFile *file)
{
	ApikeyRollupGroup *group = MemoryContextAlloc(context, sizeof(ApikeyRollupGroup));

	apikey_buffile_read(file, group, sizeof(*group));
	if (group->latency != NULL)
	{
		ApikeyHistogramEntry entries[APIKEY_HISTOGRAM_BUCKETS];
		int			n;

		apikey_buffile_read(file, &n, sizeof(int));
		apikey_buffile_read(file, entries, n * sizeof(ApikeyHistogramEntry));
		group->latency = apikey_latency_state_merge(context, NULL, entries, n);
	}
	if (group->ips != NULL)
	{
		ApikeyIpSet set;
		Size		size;

		apikey_buffile_read(file, &size, sizeof(size));
		apikey_buffile_read(file, &set, size);
		group->ips = apikey_ip_state_merge(context, NULL, &set);
	}
	return group;
}

static void
spill(ApikeyRollupGroups *groups)
{
	MemoryContext old = MemoryContextSwitchTo(groups->context);
	Run		   *run = palloc0(sizeof(Run));

	sort_memory(groups);
	PrepareTempTablespaces();
	run->file = BufFileCreateTemp(false);
	run->left = groups->n;
	groups->runs = lappend(groups->runs, run);
	for (uint32 i = 0; i < groups->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		write_group(run->file, groups->sorted[i].group);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(groups->memory);
	groups->sorted = NULL;
	groups->n = 0;
	groups->nslots = FIRST_SLOTS;
	groups->slots = new_slots(groups->memory, FIRST_SLOTS);
}

ApikeyRollupGroup *
apikey_rollup_groups_find(ApikeyRollupGroups *groups, const ApikeyRollupKey *key, bool *made)
{
	uint32		hash = hash_key(key);
	uint32		place;
	ApikeyRollupGroup *group;

	/* groups grow, too; so many calls cannot make it much more */
	if (++groups->finds % 256 == 0 && MemoryContextMemAllocated(groups->memory, false) > groups->most)
		spill(groups);
	place = hash & (groups->nslots - 1);
	*made = false;
	for (; (group = groups->slots[place].group) != NULL; place = (place + 1) & (groups->nslots - 1))
		if (groups->slots[place].hash == hash && memcmp(&group->key, key, sizeof(*key)) == 0)
			return group;
	*made = true;
	if (groups->n >= groups->nslots / 2)
	{
		grow(groups);
		place = hash & (groups->nslots - 1);
		while (groups->slots[place].group != NULL)
			place = (place + 1) & (groups->nslots - 1);
	}
	group = MemoryContextAllocZero(groups->memory, sizeof(ApikeyRollupGroup));
	group->key = *key;
	groups->slots[place] = (Slot) {hash, group};
	groups->n++;
	return group;
}

/* --- back --------------------------------------------------------------- */

static bool
read_next(ApikeyRollupGroups *groups, Run *run)
{
	if (run->left == 0)
		return false;
	run->left--;
	run->next = place_of(read_group(groups->memory, run->file));
	return true;
}

/* the first one is the largest of the heap */
static int
compare_runs(Datum a, Datum b, void *arg)
{
	return compare_places(&((Run *) DatumGetPointer(b))->next, &((Run *) DatumGetPointer(a))->next);
}

void
apikey_rollup_groups_sort(ApikeyRollupGroups *groups)
{
	ListCell   *cell;
	MemoryContext old;

	if (groups->runs == NIL)
	{
		sort_memory(groups);
		return;
	}
	spill(groups);
	old = MemoryContextSwitchTo(groups->context);
	groups->heap = binaryheap_allocate(list_length(groups->runs), compare_runs, NULL);
	MemoryContextSwitchTo(old);
	foreach(cell, groups->runs)
	{
		Run		   *run = lfirst(cell);

		if (BufFileSeek(run->file, 0, 0, SEEK_SET) != 0)
			elog(ERROR, "could not rewind temporary file");
		if (read_next(groups, run))
			binaryheap_add_unordered(groups->heap, PointerGetDatum(run));
	}
	binaryheap_build(groups->heap);
}

/* the next group, which stays the next one until it is taken */
static Place *
peek(ApikeyRollupGroups *groups)
{
	if (groups->heap == NULL)
		return groups->at < groups->n ? &groups->sorted[groups->at] : NULL;
	if (binaryheap_empty(groups->heap))
		return NULL;
	return &((Run *) DatumGetPointer(binaryheap_first(groups->heap)))->next;
}

static void
take(ApikeyRollupGroups *groups)
{
	Run		   *run;

	if (groups->heap == NULL)
	{
		groups->at++;
		return;
	}
	run = (Run *) DatumGetPointer(binaryheap_first(groups->heap));
	if (read_next(groups, run))
		binaryheap_replace_first(groups->heap, PointerGetDatum(run));
	else
		(void) binaryheap_remove_first(groups->heap);
}

static void
free_group(ApikeyRollupGroup *group)
{
	if (group->latency != NULL)
		pfree(group->latency);
	if (group->ips != NULL)
		pfree(group->ips);
	pfree(group);
}

void
apikey_rollup_group_merge(MemoryContext context, ApikeyRollupGroup *group, const ApikeyRollupGroup *more)
{
	group->calls += more->calls;
	group->errors += more->errors;
	group->latency_calls += more->latency_calls;
	apikey_wide_merge(&group->units, &more->units);
	apikey_wide_merge(&group->bytes_in, &more->bytes_in);
	apikey_wide_merge(&group->bytes_out, &more->bytes_out);
	apikey_wide_merge(&group->latency_us, &more->latency_us);
	if (more->latency != NULL)
		group->latency = apikey_latency_state_merge(context, group->latency,
													more->latency->entries, more->latency->n);
	if (more->ips != NULL)
		group->ips = apikey_ip_state_merge(context, group->ips, &more->ips->set);
}

static int
compare_collected(const void *a, const void *b)
{
	const ApikeyRollupKey *x = &(*(ApikeyRollupGroup *const *) a)->key;
	const ApikeyRollupKey *y = &(*(ApikeyRollupGroup *const *) b)->key;

	if (x->label != y->label)
		return x->label < y->label ? -1 : 1;
	if (x->code != y->code)
		return x->code < y->code ? -1 : 1;
	return (x->hour > y->hour) - (x->hour < y->hour);
}

/* sorts what is collected, and makes groups one that are the same */
static void
unite(ApikeyRollupGroups *groups)
{
	int			n = 0;

	qsort(groups->collected, groups->ncollected, sizeof(ApikeyRollupGroup *), compare_collected);
	for (int i = 0; i < groups->ncollected; i++)
	{
		ApikeyRollupGroup *group = groups->collected[i];

		if (n > 0 && compare_collected(&groups->collected[n - 1], &group) == 0)
		{
			apikey_rollup_group_merge(groups->memory, groups->collected[n - 1], group);
			free_group(group);
		}
		else
			groups->collected[n++] = group;
	}
	groups->ncollected = n;
}

ApikeyRollupGroup **
apikey_rollup_groups_next(ApikeyRollupGroups *groups,
						  uint32 (*relabel) (const ApikeyRollupGroup *group, void *arg), void *arg, int *n)
{
	Place	   *next;
	Place		first;

	for (int i = 0; i < groups->ncollected; i++)
		free_group(groups->collected[i]);
	groups->ncollected = 0;
	if (groups->collected == NULL)
	{
		groups->room = FIRST_COLLECTED;
		groups->collected = MemoryContextAlloc(groups->context, FIRST_COLLECTED * sizeof(ApikeyRollupGroup *));
	}
	CHECK_FOR_INTERRUPTS();
	next = peek(groups);
	if (next == NULL)
		return NULL;
	first = *next;
	for (; next != NULL && compare_places(next, &first) == 0; next = peek(groups))
	{
		if (groups->ncollected == groups->room)
		{
			unite(groups);
			if (groups->ncollected > groups->room / 2)
			{
				groups->room *= 2;
				groups->collected = repalloc_huge(groups->collected,
												  groups->room * sizeof(ApikeyRollupGroup *));
			}
		}
		next->group->key.label = relabel(next->group, arg);
		groups->collected[groups->ncollected++] = next->group;
		take(groups);
	}
	unite(groups);
	*n = groups->ncollected;
	return groups->collected;
}
