// What a module says of itself: the form of its record, an ABI between compiler and loader.

/** What the module says of itself, in its custom section `anybpf`. */
export interface ModuleRecord {
  readonly format: 1;
  /** Name and version of what made it. */
  readonly producer: string;
  /** Name of the object. */
  readonly object: string;
  /** SHA-256 of this record without this field, in hexadecimal digits: who has it, has all that the module is. */
  readonly digest?: string;
  readonly digests: {
    /** Of all bytes of the module before the section. */
    readonly module: string;
    /** Of `programs` (the instructions, and what they are called and belong to), `platform` and `options`, each as JSON. */
    readonly instructions: string;
    readonly platform: string;
    readonly options: string;
  };
  readonly platform: {
    readonly dialect: 'linux' | 'windows';
    /** The functions that the module imports of the host for its programs. */
    readonly imports: readonly ImportRecord[];
  };
  readonly options: {
    /** Verified elsewhere: accesses are confined to the memory and not checked further. */
    readonly trusted: boolean;
    /** What the verifier was asked for. */
    readonly verify: 'off' | 'prefer' | 'require';
    /** Most instructions of one run. */
    readonly budget: number;
    readonly cpus: number;
  };
  readonly memory: {
    /** Pages of 64 KiB that the maps and stacks take, and the most that the memory may grow to. */
    readonly pages: number;
    readonly maximum: number;
    /** First address that belongs to nobody. */
    readonly top: number;
    /** Control block, and in it where the windows of checked code begin and end. */
    readonly control: number;
    readonly windows: readonly [from: number, to: number];
    /** Addresses of two words in it: the ring buffer record that a run has open, and the windows that were opened on it. */
    readonly openRecord: number;
    readonly openWindows: number;
    /** Lowest frame of the stack. */
    readonly stack: number;
    /** SHA-256 of all that the memory holds at first: where it lies, and the bytes. */
    readonly digest: string;
    /** What programs may access, beside context and packet. */
    readonly regions: readonly RegionRecord[];
  };
  readonly programs: readonly ProgramRecord[];
  /** For each program, where the code of each instruction begins: each pair is the difference to the one before in offset and slot. */
  readonly offsets: readonly (readonly number[])[];
  readonly maps: readonly MapRecord[];
  /** Kernel symbols that the programs name, in the order of the object's externs. */
  readonly externs: readonly ExternRecord[];
}

export interface ImportRecord {
  readonly program: string;
  /** `helper.map_update_elem`, `kfunc.NAME`, or what the code needs of the loader itself (`abort`, `admit`, ...). */
  readonly name: string;
  /** Helpers: number, and the kinds of the arguments and of the result. */
  readonly number?: number;
  readonly args?: readonly string[];
  readonly returns?: string;
  /** The module does it itself, and asks the host only for what it cannot: a refused argument, a map that must grow. */
  readonly intrinsic?: true;
}

export interface RegionRecord {
  readonly base: number;
  readonly size: number;
  readonly kind: string;
  readonly name: string;
  readonly writable: boolean;
  /** A row of slots: only the first `slot` bytes of each `stride` may be accessed. */
  readonly stride?: number;
  readonly slot?: number;
}

export interface ProgramRecord {
  readonly name: string;
  /** What tail calls name it by. */
  readonly id: number;
  readonly section: string;
  readonly type: string;
  readonly attachType?: string;
  readonly sleepable: boolean;
  readonly fragments: boolean;
  readonly license: string;
  /** The verifier accepted it: its accesses are not checked but those of these instructions. Absent where all are. */
  readonly checkedAt?: readonly number[];
  /** What shows that it may run, for AnyBPF's checker of certificates. */
  readonly certificate?: object;
  /** Digest of what it was verified against: context, helpers (run/information.ts). */
  readonly information?: string;
  /** Its instructions, in base64. */
  readonly code: string;
  /** Functions: name, first slot, slots. */
  readonly functions: readonly (readonly [name: string, slot: number, length: number])[];
  /** Source files, and for each line: slot, index of the file, line, column. */
  readonly files: readonly string[];
  readonly lines: readonly (readonly [slot: number, file: number, line: number, column: number])[];
  readonly verdicts: Readonly<Record<string, number>>;
  readonly otherVerdict?: string;
  readonly context: {
    readonly name: string;
    readonly size: number;
    readonly writable: boolean;
    /** Packet programs that the loader can lay input for. */
    readonly packet?: PacketRecord;
  };
}

/** How a packet and its context lie in memory. */
export interface PacketRecord {
  readonly headRoom: number;
  /** Bytes of the whole buffer; where it has no fixed size, bytes after the packet instead. */
  readonly frame?: number;
  readonly tailRoom?: number;
  /** Bytes of link header in front of what the program sees. */
  readonly skip: number;
  readonly writable: boolean;
  /** Sizes of packets that are taken. */
  readonly least: number;
  readonly most: number;
  /** Fields that hold an address: offset, size, of what. */
  readonly pointers: readonly (readonly [offset: number, size: number, of: 'data' | 'end' | 'meta'])[];
  /** struct __sk_buff: offsets of the fields that depend on the packet. */
  readonly skb?: Readonly<Record<SkbField, number>>;
  /** The context of a fresh packet, in base64; pointers and fields that depend on it are zero. */
  readonly image: string;
}

export type SkbField =
  | 'len'
  | 'pkt_type'
  | 'protocol'
  | 'wire_len'
  | 'family'
  | 'local_ip4'
  | 'remote_ip4'
  | 'local_ip6'
  | 'remote_ip6';

export interface MapRecord {
  readonly name: string;
  readonly type: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Address of its descriptor; 0 where the map could not be made. */
  readonly handle: number;
  /** Copies of each value, for per-CPU types, and bytes from one to the next. */
  readonly copies: number;
  readonly stride: number;
  /** Hash tables: from one element to the next, and where the key is in one. */
  readonly rowSize: number;
  readonly keyOffset: number;
  /** Applications cannot change it. */
  readonly frozen: boolean;
  /** Operations that the module exports for the loader: `map.NAME.lookup`, ... */
  readonly operations: readonly string[];
  /** What only AnyBPF needs, to make the map again: its contents in base64, and its spec. */
  readonly entries: readonly (readonly [key: string, value: string])[];
  readonly spec: Readonly<Record<string, unknown>>;
}

export interface ExternRecord {
  readonly name: string;
  readonly kind: string;
  readonly weak: boolean;
  readonly value?: string;
}
