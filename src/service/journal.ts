// A state directory's journal: snapshot.N is all that there was, journal.N what has changed since. Changes are appended; when they have
// become many, snapshot.N+1 takes the place of both.
//
// A snapshot is written beside its place, and has its name only when it is whole. Whatever moment the process ends in, the files of the
// highest generation are what was acknowledged.
import { AnyBpfError, type Diagnostic, fail, type Place } from '../base/diagnostic.ts';
import { notWritten, stateCorrupt, stateCut, stateFolder } from '../base/messages/state.ts';
import type { Durability } from './choices.ts';
import { decodeEntries, encodeEntry, type Entry } from './journal-entries.ts';
import { encodeFrame, encodeHeader, HEADER_SIZE, readFrames } from './journal-frames.ts';
import type { StateFile, StateFiles } from './state-files.ts';

/** Bytes of one frame of a snapshot, about: what is read and written in a piece. */
const PIECE = 1 << 20;

const NAME = /^(journal|snapshot)\.([1-9]\d{0,14})$/;
const UNFINISHED = /^snapshot\.[1-9]\d{0,14}\.new$/;

/** What was in the directory. */
export interface Recovered {
  /** Snapshot's and journal's, in order. */
  readonly entries: readonly Entry[];
  /** What was cut off. */
  readonly diagnostics: readonly Diagnostic[];
}

const reason = (error: unknown): string => (error as Error).message;

export class Journal {
  readonly #files: StateFiles;
  readonly #durability: Durability;
  #generation: number;
  #file: StateFile | undefined;
  /** Bytes and frames of the journal that are whole. */
  #size: number;
  #frames: number;
  #waiting: Uint8Array[] = [];
  #waitingSize = 0;

  private constructor(files: StateFiles, durability: Durability, at: Pick<Read, 'generation' | 'size' | 'frames'>) {
    this.#files = files;
    this.#durability = durability;
    this.#generation = at.generation;
    this.#size = at.size;
    this.#frames = at.frames;
  }

  /**
   * Reads what there is, cuts off what is no whole entry, and takes away files of earlier generations.
   * @throws AnyBpfError state/corrupt, state/version (nothing was changed then), state/folder
   */
  static open(files: StateFiles, durability: Durability): { readonly journal: Journal } & Recovered {
    try {
      const read = readAll(files);
      const journal = new Journal(files, durability, read);
      journal.#clean();
      if (read.size !== read.length) journal.#open().truncate(read.size);
      return { journal, entries: read.entries, diagnostics: read.diagnostics };
    } catch (error) {
      if (error instanceof AnyBpfError) throw error;
      return fail(stateFolder({}, files.folder, reason(error)));
    }
  }

  /** Bytes of the journal since the snapshot, with what waits. */
  get size(): number {
    return this.#size + this.#waitingSize;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Keeps a change to be written with the next `flush`. */
  add(entry: Entry): void {
    const shared = entry.op !== 'set' && entry.op !== 'delete';
    for (const piece of encodeEntry(entry)) {
      // Whoever gave the bytes may use them again.
      this.#waiting.push(shared ? piece.slice() : piece);
      this.#waitingSize += piece.length;
    }
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Writes what waits, as one frame. With durability `power` it is on the disk then.
   * @throws AnyBpfError state/not-written; it still waits then, and the journal ends as before
   */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const frame = encodeFrame(this.#generation, this.#frames + 1, this.#waiting);
    const fresh = this.#size === 0;
    try {
      const file = this.#open();
      if (fresh) file.append(encodeHeader('journal', this.#generation));
      file.append(frame);
      if (this.#durability === 'power') {
        file.sync();
        if (fresh) this.#files.syncNames();
      }
    } catch (error) {
      this.#takeBack();
      fail(notWritten({ file: this.#files.folder }, reason(error)));
    }
    this.#size += frame.length + (fresh ? HEADER_SIZE : 0);
    this.#frames++;
    this.#drop();
  }

  /**
   * All that there is, as entries: takes the place of journal and snapshot. What waits is in it, or is not needed.
   * @returns bytes of the snapshot
   * @throws AnyBpfError state/not-written; the files are as before then
   */
  snapshot(entries: Iterable<Entry>): number {
    const next = this.#generation + 1;
    const name = `snapshot.${next}`;
    const unfinished = `${name}.new`;
    let size = 0;
    try {
      this.#files.remove(unfinished);
      const file = this.#files.open(unfinished);
      try {
        size = writeSnapshot(file, next, entries);
        // Always: the files that it stands for are taken away.
        file.sync();
      } finally {
        file.close();
      }
      this.#files.rename(unfinished, name);
      this.#files.syncNames();
    } catch (error) {
      if (error instanceof AnyBpfError) throw error;
      fail(notWritten({ file: this.#files.folder }, reason(error)));
    }
    this.close();
    this.#generation = next;
    this.#size = 0;
    this.#frames = 0;
    this.#drop();
    this.#clean();
    return size;
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #open(): StateFile {
    this.#file ??= this.#files.open(`journal.${this.#generation}`);
    return this.#file;
  }

  #drop(): void {
    this.#waiting = [];
    this.#waitingSize = 0;
  }

  /** What was written of a frame that did not fit would be damage before the next one. */
  #takeBack(): void {
    try {
      this.#file?.truncate(this.#size);
    } catch {
      // The next snapshot is in another file. Until then whatever follows is refused when it is read, and was not acknowledged.
    }
  }

  #clean(): void {
    for (const name of this.#files.list()) {
      const generation = NAME.exec(name)?.[2];
      const old = generation !== undefined && Number(generation) < this.#generation;
      if (old || UNFINISHED.test(name)) this.#files.remove(name);
    }
  }
}

/** Gives its size in bytes. */
function writeSnapshot(file: StateFile, generation: number, entries: Iterable<Entry>): number {
  let total = HEADER_SIZE;
  file.append(encodeHeader('snapshot', generation));
  let pieces: Uint8Array[] = [];
  let size = 0;
  let frames = 0;
  const put = (): void => {
    const frame = encodeFrame(generation, ++frames, pieces);
    file.append(frame);
    total += frame.length;
    pieces = [];
    size = 0;
  };
  for (const entry of entries) {
    for (const piece of encodeEntry(entry)) {
      pieces.push(piece);
      size += piece.length;
    }
    if (size >= PIECE) put();
  }
  if (size > 0) put();
  put();
  return total;
}

interface Read extends Recovered {
  readonly generation: number;
  /** Bytes of the journal: that are whole, and that there are. */
  readonly size: number;
  readonly length: number;
  readonly frames: number;
}

function readAll(files: StateFiles): Read {
  const generations: { readonly [K in 'journal' | 'snapshot']: number[] } = { journal: [], snapshot: [] };
  for (const name of files.list()) {
    const [, kind, generation] = NAME.exec(name) ?? [];
    if (kind !== undefined) generations[kind as 'journal' | 'snapshot'].push(Number(generation));
  }
  const newest = Math.max(1, ...generations.snapshot);
  const stray = generations.journal.find((generation) => generation > newest);
  if (stray !== undefined)
    fail(stateCorrupt({ file: `journal.${stray}` }, 'the snapshot that it goes on from is missing'));
  const before = generations.snapshot.includes(newest) ? readSnapshot(files, newest) : [];
  if (!generations.journal.includes(newest))
    return { entries: before, diagnostics: [], generation: newest, size: 0, length: 0, frames: 0 };
  const place: Place = { file: `journal.${newest}` };
  const bytes = files.read(`journal.${newest}`);
  const { frames, end } = readFrames(bytes, 'journal', newest, place);
  const entries = frames.flatMap((frame) => decoded(frame, place));
  const cut = bytes.length - end;
  return {
    entries: [...before, ...entries],
    diagnostics: cut === 0 ? [] : [stateCut({ ...place, offset: end }, cut)],
    generation: newest,
    size: end,
    length: bytes.length,
    frames: frames.length,
  };
}

function readSnapshot(files: StateFiles, generation: number): Entry[] {
  const place: Place = { file: `snapshot.${generation}` };
  const bytes = files.read(`snapshot.${generation}`);
  const { frames, end } = readFrames(bytes, 'snapshot', generation, place);
  if (end !== bytes.length || frames.at(-1)?.length !== 0)
    fail(stateCorrupt({ ...place, offset: end }, 'the snapshot is not whole'));
  return frames.flatMap((frame) => decoded(frame, place));
}

function decoded(frame: Uint8Array, place: Place): Entry[] {
  try {
    return decodeEntries(frame);
  } catch (error) {
    return fail(stateCorrupt(place, reason(error)));
  }
}
