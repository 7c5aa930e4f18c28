// A service on a state directory, for tests that kill it: `node crash-service.mjs DIST SOCKET STATE OPTIONS`. Writes one line of JSON when it
// takes requests, or what kept it from that.
import { join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const [dist, socket, state, options] = process.argv.slice(2);
const { startService } = await import(pathToFileURL(join(dist, 'service/start.js')));
const reports = [];
const durable = { ...JSON.parse(options), report: (diagnostic) => reports.push(diagnostic) };
try {
  await startService({ socket, version: 'crash-test', state, durable });
  const { user, system } = process.cpuUsage();
  process.stdout.write(`${JSON.stringify({ ready: true, reports, cpu: (user + system) / 1000 })}\n`);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ ready: false, why: String(error) })}\n`);
  process.exit(1);
}
