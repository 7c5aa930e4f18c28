// Types that no host could give a meaning to yet: refused with the reason.
import { fail } from '../base/diagnostic.ts';
import { mapTypeUnsupported } from '../base/messages/map.ts';
import type { MapTypeRow } from '../spec/map.ts';
import { ENOTSUPP } from './attributes.ts';

const refuse = (type: MapTypeRow['type'], why: string): MapTypeRow => ({
  type,
  unsupported: why,
  check: () => ENOTSUPP,
  create: (spec) => fail(mapTypeUnsupported({ map: spec.name }, type, why)),
  doc: `refused: ${why}`,
});

/** BPF_MAP_TYPE_STRUCT_OPS. */
export const structOps = refuse(
  'struct_ops',
  'its value is a table of functions inside Linux, and there is no Linux under this map',
);

/** BPF_MAP_TYPE_ARENA. */
export const arena = refuse('arena', 'programs reach it through address-space casts, which the back ends do not have');

/** BPF_MAP_TYPE_SAMPLE_HASH_MAP of eBPF for Windows. */
export const sampleHashMap = refuse(
  'sample_hash_map',
  'it comes with the sample extension (examples/sample-extension)',
);
