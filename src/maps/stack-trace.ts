// BPF_MAP_TYPE_STACK_TRACE (kernel/bpf/stackmap.c): traces by an id, which is the trace's hash modulo a power of two. Programs
// get ids only, so traces are not in linear memory.
import type { MapContext, MapTypeRow, StackTraceMap, Status } from '../spec/map.ts';
import { MAP_FLAGS } from '../spec/map-types.ts';
import type { Address } from '../spec/memory.ts';
import type { MapSpec } from '../spec/object.ts';
import { equalBytes } from '../base/bytes.ts';
import { checkCommon, E2BIG, EEXIST, EINVAL, ENOENT } from './attributes.ts';
import { BaseMap } from './base-map.ts';
import { u32Bytes } from './handle-array.ts';
import { hashBytes } from './words.ts';

/** kernel.perf_event_max_stack, as it is unless set otherwise. */
const DEEPEST = 127;
const BUILD_ID_ENTRY = 32;
/** bpf_get_stackid's flags. */
const FAST_STACK_CMP = 1 << 9;
const REUSE_STACKID = 1 << 10;

const entrySize = (spec: MapSpec): number => ((spec.flags & MAP_FLAGS.STACK_BUILD_ID) !== 0 ? BUILD_ID_ENTRY : 8);

function check(spec: MapSpec): Status {
  const common = checkCommon(spec);
  if (common !== 0) return common;
  const allowed = MAP_FLAGS.NUMA_NODE | MAP_FLAGS.RDONLY | MAP_FLAGS.WRONLY | MAP_FLAGS.STACK_BUILD_ID;
  const { keySize, valueSize, maxEntries, flags } = spec;
  if ((flags & ~allowed) !== 0) return EINVAL;
  if (maxEntries === 0 || keySize !== 4 || valueSize < 8 || valueSize % 8 !== 0) return EINVAL;
  if (valueSize % entrySize(spec) !== 0 || valueSize / entrySize(spec) > DEEPEST) return EINVAL;
  return maxEntries > 2 ** 31 ? E2BIG : 0;
}

interface Trace {
  readonly hash: number;
  readonly bytes: Uint8Array;
}

class StackTraces extends BaseMap implements StackTraceMap {
  readonly #traces = new Map<number, Trace>();
  /** Number of ids, a power of two. */
  readonly #ids: number;
  readonly #seed: number;
  readonly #scratch: Address;

  constructor(spec: MapSpec, context: MapContext) {
    super(spec, context);
    let ids = 1;
    while (ids < spec.maxEntries) ids *= 2;
    this.#ids = ids;
    this.#seed = context.random32() >>> 0;
    this.#scratch = this.allocate(spec.valueSize);
  }

  storeTrace(trace: Uint8Array, flags: number): Status {
    const bytes = trace.slice(0, this.spec.valueSize);
    this.memory.u8.set(bytes, this.#scratch);
    const hash = hashBytes(this.memory, this.#scratch, bytes.length, this.#seed);
    const id = hash % this.#ids;
    const present = this.#traces.get(id);
    if (present !== undefined) {
      const matches = present.hash === hash;
      if (matches && ((flags & FAST_STACK_CMP) !== 0 || equalBytes(present.bytes, bytes))) return id;
      if ((flags & REUSE_STACKID) === 0) return EEXIST;
    }
    this.#traces.set(id, { hash, bytes });
    return id;
  }

  protected read(key: Address): Uint8Array | Status {
    const trace = this.#traces.get(this.#id(key));
    if (trace === undefined) return ENOENT;
    const value = new Uint8Array(this.spec.valueSize);
    value.set(trace.bytes);
    return value;
  }

  protected write(): Status {
    return EINVAL;
  }

  protected override remove(key: Address): Status {
    const id = this.#id(key);
    if (id >= this.#ids) return E2BIG;
    return this.#traces.delete(id) ? 0 : ENOENT;
  }

  protected override take(key: Address): Uint8Array | Status {
    const value = this.read(key);
    this.#traces.delete(this.#id(key));
    return value;
  }

  protected override next(key: Address | undefined): Uint8Array | Status {
    const id = key === undefined ? -1 : this.#id(key);
    const from = this.#traces.has(id) ? id : -1;
    let next = this.#ids;
    for (const candidate of this.#traces.keys()) if (candidate > from && candidate < next) next = candidate;
    return next === this.#ids ? ENOENT : u32Bytes(next);
  }

  #id(key: Address): number {
    return this.memory.view.getUint32(key, true);
  }
}

export const stackTrace: MapTypeRow = {
  type: 'stack_trace',
  check,
  create: (spec, context) => new StackTraces(spec, context),
  doc: 'traces come from the host through storeTrace()',
};
