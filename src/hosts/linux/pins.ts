// Pins: files of a bpffs. Paths below /sys/fs/bpf may stand for another mount (option `bpffs`), and are printed as they were given.
import { lstatSync, mkdirSync, readdirSync, statfsSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import type { Fd, Id, ObjectKind } from '../../spec/session.ts';
import { close } from './bpf.ts';
import { checked, refuse, refuseFile } from './errors.ts';
import { idOf } from './info.ts';
import { mounts } from './mounts.ts';
import { kindOf, openPin, pinObject } from './objects.ts';

export const PIN_ROOT = '/sys/fs/bpf';
/** BPF_FS_MAGIC. */
const BPFFS = 0xcafe_4a11;

export interface Pin {
  readonly path: string;
  readonly kind: ObjectKind;
  readonly id: Id;
}

/** What a file of bpffs stands for never changes: by device, inode and time of birth. */
const KNOWN = new Map<string, { readonly kind: ObjectKind; readonly id: Id } | undefined>();
const MOST_KNOWN = 65_536;

export class Pins {
  readonly #mount: string | undefined;

  /** @param mount where the bpffs is that `/sys/fs/bpf` stands for; there where absent */
  constructor(mount: string | undefined) {
    this.#mount = mount;
  }

  /** The file of a path. Relative ones are relative to the root. */
  #file(given: string, operation: string): string {
    if (given.includes('\0')) refuse(operation, 'EINVAL', 'a path has no NUL');
    const whole = path.posix.resolve(PIN_ROOT, given);
    if (this.#mount === undefined) return whole;
    if (whole === PIN_ROOT || whole.startsWith(`${PIN_ROOT}/`)) return this.#mount + whole.slice(PIN_ROOT.length);
    return whole;
  }

  #printed(file: string): string {
    const mount = this.#mount;
    return mount !== undefined && file.startsWith(`${mount}/`) ? PIN_ROOT + file.slice(mount.length) : file;
  }

  pin(fd: Fd, given: string, operation: string): void {
    const file = this.#file(given, operation);
    const folder = path.posix.dirname(file);
    try {
      // Only below a bpffs: folders of other file systems are none of ours.
      if (isBpffs(nearest(folder))) mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      refuseFile(operation, error);
    }
    const status = pinObject(fd, file);
    checked(operation, status, {}, isBpffs(nearest(folder)) ? given : `${given} is in no bpffs`);
  }

  get(given: string, operation: string): { readonly fd: Fd; readonly kind: ObjectKind } {
    const fd = checked(operation, openPin(this.#file(given, operation)), {}, given);
    const kind = kindOf(fd);
    if (kind !== undefined) return { fd, kind };
    close(fd);
    return refuse(operation, 'EINVAL', `${given} is of no kind that is known`);
  }

  /** Undefined where nothing is there. */
  find(given: string, operation: string): { readonly fd: Fd; readonly kind: ObjectKind } | undefined {
    try {
      lstatSync(this.#file(given, operation));
    } catch {
      return undefined;
    }
    return this.get(given, operation);
  }

  unpin(given: string, operation: string): void {
    const file = this.#file(given, operation);
    try {
      if (!isBpffs(nearest(file))) refuse(operation, 'EINVAL', `${given} is in no bpffs`);
      unlinkSync(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined || !(error instanceof Error) || !('syscall' in error))
        throw error;
      refuseFile(operation, error);
    }
  }

  /** All pins below a path, sorted; those of every bpffs where it is absent. */
  below(given: string | undefined, operation: string): Pin[] {
    const roots = given === undefined ? this.#roots() : [this.#file(given, operation)];
    const found = roots.flatMap((root) => walk(root));
    return found
      .map((pin) => ({ ...pin, path: this.#printed(pin.path) }))
      .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  }

  #roots(): string[] {
    return this.#mount === undefined ? [...new Set(mounts('bpf').map((one) => one.path))] : [this.#mount];
  }

  /** Where an object is pinned. */
  of(kind: ObjectKind, id: Id, operation: string): string[] {
    return this.below(undefined, operation)
      .filter((pin) => pin.kind === kind && pin.id === id)
      .map((pin) => pin.path);
  }
}

function nearest(folder: string): string {
  for (let at = folder; ; at = path.posix.dirname(at)) {
    if (at === '/') return at;
    try {
      lstatSync(at);
      return at;
    } catch {
      // Not there: what is above.
    }
  }
}

const isBpffs = (file: string): boolean => statfsSync(file).type === BPFFS;

function walk(file: string): Pin[] {
  try {
    const stat = lstatSync(file, { bigint: true });
    if (stat.isDirectory()) return readdirSync(file).flatMap((name) => walk(path.posix.join(file, name)));
    const key = `${stat.dev}:${stat.ino}:${stat.ctimeNs}`;
    if (!KNOWN.has(key)) {
      if (KNOWN.size >= MOST_KNOWN) KNOWN.clear();
      KNOWN.set(key, whatIs(file));
    }
    const known = KNOWN.get(key);
    return known === undefined ? [] : [{ path: file, ...known }];
  } catch {
    // It went away meanwhile, or may not be read.
    return [];
  }
}

/** Undefined for other files, such as the kernel's own iterators. */
function whatIs(file: string): { readonly kind: ObjectKind; readonly id: Id } | undefined {
  const fd = openPin(file);
  if (fd < 0) return undefined;
  const kind = kindOf(fd);
  const id = kind === undefined ? 0 : idOf(fd, kind);
  close(fd);
  return kind === undefined ? undefined : { kind, id };
}
