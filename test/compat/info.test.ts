// What BPF_OBJ_GET_INFO_BY_FD fills, by kind of object and dialect, with arrays behind pointers.
import { afterAll, expect, it } from 'vitest';
import {
  LINUX_BTF_INFO,
  LINUX_LINK_INFO,
  LINUX_MAP_INFO,
  LINUX_PROG_INFO,
  WINDOWS_LINK_INFO,
  WINDOWS_MAP_INFO,
  WINDOWS_PROG_INFO,
} from '../../src/spec/bpf-info.ts';
import { type Fields, type Layout, read, type Struct, write } from '../../src/base/structs.ts';
import { toHex } from '../../src/base/bytes.ts';
import { Bench, type Libbpf, out, textOf, toU32 } from './bench.ts';

const bench = new Bench();
afterAll(() => bench.close());

/** The struct of a handle, with fields set before it is filled. */
async function info<L extends Layout>(l: Libbpf, fd: number, form: Struct<L>, asked: Partial<Fields<L>> = {}) {
  const bytes = new Uint8Array(form.size);
  write(form, bytes, asked);
  const length = out(bytes.length);
  expect(await l.bpf_obj_get_info_by_fd(fd, bytes, length)).toBe(0);
  expect(length.value).toBe(form.size);
  return read(form, bytes);
}

it('has the sizes of the C structs', () => {
  const linux = [LINUX_MAP_INFO, LINUX_PROG_INFO, LINUX_BTF_INFO].map(({ size }) => size);
  expect(linux).toEqual([88, 232, 32]);
  expect([WINDOWS_MAP_INFO, WINDOWS_PROG_INFO, WINDOWS_LINK_INFO].map(({ size }) => size)).toEqual([96, 128, 56]);
});

it('of a program, in Linux form', async () => {
  const { l, runtime } = bench;
  const object = await bench.load('sampler');
  const fd = l.bpf_program__fd(bench.program(object));
  const ids = new Uint8Array(16);
  const code = new Uint8Array(4096);
  const asked = {
    nr_map_ids: 4,
    map_ids: l.arena.place(ids),
    xlated_prog_len: code.length,
    xlated_prog_insns: l.arena.place(code),
  };
  const found = await info(l, fd, LINUX_PROG_INFO, asked);
  const plain = await runtime.call('object.info', { fd });
  if (plain.kind !== 'prog') throw new Error(plain.kind);
  expect([found.type, found.id, textOf(found.name), found.gpl_compatible]).toEqual([6, plain.id, 'sample', 1]);
  expect(toHex(found.tag)).toBe(plain.tag);
  expect(found.nr_map_ids).toBe(plain.mapIds.length);
  expect(toU32(ids)).toBe(plain.mapIds[0]);
  expect(found.xlated_prog_len).toBe(plain.bytesXlated);
  const { xlated } = await runtime.call('prog.code', { fd });
  expect(code.subarray(0, found.xlated_prog_len)).toEqual(xlated);
  expect(found.btf_id).toBe(plain.btfId);
});

it('of a program and its link, in Windows form', async () => {
  const { w } = bench;
  const program = bench.program(await bench.load('portQuota', w));
  const link = await w.bpf_program__attach(program);
  const ids = new Uint8Array(16);
  const asked = { nr_map_ids: 4, map_ids: w.arena.place(ids) };
  const found = await info(w, program.fd, WINDOWS_PROG_INFO, asked);
  expect([found.type, found.nr_map_ids, found.link_count, found.pinned_path_count]).toEqual([2, 2, 1, 0]);
  expect(toU32(ids)).toBeGreaterThan(0);
  const attached = await info(w, w.bpf_link__fd(link), WINDOWS_LINK_INFO);
  expect([attached.prog_id, attached.attach_type]).toEqual([found.id, 2]);
});

it('of a link, in Linux form', async () => {
  const { l } = bench;
  const fd = await bench.link();
  const found = await info(l, fd, LINUX_LINK_INFO);
  // BPF_LINK_TYPE_XDP, and the interface behind the first three fields.
  expect([found.type, toU32(found.rest)]).toEqual([6, 7]);
});

it('of BTF, with its bytes', async () => {
  const { l } = bench;
  const object = await bench.load('counters');
  const fd = l.bpf_object__btf_fd(object);
  const bytes = new Uint8Array(1 << 16);
  const name = new Uint8Array(32);
  const asked = { btf: l.arena.place(bytes), btf_size: bytes.length, name: l.arena.place(name), name_len: 32 };
  const found = await info(l, fd, LINUX_BTF_INFO, asked);
  expect(found.kernel_btf).toBe(0);
  expect(l.btf__new(bytes, found.btf_size)).not.toBeNull();
  expect(textOf(name).length).toBe(found.name_len);
});
