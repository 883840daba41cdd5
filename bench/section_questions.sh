# section_questions.sh: what people ask of usage, at a tenth of QUESTIONS rows
# and at all of them.  A database of its own, with mock data: ten days, the last
# of them first, so that the second figure stands for ten times the history at
# the same traffic.  What asks for a time reads one partition both times and
# should not grow; what asks for all times may.  Medians of five after one that
# fills caches, no writer beside them; "cold" is that first one, with nothing in
# shared buffers and whatever the kernel has.  PLANS=file keeps the plans.

say "Making $QUESTIONS rows of mock usage"
sql -c "CREATE DATABASE questions" >/dev/null
sql -d questions -c "SET client_min_messages = warning; CREATE EXTENSION apikey CASCADE" >/dev/null
sql -d questions -f bench/questions.sql >/dev/null
sql -d questions <<-'SQL' >/dev/null
	SELECT count(*) FROM apikey.mock_tenants(20);
	SELECT count(*) FROM apikey.mock_keys(2000);
	CREATE TABLE bench.span AS SELECT date_trunc('day', now(), 'UTC') AS until;
SQL

# questions_load ROWS SINCE-DAYS UNTIL-DAYS SEED: seconds of loading, of counting
questions_load()
{
	sql -d questions <<-SQL
		SET timezone = 'UTC';
		SELECT clock_timestamp() AS t0, until - interval '$2 days' AS since, until - interval '$3 days' AS until FROM bench.span \gset
		SELECT sum(rows) AS made FROM apikey.mock_usage($1, :'since', :'until', $4) \gset
		SELECT 1 / (:made = $1)::int AS complete \gset
		SELECT clock_timestamp() AS t1 \gset
		SELECT apikey.refresh_rollups() IS NOT NULL AS counted \gset
		SELECT round(extract(epoch FROM :'t1'::timestamptz - :'t0')) || ' s, counted in '
			|| round(extract(epoch FROM clock_timestamp() - :'t1')) || ' s';
	SQL
}

# questions_ask ROWS
questions_ask()
{
	local n
	sql -d questions -c "VACUUM ANALYZE" >/dev/null
	sql -d questions <<<"SELECT format('CALL bench.about(%L)', until) FROM bench.span \\gexec" >/dev/null
	cluster_stop "$work"
	cluster_start "$work"
	for n in $(sql -d questions -c "SELECT n FROM bench.question ORDER BY n"); do
		sql -d questions -c "CALL bench.ask($1, $n)" >/dev/null
	done
}

tenth=$((QUESTIONS / 10))
say "The last day, $tenth rows: $(questions_load "$tenth" 1 0 1)"
questions_ask "$tenth"
for day in 1 2 3 4 5 6 7 8 9; do
	say "A day before, $tenth rows: $(questions_load "$tenth" "$((day + 1))" "$day" "$((day + 1))")"
done
QUESTIONS=$((10 * tenth))
questions_ask "$QUESTIONS"
sql -d questions -c "SELECT format('| %s, %s rows | %s ms | %s rows | %s ms | %s | | cold %s ms; %s rows found; %s |', q.title, b.size,
		round(b.ms::numeric, 2), a.size, round(a.ms::numeric, 2), round((b.ms / a.ms)::numeric, 2), round(b.cold::numeric, 1), b.rows,
		pg_size_pretty((SELECT sum(pg_total_relation_size(i.inhrelid)) FROM pg_inherits i WHERE i.inhparent = 'apikey.usage'::regclass)))
	FROM bench.question q JOIN bench.answer a ON a.n = q.n AND a.size = $tenth JOIN bench.answer b ON b.n = q.n AND b.size = $QUESTIONS
	ORDER BY q.n" | tee -a "$stage/rows"
sql -d questions -c "SELECT '### ' || q.title || E'\n\n' || '\`\`\`text' || E'\n' || a.plan || '\`\`\`' || E'\n'
	FROM bench.question q JOIN bench.answer a USING (n) WHERE a.size = $QUESTIONS ORDER BY n" >"$stage/plans"
sql -c "DROP DATABASE questions WITH (FORCE)" -c "DROP ROLE bench_analyst, bench_auditor" >/dev/null
