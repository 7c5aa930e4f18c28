// Whether a refusal can be shown: an input with which the program goes wrong at that very instruction. The reference interpreter checks
// every access, so that a run that is aborted there proves the fault; that none is found proves nothing.
import { AnyBpfError, type Diagnostic } from '../base/diagnostic.ts';
import type { Host } from '../spec/host.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import { loadObject } from './loader.ts';
import type { LoadedProgram } from './program.ts';

export interface Witness {
  /** The packet; undefined where the program type has none. */
  readonly data: Uint8Array | undefined;
  /** How the run ended. */
  readonly aborted: Diagnostic;
}

/** Refusals that a run may show. */
const SHOWN: ReadonlySet<string> = new Set([
  'verify/bounds',
  'verify/packet-bounds',
  'verify/null',
  'verify/not-a-pointer',
  'verify/stack-access',
  'verify/helper-argument',
]);
/** Aborts that are faults of the program, and not of what is missing around it. */
const FAULTS = ['run/bad-access', 'run/helper-argument'];
/** A loop that has taken so many instructions does not end, as far as anybody will wait. */
export const ENDLESS = 200_000;
/** Milliseconds that the search may take. */
const PATIENCE = 500;
/** Bytes of maps that are made for the search. */
const MOST_MAP_BYTES = 64 << 20;

/** Lengths about which headers end come first. */
const LENGTHS = [
  ...new Set([64, 14, 34, 54, 1, 20, 42, 60, 128, 1500, ...Array.from({ length: 128 }, (_, i) => i + 1)]),
];

/**
 * Looks for an input. The maps hold what the object gives them, mostly nothing.
 *
 * @param slot the refused instruction
 */
export function witnessOf(
  object: ObjectSpec,
  spec: ProgramSpec,
  code: string,
  slot: number,
  host: Host,
): Witness | undefined {
  const loops = code === 'verify/unbounded-loop';
  const bytes = object.maps.reduce((sum, m) => sum + (m.keySize + m.valueSize) * m.maxEntries, 0);
  if ((!loops && !SHOWN.has(code)) || bytes > MOST_MAP_BYTES) return undefined;
  const programs = object.programs.map((p) => (p.name === spec.name ? spec : p));
  const options = { host, engine: 'reference', verify: 'off', programs: [spec.name], budget: ENDLESS } as const;
  const shows = ({ code: how, place }: Diagnostic): boolean =>
    loops ? how === 'run/budget' : place.insn === slot && FAULTS.some((fault) => how.startsWith(fault));
  const find = (inputs: Iterable<Uint8Array | undefined>): Witness | undefined => {
    using loaded = loadObject({ ...object, programs }, options);
    const program = loaded.program(spec.name);
    const end = performance.now() + PATIENCE;
    for (const data of inputs) {
      const aborted = abortOf(program, data);
      if (aborted !== undefined && shows(aborted)) return { data, aborted };
      if (performance.now() > end) return undefined;
    }
    return undefined;
  };
  try {
    const found = find(inputs());
    // Runs before it may have left something in the maps: it has to do it alone.
    return found && find([found.data]);
  } catch (error) {
    // What cannot be loaded cannot be run.
    if (error instanceof AnyBpfError) return undefined;
    throw error;
  }
}

/** Undefined where the run came to its end, or the input was not one. */
function abortOf(program: LoadedProgram, data: Uint8Array | undefined): Diagnostic | undefined {
  try {
    program.run(data === undefined ? {} : { data, limits: 'device' });
    return undefined;
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    return error.diagnostic;
  }
}

/** No packet, then packets of many lengths: IPv4, IPv6, and each byte again and again. */
function* inputs(): Iterable<Uint8Array | undefined> {
  yield undefined;
  for (const length of LENGTHS) {
    yield ipv4(length);
    yield new Uint8Array(length);
    yield ipv6(length);
  }
  for (let byte = 1; byte < 256; byte++) yield new Uint8Array(64).fill(byte);
}

function ethernet(length: number, type: number, version: number): Uint8Array {
  const packet = new Uint8Array(Math.max(length, 15));
  packet[12] = type >> 8;
  packet[13] = type & 0xff;
  packet[14] = version;
  return packet.subarray(0, length);
}
const ipv4 = (length: number): Uint8Array => {
  const packet = ethernet(length, 0x0800, 0x45);
  if (length > 23) packet[23] = 17;
  return packet;
};
const ipv6 = (length: number): Uint8Array => ethernet(length, 0x86dd, 0x60);
