-- ---------------------------------------------------------------------------
-- Tables.  C code addresses columns by number: the order here is the order of
-- the Anum_* constants in src/catalog.h, and a test compares the two.
-- ---------------------------------------------------------------------------

-- Rule texts are checked by immutable C functions that read no table, so a
-- restore can evaluate them before any row has arrived.
CREATE FUNCTION apikey.valid_scopes(scopes pg_catalog.text[]) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_valid_scopes';
COMMENT ON FUNCTION apikey.valid_scopes(pg_catalog.text[]) IS
	'whether each element is a well-formed scope: segment:segment, the last segment may be *';
CREATE FUNCTION apikey.valid_endpoints(rules pg_catalog.text[]) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_valid_endpoints';
COMMENT ON FUNCTION apikey.valid_endpoints(pg_catalog.text[]) IS
	'whether each element is a well-formed endpoint rule: [METHODS ]glob';
CREATE FUNCTION apikey.valid_hours(rules pg_catalog.text[]) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_valid_hours';
COMMENT ON FUNCTION apikey.valid_hours(pg_catalog.text[]) IS
	'whether each element is a well-formed access window: [days ]HH:MM-HH:MM[ timezone]';
CREATE FUNCTION apikey.valid_limits(rate_limits apikey.rate_limit[], quotas apikey.quota[]) RETURNS pg_catalog.bool
	LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'apikey_valid_limits';
COMMENT ON FUNCTION apikey.valid_limits(apikey.rate_limit[], apikey.quota[]) IS
	'whether the rate limits and quotas of one policy or key are well-formed, at most 8 together, with different names';

CREATE TABLE apikey.tenant (
	tenant_id	pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	parent_id	pg_catalog.int8 REFERENCES apikey.tenant,
	name		pg_catalog.text NOT NULL
		CONSTRAINT tenant_name_slug CHECK (name OPERATOR(pg_catalog.~) '^[a-z0-9][a-z0-9_.-]{0,62}$'),
	status		pg_catalog.text NOT NULL DEFAULT 'active'
		CONSTRAINT tenant_status CHECK (status OPERATOR(pg_catalog.=) ANY ('{active,suspended}'::pg_catalog.text[])),
	prefix		pg_catalog.text NOT NULL DEFAULT 'ak'
		CONSTRAINT tenant_prefix CHECK (prefix OPERATOR(pg_catalog.~) '^[a-z][a-z0-9]*(_[a-z0-9]+)*$'
			AND pg_catalog.length(prefix) OPERATOR(pg_catalog.<=) 24),
	max_keys	pg_catalog.int8
		CONSTRAINT tenant_max_keys CHECK (max_keys OPERATOR(pg_catalog.>=) 0),
	settings	pg_catalog.jsonb NOT NULL DEFAULT '{}',
	generation	pg_catalog.int8 NOT NULL DEFAULT 0,
	suspend_reason pg_catalog.text,
	created_at	pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	rate_limits	apikey.rate_limit[] NOT NULL DEFAULT '{}',
	quotas		apikey.quota[] NOT NULL DEFAULT '{}',
	max_keys_per_owner pg_catalog.int4
		CONSTRAINT tenant_max_keys_per_owner CHECK (max_keys_per_owner OPERATOR(pg_catalog.>=) 0),
	CONSTRAINT tenant_limits CHECK (apikey.valid_limits(rate_limits, quotas)),
	CONSTRAINT tenant_not_own_parent CHECK (parent_id OPERATOR(pg_catalog.<>) tenant_id)
);
-- unique under the parent; NULL parents (roots) compare equal here
CREATE UNIQUE INDEX tenant_parent_name ON apikey.tenant
	((COALESCE(parent_id, 0::pg_catalog.int8)), name);

CREATE TABLE apikey.policy (
	policy_id	pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id	pg_catalog.int8 NOT NULL REFERENCES apikey.tenant,
	name		pg_catalog.text NOT NULL
		CONSTRAINT policy_name CHECK (pg_catalog.length(name) OPERATOR(pg_catalog.>=) 1
			AND pg_catalog.length(name) OPERATOR(pg_catalog.<=) 200),
	description	pg_catalog.text,
	latest_version pg_catalog.int4 NOT NULL DEFAULT 1,
	created_at	pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT policy_tenant_name UNIQUE (tenant_id, name)
);

CREATE TABLE apikey.policy_version (
	policy_id			pg_catalog.int8 NOT NULL REFERENCES apikey.policy ON DELETE CASCADE,
	version				pg_catalog.int4 NOT NULL,
	tenant_id			pg_catalog.int8 NOT NULL,
	effective_at		pg_catalog.timestamptz NOT NULL,
	author				pg_catalog.text NOT NULL,
	note				pg_catalog.text,
	created_at			pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	allowed_cidrs		pg_catalog.cidr[] NOT NULL DEFAULT '{}',
	denied_cidrs		pg_catalog.cidr[] NOT NULL DEFAULT '{}',
	allowed_endpoints	pg_catalog.text[] NOT NULL DEFAULT '{}'
		CONSTRAINT policy_allowed_endpoints CHECK (apikey.valid_endpoints(allowed_endpoints)),
	denied_endpoints	pg_catalog.text[] NOT NULL DEFAULT '{}'
		CONSTRAINT policy_denied_endpoints CHECK (apikey.valid_endpoints(denied_endpoints)),
	access_hours		pg_catalog.text[] NOT NULL DEFAULT '{}'
		CONSTRAINT policy_access_hours CHECK (apikey.valid_hours(access_hours)),
	required_scopes		pg_catalog.text[] NOT NULL DEFAULT '{}'
		CONSTRAINT policy_required_scopes CHECK (apikey.valid_scopes(required_scopes)),
	max_scopes			pg_catalog.text[]
		CONSTRAINT policy_max_scopes CHECK (apikey.valid_scopes(max_scopes)),
	default_ttl			pg_catalog.interval,
	max_ttl				pg_catalog.interval,
	idle_timeout		pg_catalog.interval,
	grace				pg_catalog.interval NOT NULL DEFAULT '0',
	rotate_every		pg_catalog.interval,
	overlap				pg_catalog.interval NOT NULL DEFAULT '1 day',
	rate_limits			apikey.rate_limit[] NOT NULL DEFAULT '{}',
	quotas				apikey.quota[] NOT NULL DEFAULT '{}',
	max_keys_per_owner	pg_catalog.int4,
	priority			pg_catalog.int4 NOT NULL DEFAULT 0,
	on_leak				pg_catalog.text NOT NULL DEFAULT 'notify'
		CONSTRAINT policy_on_leak CHECK (on_leak OPERATOR(pg_catalog.=) ANY ('{notify,suspend,revoke}'::pg_catalog.text[])),
	on_anomaly			pg_catalog.text NOT NULL DEFAULT 'notify'
		CONSTRAINT policy_on_anomaly CHECK (on_anomaly OPERATOR(pg_catalog.=) ANY ('{notify,suspend,revoke}'::pg_catalog.text[])),
	recoverable			pg_catalog.bool NOT NULL DEFAULT false,
	requires_approval	pg_catalog.bool NOT NULL DEFAULT false,
	PRIMARY KEY (policy_id, version),
	CONSTRAINT policy_version_positive CHECK (version OPERATOR(pg_catalog.>) 0),
	CONSTRAINT policy_default_ttl CHECK (default_ttl OPERATOR(pg_catalog.>) '0'::pg_catalog.interval),
	CONSTRAINT policy_max_ttl CHECK (max_ttl OPERATOR(pg_catalog.>) '0'::pg_catalog.interval),
	CONSTRAINT policy_ttl_order CHECK (default_ttl OPERATOR(pg_catalog.<=) max_ttl),
	CONSTRAINT policy_idle_timeout CHECK (idle_timeout OPERATOR(pg_catalog.>) '0'::pg_catalog.interval),
	CONSTRAINT policy_rotate_every CHECK (rotate_every OPERATOR(pg_catalog.>) '0'::pg_catalog.interval),
	CONSTRAINT policy_grace CHECK (grace OPERATOR(pg_catalog.>=) '0'::pg_catalog.interval
		AND grace OPERATOR(pg_catalog.<=) '100 years'::pg_catalog.interval),
	CONSTRAINT policy_overlap CHECK (overlap OPERATOR(pg_catalog.>=) '0'::pg_catalog.interval),
	CONSTRAINT policy_max_keys_per_owner CHECK (max_keys_per_owner OPERATOR(pg_catalog.>=) 0),
	CONSTRAINT policy_limits CHECK (apikey.valid_limits(rate_limits, quotas)),
	CONSTRAINT policy_priority CHECK (priority OPERATOR(pg_catalog.>=) 0 AND priority OPERATOR(pg_catalog.<=) 100)
);
CREATE INDEX policy_version_effective ON apikey.policy_version (policy_id, effective_at, version);

CREATE TABLE apikey.environment (
	environment_id		pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id			pg_catalog.int8 NOT NULL REFERENCES apikey.tenant,
	name				pg_catalog.text NOT NULL
		CONSTRAINT environment_name CHECK (pg_catalog.length(name) OPERATOR(pg_catalog.>=) 1
			AND pg_catalog.length(name) OPERATOR(pg_catalog.<=) 200),
	tag					pg_catalog.text NOT NULL
		CONSTRAINT environment_tag CHECK (tag OPERATOR(pg_catalog.~) '^[a-z0-9]{1,12}$'),
	is_production		pg_catalog.bool NOT NULL DEFAULT false,
	default_policy_id	pg_catalog.int8 REFERENCES apikey.policy,
	requires_approval	pg_catalog.bool NOT NULL DEFAULT false,
	created_at			pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT environment_tenant_name UNIQUE (tenant_id, name),
	CONSTRAINT environment_tenant_id UNIQUE (tenant_id, environment_id)
);

CREATE TABLE apikey.role (
	role_id		pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id	pg_catalog.int8 NOT NULL REFERENCES apikey.tenant,
	name		pg_catalog.text NOT NULL
		CONSTRAINT role_name CHECK (pg_catalog.length(name) OPERATOR(pg_catalog.>=) 1
			AND pg_catalog.length(name) OPERATOR(pg_catalog.<=) 200),
	scopes		pg_catalog.text[] NOT NULL DEFAULT '{}'
		CONSTRAINT role_scopes CHECK (apikey.valid_scopes(scopes)),
	description	pg_catalog.text,
	created_at	pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT role_tenant_name UNIQUE (tenant_id, name),
	CONSTRAINT role_tenant_id UNIQUE (tenant_id, role_id)
);

CREATE TABLE apikey.api_key (
	key_id			pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id		pg_catalog.int8 NOT NULL REFERENCES apikey.tenant,
	environment_id	pg_catalog.int8 NOT NULL,
	policy_id		pg_catalog.int8 REFERENCES apikey.policy,
	parent_key_id	pg_catalog.int8 REFERENCES apikey.api_key,
	status			pg_catalog.text NOT NULL DEFAULT 'active'
		CONSTRAINT api_key_status CHECK (status OPERATOR(pg_catalog.=) ANY ('{pending,active,suspended,revoked}'::pg_catalog.text[])),
	owner			pg_catalog.text,
	name			pg_catalog.text,
	description		pg_catalog.text,
	scopes			pg_catalog.text[] NOT NULL DEFAULT '{}'
		CONSTRAINT api_key_scopes CHECK (apikey.valid_scopes(scopes)),
	tags			pg_catalog.text[] NOT NULL DEFAULT '{}',
	metadata		pg_catalog.jsonb,
	cidrs			pg_catalog.cidr[] NOT NULL DEFAULT '{}',
	endpoints		pg_catalog.text[] NOT NULL DEFAULT '{}'
		CONSTRAINT api_key_endpoints CHECK (apikey.valid_endpoints(endpoints)),
	rate_limits		apikey.rate_limit[] NOT NULL DEFAULT '{}',
	quotas			apikey.quota[] NOT NULL DEFAULT '{}',
	not_before		pg_catalog.timestamptz,
	expires_at		pg_catalog.timestamptz,
	revoke_at		pg_catalog.timestamptz,
	revoked_at		pg_catalog.timestamptz,
	revoke_reason	pg_catalog.text,
	suspend_reason	pg_catalog.text,
	rotate_every	pg_catalog.interval,
	next_rotation_at pg_catalog.timestamptz,
	recipient_id	pg_catalog.int8,
	idempotency_key	pg_catalog.text,
	created_at		pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by		pg_catalog.text NOT NULL,
	CONSTRAINT api_key_environment FOREIGN KEY (tenant_id, environment_id)
		REFERENCES apikey.environment (tenant_id, environment_id),
	CONSTRAINT api_key_limits CHECK (apikey.valid_limits(rate_limits, quotas)),
	CONSTRAINT api_key_not_own_parent CHECK (parent_key_id OPERATOR(pg_catalog.<>) key_id),
	CONSTRAINT api_key_revoked CHECK ((status OPERATOR(pg_catalog.=) 'revoked') OPERATOR(pg_catalog.=) (revoked_at IS NOT NULL))
);
-- Every index takes a new entry whenever a key changes its status.  That is most
-- of what revoking a million keys costs, so there are no more than needed.
CREATE UNIQUE INDEX api_key_idempotency ON apikey.api_key (tenant_id, idempotency_key)
	WHERE idempotency_key IS NOT NULL;
CREATE INDEX api_key_tenant_key ON apikey.api_key (tenant_id, key_id);
CREATE INDEX api_key_tenant_owner ON apikey.api_key (tenant_id, owner);
CREATE INDEX api_key_parent ON apikey.api_key (parent_key_id) WHERE parent_key_id IS NOT NULL;
CREATE INDEX api_key_policy ON apikey.api_key (policy_id);
CREATE INDEX api_key_environment_key ON apikey.api_key (environment_id, key_id);
CREATE INDEX api_key_expires_at ON apikey.api_key (expires_at)
	WHERE expires_at IS NOT NULL AND status OPERATOR(pg_catalog.<>) 'revoked';
CREATE INDEX api_key_revoke_at ON apikey.api_key (revoke_at)
	WHERE revoke_at IS NOT NULL AND status OPERATOR(pg_catalog.<>) 'revoked';

CREATE TABLE apikey.key_role (
	key_id		pg_catalog.int8 NOT NULL,
	role_id		pg_catalog.int8 NOT NULL,
	tenant_id	pg_catalog.int8 NOT NULL,
	PRIMARY KEY (key_id, role_id),
	CONSTRAINT key_role_key FOREIGN KEY (key_id) REFERENCES apikey.api_key ON DELETE CASCADE,
	CONSTRAINT key_role_role FOREIGN KEY (tenant_id, role_id)
		REFERENCES apikey.role (tenant_id, role_id)
);
CREATE INDEX key_role_role_id ON apikey.key_role (role_id);

-- A key that waits, or waited, for a second pair of eyes; the key itself is
-- the row of api_key with status pending.
CREATE TABLE apikey.key_request (
	key_id			pg_catalog.int8 PRIMARY KEY REFERENCES apikey.api_key ON DELETE CASCADE,
	tenant_id		pg_catalog.int8 NOT NULL,
	requested_by	pg_catalog.text NOT NULL,
	requested_by_oid pg_catalog.oid NOT NULL,
	session			pg_catalog.text NOT NULL,
	session_oid		pg_catalog.oid NOT NULL,
	requested_at	pg_catalog.timestamptz NOT NULL,
	reason			pg_catalog.text,
	bytes			pg_catalog.int4,
	seal_to			pg_catalog.bytea,
	ttl				pg_catalog.interval,
	expires_at		pg_catalog.timestamptz,
	decision		pg_catalog.text
		CONSTRAINT key_request_decision CHECK (decision OPERATOR(pg_catalog.=) ANY ('{approved,rejected}'::pg_catalog.text[])),
	decided_by		pg_catalog.text,
	decided_at		pg_catalog.timestamptz,
	decision_reason	pg_catalog.text,
	CONSTRAINT key_request_decided CHECK ((decision IS NULL) OPERATOR(pg_catalog.=) (decided_at IS NULL)
		AND (decision IS NULL) OPERATOR(pg_catalog.=) (decided_by IS NULL))
);
CREATE INDEX key_request_tenant ON apikey.key_request (tenant_id, key_id);

CREATE TABLE apikey.keyring (
	keyring_id	pg_catalog.int4 PRIMARY KEY,
	algorithm	pg_catalog.text NOT NULL DEFAULT 'blake2b-256',
	wrapped		pg_catalog.bool NOT NULL,
	material	pg_catalog.bytea NOT NULL,
	master_id	pg_catalog.bytea,
	active		pg_catalog.bool NOT NULL DEFAULT true,
	created_at	pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT keyring_material CHECK (pg_catalog.octet_length(material) OPERATOR(pg_catalog.=)
		CASE WHEN wrapped THEN 72 ELSE 32 END),
	CONSTRAINT keyring_master CHECK (wrapped OPERATOR(pg_catalog.=) (master_id IS NOT NULL))
);

-- The second factor of a database role.  material is encrypted under the data
-- key; last_step is the newest time step a code was accepted for.
CREATE TABLE apikey.member_totp (
	role_oid		pg_catalog.oid NOT NULL,
	system_identifier pg_catalog.int8 NOT NULL,
	role_name		pg_catalog.text NOT NULL,
	keyring_id		pg_catalog.int4 NOT NULL REFERENCES apikey.keyring,
	material		pg_catalog.bytea NOT NULL,
	last_step		pg_catalog.int8 NOT NULL DEFAULT 0,
	enrolled_at		pg_catalog.timestamptz NOT NULL,
	confirmed_at	pg_catalog.timestamptz,
	PRIMARY KEY (role_oid, system_identifier)
);

CREATE TABLE apikey.key_secret (
	secret_id	pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	key_id		pg_catalog.int8 NOT NULL,
	tenant_id	pg_catalog.int8 NOT NULL,
	scheme		pg_catalog.text NOT NULL DEFAULT 'native'
		CONSTRAINT key_secret_scheme CHECK (scheme OPERATOR(pg_catalog.=) ANY ('{native}'::pg_catalog.text[])),
	keyring_id	pg_catalog.int4 NOT NULL REFERENCES apikey.keyring,
	digest		pg_catalog.bytea NOT NULL
		CONSTRAINT key_secret_digest_size CHECK (pg_catalog.octet_length(digest) OPERATOR(pg_catalog.=) 32),
	hint		pg_catalog.text NOT NULL,
	created_at	pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	expires_at	pg_catalog.timestamptz,
	revoked_at	pg_catalog.timestamptz,
	sealed		pg_catalog.bytea,
	-- by key_id alone: a session that checked (tenant_id, key_id) first on a
	-- nearly empty table keeps a plan that finds a key by its tenant only
	CONSTRAINT key_secret_key FOREIGN KEY (key_id) REFERENCES apikey.api_key ON DELETE CASCADE,
	CONSTRAINT key_secret_digest UNIQUE (digest)
);
CREATE INDEX key_secret_key_id ON apikey.key_secret (key_id);

CREATE TABLE apikey.key_activity (
	key_id			pg_catalog.int8 PRIMARY KEY,
	tenant_id		pg_catalog.int8 NOT NULL,
	first_used_at	pg_catalog.timestamptz,
	last_used_at	pg_catalog.timestamptz,
	last_ip			pg_catalog.inet,
	calls			pg_catalog.int8 NOT NULL DEFAULT 0,
	errors			pg_catalog.int8 NOT NULL DEFAULT 0,
	denials			pg_catalog.int8 NOT NULL DEFAULT 0
);
CREATE INDEX key_activity_last_used ON apikey.key_activity (tenant_id, last_used_at);

CREATE TABLE apikey.ip_block (
	ip_block_id	pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id	pg_catalog.int8 REFERENCES apikey.tenant,
	network		pg_catalog.cidr NOT NULL,
	reason		pg_catalog.text,
	expires_at	pg_catalog.timestamptz,
	created_at	pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	created_by	pg_catalog.text NOT NULL
);
CREATE INDEX ip_block_network ON apikey.ip_block USING gist (network inet_ops);
-- a network once per tenant: few entries of a tenant can cover one address, so
-- its list cannot make verification slow for others
CREATE UNIQUE INDEX ip_block_tenant_network ON apikey.ip_block
	((COALESCE(tenant_id, 0::pg_catalog.int8)), network);

CREATE TABLE apikey.member (
	member_id	pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id	pg_catalog.int8 REFERENCES apikey.tenant ON DELETE CASCADE,
	role_name	pg_catalog.text NOT NULL,
	role_oid	pg_catalog.oid NOT NULL,
	system_identifier pg_catalog.int8 NOT NULL,
	access		pg_catalog.text NOT NULL
		CONSTRAINT member_access CHECK (access OPERATOR(pg_catalog.=) ANY ('{verifier,analyst,auditor,operator,admin}'::pg_catalog.text[])),
	granted_at	pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now(),
	granted_by	pg_catalog.text NOT NULL
);
CREATE UNIQUE INDEX member_tenant_role_access ON apikey.member
	((COALESCE(tenant_id, 0::pg_catalog.int8)), role_name, access);

CREATE TABLE apikey.event (
	event_id	pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id	pg_catalog.int8,
	type		pg_catalog.text NOT NULL,
	key_id		pg_catalog.int8,
	payload		pg_catalog.jsonb NOT NULL DEFAULT '{}',
	dedupe_key	pg_catalog.text,
	created_at	pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now()
);
CREATE INDEX event_tenant ON apikey.event (tenant_id, event_id);
CREATE INDEX event_key ON apikey.event (key_id, event_id) WHERE key_id IS NOT NULL;
-- the same warning is never sent twice
CREATE UNIQUE INDEX event_tenant_dedupe ON apikey.event (tenant_id, type, dedupe_key)
	WHERE dedupe_key IS NOT NULL;

CREATE TABLE apikey.audit_log (
	seq			pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	at			pg_catalog.timestamptz NOT NULL,
	actor		pg_catalog.text NOT NULL,
	session		pg_catalog.text NOT NULL,
	tenant_id	pg_catalog.int8,
	action		pg_catalog.text NOT NULL,
	object		pg_catalog.text,
	before		pg_catalog.jsonb,
	after		pg_catalog.jsonb,
	chain_hash	pg_catalog.bytea
);
CREATE INDEX audit_log_tenant ON apikey.audit_log (tenant_id, seq);
CREATE INDEX audit_log_object ON apikey.audit_log (object, seq);

-- No index, key or row trigger on the parent: each leaf gets its own from
-- ensure_partitions(), before it is attached.
CREATE TABLE apikey.usage (
	at				pg_catalog.timestamptz NOT NULL,
	tenant_id		pg_catalog.int8,
	key_id			pg_catalog.int8,
	secret_id		pg_catalog.int8,
	environment_id	pg_catalog.int8,
	code			pg_catalog.text NOT NULL,
	scope			pg_catalog.text,
	method			pg_catalog.text,
	endpoint		pg_catalog.text,
	status			pg_catalog.int4,
	latency_us		pg_catalog.int8,
	bytes_in		pg_catalog.int8,
	bytes_out		pg_catalog.int8,
	units			pg_catalog.int8 NOT NULL DEFAULT 1,
	ip				pg_catalog.inet,
	region			pg_catalog.text,
	user_agent		pg_catalog.text,
	request_id		pg_catalog.text,
	tags			pg_catalog.jsonb
) PARTITION BY RANGE (at);

-- What limits have used, where it must survive a crash.  Only the writer
-- writes quota_state and limit_state, in transactions of its own; sessions
-- tell it of changes through limit_ledger.  No foreign keys: a key may be
-- uncommitted when its first units are reserved.
CREATE TABLE apikey.quota_state (
	quota_id		pg_catalog.uuid NOT NULL,
	window_start	pg_catalog.timestamptz NOT NULL,
	window_end		pg_catalog.timestamptz NOT NULL,
	tenant_id		pg_catalog.int8 NOT NULL,
	key_id			pg_catalog.int8 NOT NULL,
	shared			pg_catalog.text NOT NULL
		CONSTRAINT quota_state_shared CHECK (shared OPERATOR(pg_catalog.=) ANY ('{key,owner,tenant,policy,tree}'::pg_catalog.text[])),
	holder			pg_catalog.text NOT NULL,
	name			pg_catalog.text NOT NULL,
	units			pg_catalog.int8 NOT NULL
		CONSTRAINT quota_state_units CHECK (units OPERATOR(pg_catalog.>=) 0),
	credits			pg_catalog.int8 NOT NULL DEFAULT 0
		CONSTRAINT quota_state_credits CHECK (credits OPERATOR(pg_catalog.>=) 0),
	reserved		pg_catalog.int8 NOT NULL DEFAULT 0
		CONSTRAINT quota_state_reserved CHECK (reserved OPERATOR(pg_catalog.>=) 0),
	used			pg_catalog.int8 NOT NULL DEFAULT 0
		CONSTRAINT quota_state_used CHECK (used OPERATOR(pg_catalog.>=) 0 AND used OPERATOR(pg_catalog.<=) reserved),
	updated_at		pg_catalog.timestamptz NOT NULL,
	PRIMARY KEY (quota_id, window_start),
	CONSTRAINT quota_state_window CHECK (window_start OPERATOR(pg_catalog.<) window_end)
) WITH (fillfactor = 70);
CREATE INDEX quota_state_tenant_key ON apikey.quota_state (tenant_id, key_id);

CREATE TABLE apikey.limit_state (
	limit_id		pg_catalog.uuid PRIMARY KEY,
	tenant_id		pg_catalog.int8 NOT NULL,
	key_id			pg_catalog.int8 NOT NULL,
	shared			pg_catalog.text NOT NULL
		CONSTRAINT limit_state_shared CHECK (shared OPERATOR(pg_catalog.=) ANY ('{key,owner,tenant,policy,tree}'::pg_catalog.text[])),
	holder			pg_catalog.text NOT NULL,
	name			pg_catalog.text NOT NULL,
	ceiling			pg_catalog.timestamptz NOT NULL,
	updated_at		pg_catalog.timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX limit_state_tenant_key ON apikey.limit_state (tenant_id, key_id);

CREATE TABLE apikey.limit_ledger (
	ledger_id		pg_catalog.int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	tenant_id		pg_catalog.int8 NOT NULL,
	key_id			pg_catalog.int8 NOT NULL,
	kind			pg_catalog.text NOT NULL
		CONSTRAINT limit_ledger_kind CHECK (kind OPERATOR(pg_catalog.=) ANY ('{credit,reset}'::pg_catalog.text[])),
	limit_id		pg_catalog.uuid NOT NULL,
	window_start	pg_catalog.timestamptz,
	window_end		pg_catalog.timestamptz,
	shared			pg_catalog.text NOT NULL
		CONSTRAINT limit_ledger_shared CHECK (shared OPERATOR(pg_catalog.=) ANY ('{key,owner,tenant,policy}'::pg_catalog.text[])),
	holder			pg_catalog.text NOT NULL,
	name			pg_catalog.text NOT NULL,
	quota_units		pg_catalog.int8,
	units			pg_catalog.int8
		CONSTRAINT limit_ledger_units CHECK (units OPERATOR(pg_catalog.>) 0),
	reason			pg_catalog.text,
	idempotency_key	pg_catalog.text,
	author			pg_catalog.text NOT NULL,
	created_at		pg_catalog.timestamptz NOT NULL,
	applied_at		pg_catalog.timestamptz,
	CONSTRAINT limit_ledger_credit CHECK ((kind OPERATOR(pg_catalog.=) 'credit') OPERATOR(pg_catalog.=) (units IS NOT NULL)
		AND (kind OPERATOR(pg_catalog.=) 'reset' OR window_start IS NOT NULL)),
	CONSTRAINT limit_ledger_window CHECK ((window_start IS NULL) OPERATOR(pg_catalog.=) (window_end IS NULL)
		AND (window_start IS NULL) OPERATOR(pg_catalog.=) (quota_units IS NULL)),
	CONSTRAINT limit_ledger_idempotency UNIQUE (tenant_id, idempotency_key)
);
CREATE INDEX limit_ledger_tenant_key ON apikey.limit_ledger (tenant_id, key_id);
CREATE INDEX limit_ledger_not_applied ON apikey.limit_ledger (ledger_id) WHERE applied_at IS NULL;
