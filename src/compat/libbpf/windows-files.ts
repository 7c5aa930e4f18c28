// ebpf_api_elf_* and ebpf_enumerate_programs: what stands in an object file, and whether it would verify. No context is asked.
import { AnyBpfError, formatDiagnostic } from '../../base/diagnostic.ts';
import { sectionByName } from '../../elf/lookup.ts';
import { isElf, readElfSections } from '../../elf/read.ts';
import { builtInPlatform } from '../../hosts/platform.ts';
import { disassemble } from '../../isa/disassembler.ts';
import { linkObject } from '../../link/link.ts';
import type { ObjectSpec, ProgramSpec } from '../../spec/object.ts';
import { verify } from '../../verify/verify.ts';
import { errnoOf } from './errors.ts';
import { fileBytes, type Library, type Out } from './library.ts';
import { ATTACH_GUIDS, EBPF_RESULT, type EbpfResult, PROGRAM_GUIDS, programTypeOfGuid } from '../../spec/windows.ts';

/** ebpf_api_program_info_t: the list is an array, statistics are counts by name. */
export interface ProgramInformation {
  readonly section_name: string;
  readonly program_name: string;
  /** GUIDs, null where there is none. */
  readonly program_type: string | null;
  readonly expected_attach_type: string | null;
  readonly raw_data: Uint8Array;
  readonly stats: readonly { readonly key: string; readonly value: number }[];
}

/** ebpf_api_verifier_stats_t. */
export interface VerifierStatistics {
  total_unreachable: number;
  total_warnings: number;
  max_loop_count: number;
}

type Text = Out<string | null>;

const SUCCEEDED = 0;
const FAILED = 1;

/** Runs a body that ends in 0 or 1; why it could not be done is the error message. */
const told = async (error_message: Text, body: () => Promise<number>): Promise<number> => {
  error_message.value = null;
  try {
    return await body();
  } catch (error) {
    errnoOf(error);
    error_message.value = error instanceof AnyBpfError ? error.message : String(error);
    return FAILED;
  }
};
const verifyProgram = (
  bytes: Uint8Array,
  section: string | null,
  name: string | null,
  type: string | null,
  report: Text,
  error_message: Text,
  stats: VerifierStatistics | null,
): number => {
  report.value = null;
  const forced = type === null ? undefined : programTypeOfGuid(type);
  const object = linkObject(bytes, forced === undefined ? {} : { programType: forced });
  const program = programIn(object, section, name);
  if (program === undefined) {
    error_message.value = 'error: Section not found';
    return FAILED;
  }
  const { verdict, diagnostic, warnings = [] } = verify(object, program, builtInPlatform(program.dialect));
  if (stats !== null)
    Object.assign(stats, { total_unreachable: 0, total_warnings: warnings.length, max_loop_count: 0 });
  if (verdict === 'accepted') return SUCCEEDED;
  report.value = diagnostic === undefined ? verdict : formatDiagnostic(diagnostic);
  error_message.value = 'Verification failed';
  return FAILED;
};

export function windowsFileFunctions(lib: Library) {
  const readFile = async (file: string): Promise<Uint8Array | undefined> => {
    const bytes = await fileBytes(lib, file);
    return typeof bytes === 'number' ? undefined : bytes;
  };

  const opened = async (file: string, error_message: Text): Promise<Uint8Array | undefined> => {
    const bytes = await readFile(file);
    if (bytes === undefined) error_message.value = `error: No such file or directory opening ${file}`;
    return bytes;
  };

  return {
    /** `section_name` and `program_name` null: the first. 0, or 1 with the error message. */
    ebpf_api_elf_disassemble_program: (
      file: string,
      section_name: string | null,
      program_name: string | null,
      disassembly: Text,
      error_message: Text,
    ) =>
      told(error_message, async () => {
        disassembly.value = null;
        const bytes = await opened(file, error_message);
        if (bytes === undefined) return FAILED;
        const program = programIn(linkObject(bytes, { name: file }), section_name, program_name);
        if (program === undefined) {
          error_message.value = `error: Can't find section ${section_name ?? ''} in file ${file}`;
          return FAILED;
        }
        const platform = builtInPlatform(program.dialect);
        disassembly.value = disassemble(program.code, {
          helperName: (helper) => platform.helperName(helper, program.type),
        });
        return SUCCEEDED;
      }),
    /** 0 where the program verifies, 1 where it does not: `report` says why. `verbosity` is accepted. */
    ebpf_api_elf_verify_program_from_file: (
      file: string,
      section_name: string | null,
      program_name: string | null,
      program_type: string | null,
      _verbosity: number,
      report: Text,
      error_message: Text,
      stats: VerifierStatistics | null = null,
    ) =>
      told(error_message, async () => {
        const bytes = await opened(file, error_message);
        return bytes === undefined
          ? FAILED
          : verifyProgram(bytes, section_name, program_name, program_type, report, error_message, stats);
      }),
    ebpf_api_elf_verify_program_from_memory: (
      data: Uint8Array,
      data_length: number,
      section_name: string | null,
      program_name: string | null,
      program_type: string | null,
      _verbosity: number,
      report: Text,
      error_message: Text,
      stats: VerifierStatistics | null = null,
    ) =>
      told(error_message, async () =>
        verifyProgram(
          data.subarray(0, data_length),
          section_name,
          program_name,
          program_type,
          report,
          error_message,
          stats,
        ),
      ),
    /** `data` null: only the size. Sections of ELF files; PE images have none that could be read here. */
    ebpf_api_get_data_section: async (
      file_path: string,
      section_name: string,
      data: Uint8Array | null,
      data_size: Out<number>,
    ): Promise<EbpfResult> => {
      const bytes = await readFile(file_path);
      if (bytes === undefined || !isElf(bytes)) return EBPF_RESULT.EBPF_INVALID_OBJECT;
      const found = sectionByName(readElfSections(bytes), section_name)?.data;
      if (found === undefined) return EBPF_RESULT.EBPF_OBJECT_NOT_FOUND;
      const room = data_size.value;
      data_size.value = found.length;
      if (data === null) return EBPF_RESULT.EBPF_SUCCESS;
      if (room < found.length || data.length < found.length) return EBPF_RESULT.EBPF_INSUFFICIENT_BUFFER;
      data.set(found);
      return EBPF_RESULT.EBPF_SUCCESS;
    },
    ebpf_enumerate_programs: async (
      file: string,
      verbose: boolean,
      infos: Out<readonly ProgramInformation[] | null>,
      error_message: Text,
    ): Promise<EbpfResult> => {
      infos.value = null;
      const failed = await told(error_message, async () => {
        const bytes = await opened(file, error_message);
        if (bytes === undefined) return FAILED;
        infos.value = linkObject(bytes, { name: file }).programs.map((program) => describe(program, verbose));
        return SUCCEEDED;
      });
      if (failed === SUCCEEDED) return EBPF_RESULT.EBPF_SUCCESS;
      return error_message.value?.includes('No such file') === true
        ? EBPF_RESULT.EBPF_FILE_NOT_FOUND
        : EBPF_RESULT.EBPF_ELF_PARSING_FAILED;
    },
    ebpf_free_programs: (_infos: readonly ProgramInformation[] | null): void => {},
    ebpf_free_string: (_string: string | null): void => {},
  };
}

const programIn = (object: ObjectSpec, section: string | null, name: string | null): ProgramSpec | undefined =>
  object.programs.find((p) => (section === null || p.section === section) && (name === null || p.name === name));

const describe = (program: ProgramSpec, verbose: boolean): ProgramInformation => ({
  section_name: program.section,
  program_name: program.name,
  program_type: PROGRAM_GUIDS[program.type] ?? null,
  expected_attach_type: (program.attachType === undefined ? undefined : ATTACH_GUIDS[program.attachType]) ?? null,
  raw_data: program.code,
  stats: verbose ? [{ key: 'Instructions', value: program.code.length / 8 }] : [],
});
