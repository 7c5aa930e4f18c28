// Runs an unmodified command whose sockets obey programs in the kernel: a control group of its own, the programs attached to it, the command
// started inside. The kernel asks the programs itself, so nobody can change an address between; only who may write to the hierarchy of groups
// (root) can leave. The policy lives as long as this process: its links are descriptors.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { fail } from '../base/diagnostic.ts';
import { noCgroup } from '../base/messages/sockets.ts';
import { cgroupFolder } from '../hosts/linux/places.ts';
import type { Session } from '../spec/session.ts';
import { exitCodeOf } from './exit-code.ts';
import { type Attached, attachPolicy, type PolicyEntry } from './policy.ts';
import type { Supervised } from './supervise.ts';

export interface CgroupOptions {
  /** With the kernel (hosts/linux). The programs stay attached until it closes. */
  readonly session: Session;
  /** Of the object, for diagnostics. */
  readonly name: string;
  readonly object: Uint8Array;
  readonly entries?: readonly PolicyEntry[];
  readonly command: string;
  readonly args?: readonly string[];
  readonly stdio?: 'inherit' | 'pipe';
}

export interface CgroupSupervised extends Supervised {
  readonly attached: Attached;
}

/** Moves itself into the group and becomes the command: no moment of it is outside. */
const ENTER = 'echo $$ > "$0" && exec "$@"';
const PAUSE_MS = 20;

let made = 0;

/**
 * Starts a command in a control group of its own, with the object's socket programs attached to it. The group goes when the last process in it
 * has ended.
 *
 * @throws AnyBpfError sockets/cgroup where no group can be made; sockets/no-programs; as object.load and link.create do, for what the kernel
 *   refuses
 */
export async function superviseByCgroup(options: CgroupOptions): Promise<CgroupSupervised> {
  const { session, name, object, entries, command, args = [], stdio = 'inherit' } = options;
  const cgroup = `/anybpf-${process.pid}-${made++}`;
  const folder = makeGroup(cgroup);
  try {
    const attached = await attachPolicy(session, name, object, entries, { cgroup });
    const procs = path.join(folder, 'cgroup.procs');
    const child = spawn('/bin/sh', ['-c', ENTER, procs, command, ...args], { stdio });
    const exit = exitCodeOf(child, command);
    const ended = exit.finally(() => emptied(folder)).finally(() => rmdirSync(folder));
    return { attached, child, ended };
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
}

function makeGroup(cgroup: string): string {
  const folder = cgroupFolder('supervise', cgroup);
  try {
    mkdirSync(folder);
    return folder;
  } catch (error) {
    return fail(noCgroup({}, folder, (error as NodeJS.ErrnoException).code ?? String(error)), error);
  }
}

/** Waits until no process is in the group. */
async function emptied(folder: string): Promise<void> {
  const events = path.join(folder, 'cgroup.events');
  while (/^populated 1$/m.test(readFileSync(events, 'utf8'))) await setTimeout(PAUSE_MS);
}
