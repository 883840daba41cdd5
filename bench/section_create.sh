# section_create.sh: keys made in bulk, against INSERT ... SELECT of the same
# rows into the same tables.

create_keys=$((KEYS < 20000 ? KEYS : 20000))

# create_timed STATEMENT...: keys per second
create_timed()
{
	local began ended
	began=$(date +%s%N)
	sql "$@" >/dev/null
	ended=$(date +%s%N)
	awk -v n="$create_keys" -v ns=$((ended - began)) 'BEGIN { printf "%.0f\n", n / (ns / 1e9) }'
}

measure_create_keys()
{
	create_timed -c "SELECT count(*) FROM apikey.create_keys($create_keys, 'bench', 'production', name => 'made', owner => 'bench',
		roles => '{clerk}', endpoints => '{\"GET,HEAD /v1/**\"}', ttl => '90 days')"
}

measure_insert_keys()
{
	create_timed -c "BEGIN" -c "
		WITH k AS (
			INSERT INTO apikey.api_key (tenant_id, environment_id, policy_id, owner, name, endpoints, expires_at, created_by)
			SELECT a.tenant_id, a.environment_id, a.policy_id, 'bench', 'copied', a.endpoints, a.expires_at, a.created_by
			FROM (SELECT * FROM apikey.api_key WHERE name = 'k' LIMIT 1) a, generate_series(1, $create_keys)
			RETURNING key_id, tenant_id
		), r AS (
			INSERT INTO apikey.key_role (key_id, role_id, tenant_id)
			SELECT k.key_id, o.role_id, k.tenant_id FROM k, (SELECT * FROM apikey.role WHERE name = 'clerk') o
		)
		INSERT INTO apikey.key_secret (key_id, tenant_id, keyring_id, digest, hint)
		SELECT k.key_id, k.tenant_id, r.keyring_id, sha256(int8send(k.key_id)), 'ak_live_0000...0000'
		FROM k, (SELECT * FROM apikey.keyring LIMIT 1) r" -c "COMMIT"
}

rounds create_keys insert_keys
row "create_keys($create_keys, ...), keys" create_keys "INSERT ... SELECT of the same rows" insert_keys ">= 0.5"
