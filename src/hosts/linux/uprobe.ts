// Functions of programs and libraries, for user probes: `binary:symbol`, `binary:symbol+0x10`, `binary:0x1139`.
import { existsSync, readFileSync } from 'node:fs';
import { fail } from '../../base/diagnostic.ts';
import { noSymbol } from '../../base/messages/linux-host.ts';
import { ByteReader, cString, utf8 } from '../../base/bytes.ts';
import { ELF_SIZES, type ElfSections, SHT, STT } from '../../elf/format.ts';
import { readElfSections } from '../../elf/read.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { Fd } from '../../spec/session.ts';
import { putAt } from './bpf.ts';
import { checked, refuse, refuseFile } from './errors.ts';
import { linkCreate, type LinkRequest } from './link-request.ts';

export interface PlaceInBinary {
  readonly file: string;
  /** In the file. */
  readonly offset: number;
}

/** Folders that a name without `/` is looked for in: programs, then libraries. */
const FOLDERS = [
  ...(process.env['PATH'] ?? '/usr/bin:/bin').split(':'),
  '/lib',
  '/usr/lib',
  ...['x86_64', 'aarch64', 'riscv64', 's390x', 'powerpc64le', 'loongarch64'].flatMap((arch) => [
    `/lib/${arch}-linux-gnu`,
    `/usr/lib/${arch}-linux-gnu`,
  ]),
  '/usr/lib64',
];

/** Undefined where the text is no place in a binary: a function of the kernel. */
export function placeInBinary(name: string, operation: string): PlaceInBinary | undefined {
  const at = name.lastIndexOf(':');
  if (at < 0) return undefined;
  const file = located(name.slice(0, at), operation);
  const where = name.slice(at + 1);
  if (NUMBER.test(where)) return { file, offset: Number(where) };
  const [, symbol, offset = '0'] =
    SYMBOL.exec(where) ?? refuse(operation, 'EINVAL', `'${where}' is no symbol of ${file}`);
  return { file, offset: symbolOffset(file, symbol, operation) + Number(offset) };
}

const NUMBER = /^(?:0x[0-9a-f]+|\d+)$/i;
const SYMBOL = /^([A-Za-z_.$][\w.$@]*)(?:\+(0x[0-9a-fA-F]+|\d+))?$/;

function located(name: string, operation: string): string {
  if (name.includes('/')) return name;
  // A library is also found without its version.
  const candidates = FOLDERS.flatMap((folder) => [`${folder}/${name}`, `${folder}/${name}.6`]);
  return candidates.find((file) => existsSync(file)) ?? refuse(operation, 'ENOENT', `there is no binary ${name}`);
}

/** Where a function's code stands in the file. */
function symbolOffset(file: string, symbol: string, operation: string): number {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    return refuseFile(operation, error);
  }
  const elf = readElfSections(bytes, { file });
  for (const address of addresses(elf, symbol)) {
    const section = elf.sections.find(
      ({ addr, size, type }) => type !== SHT.NOBITS && addr !== 0n && address >= addr && address < addr + BigInt(size),
    );
    if (section !== undefined) return Number(address - section.addr) + section.offset;
  }
  return fail({ ...noSymbol({ file }, symbol, file), errno: ERRNO.ENOENT });
}

/** Of functions with this name: those of the dynamic linker's table, too, with or without a version. */
function* addresses(elf: ElfSections, symbol: string): Generator<bigint> {
  for (const table of elf.sections) {
    if (table.type !== SHT.SYMTAB && table.type !== SHT.DYNSYM) continue;
    const names = elf.sections[table.link]?.data;
    if (names === undefined) continue;
    const reader = new ByteReader(table.data, elf.endian, { section: table.name });
    for (let at = 0; at + ELF_SIZES.symbol <= table.data.length; at += ELF_SIZES.symbol) {
      if ((reader.u8(at + 4) & 0xf) !== STT.FUNC) continue;
      const value = reader.u64(at + 8);
      if (value === 0n || !named(names, reader.u32(at), symbol)) continue;
      yield value;
    }
  }
}

/** Compares without making a text of each of thousands of names. */
function named(names: Uint8Array, at: number, symbol: string): boolean {
  if (names[at] !== symbol.charCodeAt(0)) return false;
  return cString(names.subarray(at, at + symbol.length + 64)).split('@')[0] === symbol;
}

/** Offsets in BPF_LINK_CREATE's part for user probes. */
const ATTR = { path: 16, offsets: 24, cookies: 40, count: 48, flags: 52, pid: 56 } as const;

/** uprobe_multi: a comma between several symbols of one binary. */
export function linkUprobes(request: LinkRequest): Fd {
  const { target, operation, flags, cookie } = request;
  const { name = '', pid = -1 } = target;
  const at = name.lastIndexOf(':');
  const places = name
    .slice(at + 1)
    .split(',')
    .map((symbol) => placeInBinary(`${name.slice(0, Math.max(at, 0))}:${symbol}`, operation) as PlaceInBinary);
  if (at < 0) refuse(operation, 'EINVAL', `'${name}' is no place in a binary: binary:symbol`);
  const link = linkCreate({ ...request, flags: 0 }, 0, (attr) => {
    putAt(attr, ATTR.path, utf8(`${places[0].file}\0`));
    putAt(attr, ATTR.offsets, new Uint8Array(BigUint64Array.from(places, ({ offset }) => BigInt(offset)).buffer));
    if (cookie !== undefined)
      putAt(attr, ATTR.cookies, new Uint8Array(new BigUint64Array(places.length).fill(cookie).buffer));
    attr.setUint32(ATTR.count, places.length, true);
    attr.setUint32(ATTR.flags, flags, true);
    attr.setUint32(ATTR.pid, pid === -1 ? 0 : pid, true);
  });
  return checked(operation, link, {}, name);
}
