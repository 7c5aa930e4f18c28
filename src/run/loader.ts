// Loads an object into a runtime: CO-RE, globals, maps, programs, initial slots.
import { AnyBpfError, type Diagnostic, fail } from '../base/diagnostic.ts';
import {
  badOption,
  coreNeedsTarget,
  noExtern,
  noSuchProgram,
  programNotLoaded,
  slotRefused,
  tailCallType,
  unknownProgramType,
} from '../base/messages/run.ts';
import type { Btf } from '../btf/btf.ts';
import type { CoreCache } from '../btf/core.ts';
import { relocateProgram } from '../link/core.ts';
import { type LinkOptions, linkObject } from '../link/link.ts';
import { type GlobalValue, withGlobals } from '../link/with-globals.ts';
import type { ProgramImage } from '../spec/backend.ts';
import { errnoName } from '../spec/errno.ts';
import type { ObjectSpec, ProgramSpec } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import { callsGivenKfuncs, type ExternOptions, kconfigData, kfuncRow, ksymValue } from './extern-values.ts';
import { LoadedObject } from './object.ts';
import { ENGINE_CHOICES } from './engines.ts';
import { createMaps, type MapOverride, type MapSlot } from './object-maps.ts';
import { DEFAULT_BUDGET, LoadedProgram } from './program.ts';
import { Runtime, type RuntimeOptions } from './runtime.ts';
import { asCreated, DEFAULT_VERIFY, Verification, VERIFY_MODES, type VerifyMode } from './verification.ts';
import type { Verdict, VerifyOptions } from '../verify/verify.ts';

export interface LoadOptions extends RuntimeOptions, ExternOptions, LinkOptions {
  /**
   * Load into this runtime, to share maps with its other objects; `memoryLimit`, `shared` and `attach` are then its own, and `engine`
   * where it is absent.
   */
  readonly runtime?: Runtime;
  /** Platform to load for, in place of the host's: one that `with` extended. */
  readonly platform?: Platform;
  /** Changes to maps, by name. */
  readonly maps?: Readonly<Record<string, MapOverride>>;
  /** Initial values of global variables, by name (link/with-globals.ts). */
  readonly globals?: Readonly<Record<string, GlobalValue>>;
  /** Programs to load, by function name; without it all but those of `?` sections. */
  readonly programs?: readonly string[];
  /** BTF of the kernel and its modules to resolve CO-RE relocations against. */
  readonly btf?: readonly Btf[];
  /** Most instructions of one run, {@link DEFAULT_BUDGET} where absent. */
  readonly budget?: number;
  /**
   * What is verified, {@link DEFAULT_VERIFY} where absent:
   * - `off`: nothing; all accesses are checked while programs run
   * - `prefer`: a program for which the compiler is chosen, before it is compiled. Accepted, it runs without those checks; refused, or
   *   not decided within the limits, with them
   * - `require`: every program, now. What is not accepted is not loaded, and has the verifier's finding as its diagnostic
   */
  readonly verify?: VerifyMode;
  /** How far a verification goes; {@link PREFER_LIMITS} for `prefer` and the verifier's own for `require` where absent. */
  readonly verifyLimits?: VerifyOptions;
  /**
   * Certificates (Verdict.certificate, as JSON.parse gives them) by program name. Where one shows that its program may run, that is
   * not found out again; it is checked and never trusted. Where it does not, the program is verified as without it.
   */
  readonly certificates?: Readonly<Record<string, unknown>>;
  /** Verdicts that the caller has found elsewhere, with the same maps, and believes; by program name. */
  readonly verdicts?: Readonly<Record<string, Verdict>>;
}

/**
 * Loads an object file or a linked spec: resolves CO-RE, creates the maps, makes the programs ready to run.
 *
 * A map or program that cannot be loaded does not stop the others: it carries its diagnostic (also in
 * `LoadedObject.diagnostics`) and raises it when it is used.
 *
 * @throws AnyBpfError elf/*, btf/*, link/* where the file as a whole is broken; run/* and link/* for options that name what
 *   the object does not have
 */
export function loadObject(source: Uint8Array | ObjectSpec, options: LoadOptions): LoadedObject {
  const { host, budget = DEFAULT_BUDGET } = options;
  const { verify = DEFAULT_VERIFY } = options;
  if (!VERIFY_MODES.includes(verify))
    fail(badOption({}, 'verify', `is '${verify}'; there is ${VERIFY_MODES.join(', ')}`));
  if (!Number.isInteger(budget) || budget < 1)
    fail(badOption({}, 'budget', `must be a positive number, not ${budget}`));
  const linked = source instanceof Uint8Array ? linkObject(source, options) : source;
  const object = options.globals === undefined ? linked : withGlobals(linked, options.globals);
  const known = object.programs.map(({ name }) => name);
  for (const name of options.programs ?? []) {
    if (!known.includes(name)) fail(noSuchProgram({ file: object.name }, name, known));
  }
  const platform = options.platform ?? host.platform(object.dialect);
  const runtime = options.runtime ?? new Runtime(options);
  try {
    const maps = createMaps({ ...options, runtime, platform, object }, options.maps ?? {});
    const programs = new ProgramLoader(runtime, platform, object, maps, options).load(budget);
    const loaded = new LoadedObject(object, runtime, platform, programs, maps, options.runtime === undefined);
    if (options.attach === undefined) fillSlots(loaded, maps);
    return loaded;
  } catch (error) {
    if (options.runtime === undefined) runtime[Symbol.dispose]();
    throw error;
  }
}

class ProgramLoader {
  readonly #runtime: Runtime;
  readonly #platform: Platform;
  readonly #object: ObjectSpec;
  readonly #maps: readonly MapSlot[];
  readonly #options: LoadOptions;
  #asCreated: ObjectSpec | undefined;
  readonly #coreCache: CoreCache = new Map();
  /** Strong kconfig externs without a value, by their byte in the map. */
  readonly #missingConfig: ReadonlyMap<number, string>;

  constructor(
    runtime: Runtime,
    platform: Platform,
    object: ObjectSpec,
    maps: readonly MapSlot[],
    options: LoadOptions,
  ) {
    this.#runtime = runtime;
    this.#platform = platform;
    this.#object = object;
    this.#maps = maps;
    this.#options = options;
    const config = object.maps.find(({ kind }) => kind === 'kconfig');
    const missing = config === undefined ? [] : kconfigData(config, object.externs, options).missing;
    this.#missingConfig = new Map(missing.map(({ name, kconfig }) => [kconfig?.offset ?? 0, name]));
  }

  load(budget: number): LoadedProgram[] {
    return this.#object.programs.map((original) => {
      const wanted = this.#options.programs?.includes(original.name) ?? original.autoload;
      const spec = wanted ? this.#relocated(original) : original;
      const verification = wanted ? this.#verification(spec) : undefined;
      const image = this.#image(spec, budget, verification);
      const row = this.#platform.programType(spec.type);
      const diagnostic = wanted ? this.#load(spec, image, verification) : programNotLoaded({ program: spec.name });
      if (diagnostic === undefined) this.#runtime.addProgram(image);
      return new LoadedProgram(this.#runtime, image, row, budget, diagnostic, verification);
    });
  }

  #relocated(spec: ProgramSpec): ProgramSpec {
    const { btf: targets = [] } = this.#options;
    const { btf } = this.#object;
    if (spec.core.length === 0 || btf === undefined) return spec;
    if (targets.length > 0) return relocateProgram(spec, btf, targets, this.#coreCache);
    const unsupported = coreNeedsTarget({ program: spec.name, insn: spec.core[0].slot }, spec.core.length);
    return { ...spec, unsupported: spec.unsupported ?? unsupported };
  }

  /** With the maps as they are here: what stands for a declared one may have other elements than the object says. */
  #verification(spec: ProgramSpec): Verification | undefined {
    const { verify = DEFAULT_VERIFY, verifyLimits, certificates, verdicts } = this.#options;
    if (verify === 'off' || spec.unsupported !== undefined) return undefined;
    this.#asCreated ??= asCreated(this.#object, this.#maps, this.#runtime.memory);
    const certificate =
      certificates === undefined ? undefined : Object.entries(certificates).find(([n]) => n === spec.name)?.[1];
    const verdict = Object.entries(verdicts ?? {}).find(([name]) => name === spec.name)?.[1];
    return new Verification(this.#asCreated, spec, this.#platform, verify, verifyLimits, certificate, verdict);
  }

  /** Makes the code; gives the reason where that cannot be. */
  #load(spec: ProgramSpec, image: ProgramImage, verification: Verification | undefined): Diagnostic | undefined {
    if (spec.unsupported !== undefined) return spec.unsupported;
    if (this.#platform.programType(spec.type)?.contexts[spec.dialect] === undefined) {
      return unknownProgramType({ program: spec.name }, spec.type, this.#platform.dialect);
    }
    const refusal = verification?.mode === 'require' ? verification.verdict.diagnostic : undefined;
    if (refusal !== undefined) return { ...refusal, place: { section: spec.section, ...refusal.place } };
    try {
      const { runtime, engine } = this.#options;
      const backend = runtime === undefined || engine === undefined ? this.#runtime.backend : ENGINE_CHOICES[engine];
      this.#runtime.codeOf(image, backend);
      return undefined;
    } catch (error) {
      if (!(error instanceof AnyBpfError)) throw error;
      const { diagnostic } = error;
      return { ...diagnostic, place: { program: spec.name, section: spec.section, ...diagnostic.place } };
    }
  }

  #image(spec: ProgramSpec, budget: number, verification: Verification | undefined): ProgramImage {
    const { externs } = this.#object;
    const options = this.#options;
    const image: ProgramImage = {
      id: this.#runtime.nextProgramId(),
      spec,
      memory: this.#runtime.memory,
      mapHandle: (index) => {
        const map = this.#map(index);
        if (map === undefined) return undefined;
        if (map.type === 'prog_array') this.#admit(map, image);
        return map.handle;
      },
      mapValue: (index, offset) => {
        const strong = this.#object.maps[index]?.kind === 'kconfig' ? this.#missingConfig.get(offset) : undefined;
        if (strong !== undefined) fail(noExtern({}, 'kconfig option', strong));
        return this.#map(index)?.directValue?.(offset);
      },
      extern: (index) => {
        const value = ksymValue(externs[index], options);
        if (value === undefined && externs[index] !== undefined)
          fail(noExtern({}, 'kernel symbol', externs[index].name));
        return value;
      },
      kfunc: (index) => kfuncRow(externs[index], options) ?? this.#platform.kfunc(externs[index]?.name ?? ''),
      helper: (number) => this.#platform.helper(number, spec.type),
      layout: this.#platform.programType(spec.type)?.contexts[spec.dialect],
      budget,
      ...(verification === undefined ? {} : { proof: this.#proofOf(spec, verification) }),
      code: undefined,
    };
    return image;
  }

  /** What a function of the caller's gives back nobody has verified: the verdict is on Linux' function of that name. */
  #proofOf(spec: ProgramSpec, verification: Verification): NonNullable<ProgramImage['proof']> {
    let given: boolean | undefined;
    return (wanted) => {
      given ??= callsGivenKfuncs(spec, this.#object.externs, this.#options);
      return given ? undefined : verification.proof(wanted);
    };
  }

  /** The map that an instruction names; raises why where it could not be created. */
  #map(index: number) {
    const slot = this.#maps[index];
    if (slot === undefined) return undefined;
    return 'diagnostic' in slot ? fail(slot.diagnostic) : slot.map.raw;
  }

  /** A program that uses a prog_array must be of the kind of its programs (kernel/bpf/core.c: bpf_check_tail_call). */
  #admit(map: Parameters<Runtime['admitProgram']>[0], image: ProgramImage): void {
    const status = this.#runtime.admitProgram(map, image.spec);
    if (status < 0) fail(tailCallType({ map: map.spec.name }, errnoName(status)));
  }
}

/** Initial elements of prog_arrays and maps of maps. What cannot be set is a finding of the object. */
function fillSlots(loaded: LoadedObject, maps: readonly MapSlot[]): void {
  for (const slot of maps) {
    if ('diagnostic' in slot || !slot.owned) continue;
    const { map } = slot;
    for (const { index, kind, target } of map.spec.slots) {
      const place = { map: map.name };
      const found =
        kind === 'map'
          ? loaded.maps.find(({ name }) => name === target)
          : loaded.programs.find(({ name, diagnostic }) => name === target && diagnostic === undefined);
      if (found === undefined) {
        loaded.report(slotRefused(place, index, target, `that ${kind} is not loaded`));
        continue;
      }
      try {
        map.set(index, found);
      } catch (error) {
        if (!(error instanceof AnyBpfError)) throw error;
        loaded.report(slotRefused(place, index, target, error.diagnostic.message));
      }
    }
  }
}
