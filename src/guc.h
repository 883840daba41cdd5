/*
 * guc.h
 *		Configuration parameters (apikey.x_y is the variable apikey_x_y).
 *
 * Layer 1.  Meaning, unit and who may set each: guc.c, at the definition.
 */
#ifndef APIKEY_GUC_H
#define APIKEY_GUC_H

#include "postgres.h"
#include "datatype/timestamp.h"

typedef enum ApikeyPartitionWidth
{
	APIKEY_WIDTH_HOUR,
	APIKEY_WIDTH_DAY,
	APIKEY_WIDTH_WEEK,
	APIKEY_WIDTH_MONTH
} ApikeyPartitionWidth;

typedef enum ApikeyStandbyQuota
{
	APIKEY_STANDBY_QUOTA_DENY,
	APIKEY_STANDBY_QUOTA_UNMETERED
} ApikeyStandbyQuota;

typedef enum ApikeyStepUpMode
{
	APIKEY_STEP_UP_OFF,
	APIKEY_STEP_UP_ENROLLED,	/* who has enrolled */
	APIKEY_STEP_UP_REQUIRED		/* everybody */
} ApikeyStepUpMode;

extern int	apikey_activity_flush_interval; /* ms */
extern int	apikey_cache_size;	/* kB per session, 0 = no cache */
extern int	apikey_expires_soon;	/* s */
extern int	apikey_guard_attempts;	/* per ip and minute, 0 = no guard */
extern int	apikey_guard_entries;
extern int	apikey_housekeeper_interval;	/* ms */
extern int	apikey_limit_buckets;
extern int	apikey_limit_wait;	/* ms */
extern char *apikey_master_key_command;
extern char *apikey_master_key_file;
extern int	apikey_max_databases;
extern bool apikey_partition_archive;
extern int	apikey_partition_premake;
extern int	apikey_partition_width; /* ApikeyPartitionWidth */
extern char *apikey_previous_master_key_command;
extern char *apikey_previous_master_key_file;
extern int	apikey_quota_block; /* units */
extern int	apikey_rollup_daily_retention;	/* s, 0 = for ever */
extern int	apikey_rollup_hourly_retention; /* s, 0 = for ever */
extern int	apikey_rollup_interval; /* s */
extern int	apikey_standby_quota;	/* ApikeyStandbyQuota */
extern int	apikey_step_up;		/* ApikeyStepUpMode */
extern double apikey_throttle;	/* 0 .. 1 */
extern bool apikey_throttle_auto;
extern int	apikey_usage_buffer_size;	/* kB */
extern int	apikey_usage_flush_interval;	/* ms */
extern int	apikey_usage_retention; /* s, 0 = for ever */
extern bool apikey_usage_sync;
extern int	apikey_usage_unknown_rate;	/* events per second */
extern int	apikey_usage_wait;	/* ms */

/* the test clock, false and undefined when apikey.test_now is empty */
extern bool apikey_test_now_set;
extern TimestampTz apikey_test_now_value;

/* apikey_guc_define defines all parameters; called once from _PG_init. */
extern void apikey_guc_define(void);

#endif							/* APIKEY_GUC_H */
