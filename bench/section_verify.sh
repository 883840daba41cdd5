# section_verify.sh: what a verification costs next to SELECT 1, and next to
# the same job done by hand in PL/pgSQL and in Redis.

. bench/redis.sh

# the same client script for all: what it does besides the statement costs too
script select1 key "SELECT 1;"
script verify key "SELECT * FROM apikey.verify(KEY, $request);"
script scalar key "SELECT apikey.verify(KEY, $request);"
script is_allowed key "SELECT apikey.is_allowed(KEY, $request);"
script plpgsql plain_key "SELECT * FROM bench.verify(KEY, $request);"

measure_select1() { pgbench_tps select1; }
measure_verify() { pgbench_tps verify; }
measure_scalar() { pgbench_tps scalar; }
measure_is_allowed() { pgbench_tps is_allowed; }
measure_plpgsql() { pgbench_tps plpgsql; }
measure_plpgsql_async() { PGOPTIONS='-c synchronous_commit=off' pgbench_tps plpgsql; }
measure_redis() { redis_rps redis; }
measure_redis_aof() { redis_rps redis_aof; }

redis_start redis --appendonly no
redis_start redis_aof --appendonly yes --appendfsync everysec
rounds select1 verify scalar is_allowed plpgsql plpgsql_async redis redis_aof
redis_check redis
redis_check redis_aof
redis_stop redis
redis_stop redis_aof

row "\`SELECT * FROM apikey.verify(...)\`" verify "\`SELECT 1\`" select1 ">= 0.50"
row "\`SELECT apikey.verify(...)\`" scalar "\`SELECT 1\`" select1 ">= 0.50"
row "\`SELECT apikey.is_allowed(...)\`" is_allowed "\`SELECT 1\`" select1 ">= 0.70"
row "PL/pgSQL by hand" plpgsql "\`SELECT 1\`" select1 ""
row "PL/pgSQL by hand, synchronous_commit off" plpgsql_async "\`SELECT 1\`" select1 ""
row "Redis + Lua, nothing on disk" redis "\`SELECT 1\`" select1 ""
row "Redis + Lua, appendfsync everysec" redis_aof "\`SELECT 1\`" select1 ""
row "\`SELECT * FROM apikey.verify(...)\`" verify "Redis + Lua, nothing on disk" redis ">= 1.5"
row "\`SELECT apikey.is_allowed(...)\`" is_allowed "Redis + Lua, nothing on disk" redis ">= 2"
check_answers postgres
