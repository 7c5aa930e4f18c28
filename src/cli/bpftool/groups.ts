// The objects of bpftool's grammar, in its order: of several that a short word begins, the first counts.
import { btfGroup } from './btf.ts';
import { cgroupGroup } from './cgroup.ts';
import { featureGroup } from './feature.ts';
import { genGroup } from './gen.ts';
import { iterGroup } from './iter.ts';
import { linkGroup } from './link.ts';
import { mapGroup } from './map.ts';
import { netGroup } from './net.ts';
import { perfGroup } from './perf.ts';
import { progGroup } from './prog.ts';
import { structOpsGroup } from './struct-ops.ts';
import type { Group } from './tool.ts';

export const GROUPS: readonly Group[] = [
  progGroup,
  mapGroup,
  linkGroup,
  cgroupGroup,
  perfGroup,
  netGroup,
  featureGroup,
  btfGroup,
  genGroup,
  structOpsGroup,
  iterGroup,
];
