// The tree of pins: one table of canonical paths, whatever spelling an application prefers.
import type { ErrnoName } from '../spec/errno.ts';
import type { ContextObject } from './objects.ts';

/** How paths are printed: `/sys/fs/bpf/a/b` or `BPF:\a\b`. */
export const PIN_FORMS = ['linux', 'windows'] as const;
export type PinForm = (typeof PIN_FORMS)[number];

/** NAME_MAX of bpffs, and PATH_MAX of Linux (both without the NUL). */
const LONGEST_NAME = 255;
const LONGEST_PATH = 4095;

/** Where spellings begin that mean the root; what has none of them is relative to it. */
const ROOTS = ['/sys/fs/bpf', '/ebpf/global', 'BPF:'] as const;

/**
 * The path in its canonical form: names with `/` between, without a root. `BPF:\a\b`, `/sys/fs/bpf/a/b`, `/ebpf/global/a/b`, `/a/b`
 * and `a/b` are all `a/b`; `\` is `/`, `.` and `..` are resolved and do not lead out of the tree. Case matters.
 *
 * @returns an errno's name where the path is none
 */
export function canonicalPin(path: string): { readonly path: string } | { readonly errno: ErrnoName } {
  if (path.length > LONGEST_PATH) return { errno: 'ENAMETOOLONG' };
  if (path.includes('\0')) return { errno: 'EINVAL' };
  const slashed = path.replaceAll('\\', '/');
  const root = ROOTS.find((one) => slashed === one || slashed.startsWith(`${one}/`));
  const names: string[] = [];
  for (const name of slashed.slice(root?.length ?? 0).split('/')) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      if (names.pop() === undefined) return { errno: 'EINVAL' };
    } else if (name.length > LONGEST_NAME) return { errno: 'ENAMETOOLONG' };
    else names.push(name);
  }
  return { path: names.join('/') };
}

const PRINTED: { readonly [F in PinForm]: (path: string) => string } = {
  linux: (path) => (path === '' ? '/sys/fs/bpf' : `/sys/fs/bpf/${path}`),
  windows: (path) => `BPF:\\${path.replaceAll('/', '\\')}`,
};

/** A canonical path as a person of that system reads it. */
export const printPin = (path: string, form: PinForm): string => PRINTED[form](path);

/** Objects by canonical path. A pin is a user's reference. */
export class PinTree {
  readonly #pins = new Map<string, ContextObject>();

  get(path: string): ContextObject | undefined {
    return this.#pins.get(path);
  }

  add(path: string, object: ContextObject): void {
    object.retainUser();
    object.pins.add(path);
    this.#pins.set(path, object);
  }

  /** False where nothing is pinned there. */
  remove(path: string): boolean {
    const object = this.#pins.get(path);
    if (object === undefined) return false;
    this.#pins.delete(path);
    object.pins.delete(path);
    object.releaseUser();
    return true;
  }

  /** Paths below one (all for the root), sorted by their code units; the path itself, where it is a pin, is one of them. */
  below(path: string): readonly (readonly [path: string, object: ContextObject])[] {
    return [...this.#pins]
      .filter(([pin]) => path === '' || pin === path || pin.startsWith(`${path}/`))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  }
}
