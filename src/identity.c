/*
 * identity.c
 *		Who the transaction acts for.
 *
 * Layer 1.  The invariant is in identity.h.
 *
 * The text of the parameter is for people, too:
 *
 *		narrow=12 tenant=12:acme/eu key=34 scopes=orders:read,users:*
 *
 * where narrow stands alone, is missing, or comes first; key and scopes come
 * together.  Paths and scopes hold neither blanks nor commas.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/guc.h"

#include "bound.h"
#include "compat.h"
#include "identity.h"
#include "scope.h"

#define PARAMETER "apikey.context"

const ApikeyIdentity *apikey_identity = NULL;

static char *context_text = NULL;

/* Take name off the text; false, and nothing taken, if it is not there. */
static bool
take(const char **at, const char *name)
{
	size_t		len = strlen(name);

	if (strncmp(*at, name, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Take a positive number; 0 if there is none. */
static int64
take_id(const char **at)
{
	char	   *end;
	long long	value;

	if (**at < '0' || **at > '9')
		return 0;
	errno = 0;
	value = strtoll(*at, &end, 10);
	*at = end;
	return errno == 0 && value > 0 ? (int64) value : 0;
}

/* Take what ends before a blank. */
static ApikeyStr
take_word(const char **at)
{
	ApikeyStr	word = {*at, (int) strcspn(*at, " ")};

	*at += word.len;
	return word;
}

/* Split by commas into items, which has room; an empty text has no items. */
static int
split(ApikeyStr list, ApikeyStr *items)
{
	int			count = 0;
	int			from = 0;

	for (int i = 0; list.len > 0 && i <= list.len; i++)
		if (i == list.len || list.ptr[i] == ',')
		{
			items[count++] = (ApikeyStr) {list.ptr + from, i - from};
			from = i + 1;
		}
	return count;
}

/* Fill identity from text, which it points into. */
static bool
parse(const char *text, ApikeyIdentity *identity, ApikeyStr *items)
{
	const char *at = text;

	if (take(&at, "narrow="))
	{
		identity->narrow = take_id(&at);
		if (identity->narrow == 0)
			return false;
		if (*at == '\0')
			return true;
		if (!take(&at, " "))
			return false;
	}
	if (!take(&at, "tenant="))
		return false;
	identity->tenant_id = take_id(&at);
	if (identity->tenant_id == 0 || !take(&at, ":"))
		return false;
	identity->tenant = take_word(&at);
	if (*at == '\0')
		return true;
	if (!take(&at, " key="))
		return false;
	identity->key_id = take_id(&at);
	if (identity->key_id == 0 || !take(&at, " scopes="))
		return false;
	identity->scopes = (ApikeyStrList) {items, split(take_word(&at), items)};
	return *at == '\0';
}

static bool
check_context(char **newval, void **extra, GucSource source)
{
	const char *text = *newval;
	size_t		len;
	int			nitems = 1;
	char	   *block;
	ApikeyStr  *items;
	char	   *copy;

	if (text == NULL || *text == '\0')
		return true;
	if (!apikey_bound_allows(PARAMETER, source))
		return false;

	/* one piece: the identity, its scopes, the text that both point into */
	len = strlen(text) + 1;
	for (size_t i = 0; i < len; i++)
		nitems += (text[i] == ',');
	block = apikey_guc_malloc(sizeof(ApikeyIdentity) + sizeof(ApikeyStr) * nitems + len);
	if (block == NULL)
		return false;
	memset(block, 0, sizeof(ApikeyIdentity));
	items = (ApikeyStr *) (block + sizeof(ApikeyIdentity));
	copy = (char *) (items + nitems);
	memcpy(copy, text, len);
	*extra = block;
	return parse(copy, (ApikeyIdentity *) block, items);
}

static void
assign_context(const char *newval, void *extra)
{
	apikey_identity = extra;
}

void
apikey_identity_define(void)
{
	apikey_bound_define(PARAMETER, "Who the transaction acts for.", &context_text,
						check_context, assign_context);
}

void
apikey_identity_bind(const ApikeyIdentity *identity)
{
	StringInfoData text;
	const char *comma = "";

	if (apikey_identity == NULL && identity->narrow == 0 && identity->tenant_id == 0)
		return;
	initStringInfo(&text);
	if (identity->narrow != 0)
		appendStringInfo(&text, "narrow=" INT64_FORMAT, identity->narrow);
	if (identity->tenant_id != 0)
		appendStringInfo(&text, "%stenant=" INT64_FORMAT ":%.*s", text.len > 0 ? " " : "",
						 identity->tenant_id, identity->tenant.len, identity->tenant.ptr);
	if (identity->key_id != 0)
	{
		appendStringInfo(&text, " key=" INT64_FORMAT " scopes=", identity->key_id);
		for (int i = 0; i < identity->scopes.count; i++)
		{
			ApikeyStr	scope = identity->scopes.items[i];

			/* a row that was written by hand may hold anything */
			if (!apikey_scope_valid(scope))
				continue;
			appendStringInfo(&text, "%s%.*s", comma, scope.len, scope.ptr);
			comma = ",";
		}
	}
	apikey_bound_set(PARAMETER, text.data);
	pfree(text.data);
}

bool
apikey_identity_narrowed_from(const int64 *tenants, int ntenants)
{
	if (apikey_identity_narrow() == 0)
		return false;
	for (int i = 0; i < ntenants; i++)
		if (tenants[i] == apikey_identity->narrow)
			return false;
	return true;
}
