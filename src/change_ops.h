/*
 * change_ops.h
 *		apikey.change_ops, a BRIN operator class.
 *
 * Layer 3.
 */
#ifndef APIKEY_CHANGE_OPS_H
#define APIKEY_CHANGE_OPS_H

#include "postgres.h"
#include "fmgr.h"

/* What an index column of the class is told by: its first support function. */
extern PGDLLEXPORT Datum apikey_change_opcinfo(PG_FUNCTION_ARGS);

#endif							/* APIKEY_CHANGE_OPS_H */
