/*
 * plan_stats.h
 *		Keeps the statistics of our tables from those who do not see all rows.
 *
 * Layer 5.
 */
#ifndef APIKEY_PLAN_STATS_H
#define APIKEY_PLAN_STATS_H

/*
 * apikey_plan_stats_install chains the planner's hooks for statistics; only
 * from _PG_init while shared_preload_libraries are loaded.
 */
extern void apikey_plan_stats_install(void);

#endif							/* APIKEY_PLAN_STATS_H */
