// An engine of ours in a process of its own, of any version of Node: nothing else is compiled there, and runtimes can be measured by
// turns. `remote` gives what `ours` of peers.mjs gives, with promises. The process is this file; it reads requests, a line of
// JSON each, and answers each with a line.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PACKETS, PROGRAMS } from './inputs.mjs';

/**
 * @param node path of the runtime
 * @param name of PROGRAMS
 * @param options for loadObject
 */
export async function remote(node, name, options) {
  const child = spawn(node, [import.meta.filename, name, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} in ${node}: the process ended`);
    return JSON.parse(value);
  };
  const ask = (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    return next();
  };
  const { version, candidates, most } = await next();
  return {
    version,
    verdicts: () => ask({ op: 'verdicts' }),
    candidates: Object.fromEntries(
      candidates.map((candidate) => [
        candidate,
        { unit: PACKETS, ...(most === null ? {} : { most }), time: (calls) => ask({ op: 'time', candidate, calls }) },
      ]),
    ),
    dispose: () => child.stdin.end(),
  };
}

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function serve(name, options) {
  const { objectOf, ours } = await import('./peers.mjs');
  const runner = ours(objectOf(name), PROGRAMS[name], options);
  const OPERATIONS = {
    verdicts: () => runner.verdicts(),
    time: ({ candidate, calls }) => {
      const { before, time } = runner.candidates[candidate];
      before();
      return time(calls);
    },
  };
  const { most = null } = PROGRAMS[name];
  answer({ version: process.version, candidates: Object.keys(runner.candidates), most });
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    answer(OPERATIONS[request.op](request));
  }
  runner.dispose();
}

if (process.argv[1] === import.meta.filename) await serve(process.argv[2], JSON.parse(process.argv[3]));
