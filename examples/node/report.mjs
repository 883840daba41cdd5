// node report.mjs [DAYS]
//
// Usage of the last days, for each tenant that the database role may see: what
// was accepted and denied and why, who uses it most, which keys need somebody.
// Where to connect to is said as to psql: PGHOST, PGPORT, PGDATABASE, PGUSER,
// PGPASSWORD, or DATABASE_URL.

import pg from 'pg';

const days = Number(process.argv[2] ?? 7);
if (!Number.isInteger(days) || days < 1 || days > 90) {
	console.error('usage: node report.mjs [DAYS], 1 to 90');
	process.exit(2);
}

const url = process.env.DATABASE_URL;
const client = new pg.Client(url ? { connectionString: url } : {});

// Names of keys and owners are whatever somebody typed: no control characters
// reach the terminal.
const shown = value => value === null ? '-' : String(value).replace(/\p{C}/gu, '?');

function table(title, { fields, rows }) {
	console.log(`\n${title}`);
	if (rows.length === 0) {
		console.log('  nothing');
		return;
	}
	const names = fields.map(f => f.name);
	const cells = [names, ...rows.map(row => names.map(n => shown(row[n])))];
	const widths = names.map((_, i) => Math.max(...cells.map(c => c[i].length)));
	for (const line of cells)
		console.log('  ' + line.map((text, i) => text.padEnd(widths[i])).join('  ').trimEnd());
}

try {
	await client.connect();

	table(`Requests of the last ${days} days`, await client.query(
		`SELECT e.tenant, e.environment,
		        sum(r.accepted) AS accepted, sum(r.denials) AS denied,
		        round(100 * sum(r.denials) / sum(r.requests), 2) AS "denied %"
		   FROM apikey.usage_requests r JOIN apikey.environment_label e USING (environment_id)
		  WHERE r.hour >= date_trunc('day', now(), 'UTC') - ($1::int - 1) * interval '1 day'
		  GROUP BY 1, 2 ORDER BY 1, 2`, [days]));

	table('Why they were denied', await client.query(
		`SELECT e.tenant, d.code, sum(d.denials) AS requests, count(DISTINCT d.key_id) AS keys,
		        apikey.ip_count(apikey.ip_merge(d.ips)) AS addresses
		   FROM apikey.usage_daily d JOIN apikey.environment_label e USING (environment_id)
		  WHERE d.day > (now() AT TIME ZONE 'UTC')::date - $1::int AND d.denials > 0
		  GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 20`, [days]));

	table('Busiest keys of the last 24 hours', await client.query(
		`SELECT tenant, rank, coalesce(name, key_id::text) AS key, owner, requests, denials, p95_ms
		   FROM apikey.top_keys WHERE rank <= 5 ORDER BY tenant, rank LIMIT 20`));

	table('Keys that need somebody', await client.query(
		`SELECT tenant, coalesce(name, key_id::text) AS key, owner, health, array_to_string(problems, ', ') AS problems
		   FROM apikey.key_health WHERE health <> 'good' ORDER BY health, tenant, key_id LIMIT 20`));
} catch (error) {
	// what pg says where the server asks for a password and there is none
	const hint = /password must be a string/.test(error.message) ? 'no password: set PGPASSWORD' : error.hint;
	console.error(`${error.message}${hint ? ` (${hint})` : ''}`);
	process.exitCode = 1;
} finally {
	await client.end().catch(() => {});
}
