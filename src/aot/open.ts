// A compiled module in AnyBPF: its maps, helpers, contexts and test runs are AnyBPF's own, its code is the module's.
import { fail, type Place } from '../base/diagnostic.ts';
import { notShown, otherLayout, otherPlatform } from '../base/messages/aot.ts';
import { loadProgram } from '../compile/load.ts';
import { CompiledCode } from '../compile/wasm/code.ts';
import { GLOBALS, Machine } from '../compile/wasm/machine.ts';
import { type ImportedFunction, programExports } from '../compile/wasm/program.ts';
import type { ExternOptions } from '../run/extern-values.ts';
import { informationHash } from '../run/information.ts';
import { loadObject } from '../run/loader.ts';
import type { LoadedObject } from '../run/object.ts';
import type { ProgramImage } from '../spec/backend.ts';
import type { HelperRow } from '../spec/helper.ts';
import type { Host } from '../spec/host.ts';
import type { ExternSpec, ObjectSpec, ProgramSpec } from '../spec/object.ts';
import { specOf } from './describe.ts';
import { checkedRecord } from './loader/check.ts';
import type { ImportRecord, ModuleRecord, ProgramRecord } from './loader/record.ts';
import { moduleHost } from './module-host.ts';
import { fromBase64 } from './record.ts';
import { fillMaps, type MapContents } from './contents.ts';
import { memoryDigest } from './snapshot.ts';
import { PAGE } from '../run/memory.ts';

export interface OpenOptions extends Pick<ExternOptions, 'kfuncs'> {
  readonly host: Host;
}

/**
 * Makes a module's maps again, where and as they were when it was compiled, and puts its code in the place of an engine's.
 *
 * @throws AotError aot/not-a-module, aot/altered, aot/format
 * @throws AnyBpfError aot/platform where helpers are not what they were, aot/layout where maps lie otherwise, aot/certificate where
 *   neither the certificate of a program nor the verifier shows that it may run
 */
export async function openModule(bytes: Uint8Array, options: OpenOptions): Promise<LoadedObject> {
  const record = await checkedRecord(bytes);
  const { host, kfuncs } = options;
  const made = moduleHost(host, record.options.cpus);
  const ksyms = record.externs.flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, BigInt(value)] as const],
  );
  const object = loadObject(objectOf(record), {
    host: made,
    engine: 'reference',
    budget: record.options.budget,
    memoryLimit: record.memory.maximum * PAGE,
    programs: record.programs.map(({ name }) => name),
    certificates: Object.fromEntries(record.programs.map(({ name, certificate }) => [name, certificate])),
    ksyms: Object.fromEntries(ksyms),
    ...(kfuncs === undefined ? {} : { kfuncs }),
  });
  try {
    checkInformation(object, record);
    checkCertified(object, record);
    await putCode(object, record, bytes);
    made.made();
    return object;
  } catch (error) {
    object[Symbol.dispose]();
    throw error;
  }
}

/** Contexts and helpers are those that the programs were verified with: the hash in the module, and what it is here. */
function checkInformation(object: LoadedObject, record: ModuleRecord): void {
  const { platform, spec } = object;
  for (const { name, information } of record.programs) {
    const here = informationHash(object.program(name).spec, spec.externs, platform);
    if (information === undefined || information === here) continue;
    fail(
      otherPlatform({ file: record.object, program: name }, 'its context or a helper that it calls is another here'),
    );
  }
}

/** What the record says to be shown, is: of the instructions in it, with the maps as they are here. */
function checkCertified(object: LoadedObject, record: ModuleRecord): void {
  for (const { name, certificate, checkedAt } of record.programs) {
    if (certificate === undefined) continue;
    const { verdict } = object.program(name);
    const shown = verdict?.verdict === 'accepted' && verdict.checkedAt !== undefined;
    const all = shown && [...verdict.checkedAt].every((slot) => checkedAt?.includes(slot) === true);
    if (!all) fail(notShown({ file: record.object, program: name }));
  }
}

async function putCode(object: LoadedObject, record: ModuleRecord, bytes: Uint8Array): Promise<void> {
  const { runtime } = object;
  const { memory } = runtime;
  const place = { file: record.object };
  const images = record.programs.map(({ name }): ProgramImage => {
    const image = runtime.program(object.program(name).id);
    if (image === undefined) return fail(otherPlatform({ ...place, program: name }, 'the program cannot be loaded'));
    image.code?.dispose();
    image.code = undefined;
    return image;
  });
  const codes = images.map(
    (image) => new CompiledCode(loadProgram(image).image, (other) => other.code ?? notHere(other), bytes.length),
  );
  const imports: Record<string, WebAssembly.ModuleImports> = { anybpf: { memory: memory.wasm } };
  record.programs.forEach(({ name }, i) => {
    const wanted = record.platform.imports.filter(({ program }) => program === name);
    imports[name] = codes[i].imports(
      wanted.map((one) => importOf(one, images[i], record.externs, place)),
    ) as WebAssembly.ModuleImports;
  });
  fillMaps(object, contentsOf(record));
  // The maps are compared before the module writes its data, which are the same, over them.
  const digest = await memoryDigest(memory);
  const { pages, top, control, stack } = record.memory;
  if (digest !== record.memory.digest || memory.u8.length > pages * PAGE) fail(otherLayout(place, record.producer));
  const { exports } = await WebAssembly.instantiate(
    await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>),
    imports,
  );
  const globals = Object.fromEntries(GLOBALS.map((name) => [name, exports[name]])) as Machine['globals'];
  const machine = Machine.of(memory, { globals, table: exports.table as WebAssembly.Table });
  if (machine.control !== control || machine.stack !== stack || memory.top !== top) {
    fail(otherLayout(place, record.producer));
  }
  images.forEach((image, i) => {
    const { name } = record.programs[i];
    codes[i].link(machine, programExports(exports, `${name}.`), absolute(record.offsets[i]));
    image.code = codes[i];
  });
}

const contentsOf = ({ maps }: ModuleRecord): MapContents =>
  Object.fromEntries(
    maps.map(({ name, entries }) => [
      name,
      entries.map(([key, value]) => [fromBase64(key), fromBase64(value)] as const),
    ]),
  );

/** All programs that a tail call may find are in the module. */
const notHere = (image: ProgramImage): never => {
  throw new Error(`program ${image.spec.name} is not in the module`);
};

/** Pairs of offset and slot out of their differences. */
function absolute(differences: readonly number[]): number[] {
  const values: number[] = [];
  differences.forEach((difference, i) => values.push(difference + (i < 2 ? 0 : values[i - 2])));
  return values;
}

function importOf(
  { program, name, number, args, returns }: ImportRecord,
  image: ProgramImage,
  externs: ModuleRecord['externs'],
  place: Place,
): ImportedFunction {
  if (args === undefined) return { name } as ImportedFunction;
  const refuse = (what: string): never => fail(otherPlatform({ ...place, program }, what));
  const row: HelperRow =
    (name.startsWith('kfunc.') ? kfuncOf(image, externs, name) : image.helper(number ?? -1)) ??
    refuse(`there is no ${name}`);
  const same = row.returns === returns && row.args.join() === args.join() && name.endsWith(`.${row.name}`);
  return same ? { name, row } : refuse(`${name} has another prototype`);
}

/** The kfunc of an import among the externs of the object. */
const kfuncOf = (image: ProgramImage, { length }: ModuleRecord['externs'], name: string): HelperRow | undefined =>
  Array.from({ length }, (_, index) => image.kfunc(index)).find(
    (row) => row !== undefined && name === `kfunc.${row.name}`,
  );

function objectOf(record: ModuleRecord): ObjectSpec {
  const { dialect } = record.platform;
  return {
    name: record.object,
    dialect,
    endian: 'little',
    license: record.programs[0]?.license ?? '',
    programs: record.programs.map((program) => programOf(program, dialect)),
    maps: record.maps.map(specOf),
    externs: record.externs.map(({ name, kind, weak }) => ({ name, kind, weak, typeId: 0 }) as ExternSpec),
    diagnostics: [],
  };
}

function programOf(program: ProgramRecord, dialect: ObjectSpec['dialect']): ProgramSpec {
  const { name, section, type, attachType, license, functions, files, lines, sleepable, fragments } = program;
  return {
    name,
    section,
    type: type as ProgramSpec['type'],
    ...(attachType === undefined ? {} : { attachType: attachType as NonNullable<ProgramSpec['attachType']> }),
    sleepable,
    fragments,
    autoload: true,
    license,
    dialect,
    code: fromBase64(program.code),
    functions: functions.map(([title, slot, length]) => ({ name: title, slot, length, typeId: 0, global: false })),
    lines: lines.map(([slot, file, line, column]) => ({ slot, file: files[file], line, column, text: '' })),
    core: [],
    tags: [],
  };
}
