// File systems that eBPF speaks through: bpffs for pins, cgroup2 for control groups, tracefs for tracepoints.
import { mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checked } from './errors.ts';
import { native } from './native.ts';

export interface Mount {
  readonly path: string;
  readonly type: string;
}

/** Characters that /proc/self/mounts gives in octal. */
const unescaped = (word: string): string =>
  word.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** What is mounted, the first mounted first. */
export function mounts(type: string): readonly Mount[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, where = '', kind] = line.split(' ');
      return kind === type ? [{ path: unescaped(where), type: kind }] : [];
    });
}

const MNT_DETACH = 2;
const UNDER_DEBUGFS = '/sys/kernel/debug/tracing';

/** Calls with a folder of tracefs: where one is mounted, else one that is there only for the call. */
export function withTracefs<T>(operation: string, body: (folder: string) => T): T {
  const [mounted] = mounts('tracefs');
  if (mounted !== undefined) return body(mounted.path);
  if (mounts('debugfs').length > 0) return body(UNDER_DEBUGFS);
  const folder = mkdtempSync(path.join(tmpdir(), 'anybpf-tracefs-'));
  try {
    checked(operation, native().mount('tracefs', folder, 'tracefs', 0), {}, 'tracefs cannot be mounted');
    try {
      return body(folder);
    } finally {
      // What was opened in it stays open.
      native().unmount(folder, MNT_DETACH);
    }
  } finally {
    rmdirSync(folder);
  }
}
