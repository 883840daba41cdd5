# section_revoke.sh: a million keys revoked by one statement, against the same
# UPDATE written by hand.  All is rolled back but the last round; a thousand of
# the keys, which the session has verified before, are verified again afterwards.

revoke_keys=1000000
revoke_valid="SELECT 'valid ' || count(*) FROM known, apikey.verify(key, ip => '198.51.100.9', method => 'GET', endpoint => '/v1/x') v
	WHERE v.code = 'VALID';"
revoke_by_hand="UPDATE apikey.api_key SET status = 'revoked', revoked_at = now(), revoke_reason = 'bench' WHERE status <> 'revoked'
	\\; SELECT 'revoked ' || count(*) FROM apikey.api_key WHERE status = 'revoked'"
revoke_function="SELECT 'revoked ' || apikey.revoke_keys('bench', environment => 'production', reason => 'bench')"

sql -c 'CREATE DATABASE revoke' >/dev/null
# most are made by hand: it is not their making that counts
sql -d revoke >/dev/null <<-SQL
	SET client_min_messages = warning;
	CREATE EXTENSION apikey CASCADE;
	SELECT apikey.create_tenant('bench');
	SELECT apikey.create_policy('bench', 'standard', allowed_cidrs => '{198.51.100.0/24,203.0.113.0/24}',
		denied_endpoints => '{"* /admin/**"}');
	SELECT apikey.create_environment('bench', 'production', tag => 'live', is_production => true, default_policy => 'standard');
	CREATE TABLE known AS SELECT key FROM apikey.create_keys(1000, 'bench', 'production', name => 'k', owner => 'bench',
		endpoints => '{"GET,HEAD /v1/**"}', ttl => '90 days');
	SET enable_seqscan = off;
	INSERT INTO apikey.api_key (tenant_id, environment_id, policy_id, owner, name, endpoints, expires_at, created_by)
	SELECT a.tenant_id, a.environment_id, a.policy_id, 'owner ' || i % 1000, 'k-' || i, a.endpoints, a.expires_at, a.created_by
	FROM (SELECT * FROM apikey.api_key LIMIT 1) a, generate_series(1001, $revoke_keys) i;
SQL

# revoke_round NAME STATEMENT END VALID: seconds of the statement and of END,
# after which so many of the thousand keys must be valid
revoke_round()
{
	local out=$work/revoke.out
	sql -d revoke -c 'VACUUM ANALYZE apikey.api_key' -c 'CHECKPOINT' >/dev/null
	sql -d revoke >"$out" <<-SQL
		$revoke_valid
		SELECT clock_timestamp() AS began \gset
		BEGIN;
		$2;
		$3;
		SELECT 'seconds ' || extract(epoch FROM clock_timestamp() - :'began');
		$revoke_valid
	SQL
	[ "$(grep -v seconds "$out" | tr '\n' ' ')" = "valid 1000 revoked $revoke_keys valid $4 " ] ||
		die "$1 did something else: $(tr '\n' ' ' <"$out")"
	sed -n 's/^seconds //p' "$out" >>"$work/$1.figures"
}

for round in $(seq "$ROUNDS"); do
	revoke_round revoke_by_hand "$revoke_by_hand" ROLLBACK 1000
	if [ "$round" -lt "$ROUNDS" ]; then
		revoke_round revoke_keys "$revoke_function" ROLLBACK 1000
	else
		revoke_round revoke_keys "$revoke_function" COMMIT 0
	fi
done
row "revoke_keys, $revoke_keys keys at once, with the commit" revoke_keys "the UPDATE by hand" revoke_by_hand "<= 20 s" s
sql -c 'DROP DATABASE revoke WITH (FORCE)' >/dev/null
