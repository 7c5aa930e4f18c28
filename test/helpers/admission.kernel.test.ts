// Asks the running kernel, for each program type and each helper, whether the type may call it and whether only with a GPL
// licence, and compares the platform's answer. The program is just the call: the kernel refuses a helper that the type has not
// before it looks at the arguments.
import { describe, expect, test } from 'vitest';
import { HELPER_FAMILIES } from '../../src/helpers/index.ts';
import { builtInPlatform } from '../../src/hosts/platform.ts';
import { PROGRAM_TYPE_ROWS } from '../../src/programs/index.ts';
import type { HelperRow } from '../../src/spec/helper.ts';
import type { AttachTypeName, ProgramTypeName } from '../../src/spec/program-types.ts';
import { close, progLoad } from '../support/bpf.ts';
import { requireCapability } from '../support/capability.ts';

const missing = requireCapability('kernel-bpf');
const platform = builtInPlatform('linux');
const rows = HELPER_FAMILIES.flatMap(({ helpers }) => helpers).filter(({ numbers }) => numbers.linux !== undefined);

/** Types for which the kernel wants something else first (a BTF target, a compiled-in subsystem). */
const NOT_ASKED: readonly ProgramTypeName[] = ['tracing', 'lsm', 'ext', 'struct_ops', 'lirc_mode2', 'syscall'];

/** Attach type to load with, where the type cannot be loaded without one. */
const ATTACH: { readonly [P in ProgramTypeName]?: AttachTypeName } = {
  cgroup_sock_addr: 'cgroup_inet4_connect',
  cgroup_sockopt: 'cgroup_setsockopt',
  sk_lookup: 'sk_lookup',
  netfilter: 'netfilter',
};

/** Depends on how the kernel was built and locked down, not on the type. */
const NOT_COMPARED: readonly string[] = ['override_return', 'probe_write_user'];

function callOnly(number: number): Uint8Array {
  const code = new Uint8Array(16);
  const view = new DataView(code.buffer);
  code[0] = 0x85;
  view.setInt32(4, number, true);
  code[8] = 0x95;
  return code;
}

function log(type: ProgramTypeName, row: HelperRow, license: string): string {
  const attachType = ATTACH[type];
  const loaded = progLoad({
    type,
    code: callOnly(row.numbers.linux ?? 0),
    license,
    logLevel: 1,
    ...(attachType === undefined ? {} : { attachType }),
  });
  if (loaded.fd >= 0) close(loaded.fd);
  return loaded.fd >= 0 ? 'loaded' : loaded.log;
}

describe.skipIf(missing !== undefined)('helpers of program types, as the running kernel admits them', () => {
  const types = PROGRAM_TYPE_ROWS.filter(
    ({ type, contexts }) => contexts.linux !== undefined && !NOT_ASKED.includes(type),
  );
  test.each(types)('$type', ({ type }) => {
    const kernel: string[] = [];
    const ours: string[] = [];
    for (const row of rows) {
      if (NOT_COMPARED.includes(row.name)) continue;
      if (platform.helper(row.numbers.linux ?? 0, type) === row) ours.push(row.name);
      const answer = log(type, row, 'GPL');
      expect(answer, row.name).not.toBe('');
      if (!/cannot use helper|unknown func/.test(answer)) kernel.push(row.name);
    }
    expect(ours).toEqual(kernel);
  });

  // perf_event has a form of get_stackid of its own that asks for no licence.
  test('GPL-only helpers', () => {
    for (const type of ['kprobe', 'sched_cls', 'sk_msg', 'sock_ops'] as const) {
      for (const row of rows) {
        if (platform.helper(row.numbers.linux ?? 0, type) !== row || NOT_COMPARED.includes(row.name)) continue;
        const gplOnly = log(type, row, 'proprietary').includes('GPL');
        expect(row.gplOnly ?? false, `${type}: ${row.name}`).toBe(gplOnly);
      }
    }
  });
});
