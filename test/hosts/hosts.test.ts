// Hosts: what the memory host fixes, what Node shows, and platforms that a third party extends.
import { describe, expect, test } from 'vitest';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { SteppedClock } from '../../src/hosts/memory/clock.ts';
import { DEFAULT_PROCESS, memoryHost } from '../../src/hosts/memory/host.ts';
import { seededRandom } from '../../src/hosts/memory/random.ts';
import { nodeHost } from '../../src/hosts/node/host.ts';
import { builtInPlatform, makePlatform } from '../../src/hosts/platform.ts';
import { loadObject } from '../../src/run/loader.ts';
import { type HelperFamily, helper } from '../../src/spec/helper.ts';
import type { Harness, ProgramTypeRow } from '../../src/spec/program.ts';
import { ipv4Frame, objectSpec } from '../run/support.ts';

const FRAME = ipv4Frame();

describe('the memory host', () => {
  test('its clocks move only when they are read, or are moved', () => {
    const { services, clock } = memoryHost({ clock: { monotonic: 100n, realtime: 5000n, step: 10n } });
    expect([services.clock.monotonic(), services.clock.boot(), services.clock.realtime()]).toEqual([100n, 110n, 5020n]);
    clock.advance(1000n);
    expect(services.clock.monotonic()).toBe(1130n);
    expect(services.clock.tai() - services.clock.realtime()).toBe(37_000_000_000n - 10n);
  });

  test('its random numbers are xoshiro128**’s of the seed, and look random', () => {
    const [a, b] = [seededRandom(7), seededRandom(7)];
    const numbers = Array.from({ length: 4096 }, a);
    expect(numbers).toEqual(Array.from({ length: 4096 }, b));
    expect(new Set(numbers).size).toBeGreaterThan(4090);
    expect(numbers.every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 32)).toBe(true);
    const ones = numbers.reduce((sum, n) => sum + n.toString(2).replaceAll('0', '').length, 0);
    expect(Math.abs(ones / 4096 - 16)).toBeLessThan(0.25);
  });

  test('trace lines are kept, the oldest go', () => {
    const host = memoryHost();
    for (let i = 0; i < 10_005; i++) host.services.trace(`line ${i}`);
    expect(host.traceLines.length).toBe(10_000);
    expect(host.traceLines[0]).toBe('line 5');
  });

  test.each([{ cpus: 0 }, { cpus: 1.5 }, { cpus: 2, cpu: 2 }, { clock: { step: -1n } }])('%o is refused', (options) => {
    expect(() => memoryHost(options)).toThrow(AnyBpfError);
    expect(() => new SteppedClock({ step: 1n })).not.toThrow();
  });

  test('its process and a program that asks for it', () => {
    const host = memoryHost({ process: { pid: 7, tgid: 6 } });
    expect(host.services.process()).toEqual({ ...DEFAULT_PROCESS, pid: 7, tgid: 6 });
    using object = loadObject(objectSpec([{ type: 'kprobe', text: 'call bpf_get_current_pid_tgid\nexit' }]), { host });
    expect(object.program().run().retval).toBe(7);
  });
});

describe('the Node host', () => {
  const { services } = nodeHost();

  test('shows this process', () => {
    const self = services.process();
    expect(self.pid).toBe(process.pid);
    expect(self.uid).toBe(process.getuid?.() ?? 0);
    expect(self.comm.length).toBeGreaterThan(0);
    expect(self.comm.length).toBeLessThanOrEqual(15);
    expect(self.processStartKey).toBeGreaterThan(0n);
    expect(services.cpus).toBeGreaterThan(0);
    expect(services.cpu()).toBeLessThan(services.cpus);
  });

  test('its clocks run', async () => {
    const { clock } = services;
    const [m, b, r, t] = [clock.monotonic(), clock.boot(), clock.realtime(), clock.tai()];
    expect(b).toBeGreaterThanOrEqual(m - 1_000_000n);
    expect(Math.abs(Number(r / 1_000_000n) - Date.now())).toBeLessThan(5000);
    expect(Number(t - r)).toBeGreaterThanOrEqual(37e9);
    await new Promise((done) => setTimeout(done, 20));
    expect(clock.monotonic() - m).toBeGreaterThan(15_000_000n);
  });

  test('its random numbers differ, its interfaces have MTUs', () => {
    expect(new Set(Array.from({ length: 3000 }, () => services.random32())).size).toBeGreaterThan(2990);
    expect(services.network.mtu(1)).toBeGreaterThan(0);
  });

  test('runs programs', () => {
    const lines: string[] = [];
    const host = nodeHost({ trace: (line) => lines.push(line) });
    using object = loadObject(objectSpec([{ text: 'call bpf_ktime_get_ns\nr0 >>= 32\nexit' }]), { host });
    expect(object.program().run({ data: FRAME }).retval).toBe(
      Number(BigInt.asUintN(32, process.hrtime.bigint() >> 32n)),
    );
  });
});

describe('platforms', () => {
  test('helpers are known by number and program type', () => {
    const linux = builtInPlatform('linux');
    expect(linux.helper(1, 'xdp')?.name).toBe('map_lookup_elem');
    expect(linux.helper(44, 'xdp')?.name).toBe('xdp_adjust_head');
    expect(linux.helper(44, 'sched_cls')).toBeUndefined();
    expect(linux.helper(4711, 'xdp')).toBeUndefined();
    expect(linux.helperName(44)).toBe('xdp_adjust_head');
    const windows = builtInPlatform('windows');
    expect(windows.helper(5, 'bind')?.name).toBe('tail_call');
    expect(windows.helper(0x10000, 'xdp')?.name).toBe('xdp_adjust_head');
    expect(windows.helper(0x10000, 'bind')).toBeUndefined();
    expect(windows.programType('sched_cls')).toBeUndefined();
    expect(windows.mapType('lpm_trie')?.type).toBe('lpm_trie');
    expect(windows.mapType('devmap')).toBeUndefined();
  });

  /** A helper and a program type that AnyBPF does not have, as a third party writes them. */
  const counting: HelperFamily = {
    family: 'counting',
    doc: 'Of a third party',
    helpers: [
      helper({
        name: 'sum_bytes',
        numbers: { linux: 100_000 },
        args: ['mem', 'size'],
        returns: 'integer',
        doc: 'The sum of some bytes.',
        body: ({ memory }, at, size) => memory.u8.subarray(at, at + size).reduce((sum, byte) => sum + byte, 0),
      }),
    ],
  };
  const netevent: ProgramTypeRow = {
    type: 'netevent',
    contexts: {
      linux: {
        name: 'struct event',
        size: 8,
        fields: { value: { offset: 0, size: 8, kind: 'scalar', access: 'read' } },
      },
    },
    attachTypes: ['netevent'],
    returns: [],
    verdicts: { linux: { EVENT_SEEN: 36n } },
    families: ['map'],
    harness: ({ memory }): Harness => {
      const ctx = memory.alloc(8);
      const region = memory.addRegion({ base: ctx, size: 8, kind: 'context', name: 'struct event', writable: false });
      return {
        start({ args: [value = 0n] = [] }) {
          memory.view.setBigUint64(ctx, value, true);
          return { ctx, packet: undefined };
        },
        finish: (r0) => ({ retval: Number(BigInt.asUintN(32, r0)) }),
        dispose() {
          memory.removeRegion(region);
          memory.free(ctx);
        },
      };
    },
    doc: 'Of a third party.',
  };

  test('a third party adds a helper and a program type without touching ours', () => {
    const built = makePlatform('linux');
    const platform = built.with({ families: [counting], programTypes: [netevent] });
    const host = memoryHost({ platforms: { linux: platform } });
    const spec = objectSpec([{ type: 'netevent', text: 'r2 = 8\ncall 100000\nexit' }]);
    using object = loadObject(spec, { host });
    expect(object.program().run({ args: [0x0102_0304_0506_0708n] })).toMatchObject({
      retval: 36,
      verdict: 'EVENT_SEEN',
    });
    // Ours, too, may call it; the platform that it came from does not know it.
    expect(platform.helper(100_000, 'xdp')?.name).toBe('sum_bytes');
    expect(platform.helper(2, 'netevent')?.name).toBe('map_update_elem');
    expect(built.helper(100_000, 'xdp')).toBeUndefined();
    expect(built.programType('netevent')).toBeUndefined();
    expect(() => loadObject(spec, { host: memoryHost() }).program().run()).toThrow(/no program type netevent/);
  });
});
