// A disk for tests: holds what was written apart from what would still be there after the power failed.
import type { StateFile, StateFiles } from '../../src/service/state-files.ts';

interface Content {
  bytes: number[];
  /** What is on the disk for sure. */
  synced: number;
}

/** A directory in memory that can lose its power, refuse to write, and be altered. */
export class Disk implements StateFiles {
  readonly folder = '/state';
  readonly #files = new Map<string, Content>();
  /** Names on the disk for sure, with the files that they mean there. */
  #names = new Map<string, Content>();
  /** Bytes that fit; then ENOSPC, after a part was written. */
  room = Number.POSITIVE_INFINITY;
  writes = 0;
  syncs = 0;

  list(): string[] {
    return [...this.#files.keys()];
  }

  read(name: string): Uint8Array {
    return Uint8Array.from(this.#content(name).bytes);
  }

  open(name: string): StateFile {
    const content = this.#files.get(name) ?? { bytes: [], synced: 0 };
    this.#files.set(name, content);
    return {
      append: (bytes) => {
        this.writes++;
        const fits = Math.min(bytes.length, this.room);
        for (let i = 0; i < fits; i++) content.bytes.push(bytes[i]);
        this.room -= fits;
        if (fits < bytes.length) throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      },
      sync: () => {
        this.syncs++;
        content.synced = content.bytes.length;
      },
      truncate: (length) => {
        content.bytes.length = length;
      },
      close: () => undefined,
    };
  }

  rename(from: string, to: string): void {
    this.#files.set(to, this.#content(from));
    this.#files.delete(from);
  }

  remove(name: string): void {
    this.#files.delete(name);
  }

  syncNames(): void {
    this.#names = new Map(this.#files);
  }

  put(name: string, bytes: Uint8Array): void {
    this.#files.set(name, { bytes: [...bytes], synced: bytes.length });
    this.syncNames();
  }

  /**
   * The disk after the power failed: of what was not synced, a part that `random` chooses is there (of a file, a beginning, in which
   * bytes may be zeros that had not come to the disk yet; of names, those before or after).
   */
  afterPowerLoss(random: () => number): Disk {
    const after = new Disk();
    const names = random() < 0.5 ? this.#names : this.#files;
    for (const [name, { bytes, synced }] of names) {
      const kept = synced + Math.floor(random() * (bytes.length - synced + 1));
      const left = bytes.slice(0, kept);
      const hole = synced + Math.floor(random() * (kept - synced + 1));
      if (random() < 0.5) left.fill(0, hole);
      after.put(name, Uint8Array.from(left));
    }
    return after;
  }

  #content(name: string): Content {
    const content = this.#files.get(name);
    if (content === undefined) throw Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' });
    return content;
  }
}
