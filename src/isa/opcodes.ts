// THE table of the instruction set: RFC 9669 with its registry at IANA (bpf-instructions), callx, and the three
// instructions that Linux has added since (may_goto, load-acquire/store-release, addr_space_cast).
// Decoder, encoder, assembler, disassembler, reference meaning and SUPPORT page are derived from the rows below.

/** Fields of an instruction that can hold an operand. `imm64` is the 64-bit immediate of the two-slot instructions. */
export type Field = 'dst' | 'src' | 'off' | 'imm' | 'imm64';

/** Bits that an instruction works on: register width of arithmetic and jumps, access size of loads and stores. */
export type Width = 8 | 16 | 32 | 64;

/** Instruction set level (clang's -mcpu) that first has the instruction. */
export type CpuVersion = 'v1' | 'v2' | 'v3' | 'v4';

/**
 * Conformance groups of RFC 9669 section 2.4. `callx` is the group that bpf_conformance adds for a call through a
 * register; `linux` holds what Linux has beyond the RFC.
 */
export type Group =
  | 'base32'
  | 'base64'
  | 'atomic32'
  | 'atomic64'
  | 'divmul32'
  | 'divmul64'
  | 'packet'
  | 'callx'
  | 'linux';

/** What an instruction of one format carries, and which registers it reads and writes. */
interface FormatRow {
  /** Fields that hold operands; every other field must be zero, or the value that the row of the op fixes. */
  readonly fields: readonly Field[];
  /** Registers read: a field that names one, or a register number. */
  readonly reads: readonly ('dst' | 'src' | number)[];
  /** Registers written, in the same notation. A call leaves r1 to r5 without a value: they count as written. */
  readonly writes: readonly ('dst' | 'src' | number)[];
}

const AFTER_CALL = [0, 1, 2, 3, 4, 5] as const;

/** Every shape that an instruction can have: its operands and the registers it touches. */
export const FORMATS = {
  alu_imm: { fields: ['dst', 'imm'], reads: ['dst'], writes: ['dst'] },
  alu_reg: { fields: ['dst', 'src'], reads: ['dst', 'src'], writes: ['dst'] },
  mov_imm: { fields: ['dst', 'imm'], reads: [], writes: ['dst'] },
  mov_reg: { fields: ['dst', 'src'], reads: ['src'], writes: ['dst'] },
  movsx: { fields: ['dst', 'src'], reads: ['src'], writes: ['dst'] },
  neg: { fields: ['dst'], reads: ['dst'], writes: ['dst'] },
  endian: { fields: ['dst'], reads: ['dst'], writes: ['dst'] },
  cast: { fields: ['dst', 'src', 'imm'], reads: ['src'], writes: ['dst'] },
  goto: { fields: ['off'], reads: [], writes: [] },
  gotol: { fields: ['imm'], reads: [], writes: [] },
  may_goto: { fields: ['off'], reads: [], writes: [] },
  branch_imm: { fields: ['dst', 'imm', 'off'], reads: ['dst'], writes: [] },
  branch_reg: { fields: ['dst', 'src', 'off'], reads: ['dst', 'src'], writes: [] },
  call_helper: { fields: ['imm'], reads: [1, 2, 3, 4, 5], writes: AFTER_CALL },
  call_local: { fields: ['imm'], reads: [1, 2, 3, 4, 5], writes: AFTER_CALL },
  call_kfunc: { fields: ['imm', 'off'], reads: [1, 2, 3, 4, 5], writes: AFTER_CALL },
  callx: { fields: ['dst'], reads: ['dst', 1, 2, 3, 4, 5], writes: AFTER_CALL },
  exit: { fields: [], reads: [0], writes: [] },
  ld_imm64: { fields: ['dst', 'imm64'], reads: [], writes: ['dst'] },
  ld_pseudo: { fields: ['dst', 'imm'], reads: [], writes: ['dst'] },
  ld_pseudo_off: { fields: ['dst', 'imm64'], reads: [], writes: ['dst'] },
  ld_abs: { fields: ['imm'], reads: [6], writes: AFTER_CALL },
  ld_ind: { fields: ['src', 'imm'], reads: ['src', 6], writes: AFTER_CALL },
  ldx: { fields: ['dst', 'src', 'off'], reads: ['src'], writes: ['dst'] },
  st: { fields: ['dst', 'off', 'imm'], reads: ['dst'], writes: [] },
  stx: { fields: ['dst', 'src', 'off'], reads: ['dst', 'src'], writes: [] },
  atomic: { fields: ['dst', 'src', 'off'], reads: ['dst', 'src'], writes: [] },
  atomic_fetch: { fields: ['dst', 'src', 'off'], reads: ['dst', 'src'], writes: ['src'] },
  cmpxchg: { fields: ['dst', 'src', 'off'], reads: ['dst', 'src', 0], writes: [0] },
  load_acquire: { fields: ['dst', 'src', 'off'], reads: ['src'], writes: ['dst'] },
  store_release: { fields: ['dst', 'src', 'off'], reads: ['dst', 'src'], writes: [] },
} as const satisfies Record<string, FormatRow>;

export type Format = keyof typeof FORMATS;

/** One instruction of the set. */
export interface OpRow {
  /** First byte of the encoding. */
  readonly opcode: number;
  /** What is done, whatever the width and the kind of the second operand. */
  readonly operation: string;
  readonly format: Format;
  readonly width: Width;
  readonly cpu: CpuVersion;
  readonly group: Group;
  /** Values of other fields that, with the opcode, tell this instruction from its siblings. */
  readonly fixed: { readonly src?: number; readonly off?: number; readonly imm?: number };
}

type Fixed = OpRow['fixed'];

// So that a row below is a line. The type parameters keep each row's literals: mapped types over OpName need them.
const row = <const F extends Format, const O extends string, const W extends Width>(
  format: F,
  opcode: number,
  operation: O,
  width: W,
  cpu: CpuVersion,
  group: Group,
  fixed: Fixed = {},
) => ({ opcode, operation, format, width, cpu, group, fixed }) as const;

// biome-ignore format: a table is read by its columns
/** Every instruction, by name. */
export const OPS = {
  // Arithmetic on 32 bits (the upper half of the destination becomes zero), RFC 9669 section 4.1
  add32_imm:   row('alu_imm', 0x04, 'add',   32, 'v1', 'base32'),
  add32_reg:   row('alu_reg', 0x0c, 'add',   32, 'v1', 'base32'),
  sub32_imm:   row('alu_imm', 0x14, 'sub',   32, 'v1', 'base32'),
  sub32_reg:   row('alu_reg', 0x1c, 'sub',   32, 'v1', 'base32'),
  mul32_imm:   row('alu_imm', 0x24, 'mul',   32, 'v1', 'divmul32'),
  mul32_reg:   row('alu_reg', 0x2c, 'mul',   32, 'v1', 'divmul32'),
  div32_imm:   row('alu_imm', 0x34, 'div',   32, 'v1', 'divmul32', { off: 0 }),
  div32_reg:   row('alu_reg', 0x3c, 'div',   32, 'v1', 'divmul32', { off: 0 }),
  sdiv32_imm:  row('alu_imm', 0x34, 'sdiv',  32, 'v4', 'divmul32', { off: 1 }),
  sdiv32_reg:  row('alu_reg', 0x3c, 'sdiv',  32, 'v4', 'divmul32', { off: 1 }),
  or32_imm:    row('alu_imm', 0x44, 'or',    32, 'v1', 'base32'),
  or32_reg:    row('alu_reg', 0x4c, 'or',    32, 'v1', 'base32'),
  and32_imm:   row('alu_imm', 0x54, 'and',   32, 'v1', 'base32'),
  and32_reg:   row('alu_reg', 0x5c, 'and',   32, 'v1', 'base32'),
  lsh32_imm:   row('alu_imm', 0x64, 'lsh',   32, 'v1', 'base32'),
  lsh32_reg:   row('alu_reg', 0x6c, 'lsh',   32, 'v1', 'base32'),
  rsh32_imm:   row('alu_imm', 0x74, 'rsh',   32, 'v1', 'base32'),
  rsh32_reg:   row('alu_reg', 0x7c, 'rsh',   32, 'v1', 'base32'),
  neg32:       row('neg',     0x84, 'neg',   32, 'v1', 'base32'),
  mod32_imm:   row('alu_imm', 0x94, 'mod',   32, 'v1', 'divmul32', { off: 0 }),
  mod32_reg:   row('alu_reg', 0x9c, 'mod',   32, 'v1', 'divmul32', { off: 0 }),
  smod32_imm:  row('alu_imm', 0x94, 'smod',  32, 'v4', 'divmul32', { off: 1 }),
  smod32_reg:  row('alu_reg', 0x9c, 'smod',  32, 'v4', 'divmul32', { off: 1 }),
  xor32_imm:   row('alu_imm', 0xa4, 'xor',   32, 'v1', 'base32'),
  xor32_reg:   row('alu_reg', 0xac, 'xor',   32, 'v1', 'base32'),
  mov32_imm:   row('mov_imm', 0xb4, 'mov',   32, 'v1', 'base32'),
  mov32_reg:   row('mov_reg', 0xbc, 'mov',   32, 'v1', 'base32',   { off: 0 }),
  mov32_s8:    row('movsx',   0xbc, 'movsx', 32, 'v4', 'base32',   { off: 8 }),
  mov32_s16:   row('movsx',   0xbc, 'movsx', 32, 'v4', 'base32',   { off: 16 }),
  arsh32_imm:  row('alu_imm', 0xc4, 'arsh',  32, 'v1', 'base32'),
  arsh32_reg:  row('alu_reg', 0xcc, 'arsh',  32, 'v1', 'base32'),

  // Arithmetic on 64 bits, section 4.1 (an immediate is sign-extended)
  add64_imm:   row('alu_imm', 0x07, 'add',   64, 'v1', 'base64'),
  add64_reg:   row('alu_reg', 0x0f, 'add',   64, 'v1', 'base64'),
  sub64_imm:   row('alu_imm', 0x17, 'sub',   64, 'v1', 'base64'),
  sub64_reg:   row('alu_reg', 0x1f, 'sub',   64, 'v1', 'base64'),
  mul64_imm:   row('alu_imm', 0x27, 'mul',   64, 'v1', 'divmul64'),
  mul64_reg:   row('alu_reg', 0x2f, 'mul',   64, 'v1', 'divmul64'),
  div64_imm:   row('alu_imm', 0x37, 'div',   64, 'v1', 'divmul64', { off: 0 }),
  div64_reg:   row('alu_reg', 0x3f, 'div',   64, 'v1', 'divmul64', { off: 0 }),
  sdiv64_imm:  row('alu_imm', 0x37, 'sdiv',  64, 'v4', 'divmul64', { off: 1 }),
  sdiv64_reg:  row('alu_reg', 0x3f, 'sdiv',  64, 'v4', 'divmul64', { off: 1 }),
  or64_imm:    row('alu_imm', 0x47, 'or',    64, 'v1', 'base64'),
  or64_reg:    row('alu_reg', 0x4f, 'or',    64, 'v1', 'base64'),
  and64_imm:   row('alu_imm', 0x57, 'and',   64, 'v1', 'base64'),
  and64_reg:   row('alu_reg', 0x5f, 'and',   64, 'v1', 'base64'),
  lsh64_imm:   row('alu_imm', 0x67, 'lsh',   64, 'v1', 'base64'),
  lsh64_reg:   row('alu_reg', 0x6f, 'lsh',   64, 'v1', 'base64'),
  rsh64_imm:   row('alu_imm', 0x77, 'rsh',   64, 'v1', 'base64'),
  rsh64_reg:   row('alu_reg', 0x7f, 'rsh',   64, 'v1', 'base64'),
  neg64:       row('neg',     0x87, 'neg',   64, 'v1', 'base64'),
  mod64_imm:   row('alu_imm', 0x97, 'mod',   64, 'v1', 'divmul64', { off: 0 }),
  mod64_reg:   row('alu_reg', 0x9f, 'mod',   64, 'v1', 'divmul64', { off: 0 }),
  smod64_imm:  row('alu_imm', 0x97, 'smod',  64, 'v4', 'divmul64', { off: 1 }),
  smod64_reg:  row('alu_reg', 0x9f, 'smod',  64, 'v4', 'divmul64', { off: 1 }),
  xor64_imm:   row('alu_imm', 0xa7, 'xor',   64, 'v1', 'base64'),
  xor64_reg:   row('alu_reg', 0xaf, 'xor',   64, 'v1', 'base64'),
  mov64_imm:   row('mov_imm', 0xb7, 'mov',   64, 'v1', 'base64'),
  mov64_reg:   row('mov_reg', 0xbf, 'mov',   64, 'v1', 'base64',   { off: 0 }),
  mov64_s8:    row('movsx',   0xbf, 'movsx', 64, 'v4', 'base64',   { off: 8 }),
  mov64_s16:   row('movsx',   0xbf, 'movsx', 64, 'v4', 'base64',   { off: 16 }),
  mov64_s32:   row('movsx',   0xbf, 'movsx', 64, 'v4', 'base64',   { off: 32 }),
  arsh64_imm:  row('alu_imm', 0xc7, 'arsh',  64, 'v1', 'base64'),
  arsh64_reg:  row('alu_reg', 0xcf, 'arsh',  64, 'v1', 'base64'),
  // Linux: pointer between an arena's address space and the kernel's; imm = to << 16 | from
  addr_space_cast: row('cast', 0xbf, 'addr_space_cast', 64, 'v4', 'linux', { off: 1 }),

  // Byte order, section 4.2
  le16:        row('endian',  0xd4, 'le',    16, 'v1', 'base32',   { imm: 16 }),
  le32:        row('endian',  0xd4, 'le',    32, 'v1', 'base32',   { imm: 32 }),
  le64:        row('endian',  0xd4, 'le',    64, 'v1', 'base64',   { imm: 64 }),
  be16:        row('endian',  0xdc, 'be',    16, 'v1', 'base32',   { imm: 16 }),
  be32:        row('endian',  0xdc, 'be',    32, 'v1', 'base32',   { imm: 32 }),
  be64:        row('endian',  0xdc, 'be',    64, 'v1', 'base64',   { imm: 64 }),
  bswap16:     row('endian',  0xd7, 'bswap', 16, 'v4', 'base32',   { imm: 16 }),
  bswap32:     row('endian',  0xd7, 'bswap', 32, 'v4', 'base32',   { imm: 32 }),
  bswap64:     row('endian',  0xd7, 'bswap', 64, 'v4', 'base64',   { imm: 64 }),

  // Jumps that compare 64 bits, section 4.3
  jeq64_imm:   row('branch_imm', 0x15, 'jeq',  64, 'v1', 'base64'),
  jeq64_reg:   row('branch_reg', 0x1d, 'jeq',  64, 'v1', 'base64'),
  jgt64_imm:   row('branch_imm', 0x25, 'jgt',  64, 'v1', 'base64'),
  jgt64_reg:   row('branch_reg', 0x2d, 'jgt',  64, 'v1', 'base64'),
  jge64_imm:   row('branch_imm', 0x35, 'jge',  64, 'v1', 'base64'),
  jge64_reg:   row('branch_reg', 0x3d, 'jge',  64, 'v1', 'base64'),
  jset64_imm:  row('branch_imm', 0x45, 'jset', 64, 'v1', 'base64'),
  jset64_reg:  row('branch_reg', 0x4d, 'jset', 64, 'v1', 'base64'),
  jne64_imm:   row('branch_imm', 0x55, 'jne',  64, 'v1', 'base64'),
  jne64_reg:   row('branch_reg', 0x5d, 'jne',  64, 'v1', 'base64'),
  jsgt64_imm:  row('branch_imm', 0x65, 'jsgt', 64, 'v1', 'base64'),
  jsgt64_reg:  row('branch_reg', 0x6d, 'jsgt', 64, 'v1', 'base64'),
  jsge64_imm:  row('branch_imm', 0x75, 'jsge', 64, 'v1', 'base64'),
  jsge64_reg:  row('branch_reg', 0x7d, 'jsge', 64, 'v1', 'base64'),
  jlt64_imm:   row('branch_imm', 0xa5, 'jlt',  64, 'v2', 'base64'),
  jlt64_reg:   row('branch_reg', 0xad, 'jlt',  64, 'v2', 'base64'),
  jle64_imm:   row('branch_imm', 0xb5, 'jle',  64, 'v2', 'base64'),
  jle64_reg:   row('branch_reg', 0xbd, 'jle',  64, 'v2', 'base64'),
  jslt64_imm:  row('branch_imm', 0xc5, 'jslt', 64, 'v2', 'base64'),
  jslt64_reg:  row('branch_reg', 0xcd, 'jslt', 64, 'v2', 'base64'),
  jsle64_imm:  row('branch_imm', 0xd5, 'jsle', 64, 'v2', 'base64'),
  jsle64_reg:  row('branch_reg', 0xdd, 'jsle', 64, 'v2', 'base64'),

  // Jumps that compare the lower 32 bits, section 4.3
  jeq32_imm:   row('branch_imm', 0x16, 'jeq',  32, 'v3', 'base32'),
  jeq32_reg:   row('branch_reg', 0x1e, 'jeq',  32, 'v3', 'base32'),
  jgt32_imm:   row('branch_imm', 0x26, 'jgt',  32, 'v3', 'base32'),
  jgt32_reg:   row('branch_reg', 0x2e, 'jgt',  32, 'v3', 'base32'),
  jge32_imm:   row('branch_imm', 0x36, 'jge',  32, 'v3', 'base32'),
  jge32_reg:   row('branch_reg', 0x3e, 'jge',  32, 'v3', 'base32'),
  jset32_imm:  row('branch_imm', 0x46, 'jset', 32, 'v3', 'base32'),
  jset32_reg:  row('branch_reg', 0x4e, 'jset', 32, 'v3', 'base32'),
  jne32_imm:   row('branch_imm', 0x56, 'jne',  32, 'v3', 'base32'),
  jne32_reg:   row('branch_reg', 0x5e, 'jne',  32, 'v3', 'base32'),
  jsgt32_imm:  row('branch_imm', 0x66, 'jsgt', 32, 'v3', 'base32'),
  jsgt32_reg:  row('branch_reg', 0x6e, 'jsgt', 32, 'v3', 'base32'),
  jsge32_imm:  row('branch_imm', 0x76, 'jsge', 32, 'v3', 'base32'),
  jsge32_reg:  row('branch_reg', 0x7e, 'jsge', 32, 'v3', 'base32'),
  jlt32_imm:   row('branch_imm', 0xa6, 'jlt',  32, 'v3', 'base32'),
  jlt32_reg:   row('branch_reg', 0xae, 'jlt',  32, 'v3', 'base32'),
  jle32_imm:   row('branch_imm', 0xb6, 'jle',  32, 'v3', 'base32'),
  jle32_reg:   row('branch_reg', 0xbe, 'jle',  32, 'v3', 'base32'),
  jslt32_imm:  row('branch_imm', 0xc6, 'jslt', 32, 'v3', 'base32'),
  jslt32_reg:  row('branch_reg', 0xce, 'jslt', 32, 'v3', 'base32'),
  jsle32_imm:  row('branch_imm', 0xd6, 'jsle', 32, 'v3', 'base32'),
  jsle32_reg:  row('branch_reg', 0xde, 'jsle', 32, 'v3', 'base32'),

  // Jumps without a condition, calls, exit, section 4.3
  ja:          row('goto',        0x05, 'ja',          64, 'v1', 'base32'),
  ja32:        row('gotol',       0x06, 'ja',          32, 'v4', 'base32'),
  may_goto:    row('may_goto',    0xe5, 'may_goto',    64, 'v4', 'linux', { src: 0 }),
  call_helper: row('call_helper', 0x85, 'call_helper', 64, 'v1', 'base32', { src: 0 }),
  call_local:  row('call_local',  0x85, 'call_local',  64, 'v1', 'base32', { src: 1 }),
  call_kfunc:  row('call_kfunc',  0x85, 'call_kfunc',  64, 'v1', 'base32', { src: 2 }),
  callx:       row('callx',       0x8d, 'callx',       64, 'v1', 'callx'),
  exit:        row('exit',        0x95, 'exit',        64, 'v1', 'base32'),

  // 64-bit immediates in two slots, section 5.4
  ld_imm64:         row('ld_imm64',      0x18, 'ld_imm64',         64, 'v1', 'base64', { src: 0 }),
  ld_map_fd:        row('ld_pseudo',     0x18, 'ld_map_fd',        64, 'v1', 'base64', { src: 1 }),
  ld_map_value:     row('ld_pseudo_off', 0x18, 'ld_map_value',     64, 'v1', 'base64', { src: 2 }),
  ld_var_addr:      row('ld_pseudo_off', 0x18, 'ld_var_addr',      64, 'v1', 'base64', { src: 3 }),
  ld_code_addr:     row('ld_pseudo',     0x18, 'ld_code_addr',     64, 'v1', 'base64', { src: 4 }),
  ld_map_idx:       row('ld_pseudo',     0x18, 'ld_map_idx',       64, 'v1', 'base64', { src: 5 }),
  ld_map_idx_value: row('ld_pseudo_off', 0x18, 'ld_map_idx_value', 64, 'v1', 'base64', { src: 6 }),

  // Packet access of classic BPF, section 5.5
  ld_abs32:    row('ld_abs', 0x20, 'ld_abs', 32, 'v1', 'packet'),
  ld_abs16:    row('ld_abs', 0x28, 'ld_abs', 16, 'v1', 'packet'),
  ld_abs8:     row('ld_abs', 0x30, 'ld_abs',  8, 'v1', 'packet'),
  ld_ind32:    row('ld_ind', 0x40, 'ld_ind', 32, 'v1', 'packet'),
  ld_ind16:    row('ld_ind', 0x48, 'ld_ind', 16, 'v1', 'packet'),
  ld_ind8:     row('ld_ind', 0x50, 'ld_ind',  8, 'v1', 'packet'),

  // Loads and stores, sections 5.1 and 5.2
  ldx32:       row('ldx', 0x61, 'ldx',  32, 'v1', 'base32'),
  ldx16:       row('ldx', 0x69, 'ldx',  16, 'v1', 'base32'),
  ldx8:        row('ldx', 0x71, 'ldx',   8, 'v1', 'base32'),
  ldx64:       row('ldx', 0x79, 'ldx',  64, 'v1', 'base64'),
  ldxs32:      row('ldx', 0x81, 'ldxs', 32, 'v4', 'base64'),
  ldxs16:      row('ldx', 0x89, 'ldxs', 16, 'v4', 'base64'),
  ldxs8:       row('ldx', 0x91, 'ldxs',  8, 'v4', 'base64'),
  st32:        row('st',  0x62, 'st',   32, 'v1', 'base32'),
  st16:        row('st',  0x6a, 'st',   16, 'v1', 'base32'),
  st8:         row('st',  0x72, 'st',    8, 'v1', 'base32'),
  st64:        row('st',  0x7a, 'st',   64, 'v1', 'base64'),
  stx32:       row('stx', 0x63, 'stx',  32, 'v1', 'base32'),
  stx16:       row('stx', 0x6b, 'stx',  16, 'v1', 'base32'),
  stx8:        row('stx', 0x73, 'stx',   8, 'v1', 'base32'),
  stx64:       row('stx', 0x7b, 'stx',  64, 'v1', 'base64'),

  // Atomic operations, section 5.3
  atomic32_add:       row('atomic',       0xc3, 'atomic_add',       32, 'v1', 'atomic32', { imm: 0x00 }),
  atomic32_or:        row('atomic',       0xc3, 'atomic_or',        32, 'v3', 'atomic32', { imm: 0x40 }),
  atomic32_and:       row('atomic',       0xc3, 'atomic_and',       32, 'v3', 'atomic32', { imm: 0x50 }),
  atomic32_xor:       row('atomic',       0xc3, 'atomic_xor',       32, 'v3', 'atomic32', { imm: 0xa0 }),
  atomic32_fetch_add: row('atomic_fetch', 0xc3, 'atomic_fetch_add', 32, 'v3', 'atomic32', { imm: 0x01 }),
  atomic32_fetch_or:  row('atomic_fetch', 0xc3, 'atomic_fetch_or',  32, 'v3', 'atomic32', { imm: 0x41 }),
  atomic32_fetch_and: row('atomic_fetch', 0xc3, 'atomic_fetch_and', 32, 'v3', 'atomic32', { imm: 0x51 }),
  atomic32_fetch_xor: row('atomic_fetch', 0xc3, 'atomic_fetch_xor', 32, 'v3', 'atomic32', { imm: 0xa1 }),
  atomic32_xchg:      row('atomic_fetch', 0xc3, 'xchg',             32, 'v3', 'atomic32', { imm: 0xe1 }),
  atomic32_cmpxchg:   row('cmpxchg',      0xc3, 'cmpxchg',          32, 'v3', 'atomic32', { imm: 0xf1 }),
  atomic64_add:       row('atomic',       0xdb, 'atomic_add',       64, 'v1', 'atomic64', { imm: 0x00 }),
  atomic64_or:        row('atomic',       0xdb, 'atomic_or',        64, 'v3', 'atomic64', { imm: 0x40 }),
  atomic64_and:       row('atomic',       0xdb, 'atomic_and',       64, 'v3', 'atomic64', { imm: 0x50 }),
  atomic64_xor:       row('atomic',       0xdb, 'atomic_xor',       64, 'v3', 'atomic64', { imm: 0xa0 }),
  atomic64_fetch_add: row('atomic_fetch', 0xdb, 'atomic_fetch_add', 64, 'v3', 'atomic64', { imm: 0x01 }),
  atomic64_fetch_or:  row('atomic_fetch', 0xdb, 'atomic_fetch_or',  64, 'v3', 'atomic64', { imm: 0x41 }),
  atomic64_fetch_and: row('atomic_fetch', 0xdb, 'atomic_fetch_and', 64, 'v3', 'atomic64', { imm: 0x51 }),
  atomic64_fetch_xor: row('atomic_fetch', 0xdb, 'atomic_fetch_xor', 64, 'v3', 'atomic64', { imm: 0xa1 }),
  atomic64_xchg:      row('atomic_fetch', 0xdb, 'xchg',             64, 'v3', 'atomic64', { imm: 0xe1 }),
  atomic64_cmpxchg:   row('cmpxchg',      0xdb, 'cmpxchg',          64, 'v3', 'atomic64', { imm: 0xf1 }),

  // Linux: load that acquires, store that releases
  load_acquire8:   row('load_acquire',  0xd3, 'load_acquire',   8, 'v4', 'linux', { imm: 0x100 }),
  load_acquire16:  row('load_acquire',  0xcb, 'load_acquire',  16, 'v4', 'linux', { imm: 0x100 }),
  load_acquire32:  row('load_acquire',  0xc3, 'load_acquire',  32, 'v4', 'linux', { imm: 0x100 }),
  load_acquire64:  row('load_acquire',  0xdb, 'load_acquire',  64, 'v4', 'linux', { imm: 0x100 }),
  store_release8:  row('store_release', 0xd3, 'store_release',  8, 'v4', 'linux', { imm: 0x110 }),
  store_release16: row('store_release', 0xcb, 'store_release', 16, 'v4', 'linux', { imm: 0x110 }),
  store_release32: row('store_release', 0xc3, 'store_release', 32, 'v4', 'linux', { imm: 0x110 }),
  store_release64: row('store_release', 0xdb, 'store_release', 64, 'v4', 'linux', { imm: 0x110 }),
} as const satisfies Record<string, OpRow>;

/** Name of an instruction: the key of {@link OPS}. */
export type OpName = keyof typeof OPS;

type Ops = typeof OPS;
/** Names of the instructions of the given format(s). */
export type OpsOfFormat<F extends Format> = { [N in OpName]: Ops[N]['format'] extends F ? N : never }[OpName];
/** What an instruction does, whatever its width and operands; with a format, only the operations of that format. */
export type Operation<F extends Format = Format> = Ops[OpsOfFormat<F>]['operation'];

/** All instructions, in the order of the table. */
export const OP_NAMES = Object.keys(OPS) as OpName[];

/** The row of an instruction, typed for use with a name known only at run time. */
type AnyRow = OpRow & { readonly operation: Operation };

const ROWS: ReadonlyMap<OpName, AnyRow> = new Map(OP_NAMES.map((op) => [op, OPS[op]]));

/** The row of an instruction whose name is known only at run time: a Map, as an object of so many fields takes five times as long. */
export const opRow = (op: OpName): AnyRow => ROWS.get(op) as AnyRow;

/** Field of the register that holds the address of an access; undefined for instructions that access no memory through one. */
export function baseOf(op: OpName): 'dst' | 'src' | undefined {
  switch (opRow(op).format) {
    case 'ldx':
    case 'load_acquire':
      return 'src';
    case 'st':
    case 'stx':
    case 'atomic':
    case 'atomic_fetch':
    case 'cmpxchg':
    case 'store_release':
      return 'dst';
    default:
      return undefined;
  }
}

/** Instruction by what it does: format, operation, width, and (registers moved) the off that tells mov from movsx. */
export function findOp(format: Format, operation: string, width: number, off?: number): OpName | undefined {
  return OP_NAMES.find((name) => {
    const r: OpRow = OPS[name];
    const offFits = off === undefined || (r.fixed.off ?? 0) === off;
    return r.format === format && r.operation === operation && r.width === width && offFits;
  });
}

/** The opcode of all instructions that take two slots (RFC 9669 section 3.2). */
export const WIDE_OPCODE = 0x18;

/** True where the instruction takes two slots. */
export const isWide = (op: OpName): boolean => OPS[op].opcode === WIDE_OPCODE;
