import { fail, type Place } from '../base/diagnostic.ts';
import { noBtf } from '../base/messages/cli.ts';
import type { Btf } from '../btf/btf.ts';
import { decodeBtf } from '../btf/decode.ts';
import { sectionByName } from '../elf/lookup.ts';
import { isElf, readElfSections } from '../elf/read.ts';

/** The types of a kernel: raw as in /sys/kernel/btf, or in an ELF file. */
export function kernelBtf(bytes: Uint8Array, place: Place): Btf {
  const raw = isElf(bytes) ? sectionByName(readElfSections(bytes, place), '.BTF')?.data : bytes;
  return decodeBtf(raw ?? fail(noBtf(place)), { place });
}
