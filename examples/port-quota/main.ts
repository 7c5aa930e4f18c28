// Runs port_quota on the running service: anybpf service start.
import { readFile } from 'node:fs/promises';
import { connect } from 'anybpf/client';
import { portQuota } from './port-quota.ts';

const session = await connect();
try {
  if (!(await portQuota(session, process.argv.slice(2), readFile, (text) => process.stdout.write(text)))) {
    console.error('usage: port_quota load FILE | limit PORTS | stats | unload');
    process.exitCode = 2;
  }
} finally {
  await session.close();
}
