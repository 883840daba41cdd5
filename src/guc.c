/*
 * guc.c
 *		Configuration parameters, in alphabetical order, documented here in the
 *		words of doc/apikey.md.
 *
 * Layer 1.  No parameter holds a secret: a master key is reached through a
 * file or a command, and those two names are shown to superusers only.
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "guc.h"
#include "identity.h"

/* How often the writer stores key_activity (last use, call counts). */
int			apikey_activity_flush_interval = 5000;

/* Memory of a session for compiled keys; 0 keeps none. */
int			apikey_cache_size = 16 * 1024;

/* How long before the expiry verify warns EXPIRES_SOON and an event is sent. */
int			apikey_expires_soon = 7 * 24 * 3600;

/* Unknown or malformed keys from one ip per minute before it is BLOCKED. */
int			apikey_guard_attempts = 100;

/* Addresses that the guard counts at the same time. */
int			apikey_guard_entries = 4096;

/* How often the housekeeper looks for due work. */
int			apikey_housekeeper_interval = 1000;

/* Buckets of rate limits and quotas in shared memory. */
int			apikey_limit_buckets = 64 * 1024;

/* How long verify waits for a reservation before it answers UNAVAILABLE. */
int			apikey_limit_wait = 1000;

/* Command whose standard output is the master key, 64 hexadecimal digits. */
char	   *apikey_master_key_command = NULL;

/* File holding the master key, 64 hexadecimal digits, mode 0600 or stricter. */
char	   *apikey_master_key_file = NULL;

/* Databases of this server that can record usage at the same time. */
int			apikey_max_databases = 8;

/* Whether old partitions of apikey.usage are kept, detached. */
bool		apikey_partition_archive = false;

/* Partitions of apikey.usage made ahead of the current one. */
int			apikey_partition_premake = 3;

/* Width of new partitions of apikey.usage. */
int			apikey_partition_width = APIKEY_WIDTH_DAY;

/* As the two above, for the master key that rewrap_keyring() replaces. */
char	   *apikey_previous_master_key_command = NULL;
char	   *apikey_previous_master_key_file = NULL;

/* Units of a quota reserved ahead at most: what a crash may lose. */
int			apikey_quota_block = 10000;

/* Age at which rows of apikey.usage_daily are deleted; 0 keeps them. */
int			apikey_rollup_daily_retention = 800 * 24 * 3600;

/* Age at which rows of apikey.usage_hourly are deleted; 0 keeps them. */
int			apikey_rollup_hourly_retention = 90 * 24 * 3600;

/* How often new rows of apikey.usage are counted into the rollups. */
int			apikey_rollup_interval = 60;

/* What becomes of quotas on a standby. */
int			apikey_standby_quota = APIKEY_STANDBY_QUOTA_DENY;

/* Who has to give a second factor before the most dangerous actions. */
int			apikey_step_up = APIKEY_STEP_UP_ENROLLED;

/* How much the refill of rate limits of low priority is slowed down. */
double		apikey_throttle = 0;

/* Whether the housekeeper slows it down when the usage ring fills. */
bool		apikey_throttle_auto = false;

/* Shared memory of the usage ring, for each of max_databases. */
int			apikey_usage_buffer_size = 4096;

/* Longest time an event waits in the ring before the writer stores it. */
int			apikey_usage_flush_interval = 200;

/* Age at which whole partitions of apikey.usage are dropped; 0 keeps them. */
int			apikey_usage_retention = 90 * 24 * 3600;

/* Whether verify returns only after its usage row is on disk. */
bool		apikey_usage_sync = false;

/* Attempts with unknown or malformed keys recorded per second at most. */
int			apikey_usage_unknown_rate = 1000;

/* How long verify waits for room in a full ring before it drops the event. */
int			apikey_usage_wait = 1000;

/* An instant that replaces the clock.  For tests of expiry and schedules. */
static char *apikey_test_now = NULL;
bool		apikey_test_now_set = false;
TimestampTz apikey_test_now_value = 0;

static const struct config_enum_entry standby_quota_options[] = {
	{"deny", APIKEY_STANDBY_QUOTA_DENY, false},
	{"unmetered", APIKEY_STANDBY_QUOTA_UNMETERED, false},
	{NULL, 0, false}
};

static const struct config_enum_entry step_up_options[] = {
	{"off", APIKEY_STEP_UP_OFF, false},
	{"enrolled", APIKEY_STEP_UP_ENROLLED, false},
	{"required", APIKEY_STEP_UP_REQUIRED, false},
	{NULL, 0, false}
};

static const struct config_enum_entry width_options[] = {
	{"hour", APIKEY_WIDTH_HOUR, false},
	{"day", APIKEY_WIDTH_DAY, false},
	{"week", APIKEY_WIDTH_WEEK, false},
	{"month", APIKEY_WIDTH_MONTH, false},
	{NULL, 0, false}
};

/*
 * The test clock is parsed by hand (seconds since 1970, fractions allowed):
 * a check hook may run where no transaction is open, and timestamptz input
 * needs none of that but raises errors.
 */
static bool
check_test_now(char **newval, void **extra, GucSource source)
{
	char	   *end;
	double		seconds;
	TimestampTz *value;

	if (*newval == NULL || **newval == '\0')
		return true;
	errno = 0;
	seconds = strtod(*newval, &end);
	if (errno != 0 || *end != '\0' || !(seconds >= -2e11 && seconds <= 9e12))
	{
		GUC_check_errdetail("The test clock is given in seconds since 1970-01-01 00:00 UTC.");
		return false;
	}
	value = (TimestampTz *) apikey_guc_malloc(sizeof(TimestampTz));
	if (value == NULL)
		return false;
	*value = (TimestampTz) rint((seconds -
								 (double) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) * USECS_PER_SEC);
	*extra = value;
	return true;
}

static void
assign_test_now(const char *newval, void *extra)
{
	apikey_test_now_set = (extra != NULL);
	if (extra != NULL)
		apikey_test_now_value = *(TimestampTz *) extra;
}

/*
 * Shorter than the hour of a rollup, rows would go before their hour is over.
 */
static bool
check_usage_retention(int *newval, void **extra, GucSource source)
{
	if (*newval == 0 || *newval >= 3600)
		return true;
	GUC_check_errdetail("It is 0, which keeps all, or at least an hour, the time a row of apikey.usage_hourly stands for.");
	return false;
}

/* The same for rollups; a row of one of them stands for a day. */
static bool
check_daily_retention(int *newval, void **extra, GucSource source)
{
	if (*newval == 0 || *newval >= 24 * 3600)
		return true;
	GUC_check_errdetail("It is 0, which keeps all, or at least a day, the time a row of apikey.usage_daily stands for.");
	return false;
}

static void
define_int(const char *name, const char *description, int *variable, int value,
		   int minimum, int maximum, GucContext context, int flags)
{
	DefineCustomIntVariable(name, description, NULL, variable, value, minimum,
							maximum, context, flags, NULL, NULL, NULL);
}

static void
define_secret_path(const char *name, const char *description, char **variable)
{
	DefineCustomStringVariable(name, description, NULL, variable, "", PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

/* The sizes of shared memory exist only where there is some. */
static void
define_sizes(void)
{
	define_int("apikey.guard_entries",
			   "Addresses whose failed attempts are counted at the same time.",
			   &apikey_guard_entries, 4096, 64, 1024 * 1024, PGC_POSTMASTER, 0);
	define_int("apikey.limit_buckets",
			   "Buckets of rate limits and quotas in shared memory.",
			   &apikey_limit_buckets, 64 * 1024, 64, 64 * 1024 * 1024, PGC_POSTMASTER, 0);
	define_int("apikey.max_databases",
			   "Databases that can record usage at the same time.",
			   &apikey_max_databases, 8, 1, 1024, PGC_POSTMASTER, 0);
	define_int("apikey.usage_buffer_size",
			   "Shared memory for usage events, per database.",
			   &apikey_usage_buffer_size, 4096, 64, 1024 * 1024,
			   PGC_POSTMASTER, GUC_UNIT_KB);
}

void
apikey_guc_define(void)
{
	if (process_shared_preload_libraries_in_progress)
		define_sizes();
	define_int("apikey.activity_flush_interval",
			   "How often the last use and the call counts of keys are stored.",
			   &apikey_activity_flush_interval, 5000, 10, 3600 * 1000,
			   PGC_SIGHUP, GUC_UNIT_MS);
	define_int("apikey.cache_size",
			   "Memory of a session for compiled keys, 0 keeps none.",
			   &apikey_cache_size, 16 * 1024, 0, 1024 * 1024,
			   PGC_SUSET, GUC_UNIT_KB);
	apikey_identity_define();
	define_int("apikey.expires_soon",
			   "How long before its expiry a key is said to expire soon.",
			   &apikey_expires_soon, 7 * 24 * 3600, 0, INT_MAX,
			   PGC_SIGHUP, GUC_UNIT_S);
	define_int("apikey.guard_attempts",
			   "Unknown or malformed keys from one ip per minute before it is blocked, 0 blocks none.",
			   &apikey_guard_attempts, 100, 0, INT_MAX, PGC_SIGHUP, 0);
	define_int("apikey.housekeeper_interval",
			   "How often the housekeeper looks for due work.",
			   &apikey_housekeeper_interval, 1000, 10, 3600 * 1000,
			   PGC_SIGHUP, GUC_UNIT_MS);
	define_int("apikey.limit_wait",
			   "How long a verification waits for units of a quota to be reserved.",
			   &apikey_limit_wait, 1000, 0, 60 * 1000, PGC_SUSET, GUC_UNIT_MS);
	define_secret_path("apikey.master_key_command",
					   "Command that prints the master key in hexadecimal.",
					   &apikey_master_key_command);
	define_secret_path("apikey.master_key_file",
					   "File that holds the master key in hexadecimal.",
					   &apikey_master_key_file);
	DefineCustomBoolVariable("apikey.partition_archive",
							 "Whether old usage partitions are kept, detached.",
							 NULL, &apikey_partition_archive, false, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	define_int("apikey.partition_premake",
			   "Usage partitions made ahead of the current one.",
			   &apikey_partition_premake, 3, 1, 100, PGC_SUSET, 0);
	DefineCustomEnumVariable("apikey.partition_width",
							 "Width of new usage partitions.", NULL,
							 &apikey_partition_width, APIKEY_WIDTH_DAY,
							 width_options, PGC_SUSET, 0, NULL, NULL, NULL);
	define_secret_path("apikey.previous_master_key_command",
					   "Command that prints the master key to be replaced.",
					   &apikey_previous_master_key_command);
	define_secret_path("apikey.previous_master_key_file",
					   "File that holds the master key to be replaced.",
					   &apikey_previous_master_key_file);
	define_int("apikey.quota_block",
			   "Units of a quota reserved ahead at most.",
			   &apikey_quota_block, 10000, 1, 1000 * 1000 * 1000, PGC_SIGHUP, 0);
	DefineCustomIntVariable("apikey.rollup_daily_retention",
							"Age at which rollups of days are deleted, 0 keeps them.",
							NULL, &apikey_rollup_daily_retention, 800 * 24 * 3600, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, check_daily_retention, NULL, NULL);
	DefineCustomIntVariable("apikey.rollup_hourly_retention",
							"Age at which rollups of hours are deleted, 0 keeps them.",
							NULL, &apikey_rollup_hourly_retention, 90 * 24 * 3600, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, check_usage_retention, NULL, NULL);
	define_int("apikey.rollup_interval",
			   "How often new rows of usage are counted into the rollups.",
			   &apikey_rollup_interval, 60, 1, 24 * 3600, PGC_SUSET, GUC_UNIT_S);
	DefineCustomEnumVariable("apikey.standby_quota",
							 "What becomes of quotas on a standby.", NULL,
							 &apikey_standby_quota, APIKEY_STANDBY_QUOTA_DENY,
							 standby_quota_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("apikey.step_up",
							 "Who has to give a second factor before the most dangerous actions.",
							 NULL, &apikey_step_up, APIKEY_STEP_UP_ENROLLED,
							 step_up_options, PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("apikey.test_now",
							   "Replaces the clock, in seconds since 1970, for tests.",
							   NULL, &apikey_test_now, "", PGC_SUSET,
							   GUC_NO_SHOW_ALL | GUC_NOT_IN_SAMPLE,
							   check_test_now, assign_test_now, NULL);
	DefineCustomRealVariable("apikey.throttle",
							 "How much the refill of rate limits of low priority is slowed down.",
							 NULL, &apikey_throttle, 0, 0, 1, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("apikey.throttle_auto",
							 "Whether it is also slowed down when the usage buffer fills.",
							 NULL, &apikey_throttle_auto, false, PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	define_int("apikey.usage_flush_interval",
			   "Longest time a usage event waits before it is stored.",
			   &apikey_usage_flush_interval, 200, 1, 60 * 1000,
			   PGC_SIGHUP, GUC_UNIT_MS);
	DefineCustomIntVariable("apikey.usage_retention",
							"Age at which usage partitions are dropped, 0 keeps them.",
							NULL, &apikey_usage_retention, 90 * 24 * 3600, 0, INT_MAX,
							PGC_SUSET, GUC_UNIT_S, check_usage_retention, NULL, NULL);
	DefineCustomBoolVariable("apikey.usage_sync",
							 "Whether a verification returns only after its usage row is on disk.",
							 NULL, &apikey_usage_sync, false, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	define_int("apikey.usage_unknown_rate",
			   "Attempts with unknown or malformed keys recorded per second at most.",
			   &apikey_usage_unknown_rate, 1000, 0, INT_MAX, PGC_SIGHUP, 0);
	define_int("apikey.usage_wait",
			   "How long a verification waits for room for its usage event.",
			   &apikey_usage_wait, 1000, 0, 60 * 1000, PGC_SUSET, GUC_UNIT_MS);

	MarkGUCPrefixReserved("apikey");
}
