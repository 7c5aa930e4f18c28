// What libbpf's opaque pointers point to. Applications pass them on and look into them through the functions.
import type { MapSpec, ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import type { AttachTypeName, ProgramTypeName } from '../../spec/program-types.ts';
import type { ExecutionType } from '../../spec/session.ts';
import type { BtfHandle } from './btf-handle.ts';

/** struct bpf_object. */
export class BpfObject {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly spec: ObjectSpec;
  readonly pinRoot: string | undefined;
  readonly programs: readonly BpfProgram[];
  readonly maps: readonly BpfMap[];
  /** Raw BTF for CO-RE in place of the context's own. */
  readonly customBtf: Uint8Array | undefined;
  /** Wrapped for the btf__ functions when it is first asked for. */
  btf: BtfHandle | null = null;
  btfFd = -1;
  loaded = false;
  kversion: number;
  log: LogBuffer = { level: 0, buffer: null };
  execution: ExecutionType = 'any';

  constructor(name: string, bytes: Uint8Array, spec: ObjectSpec, pinRoot?: string, customBtf?: Uint8Array) {
    this.name = name;
    this.bytes = bytes;
    this.spec = spec;
    this.pinRoot = pinRoot;
    this.customBtf = customBtf;
    this.kversion = spec.version ?? 0;
    this.programs = spec.programs.map((program) => new BpfProgram(this, program));
    this.maps = spec.maps.map((map) => new BpfMap(this, map));
  }
}

export interface LogBuffer {
  level: number;
  buffer: Uint8Array | null;
}

/** struct bpf_program. */
export class BpfProgram {
  readonly object: BpfObject;
  readonly spec: ProgramSpec;
  type: ProgramTypeName;
  attachType: AttachTypeName | undefined;
  attachTarget: string | undefined;
  autoload: boolean;
  autoattach = true;
  flags = 0;
  readonly log: LogBuffer = { level: 0, buffer: null };
  fd = -1;

  constructor(object: BpfObject, spec: ProgramSpec) {
    this.object = object;
    this.spec = spec;
    this.type = spec.type;
    this.attachType = spec.attachType;
    this.attachTarget = spec.attachTarget;
    this.autoload = spec.autoload;
    this.flags = spec.sleepable ? SLEEPABLE : spec.fragments ? XDP_HAS_FRAGS : 0;
  }
}

/** BPF_F_SLEEPABLE and BPF_F_XDP_HAS_FRAGS. */
const SLEEPABLE = 1 << 4;
const XDP_HAS_FRAGS = 1 << 5;

/** LIBBPF_PIN_BY_NAME. */
const PIN_BY_NAME = 1;

/** The changed attributes of a map, in place of those of its MapSpec. */
export interface MapAttributes {
  type: MapSpec['type'];
  keySize: number;
  valueSize: number;
  maxEntries: number;
  flags: number;
  numaNode: number;
  extra: bigint;
}

/** struct bpf_map. */
export class BpfMap {
  readonly object: BpfObject | undefined;
  readonly spec: MapSpec;
  readonly attributes: MapAttributes;
  /** What was changed, for object.load. */
  readonly changed: Partial<MapAttributes> = {};
  readonly initial: Uint8Array | undefined;
  initialChanged = false;
  autocreate = true;
  reused: number | undefined;
  pinPath: string | null = null;
  /** False where the object asked for a pin that was taken away. */
  pinPathChanged = false;
  pinned = false;
  fd = -1;
  /** Template of a map of maps. */
  readonly inner: BpfMap | undefined;
  innerFd = -1;
  /** Bytes of one value, all CPUs; once it is loaded. */
  userValueSize = 0;

  constructor(object: BpfObject | undefined, spec: MapSpec) {
    this.object = object;
    this.spec = spec;
    this.attributes = {
      type: spec.type,
      keySize: spec.keySize,
      valueSize: spec.valueSize,
      maxEntries: spec.maxEntries,
      flags: spec.flags,
      numaNode: spec.numaNode ?? 0,
      extra: BigInt(spec.extra ?? 0),
    };
    this.initial = spec.kind === 'map' ? undefined : (spec.data?.slice() ?? new Uint8Array(spec.valueSize));
    this.inner = spec.inner === undefined ? undefined : new BpfMap(undefined, spec.inner);
    if (spec.pinning === PIN_BY_NAME) this.pinPath = pinPathOf(object?.pinRoot, spec.name);
  }

  get name(): string {
    return this.spec.name;
  }

  get created(): boolean {
    return this.fd >= 0 || this.reused !== undefined;
  }
}

/** Where LIBBPF_PIN_BY_NAME goes, and `pin_maps(path)`: dots are no names of files of bpffs. */
export const pinPathOf = (root: string | undefined, name: string): string =>
  `${root ?? '/sys/fs/bpf'}/${name.replaceAll('.', '_')}`;

/** struct bpf_link. */
export class BpfLink {
  readonly fd: number;
  pinPath: string | null;
  disconnected = false;

  constructor(fd: number, pinPath: string | null = null) {
    this.fd = fd;
    this.pinPath = pinPath;
  }
}
