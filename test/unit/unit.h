/*
 * unit.h
 *		The smallest possible unit test frame.
 *
 * A test is a program: CHECK() counts and, when it fails, prints where and
 * what; unit_done() prints the totals and gives the exit status.  A failed
 * check does not end the program, a hang does.
 */
#ifndef UNIT_H
#define UNIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "str.h"

/* Seconds after which a program is considered to hang; far beyond need. */
#define UNIT_TIMEOUT	300

static int	unit_passed;
static int	unit_failed;

/* Blocks of unit_copy(), freed at the end so that a leak checker is content. */
static void *unit_blocks[4096];
static int	unit_nblocks;

#define lengthof(array) ((int) (sizeof(array) / sizeof((array)[0])))

/* A string literal, which may hold zero bytes, as ApikeyStr. */
#define S(literal)	((ApikeyStr) {(literal), (int) sizeof(literal) - 1})
#define NO_STR		((ApikeyStr) {NULL, 0})

/* a list literal, LIST(S("a"), S("b")); it lives as long as the block it is in */
#define LIST(...) \
	((ApikeyStrList) {(const ApikeyStr[]) {__VA_ARGS__}, \
		(int) (sizeof((const ApikeyStr[]) {__VA_ARGS__}) / sizeof(ApikeyStr))})
#define EMPTY_LIST	((ApikeyStrList) {NULL, 0})

#define CHECK(condition) \
	unit_check((condition), __FILE__, __LINE__, "%s", #condition)

/* CHECKF says more than the condition: which row of a table, which value. */
#define CHECKF(condition, ...) \
	unit_check((condition), __FILE__, __LINE__, __VA_ARGS__)

#define CHECK_INT(actual, expected) \
	do { \
		long long	unit_a = (long long) (actual); \
		long long	unit_e = (long long) (expected); \
		unit_check(unit_a == unit_e, __FILE__, __LINE__, \
				   "%s is %lld, expected %lld", #actual, unit_a, unit_e); \
	} while (0)

#define CHECK_TEXT(actual, expected) \
	do { \
		const char *unit_a = (actual); \
		const char *unit_e = (expected); \
		unit_check(strcmp(unit_a, unit_e) == 0, __FILE__, __LINE__, \
				   "%s is '%s', expected '%s'", #actual, unit_a, unit_e); \
	} while (0)

__attribute__((format(printf, 4, 5), unused))
static void
unit_check(bool ok, const char *file, int line, const char *format,...)
{
	va_list		args;

	if (ok)
	{
		unit_passed++;
		return;
	}
	unit_failed++;
	printf("%s:%d: FAILED: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

/*
 * A copy of the bytes in a block of exactly their size: a read past the end
 * is an error under the address sanitizer and not the luck of a literal.
 */
__attribute__((unused))
static ApikeyStr
unit_copy(ApikeyStr text)
{
	char	   *block;

	if (text.ptr == NULL)
		return text;
	block = malloc(text.len > 0 ? (size_t) text.len : 1);
	if (block == NULL || unit_nblocks == lengthof(unit_blocks))
	{
		printf("unit_copy: out of memory\n");
		exit(2);
	}
	unit_blocks[unit_nblocks++] = block;
	memcpy(block, text.ptr, (size_t) text.len);
	return (ApikeyStr) {block + (text.len > 0 ? 0 : 1), text.len};
}

/* Reproducible noise (an LCG; quality does not matter here). */
__attribute__((unused))
static uint32_t
unit_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t) (*state >> 33);
}

static void
unit_begin(void)
{
	/* line by line, so that a crash loses no message */
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(UNIT_TIMEOUT);
}

static int
unit_done(const char *name)
{
	for (int i = 0; i < unit_nblocks; i++)
		free(unit_blocks[i]);
	printf("%s: %d passed, %d failed\n", name, unit_passed, unit_failed);
	return unit_failed > 0 ? 1 : 0;
}

#endif							/* UNIT_H */
