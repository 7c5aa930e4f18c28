// --btf: the types of a kernel.
import type { Btf } from '../btf/btf.ts';
import { kernelBtf } from '../hosts/kernel-btf.ts';
import { readWhole } from './files.ts';

/** The BTF of a kernel: raw as in /sys/kernel/btf, or in an ELF file. */
export const kernelTypes = async (file: string): Promise<Btf> => kernelBtf(await readWhole(file), { file });
