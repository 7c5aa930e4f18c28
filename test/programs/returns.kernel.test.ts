// Return values at exit: our rules against this kernel's verifier, for every program type and attach type that can be loaded alone.
import { describe, expect, test } from 'vitest';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import type { ProgramTypeRow } from '../../src/spec/program.ts';
import { ATTACH_TYPES, type AttachTypeName } from '../../src/spec/program-types.ts';
import { programSpec } from '../run/support.ts';
import { close, progLoad } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';

/** Needs more than code to be loaded: an attach target, a context size, sleepable. */
const NOT_ALONE = new Set(['tracing', 'lsm', 'ext', 'struct_ops', 'syscall', 'lirc_mode2']);
const VALUES = [-2, -1, 0, 1, 2, 3, 4, 5, 255, 0x7fff_ffff];

function admits({ returns }: ProgramTypeRow, attach: AttachTypeName | undefined, value: number): boolean {
  const rules = returns.filter(
    (rule) => rule.attach === undefined || (attach !== undefined && rule.attach.includes(attach)),
  );
  return rules.length === 0 || rules.some(({ min, max }) => BigInt(value) >= min && BigInt(value) <= max);
}

const cases = PROGRAM_TYPE_ROWS.filter((row) => row.contexts.linux !== undefined && !NOT_ALONE.has(row.type)).flatMap(
  (row) => {
    const attaches: (AttachTypeName | undefined)[] = row.attachTypes.filter((name) => 'linux' in ATTACH_TYPES[name]);
    if (attaches.length === 0 || ['xdp', 'sched_cls', 'kprobe', 'raw_tracepoint', 'perf_event'].includes(row.type))
      attaches.push(undefined);
    return attaches.map((attach) => ({ row, type: row.type, attach }));
  },
);

const missing = requireCapability('kernel-bpf');

describe.skipIf(missing !== undefined)('return values', () => {
  test.each(cases)('$type $attach', ({ row, type, attach }) => {
    const load = (value: number) => {
      const { code } = programSpec({ type, text: `r0 = ${value}\nexit` });
      const { fd } = progLoad({ type, code, license: 'GPL', ...(attach === undefined ? {} : { attachType: attach }) });
      if (fd >= 0) close(fd);
      return fd >= 0;
    };
    const kernel = VALUES.filter(load);
    expect(VALUES.filter((value) => admits(row, attach, value))).toEqual(kernel);
    expect(kernel).not.toEqual([]);
  });
});
