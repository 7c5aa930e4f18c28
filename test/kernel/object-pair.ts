// One object on both sides: loaded into the kernel and into ours, with the same map contents, and run on the same packets.
import { equalBytes, toHex } from '../../src/base/bytes.ts';
import { AnyBpfError } from '../../src/base/diagnostic.ts';
import { LOOPBACK, memoryHost } from '../../src/hosts/memory/host.ts';
import type { NetworkDescription } from '../../src/hosts/memory/network.ts';
import { loadObject } from '../../src/run/loader.ts';
import type { LoadedObject } from '../../src/run/object.ts';
import type { LoadedProgram } from '../../src/run/program.ts';
import type { EngineChoice } from '../../src/spec/backend.ts';
import { ERRNO, errnoName } from '../../src/spec/errno.ts';
import type { ObjectSpec } from '../../src/spec/object.ts';
import type { ProgramTypeName } from '../../src/spec/program-types.ts';
import { mapUpdate, possibleCpus, progTestRun } from '../support/bpf.ts';
import { KernelObject, type KernelProgram } from '../support/kernel-object.ts';
import { Random } from '../support/random.ts';
import { MapPair } from './map-pair.ts';

/** Program types that BPF_PROG_TEST_RUN gives a packet. */
const PACKET_TYPES: readonly ProgramTypeName[] = [
  ...(['xdp', 'sched_cls', 'sched_act', 'socket_filter', 'cgroup_skb'] as const),
  ...(['lwt_in', 'lwt_out', 'lwt_xmit', 'lwt_seg6local'] as const),
];

export interface ProgramResult {
  readonly name: string;
  readonly type: ProgramTypeName;
  readonly packets: number;
  /** Packets with the same return value, packet and context afterwards. */
  readonly equal: number;
  /** First differences of packets, in words. */
  readonly differences: readonly string[];
  /** First differences of records, and of the maps after all packets, in words. */
  readonly mapDifferences: readonly string[];
  /** An LRU map was so full that elements were evicted. */
  readonly evicted: boolean;
  readonly milliseconds: number;
}

/** Packets with differences that are described; the rest is only counted. */
const DESCRIBED = 3;
const ROOM_TO_GROW = 1024;

const SKB_CTX_SIZE = 192;
const XDP_CTX_SIZE = 24;

/** A context as BPF_PROG_TEST_RUN takes one: only fields that it lets the caller set. */
function someContext(type: ProgramTypeName, length: number, random: Random): Uint8Array {
  if (type === 'xdp') {
    const ctx = new Uint8Array(XDP_CTX_SIZE);
    const view = new DataView(ctx.buffer);
    const meta = random.pick([0, 0, 4, 8, 32]);
    view.setUint32(0, length - meta < 14 ? 0 : meta, true);
    view.setUint32(4, length, true);
    view.setUint32(12, random.below(2), true);
    return ctx;
  }
  const ctx = new Uint8Array(SKB_CTX_SIZE);
  const view = new DataView(ctx.buffer);
  view.setUint32(8, random.pick([0, 1, random.u32()]), true); // mark
  view.setUint32(32, random.pick([0, 7, random.u32()]), true); // priority
  view.setUint32(40, random.below(2), true); // ifindex
  for (let i = 0; i < 5; i++) view.setUint32(48 + 4 * i, random.pick([0, random.u32()]), true); // cb
  view.setBigUint64(152, random.pick([0n, random.u64() >> 1n]), true); // tstamp
  view.setUint32(160, random.pick([0, length, length + 100]), true); // wire_len
  view.setUint32(164, random.below(4), true); // gso_segs
  view.setUint32(176, random.pick([0, 1200]), true); // gso_size
  return ctx;
}

/** The machine's: a loopback interface that forwards nothing. */
const NETWORK: NetworkDescription = {
  interfaces: (LOOPBACK.interfaces ?? []).map((device) => ({ ...device, forwarding: false })),
};

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

export class ObjectPair {
  readonly kernel: KernelObject;
  readonly ours: LoadedObject;
  readonly maps: readonly MapPair[];
  /** Programs that both sides can run. */
  readonly runnable: readonly { readonly kernel: KernelProgram; readonly ours: LoadedProgram }[];
  /** Programs that the kernel runs and ours does not, with the reason. */
  readonly missing: readonly string[];
  readonly #records: string[] = [];

  /** `spec` has its CO-RE relocations applied. */
  constructor(spec: ObjectSpec, seed: number, engine?: EngineChoice) {
    const random = new Random(seed);
    this.kernel = new KernelObject(spec);
    this.ours = loadObject(spec, {
      host: memoryHost({ cpus: possibleCpus(), network: NETWORK }),
      ...(engine === undefined ? {} : { engine }),
    });
    this.maps = this.kernel.maps.flatMap((kernel) => {
      const ours = this.ours.maps.find(({ name }) => name === kernel.spec.name);
      return ours === undefined || kernel.fd < 0 ? [] : [new MapPair(kernel, ours, spec.btf)];
    });
    for (const map of this.maps) map.prefill(random);
    const runnable: { kernel: KernelProgram; ours: LoadedProgram }[] = [];
    const missing: string[] = [];
    for (const program of spec.programs.filter(({ type }) => PACKET_TYPES.includes(type))) {
      const kernel = this.kernel.load(program);
      const ours = this.ours.program(program.name);
      if (kernel.fd < 0) continue;
      if (ours.diagnostic === undefined) runnable.push({ kernel, ours });
      else if (program.autoload) missing.push(`${program.name}: ${ours.diagnostic.message}`);
    }
    this.runnable = runnable;
    this.missing = missing;
    this.#fillProgramArrays();
  }

  /** Where an object does not say which program goes where: the first ones of a kind, in order. */
  #fillProgramArrays(): void {
    for (const { kernel, ours } of this.maps) {
      if (ours.type !== 'prog_array' || ours.spec.slots.length > 0) continue;
      const type = this.runnable[0]?.ours.spec.type;
      const programs = this.runnable.filter((p) => p.ours.spec.type === type).slice(0, ours.spec.maxEntries);
      programs.forEach((program, i) => {
        const kernelStatus = mapUpdate(kernel.fd, u32(i), u32(program.kernel.fd));
        const ourStatus = ours.raw.update(u32(i), u32(program.ours.id), 0);
        if (kernelStatus !== ourStatus) {
          throw new Error(`program ${program.ours.name} into ${ours.name}: kernel ${kernelStatus}, ours ${ourStatus}`);
        }
      });
    }
  }

  /** Runs a program on the packets, then compares the maps. */
  run(name: string, packets: readonly Uint8Array[], seed: number): ProgramResult {
    const found = this.runnable.find(({ ours }) => ours.name === name);
    if (found === undefined) throw new Error(`${name} does not run on both sides`);
    const random = new Random(seed);
    const differences: string[] = [];
    const start = performance.now();
    let equal = 0;
    packets.forEach((data, i) => {
      const { type } = found.ours.spec;
      const ctx = random.chance(0.3) ? someContext(type, data.length, random) : undefined;
      const difference = this.#once(found.kernel, found.ours, data, ctx);
      if (difference === undefined) equal++;
      else if (differences.length < DESCRIBED) {
        differences.push(`packet ${i} ${toHex(data)}${ctx === undefined ? '' : ` ctx ${toHex(ctx)}`}: ${difference}`);
      }
    });
    const mapDifferences = [...this.#records.splice(0), ...this.maps.flatMap((map) => map.differences())];
    return {
      name,
      type: found.ours.spec.type,
      packets: packets.length,
      equal,
      differences,
      mapDifferences: mapDifferences.slice(0, DESCRIBED),
      evicted: this.maps.some((map) => map.evicts()),
      milliseconds: performance.now() - start,
    };
  }

  #once(kernel: KernelProgram, ours: LoadedProgram, data: Uint8Array, ctx: Uint8Array | undefined): string | undefined {
    const theirs = progTestRun(kernel.fd, {
      data,
      dataOut: data.length + ROOM_TO_GROW,
      ...(ctx === undefined ? {} : { ctx }),
    });
    let result: ReturnType<LoadedProgram['run']>;
    try {
      result = ours.run({ data, ...(ctx === undefined ? {} : { ctx }) });
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      const refusedAlike =
        error.code === 'run/test-run-refused' &&
        theirs.status < 0 &&
        error.diagnostic.message.includes(errnoName(theirs.status));
      this.#drain();
      return refusedAlike ? undefined : `kernel ${describe(theirs)}, ours ${error.message}`;
    }
    this.#drain();
    if (theirs.status < 0 && theirs.status !== -ERRNO.ENOSPC)
      return `kernel ${describe(theirs)}, ours ${result.retval}`;
    if (theirs.retval !== result.retval) return `kernel returns ${theirs.retval}, ours ${result.retval}`;
    // A packet that grew beyond the room for it is cut: then the first part and the length tell.
    const whole = theirs.status !== -ERRNO.ENOSPC;
    const shown = whole ? result.data : result.data?.subarray(0, theirs.data.length);
    if (result.data !== undefined && theirs.dataSize !== result.data.length) {
      return `packet of ${theirs.dataSize} bytes in the kernel, ${result.data.length} here`;
    }
    if (shown !== undefined && result.data !== undefined && !equalBytes(theirs.data, shown)) {
      return `packet: kernel ${toHex(theirs.data)}, ours ${toHex(result.data)}`;
    }
    if (whole && ctx !== undefined && result.ctx !== undefined && !equalBytes(theirs.ctx, result.ctx)) {
      return `context: kernel ${toHex(theirs.ctx)}, ours ${toHex(result.ctx)}`;
    }
    return undefined;
  }

  /** Takes what programs handed over, before the buffers are full. */
  #drain(): void {
    for (const map of this.maps) {
      const difference = map.hasRecords ? map.recordsDiffer() : undefined;
      if (difference !== undefined && this.#records.length < DESCRIBED) this.#records.push(difference);
    }
  }

  dispose(): void {
    for (const map of this.maps) map.close();
    this.ours[Symbol.dispose]();
    this.kernel.dispose();
  }
}

const describe = (result: { readonly status: number; readonly retval: number }): string =>
  result.status < 0 ? `refuses with ${errnoName(result.status)}` : `returns ${result.retval}`;
