// stats.enable, context.synchronize, trace.subscribe, feature.probe.
import { MAP_TYPES, type MapTypeName } from '../spec/map-types.ts';
import type { Dialect } from '../spec/object.ts';
import type { Platform } from '../spec/platform.ts';
import { PROGRAM_TYPES, type ProgramTypeName } from '../spec/program-types.ts';
import type { Handlers, Result } from '../spec/session.ts';
import { Referenced } from './objects.ts';
import type { ContextSession } from './session.ts';

/** The wish to count runs: as long as a handle of it is open (bpf_enable_stats). */
class Counting extends Referenced {
  readonly kind = 'stats';
}

type Names = 'stats.enable' | 'context.synchronize' | 'trace.subscribe' | 'feature.probe';

export const contextMethods: Pick<Handlers<ContextSession>, Names> = {
  'stats.enable': (session) => {
    session.checkRoom(1);
    const counting = new Counting();
    counting.onEnd(session.context.wantCounts());
    return { fd: session.open(counting) };
  },
  'context.synchronize': async ({ context }) => {
    await context.reclaimer.synchronize();
    return {};
  },
  'trace.subscribe': (session) => {
    session.onClose(session.context.onTrace((event) => queueMicrotask(() => session.emit('trace', event))));
    return {};
  },
  'feature.probe': ({ context }) => probe((dialect) => context.platform(dialect)),
};

const DIALECTS: readonly Dialect[] = ['linux', 'windows'];
/** Linux' helpers have numbers below this; Windows' below, or from 0x10000 on those of a program type. */
const HELPERS = 512;
const TYPE_HELPERS = 0x10000;
const MOST_TYPE_HELPERS = 64;

function probe(platformOf: (dialect: Dialect) => Platform): Result<'feature.probe'> {
  const platforms = DIALECTS.map(platformOf);
  const mapTypes = (Object.keys(MAP_TYPES) as MapTypeName[]).map((type) => {
    const rows = platforms.map((platform) => platform.mapType(type));
    return [type, rows.some((row) => row !== undefined && row.unsupported === undefined)] as const;
  });
  const types = (Object.keys(PROGRAM_TYPES) as ProgramTypeName[]).filter((type) => type !== 'unspec');
  const programTypes = types.map(
    (type) => [type, platforms.some((platform) => platform.programType(type) !== undefined)] as const,
  );
  return {
    mapTypes: Object.fromEntries(mapTypes),
    programTypes: Object.fromEntries(programTypes),
    helpers: Object.fromEntries(types.map((type) => [type, helpersOf(platforms, type)])),
    misc: {
      large_insn_limit: true,
      bounded_loops: true,
      v2_isa_extension: true,
      v3_isa_extension: true,
      v4_isa_extension: true,
    },
  };
}

/** Names as bpftool gives them, with `bpf_`; of the first platform that has the type. */
function helpersOf(platforms: readonly Platform[], type: ProgramTypeName): string[] {
  const platform = platforms.find((one) => one.programType(type) !== undefined);
  if (platform === undefined) return [];
  const numbers = [
    ...Array.from({ length: HELPERS }, (_, i) => i),
    ...Array.from({ length: MOST_TYPE_HELPERS }, (_, i) => TYPE_HELPERS + i),
  ];
  return numbers.flatMap((number) => {
    const row = platform.helper(number, type);
    return row === undefined ? [] : [`bpf_${row.name}`];
  });
}
