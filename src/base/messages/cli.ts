// What the command refuses before or beside the stages that it calls.
import { type Diagnostic, message } from '../diagnostic.ts';

export const wrongUse = message('cli/usage', (why: string) => why, { hint: 'see anybpf --help' });

export const cannotRead = message('cli/read', (why: string) => `cannot be read: ${why}`);

export const emptyFile = message('cli/read', () => 'the file is empty');

export const cannotWriteFile = message('cli/write', (why: string) => `cannot be written: ${why}`);

export const badJson = message('cli/json', (what: string, why: string) => `${what} is not JSON: ${why}`);

export const badOption = message(
  'cli/option',
  (option: string, value: string, why: string) => `${option} ${value}: ${why}`,
);

export const noSuchProgram = message(
  'cli/program',
  (name: string, present: readonly string[]) =>
    `there is no program "${name}"; the object has ${present.length === 0 ? 'none' : present.join(', ')}`,
);

export const noPacketProgram = message(
  'cli/program',
  (types: string) => `the object has no program that a capture can be replayed through (${types})`,
);

export const chooseProgram = message(
  'cli/program',
  (choices: readonly string[]) => `choose one with --program: ${choices.join(', ')}`,
);

export const notReplayable = message(
  'cli/program-type',
  (name: string, type: string, types: string) =>
    `${name} is a ${type} program: a capture can be replayed through ${types}`,
);

export const unsupportedLinkType = message(
  'cli/link-type',
  (packet: number, linkType: string) =>
    `packet ${packet} is ${linkType}, but programs see Ethernet frames; only Ethernet and raw IP can be replayed`,
);

export const noSuchMap = message(
  'cli/map',
  (name: string, present: readonly string[]) =>
    `there is no map "${name}"; the object has ${present.length === 0 ? 'none' : present.join(', ')}`,
);

export const abortedOn = (packet: number, finding: Diagnostic): Diagnostic => ({
  ...finding,
  message: `packet ${packet}: ${finding.message}`,
});

export const badPreset = message('cli/map', (entry: string, why: string) => `the entry ${entry} cannot be set: ${why}`);

export const rawIpNotice = message(
  'cli/raw-ip',
  () => 'the capture holds raw IP packets: an Ethernet header with zero addresses is put before each',
  { severity: 'note' },
);

export const noBtf = message('cli/no-btf', () => 'the object has no BTF', { hint: 'compile with -g' });

export const asmMaps = message(
  'cli/asm-maps',
  (maps: readonly string[]) =>
    `the text names the maps ${maps.join(', ')}, but has no place to define them: it cannot become an object`,
  { hint: 'print the instructions instead' },
);

export const noKernelLog = message('cli/kernel-log', () => "it holds no log of Linux's verifier", {
  hint: 'load the program with log level 1 or 2: bpftool -d prog load, or libbpf with a print callback',
});

export const badExtension = message('cli/extension', (why: string) => `no extension can be loaded from it: ${why}`, {
  hint: 'ANYBPF_EXTENSIONS names modules that export providers (docs/extensions.md)',
});
