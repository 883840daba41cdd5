/*
 * sql_endpoint_class.c
 *		What sql/62_endpoint_classes.sql computes over many shapes at once.
 *
 * Layer 6.  Internal functions; arrays hold no NULL.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "catalog.h"
#include "compat.h"
#include "endpoint_price.h"
#include "endpoint_set.h"

PG_FUNCTION_INFO_V1(apikey_sql_endpoint_shape);
PG_FUNCTION_INFO_V1(apikey_endpoint_collapse);
PG_FUNCTION_INFO_V1(apikey_endpoint_crowded);
PG_FUNCTION_INFO_V1(apikey_endpoint_resolve);
PG_FUNCTION_INFO_V1(apikey_endpoint_price_matches);
PG_FUNCTION_INFO_V1(apikey_endpoint_overlaps);

static ApikeyStrList
sorted_list(Datum array)
{
	ApikeyStrList list = apikey_array_to_str_list(array);

	if (list.count > 1)
		qsort((void *) list.items, list.count, sizeof(*list.items), apikey_shape_compare);
	return list;
}

static Datum
text_array(Datum *texts, int n)
{
	return PointerGetDatum(construct_array(texts, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static Datum
text_of(ApikeyStr str)
{
	return PointerGetDatum(cstring_to_text_with_len(str.ptr, str.len));
}

static ApikeyStr
str_of(text *value)
{
	return (ApikeyStr) {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/* the text with more room at its end */
static Datum
text_and(ApikeyStr str, const char *tail)
{
	int			tail_len = strlen(tail);
	text	   *result = palloc(VARHDRSZ + str.len + tail_len);

	SET_VARSIZE(result, VARHDRSZ + str.len + tail_len);
	memcpy(VARDATA(result), str.ptr, str.len);
	memcpy(VARDATA(result) + str.len, tail, tail_len);
	return PointerGetDatum(result);
}

Datum
apikey_sql_endpoint_shape(PG_FUNCTION_ARGS)
{
	text	   *endpoint = PG_GETARG_TEXT_PP(0);
	char		shape[APIKEY_SHAPE_MAX];
	int			len;

	len = apikey_endpoint_shape(str_of(endpoint), shape);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(shape, len));
}

/*
 * _endpoint_collapse(shapes, prefixes, endpoints): the shapes with '*' below the
 * prefixes, unless one of the endpoints, which are of prices, tells that from
 * the shape.
 */
Datum
apikey_endpoint_collapse(PG_FUNCTION_ARGS)
{
	ApikeyStrList shapes = apikey_array_to_str_list(PG_GETARG_DATUM(0));
	ApikeyStrList prefixes = sorted_list(PG_GETARG_DATUM(1));
	ApikeyStrList endpoints = apikey_array_to_str_list(PG_GETARG_DATUM(2));
	Datum	   *results = palloc(Max(shapes.count, 1) * sizeof(Datum));

	for (int i = 0; i < shapes.count; i++)
	{
		ApikeyStr	shape = shapes.items[i];
		text	   *result = palloc(VARHDRSZ + shape.len + 2);
		ApikeyStr	class = {VARDATA(result), 0};

		CHECK_FOR_INTERRUPTS();
		class.len = apikey_shape_collapse(shape, prefixes.items, prefixes.count, VARDATA(result));
		if (!apikey_same_prices(shape, class, endpoints))
			class.len = apikey_price_meet(shape, endpoints, VARDATA(result));
		SET_VARSIZE(result, VARHDRSZ + class.len);
		results[i] = PointerGetDatum(result);
	}
	return text_array(results, shapes.count);
}

/* _endpoint_crowded(shapes, most): prefixes with more than that below them */
Datum
apikey_endpoint_crowded(PG_FUNCTION_ARGS)
{
	ApikeyStrList shapes = sorted_list(PG_GETARG_DATUM(0));
	int			most = Max(PG_GETARG_INT32(1), 1);
	ApikeyStr  *prefixes = palloc((shapes.count + 1) * sizeof(ApikeyStr));
	int			n = apikey_shapes_crowded(shapes.items, shapes.count, most, prefixes);
	Datum	   *results = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		results[i] = text_of(prefixes[i]);
	return text_array(results, n);
}

/*
 * _endpoint_resolve(shapes, accepted, classes, endpoints): of each shape the
 * class it is; else, if it was accepted, what is known of it and its tail, or
 * what prices of the endpoints tell from that; else the tail of everything.
 */
Datum
apikey_endpoint_resolve(PG_FUNCTION_ARGS)
{
	ApikeyStrList shapes = apikey_array_to_str_list(PG_GETARG_DATUM(0));
	ApikeyStrList classes = sorted_list(PG_GETARG_DATUM(2));
	ApikeyStrList endpoints = apikey_array_to_str_list(PG_GETARG_DATUM(3));
	Datum	   *results = palloc(Max(shapes.count, 1) * sizeof(Datum));
	Datum	   *accepted;
	int			n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), BOOLOID, 1, true, TYPALIGN_CHAR,
					  &accepted, NULL, &n);
	for (int i = 0; i < shapes.count; i++)
	{
		ApikeyStr	shape = shapes.items[i];
		bool		found;
		ApikeyStr	known = apikey_shape_known(shape, classes.items, classes.count, &found);
		bool		teaches = i < n && DatumGetBool(accepted[i]);
		text	   *class;

		CHECK_FOR_INTERRUPTS();
		if (found)
		{
			results[i] = text_of(known);
			continue;
		}
		if (!teaches)
			known.len = 0;
		results[i] = text_and(known, "/**");
		class = DatumGetTextPP(results[i]);
		if (teaches &&
			!apikey_same_prices(shape, str_of(class), endpoints))
		{
			char	   *meet = palloc(shape.len + 2);

			results[i] = text_of((ApikeyStr) {meet, apikey_price_meet(shape, endpoints, meet)});
		}
	}
	return text_array(results, shapes.count);
}

/* _price_matches(endpoint, class) */
Datum
apikey_endpoint_price_matches(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(apikey_price_matches(str_of(PG_GETARG_TEXT_PP(0)), str_of(PG_GETARG_TEXT_PP(1))));
}

/* _endpoint_overlaps(class, endpoint): both as endpoint rules */
Datum
apikey_endpoint_overlaps(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!apikey_endpoint_disjoint(str_of(PG_GETARG_TEXT_PP(0)), str_of(PG_GETARG_TEXT_PP(1))));
}
