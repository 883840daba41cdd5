One call of every public function, with placeholders for what it is about.
030_matrix.pl makes them on tenant A for each level, 020_tenants.pl on objects
of B and on objects of nobody, 040_hijack.pl under a hostile search_path.  A
label begins with the name of the function; arguments are literals.  After "call"
is the SQLSTATE of a call that cannot come to anything, whoever makes it.

--- verify | call
SELECT code, key_id, tenant, detail FROM apikey.verify('<keytext>');
--- verify, every argument | call
SELECT code, key_id, tenant, detail FROM apikey.verify('<keytext>', '{a}', '192.0.2.9', 'GET', '/x', '<env>', '<tenant>', 1, 'agent', 'region', 'request', '{}', true);
--- verify, a revoked key | call
SELECT code, key_id, tenant, detail FROM apikey.verify('<gonetext>');
--- is_allowed | call
SELECT apikey.is_allowed('<keytext>');
--- verify_many | call
SELECT code, key_id, tenant, detail FROM apikey.verify_many('{<keytext>,<gonetext>}');
--- log_usage | call
SELECT apikey.log_usage(<key>, 200, '1 second', 1, 2, 'GET', '/x', '192.0.2.5', 'agent', 'region', 1, 'request', '{}');
--- authenticate | call
SELECT code, key_id, tenant, detail FROM apikey.authenticate('<keytext>');
--- authenticate, every argument | call
SELECT code, key_id, tenant, detail FROM apikey.authenticate('<keytext>', '{a}', '192.0.2.9', 'GET', '/x', '<env>', '<tenant>', 1, 'agent', 'region', 'request', '{}', true);
--- set_tenant | call
SELECT apikey.set_tenant('<tenant>') IS NOT NULL;
--- current_key_id | call
SELECT apikey.current_key_id();
--- current_tenant | call
SELECT apikey.current_tenant();
--- current_tenant_id | call
SELECT apikey.current_tenant_id();
--- current_scopes | call
SELECT apikey.current_scopes();
--- has_scope | call
SELECT apikey.has_scope('a');
--- my_tenants | call
SELECT apikey.my_tenants('any') IS NOT NULL;
--- sees_all | call
SELECT apikey.sees_all('any');
--- tenant_path | call
SELECT apikey.tenant_path(<tid>);
--- valid_scopes | call
SELECT apikey.valid_scopes('{a:b}');
--- valid_endpoints | call
SELECT apikey.valid_endpoints('{GET /a}');
--- valid_hours | call
SELECT apikey.valid_hours('{00:00-24:00}');
--- valid_limits | call
SELECT apikey.valid_limits('{"(m,1,1s,,)"}', '{}');
--- latency_percentile | call
SELECT apikey.latency_percentile(pg_catalog.decode('012d01', 'hex'), 0.5) IS NOT NULL;
--- latency_merge | call
SELECT apikey.latency_merge(pg_catalog.decode('012d01', 'hex')) IS NOT NULL;
--- ip_count | call
SELECT apikey.ip_count(pg_catalog.decode('0100000001', 'hex'));
--- ip_merge | call
SELECT apikey.ip_merge(pg_catalog.decode('0100000001', 'hex')) IS NOT NULL;
--- list_keys | call
SELECT count(*) > 0 FROM apikey.list_keys('<tenant>');
--- list_keys, every argument | call
SELECT count(*) FROM apikey.list_keys('<tenant>', 'x', '<env>', 'x', 'active', 0, 10);
--- flush_usage | call
SELECT apikey.flush_usage('60 s');
--- create_key | call
SELECT key IS NOT NULL FROM apikey.create_key('<tenant>', '<env>');
--- create_key, every argument | call
SELECT key IS NULL AND sealed IS NOT NULL FROM apikey.create_key('<tenant>', '<env>', 'name', 'owner', '{}', '<policy>', NULL, '1 day', '{}', '{tag}', '{}', '{}', NULL, '{<role>}', 16, 'thirty-two bytes of a public key', 'idem', NULL, 'description');
--- create_key, a child | call
SELECT key IS NOT NULL FROM apikey.create_key('<tenant>', '<env>', parent_key_id => <key>, cidrs => '{192.0.2.5/32}', endpoints => '{GET /**}', scopes => '{a}');
--- create_keys | call
SELECT count(*) FROM apikey.create_keys(2, '<tenant>', '<env>');
--- request_key | call
SELECT status FROM apikey.request_key('<tenant>', '<env>', reason => 'reason');
--- approve_key | call
SELECT key IS NOT NULL FROM apikey.approve_key(<asked>);
--- reject_key | call
SELECT status FROM apikey.reject_key(<asked>, 'reason');
--- claim_key, whose text is not there | call 55000
SELECT key IS NOT NULL FROM apikey.claim_key(<key>);
--- update_key | call
SELECT name FROM apikey.update_key(<key>, name => 'renamed', metadata => '{}', tags => '{a}');
--- suspend_key | call
SELECT status FROM apikey.suspend_key(<key>, 'reason');
--- resume_key | call
SELECT status FROM apikey.resume_key(<key>);
--- renew_key | call
SELECT status FROM apikey.renew_key(<key>, '2099-01-01');
--- rotate_key | call
SELECT key IS NOT NULL FROM apikey.rotate_key(<key>, '1 hour');
--- revoke_key | call
SELECT status FROM apikey.revoke_key(<key>, 'reason');
--- revoke_key, later | call
SELECT status FROM apikey.revoke_key(<key>, 'reason', '2099-01-01', false);
--- restore_key | call
SELECT status FROM apikey.restore_key(<gone>, 'reason');
--- delete_key | call
SELECT status FROM apikey.delete_key(<gone>);
--- revoke_keys | call
SELECT apikey.revoke_keys('<tenant>', '<env>', reason => 'reason') > 0;
--- revoke_keys, counted | call
SELECT apikey.revoke_keys('<tenant>', everything => true, dry_run => true) > 0;
--- transfer_owner | call
SELECT apikey.transfer_owner('<tenant>', 'nobody', 'somebody', 'reason') = 0;
--- delete_owner | call
SELECT apikey.delete_owner('<tenant>', 'nobody', 'somebody', 'reason') = 0;
--- orphan_key | call
SELECT status FROM apikey.orphan_key(<key>, 'reason');
--- add_credits | call
SELECT status FROM apikey.add_credits((SELECT key_id FROM apikey.create_key('<tenant>', '<env>', quotas => ARRAY[('q', 5, 'day', NULL, NULL)]::apikey.quota[])), 5, 'q', 'reason', 'idem');
--- reset_limits | call
SELECT status FROM apikey.reset_limits(<key>, 'reason');
--- revoke_secret | call
SELECT status FROM apikey.revoke_secret(<secret>, 'reason');
--- block_ip | call
SELECT apikey.block_ip('198.51.100.7', '<tenant>', 'reason') > 0;
--- block_ip, for all tenants | call
SELECT apikey.block_ip('198.51.100.7', NULL, 'reason') > 0;
--- unblock_ip | call
SELECT apikey.unblock_ip(<block>);
--- create_tenant | call
SELECT apikey.create_tenant('new', '<tenant>') > 0;
--- create_tenant, a root | call
SELECT apikey.create_tenant('newroot') > 0;
--- suspend_tenant | call
SELECT status FROM apikey.suspend_tenant('<tenant>', 'reason');
--- suspend_tenant, a child | call
SELECT status FROM apikey.suspend_tenant('<child>', 'reason');
--- resume_tenant | call
SELECT status FROM apikey.resume_tenant('<tenant>');
--- resume_tenant, a child | call
SELECT status FROM apikey.resume_tenant('<child>');
--- update_tenant | call
SELECT prefix FROM apikey.update_tenant('<tenant>', prefix => 'px', settings => '{}');
--- update_tenant, its limits | call
SELECT max_keys FROM apikey.update_tenant('<tenant>', 'px', 1000, 1000, '{}', array[('r', 1000, '1 second', null, null)::apikey.rate_limit], array[('q', 1000, 'day', null, null)::apikey.quota], '{}');
--- update_tenant, limits of a child | call
SELECT max_keys FROM apikey.update_tenant('<child>', max_keys => 1000);
--- move_tenant | call
SELECT tenant IS NOT NULL FROM apikey.move_tenant('<tenant>', NULL);
--- move_tenant, a child | call
SELECT tenant IS NOT NULL FROM apikey.move_tenant('<child>', '<tenant>');
--- set_budget | call
SELECT apikey.set_budget('<tenant>', 'b', 1000, 'day', 'UTC', 0.5, true) > 0;
--- set_budget, of a child | call
SELECT apikey.set_budget('<child>', 'b', 1000) > 0;
--- drop_budget, one that is not there | call 42704
SELECT apikey.drop_budget('<tenant>', 'nothing') > 0;
--- budgets | call
SELECT count(*) >= 0 FROM apikey.budgets();
--- cost_report | call
SELECT count(*) >= 0 FROM apikey.cost_report();
--- cost_report, every argument | call
SELECT count(*) >= 0 FROM apikey.cost_report('month', '<tenant>', 2);
--- report_html | call
SELECT apikey.report_html('<tenant>') IS NOT NULL;
--- report_html, of a time | call
SELECT apikey.report_html('<tenant>', '2020-01-01', '2020-01-02') IS NOT NULL;
--- set_price | call
SELECT apikey.set_price('<tenant>', '/x/*', 1, 1, 1, 'EUR', '2100-01-01 00:00+00', '2101-01-01 00:00+00', 'note', true) > 0;
--- end_price | call
SELECT apikey.end_price(apikey.set_price('<tenant>', '/y', 1, currency => 'EUR')) > 0;
--- create_environment | call
SELECT apikey.create_environment('<tenant>', 'new', 'tag', true, '<policy>', false, 'idem') > 0;
--- create_policy | call
SELECT apikey.create_policy('<tenant>', 'new', note => 'note') > 0;
--- set_policy | call
SELECT apikey.set_policy('<tenant>', '<policy>', grace => '1 hour', note => 'note') > 0;
--- update_environment | call
SELECT apikey.update_environment('<tenant>', '<env>', is_production => true, default_policy => '<policy>') > 0;
--- policy_history | call
SELECT count(*) FROM apikey.policy_history('<policy>', '<tenant>');
--- policy_diff | call
SELECT count(*) FROM apikey.policy_diff('<policy>', 1, 2, '<tenant>');
--- policy_check | call
SELECT count(*) FROM apikey.policy_check('<policy>', 1, '<tenant>');
--- policy_preview | call
SELECT count(*) FROM apikey.policy_preview('<policy>', allowed_cidrs => '{10.0.0.0/8}', tenant => '<tenant>');
--- policy_preview, of a time | call
SELECT count(*) FROM apikey.policy_preview('<policy>', requires_approval => true, since => '2020-01-01', until => '2020-01-02', tenant => '<tenant>');
--- rollback_policy | call
SELECT apikey.rollback_policy('<policy>', 1, '<tenant>', note => 'note', force => true) > 0;
--- cancel_policy_version, of one in force | call 55000
SELECT apikey.cancel_policy_version('<policy>', 1, '<tenant>', 'note') > 0;
--- create_role | call
SELECT apikey.create_role('<tenant>', 'new', '{a}', 'description') > 0;
--- update_role | call
SELECT apikey.update_role('<tenant>', '<role>', '{b}') > 0;
--- grant_access | call
SELECT apikey.grant_access('regress_atk_none', 'analyst', '<tenant>');
--- grant_access, all tenants | call
SELECT apikey.grant_access('regress_atk_none', 'analyst');
--- revoke_access | call
SELECT apikey.revoke_access('regress_atk_analyst', 'analyst', '<tenant>');
--- revoke_access, all tenants | call
SELECT apikey.revoke_access('regress_atk_all', 'admin');
--- enroll_totp | call
SELECT length(secret) FROM apikey.enroll_totp();
--- confirm_totp, without one | call 55000
SELECT apikey.confirm_totp('000000');
--- step_up, without one | call 28000
SELECT apikey.step_up('000000');
--- remove_totp | call
SELECT apikey.remove_totp();
--- remove_totp, of another role | call
SELECT apikey.remove_totp('regress_atk_rival');
--- mock_tenants | call
SELECT count(*) FROM apikey.mock_tenants(1);
--- mock_keys | call 55000
SELECT count(*) FROM apikey.mock_keys(1);
--- mock_usage | call 55000
SELECT count(*) FROM apikey.mock_usage(1, '2020-01-01', '2020-01-02');
--- ensure_partitions | call
SELECT apikey.ensure_partitions() >= 0;
--- refresh_rollups | call
SELECT apikey.refresh_rollups() >= 0;
--- recount_rollups | call
SELECT apikey.recount_rollups('2020-01-01', '2020-01-02', false) = 0;
--- drop_old_partitions | call
SELECT apikey.drop_old_partitions() >= 0;
--- attach_partition | call 42704
SELECT apikey.attach_partition('usage_19700101');
--- set_usage_class | call
SELECT apikey.set_usage_class('atk', '400 days') IS NOT NULL;
--- assign_usage_class | call
SELECT apikey.assign_usage_class('<tenant>', NULL) IS NOT NULL;
--- rewrap_keyring | call
SELECT apikey.rewrap_keyring() > 0;
--- check_setup | call
SELECT count(*) >= 0 FROM apikey.check_setup();
