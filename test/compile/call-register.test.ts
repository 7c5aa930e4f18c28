// A call of a helper through a register is a call of that helper: by its own context, with its callbacks and tail calls.
import { describe, expect, test } from 'vitest';
import { ENGINES } from '../../src/run/engines.ts';
import type { EngineName } from '../../src/spec/backend.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { loadObject } from '../../src/run/loader.ts';
import { mapSpec, objectSpec, loadText } from '../run/support.ts';

const NAMES = Object.keys(ENGINES) as EngineName[];
const packetOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => (length + at) & 0xff);
const PACKETS = [64, 90, 70, 128, 64].map(packetOf);

/** Goes on with an element of the prog_array. */
const goingOn = (index: number): string => `r2 = map[targets] ll
  r3 = ${index}
  r6 = 12
  callx r6
  call bpf_get_smp_processor_id
  r0 += 7
  exit`;

describe.each(NAMES)('%s', (engine) => {
  test('in a batch each run has its own packet: helpers', () => {
    // bpf_xdp_get_buff_len
    using object = loadText('xdp', 'r2 = 188\ncallx r2\nexit', { options: { engine } });
    expect([...object.program().runBatch(PACKETS)]).toEqual(PACKETS.map(({ length }) => length));
  });

  test('in a batch each run has its own packet: loads from packets', () => {
    using object = loadText('socket_filter', 'r6 = r1\nr0 = *(u8 *)skb[20]\nexit', { options: { engine } });
    const expected = PACKETS.map((data) => object.program().runRaw({ data }));
    expect(new Set(expected).size).toBeGreaterThan(2);
    expect([...object.program().runBatch(PACKETS)]).toEqual(expected);
  });

  test('a tail call through a register goes on with its target, and nothing else does', () => {
    const maps = [
      mapSpec('targets', 'prog_array', {
        maxEntries: 2,
        slots: [{ index: 0, kind: 'program', target: 'target' }],
      }),
    ];
    const programs = [
      { name: 'hit', type: 'xdp' as const, text: goingOn(0) },
      { name: 'miss', type: 'xdp' as const, text: goingOn(1) },
      { name: 'target', type: 'xdp' as const, text: 'r0 = 99\nexit' },
    ];
    using object = loadObject(objectSpec(programs, maps), { host: memoryHost(), engine });
    const run = (name: string): number => object.program(name).run({ data: PACKETS[0] }).retval;
    expect([run('hit'), run('miss'), run('hit')]).toEqual([99, 7, 99]);
  });

  test('a callback of a helper that is called through a register', () => {
    // bpf_loop
    const text = `
      *(u64 *)(r10 - 8) = 0
      r1 = 5
      r2 = step ll
      r3 = r10
      r3 += -8
      r4 = 0
      r6 = 181
      callx r6
      r0 = *(u64 *)(r10 - 8)
      exit
      step:
      *(u64 *)(r10 - 8) = r1
      r3 = *(u64 *)(r10 - 8)
      r4 = *(u64 *)(r2 + 0)
      r4 += r3
      *(u64 *)(r2 + 0) = r4
      r0 = 0
      exit`;
    using object = loadText('xdp', text, { options: { engine } });
    expect(object.program().run({ data: PACKETS[0] }).retval).toBe(10);
  });
});
