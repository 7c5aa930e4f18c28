// Files of a state directory, as much of them as durability needs: an interface, so that tests can put a disk that fails under it.
import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';

/** A file that is written at its end. */
export interface StateFile {
  /** All of the bytes, or it throws; some of them may be in the file then. */
  append(bytes: Uint8Array): void;
  /** What was appended survives the machine's end when this returns. */
  sync(): void;
  truncate(length: number): void;
  close(): void;
}

/** What is in a directory. All methods throw the system's errors. */
export interface StateFiles {
  readonly folder: string;
  list(): string[];
  read(name: string): Uint8Array;
  /** To write at its end; made where it is not there. */
  open(name: string): StateFile;
  rename(from: string, to: string): void;
  remove(name: string): void;
  /** Names that were made, changed or taken away survive the machine's end when this returns. */
  syncNames(): void;
}

const OWNER_ONLY = 0o600;
const OWNER_FOLDER = 0o700;

/** A directory of this machine; made for its owner only where it is not there. */
export function nodeFiles(folder: string): StateFiles {
  mkdirSync(folder, { recursive: true, mode: OWNER_FOLDER });
  return {
    folder,
    list: () => readdirSync(folder),
    read: (name) => new Uint8Array(readFileSync(join(folder, name))),
    open: (name) => openAtEnd(join(folder, name)),
    rename: (from, to) => renameSync(join(folder, from), join(folder, to)),
    remove: (name) => rmSync(join(folder, name), { force: true }),
    syncNames: () => {
      // Windows cannot open directories, and needs no such step.
      if (process.platform === 'win32') return;
      const descriptor = openSync(folder, 'r');
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

function openAtEnd(path: string): StateFile {
  const descriptor = openSync(path, 'a', OWNER_ONLY);
  return {
    append: (bytes) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    },
    sync: () => fdatasyncSync(descriptor),
    truncate: (length) => ftruncateSync(descriptor, length),
    close: () => closeSync(descriptor),
  };
}
