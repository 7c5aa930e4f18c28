// The providers of a context. Platforms are put together from those that are there now; programs whose providers are away, or have
// come back with other prototypes than the programs were verified against, are not usable until that is right again.
import { type Diagnostic, fail } from '../../base/diagnostic.ts';
import { functionAway, informationChanged, providerAway } from '../../base/messages/provider.ts';
import { informationHash } from '../../run/information.ts';
import { ERRNO } from '../../spec/errno.ts';
import type { HelperRow } from '../../spec/helper.ts';
import type { MapTypeName } from '../../spec/map-types.ts';
import type { Dialect } from '../../spec/object.ts';
import type { Platform } from '../../spec/platform.ts';
import type { ExecutionContext } from '../context.ts';
import { refuse } from '../errors.ts';
import { CHAINS } from '../hooks/chains.ts';
import { LIMITS } from '../hooks/limits.ts';
import type { ContextProgram } from '../program-object.ts';
import { found, missing } from './information.ts';
import { extendPlatform } from './platform.ts';
import {
  type HookProvider,
  type MapProvider,
  type ModuleProvider,
  type ProgramInformationProvider,
  type Provider,
  PROVIDER_VERSION,
  type ProviderKind,
} from './records.ts';

const OPERATION = 'register a provider';
const DIALECTS = ['linux', 'windows'] as const;

/** Types that can keep the elements of a provider's map: a value for each key, in one copy. */
const BASES: readonly MapTypeName[] = ['hash', 'array', 'lru_hash', 'lpm_trie'];

/** What a provider is of, once a context: two of one name exclude each other. */
const SUBJECT: {
  readonly [K in ProviderKind]: (provider: Extract<Provider, { readonly kind: K }>) => readonly string[];
} = {
  'program-information': ({ type }) => [`program type ${type.type}`],
  hook: ({ dialect, attachType }) => [`hook ${dialect} ${attachType}`],
  map: ({ type }) => [`map type ${type}`],
  function: ({ dialect, functions }) => functions.map(({ name }) => `function ${dialect} ${name}`),
  module: ({ of }) => [`module ${of}`],
};

const subjectsOf = <P extends Provider>(provider: P): readonly string[] =>
  (SUBJECT[provider.kind] as (provider: P) => readonly string[])(provider);

/** What was found of a program when it was loaded. */
interface Verified {
  readonly hash: string | undefined;
  readonly had: ReadonlySet<string>;
}

/** A provider that is there. */
export interface Registration {
  readonly provider: Provider;
  /** Takes it away: what it brought is not there for new programs, and programs that need it do not run. */
  remove(): void;
}

export class ProviderStore {
  readonly #context: ExecutionContext;
  readonly #providers = new Set<Provider>();
  readonly #platforms = new Map<Dialect, Platform>();
  readonly #verified = new WeakMap<ContextProgram, Verified>();
  /** Bodies of helpers and functions by name: those of the provider that is there now. */
  readonly #bodies = new Map<string, HelperRow['body']>();
  readonly #listeners = new Set<() => void>();

  constructor(context: ExecutionContext) {
    this.#context = context;
  }

  /**
   * Adds a provider. Programs that waited for it run again, where it has the prototypes that they were verified against.
   *
   * @throws AnyBpfError EINVAL for a version or a reference that is not known, EEXIST where there is one for the same thing
   */
  register(provider: Provider): Registration {
    this.#check(provider);
    this.#providers.add(provider);
    if (provider.kind === 'hook') this.#context.hooks.add(this.#hookRow(provider));
    this.#changed();
    return {
      provider,
      remove: () => {
        if (!this.#providers.delete(provider)) return;
        this.#changed();
      },
    };
  }

  get providers(): ReadonlySet<Provider> {
    return this.#providers;
  }

  /** Called after each change. */
  onChange(hear: () => void): () => void {
    this.#listeners.add(hear);
    return () => this.#listeners.delete(hear);
  }

  /** The module that was made ahead of time for an object file. */
  module(of: string): ModuleProvider | undefined {
    for (const provider of this.#providers) if (provider.kind === 'module' && provider.of === of) return provider;
    return undefined;
  }

  /** Whether the hook's provider is there; hooks that are built in always are. */
  hasHook({
    provider,
    dialect,
    attachType,
  }: {
    readonly provider: string;
    readonly dialect: Dialect;
    readonly attachType: string;
  }): boolean {
    if (provider === 'built-in') return true;
    return [...this.#providers].some(
      (one) => one.kind === 'hook' && one.dialect === dialect && one.attachType === attachType,
    );
  }

  /** The host's platform with what providers add to it. */
  platform(dialect: Dialect): Platform {
    const known = this.#platforms.get(dialect);
    if (known !== undefined) return known;
    const made = this.#make(dialect);
    this.#platforms.set(dialect, made);
    return made;
  }

  #make(dialect: Dialect): Platform {
    return extendPlatform(this.#context.options.host.platform(dialect), this.#providers, {
      standing: (row) => this.#standing(row),
      callbacks: ({ type }) => this.#callbacks(type),
    });
  }

  /** A row that compiled code can keep: its body is the one of the provider that is there when it is called. */
  #standing(row: HelperRow): HelperRow {
    return {
      ...row,
      body: (env, ...args) => {
        const body = this.#bodies.get(row.name) ?? fail(functionAway({ program: env.program.name }, row.name));
        return body(env, ...args);
      },
    };
  }

  #callbacks(type: MapTypeName): MapProvider['callbacks'] {
    for (const provider of this.#providers)
      if (provider.kind === 'map' && provider.type === type) return provider.callbacks;
    return undefined;
  }

  #check(provider: Provider): void {
    const { version, module } = provider as { readonly version: number; readonly module: string };
    if (version !== PROVIDER_VERSION)
      refuse(OPERATION, 'EINVAL', `records of version ${version} are not known here, only of ${PROVIDER_VERSION}`);
    if (!Object.hasOwn(SUBJECT, provider.kind))
      refuse(OPERATION, 'EINVAL', `there is no kind '${String(provider.kind)}'`);
    const taken = new Set([...this.#providers].flatMap(subjectsOf));
    for (const subject of subjectsOf(provider))
      if (taken.has(subject)) refuse(OPERATION, 'EEXIST', `${module}: there is a provider of ${subject}`);
    if (provider.kind === 'program-information') this.#checkType(provider);
    if (provider.kind === 'map') this.#checkMap(provider);
    if (provider.kind === 'hook') this.#checkHook(provider);
  }

  #checkType({ type: { type }, helpers = [] }: ProgramInformationProvider): void {
    for (const dialect of DIALECTS) {
      const host = this.#context.options.host.platform(dialect);
      if (host.programType(type) !== undefined) refuse(OPERATION, 'EEXIST', `the program type ${type} is built in`);
      // For all programs a number keeps its meaning; a type can give it another for its own (programNumbers).
      for (const { name, numbers } of helpers.flatMap((family) => family.helpers)) {
        const number = numbers[dialect];
        const known = number === undefined ? undefined : host.helperName(number);
        if (known !== undefined) refuse(OPERATION, 'EEXIST', `${name}: the helper ${number} is ${known}`);
      }
    }
  }

  #checkMap({ type, base, row }: MapProvider): void {
    const builtIn = DIALECTS.map((dialect) => this.#context.options.host.platform(dialect).mapType(type)).find(
      (one) => one !== undefined && one.unsupported === undefined,
    );
    if (builtIn !== undefined) refuse(OPERATION, 'EEXIST', `the map type ${type} is built in`);
    if ((base === undefined) === (row === undefined))
      refuse(OPERATION, 'EINVAL', 'a map type has a base or a row, and not both');
    if (base !== undefined && !BASES.includes(base))
      refuse(OPERATION, 'EINVAL', `${base} cannot be a base; there is ${BASES.join(', ')}`);
  }

  #checkHook({ dialect, attachType }: HookProvider): void {
    const hook = this.#context.hooks.find(dialect, attachType);
    if (hook?.row.provider === 'built-in') refuse(OPERATION, 'EEXIST', `the hook ${attachType} is built in`);
  }

  #hookRow({ module, attachType, dialect, types, target, limit, chain, verdict }: HookProvider) {
    return {
      attachType,
      dialect,
      types,
      link: 'plain' as const,
      target,
      limit: typeof limit === 'string' ? LIMITS[limit] : limit,
      chain: typeof chain === 'string' ? CHAINS[chain] : chain,
      verdict,
      provider: module,
    };
  }

  #changed(): void {
    this.#platforms.clear();
    this.#bodies.clear();
    for (const provider of this.#providers) {
      const rows =
        provider.kind === 'program-information'
          ? (provider.helpers ?? []).flatMap(({ helpers }) => helpers)
          : provider.kind === 'function'
            ? provider.functions
            : [];
      for (const row of rows) this.#bodies.set(row.name, row.body);
    }
    for (const program of this.#context.programs.values()) program.usable = this.diagnose(program) === undefined;
    this.#context.hooks.refresh();
    for (const hear of this.#listeners) hear();
  }

  /** Remembers what a new program was verified against; gives its program-information hash. */
  verified(program: ContextProgram): string | undefined {
    const { spec } = program.loaded;
    const externs = program.parts.object?.externs ?? [];
    const platform = this.platform(spec.dialect);
    const hash = program.parts.informationHash ?? informationHash(spec, externs, platform);
    this.#verified.set(program, { hash, had: found(spec, externs, platform) });
    return hash;
  }

  /** Why a program is not usable; undefined where it is. */
  diagnose(program: ContextProgram): Diagnostic | undefined {
    const verified = this.#verified.get(program);
    if (verified?.hash === undefined) return undefined;
    const { spec } = program.loaded;
    const externs = program.parts.object?.externs ?? [];
    const platform = this.platform(spec.dialect);
    const place = { program: program.name };
    const mapTypes = [...program.maps].map(({ raw }) => raw.type).filter((type) => this.#lacks(platform, type));
    const away = missing(spec, externs, [...new Set(mapTypes)], platform, verified.had);
    if (away.length > 0) return providerAway(place, away);
    const now = informationHash(spec, externs, platform) ?? '';
    return now === verified.hash ? undefined : informationChanged(place, verified.hash, now);
  }

  /** @throws AnyBpfError ENODEV with the reason, for a program that is not usable */
  checkUsable(program: ContextProgram): void {
    if (program.usable) return;
    const diagnostic = this.diagnose(program);
    if (diagnostic !== undefined) fail({ ...diagnostic, errno: ERRNO.ENODEV });
  }

  /** Whether a dialect's platform is other than the host's: verdicts that were found elsewhere do not hold then. */
  extends(dialect: Dialect): boolean {
    return this.platform(dialect) !== this.#context.options.host.platform(dialect);
  }

  #lacks(platform: Platform, type: MapTypeName): boolean {
    const row = platform.mapType(type);
    return row === undefined || row.unsupported !== undefined;
  }
}
