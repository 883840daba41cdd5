/*
 * endpoint.h
 *		Endpoint rules and request paths.
 *
 * Layer 0: C library only.
 *
 * A rule is "[METHODS ]glob": METHODS is '*' or a comma-separated list of
 * [A-Z]+ ("GET,HEAD", each at most 32 bytes), absent means any; glob starts
 * with '/'.  In it '*' stands for any run inside one segment, the empty one
 * too ("/v1/o*"); alone in a segment it is exactly one segment, also the empty
 * one after a trailing slash.  "**" as the whole last segment stands for any
 * tail, the empty one included: behind "/v1/" it matches "/v1/" and "/v1/a/b",
 * "/v1" not.  No '?', '#', control bytes or white space inside the glob; at
 * most 2048 bytes.  What no request could ever match (see below: "//", a
 * ".." segment, "%2f", a broken escape) is no rule either: a deny rule that
 * never bites is worse than an error.  A literal star is written "%2A".
 *
 * A request path is cut at '?' and '#'.  It is unclean, and denied wherever
 * rules exist, when it does not start with '/', is longer than 2048 bytes,
 * holds "//", '\', a control byte, a "." or ".." segment, an encoded slash or
 * backslash (%2f, %5c), an encoded control byte or a broken percent escape.
 * A segment that is "." or ".." up to a ';' counts as such ("/..;x/").  Other
 * escapes are decoded once before comparing, in path and rule alike, so
 * "/v1/%61dmin" does not slip past a rule about "/v1/admin"; a path whose
 * decoded form holds '%' followed by two hex digits again (double encoding)
 * is unclean.
 */
#ifndef APIKEY_ENDPOINT_H
#define APIKEY_ENDPOINT_H

#include "str.h"

#define APIKEY_PATH_MAX			2048
#define APIKEY_METHOD_MAX		32

/* A path made ready for comparison. */
typedef struct ApikeyPath
{
	bool		clean;
	int			len;
	char		text[APIKEY_PATH_MAX + 1];	/* decoded, without query; empty
											 * if unclean */
} ApikeyPath;

/* whether the text is a well-formed rule */
extern bool apikey_endpoint_rule_valid(ApikeyStr rule);

/* whether a request's method is one: 1 to 32 bytes of an HTTP token */
extern bool apikey_method_valid(ApikeyStr method);

/* length of the path before '?' or '#' */
extern int	apikey_path_length(ApikeyStr path);

/* Decode and judge a request path (see above). */
extern void apikey_path_prepare(ApikeyStr path, ApikeyPath *out);

/*
 * Whether a well-formed rule matches a prepared clean path and a method.  A
 * NULL method matches only rules for any method.  Methods compare without
 * regard to case.  Takes time linear in rule times path at worst.
 */
extern bool apikey_endpoint_matches(ApikeyStr rule, ApikeyStr method,
									const ApikeyPath *path);

/* The glob of a rule: a rule by itself, for any method. */
extern ApikeyStr apikey_endpoint_glob(ApikeyStr rule);

/* The methods of a rule: a list, "*", or empty; the last two mean any. */
extern ApikeyStr apikey_endpoint_methods(ApikeyStr rule);

/* whether such a list names a method; NULL is named by any only */
extern bool apikey_method_listed(ApikeyStr methods, ApikeyStr method);

/* whether a glob, or one segment of it, matches decoded text */
extern bool apikey_glob_matches(ApikeyStr glob, ApikeyStr text);

/* Take the first segment off a path or glob, which begins with '/'. */
static inline bool
apikey_take_segment(ApikeyStr *rest, ApikeyStr *segment)
{
	int			len = 0;

	if (rest->len <= 0)
		return false;
	rest->ptr++;
	rest->len--;
	while (len < rest->len && rest->ptr[len] != '/')
		len++;
	*segment = (ApikeyStr) {rest->ptr, len};
	rest->ptr += len;
	rest->len -= len;
	return true;
}

#endif							/* APIKEY_ENDPOINT_H */
