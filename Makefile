# apikey: PostgreSQL extension, built with PGXS.
#
#   make, make install, make installcheck    against PG_CONFIG's server
#   make test [LEVELS="unit regress"]         everything, in a throw-away server
#   make demo [LOG=access.log]                the main job, shown and checked
#   make bench [OUT=file]                     cost of a verification
#   make lint, make format                    style rules; apply the formatter
#
# The last three lines install what is missing, copy this tree to a work
# directory and build it there; they neither need nor touch a server that is
# installed or running.

EXTENSION   = apikey
MODULE_big  = apikey

SRC        := $(dir $(firstword $(MAKEFILE_LIST)))
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" '$(SRC)apikey.control')

OBJS        = $(patsubst $(SRC)%.c,%.o,$(sort $(wildcard $(SRC)src/*.c)))

# The install script is these pieces, in this order.
SQL_PARTS = \
	00_header \
	10_types \
	20_tables \
	25_internal \
	30_rls \
	32_dump \
	33_rollup_tables \
	34_flush \
	35_partitions \
	36_retention \
	36_retention_leaves \
	36_retention_rows \
	38_common \
	40_tenants \
	41_tree \
	42_policies \
	43_key_checks \
	44_keys \
	45_policy_versions \
	46_lifecycle \
	47_preview \
	48_access \
	49_owners \
	50_verify \
	51_identity \
	52_limits \
	54_approvals \
	56_step_up \
	60_usage \
	61_sketches \
	62_endpoint_classes \
	63_rollups \
	64_rollup_calls \
	65_tasks \
	66_price_tree \
	66_prices \
	67_budgets \
	68_costs \
	70_views \
	71_key_label \
	72_usage_views \
	73_key_views \
	74_report \
	74_report_keys \
	75_report_charts \
	75_report_html \
	75_report_sections \
	76_mock \
	90_comments \
	91_function_comments \
	95_grants

DATA_built  = sql/apikey--$(EXTVERSION).sql
DATA        = $(patsubst $(SRC)%,%,$(wildcard $(SRC)sql/apikey--*--*.sql))
DOCS        = $(patsubst $(SRC)%,%,$(wildcard $(SRC)doc/apikey*.md))

# WERROR= for compilers that warn of more than the ones this was tried with.
WERROR      = -Werror
PG_CFLAGS   = -Wall -Wextra $(WERROR) -Wno-unused-parameter \
	-Wno-missing-field-initializers -Wno-sign-compare $(SAN)
PG_CPPFLAGS = -DAPIKEY_VERSION=\"$(EXTVERSION)\"
SHLIB_LINK  = -lsodium $(SAN)

# Code that handles secrets is not handed to the JIT compiler.
override with_llvm = no

# Expected files of both suites are in the top-level expected/.  The server
# must have shared_preload_libraries = 'apikey'.
REGRESS     = $(sort $(patsubst $(SRC)test/sql/%.sql,%,$(wildcard $(SRC)test/sql/t*.sql)))
ISOLATION   = $(sort $(patsubst $(SRC)test/specs/%.spec,%,$(wildcard $(SRC)test/specs/*.spec)))
TEST_OPTS   = --inputdir=$(SRC)test --encoding=UTF8 --no-locale \
	--load-extension=pgcrypto --load-extension=apikey
REGRESS_OPTS   = $(TEST_OPTS)
ISOLATION_OPTS = $(TEST_OPTS) --outputdir=.

EXTRA_CLEAN = results output_iso

# The newest server this was tried with, where it is installed.
PG_CONFIG  ?= $(firstword $(wildcard /usr/lib/postgresql/15/bin/pg_config) pg_config)

STAGED = test demo bench lint format
.PHONY: $(STAGED)

ifneq ($(filter-out $(STAGED),$(or $(MAKECMDGOALS),all)),)

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(wildcard $(PGXS)),)
$(error "$(PG_CONFIG) --pgxs" names no server headers: install postgresql-server-dev-15 and libsodium-dev, or give PG_CONFIG=/path/to/pg_config ("make demo" installs what it needs itself))
endif
include $(PGXS)

CONTRIB_TESTDB   = regress_apikey
ISOLATION_TESTDB = isolation_apikey

# PGXS tracks no header dependencies
$(OBJS): $(wildcard $(SRC)src/*.h)

# objects of a build outside the source tree need their directory
ifneq ($(SRC),./)
$(shell mkdir -p src sql)
endif

$(DATA_built): $(addprefix $(SRC)sql/,$(addsuffix .sql,$(SQL_PARTS))) $(SRC)Makefile
	cat $(filter %.sql,$^) > $@

endif

# LOG and OUT may hold any character; they travel in the environment and are
# relative to the directory of the caller, also under make -C.
ifeq ($(origin LOG),command line)
override export LOG := $(value LOG)
else
unexport LOG
endif
ifeq ($(origin OUT),command line)
override export OUT := $(value OUT)
else
unexport OUT
endif
test demo bench: export APIKEY_CALLER_DIR = $(or $(PWD),$(CURDIR))

# Only a PG_CONFIG somebody asked for is passed on.
ifneq ($(filter command environment,$(origin PG_CONFIG)),)
test demo bench: export PG_CONFIG := $(PG_CONFIG)
endif

LEVELS =
test:
	@test/run $(LEVELS)

demo:
	@test/demo/run

bench:
	@bench/run

lint:
	@test/lint/run

format:
	@test/lint/format
