// --btf: the types of a kernel.
import { fail } from '../base/diagnostic.ts';
import { noBtf } from '../base/messages/cli.ts';
import type { Btf } from '../btf/btf.ts';
import { decodeBtf } from '../btf/decode.ts';
import { sectionByName } from '../elf/lookup.ts';
import { isElf, readElfSections } from '../elf/read.ts';
import { readWhole } from './files.ts';

/** The BTF of a kernel: raw as in /sys/kernel/btf, or in an ELF file. */
export async function kernelTypes(file: string): Promise<Btf> {
  const bytes = await readWhole(file);
  const raw = isElf(bytes) ? sectionByName(readElfSections(bytes, { file }), '.BTF')?.data : bytes;
  return decodeBtf(raw ?? fail(noBtf({ file })), { place: { file } });
}
