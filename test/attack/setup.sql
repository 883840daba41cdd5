-- Tenant A (top/acme), its parent and sister, tenant B (rival), the roles that
-- attack, and atk.names: what placeholders stand for.  See ApikeyAttack.pm.
SET client_min_messages = warning;
CREATE SCHEMA atk;
CREATE TABLE atk.names (whose text, name text, value text, PRIMARY KEY (whose, name));
CREATE FUNCTION atk.note(whose text, name text, value anyelement) RETURNS void LANGUAGE sql AS
	$$ INSERT INTO atk.names VALUES (whose, name, value::text) $$;

-- identity columns of the extension go on at this number
CREATE FUNCTION atk.number_from(n bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	seq regclass;
BEGIN
	FOR seq IN SELECT oid::regclass FROM pg_class WHERE relnamespace = 'apikey'::regnamespace AND relkind = 'S' LOOP
		EXECUTE format('ALTER SEQUENCE %s RESTART WITH %s', seq, n);
	END LOOP;
END $$;

CREATE ROLE regress_atk_none LOGIN;
CREATE ROLE regress_atk_verifier LOGIN;
CREATE ROLE regress_atk_analyst LOGIN;
CREATE ROLE regress_atk_auditor LOGIN;
CREATE ROLE regress_atk_operator LOGIN;
CREATE ROLE regress_atk_admin LOGIN;
CREATE ROLE regress_atk_above LOGIN;
CREATE ROLE regress_atk_all LOGIN;
CREATE ROLE regress_atk_rival LOGIN;
CREATE ROLE "regress_atk o'dd ""role""" LOGIN;
-- may become the auditor of A or the owner of B, but inherits nothing
CREATE ROLE regress_atk_two LOGIN NOINHERIT;
GRANT regress_atk_auditor, regress_atk_rival TO regress_atk_two;
-- as weakly guarded as databases are that come from PostgreSQL 14
GRANT CREATE ON SCHEMA public TO PUBLIC;
DO $$ BEGIN EXECUTE format('GRANT CREATE, TEMP ON DATABASE %I TO PUBLIC', current_database()); END $$;

-- A tenant with something in every field of every table.  mark is in each
-- text; net is its network.
CREATE FUNCTION atk.furnish(path text, mark text, net cidr) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	whose text := path;
	key record;
	gone record;
	asked bigint;
	low text := lower(mark);
	leaf regclass;
BEGIN
	PERFORM apikey.create_environment(path, mark || ' env', tag => 'live', idempotency_key => mark || ' env idem');
	PERFORM apikey.create_policy(path, mark || ' policy', description => mark || ' description',
		allowed_cidrs => ARRAY[net], denied_cidrs => ARRAY['198.51.100.0/24'::cidr],
		allowed_endpoints => ARRAY['GET /' || mark || '/**'], denied_endpoints => ARRAY['* /' || mark || '/x'],
		access_hours => ARRAY['00:00-24:00'], required_scopes => ARRAY[low || ':req'], max_scopes => ARRAY[low || ':*'],
		note => mark || ' note', idempotency_key => mark || ' policy idem');
	PERFORM apikey.set_policy(path, mark || ' policy', denied_endpoints => ARRAY['* /' || mark || '/y'], note => mark || ' second note');
	PERFORM apikey.create_role(path, mark || ' role', ARRAY[low || ':role'], description => mark || ' description');
	SELECT * INTO key FROM apikey.create_key(path, mark || ' env', name => mark || ' name', owner => mark || ' owner',
		scopes => ARRAY[low || ':own'], policy => mark || ' policy', metadata => jsonb_build_object(mark, mark),
		tags => ARRAY[mark || ' tag'], cidrs => ARRAY[net], endpoints => ARRAY['GET /' || mark || '/**'],
		roles => ARRAY[mark || ' role'], idempotency_key => mark || ' key idem', description => mark || ' description');
	SELECT * INTO gone FROM apikey.create_key(path, mark || ' env', name => mark || ' gone');
	PERFORM apikey.revoke_key(gone.key_id, mark || ' revoked');
	PERFORM apikey.suspend_key((apikey.create_key(path, mark || ' env', name => mark || ' suspended')).key_id, mark || ' suspended');
	-- a key that waits for an approval
	PERFORM apikey.create_environment(path, mark || ' guarded', requires_approval => true);
	asked := (apikey.request_key(path, mark || ' guarded', name => mark || ' asked', reason => mark || ' reason')).key_id;
	PERFORM apikey.block_ip(net, tenant => path, reason => mark || ' block');
	PERFORM apikey.create_tenant(low || '-child', parent => path, prefix => 'zz', settings => jsonb_build_object(mark, mark),
		idempotency_key => mark || ' tenant idem');
	PERFORM apikey.suspend_tenant(path || '/' || low || '-child', mark || ' suspended');
	UPDATE apikey.tenant SET settings = jsonb_build_object('secret', mark) WHERE name = path;
	PERFORM apikey.set_price(path, '/' || low, per_call => 1, currency => 'EUR', note => mark || ' price');
	PERFORM apikey.set_budget(path, mark || ' budget', 1000);

	-- attempts of its keys, with the mark in everything that is kept of them
	INSERT INTO apikey.usage (at, tenant_id, key_id, secret_id, environment_id, code, scope, method, endpoint, status, latency_us,
			bytes_in, bytes_out, units, ip, region, user_agent, request_id, tags)
		SELECT now(), k.tenant_id, k.key_id, key.secret_id, k.environment_id, 'VALID', mark, mark, '/' || mark, 200, 1, 2, 3, 4,
			host(net)::inet, mark, mark || ' agent', mark || ' request', jsonb_build_object(mark, mark)
		FROM apikey.api_key k, generate_series(1, 3) WHERE k.key_id = key.key_id;
	INSERT INTO apikey.key_activity (key_id, tenant_id, first_used_at, last_used_at, last_ip, calls)
		SELECT k.key_id, k.tenant_id, now(), now(), host(net)::inet, 3 FROM apikey.api_key k WHERE k.key_id = key.key_id
		ON CONFLICT (key_id) DO NOTHING;

	PERFORM atk.note(whose, 'key', key.key_id), atk.note(whose, 'secret', key.secret_id), atk.note(whose, 'keytext', key.key),
		atk.note(whose, 'gone', gone.key_id), atk.note(whose, 'gonetext', gone.key), atk.note(whose, 'asked', asked);
	PERFORM atk.note(whose, 'block', b.ip_block_id) FROM apikey.ip_block b WHERE b.reason = mark || ' block' AND b.tenant_id = (SELECT k.tenant_id FROM apikey.api_key k WHERE k.key_id = key.key_id);
	PERFORM atk.note(whose, 'tid', t.tenant_id) FROM apikey.api_key k JOIN apikey.tenant t USING (tenant_id) WHERE k.key_id = key.key_id;
END $$;

-- A knows the number of its parent: it is in A's own row
SELECT atk.number_from(901);
SELECT apikey.create_tenant('top') > 0;
SELECT atk.number_from(1001);
SELECT apikey.create_tenant('acme', parent => 'top', prefix => 'acme') > 0;
SELECT apikey.ensure_partitions() > 0;

-- B, with names an attacker may guess beside those he may not
SELECT atk.number_from(7770000001);
SELECT apikey.create_tenant('rival', prefix => 'rv') > 0;
SELECT apikey.create_tenant('sub', parent => 'rival') > 0;
SELECT apikey.create_environment('rival', 'rivalenv') > 0, apikey.create_policy('rival', 'rivalpol') > 0, apikey.create_role('rival', 'rivalrole', '{a}') > 0;
SELECT atk.furnish('rival', 'CANARYB', '203.0.113.66/32');
SELECT apikey.grant_access('regress_atk_rival', 'admin', 'rival');

-- what lies above and beside A
SELECT atk.number_from(7780000101);
SELECT apikey.create_environment('top', 'topenv') > 0, apikey.create_policy('top', 'toppol') > 0, apikey.create_role('top', 'toprole', '{a}') > 0;
SELECT apikey.create_tenant('sister', parent => 'top', prefix => 'si') > 0;
SELECT apikey.create_tenant('sub', parent => 'top/sister') > 0;
SELECT apikey.create_environment('top/sister', 'sisterenv') > 0, apikey.create_policy('top/sister', 'sisterpol') > 0, apikey.create_role('top/sister', 'sisterrole', '{a}') > 0;
SELECT atk.furnish('top/sister', 'CANARYP', '203.0.113.77/32');
SELECT atk.furnish('top', 'CANARYP', '203.0.113.77/32');
SELECT apikey.grant_access('regress_atk_above', 'admin', 'top');

-- A itself
SELECT atk.number_from(1101);
SELECT apikey.create_tenant('eu', parent => 'top/acme') > 0;
SELECT apikey.create_environment('top/acme', 'ownenv') > 0, apikey.create_policy('top/acme', 'ownpol') > 0, apikey.create_role('top/acme', 'ownrole', '{a}') > 0;
SELECT atk.furnish('top/acme', 'own', '192.0.2.5/32');
-- ... and what lies below it
SELECT apikey.create_environment('top/acme/eu', 'euenv') > 0, apikey.create_policy('top/acme/eu', 'eupol') > 0, apikey.create_role('top/acme/eu', 'eurole', '{a}') > 0;
SELECT atk.furnish('top/acme/eu', 'eu', '192.0.2.6/32');
SELECT apikey.grant_access('regress_atk_' || a, a, 'top/acme') FROM unnest('{verifier,analyst,auditor,operator,admin}'::text[]) a;
SELECT apikey.grant_access('regress_atk_all', 'admin');
SELECT atk.number_from(5000001);

-- attempts that belong to no tenant
SELECT count(*) FROM apikey.verify('canaryb canaryp', endpoint => '/CANARYB/CANARYP', user_agent => 'CANARYB CANARYP', ip => '203.0.113.66');
-- the writer is through with it, and with the counts that setup itself gave
SELECT apikey.flush_usage('180 s');

UPDATE atk.names SET whose = 'own' WHERE whose = 'top/acme';
-- A is attacked from with a key that is accepted
WITH k AS (
	SELECT key_id, secret_id, key FROM apikey.create_key('top/acme', 'ownenv', name => 'plain', scopes => '{a}')
)
UPDATE atk.names SET value = CASE name WHEN 'key' THEN k.key_id::text WHEN 'secret' THEN k.secret_id::text ELSE k.key END
	FROM k WHERE whose = 'own' AND name IN ('key', 'secret', 'keytext');
UPDATE atk.names SET whose = 'foreign' WHERE whose = 'rival';
UPDATE atk.names SET whose = 'sister' WHERE whose = 'top/sister';
UPDATE atk.names SET whose = 'child' WHERE whose = 'top/acme/eu';
INSERT INTO atk.names VALUES
	('own', 'tenant', 'top/acme'), ('own', 'child', 'top/acme/eu'), ('own', 'env', 'ownenv'), ('own', 'policy', 'ownpol'), ('own', 'role', 'ownrole'),
	('child', 'tenant', 'top/acme/eu'), ('child', 'child', 'top/acme/eu/eu-child'), ('child', 'env', 'euenv'), ('child', 'policy', 'eupol'), ('child', 'role', 'eurole'),
	('foreign', 'tenant', 'rival'), ('foreign', 'child', 'rival/sub'), ('foreign', 'env', 'rivalenv'), ('foreign', 'policy', 'rivalpol'), ('foreign', 'role', 'rivalrole'),
	('sister', 'tenant', 'top/sister'), ('sister', 'child', 'top/sister/sub'), ('sister', 'env', 'sisterenv'), ('sister', 'policy', 'sisterpol'), ('sister', 'role', 'sisterrole'),
	('top', 'tenant', 'top'), ('top', 'child', 'top/sister'), ('top', 'env', 'topenv'), ('top', 'policy', 'toppol'), ('top', 'role', 'toprole'),
	-- as long as those of B
	('unknown', 'tenant', 'rivet'), ('unknown', 'child', 'rivet/sub'), ('unknown', 'env', 'rivetenv'), ('unknown', 'policy', 'rivetpol'), ('unknown', 'role', 'rivetrole'),
	('unknown', 'key', '7771234501'), ('unknown', 'gone', '7771234502'), ('unknown', 'secret', '7771234503'), ('unknown', 'block', '7771234504'), ('unknown', 'tid', '7771234505'), ('unknown', 'asked', '7771234506');
-- who asked for the keys that wait is nobody who attacks
UPDATE apikey.key_request SET requested_by = 'regress_atk_asker', requested_by_oid = 0, session = 'regress_atk_asker', session_oid = 0;
-- policies with an earlier version to go back to
SELECT apikey.set_policy(t.value, p.value, idle_timeout => '1 year', force => true) > 0
	FROM atk.names t JOIN atk.names p USING (whose) WHERE t.name = 'tenant' AND p.name = 'policy' AND t.whose <> 'unknown';
-- well-formed key texts, of keys that are no more
SELECT atk.note('unknown', 'keytext', key), atk.note('unknown', 'id', key_id) FROM apikey.create_key('rival', 'rivalenv');
SELECT atk.note('unknown', 'gonetext', key), atk.note('unknown', 'id2', key_id) FROM apikey.create_key('rival', 'rivalenv');
DO $$ BEGIN
	PERFORM apikey.revoke_key(value::bigint), apikey.delete_key(value::bigint) FROM atk.names WHERE whose = 'unknown' AND name LIKE 'id%';
END $$;
DELETE FROM atk.names WHERE whose = 'unknown' AND name LIKE 'id%';
-- never seen by anybody: digests, data keys, key texts of B
INSERT INTO atk.names SELECT 'secret', 'all', string_agg(s, ' ') FROM (
	SELECT encode(digest, 'hex') FROM apikey.key_secret
	UNION ALL SELECT encode(digest, 'base64') FROM apikey.key_secret
	UNION ALL SELECT encode(material, 'hex') FROM apikey.keyring
	UNION ALL SELECT encode(material, 'base64') FROM apikey.keyring
	UNION ALL SELECT hint FROM apikey.key_secret WHERE tenant_id IN (SELECT tenant_id FROM apikey.tenant WHERE name = 'rival')
) x (s);
INSERT INTO atk.names SELECT whose, 'leaf', (SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'apikey.usage'::regclass ORDER BY 1 LIMIT 1)
	FROM (VALUES ('own'), ('foreign')) v (whose);
