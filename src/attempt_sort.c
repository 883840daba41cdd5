/*
 * attempt_sort.c
 *		Many small records, in the order of their time.
 *
 * Layer 3.  tuplesort would do, but it wants a tuple for each record, which
 * costs as much as judging the request.
 */
#include "postgres.h"

#include "lib/binaryheap.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/memutils.h"

#include "attempt_sort.h"
#include "compat.h"

/* A sorted part of the file, and what of it is in memory. */
typedef struct Run
{
	int64		first;			/* number of its first record in the file */
	int64		count;
	int64		fetched;		/* records read so far */
	ApikeyAttempt *buffer;
	int			have;			/* in buffer */
	int			next;			/* the next one in buffer */
} Run;

struct ApikeyAttemptSort
{
	MemoryContext context;
	ApikeyAttempt *items;
	int			room;
	int			count;
	int			next;			/* when all fitted into memory */

	BufFile    *file;			/* NULL: all fit */
	int64		written;
	Run		   *runs;
	int			nruns;
	int			maxruns;
	int			part;			/* records of a run's buffer */
	binaryheap *heap;
	Run		   *last;			/* whose record was given out last */
};

static inline bool
before(const ApikeyAttempt *a, const ApikeyAttempt *b)
{
	if (a->request.at != b->request.at)
		return a->request.at < b->request.at;
	if (a->request.leaf != b->request.leaf)
		return a->request.leaf < b->request.leaf;
	return a->request.row < b->request.row;
}

static inline int
compare(const ApikeyAttempt *a, const ApikeyAttempt *b)
{
	return before(a, b) ? -1 : before(b, a) ? 1 : 0;
}

#define ST_SORT sort_attempts
#define ST_ELEMENT_TYPE ApikeyAttempt
#define ST_COMPARE(a, b) compare(a, b)
#define ST_SCOPE static
#define ST_CHECK_FOR_INTERRUPTS
#define ST_DEFINE
#include "lib/sort_template.h"

ApikeyAttemptSort *
apikey_attempt_sort_begin(Size memory)
{
	ApikeyAttemptSort *sort = palloc0(sizeof(*sort));

	sort->context = CurrentMemoryContext;
	memory = Min(Max(memory, 64 * 1024), MaxAllocSize);
	sort->room = (int) (memory / sizeof(ApikeyAttempt));
	sort->items = palloc(sizeof(ApikeyAttempt) * sort->room);
	return sort;
}

/* Write what is in memory, sorted, behind the runs before. */
static void
write_run(ApikeyAttemptSort *sort)
{
	MemoryContext old = MemoryContextSwitchTo(sort->context);
	Run		   *run;

	if (sort->file == NULL)
		sort->file = BufFileCreateTemp(false);
	if (sort->nruns == sort->maxruns)
	{
		sort->maxruns = Max(16, sort->maxruns * 2);
		if (sort->runs == NULL)
			sort->runs = palloc(sizeof(Run) * sort->maxruns);
		else
			sort->runs = repalloc(sort->runs, sizeof(Run) * sort->maxruns);
	}
	sort_attempts(sort->items, sort->count);
	BufFileWrite(sort->file, sort->items, sizeof(ApikeyAttempt) * sort->count);
	run = &sort->runs[sort->nruns++];
	memset(run, 0, sizeof(*run));
	run->first = sort->written;
	run->count = sort->count;
	sort->written += sort->count;
	sort->count = 0;
	MemoryContextSwitchTo(old);
}

ApikeyAttempt *
apikey_attempt_sort_put(ApikeyAttemptSort *sort)
{
	if (sort->count == sort->room)
		write_run(sort);
	return &sort->items[sort->count++];
}

/* The next record of a run into place; false: there is none. */
static bool
advance(ApikeyAttemptSort *sort, Run *run)
{
	if (++run->next < run->have)
		return true;
	run->have = (int) Min(run->count - run->fetched, sort->part);
	run->next = 0;
	if (run->have == 0)
		return false;
	CHECK_FOR_INTERRUPTS();
	if (BufFileSeek(sort->file, 0, (off_t) (run->first + run->fetched) * sizeof(ApikeyAttempt), SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in temporary file")));
	apikey_buffile_read(sort->file, run->buffer, sizeof(ApikeyAttempt) * run->have);
	run->fetched += run->have;
	return true;
}

/* binaryheap gives the largest first */
static int
later_run(Datum a, Datum b, void *arg)
{
	const Run  *x = (const Run *) DatumGetPointer(a);
	const Run  *y = (const Run *) DatumGetPointer(b);

	return compare(&y->buffer[y->next], &x->buffer[x->next]);
}

void
apikey_attempt_sort_done(ApikeyAttemptSort *sort)
{
	if (sort->file == NULL)
	{
		sort_attempts(sort->items, sort->count);
		return;
	}
	if (sort->count > 0)
		write_run(sort);

	/* the memory is now for the buffers of the runs */
	sort->part = Max(sort->room / sort->nruns, 1);
	if (sort->part * (int64) sort->nruns > sort->room)
		sort->items = repalloc_huge(sort->items, sizeof(ApikeyAttempt) * sort->nruns);
	sort->heap = binaryheap_allocate(sort->nruns, later_run, NULL);
	for (int i = 0; i < sort->nruns; i++)
	{
		sort->runs[i].buffer = sort->items + (Size) i * sort->part;
		if (advance(sort, &sort->runs[i]))
			binaryheap_add_unordered(sort->heap, PointerGetDatum(&sort->runs[i]));
	}
	binaryheap_build(sort->heap);
}

const ApikeyAttempt *
apikey_attempt_sort_next(ApikeyAttemptSort *sort)
{
	Run		   *run;

	if (sort->file == NULL)
		return sort->next < sort->count ? &sort->items[sort->next++] : NULL;

	/* only now the record given out before may be overwritten */
	if (sort->last != NULL)
	{
		if (advance(sort, sort->last))
			binaryheap_replace_first(sort->heap, PointerGetDatum(sort->last));
		else
			(void) binaryheap_remove_first(sort->heap);
	}
	if (binaryheap_empty(sort->heap))
	{
		sort->last = NULL;
		return NULL;
	}
	run = (Run *) DatumGetPointer(binaryheap_first(sort->heap));
	sort->last = run;
	return &run->buffer[run->next];
}

void
apikey_attempt_sort_end(ApikeyAttemptSort *sort)
{
	if (sort->file != NULL)
		BufFileClose(sort->file);
	if (sort->heap != NULL)
		binaryheap_free(sort->heap);
	if (sort->runs != NULL)
		pfree(sort->runs);
	pfree(sort->items);
	pfree(sort);
}
