/*
 * fuzz.h
 *		What the harnesses share: assertions that stay in every build, and a
 *		reader that turns the fuzzer's bytes into numbers and texts.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

#define ASSERT(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: ASSERT(%s)\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

typedef struct FuzzInput
{
	const uint8_t *data;
	size_t		left;

	/* blocks handed out by fuzz_text(), freed by fuzz_end() */
	void	   *blocks[512];
	int			nblocks;
} FuzzInput;

/* The next byte; zero when there is none left. */
static inline uint8_t
fuzz_byte(FuzzInput *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

/* A number of 0 .. limit - 1. */
static inline int
fuzz_below(FuzzInput *in, int limit)
{
	int			value = fuzz_byte(in);

	if (limit > 256)
		value = value << 8 | fuzz_byte(in);
	return value % limit;
}

static inline void *
fuzz_alloc(FuzzInput *in, size_t size)
{
	void	   *block = malloc(size > 0 ? size : 1);

	ASSERT(block != NULL && in->nblocks < (int) (sizeof(in->blocks) / sizeof(in->blocks[0])));
	in->blocks[in->nblocks++] = block;
	return block;
}

/*
 * Up to max bytes as a text in a block of exactly its size, so that the
 * address sanitizer sees the first byte read outside.
 */
static inline ApikeyStr
fuzz_text(FuzzInput *in, int max)
{
	ApikeyStr	text;
	char	   *block;
	int			len = fuzz_below(in, max + 1);

	if ((size_t) len > in->left)
		len = (int) in->left;
	block = fuzz_alloc(in, (size_t) len);
	memcpy(block, in->data, (size_t) len);
	in->data += len;
	in->left -= (size_t) len;
	text.ptr = block + (len > 0 ? 0 : 1);
	text.len = len;
	return text;
}

/* The same out of few characters, so that interesting texts are likely. */
static inline ApikeyStr
fuzz_text_of(FuzzInput *in, int max, const char *alphabet)
{
	ApikeyStr	text = fuzz_text(in, max);
	size_t		n = strlen(alphabet);

	for (int i = 0; i < text.len; i++)
		((char *) text.ptr)[i] = alphabet[(unsigned char) text.ptr[i] % n];
	return text;
}

static inline void
fuzz_end(FuzzInput *in)
{
	while (in->nblocks > 0)
		free(in->blocks[--in->nblocks]);
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif							/* FUZZ_H */
