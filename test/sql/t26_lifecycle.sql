-- The life of a key: suspend, renew, rotate, revoke, restore, delete; what
-- verify() says after each step.
\set SHOW_CONTEXT never
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.clock(at timestamptz) RETURNS void LANGUAGE sql AS $$ SELECT set_config('apikey.test_now', extract(epoch FROM at)::text, false) $$;
SELECT pg_temp.clock('2040-01-01 12:00:00+00') \gset
SELECT apikey.create_tenant('t26') > 0 AS tenant;
SELECT apikey.create_environment('t26', 'production', is_production => true) > 0 AS environment;
SELECT apikey.create_policy('t26', 'rules', max_ttl => '30 days', default_ttl => '10 days', overlap => '2 hours', grace => '1 hour') > 0 AS policy;

-- every text a key ever had; errors show n instead of the id
CREATE TEMP TABLE texts (n text, no serial, key_id bigint, secret_id bigint, key text, sealed bytea, hint text, expires_at timestamptz);
CREATE FUNCTION pg_temp.id(n text) RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT key_id FROM texts WHERE texts.n = id.n LIMIT 1 $$;
CREATE FUNCTION pg_temp.make(n text, VARIADIC args text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO texts (n, key_id, secret_id, key, sealed, hint, expires_at) SELECT %L, k.* FROM apikey.create_key(''t26'', ''production'', name => %L%s) k',
		n, n, (SELECT string_agg(', ' || a, '') FROM unnest(args) a WHERE a <> ''));
END $$;
CREATE FUNCTION pg_temp.rotate(n text, VARIADIC args text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('INSERT INTO texts (n, key_id, secret_id, key, sealed, hint, expires_at) SELECT %L, k.* FROM apikey.rotate_key(%s%s) k',
		n, pg_temp.id(n), (SELECT string_agg(', ' || a, '') FROM unnest(args) a WHERE a <> ''));
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '% %', SQLSTATE, replace(SQLERRM, pg_temp.id(n)::text, n);
END $$;
CREATE FUNCTION pg_temp.try(n text, call text) RETURNS TABLE (status text, expires_at timestamptz, revoke_at timestamptz, revoked_at timestamptz, reason text) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT status, expires_at, revoke_at, revoked_at, revoke_reason FROM apikey.%s', replace(call, '$', pg_temp.id(n)::text));
EXCEPTION WHEN OTHERS THEN
	RAISE WARNING '% %', SQLSTATE, replace(SQLERRM, pg_temp.id(n)::text, n);
END $$;
-- the codes of all texts of a key, oldest first
CREATE FUNCTION pg_temp.codes(n text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg((SELECT concat_ws(' ', v.code, v.warnings) FROM apikey.verify(t.key, record => false) v), ', ' ORDER BY t.no) FROM texts t WHERE t.n = codes.n AND t.key IS NOT NULL
$$;

-- suspend and resume
SELECT pg_temp.make('a', '');
SELECT pg_temp.codes('a');
SELECT * FROM pg_temp.try('a', 'suspend_key($, ''odd traffic'')');
SELECT * FROM pg_temp.try('a', 'suspend_key($)');
SELECT pg_temp.codes('a');
SELECT suspend_reason FROM apikey.key WHERE key_id = pg_temp.id('a');
SELECT * FROM pg_temp.try('a', 'resume_key($)');
SELECT * FROM pg_temp.try('a', 'resume_key($)');
SELECT pg_temp.codes('a');

-- renew: under the rules of the policy, also after the end; infinity for none
SELECT pg_temp.make('b', 'policy => ''rules''', 'ttl => ''1 day''');
SELECT * FROM pg_temp.try('b', 'renew_key($, ''2040-01-31 12:00+00'')');
SELECT * FROM pg_temp.try('b', 'renew_key($, ''2040-01-31 12:00:01+00'')');
SELECT * FROM pg_temp.try('b', 'renew_key($, ''infinity'')');
SELECT * FROM pg_temp.try('b', 'renew_key($, ''2040-01-01 12:00+00'')');
SELECT * FROM pg_temp.try('b', 'renew_key($, NULL)');
SELECT * FROM pg_temp.try('b', 'renew_key($, ''2040-01-02 12:00+00'')');
SELECT pg_temp.clock('2040-01-02 12:30:00+00') \gset
SELECT pg_temp.codes('b');
SELECT pg_temp.clock('2040-01-02 14:00:00+00') \gset
SELECT pg_temp.codes('b');
SELECT * FROM pg_temp.try('b', 'renew_key($, ''2040-02-01 14:00+00'')');
SELECT pg_temp.codes('b');
SELECT * FROM pg_temp.try('a', 'renew_key($, ''2040-01-02 15:00+00'')');
SELECT * FROM pg_temp.try('a', 'renew_key($, ''infinity'')');

-- rotate: one id, old secrets end at the earlier of the overlap and their own end
SELECT pg_temp.clock('2040-01-03 12:00:00+00') \gset
SELECT pg_temp.make('r', 'policy => ''rules''');
SELECT pg_temp.rotate('r', '');
SELECT pg_temp.rotate('r', 'overlap => ''1 hour''');
SELECT pg_temp.rotate('r', 'overlap => ''9 days''');
SELECT no = min(no) OVER () AS first, t.key_id = pg_temp.id('r') AS same_key, length(key), s.expires_at AS secret_ends, t.expires_at AS key_ends
  FROM texts t JOIN apikey.key_secret s USING (secret_id) WHERE n = 'r' ORDER BY no;
SELECT pg_temp.codes('r');
SELECT pg_temp.clock('2040-01-03 13:00:00+00') \gset
SELECT pg_temp.codes('r');
SELECT pg_temp.clock('2040-01-12 12:00:00+00') \gset
SELECT pg_temp.codes('r');
-- at once, longer, sealed, with another end
SELECT pg_temp.rotate('r', 'overlap => ''0''', 'bytes => 16', 'expires_at => ''2040-02-01''');
SELECT length(key), expires_at FROM texts WHERE n = 'r' ORDER BY no DESC LIMIT 1;
SELECT pg_temp.codes('r');
SELECT pg_temp.rotate('r', 'overlap => ''0''', 'seal_to => ''\x2fe57da347cd62431528daac5fbb290730fff684afc4cfc2ed90995f58cb3b74''');
SELECT key, octet_length(sealed) AS sealed, hint ~ '^ak_live_' AS hint FROM texts WHERE n = 'r' ORDER BY no DESC LIMIT 1;
SELECT pg_temp.codes('r');
SELECT pg_temp.rotate('r', 'overlap => ''-1 second''');
SELECT pg_temp.rotate('r', 'bytes => 8');
SELECT pg_temp.rotate('r', 'seal_to => ''\x00''');
SELECT pg_temp.rotate('r', 'expires_at => ''2041-01-01''');
-- past its end only with a new one
SELECT pg_temp.clock('2040-02-02') \gset
SELECT pg_temp.rotate('r', '');
SELECT pg_temp.rotate('r', 'expires_at => ''2040-02-20''');
SELECT pg_temp.codes('r');
-- a renewal is for the new secret only: with the rotation, after it, past the end
SELECT pg_temp.make('e1', 'ttl => ''1 hour'''), pg_temp.make('e2', 'ttl => ''1 hour'''), pg_temp.make('e3', 'ttl => ''1 hour''');
SELECT pg_temp.rotate('e1', 'overlap => ''1 day''', 'expires_at => ''2040-02-20'''), pg_temp.rotate('e2', 'overlap => ''1 day''');
SELECT expires_at FROM pg_temp.try('e2', 'renew_key($, ''2040-02-20'')');
SELECT n, pg_temp.codes(n) FROM unnest('{e1,e2,e3}'::text[]) n;
SELECT pg_temp.clock('2040-02-02 01:00') \gset
SELECT pg_temp.rotate('e3', 'overlap => ''1 day''', 'expires_at => ''2040-02-20''');
SELECT n, pg_temp.codes(n) FROM unnest('{e1,e2,e3}'::text[]) n;
SELECT pg_temp.clock('2040-02-02') \gset
-- one secret alone
SELECT status FROM apikey.revoke_secret((SELECT secret_id FROM texts WHERE n = 'r' ORDER BY no DESC LIMIT 1), 'lost');
SELECT status FROM apikey.revoke_secret((SELECT secret_id FROM texts WHERE n = 'r' ORDER BY no DESC LIMIT 1));
SELECT pg_temp.codes('r');
SELECT apikey.revoke_secret(0);
SELECT apikey.revoke_secret(NULL);

-- revoke: at once, for good, with its children; undone with them
SELECT pg_temp.clock('2040-03-01 12:00:00+00') \gset
SELECT pg_temp.make('p', '');
SELECT pg_temp.make('p1', 'parent_key_id => ' || pg_temp.id('p'));
SELECT pg_temp.make('p2', 'parent_key_id => ' || pg_temp.id('p'));
SELECT pg_temp.make('p11', 'parent_key_id => ' || pg_temp.id('p1'));
CREATE FUNCTION pg_temp.family() RETURNS TABLE (n text, status text, revoke_at timestamptz, revoked_at timestamptz, reason text, code text) LANGUAGE sql AS $$
	SELECT t.n, k.status, k.revoke_at, k.revoked_at, k.revoke_reason, pg_temp.codes(t.n) FROM texts t JOIN apikey.api_key k USING (key_id) WHERE t.n ~ '^p' ORDER BY 1
$$;
SELECT * FROM pg_temp.try('p2', 'revoke_key($, ''own fault'')');
SELECT * FROM pg_temp.try('p11', 'suspend_key($)');
SELECT pg_temp.clock('2040-03-01 13:00:00+00') \gset
SELECT * FROM pg_temp.try('p', 'revoke_key($, ''leak'')');
SELECT * FROM pg_temp.family();
SELECT * FROM pg_temp.try('p', 'revoke_key($, ''again'')');
SELECT * FROM pg_temp.try('p', 'suspend_key($)');
SELECT * FROM pg_temp.try('p', 'resume_key($)');
SELECT * FROM pg_temp.try('p', 'renew_key($, ''2041-01-01'')');
SELECT * FROM pg_temp.try('p', 'update_key($, name => ''x'')');
SELECT pg_temp.rotate('p', '');
-- a child of a revoked key
DO $$ BEGIN PERFORM pg_temp.make('p3', 'parent_key_id => ' || pg_temp.id('p'));
EXCEPTION WHEN OTHERS THEN RAISE WARNING '% %', SQLSTATE, replace(SQLERRM, pg_temp.id('p')::text, 'p'); END $$;
DO $$ BEGIN PERFORM apikey.restore_key(pg_temp.id('p1'));
EXCEPTION WHEN OTHERS THEN RAISE WARNING '% %', SQLSTATE, replace(SQLERRM, pg_temp.id('p')::text, 'p'); END $$;
-- what went with it comes back with it, as it was; the other stays revoked
SELECT pg_temp.clock('2040-03-01 14:00:00+00') \gset
SELECT * FROM pg_temp.try('p', 'restore_key($, ''false alarm'')');
SELECT * FROM pg_temp.family();
SELECT * FROM pg_temp.try('p', 'restore_key($)');
-- without the children; then with them
SELECT * FROM pg_temp.try('p', 'revoke_key($, cascade => false)');
SELECT * FROM pg_temp.family();
SELECT * FROM pg_temp.try('p', 'revoke_key($, ''rest'')');
SELECT * FROM pg_temp.family();

-- later: the instant counts, not the worker; undone before it comes
SELECT pg_temp.clock('2040-04-01 12:00:00+00') \gset
SELECT pg_temp.make('s', '');
SELECT pg_temp.make('s1', 'parent_key_id => ' || pg_temp.id('s'));
SELECT * FROM pg_temp.try('s', 'revoke_key($, ''contract ends'', at => ''2040-04-02 12:00+00'')');
SELECT pg_temp.make('s2', 'parent_key_id => ' || pg_temp.id('s'));
SELECT n, revoke_at, revoke_reason, pg_temp.codes(n) FROM texts JOIN apikey.api_key USING (key_id) WHERE n ~ '^s' ORDER BY 1;
SELECT * FROM pg_temp.try('s', 'revoke_key($, ''sooner'', at => ''2040-04-01 18:00+00'')');
SELECT pg_temp.clock('2040-04-01 18:00:00+00') \gset
SELECT n, status, revoke_at, revoke_reason, pg_temp.codes(n) FROM texts JOIN apikey.api_key USING (key_id) WHERE n ~ '^s' ORDER BY 1;
SELECT * FROM pg_temp.try('s', 'suspend_key($)');
SELECT * FROM pg_temp.try('s', 'restore_key($)');
SELECT n, status, revoke_at, revoke_reason, pg_temp.codes(n) FROM texts JOIN apikey.api_key USING (key_id) WHERE n ~ '^s' ORDER BY 1;
SELECT * FROM pg_temp.try('s', 'revoke_key($, at => ''2040-04-01 17:00+00'')');
SELECT * FROM pg_temp.try('s', 'revoke_key($, at => ''infinity'')');
SELECT * FROM pg_temp.try('s', 'revoke_key($, at => ''-infinity'')');
SELECT * FROM pg_temp.try('s', 'revoke_key($, cascade => NULL)');
SELECT * FROM pg_temp.try('s', 'revoke_key($, at => ''2040-04-01 18:00+00'')');
SELECT pg_temp.codes('s2');

-- delete only what is revoked, leaves first
SELECT * FROM pg_temp.try('a', 'delete_key($)');
SELECT * FROM pg_temp.try('s', 'delete_key($)');
SELECT * FROM pg_temp.try('s1', 'delete_key($)');
SELECT * FROM pg_temp.try('s2', 'delete_key($)');
SELECT * FROM pg_temp.try('s', 'delete_key($)');
SELECT * FROM pg_temp.try('s', 'delete_key($)');
SELECT pg_temp.codes('s');
SELECT count(*) FROM apikey.key_secret WHERE key_id = pg_temp.id('s');

-- an audit row and an event for each change of each key
SELECT t.n, a.at, a.action, a.before - '{role_ids,rate_limits,quotas,scopes,tags,cidrs,endpoints,environment_id,policy_id,parent_key_id}'::text[] AS before, a.after - '{root_key_id,role_ids,rate_limits,quotas,scopes,tags,cidrs,endpoints,environment_id,policy_id,hint,secret_id,parent_key_id}'::text[] AS after
  FROM (SELECT DISTINCT n, key_id FROM texts) t JOIN apikey.audit_log a ON a.object = 'key:' || t.key_id WHERE t.n <> 'r' ORDER BY a.seq;
SELECT t.n, string_agg(type, ' ' ORDER BY event_id) FROM (SELECT DISTINCT n, key_id FROM texts) t JOIN apikey.event USING (key_id) GROUP BY 1 ORDER BY 1;
SELECT count(*) AS leaked FROM texts k WHERE EXISTS (SELECT FROM apikey.audit_log a WHERE strpos(a::text, k.key) > 0) OR EXISTS (SELECT FROM apikey.event e WHERE strpos(e::text, k.key) > 0);
