// attr of each command that EbpfApi.dll's bpf() answers: as long as what it knows, with Windows' numbers; and answered by the project's own
// bpf() of the Windows dialect as the session would have been.
import { afterAll, describe, expect, it, test } from 'vitest';
import { read } from '../../../src/base/structs.ts';
import {
  REQUESTS,
  WINDOWS_COMMANDS,
  type WindowsCommand,
  bpfCall,
  type BpfCall,
  type Memory,
} from '../../../src/hosts/windows/commands.ts';
import { ATTRS, BPF_COMMANDS } from '../../../src/spec/bpf-attr.ts';
import { MAP_TYPES, type MapTypeName } from '../../../src/spec/map-types.ts';
import { type AttachTypeName, PROGRAM_TYPES, type ProgramTypeName } from '../../../src/spec/program-types.ts';
import type { AttachTarget } from '../../../src/spec/session.ts';
import { Bench, returns, u32 } from '../../compat/bench.ts';

const bench = new Bench();
afterAll(() => bench.close());
const memory: Memory = { place: (bytes) => bench.w.arena.place(bytes) };
const send = ({ command, attr }: BpfCall): Promise<number> => bench.w.bpf(command, attr, attr.length);
const rows = (table: object): [string, { readonly windows?: number }][] => Object.entries(table);
/** attr of an attachment, as numbers. */
const attached = (attachType: AttachTypeName, target: AttachTarget) =>
  read(ATTRS.ATTACH, REQUESTS['prog.attach']({ fd: 7, attachType, target }).attr);
const NOWHERE: Memory = { place: () => 0x1000n };

/** sizeof the structs sys_bpf_*_attr_t (include/linux/bpf.h of eBPF for Windows). */
const SIZES: { readonly [C in WindowsCommand]: number } = {
  BPF_MAP_CREATE: 48,
  BPF_MAP_LOOKUP_ELEM: 32,
  BPF_MAP_UPDATE_ELEM: 32,
  BPF_MAP_DELETE_ELEM: 16,
  BPF_MAP_GET_NEXT_KEY: 24,
  BPF_MAP_LOOKUP_AND_DELETE_ELEM: 32,
  BPF_PROG_LOAD: 64,
  BPF_OBJ_PIN: 16,
  BPF_OBJ_GET: 16,
  BPF_PROG_ATTACH: 16,
  BPF_PROG_DETACH: 16,
  BPF_PROG_TEST_RUN: 80,
  BPF_PROG_BIND_MAP: 12,
  BPF_OBJ_GET_INFO_BY_FD: 16,
  BPF_MAP_GET_NEXT_ID: 8,
  BPF_PROG_GET_NEXT_ID: 8,
  BPF_LINK_GET_NEXT_ID: 8,
  BPF_MAP_GET_FD_BY_ID: 4,
  BPF_PROG_GET_FD_BY_ID: 4,
  BPF_LINK_GET_FD_BY_ID: 4,
  BPF_LINK_DETACH: 4,
};

test('21 commands', () => {
  expect(Object.keys(WINDOWS_COMMANDS).length).toBe(21);
});

test.each(Object.entries(SIZES) as [WindowsCommand, number][])('%s takes %d bytes', (command, size) => {
  const call = bpfCall(command, {});
  expect([call.command, call.attr.length]).toEqual([BPF_COMMANDS[command], size]);
});

describe('numbers go by name', () => {
  const HASH = { name: 'm', keySize: 4, valueSize: 4, maxEntries: 1 };
  test.each(rows(MAP_TYPES))('map type %s', (name, numbers) => {
    const create = () => REQUESTS['map.create']({ ...HASH, type: name as MapTypeName });
    if (numbers.windows === undefined) expect(create).toThrow(/Windows has no .* \(ENOTSUPP\)/);
    else expect(read(ATTRS.MAP_CREATE, create().attr).map_type).toBe(numbers.windows);
  });

  test.each(rows(PROGRAM_TYPES))('program type %s', (name, numbers) => {
    const load = () =>
      REQUESTS['prog.load'](
        { name: 'p', type: name as ProgramTypeName, code: returns(0), license: 'MIT' },
        NOWHERE,
        new Uint8Array(0),
      );
    // Type 0 is Windows' "unspec", which it refuses too.
    if (!numbers.windows) expect(load).toThrow(/Windows has no .* \(ENOTSUPP\)/);
    else expect(read(ATTRS.PROG_LOAD, load().attr).prog_type).toBe(numbers.windows);
  });

  it('attach types, with what they are attached to', () => {
    expect(attached('xdp', { ifindex: 12 })).toMatchObject({ attach_bpf_fd: 7, attach_type: 1, target_fd: 12 });
    expect(attached('cgroup_inet4_connect', { compartment: 2 })).toMatchObject({ attach_type: 3, target_fd: 2 });
    expect(attached('bind', {})).toMatchObject({ attach_type: 2, target_fd: 0 });
    expect(() => attached('tcx_ingress', {})).toThrow(/no tcx_ingress/);
  });

  it('refuses programs of the other dialect', () => {
    const program = { name: 'p', type: 'xdp', code: returns(0), license: 'MIT', dialect: 'linux' } as const;
    expect(() => REQUESTS['prog.load'](program, NOWHERE, new Uint8Array(0))).toThrow(/laid out otherwise/);
  });
});

test('a map, a program and a pin through bpf()', async () => {
  const fd = await send(
    REQUESTS['map.create']({ name: 'numbers', type: 'percpu_hash', keySize: 4, valueSize: 8, maxEntries: 4 }),
  );
  expect(fd).toBeGreaterThan(0);
  const info = await bench.runtime.call('object.info', { fd });
  expect(info).toMatchObject({ kind: 'map', type: 'percpu_hash', name: 'numbers', maxEntries: 4 });

  const hash = await send(REQUESTS['map.create']({ name: 'h', type: 'hash', keySize: 4, valueSize: 4, maxEntries: 4 }));
  expect(await send(REQUESTS['map.update']({ fd: hash, key: u32(1), value: u32(42), flags: 1 }, memory))).toBe(0);
  expect(await send(REQUESTS['map.update']({ fd: hash, key: u32(1), value: u32(43), flags: 1 }, memory))).toBe(-17);
  const value = new Uint8Array(4);
  expect(await send(REQUESTS['map.lookup']({ fd: hash, key: u32(1) }, memory, value))).toBe(0);
  expect(value).toEqual(u32(42));
  const next = new Uint8Array(4);
  expect(await send(REQUESTS['map.nextKey']({ fd: hash }, memory, next))).toBe(0);
  expect(next).toEqual(u32(1));
  expect(await send(REQUESTS['map.nextKey']({ fd: hash, key: next }, memory, next))).toBe(-2);
  expect(await send(REQUESTS['map.lookupAndDelete']({ fd: hash, key: u32(1) }, memory, value))).toBe(0);
  expect(await send(REQUESTS['map.delete']({ fd: hash, key: u32(1) }, memory))).toBe(-2);

  const load = { name: 'two', type: 'xdp' as const, code: returns(2), license: 'MIT' };
  const prog = await send(REQUESTS['prog.load'](load, memory, new Uint8Array(4096)));
  expect(prog).toBeGreaterThan(0);
  expect(await send(REQUESTS['prog.bindMap']({ fd: prog, mapFd: hash }))).toBe(0);
  const run = REQUESTS['prog.testRun']({ fd: prog, data: new Uint8Array(64), repeat: 3 }, memory, {});
  expect(await send(run)).toBe(0);
  expect(read(ATTRS.TEST_RUN, run.attr).retval).toBe(2);

  expect(await send(REQUESTS['object.pin']({ fd: prog, path: '/ebpf/global/two' }, memory))).toBe(0);
  expect(await send(REQUESTS['object.get']({ path: '/ebpf/global/two' }, memory))).toBeGreaterThan(0);
  expect(await send(REQUESTS['object.get']({ path: '/ebpf/global/none' }, memory))).toBe(-2);

  const { id } = await bench.runtime.call('object.info', { fd: prog });
  expect(await send(REQUESTS['object.open']({ kind: 'prog', id }))).toBeGreaterThan(0);
  const after = REQUESTS['object.nextId']({ kind: 'prog', id: id - 1 });
  expect(await send(after)).toBe(0);
  expect(read(ATTRS.ID, after.attr).next_id).toBe(id);

  expect(await send(REQUESTS['prog.attach']({ fd: prog, attachType: 'xdp', target: { ifindex: 3 } }))).toBe(0);
  const { progs } = await bench.runtime.call('prog.query', { attachType: 'xdp', target: { ifindex: 3 } });
  expect(progs.map((one) => one.id)).toEqual([id]);
  expect(await send(REQUESTS['prog.detach']({ attachType: 'xdp', target: { ifindex: 3 } }))).toBe(0);
  const link = await bench.runtime.call('link.create', { fd: prog, attachType: 'xdp', target: { ifindex: 3 } });
  expect(await send(REQUESTS['link.detach'](link))).toBe(0);
});
