/*
 * nogettext.c
 *		Keeps gettext out of a server that runs under the address sanitizer.
 *
 * The sanitizer's start-up leaves glibc's lock of the gettext domains with a
 * reader too many.  The first call that wants it for writing, and PostgreSQL
 * makes one at start, would wait for ever.  Preloaded after the sanitizer,
 * these three take the calls; messages stay English.
 */

extern char *bindtextdomain(const char *domain, const char *dir);
extern char *bind_textdomain_codeset(const char *domain, const char *codeset);
extern char *textdomain(const char *domain);

char *
bindtextdomain(const char *domain, const char *dir)
{
	(void) domain;
	return (char *) dir;
}

char *
bind_textdomain_codeset(const char *domain, const char *codeset)
{
	(void) domain;
	return (char *) codeset;
}

char *
textdomain(const char *domain)
{
	return (char *) domain;
}
