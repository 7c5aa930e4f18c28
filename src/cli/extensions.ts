// Extensions that the command knows: what the verifier and listings of this process learn of program types beyond the built-in ones,
// as eBPF for Windows' tools learn them from what is installed.
import { pathToFileURL } from 'node:url';
import { delimiter, resolve } from 'node:path';
import { fail } from '../base/diagnostic.ts';
import { badExtension } from '../base/messages/cli.ts';
import { extendPlatform } from '../context/providers/platform.ts';
import { type Provider, PROVIDER_VERSION } from '../context/providers/records.ts';
import { builtInPlatform } from '../hosts/platform.ts';
import type { Dialect } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';

let known: readonly Provider[] = [];
let platforms: { [D in Dialect]?: Platform } = {};

/** Makes providers known to this process, in place of those that were. */
export function knowExtensions(providers: Iterable<Provider>): void {
  known = [...providers];
  platforms = {};
}

export const knownExtensions = (): readonly Provider[] => known;

/** The built-in platform with what the known extensions add. */
export const platformFor = (dialect: Dialect): Platform =>
  (platforms[dialect] ??= extendPlatform(builtInPlatform(dialect), known));

/**
 * Loads the modules that ANYBPF_EXTENSIONS names, paths separated as in PATH. Each exports a list of providers by default.
 *
 * @throws AnyBpfError cli/extension for what is no such module
 */
export async function loadExtensions(paths: string | undefined): Promise<void> {
  if (paths === undefined || paths === '') return;
  const found: Provider[] = [];
  for (const path of paths.split(delimiter).filter((one) => one !== '')) {
    const module: { readonly default?: unknown } = await import(pathToFileURL(resolve(path)).href).catch(
      (error: unknown) => fail(badExtension({ file: path }, error instanceof Error ? error.message : String(error))),
    );
    if (!Array.isArray(module.default) || !module.default.every(isProvider))
      fail(
        badExtension(
          { file: path },
          `it does not export a list of providers of version ${PROVIDER_VERSION} by default`,
        ),
      );
    found.push(...(module.default as Provider[]));
  }
  knowExtensions(found);
}

const isProvider = (one: unknown): boolean =>
  typeof one === 'object' && one !== null && 'version' in one && one.version === PROVIDER_VERSION && 'kind' in one;
