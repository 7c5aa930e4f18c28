// Outside objects for the verifier's tests: all programs of the corpus, made ready as a loader of its time made them.
//
// Many of these objects were built for loaders that finish the work of clang. So, before anything looks at them:
// - calls of memset and memcpy, which old clang left as calls of functions that exist nowhere, become `r0 = 0`;
// - a program without a licence section is GPL, as these loaders said it was;
// - maps of no elements, which their loaders gave a size at run time, have 2 (of ring buffers all a page), large ones at most
//   MOST_ENTRIES, and maps of maps whose values have no size have values of 4 bytes;
// - ring buffers and arrays of perf events have the key and value sizes that the kernel wants;
// - a program whose section says no type has the type that its path tells: XDP, socket filter, else tc; so has one of a
//   section that an object for XDP gives its main program as objects for tc do (from-netdev).
// The kernel is given the same: what differs is then a matter of the verifiers.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { linkObject } from '../../src/link/link.ts';
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../src/spec/object.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import { corpusFolder, filesBelow, type Located } from '../support/shared.ts';

/** Elements and bytes of a map: more would only take memory of the kernel that it is compared with. */
const MOST_ENTRIES = 1024;
const MOST_BYTES = 1 << 20;
const PAGE = 4096;

export interface CorpusProgram {
  /** `folder/object.o program`, with `#2` behind the second of a name: names it in test/known. */
  readonly id: string;
  readonly folder: string;
  readonly object: ObjectSpec;
  readonly program: ProgramSpec;
}

const CALL = 0x85;
const MOV_IMM = 0xb7;

/** Calls without a target become `r0 = 0`. */
function withoutUndefinedCalls(code: Uint8Array): Uint8Array {
  const mended = code.slice();
  const view = new DataView(mended.buffer);
  for (let at = 0; at + 8 <= mended.length; at += 8) {
    if (mended[at] !== CALL || view.getInt32(at + 4, true) !== -1) continue;
    mended.fill(0, at, at + 8);
    mended[at] = MOV_IMM;
  }
  return mended;
}

function mendedMap(map: MapSpec): MapSpec {
  const ring = map.type === 'ringbuf' || map.type === 'user_ringbuf';
  const most = Math.max(1, Math.min(MOST_ENTRIES, Math.floor(MOST_BYTES / Math.max(1, map.valueSize))));
  const wanted = map.maxEntries === 0 ? 2 : map.maxEntries;
  const maxEntries = ring ? PAGE : Math.min(wanted, most);
  return {
    ...map,
    maxEntries,
    ...(ring ? { keySize: 0, valueSize: 0 } : map.type === 'perf_event_array' ? { keySize: 4, valueSize: 4 } : {}),
    ...(map.inner === undefined ? {} : { valueSize: 4, inner: mendedMap(map.inner) }),
  };
}

const guessedType = (file: string): ProgramTypeName =>
  file.includes('xdp') ? 'xdp' : file.includes('socket') ? 'socket_filter' : 'sched_cls';

/** An object of the corpus, made ready. `file`: its path below the folder. */
export function mended(file: string, bytes: Uint8Array): ObjectSpec {
  const spec = linkObject(bytes, { name: file });
  const typed = spec.programs.some((p) => p.type === 'unspec')
    ? linkObject(bytes, { name: file, programType: guessedType(file) })
    : spec;
  const programs = spec.programs.map((program, index) => {
    const { unsupported: _undefinedCalls, ...known } = program.type === 'unspec' ? typed.programs[index] : program;
    const type = known.section === 'from-netdev' ? guessedType(file) : known.type;
    return { ...known, type, code: withoutUndefinedCalls(known.code), license: known.license || 'GPL' };
  });
  return { ...spec, maps: spec.maps.map(mendedMap), programs };
}

/** Every program of the corpus, sorted by object; or why there is none. */
export function corpusPrograms(
  folder: Located = corpusFolder('objects'),
): readonly CorpusProgram[] | { readonly reason: string } {
  if ('reason' in folder) return folder;
  const found: CorpusProgram[] = [];
  for (const file of filesBelow(folder.path, '.o')) {
    let object: ObjectSpec;
    try {
      object = mended(file, readFileSync(path.join(folder.path, file)));
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      continue;
    }
    const seen = new Map<string, number>();
    for (const program of object.programs) {
      const count = (seen.get(program.name) ?? 0) + 1;
      seen.set(program.name, count);
      const id = `${file} ${program.name}${count > 1 ? `#${count}` : ''}`;
      found.push({ id, folder: path.dirname(file), object, program });
    }
  }
  return found;
}
