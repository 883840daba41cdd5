/*
 * fuzz_endpoint_class.c
 *		Shapes of any bytes have the form of one, and whole characters of UTF-8
 *		stay whole; collapsing and looking up end and read nothing outside.
 */
#include "fuzz.h"

#include "endpoint_class.h"

#define ALPHABET	"//a1Zb-._~:;%42fF*?#@x/0123\xc3\xa9"

static bool
is_utf8(ApikeyStr text)
{
	for (int i = 0; i < text.len;)
	{
		unsigned char c = (unsigned char) text.ptr[i++];
		int			more = c < 0x80 ? 0 : c < 0xC2 ? -1 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : c < 0xF5 ? 3 : -1;

		if (more < 0)
			return false;
		for (; more > 0; more--)
			if (i == text.len || ((unsigned char) text.ptr[i++] & 0xC0) != 0x80)
				return false;
	}
	return true;
}

static void
check_shape(ApikeyStr shape)
{
	int			segments = 0;

	ASSERT(shape.len >= 1 && shape.len <= APIKEY_SHAPE_MAX && shape.ptr[0] == '/');
	for (int i = 0; i < shape.len;)
	{
		int			end = i + 1;
		int			stars = 0;

		for (; end < shape.len && shape.ptr[end] != '/'; end++)
		{
			unsigned char c = (unsigned char) shape.ptr[end];

			ASSERT(c >= 0x20 && c != 0x7F && c != '?' && c != '#' && c != ';' && c != '@' && c != '\\');
			stars += c == '*';
		}
		if (stars == 2)
		{
			/* where dots lead is not known: the tail alone */
			ASSERT(segments == APIKEY_SHAPE_SEGMENTS || segments == 0);
			ASSERT(end == shape.len && end - i == 3);
			break;
		}
		ASSERT(!(end - i == 2 && shape.ptr[i + 1] == '.'));
		ASSERT(!(end - i == 3 && shape.ptr[i + 1] == '.' && shape.ptr[i + 2] == '.'));
		ASSERT(stars == 0 || (stars == 1 && shape.ptr[i + 1] == '*'));
		ASSERT(stars == 0 || end - i == 2 || shape.ptr[i + 2] == ':' || shape.ptr[i + 2] == '.');
		ASSERT(end - i >= 2 || shape.len == 1);
		ASSERT(end - i <= APIKEY_SHAPE_SEGMENT_MAX + 1);
		ASSERT(++segments <= APIKEY_SHAPE_SEGMENTS);
		i = end;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char texts[40][APIKEY_SHAPE_MAX];
	FuzzInput	in = {.data = data, .left = size};
	int			mode = fuzz_byte(&in);
	int			n = 0;
	ApikeyStr	list[40];
	ApikeyStr	crowded[41];
	int			n_crowded;

	while (n < 40 && in.left > 0)
	{
		ApikeyStr	endpoint = (mode & 1) ? fuzz_text_of(&in, (mode & 2) ? 12 : 300, ALPHABET) :
			fuzz_text(&in, (mode & 2) ? 12 : 300);
		int			len = apikey_endpoint_shape(endpoint, texts[n]);

		list[n] = (ApikeyStr) {texts[n], len};
		check_shape(list[n]);
		if (is_utf8(endpoint))
			ASSERT(is_utf8(list[n]));
		n++;
	}
	qsort(list, (size_t) n, sizeof(list[0]), apikey_shape_compare);

	/* collapsed until nothing is crowded; a fixed point of collapsing */
	for (int rounds = 0; (n_crowded = apikey_shapes_crowded(list, n, 1, crowded)) > 0; rounds++)
	{
		static char prefixes[40][APIKEY_SHAPE_MAX];
		static char collapsed[40][APIKEY_SHAPE_MAX];

		ASSERT(rounds <= APIKEY_SHAPE_SEGMENTS && n_crowded <= n);
		for (int i = 0; i < n_crowded; i++)
		{
			memcpy(prefixes[i], crowded[i].ptr, (size_t) crowded[i].len);
			crowded[i].ptr = prefixes[i];
		}
		qsort(crowded, (size_t) n_crowded, sizeof(crowded[0]), apikey_shape_compare);
		for (int i = 0; i < n; i++)
		{
			int			len = apikey_shape_collapse(list[i], crowded, n_crowded, collapsed[i]);
			char		again[APIKEY_SHAPE_MAX];

			ASSERT(len <= list[i].len);
			check_shape((ApikeyStr) {collapsed[i], len});
			ASSERT(apikey_shape_collapse((ApikeyStr) {collapsed[i], len}, crowded, n_crowded, again) == len);
			ASSERT(memcmp(again, collapsed[i], (size_t) len) == 0);
			list[i].len = len;
		}
		for (int i = 0; i < n; i++)
			memcpy((char *) list[i].ptr, collapsed[i], (size_t) list[i].len);
		qsort(list, (size_t) n, sizeof(list[0]), apikey_shape_compare);
	}
	for (int i = 0; i < n; i++)
	{
		ApikeyStr	other = list[fuzz_below(&in, n)];
		bool		found;
		ApikeyStr	known = apikey_shape_known(list[i], list, n, &found);

		ASSERT(found && known.len == list[i].len);
		known = apikey_shape_known(other, list + i, n - i, &found);
		ASSERT(known.ptr == other.ptr && known.len <= other.len);
	}
	fuzz_end(&in);
	return 0;
}
