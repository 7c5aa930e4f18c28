// The calls of libbpf-calls.c, made of ours: the same labels in the same order.
import { createLibbpf } from '../../src/compat/libbpf/create.ts';
import type { BpfMap, BpfObject } from '../../src/compat/libbpf/handles.ts';
import { ATTRS } from '../../src/spec/bpf-attr.ts';
import { write } from '../../src/base/structs.ts';
import type { Session } from '../../src/spec/session.ts';
import { existsSync, readFileSync } from 'node:fs';
import { type Libbpf, need, out, returns, textOf, u32 } from './bench.ts';

/** Files as the C program takes them. */
export interface Files {
  readonly dropPort: string;
  readonly sampler: string;
  readonly counters: string;
  readonly pins: string;
}

class Recorder {
  readonly results = new Map<string, string>();
  readonly l: Libbpf;

  constructor(l: Libbpf) {
    this.l = l;
  }

  /** A number, or a text. */
  is(label: string, value: number | boolean | string | null | bigint): void {
    this.results.set(label, value === null ? '(null)' : `${typeof value === 'boolean' ? Number(value) : value}`);
  }

  async n(label: string, value: number | Promise<number>): Promise<void> {
    this.is(label, await value);
  }

  /** A pointer: 0, or -errno. */
  async p<T>(label: string, value: T | null | Promise<T | null>): Promise<T | null> {
    const found = await value;
    this.is(label, found === null ? -this.l.errno : 0);
    return found;
  }

  async fd(label: string, value: Promise<number>): Promise<number> {
    const found = await value;
    this.is(label, Math.min(0, found));
    return found;
  }
}

function names(r: Recorder, sections: readonly string[]): void {
  const { l } = r;
  for (const section of sections) {
    const [type, attach] = [out(0), out(0)];
    const result = l.libbpf_prog_type_by_name(section, type, attach);
    r.is(`type:${section}`, result < 0 ? result : type.value * 1000 + attach.value);
    const found = l.libbpf_attach_type_by_name(section, attach);
    r.is(`attach:${section}`, found < 0 ? found : attach.value);
  }
  for (let i = 0; i < 33; i++) {
    r.is(`map-name:${i}`, l.libbpf_bpf_map_type_str(i));
    r.is(`prog-name:${i}`, l.libbpf_bpf_prog_type_str(i));
  }
  for (let i = 0; i < 44; i++) r.is(`attach-name:${i}`, l.libbpf_bpf_attach_type_str(i));
  for (let i = 0; i < 10; i++) r.is(`link-name:${i}`, l.libbpf_bpf_link_type_str(i));
  const text = new Uint8Array(64);
  for (let i = 0; i >= -130; i--) {
    l.libbpf_strerror(i, text, 64);
    r.is(`error:${i}`, textOf(text));
  }
  for (let i = 4000; i < 4016; i++) {
    r.is(`error-result:${i}`, l.libbpf_strerror(i, text, 64));
    r.is(`error:${i}`, textOf(text));
  }
}

async function opening(r: Recorder, files: Files): Promise<void> {
  const { l } = r;
  const garbage = new Uint8Array(128);
  garbage.set(new TextEncoder().encode('not an object'));
  await r.p('open none', l.bpf_object__open_file('/none'));
  await r.p('open garbage', l.bpf_object__open_mem(garbage, 128));
  await r.p('open nothing', l.bpf_object__open_mem(garbage, 0));
  const obj = need(await l.bpf_object__open_file(files.dropPort), l);
  const other = need(await l.bpf_object__open_file(files.sampler), l);
  await r.p('open', obj);
  r.is('name', l.bpf_object__name(obj));
  await r.p('find program', l.bpf_object__find_program_by_name(obj, 'drop_port'));
  await r.p('find no program', l.bpf_object__find_program_by_name(obj, 'none'));
  await r.p('find map', l.bpf_object__find_map_by_name(obj, 'blocked'));
  await r.p('find section', l.bpf_object__find_map_by_name(obj, '.rodata'));
  await r.p('find no section', l.bpf_object__find_map_by_name(obj, '.data'));
  await r.p('find no map', l.bpf_object__find_map_by_name(obj, 'none'));
  r.is('find no map fd', l.bpf_object__find_map_fd_by_name(obj, 'none'));
  r.is('find map fd unloaded', l.bpf_object__find_map_fd_by_name(obj, 'blocked'));
  for (let m = l.bpf_object__next_map(obj, null); m !== null; m = l.bpf_object__next_map(obj, m)) r.is('map', m.name);
  let map = need(l.bpf_object__find_map_by_name(obj, 'blocked'), l);
  await r.p('next map of another', l.bpf_object__next_map(other, map));
  const prog = need(l.bpf_object__next_program(obj, null), l);
  await r.p('next program of another', l.bpf_object__next_program(other, prog));
  r.is('prog type', l.bpf_program__type(prog));
  r.is('prog attach type', l.bpf_program__expected_attach_type(prog));
  r.is('prog section', l.bpf_program__section_name(prog));
  r.is('prog flags', l.bpf_program__flags(prog));
  r.is('prog autoload', l.bpf_program__autoload(prog));
  r.is('prog fd unloaded', l.bpf_program__fd(prog));
  r.is('prog fd null', l.bpf_program__fd(null));
  r.is('prog log level', l.bpf_program__log_level(prog));
  r.is('prog log buf', l.bpf_program__set_log_buf(prog, null, 5));
  await r.p('attach unloaded', l.bpf_program__attach(prog));
  await r.n('pin prog unloaded', l.bpf_program__pin(prog, '/sys/fs/bpf/none'));
  await r.n('unpin prog unloaded', l.bpf_program__unpin(prog, '/sys/fs/bpf/none'));
  await r.n('pin maps unloaded', l.bpf_object__pin_maps(obj, '/sys/fs/bpf/none'));
  await r.n('pin maps null', l.bpf_object__pin_maps(null, '/sys/fs/bpf/none'));
  r.is('map fd null', l.bpf_map__fd(null));
  r.is('map type', l.bpf_map__type(map));
  r.is('map key', l.bpf_map__key_size(map));
  r.is('map value', l.bpf_map__value_size(map));
  r.is('map entries', l.bpf_map__max_entries(map));
  r.is('map flags', l.bpf_map__map_flags(map));
  r.is('map internal', l.bpf_map__is_internal(map));
  r.is('map pinned', l.bpf_map__is_pinned(map));
  await r.n('pin map null', l.bpf_map__pin(null, '/sys/fs/bpf/none'));
  await r.n('pin map nowhere', l.bpf_map__pin(map, null));
  await r.n('unpin map nowhere', l.bpf_map__unpin(map, null));
  await r.p('inner map', l.bpf_map__inner_map(map));
  r.is('inner map fd', l.bpf_map__set_inner_map_fd(map, 5));
  r.is('initial of plain', l.bpf_map__set_initial_value(map, garbage, 4));
  const rodata = need(l.bpf_object__find_map_by_name(obj, '.rodata'), l);
  const size = out(0);
  await r.p('initial', l.bpf_map__initial_value(rodata, size));
  r.is('initial size', size.value);
  r.is('initial wrong', l.bpf_map__set_initial_value(rodata, garbage, size.value + 1));
  map = need(l.bpf_object__find_map_by_name(other, 'events'), l);
  r.is('ring entries', l.bpf_map__set_max_entries(map, 5000));
  r.is('ring entries then', l.bpf_map__max_entries(map));
  r.is('attach target', l.bpf_program__set_attach_target(prog, -1, 'x'));
  r.is('autoload', l.bpf_program__set_autoload(prog, true));
  await l.bpf_object__close(obj);
  await l.bpf_object__close(other);
}

async function changesOfLoaded(r: Recorder, obj: BpfObject, map: BpfMap): Promise<void> {
  const { l } = r;
  const prog = need(l.bpf_object__next_program(obj, null), l);
  const rodata = need(l.bpf_object__find_map_by_name(obj, '.rodata'), l);
  r.is('set type loaded', l.bpf_map__set_type(map, 2));
  r.is('set entries loaded', l.bpf_map__set_max_entries(map, 9));
  r.is('set key loaded', l.bpf_map__set_key_size(map, 9));
  r.is('set ifindex loaded', l.bpf_map__set_ifindex(map, 0));
  r.is('set autocreate loaded', l.bpf_map__set_autocreate(map, true));
  r.is('set prog type loaded', l.bpf_program__set_type(prog, 3));
  r.is('set attach type loaded', l.bpf_program__set_expected_attach_type(prog, 37));
  r.is('set flags loaded', l.bpf_program__set_flags(prog, 0));
  r.is('set autoload loaded', l.bpf_program__set_autoload(prog, false));
  r.is('set log level loaded', l.bpf_program__set_log_level(prog, 1));
  r.is('set attach target loaded', l.bpf_program__set_attach_target(prog, 0, 'x'));
  r.is('set initial loaded', l.bpf_map__set_initial_value(rodata, new Uint8Array(2), 2));
  await r.p('attach xdp by section', l.bpf_program__attach(prog));
}

async function loaded(r: Recorder, { dropPort, pins }: Files): Promise<void> {
  const { l } = r;
  let obj = need(await l.bpf_object__open_file(dropPort), l);
  const prog = need(l.bpf_object__next_program(obj, null), l);
  const map = need(l.bpf_object__find_map_by_name(obj, 'blocked'), l);
  const [keySize, valueSize] = [l.bpf_map__key_size(map), l.bpf_map__value_size(map)];
  const [key, value] = [new Uint8Array(64), new Uint8Array(4096)];
  await r.n('load', l.bpf_object__load(obj));
  await r.n('load again', l.bpf_object__load(obj));
  await changesOfLoaded(r, obj, map);

  await r.n('elem update', l.bpf_map__update_elem(map, key, keySize, value, valueSize, 0));
  await r.n('elem lookup', l.bpf_map__lookup_elem(map, key, keySize, value, valueSize, 0));
  await r.n('elem lookup key size', l.bpf_map__lookup_elem(map, key, keySize + 1, value, valueSize, 0));
  await r.n('elem lookup value size', l.bpf_map__lookup_elem(map, key, keySize, value, valueSize + 1, 0));
  await r.n('elem next', l.bpf_map__get_next_key(map, null, key, keySize));
  await r.n('elem take', l.bpf_map__lookup_and_delete_elem(map, key, keySize, value, valueSize, 0));
  await r.n('elem delete none', l.bpf_map__delete_elem(map, key, keySize, 0));
  await r.n('elem next none', l.bpf_map__get_next_key(map, null, key, keySize));

  const [path, other, third] = [`${pins}/map`, `${pins}/other`, `${pins}/prog`];
  await r.n('pin map', l.bpf_map__pin(map, path));
  await r.n('pin map again', l.bpf_map__pin(map, path));
  await r.n('pin map elsewhere', l.bpf_map__pin(map, other));
  r.is('pinned', l.bpf_map__is_pinned(map));
  await r.n('pin taken', l.bpf_obj_pin(l.bpf_program__fd(prog), path));
  await r.n('pin bad fd', l.bpf_obj_pin(9999, other));
  r.is('get', (await r.fd('get fd', l.bpf_obj_get(path))) > 0);
  await r.n('get none', l.bpf_obj_get(other));
  await r.n('unpin map elsewhere', l.bpf_map__unpin(map, other));
  await r.n('unpin map', l.bpf_map__unpin(map, null));
  await r.n('unpin map twice', l.bpf_map__unpin(map, null));
  await r.n('pin prog', l.bpf_program__pin(prog, third));
  await r.n('pin prog twice', l.bpf_program__pin(prog, third));
  await r.n('unpin prog', l.bpf_program__unpin(prog, third));
  await r.n('unpin prog twice', l.bpf_program__unpin(prog, third));
  await l.bpf_object__close(obj);

  obj = need(await l.bpf_object__open_file(dropPort), l);
  await r.n('load second', l.bpf_object__load(obj));
  await r.n('pin all', l.bpf_object__pin(obj, pins));
  await r.n('pin all twice', l.bpf_object__pin(obj, pins));
  await r.n('unpin maps', l.bpf_object__unpin_maps(obj, pins));
  await r.n('unpin maps twice', l.bpf_object__unpin_maps(obj, pins));
  await r.n('unpin progs', l.bpf_object__unpin_programs(obj, pins));
  await r.n('unpin progs twice', l.bpf_object__unpin_programs(obj, pins));
  await l.bpf_object__close(obj);
}

async function maps(r: Recorder): Promise<void> {
  const { l } = r;
  const value = u32(10);
  const next = new Uint8Array(4);
  const hash = await r.fd('create hash', l.bpf_map_create(1, 'hash', 4, 4, 8));
  const array = await r.fd('create array', l.bpf_map_create(2, 'array', 4, 4, 4));
  const queue = await r.fd('create queue', l.bpf_map_create(22, 'queue', 0, 4, 2));
  await r.fd('create no type', l.bpf_map_create(1000, 'x', 4, 4, 8));
  await r.fd('create no key', l.bpf_map_create(1, 'x', 0, 4, 8));
  await r.fd('create no entries', l.bpf_map_create(1, 'x', 4, 4, 0));
  await r.fd('create array key', l.bpf_map_create(2, 'x', 8, 4, 8));
  await r.fd('create bad name', l.bpf_map_create(2, 'a b', 4, 4, 8));
  await r.n('update', l.bpf_map_update_elem(hash, u32(1), value, 0));
  await r.n('update noexist', l.bpf_map_update_elem(hash, u32(1), value, 1));
  await r.n('update flags', l.bpf_map_update_elem(hash, u32(1), value, 77));
  await r.n('update exist', l.bpf_map_update_elem(hash, u32(2), value, 2));
  await r.n('lookup none', l.bpf_map_lookup_elem(hash, u32(2), value));
  await r.n('delete none', l.bpf_map_delete_elem(hash, u32(2)));
  await r.n('take none', l.bpf_map_lookup_and_delete_elem(hash, u32(2), value));
  await r.n('next unknown', l.bpf_map_get_next_key(hash, u32(2), next));
  r.is('next is', new DataView(next.buffer).getUint32(0, true));
  await r.n('next last', l.bpf_map_get_next_key(hash, next, next));
  await r.n('array lookup beyond', l.bpf_map_lookup_elem(array, u32(4), value));
  await r.n('array update beyond', l.bpf_map_update_elem(array, u32(4), value, 0));
  await r.n('array noexist', l.bpf_map_update_elem(array, u32(0), value, 1));
  await r.n('array delete', l.bpf_map_delete_elem(array, u32(0)));
  await r.n('array take', l.bpf_map_lookup_and_delete_elem(array, u32(0), value));
  for (const label of ['push', 'push 2', 'push full']) await r.n(label, l.bpf_map_update_elem(queue, null, value, 0));
  await r.n('push over', l.bpf_map_update_elem(queue, null, value, 2));
  await r.n('peek', l.bpf_map_lookup_elem(queue, null, value));
  await r.n('pop', l.bpf_map_lookup_and_delete_elem(queue, null, value));
  await r.n('queue next', l.bpf_map_get_next_key(queue, null, next));
  await r.n('bad fd lookup', l.bpf_map_lookup_elem(9999, u32(0), value));
  await r.n('bad fd update', l.bpf_map_update_elem(9999, u32(0), value, 0));
  await r.n('bad fd freeze', l.bpf_map_freeze(9999));
  await batches(r, hash, array, queue);
  await r.n('freeze', l.bpf_map_freeze(array));
  await r.n('freeze twice', l.bpf_map_freeze(array));
  await r.n('frozen update', l.bpf_map_update_elem(array, u32(0), value, 0));
  await r.n('frozen lookup', l.bpf_map_lookup_elem(array, u32(0), value));
  await r.n('batch frozen', l.bpf_map_update_batch(array, u32(0), value, out(1)));
}

async function batches(r: Recorder, hash: number, array: number, queue: number): Promise<void> {
  const { l } = r;
  const [keys, values, cursor] = [new Uint8Array(64), new Uint8Array(64), new Uint8Array(4)];
  for (let i = 0; i < 5; i++) {
    keys.set(u32(10 + i), 4 * i);
    values.set(u32(i), 4 * i);
  }
  let count = out(5);
  await r.n('batch update', l.bpf_map_update_batch(hash, keys, values, count));
  r.is('batch update count', count.value);
  await r.n('batch update flags', l.bpf_map_update_batch(hash, keys, values, out(5), { elem_flags: 1 }));
  await r.n('batch update opts', l.bpf_map_update_batch(hash, keys, values, out(5), { flags: 1 }));
  await r.n('batch update none', l.bpf_map_update_batch(hash, keys, values, out(0)));
  const counted = async (label: string, call: (n: { value: number }) => Promise<number>, n: number): Promise<void> => {
    count = out(n);
    await r.n(label, call(count));
    r.is(`${label} count`, count.value);
  };
  await counted('batch lookup', (n) => l.bpf_map_lookup_batch(hash, null, cursor, keys, values, n), 16);
  const some = Uint8Array.from([...u32(10), ...u32(99), ...u32(11)]);
  await counted('batch delete', (n) => l.bpf_map_delete_batch(hash, some, n), 3);
  await counted('batch take', (n) => l.bpf_map_lookup_and_delete_batch(hash, null, cursor, keys, values, n), 16);
  await counted('batch empty', (n) => l.bpf_map_lookup_batch(hash, null, cursor, keys, values, n), 16);
  await counted('batch array', (n) => l.bpf_map_lookup_batch(array, null, cursor, keys, values, n), 3);
  await counted('batch array rest', (n) => l.bpf_map_lookup_batch(array, cursor, cursor, keys, values, n), 3);
  await r.n('batch array take', l.bpf_map_lookup_and_delete_batch(array, null, cursor, keys, values, out(3)));
  await r.n('batch queue', l.bpf_map_lookup_batch(queue, null, cursor, keys, values, out(3)));
}

async function programs(r: Recorder): Promise<void> {
  const { l } = r;
  const data = new Uint8Array(64);
  const one = await r.fd('prog load', l.bpf_prog_load(6, 'pass', 'GPL', returns(2), 2));
  const two = await r.fd('prog load 2', l.bpf_prog_load(6, 'drop', 'GPL', returns(1), 2));
  const map = await l.bpf_map_create(2, 'array', 4, 4, 4);
  const broken = await l.bpf_prog_load(6, 'broken', 'GPL', returns(0).subarray(8), 1);
  r.is('prog broken', broken < 0 ? 0 : -1);
  await r.fd('prog no type', l.bpf_prog_load(1000, 'x', 'GPL', returns(0), 2));
  await r.fd('prog empty', l.bpf_prog_load(6, 'x', 'GPL', returns(0), 0));
  const run = { data_in: data, data_out: new Uint8Array(64), data_size_out: 64, retval: -1 };
  const tiny = { data_in: data, data_out: new Uint8Array(8), data_size_out: 8 };
  await r.n('run', l.bpf_prog_test_run_opts(one, run));
  r.is('run retval', run.retval);
  r.is('run size', run.data_size_out);
  await r.n('run small', l.bpf_prog_test_run_opts(one, tiny));
  r.is('run small size', tiny.data_size_out);
  await r.n('run brief', l.bpf_prog_test_run_opts(one, { data_in: data, data_size_in: 4 }));
  await r.n('run map', l.bpf_prog_test_run_opts(map, run));
  await r.n('bind', l.bpf_prog_bind_map(one, map));
  await r.n('bind bad', l.bpf_prog_bind_map(one, 9999));
  const length = out(512);
  await r.n('info', l.bpf_obj_get_info_by_fd(map, new Uint8Array(512), length));
  length.value = 8;
  await r.n('info short', l.bpf_obj_get_info_by_fd(map, new Uint8Array(512), length));
  r.is('info short length', length.value);
  await r.n('info dirty', l.bpf_obj_get_info_by_fd(map, new Uint8Array(512).fill(255), out(512)));
  await r.n('info bad', l.bpf_obj_get_info_by_fd(9999, new Uint8Array(512), out(512)));
  await r.n('by id none', l.bpf_map_get_fd_by_id(0xfffffff));
  await r.n('prog by id none', l.bpf_prog_get_fd_by_id(0xfffffff));
  await r.n('link by id none', l.bpf_link_get_fd_by_id(0xfffffff));
  await r.n('btf by id none', l.bpf_btf_get_fd_by_id(0xfffffff));
  await r.n('next id end', l.bpf_map_get_next_id(0xfffffff, out(0)));
  await links(r, one, two, map);
}

async function links(r: Recorder, one: number, two: number, map: number): Promise<void> {
  const { l } = r;
  const link = await r.fd('link', l.bpf_link_create(one, 1, 37));
  await r.fd('link busy', l.bpf_link_create(two, 1, 37));
  await r.fd('link flags', l.bpf_link_create(two, 1, 37, { flags: 0x80 }));
  await r.fd('link bad fd', l.bpf_link_create(9999, 1, 37));
  await r.fd('link map fd', l.bpf_link_create(map, 1, 37));
  await r.n('link update', l.bpf_link_update(link, two));
  await r.n('link update other', l.bpf_link_update(link, one, { flags: 4, old_prog_fd: one }));
  await r.n('link update right', l.bpf_link_update(link, one, { flags: 4, old_prog_fd: two }));
  await r.n('link update old only', l.bpf_link_update(link, one, { old_prog_fd: one }));
  await r.n('link update bad', l.bpf_link_update(9999, one));
  await r.n('link detach', l.bpf_link_detach(link));
  await r.n('link detach twice', l.bpf_link_detach(link));
  await r.n('link detach prog', l.bpf_link_detach(one));
  const id = out(0);
  await r.n('xdp none', l.bpf_xdp_query_id(1, 0, id));
  r.is('xdp none id', id.value);
  await r.n('xdp attach', l.bpf_xdp_attach(1, one, 0));
  await l.bpf_xdp_query_id(1, 0, id);
  r.is('xdp id', id.value !== 0);
  await r.n('xdp busy link', l.bpf_link_create(two, 1, 37));
  await r.n('xdp detach', l.bpf_xdp_detach(1, 0));
  await r.n('prog attach xdp', l.bpf_prog_attach(one, 1, 37, 0));
  await r.n('prog attach no type', l.bpf_prog_attach(one, 0, 1000, 0));
  await r.fd('stats', l.bpf_enable_stats(0));
  await r.fd('stats bad', l.bpf_enable_stats(7));
}

async function types(r: Recorder, { dropPort }: Files): Promise<void> {
  const { l } = r;
  const btf = l.btf__new_empty();
  const add = (label: string, id: number): void => r.is(`add ${label}`, id);
  await r.p(
    'btf garbage',
    l.btf__new(
      Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 0x78 : 0)),
      32,
    ),
  );
  await r.p('btf none', l.btf__parse('/none'));
  await r.p('btf raw of elf', l.btf__parse_raw(dropPort));
  await r.p('btf elf', l.btf__parse_elf(dropPort));
  r.is('btf empty', l.btf__type_cnt(btf));
  add('int', l.btf__add_int(btf, 'int', 4, 1));
  add('int unnamed', l.btf__add_int(btf, '', 4, 0));
  add('int size', l.btf__add_int(btf, 'x', 3, 0));
  add('int big', l.btf__add_int(btf, 'x', 32, 0));
  add('int encoding', l.btf__add_int(btf, 'x', 4, 8));
  add('float', l.btf__add_float(btf, 'f', 8));
  add('float size', l.btf__add_float(btf, 'f', 3));
  add('ptr', l.btf__add_ptr(btf, 1));
  add('ptr bad', l.btf__add_ptr(btf, -1));
  add('field early', l.btf__add_field(btf, 'x', 1, 0, 0));
  add('struct', l.btf__add_struct(btf, 's', 12));
  add('field', l.btf__add_field(btf, 'a', 1, 0, 0));
  add('bitfield', l.btf__add_field(btf, 'b', 1, 33, 3));
  add('bitfield size', l.btf__add_field(btf, 'b', 1, 33, 0));
  add('bitfield far', l.btf__add_field(btf, 'b', 1, 0x1000000, 3));
  add('union', l.btf__add_union(btf, 'u', 4));
  add('union field', l.btf__add_field(btf, 'a', 1, 8, 0));
  add('enum', l.btf__add_enum(btf, 'e', 4));
  add('enum size', l.btf__add_enum(btf, 'e', 3));
  add('enum unnamed', l.btf__add_enum(btf, null, 4));
  add('value', l.btf__add_enum_value(btf, 'A', 1));
  add('value big', l.btf__add_enum_value(btf, 'B', 0x1_0000_0000));
  add('value unnamed', l.btf__add_enum_value(btf, '', 1));
  add('enum64', l.btf__add_enum64(btf, 'e64', 8, false));
  add('value64', l.btf__add_enum64_value(btf, 'C', 0x1_0000_0000n));
  add('value of enum64', l.btf__add_enum_value(btf, 'D', 1));
  add('fwd', l.btf__add_fwd(btf, 'f', 0));
  add('fwd enum', l.btf__add_fwd(btf, 'fe', 2));
  add('fwd bad', l.btf__add_fwd(btf, 'f', 7));
  add('fwd unnamed', l.btf__add_fwd(btf, '', 0));
  add('typedef', l.btf__add_typedef(btf, 't', 1));
  add('typedef unnamed', l.btf__add_typedef(btf, '', 1));
  add('const', l.btf__add_const(btf, 1));
  add('proto', l.btf__add_func_proto(btf, 1));
  add('param', l.btf__add_func_param(btf, 'p', 1));
  add('func', l.btf__add_func(btf, 'f', 1, 14));
  add('func linkage', l.btf__add_func(btf, 'f', 5, 14));
  add('param late', l.btf__add_func_param(btf, 'p', 1));
  add('var', l.btf__add_var(btf, 'v', 0, 1));
  add('var linkage', l.btf__add_var(btf, 'v', 9, 1));
  add('datasec', l.btf__add_datasec(btf, '.data', 4));
  add('secinfo', l.btf__add_datasec_var_info(btf, 16, 0, 4));
  add('tag', l.btf__add_decl_tag(btf, 'tag', 16, -1));
  add('tag component', l.btf__add_decl_tag(btf, 'tag', 16, -2));
  r.is('find str', l.btf__find_str(btf, 'tag') > 0);
  r.is('find no str', l.btf__find_str(btf, 'none'));
  r.is('count', l.btf__type_cnt(btf));
  r.is('by name', l.btf__find_by_name(btf, 's'));
  r.is('by no name', l.btf__find_by_name(btf, 'none'));
  r.is('by kind', l.btf__find_by_name_kind(btf, 's', 4));
  r.is('by other kind', l.btf__find_by_name_kind(btf, 's', 5));
  r.is('void', l.btf__find_by_name(btf, 'void'));
  await r.p('type', l.btf__type_by_id(btf, 4));
  await r.p('no type', l.btf__type_by_id(btf, 999));
  r.is('size', l.btf__resolve_size(btf, 4));
  r.is('size of typedef', l.btf__resolve_size(btf, l.btf__find_by_name(btf, 't')));
  r.is('size of none', l.btf__resolve_size(btf, 999));
  r.is('align', l.btf__align_of(btf, 4));
  r.is('resolve', l.btf__resolve_type(btf, l.btf__find_by_name(btf, 't')));
  r.is('pointer size bad', l.btf__set_pointer_size(btf, 3));
  r.is('endian bad', l.btf__set_endianness(btf, 7));
  await r.p('string', l.btf__str_by_offset(btf, 1));
  await r.p('no string', l.btf__str_by_offset(btf, 99999));
  const file = need(await l.btf__parse(dropPort), l);
  r.is('file count', l.btf__type_cnt(file));
  r.is('file map', l.btf__find_by_name_kind(file, 'blocked', 14));
  add('btf', l.btf__add_btf(btf, file));
}

const create = (size: number): Uint8Array => {
  const attr = new Uint8Array(size);
  write(ATTRS.MAP_CREATE, attr, { map_type: 2, key_size: 4, value_size: 4, max_entries: 1 });
  return attr;
};

/** Bytes of union bpf_attr in the C program: those of the installed headers. */
const ATTR_SIZE = 144;

async function calls(r: Recorder): Promise<void> {
  const { l } = r;
  const call = async (label: string, cmd: number, attr: Uint8Array, size: number): Promise<void> => {
    const result = await l.bpf(cmd, attr, size);
    r.is(label, Math.min(result, 1));
  };
  const large = create(5000);
  await call('sys create', 0, create(ATTR_SIZE), ATTR_SIZE);
  await call('sys create short', 0, large, 16);
  await call('sys create shorter', 0, large, 12);
  await call('sys create long', 0, large, 1000);
  large[999] = 1;
  await call('sys create dirty', 0, large, 1000);
  await call('sys create huge', 0, large, 5000);
  const attr = new Uint8Array(ATTR_SIZE);
  await call('sys unknown', 999, attr, ATTR_SIZE);
  write(ATTRS.ELEMENT, attr, { map_fd: 9999 });
  await call('sys lookup bad fd', 1, attr, ATTR_SIZE);
  write(ATTRS.ELEMENT, attr, { map_fd: await l.bpf_map_create(1, 'h', 4, 4, 4) });
  await call('sys lookup null', 1, attr, ATTR_SIZE);
  await call('sys update null', 2, attr, ATTR_SIZE);
  await call('sys delete null', 3, attr, ATTR_SIZE);
  write(ATTRS.ELEMENT, attr, { flags: 1n });
  await call('sys delete flags', 3, attr, ATTR_SIZE);
  attr.fill(0);
  await call('sys get null', 7, attr, ATTR_SIZE);
  await call('sys pin null', 6, attr, ATTR_SIZE);
  write(ATTRS.PROG_LOAD, attr, { prog_type: 6, insn_cnt: 2, license: l.arena.text('GPL') });
  await call('sys load null', 5, attr, ATTR_SIZE);
  write(ATTRS.PROG_LOAD, attr, { insns: l.arena.place(returns(2)) });
  await call('sys load', 5, attr, ATTR_SIZE);
  write(ATTRS.PROG_LOAD, attr, { license: 0n });
  await call('sys load no license', 5, attr, ATTR_SIZE);
}

/** What ours gives for every label. `sections` are the names that the C program asked for. */
export async function ourCalls(
  session: Session,
  files: Files,
  sections: readonly string[],
): Promise<Map<string, string>> {
  const r = new Recorder(
    createLibbpf(session, {
      readFile: async (file) => (existsSync(file) ? new Uint8Array(readFileSync(file)) : undefined),
    }),
  );
  names(r, sections);
  await opening(r, files);
  await loaded(r, files);
  await maps(r);
  await programs(r);
  await types(r, files);
  await calls(r);
  return r.results;
}
