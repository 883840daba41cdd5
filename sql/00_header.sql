\echo Use "CREATE EXTENSION apikey" to load this file. \quit

-- The pieces of this script are concatenated by make in the order the
-- Makefile gives.  No piece inserts a row or creates a partition: both would
-- be lost or collide when a dump is restored.
SET LOCAL search_path TO pg_catalog, pg_temp;
