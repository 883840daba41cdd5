/*
 * sql_rules.c
 *		SQL functions that judge rule texts: scopes, endpoints, hours, networks.
 *
 * Layer 6.  The validators read no table, so CHECK constraints may use them
 * while a dump is being restored.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "catalog.h"
#include "endpoint.h"
#include "endpoint_set.h"
#include "hours.h"
#include "network.h"
#include "redact.h"
#include "rules.h"
#include "scope.h"

PG_FUNCTION_INFO_V1(apikey_valid_scopes);
PG_FUNCTION_INFO_V1(apikey_valid_endpoints);
PG_FUNCTION_INFO_V1(apikey_valid_hours);
PG_FUNCTION_INFO_V1(apikey_known_zones);
PG_FUNCTION_INFO_V1(apikey_scopes_within);
PG_FUNCTION_INFO_V1(apikey_scopes_touch);
PG_FUNCTION_INFO_V1(apikey_cidrs_within);
PG_FUNCTION_INFO_V1(apikey_networks_shut);
PG_FUNCTION_INFO_V1(apikey_endpoints_shut);
PG_FUNCTION_INFO_V1(apikey_holds_key);

static bool
valid_window(ApikeyStr rule)
{
	return apikey_window_parse(rule, NULL);
}

static bool
all_valid(Datum array, bool (*valid) (ApikeyStr))
{
	ApikeyStrList list = apikey_array_to_str_list(array);

	for (int i = 0; i < list.count; i++)
		if (list.items[i].ptr == NULL || !valid(list.items[i]))
			return false;
	return true;
}

Datum
apikey_valid_scopes(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(all_valid(PG_GETARG_DATUM(0), apikey_scope_valid));
}

Datum
apikey_valid_endpoints(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(all_valid(PG_GETARG_DATUM(0), apikey_endpoint_rule_valid));
}

Datum
apikey_valid_hours(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(all_valid(PG_GETARG_DATUM(0), valid_window));
}

/* apikey_known_zones tells whether the server knows every time zone named. */
Datum
apikey_known_zones(PG_FUNCTION_ARGS)
{
	ApikeyStrList list = apikey_array_to_str_list(PG_GETARG_DATUM(0));

	for (int i = 0; i < list.count; i++)
	{
		ApikeyWindow window;
		char		name[64];

		if (list.items[i].ptr == NULL || !apikey_window_parse(list.items[i], &window))
			PG_RETURN_BOOL(false);
		if (window.zone.ptr == NULL)
			continue;
		snprintf(name, sizeof(name), "%.*s", window.zone.len, window.zone.ptr);
		if (pg_tzset(name) == NULL)
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}

/* Whether for each scope of the first list some bound passes the test. */
static bool
each_has_bound(FunctionCallInfo fcinfo, bool whole)
{
	ApikeyStrList scopes = apikey_array_to_str_list(PG_GETARG_DATUM(0));
	ApikeyStrList bounds = apikey_array_to_str_list(PG_GETARG_DATUM(1));

	for (int i = 0; i < scopes.count; i++)
	{
		bool		ok = false;

		for (int j = 0; !ok && j < bounds.count; j++)
			ok = whole ? apikey_scope_covers(bounds.items[j], scopes.items[i]) :
				apikey_scope_cut(scopes.items[i], bounds.items[j]).ptr != NULL;
		if (!ok)
			return false;
	}
	return true;
}

/* apikey_scopes_within tells whether every scope is covered by some bound. */
Datum
apikey_scopes_within(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(each_has_bound(fcinfo, true));
}

/* apikey_scopes_touch tells whether every scope shares something with a bound. */
Datum
apikey_scopes_touch(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(each_has_bound(fcinfo, false));
}

static ApikeyNetList
array_to_nets(Datum array)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	ApikeyNet  *items;

	deconstruct_array(DatumGetArrayTypeP(array), CIDROID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &count);
	items = palloc0(sizeof(ApikeyNet) * Max(count, 1));
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			items[i] = apikey_net_from_datum(elements[i]);
	return (ApikeyNetList) {items, count, false};
}

/* apikey_cidrs_within tells whether every inner network lies in some outer one. */
Datum
apikey_cidrs_within(PG_FUNCTION_ARGS)
{
	ApikeyNetList inner = array_to_nets(PG_GETARG_DATUM(0));
	ApikeyNetList outer = array_to_nets(PG_GETARG_DATUM(1));

	for (int i = 0; i < inner.count; i++)
		if (inner.items[i].family == 0 || !apikey_net_list_contains(outer, &inner.items[i]))
			PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(true);
}

/* Names of the lists that shut something out; NULL where nothing does. */
static Datum
text_array(const char **names, int count)
{
	Datum	   *elements = palloc_extended(sizeof(Datum) * Max(count, 1), MCXT_ALLOC_HUGE);
	bool	   *nulls = palloc_extended(sizeof(bool) * Max(count, 1), MCXT_ALLOC_HUGE);
	int			lower = 1;

	for (int i = 0; i < count; i++)
	{
		nulls[i] = (names[i] == NULL);
		elements[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(names[i]);
	}
	return PointerGetDatum(construct_md_array(elements, nulls, 1, &count, &lower, TEXTOID, -1,
											  false, TYPALIGN_INT));
}

static ApikeyNetList
compiled_nets(Datum array)
{
	ApikeyNetList list = array_to_nets(array);

	list.count = apikey_net_compile((ApikeyNet *) list.items, list.count);
	list.compiled = true;
	return list;
}

/*
 * apikey_networks_shut tells of each network which list lets no request from
 * inside it pass: 'allowed' (empty: all are) or 'denied' networks.  NULL: some
 * may pass.
 */
Datum
apikey_networks_shut(PG_FUNCTION_ARGS)
{
	ApikeyNetList nets = array_to_nets(PG_GETARG_DATUM(0));
	ApikeyNetList allowed = compiled_nets(PG_GETARG_DATUM(1));
	ApikeyNetList denied = compiled_nets(PG_GETARG_DATUM(2));
	const char **by = palloc0(sizeof(char *) * Max(nets.count, 1));

	for (int i = 0; i < nets.count; i++)
	{
		const ApikeyNet *net = &nets.items[i];

		if (!apikey_net_open(net, allowed, denied))
			by[i] = (allowed.count > 0 && !apikey_net_list_overlaps(allowed, net)) ? "allowed" : "denied";
	}
	return text_array(by, nets.count);
}

/*
 * apikey_endpoints_shut tells of each endpoint rule which list lets no request
 * that matches it pass: 'allowed' (empty: all are) or 'denied' rules.  NULL:
 * some may pass, or it is not known.
 */
Datum
apikey_endpoints_shut(PG_FUNCTION_ARGS)
{
	ApikeyStrList rules = apikey_array_to_str_list(PG_GETARG_DATUM(0));
	ApikeyStrList allowed = apikey_array_to_str_list(PG_GETARG_DATUM(1));
	ApikeyStrList denied = apikey_array_to_str_list(PG_GETARG_DATUM(2));
	bool	   *dead = palloc(Max(allowed.count, 1));
	const char **by = palloc0(sizeof(char *) * Max(rules.count, 1));

	for (int i = 0; i < allowed.count; i++)
		dead[i] = apikey_endpoint_list_covers(denied, allowed.items[i]);
	for (int i = 0; i < rules.count; i++)
	{
		bool		open = (allowed.count == 0);

		CHECK_FOR_INTERRUPTS();
		if (!open)
			by[i] = "allowed";
		for (int j = 0; j < allowed.count && !open; j++)
		{
			if (apikey_endpoint_disjoint(rules.items[i], allowed.items[j]))
				continue;
			by[i] = "denied";
			open = !dead[j];
		}
		if (open)
			by[i] = apikey_endpoint_list_covers(denied, rules.items[i]) ? "denied" : NULL;
	}
	return text_array(by, rules.count);
}

/* apikey_holds_key tells whether a text holds a native key somewhere. */
Datum
apikey_holds_key(PG_FUNCTION_ARGS)
{
	text	   *copy = PG_GETARG_TEXT_P_COPY(0);

	PG_RETURN_BOOL(apikey_redact(VARDATA(copy), VARSIZE(copy) - VARHDRSZ).found > 0);
}
