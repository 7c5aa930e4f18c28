// Ten thousand broken inputs: each must be read, or refused with an AnyBpfError, within a second and without taking
// memory by the hundred megabytes. ANYBPF_SEED=n repeats a run, ANYBPF_FUZZ_INPUTS=n changes the number of inputs.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { decodeBtf } from '../../src/btf/decode.ts';
import { encodeBtf } from '../../src/btf/encode.ts';
import { formatC } from '../../src/btf/format-c.ts';
import type { BtfType } from '../../src/btf/format.ts';
import { formatRaw } from '../../src/btf/format-raw.ts';
import { PcapWriter } from '../../src/capture/pcap.ts';
import { PcapngWriter } from '../../src/capture/pcapng-write.ts';
import type { CapturePacket } from '../../src/capture/packet.ts';
import { readCapture, readCaptureStream } from '../../src/capture/read.ts';
import { sectionByName } from '../../src/elf/lookup.ts';
import { readElf } from '../../src/elf/read.ts';
import { disassemble } from '../../src/isa/disassembler.ts';
import { memoryHost } from '../../src/hosts/memory/host.ts';
import { relocateObject } from '../../src/link/core.ts';
import { linkObject } from '../../src/link/link.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import { samplePackets } from '../support/packets.ts';
import { Random } from '../support/random.ts';
import { corpusFolder, filesBelow, PROJECT_ROOT } from '../support/shared.ts';
import { btfSeed, captureSeed, elfSeed, mutate, type Seed } from './mutate.ts';

const SEED = Number(process.env['ANYBPF_SEED'] ?? Date.now() % 2 ** 32);
const INPUTS = Number(process.env['ANYBPF_FUZZ_INPUTS'] ?? 10_000);
const MAX_MILLISECONDS = 1000;
const MAX_BYTES = 512 << 20;
/** Larger objects only make the run slower: they have nothing that the others lack. */
const MAX_SEED_BYTES = 400_000;

/** Calls all steps, whatever the ones before made of it; only AnyBpfError may be thrown. Gives how many threw it. */
function refusals(...steps: readonly (() => void)[]): number {
  let count = 0;
  for (const step of steps) {
    try {
      step();
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      count++;
    }
  }
  return count;
}

const PACKET = samplePackets(1, 1)[0];
/** Far below what is allowed, so that a map of any declared size is refused or costs what was touched. */
const MEMORY_LIMIT = 256 << 20;

/** Loads what was linked and runs what can be run. */
function loadAndRun(spec: ObjectSpec): void {
  const loaded = loadObject(spec, {
    host: memoryHost({ cpus: 2 }),
    memoryLimit: MEMORY_LIMIT,
    budget: 5000,
    ...(spec.btf === undefined ? {} : { btf: [spec.btf] }),
  });
  try {
    for (const program of loaded.programs) refusals(() => program.run({ data: PACKET }));
  } finally {
    loaded[Symbol.dispose]();
  }
}

/** Everything that `anybpf dump`, `disasm` and `run` make of an object. */
function readObject(bytes: Uint8Array): number {
  return refusals(
    () => readElf(bytes),
    () => {
      const spec = linkObject(bytes, { name: 'mutated' });
      for (const program of spec.programs) refusals(() => disassemble(program.code));
      refusals(() => loadAndRun(spec));
      const { btf } = spec;
      if (btf === undefined) return;
      refusals(
        () => formatC(btf),
        () => formatRaw(btf),
        () => relocateObject(spec, [btf]),
      );
    },
  );
}

function readTypes(bytes: Uint8Array): number {
  return refusals(() => {
    const btf = decodeBtf(bytes);
    const types: BtfType[] = [];
    refusals(
      () => formatRaw(btf),
      () => formatC(btf),
      () => {
        for (let id = 1; id < btf.count; id++) types.push(btf.type(id));
        encodeBtf(types, { endian: btf.endian });
      },
    );
  });
}

const readPackets = (bytes: Uint8Array): number =>
  refusals(() => {
    for (const packet of readCapture(bytes)) if (packet.data.length > bytes.length) throw new Error('grew');
  });

/** The packets, and the refusal after them, of a capture that arrives whole or in chunks. */
async function outcomeOf(packets: Iterable<CapturePacket> | AsyncIterable<CapturePacket>): Promise<string[]> {
  const seen: string[] = [];
  try {
    for await (const { data, timestamp } of packets) seen.push(`${timestamp} ${data.length}`);
  } catch (error) {
    if (!(error instanceof AnyBpfError)) throw error;
    seen.push(error.message);
  }
  return seen;
}

async function* chunks(bytes: Uint8Array, random: Random): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(random.pick([3, 40, 3000]));
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

function objectSeeds(): Seed[] {
  const folders = [path.join(PROJECT_ROOT, 'examples')];
  for (const name of ['objects', 'elf-fixtures'] as const) {
    const folder = corpusFolder(name);
    if ('path' in folder) folders.push(folder.path);
    else console.warn(`seeds from the project's own objects only: ${folder.reason}`);
  }
  const seeds: Seed[] = [];
  for (const folder of folders) {
    for (const ending of ['.o', '.elf']) {
      for (const file of filesBelow(folder, ending)) {
        const bytes = new Uint8Array(readFileSync(path.join(folder, file)));
        if (bytes.length > MAX_SEED_BYTES) continue;
        // Some fixtures are broken on purpose.
        refusals(() => seeds.push(elfSeed(file, bytes)));
      }
    }
  }
  return seeds;
}

function typeSeeds(objects: readonly Seed[]): Seed[] {
  return objects.flatMap(({ name, bytes }) => {
    const found: Seed[] = [];
    refusals(() => {
      const section = sectionByName(readElf(bytes), '.BTF');
      if (section !== undefined && section.size > 24) found.push(btfSeed(name, section.data));
    });
    return found;
  });
}

function captureSeeds(): Seed[] {
  const packets = samplePackets(40, 7).map((data, i) => ({
    data,
    originalLength: data.length + (i % 3),
    timestamp: 1_700_000_000_000_000_000n + BigInt(i),
    ...(i % 4 === 0 ? { comments: ['comment'], verdicts: [{ hook: 'xdp' as const, value: 2n }] } : {}),
  }));
  return (['little', 'big'] as const).flatMap((endian) => {
    const pcap = new PcapWriter({ endian, linkType: 1, resolution: 'nano' });
    const pcapng = new PcapngWriter({ endian, application: 'test' });
    const described = pcapng.interface({ linkType: 1, snapLength: 65_535, name: 'eth0' });
    return [
      captureSeed(`pcap ${endian}`, concatBytes([pcap.header(), ...packets.map((p) => pcap.packet(p))])),
      captureSeed(
        `pcapng ${endian}`,
        concatBytes([pcapng.header(), described, ...packets.map((p) => pcapng.packet(0, p))]),
      ),
    ];
  });
}

interface Outcome {
  refused: number;
  slowest: number;
  /** Most that the process' peak memory rose by while one input was read. */
  largest: number;
}

/** Runs inputs; what fails is saved under the system's folder for temporary files, and the message says where. */
function fuzz(kind: string, seeds: readonly Seed[], count: number, read: (bytes: Uint8Array) => number): Outcome {
  const random = new Random(SEED ^ kind.length);
  const outcome: Outcome = { refused: 0, slowest: 0, largest: 0 };
  for (let i = 0; i < count; i++) {
    const seed = random.pick(seeds);
    const bytes = mutate(seed, seeds, random);
    const wrong = (why: string): never => {
      const file = path.join(mkdtempSync(path.join(tmpdir(), 'anybpf-fuzz-')), `${kind}.bin`);
      writeFileSync(file, bytes);
      throw new Error(`${kind} input ${i} of seed ${SEED} (from ${seed.name}), saved as ${file}: ${why}`);
    };
    const peak = process.resourceUsage().maxRSS;
    const start = performance.now();
    try {
      if (read(bytes) > 0) outcome.refused++;
    } catch (error) {
      wrong(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    const milliseconds = performance.now() - start;
    const grown = (process.resourceUsage().maxRSS - peak) * 1024;
    outcome.slowest = Math.max(outcome.slowest, milliseconds);
    outcome.largest = Math.max(outcome.largest, grown);
    if (milliseconds > MAX_MILLISECONDS) wrong(`took ${milliseconds.toFixed()} ms`);
    if (grown > MAX_BYTES) wrong(`took ${grown} bytes of memory`);
  }
  console.log(
    `seed ${SEED}: ${count} mutated ${kind} inputs from ${seeds.length} seeds: ${outcome.refused} refused, slowest ` +
      `${outcome.slowest.toFixed(0)} ms, memory grew by at most ${(outcome.largest / 2 ** 20).toFixed(0)} MiB an input`,
  );
  return outcome;
}

describe('mutated inputs', () => {
  const objects = objectSeeds();
  it.each([
    { kind: 'object', share: 0.5, seeds: objects, read: readObject },
    { kind: 'BTF', share: 0.3, seeds: typeSeeds(objects), read: readTypes },
    { kind: 'capture', share: 0.2, seeds: captureSeeds(), read: readPackets },
  ])('$kind: only typed errors, none slow, none large', ({ kind, share, seeds, read }) => {
    const count = Math.ceil(INPUTS * share);
    const { refused } = fuzz(kind, seeds, count, read);
    // A mutator whose inputs are all refused at once, or never, tests nothing.
    expect(refused).toBeGreaterThan(count / 20);
    expect(refused).toBeLessThan(count);
  });

  it('captures: the same packets and refusals in chunks as in one piece', async () => {
    const random = new Random(SEED);
    const seeds = captureSeeds();
    for (let i = 0; i < INPUTS / 20; i++) {
      const bytes = mutate(random.pick(seeds), seeds, random);
      const streamed = await outcomeOf(readCaptureStream(chunks(bytes, random)));
      expect(streamed, `input ${i} of seed ${SEED}`).toEqual(await outcomeOf(readCapture(bytes)));
    }
  });
});
