// bpf(cmd, attr, size) of EbpfApi.dll: the commands that it answers, and attr for each, made of what sessions ask. Numbers are the
// dialect's own; command numbers and layouts are Linux'. attr is as long as what Windows knows of the struct: what lies behind must be zero.
// Sources: libs/api/bpf_syscall.cpp and include/linux/bpf.h of eBPF for Windows. Not run on Windows.
import { concatBytes, utf8 } from '../../base/bytes.ts';
import { fail } from '../../base/diagnostic.ts';
import { refused } from '../../base/messages/session.ts';
import { type FieldKind, type Fields, nameBytes, type Struct, write } from '../../base/structs.ts';
import { ATTRS, BPF_COMMANDS, type BpfCommand } from '../../spec/bpf-attr.ts';
import { ERRNO } from '../../spec/errno.ts';
import { attachTypeNumber, mapTypeNumber, programTypeNumber } from '../../spec/numbers.ts';
import type { AttachTarget, Fd, Id, MapCreate, MethodName, Params } from '../../spec/session.ts';
import { attachParameter } from './attach.ts';

/** Which struct each command takes, and the last field of it that Windows knows. */
export const WINDOWS_COMMANDS = {
  BPF_MAP_CREATE: { attr: 'MAP_CREATE', last: 'map_ifindex' },
  BPF_MAP_LOOKUP_ELEM: { attr: 'ELEMENT', last: 'flags' },
  BPF_MAP_UPDATE_ELEM: { attr: 'ELEMENT', last: 'flags' },
  BPF_MAP_DELETE_ELEM: { attr: 'ELEMENT', last: 'key' },
  BPF_MAP_GET_NEXT_KEY: { attr: 'ELEMENT', last: 'value' },
  BPF_MAP_LOOKUP_AND_DELETE_ELEM: { attr: 'ELEMENT', last: 'flags' },
  BPF_PROG_LOAD: { attr: 'PROG_LOAD', last: 'prog_name' },
  BPF_OBJ_PIN: { attr: 'OBJECT', last: 'file_flags' },
  BPF_OBJ_GET: { attr: 'OBJECT', last: 'file_flags' },
  BPF_PROG_ATTACH: { attr: 'ATTACH', last: 'attach_flags' },
  BPF_PROG_DETACH: { attr: 'ATTACH', last: 'attach_flags' },
  BPF_PROG_TEST_RUN: { attr: 'TEST_RUN', last: 'batch_size' },
  BPF_PROG_BIND_MAP: { attr: 'BIND_MAP', last: 'flags' },
  BPF_OBJ_GET_INFO_BY_FD: { attr: 'INFO', last: 'info' },
  BPF_MAP_GET_NEXT_ID: { attr: 'ID', last: 'next_id' },
  BPF_PROG_GET_NEXT_ID: { attr: 'ID', last: 'next_id' },
  BPF_LINK_GET_NEXT_ID: { attr: 'ID', last: 'next_id' },
  BPF_MAP_GET_FD_BY_ID: { attr: 'ID', last: 'id' },
  BPF_PROG_GET_FD_BY_ID: { attr: 'ID', last: 'id' },
  BPF_LINK_GET_FD_BY_ID: { attr: 'ID', last: 'id' },
  BPF_LINK_DETACH: { attr: 'LINK_DETACH', last: 'link_fd' },
} as const satisfies { readonly [C in BpfCommand]?: { readonly attr: keyof typeof ATTRS; readonly last: string } };

export type WindowsCommand = keyof typeof WINDOWS_COMMANDS;
type Rows = typeof WINDOWS_COMMANDS;
type FieldsOf<C extends WindowsCommand> =
  (typeof ATTRS)[Rows[C]['attr']] extends Struct<infer L> ? Partial<Fields<L>> : never;

/** A call of bpf(). */
export interface BpfCall {
  readonly command: number;
  readonly attr: Uint8Array;
}

/** Where bytes get addresses that the library may read and write until the call is over. */
export interface Memory {
  place(bytes: Uint8Array): bigint;
}

const bytesOf = (kind: FieldKind): number => (typeof kind === 'number' ? kind : kind === 'u64' ? 8 : 4);

/** attr of a command, filled. */
export function bpfCall<C extends WindowsCommand>(command: C, fields: FieldsOf<C>): BpfCall {
  const { attr, last } = WINDOWS_COMMANDS[command];
  const form: Struct<Record<string, FieldKind>> = ATTRS[attr];
  // Each is a union's member of its own there, padded to 8 bytes where it has pointers.
  const end = form.offsets[last] + bytesOf(form.layout[last]);
  const bytes = new Uint8Array(command === 'BPF_PROG_TEST_RUN' ? form.size : end);
  write(form, bytes, fields);
  return { command: BPF_COMMANDS[command], attr: bytes };
}

/** Windows' number of a name; ENOTSUPP where there is no such type. */
function known<Name extends string>(
  kind: string,
  numberOf: (name: Name, dialect: 'windows') => number,
  name: Name,
): number {
  const number = numberOf(name, 'windows');
  if (number !== 0) return number;
  return fail(refused({}, kind, ERRNO.ENOTSUPP, 'ENOTSUPP', `Windows has no ${name}`));
}

/** Longest names that go through bpf(); bpf_map_create and bpf_prog_load take 63. */
export const NAME_BYTES = 16;

const cText = (memory: Memory, text: string): bigint => memory.place(concatBytes([utf8(text), Uint8Array.of(0)]));

/** The 32 bits that bpf_prog_attach takes for what is attached to: the attach parameter, 0 where there is none. */
function targetNumber(attachType: Params<'prog.attach'>['attachType'], target: AttachTarget): number {
  const parameter = attachParameter(attachType, target);
  return parameter.length === 0 ? 0 : new DataView(parameter.buffer, parameter.byteOffset).getInt32(0, true);
}

/** Where the library writes what it answers with. */
export interface TestRunRoom {
  readonly data?: Uint8Array;
  readonly ctx?: Uint8Array;
}

/** What sessions ask, as calls of bpf(). Results: a descriptor, 0, or a negated errno; what else is answered lies in attr and the memory. */
export const REQUESTS = {
  'map.create': (p: MapCreate): BpfCall =>
    bpfCall('BPF_MAP_CREATE', {
      map_type: known('map.create', mapTypeNumber, p.type),
      key_size: p.keySize,
      value_size: p.valueSize,
      max_entries: p.maxEntries,
      map_flags: p.flags ?? 0,
      inner_map_fd: p.innerFd ?? 0,
      numa_node: p.numaNode ?? 0,
      map_name: nameBytes(p.name, NAME_BYTES),
    }),
  'map.lookup': (p: Params<'map.lookup'>, memory: Memory, value: Uint8Array): BpfCall =>
    bpfCall('BPF_MAP_LOOKUP_ELEM', element(p, memory, value)),
  'map.lookupAndDelete': (p: Params<'map.lookupAndDelete'>, memory: Memory, value: Uint8Array): BpfCall =>
    bpfCall('BPF_MAP_LOOKUP_AND_DELETE_ELEM', element(p, memory, value)),
  'map.update': (p: Params<'map.update'>, memory: Memory): BpfCall =>
    bpfCall('BPF_MAP_UPDATE_ELEM', element(p, memory, p.value)),
  'map.delete': ({ fd, key }: Params<'map.delete'>, memory: Memory): BpfCall =>
    bpfCall('BPF_MAP_DELETE_ELEM', { map_fd: fd, key: memory.place(key) }),
  'map.nextKey': ({ fd, key }: Params<'map.nextKey'>, memory: Memory, next: Uint8Array): BpfCall =>
    bpfCall('BPF_MAP_GET_NEXT_KEY', {
      map_fd: fd,
      key: key === undefined ? 0n : memory.place(key),
      value: memory.place(next),
    }),
  'prog.load': (p: Params<'prog.load'>, memory: Memory, log: Uint8Array): BpfCall => {
    if (p.dialect === 'linux')
      fail(refused({}, 'prog.load', ERRNO.ENOTSUPP, 'ENOTSUPP', 'contexts of Linux are laid out otherwise'));
    return bpfCall('BPF_PROG_LOAD', {
      prog_type: known('prog.load', programTypeNumber, p.type),
      insn_cnt: p.code.length / 8,
      insns: memory.place(p.code),
      license: cText(memory, p.license),
      log_level: log.length === 0 ? 0 : 1,
      log_size: log.length,
      log_buf: log.length === 0 ? 0n : memory.place(log),
      prog_flags: p.flags ?? 0,
      prog_name: nameBytes(p.name, NAME_BYTES),
    });
  },
  'object.pin': ({ fd, path }: Params<'object.pin'>, memory: Memory): BpfCall =>
    bpfCall('BPF_OBJ_PIN', { pathname: cText(memory, path), bpf_fd: fd }),
  'object.get': ({ path }: Params<'object.get'>, memory: Memory): BpfCall =>
    bpfCall('BPF_OBJ_GET', { pathname: cText(memory, path) }),
  'object.nextId': ({ kind, id }: { readonly kind: WindowsKind; readonly id: Id }): BpfCall =>
    bpfCall(NEXT_ID[kind], { id }),
  'object.open': ({ kind, id }: { readonly kind: WindowsKind; readonly id: Id }): BpfCall =>
    bpfCall(BY_ID[kind], { id }),
  'prog.attach': ({ fd, attachType, target, flags }: Params<'prog.attach'>): BpfCall =>
    bpfCall('BPF_PROG_ATTACH', {
      target_fd: targetNumber(attachType, target),
      attach_bpf_fd: fd,
      attach_type: known('prog.attach', attachTypeNumber, attachType),
      attach_flags: flags ?? 0,
    }),
  'prog.detach': ({ attachType, target }: Params<'prog.detach'>): BpfCall =>
    bpfCall('BPF_PROG_DETACH', {
      target_fd: targetNumber(attachType, target),
      attach_type: known('prog.detach', attachTypeNumber, attachType),
    }),
  'prog.testRun': (p: Params<'prog.testRun'>, memory: Memory, room: TestRunRoom): BpfCall => {
    const at = (bytes: Uint8Array | undefined): bigint => (bytes === undefined ? 0n : memory.place(bytes));
    return bpfCall('BPF_PROG_TEST_RUN', {
      prog_fd: p.fd,
      data_size_in: p.data?.length ?? 0,
      data_size_out: room.data?.length ?? 0,
      data_in: at(p.data),
      data_out: at(room.data),
      repeat: p.repeat ?? 1,
      ctx_size_in: p.ctx?.length ?? 0,
      ctx_size_out: room.ctx?.length ?? 0,
      ctx_in: at(p.ctx),
      ctx_out: at(room.ctx),
    });
  },
  'prog.bindMap': ({ fd, mapFd }: Params<'prog.bindMap'>): BpfCall =>
    bpfCall('BPF_PROG_BIND_MAP', { prog_fd: fd, map_fd: mapFd }),
  'link.detach': ({ fd }: Params<'link.detach'>): BpfCall => bpfCall('BPF_LINK_DETACH', { link_fd: fd }),
} as const satisfies { readonly [M in MethodName]?: unknown };

/** Kinds of objects there; BTF is none. */
export type WindowsKind = 'map' | 'prog' | 'link';
const NEXT_ID = { map: 'BPF_MAP_GET_NEXT_ID', prog: 'BPF_PROG_GET_NEXT_ID', link: 'BPF_LINK_GET_NEXT_ID' } as const;
const BY_ID = { map: 'BPF_MAP_GET_FD_BY_ID', prog: 'BPF_PROG_GET_FD_BY_ID', link: 'BPF_LINK_GET_FD_BY_ID' } as const;

function element(
  { fd, key, flags }: { readonly fd: Fd; readonly key: Uint8Array; readonly flags?: number },
  memory: Memory,
  value: Uint8Array,
): Partial<Fields<(typeof ATTRS)['ELEMENT']['layout']>> {
  return {
    map_fd: fd,
    key: key.length === 0 ? 0n : memory.place(key),
    value: memory.place(value),
    flags: BigInt(flags ?? 0),
  };
}
