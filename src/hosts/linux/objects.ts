// Objects of the kernel, whatever their kind: by descriptor, by id, by path.
import { readlinkSync } from 'node:fs';
import { utf8 } from '../../base/bytes.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { Fd, Id, ObjectKind } from '../../spec/session.ts';
import { bpf, type Command, putAt } from './bpf.ts';

const NEXT: { readonly [K in ObjectKind]: Command } = {
  map: 'MAP_GET_NEXT_ID',
  prog: 'PROG_GET_NEXT_ID',
  link: 'LINK_GET_NEXT_ID',
  btf: 'BTF_GET_NEXT_ID',
};
const OPEN: { readonly [K in ObjectKind]: Command } = {
  map: 'MAP_GET_FD_BY_ID',
  prog: 'PROG_GET_FD_BY_ID',
  link: 'LINK_GET_FD_BY_ID',
  btf: 'BTF_GET_FD_BY_ID',
};

/** The smallest id above one, or the negated errno: -ENOENT after the last. */
export function nextId(kind: ObjectKind, id: Id): number {
  let next = 0;
  const status = bpf(
    NEXT[kind],
    8,
    (attr) => attr.setUint32(0, id, true),
    (attr) => {
      next = attr.getUint32(4, true);
    },
  );
  return status < 0 ? status : next;
}

/** All ids of a kind, rising. */
export function* ids(kind: ObjectKind): Generator<Id> {
  for (let id = nextId(kind, 0); id > 0; id = nextId(kind, id)) yield id;
}

/** A new descriptor, or the negated errno. */
export function openId(kind: ObjectKind, id: Id): number {
  const fd = bpf(OPEN[kind], 12, (attr) => attr.setUint32(0, id, true));
  // A link that is about to be made has an id, and is not there yet (bpf_link_inc_not_zero).
  return fd === -ERRNO.EAGAIN ? -ERRNO.ENOENT : fd;
}

const pathOf = (path: string): Uint8Array => utf8(`${path}\0`);

export const pinObject = (fd: Fd, path: string): number =>
  bpf('OBJ_PIN', 16, (attr) => {
    putAt(attr, 0, pathOf(path));
    attr.setUint32(8, fd, true);
  });

/** A new descriptor of what is pinned there, or the negated errno. */
export const openPin = (path: string): number => bpf('OBJ_GET', 16, (attr) => putAt(attr, 0, pathOf(path)));

const KINDS: Readonly<Record<string, ObjectKind>> = {
  'bpf-map': 'map',
  'bpf-prog': 'prog',
  'bpf-link': 'link',
  bpf_link: 'link',
  btf: 'btf',
};

/** What a descriptor is of, by the name that the kernel gives its file. */
export function kindOf(fd: Fd): ObjectKind | undefined {
  const [, name = ''] = /^anon_inode:\[?([\w-]+)\]?$/.exec(readlinkSync(`/proc/self/fd/${fd}`)) ?? [];
  return KINDS[name];
}
