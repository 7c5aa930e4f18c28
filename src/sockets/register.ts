// For `node --import anybpf/register app.js`: the sockets of an unmodified Node program obey a policy.
//
// ANYBPF_POLICY names it: an object, or JSON with an object and what its maps hold (policy-file.ts). Without it the programs that are
// attached in the service decide (ANYBPF_SOCKET; else the usual place). Worker threads and Node processes that the program starts are
// registered too: threads inherit the option, processes by NODE_OPTIONS. What cannot be decided is refused with EACCES.
import process from 'node:process';
import { isMainThread, workerData } from 'node:worker_threads';
import { AnyBpfError, formatDiagnostic } from '../base/diagnostic.ts';
import { createRuntime } from '../context/create.ts';
import { nodeHost } from '../hosts/node/host.ts';
import type { HookEvent, HookVerdict } from '../spec/session.ts';
import { Asker } from './ask.ts';
import { type Decision, decideNow, type SocketEvent } from './events.ts';
import { type NodeHooks, watchSockets } from './node-handles.ts';
import { readPolicyFile } from './policy-file.ts';
import { attachPolicy } from './policy.ts';

const EACCES = 13;
const REFUSED: Decision = { allowed: false, errno: EACCES };

/** A thread of ours that connects to the service must not ask itself. */
const ours = (): boolean =>
  !isMainThread && typeof workerData === 'object' && workerData !== null && 'anybpfAsk' in workerData;

async function hooks(): Promise<NodeHooks> {
  const { ANYBPF_POLICY: file, ANYBPF_SOCKET: socket } = process.env;
  if (file !== undefined && file !== '') {
    const { name, object, entries } = readPolicyFile(file);
    const runtime = createRuntime({ host: nodeHost() });
    const { asked, asks } = await attachPolicy(runtime, name, object, entries);
    const fire = (event: HookEvent): HookVerdict => runtime.callNow('hook.fire', event) as HookVerdict;
    return { asks, decide: (event) => sure(event, () => decideNow(event, fire, asked)) };
  }
  const asker = new Asker(socket);
  const fire = (event: HookEvent): HookVerdict => asker.fire(event);
  return { asks: () => true, decide: (event) => sure(event, () => decideNow(event, fire)) };
}

let complained = false;

/** What fails is refused, and said once. */
function sure(event: SocketEvent, decide: () => Decision): Decision {
  try {
    return decide();
  } catch (error) {
    if (!complained) {
      complained = true;
      const why = error instanceof AnyBpfError ? formatDiagnostic(error.diagnostic) : String(error);
      process.stderr.write(`anybpf: ${event.operation} is refused, as is all that cannot be decided: ${why}\n`);
    }
    return REFUSED;
  }
}

/** Processes that this one starts read it. */
function passOn(): void {
  const option = `--import=${import.meta.url}`;
  const given = process.env['NODE_OPTIONS'] ?? '';
  if (!given.includes(option)) process.env['NODE_OPTIONS'] = given === '' ? option : `${given} ${option}`;
}

if (!ours()) {
  try {
    watchSockets(await hooks());
    passOn();
  } catch (error) {
    // Without its policy the program must not begin.
    if (!(error instanceof AnyBpfError)) throw error;
    process.stderr.write(`anybpf: ${formatDiagnostic(error.diagnostic)}\n`);
    process.exit(1);
  }
}
