// Prototypes of the functions that are called, the plan for each method, attach parameters and GUIDs, WinDivert's addresses.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { HOOK_ROWS } from '../../../src/context/hooks/rows.ts';
import {
  ATTACH_PARAMETERS,
  attachParameter,
  guidBytes,
  guidText,
  type WindowsAttachType,
} from '../../../src/hosts/windows/attach.ts';
import { EBPF_API, KERNEL32, WINDIVERT, WINTUN } from '../../../src/hosts/windows/calls.ts';
import { WINDOWS_COMMANDS } from '../../../src/hosts/windows/commands.ts';
import { WINDOWS_METHODS } from '../../../src/hosts/windows/methods.ts';
import {
  readAddress,
  reinjection,
  WINDIVERT_EVENTS,
  WINDIVERT_LAYERS,
  type WinDivertAddress,
  writeAddress,
} from '../../../src/hosts/windows/windivert.ts';
import { ATTACH_GUIDS, PROGRAM_GUIDS } from '../../../src/spec/windows.ts';
import { METHOD_ROLES } from '../../../src/spec/session.ts';
import { WINDOWS_EXPORTS } from '../../compat/windows-exports.ts';
import { PROJECT_ROOT } from '../../support/shared.ts';

const EBPF_BATCH = Object.keys(EBPF_API).filter((name) => name.endsWith('_batch'));

describe('functions', () => {
  const koffi = createRequire(import.meta.url)('koffi') as { proto(text: string): unknown };
  const all = Object.entries({ ...EBPF_API, ...KERNEL32, ...WINTUN, ...WINDIVERT });

  test.each(all)('%s', (name, prototype) => {
    expect(prototype).toMatch(new RegExp(`^[a-z][\\w ]*[ *]${name}\\(`));
    expect(() => koffi.proto(prototype)).not.toThrow();
  });

  it('are exported by EbpfApi.dll', () => {
    for (const name of Object.keys(EBPF_API)) expect(WINDOWS_EXPORTS).toContain(name);
  });
});

describe('the plan', () => {
  it('has a row for each method, and uses each command and function', () => {
    expect(Object.keys(WINDOWS_METHODS)).toEqual(Object.keys(METHOD_ROLES));
    const routes = Object.values(WINDOWS_METHODS);
    const commands = new Set(routes.flatMap((route) => ('bpf' in route ? route.bpf : [])));
    // object.info has its own function, which gives more than the command.
    expect(Object.keys(WINDOWS_COMMANDS).filter((name) => !commands.has(name as never))).toEqual([
      'BPF_OBJ_GET_INFO_BY_FD',
    ]);
  });
});

describe('attach parameters', () => {
  it('agree with the targets of our own hooks', () => {
    const kinds = { ifindex: 'interface', compartment: 'compartment', none: 'none' } as const;
    const rows = HOOK_ROWS.filter(({ dialect }) => dialect === 'windows');
    expect(rows.length).toBeGreaterThan(10);
    for (const { attachType, target } of rows)
      expect([attachType, kinds[ATTACH_PARAMETERS[attachType as WindowsAttachType]]]).toEqual([attachType, target]);
  });

  it('are 32 bits, or nothing', () => {
    expect(attachParameter('xdp', { ifindex: 0x0102_0304 })).toEqual(Uint8Array.of(4, 3, 2, 1));
    expect(attachParameter('cgroup_sock_ops', {})).toEqual(new Uint8Array(4));
    expect(attachParameter('bind', {}).length).toBe(0);
    expect(() => attachParameter('netfilter', {})).toThrow(/Windows has no netfilter/);
  });

  it('go with GUIDs in the order of C', () => {
    expect(guidBytes('f1832a85-85d5-45b0-98a0-7069d63013b0')).toEqual(
      Uint8Array.of(0x85, 0x2a, 0x83, 0xf1, 0xd5, 0x85, 0xb0, 0x45, 0x98, 0xa0, 0x70, 0x69, 0xd6, 0x30, 0x13, 0xb0),
    );
    for (const guid of [...Object.values(PROGRAM_GUIDS), ...Object.values(ATTACH_GUIDS)])
      expect(guidText(guidBytes(guid))).toBe(guid);
    expect(() => guidBytes('f1832a85')).toThrow(/no GUID/);
  });
});

describe('WinDivert', () => {
  const flag = fc.boolean();
  const address = fc.record<WinDivertAddress>({
    timestamp: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
    layer: fc.constantFrom(...WINDIVERT_LAYERS),
    event: fc.constantFrom(...WINDIVERT_EVENTS),
    ifindex: fc.nat(),
    subIfindex: fc.nat(),
    sniffed: flag,
    outbound: flag,
    loopback: flag,
    impostor: flag,
    ipv6: flag,
    ipChecksum: flag,
    tcpChecksum: flag,
    udpChecksum: flag,
  });

  it('addresses come back as they were written', () => {
    fc.assert(
      fc.property(address, (one) => {
        expect(readAddress(writeAddress(one))).toEqual(one);
      }),
    );
  });

  it('lay out as WINDIVERT_ADDRESS', () => {
    const bytes = writeAddress({
      ...(readAddress(new Uint8Array(80)) as WinDivertAddress),
      timestamp: 1n,
      event: 'socket_connect',
      layer: 'socket',
      outbound: true,
      udpChecksum: true,
      ifindex: 5,
    });
    expect([...bytes.subarray(0, 24)]).toEqual([
      1, 0, 0, 0, 0, 0, 0, 0, 3, 4, 0x82, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,
    ]);
  });

  it('takes no bytes for an address that are none', () => {
    expect(readAddress(new Uint8Array(79))).toBeUndefined();
    expect(readAddress(new Uint8Array(80).fill(0xff))).toBeUndefined();
  });

  it('sends packets by their verdicts', () => {
    fc.assert(
      fc.property(address, (one) => {
        expect(reinjection(1, one, false)).toEqual(one);
        expect(reinjection(2, one, true)).toBeUndefined();
        expect(reinjection(0, one, false)).toBeUndefined();
        expect(reinjection(3, one, true)).toEqual({
          ...one,
          outbound: !one.outbound,
          ipChecksum: false,
          tcpChecksum: false,
          udpChecksum: false,
        });
      }),
    );
  });
});

describe('docs/hosts-windows-macos.md', () => {
  const page = readFileSync(path.join(PROJECT_ROOT, 'docs', 'hosts-windows-macos.md'), 'utf8');

  it('names the functions of the plan, and each method that is absent', () => {
    const routes = Object.entries(WINDOWS_METHODS);
    // By family: `bpf_map_*_batch`.
    const written = page.replace('bpf_map_*_batch', EBPF_BATCH.join(' '));
    for (const [, route] of routes)
      if ('calls' in route) for (const name of route.calls) expect(written).toContain(name);
    const absent = /^\| (.*) \| absent: ENOTSUPP/m.exec(page)?.[1].split(', ') ?? [];
    const names = routes.flatMap(([method, route]) => ('absent' in route ? [method] : []));
    expect(new Set(names.map((name) => name.replace(/^btf\..*/, 'btf.*')))).toEqual(new Set(absent));
  });
});
