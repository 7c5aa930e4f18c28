// Messages of loading and running programs: memory, references to the host, test-run input, typed aborts.
import { message } from '../diagnostic.ts';

export const outOfMemory = message(
  'run/out-of-memory',
  (size: number, used: number, limit: number) =>
    `${size} more bytes do not fit in the linear memory: ${used} of ${limit} bytes are in use`,
);

export const noSharedMemory = message(
  'run/no-shared-memory',
  (why: string) => `this host has no memory for several threads: ${why}`,
);

export const outOfCpus = message(
  'run/cpus',
  (cpus: number) => `the host has ${cpus} CPUs, and other threads run programs as each of them`,
  { hint: 'give the host as many CPUs as there are threads that run programs' },
);

export const notShared = message('run/not-shared', () => 'the object was not loaded to be shared', {
  hint: 'load it with the option `shared`',
});

export const attachRefused = message('run/attach', (why: string) => `cannot attach: ${why}`);

export const noTestRun = message(
  'run/no-test-run',
  (type: string, dialect: string) => `${type} programs of the ${dialect} dialect cannot be test-run`,
);

export const testRunRefused = message(
  'run/test-run-refused',
  (errno: string, why: string) => `the test-run is refused (${errno}): ${why}`,
);

export const badContext = message('run/context', (context: string, why: string) => `${context}: ${why}`);

export const unknownProgramType = message(
  'run/program-type',
  (type: string, dialect: string) => `the ${dialect} platform has no program type ${type}`,
);

export const unknownMapType = message(
  'run/map-type',
  (type: string, dialect: string) => `the ${dialect} platform has no map type ${type}`,
);

export const programNotLoaded = message(
  'run/program-not-loaded',
  () => 'the program is not loaded: its section begins with `?`',
  { hint: 'name it in `programs`' },
);

export const noSuchProgram = message(
  'run/no-program',
  (name: string, known: readonly string[]) =>
    `the object has no program '${name}'; it has ${known.length === 0 ? 'none' : known.join(', ')}`,
);

export const noSuchMap = message(
  'run/no-map',
  (name: string, known: readonly string[]) =>
    `the object has no map '${name}'; it has ${known.length === 0 ? 'none' : known.join(', ')}`,
);

export const severalPrograms = message(
  'run/which-program',
  (known: readonly string[]) => `the object has several programs; choose one of ${known.join(', ')}`,
);

export const noExtern = message(
  'run/extern',
  (kind: string, name: string) => `the ${kind} '${name}' is not weak, and this host does not have it`,
);

export const mapOperation = message(
  'run/map-operation',
  (errno: string, operation: string) => `${operation} failed: ${errno}`,
);

export const mapMismatch = message(
  'run/map-mismatch',
  (what: string, wanted: string, found: string) =>
    `the map given to be reused has ${what} ${found}, but the object declares ${wanted}`,
);

export const wrongSize = message(
  'run/wrong-size',
  (what: string, found: number, wanted: number) => `${what} has ${found} bytes, expected ${wanted}`,
);

export const notANumber = message('run/not-a-number', (what: string, value: number | bigint, size: number) =>
  size === 0 || size > 8
    ? `${what} has ${size} bytes and is not given as a number`
    : `${what} has ${size} bytes, which cannot hold ${value}`,
);

export const noMapBtf = message(
  'run/no-map-btf',
  (what: string) => `the object has no BTF for the ${what} of this map`,
);

export const noRecords = message(
  'run/no-records',
  (type: string) => `a ${type} map has no records; ring buffers and perf event arrays have`,
);

export const slotRefused = message(
  'run/slot',
  (slot: number, target: string, why: string) => `slot ${slot} cannot hold '${target}': ${why}`,
  { severity: 'warning' },
);

export const tailCallType = message(
  'run/tail-call-type',
  (errno: string) => `the programs of this prog_array are of another type or attach type (${errno})`,
);

export const coreNeedsTarget = message(
  'run/core-target',
  (count: number) => `${count} CO-RE relocations need the BTF of a kernel to be resolved against`,
  { hint: 'give it in `btf`' },
);

export const disposed = message('run/disposed', (what: string) => `${what} was used after it was disposed of`);

export const badOption = message('run/option', (option: string, why: string) => `option ${option} ${why}`);
