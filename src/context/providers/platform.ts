// A platform with what providers add to it.
import type { HelperRow } from '../../spec/helper.ts';
import type { Platform } from '../../spec/platform.ts';
import { customMapRow } from './custom-map.ts';
import type { MapProvider, Provider } from './records.ts';

/** How a platform gets at the code of its providers. */
export interface ExtendOptions {
  /** Puts another body in a helper's place. */
  readonly standing?: (row: HelperRow) => HelperRow;
  readonly callbacks?: (provider: MapProvider) => MapProvider['callbacks'];
}

/**
 * The platform with the program types, helpers, map types and functions of providers: what the verifier and tools look at. A context
 * makes its own (ProviderStore), with providers that come and go.
 */
export function extendPlatform(
  base: Platform,
  providers: Iterable<Provider>,
  { standing = (row) => row, callbacks = (provider) => provider.callbacks }: ExtendOptions = {},
): Platform {
  const all = [...providers];
  const information = all.filter((one) => one.kind === 'program-information');
  const maps = all.filter((one) => one.kind === 'map');
  const functions = all.filter((one) => one.kind === 'function').filter(({ dialect }) => dialect === base.dialect);
  if (information.length + maps.length + functions.length === 0) return base;
  return base.with({
    programTypes: information.map(({ type }) => type),
    families: information.flatMap(({ helpers = [] }) =>
      helpers.map((family) => ({ ...family, helpers: family.helpers.map(standing) })),
    ),
    mapTypes: maps.map((provider) =>
      customMapRow(provider, provider.base === undefined ? undefined : base.mapType(provider.base), () =>
        callbacks(provider),
      ),
    ),
    kfuncs: functions.flatMap((provider) => provider.functions.map(standing)),
  });
}
